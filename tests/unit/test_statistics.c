/* The statistics of a summary against their definitions, pair by pair and row by row. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>

#include "pitprop/groups.h"
#include "base/rng.h"
#include "pitprop/sketch.h"

enum { ROWS = 400 };

typedef struct sample {
    float p[ROWS], t[ROWS], raw[ROWS];
    int64_t y[ROWS], index[ROWS];
} sample;

static double draw(uint64_t stream, int64_t i)
{
    return pp_rng_normal(pp_rng_at(23, PP_RNG_TEST, stream), (uint64_t)i);
}

/* Scores on a coarse grid, so that many are tied; targets that follow them a little. */
static void fill(sample *d)
{
    for (int64_t i = 0; i < ROWS; i++) {
        double z = draw(1, i);
        d->index[i] = i;
        d->y[i] = draw(2, i) + 0.7 * z > 0.6;
        d->p[i] = (float)(floor(16 / (1 + exp(-z))) / 16 + 1.0 / 32);
        d->t[i] = (float)(5 + 2 * draw(3, i) + z);
        d->raw[i] = (float)(0.5 + draw(4, i));
    }
}

static pp_summary summary_of(const pp_sketch_shape *shape, const pp_sketch_rows *rows)
{
    pp_sketch *sketch = pp_sketch_create(shape);
    pp_sketch_add(sketch, rows);
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

static const pp_sketch_shape binary = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};

static pp_summary binary_of(const sample *d)
{
    return summary_of(&binary,
                      &(pp_sketch_rows){.rows = ROWS, .index = d->index, .p = d->p, .y = d->y});
}

static double order(float a, float b)
{
    return a > b ? 1 : a == b ? 0.5 : 0;
}

/* Variance of the mean over rows of class `c` of how they are placed among the others. */
static double placement_variance(const sample *d, int64_t c, double auc)
{
    double squares = 0, n = 0;
    for (int i = 0; i < ROWS; i++) {
        double placed = 0, others = 0;
        if (d->y[i] != c) continue;
        for (int j = 0; j < ROWS; j++) {
            if (d->y[j] == c) continue;
            placed += c == 1 ? order(d->p[i], d->p[j]) : order(d->p[j], d->p[i]);
            others++;
        }
        squares += (placed / others - auc) * (placed / others - auc);
        n++;
    }
    return squares / (n - 1) / n;
}

static void delong_is_that_of_all_pairs(void)
{
    sample d;
    fill(&d);
    double ordered = 0, pairs = 0;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++)
            if (d.y[i] == 1 && d.y[j] == 0) {
                ordered += order(d.p[i], d.p[j]);
                pairs++;
            }
    pp_summary s = binary_of(&d);
    CU_ASSERT_DOUBLE_EQUAL(s.auc, ordered / pairs, 1e-12); /* a bin for each value */
    double variance = placement_variance(&d, 1, s.auc) + placement_variance(&d, 0, s.auc);
    CU_ASSERT_DOUBLE_EQUAL(s.auc_error, sqrt(variance), 1e-12);
}

/* Labels shuffled many times give the distribution that association is measured in. */
static void association_is_in_units_of_shuffled_labels(void)
{
    enum { SHUFFLES = 4000 };
    sample d;
    fill(&d);
    double auc = binary_of(&d).auc, z = binary_of(&d).association, squares = 0;
    double of_two = 0;
    for (int round = 0; round < SHUFFLES; round++) {
        pp_rng_shuffle(pp_rng_at(23, PP_RNG_TEST, 7), (uint64_t)round << 12, ROWS, d.y);
        pp_summary s = binary_of(&d);
        squares += (s.auc - 0.5) * (s.auc - 0.5);
        of_two += s.association * s.association;
    }
    double deviation = sqrt(squares / SHUFFLES);
    CU_ASSERT_DOUBLE_EQUAL(z, (auc - 0.5) / deviation, 0.06 * fabs(z));
    CU_ASSERT_DOUBLE_EQUAL(of_two / SHUFFLES, 1, 0.1); /* 4.5 standard errors */
}

static void errors_of_skill_and_slope_are_those_of_the_rows(void)
{
    sample d;
    fill(&d);
    pp_summary s = binary_of(&d);
    double base = s.target_mean, squares = 0, pp = 0, py = 0, p_mean = 0;
    for (int i = 0; i < ROWS; i++)
        p_mean += (double)d.p[i] / ROWS;
    for (int i = 0; i < ROWS; i++) {
        double p = (double)d.p[i], q = d.y[i] ? p : 1 - p, b = d.y[i] ? base : 1 - base;
        double miss = (1 - s.skill) * -log(b) + log(q);
        squares += miss * miss;
        pp += (p - p_mean) * (p - p_mean);
        py += (p - p_mean) * ((double)d.y[i] - base);
    }
    CU_ASSERT_DOUBLE_EQUAL(s.skill_error, sqrt(squares) / ROWS / s.base_loss, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(s.slope, py / pp, 1e-9);
}

static void error_of_a_regression_is_that_of_the_rows(void)
{
    sample d;
    fill(&d);
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 1, -3, 12, 0};
    float p[ROWS];
    for (int i = 0; i < ROWS; i++)
        p[i] = 5 + 4 * (d.p[i] - 0.5f);
    pp_summary s =
        summary_of(&shape, &(pp_sketch_rows){.rows = ROWS, .index = d.index, .p = p, .t = d.t});
    double squares = 0;
    for (int i = 0; i < ROWS; i++) {
        double e = (double)p[i] - (double)d.t[i], b = (double)d.t[i] - s.target_mean;
        double miss = (1 - s.skill) * b * b - e * e;
        squares += miss * miss;
    }
    CU_ASSERT_DOUBLE_EQUAL(s.skill_error, sqrt(squares) / ROWS / s.base_loss, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(s.association, s.correlation * sqrt(ROWS - 1.0), 1e-12);
    CU_ASSERT(s.association > 3);
}

static void limits_and_clamps_are_counted(void)
{
    sample d;
    fill(&d);
    int cut = 0, most = 0;
    for (int i = 0; i < ROWS; i++) {
        d.p[i] = d.raw[i] < 0 ? 0 : d.raw[i] > 1 ? 1 : d.raw[i];
        cut += d.p[i] != d.raw[i];
    }
    most = cut;
    pp_sketch_rows rows = {.rows = ROWS, .index = d.index, .p = d.p, .raw = d.raw, .y = d.y};
    pp_summary s = summary_of(&binary, &rows);
    CU_ASSERT(cut > 20);
    CU_ASSERT_DOUBLE_EQUAL(s.cut_share, (double)cut / ROWS, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(s.limit_share, (double)most / ROWS, 1e-12);
    d.raw[0] = 0.25f; /* changed by something that is no clamp */
    d.p[0] = 0.75f;
    CU_ASSERT(isnan(summary_of(&binary, &rows).cut_share));
}

static void groups_tell_a_split(void)
{
    enum { GROUPS = 4, EACH = ROWS / GROUPS };
    sample d;
    fill(&d);
    pp_group whole[GROUPS] = {{0}}, parts[GROUPS] = {{0}};
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; i < EACH; i++)
            d.p[g * EACH + i] = 0.2f * (float)(g + 1);
        pp_sketch_rows all = {.rows = EACH, .p = d.p + g * EACH, .y = d.y + g * EACH};
        pp_sketch_rows half = {.rows = EACH / 2, .p = all.p, .y = all.y};
        pp_sketch_rows rest = {
            .rows = EACH - EACH / 2, .p = all.p + EACH / 2, .y = all.y + EACH / 2};
        pp_group other = {0};
        pp_group_add(&whole[g], &binary, &all);
        pp_group_add(&parts[g], &binary, &rest);
        pp_group_add(&other, &binary, &half);
        pp_group_merge(&parts[g], &other);
        pp_group_merge(&whole[g], &(pp_group){0});
        CU_ASSERT(parts[g].rows == EACH && parts[g].min == whole[g].min);
        CU_ASSERT(pp_sum_value(&parts[g].sum) == pp_sum_value(&whole[g].sum));
    }
    pp_split split = pp_groups_compare(whole, GROUPS, 0.01);
    CU_ASSERT(split.groups == GROUPS && split.constant == GROUPS && split.within == 0);
    CU_ASSERT_DOUBLE_EQUAL(split.between, 0.6, 1e-6);
    whole[1].max += 0.5;                    /* varies */
    whole[2].least = whole[2].greatest = 1; /* of one class: proves nothing */
    split = pp_groups_compare(whole, GROUPS, 0.01);
    CU_ASSERT(split.groups == GROUPS - 1 && split.constant == GROUPS - 2);
}

const pp_test pp_tests_statistics[];
const pp_test pp_tests_statistics[] = {
    {"DeLong's error is that of all pairs", delong_is_that_of_all_pairs},
    {"association is in units of shuffled labels", association_is_in_units_of_shuffled_labels},
    {"errors of skill, and slope", errors_of_skill_and_slope_are_those_of_the_rows},
    {"errors of a regression", error_of_a_regression_is_that_of_the_rows},
    {"limits and clamps are counted", limits_and_clamps_are_counted},
    {"groups tell a split", groups_tell_a_split},
    {NULL, NULL},
};
