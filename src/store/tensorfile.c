#include "store/tensorfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "pitprop/check.h"
#include "base/fs.h"
#include "pitprop/json.h"
#include "tensorfile_common.h"

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [PP_F32] = {"F32", 4}, [PP_F64] = {"F64", 8}, [PP_I64] = {"I64", 8}, [PP_U8] = {"U8", 1}};

size_t pp_dtype_bytes(pp_dtype dtype)
{
    return dtypes[dtype].bytes;
}

const char *pp__dtype_name(pp_dtype dtype)
{
    return dtypes[dtype].name;
}

pp__crc_text pp__crc_as_text(unsigned long crc)
{
    pp__crc_text text;
    snprintf(text.digits, sizeof text.digits, "%08lx", crc & 0xfffffffful);
    return text;
}

static size_t tensor_bytes(const pp_tensor *tensor)
{
    size_t bytes = dtypes[tensor->dtype].bytes;
    for (int d = 0; d < tensor->n_dims; d++)
        bytes *= (size_t)tensor->shape[d];
    return bytes;
}

static pp_status check_names(const char *path, const pp_tensor *tensors, int count, pp_error *err)
{
    for (int i = 0; i < count; i++) {
        PP_CHECK(tensors[i].n_dims >= 0 && tensors[i].n_dims <= PP__MAX_DIMS);
        for (int j = 0; j < i; j++)
            if (strcmp(tensors[i].name, tensors[j].name) == 0)
                return pp_fail(err, PP_E_ARG, "%s: two tensors are called %s", path,
                               tensors[i].name);
    }
    return PP_OK;
}

/* order [count]: indices by falling element size, otherwise as given. */
static void sort_by_size(const pp_tensor *tensors, int count, int *order)
{
    int used = 0;
    for (size_t bytes = 8; bytes > 0; bytes--)
        for (int i = 0; i < count; i++)
            if (dtypes[tensors[i].dtype].bytes == bytes) order[used++] = i;
    PP_CHECK(used == count);
}

static uLong crc_of_all(const pp_tensor *tensors, int count, const int *order)
{
    uLong crc = crc32_z(0, NULL, 0);
    for (int i = 0; i < count; i++) {
        const pp_tensor *t = &tensors[order[i]];
        size_t bytes = tensor_bytes(t);
        if (bytes > 0) crc = crc32_z(crc, t->data, bytes);
    }
    return crc;
}

static void put_notes(pp_json_writer *json, uLong crc, const pp_tensor_note *notes, int count)
{
    pp_json_begin_object(json, "__metadata__");
    for (int i = 0; i < count; i++) {
        PP_CHECK(strcmp(notes[i].key, PP__CRC_KEY) != 0);
        pp_json_put_string(json, notes[i].key, notes[i].value);
    }
    pp_json_put_string(json, PP__CRC_KEY, pp__crc_as_text(crc).digits);
    pp_json_end_object(json);
}

/* Returns where the data of the tensor end. */
static size_t put_tensor(pp_json_writer *json, const pp_tensor *tensor, size_t begin)
{
    size_t end = begin + tensor_bytes(tensor);
    pp_json_begin_object(json, tensor->name);
    pp_json_put_string(json, "dtype", dtypes[tensor->dtype].name);
    pp_json_begin_array(json, "shape");
    for (int d = 0; d < tensor->n_dims; d++)
        pp_json_put_int(json, NULL, tensor->shape[d]);
    pp_json_end_array(json);
    pp_json_begin_array(json, "data_offsets");
    pp_json_put_int(json, NULL, (int64_t)begin);
    pp_json_put_int(json, NULL, (int64_t)end);
    pp_json_end_array(json);
    pp_json_end_object(json);
    return end;
}

static pp_json_writer *make_header(const pp_tensor *tensors, int n_tensors, const int *order,
                                   const pp_tensor_note *notes, int n_notes)
{
    pp_json_writer *json = pp_json_writer_create(0);
    if (json == NULL) return NULL;
    size_t end = 0;
    pp_json_begin_object(json, NULL);
    put_notes(json, crc_of_all(tensors, n_tensors, order), notes, n_notes);
    for (int i = 0; i < n_tensors; i++)
        end = put_tensor(json, &tensors[order[i]], end);
    pp_json_end_object(json);
    return json;
}

/* Failures of fwrite stay in the stream, where pp_fs_commit finds them. */
static void write_all(FILE *stream, const char *header, size_t length, const pp_tensor *tensors,
                      int count, const int *order)
{
    static const char spaces[] = "        ";
    size_t padding = (8 - length % 8) % 8;
    uint64_t prefix = length + padding;
    fwrite(&prefix, sizeof prefix, 1, stream);
    fwrite(header, 1, length, stream);
    fwrite(spaces, 1, padding, stream);
    for (int i = 0; i < count; i++) {
        const pp_tensor *t = &tensors[order[i]];
        size_t bytes = tensor_bytes(t);
        if (bytes > 0 && fwrite(t->data, 1, bytes, stream) != bytes) return;
    }
}

static pp_status write_ordered(const char *path, const pp_tensor *tensors, int n_tensors,
                               const int *order, const pp_tensor_note *notes, int n_notes,
                               const pp_fs_guard *guard, pp_error *err)
{
    size_t length = 0;
    pp_json_writer *json = make_header(tensors, n_tensors, order, notes, n_notes);
    const char *header = json == NULL ? NULL : pp_json_text(json, &length);
    if (header == NULL) {
        pp_json_writer_destroy(json);
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    }
    pp_fs_file *file;
    pp_status status = pp_fs_create(path, &file, err);
    if (status == PP_OK) {
        write_all(pp_fs_stream(file), header, length, tensors, n_tensors, order);
        status = pp_fs_commit_if(file, guard, err);
    }
    pp_json_writer_destroy(json);
    return status;
}

pp_status pp_tensorfile_write(const char *path, const pp_tensor *tensors, int n_tensors,
                              const pp_tensor_note *notes, int n_notes, pp_error *err)
{
    return pp_tensorfile_write_if(path, tensors, n_tensors, notes, n_notes, NULL, err);
}

pp_status pp_tensorfile_write_if(const char *path, const pp_tensor *tensors, int n_tensors,
                                 const pp_tensor_note *notes, int n_notes, const pp_fs_guard *guard,
                                 pp_error *err)
{
    pp_status status = check_names(path, tensors, n_tensors, err);
    if (status != PP_OK) return status;
    int *order = calloc((size_t)n_tensors + 1, sizeof *order);
    if (order == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    sort_by_size(tensors, n_tensors, order);
    status = write_ordered(path, tensors, n_tensors, order, notes, n_notes, guard, err);
    free(order);
    return status;
}
