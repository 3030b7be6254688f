/* Targets that are given to other rows: the control of an experiment, and the repair of a file
 * whose rows have slipped. Whole rows of y move, so that their number and their classes stay.
 * And targets in other units. */
#include "rows_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* y of row from[i] goes to row to[i]. */
static pp_status move(pp__data_rows *set, pp__source *source, const int64_t *from,
                      const int64_t *to, int64_t rows, pp_error *err)
{
    size_t columns = (size_t)set->info.y_columns, bytes = columns * sizeof(float);
    float *old = malloc((size_t)source->rows * bytes + 1);
    if (old == NULL) return pp__data_no_memory(err);
    memcpy(old, source->y_values, (size_t)source->rows * bytes);
    for (int64_t i = 0; i < rows; i++)
        memcpy(source->y_values + (size_t)to[i] * columns, old + (size_t)from[i] * columns, bytes);
    free(old);
    return PP_OK;
}

/* Rows [rows] of a source exchange their targets at random. */
static pp_status permute(pp__data_rows *set, pp__source *source, int64_t *rows, int64_t count,
                         uint64_t when, pp_error *err)
{
    int64_t *shuffled = malloc((size_t)(count + 1) * sizeof *shuffled);
    if (shuffled == NULL) return pp__data_no_memory(err);
    memcpy(shuffled, rows, (size_t)count * sizeof *rows);
    pp_rng_shuffle(pp_rng_at(set->seed, PP_RNG_PERMUTE, when), 0, count, shuffled);
    pp_status status = move(set, source, shuffled, rows, count, err);
    free(shuffled);
    return status;
}

/* Rows of the training files that are held out, or those that are not. */
static int64_t list_rows(const pp__data_rows *set, int held_out, int64_t *rows)
{
    int64_t count = 0;
    for (int64_t row = 0; row < set->info.file_rows; row++)
        if ((set->times[row] == 0) == held_out) rows[count++] = row;
    return count;
}

pp_status pp__permute_targets(pp__data_rows *set, pp_error *err)
{
    pp__source *train = &set->source[PP__TRAINING], *held = &set->source[PP__HELD_OUT];
    int64_t most = train->rows > held->rows ? train->rows : held->rows;
    int64_t *rows = malloc((size_t)(most + 1) * sizeof *rows);
    pp_status status = rows != NULL ? PP_OK : pp__data_no_memory(err);
    for (int held_out = 0; held_out < 2 && status == PP_OK; held_out++)
        status = permute(set, train, rows, list_rows(set, held_out, rows), (uint64_t)held_out, err);
    if (status == PP_OK && set->n_sources > PP__HELD_OUT) {
        for (int64_t i = 0; i < held->rows; i++)
            rows[i] = i;
        status = permute(set, held, rows, held->rows, 2, err);
    }
    free(rows);
    return status;
}

void pp__recode_labels(pp__data_rows *set)
{
    pp_dataset_info *info = &set->info;
    if (info->task != PP_TASK_BINARY || info->y_columns != 1) return;
    for (int i = 0; i < set->n_sources; i++)
        for (int64_t row = 0; row < set->source[i].rows; row++)
            set->source[i].y_values[row] = (float)pp_class_of(info, &set->source[i].y_values[row]);
    info->y_min = info->low_label = 0;
    info->y_max = info->high_label = 1;
}

pp_status pp__shift_targets(pp__data_rows *set, pp__source *source, int64_t by, pp_error *err)
{
    int64_t n = source->rows;
    int64_t *rows = malloc((size_t)(2 * n + 1) * sizeof *rows);
    if (rows == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = i;
        rows[n + i] = ((i + by) % n + n) % n;
    }
    pp_status status = move(set, source, rows + n, rows, n, err);
    free(rows);
    return status;
}

/* Mean and deviation of a column over the rows that are trained on, each once. */
static void moments(const pp__data_rows *set, int64_t column, double *mean, double *deviation)
{
    const pp__source *train = &set->source[PP__TRAINING];
    int64_t columns = set->info.y_columns, n = 0;
    double first = 0, second = 0;
    for (int64_t row = 0; row < train->rows; row++) {
        if (set->times[row] == 0) continue;
        first += (double)train->y_values[row * columns + column];
        n++;
    }
    *mean = n > 0 ? first / (double)n : 0;
    for (int64_t row = 0; row < train->rows; row++) {
        if (set->times[row] == 0) continue;
        double distance = (double)train->y_values[row * columns + column] - *mean;
        second += distance * distance;
    }
    *deviation = n > 0 ? sqrt(second / (double)n) : 0;
}

static void rescale(pp__data_rows *set, int64_t column, double mean, double deviation)
{
    pp_dataset_info *info = &set->info;
    for (int i = 0; i < set->n_sources; i++)
        for (int64_t row = 0; row < set->source[i].rows; row++) {
            float *y = &set->source[i].y_values[row * info->y_columns + column];
            *y = (float)(((double)*y - mean) / deviation);
            info->y_min = fmin(info->y_min, (double)*y);
            info->y_max = fmax(info->y_max, (double)*y);
        }
}

pp_status pp__standardise_targets(pp__data_rows *set, pp_error *err)
{
    int64_t columns = set->info.y_columns;
    if (set->info.task != PP_TASK_REGRESSION)
        return pp_fail(err, PP_E_JOB,
                       "data.standardise_targets: y holds classes, which have no scale; leave it "
                       "out, or set data.task to regression");
    set->target_shift = PP_ARENA_NEW(set->arena, float, columns);
    set->target_scale = PP_ARENA_NEW(set->arena, float, columns);
    if (set->target_shift == NULL || set->target_scale == NULL) return pp__data_no_memory(err);
    set->info.y_min = INFINITY;
    set->info.y_max = -INFINITY;
    for (int64_t k = 0; k < columns; k++) {
        double mean, deviation;
        moments(set, k, &mean, &deviation);
        float scale = (float)deviation;
        if (!(scale > 0) || !isfinite(scale)) deviation = 1;
        rescale(set, k, mean, deviation);
        set->target_shift[k] = (float)mean;
        set->target_scale[k] = (float)deviation;
    }
    return PP_OK;
}
