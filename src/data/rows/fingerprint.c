/* Hashes of rows with their indices: sums of them tell whether rows are the same as before, and
 * ranks may take the rows in any order. No defence against forgery. */
#include "rows_internal.h"

#include <string.h>

/* MurmurHash3's finaliser (A. Appleby). */
uint64_t pp__mixed(uint64_t h)
{
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

/* Sums of products of pairs, each value moved by a key of its place (NH: Black et al., "UMAC",
 * CRYPTO 1999): no step waits for the one before. */
uint64_t pp__row_fingerprint(int64_t row, const float *values, int64_t count)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i += 2) {
        uint32_t bits[2] = {0, 0}, key = (uint32_t)i * 0x9e3779b1U;
        memcpy(bits, values + i, (size_t)(count - i > 1 ? 2 : 1) * sizeof *bits);
        sum += (uint64_t)(bits[0] + key + 0x85ebca6bU) * (bits[1] + key + 0xc2b2ae35U);
    }
    return pp__mixed(sum + pp__mixed((uint64_t)row + 1));
}

uint64_t pp__double_fingerprint(int64_t row, const double *values, int64_t count)
{
    return pp__row_fingerprint(row, (const float *)values, 2 * count); /* bits are bits */
}
