/* The network: how it starts, what is in it, how large it is. */
#include "cause_internal.h"

#include <math.h>
#include <string.h>

#include "json/json_arena.h"

static int is_dense(const flat_layer *f)
{
    return f->layer->type == PP_LAYER_DENSE;
}

/* Dense or a convolution: whatever has initial weights and may be frozen. */
static int is_linear_map(const flat_layer *f)
{
    return pp_layer_kind_of(f->layer->type)->role == PP_ROLE_LINEAR;
}

static int is_hidden(const flat_layer *f)
{
    return !f->is_last && (is_linear_map(f) || f->layer->type == PP_LAYER_ACTIVATION);
}

/* ---- initial weights ---- */

/* Deviation of the initial weights over what keeps the variance from layer to layer (He et al.
 * 2015, "Delving deep into rectifiers"). */
static double scale_of(const flat_layer *f)
{
    const pp_layer_spec *l = f->layer;
    double fan = f->fan_in > 0 ? f->fan_in : 100;
    double usual = sqrt(2 / fan);
    switch (l->init) {
    case PP_INIT_NORMAL:
        return l->init_scale / usual;
    case PP_INIT_UNIFORM:
        return l->init_scale / sqrt(3) / usual;
    case PP_INIT_ZEROS:
    case PP_INIT_CONSTANT:
        return 0; /* all units of the layer stay alike */
    case PP_INIT_AUTO:
    case PP_INIT_HE:
    case PP_INIT_XAVIER:
    case PP_INIT_LECUN:
        return 1;
    }
    return 1;
}

static double bias_of(const pp_layer_spec *l)
{
    return l->bias && l->bias_init != PP_INIT_ZEROS ? fabs(l->bias_scale) : 0;
}

CAUSE_SIGN(pp__sign_init)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    double sign = 0;
    for (int i = 0; i < n; i++) {
        if (!is_linear_map(&flat[i])) continue;
        double scale = scale_of(&flat[i]);
        /* zeros in the last layer, or in the only one, are an ordinary start */
        if (scale == 0 && flat[i].is_last) scale = 1;
        double odd = fmax(pp__ramp(scale, 3, 30), pp__ramp(scale, 0.2, 0.01));
        sign = fmax(sign, fmax(odd, pp__ramp(bias_of(flat[i].layer), 1, 10)));
    }
    return sign;
}

CAUSE_PROBES(pp__probe_init)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (room < 1 || !pp__probe(c, probes, "usual initial weights")) return 0;
    for (int i = 0; i < n; i++) {
        if (!is_linear_map(&flat[i])) continue;
        pp_init init = flat[i].layer->init;
        if (init == PP_INIT_NORMAL || init == PP_INIT_UNIFORM || init == PP_INIT_CONSTANT ||
            init == PP_INIT_ZEROS)
            pp__change(probes, pp__member(c, &flat[i], "init"), "auto");
        if (bias_of(flat[i].layer) > 0)
            pp__change(probes, pp__member(c, &flat[i], "bias_init"), "zeros");
    }
    return probes->patch.count > 0;
}

/* ---- activations ---- */

/* Hidden layers whose activation is a or b. */
static int count_activations(const pp_case *c, pp_activation a, pp_activation b)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat), count = 0;
    for (int i = 0; i < n; i++)
        if (is_hidden(&flat[i]))
            count += flat[i].layer->activation == a || flat[i].layer->activation == b;
    return count;
}

static int exchange_activations(const pp_case *c, pp_probe *probe, pp_activation a, pp_activation b,
                                const char *by)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (!pp__probe(c, probe, "%s", by)) return 0;
    for (int i = 0; i < n; i++)
        if (is_hidden(&flat[i]) &&
            (flat[i].layer->activation == a || flat[i].layer->activation == b))
            pp__change(probe, pp__member(c, &flat[i], "activation"), by);
    return probe->patch.count > 0;
}

CAUSE_SIGN(pp__sign_relus)
{
    int n = count_activations(c, PP_ACT_RELU, PP_ACT_RELU);
    if (n == 0) return 0;
    return 0.05 + 0.25 * pp__most_of_layers(c, PP_ACT_RELU, "constant_share");
}

CAUSE_PROBES(pp__probe_relus)
{
    return room >= 1 && exchange_activations(c, probes, PP_ACT_RELU, PP_ACT_RELU, "leaky_relu");
}

CAUSE_SIGN(pp__sign_saturated)
{
    int n = count_activations(c, PP_ACT_SIGMOID, PP_ACT_TANH);
    int sigmoids = count_activations(c, PP_ACT_SIGMOID, PP_ACT_SIGMOID);
    if (n == 0) return 0;
    double flat = fmax(pp__most_of_layers(c, PP_ACT_SIGMOID, "flat_share"),
                       pp__most_of_layers(c, PP_ACT_TANH, "flat_share"));
    double deep = 0.05 + 0.25 * (sigmoids > 1 ? sigmoids - 1 : 0) + 0.08 * (n - sigmoids);
    return fmin(0.9, fmax(deep, 0.5 * flat));
}

CAUSE_PROBES(pp__probe_saturated)
{
    return room >= 1 && exchange_activations(c, probes, PP_ACT_SIGMOID, PP_ACT_TANH, "relu");
}

/* ---- dropout, batch normalisation ---- */

CAUSE_SIGN(pp__sign_dropout)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    double most = 0;
    int is_output = 0;
    for (int i = 0; i < n; i++) {
        is_output |= flat[i].is_last;
        if (flat[i].layer->type != PP_LAYER_DROPOUT) continue;
        if (is_output && flat[i].layer->rate > 0) return 0.9; /* of the answers themselves */
        most = fmax(most, flat[i].layer->rate);
    }
    return most > 0 ? pp__ramp(1 - most, 0.5, 0.05) : 0;
}

CAUSE_PROBES(pp__probe_dropout)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (room < 1 || !pp__probe(c, probes, "no dropout")) return 0;
    for (int i = 0; i < n; i++)
        if (flat[i].layer->type == PP_LAYER_DROPOUT && flat[i].layer->rate > 0)
            pp__change(probes, pp__member(c, &flat[i], "rate"), "0");
    return probes->patch.count > 0;
}

static int count_batch_norms(const pp_case *c, double *momentum)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat), count = 0;
    *momentum = 0.1;
    for (int i = 0; i < n; i++) {
        if (flat[i].layer->type != PP_LAYER_BATCH_NORM) continue;
        *momentum = flat[i].layer->momentum;
        count++;
    }
    return count;
}

/* Statistics are of the rows that a lane has of a batch. */
CAUSE_SIGN(pp__sign_batch_norm)
{
    double momentum;
    if (count_batch_norms(c, &momentum) == 0) return 0;
    double rows = (double)c->job->training.batch / (double)pp_job_lanes(c->job);
    double sign = fmax(pp__ramp(rows, 16, 2), pp__ramp(momentum * pp__steps(c), 3, 0.3));
    return pp__has_verdict(c, PP__VERDICT(BATCH_STATISTICS)) ? fmax(sign, 0.6) : sign;
}

static int normalise_by_layer(const pp_case *c, pp_probe *probe)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (!pp__probe(c, probe, "layer normalisation instead")) return 0;
    for (int i = 0; i < n; i++)
        if (flat[i].layer->type == PP_LAYER_BATCH_NORM)
            pp__change(probe, flat[i].path, "{\"type\": \"layer_norm\"}");
    return probe->patch.count > 0;
}

static int usual_momentum(const pp_case *c, pp_probe *probe)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (!pp__probe(c, probe, "running statistics with momentum 0.1")) return 0;
    for (int i = 0; i < n; i++)
        if (flat[i].layer->type == PP_LAYER_BATCH_NORM)
            pp__change(probe, pp__member(c, &flat[i], "momentum"), "0.1");
    return probe->patch.count > 0;
}

CAUSE_PROBES(pp__probe_batch_norm)
{
    double momentum;
    int n = 0;
    if (count_batch_norms(c, &momentum) == 0) return 0;
    if (pp_job_lanes(c->job) > 1 && n < room)
        n += pp__single(c, &probes[n], "one lane", "training.lanes", "1");
    if (c->job->training.batch < 64 && n < room && pp__probe(c, &probes[n], "batch 64, one lane")) {
        pp__change(&probes[n], "training.batch", "64");
        pp__change(&probes[n++], "training.lanes", "1");
    }
    if ((momentum < 0.05 || momentum > 0.5) && n < room) n += usual_momentum(c, &probes[n]);
    if (n < room) n += normalise_by_layer(c, &probes[n]);
    return n;
}

/* ---- size ---- */

static int64_t narrowest(const pp_case *c, int *hidden)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    int64_t least = INT64_MAX;
    *hidden = 0;
    for (int i = 0; i < n; i++) {
        if (!is_linear_map(&flat[i]) || flat[i].is_last) continue;
        if (is_dense(&flat[i]) && flat[i].layer->units < least) least = flat[i].layer->units;
        *hidden += 1;
    }
    return least;
}

/* Whether anything bends between the layers; without it they are one. */
static int is_linear(const pp_case *c)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    for (int i = 0; i < n; i++)
        if (is_hidden(&flat[i]) && flat[i].layer->activation != PP_ACT_IDENTITY) return 0;
    return 1;
}

CAUSE_SIGN(pp__sign_size)
{
    int hidden;
    int64_t least = narrowest(c, &hidden);
    if (hidden == 0 || is_linear(c)) return 0.3;
    return pp__ramp((double)least, 8, 1.5);
}

static int bend(const pp_case *c, pp_probe *probe)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (!pp__probe(c, probe, "ReLU in the hidden layers")) return 0;
    for (int i = 0; i < n; i++)
        if (is_dense(&flat[i]) && !flat[i].is_last)
            pp__change(probe, pp__member(c, &flat[i], "activation"), "relu");
    return probe->patch.count > 0;
}

static int widen(const pp_case *c, pp_probe *probe)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat), bends = !is_linear(c);
    if (!pp__probe(c, probe, bends ? "hidden layers of 64" : "hidden layers of 64 with ReLU"))
        return 0;
    for (int i = 0; i < n; i++) {
        if (!is_dense(&flat[i]) || flat[i].is_last) continue;
        if (flat[i].layer->units < 64) pp__change(probe, pp__member(c, &flat[i], "units"), "64");
        if (!bends) pp__change(probe, pp__member(c, &flat[i], "activation"), "relu");
    }
    return probe->patch.count > 0;
}

/* The layers of the job as JSON, with a hidden one in front of layer `at`. */
static const char *insert_hidden(const pp_case *c, const pp_json *layers, int at)
{
    pp_json_writer *w = pp_json_writer_create(0);
    if (w == NULL) return NULL;
    pp_json_begin_array(w, NULL);
    for (int i = 0; i < pp_json_count(layers); i++) {
        if (i == at) {
            pp_json_begin_object(w, NULL);
            pp_json_put_string(w, "type", "dense");
            pp_json_put_int(w, "units", 64);
            pp_json_put_string(w, "activation", "relu");
            pp_json_end_object(w);
        }
        pp_json_put_value(w, NULL, pp_json_at(layers, i));
    }
    pp_json_end_array(w);
    return pp_json_writer_into_arena(w, c->arena);
}

/* A hidden layer in front of the only dense one; the others stay. */
static int put_hidden_layer(const pp_case *c, pp_probe *probe)
{
    const pp_job_model *m = &c->job->model;
    int at = m->n_layers - 1;
    while (at >= 0 && m->layers[at].type != PP_LAYER_DENSE)
        at--;
    if (at < 0 || !pp__probe(c, probe, "a hidden layer of 64 with ReLU")) return 0;
    pp_json_writer *w = pp_json_writer_create(0);
    pp_json *root = NULL;
    if (w == NULL) return 0;
    pp_job_echo(c->job, w);
    const char *text = pp_json_text(w, NULL);
    if (text != NULL) pp_json_parse(text, "job", &root, NULL);
    pp_json_writer_destroy(w);
    if (root != NULL) {
        const pp_json *layers = pp_json_get(pp_json_get(root, "model"), "layers");
        pp__change(probe, "model.layers", insert_hidden(c, layers, at));
    }
    pp_json_destroy(root);
    return probe->patch.count > 0;
}

CAUSE_PROBES(pp__probe_size)
{
    int hidden;
    int64_t least = narrowest(c, &hidden);
    if (room < 1) return 0;
    if (hidden == 0) return put_hidden_layer(c, probes);
    /* A block in front of all else has the width of x. */
    if (c->job->model.layers[0].type == PP_LAYER_RESIDUAL) return 0;
    int n = is_linear(c) ? bend(c, probes) : 0;
    int64_t enough = n > 0 ? 64 : 32; /* what has only been linear may be narrow as well */
    if (n < room && least < enough) n += widen(c, probes + n);
    return n;
}

/* ---- frozen ---- */

CAUSE_SIGN(pp__sign_frozen)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat), frozen = 0, maps = 0;
    for (int i = 0; i < n; i++) {
        if (!is_linear_map(&flat[i])) continue;
        maps++;
        frozen += !flat[i].layer->trainable;
    }
    return maps > 0 ? fmin(1, 1.2 * frozen / maps) : 0;
}

CAUSE_PROBES(pp__probe_frozen)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    if (room < 1 || !pp__probe(c, probes, "all layers trained")) return 0;
    for (int i = 0; i < n; i++) {
        if (pp_layer_kind_of(flat[i].layer->type)->has_weights && !flat[i].layer->trainable)
            pp__change(probes, pp__member(c, &flat[i], "trainable"), "true");
    }
    return probes->patch.count > 0;
}
