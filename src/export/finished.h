/* A finished run as exports see it: its model's plan, values and names. Private to src/export. */
#ifndef PITPROP_EXPORT_FINISHED_H
#define PITPROP_EXPORT_FINISHED_H

#include "base/arena.h"
#include "job/job.h"
#include "model/model.h"
#include "store/tensorfile.h"
#include "train/origin.h"

typedef struct pp__finished {
    pp_arena *arena;
    pp_tensorfile *file;
    pp_job *job;
    pp_model *model;
    pp__origin origin;                            /* names of columns and classes */
    pp_at_prediction link;                        /* between the last layer and the probabilities */
    int64_t classes;                              /* 0: a regression */
    const pp_tensor *shift, *scale;               /* of inputs [inputs], float32 or float64; NULL */
    const pp_tensor *target_shift, *target_scale; /* [1 or outputs] float32; NULL */
} pp__finished;

/* pp__finished_close in any case. */
pp_status pp__finished_open(const char *run, pp__finished *finished, pp_error *err);
void pp__finished_close(pp__finished *finished);
/* Values of a parameter of the plan [count]. */
const float *pp__finished_param(const pp__finished *finished, int param);

#endif
