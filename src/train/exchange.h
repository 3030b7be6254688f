/* The exchange: gradients of all lanes become one step of all parameters, with the same bits on any
 * number of ranks.
 *
 * Parameters are cut into buckets, each bucket into one slice per rank. As soon as backward has
 * finished a bucket, every rank sends its partial sums of each slice to the slice's owner; the
 * owner adds them as the tree over lanes says, divides once by the rows of the global batch, takes
 * the optimiser's step on its slice, and sends the new parameters to everyone. The optimiser's
 * state exists only at the owner.
 *
 * Where all ranks are on one host (pp_exchange_share), nothing is copied: gradients and one vector
 * of parameters lie in memory that all see, owners fold the others' gradients where they lie and
 * step the parameters in place, and messages without content say that something is ready. The
 * order of additions is the same, hence the bits. */
#ifndef PITPROP_EXCHANGE_H
#define PITPROP_EXCHANGE_H

#include <stdint.h>

#include "comm/comm.h"
#include "compute/compute.h"
#include "data/share/lanes.h"
#include "model/model.h"
#include "pitprop/sum.h"

typedef struct pp_exchange pp_exchange;

typedef struct pp_exchange_spec {
    pp_comm *comm;
    const pp_model *model;
    const pp_backend *backend;
    pp_device *device;
    int lanes;            /* of the job */
    int states;           /* arrays of optimiser state, 0 to 2 */
    int64_t bucket_bytes; /* wanted size of a bucket */
    float *params;        /* device [model size] of this rank, borrowed; equal on all ranks */
} pp_exchange_spec;

/* Not collective (but all ranks must create alike). */
pp_status pp_exchange_create(const pp_exchange_spec *spec, pp_exchange **exchange, pp_error *err);
/* Collective: shares memory between the ranks of one host, where that can be had and the device's
 * memory is the host's. Returns the parameters to use from now on, with the values of spec.params:
 * they live as long as the exchange. NULL: nothing has changed. */
float *pp_exchange_share(pp_exchange *exchange);
void pp_exchange_destroy(pp_exchange *exchange); /* collective where memory is shared */
int64_t pp_exchange_bytes(const pp_exchange *exchange);

/* Where backward puts the gradients: one vector [model size] per subtree of this rank, on the
 * device. MPI gets them, and parameters, in memory of the host. */
float *const *pp_exchange_gradients(const pp_exchange *exchange);

typedef struct pp_exchange_step {
    pp_update update;
    double rows;      /* of the global batch */
    double clip_norm; /* 0: off */
    int want_norm;    /* sum up the squared norm of the gradient even if nothing is clipped */
} pp_exchange_step;

/* Collective as a whole: begin; ready (a pp_ready_fn with the exchange as context) as gradients
 * grow, ending with offset 0; finish, after which params are new. */
void pp_exchange_begin(pp_exchange *exchange, const pp_exchange_step *step);
void pp_exchange_ready(void *exchange, int64_t offset);
void pp_exchange_finish(pp_exchange *exchange);
/* After finish, where a norm was wanted: collective; the global gradient norm, and
 * that of the weight matrices alone where `weights` is given. */
double pp_exchange_norm(pp_exchange *exchange, double *weights);
/* Seconds spent waiting in finish since the last call. */
double pp_exchange_waited(pp_exchange *exchange);

/* Collective: state array `which` as one vector [model size] on root (NULL elsewhere). */
void pp_exchange_gather_state(pp_exchange *exchange, int which, int root, float *full);
/* Not collective: this rank's slices from a full vector [model size]. */
void pp_exchange_set_state(pp_exchange *exchange, int which, const float *full);

#endif
