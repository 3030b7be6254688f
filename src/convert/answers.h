/* Predictions in the formats in which people take them on: csv and npy. */
#ifndef PITPROP_ANSWERS_H
#define PITPROP_ANSWERS_H

#include "pitprop/error.h"

typedef struct pp_answers_spec {
    const char *predictions;   /* HDF5: /p [rows, outputs], and /class of a classification */
    const char *ids_file, *id; /* csv: a row each, and the column that is handed on; NULL: none */
} pp_answers_spec;

/* By its ending; anything but .csv and .npy is HDF5. */
typedef enum pp_answers_format { PP_ANSWERS_H5, PP_ANSWERS_CSV, PP_ANSWERS_NPY } pp_answers_format;
pp_answers_format pp_answers_format_of(const char *output);

/* Whole or not at all. npy: /p, float32 [rows, outputs]. csv: the id, or the number of the row from
 * 0; then of a classification the answer by its name ("class") and the probability of each class
 * ("p_NAME", of two classes both), else "prediction" ("prediction_0", ... of several outputs). */
pp_status pp_answers_write(const pp_answers_spec *spec, pp_answers_format format,
                           const char *output, pp_error *err);

#endif
