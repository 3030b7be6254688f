/* What is known of the rows in files: their names, their number, what y shows, and whether all
 * ranks see the same. */
#ifndef PITPROP_DATA_INFO_H
#define PITPROP_DATA_INFO_H

#include <stdint.h>

#include "base/arena.h"
#include "comm/comm.h"
#include "job/job.h"
#include "pitprop/error.h"
#include "store/h5.h"

/* What is known once y has been read. */
typedef struct pp_dataset_info {
    int64_t file_rows; /* in data.files */
    int64_t inputs;    /* features of a row */
    pp_shape x_shape;  /* of a row of x, as the files have it */
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
typedef struct pp_file_fingerprint {
    int64_t rows;
    uint64_t values; /* hash */
} pp_file_fingerprint;
/* Adds shapes, types and chunks of sets [n_sets] over the same files, and some of their rows, to
 * fingerprints [n_files]. Not collective. */
pp_status pp_data_fingerprint(pp_h5_set *const *sets, int n_sets, int n_files,
                              pp_file_fingerprint *fingerprints, pp_error *err);
/* Collective: an error on all ranks, which names file and ranks, where fingerprints differ: nodes
 * may have copies that are not the same. */
pp_status pp_data_agree(pp_comm *comm, const char *const *files, int n_files,
                        const pp_file_fingerprint *fingerprints, pp_error *err);
/* Collective: both, for sets that are not read as a whole. */
pp_status pp_data_compare(pp_comm *comm, pp_h5_set *const *sets, int n_sets,
                          const char *const *files, int n_files, pp_error *err);

/* Classes to assume where the job says `asked`: as many as y has names for, if more than two. */
int64_t pp_data_classes(int64_t asked, const pp_h5_set *y);
/* The names of the classes of info (task, classes, y_columns, labels), in the arena; *names NULL:
 * numbers alone. */
pp_status pp_data_class_names(const pp_dataset_info *info, const pp_h5_set *y, pp_arena *arena,
                              const char *const **names, pp_error *err);
/* The same of the columns of x; *names NULL: not all of them have one. */
pp_status pp_data_column_names(const pp_h5_set *x, pp_arena *arena, const char *const **names,
                               pp_error *err);

/* Class index of a y row [y_columns] by task, classes, one_hot, y_columns and labels of info; -1
 * where it is none, as in a binary task with three or more columns, where a row may be of several
 * classes at once. Classification only. */
int64_t pp_class_of(const pp_dataset_info *info, const float *y);

#endif
