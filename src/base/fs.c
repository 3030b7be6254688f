#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pitprop/check.h"

struct pp_fs_file {
    FILE *stream;
    char *path, *aside;
};

static pp_status io_error(pp_error *err, const char *doing, const char *path)
{
    return pp_fail(err, PP_E_IO, "%s: %s: %s", path, doing, strerror(errno));
}

int pp_fs_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

pp_status pp_fs_look(const char *path, int *exists, pp_error *err)
{
    struct stat info;
    *exists = stat(path, &info) == 0;
    if (*exists || errno == ENOENT || errno == ENOTDIR) return PP_OK;
    return io_error(err, "cannot tell whether it is there", path);
}

static pp_status is_input(const char *output, const char *input, pp_error *err)
{
    if (strcmp(output, input) == 0)
        return pp_fail(err, PP_E_ARG,
                       "%s: is read, and would be replaced; write to another file (-o)", output);
    return pp_fail(err, PP_E_ARG,
                   "%s: is the same file as %s, which is read; write to another (-o)", output,
                   input);
}

/* Each file is asked for once, as there may be thousands of inputs. */
pp_status pp_fs_keep_inputs(const char *const *outputs, int n_outputs, const char *const *inputs,
                            int n_inputs, pp_error *err)
{
    enum { MOST_OUTPUTS = 16 };
    struct stat to[MOST_OUTPUTS], from;
    int exists[MOST_OUTPUTS], any = 0;
    PP_CHECK(n_outputs <= MOST_OUTPUTS);
    for (int i = 0; i < n_outputs; i++) {
        exists[i] = stat(outputs[i], &to[i]) == 0;
        any |= exists[i];
    }
    for (int k = 0; any && k < n_inputs; k++) {
        if (stat(inputs[k], &from) != 0) continue;
        for (int i = 0; i < n_outputs; i++)
            if (exists[i] && to[i].st_dev == from.st_dev && to[i].st_ino == from.st_ino)
                return is_input(outputs[i], inputs[k], err);
    }
    return PP_OK;
}

pp_status pp_fs_keep_input(const char *output, const char *input, pp_error *err)
{
    if (output == NULL || input == NULL) return PP_OK;
    return pp_fs_keep_inputs(&output, 1, &input, 1, err);
}

int pp_fs_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A server that is interrupted has done nothing, or all of it. */
static int make_one(const char *path)
{
    int result;
    do
        result = mkdir(path, 0777);
    while (result != 0 && errno == EINTR);
    return result;
}

int pp_fs_sync(int file)
{
    int result;
    do
        result = fsync(file);
    while (result != 0 && errno == EINTR);
    return result;
}

int pp_fs_rename(const char *from, const char *to)
{
    int result;
    do
        result = rename(from, to);
    while (result != 0 && errno == EINTR);
    return result;
}

pp_status pp_fs_make_directory(const char *path, pp_error *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof part) return pp_fail(err, PP_E_IO, "%s: path is too long", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (make_one(part) == 0) continue;
        int error = errno; /* the look after it has its own */
        if (pp_fs_is_directory(part)) continue;
        errno = error;
        return io_error(err, "cannot make the directory", part);
    }
    return PP_OK;
}

pp_status pp_fs_read(const char *path, char **text, size_t *length, pp_error *err)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return io_error(err, "cannot open for reading", path);
    char *buffer = NULL;
    size_t size = 0, used = 0;
    do {
        if (used + 1 >= size) {
            size = size == 0 ? 4096 : 2 * size;
            char *larger = realloc(buffer, size);
            if (larger == NULL) {
                free(buffer);
                fclose(stream);
                return pp_fail(err, PP_E_MEMORY, "%s: no memory for %zu bytes", path, size);
            }
            buffer = larger;
        }
        used += fread(buffer + used, 1, size - used - 1, stream);
    } while (!feof(stream) && !ferror(stream));
    int failed = ferror(stream), error = errno;
    fclose(stream);
    if (failed) {
        free(buffer);
        errno = error;
        return io_error(err, "cannot read", path);
    }
    buffer[used] = '\0';
    *text = buffer;
    if (length != NULL) *length = used;
    return PP_OK;
}

/* ---- temporaries of this process, for a signal handler ---- */

enum { MAX_OPEN = 8 }; /* more are written, but not known to the handler */

static char *volatile open_asides[MAX_OPEN];

static void note_aside(char *aside)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_asides[i] == NULL) {
            open_asides[i] = aside;
            return;
        }
}

static void forget_aside(const char *aside)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_asides[i] == aside) open_asides[i] = NULL;
}

static void abandon_all(int signal_number)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_asides[i] != NULL) unlink(open_asides[i]);
    raise(signal_number); /* the handler is off: SA_RESETHAND */
}

void pp_fs_abandon_on_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = abandon_all, .sa_flags = (int)SA_RESETHAND}, before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

/* ---- one of them ---- */

static void free_file(pp_fs_file *file)
{
    if (file->aside != NULL) forget_aside(file->aside);
    free(file->path);
    free(file->aside);
    free(file);
}

/* Two hosts may have a process of the same number, and write files of the same name. */
static unsigned host_number(void)
{
    char host[256] = "";
    unsigned number = 0;
    gethostname(host, sizeof host - 1);
    for (const char *c = host; *c != '\0'; c++)
        number = number * 31 + (unsigned char)*c;
    return number % 100000;
}

/* 0: too long. */
static int aside_name(const char *path, char *aside, size_t size)
{
    return snprintf(aside, size, "%s.tmp-%ld%05u", path, (long)getpid(), host_number()) < (int)size;
}

pp_status pp_fs_create(const char *path, pp_fs_file **file, pp_error *err)
{
    pp_fs_file *f = calloc(1, sizeof *f);
    size_t size = strlen(path) + 32;
    if (f != NULL) f->path = strdup(path);
    if (f != NULL) f->aside = malloc(size);
    if (f == NULL || f->path == NULL || f->aside == NULL) {
        if (f != NULL) free_file(f);
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    }
    (void)aside_name(path, f->aside, size);
    note_aside(f->aside); /* a signal may come as soon as the file is there */
    f->stream = fopen(f->aside, "wb");
    if (f->stream == NULL) {
        pp_status status = io_error(err, "cannot write", path);
        free_file(f);
        return status;
    }
    *file = f;
    return PP_OK;
}

const char *pp_fs_aside(const pp_fs_file *file)
{
    return file->aside;
}

FILE *pp_fs_stream(pp_fs_file *file)
{
    return file->stream;
}

/* A rename is only durable once its directory is synced. */
static void sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= sizeof directory) return;
    memcpy(directory, path, length);
    directory[length] = '\0';
    int fd = open(slash == NULL ? "." : length == 0 ? "/" : directory, O_RDONLY);
    if (fd < 0) return;
    pp_fs_sync(fd); /* not every file system can; the data itself is synced already */
    close(fd);
}

pp_status pp_fs_commit_if(pp_fs_file *file, const pp_fs_guard *guard, pp_error *err)
{
    int written =
        !ferror(file->stream) && fflush(file->stream) == 0 && pp_fs_sync(fileno(file->stream)) == 0;
    int error = errno;
    if (fclose(file->stream) != 0 && written) {
        written = 0;
        error = errno;
    }
    pp_status status = PP_OK;
    if (!written) {
        errno = error;
        status = io_error(err, "cannot write", file->path);
    }
    if (status == PP_OK && guard != NULL) status = guard->check(guard->context, err);
    if (status == PP_OK && pp_fs_rename(file->aside, file->path) != 0)
        status = io_error(err, "cannot write", file->path);
    if (status == PP_OK)
        sync_directory_of(file->path);
    else
        unlink(file->aside);
    free_file(file);
    return status;
}

pp_status pp_fs_commit(pp_fs_file *file, pp_error *err)
{
    return pp_fs_commit_if(file, NULL, err);
}

void pp_fs_abandon(pp_fs_file *file)
{
    if (file == NULL) return;
    fclose(file->stream);
    unlink(file->aside);
    free_file(file);
}

pp_status pp_fs_write_if(const char *path, const char *text, size_t length,
                         const pp_fs_guard *guard, pp_error *err)
{
    pp_fs_file *file;
    pp_status status = pp_fs_create(path, &file, err);
    if (status != PP_OK) return status;
    fwrite(text, 1, length, file->stream);
    return pp_fs_commit_if(file, guard, err);
}

pp_status pp_fs_write(const char *path, const char *text, size_t length, pp_error *err)
{
    return pp_fs_write_if(path, text, length, NULL, err);
}

pp_status pp_fs_remove_if(const char *path, const pp_fs_guard *guard, pp_error *err)
{
    char aside[PATH_MAX];
    if (!aside_name(path, aside, sizeof aside))
        return pp_fail(err, PP_E_IO, "%s: path is too long", path);
    if (pp_fs_rename(path, aside) != 0)
        return errno == ENOENT ? PP_OK : io_error(err, "cannot remove", path);
    pp_status status = guard->check(guard->context, err);
    if (status != PP_OK && link(aside, path) != 0 && errno != EEXIST && errno != ENOENT)
        status = io_error(err, "cannot put back what another run has made", path);
    if (unlink(aside) != 0 && errno != ENOENT && status == PP_OK)
        status = io_error(err, "cannot remove", path);
    return status;
}

/* Whether name ends in ".tmp-" and digits. */
static int is_aside(const char *name)
{
    const char *mark = strstr(name, ".tmp-");
    return mark != NULL && mark[5] != '\0' && mark[5 + strspn(mark + 5, "0123456789")] == '\0';
}

void pp_fs_remove_unfinished(const char *directory, const char *prefix)
{
    char path[PATH_MAX];
    DIR *d = opendir(directory);
    struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !is_aside(entry->d_name))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < PATH_MAX) unlink(path);
    }
    if (d != NULL) closedir(d);
}

pp_status pp_fs_remove_tree(const char *path, pp_error *err)
{
    struct stat info;
    if (lstat(path, &info) != 0) return PP_OK;
    if (!S_ISDIR(info.st_mode))
        return unlink(path) == 0 ? PP_OK : io_error(err, "cannot remove", path);
    DIR *directory = opendir(path);
    if (directory == NULL) return io_error(err, "cannot open", path);
    pp_status status = PP_OK;
    struct dirent *entry;
    while (status == PP_OK && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char child[PATH_MAX];
        int length = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (length >= (int)sizeof child)
            status = pp_fail(err, PP_E_IO, "%s: path is too long", path);
        else
            status = pp_fs_remove_tree(child, err);
    }
    closedir(directory);
    if (status == PP_OK && rmdir(path) != 0) status = io_error(err, "cannot remove", path);
    return status;
}
