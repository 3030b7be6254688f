/* Odd layers and odd sequences of layers. */
#include "job_internal.h"

#include <stdio.h>

/* ---- single layers ---- */

typedef struct census {
    pp__lint *lint;
    int with_weights, trainable;
} census;

static void lint_dropout(census *c, const pp_layer_spec *layer, const char *path)
{
    char key[1100];
    snprintf(key, sizeof key, "%s.rate", path);
    if (layer->rate > 0.5)
        pp__lint_warn(c->lint, key,
                      "%.15g drops more than half of the features; 0.5 is the usual most",
                      layer->rate);
}

static pp_status lint_layer(void *context, const pp_layer_place *place)
{
    census *c = context;
    const int has_weights = pp_layer_kind_of(place->spec->type)->has_weights;
    c->with_weights += has_weights;
    c->trainable += has_weights && place->spec->trainable;
    if (place->spec->type == PP_LAYER_DROPOUT) lint_dropout(c, place->spec, place->path);
    return PP_OK;
}

/* ---- sequences ---- */

typedef struct sequence {
    pp__lint *lint;
    const char *list; /* path of the list */
    int open_linear;  /* dense layer with no activation behind it yet, -1: none */
    int activated;    /* layer whose activation is the last thing that happened, -1: none */
} sequence;

static int starts_equal(const pp_layer_spec *layer)
{
    const int by_scale = layer->init == PP_INIT_NORMAL || layer->init == PP_INIT_UNIFORM;
    return layer->init == PP_INIT_ZEROS || layer->init == PP_INIT_CONSTANT ||
           (by_scale && layer->init_scale == 0);
}

/* A dense layer with another one behind it in its list. (Zeros in the last one of a residual block
 * are a good start: the block begins as the identity.) */
static void lint_hidden(const sequence *s, const pp_layer_spec *layer, int i)
{
    char key[1100];
    snprintf(key, sizeof key, "%s[%d].init", s->list, i);
    if (starts_equal(layer) && layer->units > 1)
        pp__lint_warn(s->lint, key,
                      "all units of this hidden layer start equal and stay equal; use 'auto'");
    snprintf(key, sizeof key, "%s[%d].activation", s->list, i);
    if (layer->activation == PP_ACT_SOFTMAX)
        pp__lint_warn(s->lint, key, "softmax in a hidden layer leaves little signal; use 'relu'");
}

static int last_linear(const pp_layer_spec *layers, int n)
{
    int last = -1;
    for (int i = 0; i < n; i++)
        if (pp_layer_kind_of(layers[i].type)->role == PP_ROLE_LINEAR) last = i;
    return last;
}

static void after_linear(sequence *s, const pp_layer_spec *layer, int i)
{
    char key[1100];
    snprintf(key, sizeof key, "%s[%d].activation", s->list, s->open_linear);
    if (s->open_linear >= 0)
        pp__lint_warn(
            s->lint, key,
            "no activation before the next dense layer, so the two are one linear map; use "
            "'relu'");
    const int linear = layer->activation == PP_ACT_IDENTITY;
    s->open_linear = linear ? i : -1;
    s->activated = linear ? -1 : i;
}

static void after_activation(sequence *s, const pp_layer_spec *layer, int i)
{
    char key[1100];
    if (layer->activation == PP_ACT_IDENTITY) return;
    snprintf(key, sizeof key, "%s[%d].activation", s->list, i);
    if (s->activated >= 0)
        pp__lint_warn(s->lint, key,
                      "follows the activation of layer %d with nothing to learn in "
                      "between; remove one",
                      s->activated);
    s->open_linear = -1;
    s->activated = i;
}

static void lint_list(pp__lint *lint, const pp_layer_spec *layers, int n, const char *list)
{
    sequence s = {lint, list, -1, -1};
    const int last = last_linear(layers, n);
    for (int i = 0; i < n; i++) {
        switch (pp_layer_kind_of(layers[i].type)->role) {
        case PP_ROLE_LINEAR:
            if (i < last) lint_hidden(&s, &layers[i], i);
            after_linear(&s, &layers[i], i);
            break;
        case PP_ROLE_ACTIVATION:
            after_activation(&s, &layers[i], i);
            break;
        case PP_ROLE_PASSING:
            break;
        case PP_ROLE_SCALE:
            s.activated = -1;
            break;
        case PP_ROLE_MIXING:
            s.open_linear = s.activated = -1;
            break;
        }
    }
}

static pp_status lint_block(void *context, const pp_layer_place *place)
{
    char list[1100];
    if (place->spec->n_layers == 0) return PP_OK;
    snprintf(list, sizeof list, "%s.layers", place->path);
    lint_list(context, place->spec->layers, place->spec->n_layers, list);
    return PP_OK;
}

/* Dropout of the outputs themselves; in a regression also right in front of the last dense layer,
 * where it shifts the variance of the output between training and prediction. */
static void lint_late_dropout(pp__lint *lint, const pp_layer_spec *last)
{
    const pp_job_model *model = &lint->job->model;
    const int regression = lint->job->data.task == PP_TASK_REGRESSION;
    char path[64];
    for (int i = 0; i < model->n_layers; i++) {
        const pp_layer_spec *layer = &model->layers[i];
        if (layer->type != PP_LAYER_DROPOUT || layer->rate <= 0 || last == NULL) continue;
        snprintf(path, sizeof path, "model.layers[%d]", i);
        if (layer > last)
            pp__lint_warn(lint, path,
                          "drops outputs themselves; put it in front of the last dense layer");
        else if (regression && layer + 1 == last)
            pp__lint_warn(lint, path,
                          "dropout right before the output of a regression biases its "
                          "predictions; put it earlier");
    }
}

void pp__lint_layers(pp__lint *lint)
{
    const pp_job_model *model = &lint->job->model;
    census c = {.lint = lint};
    pp_job_walk(lint->job, lint_layer, &c);
    if (c.trainable == 0)
        pp__lint_warn(lint, "model.layers",
                      c.with_weights > 0 ? "every layer is frozen, so nothing can be learnt"
                                         : "no layer has weights, so nothing can be learnt");
    lint_list(lint, model->layers, model->n_layers, "model.layers");
    pp_job_walk(lint->job, lint_block, lint);
    lint_late_dropout(lint, pp__last_dense(lint->job));
}
