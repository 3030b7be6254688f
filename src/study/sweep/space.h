/* The space of a sweep: axes over paths of the job, and points in it. */
#ifndef PITPROP_SPACE_H
#define PITPROP_SPACE_H

#include "base/arena.h"
#include "job/job.h"
#include "pitprop/json.h"

enum { SPACE_AXES = 20 };

typedef enum axis_kind { AXIS_CHOICE, AXIS_RANGE, AXIS_LOG } axis_kind;

typedef struct axis {
    const char *path; /* of the job */
    axis_kind kind;
    const char **choices; /* [count], JSON texts */
    int count;            /* of choices; of the grid's points on a range */
    double low, high;     /* both included */
    int integer;
    int when; /* axis whose value decides whether this one counts; -1: it always does */
    const char *when_value;
} axis;

typedef struct space {
    axis axes[SPACE_AXES];
    int count;
} space;

/* A place on each axis, in [0, 1]; of a range the fraction of the way (of the logarithm), of
 * choices the n-th has [n / count, (n + 1) / count). */
typedef struct point {
    double at[SPACE_AXES];
} point;

/* Strings live in the arena. Members: "choice": [..] | "range": [low, high] | "log": [low, high],
 * "integer", "points", "when": {path: value}. */
pp_status pp__space_read(const pp_json *object, pp_arena *arena, space *s, pp_error *err);
/* The n-th of so many values of an axis, as a place on it. */
double pp__axis_place(const axis *a, int n);
/* Value as JSON text. */
const char *pp__axis_value(const axis *a, double at, pp_arena *arena);
int pp__axis_counts(const space *s, const point *p, int i, pp_arena *arena);
/* Changes of the axes that count. 0: no memory. */
int pp__space_patch(const space *s, const point *p, pp_arena *arena, pp_patch *patch);

typedef struct ranked {
    double loss;
    int index;
} ranked;
/* Least loss first, then least index; NaN counts as worst, and is infinity afterwards. */
void pp__rank(ranked *points, int n);

/* ---- searches: the n-th point ---- */
/* Of the grid, the last axis fastest; how many there are: pp__grid_size. */
int64_t pp__grid_size(const space *s);
point pp__grid_point(const space *s, int64_t n);
point pp__random_point(const space *s, int64_t seed, int64_t n);
/* Sobol' sequence, direction numbers of Joe and Kuo 2008 ("Constructing Sobol sequences with better
 * two-dimensional projections"), shifted at random by the seed modulo 1 (Cranley and Patterson). */
point pp__sobol_point(const space *s, int64_t seed, int64_t n);
/* The bare sequence: dimension below SPACE_AXES. */
double pp__sobol(int dimension, uint32_t n);
/* Tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter
 * optimization"): the best of random draws from where good points lie, by the ratio of the
 * densities of good and other points. loss [count]: less is better; NaN counts as worst. */
point pp__tpe_point(const space *s, int64_t seed, int64_t n, const point *seen, const double *loss,
                    int count);

#endif
