#include <math.h>
#include <stdint.h>
#include <string.h>

#include <hdf5.h>
#include <zlib.h>

#include "store/h5.h"
#include "convert/import.h"
#include "support/scratch.h"

/* ---- helpers ---- */

static const pp_meter nobody;

typedef struct table { /* a data set read back */
    int64_t rows, columns;
    int is_integer;
    double values[4096];
} table;

static table read_back(const char *path, const char *name)
{
    table t = {.rows = -1};
    pp_h5_set *set;
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(&path, 1, name, &set, NULL), PP_OK);
    t.rows = pp_h5_rows(set);
    t.columns = pp_h5_columns(set);
    t.is_integer = pp_h5_is_integer(set);
    CU_ASSERT_FATAL(t.rows * t.columns <= 4096);
    CU_ASSERT_EQUAL(pp_h5_read_f64(set, 0, t.rows, t.values, NULL), PP_OK);
    pp_h5_close(set);
    return t;
}

static void expect_values(const char *path, const char *name, int64_t rows, int64_t columns,
                          const double *expected)
{
    table t = read_back(path, name);
    CU_ASSERT_EQUAL(t.rows, rows);
    CU_ASSERT_EQUAL_FATAL(t.columns, columns);
    CU_ASSERT_EQUAL(memcmp(t.values, expected, (size_t)(rows * columns) * sizeof *expected), 0);
}

static void expect_holds(const char *text, const char *part)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    CU_ASSERT_PTR_NULL(strchr(text, '\n'));
    if (strstr(text, part) == NULL) printf("\n  '%s' is not in: %s\n", part, text);
}

static const char *write_gzip(scratch *s, const char *name, const void *bytes, size_t length)
{
    const char *path = scratch_path(s, name);
    gzFile file = gzopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(gzwrite(file, bytes, (unsigned)length), (int)length);
    CU_ASSERT_EQUAL(gzclose(file), Z_OK);
    return path;
}

/* ---- idx: 3 images of 2 x 2 ---- */

static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2,  0,   0,
                                       0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 254, 255};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9};

static void check_idx(scratch *s, const char *x, const char *y)
{
    static const double pixels[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 254, 255}, targets[] = {7, 0, 9};
    const char *output = scratch_path(s, "out.h5");
    int64_t rows = 0;
    CU_ASSERT_EQUAL_FATAL(pp_import_idx(x, y, output, &nobody, &rows, NULL), PP_OK);
    CU_ASSERT_EQUAL(rows, 3);
    expect_values(output, "x", 3, 4, pixels);
    expect_values(output, "y", 3, 1, targets);
    CU_ASSERT_TRUE(read_back(output, "x").is_integer);
    hid_t file = H5Fopen(output, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "x", H5P_DEFAULT), space = H5Dget_space(set);
    hsize_t dims[3];
    CU_ASSERT_EQUAL(H5Sget_simple_extent_ndims(space), 3);
    H5Sget_simple_extent_dims(space, dims, NULL);
    CU_ASSERT_TRUE(dims[0] == 3 && dims[1] == 2 && dims[2] == 2);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

static void test_idx(void)
{
    scratch s;
    scratch_make(&s);
    check_idx(&s, scratch_write(&s, "x", images, sizeof images),
              scratch_write(&s, "y", labels, sizeof labels));
    check_idx(&s, write_gzip(&s, "x.gz", images, sizeof images),
              write_gzip(&s, "y.gz", labels, sizeof labels));
    scratch_remove(&s);
}

/* Expects that importing fails, naming `culprit` (a path) and `part`, and leaves no output. */
static void refuse_idx(scratch *s, const char *x, const char *y, const char *culprit,
                       const char *part)
{
    pp_error err = {.text = ""};
    int before = scratch_count(s);
    int64_t rows = -7;
    CU_ASSERT_NOT_EQUAL(pp_import_idx(x, y, scratch_path(s, "out.h5"), &nobody, &rows, &err),
                        PP_OK);
    expect_holds(err.text, culprit);
    expect_holds(err.text, part);
    CU_ASSERT_EQUAL(rows, -7);
    CU_ASSERT_EQUAL(scratch_count(s), before);
}

static void test_idx_refused(void)
{
    scratch s;
    scratch_make(&s);
    unsigned char bad[64];
    const char *x = scratch_write(&s, "x", images, sizeof images);
    const char *y = scratch_write(&s, "y", labels, sizeof labels);
    const char *z = scratch_path(&s, "absent");
    refuse_idx(&s, z, y, z, "No such file");
    refuse_idx(&s, s.directory, y, s.directory, "directory");
    refuse_idx(&s, y, x, x, "swapped");
    refuse_idx(&s, y, y, y, "images have at least 2");
    refuse_idx(&s, x, x, x, "labels have 1");
    z = scratch_write(&s, "text", "P5 28 28 255", 12);
    refuse_idx(&s, z, y, z, "not an idx file");
    memcpy(bad, images, sizeof images);
    bad[2] = 0x0d;
    z = scratch_write(&s, "float", bad, sizeof images);
    refuse_idx(&s, z, y, z, "idx type 0x0d");
    bad[2] = 8;
    bad[3] = 5;
    z = scratch_write(&s, "deep", bad, sizeof images);
    refuse_idx(&s, z, y, z, "5 dimensions");
    z = scratch_write(&s, "short", images, sizeof images - 1);
    refuse_idx(&s, z, y, z, "ends after row 2 of 3");
    z = scratch_write(&s, "header", images, 10);
    refuse_idx(&s, z, y, z, "within its header");
    memcpy(bad, labels, sizeof labels);
    z = scratch_write(&s, "long", bad, sizeof labels + 1);
    refuse_idx(&s, x, z, z, "goes on after its 3 rows");
    bad[7] = 2;
    z = scratch_write(&s, "fewer", bad, sizeof labels - 1);
    refuse_idx(&s, x, z, z, "has 2 labels");
    refuse_idx(&s, x, z, x, "has 3 rows");
    bad[7] = 0;
    z = scratch_write(&s, "none", bad, 8);
    refuse_idx(&s, x, z, z, "no rows");
    scratch_remove(&s);
}

static void test_idx_damaged_gzip(void)
{
    scratch s;
    scratch_make(&s);
    char *data;
    size_t length;
    const char *y = scratch_write(&s, "y", labels, sizeof labels);
    pp_fs_read(write_gzip(&s, "x.gz", images, sizeof images), &data, &length, NULL);
    const char *cut = scratch_write(&s, "cut.gz", data, length - 4);
    refuse_idx(&s, cut, y, cut, "gzip data are cut short: it ends after row 3 of 3");
    data[length - 6] ^= 1; /* its checksum */
    const char *flipped = scratch_write(&s, "flipped.gz", data, length);
    refuse_idx(&s, flipped, y, flipped, "gzip data are damaged");
    free(data);
    scratch_remove(&s);
}

/* ---- generated sets ---- */

static const char *make_synth(scratch *s, const char *file, const char *name, int64_t rows,
                              int64_t seed)
{
    const char *path = scratch_path(s, file);
    CU_ASSERT_EQUAL_FATAL(pp_synth(name, rows, seed, path, NULL), PP_OK);
    return path;
}

static int same_bytes(const char *a, const char *b)
{
    char *x, *y;
    size_t x_length, y_length;
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(a, &x, &x_length, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(pp_fs_read(b, &y, &y_length, NULL), PP_OK);
    int same = x_length == y_length && memcmp(x, y, x_length) == 0;
    free(x);
    free(y);
    return same;
}

static void test_synth_all(void)
{
    int count;
    const pp_synth_row *rows = pp_synth_table(&count);
    scratch s;
    scratch_make(&s);
    CU_ASSERT_TRUE(count >= 14);
    for (int i = 0; i < count; i++) {
        const char *a = make_synth(&s, "a.h5", rows[i].name, 700, 1); /* more than a block */
        const char *b = make_synth(&s, "b.h5", rows[i].name, 700, 1);
        const char *c = make_synth(&s, "c.h5", rows[i].name, 700, 2);
        int fixed = strcmp(rows[i].name, "xor") == 0 || strcmp(rows[i].name, "square") == 0;
        CU_ASSERT_TRUE(same_bytes(a, b));
        CU_ASSERT_EQUAL(same_bytes(a, c), fixed);
        CU_ASSERT_TRUE(rows[i].default_rows > 0 && rows[i].help[0] != '\0');
        CU_ASSERT_EQUAL(read_back(a, "y").rows, 700);
    }
    scratch_remove(&s);
}

static double mean_of(const table *t)
{
    double sum = 0.0;
    for (int64_t i = 0; i < t->rows; i++)
        sum += t->values[i];
    return sum / (double)t->rows;
}

static void test_synth_targets(void)
{
    static const struct {
        const char *name;
        int is_integer;
        double mean, within, smallest, largest;
    } cases[] = {
        {"moons", 1, 0.5, 0.03, 0, 1},        {"blobs", 1, 4.5, 0.2, 0, 9},
        {"higgs-like", 1, 0.53, 0.025, 0, 1}, {"linear", 0, 0.5, 0.3, -20, 20},
        {"friedman", 0, 14.4, 0.4, -5, 35},   {"xor", 1, 0.5, 0, 0, 1},
        {"square", 0, 33.34, 0.05, 0, 100},   {"noise", 1, 0.5, 0.03, 0, 1},
        {"imbalanced", 1, 0.1, 0.02, 0, 1},   {"half", 0, 0.5, 0.02, 0.1f, 0.9f},
        {"images", 1, 4.5, 0.2, 0, 9},        {"noise-rare", 1, 409.0 / 4096, 0, 0, 1},
        {"noise-coin", 1, 0.5, 0.03, 0, 1},   {"noise-uniform", 0, 0.5, 0.02, 0, 1},
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        table y = read_back(make_synth(&s, "a.h5", cases[i].name, 4096, 3), "y");
        CU_ASSERT_EQUAL(y.is_integer, cases[i].is_integer);
        double mean = mean_of(&y);
        CU_ASSERT_TRUE(fabs(mean - cases[i].mean) <= cases[i].within);
        if (!(fabs(mean - cases[i].mean) <= cases[i].within))
            printf("\n  %s: mean %g\n", cases[i].name, mean);
        int outside = 0;
        for (int64_t r = 0; r < y.rows; r++)
            outside += !(y.values[r] >= cases[i].smallest && y.values[r] <= cases[i].largest);
        CU_ASSERT_EQUAL(outside, 0);
    }
    scratch_remove(&s);
}

static void test_synth_xor_and_square(void)
{
    static const double x[] = {0, 0, 0, 1, 1, 0, 1, 1}, y[] = {1, 0, 0, 1};
    static const double line[] = {0, 2.5, 5, 7.5, 10}, square[] = {0, 6.25, 25, 56.25, 100};
    scratch s;
    scratch_make(&s);
    const char *path = make_synth(&s, "xor.h5", "xor", 0, 5);
    expect_values(path, "x", 4, 2, x);
    expect_values(path, "y", 4, 1, y);
    path = make_synth(&s, "square.h5", "square", 5, 5);
    expect_values(path, "x", 5, 1, line);
    expect_values(path, "y", 5, 1, square);
    CU_ASSERT_EQUAL(read_back(make_synth(&s, "one.h5", "square", 1, 0), "y").values[0], 0.0);
    scratch_remove(&s);
}

/* Friedman's formula explains all of y but its noise of variance 1. */
static void test_synth_friedman(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = make_synth(&s, "a.h5", "friedman", 400, 0);
    table x = read_back(path, "x"), y = read_back(path, "y");
    double squares = 0.0;
    for (int64_t r = 0; r < 400; r++) {
        const double *u = x.values + r * 10;
        double truth = 10 * sin(3.141592653589793 * u[0] * u[1]) +
                       20 * (u[2] - 0.5) * (u[2] - 0.5) + 10 * u[3] + 5 * u[4];
        squares += (y.values[r] - truth) * (y.values[r] - truth);
    }
    CU_ASSERT_TRUE(fabs(squares / 400 - 1.0) < 0.25);
    scratch_remove(&s);
}

static void test_synth_images(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = make_synth(&s, "a.h5", "images", 600, 0);
    pp_h5_set *set;
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(&path, 1, "x", &set, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_columns(set), 784);
    CU_ASSERT_EQUAL(pp_h5_is_integer(set), 1);
    float image[784];
    for (int64_t row = 0; row < 600; row += 37) {
        float most = 0.0f;
        int bright = 0;
        CU_ASSERT_EQUAL(pp_h5_read_f32(set, row, 1, image, NULL), PP_OK);
        for (int i = 0; i < 784; i++) {
            most = fmaxf(most, image[i]);
            bright += image[i] >= 90.0f;
        }
        CU_ASSERT_TRUE(most <= 255.0f && bright > 30 && bright < 500);
    }
    pp_h5_close(set);
    scratch_remove(&s);
}

static void test_synth_refused(void)
{
    scratch s;
    scratch_make(&s);
    pp_error err;
    const char *path = scratch_path(&s, "a.h5");
    CU_ASSERT_EQUAL(pp_synth("moon", 0, 0, path, &err), PP_E_ARG);
    expect_holds(err.text, "'moon'; there are moons, blobs");
    expect_holds(err.text, "half");
    CU_ASSERT_EQUAL(pp_synth("moons", -1, 0, path, &err), PP_E_ARG);
    expect_holds(err.text, "rows must be at least 1, got -1");
    path = scratch_path(&s, "absent/a.h5");
    CU_ASSERT_EQUAL(pp_synth("moons", 0, 0, path, &err), PP_E_IO);
    expect_holds(err.text, path);
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    scratch_remove(&s);
}

const pp_test pp_tests_import[] = {
    {"idx, plain and gzip", test_idx},
    {"faulty idx files are named, nothing is left", test_idx_refused},
    {"damaged gzip is noticed", test_idx_damaged_gzip},
    {"generated sets depend on the seed alone", test_synth_all},
    {"generated targets are as described", test_synth_targets},
    {"xor and square are exact", test_synth_xor_and_square},
    {"friedman has the known truth", test_synth_friedman},
    {"images hold a shape", test_synth_images},
    {"unknown sets and impossible rows are refused", test_synth_refused},
    {NULL, NULL}};
