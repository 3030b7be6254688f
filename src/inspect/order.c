/* Classes: how many rows each has, how they lie in the file, and how the lanes share them. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/share/lanes.h"
#include "base/rng.h"

enum { MOST_WINDOWS = 4 << 20, MOST_COUNTS = 4 << 20 };

typedef struct deal {
    int lanes; /* 0: not measured */
    int shuffled, lane;
    int64_t window;       /* rows */
    int64_t *file_window; /* [n_train_files] first window of each file */
    int64_t *start;       /* [windows] place of their first row in the dealt sequence */
    int64_t *bound;       /* [lanes + 1] in the dealt sequence; unshuffled: in a batch */
    int file;             /* of the row that was asked for last */
} deal;

struct pp__order {
    const pp__scan *scan;
    float spike;
    int64_t classes; /* columns of the counts; regression: 1 */
    int64_t *counts; /* sums over ranks: classes, then lanes x classes, then the single ones */
    int64_t n_counts;
    pp_sum *sums; /* [1 + lanes] squared steps; y of the rows of each lane */
    int64_t first_outside;
    deal deal;
};

/* The single counts, after the others. */
enum { CHANGES, PAIRS, SPIKE, OUTSIDE, SINGLES };

static int64_t *single(const pp__order *o, int which)
{
    return o->counts + o->n_counts - SINGLES + which;
}

static int64_t *lane_counts(const pp__order *o, int lane)
{
    return o->counts + o->classes * (1 + lane);
}

/* ---- lanes: as data/deal.c deals windows, before rows are held out and classes balanced ---- */

static pp_status place_windows(pp__scan *scan, deal *d, int64_t n, pp_error *err)
{
    int64_t *order = malloc((size_t)n * sizeof *order), w = 0, place = 0;
    d->start = PP_ARENA_NEW(scan->arena, int64_t, n);
    if (order == NULL || d->start == NULL) {
        free(order);
        return pp__inspect_no_memory(err);
    }
    for (int f = 0; f < scan->n_train_files; f++)
        for (int64_t left = scan->file_first[f + 1] - scan->file_first[f]; left > 0; w++) {
            order[w] = w;
            d->start[w] = left < d->window ? left : d->window;
            left -= d->start[w];
        }
    pp_rng_shuffle(pp_rng_at((uint64_t)scan->job->seed, PP_RNG_DEAL, 0), 0, n, order);
    for (int64_t i = 0; i < n; i++) {
        int64_t rows = d->start[order[i]];
        d->start[order[i]] = place;
        place += rows;
    }
    free(order);
    return PP_OK;
}

__extension__ typedef __int128 wide;

static pp_status plan_lanes(pp__scan *scan, int64_t classes, deal *d, pp_error *err)
{
    int lanes = (int)pp_job_lanes(scan->job);
    int64_t n = pp__plan_windows(scan, &d->window), batch = scan->job->training.batch;
    if (n > MOST_WINDOWS || lanes * classes > MOST_COUNTS) return PP_OK;
    d->shuffled = scan->job->data.shuffle;
    d->bound = PP_ARENA_NEW(scan->arena, int64_t, lanes + 1);
    d->file_window = PP_ARENA_NEW(scan->arena, int64_t, scan->n_train_files);
    if (d->bound == NULL || d->file_window == NULL) return pp__inspect_no_memory(err);
    pp_lanes_cut(batch, lanes, d->bound);
    for (int l = 0; d->shuffled && l <= lanes; l++)
        d->bound[l] = (int64_t)((wide)scan->train_rows * d->bound[l] / batch);
    for (int f = 0; f + 1 < scan->n_train_files; f++) {
        int64_t rows = scan->file_first[f + 1] - scan->file_first[f];
        d->file_window[f + 1] = d->file_window[f] + (rows + d->window - 1) / d->window;
    }
    d->lanes = lanes;
    return d->shuffled ? place_windows(scan, d, n, err) : PP_OK;
}

static int lane_of(deal *d, const pp__scan *scan, int64_t row)
{
    int64_t place = row % scan->job->training.batch;
    if (d->shuffled) {
        while (row < scan->file_first[d->file])
            d->file--;
        while (row >= scan->file_first[d->file + 1])
            d->file++;
        int64_t at = row - scan->file_first[d->file];
        place = d->start[d->file_window[d->file] + at / d->window] + at % d->window;
    }
    int low = 0, high = d->lanes;
    if (place >= d->bound[d->lane] && place < d->bound[d->lane + 1]) return d->lane;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (d->bound[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return d->lane = low;
}

/* ---- the scan ---- */

pp_status pp__order_start(pp__scan *scan, float spike, pp__order **order, pp_error *err)
{
    pp__order *o = PP_ARENA_NEW(scan->arena, pp__order, 1);
    if (o == NULL) return pp__inspect_no_memory(err);
    o->scan = scan;
    o->spike = spike;
    o->first_outside = INT64_MAX;
    o->classes = scan->info.classes > 0 ? scan->info.classes : 1;
    pp_status status = plan_lanes(scan, o->classes, &o->deal, err);
    if (status != PP_OK) return status;
    o->n_counts = o->classes * (1 + o->deal.lanes) + SINGLES;
    o->counts = PP_ARENA_NEW(scan->arena, int64_t, o->n_counts);
    o->sums = PP_ARENA_NEW(scan->arena, pp_sum, 1 + o->deal.lanes);
    if (o->counts == NULL || o->sums == NULL) return pp__inspect_no_memory(err);
    *order = o;
    return PP_OK;
}

/* What pp_dataset_open would refuse. */
static int is_outside(const pp__scan *scan, const float *y, int64_t class)
{
    const pp_dataset_info *info = &scan->info;
    if (info->y_columns > 1 || info->task == PP_TASK_REGRESSION) return 0;
    if (info->task == PP_TASK_MULTICLASS) return class < 0;
    return pp_h5_is_integer(scan->y) && (double)y[0] != info->low_label &&
           (double)y[0] != info->high_label;
}

static void add_class(pp__order *o, int64_t row, const float *y, const float *before)
{
    const pp__scan *scan = o->scan;
    int64_t class = pp_class_of(&scan->info, y);
    if (is_outside(scan, y, class)) {
        if ((*single(o, OUTSIDE))++ == 0) o->first_outside = row;
        return;
    }
    if (class < 0) return;
    o->counts[class]++;
    if (o->deal.lanes > 0 && row < scan->train_rows)
        lane_counts(o, lane_of(&o->deal, scan, row))[class]++;
    if (before == NULL) return;
    (*single(o, PAIRS))++;
    *single(o, CHANGES) += pp_class_of(&scan->info, before) != class;
}

static void add_number(pp__order *o, int64_t row, const float *y, const float *before)
{
    const pp__scan *scan = o->scan;
    o->counts[0]++;
    if (o->deal.lanes > 0 && row < scan->train_rows) {
        int lane = lane_of(&o->deal, scan, row);
        lane_counts(o, lane)[0]++;
        pp_sum_add(&o->sums[1 + lane], y[0]);
    }
    if (before == NULL) return;
    double step = (double)y[0] - (double)before[0];
    (*single(o, PAIRS))++;
    pp_sum_add(&o->sums[0], step * step);
}

void pp__order_add(pp__order *o, const pp__rows *rows)
{
    int64_t columns = o->scan->y_columns;
    for (int64_t i = 0; i < rows->count; i++) {
        const float *y = rows->y + i * columns, *before = i > 0 ? y - columns : rows->y_before;
        if (!pp__row_is_finite(y, columns)) continue;
        if (before != NULL && !pp__row_is_finite(before, columns)) before = NULL;
        *single(o, SPIKE) += y[0] == o->spike;
        if (o->scan->info.classes > 0)
            add_class(o, rows->first + i, y, before);
        else
            add_number(o, rows->first + i, y, before);
    }
    for (int l = 0; l <= o->deal.lanes; l++)
        pp_sum_normalise(&o->sums[l]);
}

/* ---- what it shows ---- */

/* size: whole sums. */
static void merge(void *into, const void *from, size_t size)
{
    pp_sum *a = into;
    const pp_sum *b = from;
    for (size_t i = 0; i < size / sizeof *a; i++)
        pp_sum_merge(&a[i], &b[i]);
}

/* Total variation distance of a lane's class shares from those of all lanes; `chance`: three times
 * what a random share of as many rows has in the mean. */
static double class_skew(const pp__order *o, const int64_t *lane, const int64_t *all, double rows,
                         double all_rows, int64_t *class, double *chance)
{
    double distance = 0, most = -1;
    *chance = 0;
    for (int64_t k = 0; k < o->classes; k++) {
        double p = (double)all[k] / all_rows, off = fabs((double)lane[k] / rows - p);
        distance += off / 2;
        *chance += 3 * 0.8 * sqrt(p * (1 - p) / rows) / 2; /* E|z| is 0.8 */
        if (off <= most) continue;
        most = off;
        *class = k;
    }
    return distance;
}

static double number_skew(const pp__order *o, int lane, double rows, double *chance)
{
    const pp_inspection_targets *y = &o->scan->report->targets;
    *chance = 4 / sqrt(rows);
    if (!(y->deviation > 0)) return 0;
    return fabs(pp_sum_value(&o->sums[1 + lane]) / rows - y->mean) / y->deviation;
}

static int64_t total(const int64_t *counts, int64_t n)
{
    int64_t sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += counts[k];
    return sum;
}

static void look_at_lane(const pp__order *o, const int64_t *all, int lane,
                         pp_inspection_lanes *worst)
{
    const int64_t *counts = lane_counts(o, lane);
    int64_t rows = total(counts, o->classes), class = -1;
    double n = (double)rows, all_n = (double)total(all, o->classes), chance, skew;
    if (rows == 0) return;
    skew = o->scan->info.classes > 0 ? class_skew(o, counts, all, n, all_n, &class, &chance)
                                     : number_skew(o, lane, n, &chance);
    if (worst->worst >= 0 && skew - chance <= worst->skew - worst->skew_by_chance) return;
    worst->worst = lane;
    worst->skew = skew;
    worst->skew_by_chance = chance;
    worst->worst_rows = rows;
    worst->worst_class = class;
    worst->share_there = class < 0 ? NAN : (double)counts[class] / n;
    worst->share_overall = class < 0 ? NAN : (double)all[class] / all_n;
}

static pp_status look_at_lanes(const pp__order *o, pp_inspection_lanes *to, pp_error *err)
{
    *to = (pp_inspection_lanes){.lanes = o->deal.lanes, .worst = -1, .worst_class = -1};
    int64_t *all = calloc((size_t)o->classes, sizeof *all);
    if (all == NULL) return pp__inspect_no_memory(err);
    for (int l = 0; l < to->lanes; l++)
        for (int64_t k = 0; k < o->classes; k++)
            all[k] += lane_counts(o, l)[k];
    for (int l = 0; l < to->lanes; l++)
        look_at_lane(o, all, l, to);
    free(all);
    return PP_OK;
}

static double disorder(const pp__order *o)
{
    const pp_inspection *report = o->scan->report;
    double pairs = (double)*single(o, PAIRS), equal = 0, rows = 0;
    if (o->scan->info.classes == 0) {
        double variance = report->targets.deviation * report->targets.deviation;
        return pp_sum_value(&o->sums[0]) / pairs / 2 / variance;
    }
    for (int64_t k = 0; k < o->classes; k++)
        rows += (double)o->counts[k];
    for (int64_t k = 0; k < o->classes; k++)
        equal += (double)o->counts[k] / rows * ((double)o->counts[k] / rows);
    return (double)*single(o, CHANGES) / pairs / (1 - equal);
}

pp_status pp__order_finish(pp__order *o, pp__scan *scan, pp_error *err)
{
    pp_comm_sum_i64(scan->comm, o->counts, o->n_counts);
    pp_comm_min_i64(scan->comm, &o->first_outside, 1);
    pp_comm_merge(scan->comm, 0, o->sums, (size_t)(1 + o->deal.lanes) * sizeof *o->sums, merge);
    if (!pp__is_root(scan)) return PP_OK;
    pp_inspection *report = scan->report;
    report->targets.outside = *single(o, OUTSIDE);
    report->targets.first_outside = report->targets.outside > 0 ? o->first_outside : -1;
    report->targets.spike_rows = *single(o, SPIKE);
    report->targets.disorder = disorder(o);
    if (scan->info.classes > 0) {
        report->class_rows = PP_ARENA_NEW(report->arena, int64_t, o->classes);
        if (report->class_rows == NULL) return pp__inspect_no_memory(err);
        memcpy(report->class_rows, o->counts, (size_t)o->classes * sizeof *o->counts);
        pp_status status =
            pp_data_class_names(&scan->info, scan->y, report->arena, &report->class_names, err);
        if (status != PP_OK) return status;
    }
    return look_at_lanes(o, &report->lanes, err);
}
