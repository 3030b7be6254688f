/* A backend under test, and arrays of its memory with guards on both sides.
 *
 * Every array begins and ends in guards of a NaN that nothing computes: what writes past an array
 * changes them, what reads past it becomes NaN. Inputs must come out as they went in; outputs begin
 * as guards, so that what is not written is NaN as well. rig_clear checks all of that. */
#ifndef PITPROP_TESTS_RIG_H
#define PITPROP_TESTS_RIG_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute/compute.h"
#include "support/test.h"

enum { RIG_GUARD = 16, RIG_ARRAYS = 24 };

typedef struct rig_array {
    float *device;        /* [RIG_GUARD + n + RIG_GUARD] */
    float *before, *host; /* the same at first and as last fetched */
    int64_t n;
    int input; /* must not change */
} rig_array;

typedef struct rig {
    const pp_backend *backend;
    pp_device *device;
    rig_array arrays[RIG_ARRAYS];
    int n_arrays;
} rig;

static inline float rig_guard(void)
{
    uint32_t bits = 0x7fc5a5a5u;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A standard normal number: element i of a stream. */
static inline float rig_number(uint64_t stream, int64_t i)
{
    return (float)pp_rng_normal(pp_rng_at(7, PP_RNG_TEST, stream), (uint64_t)i);
}

static inline float *rig_add(rig *r, int64_t n, int input)
{
    CU_ASSERT_TRUE_FATAL(r->n_arrays < RIG_ARRAYS);
    rig_array *a = &r->arrays[r->n_arrays++];
    size_t bytes = (size_t)(n + 2 * RIG_GUARD) * sizeof(float);
    *a =
        (rig_array){r->backend->allocate(r->device, bytes), malloc(bytes), malloc(bytes), n, input};
    CU_ASSERT_TRUE_FATAL(a->device != NULL && a->before != NULL && a->host != NULL);
    for (int64_t i = 0; i < n + 2 * RIG_GUARD; i++)
        a->before[i] = rig_guard();
    return a->before + RIG_GUARD;
}

static inline float *rig_upload(rig *r)
{
    rig_array *a = &r->arrays[r->n_arrays - 1];
    size_t bytes = (size_t)(a->n + 2 * RIG_GUARD) * sizeof(float);
    r->backend->upload(r->device, a->device, a->before, bytes);
    return a->device + RIG_GUARD;
}

/* The four return where the array lies on the device. */
static inline float *rig_values(rig *r, int64_t n, const float *values, int input)
{
    float *host = rig_add(r, n, input);
    if (n > 0) memcpy(host, values, (size_t)n * sizeof *host);
    return rig_upload(r);
}

static inline float *rig_numbers(rig *r, int64_t n, uint64_t stream, int input)
{
    float *host = rig_add(r, n, input);
    for (int64_t i = 0; i < n; i++)
        host[i] = rig_number(stream, i);
    return rig_upload(r);
}

static inline float *rig_input(rig *r, int64_t n, uint64_t stream)
{
    return rig_numbers(r, n, stream, 1);
}

static inline float *rig_output(rig *r, int64_t n)
{
    rig_add(r, n, 0);
    return rig_upload(r);
}

static inline rig_array *rig_find(rig *r, const float *device)
{
    int i = 0;
    while (i < r->n_arrays && r->arrays[i].device + RIG_GUARD != device)
        i++;
    CU_ASSERT_TRUE_FATAL(i < r->n_arrays);
    return &r->arrays[i];
}

/* Values as they were at first. */
static inline const float *rig_before(rig *r, const float *device)
{
    return rig_find(r, device)->before + RIG_GUARD;
}

/* Values as they are now. */
static inline const float *rig_now(rig *r, const float *device)
{
    rig_array *a = rig_find(r, device);
    size_t bytes = (size_t)(a->n + 2 * RIG_GUARD) * sizeof(float);
    r->backend->download(r->device, a->host, a->device, bytes);
    return a->host + RIG_GUARD;
}

/* Array `first` and those made after it. */
static inline void rig_clear_from(rig *r, int first)
{
    for (int i = first; i < r->n_arrays; i++) {
        rig_array *a = &r->arrays[i];
        size_t guard = RIG_GUARD * sizeof(float), bytes = (size_t)a->n * sizeof(float);
        const float *now = rig_now(r, a->device + RIG_GUARD), *was = a->before + RIG_GUARD;
        CU_ASSERT_EQUAL(memcmp(now - RIG_GUARD, was - RIG_GUARD, guard), 0); /* nothing before */
        CU_ASSERT_EQUAL(memcmp(now + a->n, was + a->n, guard), 0);           /* nothing behind */
        if (a->input) CU_ASSERT_EQUAL(memcmp(now, was, bytes), 0);           /* still the same */
        r->backend->release(r->device, a->device);
        free(a->before);
        free(a->host);
    }
    r->n_arrays = first;
}

static inline void rig_clear(rig *r)
{
    rig_clear_from(r, 0);
}

static inline int rig_is_near(double got, double want, double tolerance)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    return fabs(got - want) <= tolerance * (1 + fabs(want));
}

/* One assertion for an array; says where it is wrong first. */
static inline void rig_check(rig *r, const char *what, const float *device, const double *want,
                             int64_t n, double tolerance)
{
    const float *got = rig_now(r, device);
    int64_t i = 0;
    while (i < n && rig_is_near((double)got[i], want[i], tolerance))
        i++;
    if (i < n)
        printf("\n  %s: %s [%lld] is %.9g, should be %.9g", r->backend->name, what, (long long)i,
               (double)got[i], want[i]);
    CU_ASSERT_EQUAL(i, n);
}

static inline double *rig_doubles(int64_t n)
{
    double *values = calloc((size_t)n + 1, sizeof *values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    return values;
}

/* Runs a test on every backend of this build. */
static inline void rig_each_backend(void (*test)(rig *r))
{
    for (int i = 0; pp_backend_at(i) != NULL; i++) {
        rig r = {.backend = pp_backend_at(i)};
        pp_status status = r.backend->open(0, "auto", &r.device, NULL);
        if (i > 0 && status == PP_E_DEVICE) continue; /* not on this machine */
        CU_ASSERT_EQUAL_FATAL(status, PP_OK);
        test(&r);
        rig_clear(&r);
        r.backend->close(r.device);
    }
}

#endif
