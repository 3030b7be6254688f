/* unit_tests [NAME...]: runs the tables that are named, or all. Fails when a test does, when a name
 * is unknown, and when nothing was run. */
#include "support/mpi_test.h"
#include "support/run_tables.h"

#define PP_UNIT(name) extern const pp_test pp_tests_##name[];
#include "support/unit_list.h"
#undef PP_UNIT

#define PP_UNIT(name) {#name, pp_tests_##name},
static const test_table tables[] = {
#include "support/unit_list.h"
};
#undef PP_UNIT

pp_comm *pp_test_comm;

pp_comm *pp_test_world(void)
{
    if (pp_test_comm == NULL && pp_comm_start(NULL, NULL, &pp_test_comm, NULL) != PP_OK)
        fprintf(stderr, "MPI does not start\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pp_test_comm);
    return pp_test_comm;
}

int main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS) return 1;
    int ok = add_named(tables, sizeof tables / sizeof *tables, argc - 1, argv + 1);
    if (ok) {
        CU_basic_set_mode(CU_BRM_VERBOSE);
        ok = CU_basic_run_tests() == CUE_SUCCESS && CU_get_number_of_failures() == 0 &&
             CU_get_number_of_asserts() > 0;
        if (CU_get_number_of_tests_run() == 0) {
            fprintf(stderr, "no test was run\n");
            ok = 0;
        }
    }
    CU_cleanup_registry();
    if (pp_test_comm != NULL) pp_comm_stop(pp_test_comm);
    return ok ? 0 : 1;
}
