/* Targets and row weights: kept from opening to loading, or read from the files each time. */
#include "rows_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"

enum { PORTION_VALUES = 1 << 16, KEPT_AT_ONCE = 1 << 22 }; /* values of one read */

/* Targets that take less are kept in any case: their chunks may be far longer than those of x. */
static const int64_t small_bytes = (int64_t)16 << 20;

/* ---- values that cannot be trained on ---- */

static pp_status check_y(const pp__portion *p, int64_t columns, pp_error *err)
{
    for (int64_t i = 0; i < p->rows * columns; i++) {
        const char *fault = pp__not_finite(p->y[i]);
        if (fault == NULL) continue;
        char place[512];
        pp_h5_locate_value(p->source->y, p->first + i / columns, i % columns, place, sizeof place);
        return pp_fail(err, PP_E_DATA, "%s is %s; remove or repair the row", place, fault);
    }
    return PP_OK;
}

static pp_status check_weights(const pp__portion *p, pp_error *err)
{
    for (int64_t i = 0; p->weight != NULL && i < p->rows; i++) {
        float weight = p->weight[i];
        if (isfinite(weight) && weight >= 0) continue;
        const char *fault = pp__not_finite(weight);
        char place[512];
        pp_h5_locate(p->source->weights, p->first + i, place, sizeof place);
        if (fault != NULL)
            return pp_fail(err, PP_E_DATA, "%s is %s; a weight must be finite", place, fault);
        return pp_fail(err, PP_E_DATA, "%s is %g; a weight must be 0 or more", place,
                       (double)weight);
    }
    return PP_OK;
}

static pp_status check_portion(void *context, const pp__portion *portion, pp_error *err)
{
    const pp__data_rows *set = context;
    pp_status status = check_y(portion, set->info.y_columns, err);
    return status == PP_OK ? check_weights(portion, err) : status;
}

/* ---- reading ---- */

static pp_status keep(pp__data_rows *set, pp__source *s, pp_error *err)
{
    float *y = PP_ARENA_NEW(set->until_loaded, float, s->rows * set->info.y_columns);
    float *weights = s->weights == NULL ? NULL : PP_ARENA_NEW(set->until_loaded, float, s->rows);
    if (y == NULL || (s->weights != NULL && weights == NULL)) return pp__data_no_memory(err);
    int64_t columns = set->info.y_columns, most = KEPT_AT_ONCE / columns + 1;
    pp_status status = PP_OK;
    for (int64_t first = 0; status == PP_OK && first < s->rows; first += most) {
        int64_t rows = s->rows - first < most ? s->rows - first : most;
        status = pp_stop_check(err);
        if (status == PP_OK)
            status = pp__targets(set, s, first, rows, y + first * columns,
                                 weights == NULL ? NULL : weights + first, err);
    }
    s->y_values = y;
    s->row_weights = weights;
    return status;
}

pp_status pp__keep_targets(pp__data_rows *set, pp__source *s, pp_error *err)
{
    int64_t columns = set->info.y_columns + (s->weights != NULL);
    int is_small = s->rows < small_bytes / columns / (int64_t)sizeof(float);
    int keeps = !set->streams || is_small || set->moves_targets;
    pp_status status = keeps ? keep(set, s, err) : PP_OK;
    return status == PP_OK ? pp__scan_targets(set, s, check_portion, set, err) : status;
}

pp_status pp__targets(const pp__data_rows *set, const pp__source *s, int64_t first, int64_t count,
                      float *y, float *weight, pp_error *err)
{
    size_t columns = (size_t)set->info.y_columns, rows = (size_t)count;
    pp_status status = PP_OK;
    if (s->y_values != NULL)
        memcpy(y, s->y_values + (size_t)first * columns, rows * columns * sizeof *y);
    else
        status = pp_h5_read_f32(s->y, first, count, y, err);
    if (status != PP_OK || weight == NULL || s->weights == NULL) return status;
    if (s->row_weights != NULL)
        memcpy(weight, s->row_weights + first, rows * sizeof *weight);
    else
        status = pp_h5_read_f32(s->weights, first, count, weight, err);
    return status;
}

pp_status pp__scan_targets(const pp__data_rows *set, const pp__source *s, pp__see_fn see,
                           void *context, pp_error *err)
{
    int64_t columns = set->info.y_columns;
    int64_t most = columns < PORTION_VALUES ? PORTION_VALUES / columns : 1;
    if (most > s->rows) most = s->rows;
    float *y = malloc((size_t)(most * columns) * sizeof *y);
    float *weight = malloc((size_t)most * sizeof *weight);
    pp_status status = y == NULL || weight == NULL ? pp__data_no_memory(err) : PP_OK;
    for (int64_t first = 0; status == PP_OK && first < s->rows; first += most) {
        int64_t rows = s->rows - first < most ? s->rows - first : most;
        status = pp_stop_check(err);
        if (status == PP_OK) status = pp__targets(set, s, first, rows, y, weight, err);
        pp__portion portion = {s, first, rows, y, s->weights == NULL ? NULL : weight};
        if (status == PP_OK) status = see(context, &portion, err);
    }
    free(y);
    free(weight);
    return status;
}

float pp__weight_of(const pp__data_rows *set, const float *y, double row_weight)
{
    int64_t k = set->info.class_weights == NULL ? -1 : pp_class_of(&set->info, y);
    return (float)(k < 0 ? row_weight : row_weight * set->info.class_weights[k]);
}
