/* The parameters that training begins with: drawn, or those of a file. */
#include <string.h>

#include "trial_internal.h"

#include "store/tensorfile.h"

static int64_t count_of(const pp_tensor *tensor)
{
    int64_t count = 1;
    for (int d = 0; d < tensor->n_dims; d++)
        count *= tensor->shape[d];
    return count;
}

pp_status pp__read_params(const pp_model *model, const pp_tensorfile *file, const char *path,
                          float *values, pp_error *err)
{
    for (int i = 0; i < model->n_params; i++) {
        const pp_param *param = &model->params[i];
        const pp_tensor *t = pp_tensorfile_find(file, param->name);
        if (t == NULL || t->dtype != PP_F32 || count_of(t) != param->count)
            return pp_fail(err, PP_E_DATA,
                           "%s: wants a tensor %s of %lld float32 values; it is missing, or of "
                           "another shape or type",
                           path, param->name, (long long)param->count);
        memcpy(values + param->offset, t->data, (size_t)param->count * sizeof *values);
    }
    return PP_OK;
}

static pp_status read_initial(const trial *t, float *values, pp_error *err)
{
    pp_tensorfile *file = NULL;
    const char *path = t->job->model.initial;
    pp_status status = pp_tensorfile_read(path, &file, err);
    if (status == PP_OK) status = pp__read_params(t->model, file, path, values, err);
    pp_tensorfile_destroy(file);
    return status;
}

pp_status pp__trial_initial(const trial *t, float *values, pp_error *err)
{
    pp_model_init(t->model, (uint64_t)t->job->seed, values);
    if (*t->job->model.initial == '\0') return PP_OK;
    pp_status status = t->rank == 0 ? read_initial(t, values, err) : PP_OK;
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK)
        pp_comm_broadcast(t->comm, 0, values, (size_t)t->model->size * sizeof *values);
    return status;
}
