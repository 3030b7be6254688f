#include "pass.h"

/* The bias goes in first and the product is added to it: one pass over the outputs less. */
static void dense(pp_pass *pass, int i, const float *params, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    const float *weight = params + s->model->params[op->weight].offset;
    float *out = pass->op[i].value;
    pp__product *product = s->backend->gemm;
    if (op->bias >= 0) {
        s->backend->fill_rows(s->device, pass->batch_rows, op->out,
                              params + s->model->params[op->bias].offset, out);
        product = s->backend->gemm_add;
    }
    pp__pass_products(pass, product, pass->op[i].forward_as_one, 1, op->out, op->in, in, weight,
                      out);
}

/* An element's number is (layer, slot of the global batch, feature): the same on any rank. */
static void dropout(pp_pass *pass, int i, const float *in, int64_t step)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    /* Philox block numbers have 32 bits; the layer goes with the step. */
    uint64_t when = (uint64_t)step << 16 | (uint64_t)op->layer;
    for (int l = 0; l < s->lanes.count; l++) {
        int64_t at = pass->lane_first[l] * op->out;
        s->backend->dropout_mask(s->device, pp_rng_at(s->seed, PP_RNG_DROPOUT, when),
                                 (uint64_t)(s->cut[s->lanes.first + l] * op->out), op->rate,
                                 pass->lane_rows[l] * op->out, m->hat + at);
    }
    s->backend->multiply(s->device, pass->batch_rows * op->out, m->hat, in, m->value);
}

static void batch_norm(pp_pass *pass, int i, const float *params, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    const float *gamma = params + s->model->params[op->weight].offset;
    const float *beta = params + s->model->params[op->bias].offset;
    if (!s->train) {
        s->backend->batch_norm_predict(s->device, pass->batch_rows, op->out, op->epsilon, in,
                                       params + s->model->params[op->mean].offset,
                                       params + s->model->params[op->var].offset, gamma, beta,
                                       m->value);
        return;
    }
    for (int l = 0; l < s->lanes.count; l++) {
        int64_t at = pass->lane_first[l] * op->out;
        s->backend->batch_norm(s->device, pass->lane_rows[l], op->out, op->epsilon, in + at, gamma,
                               beta, m->hat + at, m->inverse + l * op->out,
                               m->statistics + l * 2 * op->out, m->value + at);
    }
}

static void forward_op(pp_pass *pass, int i, const float *params, const float *x, int64_t step)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    const float *in = pp__pass_value(pass, x, i - 1);
    pp_op_memory *m = &pass->op[i];
    int64_t size = pass->batch_rows * op->out;
    switch (op->type) {
    case PP_OP_DENSE:
        dense(pass, i, params, in);
        break;
    case PP_OP_ACTIVATION:
        s->backend->activate(s->device, op->activation, pass->batch_rows, op->out, in, m->value);
        break;
    case PP_OP_DROPOUT:
        if (s->train)
            dropout(pass, i, in, step);
        else
            s->backend->activate(s->device, PP_ACT_IDENTITY, pass->batch_rows, op->out, in,
                                 m->value);
        break;
    case PP_OP_BATCH_NORM:
        batch_norm(pass, i, params, in);
        break;
    case PP_OP_LAYER_NORM:
        s->backend->layer_norm(s->device, pass->batch_rows, op->out, op->epsilon, in,
                               params + s->model->params[op->weight].offset,
                               params + s->model->params[op->bias].offset, m->hat, m->inverse,
                               m->value);
        break;
    case PP_OP_ADD:
        s->backend->activate(s->device, PP_ACT_IDENTITY, pass->batch_rows, op->out, in, m->value);
        s->backend->add(s->device, size, pp__pass_value(pass, x, op->skip), m->value);
        break;
    }
}

const float *pp_pass_forward(pp_pass *pass, const float *params, const float *x,
                             const int64_t *lane_rows, int64_t step)
{
    pp__pass_take(pass, lane_rows);
    for (int i = 0; i < pass->spec.model->n_ops; i++)
        forward_op(pass, i, params, x, step);
    return pp__pass_value(pass, x, pass->spec.model->n_ops - 1);
}
