/* What predicted probabilities would be worth after the simplest of repairs. From the histograms of
 * each class, whose bins are narrow where probabilities crowd, so that it is exact but for the
 * width of bins that hold several values. */
#include <math.h>

#include "layout.h"

#define CLAMP 1e-7 /* as in the log loss */
enum { MOST_POINTS = 8192, STEPS = 60, CALIBRATION_BINS = 10 };
#define FAR 60.0   /* log-odds, beyond which nothing changes */
#define SMALL 1e-9 /* step of log-odds */

/* Rows of one prediction: its log-odds, and how many are of the class and are not. */
typedef struct point {
    double p, z, no, yes;
} point;

typedef struct points {
    int count;
    double no, yes; /* rows */
    point at[MOST_POINTS];
} points;

static double value_of(const pp_sketch *sketch, int column, int bin)
{
    uint32_t state = pp__values(sketch)[(int64_t)column * sketch->bins + bin];
    float value;
    if (state != VALUE_MIXED) {
        uint32_t bits = state - VALUE_FIRST;
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    double from = pp__bin_edge(sketch->per_octave, bin);
    double to = pp__bin_edge(sketch->per_octave, bin + 1);
    return from + (to - from) / 2;
}

static double log_odds(double p)
{
    double q = fmin(1 - CLAMP, fmax(CLAMP, p));
    return log(q) - log1p(-q);
}

static void collect(const pp_sketch *sketch, int column, points *all)
{
    int groups = sketch->kind == PP_SKETCH_BINARY ? BINARY_GROUPS : MULTICLASS_GROUPS;
    const int64_t *no = pp__counts(sketch) + (int64_t)column * groups * sketch->bins;
    const int64_t *yes = no + sketch->bins;
    all->count = 0;
    all->no = all->yes = 0;
    for (int i = 0; i < sketch->bins && all->count < MOST_POINTS; i++) {
        if (no[i] + yes[i] == 0) continue;
        double p = value_of(sketch, column, i);
        all->at[all->count++] = (point){p, log_odds(p), (double)no[i], (double)yes[i]};
        all->no += (double)no[i];
        all->yes += (double)yes[i];
    }
}

static double sigmoid(double z)
{
    return z < 0 ? exp(z) / (1 + exp(z)) : 1 / (1 + exp(-z));
}

/* -log sigmoid(z), no smaller than that of a clamped probability. */
static double minus_log(double z)
{
    return z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z;
}

/* ---- skill of log-odds a + b z, with the error of the ratio as in put_class_skill ---- */

static pp__gain gain_of(const points *all, double a, double b)
{
    double n = all->no + all->yes, base_no = -log(all->no / n), base_yes = -log(all->yes / n);
    double loss = 0, squares = 0, base = all->no * base_no + all->yes * base_yes;
    for (int i = 0; i < all->count; i++) {
        const point *at = all->at + i;
        double z = a + b * at->z;
        loss += at->yes * minus_log(z) + at->no * minus_log(-z);
    }
    double rest = loss / base;
    for (int i = 0; i < all->count; i++) {
        const point *at = all->at + i;
        double z = a + b * at->z;
        double yes = rest * base_yes - minus_log(z), no = rest * base_no - minus_log(-z);
        squares += at->yes * yes * yes + at->no * no * no;
    }
    return (pp__gain){1 - rest, sqrt(squares) / base, base};
}

/* The shift that makes the mean probability right: Newton's steps, kept within a bracket. */
static double best_shift(const points *all, double slope)
{
    double low = -FAR, high = FAR, a = 0;
    for (int step = 0; step < STEPS && high - low > SMALL; step++) {
        double excess = -all->yes, change = 0;
        for (int i = 0; i < all->count; i++) {
            double q = sigmoid(a + slope * all->at[i].z), rows = all->at[i].no + all->at[i].yes;
            excess += rows * q;
            change += rows * q * (1 - q);
        }
        if (excess > 0)
            high = a;
        else
            low = a;
        double next = change > 0 ? a - excess / change : low;
        if (fabs(next - a) < SMALL) break;
        a = next > low && next < high ? next : low + (high - low) / 2;
    }
    return a;
}

static double loss_at(const points *all, double a, double b)
{
    double loss = 0;
    for (int i = 0; i < all->count; i++) {
        double z = a + b * all->at[i].z;
        loss += all->at[i].yes * minus_log(z) + all->at[i].no * minus_log(-z);
    }
    return loss;
}

/* Platt's scaling (Advances in Large Margin Classifiers, 1999): Newton's steps, halved while they
 * do not help. */
static void best_scale(const points *all, double *a, double *b)
{
    *a = log(all->yes / all->no);
    *b = 0;
    double loss = loss_at(all, *a, *b);
    for (int step = 0; step < STEPS; step++) {
        double ga = 0, gb = 0, aa = 1e-9, ab = 0, bb = 1e-9;
        for (int i = 0; i < all->count; i++) {
            const point *at = all->at + i;
            double rows = at->no + at->yes, q = sigmoid(*a + *b * at->z), w = rows * q * (1 - q);
            ga += rows * q - at->yes;
            gb += (rows * q - at->yes) * at->z;
            aa += w;
            ab += w * at->z;
            bb += w * at->z * at->z;
        }
        double scale = aa * bb - ab * ab;
        if (!(scale > 0)) return;
        double da = (bb * ga - ab * gb) / scale, db = (aa * gb - ab * ga) / scale, size = 1;
        double next = loss_at(all, *a - da, *b - db);
        for (; !(next <= loss) && size > 1e-3; next = loss_at(all, *a - size * da, *b - size * db))
            size /= 2;
        if (!(next <= loss)) return;
        *a -= size * da;
        *b -= size * db;
        if (loss - next < 1e-9 * loss) return;
        loss = next;
    }
}

/* Youden's index (Cancer 3, 1950) at the threshold that is best: the answer is the class from there
 * on. */
static double best_decision(const points *all, double *threshold)
{
    double best = 0, passed = 0, found = 0;
    *threshold = NAN;
    for (int i = all->count - 1; i >= 0; i--) {
        found += all->at[i].yes / all->yes;
        passed += all->at[i].no / all->no;
        if (!(found - passed > best)) continue;
        best = found - passed;
        *threshold = i > 0 ? (all->at[i].p + all->at[i - 1].p) / 2 : all->at[i].p;
    }
    return best;
}

/* Expected calibration error over equal widths (Naeini and others, AAAI 2015). */
static double calibration_error(const points *all)
{
    double gap[CALIBRATION_BINS] = {0}, sum = 0;
    for (int i = 0; i < all->count; i++) {
        const point *at = all->at + i;
        int bin = (int)(fmin(1, fmax(0, at->p)) * CALIBRATION_BINS);
        gap[bin < CALIBRATION_BINS ? bin : CALIBRATION_BINS - 1] +=
            at->yes - (at->no + at->yes) * at->p;
    }
    for (int i = 0; i < CALIBRATION_BINS; i++)
        sum += fabs(gap[i]);
    return sum / (all->no + all->yes);
}

static void put_moments(const points *all, pp__repair *r)
{
    double rows = all->no + all->yes, squares = 0;
    for (int i = 0; i < all->count; i++)
        r->mean += (all->at[i].no + all->at[i].yes) * all->at[i].p / rows;
    for (int i = 0; i < all->count; i++) {
        double from_mean = all->at[i].p - r->mean;
        squares += (all->at[i].no + all->at[i].yes) * from_mean * from_mean;
    }
    r->deviation = sqrt(squares / rows);
}

pp__repair pp__repair_of(const pp_sketch *sketch, int column)
{
    points all;
    pp__repair r = {.known = 0};
    if (sketch->n_values == 0) return r;
    collect(sketch, column, &all);
    put_moments(&all, &r);
    if (!(all.no > 0 && all.yes > 0) || all.count == MOST_POINTS) return r;
    r.known = 1;
    r.given = gain_of(&all, 0, 1);
    r.turned = gain_of(&all, 0, -1);
    r.offset = best_shift(&all, 1);
    r.shifted = gain_of(&all, r.offset, 1);
    best_scale(&all, &r.intercept, &r.slope);
    r.scaled = gain_of(&all, r.intercept, r.slope);
    r.best_decision = best_decision(&all, &r.threshold);
    r.calibration = calibration_error(&all);
    return r;
}

/* ---- how the predictions were written ---- */

/* 0: whole numbers, ... MOST_DECIMALS; -1: not rounded, or nobody knows. */
int pp__decimals(const pp_sketch *sketch)
{
    enum { MOST_DECIMALS = 3 };
    int most = 0;
    if (sketch->n_values == 0) return -1;
    for (int64_t i = 0; i < sketch->n_values; i++) {
        uint32_t bits = pp__values(sketch)[i];
        if (bits == VALUE_NONE) continue;
        if (bits == VALUE_MIXED) return -1;
        bits -= VALUE_FIRST;
        float value;
        memcpy(&value, &bits, sizeof value);
        double power = pow(10, most);
        while (most <= MOST_DECIMALS && (float)(rint((double)value * power) / power) != value)
            power = pow(10, ++most);
        if (most > MOST_DECIMALS) return -1;
    }
    return most;
}
