/* Which data made a model: a member of run.json, and JSON in the notes of models and checkpoints.
 * Names, counts and a hash of the rows: nothing of where they lay. */
#ifndef PITPROP_TRAIN_ORIGIN_H
#define PITPROP_TRAIN_ORIGIN_H

#include "base/arena.h"
#include "data/dataset.h"
#include "pitprop/json.h"
#include "store/tensorfile.h"

/* Object "data" (key nullable) of a loaded data set. */
void pp__origin_put(const pp_dataset *set, const char *key, pp_json_writer *writer);
/* The same as a text; NULL: out of memory. */
char *pp__origin_text(const pp_dataset *set, pp_arena *arena);

typedef struct pp__origin {
    const char **columns, **classes; /* NULL: they had no names */
    int64_t n_columns, n_classes;
} pp__origin;

/* From the note "data" of a model or checkpoint; one without it has no names. */
pp_status pp__origin_read(const pp_tensorfile *file, pp_arena *arena, pp__origin *origin,
                          pp_error *err);

/* Whether the columns of x are those of the model, one by one; without names on either side there
 * is nothing to compare. */
int pp__origin_fits(const pp__origin *origin, const pp_h5_set *x);
/* x (all columns of the file) holds the model's by name, and others only with may_have_more.
 * *moved: in another order. */
pp_status pp__origin_check(const pp__origin *origin, const pp_h5_set *x, const char *file,
                           int may_have_more, int *moved, pp_error *err);
/* Whether columns and classes of a resumed run are called as before. */
pp_status pp__origin_same(const pp__origin *then, const pp_dataset_info *now, const char *dir,
                          pp_error *err);

#endif
