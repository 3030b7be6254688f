/* Batch norm over the rows of a lane, of an image or a sequence over the places of each channel
 * too; layer norm over the values of a row. */
#include "model/layers/layer.h"

/* Features of a batch norm: channels, each with several places, or single values. */
static int64_t units_of(const pp_op *op)
{
    return op->type == PP_LAYER_BATCH_NORM && op->shape_out.n_dims == 3 ? op->shape_out.size[0]
                                                                        : op->out;
}

static void plan_scale(pp__planner *planner, pp_op *op, const pp_layer_spec *spec,
                       const char *prefix)
{
    int batch = op->type == PP_LAYER_BATCH_NORM;
    op->epsilon = (float)spec->epsilon;
    pp_param param = {.n_dims = 1, .shape = {units_of(op)}, .trainable = spec->trainable};
    param.init = PP_INIT_CONSTANT;
    param.init_scale = 1;
    op->weight = pp__planner_add_param(planner, prefix, "weight", param);
    param.init = PP_INIT_ZEROS;
    op->bias = pp__planner_add_param(planner, prefix, "bias", param);
    if (!batch) return;
    param.trainable = 0;
    param.statistic = (float)spec->momentum; /* frozen or not, as in PyTorch */
    op->mean = pp__planner_add_param(planner, prefix, "running_mean", param);
    param.init = PP_INIT_CONSTANT;
    op->var = pp__planner_add_param(planner, prefix, "running_var", param);
}

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    (void)path;
    plan_scale(planner, pp__planner_add_op(planner, spec->type, planner->shape), spec, prefix);
    return PP_OK;
}

static int batch_memory(pp_pass *pass, int i)
{
    const pp_op *op = &pass->spec.model->ops[i];
    pp_op_memory *m = &pass->op[i];
    int64_t lanes = pass->spec.lanes.count;
    if ((m->hat = pp__pass_floats(pass, pass->rows * op->out)) == NULL) return 0;
    if (!pass->spec.train) return 1;
    m->inverse = pp__pass_floats(pass, lanes * units_of(op));
    m->statistics = pp__pass_floats(pass, lanes * 2 * units_of(op));
    return m->inverse != NULL && m->statistics != NULL;
}

static int layer_memory(pp_pass *pass, int i)
{
    pp_op_memory *m = &pass->op[i];
    m->hat = pp__pass_floats(pass, pass->rows * pass->spec.model->ops[i].out);
    m->inverse = pp__pass_floats(pass, pass->rows);
    return m->hat != NULL && m->inverse != NULL;
}

static const float *values_of(const pp_pass *pass, const float *params, int param)
{
    return params + pass->spec.model->params[param].offset;
}

static void batch_forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    const int64_t n = units_of(op);
    const float *gamma = values_of(pass, f->params, op->weight);
    const float *beta = values_of(pass, f->params, op->bias);
    if (!s->train) {
        s->backend->batch_norm_predict(s->device, pass->batch_rows, n, op->out / n, op->epsilon, in,
                                       values_of(pass, f->params, op->mean),
                                       values_of(pass, f->params, op->var), gamma, beta, m->value);
        return;
    }
    for (int l = 0; l < s->lanes.count; l++) {
        int64_t at = pass->lane_first[l] * op->out;
        s->backend->batch_norm(s->device, pass->lane_rows[l], n, op->out / n, op->epsilon, in + at,
                               gamma, beta, m->hat + at, m->inverse + l * n,
                               m->statistics + l * 2 * n, m->value + at);
    }
}

static void layer_forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    s->backend->layer_norm(s->device, pass->batch_rows, op->out, op->epsilon, in,
                           values_of(pass, f->params, op->weight),
                           values_of(pass, f->params, op->bias), m->hat, m->inverse, m->value);
}

static void gamma_leaf(const pp__leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    const pp_op *op = &s->model->ops[t->op];
    int64_t at = t->pass->lane_first[lane] * op->out;
    s->backend->sum_products(s->device, t->pass->lane_rows[lane], t->count, op->out / t->count,
                             t->dy + at, t->pass->op[t->op].hat + at, out);
}

/* first = 0: means, first = count: variances. */
static void statistics_leaf(const pp__leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    s->backend->activate(s->device, PP_ACT_IDENTITY, 1, t->count,
                         t->pass->op[t->op].statistics + lane * 2 * t->count + t->first, out);
}

static void scale_gradients(const pp__backward *b, int i, const float *dy)
{
    const pp_op *op = &b->pass->spec.model->ops[i];
    pp__leaf t = {.pass = b->pass, .op = i, .dy = dy, .write = gamma_leaf};
    pp__fold_vector(b, t, op->weight);
    t.write = op->out == units_of(op) ? pp__leaf_bias : pp__leaf_places;
    pp__fold_vector(b, t, op->bias);
}

static float *batch_backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    pp_pass *pass = b->pass;
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    const int64_t n = units_of(op);
    pp__leaf t = {.pass = pass, .op = i, .dy = dy, .write = statistics_leaf};
    (void)in, (void)other;
    scale_gradients(b, i, dy);
    pp__fold_vector(b, t, op->mean);
    t.first = n;
    pp__fold_vector(b, t, op->var);
    for (int l = 0; l < s->lanes.count; l++) {
        int64_t at = pass->lane_first[l] * op->out;
        s->backend->batch_norm_backward(s->device, pass->lane_rows[l], n, op->out / n, m->hat + at,
                                        m->inverse + l * n, values_of(pass, b->params, op->weight),
                                        dy + at, dy + at);
    }
    b->ready(b->context, s->model->params[op->weight].offset);
    return dy;
}

static float *layer_backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_pass_spec *s = &b->pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &b->pass->op[i];
    (void)in, (void)other;
    scale_gradients(b, i, dy);
    s->backend->layer_norm_backward(s->device, b->pass->batch_rows, op->out, m->hat, m->inverse,
                                    values_of(b->pass, b->params, op->weight), dy, dy);
    b->ready(b->context, s->model->params[op->weight].offset);
    return dy;
}

const pp__layer_code pp__batch_norm_code = {
    .plan = plan, .memory = batch_memory, .forward = batch_forward, .backward = batch_backward};
const pp__layer_code pp__layer_norm_code = {
    .plan = plan, .memory = layer_memory, .forward = layer_forward, .backward = layer_backward};
