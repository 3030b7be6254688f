/* The first look at the rows: range and kind of the targets, from which the task follows. */
#include <math.h>
#include <stdlib.h>

#include "audit_internal.h"

static void look_at_targets(pp__survey *v, const double *y, int64_t columns)
{
    int64_t ones = 0, zeros = 0;
    for (int64_t k = 0; k < columns; k++) {
        if (y[k] < v->y_min) v->y_min = y[k];
        if (y[k] > v->y_max) v->y_max = y[k];
        v->y_whole &= y[k] == floor(y[k]);
        ones += y[k] == 1;
        zeros += y[k] == 0;
    }
    v->y_binary &= ones + zeros == columns;
    v->y_one_hot &= ones == 1 && zeros == columns - 1;
}

static pp_status check_targets(const pp__places *s, int64_t first, int64_t row, pp_error *err)
{
    const double *y = pp__places_row(s, PP__Y, row);
    for (int64_t k = 0; k < s->views[PP__Y].columns; k++) {
        if (isfinite((float)y[k])) continue;
        char place[512];
        pp__places_locate(s, PP__Y, first + row, place, sizeof place);
        return pp_fail(err, PP_E_DATA,
                       "%s: the target is %s; leave out rows whose target is not known", place,
                       isnan(y[k])      ? "NaN or missing"
                       : isfinite(y[k]) ? "beyond float32"
                                        : "infinite");
    }
    return PP_OK;
}

/* Predictions of several columns say nothing here, and may be most of the file. */
static pp_status look_at_block(pp__places *s, int64_t first, int64_t count, pp__survey *v,
                               pp_error *err)
{
    int with_p = s->views[PP__P].columns == 1;
    pp_status status =
        pp__places_read(s, first, count, 1u << PP__Y | (unsigned)with_p << PP__P, err);
    for (int64_t i = 0; i < count && status == PP_OK; i++) {
        status = check_targets(s, first, i, err);
        look_at_targets(v, pp__places_row(s, PP__Y, i), s->views[PP__Y].columns);
        double p = with_p ? *pp__places_row(s, PP__P, i) : NAN;
        if (!isfinite(p)) continue;
        v->p_finite = 1;
        v->p_inside &= p >= 0 && p <= 1;
    }
    return status;
}

static void merge(pp__survey *into, const pp__survey *from)
{
    into->y_min = fmin(into->y_min, from->y_min);
    into->y_max = fmax(into->y_max, from->y_max);
    into->y_whole &= from->y_whole;
    into->y_binary &= from->y_binary;
    into->y_one_hot &= from->y_one_hot;
    into->p_inside &= from->p_inside;
    into->p_finite |= from->p_finite;
}

pp_status pp__survey_rows(pp_comm *comm, pp__places *places, pp__survey *survey, pp_error *err)
{
    int ranks = pp_comm_size(comm);
    pp__survey mine = {INFINITY, -INFINITY, 1, 1, places->views[PP__Y].columns > 1, 1, 0};
    pp__survey *all = calloc((size_t)ranks, sizeof *all);
    pp_status status = all == NULL ? pp_fail(err, PP_E_MEMORY, "out of memory") : PP_OK;
    for (int64_t i = 0, here; i < places->count && status == PP_OK; i += here) {
        here = places->count - i < places->block ? places->count - i : places->block;
        status = look_at_block(places, places->first + i, here, &mine, err);
    }
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) {
        pp_comm_all_gather(comm, &mine, sizeof mine, all);
        *survey = mine;
        for (int r = 0; r < ranks; r++)
            merge(survey, all + r);
    }
    free(all);
    return status;
}

/* ---- the task ---- */

static pp_status infer(const pp_audit_spec *spec, const pp__places *s, const pp__survey *v,
                       pp_task *task, pp_error *err)
{
    int64_t columns = s->views[PP__P].columns;
    int one_target = s->views[PP__Y].columns == 1;
    char place[512];
    pp__places_name(s, PP__Y, place, sizeof place);
    if (columns == 1 && (v->y_binary || spec->logits)) {
        *task = PP_TASK_BINARY;
    } else if (columns == 1 && v->y_whole && v->p_inside && v->p_finite) {
        return pp_fail(err, PP_E_DATA,
                       "%s: holds whole numbers from %g to %g beside predictions within [0, 1]: "
                       "say --task regression, or --task binary to see which labels are wrong",
                       place, v->y_min, v->y_max);
    } else if (columns > 1 && (one_target || v->y_one_hot || spec->logits)) {
        *task = columns == 2 ? PP_TASK_BINARY : PP_TASK_MULTICLASS;
    } else {
        *task = PP_TASK_REGRESSION;
    }
    return PP_OK;
}

static pp_status check_columns(const pp__places *s, pp_task task, pp_error *err)
{
    long long columns = s->views[PP__P].columns, y_columns = s->views[PP__Y].columns;
    char place[512];
    pp__places_name(s, PP__P, place, sizeof place);
    if (task == PP_TASK_REGRESSION && y_columns != columns)
        return pp_fail(err, PP_E_DATA,
                       "%s: has %lld columns, and the targets of a regression have %lld; each "
                       "column of predictions wants its own",
                       place, columns, y_columns);
    if (task == PP_TASK_BINARY && columns > 2)
        return pp_fail(err, PP_E_DATA,
                       "%s: has %lld columns; a binary task has one or two, so say --task "
                       "multiclass",
                       place, columns);
    if (task == PP_TASK_MULTICLASS && columns == 1)
        return pp_fail(err, PP_E_DATA,
                       "%s: has one column; a multi-class task wants the probability of each "
                       "class, a column a class",
                       place);
    return PP_OK;
}

static pp_status check_options(const pp_audit_spec *spec, const pp__places *s, pp_task task,
                               pp_error *err)
{
    long long columns = s->views[PP__P].columns, classes = columns == 1 ? 2 : columns;
    if (task == PP_TASK_REGRESSION && (spec->logits || spec->classes != PP_AUTO))
        return pp_fail(err, PP_E_ARG, "%s: is for classification, and this is a regression",
                       spec->logits ? "--logits" : "--classes");
    if (task == PP_TASK_REGRESSION || spec->classes == PP_AUTO || spec->classes == classes)
        return PP_OK;
    return pp_fail(err, PP_E_ARG,
                   "--classes %lld: the predictions have %lld column%s, for %lld "
                   "classes",
                   (long long)spec->classes, columns, columns == 1 ? "" : "s", classes);
}

pp_status pp__settle_task(const pp_audit_spec *spec, const pp__places *places,
                          const pp__survey *survey, pp_sketch_shape *shape, pp_error *err)
{
    pp_task task = spec->task;
    pp_status status = PP_OK;
    if (task == PP_TASK_AUTO) status = infer(spec, places, survey, &task, err);
    if (status == PP_OK) status = check_columns(places, task, err);
    if (status == PP_OK) status = check_options(spec, places, task, err);
    if (status != PP_OK) return status;
    int columns = (int)places->views[PP__P].columns;
    if (task == PP_TASK_BINARY)
        *shape = (pp_sketch_shape){PP_SKETCH_BINARY, 2, 1, 0, 1, 0};
    else if (task == PP_TASK_MULTICLASS)
        *shape = (pp_sketch_shape){PP_SKETCH_MULTICLASS, columns, columns, 0, 1, 0};
    else
        *shape =
            (pp_sketch_shape){PP_SKETCH_REGRESSION, 0, columns, survey->y_min, survey->y_max, 0};
    return PP_OK;
}
