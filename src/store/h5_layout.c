/* One data set of an open file as rows of numbers: its shape, its type, its filters. */
#include "h5_common.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LISTED = 8 };

/* A chunk is decompressed whole; without room in the cache that would happen once per read of a few
 * of its rows. Upper bound per open file, unless a single chunk is larger. */
static const size_t max_cache = (size_t)64 << 20;
static const size_t min_cache = (size_t)1 << 20;

/* ---- what a data set looks like ---- */

static const struct {
    H5T_class_t class;
    const char *text;
} refused_types[] = {
    {H5T_STRING, "text"},
    {H5T_COMPOUND, "of a compound type"},
    {H5T_ARRAY, "of an array type"},
    {H5T_VLEN, "of lists of variable length"},
    {H5T_OPAQUE, "of an opaque type"},
    {H5T_REFERENCE, "of references"},
    {H5T_BITFIELD, "of bit fields"},
    {H5T_TIME, "of a time type"},
    {H5T_ENUM, "of an enumeration that has no integers below it"},
};

static const char *refused_text(H5T_class_t class)
{
    for (size_t i = 0; i < sizeof refused_types / sizeof *refused_types; i++)
        if (refused_types[i].class == class) return refused_types[i].text;
    return "of an unknown type";
}

/* Integers below 2^24, and floats of 32 bits or fewer. */
static int is_single(hid_t type)
{
    size_t bytes = H5Tget_size(type);
    return H5Tget_class(type) == H5T_FLOAT ? bytes <= 4 : bytes <= 2;
}

static int is_unsigned(hid_t type)
{
    return H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
}

/* Booleans of h5py are an enumeration over int8: they count as integers. */
static int is_number(hid_t type, int *is_integer)
{
    H5T_class_t class = H5Tget_class(type);
    *is_integer = class == H5T_INTEGER;
    if (class == H5T_ENUM) {
        hid_t base = H5Tget_super(type);
        *is_integer = H5Tget_class(base) == H5T_INTEGER;
        H5Tclose(base);
    }
    return *is_integer || class == H5T_FLOAT;
}

typedef struct name_list {
    char text[320];
} name_list;

static void list_fields(hid_t table, name_list *list)
{
    int count = H5Tget_nmembers(table);
    for (int i = 0; i < count; i++) {
        char *name = H5Tget_member_name(table, (unsigned)i);
        size_t used = strlen(list->text), room = sizeof list->text - used;
        if (i == MAX_LISTED) snprintf(list->text + used, room, ", ...");
        if (i < MAX_LISTED) snprintf(list->text + used, room - 6, "%s%s", i == 0 ? "" : ", ", name);
        H5free_memory(name);
    }
}

/* Takes the array apart that a field may be; its type is closed and another one returned. */
static hid_t take_array(hid_t member, pp__h5_layout *found)
{
    if (H5Tget_class(member) != H5T_ARRAY) return member;
    found->field_dims = H5Tget_array_dims2(member, found->field_shape);
    for (int d = 0; d < found->field_dims; d++)
        found->field_values *= (int64_t)found->field_shape[d];
    hid_t base = H5Tget_super(member);
    H5Tclose(member);
    return base;
}

static pp_status inspect_field(hid_t table, const char *path, const char *name, const char *field,
                               pp__h5_layout *found, pp_error *err)
{
    name_list list = {.text = ""};
    if (H5Tget_class(table) != H5T_COMPOUND)
        return pp_fail(err, PP_E_DATA, "%s: /%s is no table: it has no field '%s'", path, name,
                       field);
    list_fields(table, &list);
    int index = H5Tget_member_index(table, field);
    if (index < 0)
        return pp_fail(err, PP_E_DATA, "%s: /%s has no field '%s'; it has %s", path, name, field,
                       list.text);
    hid_t member = take_array(H5Tget_member_type(table, (unsigned)index), found);
    H5T_class_t class = H5Tget_class(member);
    int good = is_number(member, &found->is_integer);
    found->is_single = is_single(member);
    found->is_unsigned = is_unsigned(member);
    H5Tclose(member);
    if (good && found->field_values > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s:%s is %s; accepted are integers, booleans and floats of any size", path,
                   name, field, refused_text(class));
}

static pp_status fail_table(hid_t table, const char *path, const char *name, pp_error *err)
{
    name_list list = {.text = ""};
    list_fields(table, &list);
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s is of a compound type, a table with the fields %s; name one: "
                   "\"/%s:FIELD\"",
                   path, name, list.text, name);
}

static pp_status inspect_type(hid_t dataset, const char *path, const char *name, const char *field,
                              pp__h5_layout *found, pp_error *err)
{
    hid_t type = H5Dget_type(dataset);
    H5T_class_t class = H5Tget_class(type);
    pp_status status = PP_OK;
    found->field_values = 1;
    found->field_dims = 0;
    found->is_single = is_single(type);
    found->is_unsigned = is_unsigned(type);
    if (field != NULL)
        status = inspect_field(type, path, name, field, found, err);
    else if (class == H5T_COMPOUND)
        status = fail_table(type, path, name, err);
    else if (!is_number(type, &found->is_integer))
        status = pp_fail(err, PP_E_DATA,
                         "%s: /%s is %s; accepted are integers, booleans and floats of any size",
                         path, name, refused_text(class));
    H5Tclose(type);
    return status;
}

hid_t pp__h5_memory_type(hid_t number, size_t size, const char *field, const pp__h5_layout *found)
{
    if (field == NULL) return H5Tcopy(number);
    hid_t values = found->field_dims == 0
                       ? H5Tcopy(number)
                       : H5Tarray_create2(number, (unsigned)found->field_dims, found->field_shape);
    hid_t table = H5Tcreate(H5T_COMPOUND, size * (size_t)found->field_values);
    H5Tinsert(table, field, 0, values);
    H5Tclose(values);
    return table;
}

static pp_status inspect_shape(hid_t dataset, const char *path, const char *name,
                               pp__h5_layout *found, pp_error *err)
{
    hid_t space = H5Dget_space(dataset);
    H5S_class_t class = H5Sget_simple_extent_type(space);
    found->n_dims = H5Sget_simple_extent_dims(space, found->dims, NULL);
    H5Sclose(space);
    if (class == H5S_NULL)
        return pp_fail(err, PP_E_DATA, "%s: /%s holds nothing; expected rows", path, name);
    if (found->n_dims < 1)
        return pp_fail(err, PP_E_DATA,
                       "%s: /%s is a single value; expected rows, [rows] or [rows, ...]", path,
                       name);
    for (int d = 1; d < found->n_dims; d++)
        if (found->dims[d] == 0)
            return pp_fail(err, PP_E_DATA, "%s: /%s has rows of 0 values", path, name);
    return PP_OK;
}

/* Whether the first chunk was written without filter i of the list, as an optional one may be. */
static int was_left_out(hid_t dataset, int i)
{
    hsize_t offset[H5S_MAX_RANK], bytes, chunks = 0;
    haddr_t address;
    unsigned int mask = 0;
    hid_t space = H5Dget_space(dataset);
    int known = H5Dget_num_chunks(dataset, space, &chunks) >= 0;
    if (known && chunks > 0)
        known = H5Dget_chunk_info(dataset, space, 0, offset, &mask, &address, &bytes) >= 0;
    H5Sclose(space);
    return known && (chunks == 0 || (mask >> i & 1) != 0);
}

static pp_status check_filters(hid_t dataset, hid_t creation, const char *path, const char *name,
                               pp_error *err)
{
    int count = H5Pget_nfilters(creation);
    for (int i = 0; i < count; i++) {
        unsigned int flags, config;
        size_t n_values = 0;
        char filter[64] = "";
        H5Z_filter_t id = H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, NULL,
                                         sizeof filter, filter, &config);
        if (id < 0 || H5Zfilter_avail(id) > 0 || was_left_out(dataset, i)) continue;
        return pp_fail(err, PP_E_DATA,
                       "%s: /%s is compressed with filter %d%s%s, for which there is no plugin "
                       "here; install one (HDF5_PLUGIN_PATH), or write the file again with gzip",
                       path, name, (int)id, *filter != '\0' ? ", " : "", filter);
    }
    return PP_OK;
}

/* The chunks that one row crosses should fit together, so that reading a window touches each once.
 */
static void inspect_chunks(hid_t dataset, hid_t creation, pp__h5_layout *found)
{
    found->chunk_rows = 0;
    found->cache = 0;
    found->is_plain = 0;
    if (H5Pget_layout(creation) != H5D_CHUNKED) return;
    hsize_t chunk[H5S_MAX_RANK];
    if (H5Pget_chunk(creation, H5S_MAX_RANK, chunk) < 1) return;
    hid_t type = H5Dget_type(dataset);
    double bytes = (double)H5Tget_size(type) * (double)chunk[0], stripe;
    found->is_plain = H5Tequal(type, H5T_NATIVE_FLOAT) > 0 && H5Pget_nfilters(creation) == 0;
    H5Tclose(type);
    for (int d = 1; d < found->n_dims; d++)
        bytes *= (double)chunk[d];
    stripe = bytes;
    for (int d = 1; d < found->n_dims; d++)
        if (chunk[d] != found->dims[d]) found->is_plain = 0;
    for (int d = 1; d < found->n_dims; d++)
        stripe *= (double)((found->dims[d] + chunk[d] - 1) / chunk[d]);
    double wanted = stripe > (double)max_cache ? (double)max_cache : stripe;
    if (wanted < bytes) wanted = bytes; /* chunks are below 4 GiB by the format */
    found->chunk_rows = (int64_t)chunk[0];
    found->cache = wanted < (double)min_cache ? min_cache : (size_t)wanted;
}

/* Sizes that no program writes, and that others would be divided by. */
static pp_status check_sizes(hid_t dataset, hid_t creation, const char *path, const char *name,
                             pp_error *err)
{
    hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    int n_dims = H5Sget_simple_extent_dims(space, dims, NULL), n_chunk = 0, is_damaged;
    double row_bytes = (double)H5Tget_size(type);
    H5Tclose(type);
    H5Sclose(space);
    if (H5Pget_layout(creation) == H5D_CHUNKED)
        n_chunk = H5Pget_chunk(creation, H5S_MAX_RANK, chunk);
    is_damaged = row_bytes <= 0 || (H5Pget_layout(creation) == H5D_CHUNKED && n_chunk != n_dims);
    for (int d = 0; d < n_chunk; d++)
        is_damaged |= chunk[d] == 0;
    if (is_damaged)
        return pp_fail(err, PP_E_DATA, "%s: /%s is damaged; copy or make the file again", path,
                       name);
    for (int d = 1; d < n_dims; d++)
        row_bytes *= (double)dims[d];
    if (row_bytes < 0x1p53) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: /%s has rows of %g bytes, which no memory holds", path,
                   name, row_bytes);
}

static pp_status inspect(hid_t dataset, const char *path, const char *name, const char *field,
                         pp__h5_layout *found, pp_error *err)
{
    pp_status status = inspect_shape(dataset, path, name, found, err);
    if (status == PP_OK) status = inspect_type(dataset, path, name, field, found, err);
    if (status != PP_OK) return status;
    hid_t creation = H5Dget_create_plist(dataset);
    status = check_sizes(dataset, creation, path, name, err);
    if (status == PP_OK) status = check_filters(dataset, creation, path, name, err);
    if (status == PP_OK) inspect_chunks(dataset, creation, found);
    H5Pclose(creation);
    return status;
}

static pp_status open_with_cache(hid_t file, const char *path, const char *name, size_t cache,
                                 hid_t *dataset, pp_error *err)
{
    pp_status status = PP_OK;
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    if (cache > 0) H5Pset_chunk_cache(access, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, cache, 1.0);
    *dataset = H5Dopen2(file, name, access);
    if (*dataset < 0) status = pp__h5_fail(err, PP_E_DATA, "%s: /%s cannot be opened", path, name);
    H5Pclose(access);
    return status;
}

/* Of what a data set looks like, but for its filters, which must be there, only the cache is asked.
 */
pp_status pp__h5_open_any(hid_t file, const char *path, const char *name, hid_t *dataset,
                          pp__h5_layout *found, pp_error *err)
{
    pp_status status = open_with_cache(file, path, name, 0, dataset, err);
    if (status != PP_OK) return status;
    hid_t creation = H5Dget_create_plist(*dataset), space = H5Dget_space(*dataset);
    memset(found, 0, sizeof *found);
    found->n_dims = H5Sget_simple_extent_dims(space, found->dims, NULL);
    status = check_sizes(*dataset, creation, path, name, err);
    if (status == PP_OK) status = check_filters(*dataset, creation, path, name, err);
    if (status == PP_OK) inspect_chunks(*dataset, creation, found);
    H5Sclose(space);
    H5Pclose(creation);
    if (status == PP_OK && found->cache == 0) return PP_OK;
    H5Dclose(*dataset);
    return status == PP_OK ? open_with_cache(file, path, name, found->cache, dataset, err) : status;
}

static pp_status open_checked(hid_t file, const pp__h5_wanted *w, hid_t *dataset,
                              pp__h5_layout *found, pp_error *err)
{
    hid_t plain;
    pp_status status = open_with_cache(file, w->path, w->name, 0, &plain, err);
    if (status != PP_OK) return status;
    status = inspect(plain, w->path, w->name, w->field, found, err);
    if (status == PP_OK) status = pp__h5_read_marks(plain, w, found, err);
    if (status == PP_OK && found->cache == 0) {
        *dataset = plain;
        return PP_OK;
    }
    H5Dclose(plain); /* the cache is set when a data set is opened, its right size known after */
    if (status != PP_OK) return status;
    return open_with_cache(file, w->path, w->name, found->cache, dataset, err);
}

pp_status pp__h5_open_dataset(hid_t file, const pp__h5_wanted *w, hid_t *dataset,
                              pp__h5_layout *found, pp__h5_behind *behind, pp_error *err)
{
    pp_status status = pp__h5_check_links(file, w->path, w->name, w->follow, err);
    if (status == PP_OK) status = pp__h5_check_is_dataset(file, w->path, w->name, err);
    if (status == PP_OK) status = open_checked(file, w, dataset, found, err);
    if (status != PP_OK) return status;
    status = pp__h5_check_values(file, w, behind, err);
    if (status != PP_OK) H5Dclose(*dataset);
    return status;
}
