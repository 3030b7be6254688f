#include "convert/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "base/fs.h"
#include "convert/table.h"

enum { BLOCK_ROWS = 4096 };

typedef struct answers {
    pp_table *p, *class;
    int64_t rows, outputs, classes; /* classes 0: a regression */
    const char *const *names;       /* [classes]; NULL: numbers alone */
    double *values;                 /* [BLOCK_ROWS, outputs] */
    double labels[BLOCK_ROWS];
    pp__csv *ids;
    int id, n_cells; /* of the csv with the ids */
    const char *ids_file;
} answers;

pp_answers_format pp_answers_format_of(const char *output)
{
    size_t length = strlen(output);
    const char *ending = length > 4 ? output + length - 4 : "";
    if (strcmp(ending, ".csv") == 0) return PP_ANSWERS_CSV;
    return strcmp(ending, ".npy") == 0 ? PP_ANSWERS_NPY : PP_ANSWERS_H5;
}

/* ---- what is read ---- */

static pp_status open_set(const char *file, const char *name, pp_table **table, pp_error *err)
{
    pp_table_part all;
    pp_status status = pp_table_open(file, &name, 1, table, err);
    if (status == PP_OK) status = pp_table_look(*table, 0, 1, &all, err);
    if (status == PP_OK) (void)pp_table_cut(*table, &all, 1, 0);
    return status;
}

static pp_status open_ids(answers *a, const pp_answers_spec *spec, pp_error *err)
{
    char separator;
    pp__csv_record first;
    a->ids_file = spec->ids_file;
    pp_status status = pp__csv_guess_separator(spec->ids_file, NULL, &separator, err);
    if (status == PP_OK) status = pp__csv_open(spec->ids_file, separator, &a->ids, err);
    if (status == PP_OK) status = pp__csv_next(a->ids, &first, err);
    if (status != PP_OK) return status;
    a->n_cells = first.n_cells;
    for (a->id = 0; a->id < first.n_cells; a->id++)
        if (strcmp(first.cells[a->id], spec->id) == 0) return PP_OK;
    return pp_fail(err, PP_E_ARG, "%s: has no column '%.60s' in its first line, for --id",
                   spec->ids_file, spec->id);
}

static pp_status open_answers(answers *a, const pp_answers_spec *spec, pp_error *err)
{
    pp_status status = open_set(spec->predictions, "/p", &a->p, err);
    if (status != PP_OK) return status;
    a->rows = pp_table_rows(a->p);
    a->outputs = pp_table_columns(a->p);
    if (open_set(spec->predictions, "/class", &a->class, NULL) == PP_OK) {
        a->classes = a->outputs > 1 ? a->outputs : 2;
        if (pp_table_classes(a->p, &a->names) != a->classes) a->names = NULL;
    }
    a->values = malloc((size_t)(BLOCK_ROWS * a->outputs) * sizeof *a->values);
    if (a->values == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for the predictions");
    return spec->id == NULL ? PP_OK : open_ids(a, spec, err);
}

static void close_answers(answers *a)
{
    pp_table_close(a->p);
    pp_table_close(a->class);
    pp__csv_close(a->ids);
    free(a->values);
}

/* ---- csv ---- */

static void put_text(FILE *to, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL && text[0] != ' ') {
        fputs(text, to);
        return;
    }
    putc('"', to);
    for (; *text != '\0'; text++) {
        if (*text == '"') putc('"', to);
        putc(*text, to);
    }
    putc('"', to);
}

static void put_class(const answers *a, int64_t k, const char *prefix, FILE *to)
{
    char text[512];
    if (a->names != NULL)
        snprintf(text, sizeof text, "%s%.480s", prefix, a->names[k]);
    else
        snprintf(text, sizeof text, "%s%lld", prefix, (long long)k);
    put_text(to, text);
}

static void put_header(const answers *a, const char *id, FILE *to)
{
    put_text(to, id != NULL ? id : "row");
    fputs(a->classes > 0 ? ",class" : a->outputs == 1 ? ",prediction" : "", to);
    for (int64_t k = 0; k < a->classes; k++) {
        putc(',', to);
        put_class(a, k, "p_", to);
    }
    for (int64_t k = 0; a->classes == 0 && a->outputs > 1 && k < a->outputs; k++)
        fprintf(to, ",prediction_%lld", (long long)k);
    putc('\n', to);
}

static pp_status put_id(answers *a, int64_t row, FILE *to, pp_error *err)
{
    pp__csv_record record;
    if (a->ids == NULL) {
        fprintf(to, "%lld", (long long)row);
        return PP_OK;
    }
    pp_status status = pp__csv_next(a->ids, &record, err);
    if (status != PP_OK) return status;
    if (record.n_cells != a->n_cells)
        return pp_fail(err, PP_E_IO, "%s: has changed while it was read", a->ids_file);
    put_text(to, record.cells[a->id]);
    return PP_OK;
}

/* Nine digits tell every float32 apart. */
static void put_row(const answers *a, const double *p, double label, FILE *to)
{
    if (a->classes > 0) {
        putc(',', to);
        put_class(a, (int64_t)label, "", to);
    }
    if (a->classes == 2 && a->outputs == 1) fprintf(to, ",%.9g", (double)(1 - (float)p[0]));
    for (int64_t k = 0; k < a->outputs; k++)
        fprintf(to, ",%.9g", p[k]);
    putc('\n', to);
}

static pp_status put_csv(answers *a, int64_t first, int64_t count, FILE *to, pp_error *err)
{
    pp_status status = PP_OK;
    if (a->class != NULL) status = pp_table_read(a->class, first, count, a->labels, err);
    for (int64_t i = 0; i < count && status == PP_OK; i++) {
        status = put_id(a, first + i, to, err);
        if (status == PP_OK) put_row(a, a->values + i * a->outputs, a->labels[i], to);
    }
    return status;
}

/* ---- npy: version 1.0, a header of a multiple of 64 bytes ---- */

static void put_npy_header(const answers *a, FILE *to)
{
    char text[128];
    int length = snprintf(text, sizeof text,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                          (long long)a->rows, (long long)a->outputs);
    unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 128 - 10, 0};
    fwrite(start, 1, sizeof start, to);
    fprintf(to, "%s%*s\n", text, 128 - 11 - length, "");
}

static void put_npy(const answers *a, int64_t count, FILE *to)
{
    for (int64_t i = 0; i < count * a->outputs; i++) {
        float value = (float)a->values[i];
        fwrite(&value, sizeof value, 1, to);
    }
}

static pp_status put_all(answers *a, const char *id, pp_answers_format format, FILE *to,
                         pp_error *err)
{
    pp_status status = PP_OK;
    if (format == PP_ANSWERS_CSV)
        put_header(a, id, to);
    else
        put_npy_header(a, to);
    for (int64_t first = 0, count; first < a->rows && status == PP_OK; first += count) {
        count = a->rows - first < BLOCK_ROWS ? a->rows - first : BLOCK_ROWS;
        status = pp_table_read(a->p, first, count, a->values, err);
        if (status == PP_OK && format == PP_ANSWERS_CSV)
            status = put_csv(a, first, count, to, err);
        else if (status == PP_OK)
            put_npy(a, count, to);
    }
    return status;
}

pp_status pp_answers_write(const pp_answers_spec *spec, pp_answers_format format,
                           const char *output, pp_error *err)
{
    answers a = {.p = NULL};
    pp_fs_file *file = NULL;
    pp_status status = open_answers(&a, spec, err);
    if (status == PP_OK) status = pp_fs_create(output, &file, err);
    if (status == PP_OK) status = put_all(&a, spec->id, format, pp_fs_stream(file), err);
    close_answers(&a);
    if (file == NULL) return status;
    if (status == PP_OK) return pp_fs_commit(file, err);
    pp_fs_abandon(file);
    return status;
}
