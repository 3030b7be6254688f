#include <string.h>

#include "trial_internal.h"

pp_part pp__trial_judged(const trial *t)
{
    return t->info->validation_rows > 0 ? PP_PART_VALIDATION : PP_PART_TRAIN;
}

/* Probability of class 1. Losses for real numbers see labels as they are, so a model of labels
 * {-1, 1} answers between them: that range is [0, 1] of probability. */
static float binary_probability(const trial *t, const float *p)
{
    int64_t outputs = t->model->outputs;
    float value = outputs > 1 ? p[1] : p[0];
    if (pp_loss_family_of(t->loss.spec.type) != PP_FAMILY_REAL) return value;
    if (t->job->model.at_prediction == PP_PREDICT_SIGMOID) return value;
    float low = (float)t->info->low_label, high = (float)t->info->high_label;
    return (value - low) / (high - low);
}

/* Predictions, or outputs before a clamp, as the sketch's columns; a class without an output has
 * probability 0. */
static void to_columns(const trial *t, int64_t rows, const float *values, float *columns)
{
    int outputs = (int)t->model->outputs;
    for (int64_t i = 0; i < rows; i++) {
        const float *p = values + i * outputs;
        float *to = columns + i * t->shape.columns;
        if (t->shape.kind == PP_SKETCH_BINARY) {
            *to = binary_probability(t, p);
            continue;
        }
        for (int k = 0; k < t->shape.columns; k++)
            to[k] = k < outputs ? p[k] : 0.0f;
    }
}

/* Every output of a regression has a target. */
static void to_targets(trial *t, int64_t rows, const row_buffers *b, float *targets)
{
    int64_t y_columns = t->info->y_columns, columns = t->shape.columns;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++)
            targets[i * columns + k] = b->rows.y[i * y_columns + (y_columns == 1 ? 0 : k)];
}

void pp__trial_add_losses(const row_buffers *b, int64_t first, int64_t rows, pp_sum sums[2])
{
    double sum = 0, squares = 0;
    for (int64_t i = first; i < first + rows; i++) {
        sum += b->row_loss[i];
        squares += b->row_loss[i] * b->row_loss[i];
    }
    pp_sum_add(sums, sum);
    pp_sum_add(sums + 1, squares);
}

void pp__trial_sketch(trial *t, pp_sketch *sketch, int64_t rows, const row_buffers *b,
                      const pp_sum *loss)
{
    int regression = t->shape.kind == PP_SKETCH_REGRESSION;
    int clamped =
        t->job->model.at_prediction == PP_PREDICT_CLAMP && t->model->outputs == t->shape.columns;
    pp_loss_predict(&t->loss, &t->job->model, rows, b->z, b->p);
    to_columns(t, rows, b->p, t->sketch_p);
    if (clamped) to_columns(t, rows, b->z, t->sketch_raw);
    if (regression) to_targets(t, rows, b, t->sketch_t);
    for (int64_t i = 0; !regression && i < rows; i++)
        t->sketch_y[i] = pp_dataset_class(t->data, b->rows.y + i * t->info->y_columns);
    pp_sketch_add(sketch, &(pp_sketch_rows){.rows = rows,
                                            .index = b->rows.index,
                                            .p = t->sketch_p,
                                            .raw = clamped ? t->sketch_raw : NULL,
                                            .y = regression ? NULL : t->sketch_y,
                                            .t = regression ? t->sketch_t : NULL,
                                            .loss = loss});
}

/* The rows that were sketched last, to their lane. */
static void group_rows(trial *t, int64_t block, int64_t rows)
{
    int regression = t->shape.kind == PP_SKETCH_REGRESSION;
    pp_sketch_rows added = {.rows = rows,
                            .p = t->sketch_p,
                            .y = regression ? NULL : t->sketch_y,
                            .t = regression ? t->sketch_t : NULL};
    pp_group_add(&t->groups[pp_dataset_block_lane(t->data, block)], &t->shape, &added);
}

/* Each rank has the groups of its lanes; rank 0 gets them all. */
static void gather_groups(trial *t)
{
    enum { FLOATS = sizeof(pp_group) / sizeof(float) };
    int64_t *first = t->group_first;
    for (int r = 0; r < t->ranks; r++)
        first[r] = FLOATS * pp_lanes_of_rank(t->lanes, r, t->ranks).first;
    first[t->ranks] = FLOATS * t->lanes;
    pp_comm_gather_ranges(t->comm, 0, first, (float *)(void *)t->groups);
}

pp_status pp__trial_evaluate(trial *t, pp_part part, pp_sketch *sketch, pp_error *err)
{
    const pp_backend *backend = t->backend;
    row_buffers *b = &t->block;
    int64_t blocks = pp_dataset_blocks(t->data, part);
    int signs_ok = 1, sampled = 1, is_judged = part == pp__trial_judged(t);
    if (is_judged) pp__trial_forget_rows(t);
    pp__trial_yardstick_clear(t);
    if (part == PP_PART_TRAIN) {
        memset(t->groups, 0, (size_t)t->lanes * sizeof *t->groups);
        pp_signs_clear(t->signs);
    }
    for (int64_t i = 0; i < blocks; i++) {
        double begun = pp_comm_seconds();
        int64_t rows = pp_dataset_block(t->data, part, i, &b->rows);
        t->watch_time.input += pp_comm_seconds() - begun;
        backend->upload(t->device, b->x, b->rows.x,
                        (size_t)(rows * t->info->inputs) * sizeof(float));
        const float *z = pp_pass_forward(t->eval_pass, t->params, b->x, &rows, 0);
        backend->download(t->device, b->z, z, (size_t)(rows * t->model->outputs) * sizeof(float));
        pp_loss_rows(&t->loss, rows, b->z, b->rows.y, b->rows.weight, b->row_loss, NULL,
                     b->scratch);
        pp_sum loss[2] = {{{0}, 0}};
        pp__trial_add_losses(b, 0, rows, loss);
        pp__trial_sketch(t, sketch, rows, b, loss);
        pp__trial_yardstick_add(t, rows, b);
        if (is_judged) sampled = sampled && pp__trial_keep_rows(t, part, rows, b->rows.index);
        pp__life_move(t->life);
        if (part != PP_PART_TRAIN) continue;
        group_rows(t, i, rows);
        signs_ok = signs_ok && pp_signs_add(t->signs, t->eval_pass);
    }
    pp_status status = pp_dataset_status(t->data, err);
    if (status == PP_OK && !(signs_ok && sampled))
        status = pp_fail(err, PP_E_MEMORY, "no memory to evaluate");
    status = pp_comm_agree(t->comm, status, err);
    if (status != PP_OK) return status;
    pp_comm_merge(t->comm, 0, sketch, pp_sketch_bytes(&t->shape), pp_sketch_merge);
    pp__trial_yardstick_merge(t);
    if (part == PP_PART_TRAIN) {
        gather_groups(t);
        pp_comm_merge(t->comm, 0, t->signs, pp_signs_bytes(t->model), pp_signs_merge);
    }
    return PP_OK;
}
