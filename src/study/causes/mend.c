/* Copies are written row by row in the order of the files: x as float32, y as it is, and row
 * weights and groups where the job has them. */
#include "mend.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "store/h5.h"

enum {
    PORTION_VALUES = 1 << 18,
    CHUNK_BYTES = 1 << 18,
    SETS = 4,
    BLOCK = 64 /* rows that stay together where only some are kept: neighbours show the order */
};
static const double most_bytes = 1e9;

int pp__mend_fits(const pp_inspection *data)
{
    return 4.0 * (double)data->rows * (double)(data->inputs + data->y_columns) <= most_bytes;
}

/* One of x, y, weights and groups, in both files. */
typedef struct set {
    const char *name; /* in the copy; NULL: the job has none */
    pp_h5_set *from;
    int64_t columns, kept; /* a row: as read, and in the copy */
    pp_h5_type type;
    float *values; /* [portion, columns]; packed to [., kept] */
} set;

typedef struct seen {
    uint64_t *hash; /* [room] a power of two; 0: free */
    int64_t room;
} seen;

typedef struct copying {
    const pp_mend *mend;
    set sets[SETS]; /* x, y, weights, groups */
    int64_t portion, rows;
    int64_t wanted; /* of the rows; 0: all */
    seen seen;
    int64_t *whole; /* [portion] y as integers */
} copying;

enum { X, Y, WEIGHTS, GROUPS };

/* ---- rows that were there before ---- */

/* FNV-1a over 32-bit words, then mixed (the finaliser of SplitMix64). */
static uint64_t hash_of(uint64_t hash, const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        float value = values[i] + 0.0F; /* -0 becomes 0 */
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3ULL;
        hash ^= hash >> 29;
    }
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ULL;
    return hash ^ hash >> 31;
}

static int was_seen(seen *s, uint64_t hash)
{
    if (hash == 0) hash = 1;
    int64_t at = (int64_t)(hash & (uint64_t)(s->room - 1));
    while (s->hash[at] != 0 && s->hash[at] != hash)
        at = (at + 1) & (s->room - 1);
    if (s->hash[at] == hash) return 1;
    s->hash[at] = hash;
    return 0;
}

/* ---- one row ---- */

static int stays(copying *c, const float *x, const float *y)
{
    const pp_mend *m = c->mend;
    if ((double)y[0] < m->target_low || (double)y[0] > m->target_high) return 0;
    for (int64_t j = 0; m->low != NULL && j < c->sets[X].columns; j++)
        if ((double)x[j] < m->low[j] || (double)x[j] > m->high[j]) return 0;
    if (!m->unique) return 1;
    uint64_t hash = hash_of(0xcbf29ce484222325ULL, x, c->sets[X].columns);
    return !was_seen(&c->seen, hash_of(hash, y, c->sets[Y].columns));
}

/* x without the features that are left out, codes exchanged; `to` may be `from`. */
static void mend_x(const copying *c, const float *from, float *to)
{
    const pp_mend *m = c->mend;
    for (int64_t j = 0; j < c->sets[X].columns; j++) {
        if (m->left_out != NULL && m->left_out[j]) continue;
        int is_code = m->code != NULL && from[j] == m->code[j];
        *to++ = is_code ? m->instead[j] : from[j];
    }
}

static int64_t pack(copying *c, int64_t rows)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < rows; i++) {
        set *x = &c->sets[X], *y = &c->sets[Y];
        if (!stays(c, x->values + i * x->columns, y->values + i * y->columns)) continue;
        mend_x(c, x->values + i * x->columns, x->values + kept * x->kept);
        for (int s = Y; s < SETS; s++)
            if (c->sets[s].name != NULL)
                memmove(c->sets[s].values + kept * c->sets[s].kept,
                        c->sets[s].values + i * c->sets[s].columns,
                        (size_t)c->sets[s].columns * sizeof(float));
        kept++;
    }
    return kept;
}

/* ---- reading and writing ---- */

/* Targets of rows [first, first + rows), from the rows that they have slipped to. */
static pp_status read_targets(const copying *c, int64_t first, int64_t rows, pp_error *err)
{
    const pp_mend *m = c->mend;
    const set *y = &c->sets[Y];
    if (m->slip == 0) return pp_h5_read_f32(y->from, first, rows, y->values, err);
    for (int64_t i = 0; i < rows; i++) {
        int64_t row = first + i, from = row >= m->slip_row ? row + m->slip : row;
        from = from < 0 ? 0 : from < c->rows ? from : c->rows - 1;
        pp_status status = pp_h5_read_f32(y->from, from, 1, y->values + i * y->columns, err);
        if (status != PP_OK) return status;
    }
    return PP_OK;
}

static pp_status put(copying *c, pp_h5_writer *writer, const set *s, int64_t at, int64_t rows,
                     pp_error *err)
{
    if (s->type == PP_H5_F32)
        return pp_h5_writer_put(writer, s->name, at, rows, PP_H5_F32, s->values, err);
    for (int64_t i = 0; i < rows * s->kept; i++)
        c->whole[i] = (int64_t)s->values[i];
    return pp_h5_writer_put(writer, s->name, at, rows, PP_H5_I64, c->whole, err);
}

/* The k-th run of rows to copy, [*first, *first + result); 0: there is none. Where some are wanted,
 * a block at a place of its own within each of equal stretches of the file. */
static int64_t run_of_rows(const copying *c, int64_t k, int64_t *first)
{
    int64_t block = c->portion < BLOCK ? c->portion : BLOCK;
    if (c->wanted == 0 || c->wanted >= c->rows) {
        *first = k * c->portion;
        return c->rows - *first < c->portion ? c->rows - *first : c->portion;
    }
    int64_t blocks = (c->wanted + block - 1) / block;
    if (k == blocks) return 0;
    int64_t rows = k < blocks - 1 ? block : c->wanted - (blocks - 1) * block;
    int64_t from = (int64_t)((double)c->rows * (double)k / (double)blocks);
    int64_t to = (int64_t)((double)c->rows * (double)(k + 1) / (double)blocks);
    float place = (float)k;
    uint64_t room = to - from > rows ? (uint64_t)(to - from - rows) : 0;
    *first = from + (int64_t)(hash_of(0xcbf29ce484222325ULL, &place, 1) % (room + 1));
    return rows < c->rows - *first ? rows : c->rows - *first;
}

static pp_status copy_rows(copying *c, pp_h5_writer *writer, pp_error *err)
{
    int64_t at = 0, first, rows;
    pp_status status = PP_OK;
    for (int64_t k = 0; status == PP_OK && (rows = run_of_rows(c, k, &first)) > 0; k++) {
        for (int s = X; s < SETS && status == PP_OK; s++) {
            if (c->sets[s].name == NULL) continue;
            status = s == Y ? read_targets(c, first, rows, err)
                            : pp_h5_read_f32(c->sets[s].from, first, rows, c->sets[s].values, err);
        }
        int64_t kept = status == PP_OK ? pack(c, rows) : 0;
        for (int s = X; s < SETS && status == PP_OK && kept > 0; s++)
            if (c->sets[s].name != NULL) status = put(c, writer, &c->sets[s], at, kept, err);
        at += kept;
    }
    return status;
}

static pp_status add_sets(const copying *c, pp_h5_writer *writer, pp_error *err)
{
    pp_status status = PP_OK;
    for (int s = X; s < SETS && status == PP_OK; s++) {
        if (c->sets[s].name == NULL) continue;
        int64_t dims[2] = {-1, c->sets[s].kept};
        int64_t chunk = CHUNK_BYTES / (8 * c->sets[s].kept);
        status = pp_h5_writer_add(writer, c->sets[s].name, c->sets[s].type,
                                  c->sets[s].kept == 1 && s != X ? 1 : 2, dims,
                                  chunk > 0 ? chunk : 1, err);
    }
    return status;
}

static pp_status write_copy(copying *c, const char *path, pp_error *err)
{
    pp_h5_writer *writer;
    pp_status status = pp_h5_writer_create(path, &writer, err);
    if (status != PP_OK) return status;
    status = add_sets(c, writer, err);
    if (status == PP_OK) status = copy_rows(c, writer, err);
    if (status == PP_OK) return pp_h5_writer_close(writer, err);
    pp_h5_writer_abandon(writer);
    return status;
}

/* ---- one list of files ---- */

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "no memory for a copy of the rows");
}

static pp_status open_sets(copying *c, const pp_job_data *data, const char **files, int n_files,
                           int is_training, pp_error *err)
{
    const char *others[SETS] = {[WEIGHTS] = data->row_weights, [GROUPS] = data->groups};
    pp_status status = pp_data_open_x(data, files, n_files, NULL, &c->sets[X].from, err);
    if (status == PP_OK) status = pp_data_open_y(data, files, n_files, &c->sets[Y].from, err);
    c->sets[X].name = "x";
    c->sets[Y].name = "y";
    for (int s = WEIGHTS; s < SETS && status == PP_OK; s++) {
        if (*others[s] == '\0' || (s == GROUPS && !is_training)) continue;
        pp_h5_selection what = {
            .names = &others[s], .n_names = 1, .follow_links = data->follow_links};
        status = pp_h5_open_selection(files, n_files, &what, &c->sets[s].from, err);
        c->sets[s].name = s == WEIGHTS ? "weights" : "groups";
    }
    return status;
}

static pp_status make_room(copying *c, pp_error *err)
{
    int64_t widest = 1;
    c->rows = pp_h5_rows(c->sets[X].from);
    for (int s = X; s < SETS; s++) {
        set *one = &c->sets[s];
        if (one->name == NULL) continue;
        one->columns = one->kept = pp_h5_columns(one->from);
        one->type = s != X && pp_h5_is_integer(one->from) ? PP_H5_I64 : PP_H5_F32;
        if (one->columns > widest) widest = one->columns;
    }
    for (int64_t j = 0; c->mend->left_out != NULL && j < c->sets[X].columns; j++)
        c->sets[X].kept -= c->mend->left_out[j] != 0;
    c->portion = PORTION_VALUES / widest > 0 ? PORTION_VALUES / widest : 1;
    c->whole = malloc((size_t)(c->portion * widest) * sizeof *c->whole);
    int ok = c->whole != NULL;
    for (int s = X; s < SETS; s++) {
        if (c->sets[s].name == NULL) continue;
        c->sets[s].values = malloc((size_t)(c->portion * c->sets[s].columns) * sizeof(float));
        ok = ok && c->sets[s].values != NULL;
    }
    return ok ? PP_OK : no_memory(err);
}

static void close_sets(copying *c)
{
    for (int s = X; s < SETS; s++) {
        pp_h5_close(c->sets[s].from);
        free(c->sets[s].values);
        c->sets[s] = (set){0};
    }
    free(c->whole);
    c->whole = NULL;
}

/* Training files, or validation files. */
static pp_status copy_files(copying *c, const pp_job_data *data, int is_training, pp_arena *arena,
                            pp_error *err)
{
    const char **files;
    char path[PATH_MAX];
    int n_files;
    pp_status status = pp_data_expand(arena, is_training ? data->files : data->validation_files,
                                      is_training ? data->n_files : data->n_validation_files,
                                      &files, &n_files, err);
    if (status != PP_OK || n_files == 0) return status;
    snprintf(path, sizeof path, "%s%s.h5", c->mend->files, is_training ? "" : "-held-out");
    c->wanted = is_training ? c->mend->rows : c->mend->held_out;
    status = open_sets(c, data, files, n_files, is_training, err);
    if (status == PP_OK) status = make_room(c, err);
    if (status == PP_OK) status = write_copy(c, path, err);
    close_sets(c);
    return status;
}

/* Room for twice the rows of the job. */
static int make_seen(seen *s, int64_t rows)
{
    s->room = 1024;
    while (s->room < 2 * rows)
        s->room *= 2;
    s->hash = calloc((size_t)s->room, sizeof *s->hash);
    return s->hash != NULL;
}

pp_status pp__mend_write(const pp_job_data *data, int64_t rows, const pp_mend *mend, pp_error *err)
{
    copying c = {.mend = mend};
    pp_arena *arena = pp_arena_create();
    pp_status status =
        arena != NULL && make_seen(&c.seen, mend->unique ? rows : 0) ? PP_OK : no_memory(err);
    /* validation files first: of copies on both sides it is the training row that goes */
    if (status == PP_OK) status = copy_files(&c, data, 0, arena, err);
    if (status == PP_OK) status = copy_files(&c, data, 1, arena, err);
    free(c.seen.hash);
    pp_arena_destroy(arena);
    return status;
}
