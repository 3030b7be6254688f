/* Faults of the rows themselves: the same job on a copy of the rows without them. */
#include "cause_internal.h"

#include <math.h>

#include "mend.h"

enum { FAR = 50 }; /* interquartile ranges from the median: rows beyond are left out */

static int has_finding(const pp_case *c, const char *id)
{
    return c->data != NULL && pp_inspection_find(c->data, id) != NULL;
}

/* ---- the copy, and the job on it ---- */

static pp_mend *new_mend(const pp_case *c, const char *cause)
{
    pp_mend *m = PP_ARENA_NEW(c->arena, pp_mend, 1);
    if (m == NULL) return NULL;
    *m = (pp_mend){.target_low = -INFINITY, .target_high = INFINITY};
    m->files = pp_arena_printf(c->arena, "%s/%s", c->copies, cause);
    return m->files != NULL ? m : NULL;
}

static const char *quoted(const pp_case *c, const char *text, const char *end)
{
    return pp_arena_printf(c->arena, "\"%s%s\"", text, end);
}

/* Names and columns are those of the copy; what is asked of the rows stays. */
int pp__on_copy(const pp_case *c, pp_probe *probe, const char *label, const pp_mend *mend)
{
    static const char *const tasks[] = {[PP_TASK_AUTO] = "auto",
                                        [PP_TASK_BINARY] = "binary",
                                        [PP_TASK_MULTICLASS] = "multiclass",
                                        [PP_TASK_REGRESSION] = "regression"};
    const pp_job_data *d = &c->job->data;
    if (mend == NULL || !pp__probe(c, probe, "%s", label)) return 0;
    pp__change(probe, "data.files", quoted(c, mend->files, ".h5"));
    pp__change(probe, "data.x", "\"x\"");
    pp__change(probe, "data.y", "\"y\"");
    pp__change(probe, "data.task", tasks[pp__task(c)]);
    if (d->n_columns > 0) pp__change(probe, "data.columns", "[]");
    if (*d->target_column != '\0') pp__change(probe, "data.target_column", "\"\"");
    if (*d->row_weights != '\0') pp__change(probe, "data.row_weights", "\"weights\"");
    if (*d->groups != '\0') pp__change(probe, "data.groups", "\"groups\"");
    if (d->n_validation_files > 0)
        pp__change(probe, "data.validation.files", quoted(c, mend->files, "-held-out.h5"));
    probe->mend = mend;
    return 1;
}

/* A copy can be made, and there is room for its probe. */
static int may_copy(const pp_case *c, int room)
{
    return room > 0 && c->copies != NULL && c->data != NULL && pp__mend_fits(c->data);
}

/* ---- codes for missing values ---- */

CAUSE_SIGN(pp__sign_codes)
{
    return has_finding(c, "missing-code") || has_finding(c, "missing-target-code") ? 0.9 : 0;
}

/* Just beside it, so that it is beyond and all others are within. */
static void bound_code(double code, double median, double *low, double *high)
{
    double beside = fabs(code) * 1e-6;
    if (code < median) *low = code + beside;
    if (code > median) *high = code - beside;
}

/* Rows whose target is the code go in any case. */
static pp_mend *without_codes(const pp_case *c, const char *name)
{
    const pp_inspection_targets *y = &c->data->targets;
    pp_mend *m = new_mend(c, name);
    if (m != NULL && has_finding(c, "missing-target-code"))
        bound_code(y->code, y->median, &m->target_low, &m->target_high);
    return m;
}

static int exchange_codes(const pp_case *c, pp_probe *probe)
{
    const pp_inspection *d = c->data;
    pp_mend *m = without_codes(c, "missing-codes");
    float *code = PP_ARENA_NEW(c->arena, float, d->inputs);
    float *instead = PP_ARENA_NEW(c->arena, float, d->inputs);
    if (m == NULL || code == NULL || instead == NULL) return 0;
    for (int64_t j = 0; j < d->inputs; j++) {
        code[j] = (float)d->features[j].code;
        instead[j] = (float)d->features[j].median;
    }
    m->code = code;
    m->instead = instead;
    return pp__on_copy(c, probe, "medians in place of the codes", m);
}

static int leave_codes_out(const pp_case *c, pp_probe *probe)
{
    const pp_inspection *d = c->data;
    pp_mend *m = without_codes(c, "missing-codes-rows");
    double *low = PP_ARENA_NEW(c->arena, double, d->inputs);
    double *high = PP_ARENA_NEW(c->arena, double, d->inputs);
    if (m == NULL || low == NULL || high == NULL) return 0;
    for (int64_t j = 0; j < d->inputs; j++) {
        low[j] = -INFINITY;
        high[j] = INFINITY;
        bound_code(d->features[j].code, d->features[j].median, &low[j], &high[j]);
    }
    m->low = low;
    m->high = high;
    return pp__on_copy(c, probe, "rows with a code left out", m);
}

CAUSE_PROBES(pp__probe_codes)
{
    int n = 0;
    if (pp__sign_codes(c) == 0 || !may_copy(c, room)) return 0;
    if (has_finding(c, "missing-code")) n += exchange_codes(c, probes);
    if (n < room) n += leave_codes_out(c, &probes[n]);
    return n;
}

/* ---- values far from all others ---- */

CAUSE_SIGN(pp__sign_outliers)
{
    return has_finding(c, "target-outlier") || has_finding(c, "feature-outlier") ? 0.7 : 0;
}

static int bound_features(const pp_case *c, pp_mend *m)
{
    const pp_inspection *d = c->data;
    double *low = PP_ARENA_NEW(c->arena, double, d->inputs);
    double *high = PP_ARENA_NEW(c->arena, double, d->inputs);
    if (low == NULL || high == NULL) return 0;
    for (int64_t j = 0; j < d->inputs; j++) {
        const pp_inspection_feature *f = &d->features[j];
        double range = f->q75 > f->q25 ? FAR * (f->q75 - f->q25) : INFINITY;
        low[j] = f->median - range;
        high[j] = f->median + range;
    }
    m->low = low;
    m->high = high;
    return 1;
}

CAUSE_PROBES(pp__probe_outliers)
{
    if (pp__sign_outliers(c) == 0 || !may_copy(c, room)) return 0;
    const pp_inspection_targets *y = &c->data->targets;
    pp_mend *m = new_mend(c, "outliers");
    if (m == NULL || !bound_features(c, m)) return 0;
    if (has_finding(c, "target-outlier")) {
        m->target_low = y->median - FAR * (y->q75 - y->q25);
        m->target_high = y->median + FAR * (y->q75 - y->q25);
    }
    return pp__on_copy(c, probes, "rows with a value far from all others left out", m);
}

/* ---- what makes a score too good ---- */

static int is_leak(const pp_inspection *d, int64_t feature)
{
    const pp_inspection_feature *f = &d->features[feature];
    return f->is_target ||
           (f->equal_targets == d->rows - d->targets.non_finite && f->equal_targets > 0);
}

CAUSE_SIGN(pp__sign_leak)
{
    if (!has_finding(c, "leak-equal") && !has_finding(c, "leak-near")) return 0;
    for (int64_t j = 0; c->data->inputs > 1 && j < c->data->inputs; j++)
        if (is_leak(c->data, j)) return 0.9;
    return 0;
}

CAUSE_PROBES(pp__probe_leak)
{
    if (pp__sign_leak(c) == 0 || !may_copy(c, room)) return 0;
    const pp_inspection *d = c->data;
    pp_mend *m = new_mend(c, "leaking-feature");
    char *left_out = PP_ARENA_NEW(c->arena, char, d->inputs);
    int64_t left = d->inputs;
    if (m == NULL || left_out == NULL) return 0;
    for (int64_t j = 0; j < d->inputs; j++) {
        left_out[j] = (char)is_leak(d, j);
        left -= left_out[j];
    }
    m->left_out = left_out;
    return left > 0 && pp__on_copy(c, probes, "the feature that is the target left out", m);
}

/* Held-out rows with a copy among the training rows: of files as counted, else by the copies that
 * there are. Equal rows of a few values each are no copies. */
static double share_of_copies(const pp_case *c)
{
    const pp_inspection *d = c->data;
    double held_out = (double)d->held_out_rows, rows = (double)d->rows;
    if (!pp_inspection_tells_copies(d)) return 0;
    if (d->held_out_rows > 0) return (double)d->repeats.held_out / held_out;
    return pp_job_held_out_share(c->job) > 0 ? (double)d->repeats.duplicates / rows : 0;
}

CAUSE_SIGN(pp__sign_copies)
{
    return c->data != NULL && share_of_copies(c) > 0.05 ? 0.9 : 0;
}

CAUSE_PROBES(pp__probe_copies)
{
    if (pp__sign_copies(c) == 0 || !may_copy(c, room)) return 0;
    pp_mend *m = new_mend(c, "copied-rows");
    if (m == NULL) return 0;
    m->unique = 1;
    return pp__on_copy(c, probes, "rows that repeat others left out", m);
}

/* ---- targets that have slipped from a row on ---- */

int pp__realign(const pp_case *c, pp_probe *probe, const pp_inspection_slip *slip)
{
    pp_mend *m = may_copy(c, 1) ? new_mend(c, "misaligned-rows") : NULL;
    const char *label = pp_arena_printf(c->arena, "targets from row %lld on shifted by %lld",
                                        (long long)slip->row, (long long)slip->lag);
    if (m == NULL || label == NULL) return 0;
    m->slip = slip->lag;
    m->slip_row = slip->row;
    return pp__on_copy(c, probe, label, m);
}
