/* A communicator from inside of src/comm. */
#ifndef PITPROP_COMM_INTERNAL_H
#define PITPROP_COMM_INTERNAL_H

#include <mpi.h>

#include "comm/comm.h"

struct pp_comm {
    MPI_Comm mpi;
    int rank, size, node_rank, node_size;
    int or_send, or_receive; /* of the pending or-reduction */
    MPI_Request or_request;
};

#endif
