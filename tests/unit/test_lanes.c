#include <stdint.h>

#include "job/job.h"
#include "data/share/lanes.h"
#include "base/rng.h"
#include "support/test.h"

static void test_ranks_tile_lanes(void)
{
    for (int lanes = 1; lanes <= 64; lanes *= 2) {
        for (int ranks = 1; ranks <= lanes; ranks++) {
            int next = 0;
            for (int r = 0; r < ranks; r++) {
                pp_lane_range range = pp_lanes_of_rank(lanes, r, ranks);
                CU_ASSERT_EQUAL(range.first, next);
                CU_ASSERT_EQUAL(range.first, r * lanes / ranks);
                CU_ASSERT_TRUE(range.count >= lanes / ranks && range.count <= lanes / ranks + 1);
                next += range.count;
            }
            CU_ASSERT_EQUAL(next, lanes);
        }
    }
}

static void check_cut(int64_t batch, int lanes)
{
    int64_t cut[PP_MAX_LANES + 1];
    pp_lanes_cut(batch, lanes, cut);
    CU_ASSERT_EQUAL(cut[0], 0);
    CU_ASSERT_EQUAL(cut[lanes], batch);
    for (int l = 0; l < lanes; l++) {
        int64_t share = cut[l + 1] - cut[l], even = batch / lanes;
        int is_aligned = even >= 24;
        CU_ASSERT_TRUE(share >= even - (is_aligned ? 12 : 0));
        CU_ASSERT_TRUE(share <= even + (is_aligned ? 13 : 1));
        if (is_aligned) CU_ASSERT_EQUAL(cut[l] % 12, 0);
    }
}

static void test_cuts(void)
{
    static const int64_t batches[] = {1, 3, 7, 8, 20, 191, 192, 193, 256, 500, 512, 1000, 4099};
    for (int lanes = 1; lanes <= 16; lanes *= 2)
        for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
            check_cut(batches[i], lanes);
    check_cut(10, PP_MAX_LANES);
    check_cut((int64_t)1 << 60, PP_MAX_LANES);
}

static void test_nodes_are_maximal(void)
{
    for (int lanes = 1; lanes <= 64; lanes *= 2) {
        for (int first = 0; first < lanes; first++) {
            for (int count = 0; first + count <= lanes; count++) {
                pp_tree_node nodes[PP_MAX_NODES];
                int n = pp_tree_nodes((pp_lane_range){first, count}, nodes), next = first;
                for (int i = 0; i < n; i++) {
                    int size = nodes[i].count;
                    CU_ASSERT_EQUAL(nodes[i].first, next);
                    CU_ASSERT_TRUE(size > 0 && (size & (size - 1)) == 0);
                    CU_ASSERT_EQUAL(nodes[i].first % size, 0);
                    int parent = nodes[i].first / (2 * size) * (2 * size);
                    CU_ASSERT_TRUE(parent < first || parent + 2 * size > first + count);
                    next += size;
                }
                CU_ASSERT_EQUAL(next, first + count);
            }
        }
    }
    pp_tree_node nodes[PP_MAX_NODES];
    CU_ASSERT_EQUAL(pp_tree_nodes((pp_lane_range){1, PP_MAX_LANES - 2}, nodes), 24);
}

/* The tree as the design says it: halves, added. */
static float tree_sum(const float *leaves, int first, int count)
{
    if (count == 1) return leaves[first];
    return tree_sum(leaves, first, count / 2) + tree_sum(leaves, first + count / 2, count / 2);
}

/* Folds what `ranks` ranks bring; each brings the sums of its own subtrees. */
static float fold_over_ranks(const float *leaves, int lanes, int ranks)
{
    static pp_tree_node nodes[PP_MAX_LANES];
    static pp_tree_add adds[PP_MAX_LANES];
    static float sums[PP_MAX_LANES];
    int count = 0;
    for (int r = 0; r < ranks; r++) {
        pp_tree_node mine[PP_MAX_NODES];
        int n = pp_tree_nodes(pp_lanes_of_rank(lanes, r, ranks), mine);
        for (int i = 0; i < n; i++, count++) {
            nodes[count] = mine[i];
            sums[count] = tree_sum(leaves, mine[i].first, mine[i].count);
        }
    }
    CU_ASSERT_EQUAL(pp_tree_fold(nodes, count, adds), count - 1);
    for (int i = 0; i < count - 1; i++)
        sums[adds[i].into] += sums[adds[i].from];
    return sums[0];
}

static void test_fold_is_the_same_tree(void)
{
    static float leaves[PP_MAX_LANES];
    float plain = 0;
    for (uint64_t i = 0; i < PP_MAX_LANES; i++)
        leaves[i] = (float)pp_rng_normal(pp_rng_at(1, PP_RNG_TEST, 0), i);
    for (int lanes = 1; lanes <= 64; lanes *= 2)
        for (int ranks = 1; ranks <= lanes; ranks++)
            CU_ASSERT_EQUAL(fold_over_ranks(leaves, lanes, ranks), tree_sum(leaves, 0, lanes));
    static const int many[] = {1, 3, 7, 100, 1000, PP_MAX_LANES - 1, PP_MAX_LANES};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        CU_ASSERT_EQUAL(fold_over_ranks(leaves, PP_MAX_LANES, many[i]),
                        tree_sum(leaves, 0, PP_MAX_LANES));
    for (int i = 0; i < PP_MAX_LANES; i++)
        plain += leaves[i];
    CU_ASSERT_NOT_EQUAL(plain, tree_sum(leaves, 0, PP_MAX_LANES)); /* the order does matter */
}

const pp_test pp_tests_lanes[] = {
    {"ranks carry all lanes, evenly", test_ranks_tile_lanes},
    {"lane shares tile a batch, in kernel widths where they are large", test_cuts},
    {"subtrees are aligned and as large as can be", test_nodes_are_maximal},
    {"any number of ranks folds the same tree", test_fold_is_the_same_tree},
    {NULL, NULL},
};
