#define _XOPEN_SOURCE 700 /* realpath */
/* Virtual data sets, views of rows that lie elsewhere. HDF5 answers with fill values, and without a
 * word, for every source that it cannot open, whatever the reason, and for what is mapped to none.
 * So all sources are opened here before anything is read, those behind them too, and stay open. */
#include "h5_common.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NESTED = 32, BLOCKS_LOOKED_FOR = 64 };

/* A data set on the way from the view that is asked for. */
typedef struct stop {
    const struct stop *above;
    int depth;
    hid_t file;
    const char *path, *name;
    unsigned long number; /* of the file, and the place in it: they tell objects apart */
    haddr_t address;
    hsize_t first, end; /* rows that are wanted */
} stop;

typedef struct checked {
    unsigned long number;
    haddr_t address;
    hsize_t first, end;
} checked;

typedef struct walk {
    const pp__h5_wanted *wanted;
    pp__h5_behind *behind;
    checked *checked; /* [n_checked] */
    int n_checked;
} walk;

/* Where a mapping leads. */
typedef struct source {
    const char *file, *name; /* "." is the file of the view */
    hid_t rows, from;        /* of the view; of the source */
} source;

static pp_status check_dataset(walk *w, stop *at, pp_error *err);

/* ---- files ---- */

typedef struct folder {
    const char *text; /* NULL: none, the name as it is */
    int length;
} folder;

static folder folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return (folder){".", 1};
    return (folder){path, slash == path ? 1 : (int)(slash - path)};
}

static int is_there(folder in, const char *name, char *at)
{
    int length = in.text == NULL ? snprintf(at, PATH_MAX, "%s", name)
                                 : snprintf(at, PATH_MAX, "%.*s/%s", in.length, in.text, name);
    return length < PATH_MAX && access(at, F_OK) == 0;
}

/* In HDF5_VDS_PREFIX, whose parts are separated by colons; ${ORIGIN} is the folder of the view. */
static int is_in_prefix(folder origin, const char *name, char *at)
{
    static const char word[] = "${ORIGIN}";
    const char *prefix = getenv("HDF5_VDS_PREFIX");
    while (prefix != NULL && *prefix != '\0') {
        size_t length = strcspn(prefix, ":"), skip = sizeof word - 1;
        char part[PATH_MAX];
        if (strncmp(prefix, word, skip) == 0)
            snprintf(part, sizeof part, "%.*s%.*s", origin.length, origin.text,
                     (int)(length - skip), prefix + skip);
        else
            snprintf(part, sizeof part, "%.*s", (int)length, prefix);
        if (is_there((folder){part, (int)strlen(part)}, name, at)) return 1;
        prefix += length + (prefix[length] == ':');
    }
    return 0;
}

/* Where HDF5 finds a source, in its order: as it is if absolute, in the prefix, beside the view, in
 * the working directory, beside the file that the view's name is a link to. */
static int find_file(const char *path, const char *name, char *at)
{
    char target[PATH_MAX];
    folder beside = folder_of(path), none = {NULL, 0};
    if (*name == '/') {
        if (is_there(none, name, at)) return 1;
        name = strrchr(name, '/') + 1;
    }
    if (is_in_prefix(beside, name, at)) return 1;
    if (is_there(beside, name, at) || is_there(none, name, at)) return 1;
    return realpath(path, target) != NULL && is_there(folder_of(target), name, at);
}

/* HDF5 opens a source again when it reads, and must be able to. */
static pp_status check_spare(const char *path, int count, pp_error *err)
{
    int spare = dup(STDERR_FILENO);
    if (spare >= 0) close(spare);
    if (spare >= 0) return PP_OK;
    return pp_fail(err, PP_E_IO,
                   "%s: is a view of %d files or more, which is too many at a time (ulimit -n)",
                   path, count);
}

static pp_status open_behind(walk *w, const char *path, hid_t *file, const char **kept,
                             pp_error *err)
{
    pp__h5_behind *b = w->behind;
    for (int i = b->count; i-- > 0;) {
        if (strcmp(b->files[i].path, path) != 0) continue;
        *file = b->files[i].file;
        *kept = b->files[i].path;
        return PP_OK;
    }
    pp__h5_file *more = realloc(b->files, (size_t)(b->count + 1) * sizeof *more);
    if (more == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    b->files = more;
    pp_status status = pp__h5_open_file(path, file, err);
    if (status == PP_OK) status = check_spare(path, b->count, err);
    if (status != PP_OK) return status;
    char *copy = strdup(path);
    if (copy == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    b->files[b->count++] = (pp__h5_file){copy, *file};
    *kept = copy;
    return PP_OK;
}

void pp__h5_forget(pp__h5_behind *behind)
{
    for (int i = 0; i < behind->count; i++) {
        H5Fclose(behind->files[i].file);
        free(behind->files[i].path);
    }
    free(behind->files);
    *behind = (pp__h5_behind){NULL, 0};
}

/* ---- selections ---- */

/* Rows that a selection touches: [*first, *end). */
static void rows_of(hid_t space, hsize_t *first, hsize_t *end)
{
    hsize_t low[H5S_MAX_RANK] = {0}, high[H5S_MAX_RANK] = {0};
    *first = 0;
    *end = HSIZE_UNDEF;
    if (H5Sget_select_bounds(space, low, high) < 0) return;
    *first = low[0];
    if (high[0] != H5S_UNLIMITED) *end = high[0] + 1;
}

/* "rows 5 to 9" */
typedef struct range_text {
    char text[64];
} range_text;

static range_text text_of(hsize_t first, hsize_t end)
{
    range_text r;
    if (end == HSIZE_UNDEF)
        snprintf(r.text, sizeof r.text, "rows from %llu on", (unsigned long long)first);
    else
        snprintf(r.text, sizeof r.text, "rows %llu to %llu", (unsigned long long)first,
                 (unsigned long long)end - 1);
    return r;
}

static range_text rows_text(hid_t space)
{
    hsize_t first, end;
    rows_of(space, &first, &end);
    return text_of(first, end);
}

/* A hyperslab that has no end in one dimension. */
typedef struct slab {
    int n_dims, open; /* open: that dimension; -1: none */
    hsize_t start[H5S_MAX_RANK], stride[H5S_MAX_RANK], count[H5S_MAX_RANK], block[H5S_MAX_RANK];
} slab;

static slab slab_of(hid_t space)
{
    slab s = {.n_dims = H5Sget_simple_extent_ndims(space), .open = -1};
    if (H5Sget_select_type(space) != H5S_SEL_HYPERSLABS || H5Sis_regular_hyperslab(space) <= 0 ||
        H5Sget_regular_hyperslab(space, s.start, s.stride, s.count, s.block) < 0)
        return s;
    for (int d = 0; d < s.n_dims; d++)
        if (s.count[d] == H5S_UNLIMITED || s.block[d] == H5S_UNLIMITED) s.open = d;
    return s;
}

/* How many places of its open dimension lie below `extent`. */
static hsize_t places_below(const slab *s, hsize_t extent)
{
    int d = s->open;
    if (extent <= s->start[d]) return 0;
    hsize_t span = extent - s->start[d];
    if (s->block[d] == H5S_UNLIMITED) return span;
    hsize_t rest = span % s->stride[d];
    return span / s->stride[d] * s->block[d] + (rest < s->block[d] ? rest : s->block[d]);
}

/* Selects the first n places of the open dimension in space. */
static int select_places(hid_t space, slab s, hsize_t n)
{
    int d = s.open;
    hsize_t whole = 1, rest = 0;
    if (s.block[d] == H5S_UNLIMITED) {
        s.block[d] = s.stride[d] = n;
    } else {
        whole = n / s.block[d];
        rest = n % s.block[d];
    }
    H5Sselect_none(space);
    s.count[d] = whole;
    if (n > 0 && whole > 0 &&
        H5Sselect_hyperslab(space, H5S_SELECT_SET, s.start, s.stride, s.count, s.block) < 0)
        return 0;
    if (rest == 0) return 1;
    s.start[d] += whole * s.stride[d];
    s.count[d] = 1;
    s.block[d] = rest;
    H5S_seloper_t how = whole > 0 ? H5S_SELECT_OR : H5S_SELECT_SET;
    return H5Sselect_hyperslab(space, how, s.start, s.stride, s.count, s.block) >= 0;
}

/* Adds what is selected in `rows` to *covered, -1 at first. */
static int cover(hid_t *covered, hid_t rows)
{
    if (H5Sget_select_type(rows) == H5S_SEL_NONE) return 1;
    if (*covered >= 0 && H5Sget_select_type(*covered) == H5S_SEL_ALL) return 1;
    int is_first = *covered < 0 || H5Sget_select_type(rows) == H5S_SEL_ALL;
    hid_t both = is_first ? H5Scopy(rows) : H5Scombine_select(*covered, H5S_SELECT_OR, rows);
    if (both < 0) return 0;
    if (*covered >= 0) H5Sclose(*covered);
    *covered = both;
    return 1;
}

/* Whether all that is wanted is covered; else *first and *end: the rows where something is not.
 * (HDF5 1.10 crashes where the difference of two selections is empty.) */
static int is_covered(hid_t wanted, hid_t covered, hsize_t *first, hsize_t *end)
{
    if (H5Sget_select_npoints(wanted) == 0) return 1;
    if (covered >= 0 && H5Sget_select_type(covered) == H5S_SEL_ALL) return 1;
    hid_t both = covered < 0 ? -1 : H5Scombine_select(wanted, H5S_SELECT_OR, covered);
    int all = both >= 0 && H5Sget_select_npoints(both) == H5Sget_select_npoints(covered);
    if (both >= 0) H5Sclose(both);
    if (all) return 1;
    hid_t missing =
        covered < 0 ? H5Scopy(wanted) : H5Scombine_select(wanted, H5S_SELECT_NOTB, covered);
    rows_of(missing, first, end);
    H5Sclose(missing);
    return 0;
}

/* ---- one source ---- */

static pp_status check_extent(const stop *view, const source *s, const stop *at, hid_t space,
                              pp_error *err)
{
    hsize_t dims[H5S_MAX_RANK] = {0}, low[H5S_MAX_RANK], high[H5S_MAX_RANK];
    int n_dims = H5Sget_simple_extent_dims(space, dims, NULL), fits;
    if (H5Sget_select_type(s->from) == H5S_SEL_ALL) {
        fits = H5Sget_simple_extent_npoints(space) >= H5Sget_select_npoints(s->rows);
    } else {
        fits = H5Sget_simple_extent_ndims(s->from) == n_dims;
        if (fits && slab_of(s->from).open < 0 && H5Sget_select_bounds(s->from, low, high) >= 0)
            for (int d = 0; d < n_dims; d++)
                fits &= high[d] < dims[d];
    }
    if (fits) return PP_OK;
    char shape[96];
    pp__h5_shape_text(n_dims, dims, shape, sizeof shape);
    return pp_fail(err, PP_E_DATA,
                   "%s: /%s is a view whose %s lie in %s: /%s, which is %s, less than is mapped",
                   view->path, view->name, rows_text(s->rows).text, at->path, at->name, shape);
}

/* Of a mapping without an end, the rows that the source has. */
static pp_status clip(const stop *view, const source *s, hid_t space, hid_t *rows, pp_error *err)
{
    hsize_t dims[H5S_MAX_RANK] = {0};
    slab to = slab_of(s->rows), from = slab_of(s->from);
    *rows = H5Scopy(s->rows);
    if (to.open < 0) return PP_OK;
    H5Sget_simple_extent_dims(space, dims, NULL);
    if (from.open >= 0 && select_places(*rows, to, places_below(&from, dims[from.open])))
        return PP_OK;
    H5Sclose(*rows);
    return pp_fail(err, PP_E_UNSUPPORTED,
                   "%s: /%s is a view with a mapping that cannot be followed; copy its rows to a "
                   "plain data set",
                   view->path, view->name);
}

static pp_status open_source(walk *w, const stop *view, const source *s, stop *at, pp_error *err)
{
    char path[PATH_MAX];
    at->file = view->file;
    at->path = view->path;
    if (strcmp(s->file, ".") == 0) return PP_OK;
    if (!w->wanted->follow) return pp__h5_refuse(view->path, view->name, "a view of", s->file, err);
    if (find_file(view->path, s->file, path))
        return open_behind(w, path, &at->file, &at->path, err);
    return pp_fail(err, PP_E_DATA, "%s: /%s is a view of %s, which is missing: %s", view->path,
                   view->name, s->file, rows_text(s->rows).text);
}

/* Checks a source and adds its rows to *covered. */
static pp_status check_source(walk *w, const stop *view, const source *s, hid_t *covered,
                              pp_error *err)
{
    stop at = {.above = view, .depth = view->depth + 1, .name = s->name + strspn(s->name, "/")};
    hsize_t first, end;
    rows_of(s->rows, &first, &end);
    if (end <= view->first || first >= view->end) return PP_OK;
    pp_status status = open_source(w, view, s, &at, err);
    if (status != PP_OK) return status;
    at.end = HSIZE_UNDEF; /* all of it, or what is selected */
    if (H5Sget_select_type(s->from) != H5S_SEL_ALL) rows_of(s->from, &at.first, &at.end);
    status = check_dataset(w, &at, err);
    if (status != PP_OK)
        return pp_fail_within(err, status, "%s: /%s: %s", view->path, view->name,
                              text_of(first, end).text);
    hid_t dataset = H5Dopen2(at.file, at.name, H5P_DEFAULT), space = H5Dget_space(dataset), rows;
    status = check_extent(view, s, &at, space, err);
    if (status == PP_OK) status = clip(view, s, space, &rows, err);
    if (status == PP_OK) {
        if (!cover(covered, rows))
            status = pp__h5_fail(err, PP_E_DATA, "%s: /%s: a mapping is damaged", view->path,
                                 view->name);
        H5Sclose(rows);
    }
    H5Sclose(space);
    H5Dclose(dataset);
    return status;
}

/* ---- names with a place for the number of a block ---- */

/* "%b" is the number, "%%" a per cent sign; 0: too long. */
static int expand(const char *pattern, hsize_t block, char *text, size_t size)
{
    size_t used = 0;
    for (; *pattern != '\0' && used < size; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'b')
            used += (size_t)snprintf(text + used, size - used, "%llu", (unsigned long long)block);
        else
            text[used++] = *pattern;
        pattern += *pattern == '%' && (pattern[1] == 'b' || pattern[1] == '%');
    }
    if (used < size) text[used] = '\0';
    return used < size;
}

static int has_number(const char *name)
{
    for (const char *at = strchr(name, '%'); at != NULL; at = strchr(at + 2, '%'))
        if (at[1] != '%') return at[1] == 'b';
    return 0;
}

typedef struct block_name {
    char file[PATH_MAX], name[1024];
} block_name;

static int name_block(const source *s, hsize_t block, block_name *made)
{
    return expand(s->file, block, made->file, sizeof made->file) &&
           expand(s->name, block, made->name, sizeof made->name);
}

static int block_exists(walk *w, const stop *view, const block_name *block)
{
    stop at;
    source s = {block->file, block->name, -1, -1};
    char path[PATH_MAX];
    if (strcmp(s.file, ".") != 0 && !find_file(view->path, s.file, path)) return 0;
    return open_source(w, view, &s, &at, NULL) == PP_OK &&
           H5Lexists(at.file, s.name, H5P_DEFAULT) > 0;
}

/* A view ends at the first block that is missing: others must not follow. */
static pp_status check_end(walk *w, const stop *view, const source *s, hsize_t next, pp_error *err)
{
    block_name missing, later;
    if (!name_block(s, next, &missing)) return PP_OK;
    for (hsize_t block = next + 1; block <= next + BLOCKS_LOOKED_FOR; block++) {
        if (!name_block(s, block, &later) || !block_exists(w, view, &later)) continue;
        return pp_fail(err, PP_E_DATA,
                       "%s: /%s is a view of %s: /%s, which is missing; %s is there", view->path,
                       view->name, missing.file, missing.name,
                       has_number(s->file) ? later.file : later.name);
    }
    return PP_OK;
}

static pp_status check_blocks(walk *w, const stop *view, const source *s, hid_t extent,
                              hid_t *covered, pp_error *err)
{
    hsize_t dims[H5S_MAX_RANK] = {0}, block = 0;
    slab to = slab_of(s->rows);
    pp_status status = PP_OK;
    H5Sget_simple_extent_dims(extent, dims, NULL);
    block_name *name = malloc(sizeof *name);
    if (name == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", view->path);
    for (; to.start[to.open] < dims[to.open] && status == PP_OK; block++) {
        hsize_t all = to.count[to.open];
        source one = {name->file, name->name, H5Scopy(extent), s->from};
        to.count[to.open] = 1;
        int ok =
            name_block(s, block, name) && H5Sselect_hyperslab(one.rows, H5S_SELECT_SET, to.start,
                                                              to.stride, to.count, to.block) >= 0;
        status =
            ok ? check_source(w, view, &one, covered, err)
               : pp_fail(err, PP_E_DATA, "%s: /%s: a mapping is damaged", view->path, view->name);
        H5Sclose(one.rows);
        to.count[to.open] = all;
        to.start[to.open] += to.stride[to.open];
    }
    free(name);
    return status == PP_OK ? check_end(w, view, s, block, err) : status;
}

/* ---- a view ---- */

static pp_status check_mapping(walk *w, const stop *view, hid_t creation, size_t i, hid_t extent,
                               hid_t *covered, pp_error *err)
{
    char file[PATH_MAX] = "", name[1024] = "", plain_file[PATH_MAX], plain_name[1024];
    int known = H5Pget_virtual_filename(creation, i, file, sizeof file) > 0 &&
                H5Pget_virtual_dsetname(creation, i, name, sizeof name) > 0;
    source s = {file, name, H5Pget_virtual_vspace(creation, i),
                H5Pget_virtual_srcspace(creation, i)};
    pp_status status = PP_OK;
    int is_pattern = has_number(file) || has_number(name);
    if (!known || s.rows < 0 || s.from < 0) {
        status =
            pp__h5_fail(err, PP_E_DATA, "%s: /%s: a mapping is damaged", view->path, view->name);
    } else if (is_pattern && slab_of(s.rows).open >= 0) {
        status = check_blocks(w, view, &s, extent, covered, err);
    } else {
        expand(file, 0, plain_file, sizeof plain_file);
        expand(name, 0, plain_name, sizeof plain_name);
        s.file = plain_file;
        s.name = plain_name;
        status = check_source(w, view, &s, covered, err);
    }
    if (s.rows >= 0) H5Sclose(s.rows);
    if (s.from >= 0) H5Sclose(s.from);
    return status;
}

/* The wanted rows of a view as a selection. */
static hid_t select_wanted(const stop *view, hid_t extent)
{
    hsize_t start[H5S_MAX_RANK] = {0}, dims[H5S_MAX_RANK] = {0};
    int n_dims = H5Sget_simple_extent_dims(extent, dims, NULL);
    hid_t space = H5Scopy(extent);
    H5Sselect_none(space);
    if (n_dims < 1) return space;
    start[0] = view->first < dims[0] ? view->first : dims[0];
    dims[0] = (view->end < dims[0] ? view->end : dims[0]) - start[0];
    for (int d = 0; d < n_dims; d++)
        if (dims[d] == 0) return space;
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, dims, NULL);
    return space;
}

static pp_status check_view(walk *w, const stop *view, hid_t dataset, hid_t creation, pp_error *err)
{
    size_t count = 0;
    hsize_t first = 0, end = 0;
    pp_status status = PP_OK;
    H5Pget_virtual_count(creation, &count);
    hid_t extent = H5Dget_space(dataset), wanted = select_wanted(view, extent), covered = -1;
    for (size_t i = 0; i < count && status == PP_OK; i++)
        status = check_mapping(w, view, creation, i, extent, &covered, err);
    if (status == PP_OK && !is_covered(wanted, covered, &first, &end))
        status = pp_fail(err, PP_E_DATA,
                         "%s: /%s is a view whose %s are mapped to nothing, or to more than a "
                         "source has: what HDF5 fills in is no data",
                         view->path, view->name, text_of(first, end).text);
    if (covered >= 0) H5Sclose(covered);
    H5Sclose(wanted);
    H5Sclose(extent);
    return status;
}

/* ---- any data set ---- */

static int is_above(const stop *at)
{
    for (const stop *up = at->above; up != NULL; up = up->above)
        if (up->number == at->number && up->address == at->address) return 1;
    return 0;
}

static int is_checked(const walk *w, const stop *at)
{
    for (int i = w->n_checked; i-- > 0;) {
        const checked *c = &w->checked[i];
        if (c->number == at->number && c->address == at->address && c->first <= at->first &&
            c->end >= at->end)
            return 1;
    }
    return 0;
}

static pp_status note_checked(walk *w, const stop *at, pp_error *err)
{
    checked *more = realloc(w->checked, (size_t)(w->n_checked + 1) * sizeof *more);
    if (more == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", at->path);
    w->checked = more;
    w->checked[w->n_checked++] = (checked){at->number, at->address, at->first, at->end};
    return PP_OK;
}

static pp_status check_storage(walk *w, stop *at, hid_t dataset, pp_error *err)
{
    char other[256] = "?";
    hid_t creation = H5Dget_create_plist(dataset);
    pp_status status = PP_OK;
    if (H5Pget_layout(creation) == H5D_VIRTUAL) {
        status = check_view(w, at, dataset, creation, err);
    } else if (!w->wanted->follow && H5Pget_external_count(creation) > 0) {
        H5Pget_external(creation, 0, sizeof other - 1, other, NULL, NULL);
        status = pp__h5_refuse(at->path, at->name, "stored in", other, err);
    } else if (!w->wanted->again) {
        status = pp__h5_check_written(dataset, at->path, at->name, at->first, at->end, err);
    }
    H5Pclose(creation);
    return status;
}

static pp_status check_dataset(walk *w, stop *at, pp_error *err)
{
    H5O_info_t info;
    pp_status status = pp__h5_check_links(at->file, at->path, at->name, w->wanted->follow, err);
    if (status == PP_OK) status = pp__h5_check_is_dataset(at->file, at->path, at->name, err);
    if (status != PP_OK) return status;
    hid_t dataset = H5Dopen2(at->file, at->name, H5P_DEFAULT);
    if (dataset < 0 || H5Oget_info(dataset, &info) < 0)
        return pp__h5_fail(err, PP_E_DATA, "%s: /%s cannot be opened", at->path, at->name);
    at->number = info.fileno;
    at->address = info.addr;
    if (is_above(at))
        status = pp_fail(err, PP_E_DATA, "%s: /%s is a view of itself", at->path, at->name);
    else if (at->depth > MOST_NESTED)
        status = pp_fail(err, PP_E_DATA, "%s: /%s is a view of views, more than %d deep", at->path,
                         at->name, MOST_NESTED);
    else if (!is_checked(w, at))
        status = check_storage(w, at, dataset, err);
    H5Dclose(dataset);
    return status == PP_OK ? note_checked(w, at, err) : status;
}

pp_status pp__h5_check_values(hid_t file, const pp__h5_wanted *wanted, pp__h5_behind *behind,
                              pp_error *err)
{
    walk w = {.wanted = wanted, .behind = behind};
    stop at = {.file = file, .path = wanted->path, .name = wanted->name, .end = HSIZE_UNDEF};
    pp_status status = check_dataset(&w, &at, err);
    free(w.checked);
    if (status != PP_OK) pp__h5_forget(behind);
    return status;
}
