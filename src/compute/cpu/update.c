#include <math.h>

#include "cpu.h"

PP_SIMD void pp__cpu_finish_gradient(pp_device *device, int64_t n, float rows, float l1, float l2,
                                     const float *w, float *g)
{
    (void)device;
    for (int64_t i = 0; i < n; i++)
        g[i] /= rows;
    if (l1 == 0 && l2 == 0) return;
    for (int64_t i = 0; i < n; i++)
        g[i] += 2.0f * l2 * w[i] + (w[i] > 0 ? l1 : w[i] < 0 ? -l1 : 0.0f);
}

void pp__cpu_average(pp_device *device, int64_t n, float rows, float momentum, const float *g,
                     float *w)
{
    (void)device;
    for (int64_t i = 0; i < n; i++)
        w[i] = (1.0f - momentum) * w[i] + momentum * (g[i] / rows);
}

/* Eight partial sums, so that the loop vectorises in a fixed order. */
PP_SIMD double pp__cpu_sum_squares(pp_device *device, int64_t n, const float *g)
{
    (void)device;
    double sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += (double)g[i + j] * (double)g[i + j];
    for (; i < n; i++)
        sum[0] += (double)g[i] * (double)g[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

PP_SIMD static void sgd(const pp_update *u, float scale, int64_t n, const float *g, float *velocity,
                        float *unused, float *w)
{
    (void)unused;
    float lr = u->lr, mu = u->momentum, decay = u->decay;
    if (velocity == NULL) {
        for (int64_t i = 0; i < n; i++)
            w[i] -= lr * (scale * g[i] + decay * w[i]);
    } else if (u->nesterov) {
        for (int64_t i = 0; i < n; i++) {
            float d = scale * g[i] + decay * w[i];
            velocity[i] = mu * velocity[i] + d;
            w[i] -= lr * (d + mu * velocity[i]);
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            velocity[i] = mu * velocity[i] + (scale * g[i] + decay * w[i]);
            w[i] -= lr * velocity[i];
        }
    }
}

PP_SIMD static void adam(const pp_update *u, float scale, int64_t n, const float *g, float *m,
                         float *v, float *w)
{
    float b1 = u->beta1, r1 = u->rest1, b2 = u->beta2, r2 = u->rest2;
    float lr = u->lr, root = u->root, epsilon = u->epsilon, decay = u->decay, shrink = u->shrink;
    for (int64_t i = 0; i < n; i++) {
        w[i] *= shrink;
        float d = scale * g[i] + decay * w[i];
        m[i] = b1 * m[i] + r1 * d;
        v[i] = b2 * v[i] + r2 * d * d;
        w[i] -= lr * (m[i] / (sqrtf(v[i]) / root + epsilon));
    }
}

PP_SIMD static void rmsprop(const pp_update *u, float scale, int64_t n, const float *g, float *v,
                            float *velocity, float *w)
{
    float alpha = u->beta2, rest = u->rest2, epsilon = u->epsilon, decay = u->decay, lr = u->lr,
          mu = u->momentum;
    for (int64_t i = 0; i < n; i++) {
        float d = scale * g[i] + decay * w[i];
        v[i] = alpha * v[i] + rest * d * d;
        d /= sqrtf(v[i]) + epsilon;
        if (velocity != NULL) {
            velocity[i] = mu * velocity[i] + d;
            d = velocity[i];
        }
        w[i] -= lr * d;
    }
}

PP_SIMD static void adagrad(const pp_update *u, float scale, int64_t n, const float *g, float *v,
                            float *unused, float *w)
{
    (void)unused;
    float lr = u->lr, epsilon = u->epsilon, decay = u->decay;
    for (int64_t i = 0; i < n; i++) {
        float d = scale * g[i] + decay * w[i];
        v[i] += d * d;
        w[i] -= lr * (d / (sqrtf(v[i]) + epsilon));
    }
}

typedef void (*update_fn)(const pp_update *, float, int64_t, const float *, float *, float *,
                          float *);

static const update_fn table[] = {
    [PP_OPT_SGD] = sgd,         [PP_OPT_ADAM] = adam,       [PP_OPT_ADAMW] = adam,
    [PP_OPT_RMSPROP] = rmsprop, [PP_OPT_ADAGRAD] = adagrad,
};

void pp__cpu_update(pp_device *device, const pp_update *update, float scale, int64_t n,
                    const float *g, float *state1, float *state2, float *w)
{
    (void)device;
    table[update->type](update, scale, n, g, state1, state2, w);
}
