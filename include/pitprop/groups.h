/* Predictions by group: of the rows of one lane, or of one rank of any program. What is constant
 * within every group and differs between them looks alive in a pooled histogram.
 *
 * A group is a plain value of fixed size, and merging is exact. */
#ifndef PITPROP_GROUPS_H
#define PITPROP_GROUPS_H

#include "pitprop/sketch.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PP_GROUP_BINS = 64 };

typedef struct pp_group {
    int64_t rows;    /* finite ones */
    double min, max; /* of v: p (binary), the first column (regression), sum c p[c] / sum p[c]
                        (multi-class); both 0 without rows */
    double least, greatest; /* of the targets: class, or first column; NaN-free; 0 without rows */
    pp_sum sum;             /* of v */
    pp_sum target, squares, target_squares, products; /* of y; v^2, y^2, v y */
    int64_t equal[PP_GROUP_BINS]; /* rows by a hash of v: equal values are in the same bin */
} pp_group;

/* All-zero bytes are an empty group. */
void pp_group_add(pp_group *group, const pp_sketch_shape *shape, const pp_sketch_rows *rows);
void pp_group_merge(pp_group *into, const pp_group *from);

/* How one group differs from the others. X(identifier, text) */
#define PP_ODD_LIST(X)                                                                             \
    X(PP_ODD_CONSTANT, "answers everything alike")                                                 \
    X(PP_ODD_INVERTED, "ranks its rows the wrong way round")                                       \
    X(PP_ODD_WEAK, "tells its rows apart far less well")                                           \
    X(PP_ODD_PARTLY, "gives one answer to a part of its rows")                                     \
    X(PP_ODD_SHIFTED, "is off by an offset")

#define PP_ODD_ENUM(name, text) name,
typedef enum pp_odd { PP_ODD_LIST(PP_ODD_ENUM) PP_ODD_COUNT } pp_odd;
#undef PP_ODD_ENUM

enum { PP_ODD_LISTED = 16 };

typedef struct pp_odd_group {
    int64_t group;
    pp_odd how;
    double correlation, offset; /* of v and y; mean of v - y, less that of all groups */
} pp_odd_group;

/* What the groups show together. Groups that have fewer than two rows, or whose targets do not
 * differ, prove nothing and are not compared. */
typedef struct pp_split {
    int64_t groups;   /* that were compared */
    int64_t constant; /* of these: v within `tolerance` */
    double within;    /* the widest range of v in a group */
    double between;   /* from the lowest to the highest mean of a group */
    double tolerance;
    double correlation; /* of all rows */
    /* Groups that differ from the others in a test of each at 0.001 over their number, and by
     * enough to matter: a quarter of the correlation, a fifth of the targets' deviation, a tenth
     * of the correlation and a fifth of the rows with one answer. Only of
     * rows whose targets are like those of the others, and where the others know something. */
    int odd;
    pp_odd_group odd_groups[PP_ODD_LISTED]; /* the first of them */
} pp_split;

const char *pp_odd_text(pp_odd how);

pp_split pp_groups_compare(const pp_group *groups, int64_t n, double tolerance);

#ifdef __cplusplus
}
#endif

#endif
