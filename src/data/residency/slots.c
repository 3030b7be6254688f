/* Rows in memory: a slot each, and the batches and blocks that are copied from them. */
#include "residency_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

pp_status pp__make_store(pp__data_residency *set, pp__store *store, pp_error *err)
{
    size_t rows = (size_t)store->rows, inputs = (size_t)set->rows->info.inputs;
    if (rows > (SIZE_MAX - 63) / sizeof(float) / inputs) return pp__data_no_memory(err);
    size_t bytes = (rows * inputs * sizeof(float) + 63) / 64 * 64;
    store->at.x = aligned_alloc(64, bytes > 0 ? bytes : 64);
    store->at.y = PP_ARENA_NEW(set->rows->arena, float, store->rows * set->rows->info.y_columns);
    store->at.weight = PP_ARENA_NEW(set->rows->arena, float, store->rows);
    int ok = store->at.x != NULL && store->at.y != NULL && store->at.weight != NULL;
    return ok ? PP_OK : pp__data_no_memory(err);
}

/* Row `slot` of a store becomes row `to` of out. */
static void copy_row(const pp__data_residency *set, const pp__store *store, int64_t slot,
                     pp_rows *out, int64_t to)
{
    size_t inputs = (size_t)set->rows->info.inputs, columns = (size_t)set->rows->info.y_columns;
    size_t from = (size_t)slot, at = (size_t)to;
    memcpy(out->x + at * inputs, store->at.x + from * inputs, inputs * sizeof(float));
    memcpy(out->y + at * columns, store->at.y + from * columns, columns * sizeof(float));
    out->weight[at] = store->at.weight[from];
    out->index[at] = store->at.index[from];
}

/* ---- as a residence ---- */

static void batch(pp__data_residency *set, int64_t step, pp_rows *out, int64_t *lane_rows)
{
    const pp__data_share *share = set->share;
    const uint32_t *order = share->shuffle ? share->order : share->visit_slot;
    int64_t n = 0;
    for (int l = 0; l < share->range.count; l++) {
        int64_t first;
        lane_rows[l] = pp__lane_share(share, l, step, &first);
        for (int64_t i = 0; i < lane_rows[l]; i++)
            copy_row(set, &set->train, order[first + i], out, n++);
    }
}

static int64_t blocks(const pp__data_residency *set)
{
    return set->share->n_blocks;
}

int64_t pp__slots_held_out(const pp__data_residency *set, int64_t block, pp_rows *out)
{
    int64_t first = block * PP_BLOCK_ROWS, left = set->held.rows - first;
    int64_t rows = left < PP_BLOCK_ROWS ? left : PP_BLOCK_ROWS;
    for (int64_t i = 0; i < rows; i++)
        copy_row(set, &set->held, first + i, out, i);
    return rows;
}

static int64_t block(pp__data_residency *set, pp_part part, int64_t block, pp_rows *out)
{
    if (part != PP_PART_TRAIN) return pp__slots_held_out(set, block, out);
    const pp__block *b = &set->share->blocks[block];
    for (int64_t i = 0; i < b->rows; i++)
        copy_row(set, &set->train, set->share->owned_slot[b->first + i], out, i);
    return b->rows;
}

static int lane(const pp__data_residency *set, int64_t block)
{
    return set->share->blocks[block].lane;
}

static int64_t bytes(const pp__data_residency *set)
{
    const pp_dataset_info *info = &set->rows->info;
    int64_t values = info->inputs + info->y_columns + 1; /* and the weight */
    int64_t row = values * (int64_t)sizeof(float) + (int64_t)sizeof(int64_t);
    return row * (set->train.rows + set->held.rows);
}

static pp_status plan(pp__data_residency *set, pp_error *err)
{
    return pp__plan_order(set->share, err);
}

const pp__residence pp__in_memory = {plan, batch, blocks, block, lane, bytes};
