/* What may be wrong with y. */
#include "inspect_internal.h"
#include "base/names.h"

#include <math.h>
#include <stdio.h>

enum {
    FEW_ROWS = 100, /* below, chance explains nearly anything */
    IMBALANCE = 20,
    MANY_CLASSES = 50,
    FEW_A_CLASS = 20,
    FEW_VALUES = 20
};
#define SPIKE 0.3
#define FAR_OUT 100.0 /* interquartile ranges from the median */
#define LARGE 1000.0
#define SMALL 1e-3
#define SORTED 0.2
#define CLASS_SKEW 0.2
#define MEAN_SKEW 0.5 /* deviations */

static int is_regression(const pp__look *at)
{
    return at->found->task == PP_TASK_REGRESSION;
}

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static int non_finite(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    char place[512];
    if (y->non_finite == 0) return 0;
    pp_h5_locate(at->y, y->first_non_finite, place, sizeof place);
    snprintf(text, size, "rows whose target is NaN or infinite: %lld; the first is %s",
             (long long)y->non_finite, place);
    return 1;
}

static int labels_outside(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    char place[512];
    if (y->outside == 0) return 0;
    pp_h5_locate(at->y, y->first_outside, place, sizeof place);
    snprintf(text, size,
             "labels that are none of the %lld classes: %lld; the first is %s (labels: %g to %g)",
             (long long)at->found->classes, (long long)y->outside, place, y->min, y->max);
    return 1;
}

typedef struct sizes {
    int64_t present, least, most, least_class, most_class, first_empty;
} sizes;

static sizes measure(const pp_inspection *found)
{
    sizes s = {.least_class = -1, .most_class = -1, .first_empty = -1};
    for (int64_t k = 0; k < found->classes; k++) {
        int64_t rows = found->class_rows[k];
        if (rows == 0) {
            if (s.first_empty < 0) s.first_empty = k;
            continue;
        }
        if (s.present == 0 || rows < s.least) {
            s.least = rows;
            s.least_class = k;
        }
        if (rows > s.most) {
            s.most = rows;
            s.most_class = k;
        }
        s.present++;
    }
    return s;
}

static void class_text(const pp__look *at, int64_t k, char text[PP_NAME_TEXT])
{
    pp_names_text(at->found->class_names, k, text);
}

static int constant(const pp__look *at, char *text, size_t size)
{
    char class[PP_NAME_TEXT];
    const pp_inspection_targets *y = &at->found->targets;
    sizes s = measure(at->found);
    if (at->found->classes > 0 && s.present == 1) {
        class_text(at, s.most_class, class);
        snprintf(text, size, "all rows with a label (%lld) are of class %s", (long long)s.most,
                 class);
        return 1;
    }
    if (!(y->min == y->max)) return 0; /* NaN too: nothing is finite */
    snprintf(text, size, "every target is %.9g", y->min);
    return 1;
}

static int many_classes(const pp__look *at, char *text, size_t size)
{
    sizes s = measure(at->found);
    if (at->job->data.task != PP_TASK_AUTO || at->found->task != PP_TASK_MULTICLASS) return 0;
    if (at->found->y_columns > 1 || s.present < MANY_CLASSES) return 0;
    if (at->found->rows >= FEW_A_CLASS * s.present) return 0;
    snprintf(text, size, "the integers of y make %lld classes of %.1f rows each in the mean",
             (long long)s.present, (double)at->found->rows / (double)s.present);
    return 1;
}

static int empty_class(const pp__look *at, char *text, size_t size)
{
    sizes s = measure(at->found);
    char other[8], class[PP_NAME_TEXT];
    if (at->found->task != PP_TASK_MULTICLASS || s.first_empty < 0 || s.present < 2) return 0;
    if (many_classes(at, other, sizeof other)) return 0;
    class_text(at, s.first_empty, class);
    snprintf(text, size, "classes without a row: %lld of %lld; the first is class %s",
             (long long)(at->found->classes - s.present), (long long)at->found->classes, class);
    return 1;
}

static int imbalance(const pp__look *at, char *text, size_t size)
{
    sizes s = measure(at->found);
    int balanced = at->job->data.balance != PP_BALANCE_NONE;
    if (balanced || s.present < 2 || at->found->rows < FEW_ROWS || s.most < IMBALANCE * s.least)
        return 0;
    char most[PP_NAME_TEXT], least[PP_NAME_TEXT];
    class_text(at, s.most_class, most);
    class_text(at, s.least_class, least);
    snprintf(text, size,
             "class %s has %lld rows (%.2f%%), class %s has %lld (%.3g%%): always answering "
             "%lld is right for %.2f%%",
             most, (long long)s.most, percent(s.most, at->found->rows), least, (long long)s.least,
             percent(s.least, at->found->rows), (long long)s.most_class,
             percent(s.most, at->found->rows));
    return 1;
}

static int float_classes(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    if (at->job->data.task != PP_TASK_AUTO || !is_regression(at) || at->found->y_columns > 1)
        return 0;
    if (!y->all_integral || y->distinct > FEW_VALUES || y->distinct < 2) return 0;
    if (at->found->rows < FEW_ROWS || y->distinct * FEW_A_CLASS > at->found->sample_rows) return 0;
    snprintf(text, size,
             "y holds only %lld whole numbers from %g to %g, as %s: that is taken for a regression",
             (long long)y->distinct, y->min, y->max, at->found->y.type);
    return 1;
}

static int spike(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    char other[8];
    if (!is_regression(at) || at->found->y_columns > 1 || at->found->rows < FEW_VALUES) return 0;
    if (!(y->min < y->max) || float_classes(at, other, sizeof other)) return 0;
    if ((double)y->spike_rows < SPIKE * (double)at->found->rows) return 0;
    snprintf(text, size, "%.1f%% of the targets (%lld rows) are exactly %.9g",
             percent(y->spike_rows, at->found->rows), (long long)y->spike_rows, y->spike);
    return 1;
}

/* By quartiles, which a few outliers do not move. */
static double spread(const pp_inspection_targets *y)
{
    return y->q75 > y->q25 ? y->q75 - y->q25 : y->deviation;
}

static int scale(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    if (!is_regression(at) || !(y->min < y->max) || at->job->data.standardise_targets) return 0;
    if (fabs(y->median) <= LARGE && spread(y) <= LARGE && spread(y) >= SMALL) return 0;
    snprintf(text, size,
             "the targets have a median of %.4g and half of them lie within %.4g to %.4g; an "
             "untrained net answers about 0 give or take 1",
             y->median, y->q25, y->q75);
    return 1;
}

static int outlier(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    double range = y->q75 - y->q25;
    char place[512];
    if (!is_regression(at) || at->found->y_columns > 1 || !(range > 0)) return 0;
    int high = y->max - y->median > y->median - y->min;
    double far = high ? y->max - y->median : y->median - y->min;
    if (far < FAR_OUT * range) return 0;
    pp_h5_locate(at->y, high ? y->max_row : y->min_row, place, sizeof place);
    snprintf(text, size, "%s holds the target %.9g, %.3g interquartile ranges from the median %.4g",
             place, high ? y->max : y->min, far / range, y->median);
    return 1;
}

static int code(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    if (!is_regression(at) || at->found->y_columns > 1 || !isfinite(y->code)) return 0;
    snprintf(text, size, "%.2g%% of the targets are %.9g, far from all others (median %.4g)",
             100 * y->code_share, y->code, y->median);
    return 1;
}

static int slipped(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_slip *s = &at->found->slip;
    char place[480] = "all rows: ";
    if (s->lag == 0) return 0;
    if (s->row > 0) {
        char row[440];
        pp_h5_locate(at->y, s->row, row, sizeof row);
        snprintf(place, sizeof place, "from %s on: ", row);
    }
    snprintf(text, size,
             "%sthe target %lld row%s %s fits x (R2 of linear fits %.2f, as they stand %.2f)",
             place, (long long)(s->lag < 0 ? -s->lag : s->lag),
             s->lag == 1 || s->lag == -1 ? "" : "s", s->lag < 0 ? "before" : "further on", s->fits,
             s->fits_as_it_is);
    return 1;
}

static int sorted(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_targets *y = &at->found->targets;
    if (at->found->rows < FEW_ROWS || !(y->disorder < SORTED)) return 0;
    if (is_regression(at))
        snprintf(text, size,
                 "neighbouring rows have like targets: their mean squared step is %.2g of that of "
                 "shuffled rows",
                 y->disorder);
    else
        snprintf(text, size,
                 "rows are grouped by class: it changes from row to row %.2g times as often as in "
                 "shuffled rows",
                 y->disorder);
    return 1;
}

static int skewed_lanes(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_lanes *l = &at->found->lanes;
    double most = is_regression(at) ? MEAN_SKEW : CLASS_SKEW;
    if (l->lanes < 2 || l->worst < 0 || at->found->rows < FEW_ROWS) return 0;
    if (l->skew < most + l->skew_by_chance) return 0;
    char class[PP_NAME_TEXT];
    class_text(at, l->worst_class, class);
    if (is_regression(at))
        snprintf(text, size,
                 "the targets of lane %d (%lld rows) have a mean %.2f deviations from that of all",
                 l->worst, (long long)l->worst_rows, l->skew);
    else
        snprintf(text, size,
                 "lane %d (%lld rows) has %.1f%% of class %s, all rows %.1f%%; %.0f%% of its rows "
                 "would have to change class",
                 l->worst, (long long)l->worst_rows, 100 * l->share_there, class,
                 100 * l->share_overall, 100 * l->skew);
    return 1;
}

#define ERROR PP_SEVERITY_ERROR
#define WARNING PP_SEVERITY_WARNING
const pp__finding_row pp__findings_of_targets[] = {
    {{"non-finite-target", ERROR, "targets that are NaN or infinite",
      "remove or repair these rows; training refuses them"},
     non_finite},
    {{"label-outside", ERROR, "labels that are no class",
      "number the classes from 0, or set data.task or data.classes"},
     labels_outside},
    {{"constant-target", ERROR, "a target that never changes",
      "there is nothing to learn; name the right data set with data.y, or repair the export"},
     constant},
    {{"empty-class", WARNING, "classes without rows",
      "number the classes from 0 without gaps; labels that begin at 1 leave class 0 empty"},
     empty_class},
    {{"class-imbalance", WARNING, "classes of very unequal size",
      "set data.balance, and watch balanced accuracy and AUC instead of accuracy"},
     imbalance},
    {{"many-classes", WARNING, "integers that are rather numbers than classes",
      "set data.task to regression if they are quantities"},
     many_classes},
    {{"float-classes", WARNING, "classes stored as floats",
      "store y as integers, or set data.task to multiclass or binary"},
     float_classes},
    {{"target-spike", WARNING, "a value that many targets share",
      "find out whether it stands for a missing value; a model of the mean or median may answer "
      "just that"},
     spike},
    {{"target-scale", WARNING, "targets far from the scale of a net's answers",
      "set data.standardise_targets to true"},
     scale},
    {{"missing-target-code", WARNING, "codes for missing values among the targets",
      "leave these rows out; nothing can be learnt of them"},
     code},
    {{"target-outlier", WARNING, "targets far from all others",
      "repair them if they stand for missing values; else use the huber or mae loss"},
     outlier},
    {{"slipped-targets", WARNING, "targets that belong to rows nearby",
      "find the row that was lost or added on one side; data.shift_targets moves all of them back"},
     slipped},
    {{"sorted-by-target", WARNING, "rows sorted by target",
      "keep data.shuffle on, with small windows; or shuffle the rows once in the file"},
     sorted},
    {{"skewed-lanes", WARNING, "lanes whose rows differ from the whole",
      "make data.window smaller, or shuffle the rows once in the file"},
     skewed_lanes},
    {{NULL, WARNING, NULL, NULL}, NULL},
};
