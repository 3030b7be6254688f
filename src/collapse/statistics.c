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
