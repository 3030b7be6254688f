#include "job/job.h"

#include <stdlib.h>

#include "base/arena.h"
#include "job_internal.h"
#include "schema.h"

static pp_status apply(pp_json *root, const pp_patch *patch, pp_error *err)
{
    for (int i = 0; patch != NULL && i < patch->count; i++) {
        pp_status status = pp_json_set(root, patch->paths[i], patch->values[i], err);
        if (status != PP_OK) return status;
    }
    return PP_OK;
}

/* The two defaults that yield to another key: they count only where the user wrote them. */
static pp_status settle(pp_job *job, const pp_json *root, pp_error *err)
{
    const pp_json *validation = pp_json_get(pp_json_get(root, "data"), "validation");
    pp_job_data *data = &job->data;
    if (data->n_validation_files > 0 || data->folds > 0) {
        if (pp_json_get(validation, "fraction") == NULL) data->validation_fraction = 0;
        if (data->validation_fraction > 0 || (data->n_validation_files > 0 && data->folds > 0))
            return pp_fail(err, PP_E_JOB,
                           "data.validation: give either files, a fold or a fraction");
    }
    if (data->folds == 1 || data->fold >= (data->folds > 0 ? data->folds : 1))
        return pp_fail(err, PP_E_JOB,
                       "data.validation.fold: k must be from 0 to of - 1, and of 2 or more; got k "
                       "%lld of %lld",
                       (long long)data->fold, (long long)data->folds);
    if (*data->groups != '\0' && pp_job_held_out_share(job) == 0)
        return pp_fail(err, PP_E_JOB,
                       "data.groups: says which rows are held out together, and %s; give "
                       "data.validation.fraction or .fold, or leave it out",
                       data->n_validation_files > 0 ? "files are" : "none are");
    const pp_json *epochs = pp_json_get(pp_json_get(root, "training"), "epochs");
    if (job->training.steps > 0 && epochs == NULL) job->training.epochs = 0;
    return PP_OK;
}

static pp_status read_job(const pp_json *root, pp_job *job, pp_error *err)
{
    pp__reader reader = {.arena = job->arena, .err = err};
    pp_status status = pp__group_read(&reader, &pp__job_group, root, job);
    if (status == PP_OK) status = settle(job, root, err);
    if (status == PP_OK) status = pp__job_check(job, err);
    return status;
}

static pp_status create(const pp_json *root, pp_job **job, pp_error *err)
{
    pp_arena *arena = pp_arena_create();
    pp_job *fresh = arena == NULL ? NULL : PP_ARENA_NEW(arena, pp_job, 1);
    if (fresh == NULL) {
        pp_arena_destroy(arena);
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    }
    fresh->arena = arena;
    pp_status status = read_job(root, fresh, err);
    if (status == PP_OK)
        *job = fresh;
    else
        pp_job_destroy(fresh);
    return status;
}

pp_status pp_job_parse(const char *text, const char *origin, const pp_patch *patch, pp_job **job,
                       pp_error *err)
{
    pp_json *root = NULL;
    pp_status status = pp_json_parse(text, origin, &root, err);
    if (status != PP_OK) return status;
    status = apply(root, patch, err);
    if (status == PP_OK) status = create(root, job, err);
    pp_json_destroy(root);
    return status == PP_OK ? PP_OK : pp_fail_within(err, status, "%s", origin);
}

void pp_job_destroy(pp_job *job)
{
    if (job != NULL) pp_arena_destroy(job->arena); /* the job itself lies in it */
}

void pp_job_echo(const pp_job *job, pp_json_writer *writer)
{
    pp_json_begin_object(writer, NULL);
    pp__group_echo(&pp__job_group, job, writer);
    pp_json_end_object(writer);
}
