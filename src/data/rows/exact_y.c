/* Class labels that float32, which targets are kept in, cannot hold: 16777217 would be 16777216. */
#include "rows_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/stop.h"

enum { PORTION = 1 << 14 };

/* Whole numbers below it are exact. */
static const double most_exact = 1 << 24;

/* Labels as they are in the file: two values that differ, and the first one that is cut. */
typedef struct exact {
    int64_t value[2], cut_label;
    int n_values; /* 3: more than two */
    const pp__source *cut_source;
    int64_t cut_row;
} exact;

static void see(exact *e, const pp__source *s, int64_t row, int64_t label)
{
    int known = 0;
    for (int i = 0; i < e->n_values && i < 2; i++)
        known |= e->value[i] == label;
    if (!known && e->n_values < 2) e->value[e->n_values] = label;
    if (!known && e->n_values < 3) e->n_values++;
    float kept = (float)label;
    int is_exact = kept < 0x1p63F && (int64_t)kept == label;
    if (e->cut_source != NULL || is_exact) return;
    e->cut_source = s;
    e->cut_row = row;
    e->cut_label = label;
}

/* values: whole numbers, or doubles of which those that are no whole numbers are no labels. */
static void see_all(exact *e, const pp__source *s, int64_t first, int64_t rows, int is_integer,
                    const void *values)
{
    for (int64_t i = 0; i < rows; i++) {
        double value = is_integer ? 0 : ((const double *)values)[i];
        if (is_integer)
            see(e, s, first + i, ((const int64_t *)values)[i]);
        else if (value == floor(value) && fabs(value) < 0x1p62)
            see(e, s, first + i, (int64_t)value);
    }
}

static pp_status look(exact *e, const pp__source *s, pp_error *err)
{
    _Static_assert(sizeof(double) == sizeof(int64_t), "one buffer for both");
    int is_integer = pp_h5_is_integer(s->y);
    void *values = malloc(PORTION * sizeof(double));
    pp_status status = values == NULL ? pp__data_no_memory(err) : PP_OK;
    for (int64_t first = 0; first < s->rows && status == PP_OK; first += PORTION) {
        int64_t rows = s->rows - first < PORTION ? s->rows - first : PORTION;
        status = pp_stop_check(err);
        if (status != PP_OK) break;
        status = is_integer ? pp_h5_read_i64(s->y, first, rows, values, err)
                            : pp_h5_read_f64(s->y, first, rows, values, err);
        if (status == PP_OK) see_all(e, s, first, rows, is_integer, values);
    }
    free(values);
    return status;
}

pp_status pp__check_exact_labels(pp__data_rows *set, pp_task task, const pp_y_survey *v,
                                 pp_error *err)
{
    exact e = {.cut_source = NULL};
    int is_integer = v->is_integer, is_single = 1;
    for (int i = 0; i < set->n_sources; i++)
        is_single &= pp_h5_is_single(set->source[i].y);
    if (v->columns > 1 || is_single || (fabs(v->min) < most_exact && fabs(v->max) < most_exact))
        return PP_OK;
    if (task == PP_TASK_REGRESSION || (task == PP_TASK_AUTO && !is_integer)) return PP_OK;
    for (int i = 0; i < set->n_sources; i++) {
        pp_status status = look(&e, &set->source[i], err);
        if (status != PP_OK) return status;
    }
    /* Left open, whole numbers of this size are classes where there are two of them. */
    if (e.cut_source == NULL || (task == PP_TASK_AUTO && e.n_values > 2)) return PP_OK;
    char place[512];
    pp_h5_locate(e.cut_source->y, e.cut_row, place, sizeof place);
    return pp_fail(err, PP_E_DATA,
                   "%s: label %lld is not exact in float32, which targets are kept in; number "
                   "classes from 0",
                   place, (long long)e.cut_label);
}
