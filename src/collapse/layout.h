/* What is inside a sketch, for this folder only. */
#ifndef PITPROP_COLLAPSE_LAYOUT_H
#define PITPROP_COLLAPSE_LAYOUT_H

#include <string.h>

#include "pitprop/sketch.h"

/* The exact sums of a sketch, over the finite rows. Probabilities p count from 1/2, so that
 * variances do not cancel where collapsed models are. Sums of columns follow the named ones:
 * binary: what clamping to [0, 1] adds to p, and p of class 1; multi-class: normalised p of each;
 * regression: ten sums for each. */
enum {
    SUM_LOSS,    /* training loss */
    SUM_ENTROPY, /* of p, nats */
    SUM_LOG_LOSS_SQUARE,
    SUM_TOP, /* p (binary), largest p (multi-class), less 1/2 */
    SUM_TOP_SQUARE,
    SUM_SQUARE, /* multi-class: over the columns, of normalised p */
    SUM_ERROR,  /* classification: squared errors (Brier); regression: absolute errors */
    SUM_COLUMNS
};
enum { BINARY_CLAMPED = SUM_COLUMNS, BINARY_POSITIVE, BINARY_SUMS = 2 };
/* Of one regression column, predictions p and targets t around the centre of the target range, in
 * units of a power of two near its width, so that fourth powers stay within what a sum can hold. */
enum {
    COLUMN_P,
    COLUMN_PP,
    COLUMN_T,
    COLUMN_TT,
    COLUMN_TTT,
    COLUMN_TTTT,
    COLUMN_EE, /* e = p - t */
    COLUMN_EEEE,
    COLUMN_TEE,
    COLUMN_TTEE,
    COLUMN_SUMS
};

enum {
    BINARY_GROUPS = 3,          /* histograms of p: target 0, target 1, no target */
    MULTICLASS_GROUPS = 2,      /* histograms of p[c]: target is another class, target is c */
    FINEST = 32,                /* bins an octave of the binary and of the largest-p histogram */
    HISTOGRAM_COUNTS = 1 << 16, /* about as many in all histograms of a multi-class sketch */
    CONFUSION_CLASSES = 256,    /* the whole matrix up to here */
    REGRESSION_BINS = 8000, /* over twice the range of the targets; one more at either end beyond */
    JOINT_LEVELS = 12, /* distances from 0 by factors of 4, down to 2^-24 of the target range */
    JOINT_BINS = 2 * JOINT_LEVELS + 1
};

struct pp_sketch {
    int32_t kind, classes, columns, brief, unused;
    int32_t per_octave; /* bins an octave of the histograms that AUC comes from */
    int64_t bins;       /* of one of those */
    double low, high;
    double unit; /* regression: what one of the sums' units is; a power of two */
    int64_t n_sums, n_counts;
    int64_t rows, non_finite, out_of_range, label_outside;
    int64_t first_non_finite_row;      /* INT64_MAX: none */
    int64_t raw_rows, raw_cut;         /* finite rows with raw; of these, some p is not raw */
    double min, max;                   /* +inf, -inf: none yet */
    double raw_least, raw_greatest;    /* of all p with raw; +inf, -inf */
    double raised_most, lowered_least; /* of p > raw, the largest; of p < raw, the smallest */
    /* Where in the counts: histograms [columns][groups][bins] come first. */
    int64_t top;   /* histogram of the largest p (multi-class) */
    int64_t joint; /* regression: [columns][JOINT_BINS of p][JOINT_BINS of t] */
    int64_t targets, answers, hits, confusion;
    int64_t class_losses; /* in the sums: log loss of each class */
    pp_sum sums[];        /* [n_sums], then int64_t counts [n_counts] */
};

static inline int64_t *pp__counts(const pp_sketch *sketch)
{
    return (int64_t *)(uintptr_t)(sketch->sums + sketch->n_sums);
}

/* ---- bins of a probability: equal width 1/(125 per_octave), and geometric within 0.008 of 0, 1/2
 * and 1, where collapsed and confident models crowd: 16 octaves of per_octave bins each. per_octave
 * is a power of two up to 32. ---- */
int pp__bins(int per_octave);
/* p finite; clamped to [0, 1]. Inline, as every prediction of training passes here. */
static inline int pp__bin_of(int per_octave, float p);
double pp__bin_edge(int per_octave, int bin); /* lower edge; bin may be pp__bins: 1 */

/* [0, 1] is four mirrored segments of a quarter: up from 0, down to 1/2, up from 1/2, down to 1. A
 * segment is a ramp of distances from its dense end: one bin for the smallest, then
 * the octaves below 0.008, then equal widths up to 0.25. */
enum { RAMP_OCTAVES = 16, FLOAT_BIAS = 127, FLOAT_MANTISSA = 23 };

static inline int pp__ramp_bins(int per_octave)
{
    return 1 + (RAMP_OCTAVES - 1) * per_octave + (125 * per_octave + 3) / 4;
}

static inline int pp__ramp_of(int per_octave, float distance)
{
    float scaled = distance * 125.0f; /* the geometric part is below 1 */
    if (scaled >= 1.0f) {
        int bin = 1 + (RAMP_OCTAVES - 1) * per_octave + (int)(scaled * (float)per_octave);
        int last = pp__ramp_bins(per_octave) - 1;
        return bin < last ? bin : last;
    }
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    int kept = __builtin_ctz((unsigned)per_octave); /* mantissa bits that tell bins apart */
    int bin = (int)(bits >> (FLOAT_MANTISSA - kept)) - ((FLOAT_BIAS - RAMP_OCTAVES) << kept) + 1;
    return bin > 0 ? bin : 0;
}

static inline int pp__bin_of(int per_octave, float p)
{
    int ramp = pp__ramp_bins(per_octave);
    if (p <= 0.0f) return 0;
    if (p >= 1.0f) return 4 * ramp - 1;
    float u = p < 0.5f ? p : 1.0f - p; /* exact from 0.5 on */
    int bin =
        u < 0.25f ? pp__ramp_of(per_octave, u) : 2 * ramp - 1 - pp__ramp_of(per_octave, 0.5f - u);
    return p < 0.5f ? bin : 4 * ramp - 1 - bin;
}

/* ---- bins of a regression: 1 + REGRESSION_BINS + 1 ---- */
int pp__regression_bin(const pp_sketch *sketch, double p);
double pp__regression_edge(const pp_sketch *sketch, int bin); /* -inf for bin 0 */
/* Coarse ones, for ranks: geometric in the distance from 0, or from the end of the target range
 * that is nearest to it, where heavy tails leave the bulk of the values. */
int pp__joint_bin(const pp_sketch *sketch, double value);

/* ---- association ---- */

/* One variable: moments of its scores around their mean. */
typedef struct pp__margin {
    double rows, squares, fourths; /* sums over the rows; of fourth powers at least the sum */
    double largest;                /* magnitude of a score, at most */
} pp__margin;
void pp__margin_add(pp__margin *margin, double score, double count);
/* Standard deviations from independence of the sum of a row's score of a times that of b. */
double pp__association_z(const pp__margin *a, const pp__margin *b, double products);
/* Of a regression column: by ranks where tails are so heavy that few rows decide. */
double pp__regression_z(const pp_sketch *sketch, int column, const pp__margin *p,
                        const pp__margin *t, double products);

/* ---- area under the ROC curve. Binary: of class 1. Multi-class: one against the rest, mean over
 * the classes that occur; the error is the mean as well, which no dependence between the classes
 * can exceed. ---- */
typedef struct pp__auc {
    double value; /* NaN: one class only */
    double bound; /* |true AUC - value| <= bound */
    double error; /* standard error */
    double z;     /* of the rank sum under independence, the strongest of `tests` */
    int tests;
} pp__auc;
pp__auc pp__sketch_auc(const pp_sketch *sketch);

#endif
