#include "pitprop/groups.h"

#include <math.h>
#include <string.h>

#include "statistics.h"

#define LEVEL 0.001
#define FAR_LESS 0.75 /* of the correlation of all */
#define LESS 0.9      /* ... where equal answers say why */
#define PART 0.2      /* of the rows */
#define FAR_OFF 0.2   /* of the deviation of the targets */
#define LIKE_OTHERS                                                                                \
    0.2 /* of that deviation, that the mean target may differ; of it itself, too                   \
         */
enum { FEW = 20 };

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

/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4) of the bits, folded. */
static int bin_of(double v)
{
    uint64_t bits;
    double positive = v + 0.0; /* no -0.0 */
    memcpy(&bits, &positive, sizeof bits);
    bits ^= bits >> 32;
    return (int)(bits * 0x9e3779b97f4a7c15ULL >> 58);
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
        pp_sum_add(&group->target, target);
        pp_sum_add(&group->squares, v * v);
        pp_sum_add(&group->target_squares, target * target);
        pp_sum_add(&group->products, v * target);
        group->equal[bin_of(v)]++;
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
    pp_sum_merge(&into->target, &from->target);
    pp_sum_merge(&into->squares, &from->squares);
    pp_sum_merge(&into->target_squares, &from->target_squares);
    pp_sum_merge(&into->products, &from->products);
    for (int i = 0; i < PP_GROUP_BINS; i++)
        into->equal[i] += from->equal[i];
    into->rows += from->rows;
}

/* ---- one that differs ---- */

typedef struct moments {
    double rows, target, target_deviation, offset, error_deviation, correlation;
} moments;

static moments moments_of(const pp_group *g)
{
    double n = (double)g->rows, v = pp_sum_value(&g->sum) / n, y = pp_sum_value(&g->target) / n;
    double vv = fmax(0, pp_sum_value(&g->squares) / n - v * v);
    double yy = fmax(0, pp_sum_value(&g->target_squares) / n - y * y);
    double vy = pp_sum_value(&g->products) / n - v * y;
    return (moments){n,
                     y,
                     sqrt(yy),
                     v - y,
                     sqrt(fmax(0, vv + yy - 2 * vy)),
                     vv > 0 && yy > 0 ? fmax(-1, fmin(1, vy / sqrt(vv * yy))) : 0};
}

/* Fisher's transformation (Biometrika 10, 1915), finite. */
static double normal_scale(double correlation)
{
    return atanh(fmax(-0.999999, fmin(0.999999, correlation)));
}

static int is_like_others(const moments *g, const moments *all)
{
    return fabs(g->target - all->target) < LIKE_OTHERS * all->target_deviation &&
           fabs(g->target_deviation - all->target_deviation) < LIKE_OTHERS * all->target_deviation;
}

/* The largest share of a group's rows in a bin beyond the share that all other groups have there,
 * less what chance may add. */
static double equal_share(const pp_group *g, const pp_group *pooled, double z)
{
    double most = 0, n = (double)g->rows, others = (double)(pooled->rows - g->rows);
    if (!(others > 0)) return 0;
    for (int i = 0; i < PP_GROUP_BINS; i++) {
        double share = (double)g->equal[i] / n;
        double usual = (double)(pooled->equal[i] - g->equal[i]) / others;
        double error = sqrt(share * (1 - share) / n + usual * (1 - usual) / others);
        most = fmax(most, share - usual - z * error);
    }
    return most;
}

/* PP_ODD_COUNT: as the others. z: of one test. */
static pp_odd oddity_of(const pp_group *group, const pp_group *pooled, const moments *g,
                        const moments *all, double tolerance, double z)
{
    double error = 1 / sqrt(fmax(1, g->rows - 3)), own = normal_scale(g->correlation);
    double offset = fabs(g->offset - all->offset);
    if (group->max - group->min <= tolerance) return PP_ODD_CONSTANT;
    if (g->rows < FEW || !is_like_others(g, all)) return PP_ODD_COUNT;
    if (own < -z * error) return PP_ODD_INVERTED;
    if (g->correlation < FAR_LESS * all->correlation &&
        normal_scale(all->correlation) - own > z * error)
        return PP_ODD_WEAK;
    if (g->correlation < LESS * all->correlation &&
        normal_scale(all->correlation) - own > z * error && equal_share(group, pooled, z) > PART)
        return PP_ODD_PARTLY;
    if (offset > FAR_OFF * all->target_deviation && offset > z * g->error_deviation / sqrt(g->rows))
        return PP_ODD_SHIFTED;
    return PP_ODD_COUNT;
}

static int is_compared(const pp_group *g)
{
    return g->rows >= 2 && g->least != g->greatest;
}

static void find_odd(const pp_group *groups, int64_t n, pp_split *split)
{
    pp_group pooled;
    double z = pp__two_sided_z(LEVEL / fmax(1, (double)PP_ODD_COUNT * (double)split->groups));
    memset(&pooled, 0, sizeof pooled);
    for (int64_t i = 0; i < n; i++)
        pp_group_merge(&pooled, groups + i);
    if (pooled.rows < FEW || split->groups < 2) return;
    moments all = moments_of(&pooled);
    split->correlation = all.correlation;
    if (split->constant == split->groups) return;
    if (!(normal_scale(all.correlation) * sqrt(all.rows - 3) > z)) return;
    for (int64_t i = 0; i < n; i++) {
        if (!is_compared(groups + i)) continue;
        moments own = moments_of(groups + i);
        pp_odd how = oddity_of(groups + i, &pooled, &own, &all, split->tolerance, z);
        if (how == PP_ODD_COUNT) continue;
        if (split->odd < PP_ODD_LISTED)
            split->odd_groups[split->odd] =
                (pp_odd_group){i, how, own.correlation, own.offset - all.offset};
        split->odd++;
    }
}

const char *pp_odd_text(pp_odd how)
{
#define TEXT(name, text) text,
    static const char *const texts[] = {PP_ODD_LIST(TEXT)};
#undef TEXT
    return texts[how];
}

pp_split pp_groups_compare(const pp_group *groups, int64_t n, double tolerance)
{
    pp_split split = {.tolerance = tolerance};
    double lowest = INFINITY, highest = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const pp_group *g = &groups[i];
        if (!is_compared(g)) continue;
        double mean = pp_sum_value(&g->sum) / (double)g->rows;
        split.groups++;
        split.constant += g->max - g->min <= tolerance;
        split.within = fmax(split.within, g->max - g->min);
        lowest = fmin(lowest, mean);
        highest = fmax(highest, mean);
    }
    if (split.groups > 0) split.between = highest - lowest;
    find_odd(groups, n, &split);
    return split;
}
