/* From a recipe that works back to the job (delta debugging: Zeller and Hildebrandt 2002,
 * "Simplifying and isolating failure-inducing input"). */
#include <stdio.h>
#include <string.h>

#include "why_run.h"

typedef struct walk {
    why *w;
    const pp_experiment *start; /* the control that works */
    pp__differences d;
    uint32_t kept;                /* differences that the smallest job so far has */
    int smallest;                 /* its experiment; -1: the control itself */
    int by[PP__MOST_DIFFERENCES]; /* probe in place of a difference; 0: the difference itself */
} walk;

static int count_of(uint32_t set)
{
    int n = 0;
    for (; set != 0; set &= set - 1)
        n++;
    return n;
}

/* "the optimiser; the batch" */
static const char *words_of(const walk *v, uint32_t set)
{
    const char *words = "";
    for (int i = 0; i < v->d.n && words != NULL; i++)
        if (set >> i & 1)
            words = pp_arena_printf(v->d.arena, "%s%s%s", words, *words != '\0' ? "; " : "",
                                    v->d.of[i].words);
    return words;
}

/* One more cause of an experiment; there is none where a part has no owner. */
static void add_cause(pp_experiment *e, const char *cause)
{
    if (cause == NULL) return;
    if (e->cause == NULL) {
        e->cause = cause;
        return;
    }
    if (strcmp(e->cause, cause) == 0) return;
    for (int i = 0; i < PP_WHY_WITH; i++) {
        if (e->with[i] != NULL && strcmp(e->with[i], cause) == 0) return;
        if (e->with[i] != NULL) continue;
        e->with[i] = cause;
        return;
    }
}

/* Adds the job with these differences; *index: its experiment, -1: it cannot be. */
static pp_status add_set(walk *v, uint32_t set, const char *id, int *index, pp_error *err)
{
    why_plan *p = &v->w->plan;
    pp_experiment e = {.walk = 1, .id = id, .label = words_of(v, set), .sign = 0.5};
    for (int i = 0; i < v->d.n; i++)
        if (set >> i & 1) add_cause(&e, v->d.of[i].cause);
    if (e.cause == NULL) e.cause = PP_WHY_RECIPE;
    int before = p->count;
    for (*index = before - 1; *index >= 0; --*index)
        if (strcmp(p->experiments[*index].id, id) == 0) return PP_OK; /* tried before */
    if (p->count == WHY_MOST) return PP_OK;
    pp_status status = pp__difference_patch(&v->d, set, 0, &e.patch, err);
    if (status == PP_OK) status = pp__plan_add(p, &e, err);
    if (p->count > before) *index = before;
    return status;
}

static pp_status run_sets(walk *v, const uint32_t *sets, int n, int *found, pp_error *err)
{
    int list[PP__MOST_DIFFERENCES], at[PP__MOST_DIFFERENCES], runs = 0;
    double work = 0;
    pp_status status = PP_OK;
    *found = -1;
    for (int i = 0; i < n && status == PP_OK; i++) {
        const char *id = pp_arena_printf(v->d.arena, "back-%04x", (unsigned)sets[i]);
        int before = v->w->plan.count;
        if (id == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
        status = add_set(v, sets[i], id, &at[i], err);
        if (status == PP_OK && at[i] >= before) {
            list[runs++] = at[i];
            work += v->w->plan.experiments[at[i]].work;
        }
    }
    if (status != PP_OK) return status;
    if (work > pp__rest(v->w)) {
        v->w->plan.count -= runs; /* too dear: they stay away */
        return PP_OK;
    }
    if (runs > 0) status = pp__experiment(v->w, list, runs, 1, err);
    if (status != PP_OK || v->w->rounds.stopped) return status;
    pp__find_repairs(v->w->result, v->w->plan.experiments);
    for (int i = 0; i < n && *found < 0; i++)
        if (at[i] >= 0 && pp__reaches(v->w->result, &v->w->plan.experiments[at[i]], v->start)) {
            *found = i;
            v->smallest = at[i];
        }
    return status;
}

/* Leaves parts of so many differences away, one after another, as long as the rest repairs. */
static pp_status leave_away(walk *v, int size, int *left, pp_error *err)
{
    uint32_t sets[PP__MOST_DIFFERENCES], part = 0;
    int n = 0, in_part = 0, found;
    for (int i = v->d.n - 1; i >= 0; i--) {
        if (!(v->kept >> i & 1)) continue;
        part |= 1u << i;
        if (++in_part < size) continue;
        if ((v->kept & ~part) != 0) sets[n++] = v->kept & ~part;
        part = 0;
        in_part = 0;
    }
    if (part != 0 && (v->kept & ~part) != 0) sets[n++] = v->kept & ~part;
    pp_status status = run_sets(v, sets, n, &found, err);
    *left = status == PP_OK && found >= 0;
    if (*left) v->kept = sets[found];
    return status;
}

static pp_status shrink(walk *v, pp_error *err)
{
    int left;
    pp_status status = PP_OK;
    for (int size = count_of(v->kept) / 2; size >= 1 && status == PP_OK; size /= 2)
        do {
            status = leave_away(v, size, &left, err);
        } while (status == PP_OK && left && count_of(v->kept) > size && !v->w->rounds.stopped);
    return status;
}

/* ---- by the probe of a cause instead ---- */

static void append(pp_patch *patch, const pp_patch *more)
{
    for (int i = 0; i < more->count; i++) {
        patch->paths[patch->count] = more->paths[i];
        patch->values[patch->count++] = more->values[i];
    }
}

/* Differences that no probe stands for. */
static uint32_t plain_parts(const walk *v)
{
    uint32_t parts = v->kept;
    for (int i = 0; i < v->d.n; i++)
        if (v->by[i] > 0) parts &= ~(1u << i);
    return parts;
}

/* The smallest set with probes in place of some of its parts. */
static pp_status add_with_probes(walk *v, const char *id, pp_error *err)
{
    why_plan *p = &v->w->plan;
    pp_experiment e = {.walk = 1, .id = id, .label = words_of(v, plain_parts(v)), .sign = 0.5};
    int room = 0;
    for (int i = 0; i < v->d.n; i++) {
        const pp_experiment *probe = &p->experiments[v->by[i]];
        if (!(v->kept >> i & 1)) continue;
        add_cause(&e, v->by[i] > 0 ? probe->cause : v->d.of[i].cause);
        if (v->by[i] == 0) continue;
        room += probe->patch.count;
        e.label = pp_arena_printf(p->arena, "%s%s%s", probe->label, *e.label != '\0' ? "; " : "",
                                  e.label);
    }
    if (e.cause == NULL) e.cause = PP_WHY_RECIPE;
    pp_status status = pp__difference_patch(&v->d, plain_parts(v), room, &e.patch, err);
    for (int i = 0; i < v->d.n && status == PP_OK; i++)
        if (v->by[i] > 0) append(&e.patch, &p->experiments[v->by[i]].patch);
    return status == PP_OK ? pp__plan_add(p, &e, err) : status;
}

/* A probe of the network is of the job's own. */
static int fits(const walk *v, int part, const pp_experiment *probe)
{
    if (!pp__difference_owns(&v->d.of[part], &probe->patch)) return 0;
    for (int i = 0; i < v->d.n; i++)
        if (plain_parts(v) >> i & 1 && i != part && strcmp(v->d.of[i].path, PP__BODY) == 0 &&
            strncmp(probe->patch.paths[0], "model.", 6) == 0)
            return 0;
    return 1;
}

static int is_single_probe(const pp_experiment *e)
{
    return e->cause != NULL && e->with[0] == NULL && !e->on_reference && !e->walk;
}

/* The smallest set with every probe that fits in place of a part; of_probe [n]: which. */
static pp_status add_all(walk *v, int part, int *of_probe, int *n, pp_error *err)
{
    why_plan *p = &v->w->plan;
    int end = p->count;
    pp_status status = PP_OK;
    *n = 0;
    for (int i = PP_WHY_LINEAR + 1; i < end && status == PP_OK && p->count < WHY_MOST; i++) {
        int before = p->count;
        if (!is_single_probe(&p->experiments[i]) || !fits(v, part, &p->experiments[i])) continue;
        v->by[part] = i;
        const char *id = pp_arena_printf(p->arena, "%s_%s", p->experiments[v->smallest].id,
                                         p->experiments[i].id);
        status = add_with_probes(v, id, err);
        if (p->count > before) of_probe[(*n)++] = i;
    }
    v->by[part] = 0;
    return status;
}

/* A part by the cause with the loudest sign whose probe does as well. */
static pp_status name_part(walk *v, int part, pp_error *err)
{
    why_plan *p = &v->w->plan;
    int first = p->count, of_probe[WHY_MOST], list[WHY_MOST], n;
    double work = 0, loudest = -1;
    pp_status status = add_all(v, part, of_probe, &n, err);
    for (int i = 0; i < n; i++) {
        list[i] = first + i;
        work += p->experiments[first + i].work;
    }
    if (status != PP_OK || n == 0) return status;
    if (work > pp__rest(v->w)) {
        p->count = first;
        return PP_OK;
    }
    status = pp__experiment(v->w, list, n, 1, err);
    if (status != PP_OK || v->w->rounds.stopped) return status;
    pp__find_repairs(v->w->result, p->experiments);
    for (int i = 0; i < n; i++) {
        double sign = p->experiments[of_probe[i]].sign;
        if (!pp__reaches(v->w->result, &p->experiments[list[i]], v->start) || sign <= loudest)
            continue;
        loudest = sign;
        v->smallest = list[i];
        v->by[part] = of_probe[i];
    }
    return PP_OK;
}

static pp_status name_parts(walk *v, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; i < v->d.n && status == PP_OK && !v->w->rounds.stopped; i++)
        if (v->kept >> i & 1) status = name_part(v, i, err);
    return status;
}

pp_status pp__walk_back(why *w, pp_error *err)
{
    why_plan *p = &w->plan;
    int from = pp__working_control(w->result);
    if (from < 0) return PP_OK;
    walk v = {.w = w, .start = &p->experiments[from], .smallest = -1};
    pp_status status = pp__differences_find(p, &v.start->patch, &v.d, err);
    v.kept = (1u << v.d.n) - 1;
    if (status == PP_OK && v.d.n > 1) status = shrink(&v, err);
    if (status == PP_OK && v.smallest >= 0 && !w->rounds.stopped) status = name_parts(&v, err);
    if (v.smallest >= 0) p->experiments[v.smallest].walk = 2;
    w->result->count = p->count;
    pp__differences_free(&v.d);
    return status;
}
