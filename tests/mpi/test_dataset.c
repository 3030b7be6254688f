/* The data set on any number of ranks, in memory and streamed: the same lanes, orders, blocks and
 * bytes as on one in memory, and every row exactly once. Each rank compares what it has among all
 * with what it would have alone. */
#include <math.h>
#include <stdint.h>

#include "support/data_case.h"
#include "support/mpi_test.h"
#include "support/shared_files.h"

enum { LANES = 8, INPUTS = 3 };

/* ---- one data set, among all and alone ---- */

typedef struct pair {
    pp_comm *alone;
    pp_dataset *all, *one;
    const pp_dataset_info *info;
    pp_lane_range range;
    int64_t batch;
    int64_t cut[LANES + 1];
} pair;

/* How the set of all ranks has its rows; that of one has them in memory. */
typedef enum rows_in { IN_MEMORY, STREAMED, STREAMED_TIGHTLY } rows_in;

/* The fewest bytes with which all ranks can stream: what the message asks for. */
static int64_t fewest_bytes(const pp_job *job)
{
    pp_job tight = *job;
    pp_error err;
    long long bytes = 0;
    tight.data.memory = 1;
    pp_dataset *set = data_load(pp_test_comm, &tight, &err);
    CU_ASSERT_PTR_NULL(set);
    pp_dataset_close(set);
    const char *text = strstr(err.text, "give ");
    CU_ASSERT_EQUAL(err.code, PP_E_JOB);
    CU_ASSERT_TRUE(text != NULL && sscanf(text, "give %lld or more", &bytes) == 1);
    return bytes;
}

static pp_job job_for(const pp_job *job, rows_in how)
{
    pp_job made = *job;
    made.data.residency = how == IN_MEMORY ? PP_RESIDENCY_MEMORY : PP_RESIDENCY_STREAM;
    if (how == STREAMED_TIGHTLY) made.data.memory = fewest_bytes(&made);
    return made;
}

static int open_pair(pair *p, const pp_job *asked, rows_in how)
{
    pp_error err;
    pp_job of_all = job_for(asked, how), of_one = job_for(asked, IN_MEMORY);
    const pp_job *job = &of_all;
    int rank = pp_comm_rank(pp_test_comm);
    p->batch = job->training.batch;
    pp_lanes_cut(p->batch, LANES, p->cut);
    p->range = pp_lanes_of_rank(LANES, rank, pp_comm_size(pp_test_comm));
    CU_ASSERT_EQUAL_FATAL(pp_comm_split(pp_test_comm, rank, &p->alone, NULL), PP_OK);
    p->all = data_load(pp_test_comm, job, &err);
    if (p->all == NULL) printf("\n  %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL(p->all);
    p->one = data_load(p->alone, &of_one, &err);
    CU_ASSERT_PTR_NOT_NULL(p->one);
    if (p->all == NULL || p->one == NULL) return 0;
    CU_ASSERT_EQUAL(pp_dataset_streams(p->all), how != IN_MEMORY);
    CU_ASSERT_FALSE(pp_dataset_streams(p->one));
    p->info = pp_dataset_describe(p->one);
    return 1;
}

static void close_pair(pair *p)
{
    pp_dataset_close(p->all);
    pp_dataset_close(p->one);
    pp_comm_destroy(p->alone);
}

static int same_rows(const pp_dataset_info *info, const pp_rows *a, int64_t a_first,
                     const pp_rows *b, int64_t b_first, int64_t count)
{
    size_t n = (size_t)count, inputs = (size_t)info->inputs, columns = (size_t)info->y_columns;
    const float *ax = a->x + a_first * info->inputs, *bx = b->x + b_first * info->inputs;
    const float *ay = a->y + a_first * info->y_columns, *by = b->y + b_first * info->y_columns;
    return memcmp(ax, bx, n * inputs * sizeof *ax) == 0 &&
           memcmp(ay, by, n * columns * sizeof *ay) == 0 &&
           memcmp(a->weight + a_first, b->weight + b_first, n * sizeof(float)) == 0 &&
           memcmp(a->index + a_first, b->index + b_first, n * sizeof(int64_t)) == 0;
}

static void check_info(const pair *p)
{
    const pp_dataset_info *a = pp_dataset_describe(p->all), *b = p->info;
    CU_ASSERT_EQUAL(a->train_rows, b->train_rows);
    CU_ASSERT_EQUAL(a->validation_rows, b->validation_rows);
    CU_ASSERT_EQUAL(a->window, b->window);
    CU_ASSERT_EQUAL(a->task, b->task);
    CU_ASSERT_EQUAL(pp_dataset_steps_per_epoch(p->all), pp_dataset_steps_per_epoch(p->one));
    CU_ASSERT_EQUAL(pp_dataset_steps_per_epoch(p->all), (b->train_rows + p->batch - 1) / p->batch);
    for (int part = 0; part < 2; part++)
        CU_ASSERT_EQUAL(pp_dataset_part_rows(p->all, (pp_part)part),
                        pp_dataset_part_rows(p->one, (pp_part)part));
}

/* ---- batches ---- */

/* One step: this rank's lanes as in the whole batch. Adds to count [rows] what this rank has. */
static void check_step(const pair *p, int64_t step, pp_rows *mine, pp_rows *whole, int64_t *count)
{
    int64_t mine_rows[LANES] = {0}, whole_rows[LANES] = {0};
    int64_t n = pp_dataset_batch(p->all, step, mine, mine_rows), total = 0, at = 0, here = 0;
    CU_ASSERT_EQUAL(pp_dataset_batch(p->one, step, whole, whole_rows), n);
    CU_ASSERT_TRUE(n > 0 && n <= p->batch);
    for (int l = 0; l < LANES; l++) {
        total += whole_rows[l];
        if (l < p->range.first) at += whole_rows[l];
        CU_ASSERT_TRUE(whole_rows[l] >= 0 && whole_rows[l] <= p->cut[l + 1] - p->cut[l]);
    }
    CU_ASSERT_EQUAL(total, n);
    for (int l = 0; l < p->range.count; l++) {
        CU_ASSERT_EQUAL(mine_rows[l], whole_rows[p->range.first + l]);
        here += mine_rows[l];
    }
    CU_ASSERT_TRUE(same_rows(p->info, mine, 0, whole, at, here));
    for (int64_t i = 0; i < here; i++)
        count[mine->index[i]]++;
}

/* Two epochs; count [rows] is the visits of each row in the last one, over all ranks. */
static void check_epochs(const pair *p, int64_t *count, int64_t rows)
{
    pp_rows mine = data_rows(p->info, p->batch), whole = data_rows(p->info, p->batch);
    for (int64_t epoch = 3; epoch >= 0; epoch -= 3) {
        memset(count, 0, sizeof *count * (size_t)rows);
        pp_dataset_start_epoch(p->all, epoch);
        pp_dataset_start_epoch(p->one, epoch);
        int64_t steps = pp_dataset_steps_per_epoch(p->one);
        for (int64_t step = 0; step < steps; step++)
            check_step(p, step, &mine, &whole, count);
        pp_comm_sum_i64(pp_test_comm, count, rows);
    }
    data_free_rows(&mine);
    data_free_rows(&whole);
}

/* ---- blocks ---- */

/* Blocks of all ranks, one rank after the other, are those of one rank; seen [rows] counts rows
 * over all ranks. */
static void check_blocks(const pair *p, pp_part part, int64_t *seen, int64_t rows)
{
    int ranks = pp_comm_size(pp_test_comm), rank = pp_comm_rank(pp_test_comm);
    int64_t blocks = pp_dataset_blocks(p->all, part), first = 0, total = 0;
    int64_t *by_rank = calloc((size_t)ranks, sizeof *by_rank);
    pp_rows mine = data_rows(p->info, PP_BLOCK_ROWS), same = data_rows(p->info, PP_BLOCK_ROWS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(by_rank);
    by_rank[rank] = blocks;
    pp_comm_sum_i64(pp_test_comm, by_rank, ranks);
    for (int r = 0; r < ranks; r++) {
        if (r < rank) first += by_rank[r];
        total += by_rank[r];
    }
    CU_ASSERT_EQUAL(total, pp_dataset_blocks(p->one, part));
    for (int64_t b = 0; total == pp_dataset_blocks(p->one, part) && b < blocks; b++) {
        int64_t n = pp_dataset_block(p->all, part, b, &mine);
        CU_ASSERT_TRUE(n > 0 && n <= PP_BLOCK_ROWS);
        CU_ASSERT_EQUAL(n, pp_dataset_block(p->one, part, first + b, &same));
        CU_ASSERT_TRUE(same_rows(p->info, &mine, 0, &same, 0, n));
        for (int64_t i = 0; i < n; i++)
            seen[mine.index[i]]++;
    }
    pp_comm_sum_i64(pp_test_comm, seen, rows);
    free(by_rank);
    data_free_rows(&mine);
    data_free_rows(&same);
}

/* ---- cases ---- */

typedef struct shape {
    int64_t rows, chunk;
    int n_files;
    int64_t batch;
    pp_balance balance;
    int shuffle, standardise;
    double fraction;
    int64_t window, open_windows;
} shape;

static pp_job make_job(const shape *c, const char **files)
{
    pp_job job = data_job(files, c->n_files, c->batch, LANES);
    job.data.balance = c->balance;
    job.data.shuffle = c->shuffle;
    job.data.standardise = c->standardise;
    job.data.validation_fraction = c->fraction;
    job.data.window = c->window;
    job.data.open_windows = c->open_windows;
    return job;
}

/* Visits and evaluations of each row against what the mode promises. */
static void check_counts(const pair *p, const shape *c, const int64_t *visits, const int64_t *train,
                         const int64_t *held)
{
    int64_t total = 0, n_train = 0, n_held = 0;
    for (int64_t i = 0; i < c->rows; i++) {
        total += visits[i];
        n_train += train[i];
        n_held += held[i];
        CU_ASSERT_EQUAL(train[i], visits[i] > 0);
        CU_ASSERT_TRUE(held[i] == 0 || (held[i] == 1 && visits[i] == 0));
        if (c->balance == PP_BALANCE_NONE) CU_ASSERT_EQUAL(visits[i] + held[i], 1);
        if (c->balance == PP_BALANCE_OVERSAMPLE) CU_ASSERT_TRUE(visits[i] + held[i] >= 1);
        if (c->balance == PP_BALANCE_UNDERSAMPLE) CU_ASSERT_TRUE(visits[i] + held[i] <= 1);
    }
    CU_ASSERT_EQUAL(total, p->info->train_rows);
    CU_ASSERT_EQUAL(n_train, pp_dataset_part_rows(p->all, PP_PART_TRAIN));
    CU_ASSERT_EQUAL(n_held, p->info->validation_rows);
}

static void check_class_totals(const pair *p, const shape *c, const int64_t *visits)
{
    int64_t total[4] = {0};
    if (c->balance != PP_BALANCE_OVERSAMPLE && c->balance != PP_BALANCE_UNDERSAMPLE) return;
    for (int64_t i = 0; i < c->rows; i++)
        total[(int)data_four_classes(i, 0)] += visits[i];
    for (int64_t k = 1; k < p->info->classes; k++)
        CU_ASSERT_EQUAL(total[k], total[0]);
}

static void check_rows_of(const shape *c, const pp_job *job, rows_in how)
{
    pair p = {0};
    int64_t *counts = calloc((size_t)(3 * c->rows), sizeof *counts);
    CU_ASSERT_PTR_NOT_NULL_FATAL(counts);
    int64_t *visits = counts, *train = counts + c->rows, *held = train + c->rows;
    if (open_pair(&p, job, how)) {
        check_info(&p);
        check_epochs(&p, visits, c->rows);
        check_blocks(&p, PP_PART_TRAIN, train, c->rows);
        check_blocks(&p, PP_PART_VALIDATION, held, c->rows);
        check_counts(&p, c, visits, train, held);
        check_class_totals(&p, c, visits);
    }
    free(counts);
    close_pair(&p);
    pp_test_barrier();
}

static void check_shape(scratch *s, const shape *c)
{
    const char *files[3];
    for (int f = 0; f < c->n_files; f++) {
        int64_t first = c->rows * f / c->n_files, end = c->rows * (f + 1) / c->n_files;
        const char *name = scratch_path(s, f == 0 ? "a.h5" : f == 1 ? "b.h5" : "c.h5");
        files[f] = share_file(s, strrchr(name, '/') + 1,
                              &(data_file){.first = first,
                                           .rows = end - first,
                                           .inputs = INPUTS,
                                           .chunk = c->chunk,
                                           .y_type = PP_H5_U8,
                                           .y = data_four_classes});
    }
    pp_job job = make_job(c, files);
    for (rows_in how = IN_MEMORY; how <= STREAMED_TIGHTLY; how++)
        check_rows_of(c, &job, how);
}

/* All numbers of rows that are awkward for 8 lanes, with a batch that they do not divide. */
static void test_row_counts(void)
{
    static const int64_t rows[] = {1, 2, LANES - 1, LANES, LANES + 1, 97, 641, 10007};
    scratch s;
    share_scratch(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_shape(&s, &(shape){.rows = rows[i],
                                 .n_files = 1,
                                 .batch = 20,
                                 .shuffle = 1,
                                 .fraction = 0.1,
                                 .window = PP_AUTO,
                                 .open_windows = 4});
        check_shape(&s, &(shape){.rows = rows[i],
                                 .n_files = 1,
                                 .batch = 20,
                                 .shuffle = 0,
                                 .window = PP_AUTO,
                                 .open_windows = 4});
    }
    unshare_scratch(&s);
}

/* A batch smaller than the lanes leaves some without rows; a large one is aligned; one has it all.
 */
static void test_batches(void)
{
    static const int64_t batches[] = {1, 3, 8, 193, 256, 5000};
    scratch s;
    share_scratch(&s);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        for (int shuffle = 0; shuffle < 2; shuffle++)
            check_shape(&s, &(shape){.rows = 1009,
                                     .n_files = 1,
                                     .batch = batches[i],
                                     .shuffle = shuffle,
                                     .fraction = 0.2,
                                     .window = PP_AUTO,
                                     .open_windows = 3});
    unshare_scratch(&s);
}

static void test_balance_modes(void)
{
    static const pp_balance modes[] = {PP_BALANCE_OVERSAMPLE, PP_BALANCE_UNDERSAMPLE,
                                       PP_BALANCE_CLASS_WEIGHTS};
    scratch s;
    share_scratch(&s);
    for (int i = 0; i < 3; i++)
        for (int shuffle = 0; shuffle < 2; shuffle++)
            check_shape(&s, &(shape){.rows = 1009,
                                     .n_files = 1,
                                     .batch = 20,
                                     .balance = modes[i],
                                     .shuffle = shuffle,
                                     .fraction = 0.1,
                                     .window = PP_AUTO,
                                     .open_windows = 4});
    unshare_scratch(&s);
}

static void test_layouts(void)
{
    static const shape shapes[] = {
        {5003, 16, 1, 100, PP_BALANCE_NONE, 1, 0, 0.1, PP_AUTO, 4},
        {5003, 1000, 1, 100, PP_BALANCE_NONE, 1, 0, 0.1, PP_AUTO, 4},
        {5003, 16, 3, 100, PP_BALANCE_NONE, 1, 0, 0.1, PP_AUTO, 4},
        {5003, 16, 3, 100, PP_BALANCE_OVERSAMPLE, 1, 0, 0.1, 48, 1},
        {5003, 0, 2, 100, PP_BALANCE_NONE, 0, 0, 0.1, PP_AUTO, 4},
        {5003, 0, 1, 100, PP_BALANCE_NONE, 1, 0, 0.3, 1, 1000000},
        {5003, 0, 1, 100, PP_BALANCE_NONE, 1, 0, 0, 1000000, 1},
    };
    scratch s;
    share_scratch(&s);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&s, &shapes[i]);
    unshare_scratch(&s);
}

/* ---- standardisation ---- */

static double x_wild(int64_t row, int64_t k)
{
    return k == 0 ? (double)row : sin((double)(row * 7 + k)) * pow(10, (double)(k * 3));
}

static void check_standardised(scratch *s, int shuffle, pp_balance balance, rows_in how)
{
    enum { inputs = INPUTS };
    pair p = {0};
    const char *path = share_file(s, "x.h5",
                                  &(data_file){.rows = 701,
                                               .inputs = inputs,
                                               .y_type = PP_H5_U8,
                                               .x = x_wild,
                                               .y = data_four_classes});
    pp_job job = data_job(&path, 1, 50, LANES);
    int64_t visits[701], seen[701] = {0};
    job.data.shuffle = shuffle;
    job.data.balance = balance;
    job.data.standardise = 1;
    if (open_pair(&p, &job, how)) {
        size_t bytes = sizeof(float) * (size_t)inputs;
        CU_ASSERT_EQUAL(memcmp(pp_dataset_shift(p.all), pp_dataset_shift(p.one), bytes), 0);
        CU_ASSERT_EQUAL(memcmp(pp_dataset_scale(p.all), pp_dataset_scale(p.one), bytes), 0);
        CU_ASSERT_NOT_EQUAL(pp_dataset_shift(p.all)[inputs - 1], 0);
        CU_ASSERT_NOT_EQUAL(pp_dataset_scale(p.all)[inputs - 1], 1);
        check_epochs(&p, visits, 701);
        check_blocks(&p, PP_PART_VALIDATION, seen, 701);
    }
    close_pair(&p);
    pp_test_barrier();
}

static void test_standardise(void)
{
    scratch s;
    share_scratch(&s);
    for (rows_in how = IN_MEMORY; how <= STREAMED_TIGHTLY; how++)
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            check_standardised(&s, shuffle, PP_BALANCE_NONE, how);
            check_standardised(&s, shuffle, PP_BALANCE_OVERSAMPLE, how);
        }
    unshare_scratch(&s);
}

static double x_wide(int64_t row, int64_t k)
{
    return (double)((row * 31 + k * 17) % 1013) * 0.37;
}

/* More features than are summed at once. */
static void test_standardise_many_features(void)
{
    enum { WIDE = 5000 };
    scratch s;
    pair p = {0};
    share_scratch(&s);
    const char *path = share_file(&s, "x.h5",
                                  &(data_file){.rows = 60,
                                               .inputs = WIDE,
                                               .chunk = 7,
                                               .y_type = PP_H5_F32,
                                               .x = x_wide,
                                               .y = data_real});
    pp_job job = data_job(&path, 1, 16, LANES);
    job.data.standardise = 1;
    job.data.validation_fraction = 0;
    if (open_pair(&p, &job, IN_MEMORY)) {
        const float *shift = pp_dataset_shift(p.all);
        CU_ASSERT_EQUAL(memcmp(shift, pp_dataset_shift(p.one), sizeof(float) * WIDE), 0);
        CU_ASSERT_EQUAL(
            memcmp(pp_dataset_scale(p.all), pp_dataset_scale(p.one), sizeof(float) * WIDE), 0);
        for (int64_t k = 0; k < WIDE; k += 499) {
            double mean = 0;
            for (int64_t i = 0; i < 60; i++)
                mean += (float)x_wide(i, k) / 60.0;
            CU_ASSERT_DOUBLE_EQUAL(shift[k], mean, 1e-4);
        }
    }
    close_pair(&p);
    unshare_scratch(&s);
}

/* ---- steps and evaluations as they come in a training ---- */

static double weight_of(int64_t row)
{
    return (double)(row % 5) * 0.25;
}

/* Begins in the middle of an epoch, as after a resume; evaluates now and then, once not to the end;
 * goes on into later epochs. Several columns of y, row weights, and files of held-out rows. */
static void check_course(const pair *p, int64_t rows)
{
    static const struct {
        int64_t epoch, step, evaluate; /* 1: training rows, 2: held-out ones, 3: begins to */
    } course[] = {{2, 9, 0}, {2, 10, 2}, {2, 11, 1}, {2, 12, 3}, {2, 13, 2}, {2, 14, 0}, {2, 15, 1},
                  {3, 0, 0}, {3, 1, 2},  {3, 2, 0},  {1, 5, 0},  {1, 6, 2},  {4, 15, 0}, {5, 0, 2}};
    int64_t *count = calloc((size_t)rows, sizeof *count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(count);
    pp_rows mine = data_rows(p->info, p->batch), whole = data_rows(p->info, p->batch);
    pp_rows block = data_rows(p->info, PP_BLOCK_ROWS);
    CU_ASSERT_EQUAL(pp_dataset_steps_per_epoch(p->one), 16);
    for (size_t i = 0; i < sizeof course / sizeof *course; i++) {
        pp_dataset_start_epoch(p->all, course[i].epoch);
        pp_dataset_start_epoch(p->one, course[i].epoch);
        check_step(p, course[i].step, &mine, &whole, count);
        if (course[i].evaluate == 1) check_blocks(p, PP_PART_TRAIN, count, rows);
        if (course[i].evaluate == 2) check_blocks(p, PP_PART_VALIDATION, count, rows);
        if (course[i].evaluate == 3 && pp_dataset_blocks(p->all, PP_PART_VALIDATION) > 0)
            (void)pp_dataset_block(p->all, PP_PART_VALIDATION, 0, &block);
    }
    free(count);
    data_free_rows(&mine);
    data_free_rows(&whole);
    data_free_rows(&block);
}

static void test_course(void)
{
    enum { ROWS = 1570, HELD = 2003 };
    scratch s;
    share_scratch(&s);
    data_file file = {.rows = ROWS,
                      .inputs = INPUTS,
                      .y_columns = 2,
                      .chunk = 10,
                      .y_type = PP_H5_F32,
                      .y = data_real,
                      .weight = weight_of};
    const char *path = share_file(&s, "a.h5", &file);
    file.first = ROWS;
    file.rows = HELD;
    const char *held = share_file(&s, "b.h5", &file);
    pp_job job = data_job(&path, 1, 101, LANES);
    job.data.row_weights = "w";
    job.data.validation_files = &held;
    job.data.n_validation_files = 1;
    job.data.validation_fraction = 0;
    job.data.standardise = 1;
    for (rows_in how = IN_MEMORY; how <= STREAMED_TIGHTLY; how++)
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            pair p = {0};
            job.data.shuffle = shuffle;
            if (open_pair(&p, &job, how)) check_course(&p, ROWS + HELD);
            close_pair(&p);
            pp_test_barrier();
        }
    unshare_scratch(&s);
}

/* ---- reading only what is needed ---- */

static void test_memory_is_shared_out(void)
{
    scratch s;
    pair p = {0};
    share_scratch(&s);
    const char *path = share_file(
        &s, "a.h5",
        &(data_file){.rows = 10007, .inputs = INPUTS, .y_type = PP_H5_U8, .y = data_four_classes});
    pp_job job = data_job(&path, 1, 256, LANES);
    if (open_pair(&p, &job, IN_MEMORY)) {
        int64_t bytes = pp_dataset_bytes(p.all);
        CU_ASSERT_TRUE((double)bytes <=
                       (double)pp_dataset_bytes(p.one) * (p.range.count + 1) / LANES * 1.1);
        pp_comm_sum_i64(pp_test_comm, &bytes, 1);
        CU_ASSERT_EQUAL(bytes, pp_dataset_bytes(p.one)); /* each row on exactly one rank */
    }
    close_pair(&p);
    unshare_scratch(&s);
}

/* ---- failures ---- */

static double x_bad(int64_t row, int64_t k)
{
    return (row == 333 || row == 334 || row >= 900) && k == 1 ? NAN : data_x(row, k);
}

static double x_one_bad(int64_t row, int64_t k)
{
    return row == 1008 && k == 0 ? -INFINITY : data_x(row, k);
}

static double y_bad(int64_t row, int64_t k)
{
    return row == 77 ? NAN : data_real(row, k);
}

/* All ranks leave with the same code and text. */
static void check_failure(const pp_job *job, const char *path, const char *text)
{
    pp_error err = {.code = PP_OK}, first;
    pp_dataset *set = data_load(pp_test_comm, job, &err);
    CU_ASSERT_PTR_NULL(set);
    pp_dataset_close(set);
    CU_ASSERT_NOT_EQUAL(err.code, PP_OK);
    if (strstr(err.text, text) == NULL) printf("\n  got '%s'\n", err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, text));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    first = err;
    pp_comm_broadcast(pp_test_comm, 0, &first, sizeof first);
    CU_ASSERT_STRING_EQUAL(err.text, first.text);
    CU_ASSERT_EQUAL(err.code, first.code);
    CU_ASSERT_EQUAL(err.rank, first.rank);
}

static void test_failures(void)
{
    static const struct {
        data_file file;
        char text[64];
    } cases[] = {
        {{.rows = 1009, .inputs = 2, .y_type = PP_H5_F32, .y = data_real, .x = x_bad},
         ": /x: row 333, column 1 is NaN"},
        {{.rows = 1009, .inputs = 2, .y_type = PP_H5_F32, .y = data_real, .x = x_one_bad},
         ": /x: row 1008, column 0 is infinite"},
        {{.rows = 1009, .inputs = 2, .y_type = PP_H5_F32, .y = y_bad}, ": /y: row 77 is NaN"},
        {{.rows = 1009, .inputs = 2, .y_type = PP_H5_F32, .y = data_real, .y_rows = 1000},
         "/x has 1009 rows, /y has 1000"},
        {{.rows = 0, .inputs = 2, .y_type = PP_H5_F32, .y = data_real}, "/x has no rows"},
    };
    scratch s;
    share_scratch(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = share_file(&s, "bad.h5", &cases[i].file);
        pp_job job = data_job(&path, 1, 20, LANES);
        check_failure(&job, path, cases[i].text);
        job.data.shuffle = 0;
        check_failure(&job, path, cases[i].text);
        pp_test_barrier();
    }
    unshare_scratch(&s);
}

/* One rank alone cannot find the file: all leave, with its message. */
static void test_failure_of_one_rank(void)
{
    scratch s;
    share_scratch(&s);
    int last = pp_comm_size(pp_test_comm) - 1, is_last = pp_comm_rank(pp_test_comm) == last;
    const char *good = share_file(
        &s, "a.h5", &(data_file){.rows = 50, .inputs = 2, .y_type = PP_H5_F32, .y = data_real});
    const char *path = is_last ? scratch_path(&s, "none.h5") : good;
    pp_job job = data_job(&path, 1, 20, LANES);
    pp_error err = {.code = PP_OK};
    pp_dataset *set = data_load(pp_test_comm, &job, &err);
    CU_ASSERT_PTR_NULL(set);
    pp_dataset_close(set);
    CU_ASSERT_EQUAL(err.code, PP_E_IO);
    CU_ASSERT_EQUAL(err.rank, last);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "none.h5"));
    unshare_scratch(&s);
}

const pp_test pp_tests_dataset[] = {
    {"any number of rows", test_row_counts},
    {"any batch", test_batches},
    {"balance modes", test_balance_modes},
    {"chunks, files and windows", test_layouts},
    {"standardisation has the same bytes", test_standardise},
    {"steps and evaluations in turn", test_course},
    {"standardisation of many features", test_standardise_many_features},
    {"each row is held by one rank", test_memory_is_shared_out},
    {"ranks fail together, with the lowest bad row", test_failures},
    {"a failure of one rank is everyone's", test_failure_of_one_rank},
    {NULL, NULL},
};
