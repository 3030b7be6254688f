/* Features that name a group: rows with an equal value have targets alike, and rows with the next
 * value have not. Of a quantity the neighbours tell as well; of the number of a patient, or of an
 * age that each of them brings along, they do not. Held-out rows of a group that stands in training
 * as well are known by that value, and new groups are not. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>

enum {
    FEWEST_GROUPS = 20,
    FEWEST_PAIRS = 60 /* of rows in one group */
};
static const double alike = 0.3,
                    unlike = 0.2; /* of the variance that equal, or next, values share */

typedef struct member {
    float value;
    int64_t row; /* of the sample */
    double aim;
} member;

static int by_value(const void *left, const void *right)
{
    const member *x = left, *y = right;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static double variance_of(const double *values, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    for (int64_t i = 0; i < n; i++)
        squares += (values[i] - sum / (double)n) * (values[i] - sum / (double)n);
    return n > 1 ? squares / (double)(n - 1) : 0;
}

/* 1 - half the mean square of steps over the variance (von Neumann's ratio): 0 where neighbours
 * have nothing to do with one another, 1 where they are equal. */
static double shared(double squares, int64_t steps, double variance)
{
    return steps > 0 && variance > 0 ? 1 - squares / (double)steps / 2 / variance : 0;
}

/* list [n] by value; means [n], aims [n] are room. */
static int is_of_groups(const member *list, int64_t n, double *means, double *aims, int64_t *groups)
{
    double within = 0, between = 0;
    int64_t pairs = 0, largest = 0;
    *groups = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        double sum = list[i].aim;
        for (end = i + 1; end < n && list[end].value == list[i].value; end++) {
            double step = list[end].aim - list[end - 1].aim;
            within += step * step;
            sum += list[end].aim;
            pairs++;
        }
        if (end - i > largest) largest = end - i;
        means[(*groups)++] = sum / (double)(end - i);
    }
    for (int64_t i = 0; i < n; i++)
        aims[i] = list[i].aim;
    for (int64_t g = 1; g < *groups; g++)
        between += (means[g] - means[g - 1]) * (means[g] - means[g - 1]);
    if (*groups < FEWEST_GROUPS || pairs < FEWEST_PAIRS || *groups > n / 2) return 0;
    if (largest > n / 10)
        return 0; /* one value that stands for nothing: the rest is no list of names */
    double by_chance = 3 / sqrt((double)pairs);
    return shared(within, pairs, variance_of(aims, n)) > fmax(alike, by_chance) &&
           shared(between, *groups - 1, variance_of(means, *groups)) < unlike;
}

/* Where rows are held out in files of their own: half of the values there are known. */
static int is_on_both_sides(const member *list, int64_t n, const pp__sample *s,
                            const pp__scan *scan)
{
    int64_t held_out = 0, known = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        int there = 0, here = 0;
        for (end = i; end < n && list[end].value == list[i].value; end++) {
            int is_held_out = s->row[list[end].row] >= scan->train_rows;
            there |= is_held_out;
            here |= !is_held_out;
        }
        held_out += there;
        known += there && here;
    }
    return held_out == 0 || 2 * known >= held_out;
}

/* The target as a number: of several classes whether it is the first. */
static double aim_of(const pp__sample *s, const pp__scan *scan, int64_t row)
{
    double y = s->y[row * scan->y_columns];
    return scan->info.classes > 2 && scan->y_columns == 1 ? y == s->y[0] : y;
}

static int64_t take(member *list, const pp__sample *s, const pp__scan *scan, int64_t feature)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->rows; i++) {
        float value = s->x[i * scan->inputs + feature];
        double aim = aim_of(s, scan, i);
        if (isfinite(value) && isfinite(aim)) list[n++] = (member){value, i, aim};
    }
    qsort(list, (size_t)n, sizeof *list, by_value);
    return n;
}

pp_status pp__look_for_groups(const pp__sample *s, pp__scan *scan, pp_error *err)
{
    pp_inspection *found = scan->report;
    member *list = malloc((size_t)(s->rows + 1) * sizeof *list);
    double *room = malloc((size_t)(2 * s->rows + 2) * sizeof *room);
    pp_status status = list != NULL && room != NULL ? PP_OK : pp__inspect_no_memory(err);
    for (int64_t j = 0; status == PP_OK && j < scan->inputs && found->groups == 0; j++) {
        int64_t groups, n;
        if (found->features[j].distinct < FEWEST_GROUPS ||
            found->features[j].distinct > s->rows / 2)
            continue;
        n = take(list, s, scan, j);
        if (!is_of_groups(list, n, room, room + s->rows + 1, &groups) ||
            !is_on_both_sides(list, n, s, scan))
            continue;
        found->groups_feature = j;
        found->groups = groups;
    }
    free(list);
    free(room);
    return status;
}
