/* Predictions of a finished run for any data file. */
#ifndef PITPROP_PREDICT_H
#define PITPROP_PREDICT_H

#include <stdint.h>

#include "pitprop/comm.h"
#include "pitprop/compute.h"
#include "pitprop/error.h"

/* Collective. Reads RUN/model.safetensors, applies its standardisation to data set `x` (NULL: the
 * job's) of `data`, and writes output (HDF5, whole or not at all), rows in the order of the file
 * whatever the rank count: /raw [rows, outputs] float32  outputs of the last layer /p   [rows,
 * outputs] float32  what at_prediction and the loss's link make of them /class [rows] int64
 * classification only: the answer and the run's name and model checksum as attributes. */
pp_status pp_predict(pp_comm *comm, const pp_backend *backend, const char *run, const char *data,
                     const char *x, const char *output, int64_t *rows, pp_error *err);

#endif
