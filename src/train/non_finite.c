/* Where numbers first stopped being numbers: looked for once, in the step that shows it, while the
 * parameters and activations of that step are still there. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "trial_internal.h"

/* A place as one integer, the earliest is the least: parameters, then the outputs of layers in
 * forward order, then the loss; within it the row. */
enum { ROW_BITS = 44, PARAMETER_PLACES = 1 << 14 };
static const int64_t no_row = ((int64_t)1 << ROW_BITS) - 1;

static int64_t key_of(int place, int64_t row)
{
    return (int64_t)place << ROW_BITS | (row < 0 ? no_row : row);
}

/* The parameters that this step began with; they are the same on every rank. */
static int first_bad_parameter(const trial *t)
{
    size_t bytes = (size_t)t->model->size * sizeof(float);
    float *params = malloc(bytes);
    if (params == NULL) return -1;
    t->backend->download(t->device, params, t->params, bytes);
    int found = pp_model_find_non_finite(t->model, params);
    free(params);
    return found;
}

/* Lanes may hold their rows in any order, so the lowest is looked for. */
static int64_t lowest_bad_loss(const row_buffers *b, int64_t rows)
{
    int64_t lowest = -1;
    for (int64_t i = 0; i < rows; i++)
        if (!isfinite(b->row_loss[i]) && (lowest < 0 || b->rows.index[i] < lowest))
            lowest = b->rows.index[i];
    return lowest;
}

void pp__trial_find_non_finite(trial *t, int64_t rows)
{
    if (t->history.non_finite.step > 0) return;
    int parameter = first_bad_parameter(t);
    if (parameter >= 0) {
        t->bad_key = key_of(parameter, -1);
        return;
    }
    int64_t row;
    int op = pp_pass_find_non_finite(t->pass, t->batch.rows.index, &row);
    t->bad_key = op >= 0
                     ? key_of(PARAMETER_PLACES + op, row)
                     : key_of(PARAMETER_PLACES + t->model->n_ops, lowest_bad_loss(&t->batch, rows));
}

static void name_place(const trial *t, int place, char text[PP_PLACE_TEXT])
{
    const pp_model *model = t->model;
    if (place < PARAMETER_PLACES) {
        snprintf(text, PP_PLACE_TEXT, "the update of the step before, in %s",
                 model->params[place].name);
    } else if (place - PARAMETER_PLACES < model->n_ops) {
        const pp_op *op = &model->ops[place - PARAMETER_PLACES];
        snprintf(text, PP_PLACE_TEXT, "the output of layer %d (%s)", op->layer, pp_op_name(op));
    } else {
        snprintf(text, PP_PLACE_TEXT, "the loss");
    }
}

void pp__trial_note_non_finite(trial *t)
{
    pp_non_finite *found = &t->history.non_finite;
    if (found->step > 0) return;
    int64_t key = t->bad_key;
    pp_comm_min_i64(t->comm, &key, 1);
    found->step = t->step;
    found->row = (key & no_row) == no_row ? -1 : key & no_row;
    name_place(t, (int)(key >> ROW_BITS), found->place);
    char row[40] = "";
    if (found->row >= 0) snprintf(row, sizeof row, ", row %" PRId64, found->row);
    pp_log_write(t->log, PP_LOG_WARN, "the loss is not finite since step %" PRId64 ": %s%s",
                 t->step, found->place, row);
}
