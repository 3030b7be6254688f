/* What the formats of a table share. Private to src/convert. */
#ifndef PITPROP_CONVERT_TABLE_INTERNAL_H
#define PITPROP_CONVERT_TABLE_INTERNAL_H

#include "csv.h"
#include "store/h5.h"
#include "store/npy.h"
#include "convert/table.h"

typedef struct pp__table_format {
    const char *endings; /* of file names, each followed by a blank */
    const char *magic;   /* first bytes; NULL: none */
    pp_status (*open)(pp_table *t, const char *const *names, pp_error *err);
    void (*close)(pp_table *t);
    pp_status (*look)(pp_table *t, int part, int parts, pp_table_part *found, pp_error *err);
    pp_status (*read)(pp_table *t, int64_t first, int64_t count, double *values, pp_error *err);
    void (*locate)(const pp_table *t, int64_t row, int name, char *text, size_t size);
} pp__table_format;

typedef struct pp__table_csv {
    pp__csv *csv;
    char **header;             /* [n_cells] names, NULL without a header */
    int n_cells;               /* of every record */
    int64_t size;              /* of the file in bytes */
    pp__csv_place data, start; /* of the first row, and of the first row of the part */
    int64_t start_row, next_row;
    int64_t lines_first, lines_count; /* rows whose lines are known: those read last */
    int64_t *lines;                   /* [lines_count] */
} pp__table_csv;

struct pp_table {
    const pp__table_format *format;
    char *file;
    char **names; /* [n_names], NULL: all columns */
    int n_names;
    int64_t rows, columns;
    int64_t *first; /* [n_names + 1] */
    int64_t *picks; /* [columns] of the file's columns; NULL: all */
    pp_h5_set *h5;
    pp_npy *npy;
    double *whole; /* npy: [whole_rows, columns of the file] */
    int64_t whole_rows;
    pp__table_csv csv;
};

extern const pp__table_format pp__table_csv_format;

/* Fills first, picks and columns from the names. header [n_columns], NULL: columns have numbers. */
pp_status pp__table_pick(pp_table *t, char *const *header, int64_t n_columns, pp_error *err);
pp_status pp__table_no_memory(const pp_table *t, pp_error *err);

#endif
