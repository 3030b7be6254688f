/* What a practitioner wants to know beside the verdict: a line each, where it applies. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"

#define NEXT_TO_NOTHING 0.02 /* of skill */
#define CALIBRATED 0.02      /* calibration error that nobody minds */
#define OUTLIER 1000.0       /* interquartile ranges */
#define FAR_COVERAGE 0.15    /* predictions above so few targets, or below, are no middle */
#define RANKS_WELL 0.2       /* share found less share of false alarms, at the best threshold */
enum { ROUNDED_ROWS = 100 };

static void list_parts(pp_verdict *v, const pp__case *c, const int *first, int count)
{
    for (int i = 0; i < count && i < PP_DEAD_LISTED; i++) {
        char name[96];
        pp__part_name(c->e, c->judged.s, first[i], name, sizeof name);
        pp__say_more(v, "%s%s", i > 0 ? ", " : "", name);
    }
    if (count > PP_DEAD_LISTED) pp__say_more(v, " and %d more", count - PP_DEAD_LISTED);
}

static void say_never(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (s->never == 0 || s->classes_predicted < 2) return;
    pp__say_more(v, "; %d of %d classes %s never the answer: ", s->never, s->classes_present,
                 s->never == 1 ? "is" : "are");
    list_parts(v, c, s->never_list, s->never);
}

/* The class that is answered alone. */
static void say_only(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    char name[96];
    if (!pp__is_classification(s) || s->classes_predicted != 1) return;
    pp__part_name(c->e, s, s->answer, name, sizeof name);
    pp__say_more(v, "; %s is the answer to every row all the same", name);
    if (s->shape.kind != PP_SKETCH_BINARY || isnan(s->threshold) ||
        !(s->decision_best >= RANKS_WELL))
        return;
    pp__say_more(v,
                 ": it ranks well (AUC %.2f) and never crosses 0.5; put the threshold at %.3g or "
                 "weight the classes",
                 s->auc, s->threshold);
}

static void say_moved(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (c->judged.moved)
        pp__say_more(v,
                     "; its probabilities are moved, as class weights, resampling or another base "
                     "rate do: log-odds shifted by %+.2f would be calibrated (skill %.3f; as they "
                     "are %.3f)",
                     s->offset, s->shifted_skill, s->skill);
    else if (c->judged.worse && s->gain < 1)
        pp__say_more(v,
                     "; its answers are good and its probabilities far too sure: a temperature of "
                     "%.3g would calibrate them (skill %.3f; as they are %.3f, below that of one "
                     "constant answer)",
                     1 / s->gain, s->scaled_skill, s->skill);
    else if (c->judged.worse)
        pp__say_more(v,
                     "; its answers are good, and its probabilities off by scale and offset: "
                     "log-odds %.3g + %.3g z would be calibrated (skill %.3f; as they are %.3f)",
                     s->intercept, s->gain, s->scaled_skill, s->skill);
}

static void say_calibration(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (!pp__is_classification(s) || s->labels || isnan(s->calibration_error)) return;
    if (c->judged.moved || c->judged.worse) {
        say_moved(v, c);
        return;
    }
    double better = s->scaled_skill - s->skill;
    if (s->calibration_error < CALIBRATED || !(better > c->judged.skill_error)) return;
    pp__say_more(v,
                 "; its calibration error is %.3f, and rescaling (log-odds %.3g + %.3g z) would "
                 "make the skill %.3f",
                 s->calibration_error, s->intercept, s->gain, s->scaled_skill);
}

static void say_written(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (s->labels)
        pp__say_more(v, "; these are labels, 0 and 1, and no probabilities: log loss and skill do "
                        "not apply to them");
    else if (s->decimals >= 0 && s->decimals <= 2 && c->judged.rows >= ROUNDED_ROWS)
        pp__say_more(v, "; predictions are rounded to %d decimal%s", s->decimals,
                     s->decimals == 1 ? "" : "s");
}

static void say_little(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (!s->labels && s->skill > 0 && s->skill < NEXT_TO_NOTHING && c->judged.skilled)
        pp__say_more(v, "; that is better than one constant answer by next to nothing, %.2g%%",
                     100 * s->skill);
}

static void say_tails(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (pp__is_classification(s) || !s->long_tail) return;
    if (!isnan(s->rank_correlation))
        pp__say_more(v,
                     "; the targets have long tails, so that ranks decide: rank correlation "
                     "%.3f",
                     s->rank_correlation);
    else if (!isnan(s->quantile_skill))
        pp__say_more(v, "; the targets have long tails: far rows cut off, the skill is %.3f",
                     s->quantile_skill);
    if (s->extreme > OUTLIER)
        pp__say_more(v,
                     "; one target, %.4g in row %lld, is %.2g times as far out as the others "
                     "are wide",
                     s->extreme_target, (long long)s->extreme_row, s->extreme);
}

static void say_quantile(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    double middle = fmin(s->coverage, 1 - s->coverage);
    if (isnan(middle) || middle > FAR_COVERAGE || isnan(s->quantile_skill)) return;
    pp__say_more(v,
                 "; predictions lie above %.0f%% of the targets, an offset for a mean; taken as "
                 "that quantile their skill is %.3f",
                 100 * s->coverage, s->quantile_skill);
}

static void say_copies(pp_verdict *v, const pp__case *c)
{
    if (c->judged.effective < 0.999 * (double)c->judged.rows)
        pp__say_more(v, "; the %lld rows weigh as much as %.0f (copies, or unequal weights)",
                     (long long)c->judged.rows, c->judged.effective);
}

/* Base rate, or mean target, of training and held-out rows: as far apart as chance does not bring
 * them, and by a tenth of a deviation. */
static void say_prior(pp_verdict *v, const pp__case *c)
{
    const pp_summary *t = c->train.s, *h = c->judged.s;
    double error = hypot(t->base_error, h->base_error), gap = fabs(t->target_mean - h->target_mean);
    if (!c->has_held_out || h->shape.columns > 1 || !(gap > c->judged.z * error)) return;
    if (!(gap > 0.1 * t->target_deviation)) return;
    pp__say_more(v, "; held-out rows differ from training rows: %s %.4g against %.4g",
                 pp__is_classification(h) ? "base rate" : "mean target", h->target_mean,
                 t->target_mean);
}

static void say_columns(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    char name[96];
    if (pp__is_classification(s) || s->shape.columns < 2 || s->worst.index < 0) return;
    pp__part_name(c->e, s, s->worst.index, name, sizeof name);
    pp__say_more(v, "; the worst of %d outputs is %s (R2 %.3f, correlation %.3f)", s->shape.columns,
                 name, s->worst.skill, s->worst.effect);
}

enum { ON_HEALTHY = 1, ON_WORSE = 2, ON_OTHERS = 4, ON_ALL = ON_HEALTHY | ON_WORSE | ON_OTHERS };

void pp__say_remarks(pp_verdict *v, const pp__case *c)
{
    static const struct {
        unsigned on;
        void (*say)(pp_verdict *v, const pp__case *c);
    } remarks[] = {{ON_HEALTHY, say_little},
                   {ON_HEALTHY, say_only},
                   {ON_HEALTHY | ON_WORSE, say_never},
                   {ON_HEALTHY, say_calibration},
                   {ON_ALL, say_written},
                   {ON_HEALTHY | ON_WORSE, say_tails},
                   {ON_HEALTHY | ON_WORSE, say_quantile},
                   {ON_HEALTHY | ON_WORSE, say_columns},
                   {ON_ALL, say_copies},
                   {ON_ALL, say_prior}};
    int is_worse = v->id == PP_VERDICT_PARTLY_DEAD || v->id == PP_VERDICT_WORSE_THAN_CONSTANT;
    unsigned on = v->id == PP_VERDICT_HEALTHY ? ON_HEALTHY : is_worse ? ON_WORSE : ON_OTHERS;
    for (size_t i = 0; i < sizeof remarks / sizeof *remarks && c->judged.varied; i++)
        if ((remarks[i].on & on) != 0) remarks[i].say(v, c);
}

/* ---- worse than a constant ---- */

static const char *affine(const pp__case *c)
{
    return pp__is_classification(c->judged.s) ? "log-odds" : "predictions";
}

void pp__say_reason(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    int numbers = !pp__is_classification(s);
    switch (v->reason) {
    case PP_REASON_INVERTED:
        pp__say_more(v,
                     "; they are inverted: they rank the rows the wrong way round, and turned "
                     "round would have a skill of %.3f",
                     numbers ? s->scaled_skill : fmax(s->turned_skill, s->scaled_skill));
        break;
    case PP_REASON_LABELS:
        pp__say_more(v,
                     "; the class numbers are mapped otherwise: %.1f%% of the rows are right, "
                     "and %.1f%% would be if each class took the answer that most of its rows "
                     "get",
                     100 * s->accuracy, 100 * s->mapped);
        break;
    case PP_REASON_OVERFITTED:
        pp__say_more(v, "; overfitted: on the training rows the skill is %.3f", c->train.s->skill);
        break;
    case PP_REASON_OFFSET:
        pp__say_more(v, "; all %s are off by an offset: shifted by %.4g their skill would be %.3f",
                     affine(c), s->offset, s->shifted_skill);
        break;
    case PP_REASON_SCALE:
        pp__say_more(v, "; their scale is off: %.4g + %.4g times the %s would have a skill of %.3f",
                     s->intercept, s->gain, affine(c), s->scaled_skill);
        break;
    case PP_REASON_TEMPERATURE:
        pp__say_more(v, "; they are far too sure: a temperature of %.3g would make the skill %.3f",
                     1 / s->gain, s->scaled_skill);
        break;
    default:
        pp__say_more(v, "; neither turning, relabelling, shifting nor rescaling them would help");
    }
}
