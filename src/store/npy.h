/* NumPy's npy files as rows of numbers: one array [rows] or [rows, ...], written by numpy.save.
 *
 * Versions 1 to 3 of the format, little-endian, C order (Fortran order of one dimension is the
 * same thing); floats of 16, 32 and 64 bits, integers of all sizes, booleans. Read in place by
 * byte range: any number of processes may read one file. Messages name file and row. */
#ifndef PITPROP_NPY_H
#define PITPROP_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp_npy pp_npy;

/* Checks header and length: a file that was cut short is an error here. */
pp_status pp_npy_open(const char *path, pp_npy **npy, pp_error *err);
void pp_npy_close(pp_npy *npy);

int64_t pp_npy_rows(const pp_npy *npy);
int64_t pp_npy_columns(const pp_npy *npy); /* product of the further dimensions, or 1 */

enum { PP_NPY_DIMS = 32 };
/* Dimensions [rows, ...], and how many there are. */
int pp_npy_dims(const pp_npy *npy, int64_t dims[PP_NPY_DIMS]);
/* "f4": NumPy's name without the byte order; "b1" for booleans. */
const char *pp_npy_type(const pp_npy *npy);
size_t pp_npy_element_bytes(const pp_npy *npy);

/* Rows [first, first + count) as they are in the file, row-major. */
pp_status pp_npy_read(pp_npy *npy, int64_t first, int64_t count, void *values, pp_error *err);
/* Rows [first, first + count) into values [count, columns], row-major. */
pp_status pp_npy_read_f64(pp_npy *npy, int64_t first, int64_t count, double *values, pp_error *err);

#endif
