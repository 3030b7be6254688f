/* What a run is worth on its rows: ranking and skill by the job's own loss, and differences of two
 * runs row by row. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "store/tensorfile.h"
#include "study/why/why_internal.h"
#include "support/scratch.h"

enum { ROWS = 400 };

/* A run with these predictions of class 1. */
static pp_experiment run_of(scratch *s, const pp__yardstick *y, int rows, float *p, float *target)
{
    int64_t index[ROWS];
    for (int i = 0; i < rows; i++)
        index[i] = i;
    const pp_tensor tensors[] = {{"index", PP_I64, 1, {rows}, index},
                                 {"p", PP_F32, 2, {rows, 1}, p},
                                 {"target", PP_F32, 2, {rows, 1}, target}};
    const char *path = scratch_path(s, "sample.safetensors");
    CU_ASSERT_EQUAL_FATAL(pp_tensorfile_write(path, tensors, 3, NULL, 0, NULL), PP_OK);
    pp_experiment e = {.held_out = 1, .rows = pp__worth_read(y, path, 1, s->paths)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(e.rows);
    e.skill = e.rows->skill;
    e.score = e.rows->score;
    e.score_error = e.rows->error;
    return e;
}

static float sigmoid(double z)
{
    return (float)(1 / (1 + exp(-z)));
}

/* Log-odds of rare ones, with the noise of a second run. */
static void draw(float *p, float *other, float *target)
{
    pp_rng rng = pp_rng_at(3, PP_RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        double z = pp_rng_normal(rng, 4 * (uint64_t)i) - 1.5;
        p[i] = sigmoid(z);
        target[i] = pp_rng_uniform(rng, 4 * (uint64_t)i + 3) < p[i];
        other[i] = sigmoid(z + 0.02 * pp_rng_normal(rng, 4 * (uint64_t)i + 2));
    }
}

static void a_shift_across_the_threshold_is_no_repair(void)
{
    scratch s;
    float p[ROWS], shifted[ROWS], target[ROWS];
    pp__yardstick y = {.loss = PP__LOG};
    double error;
    scratch_make(&s);
    draw(p, shifted, target);
    for (int i = 0; i < ROWS; i++)
        shifted[i] = sigmoid(log(p[i] / (1 - p[i])) + 1.5);
    pp_experiment job = run_of(&s, &y, ROWS, p, target);
    pp_experiment moved = run_of(&s, &y, ROWS, shifted, target);
    CU_ASSERT_TRUE(job.score > 3 * job.score_error);
    CU_ASSERT_TRUE(pp__gain(&moved, &job, &error) < 0);
    scratch_remove(&s);
}

static void what_both_find_hard_cancels(void)
{
    scratch s;
    float p[ROWS], other[ROWS], target[ROWS];
    pp__yardstick y = {.loss = PP__LOG};
    double error;
    scratch_make(&s);
    draw(p, other, target);
    pp_experiment a = run_of(&s, &y, ROWS, p, target), b = run_of(&s, &y, ROWS, other, target);
    pp__gain(&a, &b, &error);
    CU_ASSERT_TRUE(error < a.score_error / 5);
    b.mended = 1; /* other rows */
    pp__gain(&a, &b, &error);
    CU_ASSERT_DOUBLE_EQUAL(error, hypot(a.score_error, b.score_error), 1e-12);
    scratch_remove(&s);
}

static void a_few_rows_show_a_repair(void)
{
    enum { FEW = 12 };
    scratch s;
    float constant[FEW], right[FEW], target[FEW];
    pp__yardstick y = {.loss = PP__LOG};
    double error;
    scratch_make(&s);
    for (int i = 0; i < FEW; i++) {
        target[i] = (float)(i % 2);
        constant[i] = 0.5f;
        right[i] = i % 2 ? 0.99f : 0.01f;
    }
    pp_experiment job = run_of(&s, &y, FEW, constant, target);
    pp_experiment fixed = run_of(&s, &y, FEW, right, target);
    CU_ASSERT_DOUBLE_EQUAL(job.score, 0, 1e-6);
    CU_ASSERT_TRUE(fixed.score > 0.95);
    CU_ASSERT_TRUE(pp__gain(&fixed, &job, &error) > 3 * error);
    scratch_remove(&s);
}

/* The weights of the classes that the job asks for count, as does the loss that it trains on. */
static void the_yardstick_is_the_jobs(void)
{
    const double weights[] = {1, 9};
    scratch s;
    float p[ROWS], target[ROWS];
    pp__yardstick plain = {.loss = PP__LOG};
    pp__yardstick weighted = {.loss = PP__LOG, .weights = weights, .classes = 2};
    pp__yardstick quantile = {.loss = PP__PINBALL, .quantile = 0.9};
    scratch_make(&s);
    for (int i = 0; i < ROWS; i++) {
        target[i] = (float)(i % 10 == 0);
        p[i] = i % 10 == 0 ? 0.6f : 0.45f; /* as weights of 9 want it */
    }
    CU_ASSERT_TRUE(run_of(&s, &plain, ROWS, p, target).skill < 0);
    CU_ASSERT_TRUE(run_of(&s, &weighted, ROWS, p, target).skill > 0.05);
    for (int i = 0; i < ROWS; i++) {
        target[i] = (float)(i % 20) + 10 * (float)(i / 200);
        p[i] = 18 + 10 * (float)(i / 200);
    }
    CU_ASSERT_TRUE(run_of(&s, &quantile, ROWS, p, target).skill > 0.1);
    scratch_remove(&s);
}

const pp_test pp_tests_worth[] = {
    {"a shift across the threshold is no repair", a_shift_across_the_threshold_is_no_repair},
    {"what both runs find hard cancels", what_both_find_hard_cancels},
    {"a few rows show a repair", a_few_rows_show_a_repair},
    {"the yardstick is the job's", the_yardstick_is_the_jobs},
    {NULL, NULL},
};
