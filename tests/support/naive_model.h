/* A naive forward of whole models in double, which walks the job's layers and knows nothing of
 * plans. */
#ifndef PITPROP_TESTS_NAIVE_MODEL_H
#define PITPROP_TESTS_NAIVE_MODEL_H

#include "support/model_case.h"
#include "support/rig.h"

enum { INPUTS = 5, ROWS = 11, MOST_LANES = 8, SEED = 5 };

/* Lane shares, unequal and empty; rows [lanes] of them are in the batch at hand. */
typedef struct shares {
    int lanes;
    int64_t cut[MOST_LANES + 1], rows[MOST_LANES];
} shares;

/* A model, its numbers and a batch. */
typedef struct bench {
    rig *r;
    pp_arena *arena;
    pp_job job;
    pp_model *model;
    const shares *shares;
    int64_t rows; /* in the batch */
    int64_t step;
    int train;
    float *params, *x; /* on the device */
} bench;

typedef struct naive {
    const bench *b;
    const double *params; /* [model size] */
    double *statistics;   /* [model size] what batch norms leave for their running statistics */
    int layer;            /* number of the one at hand, depth first */
    int64_t image[3];     /* channels, height, width of what is at hand */
} naive;

static inline const double *values_of(const naive *v, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    const pp_param *p = param_named(v->b->model, full);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return v->params + p->offset;
}

static inline double activation(pp_activation f, double x)
{
    switch (f) {
    case PP_ACT_RELU:
        return x > 0 ? x : 0;
    case PP_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    case PP_ACT_GELU:
        return x * 0.5 * (1 + erf(x / sqrt(2)));
    case PP_ACT_SILU:
        return x / (1 + exp(-x));
    case PP_ACT_TANH:
        return tanh(x);
    case PP_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case PP_ACT_SOFTPLUS:
        return log1p(exp(x));
    default:
        return x;
    }
}

static inline void naive_activation(pp_activation f, int64_t rows, int64_t n, double *x)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++)
            sum += exp(x[i * n + j]);
        for (int64_t j = 0; j < n; j++)
            x[i * n + j] =
                f == PP_ACT_SOFTMAX ? exp(x[i * n + j]) / sum : activation(f, x[i * n + j]);
    }
}

static inline double *naive_dense(const naive *v, const pp_layer_spec *layer, const char *prefix,
                                  const double *x, int64_t in)
{
    int64_t rows = v->b->rows, out = layer->units;
    const double *weight = values_of(v, prefix, "weight");
    const double *bias = layer->bias ? values_of(v, prefix, "bias") : NULL;
    double *y = rig_doubles(rows * out);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < out; j++) {
            y[i * out + j] = bias == NULL ? 0 : bias[j];
            for (int64_t k = 0; k < in; k++)
                y[i * out + j] += x[i * in + k] * weight[j * in + k];
        }
    naive_activation(layer->activation, rows, out, y);
    return y;
}

/* The backend's own mask: element numbers are (slot of the global batch, feature). */
static inline void naive_dropout(const naive *v, const pp_layer_spec *layer, int64_t n, double *x)
{
    const bench *b = v->b;
    const pp_backend *k = b->r->backend;
    pp_rng rng = pp_rng_at(SEED, PP_RNG_DROPOUT, (uint64_t)b->step << 16 | (uint64_t)v->layer);
    float host[ROWS * 64], *mask = k->allocate(b->r->device, sizeof host);
    for (int l = 0; l < b->shares->lanes; l++) {
        int64_t count = b->shares->rows[l] * n;
        k->dropout_mask(b->r->device, rng, (uint64_t)(b->shares->cut[l] * n), (float)layer->rate,
                        count, mask);
        k->download(b->r->device, host, mask, (size_t)count * sizeof *host);
        for (int64_t i = 0; i < count; i++)
            *x++ *= (double)host[i];
    }
    k->release(b->r->device, mask);
}

/* Normalises `count` numbers that lie `stride` apart; sums: their sum, and rows times the unbiased
 * variance. */
static inline void normalise(int64_t count, int64_t stride, double epsilon, double *x,
                             double sums[2])
{
    double sum = 0, squares = 0, n = (double)count;
    for (int64_t i = 0; i < count; i++)
        sum += x[i * stride];
    for (int64_t i = 0; i < count; i++)
        squares += pow(x[i * stride] - sum / n, 2);
    for (int64_t i = 0; i < count; i++)
        x[i * stride] = (x[i * stride] - sum / n) / sqrt(squares / n + epsilon);
    sums[0] = sum;
    sums[1] = count > 1 ? squares * n / (n - 1) : 0;
}

/* Channels of an image as columns of rows * places, there and back. */
static inline void turn(int64_t rows, int64_t n, int64_t places, double *x, int back)
{
    double *turned = rig_doubles(rows * n * places);
    for (int64_t i = 0; i < rows * n * places; i++) {
        int64_t to = (i / (n * places) * places + i % places) * n + i / places % n;
        turned[back ? i : to] = x[back ? to : i];
    }
    memcpy(x, turned, (size_t)(rows * n * places) * sizeof *x);
    free(turned);
}

/* Over the rows of each lane; leaves the sums over lanes in statistics. */
static inline void naive_batch_statistics(const naive *v, const pp_layer_spec *layer,
                                          const char *prefix, int64_t n, int64_t places, double *x)
{
    double *mean = v->statistics + (values_of(v, prefix, "running_mean") - v->params);
    double *var = v->statistics + (values_of(v, prefix, "running_var") - v->params);
    for (int64_t j = 0; j < n; j++)
        mean[j] = var[j] = 0;
    for (int l = 0; l < v->b->shares->lanes; x += v->b->shares->rows[l++] * places * n)
        for (int64_t j = 0; j < n; j++) {
            double sums[2];
            normalise(v->b->shares->rows[l] * places, n, layer->epsilon, x + j, sums);
            mean[j] += sums[0] / (double)places;
            var[j] += sums[1] / (double)places;
        }
}

static inline void naive_norm(const naive *v, const pp_layer_spec *layer, const char *prefix,
                              int64_t width, double *x)
{
    int batch = layer->type == PP_LAYER_BATCH_NORM;
    int64_t n = batch ? v->image[0] : width, places = width / n, rows = v->b->rows * places;
    double sums[2];
    if (!batch) {
        for (int64_t i = 0; i < rows; i++)
            normalise(n, 1, layer->epsilon, x + i * n, sums);
    }
    turn(v->b->rows, n, places, x, 0);
    if (batch && v->b->train) {
        naive_batch_statistics(v, layer, prefix, n, places, x);
    } else if (batch) {
        const double *mean = values_of(v, prefix, "running_mean");
        const double *var = values_of(v, prefix, "running_var");
        for (int64_t i = 0; i < rows * n; i++)
            x[i] = (x[i] - mean[i % n]) / sqrt(var[i % n] + layer->epsilon);
    }
    const double *gamma = values_of(v, prefix, "weight"), *beta = values_of(v, prefix, "bias");
    for (int64_t i = 0; i < rows * n; i++)
        x[i] = gamma[i % n] * x[i] + beta[i % n];
    turn(v->b->rows, n, places, x, 1);
}

/* ---- windows ---- */

/* How a window lies along height (d = 0) or width. */
typedef struct naive_line {
    int64_t in, out, kernel, stride, dilation, before;
} naive_line;

static inline naive_line line_of(const naive *v, const pp_layer_spec *l, int d)
{
    int conv = l->type == PP_LAYER_CONV1D || l->type == PP_LAYER_CONV2D;
    int flat = d == 0 && (l->type == PP_LAYER_CONV1D || l->type == PP_LAYER_MAX_POOL1D ||
                          l->type == PP_LAYER_AVERAGE_POOL1D);
    naive_line n = {v->image[1 + d], 0, 1, 1, 1, 0};
    if (l->type == PP_LAYER_GLOBAL_AVERAGE_POOL) n.kernel = n.in;
    if (l->type != PP_LAYER_GLOBAL_AVERAGE_POOL && !flat) {
        n.kernel = l->kernel[d];
        n.dilation = conv ? l->dilation[d] : 1;
        n.stride = l->stride[d] == PP_AUTO ? n.kernel : l->stride[d];
    }
    int64_t same = n.dilation * (n.kernel - 1), given = flat ? 0 : l->padding[d];
    int64_t both = l->type == PP_LAYER_GLOBAL_AVERAGE_POOL ? 0
                   : given == PP_AUTO                      ? same
                                                           : 2 * given;
    n.before = both / 2;
    while (n.out * n.stride + same < n.in + both)
        n.out++;
    return n;
}

/* Where tap k of output o lies; -1: beyond the edge. */
static inline int64_t place_of(const naive_line *n, int64_t o, int64_t k)
{
    int64_t at = o * n->stride + k * n->dilation - n->before;
    return at < n->in ? at : -1;
}

/* What one window of one channel x [height, width] makes: with weights their sum, else the largest
 * or the mean. */
static inline double naive_window(const pp_layer_spec *l, const naive_line n[2], const double *x,
                                  int64_t oy, int64_t ox, const double *weight)
{
    int max = l->type == PP_LAYER_MAX_POOL1D || l->type == PP_LAYER_MAX_POOL2D;
    double sum = 0, largest = -INFINITY;
    for (int64_t ky = 0; ky < n[0].kernel; ky++)
        for (int64_t kx = 0; kx < n[1].kernel; kx++) {
            int64_t y = place_of(&n[0], oy, ky), at = place_of(&n[1], ox, kx);
            if (y < 0 || at < 0) continue;
            double value = x[y * n[1].in + at];
            sum += weight != NULL ? weight[ky * n[1].kernel + kx] * value : value;
            largest = fmax(largest, value);
        }
    if (weight != NULL) return sum;
    return max ? largest : sum / (double)(n[0].kernel * n[1].kernel);
}

/* Convolutions and pools: y [rows, units, out height, out width]. */
static inline double *naive_windows(naive *v, const pp_layer_spec *l, const char *prefix,
                                    const double *x)
{
    int conv = l->type == PP_LAYER_CONV1D || l->type == PP_LAYER_CONV2D;
    naive_line n[2] = {line_of(v, l, 0), line_of(v, l, 1)};
    int64_t channels = v->image[0], units = conv ? l->units : channels;
    int64_t group = conv ? channels / l->groups : 1, taps = n[0].kernel * n[1].kernel;
    int64_t plane = n[0].in * n[1].in, places = n[0].out * n[1].out;
    const double *weight = conv ? values_of(v, prefix, "weight") : NULL;
    const double *bias = conv && l->bias ? values_of(v, prefix, "bias") : NULL;
    double *y = rig_doubles(v->b->rows * units * places);
    for (int64_t i = 0; i < v->b->rows * units * places; i++) {
        int64_t row = i / (units * places), unit = i / places % units, o = i % places;
        int64_t first = conv ? unit / (units / l->groups) * group : unit;
        y[i] = bias != NULL ? bias[unit] : 0;
        for (int64_t c = 0; c < group; c++)
            y[i] += naive_window(l, n, x + (row * channels + first + c) * plane, o / n[1].out,
                                 o % n[1].out, conv ? weight + (unit * group + c) * taps : NULL);
    }
    if (conv) naive_activation(l->activation, v->b->rows, units * places, y);
    memcpy(v->image, (int64_t[3]){units, n[0].out, n[1].out}, sizeof v->image);
    return y;
}

static inline double *naive_layers(naive *v, const pp_layer_spec *layers, int n_layers,
                                   const char *parent, const double *x, int64_t *width);

static inline double *naive_layer(naive *v, const pp_layer_spec *layer, const char *prefix,
                                  const double *x, int64_t *width)
{
    int64_t size = v->b->rows * *width;
    double *y = NULL;
    if (layer->type == PP_LAYER_DENSE) {
        y = naive_dense(v, layer, prefix, x, *width);
        *width = layer->units;
        memcpy(v->image, (int64_t[3]){layer->units, 1, 1}, sizeof v->image);
    } else if (layer->type >= PP_LAYER_CONV1D && layer->type <= PP_LAYER_GLOBAL_AVERAGE_POOL) {
        y = naive_windows(v, layer, prefix, x);
        *width = v->image[0] * v->image[1] * v->image[2];
    } else if (layer->type == PP_LAYER_RESIDUAL) {
        y = naive_layers(v, layer->layers, layer->n_layers, prefix, x, width);
        for (int64_t i = 0; i < size; i++)
            y[i] += x[i];
    } else {
        y = rig_doubles(size);
        memcpy(y, x, (size_t)size * sizeof *y);
        if (layer->type == PP_LAYER_ACTIVATION)
            naive_activation(layer->activation, v->b->rows, *width, y);
        else if (layer->type == PP_LAYER_BATCH_NORM || layer->type == PP_LAYER_LAYER_NORM)
            naive_norm(v, layer, prefix, *width, y);
        else if (layer->type == PP_LAYER_DROPOUT && v->b->train)
            naive_dropout(v, layer, *width, y);
    }
    return y;
}

static inline double *naive_layers(naive *v, const pp_layer_spec *layers, int n_layers,
                                   const char *parent, const double *x, int64_t *width)
{
    double *y = rig_doubles(v->b->rows * *width);
    memcpy(y, x, (size_t)(v->b->rows * *width) * sizeof *y);
    for (int i = 0; i < n_layers; i++) {
        char prefix[96];
        snprintf(prefix, sizeof prefix, "%s%slayers.%d", parent, *parent ? "." : "", i);
        v->layer++;
        double *next = naive_layer(v, &layers[i], prefix, y, width);
        free(y);
        y = next;
    }
    return y;
}

/* Outputs [rows, outputs]; the caller frees. */
static inline double *naive_forward(const bench *b, const double *params, double *statistics)
{
    naive v = {.b = b, .params = params, .statistics = statistics, .layer = -1};
    int64_t width = b->model->inputs;
    double *x = rig_doubles(b->rows * width);
    pp_shape shape = pp_job_x_shape(&b->job);
    int sequence = b->job.model.layers[0].type == PP_LAYER_CONV1D;
    memcpy(v.image,
           shape.n_dims == 3   ? shape.size
           : shape.n_dims == 0 ? (int64_t[3]){width, 1, 1}
           : sequence          ? (int64_t[3]){shape.size[0], 1, shape.size[1]}
                               : (int64_t[3]){1, shape.size[0], shape.size[1]},
           sizeof v.image);
    for (int64_t i = 0; i < b->rows * width; i++)
        x[i] = (double)rig_before(b->r, b->x)[i];
    double *y = naive_layers(&v, b->job.model.layers, b->job.model.n_layers, "", x, &width);
    CU_ASSERT_EQUAL(width, b->model->outputs);
    free(x);
    return y;
}

static inline double naive_loss(const bench *b, const double *params, double *statistics,
                                const float *dz)
{
    double *y = naive_forward(b, params, statistics), sum = 0;
    for (int64_t i = 0; i < b->rows * b->model->outputs; i++)
        sum += y[i] * (double)dz[i];
    free(y);
    return sum;
}

#endif
