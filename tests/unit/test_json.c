#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/json.h"
#include "support/test.h"

/* ---- reading ---- */

static pp_json *parse(const char *text)
{
    pp_error err = {0};
    pp_json *root = NULL;
    pp_status status = pp_json_parse(text, "text", &root, &err);
    CU_ASSERT_EQUAL_FATAL(status, PP_OK);
    return root;
}

static void expect_refused(const char *text, const char *message)
{
    pp_error err = {0};
    pp_json *root = NULL;
    CU_ASSERT_EQUAL(pp_json_parse(text, "here.json", &root, &err), PP_E_JOB);
    CU_ASSERT_PTR_NULL(root);
    CU_ASSERT_EQUAL(strncmp(err.text, "here.json: ", 11), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, message));
    if (strstr(err.text, message) == NULL) fprintf(stderr, "got: %s\n", err.text);
}

static void test_values(void)
{
    pp_json *root = parse(" {\"a\": [1, -2.5e3, true, false, null, \"x\\u00e9\\n\"], \"b\": {}} ");
    const pp_json *a = pp_json_get(root, "a");
    CU_ASSERT_EQUAL(pp_json_type_of(root), PP_JSON_OBJECT);
    CU_ASSERT_EQUAL(pp_json_count(root), 2);
    CU_ASSERT_EQUAL_FATAL(pp_json_count(a), 6);
    CU_ASSERT_EQUAL(pp_json_number(pp_json_at(a, 1)), -2500.0);
    CU_ASSERT_EQUAL(pp_json_bool(pp_json_at(a, 2)), 1);
    CU_ASSERT_EQUAL(pp_json_bool(pp_json_at(a, 3)), 0);
    CU_ASSERT_EQUAL(pp_json_type_of(pp_json_at(a, 4)), PP_JSON_NULL);
    CU_ASSERT_STRING_EQUAL(pp_json_string(pp_json_at(a, 5)), "x\xC3\xA9\n");
    CU_ASSERT_STRING_EQUAL(pp_json_key(pp_json_at(root, 1)), "b");
    CU_ASSERT_PTR_NULL(pp_json_at(a, 6));
    CU_ASSERT_PTR_NULL(pp_json_at(a, -1));
    CU_ASSERT_PTR_NULL(pp_json_get(root, "A"));
    CU_ASSERT_PTR_NULL(pp_json_get(a, "a"));
    CU_ASSERT_PTR_NULL(pp_json_get(NULL, "a"));
    pp_json_destroy(root);
}

static void test_integers(void)
{
    pp_json *root = parse("[9007199254740992, -3, 1e3, 2.0, 1.5, 9007199254740994, \"3\"]");
    static const int64_t expected[] = {9007199254740992, -3, 1000, 2};
    int64_t n = 0;
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(pp_json_integer(pp_json_at(root, i), &n));
        CU_ASSERT_EQUAL(n, expected[i]);
    }
    for (int i = 4; i < 7; i++)
        CU_ASSERT_FALSE(pp_json_integer(pp_json_at(root, i), &n));
    CU_ASSERT_EQUAL(n, 2);
    pp_json_destroy(root);
}

static void test_refused_text(void)
{
    static const char *const cases[][2] = {
        {"", "line 1, column 1: the text ends"},
        {"{\n \"a\": 1,\n}", "line 3, column 1: expected a key"},
        {"[1, 2,]", "line 1, column 7: expected a value"},
        {"[1 2]", "line 1, column 4: expected ',' or ']'"},
        {"{\"a\": 1; }", "line 1, column 8: expected ',' or '}'"},
        {"1 x", "line 1, column 3: text after the end"},
        {"{} {}", "line 1, column 4: text after the end"},
        {"[01]", "line 1, column 2: not a number"},
        {"[1.]", "not a number"},
        {"[.5]", "expected a value"},
        {"[-]", "not a number"},
        {"[1e]", "not a number"},
        {"[0x10]", "expected ',' or ']'"},
        {"[1e400]", "line 1, column 2: the number is too large"},
        {"[-1e400]", "too large"},
        {"[NaN]", "expected a value"},
        {"[Infinity]", "expected a value"},
        {"[True]", "expected a value"},
        {"[nul]", "expected a value"},
        {"\"\xC3\xA9\xFF\"", "line 1, column 3: invalid UTF-8"},
        {"\"\xC0\xAF\"", "invalid UTF-8"},
        {"\"\xED\xA0\x80\"", "invalid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", "invalid UTF-8"},
        {"\"\xE2\x82\"", "invalid UTF-8"},
        {"\"a\nb\"", "line 1, column 3: a raw control character"},
        {"\"abc", "line 1, column 1: the string that starts here has no end"},
        {"\"\\u12\"", "no such escape"},
        {"\"\\ud800x\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\\u0000\"", "\\u0000"},
        {"{1: 2}", "expected a key"},
        {"{\"a\" 2}", "expected ':'"},
        {"[1, // one\n]", "JSON has no comments"},
        {"{\"a\": 1, \"b\": 2, \"a\": 3}", "here.json: a: the key is given twice"},
        {"{\"a\": [0, {\"b\": {\"c\": 1, \"c\": 1}}]}", "a[1].b.c: the key is given twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i][0], cases[i][1]);
}

static void test_accepted_text(void)
{
    static const char *const cases[] = {
        "0",
        "-0",
        "1E+2",
        "0.5e-3",
        "\"\"",
        "\xEF\xBB\xBF[1]",
        "\"\\ud83d\\ude00\"",
        "\"\xF0\x9F\x98\x80\"",
        "\t\r\n null \n",
        "{\"a\": 1, \"A\": 2}",
        "[[], {}]",
        "\"\\/\\b\\f\"",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        pp_json_destroy(parse(cases[i]));
}

static void nest(char *text, int depth)
{
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    text[2 * depth] = '\0';
}

static void test_depth(void)
{
    char text[256];
    nest(text, 64);
    pp_json_destroy(parse(text));
    nest(text, 65);
    expect_refused(text, "column 65: nested deeper than 64");
}

static void test_long_number(void)
{
    char text[128] = "0.";
    memset(text + 2, '1', 61);
    pp_json_destroy(parse(text));
    memset(text + 2, '1', 100);
    expect_refused(text, "over 63 characters");
}

static void test_type_names(void)
{
    CU_ASSERT_STRING_EQUAL(pp_json_type_name(PP_JSON_OBJECT), "an object");
    CU_ASSERT_STRING_EQUAL(pp_json_type_name(PP_JSON_NULL), "null");
    CU_ASSERT_STRING_EQUAL(pp_json_type_name(PP_JSON_ARRAY), "an array");
}

/* ---- writing ---- */

static void expect_text(const pp_json_writer *writer, const char *expected)
{
    size_t length = 0;
    const char *text = pp_json_text(writer, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, expected);
    CU_ASSERT_EQUAL(length, strlen(expected));
    if (strcmp(text, expected) != 0) fprintf(stderr, "got: %s\n", text);
}

/* Parses text, writes it with this indent, compares. */
static void expect_layout(const char *text, int indent, const char *expected)
{
    pp_json *root = parse(text);
    pp_json_writer *writer = pp_json_writer_create(indent);
    pp_json_put_value(writer, NULL, root);
    expect_text(writer, expected);
    pp_json_writer_destroy(writer);
    pp_json_destroy(root);
}

static void test_layout(void)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"x\\n,\"],\"b\":{},\"c\":[],\"d\":[[1],{\"e\":null}]}";
    expect_layout(
        text, 0, "{\"a\": [1, 2.5, \"x\\n,\"], \"b\": {}, \"c\": [], \"d\": [[1], {\"e\": null}]}");
    expect_layout(
        text, 2,
        "{\n  \"a\": [1, 2.5, \"x\\n,\"],\n  \"b\": {},\n  \"c\": [],\n  \"d\": [\n    [1],\n"
        "    {\n      \"e\": null\n    }\n  ]\n}");
}

static void test_long_list_keeps_its_lines(void)
{
    pp_json_writer *writer = pp_json_writer_create(1);
    pp_json_begin_array(writer, NULL);
    for (int i = 0; i < 26; i++)
        pp_json_put_int(writer, NULL, 1); /* "[1, ... 1]": 78 characters */
    pp_json_end_array(writer);
    CU_ASSERT_PTR_NULL(strchr(pp_json_text(writer, NULL), '\n'));
    pp_json_writer_reset(writer);
    pp_json_begin_array(writer, NULL);
    for (int i = 0; i < 27; i++)
        pp_json_put_int(writer, NULL, 1);
    pp_json_end_array(writer);
    CU_ASSERT_EQUAL(strncmp(pp_json_text(writer, NULL), "[\n 1,\n 1,", 9), 0);
    pp_json_writer_destroy(writer);
}

static void test_scalars(void)
{
    pp_json_writer *writer = pp_json_writer_create(0);
    pp_json_begin_object(writer, NULL);
    pp_json_put_string(writer, "s\"", "a\\\x01\t\xC3\xA9\xFFz");
    pp_json_put_bool(writer, "b", 7);
    pp_json_put_int(writer, "i", INT64_MIN);
    pp_json_put_null(writer, "n");
    pp_json_put_number(writer, "nan", (double)NAN);
    pp_json_put_number(writer, "inf", (double)INFINITY);
    pp_json_put_number(writer, "-inf", -(double)INFINITY);
    pp_json_end_object(writer);
    expect_text(writer, "{\"s\\\"\": \"a\\\\\\u0001\\t\xC3\xA9\xEF\xBF\xBDz\", \"b\": true, "
                        "\"i\": -9223372036854775808, \"n\": null, \"nan\": \"NaN\", "
                        "\"inf\": \"Infinity\", \"-inf\": \"-Infinity\"}");
    pp_json_destroy(parse(pp_json_text(writer, NULL)));
    pp_json_writer_destroy(writer);
}

static void expect_number(double value, const char *expected)
{
    pp_json_writer *writer = pp_json_writer_create(0);
    pp_json_put_number(writer, NULL, value);
    expect_text(writer, expected);
    CU_ASSERT_EQUAL(strtod(pp_json_text(writer, NULL), NULL), value);
    pp_json_writer_destroy(writer);
}

static void test_numbers(void)
{
    expect_number(0.1, "0.1");
    expect_number(10, "10");
    expect_number(-0.0, "-0");
    expect_number(0.1 + 0.2, "0.30000000000000004");
    expect_number(1.0 / 3.0, "0.3333333333333333");
    expect_number(DBL_MAX, "1.7976931348623157e+308");
    expect_number(4.9406564584124654e-324, "5e-324");
    expect_number((double)0.1f, "0.10000000149011612");
}

static void test_reset(void)
{
    pp_json_writer *writer = pp_json_writer_create(0);
    expect_text(writer, "");
    pp_json_begin_array(writer, NULL);
    pp_json_put_int(writer, NULL, 1);
    pp_json_writer_reset(writer);
    pp_json_put_int(writer, NULL, 2);
    expect_text(writer, "2");
    pp_json_writer_destroy(writer);
    pp_json_writer_destroy(NULL);
}

/* ---- setting ---- */

static void expect_set(const char *before, const char *path, const char *value, const char *after)
{
    pp_error err = {0};
    pp_json *root = parse(before);
    pp_json_writer *writer = pp_json_writer_create(0);
    CU_ASSERT_EQUAL(pp_json_set(root, path, value, &err), PP_OK);
    pp_json_put_value(writer, NULL, root);
    expect_text(writer, after);
    pp_json_writer_destroy(writer);
    pp_json_destroy(root);
}

static void test_set(void)
{
    expect_set("{}", "a", "1", "{\"a\": 1}");
    expect_set("{\"a\": 1, \"b\": 2}", "a", "\"x\"", "{\"a\": \"x\", \"b\": 2}");
    expect_set("{}", "a", "relu", "{\"a\": \"relu\"}");
    expect_set("{}", "a", "", "{\"a\": \"\"}");
    expect_set("{}", "a", "NaN", "{\"a\": \"NaN\"}");
    expect_set("{}", "a.b.c", "[1, {\"d\": true}]",
               "{\"a\": {\"b\": {\"c\": [1, {\"d\": true}]}}}");
    expect_set("{\"a\": {\"x\": 1}}", "a.b", "null", "{\"a\": {\"x\": 1}}");
    expect_set("{\"a\": [1, {\"b\": 2}]}", "a[1].b", "3", "{\"a\": [1, {\"b\": 3}]}");
    expect_set("{\"a\": [1]}", "a[0]", "5", "{\"a\": [5]}");
    expect_set("{\"a\": [1]}", "a[1]", "5", "{\"a\": [1, 5]}");
    expect_set("{\"a\": [1]}", "a[1].b[0]", "5", "{\"a\": [1, {\"b\": [5]}]}");
    expect_set("{\"a\": [[1, 2]]}", "a[0][1]", "5", "{\"a\": [[1, 5]]}");
}

static void expect_found(const char *path, const char *text)
{
    pp_json *root = parse("{\"a\": {\"b\": [1, {\"c\": true}]}, \"d\": null}");
    const pp_json *value = pp_json_find(root, path);
    pp_json_writer *writer = pp_json_writer_create(0);
    CU_ASSERT_EQUAL(value == NULL, text == NULL);
    if (value != NULL && text != NULL) {
        pp_json_put_value(writer, NULL, value);
        CU_ASSERT_STRING_EQUAL(pp_json_text(writer, NULL), text);
    }
    pp_json_writer_destroy(writer);
    pp_json_destroy(root);
}

static void test_find(void)
{
    expect_found("a.b[0]", "1");
    expect_found("a.b[1].c", "true");
    expect_found("a.b", "[1, {\"c\": true}]");
    expect_found("d", "null");
    expect_found("a.b[2]", NULL);
    expect_found("a.x", NULL);
    expect_found("a.b.c", NULL);
    expect_found("d[0]", NULL);
    expect_found("", NULL);
}

static void expect_set_refused(const char *path, const char *value, const char *message)
{
    static const char before[] = "{\"a\": [1, {\"b\": 2}], \"n\": 3}";
    pp_error err = {0};
    pp_json *root = parse(before);
    pp_json_writer *writer = pp_json_writer_create(0);
    CU_ASSERT_NOT_EQUAL(pp_json_set(root, path, value, &err), PP_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, message));
    if (strstr(err.text, message) == NULL) fprintf(stderr, "got: %s\n", err.text);
    pp_json_put_value(writer, NULL, root);
    expect_text(writer, before); /* nothing has changed */
    pp_json_writer_destroy(writer);
    pp_json_destroy(root);
}

static void test_set_refused(void)
{
    expect_set_refused("", "1", "'' is not a path");
    expect_set_refused("a..b", "1", "'a..b' is not a path");
    expect_set_refused("a.", "1", "'a.' is not a path");
    expect_set_refused(".a", "1", "'.a' is not a path");
    expect_set_refused("[0]", "1", "'[0]' is not a path");
    expect_set_refused("a[x]", "1", "'a[x]' is not a path");
    expect_set_refused("a[-1]", "1", "'a[-1]' is not a path");
    expect_set_refused("a[0", "1", "'a[0' is not a path");
    expect_set_refused("a[0]b", "1", "'a[0]b' is not a path");
    expect_set_refused("a[3]", "1", "a[3]: a has 2 elements, so [3] cannot be set");
    expect_set_refused("new[1]", "1", "new[1]: new has 0 elements");
    expect_set_refused("n.x", "1", "n.x: n is a number and has no key 'x'");
    expect_set_refused("n[0]", "1", "n[0]: n is a number, not a list");
    expect_set_refused("a.b", "1", "a.b: a is an array and has no key 'b'");
    expect_set_refused("a[1][0]", "1", "a[1] is an object, not a list");
    expect_set_refused("n", "{\"x\": 1, \"x\": 2}", "n: x: the key is given twice");
    expect_set_refused("n", "\xFF", "n: invalid UTF-8");
}

static void test_copy(void)
{
    pp_json *root = parse("{\"a\": [1, 2]}");
    pp_json *copy = pp_json_copy(root);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    CU_ASSERT_EQUAL(pp_json_set(copy, "a[0]", "9", NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_json_number(pp_json_at(pp_json_get(root, "a"), 0)), 1.0);
    CU_ASSERT_EQUAL(pp_json_number(pp_json_at(pp_json_get(copy, "a"), 0)), 9.0);
    pp_json_destroy(root);
    pp_json_destroy(copy);
}

const pp_test pp_tests_json[] = {
    {"values are found by key and index", test_values},
    {"integers are exact or refused", test_integers},
    {"text that is not JSON is refused with line and column", test_refused_text},
    {"odd but valid text is taken", test_accepted_text},
    {"64 levels and no more", test_depth},
    {"numbers that cJSON would cut are refused", test_long_number},
    {"types have names", test_type_names},
    {"layout with and without indent", test_layout},
    {"long lists keep one element a line", test_long_list_keeps_its_lines},
    {"strings are escaped and numbers that JSON lacks are strings", test_scalars},
    {"numbers are short and read back as they were", test_numbers},
    {"a writer can be reused", test_reset},
    {"a path sets a value and makes what is missing", test_set},
    {"a value by its path", test_find},
    {"a path that leads nowhere is refused by name and changes nothing", test_set_refused},
    {"a copy is apart", test_copy},
    {NULL, NULL}};
