#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "train_sbatch.h" /* generated: slurm/train.sbatch as a string */

#include "pitprop/check.h"
#include "pitprop/fs.h"

/* What a user would edit at the top of the script: lines with these beginnings. */
typedef struct edit {
    const char *line, *begins; /* in the script; what takes its place */
    const char *value;         /* NULL: the line stays */
} edit;

static const char END_OF_TOP[] = "# ---- nothing below";

/* A word of a shell script, whatever it holds. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

static char *quoted(const char *text)
{
    char *words = NULL;
    size_t size;
    FILE *out = open_memstream(&words, &size);
    if (out == NULL) return NULL;
    put_quoted(out, text);
    return fclose(out) == 0 ? words : NULL;
}

/* "(train ... -- JOB)". */
static char *arguments_of(const cli_args *args)
{
    char *words = NULL;
    size_t size;
    FILE *out = open_memstream(&words, &size);
    if (out == NULL) return NULL;
    fputs("(train --resume", out);
    for (int i = 0; i < args->n_sets; i++) {
        char *set = NULL;
        size_t length;
        FILE *text = open_memstream(&set, &length);
        if (text == NULL) break;
        fprintf(text, "%s=%s", args->set_paths[i], args->set_values[i]);
        fclose(text);
        fputs(" --set ", out);
        put_quoted(out, set);
        free(set);
    }
    if (args->output != NULL) {
        fputs(" -o ", out);
        put_quoted(out, args->output);
    }
    fputs(" -- ", out);
    put_quoted(out, args->positional[0]);
    fputc(')', out);
    return fclose(out) == 0 ? words : NULL;
}

static const edit *edit_of(const edit *edits, const char *line)
{
    for (const edit *e = edits; e->line != NULL; e++)
        if (e->value != NULL && strncmp(line, e->line, strlen(e->line)) == 0) return e;
    return NULL;
}

/* The script with its top edited; malloc'ed. */
static char *script_of(const edit *edits)
{
    char *text = NULL;
    size_t size;
    const char *line = train_sbatch, *rest = strstr(train_sbatch, END_OF_TOP);
    FILE *out = open_memstream(&text, &size);
    PP_CHECK(rest != NULL);
    if (out == NULL) return NULL;
    while (line < rest) {
        int length = (int)strcspn(line, "\n") + 1;
        const edit *e = edit_of(edits, line);
        if (e != NULL)
            fprintf(out, "%s%s\n", e->begins, e->value);
        else
            fprintf(out, "%.*s", length, line);
        line += length;
    }
    fputs(rest, out);
    return fclose(out) == 0 ? text : NULL;
}

/* Slurm reads its options without a shell: only plain characters go there. */
static pp_status plain(const char *option, const char *text, const char *more, pp_error *err)
{
    for (const char *c = text; c != NULL && *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr(more, *c) == NULL)
            return pp_fail(err, PP_E_ARG, "%s %s: '%c' has no place there", option, text, *c);
    return text == NULL || *text != '\0' ? PP_OK : pp_fail(err, PP_E_ARG, "%s: is empty", option);
}

static pp_status check_options(const cli_args *args, pp_error *err)
{
    long long number;
    pp_status status = PP_OK;
    if (args->nodes != NULL) status = cli_integer("--nodes", args->nodes, 1, 1000000, &number, err);
    if (status == PP_OK && args->ranks_per_node != NULL)
        status = cli_integer("--ranks-per-node", args->ranks_per_node, 1, 4096, &number, err);
    if (status == PP_OK) status = plain("--time", args->time, ":-", err);
    if (status == PP_OK) status = plain("--account", args->account, "._-", err);
    if (status == PP_OK) status = plain("--partition", args->partition, "._-,", err);
    if (status == PP_OK && args->launcher != NULL && strcmp(args->launcher, "mpirun") != 0 &&
        strcmp(args->launcher, "srun") != 0)
        status = pp_fail(err, PP_E_ARG, "--launcher %s: must be mpirun or srun", args->launcher);
    return status;
}

typedef struct batch {
    char name[128];           /* plain */
    char directory[PATH_MAX]; /* of the run */
    char *here, *program, *arguments, *script;
} batch;

/* What the job says: its name and its run directory. */
static pp_status read_job(cli_args *args, batch *b, pp_error *err)
{
    const char *path = args->positional[0];
    char *text = NULL;
    pp_job *job = NULL;
    pp_patch patch = {args->set_paths, args->set_values, args->n_sets};
    pp_status status = pp_fs_read(path, &text, NULL, err);
    if (status == PP_E_IO) status = PP_E_ARG;
    if (status == PP_OK) status = pp_job_parse(text, path, &patch, &job, err);
    free(text);
    if (status != PP_OK) return status;
    snprintf(b->name, sizeof b->name, "%s", job->name);
    for (char *c = b->name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL) *c = '_';
    const char *given = args->output != NULL ? args->output : job->output;
    int length = *given != '\0' ? snprintf(b->directory, PATH_MAX, "%s", given)
                                : snprintf(b->directory, PATH_MAX, "runs/%s", job->name);
    if (length >= PATH_MAX) status = pp_fail(err, PP_E_ARG, "%s: path is too long", given);
    pp_job_destroy(job);
    return status;
}

static pp_status write_script(const cli_args *args, batch *b, pp_error *err)
{
    char here[PATH_MAX], program[PATH_MAX] = "";
    if (getcwd(here, sizeof here) == NULL ||
        readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return pp_fail(err, PP_E_IO, "cannot tell where this program runs: %s", strerror(errno));
    if (strpbrk(here, "%\\") != NULL || strpbrk(b->directory, "%\\") != NULL)
        return pp_fail(
            err, PP_E_ARG,
            "%s: Slurm cannot write into a directory with '%%' or '\\' in its path; give "
            "another --output",
            b->directory);
    b->here = quoted(here);
    b->program = quoted(program);
    b->arguments = arguments_of(args);
    if (b->here == NULL || b->program == NULL || b->arguments == NULL)
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    const edit edits[] = {
        {"#SBATCH --job-name=", "#SBATCH --job-name=", b->name},
        {"#SBATCH --nodes=", "#SBATCH --nodes=", args->nodes},
        {"#SBATCH --ntasks-per-node=", "#SBATCH --ntasks-per-node=", args->ranks_per_node},
        {"#SBATCH --time=", "#SBATCH --time=", args->time},
        {"##SBATCH --account=", "#SBATCH --account=", args->account},
        {"##SBATCH --partition=", "#SBATCH --partition=", args->partition},
        {"directory=", "directory=", b->here},
        {"pitprop=", "pitprop=", b->program},
        {"launcher=", "launcher=", args->launcher},
        {"arguments=", "arguments=", b->arguments},
        {0},
    };
    b->script = script_of(edits);
    return b->script != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* In the run directory, so that what the job says lands there. sbatch speaks for itself. */
static pp_status call_sbatch(const char *directory, pp_error *err)
{
    static const char *const words[] = {"sbatch", "train.sbatch", NULL};
    int state = 0;
    pid_t child = fork();
    if (child == 0) {
        if (chdir(directory) == 0) execvp(words[0], (char *const *)words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &state, 0) != child)
        return pp_fail(err, PP_E_IO, "cannot start sbatch: %s", strerror(errno));
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return PP_OK;
    if (WIFEXITED(state) && WEXITSTATUS(state) == 127)
        return pp_fail(err, PP_E_IO,
                       "sbatch: cannot be started; is this a machine that submits to Slurm? The "
                       "script is %s/train.sbatch",
                       directory);
    return pp_fail(err, PP_E_IO, "sbatch: has refused %s/train.sbatch; see its message above",
                   directory);
}

static pp_status submit(const cli_args *args, const batch *b, pp_error *err)
{
    char path[PATH_MAX];
    int fits = snprintf(path, sizeof path, "%s/job.json", b->directory) < PATH_MAX;
    if (fits && !args->resume && pp_fs_exists(path))
        return pp_fail(err, PP_E_ARG,
                       "%s: holds a run already; add --resume to go on with it, or --output DIR to "
                       "keep both",
                       b->directory);
    fits = fits && snprintf(path, sizeof path, "%s/train.sbatch", b->directory) < PATH_MAX;
    if (!fits) return pp_fail(err, PP_E_ARG, "%s: path is too long", b->directory);
    pp_status status = pp_fs_make_directory(b->directory, err);
    if (status == PP_OK) status = pp_fs_write(path, b->script, strlen(b->script), err);
    return status == PP_OK ? call_sbatch(b->directory, err) : status;
}

static int run(cli *c)
{
    pp_error err = {0};
    batch b = {{0}, {0}, NULL, NULL, NULL, NULL};
    pp_status status = check_options(&c->args, &err);
    if (status == PP_OK) status = read_job(&c->args, &b, &err);
    if (status == PP_OK) status = write_script(&c->args, &b, &err);
    if (status == PP_OK && c->args.dry_run)
        fputs(b.script, stdout);
    else if (status == PP_OK)
        status = submit(&c->args, &b, &err);
    free(b.here);
    free(b.program);
    free(b.arguments);
    free(b.script);
    return status == PP_OK ? 0 : cli_fail(c, status, &err);
}

static const cli_option options[] = {
    CLI_OPTION("--nodes", "-N", "N", CLI_TEXT, nodes, "nodes (default 2)"),
    CLI_OPTION("--ranks-per-node", NULL, "K", CLI_TEXT, ranks_per_node,
               "ranks on each, with a core for each (default 2)"),
    CLI_OPTION("--time", "-t", "T", CLI_TEXT, time, "limit, as Slurm takes it (default 01:00:00)"),
    CLI_OPTION("--account", "-A", "NAME", CLI_TEXT, account, "who pays"),
    CLI_OPTION("--partition", NULL, "NAME", CLI_TEXT, partition, "where"),
    CLI_OPTION("--launcher", NULL, "NAME", CLI_TEXT, launcher, "mpirun (default) or srun"),
    CLI_OPTION("--set", NULL, "PATH=VALUE", CLI_SET, n_sets,
               "change a key of the job, such as training.epochs=3; may be repeated"),
    CLI_OPTION("--output", "-o", "DIR", CLI_TEXT, output, "run directory (default runs/NAME)"),
    CLI_OPTION("--resume", NULL, NULL, CLI_FLAG, resume, "go on with the run that is there"),
    CLI_OPTION("--dry-run", NULL, NULL, CLI_FLAG, dry_run, "print the script and do no more"),
    CLI_HELP_OPTION,
    CLI_END,
};

const cli_command cli_submit = {
    .name = "submit",
    .positionals = "JOB",
    .help = "train as a batch job of Slurm",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run,
    .notes = "Writes train.sbatch into the run directory, from where it can be submitted again by "
             "hand, and calls\nsbatch. Warned of its end, the job saves and goes back into the "
             "queue; what it says is in slurm-ID.out\nof the run directory.",
};
