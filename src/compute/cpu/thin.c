/* Products with one column, one row, or one term a sum: a model's only output, its weights, and
 * what it hands back. OpenBLAS packs them as if they were large and is several times slower than
 * these loops, which have the same bits under every kernel. A row's bits do not hang on the other
 * rows. */
#include "cpu.h"

/* Sums are kept in so many parts, part j with terms j, j + TERMS, ...; added in pairs at the end.
 */
enum { TERMS = 16 };

PP_LINE float dot(int64_t k, const float *a, const float *b)
{
    float part[TERMS] = {0};
    int64_t p = 0;
    for (; p + TERMS <= k; p += TERMS)
        for (int j = 0; j < TERMS; j++)
            part[j] += a[p + j] * b[p + j];
    for (int j = 0; p < k; p++, j++)
        part[j] += a[p] * b[p];
    for (int half = TERMS / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            part[j] += part[j + half];
    return part[0];
}

/* c [m] (each ldc apart) += a [m, k] b [k] */
PP_SIMD static void one_column(int64_t m, int64_t k, const float *a, int64_t lda, const float *b,
                               float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++)
        c[i * ldc] += dot(k, a + i * lda, b);
}

/* c [n] += the sum over k of a[p] (each step_a apart) times row p of b [k, n] */
PP_SIMD static void one_row(int64_t n, int64_t k, const float *a, int64_t step_a, const float *b,
                            int64_t ldb, float *c)
{
    for (int64_t j0 = 0; j0 < n; j0 += PP_COLUMNS) {
        int64_t width = n - j0 < PP_COLUMNS ? n - j0 : PP_COLUMNS;
        float sum[PP_COLUMNS] = {0};
        for (int64_t p = 0; p < k; p++)
            for (int64_t j = 0; j < width; j++)
                sum[j] += a[p * step_a] * b[p * ldb + j0 + j];
        for (int64_t j = 0; j < width; j++)
            c[j0 + j] += sum[j];
    }
}

/* c [m, n] += a [m] (each step_a apart) times b [n] */
PP_SIMD static void one_term(int64_t m, int64_t n, const float *a, int64_t step_a, const float *b,
                             float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] += a[i * step_a] * b[j];
}

int pp__cpu_thin_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                         const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
                         int64_t ldc)
{
    int64_t step_a = transpose_a ? 1 : lda; /* between rows of op(a) */
    if (k == 1 && (!transpose_b || ldb == 1 || n == 1)) {
        one_term(m, n, a, step_a, b, c, ldc);
        return 1;
    }
    if (n == 1 && !transpose_a && (transpose_b || ldb == 1)) {
        one_column(m, k, a, lda, b, c, ldc);
        return 1;
    }
    if (m == 1 && !transpose_b) {
        one_row(n, k, a, transpose_a ? lda : 1, b, ldb, c);
        return 1;
    }
    return 0;
}
