/* What csv files hold, before a row of them is converted. */
#include "csv_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "csv_roles.h"

enum { MAX_CLASSES = 1000, TELL_ROWS = 4096, SEEN = 1 << 20 };

static pp_status no_memory(const pp__csv_plan *p, pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
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
        status = pp__csv_settle_header(p, first, err);
        if (status == PP_OK) status = pp__csv_make_columns(p, first, err);
        if (status == PP_OK) status = pp__csv_give_roles(p, err);
    }
    return status == PP_OK ? pp__csv_map_columns(p, &p->files[file], first, err) : status;
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
