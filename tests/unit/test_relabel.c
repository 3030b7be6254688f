/* Targets that are moved to other rows or recoded: whole, and in their own part of the set. Column
 * 0 of x is the number of the row, and so is y. */
#include <math.h>

#include "support/dataset_test.h"

enum { ROWS = 200 };

static double y_row(int64_t row, int64_t k)
{
    (void)k;
    return (double)row;
}

/* The target of every row of a part, by its number: y [ROWS], NaN elsewhere. */
static int64_t targets(pp_dataset *set, pp_part part, double *y)
{
    pp_rows rows = data_rows(pp_dataset_describe(set), PP_BLOCK_ROWS);
    int64_t count = 0;
    for (int64_t i = 0; i < ROWS; i++)
        y[i] = NAN;
    for (int64_t b = 0; b < pp_dataset_blocks(set, part); b++) {
        int64_t n = pp_dataset_block(set, part, b, &rows);
        for (int64_t i = 0; i < n; i++)
            y[rows.index[i]] = (double)rows.y[i];
        count += n;
    }
    data_free_rows(&rows);
    return count;
}

static pp_dataset *open_set(scratch *s, double (*y)(int64_t, int64_t), void (*change)(pp_job *))
{
    const data_file file = {.rows = ROWS, .inputs = 2, .y_type = PP_H5_I64, .y = y};
    scratch_make(s);
    const char *path = make(s, "set.h5", &file);
    pp_job job = data_job(&path, 1, 32, LANES);
    job.data.validation_fraction = 0.25;
    if (y == y_row) job.data.task = PP_TASK_REGRESSION;
    change(&job);
    return load(&job);
}

static void by_three(pp_job *job)
{
    job->data.shift_targets = 3;
}

static void by_minus_one_round(pp_job *job)
{
    job->data.shift_targets = -1 - ROWS;
}

static void check_shift(void (*change)(pp_job *), int64_t by)
{
    scratch s;
    double y[ROWS];
    pp_dataset *set = open_set(&s, y_row, change);
    for (int part = 0; part < 2; part++) {
        CU_ASSERT_TRUE(targets(set, part ? PP_PART_VALIDATION : PP_PART_TRAIN, y) > 0);
        for (int64_t i = 0; i < ROWS; i++)
            if (!isnan(y[i])) CU_ASSERT_EQUAL(y[i], (double)((i + by + ROWS) % ROWS));
    }
    pp_dataset_close(set);
    scratch_remove(&s);
}

static void test_shift(void)
{
    check_shift(by_three, 3);
    check_shift(by_minus_one_round, -1);
}

static void permuted(pp_job *job)
{
    job->data.permute_targets = 1;
}

static void unchanged(pp_job *job)
{
    (void)job;
}

/* Each part keeps its targets, and hardly a row its own. */
static void test_permute(void)
{
    for (int part = 0; part < 2; part++) {
        scratch s, other;
        double y[ROWS], before[ROWS], sum = 0, sum_before = 0;
        int64_t kept = 0;
        pp_part which = part ? PP_PART_VALIDATION : PP_PART_TRAIN;
        pp_dataset *set = open_set(&s, y_row, permuted);
        pp_dataset *plain = open_set(&other, y_row, unchanged);
        int64_t count = targets(set, which, y);
        CU_ASSERT_EQUAL(count, targets(plain, which, before));
        for (int64_t i = 0; i < ROWS; i++) {
            CU_ASSERT_EQUAL(isnan(y[i]), isnan(before[i]));
            if (isnan(y[i])) continue;
            sum += y[i] * y[i];
            sum_before += before[i] * before[i];
            kept += y[i] == before[i];
        }
        CU_ASSERT_EQUAL(sum, sum_before);
        CU_ASSERT_TRUE(kept < count / 5);
        pp_dataset_close(set);
        pp_dataset_close(plain);
        scratch_remove(&s);
        scratch_remove(&other);
    }
}

static void recoded(pp_job *job)
{
    job->data.recode_labels = 1;
}

static void check_recoding(double (*code)(int64_t, int64_t))
{
    scratch s;
    double y[ROWS];
    pp_dataset *set = open_set(&s, code, recoded);
    const pp_dataset_info *info = pp_dataset_describe(set);
    CU_ASSERT_EQUAL(info->low_label, 0);
    CU_ASSERT_EQUAL(info->high_label, 1);
    targets(set, PP_PART_TRAIN, y);
    for (int64_t i = 0; i < ROWS; i++)
        if (!isnan(y[i])) CU_ASSERT_EQUAL(y[i], y_01(i, 0));
    pp_dataset_close(set);
    scratch_remove(&s);
}

static void test_recode(void)
{
    check_recoding(y_12);
    check_recoding(y_signs);
    check_recoding(y_01);
}

static void in_deviations(pp_job *job)
{
    job->data.standardise_targets = 1;
}

/* Mean 0 and deviation 1 over the training rows; held-out rows in the same units; and back. */
static void test_standardise_targets(void)
{
    scratch s;
    double y[ROWS], held[ROWS], sum = 0, squares = 0;
    pp_dataset *set = open_set(&s, y_row, in_deviations);
    const float *shift = pp_dataset_target_shift(set), *scale = pp_dataset_target_scale(set);
    int64_t count = targets(set, PP_PART_TRAIN, y);
    targets(set, PP_PART_VALIDATION, held);
    CU_ASSERT_TRUE(count > 0 && count < ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        double value = isnan(y[i]) ? held[i] : y[i];
        CU_ASSERT_DOUBLE_EQUAL(value * (double)scale[0] + (double)shift[0], (double)i, 1e-4);
        if (isnan(y[i])) continue;
        sum += y[i];
        squares += y[i] * y[i];
    }
    CU_ASSERT_DOUBLE_EQUAL(sum / (double)count, 0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(squares / (double)count, 1, 1e-6);
    CU_ASSERT_TRUE(pp_dataset_describe(set)->y_max < 2);
    pp_dataset_close(set);
    scratch_remove(&s);
}

const pp_test pp_tests_relabel[] = {
    {"targets shifted round the end of the set", test_shift},
    {"targets permuted within their part", test_permute},
    {"two labels become 0 and 1", test_recode},
    {"targets in deviations from their mean", test_standardise_targets},
    {NULL, NULL},
};
