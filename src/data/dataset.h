/* A data set as a job sees it: rows of x [inputs] and y [y_columns], split into training rows
 * (dealt to lanes) and held-out rows, and brought into memory, or streamed: read by a thread when a
 * batch or a block is about to need them. Rows, order and values are the same in both.
 *
 * Which rows a lane owns and in which order an epoch visits them depends on the job and the files
 * alone. A rank reads only what its lanes and its share of the held-out rows need. */
#ifndef PITPROP_DATASET_H
#define PITPROP_DATASET_H

#include <stdint.h>

#include "base/arena.h"
#include "comm/comm.h"
#include "pitprop/error.h"
#include "store/h5.h"
#include "job/job.h"
#include "data/share/lanes.h"

/* Rows of a forward pass in evaluation and prediction; a multiple of 12 (see pp_lanes_cut). */
enum { PP_BLOCK_ROWS = 480 };

typedef struct pp_dataset pp_dataset;

/* What is known once y has been read. */
typedef struct pp_dataset_info {
    int64_t file_rows; /* in data.files */
    int64_t inputs;    /* features of a row */
    int64_t y_columns; /* 1 for y [n] */
    pp_task task;      /* as the job says or as y shows; never auto */
    int64_t classes;   /* binary 2, multi-class K, regression 0 */
    int one_hot;       /* y has one column a class */
    double low_label;  /* binary with one column: the two labels; others 0 and 1 */
    double high_label;
    double y_min, y_max; /* over all training and held-out rows and columns */
    int64_t train_rows; /* visits per epoch, after balancing; each row once where balance is none */
    int64_t validation_rows;
    int64_t window;           /* rows */
    int64_t chunk_rows;       /* of x, 0: contiguous */
    int64_t collapsed_column; /* of x, the first whose values float32 does not tell apart, in a
                                 sample, without data.standardise; -1: none */
    int64_t category_column;  /* of x, the first that holds codes of a category; -1: none */
    const int64_t
        *class_rows; /* [classes] training rows of each class, before balancing; NULL: regression */
    const double
        *class_weights; /* [classes], all 1 unless balance asks for weights; NULL: regression */
    /* [classes] as the files name them, or the two labels where they are not 0 and 1; NULL: classes
     * have numbers alone. */
    const char *const *class_names;
    const char *const *column_names; /* [inputs]; NULL: not all of them have one */
    const char *const *files; /* [n_files] training files, then held-out ones, without folders */
    int n_files;
} pp_dataset_info;

/* What y shows, row by row and merged in any order: its range, and what the task depends on. */
typedef struct pp_y_survey {
    int64_t columns;
    double min, max;
    int is_integer; /* the type in the files */
    int is_one_hot; /* every row has one 1 and 0 elsewhere; several columns only */
    /* One column only: the first two values that differ, and a row that has a third one. */
    int n_values; /* 3: more than two */
    double value[2];
    int64_t third_row;
} pp_y_survey;
pp_y_survey pp_y_survey_start(int64_t columns, int is_integer);
void pp_y_survey_add(pp_y_survey *survey, int64_t row, const float *y); /* y [columns] */
void pp_y_survey_merge(pp_y_survey *into, const pp_y_survey *from);
/* The task where the job leaves it open; classes: as in the job, PP_AUTO too. */
pp_task pp_y_survey_task(const pp_y_survey *survey, int64_t classes);

/* Names of files, with those that match a pattern such as "day-*.h5" in its place, by name. A name
 * that exists is no pattern. Strings go into the arena. Not collective. */
pp_status pp_data_expand(pp_arena *arena, const char *const *names, int n_names,
                         const char ***files, int *n_files, pp_error *err);

/* The rows of x and y in files as the job selects them; the caller closes them. name: another data
 * set instead of data.x; NULL: that. Not collective. */
pp_status pp_data_open_x(const pp_job_data *data, const char *const *files, int n_files,
                         const char *name, pp_h5_set **x, pp_error *err);
pp_status pp_data_open_y(const pp_job_data *data, const char *const *files, int n_files,
                         pp_h5_set **y, pp_error *err);
/* Each file must have as many rows of the other set as of x; the names are for the message. */
pp_status pp_data_check_rows(const char *const *files, int n_files, const pp_h5_set *x,
                             const char *x_name, const pp_h5_set *other, const char *name,
                             pp_error *err);

/* What a file has been read to hold, to compare ranks by. */
typedef struct pp_file_print {
    int64_t rows;
    uint64_t values; /* hash */
} pp_file_print;
/* Adds shapes, types and chunks of sets [n_sets] over the same files, and some of their rows, to
 * prints [n_files]. Not collective. */
pp_status pp_data_print(pp_h5_set *const *sets, int n_sets, int n_files, pp_file_print *prints,
                        pp_error *err);
/* Collective: an error on all ranks, which names file and ranks, where prints differ: nodes may
 * have copies that are not the same. */
pp_status pp_data_agree(pp_comm *comm, const char *const *files, int n_files,
                        const pp_file_print *prints, pp_error *err);
/* Collective: both, for sets that are not read as a whole. */
pp_status pp_data_compare(pp_comm *comm, pp_h5_set *const *sets, int n_sets,
                          const char *const *files, int n_files, pp_error *err);

/* Rows of a window where the job asks for `wanted` of them (PP_AUTO: whole chunks if there are
 * enough of them for all lanes, else what leaves them many windows and each window up to 128 KiB in
 * memory). chunk_rows 0: not chunked. */
int64_t pp_window_rows(int64_t wanted, int64_t rows, int64_t inputs, int64_t chunk_rows,
                       int64_t lanes);

/* Classes to assume where the job says `asked`: as many as y has names for, if more than two. */
int64_t pp_data_classes(int64_t asked, const pp_h5_set *y);
/* The names of the classes of info (task, classes, y_columns, labels), in the arena; *names NULL:
 * numbers alone. */
pp_status pp_data_class_names(const pp_dataset_info *info, const pp_h5_set *y, pp_arena *arena,
                              const char *const **names, pp_error *err);
/* The same of the columns of x; *names NULL: not all of them have one. */
pp_status pp_data_column_names(const pp_h5_set *x, pp_arena *arena, const char *const **names,
                               pp_error *err);

/* Collective. Opens x and y, reads all of y on every rank, settles task, classes, the split and the
 * balance. Labels that the job's loss cannot take are errors with file and row (a class index
 * outside 0..K-1 where y is used as an index); {1, 2} or {-1, 1} for a binary job are not. All
 * ranks return alike. The strings of job are borrowed until pp_dataset_load has returned. */
pp_status pp_dataset_open(pp_comm *comm, const pp_job *job, pp_dataset **set, pp_error *err);
void pp_dataset_close(pp_dataset *set);
const pp_dataset_info *pp_dataset_describe(const pp_dataset *set);

/* Class index of a y row [y_columns]; -1 where it is none, as in a binary task with three or more
 * columns, where a row may be of several classes at once. Classification only. */
int64_t pp_dataset_class(const pp_dataset *set, const float *y);
/* The same by task, classes, one_hot, y_columns and labels of info alone. */
int64_t pp_class_of(const pp_dataset_info *info, const float *y);

/* Collective. Deals windows to lanes by a seeded permutation and reads this rank's share of x, into
 * memory or, streaming, just once through: a non-finite value is an error that names file, data
 * set, row and column (the lowest such row over all ranks); with data.standardise, mean and
 * deviation of each feature are taken from the training rows and applied. cut: lane shares of the
 * batch, [lanes + 1].
 */
pp_status pp_dataset_load(pp_dataset *set, pp_comm *comm, int lanes, const int64_t *cut,
                          pp_error *err);
/* Bytes of rows held by this rank; streaming, all that it takes for them at most. */
int64_t pp_dataset_bytes(const pp_dataset *set);
int pp_dataset_streams(const pp_dataset *set);
/* Streaming: seconds that batches and blocks have waited for their rows, in all. */
double pp_dataset_waited(const pp_dataset *set);
/* Streaming: whether reading has failed on this rank, and how. From then on batches and blocks
 * have rows without meaning, in the usual numbers. */
pp_status pp_dataset_status(const pp_dataset *set, pp_error *err);
/* A hash of the rows as they were read, with their order: the same on any number of ranks and in
 * both residencies. */
uint64_t pp_dataset_fingerprint(const pp_dataset *set);
/* Standardisation as two arrays [inputs], borrowed: x' = (x - shift) * scale. NULL when off. */
const float *pp_dataset_shift(const pp_dataset *set);
const float *pp_dataset_scale(const pp_dataset *set);
/* The same where float32 cuts values of x: from doubles, rounded to float32 once; else NULL. */
const double *pp_dataset_wide_shift(const pp_dataset *set);
const double *pp_dataset_wide_scale(const pp_dataset *set);
/* from, to [rows, inputs]: to = (from - shift) * scale */
void pp_standardise_doubles(int64_t rows, int64_t inputs, const double *from, const double *shift,
                            const double *scale, float *to);
/* The same of targets [y_columns]: y of the file = y * scale + shift. */
const float *pp_dataset_target_shift(const pp_dataset *set);
const float *pp_dataset_target_scale(const pp_dataset *set);

/* Rows as the trial takes them; the caller owns the buffers. */
typedef struct pp_rows {
    float *x;       /* [rows, inputs] */
    float *y;       /* [rows, y_columns] */
    float *weight;  /* [rows] row weight times class weight */
    int64_t *index; /* [rows] global row index */
} pp_rows;

int64_t pp_dataset_steps_per_epoch(const pp_dataset *set); /* ceil(train_rows / batch) */

/* Fixes the order of an epoch (from 0) for this rank's lanes. Cheap when it is the current one. */
void pp_dataset_start_epoch(pp_dataset *set, int64_t epoch);

/* Global batch `step` (from 0) of the current epoch (streaming, steps after one another are
 * prepared): this rank's rows, lane after lane, and the
 * rows of each of this rank's lanes (0 is ordinary). Returns the rows of the whole global batch. */
int64_t pp_dataset_batch(pp_dataset *set, int64_t step, pp_rows *out, int64_t *lane_rows);

/* Evaluation: each training row (copies once) or held-out row exactly once over all ranks, in
 * blocks of at most PP_BLOCK_ROWS whose bounds depend on the job and the files alone. */
typedef enum pp_part { PP_PART_TRAIN, PP_PART_VALIDATION } pp_part;
int64_t pp_dataset_blocks(const pp_dataset *set, pp_part part); /* of this rank */
/* Fills out with block `block`; returns its rows. Streaming, blocks come one after another from 0.
 */
int64_t pp_dataset_block(pp_dataset *set, pp_part part, int64_t block, pp_rows *out);
/* The lane that a block of training rows is of. */
int pp_dataset_block_lane(const pp_dataset *set, int64_t block);

/* Rows over all ranks of a part: PP_PART_TRAIN counts each row once. */
int64_t pp_dataset_part_rows(const pp_dataset *set, pp_part part);

#endif
