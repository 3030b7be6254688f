/* The writer of a data file for those who know hdf5.h. Private to src/store. */
#ifndef PITPROP_STORE_H5_WRITE_H
#define PITPROP_STORE_H5_WRITE_H

#include "h5_common.h"

typedef struct pp__h5_form {
    hid_t type;         /* borrowed; not tied to a file */
    int64_t chunk_rows; /* 0: contiguous */
    int gzip;           /* level; -1: none */
} pp__h5_form;

/* As pp_h5_writer_add and pp_h5_writer_put, with any type of HDF5. */
pp_status pp__h5_writer_add(pp_h5_writer *writer, const char *name, const pp__h5_form *form,
                            int n_dims, const int64_t *dims, pp_error *err);
pp_status pp__h5_writer_put(pp_h5_writer *writer, const char *name, int64_t first, int64_t count,
                            hid_t type, const void *values, pp_error *err);

/* For what else goes into the file: ask for the bytes it will take first, flush afterwards. */
hid_t pp__h5_writer_file(const pp_h5_writer *writer);
pp_status pp__h5_writer_room(pp_h5_writer *writer, int64_t bytes, pp_error *err);
pp_status pp__h5_writer_flush(pp_h5_writer *writer, pp_error *err);

#endif
