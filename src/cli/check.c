#include <stdio.h>

#include "cli.h"

#include "compute/kernel.h"
#include "train/trial.h"

static void print_bytes(const char *name, int64_t bytes)
{
    printf("  %-22s %10.1f MB\n", name, (double)bytes / 1e6);
}

static void print_plan(const pp_job *job, const pp_trial_plan *p, int ranks)
{
    printf("%s: fine\n", job->name);
    printf("  %-22s %10lld\n", "training rows", (long long)p->train_rows);
    printf("  %-22s %10lld\n", "held-out rows", (long long)p->validation_rows);
    printf("  %-22s %10lld -> %lld\n", "inputs -> outputs", (long long)p->inputs,
           (long long)p->outputs);
    printf("  %-22s %10lld\n", "parameters", (long long)p->parameters);
    printf("  %-22s %10lld (%lld an epoch)\n", "steps", (long long)p->steps,
           (long long)p->steps_per_epoch);
    printf("  %-22s %10d on %d rank%s\n", "lanes", p->lanes, ranks, ranks == 1 ? "" : "s");
    printf("  %-22s %10lld to %lld of a batch of %lld\n", "rows a lane",
           (long long)p->lane_rows_least, (long long)p->lane_rows_most,
           (long long)job->training.batch);
    printf("  %-22s %10s\n", "OpenBLAS kernel", pp_kernel_name());
    printf("memory of the largest rank:\n");
    print_bytes("data", p->bytes_data);
    print_bytes("model and optimiser", p->bytes_model);
    print_bytes("activations", p->bytes_activations);
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_job *job = NULL;
    pp_trial_plan plan;
    pp_status status = cli_load_job(c, &job, &err);
    if (status == PP_OK) {
        pp_trial_spec spec = {.job = job, .comm = c->world, .log = &c->log};
        status = pp_trial_check(&spec, &plan, &err);
    }
    int code = status == PP_OK ? 0 : cli_fail(c, status, &err);
    if (status == PP_OK) cli_warn_of_rows(c, job, (int64_t)1 << 30);
    if (status == PP_OK && c->log.speaks) print_plan(job, &plan, pp_comm_size(c->world));
    pp_job_destroy(job);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job; may be repeated"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_check = {
    .name = "check",
    .positionals = "JOB",
    .help = "parse a job, open its data and plan it; train nothing",
    .least = 1,
    .most = 1,
    .parallel = 1,
    .multiplies = 1,
    .options = options,
    .run = run,
};
