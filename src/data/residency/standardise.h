/* Standardising values that float32 would cut. */
#ifndef PITPROP_DATA_STANDARDISE_H
#define PITPROP_DATA_STANDARDISE_H

#include <stdint.h>

/* from, to [rows, inputs]: to = (from - shift) * scale */
void pp_standardise_doubles(int64_t rows, int64_t inputs, const double *from, const double *shift,
                            const double *scale, float *to);

#endif
