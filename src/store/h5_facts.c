/* What people ask of a data set before they train on it: type, layout, chunks, filters. */
#include "h5_common.h"

#include <stdio.h>
#include <string.h>

#include "store/h5.h"

static void type_text(hid_t type, char *text, size_t size)
{
    H5T_class_t class = H5Tget_class(type);
    int bits = 8 * (int)H5Tget_size(type);
    const char *order = bits > 8 && H5Tget_order(type) == H5T_ORDER_BE ? " big-endian" : "";
    if (class == H5T_COMPOUND)
        snprintf(text, size, "table, %d bytes a row", bits / 8);
    else if (class == H5T_ENUM)
        snprintf(text, size, "bool");
    else if (class == H5T_FLOAT)
        snprintf(text, size, "float%d%s", bits, order);
    else
        snprintf(text, size, "%sint%d%s", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits,
                 order);
}

/* "shuffle, gzip 4"; "" where there is none. */
static void filters_text(hid_t creation, char *text, size_t size)
{
    static const struct {
        H5Z_filter_t id;
        const char *name;
    } known[] = {{H5Z_FILTER_DEFLATE, "gzip"},
                 {H5Z_FILTER_SHUFFLE, "shuffle"},
                 {H5Z_FILTER_FLETCHER32, "fletcher32"},
                 {H5Z_FILTER_SZIP, "szip"},
                 {H5Z_FILTER_NBIT, "nbit"},
                 {H5Z_FILTER_SCALEOFFSET, "scale-offset"}};
    size_t used = 0;
    *text = '\0';
    for (int i = 0; i < H5Pget_nfilters(creation) && used < size; i++) {
        unsigned int flags, values[1] = {0}, config;
        size_t n_values = 1;
        char name[64] = "";
        H5Z_filter_t id = H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, values,
                                         sizeof name, name, &config);
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (known[k].id == id) snprintf(name, sizeof name, "%s", known[k].name);
        if (id == H5Z_FILTER_DEFLATE) snprintf(name, sizeof name, "gzip %u", values[0]);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ", name);
    }
}

static void describe_chunks(hid_t creation, int n_dims, const hsize_t *dims, pp_h5_facts *facts)
{
    hsize_t chunk[H5S_MAX_RANK];
    if (H5Pget_chunk(creation, H5S_MAX_RANK, chunk) < 1) return;
    char shape[64];
    pp__h5_shape_text(n_dims, chunk, shape, sizeof shape);
    snprintf(facts->layout, sizeof facts->layout, "chunks of %s", shape);
    facts->chunk_rows = (int64_t)chunk[0];
    facts->chunk_bytes = facts->element_bytes;
    facts->stripe_bytes = facts->element_bytes;
    facts->chunks = 1;
    for (int d = 0; d < n_dims; d++) {
        int64_t across = (int64_t)((dims[d] + chunk[d] - 1) / chunk[d]);
        facts->chunk_bytes *= (int64_t)chunk[d];
        facts->stripe_bytes *= (int64_t)chunk[d] * (d > 0 ? across : 1);
        facts->chunks *= across;
    }
}

void pp__h5_describe(hid_t dataset, pp_h5_facts *facts)
{
    hsize_t dims[H5S_MAX_RANK];
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    hid_t creation = H5Dget_create_plist(dataset);
    int n_dims = H5Sget_simple_extent_dims(space, dims, NULL);
    memset(facts, 0, sizeof *facts);
    type_text(type, facts->type, sizeof facts->type);
    pp__h5_shape_text(n_dims, dims, facts->shape, sizeof facts->shape);
    filters_text(creation, facts->filters, sizeof facts->filters);
    facts->rows = (int64_t)dims[0];
    facts->element_bytes = (int64_t)H5Tget_size(type);
    facts->row_bytes = facts->element_bytes;
    for (int d = 1; d < n_dims; d++)
        facts->row_bytes *= (int64_t)dims[d];
    facts->stored_bytes = (int64_t)H5Dget_storage_size(dataset);
    H5D_layout_t layout = H5Pget_layout(creation);
    snprintf(facts->layout, sizeof facts->layout, "%s",
             layout == H5D_COMPACT ? "compact" : "contiguous");
    if (layout == H5D_CHUNKED) describe_chunks(creation, n_dims, dims, facts);
    H5Pclose(creation);
    H5Sclose(space);
    H5Tclose(type);
}
