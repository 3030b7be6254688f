/* Columns of the files of a plan: names, roles, and which cell of which file is which. Private to
 * src/convert. */
#ifndef PITPROP_CONVERT_CSV_ROLES_H
#define PITPROP_CONVERT_CSV_ROLES_H

#include "csv_plan.h"

/* Of the first record of the first file: whether it is a header, the columns, and what they are
 * for. In this order. */
pp_status pp__csv_settle_header(pp__csv_plan *plan, const pp__csv_record *first, pp_error *err);
pp_status pp__csv_make_columns(pp__csv_plan *plan, const pp__csv_record *first, pp_error *err);
pp_status pp__csv_give_roles(pp__csv_plan *plan, pp_error *err);
/* Of the first record of each file: file->map. */
pp_status pp__csv_map_columns(pp__csv_plan *plan, pp__csv_file *file, const pp__csv_record *first,
                              pp_error *err);

#endif
