/* Values are zeroed at random in training, and the others scaled up. */
#include "model/layers/layer.h"

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    (void)prefix, (void)path;
    if (spec->rate > 0)
        pp__planner_add_op(planner, PP_LAYER_DROPOUT, planner->shape)->rate = (float)spec->rate;
    return PP_OK;
}

static int memory(pp_pass *pass, int i)
{
    pass->op[i].hat = pp__pass_floats(pass, pass->rows * pass->spec.model->ops[i].out);
    return pass->op[i].hat != NULL;
}

/* An element's number is (layer, slot of the global batch, feature): the same on any rank. */
static void draw(pp_pass *pass, int i, int64_t step)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    /* Philox block numbers have 32 bits; the layer goes with the step. */
    uint64_t when = (uint64_t)step << 16 | (uint64_t)op->layer;
    for (int l = 0; l < s->lanes.count; l++)
        s->backend->dropout_mask(s->device, pp_rng_at(s->seed, PP_RNG_DROPOUT, when),
                                 (uint64_t)(s->cut[s->lanes.first + l] * op->out), op->rate,
                                 pass->lane_rows[l] * op->out,
                                 pass->op[i].hat + pass->lane_first[l] * op->out);
}

static void forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    if (!s->train) {
        s->backend->activate(s->device, PP_ACT_IDENTITY, pass->batch_rows, op->out, in, m->value);
        return;
    }
    draw(pass, i, f->step);
    s->backend->multiply(s->device, pass->batch_rows * op->out, m->hat, in, m->value);
}

static float *backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_pass_spec *s = &b->pass->spec;
    (void)in, (void)other;
    s->backend->multiply(s->device, b->pass->batch_rows * s->model->ops[i].out, b->pass->op[i].hat,
                         dy, dy);
    return dy;
}

const pp__layer_code pp__dropout_code = {
    .plan = plan, .memory = memory, .forward = forward, .backward = backward};
