/* Bringing this rank's rows into memory.
 *
 * The rows that are needed, of training and held-out alike, are walked in file order; those that
 * lie close together come in one read through a bounce buffer. */
#include "residency_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/stop.h"

static const int64_t bounce_bytes = (int64_t)16 << 20;
static const int64_t gap_bytes = (int64_t)64
                                 << 10; /* reading so much costs less than another read */

enum { MOST_WANTED = 1 << 16 };

/* A row of a source and where it goes. */
typedef struct wanted {
    int64_t row;
    float *to; /* [inputs] */
} wanted;

typedef struct reader {
    pp__data_residency *set;
    const pp__source *source;
    /* training rows: pieces by row */
    const int64_t *sorted;   /* [n_pieces] */
    int64_t piece, n_pieces; /* next place in sorted */
    int64_t slot;            /* next slot of that piece */
    /* held-out rows */
    int64_t held, held_end; /* rows of set->held */
    /* one read */
    wanted *list; /* [n] */
    int64_t n;
    float *bounce;     /* [most, inputs] */
    double *scratch;   /* of pp__read_x */
    int64_t most, gap; /* rows */
} reader;

static int64_t train_row(reader *r)
{
    const pp__data_residency *set = r->set;
    while (r->piece < r->n_pieces && r->slot >= set->share->pieces[r->sorted[r->piece]].slots) {
        r->piece++;
        r->slot = 0;
    }
    if (r->piece == r->n_pieces) return INT64_MAX;
    return set->train.at.index[set->share->pieces[r->sorted[r->piece]].first_slot + r->slot];
}

static int64_t held_row(const reader *r)
{
    return r->held < r->held_end ? r->set->held.at.index[r->held] - r->source->first : INT64_MAX;
}

static int64_t next_row(reader *r)
{
    int64_t train = train_row(r), held = held_row(r);
    return train < held ? train : held;
}

static wanted take_row(reader *r)
{
    pp__data_residency *set = r->set;
    int64_t train = train_row(r), held = held_row(r), inputs = set->rows->info.inputs;
    if (held < train) return (wanted){held, set->held.at.x + r->held++ * inputs};
    int64_t slot = set->share->pieces[r->sorted[r->piece]].first_slot + r->slot++;
    return (wanted){train, set->train.at.x + slot * inputs};
}

/* Fills r->list with rows that are worth one read. */
static void gather(reader *r)
{
    r->n = 0;
    do {
        r->list[r->n++] = take_row(r);
        int64_t next = next_row(r);
        if (next == INT64_MAX || next - r->list[r->n - 1].row > r->gap) return;
        if (next - r->list[0].row >= r->most) return;
    } while (r->n < MOST_WANTED);
}

/* ---- reading ---- */

static pp_status read_list(reader *r, pp_error *err)
{
    int64_t first = r->list[0].row, inputs = r->set->rows->info.inputs;
    int64_t count = r->list[r->n - 1].row + 1 - first;
    pp_status status = pp__read_x(r->set, r->source, first, count, r->bounce, r->scratch, err);
    for (int64_t i = 0; status == PP_OK && i < r->n; i++)
        memcpy(r->list[i].to, r->bounce + (r->list[i].row - first) * inputs,
               (size_t)inputs * sizeof(float));
    return status;
}

/* Rows come in ascending order, so the first bad one is the lowest of this rank. */
static pp_status read_source(reader *r, int64_t *bad_row, pp_error *bad, pp_error *err)
{
    while (next_row(r) != INT64_MAX) {
        gather(r);
        pp_status status = pp_stop_check(err);
        if (status == PP_OK) status = read_list(r, err);
        if (status != PP_OK) return status;
        for (int64_t i = 0; i < r->n; i++) {
            const wanted *w = &r->list[i];
            if (!pp__has_fault(w->to, r->set->rows->info.inputs)) continue;
            *bad_row = r->source->first + w->row;
            pp__tell_fault(r->source, w->row, w->to, bad);
            return PP_OK;
        }
    }
    return PP_OK;
}

typedef struct keyed {
    int64_t row, piece;
} keyed;

static int by_row_then_piece(const void *left, const void *right)
{
    const keyed *a = left, *b = right;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return a->piece < b->piece ? -1 : a->piece > b->piece;
}

int64_t *pp__sort_pieces(const pp__data_residency *set, pp_arena *arena)
{
    keyed *keys = PP_ARENA_NEW(arena, keyed, set->share->n_pieces);
    int64_t *sorted = PP_ARENA_NEW(arena, int64_t, set->share->n_pieces);
    if (keys == NULL || sorted == NULL) return NULL;
    for (int64_t i = 0; i < set->share->n_pieces; i++)
        keys[i] = (keyed){set->share->pieces[i].first_row, i};
    qsort(keys, (size_t)set->share->n_pieces, sizeof *keys, by_row_then_piece);
    for (int64_t i = 0; i < set->share->n_pieces; i++)
        sorted[i] = keys[i].piece;
    return sorted;
}

static int prepare(reader *r, pp__data_residency *set, pp_arena *arena)
{
    int64_t row_bytes = set->rows->info.inputs * (int64_t)sizeof(float);
    *r = (reader){.set = set, .n_pieces = set->share->n_pieces};
    r->most = bounce_bytes / row_bytes > 0 ? bounce_bytes / row_bytes : 1;
    if (r->most > set->rows->info.file_rows + set->rows->info.validation_rows)
        r->most = set->rows->info.file_rows + set->rows->info.validation_rows;
    r->gap = gap_bytes / row_bytes + 1;
    if (r->gap < set->rows->info.chunk_rows)
        r->gap = set->rows->info.chunk_rows; /* the chunk comes whole anyway */
    r->sorted = pp__sort_pieces(set, arena);
    r->list = PP_ARENA_NEW(arena, wanted, MOST_WANTED);
    r->bounce = PP_ARENA_NEW(arena, float, r->most * set->rows->info.inputs);
    if (set->wide_shift != NULL) r->scratch = PP_ARENA_NEW(arena, double, pp__scratch_values(set));
    if (set->wide_shift != NULL && r->scratch == NULL) return 0;
    return r->sorted != NULL && r->list != NULL && r->bounce != NULL;
}

static pp_status read_x(pp__data_residency *set, int64_t *bad_row, pp_error *bad, pp_error *err)
{
    reader r;
    pp_arena *scratch = pp_arena_create();
    if (scratch == NULL || !prepare(&r, set, scratch)) {
        pp_arena_destroy(scratch);
        return pp__data_no_memory(err);
    }
    pp_status status = PP_OK;
    for (int i = 0; status == PP_OK && *bad_row == INT64_MAX && i < set->rows->n_sources; i++) {
        r.source = &set->rows->source[i];
        int is_held_here = set->rows->n_sources == 1 || i == PP__HELD_OUT;
        r.held_end = is_held_here ? set->held.rows : 0;
        status = read_source(&r, bad_row, bad, err);
    }
    pp_arena_destroy(scratch);
    return status;
}

/* ---- y, weight ---- */

static pp_status fill_targets(const pp__data_residency *set, pp__store *store, pp_error *err)
{
    pp_status status = PP_OK;
    for (int64_t i = 0; status == PP_OK && i < store->rows; i++) {
        int64_t row = store->at.index[i];
        const pp__source *s =
            &set->rows->source[row < set->rows->info.file_rows ? PP__TRAINING : PP__HELD_OUT];
        float weight = 1, *y = store->at.y + i * set->rows->info.y_columns;
        status = pp__targets(set->rows, s, row - s->first, 1, y, &weight, err);
        store->at.weight[i] = pp__weight_of(set->rows, y, weight);
    }
    return status;
}

pp_status pp__read_rows(pp__data_residency *set, int64_t *bad_row, pp_error *bad, pp_error *err)
{
    pp_status status = pp__make_store(set, &set->train, err);
    if (status == PP_OK) status = pp__make_store(set, &set->held, err);
    if (status == PP_OK) status = fill_targets(set, &set->train, err);
    if (status == PP_OK) status = fill_targets(set, &set->held, err);
    return status != PP_OK ? status : read_x(set, bad_row, bad, err);
}
