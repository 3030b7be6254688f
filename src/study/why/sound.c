/* Whether anything is to be explained: a job may be as good as its rows allow. */
#include "study/why/compare.h"

#include <math.h>

/* An AUC within 0.1 of 1/2, or a correlation within it of 0, is no signal worth looking for. */
static const double effect_worth_having = 0.1;
/* Fewer rows than that for a feature leave no model much to find (a rule of thumb: Harrell 2015,
 * "Regression Modeling Strategies", wants 10 to 20). */
static const int64_t rows_per_input = 10;

static int has_few_rows(const pp_why *w)
{
    return w->rows < rows_per_input * w->inputs;
}

/* Of the job and the other seeds. */
static double mean_of_seeds(const pp_why *w)
{
    double sum = 0;
    int n = 0;
    for (int i = PP_WHY_JOB; i <= PP_WHY_SEED_2; i++) {
        if (!pp__is_whole(&w->experiments[i])) continue;
        sum += w->experiments[i].score;
        n++;
    }
    return n > 0 ? sum / n : 0;
}

/* Another recipe is clearly better on the same rows. */
static int is_contradicted(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *job = &e[PP_WHY_JOB];
    for (int i = PP_WHY_REFERENCE; i <= PP_WHY_LINEAR; i++) {
        double error;
        if (i == PP_WHY_PERMUTED || e[i].failed || e[i].share == 0) continue;
        if (fmax(job->score, mean_of_seeds(w)) < good_part_of_best * e[i].score &&
            pp__gain(&e[i], job, &error) > fmax(clear_gap, sure_errors * error))
            return 1;
    }
    return 0;
}

/* Its verdict says so, its own test puts its score above 0, and the controls do not contradict. */
int pp__is_sound(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    return pp__looks_healthy(job) && job->score > sure_errors * job->score_error &&
           !is_contradicted(w);
}

int pp__is_healthy(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    if (pp__is_of_training_rows(job) && !has_few_rows(w)) return 0; /* few rows are an excuse */
    return pp__is_sound(w) && job->score >= plain_score;
}

/* Of too little training to say what the data do not hold. */
static int is_cut_short(const pp_experiment *e)
{
    return e->share < 1 && !e->failed;
}

/* Reference and linear model earn what permuted targets earn. Where no rows are held out, that they
 * learn by heart as well says nothing: the job should do so too, and if it cannot, that has a
 * cause. */
int pp__is_without_signal(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *permuted = &e[PP_WHY_PERMUTED];
    if (is_cut_short(&e[PP_WHY_REFERENCE]) || is_cut_short(permuted)) return 0;
    if (!e[PP_WHY_JOB].held_out) return pp__best_score(w) < plain_score;
    for (int i = PP_WHY_REFERENCE; i < w->count; i++) {
        double error, gain;
        if (i == PP_WHY_PERMUTED || e[i].failed || e[i].share == 0 || e[i].collapsed) continue;
        if (i > PP_WHY_LINEAR && !e[i].on_reference) continue;
        gain = pp__gain(&e[i], permuted, &error);
        if (gain > fmax(least_gain, sure_errors * error)) return 0;
    }
    return 1;
}

/* The held-out rows leave room for a signal, or the training rows are too few to find one. */
int pp__may_hide_signal(const pp_why *w)
{
    const pp_experiment *reference = &w->experiments[PP_WHY_REFERENCE];
    const pp_experiment *linear = &w->experiments[PP_WHY_LINEAR];
    return reference->effect_least > 0 || linear->effect_least > 0 ||
           (reference->effect_most > effect_worth_having &&
            linear->effect_most > effect_worth_having) ||
           has_few_rows(w);
}

int pp__is_as_good_as_any(const pp_why *w)
{
    const pp_experiment *e = w->experiments;
    for (int i = PP_WHY_SEED_1; i < w->count; i++)
        if (i != PP_WHY_PERMUTED && pp__is_whole(&e[i]) && pp__is_better(w, &e[i], e, least_gain))
            return 0;
    return !e[PP_WHY_JOB].collapsed && e[PP_WHY_JOB].score > e[PP_WHY_PERMUTED].score;
}

/* It knows its training rows, and so few of them that little of it holds elsewhere; and so does the
 * reference. */
int pp__has_too_few_rows(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    const pp_experiment *reference = &w->experiments[PP_WHY_REFERENCE];
    return has_few_rows(w) && job->score < 0.5 * job->train_skill &&
           reference->score < 0.5 * reference->train_skill;
}

/* It is not worse than others, so far as so few rows tell. */
int pp__is_left_open(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    return pp__is_as_good_as_any(w) || (!job->collapsed && job->score > 0 && !is_contradicted(w));
}
