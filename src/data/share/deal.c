/* Which visits this rank's lanes make, and which rows it needs for them.
 *
 * All visits of an epoch stand in one dealt sequence: window after window (in a seeded order, or in
 * file order), rows ascending within a window, the visits of a repeated row in succession. Windows
 * are numbered file by file, so none crosses from one file into the next; the last one of a file
 * may be short.
 *
 * Shuffled, lane l owns visits [floor(n c_l / B), floor(n c_(l+1) / B)) of the n: as large a share
 * as its share b_l = c_(l+1) - c_l of a batch of B. That is at most ceil(n b_l / B) visits, and
 * since n b_l / B <= ceil(n / B) b_l, which is an integer, they fit into the lane's places in
 * ceil(n / B) steps. Likewise it is at least floor(n / B) b_l: all batches but the last are full.
 *
 * In file order, lane l owns visits s B + c_l up to s B + c_(l+1) of every step s. */
#include "share_internal.h"

#include "base/muldiv.h"

#include "pitprop/check.h"

enum { WINDOWS_A_LANE = 16, FEW_ROWS = 64, MANY_WINDOWS_A_LANE = 1024, WINDOW_BYTES = 128 << 10 };

/* ---- windows ---- */

int64_t pp_window_rows(int64_t wanted, int64_t rows, int64_t inputs, int64_t chunk_rows,
                       int64_t lanes)
{
    int64_t enough = WINDOWS_A_LANE * lanes;
    if (wanted != PP_AUTO) return wanted;
    if (chunk_rows > 0 && (rows + chunk_rows - 1) / chunk_rows >= enough) return chunk_rows;
    int64_t even = rows / enough, many = rows / (MANY_WINDOWS_A_LANE * lanes);
    int64_t most = WINDOW_BYTES / (inputs * (int64_t)sizeof(float));
    if (even <= FEW_ROWS) return even < 1 ? 1 : even;
    most = many < most ? many : most; /* a long file is worth long reads */
    return most < FEW_ROWS ? FEW_ROWS : most;
}

static pp_status make_windows(pp__data_share *set, pp_error *err)
{
    const pp__source *s = &set->rows->source[PP__TRAINING];
    int64_t size = set->rows->info.window, n = 0;
    for (int f = 0; f < s->n_files; f++) {
        int64_t rows = s->file_first[f + 1] - s->file_first[f];
        n += rows / size + (rows % size > 0);
    }
    set->n_windows = n;
    set->window_first = PP_ARENA_NEW(set->rows->until_loaded, int64_t, n + 1);
    if (set->window_first == NULL) return pp__data_no_memory(err);
    int64_t *next = set->window_first;
    for (int f = 0; f < s->n_files; f++) {
        int64_t end = s->file_first[f + 1];
        for (int64_t row = s->file_first[f]; row < end; row = size < end - row ? row + size : end)
            *next++ = row;
    }
    *next = s->rows;
    return PP_OK;
}

static pp_status order_windows(const pp__data_share *set, int64_t **order, pp_error *err)
{
    *order = PP_ARENA_NEW(set->rows->until_loaded, int64_t, set->n_windows);
    if (*order == NULL) return pp__data_no_memory(err);
    for (int64_t w = 0; w < set->n_windows; w++)
        (*order)[w] = w;
    if (set->shuffle)
        pp_rng_shuffle(pp_rng_at(set->rows->seed, PP_RNG_DEAL, 0), 0, set->n_windows, *order);
    return PP_OK;
}

/* ---- a place in the dealt sequence ---- */

typedef struct cursor {
    const pp__data_share *set;
    const int64_t *order; /* [n_windows] */
    int64_t visit;        /* number of the next visit */
    int64_t place;        /* its window is order[place] */
    int64_t row, copy;    /* it is copy `copy` of row `row` */
} cursor;

static cursor start(const pp__data_share *set, const int64_t *order)
{
    return (cursor){.set = set, .order = order, .row = set->window_first[order[0]]};
}

/* Makes row and copy stand for a visit where they stand behind the last one of a row. */
static void to_next_visit(cursor *c)
{
    const pp__data_share *set = c->set;
    while (c->copy >= set->rows->times[c->row]) {
        c->copy = 0;
        c->row++;
        if (c->row < set->window_first[c->order[c->place] + 1]) continue;
        c->place++;
        PP_CHECK(c->place < set->n_windows);
        c->row = set->window_first[c->order[c->place]];
    }
}

static void move_to(cursor *c, int64_t visit)
{
    while (c->visit < visit) {
        to_next_visit(c);
        int64_t left = c->set->rows->times[c->row] - c->copy, wanted = visit - c->visit;
        int64_t steps = left < wanted ? left : wanted;
        c->copy += steps;
        c->visit += steps;
    }
}

/* ---- the visits of this rank ---- */

typedef struct deal {
    pp__data_share *set;
    cursor at;
} deal;

/* A row comes into memory once. */
static void take_slot(deal *d, pp__piece *piece)
{
    pp__data_share *set = d->set;
    int64_t slot = set->train_rows - 1;
    if (slot < 0 || set->train_index[slot] != d->at.row) {
        slot = set->train_rows++;
        set->train_index[slot] = d->at.row;
        piece->slots++;
        if (d->at.copy == 0 && piece->owned == 0) piece->first_owned = slot;
    }
    set->visit_slot[set->visits] = (uint32_t)slot;
}

/* Takes the cursor's visit as the next one of this piece. */
static void take_visit(deal *d, pp__piece *piece)
{
    if (!d->set->rows->streams) take_slot(d, piece);
    piece->rows = d->at.row + 1 - piece->first_row;
    piece->owned += d->at.copy == 0;
    d->set->visits++;
    piece->visits++;
    d->at.copy++;
    d->at.visit++;
}

/* Visits [first, end) of the sequence go to a lane. */
static void take_range(deal *d, int lane, int64_t first, int64_t end)
{
    pp__data_share *set = d->set;
    pp__piece *piece = NULL;
    int64_t place = -1;
    move_to(&d->at, first);
    while (d->at.visit < end) {
        to_next_visit(&d->at);
        if (piece == NULL || place != d->at.place) {
            place = d->at.place;
            piece = &set->pieces[set->n_pieces++];
            *piece = (pp__piece){.first_row = d->at.row,
                                 .first_copy = (uint16_t)d->at.copy,
                                 .lane = lane,
                                 .first_visit = set->visits,
                                 .first_slot = set->train_rows};
        }
        take_visit(d, piece);
    }
}

static void take_shuffled(deal *d)
{
    const pp__data_share *set = d->set;
    int64_t n = set->rows->info.train_rows;
    for (int l = set->range.first; l < set->range.first + set->range.count; l++)
        take_range(d, l, pp_muldiv(n, set->cut[l], set->batch),
                   pp_muldiv(n, set->cut[l + 1], set->batch));
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void take_in_file_order(deal *d)
{
    const pp__data_share *set = d->set;
    int64_t n = set->rows->info.train_rows;
    for (int64_t left = n; left > 0; left -= least(left, set->batch))
        for (int l = set->range.first; l < set->range.first + set->range.count; l++)
            take_range(d, l, n - left + least(left, set->cut[l]),
                       n - left + least(left, set->cut[l + 1]));
}

/* Visits of this rank. */
static int64_t count_visits(const pp__data_share *set)
{
    int64_t n = set->rows->info.train_rows, batch = set->batch;
    int64_t low = set->cut[set->range.first], high = set->cut[set->range.first + set->range.count];
    if (set->shuffle) return pp_muldiv(n, high, batch) - pp_muldiv(n, low, batch);
    int64_t rest = n % batch;
    return n / batch * (high - low) + least(rest, high) - least(rest, low);
}

int64_t pp__steps_per_epoch(const pp__data_share *set)
{
    return (set->rows->info.train_rows + set->batch - 1) / set->batch;
}

static pp_status make_room(pp__data_share *set, pp_error *err)
{
    int64_t visits = count_visits(set);
    if (visits > UINT32_MAX && !set->rows->streams)
        return pp_fail(err, PP_E_UNSUPPORTED,
                       "%lld row visits on one rank are too many; use more ranks",
                       (long long)visits);
    /* A piece begins where a window does, or a lane's share of a step. */
    int64_t shares = set->shuffle ? set->range.count : pp__steps_per_epoch(set) * set->range.count;
    int64_t pieces = least(visits, shares + set->n_windows);
    set->pieces = PP_ARENA_NEW(set->rows->arena, pp__piece, pieces);
    if (set->rows->streams) return set->pieces != NULL ? PP_OK : pp__data_no_memory(err);
    set->visit_slot = PP_ARENA_NEW(set->rows->arena, uint32_t, visits);
    set->train_index = PP_ARENA_NEW(set->rows->arena, int64_t, visits);
    int ok = set->visit_slot != NULL && set->pieces != NULL && set->train_index != NULL;
    return ok ? PP_OK : pp__data_no_memory(err);
}

/* Held-out rows come in blocks of PP_BLOCK_ROWS; a rank has whole blocks. */
static pp_status share_held_out(pp__data_share *set, pp_error *err)
{
    int64_t rows = set->rows->info.validation_rows;
    int64_t blocks = (rows + PP_BLOCK_ROWS - 1) / PP_BLOCK_ROWS;
    int64_t first = pp_muldiv(blocks, set->rank, set->ranks);
    int64_t end = pp_muldiv(blocks, set->rank + 1, set->ranks);
    set->first_held = least(first * PP_BLOCK_ROWS, rows);
    set->held_rows = least(end * PP_BLOCK_ROWS, rows) - set->first_held;
    if (set->rows->streams && set->held_rows > 0) {
        set->held_index = set->rows->held_out + set->first_held;
        return PP_OK;
    }
    set->held_index = PP_ARENA_NEW(set->rows->arena, int64_t, set->held_rows);
    if (set->held_index == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < set->held_rows; i++)
        set->held_index[i] = set->rows->held_out[set->first_held + i];
    return PP_OK;
}

pp_status pp__deal(pp__data_share *set, pp_error *err)
{
    int64_t *order;
    pp_status status = make_windows(set, err);
    if (status == PP_OK) status = order_windows(set, &order, err);
    if (status == PP_OK) status = make_room(set, err);
    if (status == PP_OK) status = share_held_out(set, err);
    if (status != PP_OK) return status;
    deal d = {.set = set, .at = start(set, order)};
    (set->shuffle ? take_shuffled : take_in_file_order)(&d);
    PP_CHECK(set->visits == count_visits(set));
    return PP_OK;
}
