#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "pitprop/fs.h"
#include "pitprop/report.h"
#include "pitprop/sweep.h"

/* Rank 0 reads the sweep file and the job that it names; everyone parses them. */
static pp_status load(cli *c, pp_sweep **sweep, pp_error *err)
{
    const char *origin = c->args.positional[0];
    char *text = NULL, *path = NULL, *job = NULL;
    pp_status status = PP_OK;
    if (pp_comm_rank(c->world) == 0) {
        status = pp_fs_read(origin, &text, NULL, err);
        if (status == PP_OK) status = pp_sweep_job_path(text, origin, &path, err);
        if (status == PP_OK && path != NULL) status = pp_fs_read(path, &job, NULL, err);
        /* What cannot be read is a wrong command line: exit code 2. */
        if (status == PP_E_IO) status = PP_E_ARG;
    }
    status = pp_comm_agree(c->world, status, err);
    if (status == PP_OK) status = cli_share_text(c->world, &text, err);
    if (status == PP_OK) status = cli_share_text(c->world, &job, err);
    if (status == PP_OK)
        status = pp_comm_agree(c->world, pp_sweep_parse(text, origin, job, sweep, err), err);
    free(text);
    free(path);
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

static pp_status sweep_all(cli *c, const pp_sweep *sweep, int *stopped, pp_error *err)
{
    pp_sweep_table *table = NULL;
    pp_sweep_spec spec = {.sweep = sweep,
                          .directory =
                              c->args.output != NULL ? c->args.output : pp_sweep_directory(sweep),
                          .leaves = c->args.no_wait,
                          .only_failed = c->args.only_failed,
                          .comm = c->world,
                          .backend = pp_backend_cpu(),
                          .log = &c->log,
                          .stop = &cli_stop};
    pp_status status = pp_sweep_run(&spec, &table, stopped, err);
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

static int run(cli *c)
{
    pp_error err = {0};
    pp_sweep *sweep = NULL;
    int stopped = 0;
    if (strcmp(c->args.positional[0], "status") == 0 && c->args.n_positional == 2)
        return show_status(c, c->args.positional[1]);
    pp_status status = PP_OK;
    if (c->args.n_positional != 1)
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
               "print the trials that are known beforehand, and run nothing"),
    CLI_OPTION("--no-wait", NULL, NULL, CLI_FLAG, no_wait,
               "leave when no trial is free, whoever runs the last ones (tasks of an array)"),
    CLI_OPTION("--only-failed", NULL, NULL, CLI_FLAG, only_failed, "run trials that failed again"),
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
        "Killed or stopped, it goes on where it was when run again; several launches may work on\n"
        "one sweep at the same time.",
};
