#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "pitprop/check.h"
#include "base/fs.h"
#include "base/names.h"
#include "base/stop.h"
#include "base/version.h"

#include "compute/kernel.h"

static const cli_command *const commands[] = {&cli_train,   &cli_why,    &cli_sweep,  &cli_submit,
                                              &cli_predict, &cli_audit,  &cli_export, &cli_check,
                                              &cli_inspect, &cli_schema, &cli_import, &cli_repack,
                                              &cli_synth,   &cli_torch,  &cli_version};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void on_bug(void)
{
    pp_comm_abort(70);
}

static void print_usage(FILE *stream)
{
    fprintf(stream,
            "pitprop %s: trains over MPI ranks, watches the predictions of the whole data set, "
            "and says when\nthey stop telling inputs apart.\n\nusage: pitprop COMMAND ...\n\n",
            PP_VERSION);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(stream, "  %-8s %-22s %s\n", commands[i]->name, commands[i]->positionals,
                commands[i]->help);
    fprintf(stream,
            "\npitprop COMMAND --help says more. Exit codes: 0 done; 2 the job or the command "
            "line is wrong;\n3 the data or the environment is wrong; 4 collapse found, where "
            "asked to fail on it;\n5 stopped on request with everything saved; 70 a bug.\n");
}

static const cli_command *find(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

/* The launchers (mpirun, srun --mpi=pmix) tell a process its rank before MPI starts. (A process on
 * its own finds the variable set by MPI afterwards.) */
static const char *launched_rank(void)
{
    return getenv("PMIX_RANK");
}

static int is_other_rank(void)
{
    const char *rank = launched_rank();
    return rank != NULL && strcmp(rank, "0") != 0;
}

static int run_parallel(cli *c, int *argc, char ***argv, char **again)
{
    pp_error err = {0}, unsettled = {0};
    char wanted[PP_KERNEL_NAME];
    int multiplies = c->command->multiplies;
    pp_status kernel = multiplies ? cli_settle_kernel(c, again, wanted, &unsettled) : PP_OK;
    if (c->command->saves)
        cli_stop_on_signals();
    else
        pp_fs_abandon_on_signals();
    pp_status status = cli_check_launch(c, &err);
    if (status == PP_OK) status = pp_comm_start(argc, argv, &c->world, &err);
    if (status != PP_OK) return cli_fail(c, status, &err);
    c->log.speaks = pp_comm_rank(c->world) == 0;
    pp_check_on_failure(on_bug);
    if (c->command->saves) cli_tell_of_allocation(c);
    if (kernel != PP_OK) err = unsettled;
    status = pp_comm_agree(c->world, kernel, &err);
    if (status == PP_OK && multiplies) status = cli_agree_on_kernel(c, wanted, &err);
    int code = status == PP_OK ? c->command->run(c) : cli_fail(c, status, &err);
    pp_comm_stop(c->world);
    return code;
}

static int run_words(const cli_command *command, int argc, char **argv, char **again)
{
    cli c = {.command = command,
             .launched = launched_rank() != NULL,
             .log = {.speaks = !is_other_rank(), .level = PP_LOG_INFO, .terminal = stderr}};
    pp_error err = {0};
    pp_status status = cli_parse(command, argc - 2, argv + 2, &c.args, &err);
    if (c.args.quiet) c.log.level = PP_LOG_WARN;
    if (c.args.verbose) c.log.level = PP_LOG_DEBUG;
    if (status != PP_OK) return cli_fail(&c, status, &err);
    if (c.args.help) {
        if (c.log.speaks) cli_print_help(command);
        return 0;
    }
    if (command->parallel && !c.args.submit) return run_parallel(&c, &argc, &argv, again);
    char wanted[PP_KERNEL_NAME];
    if (command->multiplies && !c.args.submit) status = cli_settle_kernel(&c, again, wanted, &err);
    if (status != PP_OK) return cli_fail(&c, status, &err);
    return c.log.speaks ? command->run(&c) : 0;
}

/* Parsing cuts --set PATH=VALUE in two, and MPI takes its own: a copy is for another start. */
static int run(const cli_command *command, int argc, char **argv)
{
    char **again = calloc((size_t)argc + 1, sizeof *again);
    int complete = again != NULL;
    for (int i = 0; complete && i < argc; i++)
        complete = (again[i] = strdup(argv[i])) != NULL;
    int code = 3;
    if (complete)
        code = run_words(command, argc, argv, again);
    else
        fprintf(stderr, "pitprop: error: out of memory\n");
    for (int i = 0; again != NULL && i < argc; i++)
        free(again[i]);
    free(again);
    return code;
}

/* Results that nobody gets are an error. */
static int end_output(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "pitprop: error: standard output: cannot write the results%s%s\n",
            errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    return code == 0 || code == 4 ? 3 : code;
}

static int fail_command(const char *name)
{
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i]->name;
    const char *near = pp_name_nearest(names, N_COMMANDS, name);
    if (is_other_rank()) return 2;
    if (near != NULL)
        fprintf(stderr, "pitprop: error: %s: no such command; did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "pitprop: error: %s: no such command; see pitprop --help\n", name);
    return 2;
}

static int help(const char *name)
{
    const cli_command *command = name != NULL ? find(name) : NULL;
    if (name != NULL && command == NULL) return fail_command(name);
    char *const asked[] = {"--help"};
    if (command != NULL && command->start != NULL) return command->start(1, (char **)asked);
    if (is_other_rank()) return 0;
    if (command != NULL)
        cli_print_help(command);
    else
        print_usage(stdout);
    return 0;
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "help") == 0) return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return help(NULL);
    int version = strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0;
    const cli_command *command = version ? &cli_version : find(name);
    if (command != NULL && command->start != NULL) return command->start(argc - 2, argv + 2);
    if (command != NULL) return run(command, argc, argv);
    if (*name != '\0') return fail_command(name);
    if (!is_other_rank()) print_usage(stderr);
    return 2;
}

int main(int argc, char **argv)
{
    return end_output(dispatch(argc, argv));
}
