#include <stdlib.h>

#include "h5_repack.h"

typedef struct copying {
    pp__repack *repack;
    hid_t to;
    const char *name; /* of the object */
    pp_status status;
    pp_error *err;
} copying;

static pp_status copy_value(const copying *c, hid_t from, hid_t type, hid_t space, const char *key)
{
    hssize_t count = H5Sget_simple_extent_npoints(space);
    size_t bytes = H5Tget_size(type) * (size_t)(count > 0 ? count : 0);
    void *value = calloc(1, bytes + 1);
    if (value == NULL) return pp_fail(c->err, PP_E_MEMORY, "%s: out of memory", c->repack->input);
    pp_status status = PP_OK;
    hid_t made = -1;
    if (H5Sget_simple_extent_type(space) != H5S_NULL && H5Aread(from, type, value) < 0)
        status = pp__h5_fail(c->err, PP_E_IO, "%s: /%s: attribute %s cannot be read",
                             c->repack->input, c->name, key);
    if (status == PP_OK) made = H5Acreate2(c->to, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (status == PP_OK && (made < 0 || (H5Sget_simple_extent_type(space) != H5S_NULL &&
                                         H5Awrite(made, type, value) < 0)))
        status = pp__h5_fail(c->err, PP_E_IO, "%s: /%s: attribute %s cannot be written",
                             c->repack->output, c->name, key);
    if (made >= 0) H5Aclose(made);
    if (bytes > 0) H5Dvlen_reclaim(type, space, H5P_DEFAULT, value);
    free(value);
    return status;
}

static herr_t copy_one(hid_t object, const char *key, const H5A_info_t *info, void *context)
{
    (void)info;
    copying *c = context;
    hid_t from = H5Aopen(object, key, H5P_DEFAULT);
    if (from < 0) {
        c->status = pp__h5_fail(c->err, PP_E_IO, "%s: /%s: attribute %s cannot be read",
                                c->repack->input, c->name, key);
        return -1;
    }
    hid_t in_file = H5Aget_type(from), type = H5Tcopy(in_file), space = H5Aget_space(from);
    if (H5Tdetect_class(type, H5T_REFERENCE) > 0)
        c->repack->references++;
    else
        c->status = copy_value(c, from, type, space, key);
    H5Sclose(space);
    H5Tclose(type);
    H5Tclose(in_file);
    H5Aclose(from);
    return c->status == PP_OK ? 0 : -1;
}

pp_status pp__repack_attributes(pp__repack *r, hid_t from, hid_t to, const char *name,
                                pp_error *err)
{
    copying c = {r, to, name, PP_OK, err};
    hsize_t at = 0;
    if (H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_NATIVE, &at, copy_one, &c) >= 0) return PP_OK;
    if (c.status != PP_OK) return c.status;
    return pp__h5_fail(err, PP_E_IO, "%s: /%s: attributes cannot be read", r->input, name);
}
