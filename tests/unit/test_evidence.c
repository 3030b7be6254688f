/* Verdicts that need more than one set of predictions, or more than two columns of numbers: each
 * with a near miss that must not be taken for it. */
#include "support/sketch_rows.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pitprop/verdict.h"

static double uniform(uint64_t stream, int64_t row)
{
    return pp_rng_uniform(pp_rng_at(12, PP_RNG_TEST, stream), (uint64_t)row);
}

static double normal(uint64_t stream, int64_t row)
{
    return pp_rng_normal(pp_rng_at(12, PP_RNG_TEST, stream), (uint64_t)row);
}

/* Log-odds of class 1: offset + signal (y - 1/2) + noise. */
typedef struct set {
    uint64_t stream;
    int64_t rows;
    double base, offset, signal, noise;
    int brief;
} set;

static pp_summary draw(set d)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, d.brief};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < d.rows; i++) {
        int64_t y = uniform(2 * d.stream, i) < d.base;
        double odds =
            d.offset + d.signal * ((double)y - 0.5) + d.noise * normal(2 * d.stream + 1, i);
        float p = (float)(1 / (1 + exp(-odds)));
        sketch_row(sketch, i, &p, &y, NULL, 0.1);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

static pp_verdict judge(set train, set held_out)
{
    pp_summary t = draw(train), h = draw(held_out);
    return pp_verdict_of(&(pp_evidence){.train = &t, .held_out = &h, .alpha = 0.001});
}

static int holds(const pp_verdict *v, pp_verdict_id id)
{
    return v->holds >> id & 1;
}

static void memorised(void)
{
    set known = {1, 200, 0.5, 0, 8, 1, 0}, noise = {2, 1000, 0.5, 0, 0, 4, 0};
    pp_verdict v = judge(known, noise);
    CU_ASSERT(v.id == PP_VERDICT_MEMORISED && v.collapse);
    CU_ASSERT(strstr(v.sentence, "200 training rows") != NULL);
    noise.rows = 20; /* cannot be told, and the training rows are no help */
    v = judge(known, noise);
    CU_ASSERT(v.id == PP_VERDICT_UNDETERMINED && !v.collapse);
    CU_ASSERT(strstr(v.sentence, "on 20 held-out rows") != NULL);
    v = judge(known, (set){3, 1000, 0.5, 0, 1, 3, 0}); /* AUC 0.59, as sure as in training */
    CU_ASSERT(v.id == PP_VERDICT_WORSE_THAN_CONSTANT && v.reason == PP_REASON_OVERFITTED);
    v = judge(known, (set){4, 1000, 0.5, 0, 3, 1, 0});
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY);
}

static void few_held_out_rows(void)
{
    set known = {1, 2000, 0.5, 0, 3, 1.7, 0};
    for (uint64_t draws = 0; draws < 40; draws++) {
        pp_verdict v = judge(known, (set){100 + draws, 20, 0.5, 0, 3, 1.7, 0});
        CU_ASSERT(!v.collapse);
        CU_ASSERT(v.id == PP_VERDICT_HEALTHY || v.id == PP_VERDICT_UNDETERMINED);
    }
    pp_verdict v = judge(known, (set){5, 20, 0.5, 0, 30, 1, 0}); /* all in order, ten of each */
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY);
    v = judge(known, (set){6, 30, 0, 0, 3, 1, 0}); /* one class alone is held out */
    CU_ASSERT(v.id == PP_VERDICT_UNDETERMINED && strstr(v.sentence, "do not differ") != NULL);
    v = judge((set){7, 2000, 0.5, 0, 0, 1e-3, 0}, (set){8, 5, 0.5, 0, 0, 1e-3, 0});
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF); /* the same on 5 rows as on 2000 */
}

static void constant_in_part_is_not_constant(void)
{
    pp_verdict v = judge((set){1, 2000, 0.5, 0, 3, 1, 0}, (set){9, 20, 0.1, -4, 0, 0.001, 0});
    CU_ASSERT(v.id != PP_VERDICT_CONSTANT && v.id != PP_VERDICT_AT_BASE_RATE && !v.collapse);
}

static void saturated(void)
{
    set stuck = {10, 2000, 0.5, 0, 0, 1000, 0};
    pp_verdict v = judge(stuck, stuck);
    CU_ASSERT(v.id == PP_VERDICT_SATURATED && v.collapse);
    set right = {11, 2000, 0.5, 0, 200, 1, 0}; /* at 0 and 1, and right */
    CU_ASSERT(judge(right, right).id == PP_VERDICT_HEALTHY);
    right.rows = 25;
    CU_ASSERT(!judge(right, right).collapse);
}

/* Predictions clamp(raw), targets around `centre`. */
static pp_verdict clamped_verdict(double centre, double slope)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 1, centre - 4, centre + 4, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 1000; i++) {
        float t = (float)(centre + normal(40, i));
        float raw = (float)(centre + slope * ((double)t - centre) + 0.1 * normal(41, i));
        float p = raw < 0 ? 0 : raw > 1 ? 1 : raw;
        pp_sketch_add(sketch,
                      &(pp_sketch_rows){.rows = 1, .index = &i, .p = &p, .raw = &raw, .t = &t});
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return pp_verdict_of(&(pp_evidence){.train = &s, .alpha = 0.001});
}

static void clamped(void)
{
    pp_verdict v = clamped_verdict(20, 0.9);
    CU_ASSERT(v.id == PP_VERDICT_CLAMPED && v.collapse);
    CU_ASSERT(strstr(v.sentence, "cut 100.0%") != NULL);
    CU_ASSERT(clamped_verdict(0.5, 0.9).id == PP_VERDICT_HEALTHY); /* most are cut, and right */
}

static void splits(void)
{
    set alive = {12, 2000, 0.5, 0, 0, 1, 0};
    pp_summary t = draw(alive);
    pp_split split = {
        .groups = 4, .constant = 4, .within = 0.001, .between = 0.4, .tolerance = 0.01};
    pp_evidence e = {.train = &t, .split = &split, .alpha = 0.001};
    CU_ASSERT(pp_verdict_of(&e).id == PP_VERDICT_LANE_SPLIT);
    e.by_rank = 1;
    pp_verdict v = pp_verdict_of(&e);
    CU_ASSERT(v.id == PP_VERDICT_RANK_SPLIT && v.collapse);
    CU_ASSERT(strstr(v.sentence, "4 ranks") != NULL);
    split.constant = 3; /* one varies: no statement about all */
    v = pp_verdict_of(&e);
    CU_ASSERT(!holds(&v, PP_VERDICT_RANK_SPLIT));
    split = (pp_split){.groups = 4,
                       .constant = 4,
                       .within = 0.001,
                       .between = 0.005,
                       .tolerance = 0.01}; /* the same everywhere */
    v = pp_verdict_of(&e);
    CU_ASSERT(!holds(&v, PP_VERDICT_RANK_SPLIT));
    split = (pp_split){.groups = 1, .constant = 1, .tolerance = 0.01}; /* nothing to compare */
    v = pp_verdict_of(&e);
    CU_ASSERT(!holds(&v, PP_VERDICT_RANK_SPLIT));
}

/* A group whose targets are of one class is rightly constant and proves nothing. */
static void sorted_lanes_are_no_split(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_group groups[3];
    memset(groups, 0, sizeof groups);
    for (int64_t i = 0; i < 300; i++) {
        int64_t y = i / 100 == 2 ? i % 2 : i / 100;
        float sure = y ? 0.999f : 0.001f;
        pp_group_add(&groups[i / 100], &shape, &(pp_sketch_rows){.rows = 1, .p = &sure, .y = &y});
    }
    pp_split split = pp_groups_compare(groups, 3, 0.01);
    CU_ASSERT(split.groups == 1 && split.constant == 0);
}

static void batch_statistics(void)
{
    pp_summary running = draw((set){13, 2000, 0.5, 0, 3, 1, 1});
    pp_summary lost = draw((set){14, 2000, 0.5, 3, 0, 1, 0});
    pp_evidence e = {.train = &lost, .running = &running, .alpha = 0.001};
    pp_verdict v = pp_verdict_of(&e);
    CU_ASSERT(v.id == PP_VERDICT_BATCH_STATISTICS && v.collapse);
    CU_ASSERT(strstr(v.sentence, "In training mode") != NULL);
    pp_summary same =
        draw((set){15, 2000, 0.5, 0, 3, 1.2, 0}); /* a little worse, as dropout does */
    e.train = &same;
    v = pp_verdict_of(&e);
    CU_ASSERT(v.id == PP_VERDICT_HEALTHY);
    pp_summary blind = draw((set){16, 2000, 0.5, 0, 0, 1, 1}); /* never knew anything */
    e = (pp_evidence){.train = &lost, .running = &blind, .alpha = 0.001};
    v = pp_verdict_of(&e);
    CU_ASSERT(!holds(&v, PP_VERDICT_BATCH_STATISTICS));
}

/* Looks with these losses, evenly from the first to the last. */
static pp_history history_of(double first, double last)
{
    pp_history h;
    memset(&h, 0, sizeof h);
    h.looks = PP_LOOKS;
    for (int i = 0; i < PP_LOOKS; i++)
        h.loss[i] = first + (last - first) * i / (PP_LOOKS - 1);
    return h;
}

static void diverged(void)
{
    pp_summary far = draw((set){17, 1000, 0.5, 0, 0, 80, 0});
    pp_history up = history_of(0.7, 30), down = history_of(30, 20);
    pp_evidence e = {.train = &far, .history = &up, .alpha = 0.001};
    CU_ASSERT(pp_verdict_of(&e).id == PP_VERDICT_DIVERGED);
    e.history = &down; /* was worse: not on its way up */
    CU_ASSERT(pp_verdict_of(&e).id != PP_VERDICT_DIVERGED);
    e.history = NULL;
    CU_ASSERT(pp_verdict_of(&e).id != PP_VERDICT_DIVERGED);
    pp_summary fair = draw((set){18, 1000, 0.5, 0, 3, 1, 0});
    e = (pp_evidence){.train = &fair, .history = &up, .alpha = 0.001};
    CU_ASSERT(pp_verdict_of(&e).id == PP_VERDICT_HEALTHY);
}

/* Ranks as a good model, on a scale a hundred times too small. */
static void not_yet_learned(void)
{
    pp_summary small = draw((set){19, 4000, 0.5, 0, 0.03, 0.01, 0});
    pp_history falling = history_of(0.693, 0.66), still = history_of(0.693, 0.693);
    pp_evidence e = {.train = &small, .history = &falling, .alpha = 0.001};
    pp_verdict v = pp_verdict_of(&e);
    CU_ASSERT(v.id == PP_VERDICT_NOT_YET_LEARNED && !v.collapse);
    CU_ASSERT(strstr(v.sentence, "still falling") != NULL);
    e.history = &still;
    v = pp_verdict_of(&e);
    CU_ASSERT(v.collapse && v.id == PP_VERDICT_AT_HALF && holds(&v, PP_VERDICT_NOT_YET_LEARNED));
    for (int i = 0; i < PP_LOOKS; i++) /* falls by less than a look may be off by */
        falling.loss_error[i] = 0.01;
    e.history = &falling;
    v = pp_verdict_of(&e);
    CU_ASSERT(v.collapse && v.id == PP_VERDICT_AT_HALF);
    e.history = &still;
    /* varies as it should, and earns little: hard, not unlearned */
    pp_summary hard = draw((set){20, 4000, 0.5, 0, 0.15, 0.38, 0});
    e = (pp_evidence){.train = &hard, .history = &still, .alpha = 0.001};
    CU_ASSERT(pp_verdict_of(&e).id == PP_VERDICT_HEALTHY);
    /* ranks by the luck of its first weights, far worse than a constant, and nothing moved */
    pp_summary luck = draw((set){21, 4000, 0.5, 0, 0.8, 3, 0});
    e.train = &luck;
    v = pp_verdict_of(&e);
    CU_ASSERT(v.id == PP_VERDICT_NOT_YET_LEARNED && v.collapse);
}

static void undetermined(void)
{
    set few = {22, 40, 0.5, 0, 0.2, 1, 0};
    pp_summary s = draw(few);
    pp_verdict v = pp_verdict_of(&(pp_evidence){.train = &s, .alpha = 0.001});
    CU_ASSERT(v.id == PP_VERDICT_UNDETERMINED && !v.collapse && v.n_tests == 3);
    CU_ASSERT(strstr(v.sentence, "Cannot tell yet") == v.sentence);
    CU_ASSERT(strstr(v.sentence, "on 40 rows") != NULL);
}

/* Four rows, as of "exclusive or". */
static void four_rows(void)
{
    static const int64_t y[] = {0, 1, 1, 0};
    for (int round = 0; round < 2; round++) {
        pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
        pp_sketch *sketch = pp_sketch_create(&shape);
        for (int64_t i = 0; i < 4; i++) {
            float p = 0.5f + (round == 0 ? 2e-5f * (float)i : 0.02f * (float)i);
            sketch_row(sketch, i, &p, &y[i], NULL, 0.7);
        }
        pp_summary s = pp_sketch_summarise(sketch);
        free(sketch);
        pp_verdict v = pp_verdict_of(&(pp_evidence){.train = &s, .alpha = 0.001});
        CU_ASSERT(v.id == (round == 0 ? PP_VERDICT_AT_HALF : PP_VERDICT_UNDETERMINED));
    }
}

static void where_numbers_ended_is_told(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    float p = NAN;
    int64_t y = 0;
    sketch_row(sketch, 3, &p, &y, NULL, NAN);
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    pp_history h = history_of(1, 1);
    h.non_finite = (pp_non_finite){12, 345, "the output of layer 2 (dense)"};
    pp_evidence e = {.train = &s, .history = &h, .alpha = 0.001};
    pp_verdict v = pp_verdict_of(&e);
    CU_ASSERT(v.id == PP_VERDICT_NON_FINITE);
    CU_ASSERT(strstr(v.sentence, "step 12 with the output of layer 2 (dense), row 345") != NULL);
    pp_json_writer *writer = pp_json_writer_create(0);
    pp_verdict_write(&v, &e, writer);
    CU_ASSERT(strstr(pp_json_text(writer, NULL), "\"first_non_finite\":{\"step\":12") != NULL ||
              strstr(pp_json_text(writer, NULL), "\"first_non_finite\": {\"step\": 12") != NULL);
    pp_json_writer_destroy(writer);
}

const pp_test pp_tests_evidence[];
const pp_test pp_tests_evidence[] = {
    {"memorised, but not of 20 rows nor where a part carries over", memorised},
    {"few held-out rows accuse nobody", few_held_out_rows},
    {"constant on a few held-out rows alone is not constant", constant_in_part_is_not_constant},
    {"saturated, unless it is right", saturated},
    {"clamped, unless it is right", clamped},
    {"split by lane and by rank", splits},
    {"lanes of one class each are no split", sorted_lanes_are_no_split},
    {"batch statistics", batch_statistics},
    {"diverged: far off and on its way up", diverged},
    {"not yet learned, still or no more learning", not_yet_learned},
    {"undetermined on 40 rows", undetermined},
    {"four rows: the same to within rounding, or not", four_rows},
    {"where numbers ended is told", where_numbers_ended_is_told},
    {NULL, NULL},
};
