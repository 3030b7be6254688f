/* The predicates of the verdicts. A null hypothesis stands above each that is a test. */
#include "facts.h"

#include <math.h>

#define AT_HALF 0.01
#define FAR_OFF 10.0   /* times the loss of the best constant */
#define MOSTLY_CUT 0.5 /* of the rows */
#define COMPRESSED 5.0 /* slope: predictions vary a fifth of what they should */

/* No part of the rows shows that the model tells inputs apart. */
static int knows_nothing(const pp__case *c)
{
    return !c->judged.skilled && !c->train.skilled && !c->judged.associated && !c->train.associated;
}

static int is_useless(const pp__case *c)
{
    return !c->judged.skilled && !c->train.skilled && !c->judged.informative &&
           !c->train.informative;
}

/* A constant answer to constant targets is right. So is a probability of another class that n rows
 * without a single one allow: up to 1 - level^(1/n), the exact binomial limit. */
static int answers_constant_targets(const pp__facts *f)
{
    double allowed = f->s->tolerance;
    if (pp__is_classification(f->s))
        allowed = fmax(allowed, 1 - pow(f->level, 1 / (double)f->rows));
    return !f->varied && f->s->base_distance <= allowed;
}

/* Ranks inputs, but on a scale far too small, or the wrong way round. What predictions of this
 * spread explain where their scale is right, r = spread, is an association of spread * sqrt(n)
 * deviations; the slope says the same where no few rows decide it. */
static int is_compressed(const pp__facts *f)
{
    const pp_summary *s = f->s;
    double right = s->spread * sqrt((double)f->rows);
    int steep = s->association < 0 || s->association > COMPRESSED * right ||
                s->slope > COMPRESSED || s->slope < 0;
    return f->nearly_constant && f->associated && steep && !(s->skill >= PP__USEFUL_SKILL);
}

/* All predictions are the same; what little they differ by knows nothing, has stopped to grow, is
 * beside a wrong answer, or is rounding that other rows do not show. */
static int is_one_value(const pp__case *c, const pp__facts *f)
{
    const pp__facts *judged = &c->judged;
    int is_rounding = judged->rows >= PP__FEW_ROWS && judged->s->min == judged->s->max;
    if (!f->nearly_constant) return 0;
    if (f->associated) return is_compressed(f) && (!c->falling || f->worse || is_rounding);
    return !f->skilled;
}

/* A few answers out of two or so may be the same by lot; of a training, more is known. */
static int may_be_lot(const pp__case *c)
{
    const pp__facts *f = &c->judged;
    return c->e->history == NULL && f->s->decimals >= 0 && f->s->decimals <= 1 &&
           pow(0.5, (double)f->rows - 1) > 2 * f->level;
}

static int is_constant(const pp__case *c)
{
    return !may_be_lot(c) && is_one_value(c, &c->train) &&
           (is_one_value(c, &c->judged) || c->judged.rows < 2) &&
           !answers_constant_targets(&c->judged);
}

static int non_finite(const pp__case *c)
{
    return c->train.s->non_finite > 0 || c->judged.s->non_finite > 0;
}

static double times_base(const pp_summary *s)
{
    double log_loss = isnan(s->log_loss) ? s->loss : s->log_loss; /* brief: as it was trained */
    return (pp__is_classification(s) ? log_loss : s->mse) / s->base_loss;
}

static int diverged(const pp__case *c)
{
    const pp_history *h = c->e->history;
    return h != NULL && pp__has_risen(h) && times_base(c->train.s) > FAR_OFF;
}

static int is_split(const pp__case *c)
{
    const pp_split *split = c->e->split;
    return split != NULL && split->groups > 1 && split->constant == split->groups &&
           split->between > split->tolerance;
}

static int rank_split(const pp__case *c)
{
    return c->e->by_rank && c->e->split != NULL && (is_split(c) || c->e->split->odd > 0);
}

static int lane_split(const pp__case *c)
{
    return !c->e->by_rank && is_split(c);
}

/* A few rows show a mechanism by lot; of a training, more is known. */
static int is_few(const pp__case *c)
{
    return c->e->history == NULL && c->judged.rows < PP__FEW_ROWS;
}

static int clamped(const pp__case *c)
{
    return !is_few(c) && c->judged.s->cut_share >= MOSTLY_CUT && c->judged.varied &&
           !c->judged.skilled && !c->train.skilled;
}

static int saturated(const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    return !is_few(c) && s->limit_share >= PP__SAME_MASS && s->min < s->max && c->judged.varied &&
           !c->judged.decides && is_useless(c);
}

static int at_half(const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    double distance = fabs(s->median - 0.5);
    int nearer_base = pp__is_at_base(&c->judged) && s->base_distance < distance;
    return s->shape.kind == PP_SKETCH_BINARY && distance <= AT_HALF && !nearer_base &&
           is_constant(c);
}

static int at_base_rate(const pp__case *c)
{
    return pp__is_classification(c->judged.s) && pp__is_at_base(&c->judged) && is_constant(c);
}

static int at_target_mean(const pp__case *c)
{
    return !pp__is_classification(c->judged.s) && pp__is_at_base(&c->judged) && is_constant(c);
}

/* Null: the predictions are related to the targets to an extent worth having. */
static int nothing_worth_having(const pp__facts *f)
{
    return f->rows >= PP__FEW_ROWS && f->varied && !f->associated && !f->skilled &&
           f->effect + f->effect_error < f->useful;
}

/* Null: the predictions rank well. */
static int ranks_badly(const pp__facts *f)
{
    double good = pp__is_classification(f->s) ? PP__GOOD_AUC : PP__GOOD_R;
    return f->effect + f->effect_error < good;
}

/* One answer to everything may be the best there is. Null: the model is no worse than the best
 * constant, or ranks well; or, where it is not shown to be worse: its predictions are related to
 * the targets of the training rows to an extent worth having. */
static int one_class(const pp__case *c)
{
    const pp_summary *s = c->judged.s, *t = c->train.s;
    if (!pp__is_classification(s) || c->judged.rows < PP__FEW_ROWS || !c->judged.varied) return 0;
    if (s->classes_predicted != 1 || t->classes_predicted != 1 || s->answer != t->answer) return 0;
    int wrong = c->judged.worse && !c->judged.informative &&
                (s->accuracy < 0.5 || ranks_badly(&c->judged)) &&
                (s->classes_present > 2 || !c->judged.associated);
    return wrong || (knows_nothing(c) && nothing_worth_having(&c->train));
}

/* How much of what the targets vary by the predictions explain, without logarithms. */
static double explained(const pp_summary *s)
{
    switch (s->shape.kind) {
    case PP_SKETCH_BINARY:
        return 1 - s->mse / (s->target_deviation * s->target_deviation);
    case PP_SKETCH_MULTICLASS:
        return s->balanced_accuracy - 1.0 / s->classes_present;
    case PP_SKETCH_REGRESSION:
        break;
    }
    return s->r2;
}

/* Rows drawn more often than others change what can be explained, but not the ranks. */
static int same_targets(const pp_summary *a, const pp_summary *b)
{
    return fabs(a->base_loss - b->base_loss) < 0.1 * b->base_loss;
}

/* The same rows and weights (but for the steps of the last looks), with the statistics of the batch
 * and without. Null: what training mode knows, evaluation knows at least half of. */
static int batch_statistics(const pp__case *c)
{
    if (c->running.s == NULL || !c->running.informative) return 0;
    double with = explained(c->running.s), without = explained(c->train.s);
    int lost = c->train.effect + c->train.effect_error < (c->running.effect) / 2;
    int worse = without < with / 2 - 0.1 && same_targets(c->running.s, c->train.s);
    return (lost || worse) && with > 0.1 && !c->train.skilled;
}

/* Null: the held-out rows show at least half of the effect that the training rows show. */
static int memorised(const pp__case *c)
{
    return c->has_held_out && c->judged.rows >= PP__FEW_ROWS && c->judged.varied &&
           (c->train.skilled || c->train.informative) && !c->judged.associated &&
           !c->judged.skilled && c->judged.effect + c->judged.effect_error < c->train.effect / 2;
}

/* A class gets less than half of its share in every row. */
static int misses_a_class(const pp_summary *s)
{
    for (int i = 0; i < s->n_parts; i++)
        if (s->parts[i].dead && s->parts[i].mean < s->parts[i].target_mean / 2) return 1;
    return 0;
}

/* An output that is related to its targets, and worse than their mean for sure: then the columns
 * are dealt otherwise, or all are off, and what is unrelated is a part of that. */
static int has_a_worse_output(const pp__facts *f)
{
    for (int i = 0; i < f->s->n_parts; i++) {
        const pp_part_summary *part = f->s->parts + i;
        if (part->dead || part->unrelated) continue;
        if (part->skill + f->z * part->skill_error < 0) return 1;
    }
    return 0;
}

/* Where nothing is told apart for sure, neither a class that gets its share in every row nor what
 * varies without a relation is a part of something. */
static int partly_dead(const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (!c->judged.varied || s->dead + s->unrelated == 0) return 0;
    if (knows_nothing(c)) return pp__is_classification(s) ? misses_a_class(s) : s->dead > 0;
    return pp__is_classification(s) || s->dead > 0 || !has_a_worse_output(&c->judged);
}

static int is_untrained(const pp__case *c)
{
    return c->e->history != NULL && c->train.worse && !c->improved;
}

static int worse_than_constant(const pp__case *c)
{
    return !is_untrained(c) && !is_compressed(&c->judged) && pp__reason_of(c) != PP_REASON_NONE;
}

/* Null: the predictions are related to the targets to an extent worth having, in the rows that are
 * judged or in the training rows, which can only look better; or, the model is no worse than the
 * best constant, or an untrained one that ranks well. What the model knows of a part of the rows is
 * a case of the first only. */
static int uninformative(const pp__case *c)
{
    const pp__facts *f = &c->judged;
    int worse = f->worse && knows_nothing(c) && (ranks_badly(f) || !is_untrained(c));
    int nowhere = knows_nothing(c) && nothing_worth_having(&c->train);
    return f->varied && (worse || nowhere || nothing_worth_having(f));
}

/* Ranks inputs, but on a scale far too small; or, null: the model is no worse than the best
 * constant on the rows that it trains on, which no training has made any better. */
static int not_yet_learned(const pp__case *c)
{
    if (!c->judged.varied) return 0;
    if (is_compressed(&c->judged)) return 1;
    return is_untrained(c) && !c->judged.skilled;
}

/* Training rows are no help: a model may know them by heart. */
static int undetermined(const pp__case *c)
{
    const pp__facts *f = &c->judged;
    if (f->rows == 0) return 0;
    if (!f->varied) return !answers_constant_targets(f);
    return c->flat_held_out || (!f->skilled && !f->decides);
}

static int always(const pp__case *c)
{
    (void)c;
    return 1;
}

static int (*const predicates[PP_VERDICT_COUNT])(const pp__case *c) = {
    [PP_VERDICT_NON_FINITE] = non_finite,
    [PP_VERDICT_DIVERGED] = diverged,
    [PP_VERDICT_RANK_SPLIT] = rank_split,
    [PP_VERDICT_LANE_SPLIT] = lane_split,
    [PP_VERDICT_CLAMPED] = clamped,
    [PP_VERDICT_SATURATED] = saturated,
    [PP_VERDICT_AT_HALF] = at_half,
    [PP_VERDICT_AT_BASE_RATE] = at_base_rate,
    [PP_VERDICT_AT_TARGET_MEAN] = at_target_mean,
    [PP_VERDICT_CONSTANT] = is_constant,
    [PP_VERDICT_ONE_CLASS] = one_class,
    [PP_VERDICT_BATCH_STATISTICS] = batch_statistics,
    [PP_VERDICT_MEMORISED] = memorised,
    [PP_VERDICT_PARTLY_DEAD] = partly_dead,
    [PP_VERDICT_WORSE_THAN_CONSTANT] = worse_than_constant,
    [PP_VERDICT_UNINFORMATIVE] = uninformative,
    [PP_VERDICT_NOT_YET_LEARNED] = not_yet_learned,
    [PP_VERDICT_UNDETERMINED] = undetermined,
    [PP_VERDICT_HEALTHY] = always,
};

int pp__holds(pp_verdict_id id, const pp__case *c)
{
    return predicates[id](c);
}
