#include "model/loss.h"

#include <math.h>
#include <string.h>

#include "pitprop/check.h"

/* ---- losses of one unit: output z, target t; *slope = d loss / d z ---- */

static double mse(const pp_job_loss *spec, double z, double t, double *slope)
{
    (void)spec;
    double error = z - t;
    *slope = 2 * error;
    return error * error;
}

/* At no error the slope is 0, as in PyTorch; where nothing compares, the error itself is NaN. */
static double mae(const pp_job_loss *spec, double z, double t, double *slope)
{
    (void)spec;
    double error = z - t;
    *slope = error > 0 ? 1 : error < 0 ? -1 : error;
    return fabs(error);
}

/* Huber, Ann. Math. Stat. 35 (1964), scaled as PyTorch's HuberLoss. */
static double huber(const pp_job_loss *spec, double z, double t, double *slope)
{
    double error = z - t, delta = spec->delta;
    *slope = error > delta ? delta : error < -delta ? -delta : error;
    if (fabs(error) <= delta) return 0.5 * error * error;
    return delta * (fabs(error) - 0.5 * delta);
}

/* Pinball loss: Koenker and Bassett, Econometrica 46 (1978). */
static double quantile(const pp_job_loss *spec, double z, double t, double *slope)
{
    double error = z - t, q = spec->quantile;
    *slope = error > 0 ? 1 - q : error < 0 ? -q : error;
    return error > 0 ? (1 - q) * error : -q * error;
}

/* 1 / (1 + exp(-z)), given e = exp(-|z|): no overflow on either side. */
static double sigmoid_from(double z, double e)
{
    double larger = 1 / (1 + e);
    return z < 0 ? e * larger : larger;
}

/* log(1 + e) of 0 <= e <= 1 at the price of a log: what rounding 1 + e cost is added back, which is
 * right to first order. Within two units in the last place of log1p, which takes twice as long. */
static double log_of_1_plus(double e)
{
    double u = 1 + e;
    return log(u) + (e - (u - 1));
}

/* -t log s - (1 - t) log (1 - s) with s = sigmoid(z), rewritten as log(1 + exp(z)) - t z; as
 * PyTorch's BCEWithLogitsLoss. */
static double bce_logits(const pp_job_loss *spec, double z, double t, double *slope)
{
    (void)spec;
    double e = exp(-fabs(z));
    *slope = sigmoid_from(z, e) - t;
    return (z > 0 ? z : 0) - t * z + log_of_1_plus(e);
}

/* Keras' clip: to [epsilon, 1 - epsilon], with gradient 0 where it changes p. NaN stays. */
static double clip(double p, double epsilon, int *is_cut)
{
    *is_cut = p < epsilon || p > 1 - epsilon;
    return p < epsilon ? epsilon : p > 1 - epsilon ? 1 - epsilon : p;
}

/* As Keras' binary_crossentropy(from_logits=False). PyTorch's BCELoss differs: it keeps
 * log p >= -100 instead. */
static double bce(const pp_job_loss *spec, double z, double t, double *slope)
{
    int is_cut;
    double p = clip(z, spec->epsilon, &is_cut);
    *slope = is_cut ? 0 : (p - t) / (p * (1 - p));
    return -(t * log(p) + (1 - t) * log1p(-p));
}

/* ---- losses of a whole row: z [k], targets t [k]; slope [k] = d loss / d z ---- */

/* sum_j t_j (log sum_i exp z_i - z_j), with the largest z taken out of the exponentials. A target
 * of 0 asks nothing of its unit, so that a logit of -inf may stand there; 0 * shift keeps a NaN. */
static double ce_logits(const pp_job_loss *spec, int64_t k, const float *z, const double *t,
                        double *slope)
{
    (void)spec;
    double largest = (double)z[0], sum = 0, mass = 0, loss = 0;
    for (int64_t j = 1; j < k; j++)
        if ((double)z[j] > largest) largest = (double)z[j];
    for (int64_t j = 0; j < k; j++) {
        slope[j] = exp((double)z[j] - largest);
        sum += slope[j];
        mass += t[j];
    }
    double shift = log(sum);
    for (int64_t j = 0; j < k; j++) {
        if (t[j] != 0) loss += t[j] * (shift - ((double)z[j] - largest));
        slope[j] = slope[j] / sum * mass - t[j];
    }
    return loss + 0 * shift;
}

/* As Keras' categorical_crossentropy(from_logits=False): q = p / sum p, clipped, then -sum t log q.
 *   d loss / d p_j = (sum_i t_i c_i - t_j c_j / q_j) / sum p,  c_i = 0 where q_i was cut, else 1 */
static double ce(const pp_job_loss *spec, int64_t k, const float *z, const double *t, double *slope)
{
    double sum = 0, mass = 0, loss = 0;
    for (int64_t j = 0; j < k; j++)
        sum += (double)z[j];
    for (int64_t j = 0; j < k; j++) {
        int is_cut;
        double q = clip((double)z[j] / sum, spec->epsilon, &is_cut);
        if (t[j] != 0) loss -= t[j] * log(q);
        slope[j] = is_cut ? 0 : t[j] / q;
        mass += is_cut ? 0 : t[j];
    }
    for (int64_t j = 0; j < k; j++)
        slope[j] = (mass - slope[j]) / sum;
    return loss + 0 * sum;
}

/* ---- the table ---- */

static const struct {
    double (*unit)(const pp_job_loss *, double z, double t, double *slope);
    double (*row)(const pp_job_loss *, int64_t k, const float *z, const double *t, double *slope);
} table[] = {
    [PP_LOSS_BCE] = {.unit = bce},     [PP_LOSS_BCE_LOGITS] = {.unit = bce_logits},
    [PP_LOSS_CE] = {.row = ce},        [PP_LOSS_CE_LOGITS] = {.row = ce_logits},
    [PP_LOSS_MSE] = {.unit = mse},     [PP_LOSS_MAE] = {.unit = mae},
    [PP_LOSS_HUBER] = {.unit = huber}, [PP_LOSS_QUANTILE] = {.unit = quantile},
};

static int is_cross_entropy(const pp_job_loss *spec)
{
    return table[spec->type].row != NULL;
}

/* Loss of a row with targets t [outputs], and its slope [outputs]. */
static double loss_of_row(const pp_loss *loss, const float *z, const double *t, double *slope)
{
    const pp_job_loss *spec = &loss->spec;
    int64_t k = loss->outputs;
    if (is_cross_entropy(spec)) return table[spec->type].row(spec, k, z, t, slope);
    if (k == 1) return table[spec->type].unit(spec, (double)z[0], t[0], slope);
    double sum = 0, share = 1 / (double)k;
    for (int64_t j = 0; j < k; j++) {
        sum += table[spec->type].unit(spec, (double)z[j], t[j], &slope[j]);
        slope[j] *= share;
    }
    return sum * share;
}

/* ---- targets ---- */

static void expand_index(int64_t k, float label, double *t)
{
    int known = label >= 0 && label < (float)k && label == floorf(label);
    for (int64_t j = 0; j < k; j++)
        t[j] = known ? 0 : (double)NAN;
    if (known) t[(int64_t)label] = 1;
}

/* y [y_columns] of a row to one target a unit, t [outputs]. */
static void fill_targets(const pp_loss *loss, const float *y, double *t)
{
    int64_t k = loss->outputs;
    pp_targets targets = loss->spec.targets;
    if (targets == PP_TARGETS_INDEX || targets == PP_TARGETS_ONE_HOT)
        expand_index(k, y[0], t);
    else
        for (int64_t j = 0; j < k; j++)
            t[j] = (double)y[loss->y_columns == 1 ? 0 : j];
    double taken = loss->spec.label_smoothing;
    pp_loss_family family = pp_loss_family_of(loss->spec.type);
    if (family == PP_FAMILY_REAL || taken == 0) return;
    double given = taken / (family == PP_FAMILY_BINARY ? 2 : (double)k);
    for (int64_t j = 0; j < k; j++)
        t[j] = t[j] * (1 - taken) + given;
}

/* ---- planning ---- */

static pp_status check_index(const pp_loss *loss, const char *name, pp_error *err)
{
    if (loss->y_columns == 1) return PP_OK;
    return pp_fail(err, PP_E_JOB,
                   "loss.targets: '%s' takes y with one column of class indices, but y has %lld "
                   "columns; use 'dense'",
                   name, (long long)loss->y_columns);
}

static pp_status check_columns(const pp_loss *loss, pp_error *err)
{
    long long outputs = (long long)loss->outputs, columns = (long long)loss->y_columns;
    if (outputs == columns) return PP_OK;
    if (is_cross_entropy(&loss->spec))
        return pp_fail(
            err, PP_E_JOB,
            "loss.targets: cross-entropy over %lld outputs takes %lld columns of y, but y "
            "has %lld; use 'index' where y is a class index, or give the last layer as "
            "many units as y has columns",
            outputs, outputs, columns);
    if (columns == 1) return PP_OK;
    return pp_fail(
        err, PP_E_JOB,
        "loss.targets: y has %lld columns where the model has %lld outputs; give the last "
        "layer %lld units (one column would serve any number)",
        columns, outputs, columns);
}

static pp_status check(const pp_loss *loss, pp_error *err)
{
    switch (loss->spec.targets) {
    case PP_TARGETS_INDEX:
        if (is_cross_entropy(&loss->spec)) return check_index(loss, "index", err);
        return pp_fail(err, PP_E_JOB,
                       "loss.targets: 'index' is for cross-entropy over classes; use 'one_hot' or "
                       "'dense'");
    case PP_TARGETS_ONE_HOT:
        return check_index(loss, "one_hot", err);
    case PP_TARGETS_BROADCAST:
        if (!is_cross_entropy(&loss->spec)) return check_columns(loss, err);
        return pp_fail(err, PP_E_JOB,
                       "loss.targets: 'broadcast' is for losses of single units, not for "
                       "cross-entropy; use 'index'");
    case PP_TARGETS_AUTO:
    case PP_TARGETS_DENSE:
        break;
    }
    return check_columns(loss, err);
}

pp_status pp_loss_plan(const pp_job_loss *spec, int64_t outputs, int64_t y_columns, pp_loss *loss,
                       pp_error *err)
{
    PP_CHECK((size_t)spec->type < sizeof table / sizeof *table); /* auto is resolved by now */
    PP_CHECK(spec->targets != PP_TARGETS_AUTO);
    PP_CHECK(outputs > 0 && y_columns > 0);
    pp_loss planned = {.spec = *spec, .outputs = outputs, .y_columns = y_columns};
    pp_status status = check(&planned, err);
    if (status == PP_OK) *loss = planned;
    return status;
}

/* ---- rows ---- */

/* slope [outputs], sums [outputs], targets [rows, outputs] where every row meets all, else one row
 */
size_t pp_loss_scratch(const pp_loss *loss, int64_t rows)
{
    int64_t targets = loss->spec.targets == PP_TARGETS_BROADCAST && rows > 1 ? rows : 1;
    return (size_t)((2 + targets) * loss->outputs) * sizeof(double);
}

static void write_gradient(int64_t k, double weight, const double *slope, float *dz)
{
    for (int64_t j = 0; j < k; j++)
        dz[j] = (float)(weight * slope[j]);
}

static void row_by_row(const pp_loss *loss, int64_t rows, const float *z, const float *y,
                       const float *weight, double *row_loss, float *dz, double *slope)
{
    int64_t k = loss->outputs;
    double *t = slope + 2 * k;
    for (int64_t i = 0; i < rows; i++) {
        double w = (double)weight[i];
        fill_targets(loss, y + i * loss->y_columns, t);
        row_loss[i] = w * loss_of_row(loss, z + i * k, t, slope);
        if (dz != NULL) write_gradient(k, w, slope, dz + i * k);
    }
}

/* Adds up the losses of a row with each of the targets t [rows, outputs]; sums [outputs] of slopes.
 */
static double meet_all(const pp_loss *loss, int64_t rows, const float *z, const double *t,
                       double *slope, double *sums)
{
    int64_t k = loss->outputs;
    double sum = 0;
    memset(sums, 0, (size_t)k * sizeof *sums);
    for (int64_t i = 0; i < rows; i++) {
        sum += loss_of_row(loss, z, t + i * k, slope);
        for (int64_t j = 0; j < k; j++)
            sums[j] += slope[j];
    }
    return sum;
}

/* z [n, 1] - y [n] is [n, n] in NumPy and its heirs; this is what the mean over it trains. */
static void all_with_all(const pp_loss *loss, int64_t rows, const float *z, const float *y,
                         const float *weight, double *row_loss, float *dz, double *slope)
{
    int64_t k = loss->outputs;
    double *sums = slope + k, *t = sums + k;
    for (int64_t i = 0; i < rows; i++)
        fill_targets(loss, y + i * loss->y_columns, t + i * k);
    for (int64_t i = 0; i < rows; i++) {
        double w = (double)weight[i] / (double)rows;
        row_loss[i] = w * meet_all(loss, rows, z + i * k, t, slope, sums);
        if (dz != NULL) write_gradient(k, w, sums, dz + i * k);
    }
}

void pp_loss_rows(const pp_loss *loss, int64_t rows, const float *z, const float *y,
                  const float *weight, double *row_loss, float *dz, void *scratch)
{
    if (loss->spec.targets == PP_TARGETS_BROADCAST)
        all_with_all(loss, rows, z, y, weight, row_loss, dz, scratch);
    else
        row_by_row(loss, rows, z, y, weight, row_loss, dz, scratch);
}

/* ---- predictions ---- */

static void predict_sigmoid(int64_t n, const float *raw, float *p)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = (float)sigmoid_from((double)raw[i], exp(-fabs((double)raw[i])));
}

static void predict_softmax(int64_t k, const float *raw, float *p)
{
    double largest = (double)raw[0], sum = 0;
    for (int64_t j = 1; j < k; j++)
        if ((double)raw[j] > largest) largest = (double)raw[j];
    for (int64_t j = 0; j < k; j++) {
        double e = exp((double)raw[j] - largest);
        p[j] = (float)e;
        sum += e;
    }
    for (int64_t j = 0; j < k; j++)
        p[j] = (float)((double)p[j] / sum);
}

/* NaN stays. */
static void predict_clamp(int64_t n, const pp_job_model *model, const float *raw, float *p)
{
    float low = (float)model->clamp_low, high = (float)model->clamp_high;
    for (int64_t i = 0; i < n; i++)
        p[i] = raw[i] < low ? low : raw[i] > high ? high : raw[i];
}

/* What turns outputs into predictions, the loss's link included. */
static pp_at_prediction link_of(const pp_loss *loss, const pp_job_model *model)
{
    if (model->at_prediction != PP_PREDICT_NONE) return model->at_prediction;
    return pp_loss_link(loss->spec.type);
}

void pp_loss_predict(const pp_loss *loss, const pp_job_model *model, int64_t rows, const float *raw,
                     float *p)
{
    int64_t k = loss->outputs;
    switch (link_of(loss, model)) {
    case PP_PREDICT_SIGMOID:
        predict_sigmoid(rows * k, raw, p);
        break;
    case PP_PREDICT_SOFTMAX:
        for (int64_t i = 0; i < rows; i++)
            predict_softmax(k, raw + i * k, p + i * k);
        break;
    case PP_PREDICT_CLAMP:
        predict_clamp(rows * k, model, raw, p);
        break;
    case PP_PREDICT_NONE:
        if (raw != p && rows > 0) memcpy(p, raw, (size_t)(rows * k) * sizeof *p);
        break;
    }
}
