#include "finished.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"

static pp_status read_model(const char *path, const char *run, pp__finished *f, pp_error *err)
{
    if (!pp_fs_exists(path))
        return pp_fail(err, PP_E_ARG, "%s: no model there; is %s the directory of a finished run?",
                       path, run);
    pp_status status = pp_tensorfile_read(path, &f->file, err);
    if (status != PP_OK) return status;
    const char *job = pp_tensorfile_note(f->file, "job");
    if (job == NULL)
        return pp_fail(err, PP_E_DATA, "%s: was not written by Pitprop: no job in it", path);
    status = pp_job_parse(job, path, NULL, &f->job, err);
    return status == PP_OK ? pp__origin_read(f->file, f->arena, &f->origin, err) : status;
}

/* The first layer that has weights takes as many values as the model: those in front keep them. */
static int64_t count_inputs(const pp__finished *f)
{
    if (f->shift != NULL) return f->shift->shape[0];
    for (int i = 0; i < pp_tensorfile_count(f->file); i++) {
        const pp_tensor *t = pp_tensorfile_at(f->file, i);
        size_t length = strlen(t->name);
        if (length > 7 && strcmp(t->name + length - 7, ".weight") == 0)
            return t->shape[t->n_dims - 1];
    }
    return f->origin.n_columns;
}

static pp_status check_params(const pp__finished *f, const char *path, pp_error *err)
{
    for (int i = 0; i < f->model->n_params; i++) {
        const pp_param *p = &f->model->params[i];
        const pp_tensor *t = pp_tensorfile_find(f->file, p->name);
        int64_t count = t != NULL ? 1 : 0;
        for (int d = 0; t != NULL && d < t->n_dims; d++)
            count *= t->shape[d];
        if (count != p->count || t->dtype != PP_F32)
            return pp_fail(err, PP_E_DATA, "%s: %s is missing or of another shape", path, p->name);
    }
    return PP_OK;
}

static pp_status plan(const char *path, pp__finished *f, pp_error *err)
{
    f->shift = pp_tensorfile_find(f->file, "input.shift");
    f->scale = pp_tensorfile_find(f->file, "input.scale");
    f->target_shift = pp_tensorfile_find(f->file, "output.shift");
    f->target_scale = pp_tensorfile_find(f->file, "output.scale");
    pp_status status = pp_model_plan(f->job, count_inputs(f), f->arena, &f->model, err);
    if (status != PP_OK) return status;
    f->link = f->job->model.at_prediction;
    if (f->link == PP_PREDICT_NONE) f->link = pp_loss_link(f->job->loss.type);
    if (f->job->data.task != PP_TASK_REGRESSION)
        f->classes = f->model->outputs > 1 ? f->model->outputs : 2;
    return check_params(f, path, err);
}

pp_status pp__finished_open(const char *run, pp__finished *f, pp_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/model.safetensors", run);
    *f = (pp__finished){.arena = pp_arena_create()};
    if (f->arena == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_status status = read_model(path, run, f, err);
    return status == PP_OK ? plan(path, f, err) : status;
}

void pp__finished_close(pp__finished *f)
{
    pp_job_destroy(f->job);
    pp_tensorfile_destroy(f->file);
    pp_arena_destroy(f->arena);
}

const float *pp__finished_param(const pp__finished *f, int param)
{
    return pp_tensorfile_find(f->file, f->model->params[param].name)->data;
}
