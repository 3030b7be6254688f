/* The rows of one data set: in order, or shuffled in memory, or shuffled through a temporary file.
 *
 * The temporary file has a part for each run of rows of the output that fits into half of the
 * memory. The first pass reads the input in order and deals each row, with its place, to its part
 * through a buffer a part; the second reads a part, puts it in order and writes it. */
#include "h5_repack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"

enum { BLOCK_BYTES = 8 << 20 };

typedef struct mover {
    pp__repack *repack;
    const pp__row_set *set;
    hid_t from, type;
    pp__h5_stripes stripes;
    int64_t block_rows; /* read at a time: whole chunks of the output, at least one of the input */
    char *block;        /* [block_rows, row_bytes] */
    pp_rng random;
} mover;

/* ---- rows of both files ---- */

static pp_status read_block(mover *m, int64_t first, int64_t count, pp_error *err)
{
    pp_status status = pp__h5_check_stripes(m->from, &m->stripes, m->repack->input, m->set->name,
                                            first, count, err);
    if (status != PP_OK) return status;
    return pp__h5_read_rows(m->from, m->repack->input, m->set->name, m->type, H5P_DEFAULT, first,
                            count, m->block, err);
}

/* values: [count, row_bytes] */
static pp_status write_rows(const mover *m, int64_t first, int64_t count, const void *values,
                            pp_error *err)
{
    return pp__h5_writer_put(m->repack->writer, m->set->name, first, count, m->type, values, err);
}

static hid_t rows_in_memory(const pp__row_set *set, int64_t count)
{
    hsize_t extent[H5S_MAX_RANK];
    for (int d = 0; d < set->n_dims; d++)
        extent[d] = (hsize_t)set->dims[d];
    extent[0] = (hsize_t)count;
    return H5Screate_simple(set->n_dims, extent, NULL);
}

/* What rows in memory point to. */
static void forget_values(const mover *m, void *values, int64_t count)
{
    if (!m->set->has_pointers) return;
    hid_t space = rows_in_memory(m->set, count);
    H5Dvlen_reclaim(m->type, space, H5P_DEFAULT, values);
    H5Sclose(space);
}

static void tell(const mover *m, double bytes)
{
    pp__repack *r = m->repack;
    const pp_meter *meter = &r->options->meter;
    r->bytes_done += (int64_t)bytes;
    double share = (double)r->bytes_done / (double)r->bytes;
    if (meter->tell != NULL) meter->tell(meter->context, share, (int64_t)(share * (double)r->rows));
}

/* Each pass is half of the work where there are two. */
static void tell_half(const mover *m, int64_t rows)
{
    tell(m, 0.5 * (double)(rows * m->set->row_bytes));
}

static pp_status fail_memory(const mover *m, pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "%s: /%s: no memory for its rows", m->repack->input,
                   m->set->name);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- in order ---- */

static pp_status copy_in_order(mover *m, pp_error *err)
{
    pp_status status = PP_OK;
    int64_t rows = m->repack->rows;
    for (int64_t first = 0; first < rows && status == PP_OK; first += m->block_rows) {
        int64_t count = smaller(m->block_rows, rows - first);
        status = read_block(m, first, count, err);
        if (status != PP_OK) return status;
        status = write_rows(m, first, count, m->block, err);
        forget_values(m, m->block, count);
        tell(m, (double)(count * m->set->row_bytes));
    }
    return status;
}

/* ---- shuffled in memory ---- */

static pp_status write_shuffled(const mover *m, const char *all, pp_error *err)
{
    pp_status status = PP_OK;
    int64_t rows = m->repack->rows;
    for (int64_t first = 0; first < rows && status == PP_OK; first += m->block_rows) {
        int64_t count = smaller(m->block_rows, rows - first);
        status = write_rows(m, first, count, all + first * m->set->row_bytes, err);
        tell_half(m, count);
    }
    return status;
}

static pp_status shuffle_in_memory(mover *m, pp_error *err)
{
    pp_status status = PP_OK;
    int64_t rows = m->repack->rows, bytes = m->set->row_bytes;
    char *all = calloc((size_t)rows, (size_t)bytes);
    if (all == NULL) return fail_memory(m, err);
    for (int64_t first = 0; first < rows && status == PP_OK; first += m->block_rows) {
        int64_t count = smaller(m->block_rows, rows - first);
        status = read_block(m, first, count, err);
        for (int64_t i = 0; i < count && status == PP_OK; i++)
            memcpy(all + pp_rng_place(m->random, rows, first + i) * bytes, m->block + i * bytes,
                   (size_t)bytes);
        tell_half(m, count);
    }
    if (status == PP_OK) status = write_shuffled(m, all, err);
    forget_values(m, all, rows);
    free(all);
    return status;
}

/* ---- shuffled through a file ---- */

typedef struct parts {
    int fd;
    int64_t rows;            /* of a part, the last one has fewer */
    int64_t count;           /* parts */
    int64_t record;          /* bytes: the place, then the row */
    int64_t buffer;          /* records that a part's buffer holds */
    char *buffers;           /* [count, buffer, record] */
    int64_t *filled, *dealt; /* [count] records in the buffer, and in the file */
    char *part;              /* [rows, row_bytes] in order */
} parts;

static pp_status make_parts(const mover *m, parts *p, pp_error *err)
{
    int64_t half = m->repack->options->memory / 2, chunk = m->set->chunk_rows;
    p->record = m->set->row_bytes + (int64_t)sizeof(int64_t);
    p->rows = half / m->set->row_bytes;
    if (chunk > 0 && p->rows > chunk) p->rows -= p->rows % chunk;
    if (p->rows < 1) p->rows = 1;
    p->count = (m->repack->rows + p->rows - 1) / p->rows;
    p->buffer = half / p->count / p->record;
    if (p->buffer < 1) p->buffer = 1;
    p->buffers = malloc((size_t)(p->count * p->buffer * p->record));
    p->filled = calloc((size_t)p->count, sizeof *p->filled);
    p->dealt = calloc((size_t)p->count, sizeof *p->dealt);
    p->part = malloc((size_t)(p->rows * m->set->row_bytes));
    if (p->buffers == NULL || p->filled == NULL || p->dealt == NULL || p->part == NULL)
        return fail_memory(m, err);
    return PP_OK;
}

/* The file has no name any more, so that nothing is left of it whatever happens. */
static pp_status open_parts(const mover *m, parts *p, pp_error *err)
{
    size_t size = strlen(m->repack->output) + 16;
    char *name = malloc(size);
    if (name == NULL) return fail_memory(m, err);
    snprintf(name, size, "%s.tmp-XXXXXX", m->repack->output);
    p->fd = mkstemp(name);
    pp_status status = PP_OK;
    if (p->fd < 0)
        status = pp_fail(err, PP_E_IO, "%s: cannot make a temporary file beside it: %s",
                         m->repack->output, strerror(errno));
    else
        unlink(name);
    free(name);
    return status;
}

static pp_status fail_parts(const mover *m, pp_error *err)
{
    return pp_fail(err, PP_E_IO, "%s: the temporary file of %lld bytes beside it: %s",
                   m->repack->output,
                   (long long)(m->repack->rows * (m->set->row_bytes + (int64_t)sizeof(int64_t))),
                   errno != 0 ? strerror(errno) : "has become shorter");
}

static int move_bytes(int fd, char *bytes, int64_t size, int64_t offset, int writes)
{
    errno = 0;
    while (size > 0) {
        ssize_t moved = writes ? pwrite(fd, bytes, (size_t)size, (off_t)offset)
                               : pread(fd, bytes, (size_t)size, (off_t)offset);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return 0;
        bytes += moved;
        offset += moved;
        size -= moved;
    }
    return 1;
}

static int flush_part(parts *p, int64_t part)
{
    char *buffer = p->buffers + part * p->buffer * p->record;
    int64_t offset = (part * p->rows + p->dealt[part]) * p->record;
    if (!move_bytes(p->fd, buffer, p->filled[part] * p->record, offset, 1)) return 0;
    p->dealt[part] += p->filled[part];
    p->filled[part] = 0;
    return 1;
}

static int deal_row(parts *p, int64_t place, const char *row, int64_t bytes)
{
    int64_t part = place / p->rows;
    char *to = p->buffers + (part * p->buffer + p->filled[part]) * p->record;
    memcpy(to, &place, sizeof place);
    memcpy(to + sizeof place, row, (size_t)bytes);
    p->filled[part]++;
    return p->filled[part] < p->buffer || flush_part(p, part);
}

static pp_status deal_rows(mover *m, parts *p, pp_error *err)
{
    int64_t rows = m->repack->rows, bytes = m->set->row_bytes;
    for (int64_t first = 0; first < rows; first += m->block_rows) {
        int64_t count = smaller(m->block_rows, rows - first);
        pp_status status = read_block(m, first, count, err);
        if (status != PP_OK) return status;
        for (int64_t i = 0; i < count; i++)
            if (!deal_row(p, pp_rng_place(m->random, rows, first + i), m->block + i * bytes, bytes))
                return fail_parts(m, err);
        tell_half(m, count);
    }
    for (int64_t part = 0; part < p->count; part++)
        if (!flush_part(p, part)) return fail_parts(m, err);
    return PP_OK;
}

/* The buffers are free by now: all of them are one. */
static int order_part(const mover *m, parts *p, int64_t part)
{
    int64_t bytes = m->set->row_bytes, room = p->count * p->buffer;
    for (int64_t at = 0; at < p->dealt[part]; at += room) {
        int64_t count = smaller(room, p->dealt[part] - at);
        if (!move_bytes(p->fd, p->buffers, count * p->record, (part * p->rows + at) * p->record, 0))
            return 0;
        for (int64_t i = 0; i < count; i++) {
            int64_t place;
            memcpy(&place, p->buffers + i * p->record, sizeof place);
            memcpy(p->part + (place - part * p->rows) * bytes,
                   p->buffers + i * p->record + sizeof place, (size_t)bytes);
        }
    }
    return 1;
}

static pp_status write_parts(const mover *m, parts *p, pp_error *err)
{
    pp_status status = PP_OK;
    for (int64_t part = 0; part < p->count && status == PP_OK; part++) {
        if (!order_part(m, p, part)) return fail_parts(m, err);
        status = write_rows(m, part * p->rows, p->dealt[part], p->part, err);
        tell_half(m, p->dealt[part]);
    }
    return status;
}

static pp_status shuffle_through_file(mover *m, pp_error *err)
{
    parts p = {.fd = -1};
    pp_status status = make_parts(m, &p, err);
    if (status == PP_OK) status = open_parts(m, &p, err);
    if (status == PP_OK) status = deal_rows(m, &p, err);
    if (status == PP_OK) status = write_parts(m, &p, err);
    if (p.fd >= 0) close(p.fd);
    free(p.buffers);
    free(p.filled);
    free(p.dealt);
    free(p.part);
    return status;
}

/* ---- one of them ---- */

static int64_t choose_block(const mover *m, int64_t input_chunk)
{
    int64_t bytes = smaller(BLOCK_BYTES, m->repack->options->memory);
    int64_t rows = bytes / m->set->row_bytes, chunk = m->set->chunk_rows;
    if (rows < input_chunk && input_chunk * m->set->row_bytes <= m->repack->options->memory)
        rows = input_chunk;
    if (chunk > 0) rows = (rows + chunk - 1) / chunk * chunk;
    return rows < 1 ? 1 : smaller(rows, m->repack->rows);
}

static pp_status move(mover *m, int64_t input_chunk, pp_error *err)
{
    const pp__repack *r = m->repack;
    m->block_rows = choose_block(m, input_chunk);
    m->block = calloc((size_t)m->block_rows, (size_t)m->set->row_bytes);
    m->random = pp_rng_at((uint64_t)r->options->seed, PP_RNG_REPACK, (uint64_t)r->rows);
    if (m->block == NULL) return fail_memory(m, err);
    int fits = r->rows <= r->options->memory / m->set->row_bytes;
    pp_status status = !r->options->shuffle           ? copy_in_order(m, err)
                       : fits || m->set->has_pointers ? shuffle_in_memory(m, err)
                                                      : shuffle_through_file(m, err);
    free(m->block);
    return status;
}

pp_status pp__repack_rows(pp__repack *r, const pp__row_set *set, pp_error *err)
{
    mover m = {.repack = r, .set = set};
    pp__h5_layout found;
    pp_status status = pp__h5_open_any(r->file, r->input, set->name, &m.from, &found, err);
    if (status != PP_OK) return status;
    hid_t in_file = H5Dget_type(m.from);
    m.type = H5Tcopy(in_file);
    status = pp__h5_stripes_start(m.from, &m.stripes, err);
    if (status == PP_OK) status = move(&m, found.chunk_rows, err);
    pp__h5_stripes_end(&m.stripes);
    H5Tclose(m.type);
    H5Tclose(in_file);
    H5Dclose(m.from);
    return status;
}
