/* Writing a data file: aside, under pp_fs's temporary name, and renamed when all of it is on disk.
 * Equal calls leave equal bytes: no object of the file carries a time.
 *
 * HDF5 1.10 does not survive a full disk: a file that it cannot flush is never closed, and it
 * crashes over that file when it shuts down. So nothing is written before the disk has been asked
 * for room, and what describes the data sets is on disk before the data, so that closing needs no
 * room. */
#define _GNU_SOURCE /* fallocate */
#include "store/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "h5_write.h"
#include "pitprop/check.h"
#include "base/fs.h"

/* HDF5 keeps an attribute inside the object header, whose messages are below 64 KiB. */
static const size_t max_note = 64000;

typedef struct out_set {
    char *name;
    hid_t dataset;
    int n_dims, grows;
    hsize_t dims[H5S_MAX_RANK]; /* dims[0]: rows so far of a set that grows */
    int64_t row_bytes;
} out_set;

struct pp_h5_writer {
    char *path;
    pp_fs_file *aside; /* owns the temporary name and the rename; its stream stays unused */
    hid_t file;        /* -1: closed */
    out_set *sets;     /* [n_sets] */
    int n_sets;
    int64_t promised; /* bytes of all data sets so far */
};

/* Room for what describes the data: headers, chunk indices. */
static const int64_t slack = 256 * 1024;

/* 0, or an errno. Where the file system cannot be asked (NFS before 4.2), its free space is all
 * that is known: glibc's posix_fallocate would write a byte into every block instead. */
static int ask_for_room(int fd, off_t at, off_t bytes)
{
    struct statvfs v;
    if (fallocate(fd, 0, at, bytes) == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
    int is_full = fstatvfs(fd, &v) == 0 && (double)v.f_bavail * (double)v.f_frsize < (double)bytes;
    return is_full ? ENOSPC : 0;
}

/* Fails if the disk, the quota or the limit on file sizes does not let the file grow by `bytes`. */
pp_status pp__h5_writer_room(pp_h5_writer *writer, int64_t bytes, pp_error *err)
{
    struct stat info;
    int fd = fileno(pp_fs_stream(writer->aside));
    if (bytes <= 0 || fstat(fd, &info) != 0) return PP_OK;
    int error = ask_for_room(fd, info.st_size, (off_t)bytes);
    if (ftruncate(fd, info.st_size) != 0) error = errno;
    if (error != ENOSPC && error != EDQUOT && error != EFBIG) return PP_OK; /* or cannot be asked */
    return pp_fail(err, PP_E_IO, "%s: no room for %lld more bytes: %s", writer->path,
                   (long long)bytes, strerror(error));
}

/* The same for all rows promised so far and `bytes` more, whether they are in the file by now or
 * not: HDF5 stretches the file to the end of a data set of known size at once, and holds back
 * chunks. */
static pp_status ask_for_rows(pp_h5_writer *writer, int64_t bytes, pp_error *err)
{
    struct stat info;
    if (fstat(fileno(pp_fs_stream(writer->aside)), &info) != 0) return PP_OK;
    int64_t end = writer->promised + bytes + slack;
    pp_status status = pp__h5_writer_room(writer, end - (int64_t)info.st_size, err);
    if (status == PP_OK) writer->promised += bytes;
    return status;
}

/* Must follow every call that describes something: see the top of this file. */
pp_status pp__h5_writer_flush(pp_h5_writer *writer, pp_error *err)
{
    if (H5Fflush(writer->file, H5F_SCOPE_LOCAL) >= 0) return PP_OK;
    return pp__h5_fail(err, PP_E_IO, "%s: cannot write", writer->path);
}

static hid_t native_type(pp_h5_type type)
{
    switch (type) {
    case PP_H5_U8:
        return H5T_NATIVE_UINT8;
    case PP_H5_U16:
        return H5T_NATIVE_UINT16;
    case PP_H5_U32:
        return H5T_NATIVE_UINT32;
    case PP_H5_U64:
        return H5T_NATIVE_UINT64;
    case PP_H5_I8:
        return H5T_NATIVE_INT8;
    case PP_H5_I16:
        return H5T_NATIVE_INT16;
    case PP_H5_I32:
        return H5T_NATIVE_INT32;
    case PP_H5_I64:
        return H5T_NATIVE_INT64;
    case PP_H5_F32:
        return H5T_NATIVE_FLOAT;
    case PP_H5_F64:
        return H5T_NATIVE_DOUBLE;
    }
    PP_CHECK(!"a type of pp_h5_type");
    return -1;
}

/* HDF5 opens the file that pp_fs_create has just made. */
static pp_status create_file(pp_h5_writer *writer, pp_error *err)
{
    pp_status status = PP_OK;
    hid_t access = pp__h5_access(0), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_obj_track_times(creation, 0);
    /* Formats of 1.8 (2008): names of thousands of columns do not fit into an older header. */
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    writer->file = H5Fcreate(pp_fs_aside(writer->aside), H5F_ACC_TRUNC, creation, access);
    if (writer->file < 0) status = pp__h5_fail(err, PP_E_IO, "%s: cannot write", writer->path);
    H5Pclose(creation);
    H5Pclose(access);
    return status;
}

pp_status pp_h5_writer_create(const char *path, pp_h5_writer **writer, pp_error *err)
{
    pp__h5_quiet();
    if (pp_fs_is_directory(path))
        return pp_fail(err, PP_E_IO, "%s: is a directory; name a file to write", path);
    pp_h5_writer *w = calloc(1, sizeof *w);
    if (w == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    w->file = -1;
    w->path = strdup(path);
    pp_status status = PP_OK;
    if (w->path == NULL) status = pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    if (status == PP_OK) status = pp_fs_create(path, &w->aside, err);
    if (status == PP_OK) status = pp__h5_writer_room(w, slack, err);
    if (status == PP_OK) status = create_file(w, err);
    if (status == PP_OK) status = pp__h5_writer_flush(w, err);
    if (status != PP_OK) {
        pp_h5_writer_abandon(w);
        return status;
    }
    *writer = w;
    return PP_OK;
}

static hid_t make_creation(const out_set *set, const pp__h5_form *form)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(creation, 0);
    if (form->chunk_rows > 0) {
        hsize_t chunk[H5S_MAX_RANK];
        memcpy(chunk, set->dims, sizeof chunk);
        chunk[0] = (hsize_t)form->chunk_rows;
        H5Pset_chunk(creation, set->n_dims, chunk);
    }
    if (form->chunk_rows > 0 && form->gzip >= 0) {
        if (H5Tget_size(form->type) > 1) H5Pset_shuffle(creation);
        H5Pset_deflate(creation, (unsigned)form->gzip);
    }
    return creation;
}

static hid_t make_dataset(hid_t file, const out_set *set, const pp__h5_form *form)
{
    hsize_t most[H5S_MAX_RANK];
    memcpy(most, set->dims, sizeof most);
    if (set->grows) most[0] = H5S_UNLIMITED;
    hid_t space = H5Screate_simple(set->n_dims, set->dims, most);
    hid_t creation = make_creation(set, form);
    hid_t dataset =
        H5Dcreate2(file, set->name, form->type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    if (dataset < 0) return dataset; /* the two lists stay: closing them would clear the reason */
    H5Pclose(creation);
    H5Sclose(space);
    return dataset;
}

/* Takes name and dataset over where it succeeds. */
static pp_status keep_set(pp_h5_writer *writer, const out_set *set, pp_error *err)
{
    out_set *more = realloc(writer->sets, (size_t)(writer->n_sets + 1) * sizeof *more);
    if (more == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", writer->path);
    writer->sets = more;
    writer->sets[writer->n_sets++] = *set;
    return PP_OK;
}

pp_status pp__h5_writer_add(pp_h5_writer *writer, const char *name, const pp__h5_form *form,
                            int n_dims, const int64_t *dims, pp_error *err)
{
    PP_CHECK(n_dims >= 1 && n_dims <= H5S_MAX_RANK && form->chunk_rows >= 0 && dims[0] >= -1);
    PP_CHECK(dims[0] >= 0 || form->chunk_rows > 0);
    pp__h5_form fitted = *form;
    out_set set = {.n_dims = n_dims, .grows = dims[0] < 0};
    set.row_bytes = (int64_t)H5Tget_size(form->type);
    for (int d = 0; d < n_dims; d++) {
        PP_CHECK(d == 0 || dims[d] > 0);
        if (d > 0) set.row_bytes *= dims[d];
        set.dims[d] = dims[d] < 0 ? 0 : (hsize_t)dims[d];
    }
    if (!set.grows && (hsize_t)form->chunk_rows > set.dims[0])
        fitted.chunk_rows = (int64_t)set.dims[0];
    /* What compressed rows will take is not known: there is room for them as they come, or not. */
    int64_t bytes = form->gzip >= 0 ? 0 : (int64_t)set.dims[0] * set.row_bytes;
    pp_status status = ask_for_rows(writer, bytes, err);
    if (status != PP_OK) return status;
    set.name = strdup(name + strspn(name, "/"));
    if (set.name == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", writer->path);
    set.dataset = make_dataset(writer->file, &set, &fitted);
    if (set.dataset < 0)
        status =
            pp__h5_fail(err, PP_E_IO, "%s: cannot make the data set /%s", writer->path, set.name);
    else
        status = keep_set(writer, &set, err);
    if (status == PP_OK) return pp__h5_writer_flush(writer, err);
    if (set.dataset >= 0) H5Dclose(set.dataset);
    free(set.name);
    return status;
}

pp_status pp_h5_writer_add(pp_h5_writer *writer, const char *name, pp_h5_type type, int n_dims,
                           const int64_t *dims, int64_t chunk_rows, pp_error *err)
{
    pp__h5_form form = {native_type(type), chunk_rows, -1};
    return pp__h5_writer_add(writer, name, &form, n_dims, dims, err);
}

static out_set *find_set(pp_h5_writer *writer, const char *name)
{
    name += strspn(name, "/");
    for (int i = 0; i < writer->n_sets; i++)
        if (strcmp(writer->sets[i].name, name) == 0) return &writer->sets[i];
    return NULL;
}

static pp_status write_slab(pp_h5_writer *writer, out_set *set, hsize_t first, hsize_t count,
                            hid_t type, const void *values, pp_error *err)
{
    hsize_t start[H5S_MAX_RANK] = {first}, extent[H5S_MAX_RANK];
    memcpy(extent, set->dims, sizeof extent);
    extent[0] = count;
    pp_status status = PP_OK;
    hid_t in_file = H5Dget_space(set->dataset);
    hid_t in_memory = H5Screate_simple(set->n_dims, extent, NULL);
    if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
        H5Dwrite(set->dataset, type, in_memory, in_file, H5P_DEFAULT, values) < 0)
        status = pp__h5_fail(err, PP_E_IO, "%s: /%s: cannot write", writer->path, set->name);
    H5Sclose(in_memory);
    H5Sclose(in_file);
    return status;
}

static pp_status grow(pp_h5_writer *writer, out_set *set, hsize_t rows, pp_error *err)
{
    hsize_t larger[H5S_MAX_RANK];
    pp_status status = ask_for_rows(writer, (int64_t)(rows - set->dims[0]) * set->row_bytes, err);
    if (status != PP_OK) return status;
    memcpy(larger, set->dims, sizeof larger);
    larger[0] = rows;
    if (H5Dset_extent(set->dataset, larger) < 0)
        return pp__h5_fail(err, PP_E_IO, "%s: /%s: cannot grow", writer->path, set->name);
    set->dims[0] = rows;
    return PP_OK;
}

pp_status pp__h5_writer_put(pp_h5_writer *writer, const char *name, int64_t first, int64_t count,
                            hid_t type, const void *values, pp_error *err)
{
    out_set *set = find_set(writer, name);
    PP_CHECK(set != NULL && first >= 0 && count >= 0);
    hsize_t end = (hsize_t)first + (hsize_t)count;
    PP_CHECK(set->grows || end <= set->dims[0]);
    if (count == 0) return PP_OK;
    pp_status status = pp__h5_writer_room(writer, count * set->row_bytes + slack, err);
    if (status == PP_OK && end > set->dims[0]) status = grow(writer, set, end, err);
    if (status != PP_OK) return status;
    return write_slab(writer, set, (hsize_t)first, (hsize_t)count, type, values, err);
}

pp_status pp_h5_writer_put(pp_h5_writer *writer, const char *name, int64_t first, int64_t count,
                           pp_h5_type type, const void *values, pp_error *err)
{
    return pp__h5_writer_put(writer, name, first, count, native_type(type), values, err);
}

hid_t pp__h5_writer_file(const pp_h5_writer *writer)
{
    return writer->file;
}

pp_status pp_h5_writer_note(pp_h5_writer *writer, const char *key, const char *value, pp_error *err)
{
    size_t length = strlen(value);
    if (length > max_note)
        return pp_fail(err, PP_E_UNSUPPORTED,
                       "%s: attribute %s: %zu bytes are more than the %zu "
                       "that fit",
                       writer->path, key, length, max_note);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, length + 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(writer->file, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    pp_status status = PP_OK;
    if (attribute < 0 || H5Awrite(attribute, type, value) < 0)
        status = pp__h5_fail(err, PP_E_IO, "%s: attribute %s: cannot write", writer->path, key);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return status == PP_OK ? pp__h5_writer_flush(writer, err) : status;
}

pp_status pp_h5_writer_names(pp_h5_writer *writer, const char *name, const char *key,
                             const char *const *names, int64_t count, pp_error *err)
{
    out_set *set = find_set(writer, name);
    PP_CHECK(set != NULL && count > 0);
    int64_t bytes = 0;
    for (int64_t i = 0; i < count; i++)
        bytes += (int64_t)strlen(names[i]) + 64;
    pp_status status = pp__h5_writer_room(writer, bytes, err);
    if (status != PP_OK) return status;
    hsize_t extent = (hsize_t)count;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &extent, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t attribute = H5Acreate2(set->dataset, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, type, names) < 0)
        status = pp__h5_fail(err, PP_E_IO, "%s: attribute %s of /%s: cannot write", writer->path,
                             key, set->name);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return status == PP_OK ? pp__h5_writer_flush(writer, err) : status;
}

/* 0 when everything has reached the file. */
static int close_sets(pp_h5_writer *writer)
{
    int failed = 0;
    for (int i = 0; i < writer->n_sets; i++) {
        failed |= H5Dclose(writer->sets[i].dataset) < 0;
        free(writer->sets[i].name);
    }
    writer->n_sets = 0;
    free(writer->sets);
    writer->sets = NULL;
    return failed;
}

static void free_writer(pp_h5_writer *writer)
{
    free(writer->path);
    free(writer);
}

pp_status pp_h5_writer_close(pp_h5_writer *writer, pp_error *err)
{
    pp_status status = pp__h5_writer_flush(writer, err);
    if ((close_sets(writer) || H5Fclose(writer->file) < 0) && status == PP_OK)
        status = pp__h5_fail(err, PP_E_IO, "%s: cannot write", writer->path);
    if (status == PP_OK)
        status = pp_fs_commit(writer->aside, err);
    else
        pp_fs_abandon(writer->aside);
    free_writer(writer);
    return status;
}

void pp_h5_writer_abandon(pp_h5_writer *writer)
{
    if (writer == NULL) return;
    close_sets(writer);
    if (writer->file >= 0) H5Fclose(writer->file);
    pp_fs_abandon(writer->aside);
    free_writer(writer);
}
