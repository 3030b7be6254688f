/* hdf5.h shows here to make the files that Pitprop itself never writes. */
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hdf5.h>

#include "store/h5.h"
#include "support/scratch.h"

enum { ROWS = 20, COLUMNS = 3 };

/* ---- helpers ---- */

/* A file with one data set [ROWS, COLUMNS] of file type `type` whose element i is `from` [i]. */
static const char *make_typed(scratch *s, const char *name, hid_t type, hid_t memory_type,
                              const void *from)
{
    const char *path = scratch_path(s, name);
    hsize_t dims[2] = {ROWS, COLUMNS};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, dims, NULL);
    hid_t set = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    CU_ASSERT_TRUE(H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, from) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
    return path;
}

/* [rows, COLUMNS], element (r, c) = base + 10 r + c, through the writer of the module. */
static const char *make_rows(scratch *s, const char *name, int64_t rows, int64_t chunk, float base)
{
    const char *path = scratch_path(s, name);
    float values[64 * COLUMNS];
    for (int64_t i = 0; i < rows * COLUMNS; i++)
        values[i] = base + (float)(10 * (i / COLUMNS) + i % COLUMNS);
    pp_h5_writer *w;
    int64_t dims[2] = {rows, COLUMNS};
    CU_ASSERT_EQUAL_FATAL(pp_h5_writer_create(path, &w, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_add(w, "x", PP_H5_F32, 2, dims, chunk, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_put(w, "x", 0, rows, PP_H5_F32, values, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_note(w, "classes", "[\"a\"]", NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    return path;
}

static pp_h5_set *open_one(const char *path, const char *name)
{
    pp_h5_set *set = NULL;
    pp_error err = {.text = ""};
    CU_ASSERT_EQUAL(pp_h5_open(&path, 1, name, &set, &err), PP_OK);
    if (set == NULL) printf("\n  %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    return set;
}

static void expect_holds(const char *text, const char *part)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    CU_ASSERT_PTR_NULL(strchr(text, '\n'));
    if (strstr(text, part) == NULL) printf("\n  '%s' is not in: %s\n", part, text);
}

static void expect_refused(const char *path, const char *name, pp_status code, const char *part)
{
    pp_h5_set *set = NULL;
    pp_error err = {.text = ""};
    CU_ASSERT_EQUAL(pp_h5_open(&path, 1, name, &set, &err), code);
    CU_ASSERT_PTR_NULL(set);
    expect_holds(err.text, path);
    expect_holds(err.text, part);
}

/* ---- reading ---- */

static void test_types(void)
{
    hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    int8_t no = 0, yes = 1;
    hid_t boolean = H5Tenum_create(H5T_STD_I8LE);
    H5Tenum_insert(boolean, "FALSE", &no);
    H5Tenum_insert(boolean, "TRUE", &yes);
    const struct {
        hid_t type;
        int is_integer;
    } types[] = {
        {H5T_STD_I8LE, 1},   {H5T_STD_U8LE, 1},   {H5T_STD_I16BE, 1},  {H5T_STD_U16LE, 1},
        {H5T_STD_I32BE, 1},  {H5T_STD_U32LE, 1},  {H5T_STD_I64LE, 1},  {H5T_STD_I64BE, 1},
        {H5T_STD_U64BE, 1},  {H5T_IEEE_F32LE, 0}, {H5T_IEEE_F32BE, 0}, {H5T_IEEE_F64LE, 0},
        {H5T_IEEE_F64BE, 0}, {half, 0},           {boolean, 1},
    };
    scratch s;
    scratch_make(&s);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        int is_boolean = types[t].type == boolean;
        int8_t from[ROWS * COLUMNS];
        for (int i = 0; i < ROWS * COLUMNS; i++)
            from[i] = (int8_t)(is_boolean ? i % 2 : 2 * i);
        const char *path =
            make_typed(&s, "typed.h5", types[t].type, is_boolean ? boolean : H5T_NATIVE_INT8, from);
        pp_h5_set *set = open_one(path, "x");
        float f32[ROWS * COLUMNS];
        double f64[ROWS * COLUMNS];
        CU_ASSERT_EQUAL(pp_h5_is_integer(set), types[t].is_integer);
        CU_ASSERT_EQUAL(pp_h5_read_f32(set, 0, ROWS, f32, NULL), PP_OK);
        CU_ASSERT_EQUAL(pp_h5_read_f64(set, 0, ROWS, f64, NULL), PP_OK);
        int wrong = 0;
        for (int i = 0; i < ROWS * COLUMNS; i++)
            wrong += f32[i] != (float)from[i] || f64[i] != (double)from[i];
        CU_ASSERT_EQUAL(wrong, 0);
        pp_h5_close(set);
    }
    H5Tclose(half);
    H5Tclose(boolean);
    scratch_remove(&s);
}

static void test_overflow_is_infinite(void)
{
    double from[ROWS * COLUMNS] = {1e300, -1e300, NAN, 0.1};
    float x[4 * COLUMNS];
    scratch s;
    scratch_make(&s);
    pp_h5_set *set = open_one(make_typed(&s, "a", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, from), "x");
    CU_ASSERT_EQUAL(pp_h5_read_f32(set, 0, 4, x, NULL), PP_OK);
    CU_ASSERT_TRUE(isinf(x[0]) && x[0] > 0 && isinf(x[1]) && x[1] < 0 && isnan(x[2]));
    CU_ASSERT_EQUAL(x[3], 0.1f);
    pp_h5_close(set);
    scratch_remove(&s);
}

/* Rows [first, first + count) of a list of files of 7, 0 and 13 rows. */
static void check_list_rows(pp_h5_set *set, int64_t first, int64_t count)
{
    float x[ROWS * COLUMNS];
    CU_ASSERT_EQUAL_FATAL(pp_h5_read_f32(set, first, count, x, NULL), PP_OK);
    int wrong = 0;
    for (int64_t i = 0; i < count * COLUMNS; i++) {
        int64_t row = first + i / COLUMNS;
        float base = row < 7 ? 1000.0f : 3000.0f;
        wrong += x[i] != base + (float)(10 * (row < 7 ? row : row - 7) + i % COLUMNS);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_list_of_files(void)
{
    scratch s;
    scratch_make(&s);
    const char *files[3] = {make_rows(&s, "a.h5", 7, 0, 1000.0f), make_rows(&s, "b.h5", 0, 0, 0.0f),
                            make_rows(&s, "c.h5", 13, 5, 3000.0f)};
    pp_h5_set *set;
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(files, 3, "/x", &set, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_rows(set), 20);
    CU_ASSERT_EQUAL(pp_h5_columns(set), COLUMNS);
    CU_ASSERT_EQUAL(pp_h5_chunk_rows(set), 5);
    CU_ASSERT_EQUAL(pp_h5_is_integer(set), 0);
    for (int64_t first = 0; first <= 20; first++)
        for (int64_t count = 0; first + count <= 20; count++)
            check_list_rows(set, first, count);
    char text[400], expected[400];
    pp_h5_locate(set, 6, text, sizeof text);
    snprintf(expected, sizeof expected, "%s: /x: row 6", files[0]);
    CU_ASSERT_STRING_EQUAL(text, expected);
    pp_h5_locate(set, 9, text, sizeof text);
    snprintf(expected, sizeof expected, "%s: /x: row 2", files[2]);
    CU_ASSERT_STRING_EQUAL(text, expected);
    pp_h5_close(set);
    scratch_remove(&s);
}

static void test_many_files(void)
{
    enum { MANY = 70 }; /* more than stay open at once */
    scratch s;
    scratch_make(&s);
    const char *files[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.h5", i);
        files[i] = make_rows(&s, name, 2, 0, (float)(100 * i));
    }
    pp_h5_set *set;
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(files, MANY, "x", &set, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_chunk_rows(set), 0);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            float x[COLUMNS];
            CU_ASSERT_EQUAL(pp_h5_read_f32(set, 2 * i + 1, 1, x, NULL), PP_OK);
            CU_ASSERT_EQUAL(x[2], (float)(100 * i + 12));
        }
    CU_ASSERT_TRUE(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_FILE) <= 32);
    pp_h5_close(set);
    CU_ASSERT_EQUAL(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0); /* nothing leaks */
    scratch_remove(&s);
}

static void test_images(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = scratch_path(&s, "images.h5");
    unsigned char pixels[10 * 4 * 6];
    int64_t dims[3] = {10, 4, 6};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (unsigned char)i;
    pp_h5_writer *w;
    pp_h5_writer_create(path, &w, NULL);
    CU_ASSERT_EQUAL(pp_h5_writer_add(w, "x", PP_H5_U8, 3, dims, 4, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_put(w, "x", 0, 10, PP_H5_U8, pixels, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    pp_h5_set *set = open_one(path, "x");
    float x[5 * 24];
    CU_ASSERT_EQUAL(pp_h5_columns(set), 24);
    CU_ASSERT_EQUAL(pp_h5_chunk_rows(set), 4);
    CU_ASSERT_EQUAL(pp_h5_is_integer(set), 1);
    CU_ASSERT_EQUAL(pp_h5_read_f32(set, 3, 5, x, NULL), PP_OK);
    int wrong = 0;
    for (int i = 0; i < 5 * 24; i++)
        wrong += x[i] != (float)(3 * 24 + i);
    CU_ASSERT_EQUAL(wrong, 0);
    pp_h5_close(set);
    scratch_remove(&s);
}

/* ---- refusals ---- */

static void test_refused_types(void)
{
    scratch s;
    scratch_make(&s);
    char text[ROWS * COLUMNS * 4] = "abc";
    hid_t string = H5Tcopy(H5T_C_S1), record = H5Tcreate(H5T_COMPOUND, 4);
    H5Tset_size(string, 4);
    H5Tinsert(record, "a", 0, H5T_NATIVE_INT);
    const char *path = make_typed(&s, "string.h5", string, string, text);
    expect_refused(path, "x", PP_E_DATA, "/x is text; accepted are integers");
    path = make_typed(&s, "record.h5", record, record, text);
    expect_refused(path, "x", PP_E_DATA, "/x is of a compound type");
    H5Tclose(string);
    H5Tclose(record);
    scratch_remove(&s);
}

static const char *make_odd(scratch *s)
{
    const char *path = scratch_path(s, "odd.h5");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t none[2] = {3, 0};
    const struct {
        const char *name;
        hid_t space;
    } sets[] = {{"scalar", H5Screate(H5S_SCALAR)},
                {"null", H5Screate(H5S_NULL)},
                {"thin", H5Screate_simple(2, none, NULL)}};
    for (size_t i = 0; i < 3; i++) {
        H5Dclose(H5Dcreate2(file, sets[i].name, H5T_IEEE_F32LE, sets[i].space, H5P_DEFAULT,
                            H5P_DEFAULT, H5P_DEFAULT));
        H5Sclose(sets[i].space);
    }
    hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    H5Fclose(file);
    return path;
}

static void test_refused_shapes(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = make_odd(&s);
    expect_refused(path, "scalar", PP_E_DATA, "/scalar is a single value");
    expect_refused(path, "null", PP_E_DATA, "/null holds nothing");
    expect_refused(path, "thin", PP_E_DATA, "/thin has rows of 0 values");
    expect_refused(path, "group", PP_E_DATA, "/group is a group");
    expect_refused(path, "x", PP_E_DATA, "no data set /x; it holds /null, /scalar, /thin");
    expect_refused(path, "a/b", PP_E_DATA, "no data set /a/b");
    scratch_remove(&s);
}

static void test_long_list_is_cut(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = scratch_path(&s, "many.h5");
    pp_h5_writer *w;
    pp_h5_writer_create(path, &w, NULL);
    for (char name[3] = "d0"; name[1] <= '9'; name[1]++) {
        int64_t rows = 1;
        CU_ASSERT_EQUAL(pp_h5_writer_add(w, name, PP_H5_F32, 1, &rows, 0, NULL), PP_OK);
    }
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    expect_refused(path, "x", PP_E_DATA, "/d6, /d7, ...");
    scratch_remove(&s);
}

static void test_refused_files(void)
{
    scratch s;
    scratch_make(&s);
    expect_refused(scratch_path(&s, "absent.h5"), "x", PP_E_IO, "No such file");
    expect_refused(s.directory, "x", PP_E_IO, "is a directory");
    expect_refused(scratch_write(&s, "text.h5", "x,y\n1,2\n", 8), "x", PP_E_DATA,
                   "is not an HDF5 file");
    expect_refused(scratch_write(&s, "empty.h5", "", 0), "x", PP_E_DATA, "is empty");
    char *data;
    size_t length;
    pp_fs_read(make_rows(&s, "whole.h5", 20, 0, 0.0f), &data, &length, NULL);
    expect_refused(scratch_write(&s, "cut.h5", data, length - 10), "x", PP_E_DATA, "cut short");
    expect_refused(scratch_write(&s, "cut.h5", data, 100), "x", PP_E_DATA, "damaged or cut short");
    free(data);
    scratch_remove(&s);
}

/* Chunks that were never written, of rows or of columns, and a chunk shorter than it should be. */
static void test_unwritten_rows(void)
{
    scratch s;
    scratch_make(&s);
    float values[10 * COLUMNS] = {1};
    int64_t dims[2] = {40, COLUMNS};
    const char *path = scratch_path(&s, "holes.h5");
    pp_h5_writer *w;
    CU_ASSERT_EQUAL_FATAL(pp_h5_writer_create(path, &w, NULL), PP_OK);
    pp_h5_writer_add(w, "none", PP_H5_F32, 2, dims, 0, NULL);
    pp_h5_writer_add(w, "some", PP_H5_F32, 2, dims, 10, NULL);
    pp_h5_writer_put(w, "some", 0, 10, PP_H5_F32, values, NULL);
    pp_h5_writer_put(w, "some", 20, 10, PP_H5_F32, values, NULL);
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    expect_refused(path, "none", PP_E_DATA, "/none was never written");
    expect_refused(path, "some", PP_E_DATA,
                   "/some: rows 10 to 19 were never written (2 of 4 chunks were)");
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "some", H5P_DEFAULT);
    for (hsize_t row = 10; row < 40; row += 20) {
        hsize_t offset[2] = {row, 0};
        CU_ASSERT_TRUE(H5Dwrite_chunk(set, H5P_DEFAULT, 0, offset, 12, values) >= 0);
    }
    H5Dclose(set);
    H5Fclose(file);
    expect_refused(path, "some", PP_E_DATA, "the chunk of rows 10 to 19 has 12 bytes instead of");
    scratch_remove(&s);
}

static void test_rows_disagree(void)
{
    scratch s;
    scratch_make(&s);
    int64_t other[2] = {4, COLUMNS + 1};
    const char *files[2] = {make_rows(&s, "a.h5", 3, 0, 0.0f), scratch_path(&s, "b.h5")};
    pp_h5_writer *w;
    pp_h5_writer_create(files[1], &w, NULL);
    float values[4 * (COLUMNS + 1)] = {0};
    pp_h5_writer_add(w, "x", PP_H5_F32, 2, other, 0, NULL);
    pp_h5_writer_put(w, "x", 0, 4, PP_H5_F32, values, NULL);
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    pp_h5_set *set = NULL;
    pp_error err;
    CU_ASSERT_EQUAL(pp_h5_open(files, 2, "x", &set, &err), PP_E_DATA);
    CU_ASSERT_PTR_NULL(set);
    expect_holds(err.text, files[0]);
    expect_holds(err.text, files[1]);
    expect_holds(err.text, "[4]");
    expect_holds(err.text, "[3]");
    scratch_remove(&s);
}

/* ---- writing ---- */

static void test_equal_bytes(void)
{
    scratch s;
    scratch_make(&s);
    char *a, *b;
    size_t a_length, b_length;
    pp_fs_read(make_rows(&s, "a.h5", 20, 8, 1.0f), &a, &a_length, NULL);
    sleep(1); /* times in HDF5 files count seconds */
    pp_fs_read(make_rows(&s, "b.h5", 20, 8, 1.0f), &b, &b_length, NULL);
    CU_ASSERT_EQUAL_FATAL(a_length, b_length);
    CU_ASSERT_EQUAL(memcmp(a, b, a_length), 0);
    free(a);
    free(b);
    scratch_remove(&s);
}

static void test_growing(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = scratch_path(&s, "grown.h5");
    pp_h5_writer *w;
    int64_t dims[2] = {-1, 2};
    double values[6] = {0, 1, 2, 3, 4, 5}, read[10];
    pp_h5_writer_create(path, &w, NULL);
    CU_ASSERT_EQUAL(pp_h5_writer_add(w, "x", PP_H5_F64, 2, dims, 4, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_put(w, "x", 0, 3, PP_H5_F64, values, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_put(w, "x", 3, 0, PP_H5_F64, values, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_put(w, "x", 2, 3, PP_H5_F64, values, NULL), PP_OK);
    CU_ASSERT_EQUAL(scratch_count(&s), 1); /* the temporary only */
    CU_ASSERT_FALSE(pp_fs_exists(path));
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    pp_h5_set *set = open_one(path, "x");
    CU_ASSERT_EQUAL_FATAL(pp_h5_rows(set), 5);
    CU_ASSERT_EQUAL(pp_h5_read_f64(set, 0, 5, read, NULL), PP_OK);
    static const double expected[10] = {0, 1, 2, 3, 0, 1, 2, 3, 4, 5};
    CU_ASSERT_EQUAL(memcmp(read, expected, sizeof read), 0);
    pp_h5_close(set);
    scratch_remove(&s);
}

static void test_conversion_and_note(void)
{
    scratch s;
    scratch_make(&s);
    const char *path = make_rows(&s, "a.h5", 2, 0, 0.0f);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t attribute = H5Aopen(file, "classes", H5P_DEFAULT), type = H5Aget_type(attribute);
    char text[16] = "";
    CU_ASSERT_EQUAL(H5Tget_size(type), 6);
    CU_ASSERT_EQUAL(H5Tget_cset(type), H5T_CSET_UTF8);
    H5Aread(attribute, type, text);
    CU_ASSERT_STRING_EQUAL(text, "[\"a\"]");
    H5Tclose(type);
    H5Aclose(attribute);
    H5Fclose(file);
    scratch_remove(&s);
}

static void test_abandoned(void)
{
    scratch s;
    scratch_make(&s);
    pp_h5_writer *w;
    int64_t dims[2] = {4, 2};
    pp_h5_writer_create(scratch_path(&s, "a.h5"), &w, NULL);
    pp_h5_writer_add(w, "x", PP_H5_F32, 2, dims, 0, NULL);
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    pp_h5_writer_abandon(w);
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    pp_h5_writer_abandon(NULL);
    scratch_remove(&s);
}

static void test_cannot_create(void)
{
    scratch s;
    scratch_make(&s);
    pp_h5_writer *w = NULL;
    pp_error err;
    const char *path = scratch_path(&s, "absent/a.h5");
    CU_ASSERT_EQUAL(pp_h5_writer_create(path, &w, &err), PP_E_IO);
    expect_holds(err.text, path);
    expect_holds(err.text, "No such file");
    CU_ASSERT_EQUAL(pp_h5_writer_create(s.directory, &w, &err), PP_E_IO);
    expect_holds(err.text, "is a directory");
    CU_ASSERT_PTR_NULL(w);
    scratch_remove(&s);
}

static void test_long_note(void)
{
    static char long_text[70000];
    scratch s;
    scratch_make(&s);
    pp_h5_writer *w;
    pp_error err;
    memset(long_text, 'a', sizeof long_text - 1);
    pp_h5_writer_create(scratch_path(&s, "a.h5"), &w, NULL);
    CU_ASSERT_EQUAL(pp_h5_writer_note(w, "classes", long_text, &err), PP_E_UNSUPPORTED);
    expect_holds(err.text, "attribute classes");
    long_text[64000] = '\0';
    CU_ASSERT_EQUAL(pp_h5_writer_note(w, "classes", long_text, &err), PP_OK);
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    scratch_remove(&s);
}

/* A limit on the size of files stands in for a full disk. */
static void limit_files(rlim_t bytes, struct rlimit *before)
{
    getrlimit(RLIMIT_FSIZE, before);
    struct rlimit small = {.rlim_cur = bytes, .rlim_max = before->rlim_max};
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
}

/* Writes blocks of 1000 rows until one fails; rows [8 bytes], -1: growing. */
static pp_status fill_until_failure(pp_h5_writer *w, int64_t rows, pp_error *err)
{
    static double values[1000];
    pp_status status = pp_h5_writer_add(w, "x", PP_H5_F64, 1, &rows, rows < 0 ? 1000 : 0, err);
    for (int64_t first = 0; first < 1000 * 1000 && status == PP_OK; first += 1000)
        status = pp_h5_writer_put(w, "x", first, 1000, PP_H5_F64, values, err);
    return status;
}

static void test_full_disk(void)
{
    static const int64_t sizes[] = {1000 * 1000, -1};
    scratch s;
    scratch_make(&s);
    struct rlimit before;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < 2; i++) {
        pp_h5_writer *w;
        pp_error err = {.text = ""};
        const char *path = scratch_path(&s, "a.h5");
        CU_ASSERT_EQUAL_FATAL(pp_h5_writer_create(path, &w, NULL), PP_OK);
        limit_files(1000 * 1000, &before);
        CU_ASSERT_EQUAL(fill_until_failure(w, sizes[i], &err), PP_E_IO);
        expect_holds(err.text, path);
        expect_holds(err.text, "File too large");
        pp_h5_writer_abandon(w);
        setrlimit(RLIMIT_FSIZE, &before);
        CU_ASSERT_EQUAL(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
        CU_ASSERT_EQUAL(scratch_count(&s), 0);
    }
    signal(SIGXFSZ, handler);
    scratch_remove(&s);
}

static void test_no_room_at_all(void)
{
    scratch s;
    scratch_make(&s);
    struct rlimit before;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    pp_h5_writer *w = NULL;
    pp_error err = {.text = ""};
    const char *path = scratch_path(&s, "a.h5");
    limit_files(0, &before);
    CU_ASSERT_EQUAL(pp_h5_writer_create(path, &w, &err), PP_E_IO);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    CU_ASSERT_PTR_NULL(w);
    expect_holds(err.text, path);
    expect_holds(err.text, "File too large");
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    scratch_remove(&s);
}

static void test_version(void)
{
    int major = 0, minor = 0;
    CU_ASSERT_EQUAL(sscanf(pp_h5_version(), "%d.%d.", &major, &minor), 2);
    CU_ASSERT_TRUE(major == 1 && minor >= 10);
}

const pp_test pp_tests_h5[] = {
    {"every integer and float type becomes float32 and float64", test_types},
    {"values beyond float32 become infinite", test_overflow_is_infinite},
    {"a list of files is one set of rows", test_list_of_files},
    {"more files than stay open", test_many_files},
    {"rows of several dimensions, chunked", test_images},
    {"types that are not numbers are refused", test_refused_types},
    {"things that are not rows are refused", test_refused_shapes},
    {"a long list of data sets is cut", test_long_list_is_cut},
    {"missing, foreign and cut files are told apart", test_refused_files},
    {"rows that were never written are refused", test_unwritten_rows},
    {"files whose rows disagree are both named", test_rows_disagree},
    {"equal calls write equal bytes", test_equal_bytes},
    {"a data set grows", test_growing},
    {"a note is a string attribute", test_conversion_and_note},
    {"an abandoned writer leaves nothing", test_abandoned},
    {"a file that cannot be made is named", test_cannot_create},
    {"a note that is too long is refused", test_long_note},
    {"a disk that is full from the start is an error too", test_no_room_at_all},
    {"a full disk is an error and leaves nothing", test_full_disk},
    {"the version is known", test_version},
    {NULL, NULL}};
