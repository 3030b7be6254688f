/* Predictions of a finished run for any data file. */
#ifndef PITPROP_PREDICT_H
#define PITPROP_PREDICT_H

#include <stdint.h>

#include "base/log.h"
#include "comm/comm.h"
#include "compute/compute.h"
#include "pitprop/error.h"

typedef struct pp_predict_rows {
    const char *data;   /* csv or npy */
    const char *target; /* a column of csv; NULL: features alone */
    const char *like;   /* the training file, for what stands for missing values; NULL: refused */
    const char *na;     /* csv: further marks for missing values, "nd,-999"; NULL: none */
    pp_log *log;        /* what is odd about the rows */
} pp_predict_rows;

/* Not collective. The rows of a csv or npy file as an HDF5 file for pp_predict (/x, and /y with
 * target): of csv the columns that the model of RUN takes, by their names. */
pp_status pp_predict_import(const char *run, const pp_predict_rows *rows, const char *output,
                            pp_error *err);

typedef struct pp_prediction {
    int64_t rows;
    int moved;   /* the columns of the file had another order than the model's, and were put into it
                    by their names */
    int unnamed; /* the model has names of columns and the file has none: taken by number */
    int64_t classes;    /* 0: a regression */
    char **class_names; /* [classes]; NULL: numbers alone */
    int64_t *answers;   /* [classes] rows; rank 0 */
} pp_prediction;

/* Collective. Reads RUN/model.safetensors, applies its standardisation to data set `x` (NULL: the
 * job's) of `data`, and writes output (HDF5, whole or not at all), rows in the order of the file
 * whatever the rank count:
 *   /raw   [rows, outputs] float32  outputs of the last layer
 *   /p     [rows, outputs] float32  what at_prediction and the loss's link make of them
 *   /class [rows] int64             classification only: the answer
 * with the names of the classes as the attribute "classes" of /p and /class, and the run's name and
 * the model's checksum as attributes of the file. Where model and file have names of columns, those
 * decide which is which; one that is missing or unknown is an error. */
pp_status pp_predict(pp_comm *comm, const char *run, const char *data, const char *x,
                     const char *output, pp_prediction *prediction, pp_error *err);
void pp_prediction_free(pp_prediction *prediction);

#endif
