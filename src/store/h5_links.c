/* Links to other files. A file that somebody sends must not make us read others. */
#include "h5_common.h"

#include <stdio.h>
#include <string.h>

pp_status pp__h5_refuse(const char *path, const char *name, const char *how, const char *other,
                        pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s is %s %s, another file, which is not read unless data.follow_links is "
                   "true (repack: --follow-links)",
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
pp_status pp__h5_check_links(hid_t file, const char *path, const char *name, int follow,
                             pp_error *err)
{
    crossing c = {.follow = follow};
    hid_t access = H5Pcreate(H5P_LINK_ACCESS);
    H5Pset_elink_cb(access, see_link, &c);
    hid_t object = H5Oopen(file, name, access);
    H5Pclose(access);
    if (object >= 0) H5Oclose(object);
    if (object >= 0 || c.other[0] == '\0') return PP_OK; /* or told when it is opened to be read */
    if (!follow) return pp__h5_refuse(path, name, "a link to", c.other, err);
    return pp_fail(err, PP_E_DATA, "%s: /%s is a link to %s, where it cannot be opened", path, name,
                   c.other);
}
