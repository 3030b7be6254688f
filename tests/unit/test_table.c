/* Rows of csv files in parts: each row once in any number of parts, or an error in all of them. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "convert/table.h"
#include "support/scratch.h"

enum { MOST_ROWS = 512 };

typedef struct reading {
    int failed;
    int64_t rows;
    double values[MOST_ROWS];
} reading;

static pp_status read_part(pp_table *t, int64_t first, int64_t rows, double *values, pp_error *err)
{
    int64_t columns = pp_table_columns(t);
    CU_ASSERT_FATAL((first + rows) * columns <= MOST_ROWS);
    return pp_table_read(t, first, rows, values + first * columns, err);
}

/* As so many ranks read it. */
static reading read_in(const char *path, int parts)
{
    static const char *const all[] = {NULL};
    reading r = {0};
    pp_error err;
    pp_table *tables[8] = {NULL};
    pp_table_part found[8];
    for (int p = 0; p < parts && !r.failed; p++)
        r.failed = pp_table_open(path, all, 1, &tables[p], &err) != PP_OK ||
                   pp_table_look(tables[p], p, parts, &found[p], &err) != PP_OK;
    for (int p = 0; p < parts && !r.failed; p++) {
        int64_t first = pp_table_cut(tables[p], found, parts, p);
        CU_ASSERT_EQUAL(first, r.rows);
        r.failed = read_part(tables[p], first, found[p].rows, r.values, &err) != PP_OK;
        r.rows += found[p].rows;
    }
    for (int p = 0; p < parts; p++)
        pp_table_close(tables[p]);
    return r;
}

static void expect_same(const char *path)
{
    static const int parts[] = {2, 3, 7};
    reading whole = read_in(path, 1);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        reading cut = read_in(path, parts[i]);
        CU_ASSERT_EQUAL(cut.failed, whole.failed);
        if (cut.failed || whole.failed) continue;
        CU_ASSERT_EQUAL_FATAL(cut.rows, whole.rows);
        CU_ASSERT_EQUAL(memcmp(cut.values, whole.values, sizeof whole.values), 0);
    }
}

static void test_parts(void)
{
    static const char *const texts[] = {"\xef\xbb\xbf\n,0\n,8.",
                                        "\xef\xbb\xbf\r\n;1-",
                                        "0,\"\r6\"\n\n5,",
                                        "3,\"\r63,\"\"\r63,\"6\"\r",
                                        "a,b\r1,2\r\r3,4",
                                        "\xef\xbb\xbf"
                                        "1,2\n3,4\n5,6\n",
                                        "a,\"b\nc\"\n1,2\n3,4\n5,6\n"};
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_same(scratch_write(&s, "in.csv", texts[i], strlen(texts[i])));
    scratch_remove(&s);
}

/* Sequences of what makes trouble in a csv file. */
static void test_any_text(void)
{
    static const char *const pieces[] = {"1,2\n",  "3,4\r\n",      "5,6\r",     "\n",    "\r\n",
                                         "\r",     " \n",          "\"7\",8\n", "9,\"1", "\"\n",
                                         "2\n\"3", "\",\"4\"\r\n", "\"\"",      ",",     "a,b\n"};
    enum { PIECES = sizeof pieces / sizeof *pieces };
    scratch s;
    scratch_make(&s);
    for (uint64_t seed = 0; seed < 400; seed++) {
        pp_rng rng = pp_rng_at(seed, PP_RNG_TEST, 0);
        char text[512] = "";
        if (seed % 3 == 0) strcat(text, "\xef\xbb\xbf");
        uint64_t most = seed % 2 == 0 ? 7 : PIECES; /* half of them without odd quotes */
        for (uint64_t i = 0; i < 2 + seed % 40; i++)
            strcat(text, pieces[pp_rng_below(rng, i, most)]);
        expect_same(scratch_write(&s, "in.csv", text, strlen(text)));
    }
    scratch_remove(&s);
}

const pp_test pp_tests_table[] = {
    {"parts of odd files", test_parts}, {"parts of any file", test_any_text}, {NULL, NULL}};
