#include "space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "json/json_arena.h"

enum { GRID_POINTS = 5 };

static pp_status no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "out of memory");
}

/* ---- reading ---- */

static pp_status read_choices(const pp_json *list, pp_arena *arena, axis *a, pp_error *err)
{
    if (pp_json_type_of(list) != PP_JSON_ARRAY || pp_json_count(list) == 0)
        return pp_fail(err, PP_E_JOB, "space: %s: 'choice' wants a list of values", a->path);
    a->kind = AXIS_CHOICE;
    a->count = (int)pp_json_count(list);
    a->choices = PP_ARENA_NEW(arena, const char *, a->count);
    for (int i = 0; a->choices != NULL && i < a->count; i++) {
        a->choices[i] = pp_json_in_arena(pp_json_at(list, i), arena);
        if (a->choices[i] == NULL) return no_memory(err);
    }
    return a->choices != NULL ? PP_OK : no_memory(err);
}

static pp_status read_bounds(const pp_json *list, axis *a, const char *kind, pp_error *err)
{
    if (pp_json_type_of(list) != PP_JSON_ARRAY || pp_json_count(list) != 2 ||
        pp_json_type_of(pp_json_at(list, 0)) != PP_JSON_NUMBER ||
        pp_json_type_of(pp_json_at(list, 1)) != PP_JSON_NUMBER)
        return pp_fail(err, PP_E_JOB, "space: %s: '%s' wants [low, high]", a->path, kind);
    a->low = pp_json_number(pp_json_at(list, 0));
    a->high = pp_json_number(pp_json_at(list, 1));
    if (!(a->low < a->high))
        return pp_fail(err, PP_E_JOB, "space: %s: low must be below high, got [%g, %g]", a->path,
                       a->low, a->high);
    if (a->kind == AXIS_LOG && !(a->low > 0))
        return pp_fail(err, PP_E_JOB, "space: %s: 'log' wants bounds above 0, got %g", a->path,
                       a->low);
    return PP_OK;
}

static pp_status read_points(const pp_json *value, axis *a, pp_error *err)
{
    int64_t points;
    if (!pp_json_integer(value, &points) || points < 2 || points > 1000)
        return pp_fail(err, PP_E_JOB, "space: %s: 'points' wants an integer from 2 to 1000",
                       a->path);
    a->count = (int)points;
    return PP_OK;
}

static pp_status read_when(const space *s, const pp_json *when, pp_arena *arena, axis *a,
                           pp_error *err)
{
    const pp_json *first = pp_json_type_of(when) == PP_JSON_OBJECT && pp_json_count(when) == 1
                               ? pp_json_at(when, 0)
                               : NULL;
    for (int i = 0; first != NULL && i < s->count; i++)
        if (strcmp(s->axes[i].path, pp_json_key(first)) == 0) a->when = i;
    if (a->when < 0)
        return pp_fail(err, PP_E_JOB,
                       "space: %s: 'when' wants {PATH: VALUE} of an axis that stands before",
                       a->path);
    a->when_value = pp_json_in_arena(first, arena);
    return a->when_value != NULL ? PP_OK : no_memory(err);
}

static pp_status read_member(const space *s, const pp_json *member, pp_arena *arena, axis *a,
                             int *kinds, pp_error *err)
{
    const char *key = pp_json_key(member);
    if (strcmp(key, "choice") == 0) {
        ++*kinds;
        return read_choices(member, arena, a, err);
    }
    if (strcmp(key, "range") == 0 || strcmp(key, "log") == 0) {
        ++*kinds;
        a->kind = *key == 'l' ? AXIS_LOG : AXIS_RANGE;
        return read_bounds(member, a, key, err);
    }
    if (strcmp(key, "points") == 0) return read_points(member, a, err);
    if (strcmp(key, "when") == 0) return read_when(s, member, arena, a, err);
    if (strcmp(key, "integer") == 0 && pp_json_type_of(member) == PP_JSON_BOOL) {
        a->integer = pp_json_bool(member);
        return PP_OK;
    }
    return pp_fail(err, PP_E_JOB,
                   "space: %s: '%s' is no key of an axis; known: choice, range, log, integer "
                   "(true or false), points, when",
                   a->path, key);
}

static pp_status read_axis(const space *s, const pp_json *object, pp_arena *arena, axis *a,
                           pp_error *err)
{
    int kinds = 0;
    *a = (axis){
        .path = pp_arena_strdup(arena, pp_json_key(object)), .count = GRID_POINTS, .when = -1};
    if (a->path == NULL) return no_memory(err);
    if (pp_json_type_of(object) != PP_JSON_OBJECT)
        return pp_fail(err, PP_E_JOB, "space: %s: wants an object such as {\"log\": [1e-4, 1]}",
                       a->path);
    for (int64_t i = 0; i < pp_json_count(object); i++) {
        pp_status status = read_member(s, pp_json_at(object, i), arena, a, &kinds, err);
        if (status != PP_OK) return status;
    }
    if (kinds == 1) return PP_OK;
    return pp_fail(err, PP_E_JOB, "space: %s: wants one of choice, range and log", a->path);
}

pp_status pp__space_read(const pp_json *object, pp_arena *arena, space *s, pp_error *err)
{
    s->count = 0;
    if (object == NULL || pp_json_type_of(object) != PP_JSON_OBJECT || pp_json_count(object) == 0)
        return pp_fail(err, PP_E_JOB, "space: wants an object of axes, each a path of the job");
    if (pp_json_count(object) > SPACE_AXES)
        return pp_fail(err, PP_E_JOB, "space: has more than %d axes", SPACE_AXES);
    for (int64_t i = 0; i < pp_json_count(object); i++) {
        pp_status status = read_axis(s, pp_json_at(object, i), arena, &s->axes[s->count], err);
        if (status != PP_OK) return status;
        s->count++;
    }
    return PP_OK;
}

/* ---- values ---- */

static int chosen(const axis *a, double at)
{
    int n = (int)(at * a->count);
    return n < 0 ? 0 : n >= a->count ? a->count - 1 : n;
}

double pp__axis_place(const axis *a, int n)
{
    return a->kind == AXIS_CHOICE ? (n + 0.5) / a->count : (double)n / (a->count - 1);
}

const char *pp__axis_value(const axis *a, double at, pp_arena *arena)
{
    if (a->kind == AXIS_CHOICE) return a->choices[chosen(a, at)];
    double value =
        a->kind == AXIS_LOG ? a->low * pow(a->high / a->low, at) : a->low + at * (a->high - a->low);
    if (a->integer) return pp_arena_printf(arena, "%.0f", round(value));
    return pp_arena_printf(arena, "%.6g", value);
}

int pp__axis_counts(const space *s, const point *p, int i, pp_arena *arena)
{
    const axis *a = &s->axes[i];
    if (a->when < 0) return 1;
    if (!pp__axis_counts(s, p, a->when, arena)) return 0;
    const char *value = pp__axis_value(&s->axes[a->when], p->at[a->when], arena);
    return value != NULL && strcmp(value, a->when_value) == 0;
}

int pp__space_patch(const space *s, const point *p, pp_arena *arena, pp_patch *patch)
{
    patch->paths = PP_ARENA_NEW(arena, const char *, s->count + 1);
    patch->values = PP_ARENA_NEW(arena, const char *, s->count + 1);
    patch->count = 0;
    if (patch->paths == NULL || patch->values == NULL) return 0;
    for (int i = 0; i < s->count; i++) {
        if (!pp__axis_counts(s, p, i, arena)) continue;
        patch->paths[patch->count] = s->axes[i].path;
        patch->values[patch->count] = pp__axis_value(&s->axes[i], p->at[i], arena);
        if (patch->values[patch->count++] == NULL) return 0;
    }
    return 1;
}

/* ---- grid, random ---- */

int64_t pp__grid_size(const space *s)
{
    int64_t size = 1;
    for (int i = 0; i < s->count && size < 1000000000; i++)
        size *= s->axes[i].count;
    return size;
}

point pp__grid_point(const space *s, int64_t n)
{
    point p = {{0}};
    for (int i = s->count - 1; i >= 0; i--) {
        p.at[i] = pp__axis_place(&s->axes[i], (int)(n % s->axes[i].count));
        n /= s->axes[i].count;
    }
    return p;
}

point pp__random_point(const space *s, int64_t seed, int64_t n)
{
    point p = {{0}};
    pp_rng rng = pp_rng_at((uint64_t)seed, PP_RNG_SWEEP, (uint64_t)n);
    for (int i = 0; i < s->count; i++)
        p.at[i] = pp_rng_uniform(rng, (uint64_t)i);
    return p;
}

/* ---- Sobol' ---- */

/* Degree, coefficients and first numbers of dimension 2 and on (new-joe-kuo-6). */
static const struct {
    unsigned degree, coefficients, first[7];
} polynomials[SPACE_AXES - 1] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
};

/* Direction number `bit` (from 0) of a dimension, as a 32-bit fraction. */
static uint32_t direction(int dimension, int bit)
{
    uint32_t v[32];
    if (dimension == 0) return 1u << (31 - bit);
    unsigned degree = polynomials[dimension - 1].degree;
    unsigned a = polynomials[dimension - 1].coefficients;
    for (unsigned i = 0; i <= (unsigned)bit; i++) {
        if (i < degree) {
            v[i] = (uint32_t)polynomials[dimension - 1].first[i] << (31 - i);
            continue;
        }
        v[i] = v[i - degree] ^ (v[i - degree] >> degree);
        for (unsigned k = 1; k < degree; k++)
            if (a >> (degree - 1 - k) & 1) v[i] ^= v[i - k];
    }
    return v[bit];
}

double pp__sobol(int dimension, uint32_t n)
{
    uint32_t x = 0;
    for (int bit = 0; n >> bit != 0; bit++) {
        if (n >> bit & 1) x ^= direction(dimension, bit);
        if (bit == 31) break;
    }
    return (double)x / 4294967296.0;
}

point pp__sobol_point(const space *s, int64_t seed, int64_t n)
{
    point p = {{0}}, shift = pp__random_point(s, seed, -1);
    for (int i = 0; i < s->count; i++) {
        double at = pp__sobol(i, (uint32_t)n) + shift.at[i];
        p.at[i] = at - floor(at);
    }
    return p;
}

/* ---- order ---- */

static int least_first(const void *left, const void *right)
{
    const ranked *x = left, *y = right;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return x->index - y->index;
}

void pp__rank(ranked *points, int n)
{
    for (int i = 0; i < n; i++)
        if (isnan(points[i].loss)) points[i].loss = INFINITY;
    qsort(points, (size_t)n, sizeof *points, least_first);
}
