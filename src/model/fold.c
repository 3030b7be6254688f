/* Gradients of parameters: sums over the lanes of a rank, in the order of one binary tree over all
 * lanes. Each subtree that the rank holds as a whole is summed up here; how the subtrees of all
 * ranks join is the exchange's. A gradient is written lane by lane, in tiles that fit the cache. */
#include "model/layers/layer.h"

#include "pitprop/check.h"

void pp__leaf_bias(const pp__leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    s->backend->sum_rows(s->device, t->pass->lane_rows[lane], t->count,
                         t->dy + t->pass->lane_first[lane] * t->count, out);
}

void pp__leaf_places(const pp__leaf *t, int lane, float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    const pp_op *op = &s->model->ops[t->op];
    s->backend->sum_places(s->device, t->pass->lane_rows[lane], t->count, op->out / t->count,
                           t->dy + t->pass->lane_first[lane] * op->out, out);
}

/* Adds the lanes of a node as the tree says: left half, right half, their sum. The left half may
 * use the scratch of this depth because the right half has not begun. */
static void fold(const pp__leaf *t, pp_tree_node node, int depth, float *out)
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
static void fold_all(const pp__leaf *t, int64_t offset, float *const *gradient)
{
    PP_CHECK(t->count <= t->pass->tile);
    for (int i = 0; i < t->pass->n_nodes; i++)
        fold(t, t->pass->nodes[i], 0, gradient[i] + offset);
}

void pp__fold_vector(const pp__backward *b, pp__leaf t, int param)
{
    const pp_param *p = &b->pass->spec.model->params[param];
    if (!p->trainable && p->statistic <= 0) return;
    t.count = p->count;
    fold_all(&t, p->offset, b->gradient);
}

void pp__fold_weight(const pp__backward *b, pp__leaf t, int param)
{
    const pp_param *p = &b->pass->spec.model->params[param];
    int64_t units = pp__pass_tile_units(b->pass, param), unit = p->count / p->shape[0];
    for (int64_t end = p->shape[0], first; end > 0; end = first) {
        first = (end - 1) / units * units;
        t.first = first * unit;
        t.count = (end - first) * unit;
        if (p->trainable) fold_all(&t, p->offset + t.first, b->gradient);
        b->ready(b->context, p->offset + t.first);
    }
}
