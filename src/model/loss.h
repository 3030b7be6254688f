/* Losses: per-row losses and their gradient with respect to the outputs.
 *
 * Pure functions of host memory; gradients are of the *sum* over rows, so that they may be added
 * over lanes and divided once by the global row count. Arithmetic is in double. Non-finite values
 * pass through: they are data, and whoever sums the losses sees them. */
#ifndef PITPROP_LOSS_H
#define PITPROP_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"
#include "job/job.h"

typedef struct pp_loss {
    pp_job_loss spec;  /* resolved: no autos */
    int64_t outputs;   /* K, width of z */
    int64_t y_columns; /* width of y */
} pp_loss;

/* Checks that the loss can take these widths ("loss.targets: ..."):
 *   index      cross-entropy only; y has one column of class indices
 *   one_hot    y has one column of class indices
 *   dense      y_columns == outputs; but for cross-entropy also y_columns == 1: every unit gets the
 *              row's value
 *   broadcast  as dense, and never cross-entropy */
pp_status pp_loss_plan(const pp_job_loss *spec, int64_t outputs, int64_t y_columns, pp_loss *loss,
                       pp_error *err);

/* Bytes of scratch that pp_loss_rows needs for this many rows; > 0. */
size_t pp_loss_scratch(const pp_loss *loss, int64_t rows);

/* For the rows of one lane's share: z [rows, outputs], y [rows, y_columns], weight [rows].
 *
 * row_loss [rows]: weight_i * loss_i. The loss of a row is the mean over its units for elementwise
 * losses (bce, mse, mae, huber, quantile), and -sum_k t_k log p_k for cross-entropy; with targets
 * "broadcast" it is the mean over all targets of the share.
 *
 * dz [rows, outputs]: gradient of sum_i row_loss_i; NULL: losses only (evaluation).
 *
 * scratch: pp_loss_scratch bytes, aligned for double.
 *
 * A class index that is none of 0..outputs-1 makes the row's loss and gradient NaN. */
void pp_loss_rows(const pp_loss *loss, int64_t rows, const float *z, const float *y,
                  const float *weight, double *row_loss, float *dz, void *scratch);

/* Outputs to what a user would read as predictions: at_prediction (sigmoid, softmax, clamp); where
 * that is none, the loss's own link (sigmoid for bce_logits, softmax for cross_entropy_logits). raw
 * [rows, outputs] -> p [rows, outputs]; may be the same array. */
void pp_loss_predict(const pp_loss *loss, const pp_job_model *model, int64_t rows, const float *raw,
                     float *p);

#endif
