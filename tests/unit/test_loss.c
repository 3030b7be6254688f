/* Losses against plain formulas, central differences, closed forms and the extremes. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/loss.h"
#include "base/rng.h"

enum { ROWS = 7, MOST = 5 };

static const pp_job_loss defaults = {.type = PP_LOSS_MSE,
                                     .targets = PP_TARGETS_DENSE,
                                     .delta = 0.75,
                                     .quantile = 0.3,
                                     .epsilon = 1e-7};

typedef struct rows {
    pp_loss loss;
    float z[ROWS * MOST], y[ROWS * MOST], weight[ROWS];
    double row_loss[ROWS];
    float dz[ROWS * MOST];
} rows;

static double uniform(uint64_t index)
{
    return pp_rng_uniform(pp_rng_at(11, PP_RNG_TEST, 0), index);
}

static int is_over_classes(pp_loss_type type)
{
    return type == PP_LOSS_CE || type == PP_LOSS_CE_LOGITS;
}

static int wants_probabilities(pp_loss_type type)
{
    return type == PP_LOSS_CE || type == PP_LOSS_BCE;
}

static void evaluate(rows *r, int n, int want_gradient)
{
    void *scratch = malloc(pp_loss_scratch(&r->loss, n));
    pp_loss_rows(&r->loss, n, r->z, r->y, r->weight, r->row_loss, want_gradient ? r->dz : NULL,
                 scratch);
    free(scratch);
}

/* Losses of one row and one unit, or the whole: the caller has set everything else. */
static double loss_of(pp_job_loss spec, int64_t k, const float *z, int64_t columns, const float *y,
                      float *dz)
{
    rows r = {.weight = {1}};
    CU_ASSERT_EQUAL_FATAL(pp_loss_plan(&spec, k, columns, &r.loss, NULL), PP_OK);
    memcpy(r.z, z, (size_t)k * sizeof *z);
    memcpy(r.y, y, (size_t)columns * sizeof *y);
    evaluate(&r, 1, 1);
    if (dz != NULL) memcpy(dz, r.dz, (size_t)k * sizeof *dz);
    return r.row_loss[0];
}

static double unit_loss(pp_job_loss spec, float z, float y, float *dz)
{
    return loss_of(spec, 1, &z, 1, &y, dz);
}

/* ---- plain formulas ---- */

static double plain_unit(const pp_job_loss *s, double z, double t)
{
    double p = s->type == PP_LOSS_BCE_LOGITS ? 1 / (1 + exp(-z)) : z, e = z - t;
    switch (s->type) {
    case PP_LOSS_BCE:
    case PP_LOSS_BCE_LOGITS:
        return -t * log(p) - (1 - t) * log(1 - p);
    case PP_LOSS_MSE:
        return e * e;
    case PP_LOSS_MAE:
        return fabs(e);
    case PP_LOSS_HUBER:
        return fabs(e) < s->delta ? e * e / 2 : s->delta * (fabs(e) - s->delta / 2);
    case PP_LOSS_QUANTILE:
        return fmax(s->quantile * (t - z), (s->quantile - 1) * (t - z));
    case PP_LOSS_CE:
    case PP_LOSS_CE_LOGITS:
    case PP_LOSS_AUTO:
        break;
    }
    return NAN;
}

static double plain_target(const rows *r, int i, int k)
{
    const pp_job_loss *s = &r->loss.spec;
    int over_classes = is_over_classes(s->type);
    int has_labels = s->type == PP_LOSS_BCE || s->type == PP_LOSS_BCE_LOGITS || over_classes;
    double n = over_classes ? (double)r->loss.outputs : 2, t;
    if (s->targets == PP_TARGETS_INDEX || s->targets == PP_TARGETS_ONE_HOT)
        t = (int)r->y[i] == k;
    else
        t = (double)(r->loss.y_columns == 1 ? r->y[i] : r->y[i * (int)r->loss.y_columns + k]);
    return has_labels ? t * (1 - s->label_smoothing) + s->label_smoothing / n : t;
}

/* Outputs of row i with targets of row j. */
static double plain_row(const rows *r, int i, int j)
{
    const pp_job_loss *s = &r->loss.spec;
    int n = (int)r->loss.outputs;
    const float *z = r->z + i * n;
    double sum = 0, total = 0;
    for (int k = 0; k < n; k++)
        total += s->type == PP_LOSS_CE ? (double)z[k] : exp((double)z[k]);
    for (int k = 0; k < n; k++) {
        double t = plain_target(r, j, k);
        if (s->type == PP_LOSS_CE)
            sum -= t * log(fmin((double)z[k] / total, 1 - s->epsilon)); /* one class: 1 is cut */
        else if (s->type == PP_LOSS_CE_LOGITS)
            sum -= t * log(exp((double)z[k]) / total);
        else
            sum += plain_unit(s, (double)z[k], t) / n;
    }
    return sum;
}

static double plain_loss(const rows *r, int i)
{
    double sum = 0;
    if (r->loss.spec.targets != PP_TARGETS_BROADCAST)
        return (double)r->weight[i] * plain_row(r, i, i);
    for (int j = 0; j < ROWS; j++)
        sum += plain_row(r, i, j);
    return (double)r->weight[i] * sum / ROWS;
}

/* ---- every loss with every kind of targets ---- */

/* Outputs at odd multiples of 2^-11 and targets at multiples of 2^-10, so that a difference of
 * 2 * 2^-13 is exact and meets no kink. */
static float on_grid(double value, double offset)
{
    return (float)(floor(value * 1024) / 1024 + offset);
}

static void fill(rows *r)
{
    pp_loss_type type = r->loss.spec.type;
    pp_targets targets = r->loss.spec.targets;
    int is_index = targets == PP_TARGETS_INDEX || targets == PP_TARGETS_ONE_HOT;
    int n = (int)r->loss.outputs;
    uint64_t at = 1000 * (uint64_t)type + 100 * (uint64_t)targets;
    for (int i = 0; i < ROWS * MOST; i++) {
        double u = uniform(at + (uint64_t)i), v = uniform(at + 50 + (uint64_t)i);
        r->z[i] = on_grid(wants_probabilities(type) ? 0.2 + 0.6 * u : 4 * u - 2, 0x1p-11);
        r->y[i] =
            is_index ? (float)floor(v * n) : on_grid(type <= PP_LOSS_CE_LOGITS ? v : 3 * v, 0);
    }
    for (int i = 0; i < ROWS; i++)
        r->weight[i] = (float)(i % 3) + 0.5f;
}

static double total_at(rows *r, int at, float z)
{
    rows moved = *r;
    double sum = 0;
    moved.z[at] = z;
    evaluate(&moved, ROWS, 0);
    for (int i = 0; i < ROWS; i++)
        sum += moved.row_loss[i];
    return sum;
}

static void compare(rows *r)
{
    const float step = 0x1p-13f;
    int wrong_values = 0, wrong_slopes = 0;
    evaluate(r, ROWS, 1);
    for (int i = 0; i < ROWS; i++) {
        double plain = plain_loss(r, i);
        wrong_values += !(fabs(r->row_loss[i] - plain) <= 1e-12 * (1 + fabs(plain)));
    }
    for (int i = 0; i < ROWS * (int)r->loss.outputs; i++) {
        double up = total_at(r, i, r->z[i] + step), down = total_at(r, i, r->z[i] - step);
        double slope = (up - down) / (2 * (double)step);
        wrong_slopes += !(fabs((double)r->dz[i] - slope) <= 1e-5 * (0.1 + fabs(slope)));
    }
    if (wrong_values + wrong_slopes > 0)
        printf("\n    loss %d, targets %d, %d outputs, %d columns, smoothing %g\n",
               (int)r->loss.spec.type, (int)r->loss.spec.targets, (int)r->loss.outputs,
               (int)r->loss.y_columns, r->loss.spec.label_smoothing);
    CU_ASSERT_EQUAL(wrong_values, 0);
    CU_ASSERT_EQUAL(wrong_slopes, 0);
}

/* Returns whether the loss takes these widths. */
static int try_one(pp_loss_type type, pp_targets targets, int outputs, int columns,
                   double smoothing)
{
    rows r = {.loss = {.outputs = 0}};
    pp_job_loss spec = defaults;
    spec.type = type;
    spec.targets = targets;
    spec.label_smoothing = smoothing;
    if (pp_loss_plan(&spec, outputs, columns, &r.loss, NULL) != PP_OK) return 0;
    fill(&r);
    compare(&r);
    return 1;
}

static void test_every_loss(void)
{
    static const int widths[][2] = {{1, 1}, {4, 1}, {4, 4}, {5, 5}, {4, 3}, {1, 3}};
    int taken = 0;
    for (int type = PP_LOSS_BCE; type < PP_LOSS_AUTO; type++)
        for (int targets = PP_TARGETS_INDEX; targets <= PP_TARGETS_BROADCAST; targets++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                for (int smooth = 0; smooth < 2; smooth++)
                    taken += try_one((pp_loss_type)type, (pp_targets)targets, widths[w][0],
                                     widths[w][1], 0.2 * smooth);
    /* cross-entropy: index and one_hot on 2 widths, dense on 3; the other six: one_hot on 2, dense
     * and broadcast on 4 */
    CU_ASSERT_EQUAL(taken, 2 * (2 * (2 + 2 + 3) + 6 * (2 + 4 + 4)));
}

/* ---- closed forms ---- */

static void check_unit(pp_loss_type type, float z, float y, double value, double slope)
{
    pp_job_loss spec = defaults;
    float dz = 99;
    spec.type = type;
    CU_ASSERT_DOUBLE_EQUAL(unit_loss(spec, z, y, &dz), value, 1e-14);
    CU_ASSERT_DOUBLE_EQUAL((double)dz, slope, 1e-7);
}

static void test_closed_forms(void)
{
    const double ln2 = 0.69314718055994530942;
    check_unit(PP_LOSS_MSE, 3, 1, 4, 4);
    check_unit(PP_LOSS_MSE, 1, 1, 0, 0);
    check_unit(PP_LOSS_MAE, 3, 1, 2, 1);
    check_unit(PP_LOSS_MAE, 1, 3, 2, -1);
    check_unit(PP_LOSS_MAE, 1, 1, 0, 0);
    check_unit(PP_LOSS_HUBER, 1.5f, 1, 0.125, 0.5);
    check_unit(PP_LOSS_HUBER, 3, 1, 0.75 * (2 - 0.375), 0.75);
    check_unit(PP_LOSS_HUBER, 1, 3, 0.75 * (2 - 0.375), -0.75);
    check_unit(PP_LOSS_QUANTILE, 3, 1, 0.7 * 2, 0.7);
    check_unit(PP_LOSS_QUANTILE, 1, 3, 0.3 * 2, -0.3);
    check_unit(PP_LOSS_QUANTILE, 1, 1, 0, 0);
    check_unit(PP_LOSS_BCE_LOGITS, 0, 1, ln2, -0.5);
    check_unit(PP_LOSS_BCE_LOGITS, 0, 0.25f, ln2, 0.25);
    check_unit(PP_LOSS_BCE, 0.5f, 0, ln2, 2);
    check_unit(PP_LOSS_BCE, 0.25f, 1, 2 * ln2, -4);
}

static void test_cross_entropy_closed_forms(void)
{
    const double ln3 = 1.09861228866810969140;
    const float equal[3] = {2, 2, 2}, halves[3] = {1, 2, 1}, label = 1;
    float dz[3];
    pp_job_loss spec = defaults;
    spec.type = PP_LOSS_CE_LOGITS;
    spec.targets = PP_TARGETS_INDEX;
    CU_ASSERT_DOUBLE_EQUAL(loss_of(spec, 3, equal, 1, &label, dz), ln3, 1e-14);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[0], 1.0 / 3, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[1], -2.0 / 3, 1e-7);
    /* Any smoothing of equal logits costs the same; the gradient is what is left of the target. */
    spec.label_smoothing = 0.3;
    CU_ASSERT_DOUBLE_EQUAL(loss_of(spec, 3, equal, 1, &label, dz), ln3, 1e-14);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[1], 1.0 / 3 - 0.8, 1e-7);
    /* Probabilities that sum to 4 are shares of 4: loss -log(2/4), slopes (1 - t / q) / 4. */
    spec.label_smoothing = 0;
    spec.type = PP_LOSS_CE;
    CU_ASSERT_DOUBLE_EQUAL(loss_of(spec, 3, halves, 1, &label, dz), log(2), 1e-14);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[0], 0.25, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[1], -0.25, 1e-7);
}

static void test_binary_smoothing(void)
{
    pp_job_loss spec = defaults;
    spec.type = PP_LOSS_BCE_LOGITS;
    spec.label_smoothing = 0.2;
    float dz;
    unit_loss(spec, 0, 1, &dz);
    CU_ASSERT_DOUBLE_EQUAL((double)dz, 0.5 - 0.9, 1e-7);
    unit_loss(spec, 0, 0, &dz);
    CU_ASSERT_DOUBLE_EQUAL((double)dz, 0.5 - 0.1, 1e-7);
}

/* Far on the right side the loss is about exp(-|z|), and keeps its digits. */
static void test_small_losses(void)
{
    pp_job_loss spec = defaults;
    spec.type = PP_LOSS_BCE_LOGITS;
    for (float z = 0; z < 700; z += 0.25f) {
        double wanted = log1p(exp(-(double)z)), got = unit_loss(spec, -z, 0, NULL);
        CU_ASSERT(fabs(got - wanted) <= 1e-15 * wanted);
    }
}

/* ---- extremes ---- */

static void test_extreme_logits(void)
{
    check_unit(PP_LOSS_BCE_LOGITS, 1e4f, 1, 0, 0);
    check_unit(PP_LOSS_BCE_LOGITS, 1e4f, 0, 1e4, 1);
    check_unit(PP_LOSS_BCE_LOGITS, -1e4f, 0, 0, 0);
    check_unit(PP_LOSS_BCE_LOGITS, -1e4f, 1, 1e4, -1);
    const float z[3] = {-1e4f, 1e4f, 0}, labels[3] = {0, 1, 2};
    const double losses[3] = {2e4, 0, 1e4};
    pp_job_loss spec = defaults;
    spec.type = PP_LOSS_CE_LOGITS;
    spec.targets = PP_TARGETS_INDEX;
    for (int i = 0; i < 3; i++) {
        float dz[3];
        CU_ASSERT_DOUBLE_EQUAL(loss_of(spec, 3, z, 1, &labels[i], dz), losses[i], 1e-9);
        for (int k = 0; k < 3; k++)
            CU_ASSERT_DOUBLE_EQUAL((double)dz[k], (k == 1) - (k == i), 1e-7);
    }
}

static void test_infinite_logits(void)
{
    const float z[3] = {0, -INFINITY, 0}, over[3] = {0, INFINITY, 0}, good = 0, bad = 1;
    float dz[3];
    pp_job_loss spec = defaults;
    spec.type = PP_LOSS_CE_LOGITS;
    spec.targets = PP_TARGETS_INDEX;
    CU_ASSERT_DOUBLE_EQUAL(loss_of(spec, 3, z, 1, &good, dz), log(2), 1e-14);
    CU_ASSERT_EQUAL(dz[1], 0);
    CU_ASSERT_EQUAL(loss_of(spec, 3, z, 1, &bad, dz), (double)INFINITY);
    CU_ASSERT(isnan(loss_of(spec, 3, over, 1, &good, dz)));
}

/* Beyond epsilon the probability is what epsilon says, and nothing pulls it back: Keras' clip. */
static void test_clipping(void)
{
    const double eps = 1e-7;
    check_unit(PP_LOSS_BCE, 0, 1, -log(eps), 0);
    check_unit(PP_LOSS_BCE, -3, 1, -log(eps), 0);
    check_unit(PP_LOSS_BCE, 1, 0, -log1p(-(1 - eps)), 0);
    check_unit(PP_LOSS_BCE, 7, 1, -log(1 - eps), 0);
    const float p[3] = {0, 3, 1}, label = 0;
    float dz[3];
    pp_job_loss spec = defaults;
    spec.type = PP_LOSS_CE;
    spec.targets = PP_TARGETS_INDEX;
    CU_ASSERT_DOUBLE_EQUAL(loss_of(spec, 3, p, 1, &label, dz), -log(eps), 1e-14);
    for (int k = 0; k < 3; k++)
        CU_ASSERT_EQUAL(dz[k], 0);
    const float dense[3] = {0.5f, 0.5f, 0}; /* the unit that is not cut still learns */
    spec.targets = PP_TARGETS_DENSE;
    loss_of(spec, 3, p, 3, dense, dz);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[0], 0.5 / 4, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL((double)dz[1], (0.5 - 0.5 / 0.75) / 4, 1e-7);
}

static void test_nan_passes(void)
{
    for (int type = PP_LOSS_BCE; type < PP_LOSS_AUTO; type++) {
        pp_job_loss spec = defaults;
        spec.type = (pp_loss_type)type;
        const float z[2] = {NAN, 0.5f}, good[2] = {0.25f, 0.5f}, y[2] = {0, 1};
        const float bad_y[2] = {NAN, 1};
        float dz[2] = {0, 0};
        CU_ASSERT(isnan(loss_of(spec, 2, z, 2, y, dz)));
        CU_ASSERT(isnan(dz[0]));
        CU_ASSERT(isnan(loss_of(spec, 2, good, 2, bad_y, dz)));
        CU_ASSERT(isnan(dz[0]));
    }
}

static void test_labels_beyond(void)
{
    static const float labels[] = {3, -1, 1e30f, 0.5f, NAN, INFINITY};
    const float z[3] = {0.1f, 0.2f, 0.3f};
    pp_job_loss spec = defaults;
    spec.targets = PP_TARGETS_ONE_HOT;
    for (int type = PP_LOSS_BCE; type < PP_LOSS_AUTO; type++)
        for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
            float dz[3] = {0, 0, 0};
            spec.type = (pp_loss_type)type;
            CU_ASSERT(isnan(loss_of(spec, 3, z, 1, &labels[i], dz)));
            for (int k = 0; k < 3; k++)
                CU_ASSERT(isnan(dz[k]));
        }
}

/* ---- rows ---- */

static void test_no_rows(void)
{
    for (int targets = PP_TARGETS_DENSE; targets <= PP_TARGETS_BROADCAST; targets++) {
        pp_job_loss spec = defaults;
        rows r = {.row_loss = {42}, .dz = {43}};
        spec.targets = (pp_targets)targets;
        CU_ASSERT_EQUAL(pp_loss_plan(&spec, 1, 1, &r.loss, NULL), PP_OK);
        CU_ASSERT(pp_loss_scratch(&r.loss, 0) > 0);
        evaluate(&r, 0, 1);
        CU_ASSERT_EQUAL(r.row_loss[0], 42);
        CU_ASSERT_EQUAL(r.dz[0], 43);
    }
}

/* Two rows: each output is drawn to the mean of the targets, not to its own. */
static void test_broadcast(void)
{
    pp_job_loss spec = defaults;
    spec.targets = PP_TARGETS_BROADCAST;
    rows r = {.z = {0, 5}, .y = {1, 3}, .weight = {1, 2}};
    CU_ASSERT_EQUAL(pp_loss_plan(&spec, 1, 1, &r.loss, NULL), PP_OK);
    evaluate(&r, 2, 1);
    CU_ASSERT_DOUBLE_EQUAL(r.row_loss[0], (1.0 + 9) / 2, 1e-14);
    CU_ASSERT_DOUBLE_EQUAL(r.row_loss[1], 2 * (16.0 + 4) / 2, 1e-14);
    CU_ASSERT_EQUAL(r.dz[0], -4);
    CU_ASSERT_EQUAL(r.dz[1], 2 * 6);
}

static void test_rows_stay_apart(void)
{
    pp_job_loss spec = defaults;
    rows r, one;
    memset(&r, 0, sizeof r);
    spec.type = PP_LOSS_CE_LOGITS;
    spec.targets = PP_TARGETS_INDEX;
    CU_ASSERT_EQUAL(pp_loss_plan(&spec, 4, 1, &r.loss, NULL), PP_OK);
    fill(&r);
    evaluate(&r, ROWS, 1);
    for (int i = 0; i < ROWS; i++) {
        one = r;
        memcpy(one.z, r.z + 4 * i, 4 * sizeof *r.z);
        one.y[0] = r.y[i];
        one.weight[0] = r.weight[i];
        evaluate(&one, 1, 1);
        CU_ASSERT_EQUAL(one.row_loss[0], r.row_loss[i]);
        CU_ASSERT_EQUAL(memcmp(one.dz, r.dz + 4 * i, 4 * sizeof *r.dz), 0);
    }
}

static void test_weightless_row(void)
{
    pp_job_loss spec = defaults;
    rows r = {.z = {5}, .y = {1}, .weight = {0}, .dz = {9}};
    CU_ASSERT_EQUAL(pp_loss_plan(&spec, 1, 1, &r.loss, NULL), PP_OK);
    evaluate(&r, 1, 1);
    CU_ASSERT_EQUAL(r.row_loss[0], 0);
    CU_ASSERT_EQUAL(r.dz[0], 0);
}

/* ---- planning ---- */

static void refuse(pp_loss_type type, pp_targets targets, int outputs, int columns,
                   const char *says)
{
    pp_job_loss spec = defaults;
    pp_loss untouched = {.outputs = -7};
    pp_error err = {0};
    spec.type = type;
    spec.targets = targets;
    CU_ASSERT_EQUAL(pp_loss_plan(&spec, outputs, columns, &untouched, &err), PP_E_JOB);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, says));
    CU_ASSERT_EQUAL(strncmp(err.text, "loss.targets: ", 14), 0);
    CU_ASSERT_EQUAL(untouched.outputs, -7);
}

static void test_refusals(void)
{
    refuse(PP_LOSS_CE, PP_TARGETS_INDEX, 3, 2, "2 columns");
    refuse(PP_LOSS_MSE, PP_TARGETS_INDEX, 1, 1, "'index' is for cross-entropy");
    refuse(PP_LOSS_BCE, PP_TARGETS_ONE_HOT, 3, 3, "'one_hot' takes y with one column");
    refuse(PP_LOSS_CE_LOGITS, PP_TARGETS_DENSE, 3, 1, "over 3 outputs takes 3 columns");
    refuse(PP_LOSS_CE_LOGITS, PP_TARGETS_DENSE, 3, 4, "y has 4");
    refuse(PP_LOSS_MSE, PP_TARGETS_DENSE, 2, 3, "y has 3 columns where the model has 2 outputs");
    refuse(PP_LOSS_MSE, PP_TARGETS_DENSE, 1, 3, "3 units");
    refuse(PP_LOSS_MSE, PP_TARGETS_BROADCAST, 2, 3, "y has 3 columns");
    refuse(PP_LOSS_CE, PP_TARGETS_BROADCAST, 3, 3, "'broadcast'");
}

/* ---- predictions ---- */

static void predict(pp_loss_type type, pp_job_model model, int64_t k, float *values)
{
    pp_loss loss = {.spec = defaults, .outputs = k, .y_columns = 1};
    loss.spec.type = type;
    pp_loss_predict(&loss, &model, 2, values, values);
}

static void test_predictions(void)
{
    const pp_job_model none = {.at_prediction = PP_PREDICT_NONE};
    const pp_job_model sigmoid = {.at_prediction = PP_PREDICT_SIGMOID};
    const pp_job_model clamp = {
        .at_prediction = PP_PREDICT_CLAMP, .clamp_low = 0.25, .clamp_high = 0.75};
    float a[2] = {0, 200}, b[4] = {1, 1, -1e4f, 1e4f}, c[2] = {-200, 3}, d[2] = {0.5f, 9};
    float e[2] = {-1, NAN}, f[4] = {0, 0, 2, 2};
    predict(PP_LOSS_BCE_LOGITS, none, 1, a);
    CU_ASSERT(a[0] == 0.5f && a[1] == 1);
    predict(PP_LOSS_CE_LOGITS, none, 2, b);
    CU_ASSERT(b[0] == 0.5f && b[1] == 0.5f && b[2] == 0 && b[3] == 1);
    predict(PP_LOSS_MSE, sigmoid, 1, c);
    CU_ASSERT(c[0] >= 0 && c[0] < 1e-30f);
    CU_ASSERT_DOUBLE_EQUAL((double)c[1], 1 / (1 + exp(-3)), 1e-7);
    predict(PP_LOSS_BCE_LOGITS, clamp, 1, d); /* what the user asks for comes instead of the link */
    CU_ASSERT(d[0] == 0.5f && d[1] == 0.75f);
    predict(PP_LOSS_MSE, clamp, 1, e);
    CU_ASSERT(e[0] == 0.25f && isnan(e[1]));
    predict(PP_LOSS_BCE, (pp_job_model){.at_prediction = PP_PREDICT_SOFTMAX}, 2, f);
    CU_ASSERT(f[0] == 0.5f && f[3] == 0.5f);
}

/* Losses on probabilities and of real numbers have no link. */
static void test_raw_predictions(void)
{
    static const pp_loss_type types[] = {PP_LOSS_BCE, PP_LOSS_CE, PP_LOSS_MSE, PP_LOSS_QUANTILE};
    const pp_job_model model = {.at_prediction = PP_PREDICT_NONE};
    const float raw[2] = {-3, 7};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        pp_loss loss = {.spec = defaults, .outputs = 1, .y_columns = 1};
        float p[2] = {0, 0};
        loss.spec.type = types[i];
        pp_loss_predict(&loss, &model, 2, raw, p);
        CU_ASSERT(p[0] == -3 && p[1] == 7);
    }
}

extern const pp_test pp_tests_loss[];
const pp_test pp_tests_loss[] = {
    {"every loss and kind of targets: values as plain formulas, slopes as differences",
     test_every_loss},
    {"losses of a unit have their closed-form values", test_closed_forms},
    {"cross-entropy has its closed-form values, smoothed and unnormalised",
     test_cross_entropy_closed_forms},
    {"binary labels are smoothed towards one half", test_binary_smoothing},
    {"losses of sure and right predictions keep their digits", test_small_losses},
    {"logits of 1e4 neither overflow nor lose the loss", test_extreme_logits},
    {"infinite logits cost what they should", test_infinite_logits},
    {"probabilities are clipped as in Keras, gradient included", test_clipping},
    {"NaN in outputs or targets comes out again", test_nan_passes},
    {"labels that are no class make a row NaN", test_labels_beyond},
    {"no rows: nothing is touched", test_no_rows},
    {"broadcast targets draw every row to their mean", test_broadcast},
    {"a row's loss does not depend on its neighbours", test_rows_stay_apart},
    {"a row of weight 0 counts nothing", test_weightless_row},
    {"widths that do not fit are refused by name", test_refusals},
    {"predictions go through at_prediction or the loss's link", test_predictions},
    {"losses without a link leave predictions as they are", test_raw_predictions},
    {NULL, NULL},
};
