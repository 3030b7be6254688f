/* The compute backend: a constant table of local operations on float32 arrays. MPI stays outside.
 *
 * Arrays are row-major and live where the backend's allocate puts them; upload and download cross
 * over. Sizes were checked when the model was planned, so operations return void. One contract
 * suite (test_compute.c, test_activation.c and test_update.c in tests/unit) tests every backend
 * against plain loops in double. The result of an operation depends on its arguments alone: one
 * thread, fixed order, no fast-math, NaN passes through. */
#ifndef PITPROP_COMPUTE_H
#define PITPROP_COMPUTE_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"
#include "job/job.h"
#include "base/rng.h"

typedef struct pp_device pp_device;

/* One update of a run of parameters; the optimiser's scalars at this step. */
typedef struct pp_update {
    pp_optimizer_type type;
    float lr; /* of this step; adam, adamw: divided by 1 - beta1^t, t = step + 1 */
    float momentum;
    int nesterov;
    float beta1, rest1; /* adam, adamw: beta1 and 1 - beta1, rounded from double each */
    float beta2, rest2; /* adam, adamw; rmsprop: alpha and 1 - alpha */
    float root;         /* adam, adamw: sqrt(1 - beta2^t) */
    float epsilon;
    float decay;  /* weight decay that is added to the gradient */
    float shrink; /* adamw: 1 - lr weight_decay, else 1 */
} pp_update;

typedef struct pp_backend {
    const char *name;
    int host_memory; /* allocate's memory is the host's: upload and download may be left out */

    /* node_rank picks a device where there are several. kernel: "auto" or a BLAS kernel to insist
     * on. */
    pp_status (*open)(int node_rank, const char *kernel, pp_device **device, pp_error *err);
    void (*close)(pp_device *device);
    const char *(*describe)(const pp_device *device); /* library and kernel, one line */
    const char *(*kernel)(const pp_device *device);   /* what multiplies: another has other bits */

    /* 64-byte aligned and zeroed; NULL when out of memory. */
    void *(*allocate)(pp_device *device, size_t bytes);
    void (*release)(pp_device *device, void *memory);
    void (*upload)(pp_device *device, void *to, const void *from_host, size_t bytes);
    void (*download)(pp_device *device, void *to_host, const void *from, size_t bytes);

    /* c [m, n] = op(a) [m, k] op(b) [k, n]; lda, ldb, ldc: row lengths as stored. k = 0 gives
     * zeros. */
    void (*gemm)(pp_device *device, int transpose_a, int transpose_b, int64_t m, int64_t n,
                 int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
                 int64_t ldc);
    /* c += op(a) op(b), else as gemm. Where k fits OpenBLAS's inner block, this has the bits of a
     * gemm and an add; callers that rely on it try it on the shape first. */
    void (*gemm_add)(pp_device *device, int transpose_a, int transpose_b, int64_t m, int64_t n,
                     int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
                     int64_t ldc);
    /* y [rows, n] = row [n] in every row */
    void (*fill_rows)(pp_device *device, int64_t rows, int64_t n, const float *row, float *y);
    /* sums [n] = column sums of y [rows, n] */
    void (*sum_rows)(pp_device *device, int64_t rows, int64_t n, const float *y, float *sums);
    /* a [n] += b [n] */
    void (*add)(pp_device *device, int64_t n, const float *b, float *a);

    /* y = f(x), [rows, n]; may be in place */
    void (*activate)(pp_device *device, pp_activation f, int64_t rows, int64_t n, const float *x,
                     float *y);
    /* dx = dy f'(x), given x and y = f(x); dx may be dy */
    void (*activate_backward)(pp_device *device, pp_activation f, int64_t rows, int64_t n,
                              const float *x, const float *y, const float *dy, float *dx);

    /* mask [n] = 0 with probability rate, else 1 / (1 - rate); element i draws index first + i */
    void (*dropout_mask)(pp_device *device, pp_rng rng, uint64_t first, float rate, int64_t n,
                         float *mask);
    /* y [n] = x [n] mask [n]; may be in place */
    void (*multiply)(pp_device *device, int64_t n, const float *mask, const float *x, float *y);

    /* Batch norm of x [rows, n, places] over the rows and places of one lane:
     * hat = (x - mean) / sqrt(var + epsilon), var biased; y = gamma hat + beta. Writes hat, as x,
     * and inverse [n] = 1 / sqrt(var + epsilon), and statistics [2 n]: rows * mean, rows * var with
     * var unbiased (PyTorch's running statistics). */
    void (*batch_norm)(pp_device *device, int64_t rows, int64_t n, int64_t places, float epsilon,
                       const float *x, const float *gamma, const float *beta, float *hat,
                       float *inverse, float *statistics, float *y);
    /* dx from dy [rows, n, places]; dx may be dy. Ioffe and Szegedy, arXiv:1502.03167. */
    void (*batch_norm_backward)(pp_device *device, int64_t rows, int64_t n, int64_t places,
                                const float *hat, const float *inverse, const float *gamma,
                                const float *dy, float *dx);
    /* y = gamma (x - mean) / sqrt(var + epsilon) + beta with running statistics [n] */
    void (*batch_norm_predict)(pp_device *device, int64_t rows, int64_t n, int64_t places,
                               float epsilon, const float *x, const float *mean, const float *var,
                               const float *gamma, const float *beta, float *y);
    /* Layer norm over the n features of each row; inverse [rows]. Ba et al., arXiv:1607.06450. */
    void (*layer_norm)(pp_device *device, int64_t rows, int64_t n, float epsilon, const float *x,
                       const float *gamma, const float *beta, float *hat, float *inverse, float *y);
    void (*layer_norm_backward)(pp_device *device, int64_t rows, int64_t n, const float *hat,
                                const float *inverse, const float *gamma, const float *dy,
                                float *dx);
    /* sums [n] of a [rows, n, places] * b over rows and places: gradient of gamma from dy and hat
     */
    void (*sum_products)(pp_device *device, int64_t rows, int64_t n, int64_t places, const float *a,
                         const float *b, float *sums);

    /* Windows over channels of places, one row at a time: x [channels, in], [channels, out] behind
     * it, in and out being places of a height and a width. Channels [first, first + count) as
     * columns, for output lines [line, line + lines): columns [count * kernel places, lines *
     * out width], zeros where the window is beyond the edge. */
    void (*unfold)(pp_device *device, const pp_window *w, int64_t first, int64_t count,
                   int64_t line, int64_t lines, const float *x, float *columns);
    /* The same back: x += what lies in the columns for it. */
    void (*fold_add)(pp_device *device, const pp_window *w, int64_t first, int64_t count,
                     int64_t line, int64_t lines, const float *columns, float *x);
    /* x [rows, channels, in] to y [rows, channels, out]: the largest of each window, NaN where it
     * has one; its gradient goes to the first place that holds it. dy is used up; dx is not dy. */
    void (*max_pool)(pp_device *device, const pp_window *w, int64_t rows, const float *x, float *y);
    void (*max_pool_backward)(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                              const float *y, float *dy, float *dx);
    /* The mean of each window, places beyond the edge counting as 0. */
    void (*average_pool)(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                         float *y);
    void (*average_pool_backward)(pp_device *device, const pp_window *w, int64_t rows,
                                  const float *dy, float *dx);
    /* y [rows, n, places] = value [n] at every place */
    void (*fill_places)(pp_device *device, int64_t rows, int64_t n, int64_t places,
                        const float *value, float *y);
    /* sums [n] of y [rows, n, places] over rows and places */
    void (*sum_places)(pp_device *device, int64_t rows, int64_t n, int64_t places, const float *y,
                       float *sums);

    /* g [n] = g / rows + l1 sign(w) + 2 l2 w: sum of row gradients to gradient of the mean loss */
    void (*finish_gradient)(pp_device *device, int64_t n, float rows, float l1, float l2,
                            const float *w, float *g);
    /* w [n] = (1 - momentum) w + momentum g / rows: running statistics */
    void (*average)(pp_device *device, int64_t n, float rows, float momentum, const float *g,
                    float *w);
    double (*sum_squares)(pp_device *device, int64_t n, const float *g);
    /* w [n] by one step of the optimiser with gradient scale * g; state1, state2 [n] as
     * pp_update_states says. Formulas as in torch.optim 2.x. */
    void (*update)(pp_device *device, const pp_update *update, float scale, int64_t n,
                   const float *g, float *state1, float *state2, float *w);
} pp_backend;

/* Those of this build, by number; NULL behind the last one. */
const pp_backend *pp_backend_of(pp_backend_type type);
const pp_backend *pp_backend_at(int i);

/* Arrays of optimiser state per parameter: 0, 1 or 2. */
int pp_update_states(const pp_job_optimizer *optimizer);
/* The scalars for `step` (from 0). */
pp_update pp_update_at(const pp_job_optimizer *optimizer, double lr, int64_t step);

#endif
