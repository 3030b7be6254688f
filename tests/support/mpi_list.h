/* The tests that run on several ranks: PP_UNIT(NAME) stands for the table pp_tests_NAME of
 * tests/mpi/test_NAME.c. */
PP_UNIT(dataset)
PP_UNIT(comm)
PP_UNIT(exchange)
PP_UNIT(farm)
