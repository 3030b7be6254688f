/* The exchange from inside: what is planned once (exchange_plan.c) and what a step does with it
 * (exchange.c). */
#ifndef PITPROP_EXCHANGE_INTERNAL_H
#define PITPROP_EXCHANGE_INTERNAL_H

#include "base/arena.h"
#include "train/exchange.h"

/* A node of the tree over lanes, and who brings it. */
typedef struct pp__part {
    pp_tree_node node;
    int rank;
    int mine;  /* index among this rank's nodes, -1: another's */
    int index; /* among the nodes of its rank */
} pp__part;

typedef enum pp__stage { IDLE, REDUCING, REDUCED, GATHERING, DONE } pp__stage;

typedef struct pp__bucket {
    int64_t first;     /* float offset in the parameter vector */
    int64_t *slice;    /* [ranks + 1] float offsets: rank r owns [slice[r], slice[r + 1]) */
    int64_t *relative; /* [ranks + 1] the same from the bucket's beginning */
    int64_t state_at;  /* where its slice begins in the compact state arrays */
    float **incoming;  /* [parts] this rank's slice of each part; mine: inside gradient */
    int slot;          /* first request */
    pp__stage stage;
} pp__bucket;

struct pp_exchange {
    pp_exchange_spec spec;
    pp_arena *arena; /* host tables */
    int rank, ranks;
    pp__part *parts; /* [n_parts] in lane order */
    int n_parts, n_mine;
    pp_tree_add *adds;   /* [n_parts - 1] */
    pp__bucket *buckets; /* [n_buckets] ascending */
    int n_buckets;
    int *block_param; /* [blocks] first parameter that reaches into the block */
    float *gradient[PP_MAX_NODES];
    float *arrivals;   /* all incoming slices of others; NULL where they are read in place */
    pp_shared *shared; /* gradients, and behind rank 0's the parameters; NULL: messages */
    /* What MPI may touch of gradient, arrivals and params: these themselves, or copies where the
     * device's memory is not the host's. */
    float *host_gradient[PP_MAX_NODES], *host_arrivals, *host_params;
    float *state[2];
    int64_t owned; /* floats */
    int64_t bytes;
    pp_requests *requests;

    pp_exchange_step step;
    int next;          /* bucket to start next, descending; -1: all started */
    int oldest;        /* highest bucket that is not DONE */
    pp_sum squares[2]; /* of this rank's slices of the gradient, all of it and that of matrices;
                          clipping: of all ranks' */
    float clip_factor;
    double waited;
};

/* Requests of a bucket, in this order: parts in, parts out, parameters in, parameters out. */
static inline int pp__parts_in(const pp_exchange *e)
{
    return e->n_parts - e->n_mine;
}

static inline int pp__parts_out(const pp_exchange *e)
{
    return e->n_mine * (e->ranks - 1);
}

static inline int pp__bucket_slots(const pp_exchange *e)
{
    return pp__parts_in(e) + pp__parts_out(e) + 2 * (e->ranks - 1);
}

#endif
