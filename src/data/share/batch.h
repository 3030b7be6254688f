/* What batches and blocks are made of. */
#ifndef PITPROP_DATA_BATCH_H
#define PITPROP_DATA_BATCH_H

#include <stdint.h>

/* Rows of a forward pass in evaluation and prediction; a multiple of 12 (see pp_lanes_cut). */
enum { PP_BLOCK_ROWS = 480 };

/* Rows as the trial takes them; the caller owns the buffers. */
typedef struct pp_rows {
    float *x;       /* [rows, inputs] */
    float *y;       /* [rows, y_columns] */
    float *weight;  /* [rows] row weight times class weight */
    int64_t *index; /* [rows] global row index */
} pp_rows;

/* Parts of the rows. */
typedef enum pp_part { PP_PART_TRAIN, PP_PART_VALIDATION } pp_part;

/* Rows of a window where the job asks for `wanted` of them (PP_AUTO: whole chunks if there are
 * enough of them for all lanes, else what leaves them many windows and each window up to 128 KiB in
 * memory). chunk_rows 0: not chunked. */
int64_t pp_window_rows(int64_t wanted, int64_t rows, int64_t inputs, int64_t chunk_rows,
                       int64_t lanes);

#endif
