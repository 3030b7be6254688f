#include "cause.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CHANGES = 64 };

static const char *text(const pp_case *c, double value)
{
    return pp_arena_printf(c->arena, "%.9g", value);
}

static int start(const pp_case *c, pp_probe *probe, const char *label)
{
    probe->label = label;
    probe->patch.count = 0;
    probe->patch.paths = PP_ARENA_NEW(c->arena, const char *, MOST_CHANGES);
    probe->patch.values = PP_ARENA_NEW(c->arena, const char *, MOST_CHANGES);
    return probe->patch.paths != NULL && probe->patch.values != NULL;
}

static void set(pp_patch *p, const char *path, const char *value)
{
    if (p->count == MOST_CHANGES) return;
    p->paths[p->count] = path;
    p->values[p->count++] = value;
}

static int one(const pp_case *c, pp_probe *probe, const char *label, const char *path,
               const char *value)
{
    if (!start(c, probe, label)) return 0;
    set(&probe->patch, path, value);
    return 1;
}

static double usual_rate(const pp_job *job)
{
    return job->optimizer.type == PP_OPT_SGD ? 0.05 : 0.001;
}

static double rate_high(const pp_case *c)
{
    double ratio = c->job->optimizer.lr / usual_rate(c->job);
    return fmin(1, fmax(0, log10(ratio) / 2 - 0.25));
}

static double rate_low(const pp_case *c)
{
    double ratio = c->job->optimizer.lr / usual_rate(c->job);
    return fmin(1, fmax(0, -log10(ratio) / 2 - 0.25));
}

static int scale_rate(const pp_case *c, pp_probe *probes, const double *factors, int n)
{
    for (int i = 0; i < n; i++) {
        double lr = c->job->optimizer.lr * factors[i];
        if (!one(c, &probes[i], pp_arena_printf(c->arena, "learning rate %.3g", lr), "optimizer.lr",
                 text(c, lr)))
            return i;
    }
    return n;
}

static int lower_rate(const pp_case *c, pp_probe *probes, int room)
{
    static const double factors[] = {0.1, 0.01, 0.001};
    return room < 3 ? 0 : scale_rate(c, probes, factors, 3);
}

static int raise_rate(const pp_case *c, pp_probe *probes, int room)
{
    static const double factors[] = {10, 100, 1000};
    return room < 3 ? 0 : scale_rate(c, probes, factors, 3);
}

static int more_steps(const pp_case *c, pp_probe *probes, int room)
{
    const pp_job_training *t = &c->job->training;
    if (room < 1 || !start(c, &probes[0], "4 times the steps")) return 0;
    if (t->steps > 0) set(&probes[0].patch, "training.steps", text(c, 4.0 * (double)t->steps));
    set(&probes[0].patch, "training.epochs", text(c, 4.0 * (double)t->epochs));
    return 1;
}

static int standardise(const pp_case *c, pp_probe *probes, int room)
{
    if (room < 1 || c->job->data.standardise) return 0;
    return one(c, probes, "features standardised", "data.standardise", "true");
}

static double unscaled(const pp_case *c)
{
    double worst = 1;
    for (int64_t i = 0; c->data != NULL && i < c->data->inputs; i++) {
        const pp_inspection_feature *f = &c->data->features[i];
        double size = fmax(fabs(f->mean), f->deviation);
        if (size > worst) worst = size;
    }
    return fmin(1, log10(worst) / 3);
}

static int other_seeds(const pp_case *c, pp_probe *probes, int room)
{
    if (room < 1) return 0;
    return one(c, probes, "another seed", "seed", text(c, (double)c->job->seed + 2000));
}

static int no_dropout(const pp_case *c, pp_probe *probes, int room)
{
    int any = 0;
    if (room < 1 || !start(c, probes, "dropout 0")) return 0;
    for (int i = 0; i < c->job->model.n_layers; i++) {
        if (c->job->model.layers[i].type != PP_LAYER_DROPOUT) continue;
        set(&probes->patch, pp_arena_printf(c->arena, "model.layers[%d].rate", i), "0");
        any = 1;
    }
    return any;
}

static double dropout(const pp_case *c)
{
    double most = 0;
    for (int i = 0; i < c->job->model.n_layers; i++)
        if (c->job->model.layers[i].type == PP_LAYER_DROPOUT)
            most = fmax(most, c->job->model.layers[i].rate);
    return fmax(0, (most - 0.5) * 2);
}

static const pp_cause table[] = {
    {.id = "learning-rate-too-high",
     .title = "a learning rate that is too high",
     .sign = rate_high,
     .probes = lower_rate},
    {.id = "learning-rate-too-low",
     .title = "a learning rate that is too low",
     .sign = rate_low,
     .probes = raise_rate,
     .explains = "too-few-steps"},
    {.id = "too-few-steps", .title = "too few steps", .probes = more_steps},
    {.id = "unscaled-inputs",
     .title = "features that are not scaled",
     .sign = unscaled,
     .probes = standardise},
    {.id = "unlucky-initialisation", .title = "an unlucky start", .probes = other_seeds},
    {.id = "dropout-too-high", .title = "too much dropout", .sign = dropout, .probes = no_dropout},
};

const pp_cause *pp_causes(int *count)
{
    *count = (int)(sizeof table / sizeof *table);
    return table;
}

static pp_status recipe(const pp_case *c, const char *layers, pp_patch *patch, pp_error *err)
{
    pp_probe probe;
    if (!start(c, &probe, "")) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_patch *p = &probe.patch;
    set(p, "model", layers);
    set(p, "loss", "{}");
    set(p, "optimizer", "{\"type\": \"adam\", \"lr\": 0.003}");
    set(p, "schedule", "{}");
    set(p, "training", "{\"epochs\": 0, \"steps\": 600, \"batch\": 64, \"lanes\": 2}");
    set(p, "data.standardise", "true");
    set(p, "data.balance", "none");
    set(p, "data.shuffle", "true");
    *patch = *p;
    return PP_OK;
}

pp_status pp_cause_reference(const pp_case *c, pp_patch *patch, pp_error *err)
{
    return recipe(c,
                  "{\"layers\": [{\"type\": \"dense\", \"units\": 64, \"activation\": \"relu\"}, "
                  "{\"type\": \"dense\", \"units\": \"auto\"}]}",
                  patch, err);
}

pp_status pp_cause_linear(const pp_case *c, pp_patch *patch, pp_error *err)
{
    return recipe(c, "{\"layers\": [{\"type\": \"dense\", \"units\": \"auto\"}]}", patch, err);
}
