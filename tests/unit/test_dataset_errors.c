/* Every fault of the data has a message that names file, data set, row and remedy. */
#include <math.h>

#include "support/dataset_test.h"

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

static double negative_weight(int64_t row)
{
    return row == 21 ? -1 : 1;
}

static double infinite_weight(int64_t row)
{
    return row == 22 ? INFINITY : 1;
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
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .x = x_nan},
     ask_nothing,
     PP_E_DATA,
     ": /x: row 33, column 2 is NaN; remove"},
    {{.first = 34, .rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .x = x_nan},
     ask_nothing,
     PP_E_DATA,
     ": /x: row 6, column 0 is infinite; remove"},
    {{.rows = 60, .inputs = 3, .y_columns = 2, .y_type = PP_H5_F32, .y = y_nan},
     ask_nothing,
     PP_E_DATA,
     ": /y: row 12, column 1 is NaN; remove"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F64, .y = y_infinite},
     ask_nothing,
     PP_E_DATA,
     ": /y: row 12 is infinite; remove"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_label_12},
     ask_10_classes,
     PP_E_DATA,
     ": /y: row 25: label 12 is outside the 10 classes (data.classes)"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_I64, .y = y_negative},
     ask_multiclass,
     PP_E_DATA,
     ": /y: row 0: label -2 is negative"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = y_soft},
     ask_multiclass,
     PP_E_DATA,
     ": /y: row 1: label 0.25 is not a class number"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_12},
     ask_index,
     PP_E_DATA,
     ": /y: row 1: label 2 is outside the 2 classes"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_five},
     ask_binary,
     PP_E_DATA,
     ": /y: row 2: label 2 is a third one beside 0 and 1"},
    {{.rows = 60, .inputs = 3, .y_columns = 3, .y_type = PP_H5_U8, .y = y_one_hot},
     ask_10_classes,
     PP_E_JOB,
     "data.classes: must be 3"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .y_rows = 50},
     ask_nothing,
     PP_E_DATA,
     ": /x has 60 rows, /y has 50"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .weight = negative_weight},
     ask_weights,
     PP_E_DATA,
     ": /w: row 21 is -1; a weight"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .weight = infinite_weight},
     ask_weights,
     PP_E_DATA,
     ": /w: row 22 is infinite"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real},
     ask_weights,
     PP_E_DATA,
     ": has no data set /w"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real},
     ask_oversampling,
     PP_E_JOB,
     "data.balance: needs classes"},
    {{.rows = 60, .inputs = 3, .y_type = PP_H5_U8, .y = y_five},
     ask_two_weights,
     PP_E_JOB,
     "data.class_weights: 2 weights for 5 classes"},
    {{.rows = 0, .inputs = 3, .y_type = PP_H5_F32, .y = data_real},
     ask_nothing,
     PP_E_DATA,
     ": /x has no rows"},
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
        make(&s, "a.h5",
             &(data_file){
                 .first = 100, .rows = 20, .inputs = 3, .y_type = PP_H5_F32, .y = data_real}),
        make(&s, "b.h5",
             &(data_file){
                 .rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .x = x_nan})};
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
    files[1] = make(
        &s, "c.h5",
        &(data_file){.rows = 60, .inputs = 3, .y_type = PP_H5_F32, .y = data_real, .y_rows = 50});
    job = data_job(files, 2, 16, LANES);
    CU_ASSERT_EQUAL(fails(&job, &err), PP_E_DATA);
    expect_text(&err, files[1]);
    expect_text(&err, "/x has 60 rows, /y has 50");
    files[1] = make(&s, "d.h5",
                    &(data_file){.rows = 60, .inputs = 4, .y_type = PP_H5_F32, .y = data_real});
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

const pp_test pp_tests_dataset_errors[] = {
    {"messages name file, row and remedy", test_messages},
    {"messages name the right one of several files", test_messages_name_the_file},
    {"a missing file, and nothing is written", test_missing_file},
    {NULL, NULL},
};
