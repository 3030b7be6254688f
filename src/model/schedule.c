#include "model/schedule.h"

#include <math.h>

#include "pitprop/check.h"

int pp_watch_add(pp_watch *watch, const pp_job *job, double loss)
{
    if (watch->evaluations++ == 0) watch->best = INFINITY;
    int better = loss < watch->best - job->training.min_delta;
    if (better) {
        watch->best = loss;
        watch->since_best = watch->since_cut = 0;
        return 1;
    }
    watch->since_best++;
    watch->since_cut++;
    if (job->schedule.type == PP_SCHEDULE_PLATEAU && watch->since_cut > job->schedule.patience) {
        watch->cuts++;
        watch->since_cut = 0;
    }
    return 0;
}

int pp_watch_stops(const pp_watch *watch, const pp_job *job)
{
    int64_t patience = job->training.early_stopping;
    return patience > 0 && watch->since_best >= patience;
}

/* Where training is, after warm-up. */
typedef struct progress {
    double epochs; /* t */
    double share;  /* of the steps that are left after warm-up, 0 to 1 */
    int64_t cuts;
} progress;

static double constant(const pp_job *job, const progress *at)
{
    (void)at;
    return job->optimizer.lr;
}

/* A step that begins an epoch must not miss its drop by rounding: 0.3 / 0.1 < 3. */
static double step_down(const pp_job *job, const progress *at)
{
    const double slack = 1e-9;
    double drops = floor(at->epochs / job->schedule.every + slack);
    return job->optimizer.lr * pow(job->schedule.factor, drops);
}

static double exponential(const pp_job *job, const progress *at)
{
    return job->optimizer.lr * pow(job->schedule.factor, at->epochs);
}

static double inverse_time(const pp_job *job, const progress *at)
{
    return job->optimizer.lr / (1 + job->schedule.rate * at->epochs);
}

/* Loshchilov and Hutter, arXiv:1608.03983, without restarts: lr at share 0, final * lr at 1. */
static double cosine(const pp_job *job, const progress *at)
{
    const double pi = 3.14159265358979323846;
    double final = job->schedule.final;
    return job->optimizer.lr * (final + (1 - final) * (1 + cos(pi * at->share)) / 2);
}

/* An lr that begins below min_lr is left alone. */
static double plateau(const pp_job *job, const progress *at)
{
    double lr = job->optimizer.lr;
    double cut = lr * pow(job->schedule.factor, (double)at->cuts);
    return fmin(lr, fmax(cut, job->schedule.min_lr));
}

static double (*const table[])(const pp_job *, const progress *) = {
    [PP_SCHEDULE_CONSTANT] = constant,       [PP_SCHEDULE_STEP] = step_down,
    [PP_SCHEDULE_EXPONENTIAL] = exponential, [PP_SCHEDULE_INVERSE_TIME] = inverse_time,
    [PP_SCHEDULE_COSINE] = cosine,           [PP_SCHEDULE_PLATEAU] = plateau,
};

double pp_schedule_lr(const pp_job *job, const pp_watch *watch, int64_t step, int64_t steps,
                      int64_t steps_per_epoch)
{
    int64_t warmup = job->schedule.warmup_steps;
    PP_CHECK(steps_per_epoch > 0);
    if (step < warmup) return job->optimizer.lr * (double)(step + 1) / (double)warmup;
    double done = (double)(step - warmup), all = (double)(steps - warmup);
    progress at = {.epochs = done / (double)steps_per_epoch,
                   .share = done < all ? done / all : 1,
                   .cuts = watch->cuts};
    return table[job->schedule.type](job, &at);
}
