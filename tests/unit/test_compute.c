/* The contract of a compute backend: every operation against plain loops in double. The optimisers
 * are in test_update.c. */
#include <stdint.h>

#include "support/rig.h"

static const int64_t sizes[] = {1, 3, 17, 64, 65};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

/* Runs a check on all pairs of odd shapes, none of rows included. */
static void each_shape(rig *r, void (*check)(rig *r, int64_t rows, int64_t n))
{
    for (int j = 0; j < N_SIZES; j++) {
        check(r, 0, sizes[j]);
        rig_clear(r);
        for (int i = 0; i < N_SIZES; i++) {
            check(r, sizes[i], sizes[j]);
            rig_clear(r);
        }
    }
}

/* ---- device ---- */

static void check_memory(rig *r)
{
    const pp_backend *k = r->backend;
    static const size_t bytes[] = {0, 1, 63, 64, 65, 100000};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        unsigned char *memory = k->allocate(r->device, bytes[i]);
        unsigned char *host = malloc(bytes[i] + 1), any = 0;
        CU_ASSERT_TRUE_FATAL(memory != NULL && host != NULL);
        CU_ASSERT_EQUAL((uintptr_t)memory % 64, 0);
        k->download(r->device, host, memory, bytes[i]);
        for (size_t b = 0; b < bytes[i]; b++)
            any |= host[b];
        CU_ASSERT_EQUAL(any, 0);
        k->release(r->device, memory);
        free(host);
    }
    k->release(r->device, NULL);
    CU_ASSERT_PTR_NULL(k->allocate(r->device, SIZE_MAX));
    CU_ASSERT_TRUE(strlen(k->name) > 0 && strlen(k->describe(r->device)) > 0);
    CU_ASSERT_TRUE(strlen(k->kernel(r->device)) > 0);
}

static void test_memory(void)
{
    rig_each_backend(check_memory);
}

static void test_wrong_kernel(void)
{
    pp_error err;
    pp_device *device = NULL;
    CU_ASSERT_EQUAL(pp_backend_of(PP_BACKEND_CPU)->open(0, "Abacus", &device, &err), PP_E_DEVICE);
    CU_ASSERT_PTR_NULL(device);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "runtime.blas_kernel"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'Abacus'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "OPENBLAS_CORETYPE=Abacus"));
}

/* The kernel that "auto" found may be named, in capitals or not. */
static void test_right_kernel(void)
{
    const pp_backend *k = pp_backend_of(PP_BACKEND_CPU);
    pp_device *device = NULL;
    CU_ASSERT_EQUAL_FATAL(k->open(0, "auto", &device, NULL), PP_OK);
    char name[160];
    snprintf(name, sizeof name, "%s", k->kernel(device));
    CU_ASSERT_PTR_NOT_NULL(strstr(k->describe(device), name));
    k->close(device);
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    CU_ASSERT_EQUAL_FATAL(k->open(0, name, &device, NULL), PP_OK);
    k->close(device);
}

/* ---- products ---- */

typedef struct product {
    int transpose_a, transpose_b, adds;
    int64_t m, n, k, pad; /* pad: how much longer than wide the stored rows are */
} product;

static int64_t stored(int64_t rows, int64_t row_length)
{
    return rows * row_length;
}

/* op(a) op(b) + c, in double, at row lengths as stored; what lies between the rows stays. */
static void naive_product(const product *p, const float *a, int64_t lda, const float *b,
                          int64_t ldb, const float *c, int64_t ldc, double *want)
{
    for (int64_t i = 0; i < p->m * ldc; i++)
        want[i] = (double)c[i];
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = p->adds ? (double)c[i * ldc + j] : 0;
            for (int64_t l = 0; l < p->k; l++)
                sum += (double)a[p->transpose_a ? l * lda + i : i * lda + l] *
                       (double)b[p->transpose_b ? j * ldb + l : l * ldb + j];
            want[i * ldc + j] = sum;
        }
}

static void check_product(rig *r, const product *p)
{
    int64_t lda = (p->transpose_a ? p->m : p->k) + p->pad;
    int64_t ldb = (p->transpose_b ? p->k : p->n) + p->pad, ldc = p->n + p->pad;
    float *a = rig_input(r, stored(p->transpose_a ? p->k : p->m, lda), 1);
    float *b = rig_input(r, stored(p->transpose_b ? p->n : p->k, ldb), 2);
    float *c = p->adds ? rig_numbers(r, p->m * ldc, 3, 0) : rig_output(r, p->m * ldc);
    double *want = rig_doubles(p->m * ldc);
    naive_product(p, rig_before(r, a), lda, rig_before(r, b), ldb, rig_before(r, c), ldc, want);
    (p->adds ? r->backend->gemm_add : r->backend->gemm)(r->device, p->transpose_a, p->transpose_b,
                                                        p->m, p->n, p->k, a, lda, b, ldb, c, ldc);
    rig_check(r, "gemm", c, want, p->m * ldc, 3e-6 * sqrt((double)p->k + 1));
    free(want);
    rig_clear(r);
}

static void check_products(rig *r)
{
    static const int64_t ms[] = {0, 1, 17, 64, 65}, ks[] = {0, 1, 17, 65, 700};
    for (int i = 0; i < 5 * 5 * 5; i++)
        for (int flags = 0; flags < 16; flags++)
            check_product(r, &(product){.transpose_a = flags & 1,
                                        .transpose_b = flags >> 1 & 1,
                                        .adds = flags >> 2 & 1,
                                        .pad = flags >> 3 ? 3 : 0,
                                        .m = ms[i % 5],
                                        .n = sizes[i / 5 % 5],
                                        .k = ks[i / 25]});
}

static void test_products(void)
{
    rig_each_backend(check_products);
}

/* One not-a-number in a spoils its row of c and no other; 0 times infinity is not a number. */
static void check_product_nan(rig *r)
{
    enum { M = 5, N = 7, K = 9 };
    float a[M * K], b[K * N];
    for (int i = 0; i < M * K; i++)
        a[i] = rig_number(1, i);
    for (int i = 0; i < K * N; i++)
        b[i] = rig_number(2, i);
    a[2 * K + 4] = NAN;
    a[3 * K + 1] = 0;
    b[1 * N + 6] = INFINITY;
    float *c = rig_output(r, M * N);
    r->backend->gemm(r->device, 0, 0, M, N, K, rig_values(r, M * K, a, 1), K,
                     rig_values(r, K * N, b, 1), N, c, N);
    const float *now = rig_now(r, c);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int spoilt = i == 2 || (i == 3 && j == 6);
            CU_ASSERT_EQUAL(isnan(now[i * N + j]) != 0, spoilt);
            CU_ASSERT_EQUAL(isinf(now[i * N + j]) != 0, !spoilt && j == 6);
        }
}

static void test_product_nan(void)
{
    rig_each_backend(check_product_nan);
}

/* Lanes begin anywhere in a batch, so bits must not depend on where arrays begin. */
static void check_alignment(rig *r)
{
    static const int64_t shapes[][3] = {{1, 1, 300}, {13, 1, 40}, {12, 65, 64}, {33, 17, 500}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        float *a = rig_input(r, m * k, 1), *b = rig_input(r, n * k, 2), *c = rig_output(r, m * n);
        float *a2 = rig_add(r, m * k + 5, 1); /* the same values, 5 floats on */
        memcpy(a2 + 5, rig_before(r, a), (size_t)(m * k) * sizeof *a2);
        a2 = rig_upload(r);
        float *b2 = rig_add(r, n * k + 3, 1);
        memcpy(b2 + 3, rig_before(r, b), (size_t)(n * k) * sizeof *b2);
        b2 = rig_upload(r);
        float *c2 = rig_output(r, m * n + 1);
        r->backend->gemm(r->device, 0, 1, m, n, k, a, k, b, k, c, n);
        r->backend->gemm(r->device, 0, 1, m, n, k, a2 + 5, k, b2 + 3, k, c2 + 1, n);
        size_t bytes = (size_t)(m * n) * sizeof(float);
        CU_ASSERT_EQUAL(memcmp(rig_now(r, c), rig_now(r, c2) + 1, bytes), 0);
        rig_clear(r);
    }
}

static void test_alignment(void)
{
    rig_each_backend(check_alignment);
}

/* ---- rows and elements ---- */

static void check_row_ops(rig *r, int64_t rows, int64_t n)
{
    const pp_backend *k = r->backend;
    float *row = rig_input(r, n, 1), *x = rig_input(r, rows * n, 2),
          *other = rig_input(r, rows * n, 3);
    float *filled = rig_output(r, rows * n);
    float *sums = rig_output(r, n), *products = rig_output(r, n);
    double *want = rig_doubles((rows + 2) * n);
    double *want_sums = want + rows * n;
    double *want_products = want_sums + n;
    for (int64_t i = 0; i < rows * n; i++) {
        double v = (double)rig_number(2, i);
        want[i] = (double)rig_number(1, i % n);
        want_sums[i % n] += v;
        want_products[i % n] += v * (double)rig_number(3, i);
    }
    k->fill_rows(r->device, rows, n, row, filled);
    k->sum_rows(r->device, rows, n, x, sums);
    k->sum_products(r->device, rows, n, 1, x, other, products);
    rig_check(r, "fill_rows", filled, want, rows * n, 0);
    rig_check(r, "sum_rows", sums, want_sums, n, 2e-6);
    rig_check(r, "sum_products", products, want_products, n, 2e-6);
    free(want);
}

static void check_all_row_ops(rig *r)
{
    each_shape(r, check_row_ops);
}

static void test_row_ops(void)
{
    rig_each_backend(check_all_row_ops);
}

static void check_element_ops(rig *r, int64_t rows, int64_t n)
{
    int64_t count = rows * n;
    float *x = rig_input(r, count, 1), *mask = rig_input(r, count, 2);
    float *sum = rig_numbers(r, count, 2, 0), *times = rig_output(r, count);
    float *in_place = rig_numbers(r, count, 1, 0);
    double *want = rig_doubles(2 * count), *want_times = want + count, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        double a = (double)rig_number(1, i), b = (double)rig_number(2, i);
        want[i] = a + b;
        want_times[i] = a * b;
        squares += a * a;
    }
    r->backend->add(r->device, count, x, sum);
    r->backend->multiply(r->device, count, mask, x, times);
    r->backend->multiply(r->device, count, mask, in_place, in_place);
    rig_check(r, "add", sum, want, count, 1e-7);
    rig_check(r, "multiply", times, want_times, count, 1e-7);
    rig_check(r, "multiply in place", in_place, want_times, count, 1e-7);
    CU_ASSERT_TRUE(rig_is_near(r->backend->sum_squares(r->device, count, x), squares, 1e-13));
    free(want);
}

static void check_all_element_ops(rig *r)
{
    each_shape(r, check_element_ops);
}

static void test_element_ops(void)
{
    rig_each_backend(check_all_element_ops);
}

/* Sums keep what is not finite; squares do not overflow, for they are summed in double. */
static void check_bad_numbers(rig *r)
{
    const pp_backend *k = r->backend;
    float x[4] = {NAN, 1, INFINITY, -INFINITY}, y[4] = {1, 3e38f, 2, 3};
    float *a = rig_values(r, 4, x, 1), *b = rig_values(r, 4, y, 0), *sums = rig_output(r, 2);
    k->add(r->device, 4, a, b);
    rig_check(r, "add", b, (double[]){NAN, (double)3e38f, INFINITY, -INFINITY}, 4, 1e-7);
    k->sum_rows(r->device, 2, 2, a, sums);
    rig_check(r, "sum_rows", sums, (double[]){NAN, -INFINITY}, 2, 0);
    k->sum_products(r->device, 2, 2, 1, a, a, sums);
    rig_check(r, "sum_products", sums, (double[]){NAN, INFINITY}, 2, 0);
    CU_ASSERT_TRUE(isnan(k->sum_squares(r->device, 4, a)));
    CU_ASSERT_EQUAL(k->sum_squares(r->device, 1, a + 2), INFINITY);
    double large = (double)y[1] * (double)y[1];
    CU_ASSERT_TRUE(rig_is_near(k->sum_squares(r->device, 1, b + 1), large, 1e-6));
}

static void test_bad_numbers(void)
{
    rig_each_backend(check_bad_numbers);
}

/* ---- windows ---- */

/* A NaN is the largest of its window, and of equal numbers the first one gets the gradient. */
static void check_max_pool(rig *r)
{
    static const pp_window w = {1, 1, {2, 4}, {1, 2}, {2, 2}, {2, 2}, {1, 1}, {0, 0}};
    float image[8] = {1, NAN, 5, 5, 2, 3, 4, 5}, gradient[2] = {7, 9};
    float *x = rig_values(r, 8, image, 1), *dy = rig_values(r, 2, gradient, 0);
    float *y = rig_output(r, 2), *dx = rig_output(r, 8);
    r->backend->max_pool(r->device, &w, 1, x, y);
    r->backend->max_pool_backward(r->device, &w, 1, x, y, dy, dx);
    rig_check(r, "max_pool", y, (double[]){NAN, 5}, 2, 0);
    rig_check(r, "max_pool_backward", dx, (double[]){0, 7, 9, 0, 0, 0, 0, 0}, 8, 0);
}

/* Unfolding and folding back are each other's transpose: sum (unfold x) c = sum x (fold c), for
 * lines in two parts, a group of the channels, strides, dilation and padding. */
static void check_fold(rig *r)
{
    enum { CHANNELS = 3, FIRST = 1, IN = 5 * 7, TAPS = 2 * 2 * 3, OUT = 4 * 3 };
    static const pp_window w = {CHANNELS, 1, {5, 7}, {4, 3}, {2, 3}, {1, 3}, {2, 1}, {1, 1}};
    const pp_backend *k = r->backend;
    float *x = rig_input(r, CHANNELS * IN, 7), *c = rig_input(r, TAPS * OUT, 8);
    float *columns = k->allocate(r->device, TAPS * OUT * sizeof(float));
    float *back = k->allocate(r->device, CHANNELS * IN * sizeof(float));
    float host[TAPS * OUT], turned[CHANNELS * IN];
    double left = 0, right = 0;
    int64_t at = 0;
    for (int64_t line = 0; line < 4; line += 3) {
        int64_t lines = line == 0 ? 3 : 1, n = TAPS * lines * 3;
        k->unfold(r->device, &w, FIRST, 2, line, lines, x, columns);
        k->download(r->device, host, columns, (size_t)n * sizeof *host);
        k->fold_add(r->device, &w, FIRST, 2, line, lines, c + at, back);
        for (int64_t i = 0; i < n; i++)
            left += (double)host[i] * (double)rig_before(r, c)[at + i];
        at += n;
    }
    k->download(r->device, turned, back, sizeof turned);
    for (int64_t i = 0; i < CHANNELS * IN; i++)
        right += (double)turned[i] * (double)rig_before(r, x)[i];
    CU_ASSERT_TRUE(fabs(left) > 1e-3);
    CU_ASSERT_TRUE(rig_is_near(left, right, 1e-5));
    for (int64_t i = 0; i < FIRST * IN; i++)
        CU_ASSERT_EQUAL(turned[i], 0); /* another group's channel */
    k->release(r->device, columns);
    k->release(r->device, back);
}

static void test_windows(void)
{
    rig_each_backend(check_max_pool);
    rig_each_backend(check_fold);
}

/* ---- dropout ---- */

static float expected_mask(pp_rng rng, uint64_t element, float rate)
{
    uint32_t words[4];
    pp_rng_words(rng, (uint32_t)(element / 4), words);
    return (double)words[element % 4] < (double)rate * 0x1p32 ? 0.0f : 1.0f / (1.0f - rate);
}

static void check_mask_split(rig *r, uint64_t first, float rate)
{
    enum { N = 1000 };
    static const int64_t pieces[] = {1, 2, 3, 17, 64, 65, 848};
    pp_rng rng = pp_rng_at(3, PP_RNG_DROPOUT, 12);
    float *whole = rig_output(r, N), *pieced = rig_output(r, N);
    r->backend->dropout_mask(r->device, rng, first, rate, N, whole);
    int64_t at = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; at += pieces[i++])
        r->backend->dropout_mask(r->device, rng, first + (uint64_t)at, rate, pieces[i],
                                 pieced + at);
    CU_ASSERT_EQUAL(at, N);
    r->backend->dropout_mask(r->device, rng, first, rate, 0, pieced);
    const float *a = rig_now(r, whole), *b = rig_now(r, pieced);
    CU_ASSERT_EQUAL(memcmp(a, b, N * sizeof *a), 0);
    int different = 0;
    for (int64_t i = 0; i < N; i++)
        different += a[i] != expected_mask(rng, first + (uint64_t)i, rate);
    CU_ASSERT_EQUAL(different, 0);
    rig_clear(r);
}

static void check_mask_share(rig *r, float rate, uint64_t when)
{
    enum { N = 100000 };
    float *mask = rig_output(r, N);
    r->backend->dropout_mask(r->device, pp_rng_at(3, PP_RNG_DROPOUT, when), 8, rate, N, mask);
    const float *now = rig_now(r, mask);
    int zeros = 0, kept = 0;
    for (int64_t i = 0; i < N; i++) {
        zeros += now[i] == 0;
        kept += now[i] == 1.0f / (1.0f - rate);
    }
    double deviation = sqrt(N * (double)rate * (1 - (double)rate));
    CU_ASSERT_EQUAL(zeros + kept, N);
    CU_ASSERT_TRUE(fabs(zeros - N * (double)rate) <= 4 * deviation);
    rig_clear(r);
}

static void check_masks(rig *r)
{
    for (uint64_t first = 0; first < 6; first++)
        check_mask_split(r, first, 0.3f);
    check_mask_split(r, ((uint64_t)1 << 33) + 1, 0.75f); /* element numbers need 64 bits */
    for (uint64_t when = 0; when < 4; when++) {
        check_mask_share(r, 0.1f, when);
        check_mask_share(r, 0.5f, when << 32);
        check_mask_share(r, 0.9f, when << 16);
    }
    check_mask_share(r, 0.0f, 1);
}

static void test_masks(void)
{
    rig_each_backend(check_masks);
}

static void check_masks_differ(rig *r)
{
    enum { N = 1000 };
    float *a = rig_output(r, N), *b = rig_output(r, N), *c = rig_output(r, N);
    r->backend->dropout_mask(r->device, pp_rng_at(3, PP_RNG_DROPOUT, 1), 0, 0.5f, N, a);
    r->backend->dropout_mask(r->device, pp_rng_at(3, PP_RNG_DROPOUT, 2), 0, 0.5f, N, b);
    r->backend->dropout_mask(r->device, pp_rng_at(4, PP_RNG_DROPOUT, 1), 0, 0.5f, N, c);
    int same_b = 0, same_c = 0;
    const float *mask = rig_now(r, a), *other = rig_now(r, b), *third = rig_now(r, c);
    for (int i = 0; i < N; i++) {
        same_b += mask[i] == other[i];
        same_c += mask[i] == third[i];
    }
    CU_ASSERT_TRUE(same_b > 430 && same_b < 570);
    CU_ASSERT_TRUE(same_c > 430 && same_c < 570);
}

static void test_masks_differ(void)
{
    rig_each_backend(check_masks_differ);
}

const pp_test pp_tests_compute[] = {
    {"memory is aligned, zeroed, and refused when there is not enough", test_memory},
    {"a kernel that is not loaded is refused by name", test_wrong_kernel},
    {"the kernel that is loaded may be named", test_right_kernel},
    {"gemm and gemm_add, all transpositions and row lengths", test_products},
    {"gemm lets NaN through", test_product_nan},
    {"gemm's bits do not depend on alignment", test_alignment},
    {"operations on rows", test_row_ops},
    {"operations on elements", test_element_ops},
    {"NaN and infinities pass through sums", test_bad_numbers},
    {"windows: pools and columns", test_windows},
    {"a dropout mask depends on element numbers alone", test_masks},
    {"dropout masks differ by step and seed", test_masks_differ},
    {NULL, NULL},
};
