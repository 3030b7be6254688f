/* Each feature over all rows: range, moments, constants, twins, what is not finite. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Touched for every value: a cache line. Moments are of x - origin within one block. */
typedef struct hot {
    double first, second;
    uint64_t hash; /* sum over rows of a mix of row number and bits: any order of rows */
    double origin, low, high;
    int64_t rises, equal;
} hot;

typedef struct total {
    pp_sum first, second;
    uint64_t hash;
    double low, high;
    int64_t low_row, high_row, rises, equal, non_finite, first_non_finite, values;
} total;

struct pp__features {
    int64_t inputs, y_columns;
    hot *hot;     /* [inputs] */
    total *total; /* [inputs] */
};

/* The origin is the first row of the files: a large mean with a small deviation keeps its digits.
 */
static pp_status take_origin(pp__scan *scan, pp__features *f, pp_error *err)
{
    double *origin = malloc((size_t)f->inputs * sizeof *origin);
    if (origin == NULL) return pp__inspect_no_memory(err);
    pp_status status = pp_h5_read_f64(scan->x, 0, 1, origin, err);
    for (int64_t j = 0; status == PP_OK && j < f->inputs; j++) {
        f->hot[j].origin = isfinite((float)origin[j]) ? origin[j] : 0;
        f->total[j].low = INFINITY;
        f->total[j].high = -INFINITY;
        f->total[j].first_non_finite = INT64_MAX;
    }
    free(origin);
    return status;
}

pp_status pp__features_start(pp__scan *scan, pp__features **features, pp_error *err)
{
    pp__features *f = PP_ARENA_NEW(scan->arena, pp__features, 1);
    if (f == NULL) return pp__inspect_no_memory(err);
    f->inputs = scan->inputs;
    f->y_columns = scan->y_columns;
    f->hot = PP_ARENA_NEW(scan->arena, hot, f->inputs);
    f->total = PP_ARENA_NEW(scan->arena, total, f->inputs);
    if (f->hot == NULL || f->total == NULL) return pp__inspect_no_memory(err);
    *features = f;
    return take_origin(scan, f, err);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    value += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void note_extremes(total *t, hot *h, double value, int64_t row)
{
    if (value < t->low) {
        t->low = value;
        t->low_row = row;
    }
    if (value > t->high) {
        t->high = value;
        t->high_row = row;
    }
    h->low = t->low;
    h->high = t->high;
}

static void note_fault(total *t, int64_t row)
{
    if (t->non_finite++ == 0) t->first_non_finite = row;
}

/* target: y of the row where it is one number, else NaN, which equals nothing. */
static void add_row(pp__features *f, int64_t row, const float *x, const double *wide, float target)
{
    uint64_t key = pp__mix((uint64_t)row);
    for (int64_t j = 0; j < f->inputs; j++) {
        hot *h = &f->hot[j];
        double value = wide == NULL ? (double)x[j] : wide[j];
        uint64_t z = (bits_of(value) + key) * 0xbf58476d1ce4e5b9ULL;
        h->hash += z ^ z >> 31;
        h->equal += x[j] == target;
        if (!isfinite(x[j])) {
            note_fault(&f->total[j], row);
            continue;
        }
        if (value < h->low || value > h->high) note_extremes(&f->total[j], h, value, row);
        double distance = value - h->origin;
        h->first += distance;
        h->second += distance * distance;
    }
}

static void count_rises(pp__features *f, const float *before, const float *x)
{
    for (int64_t j = 0; j < f->inputs; j++)
        f->hot[j].rises += x[j] > before[j];
}

/* Hands the block's numbers to the exact sums; blocks are the same on any number of ranks. */
static void flush(pp__features *f, int64_t rows)
{
    for (int64_t j = 0; j < f->inputs; j++) {
        hot *h = &f->hot[j];
        total *t = &f->total[j];
        pp_sum_add(&t->first, h->first);
        pp_sum_add(&t->second, h->second);
        pp_sum_normalise(&t->first);
        pp_sum_normalise(&t->second);
        t->hash += h->hash;
        t->rises += h->rises;
        t->equal += h->equal;
        t->values += rows;
        h->first = h->second = 0;
        h->hash = 0;
        h->rises = h->equal = 0;
    }
}

void pp__features_add(pp__features *f, const pp__rows *rows)
{
    for (int64_t j = 0; j < f->inputs; j++) {
        f->hot[j].low = f->total[j].low;
        f->hot[j].high = f->total[j].high;
    }
    for (int64_t i = 0; i < rows->count; i++) {
        const float *x = rows->x + i * f->inputs;
        const float *before = i > 0 ? x - f->inputs : rows->x_before;
        const double *wide = rows->wide == NULL ? NULL : rows->wide + i * f->inputs;
        add_row(f, rows->first + i, x, wide, f->y_columns == 1 ? rows->y[i] : NAN);
        if (before != NULL) count_rises(f, before, x);
    }
    flush(f, rows->count);
}

/* size: whole totals. Ranks come in ascending order of their rows. */
static void merge(void *into, const void *from, size_t size)
{
    total *a = into;
    const total *b = from;
    for (size_t j = 0; j < size / sizeof *a; j++, a++, b++) {
        pp_sum_merge(&a->first, &b->first);
        pp_sum_merge(&a->second, &b->second);
        a->hash += b->hash;
        if (b->low < a->low) {
            a->low = b->low;
            a->low_row = b->low_row;
        }
        if (b->high > a->high) {
            a->high = b->high;
            a->high_row = b->high_row;
        }
        a->rises += b->rises;
        a->equal += b->equal;
        a->values += b->values;
        if (b->first_non_finite < a->first_non_finite) a->first_non_finite = b->first_non_finite;
        a->non_finite += b->non_finite;
    }
}

static void tell(const total *t, double origin, pp_inspection_feature *to)
{
    double n = (double)(t->values - t->non_finite);
    double first = pp_sum_value(&t->first) / n, second = pp_sum_value(&t->second) / n;
    double variance = second - first * first;
    int any = n > 0;
    to->min = any ? t->low : NAN;
    to->max = any ? t->high : NAN;
    to->min_row = any ? t->low_row : -1;
    to->max_row = any ? t->high_row : -1;
    to->mean = first + origin;
    to->deviation = !any || isnan(variance) ? NAN : variance > 0 ? sqrt(variance) : 0;
    if (any && t->low == t->high) to->deviation = 0;
    to->non_finite = t->non_finite;
    to->first_non_finite = t->non_finite > 0 ? t->first_non_finite : -1;
    to->duplicate_of = -1;
    to->equal_targets = t->equal;
    to->rises = t->rises;
}

typedef struct hashed {
    uint64_t hash;
    int64_t feature;
} hashed;

static int by_hash(const void *left, const void *right)
{
    const hashed *a = left, *b = right;
    if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
    return a->feature < b->feature ? -1 : a->feature > b->feature;
}

/* Equal sums of 64-bit hashes over all rows. Constant features are twins of no interest. */
static pp_status find_twins(const pp__features *f, pp_inspection_feature *to, pp_error *err)
{
    hashed *list = malloc((size_t)f->inputs * sizeof *list);
    if (list == NULL) return pp__inspect_no_memory(err);
    for (int64_t j = 0; j < f->inputs; j++)
        list[j] = (hashed){f->total[j].hash, j};
    qsort(list, (size_t)f->inputs, sizeof *list, by_hash);
    for (int64_t i = 1, twin = 0; i < f->inputs; i++) {
        if (list[i].hash != list[twin].hash)
            twin = i;
        else if (to[list[i].feature].min < to[list[i].feature].max)
            to[list[i].feature].duplicate_of = list[twin].feature;
    }
    free(list);
    return PP_OK;
}

pp_status pp__features_finish(pp__features *f, pp__scan *scan, pp_error *err)
{
    pp_comm_merge(scan->comm, 0, f->total, (size_t)f->inputs * sizeof *f->total, merge);
    if (!pp__is_root(scan)) return PP_OK;
    for (int64_t j = 0; j < f->inputs; j++)
        tell(&f->total[j], f->hot[j].origin, &scan->report->features[j]);
    return find_twins(f, scan->report->features, err);
}
