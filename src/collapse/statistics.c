#include "statistics.h"

#include <math.h>

/* By bisection: erfc is exact far into the tail, and nobody waits for this. */
double pp__two_sided_z(double level)
{
    double low = 0, high = 40;
    for (int i = 0; i < 64; i++) {
        double middle = (low + high) / 2;
        if (erfc(middle / sqrt(2.0)) > level)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Abramowitz and Stegun 26.7.5: within 1% for levels above 1e-5 from 15 degrees of freedom on. */
double pp__two_sided_t(double level, double freedom)
{
    double z = pp__two_sided_z(level), s = z * z, n = freedom > 1 ? freedom : 1;
    double first = (s + 1) * z / 4, second = ((5 * s + 16) * s + 3) * z / 96;
    double third = (((3 * s + 19) * s + 17) * s - 15) * z / 384;
    return z + (first + (second + third / n) / n) / n;
}

double pp__binomial_tail(long k, long n, double chance)
{
    double sum = 0;
    if (k <= 0 || !(chance < 1)) return 1;
    if (!(chance > 0)) return 0;
    for (long i = k; i <= n; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) +
                   (double)i * log(chance) + (double)(n - i) * log1p(-chance));
    return fmin(1, sum);
}
