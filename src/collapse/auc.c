#include <math.h>

#include "layout.h"

/* Two histograms of scores over the same bins. */
typedef struct two_classes {
    const int64_t *negative, *positive;
    int bins;
    double negatives, positives;
} two_classes;

/* DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988): the variance of the mean placement of the
 * rows of each class among those of the other; ties count half. */
static double delong(const two_classes *h, double auc)
{
    double below = 0, above = h->positives, of_positives = 0, of_negatives = 0;
    for (int i = 0; i < h->bins; i++) {
        double n = (double)h->negative[i], p = (double)h->positive[i];
        above -= p;
        double placed = (below + n / 2) / h->negatives - auc;
        double passed = (above + p / 2) / h->positives - auc;
        of_positives += p * placed * placed;
        of_negatives += n * passed * passed;
        below += n;
    }
    return sqrt(of_positives / (h->positives * fmax(1, h->positives - 1)) +
                of_negatives / (h->negatives * fmax(1, h->negatives - 1)));
}

/* A sample in perfect order, or one row of a class, has no spread of placements: then what the rule
 * of three allows, 3 in the number of rows of the smaller class at two standard errors. */
static double standard_error(const two_classes *h, double auc)
{
    double least = 1.5 / fmin(h->positives, h->negatives);
    double error = delong(h, auc);
    int is_thin = h->positives < 2 || h->negatives < 2 || auc <= 0 || auc >= 1;
    return is_thin ? fmin(0.5, fmax(error, least)) : error;
}

/* Of the rank sum of the positives when the labels are shuffled (Mann & Whitney, Ann. Math. Stat.
 * 18, 1947), ties sharing their mean rank. Ranks from -1/2 to 1/2 around their mean. */
static double rank_sum_z(const two_classes *h)
{
    double rows = h->negatives + h->positives, share = h->positives / rows, below = 0, sum = 0;
    pp__margin ranks = {0}, labels = {0};
    for (int i = 0; i < h->bins; i++) {
        double count = (double)(h->negative[i] + h->positive[i]);
        double rank = (below + count / 2 - rows / 2) / rows;
        pp__margin_add(&ranks, rank, count);
        sum += (double)h->positive[i] * rank;
        below += count;
    }
    pp__margin_add(&labels, 1 - share, h->positives);
    pp__margin_add(&labels, -share, h->negatives);
    return pp__association_z(&ranks, &labels, sum);
}

/* Share of (positive, negative) pairs in order. Pairs within a bin count half; where the bin holds
 * several values, whatever their true order, the value is off by at most half their share. */
static pp__auc auc_of(const int64_t *negative, const int64_t *positive, const uint32_t *values,
                      int bins)
{
    double ordered = 0, tied = 0, unknown = 0;
    two_classes h = {negative, positive, bins, 0, 0};
    for (int i = 0; i < bins; i++) {
        double within = (double)positive[i] * (double)negative[i];
        ordered += (double)positive[i] * h.negatives;
        tied += within;
        if (values == NULL || values[i] == VALUE_MIXED) unknown += within;
        h.negatives += (double)negative[i];
        h.positives += (double)positive[i];
    }
    double pairs = h.positives * h.negatives;
    pp__auc result = {NAN, NAN, NAN, 0, 0};
    if (pairs <= 0) return result;
    result.value = (ordered + tied / 2) / pairs;
    result.bound = unknown / 2 / pairs;
    result.error = standard_error(&h, result.value);
    result.z = rank_sum_z(&h);
    result.tests = 1;
    return result;
}

pp__auc pp__class_auc(const pp_sketch *sketch, int column)
{
    int bins = pp__bins(sketch->per_octave);
    int groups = sketch->kind == PP_SKETCH_BINARY ? BINARY_GROUPS : MULTICLASS_GROUPS;
    const int64_t *counts = pp__counts(sketch) + (int64_t)column * groups * bins;
    const uint32_t *values = pp__values(sketch) + (int64_t)column * bins;
    return auc_of(counts, counts + bins, sketch->n_values > 0 ? values : NULL, bins);
}

pp__auc pp__sketch_auc(const pp_sketch *sketch)
{
    if (sketch->kind == PP_SKETCH_BINARY) return pp__class_auc(sketch, 0);
    pp__auc mean = {0, 0, 0, 0, 0};
    int classes = 0;
    for (int c = 0; c < sketch->classes; c++) {
        pp__auc one = pp__class_auc(sketch, c);
        if (isnan(one.value)) continue;
        mean.value += one.value;
        mean.bound += one.bound;
        mean.error += one.error;
        if (fabs(one.z) > fabs(mean.z)) mean.z = one.z;
        classes++;
    }
    mean.value = classes > 0 ? mean.value / classes : NAN;
    mean.bound = classes > 0 ? mean.bound / classes : NAN;
    mean.error = classes > 0 ? mean.error / classes : NAN;
    mean.tests = classes;
    return mean;
}
