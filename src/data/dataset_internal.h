/* What the files of the data set share.
 *
 * open:  source.c opens the files, residency.c says where rows will be, targets.c reads y,
 * survey_y.c says what it shows, split.c holds rows out, balance.c says how often each training row
 * is visited. All of it is the same on every rank. load:  deal.c gives visits to lanes,
 * standardise.c measures x. In memory, read_x.c brings the rows, and order.c fixes the order of an
 * epoch and hands out batches and blocks. Streaming, survey_x.c looks at the rows once, reader.c is
 * the thread that fills frames, stream.c plans what it reads for batches, stream_blocks.c for
 * evaluation. Both give the same rows in the same order.
 *
 * A *visit* is one use of a training row in an epoch; a row that oversampling repeats has several.
 * A *slot* is the place of a row in the memory of this rank; a *frame* is room for a piece. */
#ifndef PITPROP_DATA_DATASET_INTERNAL_H
#define PITPROP_DATA_DATASET_INTERNAL_H

#include "base/arena.h"
#include "data/dataset.h"
#include "store/h5.h"
#include "base/rng.h"

/* The training files, or the validation files. */
typedef struct pp__source {
    const char **files; /* [n_files], borrowed from the job */
    int n_files;
    pp_h5_set *x, *y, *weights; /* weights NULL: all 1 */
    pp_h5_set *groups;          /* NULL: rows stand alone */
    int64_t first;              /* global index of its first row */
    int64_t rows;
    int64_t *file_first;   /* [n_files + 1] first row of each file, rows at the end */
    float *y_values;       /* [rows, y_columns]; until loaded; NULL: streamed with x */
    float *row_weights;    /* [rows], NULL: all 1, or streamed; until loaded */
    pp_file_print *prints; /* [n_files] of x, and of y, weights and groups as they are read */
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
    int64_t first_row; /* of the training source; the first visit is copy first_copy of it */
    int64_t rows;      /* [first_row, first_row + rows) has them all */
    int lane;
    uint16_t first_copy;
    int64_t first_visit, visits; /* visits of this rank */
    int64_t first_slot, slots;   /* rows that were not in memory before this piece; memory only */
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
    int moves_targets;                          /* relabel.c will: they are kept in memory */
    int64_t window, open_windows;               /* window: PP_AUTO too */
    int streams;                                /* rows are read when they are needed */
    int64_t budget;                             /* bytes of this rank for rows */
    const char *x_name, *y_name, *weights_name; /* borrowed from the job, without a leading '/' */

    /* from open until loaded */
    pp__source source[PP__SOURCES];
    int n_sources;
    uint16_t *times;      /* [file_rows] visits of each row per epoch; held-out rows have none */
    int64_t *held_out;    /* [validation_rows] global rows, ascending */
    uint64_t x_print;     /* of this rank's rows so far */
    uint64_t y_print;     /* of all targets, row weights and groups */
    uint64_t fingerprint; /* once loaded */
    /* Streaming, all of these stay. */
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
    float *shift, *scale;               /* [inputs], NULL: not standardised */
    int reads_doubles;                  /* x is standardised, and its types hold more than float */
    double *wide_shift, *wide_scale;    /* [inputs], NULL: float32 cuts no value of x */
    float *target_shift, *target_scale; /* [y_columns], likewise */
    struct pp__stream *stream;          /* NULL: rows are in memory */
    struct pp__block_stream *block_stream; /* likewise */

    int64_t epoch;       /* that `order` stands for; -1: none */
    uint32_t *order;     /* [visits] slots in the order of the epoch */
    int64_t *piece_pool; /* scratch of start_epoch: [most pieces of a lane] */
    int64_t *row_pool;   /* and [most visits of open pieces] */
};

pp_status pp__no_memory(pp_error *err);
/* floor(a b / c) of non-negative numbers, c > 0, without overflow. */
int64_t pp__share(int64_t a, int64_t b, int64_t c);

/* source.c: opens x, y and row weights of a list of files. */
pp_status pp__source_open(pp_dataset *set, const pp_job_data *data, pp__source *source,
                          const char **files, int n_files, pp_error *err);
void pp__source_close(pp__source *source);
/* Collective: all ranks have opened the same. */
pp_status pp__source_compare(pp_dataset *set, pp_comm *comm, pp__source *source, pp_error *err);
/* "NaN", "infinite" or NULL for a finite value. */
const char *pp__not_finite(float value);

/* residency.c: streams and budget. Collective. */
void pp__settle_residency(pp_dataset *set, pp_comm *comm, const pp_job_data *data);

/* targets.c: the only place that targets and row weights come from. */
/* Brings y and the row weights of a source into memory, unless they are streamed. */
pp_status pp__keep_targets(pp_dataset *set, pp__source *s, pp_error *err);
/* Rows [first, first + count) of the source: y [count, y_columns] and, where weight is not NULL and
 * the job has any, row weights [count]. */
pp_status pp__targets(const pp_dataset *set, const pp__source *s, int64_t first, int64_t count,
                      float *y, float *weight, pp_error *err);
/* Shows all rows of a source, in order and in portions. */
typedef struct pp__portion {
    const pp__source *source;
    int64_t first, rows;     /* of the source */
    const float *y, *weight; /* [rows, y_columns]; [rows], NULL: all 1 */
} pp__portion;
typedef pp_status (*pp__see_fn)(void *context, const pp__portion *portion, pp_error *err);
pp_status pp__scan_targets(const pp_dataset *set, const pp__source *s, pp__see_fn see,
                           void *context, pp_error *err);
/* Row weight times class weight. */
/* Adds a print of row `row` of the source to that of its file. */
void pp__print_in_file(pp__source *s, int64_t row, uint64_t print);
float pp__weight_of(const pp_dataset *set, const float *y, double row_weight);

/* survey_y.c: task, classes, labels and range of y. */
pp_status pp__survey_y(pp_dataset *set, const pp_job *job, pp_error *err);

/* exact_y.c: labels that float32 cannot hold are refused. task: as in the job. */
pp_status pp__check_exact_labels(pp_dataset *set, pp_task task, const pp_y_survey *v,
                                 pp_error *err);

/* exact_x.c: info.collapsed_column. */
pp_status pp__find_collapsed(pp_dataset *set, pp_error *err);

/* split.c */
/* Training rows with visits come in groups: one a class; the last, number `classes`, has the rows
 * of no class (all rows of a regression). Each row has a random key of `purpose`. */
int64_t pp__group_of(const pp_dataset *set, const float *y);
/* rows [classes + 1] of each group. */
pp_status pp__count_groups(pp_dataset *set, int64_t *rows, pp_error *err);
/* Sets times of the rows[g] rows of each group: those with the chosen[g] smallest keys (ties go to
 * the lower row) get more[g] visits, the others fewer[g]. Arrays: [classes + 1]. */
typedef struct pp__choice {
    const int64_t *rows, *chosen;
    const uint16_t *more, *fewer;
} pp__choice;
pp_status pp__choose_rows(pp_dataset *set, pp_purpose purpose, const pp__choice *choice,
                          pp_error *err);
pp_status pp__hold_out(pp_dataset *set, const pp_job_data *data, pp_error *err);
/* grouped.c: the same for whole groups, which are dealt in a random order, so that the share is met
 * as nearly as they allow. */
pp_status pp__hold_out_groups(pp_dataset *set, double from, double to, pp_arena *scratch,
                              pp_error *err);

/* relabel.c: shift before rows are held out, permute after. */
pp_status pp__shift_targets(pp_dataset *set, pp__source *source, int64_t by, pp_error *err);
void pp__recode_labels(pp_dataset *set);
pp_status pp__permute_targets(pp_dataset *set, pp_error *err);
/* By the training rows, hence after rows are held out. */
pp_status pp__standardise_targets(pp_dataset *set, pp_error *err);

/* balance.c: class_rows, class_weights, times. */
pp_status pp__balance(pp_dataset *set, const pp_job_data *data, pp_error *err);

/* deal.c */
pp_status pp__deal(pp_dataset *set, pp_error *err);

/* read_x.c: x, y, weight and index of this rank's rows; *bad_row is the lowest global row with a
 * value that is not finite, INT64_MAX for none, and then err says which. */
pp_status pp__read_rows(pp_dataset *set, int64_t *bad_row, pp_error *bad, pp_error *err);
/* Room for the x, y and weights of a store's rows. */
pp_status pp__make_store(pp_dataset *set, pp__store *store, pp_error *err);
/* Numbers of the pieces in file order [n_pieces]; NULL: no memory. */
int64_t *pp__sort_pieces(const pp_dataset *set, pp_arena *arena);

/* fingerprint.c */
/* Of a row by its global index. */
uint64_t pp__row_print(int64_t row, const float *values, int64_t count);
uint64_t pp__double_print(int64_t row, const double *values, int64_t count);
/* Adds the rows in memory to x_print, each over all ranks once. */
void pp__print_rows(pp_dataset *set);
/* Collective. */
void pp__settle_print(pp_dataset *set, pp_comm *comm);

/* standardise.c */
typedef struct pp__moments pp__moments; /* of the features, over the training rows */
pp_status pp__moments_create(pp_dataset *set, pp_arena *arena, pp__moments **moments,
                             pp_error *err);
/* Rows of one piece, in order: begin, rows, end. x [rows, inputs] */
void pp__moments_begin(pp__moments *moments);
void pp__moments_add(pp__moments *moments, const float *x, int64_t rows);
/* Notes whether float32 cuts any value. */
void pp__moments_add_doubles(pp__moments *moments, const double *x, int64_t rows);
void pp__moments_end(pp__moments *moments);
/* Collective: shift and scale from the pieces of all ranks. */
void pp__moments_settle(pp__moments *moments, pp_dataset *set, pp_comm *comm);
void pp__standardise(const pp_dataset *set, float *x, int64_t rows);
/* Rows of a source as they are trained on: float32, made from doubles where float32 would cut
 * them. Standardised only then. scratch [pp__scratch_values], NULL where wide_shift is. */
pp_status pp__read_x(const pp_dataset *set, const pp__source *s, int64_t first, int64_t rows,
                     float *x, double *scratch, pp_error *err);
int64_t pp__scratch_values(const pp_dataset *set);

/* order.c: what the epochs need, once dealt. */
pp_status pp__plan_order(pp_dataset *set, pp_error *err);
/* Bounds of each lane's pieces and visits. */
pp_status pp__find_lanes(pp_dataset *set, pp_error *err);
/* The order of a lane's pieces in an epoch (from 0), counted from its first: order [count]. */
void pp__order_pieces(const pp_dataset *set, int lane, int64_t epoch, int64_t count,
                      int64_t *order);
/* Mixes `count` visits of open pieces, of which `done` came before in the lane's epoch. */
void pp__mix_visits(const pp_dataset *set, int lane, int64_t epoch, int64_t done, int64_t count,
                    int64_t *visits);
/* Visits of this rank's lane l (0: its first) in a step: *first and the count. Shuffled, they are
 * counted from the rank's first lane on, in file order from the first of the rank. */
int64_t pp__lane_share(const pp_dataset *set, int l, int64_t step, int64_t *first);

/* survey_x.c: one look at the rows of this rank, for streaming: *bad_row as in pp__read_rows;
 * moments NULL: not wanted. */
pp_status pp__look_at_rows(pp_dataset *set, pp__moments *moments, int64_t *bad_row, pp_error *bad,
                           pp_error *err);
/* Held-out rows that are kept, standardised from doubles. */
pp_status pp__reread_held_out(pp_dataset *set, pp_error *err);
/* All exponent bits set: infinite or NaN. */
int pp__has_fault(const float *x, int64_t count);
void pp__tell_fault(const pp__source *source, int64_t row, const float *x, pp_error *bad);

/* ---- streaming ---- */

/* Room for rows, and which ones. The reader's while they are asked for and not ready. */
typedef struct pp__frame {
    struct pp__frame *next, *next_asked; /* of its owner's list; of the reader's */
    const pp__source *source;
    int64_t first, rows;   /* rows [first, first + rows) of the source */
    float *x, *y, *weight; /* [rows, inputs], [rows, y_columns], [rows] */
    int64_t piece;         /* or -1: held-out rows */
    int64_t held, n_held;  /* held.at.index[held] ... [held + n_held - 1] */
    int is_ready;
} pp__frame;

/* reader.c: a thread that fills frames, the only one that calls HDF5 from then on. */
typedef struct pp__reader pp__reader;
pp_status pp__reader_start(const pp_dataset *set, pp__reader **reader, pp_error *err);
void pp__reader_stop(pp__reader *reader); /* NULL is fine */
/* Those asked for as urgent come first, the others in about the order of asking. */
void pp__reader_ask(pp__reader *reader, pp__frame *frame, int urgent);
/* Waits until the frame is ready; 0: reading has failed, now or before. */
int pp__reader_wait(pp__reader *reader, pp__frame *frame);
double pp__reader_waited(const pp__reader *reader); /* seconds in all */
pp_status pp__reader_status(pp__reader *reader, pp_error *err);

/* stream.c */
typedef struct pp__stream pp__stream;
pp_status pp__stream_plan(pp_dataset *set, pp_error *err);
/* Collective. As many frames as data.memory allows; held-out rows stay in memory if there is
 * plenty.
 */
pp_status pp__stream_fit(pp_dataset *set, pp_comm *comm, pp_error *err);
pp_status pp__stream_start(pp_dataset *set, pp_error *err);
void pp__stream_destroy(pp_dataset *set);
void pp__stream_batch(pp_dataset *set, int64_t step, pp_rows *out, int64_t *lane_rows);
int64_t pp__stream_bytes(const pp_dataset *set);
pp__reader *pp__stream_reader(const pp__stream *stream);
/* Row `offset` of a frame becomes row `to` of out. */
void pp__copy_framed(const pp_dataset *set, const pp__frame *frame, int64_t offset, pp_rows *out,
                     int64_t to);

/* stream_blocks.c: frames [count], for blocks alone. */
pp_status pp__block_stream_create(pp_dataset *set, int64_t frame_rows, pp_error *err);
void pp__block_stream_give(pp_dataset *set, pp__frame *frames, int64_t count);
int64_t pp__block_stream_count(const pp_dataset *set); /* blocks of training rows */
int pp__block_stream_lane(const pp_dataset *set, int64_t block);
int64_t pp__block_stream_next(pp_dataset *set, pp_part part, int64_t block, pp_rows *out);

#endif
