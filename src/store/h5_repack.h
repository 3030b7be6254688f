/* What the parts of repacking share. Private to src/store. */
#ifndef PITPROP_STORE_H5_REPACK_H
#define PITPROP_STORE_H5_REPACK_H

#include "h5_write.h"
#include "store/repack.h"

typedef struct pp__row_set {
    char *name; /* without a leading '/' */
    int64_t row_bytes, chunk_rows;
    int n_dims;
    int64_t dims[H5S_MAX_RANK];
    int has_pointers; /* values of variable length: rows in memory point to them */
    pp__h5_behind behind;
} pp__row_set;

typedef struct pp__repack {
    const char *input, *output;
    const pp_repack_options *options;
    hid_t file; /* the input */
    pp_h5_writer *writer;
    int64_t rows, x_row_bytes;
    pp__row_set *sets; /* [n_sets] */
    int n_sets;
    int64_t references;
    int64_t bytes, bytes_done; /* of rows */
} pp__repack;

/* Copies the rows of a set that is in both files. */
pp_status pp__repack_rows(pp__repack *r, const pp__row_set *set, pp_error *err);

/* Copies the attributes of one object to another; those of references are counted instead. */
pp_status pp__repack_attributes(pp__repack *r, hid_t from, hid_t to, const char *name,
                                pp_error *err);

#endif
