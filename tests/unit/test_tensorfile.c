#include <stdint.h>
#include <string.h>

#include "store/tensorfile.h"
#include "support/scratch.h"

static float weights[6] = {1.5f, -2.0f, 0.0f, 3.25f, 1e-30f, -0.0f};
static double moments[2] = {0.1, -1e300};
static int64_t counts[3] = {1, -1, (int64_t)1 << 62};
static unsigned char bytes[5] = {0, 1, 2, 254, 255};
static float scalar[1] = {7.0f};

static const pp_tensor all_types[] = {
    {"bytes", PP_U8, 1, {5}, bytes},          {"layer.0.weight", PP_F32, 2, {2, 3}, weights},
    {"moments", PP_F64, 1, {2}, moments},     {"empty", PP_F32, 2, {0, 4}, NULL},
    {"counts", PP_I64, 3, {1, 3, 1}, counts}, {"scalar", PP_F32, 0, {0}, scalar},
};
enum { N_ALL = sizeof all_types / sizeof *all_types };

static const pp_tensor_note notes[] = {{"job", "{\"lr\": 0.1, \"text\": \"\\u00e4 \\n\"}"},
                                       {"step", "12"}};

static const char *write_all(scratch *s, const char *name)
{
    const char *path = scratch_path(s, name);
    CU_ASSERT_EQUAL_FATAL(pp_tensorfile_write(path, all_types, N_ALL, notes, 2, NULL), PP_OK);
    return path;
}

static void check_tensor(const pp_tensorfile *file, const pp_tensor *expected)
{
    const pp_tensor *t = pp_tensorfile_find(file, expected->name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_EQUAL(t->dtype, expected->dtype);
    CU_ASSERT_EQUAL_FATAL(t->n_dims, expected->n_dims);
    size_t size = pp_dtype_bytes(t->dtype);
    for (int d = 0; d < t->n_dims; d++) {
        CU_ASSERT_EQUAL(t->shape[d], expected->shape[d]);
        size *= (size_t)expected->shape[d];
    }
    CU_ASSERT_EQUAL((uintptr_t)t->data % pp_dtype_bytes(t->dtype), 0);
    CU_ASSERT_TRUE(size == 0 || memcmp(t->data, expected->data, size) == 0);
}

static void test_round_trip(void)
{
    scratch s;
    scratch_make(&s);
    pp_tensorfile *file;
    CU_ASSERT_EQUAL_FATAL(pp_tensorfile_read(write_all(&s, "a"), &file, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_tensorfile_count(file), N_ALL);
    for (int i = 0; i < N_ALL; i++)
        check_tensor(file, &all_types[i]);
    CU_ASSERT_STRING_EQUAL(pp_tensorfile_note(file, "job"), notes[0].value);
    CU_ASSERT_STRING_EQUAL(pp_tensorfile_note(file, "step"), "12");
    CU_ASSERT_PTR_NULL(pp_tensorfile_note(file, "absent"));
    CU_ASSERT_PTR_NULL(pp_tensorfile_find(file, "__metadata__"));
    CU_ASSERT_STRING_EQUAL(pp_tensorfile_at(file, N_ALL - 1)->name, "bytes"); /* smallest last */
    pp_tensorfile_destroy(file);
    pp_tensorfile_destroy(NULL);
    scratch_remove(&s);
}

static void test_equal_bytes(void)
{
    scratch s;
    scratch_make(&s);
    char *a, *b;
    size_t a_length, b_length;
    pp_fs_read(write_all(&s, "a"), &a, &a_length, NULL);
    pp_fs_read(write_all(&s, "b"), &b, &b_length, NULL);
    CU_ASSERT_EQUAL_FATAL(a_length, b_length);
    CU_ASSERT_EQUAL(memcmp(a, b, a_length), 0);
    uint64_t header;
    memcpy(&header, a, sizeof header);
    CU_ASSERT_EQUAL(header % 8, 0);
    CU_ASSERT_EQUAL(8 + header + 2 * 8 + 3 * 8 + 6 * 4 + 4 + 5, a_length);
    free(a);
    free(b);
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    scratch_remove(&s);
}

/* Reads `length` bytes as a tensor file and expects a failure whose text holds `part` and the path.
 */
static void expect_refused(const void *data, size_t length, const char *part)
{
    scratch s;
    scratch_make(&s);
    pp_error err = {.code = PP_OK};
    pp_tensorfile *file = NULL;
    const char *path = scratch_write(&s, "broken.safetensors", data, length);
    CU_ASSERT_NOT_EQUAL(pp_tensorfile_read(path, &file, &err), PP_OK);
    CU_ASSERT_PTR_NULL(file);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (strstr(err.text, part) == NULL) printf("\n  '%s' is not in: %s\n", part, err.text);
    scratch_remove(&s);
}

static void test_every_cut_is_noticed(void)
{
    scratch s;
    scratch_make(&s);
    char *data;
    size_t length;
    pp_fs_read(write_all(&s, "a"), &data, &length, NULL);
    for (size_t cut = 0; cut < length; cut++) {
        pp_tensorfile *file;
        const char *path = scratch_write(&s, "cut", data, cut);
        CU_ASSERT_EQUAL(pp_tensorfile_read(path, &file, NULL), PP_E_DATA);
    }
    free(data);
    scratch_remove(&s);
}

static void test_flipped_data(void)
{
    scratch s;
    scratch_make(&s);
    char *data;
    size_t length;
    pp_fs_read(write_all(&s, "a"), &data, &length, NULL);
    data[length - 1] ^= 1;
    expect_refused(data, length, "checksum");
    data[length - 1] ^= 1;
    data[length - 40] ^= 64;
    expect_refused(data, length, "checksum");
    free(data);
    scratch_remove(&s);
}

static void expect_header_refused(const char *header, size_t data_bytes, const char *part)
{
    char file[512] = "";
    uint64_t length = strlen(header);
    memcpy(file, &length, sizeof length);
    memcpy(file + sizeof length, header, length);
    expect_refused(file, sizeof length + length + data_bytes, part);
}

static void test_broken_headers(void)
{
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *part;
    } cases[] = {
        {"{\"a\":", 0, "not JSON"},
        {"[1, 2]", 0, "not an object"},
        {"{\"a\":3}", 0, "not described by an object"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "not a string"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "dtype BF16"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
         "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         "5 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
         "tensor a has 4 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "begins at byte 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
         "describes 4 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4, "begins at byte 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_header_refused(cases[i].header, cases[i].data_bytes, cases[i].part);
}

static void test_impossible_length(void)
{
    unsigned char huge[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    expect_refused(huge, sizeof huge, "length of its header");
    expect_refused("x", 1, "shorter than 8 bytes");
}

static void test_foreign_file(void)
{
    static const char header[] = "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]},"
                                 "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}  ";
    char file[256] = "";
    float value = 2.5f;
    uint64_t length = sizeof header - 1;
    memcpy(file, &length, sizeof length);
    memcpy(file + 8, header, length);
    file[8 + length] = 9;
    memcpy(file + 8 + length + 1, &value, sizeof value);
    scratch s;
    scratch_make(&s);
    pp_tensorfile *read;
    const char *path = scratch_write(&s, "foreign", file, 8 + length + 5);
    CU_ASSERT_EQUAL_FATAL(pp_tensorfile_read(path, &read, NULL), PP_OK);
    CU_ASSERT_STRING_EQUAL(pp_tensorfile_at(read, 0)->name, "a");
    CU_ASSERT_EQUAL(*(float *)pp_tensorfile_find(read, "b")->data, value);
    pp_tensorfile_destroy(read);
    scratch_remove(&s);
}

static void test_failed_writes(void)
{
    scratch s;
    scratch_make(&s);
    pp_error err;
    const pp_tensor twice[] = {all_types[0], all_types[0]};
    CU_ASSERT_EQUAL(pp_tensorfile_write(scratch_path(&s, "t"), twice, 2, NULL, 0, &err), PP_E_ARG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "bytes"));
    const char *path = scratch_path(&s, "absent/t");
    CU_ASSERT_EQUAL(pp_tensorfile_write(path, all_types, N_ALL, NULL, 0, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    pp_tensorfile *file;
    CU_ASSERT_EQUAL(pp_tensorfile_read(path, &file, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    CU_ASSERT_EQUAL(pp_tensorfile_read(s.directory, &file, &err), PP_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "directory"));
    CU_ASSERT_EQUAL(scratch_count(&s), 0);
    scratch_remove(&s);
}

const pp_test pp_tests_tensorfile[] = {
    {"all types, shapes and notes come back", test_round_trip},
    {"equal arguments give equal bytes, data are aligned", test_equal_bytes},
    {"a file cut anywhere is refused", test_every_cut_is_noticed},
    {"a flipped bit of the data is noticed", test_flipped_data},
    {"broken headers are named", test_broken_headers},
    {"impossible lengths are refused", test_impossible_length},
    {"a file of another tool is read, unaligned and unsorted", test_foreign_file},
    {"failed writes and reads name the file and leave nothing", test_failed_writes},
    {NULL, NULL}};
