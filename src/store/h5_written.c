/* Whether rows were ever written. HDF5 gives fill values, usually zeros, for what was not, and
 * zeros for what is missing of raw storage in other files. */
#include "h5_common.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- chunks ---- */

typedef struct grid {
    int n_dims;
    hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    double chunks, chunk_bytes; /* of all rows; of a chunk without filters */
    int is_sized;               /* chunks have as many bytes in the file */
} grid;

static int make_grid(hid_t dataset, hid_t creation, grid *g)
{
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    g->n_dims = H5Sget_simple_extent_dims(space, g->dims, NULL);
    g->chunk_bytes = (double)H5Tget_size(type);
    /* Numbers; of lists and texts of any length the file has references. */
    g->is_sized = H5Pget_nfilters(creation) == 0 && H5Tdetect_class(type, H5T_VLEN) <= 0 &&
                  H5Tdetect_class(type, H5T_STRING) <= 0;
    g->chunks = 1;
    H5Tclose(type);
    H5Sclose(space);
    if (g->n_dims < 1 || H5Pget_chunk(creation, H5S_MAX_RANK, g->chunk) != g->n_dims) return 0;
    for (int d = 0; d < g->n_dims; d++) {
        hsize_t across = g->dims[d] / g->chunk[d] + (g->dims[d] % g->chunk[d] > 0);
        g->chunks *= (double)across;
        g->chunk_bytes *= (double)g->chunk[d];
    }
    return 1;
}

/* The next chunk in file order; 0: there are no more below row `end`. */
static int step(const grid *g, hsize_t *offset, hsize_t end)
{
    for (int d = g->n_dims - 1; d > 0; d--) {
        offset[d] += g->chunk[d];
        if (offset[d] < g->dims[d]) return 1;
        offset[d] = 0;
    }
    offset[0] += g->chunk[0];
    return offset[0] < end;
}

/* Looks for a chunk of rows [first, end) that is not whole. Of the chunks before it all are there,
 * so that a set of countless chunks of which a few were written takes as few steps. */
static pp_status find_hole(hid_t dataset, const grid *g, const char *path, const char *name,
                           hsize_t first, hsize_t end, hsize_t written, pp_error *err)
{
    hsize_t offset[H5S_MAX_RANK] = {first / g->chunk[0] * g->chunk[0]};
    if (end > g->dims[0]) end = g->dims[0];
    if (offset[0] >= end) return PP_OK;
    do {
        unsigned int mask = 0;
        haddr_t address = HADDR_UNDEF;
        hsize_t bytes = 0;
        if (H5Dget_chunk_info_by_coord(dataset, offset, &mask, &address, &bytes) < 0)
            return pp__h5_fail(err, PP_E_DATA, "%s: /%s: the index of chunks cannot be read", path,
                               name);
        unsigned long long low = offset[0], high = offset[0] + g->chunk[0];
        if (high > g->dims[0]) high = g->dims[0];
        if (address == HADDR_UNDEF || bytes == 0)
            return pp_fail(err, PP_E_DATA,
                           "%s: /%s: rows %llu to %llu were never written (%.15g of %.15g chunks "
                           "were): what HDF5 fills in is no data",
                           path, name, low, high - 1, (double)written, g->chunks);
        if (g->is_sized && (double)bytes != g->chunk_bytes)
            return pp_fail(
                err, PP_E_DATA,
                "%s: /%s: the chunk of rows %llu to %llu has %llu bytes instead of %.15g", path,
                name, low, high - 1, (unsigned long long)bytes, g->chunk_bytes);
    } while (step(g, offset, end));
    return PP_OK;
}

static pp_status check_chunks(hid_t dataset, hid_t creation, const char *path, const char *name,
                              hsize_t first, hsize_t end, pp_error *err)
{
    grid g;
    hsize_t written = 0;
    if (!make_grid(dataset, creation, &g)) return PP_OK; /* told when its shape is looked at */
    hid_t space = H5Dget_space(dataset);
    herr_t failed = H5Dget_num_chunks(dataset, space, &written);
    H5Sclose(space);
    if (failed < 0)
        return pp__h5_fail(err, PP_E_DATA, "%s: /%s: the index of chunks cannot be read", path,
                           name);
    int is_whole = (double)written >= g.chunks;
    if (is_whole && g.is_sized)
        is_whole = (double)H5Dget_storage_size(dataset) == g.chunks * g.chunk_bytes;
    return is_whole ? PP_OK : find_hole(dataset, &g, path, name, first, end, written, err);
}

/* ---- raw storage in other files ---- */

/* HDF5_EXTFILE_PREFIX goes in front, where ${ORIGIN} is the folder of the HDF5 file. */
static void raw_path(const char *path, const char *other, char *at, size_t size)
{
    static const char origin[] = "${ORIGIN}";
    const char *prefix = getenv("HDF5_EXTFILE_PREFIX"), *slash = strrchr(path, '/');
    int folder = slash == NULL ? 1 : (int)(slash - path);
    const char *beside = slash == NULL ? "." : path;
    if (*other == '/' || prefix == NULL || *prefix == '\0')
        snprintf(at, size, "%s", other);
    else if (strncmp(prefix, origin, sizeof origin - 1) == 0)
        snprintf(at, size, "%.*s%s/%s", folder, beside, prefix + sizeof origin - 1, other);
    else
        snprintf(at, size, "%s/%s", prefix, other);
}

static double set_bytes(hid_t dataset)
{
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    double bytes = (double)H5Sget_simple_extent_npoints(space) * (double)H5Tget_size(type);
    H5Tclose(type);
    H5Sclose(space);
    return bytes;
}

static pp_status check_raw(hid_t dataset, hid_t creation, const char *path, const char *name,
                           pp_error *err)
{
    double left = set_bytes(dataset);
    int count = H5Pget_external_count(creation);
    for (int i = 0; i < count && left > 0; i++) {
        char other[512] = "?", at[PATH_MAX];
        off_t offset = 0;
        hsize_t size = 0;
        struct stat info;
        H5Pget_external(creation, (unsigned)i, sizeof other - 1, other, &offset, &size);
        raw_path(path, other, at, sizeof at);
        if (stat(at, &info) != 0)
            return pp_fail(err, PP_E_DATA, "%s: /%s is stored in %s, which is missing", path, name,
                           other);
        double wanted = size == H5F_UNLIMITED || (double)size > left ? left : (double)size;
        if ((double)info.st_size < (double)offset + wanted)
            return pp_fail(err, PP_E_DATA,
                           "%s: /%s is stored in %s, which has %lld bytes instead of %.15g", path,
                           name, other, (long long)info.st_size, (double)offset + wanted);
        left -= wanted;
    }
    return PP_OK;
}

/* ---- any of them ---- */

pp_status pp__h5_check_written(hid_t dataset, const char *path, const char *name, hsize_t first,
                               hsize_t end, pp_error *err)
{
    H5D_space_status_t space = H5D_SPACE_STATUS_ALLOCATED;
    pp_status status = PP_OK;
    if (set_bytes(dataset) <= 0) return PP_OK;
    hid_t creation = H5Dget_create_plist(dataset);
    H5D_layout_t layout = H5Pget_layout(creation);
    if (H5Pget_external_count(creation) > 0)
        status = check_raw(dataset, creation, path, name, err);
    else if (layout == H5D_CHUNKED)
        status = check_chunks(dataset, creation, path, name, first, end, err);
    else if (H5Dget_space_status(dataset, &space) >= 0 && space == H5D_SPACE_STATUS_NOT_ALLOCATED)
        status = pp_fail(err, PP_E_DATA, "%s: /%s was never written: what HDF5 fills in is no data",
                         path, name);
    H5Pclose(creation);
    return status;
}
