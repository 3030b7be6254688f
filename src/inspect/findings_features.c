/* What may be wrong with x. */
#include "inspect_internal.h"
#include "base/names.h"

#include <math.h>
#include <stdio.h>

enum { FEW_ROWS = 100, FEW_SAMPLED = 200, LISTED = 6, LIST_TEXT = 320 };
#define SCALES 1000.0 /* of the widest feature over the narrowest */
#define OFFSET 100.0  /* deviations from 0 to the mean */
#define FAR_OUT 300.0 /* interquartile ranges from the median; more than uint8 can reach */
#define NEARLY 0.98   /* of the error of the best constant is gone */

typedef int (*predicate)(const pp__look *at, const pp_inspection_feature *f);

static const char *feature_text(const pp__look *at, int64_t j, char text[PP_NAME_TEXT])
{
    pp_names_text(at->found->column_names, j, text);
    return text;
}

/* Features of which it is true: how many, and "3, 5, 8, ..." */
static int64_t list_features(const pp__look *at, predicate is, char *text, size_t size)
{
    int64_t count = 0;
    size_t used = 0;
    char name[PP_NAME_TEXT];
    *text = '\0';
    for (int64_t j = 0; j < at->found->inputs; j++) {
        if (!is(at, &at->found->features[j])) continue;
        if (count++ > LISTED || used >= size) continue;
        if (count > LISTED)
            used += (size_t)snprintf(text + used, size - used, ", ...");
        else
            used += (size_t)snprintf(text + used, size - used, "%s%s", count > 1 ? ", " : "",
                                     feature_text(at, j, name));
    }
    return count;
}

static int non_finite(const pp__look *at, char *text, size_t size)
{
    const pp_inspection *found = at->found;
    int64_t values = 0, features = 0, row = INT64_MAX, column = 0;
    char place[400], name[PP_NAME_TEXT];
    for (int64_t j = 0; j < found->inputs; j++) {
        const pp_inspection_feature *f = &found->features[j];
        if (f->non_finite == 0) continue;
        values += f->non_finite;
        features++;
        if (f->first_non_finite >= row) continue;
        row = f->first_non_finite;
        column = j;
    }
    if (values == 0) return 0;
    pp_h5_locate(at->x, row, place, sizeof place);
    snprintf(text, size,
             "values that are NaN or infinite (or too large for float32): %lld, in %lld of %lld "
             "features; the first is %s, feature %s",
             (long long)values, (long long)features, (long long)found->inputs, place,
             feature_text(at, column, name));
    return 1;
}

static int is_constant(const pp__look *at, const pp_inspection_feature *f)
{
    return f->min == f->max && at->found->rows > 1;
}

static int constant(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT];
    int64_t count = list_features(at, is_constant, list, sizeof list);
    if (count == 0) return 0;
    snprintf(text, size, "features that never change: %s (%lld of %lld)", list, (long long)count,
             (long long)at->found->inputs);
    return 1;
}

static int is_duplicate(const pp__look *at, const pp_inspection_feature *f)
{
    return at->found->rows > 1 && f->duplicate_of >= 0;
}

static int duplicate(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT];
    char name[PP_NAME_TEXT], other[PP_NAME_TEXT];
    int64_t count = list_features(at, is_duplicate, list, sizeof list), j = 0;
    if (count == 0) return 0;
    while (!is_duplicate(at, &at->found->features[j]))
        j++;
    snprintf(text, size,
             "features that equal another one in every row: %s (feature %s repeats feature %s)",
             list, feature_text(at, j, name),
             feature_text(at, at->found->features[j].duplicate_of, other));
    return 1;
}

/* Width of the middle 98%; 0 or NaN: says nothing. */
static double width(const pp_inspection_feature *f)
{
    return f->q99 - f->q01;
}

static int scale(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_feature *f = at->found->features;
    int64_t wide = -1, narrow = -1;
    char name[PP_NAME_TEXT], other[PP_NAME_TEXT];
    for (int64_t j = 0; j < at->found->inputs; j++) {
        if (!(width(&f[j]) > 0)) continue;
        if (wide < 0 || width(&f[j]) > width(&f[wide])) wide = j;
        if (narrow < 0 || width(&f[j]) < width(&f[narrow])) narrow = j;
    }
    if (at->job->data.standardise || wide < 0) return 0;
    if (width(&f[wide]) < SCALES * width(&f[narrow])) return 0;
    snprintf(text, size,
             "98%% of feature %s lie within %.4g to %.4g, of feature %s within %.4g to %.4g",
             feature_text(at, wide, name), f[wide].q01, f[wide].q99,
             feature_text(at, narrow, other), f[narrow].q01, f[narrow].q99);
    return 1;
}

static int is_offset(const pp__look *at, const pp_inspection_feature *f)
{
    if (at->job->data.standardise || at->found->rows < FEW_ROWS) return 0;
    return f->deviation > 0 && fabs(f->mean) > OFFSET * f->deviation;
}

static int offset(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT];
    char name[PP_NAME_TEXT];
    int64_t count = list_features(at, is_offset, list, sizeof list), j = 0;
    if (count == 0) return 0;
    while (!is_offset(at, &at->found->features[j]))
        j++;
    const pp_inspection_feature *f = &at->found->features[j];
    snprintf(text, size,
             "features that lie far from 0 for their spread: %s (feature %s: mean %.6g, "
             "deviation %.3g)",
             list, feature_text(at, j, name), f->mean, f->deviation);
    return 1;
}

/* Interquartile ranges from the median to the farther extreme; 0: cannot be said. */
static double farthest(const pp_inspection_feature *f)
{
    double range = f->q75 - f->q25;
    if (!(range > 0)) return 0;
    return fmax(f->max - f->median, f->median - f->min) / range;
}

static int outlier(const pp__look *at, char *text, size_t size)
{
    int64_t worst = 0, count = 0;
    char place[400], name[PP_NAME_TEXT];
    for (int64_t j = 0; j < at->found->inputs; j++) {
        count += farthest(&at->found->features[j]) >= FAR_OUT;
        if (farthest(&at->found->features[j]) > farthest(&at->found->features[worst])) worst = j;
    }
    if (count == 0) return 0;
    const pp_inspection_feature *f = &at->found->features[worst];
    int high = f->max - f->median > f->median - f->min;
    pp_h5_locate(at->x, high ? f->max_row : f->min_row, place, sizeof place);
    snprintf(text, size,
             "the value farthest from all others is %.6g in %s, feature %s (median %.4g); features "
             "with such values: %lld",
             high ? f->max : f->min, place, feature_text(at, worst, name), f->median,
             (long long)count);
    return 1;
}

static int has_code(const pp__look *at, const pp_inspection_feature *f)
{
    (void)at;
    return isfinite(f->code);
}

static int code(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT], name[PP_NAME_TEXT];
    int64_t count = list_features(at, has_code, list, sizeof list), j = 0;
    if (count == 0) return 0;
    while (!has_code(at, &at->found->features[j]))
        j++;
    const pp_inspection_feature *f = &at->found->features[j];
    snprintf(text, size,
             "features where a value far from all others stands in many rows: %s (feature %s: "
             "%.9g in %.2g%% of the rows, median %.4g)",
             list, feature_text(at, j, name), f->code, 100 * f->code_share, f->median);
    return 1;
}

static int is_target(const pp__look *at, const pp_inspection_feature *f)
{
    int64_t rows = at->found->rows - at->found->targets.non_finite;
    return rows > 1 && f->min < f->max && f->equal_targets == rows;
}

static int leak_equal(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT];
    if (list_features(at, is_target, list, sizeof list) == 0) return 0;
    snprintf(text, size, "feature %s equals the target in every row", list);
    return 1;
}

/* With one feature there is nothing else that could tell the target; of rows that are copies any
 * feature tells it, by the other copy. */
static int is_near(const pp__look *at, const pp_inspection_feature *f)
{
    int are_copies = 2 * at->found->distinct_rows < at->found->sample_rows;
    return at->found->inputs > 1 && !are_copies && at->found->sample_rows >= FEW_SAMPLED &&
           f->tells >= NEARLY && !is_target(at, f);
}

static int leak_near(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT];
    char name[PP_NAME_TEXT];
    int64_t count = list_features(at, is_near, list, sizeof list), best = 0;
    if (count == 0) return 0;
    while (!is_near(at, &at->found->features[best]))
        best++;
    snprintf(text, size,
             "features that nearly determine the target alone: %s (feature %s: %.1f%% of "
             "the error of the best constant is gone, by nearest neighbours in a sample of %lld "
             "rows)",
             list, feature_text(at, best, name), 100 * at->found->features[best].tells,
             (long long)at->found->sample_rows);
    return 1;
}

static int is_index(const pp__look *at, const pp_inspection_feature *f)
{
    return at->found->inputs > 1 && at->found->rows >= FEW_ROWS && f->rises == at->found->rows - 1;
}

static int index_feature(const pp__look *at, char *text, size_t size)
{
    char list[LIST_TEXT];
    if (list_features(at, is_index, list, sizeof list) == 0) return 0;
    snprintf(text, size, "feature %s rises from every row to the next: a row number or a time",
             list);
    return 1;
}

#define ERROR PP_SEVERITY_ERROR
#define WARNING PP_SEVERITY_WARNING
const pp__finding_row pp__findings_of_features[] = {
    {{"non-finite-feature", ERROR, "features that are NaN or infinite",
      "remove or repair these rows; training refuses them"},
     non_finite},
    {{"leak-equal", ERROR, "a feature that is the target",
      "leave this feature out; nothing else would be learnt"},
     leak_equal},
    {{"leak-near", WARNING, "a feature that nearly determines the target",
      "find out whether it is known when the prediction is needed; else leave it out"},
     leak_near},
    {{"index-feature", WARNING, "a feature that counts the rows",
      "leave it out, unless it is a time that the model is to know"},
     index_feature},
    {{"constant-feature", WARNING, "features that never change",
      "leave them out; they cost time and tell nothing"},
     constant},
    {{"duplicate-feature", WARNING, "features equal to one another", "leave one of each pair out"},
     duplicate},
    {{"feature-scale", WARNING, "features of very unequal scale", "set data.standardise to true"},
     scale},
    {{"feature-offset", WARNING, "features far from 0 for their spread",
      "set data.standardise to true"},
     offset},
    {{"missing-code", WARNING, "codes for missing values among the features",
      "put the median of the feature in their place, or leave these rows out; a column that says "
      "where it was missing may tell something"},
     code},
    {{"feature-outlier", WARNING, "values far from all others of their feature",
      "repair them if they stand for missing values, such as -999"},
     outlier},
    {{NULL, WARNING, NULL, NULL}, NULL},
};
