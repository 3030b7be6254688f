/* The kinds of layers: what each does to the shape of a row, and the keys that it has in a job. */
#include <math.h>
#include <stdio.h>
#include <string.h>

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

static pp_status flat_shape(const pp_layer_spec *spec, const char *path, pp_shape in, pp_shape *out,
                            pp_error *err)
{
    (void)spec, (void)path, (void)err;
    *out = pp_shape_of(pp_shape_count(in));
    return PP_OK;
}

/* ---- windows ---- */

static int is_conv(const pp_layer_spec *spec)
{
    return spec->type == PP_LAYER_CONV1D || spec->type == PP_LAYER_CONV2D;
}

static int is_of_sequences(const pp_layer_spec *spec)
{
    return spec->type == PP_LAYER_CONV1D || spec->type == PP_LAYER_MAX_POOL1D ||
           spec->type == PP_LAYER_AVERAGE_POOL1D;
}

static pp_status refuse_in(const pp_layer_spec *spec, const char *path, pp_shape in, pp_error *err)
{
    char text[96];
    const int sequence = is_of_sequences(spec);
    return pp_fail(
        err, PP_E_JOB,
        "%s: %s takes [channels, %s], but gets %s; where that is x, say what its columns "
        "are, such as data.x_shape %s",
        path, pp_layer_kind_of(spec->type)->name, sequence ? "length" : "height, width",
        pp_shape_text(in, text, sizeof text), sequence ? "[1, 100]" : "[1, 28, 28]");
}

/* [channels, height, width] of what is in front. */
static pp_status as_image(const pp_layer_spec *spec, const char *path, pp_shape in,
                          int64_t image[3], pp_error *err)
{
    const int sequence = is_of_sequences(spec), n = in.n_dims;
    if (n == 3 && (!sequence || in.size[1] == 1))
        memcpy(image, in.size, 3 * sizeof *image);
    else if (sequence && n <= 2)
        memcpy(image, (int64_t[3]){n == 2 ? in.size[0] : 1, 1, in.size[n - 1]}, 3 * sizeof *image);
    else if (!sequence && n == 2)
        memcpy(image, (int64_t[3]){1, in.size[0], in.size[1]}, 3 * sizeof *image);
    else
        return refuse_in(spec, path, in, err);
    return PP_OK;
}

static pp_status refuse_kernel(const pp_layer_spec *spec, const char *path, const pp_window *w,
                               int d, int64_t around, pp_error *err)
{
    return pp_fail(err, PP_E_JOB,
                   "%s: the kernel of %s spans %lld places, but the %s in front has %lld with "
                   "padding; use a smaller kernel or dilation, or less pooling before it",
                   path, pp_layer_kind_of(spec->type)->name,
                   (long long)((w->kernel[d] - 1) * w->dilation[d] + 1),
                   d == 0 ? "height" : "width", (long long)(w->in[d] + around));
}

/* One dimension: where the window begins, and how often it fits. */
static pp_status place_window(const pp_layer_spec *spec, const char *path, pp_window *w, int d,
                              pp_error *err)
{
    const int counts = d == 1 || !is_of_sequences(spec);
    const int64_t padding = counts ? spec->padding[d] : 0;
    w->kernel[d] = counts ? spec->kernel[d] : 1;
    w->dilation[d] = counts && is_conv(spec) ? spec->dilation[d] : 1;
    w->stride[d] = !counts ? 1 : spec->stride[d] == PP_AUTO ? w->kernel[d] : spec->stride[d];
    const int64_t span = (w->kernel[d] - 1) * w->dilation[d] + 1;
    const int64_t around = padding == PP_AUTO ? span - 1 : 2 * padding;
    w->before[d] = around / 2;
    if (padding == PP_AUTO && w->stride[d] != 1)
        return pp_fail(err, PP_E_JOB, "%s.padding: \"same\" goes with a stride of 1; give a number",
                       path);
    if (!is_conv(spec) && 2 * padding > w->kernel[d])
        return pp_fail(err, PP_E_JOB, "%s.padding: of a pool at most half its kernel (%lld)", path,
                       (long long)w->kernel[d]);
    if (w->in[d] + around < span) return refuse_kernel(spec, path, w, d, around, err);
    w->out[d] = (w->in[d] + around - span) / w->stride[d] + 1;
    return PP_OK;
}

pp_status pp_window_of(const pp_layer_spec *spec, const char *path, pp_shape in, pp_window *window,
                       pp_error *err)
{
    int64_t image[3] = {0};
    pp_status status = as_image(spec, path, in, image, err);
    if (status != PP_OK) return status;
    pp_window w = {.channels = image[0],
                   .groups = is_conv(spec) ? spec->groups : 1,
                   .in = {image[1], image[2]}};
    if (is_conv(spec) && (w.channels % w.groups != 0 || spec->units % w.groups != 0))
        return pp_fail(err, PP_E_JOB,
                       "%s.groups: %lld groups must divide the %lld channels in front and the %lld "
                       "behind",
                       path, (long long)w.groups, (long long)w.channels, (long long)spec->units);
    for (int d = 0; d < 2 && status == PP_OK; d++)
        status = place_window(spec, path, &w, d, err);
    if (status == PP_OK) *window = w;
    return status;
}

pp_window pp_window_of_all(pp_shape in)
{
    const int64_t height = in.n_dims == 3 ? in.size[1] : 1, width = in.size[in.n_dims - 1];
    return (pp_window){.channels = in.size[0],
                       .groups = 1,
                       .in = {height, width},
                       .out = {1, 1},
                       .kernel = {height, width},
                       .stride = {1, 1},
                       .dilation = {1, 1}};
}

static pp_status window_shape(const pp_layer_spec *spec, const char *path, pp_shape in,
                              pp_shape *out, pp_error *err)
{
    pp_window w;
    *out = (pp_shape){3, {is_conv(spec) ? spec->units : PP_AUTO, PP_AUTO, PP_AUTO}};
    if (pp_shape_count(in) == PP_AUTO) return PP_OK;
    pp_status status = pp_window_of(spec, path, in, &w, err);
    if (status == PP_OK)
        *out = (pp_shape){3, {is_conv(spec) ? spec->units : w.channels, w.out[0], w.out[1]}};
    return status;
}

static pp_status global_shape(const pp_layer_spec *spec, const char *path, pp_shape in,
                              pp_shape *out, pp_error *err)
{
    char text[96];
    if (in.n_dims == 0) return PP_OK;
    *out = pp_shape_of(in.size[0]);
    if (in.n_dims > 1) return PP_OK;
    return pp_fail(err, PP_E_JOB, "%s: %s takes channels of places, but gets %s", path,
                   pp_layer_kind_of(spec->type)->name, pp_shape_text(in, text, sizeof text));
}

static double conv_work(const pp_layer_spec *spec, pp_shape in, pp_shape out)
{
    pp_window w;
    if (pp_window_of(spec, "", in, &w, NULL) != PP_OK) return 0;
    return (double)pp_shape_count(out) * (double)(w.channels / w.groups) * (double)w.kernel[0] *
           (double)w.kernel[1];
}

static double no_work(const pp_layer_spec *spec, pp_shape in, pp_shape out)
{
    (void)spec, (void)in, (void)out;
    return 0;
}

static double dense_work(const pp_layer_spec *spec, pp_shape in, pp_shape out)
{
    const int64_t takes = pp_shape_count(in), gives = pp_shape_count(out);
    (void)spec;
    return takes == PP_AUTO || gives == PP_AUTO ? 0 : (double)takes * (double)gives;
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
#define CONVS (ON(PP_LAYER_CONV1D) | ON(PP_LAYER_CONV2D))
#define POOLS                                                                                      \
    (ON(PP_LAYER_MAX_POOL1D) | ON(PP_LAYER_MAX_POOL2D) | ON(PP_LAYER_AVERAGE_POOL1D) |             \
     ON(PP_LAYER_AVERAGE_POOL2D))
#define WEIGHTED .when = (ON(PP_LAYER_DENSE) | CONVS)
#define NORMS (ON(PP_LAYER_BATCH_NORM) | ON(PP_LAYER_LAYER_NORM))

static const pp__key layer_keys[] = {
    {LAYER("type", PP__ENUM, type), NAMES(layer_names), .help = "Kind of layer."},
    {LAYER("units", PP__INT, units), DENSE, FROM_TO(1, MOST_UNITS), .may_be_auto = 1,
     .help = "Output features; auto (last dense layer only): from the task, the loss and y."},
    {LAYER("channels", PP__INT, units), .when = CONVS, FROM_TO(1, MOST_UNITS),
     .help = "Channels that it gives."},
    {LAYER("kernel", PP__PAIR, kernel), .when = CONVS, FROM_TO(1, MOST_UNITS),
     .help = "Size of the window: one number, or [height, width]."},
    {LAYER("kernel", PP__PAIR, kernel), .when = POOLS, .fallback = "2", FROM_TO(1, MOST_UNITS),
     .help = "Size of the window: one number, or [height, width]."},
    {LAYER("stride", PP__PAIR, stride), .when = CONVS, .fallback = "1", FROM_TO(1, MOST_UNITS),
     .help = "Places between two windows."},
    {LAYER("stride", PP__PAIR, stride), .when = POOLS, .fallback = "\"kernel\"", .word = "kernel",
     FROM_TO(1, MOST_UNITS), .help = "Places between two windows; kernel: they do not overlap."},
    {LAYER("padding", PP__PAIR, padding), .when = CONVS, .fallback = "0", .word = "same",
     FROM_TO(0, MOST_UNITS),
     .help = "Zeros on each side; same: as many as keep the size, with a stride of 1."},
    {LAYER("padding", PP__PAIR, padding), .when = POOLS, .fallback = "0", FROM_TO(0, MOST_UNITS),
     .help = "Places around the edge, at most half a kernel: a maximum leaves them out, an average "
             "counts them as 0."},
    {LAYER("dilation", PP__PAIR, dilation), .when = CONVS, .fallback = "1", FROM_TO(1, MOST_UNITS),
     .help = "Places between two taps of the window."},
    {LAYER("groups", PP__INT, groups), .when = CONVS, .fallback = "1", FROM_TO(1, MOST_UNITS),
     .help = "Parts that the channels are cut into, each with weights of its own; as many as "
             "channels: one window a channel."},
    {LAYER("activation", PP__ENUM, activation), WEIGHTED, .fallback = "\"identity\"",
     NAMES(pp__activation_names), .help = "Applied to the output of the layer."},
    {LAYER("activation", PP__ENUM, activation), .when = ON(PP_LAYER_ACTIVATION),
     NAMES(pp__activation_names),
     .help = "The function, applied to each feature (softmax: to each row)."},
    {LAYER("bias", PP__BOOL, bias), WEIGHTED, .fallback = "true", .help = "Add a trained bias."},
    {LAYER("init", PP__ENUM, init), WEIGHTED, .fallback = "\"auto\"", NAMES(pp__init_names),
     .help =
         "Initial weights: he = normal with deviation sqrt(2 / inputs), xavier = uniform within "
         "sqrt(6 / (inputs + outputs)), lecun = normal with deviation sqrt(1 / inputs), auto = he "
         "where an activation like ReLU follows, else xavier; normal, uniform and constant are "
         "scaled by init_scale."},
    {LAYER("init_scale", PP__NUMBER, init_scale), WEIGHTED, .fallback = "0.05",
     .help = "Deviation (normal), bound (uniform) or value (constant) of the initial weights."},
    {LAYER("bias_init", PP__ENUM, bias_init), WEIGHTED, .fallback = "\"zeros\"",
     NAMES(bias_init_names), .help = "Initial biases, scaled by bias_scale."},
    {LAYER("bias_scale", PP__NUMBER, bias_scale), WEIGHTED, .fallback = "0.05",
     .help = "Deviation (normal), bound (uniform) or value (constant) of the initial biases."},
    {LAYER("l1", PP__NUMBER, l1), WEIGHTED, .fallback = "0", AT_LEAST(0),
     .help = "Adds l1 * sum |w| over the weights to the loss of a step."},
    {LAYER("l2", PP__NUMBER, l2), WEIGHTED, .fallback = "0", AT_LEAST(0),
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
