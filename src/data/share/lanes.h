/* Lanes: virtual workers, a property of the job and never of the launch.
 *
 * Rank r of R carries lanes [first, first + count) with first = floor(r L / R). Lane l has batch
 * slots [cut[l], cut[l + 1]) of every global batch and the rows that are dealt to it. */
#ifndef PITPROP_LANES_H
#define PITPROP_LANES_H

#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp_lane_range {
    int first, count;
} pp_lane_range;

pp_lane_range pp_lanes_of_rank(int lanes, int rank, int ranks);

/* Cuts a batch into lane shares: cut [lanes + 1], cut[0] = 0, cut[lanes] = batch. Where a lane has
 * 24 rows or more, cuts fall on multiples of 12 rows, the width of OpenBLAS's Haswell and Zen
 * micro-kernels: products of several lanes can then be done in one call without changing a bit. */
void pp_lanes_cut(int64_t batch, int lanes, int64_t *cut);

/* A node of the binary tree over lanes: lanes [first, first + count), count a power of two, first a
 * multiple of count. */
typedef struct pp_tree_node {
    int first, count;
} pp_tree_node;

enum { PP_MAX_NODES = 32 }; /* of one rank */

/* The maximal aligned subtrees of a range of lanes, in lane order; returns how many. */
int pp_tree_nodes(pp_lane_range range, pp_tree_node nodes[PP_MAX_NODES]);

/* The additions that fold nodes [count], which tile [0, lanes) in order, into the root: adds[i]
 * says node[into] += node[from], to be done in order; node[0] ends as the root. Returns count - 1.
 */
typedef struct pp_tree_add {
    int into, from;
} pp_tree_add;
int pp_tree_fold(const pp_tree_node *nodes, int count, pp_tree_add *adds);

#endif
