#include "data/share/lanes.h"

#include "pitprop/check.h"

enum { KERNEL_ROWS = 12, FEWEST_ROWS_TO_ALIGN = 24, DEPTH = 16 };

pp_lane_range pp_lanes_of_rank(int lanes, int rank, int ranks)
{
    int64_t first = (int64_t)rank * lanes / ranks;
    int64_t end = ((int64_t)rank + 1) * lanes / ranks;
    return (pp_lane_range){(int)first, (int)(end - first)};
}

void pp_lanes_cut(int64_t batch, int lanes, int64_t *cut)
{
    int is_aligned = batch / lanes >= FEWEST_ROWS_TO_ALIGN;
    for (int l = 0; l < lanes; l++) {
        /* batch * l / lanes without an overflow of batch * l */
        int64_t even = batch / lanes * l + batch % lanes * l / lanes;
        cut[l] = is_aligned ? (even + KERNEL_ROWS / 2) / KERNEL_ROWS * KERNEL_ROWS : even;
    }
    cut[lanes] = batch;
}

int pp_tree_nodes(pp_lane_range range, pp_tree_node nodes[PP_MAX_NODES])
{
    int count = 0;
    int end = range.first + range.count;
    for (int at = range.first; at < end;) {
        int size = 1;
        while (at % (2 * size) == 0 && at + 2 * size <= end)
            size *= 2;
        PP_CHECK(count < PP_MAX_NODES);
        nodes[count++] = (pp_tree_node){at, size};
        at += size;
    }
    return count;
}

/* A node waiting for its sibling. */
typedef struct open_node {
    int index, first, count;
} open_node;

static int are_siblings(const open_node *left, const open_node *right)
{
    return left->count == right->count && left->first % (2 * left->count) == 0;
}

int pp_tree_fold(const pp_tree_node *nodes, int count, pp_tree_add *adds)
{
    open_node stack[DEPTH]; /* counts halve at least from entry to entry, but for the last */
    int n_open = 0, n_adds = 0;
    for (int i = 0; i < count; i++) {
        PP_CHECK(n_open < DEPTH);
        stack[n_open++] = (open_node){i, nodes[i].first, nodes[i].count};
        while (n_open > 1 && are_siblings(&stack[n_open - 2], &stack[n_open - 1])) {
            n_open--;
            adds[n_adds++] = (pp_tree_add){stack[n_open - 1].index, stack[n_open].index};
            stack[n_open - 1].count *= 2;
        }
    }
    PP_CHECK(n_open == 1); /* the nodes tile a power of two */
    return n_adds;
}
