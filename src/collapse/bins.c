#include "layout.h"

#include <math.h>
#include <string.h>

/* [0, 1] is four mirrored segments of a quarter: up from 0, down to 1/2, up from 1/2, down to 1. A
 * segment is a ramp of distances from its dense end: one bin for the smallest, then
 * the octaves below 0.008, then equal widths up to 0.25. */
enum { OCTAVES = 16, FLOAT_BIAS = 127, FLOAT_MANTISSA = 23 };

static int ramp_bins(int per_octave)
{
    return 1 + (OCTAVES - 1) * per_octave + (125 * per_octave + 3) / 4;
}

static int ramp_of(int per_octave, float distance)
{
    float scaled = distance * 125.0f; /* the geometric part is below 1 */
    if (scaled >= 1.0f) {
        int bin = 1 + (OCTAVES - 1) * per_octave + (int)(scaled * (float)per_octave);
        int last = ramp_bins(per_octave) - 1;
        return bin < last ? bin : last;
    }
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    int kept = __builtin_ctz((unsigned)per_octave); /* mantissa bits that tell bins apart */
    int bin = (int)(bits >> (FLOAT_MANTISSA - kept)) - ((FLOAT_BIAS - OCTAVES) << kept) + 1;
    return bin > 0 ? bin : 0;
}

static double ramp_edge(int per_octave, int bin)
{
    if (bin == 0) return 0.0;
    if (bin >= ramp_bins(per_octave)) return 0.25;
    bin--;
    if (bin < OCTAVES * per_octave) {
        double mantissa = 1.0 + (double)(bin % per_octave) / per_octave;
        return ldexp(mantissa, bin / per_octave - OCTAVES) / 125.0;
    }
    return (bin - (OCTAVES - 1) * per_octave) / (125.0 * per_octave);
}

int pp__bins(int per_octave)
{
    return 4 * ramp_bins(per_octave);
}

int pp__bin_of(int per_octave, float p)
{
    int ramp = ramp_bins(per_octave);
    if (p <= 0.0f) return 0;
    if (p >= 1.0f) return 4 * ramp - 1;
    float u = p < 0.5f ? p : 1.0f - p; /* exact from 0.5 on */
    int bin = u < 0.25f ? ramp_of(per_octave, u) : 2 * ramp - 1 - ramp_of(per_octave, 0.5f - u);
    return p < 0.5f ? bin : 4 * ramp - 1 - bin;
}

double pp__bin_edge(int per_octave, int bin)
{
    int ramp = ramp_bins(per_octave);
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
