/* src/base: arena, error, rng, sum, fs. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "pitprop/sum.h"
#include "support/scratch.h"

/* ---- arena ---- */

static int is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return 0;
    return 1;
}

static void test_arena_blocks(void)
{
    static const size_t sizes[] = {1, 63, 64, 65, 1000, 70000, 3, 1 << 20, 60000, 60000};
    enum { N = sizeof sizes / sizeof *sizes };
    unsigned char *pieces[N];
    pp_arena *arena = pp_arena_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
    for (int i = 0; i < N; i++) {
        pieces[i] = pp_arena_alloc(arena, sizes[i], 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(pieces[i]);
        CU_ASSERT_EQUAL((uintptr_t)pieces[i] % 64, 0);
        CU_ASSERT_TRUE(is_zero(pieces[i], sizes[i]));
        memset(pieces[i], i + 1, sizes[i]);
    }
    for (int i = 0; i < N; i++) {
        CU_ASSERT_EQUAL(pieces[i][0], i + 1);
        CU_ASSERT_EQUAL(pieces[i][sizes[i] - 1], i + 1);
    }
    CU_ASSERT_TRUE(pp_arena_bytes(arena) >=
                   1 + 63 + 64 + 65 + 1000 + 70000 + 3 + (1 << 20) + 120000);
    pp_arena_destroy(arena);
    pp_arena_destroy(NULL);
}

static void test_arena_overflow(void)
{
    pp_arena *arena = pp_arena_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
    CU_ASSERT_PTR_NULL(pp_arena_alloc(arena, SIZE_MAX / 2, 4));
    CU_ASSERT_PTR_NULL(pp_arena_alloc(arena, SIZE_MAX, 1));
    CU_ASSERT_PTR_NOT_NULL(pp_arena_alloc(arena, 0, 8));
    CU_ASSERT_STRING_EQUAL(pp_arena_printf(arena, "%s-%d", "lane", 7), "lane-7");
    CU_ASSERT_STRING_EQUAL(pp_arena_strdup(arena, ""), "");
    pp_arena_destroy(arena);
}

/* ---- errors ---- */

static void test_error_text(void)
{
    pp_error err;
    CU_ASSERT_EQUAL(pp_fail(&err, PP_E_JOB, "optimizer.lr: got %d", -1), PP_E_JOB);
    CU_ASSERT_STRING_EQUAL(err.text, "optimizer.lr: got -1");
    CU_ASSERT_EQUAL(err.rank, -1);
    CU_ASSERT_EQUAL(pp_fail_within(&err, PP_E_IO, "job %s", "a.json"), PP_E_JOB);
    CU_ASSERT_STRING_EQUAL(err.text, "job a.json: optimizer.lr: got -1");
    CU_ASSERT_EQUAL(err.code, PP_E_JOB);
    CU_ASSERT_EQUAL(pp_fail(NULL, PP_E_DATA, "nobody listens"), PP_E_DATA);
    CU_ASSERT_EQUAL(pp_fail_within(NULL, PP_E_DATA, "nobody listens"), PP_E_DATA);
}

static void test_error_long_text(void)
{
    pp_error err;
    char longer[2 * sizeof err.text];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    (void)pp_fail(&err, PP_E_DATA, "%s", longer);
    CU_ASSERT_EQUAL(strlen(err.text), sizeof err.text - 1);
    (void)pp_fail_within(&err, PP_E_DATA, "%s", "prefix");
    CU_ASSERT_EQUAL(strncmp(err.text, "prefix: xxx", 11), 0);
    CU_ASSERT_EQUAL(strlen(err.text), sizeof err.text - 1);
}

static void test_exit_codes(void)
{
    CU_ASSERT_EQUAL(pp_status_exit_code(PP_OK), 0);
    CU_ASSERT_EQUAL(pp_status_exit_code(PP_E_JOB), 2);
    CU_ASSERT_EQUAL(pp_status_exit_code(PP_E_DATA), 3);
    CU_ASSERT_STRING_EQUAL(pp_status_text(PP_E_MEMORY), "out of memory");
}

/* ---- rng ---- */

/* kat_vectors of Random123 1.14: philox4x32, 10 rounds. */
static void test_philox_known_answers(void)
{
    uint32_t words[4];
    pp_rng zero = {0};
    pp_rng_words(zero, 0, words);
    CU_ASSERT_EQUAL(words[0], 0x6627e8d5U);
    CU_ASSERT_EQUAL(words[1], 0xe169c58dU);
    CU_ASSERT_EQUAL(words[2], 0xbc57ac4cU);
    CU_ASSERT_EQUAL(words[3], 0x9b00dbd8U);
    CU_ASSERT_EQUAL(pp_rng_u64(zero, 0), 0xe169c58d6627e8d5ULL);
    /* Counter and key of the digits of pi: the purpose takes part in the second counter word. */
    pp_rng pi = pp_rng_at(0x299f31d0a4093822ULL, PP_RNG_DEAL, 0x0370734413198a2eULL);
    uint64_t index = 0x85a308d3243f6a88ULL ^ (uint64_t)PP_RNG_DEAL << 56;
    CU_ASSERT_EQUAL(pp_rng_u64(pi, index), 0x94fdccebd16cfe09ULL);
    pp_rng ones = pp_rng_at(UINT64_MAX, PP_RNG_TEST, UINT64_MAX);
    CU_ASSERT_EQUAL(pp_rng_u64(ones, UINT64_MAX ^ (uint64_t)PP_RNG_TEST << 56),
                    0x41c83b0e408f276dULL);
}

static void test_rng_streams_differ(void)
{
    uint64_t base = pp_rng_u64(pp_rng_at(1, PP_RNG_TEST, 0), 5);
    CU_ASSERT_EQUAL(base, pp_rng_u64(pp_rng_at(1, PP_RNG_TEST, 0), 5));
    CU_ASSERT_NOT_EQUAL(base, pp_rng_u64(pp_rng_at(2, PP_RNG_TEST, 0), 5));
    CU_ASSERT_NOT_EQUAL(base, pp_rng_u64(pp_rng_at(1, PP_RNG_SYNTH, 0), 5));
    CU_ASSERT_NOT_EQUAL(base, pp_rng_u64(pp_rng_at(1, PP_RNG_TEST, 1), 5));
    CU_ASSERT_NOT_EQUAL(base, pp_rng_u64(pp_rng_at(1, PP_RNG_TEST, (uint64_t)1 << 32), 5));
    CU_ASSERT_NOT_EQUAL(base, pp_rng_u64(pp_rng_at(1, PP_RNG_TEST, 0), 6));
    CU_ASSERT_NOT_EQUAL(base, pp_rng_u64(pp_rng_at(1, PP_RNG_TEST, 0), 5 | (uint64_t)1 << 40));
}

/* Bounds are five standard errors of the mean and of the variance. */
static void test_rng_moments(void)
{
    enum { N = 200000 };
    pp_rng rng = pp_rng_at(3, PP_RNG_TEST, 0);
    double u = 0, uu = 0, g = 0, gg = 0, gggg = 0, low = 1, high = 0;
    for (uint64_t i = 0; i < N; i++) {
        double a = pp_rng_uniform(rng, i), b = pp_rng_normal(rng, i);
        u += a;
        uu += (a - 0.5) * (a - 0.5);
        g += b;
        gg += b * b;
        gggg += b * b * b * b;
        if (a < low) low = a;
        if (a > high) high = a;
    }
    CU_ASSERT_TRUE(low >= 0 && low < 1e-4);
    CU_ASSERT_TRUE(high < 1 && high > 1 - 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(u / N, 0.5, 5 * sqrt(1.0 / 12 / N));
    CU_ASSERT_DOUBLE_EQUAL(uu / N, 1.0 / 12, 5 * sqrt(1.0 / 180 / N));
    CU_ASSERT_DOUBLE_EQUAL(g / N, 0, 5 * sqrt(1.0 / N));
    CU_ASSERT_DOUBLE_EQUAL(gg / N, 1, 5 * sqrt(2.0 / N));
    CU_ASSERT_DOUBLE_EQUAL(gggg / N, 3, 5 * sqrt(96.0 / N));
}

static void test_rng_below(void)
{
    int64_t count[7] = {0};
    pp_rng rng = pp_rng_at(4, PP_RNG_TEST, 0);
    for (uint64_t i = 0; i < 70000; i++) {
        uint64_t v = pp_rng_below(rng, i, 7);
        CU_ASSERT_TRUE_FATAL(v < 7);
        count[v]++;
    }
    for (int k = 0; k < 7; k++)
        CU_ASSERT_DOUBLE_EQUAL((double)count[k], 10000, 5 * sqrt(10000));
    CU_ASSERT_EQUAL(pp_rng_below(rng, 0, 1), 0);
}

static void test_shuffle(void)
{
    enum { N = 1000 };
    int64_t items[N], again[N], seen[N] = {0}, moved = 0;
    pp_rng rng = pp_rng_at(5, PP_RNG_TEST, 2);
    for (int i = 0; i < N; i++)
        items[i] = again[i] = i;
    pp_rng_shuffle(rng, 0, N, items);
    for (int i = 0; i < N; i++) {
        CU_ASSERT_TRUE_FATAL(items[i] >= 0 && items[i] < N);
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < N; i++)
        CU_ASSERT_EQUAL(seen[i], 1);
    CU_ASSERT_TRUE(moved > N - 20);
    pp_rng_shuffle(rng, 0, N, again);
    CU_ASSERT_EQUAL(memcmp(items, again, sizeof items), 0);
    for (int i = 0; i < N; i++)
        again[i] = i;
    pp_rng_shuffle(rng, 1 << 20, N, again);
    CU_ASSERT_NOT_EQUAL(memcmp(items, again, sizeof items), 0);
}

/* Of any count; the order of three items about as often each. */
static void test_places(void)
{
    enum { MOST = 300 };
    int orders[27] = {0};
    for (int64_t count = 1; count <= MOST; count++) {
        char taken[MOST] = {0};
        pp_rng rng = pp_rng_at(7, PP_RNG_TEST, (uint64_t)count);
        for (int64_t i = 0; i < count; i++) {
            int64_t place = pp_rng_place(rng, count, i);
            CU_ASSERT_FATAL(place >= 0 && place < count && !taken[place]);
            taken[place] = 1;
        }
    }
    for (uint64_t i = 0; i < 6000; i++) {
        pp_rng rng = pp_rng_at(8, PP_RNG_TEST, i);
        orders[9 * pp_rng_place(rng, 3, 0) + 3 * pp_rng_place(rng, 3, 1) +
               pp_rng_place(rng, 3, 2)]++;
    }
    for (int i = 0; i < 27; i++)
        CU_ASSERT(orders[i] == 0 || (orders[i] > 850 && orders[i] < 1150));
    int64_t far = pp_rng_place(pp_rng_at(9, PP_RNG_TEST, 0), (int64_t)1 << 40, 5);
    CU_ASSERT(far >= 0 && far < (int64_t)1 << 40);
}

/* Every order of three items about equally often: catches a shuffle that is off by one. */
static void test_shuffle_is_fair(void)
{
    enum { N = 60000 };
    int64_t count[27] = {0};
    for (uint64_t i = 0; i < N; i++) {
        int64_t items[3] = {0, 1, 2};
        pp_rng_shuffle(pp_rng_at(6, PP_RNG_TEST, i), 0, 3, items);
        count[9 * items[0] + 3 * items[1] + items[2]]++;
    }
    static const int orders[] = {5, 7, 11, 15, 19, 21};
    for (int i = 0; i < 6; i++)
        CU_ASSERT_DOUBLE_EQUAL((double)count[orders[i]], N / 6.0, 5 * sqrt(N / 6.0));
}

/* ---- exact sums ---- */

enum { TERMS = 4000 };

/* Terms of all magnitudes and both signs. */
static double wild_term(uint64_t i)
{
    pp_rng rng = pp_rng_at(7, PP_RNG_TEST, 0);
    int exponent = (int)pp_rng_below(rng, 2 * i, 160) - 60;
    return ldexp(2 * pp_rng_uniform(rng, 2 * i + 1) - 1, exponent);
}

static void test_sum_any_order(void)
{
    pp_sum forward = {{0}, 0}, backward = {{0}, 0}, parts[3] = {{{0}, 0}};
    for (uint64_t i = 0; i < TERMS; i++) {
        pp_sum_add(&forward, wild_term(i));
        pp_sum_add(&backward, wild_term(TERMS - 1 - i));
        pp_sum_add(&parts[(i * i) % 3], wild_term(i));
    }
    pp_sum_normalise(&forward);
    pp_sum_normalise(&backward);
    pp_sum_merge(&parts[2], &parts[0]);
    pp_sum_merge(&parts[2], &parts[1]);
    CU_ASSERT_EQUAL(memcmp(&forward, &backward, sizeof forward), 0);
    CU_ASSERT_EQUAL(memcmp(&forward, &parts[2], sizeof forward), 0);
    CU_ASSERT_NOT_EQUAL(pp_sum_value(&forward), 0);
}

/* Terms k 2^-40 add exactly in 128-bit integers. */
static void test_sum_against_integers(void)
{
    __extension__ typedef __int128 wide;
    for (uint64_t round = 0; round < 50; round++) {
        pp_rng rng = pp_rng_at(8, PP_RNG_TEST, round);
        pp_sum sum = {{0}, 0};
        wide exact = 0;
        for (uint64_t i = 0; i < 1000; i++) {
            int64_t k = (int64_t)pp_rng_u64(rng, i) >> (11 + pp_rng_below(rng, i + 5000, 50));
            exact += k;
            pp_sum_add(&sum, ldexp((double)k, -40));
        }
        double expected = ldexp((double)exact, -40), value = pp_sum_value(&sum);
        CU_ASSERT_TRUE(value >= nextafter(expected, -INFINITY) &&
                       value <= nextafter(expected, INFINITY));
    }
}

static void test_sum_cancellation(void)
{
    static const double terms[] = {1e60, 1.0, 0x1p-100, -1e60, 3e-20, -1.0, -3e-20};
    pp_sum sum = {{0}, 0};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        pp_sum_add(&sum, terms[i]);
    CU_ASSERT_EQUAL(pp_sum_value(&sum), 0x1p-100);
    pp_sum_add(&sum, -0x1p-100);
    pp_sum_normalise(&sum);
    CU_ASSERT_EQUAL(pp_sum_value(&sum), 0);
    pp_sum empty = {{0}, 0};
    CU_ASSERT_EQUAL(memcmp(&sum, &empty, sizeof sum), 0);
}

static void test_sum_signs(void)
{
    static const double values[] = {1, -1, 0.1, -0.1, 1e70, -1e70, 1e-20, -1e-20, 12345.678, -0.0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        pp_sum sum = {{0}, 0};
        pp_sum_add(&sum, values[i]);
        CU_ASSERT_EQUAL(pp_sum_value(&sum), values[i]);
    }
    pp_sum sum = {{0}, 0};
    for (int i = 0; i < 100000; i++)
        pp_sum_add(&sum, -0x1.8p31);
    CU_ASSERT_EQUAL(pp_sum_value(&sum), -0x1.8p31 * 100000);
}

static void test_sum_bad_terms(void)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY, 0x1p256, -0x1p300};
    pp_sum sum = {{0}, 0};
    pp_sum_add(&sum, 1);
    for (int i = 0; i < 5; i++)
        pp_sum_add(&sum, bad[i]);
    CU_ASSERT_EQUAL(sum.bad, 5);
    CU_ASSERT_TRUE(isnan(pp_sum_value(&sum)));
    pp_sum other = {{0}, 0};
    pp_sum_add(&other, 0x1.fffffep127 * 0x1.fffffep127); /* the square of the largest float32 */
    CU_ASSERT_EQUAL(other.bad, 0);
    pp_sum_merge(&other, &sum);
    CU_ASSERT_EQUAL(other.bad, 5);
}

/* ---- files ---- */

static void check_content(const char *path, const char *expected)
{
    char *text = NULL;
    size_t length = 0;
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(path, &text, &length, NULL), PP_OK);
    CU_ASSERT_EQUAL(length, strlen(expected));
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void test_fs_appears_whole(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = scratch_write(&s, "a.json", "old", 3);
    pp_fs_file *file;
    CU_ASSERT_EQUAL_FATAL(pp_fs_create(path, &file, NULL), PP_OK);
    fputs("newer", pp_fs_stream(file));
    fflush(pp_fs_stream(file));
    check_content(path, "old"); /* until committed */
    CU_ASSERT_EQUAL(pp_fs_commit(file, NULL), PP_OK);
    check_content(path, "newer");
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    scratch_remove(&s);
}

static void test_fs_abandon(void)
{
    scratch s;
    scratch_make(&s);
    pp_fs_file *file;
    CU_ASSERT_EQUAL_FATAL(pp_fs_create(scratch_path(&s, "a"), &file, NULL), PP_OK);
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    pp_fs_abandon(file);
    pp_fs_abandon(NULL);
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    scratch_remove(&s);
}

static void test_fs_errors_name_the_path(void)
{
    scratch s;
    scratch_make(&s);
    pp_error err;
    char *text = NULL;
    pp_fs_file *file = NULL;
    const char *missing = scratch_path(&s, "none/there");
    CU_ASSERT_EQUAL(pp_fs_read(missing, &text, NULL, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, missing));
    CU_ASSERT_PTR_NULL(text);
    CU_ASSERT_EQUAL(pp_fs_create(missing, &file, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, missing));
    CU_ASSERT_PTR_NULL(file);
    const char *plain = scratch_write(&s, "plain", "", 0);
    CU_ASSERT_EQUAL(pp_fs_make_directory(scratch_path(&s, "plain/sub"), &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, plain));
    scratch_remove(&s);
}

static void test_fs_trees(void)
{
    scratch s;
    scratch_make(&s);
    const char *deep = scratch_path(&s, "tree/a/b");
    CU_ASSERT_EQUAL(pp_fs_make_directory(deep, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_fs_make_directory(deep, NULL), PP_OK);
    CU_ASSERT_TRUE(pp_fs_is_directory(deep));
    const char *kept = scratch_write(&s, "kept", "x", 1);
    scratch_write(&s, "tree/a/b/file", "x", 1);
    CU_ASSERT_EQUAL(symlink(kept, scratch_path(&s, "tree/link")), 0);
    CU_ASSERT_EQUAL(symlink(s.directory, scratch_path(&s, "tree/up")), 0);
    CU_ASSERT_EQUAL(pp_fs_remove_tree(scratch_path(&s, "tree"), NULL), PP_OK);
    CU_ASSERT_FALSE(pp_fs_exists(scratch_path(&s, "tree")));
    CU_ASSERT_TRUE(pp_fs_exists(kept)); /* links are removed, not followed */
    CU_ASSERT_FALSE(pp_fs_is_directory(kept));
    CU_ASSERT_EQUAL(pp_fs_remove_tree(scratch_path(&s, "tree"), NULL), PP_OK);
    scratch_remove(&s);
}

static void test_fs_reads_large_files(void)
{
    enum { SIZE = 100001 };
    scratch s;
    scratch_make(&s);
    char *bytes = malloc(SIZE), *text = NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31);
    const char *path = scratch_write(&s, "large", bytes, SIZE);
    size_t length = 0;
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(path, &text, &length, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(length, SIZE);
    CU_ASSERT_EQUAL(memcmp(text, bytes, SIZE), 0);
    CU_ASSERT_EQUAL(text[SIZE], '\0');
    free(text);
    free(bytes);
    scratch_remove(&s);
}

const pp_test pp_tests_base[] = {
    {"arena blocks are aligned, zeroed and apart", test_arena_blocks},
    {"arena refuses sizes that overflow", test_arena_overflow},
    {"errors are prefixed and keep their code", test_error_text},
    {"long error texts are cut", test_error_long_text},
    {"statuses have exit codes", test_exit_codes},
    {"Philox gives Random123's known answers", test_philox_known_answers},
    {"seed, purpose, when and index each change the numbers", test_rng_streams_differ},
    {"uniform and normal numbers have their moments", test_rng_moments},
    {"integers below a bound are uniform", test_rng_below},
    {"a shuffle is a repeatable permutation", test_shuffle},
    {"all orders are equally likely", test_shuffle_is_fair},
    {"places of a permutation are all different", test_places},
    {"a sum has the same bytes in any order and split", test_sum_any_order},
    {"a sum agrees with exact integers", test_sum_against_integers},
    {"large terms cancel to the last bit", test_sum_cancellation},
    {"sums of either sign", test_sum_signs},
    {"what cannot be summed is counted", test_sum_bad_terms},
    {"a file is old or new, never half", test_fs_appears_whole},
    {"an abandoned file leaves nothing", test_fs_abandon},
    {"file errors name the path", test_fs_errors_name_the_path},
    {"trees are made and removed, links not followed", test_fs_trees},
    {"a file of any size is read whole", test_fs_reads_large_files},
    {NULL, NULL},
};
