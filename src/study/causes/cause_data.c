/* The rows: classes, scales, order, targets. */
#include "cause_internal.h"

#include <math.h>

/* ---- classes ---- */

/* Rows of the smallest class over those that it would have among equals; 1: no classes. */
static double rarity(const pp_case *c)
{
    const pp_inspection *d = c->data;
    if (d == NULL || d->class_rows == NULL || d->classes < 2) return 1;
    double least = INFINITY;
    for (int64_t k = 0; k < d->classes; k++)
        least = fmin(least, (double)d->class_rows[k]);
    return fmin(1, least * (double)d->classes / (double)d->rows);
}

CAUSE_SIGN(pp__sign_imbalance)
{
    if (c->job->data.balance != PP_BALANCE_NONE) return 0;
    double sign = 0.6 * pp__ramp(rarity(c), 0.5, 0.04);
    return pp__has_verdict(c, PP__VERDICT(ONE_CLASS)) ? fmin(1, sign * 1.4) : sign;
}

CAUSE_PROBES(pp__probe_imbalance)
{
    static const char *const ways[][2] = {{"class_weights", "class weights"},
                                          {"oversample", "rare classes oversampled"},
                                          {"undersample", "frequent classes undersampled"}};
    int n = 0;
    if (c->job->data.balance != PP_BALANCE_NONE || rarity(c) > 0.6) return 0;
    for (int i = 0; i < 3 && n < room; i++)
        n += pp__single(c, &probes[n], ways[i][1], "data.balance", ways[i][0]);
    return n;
}

/* Weights that rise with the rows of a class make the imbalance worse. */
CAUSE_SIGN(pp__sign_weights)
{
    const pp_job_data *d = &c->job->data;
    const pp_inspection *rows = c->data;
    double wrong = 0, pairs = 0;
    if (d->balance != PP_BALANCE_GIVEN) return 0;
    if (rows == NULL || rows->class_rows == NULL) return 0.3;
    for (int a = 0; a < d->n_class_weights && a < rows->classes; a++)
        for (int b = 0; b < a; b++) {
            double by_weight = d->class_weights[a] - d->class_weights[b];
            double by_rows = (double)(rows->class_rows[a] - rows->class_rows[b]);
            wrong += by_weight * by_rows > 0;
            pairs += by_weight != 0;
        }
    double least = INFINITY, most = 0;
    for (int a = 0; a < d->n_class_weights; a++) {
        least = fmin(least, d->class_weights[a]);
        most = fmax(most, d->class_weights[a]);
    }
    double uneven = pp__ramp(least > 0 ? most / least : 1e9, 2, 20);
    return pairs > 0 ? uneven * (0.4 + 0.5 * wrong / pairs) : 0;
}

CAUSE_PROBES(pp__probe_weights)
{
    static const char *const ways[][2] = {{"none", "no class weights"},
                                          {"class_weights", "class weights from the rows"}};
    int n = 0;
    if (c->job->data.balance != PP_BALANCE_GIVEN) return 0;
    for (int i = 0; i < 2 && n < room; i++) {
        if (!pp__probe(c, &probes[n], "%s", ways[i][1])) return n;
        pp__change(&probes[n], "data.class_weights", "null");
        pp__change(&probes[n++], "data.balance", ways[i][0]);
    }
    return n;
}

/* ---- features ---- */

/* Size of each feature: root mean square. Median and largest; 1 and 1 where nothing is known. */
static void sizes(const pp_case *c, double *median, double *most)
{
    enum { SAMPLE = 256 };
    double size[SAMPLE];
    int n = 0;
    *median = *most = 1;
    if (c->data == NULL || c->data->inputs == 0) return;
    int64_t every = 1 + (c->data->inputs - 1) / SAMPLE;
    *most = 0;
    for (int64_t i = 0; i < c->data->inputs; i++) {
        const pp_inspection_feature *f = &c->data->features[i];
        double value = hypot(f->mean, f->deviation);
        if (!isfinite(value)) continue;
        *most = fmax(*most, value);
        if (i % every != 0 || n == SAMPLE) continue;
        int at = n++;
        for (; at > 0 && size[at - 1] > value; at--)
            size[at] = size[at - 1];
        size[at] = value;
    }
    if (n > 0) *median = size[n / 2];
}

CAUSE_SIGN(pp__sign_unscaled)
{
    double median, most;
    if (c->job->data.standardise) return 0;
    sizes(c, &median, &most);
    return fmax(pp__ramp(median, 5, 500), 0.7 * pp__ramp(median, 0.1, 0.001));
}

CAUSE_SIGN(pp__sign_dominant)
{
    double median, most;
    if (c->job->data.standardise) return 0;
    sizes(c, &median, &most);
    return pp__ramp(most / fmax(median, 1e-30), 10, 1000);
}

CAUSE_PROBES(pp__probe_standardise)
{
    if (room < 1 || c->job->data.standardise) return 0;
    return pp__single(c, probes, "features standardised", "data.standardise", "true");
}

/* A net answers about 0, give or take 1, before it is trained; an output that is bounded has its
 * own cause. */
CAUSE_SIGN(pp__sign_target_scale)
{
    const pp_job *job = c->job;
    if (pp__task(c) != PP_TASK_REGRESSION || c->data == NULL || job->data.standardise_targets)
        return 0;
    const pp_inspection_targets *t = &c->data->targets;
    double size = hypot(t->mean, t->deviation);
    return fmax(pp__ramp(size, 10, 1000), 0.7 * pp__ramp(t->deviation, 0.03, 0.0003));
}

CAUSE_PROBES(pp__probe_target_scale)
{
    pp_activation a = pp__output_activation(c);
    if (room < 1 || pp__sign_target_scale(c) == 0) return 0;
    if (a != PP_ACT_IDENTITY && a != PP_ACT_LEAKY_RELU) return 0;
    if (c->job->model.at_prediction != PP_PREDICT_NONE) return 0;
    return pp__single(c, probes, "targets standardised", "data.standardise_targets", "true");
}

CAUSE_SIGN(pp__sign_constant_features)
{
    int64_t constant = 0;
    if (c->data == NULL || c->data->inputs == 0) return 0;
    for (int64_t i = 0; i < c->data->inputs; i++)
        constant += c->data->features[i].min == c->data->features[i].max;
    return constant == c->data->inputs ? 1 : 0.8 * (double)constant / (double)c->data->inputs;
}

/* ---- order ---- */

CAUSE_SIGN(pp__sign_unmixed)
{
    if (c->job->data.shuffle) return 0;
    return c->data != NULL && c->data->targets.disorder < 0.5 ? 0.9 : 0.2;
}

CAUSE_PROBES(pp__probe_unmixed)
{
    if (room < 1 || c->job->data.shuffle) return 0;
    return pp__single(c, probes, "rows mixed", "data.shuffle", "true");
}

CAUSE_SIGN(pp__sign_misaligned)
{
    if (c->data != NULL && c->data->slip.lag != 0) return 0.9;
    return pp__has_verdict(c, PP__VERDICT(UNINFORMATIVE) | PP__VERDICT(MEMORISED) |
                                  PP__VERDICT(AT_BASE_RATE) | PP__VERDICT(AT_TARGET_MEAN))
               ? 0.05
               : 0.02;
}

static int shift_targets(const pp_case *c, pp_probe *probe, int64_t by)
{
    if (!pp__probe(c, probe, "targets shifted by %lld", (long long)by)) return 0;
    pp__change(probe, "data.shift_targets", pp__text(c, (double)(c->job->data.shift_targets + by)));
    return 1;
}

/* By what the survey has found; else by a few rows, where there are enough different ones to tell
 * them from another task of the same rows. In a series the target of a neighbour is a feature, or
 * nearly: that repairs anything. */
CAUSE_PROBES(pp__probe_misaligned)
{
    enum { FEW = 100 };
    static const int shifts[] = {1, -1, 2, -2, 3, -3};
    const pp_inspection *d = c->data;
    int n = 0;
    if (d != NULL && (d->series.stride > 0 || d->series.target)) return 0;
    if (d != NULL && d->slip.row > 0) return room > 0 && pp__realign(c, probes, &d->slip);
    if (d != NULL && d->slip.lag != 0) return room > 0 && shift_targets(c, probes, d->slip.lag);
    if (d != NULL && d->sample_rows > 0 && d->distinct_rows < FEW) return 0;
    for (int i = 0; i < 6 && n < room; i++)
        n += shift_targets(c, &probes[n], shifts[i]);
    return n;
}

CAUSE_SIGN(pp__sign_validation)
{
    if (c->job->data.n_validation_files == 0) return 0;
    if (c->data != NULL && pp_inspection_find(c->data, "held-out-shift") != NULL) return 0.8;
    return pp__has_verdict(c, PP__VERDICT(MEMORISED) | PP__VERDICT(UNINFORMATIVE) |
                                  PP__VERDICT(DIVERGED) | PP__VERDICT(WORSE_THAN_CONSTANT))
               ? 0.4
               : 0.1;
}

CAUSE_PROBES(pp__probe_validation)
{
    if (room < 1 || c->job->data.n_validation_files == 0) return 0;
    return pp__single(c, probes, "held-out rows from the training files", "data.validation",
                      "{\"fraction\": 0.2}");
}

/* ---- what no change of the job repairs ---- */

CAUSE_SIGN(pp__sign_constant_targets)
{
    if (c->data == NULL) return 0;
    const pp_inspection_targets *t = &c->data->targets;
    if (t->min == t->max) return 1;
    double share = (double)t->spike_rows / pp__rows(c);
    return pp__task(c) == PP_TASK_REGRESSION ? pp__ramp(share, 0.3, 1) : 0;
}

CAUSE_SIGN(pp__sign_non_finite)
{
    if (c->data == NULL) return 0;
    if (c->data->targets.non_finite > 0) return 1;
    for (int64_t i = 0; i < c->data->inputs; i++)
        if (c->data->features[i].non_finite > 0) return 1;
    return 0;
}
