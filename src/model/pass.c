#include "pass.h"

#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

enum { TILE = 128 * 1024 }; /* floats: large enough for BLAS, small enough for the cache */

/* Elementwise activations whose derivative is a function of their output may overwrite their input.
 */
static int is_skipped_to(const pp_model *model, int op)
{
    for (int i = 0; i < model->n_ops; i++)
        if (model->ops[i].type == PP_OP_ADD && model->ops[i].skip == op) return 1;
    return 0;
}

static int in_place(const pp_model *model, int i)
{
    return i > 0 && model->ops[i].type == PP_OP_ACTIVATION &&
           model->ops[i - 1].type == PP_OP_DENSE &&
           !pp_activation_kind_of(model->ops[i].activation)->takes_input &&
           !is_skipped_to(model, i - 1);
}

static float *device_floats(pp_pass *pass, int64_t count)
{
    size_t bytes = (size_t)count * sizeof(float);
    float *memory = pass->spec.backend->allocate(pass->spec.device, bytes);
    if (memory != NULL) pass->bytes += (int64_t)bytes;
    return memory;
}

static int allocate_op(pp_pass *pass, int i)
{
    const pp_op *op = &pass->spec.model->ops[i];
    pp_op_memory *m = &pass->op[i];
    int64_t lanes = pass->spec.lanes.count, size = pass->rows * op->out;
    int train = pass->spec.train, ok = 1;
    if (in_place(pass->spec.model, i))
        m->value = pass->op[i - 1].value;
    else
        ok = (m->value = device_floats(pass, size)) != NULL;
    if (op->type == PP_OP_BATCH_NORM || op->type == PP_OP_LAYER_NORM || op->type == PP_OP_DROPOUT)
        ok = ok && (m->hat = device_floats(pass, size)) != NULL;
    if (op->type == PP_OP_BATCH_NORM && train) {
        ok = ok && (m->inverse = device_floats(pass, lanes * op->out)) != NULL;
        ok = ok && (m->statistics = device_floats(pass, lanes * 2 * op->out)) != NULL;
    }
    if (op->type == PP_OP_LAYER_NORM)
        ok = ok && (m->inverse = device_floats(pass, pass->rows)) != NULL;
    if (op->type == PP_OP_ADD && train) ok = ok && (m->skipped = device_floats(pass, size)) != NULL;
    return ok;
}

/* A tile is whole rows of a weight, and holds any vector parameter at once. With one lane in the
 * job there is nothing to add up, so a tile may be a whole weight. */
static int64_t tile_floats(const pp_model *model, int lanes)
{
    int64_t tile = TILE;
    for (int i = 0; i < model->n_params; i++) {
        const pp_param *p = &model->params[i];
        int64_t least = lanes == 1 || p->n_dims == 1 ? p->count : p->shape[1];
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
        if ((pass->gradient[i] = device_floats(pass, pass->rows * widest)) == NULL) return 0;
    pass->n_nodes = pp_tree_nodes(pass->spec.lanes, pass->nodes);
    int most = 1;
    for (int i = 0; i < pass->n_nodes; i++)
        if (pass->nodes[i].count > most) most = pass->nodes[i].count;
    for (; most > 1; most /= 2)
        if ((pass->scratch[pass->n_scratch++] = device_floats(pass, pass->tile)) == NULL) return 0;
    return 1;
}

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

int64_t pp__pass_tile_rows(const pp_pass *pass, const pp_op *op)
{
    int64_t rows = pass->tile / op->in;
    return rows < op->out ? rows : op->out;
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
    int64_t rows = pp__pass_tile_rows(pass, op), last = op->out % rows;
    float *second = a + side, *tiles = a + 2 * side;
    memory->weight_adds &= adds_alike(pass, op, rows, a, second, tiles, m->host) &&
                           (last == 0 || adds_alike(pass, op, last, a, second, tiles, m->host));
}

/* Two ways that round differently agree on a number more often than not, so small products are
 * tried on several. */
static int trials_of(const pp_pass *pass, const pp_op *op)
{
    enum { NUMBERS = 4096, MOST = 64 };
    int64_t rows = pp__pass_tile_rows(pass, op), last = op->out % rows;
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
    int64_t rest = op->in * op->out + side, tiles = 3 * pp__pass_tile_rows(pass, op) * op->in;
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
static pp_status plan_products(pp_pass *pass, pp_error *err)
{
    const pp_op *ops = pass->spec.model->ops;
    for (int i = 0; i < pass->spec.model->n_ops; i++) {
        if (ops[i].type != PP_OP_DENSE) continue;
        int twin = 0;
        while (!are_twins(&ops[twin], &ops[i]))
            twin++;
        pp_status status = twin < i ? PP_OK : try_as_one(pass, i, err);
        if (status != PP_OK) return status;
        pass->op[i].forward_as_one = pass->op[twin].forward_as_one;
        pass->op[i].backward_as_one = pass->op[twin].backward_as_one;
        pass->op[i].weight_adds = pass->op[twin].weight_adds;
    }
    return PP_OK;
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
        status = plan_products(p, err);
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
