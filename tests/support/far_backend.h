/* The CPU backend in memory that nobody else may touch: its pages are out of reach while none of
 * its operations runs, so that an address of it in the wrong hands ends the test. */
#ifndef PITPROP_TESTS_FAR_BACKEND_H
#define PITPROP_TESTS_FAR_BACKEND_H

#include <sys/mman.h>

#include "compute/compute.h"
#include "support/test.h"

enum { FAR_MOST = 64, FAR_PAGE = 4096 };

static struct far_pages {
    void *at;
    size_t bytes;
} far_pages[FAR_MOST];

static inline const pp_backend *far_cpu(void)
{
    return pp_backend_of(PP_BACKEND_CPU);
}

static inline void far_reach(int within)
{
    for (int i = 0; i < FAR_MOST; i++)
        if (far_pages[i].at != NULL)
            CU_ASSERT_EQUAL_FATAL(mprotect(far_pages[i].at, far_pages[i].bytes,
                                           within ? PROT_READ | PROT_WRITE : PROT_NONE),
                                  0);
}

static void *far_allocate(pp_device *device, size_t bytes)
{
    size_t rounded = (bytes / FAR_PAGE + 1) * FAR_PAGE;
    int i = 0;
    (void)device;
    while (i < FAR_MOST && far_pages[i].at != NULL)
        i++;
    CU_ASSERT_TRUE_FATAL(i < FAR_MOST);
    void *at = aligned_alloc(FAR_PAGE, rounded);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memset(at, 0, rounded);
    far_pages[i] = (struct far_pages){at, rounded};
    far_reach(0);
    return at;
}

static void far_release(pp_device *device, void *memory)
{
    (void)device;
    far_reach(1);
    for (int i = 0; i < FAR_MOST; i++)
        if (far_pages[i].at == memory) far_pages[i].at = NULL;
    free(memory);
    far_reach(0);
}

static void far_copy(pp_device *device, void *to, const void *from, size_t bytes)
{
    far_reach(1);
    far_cpu()->upload(device, to, from, bytes);
    far_reach(0);
}

static void far_add(pp_device *device, int64_t n, const float *b, float *a)
{
    far_reach(1);
    far_cpu()->add(device, n, b, a);
    far_reach(0);
}

static void far_finish(pp_device *device, int64_t n, float rows, float l1, float l2, const float *w,
                       float *g)
{
    far_reach(1);
    far_cpu()->finish_gradient(device, n, rows, l1, l2, w, g);
    far_reach(0);
}

static void far_average(pp_device *device, int64_t n, float rows, float momentum, const float *g,
                        float *w)
{
    far_reach(1);
    far_cpu()->average(device, n, rows, momentum, g, w);
    far_reach(0);
}

static double far_squares(pp_device *device, int64_t n, const float *g)
{
    far_reach(1);
    double sum = far_cpu()->sum_squares(device, n, g);
    far_reach(0);
    return sum;
}

static void far_update(pp_device *device, const pp_update *update, float scale, int64_t n,
                       const float *g, float *state1, float *state2, float *w)
{
    far_reach(1);
    far_cpu()->update(device, update, scale, n, g, state1, state2, w);
    far_reach(0);
}

/* What the exchange asks for; the rest is as on the CPU. */
static inline pp_backend far_backend(void)
{
    pp_backend far = *far_cpu();
    far.name = "far";
    far.host_memory = 0;
    far.allocate = far_allocate;
    far.release = far_release;
    far.upload = far.download = far_copy;
    far.add = far_add;
    far.finish_gradient = far_finish;
    far.average = far_average;
    far.sum_squares = far_squares;
    far.update = far_update;
    return far;
}

#endif
