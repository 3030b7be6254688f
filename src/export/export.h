/* Models of finished runs for other programs. */
#ifndef PITPROP_EXPORT_H
#define PITPROP_EXPORT_H

#include "pitprop/error.h"

/* RUN/model.safetensors as ONNX (opset 13, IR version 7: read by ONNX Runtime from 1.6 on), whole
 * or not at all. Input "x" [rows, inputs] as in the data file, float32, or float64 where the
 * standardisation is; outputs "p" [rows, outputs], what `predict` writes as /p, and of a
 * classification "class" [rows] int64. Names of columns and classes, the job and the checksum of
 * the model are metadata (JSON). */
pp_status pp_export_onnx(const char *run, const char *output, pp_error *err);

#endif
