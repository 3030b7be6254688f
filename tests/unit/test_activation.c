/* The contract of a compute backend, continued: activations and norms. Forward against formulas in
 * double, backward against central differences of those. */
#include <stdint.h>

#include "support/rig.h"

static const int64_t sizes[] = {1, 3, 17, 64, 65};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static const double step = 1e-4; /* of differences: their error is near step^2 */

/* ---- element by element ---- */

static double relu(double x)
{
    return x > 0 || isnan(x) ? x : 0;
}

static double leaky_relu(double x)
{
    return x > 0 ? x : 0.01 * x;
}

static double gelu(double x)
{
    return x * 0.5 * (1 + erf(x / sqrt(2)));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double silu(double x)
{
    return x * sigmoid(x);
}

static double softplus(double x)
{
    return x > 30 ? x : log1p(exp(x));
}

static double identity(double x)
{
    return x;
}

typedef struct formula {
    pp_activation f;
    double (*of)(double x);
    const char *name;
} formula;

static const formula formulas[] = {
    {PP_ACT_IDENTITY, identity, "identity"},
    {PP_ACT_RELU, relu, "relu"},
    {PP_ACT_LEAKY_RELU, leaky_relu, "leaky_relu"},
    {PP_ACT_GELU, gelu, "gelu"},
    {PP_ACT_SILU, silu, "silu"},
    {PP_ACT_TANH, tanh, "tanh"},
    {PP_ACT_SIGMOID, sigmoid, "sigmoid"},
    {PP_ACT_SOFTPLUS, softplus, "softplus"},
};
enum { N_FORMULAS = sizeof formulas / sizeof *formulas };

static double derivative(double (*of)(double), double x)
{
    return (of(x + step) - of(x - step)) / (2 * step);
}

/* Numbers away from the kink of relu, where a difference is not a derivative. */
static float *smooth_numbers(rig *r, int64_t n, int input)
{
    float *host = rig_add(r, n, input);
    for (int64_t i = 0; i < n; i++) {
        float x = 3 * rig_number(1, i);
        host[i] = x + (x >= 0 ? 0.01f : -0.01f);
    }
    return rig_upload(r);
}

static void check_formula(rig *r, const formula *t, int64_t rows, int64_t n)
{
    const pp_backend *k = r->backend;
    int64_t count = rows * n;
    float *x = smooth_numbers(r, count, 1), *y = rig_output(r, count);
    float *y_in_place = smooth_numbers(r, count, 0), *dy = rig_input(r, count, 2);
    float *dx = rig_output(r, count), *dx_in_place = rig_numbers(r, count, 2, 0);
    double *want = rig_doubles(2 * count), *want_dx = want + count;
    for (int64_t i = 0; i < count; i++) {
        double v = (double)rig_before(r, x)[i];
        want[i] = t->of(v);
        want_dx[i] = (double)rig_before(r, dy)[i] * derivative(t->of, v);
    }
    k->activate(r->device, t->f, rows, n, x, y);
    k->activate(r->device, t->f, rows, n, y_in_place, y_in_place);
    k->activate_backward(r->device, t->f, rows, n, x, y, dy, dx);
    k->activate_backward(r->device, t->f, rows, n, x, y, dx_in_place, dx_in_place);
    rig_check(r, t->name, y, want, count, 5e-7);
    rig_check(r, t->name, y_in_place, want, count, 5e-7);
    rig_check(r, t->name, dx, want_dx, count, 2e-6);
    rig_check(r, t->name, dx_in_place, want_dx, count, 2e-6);
    free(want);
    rig_clear(r);
}

static void check_formulas(rig *r)
{
    for (int f = 0; f < N_FORMULAS; f++)
        for (int i = 0; i < N_SIZES; i++) {
            check_formula(r, &formulas[f], 0, sizes[i]);
            for (int j = 0; j < N_SIZES; j++)
                check_formula(r, &formulas[f], sizes[i], sizes[j]);
        }
}

static void test_formulas(void)
{
    rig_each_backend(check_formulas);
}

/* Far from zero, infinite, or no number; also that the NaN comes back through the gradient. */
static void check_extremes(rig *r)
{
    enum { N = 9 };
    static const float extremes[N] = {0, -0.0f, 100, -100, 3e38f, -3e38f, INFINITY, 1, NAN};
    for (int f = 0; f < N_FORMULAS; f++) {
        float *x = rig_values(r, N, extremes, 1), *y = rig_output(r, N), *dx = rig_output(r, N);
        float *dy = rig_input(r, N, 2);
        double want[N];
        for (int i = 0; i < N; i++)
            want[i] = formulas[f].of((double)extremes[i]);
        r->backend->activate(r->device, formulas[f].f, 1, N, x, y);
        rig_check(r, formulas[f].name, y, want, N, 5e-7);
        r->backend->activate_backward(r->device, formulas[f].f, 1, N, x, y, dy, dx);
        for (int i = 0; i < 4; i++)
            CU_ASSERT_TRUE(isfinite(rig_now(r, dx)[i]));
        rig_clear(r);
    }
}

static void test_extremes(void)
{
    rig_each_backend(check_extremes);
}

/* A gradient that is no number stays one, whatever the activation does with zero slopes. */
static void check_nan_gradient(rig *r)
{
    for (int f = 0; f < N_FORMULAS; f++) {
        float *x = rig_values(r, 1, (float[]){NAN}, 1), *y = rig_output(r, 1);
        float *dy = rig_values(r, 1, (float[]){NAN}, 1), *dx = rig_numbers(r, 1, 1, 0);
        r->backend->activate(r->device, formulas[f].f, 1, 1, x, y);
        r->backend->activate_backward(r->device, formulas[f].f, 1, 1, x, y, dy, dx);
        CU_ASSERT_TRUE(isnan(rig_now(r, dx)[0]));
        rig_clear(r);
    }
}

static void test_nan_gradient(void)
{
    rig_each_backend(check_nan_gradient);
}

/* At zero relu's slope is 0, as everywhere in the field. */
static void check_kink(rig *r)
{
    float *x = rig_values(r, 2, (float[]){0, -0.0f}, 1), *y = rig_output(r, 2);
    float *dy = rig_values(r, 2, (float[]){5, 5}, 1), *dx = rig_output(r, 2);
    r->backend->activate(r->device, PP_ACT_RELU, 1, 2, x, y);
    r->backend->activate_backward(r->device, PP_ACT_RELU, 1, 2, x, y, dy, dx);
    rig_check(r, "relu at 0", dx, (double[]){0, 0}, 2, 0);
    r->backend->activate_backward(r->device, PP_ACT_LEAKY_RELU, 1, 2, x, y, dy, dx);
    rig_check(r, "leaky_relu at 0", dx, (double[]){0.05, 0.05}, 2, 1e-7);
}

static void test_kink(void)
{
    rig_each_backend(check_kink);
}

/* ---- losses for differences: sum of dy y, of one row or one column ---- */

/* x [n], stride apart, to y [n]; gamma, beta [n] are the ones along it (stride 1). */
typedef void (*line_fn)(int64_t n, const double *x, const double *gamma, const double *beta,
                        double *y);

static void softmax_line(int64_t n, const double *x, const double *gamma, const double *beta,
                         double *y)
{
    (void)gamma;
    (void)beta;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += y[i] = exp(x[i]);
    for (int64_t i = 0; i < n; i++)
        y[i] /= sum;
}

static const float epsilon = 1e-3f;

static void norm_line(int64_t n, const double *x, const double *gamma, const double *beta,
                      double *y)
{
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (int64_t i = 0; i < n; i++)
        y[i] = gamma[i] * (x[i] - mean) / sqrt(var + (double)epsilon) + beta[i];
}

/* One line of an array [rows, n]: a row (stride 1) or a column (stride n). */
typedef struct line {
    int64_t count, first, stride;
    const float *gamma, *beta; /* NULL: 1 and 0 */
    int64_t gamma_stride;      /* 0 along a column, which has one gamma */
} line;

/* want: y, want_dx: gradient of sum dy y by central differences. */
static void naive_line(const line *l, line_fn of, const float *x, const float *dy, double *want,
                       double *want_dx)
{
    double in[65], out[65], gamma[65], beta[65];
    for (int64_t i = 0; i < l->count; i++) {
        in[i] = (double)x[l->first + i * l->stride];
        gamma[i] = l->gamma == NULL ? 1 : (double)l->gamma[i * l->gamma_stride];
        beta[i] = l->beta == NULL ? 0 : (double)l->beta[i * l->gamma_stride];
    }
    of(l->count, in, gamma, beta, out);
    for (int64_t i = 0; i < l->count; i++)
        want[l->first + i * l->stride] = out[i];
    for (int64_t i = 0; i < l->count; i++) {
        double slope = 0, kept = in[i];
        for (int side = -1; side <= 1; side += 2) {
            in[i] = kept + side * step;
            of(l->count, in, gamma, beta, out);
            for (int64_t j = 0; j < l->count; j++)
                slope += side * out[j] * (double)dy[l->first + j * l->stride] / (2 * step);
        }
        in[i] = kept;
        want_dx[l->first + i * l->stride] = slope;
    }
}

/* ---- softmax ---- */

static void check_softmax(rig *r, int64_t rows, int64_t n)
{
    const pp_backend *k = r->backend;
    int64_t count = rows * n;
    float *x = rig_input(r, count, 1), *y = rig_output(r, count);
    float *y_in_place = rig_numbers(r, count, 1, 0), *dy = rig_input(r, count, 2);
    float *dx = rig_output(r, count), *dx_in_place = rig_numbers(r, count, 2, 0);
    double *want = rig_doubles(2 * count), *want_dx = want + count;
    for (int64_t i = 0; i < rows; i++)
        naive_line(&(line){n, i * n, 1, NULL, NULL, 0}, softmax_line, rig_before(r, x),
                   rig_before(r, dy), want, want_dx);
    k->activate(r->device, PP_ACT_SOFTMAX, rows, n, x, y);
    k->activate(r->device, PP_ACT_SOFTMAX, rows, n, y_in_place, y_in_place);
    k->activate_backward(r->device, PP_ACT_SOFTMAX, rows, n, x, y, dy, dx);
    k->activate_backward(r->device, PP_ACT_SOFTMAX, rows, n, x, y, dx_in_place, dx_in_place);
    rig_check(r, "softmax", y, want, count, 5e-7);
    rig_check(r, "softmax in place", y_in_place, want, count, 5e-7);
    rig_check(r, "softmax backward", dx, want_dx, count, 2e-6);
    rig_check(r, "softmax backward in place", dx_in_place, want_dx, count, 2e-6);
    free(want);
    rig_clear(r);
}

static void check_softmaxes(rig *r)
{
    static const float x[12] = {1000, 1000, -1000, 3e38f, -3e38f, 0, 1, NAN, 2, 5, 5, -INFINITY};
    float *in = rig_values(r, 12, x, 1), *y = rig_output(r, 12);
    r->backend->activate(r->device, PP_ACT_SOFTMAX, 4, 3, in, y);
    rig_check(r, "softmax", y, (double[]){0.5, 0.5, 0, 1, 0, 0, NAN, NAN, NAN, 0.5, 0.5, 0}, 12,
              1e-7);
    rig_clear(r);
    for (int i = 0; i < N_SIZES; i++) {
        check_softmax(r, 0, sizes[i]);
        for (int j = 0; j < N_SIZES; j++)
            check_softmax(r, sizes[i], sizes[j]);
    }
}

static void test_softmax(void)
{
    rig_each_backend(check_softmaxes);
}

/* ---- norms ---- */

typedef struct norm_arrays {
    int64_t rows, n, lines;
    float *x, *gamma, *beta, *dy, *hat, *inverse, *y, *dx;
    double *want, *want_dx;
} norm_arrays;

static norm_arrays norm_make(rig *r, int64_t rows, int64_t n, int64_t lines)
{
    int64_t count = rows * n;
    return (norm_arrays){.rows = rows,
                         .n = n,
                         .lines = lines,
                         .x = rig_input(r, count, 1),
                         .gamma = rig_input(r, n, 2),
                         .beta = rig_input(r, n, 3),
                         .dy = rig_input(r, count, 4),
                         .hat = rig_output(r, count),
                         .inverse = rig_output(r, lines),
                         .y = rig_output(r, count),
                         .dx = rig_output(r, count),
                         .want = rig_doubles(count),
                         .want_dx = rig_doubles(count)};
}

/* Also: y = gamma hat + beta, so that hat is right where y is. */
static void norm_check(rig *r, norm_arrays *a, const char *name)
{
    int64_t count = a->rows * a->n;
    rig_check(r, name, a->y, a->want, count, 5e-6);
    rig_check(r, name, a->dx, a->want_dx, count, 1e-4); /* 1 / sqrt(epsilon) is 32 */
    for (int64_t i = 0; i < count; i++)
        a->want[i] = (double)rig_before(r, a->gamma)[i % a->n] * (double)rig_now(r, a->hat)[i] +
                     (double)rig_before(r, a->beta)[i % a->n];
    rig_check(r, "hat", a->y, a->want, count, 1e-6);
    free(a->want);
    free(a->want_dx);
}

/* inverse [n] and rows * mean, rows * var (unbiased) of the columns of x. */
static void check_statistics(rig *r, const norm_arrays *a, const float *statistics)
{
    double *want = rig_doubles(3 * a->n), count = (double)a->rows;
    const float *x = rig_before(r, a->x);
    for (int64_t j = 0; j < a->n; j++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < a->rows; i++)
            sum += (double)x[i * a->n + j];
        for (int64_t i = 0; i < a->rows; i++)
            squares += pow((double)x[i * a->n + j] - sum / count, 2);
        want[j] = sum;
        want[a->n + j] = a->rows > 1 ? squares * count / (count - 1) : 0;
        want[2 * a->n + j] = 1 / sqrt((a->rows > 0 ? squares / count : 0) + (double)epsilon);
    }
    rig_check(r, "statistics", statistics, want, 2 * a->n, 5e-7);
    rig_check(r, "inverse", a->inverse, want + 2 * a->n, a->n, 5e-7);
    free(want);
}

static void check_batch_norm(rig *r, int64_t rows, int64_t n)
{
    const pp_backend *k = r->backend;
    norm_arrays a = norm_make(r, rows, n, n);
    float *statistics = rig_output(r, 2 * n), *in_place = rig_numbers(r, rows * n, 4, 0);
    for (int64_t j = 0; j < n; j++)
        naive_line(&(line){rows, j, n, rig_before(r, a.gamma) + j, rig_before(r, a.beta) + j, 0},
                   norm_line, rig_before(r, a.x), rig_before(r, a.dy), a.want, a.want_dx);
    k->batch_norm(r->device, rows, n, 1, epsilon, a.x, a.gamma, a.beta, a.hat, a.inverse,
                  statistics, a.y);
    k->batch_norm_backward(r->device, rows, n, 1, a.hat, a.inverse, a.gamma, a.dy, a.dx);
    k->batch_norm_backward(r->device, rows, n, 1, a.hat, a.inverse, a.gamma, in_place, in_place);
    rig_check(r, "batch_norm_backward in place", in_place, a.want_dx, rows * n, 1e-4);
    check_statistics(r, &a, statistics);
    norm_check(r, &a, "batch_norm");
    rig_clear(r);
}

static void check_layer_norm(rig *r, int64_t rows, int64_t n)
{
    const pp_backend *k = r->backend;
    norm_arrays a = norm_make(r, rows, n, rows);
    float *in_place = rig_numbers(r, rows * n, 4, 0);
    for (int64_t i = 0; i < rows; i++)
        naive_line(&(line){n, i * n, 1, rig_before(r, a.gamma), rig_before(r, a.beta), 1},
                   norm_line, rig_before(r, a.x), rig_before(r, a.dy), a.want, a.want_dx);
    k->layer_norm(r->device, rows, n, epsilon, a.x, a.gamma, a.beta, a.hat, a.inverse, a.y);
    k->layer_norm_backward(r->device, rows, n, a.hat, a.inverse, a.gamma, a.dy, a.dx);
    k->layer_norm_backward(r->device, rows, n, a.hat, a.inverse, a.gamma, in_place, in_place);
    rig_check(r, "layer_norm_backward in place", in_place, a.want_dx, rows * n, 1e-4);
    norm_check(r, &a, "layer_norm");
    rig_clear(r);
}

static void check_norms(rig *r)
{
    for (int i = 0; i < N_SIZES; i++) {
        check_batch_norm(r, 0, sizes[i]);
        check_layer_norm(r, 0, sizes[i]);
        for (int j = 0; j < N_SIZES; j++) {
            check_batch_norm(r, sizes[i], sizes[j]);
            check_layer_norm(r, sizes[i], sizes[j]);
        }
    }
}

static void test_norms(void)
{
    rig_each_backend(check_norms);
}

/* y = gamma (x - mean) / sqrt(var + epsilon) + beta; a variance is not negative. */
static void check_predict(rig *r, int64_t rows, int64_t n)
{
    float *x = rig_input(r, rows * n, 1), *gamma = rig_input(r, n, 2), *beta = rig_input(r, n, 3);
    float *mean = rig_input(r, n, 4), *y = rig_output(r, rows * n), *host = rig_add(r, n, 1);
    for (int64_t j = 0; j < n; j++)
        host[j] = fabsf(rig_number(5, j));
    float *var = rig_upload(r);
    double *want = rig_doubles(rows * n);
    for (int64_t i = 0; i < rows * n; i++) {
        int64_t j = i % n;
        want[i] = (double)rig_number(2, j) * ((double)rig_number(1, i) - (double)rig_number(4, j)) /
                      sqrt((double)host[j] + (double)epsilon) +
                  (double)rig_number(3, j);
    }
    r->backend->batch_norm_predict(r->device, rows, n, 1, epsilon, x, mean, var, gamma, beta, y);
    rig_check(r, "batch_norm_predict", y, want, rows * n, 2e-6);
    free(want);
    rig_clear(r);
}

static void check_predicts(rig *r)
{
    for (int i = 0; i < N_SIZES; i++) {
        check_predict(r, 0, sizes[i]);
        for (int j = 0; j < N_SIZES; j++)
            check_predict(r, sizes[i], sizes[j]);
    }
}

static void test_predict(void)
{
    rig_each_backend(check_predicts);
}

/* Numbers of a small spread far from zero: the variance is not lost in the mean. */
static void check_offset(rig *r)
{
    enum { ROWS = 64 };
    float *host = rig_add(r, ROWS, 1), ones[1] = {1}, zeros[1] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < ROWS; i++)
        sum += (double)(host[i] = 4096 + 0.25f * (float)(i % 4));
    for (int i = 0; i < ROWS; i++)
        squares += pow((double)host[i] - sum / ROWS, 2);
    float *x = rig_upload(r), *gamma = rig_values(r, 1, ones, 1),
          *beta = rig_values(r, 1, zeros, 1);
    float *hat = rig_output(r, ROWS), *inverse = rig_output(r, 1), *statistics = rig_output(r, 2);
    float *y = rig_output(r, ROWS);
    r->backend->batch_norm(r->device, ROWS, 1, 1, 1e-5f, x, gamma, beta, hat, inverse, statistics,
                           y);
    rig_check(r, "statistics", statistics, (double[]){sum, squares * ROWS / (ROWS - 1)}, 2, 1e-6);
}

static void test_offset(void)
{
    rig_each_backend(check_offset);
}

/* One bad value spoils its column of a batch norm, its row of a layer norm, and nothing else. */
static void check_norm_nan(rig *r)
{
    enum { ROWS = 4, N = 3, BAD = 5 };
    float values[ROWS * N], ones[N] = {1, 1, 1};
    for (int i = 0; i < ROWS * N; i++)
        values[i] = rig_number(1, i);
    values[BAD] = NAN;
    float *x = rig_values(r, ROWS * N, values, 1), *gamma = rig_values(r, N, ones, 1);
    float *hat = rig_output(r, ROWS * N), *inverse = rig_output(r, ROWS + N),
          *y = rig_output(r, ROWS * N);
    float *statistics = rig_output(r, 2 * N);
    r->backend->batch_norm(r->device, ROWS, N, 1, epsilon, x, gamma, gamma, hat, inverse,
                           statistics, y);
    for (int i = 0; i < ROWS * N; i++)
        CU_ASSERT_EQUAL(isnan(rig_now(r, y)[i]) != 0, i % N == BAD % N);
    r->backend->layer_norm(r->device, ROWS, N, epsilon, x, gamma, gamma, hat, inverse, y);
    for (int i = 0; i < ROWS * N; i++)
        CU_ASSERT_EQUAL(isnan(rig_now(r, y)[i]) != 0, i / N == BAD / N);
}

static void test_norm_nan(void)
{
    rig_each_backend(check_norm_nan);
}

const pp_test pp_tests_activation[] = {
    {"activations and their derivatives", test_formulas},
    {"activations of extreme numbers and NaN", test_extremes},
    {"a NaN gradient passes back through every activation", test_nan_gradient},
    {"relu at zero", test_kink},
    {"softmax of rows", test_softmax},
    {"batch norm and layer norm", test_norms},
    {"batch norm with running statistics", test_predict},
    {"batch norm of numbers far from zero", test_offset},
    {"NaN stays in its column or row", test_norm_nan},
    {NULL, NULL},
};
