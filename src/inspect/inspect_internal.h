/* What the files of the inspection share.
 *
 * inspect.c runs two scans over the rows of this rank, in blocks whose bounds depend on the files
 * alone: targets.c sees y; then features.c, repeats.c, order.c, series.c and sample.c see x and y.
 * Each part adds blocks, is merged on rank 0, and tells there what it found. layout.c looks at the
 * files instead of the rows. findings_*.c judge. */
#ifndef PITPROP_INSPECT_INSPECT_INTERNAL_H
#define PITPROP_INSPECT_INSPECT_INTERNAL_H

#include "base/arena.h"
#include "inspect/inspect.h"
#include "pitprop/sum.h"

typedef struct pp__scan {
    const pp_job *job;
    pp_comm *comm;
    pp_arena *arena;
    const char **files; /* [n_files] training files, then held-out files */
    int n_files, n_train_files;
    int64_t *file_first; /* [n_files + 1] */
    pp_h5_set *x, *y;
    int64_t rows, train_rows, inputs, y_columns;
    int64_t block_rows;          /* of a block that all parts see at once */
    int64_t first, end;          /* rows of this rank; whole blocks */
    pp_dataset_info info;        /* task, classes, one_hot and labels; once y is known */
    pp_inspection_series series; /* of this rank's rows */
    pp_inspection *report;       /* rank 0 only */
} pp__scan;

/* Consecutive rows. */
typedef struct pp__rows {
    int64_t first, count;
    const float *x;                   /* [count, inputs]; NULL while only y is read */
    const double *wide;               /* the same; NULL: float32 holds them */
    const float *y;                   /* [count, y_columns] */
    const float *x_before, *y_before; /* row first - 1; NULL: there is none */
} pp__rows;

pp_status pp__inspect_no_memory(pp_error *err);
int pp__is_root(const pp__scan *scan);
int pp__row_is_finite(const float *values, int64_t count);
/* A well mixed function of 64 bits (the finaliser of SplitMix64, Steele et al., OOPSLA 2014). */
uint64_t pp__mix(uint64_t bits);
/* Hash of a row; equal numbers hash alike, 0 and -0 too. */
uint64_t pp__hash_row(const float *values, int64_t count);

/* ---- targets.c ---- */
typedef struct pp__targets pp__targets;
pp_status pp__targets_start(pp__scan *scan, pp__targets **targets, pp_error *err);
void pp__targets_add(pp__targets *targets, const pp__rows *rows);
/* Collective: settles scan->info on all ranks and fills in report->targets. */
void pp__targets_finish(pp__targets *targets, pp__scan *scan);

/* ---- features.c ---- */
typedef struct pp__features pp__features;
pp_status pp__features_start(pp__scan *scan, pp__features **features, pp_error *err);
void pp__features_add(pp__features *features, const pp__rows *rows);
/* Collective. */
pp_status pp__features_finish(pp__features *features, pp__scan *scan, pp_error *err);

/* ---- sample.c: rows at places that depend on the row count alone ---- */
typedef struct pp__sample {
    int64_t rows;     /* K */
    int64_t *row;     /* [K] ascending */
    float *x, *y;     /* [K, inputs], [K, y_columns]: of this rank's rows until gathered */
    int64_t *of_rank; /* [ranks + 1] first sample row of each rank */
    int64_t next_x, next_y;
    float spike; /* the most frequent value of y's first column, on all ranks; NaN: none */
} pp__sample;
pp_status pp__sample_start(pp__scan *scan, pp__sample **sample, pp_error *err);
/* Collective: which rank has which rows. */
void pp__sample_share(pp__sample *sample, const pp__scan *scan);
void pp__sample_free(pp__sample *sample);
void pp__sample_add(pp__sample *sample, const pp__scan *scan, const pp__rows *rows);
/* Collective: after the first scan. */
pp_status pp__sample_finish_y(pp__sample *sample, pp__scan *scan, pp_error *err);
/* Collective: after the second; quantiles and what each feature tells. */
pp_status pp__sample_finish_x(pp__sample *sample, pp__scan *scan, pp_error *err);

/* ---- shift.c ---- */
/* Rank 0, once the sample is whole. */
pp_status pp__look_for_shift(const pp__sample *sample, pp__scan *scan, pp_error *err);

/* ---- kin.c ---- */
/* Rank 0, likewise: a feature that names a group. */
pp_status pp__look_for_groups(const pp__sample *sample, pp__scan *scan, pp_error *err);

/* ---- slip.c ---- */
/* Rank 0. */
pp_status pp__look_for_slip(pp__scan *scan, pp_error *err);

/* ---- repeats.c ---- */
typedef struct pp__repeats pp__repeats;
pp_status pp__repeats_start(pp__scan *scan, pp__repeats **repeats, pp_error *err);
pp_status pp__repeats_add(pp__repeats *repeats, const pp__rows *rows, pp_error *err);
/* Collective. */
pp_status pp__repeats_finish(pp__repeats *repeats, const pp__sample *sample, pp__scan *scan,
                             pp_error *err);
void pp__repeats_free(pp__repeats *repeats);

/* ---- order.c: classes, their order in the file, and their shares in the lanes ---- */
typedef struct pp__order pp__order;
pp_status pp__order_start(pp__scan *scan, float spike, pp__order **order, pp_error *err);
void pp__order_add(pp__order *order, const pp__rows *rows);
/* Collective. */
pp_status pp__order_finish(pp__order *order, pp__scan *scan, pp_error *err);

/* ---- series.c: by the first rows, hence by whichever rank has them ---- */
void pp__series_add(pp__scan *scan, const pp__rows *rows);
void pp__series_finish(pp__scan *scan); /* collective */

/* ---- layout.c ---- */
/* Rank 0. */
pp_status pp__inspect_layout(pp__scan *scan, pp_error *err);
/* Collective. */
pp_status pp__time_windows(pp__scan *scan, pp_inspection_timing *timing, pp_error *err);
int64_t pp__plan_windows(const pp__scan *scan, int64_t *window);

/* ---- findings ---- */
typedef struct pp__look {
    const pp_inspection *found;
    const pp_job *job;
    const pp_h5_set *x, *y;
} pp__look;

/* Writes the sentence and returns 1 where there is something to say. */
typedef struct pp__finding_row {
    pp_finding_kind kind;
    int (*look)(const pp__look *at, char *text, size_t size);
} pp__finding_row;
extern const pp__finding_row pp__findings_of_targets[], pp__findings_of_features[],
    pp__findings_of_rows[]; /* each ended by an id of NULL */
pp_status pp__judge(pp__scan *scan, pp_error *err);

#endif
