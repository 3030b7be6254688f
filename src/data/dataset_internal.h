/* What the files of the data set share.
 *
 * open:  source.c reads y, survey_y.c says what it shows, split.c holds rows out, balance.c says
 * how often each training row is visited. All of it is the same on every rank. load:  deal.c gives
 * visits to lanes, read_x.c brings the rows, standardise.c scales them. train: order.c fixes the
 * order of an epoch and hands out batches and blocks.
 *
 * A *visit* is one use of a training row in an epoch; a row that oversampling repeats has several.
 * A *slot* is the place of a row in the memory of this rank. */
#ifndef PITPROP_DATA_DATASET_INTERNAL_H
#define PITPROP_DATA_DATASET_INTERNAL_H

#include "pitprop/arena.h"
#include "pitprop/dataset.h"
#include "pitprop/h5.h"
#include "pitprop/rng.h"

/* The training files, or the validation files. */
typedef struct pp__source {
    const char **files; /* [n_files], borrowed from the job */
    int n_files;
    pp_h5_set *x, *y, *weights; /* weights NULL: all 1 */
    int64_t first;              /* global index of its first row */
    int64_t rows;
    int64_t *file_first; /* [n_files + 1] first row of each file, rows at the end */
    float *y_values;     /* [rows, y_columns]; until loaded */
    float *row_weights;  /* [rows], NULL: all 1; until loaded */
} pp__source;

enum { PP__TRAINING, PP__HELD_OUT, PP__SOURCES };

/* Rows in memory. */
typedef struct pp__store {
    pp_rows at; /* [rows] each; x is malloc'ed, the rest from the arena */
    int64_t rows;
} pp__store;

/* A piece: consecutive visits that one lane takes from one window (and, in file order, in one
 * step). Pieces are the same on any number of ranks. */
typedef struct pp__piece {
    int64_t window;
    int lane;
    int64_t first_visit, visits; /* visits of this rank */
    int64_t first_slot, slots;   /* rows that were not in memory before this piece */
    int64_t first_owned,
        owned; /* those whose first visit is here: they are evaluated with this lane */
} pp__piece;

typedef struct pp__block {
    int64_t first, rows;
    int lane;
} pp__block;

struct pp_dataset {
    pp_arena *arena, *until_loaded;
    pp_dataset_info info;

    /* of the job */
    uint64_t seed;
    int shuffle, standardise;
    int64_t window, open_windows;               /* window: PP_AUTO too */
    const char *x_name, *y_name, *weights_name; /* borrowed from the job, without a leading '/' */

    /* from open until loaded */
    pp__source source[PP__SOURCES];
    int n_sources;
    uint16_t *times;       /* [file_rows] visits of each row per epoch; held-out rows have none */
    int64_t *held_out;     /* [validation_rows] global rows, ascending */
    int64_t distinct_rows; /* rows with visits */

    /* from load on */
    int lanes, ranks, rank;
    pp_lane_range range;
    int64_t *cut;  /* [lanes + 1] */
    int64_t batch; /* the job's; cut[lanes] once loaded */
    int64_t n_windows;
    int64_t *window_first; /* [n_windows + 1] rows of the training source; until loaded */
    pp__piece *pieces;     /* [n_pieces] in dealt order */
    int64_t n_pieces;
    int64_t *lane_piece;  /* [range.count + 1] first piece of each lane; shuffled only */
    int64_t *lane_visit;  /* [range.count + 1] first visit of each lane; shuffled only */
    int64_t visits;       /* of this rank */
    uint32_t *visit_slot; /* [visits] in dealt order */
    pp__store train, held;
    int64_t first_held;   /* held.rows are held_out [first_held, first_held + held.rows) */
    uint32_t *owned_slot; /* [owned rows] lane after lane, in dealt order */
    pp__block *blocks;    /* [n_blocks] of owned_slot */
    int64_t n_blocks;
    float *shift, *scale; /* [inputs], NULL: not standardised */

    int64_t epoch;       /* that `order` stands for; -1: none */
    uint32_t *order;     /* [visits] slots in the order of the epoch */
    int64_t *piece_pool; /* scratch of start_epoch: [most pieces of a lane] */
    int64_t *row_pool;   /* and [most visits of open pieces] */
};

pp_status pp__no_memory(pp_error *err);
/* floor(a b / c) of non-negative numbers, c > 0, without overflow. */
int64_t pp__share(int64_t a, int64_t b, int64_t c);

/* source.c: opens x, y and row weights of a list of files and reads y and the weights. */
pp_status pp__source_open(pp_dataset *set, pp__source *source, const char **files, int n_files,
                          pp_error *err);
void pp__source_close(pp__source *source);
/* "NaN", "infinite" or NULL for a finite value. */
const char *pp__not_finite(float value);

/* survey_y.c: task, classes, labels and range of y. */
pp_status pp__survey_y(pp_dataset *set, const pp_job *job, pp_error *err);

/* split.c */
/* A row with its random key. */
typedef struct pp__ranked {
    uint64_t key;
    int64_t row;
} pp__ranked;

/* Rows with visits, class after class: class k has rows[first[k]] to rows[first[k + 1] - 1]; the
 * last group, number `classes`, holds the rows of no class (all rows of a regression). */
typedef struct pp__groups {
    pp__ranked *rows;
    int64_t *first; /* [classes + 2] */
} pp__groups;

pp_status pp__group_rows(pp_dataset *set, pp_purpose purpose, pp_arena *arena, pp__groups *groups,
                         pp_error *err);
/* Moves the k rows of smallest key to the front, in no order. Ties go to the lower row. */
void pp__select_smallest(pp__ranked *rows, int64_t count, int64_t k);
pp_status pp__hold_out(pp_dataset *set, double fraction, pp_error *err);

/* relabel.c: shift before rows are held out, permute after. */
pp_status pp__shift_targets(pp_dataset *set, pp__source *source, int64_t by, pp_error *err);
void pp__recode_labels(pp_dataset *set);
pp_status pp__permute_targets(pp_dataset *set, pp_error *err);

/* balance.c: class_rows, class_weights, times. */
pp_status pp__balance(pp_dataset *set, const pp_job_data *data, pp_error *err);

/* deal.c */
pp_status pp__deal(pp_dataset *set, pp_error *err);

/* read_x.c: x, y, weight and index of this rank's rows; *bad_row is the lowest global row with a
 * value that is not finite, INT64_MAX for none, and then err says which. */
pp_status pp__read_rows(pp_dataset *set, int64_t *bad_row, pp_error *bad, pp_error *err);

/* standardise.c: collective. */
pp_status pp__standardise(pp_dataset *set, pp_comm *comm, pp_error *err);

/* order.c: what the epochs need, once dealt. */
pp_status pp__plan_order(pp_dataset *set, pp_error *err);

#endif
