/* The files of a run directory, each name once. A study has a directory of such directories. */
#ifndef PITPROP_RUN_FILES_H
#define PITPROP_RUN_FILES_H

#include <limits.h>

#include "pitprop/error.h"

#define PP_RUN_JOB "job.json"          /* the job as it was resolved; made first, removed last */
#define PP_RUN_RUN "run.json"          /* where and when, and which data */
#define PP_RUN_LOG "log.txt"           /* what rank 0 said */
#define PP_RUN_METRICS "metrics.jsonl" /* a line a look */
#define PP_RUN_VERDICT                                                                             \
    "verdict.json" /* verdict_file.h; its presence says that the run has ended                     \
                    */
#define PP_RUN_MODEL "model.safetensors"     /* the best parameters */
#define PP_RUN_INITIAL "initial.safetensors" /* the parameters before the first step */
#define PP_RUN_SAMPLE "sample.safetensors"   /* predictions of the rows that were judged */
#define PP_RUN_CHECKPOINTS "checkpoints"     /* a directory */
#define PP_RUN_WHY "why.json"                /* what why has found */
#define PP_RUN_FIXED "fixed.json"            /* the job with its remedy */
#define PP_RUN_FAILED "failed.json"          /* of a trial of a study instead of a verdict */

/* The files that a run writes into its directory [PP_RUN_WRITES], the job last. */
enum { PP_RUN_WRITES = 8 };
extern const char *const pp_run_writes[PP_RUN_WRITES];

/* directory/name. */
pp_status pp_run_path(const char *directory, const char *name, char path[PATH_MAX], pp_error *err);

#endif
