/* What the job left to the data and to rules. */
#include "job/job.h"

#include "base/arena.h"
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

int64_t pp_job_steps(const pp_job *job, int64_t steps_per_epoch)
{
    static const int64_t most = (int64_t)1 << 50; /* leaves room for products with small numbers */
    int64_t by_epochs;
    if (__builtin_mul_overflow(job->training.epochs, steps_per_epoch, &by_epochs) ||
        by_epochs > most)
        by_epochs = most;
    const int64_t steps = job->training.steps < most ? job->training.steps : most;
    return by_epochs > 0 && (steps == 0 || by_epochs < steps) ? by_epochs : steps;
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
    if (job->loss.type != PP_LOSS_AUTO) return PP_OK;
    job->loss.type = pp_loss_of_task(job->data.task);
    if (job->loss.type == PP_LOSS_MSE && job->loss.label_smoothing > 0)
        return pp_fail(err, PP_E_JOB, "loss.label_smoothing: a regression has no labels to smooth");
    return PP_OK;
}

/* Units of the last dense layer where the job leaves them open. */
static int64_t output_units(const pp_job *job, const pp_job_facts *facts)
{
    if (job->data.task == PP_TASK_MULTICLASS) return job->data.classes;
    if (job->data.task == PP_TASK_BINARY && pp_loss_family_of(job->loss.type) == PP_FAMILY_CLASSES)
        return 2;
    return facts->y_columns;
}

static pp_targets resolve_targets(const pp_job *job, const pp_job_facts *facts)
{
    const int64_t units = pp_shape_count(
        pp_layers_shape(job->model.layers, job->model.n_layers, pp_job_x_shape(job)));
    if (job->loss.targets != PP_TARGETS_AUTO) return job->loss.targets;
    if (facts->y_columns != 1) return PP_TARGETS_DENSE;
    if (pp_loss_family_of(job->loss.type) == PP_FAMILY_CLASSES) return PP_TARGETS_INDEX;
    return job->data.task == PP_TASK_MULTICLASS && units != 1 ? PP_TARGETS_ONE_HOT
                                                              : PP_TARGETS_DENSE;
}

/* A vector goes without saying. */
static pp_status resolve_x_shape(pp_job *job, pp_shape x, pp_error *err)
{
    if (job->data.n_x_shape > 0 || x.n_dims < 2) return PP_OK;
    double *sizes = PP_ARENA_NEW(job->arena, double, x.n_dims);
    if (sizes == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    for (int i = 0; i < x.n_dims; i++)
        sizes[i] = (double)x.size[i];
    job->data.x_shape = sizes;
    job->data.n_x_shape = x.n_dims;
    return PP_OK;
}

static pp_status resolve(pp_job *job, const pp_job_facts *facts, pp_layer_spec *open, pp_error *err)
{
    pp_status status = resolve_task(job, facts, err);
    if (status == PP_OK) status = resolve_loss_type(job, err);
    if (status == PP_OK) status = resolve_x_shape(job, facts->x, err);
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
