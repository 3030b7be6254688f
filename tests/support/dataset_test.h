/* What the unit tests of the data set share: sets on one rank, and targets by row. */
#ifndef PITPROP_TESTS_DATASET_TEST_H
#define PITPROP_TESTS_DATASET_TEST_H

#include <stdint.h>

#include "support/data_case.h"
#include "support/mpi_test.h"

enum { LANES = 8 };

static inline const char *make(scratch *s, const char *name, const data_file *file)
{
    const char *path = scratch_path(s, name);
    data_write(path, file);
    return path;
}

static inline pp_dataset *load(const pp_job *job)
{
    pp_error err;
    pp_dataset *set = data_load(pp_test_world(), job, &err);
    if (set == NULL) printf("\n  %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    return set;
}

/* The code and text with which opening or loading fails. */
static inline pp_status fails(const pp_job *job, pp_error *err)
{
    pp_dataset *set = data_load(pp_test_world(), job, err);
    if (set == NULL) return err->code;
    pp_dataset_close(set);
    return PP_OK;
}

static inline void expect_text(const pp_error *err, const char *part)
{
    if (strstr(err->text, part) == NULL) printf("\n  got '%s'\n", err->text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err->text, part));
}

/* Visits of each row in an epoch: count [rows]. */
static inline void count_epoch(pp_dataset *set, int64_t epoch, int64_t batch, int64_t *count)
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
static inline void count_part(pp_dataset *set, pp_part part, int64_t *count)
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

/* ---- targets ---- */

static inline double y_01(int64_t row, int64_t k)
{
    (void)k;
    return row % 3 == 1;
}

static inline double y_12(int64_t row, int64_t k)
{
    return 1 + y_01(row, k);
}

static inline double y_signs(int64_t row, int64_t k)
{
    return 2 * y_01(row, k) - 1;
}

static inline double y_zero(int64_t row, int64_t k)
{
    (void)row, (void)k;
    return 0;
}

static inline double y_three(int64_t row, int64_t k)
{
    (void)row, (void)k;
    return 3;
}

static inline double y_five(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row % 5);
}

static inline double y_large(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row * 100);
}

static inline double y_negative(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row % 5 - 2);
}

static inline double y_soft(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row % 5) / 4;
}

static inline double y_one_hot(int64_t row, int64_t k)
{
    return row % 3 == k;
}

static inline double y_nearly_one_hot(int64_t row, int64_t k)
{
    return row == 17 ? 0 : row % 3 == k;
}

#endif
