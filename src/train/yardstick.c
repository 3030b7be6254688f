/* The loss that is trained on against that of the best constant outputs, row weights and class
 * weights counted. Of classes all that is needed are exact sums over the rows of each, so that any
 * split over ranks gives the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trial_internal.h"

enum { WEIGHT, WEIGHT_SQUARE, LOSS, LOSS_SQUARE, WEIGHT_LOSS, SUMS };
enum { MOST_CLASSES = 256, MOST_SEARCHED = 16, STEPS = 80 };
#define FAR 40.0 /* log-odds, beyond which no loss changes */

static int64_t groups_of(const trial *t)
{
    return t->shape.kind == PP_SKETCH_REGRESSION ? 1 : t->info->classes;
}

/* What is predicted has to be what the loss sees, and a class has to settle its targets. */
static int applies(const trial *t)
{
    int regression = t->shape.kind == PP_SKETCH_REGRESSION;
    int of_classes = t->info->y_columns == 1 || t->info->one_hot;
    if (t->job->model.at_prediction != PP_PREDICT_NONE) return 0;
    if (t->loss.spec.targets == PP_TARGETS_BROADCAST) return 0;
    if (regression)
        return t->loss.spec.type != PP_LOSS_MSE && t->info->y_columns == 1 &&
               pp_loss_family_of(t->loss.spec.type) == PP_FAMILY_REAL && t->shape.columns == 1;
    int most =
        pp_loss_family_of(t->loss.spec.type) == PP_FAMILY_CLASSES ? MOST_CLASSES : MOST_SEARCHED;
    return of_classes && t->info->classes <= most && t->model->outputs <= most;
}

pp_status pp__trial_yardstick_plan(trial *t, pp_error *err)
{
    t->yardstick = NULL;
    if (!applies(t)) return PP_OK;
    t->yardstick = PP_ARENA_NEW(t->arena, pp_sum, SUMS * groups_of(t));
    return t->yardstick != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

void pp__trial_yardstick_clear(trial *t)
{
    if (t->yardstick != NULL)
        memset(t->yardstick, 0, (size_t)(SUMS * groups_of(t)) * sizeof *t->yardstick);
}

void pp__trial_yardstick_add(trial *t, int64_t rows, const row_buffers *b)
{
    int regression = t->shape.kind == PP_SKETCH_REGRESSION;
    if (t->yardstick == NULL) return;
    for (int64_t i = 0; i < rows; i++) {
        int64_t k = regression ? 0 : t->sketch_y[i];
        double w = (double)b->rows.weight[i], loss = b->row_loss[i];
        if (k < 0 || k >= groups_of(t)) continue;
        pp_sum *sums = t->yardstick + SUMS * k;
        pp_sum_add(sums + WEIGHT, w);
        pp_sum_add(sums + WEIGHT_SQUARE, w * w);
        pp_sum_add(sums + LOSS, loss);
        pp_sum_add(sums + LOSS_SQUARE, loss * loss);
        pp_sum_add(sums + WEIGHT_LOSS, w * loss);
    }
    for (int64_t i = 0; i < SUMS * groups_of(t); i++)
        pp_sum_normalise(t->yardstick + i);
}

static void merge(void *into, const void *from, size_t size)
{
    for (size_t i = 0; i < size / sizeof(pp_sum); i++)
        pp_sum_merge((pp_sum *)into + i, (const pp_sum *)from + i);
}

void pp__trial_yardstick_merge(trial *t)
{
    if (t->yardstick == NULL) return;
    size_t size = (size_t)(SUMS * groups_of(t)) * sizeof *t->yardstick;
    pp_comm_merge(t->comm, 0, t->yardstick, size, merge);
}

/* ---- the best constant ---- */

/* How often training draws a row of this class, for once in an evaluation. */
static double visits_of(const trial *t, int64_t k)
{
    int64_t least = INT64_MAX, most = 0, rows = t->info->class_rows[k];
    for (int64_t c = 0; c < t->info->classes; c++) {
        int64_t here = t->info->class_rows[c];
        if (here > 0 && here < least) least = here;
        if (here > most) most = here;
    }
    if (rows == 0) return 1;
    if (t->job->data.balance == PP_BALANCE_OVERSAMPLE) return (double)most / (double)rows;
    if (t->job->data.balance == PP_BALANCE_UNDERSAMPLE) return (double)least / (double)rows;
    return 1;
}

typedef struct constants {
    const trial *t;
    int64_t classes, outputs;
    double weight[MOST_CLASSES]; /* of all rows of a class */
    float z[MOST_CLASSES];
    double loss[MOST_CLASSES]; /* of a row of each class */
    void *scratch;
} constants;

static void put_target(const trial *t, int64_t k, float *y)
{
    y[0] = (float)k;
    if (t->info->task == PP_TASK_BINARY && t->info->y_columns == 1)
        y[0] = (float)(k == 0 ? t->info->low_label : t->info->high_label);
    for (int64_t c = 0; t->info->one_hot && c < t->info->y_columns; c++)
        y[c] = (float)(c == k);
}

/* The summed loss of all rows at these outputs. */
static double loss_of(constants *c)
{
    float y[MOST_CLASSES], weight = 1;
    double sum = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        put_target(c->t, k, y);
        pp_loss_rows(&c->t->loss, 1, c->z, y, &weight, c->loss + k, NULL, c->scratch);
        if (c->weight[k] > 0) sum += c->weight[k] * c->loss[k];
    }
    return sum;
}

/* Shares of the targets as the loss sees them. */
static void start_at_shares(constants *c)
{
    const pp_job_loss *spec = &c->t->loss.spec;
    double all = 0, s = spec->label_smoothing, k = (double)c->outputs;
    for (int64_t i = 0; i < c->classes; i++)
        all += c->weight[i];
    for (int64_t i = 0; i < c->outputs; i++) {
        double share = i < c->classes ? c->weight[i] / all : 0;
        share = fmax(1e-12, share * (1 - s) + s / k);
        c->z[i] = (float)(pp_loss_is_on_logits(spec->type) ? log(share) : share);
    }
}

/* Every unit's loss is convex in its output: by thirds. */
static void search_unit(constants *c, int64_t unit)
{
    const pp_dataset_info *info = c->t->info;
    pp_loss_type type = c->t->loss.spec.type;
    int real = pp_loss_family_of(type) == PP_FAMILY_REAL;
    double low = real ? fmin(0, info->y_min) : pp_loss_is_on_logits(type) ? -FAR : 0;
    double high = real ? fmax(1, info->y_max) : pp_loss_is_on_logits(type) ? FAR : 1;
    for (int step = 0; step < STEPS; step++) {
        double left = low + (high - low) / 3, right = high - (high - low) / 3;
        c->z[unit] = (float)left;
        double at_left = loss_of(c);
        c->z[unit] = (float)right;
        if (at_left < loss_of(c))
            high = right;
        else
            low = left;
    }
    c->z[unit] = (float)(low + (high - low) / 2);
}

static double value_of(const trial *t, int64_t k, int which)
{
    return pp_sum_value(t->yardstick + SUMS * k + which);
}

/* As the skill of the log loss: a row's part in the error of the ratio is (1 - skill) w b - l. */
static void put_classes(const trial *t, constants *c, pp_summary *s)
{
    double loss = 0, squares = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        double visits = visits_of(t, k);
        c->weight[k] = visits * value_of(t, k, WEIGHT);
        loss += visits * value_of(t, k, LOSS);
    }
    start_at_shares(c);
    if (pp_loss_family_of(t->loss.spec.type) != PP_FAMILY_CLASSES)
        for (int64_t unit = 0; unit < c->outputs; unit++)
            search_unit(c, unit);
    double base = loss_of(c), rest = loss / base;
    if (!(base > 0) || !isfinite(rest)) return;
    for (int64_t k = 0; k < c->classes; k++) {
        double visits = visits_of(t, k), b = rest * c->loss[k];
        if (!(c->weight[k] > 0)) continue;
        squares += visits * visits *
                   (b * b * value_of(t, k, WEIGHT_SQUARE) - 2 * b * value_of(t, k, WEIGHT_LOSS) +
                    value_of(t, k, LOSS_SQUARE));
    }
    s->loss_skill = 1 - rest;
    s->loss_skill_error = sqrt(fmax(0, squares)) / base;
}

typedef struct real_loss {
    const trial *t;
    void *scratch;
} real_loss;

static double loss_of_number(void *context, double constant, double target)
{
    const real_loss *of = context;
    float z = (float)constant, y = (float)target, weight = 1;
    double loss;
    pp_loss_rows(&of->t->loss, 1, &z, &y, &weight, &loss, NULL, of->scratch);
    return loss;
}

/* How a row's loss and that of the constant hang together is not kept: the errors are added. */
static void put_number(const trial *t, const pp_sketch *sketch, void *scratch, pp_summary *s)
{
    real_loss of = {t, scratch};
    double rows = value_of(t, 0, WEIGHT), variance, base;
    if (rows != (double)(s->rows - s->label_outside - s->non_finite) ||
        value_of(t, 0, WEIGHT_SQUARE) != rows)
        return; /* weights: not known */
    base = pp_sketch_constant_loss(sketch, loss_of_number, &of, &variance);
    double mean = value_of(t, 0, LOSS) / rows, rest = mean / base;
    if (!(base > 0) || !isfinite(rest)) return;
    double own = fmax(0, value_of(t, 0, LOSS_SQUARE) / rows - mean * mean);
    s->loss_skill = 1 - rest;
    s->loss_skill_error = (sqrt(own) + rest * sqrt(variance)) / sqrt(rows) / base;
}

void pp__trial_yardstick_put(const trial *t, const pp_sketch *sketch, pp_summary *s)
{
    if (t->yardstick == NULL || t->rank != 0 || s->rows == 0) return;
    void *scratch = malloc(pp_loss_scratch(&t->loss, 1));
    if (scratch == NULL) return;
    if (t->shape.kind == PP_SKETCH_REGRESSION) {
        put_number(t, sketch, scratch, s);
    } else {
        constants c = {.t = t, .classes = t->info->classes, .outputs = t->model->outputs};
        c.scratch = scratch;
        put_classes(t, &c, s);
    }
    free(scratch);
}
