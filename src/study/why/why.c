#include "study/why/why.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "why_run.h"

#include "base/fs.h"
#include "json/json_arena.h"
#include "run/run_files.h"

enum {
    KEEP_ONE_OF = 6, /* of the probes of a round that is shorter than the job go on to the next */
    LONGER = 4,      /* which is so many times as long */
    MOST_PARTS = 64,
    MOST_PAIRS = 60
};

/* Multiply-adds of one core, for what is told before anything is timed. */
static const double work_a_second = 1e10;
/* Of what is left of the budget, for the controls of a round after the first. */
static const double share_for_controls = 0.3;

/* ---- rank 0 ---- */

/* The job with the remedy, ready to run. */
static pp_status write_fixed(const why *w, pp_error *err)
{
    if (w->result->remedy < 0) return PP_OK;
    pp_patch remedy;
    pp_job *job;
    pp_status status =
        pp__for_whole(w, &w->result->experiments[w->result->remedy].patch, &remedy, err);
    if (status == PP_OK) status = pp_job_parse(w->asked->job, w->asked->origin, &remedy, &job, err);
    if (status != PP_OK) return status;
    job->name = pp_arena_printf(job->arena, "%s-fixed", job->name);
    job->output = "";
    pp_json_writer *writer = pp_json_writer_create(2);
    if (writer == NULL || job->name == NULL) {
        status = pp_fail(err, PP_E_MEMORY, "out of memory");
    } else {
        pp_job_echo(job, writer);
        status = pp__write_text(w, PP_RUN_FIXED, writer, err);
    }
    pp_json_writer_destroy(writer);
    pp_job_destroy(job);
    return status;
}

/* ---- how the budget is spent ---- */

/* So that the list costs no more than that; at most MOST_PARTS. */
static int parts_for(double work, double allowed)
{
    int parts = 1;
    while (parts < MOST_PARTS && work / parts > allowed)
        parts *= 2;
    return parts;
}

typedef struct rank_of {
    int index, is_best; /* of the probes of its cause */
    double likely, sign;
} rank_of;

static int most_likely_first(const void *left, const void *right)
{
    const rank_of *x = left, *y = right;
    if (x->is_best != y->is_best) return y->is_best - x->is_best;
    if (x->likely != y->likely) return x->likely < y->likely ? 1 : -1;
    if (x->sign != y->sign) return x->sign < y->sign ? 1 : -1;
    return x->index - y->index;
}

/* As the accusation weighs them, at the length that they have had. */
static rank_of rank(const pp_experiment *e, int index)
{
    return (rank_of){
        .index = index, .is_best = 1, .likely = e->collapsed ? 0 : pp__weight(e), .sign = e->sign};
}

static void mark_best(const why *w, rank_of *ranks, int n)
{
    const pp_experiment *e = w->plan.experiments;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            if (k != i && strcmp(e[ranks[i].index].cause, e[ranks[k].index].cause) == 0 &&
                most_likely_first(&ranks[k], &ranks[i]) < 0)
                ranks[i].is_best = 0;
}

/* The most likely of the probes in list [n], the best of each cause before the others, as many as
 * `allowed` bears; how many. Before the last round what one whole training costs is kept back. */
static int survivors(const why *w, int *list, int n, int parts, double allowed)
{
    rank_of ranks[WHY_MOST];
    int probes = 0, kept = 0;
    double work = 0;
    for (int i = 0; i < n; i++) {
        const pp_experiment *e = &w->plan.experiments[list[i]];
        if (e->cause == NULL || e->on_reference || e->failed) continue;
        ranks[probes++] = rank(e, list[i]);
    }
    mark_best(w, ranks, probes);
    qsort(ranks, (size_t)probes, sizeof *ranks, most_likely_first);
    int wanted = probes / KEEP_ONE_OF > 2 ? probes / KEEP_ONE_OF : 2;
    double reserve = parts > 1 && probes > 0 ? w->plan.experiments[ranks[0].index].work : 0;
    for (int i = 0; i < probes && kept < wanted; i++) {
        double more = w->plan.experiments[ranks[i].index].work / parts;
        int is_only_one = kept == 0 && parts == 1;
        if (!is_only_one && work + more + reserve > allowed) break;
        work += more;
        list[kept++] = ranks[i].index;
    }
    return kept;
}

/* Adds the controls of a group that have not had all of their training, at 1/parts of it, where
 * they all together cost no more than `allowed`; what they cost. */
static double add_controls(const why *w, const int *group, int size, int parts, double allowed,
                           int *list, int *n)
{
    int added = 0;
    double work = 0;
    for (int i = 0; i < size; i++) {
        const pp_experiment *e = &w->plan.experiments[group[i]];
        if (e->failed || e->share * parts >= 1) continue;
        list[*n + added++] = group[i];
        work += e->work / parts;
    }
    if (work > allowed) return 0;
    *n += added;
    return work;
}

/* What the next round compares with is trained as long as what it compares: the recipes together,
 * as one says nothing without the others; other seeds; and the recipes without a cause in the data.
 */
static int next_controls(const why *w, int parts, int *list, double *work)
{
    static const int recipes[] = {PP_WHY_REFERENCE, PP_WHY_PERMUTED, PP_WHY_LINEAR};
    static const int seeds[] = {PP_WHY_SEED_1, PP_WHY_SEED_2};
    double allowed = share_for_controls * pp__rest(w);
    int n = 0;
    *work = add_controls(w, recipes, 3, parts, allowed, list, &n);
    *work += add_controls(w, seeds, 2, parts, allowed - *work, list, &n);
    for (int i = PP_WHY_LINEAR + 1; i < w->plan.count; i++)
        if (w->plan.experiments[i].on_reference && w->plan.experiments[i].share > 0)
            *work += add_controls(w, &i, 1, parts, allowed - *work, list, &n);
    return n;
}

/* Of the next round, *parts of whose training is one: the best of list [n], and the controls; how
 * many. Where no probe can be had on the way it is straight to the last round. */
static int next_round(const why *w, int *list, int n, int *parts)
{
    int controls[WHY_MOST], n_controls, left;
    double work;
    *parts = *parts > LONGER ? *parts / LONGER : 1;
    for (;;) {
        n_controls = next_controls(w, *parts, controls, &work);
        left = survivors(w, list, n, *parts, pp__rest(w) - work);
        if (left > 0 || *parts == 1) break;
        *parts = 1;
    }
    memcpy(list + left, controls, sizeof *list * (size_t)n_controls);
    return left + n_controls;
}

/* Successive halving: all of the list for a part of their training, the best for longer, until some
 * have had all of it. list [WHY_MOST] is overwritten. */
static pp_status halve(why *w, int *list, int n, double allowed, pp_error *err)
{
    int parts = parts_for(pp__work_of_list(w, list, n), allowed);
    for (;;) {
        pp_status status = pp__experiment(w, list, n, parts, err);
        if (status != PP_OK || w->rounds.stopped || parts == 1) return status;
        n = next_round(w, list, n, &parts);
        if (n == 0) return PP_OK;
    }
}

/* ---- the course of events ---- */

static pp_status read_known(why *w, pp_error *err)
{
    const char *text = w->spec->verdict;
    pp_outcome known = {.state = PP_TRIAL_DONE};
    pp_status status = pp_json_parse(text, PP_RUN_VERDICT, &known.verdict, err);
    pp_experiment *job = &w->plan.experiments[PP_WHY_JOB];
    if (status == PP_OK)
        status = pp__measure(job, &known, w->spec->run, &w->plan.yardstick, w->plan.arena, err);
    job->share = 1;
    w->plan.verdict = known.verdict;
    w->result->count = w->plan.count;
    return status;
}

/* What is ahead, before anything runs: by the size of the job, as nothing has been timed. */
static pp_status tell_plan(why *w, pp_error *err)
{
    int first = w->plan.count;
    double seconds = w->plan.job_work / work_a_second, budget = w->result->budget;
    pp_status status = pp__plan_singles(&w->plan, err); /* to count them: what they are to be is
                                                           seen when the job has run */
    pp_log_write(w->spec->log, PP_LOG_INFO,
                 "the job once, then some %d experiments and what they lead to, for at most %.3g "
                 "times its training: by their size about %.2g and %.2g s of one core",
                 w->plan.count - 1, budget, seconds, budget * seconds);
    w->plan.count = first;
    return status;
}

/* What is ahead at most, once it is known how long the job takes; of one rank. */
static void tell_price(const why *w, double seconds)
{
    double budget = w->result->budget, ranks = (double)pp_comm_size(w->spec->comm);
    if (!isfinite(seconds)) return;
    pp_log_write(w->spec->log, PP_LOG_INFO,
                 "one training took %.2g s of one rank; experiments may cost up to %.3g trainings, "
                 "about %.2g s on %.0f rank%s (--budget)",
                 seconds, budget, budget * seconds / ranks, ranks, ranks > 1 ? "s" : "");
}

static pp_status run_job(why *w, pp_error *err)
{
    const int job = PP_WHY_JOB;
    pp_status status = tell_plan(w, err);
    if (status != PP_OK) return status;
    if (w->spec->verdict != NULL && !w->plan.holds_out) return read_known(w, err);
    status = pp__experiment(w, &job, 1, 1, err);
    if (status != PP_OK || w->rounds.stopped) return status;
    pp_outcome outcome;
    status = pp_farm_read(w->study, "job", &outcome, err);
    if (status != PP_OK) return status;
    w->plan.verdict = outcome.verdict;
    tell_price(w, outcome.seconds * outcome.ranks);
    free(outcome.error);
    return PP_OK;
}

/* Experiments from `first` on that have not had all of their training, by place. */
static int list_from(const why *w, int first, int *list)
{
    int n = 0;
    for (int i = first; i < w->plan.count; i++)
        if (w->plan.experiments[i].share < 1) list[n++] = i;
    return n;
}

static pp_status probe(why *w, int first, double share_of_budget, pp_error *err)
{
    int list[WHY_MOST], n = list_from(w, first, list);
    pp_status status = halve(w, list, n, share_of_budget * pp__rest(w), err);
    w->result->count = w->plan.count;
    if (status == PP_OK) pp__find_repairs(w->result, w->plan.experiments);
    return status;
}

typedef pp_status (*combine_fn)(why_plan *p, int most, pp_error *err);

static pp_status try_together(why *w, combine_fn combine, pp_error *err)
{
    int first = w->plan.count;
    if (pp__rest(w) < 1) return PP_OK; /* not even one at full length */
    pp_status status = combine(&w->plan, MOST_PAIRS, err);
    if (status == PP_OK && w->plan.count > first) status = probe(w, first, 0.5, err);
    return status;
}

/* What the survey of the rows suggests is tried at full length, where the budget bears it. */
static pp_status try_surveyed(why *w, pp_error *err)
{
    int list[WHY_MOST], first = w->plan.count;
    pp_status status = pp__plan_surveyed(&w->plan, err);
    int n = list_from(w, first, list);
    if (status == PP_OK && n > 0 && pp__work_of_list(w, list, n) <= pp__rest(w))
        status = pp__experiment(w, list, n, 1, err);
    return status;
}

static int goes_on(const why *w, pp_status status)
{
    return status == PP_OK && !w->rounds.stopped;
}

static pp_status open_result(why *w, pp_error *err)
{
    pp_why *result = w->result;
    pp_status status = pp__plan_controls(&w->plan, err);
    result->experiments = w->plan.experiments;
    result->rows = w->plan.rows;
    result->inputs = w->plan.inputs;
    result->holds_out = w->plan.holds_out;
    result->n_named = pp__plan_named(&w->plan, result->named, PP_WHY_ACCUSED);
    result->budget = w->spec->budget > 0
                         ? w->spec->budget
                         : fmax(PP_WHY_BUDGET, PP_WHY_LEAST_WORK / w->plan.job_work);
    if (status == PP_OK) status = pp__keep_warnings(&w->plan, result, err);
    return status == PP_OK ? pp__keep_findings(&w->plan, result, err) : status;
}

/* A job that is sound with its own seed and not with another is looked at where it fails. */
static void choose_base(why *w)
{
    pp_why *result = w->result;
    if (!pp__is_healthy(result)) return;
    for (int k = PP_WHY_SEED_1; k < WHY_SEEDS && result->base == PP_WHY_JOB; k++) {
        if (pp__fails_at_seed(result, k) != 1) continue;
        const pp_experiment *failing = pp__with_seed(result, k);
        result->base = (int)(failing - w->plan.experiments);
        w->plan.seed = failing->patch.values[failing->patch.count - 1];
    }
}

static pp_status several(why *w, combine_fn combine, pp_error *err)
{
    pp_status status = try_together(w, combine, err);
    return goes_on(w, status) ? pp__confirm(w, err) : status;
}

/* Changes one by one, in pairs, back from the reference, by threes: until the job is repaired. */
static pp_status try_changes(why *w, int first, pp_error *err)
{
    pp_why *result = w->result;
    pp_status status = pp__plan_singles(&w->plan, err);
    if (status == PP_OK) status = probe(w, first, 1.0 / 3, err);
    if (goes_on(w, status) && first == PP_WHY_SEED_1) status = pp__try_seeds(w, err);
    if (goes_on(w, status)) status = pp__confirm(w, err);
    if (!goes_on(w, status) || pp__is_without_signal(result) || pp__is_as_good_as_any(result))
        return status;
    if (!pp__is_well_repaired(result)) status = several(w, pp__plan_pairs, err);
    if (goes_on(w, status) && !pp__is_well_repaired(result)) {
        status = pp__walk_back(w, err);
        if (goes_on(w, status)) status = pp__confirm(w, err);
    }
    if (goes_on(w, status) && !pp__is_repaired(result)) status = several(w, pp__plan_triples, err);
    return status;
}

static pp_status investigate(why *w, pp_error *err)
{
    pp_why *result = w->result;
    pp_status status = open_result(w, err);
    if (status == PP_OK) status = run_job(w, err);
    if (!goes_on(w, status) || w->plan.experiments[PP_WHY_JOB].failed) return status;
    status = try_surveyed(w, err);
    int looks_healthy = !w->plan.experiments[PP_WHY_JOB].collapsed;
    if (looks_healthy && goes_on(w, status)) status = probe(w, PP_WHY_SEED_1, 0.3, err);
    if (looks_healthy && goes_on(w, status)) status = pp__try_seeds(w, err);
    if (!goes_on(w, status)) return status;
    if (looks_healthy && pp__is_healthy(result) && !pp__seeds_disagree(result)) return status;
    if (looks_healthy && pp__data_decide(result) >= 0) return status;
    if (looks_healthy) choose_base(w);
    return try_changes(w, looks_healthy ? w->plan.count : PP_WHY_SEED_1, err);
}

/* As JSON: what does not parse as such is a string. */
static const char *value_text(const char *value, pp_arena *arena)
{
    pp_json *json = NULL;
    if (pp_json_parse(value, "", &json, NULL) != PP_OK)
        return pp_arena_printf(arena, "\"%s\"", value);
    const char *text = pp_json_in_arena(json, arena);
    pp_json_destroy(json);
    return text;
}

/* What the remedy changes, line by line. */
static pp_status write_diff(why *w, pp_error *err)
{
    pp_json *job;
    pp_arena *arena = w->plan.arena;
    const char *diff = "";
    pp_status status = pp_json_parse(w->asked->job, w->asked->origin, &job, err);
    if (status != PP_OK) return status;
    pp_patch whole = {0}, *patch = &whole;
    if (w->result->remedy >= 0)
        status = pp__for_whole(w, &w->result->experiments[w->result->remedy].patch, &whole, err);
    for (int i = 0; status == PP_OK && diff != NULL && i < patch->count; i++) {
        const pp_json *old = pp_json_find(job, patch->paths[i]);
        const char *was = old != NULL ? pp_json_in_arena(old, arena) : NULL;
        const char *is = value_text(patch->values[i], arena);
        if (is == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
        if (strcmp(was != NULL ? was : "null", is) == 0) continue; /* nothing changes */
        if (was != NULL) diff = pp_arena_printf(arena, "%s- %s = %s\n", diff, patch->paths[i], was);
        if (diff != NULL && strcmp(is, "null") != 0)
            diff = pp_arena_printf(arena, "%s+ %s = %s\n", diff, patch->paths[i], is);
    }
    pp_json_destroy(job);
    if (status != PP_OK) return status;
    w->result->diff = diff;
    return diff != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

static pp_status conclude(why *w, pp_error *err)
{
    if (w->rounds.stopped) return pp__write_why(w, err);
    pp__accuse(w->result);
    pp__settle_warnings(&w->plan, w->result);
    pp__say_part(w);
    pp_status status = write_diff(w, err);
    if (status == PP_OK) status = pp__write_why(w, err);
    return status == PP_OK ? write_fixed(w, err) : status;
}

static pp_status lead(why *w, pp_error *err)
{
    pp_status status = investigate(w, err);
    pp__rounds_end(&w->rounds);
    if (status == PP_OK) status = conclude(w, err);
    return status;
}

/* The trials that lie there must be of this job. */
static pp_status open_study(const why *w, pp_error *err)
{
    char path[PATH_MAX + 16], *old = NULL;
    const char *job = w->spec->job;
    pp_status status = PP_OK;
    snprintf(path, sizeof path, "%s/" PP_RUN_JOB, w->study);
    if (pp_fs_exists(path)) status = pp_fs_read(path, &old, NULL, err);
    int other = old != NULL && strcmp(old, job) != 0;
    free(old);
    if (other && !w->spec->replace)
        return pp_fail(err, PP_E_ARG,
                       "%s: holds experiments on another job; add --overwrite to remove them, or "
                       "--output DIR to keep both",
                       w->study);
    if (status == PP_OK && other) status = pp_fs_remove_tree(w->study, err);
    if (status == PP_OK) status = pp_fs_make_directory(w->study, err);
    if (status == PP_OK) status = pp_fs_write(path, job, strlen(job), err);
    return status;
}

static pp_status make_result(why *w, pp_error *err)
{
    pp_arena *arena = pp_arena_create();
    w->result = arena != NULL ? PP_ARENA_NEW(arena, pp_why, 1) : NULL;
    if (w->result == NULL) {
        pp_arena_destroy(arena);
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    }
    w->result->arena = arena;
    w->result->remedy = -1;
    w->result->diff = "";
    return PP_OK;
}

pp_status pp_why_run(const pp_why_spec *spec, pp_why **out, int *stopped, pp_error *err)
{
    why w = {.asked = spec, .spec = spec};
    int rank = pp_comm_rank(spec->comm);
    *out = NULL;
    pp_status status = make_result(&w, err);
    if (snprintf(w.study, sizeof w.study, "%s/why", spec->directory) >= PATH_MAX)
        status = pp_fail(err, PP_E_IO, "%s: path is too long", spec->directory);
    if (status == PP_OK) status = pp__take_part(&w, err);
    w.rounds.farm = (pp_farm_spec){.job = w.spec->job,
                                   .origin = spec->origin,
                                   .directory = w.study,
                                   .comm = spec->comm,
                                   .log = spec->log,
                                   .stop = spec->stop,
                                   .ended = rank == 0 ? pp__tell_end : NULL,
                                   .context = &w};
    if (status == PP_OK && rank == 0) status = open_study(&w, err);
    if (status == PP_OK && rank == 0) status = pp__write_part(&w, err);
    status = pp_comm_agree(spec->comm, status, err);
    if (status == PP_OK) status = pp__plan_open(&w.plan, w.spec, w.result->arena, err);
    if (status == PP_OK) status = rank == 0 ? lead(&w, err) : pp__rounds_serve(&w.rounds, err);
    status = pp_comm_agree(spec->comm, status, err);
    *stopped = w.rounds.stopped;
    pp__plan_close(&w.plan);
    pp_job_destroy(w.whole);
    if (status == PP_OK && rank == 0)
        *out = w.result;
    else
        pp_why_destroy(w.result);
    return status;
}

void pp_why_destroy(pp_why *result)
{
    if (result != NULL) pp_arena_destroy(result->arena); /* it lies in it */
}
