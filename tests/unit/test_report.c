#define _XOPEN_SOURCE 700 /* pseudo-terminals */
#include "support/sketch_rows.h"
#include "support/test.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "report/report.h"

static const pp_style PLAIN = {0, 0, 0, 80}, UNICODE = {0, 0, 1, 80};

/* Text that a report function wrote; freed by text_free. */
typedef struct text {
    char *bytes;
    size_t size;
    FILE *stream;
} text;

static text *text_open(void)
{
    text *t = calloc(1, sizeof *t);
    t->stream = open_memstream(&t->bytes, &t->size);
    return t;
}

static const char *text_close(text *t)
{
    fclose(t->stream);
    return t->bytes;
}

static void text_free(text *t)
{
    free(t->bytes);
    free(t);
}

static int lines_of(const char *bytes)
{
    int lines = 0;
    for (; *bytes != '\0'; bytes++)
        lines += *bytes == '\n';
    return lines;
}

/* Columns of the widest line: bytes that do not continue a UTF-8 character. */
static int widest(const char *bytes)
{
    int most = 0, column = 0;
    for (; *bytes != '\0'; bytes++) {
        if (*bytes == '\n')
            column = 0;
        else
            column += ((unsigned char)*bytes & 0xc0) != 0x80;
        if (column > most) most = column;
    }
    return most;
}

/* The line that starts with this label, copied into `line`. */
static const char *line_of(const char *bytes, const char *label, char *line, size_t size)
{
    line[0] = '\0';
    for (const char *at = bytes; at != NULL && *at != '\0';) {
        const char *end = strchr(at, '\n');
        size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        const char *start = at + strspn(at, " ");
        if (strncmp(start, label, strlen(label)) == 0 && length < size) {
            memcpy(line, at, length);
            line[length] = '\0';
            return line;
        }
        at = end != NULL ? end + 1 : NULL;
    }
    return line;
}

/* 1000 rows: 700 near 0.1, 299 near 0.8 and one at 0.95; base rate 0.3. */
static pp_sketch *binary_sketch(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 1000; i++) {
        int64_t y = i >= 700;
        float p = i == 999 ? 0.96f : y ? 0.8f : 0.1f;
        p += (float)(i % 7) * 0.002f;
        sketch_row(sketch, i, &p, &y, NULL, 0.5);
    }
    return sketch;
}

static text *distribution(const pp_sketch *sketch, pp_style style)
{
    text *t = text_open();
    pp_report_distribution(t->stream, style, sketch, NULL);
    text_close(t);
    return t;
}

static void binary_histogram(void)
{
    pp_sketch *sketch = binary_sketch();
    text *t = distribution(sketch, PLAIN);
    char line[200];
    CU_ASSERT(strstr(t->bytes, "probability of class 1, 1000 rows") != NULL);
    CU_ASSERT(lines_of(t->bytes) <= 20 && widest(t->bytes) <= 80);
    CU_ASSERT(strstr(line_of(t->bytes, "0.1", line, sizeof line), " 70.0%  ########") != NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "0.8", line, sizeof line), " 29.9%  ########") != NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "1.0", line, sizeof line), "  0.1%  .") != NULL);
    CU_ASSERT(strchr(line_of(t->bytes, "0.6", line, sizeof line), '#') == NULL);
    CU_ASSERT(strchr(line, '%') == NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "0.5", line, sizeof line), "< 0.5") != NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "0.3", line, sizeof line), "< base rate 0.3") != NULL);
    text_free(t);
    t = distribution(sketch, UNICODE);
    CU_ASSERT(strchr(t->bytes, '#') == NULL && strchr(t->bytes, '\033') == NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "0.1", line, sizeof line), "████") != NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "1.0", line, sizeof line), "▏") != NULL);
    CU_ASSERT(strstr(line_of(t->bytes, "0.3", line, sizeof line), "◂ base rate 0.3") != NULL);
    text_free(t);
    free(sketch);
}

static void width_and_colour_are_respected(void)
{
    pp_sketch *sketch = binary_sketch();
    static const int widths[] = {40, 60, 80, 120};
    int last = 0;
    for (size_t i = 0; i < 4; i++) {
        pp_style style = {1, 0, 1, widths[i]};
        text *t = distribution(sketch, style);
        char line[200];
        int length = widest(line_of(t->bytes, "0.1", line, sizeof line));
        CU_ASSERT(length <= widths[i]);
        CU_ASSERT(length > last);
        last = length;
        text_free(t);
    }
    pp_style colour = {1, 1, 1, 80};
    text *t = distribution(sketch, colour);
    CU_ASSERT(strstr(t->bytes, "\033[36m") != NULL && strstr(t->bytes, "\033[0m") != NULL);
    text_free(t);
    free(sketch);
}

/* `classes` classes; all answers are class 1, targets evenly spread. */
static pp_sketch *class_sketch(int classes)
{
    pp_sketch_shape shape = {PP_SKETCH_MULTICLASS, classes, classes, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    float *p = calloc((size_t)classes, sizeof *p);
    p[1] = 1;
    for (int64_t i = 0; i < 100 * classes; i++) {
        int64_t y = i % classes;
        sketch_row(sketch, i, p, &y, NULL, 1);
    }
    free(p);
    return sketch;
}

static void classes_side_by_side(void)
{
    pp_sketch *sketch = class_sketch(4);
    text *t = distribution(sketch, PLAIN);
    char line[200];
    CU_ASSERT(strstr(line_of(t->bytes, "1 ", line, sizeof line), "100.0%    25.0%  ####") != NULL);
    CU_ASSERT(strstr(line, "#|#") != NULL); /* the tick of the targets, over the bar */
    CU_ASSERT(strstr(line_of(t->bytes, "0 ", line, sizeof line), " 25.0%   ") != NULL);
    CU_ASSERT(strchr(line, '|') != NULL && strchr(line, '#') == NULL);
    CU_ASSERT(strstr(t->bytes, "more classes") == NULL);
    CU_ASSERT(lines_of(t->bytes) == 6 && widest(t->bytes) <= 80);
    text_free(t);
    free(sketch);
}

static void many_classes_are_cut(void)
{
    pp_sketch *sketch = class_sketch(100);
    text *t = distribution(sketch, UNICODE);
    char line[200];
    const char *legend = strchr(t->bytes, '\n') + 1, *first = strchr(legend, '\n') + 1;
    CU_ASSERT(lines_of(t->bytes) == 20);
    CU_ASSERT(strstr(t->bytes, "83 more classes differ less") != NULL);
    CU_ASSERT(strncmp(first, "       1   100.0%", 17) == 0); /* biggest difference first */
    CU_ASSERT(strstr(line_of(t->bytes, "0 ", line, sizeof line), "1.0%") != NULL);
    text_free(t);
    free(sketch);
}

static pp_sketch *regression_sketch(double low, double high, double scale)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 1, low, high, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i <= 1000; i++) {
        float t = (float)(low + (high - low) * (double)i / 1000), p = (float)((double)t * scale);
        sketch_row(sketch, i, &p, NULL, &t, 0.1);
    }
    return sketch;
}

static void regression_histogram(void)
{
    pp_sketch *sketch = regression_sketch(-50, 50, 0.5);
    text *t = distribution(sketch, PLAIN);
    char line[200];
    CU_ASSERT(lines_of(t->bytes) <= 20 && widest(t->bytes) <= 80);
    CU_ASSERT(strstr(line_of(t->bytes, "0 ", line, sizeof line), "< mean target") != NULL);
    CU_ASSERT(strchr(line, '#') != NULL);
    CU_ASSERT(strchr(line_of(t->bytes, "-40", line, sizeof line), '#') == NULL && line[0] != '\0');
    CU_ASSERT(strstr(t->bytes, "targets from -50 to 50") != NULL);
    CU_ASSERT(strstr(t->bytes, "0.5") == NULL);
    text_free(t);
    free(sketch);
    sketch = regression_sketch(-50, 50, 100); /* far beyond: end lines say so */
    t = distribution(sketch, PLAIN);
    CU_ASSERT(strstr(t->bytes, "  <-100") != NULL && strstr(t->bytes, "  >100") != NULL);
    CU_ASSERT(lines_of(t->bytes) <= 20);
    text_free(t);
    free(sketch);
    sketch = regression_sketch(-0.01, 1, 1);
    t = distribution(sketch, PLAIN);
    CU_ASSERT(strstr(t->bytes, "-0.0 ") == NULL && strstr(t->bytes, "\n  0.0 ") != NULL);
    text_free(t);
    free(sketch);
    static const double ranges[] = {1e-6, 0.3, 1, 7, 1234, 1e9};
    for (size_t i = 0; i < 6; i++) {
        sketch = regression_sketch(0, ranges[i], 1);
        t = distribution(sketch, PLAIN);
        CU_ASSERT(lines_of(t->bytes) <= 20 && lines_of(t->bytes) >= 10 && widest(t->bytes) <= 80);
        text_free(t);
        free(sketch);
    }
}

static void shapes_without_rows(void)
{
    pp_sketch_shape shapes[] = {{PP_SKETCH_BINARY, 2, 1, 0, 0, 0},
                                {PP_SKETCH_MULTICLASS, 3, 3, 0, 0, 0},
                                {PP_SKETCH_REGRESSION, 0, 1, 0, 1, 0}};
    for (size_t i = 0; i < 3; i++) {
        pp_sketch *sketch = pp_sketch_create(shapes + i);
        text *t = distribution(sketch, UNICODE);
        CU_ASSERT(strstr(t->bytes, "0 rows") != NULL &&
                  strstr(t->bytes, "no finite prediction") != NULL);
        CU_ASSERT(strstr(t->bytes, "nan") == NULL);
        text_free(t);
        pp_summary s = pp_sketch_summarise(sketch);
        t = text_open();
        pp_report_metrics(t->stream, PLAIN, "held-out rows", &s);
        CU_ASSERT_STRING_EQUAL(text_close(t), "held-out rows: 0\n");
        text_free(t);
        sketch_row(sketch, 5, (float[]){NAN, NAN, NAN}, NULL, NULL, 0);
        t = distribution(sketch, PLAIN);
        CU_ASSERT(strstr(t->bytes, "1 rows (1 not finite, left out)") != NULL);
        text_free(t);
        free(sketch);
    }
}

static text *metrics(pp_sketch *sketch)
{
    pp_summary s = pp_sketch_summarise(sketch);
    text *t = text_open();
    pp_report_metrics(t->stream, PLAIN, "held-out rows", &s);
    text_close(t);
    free(sketch);
    return t;
}

static void metrics_are_those_that_apply(void)
{
    text *t = metrics(binary_sketch());
    CU_ASSERT(strstr(t->bytes, "held-out rows: 1000\n") == t->bytes);
    CU_ASSERT(strstr(t->bytes, "\n  accuracy            1.0000\n") != NULL);
    CU_ASSERT(strstr(t->bytes, "\n  AUC                 1.0000  (exact within") != NULL);
    CU_ASSERT(strstr(t->bytes, "\n  skill               0.") != NULL);
    CU_ASSERT(strstr(t->bytes, "always the class shares: 0.6109") != NULL);
    CU_ASSERT(strstr(t->bytes, "R2") == NULL && strstr(t->bytes, "nan") == NULL);
    text_free(t);
    t = metrics(regression_sketch(-50, 50, 1));
    CU_ASSERT(strstr(t->bytes, "\n  R2                  1.0000  (1 is perfect") != NULL);
    CU_ASSERT(strstr(t->bytes, "\n  MSE                 0  (always the mean target: 835") != NULL);
    CU_ASSERT(strstr(t->bytes, "accuracy") == NULL && strstr(t->bytes, "nan") == NULL);
    text_free(t);
    pp_sketch *one = class_sketch(3); /* no skill: all targets are one class */
    pp_sketch_clear(one);
    int64_t y = 1;
    for (int64_t i = 0; i < 10; i++)
        sketch_row(one, i, (float[]){0, 1, 0}, &y, NULL, 0);
    t = metrics(one);
    CU_ASSERT(strstr(t->bytes, "skill") == NULL && strstr(t->bytes, "AUC") == NULL);
    CU_ASSERT(strstr(t->bytes, "accuracy") != NULL && strstr(t->bytes, "-0.0") == NULL);
    text_free(t);
}

static void verdict_is_wrapped(void)
{
    pp_verdict v = {.id = PP_VERDICT_AT_HALF,
                    .collapse = 1,
                    .sentence = "98.7% of 60000 predictions lie within 0.01 of 0.5; they carry "
                                "0.0004 bits about the inputs, and so on"};
    text *t = text_open();
    pp_style narrow = {0, 0, 0, 44};
    pp_report_verdict(t->stream, narrow, &v);
    text_close(t);
    CU_ASSERT(strstr(t->bytes, "Verdict: at-half, every prediction is 0.5\n  98.7%") == t->bytes);
    CU_ASSERT(widest(t->bytes) <= 44 && lines_of(t->bytes) == 4);
    CU_ASSERT(strstr(t->bytes, "and so on\n") != NULL);
    text_free(t);
    v.id = PP_VERDICT_HEALTHY;
    v.collapse = 0;
    t = text_open();
    pp_report_verdict(t->stream, (pp_style){1, 1, 1, 80}, &v);
    text_close(t);
    CU_ASSERT(strstr(t->bytes, "Verdict: \033[1;32mhealthy\033[0m\n") == t->bytes);
    text_free(t);
}

static int duration_is(double seconds, const char *expected)
{
    char bytes[32];
    return strcmp(pp_report_duration(seconds, bytes, sizeof bytes), expected) == 0;
}

static void durations(void)
{
    CU_ASSERT(duration_is(0, "0.0s") && duration_is(9.94, "9.9s") && duration_is(9.96, "10s"));
    CU_ASSERT(duration_is(59.4, "59s") && duration_is(59.6, "1m 00s") && duration_is(65, "1m 05s"));
    CU_ASSERT(duration_is(3599.6, "1h 00m") && duration_is(7380, "2h 03m"));
    CU_ASSERT(duration_is(86400 + 3 * 3600, "1d 03h"));
    CU_ASSERT(duration_is(NAN, "?") && duration_is(-1, "?") && duration_is(INFINITY, "?"));
}

/* ---- styles and progress, on a pseudo-terminal ---- */

static void environment_is_respected(FILE *terminal)
{
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    pp_style style = pp_style_of(terminal);
    CU_ASSERT(style.terminal && style.colour && style.utf8 && style.width >= 40);
    setenv("NO_COLOR", "1", 1);
    CU_ASSERT(!pp_style_of(terminal).colour && pp_style_of(terminal).terminal);
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    CU_ASSERT(!pp_style_of(terminal).colour);
    setenv("LC_ALL", "C", 1);
    CU_ASSERT(!pp_style_of(terminal).utf8);
    setenv("LC_ALL", "", 1);
    setenv("LC_CTYPE", "de_DE.utf8", 1);
    CU_ASSERT(pp_style_of(terminal).utf8);
}

static void progress_is_one_line(FILE *terminal, int master)
{
    pp_log log = {1, PP_LOG_INFO, terminal, NULL, 0, 0};
    pp_progress p = {30, 100, 2, 5, 0.4123, 12345.678, 65};
    char seen[4096];
    setenv("LC_ALL", "C", 1);
    setenv("NO_COLOR", "1", 1);
    pp_report_progress(&log, &p);
    CU_ASSERT(log.progress_on != 0);
    for (int i = 0; i < 1000; i++) /* within a tenth of a second or two */
        pp_report_progress(&log, &p);
    ssize_t got = read(master, seen, sizeof seen - 1);
    seen[got > 0 ? got : 0] = '\0';
    const char *again = strchr(seen + 1, '\r');
    CU_ASSERT(seen[0] == '\r' && strstr(seen, " 30% #####   ") != NULL);
    CU_ASSERT(strstr(seen, "  1m 05s left  epoch 2/5  loss 0.4123  12346 rows/s\033[K") != NULL);
    CU_ASSERT(strchr(seen, '\n') == NULL);
    CU_ASSERT(again == NULL || strchr(again + 1, '\r') == NULL);
    p.step = 100; /* the last step always shows */
    pp_report_progress(&log, &p);
    got = read(master, seen, sizeof seen - 1);
    seen[got > 0 ? got : 0] = '\0';
    CU_ASSERT(strstr(seen, "100% ################ ") != NULL);
    p.loss = NAN;
    p.epochs = 0;
    pp_report_progress(&log, &p);
    got = read(master, seen, sizeof seen - 1);
    seen[got > 0 ? got : 0] = '\0';
    CU_ASSERT(strstr(seen, "rows/s") != NULL && strstr(seen, "nan") == NULL);
    CU_ASSERT(strstr(seen, "epoch") == NULL && strstr(seen, "loss") == NULL);
}

/* Keeps the variables that the tests change. */
static void on_a_terminal(void)
{
    static const char *const names[] = {"NO_COLOR", "TERM", "LC_ALL", "LC_CTYPE"};
    char *kept[4];
    for (size_t i = 0; i < 4; i++)
        kept[i] = getenv(names[i]) != NULL ? strdup(getenv(names[i])) : NULL;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CU_ASSERT_FATAL(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    FILE *terminal = fopen(ptsname(master), "r+");
    CU_ASSERT_PTR_NOT_NULL_FATAL(terminal);
    environment_is_respected(terminal);
    progress_is_one_line(terminal, master);
    fclose(terminal);
    close(master);
    for (size_t i = 0; i < 4; i++) {
        if (kept[i] != NULL)
            setenv(names[i], kept[i], 1);
        else
            unsetenv(names[i]);
        free(kept[i]);
    }
}

/* What a stream that is no terminal gets, so many seconds after the last line. */
static int is_silent(double seconds, pp_progress p, pp_level level)
{
    text *t = text_open();
    pp_log log = {1, level, t->stream, NULL, 0, pp_log_now() - (int)(10 * seconds)};
    pp_report_progress(&log, &p);
    pp_report_progress(&log, &p);
    CU_ASSERT(log.progress_on == 0);
    const char *said = text_close(t), *line = strstr(said, " 30%  ");
    int silent = *said == '\0';
    CU_ASSERT(silent || (line != NULL && strchr(line, '\n') == said + strlen(said) - 1));
    CU_ASSERT(line == NULL || strstr(line, " left  epoch 2/5  loss 0.4  1000 rows/s\n") != NULL);
    text_free(t);
    return silent;
}

static void lines_elsewhere(void)
{
    pp_progress p = {30, 100, 2, 5, 0.4, 1000, 65}, days = {30, 100, 2, 5, 0.4, 1000, 70000};
    CU_ASSERT(is_silent(9, p, PP_LOG_INFO));
    CU_ASSERT(!is_silent(10.2, p, PP_LOG_INFO));
    CU_ASSERT(is_silent(999, days, PP_LOG_INFO)); /* 1% of 100000 seconds */
    CU_ASSERT(!is_silent(1001, days, PP_LOG_INFO));
    CU_ASSERT(is_silent(1001, p, PP_LOG_WARN));
    p.seconds_left = NAN;
    CU_ASSERT(is_silent(9, p, PP_LOG_INFO));
    CU_ASSERT(!is_silent(10.2, p, PP_LOG_INFO));
    pp_report_progress(NULL, &p);
}

static void style_of_a_file(void)
{
    text *t = text_open();
    pp_style style = pp_style_of(t->stream);
    CU_ASSERT(!style.terminal && !style.colour && style.width == 80);
    text_close(t);
    text_free(t);
}

const pp_test pp_tests_report[];
const pp_test pp_tests_report[] = {
    {"binary histogram: bars, marks, tiny and empty", binary_histogram},
    {"width and colour are respected", width_and_colour_are_respected},
    {"classes: answers beside targets", classes_side_by_side},
    {"many classes: biggest differences, the rest counted", many_classes_are_cut},
    {"regression histogram: any range, the mean target marked", regression_histogram},
    {"no rows and no finite rows", shapes_without_rows},
    {"metrics are those that apply", metrics_are_those_that_apply},
    {"the verdict is titled and wrapped", verdict_is_wrapped},
    {"durations", durations},
    {"styles and progress on a terminal", on_a_terminal},
    {"progress elsewhere: a line after some silence", lines_elsewhere},
    {"the style of what is no terminal", style_of_a_file},
    {NULL, NULL},
};
