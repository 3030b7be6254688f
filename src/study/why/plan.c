/* The experiments of `why`: controls, single causes, pairs. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "why_internal.h"

#include "pitprop/check.h"

enum {
    MOST_PROBES = 10,    /* of a cause */
    LEAST_TO_SPLIT = 100 /* rows, of which some can be held out where the job holds out none */
};

/* A sign from here on is worth a probe together with others of the kind. */
static const double loud = 0.3;

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* ---- patches ---- */

/* Room for `count` changes. */
static int patch_make(pp_arena *arena, int count, pp_patch *patch)
{
    patch->count = 0;
    patch->paths = PP_ARENA_NEW(arena, const char *, count + 1);
    patch->values = PP_ARENA_NEW(arena, const char *, count + 1);
    return patch->paths != NULL && patch->values != NULL;
}

static void patch_add(pp_patch *patch, const char *path, const char *value)
{
    patch->paths[patch->count] = path;
    patch->values[patch->count++] = value;
}

static void patch_append(pp_patch *patch, const pp_patch *more)
{
    for (int i = 0; i < more->count; i++)
        patch_add(patch, more->paths[i], more->values[i]);
}

/* One sets what the other sets, or what it lies in. */
static int paths_meet(const char *a, const char *b)
{
    size_t length = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
    const char *longer = strlen(a) < strlen(b) ? b : a;
    return strncmp(a, b, length) == 0 && strchr(".[", longer[length]) != NULL;
}

static int patches_meet(const pp_patch *a, const pp_patch *b)
{
    for (int i = 0; i < a->count; i++)
        for (int k = 0; k < b->count; k++)
            if (strcmp(a->paths[i], "seed") != 0 && paths_meet(a->paths[i], b->paths[k])) return 1;
    return 0;
}

/* ---- the job and its data ---- */

static pp_status parse(const why_plan *p, const pp_patch *patch, pp_job **job, pp_error *err)
{
    return pp_job_parse(p->spec->job, p->spec->origin, patch, job, err);
}

static pp_status resolve(why_plan *p, pp_error *err)
{
    const pp_inspection *d = p->data;
    int64_t held_out = d->held_out_rows;
    p->rows = d->rows - held_out;
    double share = pp_job_held_out_share(p->job);
    p->holds_out = held_out == 0 && share == 0 && d->rows >= LEAST_TO_SPLIT;
    if (p->holds_out) share = 0.25; /* as in hold_out */
    if (held_out == 0) p->rows -= (int64_t)(share * (double)d->rows);
    if (p->rows < 1) p->rows = 1;
    p->inputs = d->inputs;
    p->outputs = d->task == PP_TASK_MULTICLASS ? d->classes : d->y_columns;
    p->facts = (pp_job_facts){.rows = p->rows,
                              .x = d->x_shape,
                              .y_columns = d->y_columns,
                              .task = d->task,
                              .classes = d->classes,
                              .window = d->layout.window};
    pp_status status = pp_job_resolve(p->job, &p->facts, err);
    if (status == PP_OK) p->yardstick = pp__yardstick_of(p->job, d, p->arena);
    p->job_work = pp__work_of(p->job, p->rows, p->data->x_shape, p->outputs);
    return status;
}

pp_status pp__plan_open(why_plan *p, const pp_why_spec *spec, pp_arena *arena, pp_error *err)
{
    *p = (why_plan){.spec = spec, .arena = arena};
    pp_status status = parse(p, NULL, &p->job, err);
    if (status == PP_OK) status = pp_inspect(spec->comm, p->job, &p->data, err);
    if (status == PP_OK && p->data != NULL) {
        p->experiments = PP_ARENA_NEW(arena, pp_experiment, WHY_MOST);
        status = p->experiments != NULL ? resolve(p, err) : no_memory(err);
    }
    return pp_comm_agree(spec->comm, status, err);
}

void pp__plan_close(why_plan *p)
{
    pp_inspection_destroy(p->data);
    pp_json_destroy(p->verdict);
    pp_job_destroy(p->job);
}

/* ---- experiments ---- */

static pp_status add(why_plan *p, const pp_experiment *e, pp_error *err)
{
    pp_job *job = NULL;
    PP_CHECK(p->count < WHY_MOST);
    if (e->id == NULL || e->label == NULL) return no_memory(err);
    pp_experiment *added = &p->experiments[p->count];
    *added = *e;
    pp_error refused;
    if (parse(p, &e->patch, &job, &refused) != PP_OK) {
        if (e->cause != NULL) return PP_OK; /* not possible on top of this job */
        return pp_fail(err, PP_E_JOB, "%s: %s", e->label, refused.text);
    }
    added->work = pp__work_of(job, p->rows, p->data->x_shape, p->outputs) / p->job_work;
    pp_job_destroy(job);
    p->count++;
    return PP_OK;
}

pp_status pp__plan_add(why_plan *p, const pp_experiment *e, pp_error *err)
{
    return add(p, e, err);
}

static pp_status add_control(why_plan *p, const char *id, const char *label, const pp_patch *patch,
                             pp_error *err)
{
    return add(p, &(pp_experiment){.id = id, .label = label, .patch = *patch}, err);
}

static pp_status add_seed(why_plan *p, int k, pp_error *err)
{
    pp_patch patch;
    if (!patch_make(p->arena, 1, &patch)) return no_memory(err);
    patch_add(&patch, "seed", pp_arena_printf(p->arena, "%" PRId64, p->job->seed + 1000 + k));
    return add_control(p, pp_arena_printf(p->arena, "seed-%d", k), "another seed", &patch, err);
}

static pp_case case_of(const why_plan *p)
{
    return (pp_case){.job = p->job,
                     .data = p->data,
                     .verdict = p->verdict,
                     .arena = p->arena,
                     .copies = pp_arena_printf(p->arena, "%s/why/copies", p->spec->directory)};
}

pp_status pp__plan_controls(why_plan *p, pp_error *err)
{
    pp_case c = case_of(p);
    pp_patch none = {0}, reference, permuted, linear;
    pp_status status = pp_cause_reference(&c, &reference, err);
    if (status == PP_OK) status = pp_cause_linear(&c, &linear, err);
    if (status == PP_OK && !patch_make(p->arena, reference.count + 1, &permuted))
        status = no_memory(err);
    if (status != PP_OK) return status;
    patch_append(&permuted, &reference);
    patch_add(&permuted, "data.permute_targets", "true");
    status = add_control(p, "job", "the job", &none, err);
    if (status == PP_OK) status = add_seed(p, 1, err);
    if (status == PP_OK) status = add_seed(p, 2, err);
    if (status == PP_OK) status = add_control(p, "reference", "reference", &reference, err);
    if (status == PP_OK)
        status = add_control(p, "permuted", "reference, targets permuted", &permuted, err);
    if (status == PP_OK) status = add_control(p, "linear", "linear model", &linear, err);
    return status;
}

static int is_wanted(const why_plan *p, const char *id)
{
    const char *at = p->spec->causes;
    size_t length = strlen(id);
    if (at == NULL) return 1;
    for (; *at != '\0'; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strcspn(at, ",") == length && strncmp(at, id, length) == 0) return 1;
    return 0;
}

/* What the reference recipe makes of the data without this cause. */
static pp_status add_to_reference(why_plan *p, const pp_experiment *probe, pp_error *err)
{
    const pp_patch *reference = &p->experiments[PP_WHY_REFERENCE].patch;
    pp_experiment e = *probe;
    e.on_reference = 1;
    e.label = pp_arena_printf(p->arena, "reference, %s", probe->label);
    e.id = pp_arena_printf(p->arena, "reference_%s", probe->id);
    if (!patch_make(p->arena, reference->count + probe->patch.count, &e.patch))
        return no_memory(err);
    patch_append(&e.patch, reference);
    patch_append(&e.patch, &probe->patch);
    return add(p, &e, err);
}

static int is_luck(const pp_experiment *e)
{
    return strcmp(e->cause, PP_WHY_LUCK) == 0;
}

/* At the seed where the job fails, if that is not its own. */
static pp_status add_at_seed(why_plan *p, const pp_experiment *probe, pp_error *err)
{
    pp_experiment e = *probe;
    if (p->seed == NULL) return add(p, &e, err);
    if (!patch_make(p->arena, probe->patch.count + 1, &e.patch)) return no_memory(err);
    patch_append(&e.patch, &probe->patch);
    patch_add(&e.patch, "seed", p->seed);
    return add(p, &e, err);
}

/* Probes of a cause, and the copies of the rows that they want. */
static pp_status add_probes(why_plan *p, const pp_cause *cause, pp_error *err)
{
    pp_probe probes[MOST_PROBES];
    pp_case c = case_of(p);
    int n = cause->probes(&c, probes, MOST_PROBES);
    for (int k = 0; k < n; k++) {
        pp_experiment e = {.cause = cause->id,
                           .label = probes[k].label,
                           .id = pp_arena_printf(p->arena, "%s-%d", cause->id, k + 1),
                           .sign = cause->sign(&c),
                           .mended = probes[k].mend != NULL,
                           .patch = probes[k].patch};
        if (e.mended && !pp__make_copy(p, probes[k].mend)) continue;
        if (p->seed != NULL && is_luck(&e)) continue;
        pp_status status = add_at_seed(p, &e, err);
        if (status == PP_OK && cause->in_data) status = add_to_reference(p, &e, err);
        if (status != PP_OK) return status;
    }
    return PP_OK;
}

/* Those that the survey of the rows suggests, or the others. */
static pp_status add_causes(why_plan *p, int surveyed, pp_error *err)
{
    int n_causes;
    pp_status status = PP_OK;
    const pp_cause *causes = pp_causes(&n_causes);
    pp_case c = case_of(p);
    for (int i = 0; i < n_causes && status == PP_OK; i++) {
        if (causes[i].probes == NULL || !is_wanted(p, causes[i].id)) continue;
        int is_suggested = causes[i].in_data && causes[i].sign(&c) >= WHY_SUGGESTED;
        if (is_suggested == surveyed) status = add_probes(p, &causes[i], err);
    }
    return status;
}

pp_status pp__plan_singles(why_plan *p, pp_error *err)
{
    return add_causes(p, 0, err);
}

pp_status pp__plan_surveyed(why_plan *p, pp_error *err)
{
    return add_causes(p, 1, err);
}

int pp__plan_named(const why_plan *p, const char **named, int most)
{
    int n_causes, n = 0;
    const pp_cause *causes = pp_causes(&n_causes);
    pp_case c = case_of(p);
    for (int i = 0; i < n_causes && n < most; i++)
        if (causes[i].probes == NULL && causes[i].sign != NULL && causes[i].sign(&c) >= 0.5)
            named[n++] = causes[i].id;
    return n;
}

/* ---- pairs ---- */

typedef struct pair {
    int a, b;
    double hope;
    int is_loud; /* the best probes of two causes whose signs are loud */
} pair;

static int most_hopeful_first(const void *left, const void *right)
{
    const pair *x = left, *y = right;
    if (x->is_loud != y->is_loud) return y->is_loud - x->is_loud;
    if (x->hope != y->hope) return x->hope < y->hope ? 1 : -1;
    return x->a != y->a ? x->a - y->a : x->b - y->b;
}

static int is_no_part(const pp_experiment *e)
{
    return e->on_reference || e->repeats != NULL || e->walk || e->confirmed < 0;
}

/* A probe that lifts the score, even a little, or the reference's, or that is suspected. */
static double hope(const why_plan *p, int i)
{
    const pp_experiment *e = &p->experiments[i];
    double on_reference = 0;
    if (i + 1 < p->count && p->experiments[i + 1].on_reference &&
        strcmp(p->experiments[i + 1].cause, e->cause) == 0)
        on_reference = p->experiments[i + 1].score - p->experiments[PP_WHY_REFERENCE].score;
    return e->score + e->sign + fmax(0, 2 * on_reference);
}

/* Its sign is loud, and no probe of its cause promises more. */
static int is_loud(const why_plan *p, int i)
{
    const pp_experiment *e = &p->experiments[i];
    if (e->sign < loud) return 0;
    for (int k = PP_WHY_LINEAR + 1; k < p->count; k++) {
        const pp_experiment *other = &p->experiments[k];
        if (k == i || is_no_part(other) || other->with[0] != NULL ||
            strcmp(other->cause, e->cause) != 0)
            continue;
        if (hope(p, k) > hope(p, i) || (hope(p, k) == hope(p, i) && k < i)) return 0;
    }
    return 1;
}

static int has_change(const pp_patch *patch, const char *path, const char *value)
{
    for (int i = 0; i < patch->count; i++)
        if (strcmp(patch->paths[i], path) == 0 && strcmp(patch->values[i], value) == 0) return 1;
    return 0;
}

/* The same three are reached by way of any two of them, and two causes may have one probe. */
static int is_planned(const why_plan *p, const pp_experiment *e)
{
    for (int i = PP_WHY_LINEAR + 1; i < p->count; i++) {
        const pp_experiment *of = &p->experiments[i];
        const pp_patch *other = &of->patch;
        int same = of->with[0] != NULL && !of->walk && of->repeats == NULL &&
                   (of->with[1] != NULL) == (e->with[1] != NULL) && other->count == e->patch.count;
        for (int k = 0; same && k < other->count; k++)
            same = has_change(&e->patch, other->paths[k], other->values[k]);
        if (same) return 1;
    }
    return 0;
}

/* Two experiments as one: singles, or a pair and a single. */
static pp_status add_pair(why_plan *p, const pair *of, pp_error *err)
{
    const pp_experiment *a = &p->experiments[of->a], *b = &p->experiments[of->b];
    int causes = a->with[0] != NULL ? 3 : 2;
    pp_experiment e = {.cause = a->cause,
                       .with = {a->with[0]},
                       .of = {a, b},
                       .label = pp_arena_printf(p->arena, "%s; %s", a->label, b->label),
                       .id = pp_arena_printf(p->arena, "%s_%s", a->id, b->id),
                       .sign = ((causes - 1) * a->sign + b->sign) / causes,
                       .sign_least = fmin(causes == 2 ? a->sign : a->sign_least, b->sign)};
    e.with[causes - 2] = b->cause;
    if (!patch_make(p->arena, a->patch.count + b->patch.count, &e.patch)) return no_memory(err);
    patch_append(&e.patch, &a->patch);
    patch_append(&e.patch, &b->patch);
    return is_planned(p, &e) ? PP_OK : add(p, &e, err);
}

static int may_join(const pp_experiment *a, const pp_experiment *b)
{
    if (is_no_part(a) || is_no_part(b) || b->with[0] != NULL) return 0;
    if (is_luck(a) || is_luck(b)) return 0; /* the start changes with anything else */
    if (strcmp(a->cause, b->cause) == 0) return 0;
    if (a->with[0] != NULL && strcmp(a->with[0], b->cause) == 0) return 0;
    return !patches_meet(&a->patch, &b->patch);
}

static pp_status add_most_hopeful(why_plan *p, pair *pairs, int n, int most, pp_error *err)
{
    pp_status status = PP_OK;
    if (n > 0) qsort(pairs, (size_t)n, sizeof *pairs, most_hopeful_first);
    int end = p->count + most < WHY_MOST ? p->count + most : WHY_MOST;
    for (int i = 0; i < n && p->count < end && status == PP_OK; i++)
        status = add_pair(p, &pairs[i], err);
    return status;
}

pp_status pp__plan_pairs(why_plan *p, int most, pp_error *err)
{
    int first = PP_WHY_LINEAR + 1, singles = p->count, n = 0;
    pair *pairs = malloc(sizeof *pairs * (size_t)singles * (size_t)singles);
    if (pairs == NULL) return no_memory(err);
    for (int a = first; a < singles; a++)
        for (int b = a + 1; b < singles; b++)
            if (may_join(&p->experiments[a], &p->experiments[b]))
                pairs[n++] = (pair){a, b, hope(p, a) + hope(p, b), is_loud(p, a) && is_loud(p, b)};
    pp_status status = add_most_hopeful(p, pairs, n, most, err);
    free(pairs);
    return status;
}

/* Whether the pair's score is among the best of all pairs, and the lowest such place. */
static int is_among_best(const why_plan *p, int pair_index, int best)
{
    int better = 0;
    double hoped = hope(p, pair_index);
    for (int i = PP_WHY_LINEAR + 1; i < p->count; i++)
        if (p->experiments[i].with[0] != NULL && p->experiments[i].with[1] == NULL &&
            !is_no_part(&p->experiments[i]))
            better += hope(p, i) > hoped || (hope(p, i) == hoped && i < pair_index);
    return better < best;
}

pp_status pp__plan_triples(why_plan *p, int most, pp_error *err)
{
    enum { BEST_PAIRS = 8 };
    int first = PP_WHY_LINEAR + 1, count = p->count, n = 0;
    pair *pairs = malloc(sizeof *pairs * (size_t)count * BEST_PAIRS);
    if (pairs == NULL) return no_memory(err);
    for (int a = first; a < count; a++) {
        if (p->experiments[a].with[0] == NULL || !is_among_best(p, a, BEST_PAIRS)) continue;
        for (int b = first; b < count; b++)
            if (may_join(&p->experiments[a], &p->experiments[b]))
                pairs[n++] = (pair){a, b, hope(p, a) + hope(p, b), 0};
    }
    pp_status status = add_most_hopeful(p, pairs, n, most, err);
    free(pairs);
    return status;
}

/* ---- trials ---- */

/* What interrupts a training to look at it is off, except where the training depends on it. */
static void quiet(const pp_job *job, pp_patch *patch)
{
    int watches = job->training.early_stopping > 0 || job->schedule.type == PP_SCHEDULE_PLATEAU;
    patch_add(patch, "monitor.on_collapse", "warn");
    patch_add(patch, "monitor.log_steps", "0");
    if (!watches) patch_add(patch, "monitor.evaluate_epochs", "1e9");
    patch_add(patch, "checkpoint", "{\"every_epochs\": 0, \"every_seconds\": 30}");
}

pp_status pp__plan_trial(const why_plan *p, const pp_experiment *e, int parts, pp_farm_trial *trial,
                         pp_error *err)
{
    pp_job *job;
    pp_status status = parse(p, &e->patch, &job, err);
    if (status != PP_OK) return status;
    if (!patch_make(p->arena, e->patch.count + 6, &trial->patch)) {
        pp_job_destroy(job);
        return no_memory(err);
    }
    if (p->holds_out) patch_add(&trial->patch, "data.validation", "{\"fraction\": 0.25}");
    patch_append(&trial->patch, &e->patch);
    quiet(job, &trial->patch);
    int64_t steps = pp__steps_of(job, p->rows);
    trial->work = pp__work_of(job, p->rows, p->data->x_shape, p->outputs) / parts;
    trial->serial = pp__serial_work_of(job, p->rows) / parts;
    trial->lanes = pp_job_lanes(job);
    trial->id = e->id;
    if (parts > 1) {
        const char *bound = pp_arena_printf(p->arena, "%" PRId64, (steps + parts - 1) / parts);
        trial->id = pp_arena_printf(p->arena, "%s.%d", e->id, parts);
        patch_add(&trial->patch, "training.steps", bound);
    }
    pp_job_destroy(job);
    return PP_OK;
}
