/* Files that appear whole or not at all: written aside, synced, renamed. libc only. */
#ifndef PITPROP_FS_H
#define PITPROP_FS_H

#include <stddef.h>
#include <stdio.h>

#include "pitprop/error.h"

/* mkdir -p. */
pp_status pp_fs_make_directory(const char *path, pp_error *err);
int pp_fs_exists(const char *path);
int pp_fs_is_directory(const char *path);
/* The same where it matters that what cannot be looked at is not missing: PP_E_IO then. */
pp_status pp_fs_look(const char *path, int *exists, pp_error *err);
/* PP_E_ARG where output is input under whatever name: by device and inode. Either may be NULL or
 * missing. For every command that replaces a file. */
pp_status pp_fs_keep_input(const char *output, const char *input, pp_error *err);
/* The same of up to 16 outputs, all of them names, and any number of inputs. */
pp_status pp_fs_keep_inputs(const char *const *outputs, int n_outputs, const char *const *inputs,
                            int n_inputs, pp_error *err);
/* fsync and rename, again where a signal has interrupted them. */
int pp_fs_sync(int file);
int pp_fs_rename(const char *from, const char *to);

/* Reads a whole file into a NUL-terminated buffer that the caller frees. */
pp_status pp_fs_read(const char *path, char **text, size_t *length, pp_error *err);

/* Opens path with ".tmp-" and the number of process and host appended for writing; pp_fs_commit
 * flushes, syncs, renames and syncs the directory; pp_fs_abandon removes the temporary. Both free
 * the handle, whatever happens. */
typedef struct pp_fs_file pp_fs_file;
pp_status pp_fs_create(const char *path, pp_fs_file **file, pp_error *err);
FILE *pp_fs_stream(pp_fs_file *file);            /* borrowed */
const char *pp_fs_aside(const pp_fs_file *file); /* the name until it is renamed; borrowed */
pp_status pp_fs_commit(pp_fs_file *file, pp_error *err);
void pp_fs_abandon(pp_fs_file *file);
/* From now on SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 (unless ignored) remove the temporaries
 * of this process before they end it as ever. For commands that leave nothing worth keeping. */
void pp_fs_abandon_on_signals(void);

/* The same for text at hand. */
pp_status pp_fs_write(const char *path, const char *text, size_t length, pp_error *err);

/* A directory whose owner may change at any time: whoever takes it over first says so and then
 * removes the temporaries that are there (pp_fs_remove_unfinished). `check` fails once that has
 * been said, and is asked when the temporary is there: so either it fails or the rename does, and
 * what the new owner has made stays. guard: nullable. */
typedef struct pp_fs_guard {
    pp_status (*check)(void *context, pp_error *err);
    void *context;
} pp_fs_guard;
pp_status pp_fs_commit_if(pp_fs_file *file, const pp_fs_guard *guard, pp_error *err);
pp_status pp_fs_write_if(const char *path, const char *text, size_t length,
                         const pp_fs_guard *guard, pp_error *err);
/* Removes a file, unless it is another owner's by now: then it is put back. None is fine. */
pp_status pp_fs_remove_if(const char *path, const pp_fs_guard *guard, pp_error *err);

/* Removes what killed processes left of files in a directory whose names begin with prefix: those
 * with ".tmp-" and a number appended. A process that is still at it then fails to rename. */
void pp_fs_remove_unfinished(const char *directory, const char *prefix);

/* Removes a directory and all below it; a missing one is fine. */
pp_status pp_fs_remove_tree(const char *path, pp_error *err);

#endif
