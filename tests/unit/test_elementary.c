/* The elementary functions of float32 against those of the C library in double. */
#include "compute/cpu/elementary.h"

#include <stdio.h>

#include "support/test.h"

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Distance to the right answer in units of the last place of float32 there. */
static double error_of(float got, double want)
{
    float rounded = (float)want, next = nextafterf(fabsf(rounded), INFINITY);
    double unit = (double)next - (double)fabsf(rounded);
    return fabs((double)got - want) / unit;
}

typedef struct function {
    const char *name;
    float (*got)(float x);
    double (*want)(double x);
    float low, high; /* of the argument */
    double most;     /* error, in units of the last place */
} function;

static float got_exp(float x)
{
    return pp__exp(x);
}
static float got_tanh(float x)
{
    return pp__tanh(x);
}
static float got_sigmoid(float x)
{
    return pp__sigmoid(x);
}
static float got_log(float e)
{
    return pp__log_of_1_plus(e);
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static const function functions[] = {
    {"exp", got_exp, exp, -86.5f, 88.5f, 1.3},
    {"exp to numbers below the normal", got_exp, exp, -103.0f, -87.5f, 1.3},
    {"tanh", got_tanh, tanh, -20.0f, 20.0f, 2.0},
    {"sigmoid", got_sigmoid, sigmoid, -86.5f, 80.0f, 3.0},
    {"log(1 + e)", got_log, log1p, 0.0f, 1.0f, 2.0},
};

/* Evenly over the bits, so that each binade has its share, and evenly over the values. */
static void check_function(const function *f)
{
    enum { STEPS = 200000 };
    double worst = 0;
    float where = 0;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; i < STEPS; i++) {
            float by_bits = of_bits(0x2f000000u + i * 5501u) * (side ? -1.0f : 1.0f);
            float even = f->low + (f->high - f->low) * ((float)i / STEPS);
            float x = i % 2 ? even : by_bits;
            if (x < f->low || x > f->high) continue;
            double error = error_of(f->got(x), f->want((double)x));
            if (error > worst) worst = error, where = x;
        }
    if (worst > f->most) printf("\n    %s: %.3f units at %.9g\n", f->name, worst, (double)where);
    CU_ASSERT_TRUE(worst <= f->most);
}

static void test_errors(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        check_function(&functions[i]);
}

static void test_normal(void)
{
    double worst = 0;
    for (int i = -120000; i <= 120000; i++) {
        float x = (float)i * 1e-4f;
        double want = 0.5 * erfc(-(double)x / sqrt(2.0));
        double error = fabs((double)pp__normal_below(x) - want);
        if (error > worst) worst = error;
    }
    if (worst > 1.5e-7) printf("\n    normal: %.3g\n", worst);
    CU_ASSERT_TRUE(worst <= 1.5e-7);
}

static void test_ends(void)
{
    CU_ASSERT_EQUAL(pp__exp(0.0f), 1.0f);
    CU_ASSERT_EQUAL(pp__exp(-INFINITY), 0.0f);
    CU_ASSERT_EQUAL(pp__exp(INFINITY), INFINITY);
    CU_ASSERT_EQUAL(pp__exp(88.8f), INFINITY);
    CU_ASSERT_EQUAL(pp__tanh(INFINITY), 1.0f);
    CU_ASSERT_EQUAL(pp__tanh(-INFINITY), -1.0f);
    CU_ASSERT_EQUAL(pp__tanh(0.0f), 0.0f);
    CU_ASSERT_EQUAL(pp__sigmoid(INFINITY), 1.0f);
    CU_ASSERT_EQUAL(pp__sigmoid(-INFINITY), 0.0f);
    CU_ASSERT_EQUAL(pp__log_of_1_plus(0.0f), 0.0f);
    CU_ASSERT_EQUAL(pp__normal_below(INFINITY), 1.0f);
    CU_ASSERT_EQUAL(pp__normal_below(-INFINITY), 0.0f);
    CU_ASSERT_TRUE(isnan(pp__exp(NAN)) && isnan(pp__tanh(NAN)) && isnan(pp__sigmoid(NAN)));
    CU_ASSERT_TRUE(isnan(pp__log_of_1_plus(NAN)) && isnan(pp__normal_below(NAN)));
}

const pp_test pp_tests_elementary[] = {
    {"exp, tanh, sigmoid and log(1 + e) are right to a few units of the last place", test_errors},
    {"the normal distribution is right to 1.5e-7", test_normal},
    {"infinities and NaN", test_ends},
    {NULL, NULL},
};
