/* Tables of text: right numbers, or a refusal that names line and column. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "store/h5.h"
#include "convert/import.h"
#include "support/scratch.h"

#define OPTIONS(...)                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

typedef struct result {
    pp_status status;
    pp_error err;
    pp_csv_report report;
    const char *output;
} result;

static result import_files(scratch *s, const char *const *texts, int count, pp_csv_options options)
{
    const char *paths[4];
    result r = {.output = scratch_path(s, "out.h5")};
    pp_fs_remove_tree(r.output, NULL);
    for (int i = 0; i < count; i++) {
        char name[] = "0.csv";
        name[0] = (char)('0' + i);
        paths[i] = scratch_write(s, name, texts[i], strlen(texts[i]));
    }
    r.status = pp_import_csv(paths, count, &options, r.output, &r.report, &r.err);
    return r;
}

static result import_text(scratch *s, const char *text, pp_csv_options options)
{
    return import_files(s, &text, 1, options);
}

static void expect_holds(const char *text, const char *part)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    CU_ASSERT_PTR_NULL(strchr(text, '\n'));
    if (strstr(text, part) == NULL) printf("\n  '%s' is not in: %s\n", part, text);
}

static void expect_set(const char *path, const char *name, int64_t values, const double *expected,
                       int is_integer)
{
    pp_h5_set *set;
    double found[64];
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(&path, 1, name, &set, NULL), PP_OK);
    int64_t rows = pp_h5_rows(set);
    CU_ASSERT_EQUAL_FATAL(rows * pp_h5_columns(set), values);
    CU_ASSERT_EQUAL(pp_h5_is_integer(set), is_integer);
    CU_ASSERT_EQUAL(pp_h5_read_f64(set, 0, rows, found, NULL), PP_OK);
    CU_ASSERT_EQUAL(memcmp(found, expected, (size_t)values * sizeof *found), 0);
    pp_h5_close(set);
}

static void expect_text(scratch *s, const char *text, pp_csv_options options, const double *x,
                        int64_t n_x, const double *y, int64_t n_y, int y_is_integer)
{
    result r = import_text(s, text, options);
    CU_ASSERT_EQUAL(r.status, PP_OK);
    if (r.status != PP_OK) {
        printf("\n  %s\n", r.err.text);
        return;
    }
    expect_set(r.output, "x", n_x, x, 0);
    expect_set(r.output, "y", n_y, y, y_is_integer);
    pp_csv_report_free(&r.report);
}

static void test_forms(void)
{
    static const double x[] = {1, 2.5, -3, 0.25}, y[] = {0, 1};
    static const char *const texts[] = {
        "a,b,y\n1,2.5,0\n-3,0.25,1\n",
        "1,2.5,0\n-3,0.25,1",
        "\xef\xbb\xbf"
        "a;b;y\r\n\r\n1;2.5;0\r\n \r\n-3;2.5e-1;1\r\n\r\n",
        "a\tb\ty\n1\t 2.5 \t0\n-3\t+0.25\t1\n",
        "a|b|y\n1|2.5|0\n-3|+0.25|1\n",
        "\"a\",\"b\nc\",\"y\"\n\"1\",\"2.5\" , 0\n-3,.25,1.0\n",
        "1,2.5,0\r-3,\" 0.25\r\",1\r",
        "a;b;y\n1;2,5;0\n-3;0,25;1\n",
        "a,b,y\n1,\"2,5\",0\n-3,\"2,5E-1\",1\n",
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_text(&s, texts[i], (pp_csv_options)OPTIONS(.target = "-1"), x, 4, y, 2, 1);
    scratch_remove(&s);
}

static void test_marks_in_numbers(void)
{
    static const struct {
        const char *text;
        pp_csv_options options;
        double x[3];
    } cases[] = {
        {"x;y\n1.234;0,5\n987;0,5\n12;1,5\n", OPTIONS(.target = "y"), {1234, 987, 12}},
        {"x;y\n1.234,5;1\n987;1\n12,25;2\n", OPTIONS(.target = "y"), {1234.5, 987, 12.25}},
        {"x,y\n\"1,234.5\",1\n987,1\n\"1,234,567\",2\n",
         OPTIONS(.target = "y"),
         {1234.5, 987, 1234567}},
        {"x,y\n1.234,1\n9.875,1\n2.125,2\n",
         OPTIONS(.target = "y"),
         {(double)1.234f, 9.875, 2.125}},
        {"x;y\n1.234;1\n987;1\n12;2\n", OPTIONS(.target = "y", .decimal = ','), {1234, 987, 12}},
        {"x;y\n1.234;1\n987;1\n12;2\n",
         OPTIONS(.target = "y", .decimal = '.'),
         {(double)1.234f, 987, 12}},
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        result r = import_text(&s, cases[i].text, cases[i].options);
        CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
        expect_set(r.output, "x", 3, cases[i].x, 0);
        pp_csv_report_free(&r.report);
    }
    scratch_remove(&s);
}

static void test_target(void)
{
    static const char text[] = "y,a,b\n5,6.5,7.5\n8,9.5,10.5\n";
    static const struct {
        pp_csv_options options;
        double y0, x0;
    } cases[] = {{OPTIONS(.target = "y"), 5, 6.5},
                 {OPTIONS(.target = "0", .header = PP_CSV_HEADER), 5, 6.5},
                 {OPTIONS(.target = "-1"), 7.5, 5},
                 {OPTIONS(.target = "a"), 6.5, 5},
                 {OPTIONS(.target = "b", .drop = "y"), 7.5, 6.5},
                 {OPTIONS(.target = "b", .drop = "-2"), 7.5, 5}};
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        result r = import_text(&s, text, cases[i].options);
        double value;
        pp_h5_set *set;
        CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
        for (int k = 0; k < 2; k++) {
            CU_ASSERT_EQUAL_FATAL(pp_h5_open(&r.output, 1, k == 0 ? "y" : "x", &set, NULL), PP_OK);
            double row[2];
            CU_ASSERT_EQUAL(pp_h5_read_f64(set, 0, 1, row, NULL), PP_OK);
            value = row[0];
            CU_ASSERT_EQUAL(value, k == 0 ? cases[i].y0 : cases[i].x0);
            pp_h5_close(set);
        }
        pp_csv_report_free(&r.report);
    }
    result r = import_text(&s, text, (pp_csv_options)OPTIONS(.no_target = 1));
    CU_ASSERT_EQUAL(r.status, PP_OK);
    pp_csv_report_free(&r.report);
    pp_h5_set *set;
    CU_ASSERT_EQUAL(pp_h5_open(&r.output, 1, "y", &set, NULL), PP_E_DATA);
    scratch_remove(&s);
}

static void test_names(void)
{
    static const double y[] = {1, 2, 1, 0};
    static const char *const columns[] = {"a", "b c"}, *const classes[] = {"7", "Iris",
                                                                           "say \"a\""};
    const char *const *names;
    pp_h5_set *set;
    scratch s;
    scratch_make(&s);
    result r = import_text(&s, "a,y,b c\n1,Iris,2\n2,\"say \"\"a\"\"\",2\n3,\"Iris \",2\n5,7,2\n",
                           (pp_csv_options)OPTIONS(.target = "y"));
    CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
    pp_csv_report_free(&r.report);
    expect_set(r.output, "y", 4, y, 1);
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(&r.output, 1, "y", &set, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(pp_h5_classes(set, &names), 3);
    for (int k = 0; k < 3; k++)
        CU_ASSERT_STRING_EQUAL(names[k], classes[k]);
    pp_h5_close(set);
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(&r.output, 1, "x", &set, NULL), PP_OK);
    for (int k = 0; k < 2; k++)
        CU_ASSERT_STRING_EQUAL(pp_h5_column_name(set, k), columns[k]);
    pp_h5_close(set);
    scratch_remove(&s);
}

/* Rows of one file after those of the other, columns and classes by name. */
static void test_several(void)
{
    static const char *const texts[] = {"a,b,y\n1,2.5,no\n3,4.5,yes\n",
                                        "y,b,a,more\nmaybe,6.5,5,x\n"};
    static const double x[] = {1, 2.5, 3, 4.5, 5, 6.5}, y[] = {1, 2, 0};
    scratch s;
    scratch_make(&s);
    result r = import_files(&s, texts, 2, (pp_csv_options)OPTIONS(.target = "y"));
    CU_ASSERT_EQUAL(r.status, PP_E_DATA);
    expect_holds(r.err.text, "1.csv: line 1: column 'more' is not in ");
    r = import_files(&s, texts, 2, (pp_csv_options)OPTIONS(.target = "y", .drop = "more"));
    CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
    expect_set(r.output, "x", 6, x, 0);
    expect_set(r.output, "y", 3, y, 1);
    pp_csv_report_free(&r.report);
    scratch_remove(&s);
}

/* What float32 would merge lies in the file as float64. */
static void test_wide(void)
{
    static const double x[] = {1700000000001, 1700000000002, 16777217, 1e39, 1e-50, 0.1};
    static const double y[] = {(double)0.1f, 3, 1, 2, 1, 1};
    scratch s;
    scratch_make(&s);
    expect_text(&s, "x,y\n1700000000001,0.1\n1700000000002,3\n16777217,1\n1e39,2\n1e-50,1\n0.1,1\n",
                (pp_csv_options)OPTIONS(.target = "y"), x, 6, y, 6, 0);
    scratch_remove(&s);
}

static void test_refused(void)
{
    static const struct {
        const char *text;
        pp_csv_options options;
        const char *part;
    } cases[] = {
        {"a,b,y\n1,2,0\n", OPTIONS(.target = NULL), "which column is the target? say --target"},
        {"a,b,y\n1,2,0\n1,oops,1\n1,3,1\n", OPTIONS(.target = "y"),
         "line 3, column 'b': 'oops' is no number among numbers"},
        {"a,b,y\n1,x,0\n1,z,1\n", OPTIONS(.target = "y"), "line 2, column 'b': 'x' is no number"},
        {"a,b,y\n1,x,0\nz,z,1\nz,z,1\n", OPTIONS(.target = "y"), "; likewise in 'b'; leave"},
        {"v,y\n[m],[W]\n1,2\n3,4\n", OPTIONS(.target = "y"),
         "line 2, column 'v': '[m]' is no number, as all"},
        {"a,b,y\n\n1,,0\n2,2,1\n", OPTIONS(.target = "y"),
         "line 3, column 'b': '' is a missing value, the first of 1 in 1 rows ('b' 1)"},
        {"a,b,y\n1,NA,0\n1,2,0\n", OPTIONS(.target = "y"), "line 2, column 'b': 'NA' is a missing"},
        {"a,b,y\n1,2,\n1,2,1\n", OPTIONS(.target = "y"),
         "line 2, column 'y': '' is a missing value"},
        {"a,b,y\n1,,0\n2,,0\n", OPTIONS(.target = "y"),
         "column 'b' is a missing value in every row"},
        {"1,2,0\n1,x,0\n1,2,1\n", OPTIONS(.target = "-1"),
         "line 2, column 1 (counted from 0): 'x'"},
        {"a,b,3\n1,2,0\n", OPTIONS(.target = "-1"),
         "column 0 (counted from 0): 'a' is no number, as"},
        {"0,1,2\n1,2,0\n", OPTIONS(.target = "-1"),
         "line 1: 0, 1, ... may be names of columns or a row"},
        {"5,6,y\n1,2,no\n1,2,no\n", OPTIONS(.target = "-1"),
         "line 1, column 2 (counted from 0): the class 'y' stands"},
        {"a,b,y\n1,1e400,0\n1,2,1\n", OPTIONS(.target = "y"), "'1e400' is no number"},
        {"a,b,y\n1,1e-400,0\n1,2,1\n", OPTIONS(.target = "y"), "'1e-400' is no number"},
        {"a,b,y\n1,inf,0\n1,2,1\n", OPTIONS(.target = "y"), "'inf' is no number"},
        {"a,b,y\n1,0x10,0\n1,2,1\n", OPTIONS(.target = "y"), "'0x10' is no number"},
        {"a,b,y\n1,2.5,0\n1,\"2,5\",1\n", OPTIONS(.target = "y"),
         "line 3, column 'b': '2,5' has another decimal mark"},
        {"a;y\n1.234;1\n987;2\n", OPTIONS(.target = "y"),
         "line 2, column 'a': '1.234' reads in two ways"},
        {"a,y\n\"1,234\",1\n987,2\n", OPTIONS(.target = "y"),
         "line 2, column 'a': '1,234' reads in two ways"},
        {"a;v;y\n1.234;0.5;1\n987;1.5;2\n", OPTIONS(.target = "y"),
         "line 2, column 'a': '1.234' reads in two ways"},
        {"a,y\nr1,1,2\nr2,2,3\n", OPTIONS(.target = "y"),
         "line 2: 'r1' has 3 cells, expected 2 as in the first line, and so has every line"},
        {"zip,y\n01234,1\n98765,2\n", OPTIONS(.target = "y"), "'01234' begins with 0: a code"},
        {"n,y\n4611686018427391036,1\n4,2\n", OPTIONS(.target = "y"),
         "has more digits than a number"},
        {",a,y\n0,1.5,1\n1,2.5,2\n", OPTIONS(.target = "y"),
         "line 2, column '' (number 0): '0' begins a column that counts"},
        {"t,y\n12,1\n-999,2\n11,3\n", OPTIONS(.target = "y"),
         "line 3, column 't': '-999' is far from all"},
        {"a,b,y\n1,2,0\n1,2\n1\n", OPTIONS(.target = "y"),
         "line 3: '1' has 2 cells, expected 3 as in the first line, the first of several such "
         "lines; mend them, or leave out what is no row: --skip 3,4"},
        {"a,b,y\n1,2,0\na,b,y\n1,2,1\n", OPTIONS(.target = "y"), "line 3: 'a' repeats the header"},
        {"# made, by hand\na,y\n1,2\n", OPTIONS(.target = "y"),
         "line 1: begins with '#': a comment?"},
        {"a,a,y\n1,2,0\n", OPTIONS(.target = "a"), "column 'a' may be number 0 or number 1"},
        {"y,a,1\n5,6.5,7\n", OPTIONS(.target = "1", .header = PP_CSV_HEADER),
         "column '1' may be number 2 or number 1"},
        {"a,y\n1,yes\n2,Yes\n3,no\n", OPTIONS(.target = "y"),
         "the class 'yes' (1 rows) differs from 'Yes' (1 rows) in case"},
        {"a,y\n1,L\xe4rche\n2,Fichte\n", OPTIONS(.target = "y"),
         "the class 'L?rche' is not in UTF-8"},
        {"a,y\n1,1\n2,2\n3,nd\n", OPTIONS(.target = "y"),
         "line 4, column 'y': 'nd' is no number among"},
        {"a,b,y\n1,\"2,0\n1,2,3\n", OPTIONS(.target = "y"),
         "line 2: a quoted cell is never closed"},
        {"a,b,y\n1,\"2\"x,0\n", OPTIONS(.target = "y"), "line 2: text follows a closing quote"},
        {"a,b,y\n", OPTIONS(.target = "y"), "holds no rows"},
        {"", OPTIONS(.target = "y", .separator = ','), "is empty"},
        {"abc\ndef\n", OPTIONS(.target = "y"), "no comma, semicolon, tab or bar"},
        {"abc\ndef\n", OPTIONS(.target = "abc", .separator = ','),
         "has no column for the features"},
        {"a,b,y\n1,2,0\n", OPTIONS(.target = "z"),
         "no target column 'z'; its 3 columns are a, b, y"},
        {"1,2,0\n", OPTIONS(.target = "3"),
         "no target column '3'; its 3 columns are numbered from 0"},
        {"a,y\n1,2\n", OPTIONS(.target = "y", .skip = "4-2"), "--skip 4-2: wants lines"},
        {"a,b,y\n\"x\ny\",2,0\n1,2,0\n1,2,0\n", OPTIONS(.target = "y"),
         "line 2, column 'a': 'x y' is no number"},
        {"a,y\n1,2\n", OPTIONS(.target = "y", .drop = "q"), "has no --drop column 'q'"},
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        result r = import_text(&s, cases[i].text, cases[i].options);
        CU_ASSERT_NOT_EQUAL(r.status, PP_OK);
        if (r.status == PP_OK) printf("\n  taken: %s\n", cases[i].text);
        if (r.status == PP_OK) continue;
        expect_holds(r.err.text, cases[i].part);
        CU_ASSERT_EQUAL(scratch_count(&s), 1);
    }
    scratch_remove(&s);
}

/* What is refused above is taken where it is said to be meant. */
static void test_meant(void)
{
    static const double x[] = {1, 2, 3}, y[] = {0, 1, 2};
    static const struct {
        const char *text;
        pp_csv_options options;
    } cases[] = {
        {"zip,y\n01,0\n02,1\n03,2\n", OPTIONS(.target = "y", .keep = "zip")},
        {"a,y\n1,01\n2,02\n3,1\n", OPTIONS(.target = "y", .classes = 1)},
        {"a,y\n1,No\n2,no\n3,yes\n", OPTIONS(.target = "y", .classes = 1)},
        {"a,y\n1,0\n2,1\n3,2\nnd,1\n", OPTIONS(.target = "y", .na = "x,nd", .policy = PP_CSV_DROP)},
        {"# by,hand\na,y\n[m],[s]\n1,0\n2,1\n3,2\n6,3,3\n",
         OPTIONS(.target = "y", .skip = "1,3,7")},
        {"0,1\n1,0\n2,1\n3,2\n", OPTIONS(.target = "-1", .header = PP_CSV_HEADER)},
    };
    scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_text(&s, cases[i].text, cases[i].options, x, 3, y, 3, 1);
    scratch_remove(&s);
}

static void test_warned(void)
{
    static const char head[] = "id,a,a,y\n";
    char text[4096];
    size_t length = (size_t)snprintf(text, sizeof text, "%s", head);
    for (int i = 0; i < 40; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%d,1.5,2.5,%s\n", i * i + 7,
                             i == 30      ? "x"
                             : i % 2 == 0 ? "no"
                                          : "yes");
    scratch s;
    scratch_make(&s);
    result r = import_text(&s, text, (pp_csv_options)OPTIONS(.target = "y"));
    CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
    CU_ASSERT_EQUAL_FATAL(r.report.n_warnings, 3);
    expect_holds(r.report.warnings[0], "column 'id': whole numbers, and no two");
    expect_holds(r.report.warnings[1], "'a' comes again: number 2 is 'a.2' now");
    expect_holds(r.report.warnings[2], "line 32: the class 'x' has this row alone");
    pp_csv_report_free(&r.report);
    scratch_remove(&s);
}

static void test_missing(void)
{
    static const char text[] = "a,b,y\n1,2,yes\n?,,no\n3,4,no\n5,6,NA\n", full[] = "a,y\n1,2\n,3\n";
    static const double dropped[] = {1, 2, 3, 4}, classes[] = {1, 0}, filled[] = {1, -1.5};
    pp_csv_options drop = OPTIONS(.target = "y", .policy = PP_CSV_DROP);
    pp_csv_options fill = OPTIONS(.target = "y", .policy = PP_CSV_FILL, .fill = -1.5f);
    scratch s;
    scratch_make(&s);
    result r = import_text(&s, text, drop);
    CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
    CU_ASSERT_EQUAL(r.report.rows, 2);
    CU_ASSERT_EQUAL(r.report.missing.values, 3);
    CU_ASSERT_EQUAL(r.report.missing.rows, 2);
    pp_csv_report_free(&r.report);
    expect_set(r.output, "x", 4, dropped, 0);
    expect_set(r.output, "y", 2, classes, 1);
    r = import_text(&s, text, (pp_csv_options)OPTIONS(.target = "y"));
    expect_holds(r.err.text,
                 "line 3, column 'a': '?' is a missing value, the first of 3 in 2 rows");
    r = import_text(&s, text, fill);
    expect_holds(r.err.text, "line 5, column 'y': 'NA' is a missing value in the target");
    r = import_text(&s, full, fill);
    CU_ASSERT_EQUAL_FATAL(r.status, PP_OK);
    CU_ASSERT_EQUAL(r.report.missing.rows, 1);
    pp_csv_report_free(&r.report);
    expect_set(r.output, "x", 2, filled, 0);
    r = import_text(&s, "a,y\n1,\n2,\n", drop);
    expect_holds(r.err.text, "column 'y' is a missing value in every row");
    scratch_remove(&s);
}

static void test_no_text(void)
{
    static const char wide[] = "a\0,\0b\0\n\0"
                               "1\0,\0"
                               "2\0\n",
                      marked[] = "\xff\xfe"
                                 "a\0,\0b\0";
    pp_csv_options comma = OPTIONS(.target = "-1", .separator = ',');
    pp_error err = {.text = ""};
    scratch s;
    scratch_make(&s);
    const char *paths[] = {scratch_write(&s, "a", wide, sizeof wide),
                           scratch_write(&s, "b", marked, sizeof marked), "absent.csv",
                           s.directory};
    static const char *const parts[] = {"line 1: holds a zero byte", "iconv -f UTF-16 -t UTF-8",
                                        "absent.csv: cannot open: No such file", "is a directory"};
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_NOT_EQUAL(pp_import_csv(paths + i, 1, &comma, scratch_path(&s, "o"), NULL, &err),
                            PP_OK);
        expect_holds(err.text, parts[i]);
    }
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    scratch_remove(&s);
}

static const char *write_gzip(scratch *s, const char *name, const void *bytes, size_t length)
{
    const char *path = scratch_path(s, name);
    gzFile file = gzopen(path, "wb1");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(gzwrite(file, bytes, (unsigned)length), (int)length);
    CU_ASSERT_EQUAL(gzclose(file), Z_OK);
    return path;
}

/* rows lines "i.25,i/2,(i % 3)", longer than all buffers. */
static char *make_long(int rows, size_t *length)
{
    char *text = malloc((size_t)rows * 40);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    *length = 0;
    for (int i = 0; i < rows; i++)
        *length += (size_t)snprintf(text + *length, 40, "%d.25,%.1f,%d\n", i, i * 0.5, i % 3);
    return text;
}

static void test_long_and_gzip(void)
{
    enum { MANY = 600000 };
    pp_csv_options options = OPTIONS(.target = "-1");
    scratch s;
    scratch_make(&s);
    size_t length;
    char *text = make_long(MANY, &length);
    const char *output = scratch_path(&s, "o.h5"), *path = write_gzip(&s, "a.gz", text, length);
    pp_csv_report report;
    CU_ASSERT_EQUAL_FATAL(pp_import_csv(&path, 1, &options, output, &report, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(report.rows, MANY);
    pp_csv_report_free(&report);
    pp_h5_set *x;
    CU_ASSERT_EQUAL_FATAL(pp_h5_open(&output, 1, "x", &x, NULL), PP_OK);
    float *values = malloc(MANY * 2 * sizeof *values);
    CU_ASSERT_EQUAL(pp_h5_read_f32(x, 0, MANY, values, NULL), PP_OK);
    int wrong = 0;
    for (int i = 0; i < MANY; i++)
        wrong += values[2 * i] != (float)i + 0.25f || values[2 * i + 1] != (float)i * 0.5f;
    CU_ASSERT_EQUAL(wrong, 0);
    pp_h5_close(x);
    free(values);
    free(text);
    scratch_remove(&s);
}

static void test_cut_gzip(void)
{
    pp_csv_options options = OPTIONS(.target = "-1");
    scratch s;
    scratch_make(&s);
    size_t length, packed;
    char *text = make_long(1000, &length), *data;
    pp_fs_read(write_gzip(&s, "a.gz", text, length), &data, &packed, NULL);
    const char *path = scratch_write(&s, "cut.gz", data, packed / 2);
    pp_error err = {.text = ""};
    CU_ASSERT_EQUAL(pp_import_csv(&path, 1, &options, scratch_path(&s, "o"), NULL, &err), PP_E_IO);
    expect_holds(err.text, path);
    expect_holds(err.text, "cannot read on");
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    free(text);
    free(data);
    scratch_remove(&s);
}

static void test_too_many_classes(void)
{
    scratch s;
    scratch_make(&s);
    char *text = malloc(40 * 1200);
    size_t length = 0;
    for (int i = 0; i < 1200; i++)
        length += (size_t)snprintf(text + length, 40, "%d.5,id-%d\n", i, i);
    result r =
        import_text(&s, text, (pp_csv_options)OPTIONS(.target = "-1", .header = PP_CSV_NO_HEADER));
    CU_ASSERT_EQUAL(r.status, PP_E_DATA);
    expect_holds(r.err.text,
                 "line 1, column 1 (counted from 0): the target 'id-0' is not a number");
    free(text);
    scratch_remove(&s);
}

const pp_test pp_tests_import_csv[] = {
    {"csv in its many forms", test_forms},
    {"decimal marks and marks between thousands", test_marks_in_numbers},
    {"the target by name and by number", test_target},
    {"names of columns and classes are in the file", test_names},
    {"several files are one table", test_several},
    {"numbers that float32 does not hold", test_wide},
    {"what may be wrong is refused by line and column, nothing is left", test_refused},
    {"what is said to be meant is taken", test_meant},
    {"what is odd is warned of", test_warned},
    {"rows with missing values are left out or filled in as told", test_missing},
    {"files that are no text are refused", test_no_text},
    {"a long gzip csv comes through whole", test_long_and_gzip},
    {"a cut gzip csv is noticed", test_cut_gzip},
    {"too many classes are refused", test_too_many_classes},
    {NULL, NULL}};
