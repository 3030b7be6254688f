/* The sweep file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweep_internal.h"

#include "json/json_arena.h"

static const char *const searches[] = {[SEARCH_GRID] = "grid",
                                       [SEARCH_RANDOM] = "random",
                                       [SEARCH_SOBOL] = "sobol",
                                       [SEARCH_TPE] = "tpe",
                                       [SEARCH_ASHA] = "asha"};
enum { N_SEARCHES = sizeof searches / sizeof *searches, MOST_TRIALS = 4000 };

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* ---- members, one function for each kind; fallback where it is absent ---- */

typedef struct reader {
    const pp_json *root;
    pp_arena *arena;
    pp_status status;
    pp_error *err;
} reader;

static const char *read_text(reader *r, const char *key, const char *fallback)
{
    const pp_json *value = pp_json_get(r->root, key);
    if (r->status != PP_OK || value == NULL) return fallback;
    if (pp_json_type_of(value) == PP_JSON_STRING && *pp_json_string(value) != '\0')
        return pp_arena_strdup(r->arena, pp_json_string(value));
    r->status = pp_fail(r->err, PP_E_JOB, "%s: must be a text", key);
    return fallback;
}

static int64_t read_count(reader *r, const char *key, int64_t fallback, int64_t low, int64_t high)
{
    const pp_json *value = pp_json_get(r->root, key);
    int64_t count;
    if (r->status != PP_OK || value == NULL) return fallback;
    if (pp_json_integer(value, &count) && count >= low && count <= high) return count;
    r->status = pp_fail(r->err, PP_E_JOB, "%s: must be an integer from %lld to %lld", key,
                        (long long)low, (long long)high);
    return fallback;
}

static int read_word(reader *r, const char *key, const char *const *words, int n, int fallback)
{
    const char *word = read_text(r, key, words[fallback]);
    for (int i = 0; i < n && word != NULL; i++)
        if (strcmp(word, words[i]) == 0) return i;
    char list[128] = "";
    size_t used = 0;
    for (int i = 0; i < n; i++)
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", words[i]);
    if (r->status == PP_OK)
        r->status = pp_fail(r->err, PP_E_JOB, "%s: must be one of %s", key, list);
    return fallback;
}

static void check_keys(reader *r)
{
    static const char *const known[] = {
        "$schema", "name",   "job",  "output", "space", "search", "trials",          "seeds",
        "seed",    "metric", "goal", "round",  "eta",   "rungs",  "ranks_per_trial", "on_collapse"};
    for (int64_t i = 0; i < pp_json_count(r->root); i++) {
        const char *key = pp_json_key(pp_json_at(r->root, i));
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(known[k], key) != 0)
            k++;
        if (k == sizeof known / sizeof *known && r->status == PP_OK)
            r->status = pp_fail(r->err, PP_E_JOB,
                                "%s: unknown key; known: name, job, output, space, search, trials, "
                                "seeds, seed, metric, goal, round, eta, rungs, ranks_per_trial, "
                                "on_collapse",
                                key);
    }
}

static int is_loss(const char *metric)
{
    static const char *const losses[] = {"loss", "log_loss", "mse", "mae"};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (strcmp(metric, losses[i]) == 0) return 1;
    return 0;
}

static int read_ranks(reader *r)
{
    const pp_json *value = pp_json_get(r->root, "ranks_per_trial");
    if (value != NULL && pp_json_type_of(value) == PP_JSON_STRING &&
        strcmp(pp_json_string(value), "auto") == 0)
        return 0;
    return (int)read_count(r, "ranks_per_trial", 0, 1, 1 << 20);
}

static void read_members(reader *r, pp_sweep *s)
{
    static const char *const goals[] = {"max", "min"};
    static const char *const calls[] = {"stop", "warn"};
    check_keys(r);
    s->name = read_text(r, "name", "sweep");
    s->output = read_text(r, "output", "");
    s->metric = read_text(r, "metric", "skill");
    s->search = (search)read_word(r, "search", searches, N_SEARCHES, SEARCH_RANDOM);
    s->trials =
        read_count(r, "trials", s->search == SEARCH_GRID ? MOST_TRIALS : 16, 1, MOST_TRIALS);
    s->seeds = read_count(r, "seeds", 1, 1, 100);
    s->seed = read_count(r, "seed", 1, 0, (int64_t)1 << 53);
    s->round = read_count(r, "round", 8, 1, MOST_TRIALS);
    s->eta = read_count(r, "eta", 3, 2, 16);
    s->rungs = read_count(r, "rungs", 3, 2, 8);
    s->less_is_better = read_word(r, "goal", goals, 2, s->metric != NULL && is_loss(s->metric));
    s->stops = read_word(r, "on_collapse", calls, 2, 0) == 0;
    s->ranks_per_trial = read_ranks(r);
    if (r->status == PP_OK && (s->name == NULL || s->output == NULL || s->metric == NULL))
        r->status = no_memory(r->err);
}

/* ---- the job ---- */

pp_status pp_sweep_job_path(const char *text, const char *origin, char **path, pp_error *err)
{
    pp_json *root;
    *path = NULL;
    pp_status status = pp_json_parse(text, origin, &root, err);
    if (status != PP_OK) return status;
    const pp_json *job = pp_json_get(root, "job");
    if (job != NULL && pp_json_type_of(job) == PP_JSON_STRING) {
        *path = strdup(pp_json_string(job));
        if (*path == NULL) status = no_memory(err);
    } else if (job == NULL || pp_json_type_of(job) != PP_JSON_OBJECT) {
        status = pp_fail(err, PP_E_JOB, "%s: job: wants the path of a job file, or a job", origin);
    }
    pp_json_destroy(root);
    return status;
}

static const char *embedded_job(const pp_json *root, pp_arena *arena)
{
    pp_json_writer *w = pp_json_writer_create(2);
    if (w != NULL) pp_json_put_value(w, NULL, pp_json_get(root, "job"));
    return pp_json_writer_into_arena(w, arena);
}

/* Each value of an axis at its ends, or each choice, on the job: wrong paths are told before
 * anything runs. Axes that hang on another are tried with it. */
static pp_status try_axis(const pp_sweep *s, int i, int n, pp_error *err)
{
    point p = {{0}};
    pp_patch patch;
    pp_job *job = NULL;
    p.at[i] = s->space.axes[i].kind == AXIS_CHOICE ? pp__axis_place(&s->space.axes[i], n) : n;
    for (int k = i; s->space.axes[k].when >= 0; k = s->space.axes[k].when) {
        const axis *above = &s->space.axes[s->space.axes[k].when];
        for (int c = 0; c < above->count; c++)
            if (strcmp(pp__axis_value(above, pp__axis_place(above, c), s->arena),
                       s->space.axes[k].when_value) == 0)
                p.at[s->space.axes[k].when] = pp__axis_place(above, c);
    }
    if (!pp__space_patch(&s->space, &p, s->arena, &patch)) return no_memory(err);
    pp_status status = pp_job_parse(s->job, s->origin, &patch, &job, err);
    pp_job_destroy(job);
    return status == PP_OK ? PP_OK
                           : pp_fail_within(err, status, "space: %s", s->space.axes[i].path);
}

static pp_status try_axes(const pp_sweep *s, pp_error *err)
{
    for (int i = 0; i < s->space.count; i++) {
        int values = s->space.axes[i].kind == AXIS_CHOICE ? s->space.axes[i].count : 2;
        for (int n = 0; n < values; n++) {
            pp_status status = try_axis(s, i, n, err);
            if (status != PP_OK) return status;
        }
    }
    return PP_OK;
}

static pp_status read_job(pp_sweep *s, pp_error *err)
{
    pp_job *job;
    pp_status status = pp_job_parse(s->job, s->origin, NULL, &job, err);
    if (status != PP_OK) return status;
    s->job_seed = job->seed;
    s->epochs = job->training.epochs;
    s->steps = job->training.steps;
    pp_job_destroy(job);
    double least = pow((double)s->eta, (double)(s->rungs - 1));
    int64_t length = s->epochs > 0 ? s->epochs : s->steps;
    if (s->search == SEARCH_ASHA && (double)length < least)
        return pp_fail(err, PP_E_JOB,
                       "search: asha with %lld rungs of eta %lld wants at least %.0f epochs (or "
                       "steps), and the job has %lld",
                       (long long)s->rungs, (long long)s->eta, least, (long long)length);
    return try_axes(s, err);
}

/* ---- all of it ---- */

static pp_status parse(pp_sweep *s, const pp_json *root, const char *text, const char *job,
                       pp_error *err)
{
    reader r = {.root = root, .arena = s->arena, .err = err};
    if (pp_json_type_of(root) != PP_JSON_OBJECT) return pp_fail(err, PP_E_JOB, "must be an object");
    read_members(&r, s);
    if (r.status == PP_OK)
        r.status = pp__space_read(pp_json_get(root, "space"), s->arena, &s->space, err);
    if (r.status != PP_OK) return r.status;
    s->job = job != NULL ? pp_arena_strdup(s->arena, job) : embedded_job(root, s->arena);
    s->text = pp_arena_printf(s->arena, "%s\n%s", text, s->job != NULL ? s->job : "");
    if (*s->output == '\0') s->output = pp_arena_printf(s->arena, "runs/%s", s->name);
    if (s->job == NULL || s->text == NULL || s->output == NULL) return no_memory(err);
    return read_job(s, err);
}

pp_status pp_sweep_parse(const char *text, const char *origin, const char *job, pp_sweep **sweep,
                         pp_error *err)
{
    pp_arena *arena = pp_arena_create();
    pp_sweep *s = arena != NULL ? PP_ARENA_NEW(arena, pp_sweep, 1) : NULL;
    pp_json *root = NULL;
    if (s == NULL) {
        pp_arena_destroy(arena);
        return no_memory(err);
    }
    s->arena = arena;
    s->origin = pp_arena_strdup(arena, origin);
    pp_status status = s->origin != NULL ? pp_json_parse(text, origin, &root, err) : no_memory(err);
    if (status == PP_OK) {
        status = parse(s, root, text, job, err);
        if (status != PP_OK) pp_fail_within(err, status, "%s", origin);
    }
    pp_json_destroy(root);
    if (status == PP_OK)
        *sweep = s;
    else
        pp_sweep_destroy(s);
    return status;
}

void pp_sweep_destroy(pp_sweep *sweep)
{
    if (sweep != NULL) pp_arena_destroy(sweep->arena); /* it lies in it */
}

const char *pp_sweep_job(const pp_sweep *sweep)
{
    return sweep->job;
}

const char *pp_sweep_directory(const pp_sweep *sweep)
{
    return sweep->output;
}
