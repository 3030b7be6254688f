#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"

#include "base/fs.h"

enum { BLOCK_VALUES = 1 << 19, MOST_BLOCK = 1 << 16, PATH_SIZE = 4096 };

static const char *const options[PP__ROLES] = {"--p", "--y", "--raw", "--rank", "--held-out"};

/* Names that p and y have where none is given; NULL: must be given. */
static const char *const default_names[][2] = {
    [PP_TABLE_H5] = {"/p", "/y"}, [PP_TABLE_NPY] = {NULL, NULL}, [PP_TABLE_CSV] = {"p", "y"}};

/* ---- places ---- */

/* Whether the text before the last ":/" is a file that is there, whatever its name. */
static size_t any_file(const char *place)
{
    char file[PATH_SIZE];
    const char *colon = strrchr(place, ':');
    if (colon == NULL || colon[1] != '/' || colon - place >= (long)sizeof file) return 0;
    snprintf(file, sizeof file, "%.*s", (int)(colon - place), place);
    return pp_fs_exists(file) ? (size_t)(colon - place) : 0;
}

/* Length of FILE in "FILE.npy" and "FILE.h5:/name", which are files of their own; else 0. */
static size_t own_file(const char *place)
{
    static const char *const marks[] = {".h5:", ".hdf5:", ".hdf:"};
    size_t length = strlen(place);
    if (length > 4 && strcmp(place + length - 4, ".npy") == 0) return length;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *found = strstr(place, marks[i]);
        if (found != NULL) return (size_t)(found - place) + strlen(marks[i]) - 1;
    }
    return any_file(place);
}

void pp__places_name(const pp__places *places, pp__role role, char *text, size_t size)
{
    const char *name = places->names[role];
    if (name != NULL && own_file(name) > 0)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s%s%s", places->file, name != NULL ? ": " : "",
                 name != NULL ? name : "");
}

static void view_table(pp__places *s, pp__role role, int table, int name)
{
    const pp_table *t = s->tables[table];
    int64_t first = pp_table_first(t, name);
    s->views[role] = (pp__view){table, name, first, pp_table_first(t, name + 1) - first};
}

/* One table of several columns, or of one data set. */
static pp_status open_table(pp__places *s, const char *file, const char *const *names,
                            const pp__role *roles, int count, pp_error *err)
{
    pp_status status = pp_table_open(file, names, count, &s->tables[s->n_tables], err);
    for (int i = 0; i < count && status == PP_OK; i++)
        view_table(s, roles[i], s->n_tables, i);
    if (status == PP_OK) s->n_tables++;
    return status;
}

static pp_status open_own(pp__places *s, pp__role role, const char *place, size_t length,
                          pp_error *err)
{
    char file[PATH_SIZE];
    if (length >= sizeof file)
        return pp_fail(err, PP_E_ARG, "%s: the name of the file is too long", options[role]);
    snprintf(file, sizeof file, "%.*s", (int)length, place);
    const char *name = place[length] == '\0' ? NULL : place + length + 1;
    return open_table(s, file, &name, &role, 1, err);
}

/* The places within the main file: csv and npy as one table, so that they are read once. */
static pp_status open_main(pp__places *s, const char *file, pp_table_format format,
                           const char *const names[PP__ROLES], pp_error *err)
{
    const char *list[PP__ROLES];
    pp__role roles[PP__ROLES];
    int count = 0;
    pp_status status = PP_OK;
    for (int r = 0; r < PP__ROLES && status == PP_OK; r++) {
        if (names[r] == NULL && !(r == PP__P && format == PP_TABLE_NPY)) continue;
        if (names[r] != NULL && own_file(names[r]) > 0) continue;
        list[count] = names[r];
        roles[count++] = (pp__role)r;
        if (format != PP_TABLE_H5) continue;
        status = open_table(s, file, list, roles, 1, err);
        count = 0;
    }
    if (count > 0 && status == PP_OK) status = open_table(s, file, list, roles, count, err);
    return status;
}

/* Without a name, all columns of an npy file are p: then y is elsewhere. */
static pp_status check_names(const pp_audit_spec *spec, const char *const names[PP__ROLES],
                             int is_npy, pp_error *err)
{
    for (int r = 0; r < PP__ROLES && spec->file == NULL; r++)
        if (names[r] != NULL && own_file(names[r]) == 0)
            return pp_fail(err, PP_E_ARG,
                           "%s %s: is no file of its own (such as y.npy or data.h5:/y), and no "
                           "PREDICTIONS file is given",
                           options[r], names[r]);
    if (spec->file == NULL && names[PP__P] == NULL)
        return pp_fail(err, PP_E_ARG, "audit: wants a PREDICTIONS file, or --p FILE.npy");
    if (names[PP__Y] == NULL)
        return pp_fail(err, PP_E_ARG,
                       "%s: where are the targets? say --y FILE.npy, or columns: --p 0 --y 1",
                       spec->file != NULL ? spec->file : names[PP__P]);
    if (is_npy && names[PP__P] == NULL && own_file(names[PP__Y]) == 0)
        return pp_fail(err, PP_E_ARG,
                       "%s: which columns are the predictions? say --p as well, such as --p 0",
                       spec->file);
    return PP_OK;
}

/* Labels of y become the numbers that p has for their names; without names on both sides there is
 * nothing to compare. */
static pp_status match_classes(pp__places *s, pp_error *err)
{
    pp_table *p = s->tables[s->views[PP__P].table], *y = s->tables[s->views[PP__Y].table];
    const char *const *of_y;
    char where[320];
    s->n_class_names = pp_table_classes(p, &s->class_names);
    int64_t count = pp_table_classes(y, &of_y);
    if (s->n_class_names > 0 && count > 0) {
        pp__places_name(s, PP__P, where, sizeof where);
        return pp_table_match_classes(y, s->class_names, s->n_class_names, where, err);
    }
    s->labels_unnamed = s->n_class_names > 0;
    if (s->n_class_names == 0 && count > 0) s->class_names = of_y;
    if (s->n_class_names == 0) s->n_class_names = count;
    return PP_OK;
}

static pp_status open_places(pp__places *s, const pp_audit_spec *spec, pp_error *err)
{
    const char *given[PP__ROLES] = {spec->p, spec->y, spec->raw, spec->rank, spec->held_out};
    const char **names = s->names;
    memcpy(names, given, sizeof given);
    s->file = spec->file;
    pp_table_format format = PP_TABLE_NPY;
    pp_status status = PP_OK;
    if (spec->file != NULL) status = pp_table_format_of(spec->file, &format, err);
    for (int r = PP__P; r <= PP__Y && status == PP_OK && spec->file != NULL; r++)
        if (names[r] == NULL) names[r] = default_names[format][r];
    if (status == PP_OK)
        status = check_names(spec, names, spec->file != NULL && format == PP_TABLE_NPY, err);
    if (status == PP_OK && spec->file != NULL)
        status = open_main(s, spec->file, format, names, err);
    for (int r = 0; r < PP__ROLES && status == PP_OK; r++) {
        size_t length = names[r] == NULL ? 0 : own_file(names[r]);
        if (length > 0) status = open_own(s, (pp__role)r, names[r], length, err);
    }
    return status == PP_OK ? match_classes(s, err) : status;
}

/* ---- shapes ---- */

static pp_status fail_shape(const pp__places *s, pp__role role, pp_error *err)
{
    char here[320], there[320];
    pp__places_name(s, role, here, sizeof here);
    pp__places_name(s, PP__P, there, sizeof there);
    return pp_fail(err, PP_E_DATA, "%s has %lld rows of %lld, but %s has %lld rows of %lld", here,
                   (long long)pp_table_rows(s->tables[s->views[role].table]),
                   (long long)s->views[role].columns, there,
                   (long long)pp_table_rows(s->tables[s->views[PP__P].table]),
                   (long long)s->views[PP__P].columns);
}

static pp_status check_shapes(const pp__places *s, pp_error *err)
{
    int64_t columns = s->views[PP__P].columns;
    for (int r = PP__Y; r < PP__ROLES; r++) {
        const pp__view *v = s->views + r;
        if (v->table < 0) continue;
        int fits = v->columns == 1 || ((r == PP__Y || r == PP__RAW) && v->columns == columns);
        if (r == PP__RAW) fits = v->columns == columns;
        if (!fits || pp_table_rows(s->tables[v->table]) != s->rows)
            return fail_shape(s, (pp__role)r, err);
    }
    char text[320];
    pp__places_name(s, PP__P, text, sizeof text);
    if (s->rows == 0) return pp_fail(err, PP_E_DATA, "%s holds no rows", text);
    if (s->rows == 1)
        return pp_fail(err, PP_E_DATA,
                       "%s holds one row; whether predictions tell inputs apart takes two or more",
                       text);
    return PP_OK;
}

/* ---- rows of this rank ---- */

/* The csv file leads, as its parts are of bytes; else the predictions. */
static int leading_table(const pp__places *s)
{
    for (int i = 0; i < s->n_tables; i++)
        if (pp_table_rows(s->tables[i]) < 0) return i;
    return s->views[PP__P].table;
}

static pp_status share_rows(pp_comm *comm, pp__places *s, pp_error *err)
{
    int ranks = pp_comm_size(comm), rank = pp_comm_rank(comm);
    pp_table *lead = s->tables[leading_table(s)];
    pp_table_part found = {0, 0, 0}, *parts = calloc((size_t)ranks, sizeof *parts);
    pp_status status = parts == NULL ? pp_fail(err, PP_E_MEMORY, "out of memory")
                                     : pp_table_look(lead, rank, ranks, &found, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) {
        pp_comm_all_gather(comm, &found, sizeof found, parts);
        s->first = pp_table_cut(lead, parts, ranks, rank);
        s->count = found.rows;
        s->rows = pp_table_rows(s->tables[s->views[PP__P].table]);
    }
    free(parts);
    return status;
}

static pp_status make_buffers(pp__places *s, pp_error *err)
{
    int64_t columns = 0;
    for (int i = 0; i < s->n_tables; i++)
        columns += pp_table_columns(s->tables[i]);
    s->block = columns < BLOCK_VALUES ? BLOCK_VALUES / columns : 1;
    if (s->block > MOST_BLOCK) s->block = MOST_BLOCK;
    for (int i = 0; i < s->n_tables; i++) {
        size_t size = (size_t)(s->block * pp_table_columns(s->tables[i])) * sizeof(double);
        s->values[i] = malloc(size);
        if (s->values[i] == NULL)
            return pp_fail(err, PP_E_MEMORY, "no memory for blocks of %lld rows",
                           (long long)s->block);
    }
    return PP_OK;
}

pp_status pp__places_open(pp_comm *comm, const pp_audit_spec *spec, pp__places *places,
                          pp_error *err)
{
    memset(places, 0, sizeof *places);
    for (int r = 0; r < PP__ROLES; r++)
        places->views[r].table = -1;
    pp_status status = pp_comm_agree(comm, open_places(places, spec, err), err);
    if (status == PP_OK) status = share_rows(comm, places, err);
    if (status != PP_OK) return status;
    status = check_shapes(places, err);
    if (status == PP_OK) status = make_buffers(places, err);
    return pp_comm_agree(comm, status, err);
}

void pp__places_close(pp__places *places)
{
    for (int i = 0; i < places->n_tables; i++) {
        pp_table_close(places->tables[i]);
        free(places->values[i]);
    }
}

/* ---- blocks ---- */

pp_status pp__places_read(pp__places *places, int64_t first, int64_t count, unsigned roles,
                          pp_error *err)
{
    unsigned tables = 0;
    pp_status status = PP_OK;
    for (int r = 0; r < PP__ROLES; r++)
        if (places->views[r].table >= 0 && roles >> r & 1) tables |= 1u << places->views[r].table;
    for (int i = 0; i < places->n_tables && status == PP_OK; i++)
        if (tables >> i & 1)
            status = pp_table_read(places->tables[i], first, count, places->values[i], err);
    return status;
}

int pp__places_has(const pp__places *places, pp__role role)
{
    return places->views[role].table >= 0;
}

const double *pp__places_row(const pp__places *places, pp__role role, int64_t row)
{
    const pp__view *v = places->views + role;
    return places->values[v->table] + row * pp_table_columns(places->tables[v->table]) + v->first;
}

void pp__places_locate(const pp__places *places, pp__role role, int64_t row, char *text,
                       size_t size)
{
    const pp__view *v = places->views + role;
    pp_table_locate(places->tables[v->table], row, v->name, text, size);
}
