/* The result page: pictures of the distribution, metrics and the verdict as text. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "paint.h"
#include "base/names.h"

enum { MOST_LINES = 20, INDENT = 2, REGRESSION_LINES = 16, BINARY_LINES = 11, MOST_BAR = 60 };

/* ---- histogram of numbers ---- */

/* Lines centred on first, first + step, ...; what lies beyond is in the end lines. */
typedef struct axis {
    double first, step;
    int lines;
    int beyond_low, beyond_high; /* the end lines hold more than they say */
} axis;

typedef struct mark {
    double at; /* NaN: none */
    char text[40];
} mark;

static axis binary_axis(void)
{
    axis a = {0.0, 0.1, BINARY_LINES, 0, 0};
    return a;
}

/* 1, 2 or 5 times a power of ten, not below the width. */
static double round_step(double width)
{
    double power = pow(10, floor(log10(width)));
    if (width <= power) return power;
    if (width <= 2 * power) return 2 * power;
    return width <= 5 * power ? 5 * power : 10 * power;
}

/* Covers the targets, and the predictions up to half a target range beyond. */
static axis regression_axis(const pp_summary *s)
{
    double range = s->shape.high - s->shape.low;
    double low = fmin(s->shape.low, fmax(s->min, s->shape.low - range / 2));
    double high = fmax(s->shape.high, fmin(s->max, s->shape.high + range / 2));
    double step = round_step((high - low) / (REGRESSION_LINES - 2));
    double first = round(low / step);
    axis a = {first * step, step, (int)(round(high / step) - first) + 1, 0, 0};
    a.beyond_low = s->min < a.first - step / 2;
    a.beyond_high = s->max > a.first + step * (a.lines - 0.5);
    return a;
}

static void put_label(const axis *a, int line, char *text, size_t size)
{
    double value = a->first + a->step * line;
    int decimals = (int)ceil(-log10(a->step) - 1e-9);
    const char *beyond = line == 0 && a->beyond_low               ? "<"
                         : line == a->lines - 1 && a->beyond_high ? ">"
                                                                  : "";
    if (decimals > 4 || fabs(value) >= 1e7)
        snprintf(text, size, "%s%.4g", beyond, value);
    else
        snprintf(text, size, "%s%.*f", beyond, decimals > 0 ? decimals : 0, value);
}

static int label_width(const axis *a)
{
    int width = 0;
    for (int i = 0; i < a->lines; i++) {
        char text[32];
        put_label(a, i, text, sizeof text);
        if ((int)strlen(text) > width) width = (int)strlen(text);
    }
    return width;
}

/* "12.3%", "<0.1%", or nothing: seven columns. */
static void put_percent(FILE *stream, int64_t count, int64_t all)
{
    double percent = 100.0 * (double)count / (double)all;
    if (count == 0)
        fprintf(stream, "%7s", "");
    else if (percent < 0.05)
        fprintf(stream, "%7s", "<0.1%");
    else
        fprintf(stream, "%6.1f%%", percent < 99.95 || count == all ? percent : 99.9);
}

static int is_marked(const axis *a, int line, double at)
{
    double place = round((at - a->first) / a->step);
    if (isnan(place)) return 0;
    return line == (place < 0 ? 0 : place >= a->lines ? a->lines - 1 : (int)place);
}

static void put_marks(FILE *stream, pp_style style, const axis *a, int line, const mark *marks,
                      int count)
{
    int shown = 0;
    for (int m = 0; m < count; m++) {
        if (!is_marked(a, line, marks[m].at)) continue;
        if (shown == 0) pp__ink_set(stream, style, PP__MARK);
        fprintf(stream, "%s%s", shown > 0 ? ", " : style.utf8 ? " ◂ " : " < ", marks[m].text);
        shown++;
    }
    if (shown > 0) pp__ink_set(stream, style, PP__INK_OFF);
}

/* Columns that the marks of the fullest line may need. */
static int marks_width(const mark *marks, int count)
{
    int width = 3;
    for (int m = 0; m < count; m++)
        if (!isnan(marks[m].at)) width += (int)strlen(marks[m].text) + 2;
    return width;
}

static void draw_histogram(FILE *stream, pp_style style, const pp_sketch *sketch, const axis *a,
                           const mark *marks, int mark_count)
{
    int64_t counts[MOST_LINES], all = 0, most = 1;
    double low = a->first - a->step / 2;
    pp_sketch_histogram(sketch, 0, low, low + a->step * a->lines, a->lines, counts);
    for (int i = 0; i < a->lines; i++) {
        all += counts[i];
        if (counts[i] > most) most = counts[i];
    }
    int labels = label_width(a);
    int cells = style.width - INDENT - labels - 9 - marks_width(marks, mark_count);
    cells = cells < 10 ? 10 : cells > MOST_BAR ? MOST_BAR : cells;
    for (int i = 0; i < a->lines; i++) {
        char text[32];
        put_label(a, i, text, sizeof text);
        fprintf(stream, "%*s%*s", INDENT, "", labels, text);
        put_percent(stream, counts[i], all);
        fputs("  ", stream);
        pp__ink_set(stream, style, PP__BAR);
        pp__bar(stream, style, (double)counts[i] / (double)most, cells);
        pp__ink_set(stream, style, PP__INK_OFF);
        put_marks(stream, style, a, i, marks, mark_count);
        fputc('\n', stream);
    }
}

static void put_title(FILE *stream, pp_style style, const pp_summary *s, const char *what)
{
    pp__ink_set(stream, style, PP__BOLD);
    fprintf(stream, "%s, %lld rows", what, (long long)s->rows);
    pp__ink_set(stream, style, PP__INK_OFF);
    if (s->non_finite > 0)
        fprintf(stream, " (%lld not finite, left out)", (long long)s->non_finite);
    fputc('\n', stream);
}

static void put_range(FILE *stream, const pp_summary *s)
{
    fprintf(stream, "%*s", INDENT, "");
    if (s->min == s->max)
        fprintf(stream, "all exactly %.6g", s->min);
    else
        fprintf(stream, "from %.4g to %.4g, deviation %.3g", s->min, s->max, s->deviation);
    if (s->shape.kind == PP_SKETCH_REGRESSION && !isnan(s->target_deviation))
        fprintf(stream, "\n%*stargets from %.4g to %.4g, deviation %.3g", INDENT, "", s->shape.low,
                s->shape.high, s->target_deviation);
    fputc('\n', stream);
}

static void draw_numbers(FILE *stream, pp_style style, const pp_sketch *sketch, const pp_summary *s,
                         const char *const *names)
{
    char title[64 + PP_NAME_TEXT], class[PP_NAME_TEXT];
    int binary = s->shape.kind == PP_SKETCH_BINARY;
    axis a = binary ? binary_axis() : regression_axis(s);
    mark marks[2] = {{binary ? 0.5 : (double)NAN, "0.5"}, {s->target_mean, ""}};
    const char *base = binary ? "base rate" : "mean target";
    snprintf(marks[1].text, sizeof marks[1].text, "%s %.4g", base, s->target_mean);
    pp_names_text(names, 1, class);
    snprintf(title, sizeof title, "Predicted probability of class %s", class);
    put_title(stream, style, s, binary ? title : "Predictions");
    draw_histogram(stream, style, sketch, &a, marks, 2);
    put_range(stream, s);
}

/* ---- classes ---- */

typedef struct class_line {
    int index;
    int64_t answers, targets;
    double difference; /* between the two shares */
} class_line;

enum { CLASS_TEXT = 32 };

typedef struct class_page {
    const char *const *names; /* [classes]; NULL: numbers */
    int width;                /* of a name */
    int64_t answers, targets; /* of all classes */
    double most;              /* the largest share */
} class_page;

static int by_difference(const void *left, const void *right)
{
    const class_line *a = left, *b = right;
    if (a->difference != b->difference) return a->difference < b->difference ? 1 : -1;
    return (a->index > b->index) - (a->index < b->index);
}

static double share_of(int64_t count, int64_t all)
{
    return all > 0 ? (double)count / (double)all : 0.0;
}

/* A bar for the answers with a tick at the share of the targets (below 0: none), over the bar where
 * it lies inside. */
static void draw_class_bar(FILE *stream, pp_style style, double answers, double targets, int cells)
{
    int tick = targets < 0 ? cells : (int)(targets * (cells - 1) + 0.5);
    double before = fmin(answers * cells, tick), after = answers * cells - tick - 1;
    pp__ink_set(stream, style, PP__BAR);
    int filled = pp__bar(stream, style, before / cells, cells);
    pp__ink_set(stream, style, PP__MARK);
    if (targets >= 0) fprintf(stream, "%*s%s", tick - filled, "", style.utf8 ? "│" : "|");
    pp__ink_set(stream, style, PP__BAR);
    if (after > 0.1) pp__bar(stream, style, after / cells, cells);
    pp__ink_set(stream, style, PP__INK_OFF);
    fputc('\n', stream);
}

/* Columns of the terminal; every character takes one. */
static int shown_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void class_text(const char *const *names, int class, char text[CLASS_TEXT])
{
    if (names == NULL)
        snprintf(text, CLASS_TEXT, "%d", class);
    else
        pp_name_copy(names[class], text, CLASS_TEXT);
}

static void draw_class(FILE *stream, pp_style style, const class_line *line, const class_page *page)
{
    char text[CLASS_TEXT];
    int64_t all_answers = page->answers, all_targets = page->targets;
    double most = page->most;
    int cells = style.width - INDENT - page->width - 9 - 10 - 2;
    if (cells > MOST_BAR) cells = MOST_BAR;
    class_text(page->names, line->index, text);
    fprintf(stream, "%*s%*s%s  ", INDENT, "", page->width - shown_width(text), "", text);
    put_percent(stream, line->answers, all_answers);
    fputs("  ", stream);
    if (all_targets > 0)
        put_percent(stream, line->targets, all_targets);
    else
        fprintf(stream, "%7s", "-");
    fputs("  ", stream);
    draw_class_bar(stream, style, share_of(line->answers, all_answers) / most,
                   all_targets > 0 ? share_of(line->targets, all_targets) / most : -1, cells);
}

static void draw_classes(FILE *stream, pp_style style, const pp_sketch *sketch, const pp_summary *s,
                         const char *const *names)
{
    int classes = s->shape.classes, room = MOST_LINES - 2;
    class_line *lines = calloc((size_t)classes, sizeof *lines);
    if (lines == NULL) return;
    class_page page = {.names = names, .width = 6, .most = 1e-9};
    for (int c = 0; c < classes; c++) {
        lines[c] = (class_line){c, pp_sketch_answers(sketch, c), pp_sketch_targets(sketch, c), 0};
        page.answers += lines[c].answers;
        page.targets += lines[c].targets;
    }
    for (int c = 0; c < classes; c++) {
        double answer = share_of(lines[c].answers, page.answers),
               target = share_of(lines[c].targets, page.targets);
        page.most = fmax(page.most, fmax(answer, target));
        lines[c].difference = fabs(answer - target);
    }
    int shown = classes <= room ? classes : room - 1;
    if (shown < classes) qsort(lines, (size_t)classes, sizeof *lines, by_difference);
    for (int i = 0; i < shown; i++) {
        char text[CLASS_TEXT];
        class_text(names, lines[i].index, text);
        if (shown_width(text) > page.width) page.width = shown_width(text);
    }
    put_title(stream, style, s, "Answers and targets of each class");
    fprintf(stream, "%*s%*s  %7s  %7s  %s answers, %s targets\n", INDENT, "", page.width, "class",
            "answers", "targets", style.utf8 ? "█" : "#", style.utf8 ? "│" : "|");
    for (int i = 0; i < shown; i++)
        draw_class(stream, style, lines + i, &page);
    if (shown < classes)
        fprintf(stream, "%*s%d more classes differ less\n", INDENT, "", classes - shown);
    free(lines);
}

void pp_report_distribution(FILE *stream, pp_style style, const pp_sketch *sketch,
                            const char *const *names)
{
    pp_summary s = pp_sketch_summarise(sketch);
    if (isnan(s.min)) {
        put_title(stream, style, &s, "Predictions");
        fprintf(stream, "%*sno finite prediction to show\n", INDENT, "");
    } else if (s.shape.kind == PP_SKETCH_MULTICLASS) {
        draw_classes(stream, style, sketch, &s, names);
    } else {
        draw_numbers(stream, style, sketch, &s, names);
    }
}

/* ---- metrics ---- */

typedef struct metric {
    const char *name;
    size_t value, beside; /* offsets of doubles in a summary; beside 0: none */
    const char *format;   /* of value, then of beside */
} metric;

#define OFFSET(name) offsetof(pp_summary, name)
static const metric classification_metrics[] = {
    {"accuracy", OFFSET(accuracy), 0, "%.4f"},
    {"balanced accuracy", OFFSET(balanced_accuracy), 0, "%.4f"},
    {"log loss", OFFSET(log_loss), OFFSET(base_loss), "%.4f  (always the class shares: %.4f)"},
    {"skill", OFFSET(skill), 0, "%.4f  (1 is perfect, 0 no better than the class shares)"},
    {"AUC", OFFSET(auc), OFFSET(auc_bound), "%.4f  (exact within %.1g)"},
    {"Brier score", OFFSET(mse), 0, "%.4f"},
    {"information", OFFSET(information), 0, "%.4f bits about the inputs"},
    {"training loss", OFFSET(loss), 0, "%.4f"},
};
static const metric regression_metrics[] = {
    {"R2", OFFSET(r2), 0, "%.4f  (1 is perfect, 0 no better than the mean target)"},
    {"MSE", OFFSET(mse), OFFSET(base_loss), "%.5g  (always the mean target: %.5g)"},
    {"MAE", OFFSET(mae), 0, "%.5g"},
    {"correlation", OFFSET(correlation), 0, "%.4f"},
    {"training loss", OFFSET(loss), 0, "%.5g"},
};
#undef OFFSET

static double number_at(const pp_summary *s, size_t offset)
{
    double value;
    memcpy(&value, (const char *)s + offset, sizeof value);
    return value;
}

/* The format up to its second number, where that number does not apply. */
static void put_value(FILE *stream, const metric *m, const pp_summary *s)
{
    char format[80];
    double beside = m->beside != 0 ? number_at(s, m->beside) : 0;
    snprintf(format, sizeof format, "%s", m->format);
    if (isnan(beside)) format[strcspn(format, " ")] = '\0';
    double value = number_at(s, m->value);
    if (fabs(value) < 0.00005 && strncmp(format, "%.4f", 4) == 0) value = 0; /* no -0.0000 */
    fprintf(stream, format, value, beside);
}

void pp_report_metrics(FILE *stream, pp_style style, const char *title, const pp_summary *summary)
{
    int regression = summary->shape.kind == PP_SKETCH_REGRESSION;
    const metric *metrics = regression ? regression_metrics : classification_metrics;
    size_t count = regression ? sizeof regression_metrics / sizeof *metrics
                              : sizeof classification_metrics / sizeof *metrics;
    pp__ink_set(stream, style, PP__BOLD);
    fprintf(stream, "%s", title);
    pp__ink_set(stream, style, PP__INK_OFF);
    fprintf(stream, ": %lld\n", (long long)summary->rows);
    for (size_t i = 0; i < count; i++) {
        if (isnan(number_at(summary, metrics[i].value))) continue;
        fprintf(stream, "%*s%-18s  ", INDENT, "", metrics[i].name);
        put_value(stream, metrics + i, summary);
        fputc('\n', stream);
    }
    if (summary->non_finite > 0)
        fprintf(stream, "%*s%-18s  %lld\n", INDENT, "", "not finite",
                (long long)summary->non_finite);
}

/* ---- verdict ---- */

void pp_report_verdict(FILE *stream, pp_style style, const pp_verdict *verdict)
{
    int collapse = verdict->collapse;
    fputs("Verdict: ", stream);
    pp__ink_set(stream, style, collapse ? PP__BAD : PP__GOOD);
    fputs(pp_verdict_name(verdict->id), stream);
    pp__ink_set(stream, style, PP__INK_OFF);
    if (collapse) fprintf(stream, ", %s", pp_verdict_title(verdict->id));
    fputc('\n', stream);
    pp__wrap(stream, verdict->sentence, 0, INDENT, style.width);
}
