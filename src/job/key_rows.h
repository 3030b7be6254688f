/* How rows of keys are written: the columns of pp__key in few words. */
#ifndef PITPROP_KEY_ROWS_H
#define PITPROP_KEY_ROWS_H

#include "schema.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define NAMES(table) .names = (table), .n_names = COUNT(table)
#define ON(value) (1u << (value))

/* The first columns of a row: name, kind, member of the group's struct. */
#define KEY(type, NAME, KIND, member)                                                              \
    .name = (NAME), .kind = (KIND), .offset = offsetof(type, member)
#define LIST(type, NAME, KIND, member)                                                             \
    KEY(type, NAME, KIND, member), .count = offsetof(type, n_##member)

#define AT_LEAST(a) .range = {.low = (a), .has_low = 1}
#define ABOVE(a) .range = {.low = (a), .has_low = 1, .open_low = 1}
#define FROM_TO(a, b) .range = {.low = (a), .high = (b), .has_low = 1, .has_high = 1}
#define FROM_BELOW(a, b)                                                                           \
    .range = {.low = (a), .high = (b), .has_low = 1, .has_high = 1, .open_high = 1}
#define BETWEEN(a, b)                                                                              \
    .range = {.low = (a), .high = (b), .has_low = 1, .has_high = 1, .open_low = 1, .open_high = 1}

#define NOT_EMPTY .pattern = "^.+", .pattern_text = "must not be empty"

#define MOST_UNITS 2147483647.0 /* BLAS takes 32-bit sizes */

#endif
