/* Association keeps its error rate whatever predictions and targets are distributed like, and still
 * finds what is there. Batches, clamps and errors that test_statistics.c leaves. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pitprop/sketch.h"

enum { MOST = 2000 };

typedef struct rows_of {
    int64_t n;
    float p[MOST], t[MOST], raw[MOST];
    int64_t y[MOST], index[MOST];
} rows_of;

static double uniform(uint64_t stream, uint64_t at)
{
    return pp_rng_uniform(pp_rng_at(31, PP_RNG_TEST, stream), at);
}

static double normal(uint64_t stream, uint64_t at)
{
    return pp_rng_normal(pp_rng_at(31, PP_RNG_TEST, stream), at);
}

static pp_summary summary_of(pp_sketch_shape shape, const pp_sketch_rows *rows)
{
    pp_sketch *sketch = pp_sketch_create(&shape);
    pp_sketch_add(sketch, rows);
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

static pp_summary regression_of(const rows_of *d)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < d->n; i++) {
        low = fmin(low, (double)d->t[i]);
        high = fmax(high, (double)d->t[i]);
    }
    return summary_of((pp_sketch_shape){PP_SKETCH_REGRESSION, 0, 1, low, high, 0},
                      &(pp_sketch_rows){.rows = d->n, .index = d->index, .p = d->p, .t = d->t});
}

static pp_summary binary_of(const rows_of *d)
{
    return summary_of((pp_sketch_shape){PP_SKETCH_BINARY, 2, 1, 0, 0, 0},
                      &(pp_sketch_rows){.rows = d->n, .index = d->index, .p = d->p, .y = d->y});
}

/* ---- level: shuffled pairs are found associated no more often than stated ---- */

enum { TRIALS = 3000 };
#define BEYOND 3.2905  /* |z| of a two-sided level of 0.001, so that 3 are expected */
#define FEW_ALARMS 9   /* 3.5 standard deviations above them */
#define MANY_ALARMS 20 /* of a statistic without protection */

typedef struct alarms {
    int ours, plain;
} alarms;

static double cauchy(uint64_t stream, uint64_t at)
{
    return tan(3.14159265358979 * (uniform(stream, at) - 0.5));
}

static double log_normal(uint64_t stream, uint64_t at)
{
    return exp(2 * normal(stream, at));
}

static double gaussian(uint64_t stream, uint64_t at)
{
    return 7 + normal(stream, at);
}

/* Equal but for 2 in 100. */
static double mostly_constant(uint64_t stream, uint64_t at)
{
    return 0.5 + (uniform(stream, at) < 0.02) * uniform(stream + 1, at);
}

typedef double (*distribution)(uint64_t stream, uint64_t at);

static alarms regression_alarms(distribution of_p, distribution of_t, int64_t n)
{
    static rows_of d;
    alarms found = {0, 0};
    d.n = n;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        for (int64_t i = 0; i < n; i++) {
            d.p[i] = (float)of_p(1, trial * MOST + (uint64_t)i);
            d.t[i] = (float)of_t(5, trial * MOST + (uint64_t)i);
        }
        pp_summary s = regression_of(&d);
        found.ours += fabs(s.association) > BEYOND;
        found.plain += fabs(s.correlation * sqrt((double)n - 1)) > BEYOND;
    }
    return found;
}

static void heavy_tails_raise_no_alarm(void)
{
    const struct {
        distribution p, t;
        int fools_plain;
    } cases[] = {{gaussian, gaussian, 0},          {cauchy, cauchy, 1},
                 {log_normal, log_normal, 1},      {cauchy, log_normal, 1},
                 {mostly_constant, log_normal, 1}, {cauchy, gaussian, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        alarms found = regression_alarms(cases[c].p, cases[c].t, 100);
        CU_ASSERT(found.ours <= FEW_ALARMS);
        CU_ASSERT(!cases[c].fools_plain || found.plain >= MANY_ALARMS);
    }
}

/* Labels of a rare class over predictions that are equal but for a few. */
static alarms binary_alarms(distribution of_p, double share, int64_t n)
{
    static rows_of d;
    alarms found = {0, 0};
    d.n = n;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        double apart = 0, hits = 0, positives = 0, count = (double)n;
        for (int64_t i = 0; i < n; i++) {
            d.p[i] = (float)of_p(1, trial * MOST + (uint64_t)i);
            d.y[i] = uniform(9, trial * MOST + (uint64_t)i) < share;
            apart += d.p[i] != 0.5f;
            positives += (double)d.y[i];
            hits += d.p[i] != 0.5f && d.y[i];
        }
        double expected = apart * positives / count;
        double variance =
            expected * (1 - apart / count) * (1 - positives / count) * count / (count - 1);
        found.plain += variance > 0 && fabs(hits - expected) > BEYOND * sqrt(variance);
        found.ours += fabs(binary_of(&d).association) > BEYOND;
    }
    return found;
}

static void a_few_odd_predictions_raise_no_alarm(void)
{
    alarms found = binary_alarms(mostly_constant, 0.02, 200);
    CU_ASSERT(found.ours <= FEW_ALARMS);
    CU_ASSERT(found.plain >= MANY_ALARMS);
    CU_ASSERT(binary_alarms(gaussian, 0.02, 200).ours <= FEW_ALARMS);
    CU_ASSERT(binary_alarms(gaussian, 0.5, 40).ours <= FEW_ALARMS);
}

/* The strongest of ten classes is compared with a tenth of the level. */
static void the_strongest_class_is_the_strongest_of_so_many(void)
{
    enum { K = 10, N = 150 };
    static float p[N * K];
    int64_t y[N], index[N] = {0};
    int found = 0;
    for (uint64_t trial = 0; trial < 3000; trial++) {
        for (uint64_t i = 0; i < N; i++) {
            y[i] = (int64_t)(uniform(1, trial * N + i) * K);
            for (uint64_t c = 0; c < K; c++)
                p[i * K + c] = (float)(uniform(2, (trial * N + i) * K + c) / K);
        }
        pp_summary s = summary_of((pp_sketch_shape){PP_SKETCH_MULTICLASS, K, K, 0, 0, 1},
                                  &(pp_sketch_rows){.rows = N, .index = index, .p = p, .y = y});
        CU_ASSERT_FATAL(s.association_tests == K);
        found += fabs(s.association) > 3.2905; /* 0.001 of each: 0.01 of all at most */
    }
    CU_ASSERT(found <= 47); /* 30 and three standard deviations */
}

/* ---- power ---- */

static void heavy_tails_hide_little(void)
{
    static rows_of d;
    d.n = 500;
    for (int64_t i = 0; i < d.n; i++) {
        double z = normal(1, (uint64_t)i), e = normal(2, (uint64_t)i);
        d.t[i] = (float)exp(1.5 * z);
        d.p[i] = (float)exp(2 * (0.5 * z + sqrt(0.75) * e));
    }
    CU_ASSERT(regression_of(&d).association > 6); /* ranks of all rows: some 10 */
    for (int64_t i = 0; i < d.n; i++) {
        d.t[i] = powf(d.t[i], 0.5f);
        d.p[i] = (float)(3 + 1e-5 * log((double)d.p[i])); /* one bin: by its correlation */
    }
    CU_ASSERT(regression_of(&d).association > 3.5);
    for (int64_t i = 0; i < d.n; i++) {
        d.t[i] = (float)(1000 * cauchy(3, (uint64_t)i));
        d.p[i] =
            (float)(d.t[i] > 0 ? 1000 + normal(4, (uint64_t)i) : -1000 + normal(4, (uint64_t)i));
    }
    pp_summary s = regression_of(&d);
    CU_ASSERT(s.association > 12 && s.correlation < 0.5); /* the signs alone: 19 */
}

static void few_predictions_that_are_right_are_found(void)
{
    static rows_of d;
    d.n = 2000;
    for (int64_t i = 0; i < d.n; i++) {
        d.y[i] = i < 40;
        d.p[i] = i < 20 ? 0.6f : 0.5f; /* half of the rare class, and nothing else */
    }
    double z = binary_of(&d).association;
    CU_ASSERT(z > 5 && z < 20); /* without protection 31 */
}

/* ---- batches ---- */

static void check_batches(pp_sketch_shape shape, const rows_of *d)
{
    size_t bytes = pp_sketch_bytes(&shape);
    pp_sketch *whole = pp_sketch_create(&shape), *cut = pp_sketch_create(&shape);
    pp_sketch *a = pp_sketch_create(&shape), *b = pp_sketch_create(&shape);
    int regression = shape.kind == PP_SKETCH_REGRESSION;
    pp_sketch_rows all = {.rows = d->n,
                          .index = d->index,
                          .p = d->p,
                          .raw = d->raw,
                          .y = regression ? NULL : d->y,
                          .t = regression ? d->t : NULL};
    pp_sketch_add(whole, &all);
    for (int64_t at = 0, rows = 1; at < d->n; at += rows, rows = (rows * 7 + 3) % 50) {
        if (at + rows > d->n) rows = d->n - at;
        pp_sketch_rows part = {.rows = rows,
                               .index = d->index + at,
                               .p = d->p + at,
                               .raw = d->raw + at,
                               .y = regression ? NULL : d->y + at,
                               .t = regression ? d->t + at : NULL};
        pp_sketch_add(cut, &part);
    }
    pp_sketch_merge(a, whole, bytes);
    pp_sketch_merge(b, cut, bytes);
    CU_ASSERT(memcmp(a, b, bytes) == 0);
    pp_sketch_add(cut, &(pp_sketch_rows){.rows = 1, .index = d->index, .p = d->p, .raw = d->raw});
    pp_sketch_clear(b);
    pp_sketch_merge(b, cut, bytes);
    CU_ASSERT(memcmp(a, b, bytes) != 0);
    free(whole);
    free(cut);
    free(a);
    free(b);
}

static void batches_of_any_size_leave_the_same_bytes(void)
{
    static const float odd[] = {NAN, INFINITY, -0.0f, 1e30f, -40.0f, 1.0f, 0.0f, 1e-30f};
    static rows_of d;
    d.n = MOST;
    for (int64_t i = 0; i < d.n; i++) {
        d.index[i] = i;
        d.y[i] = i % 11 == 0 ? 5 : i % 2;
        d.t[i] = i % 13 == 0 ? NAN : (float)cauchy(1, (uint64_t)i);
        d.raw[i] = (float)normal(2, (uint64_t)i);
        d.p[i] = i % 9 == 0 ? odd[i / 9 % 8] : fminf(fmaxf(d.raw[i], 0), 1);
    }
    check_batches((pp_sketch_shape){PP_SKETCH_BINARY, 2, 1, 0, 0, 0}, &d);
    check_batches((pp_sketch_shape){PP_SKETCH_BINARY, 2, 1, 0, 0, 1}, &d);
    check_batches((pp_sketch_shape){PP_SKETCH_REGRESSION, 0, 1, -50, 50, 0}, &d);
}

/* ---- clamps ---- */

static pp_summary regression_with_raw(const rows_of *d)
{
    return summary_of(
        (pp_sketch_shape){PP_SKETCH_REGRESSION, 0, 1, -3, 3, 0},
        &(pp_sketch_rows){.rows = d->n, .index = d->index, .p = d->p, .raw = d->raw, .t = d->t});
}

static void a_clamp_is_known_by_its_limits(void)
{
    static rows_of d;
    int cut = 0;
    d.n = 500;
    for (int64_t i = 0; i < d.n; i++) {
        d.t[i] = (float)normal(1, (uint64_t)i);
        d.raw[i] = (float)normal(2, (uint64_t)i);
        d.p[i] = fminf(fmaxf(d.raw[i], -0.25f), 0.75f);
        cut += d.p[i] != d.raw[i];
    }
    CU_ASSERT_DOUBLE_EQUAL(regression_with_raw(&d).cut_share, cut / 500.0, 1e-12);
    d.p[3] = NAN; /* not among the finite rows */
    cut -= d.raw[3] < -0.25f || d.raw[3] > 0.75f;
    CU_ASSERT_DOUBLE_EQUAL(regression_with_raw(&d).cut_share, cut / 499.0, 1e-12);
    for (int64_t i = 0; i < d.n; i++)
        d.p[i] = fmaxf(d.raw[i], 0); /* from one side */
    CU_ASSERT(regression_with_raw(&d).cut_share > 0.4);
    for (int64_t i = 0; i < d.n; i++)
        d.p[i] = 3 * d.raw[i] + 1; /* another scale is no clamp */
    CU_ASSERT(isnan(regression_with_raw(&d).cut_share));
    for (int64_t i = 0; i < d.n; i++)
        d.p[i] = d.raw[i]; /* nothing was cut */
    CU_ASSERT(isnan(regression_with_raw(&d).cut_share));
    for (int64_t i = 0; i < d.n; i++)
        d.p[i] = 0.5f + 0 * (d.raw[i] *= 1e-9f); /* a sigmoid next to 0 */
    CU_ASSERT(isnan(regression_with_raw(&d).cut_share));
    for (int64_t i = 0; i < d.n; i++) {
        d.raw[i] = -1 - fabsf(d.raw[i]);
        d.p[i] = 0; /* every output is beyond the limit */
    }
    CU_ASSERT(regression_with_raw(&d).cut_share == 1);
}

/* ---- the error of skill against a bootstrap, which estimates the base rate again each time ----
 */

static double skill_deviation(const rows_of *d, pp_summary (*of)(const rows_of *))
{
    enum { TIMES = 600 };
    static rows_of again;
    double sum = 0, squares = 0;
    again.n = d->n;
    for (uint64_t time = 0; time < TIMES; time++) {
        for (int64_t i = 0; i < d->n; i++) {
            int64_t pick = (int64_t)(uniform(8, time * MOST + (uint64_t)i) * (double)d->n);
            again.p[i] = d->p[pick];
            again.t[i] = d->t[pick];
            again.y[i] = d->y[pick];
        }
        double skill = of(&again).skill;
        sum += skill;
        squares += skill * skill;
    }
    return sqrt(squares / TIMES - sum / TIMES * sum / TIMES);
}

static void error_of_skill_is_that_of_a_bootstrap(void)
{
    static rows_of d;
    d.n = 600;
    for (int64_t i = 0; i < d.n; i++) {
        double z = normal(1, (uint64_t)i);
        d.y[i] = z + normal(2, (uint64_t)i) > 1;
        d.p[i] = (float)(1 / (1 + exp(1.5 - 1.5 * z)));
        d.t[i] = (float)(z + exp(0.5 * normal(3, (uint64_t)i)));
    }
    double error = binary_of(&d).skill_error, again = skill_deviation(&d, binary_of);
    CU_ASSERT_DOUBLE_EQUAL(error / again, 1, 0.12); /* 4 standard errors of 600 draws */
    error = regression_of(&d).skill_error;
    again = skill_deviation(&d, regression_of);
    CU_ASSERT_DOUBLE_EQUAL(error / again, 1, 0.12);
}

const pp_test pp_tests_association[];
const pp_test pp_tests_association[] = {
    {"heavy tails raise no alarm", heavy_tails_raise_no_alarm},
    {"a few odd predictions raise no alarm", a_few_odd_predictions_raise_no_alarm},
    {"the strongest class is one of many", the_strongest_class_is_the_strongest_of_so_many},
    {"heavy tails hide little", heavy_tails_hide_little},
    {"few predictions that are right are found", few_predictions_that_are_right_are_found},
    {"batches of any size leave the same bytes", batches_of_any_size_leave_the_same_bytes},
    {"a clamp is known by its limits", a_clamp_is_known_by_its_limits},
    {"the error of skill is that of a bootstrap", error_of_skill_is_that_of_a_bootstrap},
    {NULL, NULL},
};
