/* y = f(x). */
#include "model/layers/layer.h"

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    (void)prefix, (void)path;
    pp__planner_add_activation(planner, spec->activation);
    return PP_OK;
}

static void forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    (void)f;
    s->backend->activate(s->device, op->activation, pass->batch_rows, op->out, in,
                         pass->op[i].value);
}

static float *backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_pass_spec *s = &b->pass->spec;
    const pp_op *op = &s->model->ops[i];
    (void)other;
    s->backend->activate_backward(s->device, op->activation, b->pass->batch_rows, op->out, in,
                                  b->pass->op[i].value, dy, dy);
    return dy;
}

static int overwrites(const pp_op *op)
{
    return !pp_activation_kind_of(op->activation)->takes_input;
}

const pp__layer_code pp__activation_code = {
    .plan = plan, .forward = forward, .backward = backward, .overwrites = overwrites};
