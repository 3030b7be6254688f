/* Reading rows of one data set, or of a field of a table, that may be spread over a list of files.
 *
 * Every file is opened and checked once when the set is opened. After that a limited number stays
 * open, so that a list longer than the process may hold descriptors works too. */
#include "store/h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h5_common.h"
#include "h5_names.h"
#include "pitprop/check.h"

enum { MAX_OPEN = 32 };

/* Of one conversion to float: HDF5 would allocate, and clear, a whole MiB for each read. */
enum { CONVERSION_BYTES = 128 * 1024 };
enum { UNPACKED_VALUES = 64 * 1024 };

/* Of numbers in memory. */
typedef enum kind { F32, F64, I64, U64, KINDS } kind;
static const size_t kind_bytes[KINDS] = {sizeof(float), sizeof(double), sizeof(int64_t),
                                         sizeof(uint64_t)};

typedef struct part {
    char *path;
    int64_t first, rows; /* rows [first, first + rows) of the set */
    uint64_t last_use;
    hid_t file, dataset; /* -1 while closed */
    pp__h5_behind behind;
    uint64_t number; /* of the file when it was first opened, and its bytes */
    int64_t bytes;
    int64_t plain_rows; /* of a chunk that can be read as it is; 0: none can */
    pp__h5_marks marks;
    int is_unsigned;
    pp__h5_names classes;
    int64_t *recode; /* [classes.count] numbers that labels become; NULL: they stay */
    pp__h5_stripes stripes;
} part;

struct pp__h5_one {
    char *name;         /* without a leading '/' */
    char *field;        /* of a table, inside name's text; NULL: none */
    int follow;         /* to other files */
    hid_t types[KINDS]; /* in memory, or tables of that one field */
    part *parts;
    int n_parts, n_open;
    pp__h5_layout shape; /* of the first file; dims[0] is not used */
    int64_t rows, columns;
    pp__h5_names names; /* of columns, in the first file that has them */
    const char *names_from;
    uint64_t clock;
    hid_t transfer; /* properties of a read */
    void *conversion;
    size_t conversion_bytes;
    double *unpacked; /* [unpacked_values] for values with marks; NULL: no file has any */
    int64_t unpacked_values;
};

/* ---- parts: opened when needed, the one unused for longest closed when too many are open ---- */

static void close_part(pp__h5_one *set, part *p)
{
    if (p->file < 0) return;
    H5Dclose(p->dataset);
    pp__h5_forget(&p->behind);
    H5Fclose(p->file);
    p->file = p->dataset = -1;
    set->n_open--;
}

static void close_oldest(pp__h5_one *set)
{
    part *oldest = NULL;
    for (int i = 0; i < set->n_parts; i++) {
        part *p = &set->parts[i];
        if (p->file >= 0 && (oldest == NULL || p->last_use < oldest->last_use)) oldest = p;
    }
    if (oldest != NULL) close_part(set, oldest);
}

/* A file that was closed in between may be another by now. */
static pp_status check_same_file(part *p, hid_t file, pp_error *err)
{
    uint64_t number = pp__h5_file_number(file);
    int64_t bytes = pp__h5_file_bytes(file);
    if (p->number == 0) {
        p->number = number;
        p->bytes = bytes;
    }
    if (p->number == number && p->bytes == bytes) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: has been replaced since it was opened; put the file back, or start again",
                   p->path);
}

static pp_status open_part(pp__h5_one *set, part *p, pp__h5_layout *found, pp_error *err)
{
    if (set->n_open >= MAX_OPEN) close_oldest(set);
    hid_t file, dataset;
    pp__h5_wanted wanted = {p->path, set->name, set->field, set->follow, p->number != 0};
    pp_status status = pp__h5_open_file(p->path, &file, err);
    if (status != PP_OK) return status;
    status = check_same_file(p, file, err);
    if (status == PP_OK)
        status = pp__h5_open_dataset(file, &wanted, &dataset, found, &p->behind, err);
    if (status != PP_OK) {
        H5Fclose(file);
        return status;
    }
    p->file = file;
    p->dataset = dataset;
    p->plain_rows = found->is_plain ? found->chunk_rows : 0;
    p->marks = found->marks;
    p->is_unsigned = found->is_unsigned;
    set->n_open++;
    return PP_OK;
}

/* ---- the set ---- */

static pp_status check_same_rows(const pp__h5_one *set, const part *p, const pp__h5_layout *found,
                                 pp_error *err)
{
    const pp__h5_layout *first = &set->shape;
    size_t bytes = sizeof *found->dims * (size_t)(found->n_dims - 1);
    if (found->n_dims == first->n_dims && memcmp(found->dims + 1, first->dims + 1, bytes) == 0 &&
        found->field_values == first->field_values)
        return PP_OK;
    char here[96], there[96];
    pp__h5_shape_text(found->n_dims - 1, found->dims + 1, here, sizeof here);
    pp__h5_shape_text(first->n_dims - 1, first->dims + 1, there, sizeof there);
    return pp_fail(err, PP_E_DATA, "%s: /%s has rows of shape %s, but those of %s have %s", p->path,
                   set->name, here, set->parts[0].path, there);
}

static pp_status take_layout(pp__h5_one *set, const pp__h5_layout *found, pp_error *err)
{
    const hid_t numbers[KINDS] = {H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE, H5T_NATIVE_INT64,
                                  H5T_NATIVE_UINT64};
    set->shape = *found;
    set->columns = found->field_values;
    for (int d = 1; d < found->n_dims; d++)
        set->columns *= (int64_t)found->dims[d];
    for (int i = 0; i < KINDS; i++) {
        set->types[i] = pp__h5_memory_type(numbers[i], kind_bytes[i], set->field, found);
        if (set->types[i] < 0) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", set->name);
    }
    return PP_OK;
}

/* HDF5 converts whole elements: a field can be longer than what usually does. */
static pp_status fit_conversion(pp__h5_one *set, const part *p, pp_error *err)
{
    hid_t type = H5Dget_type(p->dataset);
    size_t in_file = H5Tget_size(type), in_memory = H5Tget_size(set->types[F64]);
    H5Tclose(type);
    size_t wanted = 2 * (in_file > in_memory ? in_file : in_memory);
    if (wanted <= set->conversion_bytes) return PP_OK;
    void *room = malloc(wanted);
    if (room == NULL || H5Pset_buffer(set->transfer, wanted, room, NULL) < 0) {
        free(room);
        return pp_fail(err, PP_E_MEMORY, "%s: out of memory", set->name);
    }
    free(set->conversion);
    set->conversion = room;
    set->conversion_bytes = wanted;
    return PP_OK;
}

static pp_status make_unpacked(pp__h5_one *set, pp_error *err)
{
    if (set->unpacked != NULL) return PP_OK;
    int64_t rows = UNPACKED_VALUES / set->columns;
    set->unpacked_values = (rows > 0 ? rows : 1) * set->columns;
    set->unpacked = malloc((size_t)set->unpacked_values * sizeof *set->unpacked);
    return set->unpacked != NULL ? PP_OK
                                 : pp_fail(err, PP_E_MEMORY, "%s: out of memory", set->name);
}

/* Names of columns must agree where several files have them. */
static pp_status take_names(pp__h5_one *set, part *p, pp_error *err)
{
    pp__h5_names names = {0, NULL};
    pp_status status = pp__h5_read_columns(p->dataset, set->field, set->columns, &names, err);
    if (status == PP_OK)
        status = pp__h5_read_classes(p->file, p->dataset, set->name, set->field, &p->classes, err);
    if (status == PP_OK && names.count > 0 && set->names.count > 0)
        status = pp__h5_compare_columns((const char *const *)names.names,
                                        (const char *const *)set->names.names, set->columns,
                                        p->path, set->names_from, err);
    if (status == PP_OK && set->names.count == 0) {
        set->names = names;
        set->names_from = p->path;
        return PP_OK;
    }
    pp__h5_names_free(&names);
    return status;
}

/* Opens part i, checks it against the first and appends its rows. */
static pp_status add_part(pp__h5_one *set, int i, pp_error *err)
{
    pp__h5_layout found;
    part *p = &set->parts[i];
    pp_status status = open_part(set, p, &found, err);
    if (status != PP_OK) return status;
    if (i == 0) status = take_layout(set, &found, err);
    if (status == PP_OK) status = check_same_rows(set, p, &found, err);
    if (status == PP_OK) status = fit_conversion(set, p, err);
    if (status == PP_OK && pp__h5_has_marks(&p->marks)) status = make_unpacked(set, err);
    if (status == PP_OK) status = take_names(set, p, err);
    if (status == PP_OK) status = pp__h5_stripes_start(p->dataset, &p->stripes, err);
    if (status != PP_OK) return status;
    p->first = set->rows;
    p->rows = (int64_t)found.dims[0];
    set->rows += p->rows;
    set->shape.is_integer &= found.is_integer;
    set->shape.is_single &= found.is_single;
    if (found.cache > set->shape.cache) set->shape.cache = found.cache;
    if (found.chunk_rows > set->shape.chunk_rows) set->shape.chunk_rows = found.chunk_rows;
    return PP_OK;
}

static int prepare_transfer(pp__h5_one *set)
{
    set->conversion = malloc(CONVERSION_BYTES);
    set->conversion_bytes = CONVERSION_BYTES;
    set->transfer = H5Pcreate(H5P_DATASET_XFER);
    return set->conversion != NULL && set->transfer >= 0 &&
           H5Pset_buffer(set->transfer, CONVERSION_BYTES, set->conversion, NULL) >= 0;
}

static pp__h5_one *create_set(const char *const *files, int n_files, const char *name)
{
    pp__h5_one *set = calloc(1, sizeof *set);
    if (set == NULL) return NULL;
    set->transfer = -1;
    for (int i = 0; i < KINDS; i++)
        set->types[i] = -1;
    set->name = strdup(name + strspn(name, "/"));
    set->field = set->name == NULL ? NULL : strchr(set->name, ':');
    if (set->field != NULL) *set->field++ = '\0';
    set->parts = calloc((size_t)n_files, sizeof *set->parts);
    int complete = set->name != NULL && set->parts != NULL && prepare_transfer(set);
    for (int i = 0; complete && i < n_files; i++) {
        part *p = &set->parts[set->n_parts++];
        p->file = p->dataset = -1;
        p->path = strdup(files[i]);
        complete = p->path != NULL;
    }
    if (complete) return set;
    pp__h5_one_close(set);
    return NULL;
}

pp_status pp__h5_one_open(const char *const *files, int n_files, const char *name, int follow,
                          pp__h5_one **set, pp_error *err)
{
    PP_CHECK(n_files > 0);
    pp__h5_quiet();
    pp__h5_one *s = create_set(files, n_files, name);
    if (s == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", files[0]);
    s->follow = follow;
    for (int i = 0; i < n_files; i++) {
        pp_status status = add_part(s, i, err);
        if (status != PP_OK) {
            pp__h5_one_close(s);
            return status;
        }
    }
    *set = s;
    return PP_OK;
}

void pp__h5_one_close(pp__h5_one *set)
{
    if (set == NULL) return;
    for (int i = 0; i < set->n_parts; i++) {
        close_part(set, &set->parts[i]);
        pp__h5_names_free(&set->parts[i].classes);
        free(set->parts[i].recode);
        pp__h5_stripes_end(&set->parts[i].stripes);
        free(set->parts[i].path);
    }
    for (int i = 0; i < KINDS; i++)
        if (set->types[i] >= 0) H5Tclose(set->types[i]);
    if (set->transfer >= 0) H5Pclose(set->transfer);
    pp__h5_names_free(&set->names);
    free(set->conversion);
    free(set->unpacked);
    free(set->parts);
    free(set->name);
    free(set);
}

int64_t pp__h5_one_rows(const pp__h5_one *set)
{
    return set->rows;
}

int64_t pp__h5_one_file_rows(const pp__h5_one *set, int file)
{
    PP_CHECK(file >= 0 && file < set->n_parts);
    return set->parts[file].rows;
}

int pp__h5_one_row_shape(const pp__h5_one *set, int64_t *sizes, int most)
{
    int n = set->shape.n_dims - 1;
    int64_t count = 1;
    for (int d = 0; d < n && n <= most; d++)
        count *= sizes[d] = (int64_t)set->shape.dims[d + 1];
    if (n > 0 && n <= most && count == set->columns) return n;
    sizes[0] = set->columns;
    return 1;
}

int64_t pp__h5_one_columns(const pp__h5_one *set)
{
    return set->columns;
}

int pp__h5_one_is_integer(const pp__h5_one *set)
{
    return set->shape.is_integer;
}

int pp__h5_one_is_single(const pp__h5_one *set)
{
    return set->shape.is_single;
}

int pp__h5_one_is_category(const pp__h5_one *set)
{
    return set->parts[0].marks.is_category;
}

int64_t pp__h5_one_chunk_rows(const pp__h5_one *set)
{
    return set->shape.chunk_rows;
}

int64_t pp__h5_one_cache_bytes(const pp__h5_one *set)
{
    return (int64_t)set->shape.cache * (set->n_parts < MAX_OPEN ? set->n_parts : MAX_OPEN);
}

/* ---- names ---- */

const char *pp__h5_one_column_name(const pp__h5_one *set, int64_t column)
{
    return set->names.count > 0 ? set->names.names[column] : NULL;
}

const pp__h5_names *pp__h5_one_classes(const pp__h5_one *set)
{
    return &set->parts[0].classes;
}

static pp_status fail_class(const pp__h5_one *set, const part *p, const char *class,
                            const char *where, pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s has a class '%.60s', which is none of the classes of %s", p->path,
                   set->name, class, where);
}

static pp_status fail_unnamed(const pp__h5_one *set, const part *p, const char *where, int has,
                              pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: the classes of /%s have %s, those of %s have %s: which is which is not "
                   "known; give both data sets the attribute \"classes\", a list of the names",
                   p->path, set->name, has ? "names" : "no names", where, has ? "none" : "them");
}

/* Labels in the order of names: not only within a file. */
static pp_status match_part(const pp__h5_one *set, part *p, const char *const *names, int64_t count,
                            const char *where, pp_error *err)
{
    if ((p->classes.count > 0) != (count > 0))
        return fail_unnamed(set, p, where, p->classes.count > 0, err);
    int differs = 0;
    free(p->recode);
    p->recode = malloc((size_t)(p->classes.count + 1) * sizeof *p->recode);
    if (p->recode == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    for (int64_t k = 0; k < p->classes.count; k++) {
        p->recode[k] = pp__h5_find_name(names, count, p->classes.names[k]);
        if (p->recode[k] < 0) return fail_class(set, p, p->classes.names[k], where, err);
        differs |= p->recode[k] != k;
    }
    if (differs && set->columns > 1)
        return pp_fail(err, PP_E_DATA,
                       "%s: the classes of /%s have another order than those of %s; put the "
                       "columns into the same order",
                       p->path, set->name, where);
    if (!differs) free(p->recode);
    if (!differs) p->recode = NULL;
    return PP_OK;
}

pp_status pp__h5_one_match_classes(pp__h5_one *set, const char *const *names, int64_t count,
                                   const char *where, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; i < set->n_parts && status == PP_OK; i++)
        status = match_part(set, &set->parts[i], names, count, where, err);
    return status;
}

static double get_label(kind k, const void *values, int64_t i)
{
    return k == F32   ? (double)((const float *)values)[i]
           : k == F64 ? ((const double *)values)[i]
                      : (double)((const int64_t *)values)[i];
}

static void set_label(kind k, void *values, int64_t i, int64_t label)
{
    if (k == F32)
        ((float *)values)[i] = (float)label;
    else if (k == F64)
        ((double *)values)[i] = (double)label;
    else
        ((int64_t *)values)[i] = label;
}

/* values: [count] labels. */
static pp_status recode(const pp__h5_one *set, const part *p, int64_t first, int64_t count, kind k,
                        void *values, pp_error *err)
{
    for (int64_t i = 0; p->recode != NULL && i < count; i++) {
        double label = get_label(k, values, i);
        int is_class = label >= 0 && label < (double)p->classes.count;
        if (!is_class || (double)(int64_t)label != label)
            return pp_fail(err, PP_E_DATA,
                           "%s: /%s: row %lld: label %g is none of its %lld classes", p->path,
                           set->name, (long long)(first + i), label, (long long)p->classes.count);
        set_label(k, values, i, p->recode[(int64_t)label]);
    }
    return PP_OK;
}

/* ---- reading ---- */

static int part_of(const pp__h5_one *set, int64_t row)
{
    int i = 0;
    while (row >= set->parts[i].first + set->parts[i].rows)
        i++;
    return i;
}

void pp__h5_one_locate(const pp__h5_one *set, int64_t row, char *text, size_t size)
{
    PP_CHECK(row >= 0 && row < set->rows);
    const part *p = &set->parts[part_of(set, row)];
    snprintf(text, size, "%s: /%s: row %lld", p->path, set->name, (long long)(row - p->first));
}

const char *pp__h5_one_missing(const pp__h5_one *set, int64_t row)
{
    return set->parts[part_of(set, row)].marks.n_missing > 0
               ? ", which stands for missing values if it is NaN (_FillValue, missing_value),"
               : "";
}

/* HDF5 reads zeros behind the end of a file that has become shorter. */
static pp_status check_length(part *p, pp_error *err)
{
    int64_t bytes = pp__h5_file_bytes(p->file);
    if (bytes >= p->bytes) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: has been cut from %lld to %lld bytes while it was read; copy or make it "
                   "again",
                   p->path, (long long)p->bytes, (long long)bytes);
}

/* The memory space has the rank of the file's: HDF5 maps chunks element by element otherwise. */
pp_status pp__h5_read_rows(hid_t dataset, const char *path, const char *name, hid_t type,
                           hid_t transfer, int64_t first, int64_t count, void *values,
                           pp_error *err)
{
    hsize_t start[H5S_MAX_RANK] = {(hsize_t)first}, extent[H5S_MAX_RANK];
    pp_status status = PP_OK;
    hid_t in_file = H5Dget_space(dataset);
    int n_dims = H5Sget_simple_extent_dims(in_file, extent, NULL);
    extent[0] = (hsize_t)count;
    hid_t in_memory = H5Screate_simple(n_dims, extent, NULL);
    if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
        H5Dread(dataset, type, in_memory, in_file, transfer, values) < 0)
        status = pp__h5_fail(err, PP_E_IO, "%s: /%s: rows %lld to %lld cannot be read", path, name,
                             (long long)first, (long long)(first + count - 1));
    H5Sclose(in_memory);
    H5Sclose(in_file);
    return status;
}

static pp_status reopen(pp__h5_one *set, part *p, pp_error *err)
{
    if (p->file >= 0) return PP_OK;
    pp__h5_layout found;
    pp_status status = open_part(set, p, &found, err);
    if (status != PP_OK) return status;
    if (found.n_dims == set->shape.n_dims && (int64_t)found.dims[0] == p->rows)
        return check_same_rows(set, p, &found, err);
    return pp_fail(err, PP_E_DATA, "%s: /%s has changed since it was opened", p->path, set->name);
}

pp_status pp__h5_one_describe(pp__h5_one *set, int file, pp_h5_facts *facts, pp_error *err)
{
    PP_CHECK(file >= 0 && file < set->n_parts);
    part *p = &set->parts[file];
    pp_status status = reopen(set, p, err);
    if (status != PP_OK) return status;
    p->last_use = ++set->clock;
    pp__h5_describe(p->dataset, facts);
    return PP_OK;
}

/* Whole chunks of floats without HDF5's cache, which copies them twice. Returns how many rows, from
 * the first on; the others are read as any. */
static int64_t read_chunks(const part *p, int64_t first, int64_t count, size_t row_size, char *to)
{
    if (p->plain_rows == 0 || first % p->plain_rows != 0) return 0;
    int64_t done = 0;
    hsize_t offset[H5S_MAX_RANK] = {0}, wanted = (hsize_t)p->plain_rows * row_size, bytes;
    while (done + p->plain_rows <= count) {
        uint32_t left_out;
        offset[0] = (hsize_t)(first + done);
        /* A chunk that was never written has 0 bytes, and is read as the fill value. */
        if (H5Dget_chunk_storage_size(p->dataset, offset, &bytes) < 0 || bytes != wanted ||
            H5Dread_chunk(p->dataset, H5P_DEFAULT, offset, &left_out, to) < 0)
            break;
        done += p->plain_rows;
        to += wanted;
    }
    return done;
}

/* Values of the file, without what attributes say of them. */
static pp_status read_raw(const pp__h5_one *set, const part *p, int64_t first, int64_t count,
                          kind k, void *values, pp_error *err)
{
    return pp__h5_read_rows(p->dataset, p->path, set->name, set->types[k], set->transfer, first,
                            count, values, err);
}

/* By way of doubles, a portion at a time. */
static pp_status read_marked(const pp__h5_one *set, const part *p, int64_t first, int64_t count,
                             kind k, char *values, pp_error *err)
{
    int64_t most = set->unpacked_values / set->columns;
    while (count > 0) {
        int64_t rows = count < most ? count : most, n = rows * set->columns;
        pp_status status = read_raw(set, p, first, rows, F64, set->unpacked, err);
        if (status != PP_OK) return status;
        pp__h5_apply_marks(&p->marks, set->unpacked, n);
        if (k == F64) memcpy(values, set->unpacked, (size_t)n * sizeof(double));
        for (int64_t i = 0; k == F32 && i < n; i++)
            ((float *)values)[i] = (float)set->unpacked[i];
        values += (size_t)n * kind_bytes[k];
        first += rows;
        count -= rows;
    }
    return PP_OK;
}

/* Rows of an open part: [first, first + count) of it. */
static pp_status read_part(const pp__h5_one *set, const part *p, int64_t first, int64_t count,
                           kind k, char *values, pp_error *err)
{
    if (k <= F64 && pp__h5_has_marks(&p->marks))
        return read_marked(set, p, first, count, k, values, err);
    size_t row_size = (size_t)set->columns * kind_bytes[k];
    int64_t done = k == F32 ? read_chunks(p, first, count, row_size, values) : 0;
    if (done == count) return PP_OK;
    return read_raw(set, p, first + done, count - done, k, values + (size_t)done * row_size, err);
}

/* values: [count, columns] */
static pp_status read_rows(pp__h5_one *set, int64_t first, int64_t count, kind k, void *values,
                           pp_error *err)
{
    PP_CHECK(first >= 0 && count >= 0 && first + count <= set->rows);
    char *to = values;
    while (count > 0) {
        part *p = &set->parts[part_of(set, first)];
        int64_t here = p->first + p->rows - first;
        if (here > count) here = count;
        pp_status status = reopen(set, p, err);
        if (status == PP_OK)
            status = pp__h5_check_stripes(p->dataset, &p->stripes, p->path, set->name,
                                          first - p->first, here, err);
        if (status == PP_OK) {
            kind of = k == I64 && p->is_unsigned ? U64 : k; /* all bits are kept */
            status = read_part(set, p, first - p->first, here, of, to, err);
        }
        if (status == PP_OK) status = check_length(p, err);
        if (status == PP_OK) status = recode(set, p, first - p->first, here, k, to, err);
        if (status != PP_OK) return status;
        p->last_use = ++set->clock;
        first += here;
        count -= here;
        to += (size_t)(here * set->columns) * kind_bytes[k];
    }
    return PP_OK;
}

pp_status pp__h5_one_read_f32(pp__h5_one *set, int64_t first, int64_t count, float *values,
                              pp_error *err)
{
    return read_rows(set, first, count, F32, values, err);
}

pp_status pp__h5_one_read_f64(pp__h5_one *set, int64_t first, int64_t count, double *values,
                              pp_error *err)
{
    return read_rows(set, first, count, F64, values, err);
}

pp_status pp__h5_one_read_i64(pp__h5_one *set, int64_t first, int64_t count, int64_t *values,
                              pp_error *err)
{
    return read_rows(set, first, count, I64, values, err);
}
