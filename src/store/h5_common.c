#include "h5_common.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/h5.h"

/* Every file is closed when its owner is done, so nothing is left to do at exit, where HDF5 would
 * crash over a file that it could not flush. */
void pp__h5_quiet(void)
{
    H5dont_atexit(); /* refused, and not needed, once HDF5 is running */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

hid_t pp__h5_access(int with_lock)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    if (access >= 0) H5Pset_file_locking(access, (hbool_t)with_lock, 1);
#else
    (void)with_lock;
#endif
    return access;
}

/* The innermost entry of the error stack says most, and is the first one of a walk upward; but
 * where a filter is missing it is about a folder of plugins. */
static herr_t take_best(unsigned int n, const H5E_error2_t *entry, void *text)
{
    const char *reason = entry->desc == NULL ? "" : entry->desc;
    if (n == 0 || strncmp(reason, "required filter", 15) == 0)
        snprintf((char *)text, 256, "%s", reason);
    return 0;
}

/* "file write failed: time = ..., errno = 28, error message = 'No space left on device', ...": only
 * the system's message is for people. Line breaks (in the time) would break our one line. */
static const char *plain_reason(char *text)
{
    static const char mark[] = "error message = '";
    char *message = strstr(text, mark);
    if (message != NULL) {
        message += sizeof mark - 1;
        char *end = strchr(message, '\'');
        if (end != NULL) *end = '\0';
    } else {
        message = text;
    }
    for (char *c = message; *c != '\0'; c++)
        if (*c == '\n' || *c == '\r') *c = ' ';
    return message;
}

pp_status pp__h5_fail(pp_error *err, pp_status code, const char *format, ...)
{
    char reason[256] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_best, reason);
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *why = plain_reason(reason);
    if (*why == '\0') return pp_fail(err, code, "%s", text);
    return pp_fail(err, code, "%s (HDF5: %s)", text, why);
}

static herr_t see_version(unsigned int n, const H5E_error2_t *entry, void *found)
{
    (void)n;
    if (entry->desc != NULL && strstr(entry->desc, "version number") != NULL) *(int *)found = 1;
    return 0;
}

int pp__h5_is_newer(void)
{
    int found = 0;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, see_version, &found);
    return found;
}

pp_status pp__h5_fail_newer(const char *path, const char *name, pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s:%s%s is written in a newer format than HDF5 %s, which this program has, can "
                   "read; write the file again with libver=('earliest', 'v110') in h5py, or "
                   "h5repack --high=2",
                   path, name == NULL ? "" : " /", name == NULL ? "" : name, pp_h5_version());
}

void pp__h5_shape_text(int n_dims, const hsize_t *dims, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int d = 0; d < n_dims && used < size; d++)
        used += (size_t)snprintf(text + used, size - used, "%s%llu", d == 0 ? "" : ", ",
                                 (unsigned long long)dims[d]);
    if (used < size) snprintf(text + used, size - used, "]");
}

#define PP_TEXT_OF(number) #number
#define PP_TEXT(number) PP_TEXT_OF(number)

const char *pp_h5_version(void)
{
    return PP_TEXT(H5_VERS_MAJOR) "." PP_TEXT(H5_VERS_MINOR) "." PP_TEXT(H5_VERS_RELEASE);
}
