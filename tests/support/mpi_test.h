/* Tests that communicate. Every rank runs every test, so assertions may fail on some ranks only; a
 * test must reach its collective calls whatever has failed before. */
#ifndef PITPROP_TESTS_MPI_TEST_H
#define PITPROP_TESTS_MPI_TEST_H

#include "comm/comm.h"
#include "support/test.h"

/* All ranks; under the runner of unit tests a world of one, started by the first test that calls
 * test_world. */
extern pp_comm *pp_test_comm;
pp_comm *pp_test_world(void);

/* Nobody leaves before all have come. */
static inline void pp_test_barrier(void)
{
    pp_comm_agree(pp_test_comm, PP_OK, NULL);
}

#endif
