/* What a column of features is made into: numbers, days, or a column of x for each of its names.
 * Private to src/convert. */
#ifndef PITPROP_CONVERT_CSV_KIND_H
#define PITPROP_CONVERT_CSV_KIND_H

#include "base/arena.h"
#include "csv_column.h"

/* Names of a column beyond which it is text, and no category. */
enum { PP__CSV_NAMES = 64 };

/* A cell that is not missing, besides pp__csv_column_add. 0: no memory. */
int pp__csv_kind_add(pp__csv_column *column, pp_arena *arena, const char *path, int64_t line,
                     const char *cell);
/* A name that a model knows: x is its column. 0: no memory. */
int pp__csv_kind_give(pp__csv_column *column, pp_arena *arena, const char *name, int x);
/* After the first pass. may_be_category: though nobody said so. Names are in the order of their
 * bytes then. */
void pp__csv_kind_settle(pp__csv_column *column, int may_be_category);
/* Takes columns of x from *next on. */
void pp__csv_kind_lay(pp__csv_column *column, int fills_gaps, int flags_gaps, int *next);
int pp__csv_kind_find(const pp__csv_column *column, const char *name); /* -1: none */

/* Days since 1970-01-01 of 2021-02-28, 28.02.2021, 2021-02-28T14:30, 2021-02-28 14:30:05. 0: no
 * date. */
int pp__csv_date(const char *cell, double *days);

#endif
