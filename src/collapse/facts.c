#include "facts.h"

#include <math.h>

#include "statistics.h"

#define EXACT_SPREAD 1e-6 /* equal but for rounding */
#define FELL 0.005        /* of the loss, over some looks: it falls */
#define ROSE 2.0          /* times the first loss: on its way up */
#define SIGMAS 3.0        /* of a base rate that predictions are compared with */

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
    if (s->shape.columns == 1) return s->min == s->max;
    return s->spread < EXACT_SPREAD;
}

/* Of a handful of rows, several may well agree by chance. */
static int is_nearly_constant(const pp_summary *s, int64_t rows)
{
    if (rows < 2) return 0;
    if (rows < PP__FEW_ROWS) return is_exactly_constant(s);
    int one_value = s->median_mass >= PP__SAME_MASS;
    if (s->shape.kind == PP_SKETCH_MULTICLASS) one_value &= s->answer_share >= PP__SAME_MASS;
    return one_value || s->spread <= PP__SAME_SPREAD;
}

/* AUC - 1/2, or the correlation, with what it may be off by. Of several columns the strongest
 * correlation is the largest of as many, as the level of each allows for. */
static void put_effect(pp__facts *f)
{
    const pp_summary *s = f->s;
    double z = pp__two_sided_z(2 * f->level); /* one side */
    if (pp__is_classification(s)) {
        f->effect = fabs(s->auc - 0.5);
        f->effect_error = z * s->auc_error + (s->max > s->min ? s->auc_bound : 0);
        f->useful = PP__USEFUL_AUC;
    } else {
        double r = isnan(s->correlation) ? 0 : fabs(s->correlation);
        f->effect = r;
        f->effect_error = z * (1 - r * r) / sqrt((double)f->rows); /* large-sample */
        f->useful = PP__USEFUL_R;
    }
}

pp__facts pp__facts_of(const pp_summary *s, double level)
{
    enum { TESTS = 2 }; /* association and skill */
    pp__facts f = {.s = s, .level = level / TESTS};
    f.rows = finite_rows(s);
    f.z = pp__two_sided_z(f.level);
    f.varied = targets_vary(s) && f.rows > 1;
    f.nearly_constant = is_nearly_constant(s, f.rows);
    put_effect(&f);
    if (!f.varied) return f;
    int tests = s->association_tests > 1 ? s->association_tests : 1;
    f.associated = fabs(s->association) > pp__two_sided_z(f.level / tests);
    double good = pp__is_classification(s) ? PP__GOOD_AUC : PP__GOOD_R;
    f.informative = f.associated && f.effect - f.effect_error > good;
    f.skilled = s->skill - f.z * s->skill_error > 0;
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

/* Over the last `back` looks. */
static int has_fallen(const pp_history *h, int64_t back)
{
    if (h->looks < 2) return 0;
    double before = h->loss[h->looks - 1 - back];
    return pp__last_loss(h) < before - FELL * fabs(before);
}

/* NaN has risen as well. */
int pp__has_risen(const pp_history *h)
{
    return h->looks > 1 && !(pp__last_loss(h) <= ROSE * fabs(h->loss[0]));
}

pp__case pp__case_of(const pp_evidence *e, double level)
{
    pp__case c = {.e = e};
    c.has_held_out = e->held_out != NULL && e->held_out->rows > 0;
    c.train = pp__facts_of(e->train, level);
    c.judged = c.has_held_out ? pp__facts_of(e->held_out, level) : c.train;
    if (e->running != NULL && e->running->rows > 0) c.running = pp__facts_of(e->running, level);
    const pp_history *h = e->history;
    c.falling = h != NULL && has_fallen(h, (h->looks + 3) / 4);
    c.improved = h != NULL && has_fallen(h, h->looks - 1);
    return c;
}
