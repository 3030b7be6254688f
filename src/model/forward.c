/* Forward: the ops from first to last, each by the code of its kind. */
#include "model/layers/layer.h"

const float *pp_pass_forward(pp_pass *pass, const float *params, const float *x,
                             const int64_t *lane_rows, int64_t step)
{
    const pp_model *model = pass->spec.model;
    pp__forward f = {.params = params, .x = x, .step = step};
    pp__pass_take(pass, lane_rows);
    for (int i = 0; i < model->n_ops; i++)
        pp__layer_code_of(model->ops[i].type)->forward(pass, i, &f, pp__pass_value(pass, x, i - 1));
    return pp__pass_value(pass, x, model->n_ops - 1);
}
