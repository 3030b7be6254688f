/* Part two of a data set: what this rank has of the rows, and the order of its epochs.
 *
 * deal.c gives visits to lanes, lanes.c cuts batches, order.c fixes the order of an epoch. A *slot*
 * is the place of a row in the memory of this rank. */
#ifndef PITPROP_DATA_SHARE_INTERNAL_H
#define PITPROP_DATA_SHARE_INTERNAL_H

#include "data/rows/rows_internal.h"
#include "data/share/batch.h"
#include "data/share/lanes.h"

/* A piece: consecutive visits that one lane takes from one window (and, in file order, in one
 * step). Pieces are the same on any number of ranks. */
typedef struct pp__piece {
    int64_t first_row; /* of the training source; the first visit is copy first_copy of it */
    int64_t rows;      /* [first_row, first_row + rows) has them all */
    int lane;
    uint16_t first_copy;
    int64_t first_visit, visits; /* visits of this rank */
    int64_t first_slot, slots;   /* rows that were not in memory before this piece; memory only */
    int64_t first_owned,
        owned; /* those whose first visit is here: they are evaluated with this lane */
} pp__piece;

typedef struct pp__block {
    int64_t first, rows;
    int lane;
} pp__block;

typedef struct pp__data_share {
    pp__data_rows *rows; /* whose share it is */

    /* of the job */
    int shuffle;
    int64_t window, open_windows; /* window: PP_AUTO too */

    int lanes, ranks, rank;
    pp_lane_range range;
    int64_t *cut;  /* [lanes + 1] */
    int64_t batch; /* the job's; cut[lanes] once loaded */

    /* deal.c */
    int64_t n_windows;
    int64_t *window_first; /* [n_windows + 1] rows of the training source; until loaded */
    pp__piece *pieces;     /* [n_pieces] in dealt order */
    int64_t n_pieces;
    int64_t visits;       /* of this rank */
    uint32_t *visit_slot; /* [visits] in dealt order; memory only */
    int64_t *train_index; /* [train_rows] global row of each slot; memory only */
    int64_t train_rows;
    int64_t *held_index; /* [held_rows] = held_out [first_held, first_held + held_rows) */
    int64_t held_rows, first_held;

    /* order.c */
    int64_t *lane_piece;  /* [range.count + 1] first piece of each lane; shuffled only */
    int64_t *lane_visit;  /* [range.count + 1] first visit of each lane; shuffled only */
    uint32_t *owned_slot; /* [owned rows] lane after lane, in dealt order */
    pp__block *blocks;    /* [n_blocks] of owned_slot */
    int64_t n_blocks;
    int64_t epoch;       /* that `order` stands for; -1: none */
    uint32_t *order;     /* [visits] slots in the order of the epoch */
    int64_t *piece_pool; /* scratch of pp__start_epoch: [most pieces of a lane] */
    int64_t *row_pool;   /* and [most visits of open pieces] */
} pp__data_share;

/* deal.c */
pp_status pp__deal(pp__data_share *set, pp_error *err);
int64_t pp__steps_per_epoch(const pp__data_share *set);

/* order.c: what the epochs need, once dealt. */
pp_status pp__plan_order(pp__data_share *set, pp_error *err);
/* Bounds of each lane's pieces and visits. */
pp_status pp__find_lanes(pp__data_share *set, pp_error *err);
/* The order of a lane's pieces in an epoch (from 0), counted from its first: order [count]. */
void pp__order_pieces(const pp__data_share *set, int lane, int64_t epoch, int64_t count,
                      int64_t *order);
/* Mixes `count` visits of open pieces, of which `done` came before in the lane's epoch. */
void pp__mix_visits(const pp__data_share *set, int lane, int64_t epoch, int64_t done, int64_t count,
                    int64_t *visits);
/* Visits of this rank's lane l (0: its first) in a step: *first and the count. Shuffled, they are
 * counted from the rank's first lane on, in file order from the first of the rank. */
int64_t pp__lane_share(const pp__data_share *set, int l, int64_t step, int64_t *first);
/* Fixes the order of an epoch (from 0). */
void pp__start_epoch(pp__data_share *set, int64_t epoch);

#endif
