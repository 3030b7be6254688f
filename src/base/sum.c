#include "pitprop/sum.h"

#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

enum { LOWEST_BIT = -128, TOP_EXPONENT = 256 };

void pp_sum_add(pp_sum *sum, double term)
{
    uint64_t bits;
    memcpy(&bits, &term, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    if (exponent >= TOP_EXPONENT) { /* too large, infinite or NaN */
        sum->bad++;
        return;
    }
    uint64_t mantissa = (bits & 0xfffffffffffffULL) | 0x10000000000000ULL;
    int place = exponent - 52 - LOWEST_BIT; /* of the mantissa's last bit */
    if (place < 0) {
        if (place <= -53) return; /* zero and subnormals end here too */
        mantissa >>= -place;
        place = 0;
    }
    wide shifted = (wide)mantissa << (place % 32);
    int64_t *digit = sum->digit + place / 32;
    int64_t low = (int64_t)(uint32_t)shifted;
    int64_t middle = (int64_t)(uint32_t)(shifted >> 32);
    int64_t high = (int64_t)(uint32_t)(shifted >> 64);
    if (bits >> 63) {
        low = -low;
        middle = -middle;
        high = -high;
    }
    digit[0] += low;
    digit[1] += middle;
    digit[2] += high;
}

void pp_sum_add_units(pp_sum *sum, pp_units units)
{
    enum { FIRST = (-64 - LOWEST_BIT) / 32 };
    for (int i = 0; i < 3; i++, units >>= 32)
        sum->digit[FIRST + i] += (int64_t)(uint32_t)units;
    sum->digit[FIRST + 3] += (int64_t)units; /* the sign is here */
}

void pp_sum_normalise(pp_sum *sum)
{
    for (int i = 0; i + 1 < PP_SUM_DIGITS; i++) {
        int64_t kept = sum->digit[i] & 0xffffffffLL;
        sum->digit[i + 1] += (sum->digit[i] - kept) / 0x100000000LL;
        sum->digit[i] = kept;
    }
}

void pp_sum_merge(pp_sum *into, const pp_sum *from)
{
    for (int i = 0; i < PP_SUM_DIGITS; i++)
        into->digit[i] += from->digit[i];
    into->bad += from->bad;
    pp_sum_normalise(into);
}

/* sum is normalised and not negative: the top non-zero digit and the two below it hold at least 65
 * bits; whatever is lower only matters as a sticky bit for rounding. */
static double magnitude(const pp_sum *sum)
{
    int top = PP_SUM_DIGITS - 1;
    while (top > 0 && sum->digit[top] == 0)
        top--;
    wide value = 0;
    int low = top >= 2 ? top - 2 : 0;
    for (int i = top; i >= low; i--)
        value = (wide)(value << 32) | (uint64_t)sum->digit[i];
    for (int i = low - 1; i >= 0; i--)
        if (sum->digit[i] != 0) value |= 1;
    return ldexp((double)value, LOWEST_BIT + 32 * low);
}

double pp_sum_value(const pp_sum *sum)
{
    if (sum->bad != 0) return NAN;
    pp_sum copy = *sum;
    pp_sum_normalise(&copy);
    int negative = copy.digit[PP_SUM_DIGITS - 1] < 0;
    if (negative) {
        for (int i = 0; i < PP_SUM_DIGITS; i++)
            copy.digit[i] = -copy.digit[i];
        pp_sum_normalise(&copy);
    }
    double value = magnitude(&copy);
    return negative ? -value : value;
}
