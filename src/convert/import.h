/* Data as people have it, to HDF5: idx (MNIST family), csv and npy; and generated sets of known
 * truth. A failed import leaves nothing behind. `meter` is told of every block. */
#ifndef PITPROP_IMPORT_H
#define PITPROP_IMPORT_H

#include <stdint.h>

#include "pitprop/error.h"
#include "base/log.h"

/* x_path: idx images (uint8 [n, ...], plain or gzip), y_path: idx labels. Writes /x and /y. */
pp_status pp_import_idx(const char *x_path, const char *y_path, const char *output,
                        const pp_meter *meter, int64_t *rows, pp_error *err);

/* What becomes of rows with missing values: an empty cell, NA, nan, null, ? */
typedef enum pp_csv_policy {
    PP_CSV_REFUSE,
    PP_CSV_DROP, /* such rows are left out */
    PP_CSV_FILL  /* features get a number; a missing target is refused */
} pp_csv_policy;

/* Whether the first line holds names: guessed, where none of its cells is a number. */
typedef enum pp_csv_header { PP_CSV_GUESS, PP_CSV_HEADER, PP_CSV_NO_HEADER } pp_csv_header;

/* What stands for a missing feature. */
typedef enum pp_csv_fill { PP_CSV_NUMBER, PP_CSV_MEDIAN, PP_CSV_MEAN } pp_csv_fill;

typedef struct pp_csv_missing {
    int64_t values, rows;
} pp_csv_missing;

typedef struct pp_csv_options {
    /* Columns by the name in the header or by number from 0 ("-1": the last). A text that may be
     * several is an error. */
    const char *target; /* NULL: an error, but with no_target */
    int no_target;      /* features alone: no /y */
    /* Names [n_only] of the features, in their order: others are left out, one that is missing is
     * an error that says that the model takes it. NULL: all that is no target. */
    const char *const *only;
    int n_only;
    const char *const *class_names; /* [n_class_names] classes in their order, others are an error;
                                       NULL: as they are found */
    int n_class_names;
    const double *fills;    /* [n_only] what stands for a missing value; NULL: fill */
    const char *categories; /* "a,b": names, though they may look like numbers */
    const char *drop;       /* "a,b": no features; NULL: none */
    const char *keep;       /* features although they look like ids, codes or marks */
    const char *na;         /* "nd,-999": missing values too; NULL: none */
    const char *skip;       /* "1-4,9": lines of each file that are no part of the table */
    int classes;    /* targets are names as they stand: numbers too, and whatever their case */
    char separator; /* 0 = guess among , ; | tab */
    char decimal;   /* '.' or ','; 0 = as the columns tell */
    pp_csv_header header;
    pp_csv_policy policy;
    float fill; /* with PP_CSV_FILL and PP_CSV_NUMBER */
    pp_csv_fill fill_by;
    int flags; /* with PP_CSV_FILL: a column of x more that is 1 where the value was missing */
    pp_meter meter;
} pp_csv_options;

typedef struct pp_csv_report {
    int64_t rows;
    pp_csv_missing missing; /* what was left out or filled in */
    const char **lines;     /* [n_lines] what became of each column, for people */
    int n_lines;
    const char **warnings; /* [n_warnings] what may be wrong */
    int n_warnings;
    struct pp_arena *arena; /* owns the texts */
} pp_csv_report;
void pp_csv_report_free(pp_csv_report *report);

/* Files [n_paths] of one table, plain or gzip, larger than memory: rows of one after those of
 * another, columns by their names. Writes /x [rows, features], float32, or float64 where that would
 * merge values; its names as the attribute "columns", an array of strings; and /y: int64 of
 * integers and classes, else a float. Text targets become classes in the order of their bytes, over
 * all files; the names are the attribute "classes" of /y. What is no table of numbers, or may be
 * read in several ways, is an error that names file, line, column and what to do: no cell is
 * guessed at. report (nullable) is filled on success; the caller frees it. */
pp_status pp_import_csv(const char *const *paths, int n_paths, const pp_csv_options *options,
                        const char *output, pp_csv_report *report, pp_error *err);

/* What an import of `file` learnt: columns and their names, classes, and what stands for missing
 * values. pp_csv_like_close in any case; the options borrow from it. */
typedef struct pp_csv_like pp_csv_like;
pp_status pp_csv_like_open(const char *file, pp_csv_like **like, pp_error *err);
void pp_csv_like_apply(const pp_csv_like *like, pp_csv_options *options);
void pp_csv_like_close(pp_csv_like *like);

/* Arrays of numpy.save, larger than memory: x_path [rows, ...] and y_path (nullable: no /y) [rows,
 * ...]. Types stay what they are, but float16 becomes float32 and booleans uint8. */
pp_status pp_import_npy(const char *x_path, const char *y_path, const char *output,
                        const pp_meter *meter, int64_t *rows, pp_error *err);

/* Generated sets: one table row each (name, help, shape, default rows). */
typedef struct pp_synth_row {
    const char *name, *help;
    int64_t default_rows;
} pp_synth_row;
const pp_synth_row *pp_synth_table(int *count);
/* rows 0 = the default. Bytes depend on (name, rows, seed) alone. */
pp_status pp_synth(const char *name, int64_t rows, int64_t seed, const char *output, pp_error *err);

#endif
