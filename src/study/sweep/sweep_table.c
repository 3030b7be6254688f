/* The table of a sweep: rows, what is known of them, and their files. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep_internal.h"

#include "study/causes/cause.h"
#include "base/fs.h"
#include "json/json_arena.h"
#include "run/verdict_file.h"

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* ---- making ---- */

static pp_sweep_table *make(void)
{
    pp_arena *arena = pp_arena_create();
    pp_sweep_table *t = arena != NULL ? PP_ARENA_NEW(arena, pp_sweep_table, 1) : NULL;
    if (t == NULL) {
        pp_arena_destroy(arena);
        return NULL;
    }
    t->arena = arena;
    return t;
}

pp_sweep_table *pp__table_create(const pp_sweep *s)
{
    pp_sweep_table *t = make();
    if (t == NULL) return NULL;
    t->name = pp_arena_strdup(t->arena, s->name);
    t->metric = pp_arena_strdup(t->arena, s->metric);
    t->less_is_better = s->less_is_better;
    t->n_axes = s->space.count;
    t->axes = PP_ARENA_NEW(t->arena, const char *, s->space.count + 1);
    for (int i = 0; t->axes != NULL && i < s->space.count; i++)
        t->axes[i] = pp_arena_strdup(t->arena, s->space.axes[i].path);
    if (t->name != NULL && t->metric != NULL && t->axes != NULL) return t;
    pp_sweep_table_destroy(t);
    return NULL;
}

void pp_sweep_table_destroy(pp_sweep_table *table)
{
    if (table == NULL) return;
    free(table->rows);
    pp_arena_destroy(table->arena); /* it lies in it */
}

static pp_sweep_row *add_row(pp_sweep_table *t)
{
    pp_sweep_row *rows = realloc(t->rows, (size_t)(t->count + 1) * sizeof *rows);
    if (rows == NULL) return NULL;
    t->rows = rows;
    rows[t->count] = (pp_sweep_row){.metric = NAN, .seconds = NAN};
    return &rows[t->count++];
}

static const char *id_of(pp_arena *arena, const pp_sweep *s, int index, int seed, int rung)
{
    char seed_part[24] = "", rung_part[24] = "";
    if (s->seeds > 1) snprintf(seed_part, sizeof seed_part, "-s%d", seed);
    if (s->search == SEARCH_ASHA) snprintf(rung_part, sizeof rung_part, "-r%d", rung);
    return pp_arena_printf(arena, "t%04d%s%s", index, seed_part, rung_part);
}

static const double *places(const pp_sweep *s, const point *p, pp_arena *arena)
{
    double *at = PP_ARENA_NEW(arena, double, s->space.count + 1);
    for (int i = 0; at != NULL && i < s->space.count; i++)
        at[i] = pp__axis_counts(&s->space, p, i, arena) ? p->at[i] : NAN;
    return at;
}

pp_status pp__table_add(pp_sweep_table *t, const pp_sweep *s, const point *p, int index, int rung,
                        pp_error *err)
{
    for (int seed = 0; seed < s->seeds; seed++) {
        pp_sweep_row *row = add_row(t);
        if (row == NULL) return no_memory(err);
        row->id = id_of(t->arena, s, index, seed, rung);
        row->index = index;
        row->seed = seed;
        row->rung = rung;
        row->at = places(s, p, t->arena);
        if (row->id == NULL || row->at == NULL ||
            !pp__space_patch(&s->space, p, t->arena, &row->point))
            return no_memory(err);
    }
    return PP_OK;
}

/* ---- what came out ---- */

static pp_status take_verdict(pp_sweep_table *t, pp_sweep_row *row, const pp_json *verdict,
                              pp_error *err)
{
    pp_verdict_file *file = malloc(sizeof *file);
    if (file == NULL) return no_memory(err);
    if (pp_verdict_file_read(verdict, file)) {
        row->verdict = pp_verdict_name(file->id);
        row->collapsed = file->collapse;
        row->metric = pp_summary_number(pp_verdict_file_judged(file), t->metric);
    }
    free(file);
    return PP_OK;
}

/* The cause that the job itself makes most likely; only signs, no experiment. */
static const char *likely_cause(const pp_sweep *s, const pp_sweep_row *row, const pp_json *verdict)
{
    pp_job *job;
    int count;
    const pp_cause *causes = pp_causes(&count), *best = NULL;
    double sign = 0.5;
    if (pp_job_parse(s->job, s->origin, &row->point, &job, NULL) != PP_OK) return NULL;
    pp_case c = {.job = job, .verdict = verdict, .arena = job->arena};
    for (int i = 0; i < count; i++) {
        double odd = causes[i].sign != NULL ? causes[i].sign(&c) : 0;
        if (odd <= sign) continue;
        sign = odd;
        best = &causes[i];
    }
    pp_job_destroy(job);
    return best != NULL ? best->id : NULL;
}

static pp_status refresh(pp_sweep_table *t, pp_sweep_row *row, const char *directory,
                         const pp_sweep *s, pp_error *err)
{
    pp_outcome o;
    pp_status status = pp_farm_read(directory, row->id, &o, err);
    if (status != PP_OK) return status;
    row->state = o.state;
    row->seconds = o.seconds;
    row->ranks = o.ranks;
    row->error = o.error != NULL ? pp_arena_strdup(t->arena, o.error) : NULL;
    if (o.state == PP_TRIAL_DONE) status = take_verdict(t, row, o.verdict, err);
    if (row->collapsed && s != NULL) row->cause = likely_cause(s, row, o.verdict);
    pp_outcome_free(&o);
    return PP_OK;
}

pp_status pp__table_refresh(pp_sweep_table *t, const char *directory, const pp_sweep *s,
                            pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; i < t->count && status == PP_OK; i++)
        if (t->rows[i].state != PP_TRIAL_DONE || isnan(t->rows[i].seconds))
            status = refresh(t, &t->rows[i], directory, s, err);
    return status;
}

double pp__table_metric(const pp_sweep_table *t, int index, int rung)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < t->count; i++) {
        const pp_sweep_row *row = &t->rows[i];
        if (row->index != index || row->rung != rung || isnan(row->metric)) continue;
        sum += row->metric;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

/* ---- files ---- */

static const char *const states[] = {
    [PP_TRIAL_OPEN] = "open", [PP_TRIAL_DONE] = "done", [PP_TRIAL_FAILED] = "failed"};

static void put_point(pp_json_writer *w, const pp_sweep_row *row)
{
    pp_json_begin_object(w, "point");
    for (int i = 0; i < row->point.count; i++) {
        pp_json *value = NULL;
        if (pp_json_parse(row->point.values[i], "", &value, NULL) == PP_OK)
            pp_json_put_value(w, row->point.paths[i], value);
        else
            pp_json_put_string(w, row->point.paths[i], row->point.values[i]);
        pp_json_destroy(value);
    }
    pp_json_end_object(w);
}

static void put_row(pp_json_writer *w, const pp_sweep_table *t, const pp_sweep_row *row)
{
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "id", row->id);
    put_point(w, row);
    pp_json_begin_array(w, "at");
    for (int i = 0; i < t->n_axes; i++)
        pp_json_put_number(w, NULL, row->at[i]);
    pp_json_end_array(w);
    pp_json_put_int(w, "index", row->index);
    pp_json_put_int(w, "seed", row->seed);
    pp_json_put_int(w, "rung", row->rung);
    pp_json_put_string(w, "state", states[row->state]);
    if (row->verdict != NULL) pp_json_put_string(w, "verdict", row->verdict);
    if (row->verdict != NULL) pp_json_put_bool(w, "collapse", row->collapsed);
    if (row->cause != NULL) pp_json_put_string(w, "cause", row->cause);
    pp_json_put_number(w, t->metric, row->metric);
    if (!isnan(row->seconds)) pp_json_put_number(w, "seconds", row->seconds);
    if (!isnan(row->seconds)) pp_json_put_int(w, "ranks", row->ranks);
    if (row->error != NULL) pp_json_put_string(w, "error", row->error);
    pp_json_end_object(w);
}

static pp_status write_file(const char *directory, const char *file, const char *text,
                            size_t length, pp_error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, file) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
    return pp_fs_write(path, text, length, err);
}

/* The first line says what the table is of. */
static pp_status write_jsonl(const pp_sweep_table *t, const char *directory, pp_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    pp_json_writer *w = pp_json_writer_create(0);
    if (file == NULL || w == NULL) {
        if (file != NULL) fclose(file);
        free(text);
        pp_json_writer_destroy(w);
        return no_memory(err);
    }
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "sweep", t->name);
    pp_json_put_string(w, "metric", t->metric);
    pp_json_put_string(w, "goal", t->less_is_better ? "min" : "max");
    pp_json_begin_array(w, "axes");
    for (int i = 0; i < t->n_axes; i++)
        pp_json_put_string(w, NULL, t->axes[i]);
    pp_json_end_array(w);
    pp_json_end_object(w);
    fprintf(file, "%s\n", pp_json_text(w, NULL));
    for (int i = 0; i < t->count; i++) {
        pp_json_writer_reset(w);
        put_row(w, t, &t->rows[i]);
        fprintf(file, "%s\n", pp_json_text(w, NULL));
    }
    fclose(file);
    pp_json_writer_destroy(w);
    pp_status status = write_file(directory, "results.jsonl", text, size, err);
    free(text);
    return status;
}

/* RFC 4180: quotes around what holds a comma or a quote, quotes doubled. */
static void put_cell(FILE *file, const char *text, const char *end)
{
    if (strpbrk(text, ",\"\n") == NULL) {
        fprintf(file, "%s%s", text, end);
        return;
    }
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', file);
        fputc(*text, file);
    }
    fprintf(file, "\"%s", end);
}

static const char *value_on(const pp_sweep_row *row, const char *path)
{
    for (int i = 0; i < row->point.count; i++)
        if (strcmp(row->point.paths[i], path) == 0) return row->point.values[i];
    return "";
}

static pp_status write_csv(const pp_sweep_table *t, const char *directory, pp_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL) return no_memory(err);
    fputs("id,", file);
    for (int i = 0; i < t->n_axes; i++)
        put_cell(file, t->axes[i], ",");
    fprintf(file, "seed,rung,state,verdict,collapse,cause,%s,seconds,ranks,error\n", t->metric);
    for (int i = 0; i < t->count; i++) {
        const pp_sweep_row *row = &t->rows[i];
        put_cell(file, row->id, ",");
        for (int k = 0; k < t->n_axes; k++)
            put_cell(file, value_on(row, t->axes[k]), ",");
        fprintf(file, "%d,%d,%s,%s,%s,%s,", row->seed, row->rung, states[row->state],
                row->verdict != NULL ? row->verdict : "",
                row->verdict == NULL ? ""
                : row->collapsed     ? "true"
                                     : "false",
                row->cause != NULL ? row->cause : "");
        if (!isnan(row->metric)) fprintf(file, "%.17g", row->metric);
        fputc(',', file);
        if (!isnan(row->seconds)) fprintf(file, "%.3f,%d,", row->seconds, row->ranks);
        if (isnan(row->seconds)) fputs(",,", file);
        put_cell(file, row->error != NULL ? row->error : "", "\n");
    }
    fclose(file);
    pp_status status = write_file(directory, "results.csv", text, size, err);
    free(text);
    return status;
}

pp_status pp__table_write(const pp_sweep_table *t, const char *directory, pp_error *err)
{
    pp_status status = write_jsonl(t, directory, err);
    return status == PP_OK ? write_csv(t, directory, err) : status;
}

/* ---- reading them again ---- */

static const char *copy_text(pp_arena *arena, const pp_json *object, const char *key)
{
    const pp_json *value = pp_json_get(object, key);
    return value != NULL && pp_json_type_of(value) == PP_JSON_STRING
               ? pp_arena_strdup(arena, pp_json_string(value))
               : NULL;
}

static int integer(const pp_json *object, const char *key)
{
    const pp_json *value = pp_json_get(object, key);
    int64_t number_of = 0;
    return value != NULL && pp_json_integer(value, &number_of) ? (int)number_of : 0;
}

static int read_head(pp_sweep_table *t, const pp_json *head)
{
    const pp_json *axes = pp_json_get(head, "axes");
    const char *goal = copy_text(t->arena, head, "goal");
    t->name = copy_text(t->arena, head, "sweep");
    t->metric = copy_text(t->arena, head, "metric");
    t->less_is_better = goal != NULL && strcmp(goal, "min") == 0;
    t->n_axes = axes != NULL ? (int)pp_json_count(axes) : 0;
    t->axes = PP_ARENA_NEW(t->arena, const char *, t->n_axes + 1);
    for (int i = 0; t->axes != NULL && i < t->n_axes; i++)
        t->axes[i] = pp_arena_strdup(t->arena, pp_json_string(pp_json_at(axes, i)));
    return t->name != NULL && t->metric != NULL && t->axes != NULL;
}

static int read_point(pp_sweep_table *t, pp_sweep_row *row, const pp_json *object)
{
    const pp_json *changes = pp_json_get(object, "point"), *at = pp_json_get(object, "at");
    int n = changes != NULL ? (int)pp_json_count(changes) : 0;
    double *place = PP_ARENA_NEW(t->arena, double, t->n_axes + 1);
    row->point = (pp_patch){PP_ARENA_NEW(t->arena, const char *, n + 1),
                            PP_ARENA_NEW(t->arena, const char *, n + 1), n};
    if (place == NULL || row->point.paths == NULL || row->point.values == NULL || at == NULL)
        return 0;
    for (int i = 0; i < t->n_axes; i++) {
        const pp_json *value = pp_json_at(at, i);
        place[i] = pp_json_type_of(value) == PP_JSON_NUMBER ? pp_json_number(value) : NAN;
    }
    row->at = place;
    for (int i = 0; i < n; i++) {
        row->point.paths[i] = pp_arena_strdup(t->arena, pp_json_key(pp_json_at(changes, i)));
        row->point.values[i] = pp_json_in_arena(pp_json_at(changes, i), t->arena);
        if (row->point.paths[i] == NULL || row->point.values[i] == NULL) return 0;
    }
    return 1;
}

static int read_row(pp_sweep_table *t, const pp_json *object)
{
    pp_sweep_row *row = add_row(t);
    if (row == NULL) return 0;
    row->id = copy_text(t->arena, object, "id");
    row->index = integer(object, "index");
    row->seed = integer(object, "seed");
    row->rung = integer(object, "rung");
    row->cause = copy_text(t->arena, object, "cause");
    return row->id != NULL && read_point(t, row, object);
}

static int read_lines(pp_sweep_table *t, char *text, const char *path, pp_error *err)
{
    int first = 1;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        pp_json *object;
        if (pp_json_parse(line, path, &object, err) != PP_OK) return 0;
        int ok = first ? read_head(t, object) : read_row(t, object);
        pp_json_destroy(object);
        first = 0;
        if (!ok) {
            pp_fail(err, PP_E_IO, "%s: is damaged; run the sweep again to have it rewritten", path);
            return 0;
        }
    }
    return !first;
}

pp_status pp_sweep_read(const char *directory, pp_sweep_table **table, pp_error *err)
{
    char path[PATH_MAX], *text = NULL;
    if (snprintf(path, sizeof path, "%s/results.jsonl", directory) >= PATH_MAX)
        return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
    pp_sweep_table *t = make();
    if (t == NULL) return no_memory(err);
    pp_status status = pp_fs_read(path, &text, NULL, err);
    if (status == PP_OK && !read_lines(t, text, path, err)) status = PP_E_IO;
    if (status == PP_OK) status = pp__table_refresh(t, directory, NULL, err);
    free(text);
    if (status == PP_OK)
        *table = t;
    else
        pp_sweep_table_destroy(t);
    return status;
}
