/* Shared by the files of the sweep. */
#ifndef PITPROP_SWEEP_INTERNAL_H
#define PITPROP_SWEEP_INTERNAL_H

#include "space.h"

#include "study/sweep/sweep.h"

typedef enum search { SEARCH_GRID, SEARCH_RANDOM, SEARCH_SOBOL, SEARCH_TPE, SEARCH_ASHA } search;

struct pp_sweep {
    pp_arena *arena;
    const char *name, *output, *metric;
    char *text;      /* of the sweep, with its job: what a study is of */
    const char *job; /* text of the base job */
    const char *origin;
    space space;
    search search;
    int64_t trials, seeds, seed, round, eta, rungs;
    int less_is_better, stops;       /* collapsed trials stop early */
    int ranks_per_trial;             /* 0: auto */
    int64_t job_seed, epochs, steps; /* of the base job */
};

/* ---- sweep_table.c ---- */
pp_sweep_table *pp__table_create(const pp_sweep *sweep); /* NULL: no memory */
/* A row for each seed of a point. */
pp_status pp__table_add(pp_sweep_table *table, const pp_sweep *sweep, const point *p, int index,
                        int rung, pp_error *err);
/* Reads the state of every row that is not done yet. */
pp_status pp__table_refresh(pp_sweep_table *table, const char *directory, const pp_sweep *sweep,
                            pp_error *err);
pp_status pp__table_write(const pp_sweep_table *table, const char *directory, pp_error *err);
/* Mean metric over the seeds of a point at a rung; NaN: none is known. */
double pp__table_metric(const pp_sweep_table *table, int index, int rung);

#endif
