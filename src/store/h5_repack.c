/* The objects of a file, one after another: what describes the output is written first, as its
 * writer wants it, then the rows. */
#include "h5_repack.h"

#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

/* A chunk is read and inflated whole: large enough that a read is long, small enough that a file
 * has hundreds of windows to mix. */
enum { CHUNK_BYTES = 1 << 20, LEAST_CHUNK_BYTES = 64 << 10, WINDOWS = 256 };
enum { MOST_CHUNK_BYTES = 16 << 20 }; /* of sets with far larger rows than x */

/* ---- layout ---- */

static int64_t at_least_1(int64_t value)
{
    return value > 1 ? value : 1;
}

static int64_t choose_chunk_rows(const pp__repack *r)
{
    if (r->options->chunk_rows > 0) return r->options->chunk_rows;
    if (r->options->gzip < 0) return 0;
    int64_t bytes = r->rows * r->x_row_bytes / WINDOWS;
    if (bytes > CHUNK_BYTES) bytes = CHUNK_BYTES;
    if (bytes < LEAST_CHUNK_BYTES) bytes = LEAST_CHUNK_BYTES;
    int64_t rows = at_least_1(bytes / r->x_row_bytes);
    return rows < r->rows ? rows : r->rows;
}

static int64_t fit_chunk(const pp__repack *r, const pp__row_set *set)
{
    int64_t rows = choose_chunk_rows(r), most = at_least_1(MOST_CHUNK_BYTES / set->row_bytes);
    return r->options->chunk_rows > 0 || rows < most ? rows : most;
}

/* ---- row data sets ---- */

static void forget_set(pp__row_set *set)
{
    pp__h5_forget(&set->behind);
    free(set->name);
}

/* Takes the set over where it succeeds. */
static pp_status keep_set(pp__repack *r, const pp__row_set *set, pp_error *err)
{
    pp__row_set *more = realloc(r->sets, (size_t)(r->n_sets + 1) * sizeof *more);
    if (more == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", r->input);
    r->sets = more;
    r->sets[r->n_sets++] = *set;
    r->bytes += set->row_bytes * r->rows;
    return PP_OK;
}

static int has_pointers(hid_t type)
{
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_VLEN) return 1;
    if (class == H5T_STRING) return H5Tis_variable_str(type) > 0;
    int found = 0;
    for (int i = 0; class == H5T_COMPOUND && i < H5Tget_nmembers(type); i++) {
        hid_t member = H5Tget_member_type(type, (unsigned)i);
        found |= has_pointers(member);
        H5Tclose(member);
    }
    if (class != H5T_ARRAY) return found;
    hid_t element = H5Tget_super(type);
    found = has_pointers(element);
    H5Tclose(element);
    return found;
}

static pp_status add_row_set(pp__repack *r, hid_t from, hid_t type, const pp__h5_layout *found,
                             const char *name, pp_error *err)
{
    pp__row_set set = {.n_dims = found->n_dims, .row_bytes = (int64_t)H5Tget_size(type)};
    for (int d = 0; d < found->n_dims; d++) {
        set.dims[d] = (int64_t)found->dims[d];
        if (d > 0) set.row_bytes *= set.dims[d];
    }
    set.has_pointers = has_pointers(type);
    set.chunk_rows = fit_chunk(r, &set);
    set.name = strdup(name);
    if (set.name == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", r->input);
    pp__h5_form form = {type, set.chunk_rows, set.chunk_rows > 0 ? r->options->gzip : -1};
    pp__h5_wanted wanted = {r->input, name, NULL, r->options->follow_links, 0};
    pp_status status = pp__h5_check_values(r->file, &wanted, &set.behind, err);
    if (status == PP_OK)
        status = pp__h5_writer_add(r->writer, name, &form, set.n_dims, set.dims, err);
    if (status == PP_OK) {
        hid_t to = H5Dopen2(pp__h5_writer_file(r->writer), name, H5P_DEFAULT);
        status = pp__repack_attributes(r, from, to, name, err);
        H5Dclose(to);
    }
    if (status == PP_OK) status = keep_set(r, &set, err);
    if (status != PP_OK) forget_set(&set);
    return status;
}

/* ---- all else ---- */

/* Without its attributes: HDF5 would turn references among them to nothing without a word. */
static pp_status copy_object(pp__repack *r, const char *name, int64_t bytes, pp_error *err)
{
    hid_t out = pp__h5_writer_file(r->writer), plan = H5Pcreate(H5P_OBJECT_COPY);
    H5Pset_copy_object(plan, H5O_COPY_WITHOUT_ATTR_FLAG);
    pp_status status = pp__h5_writer_room(r->writer, bytes + (1 << 16), err);
    if (status == PP_OK && H5Ocopy(r->file, name, out, name, plan, H5P_DEFAULT) < 0)
        status = pp__h5_fail(err, PP_E_IO, "%s: /%s cannot be copied", r->input, name);
    H5Pclose(plan);
    if (status != PP_OK) return status;
    hid_t from = H5Oopen(r->file, name, H5P_DEFAULT), to = H5Oopen(out, name, H5P_DEFAULT);
    status = pp__repack_attributes(r, from, to, name, err);
    H5Oclose(to);
    H5Oclose(from);
    return status;
}

/* Whether its rows are to be rewritten: as many as of x, and values that can be moved. */
static int is_row_set(const pp__repack *r, const pp__h5_layout *found, hid_t type)
{
    int moves = found->n_dims >= 1 && (int64_t)found->dims[0] == r->rows;
    for (int d = 1; d < found->n_dims; d++)
        moves &= found->dims[d] > 0;
    return moves && H5Tdetect_class(type, H5T_REFERENCE) <= 0;
}

/* Nothing in the file, and nothing in others. */
static int is_unwritten(hid_t dataset)
{
    H5D_space_status_t space;
    hid_t creation = H5Dget_create_plist(dataset);
    int is_here = H5Pget_layout(creation) != H5D_VIRTUAL && H5Pget_external_count(creation) == 0;
    H5Pclose(creation);
    return is_here && H5Dget_space_status(dataset, &space) >= 0 &&
           space == H5D_SPACE_STATUS_NOT_ALLOCATED;
}

/* Raw storage in another file would be copied as well. */
static pp_status check_copied(const pp__repack *r, hid_t dataset, const char *name, pp_error *err)
{
    char other[256] = "?";
    hid_t creation = H5Dget_create_plist(dataset);
    int count = H5Pget_external_count(creation);
    if (count > 0) H5Pget_external(creation, 0, sizeof other - 1, other, NULL, NULL);
    H5Pclose(creation);
    if (count <= 0 || r->options->follow_links) return PP_OK;
    return pp__h5_refuse(r->input, name, "stored in", other, err);
}

static pp_status take_dataset(pp__repack *r, const char *name, pp_error *err)
{
    hid_t from;
    pp__h5_layout found;
    pp_status status = pp__h5_open_any(r->file, r->input, name, &from, &found, err);
    if (status != PP_OK) return status;
    hid_t in_file = H5Dget_type(from), type = H5Tcopy(in_file);
    if (is_row_set(r, &found, type) && !is_unwritten(from)) {
        status = add_row_set(r, from, type, &found, name, err);
    } else {
        r->references += H5Tdetect_class(type, H5T_REFERENCE) > 0;
        status = check_copied(r, from, name, err);
        if (status == PP_OK) status = copy_object(r, name, (int64_t)H5Dget_storage_size(from), err);
    }
    H5Tclose(type);
    H5Tclose(in_file);
    H5Dclose(from);
    return status;
}

static pp_status take_group(pp__repack *r, const char *name, pp_error *err)
{
    pp_status status = pp__h5_writer_room(r->writer, 1 << 16, err);
    if (status != PP_OK) return status;
    hid_t from = H5Gopen2(r->file, name, H5P_DEFAULT);
    hid_t to =
        H5Gcreate2(pp__h5_writer_file(r->writer), name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    status = from < 0 || to < 0
                 ? pp__h5_fail(err, PP_E_IO, "%s: /%s cannot be copied", r->input, name)
                 : pp__repack_attributes(r, from, to, name, err);
    if (to >= 0) H5Gclose(to);
    if (from >= 0) H5Gclose(from);
    return status;
}

/* ---- links ---- */

typedef struct seen { /* an object with several names */
    haddr_t address;
    char *name;
} seen;

typedef struct walk {
    pp__repack *repack;
    seen *seen; /* [n_seen] */
    int n_seen;
    pp_status status;
    pp_error *err;
} walk;

static const char *first_name(const walk *w, haddr_t address)
{
    for (int i = 0; i < w->n_seen; i++)
        if (w->seen[i].address == address) return w->seen[i].name;
    return NULL;
}

static pp_status note_seen(walk *w, haddr_t address, const char *name)
{
    seen *more = realloc(w->seen, (size_t)(w->n_seen + 1) * sizeof *more);
    if (more != NULL) w->seen = more;
    char *copy = more == NULL ? NULL : strdup(name);
    if (copy == NULL) return pp_fail(w->err, PP_E_MEMORY, "%s: out of memory", w->repack->input);
    w->seen[w->n_seen++] = (seen){address, copy};
    return PP_OK;
}

static pp_status take_hard(walk *w, const char *name)
{
    pp__repack *r = w->repack;
    H5O_info_t info;
    if (H5Oget_info_by_name(r->file, name, &info, H5P_DEFAULT) < 0)
        return pp__h5_fail(w->err, PP_E_DATA, "%s: /%s cannot be opened", r->input, name);
    hid_t out = pp__h5_writer_file(r->writer);
    const char *first = info.rc > 1 ? first_name(w, info.addr) : NULL;
    if (first != NULL) {
        if (H5Lcreate_hard(out, first, out, name, H5P_DEFAULT, H5P_DEFAULT) >= 0) return PP_OK;
        return pp__h5_fail(w->err, PP_E_IO, "%s: /%s cannot be made", r->output, name);
    }
    pp_status status = info.type == H5O_TYPE_GROUP     ? take_group(r, name, w->err)
                       : info.type == H5O_TYPE_DATASET ? take_dataset(r, name, w->err)
                                                       : copy_object(r, name, 1 << 16, w->err);
    return status == PP_OK && info.rc > 1 ? note_seen(w, info.addr, name) : status;
}

static pp_status take_soft(walk *w, const char *name, size_t size)
{
    pp__repack *r = w->repack;
    pp_status status = PP_OK;
    char *target = calloc(1, size + 1);
    if (target == NULL) return pp_fail(w->err, PP_E_MEMORY, "%s: out of memory", r->input);
    if (H5Lget_val(r->file, name, target, size, H5P_DEFAULT) < 0 ||
        H5Lcreate_soft(target, pp__h5_writer_file(r->writer), name, H5P_DEFAULT, H5P_DEFAULT) < 0)
        status = pp__h5_fail(w->err, PP_E_IO, "%s: the link /%s cannot be copied", r->input, name);
    free(target);
    return status;
}

static herr_t take_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    (void)group;
    walk *w = context;
    if (info->type == H5L_TYPE_HARD)
        w->status = take_hard(w, name);
    else if (info->type == H5L_TYPE_SOFT)
        w->status = take_soft(w, name, info->u.val_size);
    else
        w->status = pp_fail(w->err, PP_E_DATA,
                            "%s: /%s is a link to another file; repack that file instead",
                            w->repack->input, name);
    return w->status == PP_OK ? 0 : -1;
}

static pp_status take_all(pp__repack *r, pp_error *err)
{
    walk w = {.repack = r, .err = err};
    hid_t to = pp__h5_writer_file(r->writer);
    w.status = pp__repack_attributes(r, r->file, to, "", err);
    if (w.status == PP_OK && H5Lvisit(r->file, H5_INDEX_NAME, H5_ITER_NATIVE, take_link, &w) < 0 &&
        w.status == PP_OK)
        w.status = pp__h5_fail(err, PP_E_DATA, "%s: cannot be read", r->input);
    for (int i = 0; i < w.n_seen; i++)
        free(w.seen[i].name);
    free(w.seen);
    return w.status == PP_OK ? pp__h5_writer_flush(r->writer, err) : w.status;
}

/* ---- the file ---- */

/* x tells what a row is. */
static pp_status look_at_x(pp__repack *r, pp_error *err)
{
    hid_t x;
    pp__h5_layout found;
    pp__h5_behind behind = {NULL, 0};
    const char *name = r->options->x + strspn(r->options->x, "/");
    pp__h5_wanted wanted = {r->input, name, NULL, r->options->follow_links, 0};
    pp_status status = pp__h5_open_dataset(r->file, &wanted, &x, &found, &behind, err);
    if (status != PP_OK) return status;
    hid_t type = H5Dget_type(x);
    r->rows = (int64_t)found.dims[0];
    r->x_row_bytes = (int64_t)H5Tget_size(type);
    for (int d = 1; d < found.n_dims; d++)
        r->x_row_bytes *= (int64_t)found.dims[d];
    H5Tclose(type);
    H5Dclose(x);
    pp__h5_forget(&behind);
    if (r->rows > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: /%s has no rows", r->input, name);
}

static pp_status write_output(pp__repack *r, pp_error *err)
{
    pp_status status = pp_h5_writer_create(r->output, &r->writer, err);
    if (status != PP_OK) return status;
    status = take_all(r, err);
    for (int i = 0; i < r->n_sets && status == PP_OK; i++)
        status = pp__repack_rows(r, &r->sets[i], err);
    if (status == PP_OK) return pp_h5_writer_close(r->writer, err);
    pp_h5_writer_abandon(r->writer);
    return status;
}

pp_status pp_repack(const char *input, const char *output, const pp_repack_options *options,
                    pp_repacked *made, pp_error *err)
{
    PP_CHECK(options->memory >= 1 && options->chunk_rows >= 0 && options->gzip <= 9);
    pp__repack r = {.input = input, .output = output, .options = options};
    pp__h5_quiet();
    pp_status status = pp__h5_open_file(input, &r.file, err);
    if (status != PP_OK) return status;
    status = look_at_x(&r, err);
    if (status == PP_OK) status = write_output(&r, err);
    if (status == PP_OK && made != NULL)
        *made = (pp_repacked){r.rows, r.n_sets, choose_chunk_rows(&r), r.references};
    for (int i = 0; i < r.n_sets; i++)
        forget_set(&r.sets[i]);
    free(r.sets);
    H5Fclose(r.file);
    return status;
}
