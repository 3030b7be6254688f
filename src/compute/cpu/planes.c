/* Batch norm over channels of several places: [rows, n, places], a plane of places at a time. Sums
 * are in double, eight of them at once, so that loops vectorise in a fixed order. */
#include <math.h>

#include "compute/cpu/cpu.h"

enum { PARTS = 8 };

static double total(const double sum[PARTS])
{
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

PP_SIMD static void add_plane(int64_t places, const float *x, double sum[PARTS])
{
    int64_t i = 0;
    for (; i + PARTS <= places; i += PARTS)
        for (int j = 0; j < PARTS; j++)
            sum[j] += (double)x[i + j];
    for (; i < places; i++)
        sum[0] += (double)x[i];
}

PP_SIMD static void add_squares(int64_t places, const float *x, double mean, double sum[PARTS])
{
    int64_t i = 0;
    for (; i + PARTS <= places; i += PARTS)
        for (int j = 0; j < PARTS; j++)
            sum[j] += ((double)x[i + j] - mean) * ((double)x[i + j] - mean);
    for (; i < places; i++)
        sum[0] += ((double)x[i] - mean) * ((double)x[i] - mean);
}

PP_SIMD static void add_products(int64_t places, const float *a, const float *b, double sum[PARTS])
{
    int64_t i = 0;
    for (; i + PARTS <= places; i += PARTS)
        for (int j = 0; j < PARTS; j++)
            sum[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < places; i++)
        sum[0] += (double)a[i] * (double)b[i];
}

PP_SIMD static void normalise(int64_t places, const float *x, double mean, float inverse,
                              float gamma, float beta, float *hat, float *y)
{
    for (int64_t i = 0; i < places; i++) {
        hat[i] = (float)((double)x[i] - mean) * inverse;
        y[i] = gamma * hat[i] + beta;
    }
}

void pp__planes_batch_norm(int64_t rows, int64_t n, int64_t places, float epsilon, const float *x,
                           const float *gamma, const float *beta, float *hat, float *inverse,
                           float *statistics, float *y)
{
    const double count = (double)rows * (double)places;
    for (int64_t k = 0; k < n; k++) {
        double sum[PARTS] = {0}, squares[PARTS] = {0};
        for (int64_t i = 0; i < rows; i++)
            add_plane(places, x + (i * n + k) * places, sum);
        const double mean = total(sum) / (rows > 0 ? count : 1);
        for (int64_t i = 0; i < rows; i++)
            add_squares(places, x + (i * n + k) * places, mean, squares);
        const double around = total(squares), var = rows > 0 ? around / count : 0;
        inverse[k] = (float)(1.0 / sqrt(var + (double)epsilon));
        statistics[k] = (float)((double)rows * mean);
        statistics[n + k] = (float)(count > 1 ? around * (double)rows / (count - 1) : 0);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t at = (i * n + k) * places;
            normalise(places, x + at, mean, inverse[k], gamma[k], beta[k], hat + at, y + at);
        }
    }
}

PP_SIMD static void centre(int64_t places, const float *hat, const float *dy, double mean,
                           double slope, double scale, float *dx)
{
    for (int64_t i = 0; i < places; i++)
        dx[i] = (float)(((double)dy[i] - mean - (double)hat[i] * slope) * scale);
}

/* dx = gamma inverse (dy - mean(dy) - hat mean(dy hat)) */
void pp__planes_batch_norm_backward(int64_t rows, int64_t n, int64_t places, const float *hat,
                                    const float *inverse, const float *gamma, const float *dy,
                                    float *dx)
{
    const double count = (double)rows * (double)places;
    for (int64_t k = 0; k < n; k++) {
        double sum[PARTS] = {0}, product[PARTS] = {0};
        for (int64_t i = 0; i < rows; i++) {
            add_plane(places, dy + (i * n + k) * places, sum);
            add_products(places, dy + (i * n + k) * places, hat + (i * n + k) * places, product);
        }
        for (int64_t i = 0; i < rows; i++) {
            const int64_t at = (i * n + k) * places;
            centre(places, hat + at, dy + at, total(sum) / count, total(product) / count,
                   (double)(gamma[k] * inverse[k]), dx + at);
        }
    }
}

void pp__planes_batch_norm_predict(int64_t rows, int64_t n, int64_t places, float epsilon,
                                   const float *x, const float *mean, const float *var,
                                   const float *gamma, const float *beta, float *y)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < n; k++, x += places, y += places) {
            const float inverse = (float)(1.0 / sqrt((double)var[k] + (double)epsilon));
            for (int64_t p = 0; p < places; p++)
                y[p] = gamma[k] * ((x[p] - mean[k]) * inverse) + beta[k];
        }
}

void pp__planes_sum_products(int64_t rows, int64_t n, int64_t places, const float *a,
                             const float *b, float *sums)
{
    for (int64_t k = 0; k < n; k++) {
        double sum[PARTS] = {0};
        for (int64_t i = 0; i < rows; i++)
            add_products(places, a + (i * n + k) * places, b + (i * n + k) * places, sum);
        sums[k] = (float)total(sum);
    }
}
