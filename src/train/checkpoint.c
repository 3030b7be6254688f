#include "pitprop/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pitprop/fs.h"

typedef struct entry {
    int64_t step, generation;
} entry;

static int path_of(const char *dir, const entry *e, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/checkpoints/step-%012" PRId64 "-g%06" PRId64 ".safetensors",
                    dir, e->step, e->generation) < PATH_MAX;
}

/* Step first: a checkpoint of a superseded run holds the same bits. */
static int newest_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? 1 : -1;
    return x->generation < y->generation ? 1 : x->generation > y->generation ? -1 : 0;
}

/* All checkpoints (entries, newest first; the caller frees) and the highest generation claimed. */
static pp_status list(const char *dir, entry **entries, int *count, int64_t *generation,
                      pp_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/checkpoints", dir);
    *entries = NULL;
    *count = 0;
    *generation = 0;
    DIR *d = opendir(path);
    if (d == NULL) {
        if (errno == ENOENT) return PP_OK;
        return pp_fail(err, PP_E_IO, "%s: cannot open: %s", path, strerror(errno));
    }
    struct dirent *item;
    while ((item = readdir(d)) != NULL) {
        entry e;
        int64_t claimed;
        int used = 0;
        if (sscanf(item->d_name, "generation-%" SCNd64 "%n", &claimed, &used) == 1 &&
            item->d_name[used] == '\0' && claimed > *generation)
            *generation = claimed;
        used = 0;
        if (sscanf(item->d_name, "step-%" SCNd64 "-g%" SCNd64 ".safetensors%n", &e.step,
                   &e.generation, &used) != 2 ||
            used == 0 || item->d_name[used] != '\0')
            continue;
        entry *larger = realloc(*entries, (size_t)(*count + 1) * sizeof e);
        if (larger == NULL) {
            closedir(d);
            free(*entries);
            return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
        }
        *entries = larger;
        larger[(*count)++] = e;
    }
    closedir(d);
    if (*count > 0) qsort(*entries, (size_t)*count, sizeof **entries, newest_first);
    return PP_OK;
}

int pp_generation_path(const char *dir, int64_t generation, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/checkpoints/generation-%06" PRId64, dir, generation) <
           PATH_MAX;
}

pp_status pp_generation_claim(const char *dir, int64_t *generation, pp_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/checkpoints", dir);
    pp_status status = pp_fs_make_directory(path, err);
    for (int tries = 0; status == PP_OK && tries < 1000; tries++) {
        entry *entries;
        int count;
        int64_t highest;
        status = list(dir, &entries, &count, &highest, err);
        if (status != PP_OK) return status;
        free(entries);
        if (!pp_generation_path(dir, highest + 1, path))
            return pp_fail(err, PP_E_IO, "%s: path is too long", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (fd >= 0) {
            close(fd);
            snprintf(path, sizeof path, "%s/checkpoints", dir);
            pp_fs_remove_unfinished(path, "step-");
            *generation = highest + 1;
            return PP_OK;
        }
        if (errno != EEXIST)
            return pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    }
    return status != PP_OK ? status : pp_fail(err, PP_E_IO, "%s: cannot claim a generation", dir);
}

pp_status pp_generation_check(const char *dir, int64_t generation, pp_error *err)
{
    entry *entries;
    int count;
    int64_t highest;
    pp_status status = list(dir, &entries, &count, &highest, err);
    if (status != PP_OK) return status;
    free(entries);
    if (highest > generation)
        return pp_fail(err, PP_E_IO,
                       "%s: a later run (generation %" PRId64
                       ") has taken over this directory; this one (generation %" PRId64
                       ") stops and leaves it alone",
                       dir, highest, generation);
    return PP_OK;
}

/* Once `step` is written: keeps the newest `keep` up to it. Later ones are damaged, or a superseded
 * run's: this run went on from an earlier one. They must not push out good ones. */
static void prune(const char *dir, int64_t generation, int64_t step, int64_t keep)
{
    entry *entries;
    int count;
    int64_t highest;
    if (list(dir, &entries, &count, &highest, NULL) != PP_OK) return;
    for (int i = 0; i < count && highest == generation; i++) {
        char path[PATH_MAX];
        int kept = entries[i].step <= step && keep-- > 0;
        if (!kept && path_of(dir, &entries[i], path)) unlink(path);
    }
    free(entries);
}

pp_status pp_checkpoint_clear(const char *dir, pp_error *err)
{
    entry *entries;
    int count;
    int64_t highest;
    pp_status status = list(dir, &entries, &count, &highest, err);
    if (status != PP_OK) return status;
    for (int i = 0; i < count && status == PP_OK; i++) {
        char path[PATH_MAX];
        if (path_of(dir, &entries[i], path) && unlink(path) != 0 && errno != ENOENT)
            status = pp_fail(err, PP_E_IO, "%s: cannot remove: %s", path, strerror(errno));
    }
    free(entries);
    return status;
}

pp_status pp_checkpoint_write(const char *dir, int64_t generation, int64_t step, int64_t keep,
                              const pp_tensor *tensors, int n_tensors, const pp_tensor_note *notes,
                              int n_notes, pp_error *err)
{
    char path[PATH_MAX];
    if (!path_of(dir, &(entry){step, generation}, path))
        return pp_fail(err, PP_E_IO, "%s: path is too long", dir);
    pp_status status = pp_generation_check(dir, generation, err);
    if (status == PP_OK)
        status = pp_tensorfile_write(path, tensors, n_tensors, notes, n_notes, err);
    if (status == PP_OK) prune(dir, generation, step, keep);
    return status;
}

pp_status pp_checkpoint_newest(const char *dir, pp_tensorfile **file,
                               void (*say)(void *context, const char *text), void *context,
                               pp_error *err)
{
    entry *entries;
    int count;
    int64_t generation;
    pp_status status = list(dir, &entries, &count, &generation, err);
    if (status != PP_OK) return status;
    *file = NULL;
    for (int i = 0; i < count && *file == NULL; i++) {
        char path[PATH_MAX];
        pp_error damage;
        if (!path_of(dir, &entries[i], path)) continue;
        if (pp_tensorfile_read(path, file, &damage) != PP_OK) {
            *file = NULL;
            if (say != NULL) say(context, damage.text);
        }
    }
    free(entries);
    return PP_OK;
}
