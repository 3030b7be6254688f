/* Targets that have slipped by some rows, in all of the training rows or from one of them on.
 *
 * Rank 0 looks at segments of neighbouring rows, spread over the files: a linear fit, in the
 * features and their squares, of the targets so many rows on, for all lags up to 64 either way. A
 * lag is told where its fit is far better than chance, than that of the rows as they stand, and
 * than those of the lags beside it (in a series neighbours are alike). */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LAG = 64,
    LAGS = 2 * MOST_LAG + 1,
    MOST_SEGMENTS = 64,
    LEAST_SEGMENT = 256,
    MOST_TERMS = 64,
    LEAST_ROWS = 1000
};

typedef struct fit {
    int64_t inputs, y_columns, rows; /* rows of a segment */
    int64_t terms;                   /* constants beside: centred */
    int squares;
    float *x, *y;                 /* [rows, inputs], [rows + 2 MOST_LAG, y_columns] */
    double *z, *matrix;           /* [rows, terms], [terms, terms] */
    double *mean, *scale, *along; /* [terms]; along: the coefficients, half way */
    double r2[LAGS];              /* of the segment */
} fit;

static int64_t feature_of(const fit *f, int64_t term)
{
    int64_t of_x = f->squares ? f->terms / 2 : f->terms;
    return (term % of_x) * f->inputs / of_x;
}

/* Of the rows that lie in x: features, then their squares. */
static void make_terms(fit *f)
{
    int64_t of_x = f->squares ? f->terms / 2 : f->terms;
    for (int64_t i = 0; i < f->rows; i++)
        for (int64_t k = 0; k < f->terms; k++) {
            double value = k < of_x ? (double)f->x[i * f->inputs + feature_of(f, k)]
                                    : pow(f->z[i * f->terms + k - of_x], 2);
            f->z[i * f->terms + k] = isfinite(value) ? value : 0;
        }
}

static void measure_terms(fit *f)
{
    for (int64_t k = 0; k < f->terms; k++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < f->rows; i++)
            sum += f->z[i * f->terms + k];
        f->mean[k] = sum / (double)f->rows;
        for (int64_t i = 0; i < f->rows; i++)
            squares += pow(f->z[i * f->terms + k] - f->mean[k], 2);
        double deviation = sqrt(squares / (double)f->rows);
        f->scale[k] = deviation > 1e-9 * fabs(f->mean[k]) ? 1 / deviation : 0;
    }
}

static void standardise_terms(fit *f)
{
    for (int64_t i = 0; i < f->rows; i++)
        for (int64_t k = 0; k < f->terms; k++)
            f->z[i * f->terms + k] = (f->z[i * f->terms + k] - f->mean[k]) * f->scale[k];
}

/* Lower triangle of Z'Z with a little on its diagonal, as its Cholesky factor. */
static void factorise(fit *f)
{
    int64_t n = f->terms;
    double *a = f->matrix;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k <= i; k++) {
            double sum = i == k ? 1e-3 * (double)f->rows : 0;
            for (int64_t row = 0; row < f->rows; row++)
                sum += f->z[row * n + i] * f->z[row * n + k];
            for (int64_t j = 0; j < k; j++)
                sum -= a[i * n + j] * a[k * n + j];
            a[i * n + k] = i == k ? sqrt(sum) : sum / a[k * n + k];
        }
}

/* R2 of the fit of targets t [rows, stride]. */
static double explained(fit *f, const float *t, int64_t stride, double *level)
{
    int64_t n = f->terms;
    double *room = f->along, mean = 0, total = 0, found = 0;
    for (int64_t i = 0; i < f->rows; i++)
        mean += (double)t[i * stride] / (double)f->rows;
    for (int64_t i = 0; i < f->rows; i++)
        total += ((double)t[i * stride] - mean) * ((double)t[i * stride] - mean);
    *level = mean;
    if (!(total > 0) || !isfinite(total)) return 0;
    memset(room, 0, (size_t)n * sizeof *room);
    for (int64_t i = 0; i < f->rows; i++)
        for (int64_t k = 0; k < n; k++)
            room[k] += f->z[i * n + k] * ((double)t[i * stride] - mean);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++)
            room[i] -= f->matrix[i * n + k] * room[k];
        room[i] /= f->matrix[i * n + i];
        found += room[i] * room[i];
    }
    return found / total;
}

/* Chance fits as many terms as there are; five deviations beyond. */
static double by_chance(const fit *f, double segments)
{
    double n = (double)f->terms, rows = (double)f->rows;
    return n / rows + 5 * sqrt(2 * n / segments) / rows + 0.02;
}

/* The lag that stands out, 0: the rows as they stand; LAGS: none does. */
static int lag_of(const double *r2, double chance)
{
    int best = 0;
    for (int i = 1; i < LAGS; i++)
        if (r2[i] > r2[best]) best = i;
    double beside = fmax(best > 0 ? r2[best - 1] : 0, best < LAGS - 1 ? r2[best + 1] : 0);
    if (r2[best] < chance || beside > 0.6 * r2[best]) return LAGS;
    if (best != MOST_LAG && r2[MOST_LAG] > 0.6 * r2[best]) return LAGS;
    return best - MOST_LAG;
}

static int make(fit *f, const pp__scan *scan)
{
    f->inputs = scan->inputs;
    f->y_columns = scan->y_columns;
    f->squares = 2 * f->inputs <= MOST_TERMS;
    f->terms = f->squares ? 2 * f->inputs : f->inputs < MOST_TERMS ? f->inputs : MOST_TERMS;
    f->rows = 8 * f->terms > LEAST_SEGMENT ? 8 * f->terms : LEAST_SEGMENT;
    f->x = malloc((size_t)(f->rows * f->inputs) * sizeof *f->x);
    f->y = malloc((size_t)((f->rows + 2 * MOST_LAG) * f->y_columns) * sizeof *f->y);
    f->z = malloc((size_t)(f->rows * f->terms) * sizeof *f->z);
    f->matrix = malloc((size_t)(f->terms * f->terms) * sizeof *f->matrix);
    f->mean = malloc((size_t)f->terms * 3 * sizeof *f->mean);
    if (f->mean == NULL) return 0;
    f->scale = f->mean + f->terms;
    f->along = f->scale + f->terms;
    return f->x != NULL && f->y != NULL && f->z != NULL && f->matrix != NULL;
}

static void unmake(fit *f)
{
    free(f->x);
    free(f->y);
    free(f->z);
    free(f->matrix);
    free(f->mean);
}

static pp_status read_rows(fit *f, pp__scan *scan, int64_t first, pp_error *err)
{
    int64_t rows = f->rows + 2 * MOST_LAG;
    pp_status status = pp_h5_read_f32(scan->x, first, f->rows, f->x, err);
    if (status == PP_OK) status = pp_h5_read_f32(scan->y, first - MOST_LAG, rows, f->y, err);
    if (status == PP_OK) make_terms(f);
    return status;
}

static pp_status look(fit *f, pp__scan *scan, int64_t first, pp_error *err)
{
    double level;
    pp_status status = read_rows(f, scan, first, err);
    if (status != PP_OK) return status;
    measure_terms(f);
    standardise_terms(f);
    factorise(f);
    for (int i = 0; i < LAGS; i++)
        f->r2[i] = explained(f, f->y + i * f->y_columns, f->y_columns, &level);
    return PP_OK;
}

/* The coefficients of the fit to the rows that were looked at last, as they stand; their mean. */
static double solve(fit *f)
{
    double level;
    int64_t n = f->terms;
    explained(f, f->y + MOST_LAG * f->y_columns, f->y_columns, &level);
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t k = i + 1; k < n; k++)
            f->along[i] -= f->matrix[k * n + i] * f->along[k];
        f->along[i] /= f->matrix[i * n + i];
    }
    return level;
}

/* Where between `first`, from which all of a segment is aligned, and `end` the targets slip: what
 * the fit to that segment misses is least in all. */
static pp_status find_row(fit *f, pp__scan *scan, int64_t first, int64_t end, int64_t lag,
                          int64_t *row, pp_error *err)
{
    double balance = 0, least = 0, level;
    pp_status status = look(f, scan, first, err);
    if (status != PP_OK) return status;
    level = solve(f);
    *row = first;
    for (int64_t at = first; at < end && status == PP_OK; at += f->rows) {
        if (at + f->rows > end) at = end - f->rows; /* rows again: they add up the same way */
        status = read_rows(f, scan, at, err);
        standardise_terms(f);
        for (int64_t i = 0; i < f->rows && status == PP_OK; i++) {
            double told = level;
            for (int64_t k = 0; k < f->terms; k++)
                told += f->along[k] * f->z[i * f->terms + k];
            double here = (double)f->y[(i + MOST_LAG) * f->y_columns] - told;
            double there = (double)f->y[(i + MOST_LAG + lag) * f->y_columns] - told;
            balance += here * here - there * there;
            if (balance > least) continue;
            least = balance;
            *row = at + i + 1;
        }
        if (at + f->rows >= end) break;
    }
    return status;
}

typedef struct segments {
    int count;
    int64_t first[MOST_SEGMENTS];
    int lag[MOST_SEGMENTS];
    double mean[LAGS]; /* R2 over all of them */
} segments;

/* Where lags change from 0 to `lag` with the fewest segments that say otherwise; *wrong of them. */
static int change_of(const segments *s, int lag, int *wrong)
{
    int best = 0;
    *wrong = s->count + 1;
    for (int at = 0; at <= s->count; at++) {
        int against = 0;
        for (int i = 0; i < s->count; i++)
            against += s->lag[i] != LAGS && s->lag[i] != (i < at ? 0 : lag);
        if (against >= *wrong) continue;
        *wrong = against;
        best = at;
    }
    return best;
}

static int count_lag(const segments *s, int lag)
{
    int count = 0;
    for (int i = 0; i < s->count; i++)
        count += s->lag[i] == lag;
    return count;
}

static pp_status tell(fit *f, pp__scan *scan, const segments *s, pp_inspection_slip *to,
                      pp_error *err)
{
    pp_status status = PP_OK;
    int most = 0, wrong, aligned = count_lag(s, 0);
    int overall = lag_of(s->mean, by_chance(f, s->count));
    for (int lag = -MOST_LAG; lag <= MOST_LAG; lag++)
        if (lag != 0 && count_lag(s, lag) > most) {
            most = count_lag(s, lag);
            to->lag = lag;
        }
    if (most < 3 || 5 * most < s->count) { /* too weak for single segments */
        to->lag = overall == LAGS || aligned > 0 ? 0 : overall;
    } else if (10 * aligned >= most) {
        int at = change_of(s, (int)to->lag, &wrong);
        if (10 * wrong > s->count || at == 0 || at == s->count)
            to->lag = 0;
        else
            status =
                find_row(f, scan, s->first[at - 1], s->first[at] + f->rows, to->lag, &to->row, err);
    }
    to->fits = s->mean[to->lag + MOST_LAG];
    to->fits_as_it_is = s->mean[MOST_LAG];
    return status;
}

pp_status pp__look_for_slip(pp__scan *scan, pp_error *err)
{
    fit f = {0};
    segments s = {0};
    pp_inspection_slip *to = &scan->report->slip;
    int64_t rows = scan->train_rows;
    int is_series = scan->report->series.stride > 0 || scan->report->series.target;
    if (rows < LEAST_ROWS || is_series || scan->job->data.shift_targets != 0) return PP_OK;
    if (!make(&f, scan)) {
        unmake(&f);
        return pp__inspect_no_memory(err);
    }
    int64_t room = rows - 2 * MOST_LAG - f.rows;
    int64_t count = rows / f.rows < MOST_SEGMENTS ? rows / f.rows : MOST_SEGMENTS;
    pp_status status = PP_OK;
    for (; count > 1 && s.count < count && status == PP_OK; s.count++) {
        s.first[s.count] = MOST_LAG + room * s.count / (count - 1);
        status = look(&f, scan, s.first[s.count], err);
        s.lag[s.count] = lag_of(f.r2, by_chance(&f, 1));
        for (int i = 0; i < LAGS; i++)
            s.mean[i] += f.r2[i] / (double)count;
    }
    if (s.count > 1 && status == PP_OK) status = tell(&f, scan, &s, to, err);
    unmake(&f);
    return status;
}
