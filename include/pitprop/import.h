/* Data as people have it, to HDF5: idx (MNIST family) and csv; and generated sets of known truth.
 * A failed import leaves nothing behind. */
#ifndef PITPROP_IMPORT_H
#define PITPROP_IMPORT_H

#include <stdint.h>

#include "pitprop/error.h"

/* x_path: idx images (uint8 [n, ...], plain or gzip), y_path: idx labels. Writes /x and /y. */
pp_status pp_import_idx(const char *x_path, const char *y_path, const char *output, int64_t *rows,
                        pp_error *err);

typedef struct pp_csv_options {
    const char *target; /* column by header name, or by index from 0 ("-1" = last) */
    char separator;     /* 0 = guess among , ; tab */
    int has_header;     /* 1, 0, or -1 = guess */
} pp_csv_options;
/* Plain or gzip, larger than memory. A cell that is not a number is an error naming line and
 * column; text labels in the target column become classes in order of first appearance and are
 * listed in the attribute "classes". */
pp_status pp_import_csv(const char *path, const pp_csv_options *options, const char *output,
                        int64_t *rows, pp_error *err);

/* Generated sets: one table row each (name, help, shape, default rows). */
typedef struct pp_synth_row {
    const char *name, *help;
    int64_t default_rows;
} pp_synth_row;
const pp_synth_row *pp_synth_table(int *count);
/* rows 0 = the default. Bytes depend on (name, rows, seed) alone. */
pp_status pp_synth(const char *name, int64_t rows, int64_t seed, const char *output, pp_error *err);

#endif
