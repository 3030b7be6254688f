#include "trial_internal.h"

/* Probability of class 1. Losses for real numbers see labels as they are, so a model of labels
 * {-1, 1} answers between them: that range is [0, 1] of probability. */
static float binary_probability(const trial *t, const float *p)
{
    int64_t outputs = t->model->outputs;
    float value = outputs > 1 ? p[1] : p[0];
    pp_loss_type type = t->loss.spec.type;
    if (type != PP_LOSS_MSE && type != PP_LOSS_MAE && type != PP_LOSS_HUBER) return value;
    if (t->job->model.at_prediction == PP_PREDICT_SIGMOID) return value;
    float low = (float)t->info->low_label, high = (float)t->info->high_label;
    return (value - low) / (high - low);
}

/* One row as the sketch's columns; a class without an output has probability 0. */
static void to_columns(trial *t, const float *p, const float *y, float *columns, float *targets)
{
    int outputs = (int)t->model->outputs, y_columns = (int)t->info->y_columns;
    if (t->shape.kind == PP_SKETCH_BINARY) {
        columns[0] = binary_probability(t, p);
        return;
    }
    for (int k = 0; k < t->shape.columns; k++)
        columns[k] = k < outputs ? p[k] : 0.0f;
    if (t->shape.kind != PP_SKETCH_REGRESSION) return;
    for (int k = 0; k < t->shape.columns; k++)
        targets[k] = y[y_columns == 1 ? 0 : k];
}

void pp__trial_sketch(trial *t, pp_sketch *sketch, int64_t rows, const row_buffers *b)
{
    int regression = t->shape.kind == PP_SKETCH_REGRESSION;
    float *columns = t->sketch_row, *targets = t->sketch_row + t->shape.columns;
    pp_loss_predict(&t->loss, &t->job->model, rows, b->z, b->p);
    for (int64_t i = 0; i < rows; i++) {
        const float *y = b->rows.y + i * t->info->y_columns;
        to_columns(t, b->p + i * t->model->outputs, y, columns, targets);
        int64_t class_index = regression ? 0 : pp_dataset_class(t->data, y);
        pp_sketch_add(sketch, b->rows.index[i], columns, regression ? NULL : &class_index,
                      regression ? targets : NULL, b->row_loss[i]);
    }
}

void pp__trial_evaluate(trial *t, pp_part part, pp_sketch *sketch)
{
    const pp_backend *backend = t->spec->backend;
    row_buffers *b = &t->block;
    int64_t blocks = pp_dataset_blocks(t->data, part);
    for (int64_t i = 0; i < blocks; i++) {
        int64_t rows = pp_dataset_block(t->data, part, i, &b->rows);
        backend->upload(t->device, b->x, b->rows.x,
                        (size_t)(rows * t->info->inputs) * sizeof(float));
        const float *z = pp_pass_forward(t->eval_pass, t->params, b->x, &rows, 0);
        backend->download(t->device, b->z, z, (size_t)(rows * t->model->outputs) * sizeof(float));
        pp_loss_rows(&t->loss, rows, b->z, b->rows.y, b->rows.weight, b->row_loss, NULL,
                     b->scratch);
        pp__trial_sketch(t, sketch, rows, b);
    }
    pp_comm_merge(t->comm, 0, sketch, pp_sketch_bytes(&t->shape), pp_sketch_merge);
}
