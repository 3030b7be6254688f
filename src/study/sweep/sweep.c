#include "study/sweep/sweep.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/farm/rounds.h"
#include "sweep_internal.h"

#include "base/fs.h"

typedef struct course {
    const pp_sweep_spec *spec;
    const pp_sweep *sweep;
    rounds rounds;
    pp_sweep_table *table; /* rank 0 */
    point *points;         /* [trials] */
    int n_points;
    pp_error write_error; /* of the table while a round ran */
} course;

static const char SANITY[] = "sanity"; /* the trial that goes first */

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* ---- trials ---- */

static int64_t epochs_at(const pp_sweep *s, int rung, int64_t whole)
{
    double share = pow((double)s->eta, (double)(rung + 1 - s->rungs));
    int64_t part = (int64_t)ceil((double)whole * share);
    return part < 1 ? 1 : part;
}

/* The point, its seed, its share of the training, and what is asked of every trial. */
static pp_status trial_of(const pp_sweep *s, const pp_sweep_row *row, pp_arena *arena,
                          pp_farm_trial *trial, pp_error *err)
{
    int n = row->point.count;
    const char **paths = PP_ARENA_NEW(arena, const char *, n + 4);
    const char **values = PP_ARENA_NEW(arena, const char *, n + 4);
    if (paths == NULL || values == NULL) return no_memory(err);
    for (int i = 0; i < n; i++) {
        paths[i] = row->point.paths[i];
        values[i] = row->point.values[i];
    }
    if (s->stops) {
        paths[n] = "monitor.on_collapse";
        values[n++] = "stop";
    }
    if (s->seeds > 1) {
        paths[n] = "seed";
        values[n++] = pp_arena_printf(arena, "%" PRId64, s->job_seed + row->seed);
    }
    if (s->search == SEARCH_ASHA && row->rung < s->rungs - 1) {
        int by_epochs = s->epochs > 0;
        int64_t part = epochs_at(s, row->rung, by_epochs ? s->epochs : s->steps);
        paths[n] = by_epochs ? "training.epochs" : "training.steps";
        values[n++] = pp_arena_printf(arena, "%" PRId64, part);
    }
    for (int i = 0; i < n; i++)
        if (values[i] == NULL) return no_memory(err);
    *trial = (pp_farm_trial){.id = row->id, .patch = {paths, values, n}};
    return PP_OK;
}

/* What a table says: rows that have ended, and how many of them with their cost. */
static int known_of(const pp_sweep_table *t)
{
    int known = 0;
    for (int i = 0; i < t->count; i++)
        known += (t->rows[i].state != PP_TRIAL_OPEN) + !isnan(t->rows[i].seconds);
    return known;
}

/* Workers write it over each other: so that the last one writes all, each looks again after it has
 * written. */
static pp_status keep_table(course *c, pp_error *err)
{
    for (int written = -1;;) {
        pp_status status = pp__table_refresh(c->table, c->spec->directory, c->sweep, err);
        if (status != PP_OK || known_of(c->table) == written) return status;
        written = known_of(c->table);
        status = pp__table_write(c->table, c->spec->directory, err);
        if (status != PP_OK) return status;
    }
}

/* Rank 0, between trials of its own: the table on the disk is never far behind. */
static void tell_end(void *context, const pp_farm_trial *trial, const pp_outcome *outcome)
{
    course *c = context;
    pp_error err;
    pp_log_write(c->spec->log, PP_LOG_INFO, "%s: %s", trial->id,
                 outcome->state == PP_TRIAL_FAILED ? outcome->error : "done");
    if (keep_table(c, &err) != PP_OK) c->write_error = err;
}

/* Runs rows [first, count) of the table. */
static pp_status run_rows(course *c, int first, pp_error *err)
{
    const char *directory = c->spec->directory;
    int n = c->table->count - first;
    pp_farm_trial *trials = PP_ARENA_NEW(c->table->arena, pp_farm_trial, n + 1);
    if (trials == NULL) return no_memory(err);
    pp_status status = PP_OK;
    for (int i = 0; i < n && status == PP_OK; i++)
        status = trial_of(c->sweep, &c->table->rows[first + i], c->table->arena, &trials[i], err);
    if (status == PP_OK) status = pp__table_refresh(c->table, directory, c->sweep, err);
    for (int i = 0; i < n && c->spec->only_failed && status == PP_OK; i++)
        if (c->table->rows[first + i].state == PP_TRIAL_FAILED)
            status = pp_farm_reopen(directory, trials[i].id, err);
    if (status == PP_OK) status = keep_table(c, err);
    if (status == PP_OK) status = pp__round(&c->rounds, trials, n, err);
    return status == PP_OK ? keep_table(c, err) : status;
}

/* ---- searches ---- */

static point point_of(const pp_sweep *s, int64_t n)
{
    if (s->search == SEARCH_GRID) return pp__grid_point(&s->space, n);
    if (s->search == SEARCH_SOBOL) return pp__sobol_point(&s->space, s->seed, n);
    return pp__random_point(&s->space, s->seed, n);
}

/* The same changes as an earlier row: axes that do not count make equal points of a grid. */
static int is_new(const pp_sweep_table *t, int row)
{
    const pp_patch *mine = &t->rows[row].point;
    for (int i = 0; i < row; i++) {
        const pp_patch *other = &t->rows[i].point;
        int equal = other->count == mine->count && t->rows[i].seed == t->rows[row].seed;
        for (int k = 0; equal && k < mine->count; k++)
            equal = strcmp(mine->paths[k], other->paths[k]) == 0 &&
                    strcmp(mine->values[k], other->values[k]) == 0;
        if (equal) return 0;
    }
    return 1;
}

static pp_status plan_fixed(const pp_sweep *s, pp_sweep_table *t, int64_t most, pp_error *err)
{
    int64_t size = s->search == SEARCH_GRID ? pp__grid_size(&s->space) : most;
    if (s->search == SEARCH_GRID && size > s->trials)
        return pp_fail(err, PP_E_JOB,
                       "space: a grid of %" PRId64 " points, and trials is %" PRId64
                       "; raise trials, or give ranges fewer points",
                       size, s->trials);
    for (int64_t n = 0; n < size; n++) {
        point p = point_of(s, n);
        int before = t->count;
        pp_status status = pp__table_add(t, s, &p, (int)n, 0, err);
        if (status != PP_OK) return status;
        if (s->search == SEARCH_GRID && !is_new(t, before)) t->count = before;
    }
    return PP_OK;
}

static double loss_of(const course *c, int index)
{
    double metric = pp__table_metric(c->table, index, 0);
    return c->sweep->less_is_better ? metric : -metric;
}

static pp_status search_tpe(course *c, pp_error *err)
{
    const pp_sweep *s = c->sweep;
    double *loss = malloc((size_t)s->trials * sizeof *loss);
    pp_status status = loss != NULL ? PP_OK : no_memory(err);
    while (status == PP_OK && !c->rounds.stopped && c->n_points < s->trials) {
        int seen = c->n_points, first = c->table->count;
        for (int i = 0; i < seen; i++)
            loss[i] = loss_of(c, i);
        for (int64_t n = seen; n < seen + s->round && n < s->trials && status == PP_OK; n++) {
            point p = seen == 0 ? point_of(s, n)
                                : pp__tpe_point(&s->space, s->seed, n, c->points, loss, seen);
            c->points[c->n_points++] = p;
            status = pp__table_add(c->table, s, &p, (int)n, 0, err);
        }
        if (status == PP_OK) status = run_rows(c, first, err);
    }
    free(loss);
    return status;
}

/* The best 1/eta of the points of a rung go on to the next. */
static pp_status promote(course *c, int *alive, int *n, int rung, pp_error *err)
{
    ranked *order = malloc((size_t)(*n + 1) * sizeof *order);
    if (order == NULL) return no_memory(err);
    for (int i = 0; i < *n; i++) {
        double metric = pp__table_metric(c->table, alive[i], rung);
        double loss = c->sweep->less_is_better ? metric : -metric;
        order[i] = (ranked){loss, alive[i]};
    }
    pp__rank(order, *n);
    int keep = *n / (int)c->sweep->eta;
    *n = keep < 1 ? 1 : keep;
    for (int i = 0; i < *n; i++)
        alive[i] = order[i].index;
    free(order);
    return PP_OK;
}

static pp_status search_asha(course *c, pp_error *err)
{
    const pp_sweep *s = c->sweep;
    int n = (int)s->trials;
    int *alive = malloc((size_t)n * sizeof *alive);
    pp_status status = alive != NULL ? PP_OK : no_memory(err);
    for (int i = 0; status == PP_OK && i < n; i++) {
        alive[i] = i;
        c->points[i] = point_of(s, i);
    }
    for (int rung = 0; rung < s->rungs && status == PP_OK && !c->rounds.stopped; rung++) {
        int first = c->table->count;
        if (rung > 0) status = promote(c, alive, &n, rung - 1, err);
        for (int i = 0; i < n && status == PP_OK; i++)
            status = pp__table_add(c->table, s, &c->points[alive[i]], alive[i], rung, err);
        if (status == PP_OK) status = run_rows(c, first, err);
    }
    free(alive);
    return status;
}

/* ---- the course of a sweep ---- */

/* A short training of the job as it is: what dooms every trial shows before it costs anything. */
static pp_status try_job(course *c, pp_error *err)
{
    static const char *const epochs_path[] = {"training.epochs"}, *const steps_path[] = {
                                                                      "training.steps"};
    static const char *const one[] = {"1"}, *const ten[] = {"10"};
    int by_epochs = c->sweep->epochs > 0;
    pp_farm_trial trial = {.id = SANITY,
                           .patch = {(const char **)(by_epochs ? epochs_path : steps_path),
                                     (const char **)(by_epochs ? one : ten),
                                     c->sweep->steps == 1 ? 0 : 1}};
    pp_outcome o;
    if (c->spec->only_failed) {
        pp_status again = pp_farm_reopen(c->spec->directory, trial.id, err);
        if (again != PP_OK) return again;
    }
    c->rounds.farm.leaves = 0; /* all wait for this one */
    pp_status status = pp__round(&c->rounds, &trial, 1, err);
    c->rounds.farm.leaves = c->spec->leaves;
    if (status != PP_OK || c->rounds.stopped) return status;
    status = pp_farm_read(c->spec->directory, trial.id, &o, err);
    if (status != PP_OK) return status;
    if (o.state == PP_TRIAL_FAILED)
        status = pp_fail(err, PP_E_JOB,
                         "the job fails before anything is changed: %s; mend it, then add "
                         "--only-failed",
                         o.error);
    pp_outcome_free(&o);
    return status;
}

/* The trials that lie there must be of this sweep. */
static pp_status open_study(const course *c, pp_error *err)
{
    char path[PATH_MAX], *old = NULL;
    const char *text = c->sweep->text;
    if (snprintf(path, sizeof path, "%s/sweep.json", c->spec->directory) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", c->spec->directory);
    pp_status status = pp_fs_make_directory(c->spec->directory, err);
    if (status == PP_OK && pp_fs_exists(path)) status = pp_fs_read(path, &old, NULL, err);
    if (status == PP_OK && old != NULL && strcmp(old, text) != 0)
        status = pp_fail(err, PP_E_ARG,
                         "%s: holds another sweep, or one of another job; give this one another "
                         "--output",
                         c->spec->directory);
    if (status == PP_OK && old == NULL) status = pp_fs_write(path, text, strlen(text), err);
    free(old);
    return status;
}

int pp_sweep_has_rounds(const pp_sweep *s)
{
    return s->search == SEARCH_TPE || s->search == SEARCH_ASHA;
}

static pp_status lead(course *c, pp_error *err)
{
    const pp_sweep *s = c->sweep;
    c->table = pp__table_create(s);
    c->points = calloc((size_t)s->trials, sizeof *c->points);
    pp_status status = c->table != NULL && c->points != NULL ? open_study(c, err) : no_memory(err);
    int learns = pp_sweep_has_rounds(s);
    if (status == PP_OK && learns && c->spec->leaves)
        status =
            pp_fail(err, PP_E_ARG, "--no-wait: tpe and asha go by rounds, whose end all wait for");
    if (status == PP_OK) status = try_job(c, err);
    if (status == PP_OK && !c->rounds.stopped) {
        c->rounds.farm.ended = tell_end;
        if (s->search == SEARCH_TPE)
            status = search_tpe(c, err);
        else if (s->search == SEARCH_ASHA)
            status = search_asha(c, err);
        else
            status = plan_fixed(s, c->table, s->trials, err);
        if (status == PP_OK && !learns) status = run_rows(c, 0, err);
    }
    pp__rounds_end(&c->rounds);
    if (status == PP_OK && c->write_error.code != PP_OK)
        status = pp_fail(err, c->write_error.code, "%s", c->write_error.text);
    return status;
}

pp_status pp_sweep_run(const pp_sweep_spec *spec, pp_sweep_table **table, int *stopped,
                       pp_error *err)
{
    course c = {.spec = spec, .sweep = spec->sweep};
    int rank = pp_comm_rank(spec->comm);
    c.rounds.farm = (pp_farm_spec){.job = spec->sweep->job,
                                   .origin = spec->sweep->origin,
                                   .directory = spec->directory,
                                   .ranks_per_trial = spec->sweep->ranks_per_trial,
                                   .comm = spec->comm,
                                   .log = spec->log,
                                   .stop = spec->stop,
                                   .leaves = spec->leaves,
                                   .context = &c};
    *table = NULL;
    pp_status status = rank == 0 ? lead(&c, err) : pp__rounds_serve(&c.rounds, err);
    status = pp_comm_agree(spec->comm, status, err);
    *stopped = c.rounds.stopped;
    free(c.points);
    if (status == PP_OK)
        *table = c.table;
    else
        pp_sweep_table_destroy(c.table);
    return status;
}

pp_status pp_sweep_plan(const pp_sweep *s, pp_sweep_table **table, pp_error *err)
{
    pp_sweep_table *t = pp__table_create(s);
    if (t == NULL) return no_memory(err);
    int64_t first = s->search == SEARCH_TPE && s->round < s->trials ? s->round : s->trials;
    pp_status status = plan_fixed(s, t, first, err);
    if (status == PP_OK)
        *table = t;
    else
        pp_sweep_table_destroy(t);
    return status;
}

pp_status pp_sweep_reopen(const char *directory, pp_error *err)
{
    char path[PATH_MAX];
    pp_sweep_table *t = NULL;
    if (snprintf(path, sizeof path, "%s/results.jsonl", directory) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
    pp_status status = pp_farm_reopen(directory, SANITY, err);
    if (status == PP_OK && pp_fs_exists(path)) status = pp_sweep_read(directory, &t, err);
    for (int i = 0; t != NULL && i < t->count && status == PP_OK; i++)
        if (t->rows[i].state == PP_TRIAL_FAILED)
            status = pp_farm_reopen(directory, t->rows[i].id, err);
    pp_sweep_table_destroy(t);
    return status;
}
