#include <math.h>

#include "facts.h"

enum { TWICE = 2, PATIENCE = PP_LOOKS / 4 };
#define HALF_WAY 0.5
#define FAR_OFF 10.0 /* times the loss of the best constant */
#define MOVED 0.005  /* of the loss, at the beginning of a run without association */
#define GREW 1.5     /* of the gradient */

/* Brief summaries have no log loss: a squared error a multiple of the best constant's cannot be
 * that large between 0 and 1, so for classes the training loss itself is compared. */
static int is_far_off(const pp_history *h, const pp_summary *s)
{
    double base = pp__is_classification(s) ? s->base_loss : s->base_loss;
    double loss = pp__is_classification(s) ? h->last_loss : s->mse;
    return base > 0 && loss > FAR_OFF * base && h->last_loss > h->first_loss;
}

static void count(pp_history *h, const pp_look *look, const pp__facts *f)
{
    h->looks++;
    h->last_loss = look->running->loss;
    if (h->looks == 1) h->first_loss = h->last_loss;
    int flat = f->varied && !f->associated;
    if (flat && h->flat == 0) {
        h->flat_loss = h->last_loss;
        h->flat_gradient = look->gradient;
    }
    h->flat = flat ? h->flat + 1 : 0;
    h->dead = flat && look->gradient == 0 ? h->dead + 1 : 0;
    h->runaway = f->varied && !f->informative && is_far_off(h, look->running) ? h->runaway + 1 : 0;
}

/* Neither falls the loss nor grows the gradient: nothing is about to happen. */
static int is_still(const pp_history *h, double gradient)
{
    return h->last_loss > h->flat_loss - MOVED * fabs(h->flat_loss) &&
           gradient < GREW * h->flat_gradient;
}

static int is_sure(const pp_history *h, const pp_look *look)
{
    if (look->running->non_finite > 0 || h->dead >= TWICE || h->runaway >= TWICE) return 1;
    return (double)look->step >= HALF_WAY * (double)look->steps && h->flat >= PATIENCE &&
           is_still(h, look->gradient);
}

int pp_history_look(pp_history *h, const pp_look *look, pp_verdict *verdict)
{
    double level = look->alpha / 2 / PP_LOOKS;
    pp__facts f = pp__facts_of(look->running, level);
    count(h, look, &f);
    if (h->called > 0 || !is_sure(h, look)) return 0;
    *verdict =
        pp_verdict_of(&(pp_evidence){.train = look->running, .history = h, .alpha = 2 * level});
    if (!verdict->collapse) return 0;
    h->called = h->looks;
    h->called_step = look->step;
    h->called_share = (double)look->step / (double)look->steps;
    h->called_id = verdict->id;
    return 1;
}
