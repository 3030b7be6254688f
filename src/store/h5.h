/* HDF5 data sets as rows of numbers. No hdf5.h type shows here; not collective; one thread at a
 * time.
 *
 * A set is a list of files that hold the same data set [rows, ...]; rows are numbered through the
 * list. Several data sets may be joined by columns, and some columns picked. A name is "/x", or
 * "/table:field" for a field (a number or an array of them) of a compound type, as pandas and h5py
 * write tables. All integer types (h5py's booleans included) and float types of HDF5 become float32
 * on the way in (float64 for read_f64). Messages name file, data set and row.
 *
 * scale_factor and add_offset (netCDF's packing) are applied, in double; values that _FillValue or
 * missing_value name are NaN. Arrays of MATLAB, which lie transposed, are refused.
 *
 * What HDF5 would fill in is never data: rows that were never written, views whose sources are not
 * all there, however deep, and raw storage that is too short are refused. Files are opened
 * read-only; one that a program is writing to, as its lock or its mark says, is refused, and a file
 * system without locks is none the worse (HDF5_USE_FILE_LOCKING=FALSE: no lock is tried). A file
 * of the list that was closed in between and is another now is an error. */
#ifndef PITPROP_H5_H
#define PITPROP_H5_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp_h5_set pp_h5_set;

/* Opens data set `name` in each of files [n_files] and checks that types are numeric and that
 * row shapes agree. */
pp_status pp_h5_open(const char *const *files, int n_files, const char *name, pp_h5_set **set,
                     pp_error *err);

/* Which numbers make a row. */
typedef struct pp_h5_selection {
    const char *const *names; /* [n_names] data sets, joined by columns in this order */
    int n_names;
    /* [n_picks] of the joined columns, in this order: "3", "-1" (the last), "5:9", "5:", ":3" (the
     * upper end excluded), or the name of a column; n_picks 0: all of them. */
    const char *const *picks;
    int n_picks;
    int by_name;          /* picks are names alone, never numbers */
    const char *left_out; /* one column like that, of all of them, that is not taken; NULL: none */
    int follow_links;     /* data that lie in another file are read as well */
} pp_h5_selection;
pp_status pp_h5_open_selection(const char *const *files, int n_files,
                               const pp_h5_selection *selection, pp_h5_set **set, pp_error *err);
void pp_h5_close(pp_h5_set *set);

int64_t pp_h5_rows(const pp_h5_set *set);
int64_t pp_h5_file_rows(const pp_h5_set *set, int file); /* file: index into the list */
int64_t pp_h5_columns(const pp_h5_set *set); /* product of the further dimensions, or 1 */
/* The further dimensions, sizes [returned number of them]: of one data set as it is; else, and
 * where there are more than `most`, one: the columns. */
int pp_h5_row_shape(const pp_h5_set *set, int64_t *sizes, int most);
int pp_h5_is_integer(const pp_h5_set *set); /* integer type in every file */
int pp_h5_is_single(const pp_h5_set *set);  /* float32 holds every number of the types exactly */
int64_t pp_h5_chunk_rows(const pp_h5_set *set); /* rows of a chunk; 0 when no file is chunked */
/* Bytes of chunks that its open files may keep at a time. */
int64_t pp_h5_cache_bytes(const pp_h5_set *set);
/* "FILE: /name: row R" (R counts within that file) of a global row, for messages. */
void pp_h5_locate(const pp_h5_set *set, int64_t row, char *text, size_t size);
/* The same of the data set that a column of the row is from, with its number there. */
void pp_h5_locate_value(const pp_h5_set *set, int64_t row, int64_t column, char *text, size_t size);

/* Names of columns: of data sets of numbers those in the attribute "columns" (an array of strings,
 * a column each), of tables the fields. Files of a set whose names differ are refused. Borrowed;
 * NULL: the column has none. */
const char *pp_h5_column_name(const pp_h5_set *set, int64_t column);
/* The first column of codes of a category, as pandas (of a table's field F the attribute F_meta) or
 * netCDF (flag_meanings) say; -1: none. */
int64_t pp_h5_category_column(const pp_h5_set *set);
/* Refuses columns that are named otherwise than those of `like`, or lie in another order. The texts
 * name the sets in messages. */
pp_status pp_h5_compare_columns(const pp_h5_set *set, const char *file, const pp_h5_set *like,
                                const char *other, pp_error *err);

/* Names of the classes that the labels 0, 1, ... stand for, in the first file: the attribute
 * "classes" of the data set (an array of strings), or the members of an enumeration. Returns how
 * many; 0: they have none. names: [that many], borrowed. */
int64_t pp_h5_classes(const pp_h5_set *set, const char *const **names);
/* From now on the labels of each file are the numbers of its classes among names [count] (0: those
 * have none). A class that is not among them is an error that names file and class, and so are
 * files of which some have names and others have none; `where` says whose names they are. */
pp_status pp_h5_match_classes(pp_h5_set *set, const char *const *names, int64_t count,
                              const char *where, pp_error *err);

/* How one file of a set holds its rows, for people. */
typedef struct pp_h5_facts {
    char type[32];     /* "uint8", "float64 big-endian" */
    char shape[96];    /* "[60000, 28, 28]" */
    char layout[96];   /* "contiguous", "chunks of [100, 28]" */
    char filters[192]; /* "shuffle, gzip 4"; "" for none */
    int64_t rows, element_bytes, row_bytes;
    int64_t stored_bytes;       /* on disk, after the filters */
    int64_t chunk_rows, chunks; /* 0: not chunked */
    int64_t chunk_bytes,
        stripe_bytes; /* before the filters: a chunk; all chunks that one row crosses */
} pp_h5_facts;
/* file: index into the list of files. Of joined data sets, the widest. */
pp_status pp_h5_describe(pp_h5_set *set, int file, pp_h5_facts *facts, pp_error *err);

/* Rows [first, first + count) into values [count, columns], row-major. */
pp_status pp_h5_read_f32(pp_h5_set *set, int64_t first, int64_t count, float *values,
                         pp_error *err);
pp_status pp_h5_read_f64(pp_h5_set *set, int64_t first, int64_t count, double *values,
                         pp_error *err);
/* Of integer type: all 64 bits; those without a sign keep their bits. */
pp_status pp_h5_read_i64(pp_h5_set *set, int64_t first, int64_t count, int64_t *values,
                         pp_error *err);

/* ---- writing a data file: one file, appears whole at pp_h5_writer_close ---- */
typedef struct pp_h5_writer pp_h5_writer;

typedef enum pp_h5_type {
    PP_H5_U8,
    PP_H5_U16,
    PP_H5_U32,
    PP_H5_U64,
    PP_H5_I8,
    PP_H5_I16,
    PP_H5_I32,
    PP_H5_I64,
    PP_H5_F32,
    PP_H5_F64
} pp_h5_type;

pp_status pp_h5_writer_create(const char *path, pp_h5_writer **writer, pp_error *err);
/* A data set [rows, trailing dims...]; chunk_rows 0 = contiguous. rows may be -1 (grows by append,
 * needs chunk_rows > 0). */
pp_status pp_h5_writer_add(pp_h5_writer *writer, const char *name, pp_h5_type type, int n_dims,
                           const int64_t *dims, int64_t chunk_rows, pp_error *err);
/* Rows [first, first + count) of `name`, given as type `type` in memory, [count, columns]. */
pp_status pp_h5_writer_put(pp_h5_writer *writer, const char *name, int64_t first, int64_t count,
                           pp_h5_type type, const void *values, pp_error *err);
/* Attribute of a data set: an array of strings. */
pp_status pp_h5_writer_names(pp_h5_writer *writer, const char *name, const char *key,
                             const char *const *names, int64_t count, pp_error *err);
/* String attribute of the root group. */
pp_status pp_h5_writer_note(pp_h5_writer *writer, const char *key, const char *value,
                            pp_error *err);
/* Flushes, syncs and renames; frees the writer whatever happens. After a call that failed, abandon
 * the writer instead. */
pp_status pp_h5_writer_close(pp_h5_writer *writer, pp_error *err);
void pp_h5_writer_abandon(pp_h5_writer *writer);

/* "1.10.8" */
const char *pp_h5_version(void);

#endif
