/* The bits of a pass depend on lanes alone: a lane's outputs and the sum over all lanes are the
 * same whichever lanes share a rank, one product serving several lanes or not. */
#include "support/model_case.h"
#include "support/rig.h"

enum { LANES = 8, SEED = 5, MOST_LAYERS = 8 };

/* Lane l of every set of ranges below is on one rank. */
typedef struct partition {
    int ranks;
    int first[LANES + 1]; /* [ranks + 1] */
} partition;

static const partition partitions[] = {
    {8, {0, 1, 2, 3, 4, 5, 6, 7, 8}}, /* the others are compared with this one */
    {1, {0, 8}},
    {2, {0, 4, 8}},
    {3, {0, 2, 5, 8}},
    {3, {0, 3, 4, 8}},
    {3, {0, 1, 7, 8}},
    {5, {0, 1, 3, 4, 6, 8}},
};
enum { N_PARTITIONS = sizeof partitions / sizeof *partitions };

typedef struct bench {
    rig *r;
    pp_arena *arena;
    pp_job job;
    pp_model *model;
    int64_t cut[LANES + 1], rows[LANES];
    int64_t batch; /* rows at hand */
    float *params; /* on the device */
    float *x, *dz; /* [batch, inputs], [batch, outputs] on the host */
} bench;

/* What all ranks together bring: [batch, outputs], [model size]. */
typedef struct result {
    float *outputs, *gradient;
} result;

/* The subtrees of all ranks in lane order. */
typedef struct forest {
    pp_tree_node nodes[LANES + PP_MAX_NODES];
    float *sums[LANES]; /* [model size] each */
    int count;
} forest;

static float *host_floats(int64_t count)
{
    float *values = calloc((size_t)count + 1, sizeof *values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    return values;
}

static int64_t rows_before(const bench *b, int lane)
{
    int64_t rows = 0;
    for (int l = 0; l < lane; l++)
        rows += b->rows[l];
    return rows;
}

/* Copies what `ready` calls final. */
typedef struct watcher {
    rig *r;
    float *const *gradients;
    float *const *copies; /* [model size] each, on the host */
    int count;
    int64_t offset, size;
} watcher;

static void watch(void *context, int64_t offset)
{
    watcher *w = context;
    CU_ASSERT_TRUE_FATAL(offset >= 0 && offset <= w->offset);
    for (int i = 0; i < w->count; i++)
        w->r->backend->download(w->r->device, w->copies[i] + offset, w->gradients[i] + offset,
                                (size_t)(w->offset - offset) * sizeof(float));
    w->offset = offset;
}

/* Nothing has changed since it was called final. */
static void check_final(const watcher *w)
{
    CU_ASSERT_EQUAL(w->offset, 0);
    for (int i = 0; i < w->count; i++)
        CU_ASSERT_EQUAL(
            memcmp(w->copies[i], rig_now(w->r, w->gradients[i]), (size_t)w->size * sizeof(float)),
            0);
}

static pp_pass *make_pass(const bench *b, pp_lane_range range)
{
    pp_pass *pass = NULL;
    pp_pass_spec spec = {.model = b->model,
                         .backend = b->r->backend,
                         .device = b->r->device,
                         .train = 1,
                         .n_lanes = LANES,
                         .lanes = range,
                         .cut = b->cut,
                         .seed = SEED};
    CU_ASSERT_EQUAL_FATAL(pp_pass_create(&spec, &pass, NULL), PP_OK);
    return pass;
}

/* Forward and backward of one rank; its outputs go to their place among all. */
static void run_rank(const bench *b, pp_lane_range range, result *all, forest *f)
{
    const pp_backend *k = b->r->backend;
    pp_device *device = b->r->device;
    int64_t inputs = b->model->inputs, outputs = b->model->outputs, size = b->model->size;
    int64_t at = rows_before(b, range.first), rows = rows_before(b, range.first + range.count) - at;
    int first = b->r->n_arrays, node = f->count;
    float *x = rig_values(b->r, rows * inputs, b->x + at * inputs, 1), *gradients[LANES];
    float *dz = rig_values(b->r, rows * outputs, b->dz + at * outputs, 0);
    f->count += pp_tree_nodes(range, f->nodes + node);
    for (int i = node; i < f->count; i++)
        gradients[i - node] = rig_values(b->r, size, f->sums[i], 0);
    watcher w = {b->r, gradients, f->sums + node, f->count - node, size, size};
    pp_pass *pass = make_pass(b, range);
    const float *y = pp_pass_forward(pass, b->params, x, b->rows + range.first, 3);
    k->download(device, all->outputs + at * outputs, y, (size_t)(rows * outputs) * sizeof *y);
    pp_pass_backward(pass, b->params, x, dz, gradients, watch, &w);
    check_final(&w);
    pp_pass_destroy(pass);
    rig_clear_from(b->r, first);
}

static result run_partition(const bench *b, const partition *p)
{
    result all = {host_floats(b->batch * b->model->outputs), NULL};
    forest f = {.count = 0};
    pp_tree_add adds[LANES];
    for (int i = 0; i < LANES; i++)
        f.sums[i] = host_floats(b->model->size);
    for (int r = 0; r < p->ranks; r++)
        run_rank(b, (pp_lane_range){p->first[r], p->first[r + 1] - p->first[r]}, &all, &f);
    CU_ASSERT_EQUAL(pp_tree_fold(f.nodes, f.count, adds), f.count - 1);
    for (int a = 0; a < f.count - 1; a++)
        for (int64_t i = 0; i < b->model->size; i++)
            f.sums[adds[a].into][i] += f.sums[adds[a].from][i];
    all.gradient = f.sums[0];
    for (int i = 1; i < LANES; i++)
        free(f.sums[i]);
    return all;
}

static void result_free(result *r)
{
    free(r->outputs);
    free(r->gradient);
}

static void say_difference(const bench *b, const partition *p, const char *what, const char *name)
{
    printf("\n  %s: %s of %lld rows on %d ranks (%d lanes on the first)", name, what,
           (long long)b->batch, p->ranks, p->first[1]);
}

static void check_partitions(const bench *b, const char *name)
{
    result alone = run_partition(b, &partitions[0]);
    size_t y = (size_t)(b->batch * b->model->outputs) * sizeof(float);
    size_t g = (size_t)b->model->size * sizeof(float);
    int64_t finite = 0;
    for (int64_t i = 0; i < b->model->size; i++)
        finite += isfinite(alone.gradient[i]) && alone.gradient[i] != 0;
    CU_ASSERT_TRUE(finite > b->model->weights / 4); /* there is something to compare */
    for (int p = 1; p < N_PARTITIONS; p++) {
        result shared = run_partition(b, &partitions[p]);
        int same_y = memcmp(alone.outputs, shared.outputs, y) == 0;
        int same_g = memcmp(alone.gradient, shared.gradient, g) == 0;
        if (!same_y) say_difference(b, &partitions[p], "outputs", name);
        if (!same_g) say_difference(b, &partitions[p], "gradients", name);
        CU_ASSERT_TRUE(same_y);
        CU_ASSERT_TRUE(same_g);
        result_free(&shared);
    }
    result_free(&alone);
}

/* ---- models and batches ---- */

typedef struct shape {
    const char *name;
    int64_t inputs, hidden, outputs; /* hidden 0: a single dense layer */
    int64_t slots, rows; /* of a whole batch; in the batch at hand, 0: some lanes short */
    int (*layers)(const struct shape *s, pp_layer_spec *layers);
    double image[3]; /* what the inputs are, where that matters */
} shape;

static int perceptron(const shape *s, pp_layer_spec *l)
{
    int n = 0;
    if (s->hidden > 0) l[n++] = layer_dense(s->hidden, PP_ACT_RELU);
    if (s->hidden > 0) l[n++] = layer_without_bias(layer_dense(s->hidden, PP_ACT_TANH));
    l[n++] = layer_dense(s->outputs, PP_ACT_IDENTITY);
    return n;
}

static int everything(const shape *s, pp_layer_spec *l)
{
    static pp_layer_spec block[4];
    block[0] = layer_norm(PP_LAYER_LAYER_NORM);
    block[1] = layer_dense(s->hidden, PP_ACT_GELU);
    block[2] = layer_dropout(0.4);
    block[3] = layer_frozen(layer_dense(s->hidden, PP_ACT_IDENTITY));
    l[0] = layer_dropout(0.1);
    l[1] = layer_dense(s->hidden, PP_ACT_IDENTITY);
    l[2] = layer_norm(PP_LAYER_BATCH_NORM);
    l[3] = layer_activation(PP_ACT_SILU);
    l[4] = layer_residual(block, 4);
    l[5] = layer_dense(s->outputs, PP_ACT_SOFTMAX);
    return 6;
}

static int convolutions(const shape *s, pp_layer_spec *l)
{
    l[0] = layer_conv(PP_LAYER_CONV2D, s->hidden, 3, 3);
    l[0].padding[0] = l[0].padding[1] = PP_AUTO;
    l[0].activation = PP_ACT_RELU;
    l[1] = layer_pool(PP_LAYER_MAX_POOL2D, 2, PP_AUTO);
    l[2] = layer_conv(PP_LAYER_CONV2D, s->hidden, 3, 3);
    l[2].groups = 2;
    l[3] = (pp_layer_spec){.type = PP_LAYER_GLOBAL_AVERAGE_POOL};
    l[4] = layer_dense(s->outputs, PP_ACT_IDENTITY);
    return 5;
}

static const shape shapes[] = {
    {"wide", 300, 300, 1, 512, 512, perceptron, {0}},
    {"wide, few rows each", 300, 300, 10, 104, 104, perceptron, {0}},
    {"weights of several tiles", 30, 400, 3, 192, 192, perceptron, {0}},
    {"short last batch", 64, 64, 2, 512, 333, perceptron, {0}},
    {"short lanes", 300, 300, 16, 512, 0, perceptron, {0}},
    {"fewer rows than lanes", 40, 50, 2, 8, 5, perceptron, {0}},
    {"fewer slots than lanes", 40, 50, 2, 5, 5, perceptron, {0}},
    {"all layers", 17, 33, 5, 256, 256, everything, {0}},
    {"all layers, uneven", 17, 33, 5, 101, 97, everything, {0}},
    {"long lanes", 20, 24, 1, 8000, 8000, perceptron, {0}},
    {"images", 2 * 13 * 11, 20, 3, 64, 61, convolutions, {2, 13, 11}},
};

/* Rows in order of slots: what is missing is missing from the last lanes. Or, with rows = 0, from
 * every third lane. */
static void share_rows(bench *b, int64_t rows)
{
    b->batch = 0;
    for (int l = 0; l < LANES; l++) {
        int64_t slots = b->cut[l + 1] - b->cut[l], left = rows - b->batch;
        b->rows[l] = rows == 0 ? slots - (l % 3 == 0 ? 5 : 0) : left < slots ? left : slots;
        b->batch += b->rows[l];
    }
}

static void check_shape(rig *r, const shape *s, uint64_t stream)
{
    pp_layer_spec layers[MOST_LAYERS];
    bench b = {.r = r, .arena = pp_arena_create()};
    b.job = job_of(layers, s->layers(s, layers));
    b.job.data.x_shape = s->image;
    b.job.data.n_x_shape = s->image[0] > 0 ? 3 : 0;
    b.model = plan_of(&b.job, s->inputs, b.arena);
    pp_lanes_cut(s->slots, LANES, b.cut);
    share_rows(&b, s->rows);
    float *params = rig_add(r, b.model->size, 1);
    pp_model_init(b.model, stream, params);
    b.params = rig_upload(r);
    b.x = host_floats(b.batch * s->inputs);
    b.dz = host_floats(b.batch * s->outputs);
    for (int64_t i = 0; i < b.batch * s->inputs; i++)
        b.x[i] = rig_number(stream, i);
    for (int64_t i = 0; i < b.batch * s->outputs; i++)
        b.dz[i] = rig_number(stream + 1, i);
    check_partitions(&b, s->name);
    free(b.x);
    free(b.dz);
    pp_arena_destroy(b.arena);
    rig_clear(r);
}

static void check_shapes(rig *r)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(r, &shapes[i], 200);
}

static void test_shapes(void)
{
    rig_each_backend(check_shapes);
}

/* Products of a few numbers: a trial that decides how lanes are added must not be won by luck. */
static void check_small(rig *r)
{
    static const int64_t rows[] = {13, 417, 1500};
    for (int64_t inputs = 1; inputs <= 3; inputs++)
        for (int64_t outputs = 1; outputs <= 2; outputs++)
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                int64_t batch = LANES * rows[i];
                shape s = {"small", inputs, 0, outputs, batch, batch, perceptron, {0}};
                check_shape(r, &s, 300);
            }
}

static void test_small(void)
{
    rig_each_backend(check_small);
}

const pp_test pp_tests_pass[] = {
    {"bits do not depend on which lanes share a rank", test_shapes},
    {"bits of small products over many rows do not either", test_small},
    {NULL, NULL},
};
