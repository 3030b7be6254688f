/* Opening one HDF5 file, and one object in it, with every way in which that goes wrong told in
 * words: no file, not HDF5, being written, cut short, of a newer HDF5, no such data set. */
#include "h5_common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LISTED = 8 };

/* ---- the file ---- */

static pp_status fail_locked(const char *path, pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: is open for writing in another program; wait until that has closed it (if "
                   "it died, and its lock or mark is left: h5clear -s on the file, or set "
                   "HDF5_USE_FILE_LOCKING=FALSE)",
                   path);
}

/* HDF5's own variable, for file systems on which locks hang. */
static int locks_are_off(void)
{
    const char *policy = getenv("HDF5_USE_FILE_LOCKING");
    return policy != NULL && (strcmp(policy, "FALSE") == 0 || strcmp(policy, "0") == 0);
}

/* Programs that write an HDF5 file have it locked. Where the file system knows no locks there is
 * nothing to heed, and HDF5 must not try: it would refuse the file. */
static pp_status try_lock(int fd, const char *path, int *has_locks, pp_error *err)
{
    int failed, unsupported;
    *has_locks = 0;
    if (locks_are_off()) return PP_OK;
    do
        failed = flock(fd, LOCK_SH | LOCK_NB);
    while (failed && errno == EINTR);
    *has_locks = !failed;
    if (!failed) return PP_OK;
    if (errno == EWOULDBLOCK) return fail_locked(path, err);
    unsupported = errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP;
    return unsupported ? PP_OK
                       : pp_fail(err, PP_E_IO, "%s: cannot lock: %s", path, strerror(errno));
}

static pp_status check_readable(const char *path, int *has_locks, pp_error *err)
{
    struct stat info;
    pp_status status = PP_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return pp_fail(err, PP_E_IO, "%s: cannot open: %s", path, strerror(errno));
    int known = fstat(fd, &info) == 0;
    if (known && S_ISDIR(info.st_mode))
        status = pp_fail(err, PP_E_IO, "%s: is a directory; expected an HDF5 file", path);
    else if (known && info.st_size == 0)
        status = pp_fail(err, PP_E_DATA, "%s: is empty; expected an HDF5 file", path);
    else
        status = try_lock(fd, path, has_locks, err);
    close(fd);
    return status;
}

/* A file of the newer formats says so while a program writes to it, and if one died doing so. */
static pp_status fail_open(const char *path, pp_error *err)
{
    pp_error why = {.text = ""};
    int is_newer = pp__h5_is_newer();
    pp_status status =
        pp__h5_fail(&why, PP_E_DATA, "%s: is damaged or cut short; copy or make it again", path);
    if (is_newer) return pp__h5_fail_newer(path, NULL, err);
    if (strstr(why.text, "already open for") != NULL || strstr(why.text, "unable to lock") != NULL)
        return fail_locked(path, err);
    return pp_fail(err, status, "%s", why.text);
}

pp_status pp__h5_open_file(const char *path, hid_t *file, pp_error *err)
{
    int has_locks;
    pp_status status = check_readable(path, &has_locks, err);
    if (status != PP_OK) return status;
    if (H5Fis_hdf5(path) <= 0)
        return pp_fail(err, PP_E_DATA,
                       "%s: is not an HDF5 file; make one with pitprop import, or h5py", path);
    hid_t access = pp__h5_access(has_locks);
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (*file < 0) status = fail_open(path, err);
    H5Pclose(access);
    return status;
}

/* An int * with the driver that reads files. */
static int stat_file(hid_t file, struct stat *info)
{
    void *descriptor;
    return H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor) >= 0 &&
           fstat(*(int *)descriptor, info) == 0;
}

int64_t pp__h5_file_bytes(hid_t file)
{
    struct stat info;
    return stat_file(file, &info) ? (int64_t)info.st_size : 0;
}

uint64_t pp__h5_file_number(hid_t file)
{
    struct stat info;
    return stat_file(file, &info) ? (uint64_t)info.st_ino : 0;
}

/* ---- what is in it ---- */

typedef struct name_list {
    const char *folder; /* in front of every name */
    char text[320];
    int count;
} name_list;

/* An object whose header cannot be read is listed too. */
static herr_t list_dataset(hid_t group, const char *name, const H5L_info_t *link, void *to)
{
    name_list *list = to;
    H5O_info_t info;
    if (link->type != H5L_TYPE_HARD) return 0;
    if (H5Oget_info_by_name(group, name, &info, H5P_DEFAULT) >= 0 && info.type != H5O_TYPE_DATASET)
        return 0;
    size_t used = strlen(list->text), room = sizeof list->text - used;
    if (list->count++ == MAX_LISTED) {
        snprintf(list->text + used, room, ", ...");
        return 1;
    }
    /* The dots need 6 bytes, whatever the lengths of the names. */
    snprintf(list->text + used, room - 6, "%s%s/%s", used == 0 ? "" : ", ", list->folder, name);
    return 0;
}

static pp_status fail_missing(hid_t file, const char *path, const char *name, pp_error *err)
{
    name_list list = {.folder = ""};
    H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, list_dataset, &list);
    if (list.count == 0)
        return pp_fail(err, PP_E_DATA, "%s: has no data set /%s; it holds no data set at all", path,
                       name);
    return pp_fail(err, PP_E_DATA, "%s: has no data set /%s; it holds %s", path, name, list.text);
}

static pp_status fail_group(hid_t group, const char *path, const char *name, pp_error *err)
{
    char folder[128];
    name_list list = {.folder = folder};
    snprintf(folder, sizeof folder, "/%s", name);
    H5Lvisit(group, H5_INDEX_NAME, H5_ITER_INC, list_dataset, &list);
    return pp_fail(err, PP_E_DATA, "%s: /%s is a group; expected a data set%s%s", path, name,
                   list.count > 0 ? "; it holds " : "", list.text);
}

/* Whether every link on the way to a name is there; one below a group that cannot be opened may be.
 */
static int has_links(hid_t file, const char *name)
{
    int found = 1;
    char *part = strdup(name);
    for (char *end = part; part != NULL && end != NULL && found;) {
        end = strchr(end + 1, '/');
        if (end != NULL) *end = '\0';
        found = H5Lexists(file, part, H5P_DEFAULT) != 0;
        if (end != NULL) *end = '/';
    }
    free(part);
    return found;
}

/* The object is there, and this HDF5 cannot open it: `why` says what it said. */
static pp_status fail_object(hid_t file, const char *path, const char *name, const pp_error *why,
                             int is_newer, pp_error *err)
{
    if (*name == '\0' || !has_links(file, name)) return fail_missing(file, path, name, err);
    if (H5Oexists_by_name(file, name, H5P_DEFAULT) == 0)
        return pp_fail(err, PP_E_DATA, "%s: /%s is a link to what is not there", path, name);
    return is_newer ? pp__h5_fail_newer(path, name, err) : pp_fail(err, PP_E_DATA, "%s", why->text);
}

pp_status pp__h5_check_is_dataset(hid_t file, const char *path, const char *name, pp_error *err)
{
    hid_t object = H5Oopen(file, name, H5P_DEFAULT);
    if (object < 0) {
        pp_error why;
        int is_newer = pp__h5_is_newer();
        pp__h5_fail(&why, PP_E_DATA, "%s: /%s is damaged; copy or make the file again", path, name);
        return fail_object(file, path, name, &why, is_newer, err);
    }
    H5I_type_t type = H5Iget_type(object);
    pp_status status = PP_OK;
    if (type == H5I_GROUP)
        status = fail_group(object, path, name, err);
    else if (type != H5I_DATASET)
        status =
            pp_fail(err, PP_E_DATA, "%s: /%s is a named type; expected a data set", path, name);
    H5Oclose(object);
    return status;
}
