/* Records of a csv file (RFC 4180, with other separators, \n, \r\n or \r, and blank lines skipped),
 * plain or gzip, one at a time. Private to src/convert. */
#ifndef PITPROP_CONVERT_CSV_H
#define PITPROP_CONVERT_CSV_H

#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp__csv pp__csv;

typedef struct pp__csv_record {
    int64_t line; /* at which the record begins, from 1 */
    int n_cells;
    const char *const
        *cells; /* [n_cells], blanks around unquoted cells cut off; until the next read */
} pp__csv_record;

pp_status pp__csv_open(const char *path, char separator, pp__csv **csv, pp_error *err);
void pp__csv_close(pp__csv *csv);

/* record->n_cells 0: the end. */
pp_status pp__csv_next(pp__csv *csv, pp__csv_record *record, pp_error *err);

/* The one of , ; and tab that the first line holds most of; an error if it holds none. */
pp_status pp__csv_guess_separator(const char *path, char *separator, pp_error *err);

#endif
