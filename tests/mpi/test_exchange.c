/* The exchange on any number of ranks against a serial reference, to the bit: one rank that has the
 * gradients of all lanes, adds them up by the tree, and steps block by block. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/exchange.h"
#include "support/far_backend.h"
#include "support/model_case.h"
#include "support/mpi_test.h"

enum { SEED = 9, MOST_LANES = 32 };

static int me(void)
{
    return pp_comm_rank(pp_test_comm);
}

static int ranks(void)
{
    return pp_comm_size(pp_test_comm);
}

/* ---- a trial without data ---- */

typedef struct setting {
    const char *name;
    int lanes;
    int64_t bucket_bytes;
    double clip_norm;
    int want_norm;
    int pieces; /* calls of ready in a step, about */
    pp_job_optimizer optimizer;
} setting;

static const int64_t one_block = PP_BLOCK * (int64_t)sizeof(float);

typedef struct bench {
    const setting *s;
    pp_arena *arena;
    pp_job job;
    pp_model *model;
    const pp_backend *backend;
    pp_device *device;
    int states;
    int64_t bad; /* where lane 3 has a NaN in its gradient; -1: nowhere */
    pp_exchange *exchange;
    float *params; /* of this rank */
    /* the reference: everything at once */
    float *all_params, *all_gradient, *all_state[2];
    double norm;
} bench;

static float *floats(bench *b)
{
    float *values = PP_ARENA_NEW(b->arena, float, b->model->size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    return values;
}

static pp_exchange *make_exchange(const bench *b, int64_t bucket_bytes)
{
    pp_exchange *exchange = NULL;
    pp_exchange_spec spec = {.comm = pp_test_comm,
                             .model = b->model,
                             .backend = b->backend,
                             .device = b->device,
                             .lanes = b->s->lanes,
                             .states = b->states,
                             .bucket_bytes = bucket_bytes,
                             .params = b->params};
    CU_ASSERT_EQUAL_FATAL(pp_exchange_create(&spec, &exchange, NULL), PP_OK);
    return exchange;
}

/* Several thousand parameters of every kind, about ten blocks; width 3: all in one block. */
static int fill_layers(pp_layer_spec *l, int64_t width)
{
    l[0] = layer_dense(width, PP_ACT_RELU);
    l[0].l1 = 1e-3;
    l[1] = layer_norm(PP_LAYER_BATCH_NORM);
    l[2] = layer_frozen(layer_dense(width, PP_ACT_TANH));
    l[3] = layer_dense(width, PP_ACT_RELU);
    l[3].l2 = 1e-2;
    l[4] = layer_norm(PP_LAYER_LAYER_NORM);
    l[5] = layer_dense(1, PP_ACT_IDENTITY);
    return 6;
}

static void bench_make(bench *b, const setting *s, pp_layer_spec layers[6], int64_t width)
{
    *b = (bench){
        .s = s, .arena = pp_arena_create(), .backend = pp_backend_of(PP_BACKEND_CPU), .bad = -1};
    b->job = job_of(layers, fill_layers(layers, width));
    b->model = plan_of(&b->job, width, b->arena);
    b->states = pp_update_states(&s->optimizer);
    CU_ASSERT_EQUAL_FATAL(b->backend->open(0, "auto", &b->device, NULL), PP_OK);
    b->params = floats(b);
    b->all_params = floats(b);
    b->all_gradient = floats(b);
    for (int i = 0; i < b->states; i++)
        b->all_state[i] = floats(b);
    pp_model_init(b->model, SEED, b->params);
    pp_model_init(b->model, SEED, b->all_params);
    b->exchange = make_exchange(b, s->bucket_bytes);
}

/* All ranks of this test are on one host. */
static void share(bench *b)
{
    float *shared = pp_exchange_share(b->exchange);
    CU_ASSERT_EQUAL(shared != NULL, ranks() > 1);
    if (shared != NULL) b->params = shared;
}

static void bench_clear(bench *b)
{
    pp_exchange_destroy(b->exchange);
    b->backend->close(b->device);
    pp_arena_destroy(b->arena);
}

/* The gradient of one lane at a float of the vector: a number without regard to ranks; nothing in
 * gaps and where a layer is frozen. */
static float lane_gradient(const bench *b, int lane, int step, int64_t i, const pp_param *p)
{
    if (p == NULL || (!p->trainable && p->statistic <= 0)) return 0;
    if (lane == 3 && i == b->bad) return NAN;
    pp_rng rng = pp_rng_at(SEED, PP_RNG_TEST, (uint64_t)(step * MOST_LANES + lane));
    float number = (float)pp_rng_uniform(rng, (uint64_t)i) - 0.5f;
    return p->statistic > 0 ? fabsf(number) * 100 : number * 100;
}

static float tree_sum(const bench *b, pp_tree_node node, int step, int64_t i, const pp_param *p)
{
    if (node.count == 1) return lane_gradient(b, node.first, step, i, p);
    int half = node.count / 2;
    return tree_sum(b, (pp_tree_node){node.first, half}, step, i, p) +
           tree_sum(b, (pp_tree_node){node.first + half, half}, step, i, p);
}

/* The parameter that float i belongs to, NULL in a gap. */
static const pp_param *param_at(const pp_model *model, int64_t i)
{
    for (int p = model->n_params - 1; p >= 0; p--)
        if (i >= model->params[p].offset)
            return i < model->params[p].offset + model->params[p].count ? &model->params[p] : NULL;
    return NULL;
}

static void fill_node(const bench *b, pp_tree_node node, int step, int64_t first, int64_t end,
                      float *gradient)
{
    for (int64_t i = first; i < end; i++)
        gradient[i] = tree_sum(b, node, step, i, param_at(b->model, i));
}

static pp_exchange_step step_of(const bench *b, int step)
{
    return (pp_exchange_step){.update = pp_update_at(&b->s->optimizer, 0.01 / (step + 1), step),
                              .rows = 100 + step,
                              .clip_norm = b->s->clip_norm,
                              .want_norm = b->s->want_norm};
}

/* ---- the reference ---- */

typedef void (*part_fn)(bench *b, const pp_exchange_step *s, const pp_param *p, int64_t at,
                        int64_t count, void *context);

/* Every part of a parameter within a block, in ascending order. */
static void each_part(bench *b, const pp_exchange_step *s, part_fn act, void *context)
{
    for (int64_t block = 0; block < b->model->size; block += PP_BLOCK)
        for (int i = 0; i < b->model->n_params; i++) {
            const pp_param *p = &b->model->params[i];
            int64_t at = p->offset > block ? p->offset : block, end = p->offset + p->count;
            if (end > block + PP_BLOCK) end = block + PP_BLOCK;
            if (at < end) act(b, s, p, at, end - at, context);
        }
}

static void finish_part(bench *b, const pp_exchange_step *s, const pp_param *p, int64_t at,
                        int64_t count, void *squares)
{
    if (!p->trainable) return;
    b->backend->finish_gradient(b->device, count, (float)s->rows, p->l1, p->l2, b->all_params + at,
                                b->all_gradient + at);
    pp_sum_add(squares, b->backend->sum_squares(b->device, count, b->all_gradient + at));
}

static void update_part(bench *b, const pp_exchange_step *s, const pp_param *p, int64_t at,
                        int64_t count, void *factor)
{
    float *first = b->all_state[0] == NULL ? NULL : b->all_state[0] + at;
    float *second = b->all_state[1] == NULL ? NULL : b->all_state[1] + at;
    if (p->trainable)
        b->backend->update(b->device, &s->update, *(float *)factor, count, b->all_gradient + at,
                           first, second, b->all_params + at);
    else if (p->statistic > 0)
        b->backend->average(b->device, count, (float)s->rows, p->statistic, b->all_gradient + at,
                            b->all_params + at);
}

static void step_reference(bench *b, int step)
{
    pp_exchange_step s = step_of(b, step);
    pp_sum squares = {{0}, 0};
    fill_node(b, (pp_tree_node){0, b->s->lanes}, step, 0, b->model->size, b->all_gradient);
    each_part(b, &s, finish_part, &squares);
    b->norm = sqrt(pp_sum_value(&squares));
    double factor = s.clip_norm / (b->norm + 1e-6);
    float clip = s.clip_norm > 0 && factor < 1 ? (float)factor : 1;
    each_part(b, &s, update_part, &clip);
}

/* ---- the exchange under test ---- */

/* Gradients appear from the end, as in backward; until then they are NaN. Parameters in front of
 * them must still be those of this step, for backward needs them. */
static void grow_gradients(bench *b, int step, const pp_tree_node *nodes, int n_nodes)
{
    float *const *gradients = pp_exchange_gradients(b->exchange);
    const pp_rng rng = pp_rng_at(SEED, PP_RNG_TEST, (uint64_t)(1000 + step));
    float *before = floats(b);
    memcpy(before, b->params, (size_t)b->model->size * sizeof *before);
    int64_t end = b->model->size, most = 2 * b->model->size / b->s->pieces + 1;
    for (uint64_t piece = 0; end > 0; piece++) {
        int64_t first = end - (int64_t)pp_rng_below(rng, piece, (uint64_t)most);
        if (first < 0) first = 0;
        for (int i = 0; i < n_nodes; i++)
            fill_node(b, nodes[i], step, first, end, gradients[i]);
        pp_exchange_ready(b->exchange, first);
        CU_ASSERT_EQUAL(memcmp(b->params, before, (size_t)first * sizeof *before), 0);
        end = first;
    }
    pp_exchange_ready(b->exchange, 0); /* once more, as backward does */
}

static void step_exchange(bench *b, int step)
{
    pp_exchange_step s = step_of(b, step);
    pp_tree_node nodes[PP_MAX_NODES];
    int n_nodes = pp_tree_nodes(pp_lanes_of_rank(b->s->lanes, me(), ranks()), nodes);
    for (int i = 0; i < n_nodes; i++)
        memset(pp_exchange_gradients(b->exchange)[i], 0xff, (size_t)b->model->size * sizeof(float));
    pp_exchange_begin(b->exchange, &s);
    grow_gradients(b, step, nodes, n_nodes);
    pp_exchange_finish(b->exchange);
}

static int same_floats(const bench *b, const float *got, const float *want, const char *what)
{
    int64_t i = 0;
    while (i < b->model->size && memcmp(&got[i], &want[i], sizeof *got) == 0)
        i++;
    if (i < b->model->size)
        printf("\n  %s: %s [%lld] is %.9g, should be %.9g", b->s->name, what, (long long)i,
               (double)got[i], (double)want[i]);
    return i == b->model->size;
}

static void check_step(bench *b, int step)
{
    step_exchange(b, step);
    step_reference(b, step);
    CU_ASSERT_TRUE(same_floats(b, b->params, b->all_params, "params"));
    if (b->s->want_norm || b->s->clip_norm > 0)
        CU_ASSERT_EQUAL(pp_exchange_norm(b->exchange, NULL), b->norm);
}

/* ---- settings ---- */

#define MOMENTUM                                                                                   \
    {                                                                                              \
        .type = PP_OPT_SGD, .momentum = 0.9, .weight_decay = 1e-3                                  \
    }
#define ADAM                                                                                       \
    {                                                                                              \
        .type = PP_OPT_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8                         \
    }

static const setting settings[] = {
    {"one block a bucket", 8, 1, 0, 0, 5, MOMENTUM},
    {"three blocks a bucket", 8, PP_BLOCK * 12, 0, 1, 30, MOMENTUM},
    {"one bucket", 8, 1 << 30, 0, 1, 7, ADAM},
    {"clipped", 8, PP_BLOCK * 8, 0.25, 0, 5, ADAM},
    {"clipped, one bucket", 8, 1 << 30, 0.25, 1, 5, MOMENTUM},
    {"clip_norm out of reach", 8, 1, 1e9, 1, 12, ADAM},
    {"no state", 8, PP_BLOCK * 4, 0, 0, 1, {.type = PP_OPT_SGD}},
    {"many lanes", MOST_LANES, PP_BLOCK * 8, 0, 1, 9, ADAM},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings, WIDE = 61, NARROW = 3 };

static void check_steps(const setting *s, int64_t width, int steps, int shares)
{
    pp_layer_spec layers[6];
    bench b;
    bench_make(&b, s, layers, width);
    if (shares) share(&b);
    CU_ASSERT_TRUE(width == WIDE ? b.model->size > 8 * PP_BLOCK : b.model->size == PP_BLOCK);
    for (int step = 0; step < steps; step++)
        check_step(&b, step);
    float *initial = floats(&b);
    pp_model_init(b.model, SEED, initial);
    for (int i = 0; i < b.model->n_params; i++) { /* frozen stays, all else moves */
        const pp_param *p = &b.model->params[i];
        size_t bytes = (size_t)p->count * sizeof(float);
        int moved = memcmp(initial + p->offset, b.params + p->offset, bytes) != 0;
        CU_ASSERT_EQUAL(moved, p->trainable || p->statistic > 0);
    }
    bench_clear(&b);
}

static void test_steps(void)
{
    for (int i = 0; i < N_SETTINGS; i++)
        for (int shares = 0; shares < 2; shares++)
            check_steps(&settings[i], WIDE, 4, shares);
}

/* Fewer blocks than ranks: some ranks own nothing. */
static void test_one_block(void)
{
    for (int i = 0; i < N_SETTINGS; i++)
        for (int shares = 0; shares < 2; shares++)
            check_steps(&settings[i], NARROW, 3, shares);
}

/* ---- state ---- */

/* A new exchange with other buckets that is given the gathered state goes on as if nothing was. */
static void check_round_trip(const setting *s, int64_t width, int root)
{
    pp_layer_spec layers[6];
    bench b;
    bench_make(&b, s, layers, width);
    check_step(&b, 0);
    check_step(&b, 1);
    float *state[2] = {floats(&b), floats(&b)};
    for (int i = 0; i < b.states; i++) {
        pp_exchange_gather_state(b.exchange, i, root, me() == root ? state[i] : NULL);
        if (me() == root) CU_ASSERT_TRUE(same_floats(&b, state[i], b.all_state[i], "state"));
        pp_comm_broadcast(pp_test_comm, root, state[i], (size_t)b.model->size * sizeof(float));
    }
    pp_exchange_destroy(b.exchange);
    b.exchange = make_exchange(&b, 5 * one_block);
    for (int i = 0; i < b.states; i++)
        pp_exchange_set_state(b.exchange, i, state[i]);
    check_step(&b, 2);
    check_step(&b, 3);
    bench_clear(&b);
}

static void test_round_trip(void)
{
    for (int root = 0; root < ranks(); root += 2) {
        check_round_trip(&settings[0], WIDE, root);
        check_round_trip(&settings[2], WIDE, root);
        check_round_trip(&settings[3], NARROW, root);
    }
}

/* The optimiser's state exists once, not once a rank. */
static void test_memory_is_shared(void)
{
    pp_layer_spec layers[6];
    bench b;
    bench_make(&b, &settings[0], layers, WIDE);
    int64_t bytes[3];
    for (b.states = 0; b.states < 3; b.states++) {
        pp_exchange *e = make_exchange(&b, one_block);
        bytes[b.states] = pp_exchange_bytes(e);
        pp_exchange_destroy(e);
    }
    pp_comm_sum_i64(pp_test_comm, bytes, 3);
    int64_t vector = b.model->size * (int64_t)sizeof(float);
    CU_ASSERT_EQUAL(bytes[1] - bytes[0], vector);
    CU_ASSERT_EQUAL(bytes[2] - bytes[0], 2 * vector);
    bench_clear(&b);
    pp_exchange_destroy(NULL);
}

/* ---- what is not finite; time ---- */

/* A NaN of one lane reaches its parameter and the norm, and no other parameter. */
static void test_nan(void)
{
    static const setting s = {"NaN", 8, PP_BLOCK * 4, 0, 1, 5, MOMENTUM};
    pp_layer_spec layers[6];
    bench b;
    bench_make(&b, &s, layers, WIDE);
    int64_t spoilt = 0;
    b.bad = param_named(b.model, "layers.3.weight")->offset + 7;
    step_exchange(&b, 0);
    step_reference(&b, 0);
    CU_ASSERT_TRUE(isnan(pp_exchange_norm(b.exchange, NULL)));
    for (int64_t i = 0; i < b.model->size; i++)
        spoilt += isnan(b.params[i]) != 0;
    CU_ASSERT_EQUAL(spoilt, 1);
    CU_ASSERT_TRUE(isnan(b.params[b.bad]) && isnan(b.all_params[b.bad]));
    b.params[b.bad] = b.all_params[b.bad]; /* a NaN has many bit patterns */
    CU_ASSERT_TRUE(same_floats(&b, b.params, b.all_params, "params"));
    bench_clear(&b);
}

static void test_waited(void)
{
    pp_layer_spec layers[6];
    bench b;
    bench_make(&b, &settings[1], layers, WIDE);
    CU_ASSERT_EQUAL(pp_exchange_waited(b.exchange), 0);
    double begun = pp_comm_seconds();
    check_step(&b, 0);
    double waited = pp_exchange_waited(b.exchange);
    CU_ASSERT_TRUE(waited > 0 && waited <= pp_comm_seconds() - begun);
    CU_ASSERT_EQUAL(pp_exchange_waited(b.exchange), 0);
    bench_clear(&b);
}

/* ---- memory that is not the host's ---- */

static void far_step(bench *b, const pp_backend *near, int step)
{
    pp_exchange_step s = step_of(b, step);
    pp_tree_node nodes[PP_MAX_NODES];
    int n_nodes = pp_tree_nodes(pp_lanes_of_rank(b->s->lanes, me(), ranks()), nodes);
    size_t bytes = (size_t)b->model->size * sizeof(float);
    float *sums = floats(b);
    pp_exchange_begin(b->exchange, &s);
    for (int i = 0; i < n_nodes; i++) {
        fill_node(b, nodes[i], step, 0, b->model->size, sums);
        b->backend->upload(b->device, pp_exchange_gradients(b->exchange)[i], sums, bytes);
    }
    pp_exchange_ready(b->exchange, 0);
    pp_exchange_finish(b->exchange);
    const pp_backend *far = b->backend;
    b->backend = near;
    step_reference(b, step);
    b->backend = far;
}

/* MPI gets memory of the host alone, and the bits are the same. */
static void check_far(const setting *s)
{
    const pp_backend far = far_backend();
    pp_layer_spec layers[6];
    bench b;
    bench_make(&b, s, layers, WIDE);
    const pp_backend *near = b.backend;
    size_t bytes = (size_t)b.model->size * sizeof(float);
    float *host = b.params;
    pp_exchange_destroy(b.exchange);
    b.backend = &far;
    b.params = far.allocate(b.device, bytes);
    far.upload(b.device, b.params, host, bytes);
    b.exchange = make_exchange(&b, s->bucket_bytes);
    for (int step = 0; step < 3; step++) {
        far_step(&b, near, step);
        far.download(b.device, host, b.params, bytes);
        CU_ASSERT_TRUE(same_floats(&b, host, b.all_params, "params"));
    }
    far.release(b.device, b.params);
    bench_clear(&b);
}

static void test_far(void)
{
    check_far(&settings[0]);
    check_far(&settings[3]);
}

const pp_test pp_tests_exchange[] = {
    {"steps have the bits of the serial reference", test_steps},
    {"a model of one block", test_one_block},
    {"state goes out and comes back", test_round_trip},
    {"optimiser state is held once", test_memory_is_shared},
    {"a NaN of one lane", test_nan},
    {"time spent waiting", test_waited},
    {"memory that is not the host's", test_far},
    {NULL, NULL},
};
