/* The kinds of layers: what each does to the shape of a row, and the keys that it has in a job. */
#include <math.h>
#include <stdio.h>

#include "job/kinds.h"
#include "job_internal.h"
#include "key_rows.h"

/* ---- shapes and work ---- */

static pp_status same_shape(const pp_layer_spec *spec, const char *path, pp_shape in, pp_shape *out,
                            pp_error *err)
{
    (void)spec, (void)path, (void)err;
    *out = in;
    return PP_OK;
}

/* Whatever the shape in front, it is taken as a vector. */
static pp_status dense_shape(const pp_layer_spec *spec, const char *path, pp_shape in,
                             pp_shape *out, pp_error *err)
{
    (void)path, (void)in, (void)err;
    *out = pp_shape_of(spec->units);
    return PP_OK;
}

/* A block keeps the shape. What is in front may not be known: what is inside then tells it. */
static pp_status residual_shape(const pp_layer_spec *spec, const char *path, pp_shape in,
                                pp_shape *out, pp_error *err)
{
    const pp_shape inside = pp_layers_shape(spec->layers, spec->n_layers, in);
    const int64_t takes = pp_shape_count(in), gives = pp_shape_count(inside);
    *out = takes == PP_AUTO ? inside : in;
    if (takes == PP_AUTO || gives == PP_AUTO || takes == gives) return PP_OK;
    return pp_fail(err, PP_E_JOB,
                   "%s.layers: put out %lld values where the block takes %lld; they must agree, as "
                   "the input is added to the output",
                   path, (long long)gives, (long long)takes);
}

static double no_work(const pp_layer_spec *spec, pp_shape in, pp_shape out)
{
    (void)spec, (void)in, (void)out;
    return 0;
}

static double dense_work(const pp_layer_spec *spec, pp_shape in, pp_shape out)
{
    (void)spec;
    return (double)pp_shape_count(in) * (double)pp_shape_count(out);
}

/* ---- the rows ---- */

#define NAME(identifier, name, role, has_weights, shape, work) [identifier] = name,
#define ROW(identifier, name, role, has_weights, shape, work)                                      \
    [identifier] = {name, role, has_weights, shape, work},
#define WEIGHTS(identifier, name, role, has_weights, shape, work)                                  \
    | ((has_weights) ? ON(identifier) : 0)
static const char *const layer_names[] = {PP_LAYER_LIST(NAME)};
static const pp_layer_kind kinds[] = {PP_LAYER_LIST(ROW)};
enum { WITH_WEIGHTS = 0 PP_LAYER_LIST(WEIGHTS) };
#undef NAME
#undef ROW
#undef WEIGHTS

const pp_layer_kind *pp_layer_kind_of(pp_layer_type type)
{
    return &kinds[type];
}

/* ---- the keys ---- */

const char *const pp__init_names[] = {
    [PP_INIT_AUTO] = "auto",         [PP_INIT_HE] = "he",         [PP_INIT_XAVIER] = "xavier",
    [PP_INIT_LECUN] = "lecun",       [PP_INIT_NORMAL] = "normal", [PP_INIT_UNIFORM] = "uniform",
    [PP_INIT_CONSTANT] = "constant", [PP_INIT_ZEROS] = "zeros",
};

/* A bias has no fan to scale by. */
static const char *const bias_init_names[] = {
    [PP_INIT_NORMAL] = "normal",
    [PP_INIT_UNIFORM] = "uniform",
    [PP_INIT_CONSTANT] = "constant",
    [PP_INIT_ZEROS] = "zeros",
};

#define LAYER(NAME, KIND, member) KEY(pp_layer_spec, NAME, KIND, member)
#define DENSE .when = ON(PP_LAYER_DENSE)
#define NORMS (ON(PP_LAYER_BATCH_NORM) | ON(PP_LAYER_LAYER_NORM))

static const pp__key layer_keys[] = {
    {LAYER("type", PP__ENUM, type), NAMES(layer_names), .help = "Kind of layer."},
    {LAYER("units", PP__INT, units), DENSE, FROM_TO(1, MOST_UNITS), .may_be_auto = 1,
     .help = "Output features; auto (last dense layer only): from the task, the loss and y."},
    {LAYER("activation", PP__ENUM, activation), DENSE, .fallback = "\"identity\"",
     NAMES(pp__activation_names), .help = "Applied to the output of the layer."},
    {LAYER("activation", PP__ENUM, activation), .when = ON(PP_LAYER_ACTIVATION),
     NAMES(pp__activation_names),
     .help = "The function, applied to each feature (softmax: to each row)."},
    {LAYER("bias", PP__BOOL, bias), DENSE, .fallback = "true", .help = "Add a trained bias."},
    {LAYER("init", PP__ENUM, init), DENSE, .fallback = "\"auto\"", NAMES(pp__init_names),
     .help =
         "Initial weights: he = normal with deviation sqrt(2 / inputs), xavier = uniform within "
         "sqrt(6 / (inputs + outputs)), lecun = normal with deviation sqrt(1 / inputs), auto = he "
         "where an activation like ReLU follows, else xavier; normal, uniform and constant are "
         "scaled by init_scale."},
    {LAYER("init_scale", PP__NUMBER, init_scale), DENSE, .fallback = "0.05",
     .help = "Deviation (normal), bound (uniform) or value (constant) of the initial weights."},
    {LAYER("bias_init", PP__ENUM, bias_init), DENSE, .fallback = "\"zeros\"",
     NAMES(bias_init_names), .help = "Initial biases, scaled by bias_scale."},
    {LAYER("bias_scale", PP__NUMBER, bias_scale), DENSE, .fallback = "0.05",
     .help = "Deviation (normal), bound (uniform) or value (constant) of the initial biases."},
    {LAYER("l1", PP__NUMBER, l1), DENSE, .fallback = "0", AT_LEAST(0),
     .help = "Adds l1 * sum |w| over the weights to the loss of a step."},
    {LAYER("l2", PP__NUMBER, l2), DENSE, .fallback = "0", AT_LEAST(0),
     .help = "Adds l2 * sum w^2 over the weights to the loss of a step."},
    {LAYER("rate", PP__NUMBER, rate), .when = ON(PP_LAYER_DROPOUT), .fallback = "0.5",
     FROM_BELOW(0, 1), .help = "Probability that a feature is zeroed in training."},
    {LAYER("momentum", PP__NUMBER, momentum), .when = ON(PP_LAYER_BATCH_NORM), .fallback = "0.1",
     FROM_TO(0, 1),
     .help = "Share of the batch in the running statistics: running = (1 - momentum) * running + "
             "momentum * batch."},
    {LAYER("epsilon", PP__NUMBER, epsilon), .when = NORMS, .fallback = "1e-5", ABOVE(0),
     .help = "Added to the variance."},
    {LAYER("trainable", PP__BOOL, trainable), .when = WITH_WEIGHTS, .fallback = "true",
     .help = "false: frozen at the initial values."},
    {LIST(pp_layer_spec, "layers", PP__LIST, layers), .when = ON(PP_LAYER_RESIDUAL), .at_least = 1,
     .group = &pp__layer_group,
     .help = "Layers inside the block, whose output is added to its input; they keep the width."},
};

const pp__group pp__layer_group = {.name = "layer",
                                   .selector = "type",
                                   .keys = layer_keys,
                                   .n_keys = COUNT(layer_keys),
                                   .size = sizeof(pp_layer_spec)};
