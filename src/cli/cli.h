/* The command line: one table of commands, one table of options per command; parser and --help come
 * from the tables. Results go to stdout, messages to stderr. */
#ifndef PITPROP_CLI_H
#define PITPROP_CLI_H

#include <signal.h>
#include <stddef.h>

#include "audit/audit.h"
#include "comm/comm.h"
#include "pitprop/error.h"
#include "job/job.h"
#include "base/log.h"

enum { CLI_POSITIONALS = 1024, CLI_SETS = 256 }; /* --output takes one more set */

/* What the options of any command fill in. */
typedef struct cli_args {
    const char *positional[CLI_POSITIONALS];
    int n_positional;
    const char *set_paths[CLI_SETS + 1], *set_values[CLI_SETS + 1]; /* of --set */
    int n_sets;
    int help, resume, overwrite, json, quiet, verbose, no_header, fail_on_collapse, logits, strict,
        list, dry_run, only_failed, no_wait, submit, follow_links, audit;
    const char *output, *target, *labels, *x, *seed, *rows, *missing;
    int has_header, no_target, class_names; /* of import, with: */
    const char *drop, *keep, *na, *skip, *decimal, *categories, *like;
    const char *chunk_rows, *gzip, *shuffle_seed, *memory;                      /* of repack */
    const char *p, *y, *raw, *rank, *held_out, *task, *classes, *alpha;         /* of audit */
    const char *id;                                                             /* of predict */
    const char *budget, *rows_asked, *causes, *explain;                         /* of why */
    const char *nodes, *ranks_per_node, *time, *account, *partition, *launcher; /* of submit */
    const char *array_workers;
} cli_args;

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_SET } cli_kind;

typedef struct cli_option {
    const char *name;  /* "--output" */
    const char *brief; /* "-o", nullable */
    const char *value; /* what follows it in the help; NULL for a flag */
    cli_kind kind;
    size_t offset; /* in cli_args */
    const char *help;
} cli_option;

typedef struct cli {
    pp_comm *world; /* NULL for commands that are not parallel */
    int launched;   /* by mpirun or srun: mpirun gives rank 0 a pseudo-terminal in any case */
    pp_log log;
    cli_args args;
    const struct cli_command *command;
} cli;

typedef struct cli_command {
    const char *name, *positionals, *help;
    int least, most; /* positional arguments */
    int sweeps;      /* its file is a sweep */
    int saves;       /* signals ask it to save and to end with exit code 5 */
    int multiplies;  /* products of matrices: the kernel of OpenBLAS has to be the right one */
    int parallel;    /* starts MPI, but for --submit; others run on one rank, and the rest leave */
    const cli_option *options;           /* ended by a NULL name */
    int (*run)(cli *c);                  /* returns the exit code */
    int (*start)(int argc, char **argv); /* instead, with the arguments as they are */
    const char *notes;                   /* more help, nullable */
    void (*print_more)(void);            /* help that a table has, nullable */
} cli_command;

extern const cli_command cli_train, cli_predict, cli_audit, cli_check, cli_inspect, cli_schema,
    cli_import, cli_synth, cli_version, cli_why, cli_sweep, cli_submit, cli_repack, cli_torch,
    cli_export;

/* Set by SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 where the command saves. */
extern volatile sig_atomic_t cli_stop;
void cli_stop_on_signals(void);

/* Fills args from argv [argc] (after the command's name). */
pp_status cli_parse(const cli_command *command, int argc, char **argv, cli_args *args,
                    pp_error *err);
void cli_print_help(const cli_command *command);
/* Prints the error once and returns the exit code. */
int cli_fail(cli *c, pp_status status, const pp_error *err);
/* "next: pitprop WORD ...": a command that goes on from here, words [n] quoted for a shell where
 * they need it. For people: not with --json or --quiet. */
void cli_next(cli *c, const char *const *words, int n);
/* Whole text is an integer within bounds. */
pp_status cli_integer(const char *option, const char *text, long long low, long long high,
                      long long *value, pp_error *err);
/* Files that a command reads and writes: output (nullable) must be none of the inputs (ended by
 * NULL), whatever their names; and DIRECTORY/FILE likewise for each of the files. Not collective.
 */
pp_status cli_keep_inputs(const char *output, const char *const *inputs, pp_error *err);
pp_status cli_keep_input_of(const char *directory, const char *const *files, const char *input,
                            pp_error *err);
/* Puts a progress line of long work on the terminal. One per process; borrows c. */
pp_meter cli_meter(cli *c);
/* Collective: rank 0 reads the job file args.positional[0], everyone parses it with --set and
 * --output. */
pp_status cli_load_job(cli *c, pp_job **job, pp_error *err);
/* Collective. Logs what the survey of the rows calls an error, of files of no more than so many
 * bytes: it reads them all. */
void cli_warn_of_rows(cli *c, const pp_job *job, int64_t most_bytes);

/* Texts of a sweep file and of the job file that it names; malloc'ed, *job NULL: it holds one. */
pp_status cli_read_sweep(const char *path, char **text, char **job, pp_error *err);
/* Collective: malloc'ed text from rank 0 to all; NULL stays NULL. */
pp_status cli_share_text(pp_comm *world, char **text, pp_error *err);
/* Before MPI starts: the kernel of OpenBLAS for the job, or for this CPU. May start the program
 * again with argv (as main got it) and not return. wanted [PP_KERNEL_NAME]: "auto" or
 * runtime.blas_kernel. */
pp_status cli_settle_kernel(const cli *c, char **argv, char *wanted, pp_error *err);
/* Collective: says what there is to say of the kernel; fails where ranks have unlike ones, or C
 * libraries that compute unlike digits. */
pp_status cli_agree_on_kernel(cli *c, const char *wanted, pp_error *err);
/* Before MPI starts: tasks of srun that would each be alone are refused. */
pp_status cli_check_launch(const cli *c, pp_error *err);
/* A line where a Slurm allocation is for more ranks than there are. */
void cli_tell_of_allocation(cli *c);
/* Collective: a warning where a Slurm allocation has fewer cores on a host than ranks. */
void cli_warn_of_shared_cores(cli *c);

/* Collective: prints the verdict of predictions as `audit` does, and returns its exit code. */
int cli_judge(cli *c, const pp_audit_spec *spec);
/* Collective: why the job that has just been run collapsed; returns the exit code. */
int cli_explain_run(cli *c, const pp_job *job);

#define CLI_OPTION(name, brief, value, kind, field, help)                                          \
    {                                                                                              \
        name, brief, value, kind, offsetof(cli_args, field), help                                  \
    }
#define CLI_HELP_OPTION CLI_OPTION("--help", "-h", NULL, CLI_FLAG, help, "print this and exit")
#define CLI_END                                                                                    \
    {                                                                                              \
        NULL, NULL, NULL, CLI_FLAG, 0, NULL                                                        \
    }

#endif
