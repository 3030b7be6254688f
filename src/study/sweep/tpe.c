/* Tree-structured Parzen estimator, axis by axis. */
#include <math.h>
#include <stdlib.h>

#include "space.h"

#include "pitprop/check.h"
#include "base/rng.h"

enum { CANDIDATES = 24, MOST_SEEN = 4096 };
static const double good_share = 0.25;

/* Places of the points of one side on one axis. */
typedef struct side {
    double at[MOST_SEEN];
    int count;
} side;

/* ---- densities ---- */

static double bell(double at, double centre, double width)
{
    double z = (at - centre) / width;
    double inside =
        0.5 * (erf((1 - centre) / (width * sqrt(2))) - erf(-centre / (width * sqrt(2))));
    return exp(-0.5 * z * z) / (width * 2.5066282746310002 * fmax(inside, 1e-12));
}

/* Of the Parzen kernels: narrower the more points there are. */
static double width_of(const side *s)
{
    return fmax(0.02, 0.5 / (1 + s->count));
}

/* Kernels on the points, cut off at 0 and 1, and one uniform kernel for what has not been seen. */
static double density(const axis *a, const side *s, double at)
{
    double sum = 1, width = width_of(s);
    if (a->kind == AXIS_CHOICE) {
        int n = (int)fmin(at * a->count, a->count - 1);
        for (int i = 0; i < s->count; i++)
            sum += (int)fmin(s->at[i] * a->count, a->count - 1) == n ? a->count : 0;
    } else {
        for (int i = 0; i < s->count; i++)
            sum += bell(at, s->at[i], width);
    }
    return sum / (1 + s->count);
}

/* A draw from that density. */
static double draw(const axis *a, const side *s, pp_rng rng, uint64_t index)
{
    double uniform = pp_rng_uniform(rng, 4 * index);
    int n = (int)pp_rng_below(rng, 4 * index + 1, (uint64_t)s->count + 1);
    if (n == s->count) return uniform;
    if (a->kind == AXIS_CHOICE) return s->at[n];
    double at = s->at[n] + width_of(s) * pp_rng_normal(rng, 4 * index + 2);
    return at < 0 || at > 1 ? uniform : at;
}

/* ---- the two sides ---- */

static double best_on_axis(const axis *a, const side *good, const side *other, pp_rng rng,
                           int place)
{
    double best = 0.5, ratio = -1;
    for (int i = 0; i < CANDIDATES; i++) {
        double at = draw(a, good, rng, (uint64_t)(place * CANDIDATES + i));
        double candidate = density(a, good, at) / density(a, other, at);
        if (candidate <= ratio) continue;
        best = at;
        ratio = candidate;
    }
    return best;
}

point pp__tpe_point(const space *s, int64_t seed, int64_t n, const point *seen, const double *loss,
                    int count)
{
    point p = pp__random_point(s, seed, n);
    PP_CHECK(count <= MOST_SEEN);
    ranked *order = malloc(sizeof *order * (size_t)(count + 1));
    side *good = calloc(1, sizeof *good), *other = calloc(1, sizeof *other);
    pp_rng rng = pp_rng_at((uint64_t)seed, PP_RNG_SWEEP, (uint64_t)n | (uint64_t)1 << 40);
    int n_good = (int)ceil(good_share * sqrt((double)count) * 2);
    for (int i = 0; order != NULL && i < count; i++)
        order[i] = (ranked){loss[i], i};
    if (order != NULL && good != NULL && other != NULL) {
        pp__rank(order, count);
        for (int k = 0; k < s->count; k++) {
            good->count = other->count = 0;
            for (int i = 0; i < count; i++) {
                side *to = i < n_good ? good : other;
                to->at[to->count++] = seen[order[i].index].at[k];
            }
            p.at[k] = best_on_axis(&s->axes[k], good, other, rng, k);
        }
    }
    free(order);
    free(good);
    free(other);
    return p;
}
