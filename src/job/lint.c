/* Odd combinations that run: the output against the loss, the prediction, the targets, the
 * training. Every sentence says what happens and what was probably meant. */
#include "job_internal.h"

#include <stdio.h>

#define ON(value) (1u << (value))
#define ANY_VALUE 0xFFFFFFFFu

/* What comes out of the model in training. */
typedef struct output {
    int64_t units;            /* PP_AUTO: those of x */
    pp_activation activation; /* last thing applied; identity: none */
    char path[64];            /* of what sets the activation */
} output;

enum {
#define LOGITS(name, id, family, link, task) | ((link) != PP_PREDICT_NONE ? ON(name) : 0)
#define CLASSES(name, id, family, link, task) | ((family) == PP_FAMILY_CLASSES ? ON(name) : 0)
#define NUMBERS(name, id, family, link, task) | ((family) == PP_FAMILY_REAL ? ON(name) : 0)
    LOGIT_LOSSES = 0 PP_LOSS_LIST(LOGITS),
    CE_LOSSES = 0 PP_LOSS_LIST(CLASSES),
    NUMBER_LOSSES = 0 PP_LOSS_LIST(NUMBERS),
#undef LOGITS
#undef CLASSES
#undef NUMBERS
#define SHARES(name, id, he, takes, range, low, high) | ((range) == PP_RANGE_SHARES ? ON(name) : 0)
#define ABOVE(name, id, he, takes, range, low, high) | ((range) == PP_RANGE_ABOVE ? ON(name) : 0)
    SQUASHED = 0 PP_ACTIVATION_LIST(SHARES),
    ONE_SIDED = 0 PP_ACTIVATION_LIST(ABOVE),
#undef SHARES
#undef ABOVE
};

static int has(unsigned set, int value)
{
    return (set >> value & 1u) != 0;
}

static output find_output(const pp_job *job)
{
    const pp_job_model *model = &job->model;
    output out = {.units = pp_shape_count(
                      pp_layers_shape(model->layers, model->n_layers, pp_job_x_shape(job))),
                  .path = "model.layers"};
    for (int i = model->n_layers - 1; i >= 0; i--) {
        const pp_layer_spec *layer = &model->layers[i];
        const pp_layer_role role = pp_layer_kind_of(layer->type)->role;
        if (role == PP_ROLE_PASSING) continue;
        if (role == PP_ROLE_ACTIVATION && layer->activation == PP_ACT_IDENTITY) continue;
        if (role == PP_ROLE_LINEAR || role == PP_ROLE_ACTIVATION) {
            out.activation = layer->activation;
            snprintf(out.path, sizeof out.path, "model.layers[%d].activation", i);
        }
        break;
    }
    return out;
}

/* ---- loss against output activation: first row that matches ---- */

typedef struct pairing {
    unsigned losses, activations;
    const char *text; /* %1$s the loss, %2$s the activation */
} pairing;

static const pairing pairings[] = {
    {ON(PP_LOSS_BCE), ON(PP_ACT_IDENTITY),
     "'%1$s' expects probabilities, but the output is linear; use 'bce_logits', or give the last "
     "layer a sigmoid"},
    {ON(PP_LOSS_CE), ON(PP_ACT_IDENTITY),
     "'%1$s' expects probabilities, but the output is linear; use 'cross_entropy_logits', or give "
     "the last layer a softmax"},
    {ON(PP_LOSS_BCE), ON(PP_ACT_SOFTMAX),
     "'%1$s' takes each unit on its own, but '%2$s' ties them together; use cross_entropy, or a "
     "sigmoid"},
    {ON(PP_LOSS_CE), ON(PP_ACT_SIGMOID),
     "'%1$s' expects probabilities that sum to 1 over the classes, which '%2$s' outputs do not; "
     "use "
     "softmax, or cross_entropy_logits over a linear output"},
    {ON(PP_LOSS_BCE) | ON(PP_LOSS_CE), ~(unsigned)SQUASHED,
     "'%1$s' expects probabilities, which '%2$s' does not give; use a linear output and a loss on "
     "logits"},
    {LOGIT_LOSSES, SQUASHED,
     "'%1$s' applies its own sigmoid or softmax to what '%2$s' has squashed already; use a linear "
     "output, or the loss on probabilities"},
    {LOGIT_LOSSES, ONE_SIDED,
     "'%1$s' expects logits of both signs, but '%2$s' gives hardly any below 0; use a linear "
     "output"},
    {LOGIT_LOSSES, ON(PP_ACT_TANH),
     "'%1$s' expects logits of any size, but '%2$s' keeps them within -1 and 1, so no prediction "
     "can be confident; use a linear output"},
};

static void lint_pairing(pp__lint *lint, const output *out)
{
    const pp_loss_type loss = lint->job->loss.type;
    if (out->activation == PP_ACT_SOFTMAX && out->units == 1) return; /* has its own warning */
    for (size_t i = 0; i < sizeof pairings / sizeof *pairings; i++) {
        const pairing *row = &pairings[i];
        if (!has(row->losses, (int)loss) || !has(row->activations, (int)out->activation)) continue;
        pp__lint_warn(lint, "loss.type", row->text, pp__loss_names[loss],
                      pp__activation_names[out->activation]);
        return;
    }
}

static void lint_one_softmax(pp__lint *lint, const output *out)
{
    if (out->activation == PP_ACT_SOFTMAX && out->units == 1)
        pp__lint_warn(lint, out->path,
                      "softmax over one unit is always 1, whatever the input; use sigmoid");
}

/* ---- loss and units against the task ---- */

static void lint_label_loss(pp__lint *lint, const output *out)
{
    const pp_job *job = lint->job;
    (void)out;
    if (job->data.task != PP_TASK_REGRESSION && has(NUMBER_LOSSES, (int)job->loss.type))
        pp__lint_warn(lint, "loss.type",
                      "'%s' treats class labels as numbers; use cross-entropy, or set data.task to "
                      "'regression' if they are numbers",
                      pp__loss_names[job->loss.type]);
    if (job->data.task == PP_TASK_REGRESSION && has(CE_LOSSES, (int)job->loss.type))
        pp__lint_warn(lint, "loss.type",
                      "'%s' is for classes, but the task is a regression; use mse",
                      pp__loss_names[job->loss.type]);
}

static void lint_units(pp__lint *lint, const output *out)
{
    const pp_job *job = lint->job;
    const long long units = (long long)out->units, classes = (long long)job->data.classes;
    const int over_classes = pp_loss_family_of(job->loss.type) == PP_FAMILY_CLASSES;
    if (out->units == PP_AUTO) return;
    if (job->data.task == PP_TASK_MULTICLASS && units == 1)
        pp__lint_warn(lint, "model.layers",
                      "one output unit cannot tell %lld classes apart; use %lld units", classes,
                      classes);
    else if (job->data.task == PP_TASK_MULTICLASS && units != classes)
        pp__lint_warn(lint, "model.layers", "%lld output units for %lld classes; use one a class",
                      units, classes);
    else if (over_classes && units == 1)
        pp__lint_warn(lint, "loss.type",
                      "'%s' over one unit is always 0; use 2 units, or binary cross-entropy",
                      pp__loss_names[job->loss.type]);
}

static void lint_regression_output(pp__lint *lint, const output *out)
{
    /* softplus is what numbers above 0 are asked for with */
    const unsigned limited = (SQUASHED | ONE_SIDED | ON(PP_ACT_TANH)) & ~ON(PP_ACT_SOFTPLUS);
    if (lint->job->data.task != PP_TASK_REGRESSION || !has(limited, (int)out->activation)) return;
    pp__lint_warn(
        lint, out->path,
        "'%s' limits what a regression can predict; use a linear output unless the targets "
        "keep to its range",
        pp__activation_names[out->activation]);
}

/* ---- at_prediction ---- */

typedef struct late {
    unsigned at_prediction, losses, activations;
    const char *text;
} late;

enum { LATE_SQUASH = ON(PP_PREDICT_SIGMOID) | ON(PP_PREDICT_SOFTMAX) };

static const late lates[] = {
    {LATE_SQUASH, ANY_VALUE, SQUASHED,
     "squashes an output that is sigmoid or softmax already; use 'none'"},
    {LATE_SQUASH, NUMBER_LOSSES, ANY_VALUE,
     "training compares the raw output with the targets and never sees this function, so "
     "predictions "
     "are off; put the activation into the last layer, or use 'none'"},
    {ON(PP_PREDICT_SIGMOID), CE_LOSSES, ANY_VALUE,
     "a sigmoid on each unit is not what cross-entropy over classes trains; use 'none' or "
     "'softmax'"},
    {ON(PP_PREDICT_SOFTMAX), ON(PP_LOSS_BCE) | ON(PP_LOSS_BCE_LOGITS), ANY_VALUE,
     "a softmax over units is not what binary cross-entropy trains; use 'none' or 'sigmoid'"},
    {ON(PP_PREDICT_CLAMP), LOGIT_LOSSES, ANY_VALUE,
     "cuts logits, which are no probabilities; use 'none', which applies the loss's own function"},
};

static void lint_at_prediction(pp__lint *lint, const output *out)
{
    const pp_job *job = lint->job;
    for (size_t i = 0; i < sizeof lates / sizeof *lates; i++) {
        const late *row = &lates[i];
        if (!has(row->at_prediction, (int)job->model.at_prediction) ||
            !has(row->losses, (int)job->loss.type) || !has(row->activations, (int)out->activation))
            continue;
        pp__lint_warn(lint, "model.at_prediction", "%s", row->text);
        return;
    }
}

/* ---- loss settings and training ---- */

static void lint_loss_settings(pp__lint *lint, const output *out)
{
    const pp_job_loss *loss = &lint->job->loss;
    (void)out;
    if (loss->targets == PP_TARGETS_BROADCAST)
        pp__lint_warn(lint, "loss.targets",
                      "'broadcast' pairs every prediction with every target, which drives all "
                      "predictions to one constant; use 'auto'");
    if (loss->label_smoothing > 0.3)
        pp__lint_warn(lint, "loss.label_smoothing",
                      "%.15g leaves little of the labels; 0.1 is usual", loss->label_smoothing);
}

static pp_status find_batch_norm(void *context, const pp_layer_place *place)
{
    if (place->spec->type == PP_LAYER_BATCH_NORM) *(int *)context = 1;
    return PP_OK;
}

static void lint_batch(pp__lint *lint, const output *out)
{
    const int64_t batch = lint->job->training.batch, lanes = pp_job_lanes(lint->job);
    int normalises = 0;
    (void)out;
    pp_job_walk(lint->job, find_batch_norm, &normalises);
    if (normalises && batch / lanes < 2)
        pp__lint_warn(
            lint, "training.batch",
            "%lld rows over %lld lanes leave a lane fewer than 2, and batch_norm over one "
            "row gives 0; use a larger batch or fewer lanes",
            (long long)batch, (long long)lanes);
    else if (batch < lanes)
        pp__lint_warn(lint, "training.lanes",
                      "%lld lanes share a batch of %lld rows, so some have none; use fewer lanes",
                      (long long)lanes, (long long)batch);
}

static void lint_learning_rate(pp__lint *lint, const output *out)
{
    const pp_job_optimizer *optimizer = &lint->job->optimizer;
    const pp_optimizer_kind *kind = pp_optimizer_kind_of(optimizer->type);
    (void)out;
    if (optimizer->lr > kind->most_lr)
        pp__lint_warn(lint, "optimizer.lr", "%.15g is large for '%s'; %g is seldom exceeded",
                      optimizer->lr, kind->name, kind->most_lr);
}

int pp_job_lint(const pp_job *job, void (*say)(void *context, const char *path, const char *text),
                void *context)
{
    static void (*const rules[])(pp__lint *, const output *) = {
        lint_pairing, lint_one_softmax,       lint_label_loss,
        lint_units,   lint_regression_output, lint_at_prediction,
        lint_batch,   lint_loss_settings,     lint_learning_rate,
    };
    pp__lint lint = {.job = job, .say = say, .context = context};
    const output out = find_output(job);
    pp__lint_layers(&lint);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        rules[i](&lint, &out);
    return lint.count;
}
