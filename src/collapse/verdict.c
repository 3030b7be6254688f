/* Verdicts: a table of predicates on the summary, each with the sentence that quotes its evidence.
 *
 * A predicate asks for evidence beyond chance: three standard errors where it compares with what
 * noise can do. Below FEW_ROWS only what needs no statistics is said. */
#include "pitprop/verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FEW_ROWS = 20 };

#define SAME_MASS 0.98    /* this share of rows at one value is "every prediction" */
#define SAME_SPREAD 0.02  /* or this deviation, in units of the targets' */
#define EXACT_SPREAD 1e-6 /* equal but for rounding */
#define USEFUL_SKILL 0.05 /* beyond what predictions within the tolerance could earn */
#define AT_HALF 0.01
#define SIGMAS 3.0
#define FEW_BITS 0.01 /* of information, and this share of what the classes hold */
#define POOR_AUC 0.6  /* one-class with few bits, but ranking better than this, is no collapse */

/* ---- what the predicates ask ---- */

static int64_t finite_rows(const pp_summary *s)
{
    return s->rows - s->non_finite - (s->shape.kind == PP_SKETCH_REGRESSION ? s->label_outside : 0);
}

static int is_classification(const pp_summary *s)
{
    return s->shape.kind != PP_SKETCH_REGRESSION;
}

/* Targets differ, so that there is something to tell apart. */
static int targets_vary(const pp_summary *s)
{
    return is_classification(s) ? s->classes_present > 1 : s->target_deviation > 0;
}

static int is_exactly_constant(const pp_summary *s)
{
    if (s->shape.columns == 1) return s->min == s->max;
    return s->spread < EXACT_SPREAD;
}

/* Nearly all rows get the same prediction. Where 98% of the targets are in one class that is
 * also true of a good model, hence the question for skill. */
static int is_nearly_constant(const pp_summary *s)
{
    int one_value = s->median_mass >= SAME_MASS;
    if (s->shape.kind == PP_SKETCH_MULTICLASS) one_value &= s->answer_share >= SAME_MASS;
    return (one_value || s->spread <= SAME_SPREAD) && !(s->skill >= USEFUL_SKILL);
}

/* The sampling error of the base rate counts where it is one: of a handful of rows it covers
 * everything. */
static int is_at_base(const pp_summary *s)
{
    double error = finite_rows(s) < FEW_ROWS ? 0 : SIGMAS * s->base_error;
    return s->base_distance <= s->tolerance + error;
}

static int is_constant(const pp_summary *s)
{
    int64_t rows = finite_rows(s);
    if (rows < 2) return 0;
    /* a constant answer to constant targets is right */
    if (!targets_vary(s) && s->base_distance <= s->tolerance) return 0;
    return rows < FEW_ROWS ? is_exactly_constant(s) : is_nearly_constant(s);
}

static int auc_is_chance(const pp_summary *s)
{
    return fabs(s->auc - 0.5) <= SIGMAS * s->auc_error + s->auc_bound;
}

static double class_bits(const pp_summary *s)
{
    return s->base_loss / log(2.0);
}

/* Bound for the strongest correlation among columns that have none (Gaussian tail). */
static int correlation_is_chance(const pp_summary *s)
{
    double sigmas = sqrt(SIGMAS * SIGMAS + 2 * log(s->shape.columns));
    return !(fabs(s->correlation) > sigmas / sqrt((double)finite_rows(s)));
}

/* ---- predicates, in the order of PP_VERDICT_LIST ---- */

static int non_finite(const pp_summary *s)
{
    return s->non_finite > 0;
}

static int at_half(const pp_summary *s)
{
    double distance = fabs(s->median - 0.5);
    int nearer_base = is_at_base(s) && s->base_distance < distance;
    return s->shape.kind == PP_SKETCH_BINARY && is_constant(s) && distance <= AT_HALF &&
           !nearer_base;
}

static int at_base_rate(const pp_summary *s)
{
    return is_classification(s) && is_constant(s) && is_at_base(s);
}

static int at_target_mean(const pp_summary *s)
{
    return !is_classification(s) && is_constant(s) && is_at_base(s);
}

static int one_class(const pp_summary *s)
{
    if (!is_classification(s) || finite_rows(s) < FEW_ROWS) return 0;
    if (s->classes_predicted != 1 || s->classes_present < 2) return 0;
    double bits = FEW_BITS * fmin(1.0, class_bits(s));
    return auc_is_chance(s) || (s->information < bits && s->auc < POOR_AUC);
}

static int uninformative(const pp_summary *s)
{
    if (finite_rows(s) < FEW_ROWS || !targets_vary(s)) return 0;
    if (is_classification(s)) return s->skill <= 0 && auc_is_chance(s);
    /* sampling error of R2 where predictions are unrelated to the targets */
    double noise = SIGMAS * 2 * s->spread / sqrt((double)finite_rows(s));
    return s->r2 <= noise && correlation_is_chance(s);
}

static int always(const pp_summary *s)
{
    (void)s;
    return 1;
}

/* ---- sentences ---- */

/* Text that grows in a verdict's sentence and stops at its end. */
static void say(pp_verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(pp_verdict *v, const char *format, ...)
{
    size_t used = strlen(v->sentence);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->sentence + used, sizeof v->sentence - used, format, arguments);
    va_end(arguments);
}

/* 99.97% of the rows must not read as 100.0%. */
static double shown_percent(double share)
{
    return share < 1 ? fmin(100 * share, 99.9) : 100;
}

/* No -0.000. */
static double three_digits(double value)
{
    return fabs(value) < 0.0005 ? 0.0 : value;
}

static void say_skill(pp_verdict *v, const pp_summary *s)
{
    if (isnan(s->skill)) return;
    const char *than = s->skill < -0.01          ? "does worse"
                       : s->skill <= 0.002       ? "does no better"
                       : s->skill < USEFUL_SKILL ? "does hardly better"
                                                 : "does better";
    static const char *const constant[] = {"the base rate", "the class shares", "the mean target"};
    say(v, "; the model %s than always answering %s", than, constant[s->shape.kind]);
    if (s->shape.columns == 1) say(v, ", %.4g", s->target_mean);
    say(v, " (skill %.3f)", three_digits(s->skill));
}

static void say_information(pp_verdict *v, const pp_summary *s)
{
    if (is_classification(s)) {
        say(v, "; they carry %.4f bits about the inputs", s->information);
        if (s->classes_present > 1) say(v, " (the classes hold %.2f)", class_bits(s));
    } else if (!isnan(s->correlation)) {
        say(v, "; their correlation with the targets is %.3f", s->correlation);
    }
}

static void say_auc(pp_verdict *v, const pp_summary *s)
{
    say(v, "AUC %.3f +- %.3f", s->auc, SIGMAS * s->auc_error + s->auc_bound);
}

static void say_non_finite(pp_verdict *v, const pp_summary *s)
{
    say(v, "NaN or infinite: %lld of %lld predictions, first in row %lld", (long long)s->non_finite,
        (long long)s->rows, (long long)s->first_non_finite_row);
}

static void say_where(pp_verdict *v, const pp_summary *s)
{
    long long rows = (long long)finite_rows(s);
    if (s->shape.columns == 1 && s->min == s->max)
        say(v, "All %lld predictions are exactly %.4g", rows, s->median);
    else if (s->shape.columns == 1 && s->median_mass >= SAME_MASS)
        say(v, "%.1f%% of %lld predictions lie within %.2g of %.4g", shown_percent(s->median_mass),
            rows, s->tolerance, s->median);
    else
        say(v, "%lld predictions vary by only %.2f%% of the deviation of the targets", rows,
            100 * s->spread);
    if (s->shape.columns == 1 && s->min != s->max) say(v, " (all: %.4g to %.4g)", s->min, s->max);
    if (s->shape.kind == PP_SKETCH_MULTICLASS && s->answer_share >= SAME_MASS)
        say(v, " and %.1f%% of the answers are class %d", shown_percent(s->answer_share),
            s->answer);
}

static void say_constant(pp_verdict *v, const pp_summary *s)
{
    say_where(v, s);
    if (v->id == PP_VERDICT_AT_HALF && is_at_base(s))
        say(v, ", which is also the base rate, %.4g", s->target_mean);
    else if (v->id == PP_VERDICT_AT_BASE_RATE && s->shape.kind == PP_SKETCH_BINARY)
        say(v, "; the base rate is %.4g", s->target_mean);
    else if (v->id == PP_VERDICT_AT_BASE_RATE)
        say(v, " around the shares of the classes (off by %.3f at most)", s->base_distance);
    else if (v->id == PP_VERDICT_AT_TARGET_MEAN && s->shape.columns == 1)
        say(v, "; the mean target is %.4g", s->target_mean);
    say_information(v, s);
    say_skill(v, s);
    if (is_classification(s) && s->auc - 0.5 > SIGMAS * s->auc_error + s->auc_bound) {
        say(v, "; yet they rank the rows better than chance (");
        say_auc(v, s);
        say(v, ")");
    }
}

static void say_one_class(pp_verdict *v, const pp_summary *s)
{
    say(v, "Class %d is the answer to all %lld rows, although the targets have %d classes; ",
        s->answer, (long long)finite_rows(s), s->classes_present);
    say_auc(v, s);
    say(v, auc_is_chance(s) ? " cannot be told from 0.5" : " is poor");
    say_information(v, s);
    say_skill(v, s);
}

static void say_uninformative(pp_verdict *v, const pp_summary *s)
{
    if (is_classification(s)) {
        say(v, "Predictions vary (deviation %.3g), but ", s->deviation);
        say_auc(v, s);
        say(v, " cannot be told from 0.5");
    } else {
        say(v,
            "Predictions vary (deviation %.3g, targets %.3g), but R2 is %.3f and the correlation "
            "%.3f cannot be told from 0",
            s->deviation, s->target_deviation, s->r2, s->correlation);
    }
    say_skill(v, s);
}

static void say_healthy_classes(pp_verdict *v, const pp_summary *s)
{
    if (s->auc < 0.5 && !auc_is_chance(s))
        say(v, "Predictions rank the rows the wrong way round: ");
    say(v, "%.1f%% of %lld rows right; ", 100 * s->accuracy, (long long)finite_rows(s));
    say_auc(v, s);
    say_information(v, s);
    say(v, "; skill %.3f", three_digits(s->skill));
    if (s->skill <= 0)
        say(v, ", so the probabilities are worse than always answering the base rate");
    if (s->classes_predicted == 1)
        say(v, "; class %d is the answer to every row all the same", s->answer);
}

static void say_healthy(pp_verdict *v, const pp_summary *s)
{
    long long rows = (long long)finite_rows(s);
    if (rows == 0)
        say(v, "There are no predictions to judge");
    else if (!targets_vary(s))
        say(v, "%lld rows without differing targets: nothing to tell apart", rows);
    else if (rows < FEW_ROWS)
        say(v, "%lld rows are too few to find more than constant or non-finite predictions", rows);
    else if (is_classification(s))
        say_healthy_classes(v, s);
    else
        say(v,
            "R2 %.3f on %lld rows; correlation with the targets %.3f; deviation %.3g of the "
            "predictions against %.3g of the targets",
            s->r2, rows, s->correlation, s->deviation, s->target_deviation);
}

/* ---- the table ---- */

typedef struct rule {
    int (*holds)(const pp_summary *s);
    void (*say)(pp_verdict *v, const pp_summary *s);
} rule;

static const rule rules[PP_VERDICT_COUNT] = {
    [PP_VERDICT_NON_FINITE] = {non_finite, say_non_finite},
    [PP_VERDICT_AT_HALF] = {at_half, say_constant},
    [PP_VERDICT_AT_BASE_RATE] = {at_base_rate, say_constant},
    [PP_VERDICT_AT_TARGET_MEAN] = {at_target_mean, say_constant},
    [PP_VERDICT_CONSTANT] = {is_constant, say_constant},
    [PP_VERDICT_ONE_CLASS] = {one_class, say_one_class},
    [PP_VERDICT_UNINFORMATIVE] = {uninformative, say_uninformative},
    [PP_VERDICT_HEALTHY] = {always, say_healthy},
};

pp_verdict pp_verdict_of(const pp_summary *summary)
{
    pp_verdict verdict;
    memset(&verdict, 0, sizeof verdict);
    int id = 0;
    while (!rules[id].holds(summary))
        id++;
    verdict.id = (pp_verdict_id)id;
    rules[id].say(&verdict, summary);
    if (summary->label_outside > 0)
        say(&verdict, "; %lld targets are outside the range and were left out",
            (long long)summary->label_outside);
    return verdict;
}

#define NAME(name, id, collapse, title) id,
#define COLLAPSE(name, id, collapse, title) collapse,
#define TITLE(name, id, collapse, title) title,
static const char *const names[] = {PP_VERDICT_LIST(NAME)};
static const int collapses[] = {PP_VERDICT_LIST(COLLAPSE)};
static const char *const titles[] = {PP_VERDICT_LIST(TITLE)};
#undef NAME
#undef COLLAPSE
#undef TITLE

const char *pp_verdict_name(pp_verdict_id id)
{
    return names[id];
}

const char *pp_verdict_title(pp_verdict_id id)
{
    return titles[id];
}

int pp_verdict_is_collapse(pp_verdict_id id)
{
    return collapses[id];
}

void pp_verdict_write(const pp_verdict *verdict, const pp_summary *summary, pp_json_writer *writer)
{
    pp_json_begin_object(writer, NULL);
    pp_json_put_string(writer, "verdict", pp_verdict_name(verdict->id));
    pp_json_put_bool(writer, "collapse", pp_verdict_is_collapse(verdict->id));
    pp_json_put_string(writer, "sentence", verdict->sentence);
    pp_json_begin_object(writer, "evidence");
    pp_summary_write(summary, writer);
    pp_json_end_object(writer);
    pp_json_end_object(writer);
}
