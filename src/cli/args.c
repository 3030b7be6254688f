#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "base/fs.h"
#include "base/names.h"
#include "study/sweep/sweep.h"

static const cli_option *find(const cli_command *command, const char *name, size_t length)
{
    for (const cli_option *o = command->options; o->name != NULL; o++)
        if ((strlen(o->name) == length && strncmp(o->name, name, length) == 0) ||
            (o->brief != NULL && strlen(o->brief) == length &&
             strncmp(o->brief, name, length) == 0))
            return o;
    return NULL;
}

static pp_status add_set(cli_args *args, char *text, pp_error *err)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return pp_fail(err, PP_E_ARG, "--set %s: wants PATH=VALUE, such as training.epochs=3",
                       text);
    if (args->n_sets == CLI_SETS) return pp_fail(err, PP_E_ARG, "--set: more than %d", CLI_SETS);
    *equals = '\0';
    args->set_paths[args->n_sets] = text;
    args->set_values[args->n_sets++] = equals + 1;
    return PP_OK;
}

static pp_status store(const cli_option *o, cli_args *args, char *value, pp_error *err)
{
    if (o->kind == CLI_SET) return add_set(args, value, err);
    char *field = (char *)args + o->offset;
    if (o->kind == CLI_FLAG)
        *(int *)(void *)field = 1;
    else
        *(const char **)(void *)field = value;
    return PP_OK;
}

static pp_status fail_option(const cli_command *command, const char *text, size_t length,
                             pp_error *err)
{
    enum { MOST = 64 };
    const char *names[MOST];
    char word[MOST];
    int count = 0;
    for (const cli_option *o = command->options; o->name != NULL && count < MOST; o++)
        names[count++] = o->name;
    snprintf(word, sizeof word, "%.*s", (int)length, text);
    const char *near = pp_name_nearest(names, count, word);
    if (near != NULL && strlen(word) > 2)
        return pp_fail(err, PP_E_ARG, "%.*s: unknown option of '%s'; did you mean %s?", (int)length,
                       text, command->name, near);
    return pp_fail(err, PP_E_ARG, "%.*s: unknown option of '%s'; see pitprop %s --help",
                   (int)length, text, command->name, command->name);
}

/* "--name value", "--name=value", "-o value". Advances *i past what it takes. */
static pp_status parse_option(const cli_command *command, int argc, char **argv, int *i,
                              cli_args *args, pp_error *err)
{
    char *text = argv[*i];
    size_t length = strcspn(text, "=");
    const cli_option *o = find(command, text, length);
    if (o == NULL) return fail_option(command, text, length, err);
    if (o->kind == CLI_FLAG) {
        if (text[length] == '=') return pp_fail(err, PP_E_ARG, "%s: takes no value", o->name);
        return store(o, args, NULL, err);
    }
    if (text[length] == '=') return store(o, args, text + length + 1, err);
    if (*i + 1 >= argc) return pp_fail(err, PP_E_ARG, "%s: wants %s after it", o->name, o->value);
    return store(o, args, argv[++*i], err);
}

pp_status cli_parse(const cli_command *command, int argc, char **argv, cli_args *args,
                    pp_error *err)
{
    int only_positionals = 0;
    for (int i = 0; i < argc; i++) {
        if (!only_positionals && strcmp(argv[i], "--") == 0) {
            only_positionals = 1;
        } else if (!only_positionals && argv[i][0] == '-' && argv[i][1] != '\0') {
            pp_status status = parse_option(command, argc, argv, &i, args, err);
            if (status != PP_OK) return status;
        } else if (args->n_positional == command->most) {
            return pp_fail(err, PP_E_ARG, "%s: one argument too many; usage: pitprop %s %s",
                           argv[i], command->name, command->positionals);
        } else {
            args->positional[args->n_positional++] = argv[i];
        }
    }
    if (!args->help && args->n_positional < command->least)
        return pp_fail(err, PP_E_ARG, "usage: pitprop %s %s; see pitprop %s --help", command->name,
                       command->positionals, command->name);
    return PP_OK;
}

void cli_print_help(const cli_command *command)
{
    printf("usage: pitprop %s %s%s[options]\n\n%s\n\noptions:\n", command->name,
           command->positionals, *command->positionals ? " " : "", command->help);
    for (const cli_option *o = command->options; o->name != NULL; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s%s", o->brief != NULL ? o->brief : "",
                 o->brief != NULL ? ", " : "", o->name, o->value != NULL ? " " : "",
                 o->value != NULL ? o->value : "");
        printf("  %-24s %s\n", left, o->help);
    }
    if (command->notes != NULL) printf("\n%s\n", command->notes);
    if (command->print_more != NULL) command->print_more();
}

int cli_fail(cli *c, pp_status status, const pp_error *err)
{
    pp_level level = status == PP_E_STOPPED ? PP_LOG_WARN : PP_LOG_ERROR;
    if (c->world != NULL && pp_comm_size(c->world) > 1 && err->rank > 0)
        pp_log_write(&c->log, level, "%s (rank %d)", err->text, err->rank);
    else
        pp_log_write(&c->log, level, "%s", err->text);
    return pp_status_exit_code(status);
}

/* Single quotes hold anything but themselves. */
static size_t put_word(char *text, size_t used, size_t size, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./,:=+@%";
    int is_plain = *word != '\0' && word[strspn(word, plain)] == '\0';
    int length = snprintf(text + used, size - used, is_plain ? " %s" : " '%s'", word);
    return length < 0 || used + (size_t)length >= size ? size : used + (size_t)length;
}

void cli_next(cli *c, const char *const *words, int n)
{
    char text[2 * PATH_MAX] = "";
    size_t used = 0;
    if (c->args.json || c->args.quiet) return;
    for (int i = 0; i < n; i++) {
        if (strchr(words[i], '\'') != NULL) return;
        used = put_word(text, used, sizeof text, words[i]);
        if (used == sizeof text) return;
    }
    pp_log_write(&c->log, PP_LOG_INFO, "next: pitprop%s", text);
}

pp_status cli_keep_inputs(const char *output, const char *const *inputs, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; inputs[i] != NULL && status == PP_OK; i++)
        status = pp_fs_keep_input(output, inputs[i], err);
    return status;
}

pp_status cli_keep_input_of(const char *directory, const char *const *files, const char *input,
                            pp_error *err)
{
    char path[PATH_MAX];
    pp_status status = PP_OK;
    for (int i = 0; files[i] != NULL && status == PP_OK; i++)
        if (snprintf(path, sizeof path, "%s/%s", directory, files[i]) < PATH_MAX)
            status = pp_fs_keep_input(path, input, err);
    return status;
}

pp_status cli_integer(const char *option, const char *text, long long low, long long high,
                      long long *value, pp_error *err)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0 || *value < low || *value > high)
        return pp_fail(err, PP_E_ARG, "%s %s: wants an integer from %lld to %lld", option, text,
                       low, high);
    return PP_OK;
}

pp_status cli_load_job(cli *c, pp_job **job, pp_error *err)
{
    const char *path = c->args.positional[0];
    char *text = NULL;
    size_t length = 0;
    pp_status status = PP_OK;
    if (pp_comm_rank(c->world) == 0) status = pp_fs_read(path, &text, &length, err);
    /* A job that cannot be read is a wrong command line: exit code 2. */
    if (status == PP_E_IO) status = PP_E_ARG;
    status = pp_comm_agree(c->world, status, err);
    if (status != PP_OK) return status;
    pp_comm_broadcast(c->world, 0, &length, sizeof length);
    if (text == NULL) text = malloc(length + 1);
    if (text == NULL) status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    status = pp_comm_agree(c->world, status, err);
    if (status == PP_OK) {
        pp_comm_broadcast(c->world, 0, text, length + 1);
        pp_patch patch = {c->args.set_paths, c->args.set_values, c->args.n_sets};
        status = pp_comm_agree(c->world, pp_job_parse(text, path, &patch, job, err), err);
    }
    free(text);
    return status;
}

pp_status cli_share_text(pp_comm *world, char **text, pp_error *err)
{
    int64_t length = *text != NULL ? (int64_t)strlen(*text) : -1;
    pp_comm_broadcast(world, 0, &length, sizeof length);
    if (length < 0) return PP_OK;
    if (*text == NULL) *text = malloc((size_t)length + 1);
    pp_status status = *text != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    status = pp_comm_agree(world, status, err);
    if (status == PP_OK) pp_comm_broadcast(world, 0, *text, (size_t)length + 1);
    return status;
}

pp_status cli_read_sweep(const char *path, char **text, char **job, pp_error *err)
{
    char *job_path = NULL;
    *text = *job = NULL;
    pp_status status = pp_fs_read(path, text, NULL, err);
    if (status == PP_OK) status = pp_sweep_job_path(*text, path, &job_path, err);
    if (status == PP_OK && job_path != NULL) status = pp_fs_read(job_path, job, NULL, err);
    free(job_path);
    /* What cannot be read is a wrong command line: exit code 2. */
    return status == PP_E_IO ? PP_E_ARG : status;
}
