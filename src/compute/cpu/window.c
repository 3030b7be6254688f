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

/* ---- pools ---- */

/* The part of the window at one output that lies within the image. */
typedef struct box {
    int64_t top, bottom, left, right; /* ends are exclusive */
} box;

static box box_at(const pp_window *w, int64_t y, int64_t x)
{
    box b = {input_of(w, 0, y, 0), 0, input_of(w, 1, x, 0), 0};
    b.bottom = b.top + w->kernel[0] < w->in[0] ? b.top + w->kernel[0] : w->in[0];
    b.right = b.left + w->kernel[1] < w->in[1] ? b.left + w->kernel[1] : w->in[1];
    if (b.top < 0) b.top = 0;
    if (b.left < 0) b.left = 0;
    return b;
}

/* Calls act for every output, with the input's channel and the output's number. */
#define EACH_OUTPUT(w, rows, plane, out)                                                           \
    for (int64_t plane = 0, out = 0; plane < (rows) * (w)->channels; plane++)                      \
        for (int64_t y_ = 0; y_ < (w)->out[0]; y_++)                                               \
            for (int64_t x_ = 0; x_ < (w)->out[1]; x_++, out++)

static float largest_in(const pp_window *w, box b, const float *x)
{
    float largest = -INFINITY;
    for (int64_t i = b.top; i < b.bottom; i++)
        for (int64_t j = b.left; j < b.right; j++) {
            const float v = x[i * w->in[1] + j];
            if (v > largest || v != v) largest = v;
            if (v != v) return v;
        }
    return largest;
}

void pp__cpu_max_pool(pp_device *device, const pp_window *w, int64_t rows, const float *x, float *y)
{
    const int64_t places = w->in[0] * w->in[1];
    (void)device;
    EACH_OUTPUT(w, rows, plane, out) y[out] = largest_in(w, box_at(w, y_, x_), x + plane * places);
}

static void give_to_largest(const pp_window *w, box b, const float *x, float y, float dy, float *dx)
{
    for (int64_t i = b.top; i < b.bottom; i++)
        for (int64_t j = b.left; j < b.right; j++)
            if (x[i * w->in[1] + j] == y || x[i * w->in[1] + j] != x[i * w->in[1] + j]) {
                dx[i * w->in[1] + j] += dy;
                return;
            }
}

void pp__cpu_max_pool_backward(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                               const float *y, const float *dy, float *dx)
{
    const int64_t places = w->in[0] * w->in[1];
    (void)device;
    memset(dx, 0, (size_t)(rows * w->channels * places) * sizeof *dx);
    EACH_OUTPUT(w, rows, plane, out)
    give_to_largest(w, box_at(w, y_, x_), x + plane * places, y[out], dy[out], dx + plane * places);
}

void pp__cpu_average_pool(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                          float *y)
{
    const int64_t places = w->in[0] * w->in[1];
    const float share = 1.0f / (float)(w->kernel[0] * w->kernel[1]);
    (void)device;
    EACH_OUTPUT(w, rows, plane, out)
    {
        const box b = box_at(w, y_, x_);
        float sum = 0;
        for (int64_t i = b.top; i < b.bottom; i++)
            for (int64_t j = b.left; j < b.right; j++)
                sum += x[plane * places + i * w->in[1] + j];
        y[out] = sum * share;
    }
}

void pp__cpu_average_pool_backward(pp_device *device, const pp_window *w, int64_t rows,
                                   const float *dy, float *dx)
{
    const int64_t places = w->in[0] * w->in[1];
    const float share = 1.0f / (float)(w->kernel[0] * w->kernel[1]);
    (void)device;
    memset(dx, 0, (size_t)(rows * w->channels * places) * sizeof *dx);
    EACH_OUTPUT(w, rows, plane, out)
    {
        const box b = box_at(w, y_, x_);
        for (int64_t i = b.top; i < b.bottom; i++)
            for (int64_t j = b.left; j < b.right; j++)
                dx[plane * places + i * w->in[1] + j] += dy[out] * share;
    }
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
