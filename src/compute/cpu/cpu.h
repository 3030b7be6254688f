/* The operations of the CPU backend, by file; compute/compute.h says what each does. */
#ifndef PITPROP_CPU_H
#define PITPROP_CPU_H

#include "compute/compute.h"

/* Widest SIMD that the CPU has, same bits for each: no contraction to FMA, no reassociation. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define PP_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PP_SIMD
#endif

#define PP_LINE static inline __attribute__((always_inline)) /* part of whatever SIMD calls it */

extern const pp_backend pp__cpu_backend;

enum { PP_COLUMNS = 64 }; /* columns whose sums are kept in registers or L1 at once */

/* c += op(a) op(b), as gemm_add, where a side is 1; returns 0 and does nothing where none is. */
int pp__cpu_thin_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                         const float *a, int64_t lda, const float *b, int64_t ldb, float *c,
                         int64_t ldc);

void pp__cpu_activate(pp_device *device, pp_activation f, int64_t rows, int64_t n, const float *x,
                      float *y);
void pp__cpu_activate_backward(pp_device *device, pp_activation f, int64_t rows, int64_t n,
                               const float *x, const float *y, const float *dy, float *dx);

void pp__cpu_batch_norm(pp_device *device, int64_t rows, int64_t n, int64_t places, float epsilon,
                        const float *x, const float *gamma, const float *beta, float *hat,
                        float *inverse, float *statistics, float *y);
void pp__cpu_batch_norm_backward(pp_device *device, int64_t rows, int64_t n, int64_t places,
                                 const float *hat, const float *inverse, const float *gamma,
                                 const float *dy, float *dx);
void pp__cpu_batch_norm_predict(pp_device *device, int64_t rows, int64_t n, int64_t places,
                                float epsilon, const float *x, const float *mean, const float *var,
                                const float *gamma, const float *beta, float *y);
void pp__cpu_layer_norm(pp_device *device, int64_t rows, int64_t n, float epsilon, const float *x,
                        const float *gamma, const float *beta, float *hat, float *inverse,
                        float *y);
void pp__cpu_layer_norm_backward(pp_device *device, int64_t rows, int64_t n, const float *hat,
                                 const float *inverse, const float *gamma, const float *dy,
                                 float *dx);
void pp__cpu_sum_products(pp_device *device, int64_t rows, int64_t n, int64_t places,
                          const float *a, const float *b, float *sums);

/* Batch norm where a channel has several places (planes.c). */
void pp__planes_batch_norm(int64_t rows, int64_t n, int64_t places, float epsilon, const float *x,
                           const float *gamma, const float *beta, float *hat, float *inverse,
                           float *statistics, float *y);
void pp__planes_batch_norm_backward(int64_t rows, int64_t n, int64_t places, const float *hat,
                                    const float *inverse, const float *gamma, const float *dy,
                                    float *dx);
void pp__planes_batch_norm_predict(int64_t rows, int64_t n, int64_t places, float epsilon,
                                   const float *x, const float *mean, const float *var,
                                   const float *gamma, const float *beta, float *y);
void pp__planes_sum_products(int64_t rows, int64_t n, int64_t places, const float *a,
                             const float *b, float *sums);

void pp__cpu_unfold(pp_device *device, const pp_window *w, int64_t first, int64_t count,
                    int64_t line, int64_t lines, const float *x, float *columns);
void pp__cpu_fold_add(pp_device *device, const pp_window *w, int64_t first, int64_t count,
                      int64_t line, int64_t lines, const float *columns, float *x);
void pp__cpu_max_pool(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                      float *y);
void pp__cpu_max_pool_backward(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                               const float *y, float *dy, float *dx);
void pp__cpu_average_pool(pp_device *device, const pp_window *w, int64_t rows, const float *x,
                          float *y);
void pp__cpu_average_pool_backward(pp_device *device, const pp_window *w, int64_t rows,
                                   const float *dy, float *dx);
void pp__cpu_fill_places(pp_device *device, int64_t rows, int64_t n, int64_t places,
                         const float *value, float *y);
void pp__cpu_sum_places(pp_device *device, int64_t rows, int64_t n, int64_t places, const float *y,
                        float *sums);

void pp__cpu_finish_gradient(pp_device *device, int64_t n, float rows, float l1, float l2,
                             const float *w, float *g);
void pp__cpu_average(pp_device *device, int64_t n, float rows, float momentum, const float *g,
                     float *w);
double pp__cpu_sum_squares(pp_device *device, int64_t n, const float *g);
void pp__cpu_update(pp_device *device, const pp_update *update, float scale, int64_t n,
                    const float *g, float *state1, float *state2, float *w);

#endif
