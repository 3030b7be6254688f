/* The files behind a data set: shapes that must agree, and all of y. */
#include "rows_internal.h"

#include <math.h>
#include <string.h>

pp_status pp_data_open_x(const pp_job_data *data, const char *const *files, int n_files,
                         const char *name, pp_h5_set **x, pp_error *err)
{
    pp_h5_selection what = {.names = name != NULL ? &name : data->x,
                            .n_names = name != NULL ? 1 : data->n_x,
                            .picks = data->columns,
                            .n_picks = data->n_columns,
                            .left_out = *data->target_column != '\0' ? data->target_column : NULL,
                            .follow_links = data->follow_links};
    return pp_h5_open_selection(files, n_files, &what, x, err);
}

/* A data set that is read as a whole. */
static pp_status open_named(const pp_job_data *data, const char *const *files, int n_files,
                            const char *name, pp_h5_set **set, pp_error *err)
{
    pp_h5_selection what = {.names = &name, .n_names = 1, .follow_links = data->follow_links};
    return pp_h5_open_selection(files, n_files, &what, set, err);
}

/* In several files a label is the number of a class of the first one. */
static pp_status open_labels(const pp_job_data *data, const char *const *files, int n_files,
                             pp_h5_set **y, pp_error *err)
{
    const char *const *names;
    pp_status status = open_named(data, files, n_files, data->y, y, err);
    if (status != PP_OK) return status;
    int64_t count = pp_h5_classes(*y, &names);
    return pp_h5_match_classes(*y, names, count, files[0], err);
}

pp_status pp_data_open_y(const pp_job_data *data, const char *const *files, int n_files,
                         pp_h5_set **y, pp_error *err)
{
    if (*data->target_column == '\0') return open_labels(data, files, n_files, y, err);
    pp_h5_selection what = {.names = data->x,
                            .n_names = data->n_x,
                            .picks = &data->target_column,
                            .n_picks = 1,
                            .follow_links = data->follow_links};
    return pp_h5_open_selection(files, n_files, &what, y, err);
}

pp_status pp_data_check_rows(const char *const *files, int n_files, const pp_h5_set *x,
                             const char *x_name, const pp_h5_set *other, const char *name,
                             pp_error *err)
{
    for (int i = 0; i < n_files; i++) {
        int64_t x_rows = pp_h5_file_rows(x, i), rows = pp_h5_file_rows(other, i);
        if (rows != x_rows)
            return pp_fail(err, PP_E_DATA,
                           "%s: /%s has %lld rows, /%s has %lld; each row needs one of both",
                           files[i], x_name + strspn(x_name, "/"), (long long)x_rows,
                           name + strspn(name, "/"), (long long)rows);
    }
    return PP_OK;
}

static pp_status check_rows(const pp__data_rows *set, const pp__source *s, const pp_h5_set *other,
                            const char *name, pp_error *err)
{
    return pp_data_check_rows(s->files, s->n_files, s->x, set->x_name, other, name, err);
}

static pp_status check_files(pp__data_rows *set, pp__source *s, pp_error *err)
{
    s->file_first = PP_ARENA_NEW(set->until_loaded, int64_t, s->n_files + 1);
    if (s->file_first == NULL) return pp__data_no_memory(err);
    pp_status status = check_rows(set, s, s->y, set->y_name, err);
    if (status == PP_OK && s->weights != NULL)
        status = check_rows(set, s, s->weights, set->weights_name, err);
    if (status != PP_OK) return status;
    for (int i = 0; i < s->n_files; i++)
        s->file_first[i + 1] = s->file_first[i] + pp_h5_file_rows(s->x, i);
    s->rows = s->file_first[s->n_files];
    if (s->rows > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: /%s has no rows%s", s->files[0], set->x_name,
                   s->n_files > 1 ? ", nor have the files after it" : "");
}

/* Validation rows must look like training rows. */
static pp_status check_columns(const pp__data_rows *set, const pp__source *s, pp_error *err)
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
    const char *const *names;
    int64_t count = pp_h5_classes(train->y, &names);
    pp_status status = pp_h5_compare_columns(s->x, s->files[0], train->x, train->files[0], err);
    return status == PP_OK ? pp_h5_match_classes(s->y, names, count, train->files[0], err) : status;
}

/* One whole number a row; training rows only. */
static pp_status open_groups(const pp__data_rows *set, const pp_job_data *data, pp__source *s,
                             pp_error *err)
{
    const char *name = data->groups + strspn(data->groups, "/");
    if (*name == '\0' || s != &set->source[PP__TRAINING]) return PP_OK;
    pp_status status = open_named(data, s->files, s->n_files, name, &s->groups, err);
    if (status == PP_OK && (pp_h5_columns(s->groups) != 1 || !pp_h5_is_integer(s->groups)))
        status = pp_fail(err, PP_E_DATA, "%s: /%s must hold one whole number a row, its group",
                         s->files[0], name);
    return status == PP_OK ? check_rows(set, s, s->groups, name, err) : status;
}

pp_status pp__source_open(pp__data_rows *set, const pp_job_data *data, pp__source *source,
                          const char **files, int n_files, pp_error *err)
{
    source->files = files;
    source->n_files = n_files;
    pp_status status = pp_data_open_x(data, files, n_files, NULL, &source->x, err);
    if (status == PP_OK) status = pp_data_open_y(data, files, n_files, &source->y, err);
    if (status == PP_OK && *set->weights_name != '\0')
        status = open_named(data, files, n_files, set->weights_name, &source->weights, err);
    if (status == PP_OK) status = check_files(set, source, err);
    if (status == PP_OK) status = check_columns(set, source, err);
    if (status == PP_OK) status = open_groups(set, data, source, err);
    return status;
}

pp_status pp__source_compare(pp__data_rows *set, pp_comm *comm, pp__source *s, pp_error *err)
{
    pp_h5_set *sets[] = {s->x, s->y, s->weights, s->groups}, *given[4];
    int n = 0;
    for (int i = 0; i < 4; i++)
        if (sets[i] != NULL) given[n++] = sets[i];
    s->fingerprints = PP_ARENA_NEW(set->until_loaded, pp_file_fingerprint, s->n_files);
    pp_status status = s->fingerprints == NULL ? pp__data_no_memory(err) : PP_OK;
    if (status == PP_OK && pp_comm_size(comm) > 1)
        status = pp_data_fingerprint(given, n, s->n_files, s->fingerprints, err);
    status = pp_comm_agree(comm, status, err);
    return status == PP_OK ? pp_data_agree(comm, s->files, s->n_files, s->fingerprints, err)
                           : status;
}

void pp__fingerprint_in_file(pp__source *s, int64_t row, uint64_t fingerprint)
{
    int low = 0, high = s->n_files - 1;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        if (s->file_first[middle] <= row)
            low = middle;
        else
            high = middle - 1;
    }
    s->fingerprints[low].values += fingerprint;
}

void pp__source_close(pp__source *source)
{
    pp_h5_close(source->x);
    pp_h5_close(source->y);
    pp_h5_close(source->weights);
    pp_h5_close(source->groups);
    memset(source, 0, sizeof *source);
}
