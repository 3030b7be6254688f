/* Data as people have it, to HDF5: idx (MNIST family), csv and npy; and generated sets of known
 * truth. A failed import leaves nothing behind. `meter` is told of every block. */
#ifndef PITPROP_IMPORT_H
#define PITPROP_IMPORT_H

#include <stdint.h>

#include "pitprop/error.h"
#include "pitprop/log.h"

/* x_path: idx images (uint8 [n, ...], plain or gzip), y_path: idx labels. Writes /x and /y. */
pp_status pp_import_idx(const char *x_path, const char *y_path, const char *output,
                        const pp_meter *meter, int64_t *rows, pp_error *err);

/* What becomes of rows with missing values: an empty cell, NA, nan, null, ? */
typedef enum pp_csv_policy {
    PP_CSV_REFUSE,
    PP_CSV_DROP, /* such rows are left out */
    PP_CSV_FILL  /* features get a number; a missing target is refused */
} pp_csv_policy;

typedef struct pp_csv_missing {
    int64_t values, rows;
} pp_csv_missing;

typedef struct pp_csv_options {
    const char *target; /* column by header name, or by index from 0 ("-1" = last) */
    char separator;     /* 0 = guess among , ; tab */
    int has_header;     /* 1, 0, or -1 = guess */
    pp_csv_policy policy;
    float fill; /* with PP_CSV_FILL */
    pp_meter meter;
} pp_csv_options;
/* Plain or gzip, larger than memory. A cell that is not a number is an error naming line and
 * column; text labels in the target column become classes in order of first appearance and are
 * listed in the attribute "classes". missing (nullable): what was left out or filled in. */
pp_status pp_import_csv(const char *path, const pp_csv_options *options, const char *output,
                        int64_t *rows, pp_csv_missing *missing, pp_error *err);

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
