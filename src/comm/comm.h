/* Communicators. The only door to MPI: mpi.h is included by src/comm and by main, nowhere else.
 *
 * A function that takes a pp_comm is collective over it, except the point-to-point ones (send,
 * receive, poll), which say so. A function that communicates over one that it finds in an argument
 * says "Collective" in its comment. No other function communicates. A test looks for the word. */
#ifndef PITPROP_COMM_H
#define PITPROP_COMM_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp_comm pp_comm;

/* Starts MPI (thread level FUNNELED) and returns the world, duplicated; pp_comm_stop ends MPI. */
pp_status pp_comm_start(int *argc, char ***argv, pp_comm **world, pp_error *err);
void pp_comm_stop(pp_comm *world);
/* Ends all ranks at once with this exit code: after a failed check or a fault nobody can agree on.
 */
void pp_comm_abort(int exit_code);
const char *pp_comm_library(void); /* version of the MPI library, one line */

int pp_comm_rank(const pp_comm *comm);
int pp_comm_size(const pp_comm *comm);
int pp_comm_node_rank(const pp_comm *comm); /* rank among those that share this host's memory */
int pp_comm_node_size(const pp_comm *comm);
/* Those of the whole program on this host, whatever communicator they work in: they share what the
 * host has. */
int pp_comm_host_processes(void);

/* Children: ranks of equal colour, in rank order; destroyed before their parent. */
pp_status pp_comm_split(pp_comm *comm, int colour, pp_comm **child, pp_error *err);
void pp_comm_destroy(pp_comm *comm);

/* All ranks bring a status; all leave with the one of the lowest rank that failed, and its text.
 * Call it at the end of a phase whose failure on one rank must be everyone's. */
pp_status pp_comm_agree(pp_comm *comm, pp_status status, pp_error *err);

void pp_comm_broadcast(pp_comm *comm, int root, void *bytes, size_t size);
void pp_comm_sum_i64(pp_comm *comm, int64_t *values, int64_t count); /* in place, on all */
void pp_comm_max_i64(pp_comm *comm, int64_t *values, int64_t count);
void pp_comm_min_i64(pp_comm *comm, int64_t *values, int64_t count);
/* Each rank's `size` bytes to root, in rank order: gathered [size of comm, size], root only. */
void pp_comm_gather(pp_comm *comm, int root, const void *bytes, size_t size, void *gathered);
/* As gather, to everyone. */
void pp_comm_all_gather(pp_comm *comm, const void *bytes, size_t size, void *gathered);
/* Brings ranges of a float array together on root: rank r owns [first[r], first[r + 1]) of values.
 */
void pp_comm_gather_ranges(pp_comm *comm, int root, const int64_t *first, float *values);

/* A plain value of fixed size with a merge function: merged in rank order on root. */
typedef void (*pp_merge_fn)(void *into, const void *from, size_t size);
void pp_comm_merge(pp_comm *comm, int root, void *value, size_t size, pp_merge_fn merge);

/* Bits of all ranks or-ed: started, polled, and known when it has finished. One at a time per comm.
 */
void pp_comm_start_or(pp_comm *comm, int bits);
int pp_comm_finish_or(pp_comm *comm);

/* ---- point to point, for the exchange of gradients: not collective ---- */
typedef struct pp_requests pp_requests; /* a fixed set of slots, each free or in flight */
pp_status pp_requests_create(int slots, pp_requests **requests, pp_error *err);
void pp_requests_destroy(pp_requests *requests);
void pp_comm_send(pp_comm *comm, pp_requests *requests, int slot, const float *values,
                  int64_t count, int to, int tag);
void pp_comm_receive(pp_comm *comm, pp_requests *requests, int slot, float *values, int64_t count,
                     int from, int tag);
/* 1 when slots [first, first + count) have all finished (and are free again); moves traffic along.
 */
int pp_requests_test(pp_requests *requests, int first, int count);

/* ---- memory that all ranks of a communicator see ---- */
typedef struct pp_shared pp_shared;
/* `bytes` (each rank its own number) of zeros for each rank. NULL on all ranks alike where it
 * cannot be had: one rank, several hosts, no room in /dev/shm, or PITPROP_SHARED_MEMORY=0 in the
 * environment. */
pp_shared *pp_comm_share(pp_comm *comm, size_t bytes);
void *pp_shared_of(const pp_shared *shared, int rank); /* what that rank brought; page-aligned */
/* Before another rank is told of what was written, and after having been told. Not collective. */
void pp_shared_sync(pp_shared *shared);
void pp_shared_destroy(pp_shared *shared); /* collective over the communicator; NULL is fine */

double pp_comm_seconds(void); /* wall clock of arbitrary origin */

#endif
