/* What the parts of a scan share. */
#include "inspect_internal.h"

#include <math.h>
#include <string.h>

pp_status pp__inspect_no_memory(pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "no memory to inspect the data");
}

int pp__is_root(const pp__scan *scan)
{
    return pp_comm_rank(scan->comm) == 0;
}

int pp__row_is_finite(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

uint64_t pp__mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

uint64_t pp__hash_row(const float *values, int64_t count)
{
    uint64_t hash = (uint64_t)count;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        float value = values[i] + 0.0F; /* -0 becomes 0 */
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 32;
    }
    return pp__mix(hash);
}
