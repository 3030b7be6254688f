/* Two experiments, beyond what rows and seeds make them differ. */
#include "study/why/compare.h"

#include <math.h>
#include <string.h>

/* Deviations between seeds that are more than noise. Where the seeds are further apart, it is two
 * of them that convict. */
static const double sure_noise = 2, most_noise = 0.05;
/* Standard errors within which scores are alike. */
static const double alike_errors = 2;
/* Less than this part of the skill on training rows is left on held-out ones. */
static const double least_held_out = 0.25;

int pp__is_whole(const pp_experiment *e)
{
    return e->share >= 1 && !e->failed;
}

/* Hardly anything of what it has learned holds on held-out rows. */
int pp__is_of_training_rows(const pp_experiment *e)
{
    return e->held_out && e->score < least_held_out * e->train_skill;
}

const pp_experiment *pp__best_of(const pp_why *w)
{
    const pp_experiment *best = &w->experiments[PP_WHY_JOB];
    for (int i = 0; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (i != PP_WHY_PERMUTED && e->share > 0 && !e->failed && e->score > best->score) best = e;
    }
    return best;
}

double pp__best_score(const pp_why *w)
{
    return pp__best_of(w)->score;
}

/* Deviation of the job and the other seeds. */
double pp__noise_of(const pp_why *w)
{
    double sum = 0, squares = 0;
    int n = 0;
    for (int i = PP_WHY_JOB; i <= PP_WHY_SEED_2; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (!pp__is_whole(e)) continue;
        sum += e->score;
        squares += e->score * e->score;
        n++;
    }
    return n > 1 ? sqrt(fmax(0, (squares - sum * sum / n) / (n - 1))) : 0;
}

double pp__margin_of_seeds(const pp_why *w)
{
    return sure_noise * fmin(w->noise, most_noise);
}

/* a is better than b beyond what rows and seeds vary, and by `least`. */
int pp__is_better(const pp_why *w, const pp_experiment *a, const pp_experiment *b, double least)
{
    double error, gain = pp__gain(a, b, &error);
    return gain > fmax(least, fmax(sure_errors * error, pp__margin_of_seeds(w)));
}

/* They differ by no more than rows and seeds make them. */
int pp__are_alike(const pp_why *w, const pp_experiment *a, const pp_experiment *b)
{
    double error, gain = pp__gain(a, b, &error);
    return fabs(gain) <= fmax(least_gain, fmax(alike_errors * error, fmin(w->noise, most_noise)));
}

int pp__looks_healthy(const pp_experiment *e)
{
    int is_proven = e->rows != NULL && e->rows->is_skilled; /* by the loss of the job */
    return pp__is_whole(e) && !e->collapsed && !(e->skill <= 0) &&
           (is_proven || e->verdict_id == PP_VERDICT_HEALTHY);
}

/* The least gain that is a repair. */
double pp__least_of_repair(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[w->base];
    return pp__looks_healthy(job) || !job->held_out ? suspicious_gap : least_gain;
}
