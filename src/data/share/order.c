/* The order of an epoch, its batches, and the blocks of an evaluation. */
#include "share_internal.h"

#include <string.h>

#include "pitprop/check.h"

enum { LANE_SHIFT = 40 }; /* random indices of lane l start at l << 40 */

/* ---- plan ---- */

/* In file order lanes alternate, and nobody asks. */
pp_status pp__find_lanes(pp__data_share *set, pp_error *err)
{
    int count = set->range.count;
    set->lane_piece = PP_ARENA_NEW(set->rows->arena, int64_t, count + 1);
    set->lane_visit = PP_ARENA_NEW(set->rows->arena, int64_t, count + 1);
    if (set->lane_piece == NULL || set->lane_visit == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < set->n_pieces; i++) {
        int l = set->pieces[i].lane - set->range.first;
        set->lane_piece[l + 1]++;
        set->lane_visit[l + 1] += set->pieces[i].visits;
    }
    for (int l = 0; l < count; l++) {
        set->lane_piece[l + 1] += set->lane_piece[l];
        set->lane_visit[l + 1] += set->lane_visit[l];
    }
    return PP_OK;
}

static pp_status make_pools(pp__data_share *set, pp_error *err)
{
    int64_t pieces = 0, visits = 0, largest = 0;
    for (int l = 0; l < set->range.count; l++) {
        int64_t p = set->lane_piece[l + 1] - set->lane_piece[l];
        int64_t v = set->lane_visit[l + 1] - set->lane_visit[l];
        if (p > pieces) pieces = p;
        if (v > visits) visits = v;
    }
    for (int64_t i = 0; i < set->n_pieces; i++)
        if (set->pieces[i].visits > largest) largest = set->pieces[i].visits;
    if (largest > 0 && set->open_windows < visits / largest) visits = set->open_windows * largest;
    set->piece_pool = PP_ARENA_NEW(set->rows->arena, int64_t, pieces);
    set->row_pool = PP_ARENA_NEW(set->rows->arena, int64_t, visits);
    set->order = PP_ARENA_NEW(set->rows->arena, uint32_t, set->visits);
    int ok = set->piece_pool != NULL && set->row_pool != NULL && set->order != NULL;
    return ok ? PP_OK : pp__data_no_memory(err);
}

/* Each lane's own rows, in dealt order. */
static pp_status list_owned(pp__data_share *set, int64_t *lane_first, pp_error *err)
{
    int count = set->range.count;
    set->owned_slot = PP_ARENA_NEW(set->rows->arena, uint32_t, set->train_rows);
    int64_t *next = PP_ARENA_NEW(set->rows->until_loaded, int64_t, count + 1);
    if (set->owned_slot == NULL || next == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < set->n_pieces; i++)
        next[set->pieces[i].lane - set->range.first + 1] += set->pieces[i].owned;
    for (int l = 0; l < count; l++)
        next[l + 1] += next[l];
    memcpy(lane_first, next, sizeof *next * (size_t)(count + 1));
    for (int64_t i = 0; i < set->n_pieces; i++) {
        const pp__piece *piece = &set->pieces[i];
        int64_t *to = &next[piece->lane - set->range.first];
        for (int64_t k = 0; k < piece->owned; k++)
            set->owned_slot[(*to)++] = (uint32_t)(piece->first_owned + k);
    }
    return PP_OK;
}

static pp_status make_blocks(pp__data_share *set, pp_error *err)
{
    int count = set->range.count;
    int64_t *first = PP_ARENA_NEW(set->rows->until_loaded, int64_t, count + 1);
    int64_t most = set->train_rows / PP_BLOCK_ROWS + count;
    set->blocks = PP_ARENA_NEW(set->rows->arena, pp__block, most);
    if (first == NULL || set->blocks == NULL) return pp__data_no_memory(err);
    pp_status status = list_owned(set, first, err);
    if (status != PP_OK) return status;
    for (int l = 0; l < count; l++) {
        for (int64_t at = first[l]; at < first[l + 1]; at += PP_BLOCK_ROWS) {
            int64_t rows = first[l + 1] - at < PP_BLOCK_ROWS ? first[l + 1] - at : PP_BLOCK_ROWS;
            set->blocks[set->n_blocks++] = (pp__block){at, rows, set->range.first + l};
        }
    }
    PP_CHECK(set->n_blocks <= most);
    return PP_OK;
}

pp_status pp__plan_order(pp__data_share *set, pp_error *err)
{
    pp_status status = make_blocks(set, err);
    if (status != PP_OK || !set->shuffle) return status;
    status = pp__find_lanes(set, err);
    return status == PP_OK ? make_pools(set, err) : status;
}

/* ---- epochs ---- */

static uint64_t lane_index(const pp__data_share *set, int l)
{
    return (uint64_t)(set->range.first + l) << LANE_SHIFT;
}

void pp__order_pieces(const pp__data_share *set, int l, int64_t epoch, int64_t count,
                      int64_t *order)
{
    pp_rng rng = pp_rng_at(set->rows->seed, PP_RNG_WINDOWS, (uint64_t)epoch);
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    pp_rng_shuffle(rng, lane_index(set, l), count, order);
}

void pp__mix_visits(const pp__data_share *set, int l, int64_t epoch, int64_t done, int64_t count,
                    int64_t *visits)
{
    pp_rng rng = pp_rng_at(set->rows->seed, PP_RNG_ROWS, (uint64_t)epoch);
    pp_rng_shuffle(rng, lane_index(set, l) + (uint64_t)done, count, visits);
}

/* Puts the visits of `count` pieces of a lane into order behind its first `done`, mixed; returns
 * how many. */
static int64_t mix(pp__data_share *set, int l, int64_t done, const int64_t *pieces, int64_t count)
{
    uint32_t *to = set->order + set->lane_visit[l] + done;
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        const pp__piece *piece = &set->pieces[set->lane_piece[l] + pieces[i]];
        for (int64_t v = 0; v < piece->visits; v++)
            set->row_pool[n++] = set->visit_slot[piece->first_visit + v];
    }
    pp__mix_visits(set, l, set->epoch, done, n, set->row_pool);
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint32_t)set->row_pool[i];
    return n;
}

static void order_lane(pp__data_share *set, int l)
{
    int64_t count = set->lane_piece[l + 1] - set->lane_piece[l];
    pp__order_pieces(set, l, set->epoch, count, set->piece_pool);
    for (int64_t at = 0, done = 0; at < count;) {
        int64_t open = count - at < set->open_windows ? count - at : set->open_windows;
        done += mix(set, l, done, set->piece_pool + at, open);
        at += open;
    }
}

void pp__start_epoch(pp__data_share *set, int64_t epoch)
{
    if (epoch == set->epoch) return;
    PP_CHECK(epoch >= 0);
    set->epoch = epoch;
    for (int l = 0; set->shuffle && !set->rows->streams && l < set->range.count; l++)
        order_lane(set, l);
}

/* ---- batches ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t pp__lane_share(const pp__data_share *set, int l, int64_t step, int64_t *first)
{
    const int64_t *cut = set->cut + set->range.first;
    int64_t share = cut[l + 1] - cut[l];
    if (set->shuffle) {
        int64_t end = set->lane_visit[l + 1];
        *first = least(set->lane_visit[l] + step * share, end);
        return least(share, end - *first);
    }
    int64_t left = set->rows->info.train_rows - step * set->batch; /* of the epoch */
    int64_t low = least(cut[l], left), high = least(cut[l + 1], left);
    /* Before this step the rank had its whole share of every batch. */
    *first = step * (cut[set->range.count] - cut[0]) + low - least(cut[0], left);
    return high - low;
}
