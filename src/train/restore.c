#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "origin.h"
#include "trial_internal.h"

#include "pitprop/check.h"
#include "train/checkpoint.h"
#include "run/run_files.h"

/* ---- saving ---- */

/* The small state of a trial, a tensor of bytes in the checkpoint: notes have no checksum. */
typedef struct progress {
    int64_t step, metrics_bytes;
    pp_watch watch;
    pp_history history;
    pp_summary last_look;
    pp__since_look since;
    pp_summary watched;
} progress;

/* What rank 0 puts into a checkpoint. */
typedef struct freight {
    float *params, *state[2]; /* [model size] */
    char *metrics;            /* [METRICS_TAIL] */
} freight;

enum {
    METRICS_TAIL = 1 << 20, /* bytes of metrics.jsonl that a checkpoint holds at most */
    PATIENCE = 3            /* seconds that writing one is tried again */
};

static const char *const state_name[2] = {"optimizer.state.0", "optimizer.state.1"};

static void free_freight(freight *f)
{
    free(f->params);
    free(f->state[0]);
    free(f->state[1]);
    free(f->metrics);
}

enum { FINGERPRINT = 17 };

static const char *write_fingerprint(const trial *t, char text[FINGERPRINT])
{
    snprintf(text, FINGERPRINT, "%016" PRIx64, pp_dataset_fingerprint(t->data));
    return text;
}

enum { KERNEL = 64 };

/* What multiplied: the backend and its kernel. */
static const char *write_kernel(const trial *t, char text[KERNEL])
{
    const pp_backend *backend = t->backend;
    snprintf(text, KERNEL, "%s %s", backend->name, backend->kernel(t->device));
    return text;
}

/* Collective. f is filled on rank 0 only. */
static pp_status collect(trial *t, freight *f, pp_error *err)
{
    size_t bytes = (size_t)t->model->size * sizeof(float);
    int states = pp_update_states(&t->job->optimizer), ok = 1;
    if (t->rank == 0) {
        ok = (f->params = malloc(bytes)) != NULL && (f->metrics = malloc(METRICS_TAIL)) != NULL;
        for (int i = 0; i < states; i++)
            ok = ok && (f->state[i] = malloc(bytes)) != NULL;
    }
    pp_status status = ok ? PP_OK : pp_fail(err, PP_E_MEMORY, "no memory for a checkpoint");
    status = pp_comm_agree(t->comm, status, err);
    if (status != PP_OK) return status;
    if (t->rank == 0) t->backend->download(t->device, f->params, t->params, bytes);
    for (int i = 0; i < states; i++)
        pp_exchange_gather_state(t->exchange, i, 0, f->state[i]);
    pp__trial_gather_running(t);
    return PP_OK;
}

static pp_status write_once(trial *t, freight *f, pp_error *err)
{
    int64_t metrics_bytes;
    pp_status status = pp__metrics_sync(t->metrics, &metrics_bytes, err);
    if (status != PP_OK) return status;
    int64_t tail = pp__metrics_tail(t->metrics, f->metrics, METRICS_TAIL);
    progress p = {t->step,      metrics_bytes, t->watch,          t->history,
                  t->last_look, t->since,      t->watched.summary};
    int64_t sketch_bytes = (int64_t)pp_sketch_bytes(&t->brief);
    char rows[FINGERPRINT];
    const char *origin = pp__origin_text(t->data, t->arena);
    if (origin == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for a checkpoint");
    char kernel[KERNEL];
    pp_tensor_note notes[] = {{"job", t->identity},
                              {"rows", write_fingerprint(t, rows)},
                              {"data", origin},
                              {"kernel", write_kernel(t, kernel)}};
    pp_tensor tensors[7];
    int n = 0;
    tensors[n++] = (pp_tensor){"params", PP_F32, 1, {t->model->size}, f->params};
    for (int i = 0; i < pp_update_states(&t->job->optimizer); i++)
        tensors[n++] = (pp_tensor){state_name[i], PP_F32, 1, {t->model->size}, f->state[i]};
    tensors[n++] = (pp_tensor){"since_epoch", PP_U8, 1, {sketch_bytes}, t->since_epoch};
    tensors[n++] = (pp_tensor){"since_look", PP_U8, 1, {sketch_bytes}, t->since_look};
    tensors[n++] = (pp_tensor){"progress", PP_U8, 1, {sizeof p}, &p};
    tensors[n++] = (pp_tensor){"metrics", PP_U8, 1, {tail}, f->metrics};
    return pp_checkpoint_write(t->dir, t->generation, t->step, t->job->checkpoint.keep, tensors, n,
                               notes, 4, err);
}

/* A disk that is full for a moment only is waited for. */
static pp_status write_freight(trial *t, freight *f, pp_error *err)
{
    const struct timespec pause = {.tv_sec = 1};
    pp_status status = write_once(t, f, err);
    for (int i = 0; status == PP_E_IO && i < PATIENCE; i++) {
        if (pp_generation_is_over(t->dir, t->generation, err)) break;
        nanosleep(&pause, NULL);
        status = write_once(t, f, err);
    }
    return status;
}

pp_status pp__trial_save(trial *t, pp_error *err)
{
    freight f = {0};
    double begun = pp_comm_seconds();
    pp__life_at(t->life, PP_PHASE_CHECKPOINT, t->step);
    pp_status status = collect(t, &f, err);
    if (status == PP_OK) {
        if (t->rank == 0) status = write_freight(t, &f, err);
        status = pp_comm_agree(t->comm, status, err);
    }
    free_freight(&f);
    t->last_save = pp_comm_seconds();
    t->watch_time.checkpoint += t->last_save - begun;
    t->watch_time.checkpoints++;
    if (status == PP_OK && t->rank == 0) pp_idle_forget(t->dir, t->begun_at);
    if (status == PP_OK) pp_log_write(t->log, PP_LOG_DEBUG, "checkpoint at step %" PRId64, t->step);
    return status;
}

/* ---- restoring ---- */

static void say_damaged(void *log, const char *text)
{
    pp_log_write(log, PP_LOG_WARN, "%s; trying the one before", text);
}

/* Checkpoints from before there were fingerprints are taken on trust. */
static pp_status same_rows(const trial *t, const pp_tensorfile *file, pp_error *err)
{
    char now[FINGERPRINT];
    const char *then = pp_tensorfile_note(file, "rows");
    pp__origin origin;
    pp_status status = pp__origin_read(file, t->arena, &origin, err);
    if (status == PP_OK) status = pp__origin_same(&origin, t->info, t->dir, err);
    if (status != PP_OK) return status;
    if (then == NULL || strcmp(then, write_fingerprint(t, now)) == 0) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: the rows are not those that the run in %s has been trained on; put the "
                   "file back, or start again with --overwrite",
                   t->job->data.files[0], t->dir);
}

/* A requeue to another type of CPU goes on, but not with the bits of an undisturbed run. */
static void tell_of_kernel(const trial *t, const pp_tensorfile *file)
{
    char now[KERNEL];
    const char *then = pp_tensorfile_note(file, "kernel");
    if (then == NULL || strcmp(then, write_kernel(t, now)) == 0) return;
    pp_log_write(t->log, PP_LOG_WARN,
                 "%s: the run there multiplied with %s, and goes on with %s: its bits will not be "
                 "those of an undisturbed run; runtime.blas_kernel keeps a kernel for all parts",
                 t->dir, then, now);
}

static const pp_tensor *wanted(const pp_tensorfile *file, const char *name, pp_dtype dtype,
                               int64_t count)
{
    const pp_tensor *tensor = pp_tensorfile_find(file, name);
    if (tensor == NULL || tensor->dtype != dtype || tensor->n_dims != 1 ||
        tensor->shape[0] != count)
        return NULL;
    return tensor;
}

/* Rank 0: checks that the file is of this job and reads the small things. */
static pp_status read_progress(trial *t, const pp_tensorfile *file, progress *p, pp_error *err)
{
    const char *job = pp_tensorfile_note(file, "job");
    const pp_tensor *small = wanted(file, "progress", PP_U8, sizeof *p);
    int64_t bytes = (int64_t)pp_sketch_bytes(&t->brief);
    const pp_tensor *epoch = wanted(file, "since_epoch", PP_U8, bytes);
    const pp_tensor *look = wanted(file, "since_look", PP_U8, bytes);
    int states = pp_update_states(&t->job->optimizer);
    int ok = small != NULL && epoch != NULL && look != NULL && job != NULL &&
             pp__trial_same_job(t, job, t->dir, NULL) == PP_OK &&
             wanted(file, "params", PP_F32, t->model->size) != NULL;
    for (int i = 0; i < states; i++)
        ok = ok && wanted(file, state_name[i], PP_F32, t->model->size) != NULL;
    if (!ok)
        return pp_fail(
            err, PP_E_JOB,
            "%s/checkpoints: the newest checkpoint is of another job or another version of "
            "Pitprop; start again with --overwrite",
            t->dir);
    pp_status status = same_rows(t, file, err);
    if (status != PP_OK) return status;
    memcpy(p, small->data, sizeof *p);
    memcpy(t->since_epoch, epoch->data, (size_t)bytes);
    memcpy(t->since_look, look->data, (size_t)bytes);
    return PP_OK;
}

/* Collective: rank 0 has read a vector, everyone gets it. */
static void spread(trial *t, const pp_tensorfile *file, const char *name, float *vector)
{
    size_t bytes = (size_t)t->model->size * sizeof(float);
    if (t->rank == 0) memcpy(vector, pp_tensorfile_find(file, name)->data, bytes);
    pp_comm_broadcast(t->comm, 0, vector, bytes);
}

static pp_status spread_all(trial *t, const pp_tensorfile *file, pp_error *err)
{
    size_t bytes = (size_t)t->model->size * sizeof(float);
    float *vector = malloc(bytes);
    pp_status status = vector != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "no memory to resume");
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK) {
        spread(t, file, "params", vector);
        t->backend->upload(t->device, t->params, vector, bytes);
        for (int i = 0; i < pp_update_states(&t->job->optimizer); i++) {
            spread(t, file, state_name[i], vector);
            pp_exchange_set_state(t->exchange, i, vector);
        }
    }
    free(vector);
    return status;
}

/* Rank 0: metrics.jsonl as it was at the checkpoint, where there is one. */
static pp_status open_metrics(trial *t, const pp_tensorfile *file, const progress *p, pp_error *err)
{
    const pp_tensor *tail = file != NULL ? pp_tensorfile_find(file, "metrics") : NULL;
    int is_sound = tail != NULL && tail->dtype == PP_U8 && tail->n_dims == 1 &&
                   tail->shape[0] <= p->metrics_bytes;
    pp__metrics_past past = {.kept = p->metrics_bytes,
                             .n_tail = is_sound ? tail->shape[0] : 0,
                             .tail = is_sound ? tail->data : ""};
    return pp__trial_open_metrics(t, &past, err);
}

/* Without a checkpoint that tells, other files may hold other rows. */
static pp_status keep_model(const trial *t, pp_error *err)
{
    char path[PATH_MAX];
    int exists = 0;
    pp_status status = pp_run_path(t->dir, PP_RUN_MODEL, path, err);
    if (status == PP_OK) status = pp_fs_look(path, &exists, err);
    if (status != PP_OK || !exists) return status;
    return pp_fail(err, PP_E_JOB,
                   "%s: the model there was made from other files than %s, and no checkpoint tells "
                   "whether their rows are the same; give this run another --output, or replace "
                   "that one with --overwrite",
                   t->dir, t->job->data.files[0]);
}

/* Rank 0. */
static pp_status read_newest(trial *t, pp_tensorfile **file, progress *p, pp_error *err)
{
    pp_status status = PP_OK;
    if (t->spec->existing == PP_EXISTING_RESUME)
        status = pp_checkpoint_newest(t->dir, file, say_damaged, t->log, err);
    if (status == PP_OK && *file != NULL) status = read_progress(t, *file, p, err);
    if (status == PP_OK && *file != NULL) tell_of_kernel(t, *file);
    if (status == PP_OK && *file == NULL && t->moved) status = keep_model(t, err);
    return status == PP_OK ? open_metrics(t, *file, p, err) : status;
}

pp_status pp__trial_restore(trial *t, pp_error *err)
{
    pp_tensorfile *file = NULL;
    progress p = {0};
    pp_status status = t->rank == 0 ? read_newest(t, &file, &p, err) : PP_OK;
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK) {
        pp_comm_broadcast(t->comm, 0, &p, sizeof p);
        if (p.step > 0) {
            t->step = t->begun_at = p.step;
            t->watch = p.watch;
            t->history = p.history;
            t->last_look = p.last_look;
            t->since = p.since;
            t->watched.summary = p.watched;
            status = spread_all(t, file, err);
        }
    }
    pp_tensorfile_destroy(file);
    return status;
}
