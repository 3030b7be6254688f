#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "run/run_files.h"

enum {
    PATIENCE = 5, /* seconds that a file server may take to find itself again */
    LOOKS = 1000  /* at a directory that changes under our eyes */
};

typedef struct entry {
    int64_t step, generation;
} entry;

static int path_of(const char *dir, const entry *e, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX,
                    "%s/" PP_RUN_CHECKPOINTS "/step-%012" PRId64 "-g%06" PRId64 ".safetensors", dir,
                    e->step, e->generation) < PATH_MAX;
}

/* Step first: a checkpoint of a superseded run holds the same bits. */
static int newest_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? 1 : -1;
    return x->generation < y->generation ? 1 : x->generation > y->generation ? -1 : 0;
}

/* What a directory of checkpoints holds. */
typedef struct listing {
    entry *entries; /* [count] newest first; malloc'ed */
    int count;
    int64_t generation; /* the highest that is claimed; 0: none */
    int error;          /* errno where it cannot be read */
} listing;

static int add_entry(listing *l, const entry *e)
{
    entry *larger = realloc(l->entries, (size_t)(l->count + 1) * sizeof *e);
    if (larger == NULL) return 0;
    l->entries = larger;
    larger[l->count++] = *e;
    return 1;
}

/* 0: no memory. */
static int take_name(listing *l, const char *name)
{
    entry e;
    int64_t claimed;
    int used = 0;
    if (sscanf(name, "generation-%" SCNd64 "%n", &claimed, &used) == 1 && name[used] == '\0' &&
        claimed > l->generation)
        l->generation = claimed;
    used = 0;
    if (sscanf(name, "step-%" SCNd64 "-g%" SCNd64 ".safetensors%n", &e.step, &e.generation,
               &used) != 2 ||
        used == 0 || name[used] != '\0')
        return 1;
    return add_entry(l, &e);
}

/* What cannot be read to its end is not what is there. */
static pp_status list_once(const char *dir, listing *l, pp_error *err)
{
    char path[PATH_MAX];
    *l = (listing){0};
    snprintf(path, sizeof path, "%s/" PP_RUN_CHECKPOINTS, dir);
    DIR *d = opendir(path);
    if (d == NULL && errno == ENOENT) return PP_OK;
    l->error = errno;
    if (d == NULL) return pp_fail(err, PP_E_IO, "%s: cannot open: %s", path, strerror(errno));
    struct dirent *item;
    int has_memory = 1;
    while (has_memory && (errno = 0, item = readdir(d)) != NULL)
        has_memory = take_name(l, item->d_name);
    int error = errno;
    closedir(d);
    if (l->count > 0) qsort(l->entries, (size_t)l->count, sizeof *l->entries, newest_first);
    if (has_memory && error == 0) return PP_OK;
    free(l->entries);
    *l = (listing){.error = error};
    if (!has_memory) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    return pp_fail(err, PP_E_IO, "%s: cannot read: %s", path, strerror(error));
}

static int is_hiccup(int error)
{
    return error == ESTALE || error == EIO || error == EINTR || error == ETIMEDOUT;
}

/* A file server that fails for a moment is asked again. */
static pp_status list(const char *dir, listing *l, pp_error *err)
{
    const struct timespec pause = {.tv_sec = 1};
    pp_status status = list_once(dir, l, err);
    for (int i = 0; status == PP_E_IO && is_hiccup(l->error) && i < PATIENCE; i++) {
        nanosleep(&pause, NULL);
        status = list_once(dir, l, err);
    }
    return status;
}

int pp_generation_path(const char *dir, int64_t generation, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/" PP_RUN_CHECKPOINTS "/generation-%06" PRId64, dir,
                    generation) < PATH_MAX;
}

pp_status pp_generation_newest(const char *dir, int64_t *generation, pp_error *err)
{
    listing l;
    pp_status status = list(dir, &l, err);
    *generation = l.generation;
    free(l.entries);
    return status;
}

pp_status pp_generation_take(const char *dir, int64_t after, int *taken, pp_error *err)
{
    char path[PATH_MAX];
    *taken = 0;
    snprintf(path, sizeof path, "%s/" PP_RUN_CHECKPOINTS, dir);
    pp_status status = pp_fs_make_directory(path, err);
    if (status != PP_OK) return status;
    if (!pp_generation_path(dir, after + 1, path))
        return pp_fail(err, PP_E_IO, "%s: path is too long", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0 && (errno == EEXIST || errno == ENOENT)) return PP_OK;
    if (fd < 0) return pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    close(fd);
    snprintf(path, sizeof path, "%s/" PP_RUN_CHECKPOINTS, dir);
    pp_fs_remove_unfinished(path, "step-");
    *taken = 1;
    return PP_OK;
}

pp_status pp_generation_claim(const char *dir, int64_t *generation, pp_error *err)
{
    for (int i = 0; i < LOOKS; i++) {
        int64_t newest;
        int taken = 0;
        pp_status status = pp_generation_newest(dir, &newest, err);
        if (status == PP_OK) status = pp_generation_take(dir, newest, &taken, err);
        if (taken) *generation = newest + 1;
        if (taken || status != PP_OK) return status;
    }
    return pp_fail(err, PP_E_IO, "%s: cannot claim a generation", dir);
}

void pp_generation_leave(const char *dir, int64_t generation)
{
    char path[PATH_MAX];
    if (pp_generation_path(dir, generation, path)) unlink(path);
}

static pp_status is_superseded(const char *dir, int64_t by, int64_t generation, pp_error *err)
{
    if (by <= generation) return PP_OK;
    return pp_fail(err, PP_E_IO,
                   "%s: a later run (generation %" PRId64
                   ") has taken over this directory; this one (generation %" PRId64
                   ") stops and leaves it alone",
                   dir, by, generation);
}

pp_status pp_generation_check(const char *dir, int64_t generation, pp_error *err)
{
    int64_t newest;
    pp_status status = pp_generation_newest(dir, &newest, err);
    return status == PP_OK ? is_superseded(dir, newest, generation, err) : status;
}

int pp_generation_is_over(const char *dir, int64_t generation, pp_error *err)
{
    listing l;
    if (list_once(dir, &l, NULL) != PP_OK) return 0;
    free(l.entries);
    return is_superseded(dir, l.generation, generation, err) != PP_OK;
}

/* Whether a checkpoint of an earlier run has been passed by ours: this run went on from before it,
 * because it was damaged, or a superseded run has written it late. */
static int is_passed(const listing *l, const entry *e, int64_t generation)
{
    for (int i = 0; e->generation != generation && i < l->count; i++)
        if (l->entries[i].generation == generation && l->entries[i].step < e->step) return 1;
    return 0;
}

/* Once `step` is written: keeps the newest `keep` up to it, and all that are later. */
static void prune(const char *dir, int64_t generation, int64_t step, int64_t keep)
{
    listing l;
    if (list_once(dir, &l, NULL) != PP_OK) return;
    for (int i = 0; i < l.count && l.generation == generation; i++) {
        char path[PATH_MAX];
        const entry *e = &l.entries[i];
        if (e->step > step) continue;
        int kept = !is_passed(&l, e, generation) && keep-- > 0;
        if (!kept && path_of(dir, e, path)) unlink(path);
    }
    free(l.entries);
}

pp_status pp_checkpoint_clear(const char *dir, int64_t generation, pp_error *err)
{
    listing l;
    pp_status status = list(dir, &l, err);
    if (status != PP_OK) return status;
    for (int i = 0; i < l.count && status == PP_OK; i++) {
        char path[PATH_MAX];
        const entry *e = &l.entries[i];
        if (e->generation >= generation) continue;
        pp_idle_forget(dir, e->step);
        if (path_of(dir, e, path) && unlink(path) != 0 && errno != ENOENT)
            status = pp_fail(err, PP_E_IO, "%s: cannot remove: %s", path, strerror(errno));
    }
    pp_idle_forget(dir, 0);
    free(l.entries);
    return status;
}

typedef struct owner {
    const char *dir;
    int64_t generation;
} owner;

static pp_status check_owner(void *context, pp_error *err)
{
    const owner *o = context;
    return pp_generation_check(o->dir, o->generation, err);
}

pp_status pp_checkpoint_write(const char *dir, int64_t generation, int64_t step, int64_t keep,
                              const pp_tensor *tensors, int n_tensors, const pp_tensor_note *notes,
                              int n_notes, pp_error *err)
{
    char path[PATH_MAX];
    owner o = {dir, generation};
    pp_fs_guard guard = {check_owner, &o};
    if (!path_of(dir, &(entry){step, generation}, path))
        return pp_fail(err, PP_E_IO, "%s: path is too long", dir);
    pp_status status = check_owner(&o, err);
    if (status == PP_OK)
        status = pp_tensorfile_write_if(path, tensors, n_tensors, notes, n_notes, &guard, err);
    if (status == PP_OK) prune(dir, generation, step, keep);
    return status;
}

/* Opens the newest that is not damaged; *changed: one has gone meanwhile, look again. */
static pp_status open_newest(const char *dir, const listing *l, pp_tensorfile **file, int *changed,
                             void (*say)(void *context, const char *text), void *context,
                             pp_error *err)
{
    for (int i = 0; i < l->count; i++) {
        char path[PATH_MAX];
        pp_error failure;
        int exists = 1;
        if (!path_of(dir, &l->entries[i], path)) continue;
        pp_status status = pp_tensorfile_read(path, file, &failure);
        if (status == PP_OK) return PP_OK;
        *file = NULL;
        if (status == PP_E_IO && pp_fs_look(path, &exists, NULL) == PP_OK && !exists) {
            *changed = 1;
            return PP_OK;
        }
        if (status == PP_E_IO || status == PP_E_MEMORY)
            return pp_fail(err, status,
                           "%s; nothing is lost: go on when it can be read, or move it away to go "
                           "on from the one before",
                           failure.text);
        if (say != NULL) say(context, failure.text);
    }
    return PP_OK;
}

pp_status pp_checkpoint_newest(const char *dir, pp_tensorfile **file,
                               void (*say)(void *context, const char *text), void *context,
                               pp_error *err)
{
    pp_status status = PP_OK;
    int changed = 1;
    *file = NULL;
    for (int i = 0; status == PP_OK && changed && i < LOOKS; i++) {
        listing l;
        changed = 0;
        status = list(dir, &l, err);
        if (status == PP_OK) status = open_newest(dir, &l, file, &changed, say, context, err);
        free(l.entries);
    }
    return status;
}

/* ---- starts that came to nothing ---- */

static int idle_path(const char *dir, int64_t step, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/" PP_RUN_CHECKPOINTS "/idle-%012" PRId64, dir, step) <
           PATH_MAX;
}

pp_status pp_idle_note(const char *dir, int64_t *step, int *again, pp_error *err)
{
    listing l;
    char path[PATH_MAX];
    pp_status status = list(dir, &l, err);
    if (status != PP_OK) return status;
    *step = l.count > 0 ? l.entries[0].step : 0;
    *again = 0;
    free(l.entries);
    snprintf(path, sizeof path, "%s/" PP_RUN_CHECKPOINTS, dir);
    status = pp_fs_make_directory(path, err);
    if (status != PP_OK || !idle_path(dir, *step, path)) return status;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    *again = fd < 0 && errno == EEXIST;
    if (fd < 0 && !*again)
        return pp_fail(err, PP_E_IO, "%s: cannot write: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return PP_OK;
}

void pp_idle_forget(const char *dir, int64_t step)
{
    char path[PATH_MAX];
    if (idle_path(dir, step, path)) unlink(path);
}
