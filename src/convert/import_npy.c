/* Arrays of NumPy, block by block; types stay what they are. */
#include "convert/import.h"

#include <stdlib.h>
#include <string.h>

#include "store/h5.h"
#include "store/npy.h"

enum { BLOCK_BYTES = 4 << 20 };

static const struct {
    const char *npy;
    pp_h5_type h5;
} types[] = {
    {"f4", PP_H5_F32}, {"f8", PP_H5_F64}, {"i1", PP_H5_I8}, {"i2", PP_H5_I16},
    {"i4", PP_H5_I32}, {"i8", PP_H5_I64}, {"u1", PP_H5_U8}, {"u2", PP_H5_U16},
    {"u4", PP_H5_U32}, {"u8", PP_H5_U64}, {"b1", PP_H5_U8},
};

/* HDF5 has no half precision of its own; float32 holds every half. */
static int is_half(const pp_npy *npy)
{
    return strcmp(pp_npy_type(npy), "f2") == 0;
}

static pp_h5_type type_of(const pp_npy *npy)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].npy, pp_npy_type(npy)) == 0) return types[i].h5;
    return PP_H5_F32;
}

typedef struct block {
    int64_t rows;    /* that fit */
    double *numbers; /* [rows, columns], for halves */
    void *values;    /* the same as they are written */
} block;

static pp_status make_block(const pp_npy *npy, const char *path, block *b, pp_error *err)
{
    size_t row = (size_t)pp_npy_columns(npy) * (is_half(npy) ? 4 : pp_npy_element_bytes(npy));
    b->rows = BLOCK_BYTES / (int64_t)row + 1;
    b->values = malloc((size_t)b->rows * row);
    b->numbers = is_half(npy) ? malloc((size_t)b->rows * row * 2) : NULL;
    if (b->values != NULL && (b->numbers != NULL || !is_half(npy))) return PP_OK;
    return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
}

static pp_status read_block(pp_npy *npy, int64_t first, int64_t count, block *b, pp_error *err)
{
    if (!is_half(npy)) return pp_npy_read(npy, first, count, b->values, err);
    pp_status status = pp_npy_read_f64(npy, first, count, b->numbers, err);
    float *to = b->values;
    for (int64_t i = 0; status == PP_OK && i < count * pp_npy_columns(npy); i++)
        to[i] = (float)b->numbers[i];
    return status;
}

static pp_status copy_rows(pp_npy *npy, const char *path, const char *name, pp_h5_writer *writer,
                           const pp_meter *meter, pp_error *err)
{
    int64_t dims[PP_NPY_DIMS], rows = pp_npy_rows(npy);
    int n_dims = pp_npy_dims(npy, dims);
    block b = {0};
    pp_status status = pp_h5_writer_add(writer, name, type_of(npy), n_dims, dims, 0, err);
    if (status == PP_OK) status = make_block(npy, path, &b, err);
    for (int64_t first = 0; first < rows && status == PP_OK; first += b.rows) {
        int64_t count = rows - first < b.rows ? rows - first : b.rows;
        status = read_block(npy, first, count, &b, err);
        if (status == PP_OK)
            status = pp_h5_writer_put(writer, name, first, count, type_of(npy), b.values, err);
        if (meter->tell != NULL)
            meter->tell(meter->context, (double)(first + count) / (double)rows, first + count);
    }
    free(b.numbers);
    free(b.values);
    return status;
}

static pp_status check_pair(const pp_npy *x, const char *x_path, const pp_npy *y,
                            const char *y_path, pp_error *err)
{
    if (pp_npy_rows(x) == 0) return pp_fail(err, PP_E_DATA, "%s: holds no rows", x_path);
    if (y == NULL || pp_npy_rows(x) == pp_npy_rows(y)) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: has %lld rows, but %s has %lld; each row needs one of both",
                   x_path, (long long)pp_npy_rows(x), y_path, (long long)pp_npy_rows(y));
}

static pp_status convert(pp_npy *x, const char *x_path, pp_npy *y, const char *y_path,
                         const char *output, const pp_meter *meter, pp_error *err)
{
    pp_h5_writer *writer;
    pp_status status = pp_h5_writer_create(output, &writer, err);
    if (status != PP_OK) return status;
    const pp_meter nobody = {0}; /* targets are few bytes */
    if (y != NULL) status = copy_rows(y, y_path, "y", writer, &nobody, err);
    if (status == PP_OK) status = copy_rows(x, x_path, "x", writer, meter, err);
    if (status == PP_OK) return pp_h5_writer_close(writer, err);
    pp_h5_writer_abandon(writer);
    return status;
}

pp_status pp_import_npy(const char *x_path, const char *y_path, const char *output,
                        const pp_meter *meter, int64_t *rows, pp_error *err)
{
    pp_npy *x = NULL, *y = NULL;
    pp_status status = pp_npy_open(x_path, &x, err);
    if (status == PP_OK && y_path != NULL) status = pp_npy_open(y_path, &y, err);
    if (status == PP_OK) status = check_pair(x, x_path, y, y_path, err);
    if (status == PP_OK) status = convert(x, x_path, y, y_path, output, meter, err);
    if (status == PP_OK && rows != NULL) *rows = pp_npy_rows(x);
    pp_npy_close(x);
    pp_npy_close(y);
    return status;
}
