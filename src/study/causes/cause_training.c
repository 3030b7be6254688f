/* How the model is trained: rates, steps, batches, optimiser, decay, clipping, seed. */
#include "cause_internal.h"

#include <math.h>
#include <stdlib.h>

/* Rates that usually work: defaults of the libraries, and those of plain SGD in textbooks
 * (Bengio 2012, "Practical recommendations": 0.01 and factors around it). */
static double usual_rate(const pp_job *job)
{
    const pp_optimizer_kind *kind = pp_optimizer_kind_of(job->optimizer.type);
    return job->optimizer.momentum >= 0.8 ? kind->usual_lr_with_momentum : kind->usual_lr;
}

enum { MOST_RATES = 8 };

/* Decade by decade towards the bound; in larger strides where that is far. factor: 0.1 or 10. */
static int scale_rate(const pp_case *c, pp_probe *probes, int room, double factor, double bound)
{
    double lr = c->job->optimizer.lr;
    double decades = floor(log(bound / lr) / log(factor) + 1e-9);
    double stride = pow(factor, fmax(1, ceil(decades / MOST_RATES)));
    int n = 0;
    for (int i = 0; i < MOST_RATES && n < room; i++) {
        lr *= stride;
        if (factor < 1 ? lr < bound : lr > bound) break;
        char label[64];
        snprintf(label, sizeof label, "learning rate %.3g", lr);
        n += pp__single(c, &probes[n], label, "optimizer.lr", pp__text(c, lr));
    }
    return n;
}

CAUSE_SIGN(pp__sign_rate_high)
{
    double ratio = c->job->optimizer.lr / usual_rate(c->job);
    double sign = pp__ramp(ratio, 3, 300);
    return pp__has_verdict(c, PP__VERDICT(DIVERGED) | PP__VERDICT(NON_FINITE)) ? fmax(sign, 0.3)
                                                                               : sign;
}

/* Where numbers overflow, the scale of the data may want a rate far below all that is usual. Lower
 * ones than are usual for a net that has learnt by heart are probes of that. */
CAUSE_PROBES(pp__probe_rate_high)
{
    if (pp__sign_rate_high(c) == 0 && pp__sign_overfitting(c) >= 0.5) return 0;
    double lowest = usual_rate(c->job) / 100;
    if (pp__has_verdict(c, PP__VERDICT(DIVERGED) | PP__VERDICT(NON_FINITE)))
        lowest = fmin(lowest, c->job->optimizer.lr / 1e6);
    return scale_rate(c, probes, room, 0.1, lowest);
}

CAUSE_SIGN(pp__sign_rate_low)
{
    return pp__ramp(usual_rate(c->job) / c->job->optimizer.lr, 5, 500);
}

CAUSE_PROBES(pp__probe_rate_low)
{
    return scale_rate(c, probes, room, 10, usual_rate(c->job) * 20);
}

CAUSE_SIGN(pp__sign_steps)
{
    double may_end_early = c->job->training.early_stopping > 0 ? 0.3 : 0;
    return fmax(pp__ramp(pp__steps(c), 300, 10), may_end_early);
}

/* Times the steps that the job has; 1: early stopping alone goes. */
static int lengthen(const pp_case *c, pp_probe *probe, int times)
{
    const pp_job_training *t = &c->job->training;
    const char *freely = t->early_stopping > 0 ? "no early stopping" : "";
    if (times == 1) return pp__single(c, probe, freely, "training.early_stopping", "0");
    if (!pp__probe(c, probe, "%d times the steps%s%s", times, *freely != '\0' ? ", " : "", freely))
        return 0;
    if (t->steps > 0) pp__change(probe, "training.steps", pp__text(c, times * (double)t->steps));
    if (t->epochs > 0) pp__change(probe, "training.epochs", pp__text(c, times * (double)t->epochs));
    if (*freely != '\0') pp__change(probe, "training.early_stopping", "0");
    return 1;
}

CAUSE_PROBES(pp__probe_steps)
{
    static const int multiples[] = {2, 4, 16, 64, 256, 1024};
    int n = 0;
    if (c->job->training.early_stopping > 0 && n < room) n += lengthen(c, &probes[n], 1);
    for (int i = 0; i < 6 && n < room; i++) {
        if (multiples[i] > 4 && multiples[i] * pp__steps(c) > 20000) break;
        n += lengthen(c, &probes[n], multiples[i]);
    }
    return n;
}

CAUSE_SIGN(pp__sign_optimizer)
{
    switch (c->job->optimizer.type) {
    case PP_OPT_ADAGRAD:
        return 0.3;
    case PP_OPT_SGD:
        return c->job->optimizer.momentum > 0 ? 0.05 : 0.1;
    case PP_OPT_ADAM:
    case PP_OPT_ADAMW:
        return 0.02;
    default:
        return 0.1;
    }
}

/* Another method in place of the job's, with its decay; keys that only the old one has go. */
static int exchange_optimizer(const pp_case *c, pp_probe *probe, const char *label,
                              const char *name, double lr, const char *more)
{
    double decay = c->job->optimizer.weight_decay;
    if (!pp__probe(c, probe, "%s, learning rate %.3g", label, lr)) return 0;
    const char *kept =
        decay > 0 ? pp_arena_printf(c->arena, ", \"weight_decay\": %.9g", decay) : "";
    if (kept == NULL) return 0;
    pp__change(
        probe, "optimizer",
        pp_arena_printf(c->arena, "{\"type\": \"%s\", \"lr\": %.9g%s%s}", name, lr, more, kept));
    return probe->patch.count == 1;
}

/* Each with the rate that the job has, and with one that is usual for it: what a method is blamed
 * for may be its rate. */
CAUSE_PROBES(pp__probe_optimizer)
{
    static const struct {
        const char *label, *name, *more;
        double usual;
    } ways[] = {{"Adam", "adam", "", 0.002},
                {"SGD with momentum 0.9", "sgd", ", \"momentum\": 0.9", 0.02}};
    pp_optimizer_type type = c->job->optimizer.type;
    double lr = c->job->optimizer.lr;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        if (i == 0 ? type == PP_OPT_ADAM || type == PP_OPT_ADAMW : type == PP_OPT_SGD) continue;
        if (n < room)
            n += exchange_optimizer(c, &probes[n], ways[i].label, ways[i].name, lr, ways[i].more);
        if (n < room && lr != ways[i].usual)
            n += exchange_optimizer(c, &probes[n], ways[i].label, ways[i].name, ways[i].usual,
                                    ways[i].more);
    }
    return n;
}

static int has_momentum(const pp_job *job)
{
    return job->optimizer.type == PP_OPT_SGD || job->optimizer.type == PP_OPT_RMSPROP;
}

static double momentum_of(const pp_job *job)
{
    if (has_momentum(job)) return job->optimizer.momentum;
    return job->optimizer.type == PP_OPT_ADAGRAD ? 0 : job->optimizer.beta1;
}

CAUSE_SIGN(pp__sign_momentum)
{
    return pp__ramp(1 - momentum_of(c->job), 0.05, 0.005);
}

CAUSE_PROBES(pp__probe_momentum)
{
    static const struct {
        double value;
        const char *text, *label;
    } rows[] = {
        {0.9, "0.9", "momentum 0.9"}, {0.5, "0.5", "momentum 0.5"}, {0, "0", "no momentum"}};
    const char *path = has_momentum(c->job) ? "optimizer.momentum" : "optimizer.beta1";
    int n = 0;
    for (int i = 0; i < 3 && n < room; i++) {
        if (momentum_of(c->job) <= rows[i].value) continue;
        if (!pp__probe(c, &probes[n], "%s", rows[i].label)) return n;
        pp__change(&probes[n], path, rows[i].text);
        if (i == 2 && c->job->optimizer.nesterov)
            pp__change(&probes[n], "optimizer.nesterov", "false");
        n++;
    }
    return n;
}

CAUSE_SIGN(pp__sign_schedule)
{
    const pp_job_schedule *s = &c->job->schedule;
    double steps = pp__steps(c);
    if (s->warmup_steps > steps / 2) return 0.8;
    switch (s->type) {
    case PP_SCHEDULE_STEP:
    case PP_SCHEDULE_EXPONENTIAL:
        return s->factor < 0.5 ? 0.5 : 0.1;
    case PP_SCHEDULE_INVERSE_TIME:
        return s->rate > 10 ? 0.5 : 0.1;
    case PP_SCHEDULE_CONSTANT:
    case PP_SCHEDULE_COSINE:
    case PP_SCHEDULE_PLATEAU:
        return 0.02;
    }
    return 0;
}

CAUSE_PROBES(pp__probe_schedule)
{
    const pp_job_schedule *s = &c->job->schedule;
    if (room < 1 || (s->type == PP_SCHEDULE_CONSTANT && s->warmup_steps == 0)) return 0;
    return pp__single(c, probes, "a constant learning rate", "schedule", "{}");
}

CAUSE_SIGN(pp__sign_decay)
{
    const pp_job_optimizer *o = &c->job->optimizer;
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    /* AdamW's is multiplied by the learning rate, that of the others too, through the gradient */
    double most = o->weight_decay / (o->type == PP_OPT_ADAMW ? 10 : 1);
    for (int i = 0; i < n; i++)
        if (pp_layer_kind_of(flat[i].layer->type)->role == PP_ROLE_LINEAR)
            most = fmax(most, fmax(flat[i].layer->l1, flat[i].layer->l2));
    return most > 0 ? pp__ramp(most, 0.003, 0.3) : 0;
}

CAUSE_PROBES(pp__probe_decay)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (room < 1 || !pp__probe(c, probes, "no weight decay")) return 0;
    if (c->job->optimizer.weight_decay > 0) pp__change(probes, "optimizer.weight_decay", "0");
    for (int i = 0; i < n; i++) {
        if (pp_layer_kind_of(flat[i].layer->type)->role != PP_ROLE_LINEAR) continue;
        if (flat[i].layer->l1 > 0) pp__change(probes, pp__member(c, &flat[i], "l1"), "0");
        if (flat[i].layer->l2 > 0) pp__change(probes, pp__member(c, &flat[i], "l2"), "0");
    }
    return probes->patch.count > 0;
}

CAUSE_SIGN(pp__sign_batch_large)
{
    double share = (double)c->job->training.batch / pp__rows(c);
    return fmin(pp__ramp(share, 0.1, 0.5), pp__ramp(pp__steps(c), 400, 40));
}

CAUSE_PROBES(pp__probe_batch_large)
{
    int64_t batch = c->job->training.batch;
    int n = 0;
    /* With a number of steps given, a smaller batch gives no more of them. */
    if (batch < 64 || c->job->training.epochs == 0) return 0;
    for (int64_t smaller = batch / 8; smaller >= 8 && n < 2 && n < room; smaller /= 8) {
        if (!pp__probe(c, &probes[n], "batch %lld", (long long)smaller)) return n;
        pp__change(&probes[n], "training.batch", pp__text(c, (double)smaller));
        pp__change(&probes[n], "training.lanes", "\"auto\"");
        n++;
    }
    return n;
}

CAUSE_SIGN(pp__sign_batch_small)
{
    return pp__ramp((double)c->job->training.batch, 8, 1.5);
}

CAUSE_PROBES(pp__probe_batch_small)
{
    int n = 0;
    if (c->job->training.batch > 8) return 0;
    for (int64_t larger = 32; larger <= 128 && n < room; larger *= 4) {
        if (!pp__probe(c, &probes[n], "batch %lld", (long long)larger)) return n;
        pp__change(&probes[n++], "training.batch", pp__text(c, (double)larger));
    }
    return n;
}

CAUSE_SIGN(pp__sign_clip)
{
    double norm = c->job->training.clip_norm;
    return norm > 0 ? pp__ramp(norm, 0.3, 0.003) : 0;
}

CAUSE_PROBES(pp__probe_clip)
{
    if (room < 1 || c->job->training.clip_norm <= 0) return 0;
    return pp__single(c, probes, "no clipping", "training.clip_norm", "0");
}

CAUSE_SIGN(pp__sign_exploding)
{
    return pp__has_verdict(c, PP__VERDICT(DIVERGED) | PP__VERDICT(NON_FINITE)) ? 0.4 : 0.05;
}

CAUSE_PROBES(pp__probe_exploding)
{
    double norm = c->job->training.clip_norm;
    if (room < 1 || (norm > 0 && norm <= 1)) return 0;
    return pp__single(c, probes, "gradients clipped to norm 1", "training.clip_norm", "1");
}

CAUSE_SIGN(pp__sign_seed)
{
    (void)c;
    return 0.1;
}

CAUSE_PROBES(pp__probe_seed)
{
    if (room < 1) return 0;
    return pp__single(c, probes, "another seed", "seed", pp__text(c, (double)c->job->seed + 2000));
}
