/* Signs of layers against numbers worked out by hand. */
#include "model/signs.h"

#include <math.h>
#include <stdlib.h>

#include "support/model_case.h"

enum { ROWS = 8, INPUTS = 1, SEED = 11 };

typedef struct bench {
    pp_arena *arena;
    pp_device *device;
    pp_model *model;
    pp_pass *pass;
    pp_layer_spec layers[4];
    pp_job job;
    int64_t cut[2];
    float *params; /* the CPU's memory is the host's */
} bench;

static void open_bench(bench *b, int n_layers)
{
    const pp_backend *cpu = pp_backend_of(PP_BACKEND_CPU);
    b->arena = pp_arena_create();
    b->job = job_of(b->layers, n_layers);
    b->model = plan_of(&b->job, INPUTS, b->arena);
    b->cut[1] = ROWS;
    CU_ASSERT_EQUAL_FATAL(cpu->open(0, "auto", &b->device, NULL), PP_OK);
    pp_pass_spec spec = {.model = b->model,
                         .backend = cpu,
                         .device = b->device,
                         .n_lanes = 1,
                         .lanes = {0, 1},
                         .cut = b->cut};
    CU_ASSERT_EQUAL_FATAL(pp_pass_create(&spec, &b->pass, NULL), PP_OK);
    b->params = cpu->allocate(b->device, (size_t)b->model->size * sizeof(float));
    pp_model_init(b->model, SEED, b->params);
}

static void close_bench(bench *b)
{
    const pp_backend *cpu = pp_backend_of(PP_BACKEND_CPU);
    cpu->release(b->device, b->params);
    pp_pass_destroy(b->pass);
    cpu->close(b->device);
    pp_arena_destroy(b->arena);
}

static void set(const bench *b, const char *name, const float *values)
{
    const pp_param *p = param_named(b->model, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memcpy(b->params + p->offset, values, (size_t)p->count * sizeof *values);
}

/* Rows first + 1, first + 2, ... */
static void add_rows(const bench *b, pp_signs *signs, int64_t first, int64_t rows)
{
    float *x = pp_backend_of(PP_BACKEND_CPU)->allocate(b->device, ROWS * sizeof(float));
    for (int64_t i = 0; i < rows; i++)
        x[i] = (float)(first + i + 1);
    pp_pass_forward(b->pass, b->params, x, &rows, 0);
    CU_ASSERT_TRUE(pp_signs_add(signs, b->pass));
    pp_backend_of(PP_BACKEND_CPU)->release(b->device, x);
}

/* A dead ReLU, one that follows x and one that always says 5; a tanh at its end, and one that is
 * not; the output 3 for every row. */
static void open_by_hand(bench *b)
{
    b->layers[0] = layer_dense(3, PP_ACT_RELU);
    b->layers[1] = layer_dropout(0.5);
    b->layers[2] = layer_dense(2, PP_ACT_TANH);
    b->layers[3] = layer_dense(1, PP_ACT_IDENTITY);
    open_bench(b, 4);
    set(b, "layers.0.weight", (float[]){-1, 1, 0});
    set(b, "layers.0.bias", (float[]){-1, 0, 5});
    set(b, "layers.2.weight", (float[]){0, 1, 0, 0, 0.1f, 0});
    set(b, "layers.2.bias", (float[]){3, 0});
    set(b, "layers.3.weight", (float[]){0, 0});
    set(b, "layers.3.bias", (float[]){3});
}

static void test_layers_by_hand(void)
{
    bench b = {0};
    open_by_hand(&b);
    pp_signs *signs = pp_signs_create(b.model);
    add_rows(&b, signs, 0, 4);
    int n = 0;
    pp_layer_signs *l = pp_signs_describe(signs, b.model, SEED, b.params, &n);
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT_STRING_EQUAL(l[0].name, "layers.0");
    CU_ASSERT_EQUAL(l[0].activation, PP_ACT_RELU);
    CU_ASSERT_EQUAL(l[0].units, 3);
    CU_ASSERT_EQUAL(l[0].constant, 2);
    CU_ASSERT_TRUE(isnan(l[0].flat));
    CU_ASSERT_DOUBLE_EQUAL(l[0].rms, sqrt((1 + 4 + 9 + 16 + 4 * 25) / 12.0), 1e-6);
    CU_ASSERT_STRING_EQUAL(l[1].name, "layers.2");
    CU_ASSERT_EQUAL(l[1].constant, 0);
    CU_ASSERT_DOUBLE_EQUAL(l[1].flat, 0.5,
                           0); /* tanh(4), ..., tanh(7) and tanh(0.1) to tanh(0.4) */
    CU_ASSERT_FALSE(l[1].is_last);
    CU_ASSERT_EQUAL(l[2].constant, 1);
    CU_ASSERT_DOUBLE_EQUAL(l[2].rms, 3, 1e-6);
    CU_ASSERT_TRUE(l[2].is_last);
    free(l);
    free(signs);
    close_bench(&b);
}

static void test_any_split_has_the_same_bytes(void)
{
    bench b = {0};
    open_by_hand(&b);
    size_t bytes = pp_signs_bytes(b.model);
    pp_signs *parts[2] = {pp_signs_create(b.model), pp_signs_create(b.model)};
    pp_signs *alone = pp_signs_create(b.model), *empty = pp_signs_create(b.model);
    add_rows(&b, alone, 0, 5);
    add_rows(&b, alone, 5, 8);
    add_rows(&b, alone, 13, 1);
    add_rows(&b, parts[0], 13, 1);
    add_rows(&b, parts[1], 5, 8);
    add_rows(&b, parts[1], 0, 5);
    pp_signs_merge(empty, parts[0], bytes);
    pp_signs_merge(empty, parts[1], bytes);
    pp_signs_clear(parts[0]);
    pp_signs_merge(alone, parts[0], bytes); /* of a rank without rows; normalises the sums */
    CU_ASSERT_EQUAL(memcmp(alone, empty, bytes), 0);
    free(parts[0]);
    free(parts[1]);
    free(alone);
    free(empty);
    close_bench(&b);
}

static void test_how_far_weights_have_come(void)
{
    bench b = {0};
    b.layers[0] = layer_dense(4, PP_ACT_RELU);
    b.layers[1] = layer_frozen(layer_dense(4, PP_ACT_RELU));
    b.layers[2] = layer_dense(2, PP_ACT_IDENTITY);
    b.layers[2].init = PP_INIT_ZEROS;
    open_bench(&b, 3);
    const pp_param *first = param_named(b.model, "layers.0.weight");
    for (int64_t i = 0; i < first->count; i++)
        b.params[first->offset + i] *= 1.5f;
    b.params[param_named(b.model, "layers.2.weight")->offset] = 0.25f;
    pp_signs *signs = pp_signs_create(b.model);
    add_rows(&b, signs, 0, 2);
    int n = 0;
    pp_layer_signs *l = pp_signs_describe(signs, b.model, SEED, b.params, &n);
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT_DOUBLE_EQUAL(l[0].moved, 0.5, 1e-6);
    CU_ASSERT_TRUE(l[0].trainable);
    CU_ASSERT_DOUBLE_EQUAL(l[1].moved, 0, 0);
    CU_ASSERT_FALSE(l[1].trainable);
    CU_ASSERT_TRUE(isinf(l[2].moved));
    free(l);
    free(signs);
    close_bench(&b);
}

const pp_test pp_tests_signs[] = {
    {"units, flat ends and sizes of layers worked out by hand", test_layers_by_hand},
    {"rows in any order and on any rank give the same bytes", test_any_split_has_the_same_bytes},
    {"weights against their initial values, frozen and zero ones too",
     test_how_far_weights_have_come},
    {NULL, NULL},
};
