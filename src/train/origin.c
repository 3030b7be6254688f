#include "origin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"

void pp__origin_put(const pp_dataset *set, const char *key, pp_json_writer *w)
{
    const pp_dataset_info *info = pp_dataset_describe(set);
    char print[17];
    snprintf(print, sizeof print, "%016" PRIx64, pp_dataset_fingerprint(set));
    pp_json_begin_object(w, key);
    pp_json_put_strings(w, "files", info->files, info->n_files);
    pp_json_put_int(w, "rows", info->file_rows);
    pp_json_put_int(w, "train_rows", info->train_rows);
    pp_json_put_int(w, "validation_rows", info->validation_rows);
    pp_json_put_string(w, "fingerprint", print);
    pp_json_put_strings(w, "classes", info->class_names, info->classes);
    pp_json_put_strings(w, "columns", info->column_names, info->inputs);
    pp_json_end_object(w);
}

char *pp__origin_text(const pp_dataset *set, pp_arena *arena)
{
    pp_json_writer *w = pp_json_writer_create(0);
    char *copy = NULL;
    if (w != NULL) {
        pp__origin_put(set, NULL, w);
        const char *text = pp_json_text(w, NULL);
        if (text != NULL) copy = pp_arena_strdup(arena, text);
    }
    pp_json_writer_destroy(w);
    return copy;
}

/* ---- reading ---- */

static pp_status read_names(const pp_json *list, pp_arena *arena, const char ***names,
                            int64_t *count, pp_error *err)
{
    if (list == NULL || pp_json_type_of(list) != PP_JSON_ARRAY) return PP_OK;
    *count = pp_json_count(list);
    *names = PP_ARENA_NEW(arena, const char *, *count + 1);
    for (int64_t i = 0; *names != NULL && i < *count; i++) {
        const pp_json *name = pp_json_at(list, i);
        int is_text = pp_json_type_of(name) == PP_JSON_STRING;
        (*names)[i] = pp_arena_strdup(arena, is_text ? pp_json_string(name) : "");
        if ((*names)[i] == NULL) *names = NULL;
    }
    return *names != NULL ? PP_OK
                          : pp_fail(err, PP_E_MEMORY, "no memory for the names of the data");
}

pp_status pp__origin_read(const pp_tensorfile *file, pp_arena *arena, pp__origin *o, pp_error *err)
{
    const char *text = pp_tensorfile_note(file, "data");
    pp_json *root = NULL;
    *o = (pp__origin){.columns = NULL};
    if (text == NULL) return PP_OK;
    pp_status status = pp_json_parse(text, "the data of the model", &root, err);
    if (status == PP_OK)
        status = read_names(pp_json_get(root, "columns"), arena, &o->columns, &o->n_columns, err);
    if (status == PP_OK)
        status = read_names(pp_json_get(root, "classes"), arena, &o->classes, &o->n_classes, err);
    pp_json_destroy(root);
    return status;
}

/* ---- comparing ---- */

static int has_name(const pp_h5_set *x, int64_t k, const char *name)
{
    const char *here = pp_h5_column_name(x, k);
    return here != NULL && strcmp(here, name) == 0;
}

static int64_t find_column(const pp_h5_set *x, const char *name, int64_t likely)
{
    int64_t columns = pp_h5_columns(x);
    for (int64_t i = 0; i < columns; i++) {
        int64_t k = (likely + i) % columns;
        if (has_name(x, k, name)) return k;
    }
    return -1;
}

static int is_known(const pp__origin *o, const char *name, int64_t likely)
{
    for (int64_t i = 0; i < o->n_columns; i++)
        if (strcmp(o->columns[(likely + i) % o->n_columns], name) == 0) return 1;
    return 0;
}

int pp__origin_fits(const pp__origin *o, const pp_h5_set *x)
{
    int differs = pp_h5_columns(x) != o->n_columns;
    for (int64_t k = 0; k < pp_h5_columns(x); k++) {
        const char *name = pp_h5_column_name(x, k);
        if (name == NULL || o->columns == NULL) return 1;
        differs = differs || strcmp(name, o->columns[k]) != 0;
    }
    return !differs;
}

pp_status pp__origin_check(const pp__origin *o, const pp_h5_set *x, const char *file,
                           int may_have_more, int *moved, pp_error *err)
{
    int64_t columns = pp_h5_columns(x);
    char shown[PP_NAME_TEXT];
    *moved = 0;
    for (int64_t i = 0, before = -1; i < o->n_columns; i++) {
        int64_t at = find_column(x, o->columns[i], i);
        *moved |= at < before;
        before = at;
        if (at >= 0) continue;
        pp_names_text(o->columns, i, shown);
        return pp_fail(err, PP_E_DATA,
                       "%s: has no column of the name of feature %s of the model; put it in, or "
                       "correct its name",
                       file, shown);
    }
    for (int64_t k = 0; k < columns && !may_have_more; k++) {
        const char *name = pp_h5_column_name(x, k);
        if (name == NULL || is_known(o, name, k)) continue;
        pp_name_text(name, k, shown);
        return pp_fail(err, PP_E_DATA,
                       "%s: the model has no feature of the name of column %s; leave it out", file,
                       shown);
    }
    return PP_OK;
}

static pp_status same_names(const char *const *then, int64_t n_then, const char *const *now,
                            int64_t n_now, const char *what, const char *dir, pp_error *err)
{
    if (then == NULL || now == NULL) return PP_OK;
    for (int64_t i = 0; i < n_then && i < n_now; i++)
        if (strcmp(then[i], now[i]) != 0)
            return pp_fail(err, PP_E_DATA,
                           "%s: %s %lld of the run there is '%.60s', that of the data is '%.60s'; "
                           "put the data back, or start again with --overwrite",
                           dir, what, (long long)i, then[i], now[i]);
    return PP_OK;
}

pp_status pp__origin_same(const pp__origin *then, const pp_dataset_info *now, const char *dir,
                          pp_error *err)
{
    pp_status status = same_names((const char *const *)then->columns, then->n_columns,
                                  now->column_names, now->inputs, "column", dir, err);
    if (status != PP_OK) return status;
    return same_names((const char *const *)then->classes, then->n_classes, now->class_names,
                      now->classes, "class", dir, err);
}
