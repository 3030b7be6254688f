#include "cpu.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compute/kernel.h"

struct pp_device {
    char description[256];
};

static pp_status cpu_open(int node_rank, const char *kernel, pp_device **device, pp_error *err)
{
    (void)node_rank;
    const char *loaded = pp_kernel_name();
    char kernel_text[160];
    /* Too late for another start (compute/kernel.h): it can only be checked here. */
    if (strcmp(kernel, "auto") != 0 && strcasecmp(kernel, loaded) != 0)
        return pp_fail(
            err, PP_E_DEVICE,
            "runtime.blas_kernel: OpenBLAS runs its '%s' kernel, not '%s'; start the job "
            "with OPENBLAS_CORETYPE=%s in the environment of every rank",
            loaded, kernel, kernel);
    pp_device *d = calloc(1, sizeof *d);
    if (d == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for a device");
    openblas_set_num_threads(1); /* one thread a call: its shape alone decides the bits */
    pp_kernel_describe(kernel_text, sizeof kernel_text);
    snprintf(d->description, sizeof d->description, "%s %s", openblas_get_config(), kernel_text);
    *device = d;
    return PP_OK;
}

static void cpu_close(pp_device *device)
{
    free(device);
}

static const char *cpu_describe(const pp_device *device)
{
    return device->description;
}

static const char *cpu_kernel(const pp_device *device)
{
    (void)device;
    return pp_kernel_name();
}

static void *cpu_allocate(pp_device *device, size_t bytes)
{
    (void)device;
    if (bytes > SIZE_MAX - 64) return NULL;
    size_t rounded = (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
    void *memory = aligned_alloc(64, rounded);
    return memory == NULL ? NULL : memset(memory, 0, rounded);
}

static void cpu_release(pp_device *device, void *memory)
{
    (void)device;
    free(memory);
}

static void cpu_copy(pp_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (to != from && bytes > 0) memcpy(to, from, bytes);
}

static void cpu_gemm_add(pp_device *device, int transpose_a, int transpose_b, int64_t m, int64_t n,
                         int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                         float *c, int64_t ldc)
{
    (void)device;
    if (m == 0 || n == 0 || k == 0) return;
    if (pp__cpu_thin_product(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc)) return;
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f,
                a, (blasint)lda, b, (blasint)ldb, 1.0f, c, (blasint)ldc);
}

/* memset and beta = 1 instead of beta = 0: OpenBLAS clears c with a slow loop of its own. */
static void cpu_gemm(pp_device *device, int transpose_a, int transpose_b, int64_t m, int64_t n,
                     int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
                     int64_t ldc)
{
    if (ldc == n) {
        memset(c, 0, (size_t)(m * n) * sizeof *c);
    } else {
        for (int64_t i = 0; i < m; i++)
            memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    }
    cpu_gemm_add(device, transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc);
}

enum { FILL_FLOATS = 256 };

static void fill_rows(pp_device *device, int64_t rows, int64_t n, const float *row, float *y)
{
    (void)device;
    int64_t together = FILL_FLOATS / n + 1; /* rows of one call: few calls where rows are short */
    for (int64_t i = 0; i < rows && i < together; i++)
        memcpy(y + i * n, row, (size_t)n * sizeof *y);
    for (int64_t i = together, more; i < rows; i += more) {
        more = together < rows - i ? together : rows - i;
        memcpy(y + i * n, y, (size_t)(more * n) * sizeof *y);
    }
}

PP_SIMD static void sum_rows(pp_device *device, int64_t rows, int64_t n, const float *y,
                             float *sums)
{
    (void)device;
    for (int64_t j0 = 0; j0 < n; j0 += PP_COLUMNS) {
        int64_t width = n - j0 < PP_COLUMNS ? n - j0 : PP_COLUMNS;
        float sum[PP_COLUMNS] = {0};
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < width; j++)
                sum[j] += y[i * n + j0 + j];
        memcpy(sums + j0, sum, (size_t)width * sizeof *sums);
    }
}

PP_SIMD static void add(pp_device *device, int64_t n, const float *b, float *a)
{
    (void)device;
    for (int64_t i = 0; i < n; i++)
        a[i] += b[i];
}

/* An element is dropped when its 32-bit word is below rate 2^32. Four elements share a Philox block
 * whatever `first` is, so the mask depends on the element index alone. */
static void dropout_mask(pp_device *device, pp_rng rng, uint64_t first, float rate, int64_t n,
                         float *mask)
{
    (void)device;
    double bound = (double)rate * 0x1p32;
    float keep = 1.0f / (1.0f - rate);
    uint32_t words[4] = {0};
    uint64_t drawn = UINT64_MAX;
    for (int64_t i = 0; i < n; i++) {
        uint64_t element = first + (uint64_t)i;
        if (element / 4 != drawn) {
            drawn = element / 4;
            pp_rng_words(rng, (uint32_t)drawn, words);
        }
        mask[i] = (double)words[element % 4] < bound ? 0.0f : keep;
    }
}

PP_SIMD static void multiply(pp_device *device, int64_t n, const float *mask, const float *x,
                             float *y)
{
    (void)device;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * mask[i];
}

const pp_backend pp__cpu_backend = {
    .name = "cpu",
    .host_memory = 1,
    .open = cpu_open,
    .close = cpu_close,
    .describe = cpu_describe,
    .kernel = cpu_kernel,
    .allocate = cpu_allocate,
    .release = cpu_release,
    .upload = cpu_copy,
    .download = cpu_copy,
    .gemm = cpu_gemm,
    .gemm_add = cpu_gemm_add,
    .fill_rows = fill_rows,
    .sum_rows = sum_rows,
    .add = add,
    .activate = pp__cpu_activate,
    .activate_backward = pp__cpu_activate_backward,
    .dropout_mask = dropout_mask,
    .multiply = multiply,
    .batch_norm = pp__cpu_batch_norm,
    .batch_norm_backward = pp__cpu_batch_norm_backward,
    .batch_norm_predict = pp__cpu_batch_norm_predict,
    .layer_norm = pp__cpu_layer_norm,
    .layer_norm_backward = pp__cpu_layer_norm_backward,
    .sum_products = pp__cpu_sum_products,
    .unfold = pp__cpu_unfold,
    .fold_add = pp__cpu_fold_add,
    .max_pool = pp__cpu_max_pool,
    .max_pool_backward = pp__cpu_max_pool_backward,
    .average_pool = pp__cpu_average_pool,
    .average_pool_backward = pp__cpu_average_pool_backward,
    .fill_places = pp__cpu_fill_places,
    .sum_places = pp__cpu_sum_places,
    .finish_gradient = pp__cpu_finish_gradient,
    .average = pp__cpu_average,
    .sum_squares = pp__cpu_sum_squares,
    .update = pp__cpu_update,
};
