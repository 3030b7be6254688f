/* Backward: the ops from last to first, each by the code of its kind. The gradient with respect to
 * what is between two ops lies in one of two buffers, or in place of the outputs' own. */
#include "model/layers/layer.h"

/* Gradients that went past residual blocks beginning behind op i join the one that went through. */
static void join_skipped(const pp__backward *b, int i, float *dy)
{
    const pp_pass_spec *s = &b->pass->spec;
    for (int a = i + 1; a < s->model->n_ops; a++)
        if (s->model->ops[a].type == PP_LAYER_RESIDUAL && s->model->ops[a].skip == i)
            s->backend->add(s->device, b->pass->batch_rows * s->model->ops[a].out,
                            b->pass->op[a].skipped, dy);
}

void pp_pass_backward(pp_pass *pass, const float *params, const float *x, float *dz,
                      float *const *gradient, pp_ready_fn ready, void *context)
{
    pp__backward b = {pass, params, x, gradient, ready, context};
    float *dy = dz;
    for (int i = pass->spec.model->n_ops - 1; i >= 0; i--) {
        join_skipped(&b, i, dy);
        float *other = dy == pass->gradient[0] ? pass->gradient[1] : pass->gradient[0];
        dy = pp__layer_code_of(pass->spec.model->ops[i].type)
                 ->backward(&b, i, pp__pass_value(pass, x, i - 1), dy, other);
    }
    ready(context, 0);
}
