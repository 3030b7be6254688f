#include <stdlib.h>
#include <string.h>

#include "trial_internal.h"

#include "pitprop/check.h"

__extension__ typedef __int128 wide;

static void say_lint(void *log, const char *path, const char *text)
{
    pp_log_write(log, PP_LOG_WARN, "%s: %s", path, text);
}

/* What the job's own lint cannot see: how the labels and columns of y go with the loss. */
static void lint_targets(const trial *t)
{
    const pp_job_loss *loss = &t->job->loss;
    int binary_loss = pp_loss_family_of(loss->type) == PP_FAMILY_BINARY;
    if (binary_loss && loss->targets != PP_TARGETS_ONE_HOT &&
        (t->info->y_min < 0 || t->info->y_max > 1))
        pp_log_write(t->log, PP_LOG_WARN,
                     "data.y: goes from %g to %g, and binary cross-entropy wants targets between 0 "
                     "and 1",
                     t->info->y_min, t->info->y_max);
    if (t->info->collapsed_column >= 0)
        pp_log_write(t->log, PP_LOG_WARN,
                     "data.x: many values of column %lld (from 0) are the same in float32, which "
                     "rows are trained in; set data.standardise, which computes with the doubles "
                     "of the file",
                     (long long)t->info->collapsed_column);
    if (t->info->category_column >= 0)
        pp_log_write(t->log, PP_LOG_WARN,
                     "data.x: column %lld (from 0) holds codes of categories, which are "
                     "trained on as if they were sizes; leave it out, or write a column for each "
                     "category (pandas.get_dummies)",
                     (long long)t->info->category_column);
    if (loss->targets == PP_TARGETS_DENSE && t->info->y_columns == 1 && t->model->outputs > 1)
        pp_log_write(t->log, PP_LOG_WARN,
                     "loss.targets: y has one column and the model %lld outputs: every output is "
                     "trained towards the same target",
                     (long long)t->model->outputs);
}

/* A batch may be larger than the set: a lane then takes its share of the rows that there are, or in
 * file order no more than all of them. */
static void find_room(trial *t)
{
    int64_t rows = t->info->train_rows, batch = t->job->training.batch;
    for (int l = 0; l <= t->lanes; l++) {
        int64_t share = t->job->data.shuffle ? (int64_t)((wide)rows * t->cut[l] / batch)
                        : t->cut[l] < rows   ? t->cut[l]
                                             : rows;
        t->room[l] = batch <= rows ? t->cut[l] : share;
    }
}

static pp_status resolve(trial *t, pp_error *err)
{
    pp_job_facts facts = {.rows = t->info->train_rows,
                          .x = t->info->x_shape,
                          .y_columns = t->info->y_columns,
                          .task = t->info->task,
                          .classes = t->info->classes,
                          .window = t->info->window};
    pp_status status = pp_job_resolve(t->job, &facts, err);
    if (status != PP_OK) return status;
    t->lanes = (int)pp_job_lanes(t->job);
    int enough = t->lanes;
    while (enough < t->ranks)
        enough *= 2;
    if (t->ranks > t->lanes)
        return pp_fail(err, PP_E_JOB,
                       "training.lanes: %d lanes can be carried by at most %d ranks, not %d; start "
                       "%d or fewer (mpirun -n %d), or set training.lanes to %d or more",
                       t->lanes, t->lanes, t->ranks, t->lanes, t->lanes, enough);
    t->range = pp_lanes_of_rank(t->lanes, t->rank, t->ranks);
    t->cut = PP_ARENA_NEW(t->arena, int64_t, t->lanes + 1);
    t->room = PP_ARENA_NEW(t->arena, int64_t, t->lanes + 1);
    t->lane_rows = PP_ARENA_NEW(t->arena, int64_t, t->range.count);
    if (t->cut == NULL || t->room == NULL || t->lane_rows == NULL)
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_lanes_cut(t->job->training.batch, t->lanes, t->cut);
    find_room(t);
    return PP_OK;
}

static int take_buffers(trial *t, row_buffers *b, int64_t rows, int64_t loss_rows, int train)
{
    const pp_backend *backend = t->backend;
    int64_t outputs = t->model->outputs;
    b->x = backend->allocate(t->device, (size_t)(rows * t->info->inputs) * sizeof(float));
    b->rows.x = backend->host_memory ? b->x : PP_ARENA_NEW(t->arena, float, rows * t->info->inputs);
    b->rows.y = PP_ARENA_NEW(t->arena, float, rows * t->info->y_columns);
    b->rows.weight = PP_ARENA_NEW(t->arena, float, rows);
    b->rows.index = PP_ARENA_NEW(t->arena, int64_t, rows);
    b->z = PP_ARENA_NEW(t->arena, float, rows *outputs);
    b->p = PP_ARENA_NEW(t->arena, float, rows *outputs);
    b->row_loss = PP_ARENA_NEW(t->arena, double, rows);
    b->scratch = pp_arena_alloc(t->arena, pp_loss_scratch(&t->loss, loss_rows), 1);
    int ok = b->x && b->rows.x && b->rows.y && b->rows.weight && b->rows.index && b->z && b->p &&
             b->row_loss && b->scratch;
    if (ok && train) {
        size_t bytes = (size_t)(rows * outputs) * sizeof(float);
        b->dz_device = backend->allocate(t->device, bytes);
        b->dz = backend->host_memory ? b->dz_device : pp_arena_alloc(t->arena, bytes, 1);
        ok = b->dz_device && b->dz;
    }
    return ok;
}

/* The sketch has a column for each class even where the model has fewer outputs or more. */
static void shape_sketch(trial *t)
{
    int outputs = (int)t->model->outputs, classes = (int)t->info->classes;
    t->shape.low = t->info->y_min;
    t->shape.high = t->info->y_max;
    switch (t->info->task) {
    case PP_TASK_AUTO:
    case PP_TASK_BINARY:
        t->shape.kind = PP_SKETCH_BINARY;
        t->shape.classes = 2;
        t->shape.columns = 1;
        break;
    case PP_TASK_MULTICLASS:
        t->shape.kind = PP_SKETCH_MULTICLASS;
        t->shape.classes = t->shape.columns = outputs > classes ? outputs : classes;
        break;
    case PP_TASK_REGRESSION:
        t->shape.kind = PP_SKETCH_REGRESSION;
        t->shape.columns = outputs;
        break;
    }
}

static pp_status plan_passes(trial *t, pp_error *err)
{
    static const int64_t block_cut[2] = {0, PP_BLOCK_ROWS};
    pp_pass_spec spec = {.model = t->model,
                         .backend = t->backend,
                         .device = t->device,
                         .train = 1,
                         .n_lanes = t->lanes,
                         .lanes = t->range,
                         .cut = t->room,
                         .seed = (uint64_t)t->job->seed};
    pp_status status = pp_pass_create(&spec, &t->pass, err);
    if (status != PP_OK) return status;
    spec.train = 0;
    spec.n_lanes = 1;
    spec.lanes = (pp_lane_range){0, 1};
    spec.cut = block_cut;
    return pp_pass_create(&spec, &t->eval_pass, err);
}

static pp_status plan(trial *t, pp_error *err)
{
    const pp_backend *backend = t->backend = pp_backend_of(t->job->runtime.backend);
    pp_status status =
        backend->open(pp_comm_node_rank(t->comm), t->job->runtime.blas_kernel, &t->device, err);
    if (status == PP_OK) status = pp_model_plan(t->job, t->info->inputs, t->arena, &t->model, err);
    if (status == PP_OK)
        status = pp_loss_plan(&t->job->loss, t->model->outputs, t->info->y_columns, &t->loss, err);
    if (status == PP_OK) status = plan_passes(t, err);
    if (status != PP_OK) return status;
    t->params = backend->allocate(t->device, (size_t)t->model->size * sizeof(float));
    if (t->params == NULL)
        return pp_fail(err, PP_E_MEMORY, "no memory for %lld parameters",
                       (long long)t->model->size);
    pp_exchange_spec spec = {.comm = t->comm,
                             .model = t->model,
                             .backend = backend,
                             .device = t->device,
                             .lanes = t->lanes,
                             .states = pp_update_states(&t->job->optimizer),
                             .bucket_bytes = t->job->runtime.bucket,
                             .params = t->params};
    status = pp_exchange_create(&spec, &t->exchange, err);
    if (status != PP_OK) return status;
    shape_sketch(t);
    status = pp__trial_yardstick_plan(t, err);
    if (status != PP_OK) return status;
    int64_t rows = t->room[t->range.first + t->range.count] - t->room[t->range.first], most = 0;
    for (int l = t->range.first; l < t->range.first + t->range.count; l++)
        if (t->room[l + 1] - t->room[l] > most) most = t->room[l + 1] - t->room[l];
    t->brief = t->shape;
    t->brief.brief = 1;
    t->running = pp_sketch_create(&t->brief);
    t->since_epoch = pp_sketch_create(&t->brief);
    t->since_look = pp_sketch_create(&t->brief);
    t->groups = PP_ARENA_NEW(t->arena, pp_group, t->lanes);
    t->group_first = PP_ARENA_NEW(t->arena, int64_t, t->ranks + 1);
    t->signs = pp_signs_create(t->model);
    int64_t sketched = rows > PP_BLOCK_ROWS ? rows : PP_BLOCK_ROWS;
    t->sketch_p = PP_ARENA_NEW(t->arena, float, sketched * t->shape.columns);
    t->sketch_raw = PP_ARENA_NEW(t->arena, float, sketched * t->shape.columns);
    t->sketch_t = PP_ARENA_NEW(t->arena, float, sketched * t->shape.columns);
    t->sketch_y = PP_ARENA_NEW(t->arena, int64_t, sketched);
    if (!t->running || !t->since_epoch || !t->since_look || !t->groups || !t->group_first ||
        !t->signs || !t->sketch_p || !t->sketch_raw || !t->sketch_t || !t->sketch_y ||
        !take_buffers(t, &t->batch, rows, most, 1) ||
        !take_buffers(t, &t->block, PP_BLOCK_ROWS, PP_BLOCK_ROWS, 0))
        return pp_fail(err, PP_E_MEMORY, "no memory for the rows of a batch");
    return PP_OK;
}

static void count_steps(trial *t)
{
    t->steps_per_epoch = pp_dataset_steps_per_epoch(t->data);
    t->steps = pp_job_steps(t->job, t->steps_per_epoch);
    t->bad_key = INT64_MAX;
}

pp_status pp__trial_open(trial *t, pp_error *err)
{
    t->arena = pp_arena_create();
    pp_status status = t->arena != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK) status = pp_dataset_open(t->comm, t->job, &t->data, err);
    if (status != PP_OK) return status;
    t->info = pp_dataset_describe(t->data);
    status = pp_comm_agree(t->comm, resolve(t, err), err);
    if (status == PP_OK) pp_job_lint(t->job, say_lint, t->log);
    return status;
}

/* The parameters may move to memory that the ranks of this host share; the exchange has them then.
 */
static void share_params(trial *t)
{
    float *shared = pp_exchange_share(t->exchange);
    if (shared == NULL) return;
    t->backend->release(t->device, t->params);
    t->params = shared;
    t->shares_params = 1;
}

pp_status pp__trial_load(trial *t, pp_error *err)
{
    pp_status status = pp_comm_agree(t->comm, plan(t, err), err);
    if (status != PP_OK) return status;
    share_params(t);
    lint_targets(t);
    status = pp_dataset_load(t->data, t->comm, t->lanes, t->cut, err);
    if (status == PP_OK) count_steps(t);
    return status;
}

void pp__trial_release(trial *t)
{
    const pp_backend *backend = t->backend;
    if (t->device != NULL) {
        pp_exchange_destroy(t->exchange);
        pp_pass_destroy(t->eval_pass);
        pp_pass_destroy(t->pass);
        if (!t->shares_params) backend->release(t->device, t->params);
        backend->release(t->device, t->batch.x);
        backend->release(t->device, t->batch.dz_device);
        backend->release(t->device, t->block.x);
        backend->close(t->device);
    }
    free(t->running);
    free(t->since_epoch);
    free(t->watched.sketch);
    free(t->since_look);
    free(t->signs);
    free(t->sample.records);
    free(t->resolved);
    free(t->identity);
    pp_dataset_close(t->data);
    pp_arena_destroy(t->arena);
}
