/* The sentences of the verdicts: plain words with the numbers that decided. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"

static long long rows_of(const pp_summary *s)
{
    return (long long)(s->rows - s->non_finite - (pp__is_classification(s) ? 0 : s->label_outside));
}

static double class_bits(const pp_summary *s)
{
    return s->base_loss / log(2.0);
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
    const char *than = s->skill < -0.01              ? "does worse"
                       : s->skill <= 0.002           ? "does no better"
                       : s->skill < PP__USEFUL_SKILL ? "does hardly better"
                                                     : "does better";
    static const char *const constant[] = {"the base rate", "the class shares", "the mean target"};
    pp__say_more(v, "; the model %s than always answering %s", than, constant[s->shape.kind]);
    if (s->shape.columns == 1) pp__say_more(v, ", %.4g", s->target_mean);
    pp__say_more(v, " (skill %.3f)", three_digits(s->skill));
}

static void say_information(pp_verdict *v, const pp_summary *s)
{
    if (pp__is_classification(s)) {
        if (isnan(s->information)) return; /* of a brief sketch */
        pp__say_more(v, "; they carry %.4f bits about the inputs", s->information);
        if (s->classes_present > 1) pp__say_more(v, " (the classes hold %.2f)", class_bits(s));
    } else if (!isnan(s->correlation)) {
        pp__say_more(v, "; their correlation with the targets is %.3f", s->correlation);
    }
}

/* With its interval at the level of the decision; of few rows that ends where the range does. */
static void say_interval(pp_verdict *v, const char *name, double value, double error, double least)
{
    if (value - error >= least && value + error <= 1)
        pp__say_more(v, "%s %.3f +- %.3f", name, value, error);
    else
        pp__say_more(v, "%s %.3f (%.3f to %.3f)", name, value, fmax(value - error, least),
                     fmin(value + error, 1));
}

static void say_effect(pp_verdict *v, const pp__facts *f)
{
    const pp_summary *s = f->s;
    if (pp__is_classification(s))
        say_interval(v, "AUC", s->auc, f->effect_error, 0);
    else if (s->long_tail && !isnan(s->rank_correlation))
        say_interval(v, "rank correlation", s->rank_correlation, f->effect_error, -1);
    else
        say_interval(v, "correlation", three_digits(s->correlation), f->effect_error, -1);
}

static void say_first_place(pp_verdict *v, const pp_history *h)
{
    if (h == NULL || h->non_finite.step == 0) return;
    pp__say_more(v, "; in training it began at step %lld with %s", (long long)h->non_finite.step,
                 h->non_finite.place);
    if (h->non_finite.row >= 0) pp__say_more(v, ", row %lld", (long long)h->non_finite.row);
}

static void say_non_finite(pp_verdict *v, const pp_summary *s)
{
    pp__say_more(v, "NaN or infinite: %lld of %lld predictions, first in row %lld",
                 (long long)s->non_finite, (long long)s->rows, (long long)s->first_non_finite_row);
}

static void say_where(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    long long rows = (long long)rows_of(s);
    if (s->shape.columns == 1 && s->min == s->max)
        pp__say_more(v, "All %lld predictions are exactly %.4g", rows, s->median);
    else if (s->shape.columns == 1 && s->median_mass >= PP__SAME_MASS)
        pp__say_more(v, "%.1f%% of %lld predictions lie within %.2g of %.4g",
                     shown_percent(s->median_mass), rows, s->tolerance, s->median);
    else
        pp__say_more(v, "%lld predictions vary by only %.2f%% of the deviation of the targets",
                     rows, 100 * s->spread);
    if (s->shape.columns == 1 && s->min != s->max)
        pp__say_more(v, " (all: %.4g to %.4g)", s->min, s->max);
    if (s->shape.kind != PP_SKETCH_MULTICLASS || s->answer_share < PP__SAME_MASS) return;
    char name[96];
    pp__part_name(c->e, s, s->answer, name, sizeof name);
    pp__say_more(v, " and %.1f%% of the answers are %s", shown_percent(s->answer_share), name);
}

static void say_constant(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    say_where(v, c);
    if (v->id == PP_VERDICT_AT_HALF && pp__is_at_base(&c->judged))
        pp__say_more(v, ", which is also the base rate, %.4g", s->target_mean);
    else if (v->id == PP_VERDICT_AT_BASE_RATE && s->shape.kind == PP_SKETCH_BINARY)
        pp__say_more(v, "; the base rate is %.4g", s->target_mean);
    else if (v->id == PP_VERDICT_AT_BASE_RATE)
        pp__say_more(v, " around the shares of the classes (off by %.3f at most)",
                     s->base_distance);
    else if (v->id == PP_VERDICT_AT_TARGET_MEAN && s->shape.columns == 1)
        pp__say_more(v, "; the mean target is %.4g", s->target_mean);
    say_information(v, s);
    say_skill(v, s);
    if (!c->judged.associated) return;
    pp__say_more(v, "; yet they rank the rows %s (",
                 c->judged.s->association < 0 ? "the wrong way round" : "better than chance");
    say_effect(v, &c->judged);
    pp__say_more(v, ")");
}

static void say_diverged(pp_verdict *v, const pp__case *c)
{
    const pp_history *h = c->e->history;
    pp__say_more(v, "The training loss went from %.4g to %.4g", h->loss[0], pp__last_loss(h));
    say_skill(v, c->train.s);
}

static void say_odd(pp_verdict *v, const pp_split *split)
{
    pp__say_more(v, "Of %lld ranks %d %s not as the others", (long long)split->groups, split->odd,
                 split->odd == 1 ? "is" : "are");
    for (int i = 0; i < split->odd && i < PP_ODD_LISTED; i++) {
        const pp_odd_group *odd = split->odd_groups + i;
        pp__say_more(v, "%s rank %lld %s (correlation %.3f, offset %.3g)", i == 0 ? ":" : ",",
                     (long long)odd->group, pp_odd_text(odd->how), odd->correlation, odd->offset);
    }
    if (split->odd > PP_ODD_LISTED) pp__say_more(v, " and %d more", split->odd - PP_ODD_LISTED);
    pp__say_more(v, "; the correlation of all rows is %.3f", split->correlation);
}

static void say_split(pp_verdict *v, const pp__case *c)
{
    const pp_split *split = c->e->split;
    const char *what = c->e->by_rank ? "rank" : "lane";
    if (split->odd > 0 && c->e->by_rank) {
        say_odd(v, split);
        return;
    }
    pp__say_more(
        v,
        "Within each of %lld %ss all predictions lie within %.2g of one another, but from %s to %s "
        "they differ by up to %.4g: they follow the %s, not the inputs",
        (long long)split->groups, what, split->within, what, what, split->between, what);
}

static void say_clamped(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    pp__say_more(v, "A clamp has cut %.1f%% of %lld predictions to its limits, %.4g and %.4g",
                 100 * s->cut_share, (long long)rows_of(s), s->min, s->max);
    say_skill(v, s);
}

static void say_saturated(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    pp__say_more(
        v, "%.1f%% of %lld predictions are 0 or 1 to within 1e-6, and %.1f%% of them are right; ",
        shown_percent(s->limit_share), (long long)rows_of(s), 100 * s->accuracy);
    say_effect(v, &c->judged);
    say_skill(v, s);
}

static void say_one_class(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    char name[96];
    pp__part_name(c->e, s, s->answer, name, sizeof name);
    pp__say_more(v, "The answer to all %lld rows is %s, although the targets have %d classes; ",
                 rows_of(s), name, s->classes_present);
    say_effect(v, &c->judged);
    say_information(v, s);
    say_skill(v, s);
}

static void say_batch_statistics(pp_verdict *v, const pp__case *c)
{
    pp__say_more(v, "In training mode the model tells inputs apart (");
    say_effect(v, &c->running);
    pp__say_more(v, "); with fixed statistics, on the same rows, it does not (");
    say_effect(v, &c->train);
    pp__say_more(v, ")");
    say_skill(v, c->train.s);
}

static void say_memorised(pp_verdict *v, const pp__case *c)
{
    pp__say_more(v, "On %lld training rows ", (long long)c->train.rows);
    say_effect(v, &c->train);
    pp__say_more(v, ", skill %.3f; on %lld held-out rows ", three_digits(c->train.s->skill),
                 (long long)c->judged.rows);
    say_effect(v, &c->judged);
    pp__say_more(v, ", skill %.3f: the model knows its training rows by heart and nothing else",
                 three_digits(c->judged.s->skill));
}

static void say_parts(pp_verdict *v, const pp__case *c, const char *what, int count,
                      const int *first)
{
    if (count == 0) return;
    pp__say_more(v, " %d %s %s: ", count, count == 1 ? "has" : "have", what);
    for (int i = 0; i < count && i < PP_DEAD_LISTED; i++) {
        char name[80];
        pp__part_name(c->e, c->judged.s, first[i], name, sizeof name);
        pp__say_more(v, "%s%s", i > 0 ? ", " : "", name);
    }
    if (count > PP_DEAD_LISTED) pp__say_more(v, " and others");
}

static void say_partly_dead(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    int parts = pp__is_classification(s) ? s->shape.classes : s->shape.columns;
    pp__say_more(v, "Of %d %s", parts, pp__is_classification(s) ? "classes" : "outputs");
    say_parts(v, c, "the same prediction for every row", s->dead, s->dead_list);
    if (s->dead > 0 && s->unrelated > 0) pp__say_more(v, ", and");
    say_parts(v, c, "predictions that vary without a relation to their targets", s->unrelated,
              s->unrelated_list);
    say_skill(v, s);
}

static void say_worse(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    pp__say_more(v, "Predictions of %lld rows tell inputs apart (", rows_of(s));
    say_effect(v, &c->judged);
    pp__say_more(v, "), and one constant answer would serve better (");
    if (s->labels)
        pp__say_more(v, "balanced accuracy %.3f)", s->balanced_accuracy);
    else
        pp__say_more(v, "skill %.3f +- %.3f)", s->skill, c->judged.skill_error);
    pp__say_reason(v, c);
}

static void say_uninformative(pp_verdict *v, const pp__case *c)
{
    const pp__facts *judged = &c->judged, *train = &c->train;
    int by_train = train->effect + train->effect_error < judged->effect + judged->effect_error;
    const pp__facts *f = by_train ? train : judged; /* what leaves less room */
    pp__say_more(v, "Predictions vary (deviation %.3g), but ", f->s->deviation);
    say_effect(v, f);
    double good = pp__is_classification(f->s) ? PP__GOOD_AUC : PP__GOOD_R;
    pp__say_more(v, " on %lld %srows %s", (long long)f->rows,
                 !c->has_held_out ? ""
                 : by_train       ? "training "
                                  : "held-out ",
                 f->effect + f->effect_error < good
                     ? "is chance, or too near to it to be worth anything"
                     : "shows no relation to the targets");
    say_skill(v, judged->s);
}

static void say_not_yet_learned(pp_verdict *v, const pp__case *c)
{
    const pp_history *h = c->e->history;
    say_where(v, c);
    pp__say_more(v, "; ");
    say_effect(v, &c->judged);
    say_skill(v, c->judged.s);
    if (h != NULL && h->looks > 0)
        pp__say_more(v, "; the training loss %s (%.4g at first, %.4g at last)",
                     c->falling ? "is still falling" : "does not fall", h->loss[0],
                     pp__last_loss(h));
}

static int targets_are_known(const pp_summary *s)
{
    return !isnan(s->base_loss);
}

static void say_undetermined(pp_verdict *v, const pp__case *c)
{
    pp__say_more(v, "Cannot tell yet: ");
    if (!c->judged.varied) {
        pp__say_more(v, "the targets of %lld rows %s", (long long)c->judged.rows,
                     targets_are_known(c->judged.s) ? "do not differ" : "are not known");
        return;
    }
    if (c->flat_held_out)
        pp__say_more(v, "the targets of the %lld held-out rows do not differ; ",
                     rows_of(c->e->held_out));
    say_effect(v, &c->judged);
    pp__say_more(v, ", skill %.3f +- %.3f, on %lld %srows; more rows would decide",
                 three_digits(c->judged.s->skill), c->judged.skill_error, (long long)c->judged.rows,
                 c->has_held_out    ? "held-out "
                 : c->flat_held_out ? "training "
                                    : "");
}

static void say_healthy(pp_verdict *v, const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (c->judged.rows == 0) {
        pp__say_more(v, "There are no predictions to judge");
        return;
    }
    if (!c->judged.varied) {
        pp__say_more(v, "%lld rows without differing targets: nothing to tell apart",
                     (long long)c->judged.rows);
        return;
    }
    if (pp__is_classification(s))
        pp__say_more(v, "%.1f%% of %lld rows right; ", 100 * s->accuracy,
                     (long long)c->judged.rows);
    else
        pp__say_more(v, "R2 %.3f on %lld rows; ", s->r2, (long long)c->judged.rows);
    say_effect(v, &c->judged);
    if (s->labels) {
        pp__say_more(v, "; balanced accuracy %.3f", s->balanced_accuracy);
        return;
    }
    if (pp__is_classification(s)) say_information(v, s);
    pp__say_more(v, "; skill %.3f +- %.3f", three_digits(s->skill), c->judged.skill_error);
    if (!isnan(s->loss_skill))
        pp__say_more(v, "; by the loss that it trained on, %.3f", three_digits(s->loss_skill));
}

static void say_non_finite_rows(pp_verdict *v, const pp__case *c)
{
    say_non_finite(v, c->judged.s->non_finite > 0 ? c->judged.s : c->train.s);
    say_first_place(v, c->e->history);
}

static void (*const sentences[PP_VERDICT_COUNT])(pp_verdict *v, const pp__case *c) = {
    [PP_VERDICT_NON_FINITE] = say_non_finite_rows,
    [PP_VERDICT_DIVERGED] = say_diverged,
    [PP_VERDICT_RANK_SPLIT] = say_split,
    [PP_VERDICT_LANE_SPLIT] = say_split,
    [PP_VERDICT_CLAMPED] = say_clamped,
    [PP_VERDICT_SATURATED] = say_saturated,
    [PP_VERDICT_AT_HALF] = say_constant,
    [PP_VERDICT_AT_BASE_RATE] = say_constant,
    [PP_VERDICT_AT_TARGET_MEAN] = say_constant,
    [PP_VERDICT_CONSTANT] = say_constant,
    [PP_VERDICT_ONE_CLASS] = say_one_class,
    [PP_VERDICT_BATCH_STATISTICS] = say_batch_statistics,
    [PP_VERDICT_MEMORISED] = say_memorised,
    [PP_VERDICT_PARTLY_DEAD] = say_partly_dead,
    [PP_VERDICT_WORSE_THAN_CONSTANT] = say_worse,
    [PP_VERDICT_UNINFORMATIVE] = say_uninformative,
    [PP_VERDICT_NOT_YET_LEARNED] = say_not_yet_learned,
    [PP_VERDICT_UNDETERMINED] = say_undetermined,
    [PP_VERDICT_HEALTHY] = say_healthy,
};

void pp__say(pp_verdict *v, const pp__case *c)
{
    sentences[v->id](v, c);
    if (v->id >= PP_VERDICT_PARTLY_DEAD) pp__say_remarks(v, c);
    if (c->judged.s->label_outside > 0)
        pp__say_more(v, "; %lld targets are outside the range and were left out",
                     (long long)c->judged.s->label_outside);
}
