/* One row after another into a sketch, for tests. */
#ifndef PITPROP_TEST_SKETCH_ROWS_H
#define PITPROP_TEST_SKETCH_ROWS_H

#include "pitprop/sketch.h"

static inline void sketch_row(pp_sketch *sketch, int64_t row, const float *p, const int64_t *y,
                              const float *t, double loss)
{
    pp_sum sums[2] = {{{0}, 0}};
    pp_sum_add(sums, loss);
    pp_sum_add(sums + 1, loss * loss);
    pp_sketch_add(
        sketch, &(pp_sketch_rows){.rows = 1, .index = &row, .p = p, .y = y, .t = t, .loss = sums});
}

#endif
