/* Chunks of gzip that inflate to other than the bytes that they should have. HDF5 1.10 does not
 * ask: of a shorter one the rest is what memory happens to hold, other numbers at every reading;
 * and it inflates a longer one whatever that takes. So each chunk is inflated once more, into
 * nothing, before it is read for the first time. */
#include "h5_common.h"

#include <stdlib.h>
#include <zlib.h>

/* What deflate has to give, and its place in the pipeline; 0: it is not known, as another filter
 * changes the number of bytes, or there is no deflate. */
static int64_t inflated_bytes(hid_t creation, hid_t type, const hsize_t *chunk, int n_dims,
                              int *place)
{
    int64_t bytes = (int64_t)H5Tget_size(type);
    int count = H5Pget_nfilters(creation), found = 0;
    if (H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tdetect_class(type, H5T_STRING) > 0 ||
        H5Tdetect_class(type, H5T_REFERENCE) > 0)
        return 0;
    for (int d = 0; d < n_dims; d++)
        bytes *= (int64_t)chunk[d]; /* below 4 GiB by the format */
    for (int i = 0; i < count; i++) {
        unsigned flags, config;
        size_t none = 0;
        H5Z_filter_t id =
            H5Pget_filter2(creation, (unsigned)i, &flags, &none, NULL, 0, NULL, &config);
        if (id == H5Z_FILTER_DEFLATE && !found) {
            found = 1;
            *place = i;
        } else if (id == H5Z_FILTER_FLETCHER32) {
            if (!found) bytes += 4;
        } else if (id != H5Z_FILTER_SHUFFLE || found) {
            return 0;
        }
    }
    return found ? bytes : 0;
}

pp_status pp__h5_stripes_start(hid_t dataset, pp__h5_stripes *s, pp_error *err)
{
    hid_t creation = H5Dget_create_plist(dataset), space = H5Dget_space(dataset);
    hid_t type = H5Dget_type(dataset);
    *s = (pp__h5_stripes){.n_dims = H5Sget_simple_extent_dims(space, s->dims, NULL)};
    H5Sget_simple_extent_dims(space, s->dims, NULL);
    if (H5Pget_layout(creation) == H5D_CHUNKED && s->n_dims > 0 && s->dims[0] > 0 &&
        H5Pget_chunk(creation, H5S_MAX_RANK, s->chunk) == s->n_dims)
        s->bytes = inflated_bytes(creation, type, s->chunk, s->n_dims, &s->place);
    H5Tclose(type);
    H5Sclose(space);
    H5Pclose(creation);
    if (s->bytes == 0) return PP_OK;
    s->done = calloc((size_t)((s->dims[0] - 1) / s->chunk[0] / 8 + 1), 1);
    return s->done != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

void pp__h5_stripes_end(pp__h5_stripes *s)
{
    free(s->done);
    s->done = NULL;
}

static int inflates_to(const void *from, size_t bytes, int64_t wanted)
{
    static char nowhere[1 << 16];
    z_stream z = {.next_in = (Bytef *)from, .avail_in = (uInt)bytes};
    int status = inflateInit(&z);
    while (status == Z_OK && (int64_t)z.total_out <= wanted) {
        z.next_out = (Bytef *)nowhere;
        z.avail_out = sizeof nowhere;
        status = inflate(&z, Z_NO_FLUSH);
    }
    int is_sound = status == Z_STREAM_END && (int64_t)z.total_out == wanted;
    inflateEnd(&z);
    return is_sound;
}

/* 0: the chunk is not sound. What cannot be read at all is told when it is read. */
static int check_chunk(hid_t dataset, const pp__h5_stripes *s, const hsize_t *offset)
{
    hsize_t size = 0;
    uint32_t left_out = 0;
    if (H5Dget_chunk_storage_size(dataset, offset, &size) < 0 || size == 0) return 1;
    void *raw = malloc((size_t)size);
    int is_sound = 1;
    if (raw != NULL && H5Dread_chunk(dataset, H5P_DEFAULT, offset, &left_out, raw) >= 0)
        is_sound = (left_out >> s->place & 1) != 0 ? (int64_t)size >= s->bytes
                                                   : inflates_to(raw, (size_t)size, s->bytes);
    free(raw);
    return is_sound;
}

/* The next chunk of a stripe; 0: there are no more. */
static int step(const pp__h5_stripes *s, hsize_t *offset)
{
    for (int d = s->n_dims - 1; d > 0; d--) {
        offset[d] += s->chunk[d];
        if (offset[d] < s->dims[d]) return 1;
        offset[d] = 0;
    }
    return 0;
}

pp_status pp__h5_check_stripes(hid_t dataset, pp__h5_stripes *s, const char *path, const char *name,
                               int64_t first, int64_t count, pp_error *err)
{
    if (s->done == NULL || count == 0) return PP_OK;
    hsize_t end = ((hsize_t)(first + count) - 1) / s->chunk[0];
    for (hsize_t i = (hsize_t)first / s->chunk[0]; i <= end; i++) {
        hsize_t offset[H5S_MAX_RANK] = {i * s->chunk[0]};
        if ((s->done[i / 8] >> i % 8 & 1) != 0) continue;
        do {
            if (check_chunk(dataset, s, offset)) continue;
            return pp_fail(err, PP_E_DATA,
                           "%s: /%s: the chunk of row %llu on cannot be read: it is damaged, or "
                           "does not inflate to the %lld bytes that it should have",
                           path, name, (unsigned long long)offset[0], (long long)s->bytes);
        } while (step(s, offset));
        s->done[i / 8] |= (unsigned char)(1U << i % 8);
    }
    return PP_OK;
}
