/* What an experiment costs, and what came out of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "why_internal.h"

/* A step does other things than multiply: about 20 microseconds' worth of them. */
static const double work_of_a_step = 2e5;

/* Weights of layers [n] behind *width features, which becomes the width behind them. */
static double weights_of(const pp_layer_spec *layers, int n, int64_t outputs, int64_t *width)
{
    double weights = 0;
    for (int i = 0; i < n; i++) {
        const pp_layer_spec *layer = &layers[i];
        if (layer->type == PP_LAYER_RESIDUAL)
            weights += weights_of(layer->layers, layer->n_layers, outputs, width);
        if (layer->type != PP_LAYER_DENSE) continue;
        int64_t units = layer->units == PP_AUTO ? outputs : layer->units;
        weights += (double)*width * (double)units;
        *width = units;
    }
    return weights;
}

int64_t pp__steps_of(const pp_job *job, int64_t rows)
{
    const pp_job_training *t = &job->training;
    int64_t by_epochs = t->epochs * ((rows + t->batch - 1) / t->batch);
    if (t->epochs == 0) return t->steps;
    return t->steps == 0 || by_epochs < t->steps ? by_epochs : t->steps;
}

double pp__work_of(const pp_job *job, int64_t rows, int64_t inputs, int64_t outputs)
{
    int64_t width = inputs, batch = job->training.batch;
    double weights = weights_of(job->model.layers, job->model.n_layers, outputs, &width);
    double batch_rows = (double)(batch < rows ? batch : rows);
    /* forward, and backward for weights and for inputs */
    return (double)pp__steps_of(job, rows) * (3 * batch_rows * weights + work_of_a_step);
}

static double number(const pp_json *object, const char *key)
{
    const pp_json *value = object != NULL ? pp_json_get(object, key) : NULL;
    return value != NULL && pp_json_type_of(value) == PP_JSON_NUMBER ? pp_json_number(value) : NAN;
}

/* Of a classification: how far above chance the answers of all classes together are. */
static void balanced_score(const pp_json *rows, double *score, double *error)
{
    double classes = number(rows, "classes_present"), n = number(rows, "rows");
    double accuracy = number(rows, "balanced_accuracy");
    *score = (accuracy - 1 / classes) / (1 - 1 / classes);
    *error = 0.5 * sqrt(classes / n) / (1 - 1 / classes); /* at most, for classes of equal size */
    if (!isfinite(*score) || !isfinite(*error)) *score = *error = 0;
}

static void bound_effect(pp_experiment *e, const pp_json *rows)
{
    double n = number(rows, "rows"), auc = number(rows, "auc"), error = number(rows, "auc_error");
    double effect = isfinite(auc) ? auc - 0.5 : number(rows, "correlation");
    if (!isfinite(effect)) effect = 0;
    if (!isfinite(auc) || !isfinite(error)) error = 1 / sqrt(fmax(n, 1));
    e->effect_least = effect - 3 * error;
    e->effect_most = effect + 3 * error;
}

/* Predictions on far too small a scale: an untrained model ranks inputs too, by its random
 * features, and which side of the threshold they fall is luck. */
static int is_compressed(const pp_json *rows)
{
    double slope = number(rows, "slope"), spread = number(rows, "spread");
    return isfinite(slope) ? slope > 5 : spread < 0.2;
}

static void score(pp_experiment *e, const pp_json *rows)
{
    double skill = number(rows, "skill"), error = number(rows, "skill_error");
    double balanced = 0, balanced_error = 0;
    e->skill = skill;
    bound_effect(e, rows);
    e->score = isfinite(skill) ? skill : 0;
    e->score_error = isfinite(error) ? error : 0;
    if (!e->collapsed && !is_compressed(rows)) balanced_score(rows, &balanced, &balanced_error);
    if (balanced > e->score) {
        e->score = balanced;
        e->score_error = balanced_error;
    }
    if (e->score < 0) e->score = 0;
    if (!e->held_out) e->score_error = 0; /* the same rows for all: nothing is drawn */
}

pp_status pp__measure(pp_experiment *e, const pp_outcome *o, pp_arena *arena, pp_error *err)
{
    e->failed = o->state != PP_TRIAL_DONE;
    if (e->failed) {
        e->error = pp_arena_strdup(arena, o->error != NULL ? o->error : "did not end");
        return e->error != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    }
    const pp_json *verdict = pp_json_get(o->verdict, "verdict");
    const pp_json *collapse = pp_json_get(o->verdict, "collapse");
    const pp_json *evidence = pp_json_get(o->verdict, "evidence");
    const pp_json *train = evidence != NULL ? pp_json_get(evidence, "train") : NULL;
    const pp_json *rows = evidence != NULL ? pp_json_get(evidence, "held_out") : NULL;
    e->held_out = rows != NULL;
    if (rows == NULL) rows = train;
    if (verdict == NULL || collapse == NULL || rows == NULL)
        return pp_fail(err, PP_E_IO, "%s: its verdict.json is of another version", e->id);
    e->verdict = pp_arena_strdup(arena, pp_json_string(verdict));
    if (e->verdict == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    e->collapsed = pp_json_bool(collapse) || strcmp(e->verdict, "not-yet-learned") == 0;
    e->memorised = strcmp(e->verdict, "memorised") == 0;
    score(e, rows);
    e->train_skill = number(train, "skill");
    return PP_OK;
}
