/* Sets of rows: data sets joined by columns, and some columns picked. One data set as a whole, the
 * usual case, is read without a detour. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h5_common.h"
#include "h5_names.h"
#include "pitprop/check.h"

/* Of rows that are joined or picked from, in memory at a time. */
enum { PORTION_BYTES = 4 << 20 };

/* A column of a part becomes one of the rows. */
typedef struct route {
    int64_t from, to;
} route;

typedef struct part {
    pp__h5_one *one;
    int64_t width;
    route *routes; /* [n_routes], within the set's */
    int64_t n_routes;
} part;

struct pp_h5_set {
    part *parts; /* [n_parts] side by side */
    int n_parts;
    int64_t width; /* columns of all parts */
    route *routes; /* [columns] part after part; NULL: no detour */
    int64_t columns;
    void *portion; /* [portion_values] of the widest type */
    int64_t portion_values;
};

static const char *name_of(const pp_h5_selection *what, int i)
{
    return what->names[i] + strspn(what->names[i], "/");
}

/* ---- which columns ---- */

/* Of all columns that are joined; NULL: it has none. */
static const char *joined_name(const pp_h5_set *set, int64_t column)
{
    int i = 0;
    while (column >= set->parts[i].width)
        column -= set->parts[i++].width;
    return pp__h5_one_column_name(set->parts[i].one, column);
}

/* "; they are 'a', 'b', ...", as many as fit. */
static void list_names(const pp_h5_set *set, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (int64_t k = 0; k < set->width && used + 48 < size; k++) {
        const char *name = joined_name(set, k);
        if (name != NULL)
            used += (size_t)snprintf(text + used, size - used, "%s'%.30s'",
                                     used == 0 ? "; they are " : ", ", name);
    }
    if (used + 48 >= size) snprintf(text + used, size - used, ", ...");
}

static pp_status fail_pick(const pp_h5_set *set, const pp_h5_selection *what, const char *file,
                           const char *text, pp_error *err)
{
    char names[240];
    list_names(set, names, sizeof names);
    return pp_fail(err, PP_E_DATA,
                   "%s: column '%.60s' is not there: /%s%s has %lld column%s%s; a column is a "
                   "name, a number from 0 (-1: the last), or a range such as \"5:9\", whose end is "
                   "left out",
                   file, text, name_of(what, 0),
                   what->n_names > 1 ? " with what is joined to it" : "", (long long)set->width,
                   set->width == 1 ? "" : "s", names);
}

/* A number at *text, which moves behind it; negative ones count from the end. */
static int read_index(const char **text, int64_t width, int64_t otherwise, int64_t *index)
{
    char *end;
    long long value = strtoll(*text, &end, 10);
    *index = end == *text ? otherwise : value < 0 ? value + width : value;
    *text = end;
    return *index >= 0 && *index <= width;
}

/* [first, end) of "3" or "5:9". */
static int read_range(const char *text, int64_t width, int64_t *first, int64_t *end)
{
    const char *at = text;
    if (*at == '\0' || strcspn(at, "0123456789:-") > 0) return 0;
    if (!read_index(&at, width, 0, first)) return 0;
    *end = *first + 1;
    if (*at == ':') {
        at++;
        if (!read_index(&at, width, width, end)) return 0;
    } else if (at == text) {
        return 0;
    }
    return *at == '\0' && *first < *end && *end <= width;
}

/* [first, end) that a text names: a number, a range or a name; not two things at once. */
static pp_status find_pick(const pp_h5_set *set, const pp_h5_selection *what, const char *file,
                           const char *text, int64_t *first, int64_t *end, pp_error *err)
{
    int64_t named = -1, count = 0;
    int is_range = !what->by_name && read_range(text, set->width, first, end);
    for (int64_t k = 0; k < set->width; k++) {
        const char *name = joined_name(set, k);
        if (name == NULL || strcmp(name, text) != 0 || (is_range && k == *first && k + 1 == *end))
            continue;
        if (count++ == 0) named = k;
    }
    if (count > 1 || (count == 1 && is_range))
        return pp_fail(err, PP_E_DATA,
                       "%s: column '%.60s' of /%s can be several: one of that name is column %lld; "
                       "give numbers, or other names",
                       file, text, name_of(what, 0), (long long)named);
    if (count == 0) return is_range ? PP_OK : fail_pick(set, what, file, text, err);
    *first = named;
    *end = named + 1;
    return PP_OK;
}

/* Counts the columns, and lists them where picks is not NULL; -1: `err` says why not. */
static int64_t list_picks(const pp_h5_set *set, const pp_h5_selection *what, const char *file,
                          int64_t *picks, pp_error *err)
{
    static const char *const all[] = {":"};
    const char *const *texts = what->n_picks > 0 ? what->picks : all;
    int64_t count = 0, first, end, left_out = -1;
    if (what->left_out != NULL) {
        if (find_pick(set, what, file, what->left_out, &left_out, &end, err) != PP_OK) return -1;
        if (end != left_out + 1) {
            fail_pick(set, what, file, what->left_out, err);
            return -1;
        }
    }
    for (int i = 0; i < (what->n_picks > 0 ? what->n_picks : 1); i++) {
        if (find_pick(set, what, file, texts[i], &first, &end, err) != PP_OK) return -1;
        for (int64_t k = first; k < end; k++) {
            if (k == left_out) continue;
            if (picks != NULL) picks[count] = k;
            count++;
        }
    }
    if (count > 0) return count;
    pp_fail(err, PP_E_DATA, "%s: no column of /%s is left for the rows", file, name_of(what, 0));
    return -1;
}

static pp_status check_once(const pp_h5_set *set, const char *file, const int64_t *picks,
                            pp_error *err)
{
    char *seen = calloc((size_t)set->width, 1);
    pp_status status = PP_OK;
    if (seen == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    for (int64_t k = 0; status == PP_OK && k < set->columns; k++)
        if (seen[picks[k]]++)
            status = pp_fail(err, PP_E_DATA,
                             "%s: column %lld is named twice; a range holds its first column and "
                             "not its end",
                             file, (long long)picks[k]);
    free(seen);
    return status;
}

/* Routes of part after part, from the picks [columns] of all parts' columns. */
static void lay_routes(pp_h5_set *set, const int64_t *picks)
{
    int64_t before = 0;
    route *next = set->routes;
    for (int i = 0; i < set->n_parts; i++) {
        part *p = &set->parts[i];
        p->routes = next;
        for (int64_t k = 0; k < set->columns; k++)
            if (picks[k] >= before && picks[k] < before + p->width)
                *next++ = (route){picks[k] - before, k};
        p->n_routes = next - p->routes;
        before += p->width;
    }
}

static pp_status choose_columns(pp_h5_set *set, const pp_h5_selection *what, const char *file,
                                pp_error *err)
{
    set->columns = set->width;
    if (set->n_parts == 1 && what->n_picks == 0 && what->left_out == NULL) return PP_OK;
    set->columns = list_picks(set, what, file, NULL, err);
    if (set->columns < 0) return PP_E_DATA;
    int64_t *picks = malloc((size_t)set->columns * sizeof *picks);
    set->routes = malloc((size_t)set->columns * sizeof *set->routes);
    set->portion_values = PORTION_BYTES / (int64_t)sizeof(double);
    if (set->portion_values < set->width) set->portion_values = set->width;
    set->portion = malloc((size_t)set->portion_values * sizeof(double));
    pp_status status = PP_OK;
    if (picks == NULL || set->routes == NULL || set->portion == NULL) {
        status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    } else {
        list_picks(set, what, file, picks, err);
        status = check_once(set, file, picks, err);
        if (status == PP_OK) lay_routes(set, picks);
    }
    free(picks);
    return status;
}

/* ---- opening ---- */

/* All parts have the same rows: as many, file by file. */
static pp_status check_rows(const pp_h5_set *set, const pp_h5_selection *what,
                            const char *const *files, int n_files, pp_error *err)
{
    for (int i = 1; i < set->n_parts; i++)
        for (int f = 0; f < n_files; f++) {
            int64_t here = pp__h5_one_file_rows(set->parts[i].one, f);
            int64_t there = pp__h5_one_file_rows(set->parts[0].one, f);
            if (here != there)
                return pp_fail(err, PP_E_DATA,
                               "%s: /%s has %lld rows, /%s has %lld; they cannot be joined",
                               files[f], name_of(what, i), (long long)here, name_of(what, 0),
                               (long long)there);
        }
    return PP_OK;
}

static pp_status open_parts(pp_h5_set *set, const char *const *files, int n_files,
                            const pp_h5_selection *what, pp_error *err)
{
    for (int i = 0; i < what->n_names; i++) {
        part *p = &set->parts[i];
        pp_status status =
            pp__h5_one_open(files, n_files, what->names[i], what->follow_links, &p->one, err);
        if (status != PP_OK) return status;
        p->width = pp__h5_one_columns(p->one);
        set->width += p->width;
        set->n_parts++;
    }
    pp_status status = check_rows(set, what, files, n_files, err);
    return status == PP_OK ? choose_columns(set, what, files[0], err) : status;
}

pp_status pp_h5_open_selection(const char *const *files, int n_files,
                               const pp_h5_selection *selection, pp_h5_set **set, pp_error *err)
{
    PP_CHECK(selection->n_names > 0);
    pp_h5_set *s = calloc(1, sizeof *s);
    if (s != NULL) s->parts = calloc((size_t)selection->n_names, sizeof *s->parts);
    pp_status status = s != NULL && s->parts != NULL
                           ? open_parts(s, files, n_files, selection, err)
                           : pp_fail(err, PP_E_MEMORY, "%s: out of memory", files[0]);
    if (status == PP_OK)
        *set = s;
    else
        pp_h5_close(s);
    return status;
}

pp_status pp_h5_open(const char *const *files, int n_files, const char *name, pp_h5_set **set,
                     pp_error *err)
{
    return pp_h5_open_selection(files, n_files, &(pp_h5_selection){.names = &name, .n_names = 1},
                                set, err);
}

void pp_h5_close(pp_h5_set *set)
{
    if (set == NULL) return;
    for (int i = 0; i < set->n_parts; i++)
        pp__h5_one_close(set->parts[i].one);
    free(set->parts);
    free(set->routes);
    free(set->portion);
    free(set);
}

/* ---- what it is ---- */

int64_t pp_h5_rows(const pp_h5_set *set)
{
    return pp__h5_one_rows(set->parts[0].one);
}

int64_t pp_h5_file_rows(const pp_h5_set *set, int file)
{
    return pp__h5_one_file_rows(set->parts[0].one, file);
}

int64_t pp_h5_columns(const pp_h5_set *set)
{
    return set->columns;
}

int pp_h5_row_shape(const pp_h5_set *set, int64_t *sizes, int most)
{
    if (set->routes == NULL && set->n_parts == 1)
        return pp__h5_one_row_shape(set->parts[0].one, sizes, most);
    sizes[0] = set->columns;
    return 1;
}

int pp_h5_is_integer(const pp_h5_set *set)
{
    for (int i = 0; i < set->n_parts; i++)
        if (!pp__h5_one_is_integer(set->parts[i].one)) return 0;
    return 1;
}

int pp_h5_is_single(const pp_h5_set *set)
{
    for (int i = 0; i < set->n_parts; i++)
        if (!pp__h5_one_is_single(set->parts[i].one)) return 0;
    return 1;
}

int64_t pp_h5_chunk_rows(const pp_h5_set *set)
{
    int64_t most = 0;
    for (int i = 0; i < set->n_parts; i++) {
        int64_t rows = pp__h5_one_chunk_rows(set->parts[i].one);
        if (rows > most) most = rows;
    }
    return most;
}

int64_t pp_h5_cache_bytes(const pp_h5_set *set)
{
    int64_t bytes = set->portion_values * (int64_t)sizeof(double);
    for (int i = 0; i < set->n_parts; i++)
        bytes += pp__h5_one_cache_bytes(set->parts[i].one);
    return bytes;
}

void pp_h5_locate(const pp_h5_set *set, int64_t row, char *text, size_t size)
{
    pp__h5_one_locate(set->parts[0].one, row, text, size);
}

/* Where column `*column` of the rows is from; *column becomes its number there. */
static const part *find_part(const pp_h5_set *set, int64_t *column)
{
    for (int i = 0; set->routes != NULL && i < set->n_parts; i++) {
        const part *p = &set->parts[i];
        for (int64_t k = 0; k < p->n_routes; k++) {
            if (p->routes[k].to != *column) continue;
            *column = p->routes[k].from;
            return p;
        }
    }
    return set->parts; /* the only one, as a whole */
}

int64_t pp_h5_category_column(const pp_h5_set *set)
{
    int64_t first = -1;
    for (int i = 0; i < set->n_parts; i++) {
        const part *p = &set->parts[i];
        if (!pp__h5_one_is_category(p->one)) continue;
        if (set->routes == NULL) return 0;
        for (int64_t k = 0; k < p->n_routes; k++)
            if (first < 0 || p->routes[k].to < first) first = p->routes[k].to;
    }
    return first;
}

void pp_h5_locate_value(const pp_h5_set *set, int64_t row, int64_t column, char *text, size_t size)
{
    PP_CHECK(column >= 0 && column < set->columns);
    const part *p = find_part(set, &column);
    pp__h5_one_locate(p->one, row, text, size);
    size_t used = strlen(text);
    const char *name = pp__h5_one_column_name(p->one, column);
    if (p->width > 1 && used < size && name != NULL)
        used += (size_t)snprintf(text + used, size - used, ", column %lld ('%.60s')",
                                 (long long)column, name);
    else if (p->width > 1 && used < size)
        used += (size_t)snprintf(text + used, size - used, ", column %lld", (long long)column);
    if (used < size) snprintf(text + used, size - used, "%s", pp__h5_one_missing(p->one, row));
}

/* ---- names ---- */

const char *pp_h5_column_name(const pp_h5_set *set, int64_t column)
{
    PP_CHECK(column >= 0 && column < set->columns);
    const part *p = find_part(set, &column);
    return pp__h5_one_column_name(p->one, column);
}

pp_status pp_h5_compare_columns(const pp_h5_set *set, const char *file, const pp_h5_set *like,
                                const char *other, pp_error *err)
{
    PP_CHECK(set->columns == like->columns);
    const char **names = calloc((size_t)(2 * set->columns), sizeof *names);
    if (names == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    for (int64_t k = 0; k < set->columns; k++) {
        names[k] = pp_h5_column_name(set, k);
        names[set->columns + k] = pp_h5_column_name(like, k);
    }
    pp_status status =
        pp__h5_compare_columns(names, names + set->columns, set->columns, file, other, err);
    free(names);
    return status;
}

/* Labels come from one data set. */
int64_t pp_h5_classes(const pp_h5_set *set, const char *const **names)
{
    const pp__h5_names *classes = pp__h5_one_classes(set->parts[0].one);
    *names = (const char *const *)classes->names;
    return set->n_parts == 1 && set->routes == NULL ? classes->count : 0;
}

pp_status pp_h5_match_classes(pp_h5_set *set, const char *const *names, int64_t count,
                              const char *where, pp_error *err)
{
    if (set->n_parts > 1 || set->routes != NULL) return PP_OK;
    return pp__h5_one_match_classes(set->parts[0].one, names, count, where, err);
}

pp_status pp_h5_describe(pp_h5_set *set, int file, pp_h5_facts *facts, pp_error *err)
{
    int widest = 0;
    for (int i = 1; i < set->n_parts; i++)
        if (set->parts[i].width > set->parts[widest].width) widest = i;
    return pp__h5_one_describe(set->parts[widest].one, file, facts, err);
}

/* ---- reading ---- */

/* Of one part, as float, double or whole numbers. */
typedef pp_status (*read_fn)(pp__h5_one *one, int64_t first, int64_t count, void *values,
                             pp_error *err);

static pp_status read_f32(pp__h5_one *one, int64_t first, int64_t count, void *values,
                          pp_error *err)
{
    return pp__h5_one_read_f32(one, first, count, values, err);
}

static pp_status read_f64(pp__h5_one *one, int64_t first, int64_t count, void *values,
                          pp_error *err)
{
    return pp__h5_one_read_f64(one, first, count, values, err);
}

static pp_status read_i64(pp__h5_one *one, int64_t first, int64_t count, void *values,
                          pp_error *err)
{
    return pp__h5_one_read_i64(one, first, count, values, err);
}

/* Rows of a part [count, width] to their columns of values [count, columns]. */
static void distribute(const pp_h5_set *set, const part *p, int64_t count, size_t size,
                       char *values)
{
    const char *from = set->portion;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < p->n_routes; k++)
            memcpy(values + (size_t)p->routes[k].to * size, from + (size_t)p->routes[k].from * size,
                   size);
        from += (size_t)p->width * size;
        values += (size_t)set->columns * size;
    }
}

/* values: [count, columns] of `size` bytes each. */
static pp_status read_rows(pp_h5_set *set, int64_t first, int64_t count, read_fn read, size_t size,
                           char *values, pp_error *err)
{
    if (set->routes == NULL) return read(set->parts[0].one, first, count, values, err);
    int64_t most = set->portion_values / set->width;
    while (count > 0) {
        int64_t rows = count < most ? count : most;
        for (int i = 0; i < set->n_parts; i++) {
            const part *p = &set->parts[i];
            if (p->n_routes == 0) continue;
            pp_status status = read(p->one, first, rows, set->portion, err);
            if (status != PP_OK) return status;
            distribute(set, p, rows, size, values);
        }
        first += rows;
        count -= rows;
        values += (size_t)(rows * set->columns) * size;
    }
    return PP_OK;
}

pp_status pp_h5_read_f32(pp_h5_set *set, int64_t first, int64_t count, float *values, pp_error *err)
{
    return read_rows(set, first, count, read_f32, sizeof *values, (char *)values, err);
}

pp_status pp_h5_read_f64(pp_h5_set *set, int64_t first, int64_t count, double *values,
                         pp_error *err)
{
    return read_rows(set, first, count, read_f64, sizeof *values, (char *)values, err);
}

pp_status pp_h5_read_i64(pp_h5_set *set, int64_t first, int64_t count, int64_t *values,
                         pp_error *err)
{
    PP_CHECK(pp_h5_is_integer(set));
    return read_rows(set, first, count, read_i64, sizeof *values, (char *)values, err);
}
