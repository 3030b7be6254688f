/* The workspace of a pass: what ops keep between forward and backward, the buffers of gradients,
 * and the batch at hand. */
#include "model/layers/layer.h"

#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

enum { TILE = 128 * 1024 }; /* floats: large enough for BLAS, small enough for the cache */

static int is_skipped_to(const pp_model *model, int op)
{
    for (int i = 0; i < model->n_ops; i++)
        if (model->ops[i].type == PP_LAYER_RESIDUAL && model->ops[i].skip == op) return 1;
    return 0;
}

static int in_place(const pp_model *model, int i)
{
    const pp__layer_code *code = pp__layer_code_of(model->ops[i].type);
    return i > 0 && code->overwrites != NULL && code->overwrites(&model->ops[i]) &&
           pp__layer_code_of(model->ops[i - 1].type)->leaves_output && !is_skipped_to(model, i - 1);
}

float *pp__pass_floats(pp_pass *pass, int64_t count)
{
    size_t bytes = (size_t)count * sizeof(float);
    float *memory = pass->spec.backend->allocate(pass->spec.device, bytes);
    if (memory != NULL) pass->bytes += (int64_t)bytes;
    return memory;
}

static int allocate_op(pp_pass *pass, int i)
{
    const pp_op *op = &pass->spec.model->ops[i];
    const pp__layer_code *code = pp__layer_code_of(op->type);
    pp_op_memory *m = &pass->op[i];
    m->value = in_place(pass->spec.model, i) ? pass->op[i - 1].value
                                             : pp__pass_floats(pass, pass->rows * op->out);
    return m->value != NULL && (code->memory == NULL || code->memory(pass, i));
}

/* A tile is whole rows of a weight, and holds any vector parameter at once. With one lane in the
 * job there is nothing to add up, so a tile may be a whole weight. */
static int64_t tile_floats(const pp_model *model, int lanes)
{
    int64_t tile = TILE;
    for (int i = 0; i < model->n_params; i++) {
        const pp_param *p = &model->params[i];
        int64_t least = lanes == 1 || p->n_dims == 1 ? p->count : p->count / p->shape[0];
        if (least > tile) tile = least;
    }
    return tile;
}

static int allocate_backward(pp_pass *pass)
{
    const pp_model *model = pass->spec.model;
    int64_t widest = model->outputs;
    for (int i = 0; i < model->n_ops; i++)
        if (model->ops[i].in > widest) widest = model->ops[i].in;
    for (int i = 0; i < 2; i++)
        if ((pass->gradient[i] = pp__pass_floats(pass, pass->rows * widest)) == NULL) return 0;
    pass->n_nodes = pp_tree_nodes(pass->spec.lanes, pass->nodes);
    int most = 1;
    for (int i = 0; i < pass->n_nodes; i++)
        if (pass->nodes[i].count > most) most = pass->nodes[i].count;
    for (; most > 1; most /= 2)
        if ((pass->scratch[pass->n_scratch++] = pp__pass_floats(pass, pass->tile)) == NULL)
            return 0;
    return 1;
}

int64_t pp__pass_tile_units(const pp_pass *pass, int param)
{
    const pp_param *p = &pass->spec.model->params[param];
    int64_t units = pass->tile / (p->count / p->shape[0]);
    return units < p->shape[0] ? units : p->shape[0];
}

static pp_status prepare(pp_pass *pass, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; i < pass->spec.model->n_ops && status == PP_OK; i++) {
        const pp__layer_code *code = pp__layer_code_of(pass->spec.model->ops[i].type);
        if (code->prepare != NULL) status = code->prepare(pass, i, err);
    }
    return status;
}

static int allocate_host(pp_pass *pass)
{
    int lanes = pass->spec.lanes.count;
    pass->arena = pp_arena_create();
    if (pass->arena == NULL) return 0;
    pass->op = PP_ARENA_NEW(pass->arena, pp_op_memory, pass->spec.model->n_ops);
    pass->full_rows = PP_ARENA_NEW(pass->arena, int64_t, lanes);
    pass->lane_first = PP_ARENA_NEW(pass->arena, int64_t, lanes);
    return pass->op != NULL && pass->full_rows != NULL && pass->lane_first != NULL;
}

pp_status pp_pass_create(const pp_pass_spec *spec, pp_pass **pass, pp_error *err)
{
    pp_pass *p = calloc(1, sizeof *p);
    if (p == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for the model");
    p->spec = *spec;
    int ok = allocate_host(p);
    for (int l = 0; ok && l < spec->lanes.count; l++) {
        p->full_rows[l] = spec->cut[spec->lanes.first + l + 1] - spec->cut[spec->lanes.first + l];
        p->rows += p->full_rows[l];
    }
    p->tile = tile_floats(spec->model, spec->n_lanes);
    for (int i = 0; ok && i < spec->model->n_ops; i++)
        ok = allocate_op(p, i);
    if (ok && spec->train) ok = allocate_backward(p);
    pp_status status = PP_OK;
    if (!ok)
        status = pp_fail(err, PP_E_MEMORY,
                         "no memory for the activations of %lld rows a rank; use a smaller "
                         "training.batch or more ranks",
                         (long long)p->rows);
    else if (spec->train && spec->lanes.count > 1)
        status = prepare(p, err);
    if (status != PP_OK) {
        pp_pass_destroy(p);
        return status;
    }
    *pass = p;
    return PP_OK;
}

void pp_pass_destroy(pp_pass *pass)
{
    if (pass == NULL) return;
    const pp_backend *backend = pass->spec.backend;
    pp_device *device = pass->spec.device;
    for (int i = 0; pass->op != NULL && i < pass->spec.model->n_ops; i++) {
        pp_op_memory *m = &pass->op[i];
        if (!in_place(pass->spec.model, i)) backend->release(device, m->value);
        backend->release(device, m->hat);
        backend->release(device, m->inverse);
        backend->release(device, m->statistics);
        backend->release(device, m->skipped);
        backend->release(device, m->columns);
    }
    for (int i = 0; i < 2; i++)
        backend->release(device, pass->gradient[i]);
    for (int i = 0; i < pass->n_scratch; i++)
        backend->release(device, pass->scratch[i]);
    pp_arena_destroy(pass->arena);
    free(pass);
}

int64_t pp_pass_bytes(const pp_pass *pass)
{
    return pass->bytes;
}

void pp__pass_take(pp_pass *pass, const int64_t *lane_rows)
{
    pass->lane_rows = lane_rows;
    pass->batch_rows = 0;
    pass->full = 1;
    for (int l = 0; l < pass->spec.lanes.count; l++) {
        PP_CHECK(lane_rows[l] <= pass->full_rows[l]);
        pass->lane_first[l] = pass->batch_rows;
        pass->batch_rows += lane_rows[l];
        if (lane_rows[l] != pass->full_rows[l]) pass->full = 0;
    }
}

void pp__pass_products(pp_pass *pass, pp__product *product, int as_one, int transpose_b, int64_t n,
                       int64_t k, const float *a, const float *b, float *c)
{
    pp_device *device = pass->spec.device;
    int64_t ldb = transpose_b ? k : n;
    if (pass->full && (as_one || pass->spec.lanes.count == 1)) {
        product(device, 0, transpose_b, pass->batch_rows, n, k, a, k, b, ldb, c, n);
        return;
    }
    for (int l = 0; l < pass->spec.lanes.count; l++)
        product(device, 0, transpose_b, pass->lane_rows[l], n, k, a + pass->lane_first[l] * k, k, b,
                ldb, c + pass->lane_first[l] * n, n);
}

const float *pp__pass_value(const pp_pass *pass, const float *x, int op)
{
    return op < 0 ? x : pass->op[op].value;
}
