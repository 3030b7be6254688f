/* The format: numpy/lib/format.py. Magic, version, length of the header, the header as the text of
 * a Python dictionary with the keys descr, fortran_order and shape, then the array. */
#include "store/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pitprop/check.h"

enum { MAX_HEADER = 1 << 16, BUFFER = 1 << 18, PREFIX = 12 };

/* ---- elements ---- */

typedef void (*decode_fn)(const unsigned char *bytes, int64_t count, double *values);

#define DECODE(name, type)                                                                         \
    static void name(const unsigned char *bytes, int64_t count, double *values)                    \
    {                                                                                              \
        for (int64_t i = 0; i < count; i++) {                                                      \
            type element;                                                                          \
            memcpy(&element, bytes + i * (int64_t)sizeof element, sizeof element);                 \
            values[i] = (double)element;                                                           \
        }                                                                                          \
    }
DECODE(decode_f4, float)
DECODE(decode_f8, double)
DECODE(decode_i1, int8_t)
DECODE(decode_i2, int16_t)
DECODE(decode_i4, int32_t)
DECODE(decode_i8, int64_t)
DECODE(decode_u1, uint8_t)
DECODE(decode_u2, uint16_t)
DECODE(decode_u4, uint32_t)
DECODE(decode_u8, uint64_t)
#undef DECODE

/* IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
static double half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31  ? (fraction == 0 ? (double)INFINITY : (double)NAN)
                  : exponent == 0 ? ldexp(fraction, -24)
                                  : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 ? -size : size;
}

static void decode_f2(const unsigned char *bytes, int64_t count, double *values)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = half((uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8));
}

typedef struct element_type {
    const char *name; /* of descr, after the byte order */
    int size;         /* bytes */
    decode_fn decode;
} element_type;

static const element_type element_types[] = {
    {"f2", 2, decode_f2}, {"f4", 4, decode_f4}, {"f8", 8, decode_f8}, {"i1", 1, decode_i1},
    {"i2", 2, decode_i2}, {"i4", 4, decode_i4}, {"i8", 8, decode_i8}, {"u1", 1, decode_u1},
    {"u2", 2, decode_u2}, {"u4", 4, decode_u4}, {"u8", 8, decode_u8}, {"b1", 1, decode_u1},
};

struct pp_npy {
    char *path;
    int file;
    const element_type *type;
    int64_t dims[PP_NPY_DIMS];
    int n_dims;
    int64_t rows, columns;
    int64_t start;         /* of the array in the file */
    unsigned char *buffer; /* [BUFFER] */
};

/* ---- the header ---- */

/* Fills bytes [size] from an offset; 0 where the file ends before. */
static int read_at(const pp_npy *npy, int64_t offset, void *bytes, size_t size)
{
    char *to = bytes;
    errno = 0;
    while (size > 0) {
        ssize_t got = pread(npy->file, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 0;
        to += got;
        offset += got;
        size -= (size_t)got;
    }
    return 1;
}

static pp_status fail_header(const pp_npy *npy, pp_error *err, const char *what)
{
    return pp_fail(err, PP_E_DATA, "%s: %s; write it with numpy.save", npy->path, what);
}

/* The header as text that the caller frees; npy->start is known afterwards. */
static pp_status read_header(pp_npy *npy, char **text, pp_error *err)
{
    unsigned char prefix[PREFIX] = {0};
    if (!read_at(npy, 0, prefix, 10) || memcmp(prefix, "\x93NUMPY", 6) != 0)
        return fail_header(npy, err, "is not an npy file");
    if (prefix[6] < 1 || prefix[6] > 3)
        return fail_header(npy, err, "is of a version of the npy format after 3");
    int wide = prefix[6] > 1; /* the length has 4 bytes, not 2 */
    size_t length = (size_t)prefix[8] | (size_t)prefix[9] << 8;
    if (wide && !read_at(npy, 0, prefix, PREFIX))
        return fail_header(npy, err, "is cut short in its header");
    if (wide) length |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
    if (length > MAX_HEADER) return fail_header(npy, err, "has an npy header above 64 KiB");
    int64_t start = wide ? PREFIX : 10;
    *text = calloc(1, length + 1);
    if (*text == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", npy->path);
    if (!read_at(npy, start, *text, length)) {
        free(*text);
        return fail_header(npy, err, "is cut short in its header");
    }
    npy->start = start + (int64_t)length;
    return PP_OK;
}

/* What follows 'key': in the dictionary, or NULL. */
static const char *value_of(const char *header, const char *key)
{
    const char *found = strstr(header, key);
    if (found == NULL) return NULL;
    found += strlen(key);
    found += strspn(found, "'\" ");
    if (*found != ':') return NULL;
    found++;
    return found + strspn(found, " ");
}

static pp_status take_type(pp_npy *npy, const char *header, pp_error *err)
{
    const char *descr = value_of(header, "descr");
    if (descr == NULL) return fail_header(npy, err, "has an npy header that cannot be read");
    if (*descr == '[')
        return pp_fail(err, PP_E_DATA, "%s: holds records of fields; save one field as an array",
                       npy->path);
    if (*descr != '\'' && *descr != '"')
        return fail_header(npy, err, "has an npy header that cannot be read");
    char order = descr[1];
    size_t length = order == '\0' ? 0 : strcspn(descr + 2, "'\"");
    for (size_t i = 0; i < sizeof element_types / sizeof *element_types; i++) {
        const element_type *t = element_types + i;
        if (length == strlen(t->name) && strncmp(descr + 2, t->name, length) == 0) npy->type = t;
    }
    if (npy->type == NULL)
        return pp_fail(err, PP_E_DATA,
                       "%s: is of the type %.*s; accepted are integers, booleans and floats of 16, "
                       "32 and 64 bits",
                       npy->path, (int)strcspn(descr + 1, "'\""), descr + 1);
    if (order == '>' && npy->type->size > 1)
        return pp_fail(err, PP_E_DATA, "%s: is big-endian; save a.astype('<%s')", npy->path,
                       npy->type->name);
    return PP_OK;
}

/* "(3, 4)", "(3,)" or "()" into dims; the number of dimensions, or -1. */
static int parse_shape(const char *text, int64_t dims[PP_NPY_DIMS])
{
    int n = 0;
    if (text == NULL || *text++ != '(') return -1;
    for (;;) {
        text += strspn(text, " ,");
        if (*text == ')') return n;
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (end == text || errno != 0 || value < 0 || n == PP_NPY_DIMS) return -1;
        dims[n++] = value;
        text = end + (*end == 'L'); /* written by Python 2 */
    }
}

static pp_status take_shape(pp_npy *npy, const char *header, pp_error *err)
{
    int64_t *dims = npy->dims, limit = INT64_MAX / 16;
    const char *fortran = value_of(header, "fortran_order");
    int n = parse_shape(value_of(header, "shape"), dims);
    if (n < 0 || fortran == NULL)
        return fail_header(npy, err, "has an npy header that cannot be read");
    if (n == 0)
        return pp_fail(err, PP_E_DATA, "%s: is a single value; expected [rows] or [rows, ...]",
                       npy->path);
    if (n > 1 && strncmp(fortran, "True", 4) == 0)
        return pp_fail(err, PP_E_DATA,
                       "%s: is in Fortran order; save numpy.ascontiguousarray of it", npy->path);
    npy->n_dims = n;
    npy->rows = dims[0];
    npy->columns = 1;
    for (int d = 1; d < n; d++) {
        if (dims[d] == 0) return pp_fail(err, PP_E_DATA, "%s: has rows of 0 values", npy->path);
        if (dims[d] > limit / npy->columns) return fail_header(npy, err, "has an absurd shape");
        npy->columns *= dims[d];
    }
    if (npy->rows > limit / npy->columns) return fail_header(npy, err, "has an absurd shape");
    return PP_OK;
}

static pp_status check_length(const pp_npy *npy, pp_error *err)
{
    struct stat info;
    int64_t row = npy->columns * npy->type->size;
    if (fstat(npy->file, &info) != 0)
        return pp_fail(err, PP_E_IO, "%s: cannot read: %s", npy->path, strerror(errno));
    int64_t there = ((int64_t)info.st_size - npy->start) / row;
    if (there >= npy->rows) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: is cut short: it should have %lld rows and ends in row %lld", npy->path,
                   (long long)npy->rows, (long long)there);
}

static pp_status inspect(pp_npy *npy, pp_error *err)
{
    char *header = NULL;
    pp_status status = read_header(npy, &header, err);
    if (status != PP_OK) return status;
    status = take_type(npy, header, err);
    if (status == PP_OK) status = take_shape(npy, header, err);
    if (status == PP_OK) status = check_length(npy, err);
    free(header);
    return status;
}

/* ---- the file ---- */

pp_status pp_npy_open(const char *path, pp_npy **npy, pp_error *err)
{
    pp_npy *n = calloc(1, sizeof *n);
    if (n == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    n->path = strdup(path);
    n->buffer = malloc(BUFFER);
    n->file = open(path, O_RDONLY);
    pp_status status = PP_OK;
    struct stat info;
    if (n->file < 0)
        status = pp_fail(err, PP_E_IO, "%s: cannot open: %s", path, strerror(errno));
    else if (n->path == NULL || n->buffer == NULL)
        status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    else if (fstat(n->file, &info) == 0 && S_ISDIR(info.st_mode))
        status = pp_fail(err, PP_E_IO, "%s: is a directory; expected an npy file", path);
    if (status == PP_OK) status = inspect(n, err);
    if (status == PP_OK)
        *npy = n;
    else
        pp_npy_close(n);
    return status;
}

void pp_npy_close(pp_npy *npy)
{
    if (npy == NULL) return;
    if (npy->file >= 0) close(npy->file);
    free(npy->path);
    free(npy->buffer);
    free(npy);
}

int64_t pp_npy_rows(const pp_npy *npy)
{
    return npy->rows;
}

int64_t pp_npy_columns(const pp_npy *npy)
{
    return npy->columns;
}

int pp_npy_dims(const pp_npy *npy, int64_t dims[PP_NPY_DIMS])
{
    memcpy(dims, npy->dims, sizeof npy->dims);
    return npy->n_dims;
}

const char *pp_npy_type(const pp_npy *npy)
{
    return npy->type->name;
}

size_t pp_npy_element_bytes(const pp_npy *npy)
{
    return (size_t)npy->type->size;
}

/* Elements [at, at + count), counted through all rows. */
static pp_status read_elements(const pp_npy *npy, int64_t at, int64_t count, void *bytes,
                               pp_error *err)
{
    int64_t size = npy->type->size;
    if (read_at(npy, npy->start + at * size, bytes, (size_t)(count * size))) return PP_OK;
    return pp_fail(err, PP_E_IO, "%s: cannot read row %lld: %s", npy->path,
                   (long long)(at / npy->columns),
                   errno != 0 ? strerror(errno) : "the file has become shorter");
}

pp_status pp_npy_read(pp_npy *npy, int64_t first, int64_t count, void *values, pp_error *err)
{
    PP_CHECK(first >= 0 && count >= 0 && first + count <= npy->rows);
    return read_elements(npy, first * npy->columns, count * npy->columns, values, err);
}

pp_status pp_npy_read_f64(pp_npy *npy, int64_t first, int64_t count, double *values, pp_error *err)
{
    PP_CHECK(first >= 0 && count >= 0 && first + count <= npy->rows);
    int64_t size = npy->type->size, at = first * npy->columns, left = count * npy->columns;
    while (left > 0) {
        int64_t here = left < BUFFER / size ? left : BUFFER / size;
        pp_status status = read_elements(npy, at, here, npy->buffer, err);
        if (status != PP_OK) return status;
        npy->type->decode(npy->buffer, here, values);
        values += here;
        at += here;
        left -= here;
    }
    return PP_OK;
}
