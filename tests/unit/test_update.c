/* The contract of a compute backend, continued: from the sum of gradients to new parameters. The
 * optimisers are compared over several steps with the formulas of torch.optim 2.x in double. */
#include <stdint.h>

#include "support/rig.h"

static const int64_t sizes[] = {0, 1, 3, 17, 64, 65, 1024};
enum { N_SIZES = sizeof sizes / sizeof *sizes, STEPS = 5 };

/* ---- the optimisers, one parameter at a time, as PyTorch documents them ---- */

typedef struct memory {
    double first, second; /* velocity; m and v; mean of squares and velocity; sum of squares */
} memory;

typedef double (*step_fn)(const pp_job_optimizer *o, double lr, int t, double g, memory *m,
                          double w);

static double sgd(const pp_job_optimizer *o, double lr, int t, double g, memory *m, double w)
{
    g += o->weight_decay * w;
    if (o->momentum > 0) {
        m->first = t == 1 ? g : o->momentum * m->first + g;
        g = o->nesterov ? g + o->momentum * m->first : m->first;
    }
    return w - lr * g;
}

static double adam_step(const pp_job_optimizer *o, double lr, int t, double g, memory *m, double w)
{
    m->first = o->beta1 * m->first + (1 - o->beta1) * g;
    m->second = o->beta2 * m->second + (1 - o->beta2) * g * g;
    double first = m->first / (1 - pow(o->beta1, t)), second = m->second / (1 - pow(o->beta2, t));
    return w - lr * first / (sqrt(second) + o->epsilon);
}

static double adam(const pp_job_optimizer *o, double lr, int t, double g, memory *m, double w)
{
    return adam_step(o, lr, t, g + o->weight_decay * w, m, w);
}

static double adamw(const pp_job_optimizer *o, double lr, int t, double g, memory *m, double w)
{
    return adam_step(o, lr, t, g, m, w - lr * o->weight_decay * w);
}

static double rmsprop(const pp_job_optimizer *o, double lr, int t, double g, memory *m, double w)
{
    (void)t;
    g += o->weight_decay * w;
    m->first = o->alpha * m->first + (1 - o->alpha) * g * g;
    double d = g / (sqrt(m->first) + o->epsilon);
    if (o->momentum > 0) d = m->second = o->momentum * m->second + d;
    return w - lr * d;
}

static double adagrad(const pp_job_optimizer *o, double lr, int t, double g, memory *m, double w)
{
    (void)t;
    g += o->weight_decay * w;
    m->first += g * g;
    return w - lr * g / (sqrt(m->first) + o->epsilon);
}

typedef struct optimiser {
    const char *name;
    step_fn step;
    int states;
    pp_job_optimizer job;
} optimiser;

static const optimiser optimisers[] = {
    {"sgd", sgd, 0, {.type = PP_OPT_SGD}},
    {"sgd, decay", sgd, 0, {.type = PP_OPT_SGD, .weight_decay = 0.1}},
    {"sgd, momentum", sgd, 1, {.type = PP_OPT_SGD, .momentum = 0.9}},
    {"sgd, momentum, decay", sgd, 1, {.type = PP_OPT_SGD, .momentum = 0.9, .weight_decay = 0.1}},
    {"sgd, nesterov", sgd, 1, {.type = PP_OPT_SGD, .momentum = 0.9, .nesterov = 1}},
    {"sgd, nesterov, decay",
     sgd,
     1,
     {.type = PP_OPT_SGD, .momentum = 0.5, .nesterov = 1, .weight_decay = 0.1}},
    {"adam", adam, 2, {.type = PP_OPT_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8}},
    {"adam, decay",
     adam,
     2,
     {.type = PP_OPT_ADAM, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-3, .weight_decay = 0.1}},
    {"adam, no memory", adam, 2, {.type = PP_OPT_ADAM, .epsilon = 1e-8}},
    {"adamw",
     adamw,
     2,
     {.type = PP_OPT_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1}},
    {"rmsprop", rmsprop, 1, {.type = PP_OPT_RMSPROP, .alpha = 0.99, .epsilon = 1e-8}},
    {"rmsprop, momentum, decay",
     rmsprop,
     2,
     {.type = PP_OPT_RMSPROP, .alpha = 0.9, .epsilon = 1e-3, .momentum = 0.9, .weight_decay = 0.1}},
    {"adagrad", adagrad, 1, {.type = PP_OPT_ADAGRAD, .epsilon = 1e-10}},
    {"adagrad, decay", adagrad, 1, {.type = PP_OPT_ADAGRAD, .epsilon = 1e-10, .weight_decay = 0.1}},
};
enum { N_OPTIMISERS = sizeof optimisers / sizeof *optimisers };

static double rate_at(int t)
{
    return 0.05 / t;
}

static float *zero_array(rig *r, int64_t n, int wanted)
{
    if (!wanted) return NULL;
    memset(rig_add(r, n, 0), 0, (size_t)n * sizeof(float));
    return rig_upload(r);
}

static void naive_steps(const optimiser *o, float scale, int64_t n, double *want)
{
    for (int64_t i = 0; i < n; i++) {
        memory m = {0, 0};
        want[i] = (double)rig_number(0, i);
        for (int t = 1; t <= STEPS; t++) {
            double g = (double)scale * (double)rig_number((uint64_t)t, i);
            want[i] = o->step(&o->job, rate_at(t), t, g, &m, want[i]);
        }
    }
}

static void check_optimiser(rig *r, const optimiser *o, float scale, int64_t n)
{
    float *w = rig_numbers(r, n, 0, 0);
    float *state1 = zero_array(r, n, o->states > 0), *state2 = zero_array(r, n, o->states > 1);
    double *want = rig_doubles(n);
    CU_ASSERT_EQUAL(pp_update_states(&o->job), o->states);
    for (int t = 1; t <= STEPS; t++) {
        float *g = rig_input(r, n, (uint64_t)t);
        pp_update update = pp_update_at(&o->job, rate_at(t), t - 1);
        r->backend->update(r->device, &update, scale, n, g, state1, state2, w);
    }
    naive_steps(o, scale, n, want);
    rig_check(r, o->name, w, want, n, 3e-6);
    free(want);
    rig_clear(r);
}

static void check_optimisers(rig *r)
{
    for (int i = 0; i < N_OPTIMISERS; i++)
        for (int s = 0; s < N_SIZES; s++) {
            check_optimiser(r, &optimisers[i], 1, sizes[s]);
            check_optimiser(r, &optimisers[i], 0.37f, sizes[s]);
        }
}

static void test_optimisers(void)
{
    rig_each_backend(check_optimisers);
}

/* A run of parameters may be updated whole or in pieces: slices differ with the number of ranks. */
static void check_pieces(rig *r, const optimiser *o)
{
    enum { N = 100 };
    pp_update update = pp_update_at(&o->job, 0.01, 3);
    float *g = rig_input(r, N, 1), *w[2], *a[2], *b[2];
    for (int i = 0; i < 2; i++) {
        w[i] = rig_numbers(r, N, 2, 0);
        a[i] = zero_array(r, N, o->states > 0);
        b[i] = zero_array(r, N, o->states > 1);
    }
    r->backend->update(r->device, &update, 0.5f, N, g, a[0], b[0], w[0]);
    for (int64_t at = 0, n = 1; at < N; at += n, n = at + 2 * n < N ? 2 * n : N - at)
        r->backend->update(r->device, &update, 0.5f, n, g + at, a[1] == NULL ? NULL : a[1] + at,
                           b[1] == NULL ? NULL : b[1] + at, w[1] + at);
    CU_ASSERT_EQUAL(memcmp(rig_now(r, w[0]), rig_now(r, w[1]), N * sizeof(float)), 0);
    if (o->states > 0)
        CU_ASSERT_EQUAL(memcmp(rig_now(r, a[0]), rig_now(r, a[1]), N * sizeof(float)), 0);
    rig_clear(r);
}

static void check_all_pieces(rig *r)
{
    for (int i = 0; i < N_OPTIMISERS; i++)
        check_pieces(r, &optimisers[i]);
}

static void test_pieces(void)
{
    rig_each_backend(check_all_pieces);
}

/* A NaN in a gradient reaches its parameter and no other. */
static void check_nan_update(rig *r)
{
    for (int i = 0; i < N_OPTIMISERS; i++) {
        const optimiser *o = &optimisers[i];
        float *g = rig_values(r, 3, (float[]){1, NAN, 2}, 1), *w = rig_numbers(r, 3, 1, 0);
        float *a = zero_array(r, 3, o->states > 0), *b = zero_array(r, 3, o->states > 1);
        pp_update update = pp_update_at(&o->job, 0.1, 0);
        r->backend->update(r->device, &update, 1, 3, g, a, b, w);
        const float *now = rig_now(r, w);
        CU_ASSERT_TRUE(isfinite(now[0]) && isnan(now[1]) && isfinite(now[2]));
        rig_clear(r);
    }
}

static void test_nan_update(void)
{
    rig_each_backend(check_nan_update);
}

static void test_late_steps(void)
{
    pp_job_optimizer adam_job = optimisers[6].job;
    pp_update u = pp_update_at(&adam_job, 0.1, 0);
    CU_ASSERT_EQUAL(u.lr, (float)(0.1 / (1 - 0.9)));
    CU_ASSERT_TRUE(rig_is_near((double)u.root, sqrt(0.001), 1e-7));
    CU_ASSERT_TRUE(rig_is_near((double)u.rest2, 0.001, 1e-10)); /* not 1 - (float)0.999 */
    CU_ASSERT_EQUAL(u.shrink, 1);
    u = pp_update_at(&adam_job, 0.1, 1000000);
    CU_ASSERT_EQUAL(u.lr, 0.1f);
    CU_ASSERT_EQUAL(u.root, 1);
    pp_job_optimizer decoupled = {.type = PP_OPT_ADAMW, .weight_decay = 0.5};
    u = pp_update_at(&decoupled, 0.1, 0);
    CU_ASSERT_EQUAL(u.decay, 0);
    CU_ASSERT_EQUAL(u.shrink, 0.95f);
}

/* ---- gradients ---- */

static void check_finish(rig *r, float l1, float l2, int64_t n)
{
    float *g = rig_numbers(r, n, 1, 0), *host = rig_add(r, n, 1);
    double *want = rig_doubles(n);
    for (int64_t i = 0; i < n; i++) {
        host[i] = i % 5 == 2 ? 0 : rig_number(2, i); /* the sign of 0 is 0 */
        double w = (double)host[i], sign = w > 0 ? 1 : w < 0 ? -1 : 0;
        want[i] = (double)rig_number(1, i) / 37 + (double)l1 * sign + 2 * (double)l2 * w;
    }
    float *w = rig_upload(r);
    r->backend->finish_gradient(r->device, n, 37, l1, l2, w, g);
    rig_check(r, "finish_gradient", g, want, n, 3e-7);
    free(want);
    rig_clear(r);
}

static void check_finishes(rig *r)
{
    for (int i = 0; i < N_SIZES; i++) {
        check_finish(r, 0, 0, sizes[i]);
        check_finish(r, 0.25f, 0, sizes[i]);
        check_finish(r, 0, 0.125f, sizes[i]);
        check_finish(r, 0.25f, 0.125f, sizes[i]);
    }
}

static void test_finish_gradient(void)
{
    rig_each_backend(check_finishes);
}

static void check_average(rig *r)
{
    for (int s = 0; s < N_SIZES; s++) {
        int64_t n = sizes[s];
        float *g = rig_input(r, n, 1), *w = rig_numbers(r, n, 2, 0);
        double *want = rig_doubles(n);
        for (int64_t i = 0; i < n; i++)
            want[i] = 0.9 * (double)rig_number(2, i) + 0.1 * (double)rig_number(1, i) / 12;
        r->backend->average(r->device, n, 12, 0.1f, g, w);
        rig_check(r, "average", w, want, n, 3e-7);
        free(want);
        rig_clear(r);
    }
}

static void test_average(void)
{
    rig_each_backend(check_average);
}

const pp_test pp_tests_update[] = {
    {"optimisers take PyTorch's steps", test_optimisers},
    {"a step in pieces has the bits of a whole one", test_pieces},
    {"NaN reaches its parameter only", test_nan_update},
    {"scalars of early and late steps", test_late_steps},
    {"sums become mean gradients, with penalties", test_finish_gradient},
    {"running statistics are averaged", test_average},
    {NULL, NULL},
};
