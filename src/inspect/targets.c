/* The first scan: y alone. */
#include "inspect_internal.h"

#include <math.h>

enum { MOST_CLASSES = 1 << 20 };

struct pp__targets {
    pp_y_survey survey;
    pp_sum first, second; /* of y and its square */
    int64_t values;
    double min, max;
    int64_t min_row, max_row;
    int64_t non_finite, first_non_finite;
};

pp_status pp__targets_start(pp__scan *scan, pp__targets **targets, pp_error *err)
{
    pp__targets *t = PP_ARENA_NEW(scan->arena, pp__targets, 1);
    if (t == NULL) return pp__inspect_no_memory(err);
    t->survey = pp_y_survey_start(scan->y_columns, pp_h5_is_integer(scan->y));
    t->min = INFINITY;
    t->max = -INFINITY;
    t->min_row = t->max_row = t->first_non_finite = INT64_MAX;
    *targets = t;
    return PP_OK;
}

static void add_row(pp__targets *t, int64_t row, const float *y)
{
    int64_t columns = t->survey.columns;
    if (!pp__row_is_finite(y, columns)) {
        if (t->non_finite++ == 0) t->first_non_finite = row;
        return;
    }
    pp_y_survey_add(&t->survey, row, y);
    t->values += columns;
    for (int64_t k = 0; k < columns; k++) {
        double value = y[k];
        pp_sum_add(&t->first, value);
        pp_sum_add(&t->second, value * value);
        if (value < t->min) {
            t->min = value;
            t->min_row = row;
        }
        if (value > t->max) {
            t->max = value;
            t->max_row = row;
        }
    }
}

void pp__targets_add(pp__targets *targets, const pp__rows *rows)
{
    for (int64_t i = 0; i < rows->count; i++)
        add_row(targets, rows->first + i, rows->y + i * targets->survey.columns);
    pp_sum_normalise(&targets->first);
    pp_sum_normalise(&targets->second);
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Ranks come in ascending order of their rows, so of equal extremes the first one stays. */
static void merge(void *into, const void *from, size_t size)
{
    pp__targets *a = into;
    const pp__targets *b = from;
    (void)size;
    pp_y_survey_merge(&a->survey, &b->survey);
    pp_sum_merge(&a->first, &b->first);
    pp_sum_merge(&a->second, &b->second);
    a->values += b->values;
    if (b->min < a->min) {
        a->min = b->min;
        a->min_row = b->min_row;
    }
    if (b->max > a->max) {
        a->max = b->max;
        a->max_row = b->max_row;
    }
    a->non_finite += b->non_finite;
    a->first_non_finite = lower(a->first_non_finite, b->first_non_finite);
}

static int64_t count_classes(const pp_y_survey *v, int64_t asked)
{
    if (v->columns > 1) return v->columns;
    if (asked != PP_AUTO) return asked < MOST_CLASSES ? asked : MOST_CLASSES;
    if (!(v->max >= 1)) return 2;
    return v->max < MOST_CLASSES ? (int64_t)v->max + 1 : MOST_CLASSES;
}

/* As pp_dataset_open does, but what would be an error there is counted here. */
static void settle(const pp_y_survey *v, const pp__scan *scan, pp_dataset_info *info)
{
    const pp_job_data *data = &scan->job->data;
    int64_t classes = pp_data_classes(data->classes, scan->y);
    info->y_columns = v->columns;
    info->task = data->task != PP_TASK_AUTO ? data->task : pp_y_survey_task(v, classes);
    info->low_label = 0;
    info->high_label = 1;
    info->classes = 0;
    info->one_hot = 0;
    if (info->task == PP_TASK_MULTICLASS) {
        info->classes = count_classes(v, classes);
        info->one_hot = v->columns > 1;
    } else if (info->task == PP_TASK_BINARY) {
        info->classes = 2;
        info->one_hot = v->columns == 2;
        if (v->n_values == 2 && v->columns == 1) {
            info->low_label = v->min;
            info->high_label = v->max;
        }
    }
}

static void tell(const pp__targets *t, pp__scan *scan)
{
    pp_inspection_targets *found = &scan->report->targets;
    double n = (double)t->values, mean = pp_sum_value(&t->first) / n;
    double variance = pp_sum_value(&t->second) / n - mean * mean;
    *found =
        (pp_inspection_targets){.min = NAN,
                                .max = NAN,
                                .min_row = -1,
                                .max_row = -1,
                                .mean = mean,
                                .deviation = variance > 0 ? sqrt(variance) : 0,
                                .non_finite = t->non_finite,
                                .first_non_finite = t->non_finite > 0 ? t->first_non_finite : -1};
    if (t->values == 0) {
        found->deviation = NAN;
        return;
    }
    found->min = t->min;
    found->max = t->max;
    found->min_row = t->min_row;
    found->max_row = t->max_row;
}

void pp__targets_finish(pp__targets *targets, pp__scan *scan)
{
    pp_comm_merge(scan->comm, 0, targets, sizeof *targets, merge);
    if (pp__is_root(scan)) {
        settle(&targets->survey, scan, &scan->info);
        scan->report->task = scan->info.task;
        scan->report->classes = scan->info.classes;
        tell(targets, scan);
    }
    pp_comm_broadcast(scan->comm, 0, &scan->info, sizeof scan->info);
}
