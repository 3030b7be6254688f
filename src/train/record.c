#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trial_internal.h"

#include "pitprop/checkpoint.h"
#include "pitprop/fs.h"
#include "pitprop/version.h"

/* What a run writes; replacing a run removes these and its checkpoints, and nothing else. */
static const char *const leavings[] = {
    "metrics.jsonl",      "model.safetensors", "verdict.json", "initial.safetensors",
    "sample.safetensors", "run.json",          "log.txt",      "job.json"};
enum { N_LEAVINGS = sizeof leavings / sizeof leavings[0] };

static pp_status path_in(const trial *t, const char *file, char path[PATH_MAX], pp_error *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s", t->dir, file) < PATH_MAX) return PP_OK;
    return pp_fail(err, PP_E_IO, "%s: path is too long", t->dir);
}

static int holds_run(const trial *t)
{
    char path[PATH_MAX];
    return path_in(t, "job.json", path, NULL) == PP_OK && pp_fs_exists(path);
}

static pp_status remove_run(const trial *t, pp_error *err)
{
    char path[PATH_MAX];
    pp_status status = pp_checkpoint_clear(t->dir, err);
    for (int i = 0; i < N_LEAVINGS && status == PP_OK; i++) {
        status = path_in(t, leavings[i], path, err);
        if (status == PP_OK) status = pp_fs_remove_tree(path, err);
    }
    return status;
}

/* Past the lines with these keys: each begins with the key in quotes after its indent. */
static const char *skip_lines(const char *line, const char *const *keys)
{
    for (int i = 0; keys[i] != NULL;) {
        const char *text = line + strspn(line, " ");
        if (strncmp(text, keys[i], strlen(keys[i])) != 0) {
            i++;
            continue;
        }
        line = text + strcspn(text, "\n");
        line += *line == '\n';
        i = 0;
    }
    return line;
}

/* Moves both on to the first lines that differ, behind their indents; 0: none do. */
static int find_difference(const char **was, const char **is, const char *const *but)
{
    for (;;) {
        *was = skip_lines(*was, but);
        *is = skip_lines(*is, but);
        if (**was == '\0' && **is == '\0') return 0;
        size_t length = strcspn(*was, "\n");
        if (length != strcspn(*is, "\n") || strncmp(*was, *is, length) != 0) break;
        *was += length + ((*was)[length] == '\n');
        *is += length + ((*is)[length] == '\n');
    }
    *was += strspn(*was, " ");
    *is += strspn(*is, " ");
    return 1;
}

/* Moving a run does not make it another, nor does where its rows are. The window often follows from
 * what was changed, so it is named only where nothing else differs. */
static pp_status same_job(const trial *t, pp_error *err)
{
    static const char *const first_but[] = {
        "\"output\":", "\"residency\":", "\"memory\":", "\"window\":", NULL};
    static const char *const second_but[] = {"\"output\":", "\"residency\":", "\"memory\":", NULL};
    char path[PATH_MAX], *old = NULL;
    pp_status status = path_in(t, "job.json", path, err);
    if (status == PP_OK) status = pp_fs_read(path, &old, NULL, err);
    if (status != PP_OK) return status;
    const char *was = old, *is = t->resolved;
    int differs = find_difference(&was, &is, first_but);
    if (!differs) {
        was = old;
        is = t->resolved;
        differs = find_difference(&was, &is, second_but);
    }
    if (differs)
        status =
            pp_fail(err, PP_E_JOB,
                    "%s: the run there was made by another job: it has '%.*s' where this one has "
                    "'%.*s'; go on with the same job, or give this one another --output",
                    path, (int)strcspn(was, "\n"), was, (int)strcspn(is, "\n"), is);
    free(old);
    return status;
}

/* The resolved job as text; malloc'ed, NULL when out of memory. */
static char *echo(const pp_job *job)
{
    pp_json_writer *writer = pp_json_writer_create(2);
    const char *text = NULL;
    size_t length = 0;
    if (writer != NULL) {
        pp_job_echo(job, writer);
        text = pp_json_text(writer, &length);
    }
    char *copy = text == NULL ? NULL : malloc(length + 2);
    if (copy != NULL) {
        memcpy(copy, text, length);
        memcpy(copy + length, "\n", 2);
    }
    pp_json_writer_destroy(writer);
    return copy;
}

static pp_status echo_job(trial *t, pp_error *err)
{
    pp_job anywhere = *t->job;
    anywhere.output = "";
    anywhere.data.residency = PP_RESIDENCY_AUTO;
    anywhere.data.memory = PP_AUTO;
    t->resolved = echo(t->job);
    t->identity = echo(&anywhere);
    return t->resolved != NULL && t->identity != NULL ? PP_OK
                                                      : pp_fail(err, PP_E_MEMORY, "out of memory");
}

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
    pp_json_put_string(writer, "backend", t->spec->backend->name);
    pp_json_put_string(writer, "blas", t->spec->backend->describe(t->device));
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
    pp_status status = path_in(t, file, path, err);
    if (status == PP_OK) status = pp_fs_create(path, &out, err);
    if (status != PP_OK) return status;
    fwrite(text, 1, length, pp_fs_stream(out));
    fputc('\n', pp_fs_stream(out));
    return pp_fs_commit(out, err);
}

static pp_status write_run(trial *t, pp_error *err)
{
    pp_json_writer *writer = pp_json_writer_create(2);
    if (writer == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_json_begin_object(writer, NULL);
    put_where_and_when(t, writer);
    pp_json_end_object(writer);
    pp_status status = write_json(t, "run.json", writer, err);
    pp_json_writer_destroy(writer);
    return status;
}

/* A new file that begins with `kept` bytes takes the name while we keep it open: a superseded run
 * goes on writing to the old one, which nobody sees any more. */
static pp_status replace_file(const trial *t, const char *path, const char *bytes, size_t kept,
                              FILE **stream, pp_error *err)
{
    char aside[PATH_MAX + 32];
    snprintf(aside, sizeof aside, "%s.tmp-%ld", path, (long)getpid());
    pp_status status = pp_generation_check(t->dir, t->generation, err);
    if (status != PP_OK) return status;
    *stream = fopen(aside, "w");
    if (*stream != NULL && fwrite(bytes, 1, kept, *stream) == kept && fflush(*stream) == 0 &&
        fsync(fileno(*stream)) == 0 && rename(aside, path) == 0)
        return PP_OK;
    status = pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    unlink(aside);
    return status;
}

/* Goes on with the log of the run before, where there is one. */
static pp_status open_log(trial *t, pp_error *err)
{
    char path[PATH_MAX], *old = NULL;
    size_t length = 0;
    pp_status status = path_in(t, "log.txt", path, err);
    if (status == PP_OK && pp_fs_exists(path)) status = pp_fs_read(path, &old, &length, err);
    if (status == PP_OK)
        status = replace_file(t, path, old != NULL ? old : "", length, &t->log_file, err);
    if (status == PP_OK && t->log != NULL) t->log->file = t->log_file;
    free(old);
    return status;
}

static pp_status take_directory(trial *t, pp_error *err)
{
    char path[PATH_MAX];
    int replace = holds_run(t) && t->spec->existing == PP_EXISTING_REPLACE;
    pp_status status = pp_generation_claim(t->dir, &t->generation, err);
    /* Only now does a run that is still writing there leave it alone. */
    for (int i = 0; i < N_LEAVINGS && status == PP_OK; i++)
        pp_fs_remove_unfinished(t->dir, leavings[i]);
    if (status == PP_OK && replace) status = remove_run(t, err);
    if (status == PP_OK) status = path_in(t, "job.json", path, err);
    if (status == PP_OK) status = pp_fs_write(path, t->resolved, strlen(t->resolved), err);
    if (status == PP_OK) status = write_run(t, err);
    if (status == PP_OK) status = open_log(t, err);
    return status;
}

pp_status pp__trial_may_write(trial *t, pp_error *err)
{
    t->dir = t->job->output;
    pp_status status = t->rank == 0 ? echo_job(t, err) : PP_OK;
    if (t->rank == 0 && status == PP_OK && holds_run(t)) {
        if (t->spec->existing == PP_EXISTING_REFUSE)
            status = pp_fail(err, PP_E_ARG,
                             "%s: holds a run already; add --resume to go on with it, --overwrite "
                             "to replace it, or --output DIR to keep both",
                             t->dir);
        if (t->spec->existing == PP_EXISTING_RESUME) status = same_job(t, err);
    }
    return pp_comm_agree(t->comm, status, err);
}

pp_status pp__trial_open_directory(trial *t, pp_error *err)
{
    pp_status status = PP_OK;
    if (t->rank == 0) {
        int is_new = !pp_fs_exists(t->dir);
        status = take_directory(t, err);
        if (status != PP_OK && is_new) pp_fs_remove_tree(t->dir, NULL);
    }
    return pp_comm_agree(t->comm, status, err);
}

void pp__trial_close_directory(trial *t)
{
    if (t->metrics != NULL) fclose(t->metrics);
    t->metrics = NULL;
    if (t->log != NULL && t->log->file == t->log_file) t->log->file = NULL;
    if (t->log_file != NULL) fclose(t->log_file);
    t->log_file = NULL;
}

pp_status pp__trial_open_metrics(trial *t, int64_t kept, pp_error *err)
{
    char path[PATH_MAX], *old = NULL;
    pp_status status = path_in(t, "metrics.jsonl", path, err);
    size_t length = 0;
    if (status == PP_OK && kept > 0) status = pp_fs_read(path, &old, &length, err);
    if (status == PP_OK && (int64_t)length < kept)
        status = pp_fail(err, PP_E_IO,
                         "%s: is shorter than it was at the checkpoint (%zu of %" PRId64
                         " bytes); start again with --overwrite",
                         path, length, kept);
    if (status == PP_OK)
        status = replace_file(t, path, old != NULL ? old : "", (size_t)kept, &t->metrics, err);
    free(old);
    return status;
}

void pp__trial_metrics(trial *t, const pp_json_writer *row)
{
    size_t length;
    const char *text = pp_json_text(row, &length);
    if (t->metrics == NULL || text == NULL) return;
    fwrite(text, 1, length, t->metrics);
    fputc('\n', t->metrics);
    fflush(t->metrics);
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
    if (shift != NULL) {
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
        tensors[n++] =
            (pp_tensor){p->name, PP_F32, p->n_dims, {p->shape[0], p->shape[1]}, params + p->offset};
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
    pp_tensor_note notes[] = {
        {"format", "pitprop"}, {"job", t->identity}, {"low_label", low}, {"high_label", high}};
    int n = model_tensors(t, params, tensors);
    pp_status status = path_in(t, file, path, err);
    if (status == PP_OK) status = pp_generation_check(t->dir, t->generation, err);
    if (status == PP_OK) status = pp_tensorfile_write(path, tensors, n, notes, 4, err);
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
        t->spec->backend->download(t->device, params, t->params, bytes);
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
    pp_status status = pp_generation_check(t->dir, t->generation, err);
    if (status == PP_OK) status = write_json(t, "verdict.json", writer, err);
    pp_json_writer_destroy(writer);
    return status;
}
