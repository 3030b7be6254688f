/* Preloaded: calls number FAULT_FIRST to FAULT_LAST (from 1; default all) of the function
 * FAULT_CALL on a path that holds FAULT_PATH fail with errno FAULT_ERRNO, or take FAULT_DELAY
 * milliseconds. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int number(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : otherwise;
}

static int strikes(const char *call, const char *path)
{
    static int count;
    const char *wanted = getenv("FAULT_CALL"), *where = getenv("FAULT_PATH");
    if (wanted == NULL || strcmp(wanted, call) != 0) return 0;
    if (where != NULL && strstr(path, where) == NULL) return 0;
    int n = __sync_add_and_fetch(&count, 1);
    if (n < number("FAULT_FIRST", 1) || n > number("FAULT_LAST", 1 << 30)) return 0;
    int delay = number("FAULT_DELAY", 0);
    struct timespec pause = {delay / 1000, delay % 1000 * 1000000L};
    while (delay > 0 && nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
    errno = number("FAULT_ERRNO", 0);
    return errno != 0;
}

static int strikes_file(const char *call, int file)
{
    char link[64], path[4096];
    int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    errno = error;
    return strikes(call, path);
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t size)
{
    if (strikes_file("write", file)) return -1;
    return REAL(ssize_t, write, int, const void *, size_t)(file, bytes, size);
}

ssize_t pread(int file, void *bytes, size_t size, off_t at)
{
    if (strikes_file("pread", file)) return -1;
    return REAL(ssize_t, pread, int, void *, size_t, off_t)(file, bytes, size, at);
}

ssize_t pread64(int file, void *bytes, size_t size, off64_t at)
{
    if (strikes_file("pread", file)) return -1;
    return REAL(ssize_t, pread64, int, void *, size_t, off64_t)(file, bytes, size, at);
}

int fsync(int file)
{
    if (strikes_file("fsync", file)) return -1;
    return REAL(int, fsync, int)(file);
}

FILE *fopen(const char *path, const char *mode)
{
    if (strikes("fopen", path)) return NULL;
    return REAL(FILE *, fopen, const char *, const char *)(path, mode);
}

DIR *opendir(const char *path)
{
    if (strikes("opendir", path)) return NULL;
    return REAL(DIR *, opendir, const char *)(path);
}

int mkdir(const char *path, mode_t mode)
{
    if (strikes("mkdir", path)) return -1;
    return REAL(int, mkdir, const char *, mode_t)(path, mode);
}

int rename(const char *from, const char *to)
{
    if (strikes("rename", to)) return -1;
    return REAL(int, rename, const char *, const char *)(from, to);
}
