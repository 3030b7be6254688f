/* Data that lie in another file: by a link, as raw storage, or as a virtual data set. A file that
 * somebody sends must not make us read others. */
#include "h5_common.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pp_status refuse(const char *path, const char *name, const char *how, const char *other,
                        pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s is %s %s, another file, which is not read unless data.follow_links is "
                   "true",
                   path, name, how, other);
}

typedef struct crossing {
    int follow;
    char other[256]; /* file that the last link was to; "": none */
} crossing;

static herr_t see_link(const char *parent_file, const char *parent_group, const char *file,
                       const char *object, unsigned *flags, hid_t access, void *to)
{
    (void)parent_file, (void)parent_group, (void)object, (void)flags, (void)access;
    crossing *c = to;
    snprintf(c->other, sizeof c->other, "%s", file);
    return c->follow ? 0 : -1;
}

/* HDF5 tells us of every link to a file, also of one behind a group or behind a soft link. */
static pp_status check_links(hid_t file, const char *path, const char *name, int follow,
                             pp_error *err)
{
    crossing c = {.follow = follow};
    hid_t access = H5Pcreate(H5P_LINK_ACCESS);
    H5Pset_elink_cb(access, see_link, &c);
    hid_t object = H5Oopen(file, name, access);
    H5Pclose(access);
    if (object >= 0) H5Oclose(object);
    if (object >= 0 || c.other[0] == '\0') return PP_OK; /* or told when it is opened to be read */
    if (!follow) return refuse(path, name, "a link to", c.other, err);
    return pp_fail(err, PP_E_DATA, "%s: /%s is a link to %s, where it cannot be opened", path, name,
                   c.other);
}

/* HDF5 reads zeros from a file that is missing. It looks in the working directory and beside the
 * file. */
static int is_missing(const char *path, const char *other)
{
    char beside[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (strchr(other, '%') != NULL || access(other, R_OK) == 0) return 0; /* '%': a pattern */
    int folder = slash == NULL ? 0 : (int)(slash - path + 1);
    int length = snprintf(beside, sizeof beside, "%.*s%s", folder, path, other);
    return *other == '/' || length >= (int)sizeof beside || access(beside, R_OK) != 0;
}

static pp_status check_sources(hid_t creation, const char *path, const char *name, int follow,
                               pp_error *err)
{
    size_t count = 0;
    H5Pget_virtual_count(creation, &count);
    for (size_t i = 0; i < count; i++) {
        char other[PATH_MAX] = "?";
        H5Pget_virtual_filename(creation, i, other, sizeof other);
        if (strcmp(other, ".") == 0) continue;
        if (!follow) return refuse(path, name, "a view of", other, err);
        if (is_missing(path, other))
            return pp_fail(err, PP_E_DATA, "%s: /%s is a view of %s, which is missing", path, name,
                           other);
    }
    return PP_OK;
}

static pp_status check_storage(hid_t file, const char *path, const char *name, int follow,
                               pp_error *err)
{
    char other[256] = "?";
    pp_status status = PP_OK;
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset < 0) return PP_OK; /* told when it is opened to be read */
    hid_t creation = H5Dget_create_plist(dataset);
    if (H5Pget_layout(creation) == H5D_VIRTUAL) {
        status = check_sources(creation, path, name, follow, err);
    } else if (!follow && H5Pget_external_count(creation) > 0) {
        H5Pget_external(creation, 0, sizeof other - 1, other, NULL, NULL);
        status = refuse(path, name, "stored in", other, err);
    }
    H5Pclose(creation);
    H5Dclose(dataset);
    return status;
}

pp_status pp__h5_check_others(hid_t file, const char *path, const char *name, int follow,
                              pp_error *err)
{
    pp_status status = check_links(file, path, name, follow, err);
    return status == PP_OK ? check_storage(file, path, name, follow, err) : status;
}
