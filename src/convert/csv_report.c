/* What became of each column of a csv file. */
#include <stdio.h>
#include <string.h>

#include "csv_plan.h"

enum { MOST_LINES = 24, MOST_CLASSES = 8, KIND = 160 };

static void put_line(pp_csv_report *r, const char *text)
{
    const char **more = PP_ARENA_NEW(r->arena, const char *, r->n_lines + 1);
    char *copy = pp_arena_strdup(r->arena, text);
    if (more == NULL || copy == NULL) return;
    if (r->n_lines > 0) memcpy(more, r->lines, (size_t)r->n_lines * sizeof *more);
    more[r->n_lines++] = copy;
    r->lines = more;
}

static void put_warning(pp_csv_report *r, const char *text)
{
    const char **more = PP_ARENA_NEW(r->arena, const char *, r->n_warnings + 1);
    char *copy = pp_arena_strdup(r->arena, text);
    if (more == NULL || copy == NULL) return;
    if (r->n_warnings > 0) memcpy(more, r->warnings, (size_t)r->n_warnings * sizeof *more);
    more[r->n_warnings++] = copy;
    r->warnings = more;
}

/* ---- columns ---- */

static void describe_names(const pp__csv_column *c, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%d names, a column each (", c->n_names);
    for (int i = 0; i < c->n_names && used + 48 < size; i++) {
        char name[PP__CSV_SHOWN + 1];
        pp__csv_show(c->names[i].name, name);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", name);
        if (i + 1 < c->n_names && used + 48 >= size)
            used += (size_t)snprintf(text + used, size - used, ", ...");
    }
    used += (size_t)snprintf(text + used, size - used, ")");
    if (c->gaps > 0 && used < size)
        snprintf(text + used, size - used, ", %lld missing: 0 in all", (long long)c->gaps);
}

static void describe_numbers(const pp__csv_plan *p, const pp__csv_column *c, char *text,
                             size_t size)
{
    if (c->kind == PP__DATE)
        snprintf(text, size, "dates, as days since 1970-01-01");
    else
        pp__csv_column_text(c, text, size);
    size_t used = strlen(text);
    if (c->kind == PP__NUMBER && pp__csv_column_is_wide(c)) {
        snprintf(text + used, size - used, ", as float64");
        used = strlen(text);
    }
    if (c->gaps > 0 && p->options->policy == PP_CSV_FILL)
        snprintf(text + used, size - used, ", %lld missing: %g%s", (long long)c->gaps, c->fill,
                 c->x_flag >= 0 ? ", and a column that says so" : "");
}

static void describe_target(const pp__csv_plan *p, char *text, size_t size)
{
    const pp__csv_column *c = &p->columns[p->target];
    if (p->is_classes) {
        snprintf(text, size, "%d class%s, numbered by name", p->n_classes,
                 p->n_classes == 1 ? "" : "es");
        return;
    }
    describe_numbers(p, c, text, size);
    const pp__csv_values *v = &c->values[c->decimal];
    size_t used = strlen(text);
    if (v->is_whole && v->min >= 0 && v->max < 1000)
        snprintf(text + used, size - used, ": classes, unless data.task is regression");
}

/* Columns of one kind in a row are one line where there are many. */
static int is_alike(const pp__csv_plan *p, int a, int b)
{
    const pp__csv_column *x = &p->columns[a], *y = &p->columns[b];
    return x->role == y->role && x->role != PP__TARGET && x->kind == PP__NUMBER &&
           y->kind == PP__NUMBER && x->x_flag < 0 && y->x_flag < 0 && x->decimal == y->decimal &&
           x->values[x->decimal].is_whole == y->values[y->decimal].is_whole &&
           pp__csv_column_is_wide(x) == pp__csv_column_is_wide(y);
}

static int last_alike(const pp__csv_plan *p, int first)
{
    int last = first;
    while (p->n_columns > MOST_LINES && last + 1 < p->n_columns && is_alike(p, first, last + 1))
        last++;
    return last;
}

static void put_columns(const pp__csv_plan *p, pp_csv_report *r, int first, int last)
{
    char line[640], name[PP__CSV_SHOWN + 24], to[3 * PP__CSV_SHOWN] = "", kind[KIND] = "",
                                                     place[48] = "left out";
    const pp__csv_column *c = &p->columns[first];
    int x = c->x;
    pp__csv_plan_column(p, first, name, sizeof name);
    if (last > first) {
        char end[PP__CSV_SHOWN + 24];
        pp__csv_plan_column(p, last, end, sizeof end);
        snprintf(to, sizeof to, " to %s (%d columns)", end, last - first + 1);
    }
    if (c->role == PP__TARGET) {
        snprintf(place, sizeof place, "y");
        describe_target(p, kind, sizeof kind);
    } else if (c->role == PP__FEATURE && last > first) {
        snprintf(place, sizeof place, "x %d to %d", x, x + last - first);
        snprintf(kind, sizeof kind, "%s", c->values[c->decimal].is_whole ? "integers" : "numbers");
    } else if (c->kind == PP__CATEGORY) {
        snprintf(place, sizeof place, "x %d to %d", c->names[0].x, c->names[c->n_names - 1].x);
        describe_names(c, kind, sizeof kind);
    } else if (c->role == PP__FEATURE) {
        snprintf(place, sizeof place, "x %d", x);
        describe_numbers(p, c, kind, sizeof kind);
    }
    snprintf(line, sizeof line, "  %s%s -> %s%s%s", name, to, place, *kind == '\0' ? "" : ": ",
             kind);
    put_line(r, line);
}

static void put_classes(const pp__csv_plan *p, pp_csv_report *r)
{
    char line[160];
    int shown = p->n_classes <= MOST_CLASSES ? p->n_classes : MOST_CLASSES - 1;
    for (int i = 0; i < shown; i++) {
        snprintf(line, sizeof line, "    class %d '%s': %lld rows", i, p->classes[i].first.shown,
                 (long long)p->classes[i].rows);
        put_line(r, line);
    }
    if (shown == p->n_classes) return;
    snprintf(line, sizeof line, "    and %d more classes", p->n_classes - shown);
    put_line(r, line);
}

/* ---- what is odd, and may be right ---- */

static int is_word_of_ids(const char *name)
{
    static const char *const words[] = {"id",      "zip",   "zipcode",      "postcode",
                                        "postal",  "plz",   "postleitzahl", "phone",
                                        "account", "index", "code",         "ssn"};
    char lower[2 * PP__CSV_SHOWN];
    size_t length = strlen(name);
    if (length + 1 > sizeof lower) return 0;
    for (size_t i = 0; i <= length; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    for (char *at = strtok(lower, " _-.:/"); at != NULL; at = strtok(NULL, " _-.:/"))
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (strcmp(at, words[w]) == 0) return 1;
    return 0;
}

static void warn_of_column(const pp__csv_plan *p, pp_csv_report *r, int i)
{
    const pp__csv_column *c = &p->columns[i];
    char name[PP__CSV_SHOWN + 24], text[400];
    pp__csv_plan_column(p, i, name, sizeof name);
    if (p->heads != NULL && strcmp(p->heads[i], c->name) != 0) {
        snprintf(text, sizeof text, "a column of the name '%.60s' comes again: number %d is %s now",
                 p->heads[i], i, name);
        put_warning(r, text);
    }
    if (c->unknown > 0) {
        snprintf(text, sizeof text,
                 "%s: line %lld, column %s: '%s' is none of the names that are known; such cells "
                 "(%lld) are taken for none of them",
                 c->first_unknown.path, (long long)c->first_unknown.line, name,
                 c->first_unknown.shown, (long long)c->unknown);
        put_warning(r, text);
    }
    if (c->kind != PP__NUMBER) return;
    if (c->role == PP__FEATURE && pp__csv_column_is_wide(c)) {
        snprintf(
            text, sizeof text,
            "column %s: a float32 does not hold its values (%.6g to %.6g); they are float64 in the "
            "file: train with data.standardise, and divide what is beyond 1e38 or below 1e-38",
            name, c->values[c->decimal].min, c->values[c->decimal].max);
        put_warning(r, text);
    }
    int is_whole = c->values[c->decimal].is_whole;
    if (c->role != PP__FEATURE || c->is_kept || !is_whole) return;
    if (c->is_date)
        snprintf(
            text, sizeof text,
            "column %s: whole numbers that look like dates (20230705): as a quantity they jump "
            "at the end of each month; --drop leaves it out, --keep says that it is a feature",
            name);
    else if (!c->repeats && c->looked >= 32)
        snprintf(text, sizeof text,
                 "column %s: whole numbers, and no two of the first %lld are equal: an id? --drop "
                 "leaves it out, --keep says that it is a feature",
                 name, (long long)c->looked);
    else if (c->name != NULL && is_word_of_ids(c->name))
        snprintf(
            text, sizeof text,
            "column %s is taken as a quantity: if it is a code or an id, leave it out (--drop); "
            "--keep says that it is none",
            name);
    else
        return;
    put_warning(r, text);
}

static void warn_of_rows(const pp__csv_plan *p, pp_csv_report *r)
{
    char text[320];
    for (int i = 0, told = 0; p->is_classes && i < p->n_classes && told < 3; i++) {
        if (p->classes[i].rows > 1 || p->rows < 20) continue;
        snprintf(text, sizeof text, "%s: line %lld: the class '%s' has this row alone",
                 p->classes[i].first.path, (long long)p->classes[i].first.line,
                 p->classes[i].first.shown);
        put_warning(r, text);
        told++;
    }
    if (p->total.line == 0) return;
    snprintf(text, sizeof text,
             "%s: line %lld: holds '%s': a line of sums? --skip %lld leaves it out", p->total.path,
             (long long)p->total.line, p->total.shown, (long long)p->total.line);
    put_warning(r, text);
}

pp_status pp__csv_plan_report(const pp__csv_plan *p, pp_csv_report *r, pp_error *err)
{
    char line[128];
    *r = (pp_csv_report){.rows = p->rows, .missing = p->missing, .arena = pp_arena_create()};
    if (r->arena == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    snprintf(line, sizeof line, "%lld rows, %d columns%s", (long long)p->rows, p->n_columns,
             p->has_header ? "" : " without a header");
    put_line(r, line);
    for (int i = 0, last; i < p->n_columns; i = last + 1) {
        last = last_alike(p, i);
        if (r->n_lines < 2 * MOST_LINES) put_columns(p, r, i, last);
        if (i == p->target && p->is_classes) put_classes(p, r);
    }
    for (int i = 0; i < p->n_columns; i++)
        warn_of_column(p, r, i);
    warn_of_rows(p, r);
    return PP_OK;
}

void pp_csv_report_free(pp_csv_report *report)
{
    pp_arena_destroy(report->arena);
    *report = (pp_csv_report){.rows = 0};
}
