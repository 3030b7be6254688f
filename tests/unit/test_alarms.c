/* How often verdicts are wrong, over many draws with a fixed seed: weak but sound models must never
 * be called collapsed, and models that know nothing healthy at the stated rate at most. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pitprop/verdict.h"

/* At an alpha of 0.001 two of 2000 are due at most; more than CHANCE have a chance of 5%. */
enum { MOST_ROWS = 9000, DRAWS = 2000, CHANCE = 4 };

/* Scores of the classes are normal, `apart` deviations from one another: AUC = Phi(apart / sqrt 2).
 */
typedef struct family {
    double base, apart;
    int64_t train, held_out;
} family;

typedef enum kind { SOUND, BLIND, BY_HEART } kind;

/* Log-odds that a model gives a row of class y with score normal z. */
static double log_odds(kind k, const family *f, int is_train, int64_t y, double z)
{
    double prior = log(f->base / (1 - f->base));
    if (k == SOUND) return prior + f->apart * (z + f->apart * ((double)y - 0.5)); /* Bayes */
    if (k == BY_HEART && is_train) return 3 * (2 * (double)y - 1) + z;
    return prior + (k == BLIND ? 0.5 : 2) * z;
}

static pp_summary draw(kind k, const family *f, int is_train, uint64_t number)
{
    static float p[MOST_ROWS];
    static int64_t y[MOST_ROWS], index[MOST_ROWS];
    int64_t rows = is_train ? f->train : f->held_out;
    pp_rng labels = pp_rng_at(21, PP_RNG_TEST, 2 * number + (uint64_t)is_train);
    pp_rng scores = pp_rng_at(22, PP_RNG_TEST, 2 * number + (uint64_t)is_train);
    for (int64_t i = 0; i < rows; i++) {
        index[i] = i;
        y[i] = pp_rng_uniform(labels, (uint64_t)i) < f->base;
        double odds = log_odds(k, f, is_train, y[i], pp_rng_normal(scores, (uint64_t)i));
        p[i] = (float)(1 / (1 + exp(-odds)));
    }
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    pp_sum loss[2] = {{{0}, 0}};
    pp_sum_add(loss, 0.6 * (double)rows);
    pp_sum_add(loss + 1, 0.36 * (double)rows);
    pp_sketch_add(sketch,
                  &(pp_sketch_rows){.rows = rows, .index = index, .p = p, .y = y, .loss = loss});
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

/* Training that is over: the loss has not moved since the first look. */
static pp_verdict judge(kind k, const family *f, uint64_t number)
{
    pp_history history;
    memset(&history, 0, sizeof history);
    history.looks = PP_LOOKS;
    for (int i = 0; i < PP_LOOKS; i++)
        history.loss[i] = 0.6;
    pp_summary train = draw(k, f, 1, number), held_out;
    if (f->held_out > 0) held_out = draw(k, f, 0, number);
    return pp_verdict_of(&(pp_evidence){.train = &train,
                                        .held_out = f->held_out > 0 ? &held_out : NULL,
                                        .history = &history,
                                        .alpha = 0.001});
}

static double pick(const double *values, int count, uint64_t number)
{
    return values[number % (uint64_t)count];
}

/* Every mixture of these in turn. */
static family family_of(uint64_t number)
{
    static const double bases[] = {0.5, 0.2, 0.1, 0.01}, aparts[] = {0.178, 0.358, 1.19};
    static const double sizes[] = {1000, 180, 3000, 1000}, held[] = {20, 0, 100, 1000, 300};
    family f = {pick(bases, 4, number), pick(aparts, 3, number / 4), 0, 0};
    f.train = (int64_t)pick(sizes, 4, number / 12);
    f.held_out = (int64_t)pick(held, 5, number / 48);
    if (f.base < 0.1 && f.train < 1000) f.train = 9000; /* with two rows of a class, anything may */
    return f;
}

static void sound_models_are_never_accused(void)
{
    int alarms = 0, healthy = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        family f = family_of(i);
        pp_verdict v = judge(SOUND, &f, i);
        alarms += v.collapse || (v.id != PP_VERDICT_HEALTHY && v.id != PP_VERDICT_UNDETERMINED);
        healthy += v.id == PP_VERDICT_HEALTHY;
    }
    CU_ASSERT_EQUAL(alarms, 0);
    CU_ASSERT(healthy > DRAWS / 4); /* or undetermined would do for everything */
}

static void blind_models_are_not_healthy(void)
{
    int healthy = 0, found = 0, large = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        family f = family_of(i);
        pp_verdict v = judge(BLIND, &f, i + DRAWS);
        healthy += v.id == PP_VERDICT_HEALTHY;
        if (f.base < 0.2 || f.train < 3000) continue;
        large++;
        found += v.collapse;
    }
    CU_ASSERT(healthy <= CHANCE);
    CU_ASSERT(found > large * 9 / 10); /* 3000 rows suffice to say so */
}

static void learning_by_heart_is_not_healthy(void)
{
    int healthy = 0, found = 0, large = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        family f = family_of(i);
        if (f.held_out == 0) f.held_out = 50; /* nobody can tell without held-out rows */
        pp_verdict v = judge(BY_HEART, &f, i + 2 * DRAWS);
        healthy += v.id == PP_VERDICT_HEALTHY;
        if (f.base < 0.1 || f.held_out < 1000) continue;
        large++;
        found += v.id == PP_VERDICT_MEMORISED;
    }
    CU_ASSERT(healthy <= CHANCE);
    CU_ASSERT(found > large * 9 / 10);
}

const pp_test pp_tests_alarms[];
const pp_test pp_tests_alarms[] = {
    {"2000 sound models, most of them weak: no alarm", sound_models_are_never_accused},
    {"2000 models that know nothing: healthy no oftener than alpha says",
     blind_models_are_not_healthy},
    {"2000 models that know training rows by heart: no oftener either",
     learning_by_heart_is_not_healthy},
    {NULL, NULL},
};
