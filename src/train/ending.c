/* How a run ends before its last step: early stopping, and a request to stop before the first. */
#include <inttypes.h>
#include <limits.h>

#include "trial_internal.h"

#include "train/checkpoint.h"

static void record_early_stop(trial *t, double epoch, double best_epoch, int64_t best_step)
{
    pp_json_writer *row = pp_json_writer_create(0);
    if (row == NULL) {
        pp__trial_metrics(t, NULL);
        return;
    }
    pp_json_begin_object(row, NULL);
    pp_json_put_string(row, "type", "early_stop");
    pp_json_put_int(row, "step", t->step);
    pp_json_put_number(row, "epoch", epoch);
    pp_json_put_int(row, "best_step", best_step);
    pp_json_put_number(row, "best_epoch", best_epoch);
    pp_json_put_number(row, "best_loss", t->watch.best);
    pp_json_put_string(row, "weights", "last");
    pp_json_end_object(row);
    pp__trial_metrics(t, row);
    pp_json_writer_destroy(row);
}

/* The last evaluation was at this step, and those before it evenly apart. */
void pp__trial_end_early(trial *t, int64_t watch_steps, pp_result *result)
{
    const pp_watch *w = &t->watch;
    int64_t best_step = t->step - w->since_best * watch_steps;
    double per_epoch = (double)t->steps_per_epoch, epoch = (double)t->step / per_epoch;
    if (best_step < 0) best_step = 0;
    record_early_stop(t, epoch, (double)best_step / per_epoch, best_step);
    snprintf(result->early_stop, sizeof result->early_stop,
             "early stopping at epoch %.4g (step %" PRId64 " of %" PRId64
             "): the %s loss was best, %.4g, at epoch %.4g and has not improved in %" PRId64
             " evaluation%s since; the weights kept are the last, of step %" PRId64,
             epoch, t->step, t->steps,
             pp__trial_judged(t) == PP_PART_VALIDATION ? "held-out" : "evaluation", w->best,
             (double)best_step / per_epoch, w->since_best, w->since_best == 1 ? "" : "s", t->step);
    pp_log_write(t->log, PP_LOG_INFO, "%s", result->early_stop);
}

pp_status pp__trial_end_idle(trial *t, pp_result *result, pp_error *err)
{
    pp_status status = PP_OK;
    if (t->rank == 0) {
        char directory[PATH_MAX];
        int again = 0, is_named = *t->job->output != '\0';
        snprintf(directory, sizeof directory, "%s%s", is_named ? "" : "runs/",
                 is_named ? t->job->output : t->job->name);
        status = pp_idle_note(directory, &result->steps, &again, err);
        if (status == PP_OK && again)
            status = pp_fail(err, PP_E_IO,
                             "%s: two starts in a row were asked to stop at step %" PRId64
                             " before they had done a step: reading the data takes all the time "
                             "that there is; ask for more (--time), or for more ranks to read",
                             directory, result->steps);
    }
    status = pp_comm_agree(t->comm, status, err);
    pp_comm_broadcast(t->comm, 0, &result->steps, sizeof result->steps);
    result->stopped = result->is_idle = 1;
    return status;
}
