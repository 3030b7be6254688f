/* Data that lie in another file: by a link, as raw storage, or as a virtual data set. A file that
 * somebody sends must not make us read others. */
#include "h5_common.h"

#include <stdio.h>
#include <string.h>

static pp_status refuse(const char *path, const char *name, const char *how, const char *other,
                        pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s is %s %s, another file, which is not read unless data.follow_links is "
                   "true",
                   path, name, how, other);
}

static pp_status check_link(hid_t file, const char *path, const char *name, pp_error *err)
{
    H5L_info_t info;
    char value[1024];
    const char *other = "?", *object = NULL;
    if (H5Lget_info(file, name, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_EXTERNAL)
        return PP_OK;
    if (info.u.val_size <= sizeof value &&
        H5Lget_val(file, name, value, sizeof value, H5P_DEFAULT) >= 0)
        H5Lunpack_elink_val(value, info.u.val_size, NULL, &other, &object);
    return refuse(path, name, "a link to", other, err);
}

/* Every group on the way may be a link. */
static pp_status check_links(hid_t file, const char *path, const char *name, pp_error *err)
{
    char prefix[1024];
    pp_status status = PP_OK;
    for (const char *end = name; status == PP_OK && end != NULL;) {
        end = strchr(end + 1, '/');
        size_t length = end == NULL ? strlen(name) : (size_t)(end - name);
        if (length == 0 || length >= sizeof prefix) break;
        memcpy(prefix, name, length);
        prefix[length] = '\0';
        status = check_link(file, path, prefix, err);
    }
    return status;
}

static pp_status check_storage(hid_t file, const char *path, const char *name, pp_error *err)
{
    char other[256] = "?";
    pp_status status = PP_OK;
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset < 0) return PP_OK; /* told when it is opened to be read */
    hid_t creation = H5Dget_create_plist(dataset);
    if (H5Pget_external_count(creation) > 0) {
        H5Pget_external(creation, 0, sizeof other - 1, other, NULL, NULL);
        status = refuse(path, name, "stored in", other, err);
    } else if (H5Pget_layout(creation) == H5D_VIRTUAL) {
        if (H5Pget_virtual_filename(creation, 0, other, sizeof other) < 0 ||
            strcmp(other, ".") != 0)
            status = refuse(path, name, "a view of", other, err);
    }
    H5Pclose(creation);
    H5Dclose(dataset);
    return status;
}

pp_status pp__h5_stays_inside(hid_t file, const char *path, const char *name, pp_error *err)
{
    pp_status status = check_links(file, path, name, err);
    return status == PP_OK ? check_storage(file, path, name, err) : status;
}
