#include "facts.h"

#include <math.h>

#include "statistics.h"

#define EXACT_SPREAD 1e-6 /* equal but for rounding */
#define FEW_SPREAD 1e-3   /* of fewer than PP__FEW_ROWS rows: equal but for the last steps */
#define MOST_SPREAD 0.1   /* of predictions that are the same but for a few rows */
#define SAME_ODDS 0.1     /* deviation of the log-odds of predictions that are the same */
#define FELL 0.005        /* of the loss, over some looks: it falls */
#define ROSE 2.0          /* times the first loss: on its way up */
#define FEW_OF_A_CLASS 5.0
#define ROUNDING 1e-9 /* of a skill, which has no error where every answer is the same */
#define SIGMAS 3.0    /* of a base rate, or of what hindsight is worth */

int pp__is_classification(const pp_summary *s)
{
    return s->shape.kind != PP_SKETCH_REGRESSION;
}

static int64_t finite_rows(const pp_summary *s)
{
    return s->rows - s->non_finite - (pp__is_classification(s) ? 0 : s->label_outside);
}

static int targets_vary(const pp_summary *s)
{
    return pp__is_classification(s) ? s->classes_present > 1 : s->target_deviation > 0;
}

static int is_exactly_constant(const pp_summary *s)
{
    if (s->shape.columns == 1 && s->min == s->max) return 1;
    return s->spread < (s->shape.columns == 1 ? FEW_SPREAD : EXACT_SPREAD);
}

/* The spread of predictions that are the same. Of rare classes the best that hard problems allow is
 * a small spread: at AUC 0.55 and 1 row in 100 it is 0.018, though the log-odds differ by as much
 * as those of balanced classes do, 0.18. Hence 2%, or log-odds that deviate by 0.1 where that is
 * less: sd(p) / (p q) = spread / sqrt(p q), and of several classes with the p q of two that are as
 * uncertain. */
static double same_spread(const pp_summary *s)
{
    double root_pq = s->shape.kind == PP_SKETCH_BINARY       ? s->target_deviation
                     : s->shape.kind == PP_SKETCH_MULTICLASS ? s->base_loss / (2 * log(2.0))
                                                             : 0.5;
    return fmin(PP__SAME_SPREAD, SAME_ODDS * root_pq);
}

/* All but a few rows at one value: says nothing where a few rows are all that there is to find. */
static int is_one_value(const pp_summary *s)
{
    if (s->shape.kind == PP_SKETCH_MULTICLASS && s->answer_share < PP__SAME_MASS) return 0;
    if (isnan(s->spread)) return s->median_mass >= PP__SAME_MASS; /* no target to compare with */
    return s->median_mass >= PP__SAME_MASS && s->spread <= MOST_SPREAD &&
           same_spread(s) >= PP__SAME_SPREAD;
}

/* Of a handful of rows, several may well agree by chance. */
static int is_nearly_constant(const pp_summary *s, int64_t rows)
{
    if (rows < 2) return 0;
    if (rows < PP__FEW_ROWS) return is_exactly_constant(s);
    return s->min == s->max || is_one_value(s) || s->spread <= same_spread(s);
}

/* Standard errors are of all rows: of those that count, they are larger. */
static double shrink(const pp__facts *f)
{
    return f->rows > 0 ? sqrt(f->effective / (double)f->rows) : 1;
}

/* Of two classes the error that DeLong finds in a few rows of one may be far too small, by luck:
 * never less than that of predictions that are unrelated. */
static double auc_error(const pp__facts *f)
{
    const pp_summary *s = f->s;
    double n = (double)f->rows, pq = s->target_deviation * s->target_deviation;
    if (s->shape.kind != PP_SKETCH_BINARY || !(pq > 0) || s->min == s->max) return s->auc_error;
    return fmax(s->auc_error, sqrt((n + 1) / (12 * n * n * pq)));
}

/* AUC - 1/2, or the correlation, with what it may be off by. Of several columns the strongest
 * correlation is the largest of as many, as the level of each allows for. */
static void put_effect(pp__facts *f)
{
    const pp_summary *s = f->s;
    double z = pp__two_sided_z(2 * f->level) / shrink(f); /* one side */
    if (pp__is_classification(s)) {
        f->effect = fabs(s->auc - 0.5);
        f->effect_error = z * auc_error(f) + (s->max > s->min ? s->auc_bound : 0);
        f->useful = PP__USEFUL_AUC;
    } else {
        double r = isnan(s->correlation) ? 0 : fabs(s->correlation);
        if (s->long_tail && !isnan(s->rank_correlation)) r = fabs(s->rank_correlation);
        f->effect = r;
        f->effect_error = z * (1 - r * r) / sqrt((double)f->rows); /* large-sample */
        if (s->long_tail && isnan(s->rank_correlation) && !isnan(s->extreme))
            f->effect_error = 1; /* a far target has drowned the others: nothing is known */
        f->useful = PP__USEFUL_R;
    }
}

/* Whether a skill is below 0 for sure, with its error at the level of a decision. The best constant
 * is the best in hindsight: over n rows it beats the true one by X / 2n nats a row (classes), or
 * X / n of the variance, where X is chi-squared with as many degrees of freedom as the constant
 * has. A model that knows the true one must not look worse for that; three deviations, which add to
 * the error as deviations do. */
static int is_negative(const pp__facts *f, double skill, double error)
{
    double n = (double)f->rows;
    double freedom = pp__is_classification(f->s) ? f->s->classes_present - 1 : 1;
    double unit = pp__is_classification(f->s) ? 1 / (2 * n * f->s->base_loss) : 1 / n;
    return skill + hypot(error, unit * SIGMAS * sqrt(2 * freedom)) < -unit * freedom;
}

/* For a mean loss to be normal, roughly; a missing row of a rare class looks like overconfidence.
 */
static int has_enough(const pp__facts *f)
{
    double pq = f->s->target_deviation * f->s->target_deviation;
    if (f->s->shape.kind == PP_SKETCH_BINARY && pq * (double)f->rows < FEW_OF_A_CLASS) return 0;
    return f->rows >= PP__FEW_ROWS;
}

/* Errors of tests are those of the rows that are not copies. */
static double critical(const pp__facts *f, double level)
{
    return pp__two_sided_t(level, f->effective - 1) / shrink(f);
}

int pp__is_positive(const pp__facts *f, double skill, double error)
{
    return skill - critical(f, f->level) * error > ROUNDING;
}

/* Given an association that is sure, one side of it is enough: a model without any relation to its
 * targets has been ruled out at the level of a decision. */
static int is_better(const pp__facts *f, double skill, double error)
{
    double level = f->ranked && f->s->association > 0 ? PP__PROBABLE : f->level;
    return skill - critical(f, level) * error > ROUNDING;
}

static double largest_share(const pp_summary *s)
{
    double most = s->shape.kind == PP_SKETCH_BINARY ? fmax(s->target_mean, 1 - s->target_mean) : 0;
    for (int i = 0; i < s->n_parts && pp__is_classification(s); i++)
        most = fmax(most, s->parts[i].target_mean);
    return most > 0 ? most : 0.5;
}

/* Of a few rows no mean is normal. Classes: as many right as the largest class would have, by the
 * binomial law. Numbers: the correlation, by Student's. */
static int is_related_exactly(const pp__facts *f)
{
    const pp_summary *s = f->s;
    if (!pp__is_classification(s)) {
        double r = fabs(s->worst.effect), freedom = f->effective - 2;
        return freedom > 1 && r * sqrt(freedom / (1 - r * r)) > pp__two_sided_t(f->level, freedom);
    }
    return pp__binomial_tail(lround(s->accuracy * f->effective), lround(f->effective),
                             largest_share(s)) < f->level;
}

/* Answers against chance, and against what other thresholds would make of the same ranks. */
static void put_decision(pp__facts *f)
{
    const pp_summary *s = f->s;
    if (isnan(s->decision)) return;
    double above = s->decision * (1 - 1.0 / s->classes_present);
    f->decides = is_better(f, s->decision, s->decision_error);
    f->decides_well = f->decides && f->associated && above >= PP__USEFUL_DECISION &&
                      !(s->decision < s->decision_best / 2);
}

/* Where tails are long, ranks and the pinball loss say what squares cannot. */
static int is_ranked(const pp__facts *f)
{
    const pp_summary *s = f->s;
    if (s->long_tail && isnan(s->rank_correlation))
        return pp__is_positive(f, s->quantile_skill, s->quantile_error);
    return s->long_tail && f->associated && s->association > 0 && s->quantile_skill > 0 &&
           f->effect > f->effect_error;
}

/* Rounding makes 0 and 1 of small and large probabilities, which the logarithm does not forgive. */
static int is_rounded(const pp_summary *s)
{
    return s->shape.kind == PP_SKETCH_BINARY && s->decimals >= 1 && s->decimals <= 2;
}

static double brier_skill(const pp_summary *s)
{
    return 1 - s->mse / (s->target_deviation * s->target_deviation);
}

static int is_worse(const pp__facts *f)
{
    const pp_summary *s = f->s;
    double wide = critical(f, f->level);
    if (!isnan(s->loss_skill)) return is_negative(f, s->loss_skill, wide * s->loss_skill_error);
    if (s->labels) return s->decision + wide * s->decision_error < 0;
    if (is_rounded(s) && brier_skill(s) > 0) return 0;
    if (s->shape.kind != PP_SKETCH_REGRESSION || s->shape.columns == 1)
        return is_negative(f, s->skill, wide * s->skill_error);
    return is_negative(f, s->worst.skill,
                       critical(f, f->level / s->shape.columns) * s->worst.skill_error);
}

static void put_skill(pp__facts *f)
{
    const pp_summary *s = f->s;
    /* The best constant under the loss is searched for, and that of the skill is exact: one answer
     * to everything is not to look better than another. */
    int by_loss = !isnan(s->loss_skill) && !f->nearly_constant;
    double of_loss = by_loss ? s->loss_skill : s->skill;
    double error = by_loss ? s->loss_skill_error : s->skill_error;
    f->skill_error = critical(f, f->level) * s->skill_error;
    put_decision(f);
    f->worse = has_enough(f) && is_worse(f);
    f->skilled = s->labels ? f->decides : is_better(f, of_loss, error);
    if (!s->labels && !f->worse)
        f->skilled |= is_ranked(f) || is_better(f, s->skill, s->skill_error);
    if (is_rounded(s) && !f->worse && brier_skill(s) > 0)
        f->skilled |= is_better(f, s->scaled_skill, s->scaled_error);
    if (f->effective < PP__FEW_ROWS) {
        int related = is_related_exactly(f);
        f->skilled &= related;
        f->decides &= related;
        f->decides_well &= related;
    }
    f->moved = f->worse && f->decides_well && !s->labels && s->never == 0 &&
               !(s->shifted_skill + critical(f, f->level) * s->shifted_error < 0);
    if (f->moved) f->worse = 0;
}

pp__facts pp__facts_of(const pp_summary *s, double level)
{
    enum { TESTS = 2 }; /* association and skill */
    pp__facts f = {.s = s, .level = level / TESTS};
    f.rows = finite_rows(s);
    f.z = pp__two_sided_z(f.level);
    f.varied = targets_vary(s) && f.rows > 1;
    f.nearly_constant = is_nearly_constant(s, f.rows);
    f.effective = s->effective_rows < (double)f.rows ? s->effective_rows : (double)f.rows;
    put_effect(&f);
    if (!f.varied) return f;
    int tests = s->association_tests > 1 ? s->association_tests : 1;
    if (!isnan(s->dependence)) tests++;
    double z = pp__two_sided_z(f.level / tests);
    f.ranked = fabs(s->association) * shrink(&f) > z;
    f.associated = f.ranked || s->dependence * shrink(&f) > z;
    double good = pp__is_classification(s) ? PP__GOOD_AUC : PP__GOOD_R;
    f.informative = f.associated && f.effect - f.effect_error > good;
    put_skill(&f);
    return f;
}

/* The sampling error of the base rate counts where it is one: of a handful of rows it covers
 * everything. */
int pp__is_at_base(const pp__facts *f)
{
    double error = f->rows < PP__FEW_ROWS ? 0 : SIGMAS * f->s->base_error;
    return f->s->base_distance <= f->s->tolerance + error;
}

double pp__last_loss(const pp_history *h)
{
    return h->looks > 0 ? h->loss[h->looks - 1] : NAN;
}

/* Standard error of the loss of a look; 0: so large that its square is no number. */
static double error_of(const pp_history *h, int64_t look)
{
    return isfinite(h->loss_error[look]) ? h->loss_error[look] : 0;
}

int pp__has_fallen(const pp_history *h, int64_t back, double level)
{
    if (h->looks < 2 || back < 1) return 0;
    int64_t last = h->looks - 1, first = last - back;
    double fall = h->loss[first] - h->loss[last];
    double noise = pp__two_sided_z(level) * hypot(error_of(h, first), error_of(h, last));
    return fall > fmax(noise, FELL * fabs(h->loss[first]));
}

/* NaN has risen as well. */
int pp__has_risen(const pp_history *h)
{
    if (h->looks < 2) return 0;
    double least = pp__last_loss(h) - error_of(h, h->looks - 1);
    return !(least <= ROSE * fabs(h->loss[0]));
}

pp__case pp__case_of(const pp_evidence *e, double level)
{
    pp__case c = {.e = e};
    c.train = c.judged = pp__facts_of(e->train, level);
    if (e->held_out != NULL && e->held_out->rows > 0) {
        pp__facts held_out = pp__facts_of(e->held_out, level);
        c.flat_held_out = !held_out.varied && c.train.varied && e->held_out->non_finite == 0;
        c.has_held_out = !c.flat_held_out;
        if (c.has_held_out) c.judged = held_out;
    }
    /* of a few held-out rows, what is the same is measured by the training rows */
    if (c.judged.rows < PP__FEW_ROWS && c.train.nearly_constant)
        c.judged.nearly_constant |= c.judged.s->max - c.judged.s->min <= 2 * c.train.s->tolerance;
    if (e->alike) {
        c.train.nearly_constant = 1;
        c.train.associated = c.train.informative = c.train.skilled = c.train.decides = 0;
        if (!c.has_held_out) c.judged = c.train;
    }
    if (e->running != NULL && e->running->rows > 0) c.running = pp__facts_of(e->running, level);
    const pp_history *h = e->history;
    c.falling = h != NULL && pp__has_fallen(h, (h->looks + 3) / 4, c.train.level);
    c.improved = h != NULL && pp__has_fallen(h, h->looks - 1, c.train.level);
    return c;
}
