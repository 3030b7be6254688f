/* Two passes over the text, so that memory stays small and the data sets have their final size: the
 * first (csv_plan.c) counts rows and finds out what the target is, the second converts. */
#include "pitprop/import.h"

#include <math.h>
#include <stdlib.h>

#include "csv_plan.h"
#include "pitprop/h5.h"
#include "pitprop/json.h"

enum { BLOCK_BYTES = 4 << 20 };

static pp_status take_feature(const pp__csv_cell *cell, float fill, float *value, pp_error *err)
{
    double number;
    if (pp__csv_is_missing(cell->text)) {
        *value = fill; /* the first pass has refused what is not to be filled in */
        return PP_OK;
    }
    if (!pp__csv_number(cell->text, &number))
        return pp__csv_fail_cell(cell, err,
                                 cell->line == 1 && cell->plan->names == NULL
                                     ? "is not a number; if this line is a header, say so"
                                     : "is not a finite number; features must be numbers");
    *value = strtof(cell->text, NULL); /* rounded once */
    return isfinite(*value) ? PP_OK : pp__csv_fail_cell(cell, err, "does not fit a float32");
}

/* ---- second pass ---- */

typedef struct block {
    float fill;                 /* for missing features */
    int64_t first, count, size; /* rows */
    float *x;                   /* [size, n_columns - 1] */
    int64_t *y_class;           /* [size], one of the two is used */
    float *y_value;
} block;

static int y_is_integer(const pp__csv_plan *p)
{
    return p->all_integers || !p->all_numbers;
}

static pp_status take_target(const pp__csv_plan *p, const pp__csv_cell *cell, block *b,
                             pp_error *err)
{
    double value = 0.0;
    if (!p->all_numbers)
        b->y_class[b->count] = pp__csv_plan_class(p, cell->text);
    else if (!p->all_integers)
        return take_feature(cell, b->fill, &b->y_value[b->count], err);
    else if (pp__csv_number(cell->text, &value))
        b->y_class[b->count] = (int64_t)value;
    return PP_OK;
}

static pp_status take_record(const pp__csv_plan *p, const pp__csv_record *record, block *b,
                             pp_error *err)
{
    pp_status status = pp__csv_plan_check(p, record, err);
    if (p->policy == PP_CSV_DROP && pp__csv_plan_gaps(record) > 0) return status;
    float *x = b->x + b->count * (p->n_columns - 1);
    for (int i = 0; i < p->n_columns && status == PP_OK; i++) {
        pp__csv_cell cell = {p, record->line, i, record->cells[i]};
        status =
            i == p->target ? take_target(p, &cell, b, err) : take_feature(&cell, b->fill, x++, err);
    }
    if (status == PP_OK) b->count++;
    return status;
}

static pp_status put_block(const pp__csv_plan *p, block *b, pp_h5_writer *writer, pp_error *err)
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

static pp_status copy_rows(const pp__csv_plan *p, const pp_csv_options *options, pp__csv *csv,
                           block *b, pp_h5_writer *writer, pp_error *err)
{
    pp__csv_record record;
    pp_status status = pp__csv_next(csv, &record, err);
    if (status == PP_OK && p->has_header) status = pp__csv_next(csv, &record, err);
    while (status == PP_OK && record.n_cells > 0) {
        status = take_record(p, &record, b, err);
        if (status == PP_OK && b->count == b->size) {
            status = put_block(p, b, writer, err);
            pp__csv_plan_tell(options, csv, 1, b->first);
        }
        if (status == PP_OK) status = pp__csv_next(csv, &record, err);
    }
    if (status == PP_OK) status = put_block(p, b, writer, err);
    if (status == PP_OK && b->first != p->rows)
        status = pp_fail(err, PP_E_IO, "%s: has changed while it was read", p->path);
    return status;
}

/* The texts in order of their numbers, as a JSON array. */
static pp_status note_classes(const pp__csv_plan *p, pp_h5_writer *writer, pp_error *err)
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

static pp_status add_sets(const pp__csv_plan *p, pp_h5_writer *writer, pp_error *err)
{
    int64_t dims[2] = {p->rows, p->n_columns - 1};
    pp_h5_type y_type = y_is_integer(p) ? PP_H5_I64 : PP_H5_F32;
    pp_status status = pp_h5_writer_add(writer, "x", PP_H5_F32, 2, dims, 0, err);
    if (status == PP_OK) status = pp_h5_writer_add(writer, "y", y_type, 1, dims, 0, err);
    return status == PP_OK ? note_classes(p, writer, err) : status;
}

static pp_status write_output(const pp__csv_plan *p, const pp_csv_options *options, pp__csv *csv,
                              block *b, const char *output, pp_error *err)
{
    pp_h5_writer *writer;
    pp_status status = pp_h5_writer_create(output, &writer, err);
    if (status != PP_OK) return status;
    status = add_sets(p, writer, err);
    if (status == PP_OK) status = copy_rows(p, options, csv, b, writer, err);
    if (status == PP_OK) return pp_h5_writer_close(writer, err);
    pp_h5_writer_abandon(writer);
    return status;
}

static pp_status convert(const pp__csv_plan *p, const pp_csv_options *options, pp__csv *csv,
                         const char *output, pp_error *err)
{
    size_t features = (size_t)p->n_columns - 1, rows = BLOCK_BYTES / (features * sizeof(float)) + 1;
    if ((int64_t)rows > p->rows) rows = (size_t)p->rows;
    block b = {.size = (int64_t)rows, .fill = options->fill};
    b.x = calloc(rows, features * sizeof *b.x);
    b.y_class = calloc(rows, sizeof *b.y_class);
    b.y_value = calloc(rows, sizeof *b.y_value);
    pp_status status = PP_OK;
    if (b.x == NULL || b.y_class == NULL || b.y_value == NULL)
        status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    if (status == PP_OK) status = write_output(p, options, csv, &b, output, err);
    free(b.x);
    free(b.y_class);
    free(b.y_value);
    return status;
}

/* ---- both ---- */

static pp_status run_passes(pp__csv_plan *p, const pp_csv_options *options, const char *output,
                            pp_error *err)
{
    pp__csv *csv;
    pp_status status = pp__csv_open(p->path, p->separator, &csv, err);
    if (status != PP_OK) return status;
    status = pp__csv_plan_make(p, options, csv, err);
    pp__csv_close(csv);
    if (status == PP_OK) status = pp__csv_open(p->path, p->separator, &csv, err);
    if (status != PP_OK) return status;
    status = convert(p, options, csv, output, err);
    pp__csv_close(csv);
    return status;
}

pp_status pp_import_csv(const char *path, const pp_csv_options *options, const char *output,
                        int64_t *rows, pp_csv_missing *missing, pp_error *err)
{
    pp__csv_plan p = {.path = path, .separator = options->separator, .policy = options->policy};
    pp_status status = PP_OK;
    if (p.separator == 0) status = pp__csv_guess_separator(path, &p.separator, err);
    if (status == PP_OK) status = run_passes(&p, options, output, err);
    if (status == PP_OK && rows != NULL) *rows = p.rows;
    if (status == PP_OK && missing != NULL) *missing = p.missing;
    pp__csv_plan_free(&p);
    return status;
}
