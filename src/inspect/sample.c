/* A few thousand rows kept whole on rank 0, for what no running sum gives: quantiles, the most
 * frequent target, and what a single feature tells about y.
 *
 * The rows are cut into K equal strata and one row of each is taken, at a hashed place in it: the
 * sample depends on the row count and the width of a row alone. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 8192, FEWEST_ROWS = 32, MOST_VALUES = 8 << 20, MOST_TARGETS = 16 };

static int64_t sample_size(const pp__scan *scan)
{
    int64_t wide = scan->inputs > scan->y_columns ? scan->inputs : scan->y_columns;
    int64_t rows = MOST_VALUES / wide;
    if (rows > MOST_ROWS) rows = MOST_ROWS;
    if (rows < FEWEST_ROWS) rows = FEWEST_ROWS;
    return rows < scan->rows ? rows : scan->rows;
}

__extension__ typedef __int128 wide_int;

static int64_t stratum(const pp__scan *scan, int64_t i, int64_t count)
{
    return (int64_t)((wide_int)i * scan->rows / count);
}

static void choose_rows(pp__sample *s, const pp__scan *scan)
{
    for (int64_t i = 0; i < s->rows; i++) {
        int64_t first = stratum(scan, i, s->rows), end = stratum(scan, i + 1, s->rows);
        s->row[i] = first + (int64_t)(pp__mix((uint64_t)i) % (uint64_t)(end - first));
    }
}

/* The first sample row of every rank. */
void pp__sample_share(pp__sample *s, const pp__scan *scan)
{
    int64_t first = 0;
    while (first < s->rows && s->row[first] < scan->first)
        first++;
    s->next_x = s->next_y = first;
    pp_comm_all_gather(scan->comm, &first, sizeof first, s->of_rank);
    s->of_rank[pp_comm_size(scan->comm)] = s->rows;
}

/* calloc, not the arena: pages of other ranks' rows are never touched. */
pp_status pp__sample_start(pp__scan *scan, pp__sample **sample, pp_error *err)
{
    pp__sample *s = calloc(1, sizeof *s);
    if (s == NULL) return pp__inspect_no_memory(err);
    *sample = s;
    s->rows = sample_size(scan);
    s->row = PP_ARENA_NEW(scan->arena, int64_t, s->rows);
    s->of_rank = PP_ARENA_NEW(scan->arena, int64_t, pp_comm_size(scan->comm) + 1);
    s->x = calloc((size_t)s->rows * (size_t)scan->inputs, sizeof(float));
    s->y = calloc((size_t)s->rows * (size_t)scan->y_columns, sizeof(float));
    if (s->row == NULL || s->of_rank == NULL || s->x == NULL || s->y == NULL)
        return pp__inspect_no_memory(err);
    choose_rows(s, scan);
    return PP_OK;
}

void pp__sample_free(pp__sample *sample)
{
    if (sample == NULL) return;
    free(sample->x);
    free(sample->y);
    free(sample);
}

void pp__sample_add(pp__sample *s, const pp__scan *scan, const pp__rows *rows)
{
    int64_t *next = rows->x != NULL ? &s->next_x : &s->next_y;
    int64_t columns = rows->x != NULL ? scan->inputs : scan->y_columns;
    const float *from = rows->x != NULL ? rows->x : rows->y;
    float *to = rows->x != NULL ? s->x : s->y;
    for (; *next < s->rows && s->row[*next] < rows->first + rows->count; (*next)++)
        memcpy(to + *next * columns, from + (s->row[*next] - rows->first) * columns,
               (size_t)columns * sizeof *to);
}

/* Brings [K, columns] together on rank 0. */
static void gather(pp__sample *s, const pp__scan *scan, float *values, int64_t columns)
{
    int ranks = pp_comm_size(scan->comm);
    for (int r = 0; r <= ranks; r++)
        s->of_rank[r] *= columns;
    pp_comm_gather_ranges(scan->comm, 0, s->of_rank, values);
    for (int r = 0; r <= ranks; r++)
        s->of_rank[r] /= columns;
}

/* ---- one column in ascending order ---- */

typedef struct entry {
    float value;
    int32_t row; /* of the sample */
} entry;

static int by_value(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Finite values of a column whose row has finite targets; returns how many. */
static int64_t sort_column(const pp__sample *s, const float *values, int64_t columns,
                           int64_t column, int64_t y_columns, entry *list)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->rows; i++) {
        float value = values[i * columns + column];
        if (isfinite(value) && pp__row_is_finite(s->y + i * y_columns, y_columns))
            list[n++] = (entry){value, (int32_t)i};
    }
    qsort(list, (size_t)n, sizeof *list, by_value);
    return n;
}

static double quantile(const entry *list, int64_t n, double share)
{
    return n == 0 ? NAN : list[(int64_t)(share * (double)(n - 1) + 0.5)].value;
}

/* ---- codes for missing values ---- */

/* -1, -99, 999, -9999, ...; the least of 16 and 32 bits; the fill values of netCDF. */
static int is_usual_code(double v)
{
    double nines = log10(fabs(v) + 1);
    if (v == -1 || v == -32767 || v == -32768 || v == -2147483648.0 || fabs(v) > 9e36) return 1;
    return fabs(v) >= 99 && nines == floor(nines);
}

typedef struct extreme {
    int64_t rows; /* that hold it */
    int64_t first_other, others;
    double value, nearest;
} extreme;

static extreme extreme_of(const entry *list, int64_t n, int high)
{
    extreme e = {.value = list[high ? n - 1 : 0].value};
    while (e.rows < n && list[high ? n - 1 - e.rows : e.rows].value == (float)e.value)
        e.rows++;
    e.others = n - e.rows;
    e.first_other = high ? 0 : e.rows;
    if (e.others > 0) e.nearest = list[high ? n - 1 - e.rows : e.rows].value;
    return e;
}

/* An extreme that several rows share, and that lies far from the others for their spread: 2
 * interquartile ranges where it is one of the codes in use, else 20. */
static int is_code(const extreme *e, const entry *list)
{
    enum { FEWEST = 3, FEWEST_OTHERS = 20 };
    if (e->rows < FEWEST || e->others < FEWEST_OTHERS) return 0;
    const entry *others = list + e->first_other;
    double range = quantile(others, e->others, 0.75) - quantile(others, e->others, 0.25);
    double gap = fabs(e->value - e->nearest);
    return range > 0 && gap >= (is_usual_code(e->value) ? 2 : 20) * range;
}

static void find_code(const entry *list, int64_t n, double *code, double *share)
{
    *code = NAN;
    *share = 0;
    for (int high = 0; high < 2 && n > 0; high++) {
        extreme e = extreme_of(list, n, high);
        if (!is_code(&e, list)) continue;
        *code = e.value;
        *share = (double)e.rows / (double)n;
        return;
    }
}

static int64_t count_distinct(const entry *list, int64_t n)
{
    int64_t distinct = n > 0;
    for (int64_t i = 1; i < n; i++)
        distinct += list[i].value != list[i - 1].value;
    return distinct;
}

/* ---- y ---- */

static void tell_y(pp__sample *s, const entry *list, int64_t n, pp_inspection_targets *to)
{
    int64_t run = 0, most = 0;
    to->distinct = 0;
    to->all_integral = n > 0;
    to->spike = s->spike = NAN;
    for (int64_t i = 0; i < n; i++) {
        int is_new = i == 0 || list[i].value != list[i - 1].value;
        run = is_new ? 1 : run + 1;
        to->distinct += is_new;
        to->all_integral &= list[i].value == rintf(list[i].value);
        if (run <= most) continue;
        most = run;
        to->spike = s->spike = list[i].value;
    }
    to->q25 = quantile(list, n, 0.25);
    to->median = quantile(list, n, 0.5);
    to->q75 = quantile(list, n, 0.75);
    find_code(list, n, &to->code, &to->code_share);
}

static pp_status look_at_y(pp__sample *s, pp__scan *scan, pp_error *err)
{
    entry *list = malloc((size_t)s->rows * sizeof *list);
    if (list == NULL) return pp__inspect_no_memory(err);
    int64_t n = sort_column(s, s->y, scan->y_columns, 0, scan->y_columns, list);
    tell_y(s, list, n, &scan->report->targets);
    scan->report->sample_rows = s->rows;
    free(list);
    return PP_OK;
}

pp_status pp__sample_finish_y(pp__sample *s, pp__scan *scan, pp_error *err)
{
    gather(s, scan, s->y, scan->y_columns);
    pp_status status = pp__is_root(scan) ? look_at_y(s, scan, err) : PP_OK;
    status = pp_comm_agree(scan->comm, status, err);
    if (status == PP_OK) pp_comm_broadcast(scan->comm, 0, &s->spike, sizeof s->spike);
    return status;
}

/* ---- what one feature tells ---- */

/* The nearest other row in this feature (the lower one of two as near); equal values first. Cover
 * and Hart, IEEE Trans. Inf. Theory 1967, in one dimension: its error is at most twice the least
 * that any function of this feature can have. */
static int32_t nearest(const entry *list, int64_t n, int64_t i)
{
    if (i == 0) return list[1].row;
    if (i == n - 1) return list[n - 2].row;
    double below = (double)list[i].value - (double)list[i - 1].value;
    double above = (double)list[i + 1].value - (double)list[i].value;
    return below <= above ? list[i - 1].row : list[i + 1].row;
}

static double class_skill(const int64_t *class_of, const entry *list, int64_t n, double base_error)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++)
        wrong += class_of[list[i].row] != class_of[nearest(list, n, i)];
    return base_error > 0 ? 1 - (double)wrong / (double)n / base_error : NAN;
}

static double number_skill(const pp__sample *s, int64_t y_columns, int64_t column,
                           const entry *list, int64_t n)
{
    double origin = s->y[list[0].row * y_columns + column]; /* constants leave exact zeros */
    double mean = 0, variance = 0, error = 0;
    for (int64_t i = 0; i < n; i++)
        mean += ((double)s->y[list[i].row * y_columns + column] - origin) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double y = s->y[list[i].row * y_columns + column];
        double other = s->y[nearest(list, n, i) * y_columns + column];
        variance += (y - origin - mean) * (y - origin - mean);
        error += (y - other) * (y - other);
    }
    return variance > 0 ? 1 - error / variance : NAN;
}

typedef struct telling {
    int64_t *class_of; /* [K]; NULL: regression */
    double base_error; /* share of rows that are not of the largest class */
} telling;

static int prepare(telling *t, const pp__sample *s, const pp__scan *scan)
{
    const pp_dataset_info *info = &scan->info;
    if (info->classes == 0) return 1;
    int64_t *counts = calloc((size_t)info->classes, sizeof *counts), most = 0, all = 0;
    t->class_of = malloc((size_t)s->rows * sizeof *t->class_of);
    for (int64_t i = 0; counts != NULL && t->class_of != NULL && i < s->rows; i++) {
        int64_t k = pp_class_of(info, s->y + i * info->y_columns);
        t->class_of[i] = k;
        if (k < 0) continue;
        all++;
        if (++counts[k] > most) most = counts[k];
    }
    int ok = counts != NULL && t->class_of != NULL;
    free(counts);
    t->base_error = all > 0 ? 1 - (double)most / (double)all : 0;
    return ok;
}

static double skill(const telling *t, const pp__sample *s, const pp__scan *scan, const entry *list,
                    int64_t n)
{
    double best = NAN;
    if (n < 2) return NAN;
    if (t->class_of != NULL) return class_skill(t->class_of, list, n, t->base_error);
    for (int64_t k = 0; k < scan->y_columns && k < MOST_TARGETS; k++)
        best = fmax(best, number_skill(s, scan->y_columns, k, list, n));
    return best;
}

/* y = a x + b to the last digits of float32. */
static int is_linear(const pp__sample *s, int64_t y_columns, const entry *list, int64_t n)
{
    double x0 = list[0].value, y0 = s->y[list[0].row * y_columns];
    double xx = 0, xy = 0, yy = 0, x = 0, y = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = (double)list[i].value - x0, b = (double)s->y[list[i].row * y_columns] - y0;
        x += a;
        y += b;
        xx += a * a;
        xy += a * b;
        yy += b * b;
    }
    double of_x = xx - x * x / (double)n, of_y = yy - y * y / (double)n;
    double both = xy - x * y / (double)n;
    return of_x > 0 && of_y > 0 && both * both > (1 - 1e-9) * of_x * of_y;
}

static int is_target(const telling *t, const pp__sample *s, const pp__scan *scan, const entry *list,
                     int64_t n, const pp_inspection_feature *f)
{
    enum { FEW = 30 };
    if (n < FEW || f->distinct < 2 || scan->y_columns > 1) return 0;
    if (t->class_of != NULL) return f->tells >= 1 && f->distinct <= scan->info.classes;
    return is_linear(s, scan->y_columns, list, n);
}

static void look_at_x(const pp__sample *s, const pp__scan *scan, const telling *t, entry *list)
{
    for (int64_t j = 0; j < scan->inputs; j++) {
        pp_inspection_feature *to = &scan->report->features[j];
        int64_t n = sort_column(s, s->x, scan->inputs, j, scan->y_columns, list);
        to->q01 = quantile(list, n, 0.01);
        to->q25 = quantile(list, n, 0.25);
        to->median = quantile(list, n, 0.5);
        to->q75 = quantile(list, n, 0.75);
        to->q99 = quantile(list, n, 0.99);
        to->distinct = count_distinct(list, n);
        find_code(list, n, &to->code, &to->code_share);
        to->tells = skill(t, s, scan, list, n);
        to->is_target = is_target(t, s, scan, list, n, to);
    }
}

static int by_bits(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static int count_rows(const pp__sample *s, const pp__scan *scan)
{
    uint64_t *hash = malloc((size_t)s->rows * sizeof *hash);
    if (hash == NULL) return 0;
    for (int64_t i = 0; i < s->rows; i++)
        hash[i] = pp__hash_row(s->x + i * scan->inputs, scan->inputs);
    qsort(hash, (size_t)s->rows, sizeof *hash, by_bits);
    scan->report->distinct_rows = s->rows > 0;
    for (int64_t i = 1; i < s->rows; i++)
        scan->report->distinct_rows += hash[i] != hash[i - 1];
    free(hash);
    return 1;
}

pp_status pp__sample_finish_x(pp__sample *s, pp__scan *scan, pp_error *err)
{
    gather(s, scan, s->x, scan->inputs);
    if (!pp__is_root(scan)) return PP_OK;
    telling t = {NULL, 0};
    entry *list = malloc((size_t)s->rows * sizeof *list);
    int ok = list != NULL && prepare(&t, s, scan) && count_rows(s, scan);
    if (ok) look_at_x(s, scan, &t, list);
    free(t.class_of);
    free(list);
    pp_status status = ok ? pp__look_for_shift(s, scan, err) : pp__inspect_no_memory(err);
    return status == PP_OK ? pp__look_for_groups(s, scan, err) : status;
}
