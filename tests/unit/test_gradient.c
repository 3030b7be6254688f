/* Forward and backward of whole models, against a naive forward in double that walks the job's
 * layers, and central differences of it. The loss is the sum of outputs times fixed numbers. */
#include "support/naive_model.h"

enum { MOST_LAYERS = 8 };

static const shares all_shares[] = {
    {1, {0, 11}, {11}},
    {1, {0, 11}, {4}},
    {2, {0, 4, 11}, {4, 7}},
    {2, {0, 4, 11}, {3, 0}},
    {4, {0, 3, 3, 8, 11}, {3, 0, 5, 3}},
    {4, {0, 3, 3, 8, 11}, {2, 0, 0, 3}},
    {8, {0, 2, 2, 3, 6, 6, 8, 10, 11}, {2, 0, 1, 3, 0, 2, 2, 1}},
    {8, {0, 2, 2, 3, 6, 6, 8, 10, 11}, {0, 0, 1, 2, 0, 0, 2, 1}},
};

/* ---- the models ---- */

static int plain(pp_layer_spec *l)
{
    l[0] = layer_dense(7, PP_ACT_RELU);
    l[1] = layer_without_bias(layer_dense(6, PP_ACT_TANH));
    l[2] = layer_dense(3, PP_ACT_IDENTITY);
    return 3;
}

static int one_layer(pp_layer_spec *l)
{
    l[0] = layer_without_bias(layer_dense(1, PP_ACT_IDENTITY));
    return 1;
}

/* Every activation in a dense layer, and where its input is needed again. */
static int activations(pp_layer_spec *l)
{
    l[0] = layer_dense(6, PP_ACT_LEAKY_RELU);
    l[1] = layer_dense(6, PP_ACT_GELU);
    l[2] = layer_dense(6, PP_ACT_SILU);
    l[3] = layer_dense(6, PP_ACT_SOFTPLUS);
    l[4] = layer_activation(PP_ACT_TANH);
    l[5] = layer_dense(6, PP_ACT_SIGMOID);
    l[6] = layer_activation(PP_ACT_SILU);
    l[7] = layer_dense(4, PP_ACT_SOFTMAX);
    return 8;
}

static int softmax_inside(pp_layer_spec *l)
{
    l[0] = layer_dense(6, PP_ACT_SOFTMAX);
    l[1] = layer_activation(PP_ACT_GELU);
    l[2] = layer_activation(PP_ACT_IDENTITY);
    l[3] = layer_activation(PP_ACT_SOFTMAX);
    l[4] = layer_dense(2, PP_ACT_RELU);
    return 5;
}

static int norms(pp_layer_spec *l)
{
    l[0] = layer_norm(PP_LAYER_LAYER_NORM);
    l[1] = layer_dense(6, PP_ACT_IDENTITY);
    l[2] = layer_norm(PP_LAYER_BATCH_NORM);
    l[3] = layer_activation(PP_ACT_RELU);
    l[4] = layer_dense(4, PP_ACT_IDENTITY);
    l[5] = layer_norm(PP_LAYER_LAYER_NORM);
    l[6] = layer_dense(2, PP_ACT_IDENTITY);
    l[7] = layer_norm(PP_LAYER_BATCH_NORM);
    return 8;
}

static int dropouts(pp_layer_spec *l)
{
    l[0] = layer_dropout(0.2);
    l[1] = layer_dense(9, PP_ACT_RELU);
    l[2] = layer_dropout(0.5);
    l[3] = layer_dropout(0);
    l[4] = layer_dense(3, PP_ACT_IDENTITY);
    l[5] = layer_dropout(0.3);
    return 6;
}

/* A block at the input, one after a dense layer whose activation begins the block, and one in a
 * block, ending with it. */
static int residuals(pp_layer_spec *l)
{
    static pp_layer_spec at_input[1], after_dense[2], inner[3], outer[3], two[1];
    at_input[0] = layer_dense(INPUTS, PP_ACT_TANH);
    after_dense[0] = layer_activation(PP_ACT_RELU);
    after_dense[1] = layer_dense(6, PP_ACT_SIGMOID);
    inner[0] = layer_norm(PP_LAYER_LAYER_NORM);
    inner[1] = layer_dense(6, PP_ACT_GELU);
    inner[2] = layer_dropout(0.25);
    outer[0] = layer_dense(6, PP_ACT_RELU);
    outer[1] = layer_norm(PP_LAYER_BATCH_NORM);
    outer[2] = layer_residual(inner, 3);
    two[0] = layer_residual(outer, 3);
    l[0] = layer_residual(at_input, 1);
    l[1] = layer_dense(6, PP_ACT_IDENTITY);
    l[2] = layer_residual(after_dense, 2);
    l[3] = layer_residual(two, 1);
    l[4] = layer_dense(2, PP_ACT_IDENTITY);
    return 5;
}

static int frozen(pp_layer_spec *l)
{
    l[0] = layer_dense(6, PP_ACT_RELU);
    l[1] = layer_frozen(layer_dense(6, PP_ACT_TANH));
    l[2] = layer_frozen(layer_norm(PP_LAYER_BATCH_NORM));
    l[3] = layer_dense(5, PP_ACT_IDENTITY);
    l[4] = layer_frozen(layer_norm(PP_LAYER_LAYER_NORM));
    l[5] = layer_frozen(layer_dense(2, PP_ACT_IDENTITY));
    return 6;
}

/* Odd sizes, a stride above the kernel, dilation, groups, "same", and one place. */
static int images(pp_layer_spec *l)
{
    l[0] = layer_conv(PP_LAYER_CONV2D, 4, 3, 3);
    l[0].padding[0] = l[0].padding[1] = PP_AUTO;
    l[0].activation = PP_ACT_RELU;
    l[1] = layer_conv(PP_LAYER_CONV2D, 6, 2, 3);
    l[1].groups = 2;
    l[1].dilation[1] = 2;
    l[1].padding[1] = 2;
    l[2] = layer_pool(PP_LAYER_MAX_POOL2D, 2, PP_AUTO);
    l[3] = layer_without_bias(layer_conv(PP_LAYER_CONV2D, 3, 1, 1));
    l[3].activation = PP_ACT_GELU;
    l[4] = (pp_layer_spec){.type = PP_LAYER_FLATTEN};
    l[5] = layer_dense(2, PP_ACT_IDENTITY);
    return 6;
}

static int strided_images(pp_layer_spec *l)
{
    static pp_layer_spec block[2];
    block[0] = layer_conv(PP_LAYER_CONV2D, 4, 3, 3);
    block[0].padding[0] = block[0].padding[1] = 1;
    block[0].activation = PP_ACT_TANH;
    block[1] = layer_frozen(layer_conv(PP_LAYER_CONV2D, 4, 1, 1));
    l[0] = layer_conv(PP_LAYER_CONV2D, 4, 1, 2); /* depthwise, then a block */
    l[0].stride[0] = 2;
    l[0].stride[1] = 3;
    l[0].groups = 2;
    l[1] = layer_residual(block, 2);
    l[2] = layer_pool(PP_LAYER_AVERAGE_POOL2D, 2, 1);
    l[2].padding[0] = l[2].padding[1] = 1;
    l[3] = layer_norm(PP_LAYER_BATCH_NORM);
    l[4] = (pp_layer_spec){.type = PP_LAYER_GLOBAL_AVERAGE_POOL};
    l[5] = layer_dense(2, PP_ACT_IDENTITY);
    return 6;
}

static int sequences(pp_layer_spec *l)
{
    l[0] = layer_conv(PP_LAYER_CONV1D, 4, 1, 4);
    l[0].padding[1] = PP_AUTO;
    l[0].activation = PP_ACT_SILU;
    l[1] = layer_pool(PP_LAYER_MAX_POOL1D, 3, 2);
    l[1].padding[1] = 1;
    l[2] = layer_conv(PP_LAYER_CONV1D, 3, 1, 2);
    l[2].stride[1] = 3;
    l[3] = layer_pool(PP_LAYER_AVERAGE_POOL1D, 2, PP_AUTO);
    l[4] = layer_dense(2, PP_ACT_IDENTITY);
    return 5;
}

typedef struct model_case {
    const char *name;
    int (*layers)(pp_layer_spec *layers);
    int n_dims;
    double shape[3]; /* of x; n_dims 0: a vector of INPUTS */
} model_case;

static const model_case cases[] = {
    {"plain", plain, 0, {0}},
    {"one layer", one_layer, 0, {0}},
    {"activations", activations, 0, {0}},
    {"softmax", softmax_inside, 0, {0}},
    {"norms", norms, 0, {0}},
    {"dropouts", dropouts, 0, {0}},
    {"residuals", residuals, 0, {0}},
    {"frozen", frozen, 0, {0}},
    {"images", images, 2, {7, 6}},
    {"strided images", strided_images, 3, {2, 5, 7}},
    {"sequences", sequences, 2, {2, 23}},
};
enum { N_CASES = sizeof cases / sizeof *cases, N_SHARES = sizeof all_shares / sizeof *all_shares };

/* ---- the pass under test ---- */

/* Positive, for running variances; gaps are NaN, which nothing may read. */
static float *random_params(rig *r, const pp_model *model)
{
    float *host = rig_add(r, model->size, 0);
    for (int p = 0; p < model->n_params; p++)
        for (int64_t i = 0; i < model->params[p].count; i++) {
            float number = 0.6f * rig_number(100, model->params[p].offset + i);
            host[model->params[p].offset + i] =
                model->params[p].statistic > 0 ? 0.5f + fabsf(number) : number;
        }
    return rig_upload(r);
}

static void bench_make(bench *b, rig *r, const model_case *c, const shares *s, int train,
                       pp_layer_spec layers[MOST_LAYERS])
{
    *b = (bench){.r = r, .arena = pp_arena_create(), .shares = s, .step = 3, .train = train};
    b->job = job_of(layers, c->layers(layers));
    b->job.data.x_shape = c->shape;
    b->job.data.n_x_shape = c->n_dims;
    pp_shape x = pp_job_x_shape(&b->job);
    b->model = plan_of(&b->job, c->n_dims > 0 ? pp_shape_count(x) : INPUTS, b->arena);
    for (int l = 0; l < s->lanes; l++)
        b->rows += s->rows[l];
    b->params = random_params(r, b->model);
    b->x = rig_input(r, b->rows * b->model->inputs, 101);
}

static void bench_clear(bench *b)
{
    pp_arena_destroy(b->arena);
    rig_clear(b->r);
}

static pp_pass *make_pass(const bench *b)
{
    pp_pass *pass = NULL;
    pp_pass_spec spec = {.model = b->model,
                         .backend = b->r->backend,
                         .device = b->r->device,
                         .train = b->train,
                         .n_lanes = b->shares->lanes,
                         .lanes = {0, b->shares->lanes},
                         .cut = b->shares->cut,
                         .seed = SEED};
    CU_ASSERT_EQUAL_FATAL(pp_pass_create(&spec, &pass, NULL), PP_OK);
    CU_ASSERT_TRUE(pp_pass_bytes(pass) >= b->rows * b->model->outputs * (int64_t)sizeof(float));
    return pass;
}

static double *double_params(const bench *b)
{
    double *params = rig_doubles(b->model->size);
    for (int64_t i = 0; i < b->model->size; i++)
        params[i] = (double)rig_before(b->r, b->params)[i];
    return params;
}

static void check_outputs(const bench *b, const char *name, const float *y)
{
    int64_t count = b->rows * b->model->outputs;
    float *host = malloc((size_t)count * sizeof *host + 1);
    double *params = double_params(b), *statistics = rig_doubles(b->model->size);
    double *want = naive_forward(b, params, statistics);
    b->r->backend->download(b->r->device, host, y, (size_t)count * sizeof *host);
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; i++)
        wrong += !rig_is_near((double)host[i], want[i], 1e-5);
    if (wrong > 0) printf("\n  %s: outputs with %d lanes", name, b->shares->lanes);
    CU_ASSERT_EQUAL(wrong, 0);
    free(params);
    free(statistics);
    free(want);
    free(host);
}

/* ---- outputs ---- */

static void check_predictions(rig *r)
{
    static const shares all = {1, {0, ROWS}, {ROWS}}, some = {1, {0, ROWS}, {4}};
    for (int c = 0; c < N_CASES; c++) {
        for (int part = 0; part < 2; part++) {
            pp_layer_spec layers[MOST_LAYERS];
            bench b;
            bench_make(&b, r, &cases[c], part ? &some : &all, 0, layers);
            pp_pass *pass = make_pass(&b);
            check_outputs(&b, cases[c].name,
                          pp_pass_forward(pass, b.params, b.x, b.shares->rows, b.step));
            pp_pass_destroy(pass);
            bench_clear(&b);
        }
    }
    pp_pass_destroy(NULL);
}

static void test_predictions(void)
{
    rig_each_backend(check_predictions);
}

/* ---- gradients ---- */

/* What `ready` has seen. As the exchange would, it changes parameters that are final. */
typedef struct watcher {
    const bench *b;
    float *gradient;
    int64_t offset; /* everything from here on is final */
    float *final;   /* [model size] */
} watcher;

static void watch(void *context, int64_t offset)
{
    watcher *w = context;
    const pp_backend *k = w->b->r->backend;
    CU_ASSERT_TRUE_FATAL(offset >= 0 && offset <= w->offset);
    size_t bytes = (size_t)(w->offset - offset) * sizeof(float);
    k->download(w->b->r->device, w->final + offset, w->gradient + offset, bytes);
    float *spoilt = calloc(1, bytes + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(spoilt);
    memset(spoilt, 0xff, bytes);
    k->upload(w->b->r->device, w->b->params + offset, spoilt, bytes);
    free(spoilt);
    w->offset = offset;
}

static double difference(const bench *b, double *params, double *statistics, const float *dz,
                         int64_t i)
{
    static const double step = 1e-5;
    double kept = params[i];
    params[i] = kept + step;
    double right = naive_loss(b, params, statistics, dz);
    params[i] = kept - step;
    double left = naive_loss(b, params, statistics, dz);
    params[i] = kept;
    return (right - left) / (2 * step);
}

/* Central differences for what is trained, sums for running statistics; all else must be left as it
 * was: guards, which are NaN. */
static double *expected_gradient(const bench *b, const float *dz)
{
    double *params = double_params(b), *want = rig_doubles(b->model->size);
    double *statistics = rig_doubles(b->model->size), *scratch = rig_doubles(b->model->size);
    naive_loss(b, params, statistics, dz);
    for (int64_t i = 0; i < b->model->size; i++)
        want[i] = NAN;
    for (int p = 0; p < b->model->n_params; p++) {
        const pp_param *param = &b->model->params[p];
        for (int64_t i = param->offset; i < param->offset + param->count; i++)
            if (param->trainable)
                want[i] = difference(b, params, scratch, dz, i);
            else if (param->statistic > 0)
                want[i] = statistics[i];
    }
    free(params);
    free(statistics);
    free(scratch);
    return want;
}

static void check_gradient(rig *r, const model_case *c, const shares *s)
{
    pp_layer_spec layers[MOST_LAYERS];
    bench b;
    bench_make(&b, r, c, s, 1, layers);
    float *dz = rig_numbers(r, b.rows * b.model->outputs, 102, 0);
    float *gradient = rig_output(r, b.model->size), *gradients[1] = {gradient};
    watcher w = {&b, gradient, b.model->size, calloc((size_t)b.model->size, sizeof(float))};
    double *want = expected_gradient(&b, rig_before(r, dz));
    pp_pass *pass = make_pass(&b);
    check_outputs(&b, c->name, pp_pass_forward(pass, b.params, b.x, s->rows, b.step));
    pp_pass_backward(pass, b.params, b.x, dz, gradients, watch, &w);
    CU_ASSERT_EQUAL(w.offset, 0);
    rig_check(r, c->name, gradient, want, b.model->size, 1e-4);
    size_t bytes = (size_t)b.model->size * sizeof(float);
    CU_ASSERT_EQUAL(memcmp(w.final, rig_now(r, gradient), bytes), 0);
    pp_pass_destroy(pass);
    free(want);
    free(w.final);
    bench_clear(&b);
}

static void check_gradients(rig *r)
{
    for (int c = 0; c < N_CASES; c++)
        for (int s = 0; s < N_SHARES; s++)
            check_gradient(r, &cases[c], &all_shares[s]);
}

static void test_gradients(void)
{
    rig_each_backend(check_gradients);
}

/* ---- what one pass leaves to the next ---- */

/* A pass over few rows after one over many has the bits of a fresh pass. */
static void check_fresh(rig *r)
{
    for (int c = 0; c < N_CASES; c++) {
        pp_layer_spec layers[MOST_LAYERS];
        bench b;
        float out[2][ROWS * 8];
        bench_make(&b, r, &cases[c], &all_shares[6], 1, layers);
        int64_t few[MOST_LANES] = {1, 0, 1, 0, 0, 2, 0, 1};
        size_t bytes = (size_t)(5 * b.model->outputs) * sizeof(float);
        for (int used = 0; used < 2; used++) {
            pp_pass *pass = make_pass(&b);
            if (used) pp_pass_forward(pass, b.params, b.x, b.shares->rows, 8);
            r->backend->download(r->device, out[used], pp_pass_forward(pass, b.params, b.x, few, 9),
                                 bytes);
            pp_pass_destroy(pass);
        }
        CU_ASSERT_EQUAL(memcmp(out[0], out[1], bytes), 0);
        bench_clear(&b);
    }
}

static void test_fresh(void)
{
    rig_each_backend(check_fresh);
}

const pp_test pp_tests_gradient[] = {
    {"predictions of every kind of layer", test_predictions},
    {"outputs and gradients of every kind of layer, on lanes of all sizes", test_gradients},
    {"a pass leaves nothing behind", test_fresh},
    {NULL, NULL},
};
