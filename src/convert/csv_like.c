/* What an earlier import learnt, as options for a later one. */
#include <stdlib.h>

#include "convert/import.h"
#include "store/h5.h"

struct pp_csv_like {
    pp_h5_set *x, *y, *fill; /* y, fill: NULL where there is none */
    const char **columns;    /* [columns of x] */
    double *fills;
};

static pp_status read_x(const char *file, pp_csv_like *like, pp_error *err)
{
    pp_status status = pp_h5_open(&file, 1, "/x", &like->x, err);
    if (status != PP_OK) return status;
    int64_t n = pp_h5_columns(like->x);
    like->columns = calloc((size_t)n, sizeof *like->columns);
    if (like->columns == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    for (int64_t i = 0; i < n; i++)
        if ((like->columns[i] = pp_h5_column_name(like->x, i)) == NULL)
            return pp_fail(err, PP_E_DATA,
                           "%s: the columns of /x have no names; --like wants a file that import "
                           "made of a csv file with a header",
                           file);
    return PP_OK;
}

static pp_status read_fills(const char *file, pp_csv_like *like, pp_error *err)
{
    int64_t n = pp_h5_columns(like->x);
    if (pp_h5_open(&file, 1, "/x_fill", &like->fill, NULL) != PP_OK) return PP_OK;
    like->fills = calloc((size_t)n, sizeof *like->fills);
    if (like->fills == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    if (pp_h5_rows(like->fill) != n)
        return pp_fail(err, PP_E_DATA, "%s: /x_fill has %lld values, /x has %lld columns", file,
                       (long long)pp_h5_rows(like->fill), (long long)n);
    return pp_h5_read_f64(like->fill, 0, n, like->fills, err);
}

pp_status pp_csv_like_open(const char *file, pp_csv_like **like, pp_error *err)
{
    pp_csv_like *l = *like = calloc(1, sizeof *l);
    if (l == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    pp_status status = read_x(file, l, err);
    if (status == PP_OK) (void)pp_h5_open(&file, 1, "/y", &l->y, NULL);
    return status == PP_OK ? read_fills(file, l, err) : status;
}

void pp_csv_like_apply(const pp_csv_like *like, pp_csv_options *options)
{
    options->only = like->columns;
    options->n_only = (int)pp_h5_columns(like->x);
    if (like->fills != NULL) {
        options->policy = PP_CSV_FILL;
        options->fills = like->fills;
    }
    const char *const *names = NULL;
    int64_t n = like->y != NULL ? pp_h5_classes(like->y, &names) : 0;
    if (n == 0) return;
    options->class_names = names;
    options->n_class_names = (int)n;
}

void pp_csv_like_close(pp_csv_like *like)
{
    if (like == NULL) return;
    pp_h5_close(like->x);
    pp_h5_close(like->y);
    pp_h5_close(like->fill);
    free(like->columns);
    free(like->fills);
    free(like);
}
