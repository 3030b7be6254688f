/* A farm places trials on groups of ranks.
 *
 * A study is a directory: trials/ID/ is the run directory of a trial, claims/ID.N says who took it
 * for the N-th time. Groups of ranks take the first trial in the list that is neither finished nor
 * taken, so no group idles while trials wait; groups of one launch and of any number of other
 * launches that work on the same study (tasks of a Slurm array) are alike. They share files alone
 * and rely on three things that NFS gives as well: exclusive creation, rename, and times that one
 * server sets.
 *
 * A claim is kept alive by its time of modification. One whose owner is dead is passed over at once
 * where that can be known (a process of this host, an earlier start of this Slurm task), and after
 * PP_FARM_LEASE seconds without a sign of life otherwise. A worker that was taken for dead and is
 * not finds its run directory claimed by a later generation and leaves it alone. */
#ifndef PITPROP_FARM_H
#define PITPROP_FARM_H

#include <signal.h>

#include "comm/comm.h"
#include "compute/compute.h"
#include "job/job.h"
#include "pitprop/json.h"
#include "base/log.h"

enum {
    PP_FARM_LEASE = 180, /* seconds */
    PP_FARM_ATTEMPTS = 2 /* of a trial whose failure may be the machine's: then it has failed */
};

typedef struct pp_farm_trial {
    const char *id; /* letters, digits, '.', '_' and '-'; unique in its study */
    pp_patch patch; /* of the study's job; borrowed */
    /* On one rank, in any unit; 0: not known. serial: the part that more ranks do not share. */
    double work, serial;
    int64_t lanes; /* the most ranks that it can use; 0: not known */
} pp_farm_trial;

typedef enum pp_trial_state { PP_TRIAL_OPEN, PP_TRIAL_DONE, PP_TRIAL_FAILED } pp_trial_state;

typedef struct pp_outcome {
    pp_trial_state state;
    pp_json *verdict; /* verdict.json of a trial that is done; pp_outcome_free */
    char *error;      /* of one that failed: one line; likewise */
    double seconds;   /* that the last group spent on it; NaN: unknown */
    int ranks;        /* of that group */
} pp_outcome;

typedef struct pp_farm_spec {
    const char *job,
        *origin;           /* text of the job that the patches change, and its name in messages */
    const char *directory; /* of the study; made if it is not there */
    int ranks_per_trial;   /* 0: by the work of the trials, else as few as leave none idle */
    pp_comm *comm;
    pp_log *log;
    const volatile sig_atomic_t *stop; /* not 0: trials are saved, and the farm returns; nullable */
    int leaves; /* returns when no trial is free, whoever runs the last ones */
    /* Rank 0 of comm, nullable: once for each trial that has ended, soon after. */
    void (*ended)(void *context, const pp_farm_trial *trial, const pp_outcome *outcome);
    void *context;
} pp_farm_spec;

/* Collective: runs what is open; returns when all have ended, whoever ran them (or see leaves). A
 * trial that fails is an outcome, not a failure of the farm. *stopped: on request, with everything
 * saved. */
pp_status pp_farm_run(const pp_farm_spec *spec, const pp_farm_trial *trials, int count,
                      int *stopped, pp_error *err);

/* Where a trial is; for any process at any time. */
pp_status pp_farm_read(const char *directory, const char *id, pp_outcome *outcome, pp_error *err);
void pp_outcome_free(pp_outcome *outcome);
/* Before more workers come: claims of Slurm jobs that have ended are over at once, not only when
 * their lease is. cluster: the one where jobs of this user are judged. running: gives the jobs that
 * have not ended, malloc'ed, as `squeue -r -o %F_%K` prints them; asked once, if at all, after the
 * claims are read. */
pp_status pp_farm_bury(const char *directory, const char *cluster,
                       pp_status (*running)(char **jobs, pp_error *err), pp_error *err);
/* Its failure is forgotten, so that the next farm runs it again. */
pp_status pp_farm_reopen(const char *directory, const char *id, pp_error *err);

#endif
