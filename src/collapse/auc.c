#include <math.h>

#include "layout.h"

/* Hanley & McNeil, Radiology 143 (1982): standard error of an AUC a of so many rows. */
static double hanley_mcneil(double a, double positives, double negatives)
{
    double q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
    double variance = a * (1 - a) + (positives - 1) * (q1 - a * a) + (negatives - 1) * (q2 - a * a);
    return variance > 0 ? sqrt(variance / (positives * negatives)) : 0.0;
}

/* Share of (positive, negative) pairs in order. Pairs within a bin count half; whatever their true
 * order, the value is off by at most half their share. */
static pp__auc auc_of(const int64_t *negative, const int64_t *positive, int bins)
{
    double below = 0, positives = 0, ordered = 0, tied = 0;
    for (int i = 0; i < bins; i++) {
        ordered += (double)positive[i] * below;
        tied += (double)positive[i] * (double)negative[i];
        below += (double)negative[i];
        positives += (double)positive[i];
    }
    double pairs = positives * below;
    pp__auc result = {NAN, NAN, NAN};
    if (pairs <= 0) return result;
    result.value = (ordered + tied / 2) / pairs;
    result.bound = tied / 2 / pairs;
    result.error = hanley_mcneil(result.value, positives, below);
    return result;
}

pp__auc pp__sketch_auc(const pp_sketch *sketch)
{
    const int64_t *counts = pp__counts(sketch);
    int bins = pp__bins(sketch->per_octave);
    if (sketch->kind == PP_SKETCH_BINARY) return auc_of(counts, counts + bins, bins);
    pp__auc mean = {0, 0, 0};
    int classes = 0;
    for (int c = 0; c < sketch->classes; c++, counts += (int64_t)MULTICLASS_GROUPS * bins) {
        pp__auc one = auc_of(counts, counts + bins, bins);
        if (isnan(one.value)) continue;
        mean.value += one.value;
        mean.bound += one.bound;
        mean.error += one.error;
        classes++;
    }
    mean.value = classes > 0 ? mean.value / classes : NAN;
    mean.bound = classes > 0 ? mean.bound / classes : NAN;
    mean.error = classes > 0 ? mean.error / classes : NAN;
    return mean;
}
