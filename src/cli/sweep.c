#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"

#include "base/fs.h"
#include "report/report.h"
#include "study/sweep/sweep.h"

/* Rank 0 reads; everyone parses. */
static pp_status load(cli *c, pp_sweep **sweep, pp_error *err)
{
    const char *origin = c->args.positional[0];
    char *text = NULL, *job = NULL;
    pp_status status = PP_OK;
    if (pp_comm_rank(c->world) == 0) status = cli_read_sweep(origin, &text, &job, err);
    status = pp_comm_agree(c->world, status, err);
    if (status == PP_OK) status = cli_share_text(c->world, &text, err);
    if (status == PP_OK) status = cli_share_text(c->world, &job, err);
    if (status == PP_OK)
        status = pp_comm_agree(c->world, pp_sweep_parse(text, origin, job, sweep, err), err);
    free(text);
    free(job);
    return status;
}

static void print_plan(const pp_sweep_table *t)
{
    for (int i = 0; i < t->count; i++) {
        printf("%s", t->rows[i].id);
        for (int k = 0; k < t->rows[i].point.count; k++)
            printf(" %s=%s", t->rows[i].point.paths[k], t->rows[i].point.values[k]);
        putchar('\n');
    }
}

static pp_status plan(cli *c, const pp_sweep *sweep, pp_error *err)
{
    pp_sweep_table *table = NULL;
    pp_status status = pp_comm_rank(c->world) == 0 ? pp_sweep_plan(sweep, &table, err) : PP_OK;
    if (table != NULL) print_plan(table);
    pp_sweep_table_destroy(table);
    return pp_comm_agree(c->world, status, err);
}

static const char *output_of(const cli *c, const pp_sweep *sweep)
{
    return c->args.output != NULL ? c->args.output : pp_sweep_directory(sweep);
}

/* sweep.json there is the sweep itself, and is not written again. */
static pp_status keep_inputs(const cli *c, const pp_sweep *sweep, pp_error *err)
{
    static const char *const outputs[] = {"results.csv", "results.jsonl", NULL};
    return cli_keep_input_of(output_of(c, sweep), outputs, c->args.positional[0], err);
}

static pp_status sweep_all(cli *c, const pp_sweep *sweep, int *stopped, pp_error *err)
{
    pp_sweep_table *table = NULL;
    pp_sweep_spec spec = {.sweep = sweep,
                          .directory = output_of(c, sweep),
                          .leaves = c->args.no_wait,
                          .only_failed = c->args.only_failed,
                          .comm = c->world,
                          .log = &c->log,
                          .stop = &cli_stop};
    pp_status status = pp_comm_agree(c->world, keep_inputs(c, sweep, err), err);
    if (status == PP_OK) status = pp_sweep_run(&spec, &table, stopped, err);
    if (table != NULL && !*stopped) {
        pp_report_sweep(stdout, table);
        printf("\nEverything: %s/results.csv\n", spec.directory);
    }
    pp_sweep_table_destroy(table);
    return status;
}

static int show_status(cli *c, const char *directory)
{
    pp_error err = {0};
    pp_sweep_table *table = NULL;
    if (pp_comm_rank(c->world) != 0) return 0;
    pp_status status = pp_sweep_read(directory, &table, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    pp_report_sweep(stdout, table);
    pp_sweep_table_destroy(table);
    return 0;
}

/* Without MPI, which would leave its variables to the job. */
static int submit(cli *c)
{
    pp_error err = {0};
    pp_status status = cli_batch_check(&c->args, &err);
    if (status == PP_OK && c->args.n_positional != 1)
        status = pp_fail(&err, PP_E_ARG, "sweep --submit: wants one sweep file");
    if (status == PP_OK) status = cli_submit_array(c, c->args.positional[0], &err);
    return status == PP_OK ? 0 : cli_fail(c, status, &err);
}

static int run(cli *c)
{
    pp_error err = {0};
    pp_sweep *sweep = NULL;
    if (c->args.submit) return submit(c);
    int stopped = 0;
    if (strcmp(c->args.positional[0], "status") == 0 && c->args.n_positional == 2)
        return show_status(c, c->args.positional[1]);
    pp_status status = PP_OK;
    if (cli_batch_has_any(&c->args) || c->args.array_workers != NULL)
        status = pp_fail(&err, PP_E_ARG, "sweep: options for Slurm want --submit");
    if (status == PP_OK && c->args.n_positional != 1)
        status = pp_fail(&err, PP_E_ARG, "sweep: wants one sweep file, or: status DIR");
    if (status == PP_OK) status = load(c, &sweep, &err);
    if (status == PP_OK)
        status = c->args.dry_run ? plan(c, sweep, &err) : sweep_all(c, sweep, &stopped, &err);
    pp_sweep_destroy(sweep);
    if (status != PP_OK) return cli_fail(c, status, &err);
    if (stopped)
        pp_log_write(&c->log, PP_LOG_WARN,
                     "stopped on request; run the same command again to go on");
    return stopped ? 5 : 0;
}

static const cli_option options[] = {
    CLI_OPTION("--output", "-o", "DIR", CLI_TEXT, output,
               "where trials and results go (default: the file's output, or runs/NAME)"),
    CLI_OPTION("--dry-run", NULL, NULL, CLI_FLAG, dry_run,
               "print the trials that are known beforehand, or the script, and do no more"),
    CLI_OPTION("--no-wait", NULL, NULL, CLI_FLAG, no_wait,
               "leave when no trial is free, whoever runs the last ones (tasks of an array)"),
    CLI_OPTION("--only-failed", NULL, NULL, CLI_FLAG, only_failed, "run trials that failed again"),
    CLI_OPTION("--submit", NULL, NULL, CLI_FLAG, submit, "as an array of batch jobs of Slurm"),
    CLI_OPTION("--array-workers", NULL, "N[%M]", CLI_TEXT, array_workers,
               "so many jobs, each of which runs trials until none is free (default 4); no more "
               "than M at a time"),
    CLI_BATCH_OPTIONS("1"),
    CLI_OPTION("--quiet", "-q", NULL, CLI_FLAG, quiet, "warnings and errors only"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_sweep = {
    .name = "sweep",
    .positionals = "SWEEP.json|status DIR",
    .help = "try many values of the keys of a job",
    .least = 1,
    .most = 2,
    .parallel = 1,
    .sweeps = 1,
    .multiplies = 1,
    .saves = 1,
    .options = options,
    .run = run,
    .notes =
        "A sweep file: {\"name\": ..., \"job\": \"job.json\", \"space\": {PATH: AXIS, ...},\n"
        "\"search\": \"random\", \"trials\": 16}. An axis: {\"log\": [1e-4, 1]}, {\"range\": [16, "
        "256],\n"
        "\"integer\": true}, {\"choice\": [\"relu\", \"tanh\"]}, with \"points\" for a grid and "
        "\"when\":\n"
        "{PATH: VALUE} where it counts only with that value of an axis before it.\n"
        "Keys: name, job, output, space, search (grid, random, sobol, tpe, asha), trials, seeds,\n"
        "seed, metric (skill), goal (max, min), round (8: trials of a round of tpe), eta (3) and\n"
        "rungs (3) of asha, ranks_per_trial (auto), on_collapse (stop, warn).\n"
        "--submit writes sweep.sbatch into the sweep's directory and calls sbatch; the same\n"
        "command again goes on with what is not finished.\n"
        "Killed or stopped, it goes on where it was when run again; several launches may work on\n"
        "one sweep at the same time.",
};
