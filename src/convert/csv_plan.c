/* What csv files hold, before a row of them is converted. */
#include "csv_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_CLASSES = 1000, TELL_ROWS = 4096, SEEN = 1 << 20 };

static pp_status no_memory(const pp__csv_plan *p, pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
}

/* ---- columns by name or number ---- */

static int parse_index(const char *text, int n_columns, int *index)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0') return 0;
    if (value < 0) value += n_columns;
    if (value < 0 || value >= n_columns) return 0;
    *index = (int)value;
    return 1;
}

/* *column -1: there is none. A text that may be several is an error. */
static pp_status find_column(const pp__csv_plan *p, const char *text, int *column, pp_error *err)
{
    int found[2] = {-1, -1}, count = 0, index;
    for (int i = 0; p->heads != NULL && i < p->n_columns; i++)
        if (strcmp(p->heads[i], text) == 0 || strcmp(p->columns[i].name, text) == 0)
            found[count++ > 0] = i;
    if (parse_index(text, p->n_columns, &index) && index != found[0]) found[count++ > 0] = index;
    *column = found[0];
    if (count < 2) return PP_OK;
    return pp_fail(err, PP_E_ARG,
                   "%s: column '%.60s' may be number %d or number %d, counted from 0; name it by "
                   "its number, or change the header",
                   p->files[0].path, text, found[0], found[1]);
}

static pp_status fail_column(const pp__csv_plan *p, const char *option, const char *text,
                             pp_error *err)
{
    char list[320] = "";
    size_t used = 0;
    int i = 0;
    for (; p->heads != NULL && i < p->n_columns && used < sizeof list - 64; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s", i == 0 ? "" : ", ",
                                 p->columns[i].name);
    if (i < p->n_columns && i > 0) snprintf(list + used, sizeof list - used, ", ...");
    const char *names = p->heads == NULL ? "numbered from 0" : list;
    if (text == NULL)
        return pp_fail(err, PP_E_ARG,
                       "%s: which column is the target? say --target NAME (or its number), or "
                       "--no-target for features alone; its %d columns are %s",
                       p->files[0].path, p->n_columns, names);
    return pp_fail(err, PP_E_ARG, "%s: has no %s column '%.60s'; its %d columns are %s%s",
                   p->files[0].path, option, text, p->n_columns, names,
                   p->heads == NULL ? ""
                                    : " (of a header further down: --skip the lines before it)");
}

static int column_named(const pp__csv_plan *p, const char *name, int likely)
{
    for (int i = 0; i < p->n_columns; i++) {
        int k = (likely + i) % p->n_columns;
        if (strcmp(p->columns[k].name, name) == 0) return k;
    }
    return -1;
}

/* A list "a,b": the whole text may be one name that holds a comma. */
static pp_status each_column(pp__csv_plan *p, const char *option, const char *list,
                             void (*mark)(pp__csv_column *column), pp_error *err)
{
    int column = -1;
    pp_status status = list == NULL ? PP_OK : find_column(p, list, &column, err);
    if (list == NULL || status != PP_OK) return status;
    if (column >= 0) {
        mark(&p->columns[column]);
        return PP_OK;
    }
    for (;;) {
        size_t length = strcspn(list, ",");
        char *item = pp_arena_printf(p->arena, "%.*s", (int)length, list);
        if (item == NULL) return no_memory(p, err);
        status = find_column(p, item, &column, err);
        if (status != PP_OK) return status;
        if (column >= 0) mark(&p->columns[column]);
        if (column < 0 && p->n_files == 1) return fail_column(p, option, item, err);
        if (list[length] == '\0') return PP_OK;
        list += length + 1;
    }
}

static void leave_out(pp__csv_column *column)
{
    column->role = PP__LEFT_OUT;
}

static void keep(pp__csv_column *column)
{
    column->is_kept = 1;
}

static void is_category(pp__csv_column *column)
{
    column->is_category = 1;
}

static int begins_column(const pp__csv_plan *p, const char *name, size_t length, int likely)
{
    for (int i = 0; i < p->n_columns; i++) {
        int k = (likely + i) % p->n_columns;
        if (strlen(p->columns[k].name) == length && strncmp(p->columns[k].name, name, length) == 0)
            return k;
    }
    return -1;
}

/* "age", "wood=oak" and "age missing" are columns of x that come from "age" and "wood". */
static pp_status take_feature(pp__csv_plan *p, const char *name, int x, pp_error *err)
{
    static const char flag[] = " missing";
    size_t length = strlen(name), end = length - (sizeof flag - 1);
    int k = column_named(p, name, x);
    if (k >= 0) p->columns[k].x = x;
    for (const char *at = strchr(name, '='); k < 0 && at != NULL; at = strchr(at + 1, '=')) {
        k = begins_column(p, name, (size_t)(at - name), x);
        if (k >= 0 && !pp__csv_kind_give(&p->columns[k], p->arena, at + 1, x))
            return no_memory(p, err);
    }
    if (k < 0 && length > sizeof flag && strcmp(name + end, flag) == 0) {
        k = begins_column(p, name, end, x);
        if (k >= 0) p->columns[k].x_flag = x;
    }
    if (k < 0)
        return pp_fail(err, PP_E_DATA, "%s: has no column '%.60s', which the model takes",
                       p->files[0].path, name);
    p->columns[k].role = PP__FEATURE;
    p->columns[k].is_kept = 1;
    return PP_OK;
}

/* The features of a model, which knows what they are. */
static pp_status take_only(pp__csv_plan *p, pp_error *err)
{
    const pp_csv_options *o = p->options;
    pp_status status = PP_OK;
    for (int i = 0; i < p->n_columns; i++) {
        p->columns[i].role = PP__LEFT_OUT;
        p->columns[i].x = p->columns[i].x_flag = -1;
    }
    for (int i = 0; i < o->n_only && status == PP_OK; i++)
        status = take_feature(p, o->only[i], i, err);
    p->n_x = o->n_only;
    return status;
}

static pp_status give_roles(pp__csv_plan *p, pp_error *err)
{
    const pp_csv_options *o = p->options;
    pp_status status = PP_OK;
    if (o->only != NULL && p->heads != NULL) status = take_only(p, err);
    if (status == PP_OK) status = each_column(p, "--drop", o->drop, leave_out, err);
    if (status == PP_OK) status = each_column(p, "--keep", o->keep, keep, err);
    if (status == PP_OK && o->only == NULL)
        status = each_column(p, "--categories", o->categories, is_category, err);
    if (status != PP_OK) return status;
    p->target = -1;
    if (o->target == NULL && !o->no_target) return fail_column(p, "", NULL, err);
    if (o->target != NULL) status = find_column(p, o->target, &p->target, err);
    if (status != PP_OK) return status;
    if (o->target != NULL && p->target < 0) return fail_column(p, "target", o->target, err);
    if (p->target >= 0) p->columns[p->target].role = PP__TARGET;
    if (pp__csv_plan_features(p) > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: has no column for the features; expected at least one beside the target",
                   p->files[0].path);
}

/* ---- the header ---- */

/* Numbers 0, 1, ...: as pandas names columns that have no names. */
static int counts_from_0(const pp__csv_record *first)
{
    for (int i = 0; i < first->n_cells; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        if (strcmp(first->cells[i], number) != 0) return 0;
    }
    return first->n_cells > 1;
}

static int holds_name(const pp__csv_record *first, const char *name)
{
    int index;
    if (name == NULL || parse_index(name, first->n_cells, &index)) return 0;
    for (int i = 0; i < first->n_cells; i++)
        if (strcmp(first->cells[i], name) == 0) return 1;
    return 0;
}

static pp_status settle_header(pp__csv_plan *p, const pp__csv_record *first, pp_error *err)
{
    const char *path = p->files[0].path;
    if (first->n_cells == 0) return pp_fail(err, PP_E_DATA, "%s: is empty", path);
    if (first->cells[0][0] == '#' && first->cells[0][1] == ' ')
        return pp_fail(err, PP_E_DATA,
                       "%s: line %lld: begins with '#': a comment? leave out lines that are no "
                       "part of the table: --skip %lld (or several: --skip 1-4,9)",
                       path, (long long)first->line, (long long)first->line);
    p->has_header = p->options->header == PP_CSV_HEADER;
    if (p->options->header != PP_CSV_GUESS) return PP_OK;
    p->has_header = pp__csv_is_header(first) || holds_name(first, p->options->target);
    if (p->has_header || !counts_from_0(first)) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: line %lld: 0, 1, ... may be names of columns or a row; say --header or "
                   "--no-header",
                   path, (long long)first->line);
}

/* names [n]: "a", "a.2" for the second one, so that each is there once. */
static pp_status make_unique(const pp__csv_plan *p, char **names, int n, pp_error *err)
{
    for (int i = 1; i < n; i++) {
        int again = 2;
        char *name = names[i];
        for (int k = 0; k < i; k++) {
            if (strcmp(names[k], name) != 0) continue;
            name = pp_arena_printf(p->arena, "%s.%d", names[i], again++);
            if (name == NULL) return no_memory(p, err);
            k = -1;
        }
        names[i] = name;
    }
    return PP_OK;
}

static pp_status copy_names(const pp__csv_plan *p, const pp__csv_record *first, char **names,
                            pp_error *err)
{
    for (int i = 0; i < first->n_cells; i++) {
        if (!pp__csv_is_utf8(first->cells[i]))
            return pp_fail(err, PP_E_DATA,
                           "%s: line %lld: the name of column %d is not in UTF-8; convert the "
                           "file, as with iconv -f ISO-8859-1 -t UTF-8",
                           p->files[0].path, (long long)first->line, i);
        names[i] = pp_arena_strdup(p->arena, first->cells[i]);
        if (names[i] == NULL) return no_memory(p, err);
    }
    return PP_OK;
}

static pp_status make_columns(pp__csv_plan *p, const pp__csv_record *first, pp_error *err)
{
    p->n_columns = first->n_cells;
    p->columns = PP_ARENA_NEW(p->arena, pp__csv_column, p->n_columns);
    if (p->columns == NULL) return no_memory(p, err);
    for (int i = 0; i < p->n_columns; i++)
        pp__csv_column_start(&p->columns[i]);
    if (!p->has_header) return PP_OK;
    char **unique = PP_ARENA_NEW(p->arena, char *, p->n_columns);
    p->heads = PP_ARENA_NEW(p->arena, char *, p->n_columns);
    if (unique == NULL || p->heads == NULL) return no_memory(p, err);
    pp_status status = copy_names(p, first, p->heads, err);
    if (status != PP_OK) return status;
    memcpy(unique, p->heads, (size_t)p->n_columns * sizeof *unique);
    status = make_unique(p, unique, p->n_columns, err);
    for (int i = 0; i < p->n_columns; i++)
        p->columns[i].name = unique[i];
    return status;
}

/* Whether a list of options names a column that the first file does not have. */
static int is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at != NULL && *at != '\0'; at += strspn(at, ",")) {
        size_t item = strcspn(at, ",");
        if (item == length && strncmp(at, name, length) == 0) return 1;
        at += item;
    }
    return 0;
}

/* Columns of a further file by their names. */
static pp_status map_names(pp__csv_plan *p, pp__csv_file *f, const pp__csv_record *first,
                           pp_error *err)
{
    const char *first_path = p->files[0].path;
    char **names = PP_ARENA_NEW(p->arena, char *, first->n_cells);
    char *found = PP_ARENA_NEW(p->arena, char, p->n_columns);
    if (names == NULL || found == NULL) return no_memory(p, err);
    pp_status status = copy_names(p, first, names, err);
    if (status == PP_OK) status = make_unique(p, names, first->n_cells, err);
    if (status != PP_OK) return status;
    for (int i = 0; i < first->n_cells; i++) {
        f->map[i] = column_named(p, names[i], i);
        if (f->map[i] >= 0) found[f->map[i]] = 1;
        if (f->map[i] < 0 && !is_listed(p->options->drop, names[i]))
            return pp_fail(err, PP_E_DATA,
                           "%s: line %lld: column '%.60s' is not in %s; leave it out: --drop",
                           f->path, (long long)first->line, names[i], first_path);
    }
    for (int i = 0; i < p->n_columns; i++)
        if (!found[i] && p->columns[i].role != PP__LEFT_OUT)
            return pp_fail(err, PP_E_DATA, "%s: line %lld: has no column '%.60s', which %s has",
                           f->path, (long long)first->line, p->columns[i].name, first_path);
    return PP_OK;
}

static pp_status map_columns(pp__csv_plan *p, pp__csv_file *f, const pp__csv_record *first,
                             pp_error *err)
{
    if (first->n_cells == 0) return pp_fail(err, PP_E_DATA, "%s: is empty", f->path);
    f->n_cells = first->n_cells;
    f->map = PP_ARENA_NEW(p->arena, int, f->n_cells);
    if (f->map == NULL) return no_memory(p, err);
    if (f != p->files && p->has_header) return map_names(p, f, first, err);
    if (f->n_cells != p->n_columns)
        return pp_fail(err, PP_E_DATA, "%s: line %lld: has %d cells, %s has %d", f->path,
                       (long long)first->line, f->n_cells, p->files[0].path, p->n_columns);
    for (int i = 0; i < f->n_cells; i++)
        f->map[i] = i;
    return PP_OK;
}

/* ---- missing values ---- */

static int is_mark(const char *mark, const char *cell)
{
    pp__csv_numeral a, b;
    if (strcmp(mark, cell) == 0) return 1;
    if (!pp__csv_read_number(mark, &a) || !a.reads[PP__POINT] || !pp__csv_read_number(cell, &b))
        return 0;
    return (b.reads[PP__POINT] && a.value[PP__POINT] == b.value[PP__POINT]) ||
           (b.reads[PP__COMMA] && a.value[PP__POINT] == b.value[PP__COMMA]);
}

int pp__csv_plan_is_missing(const pp__csv_plan *p, int column, const char *cell)
{
    int is_name = column == p->target && p->options->classes;
    if (is_name ? *cell == '\0' : pp__csv_is_missing(cell)) return 1;
    for (int i = 0; i < p->n_na; i++)
        if (is_mark(p->na[i], cell)) return 1;
    return 0;
}

int pp__csv_plan_gaps(const pp__csv_plan *p, int file, const pp__csv_record *record)
{
    const int *map = p->files[file].map;
    int gaps = 0;
    for (int i = 0; i < record->n_cells; i++)
        if (map[i] >= 0 && p->columns[map[i]].role != PP__LEFT_OUT)
            gaps += pp__csv_plan_is_missing(p, map[i], record->cells[i]);
    return gaps;
}

/* Whether a value that is missing there ends the import. */
static int is_refused(const pp__csv_plan *p, int column)
{
    pp_csv_policy policy = p->options->policy;
    return policy == PP_CSV_REFUSE || (policy == PP_CSV_FILL && column == p->target);
}

static void count_gaps(pp__csv_plan *p, int file, const pp__csv_record *record, int gaps)
{
    const pp__csv_file *f = &p->files[file];
    p->missing.values += gaps;
    p->missing.rows++;
    for (int i = 0; i < record->n_cells; i++) {
        int k = f->map[i];
        if (k < 0 || p->columns[k].role == PP__LEFT_OUT) continue;
        if (!pp__csv_plan_is_missing(p, k, record->cells[i])) continue;
        p->columns[k].gaps++;
        if (p->first_missing.code != PP_OK || !is_refused(p, k)) continue;
        char shown[PP__CSV_SHOWN + 1], column[PP__CSV_SHOWN + 24];
        pp__csv_show(record->cells[i], shown);
        pp__csv_plan_column(p, k, column, sizeof column);
        pp_fail(&p->first_missing, PP_E_DATA, "%s: line %lld, column %s: '%s' is a missing value",
                f->path, (long long)record->line, column, shown);
    }
}

/* ---- classes ---- */

/* Where a name is, or would be. */
static int place_of(const pp__csv_plan *p, const char *name, int *is_there)
{
    int low = 0, high = p->n_classes;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(p->classes[middle].name, name);
        if (order == 0) {
            *is_there = 1;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = 0;
    return low;
}

int pp__csv_plan_class(const pp__csv_plan *p, const char *name)
{
    int is_there, at = place_of(p, name, &is_there);
    return is_there ? p->classes[at].number : -1;
}

/* Numbers are collected as well: a later row may show that the target is text. */
static pp_status collect_class(pp__csv_plan *p, const pp__csv_spot *here, const char *name,
                               pp_error *err)
{
    int is_there, at = place_of(p, name, &is_there);
    if (is_there) p->classes[at].rows++;
    if (is_there || p->too_many_classes) return PP_OK;
    if (p->n_classes == MAX_CLASSES) {
        p->too_many_classes = 1;
        return PP_OK;
    }
    if (p->classes == NULL) p->classes = PP_ARENA_NEW(p->arena, pp__csv_class, MAX_CLASSES);
    char *copy = p->classes == NULL ? NULL : pp_arena_strdup(p->arena, name);
    if (copy == NULL) return no_memory(p, err);
    memmove(p->classes + at + 1, p->classes + at, (size_t)(p->n_classes - at) * sizeof *p->classes);
    p->classes[at] = (pp__csv_class){copy, 1, *here, 0};
    p->n_classes++;
    return PP_OK;
}

/* ---- rows ---- */

static void add_odd(pp__csv_plan *p, const pp__csv_file *f, const pp__csv_record *record,
                    const char *why)
{
    if (p->n_odd++ >= PP__CSV_ODD) return;
    pp__csv_odd *odd = &p->odd[p->n_odd - 1];
    odd->place = (pp__csv_spot){f->path, record->line, ""};
    pp__csv_show(record->n_cells > 0 ? record->cells[0] : "", odd->place.shown);
    snprintf(odd->why, sizeof odd->why, "%s", why);
}

static int is_header_again(const pp__csv_plan *p, const pp__csv_record *record)
{
    if (p->heads == NULL || record->n_cells != p->n_columns) return 0;
    for (int i = 0; i < record->n_cells; i++)
        if (strcmp(record->cells[i], p->heads[i]) != 0) return 0;
    return 1;
}

/* Lines that are no rows are counted and refused together. */
static int is_odd(pp__csv_plan *p, const pp__csv_file *f, const pp__csv_record *record)
{
    char why[64];
    snprintf(why, sizeof why, "has %d cell%s, expected %d as in the first line", record->n_cells,
             record->n_cells == 1 ? "" : "s", f->n_cells);
    if (record->n_cells != f->n_cells)
        add_odd(p, f, record, why);
    else if (is_header_again(p, record))
        add_odd(p, f, record, "repeats the header");
    else
        return 0;
    return 1;
}

/* Sums under the columns, told by a word of the last line. */
static void look_for_total(pp__csv_plan *p, const pp__csv_file *f, const pp__csv_record *record)
{
    static const char *const words[] = {"total", "totals",  "grand total", "sum",   "summe",
                                        "mean",  "average", "gesamt",      "somme", "count"};
    p->total.line = 0;
    for (int i = 0; i < record->n_cells; i++)
        for (size_t w = 0; w < sizeof words / sizeof *words && f->map[i] != p->target; w++)
            if (strcasecmp(record->cells[i], words[w]) == 0) {
                p->total = (pp__csv_spot){f->path, record->line, ""};
                pp__csv_show(record->cells[i], p->total.shown);
            }
}

/* Whether the value of a column was met before, among the first ones. */
static void look_for_repeats(pp__csv_plan *p, int column)
{
    pp__csv_column *c = &p->columns[column];
    int64_t most = SEEN / 2 / p->n_columns;
    if (c->repeats || c->looked >= most) return;
    if (c->texts > 0 || isnan(c->last)) {
        c->repeats = 1;
        return;
    }
    uint64_t hash, bits;
    memcpy(&bits, &c->last, sizeof bits);
    hash = (bits ^ ((uint64_t)(column + 1) << 40)) * 0x9e3779b97f4a7c15ULL;
    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ULL | 1;
    size_t at = (size_t)(hash >> 40) % SEEN;
    while (p->seen[at] != 0 && p->seen[at] != hash)
        at = (at + 1) % SEEN;
    c->repeats = p->seen[at] == hash;
    p->seen[at] = hash;
    c->looked++;
}

static pp_status take_cells(pp__csv_plan *p, int file, const pp__csv_record *record, pp_error *err)
{
    const pp__csv_file *f = &p->files[file];
    for (int i = 0; i < record->n_cells; i++) {
        int k = f->map[i];
        const char *cell = record->cells[i];
        if (k < 0 || pp__csv_plan_is_missing(p, k, cell)) continue;
        pp__csv_column_add(&p->columns[k], f->path, record->line, cell);
        if (p->columns[k].role == PP__FEATURE) {
            look_for_repeats(p, k);
            if (!pp__csv_kind_add(&p->columns[k], p->arena, f->path, record->line, cell))
                return no_memory(p, err);
        }
        if (k != p->target) continue;
        pp__csv_spot here = {f->path, record->line, ""};
        pp__csv_show(cell, here.shown);
        pp_status status = collect_class(p, &here, cell, err);
        if (status != PP_OK) return status;
    }
    return PP_OK;
}

static pp_status take_record(pp__csv_plan *p, int file, const pp__csv_record *record, pp_error *err)
{
    if (is_odd(p, &p->files[file], record)) return PP_OK;
    int gaps = pp__csv_plan_gaps(p, file, record);
    p->records++;
    if (gaps > 0) count_gaps(p, file, record, gaps);
    if (gaps > 0 && p->options->policy == PP_CSV_DROP) return PP_OK;
    p->rows++;
    look_for_total(p, &p->files[file], record);
    return take_cells(p, file, record, err);
}

/* ---- the pass ---- */

void pp__csv_plan_tell(const pp__csv_plan *p, int file, const pp__csv *csv, int pass)
{
    const pp_meter *meter = &p->options->meter;
    if (meter->tell == NULL) return;
    double share = (file + pp__csv_share(csv)) / p->n_files;
    meter->tell(meter->context, (pass + share) / 2, p->rows);
}

static pp_status open_file(const pp__csv_plan *p, int file, pp__csv **csv, pp_error *err)
{
    const pp__csv_file *f = &p->files[file];
    pp_status status = pp__csv_open(f->path, f->separator, csv, err);
    if (status == PP_OK) pp__csv_skip(*csv, &p->skip);
    return status;
}

pp_status pp__csv_plan_open(const pp__csv_plan *p, int file, pp__csv **csv, pp_error *err)
{
    pp__csv_record header;
    pp_status status = open_file(p, file, csv, err);
    if (status != PP_OK || !p->has_header) return status;
    status = pp__csv_next(*csv, &header, err);
    if (status != PP_OK) pp__csv_close(*csv);
    return status;
}

static pp_status look_at_first(pp__csv_plan *p, int file, const pp__csv_record *first,
                               pp_error *err)
{
    pp_status status = PP_OK;
    if (file == 0) {
        status = settle_header(p, first, err);
        if (status == PP_OK) status = make_columns(p, first, err);
        if (status == PP_OK) status = give_roles(p, err);
    }
    return status == PP_OK ? map_columns(p, &p->files[file], first, err) : status;
}

static pp_status look_at_file(pp__csv_plan *p, int file, pp_error *err)
{
    pp__csv *csv;
    pp__csv_record record;
    pp__csv_file *f = &p->files[file];
    f->separator = p->options->separator;
    pp_status status =
        f->separator != 0 ? PP_OK : pp__csv_guess_separator(f->path, &p->skip, &f->separator, err);
    if (status == PP_OK) status = open_file(p, file, &csv, err);
    if (status != PP_OK) return status;
    status = pp__csv_next(csv, &record, err);
    if (status == PP_OK) status = look_at_first(p, file, &record, err);
    if (status == PP_OK && p->has_header) status = pp__csv_next(csv, &record, err);
    while (status == PP_OK && record.n_cells > 0) {
        status = take_record(p, file, &record, err);
        if (p->records % TELL_ROWS == 0) pp__csv_plan_tell(p, file, csv, 0);
        if (status == PP_OK) status = pp__csv_next(csv, &record, err);
    }
    pp__csv_close(csv);
    return status;
}

static pp_status take_marks(pp__csv_plan *p, pp_error *err)
{
    const char *list = p->options->na;
    if (list == NULL) return PP_OK;
    p->na = PP_ARENA_NEW(p->arena, const char *, strlen(list) + 1);
    while (p->na != NULL) {
        size_t length = strcspn(list, ",");
        p->na[p->n_na] = pp_arena_printf(p->arena, "%.*s", (int)length, list);
        if (p->na[p->n_na++] == NULL) break;
        if (list[length] == '\0') return PP_OK;
        list += length + 1;
    }
    return no_memory(p, err);
}

pp_status pp__csv_plan_make(pp__csv_plan *p, const char *const *paths, int n_paths,
                            const pp_csv_options *options, pp_error *err)
{
    *p = (pp__csv_plan){.options = options, .arena = pp_arena_create(), .n_files = n_paths};
    if (p->arena != NULL) p->files = PP_ARENA_NEW(p->arena, pp__csv_file, n_paths);
    if (p->files != NULL) p->seen = PP_ARENA_NEW(p->arena, uint64_t, SEEN);
    if (p->seen == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", paths[0]);
    for (int i = 0; i < n_paths; i++)
        p->files[i].path = paths[i];
    pp_status status = pp__csv_parse_lines(options->skip, &p->skip, err);
    if (status == PP_OK) status = take_marks(p, err);
    for (int i = 0; i < n_paths && status == PP_OK; i++)
        status = look_at_file(p, i, err);
    return status == PP_OK ? pp__csv_plan_judge(p, err) : status;
}

void pp__csv_plan_free(pp__csv_plan *p)
{
    pp_arena_destroy(p->arena);
}

int pp__csv_plan_features(const pp__csv_plan *p)
{
    int count = 0;
    for (int i = 0; i < p->n_columns; i++)
        count += p->columns[i].role == PP__FEATURE;
    return count;
}
