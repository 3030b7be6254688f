/* The first pass over a csv file: how many rows, what the target is, what is missing. Private to
 * src/convert. */
#ifndef PITPROP_CONVERT_CSV_PLAN_H
#define PITPROP_CONVERT_CSV_PLAN_H

#include "csv.h"
#include "pitprop/import.h"

typedef struct pp__csv_plan {
    const char *path;
    char separator;
    int has_header;
    int n_columns, target; /* columns of the file, and which of them is the target */
    char **names;          /* [n_columns] of the header; NULL without one */
    int64_t rows;          /* to write */
    pp_csv_policy policy;
    pp_csv_missing missing;
    pp_error first_missing;             /* says where */
    int all_numbers, all_integers;      /* of the target cells */
    int64_t text_line;                  /* first line whose target is no number */
    char text_shown[PP__CSV_SHOWN + 1]; /* and that target */
    char **classes;                  /* [n_classes] different target texts, by first appearance */
    int n_classes, too_many_classes; /* collecting stops at 1000 */
} pp__csv_plan;

typedef struct pp__csv_cell { /* for messages */
    const pp__csv_plan *plan;
    int64_t line;
    int column;
    const char *text;
} pp__csv_cell;

/* Fills the plan, of which path, separator and policy are set; pp__csv_plan_free in any case. */
pp_status pp__csv_plan_make(pp__csv_plan *plan, const pp_csv_options *options, pp__csv *csv,
                            pp_error *err);
void pp__csv_plan_free(pp__csv_plan *plan);

/* Index of a target text; -1: none. */
int pp__csv_plan_class(const pp__csv_plan *plan, const char *text);
/* A row has as many cells as the first. */
pp_status pp__csv_plan_check(const pp__csv_plan *plan, const pp__csv_record *record, pp_error *err);
/* Cells that stand for a missing value. */
int pp__csv_plan_gaps(const pp__csv_record *record);
/* Tells the meter of options how much of the file has been read, in its pass of two. */
void pp__csv_plan_tell(const pp_csv_options *options, const pp__csv *csv, int pass, int64_t rows);
/* "FILE: line 3, column 'b': '' WHAT" */
pp_status pp__csv_fail_cell(const pp__csv_cell *cell, pp_error *err, const char *what);

#endif
