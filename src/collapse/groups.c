#include "pitprop/groups.h"

#include <math.h>

/* A scalar that is the same for equal predictions, and differs for nearly all different ones. */
static double scalar_of(const pp_sketch_shape *shape, const float *p)
{
    if (shape->kind != PP_SKETCH_MULTICLASS) return (double)p[0];
    double sum = 0, weighted = 0;
    for (int c = 0; c < shape->columns; c++) {
        sum += (double)p[c];
        weighted += c * (double)p[c];
    }
    return sum > 0 ? weighted / sum : weighted;
}

static void widen(double value, int is_first, double *low, double *high)
{
    if (is_first || value < *low) *low = value + 0.0; /* no -0.0 */
    if (is_first || value > *high) *high = value + 0.0;
}

void pp_group_add(pp_group *group, const pp_sketch_shape *shape, const pp_sketch_rows *rows)
{
    for (int64_t i = 0; i < rows->rows; i++) {
        double v = scalar_of(shape, rows->p + i * shape->columns);
        double target = rows->y != NULL   ? (double)rows->y[i]
                        : rows->t != NULL ? (double)rows->t[i * shape->columns]
                                          : 0;
        if (!isfinite(v) || !isfinite(target)) continue;
        widen(v, group->rows == 0, &group->min, &group->max);
        widen(target, group->rows == 0, &group->least, &group->greatest);
        pp_sum_add(&group->sum, v);
        group->rows++;
    }
}

void pp_group_merge(pp_group *into, const pp_group *from)
{
    if (from->rows == 0) return;
    widen(from->min, into->rows == 0, &into->min, &into->max);
    widen(from->max, 0, &into->min, &into->max);
    widen(from->least, into->rows == 0, &into->least, &into->greatest);
    widen(from->greatest, 0, &into->least, &into->greatest);
    pp_sum_merge(&into->sum, &from->sum);
    into->rows += from->rows;
}

pp_split pp_groups_compare(const pp_group *groups, int64_t n, double tolerance)
{
    pp_split split = {.tolerance = tolerance};
    double lowest = INFINITY, highest = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const pp_group *g = &groups[i];
        if (g->rows < 2 || g->least == g->greatest) continue;
        double mean = pp_sum_value(&g->sum) / (double)g->rows;
        split.groups++;
        split.constant += g->max - g->min <= tolerance;
        split.within = fmax(split.within, g->max - g->min);
        lowest = fmin(lowest, mean);
        highest = fmax(highest, mean);
    }
    if (split.groups > 0) split.between = highest - lowest;
    return split;
}
