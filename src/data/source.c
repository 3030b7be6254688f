/* The files behind a data set: shapes that must agree, and all of y. */
#include "dataset_internal.h"

#include <math.h>
#include <string.h>

pp_status pp__no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "no memory for the data set; use more ranks on more hosts");
}

const char *pp__not_finite(float value)
{
    return isnan(value) ? "NaN" : isinf(value) ? "infinite" : NULL;
}

/* Rows of data set `name` in each file. */
static pp_status rows_by_file(const pp__source *s, const pp_h5_set *whole, const char *name,
                              int64_t *rows, pp_error *err)
{
    rows[0] = pp_h5_rows(whole);
    for (int i = 0; s->n_files > 1 && i < s->n_files; i++) {
        pp_h5_set *one;
        pp_status status = pp_h5_open(&s->files[i], 1, name, &one, err);
        if (status != PP_OK) return status;
        rows[i] = pp_h5_rows(one);
        pp_h5_close(one);
    }
    return PP_OK;
}

/* Every file must have as many rows of `name` as of x; x_rows [n_files]. */
static pp_status check_rows(const pp_dataset *set, const pp__source *s, const int64_t *x_rows,
                            const pp_h5_set *other, const char *name, int64_t *rows, pp_error *err)
{
    pp_status status = rows_by_file(s, other, name, rows, err);
    for (int i = 0; status == PP_OK && i < s->n_files; i++)
        if (rows[i] != x_rows[i])
            status = pp_fail(
                err, PP_E_DATA, "%s: /%s has %lld rows, /%s has %lld; each row needs one of both",
                s->files[i], set->x_name, (long long)x_rows[i], name, (long long)rows[i]);
    return status;
}

static pp_status check_files(pp_dataset *set, pp__source *s, pp_error *err)
{
    int64_t *x_rows = PP_ARENA_NEW(set->until_loaded, int64_t, 2 * s->n_files);
    s->file_first = PP_ARENA_NEW(set->until_loaded, int64_t, s->n_files + 1);
    if (x_rows == NULL || s->file_first == NULL) return pp__no_memory(err);
    int64_t *others = x_rows + s->n_files;
    pp_status status = rows_by_file(s, s->x, set->x_name, x_rows, err);
    if (status == PP_OK) status = check_rows(set, s, x_rows, s->y, set->y_name, others, err);
    if (status == PP_OK && s->weights != NULL)
        status = check_rows(set, s, x_rows, s->weights, set->weights_name, others, err);
    if (status != PP_OK) return status;
    for (int i = 0; i < s->n_files; i++)
        s->file_first[i + 1] = s->file_first[i] + x_rows[i];
    s->rows = s->file_first[s->n_files];
    if (s->rows > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: /%s has no rows%s", s->files[0], set->x_name,
                   s->n_files > 1 ? ", nor have the files after it" : "");
}

/* Validation rows must look like training rows. */
static pp_status check_columns(const pp_dataset *set, const pp__source *s, pp_error *err)
{
    const pp__source *train = &set->source[PP__TRAINING];
    if (s->weights != NULL && pp_h5_columns(s->weights) != 1)
        return pp_fail(err, PP_E_DATA, "%s: /%s has %lld values a row; a row weight is one number",
                       s->files[0], set->weights_name, (long long)pp_h5_columns(s->weights));
    if (s == train) return PP_OK;
    const struct {
        const char *name;
        const pp_h5_set *here, *there;
    } pairs[] = {{set->x_name, s->x, train->x}, {set->y_name, s->y, train->y}};
    for (int i = 0; i < 2; i++) {
        int64_t here = pp_h5_columns(pairs[i].here), there = pp_h5_columns(pairs[i].there);
        if (here != there)
            return pp_fail(err, PP_E_DATA, "%s: /%s has %lld values a row, but %s has %lld",
                           s->files[0], pairs[i].name, (long long)here, train->files[0],
                           (long long)there);
    }
    return PP_OK;
}

pp_status pp__source_open(pp_dataset *set, pp__source *source, const char **files, int n_files,
                          pp_error *err)
{
    source->files = files;
    source->n_files = n_files;
    pp_status status = pp_h5_open(files, n_files, set->x_name, &source->x, err);
    if (status == PP_OK) status = pp_h5_open(files, n_files, set->y_name, &source->y, err);
    if (status == PP_OK && *set->weights_name != '\0')
        status = pp_h5_open(files, n_files, set->weights_name, &source->weights, err);
    if (status == PP_OK) status = check_files(set, source, err);
    if (status == PP_OK) status = check_columns(set, source, err);
    return status;
}

void pp__source_close(pp__source *source)
{
    pp_h5_close(source->x);
    pp_h5_close(source->y);
    pp_h5_close(source->weights);
    memset(source, 0, sizeof *source);
}
