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
#include "pitprop/tensorfile.h"

/* Claims the next generation in run directory dir. */
pp_status pp_generation_claim(const char *dir, int64_t *generation, pp_error *err);
/* The file that is a claim: later it holds the signs of life of the run's ranks. 0: too long. */
int pp_generation_path(const char *dir, int64_t generation, char path[PATH_MAX]);
/* PP_E_IO with a message when another run has claimed a later one. */
pp_status pp_generation_check(const char *dir, int64_t generation, pp_error *err);

/* Writes one and removes all but the newest `keep` up to this step. Refuses when superseded. */
pp_status pp_checkpoint_write(const char *dir, int64_t generation, int64_t step, int64_t keep,
                              const pp_tensor *tensors, int n_tensors, const pp_tensor_note *notes,
                              int n_notes, pp_error *err);
/* Removes all of them. The generations stay, so that a run which was superseded remains so. */
pp_status pp_checkpoint_clear(const char *dir, pp_error *err);
/* Opens the newest complete one; *file is NULL where there is none. Incomplete or damaged ones are
 * passed over and named through `say` (nullable). */
pp_status pp_checkpoint_newest(const char *dir, pp_tensorfile **file,
                               void (*say)(void *context, const char *text), void *context,
                               pp_error *err);

#endif
