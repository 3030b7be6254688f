/* Running experiments, and what of them is known and written after each round. */
#include "why_run.h"

#include <limits.h>
#include <stdio.h>

#include "base/fs.h"
#include "run/run_files.h"

static pp_status measure(const why *w, pp_experiment *e, const char *id, const pp_outcome *outcome,
                         pp_arena *arena, pp_error *err)
{
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof directory, "%s/trials/%s", w->study, id) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", w->study);
    return pp__measure(e, outcome, directory, &w->plan.yardstick, arena, err);
}

void pp__tell_end(void *context, const pp_farm_trial *trial, const pp_outcome *outcome)
{
    why *w = context;
    pp_experiment e = w->plan.experiments[w->list[trial - w->rounds.trials]];
    pp_error err;
    pp_arena *arena = pp_arena_create();
    w->told++;
    if (arena == NULL || measure(w, &e, trial->id, outcome, arena, &err) != PP_OK) {
        pp_arena_destroy(arena);
        return;
    }
    if (e.failed)
        pp_log_write(w->spec->log, PP_LOG_INFO, "[%d/%d] %s: failed: %s", w->told, w->n, e.label,
                     e.error);
    else
        pp_log_write(w->spec->log, PP_LOG_INFO, "[%d/%d] %s%s%s: score %.3f, %s", w->told, w->n,
                     e.cause != NULL ? e.cause : "", e.cause != NULL ? ": " : "", e.label, e.score,
                     e.verdict);
    pp_arena_destroy(arena);
}

pp_status pp__write_text(const why *w, const char *file, pp_json_writer *writer, pp_error *err)
{
    char path[PATH_MAX];
    size_t length;
    const char *text = pp_json_text(writer, &length);
    if (text == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    if (snprintf(path, sizeof path, "%s/%s", w->spec->directory, file) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", w->spec->directory);
    return pp_fs_write(path, text, length, err);
}

pp_status pp__write_why(const why *w, pp_error *err)
{
    pp_json_writer *writer = pp_json_writer_create(2);
    if (writer == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_json_begin_object(writer, NULL);
    pp_why_write(w->result, writer);
    pp_json_end_object(writer);
    pp_status status = pp__write_text(w, PP_RUN_WHY, writer, err);
    pp_json_writer_destroy(writer);
    return status;
}

static pp_status measure_all(why *w, const int *list, int n, int parts, const pp_farm_trial *trials,
                             pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; i < n && status == PP_OK; i++) {
        pp_experiment *e = &w->plan.experiments[list[i]];
        pp_outcome outcome;
        status = pp_farm_read(w->study, trials[i].id, &outcome, err);
        if (status != PP_OK) break;
        status = measure(w, e, trials[i].id, &outcome, w->plan.arena, err);
        e->share = 1.0 / parts;
        if (list[i] != PP_WHY_JOB) w->result->spent += e->work / parts;
        pp_outcome_free(&outcome);
    }
    w->result->count = w->plan.count;
    if (status == PP_OK) status = pp__write_why(w, err);
    return status;
}

double pp__work_of_list(const why *w, const int *list, int n)
{
    double work = 0;
    for (int i = 0; i < n; i++)
        work += w->plan.experiments[list[i]].work;
    return work;
}

pp_status pp__experiment(why *w, const int *list, int n, int parts, pp_error *err)
{
    pp_farm_trial *trials = PP_ARENA_NEW(w->plan.arena, pp_farm_trial, n + 1);
    if (trials == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) {
        pp_status status =
            pp__plan_trial(&w->plan, &w->plan.experiments[list[i]], parts, &trials[i], err);
        if (status != PP_OK) return status;
    }
    pp_log_write(
        w->spec->log, PP_LOG_INFO,
        "%d experiment%s at 1/%d of full length: %.3g times the job's training; %.3g of %.3g "
        "are spent",
        n, n == 1 ? "" : "s", parts, pp__work_of_list(w, list, n) / parts, w->result->spent,
        w->result->budget);
    w->list = list;
    w->n = n;
    w->told = 0;
    pp_status status = pp__round(&w->rounds, trials, n, err);
    if (status == PP_OK && !w->rounds.stopped) status = measure_all(w, list, n, parts, trials, err);
    return status;
}

double pp__rest(const why *w)
{
    return w->result->budget - w->result->spent;
}
