/* The order of rows on one rank: file order, epochs, windows. */
#include <math.h>

#include "base/rng.h"
#include "support/dataset_test.h"

static void test_file_order(void)
{
    enum { ROWS = 101, BATCH = 20 };
    scratch s;
    scratch_make(&s);
    const char *files[2] = {
        make(
            &s, "a.h5",
            &(data_file){.rows = 37, .inputs = 2, .chunk = 8, .y_type = PP_H5_F32, .y = data_real}),
        make(&s, "b.h5",
             &(data_file){.first = 37,
                          .rows = 64,
                          .inputs = 2,
                          .chunk = 8,
                          .y_type = PP_H5_F32,
                          .y = data_real})};
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
    const char *path = make(
        &s, "a.h5", &(data_file){.rows = ROWS, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
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
    const char *path = make(
        &s, "a.h5", &(data_file){.rows = 4000, .inputs = 2, .y_type = PP_H5_U8, .y = y_sorted});
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

/* ---- the mix of a file that is sorted by class, and of one that is not ---- */

enum { MIX_ROWS = 60000, MIX_CLASSES = 10, MIX_BATCH = 64, MIX_BATCHES = 50, MIX_LANES = 8 };

static double y_ten_sorted(int64_t row, int64_t k)
{
    (void)k;
    return (double)(row / (MIX_ROWS / MIX_CLASSES));
}

static double y_ten_mixed(int64_t row, int64_t k)
{
    (void)k;
    return (double)pp_rng_below(pp_rng_at(3, PP_RNG_TEST, 0), (uint64_t)row, MIX_CLASSES);
}

typedef struct class_mix {
    double
        distance; /* mean over batches: half the sum of |share in the batch - share in the file| */
    int fewest;   /* classes in a batch */
} class_mix;

static class_mix mix_of_batches(const char *path)
{
    pp_job job = data_job(&path, 1, MIX_BATCH, MIX_LANES);
    job.data.open_windows = 16;
    pp_dataset *set = load(&job);
    pp_rows rows = data_rows(pp_dataset_describe(set), MIX_BATCH);
    int64_t lane_rows[MIX_LANES];
    class_mix mix = {0, MIX_CLASSES};
    pp_dataset_start_epoch(set, 0);
    for (int64_t step = 0; step < MIX_BATCHES; step++) {
        int count[MIX_CLASSES] = {0}, present = 0;
        int64_t n = pp_dataset_batch(set, step, &rows, lane_rows);
        for (int64_t i = 0; i < n; i++)
            count[(int)rows.y[i]]++;
        for (int k = 0; k < MIX_CLASSES; k++) {
            present += count[k] > 0;
            mix.distance +=
                fabs((double)count[k] / (double)n - 1.0 / MIX_CLASSES) / 2 / MIX_BATCHES;
        }
        if (present < mix.fewest) mix.fewest = present;
    }
    data_free_rows(&rows);
    pp_dataset_close(set);
    return mix;
}

/* Rows drawn one by one would be 0.15 away; batches of one class 0.9. */
static void test_batches_of_a_sorted_file_are_mixed(void)
{
    scratch s;
    scratch_make(&s);
    const char *sorted =
        make(&s, "sorted.h5",
             &(data_file){.rows = MIX_ROWS, .inputs = 28, .y_type = PP_H5_U8, .y = y_ten_sorted});
    const char *mixed =
        make(&s, "mixed.h5",
             &(data_file){.rows = MIX_ROWS, .inputs = 28, .y_type = PP_H5_U8, .y = y_ten_mixed});
    class_mix a = mix_of_batches(sorted), b = mix_of_batches(mixed);
    printf("\n  first %d batches of %d rows, %d classes: distance from the file's mix %.3f (sorted "
           "file), %.3f (mixed file); fewest classes in a batch %d, %d",
           MIX_BATCHES, MIX_BATCH, MIX_CLASSES, a.distance, b.distance, a.fewest, b.fewest);
    CU_ASSERT_TRUE(b.distance > 0.12 && b.distance < 0.18);
    CU_ASSERT_TRUE(a.distance < b.distance + 0.05);
    CU_ASSERT_TRUE(a.fewest >= 7);
    scratch_remove(&s);
}

typedef struct window_case {
    int64_t rows, chunk, asked, window;
} window_case;

static void test_window_rule(void)
{
    static const window_case cases[] = {
        {10000, 0, PP_AUTO, 64}, {1000, 0, PP_AUTO, 7},    {100, 0, PP_AUTO, 1},
        {10000, 0, 500, 500},    {10000, 50, PP_AUTO, 50}, {10000, 500, PP_AUTO, 64},
        {6400, 50, PP_AUTO, 50}, {6350, 50, PP_AUTO, 49},  {10000, 50, 10, 10},
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const window_case *c = &cases[i];
        const char *path = make(&s, "a.h5",
                                &(data_file){.rows = c->rows,
                                             .inputs = 1,
                                             .chunk = c->chunk,
                                             .y_type = PP_H5_F32,
                                             .y = data_real});
        pp_job job = data_job(&path, 1, 64, LANES);
        job.data.window = c->asked;
        pp_dataset *set = load(&job);
        CU_ASSERT_EQUAL(pp_dataset_describe(set)->window, c->window);
        CU_ASSERT_EQUAL(pp_dataset_describe(set)->chunk_rows, c->chunk);
        pp_dataset_close(set);
    }
    scratch_remove(&s);
}

/* One lane, windows larger than the files and one open at a time: a file at a time, mixed within.
 */
static void test_windows_keep_to_their_file(void)
{
    scratch s;
    scratch_make(&s);
    int64_t row[100], changes = 0;
    const char *files[2] = {
        make(&s, "a.h5",
             &(data_file){.rows = 30, .inputs = 2, .y_type = PP_H5_F32, .y = data_real}),
        make(&s, "b.h5",
             &(data_file){
                 .first = 30, .rows = 70, .inputs = 2, .y_type = PP_H5_F32, .y = data_real})};
    pp_job job = data_job(files, 2, 16, 1);
    job.data.validation_fraction = 0;
    job.data.window = 1000;
    job.data.open_windows = 1;
    pp_dataset *set = load(&job);
    int64_t n = first_lane(set, 0, 16, row);
    CU_ASSERT_EQUAL_FATAL(n, 100);
    for (int64_t i = 1; i < n; i++)
        changes += (row[i] < 30) != (row[i - 1] < 30);
    CU_ASSERT_EQUAL(changes, 1);
    pp_dataset_close(set);
    scratch_remove(&s);
}

const pp_test pp_tests_dataset_order[] = {
    {"file order gives consecutive rows", test_file_order},
    {"epochs differ in order only", test_epochs_differ_in_order_only},
    {"a sorted file is dealt evenly", test_sorted_file_is_dealt_evenly},
    {"batches of a sorted file are as mixed as those of a mixed one",
     test_batches_of_a_sorted_file_are_mixed},
    {"window rule", test_window_rule},
    {"windows keep to their file", test_windows_keep_to_their_file},
    {NULL, NULL},
};
