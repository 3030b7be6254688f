/* Rewriting an HDF5 file so that it streams well, shuffled once if asked. One process. */
#ifndef PITPROP_REPACK_H
#define PITPROP_REPACK_H

#include <stdint.h>

#include "pitprop/error.h"
#include "base/log.h"

typedef struct pp_repack_options {
    const char *x;      /* data set whose rows are the rows; "/x" */
    int64_t chunk_rows; /* 0: chosen where there is compression, contiguous where there is none */
    int gzip;           /* level 0 to 9; -1: none */
    int shuffle;        /* the rows of all row data sets alike, by seed */
    int64_t seed;
    int64_t memory;   /* bytes for rows in memory, at least 1 */
    int follow_links; /* rows that lie in other files are written too; 0: refused */
    pp_meter meter;
} pp_repack_options;

typedef struct pp_repacked {
    int64_t rows, sets; /* data sets that were rewritten */
    int64_t chunk_rows; /* 0: contiguous */
    int64_t references; /* data sets and attributes of references to objects, which are left out */
} pp_repacked;

/* Data sets that have as many rows as x are rewritten with their types and attributes; all else is
 * copied: groups, other data sets, named types, soft links. Links to other files are an error, and
 * so are views and raw storage of other files unless follow_links; their rows are then in the
 * output. Rows that were never written are refused as in pp_h5_open.
 *
 * Where a row goes depends on (number of rows, seed, index of the row) alone. Rows that do not fit
 * into memory are dealt to parts of a temporary file beside the output, as large as the data set,
 * and each part is put in order and written: two passes, all of them in order. Values of variable
 * length are held in memory. The output appears whole or not at all; it may be the input. */
pp_status pp_repack(const char *input, const char *output, const pp_repack_options *options,
                    pp_repacked *made, pp_error *err);

/* Bytes for rows in memory where nobody says: 256 MiB. */
enum { PP_REPACK_MEMORY = 256 << 20 };

#endif
