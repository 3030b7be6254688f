/* A trial: one training. (job, communicator, backend) -> result; the only training loop there is.
 *
 * Everything it leaves goes into its run directory (jobs/README.md). Nothing in it knows
 * whether it is the main run, a point of a sweep or a probe. */
#ifndef PITPROP_TRIAL_H
#define PITPROP_TRIAL_H

#include <signal.h>
#include <stdint.h>

#include "comm/comm.h"
#include "compute/compute.h"
#include "job/job.h"
#include "base/log.h"
#include "model/signs.h"
#include "pitprop/sketch.h"
#include "pitprop/verdict.h"

typedef enum pp_existing {
    PP_EXISTING_REFUSE,
    PP_EXISTING_RESUME,
    PP_EXISTING_REPLACE
} pp_existing;

/* How far a trial is, for a progress line. */
typedef struct pp_progress {
    int64_t step, steps;   /* done, of */
    int64_t epoch, epochs; /* running (from 1), of; epochs 0: unknown */
    double loss;           /* of the last logged step; NaN: none yet */
    double rows_per_s, seconds_left;
} pp_progress;

typedef struct pp_trial_spec {
    pp_job *job;   /* parsed; resolved by the trial, otherwise unchanged; the caller destroys it */
    pp_comm *comm; /* borrowed */
    pp_log *log;   /* borrowed; its file is log.txt of the run directory while the trial runs */
    pp_existing existing; /* what to do when the run directory holds a run */
    void (*progress)(void *context,
                     const pp_progress *progress); /* nullable; a few times a second, rank 0 */
    void *progress_context;
    const volatile sig_atomic_t *stop; /* not 0: save and stop at the next step; nullable. While
                                          data are read: pp_stop_on */
} pp_trial_spec;

/* What came out; summaries, sketches and verdict on rank 0 only. */
typedef struct pp_result {
    int stopped;   /* stopped on request with everything saved; no results yet */
    int is_idle;   /* stopped before this start had done a step; twice in a row: PP_E_IO */
    int64_t steps; /* done */
    int64_t train_rows, validation_rows;
    pp_summary train, validation; /* final weights; validation.rows = 0: none held out */
    char early_stop[320];         /* a sentence where early stopping has ended it, else empty */
    int64_t called_step;          /* at which collapse was called on the way; 0: never */
    pp_sketch *sketch;            /* of all rows, final weights; pp_result_free */
    pp_split split;               /* of the training rows by lane */
    pp_layer_signs *layers;       /* [n_layers] final weights on the training rows; likewise */
    int n_layers;
    char **class_names; /* [n_class_names]; NULL: classes have numbers alone; likewise */
    int n_class_names;
    pp_verdict verdict;
    double seconds, rows_per_s; /* of training */
} pp_result;

/* Collective; all ranks return alike. */
pp_status pp_trial_run(const pp_trial_spec *spec, pp_result *result, pp_error *err);
void pp_result_free(pp_result *result);

/* What a trial would take, for `pitprop check`: everything but the training. */
typedef struct pp_trial_plan {
    int64_t train_rows, validation_rows, inputs, outputs, parameters, steps, steps_per_epoch;
    int lanes;
    int64_t lane_rows_least, lane_rows_most;            /* of a batch */
    int64_t bytes_data, bytes_model, bytes_activations; /* of the largest rank; model: parameters,
                                                           gradients, optimiser state */
} pp_trial_plan;
/* Collective. What a run of the job would be, without training. */
pp_status pp_trial_check(const pp_trial_spec *spec, pp_trial_plan *plan, pp_error *err);

#endif
