/* What depends on the seed: one start convicts nobody, and a job that fails at some is told as
 * that.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study/causes/cause_internal.h"
#include "study/why/why_run.h"

enum {
    MOST_ROUNDS = 4,
    FEW_SEEDS = 6, /* that a job is run with where nothing says that it is fragile */
};
/* What seeds of a robust job differ by of its score, and the share of units of a layer that may be
 * off in it. */
static const double fragile_part = 0.1, fragile_share = 0.3;
/* Of the budget that is left, for seeds of a job that looks healthy. */
static const double share_for_seeds = 0.1;

static pp_status run_from(why *w, int first, int *ran, pp_error *err)
{
    int list[WHY_MOST], n = 0;
    double work = 0;
    *ran = 0;
    for (int i = first; i < w->plan.count; i++) {
        list[n++] = i;
        work += w->plan.experiments[i].work;
    }
    if (n == 0) return PP_OK;
    if (work > pp__rest(w)) {
        w->plan.count = first; /* too dear: they stay away */
        return PP_OK;
    }
    pp_status status = pp__experiment(w, list, n, 1, err);
    *ran = status == PP_OK && !w->rounds.stopped;
    if (*ran) pp__find_repairs(w->result, w->plan.experiments);
    return status;
}

/* Experiment i with another seed; 0: the job's own. */
static pp_status add_repeat(why *w, int i, int64_t more, pp_error *err)
{
    why_plan *p = &w->plan;
    const pp_experiment *of = &p->experiments[i];
    int n = of->patch.count;
    pp_experiment e = *of;
    e.repeats = of;
    e.beside = pp__with_seed(w->result, more == 0 ? 0 : (int)(more - 1000));
    e.share = 0;
    e.rows = NULL;
    e.id = pp_arena_printf(p->arena, "%s-seed-%" PRId64, of->id, more);
    e.label = pp_arena_printf(p->arena, "%s, seed %" PRId64, of->label, p->job->seed + more);
    e.patch = (pp_patch){.paths = PP_ARENA_NEW(p->arena, const char *, n + 1),
                         .values = PP_ARENA_NEW(p->arena, const char *, n + 1)};
    if (i == PP_WHY_JOB) e.cause = PP_WHY_LUCK;
    if (e.patch.paths == NULL || e.patch.values == NULL)
        return pp_fail(err, PP_E_MEMORY, "out of memory");
    for (int k = 0; k < n; k++) {
        if (strcmp(of->patch.paths[k], "seed") == 0) continue;
        e.patch.paths[e.patch.count] = of->patch.paths[k];
        e.patch.values[e.patch.count++] = of->patch.values[k];
    }
    if (more != 0) {
        e.patch.paths[e.patch.count] = "seed";
        e.patch.values[e.patch.count++] =
            pp_arena_printf(p->arena, "%" PRId64, p->job->seed + more);
    }
    return p->count < WHY_MOST ? pp__plan_add(p, &e, err) : PP_OK;
}

/* ---- what is accused ---- */

/* Seeds to try an accused change at: those at which the job fails first. */
static int seeds_to_try(const why *w, int64_t *seeds, int most)
{
    const pp_experiment *base = &w->plan.experiments[w->result->base];
    int n = 0;
    if (w->result->base != PP_WHY_JOB) seeds[n++] = 0;
    for (int wanted = 1; wanted >= 0; wanted--)
        for (int k = 1; k < WHY_SEEDS && n < most; k++) {
            int fails = pp__fails_at_seed(w->result, k);
            int is_base = pp__with_seed(w->result, k) == base;
            if (fails == wanted && !is_base) seeds[n++] = 1000 + k;
        }
    return n;
}

/* *says: 1: it holds, -1: it was luck, 0: the budget bears no more. */
static pp_status repeat(why *w, int i, int *says, pp_error *err)
{
    int64_t seeds[3];
    int first = w->plan.count, ran = 0, n = seeds_to_try(w, seeds, 2);
    pp_status status = PP_OK;
    *says = 0;
    for (int k = 0; k < n && status == PP_OK; k++)
        status = add_repeat(w, i, seeds[k], err);
    if (status == PP_OK) status = run_from(w, first, &ran, err);
    if (status != PP_OK) return status;
    *says = ran || n == 0;
    if (!ran || pp__hold_together(w->result, first, w->plan.count)) return PP_OK;
    for (int k = first; k < w->plan.count; k++)
        if (!pp__still_repairs(w->result, &w->plan.experiments[k])) *says = -1;
    return PP_OK;
}

static int is_of_start(const pp_experiment *e)
{
    return strcmp(e->cause, PP_WHY_LUCK) == 0;
}

pp_status pp__confirm(why *w, pp_error *err)
{
    pp_status status = PP_OK;
    for (int round = 0; round < MOST_ROUNDS && status == PP_OK && !w->rounds.stopped; round++) {
        int says, i = pp__accused(w->result);
        if (i < 0 || is_of_start(&w->plan.experiments[i]) || w->plan.experiments[i].confirmed)
            return PP_OK;
        status = repeat(w, i, &says, err);
        w->plan.experiments[i].confirmed = says;
        w->result->count = w->plan.count;
        pp__find_repairs(w->result, w->plan.experiments);
        if (says == 0) return status;
    }
    return status;
}

/* ---- the job itself ---- */

/* Seeds differ by more than rows make them, or many units of the job are off: what dies at one
 * start in ten lives at most others, and looks like this. */
static int is_fragile(const why *w)
{
    pp_case c = {.job = w->plan.job, .verdict = w->plan.verdict};
    const pp_experiment *best = pp__with_seed(w->result, 0), *worst = best;
    double error;
    for (int k = 1; k < WHY_SEEDS && best != NULL; k++) {
        const pp_experiment *e = pp__with_seed(w->result, k);
        if (e != NULL && e->score > best->score) best = e;
        if (e != NULL && e->score < worst->score) worst = e;
    }
    if (best == NULL) return 0;
    double gain = pp__gain(best, worst, &error);
    return gain > fmax(fragile_part * best->score, 2 * error) ||
           pp__most_of_layers(&c, PP_ACT_RELU, "constant_share") >= fragile_share;
}

/* Seeds from the `from`-th to the `to`-th of the job, its own and the two controls counted. */
static pp_status run_seeds(why *w, int from, int to, pp_error *err)
{
    int first = w->plan.count, ran;
    pp_status status = PP_OK;
    for (int k = from; k < to && status == PP_OK; k++)
        status = add_repeat(w, PP_WHY_JOB, 1000 + k, err);
    if (status == PP_OK) status = run_from(w, first, &ran, err);
    w->result->count = w->plan.count;
    return status;
}

pp_status pp__try_seeds(why *w, pp_error *err)
{
    double few = FEW_SEEDS - 1 - PP_WHY_SEED_2, more = WHY_SEEDS - FEW_SEEDS;
    double bears = share_for_seeds * pp__rest(w);
    int is_healthy = pp__is_healthy(w->result);
    if (!pp__seeds_disagree(w->result) && !(is_healthy && few <= bears)) return PP_OK;
    pp_status status = run_seeds(w, PP_WHY_SEED_2 + 1, FEW_SEEDS, err);
    if (status != PP_OK || w->rounds.stopped || pp__seeds_disagree(w->result)) return status;
    return more <= bears && is_fragile(w) ? run_seeds(w, FEW_SEEDS, WHY_SEEDS, err) : status;
}
