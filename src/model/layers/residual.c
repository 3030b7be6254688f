/* output = input + layers(input): the op at the end of a block adds. On the way back it keeps the
 * gradient for the op whose output went past the block. */
#include "model/layers/layer.h"

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    pp_shape in = planner->shape;
    int skip = planner->model->n_ops - 1;
    pp_status status = pp__planner_add_layers(planner, spec->layers, spec->n_layers, prefix, path);
    if (status == PP_OK) pp__planner_add_op(planner, PP_LAYER_RESIDUAL, in)->skip = skip;
    return status;
}

static int memory(pp_pass *pass, int i)
{
    if (!pass->spec.train) return 1;
    pass->op[i].skipped = pp__pass_floats(pass, pass->rows * pass->spec.model->ops[i].out);
    return pass->op[i].skipped != NULL;
}

static void forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    float *out = pass->op[i].value;
    s->backend->activate(s->device, PP_ACT_IDENTITY, pass->batch_rows, op->out, in, out);
    s->backend->add(s->device, pass->batch_rows * op->out, pp__pass_value(pass, f->x, op->skip),
                    out);
}

static float *backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_pass_spec *s = &b->pass->spec;
    (void)in, (void)other;
    s->backend->activate(s->device, PP_ACT_IDENTITY, b->pass->batch_rows, s->model->ops[i].out, dy,
                         b->pass->op[i].skipped);
    return dy;
}

const pp__layer_code pp__residual_code = {
    .plan = plan, .memory = memory, .forward = forward, .backward = backward};
