#include "base/rng.h"

#include <math.h>

#include <Random123/philox.h>

static const double pi = 3.14159265358979323846;

pp_rng pp_rng_at(uint64_t seed, pp_purpose purpose, uint64_t when)
{
    return (pp_rng){.seed = seed,
                    .purpose = (uint32_t)purpose,
                    .when_high = (uint32_t)(when >> 32),
                    .when_low = (uint32_t)when};
}

/* The counter is (index low, index high ^ purpose << 24, when low, when high): indices stay below
 * 2^56, so the purpose never meets them. */
static philox4x32_ctr_t draw(pp_rng rng, uint64_t index)
{
    uint32_t high = (uint32_t)(index >> 32) ^ (rng.purpose << 24);
    philox4x32_ctr_t counter = {{(uint32_t)index, high, rng.when_low, rng.when_high}};
    philox4x32_key_t key = {{(uint32_t)rng.seed, (uint32_t)(rng.seed >> 32)}};
    return philox4x32(counter, key);
}

void pp_rng_words(pp_rng rng, uint32_t index, uint32_t words[4])
{
    philox4x32_ctr_t r = draw(rng, index);
    for (int i = 0; i < 4; i++)
        words[i] = r.v[i];
}

uint64_t pp_rng_u64(pp_rng rng, uint64_t index)
{
    philox4x32_ctr_t r = draw(rng, index);
    return ((uint64_t)r.v[1] << 32) | r.v[0];
}

double pp_rng_uniform(pp_rng rng, uint64_t index)
{
    return (double)(pp_rng_u64(rng, index) >> 11) * 0x1p-53;
}

double pp_rng_normal(pp_rng rng, uint64_t index)
{
    philox4x32_ctr_t r = draw(rng, index);
    uint64_t a = (((uint64_t)r.v[1] << 32) | r.v[0]) >> 11;
    uint64_t b = (((uint64_t)r.v[3] << 32) | r.v[2]) >> 11;
    double radius = sqrt(-2.0 * log(((double)a + 1.0) * 0x1p-53)); /* in (0, 1], so finite */
    return radius * cos(2.0 * pi * ((double)b * 0x1p-53));
}

uint64_t pp_rng_below(pp_rng rng, uint64_t index, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)pp_rng_u64(rng, index) * bound) >> 64);
}

void pp_rng_shuffle(pp_rng rng, uint64_t first_index, int64_t count, int64_t *items)
{
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)pp_rng_below(rng, first_index + (uint64_t)i, (uint64_t)i + 1);
        int64_t kept = items[i];
        items[i] = items[j];
        items[j] = kept;
    }
}

/* A Feistel network over pairs (left, right) of [0, a) x [0, b), a * b >= count (Black and Rogaway,
 * "Ciphers with arbitrary finite domains", 2002); pairs beyond count are walked on from. */
int64_t pp_rng_place(pp_rng rng, int64_t count, int64_t index)
{
    enum { ROUNDS = 8 };
    uint64_t a = (uint64_t)ceil(sqrt((double)count)), b = ((uint64_t)count + a - 1) / a;
    uint64_t at = (uint64_t)index;
    do {
        uint64_t left = at / b, right = at % b;
        for (uint64_t round = 0; round < ROUNDS; round += 2) {
            left = (left + pp_rng_below(rng, round << 40 | right, a)) % a;
            right = (right + pp_rng_below(rng, (round + 1) << 40 | left, b)) % b;
        }
        at = left * b + right;
    } while (at >= (uint64_t)count);
    return (int64_t)at;
}
