#include "layout.h"

#include <math.h>

static double ramp_edge(int per_octave, int bin)
{
    if (bin == 0) return 0.0;
    if (bin >= pp__ramp_bins(per_octave)) return 0.25;
    bin--;
    if (bin < RAMP_OCTAVES * per_octave) {
        double mantissa = 1.0 + (double)(bin % per_octave) / per_octave;
        return ldexp(mantissa, bin / per_octave - RAMP_OCTAVES) / 125.0;
    }
    return (bin - (RAMP_OCTAVES - 1) * per_octave) / (125.0 * per_octave);
}

int pp__bins(int per_octave)
{
    return 4 * pp__ramp_bins(per_octave);
}

double pp__bin_edge(int per_octave, int bin)
{
    int ramp = pp__ramp_bins(per_octave);
    if (bin > 2 * ramp) return 1.0 - pp__bin_edge(per_octave, 4 * ramp - bin);
    if (bin <= ramp) return ramp_edge(per_octave, bin);
    return 0.5 - ramp_edge(per_octave, 2 * ramp - bin);
}

/* The bins reach half a range beyond the targets on either side. */
static double regression_start(const pp_sketch *sketch)
{
    return sketch->low - (sketch->high - sketch->low) / 2;
}

int pp__regression_bin(const pp_sketch *sketch, double p)
{
    double width = 2 * (sketch->high - sketch->low) / REGRESSION_BINS;
    double bin = floor((p - regression_start(sketch)) / width);
    if (bin < 0) return 0;
    return bin < REGRESSION_BINS ? (int)bin + 1 : REGRESSION_BINS + 1;
}

int pp__joint_bin(const pp_sketch *sketch, double value)
{
    double distance = value - fmax(sketch->low, fmin(0.0, sketch->high));
    int exponent;
    frexp(distance / sketch->unit, &exponent); /* |distance| / unit < 2^exponent */
    int level = exponent >= 0 ? JOINT_LEVELS : JOINT_LEVELS + exponent / 2;
    if (distance == 0.0 || level < 0) level = 0;
    return distance < 0 ? JOINT_LEVELS - level : JOINT_LEVELS + level;
}

double pp__regression_edge(const pp_sketch *sketch, int bin)
{
    if (bin <= 0) return -INFINITY;
    if (bin > REGRESSION_BINS + 1) return INFINITY;
    double width = 2 * (sketch->high - sketch->low) / REGRESSION_BINS;
    return regression_start(sketch) + (bin - 1) * width;
}
