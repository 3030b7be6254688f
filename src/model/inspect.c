/* Where a number first stopped being one: looked for once, after the damage. */
#include <math.h>
#include <stdlib.h>

#include "pass.h"

static int all_finite(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

/* Rows of lanes come in any order, hence the lowest index and not the first. */
static int64_t lowest_bad_row(const float *values, int64_t rows, int64_t columns,
                              const int64_t *index)
{
    int64_t lowest = -1;
    for (int64_t i = 0; i < rows; i++)
        if (!all_finite(values + i * columns, columns) && (lowest < 0 || index[i] < lowest))
            lowest = index[i];
    return lowest;
}

int pp_pass_find_non_finite(const pp_pass *pass, const int64_t *index, int64_t *lowest)
{
    const pp_pass_spec *s = &pass->spec;
    int found = -1;
    for (int i = 0; i < s->model->n_ops && found < 0; i++) {
        int64_t columns = s->model->ops[i].out;
        size_t bytes = (size_t)(pass->batch_rows * columns) * sizeof(float);
        float *values = malloc(bytes);
        if (values == NULL) return -1;
        s->backend->download(s->device, values, pass->op[i].value, bytes);
        *lowest = lowest_bad_row(values, pass->batch_rows, columns, index);
        if (*lowest >= 0) found = i;
        free(values);
    }
    return found;
}

int pp_model_find_non_finite(const pp_model *model, const float *params)
{
    for (int i = 0; i < model->n_params; i++)
        if (!all_finite(params + model->params[i].offset, model->params[i].count)) return i;
    return -1;
}

const char *pp_op_name(const pp_op *op)
{
    if (op->type == PP_LAYER_RESIDUAL) return "end of a residual block";
    return pp_layer_kind_of(op->type)->name;
}
