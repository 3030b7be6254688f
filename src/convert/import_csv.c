/* Two passes over the text, so that memory stays small and the data sets have their final size: the
 * first (csv_plan.c) finds out what the columns are, the second converts. */
#include "convert/import.h"

#include <stdlib.h>
#include <string.h>

#include "csv_plan.h"
#include "store/h5.h"

/* Beyond it a double does not hold every integer. */
static const double most_integer = 9007199254740992.0; /* 2^53 */

enum { BLOCK_BYTES = 4 << 20, MOST_NUMBER = 400 };

typedef struct block {
    const pp__csv_plan *plan;
    int features;
    pp_h5_type x_type, y_type;
    int64_t first, count, size; /* rows */
    char *x, *y;                /* [size, features], [size]; of their types */
    int *place;                 /* [n_columns] feature that a column is; -1: none */
} block;

/* A number into values[at] of a type, rounded once. */
static void put_number(const pp__csv_plan *p, int column, const char *cell, pp_h5_type type,
                       void *values, int64_t at)
{
    char text[MOST_NUMBER] = "";
    double fill = (double)p->options->fill;
    int missing = pp__csv_plan_is_missing(p, column, cell);
    if (!missing) pp__csv_plain_number(cell, p->columns[column].decimal, text, sizeof text);
    if (type == PP_H5_F32)
        ((float *)values)[at] = missing ? p->options->fill : strtof(text, NULL);
    else if (type == PP_H5_F64)
        ((double *)values)[at] = missing ? fill : strtod(text, NULL);
    else
        ((int64_t *)values)[at] = (int64_t)(missing ? fill : strtod(text, NULL));
}

static void take_record(block *b, int file, const pp__csv_record *record)
{
    const pp__csv_plan *p = b->plan;
    if (p->options->policy == PP_CSV_DROP && pp__csv_plan_gaps(p, file, record) > 0) return;
    for (int i = 0; i < record->n_cells; i++) {
        int k = p->files[file].map[i];
        const char *cell = record->cells[i];
        if (k < 0 || p->columns[k].role == PP__LEFT_OUT) continue;
        if (k != p->target)
            put_number(p, k, cell, b->x_type, b->x, b->count * b->features + b->place[k]);
        else if (p->is_classes)
            ((int64_t *)(void *)b->y)[b->count] = pp__csv_plan_class(p, cell);
        else
            put_number(p, k, cell, b->y_type, b->y, b->count);
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

static pp_status write_names(const block *b, pp_h5_writer *writer, pp_error *err)
{
    const pp__csv_plan *p = b->plan;
    int most = p->n_columns > p->n_classes ? p->n_columns : p->n_classes;
    const char **names = PP_ARENA_NEW(p->arena, const char *, most);
    pp_status status = PP_OK;
    if (names == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
    for (int i = 0; i < p->n_columns; i++)
        if (b->place[i] >= 0) names[b->place[i]] = p->columns[i].name;
    if (p->has_header) status = pp_h5_writer_names(writer, "x", "columns", names, b->features, err);
    if (status != PP_OK || !p->is_classes) return status;
    for (int i = 0; i < p->n_classes; i++)
        names[i] = p->classes[i].name;
    return pp_h5_writer_names(writer, "y", "classes", names, p->n_classes, err);
}

static pp_status add_sets(const block *b, pp_h5_writer *writer, pp_error *err)
{
    int64_t dims[2] = {b->plan->rows, b->features};
    pp_status status = pp_h5_writer_add(writer, "x", b->x_type, 2, dims, 0, err);
    if (status == PP_OK && b->plan->target >= 0)
        status = pp_h5_writer_add(writer, "y", b->y_type, 1, dims, 0, err);
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
        int is_wide = pp__csv_column_is_wide(c);
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
    block b = {.plan = p, .features = pp__csv_plan_features(p)};
    settle_types(&b);
    size_t row = (size_t)b.features * sizeof(double);
    b.size = (int64_t)(BLOCK_BYTES / row + 1);
    if (b.size > p->rows) b.size = p->rows;
    b.x = PP_ARENA_NEW(p->arena, char, (size_t)b.size *row);
    b.y = PP_ARENA_NEW(p->arena, char, (size_t)b.size * sizeof(double));
    b.place = PP_ARENA_NEW(p->arena, int, p->n_columns);
    if (b.x == NULL || b.y == NULL || b.place == NULL)
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->files[0].path);
    for (int i = 0, x = 0; i < p->n_columns; i++)
        b.place[i] = p->columns[i].role == PP__FEATURE ? x++ : -1;
    return write_output(&b, output, err);
}

pp_status pp_import_csv(const char *const *paths, int n_paths, const pp_csv_options *options,
                        const char *output, pp_csv_report *report, pp_error *err)
{
    pp__csv_plan p;
    pp_csv_report made = {.rows = 0};
    pp_status status = pp__csv_plan_make(&p, paths, n_paths, options, err);
    if (status == PP_OK) status = pp__csv_plan_report(&p, &made, err);
    if (status == PP_OK) status = convert(&p, output, err);
    pp__csv_plan_free(&p);
    if (status == PP_OK && report != NULL)
        *report = made;
    else
        pp_csv_report_free(&made);
    return status;
}
