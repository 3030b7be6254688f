#include "pass.h"

#include "pitprop/check.h"

/* One gradient of one op, lane by lane: writes `count` floats, beginning at float `first` of the
 * parameter. */
typedef struct leaf {
    pp_pass *pass;
    int op;
    const float *in, *dy; /* [rows, in], [rows, out] of all lanes */
    int64_t first, count;
    void (*write)(const struct leaf *leaf, int lane, float *out);
    void (*add)(const struct leaf *leaf, int lane,
                float *out); /* out += what write writes; nullable */
} leaf;

static void weight_product(const leaf *t, int lane, float *out, pp__product *product)
{
    const pp_pass_spec *s = &t->pass->spec;
    const pp_op *op = &s->model->ops[t->op];
    int64_t at = t->pass->lane_first[lane];
    product(s->device, 1, 0, t->count / op->in, op->in, t->pass->lane_rows[lane],
            t->dy + at * op->out + t->first / op->in, op->out, t->in + at * op->in, op->in, out,
            op->in);
}

static void weight_leaf(const leaf *t, int lane, float *out)
{
    weight_product(t, lane, out, t->pass->spec.backend->gemm);
}

static void weight_leaf_add(const leaf *t, int lane, float *out)
{
    weight_product(t, lane, out, t->pass->spec.backend->gemm_add);
}

static void bias_leaf(const leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    s->backend->sum_rows(s->device, t->pass->lane_rows[lane], t->count,
                         t->dy + t->pass->lane_first[lane] * t->count, out);
}

static void gamma_leaf(const leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    int64_t at = t->pass->lane_first[lane] * t->count;
    s->backend->sum_products(s->device, t->pass->lane_rows[lane], t->count, t->dy + at,
                             t->pass->op[t->op].hat + at, out);
}

/* first = 0: means, first = count: variances. */
static void statistics_leaf(const leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    s->backend->activate(s->device, PP_ACT_IDENTITY, 1, t->count,
                         t->pass->op[t->op].statistics + lane * 2 * t->count + t->first, out);
}

/* Adds the lanes of a node as the tree says: left half, right half, their sum. The left half may
 * use the scratch of this depth because the right half has not begun. */
static void fold(const leaf *t, pp_tree_node node, int depth, float *out)
{
    if (node.count == 1) {
        t->write(t, node.first - t->pass->spec.lanes.first, out);
        return;
    }
    int half = node.count / 2;
    if (half == 1 && t->add != NULL) {
        t->write(t, node.first - t->pass->spec.lanes.first, out);
        t->add(t, node.first + 1 - t->pass->spec.lanes.first, out);
        return;
    }
    float *right = t->pass->scratch[depth];
    fold(t, (pp_tree_node){node.first, half}, depth, out);
    fold(t, (pp_tree_node){node.first + half, half}, depth + 1, right);
    t->pass->spec.backend->add(t->pass->spec.device, t->count, right, out);
}

/* offset: where in the parameter vector the floats of this leaf begin. */
static void fold_all(const leaf *t, int64_t offset, float *const *gradient)
{
    PP_CHECK(t->count <= t->pass->tile);
    for (int i = 0; i < t->pass->n_nodes; i++)
        fold(t, t->pass->nodes[i], 0, gradient[i] + offset);
}

typedef struct backward {
    pp_pass *pass;
    const float *params, *x;
    float *const *gradient;
    pp_ready_fn ready;
    void *context;
} backward;

static void vector_gradient(const backward *b, leaf t, int param)
{
    const pp_param *p = &b->pass->spec.model->params[param];
    if (!p->trainable && p->statistic <= 0) return;
    t.count = p->count;
    fold_all(&t, p->offset, b->gradient);
}

/* Tiles of whole rows, last rows first, so that the end of the vector is ready early. */
static void weight_gradient(const backward *b, leaf t)
{
    const pp_op *op = &b->pass->spec.model->ops[t.op];
    const pp_param *p = &b->pass->spec.model->params[op->weight];
    int64_t rows = pp__pass_tile_rows(b->pass, op);
    for (int64_t end = op->out, first; end > 0; end = first) {
        first = (end - 1) / rows * rows;
        t.first = first * op->in;
        t.count = (end - first) * op->in;
        if (p->trainable) fold_all(&t, p->offset + t.first, b->gradient);
        b->ready(b->context, p->offset + t.first);
    }
}

/* The input's gradient first: it needs the weights, and they change once their gradient is ready.
 */
static void dense(const backward *b, int i, const float *in, const float *dy, float *dx)
{
    const pp_op *op = &b->pass->spec.model->ops[i];
    leaf t = {.pass = b->pass, .op = i, .in = in, .dy = dy};
    if (i > 0)
        pp__pass_products(b->pass, b->pass->spec.backend->gemm, b->pass->op[i].backward_as_one, 0,
                          op->in, op->out, dy,
                          b->params + b->pass->spec.model->params[op->weight].offset, dx);
    if (op->bias >= 0) {
        t.write = bias_leaf;
        vector_gradient(b, t, op->bias);
    }
    t.write = weight_leaf;
    t.add = b->pass->full && b->pass->op[i].weight_adds ? weight_leaf_add : NULL;
    weight_gradient(b, t);
}

static void norm(const backward *b, int i, float *dy)
{
    pp_pass *pass = b->pass;
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    pp_op_memory *m = &pass->op[i];
    const float *gamma = b->params + s->model->params[op->weight].offset;
    leaf t = {.pass = pass, .op = i, .dy = dy, .write = gamma_leaf};
    vector_gradient(b, t, op->weight);
    t.write = bias_leaf;
    vector_gradient(b, t, op->bias);
    if (op->type == PP_OP_LAYER_NORM) {
        s->backend->layer_norm_backward(s->device, pass->batch_rows, op->out, m->hat, m->inverse,
                                        gamma, dy, dy);
    } else {
        t.write = statistics_leaf;
        vector_gradient(b, t, op->mean);
        t.first = op->out;
        vector_gradient(b, t, op->var);
        for (int l = 0; l < s->lanes.count; l++) {
            int64_t at = pass->lane_first[l] * op->out;
            s->backend->batch_norm_backward(s->device, pass->lane_rows[l], op->out, m->hat + at,
                                            m->inverse + l * op->out, gamma, dy + at, dy + at);
        }
    }
    b->ready(b->context, s->model->params[op->weight].offset);
}

/* Gradients that went past residual blocks beginning behind op i join the one that went through. */
static void join_skipped(const backward *b, int i, float *dy)
{
    const pp_pass_spec *s = &b->pass->spec;
    for (int a = i + 1; a < s->model->n_ops; a++)
        if (s->model->ops[a].type == PP_OP_ADD && s->model->ops[a].skip == i)
            s->backend->add(s->device, b->pass->batch_rows * s->model->ops[a].out,
                            b->pass->op[a].skipped, dy);
}

/* Returns where the gradient with respect to the op's input is: dy itself or the other buffer. */
static float *backward_op(const backward *b, int i, float *dy, float *other)
{
    pp_pass *pass = b->pass;
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    const float *in = pp__pass_value(pass, b->x, i - 1);
    pp_op_memory *m = &pass->op[i];
    int64_t size = pass->batch_rows * op->out;
    switch (op->type) {
    case PP_OP_DENSE:
        dense(b, i, in, dy, other);
        return other;
    case PP_OP_ACTIVATION:
        s->backend->activate_backward(s->device, op->activation, pass->batch_rows, op->out, in,
                                      m->value, dy, dy);
        return dy;
    case PP_OP_DROPOUT:
        s->backend->multiply(s->device, size, m->hat, dy, dy);
        return dy;
    case PP_OP_BATCH_NORM:
    case PP_OP_LAYER_NORM:
        norm(b, i, dy);
        return dy;
    case PP_OP_ADD:
        s->backend->activate(s->device, PP_ACT_IDENTITY, pass->batch_rows, op->out, dy, m->skipped);
        return dy;
    }
    return dy;
}

void pp_pass_backward(pp_pass *pass, const float *params, const float *x, float *dz,
                      float *const *gradient, pp_ready_fn ready, void *context)
{
    backward b = {pass, params, x, gradient, ready, context};
    float *dy = dz;
    for (int i = pass->spec.model->n_ops - 1; i >= 0; i--) {
        join_skipped(&b, i, dy);
        float *other = dy == pass->gradient[0] ? pass->gradient[1] : pass->gradient[0];
        dy = backward_op(&b, i, dy, other);
    }
    ready(context, 0);
}
