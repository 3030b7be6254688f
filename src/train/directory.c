/* The run directory: whose it is, and of which job.
 *
 * A run decides on what is there and claims the next generation in one act (checkpoint.h); a run
 * whose generation is not the newest writes and removes nothing any more (pp_fs_guard). One that
 * nobody uses is taken before the data are read, which may take hours; one that holds a run is
 * taken over after that, when there is something to go on with. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trial_internal.h"

#include "train/checkpoint.h"
#include "base/fs.h"
#include "run/run_files.h"

enum { LOOKS = 1000 };

static pp_status check_owner(void *context, pp_error *err)
{
    const trial *t = context;
    return pp_generation_check(t->dir, t->generation, err);
}

/* ---- the job ---- */

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

/* Where a run lies is no part of what it is, nor is where its rows are kept. */
static pp_job anywhere(const pp_job *job)
{
    pp_job bare = *job;
    bare.output = "";
    bare.data.residency = PP_RESIDENCY_AUTO;
    bare.data.memory = PP_AUTO;
    return bare;
}

/* Nor what multiplies in it from here on, nor where its files lie: data are staged to another place
 * in each Slurm job, and their rows tell whether they are the same. */
static char *echo_without_files(const pp_job *job)
{
    static const char *none[] = {""};
    pp_job bare = anywhere(job);
    bare.runtime.blas_kernel = "auto";
    bare.data.files = none;
    bare.data.n_files = 1;
    if (bare.data.n_validation_files > 0) {
        bare.data.validation_files = none;
        bare.data.n_validation_files = 1;
    }
    return echo(&bare);
}

static pp_status echo_job(trial *t, pp_error *err)
{
    pp_job bare = anywhere(t->job);
    t->resolved = echo(t->job);
    t->identity = echo(&bare);
    return t->resolved != NULL && t->identity != NULL ? PP_OK
                                                      : pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* Past the line with this key, which begins with it in quotes after its indent. */
static const char *skip_line(const char *line, const char *key)
{
    if (key == NULL || strncmp(line + strspn(line, " "), key, strlen(key)) != 0) return line;
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

/* Moves both on to the first lines that differ, behind their indents; 0: none do. */
static int find_difference(const char **was, const char **is, const char *but)
{
    for (;;) {
        *was = skip_line(*was, but);
        *is = skip_line(*is, but);
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

/* The window often follows from what was changed, so it is named only where nothing else differs.
 */
static pp_status compare(const char *old, const char *new, const char *path, pp_error *err)
{
    const char *was = old, *is = new;
    int differs = find_difference(&was, &is, "\"window\":");
    if (!differs) {
        was = old;
        is = new;
        differs = find_difference(&was, &is, NULL);
    }
    if (!differs) return PP_OK;
    return pp_fail(err, PP_E_JOB,
                   "%s: the run there was made by another job: it has '%.*s' where this one has "
                   "'%.*s'; go on with the same job, or give this one another --output",
                   path, (int)strcspn(was, "\n"), was, (int)strcspn(is, "\n"), is);
}

static int same_files(const pp_job_data *a, const pp_job_data *b)
{
    if (a->n_files != b->n_files || a->n_validation_files != b->n_validation_files) return 0;
    for (int i = 0; i < a->n_files; i++)
        if (strcmp(a->files[i], b->files[i]) != 0) return 0;
    for (int i = 0; i < a->n_validation_files; i++)
        if (strcmp(a->validation_files[i], b->validation_files[i]) != 0) return 0;
    return 1;
}

pp_status pp__trial_same_job(trial *t, const char *text, const char *path, pp_error *err)
{
    pp_job *job = NULL;
    pp_status status = pp_job_parse(text, path, NULL, &job, err);
    if (status != PP_OK) return status;
    char *was = echo_without_files(job), *is = echo_without_files(t->job);
    if (was == NULL || is == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
    if (status == PP_OK) status = compare(was, is, path, err);
    if (status == PP_OK && !same_files(&job->data, &t->job->data) && !t->moved) {
        t->moved = 1;
        pp_log_write(t->log, PP_LOG_INFO,
                     "data.files: %s now, and %s when the run began: their rows must be the same",
                     t->job->data.files[0], job->data.files[0]);
    }
    free(was);
    free(is);
    pp_job_destroy(job);
    return status;
}

static pp_status same_job_as_there(trial *t, const char *path, pp_error *err)
{
    char *text = NULL;
    pp_status status = pp_fs_read(path, &text, NULL, err);
    if (status == PP_OK) status = pp__trial_same_job(t, text, path, err);
    free(text);
    return status;
}

/* ---- taking it ---- */

/* Whether the run may have the directory, in which `newest` is the newest generation. */
static pp_status may_take(trial *t, int64_t newest, int *holds_run, pp_error *err)
{
    char path[PATH_MAX];
    pp_status status = pp_run_path(t->dir, PP_RUN_JOB, path, err);
    if (status == PP_OK) status = pp_fs_look(path, holds_run, err);
    if (status != PP_OK) return status;
    if (t->spec->existing == PP_EXISTING_REFUSE && (*holds_run || newest > 0))
        return pp_fail(err, PP_E_ARG,
                       "%s: holds a run already; add --resume to go on with it, --overwrite to "
                       "replace it, or --output DIR to keep both",
                       t->dir);
    if (t->spec->existing == PP_EXISTING_RESUME && *holds_run)
        return same_job_as_there(t, path, err);
    return PP_OK;
}

static pp_status look(trial *t, int64_t *newest, pp_error *err)
{
    int holds_run = 0;
    pp_status status = pp_generation_newest(t->dir, newest, err);
    if (status == PP_OK) status = may_take(t, *newest, &holds_run, err);
    t->is_fresh = *newest == 0 && !holds_run;
    return status;
}

/* Characters of the path that exist. */
static size_t existing_part(const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    while (length > 0) {
        memcpy(part, path, length);
        part[length] = '\0';
        if (pp_fs_exists(part)) break;
        while (length > 0 && path[length - 1] != '/')
            length--;
        while (length > 0 && path[length - 1] == '/')
            length--;
    }
    return length;
}

/* Another may change what is there until the generation is ours: then it is looked at again. */
static pp_status claim_directory(trial *t, pp_error *err)
{
    int taken = 0;
    pp_status status = PP_OK;
    for (int i = 0; status == PP_OK && !taken; i++) {
        int64_t newest = 0;
        status = look(t, &newest, err);
        if (status == PP_OK) status = pp_generation_take(t->dir, newest, &taken, err);
        if (status == PP_OK && taken) t->generation = newest + 1;
        if (status == PP_OK && !taken && i == LOOKS)
            status = pp_fail(err, PP_E_IO, "%s: cannot be claimed", t->dir);
    }
    return status;
}

static pp_status remove_run(trial *t, pp_error *err)
{
    char path[PATH_MAX];
    pp_status status = pp_checkpoint_clear(t->dir, t->generation, err);
    for (int i = 0; i < PP_RUN_WRITES && status == PP_OK; i++) {
        status = pp_run_path(t->dir, pp_run_writes[i], path, err);
        if (status == PP_OK) status = pp_fs_remove_if(path, &t->guard, err);
    }
    return status;
}

/* Goes on with the log of the run before, where there is one: in a new file that we keep open, so
 * that a superseded run writes to the old one, which nobody sees any more. */
static pp_status open_log(trial *t, pp_error *err)
{
    char path[PATH_MAX], aside[PATH_MAX + 32], *old = NULL;
    size_t length = 0;
    int exists = 0;
    pp_status status = pp_run_path(t->dir, PP_RUN_LOG, path, err);
    if (status == PP_OK) status = pp_fs_look(path, &exists, err);
    if (status == PP_OK && exists) status = pp_fs_read(path, &old, &length, err);
    if (status != PP_OK) return status;
    snprintf(aside, sizeof aside, "%s.tmp-%ld", path, (long)getpid());
    t->log_file = fopen(aside, "w");
    int ok = t->log_file != NULL && fwrite(old, 1, length, t->log_file) == length &&
             fflush(t->log_file) == 0 && pp_fs_sync(fileno(t->log_file)) == 0;
    if (!ok) status = pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    if (status == PP_OK) status = check_owner(t, err);
    if (status == PP_OK && pp_fs_rename(aside, path) != 0)
        status = pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    if (status != PP_OK && t->log_file != NULL) unlink(aside);
    if (status == PP_OK && t->log != NULL) t->log->file = t->log_file;
    free(old);
    return status;
}

static pp_status take(trial *t, pp_error *err)
{
    char path[PATH_MAX];
    t->existing_part = existing_part(t->dir);
    pp_status status = claim_directory(t, err);
    /* Only now does a run that is still writing there leave it alone. */
    for (int i = 0; i < PP_RUN_WRITES && status == PP_OK; i++)
        pp_fs_remove_unfinished(t->dir, pp_run_writes[i]);
    if (status == PP_OK && t->spec->existing == PP_EXISTING_REPLACE) status = remove_run(t, err);
    if (status == PP_OK) status = pp_run_path(t->dir, PP_RUN_JOB, path, err);
    if (status == PP_OK)
        status = pp_fs_write_if(path, t->resolved, strlen(t->resolved), &t->guard, err);
    return status == PP_OK ? open_log(t, err) : status;
}

/* What the run writes must not be what it reads. */
static pp_status keep_files(trial *t, const char *const *names, int n_names, pp_error *err)
{
    char paths[PP_RUN_WRITES][PATH_MAX];
    const char **files, *outputs[PP_RUN_WRITES];
    int n_files;
    pp_status status = pp_data_expand(t->arena, names, n_names, &files, &n_files, err);
    for (int i = 0; i < PP_RUN_WRITES && status == PP_OK; i++) {
        status = pp_run_path(t->dir, pp_run_writes[i], paths[i], err);
        outputs[i] = paths[i];
    }
    if (status != PP_OK) return status;
    return pp_fs_keep_inputs(outputs, PP_RUN_WRITES, files, n_files, err);
}

static pp_status take_if_free(trial *t, pp_error *err)
{
    int64_t newest = 0;
    const pp_job_data *data = &t->job->data;
    const char *initial = t->job->model.initial;
    pp_status status = echo_job(t, err);
    if (status == PP_OK) status = keep_files(t, data->files, data->n_files, err);
    if (status == PP_OK && data->n_validation_files > 0)
        status = keep_files(t, data->validation_files, data->n_validation_files, err);
    if (status == PP_OK && *initial != '\0') status = keep_files(t, &initial, 1, err);
    if (status == PP_OK) status = look(t, &newest, err);
    return status == PP_OK && t->is_fresh ? take(t, err) : status;
}

pp_status pp__trial_take_free(trial *t, pp_error *err)
{
    t->dir = t->job->output;
    t->guard = (pp_fs_guard){check_owner, t};
    return pp_comm_agree(t->comm, t->rank == 0 ? take_if_free(t, err) : PP_OK, err);
}

pp_status pp__trial_open_directory(trial *t, pp_error *err)
{
    pp_status status = PP_OK;
    if (t->rank == 0) {
        if (t->generation == 0) status = take(t, err);
        if (status == PP_OK) status = pp__trial_write_run(t, err);
    }
    return pp_comm_agree(t->comm, status, err);
}

void pp__trial_close_directory(trial *t)
{
    pp__metrics_close(t->metrics);
    t->metrics = NULL;
    if (t->log != NULL && t->log->file == t->log_file) t->log->file = NULL;
    if (t->log_file != NULL) fclose(t->log_file);
    t->log_file = NULL;
}

/* Directories that are empty go, up to the part that was there before. */
static void remove_directories(const trial *t)
{
    char path[PATH_MAX];
    if (pp_run_path(t->dir, PP_RUN_CHECKPOINTS, path, NULL) != PP_OK) return;
    for (size_t length = strlen(path); length > t->existing_part; length = strlen(path)) {
        char *slash = strrchr(path, '/');
        if (rmdir(path) != 0 || slash == NULL) return;
        *slash = '\0';
    }
}

void pp__trial_leave_directory(trial *t)
{
    char path[PATH_MAX];
    pp_status status = PP_OK;
    if (!t->is_fresh || t->generation == 0) return;
    for (int i = 0; i < PP_RUN_WRITES && status == PP_OK; i++)
        if (pp_run_path(t->dir, pp_run_writes[i], path, NULL) == PP_OK)
            status = pp_fs_remove_if(path, &t->guard, NULL);
    if (status != PP_OK) return; /* it is another's by now */
    pp_generation_leave(t->dir, t->generation);
    remove_directories(t);
}
