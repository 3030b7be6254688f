/* Counter-based random numbers (Philox4x32-10 of Random123, Salmon et al., SC'11).
 *
 * A number is a pure function of (seed, purpose, when, index): there is no state, so the numbers
 * are the same on any number of ranks and after a resume. `when` is an epoch, a step or a layer;
 * `index` is a global row or element index. Never a rank, never the time. */
#ifndef PITPROP_RNG_H
#define PITPROP_RNG_H

#include <stdint.h>

/* Streams that must never share numbers. Append only: the values are part of every model's bits. */
typedef enum pp_purpose {
    PP_RNG_DEAL = 1, /* windows to lanes */
    PP_RNG_WINDOWS,  /* order of a lane's windows in an epoch */
    PP_RNG_ROWS,     /* order of rows among open windows */
    PP_RNG_SPLIT,    /* validation rows */
    PP_RNG_BALANCE,  /* which rows over- and undersampling take */
    PP_RNG_INIT,     /* initial parameters */
    PP_RNG_DROPOUT,  /* dropout masks */
    PP_RNG_SYNTH,    /* generated data sets */
    PP_RNG_TEST,
    PP_RNG_PERMUTE, /* targets among rows */
    PP_RNG_SWEEP,   /* points of a sweep */
    PP_RNG_REPACK,  /* rows of a file */
    PP_RNG_SAMPLE   /* rows that are kept one by one */
} pp_purpose;

typedef struct pp_rng {
    uint64_t seed;
    uint32_t purpose;
    uint32_t when_high, when_low;
} pp_rng;

pp_rng pp_rng_at(uint64_t seed, pp_purpose purpose, uint64_t when);

/* Four 32-bit words at a block index below 2^32 per `when`. */
void pp_rng_words(pp_rng rng, uint32_t index, uint32_t words[4]);

/* Uniform in [0, 2^64) at any 64-bit index. */
uint64_t pp_rng_u64(pp_rng rng, uint64_t index);
/* Uniform in [0, 1), 53 bits. */
double pp_rng_uniform(pp_rng rng, uint64_t index);
/* Standard normal (Box-Muller). */
double pp_rng_normal(pp_rng rng, uint64_t index);
/* Uniform integer in [0, bound), bound > 0 (multiply-shift; bias below bound / 2^64). */
uint64_t pp_rng_below(pp_rng rng, uint64_t index, uint64_t bound);

/* Fisher-Yates shuffle of `items` [count], drawing indices first_index .. first_index + count - 1.
 */
void pp_rng_shuffle(pp_rng rng, uint64_t first_index, int64_t count, int64_t *items);

/* Where a random permutation of [0, count) puts index: computed, so that it takes no memory. count
 * below 2^62. */
int64_t pp_rng_place(pp_rng rng, int64_t count, int64_t index);

#endif
