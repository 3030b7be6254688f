#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.h"
#include "batch_scripts.h" /* generated: the scripts of slurm/ as strings */

#include "pitprop/check.h"
#include "base/fs.h"

/* What a user would edit at the top of the script: lines with these beginnings. */
typedef struct edit {
    const char *line, *begins; /* in the script; what takes its place */
    const char *value;         /* NULL: the line stays */
} edit;

static const char END_OF_TOP[] = "# ---- nothing below", SIGNAL[] = "#SBATCH --signal=B:USR1@";
enum { MOST_LEAD = 65535 }; /* Slurm takes no more */

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
static char *arguments_of(const cli_args *args, const cli_batch *batch)
{
    char *words = NULL;
    size_t size;
    FILE *out = open_memstream(&words, &size);
    if (out == NULL) return NULL;
    fprintf(out, "(%s%s%s", batch->command, batch->flag != NULL ? " " : "",
            batch->flag != NULL ? batch->flag : "");
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
    put_quoted(out, batch->path);
    fputc(')', out);
    return fclose(out) == 0 ? words : NULL;
}

static const edit *edit_of(const edit *edits, const char *line)
{
    for (const edit *e = edits; e->line != NULL; e++)
        if (e->value != NULL && strncmp(line, e->line, strlen(e->line)) == 0) return e;
    return NULL;
}

static const char *script_named(const char *command)
{
    for (size_t i = 0; i < sizeof batch_scripts / sizeof batch_scripts[0]; i++)
        if (strcmp(batch_scripts[i].command, command) == 0) return batch_scripts[i].text;
    PP_CHECK(!"a command with a script");
    return NULL;
}

/* Seconds of warning: of the script, and so many more. */
static void put_lead(const char *script, int more, char text[32])
{
    const char *lead = strstr(script, SIGNAL);
    PP_CHECK(lead != NULL);
    long long seconds = atoll(lead + strlen(SIGNAL)) + more;
    snprintf(text, 32, "%lld", seconds < MOST_LEAD ? seconds : MOST_LEAD);
}

/* The script with its top edited; malloc'ed. */
static char *edited(const char *script, const edit *edits)
{
    char *text = NULL;
    size_t size;
    const char *line = script, *rest = strstr(script, END_OF_TOP);
    PP_CHECK(rest != NULL);
    FILE *out = open_memstream(&text, &size);
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

pp_status cli_batch_check(const cli_args *args, pp_error *err)
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

int cli_batch_has_any(const cli_args *args)
{
    return args->nodes != NULL || args->ranks_per_node != NULL || args->time != NULL ||
           args->account != NULL || args->partition != NULL || args->launcher != NULL;
}

/* Slurm shows it in tables: only plain characters. malloc'ed. */
static char *plain_name(const char *name)
{
    char *plain = strdup(name);
    for (char *c = plain; c != NULL && *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL) *c = '_';
    return plain;
}

static pp_status fill_in(const cli_args *args, const cli_batch *b, const char *here,
                         const char *program, char **script, pp_error *err)
{
    char *name = plain_name(b->name), *directory = quoted(here), *pitprop = quoted(program);
    char *arguments = arguments_of(args, b), lead[32];
    const char *text = script_named(b->command);
    put_lead(text, b->more_lead, lead);
    const char *array = *b->array != '\0' ? b->array : NULL;
    const edit edits[] = {
        {"#SBATCH --job-name=", "#SBATCH --job-name=", name},
        {"#SBATCH --nodes=", "#SBATCH --nodes=", args->nodes != NULL ? args->nodes : b->nodes},
        {"#SBATCH --ntasks-per-node=", "#SBATCH --ntasks-per-node=", args->ranks_per_node},
        {"#SBATCH --time=", "#SBATCH --time=", args->time},
        {SIGNAL, SIGNAL, lead},
        {"#SBATCH --output=", "#SBATCH --output=", array != NULL ? "slurm-%A_%a.out" : NULL},
        {"##SBATCH --array=", "#SBATCH --array=", array},
        {"##SBATCH --account=", "#SBATCH --account=", args->account},
        {"##SBATCH --partition=", "#SBATCH --partition=", args->partition},
        {"directory=", "directory=", directory},
        {"pitprop=", "pitprop=", pitprop},
        {"launcher=", "launcher=", args->launcher},
        {"arguments=", "arguments=", arguments},
        {0},
    };
    *script = NULL;
    if (name != NULL && directory != NULL && pitprop != NULL && arguments != NULL)
        *script = edited(text, edits);
    free(name);
    free(directory);
    free(pitprop);
    free(arguments);
    return *script != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

static pp_status write_script(const cli_args *args, const cli_batch *b, char **script,
                              pp_error *err)
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
    return fill_in(args, b, here, program, script, err);
}

/* In the directory, so that what the job says lands there. sbatch speaks for itself. */
static pp_status call_sbatch(const char *directory, const char *script, pp_error *err)
{
    const char *const words[] = {"sbatch", script, NULL};
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
                       "script is %s/%s",
                       directory, script);
    return pp_fail(err, PP_E_IO, "sbatch: has refused %s/%s; see its message above", directory,
                   script);
}

static pp_status submit(const cli_batch *b, const char *text, pp_error *err)
{
    char path[PATH_MAX], script[32];
    snprintf(script, sizeof script, "%s.sbatch", b->command);
    if (snprintf(path, sizeof path, "%s/%s", b->directory, script) >= PATH_MAX)
        return pp_fail(err, PP_E_ARG, "%s: path is too long", b->directory);
    pp_status status = pp_fs_make_directory(b->directory, err);
    if (status == PP_OK) status = pp_fs_write(path, text, strlen(text), err);
    return status == PP_OK ? call_sbatch(b->directory, script, err) : status;
}

pp_status cli_batch_submit(const cli_args *args, const cli_batch *batch, pp_error *err)
{
    char *script = NULL;
    pp_status status = write_script(args, batch, &script, err);
    if (status == PP_OK && args->dry_run)
        fputs(script, stdout);
    else if (status == PP_OK)
        status = submit(batch, script, err);
    free(script);
    return status;
}

pp_status cli_slurm_says(const char *command, char **text, pp_error *err)
{
    char line[256], part[4096];
    size_t size, n;
    snprintf(line, sizeof line, "%s 2>&1", command);
    FILE *in = popen(line, "r"), *out = open_memstream(text, &size);
    if (in == NULL || out == NULL) {
        if (in != NULL) pclose(in);
        if (out != NULL && fclose(out) == 0) free(*text);
        return pp_fail(err, PP_E_MEMORY, "%s: cannot be started", command);
    }
    while ((n = fread(part, 1, sizeof part, in)) > 0)
        fwrite(part, 1, n, out);
    int state = pclose(in);
    if (fclose(out) != 0) return pp_fail(err, PP_E_MEMORY, "out of memory");
    if (state == 0) return PP_OK;
    pp_status status = pp_fail(err, PP_E_IO, "%s: %.*s; is this a machine that submits to Slurm?",
                               command, (int)strcspn(*text, "\n"), *text);
    free(*text);
    return status;
}
