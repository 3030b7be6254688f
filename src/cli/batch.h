/* A batch job of Slurm: a script of slurm/ with its top filled in, and sbatch. */
#ifndef PITPROP_BATCH_H
#define PITPROP_BATCH_H

#include <limits.h>

#include "cli.h"

typedef struct cli_batch {
    const char *command;      /* train, sweep or why; it has a script of that name */
    char name[128];           /* what the job is called; any text */
    char directory[PATH_MAX]; /* where the script goes, and what the job says */
    char array[64];           /* as --array takes it; "": none */
    int more_lead;            /* seconds of warning beyond what the script has */
    const char *nodes;        /* where --nodes is not given; NULL: as the script has it */
    const char *flag;         /* after the command in the script; nullable */
    const char *path;         /* of the job or sweep */
} cli_batch;

/* The options that fill in a script, for the tables of commands that submit. */
#define CLI_BATCH_OPTIONS(default_nodes)                                                           \
    CLI_OPTION("--nodes", "-N", "N", CLI_TEXT, nodes, "nodes (default " default_nodes ")"),        \
        CLI_OPTION("--ranks-per-node", NULL, "K", CLI_TEXT, ranks_per_node,                        \
                   "ranks on each, with a core for each (default 2)"),                             \
        CLI_OPTION("--time", "-t", "T", CLI_TEXT, time,                                            \
                   "limit, as Slurm takes it (default 01:00:00)"),                                 \
        CLI_OPTION("--account", "-A", "NAME", CLI_TEXT, account, "who pays"),                      \
        CLI_OPTION("--partition", NULL, "NAME", CLI_TEXT, partition, "where"),                     \
        CLI_OPTION("--launcher", NULL, "NAME", CLI_TEXT, launcher, "mpirun (default) or srun")

/* The options above, before anything else is looked at. */
pp_status cli_batch_check(const cli_args *args, pp_error *err);
int cli_batch_has_any(const cli_args *args);
/* Writes the script into the directory and calls sbatch there; with --dry-run prints the script. */
pp_status cli_batch_submit(const cli_args *args, const cli_batch *batch, pp_error *err);
/* What a command of Slurm prints, such as "scontrol show config"; malloc'ed. */
pp_status cli_slurm_says(const char *command, char **text, pp_error *err);

/* A sweep as one job. */
pp_status cli_submit_sweep(cli_args *args, const char *path, pp_error *err);
/* As an array of workers that share its directory. */
pp_status cli_submit_array(cli *c, const char *path, pp_error *err);

#endif
