/* What reading and writing HDF5 share. Private to src/store: no other folder sees hdf5.h. */
#ifndef PITPROP_STORE_H5_COMMON_H
#define PITPROP_STORE_H5_COMMON_H

/* Versioned calls mean those of 1.10 with newer libraries too. */
#define H5_USE_110_API
#include <stddef.h>
#include <stdint.h>

#include <hdf5.h>

#include "pitprop/error.h"
#include "store/h5.h"

/* Stops HDF5 from printing its error stack and from working at exit; called before the first call
 * of every entry point. */
void pp__h5_quiet(void);

/* File access. A lock fails on some NFS mounts: with_lock 0 takes none. */
hid_t pp__h5_access(int with_lock);

/* pp_fail with " (HDF5: why)" added. Must come right after the call that failed: the next call into
 * HDF5 clears the reason. */
pp_status pp__h5_fail(pp_error *err, pp_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether the call that has just failed met a format that this HDF5 does not know; and the message.
 * name: of an object in the file; NULL: the file as a whole. */
int pp__h5_is_newer(void);
pp_status pp__h5_fail_newer(const char *path, const char *name, pp_error *err);

/* What attributes say of the numbers. */
enum { PP__H5_MOST_MISSING = 8 };
typedef struct pp__h5_marks {
    int is_packed; /* the number is value * scale + offset */
    double scale, offset;
    int n_missing; /* these stand for no value, before that */
    double missing[PP__H5_MOST_MISSING];
    int is_category; /* the numbers are codes: of what, pandas or netCDF say */
} pp__h5_marks;

/* A data set that was found to be rows of numbers. */
typedef struct pp__h5_layout {
    int n_dims;
    hsize_t dims[H5S_MAX_RANK]; /* [rows, ...] */
    int is_integer;
    int is_unsigned;      /* integers without a sign */
    int is_single;        /* float32 has room for every number of the type */
    int64_t field_values; /* numbers of an element: of a table's field; 1: no table */
    int field_dims;       /* of an array of them; 0: a single one */
    hsize_t field_shape[H5S_MAX_RANK];
    int64_t chunk_rows; /* 0: not chunked */
    int is_plain;       /* chunks are whole rows of floats as in memory, without a filter */
    size_t cache;       /* bytes of chunk cache that it should have; 0: not chunked */
    pp__h5_marks marks;
} pp__h5_layout;

/* ---- h5_open.c ---- */
/* Read-only. A file that a program is writing to is refused. */
pp_status pp__h5_open_file(const char *path, hid_t *file, pp_error *err);
/* What the file has now, and its number on the disk; 0: not known. */
int64_t pp__h5_file_bytes(hid_t file);
uint64_t pp__h5_file_number(hid_t file);
pp_status pp__h5_check_is_dataset(hid_t file, const char *path, const char *name, pp_error *err);

/* ---- h5_layout.c ---- */
/* A data set of rows. */
typedef struct pp__h5_wanted {
    const char *path;  /* of the file */
    const char *name;  /* without a leading '/' */
    const char *field; /* of a table; NULL: of numbers */
    int follow;        /* to other files */
    int again;         /* was opened before: that its rows were written is known */
} pp__h5_wanted;

/* Files that stay open as long as a data set is read: those behind a view. */
typedef struct pp__h5_file {
    char *path;
    hid_t file;
} pp__h5_file;
typedef struct pp__h5_behind {
    pp__h5_file *files; /* [count] */
    int count;
} pp__h5_behind;
void pp__h5_forget(pp__h5_behind *behind);

/* The one door to rows: whatever is no row of numbers that somebody has written is refused here.
 * behind: empty before; forget it after the data set is closed. */
pp_status pp__h5_open_dataset(hid_t file, const pp__h5_wanted *w, hid_t *dataset,
                              pp__h5_layout *found, pp__h5_behind *behind, pp_error *err);
/* h5_inflate.c: chunks of gzip must inflate to as many bytes as they should have; each is looked at
 * once, before it is read. */
typedef struct pp__h5_stripes {
    int n_dims;
    hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    int64_t bytes;       /* of a chunk after deflate */
    int place;           /* of deflate among the filters */
    unsigned char *done; /* a bit for the chunks of so many rows; NULL: nothing to look at */
} pp__h5_stripes;
pp_status pp__h5_stripes_start(hid_t dataset, pp__h5_stripes *stripes, pp_error *err);
void pp__h5_stripes_end(pp__h5_stripes *stripes);
pp_status pp__h5_check_stripes(hid_t dataset, pp__h5_stripes *stripes, const char *path,
                               const char *name, int64_t first, int64_t count, pp_error *err);

/* The same for a data set of any type and shape; found has no is_integer. Whether its rows were
 * written is not asked. */
pp_status pp__h5_open_any(hid_t file, const char *path, const char *name, hid_t *dataset,
                          pp__h5_layout *found, pp_error *err);

/* h5_marks.c: into found, which has the shape and the type. */
pp_status pp__h5_read_marks(hid_t dataset, const pp__h5_wanted *w, pp__h5_layout *found,
                            pp_error *err);
int pp__h5_has_marks(const pp__h5_marks *marks);
/* Values of the file become numbers, NaN for missing ones. */
void pp__h5_apply_marks(const pp__h5_marks *marks, double *values, int64_t count);

/* h5_links.c: links to other files are refused, unless they may be followed. */
pp_status pp__h5_check_links(hid_t file, const char *path, const char *name, int follow,
                             pp_error *err);
pp_status pp__h5_refuse(const char *path, const char *name, const char *how, const char *other,
                        pp_error *err);
/* h5_views.c: every row was written, in the file or behind a view, however deep. */
pp_status pp__h5_check_values(hid_t file, const pp__h5_wanted *wanted, pp__h5_behind *behind,
                              pp_error *err);
/* h5_written.c: the same of rows [first, end) of a data set that is no view. */
pp_status pp__h5_check_written(hid_t dataset, const char *path, const char *name, hsize_t first,
                               hsize_t end, pp_error *err);

/* Numbers of `size` bytes in memory, or a table that has the field alone; the caller closes it. */
hid_t pp__h5_memory_type(hid_t number, size_t size, const char *field, const pp__h5_layout *found);

/* ---- h5_read.c: one data set over the files; the calls of pp_h5_set without joins ---- */
typedef struct pp__h5_one pp__h5_one;
/* name: "/table:field" is a field. follow: to other files. */
pp_status pp__h5_one_open(const char *const *files, int n_files, const char *name, int follow,
                          pp__h5_one **one, pp_error *err);
void pp__h5_one_close(pp__h5_one *one);
int64_t pp__h5_one_rows(const pp__h5_one *one);
int64_t pp__h5_one_file_rows(const pp__h5_one *one, int file);
int64_t pp__h5_one_columns(const pp__h5_one *one);
int pp__h5_one_row_shape(const pp__h5_one *one, int64_t *sizes, int most); /* pp_h5_row_shape */
int pp__h5_one_is_integer(const pp__h5_one *one);
int pp__h5_one_is_single(const pp__h5_one *one);
int pp__h5_one_is_category(const pp__h5_one *one);
/* How missing values of that file are told, "" where they are not. */
const char *pp__h5_one_missing(const pp__h5_one *one, int64_t row);
int64_t pp__h5_one_chunk_rows(const pp__h5_one *one);
int64_t pp__h5_one_cache_bytes(const pp__h5_one *one);
void pp__h5_one_locate(const pp__h5_one *one, int64_t row, char *text, size_t size);
pp_status pp__h5_one_describe(pp__h5_one *one, int file, pp_h5_facts *facts, pp_error *err);
pp_status pp__h5_one_read_f32(pp__h5_one *one, int64_t first, int64_t count, float *values,
                              pp_error *err);
pp_status pp__h5_one_read_f64(pp__h5_one *one, int64_t first, int64_t count, double *values,
                              pp_error *err);
pp_status pp__h5_one_read_i64(pp__h5_one *one, int64_t first, int64_t count, int64_t *values,
                              pp_error *err);

/* Rows of an open data set into values of a type in memory. transfer: properties of the read. */
pp_status pp__h5_read_rows(hid_t dataset, const char *path, const char *name, hid_t type,
                           hid_t transfer, int64_t first, int64_t count, void *values,
                           pp_error *err);

/* h5_facts.c: of a data set that pp__h5_open_dataset has taken. */
void pp__h5_describe(hid_t dataset, pp_h5_facts *facts);

/* "[200, 6]" */
void pp__h5_shape_text(int n_dims, const hsize_t *dims, char *text, size_t size);

#endif
