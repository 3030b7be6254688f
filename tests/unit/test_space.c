/* The space of a sweep: reading, values, conditional axes, and the searches. */
#include <math.h>
#include <string.h>

#include "study/sweep/space.h"
#include "support/test.h"

static pp_status read_space(const char *text, pp_arena *arena, space *s, pp_error *err)
{
    pp_json *root;
    CU_ASSERT_EQUAL_FATAL(pp_json_parse(text, "space", &root, err), PP_OK);
    pp_status status = pp__space_read(root, arena, s, err);
    pp_json_destroy(root);
    return status;
}

static const char two_axes[] = "{\"optimizer.lr\": {\"log\": [1e-4, 1], \"points\": 3}, "
                               "\"training.batch\": {\"choice\": [16, 64]}}";

static void test_grid(void)
{
    pp_arena *arena = pp_arena_create();
    space s;
    CU_ASSERT_EQUAL_FATAL(read_space(two_axes, arena, &s, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp__grid_size(&s), 6);
    static const char *const expected[6][2] = {{"0.0001", "16"}, {"0.0001", "64"}, {"0.01", "16"},
                                               {"0.01", "64"},   {"1", "16"},      {"1", "64"}};
    for (int n = 0; n < 6; n++) {
        pp_patch patch;
        point p = pp__grid_point(&s, n);
        CU_ASSERT_TRUE_FATAL(pp__space_patch(&s, &p, arena, &patch));
        CU_ASSERT_EQUAL_FATAL(patch.count, 2);
        CU_ASSERT_STRING_EQUAL(patch.paths[0], "optimizer.lr");
        CU_ASSERT_STRING_EQUAL(patch.values[0], expected[n][0]);
        CU_ASSERT_STRING_EQUAL(patch.values[1], expected[n][1]);
    }
    pp_arena_destroy(arena);
}

static void test_values(void)
{
    pp_arena *arena = pp_arena_create();
    space s;
    CU_ASSERT_EQUAL_FATAL(
        read_space("{\"a\": {\"range\": [2, 4], \"integer\": true}, \"b\": "
                   "{\"range\": [-1, 1]}, \"c\": {\"choice\": [\"x\", null, [1]]}}",
                   arena, &s, NULL),
        PP_OK);
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[0], 0.0, arena), "2");
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[0], 0.5, arena), "3");
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[0], 1.0, arena), "4");
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[1], 0.25, arena), "-0.5");
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[2], 0.0, arena), "\"x\"");
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[2], 0.5, arena), "null");
    CU_ASSERT_STRING_EQUAL(pp__axis_value(&s.axes[2], 1.0, arena), "[1]");
    pp_arena_destroy(arena);
}

static void test_conditional_axes(void)
{
    pp_arena *arena = pp_arena_create();
    space s;
    pp_patch patch;
    CU_ASSERT_EQUAL_FATAL(
        read_space(
            "{\"o\": {\"choice\": [\"sgd\", \"adam\"]}, \"m\": {\"range\": [0, 1], \"when\": "
            "{\"o\": \"sgd\"}}, \"n\": {\"choice\": [1], \"when\": {\"m\": 0.5}}}",
            arena, &s, NULL),
        PP_OK);
    point sgd = {{0.1, 0.5}}, other = {{0.1, 0.4}}, adam = {{0.9, 0.5}};
    CU_ASSERT_TRUE(pp__space_patch(&s, &sgd, arena, &patch));
    CU_ASSERT_EQUAL(patch.count, 3);
    CU_ASSERT_TRUE(pp__space_patch(&s, &other, arena, &patch));
    CU_ASSERT_EQUAL(patch.count, 2);
    CU_ASSERT_TRUE(pp__space_patch(&s, &adam, arena, &patch));
    CU_ASSERT_EQUAL(patch.count, 1);
    pp_arena_destroy(arena);
}

static void test_what_is_refused(void)
{
    static const char *const cases[][2] = {
        {"{}", "axes"},
        {"{\"a\": 1}", "object"},
        {"{\"a\": {}}", "one of choice"},
        {"{\"a\": {\"log\": [0, 1]}}", "above 0"},
        {"{\"a\": {\"log\": [1, 0.1]}}", "below high"},
        {"{\"a\": {\"range\": [1]}}", "[low, high]"},
        {"{\"a\": {\"range\": [0, 1], \"log\": [1, 2]}}", "one of choice"},
        {"{\"a\": {\"choice\": []}}", "list"},
        {"{\"a\": {\"ranges\": [0, 1]}}", "no key"},
        {"{\"a\": {\"range\": [0, 1], \"points\": 1}}", "points"},
        {"{\"a\": {\"range\": [0, 1], \"when\": {\"b\": 1}}}", "stands before"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pp_arena *arena = pp_arena_create();
        space s;
        pp_error err = {0};
        CU_ASSERT_EQUAL(read_space(cases[i][0], arena, &s, &err), PP_E_JOB);
        if (strstr(err.text, cases[i][1]) == NULL) printf("\n  got '%s'\n", err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i][1]));
        pp_arena_destroy(arena);
    }
}

/* As PyTorch's SobolEngine(20) and SciPy's qmc.Sobol draw them, without scrambling; their points
 * come in the order of the Gray code. */
static void test_sobol(void)
{
    static const struct {
        int dimension;
        double at[8]; /* points 0 to 7 of the Gray code */
    } rows[] = {
        {0, {0.0, 0.5, 0.75, 0.25, 0.375, 0.875, 0.625, 0.125}},
        {1, {0.0, 0.5, 0.25, 0.75, 0.375, 0.875, 0.125, 0.625}},
        {2, {0.0, 0.5, 0.25, 0.75, 0.625, 0.125, 0.875, 0.375}},
        {4, {0.0, 0.5, 0.75, 0.25, 0.375, 0.875, 0.625, 0.125}},
        {7, {0.0, 0.5, 0.75, 0.25, 0.875, 0.375, 0.125, 0.625}},
        {11, {0.0, 0.5, 0.75, 0.25, 0.375, 0.875, 0.625, 0.125}},
        {15, {0.0, 0.5, 0.25, 0.75, 0.875, 0.375, 0.625, 0.125}},
        {19, {0.0, 0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (uint32_t n = 0; n < 8; n++)
            CU_ASSERT_DOUBLE_EQUAL(pp__sobol(rows[i].dimension, n ^ n >> 1), rows[i].at[n], 0);
}

/* Every dimension of 2^k points has one in each of 2^k equal cells. */
static void test_sobol_is_even(void)
{
    for (int d = 0; d < SPACE_AXES; d++) {
        int seen[64] = {0};
        for (uint32_t n = 0; n < 64; n++)
            seen[(int)(pp__sobol(d, n) * 64)]++;
        for (int k = 0; k < 64; k++)
            CU_ASSERT_EQUAL(seen[k], 1);
    }
}

static void test_random_points_depend_on_their_number_alone(void)
{
    pp_arena *arena = pp_arena_create();
    space s;
    CU_ASSERT_EQUAL_FATAL(read_space(two_axes, arena, &s, NULL), PP_OK);
    double mean = 0;
    for (int64_t n = 0; n < 1000; n++) {
        point a = pp__random_point(&s, 7, n), b = pp__random_point(&s, 7, n);
        CU_ASSERT_DOUBLE_EQUAL(a.at[0], b.at[0], 0);
        CU_ASSERT_TRUE(a.at[0] >= 0 && a.at[0] < 1);
        mean += a.at[0] / 1000;
    }
    CU_ASSERT_DOUBLE_EQUAL(mean, 0.5, 0.04); /* 4 standard errors */
    CU_ASSERT_NOT_EQUAL(pp__random_point(&s, 7, 1).at[0], pp__random_point(&s, 8, 1).at[0]);
    pp_arena_destroy(arena);
}

/* ---- TPE ---- */

/* A bowl around (0.2, 0.7) and the second of three choices. */
static double bowl(const point *p)
{
    double a = p->at[0] - 0.2, b = p->at[1] - 0.7;
    int choice = (int)fmin(p->at[2] * 3, 2);
    return a * a + b * b + (choice == 1 ? 0 : 0.3);
}

static double best_of(const space *s, int64_t seed, int learns)
{
    enum { TRIALS = 60, ROUND = 6 };
    point seen[TRIALS];
    double loss[TRIALS], best = INFINITY;
    for (int n = 0; n < TRIALS; n++) {
        int known = n / ROUND * ROUND;
        seen[n] = learns && known > 0 ? pp__tpe_point(s, seed, n, seen, loss, known)
                                      : pp__random_point(s, seed, n);
        loss[n] = n % 17 == 3 ? (double)NAN : bowl(&seen[n]); /* some trials fail */
        best = fmin(best, loss[n]);
    }
    return best;
}

static void test_tpe_finds_better_points_than_random_search(void)
{
    pp_arena *arena = pp_arena_create();
    space s;
    int better = 0;
    CU_ASSERT_EQUAL_FATAL(
        read_space("{\"a\": {\"range\": [0, 1]}, \"b\": {\"range\": [0, 1]}, \"c\": "
                   "{\"choice\": [1, 2, 3]}}",
                   arena, &s, NULL),
        PP_OK);
    for (int64_t seed = 0; seed < 20; seed++)
        better += best_of(&s, seed, 1) < best_of(&s, seed, 0);
    CU_ASSERT_TRUE(better >= 16);
    pp_arena_destroy(arena);
}

const pp_test pp_tests_space[] = {
    {"the grid, the last axis fastest", test_grid},
    {"values of places", test_values},
    {"axes that count only with others", test_conditional_axes},
    {"what is refused", test_what_is_refused},
    {"the Sobol sequence as others have it", test_sobol},
    {"the Sobol sequence is even", test_sobol_is_even},
    {"random points depend on their number alone", test_random_points_depend_on_their_number_alone},
    {"TPE finds better points than random search", test_tpe_finds_better_points_than_random_search},
    {NULL, NULL},
};
