/* The data set on one rank: what y shows, split, balance, order, messages. tests/mpi/test_dataset.c shows
 * that other numbers of ranks give the same. */
#include <math.h>
#include <stdint.h>

#include "pitprop/rng.h"
#include "support/data_case.h"
#include "support/mpi_test.h"

enum { LANES = 8 };

/* ---- helpers ---- */

static const char *make(scratch *s, const char *name, const data_file *file)
{
    const char *path = scratch_path(s, name);
    data_write(path, file);
    return path;
}

static pp_dataset *load(const pp_job *job)
{
    pp_error err;
    pp_dataset *set = data_load(pp_test_world(), job, &err);
    if (set == NULL) printf("\n  %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    return set;
}

/* The code and text with which opening or loading fails. */
static pp_status fails(const pp_job *job, pp_error *err)
{
    pp_dataset *set = data_load(pp_test_world(), job, err);
    if (set == NULL) return err->code;
    pp_dataset_close(set);
    return PP_OK;
}

static void expect_text(const pp_error *err, const char *part)
{
    if (strstr(err->text, part) == NULL) printf("\n  '%s' lacks '%s'\n", err->text, part);
    CU_ASSERT_PTR_NOT_NULL(strstr(err->text, part));
}

/* Visits of each row in an epoch: count [rows]. */
static void count_epoch(pp_dataset *set, int64_t epoch, int64_t batch, int64_t *count)
{
    const pp_dataset_info *info = pp_dataset_describe(set);
    pp_rows rows = data_rows(info, batch);
    int64_t lane_rows[LANES];
    pp_dataset_start_epoch(set, epoch);
    for (int64_t step = 0; step < pp_dataset_steps_per_epoch(set); step++) {
        int64_t n = pp_dataset_batch(set, step, &rows, lane_rows);
        for (int64_t i = 0; i < n; i++)
            count[rows.index[i]]++;
    }
    data_free_rows(&rows);
}

/* Appearances of each row in an evaluation: count [rows]. */
static void count_part(const pp_dataset *set, pp_part part, int64_t *count)
{
    pp_rows rows = data_rows(pp_dataset_describe(set), PP_BLOCK_ROWS);
    for (int64_t b = 0; b < pp_dataset_blocks(set, part); b++) {
        int64_t n = pp_dataset_block(set, part, b, &rows);
        CU_ASSERT_TRUE(n > 0 && n <= PP_BLOCK_ROWS);
        for (int64_t i = 0; i < n; i++)
            count[rows.index[i]]++;
    }
    data_free_rows(&rows);
}

/* ---- what y shows ---- */

static double y_01(int64_t row, int64_t k)
{
    (void)k;
    return row % 3 == 1;
}

static double y_12(int64_t row, int64_t k)
{
    return 1 + y_01(row, k);
}

static double y_signs(int64_t row, int64_t k)
{
    return 2 * y_01(row, k) - 1;
}

static double y_zero(int64_t row, int64_t k)
{
    (void)row, (void)k;
    return 0;
}

static double y_three(int64_t row, int64_t k)
{
    (void)row, (void)k;
    return 3;
}

static double y_five(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row % 5);
}

static double y_large(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row * 100);
}

static double y_negative(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row % 5 - 2);
}

static double y_soft(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row % 5) / 4;
}

static double y_one_hot(int64_t row, int64_t k)
{
    return row % 3 == k;
}

static double y_nearly_one_hot(int64_t row, int64_t k)
{
    return row == 17 ? 0 : row % 3 == k;
}

typedef struct y_case {
    double (*y)(int64_t, int64_t);
    pp_h5_type type;
    int64_t columns;
    pp_task asked;
    int64_t asked_classes;
    pp_task task;
    int64_t classes;
    double low, high;
    int one_hot;
} y_case;

static const y_case y_cases[] = {
    {y_01, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_BINARY, 2, 0, 1, 0},
    {y_01, PP_H5_F32, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_BINARY, 2, 0, 1, 0},
    {y_01, PP_H5_I64, 1, PP_TASK_AUTO, 10, PP_TASK_MULTICLASS, 10, 0, 1, 0},
    {y_01, PP_H5_I64, 1, PP_TASK_AUTO, 2, PP_TASK_BINARY, 2, 0, 1, 0},
    {y_12, PP_H5_U8, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_BINARY, 2, 1, 2, 0},
    {y_12, PP_H5_F64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_12, PP_H5_U8, 1, PP_TASK_MULTICLASS, PP_AUTO, PP_TASK_MULTICLASS, 3, 0, 1, 0},
    {y_signs, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_BINARY, 2, -1, 1, 0},
    {y_zero, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_BINARY, 2, 0, 1, 0},
    {y_zero, PP_H5_I64, 1, PP_TASK_MULTICLASS, PP_AUTO, PP_TASK_MULTICLASS, 2, 0, 1, 0},
    {y_three, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_MULTICLASS, 4, 0, 1, 0},
    {y_three, PP_H5_I64, 1, PP_TASK_BINARY, PP_AUTO, PP_TASK_BINARY, 2, 0, 3, 0},
    {y_five, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_MULTICLASS, 5, 0, 1, 0},
    {y_five, PP_H5_F32, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_five, PP_H5_F32, 1, PP_TASK_MULTICLASS, PP_AUTO, PP_TASK_MULTICLASS, 5, 0, 1, 0},
    {y_five, PP_H5_I64, 1, PP_TASK_REGRESSION, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_large, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_negative, PP_H5_I64, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_soft, PP_H5_F32, 1, PP_TASK_AUTO, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_soft, PP_H5_F32, 1, PP_TASK_BINARY, PP_AUTO, PP_TASK_BINARY, 2, 0, 1, 0},
    {y_one_hot, PP_H5_U8, 3, PP_TASK_AUTO, PP_AUTO, PP_TASK_MULTICLASS, 3, 0, 1, 1},
    {y_one_hot, PP_H5_F32, 3, PP_TASK_AUTO, 3, PP_TASK_MULTICLASS, 3, 0, 1, 1},
    {y_nearly_one_hot, PP_H5_F32, 3, PP_TASK_AUTO, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
    {y_nearly_one_hot, PP_H5_F32, 3, PP_TASK_MULTICLASS, PP_AUTO, PP_TASK_MULTICLASS, 3, 0, 1, 1},
    {y_one_hot, PP_H5_U8, 3, PP_TASK_REGRESSION, PP_AUTO, PP_TASK_REGRESSION, 0, 0, 1, 0},
};

static void test_tasks(void)
{
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof y_cases / sizeof *y_cases; i++) {
        const y_case *c = &y_cases[i];
        const char *path = make(&s, "y.h5", &(data_file){.rows = 40, .inputs = 2, .y_columns = c->columns, .y_type = c->type, .y = c->y});
        pp_job job = data_job(&path, 1, 16, LANES);
        job.data.task = c->asked;
        job.data.classes = c->asked_classes;
        pp_dataset *set = load(&job);
        const pp_dataset_info *info = pp_dataset_describe(set);
        int ok = info->task == c->task && info->classes == c->classes && info->one_hot == c->one_hot &&
                 info->low_label == c->low && info->high_label == c->high;
        if (!ok)
            printf("\n  y case %zu: task %d, %lld classes, labels %g and %g\n", i, (int)info->task,
                   (long long)info->classes, info->low_label, info->high_label);
        CU_ASSERT_TRUE(ok);
        CU_ASSERT_EQUAL(info->y_columns, c->columns);
        pp_dataset_close(set);
    }
    scratch_remove(&s);
}

static void test_class_of_a_row(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = make(&s, "a.h5", &(data_file){.rows = 40, .inputs = 2, .y_type = PP_H5_U8, .y = y_12});
    pp_job job = data_job(&path, 1, 16, LANES);
    pp_dataset *set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){1}), 0);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){2}), 1);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){1.5f}), 1);
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->y_min, 1);
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->y_max, 2);
    pp_dataset_close(set);
    job.data.task = PP_TASK_MULTICLASS;
    set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){2}), 2);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){3}), -1);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){-1}), -1);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){0.5f}), -1);
    CU_ASSERT_EQUAL(pp_dataset_class(set, &(float){NAN}), -1);
    pp_dataset_close(set);
    path = make(&s, "b.h5", &(data_file){.rows = 40, .inputs = 2, .y_columns = 3, .y_type = PP_H5_U8, .y = y_one_hot});
    job = data_job(&path, 1, 16, LANES);
    set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_class(set, (float[]){0, 0.25f, 0.75f}), 2);
    pp_dataset_close(set);
    scratch_remove(&s);
}

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
    const char *path = make(&s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_U8, .y = y_rare});
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
    const char *path = make(&s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
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
    const char *path = make(&s, "a.h5", &(data_file){.rows = 4, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
    pp_job job = data_job(&path, 1, 16, LANES);
    pp_dataset *set = load(&job); /* a tenth of 4 rows is none */
    CU_ASSERT_EQUAL(pp_dataset_describe(set)->validation_rows, 0);
    CU_ASSERT_EQUAL(pp_dataset_blocks(set, PP_PART_VALIDATION), 0);
    CU_ASSERT_EQUAL(pp_dataset_part_rows(set, PP_PART_TRAIN), 4);
    pp_dataset_close(set);
    path = make(&s, "b.h5", &(data_file){.rows = 1, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
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
    const char *path = make(&s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_U8, .y = y_01});
    const char *held[2] = {
        make(&s, "b.h5", &(data_file){.first = ROWS, .rows = 600, .inputs = 2, .chunk = 64, .y_type = PP_H5_U8, .y = y_01}),
        make(&s, "c.h5", &(data_file){.first = ROWS + 600, .rows = HELD - 600, .inputs = 2, .y_type = PP_H5_U8, .y = y_01})};
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
    int64_t zeros, ones; /* visits */
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
    const char *path = make(&s, "a.h5", &(data_file){.rows = 400, .inputs = 2, .y_type = PP_H5_U8, .y = y_tenth});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_balance(path, &cases[i]);
    scratch_remove(&s);
}

/* 105 rows, 15 of class 1 to be repeated up to 90 with 6 each; of 100 rows, 14 up to 86: 6 or 7 each. */
static void test_oversampling_with_remainder(void)
{
    scratch s;
    scratch_make(&s);
    int64_t count[100] = {0}, by_class[2] = {0}, seven = 0;
    const char *path = make(&s, "a.h5", &(data_file){.rows = 100, .inputs = 2, .y_type = PP_H5_U8, .y = data_two_classes});
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

static double negative_weight(int64_t row)
{
    return row == 21 ? -1 : 1;
}

static double infinite_weight(int64_t row)
{
    return row == 22 ? INFINITY : 1;
}

static void test_row_weights(void)
{
    static const double given[2] = {0.5, 3};
    scratch s;
    scratch_make(&s);
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = 100, .inputs = 2, .y_type = PP_H5_U8, .y = y_tenth, .weight = weight_of});
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

/* ---- order ---- */

static void test_file_order(void)
{
    enum { ROWS = 101, BATCH = 20 };
    scratch s;
    scratch_make(&s);
    const char *files[2] = {make(&s, "a.h5", &(data_file){.rows = 37, .inputs = 2, .chunk = 8, .y_type = PP_H5_F32, .y = data_real}),
                            make(&s, "b.h5", &(data_file){.first = 37, .rows = 64, .inputs = 2, .chunk = 8, .y_type = PP_H5_F32, .y = data_real})};
    pp_job job = data_job(files, 2, BATCH, LANES);
    job.data.validation_fraction = 0;
    job.data.shuffle = 0;
    pp_dataset *set = load(&job);
    pp_rows rows = data_rows(pp_dataset_describe(set), BATCH);
    int64_t lane_rows[LANES], cut[LANES + 1];
    pp_lanes_cut(BATCH, LANES, cut);
    CU_ASSERT_EQUAL(pp_dataset_steps_per_epoch(set), 6);
    for (int64_t epoch = 0, next = 0; epoch < 2; epoch++, next = 0) {
        pp_dataset_start_epoch(set, epoch);
        for (int64_t step = 0; step < 6; step++) {
            int64_t n = pp_dataset_batch(set, step, &rows, lane_rows);
            CU_ASSERT_EQUAL(n, step < 5 ? BATCH : 1);
            for (int l = 0; step < 5 && l < LANES; l++)
                CU_ASSERT_EQUAL(lane_rows[l], cut[l + 1] - cut[l]);
            for (int64_t i = 0; i < n; i++, next++) {
                CU_ASSERT_EQUAL(rows.index[i], next);
                CU_ASSERT_EQUAL(rows.x[2 * i], (float)next);
            }
        }
        CU_ASSERT_EQUAL(next, ROWS);
    }
    data_free_rows(&rows);
    pp_dataset_close(set);
    scratch_remove(&s);
}

/* First epoch's rows of lane 0 in order; returns how many. */
static int64_t first_lane(pp_dataset *set, int64_t epoch, int64_t batch, int64_t *to)
{
    pp_rows rows = data_rows(pp_dataset_describe(set), batch);
    int64_t lane_rows[LANES], n = 0;
    pp_dataset_start_epoch(set, epoch);
    for (int64_t step = 0; step < pp_dataset_steps_per_epoch(set); step++) {
        pp_dataset_batch(set, step, &rows, lane_rows);
        for (int64_t i = 0; i < lane_rows[0]; i++)
            to[n++] = rows.index[i];
    }
    data_free_rows(&rows);
    return n;
}

static void test_epochs_differ_in_order_only(void)
{
    enum { ROWS = 1000 };
    scratch s;
    scratch_make(&s);
    int64_t a[ROWS], b[ROWS], again[ROWS], seen[ROWS] = {0}, ascents = 0;
    const char *path = make(&s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
    pp_job job = data_job(&path, 1, 64, LANES);
    pp_dataset *set = load(&job);
    int64_t n = first_lane(set, 0, 64, a);
    CU_ASSERT_EQUAL(first_lane(set, 1, 64, b), n);
    CU_ASSERT_EQUAL(first_lane(set, 0, 64, again), n);
    CU_ASSERT_EQUAL(memcmp(a, again, sizeof *a * (size_t)n), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof *a * (size_t)n), 0);
    for (int64_t i = 0; i < n; i++) {
        seen[a[i]]++;
        seen[b[i]]--;
        if (i > 0) ascents += a[i] == a[i - 1] + 1;
    }
    for (int64_t i = 0; i < ROWS; i++)
        CU_ASSERT_EQUAL(seen[i], 0); /* a lane keeps its rows */
    CU_ASSERT_TRUE(ascents < n / 4);
    pp_dataset_close(set);
    job.seed = 6;
    set = load(&job);
    first_lane(set, 0, 64, again);
    CU_ASSERT_NOT_EQUAL(memcmp(a, again, sizeof *a * (size_t)n), 0);
    pp_dataset_close(set);
    scratch_remove(&s);
}

/* Classes in blocks: every lane must still see all of them. */
static double y_sorted(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row / 1000);
}

static void test_sorted_file_is_dealt_evenly(void)
{
    scratch s;
    scratch_make(&s);
    int64_t lane[4000], by_class[4] = {0};
    const char *path = make(&s, "a.h5", &(data_file){.rows = 4000, .inputs = 2, .y_type = PP_H5_U8, .y = y_sorted});
    pp_job job = data_job(&path, 1, 64, LANES);
    pp_dataset *set = load(&job);
    int64_t n = first_lane(set, 0, 64, lane);
    for (int64_t i = 0; i < n; i++)
        by_class[lane[i] / 1000]++;
    for (int k = 0; k < 4; k++)
        CU_ASSERT_TRUE(by_class[k] > n / 16);
    pp_dataset_close(set);
    scratch_remove(&s);
}

typedef struct window_case {
    int64_t rows, chunk, asked, window;
} window_case;

static void test_window_rule(void)
{
    static const window_case cases[] = {
        {10000, 0, PP_AUTO, 64},  {1000, 0, PP_AUTO, 7}, {100, 0, PP_AUTO, 1},
        {10000, 0, 500, 500},     {10000, 50, PP_AUTO, 50}, {10000, 500, PP_AUTO, 64},
        {6400, 50, PP_AUTO, 50},  {6350, 50, PP_AUTO, 49}, {10000, 50, 10, 10},
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const window_case *c = &cases[i];
        const char *path =
            make(&s, "a.h5", &(data_file){.rows = c->rows, .inputs = 1, .chunk = c->chunk, .y_type = PP_H5_F32, .y = data_real});
        pp_job job = data_job(&path, 1, 64, LANES);
        job.data.window = c->asked;
        pp_dataset *set = load(&job);
        CU_ASSERT_EQUAL(pp_dataset_describe(set)->window, c->window);
        CU_ASSERT_EQUAL(pp_dataset_describe(set)->chunk_rows, c->chunk);
        pp_dataset_close(set);
    }
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
    const char *path = make(
        &s, "a.h5", &(data_file){.rows = ROWS, .inputs = INPUTS, .y_type = PP_H5_F32, .y = data_real, .x = x_odd});
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
    const char *path = make(&s, "a.h5", &(data_file){.rows = 100, .inputs = 2, .y_type = PP_H5_U8, .y = y_tenth});
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
    const char *path = make(&s, "a.h5", &(data_file){.rows = 100, .inputs = 5, .y_columns = 2, .y_type = PP_H5_F32, .y = data_real});
    pp_job job = data_job(&path, 1, 64, LANES);
    pp_dataset *set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_bytes(set), 100 * ((5 + 2 + 1) * 4 + 8));
    pp_dataset_close(set);
    pp_dataset_close(NULL);
    scratch_remove(&s);
}

/* ---- messages ---- */

static double x_nan(int64_t row, int64_t k)
{
    return row == 33 && k == 2 ? NAN : row == 40 ? INFINITY : data_x(row, k);
}

static double y_nan(int64_t row, int64_t k)
{
    return row == 12 && k == 1 ? NAN : data_real(row, k);
}

static double y_infinite(int64_t row, int64_t k)
{
    return row == 12 ? 1e300 : data_real(row, k);
}

static double y_label_12(int64_t row, int64_t k)
{
    return row == 25 ? 12 : y_five(row, k);
}

typedef struct bad_case {
    data_file file;
    void (*change)(pp_job *job);
    pp_status code;
    const char *text; /* what follows the path */
} bad_case;

static void ask_10_classes(pp_job *job)
{
    job->data.classes = 10;
}

static void ask_multiclass(pp_job *job)
{
    job->data.task = PP_TASK_MULTICLASS;
}

static void ask_binary(pp_job *job)
{
    job->data.task = PP_TASK_BINARY;
}

static void ask_index(pp_job *job)
{
    job->data.task = PP_TASK_BINARY;
    job->loss.type = PP_LOSS_CE_LOGITS;
}

static void ask_weights(pp_job *job)
{
    job->data.row_weights = "/w";
}

static void ask_oversampling(pp_job *job)
{
    job->data.balance = PP_BALANCE_OVERSAMPLE;
}

static void ask_two_weights(pp_job *job)
{
    static const double given[2] = {1, 2};
    job->data.balance = PP_BALANCE_GIVEN;
    job->data.class_weights = given;
    job->data.n_class_weights = 2;
}

static void ask_nothing(pp_job *job)
{
    (void)job;
}

static const bad_case bad_cases[] = {
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .x = x_nan}, ask_nothing, PP_E_DATA,
     ": /x: row 33, column 2 is NaN; remove"},
    {{.first = 34, .rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .x = x_nan}, ask_nothing, PP_E_DATA,
     ": /x: row 6, column 0 is infinite; remove"},
    {{.rows = 60, .inputs = 3, .y_columns = 2, .y_type = PP_H5_F32, .y = y_nan}, ask_nothing, PP_E_DATA,
     ": /y: row 12, column 1 is NaN; remove"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F64, .y = y_infinite}, ask_nothing, PP_E_DATA,
     ": /y: row 12 is infinite; remove"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_label_12}, ask_10_classes, PP_E_DATA,
     ": /y: row 25: label 12 is outside the 10 classes (data.classes)"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_I64, .y = y_negative}, ask_multiclass, PP_E_DATA,
     ": /y: row 0: label -2 is negative"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = y_soft}, ask_multiclass, PP_E_DATA,
     ": /y: row 1: label 0.25 is not a class number"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_12}, ask_index, PP_E_DATA,
     ": /y: row 1: label 2 is outside the 2 classes"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_five}, ask_binary, PP_E_DATA,
     ": /y: row 2: label 2 is a third one beside 0 and 1"},
    {{.rows = 60, .inputs = 3, .y_columns = 3, .y_type = PP_H5_U8, .y = y_one_hot}, ask_10_classes, PP_E_JOB, "data.classes: must be 3"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .y_rows = 50}, ask_nothing, PP_E_DATA,
     ": /x has 60 rows, /y has 50"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .weight = negative_weight}, ask_weights, PP_E_DATA,
     ": /w: row 21 is -1; a weight"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .weight = infinite_weight}, ask_weights, PP_E_DATA,
     ": /w: row 22 is infinite"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real}, ask_weights, PP_E_DATA, ": has no data set /w"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real}, ask_oversampling, PP_E_JOB, "data.balance: needs classes"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_five}, ask_two_weights, PP_E_JOB,
     "data.class_weights: 2 weights for 5 classes"},
    {{.rows = 0, .inputs = 3, .y_type = PP_H5_F32, .y = data_real}, ask_nothing, PP_E_DATA, ": /x has no rows"},
};

static void test_messages(void)
{
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
        const bad_case *c = &bad_cases[i];
        const char *path = make(&s, "bad.h5", &c->file);
        pp_job job = data_job(&path, 1, 16, LANES);
        pp_error err;
        c->change(&job);
        CU_ASSERT_EQUAL(fails(&job, &err), c->code);
        expect_text(&err, c->text);
        if (c->code == PP_E_DATA) expect_text(&err, path);
    }
    scratch_remove(&s);
}

/* The culprit is told by its own file and the row in it. */
static void test_messages_name_the_file(void)
{
    scratch s;
    scratch_make(&s);
    pp_error err;
    const char *files[2] = {
        make(&s, "a.h5", &(data_file){.first = 100, .rows = 20, .inputs = 3, .y_type = PP_H5_F32, .y = data_real}),
        make(&s, "b.h5", &(data_file){.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .x = x_nan})};
    pp_job job = data_job(files, 2, 16, LANES);
    CU_ASSERT_EQUAL(fails(&job, &err), PP_E_DATA);
    expect_text(&err, files[1]);
    expect_text(&err, ": row 33, column 2 is NaN");
    job = data_job(files, 1, 16, LANES);
    job.data.validation_files = &files[1];
    job.data.n_validation_files = 1;
    CU_ASSERT_EQUAL(fails(&job, &err), PP_E_DATA);
    expect_text(&err, files[1]);
    expect_text(&err, ": row 33, column 2 is NaN");
    files[1] = make(&s, "c.h5", &(data_file){.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .y_rows = 50});
    job = data_job(files, 2, 16, LANES);
    CU_ASSERT_EQUAL(fails(&job, &err), PP_E_DATA);
    expect_text(&err, files[1]);
    expect_text(&err, "/x has 60 rows, /y has 50");
    files[1] = make(&s, "d.h5", &(data_file){.rows = 60, .inputs = 4, .y_type = PP_H5_F32, .y = data_real});
    job = data_job(files, 1, 16, LANES);
    job.data.validation_files = &files[1];
    job.data.n_validation_files = 1;
    CU_ASSERT_EQUAL(fails(&job, &err), PP_E_DATA);
    expect_text(&err, files[1]);
    expect_text(&err, "/x has 4 values a row");
    scratch_remove(&s);
}

/* A failure leaves the output alone. */
static void test_missing_file(void)
{
    scratch s;
    scratch_make(&s);
    pp_error err;
    const char *path = scratch_path(&s, "none.h5");
    pp_job job = data_job(&path, 1, 16, LANES);
    pp_dataset *set = (pp_dataset *)&job;
    CU_ASSERT_EQUAL(pp_dataset_open(pp_test_world(), &job, &set, &err), PP_E_IO);
    CU_ASSERT_PTR_EQUAL(set, (pp_dataset *)&job);
    expect_text(&err, path);
    CU_ASSERT_EQUAL(err.rank, 0);
    scratch_remove(&s);
}

const pp_test pp_tests_dataset[] = {
    {"y shows the task", test_tasks},
    {"class of a row", test_class_of_a_row},
    {"each class is held out by its share", test_split_by_class},
    {"held-out rows are those with the smallest keys", test_split_takes_smallest_keys},
    {"too few rows to hold any out", test_no_split},
    {"validation files are evaluated in order", test_validation_files},
    {"balance modes", test_balance},
    {"oversampling with a remainder", test_oversampling_with_remainder},
    {"row weights times class weights", test_row_weights},
    {"file order gives consecutive rows", test_file_order},
    {"epochs differ in order only", test_epochs_differ_in_order_only},
    {"a sorted file is dealt evenly", test_sorted_file_is_dealt_evenly},
    {"window rule", test_window_rule},
    {"standardisation is that of the training rows", test_standardise},
    {"standardisation counts repeated rows once", test_standardise_ignores_copies},
    {"bytes held", test_bytes},
    {"messages name file, row and remedy", test_messages},
    {"messages name the right one of several files", test_messages_name_the_file},
    {"a missing file, and nothing is written", test_missing_file},
    {NULL, NULL},
};
