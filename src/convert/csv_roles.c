/* Which column of a csv file is what: by the header, by name or number, or as a model knows them.
 */
#include "csv_roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pp_status no_memory(const pp__csv_plan *p, pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
}

static int count_features(const pp__csv_plan *p)
{
    int count = 0;
    for (int i = 0; i < p->n_columns; i++)
        count += p->columns[i].role == PP__FEATURE;
    return count;
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

pp_status pp__csv_give_roles(pp__csv_plan *p, pp_error *err)
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
    if (count_features(p) > 0) return PP_OK;
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

pp_status pp__csv_settle_header(pp__csv_plan *p, const pp__csv_record *first, pp_error *err)
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

pp_status pp__csv_make_columns(pp__csv_plan *p, const pp__csv_record *first, pp_error *err)
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

pp_status pp__csv_map_columns(pp__csv_plan *p, pp__csv_file *f, const pp__csv_record *first,
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
