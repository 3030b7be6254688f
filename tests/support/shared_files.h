/* Files that all ranks of a test see. */
#ifndef PITPROP_TESTS_SHARED_FILES_H
#define PITPROP_TESTS_SHARED_FILES_H

#include "support/data_case.h"
#include "support/mpi_test.h"

/* Rank 0 makes the directory, everyone knows its path. */
static inline void share_scratch(scratch *s)
{
    if (pp_comm_rank(pp_test_comm) == 0)
        scratch_make(s);
    else
        s->paths = pp_arena_create();
    pp_comm_broadcast(pp_test_comm, 0, s->directory, sizeof s->directory);
}

static inline void unshare_scratch(scratch *s)
{
    pp_test_barrier();
    if (pp_comm_rank(pp_test_comm) == 0)
        scratch_remove(s);
    else
        pp_arena_destroy(s->paths);
}

static inline const char *share_file(scratch *s, const char *name, const data_file *file)
{
    const char *path = scratch_path(s, name);
    if (pp_comm_rank(pp_test_comm) == 0) data_write(path, file);
    pp_test_barrier();
    return path;
}

#endif
