#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "base/arena.h"
#include "pitprop/check.h"
#include "pitprop/json.h"
#include "tensorfile_common.h"

/* The limit of the safetensors package; a longer header is a wrong length rather than a header. */
static const uint64_t max_header = 100u * 1000u * 1000u;

typedef struct entry {
    pp_tensor tensor;
    int64_t begin, end; /* bytes within the data */
} entry;

struct pp_tensorfile {
    pp_arena *arena;
    entry *entries; /* in the order of their data */
    int n_entries;
    pp_tensor_note *notes;
    int n_notes;
};

typedef struct source {
    const char *path;
    FILE *stream;
    uint64_t header; /* bytes */
    uint64_t data;   /* bytes that follow the header */
} source;

/* Bytes that cannot be read at the moment are not damaged ones. */
static pp_status damaged(const source *from, pp_error *err, const char *what)
{
    if (from->stream != NULL && ferror(from->stream))
        return pp_fail(err, PP_E_IO, "%s: cannot read: %s", from->path, strerror(errno));
    return pp_fail(err, PP_E_DATA, "%s: is damaged or not a safetensors file: %s", from->path,
                   what);
}

static pp_status open_source(const char *path, source *from, pp_error *err)
{
    struct stat info;
    from->path = path;
    from->stream = fopen(path, "rb");
    if (from->stream == NULL || fstat(fileno(from->stream), &info) != 0)
        return pp_fail(err, PP_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return pp_fail(err, PP_E_IO, "%s: is a directory", path);
    uint64_t size = (uint64_t)info.st_size;
    if (fread(&from->header, sizeof from->header, 1, from->stream) != 1)
        return damaged(from, err, "it is shorter than 8 bytes");
    if (from->header < 2 || from->header > max_header || from->header > size - 8)
        return damaged(from, err, "the length of its header is impossible");
    from->data = size - 8 - from->header;
    return PP_OK;
}

static pp_status read_header(source *from, pp_json **root, pp_error *err)
{
    size_t length = (size_t)from->header;
    char *text = malloc(length + 1);
    if (text == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", from->path);
    text[length] = '\0';
    pp_status status = PP_OK;
    if (fread(text, 1, length, from->stream) != length)
        status = damaged(from, err, "its header cannot be read");
    else if (memchr(text, '\0', length) != NULL)
        status = damaged(from, err, "its header holds a zero byte");
    else if ((status = pp_json_parse(text, from->path, root, err)) != PP_OK)
        status = status == PP_E_MEMORY
                     ? status
                     : pp_fail(err, PP_E_DATA,
                               "%s: is damaged or not a safetensors file: its header is "
                               "not JSON",
                               from->path);
    free(text);
    if (status != PP_OK || pp_json_type_of(*root) == PP_JSON_OBJECT) return status;
    pp_json_destroy(*root);
    return damaged(from, err, "its header is not an object");
}

static pp_status take_notes(const source *from, const pp_json *object, pp_tensorfile *file,
                            pp_error *err)
{
    if (object == NULL) return PP_OK;
    if (pp_json_type_of(object) != PP_JSON_OBJECT)
        return damaged(from, err, "__metadata__ is not an object");
    int64_t count = pp_json_count(object);
    file->notes = PP_ARENA_NEW(file->arena, pp_tensor_note, count + 1);
    if (file->notes == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", from->path);
    for (int64_t i = 0; i < count; i++) {
        const pp_json *member = pp_json_at(object, i);
        if (pp_json_type_of(member) != PP_JSON_STRING)
            return damaged(from, err, "__metadata__ holds something that is not a string");
        pp_tensor_note *note = &file->notes[file->n_notes++];
        note->key = pp_arena_strdup(file->arena, pp_json_key(member));
        note->value = pp_arena_strdup(file->arena, pp_json_string(member));
        if (note->key == NULL || note->value == NULL)
            return pp_fail(err, PP_E_MEMORY, "%s: out of memory", from->path);
    }
    return PP_OK;
}

/* One non-negative integer of an array. */
static int take_integer(const pp_json *array, int64_t index, int64_t *value)
{
    const pp_json *item = pp_json_at(array, index);
    return pp_json_type_of(item) == PP_JSON_NUMBER && pp_json_integer(item, value) && *value >= 0;
}

static pp_status take_dtype(const source *from, const pp_json *text, pp_tensor *tensor,
                            pp_error *err)
{
    if (text == NULL || pp_json_type_of(text) != PP_JSON_STRING)
        return damaged(from, err, "a tensor has no dtype");
    for (int i = 0; i < PP__N_DTYPES; i++) {
        if (strcmp(pp_json_string(text), pp__dtype_name((pp_dtype)i)) != 0) continue;
        tensor->dtype = (pp_dtype)i;
        return PP_OK;
    }
    return pp_fail(err, PP_E_UNSUPPORTED, "%s: tensor %s: dtype %s; accepted are F32, F64, I64, U8",
                   from->path, tensor->name, pp_json_string(text));
}

static pp_status take_shape(const source *from, const pp_json *array, entry *e, pp_error *err)
{
    if (array == NULL || pp_json_type_of(array) != PP_JSON_ARRAY)
        return damaged(from, err, "a tensor has no shape");
    int64_t n_dims = pp_json_count(array), bytes = (int64_t)pp_dtype_bytes(e->tensor.dtype);
    if (n_dims > PP__MAX_DIMS)
        return pp_fail(err, PP_E_UNSUPPORTED, "%s: tensor %s: %lld dimensions; at most %d are read",
                       from->path, e->tensor.name, (long long)n_dims, PP__MAX_DIMS);
    e->tensor.n_dims = (int)n_dims;
    for (int64_t d = 0; d < n_dims; d++) {
        int64_t *extent = &e->tensor.shape[d];
        if (!take_integer(array, d, extent) || __builtin_mul_overflow(bytes, *extent, &bytes))
            return damaged(from, err, "a tensor has an impossible shape");
    }
    if (e->end - e->begin == bytes) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: is damaged: tensor %s has %lld bytes where its shape asks "
                   "for %lld",
                   from->path, e->tensor.name, (long long)(e->end - e->begin), (long long)bytes);
}

static pp_status take_entry(const source *from, const pp_json *member, pp_tensorfile *file,
                            pp_error *err)
{
    entry *e = &file->entries[file->n_entries];
    e->tensor.name = pp_arena_strdup(file->arena, pp_json_key(member));
    if (e->tensor.name == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", from->path);
    if (pp_json_type_of(member) != PP_JSON_OBJECT)
        return damaged(from, err, "a tensor is not described by an object");
    const pp_json *offsets = pp_json_get(member, "data_offsets");
    if (offsets == NULL || pp_json_type_of(offsets) != PP_JSON_ARRAY ||
        pp_json_count(offsets) != 2 || !take_integer(offsets, 0, &e->begin) ||
        !take_integer(offsets, 1, &e->end) || e->end < e->begin)
        return damaged(from, err, "a tensor has no proper data_offsets");
    pp_status status = take_dtype(from, pp_json_get(member, "dtype"), &e->tensor, err);
    if (status == PP_OK) status = take_shape(from, pp_json_get(member, "shape"), e, err);
    if (status == PP_OK) file->n_entries++;
    return status;
}

static int by_offset(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name); /* empty tensors at one place */
}

static pp_status check_contiguous(const source *from, const pp_tensorfile *file, pp_error *err)
{
    int64_t end = 0;
    for (int i = 0; i < file->n_entries; i++) {
        const entry *e = &file->entries[i];
        if (e->begin != end)
            return pp_fail(err, PP_E_DATA,
                           "%s: is damaged: tensor %s begins at byte %lld of the "
                           "data, expected %lld",
                           from->path, e->tensor.name, (long long)e->begin, (long long)end);
        end = e->end;
    }
    if ((uint64_t)end == from->data) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: is damaged or cut short: its header describes %lld bytes of "
                   "data, it holds %llu",
                   from->path, (long long)end, (unsigned long long)from->data);
}

static pp_status take_header(const source *from, const pp_json *root, pp_tensorfile *file,
                             pp_error *err)
{
    const pp_json *metadata = pp_json_get(root, "__metadata__");
    pp_status status = take_notes(from, metadata, file, err);
    if (status != PP_OK) return status;
    int64_t count = pp_json_count(root);
    file->entries = PP_ARENA_NEW(file->arena, entry, count + 1);
    if (file->entries == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", from->path);
    for (int64_t i = 0; i < count && status == PP_OK; i++) {
        const pp_json *member = pp_json_at(root, i);
        if (member != metadata) status = take_entry(from, member, file, err);
    }
    if (status != PP_OK) return status;
    qsort(file->entries, (size_t)file->n_entries, sizeof *file->entries, by_offset);
    return check_contiguous(from, file, err);
}

static pp_status check_crc(const source *from, const pp_tensorfile *file, uLong crc, pp_error *err)
{
    pp__crc_text found = pp__crc_as_text(crc);
    const char *noted = pp_tensorfile_note(file, PP__CRC_KEY);
    if (noted == NULL || strcmp(noted, found.digits) == 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: is damaged: the checksum of its data is %s, expected %s",
                   from->path, found.digits, noted);
}

static pp_status read_data(source *from, pp_tensorfile *file, pp_error *err)
{
    uLong crc = crc32_z(0, NULL, 0);
    for (int i = 0; i < file->n_entries; i++) {
        entry *e = &file->entries[i];
        size_t bytes = (size_t)(e->end - e->begin);
        e->tensor.data = pp_arena_alloc(file->arena, bytes + 1, 1);
        if (e->tensor.data == NULL)
            return pp_fail(err, PP_E_MEMORY, "%s: no memory for tensor %s of %zu bytes", from->path,
                           e->tensor.name, bytes);
        if (bytes > 0 && fread(e->tensor.data, 1, bytes, from->stream) != bytes)
            return damaged(from, err, "its data cannot be read to the end");
        if (bytes > 0) crc = crc32_z(crc, e->tensor.data, bytes);
    }
    return check_crc(from, file, crc, err);
}

static pp_status read_all(source *from, pp_tensorfile *file, pp_error *err)
{
    pp_json *root;
    pp_status status = open_source(from->path, from, err);
    if (status == PP_OK) status = read_header(from, &root, err);
    if (status != PP_OK) return status;
    status = take_header(from, root, file, err);
    pp_json_destroy(root);
    return status == PP_OK ? read_data(from, file, err) : status;
}

pp_status pp_tensorfile_read(const char *path, pp_tensorfile **file, pp_error *err)
{
    source from = {.path = path};
    pp_tensorfile *f = calloc(1, sizeof *f);
    if (f != NULL) f->arena = pp_arena_create();
    pp_status status = PP_OK;
    if (f == NULL || f->arena == NULL)
        status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    if (status == PP_OK) status = read_all(&from, f, err);
    if (from.stream != NULL) fclose(from.stream);
    if (status == PP_OK)
        *file = f;
    else
        pp_tensorfile_destroy(f);
    return status;
}

void pp_tensorfile_destroy(pp_tensorfile *file)
{
    if (file == NULL) return;
    pp_arena_destroy(file->arena);
    free(file);
}

int pp_tensorfile_count(const pp_tensorfile *file)
{
    return file->n_entries;
}

const pp_tensor *pp_tensorfile_at(const pp_tensorfile *file, int index)
{
    PP_CHECK(index >= 0 && index < file->n_entries);
    return &file->entries[index].tensor;
}

const pp_tensor *pp_tensorfile_find(const pp_tensorfile *file, const char *name)
{
    for (int i = 0; i < file->n_entries; i++)
        if (strcmp(file->entries[i].tensor.name, name) == 0) return &file->entries[i].tensor;
    return NULL;
}

const char *pp_tensorfile_note(const pp_tensorfile *file, const char *key)
{
    for (int i = 0; i < file->n_notes; i++)
        if (strcmp(file->notes[i].key, key) == 0) return file->notes[i].value;
    return NULL;
}
