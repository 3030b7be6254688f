#include <math.h>

#include "cpu.h"
#include "elementary.h"

static const float leaky_slope = 0.01f;
static const float inverse_sqrt_2pi = 0.39894228040143267794f;

PP_SIMD static void relu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 || x[i] != x[i] ? x[i] : 0.0f; /* NaN passes through */
}

PP_SIMD static void relu_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] <= 0 ? 0.0f : dy[i]; /* where y is NaN, dy passes */
}

PP_SIMD static void leaky_relu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : leaky_slope * x[i];
}

PP_SIMD static void leaky_relu_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : leaky_slope * dy[i];
}

PP_SIMD static void gelu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * pp__normal_below(x[i]);
}

PP_SIMD static void gelu_backward(int64_t n, const float *x, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++) {
        float cdf = pp__normal_below(x[i]);
        float pdf = inverse_sqrt_2pi * pp__exp(-0.5f * x[i] * x[i]);
        dx[i] = dy[i] * (cdf + x[i] * pdf);
    }
}

PP_SIMD static void silu(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * pp__sigmoid(x[i]);
}

PP_SIMD static void silu_backward(int64_t n, const float *x, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++) {
        float s = pp__sigmoid(x[i]);
        dx[i] = dy[i] * (s * (1.0f + x[i] * (1.0f - s)));
    }
}

PP_SIMD static void tanh_forward(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pp__tanh(x[i]);
}

PP_SIMD static void tanh_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = dy[i] * (1.0f - y[i] * y[i]);
}

PP_SIMD static void sigmoid_forward(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pp__sigmoid(x[i]);
}

PP_SIMD static void sigmoid_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = dy[i] * (y[i] * (1.0f - y[i]));
}

PP_SIMD static void softplus(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] > 0 ? x[i] : 0.0f) + pp__log_of_1_plus(pp__exp(-fabsf(x[i])));
}

PP_SIMD static void softplus_backward(int64_t n, const float *x, const float *dy, float *dx)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = dy[i] * pp__sigmoid(x[i]);
}

static void copy(int64_t n, const float *x, float *y)
{
    if (x == y) return;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i];
}

PP_SIMD static void softmax_row(int64_t n, const float *x, float *y)
{
    float largest = x[0], sum = 0;
    for (int64_t j = 1; j < n; j++)
        if (x[j] > largest) largest = x[j];
    for (int64_t j = 0; j < n; j++)
        y[j] = pp__exp(x[j] - largest);
    for (int64_t j = 0; j < n; j++)
        sum += y[j];
    for (int64_t j = 0; j < n; j++)
        y[j] /= sum;
}

PP_SIMD static void softmax_row_backward(int64_t n, const float *y, const float *dy, float *dx)
{
    float dot = 0;
    for (int64_t j = 0; j < n; j++)
        dot += y[j] * dy[j];
    for (int64_t j = 0; j < n; j++)
        dx[j] = y[j] * (dy[j] - dot);
}

/* One row per element-wise activation: backward takes its input or its output, whichever it needs.
 */
static const struct {
    void (*forward)(int64_t n, const float *x, float *y);
    void (*backward)(int64_t n, const float *x_or_y, const float *dy, float *dx);
} table[] = {
    [PP_ACT_RELU] = {relu, relu_backward},
    [PP_ACT_LEAKY_RELU] = {leaky_relu, leaky_relu_backward},
    [PP_ACT_GELU] = {gelu, gelu_backward},
    [PP_ACT_SILU] = {silu, silu_backward},
    [PP_ACT_TANH] = {tanh_forward, tanh_backward},
    [PP_ACT_SIGMOID] = {sigmoid_forward, sigmoid_backward},
    [PP_ACT_SOFTPLUS] = {softplus, softplus_backward},
};

void pp__cpu_activate(pp_device *device, pp_activation f, int64_t rows, int64_t n, const float *x,
                      float *y)
{
    (void)device;
    if (f == PP_ACT_IDENTITY) {
        copy(rows * n, x, y);
    } else if (f == PP_ACT_SOFTMAX) {
        for (int64_t i = 0; i < rows; i++)
            softmax_row(n, x + i * n, y + i * n);
    } else {
        table[f].forward(rows * n, x, y);
    }
}

void pp__cpu_activate_backward(pp_device *device, pp_activation f, int64_t rows, int64_t n,
                               const float *x, const float *y, const float *dy, float *dx)
{
    (void)device;
    if (f == PP_ACT_IDENTITY) {
        copy(rows * n, dy, dx);
    } else if (f == PP_ACT_SOFTMAX) {
        for (int64_t i = 0; i < rows; i++)
            softmax_row_backward(n, y + i * n, dy + i * n, dx + i * n);
    } else {
        table[f].backward(rows * n, pp_activation_kind_of(f)->takes_input ? x : y, dy, dx);
    }
}
