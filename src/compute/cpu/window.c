/* Windows over images: unfolded into columns for a product, and pools. The part of a window that
 * lies within the image is found once a line, so that the inner loops have no edges. */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

/* Outputs [first, end) of a line whose tap `k` along dimension d lies within the image. */
typedef struct span {
    int64_t first, end;
} span;

static span within(const pp_window *w, int d, int64_t k)
{
    const int64_t shift = w->before[d] - k * w->dilation[d], stride = w->stride[d];
    span s = {shift > 0 ? (shift + stride - 1) / stride : 0, 0};
    const int64_t last = w->in[d] - 1 + shift; /* output * stride <= last */
    s.end = last < 0 ? 0 : last / stride + 1;
    if (s.end > w->out[d]) s.end = w->out[d];
    if (s.first > s.end) s.first = s.end;
    return s;
}

static int64_t input_of(const pp_window *w, int d, int64_t out, int64_t k)
{
    return out * w->stride[d] - w->before[d] + k * w->dilation[d];
}

static void unfold_line(const pp_window *w, span s, int64_t kx, const float *x, float *column)
{
    const float *from = x + input_of(w, 1, s.first, kx);
    const int64_t stride = w->stride[1], n = s.end - s.first;
    memset(column, 0, (size_t)s.first * sizeof *column);
    if (stride == 1)
        memcpy(column + s.first, from, (size_t)n * sizeof *column);
    else
        for (int64_t i = 0; i < n; i++)
            column[s.first + i] = from[i * stride];
    memset(column + s.end, 0, (size_t)(w->out[1] - s.end) * sizeof *column);
}

void pp__cpu_unfold(pp_device *device, const pp_window *w, int64_t first, int64_t count,
                    int64_t line, int64_t lines, const float *x, float *columns)
{
    const int64_t width = w->out[1];
    (void)device;
    for (int64_t c = first; c < first + count; c++)
        for (int64_t ky = 0; ky < w->kernel[0]; ky++)
            for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
                const span across = within(w, 1, kx);
                for (int64_t y = line; y < line + lines; y++, columns += width) {
                    const int64_t at = input_of(w, 0, y, ky);
                    if (at < 0 || at >= w->in[0])
                        memset(columns, 0, (size_t)width * sizeof *columns);
                    else
                        unfold_line(w, across, kx, x + (c * w->in[0] + at) * w->in[1], columns);
                }
            }
}

void pp__cpu_fold_add(pp_device *device, const pp_window *w, int64_t first, int64_t count,
                      int64_t line, int64_t lines, const float *columns, float *x)
{
    const int64_t width = w->out[1], stride = w->stride[1];
    (void)device;
    for (int64_t c = first; c < first + count; c++)
        for (int64_t ky = 0; ky < w->kernel[0]; ky++)
            for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
                const span s = within(w, 1, kx);
                for (int64_t y = line; y < line + lines; y++, columns += width) {
                    const int64_t at = input_of(w, 0, y, ky);
                    if (at < 0 || at >= w->in[0]) continue;
                    float *to = x + (c * w->in[0] + at) * w->in[1] + input_of(w, 1, s.first, kx);
                    for (int64_t i = 0; i < s.end - s.first; i++)
                        to[i * stride] += columns[s.first + i];
                }
            }
}

/* ---- pools: a line of outputs at a time, tap by tap, so that the inner loops have no branches
 * ---- */

/* One tap of a window on a line of outputs: input place i * stride goes with output s.first + i. */
typedef struct tap {
    span s;
    int64_t from; /* of the input line, for output s.first */
    int64_t line; /* of the input; -1: beyond the edge */
} tap;

static tap tap_at(const pp_window *w, int64_t y, int64_t ky, int64_t kx)
{
    tap t = {within(w, 1, kx), 0, input_of(w, 0, y, ky)};
    t.from = input_of(w, 1, t.s.first, kx);
    if (t.line >= w->in[0]) t.line = -1;
    return t;
}

/* Every tap of output line y that is not beyond the edge. */
#define EACH_TAP(w, y, t)                                                                          \
    for (int64_t ky_ = 0; ky_ < (w)->kernel[0]; ky_++)                                             \
        for (int64_t kx_ = 0; kx_ < (w)->kernel[1]; kx_++)                                         \
            for (tap t = tap_at(w, y, ky_, kx_); t.line >= 0; t.line = -1)

PP_SIMD static void raise_to(int64_t n, int64_t stride, const float *x, float *y)
{
    if (stride == 2)
        for (int64_t i = 0; i < n; i++)
            y[i] = x[2 * i] > y[i] || x[2 * i] != x[2 * i] ? x[2 * i] : y[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i * stride] > y[i] || x[i * stride] != x[i * stride] ? x[i * stride] : y[i];
}

void pp__cpu_max_pool(pp_device *device, const pp_window *w, int64_t rows, const float *x, float *y)
{
    const int64_t width = w->out[1];
    (void)device;
    for (int64_t plane = 0; plane < rows * w->channels; plane++, x += w->in[0] * w->in[1])
        for (int64_t line = 0; line < w->out[0]; line++, y += width) {
            for (int64_t i = 0; i < width; i++)
                y[i] = -INFINITY;
            EACH_TAP(w, line, t)
            raise_to(t.s.end - t.s.first, w->stride[1], x + t.line * w->in[1] + t.from,
                     y + t.s.first);
        }
}

/* left: what of dy no tap has taken yet. */
PP_SIMD static void give(int64_t n, int64_t stride, const float *x, const float *y, float *left,
                         float *dx)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = i * stride;
        const int is_it = x[at] == y[i] || x[at] != x[at];
        dx[at] += is_it ? left[i] : 0.0f;
        left[i] = is_it ? 0.0f : left[i];
    }
}

/* Each tap takes out of dy what it is given, so that no other gets it too. */
void pp__cpu_max_pool_backward(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                               const float *y, float *dy, float *dx)
{
    const int64_t width = w->out[1], places = w->in[0] * w->in[1];
    (void)device;
    memset(dx, 0, (size_t)(rows * w->channels * places) * sizeof *dx);
    for (int64_t plane = 0; plane < rows * w->channels; plane++, x += places, dx += places)
        for (int64_t line = 0; line < w->out[0]; line++, y += width, dy += width)
            EACH_TAP(w, line, t)
            {
                const int64_t at = t.line * w->in[1] + t.from;
                give(t.s.end - t.s.first, w->stride[1], x + at, y + t.s.first, dy + t.s.first,
                     dx + at);
            }
}

PP_SIMD static void add_strided(int64_t n, int64_t stride, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i * stride];
}

void pp__cpu_average_pool(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                          float *y)
{
    const int64_t width = w->out[1];
    const float share = 1.0f / (float)(w->kernel[0] * w->kernel[1]);
    (void)device;
    for (int64_t plane = 0; plane < rows * w->channels; plane++, x += w->in[0] * w->in[1])
        for (int64_t line = 0; line < w->out[0]; line++, y += width) {
            memset(y, 0, (size_t)width * sizeof *y);
            EACH_TAP(w, line, t)
            add_strided(t.s.end - t.s.first, w->stride[1], x + t.line * w->in[1] + t.from,
                        y + t.s.first);
            for (int64_t i = 0; i < width; i++)
                y[i] *= share;
        }
}

void pp__cpu_average_pool_backward(pp_device *device, const pp_window *w, int64_t rows,
                                   const float *dy, float *dx)
{
    const int64_t width = w->out[1], places = w->in[0] * w->in[1];
    const float share = 1.0f / (float)(w->kernel[0] * w->kernel[1]);
    (void)device;
    memset(dx, 0, (size_t)(rows * w->channels * places) * sizeof *dx);
    for (int64_t plane = 0; plane < rows * w->channels; plane++, dx += places)
        for (int64_t line = 0; line < w->out[0]; line++, dy += width)
            EACH_TAP(w, line, t)
    for (int64_t i = 0; i < t.s.end - t.s.first; i++)
        dx[t.line * w->in[1] + t.from + i * w->stride[1]] += dy[t.s.first + i] * share;
}

/* ---- one number a channel ---- */

void pp__cpu_fill_places(pp_device *device, int64_t rows, int64_t n, int64_t places,
                         const float *value, float *y)
{
    (void)device;
    for (int64_t i = 0; i < rows * n; i++)
        for (int64_t k = 0; k < places; k++)
            y[i * places + k] = value[i % n];
}

/* Eight partial sums a channel of a row, so that the loop vectorises in a fixed order. */
PP_SIMD static float sum_of(int64_t n, const float *y)
{
    float sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += y[i + j];
    for (; i < n; i++)
        sum[0] += y[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void pp__cpu_sum_places(pp_device *device, int64_t rows, int64_t n, int64_t places, const float *y,
                        float *sums)
{
    (void)device;
    memset(sums, 0, (size_t)n * sizeof *sums);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            sums[j] += sum_of(places, y + (i * n + j) * places);
}
