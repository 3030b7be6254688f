/* Rows that are windows of a series: each has the features of the row before, some columns on, or
 * the target of its neighbour among its features. Seen in the first rows of the files, which the
 * rank that reads them looks at: as many on any number of ranks. */
#include "inspect_internal.h"

enum { MOST_ROWS = 256, FEWEST_ROWS = 20, MOST_COLUMNS = 4096, ONE_IN = 20 };

typedef struct table {
    const float *x, *y;
    int64_t rows, inputs;
} table;

/* Counts equal numbers up to the first one too many that differ; what never changes says nothing.
 */
typedef struct count {
    int64_t pairs, differ, change;
} count;

static int is_lost(const count *c, int64_t pairs)
{
    return c->differ > pairs / ONE_IN;
}

static int is_repeat(const count *c)
{
    return c->pairs > 0 && !is_lost(c, c->pairs) && 2 * c->change > c->pairs;
}

static void see(count *c, float here, float there, float before)
{
    c->pairs++;
    c->differ += !(here == there);
    c->change += here != before;
}

/* Whether row i has in column k what row i - 1 has in column k + stride; backwards: the other way
 * round. */
static int is_window(const table *t, int64_t stride, int backwards)
{
    int64_t width = t->inputs - stride, pairs = (t->rows - 1) * width;
    count c = {0, 0, 0};
    for (int64_t i = 1; i < t->rows && !is_lost(&c, pairs); i++) {
        const float *row = t->x + i * t->inputs, *before = row - t->inputs;
        for (int64_t k = 0; k < width; k++)
            if (backwards)
                see(&c, row[k + stride], before[k], before[k + stride]);
            else
                see(&c, row[k], before[k + stride], before[k]);
    }
    return is_repeat(&c);
}

static int64_t find_stride(const table *t)
{
    for (int64_t stride = 1; stride < t->inputs; stride++)
        if (is_window(t, stride, 0) || is_window(t, stride, 1)) return stride;
    return 0;
}

/* Column k has the target of the row before, or of the row after. */
static int has_target(const table *t, int64_t k)
{
    count before = {0, 0, 0}, after = {0, 0, 0};
    for (int64_t i = 1; i < t->rows; i++) {
        const float *x = t->x + i * t->inputs + k;
        see(&before, x[0], t->y[i - 1], x[-t->inputs]);
        see(&after, x[-t->inputs], t->y[i], x[0]);
    }
    return is_repeat(&before) || is_repeat(&after);
}

static int find_target(const table *t)
{
    for (int64_t k = 0; k < t->inputs; k++)
        if (has_target(t, k)) return 1;
    return 0;
}

void pp__series_add(pp__scan *scan, const pp__rows *rows)
{
    table t = {rows->x, rows->y, rows->count, scan->inputs};
    if (rows->first > 0 || rows->count < FEWEST_ROWS || scan->inputs > MOST_COLUMNS) return;
    if (t.rows > MOST_ROWS) t.rows = MOST_ROWS;
    scan->series.stride = find_stride(&t);
    /* two classes are soon alike */
    if (scan->y_columns == 1 && scan->info.task == PP_TASK_REGRESSION)
        scan->series.target = find_target(&t);
}

void pp__series_finish(pp__scan *scan)
{
    int64_t found[2] = {scan->series.stride, scan->series.target};
    pp_comm_max_i64(scan->comm, found, 2);
    if (pp__is_root(scan)) scan->report->series = (pp_inspection_series){found[0], found[1] != 0};
}
