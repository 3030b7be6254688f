/* What y shows: its range, the task, the classes. */
#include "rows_internal.h"

#include <math.h>

enum { MOST_CLASSES = 1 << 20, MOST_INFERRED_CLASSES = 1000 };

pp_y_survey pp_y_survey_start(int64_t columns, int is_integer)
{
    return (pp_y_survey){.columns = columns,
                         .min = INFINITY,
                         .max = -INFINITY,
                         .is_integer = is_integer,
                         .is_one_hot = columns > 1};
}

static void see_value(pp_y_survey *v, double value, int64_t row)
{
    for (int i = 0; i < v->n_values && i < 2; i++)
        if (v->value[i] == value) return;
    if (v->n_values == 3) return;
    if (v->n_values < 2)
        v->value[v->n_values] = value;
    else
        v->third_row = row;
    v->n_values++;
}

static int is_one_hot_row(const float *y, int64_t columns)
{
    int64_t ones = 0, zeros = 0;
    for (int64_t k = 0; k < columns; k++) {
        ones += y[k] == 1;
        zeros += y[k] == 0;
    }
    return ones == 1 && zeros == columns - 1;
}

void pp_y_survey_add(pp_y_survey *v, int64_t row, const float *y)
{
    for (int64_t k = 0; k < v->columns; k++) {
        if (y[k] < v->min) v->min = y[k];
        if (y[k] > v->max) v->max = y[k];
    }
    if (v->columns == 1)
        see_value(v, y[0], row);
    else if (v->is_one_hot)
        v->is_one_hot = is_one_hot_row(y, v->columns);
}

void pp_y_survey_merge(pp_y_survey *into, const pp_y_survey *from)
{
    into->min = fmin(into->min, from->min);
    into->max = fmax(into->max, from->max);
    into->is_integer &= from->is_integer;
    into->is_one_hot &= from->is_one_hot;
    for (int i = 0; i < from->n_values && i < 2; i++)
        see_value(into, from->value[i], from->third_row);
    if (from->n_values == 3 && into->n_values < 3) { /* both know the same two */
        into->n_values = 3;
        into->third_row = from->third_row;
    }
}

typedef struct survey {
    pp_y_survey v;
    uint64_t fingerprint;
    pp__source *source;
} survey;

/* Of a row's target and, where the job has any, its weight. */
static void fingerprint_row(survey *s, const pp__portion *p, int64_t i)
{
    int64_t row = p->source->first + p->first + i;
    uint64_t fingerprint = pp__row_fingerprint(row, p->y + i * s->v.columns, s->v.columns);
    if (p->weight != NULL) fingerprint += pp__row_fingerprint(~row, &p->weight[i], 1);
    s->fingerprint += fingerprint;
    pp__fingerprint_in_file(s->source, p->first + i, fingerprint);
}

static pp_status survey_portion(void *context, const pp__portion *p, pp_error *err)
{
    survey *s = context;
    (void)err;
    for (int64_t i = 0; i < p->rows; i++) {
        int64_t row = p->source->first + p->first + i;
        const float *y = p->y + i * s->v.columns;
        pp_y_survey_add(&s->v, row, y);
        fingerprint_row(s, p, i);
    }
    return PP_OK;
}

static int holds_only_0_and_1(const pp_y_survey *v)
{
    for (int i = 0; i < v->n_values && i < 2; i++)
        if (v->value[i] != 0 && v->value[i] != 1) return 0;
    return v->n_values <= 2;
}

/* Several columns are classes where they are one-hot, or as many as the job says there are classes.
 */
pp_task pp_y_survey_task(const pp_y_survey *v, int64_t classes)
{
    if (v->columns > 1)
        return v->is_one_hot || classes != PP_AUTO ? PP_TASK_MULTICLASS : PP_TASK_REGRESSION;
    if (holds_only_0_and_1(v) && (classes == PP_AUTO || classes == 2)) return PP_TASK_BINARY;
    if (classes != PP_AUTO)
        return classes == 2 && v->n_values == 2 ? PP_TASK_BINARY : PP_TASK_MULTICLASS;
    if (!v->is_integer) return PP_TASK_REGRESSION;
    if (v->n_values == 2) return PP_TASK_BINARY;
    return v->min >= 0 && v->max < MOST_INFERRED_CLASSES ? PP_TASK_MULTICLASS : PP_TASK_REGRESSION;
}

/* ---- labels that are used as class numbers ---- */

/* Whether the loss, or the task, takes y as a class number. */
static int is_index(const pp__data_rows *set, const pp_job *job)
{
    pp_targets targets = job->loss.targets;
    if (set->info.y_columns > 1) return 0;
    if (set->info.task == PP_TASK_MULTICLASS) return 1;
    if (targets == PP_TARGETS_INDEX || targets == PP_TARGETS_ONE_HOT) return 1;
    pp_loss_type type = job->loss.type;
    return targets == PP_TARGETS_AUTO && type != PP_LOSS_AUTO &&
           pp_loss_family_of(type) == PP_FAMILY_CLASSES;
}

static pp_status refuse_label(const pp__data_rows *set, const pp__source *s, int64_t row,
                              double label, pp_error *err)
{
    char place[512];
    pp_h5_locate(s->y, row, place, sizeof place);
    if (label != floor(label))
        return pp_fail(err, PP_E_DATA,
                       "%s: label %g is not a class number 0, 1, ...; for a task with real targets "
                       "set data.task",
                       place, label);
    if (label < 0)
        return pp_fail(err, PP_E_DATA, "%s: label %g is negative; classes are numbered from 0",
                       place, label);
    if (set->info.task == PP_TASK_MULTICLASS)
        return pp_fail(err, PP_E_DATA, "%s: label %.15g is outside the %lld classes (data.classes)",
                       place, label, (long long)set->info.classes);
    return pp_fail(err, PP_E_DATA,
                   "%s: label %.15g is outside the 2 classes of a binary task, numbered from 0; "
                   "set data.task to multiclass, or use a loss that takes y as a number",
                   place, label);
}

static pp_status check_labels(void *context, const pp__portion *p, pp_error *err)
{
    const pp__data_rows *set = context;
    int64_t classes = set->info.classes;
    for (int64_t i = 0; i < p->rows; i++) {
        double label = p->y[i];
        if (label < 0 || label != floor(label) || (classes > 0 && label >= (double)classes))
            return refuse_label(set, p->source, p->first + i, label, err);
    }
    return PP_OK;
}

/* ---- tasks ---- */

static pp_status refuse_third(const pp__data_rows *set, const pp_y_survey *v, pp_error *err)
{
    char place[512];
    const pp__source *s = &set->source[v->third_row >= set->source[PP__TRAINING].rows];
    int64_t row = v->third_row - s->first;
    float label;
    pp_status status = pp__targets(set, s, row, 1, &label, NULL, err);
    if (status != PP_OK) return status;
    pp_h5_locate(s->y, row, place, sizeof place);
    return pp_fail(err, PP_E_DATA,
                   "%s: label %g is a third one beside %g and %g; a binary task has two "
                   "(data.task)",
                   place, (double)label, v->value[0], v->value[1]);
}

static pp_status take_binary(pp__data_rows *set, const pp_y_survey *v, pp_error *err)
{
    pp_dataset_info *info = &set->info;
    info->classes = 2;
    info->one_hot = v->columns == 2;
    info->low_label = 0;
    info->high_label = 1;
    if (v->columns > 1 || holds_only_0_and_1(v)) return PP_OK;
    if (v->n_values > 2 && v->is_integer) return refuse_third(set, v, err);
    info->low_label = v->min;
    info->high_label = v->max;
    if (v->min < v->max) return PP_OK;
    /* A single label: the other one is taken to be 0, or 1 for what lies below 0. */
    info->low_label = v->min < 0 ? v->min : 0;
    info->high_label = v->max > 1 ? v->max : 1;
    return PP_OK;
}

static pp_status take_multiclass(pp__data_rows *set, const pp_y_survey *v, int64_t classes,
                                 pp_error *err)
{
    pp_dataset_info *info = &set->info;
    info->one_hot = v->columns > 1;
    if (info->one_hot) {
        info->classes = v->columns;
        if (classes == PP_AUTO || classes == v->columns) return PP_OK;
        return pp_fail(err, PP_E_JOB,
                       "data.classes: must be %lld, the columns of /%s in %s, got %lld",
                       (long long)v->columns, set->y_name, set->source[PP__TRAINING].files[0],
                       (long long)classes);
    }
    if (classes == PP_AUTO && v->max >= MOST_CLASSES)
        return pp_fail(
            err, PP_E_DATA,
            "%s: /%s: label %.15g would need as many classes; number them from 0, or set "
            "data.task to regression",
            set->source[PP__TRAINING].files[0], set->y_name, v->max);
    info->classes = classes != PP_AUTO ? classes : v->max < 1 ? 2 : (int64_t)v->max + 1;
    return PP_OK;
}

pp_status pp__survey_y(pp__data_rows *set, const pp_job *job, pp_error *err)
{
    pp_dataset_info *info = &set->info;
    survey all = {.v = pp_y_survey_start(info->y_columns, 1)};
    pp_y_survey *v = &all.v;
    pp_status status = PP_OK;
    for (int i = 0; status == PP_OK && i < set->n_sources; i++) {
        all.source = &set->source[i];
        status = pp__scan_targets(set, &set->source[i], survey_portion, &all, err);
        v->is_integer &= pp_h5_is_integer(set->source[i].y);
    }
    if (status == PP_OK) status = pp__check_exact_labels(set, job->data.task, v, err);
    if (status != PP_OK) return status;
    set->y_fingerprint = all.fingerprint;
    info->y_min = v->min;
    info->y_max = v->max;
    info->task = job->data.task;
    int64_t classes = pp_data_classes(job->data.classes, set->source[PP__TRAINING].y);
    if (info->task == PP_TASK_AUTO) info->task = pp_y_survey_task(v, classes);
    info->low_label = 0;
    info->high_label = 1;
    if (info->task == PP_TASK_BINARY) status = take_binary(set, v, err);
    if (info->task == PP_TASK_MULTICLASS) status = take_multiclass(set, v, classes, err);
    for (int i = 0; status == PP_OK && is_index(set, job) && i < set->n_sources; i++)
        status = pp__scan_targets(set, &set->source[i], check_labels, set, err);
    const pp__source *train = &set->source[PP__TRAINING];
    if (status == PP_OK)
        status = pp_data_class_names(info, train->y, set->arena, &info->class_names, err);
    if (status == PP_OK)
        status = pp_data_column_names(train->x, set->arena, &info->column_names, err);
    return status;
}
