/* The columns of a regression: moments, skill, ranks, and what is robust against long tails. */
#include <math.h>

#include "facts.h"
#include "layout.h"
#include "statistics.h"

#define SAME 0.02           /* deviation of predictions that are the same, in the targets' */
#define LEAST_COVERAGE 0.02 /* a quantile further out than this is not taken for one */
#define CUT 10.0            /* interquartile ranges, beyond which a row counts no more */
enum { FEW = 20 };

typedef struct column_moments {
    double mean, variance, target_mean, target_variance, squared_error, covariance, correlation;
} column_moments;

static column_moments moments_of(const pp_sketch *sketch, int column, int64_t rows, int64_t targets)
{
    int at = SUM_COLUMNS + column * COLUMN_SUMS;
    double centre = sketch->low + (sketch->high - sketch->low) / 2;
    double p = pp__mean_of(sketch, at + COLUMN_P, rows);
    double t = pp__mean_of(sketch, at + COLUMN_T, targets);
    double unit = sketch->unit, square = unit * unit;
    column_moments m;
    m.mean = centre + unit * p;
    m.variance = square * pp__not_negative(pp__mean_of(sketch, at + COLUMN_PP, rows) - p * p);
    m.target_mean = centre + unit * t;
    m.target_variance =
        square * pp__not_negative(pp__mean_of(sketch, at + COLUMN_TT, targets) - t * t);
    m.squared_error = square * pp__mean_of(sketch, at + COLUMN_EE, targets);
    /* E(p - t)^2 = var p + var t - 2 cov + (difference of the means)^2 */
    m.covariance =
        (m.variance + m.target_variance + square * (p - t) * (p - t) - m.squared_error) / 2;
    double scale = sqrt(m.variance) * sqrt(m.target_variance);
    m.correlation = scale > 0 && rows == targets ? fmax(-1, fmin(1, m.covariance / scale)) : NAN;
    return m;
}

/* Sum over rows of (t - mean)^4, in units. */
static double fourth_moment(const pp_sketch *sketch, int column, int64_t targets)
{
    int at = SUM_COLUMNS + column * COLUMN_SUMS;
    double n = (double)targets, m = pp__mean_of(sketch, at + COLUMN_T, targets);
    return pp__sum_of(sketch, at + COLUMN_TTTT) - 4 * m * pp__sum_of(sketch, at + COLUMN_TTT) +
           6 * m * m * pp__sum_of(sketch, at + COLUMN_TT) - 3 * n * m * m * m * m;
}

/* Sum over rows of ((1 - skill) (t - mean)^2 - e^2)^2: how the ratio of the two sums errs. */
static double ratio_squares(const pp_sketch *sketch, int column, int64_t targets, double rest)
{
    int at = SUM_COLUMNS + column * COLUMN_SUMS;
    double m = pp__mean_of(sketch, at + COLUMN_T, targets), ee = pp__sum_of(sketch, at + COLUMN_EE);
    double fourth = fourth_moment(sketch, column, targets);
    double mixed = pp__sum_of(sketch, at + COLUMN_TTEE) -
                   2 * m * pp__sum_of(sketch, at + COLUMN_TEE) + m * m * ee;
    return pp__not_negative(rest * rest * fourth - 2 * rest * mixed +
                            pp__sum_of(sketch, at + COLUMN_EEEE));
}

static pp__margin target_margin(const pp_sketch *sketch, int column, int64_t targets, double square)
{
    double fourths = fourth_moment(sketch, column, targets), n = (double)targets;
    double unit = sketch->unit;
    return (pp__margin){n, n * square, pow(unit, 4) * fourths, unit * pow(fourths, 0.25)};
}

/* Fourth moments of predictions are bounded by their range: a difference of sums would cancel where
 * they hardly differ. */
static double association_of(const pp_sketch *sketch, int column, const column_moments *m,
                             int64_t targets)
{
    double n = (double)targets;
    double farthest = fmax(sketch->max - m->mean, m->mean - sketch->min);
    pp__margin p = {n, n * m->variance, n * m->variance * farthest * farthest, farthest};
    pp__margin t = target_margin(sketch, column, targets, m->target_variance);
    return pp__regression_z(sketch, column, &p, &t, n * m->covariance);
}

/* ---- histograms with bins that widen ---- */

static double rows_in(const int64_t *counts)
{
    double rows = 0;
    for (int i = 0; i < DETAIL_BINS; i++)
        rows += (double)counts[i];
    return rows;
}

static double middle_of(const pp_sketch *sketch, int bin)
{
    double low = pp__detail_edge(sketch, bin), high = pp__detail_edge(sketch, bin + 1);
    return low < 0 && high > 0 ? 0 : low + (high - low) / 2;
}

/* Distance from the reference. */
static double quantile_of(const pp_sketch *sketch, const int64_t *counts, double share)
{
    double wanted = share * rows_in(counts), below = 0;
    int bin = 0;
    while (bin < DETAIL_BINS - 1 && below + (double)counts[bin] < wanted)
        below += (double)counts[bin++];
    double low = pp__detail_edge(sketch, bin), high = pp__detail_edge(sketch, bin + 1);
    if (low < 0 && high > 0) return 0;
    double here = (double)counts[bin], part = here > 0 ? (wanted - below) / here : 0.5;
    return low + (high - low) * fmin(1, fmax(0, part));
}

/* The narrowest of these ranges that the targets fill: of most columns the interquartile range. */
static double width_of(const pp_sketch *sketch, const int64_t *t, double *tail)
{
    static const double tails[] = {0.25, 0.1, 0.01};
    double width = 0;
    for (int i = 0; i < 3 && !(width > 0); i++) {
        *tail = tails[i];
        width = quantile_of(sketch, t, 1 - *tail) - quantile_of(sketch, t, *tail);
    }
    return width;
}

/* Pinball loss of quantile `share` at error e = prediction - target (Koenker and Bassett,
 * Econometrica 46, 1978), cut at `most`: mean and variance over a histogram of e + shift. */
static double pinball(const pp_sketch *sketch, const int64_t *counts, double sign, double shift,
                      double share, double most, double *variance)
{
    double rows = rows_in(counts), sum = 0, squares = 0;
    for (int i = 0; i < DETAIL_BINS; i++) {
        if (counts[i] == 0) continue;
        double e = sign * (middle_of(sketch, i) - shift);
        double loss = fmin(most, e > 0 ? (1 - share) * e : -share * e);
        sum += (double)counts[i] * loss;
        squares += (double)counts[i] * loss * loss;
    }
    *variance = pp__not_negative(squares / rows - sum / rows * (sum / rows));
    return sum / rows;
}

/* Predictions may be meant for any quantile: for that of which as many targets lie below. How loss
 * and base hang together is not known, so that the error is the sum of theirs. */
static void put_quantile(const pp_sketch *sketch, double width, pp_summary *s)
{
    const int64_t *t = pp__detail(sketch, 0, DETAIL_T), *e = pp__detail(sketch, 0, DETAIL_E);
    double rows = rows_in(e), above = (double)e[DETAIL_BINS / 2] / 2, of_loss, of_base;
    for (int i = DETAIL_BINS / 2 + 1; i < DETAIL_BINS; i++)
        above += (double)e[i];
    s->coverage = above / rows;
    if (!(fmin(s->coverage, 1 - s->coverage) >= LEAST_COVERAGE && width > 0)) return;
    double constant = quantile_of(sketch, t, s->coverage);
    double most = CUT * width;
    double loss = pinball(sketch, e, 1, 0, s->coverage, most, &of_loss);
    double base = pinball(sketch, t, -1, constant, s->coverage, most, &of_base);
    if (!(base > 0)) return;
    s->quantile_skill = 1 - loss / base;
    s->quantile_error = (sqrt(of_loss) + loss / base * sqrt(of_base)) / sqrt(rows) / base;
}

static void put_extreme(const pp_sketch *sketch, double width, pp_summary *s)
{
    const pp__extreme *ends = pp__extremes(sketch);
    const int64_t *t = pp__detail(sketch, 0, DETAIL_T);
    double median = pp__reference(sketch) + quantile_of(sketch, t, 0.5);
    const pp__extreme *far = ends + (ends[1].value - median > median - ends[0].value);
    if (!(width > 0)) return;
    s->extreme = fabs(far->value - median) / width;
    s->extreme_target = far->value;
    s->extreme_row = far->row;
}

static void put_details(const pp_sketch *sketch, pp_summary *s)
{
    double tail, width = width_of(sketch, pp__detail(sketch, 0, DETAIL_T), &tail);
    pp__rank_z(pp__joint(sketch, 0), &s->rank_correlation);
    put_quantile(sketch, width, s);
    put_extreme(sketch, width, s);
}

/* Deviations of targets are what a few far ones make of them where tails are long: then widths of
 * quantiles say how much predictions vary, if they say more. */
static double spread_of(const pp_sketch *sketch, int column, const column_moments *m, int is_long)
{
    double spread = sqrt(m->variance / m->target_variance), tail;
    if (!is_long || sketch->brief || column >= sketch->detailed) return spread;
    const int64_t *p = pp__detail(sketch, column, DETAIL_P);
    double width = width_of(sketch, pp__detail(sketch, column, DETAIL_T), &tail);
    double own = quantile_of(sketch, p, 1 - tail) - quantile_of(sketch, p, tail);
    return width > 0 ? fmax(spread, own / width) : spread;
}

/* ---- all columns ---- */

/* As the rules for all predictions of a model have it: no correlation that is worth having, or none
 * that makes up for errors above those of the mean. `effect`: of ranks where tails are long. */
static int is_unrelated(const pp_sketch *sketch, const pp_part_summary *part, double effect,
                        int64_t targets)
{
    double z = pp__two_sided_z(PP__UNRELATED_LEVEL / sketch->columns), r = fabs(effect);
    double most = r + z * (1 - r * r) / sqrt((double)targets);
    int is_worse = part->skill + z * part->skill_error < 0;
    return !part->dead && targets >= FEW && fabs(part->association) < z &&
           (most < PP__USEFUL_R || (is_worse && most < PP__GOOD_R));
}

static pp_part_summary part_of(const pp_sketch *sketch, int column, const column_moments *m,
                               int64_t targets, int *is_long)
{
    pp_part_summary part = {.index = column,
                            .mean = m->mean,
                            .target_mean = m->target_mean,
                            .effect = m->correlation,
                            .association = NAN,
                            .skill = NAN,
                            .skill_error = NAN,
                            .spread = NAN,
                            .recall = NAN,
                            .precision = NAN};
    pp__margin t = target_margin(sketch, column, targets, m->target_variance);
    *is_long = pp__has_long_tail(&t);
    if (!isnan(m->correlation))
        part.association = association_of(sketch, column, m, targets);
    else if (m->target_variance > 0)
        part.association = 0;
    double by_ranks,
        correlation = NAN; /* moments of what is small beside a far target are rounding */
    by_ranks = *is_long && column < sketch->detailed
                   ? pp__rank_z(pp__joint(sketch, column), &correlation)
                   : (double)NAN;
    if (!isnan(by_ranks)) part.association = by_ranks;
    if (!(m->target_variance > 0)) return part;
    part.skill = 1 - m->squared_error / m->target_variance;
    part.skill_error = sketch->unit * sketch->unit *
                       sqrt(ratio_squares(sketch, column, targets, 1 - part.skill)) /
                       (double)targets / m->target_variance;
    part.spread = spread_of(sketch, column, m, *is_long);
    double z = pp__two_sided_z(PP__DEAD_LEVEL / sketch->columns);
    part.dead = targets >= FEW && part.spread <= SAME && fabs(part.association) < z;
    part.unrelated = is_unrelated(sketch, &part, *is_long ? correlation : m->correlation, targets);
    return part;
}

/* What shifting and scaling the worst column would do: the best line has the skill r^2. */
static void put_repairs(const pp_sketch *sketch, const column_moments *m, int64_t targets,
                        pp_summary *s)
{
    double n = (double)targets, distance = m->mean - m->target_mean;
    if (!(m->target_variance > 0)) return;
    double rest = m->squared_error - distance * distance;
    s->offset = -distance;
    s->shifted_skill = 1 - rest / m->target_variance;
    /* of a large sample: as large as that of normal errors, or of the skill itself */
    s->shifted_error = fmax(sqrt(2 / n) * rest / m->target_variance,
                            s->worst.skill_error * fmin(1, rest / fmax(m->squared_error, 1e-300)));
    if (isnan(m->correlation) || !(m->variance > 0)) return;
    double r = m->correlation;
    s->gain = m->covariance / m->variance;
    s->intercept = m->target_mean - s->gain * m->mean;
    s->scaled_skill = r * r;
    s->scaled_error = 2 * fabs(r) * (1 - r * r) / sqrt(n);
    (void)sketch;
}

static void put_part(const pp_part_summary *part, pp_summary *s)
{
    if (s->n_parts < PP_PARTS_LISTED) s->parts[s->n_parts++] = *part;
    if (part->dead) pp__list_part(part->index, &s->dead, s->dead_list);
    if (part->unrelated) pp__list_part(part->index, &s->unrelated, s->unrelated_list);
    if (isnan(s->association)) s->association = 0.0;
    if (fabs(part->association) > fabs(s->association)) s->association = part->association;
    s->association_tests += !isnan(part->effect);
    if (isnan(s->correlation) || fabs(part->effect) > fabs(s->correlation))
        s->correlation = part->effect;
    if (!isnan(part->skill) && !(part->skill >= s->worst.skill)) s->worst = *part;
}

void pp__put_columns(const pp_sketch *sketch, int64_t rows, int64_t targets, pp_summary *s)
{
    double r2 = 0, k = sketch->columns, squares = 0;
    int varying = 0, all_long = 1;
    s->mean = s->target_mean = s->mse = s->base_loss = 0;
    double variance = 0;
    for (int c = 0; c < sketch->columns; c++) {
        column_moments m = moments_of(sketch, c, rows, targets);
        int is_long;
        s->mean += m.mean / k;
        variance += m.variance / k;
        s->target_mean += m.target_mean / k;
        s->base_loss += m.target_variance / k;
        s->mse += m.squared_error / k;
        pp_part_summary part = part_of(sketch, c, &m, targets, &is_long);
        put_part(&part, s);
        all_long = all_long && is_long;
        if (sketch->columns == 1 && m.variance > 0) s->slope = m.covariance / m.variance;
        if (isnan(part.skill)) continue;
        r2 += part.skill;
        s->spread = fmax(s->spread, part.spread);
        varying++;
    }
    s->deviation = pp__root(variance);
    s->target_deviation = pp__root(s->base_loss);
    if (s->dead + s->unrelated == varying) s->dead = s->unrelated = 0; /* no part is alive */
    if (varying == 0) return;
    s->long_tail = all_long;
    s->r2 = r2 / varying;
    s->skill = 1 - s->mse / s->base_loss;
    for (int c = 0; c < sketch->columns; c++)
        squares += sqrt(ratio_squares(sketch, c, targets, 1 - s->skill));
    double square = sketch->unit * sketch->unit;
    s->skill_error = square * squares / sketch->columns / (double)targets / s->base_loss;
    column_moments worst = moments_of(sketch, s->worst.index, rows, targets);
    put_repairs(sketch, &worst, targets, s);
    if (!sketch->brief && sketch->columns == 1) put_details(sketch, s);
    s->effective_rows = pp__effective_rows(sketch, (double)targets);
    double tail;
    s->tolerance = PP__TARGET_SHARE * s->target_deviation;
    if (s->long_tail && !sketch->brief && sketch->columns == 1)
        s->tolerance =
            PP__TARGET_SHARE *
            fmin(s->target_deviation, width_of(sketch, pp__detail(sketch, 0, DETAIL_T), &tail));
}

/* ---- the best constant under any loss ---- */

typedef double (*loss_function)(void *context, double constant, double target);

static double mean_loss(const pp_sketch *sketch, loss_function loss, void *context, double constant,
                        double *variance)
{
    const int64_t *t = pp__detail(sketch, 0, DETAIL_T);
    double rows = rows_in(t), sum = 0, squares = 0, from = pp__reference(sketch);
    for (int i = 0; i < DETAIL_BINS; i++) {
        if (t[i] == 0) continue;
        double here = loss(context, constant, from + middle_of(sketch, i));
        sum += (double)t[i] * here;
        squares += (double)t[i] * here * here;
    }
    *variance = pp__not_negative(squares / rows - sum / rows * (sum / rows));
    return sum / rows;
}

double pp_sketch_constant_loss(const pp_sketch *sketch, loss_function loss, void *context,
                               double *variance)
{
    enum { STEPS = 80 };
    double low = sketch->low, high = sketch->high;
    for (int step = 0; step < STEPS; step++) {
        double left = low + (high - low) / 3, right = high - (high - low) / 3;
        if (mean_loss(sketch, loss, context, left, variance) <
            mean_loss(sketch, loss, context, right, variance))
            high = right;
        else
            low = left;
    }
    return mean_loss(sketch, loss, context, low + (high - low) / 2, variance);
}
