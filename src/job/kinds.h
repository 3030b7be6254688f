/* The kinds of things that a job names: tasks, layers, activations, losses, optimisers.
 *
 * What differs by kind stands in one row: of an X list here, or of the table of layers in
 * layer_kinds.c. Enums, names and sets are made from the rows, so that none can be forgotten. */
#ifndef PITPROP_KINDS_H
#define PITPROP_KINDS_H

#include <math.h>
#include <stdint.h>

#include "pitprop/error.h"

enum { PP_AUTO = -1 };

typedef enum pp_task {
    PP_TASK_AUTO,
    PP_TASK_BINARY,
    PP_TASK_MULTICLASS,
    PP_TASK_REGRESSION
} pp_task;

/* ---- activations ---- */

/* Where values of an activation lie. */
typedef enum pp_range {
    PP_RANGE_ALL,    /* on both sides, without bounds */
    PP_RANGE_ABOVE,  /* hardly below 0 */
    PP_RANGE_WITHIN, /* between bounds on both sides of 0 */
    PP_RANGE_SHARES  /* probabilities */
} pp_range;

/* X(identifier, name in a job, He's initial values in front of it, its derivative takes its input
 * rather than its output, range, lowest value, highest value) */
#define PP_ACTIVATION_LIST(X)                                                                      \
    X(PP_ACT_IDENTITY, "identity", 0, 0, PP_RANGE_ALL, -HUGE_VAL, HUGE_VAL)                        \
    X(PP_ACT_RELU, "relu", 1, 0, PP_RANGE_ABOVE, 0, HUGE_VAL)                                      \
    X(PP_ACT_LEAKY_RELU, "leaky_relu", 1, 0, PP_RANGE_ALL, -HUGE_VAL, HUGE_VAL) /* slope 0.01 */   \
    X(PP_ACT_GELU, "gelu", 1, 1, PP_RANGE_ABOVE, -0.3, HUGE_VAL) /* exact, with erf */             \
    X(PP_ACT_SILU, "silu", 1, 1, PP_RANGE_ABOVE, -0.3, HUGE_VAL)                                   \
    X(PP_ACT_TANH, "tanh", 0, 0, PP_RANGE_WITHIN, -1, 1)                                           \
    X(PP_ACT_SIGMOID, "sigmoid", 0, 0, PP_RANGE_SHARES, 0, 1)                                      \
    X(PP_ACT_SOFTPLUS, "softplus", 1, 1, PP_RANGE_ABOVE, 0, HUGE_VAL)                              \
    X(PP_ACT_SOFTMAX, "softmax", 0, 0, PP_RANGE_SHARES, 0, 1)

#define PP_ACTIVATION_ENUM(identifier, name, he, takes_input, range, low, high) identifier,
typedef enum pp_activation { PP_ACTIVATION_LIST(PP_ACTIVATION_ENUM) } pp_activation;
#undef PP_ACTIVATION_ENUM

typedef struct pp_activation_kind {
    const char *name; /* "leaky_relu" */
    int he, takes_input;
    pp_range range;
    double low, high;
} pp_activation_kind;
const pp_activation_kind *pp_activation_kind_of(pp_activation activation);
const char *pp_activation_name(pp_activation activation); /* "leaky_relu" */

/* ---- layers ---- */

typedef enum pp_init {
    PP_INIT_AUTO,     /* He for ReLU-like activations that follow, else Xavier */
    PP_INIT_HE,       /* normal, std sqrt(2 / fan_in) */
    PP_INIT_XAVIER,   /* uniform, bound sqrt(6 / (fan_in + fan_out)) */
    PP_INIT_LECUN,    /* normal, std sqrt(1 / fan_in) */
    PP_INIT_NORMAL,   /* normal, std init_scale */
    PP_INIT_UNIFORM,  /* uniform in [-init_scale, init_scale] */
    PP_INIT_CONSTANT, /* init_scale */
    PP_INIT_ZEROS
} pp_init;

/* Shape of what one row holds, row-major: [features], [channels, height, width]; a sequence that
 * has been through a layer is [channels, 1, length]. A size is PP_AUTO where it is not known, and
 * n_dims 0 where nothing is. */
enum { PP_MOST_DIMS = 4 };
typedef struct pp_shape {
    int n_dims;
    int64_t size[PP_MOST_DIMS];
} pp_shape;
pp_shape pp_shape_of(int64_t features); /* [features]; PP_AUTO: nothing is known */
int64_t pp_shape_count(pp_shape shape); /* values; PP_AUTO: not known */
const char *pp_shape_text(pp_shape shape, char *text, int size); /* "[3, 32, 32]" */

/* What a layer is to those around it: for initial values, signs and lint. */
typedef enum pp_layer_role {
    PP_ROLE_LINEAR,     /* a linear map with weights, and the activation of its spec behind it */
    PP_ROLE_ACTIVATION, /* the activation of its spec */
    PP_ROLE_SCALE,      /* linear with weights, value by value */
    PP_ROLE_PASSING,    /* hands on what it gets */
    PP_ROLE_MIXING      /* bends, with no activation of its own */
} pp_layer_role;

/* X(identifier, name in a job, role, it has weights that `trainable` may freeze, shape, work); the
 * last two are functions of layer_kinds.c, see pp_layer_kind. */
#define PP_LAYER_LIST(X)                                                                           \
    X(PP_LAYER_DENSE, "dense", PP_ROLE_LINEAR, 1, dense_shape, dense_work)                         \
    X(PP_LAYER_ACTIVATION, "activation", PP_ROLE_ACTIVATION, 0, same_shape, no_work)               \
    X(PP_LAYER_DROPOUT, "dropout", PP_ROLE_PASSING, 0, same_shape, no_work)                        \
    X(PP_LAYER_BATCH_NORM, "batch_norm", PP_ROLE_SCALE, 1, same_shape, no_work)                    \
    X(PP_LAYER_LAYER_NORM, "layer_norm", PP_ROLE_MIXING, 1, same_shape, no_work)                   \
    X(PP_LAYER_RESIDUAL, "residual", PP_ROLE_MIXING, 0, residual_shape, no_work)                   \
    X(PP_LAYER_CONV1D, "conv1d", PP_ROLE_LINEAR, 1, window_shape, conv_work)                       \
    X(PP_LAYER_CONV2D, "conv2d", PP_ROLE_LINEAR, 1, window_shape, conv_work)                       \
    X(PP_LAYER_MAX_POOL1D, "max_pool1d", PP_ROLE_MIXING, 0, window_shape, no_work)                 \
    X(PP_LAYER_MAX_POOL2D, "max_pool2d", PP_ROLE_MIXING, 0, window_shape, no_work)                 \
    X(PP_LAYER_AVERAGE_POOL1D, "average_pool1d", PP_ROLE_PASSING, 0, window_shape, no_work)        \
    X(PP_LAYER_AVERAGE_POOL2D, "average_pool2d", PP_ROLE_PASSING, 0, window_shape, no_work)        \
    X(PP_LAYER_GLOBAL_AVERAGE_POOL, "global_average_pool", PP_ROLE_PASSING, 0, global_shape,       \
      no_work)                                                                                     \
    X(PP_LAYER_FLATTEN, "flatten", PP_ROLE_PASSING, 0, flat_shape, no_work)

#define PP_LAYER_ENUM(identifier, name, role, has_weights, shape, work) identifier,
typedef enum pp_layer_type { PP_LAYER_LIST(PP_LAYER_ENUM) } pp_layer_type;
#undef PP_LAYER_ENUM

/* One layer of the list; which members count depends on type (layer_kinds.c says so). */
typedef struct pp_layer_spec {
    pp_layer_type type;
    int64_t units;            /* dense; PP_AUTO only for the last one: from task and y;
                                 conv: channels that it gives */
    pp_activation activation; /* dense, activation */
    int bias;                 /* dense */
    pp_init init, bias_init;  /* dense; bias_init PP_INIT_ZEROS by default */
    double init_scale, bias_scale;
    double l1, l2;   /* dense weights: adds l1 sum|w| + l2 sum w^2 to the loss of a step */
    double rate;     /* dropout: probability of zeroing */
    double momentum; /* batch_norm: running = (1 - momentum) running + momentum batch */
    double epsilon;  /* batch_norm, layer_norm */
    int trainable;   /* layers with weights: 0 = parameters stay at their initial values; running
                        statistics move all the same */
    /* conv, pools: down and across; of a sequence the second alone counts */
    int64_t kernel[2], stride[2]; /* stride of a pool PP_AUTO: its kernel */
    int64_t padding[2];           /* zeros on each side; conv: PP_AUTO: "same" */
    int64_t dilation[2], groups;  /* conv */
    struct pp_layer_spec *layers; /* residual: [n_layers], output = input + layers(input) */
    int n_layers;
} pp_layer_spec;

typedef struct pp_layer_kind {
    const char *name; /* "batch_norm" */
    pp_layer_role role;
    int has_weights; /* which `trainable` may freeze */
    /* Shape behind the layer from the one in front; what is not known stays so. Errors begin with
     * path ("model.layers[3]: ..."). */
    pp_status (*shape)(const pp_layer_spec *spec, const char *path, pp_shape in, pp_shape *out,
                       pp_error *err);
    /* Products of two numbers in one row's forward pass. */
    double (*work)(const pp_layer_spec *spec, pp_shape in, pp_shape out);
} pp_layer_kind;
const pp_layer_kind *pp_layer_kind_of(pp_layer_type type);

/* A window that moves over channels of places, as conv and pools see a row. Sizes are height and
 * width; of a sequence the height is 1. */
typedef struct pp_window {
    int64_t channels, groups; /* of the input; groups of channels that a conv keeps apart */
    int64_t in[2], out[2];    /* places */
    int64_t kernel[2], stride[2], dilation[2];
    int64_t before[2]; /* zeros in front of the first place */
} pp_window;
/* Of a layer with a kernel on a shape that is known. */
pp_status pp_window_of(const pp_layer_spec *spec, const char *path, pp_shape in, pp_window *window,
                       pp_error *err);
/* The whole of an image as one window. */
pp_window pp_window_of_all(pp_shape in);

/* One layer of a list with its surroundings. */
typedef struct pp_layer_place {
    const pp_layer_spec *spec;
    const char *path; /* "model.layers[2].layers[0]", cut where longer than 1000 characters */
    int depth;        /* 0: in the outermost list */
    pp_shape in, out; /* not known where a layer in front cannot take what it gets */
} pp_layer_place;

/* Visits all layers depth first, a block before its own layers, and stops where visit is not
 * PP_OK. Returns what the last visit did; *out (nullable): the shape behind the list. */
typedef pp_status (*pp_layer_visit)(void *context, const pp_layer_place *place);
pp_status pp_layers_walk(const pp_layer_spec *layers, int n_layers, pp_shape in,
                         pp_layer_visit visit, void *context, pp_shape *out);
/* Shape behind the list alone. */
pp_shape pp_layers_shape(const pp_layer_spec *layers, int n_layers, pp_shape in);

/* ---- predictions and losses ---- */

typedef enum pp_at_prediction {
    PP_PREDICT_NONE,
    PP_PREDICT_SIGMOID,
    PP_PREDICT_SOFTMAX,
    PP_PREDICT_CLAMP /* to [clamp_low, clamp_high] */
} pp_at_prediction;

/* What a loss takes targets for: real numbers, one probability a unit, or a share for each class.
 */
typedef enum pp_loss_family { PP_FAMILY_REAL, PP_FAMILY_BINARY, PP_FAMILY_CLASSES } pp_loss_family;

/* The losses. X(identifier, name in a job, family, what it applies to outputs itself: its link,
 * task of which it is the usual loss) */
#define PP_LOSS_LIST(X)                                                                            \
    X(PP_LOSS_BCE, "bce", PP_FAMILY_BINARY, PP_PREDICT_NONE, PP_TASK_AUTO)                         \
    X(PP_LOSS_BCE_LOGITS, "bce_logits", PP_FAMILY_BINARY, PP_PREDICT_SIGMOID, PP_TASK_BINARY)      \
    X(PP_LOSS_CE, "cross_entropy", PP_FAMILY_CLASSES, PP_PREDICT_NONE, PP_TASK_AUTO)               \
    X(PP_LOSS_CE_LOGITS, "cross_entropy_logits", PP_FAMILY_CLASSES, PP_PREDICT_SOFTMAX,            \
      PP_TASK_MULTICLASS)                                                                          \
    X(PP_LOSS_MSE, "mse", PP_FAMILY_REAL, PP_PREDICT_NONE, PP_TASK_REGRESSION)                     \
    X(PP_LOSS_MAE, "mae", PP_FAMILY_REAL, PP_PREDICT_NONE, PP_TASK_AUTO)                           \
    X(PP_LOSS_HUBER, "huber", PP_FAMILY_REAL, PP_PREDICT_NONE, PP_TASK_AUTO)                       \
    X(PP_LOSS_QUANTILE, "quantile", PP_FAMILY_REAL, PP_PREDICT_NONE, PP_TASK_AUTO)

#define PP_LOSS_ENUM(identifier, name, family, link, task) identifier,
typedef enum pp_loss_type {
    PP_LOSS_LIST(PP_LOSS_ENUM) PP_LOSS_AUTO /* from the task: bce_logits, cross_entropy_logits or
                                               mse; never in a resolved job */
} pp_loss_type;
#undef PP_LOSS_ENUM
pp_loss_family pp_loss_family_of(pp_loss_type loss); /* not of auto, like those that follow */
pp_at_prediction pp_loss_link(pp_loss_type loss);
int pp_loss_is_on_logits(pp_loss_type loss);
int pp_loss_is_on_probabilities(pp_loss_type loss); /* it expects them as outputs */
const char *pp_loss_name(pp_loss_type loss);        /* "bce_logits" */
pp_loss_type pp_loss_of_task(pp_task task);         /* auto: auto */

typedef enum pp_targets {
    PP_TARGETS_AUTO,
    PP_TARGETS_INDEX,    /* y is a class index */
    PP_TARGETS_ONE_HOT,  /* y is a class index, expanded to one column a class */
    PP_TARGETS_DENSE,    /* y columns as they are; a single column serves every output unit */
    PP_TARGETS_BROADCAST /* the mistake: every prediction of a lane's share with every target of it
                          */
} pp_targets;

typedef struct pp_job_loss {
    pp_loss_type type;
    pp_targets targets;
    double label_smoothing; /* t (1 - s) + s / K; for binary losses t (1 - s) + s / 2 */
    double delta;           /* huber: |error| beyond which it is linear */
    double quantile;        /* quantile */
    double epsilon;         /* bce, ce on probabilities: p is kept in [epsilon, 1 - epsilon] */
} pp_job_loss;

/* ---- where it is computed ---- */

/* X(identifier, name in a job, table of src/compute) */
#define PP_BACKEND_LIST(X) X(PP_BACKEND_CPU, "cpu", pp__cpu_backend)

#define PP_BACKEND_ENUM(identifier, name, table) identifier,
typedef enum pp_backend_type { PP_BACKEND_LIST(PP_BACKEND_ENUM) } pp_backend_type;
#undef PP_BACKEND_ENUM

/* ---- optimisers ---- */

/* X(identifier, name in a job, rate above which training seldom holds together, usual rate, usual
 * rate with a momentum of 0.8 or more) */
#define PP_OPTIMIZER_LIST(X)                                                                       \
    X(PP_OPT_SGD, "sgd", 1, 0.05, 0.01)                                                            \
    X(PP_OPT_ADAM, "adam", 0.05, 0.002, 0.002)                                                     \
    X(PP_OPT_ADAMW, "adamw", 0.05, 0.002, 0.002)                                                   \
    X(PP_OPT_RMSPROP, "rmsprop", 0.05, 0.002, 0.002)                                               \
    X(PP_OPT_ADAGRAD, "adagrad", 1, 0.02, 0.02)

#define PP_OPTIMIZER_ENUM(identifier, name, most, usual, with_momentum) identifier,
typedef enum pp_optimizer_type { PP_OPTIMIZER_LIST(PP_OPTIMIZER_ENUM) } pp_optimizer_type;
#undef PP_OPTIMIZER_ENUM

typedef struct pp_optimizer_kind {
    const char *name;
    double most_lr, usual_lr, usual_lr_with_momentum;
} pp_optimizer_kind;
const pp_optimizer_kind *pp_optimizer_kind_of(pp_optimizer_type type);

typedef struct pp_job_optimizer {
    pp_optimizer_type type;
    double lr;
    double momentum;     /* sgd, rmsprop */
    int nesterov;        /* sgd */
    double beta1, beta2; /* adam, adamw */
    double alpha;        /* rmsprop smoothing */
    double epsilon;      /* adam, adamw, rmsprop, adagrad */
    double weight_decay; /* sgd, adam, rmsprop, adagrad: added to the gradient; adamw: decoupled */
} pp_job_optimizer;

#endif
