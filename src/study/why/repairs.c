/* Which experiments repair the job, and at which seeds it fails. */
#include "study/why/compare.h"

#include <math.h>

/* Standard errors of a gain that was expected. */
static const double confirming_errors = 2;

/* ---- seeds ---- */

const pp_experiment *pp__with_seed(const pp_why *w, int k)
{
    const pp_experiment *e = w->experiments;
    if (k <= PP_WHY_SEED_2) return pp__is_whole(&e[k]) ? &e[k] : NULL;
    for (int i = PP_WHY_LINEAR + 1, more = PP_WHY_SEED_2; i < w->count; i++)
        if (e[i].repeats == e && ++more == k) return pp__is_whole(&e[i]) ? &e[i] : NULL;
    return NULL;
}

/* A verdict may fall either way where little is known. */
static double ranked(const pp_experiment *e)
{
    return e->rows != NULL ? e->rows->ranked : e->score;
}

int pp__fails_at_seed(const pp_why *w, int k)
{
    const pp_experiment *e = pp__with_seed(w, k), *best = pp__with_seed(w, 0), *other;
    double error;
    if (e == NULL) return -1;
    for (int i = 1; i < WHY_SEEDS; i++)
        if ((other = pp__with_seed(w, i)) != NULL && (best == NULL || other->score > best->score))
            best = other;
    double gain = pp__gain(best, e, &error);
    if (best->collapsed) return e->collapsed;
    if (ranked(e) >= part_of_best * ranked(best)) return 0;
    if (e->collapsed) return gain > fmax(clear_gap, sure_errors * error);
    return e->score < part_of_best * best->score &&
           gain > fmax(suspicious_gap, sure_errors * error);
}

/* With some seed the job is worth a good part of what anything is. */
static int is_any_seed_good(const pp_why *w)
{
    for (int k = 0; k < WHY_SEEDS; k++) {
        const pp_experiment *e = pp__with_seed(w, k);
        if (e != NULL && !e->collapsed && e->score >= part_of_best * pp__best_score(w)) return 1;
    }
    return 0;
}

static void count_seeds(pp_why *w)
{
    w->n_seeds = w->n_failed = 0;
    for (int k = 0; k < WHY_SEEDS; k++) {
        int fails = pp__fails_at_seed(w, k);
        w->n_seeds += fails >= 0;
        w->n_failed += fails == 1;
        if (k == 0) w->own_seed_fails = fails == 1;
    }
    if (w->n_failed == w->n_seeds || !is_any_seed_good(w)) w->n_failed = 0;
    if (w->n_failed == 0) w->n_seeds = 0;
}

int pp__seeds_disagree(const pp_why *w)
{
    return w->n_failed > 0;
}

/* ---- repairs ---- */

static int beats_its_parts(const pp_why *w, const pp_experiment *e)
{
    for (int i = 0; i < 2 && e->of[i] != NULL; i++)
        if (pp__is_whole(e->of[i]) && !pp__is_better(w, e, e->of[i], least_gain)) return 0;
    return 1;
}

void pp__find_repairs(pp_why *w, pp_experiment *experiments)
{
    const pp_experiment *job = &experiments[w->base];
    double best = pp__best_score(w), least = pp__least_of_repair(w);
    w->noise = pp__noise_of(w);
    w->margin = fmax(least, fmax(sure_errors * job->score_error, pp__margin_of_seeds(w)));
    for (int i = PP_WHY_SEED_1; i < w->count; i++) {
        pp_experiment *e = &experiments[i];
        e->repaired = pp__is_whole(e) && !e->collapsed && pp__is_better(w, e, job, least) &&
                      e->score >= part_of_best * best && beats_its_parts(w, e) &&
                      pp__shows_in_reference(w, i);
    }
    count_seeds(w);
}

int pp__still_repairs(const pp_why *w, const pp_experiment *e)
{
    double least = pp__least_of_repair(w);
    int is_gain = pp__is_better(w, e, &w->experiments[w->base], least) ||
                  (e->beside != NULL && pp__is_better(w, e, e->beside, least));
    return pp__is_whole(e) && !e->collapsed && is_gain &&
           e->score >= part_of_best * pp__best_score(w);
}

/* They were chosen for nothing that they did, so one test of all together does: a gain at each
 * seed, and a clear one in the mean. */
int pp__hold_together(const pp_why *w, int first, int end)
{
    double sum = 0, squares = 0, error;
    for (int i = first; i < end; i++) {
        const pp_experiment *e = &w->experiments[i];
        double gain = e->beside != NULL ? pp__gain(e, e->beside, &error) : 0;
        if (!pp__is_whole(e) || e->collapsed || !(gain > 0) ||
            e->score < part_of_best * pp__best_score(w))
            return 0;
        sum += gain;
        squares += error * error;
    }
    return end - first > 1 &&
           sum > fmax(pp__least_of_repair(w) * (end - first), confirming_errors * sqrt(squares));
}

int pp__working_control(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *job = &e[w->base];
    int best = -1;
    for (int i = PP_WHY_REFERENCE; i <= PP_WHY_LINEAR; i++) {
        if (i == PP_WHY_PERMUTED || !pp__is_whole(&e[i]) || e[i].collapsed) continue;
        if (!pp__is_better(w, &e[i], job, pp__least_of_repair(w))) continue;
        if (best < 0 || (e[i].score > e[best].score && !pp__are_alike(w, &e[i], &e[best])))
            best = i;
    }
    return best;
}

int pp__reaches(const pp_why *w, const pp_experiment *e, const pp_experiment *control)
{
    return pp__still_repairs(w, e) &&
           (e->score >= good_part_of_best * control->score || pp__are_alike(w, e, control));
}
