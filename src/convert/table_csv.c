/* Columns of a csv file. Parts are ranges of bytes, in which any line end begins a row: a record
 * must not run over several lines. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "pitprop/check.h"
#include "table_internal.h"

static pp_status copy_header(pp_table *t, const pp__csv_record *first, pp_error *err)
{
    pp__table_csv *c = &t->csv;
    c->header = calloc((size_t)c->n_cells, sizeof *c->header);
    for (int i = 0; c->header != NULL && i < c->n_cells; i++) {
        c->header[i] = strdup(first->cells[i]);
        if (c->header[i] == NULL) return pp__table_no_memory(t, err);
    }
    return c->header == NULL ? pp__table_no_memory(t, err) : PP_OK;
}

/* The first record: names of columns, or the first row. */
static pp_status read_first(pp_table *t, pp_error *err)
{
    pp__table_csv *c = &t->csv;
    pp__csv_record first;
    c->data = pp__csv_tell(c->csv);
    pp_status status = pp__csv_next(c->csv, &first, err);
    if (status != PP_OK) return status;
    if (first.n_cells == 0) return pp_fail(err, PP_E_DATA, "%s: is empty", t->file);
    c->n_cells = first.n_cells;
    if (!pp__csv_is_header(&first)) return PP_OK;
    c->data = pp__csv_tell(c->csv);
    return copy_header(t, &first, err);
}

static pp_status csv_open(pp_table *t, const char *const *names, pp_error *err)
{
    (void)names;
    pp__table_csv *c = &t->csv;
    struct stat info;
    char separator;
    pp_status status = PP_OK;
    if (stat(t->file, &info) != 0)
        status = pp_fail(err, PP_E_IO, "%s: cannot open: %s", t->file, strerror(errno));
    else if (info.st_size == 0)
        status = pp_fail(err, PP_E_DATA, "%s: is empty", t->file);
    if (status == PP_OK) status = pp__csv_guess_separator(t->file, NULL, &separator, err);
    if (status == PP_OK) status = pp__csv_open(t->file, separator, &c->csv, err);
    if (status != PP_OK) return status;
    c->size = (int64_t)info.st_size;
    pp__csv_want_lines(c->csv);
    status = read_first(t, err);
    return status == PP_OK ? pp__table_pick(t, c->header, c->n_cells, err) : status;
}

static void csv_close(pp_table *t)
{
    pp__table_csv *c = &t->csv;
    for (int i = 0; c->header != NULL && i < c->n_cells; i++)
        free(c->header[i]);
    free(c->header);
    free(c->lines);
    pp__csv_close(c->csv);
}

/* A compressed file can be read from its start only: it is all in the first part. */
static pp_status csv_look(pp_table *t, int part, int parts, pp_table_part *found, pp_error *err)
{
    pp__table_csv *c = &t->csv;
    int64_t data = c->data.offset, bytes = c->size - data;
    int64_t begin = data + bytes / parts * part, end = data + bytes / parts * (part + 1);
    if (part + 1 == parts) end = c->size;
    *found = (pp_table_part){0, 0, 0};
    if (pp__csv_is_gzip(c->csv)) {
        if (part > 0) return PP_OK;
        begin = data;
        end = INT64_MAX;
    }
    pp__csv_part counted;
    pp_status status = pp__csv_count(c->csv, data, begin, end, &counted, err);
    if (status != PP_OK) return status;
    *found = (pp_table_part){counted.rows, counted.lines, counted.offset};
    return PP_OK;
}

/* ---- cells ---- */

static int take_infinity(const char *cell, double *value)
{
    static const char *const texts[] = {"inf", "infinity"};
    const char *unsigned_cell = cell + (*cell == '-' || *cell == '+');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcasecmp(unsigned_cell, texts[i]) == 0) {
            *value = *cell == '-' ? -INFINITY : INFINITY;
            return 1;
        }
    return 0;
}

/* True and False are how pandas writes booleans. */
static int take_cell(const char *cell, double *value)
{
    if (pp__csv_number(cell, value) || take_infinity(cell, value)) return 1;
    if (strcasecmp(cell, "true") == 0 || strcasecmp(cell, "false") == 0) {
        *value = strcasecmp(cell, "true") == 0;
        return 1;
    }
    *value = NAN;
    return pp__csv_is_missing(cell) || strcasecmp(cell, "-nan") == 0;
}

static void column_text(const pp_table *t, int64_t column, char *text, size_t size)
{
    if (t->csv.header != NULL)
        snprintf(text, size, "'%.*s'", PP__CSV_SHOWN, t->csv.header[column]);
    else
        snprintf(text, size, "%lld", (long long)column);
}

static pp_status fail_cell(const pp_table *t, const pp__csv_record *record, int64_t column,
                           pp_error *err)
{
    char shown[PP__CSV_SHOWN + 1], name[PP__CSV_SHOWN + 8];
    pp__csv_show(record->cells[column], shown);
    column_text(t, column, name, sizeof name);
    return pp_fail(err, PP_E_DATA, "%s: line %lld, column %s: '%s' is not a number", t->file,
                   (long long)record->line, name, shown);
}

static pp_status take_record(pp_table *t, const pp__csv_record *record, double *values,
                             pp_error *err)
{
    if (record->n_cells == 0)
        return pp_fail(err, PP_E_IO, "%s: has changed while it was read", t->file);
    if (record->n_cells != t->csv.n_cells)
        return pp_fail(err, PP_E_DATA,
                       "%s: line %lld: has %d cells, expected %d as in the first line", t->file,
                       (long long)record->line, record->n_cells, t->csv.n_cells);
    for (int64_t c = 0; c < t->columns; c++)
        if (!take_cell(record->cells[t->picks[c]], values + c))
            return fail_cell(t, record, t->picks[c], err);
    return PP_OK;
}

/* ---- rows ---- */

static pp_status keep_lines(pp_table *t, int64_t first, int64_t count, pp_error *err)
{
    pp__table_csv *c = &t->csv;
    if (count > c->lines_count) {
        int64_t *lines = realloc(c->lines, (size_t)count * sizeof *lines);
        if (lines == NULL) return pp__table_no_memory(t, err);
        c->lines = lines;
    }
    c->lines_first = first;
    c->lines_count = count;
    return PP_OK;
}

static pp_status csv_read(pp_table *t, int64_t first, int64_t count, double *values, pp_error *err)
{
    pp__table_csv *c = &t->csv;
    pp_status status = keep_lines(t, first, count, err);
    if (status == PP_OK && first == c->start_row) {
        status = pp__csv_seek(c->csv, &c->start, err);
        c->next_row = first;
    }
    PP_CHECK(status != PP_OK || first == c->next_row);
    for (int64_t i = 0; i < count && status == PP_OK; i++) {
        pp__csv_record record;
        status = pp__csv_next(c->csv, &record, err);
        if (status == PP_OK) status = take_record(t, &record, values + i * t->columns, err);
        if (status == PP_OK) c->lines[i] = record.line;
    }
    c->next_row += count;
    return status;
}

static void csv_locate(const pp_table *t, int64_t row, int name, char *text, size_t size)
{
    const pp__table_csv *c = &t->csv;
    PP_CHECK(row >= c->lines_first && row < c->lines_first + c->lines_count);
    char column[PP__CSV_SHOWN + 8];
    column_text(t, t->picks[t->first[name]], column, sizeof column);
    int several = t->first[name + 1] - t->first[name] > 1;
    snprintf(text, size, "%s: line %lld, column%s %s%s", t->file,
             (long long)c->lines[row - c->lines_first], several ? "s" : "", column,
             several ? " and on" : "");
}

const pp__table_format pp__table_csv_format = {
    ".csv .csv.gz .tsv .tsv.gz .txt ", NULL, csv_open, csv_close, csv_look, csv_read, csv_locate};
