/* Predictions by group: of the rows of one lane, or of one rank of any program. What is constant
 * within every group and differs between them looks alive in a pooled histogram.
 *
 * A group is a plain value of fixed size, and merging is exact. */
#ifndef PITPROP_GROUPS_H
#define PITPROP_GROUPS_H

#include "pitprop/sketch.h"

typedef struct pp_group {
    int64_t rows;    /* finite ones */
    double min, max; /* of v: p (binary), the first column (regression), sum c p[c] / sum p[c]
                        (multi-class); both 0 without rows */
    double least, greatest; /* of the targets: class, or first column; NaN-free; 0 without rows */
    pp_sum sum;             /* of v */
} pp_group;

/* All-zero bytes are an empty group. */
void pp_group_add(pp_group *group, const pp_sketch_shape *shape, const pp_sketch_rows *rows);
void pp_group_merge(pp_group *into, const pp_group *from);

/* What the groups show together. Groups that have fewer than two rows, or whose targets do not
 * differ, prove nothing and are not compared. */
typedef struct pp_split {
    int64_t groups;   /* that were compared */
    int64_t constant; /* of these: v within `tolerance` */
    double within;    /* the widest range of v in a group */
    double between;   /* from the lowest to the highest mean of a group */
    double tolerance;
} pp_split;

pp_split pp_groups_compare(const pp_group *groups, int64_t n, double tolerance);

#endif
