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

double pp__reference(const pp_sketch *sketch)
{
    return fmax(sketch->low, fmin(0.0, sketch->high));
}

enum { DETAIL_HALF = DETAIL_BINS / 2, DETAIL_LOWEST = 52 };

int pp__detail_bin(const pp_sketch *sketch, double distance)
{
    int exponent;
    double mantissa = frexp(fabs(distance) / sketch->unit, &exponent); /* in [1/2, 1) */
    int octave = exponent - 1 + DETAIL_LOWEST;
    if (distance == 0.0 || octave < 0) return DETAIL_HALF;
    int bin = octave * DETAIL_PER_OCTAVE + (int)((2 * mantissa - 1) * DETAIL_PER_OCTAVE);
    if (octave >= DETAIL_OCTAVES) bin = DETAIL_HALF - 1;
    return distance < 0 ? DETAIL_HALF - 1 - bin : DETAIL_HALF + 1 + bin;
}

double pp__detail_edge(const pp_sketch *sketch, int bin)
{
    int step = bin <= DETAIL_HALF ? DETAIL_HALF - bin : bin - DETAIL_HALF - 1;
    double size = ldexp(1.0 + (double)(step % DETAIL_PER_OCTAVE) / DETAIL_PER_OCTAVE,
                        step / DETAIL_PER_OCTAVE - DETAIL_LOWEST);
    return (bin <= DETAIL_HALF ? -size : size) * sketch->unit;
}

int pp__joint_bin(const pp_sketch *sketch, double value)
{
    double distance = value - pp__reference(sketch);
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
