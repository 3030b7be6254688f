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
/* From now on SIGINT, SIGTERM and SIGHUP (unless ignored) remove the temporaries of this process
 * before they end it as ever. For commands that leave nothing worth keeping. */
void pp_fs_abandon_on_signals(void);

/* The same for text at hand. */
pp_status pp_fs_write(const char *path, const char *text, size_t length, pp_error *err);

/* Removes what killed processes left of files in a directory whose names begin with prefix: those
 * with ".tmp-" and a number appended. A process that is still at it then fails to rename. */
void pp_fs_remove_unfinished(const char *directory, const char *prefix);

/* Removes a directory and all below it; a missing one is fine. */
pp_status pp_fs_remove_tree(const char *path, pp_error *err);

#endif
