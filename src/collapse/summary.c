/* Reading a sketch: exact counts and sums to the numbers that people and verdicts use. */
#include "pitprop/sketch.h"

#include <math.h>

#include "pitprop/check.h"
#include "layout.h"

#define HALF_WIDTH 0.01 /* "at 0.5" */
#define AT_LIMIT 1e-6   /* "at 0 or 1" */
#define EDGE_SLACK 1e-6 /* of the reach: borders of bins are rounded */
#define ROUNDING 1e-12  /* of a squared mean: a variance below it is noise of the subtraction */
static const double NATS_TO_BITS = 1.4426950408889634;

/* -x log x, nats. */
static double surprise(double share)
{
    return share > 0 ? -share * log(share) : 0.0;
}

/* ---- one histogram out of several: the bins of `groups` histograms in a row are added ---- */

typedef struct bins_view {
    const pp_sketch *sketch;
    const int64_t *counts; /* [groups][count] */
    int groups, count;
    int per_octave; /* 0: a regression */
} bins_view;

static int64_t bin_count(const bins_view *view, int bin)
{
    int64_t count = 0;
    for (int g = 0; g < view->groups; g++)
        count += view->counts[(int64_t)g * view->count + bin];
    return count;
}

static double bin_edge(const bins_view *view, int bin)
{
    return view->per_octave > 0 ? pp__bin_edge(view->per_octave, bin)
                                : pp__regression_edge(view->sketch, bin);
}

/* The histogram of one column for pictures. */
static bins_view column_view(const pp_sketch *sketch, int column)
{
    bins_view view = {sketch, pp__counts(sketch), 1, REGRESSION_BINS + 2, sketch->per_octave};
    if (sketch->kind == PP_SKETCH_REGRESSION) return view;
    view.count = pp__bins(view.per_octave);
    view.groups = sketch->kind == PP_SKETCH_BINARY ? BINARY_GROUPS : MULTICLASS_GROUPS;
    view.counts += (int64_t)column * view.groups * view.count;
    return view;
}

/* The histogram of the numbers that the summary's mean is about. */
static bins_view main_view(const pp_sketch *sketch)
{
    if (sketch->kind != PP_SKETCH_MULTICLASS) return column_view(sketch, 0);
    bins_view view = {sketch, pp__counts(sketch) + sketch->top, 1, pp__bins(FINEST), FINEST};
    return view;
}

/* The part of an occupied bin where values can be: no wider than the values are apart. */
static double occupied_from(const bins_view *view, int bin)
{
    return fmin(fmax(bin_edge(view, bin), view->sketch->min), view->sketch->max);
}

static double occupied_to(const bins_view *view, int bin)
{
    return fmax(fmin(bin_edge(view, bin + 1), view->sketch->max), view->sketch->min);
}

/* Share of the counted values in bins that lie wholly within [centre - reach, centre + reach]. */
static double mass_near(const bins_view *view, double centre, double reach)
{
    int64_t all = 0, near = 0;
    double low = centre - reach * (1 + EDGE_SLACK), high = centre + reach * (1 + EDGE_SLACK);
    for (int i = 0; i < view->count; i++) {
        int64_t count = bin_count(view, i);
        all += count;
        if (count > 0 && occupied_from(view, i) >= low && occupied_to(view, i) <= high)
            near += count;
    }
    return all > 0 && !isnan(centre) ? (double)near / (double)all : NAN;
}

/* To half the width of a bin, and exact where all values are equal. */
static double median_of(const bins_view *view)
{
    int64_t all = 0, below = 0;
    for (int i = 0; i < view->count; i++)
        all += bin_count(view, i);
    if (all == 0) return NAN;
    int bin = 0;
    while (2 * (below + bin_count(view, bin)) < all)
        below += bin_count(view, bin++);
    double low = occupied_from(view, bin);
    return low + (occupied_to(view, bin) - low) / 2;
}

void pp_sketch_histogram(const pp_sketch *sketch, int column, double low, double high, int bins,
                         int64_t *counts)
{
    PP_CHECK(column >= 0 && column < sketch->columns && bins > 0 && high > low);
    bins_view view = column_view(sketch, column);
    for (int i = 0; i < bins; i++)
        counts[i] = 0;
    for (int i = 0; i < view.count; i++) {
        double from = bin_edge(&view, i), to = bin_edge(&view, i + 1);
        double middle = isinf(from) ? low - 1 : isinf(to) ? high : from + (to - from) / 2;
        double place = floor((middle - low) / (high - low) * bins);
        int bin = place < 0 ? 0 : place >= bins ? bins - 1 : (int)place;
        counts[bin] += bin_count(&view, i);
    }
}

/* ---- classification ---- */

static void put_answers(const pp_sketch *sketch, int64_t rows, int64_t labelled, pp_summary *s)
{
    int64_t hits = 0;
    double recalls = 0;
    for (int c = 0; c < sketch->classes; c++) {
        int64_t targets = pp_sketch_targets(sketch, c), answers = pp_sketch_answers(sketch, c);
        int64_t class_hits = pp_sketch_confusion(sketch, c, c);
        hits += class_hits;
        if (targets > 0) recalls += (double)class_hits / (double)targets;
        s->classes_present += targets > 0;
        s->classes_predicted += answers > 0;
        if (answers > 0 && (s->answer < 0 || answers > pp_sketch_answers(sketch, s->answer)))
            s->answer = c;
    }
    if (s->answer >= 0)
        s->answer_share = (double)pp_sketch_answers(sketch, s->answer) / (double)rows;
    if (labelled == 0) return;
    s->accuracy = (double)hits / (double)labelled;
    s->balanced_accuracy = recalls / s->classes_present;
}

/* Of p clamped to [0, 1] or normalised. */
static double mean_probability(const pp_sketch *sketch, int class_index, int64_t rows)
{
    if (sketch->kind == PP_SKETCH_MULTICLASS)
        return pp__mean_of(sketch, SUM_COLUMNS + class_index, rows);
    double p = 0.5 + pp__mean_of(sketch, SUM_TOP, rows) + pp__mean_of(sketch, BINARY_CLAMPED, rows);
    return class_index == 1 ? p : 1 - p;
}

/* Means of p against shares of targets: information, the best constant answer, distances. */
static void put_shares(const pp_sketch *sketch, int64_t rows, int64_t labelled, pp_summary *s)
{
    double entropy_of_mean = 0, base_loss = 0, variance = pp__mean_of(sketch, SUM_SQUARE, rows);
    double target_variance = 0, farthest = 0;
    for (int c = 0; c < sketch->classes; c++) {
        double p = mean_probability(sketch, c, rows);
        double share = (double)pp_sketch_targets(sketch, c) / (double)labelled;
        entropy_of_mean += surprise(p);
        base_loss += surprise(share);
        variance -= p * p;
        target_variance += share * (1 - share);
        farthest = fmax(farthest, fabs(p - share));
        s->base_error =
            fmax(c == 0 ? 0.0 : s->base_error, pp__root(share * (1 - share) / (double)labelled));
    }
    double bits = (entropy_of_mean - pp__mean_of(sketch, SUM_ENTROPY, rows)) * NATS_TO_BITS;
    if (!sketch->brief) s->information = bits > 0 ? bits : 0.0;
    if (labelled == 0) {
        s->base_error = NAN;
        return;
    }
    s->base_loss = base_loss;
    s->spread = target_variance > 0 ? pp__root(variance / target_variance) : NAN;
    s->base_distance = farthest;
}

static void put_binary(const pp_sketch *sketch, int64_t labelled, pp_summary *s)
{
    bins_view view = main_view(sketch);
    double base = (double)pp_sketch_targets(sketch, 1) / (double)labelled;
    s->half_mass = mass_near(&view, 0.5, HALF_WIDTH);
    s->spread = s->base_distance = NAN;
    if (labelled == 0) return;
    s->target_mean = base;
    s->target_deviation = pp__root(base * (1 - base));
    if (s->target_deviation > 0) {
        s->tolerance = PP__TARGET_SHARE * s->target_deviation;
        s->spread = s->deviation / s->target_deviation;
    }
    s->base_mass = mass_near(&view, base, s->tolerance);
    s->base_distance = fabs(s->median - base);
}

/* 1 - L / B of the mean log loss L and B of the class shares. A row's part in the error of the
 * ratio is (1 - skill) b - l, whose mean is 0; that B is estimated too changes nothing to first
 * order, as the shares are where it is least. */
static void put_class_skill(const pp_sketch *sketch, int64_t labelled, pp_summary *s)
{
    double n = (double)labelled, loss = 0;
    for (int c = 0; c < sketch->classes; c++)
        loss += pp__sum_of(sketch, (int)sketch->class_losses + c);
    s->log_loss = loss / n;
    if (!(s->base_loss > 0)) return;
    s->skill = 1 - s->log_loss / s->base_loss;
    double squares = pp__sum_of(sketch, SUM_LOG_LOSS_SQUARE), rest = 1 - s->skill;
    for (int c = 0; c < sketch->classes; c++) {
        double targets = (double)pp_sketch_targets(sketch, c);
        double base = targets > 0 ? -log(targets / n) : 0.0;
        squares += rest * base *
                   (targets * rest * base - 2 * pp__sum_of(sketch, (int)sketch->class_losses + c));
    }
    s->skill_error = pp__root(squares) / n / s->base_loss;
}

/* Of labels on p: cov / var. */
static double binary_slope(const pp_sketch *sketch, int64_t rows, double base)
{
    double mean = pp__mean_of(sketch, SUM_TOP, rows);
    double variance = pp__mean_of(sketch, SUM_TOP_SQUARE, rows) - mean * mean;
    double covariance = pp__mean_of(sketch, BINARY_POSITIVE, rows) - base * mean;
    return variance > ROUNDING * mean * mean ? covariance / variance : NAN;
}

static void put_classification(const pp_sketch *sketch, int64_t rows, pp_summary *s)
{
    int64_t labelled = 0;
    for (int c = 0; c < sketch->classes; c++)
        labelled += pp_sketch_targets(sketch, c);
    double from_half = pp__mean_of(sketch, SUM_TOP, rows);
    bins_view view = main_view(sketch);
    s->mean = 0.5 + from_half;
    s->deviation = pp__root(pp__mean_of(sketch, SUM_TOP_SQUARE, rows) - from_half * from_half);
    s->limit_share = mass_near(&view, 0, AT_LIMIT) + mass_near(&view, 1, AT_LIMIT);
    s->tolerance = HALF_WIDTH;
    put_answers(sketch, rows, labelled, s);
    put_shares(sketch, rows, labelled, s);
    if (sketch->kind == PP_SKETCH_BINARY) put_binary(sketch, labelled, s);
    s->mse = pp__mean_of(sketch, SUM_ERROR, labelled);
    if (!sketch->brief && labelled > 0) put_class_skill(sketch, labelled, s);
    if (sketch->kind == PP_SKETCH_BINARY && labelled == rows)
        s->slope = binary_slope(sketch, rows, s->target_mean);
    pp__auc area = pp__sketch_auc(sketch);
    s->auc = area.value;
    s->auc_bound = s->max > s->min ? area.bound : 0.0; /* equal values are tied for good */
    s->auc_error = area.error;
    s->association = area.z;
    s->association_tests = area.tests;
    if (!sketch->brief) pp__put_classes(sketch, s);
}

/* ---- regression ---- */

static void put_regression(const pp_sketch *sketch, int64_t rows, pp_summary *s)
{
    int64_t targets = pp__counts(sketch)[sketch->targets];
    if (targets > 0) s->tolerance = 0;
    pp__put_columns(sketch, rows, targets, s);
    s->mae = pp__mean_of(sketch, SUM_ERROR, targets) / sketch->columns;
    s->base_error = s->target_deviation / sqrt((double)targets);
    if (sketch->columns > 1 || targets == 0) return;
    bins_view view = main_view(sketch);
    s->base_mass = mass_near(&view, s->target_mean, s->tolerance);
}

/* ---- all ---- */

static pp_summary nothing_known(const pp_sketch *sketch)
{
    pp_summary s = {
        .shape = {(pp_sketch_kind)sketch->kind, sketch->classes, sketch->columns, sketch->low,
                  sketch->high, sketch->brief},
        .rows = sketch->rows,
        .non_finite = sketch->non_finite,
        .out_of_range = sketch->out_of_range,
        .label_outside = sketch->label_outside,
        .first_non_finite_row = sketch->non_finite > 0 ? sketch->first_non_finite_row : -1,
        .answer = -1,
        .decimals = -1,
        .extreme_row = -1,
        .worst = {.index = -1},
    };
    double *const unknown[] = {
        &s.loss,
        &s.loss_error,
        &s.mean,
        &s.deviation,
        &s.min,
        &s.max,
        &s.spread,
        &s.target_mean,
        &s.target_deviation,
        &s.tolerance,
        &s.median,
        &s.median_mass,
        &s.half_mass,
        &s.base_mass,
        &s.base_distance,
        &s.base_error,
        &s.information,
        &s.accuracy,
        &s.balanced_accuracy,
        &s.log_loss,
        &s.auc,
        &s.auc_bound,
        &s.auc_error,
        &s.mse,
        &s.mae,
        &s.r2,
        &s.correlation,
        &s.base_loss,
        &s.skill,
        &s.answer_share,
        &s.association,
        &s.dependence,
        &s.slope,
        &s.skill_error,
        &s.limit_share,
        &s.cut_share,
        &s.effective_rows,
        &s.decision,
        &s.decision_error,
        &s.decision_best,
        &s.threshold,
        &s.calibration_error,
        &s.turned_skill,
        &s.turned_error,
        &s.offset,
        &s.shifted_skill,
        &s.shifted_error,
        &s.intercept,
        &s.gain,
        &s.scaled_skill,
        &s.scaled_error,
        &s.mapped,
        &s.rank_correlation,
        &s.coverage,
        &s.quantile_skill,
        &s.quantile_error,
        &s.extreme,
        &s.extreme_target,
        &s.loss_skill,
        &s.loss_skill_error,
        &s.worst.skill,
    };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        *unknown[i] = NAN;
    return s;
}

/* What moved every row may be any function with a constant answer, a sigmoid of 0 for one: then
 * only 0 and 1, which a sigmoid reaches at best by rounding, are taken for limits. */
static int is_clamped(const pp_sketch *sketch)
{
    double low = sketch->raised_most, high = sketch->lowered_least;
    int bounded = low <= sketch->raw_least && high >= sketch->raw_greatest;
    int usual = (low == 0 || isinf(low)) && (high == 1 || isinf(high));
    return sketch->raw_cut > 0 && bounded && (sketch->raw_cut < sketch->raw_rows || usual);
}

pp_summary pp_sketch_summarise(const pp_sketch *sketch)
{
    pp_summary s = nothing_known(sketch);
    int regression = sketch->kind == PP_SKETCH_REGRESSION;
    int64_t rows = sketch->rows - sketch->non_finite - (regression ? sketch->label_outside : 0);
    if (rows == 0) return s;
    bins_view view = main_view(sketch);
    s.loss = pp__mean_of(sketch, SUM_LOSS, rows);
    s.loss_error =
        pp__root(pp__mean_of(sketch, SUM_LOSS_SQUARE, rows) - s.loss * s.loss) / sqrt((double)rows);
    s.min = sketch->min;
    s.max = sketch->max;
    if (sketch->columns == 1 || !regression) s.median = median_of(&view);
    if (regression)
        put_regression(sketch, rows, &s);
    else
        put_classification(sketch, rows, &s);
    if (is_clamped(sketch)) s.cut_share = (double)sketch->raw_cut / (double)sketch->raw_rows;
    s.median_mass = mass_near(&view, s.median, s.tolerance);
    if (regression && sketch->columns == 1) s.base_distance = fabs(s.median - s.target_mean);
    return s;
}
