#include "train/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trial_internal.h"

#include "pitprop/check.h"
#include "run/run_files.h"

/* Collective: sketches of a part merged on rank 0, its summary known to all. */
static pp_status evaluate(trial *t, pp_part part, pp_sketch **sketch, pp_summary *summary,
                          pp_error *err)
{
    *sketch = pp_sketch_create(&t->shape);
    pp_status status = *sketch != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "no memory to evaluate");
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK) status = pp__trial_evaluate(t, part, *sketch, err);
    if (status != PP_OK) {
        free(*sketch);
        *sketch = NULL;
        return status;
    }
    *summary = pp_sketch_summarise(*sketch);
    pp__trial_yardstick_put(t, *sketch, summary);
    pp_comm_broadcast(t->comm, 0, summary, sizeof *summary);
    return PP_OK;
}

static void put_summary(pp_json_writer *row, const char *key, const pp_summary *summary)
{
    pp_json_begin_object(row, key);
    pp_summary_write(summary, row);
    pp_json_end_object(row);
}

/* Rows a second since training began, and the seconds that the rest will take at that rate. */
static double rate_and_rest(const trial *t, double *seconds_left)
{
    double rate = t->trained_rows / (pp_comm_seconds() - t->begun);
    double rows_left = (double)(t->steps - t->step) * (double)t->job->training.batch;
    *seconds_left = rate > 0 ? rows_left / rate : NAN;
    return rate;
}

static void log_epoch(trial *t, double epoch, const pp_summary *s)
{
    const char *part = pp__trial_judged(t) == PP_PART_VALIDATION ? "held-out" : "evaluation";
    int regression = s->shape.kind == PP_SKETCH_REGRESSION;
    double left, rate = rate_and_rest(t, &left);
    pp_log_write(t->log, PP_LOG_INFO,
                 "epoch %.4g: train loss %.4g, %s loss %.4g, %s %.4f; %.4g rows/s, %.0f s left",
                 epoch, t->last_loss, part, s->loss, regression ? "R2" : "accuracy",
                 regression ? s->r2 : s->accuracy, rate, left);
}

/* An epoch row: training predictions as they passed, and the evaluation. Collective. */
static void write_epoch_row(trial *t, const pp_summary *evaluation, double lr)
{
    pp__trial_gather_running(t);
    pp_json_writer *row = t->rank == 0 ? pp_json_writer_create(0) : NULL;
    double epoch = (double)t->step / (double)t->steps_per_epoch;
    const char *key = pp__trial_judged(t) == PP_PART_VALIDATION ? "validation" : "evaluation";
    if (row != NULL) {
        pp_summary running = pp_sketch_summarise(t->since_epoch);
        pp_sketch_clear(t->since_epoch);
        pp_json_begin_object(row, NULL);
        pp_json_put_string(row, "type", "epoch");
        pp_json_put_number(row, "epoch", epoch);
        pp_json_put_int(row, "step", t->step);
        pp_json_put_number(row, "lr", lr);
        if (running.rows > 0) put_summary(row, "train", &running);
        put_summary(row, key, evaluation);
        if (running.rows > 0) t->last_loss = running.loss;
    }
    pp__trial_timing(t, row);
    if (row != NULL) pp_json_end_object(row);
    pp__trial_metrics(t, row);
    pp_json_writer_destroy(row);
    if (t->rank == 0) log_epoch(t, epoch, evaluation);
}

/* Collective. */
static pp_status watch(trial *t, pp_error *err)
{
    pp__life_at(t->life, PP_PHASE_EVALUATION, t->step);
    free(t->watched.sketch);
    t->watched.sketch = NULL;
    pp_status status =
        evaluate(t, pp__trial_judged(t), &t->watched.sketch, &t->watched.summary, err);
    if (status != PP_OK) return status;
    t->watched.step = t->step;
    double lr = pp_schedule_lr(t->job, &t->watch, t->step - 1, t->steps, t->steps_per_epoch);
    pp_watch_add(&t->watch, t->job, t->watched.summary.loss);
    t->since.evaluated = 1;
    write_epoch_row(t, &t->watched.summary, lr);
    return PP_OK;
}

/* Steps in so many epochs, at least 1; 0 epochs: never. */
static int64_t steps_in(const trial *t, double epochs)
{
    double steps = round(epochs * (double)t->steps_per_epoch);
    if (epochs <= 0) return 0;
    return steps < 1 ? 1 : steps >= (double)INT64_MAX ? INT64_MAX : (int64_t)steps;
}

static int is_due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

static void show_progress(trial *t)
{
    double now = pp_comm_seconds();
    if (t->rank != 0 || t->spec->progress == NULL || now - t->last_progress < 0.2) return;
    t->last_progress = now;
    pp_progress p = {.step = t->step,
                     .steps = t->steps,
                     .epoch = t->step / t->steps_per_epoch + 1,
                     .epochs = (t->steps + t->steps_per_epoch - 1) / t->steps_per_epoch,
                     .loss = t->last_loss};
    p.rows_per_s = rate_and_rest(t, &p.seconds_left);
    t->spec->progress(t->spec->progress_context, &p);
}

static pp_status train(trial *t, pp_result *result, pp_error *err)
{
    const pp_job_checkpoint *c = &t->job->checkpoint;
    int64_t save_steps = steps_in(t, c->every_epochs);
    int64_t watch_steps = steps_in(t, t->job->monitor.evaluate_epochs);
    pp_status status = PP_OK;
    int collapsed = t->history.called > 0 && t->job->monitor.on_collapse == PP_COLLAPSE_STOP;
    t->begun = t->watch_time.begun = t->last_save = pp_comm_seconds();
    t->last_loss = NAN;
    int *stopped = &result->stopped;
    while (status == PP_OK && !*stopped && t->step < t->steps &&
           !pp_watch_stops(&t->watch, t->job) && !collapsed) {
        int bits = pp__trial_step(t);
        if (bits & BIT_NO_INPUT)
            return pp_comm_agree(t->comm, pp_dataset_status(t->data, err), err);
        if (bits & BIT_NON_FINITE) pp__trial_note_non_finite(t);
        pp__life_at(t->life, PP_PHASE_LOOK, t->step);
        if (pp__trial_look_is_due(t, t->step)) collapsed = pp__trial_look(t);
        if (is_due(t->step, watch_steps) || t->step == t->steps || collapsed)
            status = watch(t, err);
        *stopped = (bits & BIT_STOP) != 0;
        if (status == PP_OK && (*stopped || bits & BIT_SAVE || is_due(t->step, c->every_steps) ||
                                is_due(t->step, save_steps)))
            status = pp__trial_save(t, err);
        show_progress(t);
    }
    int is_early = t->step < t->steps && pp_watch_stops(&t->watch, t->job);
    if (status == PP_OK && !*stopped && is_early && t->rank == 0)
        pp__trial_end_early(t, watch_steps, result);
    return status;
}

/* Rank 0. */
static pp_status record_result(trial *t, pp_result *result, pp_error *err)
{
    pp_json_writer *row = pp_json_writer_create(0);
    if (row == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_json_begin_object(row, NULL);
    pp_json_put_string(row, "type", "final");
    pp_json_put_int(row, "step", t->step);
    put_summary(row, "train", &result->train);
    if (result->validation.rows > 0) put_summary(row, "validation", &result->validation);
    pp_json_put_string(row, "verdict", pp_verdict_name(result->verdict.id));
    pp_json_end_object(row);
    pp__trial_metrics(t, row);
    pp_json_writer_destroy(row);
    int64_t bytes;
    pp_status status = pp__metrics_sync(t->metrics, &bytes, err);
    if (status == PP_OK) status = pp__trial_write_model(t, PP_RUN_MODEL, err);
    if (status == PP_OK) status = pp__trial_write_verdict(t, result, err);
    return status;
}

/* Collective: as evaluate, unless these weights have been on these rows already. */
static pp_status evaluate_once(trial *t, pp_part part, pp_sketch **sketch, pp_summary *summary,
                               pp_error *err)
{
    if (t->watched.sketch == NULL || t->watched.step != t->step || pp__trial_judged(t) != part)
        return evaluate(t, part, sketch, summary, err);
    *sketch = t->watched.sketch;
    *summary = t->watched.summary;
    t->watched.sketch = NULL;
    return PP_OK;
}

/* Rank 0. */
static pp_status describe_layers(const trial *t, pp_result *result, pp_error *err)
{
    size_t bytes = (size_t)t->model->size * sizeof(float);
    float *params = malloc(bytes);
    if (params != NULL) {
        t->backend->download(t->device, params, t->params, bytes);
        result->layers = pp_signs_describe(t->signs, t->model, (uint64_t)t->job->seed, params,
                                           &result->n_layers);
    }
    free(params);
    return result->layers != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "no memory to conclude");
}

/* Rank 0: the names outlive the data. */
static pp_status keep_names(const trial *t, pp_result *result, pp_error *err)
{
    if (t->info->class_names == NULL) return PP_OK;
    result->class_names = calloc((size_t)t->info->classes, sizeof *result->class_names);
    int complete = result->class_names != NULL;
    for (int k = 0; complete && k < (int)t->info->classes; k++) {
        result->class_names[k] = strdup(t->info->class_names[k]);
        complete = result->class_names[k] != NULL;
        result->n_class_names = k + 1;
    }
    return complete ? PP_OK : pp_fail(err, PP_E_MEMORY, "no memory to conclude");
}

/* The final weights on every row: training and held-out rows apart, and together in the picture.
 */
static pp_status conclude(trial *t, pp_result *result, pp_error *err)
{
    pp_sketch *held_out = NULL;
    pp__life_at(t->life, PP_PHASE_EVALUATION, t->step);
    pp_status status = evaluate_once(t, PP_PART_TRAIN, &result->sketch, &result->train, err);
    if (status == PP_OK && t->info->validation_rows > 0)
        status = evaluate_once(t, PP_PART_VALIDATION, &held_out, &result->validation, err);
    pp__life_at(t->life, PP_PHASE_CONCLUSION, t->step);
    if (status == PP_OK && t->rank == 0) {
        if (held_out != NULL) pp_sketch_merge(result->sketch, held_out, pp_sketch_bytes(&t->shape));
        result->split = pp_groups_compare(t->groups, t->lanes, result->train.tolerance);
        pp_evidence evidence = pp__trial_evidence(t, result);
        result->verdict = pp_verdict_of(&evidence);
        status = describe_layers(t, result, err);
        if (status == PP_OK) status = keep_names(t, result, err);
    }
    free(held_out);
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK) status = pp__trial_write_sample(t, err);
    if (status == PP_OK && t->rank == 0) status = record_result(t, result, err);
    return pp_comm_agree(t->comm, status, err);
}

/* Collective: parameters to begin with, from a checkpoint or fresh. */
static pp_status begin(trial *t, pp_error *err)
{
    pp_status status = pp__trial_restore(t, err);
    if (status != PP_OK) return status;
    if (t->step == 0) {
        size_t bytes = (size_t)t->model->size * sizeof(float);
        float *values = malloc(bytes);
        if (values == NULL)
            status = pp_fail(err, PP_E_MEMORY, "no memory for %zu bytes of parameters", bytes);
        status = pp_comm_agree(t->comm, status, err);
        if (status == PP_OK) status = pp__trial_initial(t, values, err);
        if (status == PP_OK) t->backend->upload(t->device, t->params, values, bytes);
        free(values);
    } else {
        pp_log_write(t->log, PP_LOG_INFO, "resuming at step %" PRId64 " of %" PRId64, t->step,
                     t->steps);
    }
    if (status == PP_OK && t->rank == 0 && t->step == 0 && t->job->monitor.save_initial)
        status = pp__trial_write_model(t, PP_RUN_INITIAL, err);
    return pp_comm_agree(t->comm, status, err);
}

static void fill_result(const trial *t, pp_result *result)
{
    result->steps = t->step;
    result->called_step = t->history.called_step;
    result->train_rows = pp_dataset_part_rows(t->data, PP_PART_TRAIN);
    result->validation_rows = t->info->validation_rows;
    result->seconds = pp_comm_seconds() - t->begun;
    result->rows_per_s = result->seconds > 0 ? t->trained_rows / result->seconds : 0;
}

static trial trial_of(const pp_trial_spec *spec)
{
    return (trial){.spec = spec,
                   .comm = spec->comm,
                   .job = spec->job,
                   .log = spec->log,
                   .rank = pp_comm_rank(spec->comm),
                   .ranks = pp_comm_size(spec->comm)};
}

/* Everything before the first step. Collective. */
static pp_status prepare(trial *t, pp_error *err)
{
    pp_status status = pp__trial_open(t, err);
    if (status == PP_OK) status = pp__trial_take_free(t, err);
    if (status == PP_OK) status = pp__trial_load(t, err);
    if (status == PP_OK) status = pp__trial_open_directory(t, err);
    if (status == PP_OK) status = pp_comm_agree(t->comm, pp__life_start(t, err), err);
    return status == PP_OK ? begin(t, err) : status;
}

pp_status pp_trial_run(const pp_trial_spec *spec, pp_result *result, pp_error *err)
{
    trial t = trial_of(spec);
    memset(result, 0, sizeof *result);
    pp_status status = prepare(&t, err);
    int is_idle = status == PP_E_STOPPED, is_ready = status == PP_OK;
    if (is_idle) status = pp__trial_end_idle(&t, result, err);
    if (is_ready) {
        pp_log_write(t.log, PP_LOG_INFO,
                     "%s: %" PRId64 " training rows, %" PRId64 " held out, %" PRId64
                     " parameters, %d lanes on %d rank%s, %" PRId64 " steps -> %s",
                     t.job->name, pp_dataset_part_rows(t.data, PP_PART_TRAIN),
                     t.info->validation_rows, t.model->weights, t.lanes, t.ranks,
                     t.ranks == 1 ? "" : "s", t.steps, t.dir);
        status = train(&t, result, err);
        fill_result(&t, result);
    }
    if (status == PP_OK && !result->stopped) status = conclude(&t, result, err);
    if (status != PP_OK) pp_result_free(result);
    pp__life_stop(&t);
    pp__trial_close_directory(&t);
    if (!is_ready && !is_idle) pp__trial_leave_directory(&t);
    pp__trial_release(&t);
    return status;
}

void pp_result_free(pp_result *result)
{
    free(result->sketch);
    free(result->layers);
    for (int k = 0; k < result->n_class_names; k++)
        free(result->class_names[k]);
    free(result->class_names);
    result->sketch = NULL;
    result->layers = NULL;
    result->class_names = NULL;
    result->n_class_names = 0;
}

pp_status pp_trial_check(const pp_trial_spec *spec, pp_trial_plan *plan, pp_error *err)
{
    trial t = trial_of(spec);
    pp_status status = pp__trial_open(&t, err);
    if (status == PP_OK) status = pp__trial_load(&t, err);
    if (status == PP_OK) {
        int64_t bytes[3] = {pp_dataset_bytes(t.data),
                            pp_exchange_bytes(t.exchange) + t.model->size * (int64_t)sizeof(float),
                            pp_pass_bytes(t.pass) + pp_pass_bytes(t.eval_pass)};
        pp_comm_max_i64(t.comm, bytes, 3);
        *plan = (pp_trial_plan){.train_rows = t.info->train_rows,
                                .validation_rows = t.info->validation_rows,
                                .inputs = t.info->inputs,
                                .outputs = t.model->outputs,
                                .parameters = t.model->weights,
                                .steps = t.steps,
                                .steps_per_epoch = t.steps_per_epoch,
                                .lanes = t.lanes,
                                .lane_rows_least = INT64_MAX,
                                .bytes_data = bytes[0],
                                .bytes_model = bytes[1],
                                .bytes_activations = bytes[2]};
        for (int l = 0; l < t.lanes; l++) {
            int64_t rows = t.room[l + 1] - t.room[l];
            if (rows < plan->lane_rows_least) plan->lane_rows_least = rows;
            if (rows > plan->lane_rows_most) plan->lane_rows_most = rows;
        }
    }
    pp__trial_release(&t);
    return status;
}
