/* What a kind of layer is in code: a row of the table in kinds.c, and the services of a pass that
 * its functions share. Shapes are those of op; rows = all lanes of the rank, lane after lane. */
#ifndef PITPROP_LAYER_H
#define PITPROP_LAYER_H

#include "model/pass.h"
#include "model/planner.h"

typedef struct pp__forward {
    const float *params, *x; /* x [rows, inputs]: the model's input */
    int64_t step;            /* for random numbers */
} pp__forward;

typedef struct pp__backward {
    pp_pass *pass;
    const float *params, *x;
    float *const *gradient; /* [nodes], each [model size] */
    pp_ready_fn ready;
    void *context;
} pp__backward;

typedef struct pp__layer_code {
    /* Adds ops and parameters; planner->shape becomes the shape behind the layer. */
    pp_status (*plan)(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path);
    /* Takes what an op keeps besides its output; returns 0 where there is no memory. Nullable. */
    int (*memory)(pp_pass *pass, int op);
    /* Before training on several lanes: finds out which products may be one. Nullable. */
    pp_status (*prepare)(pp_pass *pass, int op, pp_error *err);
    /* in [rows, op.in] to pass->op[op].value [rows, op.out] */
    void (*forward)(pp_pass *pass, int op, const pp__forward *f, const float *in);
    /* dy [rows, op.out] is the gradient of the loss by the op's output and may be overwritten.
     * Writes the gradients of the parameters, calls ready for them, and returns where the gradient
     * by the input [rows, op.in] is: dy or other. Of op 0 nobody wants that. */
    float *(*backward)(const pp__backward *b, int op, const float *in, float *dy, float *other);
    /* Whether the output may lie where the input does. NULL: never. */
    int (*overwrites)(const pp_op *op);
    int leaves_output; /* backward does not read the output, so that the next op may overwrite it */
} pp__layer_code;

/* X(kind, its code): a row for every row of PP_LAYER_LIST. */
#define PP__LAYER_CODES(X)                                                                         \
    X(PP_LAYER_DENSE, pp__dense_code)                                                              \
    X(PP_LAYER_ACTIVATION, pp__activation_code)                                                    \
    X(PP_LAYER_DROPOUT, pp__dropout_code)                                                          \
    X(PP_LAYER_BATCH_NORM, pp__batch_norm_code)                                                    \
    X(PP_LAYER_LAYER_NORM, pp__layer_norm_code)                                                    \
    X(PP_LAYER_RESIDUAL, pp__residual_code)                                                        \
    X(PP_LAYER_CONV1D, pp__conv_code)                                                              \
    X(PP_LAYER_CONV2D, pp__conv_code)                                                              \
    X(PP_LAYER_MAX_POOL1D, pp__max_pool_code)                                                      \
    X(PP_LAYER_MAX_POOL2D, pp__max_pool_code)                                                      \
    X(PP_LAYER_AVERAGE_POOL1D, pp__average_pool_code)                                              \
    X(PP_LAYER_AVERAGE_POOL2D, pp__average_pool_code)                                              \
    X(PP_LAYER_GLOBAL_AVERAGE_POOL, pp__global_average_pool_code)                                  \
    X(PP_LAYER_FLATTEN, pp__flatten_code)

#define PP__LAYER_CODE_EXTERN(kind, code) extern const pp__layer_code code;
PP__LAYER_CODES(PP__LAYER_CODE_EXTERN)
#undef PP__LAYER_CODE_EXTERN

const pp__layer_code *pp__layer_code_of(pp_layer_type type);

/* ---- gradients of parameters: sums over lanes as the tree says (fold.c) ---- */

/* One gradient of one op, lane by lane: writes `count` floats, beginning at float `first` of the
 * parameter. */
typedef struct pp__leaf {
    pp_pass *pass;
    int op;
    const float *in, *dy; /* [rows, in], [rows, out] of all lanes */
    int64_t first, count;
    void (*write)(const struct pp__leaf *leaf, int lane, float *out);
    void (*add)(const struct pp__leaf *leaf, int lane,
                float *out); /* out += what write writes; nullable */
} pp__leaf;

/* The whole of a parameter with one dimension; nothing where it is neither trained nor a
 * statistic. */
void pp__fold_vector(const pp__backward *b, pp__leaf leaf, int param);
/* A weight [units, ...] in tiles of whole units, last ones first, so that the end of the vector is
 * ready early. */
void pp__fold_weight(const pp__backward *b, pp__leaf leaf, int param);
/* Sums of dy [rows, count] over rows: gradient of a bias. */
void pp__leaf_bias(const pp__leaf *leaf, int lane, float *out);
/* The same where each of them has several places: dy [rows, count, places]. */
void pp__leaf_places(const pp__leaf *leaf, int lane, float *out);

#endif
