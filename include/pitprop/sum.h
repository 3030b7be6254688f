/* Exact sums of doubles: any order and any split over ranks give the same bits.
 *
 * A sum is a fixed-point number of 13 digits of 32 bits, each kept in an int64 so that carries can
 * wait: bit 0 weighs 2^-128, the top digit reaches 2^288. Merging two sums is adding their digits,
 * which is what an integer all-reduce does. Bits of a term below 2^-128 are cut off (the same bits
 * wherever the term is added); terms of magnitude 2^256 (the square of the largest float32) or
 * more, NaN and infinities are counted in `bad` instead. After Kulisch's long accumulator; see also
 * Neal, arXiv:1505.05571. */
#ifndef PITPROP_SUM_H
#define PITPROP_SUM_H

#include <stdint.h>

enum { PP_SUM_DIGITS = 13 };

typedef struct pp_sum {
    int64_t digit[PP_SUM_DIGITS]; /* little-endian, base 2^32, signed */
    int64_t bad;                  /* terms that could not be represented */
} pp_sum;

/* All-zero bytes are the empty sum. Up to 2^30 terms may be added between two calls of
 * pp_sum_normalise; pp_sum_merge normalises its result. */
void pp_sum_add(pp_sum *sum, double term);
/* Adds `units` of 2^-64: sums of fixed-point numbers that a loop has kept in registers. */
__extension__ typedef __int128 pp_units;
void pp_sum_add_units(pp_sum *sum, pp_units units);
void pp_sum_merge(pp_sum *into, const pp_sum *from);
/* Carries digits into canonical form: equal sums then have equal bytes. */
void pp_sum_normalise(pp_sum *sum);
/* The sum, correctly rounded to within one unit in the last place; NaN if any term was bad. */
double pp_sum_value(const pp_sum *sum);

#endif
