#include "support/sketch_rows.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pitprop/verdict.h"

/* Each test draws predictions with a known fault (or none) and asks for the verdict. */

static double uniform(uint64_t stream, int64_t row)
{
    return pp_rng_uniform(pp_rng_at(11, PP_RNG_TEST, stream), (uint64_t)row);
}

static double normal(uint64_t stream, int64_t row)
{
    return pp_rng_normal(pp_rng_at(11, PP_RNG_TEST, stream), (uint64_t)row);
}

static pp_verdict verdict_of(const pp_summary *summary)
{
    return pp_verdict_of(&(pp_evidence){.train = summary, .alpha = 0.001});
}

typedef struct binary_case {
    int64_t rows;
    double base;           /* share of class 1 */
    double centre, jitter; /* p = centre + jitter * normal ... */
    double outliers;       /* ... but this share of rows has p uniform */
    double lift;           /* added to p where the target is 1 */
    int64_t nan_row;       /* -1: none */
} binary_case;

static pp_summary binary_summary(const binary_case *c)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < c->rows; i++) {
        int64_t y = uniform(1, i) < c->base;
        double p = c->centre + c->jitter * normal(2, i) + c->lift * (double)y;
        if (uniform(3, i) < c->outliers) p = uniform(4, i);
        float given = i == c->nan_row ? NAN : (float)fmin(1, fmax(0, p));
        sketch_row(sketch, i, &given, &y, NULL, 0);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

static pp_verdict binary_verdict(binary_case c)
{
    pp_summary s = binary_summary(&c);
    return verdict_of(&s);
}

static int says(pp_verdict v, const char *text)
{
    return strstr(v.sentence, text) != NULL;
}

static void non_finite_comes_first(void)
{
    pp_verdict v = binary_verdict((binary_case){200, 0.5, 0.5, 0, 0, 0, 17});
    CU_ASSERT(v.id == PP_VERDICT_NON_FINITE);
    CU_ASSERT(says(v, "1 of 200") && says(v, "row 17"));
    CU_ASSERT(binary_verdict((binary_case){3, 0.5, 0.5, 0, 0, 0, 1}).id == PP_VERDICT_NON_FINITE);
    CU_ASSERT(binary_verdict((binary_case){1, 0.5, 0.5, 0, 0, 0, 0}).id == PP_VERDICT_NON_FINITE);
}

static void all_at_half(void)
{
    pp_verdict v = binary_verdict((binary_case){5000, 0.3, 0.5, 0.002, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF);
    CU_ASSERT(says(v, "of 5000 predictions lie within") && says(v, "bits") && says(v, "skill -"));
    CU_ASSERT(!says(v, "also the base rate"));
    v = binary_verdict((binary_case){5000, 0.5, 0.5, 0, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF);
    CU_ASSERT(says(v, "exactly 0.5") && says(v, "also the base rate"));
    v = binary_verdict((binary_case){20000, 0.3, 0.5, 0.002, 0.015, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF); /* a few outliers hide nothing */
    v = binary_verdict((binary_case){5000, 0.5, 0.5, 0.002, 0, 0.002, -1});
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF);
    CU_ASSERT(says(v, "rank the rows better than chance (AUC 0.7"));
}

static void all_at_the_base_rate(void)
{
    pp_verdict v = binary_verdict((binary_case){5000, 0.1, 0.1, 0.001, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_AT_BASE_RATE);
    CU_ASSERT(says(v, "of 0.1") && says(v, "the base rate is 0.0"));
    /* within 0.01 of both, but nearer to the base rate */
    binary_case near = {40000, 0.49, 0.4915, 0.0005, 0, 0, -1};
    CU_ASSERT(binary_verdict(near).id == PP_VERDICT_AT_BASE_RATE);
    near.centre = 0.499;
    CU_ASSERT(binary_verdict(near).id == PP_VERDICT_AT_HALF);
}

static void constant_elsewhere(void)
{
    pp_verdict v = binary_verdict((binary_case){5000, 0.4, 0.8, 0.001, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_CONSTANT && says(v, "of 0.8"));
    v = binary_verdict((binary_case){5000, 0.4, 1.0, 0, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_CONSTANT && (v.holds >> PP_VERDICT_ONE_CLASS & 1));
}

static void rare_positives_found_are_healthy(void)
{
    /* 99.5% of predictions lie together, and rightly so */
    pp_verdict v = binary_verdict((binary_case){50000, 0.005, 0.002, 0.0002, 0, 0.9, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY);
    /* click-through: every p is below 0.02, yet they differ by more than their target's 2% */
    v = binary_verdict((binary_case){200000, 0.004, 0.004, 0.002, 0, 0.003, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && says(v, "class 0 is the answer to every row"));
}

static void one_answer(void)
{
    pp_verdict v = binary_verdict((binary_case){4000, 0.4, 0.3, 0.05, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_ONE_CLASS);
    CU_ASSERT(says(v, "The answer to all 4000 rows is class 0") && says(v, "2 classes"));
    CU_ASSERT(says(v, "AUC 0.5") || says(v, "AUC 0.4"));
    v = binary_verdict((binary_case){4000, 0.4, 0.2, 0.05, 0, 0.1, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY); /* one class, but it ranks well */
    CU_ASSERT(says(v, "class 0 is the answer to every row"));
    v = binary_verdict((binary_case){4000, 0.4, 0.3, 0.03, 0, 0.03, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY); /* few bits, but AUC 0.76 */
    v = binary_verdict((binary_case){40000, 0.4, 0.3, 0.03, 0, 0.006, -1});
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT); /* AUC 0.56, and p far too low */
    CU_ASSERT(v.reason == PP_REASON_OFFSET && says(v, "shifted by 0.4"));
}

static void spread_without_information(void)
{
    pp_verdict v = binary_verdict((binary_case){4000, 0.4, 0.5, 0.2, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_UNINFORMATIVE);
    CU_ASSERT(says(v, "AUC 0.") && says(v, "does worse than always answering the base rate"));
}

static void a_fair_model_is_healthy(void)
{
    pp_verdict v = binary_verdict((binary_case){4000, 0.4, 0.35, 0.1, 0, 0.2, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY);
    CU_ASSERT(says(v, "AUC 0.9") && !says(v, "wrong way"));
    v = binary_verdict((binary_case){4000, 0.4, 0.55, 0.1, 0, -0.2, -1});
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_INVERTED);
}

/* No false alarm, and no lucky pass, over many draws of predictions without information. */
static void chance_is_called_chance(void)
{
    int healthy = 0;
    for (int64_t round = 0; round < 200; round++) {
        pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
        pp_sketch *sketch = pp_sketch_create(&shape);
        for (int64_t i = 0; i < 300; i++) {
            int64_t y = uniform(5, round * 300 + i) < 0.5;
            float p = (float)uniform(6, round * 300 + i);
            sketch_row(sketch, i, &p, &y, NULL, 0);
        }
        pp_summary s = pp_sketch_summarise(sketch);
        healthy += verdict_of(&s).id == PP_VERDICT_HEALTHY;
        free(sketch);
    }
    CU_ASSERT(healthy <= 3); /* three sigmas: 0.5 of 200 expected */
}

static void small_sets_are_not_accused(void)
{
    pp_verdict few = binary_verdict((binary_case){19, 0.5, 0.5, 0.001, 0, 0, -1});
    CU_ASSERT(few.id == PP_VERDICT_UNDETERMINED && !few.collapse && says(few, "on 19 rows"));
    CU_ASSERT(binary_verdict((binary_case){19, 0.5, 0.2, 0.05, 0, 0, -1}).id ==
              PP_VERDICT_UNDETERMINED);
    CU_ASSERT(binary_verdict((binary_case){19, 0.5, 0.5, 0, 0, 0, -1}).id == PP_VERDICT_AT_HALF);
    CU_ASSERT(binary_verdict((binary_case){1, 0.5, 0.5, 0, 0, 0, -1}).id == PP_VERDICT_HEALTHY);
    pp_verdict v = binary_verdict((binary_case){0, 0.5, 0.5, 0, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && says(v, "no predictions"));
}

static void targets_that_never_differ(void)
{
    pp_verdict v = binary_verdict((binary_case){500, 2, 0.999, 0.0001, 0, 0, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && says(v, "nothing to tell apart"));
    CU_ASSERT(binary_verdict((binary_case){500, 2, 0.5, 0.001, 0, 0, -1}).id == PP_VERDICT_AT_HALF);
}

static void labels_outside_are_mentioned(void)
{
    binary_case c = {500, 0.5, 0.5, 0.1, 0, 0.2, -1};
    pp_summary s = binary_summary(&c);
    s.label_outside = 12;
    CU_ASSERT(says(verdict_of(&s), "12 targets are outside"));
}

/* ---- classes ---- */

/* Log-odds: `signal` for the true class, `favour` for class 2, noise for all; balanced targets, or
 * half of them in class 0. */
static pp_verdict class_verdict(int64_t rows, double signal, double favour, double noise,
                                int uneven)
{
    pp_sketch_shape shape = {PP_SKETCH_MULTICLASS, 5, 5, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < rows; i++) {
        int64_t y = uneven && uniform(7, i) < 0.5 ? 0 : (int64_t)(uniform(8, i) * 5);
        float p[5];
        double sum = 0, odds[5];
        for (int c = 0; c < 5; c++) {
            odds[c] = exp((c == y) * signal + (c == 2) * favour + noise * normal(9, i * 5 + c));
            sum += odds[c];
        }
        for (int c = 0; c < 5; c++)
            p[c] = (float)(odds[c] / sum);
        sketch_row(sketch, i, p, &y, NULL, 0);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return verdict_of(&s);
}

static void verdicts_of_classes(void)
{
    CU_ASSERT(class_verdict(3000, 2, 0, 1, 0).id == PP_VERDICT_HEALTHY);
    CU_ASSERT(class_verdict(3000, 0, 0, 0.01, 0).id == PP_VERDICT_AT_BASE_RATE);
    pp_verdict v = class_verdict(3000, 0, 0, 0.01, 1);
    CU_ASSERT(v.id == PP_VERDICT_CONSTANT); /* a fifth each, but half of the targets are class 0 */
    v = class_verdict(3000, 0, 12, 0.1, 0);
    CU_ASSERT(v.id == PP_VERDICT_CONSTANT && says(v, "answers are class 2"));
    v = class_verdict(3000, 0, 3, 0.5, 0);
    CU_ASSERT(v.id == PP_VERDICT_ONE_CLASS && says(v, "class 2") && says(v, "5 classes"));
    CU_ASSERT(class_verdict(3000, 0, 0, 1, 0).id == PP_VERDICT_UNINFORMATIVE);
    v = class_verdict(3000, 1, 4, 0.5, 0); /* biased: ranks, and is worse than a constant */
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_OFFSET);
    CU_ASSERT(class_verdict(15, 0, 0, 1, 0).id == PP_VERDICT_UNDETERMINED);
}

/* ---- regression ---- */

static pp_verdict line_verdict(int columns, int64_t rows, double slope, double offset, double noise)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, columns, 60, 140, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < rows; i++) {
        float t[2], p[2];
        for (int c = 0; c < columns; c++) {
            t[c] = (float)(100 + 10 * normal(10, i * columns + c));
            p[c] = (float)(100 + offset + slope * ((double)t[c] - 100) +
                           noise * normal(11, i * columns + c));
        }
        sketch_row(sketch, i, p, NULL, t, 0);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return verdict_of(&s);
}

static void verdicts_of_regressions(void)
{
    CU_ASSERT(line_verdict(1, 2000, 0.8, 0, 3).id == PP_VERDICT_HEALTHY);
    pp_verdict v = line_verdict(1, 2000, 0, 0, 0.05);
    CU_ASSERT(v.id == PP_VERDICT_AT_TARGET_MEAN);
    CU_ASSERT(says(v, "2000 predictions lie within") && says(v, "the mean target is 100"));
    CU_ASSERT(says(v, "(skill -0.001)") && says(v, "no better") && !says(v, "nan"));
    v = line_verdict(1, 2000, 0, -100, 0.05);
    CU_ASSERT(v.id == PP_VERDICT_CONSTANT && says(v, "does worse"));
    CU_ASSERT(line_verdict(1, 2000, 0, 0, 5).id == PP_VERDICT_UNINFORMATIVE);
    CU_ASSERT(line_verdict(1, 8000, 0, 0, 0.5).id == PP_VERDICT_UNINFORMATIVE);
    v = line_verdict(1, 2000, 0.8, 50, 3); /* follows, 50 too high */
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_OFFSET);
    v = line_verdict(1, 2000, 30, 0, 3);
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_SCALE);
    v = line_verdict(1, 2000, -0.8, 0, 3);
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_INVERTED);
    CU_ASSERT(line_verdict(1, 12, 0, 0, 5).id == PP_VERDICT_UNDETERMINED);
    CU_ASSERT(line_verdict(1, 12, 0, 0, 0).id != PP_VERDICT_HEALTHY);
    v = line_verdict(2, 2000, 0, 0, 0.05);
    CU_ASSERT(v.id != PP_VERDICT_HEALTHY && pp_verdict_is_collapse(v.id) && !says(v, "nan"));
    CU_ASSERT(line_verdict(2, 2000, 0.8, 0, 3).id == PP_VERDICT_HEALTHY);
    CU_ASSERT(line_verdict(2, 2000, 0, 0, 5).id == PP_VERDICT_UNINFORMATIVE);
}

/* ---- names and JSON ---- */

static void names_follow_the_list(void)
{
    CU_ASSERT_STRING_EQUAL(pp_verdict_name(PP_VERDICT_AT_TARGET_MEAN), "at-target-mean");
    CU_ASSERT_STRING_EQUAL(pp_verdict_title(PP_VERDICT_CONSTANT), "every prediction is the same");
    CU_ASSERT(pp_verdict_is_collapse(PP_VERDICT_UNINFORMATIVE) == 1);
    CU_ASSERT(pp_verdict_is_collapse(PP_VERDICT_HEALTHY) == 0);
}

static pp_json *written(const pp_summary *s)
{
    pp_verdict v = verdict_of(s);
    pp_json_writer *writer = pp_json_writer_create(2);
    pp_json *root = NULL;
    pp_verdict_write(&v, &(pp_evidence){.train = s, .alpha = 0.001}, writer);
    const char *text = pp_json_text(writer, NULL);
    if (text != NULL) pp_json_parse(text, "verdict", &root, NULL);
    pp_json_writer_destroy(writer);
    return root;
}

static void json_holds_what_applies(void)
{
    binary_case c = {500, 0.3, 0.5, 0.0005, 0, 0, -1};
    pp_summary s = binary_summary(&c);
    pp_json *root = written(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_STRING_EQUAL(pp_json_string(pp_json_get(root, "verdict")), "at-half");
    CU_ASSERT(pp_json_bool(pp_json_get(root, "collapse")) == 1);
    CU_ASSERT(strstr(pp_json_string(pp_json_get(root, "sentence")), "of 500 predictions") != NULL);
    const pp_json *evidence = pp_json_get(pp_json_get(root, "evidence"), "train");
    CU_ASSERT(pp_json_number(pp_json_get(evidence, "half_mass")) == 1);
    CU_ASSERT(pp_json_number(pp_json_get(evidence, "rows")) == 500);
    CU_ASSERT(pp_json_number(pp_json_get(evidence, "log_loss")) == s.log_loss);
    CU_ASSERT_PTR_NULL(pp_json_get(evidence, "r2"));
    CU_ASSERT_PTR_NULL(pp_json_get(evidence, "mae"));
    CU_ASSERT_PTR_NULL(pp_json_get(evidence, "first_non_finite_row"));
    pp_json_destroy(root);
    c.rows = 0;
    s = binary_summary(&c);
    root = written(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_PTR_NULL(pp_json_get(pp_json_get(root, "evidence"), "train"));
    CU_ASSERT(pp_json_bool(pp_json_get(root, "collapse")) == 0);
    pp_json_destroy(root);
}

const pp_test pp_tests_verdict[];
const pp_test pp_tests_verdict[] = {
    {"non-finite comes first, and names the row", non_finite_comes_first},
    {"at half: near, exact, with outliers, while ranking", all_at_half},
    {"at the base rate", all_at_the_base_rate},
    {"constant elsewhere", constant_elsewhere},
    {"rare positives that are found are no collapse", rare_positives_found_are_healthy},
    {"one class, unless it ranks well", one_answer},
    {"spread without information", spread_without_information},
    {"a fair model is healthy, and not upside down", a_fair_model_is_healthy},
    {"chance is called chance in nearly all of 200 draws", chance_is_called_chance},
    {"small sets are accused of the obvious only", small_sets_are_not_accused},
    {"constant targets make a constant answer right", targets_that_never_differ},
    {"labels outside are mentioned", labels_outside_are_mentioned},
    {"classes", verdicts_of_classes},
    {"regressions", verdicts_of_regressions},
    {"names follow the list", names_follow_the_list},
    {"JSON holds what applies", json_holds_what_applies},
    {NULL, NULL},
};
