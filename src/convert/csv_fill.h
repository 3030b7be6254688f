/* What stands for missing values, learnt in a pass of its own, or taken over from another file.
 * Private to src/convert. */
#ifndef PITPROP_CONVERT_CSV_FILL_H
#define PITPROP_CONVERT_CSV_FILL_H

#include "csv_plan.h"

/* Columns that have gaps get `fill`. */
pp_status pp__csv_fill(pp__csv_plan *plan, pp_error *err);
/* The value of a cell of a number or a date, NaN where it is none. */
double pp__csv_cell_value(const pp__csv_column *column, const char *cell);

#endif
