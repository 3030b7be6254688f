/* exp, tanh, the normal distribution and log(1 + e) of float32, as straight lines of additions,
 * multiplications, divisions and selections: a loop over them vectorises, and its bits are those of
 * IEEE arithmetic, whatever CPU and C library. NaN stays NaN.
 *
 * Coefficients: least squares, weighted until the error is even (as minimax), of the functions in
 * double at Chebyshev nodes. Greatest errors, in units in the last place, over every 37th float of
 * the range: exp 1, tanh 1.4, log(1 + e) 2, sigmoid 2.4; of the normal distribution 1.1e-7. */
#ifndef PITPROP_COMPUTE_CPU_ELEMENTARY_H
#define PITPROP_COMPUTE_CPU_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cpu.h"

/* 2^n, -126 <= n <= 127 */
PP_LINE float pp__power_of_2(int32_t n)
{
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* x = n log 2 + r with |r| <= log(2) / 2; 1.5 2^23 rounds to the nearest integer, which its last
 * bits then hold. log 2 in two parts: n times the first is exact. */
PP_LINE float pp__exp(float x)
{
    const float magic = 12582912.0f;
    float within = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
    float shifted = within * 1.44269504f + magic, whole = shifted - magic;
    float r = (within - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float tail =
        0.5f +
        r * (0.166666657f + r * (0.0416662954f +
                                 r * (0.00833349768f + r * (0.00139447593f + r * 1.97902438e-4f))));
    int32_t bits, n;
    memcpy(&bits, &shifted, sizeof bits);
    n = bits - 0x4B400000;
    n = n > 128 ? 128 : n < -150 ? -150 : n; /* what a NaN leaves there */
    return (1.0f + (r + r * r * tail)) * pp__power_of_2(n >> 1) * pp__power_of_2(n - (n >> 1));
}

PP_LINE float pp__sigmoid(float x)
{
    float e = pp__exp(-fabsf(x));
    return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

/* By its series near 0, by 1 - 2 / (exp(2 |x|) + 1) elsewhere. */
PP_LINE float pp__tanh(float x)
{
    float s = x * x, size = fabsf(x);
    float near =
        x +
        x * s *
            (-0.333332837f +
             s * (0.133314699f + s * (-0.053741619f + s * (0.0206441246f - s * 0.00570948562f))));
    float far = copysignf(1.0f - 2.0f / (pp__exp(2.0f * size) + 1.0f), x);
    return size < 0.625f ? near : far;
}

/* log(1 + e) of 0 <= e <= 1: 2 atanh(e / (2 + e)) */
PP_LINE float pp__log_of_1_plus(float e)
{
    float s = e / (2.0f + e), q = s * s;
    return 2.0f * (s + s * q *
                           (0.333333373f +
                            q * (0.199994385f +
                                 q * (0.143084422f + q * (0.107138284f + q * 0.121504702f)))));
}

/* Share of the normal distribution below x: by the series of erf near 0; by
 * erfc(u) = exp(polynomial - u^2) elsewhere. */
PP_LINE float pp__normal_below(float x)
{
    float u = fabsf(x) * 0.70710678f, s = u * u, v = u > 4.0f ? 4.0f : u;
    float half =
        0.5f * u *
        (1.12837911f +
         s * (-0.37612626f +
              s * (0.112835854f +
                   s * (-0.026853811f +
                        s * (0.00518832775f + s * (-8.01019196e-4f + s * 7.85385637e-5f))))));
    float line =
        2.91025906e-4f +
        v * (-1.13011968f +
             v * (0.36798656f + v * (-0.109909728f +
                                     v * (0.0263275243f +
                                          v * (-0.00472768862f +
                                               v * (5.90203272e-4f +
                                                    v * (-4.52981039e-5f + v * 1.5998196e-6f)))))));
    float beyond = 0.5f * pp__exp(line - s);
    float below = u < 1.0f ? 0.5f - half : beyond;
    return x > 0 ? 1.0f - below : below;
}

#endif
