/* Memory that all ranks of a host see: a window of MPI-3. Whoever is told by a message that
 * something has been written reads it where it lies. Room is looked for and taken at once: a page
 * that /dev/shm has no room for when it is first touched would end the process. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "comm_internal.h"

struct pp_shared {
    MPI_Win window;
    void *part[]; /* [ranks] */
};

static const char directory[] = "/dev/shm"; /* where Open MPI keeps it */
enum { PAGE = 4096, SEGMENT = 8 << 20 };

static int is_wanted(void)
{
    const char *word = getenv("PITPROP_SHARED_MEMORY");
    return word == NULL || strcmp(word, "0") != 0;
}

/* Twice as much, as other trials may ask at the same time, and what MPI's own segments there, which
 * are filled as messages pass, can still come to. */
static int has_room(int64_t bytes, int ranks)
{
    struct statvfs about;
    if (statvfs(directory, &about) != 0) return 0;
    double wanted = 2.0 * (double)bytes + (double)ranks * SEGMENT;
    return (double)about.f_bavail * (double)about.f_frsize > wanted;
}

static int all_can(pp_comm *comm, size_t bytes)
{
    int64_t total = (int64_t)bytes, can;
    pp_comm_sum_i64(comm, &total, 1);
    can = comm->size > 1 && comm->node_size == comm->size && is_wanted() &&
          has_room(total, comm->size);
    pp_comm_min_i64(comm, &can, 1);
    return (int)can;
}

static int open_window(pp_comm *comm, size_t bytes, MPI_Win *window, void **mine)
{
    MPI_Info info;
    MPI_Info_create(&info);
    MPI_Info_set(info, "alloc_shared_noncontig", "true"); /* each part near its rank */
    MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_RETURN);
    int code = MPI_Win_allocate_shared((MPI_Aint)bytes, 1, info, comm->mpi, mine, window);
    MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_ARE_FATAL);
    MPI_Info_free(&info);
    int64_t opened = code == MPI_SUCCESS;
    pp_comm_min_i64(comm, &opened, 1);
    return (int)opened;
}

pp_shared *pp_comm_share(pp_comm *comm, size_t bytes)
{
    size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
    pp_shared *shared = malloc(sizeof *shared + (size_t)comm->size * sizeof *shared->part);
    void *mine = NULL;
    int64_t complete = shared != NULL;
    pp_comm_min_i64(comm, &complete, 1);
    if (!complete || !all_can(comm, whole) || !open_window(comm, whole, &shared->window, &mine)) {
        free(shared);
        return NULL;
    }
    for (int r = 0; r < comm->size; r++) {
        MPI_Aint size;
        int unit;
        MPI_Win_shared_query(shared->window, r, &size, &unit, &shared->part[r]);
    }
    memset(mine, 0, whole);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, shared->window);
    pp_shared_sync(shared);
    MPI_Barrier(comm->mpi);
    return shared;
}

void *pp_shared_of(const pp_shared *shared, int rank)
{
    return shared->part[rank];
}

void pp_shared_sync(pp_shared *shared)
{
    MPI_Win_sync(shared->window);
}

void pp_shared_destroy(pp_shared *shared)
{
    if (shared == NULL) return;
    MPI_Win_unlock_all(shared->window);
    MPI_Win_free(&shared->window);
    free(shared);
}
