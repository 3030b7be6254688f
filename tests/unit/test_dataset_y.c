/* What y shows: task, classes, labels. */
#include <math.h>

#include "support/dataset_test.h"

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
        const char *path = make(
            &s, "y.h5",
            &(data_file){
                .rows = 40, .inputs = 2, .y_columns = c->columns, .y_type = c->type, .y = c->y});
        pp_job job = data_job(&path, 1, 16, LANES);
        job.data.task = c->asked;
        job.data.classes = c->asked_classes;
        pp_dataset *set = load(&job);
        const pp_dataset_info *info = pp_dataset_describe(set);
        int ok = info->task == c->task && info->classes == c->classes &&
                 info->one_hot == c->one_hot && info->low_label == c->low &&
                 info->high_label == c->high;
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
    const char *path =
        make(&s, "a.h5", &(data_file){.rows = 40, .inputs = 2, .y_type = PP_H5_U8, .y = y_12});
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
    path = make(
        &s, "b.h5",
        &(data_file){.rows = 40, .inputs = 2, .y_columns = 3, .y_type = PP_H5_U8, .y = y_one_hot});
    job = data_job(&path, 1, 16, LANES);
    set = load(&job);
    CU_ASSERT_EQUAL(pp_dataset_class(set, (float[]){0, 0.25f, 0.75f}), 2);
    pp_dataset_close(set);
    scratch_remove(&s);
}

const pp_test pp_tests_dataset_y[] = {
    {"y shows the task", test_tasks},
    {"class of a row", test_class_of_a_row},
    {NULL, NULL},
};
