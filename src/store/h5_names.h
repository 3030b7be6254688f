/* Names that a data set carries. Private to src/store. */
#ifndef PITPROP_STORE_H5_NAMES_H
#define PITPROP_STORE_H5_NAMES_H

#include "h5_common.h"

typedef struct pp__h5_names {
    int64_t count; /* 0: none */
    char **names;  /* [count] */
} pp__h5_names;
void pp__h5_names_free(pp__h5_names *names);

/* Into names, which is empty. field: of a table; NULL: of numbers. */
pp_status pp__h5_read_columns(hid_t dataset, const char *field, int64_t columns,
                              pp__h5_names *names, pp_error *err);
pp_status pp__h5_read_classes(hid_t file, hid_t dataset, const char *name, const char *field,
                              pp__h5_names *names, pp_error *err);

int64_t pp__h5_find_name(const char *const *names, int64_t count, const char *name); /* -1 */
/* The columns that have a name in both have the same. */
pp_status pp__h5_compare_columns(const char *const *here, const char *const *there, int64_t count,
                                 const char *file, const char *other, pp_error *err);

/* ---- of one data set over the files ---- */
const char *pp__h5_one_column_name(const pp__h5_one *one, int64_t column); /* NULL: none */
/* Of the first file. */
const pp__h5_names *pp__h5_one_classes(const pp__h5_one *one);
pp_status pp__h5_one_match_classes(pp__h5_one *one, const char *const *names, int64_t count,
                                   const char *where, pp_error *err);

#endif
