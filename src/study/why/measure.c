/* What an experiment costs, and what came out of it. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "why_internal.h"

#include "pitprop/verdict.h"
#include "run/run_files.h"
#include "run/verdict_file.h"

/* A step does other things than multiply: about 20 microseconds' worth of them. */
static const double work_of_a_step = 2e5;

typedef struct tally {
    int64_t outputs; /* of a layer that leaves them to the data */
    double work;
} tally;

static pp_status add_work(void *context, const pp_layer_place *place)
{
    tally *t = context;
    pp_shape out = place->out;
    if (pp_shape_count(out) == PP_AUTO) out = pp_shape_of(t->outputs);
    t->work += pp_layer_kind_of(place->spec->type)->work(place->spec, place->in, out);
    return PP_OK;
}

int64_t pp__steps_of(const pp_job *job, int64_t rows)
{
    return pp_job_steps(job, (rows + job->training.batch - 1) / job->training.batch);
}

double pp__work_of(const pp_job *job, int64_t rows, pp_shape x, int64_t outputs)
{
    const pp_job_model *m = &job->model;
    int64_t batch = job->training.batch;
    pp_shape given = pp_job_x_shape(job);
    tally t = {.outputs = outputs};
    pp_layers_walk(m->layers, m->n_layers, given.n_dims > 0 ? given : x, add_work, &t, NULL);
    double batch_rows = (double)(batch < rows ? batch : rows);
    /* forward, and backward for weights and for inputs */
    return (double)pp__steps_of(job, rows) * (3 * batch_rows * t.work + work_of_a_step);
}

double pp__serial_work_of(const pp_job *job, int64_t rows)
{
    return (double)pp__steps_of(job, rows) * work_of_a_step;
}

static void bound_effect(pp_experiment *e, const pp_summary *rows)
{
    double n = (double)rows->rows, auc = rows->auc, error = rows->auc_error;
    double effect = isfinite(auc) ? auc - 0.5 : rows->correlation;
    if (!isfinite(effect)) effect = 0;
    if (!isfinite(auc) || !isfinite(error)) error = 1 / sqrt(fmax(n, 1));
    e->effect_least = effect - 3 * error;
    e->effect_most = effect + 3 * error;
}

/* Predictions on far too small a scale: an untrained model ranks inputs too, by its random
 * features. */
static int is_compressed(const pp_summary *rows)
{
    return rows->slope > 5;
}

/* Where rows were not kept one by one. */
static void score_of_summary(pp_experiment *e, const pp_summary *rows, int counts_ranking)
{
    double auc = rows->auc, skill = rows->skill;
    double ranking = isfinite(auc) ? 2 * auc - 1 : rows->correlation;
    double error = rows->auc_error, skill_error = rows->skill_error;
    e->skill = skill;
    e->score = (fmax(skill, 0) + (counts_ranking ? fmax(ranking, 0) : 0)) / 2;
    e->score_error =
        hypot(isfinite(skill_error) ? skill_error / 2 : 0, isfinite(error) ? error : 0);
    if (!isfinite(e->score)) e->score = 0;
}

static int is_doubt_of_skill(pp_verdict_id id)
{
    return id == PP_VERDICT_NOT_YET_LEARNED || id == PP_VERDICT_WORSE_THAN_CONSTANT;
}

static void score(pp_experiment *e, const pp_summary *rows, const char *directory,
                  const pp__yardstick *yardstick, pp_arena *arena)
{
    char path[PATH_MAX];
    int counts_ranking = !e->collapsed && !is_compressed(rows);
    bound_effect(e, rows);
    e->rows = NULL;
    if (pp_run_path(directory, PP_RUN_SAMPLE, path, NULL) == PP_OK)
        e->rows = pp__worth_read(yardstick, path, counts_ranking, arena);
    if (e->rows == NULL) {
        score_of_summary(e, rows, counts_ranking);
    } else {
        e->skill = e->rows->skill;
        e->score = e->rows->score;
        e->score_error = e->rows->error;
    }
    /* What these two judge is another loss than the job's. */
    if (e->rows != NULL && e->rows->is_skilled && is_doubt_of_skill(e->verdict_id))
        e->collapsed = 0;
    if (!e->held_out) e->score_error = 0; /* the same rows for all: nothing is drawn */
}

pp_status pp__measure(pp_experiment *e, const pp_outcome *o, const char *directory,
                      const pp__yardstick *yardstick, pp_arena *arena, pp_error *err)
{
    e->failed = o->state != PP_TRIAL_DONE;
    if (e->failed) {
        e->error = pp_arena_strdup(arena, o->error != NULL ? o->error : "did not end");
        return e->error != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    }
    pp_verdict_file *file = PP_ARENA_NEW(arena, pp_verdict_file, 1);
    if (file == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    if (!pp_verdict_file_read(o->verdict, file) || !file->has_rows)
        return pp_fail(err, PP_E_IO, "%s: its " PP_RUN_VERDICT " is of another version", e->id);
    e->held_out = file->is_held_out;
    e->verdict_id = file->id;
    e->verdict = pp_verdict_name(file->id);
    e->collapsed = file->collapse || file->id == PP_VERDICT_NOT_YET_LEARNED;
    e->memorised = file->id == PP_VERDICT_MEMORISED;
    score(e, pp_verdict_file_judged(file), directory, yardstick, arena);
    e->train_skill = file->train.skill;
    return PP_OK;
}
