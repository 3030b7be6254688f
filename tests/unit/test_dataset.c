/* The data set on one rank: split, balance, weights, standardisation. tests/mpi/test_dataset.c
 * shows that other numbers of ranks give the same. */
#include <math.h>

#include "base/rng.h"
#include "support/dataset_test.h"

/* ---- split ---- */

static double y_rare(int64_t row, int64_t k)
{
    (void)k;
    return row == 55 ? 2 : row % 4 == 0;
}

static void test_split_by_class(void)
{
    scratch s;
    scratch_make(&s);
    enum { ROWS = 1003 }; /* 251 of class 1, one of class 2, 751 of class 0 */
    int64_t count[ROWS] = {0}, by_class[3] = {0};
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_U8, .y = y_rare});
    pp_job job = data_job(&path, 1, 16, LANES);
    job.data.validation_fraction = 0.25;
    pp_dataset *set = load(&job);
    const pp_dataset_info *info = pp_dataset_describe(set);
    count_part(set, PP_PART_VALIDATION, count);
    for (int64_t i = 0; i < ROWS; i++)
        by_class[(int)y_rare(i, 0)] += count[i];
    CU_ASSERT_EQUAL(by_class[0], 188);
    CU_ASSERT_EQUAL(by_class[1], 63);
    CU_ASSERT_EQUAL(by_class[2], 0);
    CU_ASSERT_EQUAL(info->validation_rows, 251);
    CU_ASSERT_EQUAL(info->train_rows, ROWS - 251);
    CU_ASSERT_EQUAL(info->class_rows[0], 751 - 188);
    CU_ASSERT_EQUAL(info->class_rows[1], 251 - 63);
    CU_ASSERT_EQUAL(info->class_rows[2], 1);
    count_part(set, PP_PART_TRAIN, count);
    for (int64_t i = 0; i < ROWS; i++)
        CU_ASSERT_EQUAL(count[i], 1);
    pp_dataset_close(set);
    scratch_remove(&s);
}

/* The definition: the rows with the smallest keys. */
static void test_split_takes_smallest_keys(void)
{
    scratch s;
    scratch_make(&s);
    enum { ROWS = 400 };
    int64_t count[ROWS] = {0}, held = 0;
    uint64_t largest_held = 0, smallest_kept = UINT64_MAX;
    const char *path = make(
        &s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
    pp_job job = data_job(&path, 1, 16, LANES);
    pp_dataset *set = load(&job);
    count_part(set, PP_PART_VALIDATION, count);
    for (int64_t i = 0; i < ROWS; i++) {
        uint64_t key = pp_rng_u64(pp_rng_at(5, PP_RNG_SPLIT, 0), (uint64_t)i);
        held += count[i];
        if (count[i] && key > largest_held) largest_held = key;
        if (!count[i] && key < smallest_kept) smallest_kept = key;
    }
    CU_ASSERT_EQUAL(held, 40);
    CU_ASSERT_TRUE(largest_held < smallest_kept);
    pp_dataset_close(set);
    scratch_remove(&s);
}

static void test_no_split(void)
{
    scratch s;
    scratch_make(&s);
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = 4, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
    pp_job job = data_job(&path, 1, 16, LANES);
    pp_dataset *set = load(&job); /* a tenth of 4 rows is none */
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->validation_rows, 0);
    CU_ASSERT_EQUAL(pp_dataset_blocks(set, PP_PART_VALIDATION), 0);
    CU_ASSERT_EQUAL(pp_dataset_part_rows(set, PP_PART_TRAIN), 4);
    pp_dataset_close(set);
    path =
        make(&s, "b.h5", &(data_file){.rows = 1, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
    job.data.validation_fraction = 0.9; /* the only row stays */
    set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->validation_rows, 0);
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->train_rows, 1);
    pp_dataset_close(set);
    scratch_remove(&s);
}

static void test_validation_files(void)
{
    scratch s;
    scratch_make(&s);
    enum { ROWS = 30, HELD = 1000 };
    int64_t count[ROWS + HELD] = {0};
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_U8, .y = y_01});
    const char *held[2] = {make(&s, "b.h5",
                                &(data_file){.first = ROWS,
                                             .rows = 600,
                                             .inputs = 2,
                                             .chunk = 64,
                                             .y_type = PP_H5_U8,
                                             .y = y_01}),
                           make(&s, "c.h5",
                                &(data_file){.first = ROWS + 600,
                                             .rows = HELD - 600,
                                             .inputs = 2,
                                             .y_type = PP_H5_U8,
                                             .y = y_01})};
    pp_job job = data_job(&path, 1, 16, LANES);
    job.data.validation_files = held;
    job.data.n_validation_files = 2;
    job.data.validation_fraction = 0;
    pp_dataset *set = load(&job);
    pp_rows rows = data_rows(pp_dataset_describe(set), PP_BLOCK_ROWS);
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->validation_rows, HELD);
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->train_rows, ROWS);
    CU_ASSERT_EQUAL_FATAL(pp_dataset_blocks(set, PP_PART_VALIDATION), 3);
    for (int64_t b = 0, next = ROWS; b < 3; b++) {
        int64_t n = pp_dataset_block(set, PP_PART_VALIDATION, b, &rows);
        CU_ASSERT_EQUAL(n, b < 2 ? PP_BLOCK_ROWS : HELD - 2 * PP_BLOCK_ROWS);
        for (int64_t i = 0; i < n; i++, next++) {
            CU_ASSERT_EQUAL(rows.index[i], next);
            CU_ASSERT_EQUAL(rows.x[2 * i], (float)next);
            CU_ASSERT_EQUAL(rows.x[2 * i + 1], (float)data_x(next, 1));
            CU_ASSERT_EQUAL(rows.y[i], (float)y_01(next, 0));
        }
    }
    count_part(set, PP_PART_TRAIN, count);
    for (int64_t i = 0; i < ROWS; i++)
        CU_ASSERT_EQUAL(count[i], 1);
    data_free_rows(&rows);
    pp_dataset_close(set);
    scratch_remove(&s);
}

/* ---- balance and weights ---- */

/* 360 rows of class 0, 40 of class 1, none held out. */
static double y_tenth(int64_t row, int64_t k)
{
    (void)k;
    return row % 10 == 9;
}

typedef struct balance_case {
    pp_balance balance;
    int64_t zeros, ones;  /* visits */
    int64_t fewest, most; /* of a row of class 1 */
    double weight[2];
} balance_case;

static void check_balance(const char *path, const balance_case *c)
{
    enum { ROWS = 400 };
    static const double given[2] = {0.5, 3};
    int64_t count[ROWS] = {0}, seen[ROWS] = {0}, by_class[2] = {0};
    pp_job job = data_job(&path, 1, 16, LANES);
    job.data.validation_fraction = 0;
    job.data.balance = c->balance;
    job.data.class_weights = given;
    job.data.n_class_weights = 2;
    pp_dataset *set = load(&job);
    const pp_dataset_info *info = pp_dataset_describe(set);
    count_epoch(set, 0, 16, count);
    count_part(set, PP_PART_TRAIN, seen);
    for (int64_t i = 0; i < ROWS; i++) {
        by_class[i % 10 == 9] += count[i];
        CU_ASSERT_EQUAL(seen[i], count[i] > 0);
        if (i % 10 == 9) CU_ASSERT_TRUE(count[i] >= c->fewest && count[i] <= c->most);
        if (i % 10 != 9) CU_ASSERT_TRUE(count[i] <= 1);
    }
    CU_ASSERT_EQUAL(by_class[0], c->zeros);
    CU_ASSERT_EQUAL(by_class[1], c->ones);
    CU_ASSERT_EQUAL(info->train_rows, c->zeros + c->ones);
    CU_ASSERT_EQUAL(info->class_rows[0], 360);
    CU_ASSERT_EQUAL(info->class_rows[1], 40);
    CU_ASSERT_EQUAL(info->class_weights[0], c->weight[0]);
    CU_ASSERT_EQUAL(info->class_weights[1], c->weight[1]);
    pp_rows rows = data_rows(info, PP_BLOCK_ROWS);
    int64_t n = pp_dataset_block(set, PP_PART_TRAIN, 0, &rows);
    for (int64_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(rows.weight[i], (float)c->weight[rows.index[i] % 10 == 9]);
    data_free_rows(&rows);
    pp_dataset_close(set);
}

static void test_balance(void)
{
    static const balance_case cases[] = {
        {PP_BALANCE_NONE, 360, 40, 1, 1, {1, 1}},
        {PP_BALANCE_OVERSAMPLE, 360, 360, 9, 9, {1, 1}},
        {PP_BALANCE_UNDERSAMPLE, 40, 40, 1, 1, {1, 1}},
        {PP_BALANCE_CLASS_WEIGHTS, 360, 40, 1, 1, {400 / (2 * 360.0), 400 / (2 * 40.0)}},
        {PP_BALANCE_GIVEN, 360, 40, 1, 1, {0.5, 3}},
    };
    scratch s;
    scratch_make(&s);
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = 400, .inputs = 2, .y_type = PP_H5_U8, .y = y_tenth});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_balance(path, &cases[i]);
    scratch_remove(&s);
}

/* 105 rows, 15 of class 1 to be repeated up to 90 with 6 each; of 100 rows, 14 up to 86: 6 or 7
 * each. */
static void test_oversampling_with_remainder(void)
{
    scratch s;
    scratch_make(&s);
    int64_t count[100] = {0}, by_class[2] = {0}, seven = 0;
    const char *path =
        make(&s, "a.h5",
             &(data_file){.rows = 100, .inputs = 2, .y_type = PP_H5_U8, .y = data_two_classes});
    pp_job job = data_job(&path, 1, 16, LANES);
    job.data.validation_fraction = 0;
    job.data.balance = PP_BALANCE_OVERSAMPLE;
    pp_dataset *set = load(&job);
    count_epoch(set, 1, 16, count);
    for (int64_t i = 0; i < 100; i++) {
        int is_one = data_two_classes(i, 0) == 1;
        by_class[is_one] += count[i];
        if (is_one) CU_ASSERT_TRUE(count[i] == 6 || count[i] == 7);
        seven += count[i] == 7;
    }
    CU_ASSERT_EQUAL(by_class[0], 86);
    CU_ASSERT_EQUAL(by_class[1], 86);
    CU_ASSERT_EQUAL(seven, 86 % 14);
    pp_dataset_close(set);
    scratch_remove(&s);
}

static double weight_of(int64_t row)
{
    return (double)(row % 4) * 0.5;
}

static void test_row_weights(void)
{
    static const double given[2] = {0.5, 3};
    scratch s;
    scratch_make(&s);
    const char *path =
        make(&s, "a.h5",
             &(data_file){
                 .rows = 100, .inputs = 2, .y_type = PP_H5_U8, .y = y_tenth, .weight = weight_of});
    pp_job job = data_job(&path, 1, 16, LANES);
    job.data.row_weights = "w";
    job.data.balance = PP_BALANCE_GIVEN;
    job.data.class_weights = given;
    job.data.n_class_weights = 2;
    pp_dataset *set = load(&job);
    pp_rows rows = data_rows(pp_dataset_describe(set), PP_BLOCK_ROWS);
    for (int part = 0; part < 2; part++) {
        int64_t n = pp_dataset_block(set, (pp_part)part, 0, &rows);
        for (int64_t i = 0; i < n; i++) {
            int64_t row = rows.index[i];
            CU_ASSERT_EQUAL(rows.weight[i], (float)(weight_of(row) * given[row % 10 == 9]));
        }
    }
    data_free_rows(&rows);
    pp_dataset_close(set);
    scratch_remove(&s);
}

/* ---- standardisation ---- */

/* A constant, a large mean with a small deviation, and an ordinary feature. */
static double x_odd(int64_t row, int64_t k)
{
    return k == 0 ? 3 : k == 1 ? 1000000 + (double)(row % 8) : (double)((row * 29) % 97) * 0.1;
}

static void test_standardise(void)
{
    enum { ROWS = 1000, INPUTS = 3 };
    scratch s;
    scratch_make(&s);
    int64_t held[ROWS] = {0};
    const char *path =
        make(&s, "a.h5",
             &(data_file){
                 .rows = ROWS, .inputs = INPUTS, .y_type = PP_H5_F32, .y = data_real, .x = x_odd});
    pp_job job = data_job(&path, 1, 64, LANES);
    job.data.standardise = 1;
    pp_dataset *set = load(&job);
    count_part(set, PP_PART_VALIDATION, held);
    double mean[INPUTS] = {0}, variance[INPUTS] = {0}, n = 0;
    for (int64_t i = 0; i < ROWS; i++)
        for (int k = 0; !held[i] && k < INPUTS; k++)
            mean[k] += (float)x_odd(i, k), n += k == 0;
    for (int64_t i = 0; i < ROWS; i++)
        for (int k = 0; !held[i] && k < INPUTS; k++)
            variance[k] += pow((float)x_odd(i, k) - mean[k] / n, 2);
    const float *shift = pp_dataset_shift(set), *scale = pp_dataset_scale(set);
    CU_ASSERT_EQUAL(n, 900);
    CU_ASSERT_EQUAL(shift[0], 3);
    CU_ASSERT_EQUAL(scale[0], 1);
    for (int k = 1; k < INPUTS; k++) {
        CU_ASSERT_DOUBLE_EQUAL(shift[k], mean[k] / n, 1e-7 * fabs(mean[k] / n));
        CU_ASSERT_DOUBLE_EQUAL(scale[k], sqrt(n / variance[k]), 1e-6 * scale[k]);
    }
    pp_rows rows = data_rows(pp_dataset_describe(set), PP_BLOCK_ROWS);
    for (int part = 0; part < 2; part++) {
        int64_t count = pp_dataset_block(set, (pp_part)part, 0, &rows);
        for (int64_t i = 0; i < count * INPUTS; i++) {
            float x = (float)x_odd(rows.index[i / INPUTS], i % INPUTS);
            CU_ASSERT_EQUAL(rows.x[i], (x - shift[i % INPUTS]) * scale[i % INPUTS]);
        }
    }
    data_free_rows(&rows);
    pp_dataset_close(set);
    job.data.standardise = 0;
    set = load(&job);
    CU_ASSERT_PTR_NULL(pp_dataset_shift(set));
    CU_ASSERT_PTR_NULL(pp_dataset_scale(set));
    pp_dataset_close(set);
    scratch_remove(&s);
}

/* Copies of a repeated row count once. */
static void test_standardise_ignores_copies(void)
{
    scratch s;
    scratch_make(&s);
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = 100, .inputs = 2, .y_type = PP_H5_U8, .y = y_tenth});
    pp_job job = data_job(&path, 1, 64, LANES);
    job.data.standardise = 1;
    job.data.validation_fraction = 0;
    pp_dataset *plain = load(&job);
    job.data.balance = PP_BALANCE_OVERSAMPLE;
    pp_dataset *repeated = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_shift(plain)[0], 49.5f);
    CU_ASSERT_EQUAL(pp_dataset_shift(repeated)[0], 49.5f);
    CU_ASSERT_DOUBLE_EQUAL(pp_dataset_scale(plain)[0], sqrt(12 / (100.0 * 100 - 1)), 1e-8);
    CU_ASSERT_EQUAL(pp_dataset_scale(repeated)[0], pp_dataset_scale(plain)[0]);
    pp_dataset_close(plain);
    pp_dataset_close(repeated);
    scratch_remove(&s);
}

static void test_bytes(void)
{
    scratch s;
    scratch_make(&s);
    const char *path =
        make(&s, "a.h5",
             &(data_file){
                 .rows = 100, .inputs = 5, .y_columns = 2, .y_type = PP_H5_F32, .y = data_real});
    pp_job job = data_job(&path, 1, 64, LANES);
    pp_dataset *set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_bytes(set), 100 * ((5 + 2 + 1) * 4 + 8));
    pp_dataset_close(set);
    pp_dataset_close(NULL);
    scratch_remove(&s);
}

const pp_test pp_tests_dataset[] = {
    {"each class is held out by its share", test_split_by_class},
    {"held-out rows are those with the smallest keys", test_split_takes_smallest_keys},
    {"too few rows to hold any out", test_no_split},
    {"validation files are evaluated in order", test_validation_files},
    {"balance modes", test_balance},
    {"oversampling with a remainder", test_oversampling_with_remainder},
    {"row weights times class weights", test_row_weights},
    {"standardisation is that of the training rows", test_standardise},
    {"standardisation counts repeated rows once", test_standardise_ignores_copies},
    {"bytes held", test_bytes},
    {NULL, NULL},
};
