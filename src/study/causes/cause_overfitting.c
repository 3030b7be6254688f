/* What is learnt by heart: good on training rows, poor on others. */
#include "cause_internal.h"
#include "run/verdict_file.h"

#include <math.h>

/* The share of what it knows of its training rows that does not hold for others. */
CAUSE_SIGN(pp__sign_overfitting)
{
    pp_verdict_file *file = PP_ARENA_NEW(c->arena, pp_verdict_file, 1);
    if (file == NULL || c->verdict == NULL || !pp_verdict_file_read(c->verdict, file)) return 0;
    double trained = file->train.skill, held_out = file->held_out.skill;
    if (!(trained > 0.05) || !isfinite(held_out)) return 0;
    double lost = 1 - fmax(held_out, 0) / trained;
    return lost < 0.25 ? 0 : fmin(lost, 0.9);
}

/* ---- probes: each trains less, or less freely ---- */

static int fewer_steps(const pp_case *c, pp_probe *probe, int part)
{
    double steps = ceil(pp__steps(c) / part);
    if (steps >= pp__steps(c) || !pp__probe(c, probe, "1/%d of the steps", part)) return 0;
    pp__change(probe, "training.steps", pp__text(c, steps));
    return 1;
}

/* Where the rate is not odd by itself, a lower one is a way to train less. */
static int slower(const pp_case *c, pp_probe *probe, int part)
{
    double lr = c->job->optimizer.lr / part;
    if (pp__sign_rate_high(c) > 0 || !pp__probe(c, probe, "learning rate %.3g", lr)) return 0;
    pp__change(probe, "optimizer.lr", pp__text(c, lr));
    return 1;
}

static int more_decay(const pp_case *c, pp_probe *probe, double decay)
{
    if (c->job->optimizer.weight_decay >= decay) return 0;
    if (!pp__probe(c, probe, "weight decay %g", decay)) return 0;
    pp__change(probe, "optimizer.weight_decay", pp__text(c, decay));
    return 1;
}

static int smaller_layers(const pp_case *c, pp_probe *probe, int part)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (!pp__probe(c, probe, "hidden layers 1/%d as wide", part)) return 0;
    for (int i = 0; i < n; i++) {
        double units = flat[i].layer->type == PP_LAYER_DENSE ? (double)flat[i].layer->units : 0;
        if (!flat[i].is_last && units > 2)
            pp__change(probe, pp__member(c, &flat[i], "units"),
                       pp__text(c, fmax(2, ceil(units / part))));
    }
    return probe->patch.count > 0 && pp__fits(c, probe);
}

static int stop_early(const pp_case *c, pp_probe *probe, int patience)
{
    if (c->job->training.early_stopping > 0) return 0;
    if (!pp__probe(c, probe, "early stopping after %d evaluations", patience)) return 0;
    pp__change(probe, "training.early_stopping", pp__text(c, patience));
    return 1;
}

CAUSE_PROBES(pp__probe_overfitting)
{
    static int (*const changes[])(const pp_case *, pp_probe *, int) = {
        stop_early, fewer_steps, fewer_steps, slower, slower, smaller_layers, smaller_layers};
    static const int by[] = {3, 4, 16, 10, 100, 4, 16};
    int n = 0;
    if (pp__sign_overfitting(c) == 0) return 0;
    for (int i = 0; i < 7 && n < room; i++)
        n += changes[i](c, &probes[n], by[i]);
    for (double decay = 0.01; decay < 0.2 && n < room; decay *= 10)
        n += more_decay(c, &probes[n], decay);
    return n;
}
