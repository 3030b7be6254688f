/* Are predictions and targets related? How far their product moment lies from what it is when the
 * targets are shuffled among the rows, in standard deviations. Mean and variance of that are known
 * whatever the distributions are (Pitman, J. R. Stat. Soc. Suppl. 4, 1937); that it is normal is
 * not, where few rows decide. Everything here that chooses between statistics looks at the margins
 * alone, which shuffling leaves as they are, so that the choice costs no error rate. */
#include <math.h>

#include "layout.h"

#define HEAVY 0.1          /* excess kurtosis from which the normal tail is not believed */
#define MOSTLY_ONE_BIN 0.9 /* of the predictions: ranks of bins say nothing */

void pp__margin_add(pp__margin *margin, double score, double count)
{
    if (count <= 0) return;
    margin->rows += count;
    margin->squares += count * score * score;
    margin->fourths += count * score * score * score * score;
    margin->largest = fmax(margin->largest, fabs(score));
}

/* Of the shuffled correlation r of n rows: E r^4 = 3 / (n^2 - 1) (1 + (n - 2) (n - 3) g h /
 * (3 n (n - 1)^2)) of the excess kurtoses g and h, in units of its variance 1 / (n - 1) squared. */
static double excess_kurtosis(const pp__margin *a, const pp__margin *b)
{
    double n = a->rows;
    double g = n * a->fourths / (a->squares * a->squares) - 3;
    double h = n * b->fourths / (b->squares * b->squares) - 3;
    double both = (n - 2) * (n - 3) * g * h / (3 * n * (n - 1) * (n - 1));
    return 3 * (n - 1) / (n + 1) * (1 + both) - 3;
}

/* Where few rows weigh more than all others, Bernstein's inequality: a sum of standard deviation 1
 * whose terms are at most m has tails as exp(-z^2 / 2 / (1 + m z / 3)). */
double pp__association_z(const pp__margin *a, const pp__margin *b, double products)
{
    double n = a->rows;
    if (!(n > 1 && a->squares > 0 && b->squares > 0)) return 0.0;
    double scale = sqrt(a->squares) * sqrt(b->squares);
    double z = fmax(-1, fmin(1, products / scale)) * sqrt(n - 1);
    if (n < 4 || excess_kurtosis(a, b) <= HEAVY) return z;
    double most = a->largest * b->largest * sqrt(n) / scale;
    return z / sqrt(1 + most * fabs(z) / 3);
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

/* Spearman's statistic of the joint histogram; NaN where it has too few bins to say anything. */
static double rank_z(const int64_t *joint)
{
    double p[JOINT_BINS] = {0}, t[JOINT_BINS] = {0}, p_score[JOINT_BINS], t_score[JOINT_BINS];
    double rows = 0, products = 0;
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
    return pp__association_z(&of_p, &of_t, products);
}

double pp__regression_z(const pp_sketch *sketch, int column, const pp__margin *p,
                        const pp__margin *t, double products)
{
    const int64_t *joint =
        pp__counts(sketch) + sketch->joint + (int64_t)column * JOINT_BINS * JOINT_BINS;
    if (!(p->squares > 0 && t->squares > 0)) return 0.0;
    double ranks = p->rows >= 4 && excess_kurtosis(p, t) > HEAVY ? rank_z(joint) : NAN;
    return isnan(ranks) ? pp__association_z(p, t, products) : ranks;
}
