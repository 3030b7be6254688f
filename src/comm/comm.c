#include "comm_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

struct pp_requests {
    int slots;
    MPI_Request request[];
};

static int host_processes = 1; /* of the world */

enum { CHUNK = 1 << 28 }; /* largest count handed to MPI at once */

static pp_status adopt(MPI_Comm mpi, pp_comm **comm, pp_error *err)
{
    pp_comm *c = calloc(1, sizeof *c);
    if (c == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for a communicator");
    c->mpi = mpi;
    c->or_request = MPI_REQUEST_NULL;
    MPI_Comm_rank(mpi, &c->rank);
    MPI_Comm_size(mpi, &c->size);
    MPI_Comm node;
    MPI_Comm_split_type(mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &c->node_rank);
    MPI_Comm_size(node, &c->node_size);
    MPI_Comm_free(&node);
    *comm = c;
    return PP_OK;
}

/* Slices of small models then pass through shared memory without a handshake and a system call: a
 * tenth of a step of the smallest nets. What the user or the site has set in the environment stays.
 */
static void tune(void)
{
    setenv("OMPI_MCA_btl_vader_eager_limit", "32768", 0); /* Open MPI 4 */
    setenv("OMPI_MCA_btl_sm_eager_limit", "32768", 0);    /* Open MPI 5 */
}

pp_status pp_comm_start(int *argc, char ***argv, pp_comm **world, pp_error *err)
{
    int level;
    tune();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return pp_fail(err, PP_E_COMM, "MPI does not start");
    MPI_Comm copy;
    MPI_Comm_dup(MPI_COMM_WORLD, &copy);
    pp_status status = adopt(copy, world, err);
    if (status == PP_OK) host_processes = (*world)->node_size;
    return status;
}

void pp_comm_stop(pp_comm *world)
{
    pp_comm_destroy(world);
    MPI_Finalize();
}

void pp_comm_abort(int exit_code)
{
    MPI_Abort(MPI_COMM_WORLD, exit_code);
}

const char *pp_comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    return text;
}

int pp_comm_rank(const pp_comm *comm)
{
    return comm->rank;
}

int pp_comm_size(const pp_comm *comm)
{
    return comm->size;
}

int pp_comm_node_rank(const pp_comm *comm)
{
    return comm->node_rank;
}

int pp_comm_node_size(const pp_comm *comm)
{
    return comm->node_size;
}

int pp_comm_host_processes(void)
{
    return host_processes;
}

pp_status pp_comm_split(pp_comm *comm, int colour, pp_comm **child, pp_error *err)
{
    MPI_Comm mpi;
    MPI_Comm_split(comm->mpi, colour, comm->rank, &mpi);
    return adopt(mpi, child, err);
}

void pp_comm_destroy(pp_comm *comm)
{
    if (comm == NULL) return;
    MPI_Comm_free(&comm->mpi);
    free(comm);
}

pp_status pp_comm_agree(pp_comm *comm, pp_status status, pp_error *err)
{
    /* Hanging here means that some ranks have ended a phase that others are still in. */
    int mine = status == PP_OK ? INT_MAX : comm->rank, culprit;
    MPI_Allreduce(&mine, &culprit, 1, MPI_INT, MPI_MIN, comm->mpi);
    if (culprit == INT_MAX) return PP_OK;
    pp_error shared = {.code = PP_OK}; /* err of a rank that did not fail may hold anything */
    if (status != PP_OK)
        pp_fail(&shared, status, "%s", err != NULL ? err->text : pp_status_text(status));
    MPI_Bcast(&shared, (int)sizeof shared, MPI_BYTE, culprit, comm->mpi);
    shared.rank = culprit;
    if (err != NULL) *err = shared;
    return shared.code;
}

void pp_comm_broadcast(pp_comm *comm, int root, void *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += CHUNK) {
        size_t part = size - at < CHUNK ? size - at : CHUNK;
        MPI_Bcast((char *)bytes + at, (int)part, MPI_BYTE, root, comm->mpi);
    }
}

static void reduce(pp_comm *comm, int64_t *values, int64_t count, MPI_Op op)
{
    for (int64_t at = 0; at < count; at += CHUNK) {
        int part = (int)(count - at < CHUNK ? count - at : CHUNK);
        MPI_Allreduce(MPI_IN_PLACE, values + at, part, MPI_INT64_T, op, comm->mpi);
    }
}

void pp_comm_sum_i64(pp_comm *comm, int64_t *values, int64_t count)
{
    reduce(comm, values, count, MPI_SUM);
}

void pp_comm_max_i64(pp_comm *comm, int64_t *values, int64_t count)
{
    reduce(comm, values, count, MPI_MAX);
}

void pp_comm_min_i64(pp_comm *comm, int64_t *values, int64_t count)
{
    reduce(comm, values, count, MPI_MIN);
}

void pp_comm_gather(pp_comm *comm, int root, const void *bytes, size_t size, void *gathered)
{
    PP_CHECK(size <= INT_MAX);
    MPI_Gather(bytes, (int)size, MPI_BYTE, gathered, (int)size, MPI_BYTE, root, comm->mpi);
}

void pp_comm_all_gather(pp_comm *comm, const void *bytes, size_t size, void *gathered)
{
    PP_CHECK(size <= INT_MAX);
    MPI_Allgather(bytes, (int)size, MPI_BYTE, gathered, (int)size, MPI_BYTE, comm->mpi);
}

enum { TAG_RANGES = 32767 }; /* above every tag of the exchange, which counts buckets modulo this */

void pp_comm_gather_ranges(pp_comm *comm, int root, const int64_t *first, float *values)
{
    for (int r = 0; r < comm->size; r++) {
        if (r == root || (comm->rank != root && comm->rank != r)) continue;
        for (int64_t at = first[r]; at < first[r + 1]; at += CHUNK) {
            int part = (int)(first[r + 1] - at < CHUNK ? first[r + 1] - at : CHUNK);
            if (comm->rank == root)
                MPI_Recv(values + at, part, MPI_FLOAT, r, TAG_RANGES, comm->mpi, MPI_STATUS_IGNORE);
            else
                MPI_Send(values + at, part, MPI_FLOAT, root, TAG_RANGES, comm->mpi);
        }
    }
}

void pp_comm_merge(pp_comm *comm, int root, void *value, size_t size, pp_merge_fn merge)
{
    PP_CHECK(size <= INT_MAX);
    if (comm->rank != root) {
        MPI_Send(value, (int)size, MPI_BYTE, root, TAG_RANGES, comm->mpi);
        return;
    }
    void *incoming = comm->size > 1 ? aligned_alloc(64, (size + 63) / 64 * 64) : NULL;
    if (comm->size > 1 && incoming == NULL) { /* the others are sending: nobody can be told */
        fprintf(stderr, "pitprop: error: out of memory: no %zu bytes to merge what ranks have\n",
                size);
        pp_comm_abort(pp_status_exit_code(PP_E_MEMORY));
    }
    for (int r = 0; r < comm->size; r++) {
        if (r == root) continue;
        MPI_Recv(incoming, (int)size, MPI_BYTE, r, TAG_RANGES, comm->mpi, MPI_STATUS_IGNORE);
        merge(value, incoming, size);
    }
    free(incoming);
}

void pp_comm_start_or(pp_comm *comm, int bits)
{
    PP_CHECK(comm->or_request == MPI_REQUEST_NULL);
    comm->or_send = bits;
    comm->or_receive = bits;
    if (comm->size == 1) return;
    MPI_Iallreduce(&comm->or_send, &comm->or_receive, 1, MPI_INT, MPI_BOR, comm->mpi,
                   &comm->or_request);
}

int pp_comm_finish_or(pp_comm *comm)
{
    MPI_Wait(&comm->or_request, MPI_STATUS_IGNORE);
    return comm->or_receive;
}

pp_status pp_requests_create(int slots, pp_requests **requests, pp_error *err)
{
    pp_requests *r = malloc(sizeof *r + (size_t)slots * sizeof r->request[0]);
    if (r == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for %d requests", slots);
    r->slots = slots;
    for (int i = 0; i < slots; i++)
        r->request[i] = MPI_REQUEST_NULL;
    *requests = r;
    return PP_OK;
}

void pp_requests_destroy(pp_requests *requests)
{
    free(requests);
}

void pp_comm_send(pp_comm *comm, pp_requests *requests, int slot, const float *values,
                  int64_t count, int to, int tag)
{
    PP_CHECK(slot < requests->slots && requests->request[slot] == MPI_REQUEST_NULL);
    PP_CHECK(count <= CHUNK && tag < TAG_RANGES);
    MPI_Isend(values, (int)count, MPI_FLOAT, to, tag, comm->mpi, &requests->request[slot]);
}

void pp_comm_receive(pp_comm *comm, pp_requests *requests, int slot, float *values, int64_t count,
                     int from, int tag)
{
    PP_CHECK(slot < requests->slots && requests->request[slot] == MPI_REQUEST_NULL);
    PP_CHECK(count <= CHUNK && tag < TAG_RANGES);
    MPI_Irecv(values, (int)count, MPI_FLOAT, from, tag, comm->mpi, &requests->request[slot]);
}

int pp_requests_test(pp_requests *requests, int first, int count)
{
    int finished;
    MPI_Testall(count, requests->request + first, &finished, MPI_STATUSES_IGNORE);
    return finished;
}

double pp_comm_seconds(void)
{
    return MPI_Wtime();
}
