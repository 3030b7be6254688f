/* How much must be read, and inflated, for what is used; and how fast that goes here. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

#define TIMED_SECONDS 0.25 /* of a rank */

int64_t pp__plan_windows(const pp__scan *scan, int64_t *window)
{
    int64_t n = 0;
    *window = pp_window_rows(scan->job->data.window, scan->train_rows, pp_h5_columns(scan->x),
                             pp_h5_chunk_rows(scan->x), pp_job_lanes(scan->job));
    for (int f = 0; f < scan->n_train_files; f++)
        n += (scan->file_first[f + 1] - scan->file_first[f] + *window - 1) / *window;
    return n;
}

/* Chunks down the rows that windows [0, W), [W, 2W), ... of a file touch, one after the other. */
static int64_t touched(int64_t rows, int64_t window, int64_t chunk)
{
    int64_t count = 0;
    for (int64_t first = 0, end; first < rows; first = end) {
        end = rows - first < window ? rows : first + window;
        count += (end - 1) / chunk - first / chunk + 1;
    }
    return count;
}

typedef struct bytes {
    double used, in_order, by_window, by_row;
} bytes;

static void add_file(const pp_h5_facts *facts, int64_t window, bytes *sum,
                     pp_inspection_layout *layout)
{
    double used = (double)facts->rows * (double)facts->row_bytes;
    sum->used += used;
    if (facts->chunk_rows == 0) {
        sum->in_order += used;
        sum->by_window += used;
        sum->by_row += used;
        return;
    }
    double stripe = (double)facts->stripe_bytes, chunk = (double)facts->chunk_rows;
    sum->in_order += ceil((double)facts->rows / chunk) * stripe;
    sum->by_window += (double)touched(facts->rows, window, facts->chunk_rows) * stripe;
    sum->by_row += (double)facts->rows * stripe;
    layout->chunks += facts->chunks;
    if (facts->stripe_bytes > layout->stripe_bytes) {
        layout->stripe_bytes = facts->stripe_bytes;
        layout->chunk_bytes = facts->chunk_bytes;
    }
}

pp_status pp__inspect_layout(pp__scan *scan, pp_error *err)
{
    pp_inspection *report = scan->report;
    pp_inspection_layout *layout = &report->layout;
    bytes sum = {0, 0, 0, 0};
    pp_h5_facts facts;
    pp__plan_windows(scan, &layout->window);
    for (int f = 0; f < scan->n_files; f++) {
        pp_status status = pp_h5_describe(scan->x, f, &facts, err);
        if (status != PP_OK) return status;
        if (f == 0) report->x = facts;
        if (f < scan->n_train_files) add_file(&facts, layout->window, &sum, layout);
    }
    layout->epoch_bytes = (int64_t)sum.used;
    layout->in_order = sum.in_order / sum.used;
    layout->by_window = scan->job->data.shuffle ? sum.by_window / sum.used : layout->in_order;
    layout->by_row = sum.by_row / sum.used;
    return pp_h5_describe(scan->y, 0, &report->y, err);
}

typedef struct timed {
    pp__scan *scan;
    pp_rng rng;
    int64_t window, windows; /* rows of one; of the files */
    float *values;           /* [most, inputs] */
    int64_t most;
} timed;

static pp_status read_window(const timed *t, uint64_t index, int64_t *rows, pp_error *err)
{
    int64_t last = t->scan->train_rows - 1;
    int64_t first = (int64_t)pp_rng_below(t->rng, index, (uint64_t)t->windows) * t->window;
    if (first > last) first = last; /* of several files, each may end in a short window */
    int64_t end = last - first < t->window ? last + 1 : first + t->window;
    pp_status status = PP_OK;
    for (int64_t at = first; status == PP_OK && at < end; at += t->most)
        status =
            pp_h5_read_f32(t->scan->x, at, end - at < t->most ? end - at : t->most, t->values, err);
    *rows += end - first;
    return status;
}

/* Windows at random places for a moment, each rank its own, all ranks at once: what shuffled
 * reading costs. The first one is not timed. */
static pp_status read_windows(const timed *t, int64_t *windows, int64_t *rows, double *seconds,
                              pp_error *err)
{
    uint64_t index = (uint64_t)pp_comm_rank(t->scan->comm) << 32;
    pp_status status = read_window(t, index, rows, err);
    *rows = 0;
    *seconds = 0;
    status = pp_comm_agree(t->scan->comm, status, err); /* all begin at once */
    double start = pp_comm_seconds();
    while (status == PP_OK && *seconds < TIMED_SECONDS && *windows < t->windows) {
        status = read_window(t, ++index, rows, err);
        ++*windows;
        *seconds = pp_comm_seconds() - start;
    }
    return status;
}

pp_status pp__time_windows(pp__scan *scan, pp_inspection_timing *timing, pp_error *err)
{
    timed t = {.scan = scan, .rng = pp_rng_at((uint64_t)scan->job->seed, PP_RNG_WINDOWS, 0)};
    int64_t windows = 0, rows = 0;
    double seconds = 0;
    t.windows = pp__plan_windows(scan, &t.window);
    t.most = scan->block_rows < t.window ? scan->block_rows : t.window;
    t.values = malloc((size_t)t.most * (size_t)scan->inputs * sizeof *t.values);
    pp_status status = t.values == NULL ? pp__inspect_no_memory(err) : PP_OK;
    status = pp_comm_agree(scan->comm, status, err);
    if (status == PP_OK) status = read_windows(&t, &windows, &rows, &seconds, err);
    free(t.values);
    status = pp_comm_agree(scan->comm, status, err);
    if (status != PP_OK) return status;
    int64_t longest = llround(1e6 * seconds); /* us */
    pp_comm_max_i64(scan->comm, &longest, 1);
    seconds = 1e-6 * (double)longest;
    pp_comm_sum_i64(scan->comm, &rows, 1);
    pp_comm_sum_i64(scan->comm, &windows, 1);
    timing->ranks = pp_comm_size(scan->comm);
    timing->windows = windows;
    timing->window_rows_s = seconds > 0 ? (double)rows / seconds : INFINITY;
    timing->epoch_seconds = (double)scan->train_rows / timing->window_rows_s;
    return PP_OK;
}
