/* Classes of unequal size: rows repeated, left out, or weighted. */
#include "rows_internal.h"

typedef struct sizes {
    int64_t least, most; /* training rows of the smallest and the largest class that has any */
    int64_t present;     /* classes that have any */
    int64_t rows;
} sizes;

static sizes measure(const pp__data_rows *set)
{
    sizes s = {0};
    for (int64_t k = 0; k < set->info.classes; k++) {
        int64_t rows = set->info.class_rows[k];
        if (rows == 0) continue;
        if (s.present == 0 || rows < s.least) s.least = rows;
        if (rows > s.most) s.most = rows;
        s.present++;
        s.rows += rows;
    }
    return s;
}

/* Visits of a class of `count` rows: all rows get the first number, those with the smallest keys
 * one more, and how many do is the second. */
typedef struct visits {
    int64_t each, extra;
} visits;

static visits repeat_up(const sizes *s, int64_t count)
{
    return (visits){s->most / count, s->most % count};
}

static visits leave_out(const sizes *s, int64_t count)
{
    return s->least == count ? (visits){1, 0} : (visits){0, s->least};
}

static uint16_t capped(int64_t times)
{
    return times < UINT16_MAX ? (uint16_t)times : UINT16_MAX;
}

/* Rows of no class keep their visit: times has one for them. */
static pp_status choose(pp__data_rows *set, visits (*rule)(const sizes *, int64_t),
                        pp_arena *scratch, pp_error *err)
{
    sizes s = measure(set);
    int64_t groups = set->info.classes + 1;
    int64_t *rows = PP_ARENA_NEW(scratch, int64_t, groups);
    int64_t *chosen = PP_ARENA_NEW(scratch, int64_t, groups);
    uint16_t *more = PP_ARENA_NEW(scratch, uint16_t, groups);
    uint16_t *fewer = PP_ARENA_NEW(scratch, uint16_t, groups);
    if (rows == NULL || chosen == NULL || more == NULL || fewer == NULL)
        return pp__data_no_memory(err);
    fewer[groups - 1] = 1;
    for (int64_t k = 0; k < set->info.classes; k++) {
        rows[k] = set->info.class_rows[k];
        if (rows[k] == 0) continue;
        visits v = rule(&s, rows[k]);
        chosen[k] = v.extra;
        more[k] = capped(v.each + 1);
        fewer[k] = capped(v.each);
    }
    return pp__choose_rows(set, PP_RNG_BALANCE, &(pp__choice){rows, chosen, more, fewer}, err);
}

static pp_status resample(pp__data_rows *set, visits (*rule)(const sizes *, int64_t), pp_error *err)
{
    pp_arena *scratch = pp_arena_create();
    pp_status status = scratch == NULL ? pp__data_no_memory(err) : choose(set, rule, scratch, err);
    pp_arena_destroy(scratch);
    return status;
}

/* n / (K n_c) over the classes that have training rows, as scikit-learn's "balanced". */
static void weigh(const pp__data_rows *set, double *weights)
{
    sizes s = measure(set);
    for (int64_t k = 0; k < set->info.classes; k++) {
        int64_t rows = set->info.class_rows[k];
        if (rows > 0) weights[k] = (double)s.rows / ((double)s.present * (double)rows);
    }
}

static pp_status take_given(const pp__data_rows *set, const pp_job_data *data, double *weights,
                            pp_error *err)
{
    if (data->n_class_weights != set->info.classes)
        return pp_fail(err, PP_E_JOB,
                       "data.class_weights: %d weights for %lld classes; give one a class",
                       data->n_class_weights, (long long)set->info.classes);
    for (int k = 0; k < data->n_class_weights; k++)
        weights[k] = data->class_weights[k];
    return PP_OK;
}

static pp_status count_classes(pp__data_rows *set, double **weights, pp_error *err)
{
    const pp_dataset_info *info = &set->info;
    int64_t *rows = PP_ARENA_NEW(set->arena, int64_t, info->classes + 1);
    *weights = PP_ARENA_NEW(set->arena, double, info->classes);
    if (rows == NULL || *weights == NULL) return pp__data_no_memory(err);
    for (int64_t k = 0; k < info->classes; k++)
        (*weights)[k] = 1;
    pp_status status = pp__count_groups(set, rows, err);
    set->info.class_rows = rows;
    set->info.class_weights = *weights;
    return status;
}

static pp_status apply(pp__data_rows *set, const pp_job_data *data, pp_error *err)
{
    double *weights;
    if (set->info.classes == 0) {
        if (data->balance == PP_BALANCE_NONE) return PP_OK;
        return pp_fail(err, PP_E_JOB,
                       "data.balance: needs classes, and a regression has none; use 'none', or set "
                       "data.task");
    }
    if (set->info.y_columns > 1 && !set->info.one_hot && data->balance != PP_BALANCE_NONE)
        return pp_fail(
            err, PP_E_JOB,
            "data.balance: rows of /%s can belong to several classes at once; use 'none'",
            set->y_name);
    pp_status status = count_classes(set, &weights, err);
    if (status != PP_OK) return status;
    switch (data->balance) {
    case PP_BALANCE_NONE:
        return PP_OK;
    case PP_BALANCE_OVERSAMPLE:
        return resample(set, repeat_up, err);
    case PP_BALANCE_UNDERSAMPLE:
        return resample(set, leave_out, err);
    case PP_BALANCE_CLASS_WEIGHTS:
        weigh(set, weights);
        return PP_OK;
    case PP_BALANCE_GIVEN:
        return take_given(set, data, weights, err);
    }
    return PP_OK;
}

pp_status pp__balance(pp__data_rows *set, const pp_job_data *data, pp_error *err)
{
    pp_status status = apply(set, data, err);
    for (int64_t row = 0; status == PP_OK && row < set->info.file_rows; row++) {
        set->info.train_rows += set->times[row];
        set->distinct_rows += set->times[row] > 0;
    }
    return status;
}
