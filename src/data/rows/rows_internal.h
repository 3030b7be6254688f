/* Part one of a data set: which rows there are, and which of them are held out. The same on every
 * rank.
 *
 * source.c opens the files, agreed.c compares what ranks have opened, targets.c reads y, survey_y.c
 * says what it shows (task, classes, range), split.c and grouped.c hold rows out, relabel.c moves
 * targets, balance.c says how often each training row is visited. A *visit* is one use of a
 * training row in an epoch; a row that oversampling repeats has several. */
#ifndef PITPROP_DATA_ROWS_INTERNAL_H
#define PITPROP_DATA_ROWS_INTERNAL_H

#include "base/arena.h"
#include "base/rng.h"
#include "data/rows/info.h"
#include "store/h5.h"

/* The training files, or the validation files. */
typedef struct pp__source {
    const char **files; /* [n_files], borrowed from the job */
    int n_files;
    pp_h5_set *x, *y, *weights; /* weights NULL: all 1 */
    pp_h5_set *groups;          /* NULL: rows stand alone */
    int64_t first;              /* global index of its first row */
    int64_t rows;
    int64_t *file_first; /* [n_files + 1] first row of each file, rows at the end */
    float *y_values;     /* [rows, y_columns]; until loaded; NULL: streamed with x */
    float *row_weights;  /* [rows], NULL: all 1, or streamed; until loaded */
    pp_file_fingerprint
        *fingerprints; /* [n_files] of x, and of y, weights and groups as they are read */
} pp__source;

enum { PP__TRAINING, PP__HELD_OUT, PP__SOURCES };

typedef struct pp__data_rows {
    pp_arena *arena, *until_loaded; /* for as long as the data set is; until it is loaded */
    pp_dataset_info info;

    /* of the job */
    uint64_t seed;
    int standardise;
    int moves_targets;                          /* relabel.c will: they are kept in memory */
    int streams;                                /* y is read with x, where that saves memory */
    const char *x_name, *y_name, *weights_name; /* borrowed from the job, without a leading '/' */

    pp__source source[PP__SOURCES];
    int n_sources;
    uint16_t *times;        /* [file_rows] visits of each row per epoch; held-out rows have none */
    int64_t *held_out;      /* [validation_rows] global rows, ascending */
    int64_t distinct_rows;  /* rows with visits */
    uint64_t y_fingerprint; /* of all targets, row weights and groups */
    float *target_shift, *target_scale; /* [y_columns], NULL: not standardised */
} pp__data_rows;

/* faults.c */
pp_status pp__data_no_memory(pp_error *err);
/* "NaN", "infinite" or NULL for a finite value. */
const char *pp__not_finite(float value);
/* All exponent bits set: infinite or NaN. */
int pp__has_fault(const float *x, int64_t count);
/* Row `row` of the source, x [inputs], has a value that is not finite: which, and where. */
void pp__tell_fault(const pp__source *source, int64_t row, const float *x, pp_error *bad);

/* fingerprint.c */
uint64_t pp__mixed(uint64_t hash);
/* Of a row by its global index. */
uint64_t pp__row_fingerprint(int64_t row, const float *values, int64_t count);
uint64_t pp__double_fingerprint(int64_t row, const double *values, int64_t count);

/* source.c: opens x, y and row weights of a list of files. */
pp_status pp__source_open(pp__data_rows *set, const pp_job_data *data, pp__source *source,
                          const char **files, int n_files, pp_error *err);
void pp__source_close(pp__source *source);
/* Collective: all ranks have opened the same. */
pp_status pp__source_compare(pp__data_rows *set, pp_comm *comm, pp__source *source, pp_error *err);
/* "NaN", "infinite" or NULL for a finite value. */
const char *pp__not_finite(float value);

/* targets.c: the only place that targets and row weights come from. */
/* Brings y and the row weights of a source into memory, unless they are streamed. */
pp_status pp__keep_targets(pp__data_rows *set, pp__source *s, pp_error *err);
/* Rows [first, first + count) of the source: y [count, y_columns] and, where weight is not NULL and
 * the job has any, row weights [count]. */
pp_status pp__targets(const pp__data_rows *set, const pp__source *s, int64_t first, int64_t count,
                      float *y, float *weight, pp_error *err);
/* Shows all rows of a source, in order and in portions. */
typedef struct pp__portion {
    const pp__source *source;
    int64_t first, rows;     /* of the source */
    const float *y, *weight; /* [rows, y_columns]; [rows], NULL: all 1 */
} pp__portion;
typedef pp_status (*pp__see_fn)(void *context, const pp__portion *portion, pp_error *err);
pp_status pp__scan_targets(const pp__data_rows *set, const pp__source *s, pp__see_fn see,
                           void *context, pp_error *err);
/* Adds a fingerprint of row `row` of the source to that of its file. */
void pp__fingerprint_in_file(pp__source *s, int64_t row, uint64_t fingerprint);
/* Row weight times class weight. */
float pp__weight_of(const pp__data_rows *set, const float *y, double row_weight);

/* survey_y.c: task, classes, labels and range of y. */
pp_status pp__survey_y(pp__data_rows *set, const pp_job *job, pp_error *err);

/* exact_y.c: labels that float32 cannot hold are refused. task: as in the job. */
pp_status pp__check_exact_labels(pp__data_rows *set, pp_task task, const pp_y_survey *v,
                                 pp_error *err);

/* exact_x.c: info.collapsed_column. */
pp_status pp__find_collapsed(pp__data_rows *set, pp_error *err);

/* split.c */
/* Training rows with visits come in groups: one a class; the last, number `classes`, has the rows
 * of no class (all rows of a regression). Each row has a random key of `purpose`. */
int64_t pp__group_of(const pp__data_rows *set, const float *y);
/* rows [classes + 1] of each group. */
pp_status pp__count_groups(pp__data_rows *set, int64_t *rows, pp_error *err);
/* Sets times of the rows[g] rows of each group: those with the chosen[g] smallest keys (ties go to
 * the lower row) get more[g] visits, the others fewer[g]. Arrays: [classes + 1]. */
typedef struct pp__choice {
    const int64_t *rows, *chosen;
    const uint16_t *more, *fewer;
} pp__choice;
pp_status pp__choose_rows(pp__data_rows *set, pp_purpose purpose, const pp__choice *choice,
                          pp_error *err);
pp_status pp__hold_out(pp__data_rows *set, const pp_job_data *data, pp_error *err);
/* grouped.c: the same for whole groups, which are dealt in a random order, so that the share is met
 * as nearly as they allow. */
pp_status pp__hold_out_groups(pp__data_rows *set, double from, double to, pp_arena *scratch,
                              pp_error *err);

/* relabel.c: shift before rows are held out, permute after. */
pp_status pp__shift_targets(pp__data_rows *set, pp__source *source, int64_t by, pp_error *err);
void pp__recode_labels(pp__data_rows *set);
pp_status pp__permute_targets(pp__data_rows *set, pp_error *err);
/* By the training rows, hence after rows are held out. */
pp_status pp__standardise_targets(pp__data_rows *set, pp_error *err);

/* balance.c: class_rows, class_weights, times. */
pp_status pp__balance(pp__data_rows *set, const pp_job_data *data, pp_error *err);

#endif
