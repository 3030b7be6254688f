/* The first pass over csv files: columns, rows, what the target is, what is missing, and everything
 * that would make wrong numbers of them. Private to src/convert. */
#ifndef PITPROP_CONVERT_CSV_PLAN_H
#define PITPROP_CONVERT_CSV_PLAN_H

#include "csv.h"
#include "csv_column.h"
#include "csv_kind.h"
#include "base/arena.h"
#include "convert/import.h"

typedef struct pp__csv_file {
    const char *path;
    char separator;
    int n_cells;
    int *map; /* [n_cells] columns of the plan; -1: left out */
} pp__csv_file;

typedef struct pp__csv_class {
    char *name;
    int64_t rows;
    pp__csv_spot first;
    int number; /* among the classes that are written */
} pp__csv_class;

/* Lines that cannot be rows. */
enum { PP__CSV_ODD = 8 };
typedef struct pp__csv_odd {
    pp__csv_spot place;
    char why[64];
} pp__csv_odd;

typedef struct pp__csv_plan {
    const pp_csv_options *options;
    pp_arena *arena;
    pp__csv_lines skip;
    pp__csv_file *files; /* [n_files] */
    int n_files, has_header;
    int n_columns, target; /* target -1: none */
    int n_x;               /* columns of x */
    pp__csv_column *columns;
    char **heads;    /* [n_columns] as in the header; NULL without one */
    const char **na; /* [n_na] further marks for missing values */
    int n_na;
    int64_t records, rows; /* records: with those left out for what they miss */
    pp_csv_missing missing;
    pp_error first_missing;
    pp__csv_class *classes; /* [n_classes] sorted by bytes; collecting stops at 1000 */
    int n_classes, too_many_classes;
    pp__csv_odd odd[PP__CSV_ODD];
    int64_t n_odd;
    pp__csv_spot total;      /* a cell of the last record that says it holds sums */
    uint64_t *seen;          /* hashes of the first cells of columns of integers */
    int is_classes;          /* the target holds names of classes */
    int tells[PP__DECIMALS]; /* whether columns of the files can only be read so */
} pp__csv_plan;

/* Fills the plan; pp__csv_plan_free in any case. */
pp_status pp__csv_plan_make(pp__csv_plan *plan, const char *const *paths, int n_paths,
                            const pp_csv_options *options, pp_error *err);
void pp__csv_plan_free(pp__csv_plan *plan);

/* Opens a file behind its header. */
pp_status pp__csv_plan_open(const pp__csv_plan *plan, int file, pp__csv **csv, pp_error *err);
int pp__csv_plan_is_missing(const pp__csv_plan *plan, int column, const char *cell);
/* Columns that a row has no value for. */
int pp__csv_plan_gaps(const pp__csv_plan *plan, int file, const pp__csv_record *record);
int pp__csv_plan_class(const pp__csv_plan *plan, const char *name); /* -1: none */
/* "'age'", or "3 (counted from 0)". */
void pp__csv_plan_column(const pp__csv_plan *plan, int column, char *text, size_t size);
void pp__csv_plan_tell(const pp__csv_plan *plan, int file, const pp__csv *csv, int pass);

/* csv_faults.c: settles what the columns are; refuses what would be wrong. */
pp_status pp__csv_plan_judge(pp__csv_plan *plan, pp_error *err);
/* csv_report.c: what became of each column, for people. */
pp_status pp__csv_plan_report(const pp__csv_plan *plan, pp_csv_report *report, pp_error *err);

#endif
