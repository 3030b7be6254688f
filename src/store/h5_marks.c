/* Attributes of a data set that change its numbers: how netCDF packs them and says which are
 * missing (climate and forecast conventions, section 8.1 and 2.5.1), and MATLAB's order of
 * dimensions. What cannot be applied is refused. */
#include "h5_common.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static pp_status fail_attribute(const pp__h5_wanted *w, const char *key, const char *what,
                                pp_error *err)
{
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s: attribute %s changes the numbers, and %s; write the data set again "
                   "with plain numbers and without it",
                   w->path, w->name, key, what);
}

/* Numbers of an attribute, at most `room`; *count 0: there is none. */
static pp_status read_numbers(hid_t dataset, const pp__h5_wanted *w, const char *key, int room,
                              double *values, int *count, pp_error *err)
{
    pp_status status = PP_OK;
    *count = 0;
    if (H5Aexists(dataset, key) <= 0) return PP_OK;
    hid_t attribute = H5Aopen(dataset, key, H5P_DEFAULT);
    if (attribute < 0)
        return pp__h5_fail(err, PP_E_DATA, "%s: /%s: attribute %s cannot be read", w->path, w->name,
                           key);
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    H5T_class_t class = H5Tget_class(type);
    hssize_t n = H5Sget_simple_extent_npoints(space);
    if (w->field != NULL)
        status = fail_attribute(w, key, "it is not known of which fields of the table", err);
    else if ((class != H5T_INTEGER && class != H5T_FLOAT) || n < 1 || n > room)
        status = fail_attribute(w, key, room == 1 ? "is not one number" : "is no few numbers", err);
    else if (H5Aread(attribute, H5T_NATIVE_DOUBLE, values) < 0)
        status = pp__h5_fail(err, PP_E_DATA, "%s: /%s: attribute %s cannot be read", w->path,
                             w->name, key);
    else
        *count = (int)n;
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

static pp_status read_packing(hid_t dataset, const pp__h5_wanted *w, pp__h5_marks *m, pp_error *err)
{
    int count;
    m->scale = 1;
    m->offset = 0;
    pp_status status = read_numbers(dataset, w, "scale_factor", 1, &m->scale, &count, err);
    if (status == PP_OK)
        status = read_numbers(dataset, w, "add_offset", 1, &m->offset, &count, err);
    if (status != PP_OK) return status;
    if (!isfinite(m->scale) || m->scale == 0)
        return fail_attribute(w, "scale_factor", "is no factor", err);
    if (!isfinite(m->offset)) return fail_attribute(w, "add_offset", "is no number", err);
    m->is_packed = m->scale != 1 || m->offset != 0;
    return PP_OK;
}

/* Missing values are told in a type that need not be that of the data: both are rounded alike. */
static void round_like(hid_t dataset, double *value)
{
    union {
        double value;
        char bytes[64];
    } room = {.value = *value};
    hid_t type = H5Dget_type(dataset);
    H5T_class_t class = H5Tget_class(type);
    if ((class == H5T_INTEGER || class == H5T_FLOAT) && H5Tget_size(type) <= sizeof room &&
        H5Tconvert(H5T_NATIVE_DOUBLE, type, 1, &room, NULL, H5P_DEFAULT) >= 0 &&
        H5Tconvert(type, H5T_NATIVE_DOUBLE, 1, &room, NULL, H5P_DEFAULT) >= 0)
        *value = room.value;
    H5Tclose(type);
}

static pp_status read_missing(hid_t dataset, const pp__h5_wanted *w, pp__h5_marks *m, pp_error *err)
{
    static const char *const keys[] = {"_FillValue", "missing_value"};
    for (int k = 0; k < 2; k++) {
        int room = PP__H5_MOST_MISSING - m->n_missing, count;
        double *values = m->missing + m->n_missing;
        pp_status status =
            w->field != NULL ? PP_OK : read_numbers(dataset, w, keys[k], room, values, &count, err);
        if (status != PP_OK || w->field != NULL) return status;
        for (int i = 0; i < count; i++) {
            if (isnan(values[i])) continue; /* is no number as it is */
            m->missing[m->n_missing] = values[i];
            round_like(dataset, &m->missing[m->n_missing++]);
        }
    }
    return PP_OK;
}

/* Bytes that are to be read as numbers without a sign, which netCDF-3 has none of. */
static pp_status check_unsigned(hid_t dataset, const pp__h5_wanted *w, pp_error *err)
{
    hid_t type = H5Dget_type(dataset);
    int is_signed = H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
    H5Tclose(type);
    if (!is_signed || H5Aexists(dataset, "_Unsigned") <= 0) return PP_OK;
    return fail_attribute(w, "_Unsigned", "it is not applied here", err);
}

/* MATLAB's first dimension is the last one here. */
static pp_status check_matlab(hid_t dataset, const pp__h5_wanted *w, const pp__h5_layout *found,
                              pp_error *err)
{
    char here[96], there[96];
    hsize_t dims[H5S_MAX_RANK], inner = 1;
    for (int d = 0; d < found->n_dims; d++) {
        dims[d] = found->dims[found->n_dims - 1 - d];
        if (d > 0) inner *= found->dims[d];
    }
    if (inner == 1 || H5Aexists(dataset, "MATLAB_class") <= 0) return PP_OK;
    pp__h5_shape_text(found->n_dims, found->dims, here, sizeof here);
    pp__h5_shape_text(found->n_dims, dims, there, sizeof there);
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s is an array of MATLAB (attribute MATLAB_class), which lies transposed: "
                   "%s here is %s there; write it with rows first, in Python: out['%s'] = "
                   "file['%s'][()].T",
                   w->path, w->name, here, there, w->name, w->name);
}

/* pandas: of field F of a table the attribute F_meta is "category"; netCDF: flag_meanings. */
static int is_category(hid_t dataset, const char *field)
{
    char key[256], text[16] = "";
    if (field == NULL) return H5Aexists(dataset, "flag_meanings") > 0;
    if (snprintf(key, sizeof key, "%s_meta", field) >= (int)sizeof key) return 0;
    if (H5Aexists(dataset, key) <= 0) return 0;
    hid_t attribute = H5Aopen(dataset, key, H5P_DEFAULT), type = H5Aget_type(attribute);
    int is_short = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) <= 0 &&
                   H5Tget_size(type) < sizeof text;
    if (is_short && H5Aread(attribute, type, text) < 0) text[0] = '\0';
    H5Tclose(type);
    H5Aclose(attribute);
    return strcmp(text, "category") == 0;
}

pp_status pp__h5_read_marks(hid_t dataset, const pp__h5_wanted *w, pp__h5_layout *found,
                            pp_error *err)
{
    pp__h5_marks *m = &found->marks;
    memset(m, 0, sizeof *m);
    pp_status status = check_matlab(dataset, w, found, err);
    if (status == PP_OK) status = check_unsigned(dataset, w, err);
    if (status == PP_OK) status = read_packing(dataset, w, m, err);
    if (status == PP_OK) status = read_missing(dataset, w, m, err);
    if (status != PP_OK) return status;
    m->is_category = is_category(dataset, w->field);
    found->is_integer &= !m->is_packed;
    found->is_single &= !m->is_packed;
    if (pp__h5_has_marks(m)) found->is_plain = 0;
    return PP_OK;
}

int pp__h5_has_marks(const pp__h5_marks *m)
{
    return m->is_packed || m->n_missing > 0;
}

void pp__h5_apply_marks(const pp__h5_marks *m, double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value = values[i];
        int is_missing = 0;
        for (int k = 0; k < m->n_missing; k++)
            is_missing |= value == m->missing[k];
        values[i] = is_missing ? NAN : m->is_packed ? value * m->scale + m->offset : value;
    }
}
