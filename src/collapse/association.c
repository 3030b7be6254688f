/* Are predictions and targets related? How far their product moment lies from what it is when the
 * targets are shuffled among the rows, in standard deviations. Mean and variance of that are known
 * whatever the distributions are (Pitman, J. R. Stat. Soc. Suppl. 4, 1937); that it is normal is
 * not, where few rows decide. Everything here that chooses between statistics looks at the margins
 * alone, which shuffling leaves as they are, so that the choice costs no error rate. */
#include <math.h>

#include "layout.h"

#define HEAVY 0.1          /* excess kurtosis from which the normal tail is not believed */
#define LONG_TAIL 10       /* excess kurtosis of targets: far ones drown what the others tell */
#define MOSTLY_ONE_BIN 0.9 /* of the predictions: ranks of bins say nothing */

void pp__margin_add(pp__margin *margin, double score, double count)
{
    if (count <= 0) return;
    margin->rows += count;
    margin->squares += count * score * score;
    margin->fourths += count * score * score * score * score;
    margin->largest = fmax(margin->largest, fabs(score));
}

static double tail_of(const pp__margin *m)
{
    return m->rows * m->fourths / (m->squares * m->squares) - 3;
}

/* Of the shuffled correlation r of n rows: E r^4 = 3 / (n^2 - 1) (1 + (n - 2) (n - 3) g h /
 * (3 n (n - 1)^2)) of the excess kurtoses g and h, in units of its variance 1 / (n - 1) squared. */
static double excess_kurtosis(const pp__margin *a, const pp__margin *b)
{
    double n = a->rows;
    double both = (n - 2) * (n - 3) * tail_of(a) * tail_of(b) / (3 * n * (n - 1) * (n - 1));
    return 3 * (n - 1) / (n + 1) * (1 + both) - 3;
}

static int decided_by_few(const pp__margin *a, const pp__margin *b)
{
    return a->rows >= 4 && excess_kurtosis(a, b) > HEAVY;
}

/* Where few rows weigh more than all others, Bennett's inequality (J. Am. Stat. Assoc. 57, 1962): a
 * sum of standard deviation 1 whose terms are at most m exceeds z with a chance of at most
 * exp(-((1 + u) log(1 + u) - u) / m^2), u = m z; taken for the exp(-z^2 / 2) of a normal one. */
double pp__association_z(const pp__margin *a, const pp__margin *b, double products)
{
    double n = a->rows;
    if (!(n > 1 && a->squares > 0 && b->squares > 0)) return 0.0;
    double scale = sqrt(a->squares) * sqrt(b->squares);
    double z = fmax(-1, fmin(1, products / scale)) * sqrt(n - 1);
    if (!decided_by_few(a, b)) return z;
    double most = a->largest * b->largest * sqrt(n) / scale;
    double u = most * fabs(z);
    return copysign(sqrt(2 * fmax(0, (1 + u) * log1p(u) - u)) / most, z);
}

/* ---- ranks of the coarse bins of a regression ---- */

/* Midranks of bins, from -1/2 to 1/2 around their mean; the share of the fullest bin. */
static double rank_bins(const double *counts, double rows, double *scores, pp__margin *margin)
{
    double below = 0, most = 0;
    for (int i = 0; i < JOINT_BINS; i++) {
        scores[i] = (below + counts[i] / 2 - rows / 2) / rows;
        pp__margin_add(margin, scores[i], counts[i]);
        below += counts[i];
        most = fmax(most, counts[i]);
    }
    return most / rows;
}

int pp__has_long_tail(const pp__margin *margin)
{
    return margin->squares > 0 && tail_of(margin) > LONG_TAIL;
}

const int64_t *pp__joint(const pp_sketch *sketch, int column)
{
    return pp__counts(sketch) + sketch->joint + (int64_t)column * JOINT_BINS * JOINT_BINS;
}

/* Spearman's statistic of the joint histogram; NaN where it has too few bins to say anything. */
double pp__rank_z(const int64_t *joint, double *correlation)
{
    double p[JOINT_BINS] = {0}, t[JOINT_BINS] = {0}, p_score[JOINT_BINS], t_score[JOINT_BINS];
    double rows = 0, products = 0;
    *correlation = NAN;
    for (int i = 0; i < JOINT_BINS * JOINT_BINS; i++) {
        p[i / JOINT_BINS] += (double)joint[i];
        t[i % JOINT_BINS] += (double)joint[i];
        rows += (double)joint[i];
    }
    pp__margin of_p = {0}, of_t = {0};
    if (rank_bins(p, rows, p_score, &of_p) > MOSTLY_ONE_BIN) return NAN;
    if (rank_bins(t, rows, t_score, &of_t) > MOSTLY_ONE_BIN) return NAN;
    for (int i = 0; i < JOINT_BINS * JOINT_BINS; i++)
        products += (double)joint[i] * p_score[i / JOINT_BINS] * t_score[i % JOINT_BINS];
    double scale = sqrt(of_p.squares) * sqrt(of_t.squares);
    if (scale > 0) *correlation = products / scale;
    return pp__association_z(&of_p, &of_t, products);
}

double pp__regression_z(const pp_sketch *sketch, int column, const pp__margin *p,
                        const pp__margin *t, double products)
{
    if (!(p->squares > 0 && t->squares > 0)) return 0.0;
    int by_ranks = column < sketch->detailed && (decided_by_few(p, t) || pp__has_long_tail(t));
    double correlation,
        ranks = by_ranks ? pp__rank_z(pp__joint(sketch, column), &correlation) : NAN;
    return isnan(ranks) ? pp__association_z(p, t, products) : ranks;
}
