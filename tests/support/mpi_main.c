/* mpi_tests [NAME...], under mpirun: every rank runs all tests. Failures of any rank are printed by
 * rank 0 with the rank they come from, and fail the program on all ranks. */
#include "support/mpi_test.h"
#include "support/run_tables.h"

#include <stdlib.h>

#define PP_UNIT(name) extern const pp_test pp_tests_##name[];
#include "support/mpi_list.h"
#undef PP_UNIT

#define PP_UNIT(name) {#name, pp_tests_##name},
static const test_table tables[] = {
#include "support/mpi_list.h"
};
#undef PP_UNIT

enum { TEXT = 8192, MOST_SHOWN = 20 };

pp_comm *pp_test_comm;

pp_comm *pp_test_world(void)
{
    return pp_test_comm;
}

/* This rank's failures, a line each. */
static void describe(char text[TEXT])
{
    size_t used = 0;
    int shown = 0;
    text[0] = '\0';
    for (CU_pFailureRecord f = CU_get_failure_list(); f != NULL && shown < MOST_SHOWN;
         f = f->pNext) {
        int n = snprintf(text + used, TEXT - used, "  rank %d: %s / %s: %s:%u: %s\n",
                         pp_comm_rank(pp_test_comm), f->pSuite != NULL ? f->pSuite->pName : "?",
                         f->pTest != NULL ? f->pTest->pName : "?", f->strFileName, f->uiLineNumber,
                         f->strCondition);
        if (n < 0 || (size_t)n >= TEXT - used) return;
        used += (size_t)n;
        shown++;
    }
}

/* Collective. Failures and tests run over all ranks. */
static void tell(const int64_t total[2])
{
    int ranks = pp_comm_size(pp_test_comm), is_root = pp_comm_rank(pp_test_comm) == 0;
    char mine[TEXT];
    char *all = is_root ? malloc((size_t)ranks * TEXT) : NULL;
    describe(mine);
    pp_comm_gather(pp_test_comm, 0, mine, sizeof mine, all);
    for (int r = 0; is_root && all != NULL && r < ranks; r++)
        fputs(all + (size_t)r * TEXT, stdout);
    if (is_root)
        printf("%d rank%s: %lld tests run, %lld failures\n", ranks, ranks == 1 ? "" : "s",
               (long long)total[1], (long long)total[0]);
    free(all);
}

static int run(int n_names, char **names)
{
    int64_t total[2] = {1, 0};
    if (CU_initialize_registry() == CUE_SUCCESS &&
        add_named(tables, sizeof tables / sizeof *tables, n_names, names)) {
        CU_run_all_tests();
        total[0] = CU_get_number_of_failures();
        total[1] = CU_get_number_of_tests_run();
    }
    pp_comm_sum_i64(pp_test_comm, total, 2);
    tell(total);
    CU_cleanup_registry();
    return total[0] == 0 && total[1] > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    pp_error err;
    if (pp_comm_start(&argc, &argv, &pp_test_comm, &err) != PP_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int code = run(argc - 1, argv + 1);
    pp_comm_stop(pp_test_comm);
    return code;
}
