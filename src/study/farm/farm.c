#include "study/farm/farm.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "claim.h"
#include "stages.h"

#include "base/fs.h"
#include "train/trial.h"
#include "run/run_files.h"

enum {
    MOST_DEATHS = 4, /* of workers that had taken a trial: then it is taken for the culprit */
    NONE_OPEN = -1,  /* all have ended */
    NONE_FREE = -2,  /* others work on those that have not */
    STOPPED = -3
};

typedef struct farm {
    const pp_farm_spec *spec;
    const pp_farm_trial *trials;
    int count;
    int *order;     /* [count] of the trials */
    pp_stage stage; /* that runs */
    pp_comm *group;
    int leads;   /* rank 0 of its group */
    claim held;  /* of the group's trial; leader */
    char *ended; /* [count] leader: known to have ended */
    char *told;  /* [count] rank 0 of the farm: its end has been told */
} farm;

/* ---- files of a study ---- */

static pp_status path_in(const char *directory, const char *id, const char *file,
                         char path[PATH_MAX], pp_error *err)
{
    const char *slash = *file != '\0' ? "/" : "";
    if (snprintf(path, PATH_MAX, "%s/trials/%s%s%s", directory, id, slash, file) < PATH_MAX)
        return PP_OK;
    return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
}

static int has_file(const char *directory, const char *id, const char *file)
{
    char path[PATH_MAX];
    return path_in(directory, id, file, path, NULL) == PP_OK && pp_fs_exists(path);
}

static pp_status read_json(const char *directory, const char *id, const char *file, pp_json **json,
                           pp_error *err)
{
    char path[PATH_MAX], *text = NULL;
    pp_status status = path_in(directory, id, file, path, err);
    if (status == PP_OK) status = pp_fs_read(path, &text, NULL, err);
    if (status == PP_OK) status = pp_json_parse(text, path, json, err);
    free(text);
    return status;
}

static pp_status write_failure(const farm *f, const char *id, const char *text, pp_error *err)
{
    char path[PATH_MAX];
    size_t length;
    pp_json_writer *w = pp_json_writer_create(2);
    if (w == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "error", text);
    pp_json_end_object(w);
    pp_status status = path_in(f->spec->directory, id, "", path, err);
    if (status == PP_OK) status = pp_fs_make_directory(path, err);
    if (status == PP_OK) status = path_in(f->spec->directory, id, PP_RUN_FAILED, path, err);
    const char *json = pp_json_text(w, &length);
    if (status == PP_OK && json == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
    if (status == PP_OK) status = pp_fs_write(path, json, length, err);
    pp_json_writer_destroy(w);
    return status;
}

static pp_trial_state state_of(const char *directory, const char *id)
{
    return has_file(directory, id, PP_RUN_VERDICT)  ? PP_TRIAL_DONE
           : has_file(directory, id, PP_RUN_FAILED) ? PP_TRIAL_FAILED
                                                    : PP_TRIAL_OPEN;
}

pp_status pp_farm_read(const char *directory, const char *id, pp_outcome *outcome, pp_error *err)
{
    pp_outcome o = {.state = state_of(directory, id)};
    pp_json *failure = NULL;
    pp_status status = PP_OK;
    if (o.state == PP_TRIAL_DONE)
        status = read_json(directory, id, PP_RUN_VERDICT, &o.verdict, err);
    if (o.state == PP_TRIAL_FAILED) status = read_json(directory, id, PP_RUN_FAILED, &failure, err);
    if (status == PP_OK && failure != NULL) {
        const pp_json *text = pp_json_get(failure, "error");
        o.error = strdup(text != NULL ? pp_json_string(text) : "");
        if (o.error == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
    }
    pp_json_destroy(failure);
    pp__claim_read(directory, id, &o.seconds, &o.ranks);
    if (status == PP_OK) *outcome = o;
    return status;
}

void pp_outcome_free(pp_outcome *outcome)
{
    pp_json_destroy(outcome->verdict);
    free(outcome->error);
    *outcome = (pp_outcome){.state = PP_TRIAL_OPEN};
}

pp_status pp_farm_reopen(const char *directory, const char *id, pp_error *err)
{
    char path[PATH_MAX];
    pp_status status = path_in(directory, id, PP_RUN_FAILED, path, err);
    return status == PP_OK ? pp_fs_remove_tree(path, err) : status;
}

/* ---- one trial ---- */

static void keep_claim(void *context, const pp_progress *progress)
{
    (void)progress;
    pp__claim_keep(context);
}

/* Every rank of the group parses; those beyond the trial's lanes have nothing to do in it. */
static pp_status parse(const farm *f, const pp_farm_trial *trial, pp_job **job, pp_error *err)
{
    char directory[PATH_MAX];
    int n = trial->patch.count;
    const char **paths = malloc((size_t)(2 * n + 2) * sizeof *paths);
    pp_status status = path_in(f->spec->directory, trial->id, "", directory, err);
    if (paths == NULL) status = pp_fail(err, PP_E_MEMORY, "out of memory");
    if (status == PP_OK) {
        const char **values = paths + n + 1;
        for (int i = 0; i < n; i++) {
            paths[i] = trial->patch.paths[i];
            values[i] = trial->patch.values[i];
        }
        paths[n] = "output";
        values[n] = directory;
        pp_patch patch = {.paths = paths, .values = values, .count = n + 1};
        status = pp_job_parse(f->spec->job, f->spec->origin, &patch, job, err);
    }
    free(paths);
    return pp_comm_agree(f->group, status, err);
}

static pp_status train(farm *f, pp_comm *comm, pp_job *job, int *stopped, pp_error *err)
{
    pp_log log = {.speaks = f->leads, .level = PP_LOG_INFO};
    pp_result result;
    pp_trial_spec spec = {.job = job,
                          .comm = comm,
                          .log = &log,
                          .existing = PP_EXISTING_RESUME,
                          .progress = f->leads ? keep_claim : NULL,
                          .progress_context = &f->held,
                          .stop = f->spec->stop};
    pp_status status = pp_trial_run(&spec, &result, err);
    if (status != PP_OK) return status;
    *stopped = result.stopped;
    pp_result_free(&result);
    return PP_OK;
}

/* Once. Collective over the group. */
static pp_status attempt(farm *f, const pp_farm_trial *trial, int *stopped, pp_error *err)
{
    pp_job *job = NULL;
    pp_comm *comm = NULL;
    pp_status status = parse(f, trial, &job, err);
    if (status != PP_OK) return status;
    int64_t lanes = pp_job_lanes(job);
    int works = pp_comm_rank(f->group) < lanes;
    if (lanes < pp_comm_size(f->group)) status = pp_comm_split(f->group, works, &comm, err);
    if (status == PP_OK && works)
        status = train(f, comm != NULL ? comm : f->group, job, stopped, err);
    pp_comm_destroy(comm);
    pp_job_destroy(job);
    status = pp_comm_agree(f->group, status, err);
    pp_comm_broadcast(f->group, 0, stopped, sizeof *stopped);
    return status;
}

/* Collective: whether the leader of the group has been asked to stop. */
static int is_stopping(const farm *f)
{
    int stops = f->leads && f->spec->stop != NULL && *f->spec->stop;
    pp_comm_broadcast(f->group, 0, &stops, sizeof stops);
    return stops;
}

/* A second time where the first failure may have been the machine's; when it is asked to stop, such
 * a failure is not the trial's. */
static pp_status run_trial(farm *f, const pp_farm_trial *trial, int *stopped, pp_error *err)
{
    double begun = pp_comm_seconds();
    pp_error failure;
    pp_status ended = PP_E_IO, status = PP_OK;
    for (int i = 0; i < PP_FARM_ATTEMPTS && (ended == PP_E_IO || ended == PP_E_MEMORY); i++) {
        ended = attempt(f, trial, stopped, &failure);
        if ((ended != PP_E_IO && ended != PP_E_MEMORY) || !is_stopping(f)) continue;
        if (f->leads) pp__claim_drop(&f->held);
        return pp_fail(err, ended, "%s", failure.text);
    }
    if (f->leads && ended != PP_OK) status = write_failure(f, trial->id, failure.text, err);
    if (f->leads && *stopped)
        pp__claim_drop(&f->held);
    else if (f->leads)
        pp__claim_close(&f->held, pp_comm_seconds() - begun, pp_comm_size(f->group));
    return pp_comm_agree(f->group, status, err);
}

/* ---- the queue ---- */

static pp_status give_up(const farm *f, const char *id, pp_error *err)
{
    char text[128];
    snprintf(text, sizeof text,
             "%d workers ended without a word while they ran it; see log.txt there", MOST_DEATHS);
    return write_failure(f, id, text, err);
}

static int has_ended(farm *f, int i)
{
    if (!f->ended[i]) f->ended[i] = state_of(f->spec->directory, f->trials[i].id) != PP_TRIAL_OPEN;
    return f->ended[i];
}

/* Whether trial i is ours now. Leader. */
static pp_status try_to_take(farm *f, int i, int *ours, pp_error *err)
{
    const char *directory = f->spec->directory, *id = f->trials[i].id;
    pp_status status = pp__claim_take(directory, id, &f->held, err);
    if (status != PP_OK || f->held.number == 0) return status;
    if (pp__claim_deaths(directory, id) >= MOST_DEATHS) status = give_up(f, id, err);
    if (has_ended(f, i)) /* now, or just before it was ours */
        pp__claim_drop(&f->held);
    else
        *ours = 1;
    return status;
}

/* Takes the first trial that is free: its place in the list, or NONE_... Leader. */
static pp_status take(farm *f, int *next, pp_error *err)
{
    *next = NONE_OPEN;
    for (int k = f->stage.first; k < f->stage.first + f->stage.count; k++) {
        int ours = 0, i = f->order[k];
        if (has_ended(f, i)) continue;
        pp_status status = try_to_take(f, i, &ours, err);
        if (status != PP_OK) return status;
        if (ours) {
            *next = i;
            return PP_OK;
        }
        if (!f->ended[i]) *next = NONE_FREE;
    }
    return PP_OK;
}

/* Rank 0 of the farm. */
static pp_status tell(farm *f, pp_error *err)
{
    for (int i = 0; f->spec->ended != NULL && i < f->count; i++) {
        if (f->told[i] || !f->ended[i]) continue;
        pp_outcome outcome;
        pp_status status = pp_farm_read(f->spec->directory, f->trials[i].id, &outcome, err);
        if (status != PP_OK) return status;
        f->spec->ended(f->spec->context, &f->trials[i], &outcome);
        pp_outcome_free(&outcome);
        f->told[i] = 1;
    }
    return PP_OK;
}

/* What the group is to do next, known to all of it. */
static pp_status decide(farm *f, int *next, pp_error *err)
{
    pp_status status = PP_OK;
    if (f->leads && f->spec->stop != NULL && *f->spec->stop)
        *next = STOPPED;
    else if (f->leads)
        status = take(f, next, err);
    if (pp_comm_rank(f->spec->comm) == 0 && status == PP_OK) status = tell(f, err);
    status = pp_comm_agree(f->group, status, err);
    pp_comm_broadcast(f->group, 0, next, sizeof *next);
    return status;
}

static pp_status work(farm *f, int *stopped, pp_error *err)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    for (;;) {
        int next = NONE_OPEN;
        pp_status status = decide(f, &next, err);
        if (status != PP_OK || next == NONE_OPEN) return status;
        if (next == NONE_FREE && f->spec->leaves) return PP_OK;
        if (next == STOPPED) *stopped = 1;
        if (next >= 0) status = run_trial(f, &f->trials[next], stopped, err);
        if (status != PP_OK || *stopped) return status;
        if (next == NONE_FREE) nanosleep(&pause, NULL);
    }
}

/* ---- the farm ---- */

/* Collective: the stages, the same on all ranks. */
static pp_status plan_stages(farm *f, pp_stage *stages, int *n, pp_error *err)
{
    const pp_farm_spec *spec = f->spec;
    int ranks = pp_comm_size(spec->comm), each = spec->ranks_per_trial;
    f->ended = calloc((size_t)f->count, 2);
    f->told = f->ended + f->count;
    f->order = malloc((size_t)f->count * sizeof *f->order);
    *n = f->order != NULL ? pp__stages(f->trials, f->count, ranks, f->order, stages) : 0;
    if (each > 0) { /* as it was asked for, in the order of the list */
        stages[0] = pp__stage(0, f->count, each, ranks);
        for (int i = 0; f->order != NULL && i < f->count; i++)
            f->order[i] = i;
        *n = *n > 0;
    }
    pp_status status = f->ended != NULL && *n > 0 ? PP_OK : PP_E_MEMORY;
    if (status != PP_OK) pp_fail(err, PP_E_MEMORY, "out of memory");
    return pp_comm_agree(spec->comm, status, err);
}

/* Collective. */
static pp_status run_stage(farm *f, pp_stage stage, int *stopped, pp_error *err)
{
    pp_comm *comm = f->spec->comm;
    int rank = pp_comm_rank(comm), ranks = pp_comm_size(comm);
    int64_t groups = stage.groups;
    f->stage = stage;
    pp_status status = pp_comm_split(comm, (int)(rank * groups / ranks), &f->group, err);
    if (status != PP_OK) return status;
    f->leads = pp_comm_rank(f->group) == 0;
    status = pp_comm_agree(comm, work(f, stopped, err), err);
    if (status == PP_OK && rank == 0 && !*stopped) status = tell(f, err);
    int64_t any = *stopped;
    pp_comm_max_i64(comm, &any, 1);
    *stopped = (int)any;
    pp_comm_destroy(f->group);
    f->group = NULL;
    return pp_comm_agree(comm, status, err);
}

static pp_status open_study(const pp_farm_spec *spec, pp_error *err)
{
    static const char *const parts[] = {"claims", "trials"};
    char path[PATH_MAX];
    pp_status status = PP_OK;
    for (int i = 0; i < 2 && status == PP_OK && pp_comm_rank(spec->comm) == 0; i++) {
        if (snprintf(path, sizeof path, "%s/%s", spec->directory, parts[i]) >= PATH_MAX)
            status = pp_fail(err, PP_E_IO, "%s: path is too long", spec->directory);
        if (status == PP_OK) status = pp_fs_make_directory(path, err);
    }
    return pp_comm_agree(spec->comm, status, err);
}

pp_status pp_farm_run(const pp_farm_spec *spec, const pp_farm_trial *trials, int count,
                      int *stopped, pp_error *err)
{
    farm f = {.spec = spec, .trials = trials, .count = count};
    pp_stage stages[PP_STAGES];
    int n = 0;
    *stopped = 0;
    pp_status status = open_study(spec, err);
    if (status != PP_OK || count == 0) return status;
    status = plan_stages(&f, stages, &n, err);
    for (int i = 0; i < n && status == PP_OK && !*stopped; i++)
        status = run_stage(&f, stages[i], stopped, err);
    free(f.order);
    free(f.ended);
    return status;
}
