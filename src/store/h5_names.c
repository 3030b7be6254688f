/* Names of columns and of classes: attributes of a data set that hold an array of strings, as h5py
 * writes a list of str; members of a table and of an enumeration have theirs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h5_names.h"
#include "pitprop/json.h"

enum { MOST_NAMES = 1 << 24 };

void pp__h5_names_free(pp__h5_names *names)
{
    for (int64_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (pp__h5_names){0, NULL};
}

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "out of memory for the names of columns or classes");
}

static pp_status make_room(pp__h5_names *names, int64_t count, pp_error *err)
{
    names->names = calloc((size_t)count, sizeof *names->names);
    if (names->names == NULL) return no_memory(err);
    names->count = count;
    return PP_OK;
}

/* texts: [count] pointers, or the texts themselves, `size` bytes each. */
static pp_status copy_texts(const char *texts, int is_variable, size_t size, pp__h5_names *names,
                            pp_error *err)
{
    for (int64_t i = 0; i < names->count; i++) {
        const char *text = texts + (size_t)i * size;
        if (is_variable) memcpy(&text, text, sizeof text);
        names->names[i] = text == NULL ? strdup("") : strndup(text, is_variable ? SIZE_MAX : size);
        if (names->names[i] == NULL) return no_memory(err);
    }
    return PP_OK;
}

/* An attribute that is no list of strings is somebody else's: no names. */
static pp_status read_attribute(hid_t object, const char *key, pp__h5_names *names, pp_error *err)
{
    if (H5Aexists(object, key) <= 0) return PP_OK;
    pp_status status = PP_OK;
    hid_t attribute = H5Aopen(object, key, H5P_DEFAULT);
    hid_t in_file = H5Aget_type(attribute), type = H5Tcopy(in_file);
    hid_t space = H5Aget_space(attribute);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    int is_list = H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_ndims(space) == 1;
    if (is_list && count > 0 && count < MOST_NAMES) {
        size_t size = H5Tget_size(type);
        char *texts = calloc((size_t)count, size);
        status = texts == NULL ? no_memory(err) : make_room(names, (int64_t)count, err);
        if (status == PP_OK && H5Aread(attribute, type, texts) < 0)
            status = pp__h5_fail(err, PP_E_IO, "attribute %s cannot be read", key);
        int is_variable = H5Tis_variable_str(type) > 0;
        if (status == PP_OK) status = copy_texts(texts, is_variable, size, names, err);
        if (texts != NULL && is_variable) H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
        free(texts);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Tclose(in_file);
    H5Aclose(attribute);
    return status;
}

/* Up to version 0.1 the names of classes were a list in JSON, an attribute of the file. */
static pp_status read_json(hid_t file, pp__h5_names *names, pp_error *err)
{
    char text[65536] = "";
    pp_json *root = NULL;
    pp_status status = PP_OK;
    if (H5Aexists(file, "classes") <= 0) return PP_OK;
    hid_t attribute = H5Aopen(file, "classes", H5P_DEFAULT), type = H5Aget_type(attribute);
    int fits = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
               H5Tget_size(type) < sizeof text && H5Aread(attribute, type, text) >= 0;
    if (fits && pp_json_parse(text, "classes", &root, NULL) == PP_OK &&
        pp_json_type_of(root) == PP_JSON_ARRAY && pp_json_count(root) > 0)
        status = make_room(names, pp_json_count(root), err);
    for (int64_t i = 0; i < names->count && status == PP_OK; i++) {
        const pp_json *name = pp_json_at(root, i);
        int is_text = pp_json_type_of(name) == PP_JSON_STRING;
        names->names[i] = strdup(is_text ? pp_json_string(name) : "");
        if (names->names[i] == NULL) status = no_memory(err);
    }
    pp_json_destroy(root);
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

/* Members of an enumeration whose values are 0, 1, ...; FALSE and TRUE are h5py's booleans. */
static pp_status read_members(hid_t type, pp__h5_names *names, pp_error *err)
{
    int count = H5Tget_nmembers(type);
    pp_status status = make_room(names, count, err);
    hid_t base = H5Tget_super(type);
    for (int i = 0; i < count && status == PP_OK; i++) {
        long long value[2] = {-1, 0}; /* room for any type of the file */
        if (H5Tget_size(base) > sizeof *value ||
            H5Tget_member_value(type, (unsigned)i, value) < 0 ||
            H5Tconvert(base, H5T_NATIVE_LLONG, 1, value, NULL, H5P_DEFAULT) < 0 || *value < 0 ||
            *value >= count || names->names[*value] != NULL)
            break;
        char *name = H5Tget_member_name(type, (unsigned)i);
        names->names[*value] = name == NULL ? NULL : strdup(name);
        H5free_memory(name);
    }
    H5Tclose(base);
    int complete = 1;
    for (int64_t i = 0; i < names->count; i++)
        complete &= names->names[i] != NULL;
    int is_boolean = complete && count == 2 && strcmp(names->names[0], "FALSE") == 0;
    if (status != PP_OK || !complete || is_boolean) pp__h5_names_free(names);
    return status;
}

static pp_status read_enumeration(hid_t dataset, const char *field, pp__h5_names *names,
                                  pp_error *err)
{
    pp_status status = PP_OK;
    hid_t type = H5Dget_type(dataset), member = H5Tcopy(type);
    if (field != NULL) {
        int index = H5Tget_member_index(type, field);
        H5Tclose(member);
        member = index < 0 ? H5Tcopy(type) : H5Tget_member_type(type, (unsigned)index);
    }
    if (H5Tget_class(member) == H5T_ENUM) status = read_members(member, names, err);
    H5Tclose(member);
    H5Tclose(type);
    return status;
}

static pp_status name_fields(const char *field, int64_t columns, pp__h5_names *names, pp_error *err)
{
    pp_status status = make_room(names, columns, err);
    size_t size = strlen(field) + 24;
    for (int64_t i = 0; i < columns && status == PP_OK; i++) {
        names->names[i] = malloc(size);
        if (names->names[i] == NULL) return no_memory(err);
        if (columns == 1)
            snprintf(names->names[i], size, "%s", field);
        else
            snprintf(names->names[i], size, "%s[%lld]", field, (long long)i);
    }
    return status;
}

pp_status pp__h5_read_columns(hid_t dataset, const char *field, int64_t columns,
                              pp__h5_names *names, pp_error *err)
{
    if (field != NULL) return name_fields(field, columns, names, err);
    pp_status status = read_attribute(dataset, "columns", names, err);
    if (names->count != columns) pp__h5_names_free(names);
    return status;
}

pp_status pp__h5_read_classes(hid_t file, hid_t dataset, const char *name, const char *field,
                              pp__h5_names *names, pp_error *err)
{
    pp_status status = read_attribute(dataset, "classes", names, err);
    if (status == PP_OK && names->count == 0) status = read_enumeration(dataset, field, names, err);
    if (status == PP_OK && names->count == 0 && strcmp(name, "y") == 0)
        status = read_json(file, names, err);
    return status;
}

int64_t pp__h5_find_name(const char *const *names, int64_t count, const char *name)
{
    int64_t i = 0;
    while (i < count && (names[i] == NULL || strcmp(names[i], name) != 0))
        i++;
    return i < count ? i : -1;
}

pp_status pp__h5_compare_columns(const char *const *here, const char *const *there, int64_t count,
                                 const char *file, const char *other, pp_error *err)
{
    for (int64_t i = 0; i < count; i++) {
        if (here[i] == NULL || there[i] == NULL || strcmp(here[i], there[i]) == 0) continue;
        int64_t at = pp__h5_find_name(there, count, here[i]);
        if (at >= 0)
            return pp_fail(err, PP_E_DATA,
                           "%s: column %lld is '%.60s', which is column %lld in %s; put the "
                           "columns into the same order",
                           file, (long long)i, here[i], (long long)at, other);
        return pp_fail(err, PP_E_DATA, "%s: column %lld is '%.60s', but in %s it is '%.60s'", file,
                       (long long)i, here[i], other, there[i]);
    }
    return PP_OK;
}
