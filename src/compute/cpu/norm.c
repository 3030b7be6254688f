#include <math.h>
#include <string.h>

#include "cpu.h"

/* Moments of PP_COLUMNS columns at a time, in double: mean first, then squares about it. */
PP_SIMD static void column_moments(int64_t rows, int64_t n, int64_t width, const float *x,
                                   double *mean, double *squares)
{
    for (int64_t j = 0; j < width; j++)
        mean[j] = squares[j] = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++)
            mean[j] += (double)x[i * n + j];
    for (int64_t j = 0; j < width; j++)
        mean[j] /= (double)(rows > 0 ? rows : 1);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) {
            double d = (double)x[i * n + j] - mean[j];
            squares[j] += d * d;
        }
}

static void columns_batch_norm(int64_t rows, int64_t n, float epsilon, const float *x,
                               const float *gamma, const float *beta, float *hat, float *inverse,
                               float *statistics, float *y)
{
    double mean[PP_COLUMNS], squares[PP_COLUMNS];
    double count = (double)rows;
    for (int64_t j0 = 0; j0 < n; j0 += PP_COLUMNS) {
        int64_t width = n - j0 < PP_COLUMNS ? n - j0 : PP_COLUMNS;
        column_moments(rows, n, width, x + j0, mean, squares);
        for (int64_t j = 0; j < width; j++) {
            double var = rows > 0 ? squares[j] / count : 0;
            inverse[j0 + j] = (float)(1.0 / sqrt(var + (double)epsilon));
            statistics[j0 + j] = (float)(count * mean[j]);
            statistics[n + j0 + j] = (float)(rows > 1 ? squares[j] * count / (count - 1) : 0);
        }
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++) {
                int64_t at = i * n + j0 + j;
                hat[at] = (float)((double)x[at] - mean[j]) * inverse[j0 + j];
                y[at] = gamma[j0 + j] * hat[at] + beta[j0 + j];
            }
    }
}

/* dx = gamma inverse (dy - mean(dy) - hat mean(dy hat)) */
static void columns_batch_norm_backward(int64_t rows, int64_t n, const float *hat,
                                        const float *inverse, const float *gamma, const float *dy,
                                        float *dx)
{
    for (int64_t j0 = 0; j0 < n; j0 += PP_COLUMNS) {
        int64_t width = n - j0 < PP_COLUMNS ? n - j0 : PP_COLUMNS;
        double sum[PP_COLUMNS] = {0}, product[PP_COLUMNS] = {0};
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++) {
                int64_t at = i * n + j0 + j;
                sum[j] += (double)dy[at];
                product[j] += (double)dy[at] * (double)hat[at];
            }
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++) {
                int64_t at = i * n + j0 + j;
                double centred = (double)dy[at] - sum[j] / (double)rows -
                                 (double)hat[at] * (product[j] / (double)rows);
                dx[at] = (float)(centred * (double)(gamma[j0 + j] * inverse[j0 + j]));
            }
    }
}

static void columns_batch_norm_predict(int64_t rows, int64_t n, float epsilon, const float *x,
                                       const float *mean, const float *var, const float *gamma,
                                       const float *beta, float *y)
{
    float inverse[PP_COLUMNS];
    for (int64_t j0 = 0; j0 < n; j0 += PP_COLUMNS) {
        int64_t width = n - j0 < PP_COLUMNS ? n - j0 : PP_COLUMNS;
        for (int64_t j = 0; j < width; j++)
            inverse[j] = (float)(1.0 / sqrt((double)var[j0 + j] + (double)epsilon));
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++) {
                int64_t at = i * n + j0 + j;
                y[at] = gamma[j0 + j] * ((x[at] - mean[j0 + j]) * inverse[j]) + beta[j0 + j];
            }
    }
}

void pp__cpu_layer_norm(pp_device *device, int64_t rows, int64_t n, float epsilon, const float *x,
                        const float *gamma, const float *beta, float *hat, float *inverse, float *y)
{
    (void)device;
    for (int64_t i = 0; i < rows; i++, x += n, hat += n, y += n) {
        double sum = 0, squares = 0;
        for (int64_t j = 0; j < n; j++)
            sum += (double)x[j];
        double mean = sum / (double)n;
        for (int64_t j = 0; j < n; j++)
            squares += ((double)x[j] - mean) * ((double)x[j] - mean);
        inverse[i] = (float)(1.0 / sqrt(squares / (double)n + (double)epsilon));
        for (int64_t j = 0; j < n; j++) {
            hat[j] = (float)((double)x[j] - mean) * inverse[i];
            y[j] = gamma[j] * hat[j] + beta[j];
        }
    }
}

void pp__cpu_layer_norm_backward(pp_device *device, int64_t rows, int64_t n, const float *hat,
                                 const float *inverse, const float *gamma, const float *dy,
                                 float *dx)
{
    (void)device;
    for (int64_t i = 0; i < rows; i++, hat += n, dy += n, dx += n) {
        double sum = 0, product = 0;
        for (int64_t j = 0; j < n; j++) {
            double d = (double)dy[j] * (double)gamma[j];
            sum += d;
            product += d * (double)hat[j];
        }
        sum /= (double)n;
        product /= (double)n;
        for (int64_t j = 0; j < n; j++) {
            double d = (double)dy[j] * (double)gamma[j];
            dx[j] = (float)((d - sum - (double)hat[j] * product) * (double)inverse[i]);
        }
    }
}

PP_SIMD static void columns_sum_products(int64_t rows, int64_t n, const float *a, const float *b,
                                         float *sums)
{
    for (int64_t j0 = 0; j0 < n; j0 += PP_COLUMNS) {
        int64_t width = n - j0 < PP_COLUMNS ? n - j0 : PP_COLUMNS;
        float sum[PP_COLUMNS] = {0};
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++)
                sum[j] += a[i * n + j0 + j] * b[i * n + j0 + j];
        memcpy(sums + j0, sum, (size_t)width * sizeof *sums);
    }
}

void pp__cpu_batch_norm(pp_device *device, int64_t rows, int64_t n, int64_t places, float epsilon,
                        const float *x, const float *gamma, const float *beta, float *hat,
                        float *inverse, float *statistics, float *y)
{
    (void)device;
    if (places == 1)
        columns_batch_norm(rows, n, epsilon, x, gamma, beta, hat, inverse, statistics, y);
    else
        pp__planes_batch_norm(rows, n, places, epsilon, x, gamma, beta, hat, inverse, statistics,
                              y);
}

void pp__cpu_batch_norm_backward(pp_device *device, int64_t rows, int64_t n, int64_t places,
                                 const float *hat, const float *inverse, const float *gamma,
                                 const float *dy, float *dx)
{
    (void)device;
    if (places == 1)
        columns_batch_norm_backward(rows, n, hat, inverse, gamma, dy, dx);
    else
        pp__planes_batch_norm_backward(rows, n, places, hat, inverse, gamma, dy, dx);
}

void pp__cpu_batch_norm_predict(pp_device *device, int64_t rows, int64_t n, int64_t places,
                                float epsilon, const float *x, const float *mean, const float *var,
                                const float *gamma, const float *beta, float *y)
{
    (void)device;
    if (places == 1)
        columns_batch_norm_predict(rows, n, epsilon, x, mean, var, gamma, beta, y);
    else
        pp__planes_batch_norm_predict(rows, n, places, epsilon, x, mean, var, gamma, beta, y);
}

void pp__cpu_sum_products(pp_device *device, int64_t rows, int64_t n, int64_t places,
                          const float *a, const float *b, float *sums)
{
    (void)device;
    if (places == 1)
        columns_sum_products(rows, n, a, b, sums);
    else
        pp__planes_sum_products(rows, n, places, a, b, sums);
}
