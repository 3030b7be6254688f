/* What is inside a sketch, for this folder only. */
#ifndef PITPROP_COLLAPSE_LAYOUT_H
#define PITPROP_COLLAPSE_LAYOUT_H

#include <math.h>
#include <string.h>

#include "pitprop/sketch.h"

/* The exact sums of a sketch, over the finite rows. Probabilities p count from 1/2, so that
 * variances do not cancel where collapsed models are. Sums of columns follow the named ones:
 * binary: what clamping to [0, 1] adds to p, and p of class 1; multi-class: normalised p of each;
 * regression: ten sums for each. */
enum {
    SUM_LOSS, /* training loss */
    SUM_LOSS_SQUARE,
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
    JOINT_LEVELS = 24, /* distances from 0 by factors of 4, down to 2^-48 of the target range */
    JOINT_BINS = 2 * JOINT_LEVELS + 1,
    DETAILED = 32, /* regression columns that have a joint histogram and the three below */
    DETAIL_PER_OCTAVE = 8,
    DETAIL_OCTAVES = 64, /* distances from 2^-52 to 2^12 of the target range */
    DETAIL_BINS = 2 * DETAIL_PER_OCTAVE * DETAIL_OCTAVES + 1
};

/* Histograms of one regression column, geometric to both sides of their reference: p and t from the
 * end of the target range that is nearest to 0, or 0; e = p - t from 0. */
enum { DETAIL_P, DETAIL_T, DETAIL_E, DETAIL_PARTS };

/* The farthest target of a column on one side, and its row; value -inf or +inf: none. */
typedef struct pp__extreme {
    double value;
    int64_t row;
} pp__extreme;

/* Predictions that some rows have in common, bit by bit; rows 0: none. */
typedef struct pp__answer {
    uint64_t hash;
    int64_t rows;
    uint64_t outcome; /* that all of them had, or MIXED */
    double place;
} pp__answer;
enum { KEPT = 256 };
enum { OUTCOME_NONE, OUTCOME_MIXED, OUTCOME_FIRST };

/* Whether a bin holds one value only: 0: none, 1: several, else the bits of that float, plus 2. */
enum { VALUE_NONE, VALUE_MIXED, VALUE_FIRST };

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
    int64_t detail;       /* regression, unless brief: [detailed][DETAIL_PARTS][DETAIL_BINS] */
    int64_t n_extremes;   /* 2 * detailed: least and greatest target of each */
    int64_t n_values;     /* unless brief: bins of one histogram of p, for each column of classes */
    int64_t detailed;
    int64_t n_kept; /* unless brief: answers, by their hashes */
    pp_sum
        sums[]; /* [n_sums], then int64_t counts [n_counts], extremes, answers, uint32_t values */
};

static inline int64_t *pp__counts(const pp_sketch *sketch)
{
    return (int64_t *)(uintptr_t)(sketch->sums + sketch->n_sums);
}

static inline pp__extreme *pp__extremes(const pp_sketch *sketch)
{
    return (pp__extreme *)(void *)(pp__counts(sketch) + sketch->n_counts);
}

static inline pp__answer *pp__answers(const pp_sketch *sketch)
{
    return (pp__answer *)(void *)(pp__extremes(sketch) + sketch->n_extremes);
}

static inline uint32_t *pp__values(const pp_sketch *sketch)
{
    return (uint32_t *)(void *)(pp__answers(sketch) + sketch->n_kept);
}

static inline int64_t *pp__detail(const pp_sketch *sketch, int column, int part)
{
    return pp__counts(sketch) + sketch->detail +
           ((int64_t)column * DETAIL_PARTS + part) * DETAIL_BINS;
}

/* ---- reading sums ---- */

static inline double pp__sum_of(const pp_sketch *sketch, int index)
{
    return pp_sum_value(sketch->sums + index);
}

static inline double pp__mean_of(const pp_sketch *sketch, int index, int64_t count)
{
    return count > 0 ? pp__sum_of(sketch, index) / (double)count : NAN;
}

/* A variance that rounding has pushed below 0 is 0; NaN stays. */
static inline double pp__not_negative(double variance)
{
    return variance < 0 ? 0.0 : variance;
}

static inline double pp__root(double variance)
{
    return sqrt(pp__not_negative(variance));
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
double pp__reference(const pp_sketch *sketch); /* where distances of p and t count from */
int pp__detail_bin(const pp_sketch *sketch, double distance);
double pp__detail_edge(const pp_sketch *sketch,
                       int bin); /* lower; finite; bin may be DETAIL_BINS */

/* ---- association ---- */

/* One variable: moments of its scores around their mean. */
typedef struct pp__margin {
    double rows, squares, fourths; /* sums over the rows; of fourth powers at least the sum */
    double largest;                /* magnitude of a score, at most */
} pp__margin;
void pp__margin_add(pp__margin *margin, double score, double count);
/* Standard deviations from independence of the sum of a row's score of a times that of b. */
double pp__association_z(const pp__margin *a, const pp__margin *b, double products);
int pp__has_long_tail(const pp__margin *margin);
/* Of the joint histogram of a detailed column, with the rank correlation; NaN: too few bins. */
const int64_t *pp__joint(const pp_sketch *sketch, int column);
double pp__rank_z(const int64_t *joint, double *correlation);
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
/* Of one class against the rest; binary: of class 1. */
pp__auc pp__class_auc(const pp_sketch *sketch, int column);

/* ---- what simple repairs of probabilities would be worth: of one class against the rest ---- */

/* Skill against the best constant, its standard error, and the summed loss of that constant. */
typedef struct pp__gain {
    double skill, error, base;
} pp__gain;

typedef struct pp__repair {
    int known;              /* both classes occur, and the sketch is not brief */
    double mean, deviation; /* of p */
    pp__gain given;         /* p as it is */
    pp__gain turned;        /* 1 - p */
    pp__gain shifted;       /* log-odds + offset */
    pp__gain scaled;        /* intercept + slope * log-odds */
    double offset, intercept, slope;
    double best_decision; /* largest share found less share of false alarms, ... */
    double threshold;     /* ... of answers from here on */
    double calibration;   /* expected calibration error */
} pp__repair;
pp__repair pp__repair_of(const pp_sketch *sketch, int column);
/* Decimals of all predictions that are rounded to 0 to 3; -1: not rounded. */
int pp__decimals(const pp_sketch *sketch);

/* ---- copies ---- */
void pp__clear_answers(pp_sketch *sketch);
void pp__note_answers(pp_sketch *sketch, const pp_sketch_rows *rows);
void pp__merge_answers(pp_sketch *into, const pp_sketch *from);
/* Of so many labelled rows, as many as count: copies are one. NaN: not known. */
double pp__effective_rows(const pp_sketch *sketch, double rows);

/* ---- one class or one column ---- */

#define PP__DEAD_LEVEL 1e-4      /* of taking a part that is told apart for dead */
#define PP__UNRELATED_LEVEL 1e-3 /* of taking one that is told usefully for unrelated */
/* Adds an index to a list of which the first PP_DEAD_LISTED are kept. */
void pp__list_part(int index, int *count, int *first);

/* ---- classes ---- */

/* What there is to say class by class, of a sketch that is not brief. */
void pp__put_classes(const pp_sketch *sketch, pp_summary *s);

/* ---- regression ---- */

#define PP__TARGET_SHARE 0.02 /* tolerance in target deviations: 0.01 for balanced classes */
/* All that the columns show; rows: finite ones. */
void pp__put_columns(const pp_sketch *sketch, int64_t rows, int64_t targets, pp_summary *s);

#endif
