/* verdict.json as a value: what pp_verdict_put writes, read again by the names that it is written
 * with. */
#ifndef PITPROP_RUN_VERDICT_FILE_H
#define PITPROP_RUN_VERDICT_FILE_H

#include "pitprop/verdict.h"

typedef struct pp_verdict_file {
    pp_verdict_id id;
    int collapse;
    int has_rows;        /* it is known of which rows: train or held_out */
    int is_held_out;     /* judged on held-out rows */
    pp_summary train;    /* NaN, or without rows, where it was not evaluated */
    pp_summary held_out; /* likewise */
} pp_verdict_file;

/* 0: it is of another version, and *file is without meaning. */
int pp_verdict_file_read(const pp_json *json, pp_verdict_file *file);
/* Of the rows that the verdict is about. */
const pp_summary *pp_verdict_file_judged(const pp_verdict_file *file);

#endif
