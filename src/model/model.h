/* The model: a job's list of layers as a flat plan of operations and one flat vector of parameters.
 *
 * pp_model is the plan: pure, the same on every rank. pp_pass is the workspace in which a rank runs
 * it forward and backward for its lanes. No communication. */
#ifndef PITPROP_MODEL_H
#define PITPROP_MODEL_H

#include <stdint.h>

#include "base/arena.h"
#include "compute/compute.h"
#include "pitprop/error.h"
#include "job/job.h"
#include "data/share/lanes.h"

/* The unit in which parameters are owned, updated and summed for the norm: floats. */
enum { PP_BLOCK = 1024 };

/* A run of the parameter vector with a name. Statistics (running mean and variance of batch norm)
 * live in the vector too: their "gradient" is rows times the batch's value, so the exchange
 * averages it like the rest. */
typedef struct pp_param {
    const char *name; /* "layers.0.weight" */
    int n_dims;
    int64_t shape[PP_MOST_DIMS]; /* dense weights [out, in] */
    int64_t offset, count;       /* floats in the vector; gaps between parameters stay zero */
    int trainable;               /* 0: frozen or a statistic */
    float statistic;             /* > 0: running = (1 - statistic) running + statistic batch */
    float l1, l2;
    pp_init init;
    double init_scale;
    int64_t fan_in, fan_out;
} pp_param;

/* One step of a forward pass. A layer makes none, one, or two: itself and the activation behind it;
 * a residual block is one at its end: output = input + output of op `skip`. */
typedef struct pp_op {
    pp_layer_type type;
    pp_shape shape_in, shape_out; /* of a row */
    int64_t in, out;              /* values of a row */
    int weight, bias;             /* parameter indices, -1: none; norms: gamma, beta */
    int mean, var;                /* batch norm */
    int skip;                     /* residual: op whose output is added, -1: the model's input */
    pp_activation activation;
    float rate, epsilon;
    pp_window window; /* conv, pools */
    int layer; /* number of the layer in depth-first order, for messages and random streams */
} pp_op;

typedef struct pp_model {
    int64_t inputs, outputs;
    int n_ops, n_params;
    pp_op *ops;
    pp_param *params; /* ascending offsets, in the order of ops */
    int64_t size;     /* floats of the vector, a multiple of PP_BLOCK */
    int64_t weights;  /* trainable parameters, for people */
} pp_model;

/* job: resolved. Errors name the layer ("model.layers[3]: ..."). Memory is the arena's. */
pp_status pp_model_plan(const pp_job *job, int64_t inputs, pp_arena *arena, pp_model **model,
                        pp_error *err);
/* Initial values [size] on the host: a function of seed, parameter and element alone. */
void pp_model_init(const pp_model *model, uint64_t seed, float *values);
/* Those of one parameter [count]. */
void pp_model_init_param(const pp_model *model, int param, uint64_t seed, float *values);

/* First parameter (index, in forward order) of params [size], host, that holds a NaN or an
 * infinity; -1: none. */
int pp_model_find_non_finite(const pp_model *model, const float *params);
const char *pp_op_name(const pp_op *op); /* "dense" */

/* ---- workspace ---- */
typedef struct pp_pass pp_pass;

typedef struct pp_pass_spec {
    const pp_model *model;
    const pp_backend *backend; /* borrowed */
    pp_device *device;         /* borrowed */
    int train;                 /* 0: forward only, as in prediction */
    int n_lanes;               /* of the job; prediction: 1 */
    pp_lane_range lanes;       /* of this rank; prediction: {0, 1} */
    const int64_t *cut;        /* batch slots, [n_lanes + 1]; most rows a lane can have */
    uint64_t seed;             /* of dropout */
} pp_pass_spec;

/* Allocates everything and finds out which products of several lanes may be one BLAS call: those
 * whose bits are the same as lane by lane (tried on numbers of the very shape; OpenBLAS picks its
 * path by shape alone). */
pp_status pp_pass_create(const pp_pass_spec *spec, pp_pass **pass, pp_error *err);
void pp_pass_destroy(pp_pass *pass);
int64_t pp_pass_bytes(const pp_pass *pass);

/* x [rows, inputs] on the device, lane after lane with lane_rows [lanes.count]. Returns the outputs
 * [rows, outputs] on the device, valid until the next call. step: for dropout. */
const float *pp_pass_forward(pp_pass *pass, const float *params, const float *x,
                             const int64_t *lane_rows, int64_t step);

/* After a forward pass: the first op in forward order whose output holds a NaN or an infinity, and
 * the lowest of the numbers `index` [rows of the batch] of such rows; -1: none. An activation may
 * share its memory with the dense layer in front of it, which is then named. Slow: for after the
 * damage. */
int pp_pass_find_non_finite(const pp_pass *pass, const int64_t *index, int64_t *lowest);

/* Called as the gradient grows: everything at offset and beyond is final. */
typedef void (*pp_ready_fn)(void *context, int64_t offset);

/* dz [rows, outputs] on the device is overwritten. gradient[i] [size] gets the sum over the lanes
 * of subtree i of this rank (pp_tree_nodes order), each added as the tree says; frozen parameters
 * are not written. */
void pp_pass_backward(pp_pass *pass, const float *params, const float *x, float *dz,
                      float *const *gradient, pp_ready_fn ready, void *context);

#endif
