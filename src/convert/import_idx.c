/* The idx format of the MNIST family (Y. LeCun, "The MNIST database", yann.lecun.com/exdb/mnist):
 * two zero bytes, a type (8: uint8), the number of dimensions, each as big-endian uint32, the data.
 */
#include "convert/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/fs.h"
#include "store/h5.h"

enum { IDX_UINT8 = 0x08, MAX_DIMS = 4, BLOCK_BYTES = 1 << 20 };

typedef struct idx {
    const char *path;
    gzFile stream; /* zlib reads plain files as they are */
    int n_dims;
    int64_t dims[MAX_DIMS];
    int64_t row_bytes;
} idx;

/* What zlib has found wrong with the file; NULL: nothing, or it is a plain file. */
static const char *gzip_fault(const idx *in)
{
    int code = Z_OK;
    gzerror(in->stream, &code);
    if (code == Z_OK || code == Z_STREAM_END) return NULL;
    return code == Z_BUF_ERROR ? "its gzip data are cut short" : "its gzip data are damaged";
}

static pp_status fail_short(const idx *in, pp_error *err, int64_t row)
{
    const char *fault = gzip_fault(in);
    return pp_fail(err, PP_E_DATA, "%s: %s: it ends after row %lld of %lld", in->path,
                   fault == NULL ? "is cut short" : fault, (long long)row, (long long)in->dims[0]);
}

static pp_status fail_header(const idx *in, pp_error *err, const char *otherwise)
{
    const char *fault = gzip_fault(in);
    return pp_fail(err, PP_E_DATA, "%s: %s", in->path, fault == NULL ? otherwise : fault);
}

static int read_bytes(idx *in, void *bytes, size_t size)
{
    return gzread(in->stream, bytes, (unsigned)size) == (int)size;
}

static pp_status read_dims(idx *in, pp_error *err)
{
    in->row_bytes = 1;
    for (int d = 0; d < in->n_dims; d++) {
        unsigned char b[4];
        if (!read_bytes(in, b, sizeof b))
            return fail_header(in, err, "is cut short: it ends within its header");
        in->dims[d] = (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
        if (in->dims[d] == 0) return pp_fail(err, PP_E_DATA, "%s: holds no rows", in->path);
        if (d > 0) in->row_bytes *= in->dims[d];
        if (in->row_bytes > BLOCK_BYTES * (int64_t)64)
            return pp_fail(err, PP_E_DATA, "%s: is damaged: its header asks for rows above 64 MiB",
                           in->path);
    }
    return PP_OK;
}

static pp_status read_header(idx *in, pp_error *err)
{
    unsigned char magic[4];
    if (!read_bytes(in, magic, sizeof magic) || magic[0] != 0 || magic[1] != 0)
        return fail_header(in, err, "is not an idx file (plain or gzip)");
    if (magic[2] != IDX_UINT8)
        return pp_fail(err, PP_E_UNSUPPORTED, "%s: idx type 0x%02x; only uint8 (0x08) is read",
                       in->path, magic[2]);
    if (magic[3] < 1 || magic[3] > MAX_DIMS)
        return pp_fail(err, PP_E_UNSUPPORTED, "%s: has %d dimensions; 1 to %d are read", in->path,
                       magic[3], MAX_DIMS);
    in->n_dims = magic[3];
    return read_dims(in, err);
}

static pp_status open_idx(const char *path, idx *in, pp_error *err)
{
    *in = (idx){.path = path};
    if (pp_fs_is_directory(path))
        return pp_fail(err, PP_E_IO, "%s: is a directory; expected an idx file", path);
    errno = 0;
    in->stream = gzopen(path, "rb");
    if (in->stream == NULL)
        return pp_fail(err, PP_E_IO, "%s: cannot open: %s", path,
                       errno == 0 ? "out of memory" : strerror(errno));
    gzbuffer(in->stream, 128 * 1024);
    return read_header(in, err);
}

static pp_status check_pair(const idx *x, const idx *y, pp_error *err)
{
    if (y->n_dims != 1)
        return pp_fail(err, PP_E_DATA, "%s: has %d dimensions; labels have 1%s", y->path, y->n_dims,
                       x->n_dims == 1 ? " (are images and labels swapped?)" : "");
    if (x->n_dims < 2)
        return pp_fail(err, PP_E_DATA, "%s: has 1 dimension; images have at least 2", x->path);
    if (x->dims[0] == y->dims[0]) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: has %lld rows, but %s has %lld labels", x->path,
                   (long long)x->dims[0], y->path, (long long)y->dims[0]);
}

/* Reading one byte past the end also makes zlib check the length and checksum of gzip. */
static pp_status check_end(const idx *in, pp_error *err)
{
    char extra;
    int got = gzread(in->stream, &extra, 1);
    if (gzip_fault(in) != NULL) return fail_short(in, err, in->dims[0]);
    if (got == 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: goes on after its %lld rows", in->path,
                   (long long)in->dims[0]);
}

static pp_status copy_rows(idx *in, const char *name, pp_h5_writer *writer, const pp_meter *meter,
                           pp_error *err)
{
    int64_t rows = in->dims[0], block = BLOCK_BYTES / in->row_bytes;
    if (block < 1) block = 1;
    pp_status status = pp_h5_writer_add(writer, name, PP_H5_U8, in->n_dims, in->dims, 0, err);
    if (status != PP_OK) return status;
    unsigned char *bytes = malloc((size_t)(block * in->row_bytes));
    if (bytes == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", in->path);
    for (int64_t first = 0; first < rows && status == PP_OK; first += block) {
        int64_t count = rows - first < block ? rows - first : block;
        int got = gzread(in->stream, bytes, (unsigned)(count * in->row_bytes));
        if (got != (int)(count * in->row_bytes))
            status = fail_short(in, err, first + (got < 0 ? 0 : got / in->row_bytes));
        else
            status = pp_h5_writer_put(writer, name, first, count, PP_H5_U8, bytes, err);
        if (meter->tell != NULL)
            meter->tell(meter->context, (double)(first + count) / (double)rows, first + count);
    }
    free(bytes);
    return status == PP_OK ? check_end(in, err) : status;
}

static pp_status convert(idx *x, idx *y, const char *output, const pp_meter *meter, pp_error *err)
{
    pp_h5_writer *writer;
    pp_status status = pp_h5_writer_create(output, &writer, err);
    if (status != PP_OK) return status;
    const pp_meter nobody = {0}; /* labels are few bytes */
    status = copy_rows(y, "y", writer, &nobody, err);
    if (status == PP_OK) status = copy_rows(x, "x", writer, meter, err);
    if (status == PP_OK) return pp_h5_writer_close(writer, err);
    pp_h5_writer_abandon(writer);
    return status;
}

pp_status pp_import_idx(const char *x_path, const char *y_path, const char *output,
                        const pp_meter *meter, int64_t *rows, pp_error *err)
{
    idx x = {.path = x_path}, y = {.path = y_path};
    pp_status status = open_idx(x_path, &x, err);
    if (status == PP_OK) status = open_idx(y_path, &y, err);
    if (status == PP_OK) status = check_pair(&x, &y, err);
    if (status == PP_OK) status = convert(&x, &y, output, meter, err);
    if (status == PP_OK && rows != NULL) *rows = x.dims[0];
    if (x.stream != NULL) gzclose_r(x.stream);
    if (y.stream != NULL) gzclose_r(y.stream);
    return status;
}
