#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#include "base/environment.h"

/* Where a rank runs. */
typedef struct place {
    char host[64];
    cpu_set_t cores; /* that it may use */
    int allocated;   /* cores that Slurm has given the job on this host; 0: unknown */
} place;

static place place_of_this_rank(void)
{
    place p;
    memset(&p, 0, sizeof p);
    gethostname(p.host, sizeof p.host - 1);
    if (sched_getaffinity(0, sizeof p.cores, &p.cores) != 0) CPU_ZERO(&p.cores);
    p.allocated = pp_environment_int("SLURM_CPUS_ON_NODE");
    return p;
}

/* The ranks on the host of the first, and the cores that they share; marks them as counted. */
static int count_host(place *places, int size, int first, int *cores)
{
    place all = places[first];
    int ranks = 0;
    for (int r = first; r < size; r++) {
        if (strcmp(places[r].host, all.host) != 0) continue;
        CPU_OR(&all.cores, &all.cores, &places[r].cores);
        places[r].host[0] = '\0';
        ranks++;
    }
    *cores = CPU_COUNT(&all.cores);
    if (all.allocated > 0 && (*cores == 0 || all.allocated < *cores)) *cores = all.allocated;
    return ranks;
}

void cli_warn_of_shared_cores(cli *c)
{
    int size = pp_comm_size(c->world);
    place mine = place_of_this_rank();
    place *places = pp_comm_rank(c->world) == 0 ? calloc((size_t)size, sizeof mine) : NULL;
    int possible =
        getenv("SLURM_JOB_ID") != NULL && (pp_comm_rank(c->world) != 0 || places != NULL);
    int64_t all = possible; /* outside Slurm, whoever starts more ranks than cores has said so */
    pp_comm_min_i64(c->world, &all, 1);
    if (all) pp_comm_gather(c->world, 0, &mine, sizeof mine, places);
    for (int r = 0; all && places != NULL && r < size; r++) {
        char host[sizeof mine.host];
        int cores;
        if (places[r].host[0] == '\0') continue;
        memcpy(host, places[r].host, sizeof host);
        int ranks = count_host(places, size, r, &cores);
        if (ranks <= cores || cores == 0) continue;
        pp_log_write(&c->log, PP_LOG_WARN,
                     "%s: %d ranks share %d core%s of this allocation, and a step is as slow as "
                     "the slowest; ask for a core each (--ntasks-per-node=%d --cpus-per-task=1), "
                     "or start %d a node",
                     host, ranks, cores, cores == 1 ? "" : "s", ranks, cores);
        break; /* the others are most likely alike */
    }
    free(places);
}
