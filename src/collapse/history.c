#include <math.h>

#include "facts.h"
#include "pitprop/check.h"

enum { TWICE = 2, PATIENCE = PP_LOOKS / 2 };
#define LATE 0.75
#define LASTING 0.25 /* of the steps, that evaluations find what training does not */
#define FAR_OFF 10.0 /* times the loss of the best constant */
#define GREW 1.5     /* of the gradient */

/* Brief summaries have no log loss: a squared error a multiple of the best constant's cannot be
 * that large between 0 and 1, so for classes the training loss itself is compared. */
static int is_far_off(const pp_history *h, const pp_summary *s)
{
    double loss = pp__is_classification(s) ? pp__last_loss(h) : s->mse;
    return s->base_loss > 0 && loss > FAR_OFF * s->base_loss && pp__has_risen(h);
}

/* Predictions of training that go against their targets are no sign of learning: an output bias
 * follows the classes of the last batches, and as an epoch uses up its rows, those to come have
 * less of what has been. */
static void count(pp_history *h, const pp_look *look, const pp__facts *f)
{
    PP_CHECK(h->looks < PP_LOOKS);
    h->loss_error[h->looks] = look->running->loss_error;
    h->loss[h->looks++] = look->running->loss;
    int flat = f->varied && !(f->associated && f->s->association > 0);
    if (flat && h->flat == 0) h->flat_gradient = look->gradient;
    h->flat = flat ? h->flat + 1 : 0;
    h->dead = flat && look->gradient == 0 ? h->dead + 1 : 0;
    h->runaway = f->varied && is_far_off(h, look->running) ? h->runaway + 1 : 0;
    h->alike = f->varied && look->alike ? h->alike + 1 : 0;
    h->cut = f->varied && look->running->cut_share == 1 ? h->cut + 1 : 0;
}

static void count_evaluation(pp_history *h, const pp_look *look, const pp__facts *training)
{
    if (look->evaluation == NULL) return;
    pp__facts f = pp__facts_of(look->evaluation, training->level);
    int lost = training->informative && f.varied && f.rows >= PP__FEW_ROWS && f.nearly_constant &&
               !f.skilled && !f.associated;
    h->lost = lost ? h->lost + 1 : 0;
    if (h->lost == 1) h->lost_step = look->step;
}

/* Neither has the loss fallen since the run without association began, nor grows the gradient:
 * nothing is about to happen. */
static int is_still(const pp_history *h, double gradient)
{
    return !pp__has_fallen(h, h->flat - 1, PP__PROBABLE) && gradient < GREW * h->flat_gradient;
}

/* Hard evidence of what predictions of training are. */
static int is_fixed(const pp_history *h, const pp_look *look)
{
    return look->running->non_finite > 0 || h->dead >= TWICE || h->runaway >= TWICE ||
           h->alike >= TWICE || h->cut >= TWICE;
}

/* ... and of what evaluations make of it: statistics of batches lag behind at first. */
static int is_lost(const pp_history *h, const pp_look *look)
{
    return look->evaluation != NULL && h->lost >= TWICE &&
           (double)(look->step - h->lost_step) >= LASTING * (double)look->steps;
}

static int is_sure(const pp_history *h, const pp_look *look)
{
    if (is_fixed(h, look) || is_lost(h, look)) return 1;
    return (double)look->step >= LATE * (double)look->steps && h->flat >= PATIENCE &&
           is_still(h, look->gradient);
}

int pp_history_look(pp_history *h, const pp_look *look, pp_verdict *verdict)
{
    double level = look->alpha / 2 / PP_LOOKS;
    pp__facts f = pp__facts_of(look->running, level);
    count(h, look, &f);
    count_evaluation(h, look, &f);
    if (h->called > 0 || !is_sure(h, look)) return 0;
    pp_evidence evidence = {
        .train = look->running, .history = h, .alike = h->alike >= TWICE, .alpha = 2 * level};
    if (!is_fixed(h, look) && is_lost(h, look)) {
        evidence.train = look->evaluation;
        evidence.running = look->running;
    }
    *verdict = pp_verdict_of(&evidence);
    if (!verdict->collapse) return 0;
    h->called = h->looks;
    h->called_step = look->step;
    h->called_share = (double)look->step / (double)look->steps;
    h->called_id = verdict->id;
    return 1;
}
