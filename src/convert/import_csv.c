/* Two passes over the text, so that memory stays small and the data sets have their final size: the
 * first counts rows and finds out what the target is, the second converts. */
#include "pitprop/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "pitprop/h5.h"
#include "pitprop/json.h"

enum { MAX_CLASSES = 1000, BLOCK_BYTES = 4 << 20 };

/* Beyond it a double does not hold every integer. */
static const double max_integer = 9007199254740992.0; /* 2^53 */

typedef struct plan {
    const char *path;
    char separator;
    int has_header;
    int n_columns, target; /* columns of the file, and which of them is the target */
    char **names;          /* [n_columns] of the header; NULL without one */
    int64_t rows;
    int all_numbers, all_integers;      /* of the target cells */
    int64_t text_line;                  /* first line whose target is no number */
    char text_shown[PP__CSV_SHOWN + 1]; /* and that target */
    char **classes;                  /* [n_classes] different target texts, by first appearance */
    int n_classes, too_many_classes; /* collecting stops at MAX_CLASSES */
} plan;

typedef struct place { /* of a cell, for messages */
    const plan *plan;
    int64_t line;
    int column;
    const char *cell;
} place;

/* ---- cells ---- */

static pp_status fail_cell(const place *at, pp_error *err, const char *what)
{
    char shown[PP__CSV_SHOWN + 1], column[PP__CSV_SHOWN + 16];
    const plan *p = at->plan;
    pp__csv_show(at->cell, shown);
    if (p->names != NULL)
        snprintf(column, sizeof column, "'%.*s'", PP__CSV_SHOWN, p->names[at->column]);
    else
        snprintf(column, sizeof column, "%d (counted from 0)", at->column);
    return pp_fail(err, PP_E_DATA, "%s: line %lld, column %s: '%s' %s", p->path,
                   (long long)at->line, column, shown, what);
}

static pp_status take_feature(const place *at, float *value, pp_error *err)
{
    double number;
    if (pp__csv_is_missing(at->cell))
        return fail_cell(at, err, "is a missing value; fill it in or leave out the row");
    if (!pp__csv_number(at->cell, &number))
        return fail_cell(at, err,
                         at->line == 1 && at->plan->names == NULL
                             ? "is not a number; if this line is a header, say so"
                             : "is not a finite number; features must be numbers");
    *value = strtof(at->cell, NULL); /* rounded once */
    return isfinite(*value) ? PP_OK : fail_cell(at, err, "does not fit a float32");
}

/* ---- the columns ---- */

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

static int find_name(const pp__csv_record *first, const char *name)
{
    for (int i = 0; i < first->n_cells; i++)
        if (strcmp(first->cells[i], name) == 0) return i;
    return -1;
}

static pp_status fail_target(const plan *p, const char *target, pp_error *err)
{
    char list[256] = "";
    size_t used = 0;
    for (int i = 0; p->names != NULL && i < p->n_columns && used < sizeof list - 64; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s", i == 0 ? "" : ", ",
                                 p->names[i]);
    return pp_fail(err, PP_E_ARG, "%s: has no target column '%s'; its %d columns are %s", p->path,
                   target, p->n_columns, p->names == NULL ? "numbered from 0" : list);
}

static pp_status copy_names(plan *p, const pp__csv_record *first, pp_error *err)
{
    p->names = calloc((size_t)p->n_columns, sizeof *p->names);
    for (int i = 0; p->names != NULL && i < p->n_columns; i++) {
        p->names[i] = strdup(first->cells[i]);
        if (p->names[i] == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    }
    if (p->names == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    return PP_OK;
}

static pp_status plan_columns(plan *p, const pp_csv_options *options, const pp__csv_record *first,
                              pp_error *err)
{
    const char *target = options->target == NULL ? "-1" : options->target;
    if (first->n_cells == 0) return pp_fail(err, PP_E_DATA, "%s: is empty", p->path);
    p->n_columns = first->n_cells;
    if (p->n_columns < 2)
        return pp_fail(err, PP_E_DATA,
                       "%s: has one column; expected at least one feature and the "
                       "target",
                       p->path);
    int named = find_name(first, target), indexed = -1;
    int is_index = parse_index(target, p->n_columns, &indexed);
    p->has_header = options->has_header;
    if (p->has_header < 0) p->has_header = pp__csv_is_header(first) || (named >= 0 && !is_index);
    if (p->has_header) {
        pp_status status = copy_names(p, first, err);
        if (status != PP_OK) return status;
    }
    p->target = p->has_header && named >= 0 ? named : indexed;
    return p->target >= 0 ? PP_OK : fail_target(p, target, err);
}

static pp_status check_cells(const plan *p, const pp__csv_record *record, pp_error *err)
{
    if (record->n_cells == p->n_columns) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: line %lld: has %d cells, expected %d as in the first line",
                   p->path, (long long)record->line, record->n_cells, p->n_columns);
}

/* ---- first pass ---- */

static int class_of(const plan *p, const char *text)
{
    for (int i = 0; i < p->n_classes; i++)
        if (strcmp(p->classes[i], text) == 0) return i;
    return -1;
}

/* Numbers are collected as well: a later row may show that the target is text. */
static pp_status collect_class(plan *p, const char *text, pp_error *err)
{
    if (p->too_many_classes || class_of(p, text) >= 0) return PP_OK;
    if (p->n_classes == MAX_CLASSES) {
        p->too_many_classes = 1;
        return PP_OK;
    }
    if (p->classes == NULL) p->classes = calloc(MAX_CLASSES, sizeof *p->classes);
    char *copy = p->classes == NULL ? NULL : strdup(text);
    if (copy == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    p->classes[p->n_classes++] = copy;
    return PP_OK;
}

static pp_status look_at_target(plan *p, const pp__csv_record *record, pp_error *err)
{
    double value;
    place at = {p, record->line, p->target, record->cells[p->target]};
    if (pp__csv_is_missing(at.cell))
        return fail_cell(&at, err, "is a missing value; fill it in or leave out the row");
    if (!pp__csv_number(at.cell, &value)) {
        if (p->all_numbers) {
            p->text_line = at.line;
            pp__csv_show(at.cell, p->text_shown);
        }
        p->all_numbers = p->all_integers = 0;
    } else if (value != floor(value) || fabs(value) > max_integer) {
        p->all_integers = 0;
    }
    return collect_class(p, at.cell, err);
}

static pp_status check_plan(const plan *p, pp_error *err)
{
    if (p->rows == 0) return pp_fail(err, PP_E_DATA, "%s: holds no rows", p->path);
    if (p->all_numbers || !p->too_many_classes) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: line %lld: the target '%s' is not a number, and there are more than %d "
                   "different targets, too many for classes",
                   p->path, (long long)p->text_line, p->text_shown, MAX_CLASSES);
}

static pp_status scan(plan *p, const pp_csv_options *options, pp__csv *csv, pp_error *err)
{
    pp__csv_record record;
    pp_status status = pp__csv_next(csv, &record, err);
    if (status == PP_OK) status = plan_columns(p, options, &record, err);
    if (status == PP_OK && p->has_header) status = pp__csv_next(csv, &record, err);
    p->all_numbers = p->all_integers = 1;
    while (status == PP_OK && record.n_cells > 0) {
        status = check_cells(p, &record, err);
        if (status == PP_OK) status = look_at_target(p, &record, err);
        if (status != PP_OK) return status;
        p->rows++;
        status = pp__csv_next(csv, &record, err);
    }
    return status == PP_OK ? check_plan(p, err) : status;
}

/* ---- second pass ---- */

typedef struct block {
    int64_t first, count, size; /* rows */
    float *x;                   /* [size, n_columns - 1] */
    int64_t *y_class;           /* [size], one of the two is used */
    float *y_value;
} block;

static int y_is_integer(const plan *p)
{
    return p->all_integers || !p->all_numbers;
}

static pp_status take_target(const plan *p, const place *at, block *b, pp_error *err)
{
    double value = 0.0;
    if (!p->all_numbers)
        b->y_class[b->count] = class_of(p, at->cell);
    else if (!p->all_integers)
        return take_feature(at, &b->y_value[b->count], err);
    else if (pp__csv_number(at->cell, &value))
        b->y_class[b->count] = (int64_t)value;
    return PP_OK;
}

static pp_status take_record(const plan *p, const pp__csv_record *record, block *b, pp_error *err)
{
    pp_status status = check_cells(p, record, err);
    float *x = b->x + b->count * (p->n_columns - 1);
    for (int i = 0; i < p->n_columns && status == PP_OK; i++) {
        place at = {p, record->line, i, record->cells[i]};
        status = i == p->target ? take_target(p, &at, b, err) : take_feature(&at, x++, err);
    }
    if (status == PP_OK) b->count++;
    return status;
}

static pp_status put_block(const plan *p, block *b, pp_h5_writer *writer, pp_error *err)
{
    if (b->first + b->count > p->rows)
        return pp_fail(err, PP_E_IO, "%s: has changed while it was read", p->path);
    pp_status status = pp_h5_writer_put(writer, "x", b->first, b->count, PP_H5_F32, b->x, err);
    if (status == PP_OK)
        status = pp_h5_writer_put(writer, "y", b->first, b->count,
                                  y_is_integer(p) ? PP_H5_I64 : PP_H5_F32,
                                  y_is_integer(p) ? (void *)b->y_class : (void *)b->y_value, err);
    b->first += b->count;
    b->count = 0;
    return status;
}

static pp_status copy_rows(const plan *p, pp__csv *csv, block *b, pp_h5_writer *writer,
                           pp_error *err)
{
    pp__csv_record record;
    pp_status status = pp__csv_next(csv, &record, err);
    if (status == PP_OK && p->has_header) status = pp__csv_next(csv, &record, err);
    while (status == PP_OK && record.n_cells > 0) {
        status = take_record(p, &record, b, err);
        if (status == PP_OK && b->count == b->size) status = put_block(p, b, writer, err);
        if (status == PP_OK) status = pp__csv_next(csv, &record, err);
    }
    if (status == PP_OK) status = put_block(p, b, writer, err);
    if (status == PP_OK && b->first != p->rows)
        status = pp_fail(err, PP_E_IO, "%s: has changed while it was read", p->path);
    return status;
}

/* The texts in order of their numbers, as a JSON array. */
static pp_status note_classes(const plan *p, pp_h5_writer *writer, pp_error *err)
{
    if (p->all_numbers) return PP_OK;
    pp_json_writer *json = pp_json_writer_create(0);
    if (json == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    pp_json_begin_array(json, NULL);
    for (int i = 0; i < p->n_classes; i++)
        pp_json_put_string(json, NULL, p->classes[i]);
    pp_json_end_array(json);
    size_t length;
    const char *text = pp_json_text(json, &length);
    pp_status status = text == NULL ? pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path)
                                    : pp_h5_writer_note(writer, "classes", text, err);
    pp_json_writer_destroy(json);
    return status;
}

static pp_status add_sets(const plan *p, pp_h5_writer *writer, pp_error *err)
{
    int64_t dims[2] = {p->rows, p->n_columns - 1};
    pp_h5_type y_type = y_is_integer(p) ? PP_H5_I64 : PP_H5_F32;
    pp_status status = pp_h5_writer_add(writer, "x", PP_H5_F32, 2, dims, 0, err);
    if (status == PP_OK) status = pp_h5_writer_add(writer, "y", y_type, 1, dims, 0, err);
    return status == PP_OK ? note_classes(p, writer, err) : status;
}

static pp_status write_output(const plan *p, pp__csv *csv, block *b, const char *output,
                              pp_error *err)
{
    pp_h5_writer *writer;
    pp_status status = pp_h5_writer_create(output, &writer, err);
    if (status != PP_OK) return status;
    status = add_sets(p, writer, err);
    if (status == PP_OK) status = copy_rows(p, csv, b, writer, err);
    if (status == PP_OK) return pp_h5_writer_close(writer, err);
    pp_h5_writer_abandon(writer);
    return status;
}

static pp_status convert(const plan *p, pp__csv *csv, const char *output, pp_error *err)
{
    size_t features = (size_t)p->n_columns - 1, rows = BLOCK_BYTES / (features * sizeof(float)) + 1;
    if ((int64_t)rows > p->rows) rows = (size_t)p->rows;
    block b = {.size = (int64_t)rows};
    b.x = calloc(rows, features * sizeof *b.x);
    b.y_class = calloc(rows, sizeof *b.y_class);
    b.y_value = calloc(rows, sizeof *b.y_value);
    pp_status status = PP_OK;
    if (b.x == NULL || b.y_class == NULL || b.y_value == NULL)
        status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    if (status == PP_OK) status = write_output(p, csv, &b, output, err);
    free(b.x);
    free(b.y_class);
    free(b.y_value);
    return status;
}

/* ---- both ---- */

static void free_plan(plan *p)
{
    for (int i = 0; p->names != NULL && i < p->n_columns; i++)
        free(p->names[i]);
    for (int i = 0; i < p->n_classes; i++)
        free(p->classes[i]);
    free(p->names);
    free(p->classes);
}

static pp_status run_passes(plan *p, const pp_csv_options *options, const char *output,
                            pp_error *err)
{
    pp__csv *csv;
    pp_status status = pp__csv_open(p->path, p->separator, &csv, err);
    if (status != PP_OK) return status;
    status = scan(p, options, csv, err);
    pp__csv_close(csv);
    if (status == PP_OK) status = pp__csv_open(p->path, p->separator, &csv, err);
    if (status != PP_OK) return status;
    status = convert(p, csv, output, err);
    pp__csv_close(csv);
    return status;
}

pp_status pp_import_csv(const char *path, const pp_csv_options *options, const char *output,
                        int64_t *rows, pp_error *err)
{
    plan p = {.path = path, .separator = options->separator};
    pp_status status = PP_OK;
    if (p.separator == 0) status = pp__csv_guess_separator(path, &p.separator, err);
    if (status == PP_OK) status = run_passes(&p, options, output, err);
    if (status == PP_OK && rows != NULL) *rows = p.rows;
    free_plan(&p);
    return status;
}
