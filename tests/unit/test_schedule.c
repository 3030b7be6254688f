/* Learning rates and the watched loss, against numbers worked out by hand. */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "model/schedule.h"

static const pp_watch nothing_seen;

static pp_job job_with(pp_job_schedule schedule)
{
    return (pp_job){.optimizer = {.lr = 0.8}, .schedule = schedule};
}

/* 100 steps of 10 an epoch. */
static double lr_at(const pp_job *job, int64_t step)
{
    return pp_schedule_lr(job, &nothing_seen, step, 100, 10);
}

static void test_constant(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_CONSTANT});
    CU_ASSERT_EQUAL(lr_at(&job, 0), 0.8);
    CU_ASSERT_EQUAL(lr_at(&job, 99), 0.8);
}

static void test_step(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_STEP, .factor = 0.5, .every = 2});
    CU_ASSERT_EQUAL(lr_at(&job, 0), 0.8);
    CU_ASSERT_EQUAL(lr_at(&job, 19), 0.8);
    CU_ASSERT_EQUAL(lr_at(&job, 20), 0.4);
    CU_ASSERT_EQUAL(lr_at(&job, 39), 0.4);
    CU_ASSERT_EQUAL(lr_at(&job, 40), 0.2);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 99), 0.8 / 16, 1e-15);
}

/* Drops every tenth of an epoch of ten steps come at each step, though 3 / 10 / 0.1 < 3. */
static void test_step_boundaries(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_STEP, .factor = 0.5, .every = 0.1});
    for (int step = 0; step < 100; step++)
        CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, step), ldexp(0.8, -step), ldexp(1e-12, -step));
}

static void test_exponential(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_EXPONENTIAL, .factor = 0.25});
    CU_ASSERT_EQUAL(lr_at(&job, 0), 0.8);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 5), 0.4, 1e-15); /* half an epoch */
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 10), 0.2, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 20), 0.05, 1e-15);
}

static void test_inverse_time(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_INVERSE_TIME, .rate = 0.5});
    CU_ASSERT_EQUAL(lr_at(&job, 0), 0.8);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 20), 0.4, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 60), 0.2, 1e-15);
}

static void test_cosine(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_COSINE, .final = 0.1});
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 0), 0.8, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 50), 0.8 * (0.1 + 0.9 / 2), 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 100), 0.08, 1e-15); /* when all is done */
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 1000), 0.08, 1e-15);
    for (int step = 0; step < 100; step++)
        CU_ASSERT(lr_at(&job, step) > lr_at(&job, step + 1));
}

static void test_warmup(void)
{
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_CONSTANT, .warmup_steps = 4});
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 0), 0.2, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 1), 0.4, 1e-15);
    CU_ASSERT_EQUAL(lr_at(&job, 3), 0.8);
    CU_ASSERT_EQUAL(lr_at(&job, 4), 0.8);
}

/* The schedule's time, in epochs or as share of what is left, begins after the warm-up. */
static void test_time_after_warmup(void)
{
    pp_job_schedule schedule = {.type = PP_SCHEDULE_EXPONENTIAL, .factor = 0.5, .warmup_steps = 20};
    pp_job job = job_with(schedule);
    CU_ASSERT_EQUAL(lr_at(&job, 20), 0.8);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 30), 0.4, 1e-15);
    job.schedule = (pp_job_schedule){.type = PP_SCHEDULE_COSINE, .warmup_steps = 20};
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 20), 0.8, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 60), 0.4, 1e-15);
    job.schedule.warmup_steps = 100; /* nothing is left: the end at once */
    CU_ASSERT_DOUBLE_EQUAL(lr_at(&job, 99), 0.8, 1e-15);
    CU_ASSERT_EQUAL(lr_at(&job, 100), 0);
}

/* ---- plateau and early stopping ---- */

static pp_job plateau_job(int64_t patience, double min_lr, double min_delta)
{
    pp_job job = job_with((pp_job_schedule){
        .type = PP_SCHEDULE_PLATEAU, .factor = 0.5, .patience = patience, .min_lr = min_lr});
    job.training.min_delta = min_delta;
    return job;
}

static double lr_after(const pp_job *job, const double *losses, int n)
{
    pp_watch watch = nothing_seen;
    for (int i = 0; i < n; i++)
        pp_watch_add(&watch, job, losses[i]);
    return pp_schedule_lr(job, &watch, 50, 100, 10);
}

/* torch.optim.lr_scheduler.ReduceLROnPlateau(patience=2, factor=0.5) on the same losses. */
static void test_plateau(void)
{
    static const double losses[] = {5, 4, 4, 4.5, 4, 4, 4, 4, 3, 3, 3, 3};
    static const double lrs[] = {0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.1};
    pp_job job = plateau_job(2, 0, 0);
    CU_ASSERT_EQUAL(lr_after(&job, losses, 0), 0.8);
    for (int n = 1; n <= 12; n++)
        CU_ASSERT_DOUBLE_EQUAL(lr_after(&job, losses, n), lrs[n - 1], 1e-15);
}

static void test_plateau_without_patience(void)
{
    static const double losses[] = {1, 1, 1};
    pp_job job = plateau_job(0, 0, 0);
    CU_ASSERT_EQUAL(lr_after(&job, losses, 1), 0.8);
    CU_ASSERT_DOUBLE_EQUAL(lr_after(&job, losses, 2), 0.4, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(lr_after(&job, losses, 3), 0.2, 1e-15);
}

static void test_plateau_floor(void)
{
    static const double losses[] = {1, 1, 1, 1};
    pp_job job = plateau_job(0, 0.3, 0);
    CU_ASSERT_DOUBLE_EQUAL(lr_after(&job, losses, 2), 0.4, 1e-15);
    CU_ASSERT_EQUAL(lr_after(&job, losses, 3), 0.3);
    CU_ASSERT_EQUAL(lr_after(&job, losses, 4), 0.3);
    job.schedule.min_lr = 2; /* above lr: never raises it */
    CU_ASSERT_EQUAL(lr_after(&job, losses, 4), 0.8);
}

static void test_plateau_after_warmup(void)
{
    static const double losses[] = {1, 1};
    pp_job job = plateau_job(0, 0, 0);
    job.schedule.warmup_steps = 50;
    CU_ASSERT_DOUBLE_EQUAL(lr_after(&job, losses, 2), 0.4, 1e-15);
    job.schedule.warmup_steps = 51; /* step 50 is still the warm-up's */
    CU_ASSERT_EQUAL(lr_after(&job, losses, 2), 0.8);
}

static void test_min_delta(void)
{
    pp_watch watch = nothing_seen;
    pp_job job = plateau_job(10, 0, 0.5);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, 4), 1);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, 3.75), 0);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, 3.5), 0); /* by min_delta, not by more */
    CU_ASSERT_EQUAL(watch.best, 4);
    CU_ASSERT_EQUAL(watch.since_best, 2);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, 3.25), 1);
    CU_ASSERT_EQUAL(watch.best, 3.25);
    CU_ASSERT_EQUAL(watch.since_best, 0);
    CU_ASSERT_EQUAL(watch.evaluations, 4);
}

static void test_nan_is_no_improvement(void)
{
    pp_watch watch = nothing_seen;
    pp_job job = plateau_job(1, 0, 0);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, NAN), 0);
    CU_ASSERT_EQUAL(watch.since_best, 1);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, 7), 1);
    CU_ASSERT_EQUAL(watch.best, 7);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, NAN), 0);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, NAN), 0);
    CU_ASSERT_EQUAL(watch.best, 7);
    CU_ASSERT_EQUAL(watch.cuts, 1);
    CU_ASSERT_EQUAL(pp_watch_add(&watch, &job, -INFINITY), 1);
}

static void test_early_stopping(void)
{
    static const double losses[] = {3, 2, 2, 1, 1, NAN, 1};
    static const int stops[] = {0, 0, 0, 0, 0, 0, 1};
    pp_watch watch = nothing_seen;
    pp_job job = plateau_job(0, 0, 0);
    job.training.early_stopping = 3;
    CU_ASSERT_FALSE(pp_watch_stops(&watch, &job));
    for (int i = 0; i < 7; i++) {
        pp_watch_add(&watch, &job, losses[i]);
        CU_ASSERT_EQUAL(pp_watch_stops(&watch, &job), stops[i]);
    }
    CU_ASSERT(watch.cuts > 0); /* cuts do not start the count of early stopping anew */
    job.training.early_stopping = 0;
    CU_ASSERT_FALSE(pp_watch_stops(&watch, &job));
}

static void test_cuts_of_others(void)
{
    pp_watch watch = nothing_seen;
    pp_job job = job_with((pp_job_schedule){.type = PP_SCHEDULE_COSINE});
    for (int i = 0; i < 20; i++)
        pp_watch_add(&watch, &job, 1);
    CU_ASSERT_EQUAL(watch.cuts, 0);
    CU_ASSERT_EQUAL(watch.since_best, 19);
}

extern const pp_test pp_tests_schedule[];
const pp_test pp_tests_schedule[] = {
    {"a constant rate stays", test_constant},
    {"step drops at whole multiples of every", test_step},
    {"step drops are not missed by rounding", test_step_boundaries},
    {"exponential decay counts fractions of epochs", test_exponential},
    {"inverse time decay", test_inverse_time},
    {"cosine falls from lr to its final share", test_cosine},
    {"warm-up rises linearly and reaches lr", test_warmup},
    {"time begins after the warm-up", test_time_after_warmup},
    {"plateau cuts as PyTorch's ReduceLROnPlateau", test_plateau},
    {"plateau with patience 0", test_plateau_without_patience},
    {"plateau never cuts below min_lr and never raises", test_plateau_floor},
    {"warm-up comes in front of a plateau", test_plateau_after_warmup},
    {"an improvement must exceed min_delta", test_min_delta},
    {"NaN is no improvement, first or later", test_nan_is_no_improvement},
    {"early stopping counts evaluations since the best", test_early_stopping},
    {"other schedules never cut", test_cuts_of_others},
    {NULL, NULL},
};
