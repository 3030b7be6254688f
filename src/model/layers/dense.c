/* y = x W^T + b. The products of several lanes are one BLAS call where that has the same bits. */
#include "model/layers/layer.h"

#include <stdlib.h>
#include <string.h>

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    int64_t in = pp_shape_count(planner->shape);
    (void)path;
    pp_op *op = pp__planner_add_op(planner, PP_LAYER_DENSE, pp_shape_of(spec->units));
    pp__planner_add_weights(
        planner, op, spec, prefix,
        (pp_param){.n_dims = 2, .shape = {spec->units, in}, .fan_in = in, .fan_out = spec->units});
    pp__planner_add_activation(planner, spec->activation);
    return PP_OK;
}

/* ---- which products may be one ---- */

static void fill_numbers(int64_t count, float *values, uint64_t which)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)(((uint64_t)i + which) * 2654435761u);
        values[i] = (float)(bits >> 8) * 0x1p-24f - 0.5f;
    }
}

/* The product of all lanes in one call and in a call per lane, on the very shapes; added to a bias
 * where it will be. */
static void both_ways(pp_pass *pass, int transpose_b, int has_bias, int64_t n, int64_t k,
                      const float *a, const float *b, float *c, float *as_one)
{
    const pp_backend *backend = pass->spec.backend;
    pp_device *device = pass->spec.device;
    pp__product *product = has_bias ? backend->gemm_add : backend->gemm;
    int64_t ldb = transpose_b ? k : n, first = 0;
    if (has_bias) {
        backend->fill_rows(device, pass->rows, n, b, c);
        backend->fill_rows(device, pass->rows, n, b, as_one);
    }
    product(device, 0, transpose_b, pass->rows, n, k, a, k, b, ldb, as_one, n);
    for (int l = 0; l < pass->spec.lanes.count; first += pass->full_rows[l++])
        product(device, 0, transpose_b, pass->full_rows[l], n, k, a + first * k, k, b, ldb,
                c + first * n, n);
}

/* Whether adding a lane's weight gradient in the product is the same as adding it afterwards, for
 * tiles of `rows` rows: a [lane rows, out], b [lane rows, in], three tiles of memory. */
static int adds_alike(pp_pass *pass, const pp_op *op, int64_t rows, const float *a, const float *b,
                      float *tiles, float *host)
{
    const pp_backend *backend = pass->spec.backend;
    pp_device *device = pass->spec.device;
    int64_t size = rows * op->in;
    float *sum = tiles, *added = tiles + size, *right = tiles + 2 * size;
    int same = 1;
    for (int l = 0; l < pass->spec.lanes.count && same; l++) {
        int64_t k = pass->full_rows[l];
        backend->gemm(device, 1, 0, rows, op->in, k, b, op->out, a, op->in, sum, op->in);
        backend->gemm(device, 1, 0, rows, op->in, k, b, op->out, a, op->in, added, op->in);
        backend->gemm(device, 1, 0, rows, op->in, k, a, op->out, b, op->in, right, op->in);
        backend->add(device, size, right, sum);
        backend->gemm_add(device, 1, 0, rows, op->in, k, a, op->out, b, op->in, added, op->in);
        backend->download(device, host, sum, 2 * (size_t)size * sizeof *host);
        same = memcmp(host, host + size, (size_t)size * sizeof *host) == 0;
    }
    return same;
}

/* Device and host memory for trials, filled with arbitrary numbers. */
typedef struct trial_memory {
    float *device, *host;
    int64_t floats;
} trial_memory;

/* Takes back what this trial refutes. */
static void try_products(pp_pass *pass, int i, const trial_memory *m)
{
    const pp_op *op = &pass->spec.model->ops[i];
    pp_op_memory *memory = &pass->op[i];
    int64_t widest = op->in > op->out ? op->in : op->out, side = pass->rows * widest;
    float *a = m->device, *c = a + side, *as_one = c + side, *b = as_one + side;
    for (int backward = 0; backward < 2; backward++) {
        int64_t n = backward ? op->in : op->out, k = backward ? op->out : op->in;
        both_ways(pass, !backward, !backward && op->bias >= 0, n, k, a, b, c, as_one);
        pass->spec.backend->download(pass->spec.device, m->host, c,
                                     2 * (size_t)side * sizeof(float));
        int same = memcmp(m->host, m->host + side, (size_t)(pass->rows * n) * sizeof(float)) == 0;
        *(backward ? &memory->backward_as_one : &memory->forward_as_one) &= same;
    }
    int64_t rows = pp__pass_tile_units(pass, op->weight), last = op->out % rows;
    float *second = a + side, *tiles = a + 2 * side;
    memory->weight_adds &= adds_alike(pass, op, rows, a, second, tiles, m->host) &&
                           (last == 0 || adds_alike(pass, op, last, a, second, tiles, m->host));
}

/* Two ways that round differently agree on a number more often than not, so small products are
 * tried on several. */
static int trials_of(const pp_pass *pass, const pp_op *op)
{
    enum { NUMBERS = 4096, MOST = 64 };
    int64_t rows = pp__pass_tile_units(pass, op->weight), last = op->out % rows;
    int64_t least = (last > 0 ? last : rows) * op->in;
    int64_t outputs = pass->rows * (op->in < op->out ? op->in : op->out);
    if (outputs < least) least = outputs;
    if (least == 0 || least > NUMBERS) return 1;
    return NUMBERS / least < MOST ? (int)(NUMBERS / least) : MOST;
}

/* Bits of a product depend on shapes alone, so trials on arbitrary numbers decide for all. */
static pp_status try_as_one(pp_pass *pass, int i, pp_error *err)
{
    const pp_op *op = &pass->spec.model->ops[i];
    pp_op_memory *memory = &pass->op[i];
    const pp_backend *backend = pass->spec.backend;
    int64_t widest = op->in > op->out ? op->in : op->out, side = pass->rows * widest;
    int64_t rest = op->in * op->out + side,
            tiles = 3 * pp__pass_tile_units(pass, op->weight) * op->in;
    trial_memory m = {.floats = 2 * side + (rest > tiles ? rest : tiles)};
    size_t bytes = (size_t)m.floats * sizeof(float);
    m.host = malloc(bytes);
    m.device = backend->allocate(pass->spec.device, bytes);
    int ok = m.host != NULL && m.device != NULL;
    memory->forward_as_one = memory->backward_as_one = memory->weight_adds = 1;
    for (int t = 0; ok && t < trials_of(pass, op); t++) {
        fill_numbers(m.floats, m.host, 1 + (uint64_t)t * (uint64_t)m.floats);
        backend->upload(pass->spec.device, m.device, m.host, bytes);
        try_products(pass, i, &m);
    }
    free(m.host);
    backend->release(pass->spec.device, m.device);
    return ok ? PP_OK : pp_fail(err, PP_E_MEMORY, "no memory to plan layer %d", op->layer);
}

static int are_twins(const pp_op *a, const pp_op *b)
{
    return a->type == b->type && a->in == b->in && a->out == b->out &&
           (a->bias >= 0) == (b->bias >= 0);
}

/* Layers of equal shape need one trial. */
static pp_status prepare(pp_pass *pass, int i, pp_error *err)
{
    const pp_op *ops = pass->spec.model->ops;
    int twin = 0;
    while (!are_twins(&ops[twin], &ops[i]))
        twin++;
    if (twin == i) return try_as_one(pass, i, err);
    pass->op[i].forward_as_one = pass->op[twin].forward_as_one;
    pass->op[i].backward_as_one = pass->op[twin].backward_as_one;
    pass->op[i].weight_adds = pass->op[twin].weight_adds;
    return PP_OK;
}

/* ---- forward and backward ---- */

/* The bias goes in first and the product is added to it: one pass over the outputs less. */
static void forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    const float *weight = f->params + s->model->params[op->weight].offset;
    float *out = pass->op[i].value;
    pp__product *product = s->backend->gemm;
    if (op->bias >= 0) {
        s->backend->fill_rows(s->device, pass->batch_rows, op->out,
                              f->params + s->model->params[op->bias].offset, out);
        product = s->backend->gemm_add;
    }
    pp__pass_products(pass, product, pass->op[i].forward_as_one, 1, op->out, op->in, in, weight,
                      out);
}

static void weight_product(const pp__leaf *t, int lane, float *out, pp__product *product)
{
    const pp_pass_spec *s = &t->pass->spec;
    const pp_op *op = &s->model->ops[t->op];
    int64_t at = t->pass->lane_first[lane];
    product(s->device, 1, 0, t->count / op->in, op->in, t->pass->lane_rows[lane],
            t->dy + at * op->out + t->first / op->in, op->out, t->in + at * op->in, op->in, out,
            op->in);
}

static void weight_leaf(const pp__leaf *t, int lane, float *out)
{
    weight_product(t, lane, out, t->pass->spec.backend->gemm);
}

static void weight_leaf_add(const pp__leaf *t, int lane, float *out)
{
    weight_product(t, lane, out, t->pass->spec.backend->gemm_add);
}

/* The input's gradient first: it needs the weights, and they change once their gradient is ready.
 */
static float *backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_model *model = b->pass->spec.model;
    const pp_op *op = &model->ops[i];
    pp__leaf t = {.pass = b->pass, .op = i, .in = in, .dy = dy};
    if (i > 0)
        pp__pass_products(b->pass, b->pass->spec.backend->gemm, b->pass->op[i].backward_as_one, 0,
                          op->in, op->out, dy, b->params + model->params[op->weight].offset, other);
    if (op->bias >= 0) {
        t.write = pp__leaf_bias;
        pp__fold_vector(b, t, op->bias);
    }
    t.write = weight_leaf;
    t.add = b->pass->full && b->pass->op[i].weight_adds ? weight_leaf_add : NULL;
    pp__fold_weight(b, t, op->weight);
    return other;
}

const pp__layer_code pp__dense_code = {
    .plan = plan, .prepare = prepare, .forward = forward, .backward = backward, .leaves_output = 1};
