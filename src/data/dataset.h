/* A data set as a job sees it: rows of x [inputs] and y [y_columns], split into training rows
 * (dealt to lanes) and held-out rows, and brought into memory, or streamed: read by a thread when a
 * batch or a block is about to need them. Rows, order and values are the same in both.
 *
 * Which rows a lane owns and in which order an epoch visits them depends on the job and the files
 * alone. A rank reads only what its lanes and its share of the held-out rows need. */
#ifndef PITPROP_DATASET_H
#define PITPROP_DATASET_H

#include <stdint.h>

#include "comm/comm.h"
#include "data/residency/standardise.h"
#include "data/rows/info.h"
#include "data/share/batch.h"
#include "data/share/lanes.h"
#include "job/job.h"
#include "pitprop/error.h"

typedef struct pp_dataset pp_dataset;

/* Collective. Opens x and y, reads all of y on every rank, settles task, classes, the split and the
 * balance. Labels that the job's loss cannot take are errors with file and row (a class index
 * outside 0..K-1 where y is used as an index); {1, 2} or {-1, 1} for a binary job are not. All
 * ranks return alike. The strings of job are borrowed until pp_dataset_load has returned. */
pp_status pp_dataset_open(pp_comm *comm, const pp_job *job, pp_dataset **set, pp_error *err);
void pp_dataset_close(pp_dataset *set);
const pp_dataset_info *pp_dataset_describe(const pp_dataset *set);

/* pp_class_of. */
int64_t pp_dataset_class(const pp_dataset *set, const float *y);
/* Collective. Deals windows to lanes by a seeded permutation and reads this rank's share of x, into
 * memory or, streaming, just once through: a non-finite value is an error that names file, data
 * set, row and column (the lowest such row over all ranks); with data.standardise, mean and
 * deviation of each feature are taken from the training rows and applied. cut: lane shares of the
 * batch, [lanes + 1].
 */
pp_status pp_dataset_load(pp_dataset *set, pp_comm *comm, int lanes, const int64_t *cut,
                          pp_error *err);
/* Bytes of rows held by this rank; streaming, all that it takes for them at most. */
int64_t pp_dataset_bytes(const pp_dataset *set);
int pp_dataset_streams(const pp_dataset *set);
/* Streaming: seconds that batches and blocks have waited for their rows, in all. */
double pp_dataset_waited(const pp_dataset *set);
/* Streaming: whether reading has failed on this rank, and how. From then on batches and blocks
 * have rows without meaning, in the usual numbers. */
pp_status pp_dataset_status(const pp_dataset *set, pp_error *err);
/* A hash of the rows as they were read, with their order: the same on any number of ranks and in
 * both residencies. */
uint64_t pp_dataset_fingerprint(const pp_dataset *set);
/* Standardisation as two arrays [inputs], borrowed: x' = (x - shift) * scale. NULL when off. */
const float *pp_dataset_shift(const pp_dataset *set);
const float *pp_dataset_scale(const pp_dataset *set);
/* The same where float32 cuts values of x: from doubles, rounded to float32 once; else NULL. */
const double *pp_dataset_wide_shift(const pp_dataset *set);
const double *pp_dataset_wide_scale(const pp_dataset *set);
/* The same of targets [y_columns]: y of the file = y * scale + shift. */
const float *pp_dataset_target_shift(const pp_dataset *set);
const float *pp_dataset_target_scale(const pp_dataset *set);

int64_t pp_dataset_steps_per_epoch(const pp_dataset *set); /* ceil(train_rows / batch) */

/* Fixes the order of an epoch (from 0) for this rank's lanes. Cheap when it is the current one. */
void pp_dataset_start_epoch(pp_dataset *set, int64_t epoch);

/* Global batch `step` (from 0) of the current epoch (streaming, steps after one another are
 * prepared): this rank's rows, lane after lane, and the
 * rows of each of this rank's lanes (0 is ordinary). Returns the rows of the whole global batch. */
int64_t pp_dataset_batch(pp_dataset *set, int64_t step, pp_rows *out, int64_t *lane_rows);

/* Evaluation: each training row (copies once) or held-out row exactly once over all ranks, in
 * blocks of at most PP_BLOCK_ROWS whose bounds depend on the job and the files alone. */
int64_t pp_dataset_blocks(const pp_dataset *set, pp_part part); /* of this rank */
/* Fills out with block `block`; returns its rows. Streaming, blocks come one after another from 0.
 */
int64_t pp_dataset_block(pp_dataset *set, pp_part part, int64_t block, pp_rows *out);
/* The lane that a block of training rows is of. */
int pp_dataset_block_lane(const pp_dataset *set, int64_t block);

/* Rows over all ranks of a part: PP_PART_TRAIN counts each row once. */
int64_t pp_dataset_part_rows(const pp_dataset *set, pp_part part);

#endif
