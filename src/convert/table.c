#include "table_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"
#include "base/fs.h"

enum { WHOLE = 1 << 16 };

/* ---- HDF5 ---- */

static pp_status h5_open(pp_table *t, const char *const *names, pp_error *err)
{
    const char *file = t->file;
    PP_CHECK(t->n_names == 1 && names[0] != NULL);
    pp_status status = pp_h5_open(&file, 1, names[0], &t->h5, err);
    if (status != PP_OK) return status;
    t->rows = pp_h5_rows(t->h5);
    t->first[1] = t->columns = pp_h5_columns(t->h5);
    return PP_OK;
}

static void h5_close(pp_table *t)
{
    pp_h5_close(t->h5);
}

static pp_status h5_read(pp_table *t, int64_t first, int64_t count, double *values, pp_error *err)
{
    return pp_h5_read_f64(t->h5, first, count, values, err);
}

static void h5_locate(const pp_table *t, int64_t row, int name, char *text, size_t size)
{
    (void)name;
    pp_h5_locate(t->h5, row, text, size);
}

/* ---- npy ---- */

static pp_status npy_open(pp_table *t, const char *const *names, pp_error *err)
{
    (void)names;
    pp_status status = pp_npy_open(t->file, &t->npy, err);
    if (status != PP_OK) return status;
    t->rows = pp_npy_rows(t->npy);
    if (t->n_names == 1 && t->names[0] == NULL) {
        t->first[1] = t->columns = pp_npy_columns(t->npy);
        return PP_OK;
    }
    int64_t columns = pp_npy_columns(t->npy);
    t->whole_rows = columns < WHOLE ? WHOLE / columns : 1;
    t->whole = malloc((size_t)(t->whole_rows * columns) * sizeof *t->whole);
    if (t->whole == NULL) return pp__table_no_memory(t, err);
    return pp__table_pick(t, NULL, columns, err);
}

static void npy_close(pp_table *t)
{
    pp_npy_close(t->npy);
}

static pp_status npy_read(pp_table *t, int64_t first, int64_t count, double *values, pp_error *err)
{
    if (t->picks == NULL) return pp_npy_read_f64(t->npy, first, count, values, err);
    int64_t columns = pp_npy_columns(t->npy);
    pp_status status = PP_OK;
    for (int64_t i = 0, here; i < count && status == PP_OK; i += here) {
        here = count - i < t->whole_rows ? count - i : t->whole_rows;
        status = pp_npy_read_f64(t->npy, first + i, here, t->whole, err);
        for (int64_t row = 0; row < here; row++)
            for (int64_t c = 0; c < t->columns; c++)
                *values++ = t->whole[row * columns + t->picks[c]];
    }
    return status;
}

static void npy_locate(const pp_table *t, int64_t row, int name, char *text, size_t size)
{
    if (t->names[name] == NULL)
        snprintf(text, size, "%s: row %lld", t->file, (long long)row);
    else
        snprintf(text, size, "%s: column %s: row %lld", t->file, t->names[name], (long long)row);
}

/* Equal shares of the rows. */
static pp_status look_at_rows(pp_table *t, int part, int parts, pp_table_part *found, pp_error *err)
{
    (void)err;
    int64_t each = t->rows / parts, rest = t->rows % parts;
    *found = (pp_table_part){each + (part < rest), 0, 0};
    return PP_OK;
}

/* ---- formats ---- */

static const pp__table_format h5_format = {".h5 .hdf5 .hdf ", "\x89HDF\r\n", h5_open,  h5_close,
                                           look_at_rows,      h5_read,       h5_locate};
static const pp__table_format npy_format = {".npy ",      "\x93NUMPY", npy_open,  npy_close,
                                            look_at_rows, npy_read,    npy_locate};

static const pp__table_format *const formats[] = {[PP_TABLE_H5] = &h5_format,
                                                  [PP_TABLE_NPY] = &npy_format,
                                                  [PP_TABLE_CSV] = &pp__table_csv_format};
enum { N_FORMATS = sizeof formats / sizeof *formats };

/* Files that people have instead. */
static const struct {
    const char *ending, *advice;
} others[] = {
    {".npz", "an archive of arrays; save each with numpy.save"},
    {".pt", "a pickle of PyTorch; save numpy.save('p.npy', p.numpy()) or write HDF5 with h5py"},
    {".pth", "a pickle of PyTorch; save numpy.save('p.npy', p.numpy()) or write HDF5 with h5py"},
    {".pkl", "a pickle; save arrays with numpy.save or h5py"},
    {".parquet", "a Parquet file; write csv, or HDF5 with h5py"},
};

static int ends_in(const char *file, const char *ending, size_t length)
{
    size_t all = strlen(file);
    return all > length && strncmp(file + all - length, ending, length) == 0;
}

static int has_ending(const char *file, const char *endings)
{
    for (size_t length; *endings != '\0'; endings += length + 1) {
        length = strcspn(endings, " ");
        if (ends_in(file, endings, length)) return 1;
    }
    return 0;
}

static int begins_with(const char *file, const char *magic)
{
    char bytes[8] = "";
    FILE *stream = magic == NULL ? NULL : fopen(file, "rb");
    if (stream == NULL) return 0;
    size_t got = fread(bytes, 1, strlen(magic), stream);
    fclose(stream);
    return got == strlen(magic) && memcmp(bytes, magic, got) == 0;
}

pp_status pp_table_format_of(const char *file, pp_table_format *format, pp_error *err)
{
    for (int i = 0; i < N_FORMATS; i++) {
        if (!has_ending(file, formats[i]->endings)) continue;
        *format = (pp_table_format)i;
        return PP_OK;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ends_in(file, others[i].ending, strlen(others[i].ending)))
            return pp_fail(err, PP_E_DATA, "%s: is %s", file, others[i].advice);
    for (int i = 0; i < N_FORMATS && !pp_fs_is_directory(file); i++) {
        if (!begins_with(file, formats[i]->magic)) continue;
        *format = (pp_table_format)i;
        return PP_OK;
    }
    if (!pp_fs_exists(file)) return pp_fail(err, PP_E_IO, "%s: no such file", file);
    return pp_fail(err, PP_E_DATA,
                   "%s: is of no format that its name or its first bytes tell; "
                   "accepted are .h5, .npy and .csv",
                   file);
}

/* ---- tables ---- */

static pp_table *create(const char *file, const char *const *names, int n_names)
{
    pp_table *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    t->rows = -1;
    t->file = strdup(file);
    t->names = calloc((size_t)n_names, sizeof *t->names);
    t->first = calloc((size_t)n_names + 1, sizeof *t->first);
    int complete = t->file != NULL && t->names != NULL && t->first != NULL;
    for (int i = 0; complete && i < n_names; i++) {
        t->names[i] = names[i] == NULL ? NULL : strdup(names[i]);
        complete = names[i] == NULL || t->names[i] != NULL;
        t->n_names = i + 1;
    }
    if (complete) return t;
    pp_table_close(t);
    return NULL;
}

pp_status pp_table_open(const char *file, const char *const *names, int n_names, pp_table **table,
                        pp_error *err)
{
    pp_table_format format;
    pp_status status = pp_table_format_of(file, &format, err);
    if (status != PP_OK) return status;
    pp_table *t = create(file, names, n_names);
    if (t == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", file);
    t->format = formats[format];
    status = t->format->open(t, names, err);
    if (status == PP_OK)
        *table = t;
    else
        pp_table_close(t);
    return status;
}

void pp_table_close(pp_table *table)
{
    if (table == NULL) return;
    if (table->format != NULL) table->format->close(table);
    for (int i = 0; i < table->n_names; i++)
        free(table->names[i]);
    free(table->names);
    free(table->first);
    free(table->picks);
    free(table->whole);
    free(table->file);
    free(table);
}

int64_t pp_table_first(const pp_table *table, int name)
{
    return table->first[name];
}

int64_t pp_table_columns(const pp_table *table)
{
    return table->columns;
}

int64_t pp_table_rows(const pp_table *table)
{
    return table->rows;
}

int64_t pp_table_classes(const pp_table *table, const char *const **names)
{
    return table->h5 == NULL ? 0 : pp_h5_classes(table->h5, names);
}

pp_status pp_table_match_classes(pp_table *table, const char *const *names, int64_t count,
                                 const char *where, pp_error *err)
{
    return table->h5 == NULL ? PP_OK : pp_h5_match_classes(table->h5, names, count, where, err);
}

pp_status pp_table_look(pp_table *table, int part, int parts, pp_table_part *found, pp_error *err)
{
    return table->format->look(table, part, parts, found, err);
}

int64_t pp_table_cut(pp_table *table, const pp_table_part *found, int parts, int part)
{
    int64_t first = 0, lines = 0, all = 0;
    for (int i = 0; i < parts; i++) {
        first += i < part ? found[i].rows : 0;
        lines += i < part ? found[i].lines : 0;
        all += found[i].rows;
    }
    table->rows = all;
    table->csv.start = (pp__csv_place){found[part].offset, table->csv.data.line + lines};
    table->csv.start_row = first;
    return first;
}

pp_status pp_table_read(pp_table *table, int64_t first, int64_t count, double *values,
                        pp_error *err)
{
    PP_CHECK(first >= 0 && count >= 0 && first + count <= table->rows);
    return table->format->read(table, first, count, values, err);
}

void pp_table_locate(const pp_table *table, int64_t row, int name, char *text, size_t size)
{
    table->format->locate(table, row, name, text, size);
}
