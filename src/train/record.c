#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "origin.h"
#include "trial_internal.h"

#include "train/checkpoint.h"
#include "base/fs.h"
#include "base/version.h"
#include "run/run_files.h"

static void put_where_and_when(const trial *t, pp_json_writer *writer)
{
    char host[256] = "", date[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    gethostname(host, sizeof host - 1);
    pp_json_put_string(writer, "pitprop", PP_VERSION);
    pp_json_put_string(writer, "started", date);
    pp_json_put_int(writer, "generation", t->generation);
    pp_json_put_int(writer, "ranks", t->ranks);
    pp_json_put_string(writer, "host_of_rank_0", host);
    pp_json_put_string(writer, "mpi", pp_comm_library());
    pp_json_put_string(writer, "backend", t->backend->name);
    pp_json_put_string(writer, "blas", t->backend->describe(t->device));
    const char *restarts = getenv("SLURM_RESTART_COUNT"), *job = getenv("SLURM_JOB_ID");
    if (job != NULL) pp_json_put_string(writer, "slurm_job", job);
    if (restarts != NULL) pp_json_put_string(writer, "slurm_restarts", restarts);
}

static pp_status write_json(const trial *t, const char *file, pp_json_writer *writer, pp_error *err)
{
    char path[PATH_MAX];
    size_t length;
    const char *text = pp_json_text(writer, &length);
    if (text == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_fs_file *out;
    pp_status status = pp_run_path(t->dir, file, path, err);
    if (status == PP_OK) status = pp_fs_create(path, &out, err);
    if (status != PP_OK) return status;
    fwrite(text, 1, length, pp_fs_stream(out));
    fputc('\n', pp_fs_stream(out));
    return pp_fs_commit_if(out, &t->guard, err);
}

pp_status pp__trial_write_run(trial *t, pp_error *err)
{
    pp_json_writer *writer = pp_json_writer_create(2);
    if (writer == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_json_begin_object(writer, NULL);
    put_where_and_when(t, writer);
    pp__origin_put(t->data, "data", writer);
    pp_json_end_object(writer);
    pp_status status = write_json(t, PP_RUN_RUN, writer, err);
    pp_json_writer_destroy(writer);
    return status;
}

void pp__trial_timing(trial *t, pp_json_writer *row)
{
    double now = pp_comm_seconds(), seconds = now - t->watch_time.begun;
    double rate = seconds > 0 ? (double)t->watch_time.rows / seconds : 0;
    double waited = pp_dataset_waited(t->data);
    const char *restarts = getenv("SLURM_RESTART_COUNT");
    if (row != NULL) {
        pp_json_begin_object(row, "timing");
        pp_json_put_number(row, "seconds", seconds);
        pp_json_put_number(row, "rows_per_s", rate);
        pp_json_put_number(row, "input_s", t->watch_time.input);
        if (pp_dataset_streams(t->data))
            pp_json_put_number(row, "input_wait_s", waited - t->watch_time.waited);
        pp_json_put_number(row, "exchange_s", t->watch_time.exchange);
        if (t->watch_time.checkpoints > 0) {
            pp_json_put_number(row, "checkpoint_s", t->watch_time.checkpoint);
            pp_json_put_int(row, "checkpoints", t->watch_time.checkpoints);
        }
        pp_json_put_number(row, "compute_s",
                           seconds - t->watch_time.input - t->watch_time.exchange -
                               t->watch_time.checkpoint);
        if (restarts != NULL) pp_json_put_string(row, "slurm_restarts", restarts);
        pp_json_end_object(row);
    }
    t->watch_time = (stopwatch){.begun = now, .waited = waited};
}

/* Standardisation goes with the model: without it, outputs for raw rows would be wrong. */
static int model_tensors(trial *t, float *params, pp_tensor *tensors)
{
    int n = 0;
    const float *shift = pp_dataset_shift(t->data), *scale = pp_dataset_scale(t->data);
    const double *wide = pp_dataset_wide_shift(t->data), *by = pp_dataset_wide_scale(t->data);
    if (wide != NULL) {
        tensors[n++] = (pp_tensor){"input.shift", PP_F64, 1, {t->info->inputs}, (void *)wide};
        tensors[n++] = (pp_tensor){"input.scale", PP_F64, 1, {t->info->inputs}, (void *)by};
    } else if (shift != NULL) {
        tensors[n++] = (pp_tensor){"input.shift", PP_F32, 1, {t->info->inputs}, (void *)shift};
        tensors[n++] = (pp_tensor){"input.scale", PP_F32, 1, {t->info->inputs}, (void *)scale};
    }
    shift = pp_dataset_target_shift(t->data);
    scale = pp_dataset_target_scale(t->data);
    if (shift != NULL) {
        tensors[n++] = (pp_tensor){"output.shift", PP_F32, 1, {t->info->y_columns}, (void *)shift};
        tensors[n++] = (pp_tensor){"output.scale", PP_F32, 1, {t->info->y_columns}, (void *)scale};
    }
    for (int i = 0; i < t->model->n_params; i++) {
        const pp_param *p = &t->model->params[i];
        tensors[n] = (pp_tensor){p->name, PP_F32, p->n_dims, {0}, params + p->offset};
        memcpy(tensors[n++].shape, p->shape, sizeof p->shape);
    }
    return n;
}

/* What a reader needs beside the tensors, as text. */
static pp_status write_tensors(trial *t, const char *file, float *params, pp_tensor *tensors,
                               pp_error *err)
{
    char path[PATH_MAX], low[40], high[40];
    snprintf(low, sizeof low, "%.17g", t->info->low_label);
    snprintf(high, sizeof high, "%.17g", t->info->high_label);
    const char *origin = pp__origin_text(t->data, t->arena);
    if (origin == NULL) return pp_fail(err, PP_E_MEMORY, "no memory to write the model");
    pp_tensor_note notes[] = {{"format", "pitprop"},
                              {"job", t->identity},
                              {"data", origin},
                              {"low_label", low},
                              {"high_label", high}};
    int n = model_tensors(t, params, tensors);
    pp_status status = pp_run_path(t->dir, file, path, err);
    if (status == PP_OK)
        status = pp_tensorfile_write_if(path, tensors, n, notes, 5, &t->guard, err);
    return status;
}

pp_status pp__trial_write_model(trial *t, const char *file, pp_error *err)
{
    size_t bytes = (size_t)t->model->size * sizeof(float);
    float *params = malloc(bytes);
    pp_tensor *tensors = malloc(((size_t)t->model->n_params + 4) * sizeof *tensors);
    pp_status status = PP_OK;
    if (params == NULL || tensors == NULL) {
        status = pp_fail(err, PP_E_MEMORY, "no memory to write the model");
    } else {
        t->backend->download(t->device, params, t->params, bytes);
        status = write_tensors(t, file, params, tensors, err);
    }
    free(params);
    free(tensors);
    return status;
}

pp_status pp__trial_write_verdict(trial *t, const pp_result *result, pp_error *err)
{
    pp_json_writer *writer = pp_json_writer_create(2);
    if (writer == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_evidence evidence = pp__trial_evidence(t, result);
    pp_json_begin_object(writer, NULL);
    pp_verdict_put(&result->verdict, &evidence, writer);
    pp_layer_signs_write(result->layers, result->n_layers, writer);
    pp_json_end_object(writer);
    pp_status status = write_json(t, PP_RUN_VERDICT, writer, err);
    pp_json_writer_destroy(writer);
    return status;
}
