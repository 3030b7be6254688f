#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"

#include "base/fs.h"
#include "run/run_files.h"

/* What a job says: its name and its run directory. */
static pp_status place(cli_args *args, const char *origin, const char *otherwise, cli_batch *b,
                       pp_error *err)
{
    char *text = NULL;
    pp_job *job = NULL;
    pp_patch patch = {args->set_paths, args->set_values, args->n_sets};
    pp_status status = pp_fs_read(origin, &text, NULL, err);
    if (status == PP_E_IO) status = PP_E_ARG;
    if (status == PP_OK) status = pp_job_parse(text, origin, &patch, &job, err);
    free(text);
    if (status != PP_OK) return status;
    snprintf(b->name, sizeof b->name, "%s", job->name);
    const char *given = args->output != NULL ? args->output
                        : otherwise != NULL  ? otherwise
                                             : job->output;
    int length = *given != '\0' ? snprintf(b->directory, PATH_MAX, "%s", given)
                                : snprintf(b->directory, PATH_MAX, "runs/%s", job->name);
    if (length >= PATH_MAX) status = pp_fail(err, PP_E_ARG, "%s: path is too long", given);
    pp_job_destroy(job);
    return status;
}

/* The longest time that a checkpoint of the run took, by the rows of its metrics; 0: unknown. */
static double checkpoint_seconds(const char *directory)
{
    static const char seconds_key[] = "\"checkpoint_s\":", count_key[] = "\"checkpoints\":";
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    double longest = 0;
    if (snprintf(path, sizeof path, "%s/" PP_RUN_METRICS, directory) >= PATH_MAX) return 0;
    FILE *file = fopen(path, "r");
    while (file != NULL && getline(&line, &size, file) > 0) {
        const char *seconds = strstr(line, seconds_key), *count = strstr(line, count_key);
        if (seconds == NULL || count == NULL) continue;
        double each =
            strtod(seconds + strlen(seconds_key), NULL) / strtod(count + strlen(count_key), NULL);
        if (each > longest && isfinite(each)) longest = each;
    }
    free(line);
    if (file != NULL) fclose(file);
    return longest;
}

static pp_status submit_train(cli_args *args, const char *path, pp_error *err)
{
    cli_batch b = {.command = "train", .flag = "--resume", .path = path};
    char old[PATH_MAX];
    pp_status status = place(args, path, NULL, &b, err);
    if (status != PP_OK) return status;
    if (snprintf(old, sizeof old, "%s/" PP_RUN_JOB, b.directory) >= PATH_MAX)
        return pp_fail(err, PP_E_ARG, "%s: path is too long", b.directory);
    if (!args->dry_run && !args->resume && pp_fs_exists(old))
        return pp_fail(err, PP_E_ARG,
                       "%s: holds a run already; add --resume to go on with it, or --output DIR to "
                       "keep both",
                       b.directory);
    b.more_lead = (int)fmin(2 * floor(checkpoint_seconds(b.directory)), INT_MAX);
    return cli_batch_submit(args, &b, err);
}

/* Of a job file, or of a run directory. */
static pp_status submit_why(cli_args *args, const char *path, pp_error *err)
{
    cli_batch b = {.command = "why", .path = path};
    char origin[PATH_MAX];
    int is_run = pp_fs_is_directory(path);
    if (snprintf(origin, sizeof origin, is_run ? "%s/" PP_RUN_JOB : "%s", path) >= PATH_MAX)
        return pp_fail(err, PP_E_ARG, "%s: path is too long", path);
    pp_status status = place(args, origin, is_run ? path : NULL, &b, err);
    return status == PP_OK ? cli_batch_submit(args, &b, err) : status;
}

static const struct {
    const char *command;
    pp_status (*submit)(cli_args *args, const char *path, pp_error *err);
} kinds[] = {{"train", submit_train}, {"why", submit_why}, {"sweep", cli_submit_sweep}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static int run(cli *c)
{
    pp_error err = {0};
    cli_args *args = &c->args;
    int kind = 0;
    if (args->n_positional == 2)
        while (kind < N_KINDS && strcmp(kinds[kind].command, args->positional[0]) != 0)
            kind++;
    pp_status status = cli_batch_check(args, &err);
    if (status == PP_OK && kind == N_KINDS)
        status =
            pp_fail(&err, PP_E_ARG, "submit %s: must be train, why or sweep", args->positional[0]);
    if (status == PP_OK)
        status = kinds[kind].submit(args, args->positional[args->n_positional - 1], &err);
    return status == PP_OK ? 0 : cli_fail(c, status, &err);
}

static const cli_option options[] = {
    CLI_BATCH_OPTIONS("2"),
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job, such as training.epochs=3; may be repeated"),
    CLI_OPTION("--output", "-o", "DIR", CLI_TEXT, output,
               "directory of the run or sweep (default runs/NAME)"),
    CLI_OPTION("--resume", NULL, NULL, CLI_FLAG, resume, "go on with the run that is there"),
    CLI_OPTION("--dry-run", NULL, NULL, CLI_FLAG, dry_run, "print the script and do no more"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_submit = {
    .name = "submit",
    .positionals = "[train|why|sweep] FILE",
    .help = "train, or another command, as a batch job of Slurm",
    .least = 1,
    .most = 2,
    .options = options,
    .run = run,
    .notes = "Writes train.sbatch (why.sbatch, sweep.sbatch) into the directory of the run, from "
             "where it can be\nsubmitted again by hand, and calls sbatch. Warned of its end, the "
             "job saves and goes back into the\nqueue; what it says is in slurm-ID.out of that "
             "directory. A sweep as an array: pitprop sweep --submit.",
};
