/* What `check` and `train` warn of in a job is an expectation, and `why` has the experiments: each
 * warning is told with what a change that takes it away makes of the job. */
#include <stdio.h>
#include <string.h>

#include "study/why/why_internal.h"

typedef struct listing {
    pp_arena *arena;
    pp_why_warning *list; /* NULL: only counted */
    int n, room;
    const char *path; /* of those that are counted */
} listing;

static void keep(void *context, const char *path, const char *text)
{
    listing *l = context;
    if (l->n == l->room) return;
    l->list[l->n++] = (pp_why_warning){.path = pp_arena_strdup(l->arena, path),
                                       .text = pp_arena_strdup(l->arena, text),
                                       .heeded_by = -1};
}

static void count(void *context, const char *path, const char *text)
{
    listing *l = context;
    (void)text;
    l->n += strcmp(path, l->path) == 0;
}

static void ignore(void *context, const char *path, const char *text)
{
    (void)context, (void)path, (void)text;
}

pp_status pp__keep_warnings(const why_plan *p, pp_why *w, pp_error *err)
{
    listing l = {.arena = p->arena, .room = pp_job_lint(p->job, ignore, NULL)};
    l.list = PP_ARENA_NEW(p->arena, pp_why_warning, l.room + 1);
    if (l.list == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_job_lint(p->job, keep, &l);
    for (int i = 0; i < l.n; i++)
        if (l.list[i].path == NULL || l.list[i].text == NULL)
            return pp_fail(err, PP_E_MEMORY, "out of memory");
    w->warnings = l.list;
    w->n_warnings = l.n;
    return PP_OK;
}

/* The job with the patch is not warned of at that place any more. */
static int takes_away(const why_plan *p, const pp_patch *patch, const char *path)
{
    pp_job *job = NULL;
    listing l = {.path = path};
    if (pp_job_parse(p->spec->job, p->spec->origin, patch, &job, NULL) != PP_OK) return 0;
    if (pp_job_resolve(job, &p->facts, NULL) == PP_OK)
        pp_job_lint(job, count, &l);
    else
        l.n = 1;
    pp_job_destroy(job);
    return l.n == 0;
}

/* A change of one cause, trained to its end. */
static int is_single(const pp_experiment *e)
{
    return e->cause != NULL && e->with[0] == NULL && !e->on_reference && e->repeats == NULL &&
           !e->walk && e->share >= 1 && !e->failed;
}

static int best_without(const why_plan *p, const pp_why *w, const char *path)
{
    int best = -1;
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (is_single(e) && (best < 0 || e->score > w->experiments[best].score) &&
            takes_away(p, &e->patch, path))
            best = i;
    }
    return best;
}

static void say(const pp_why_warning *of, pp_why *w)
{
    size_t used = strlen(w->sentence), room = sizeof w->sentence - used;
    const pp_experiment *e = of->heeded_by >= 0 ? &w->experiments[of->heeded_by] : NULL;
    int n = snprintf(w->sentence + used, room, " `train` warns of %s: %s.", of->path, of->text);
    if (n < 0 || (size_t)n >= room) {
        w->sentence[used] = '\0'; /* no half of it */
        return;
    }
    used += (size_t)n;
    room -= (size_t)n;
    if (of->is_settled)
        snprintf(w->sentence + used, room, " The remedy settles that.");
    else if (e == NULL)
        snprintf(w->sentence + used, room, " No change that heeds it was tried to its end.");
    else
        snprintf(w->sentence + used, room, " With '%s', which heeds it, the score is %.3f%s.",
                 e->label, e->score, e->repaired ? "" : ": that does not repair the job");
}

void pp__settle_warnings(const why_plan *p, pp_why *w)
{
    for (int i = 0; i < w->n_warnings; i++) {
        pp_why_warning *of = &w->warnings[i];
        of->is_settled =
            w->remedy >= 0 && takes_away(p, &w->experiments[w->remedy].patch, of->path);
        of->heeded_by = best_without(p, w, of->path);
        if (!w->experiments[PP_WHY_JOB].failed) say(of, w);
    }
}
