/* What the job left to the data and to rules. */
#include "pitprop/job.h"

#include "pitprop/arena.h"
#include "job_internal.h"

enum { MOST_AUTO_LANES = 8, FEWEST_LANE_ROWS = 32 };

double pp_job_held_out_share(const pp_job *job)
{
    const pp_job_data *data = &job->data;
    return data->folds > 0 ? 1 / (double)data->folds : data->validation_fraction;
}

int64_t pp_job_lanes(const pp_job *job)
{
    if (job->training.lanes != PP_AUTO) return job->training.lanes;
    int64_t lanes = MOST_AUTO_LANES;
    while (lanes > 1 && job->training.batch / lanes < FEWEST_LANE_ROWS)
        lanes /= 2;
    return lanes;
}

static pp_status resolve_task(pp_job *job, const pp_job_facts *facts, pp_error *err)
{
    pp_job_data *data = &job->data;
    if (data->task == PP_TASK_AUTO) data->task = facts->task;
    if (data->task == PP_TASK_AUTO)
        return pp_fail(err, PP_E_JOB, "data.task: y does not show it; give it");
    if (data->classes != PP_AUTO) return PP_OK;
    const int64_t seen = facts->classes < 2 ? 2 : facts->classes;
    data->classes = data->task == PP_TASK_REGRESSION ? 0 : data->task == PP_TASK_BINARY ? 2 : seen;
    return PP_OK;
}

static pp_status resolve_loss_type(pp_job *job, pp_error *err)
{
    static const pp_loss_type by_task[] = {
        [PP_TASK_BINARY] = PP_LOSS_BCE_LOGITS,
        [PP_TASK_MULTICLASS] = PP_LOSS_CE_LOGITS,
        [PP_TASK_REGRESSION] = PP_LOSS_MSE,
    };
    if (job->loss.type != PP_LOSS_AUTO) return PP_OK;
    job->loss.type = by_task[job->data.task];
    if (job->loss.type == PP_LOSS_MSE && job->loss.label_smoothing > 0)
        return pp_fail(err, PP_E_JOB, "loss.label_smoothing: a regression has no labels to smooth");
    return PP_OK;
}

/* Units of the last dense layer where the job leaves them open. */
static int64_t output_units(const pp_job *job, const pp_job_facts *facts)
{
    if (job->data.task == PP_TASK_MULTICLASS) return job->data.classes;
    if (job->data.task == PP_TASK_BINARY && pp__loss_is_cross_entropy(job->loss.type)) return 2;
    return facts->y_columns;
}

static pp_targets resolve_targets(const pp_job *job, const pp_job_facts *facts)
{
    const int64_t units = pp__layers_width(job->model.layers, job->model.n_layers,
                                           PP_AUTO); /* PP_AUTO: x's own width */
    if (job->loss.targets != PP_TARGETS_AUTO) return job->loss.targets;
    if (facts->y_columns != 1) return PP_TARGETS_DENSE;
    if (pp__loss_is_cross_entropy(job->loss.type)) return PP_TARGETS_INDEX;
    return job->data.task == PP_TASK_MULTICLASS && units != 1 ? PP_TARGETS_ONE_HOT
                                                              : PP_TARGETS_DENSE;
}

static pp_status resolve(pp_job *job, const pp_job_facts *facts, pp_layer_spec *open, pp_error *err)
{
    pp_status status = resolve_task(job, facts, err);
    if (status == PP_OK) status = resolve_loss_type(job, err);
    if (status != PP_OK) return status;
    if (open != NULL) open->units = output_units(job, facts);
    job->loss.targets = resolve_targets(job, facts);
    job->training.lanes = pp_job_lanes(job);
    if (job->data.window == PP_AUTO) job->data.window = facts->window > 0 ? facts->window : 1;
    if (job->output[0] == '\0') job->output = pp_arena_printf(job->arena, "runs/%s", job->name);
    if (job->output == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    return pp__job_check(job, err);
}

pp_status pp_job_resolve(pp_job *job, const pp_job_facts *facts, pp_error *err)
{
    pp_layer_spec *last = pp__last_dense(job);
    pp_layer_spec *open = last != NULL && last->units == PP_AUTO ? last : NULL;
    const pp_job before = *job;
    pp_status status = resolve(job, facts, open, err);
    if (status == PP_OK) return PP_OK;
    *job = before;
    if (open != NULL) open->units = PP_AUTO;
    return status;
}
