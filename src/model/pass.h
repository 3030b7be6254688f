/* The workspace of a forward and backward pass; shared by pass.c, forward.c, backward.c, fold.c and
 * the kinds of layers. */
#ifndef PITPROP_PASS_H
#define PITPROP_PASS_H

#include "model/model.h"

/* What an op keeps between forward and backward. rows = all lanes of the rank, lane after lane. */
typedef struct pp_op_memory {
    float *value;      /* [rows, out]; of an activation it may be its input's array */
    float *hat;        /* norms [rows, out]; dropout: the mask */
    float *inverse;    /* batch norm [lanes, out], layer norm [rows] */
    float *statistics; /* batch norm [lanes, 2 out] */
    float *columns;    /* conv: an image unfolded, a part at a time */
    float *skipped;    /* add: gradient on its way past the block [rows, out] */
    int forward_as_one, backward_as_one; /* dense: one product for all lanes has the same bits */
    int weight_adds; /* dense: gemm_add has the bits of a gemm and an add, for weight gradients */
} pp_op_memory;

struct pp_pass {
    pp_pass_spec spec;
    pp_arena *arena;    /* host memory: the two tables below */
    pp_op_memory *op;   /* [n_ops] */
    int64_t *full_rows; /* [lanes] rows of a whole batch */
    int64_t rows;       /* of a whole batch */
    int64_t bytes;      /* on the device */
    float *gradient[2]; /* [rows, widest]: of the loss with respect to an op's output and input */
    int64_t tile;       /* floats of a tile of a weight gradient */
    float *scratch[16]; /* [tile] partial sums of the tree, by depth */
    int n_scratch;
    pp_tree_node nodes[PP_MAX_NODES]; /* subtrees of this rank */
    int n_nodes;

    /* the batch at hand */
    const int64_t *lane_rows; /* [lanes], borrowed for the length of a call */
    int64_t *lane_first;      /* [lanes] first row */
    int64_t batch_rows;
    int full; /* lane_rows equals full_rows */
};

typedef void pp__product(pp_device *device, int transpose_a, int transpose_b, int64_t m, int64_t n,
                         int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                         float *c, int64_t ldc);
/* c [rows, n] from a [rows, k] and b, for all lanes: in one call where that is the same, else lane
 * by lane. */
void pp__pass_products(pp_pass *pass, pp__product *product, int as_one, int transpose_b, int64_t n,
                       int64_t k, const float *a, const float *b, float *c);
/* Units of a weight [units, ...] whose gradient is one tile. */
int64_t pp__pass_tile_units(const pp_pass *pass, int param);
/* Memory on the device, zeroed, counted and the caller's; NULL: there is none. */
float *pp__pass_floats(pp_pass *pass, int64_t count);

/* Sets the batch at hand. */
void pp__pass_take(pp_pass *pass, const int64_t *lane_rows);
/* Output of op i; -1: the model's input. */
const float *pp__pass_value(const pp_pass *pass, const float *x, int op);

#endif
