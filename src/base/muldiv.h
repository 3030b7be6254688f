/* A product and a quotient of whole numbers whose product may not fit. */
#ifndef PITPROP_BASE_MULDIV_H
#define PITPROP_BASE_MULDIV_H

#include <stdint.h>

/* floor(a b / c) of numbers that are not negative, c > 0, without overflow. */
static inline int64_t pp_muldiv(int64_t a, int64_t b, int64_t c)
{
    __extension__ typedef __int128 wide;
    return (int64_t)((wide)a * b / c);
}

#endif
