/* Learning rate over time, and the watch on the evaluated loss that plateaus and early stopping
 * need.
 *
 * Pure: a function of progress and of the watch, which is part of a checkpoint. */
#ifndef PITPROP_SCHEDULE_H
#define PITPROP_SCHEDULE_H

#include <stdint.h>

#include "job/job.h"

/* What has been seen of the watched loss; all-zero bytes are the start. Plain value. */
typedef struct pp_watch {
    double best; /* lowest loss so far, valid when evaluations > 0; infinity: none compared */
    int64_t evaluations; /* seen */
    int64_t since_best;  /* evaluations since the last improvement, for early stopping */
    int64_t since_cut;   /* the same, but a cut of the learning rate starts it anew */
    int64_t cuts;        /* of the plateau schedule */
} pp_watch;

/* Takes the loss of one evaluation. Returns 1 if it improves on the best by more than min_delta
 * (the first loss does); NaN never does. A plateau schedule cuts once more than `patience`
 * evaluations in a row were none: PyTorch's ReduceLROnPlateau(mode="min", threshold_mode="abs",
 * cooldown=0). */
int pp_watch_add(pp_watch *watch, const pp_job *job, double loss);
/* training.early_stopping evaluations have passed without improvement. */
int pp_watch_stops(const pp_watch *watch, const pp_job *job);

/* Learning rate of `step` (from 0) of `steps` in all, with steps_per_epoch (> 0). Of the first
 * warmup_steps it is lr (step + 1) / warmup_steps; the schedule's time begins after them. */
double pp_schedule_lr(const pp_job *job, const pp_watch *watch, int64_t step, int64_t steps,
                      int64_t steps_per_epoch);

#endif
