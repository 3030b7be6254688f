#include "support/sketch_rows.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job/job.h"
#include "base/rng.h"
#include "pitprop/verdict.h"

/* What healthy must not be said of, and what must not be accused. */

static double uniform(uint64_t stream, int64_t row)
{
    return pp_rng_uniform(pp_rng_at(23, PP_RNG_TEST, stream), (uint64_t)row);
}

static double normal(uint64_t stream, int64_t row)
{
    return pp_rng_normal(pp_rng_at(23, PP_RNG_TEST, stream), (uint64_t)row);
}

static pp_verdict judge(pp_sketch *sketch)
{
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return pp_verdict_of(&(pp_evidence){.train = &s, .alpha = 0.001});
}

static int says(const pp_verdict *v, const char *text)
{
    return strstr(v->sentence, text) != NULL;
}

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* Calibrated log-odds z = 2 x of a base rate, then shift + gain z; copies of each row. */
typedef struct binary_case {
    int64_t rows;
    double base, shift, gain;
    int copies, decimals; /* decimals: -1: not rounded */
} binary_case;

static pp_verdict binary(binary_case c)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < c.rows; i++) {
        int64_t y = uniform(1, i) < c.base;
        double z = 2 * (normal(2, i) + 2 * (double)y) - 2 + log(c.base / (1 - c.base));
        double p = sigmoid(c.shift + c.gain * z), power = pow(10, c.decimals);
        float given = (float)(c.decimals < 0 ? p : rint(p * power) / power);
        for (int copy = 0; copy < c.copies; copy++)
            sketch_row(sketch, i * c.copies + copy, &given, &y, NULL, 0);
    }
    return judge(sketch);
}

static void repairs_of_probabilities(void)
{
    pp_verdict v = binary((binary_case){4000, 0.5, 0, 1, 1, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && !says(&v, "moved"));
    v = binary((binary_case){4000, 0.5, 0, -1, 1, -1});
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_INVERTED);
    v = binary((binary_case){4000, 0.5, 8, 1, 1, -1});
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_OFFSET);
    v = binary((binary_case){4000, 0.5, 0, 60, 1, -1});
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_TEMPERATURE);
}

/* As class weights do: worse than the base rate as probabilities, and sound. */
static void moved_probabilities_are_sound(void)
{
    pp_verdict v = binary((binary_case){40000, 0.02, -log(0.02 / 0.98), 1, 1, -1});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && says(&v, "class weights"));
    CU_ASSERT(!says(&v, "worse than"));
}

/* Ties within a value are certain. */
static void labels_are_answers(void)
{
    pp_verdict v = binary((binary_case){20000, 0.5, 0, 1, 1, 0});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && says(&v, "these are labels"));
    v = binary((binary_case){20000, 0.5, 0, 1, 1, 2});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY && says(&v, "rounded to 2 decimals"));
    v = binary((binary_case){20000, 0.5, 0, 0, 1, 0}); /* all 0 or all 1 */
    CU_ASSERT(v.id != PP_VERDICT_HEALTHY);
}

static void copies_count_once(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 60 * 300; i++) {
        int64_t y = uniform(3, i % 60) < 0.5;
        float p = (float)sigmoid(0.4 * normal(4, i % 60));
        sketch_row(sketch, i, &p, &y, NULL, 0);
    }
    pp_verdict v = judge(sketch);
    CU_ASSERT(v.id == PP_VERDICT_UNDETERMINED && says(&v, "weigh as much as"));
    v = binary((binary_case){400, 0.5, 0, 1, 3, -1}); /* a sound model's rows, three times */
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY);
}

/* `different` rows, each so often; classes: of three, 0: numbers. Numbers may be whole. */
typedef struct copied_case {
    int64_t different, copies;
    int classes, whole;
} copied_case;

static double effective_rows(copied_case c)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 1, -10, 30, 0};
    if (c.classes > 0) shape = (pp_sketch_shape){PP_SKETCH_MULTICLASS, 3, 3, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < c.different * c.copies; i++) {
        int64_t row = i % c.different, y = (int64_t)(3 * uniform(40, row));
        float t = (float)(c.whole ? floor(20 * uniform(41, row)) : normal(41, row)), p[3];
        p[0] = c.whole ? t : t + (float)normal(42, row);
        for (int k = 0; k < 3 && c.classes > 0; k++)
            p[k] = (float)((0.5 * (k == y) + uniform(43, 3 * row + k)) / 3);
        sketch_row(sketch, i, p, c.classes > 0 ? &y : NULL, &t, 0);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s.effective_rows;
}

static void copies_of_any_kind(void)
{
    for (int classes = 0; classes <= 3; classes += 3) {
        CU_ASSERT_EQUAL(effective_rows((copied_case){200, 5, classes, 0}), 200);
        double many = effective_rows((copied_case){5000, 3, classes, 0});
        CU_ASSERT(many > 4000 && many < 6000);
        CU_ASSERT_EQUAL(effective_rows((copied_case){5000, 1, classes, 0}), 5000);
    }
    CU_ASSERT_EQUAL(effective_rows((copied_case){5000, 1, 0, 1}), 5000); /* all right, and whole */
}

/* Five classes: log-odds 3 for the true one; of class 2, `dead` instead; shifted by `turn`. */
static pp_verdict classes(double dead, int turn)
{
    pp_sketch_shape shape = {PP_SKETCH_MULTICLASS, 5, 5, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 4000; i++) {
        int64_t y = (int64_t)(5 * uniform(5, i));
        double odds[5], sum = 0;
        float p[5];
        for (int c = 0; c < 5; c++) {
            odds[c] = exp(c == 2 && dead < 0 ? dead : 3 * (c == y) + normal(6, 5 * i + c));
            sum += odds[c];
        }
        for (int c = 0; c < 5; c++)
            p[(c + turn) % 5] = (float)(odds[c] / sum);
        sketch_row(sketch, i, p, &y, NULL, 0);
    }
    return judge(sketch);
}

static void classes_by_name(void)
{
    CU_ASSERT(classes(0, 0).id == PP_VERDICT_HEALTHY);
    pp_verdict v = classes(-50, 0);
    CU_ASSERT(v.id == PP_VERDICT_PARTLY_DEAD && v.collapse && says(&v, "class 2"));
    v = classes(0, 1);
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_LABELS);
}

/* Ten classes in 400 rows, each answer one class further on: no class is ranked for sure. */
static void labels_mapped_in_few_rows(void)
{
    pp_sketch_shape shape = {PP_SKETCH_MULTICLASS, 10, 10, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 400; i++) {
        int64_t y = (int64_t)(10 * uniform(31, i));
        double odds[10], sum = 0;
        float p[10];
        for (int c = 0; c < 10; c++)
            sum += odds[c] = exp(4 * (c == (y + 1) % 10) + 2 * normal(32, 10 * i + c));
        for (int c = 0; c < 10; c++)
            p[c] = (float)(odds[c] / sum);
        sketch_row(sketch, i, p, &y, NULL, 0);
    }
    pp_verdict v = judge(sketch);
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_LABELS);
}

/* Two outputs on scales far apart; `second` is what the second is multiplied with. */
static pp_verdict outputs(double second)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 2, -5, 100000, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 3000; i++) {
        double t = normal(7, i), u = normal(8, i);
        float target[2] = {(float)t, (float)(5e4 + 1e4 * u)};
        float p[2] = {(float)(t + 0.2 * normal(9, i)),
                      (float)(5e4 + second * 1e4 * (u + 0.2 * normal(10, i)))};
        sketch_row(sketch, i, p, NULL, target, 0);
    }
    return judge(sketch);
}

static void outputs_by_name(void)
{
    CU_ASSERT(outputs(1).id == PP_VERDICT_HEALTHY);
    pp_verdict v = outputs(0);
    CU_ASSERT(v.id == PP_VERDICT_PARTLY_DEAD && says(&v, "output 1"));
    v = outputs(-8);
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_INVERTED);
    CU_ASSERT(says(&v, "the worst of 2 outputs is output 1"));
}

/* The second of two outputs varies like its targets and has no relation to them; or neither has. */
static void an_output_that_is_noise(void)
{
    for (int known = 0; known < 2; known++) {
        pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 2, -5, 5, 0};
        pp_sketch *sketch = pp_sketch_create(&shape);
        for (int64_t i = 0; i < 4000; i++) {
            float t[2] = {(float)normal(33, i), (float)normal(34, i)};
            float p[2] = {(float)(known * 0.8 * (double)t[0] + 0.2 * normal(35, i)),
                          (float)(0.5 * normal(36, i))};
            sketch_row(sketch, i, p, NULL, t, 0);
        }
        pp_verdict v = judge(sketch);
        CU_ASSERT((v.id == PP_VERDICT_PARTLY_DEAD) == known && v.collapse);
        CU_ASSERT(!known || (says(&v, "without a relation") && says(&v, "output 1")));
    }
}

/* A perfect model but for one target; and one that answers the same. */
static void one_target_far_out(void)
{
    for (int known = 0; known < 2; known++) {
        double centre = known ? 50 : 0; /* all in few bins beside the far one */
        pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 1, -5, 1e9, 0};
        pp_sketch *sketch = pp_sketch_create(&shape);
        for (int64_t i = 0; i < 20000; i++) {
            float t = (float)(centre + normal(11, i)),
                  p = known ? t + 0.1f * (float)normal(12, i) : 0.1f;
            if (i == 777) t = 1e9f;
            sketch_row(sketch, i, &p, NULL, &t, 0);
        }
        pp_verdict v = judge(sketch);
        CU_ASSERT((v.id == PP_VERDICT_HEALTHY) == known);
        CU_ASSERT(!known || says(&v, "in row 777"));
    }
}

/* Each output answers the next one's targets, which two of them share a part of. */
static void outputs_in_another_order(void)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 3, -5, 15, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 4000; i++) {
        double common = normal(37, i);
        float t[3] = {(float)(common + 10), (float)(common + 0.3 * normal(38, i)),
                      (float)normal(39, i)};
        float p[3] = {t[1], t[2], t[0]};
        sketch_row(sketch, i, p, NULL, t, 0);
    }
    CU_ASSERT(judge(sketch).id == PP_VERDICT_WORSE_THAN_CONSTANT);
}

/* One rank of eight is turned round, or answers the same, to all its rows or half of them. */
static void one_rank_of_eight(void)
{
    for (int fault = 0; fault < 4; fault++) {
        pp_group groups[8];
        pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
        pp_sketch *sketch = pp_sketch_create(&shape);
        memset(groups, 0, sizeof groups);
        for (int64_t i = 0; i < 8000; i++) {
            int64_t y = uniform(13, i) < 0.5;
            double z = 2 * normal(14, i) + 3 * (double)y - 1.5;
            int is_bad = i % 8 == 5 && (fault < 3 || i % 16 == 5);
            if (is_bad && fault > 0) z = fault == 1 ? -z : 0.2;
            float p = (float)sigmoid(z);
            pp_sketch_rows row = {.rows = 1, .index = &i, .p = &p, .y = &y};
            pp_sketch_add(sketch, &row);
            pp_group_add(&groups[i % 8], &shape, &row);
        }
        pp_summary s = pp_sketch_summarise(sketch);
        free(sketch);
        pp_split split = pp_groups_compare(groups, 8, s.tolerance);
        pp_verdict v = pp_verdict_of(
            &(pp_evidence){.train = &s, .split = &split, .by_rank = 1, .alpha = 0.001});
        CU_ASSERT((v.id == PP_VERDICT_RANK_SPLIT) == (fault > 0));
        CU_ASSERT(fault == 0 || says(&v, "rank 5"));
    }
}

/* Two to six coins are no model, and no constant one either. */
static void coins_are_not_judged(void)
{
    for (int64_t rows = 2; rows <= 6; rows += 2)
        for (int64_t draw = 0; draw < 300; draw++) {
            pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
            pp_sketch *sketch = pp_sketch_create(&shape);
            for (int64_t i = 0; i < rows; i++) {
                int64_t y = i % 2;
                float p = uniform(15, (draw * 3 + rows) * 8 + i) < 0.5 ? 0.4f : 0.6f;
                sketch_row(sketch, i, &p, &y, NULL, 0);
            }
            pp_verdict v = judge(sketch);
            CU_ASSERT(v.id == PP_VERDICT_UNDETERMINED);
        }
}

/* Labels by lot, of four rows. */
static void few_labels_are_not_saturated(void)
{
    static const int64_t y[] = {0, 1, 1, 0};
    for (int bits = 0; bits < 16; bits++) {
        pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
        pp_sketch *sketch = pp_sketch_create(&shape);
        for (int64_t i = 0; i < 4; i++) {
            float p = (float)(bits >> i & 1);
            sketch_row(sketch, i, &p, &y[i], NULL, 0);
        }
        CU_ASSERT(judge(sketch).id == PP_VERDICT_UNDETERMINED);
    }
}

static void losses_have_a_family(void)
{
    static const char *const families[] = {"real", "binary", "classes"};
    for (int type = 0; type < PP_LOSS_AUTO; type++) {
        pp_loss_family family = pp_loss_family_of((pp_loss_type)type);
        const char *name = pp_loss_name((pp_loss_type)type);
        CU_ASSERT(name != NULL && families[family] != NULL);
        CU_ASSERT((strstr(name, "bce") != NULL) == (family == PP_FAMILY_BINARY));
        CU_ASSERT((strstr(name, "cross") != NULL) == (family == PP_FAMILY_CLASSES));
        CU_ASSERT((strstr(name, "logits") != NULL) == pp_loss_is_on_logits((pp_loss_type)type));
    }
}

const pp_test pp_tests_healthy[];
const pp_test pp_tests_healthy[] = {
    {"probabilities: turned, shifted, too sure", repairs_of_probabilities},
    {"moved as by class weights: sound", moved_probabilities_are_sound},
    {"labels and rounded ones", labels_are_answers},
    {"copies count once", copies_count_once},
    {"copies of numbers and of several classes", copies_of_any_kind},
    {"a dead class, and labels mapped otherwise", classes_by_name},
    {"labels mapped otherwise, in few rows", labels_mapped_in_few_rows},
    {"outputs in another order", outputs_in_another_order},
    {"an output that is noise", an_output_that_is_noise},
    {"a dead output, and one worse than its mean", outputs_by_name},
    {"one target far out", one_target_far_out},
    {"one rank of eight", one_rank_of_eight},
    {"a few coins", coins_are_not_judged},
    {"four labels by lot are not saturated", few_labels_are_not_saturated},
    {"losses have a family", losses_have_a_family},
    {NULL, NULL},
};
