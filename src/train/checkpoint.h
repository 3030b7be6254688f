/* Checkpoints: everything a trial needs to go on, in one file that appears whole.
 *
 * DIR/checkpoints/step-SSSSSSSSSSSS-gGGGGGG.safetensors. A run claims a generation when it starts,
 * by making DIR/checkpoints/generation-GGGGGG exclusively; a run that finds a higher one than its
 * own has been superseded and must not write any more (a node that was cut off while its job was
 * requeued). Only rank 0 calls these; nothing communicates. */
#ifndef PITPROP_CHECKPOINT_H
#define PITPROP_CHECKPOINT_H

#include <limits.h>
#include <stdint.h>

#include "pitprop/error.h"
#include "store/tensorfile.h"

/* The highest that is claimed in run directory dir, 0: none. */
pp_status pp_generation_newest(const char *dir, int64_t *generation, pp_error *err);
/* Claims generation after + 1; *taken is 0 where another was faster, or has removed the directory
 * meanwhile: look again. Whoever decides on what was there when `after` was the newest thereby
 * decides and takes in one act. Makes the directory. */
pp_status pp_generation_take(const char *dir, int64_t after, int *taken, pp_error *err);
/* Claims the next one, whatever is there. */
pp_status pp_generation_claim(const char *dir, int64_t *generation, pp_error *err);
/* Gives a claim back that has come to nothing. */
void pp_generation_leave(const char *dir, int64_t generation);
/* The file that is a claim: later it holds the signs of life of the run's ranks. 0: too long. */
int pp_generation_path(const char *dir, int64_t generation, char path[PATH_MAX]);
/* PP_E_IO with a message when another run has claimed a later one, or when the directory cannot be
 * read for some seconds. */
pp_status pp_generation_check(const char *dir, int64_t generation, pp_error *err);
/* Whether another run has claimed a later one, as far as can be seen at this moment. */
int pp_generation_is_over(const char *dir, int64_t generation, pp_error *err);

/* Writes one and removes all but the newest `keep` up to this step; later ones stay. Refuses when
 * superseded. */
pp_status pp_checkpoint_write(const char *dir, int64_t generation, int64_t step, int64_t keep,
                              const pp_tensor *tensors, int n_tensors, const pp_tensor_note *notes,
                              int n_notes, pp_error *err);
/* Removes those of generations before this one. The generations themselves stay, so that a run
 * which was superseded remains so. */
pp_status pp_checkpoint_clear(const char *dir, int64_t generation, pp_error *err);
/* Opens the newest complete one; *file is NULL where there is none. Incomplete or damaged ones are
 * passed over and named through `say` (nullable); one that is there and cannot be read (PP_E_IO,
 * PP_E_MEMORY) is a failure. */
pp_status pp_checkpoint_newest(const char *dir, pp_tensorfile **file,
                               void (*say)(void *context, const char *text), void *context,
                               pp_error *err);

/* Notes that a start of the run has ended on request before it did a step: *step is that of the
 * newest checkpoint (0: none), *again whether a start before it has ended there like this. */
pp_status pp_idle_note(const char *dir, int64_t *step, int *again, pp_error *err);
/* The run has moved on from that step. */
void pp_idle_forget(const char *dir, int64_t step);

#endif
