/* Whether the rows of validation files are of the same kind as the training rows, in the sample. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>

enum { FEWEST = 30 };

static int ascending(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return a < b ? -1 : a > b;
}

typedef struct column {
    float *values; /* ascending */
    int64_t n;
    double mean, deviation;
} column;

static void settle(column *p)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < p->n; i++)
        sum += (double)p->values[i];
    p->mean = p->n > 0 ? sum / (double)p->n : NAN;
    for (int64_t i = 0; i < p->n; i++)
        squares += pow((double)p->values[i] - p->mean, 2);
    p->deviation = p->n > 1 ? sqrt(squares / (double)(p->n - 1)) : 0;
    if (p->n > 0) qsort(p->values, (size_t)p->n, sizeof *p->values, ascending);
}

/* Largest distance of the two distribution functions (Kolmogorov and Smirnov), less what chance
 * gives once in 10,000. */
static double distance_of(const column *a, const column *b)
{
    int64_t i = 0, k = 0;
    double most = 0;
    if (a->n < FEWEST || b->n < FEWEST) return 0;
    while (i < a->n && k < b->n) {
        float at = fminf(a->values[i], b->values[k]);
        while (i < a->n && a->values[i] == at)
            i++;
        while (k < b->n && b->values[k] == at)
            k++;
        most = fmax(most, fabs((double)i / (double)a->n - (double)k / (double)b->n));
    }
    return most - 2.23 * sqrt(1 / (double)a->n + 1 / (double)b->n);
}

/* Of a column [rows, columns] of the sample; room [rows]. */
static void compare(pp_inspection_shift *to, const pp__sample *s, const pp__scan *scan,
                    const float *values, int64_t columns, int64_t at, float *room)
{
    column train = {.values = room}, held_out;
    int64_t i = 0;
    for (; i < s->rows && s->row[i] < scan->train_rows; i++)
        if (isfinite(values[i * columns + at])) train.values[train.n++] = values[i * columns + at];
    held_out = (column){.values = room + train.n};
    for (; i < s->rows; i++)
        if (isfinite(values[i * columns + at]))
            held_out.values[held_out.n++] = values[i * columns + at];
    settle(&train);
    settle(&held_out);
    double distance = distance_of(&train, &held_out);
    if (distance <= to->distance) return;
    to->feature = values == s->x ? at : -1;
    to->distance = distance;
    to->mean = train.mean;
    to->deviation = train.deviation;
    to->held_out_mean = held_out.mean;
    to->held_out_deviation = held_out.deviation;
}

/* counts [2, classes] */
static void compare_classes(pp_inspection_shift *to, const int64_t *counts, int64_t classes)
{
    double rows[2] = {0, 0}, most = 0;
    for (int part = 0; part < 2; part++)
        for (int64_t k = 0; k < classes; k++)
            rows[part] += (double)counts[part * classes + k];
    if (rows[0] < FEWEST || rows[1] < FEWEST) return;
    double chance = 2 * sqrt((double)classes * (1 / rows[0] + 1 / rows[1]));
    for (int64_t k = 0; k < classes; k++) {
        double share = (double)counts[k] / rows[0];
        double held_out = (double)counts[classes + k] / rows[1];
        to->classes += fabs(share - held_out) / 2;
        if (fabs(share - held_out) <= most) continue;
        most = fabs(share - held_out);
        to->class_most = k;
        to->share = share;
        to->held_out_share = held_out;
    }
    to->classes = fmax(0, to->classes - chance);
}

static pp_status look_at_classes(const pp__sample *s, const pp__scan *scan, pp_error *err)
{
    const pp_dataset_info *info = &scan->info;
    int64_t *counts = calloc((size_t)info->classes * 2 + 1, sizeof *counts);
    if (counts == NULL) return pp__inspect_no_memory(err);
    for (int64_t i = 0; i < s->rows; i++) {
        int64_t k = pp_class_of(info, s->y + i * info->y_columns);
        if (k >= 0) counts[(s->row[i] >= scan->train_rows) * info->classes + k]++;
    }
    compare_classes(&scan->report->shift, counts, info->classes);
    free(counts);
    return PP_OK;
}

pp_status pp__look_for_shift(const pp__sample *s, pp__scan *scan, pp_error *err)
{
    pp_inspection_shift *to = &scan->report->shift;
    to->feature = -2;
    if (scan->rows == scan->train_rows) return PP_OK;
    float *room = malloc((size_t)s->rows * sizeof *room);
    if (room == NULL) return pp__inspect_no_memory(err);
    for (int64_t j = 0; j < scan->inputs; j++)
        compare(to, s, scan, s->x, scan->inputs, j, room);
    if (scan->info.classes == 0) compare(to, s, scan, s->y, scan->y_columns, 0, room);
    free(room);
    return scan->info.classes > 0 ? look_at_classes(s, scan, err) : PP_OK;
}
