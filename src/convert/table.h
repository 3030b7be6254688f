/* Rows of numbers wherever they are: a data set of an HDF5 file, an npy file, or columns of an npy
 * or csv file, as float64. Larger than memory: read in blocks, and cut into parts that different
 * processes read. Nothing here is collective. Messages name file, data set or column, and row or
 * line. */
#ifndef PITPROP_TABLE_H
#define PITPROP_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp_table pp_table;

typedef enum pp_table_format { PP_TABLE_H5, PP_TABLE_NPY, PP_TABLE_CSV } pp_table_format;

/* By the end of its name, else by its first bytes; an error where neither tells. */
pp_status pp_table_format_of(const char *file, pp_table_format *format, pp_error *err);

/* names [n_names]: of an HDF5 file one data set; of npy and csv files columns each: "p",
 * "p0,p1,p2", "p0..p9", numbers from 0 ("-1": the last), NULL: all. Columns of a csv file have
 * names if no cell of its first line is a number. Empty and "nan" cells are NaN. */
pp_status pp_table_open(const char *file, const char *const *names, int n_names, pp_table **table,
                        pp_error *err);
void pp_table_close(pp_table *table);

/* Values of a row are those of names[0], then of names[1], ...: those of names[i] are [first(i),
 * first(i + 1)). */
int64_t pp_table_first(const pp_table *table, int name);
int64_t pp_table_columns(const pp_table *table); /* of all names */
int64_t pp_table_rows(const pp_table *table);    /* csv: -1 until cut */

/* Names of classes, of the labels or the columns of an HDF5 data set: see pp_h5_classes and
 * pp_h5_match_classes. */
int64_t pp_table_classes(const pp_table *table, const char *const **names);
pp_status pp_table_match_classes(pp_table *table, const char *const *names, int64_t count,
                                 const char *where, pp_error *err);

/* Where the rows of one part of several lie: equal shares of the rows, or of the bytes of a csv
 * file. Each process looks at its part, all exchange what they found, and each cuts. */
typedef struct pp_table_part {
    int64_t rows;
    int64_t lines, offset; /* csv: lines, and the byte where the first begins */
} pp_table_part;
pp_status pp_table_look(pp_table *table, int part, int parts, pp_table_part *found, pp_error *err);
/* found [parts]. Returns the first row of this part, which has found[part].rows. */
int64_t pp_table_cut(pp_table *table, const pp_table_part *found, int parts, int part);

/* Rows [first, first + count) into values [count, columns]. Of a csv file in order: the part's
 * first row, or the row after those read last. */
pp_status pp_table_read(pp_table *table, int64_t first, int64_t count, double *values,
                        pp_error *err);
/* "FILE: /p: row 5", "FILE: line 7, column 'y'" of a row that was read last, for messages. */
void pp_table_locate(const pp_table *table, int64_t row, int name, char *text, size_t size);

#endif
