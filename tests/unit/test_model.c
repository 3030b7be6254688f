/* Plans: names, places and shapes of parameters; and their initial values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/model_case.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---- plan ---- */

typedef struct expected_param {
    const char *name;
    int n_dims;
    int64_t shape[2];
    int trainable;
} expected_param;

static void check_params(const pp_model *model, const expected_param *wanted, int count)
{
    int64_t end = 0, weights = 0;
    CU_ASSERT_EQUAL_FATAL(model->n_params, count);
    for (int i = 0; i < count; i++) {
        const pp_param *p = &model->params[i];
        int64_t floats = wanted[i].shape[0] * (wanted[i].n_dims == 2 ? wanted[i].shape[1] : 1);
        CU_ASSERT_STRING_EQUAL(p->name, wanted[i].name);
        CU_ASSERT_EQUAL(p->n_dims, wanted[i].n_dims);
        CU_ASSERT_EQUAL(p->shape[0], wanted[i].shape[0]);
        CU_ASSERT_TRUE(p->n_dims == 1 || p->shape[1] == wanted[i].shape[1]);
        CU_ASSERT_EQUAL(p->count, floats);
        CU_ASSERT_EQUAL(p->trainable, wanted[i].trainable);
        CU_ASSERT_TRUE(p->offset >= end && p->offset < end + 16);
        CU_ASSERT_EQUAL(p->offset % 16, 0);
        end = p->offset + p->count;
        weights += wanted[i].trainable ? floats : 0;
    }
    CU_ASSERT_EQUAL(model->weights, weights);
    CU_ASSERT_EQUAL(model->size % PP_BLOCK, 0);
    CU_ASSERT_TRUE(model->size >= end && model->size < end + PP_BLOCK);
}

static void test_plan(void)
{
    pp_layer_spec inner[] = {layer_norm(PP_LAYER_LAYER_NORM),
                             layer_without_bias(layer_dense(20, PP_ACT_TANH))};
    pp_layer_spec outer[] = {layer_dense(20, PP_ACT_IDENTITY), layer_residual(inner, 2)};
    pp_layer_spec layers[] = {
        layer_frozen(layer_dense(20, PP_ACT_RELU)),
        layer_norm(PP_LAYER_BATCH_NORM),
        layer_dropout(0.5),
        layer_residual(outer, 2),
        layer_activation(PP_ACT_GELU),
        layer_dense(3, PP_ACT_IDENTITY),
    };
    static const expected_param wanted[] = {
        {"layers.0.weight", 2, {20, 7}, 0},
        {"layers.0.bias", 1, {20}, 0},
        {"layers.1.weight", 1, {20}, 1},
        {"layers.1.bias", 1, {20}, 1},
        {"layers.1.running_mean", 1, {20}, 0},
        {"layers.1.running_var", 1, {20}, 0},
        {"layers.3.layers.0.weight", 2, {20, 20}, 1},
        {"layers.3.layers.0.bias", 1, {20}, 1},
        {"layers.3.layers.1.layers.0.weight", 1, {20}, 1},
        {"layers.3.layers.1.layers.0.bias", 1, {20}, 1},
        {"layers.3.layers.1.layers.1.weight", 2, {20, 20}, 1},
        {"layers.5.weight", 2, {3, 20}, 1},
        {"layers.5.bias", 1, {3}, 1},
    };
    pp_arena *arena = pp_arena_create();
    pp_job job = job_of(layers, COUNT(layers));
    pp_model *model = plan_of(&job, 7, arena);
    check_params(model, wanted, COUNT(wanted));
    CU_ASSERT_EQUAL(model->inputs, 7);
    CU_ASSERT_EQUAL(model->outputs, 3);
    CU_ASSERT_EQUAL(param_named(model, "layers.1.running_var")->statistic, 0.1f);
    CU_ASSERT_EQUAL(param_named(model, "layers.1.weight")->statistic, 0);
    pp_arena_destroy(arena);
}

/* Ops in order, with the layer they come from and where residual blocks end. */
static void test_ops(void)
{
    pp_layer_spec inner[] = {layer_dense(4, PP_ACT_IDENTITY)};
    pp_layer_spec outer[] = {layer_activation(PP_ACT_RELU), layer_residual(inner, 1)};
    pp_layer_spec layers[] = {layer_residual(inner, 1), layer_dropout(0), layer_residual(outer, 2),
                              layer_dropout(0.25), layer_dense(1, PP_ACT_SIGMOID)};
    static const struct {
        pp_layer_type type;
        int layer, skip;
    } wanted[] = {
        {PP_LAYER_DENSE, 1, -1},   {PP_LAYER_RESIDUAL, 1, -1}, {PP_LAYER_ACTIVATION, 4, -1},
        {PP_LAYER_DENSE, 6, -1},   {PP_LAYER_RESIDUAL, 6, 2},  {PP_LAYER_RESIDUAL, 6, 1},
        {PP_LAYER_DROPOUT, 7, -1}, {PP_LAYER_DENSE, 8, -1},    {PP_LAYER_ACTIVATION, 8, -1}};
    pp_arena *arena = pp_arena_create();
    pp_job job = job_of(layers, COUNT(layers));
    pp_model *model = plan_of(&job, 4, arena);
    CU_ASSERT_EQUAL_FATAL(model->n_ops, COUNT(wanted));
    for (int i = 0; i < COUNT(wanted); i++) {
        CU_ASSERT_EQUAL(model->ops[i].type, wanted[i].type);
        CU_ASSERT_EQUAL(model->ops[i].layer, wanted[i].layer);
        CU_ASSERT_EQUAL(model->ops[i].skip, wanted[i].skip);
    }
    CU_ASSERT_EQUAL(model->ops[6].rate, 0.25f);
    pp_arena_destroy(arena);
}

static void check_refused(pp_layer_spec *layers, int n_layers, const char *culprit)
{
    pp_arena *arena = pp_arena_create();
    pp_job job = job_of(layers, n_layers);
    pp_model *model = NULL;
    pp_error err = {0};
    CU_ASSERT_EQUAL(pp_model_plan(&job, 5, arena, &model, &err), PP_E_JOB);
    CU_ASSERT_PTR_NULL(model);
    if (strstr(err.text, culprit) == NULL) printf("\n  %s", err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, culprit));
    pp_arena_destroy(arena);
}

static void test_refusals(void)
{
    pp_layer_spec widens[] = {layer_dense(6, PP_ACT_RELU)};
    pp_layer_spec outer[] = {layer_dense(5, PP_ACT_RELU), layer_residual(widens, 1)};
    pp_layer_spec first[] = {layer_residual(widens, 1)};
    pp_layer_spec nested[] = {layer_dense(5, PP_ACT_RELU), layer_residual(outer, 2)};
    pp_layer_spec nothing[] = {layer_dropout(0.5), layer_activation(PP_ACT_RELU)};
    check_refused(first, 1, "model.layers[0].layers: put out 6 values where the block takes 5");
    check_refused(nested, 2, "model.layers[1].layers[1].layers: ");
    check_refused(nothing, 2, "model.layers: nothing to train");
}

/* ---- initial values ---- */

static pp_init settled(pp_layer_spec *layers, int n_layers)
{
    pp_arena *arena = pp_arena_create();
    pp_job job = job_of(layers, n_layers);
    pp_init init = param_named(plan_of(&job, 5, arena), "layers.0.weight")->init;
    pp_arena_destroy(arena);
    return init;
}

static void test_auto_init(void)
{
    static const struct {
        pp_activation activation;
        pp_init init;
    } rows[] = {
        {PP_ACT_IDENTITY, PP_INIT_XAVIER}, {PP_ACT_RELU, PP_INIT_HE},
        {PP_ACT_LEAKY_RELU, PP_INIT_HE},   {PP_ACT_GELU, PP_INIT_HE},
        {PP_ACT_SILU, PP_INIT_HE},         {PP_ACT_TANH, PP_INIT_XAVIER},
        {PP_ACT_SIGMOID, PP_INIT_XAVIER},  {PP_ACT_SOFTPLUS, PP_INIT_HE},
        {PP_ACT_SOFTMAX, PP_INIT_XAVIER},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        pp_layer_spec own[] = {layer_dense(5, rows[i].activation)};
        pp_layer_spec later[] = {layer_dense(5, PP_ACT_IDENTITY), layer_norm(PP_LAYER_BATCH_NORM),
                                 layer_dropout(0.5), layer_activation(rows[i].activation)};
        pp_layer_spec too_late[] = {layer_dense(5, PP_ACT_IDENTITY),
                                    layer_dense(5, rows[i].activation)};
        CU_ASSERT_EQUAL(settled(own, 1), rows[i].init);
        CU_ASSERT_EQUAL(settled(later, COUNT(later)), rows[i].init);
        CU_ASSERT_EQUAL(settled(too_late, 2), PP_INIT_XAVIER);
    }
    pp_layer_spec given[] = {layer_dense(5, PP_ACT_RELU)};
    given[0].init = PP_INIT_LECUN;
    CU_ASSERT_EQUAL(settled(given, 1), PP_INIT_LECUN);
}

typedef struct moments {
    double mean, deviation, low, high;
    int64_t count;
} moments;

static moments moments_of(const float *values, int64_t count)
{
    moments m = {.low = INFINITY, .high = -INFINITY, .count = count};
    for (int64_t i = 0; i < count; i++) {
        m.mean += (double)values[i] / (double)count;
        m.low = fmin(m.low, (double)values[i]);
        m.high = fmax(m.high, (double)values[i]);
    }
    for (int64_t i = 0; i < count; i++)
        m.deviation += pow((double)values[i] - m.mean, 2) / (double)count;
    m.deviation = sqrt(m.deviation);
    return m;
}

/* 200 x 300 weights by one scheme. */
static moments moments_of_init(pp_init init, double scale)
{
    pp_layer_spec layers[] = {layer_dense(200, PP_ACT_IDENTITY)};
    layers[0].init = init;
    layers[0].init_scale = scale;
    pp_arena *arena = pp_arena_create();
    pp_job job = job_of(layers, 1);
    pp_model *model = plan_of(&job, 300, arena);
    float *values = PP_ARENA_NEW(arena, float, model->size);
    pp_model_init(model, 5, values);
    moments m = moments_of(values + model->params[0].offset, model->params[0].count);
    pp_arena_destroy(arena);
    return m;
}

static void check_normal(moments m, double deviation)
{
    CU_ASSERT_TRUE(fabs(m.mean) < 4 * deviation / sqrt((double)m.count));
    CU_ASSERT_TRUE(fabs(m.deviation / deviation - 1) < 4 / sqrt(2 * (double)m.count));
    CU_ASSERT_TRUE(m.high > 3.5 * deviation && m.high < 7 * deviation);
    CU_ASSERT_TRUE(m.low < -3.5 * deviation && m.low > -7 * deviation);
}

static void check_uniform(moments m, double bound)
{
    CU_ASSERT_TRUE(fabs(m.mean) < 4 * bound / sqrt(3 * (double)m.count));
    CU_ASSERT_TRUE(fabs(m.deviation * sqrt(3) / bound - 1) < 0.01);
    CU_ASSERT_TRUE(m.high <= bound * (1 + 1e-7) && m.high > 0.999 * bound);
    CU_ASSERT_TRUE(m.low >= -bound * (1 + 1e-7) && m.low < -0.999 * bound);
}

static void test_schemes(void)
{
    check_normal(moments_of_init(PP_INIT_HE, 9), sqrt(2.0 / 300));
    check_uniform(moments_of_init(PP_INIT_XAVIER, 9), sqrt(6.0 / 500));
    check_normal(moments_of_init(PP_INIT_LECUN, 9), sqrt(1.0 / 300));
    check_normal(moments_of_init(PP_INIT_NORMAL, 0.02), 0.02);
    check_uniform(moments_of_init(PP_INIT_UNIFORM, 0.3), 0.3);
    moments constant = moments_of_init(PP_INIT_CONSTANT, 0.25);
    moments zeros = moments_of_init(PP_INIT_ZEROS, 9);
    CU_ASSERT_TRUE(constant.low == 0.25 && constant.high == 0.25);
    CU_ASSERT_TRUE(zeros.low == 0 && zeros.high == 0);
}

static int all_are(const pp_model *model, const float *values, const char *name, float value)
{
    const pp_param *p = param_named(model, name);
    int64_t same = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    for (int64_t i = 0; i < p->count; i++)
        same += values[p->offset + i] == value;
    return same == p->count;
}

/* Everything is written, gaps too, and by seed, parameter and element alone. */
static void test_init_vector(void)
{
    pp_layer_spec layers[] = {layer_dense(21, PP_ACT_RELU), layer_norm(PP_LAYER_BATCH_NORM),
                              layer_norm(PP_LAYER_LAYER_NORM), layer_dense(21, PP_ACT_RELU)};
    layers[3].bias_init = PP_INIT_CONSTANT;
    layers[3].bias_scale = -0.5;
    pp_arena *arena = pp_arena_create();
    pp_job job = job_of(layers, COUNT(layers));
    pp_model *model = plan_of(&job, 21, arena);
    size_t bytes = (size_t)model->size * sizeof(float);
    float *a = PP_ARENA_NEW(arena, float, model->size),
          *b = PP_ARENA_NEW(arena, float, model->size);
    memset(a, 0xff, bytes);
    pp_model_init(model, 11, a);
    pp_model_init(model, 11, b);
    CU_ASSERT_EQUAL(memcmp(a, b, bytes), 0);
    CU_ASSERT_TRUE(all_are(model, a, "layers.0.bias", 0));
    CU_ASSERT_TRUE(all_are(model, a, "layers.1.weight", 1));
    CU_ASSERT_TRUE(all_are(model, a, "layers.1.running_mean", 0));
    CU_ASSERT_TRUE(all_are(model, a, "layers.1.running_var", 1));
    CU_ASSERT_TRUE(all_are(model, a, "layers.2.weight", 1));
    CU_ASSERT_TRUE(all_are(model, a, "layers.3.bias", -0.5f));
    const pp_param *first = param_named(model, "layers.0.weight");
    const pp_param *last = param_named(model, "layers.3.weight");
    size_t weight = (size_t)first->count * sizeof(float);
    CU_ASSERT_NOT_EQUAL(memcmp(a + first->offset, a + last->offset, weight), 0);
    pp_model_init(model, 12, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a + first->offset, b + first->offset, weight), 0);
    for (int64_t i = first->count; i < param_named(model, "layers.0.bias")->offset; i++)
        CU_ASSERT_EQUAL(a[i], 0);
    pp_arena_destroy(arena);
}

/* A wider layer behind it does not change a parameter's values. */
static void test_init_is_local(void)
{
    pp_layer_spec narrow[] = {layer_dense(13, PP_ACT_RELU), layer_dense(1, PP_ACT_IDENTITY)};
    pp_layer_spec wide[] = {layer_dense(13, PP_ACT_RELU), layer_dense(99, PP_ACT_IDENTITY)};
    pp_job jobs[2] = {job_of(narrow, 2), job_of(wide, 2)};
    pp_arena *arena = pp_arena_create();
    float *values[2];
    for (int i = 0; i < 2; i++) {
        pp_model *model = plan_of(&jobs[i], 5, arena);
        values[i] = PP_ARENA_NEW(arena, float, model->size);
        pp_model_init(model, 3, values[i]);
    }
    CU_ASSERT_EQUAL(memcmp(values[0], values[1], 13 * 5 * sizeof(float)), 0);
    pp_arena_destroy(arena);
}

const pp_test pp_tests_model[] = {
    {"names, shapes and places of parameters", test_plan},
    {"layers become operations", test_ops},
    {"plans that cannot be are refused with the layer's name", test_refusals},
    {"automatic initialisation looks for the next activation", test_auto_init},
    {"every scheme has its moments", test_schemes},
    {"initial values are complete and depend on seed and place", test_init_vector},
    {"initial values do not depend on other layers", test_init_is_local},
    {NULL, NULL},
};
