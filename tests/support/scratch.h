/* A directory for the files of one test, below $TMPDIR or /tmp. */
#ifndef PITPROP_TESTS_SCRATCH_H
#define PITPROP_TESTS_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/fs.h"
#include "support/test.h"

typedef struct scratch {
    char directory[256];
    pp_arena *paths;
} scratch;

static inline void scratch_make(scratch *s)
{
    const char *root = getenv("TMPDIR");
    s->paths = pp_arena_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->paths);
    snprintf(s->directory, sizeof s->directory, "%s/pitprop-test-XXXXXX",
             root == NULL || *root == '\0' ? "/tmp" : root);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(s->directory));
}

/* Valid until scratch_remove. */
static inline const char *scratch_path(scratch *s, const char *name)
{
    return pp_arena_printf(s->paths, "%s/%s", s->directory, name);
}

/* Writes length bytes to a file and returns its path. */
static inline const char *scratch_write(scratch *s, const char *name, const void *bytes,
                                        size_t length)
{
    const char *path = scratch_path(s, name);
    CU_ASSERT_EQUAL_FATAL(pp_fs_write(path, bytes, length, NULL), PP_OK);
    return path;
}

/* Files in the directory. */
static inline int scratch_count(const scratch *s)
{
    int count = 0;
    DIR *directory = opendir(s->directory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static inline void scratch_remove(scratch *s)
{
    CU_ASSERT_EQUAL(pp_fs_remove_tree(s->directory, NULL), PP_OK);
    pp_arena_destroy(s->paths);
}

#endif
