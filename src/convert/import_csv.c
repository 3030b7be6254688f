/* Two passes over the text, so that memory stays small and the data sets have their final size: the
 * first (csv_plan.c) finds out what the columns are, the second converts. */
#include "convert/import.h"

#include <stdlib.h>
#include <string.h>

#include "csv_fill.h"
#include "csv_plan.h"
#include "store/h5.h"

/* Beyond it a double does not hold every integer. */
static const double most_integer = 9007199254740992.0; /* 2^53 */

enum { BLOCK_BYTES = 4 << 20, MOST_NUMBER = 400 };

typedef struct block {
    const pp__csv_plan *plan;
    pp_h5_type x_type, y_type;
    int64_t first, count, size; /* rows */
    char *x, *y;                /* [size, n_x], [size]; of their types */
} block;

static void put_value(pp_h5_type type, void *values, int64_t at, double value)
{
    if (type == PP_H5_F32)
        ((float *)values)[at] = (float)value;
    else if (type == PP_H5_F64)
        ((double *)values)[at] = value;
    else
        ((int64_t *)values)[at] = (int64_t)value;
}

/* A number into values[at] of a type, rounded once. */
static void put_number(const pp__csv_column *c, const char *cell, pp_h5_type type, void *values,
                       int64_t at)
{
    char text[MOST_NUMBER] = "";
    if (c->kind == PP__DATE || type != PP_H5_F32) {
        put_value(type, values, at, pp__csv_cell_value(c, cell));
        return;
    }
    pp__csv_plain_number(cell, c->decimal, text, sizeof text);
    ((float *)values)[at] = strtof(text, NULL);
}

/* A feature into the row of x that begins at value `first`, all of which are 0. */
static void put_feature(block *b, const pp__csv_column *c, int column, const char *cell,
                        int64_t first)
{
    int missing = pp__csv_plan_is_missing(b->plan, column, cell);
    int name = c->kind == PP__CATEGORY && !missing ? pp__csv_kind_find(c, cell) : -1;
    if (c->kind == PP__CATEGORY) {
        if (name >= 0) put_value(b->x_type, b->x, first + c->names[name].x, 1);
        return;
    }
    if (missing && c->x_flag >= 0) put_value(b->x_type, b->x, first + c->x_flag, 1);
    if (missing)
        put_value(b->x_type, b->x, first + c->x, c->fill);
    else
        put_number(c, cell, b->x_type, b->x, first + c->x);
}

static void take_record(block *b, int file, const pp__csv_record *record)
{
    const pp__csv_plan *p = b->plan;
    size_t size = b->x_type == PP_H5_F32 ? sizeof(float) : sizeof(double);
    if (p->options->policy == PP_CSV_DROP && pp__csv_plan_gaps(p, file, record) > 0) return;
    memset(b->x + (size_t)(b->count * p->n_x) * size, 0, (size_t)p->n_x * size);
    for (int i = 0; i < record->n_cells; i++) {
        int k = p->files[file].map[i];
        const char *cell = record->cells[i];
        if (k < 0 || p->columns[k].role == PP__LEFT_OUT) continue;
        if (k != p->target)
            put_feature(b, &p->columns[k], k, cell, b->count * p->n_x);
        else if (p->is_classes)
            ((int64_t *)(void *)b->y)[b->count] = pp__csv_plan_class(p, cell);
        else
            put_number(&p->columns[k], cell, b->y_type, b->y, b->count);
    }
    b->count++;
}

static pp_status fail_changed(const block *b, int file, pp_error *err)
{
    return pp_fail(err, PP_E_IO, "%s: has changed while it was read", b->plan->files[file].path);
}

static pp_status put_block(block *b, int file, pp_h5_writer *writer, pp_error *err)
{
    if (b->first + b->count > b->plan->rows) return fail_changed(b, file, err);
    pp_status status = pp_h5_writer_put(writer, "x", b->first, b->count, b->x_type, b->x, err);
    if (status == PP_OK && b->plan->target >= 0)
        status = pp_h5_writer_put(writer, "y", b->first, b->count, b->y_type, b->y, err);
    b->first += b->count;
    b->count = 0;
    return status;
}

static pp_status copy_file(block *b, int file, pp_h5_writer *writer, pp_error *err)
{
    pp__csv *csv;
    pp__csv_record record;
    pp_status status = pp__csv_plan_open(b->plan, file, &csv, err);
    if (status != PP_OK) return status;
    status = pp__csv_next(csv, &record, err);
    while (status == PP_OK && record.n_cells > 0) {
        if (record.n_cells != b->plan->files[file].n_cells)
            status = fail_changed(b, file, err);
        else
            take_record(b, file, &record);
        if (status == PP_OK && b->count == b->size) {
            status = put_block(b, file, writer, err);
            pp__csv_plan_tell(b->plan, file, csv, 1);
        }
        if (status == PP_OK) status = pp__csv_next(csv, &record, err);
    }
    pp__csv_close(csv);
    return status;
}

static pp_status copy_rows(block *b, pp_h5_writer *writer, pp_error *err)
{
    pp_status status = PP_OK;
    int last = b->plan->n_files - 1;
    for (int i = 0; i <= last && status == PP_OK; i++)
        status = copy_file(b, i, writer, err);
    if (status == PP_OK) status = put_block(b, last, writer, err);
    return status == PP_OK && b->first != b->plan->rows ? fail_changed(b, last, err) : status;
}

/* ---- the file ---- */

static const char *x_name(const pp__csv_plan *p, const pp__csv_column *c, int name)
{
    if (c->kind == PP__CATEGORY)
        return pp_arena_printf(p->arena, "%s=%s", c->name, c->names[name].name);
    return name == 0 ? c->name : pp_arena_printf(p->arena, "%s missing", c->name);
}

static int name_columns(const pp__csv_plan *p, const char **names)
{
    int complete = 1;
    for (int i = 0; i < p->n_columns; i++) {
        const pp__csv_column *c = &p->columns[i];
        if (c->role != PP__FEATURE) continue;
        for (int k = 0; c->kind == PP__CATEGORY && k < c->n_names; k++)
            complete &= (names[c->names[k].x] = x_name(p, c, k)) != NULL;
        if (c->kind != PP__CATEGORY) names[c->x] = x_name(p, c, 0);
        if (c->kind != PP__CATEGORY && c->x_flag >= 0)
            complete &= (names[c->x_flag] = x_name(p, c, 1)) != NULL;
    }
    return complete;
}

static pp_status write_names(const block *b, pp_h5_writer *writer, pp_error *err)
{
    const pp__csv_plan *p = b->plan;
    const pp_csv_options *o = p->options;
    int most = p->n_x > p->n_classes ? p->n_x : p->n_classes;
    const char **names = PP_ARENA_NEW(p->arena, const char *, most);
    pp_status status = PP_OK;
    if (names == NULL || (p->has_header && !name_columns(p, names)))
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
    if (p->has_header) status = pp_h5_writer_names(writer, "x", "columns", names, p->n_x, err);
    if (status != PP_OK || !p->is_classes) return status;
    if (o->class_names != NULL)
        return pp_h5_writer_names(writer, "y", "classes", o->class_names, o->n_class_names, err);
    for (int i = 0; i < p->n_classes; i++)
        names[i] = p->classes[i].name;
    return pp_h5_writer_names(writer, "y", "classes", names, p->n_classes, err);
}

/* What stood for missing values, for files that come later: --like. */
static pp_status write_fills(const block *b, pp_h5_writer *writer, pp_error *err)
{
    const pp__csv_plan *p = b->plan;
    int64_t dims[2] = {p->n_x, 1};
    double *fills = PP_ARENA_NEW(p->arena, double, p->n_x);
    if (p->options->policy != PP_CSV_FILL) return PP_OK;
    if (fills == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
    for (int i = 0; i < p->n_columns; i++)
        if (p->columns[i].role == PP__FEATURE && p->columns[i].kind != PP__CATEGORY)
            fills[p->columns[i].x] = p->columns[i].fill;
    pp_status status = pp_h5_writer_add(writer, "x_fill", PP_H5_F64, 1, dims, 0, err);
    if (status != PP_OK) return status;
    return pp_h5_writer_put(writer, "x_fill", 0, p->n_x, PP_H5_F64, fills, err);
}

static pp_status add_sets(const block *b, pp_h5_writer *writer, pp_error *err)
{
    int64_t dims[2] = {b->plan->rows, b->plan->n_x};
    pp_status status = pp_h5_writer_add(writer, "x", b->x_type, 2, dims, 0, err);
    if (status == PP_OK && b->plan->target >= 0)
        status = pp_h5_writer_add(writer, "y", b->y_type, 1, dims, 0, err);
    if (status == PP_OK) status = write_fills(b, writer, err);
    return status == PP_OK ? write_names(b, writer, err) : status;
}

static pp_status write_output(block *b, const char *output, pp_error *err)
{
    pp_h5_writer *writer;
    pp_status status = pp_h5_writer_create(output, &writer, err);
    if (status != PP_OK) return status;
    status = add_sets(b, writer, err);
    if (status == PP_OK) status = copy_rows(b, writer, err);
    if (status == PP_OK) return pp_h5_writer_close(writer, err);
    pp_h5_writer_abandon(writer);
    return status;
}

static void settle_types(block *b)
{
    const pp__csv_plan *p = b->plan;
    b->x_type = b->y_type = PP_H5_F32;
    for (int i = 0; i < p->n_columns; i++) {
        const pp__csv_column *c = &p->columns[i];
        int is_wide = c->kind == PP__NUMBER && pp__csv_column_is_wide(c);
        if (c->role == PP__FEATURE && is_wide) b->x_type = PP_H5_F64;
        if (c->role != PP__TARGET) continue;
        const pp__csv_values *v = &c->values[c->decimal];
        int is_integer =
            p->is_classes || (v->is_whole && v->min > -most_integer && v->max < most_integer);
        b->y_type = is_integer ? PP_H5_I64 : is_wide ? PP_H5_F64 : PP_H5_F32;
    }
}

static pp_status convert(const pp__csv_plan *p, const char *output, pp_error *err)
{
    block b = {.plan = p};
    settle_types(&b);
    size_t row = (size_t)p->n_x * sizeof(double);
    b.size = (int64_t)(BLOCK_BYTES / row + 1);
    if (b.size > p->rows) b.size = p->rows;
    b.x = PP_ARENA_NEW(p->arena, char, (size_t)b.size *row);
    b.y = PP_ARENA_NEW(p->arena, char, (size_t)b.size * sizeof(double));
    if (b.x == NULL || b.y == NULL)
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
    return write_output(&b, output, err);
}

pp_status pp_import_csv(const char *const *paths, int n_paths, const pp_csv_options *options,
                        const char *output, pp_csv_report *report, pp_error *err)
{
    pp__csv_plan p;
    pp_csv_report made = {.rows = 0};
    pp_status status = pp__csv_plan_make(&p, paths, n_paths, options, err);
    if (status == PP_OK) status = pp__csv_fill(&p, err);
    if (status == PP_OK) status = pp__csv_plan_report(&p, &made, err);
    if (status == PP_OK) status = convert(&p, output, err);
    pp__csv_plan_free(&p);
    if (status == PP_OK && report != NULL)
        *report = made;
    else
        pp_csv_report_free(&made);
    return status;
}
