/* A sweep: many trials of one job over a space of its keys, in a study (study/farm/farm.h).
 *
 * Which points are tried depends on the sweep file alone, and, for the searches that learn, on what
 * earlier rounds have shown; a round has the same trials whatever the launch. So does each trial:
 * it has the bytes that `pitprop train` leaves of its resolved job. */
#ifndef PITPROP_SWEEP_H
#define PITPROP_SWEEP_H

#include "study/farm/farm.h"

typedef struct pp_sweep pp_sweep; /* a parsed sweep file */

/* The job that a sweep file names, as a path: *path is malloc'ed, NULL where it holds the job. */
pp_status pp_sweep_job_path(const char *text, const char *origin, char **path, pp_error *err);
/* job: text of the file that the sweep names; NULL where it holds the job itself. Every axis is
 * tried on the job. The caller destroys it. */
pp_status pp_sweep_parse(const char *text, const char *origin, const char *job, pp_sweep **sweep,
                         pp_error *err);
void pp_sweep_destroy(pp_sweep *sweep);
const char *pp_sweep_job(const pp_sweep *sweep);       /* text of the job that is varied */
const char *pp_sweep_directory(const pp_sweep *sweep); /* as the file says, or runs/NAME */

/* tpe and asha: a round waits for the end of the one before. */
int pp_sweep_has_rounds(const pp_sweep *sweep);

/* One trial. */
typedef struct pp_sweep_row {
    const char *id;
    pp_patch point;        /* changes of the axes */
    const double *at;      /* [axes] place on each axis, 0 to 1; NaN: does not count here */
    int index, seed, rung; /* of the point; of its seeds; of asha, from 0 */
    pp_trial_state state;
    const char *verdict; /* name; NULL: not done */
    int collapsed;
    double metric;     /* NaN: not known */
    const char *cause; /* id that cheap signs name; NULL: none */
    double seconds;    /* NaN: not known */
    int ranks;
    const char *error; /* of a trial that failed */
} pp_sweep_row;

typedef struct pp_sweep_table {
    const char *name, *metric;
    int less_is_better;
    const char **axes; /* [n_axes] paths */
    int n_axes;
    pp_sweep_row *rows;
    int count;
    struct pp_arena *arena; /* owns all of it */
} pp_sweep_table;

typedef struct pp_sweep_spec {
    const pp_sweep *sweep;
    const char *directory;
    int leaves;      /* when no trial is free, whoever runs the last ones: a task among many */
    int only_failed; /* trials that failed are run again, and nothing else */
    pp_comm *comm;
    pp_log *log;
    const volatile sig_atomic_t *stop;
} pp_sweep_spec;

/* Collective. results.jsonl and results.csv are written as trials end. *table is made on rank 0
 * (NULL elsewhere); the caller destroys it. */
pp_status pp_sweep_run(const pp_sweep_spec *spec, pp_sweep_table **table, int *stopped,
                       pp_error *err);
/* The points that are known before any trial: of asha and tpe the first round. */
pp_status pp_sweep_plan(const pp_sweep *sweep, pp_sweep_table **table, pp_error *err);
/* What there is of a sweep, from any process at any time. */
pp_status pp_sweep_read(const char *directory, pp_sweep_table **table, pp_error *err);
void pp_sweep_table_destroy(pp_sweep_table *table);
/* Failures are forgotten, as with only_failed: before many workers start, each of which would. */
pp_status pp_sweep_reopen(const char *directory, pp_error *err);

#endif
