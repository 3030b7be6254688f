/* Named arrays in one safetensors file: models, checkpoints, predictions for other tools.
 *
 * Layout (safetensors 0.x): uint64 little-endian header length, JSON header
 * {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets"}}, raw little-endian
 * data without gaps. We add "crc32" of the data (8 hex digits) to the metadata and check it on
 * reading; a file of another tool that has none is read all the same. Larger elements come first in
 * the file, the caller's order otherwise, so that tensors are aligned for readers that map them. */
#ifndef PITPROP_TENSORFILE_H
#define PITPROP_TENSORFILE_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"
#include "base/fs.h"

typedef enum pp_dtype { PP_F32, PP_F64, PP_I64, PP_U8 } pp_dtype;
size_t pp_dtype_bytes(pp_dtype dtype);

typedef struct pp_tensor {
    const char *name;
    pp_dtype dtype;
    int n_dims;
    int64_t shape[4];
    void *data; /* borrowed when writing; owned by the pp_tensorfile when read */
} pp_tensor;

typedef struct pp_tensor_note { /* one entry of __metadata__ */
    const char *key, *value;
} pp_tensor_note;

/* Writes whole and renamed; bytes depend on the arguments alone. */
pp_status pp_tensorfile_write(const char *path, const pp_tensor *tensors, int n_tensors,
                              const pp_tensor_note *notes, int n_notes, pp_error *err);
/* The same where the file's directory may have another owner by now. */
pp_status pp_tensorfile_write_if(const char *path, const pp_tensor *tensors, int n_tensors,
                                 const pp_tensor_note *notes, int n_notes, const pp_fs_guard *guard,
                                 pp_error *err);

typedef struct pp_tensorfile pp_tensorfile;
/* Reads all and checks lengths, offsets and checksum ("PATH: ... checksum ..."). */
pp_status pp_tensorfile_read(const char *path, pp_tensorfile **file, pp_error *err);
void pp_tensorfile_destroy(pp_tensorfile *file);
int pp_tensorfile_count(const pp_tensorfile *file);
const pp_tensor *pp_tensorfile_at(const pp_tensorfile *file, int index);
const pp_tensor *pp_tensorfile_find(const pp_tensorfile *file, const char *name); /* NULL: absent */
const char *pp_tensorfile_note(const pp_tensorfile *file, const char *key);       /* NULL: absent */

#endif
