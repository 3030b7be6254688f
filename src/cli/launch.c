/* Who has started this process, before MPI is asked: under srun without PMIx, Open MPI ends it with
 * a page of advice that is wrong here, or takes each task for a run of its own. */
#include <stdlib.h>

#include "cli.h"

#include "base/environment.h"

static int has_launcher(void)
{
    static const char *const ranks[] = {"PMIX_RANK", "PMI_RANK", "PMI_FD"};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        if (getenv(ranks[i]) != NULL) return 1;
    return 0;
}

pp_status cli_check_launch(const cli *c, pp_error *err)
{
    int rank = pp_environment_int("SLURM_PROCID");
    int tasks = pp_environment_int("SLURM_STEP_NUM_TASKS");
    if (has_launcher()) return PP_OK;
    if (rank > 0 || tasks > 1)
        return pp_fail(err, PP_E_ARG,
                       "srun has started %d tasks that know nothing of each other, and each would "
                       "be a run of its own: type srun --mpi=pmix pitprop %s ..., or mpirun "
                       "pitprop %s ... without srun",
                       tasks > rank ? tasks : rank + 1, c->command->name, c->command->name);
    /* A step of one task, such as the shell of srun --pty: MPI is to start as it does anywhere. */
    unsetenv("SLURM_STEP_ID");
    return PP_OK;
}

void cli_tell_of_allocation(cli *c)
{
    int ranks = pp_comm_size(c->world), tasks = pp_environment_int("SLURM_NTASKS");
    if (getenv("SLURM_JOB_ID") == NULL || ranks >= tasks) return;
    pp_log_write(&c->log, c->launched ? PP_LOG_INFO : PP_LOG_WARN,
                 "%d process%s in a Slurm allocation of %d tasks; mpirun or srun --mpi=pmix starts "
                 "as many",
                 ranks, ranks == 1 ? "" : "es", tasks);
}
