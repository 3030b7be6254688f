/* Looks on the way: what calls a collapse, when, and what must never call one. */
#include "support/sketch_rows.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pitprop/verdict.h"

/* A run as its looks see it, each with ROWS predictions at p = 0.5 + lift (y - 1/2) + noise. */
typedef struct stage {
    double loss, gradient, lift, noise;
    int alike, flat_evaluation;
    double loss_deviation; /* of rows */
} stage;

enum { ROWS = 600, STEPS = 1000 };

static pp_summary seen(int look, const stage *now)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 1};
    pp_sketch *sketch = pp_sketch_create(&shape);
    pp_rng labels = pp_rng_at(5, PP_RNG_TEST, (uint64_t)look);
    pp_rng noise = pp_rng_at(6, PP_RNG_TEST, (uint64_t)look);
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t y = pp_rng_uniform(labels, (uint64_t)i) < 0.5;
        double p =
            0.5 + now->lift * ((double)y - 0.5) + now->noise * pp_rng_normal(noise, (uint64_t)i);
        double loss = now->loss + (i % 2 ? 1 : -1) * now->loss_deviation;
        float given = (float)fmin(1, fmax(0, p));
        sketch_row(sketch, i, &given, &y, NULL, loss);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

/* Look at which collapse is called, from 1; 0: never. */
static int64_t called(stage (*at)(int look), pp_verdict *verdict)
{
    pp_history history;
    memset(&history, 0, sizeof history);
    for (int look = 1; look <= PP_LOOKS; look++) {
        stage now = at(look);
        pp_summary running = seen(look, &now);
        stage flat = {.loss = 0.8};
        pp_summary evaluation = seen(look, now.flat_evaluation ? &flat : &now);
        pp_look l = {.running = &running,
                     .evaluation = &evaluation,
                     .gradient = now.gradient,
                     .alike = now.alike,
                     .step = look * STEPS / PP_LOOKS,
                     .steps = STEPS,
                     .alpha = 0.001};
        pp_verdict found;
        if (pp_history_look(&history, &l, &found) && verdict != NULL) *verdict = found;
    }
    return history.called;
}

static stage dead(int look)
{
    (void)look;
    return (stage){.loss = 0.693, 0, 0, 1e-4};
}

static void no_gradient_is_called_at_the_second_look(void)
{
    pp_verdict v;
    CU_ASSERT_EQUAL(called(dead, &v), 2);
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF && v.collapse);
}

/* The output bias alone moves, against the rows that an epoch has left. */
static stage dead_but_for_a_bias(int look)
{
    (void)look;
    return (stage){.loss = 0.693, 0, -0.002, 0.0015};
}

static void a_bias_that_follows_the_batches_is_no_learning(void)
{
    pp_verdict v;
    CU_ASSERT_EQUAL(called(dead_but_for_a_bias, &v), 2);
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF && v.collapse);
}

/* A step without gradient is chance where it is one. */
static stage dead_now_and_then(int look)
{
    return (stage){.loss = 0.693, look % 2 ? 0 : 0.1 * look, 0, 1e-4};
}

/* Without gradient because all is learnt. */
static stage perfect(int look)
{
    (void)look;
    return (stage){.loss = 0.001, 0, 0.98, 0.001};
}

static void no_gradient_at_one_look_or_of_a_good_model_is_not(void)
{
    CU_ASSERT_EQUAL(called(dead_now_and_then, NULL), 0);
    CU_ASSERT_EQUAL(called(perfect, NULL), 0);
}

/* A bias moves from step to step, and within a step all rows have the same outputs. */
static stage alike(int look)
{
    (void)look;
    return (stage){.loss = 0.693, 0.1, 0, 1e-3, .alike = 1};
}

/* As with weights that begin at 0 and a rate that rises from there. */
static stage alike_at_first(int look)
{
    return look == 1 ? (stage){.loss = 0.693, 0.1, 0, 0, .alike = 1}
                     : (stage){.loss = 0.693 / look, 1, 0.4, 0.1};
}

static void rows_with_the_same_outputs_are_called_at_the_second_look(void)
{
    pp_verdict v;
    CU_ASSERT_EQUAL(called(alike, &v), 2);
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF && v.collapse);
    CU_ASSERT_EQUAL(called(alike_at_first, NULL), 0);
}

static stage sound_but_for_evaluations(int look)
{
    return (stage){.loss = 0.693 / look, 1, 0.6, 0.1, .flat_evaluation = 1};
}

/* Running statistics that are far off at first. */
static stage evaluations_lag_behind(int look)
{
    return (stage){.loss = 0.693 / look, 1, 0.6, 0.1, .flat_evaluation = look <= 5};
}

static void evaluations_that_find_nothing_are_called_once_they_last(void)
{
    pp_verdict v;
    CU_ASSERT_EQUAL(called(sound_but_for_evaluations, &v), 6);
    CU_ASSERT(v.id == PP_VERDICT_BATCH_STATISTICS && v.collapse);
    CU_ASSERT_EQUAL(called(evaluations_lag_behind, NULL), 0);
}

static stage running_away(int look)
{
    return (stage){.loss = 0.7 * pow(4, look), 10, 0, 0.3};
}

/* Tenfold for one look, as large steps at the beginning do. */
static stage overshoot(int look)
{
    return look == 2 ? (stage){.loss = 12, 50, 0, 0.3} : (stage){.loss = 0.7 / look, 1, 0.4, 0.1};
}

static void a_loss_that_runs_away_is_called(void)
{
    pp_verdict v;
    int64_t look = called(running_away, &v);
    CU_ASSERT(look >= 2 && look <= 4);
    CU_ASSERT(v.id == PP_VERDICT_DIVERGED);
    CU_ASSERT_EQUAL(called(overshoot, NULL), 0);
}

static void what_is_no_number_is_called_at_once(void)
{
    pp_history history;
    memset(&history, 0, sizeof history);
    float p = NAN;
    int64_t y = 1;
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 1};
    pp_sketch *sketch = pp_sketch_create(&shape);
    sketch_row(sketch, 0, &p, &y, NULL, NAN);
    pp_summary running = pp_sketch_summarise(sketch);
    free(sketch);
    pp_verdict v;
    CU_ASSERT(
        pp_history_look(
            &history,
            &(pp_look){
                .running = &running, .gradient = NAN, .step = 50, .steps = STEPS, .alpha = 0.001},
            &v) == 1);
    CU_ASSERT(v.id == PP_VERDICT_NON_FINITE);
}

/* Flat up to a look, then learning. The gradient of a saddle grows before the loss falls. */
static stage plateau(int look, int end)
{
    if (look <= end) return (stage){.loss = 0.693, 0.01 * pow(1.3, look), 0, 1e-3};
    double learnt = fmin(1, (look - end) / 4.0);
    return (stage){.loss = 0.693 - 0.4 * learnt, 1, 0.5 * learnt, 0.1};
}

static stage plateau_of_two_fifths(int look)
{
    return plateau(look, 8);
}

static stage plateau_of_seven_tenths(int look)
{
    return plateau(look, 14);
}

/* Never ends, and nothing moves. */
static stage forever(int look)
{
    return (stage){.loss = 0.6931 + 1e-5 * (look % 2), 0.05, 0, 1e-3};
}

/* Flat predictions to the end, but the gradient grows, or the loss falls: something may come. */
static stage about_to_move(int look)
{
    return (stage){.loss = 0.693, 0.01 * pow(1.2, look), 0, 1e-3};
}

static stage falling(int look)
{
    return (stage){.loss = 0.693 - 0.002 * look, 0.05, 0, 1e-3};
}

static void slow_starters_are_never_called(void)
{
    CU_ASSERT_EQUAL(called(plateau_of_two_fifths, NULL), 0);
    CU_ASSERT_EQUAL(called(plateau_of_seven_tenths, NULL), 0);
    CU_ASSERT_EQUAL(called(about_to_move, NULL), 0);
    CU_ASSERT_EQUAL(called(falling, NULL), 0);
}

static void what_never_moves_is_called_late(void)
{
    pp_verdict v;
    CU_ASSERT_EQUAL(called(forever, &v), PP_LOOKS * 3 / 4);
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF);
}

/* Weak from the first look to the last, and never more: AUC 0.6. */
static stage weak(int look)
{
    (void)look;
    return (stage){.loss = 0.68, 0.05, 0.036, 0.1};
}

/* Losses of rows so far apart that 600 of them do not tell a fall of 0.02 from none. */
static stage flat_but_for_noise(int look)
{
    stage now = {.loss = 0.693 + (look % 2 ? 0.01 : -0.01), 0.05, 0, 1e-3};
    now.loss_deviation = 0.5;
    return now;
}

static void a_fall_within_noise_is_none(void)
{
    pp_verdict v;
    CU_ASSERT_EQUAL(called(flat_but_for_noise, &v), PP_LOOKS * 3 / 4);
    CU_ASSERT(v.id == PP_VERDICT_AT_HALF && v.collapse);
}

static void weak_models_are_never_called(void)
{
    CU_ASSERT_EQUAL(called(weak, NULL), 0);
}

const pp_test pp_tests_history[];
const pp_test pp_tests_history[] = {
    {"a fall within noise is none", a_fall_within_noise_is_none},
    {"no gradient at two looks is called", no_gradient_is_called_at_the_second_look},
    {"a bias that follows the batches is no learning",
     a_bias_that_follows_the_batches_is_no_learning},
    {"no gradient at one look, or of a good model, is not",
     no_gradient_at_one_look_or_of_a_good_model_is_not},
    {"rows with the same outputs are called at the second look",
     rows_with_the_same_outputs_are_called_at_the_second_look},
    {"evaluations that find nothing are called once they last",
     evaluations_that_find_nothing_are_called_once_they_last},
    {"a loss that runs away is called, one that overshoots is not",
     a_loss_that_runs_away_is_called},
    {"what is no number is called at once", what_is_no_number_is_called_at_once},
    {"slow starters are never called", slow_starters_are_never_called},
    {"what never moves is called at three quarters", what_never_moves_is_called_late},
    {"weak models are never called", weak_models_are_never_called},
    {NULL, NULL},
};
