/* Predictions of training on their way to rank 0, and the looks at them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "trial_internal.h"

void pp__trial_compare(trial *t, int64_t rows, const float *z)
{
    int64_t outputs = t->model->outputs;
    if (rows < 2 || t->since.differed) return; /* one that differs is enough */
    t->since.compared = 1;
    for (int64_t i = 1; i < rows && !t->since.differed; i++)
        t->since.differed = memcmp(z, z + i * outputs, (size_t)outputs * sizeof *z) != 0;
}

void pp__trial_gather_running(trial *t)
{
    size_t bytes = pp_sketch_bytes(&t->brief);
    if (!t->job->monitor.enabled) return;
    pp_comm_merge(t->comm, 0, t->running, bytes, pp_sketch_merge);
    int64_t seen[2] = {t->since.compared, t->since.differed};
    pp_comm_max_i64(t->comm, seen, 2);
    t->since.compared = seen[0];
    t->since.differed = seen[1];
    if (t->rank == 0) {
        pp_sketch_merge(t->since_epoch, t->running, bytes);
        pp_sketch_merge(t->since_look, t->running, bytes);
    }
    pp_sketch_clear(t->running);
}

/* Evenly over the run, the last step included. */
int pp__trial_look_is_due(const trial *t, int64_t step)
{
    if (!t->job->monitor.enabled) return 0;
    return step * PP_LOOKS / t->steps != (step - 1) * PP_LOOKS / t->steps;
}

/* In multiply-adds of a product, at the rate that small products reach: measured for binary rows
 * and for ten classes. */
static const double work_of_row = 800, work_of_column = 300;
static const double share_of_step = 0.015; /* that sketching may take */
enum { ROWS_OF_LOOK = 4096 };              /* that a look has at least, where there are so many */

int pp__trial_sketch_is_due(const trial *t)
{
    if (!t->job->monitor.enabled) return 0;
    double step = 3 * (double)t->model->weights; /* forward, and backward twice */
    double sketch = work_of_row + work_of_column * t->shape.columns;
    int64_t every = (int64_t)ceil(sketch / (share_of_step * step));
    double most = floor((double)(t->steps / PP_LOOKS) * (double)t->job->training.batch /
                        ROWS_OF_LOOK); /* exact up to 2^53 */
    if ((double)every > most) every = (int64_t)most;
    return every <= 1 || t->step % every == 0;
}

static void record_call(trial *t, const pp_verdict *verdict)
{
    pp_log_write(t->log, PP_LOG_WARN, "collapse at step %" PRId64 " of %" PRId64 ": %s: %s",
                 t->step, t->steps, pp_verdict_name(verdict->id), verdict->sentence);
    pp_json_writer *row = pp_json_writer_create(0);
    if (row == NULL) {
        pp__trial_metrics(t, NULL);
        return;
    }
    pp_json_begin_object(row, NULL);
    pp_json_put_string(row, "type", "collapse");
    pp_json_put_int(row, "step", t->step);
    pp_json_put_string(row, "verdict", pp_verdict_name(verdict->id));
    pp_json_put_string(row, "sentence", verdict->sentence);
    pp_json_end_object(row);
    pp__trial_metrics(t, row);
    pp_json_writer_destroy(row);
}

int pp__trial_look(trial *t)
{
    int stop = 0;
    pp__trial_gather_running(t);
    if (t->rank == 0) {
        pp_verdict verdict;
        t->last_look = pp_sketch_summarise(t->since_look);
        pp_sketch_clear(t->since_look);
        pp_look look = {.running = &t->last_look,
                        .evaluation = t->since.evaluated ? &t->watched.summary : NULL,
                        .gradient = t->gradient,
                        .alike = t->since.compared && !t->since.differed,
                        .step = t->step,
                        .steps = t->steps,
                        .alpha = t->job->monitor.alpha};
        if (pp_history_look(&t->history, &look, &verdict)) {
            record_call(t, &verdict);
            stop = t->job->monitor.on_collapse == PP_COLLAPSE_STOP;
        }
    }
    t->since = (pp__since_look){0};
    pp_comm_broadcast(t->comm, 0, &stop, sizeof stop);
    return stop;
}

pp_evidence pp__trial_evidence(const trial *t, const pp_result *result)
{
    int knows = t->history.looks > 0 || t->history.non_finite.step > 0;
    return (pp_evidence){.train = &result->train,
                         .held_out = result->validation.rows > 0 ? &result->validation : NULL,
                         .running = t->last_look.rows > 0 ? &t->last_look : NULL,
                         .split = &result->split,
                         .history = knows ? &t->history : NULL,
                         .names = t->info->class_names,
                         .alpha = t->job->monitor.alpha};
}
