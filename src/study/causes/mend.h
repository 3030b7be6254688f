/* Mended copies of the rows of a job, for experiments on the data. */
#ifndef PITPROP_MEND_H
#define PITPROP_MEND_H

#include "study/causes/cause.h"

/* Whether a copy of the rows is small enough to be made. */
int pp__mend_fits(const pp_inspection *data);
/* Writes the copy of the rows [rows] that `data` names, training and validation files together; one
 * rank. */
pp_status pp__mend_write(const pp_job_data *data, int64_t rows, const pp_mend *mend, pp_error *err);

#endif
