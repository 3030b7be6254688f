/* From the numbers of the experiments to an answer. */
#include <math.h>
#include <string.h>

#include "why_internal.h"

/* What counts as a repair: more than noise, and a good part of what any experiment has reached. */
static const double least_gain = 0.02, part_of_best = 0.5;
/* More than noise: so many standard errors of a difference, and deviations between seeds. Where the
 * seeds are further apart, it is two of them that convict. */
static const double sure_errors = 3, sure_noise = 2, most_noise = 0.05;
/* Scores so near to each other are alike. */
static const double alike_errors = 2, alike_part = 0.9;
/* What a remedy should reach of the best, and a job that is called healthy; and what the best is
 * better by, if that is to say anything. */
static const double good_part_of_best = 0.8, clear_gap = 0.05;
/* A single change that reaches less of what a pair does leaves something to the second. */
static const double clear_part_of_best = 0.6;
/* A sign from here on says that the job is odd in that respect. */
static const double odd = 0.3;
/* A job whose verdict is healthy is looked at closely where it earns less than that, and so much is
 * a repair of it. */
static const double plain_score = 0.1, suspicious_gap = 0.1;
/* And where less than this part of its skill on training rows is left on held-out ones. */
static const double least_held_out = 0.25;
/* Another cause that repairs as well is as likely if its weight comes as near to the first as this.
 */
static const double as_likely = 0.75;
/* An AUC within 0.1 of 1/2, or a correlation within it of 0, is no signal worth looking for. */
static const double effect_worth_having = 0.1;
/* Fewer rows than that for a feature leave no model much to find (a rule of thumb: Harrell 2015,
 * "Regression Modeling Strategies", wants 10 to 20). */
static const int64_t rows_per_input = 10;

static int is_whole(const pp_experiment *e)
{
    return e->share >= 1 && !e->failed;
}

/* Hardly anything of what it has learned holds on held-out rows. */
static int is_of_training_rows(const pp_experiment *e)
{
    return e->held_out && e->score < least_held_out * e->train_skill;
}

static const pp_experiment *best_of(const pp_why *w)
{
    const pp_experiment *best = &w->experiments[PP_WHY_JOB];
    for (int i = 0; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (i != PP_WHY_PERMUTED && e->share > 0 && !e->failed && e->score > best->score) best = e;
    }
    return best;
}

static double best_score(const pp_why *w)
{
    return best_of(w)->score;
}

/* Deviation of the job and the other seeds. */
static double noise_of(const pp_why *w)
{
    double sum = 0, squares = 0;
    int n = 0;
    for (int i = PP_WHY_JOB; i <= PP_WHY_SEED_2; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (!is_whole(e)) continue;
        sum += e->score;
        squares += e->score * e->score;
        n++;
    }
    return n > 1 ? sqrt(fmax(0, (squares - sum * sum / n) / (n - 1))) : 0;
}

/* a is better than b beyond what rows and seeds vary, and by `least`. */
static int is_better(const pp_why *w, const pp_experiment *a, const pp_experiment *b, double least)
{
    double error, gain = pp__gain(a, b, &error);
    return gain > fmax(least, fmax(sure_errors * error, sure_noise * fmin(w->noise, most_noise)));
}

/* They differ by no more than rows and seeds make them. */
static int are_alike(const pp_why *w, const pp_experiment *a, const pp_experiment *b)
{
    double error, gain = pp__gain(a, b, &error);
    return fabs(gain) <= fmax(least_gain, fmax(alike_errors * error, fmin(w->noise, most_noise)));
}

static int looks_healthy(const pp_experiment *e)
{
    int is_proven = e->rows != NULL && e->rows->is_skilled; /* by the loss of the job */
    return is_whole(e) && !e->collapsed && !(e->skill <= 0) &&
           (is_proven || strcmp(e->verdict, "healthy") == 0);
}

/* The least gain that is a repair. */
static double least_of_repair(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[w->base];
    return looks_healthy(job) || !job->held_out ? suspicious_gap : least_gain;
}

/* ---- seeds ---- */

const pp_experiment *pp__with_seed(const pp_why *w, int k)
{
    const pp_experiment *e = w->experiments;
    if (k <= PP_WHY_SEED_2) return is_whole(&e[k]) ? &e[k] : NULL;
    for (int i = PP_WHY_LINEAR + 1, more = PP_WHY_SEED_2; i < w->count; i++)
        if (e[i].repeats == e && ++more == k) return is_whole(&e[i]) ? &e[i] : NULL;
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
        if (e != NULL && !e->collapsed && e->score >= part_of_best * best_score(w)) return 1;
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
        if (is_whole(e->of[i]) && !is_better(w, e, e->of[i], least_gain)) return 0;
    return 1;
}

void pp__find_repairs(pp_why *w, pp_experiment *experiments)
{
    const pp_experiment *job = &experiments[w->base];
    double best = best_score(w), least = least_of_repair(w);
    w->noise = noise_of(w);
    w->margin =
        fmax(least, fmax(sure_errors * job->score_error, sure_noise * fmin(w->noise, most_noise)));
    for (int i = PP_WHY_SEED_1; i < w->count; i++) {
        pp_experiment *e = &experiments[i];
        e->repaired = is_whole(e) && !e->collapsed && is_better(w, e, job, least) &&
                      e->score >= part_of_best * best && beats_its_parts(w, e) &&
                      pp__shows_in_reference(w, i);
    }
    count_seeds(w);
}

int pp__still_repairs(const pp_why *w, const pp_experiment *e)
{
    double least = least_of_repair(w);
    int is_gain = is_better(w, e, &w->experiments[w->base], least) ||
                  (e->beside != NULL && is_better(w, e, e->beside, least));
    return is_whole(e) && !e->collapsed && is_gain && e->score >= part_of_best * best_score(w);
}

int pp__working_control(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *job = &e[w->base];
    int best = -1;
    for (int i = PP_WHY_REFERENCE; i <= PP_WHY_LINEAR; i++) {
        if (i == PP_WHY_PERMUTED || !is_whole(&e[i]) || e[i].collapsed) continue;
        if (!is_better(w, &e[i], job, least_of_repair(w))) continue;
        if (best < 0 || (e[i].score > e[best].score && !are_alike(w, &e[i], &e[best]))) best = i;
    }
    return best;
}

int pp__reaches(const pp_why *w, const pp_experiment *e, const pp_experiment *control)
{
    return pp__still_repairs(w, e) &&
           (e->score >= good_part_of_best * control->score || are_alike(w, e, control));
}

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
        if (!is_whole(&w->experiments[i])) continue;
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
static int is_sound(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    return looks_healthy(job) && job->score > sure_errors * job->score_error && !is_contradicted(w);
}

int pp__is_healthy(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    if (is_of_training_rows(job) && !has_few_rows(w)) return 0; /* few rows are an excuse */
    return is_sound(w) && job->score >= plain_score;
}

/* Reference and linear model earn what permuted targets earn. Where no rows are held out, that they
 * learn by heart as well says nothing: the job should do so too, and if it cannot, that has a
 * cause. */
int pp__is_without_signal(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *permuted = &e[PP_WHY_PERMUTED];
    if (!e[PP_WHY_JOB].held_out) return best_score(w) < plain_score;
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
static int may_hide_signal(const pp_why *w)
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
        if (i != PP_WHY_PERMUTED && is_whole(&e[i]) && is_better(w, &e[i], e, least_gain)) return 0;
    return !e[PP_WHY_JOB].collapsed && e[PP_WHY_JOB].score > e[PP_WHY_PERMUTED].score;
}

/* It knows its training rows, and so few of them that little of it holds elsewhere; and so does the
 * reference. */
static int has_too_few_rows(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    const pp_experiment *reference = &w->experiments[PP_WHY_REFERENCE];
    return has_few_rows(w) && job->score < 0.5 * job->train_skill &&
           reference->score < 0.5 * reference->train_skill;
}

/* ---- which of those that repair ---- */

/* It repairs the job, by itself or together with others. */
static int is_remedy(const pp_experiment *e, int pairs)
{
    return e->repaired && !e->on_reference && e->repeats == NULL && e->walk != 1 &&
           e->confirmed >= 0 && (e->with[0] != NULL) == pairs;
}

double pp__weight(const pp_experiment *e)
{
    return (0.1 + e->sign) * e->score;
}

/* What leaves much to be desired is rather a change that helps than the cause; those that reach the
 * best, or as good as, weigh by their signs alone: no last digit decides. */
static double weight_of_repair(const pp_why *w, const pp_experiment *e)
{
    const pp_experiment *best = best_of(w);
    double reached = are_alike(w, best, e) ? 1 : e->score / best->score;
    return (0.1 + e->sign) * reached * (reached >= good_part_of_best ? 1 : 0.5);
}

static int lists(const char *ids, const char *id)
{
    size_t length = strlen(id);
    for (const char *at = ids; at != NULL && (at = strstr(at, id)) != NULL; at += length)
        if ((at == ids || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' ')) return 1;
    return 0;
}

/* Whether the probes of cause a repair b's jobs as well, so that a is named where both do. */
static int explains(const char *a, const char *b)
{
    const pp_cause *cause = pp_cause_find(a, strlen(a));
    return cause != NULL && cause->explains != NULL && lists(cause->explains, b);
}

static int is_explained(const pp_why *w, int i)
{
    const pp_experiment *e = w->experiments;
    for (int k = PP_WHY_LINEAR + 1; k < w->count; k++)
        if (is_remedy(&e[k], 0) && e[k].sign >= e[i].sign && explains(e[k].cause, e[i].cause) &&
            !explains(e[i].cause, e[k].cause))
            return 1;
    return 0;
}

static int same_id(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int same_causes(const pp_experiment *a, const pp_experiment *b)
{
    int same = same_id(a->cause, b->cause);
    for (int i = 0; i < PP_WHY_WITH; i++)
        same = same && same_id(a->with[i], b->with[i]);
    return same;
}

/* The start that other seeds have repairs what depends on the seed: that has an answer of its own.
 */
static int is_of_start(const pp_experiment *e)
{
    return strcmp(e->cause, PP_WHY_LUCK) == 0;
}

static int is_accused(const pp_why *w, const pp_experiment *e)
{
    for (int i = 0; i < w->n_accused; i++)
        if (same_causes(&w->experiments[w->accused[i]], e)) return 1;
    return 0;
}

/* The most likely that has repaired and is not accused yet; explained ones come last. -1: none. */
static int most_likely(const pp_why *w, int pairs, double *its_weight)
{
    int found = -1;
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (!is_remedy(e, pairs) || is_accused(w, e) || is_of_start(e)) continue;
        double weighs = weight_of_repair(w, e) * (!pairs && is_explained(w, i) ? 0.01 : 1);
        if (found >= 0 && weighs <= *its_weight * (1 + 1e-9)) continue;
        found = i;
        *its_weight = weighs;
    }
    return found;
}

/* Probes of a cause stand with the least change first: the first that is as good as the best of
 * them, or nearly. */
static int least_change(const pp_why *w, int i)
{
    const pp_experiment *e = w->experiments, *best = &e[i];
    int pairs = e[i].with[0] != NULL;
    for (int k = PP_WHY_LINEAR + 1; k < w->count; k++)
        if (is_remedy(&e[k], pairs) && same_causes(&e[k], &e[i]) && e[k].score > best->score)
            best = &e[k];
    for (int k = PP_WHY_LINEAR + 1; k < w->count; k++)
        if (is_remedy(&e[k], pairs) && same_causes(&e[k], &e[i]) &&
            (e[k].score >= alike_part * best->score || are_alike(w, best, &e[k])))
            return k;
    return i;
}

/* A copy of the rows without the fault is given as the remedy where it repairs the job. */
static void accuse_data(pp_why *w, int i)
{
    w->answer = PP_WHY_DATA;
    w->accused[w->n_accused++] = i;
    if (w->experiments[i].repaired) w->remedy = i;
}

static void accuse(pp_why *w, int i)
{
    i = least_change(w, i);
    if (pp__is_of_rows(&w->experiments[i])) {
        accuse_data(w, i);
        return;
    }
    w->answer = w->experiments[i].with[0] != NULL ? PP_WHY_CAUSES : PP_WHY_CAUSE;
    w->accused[w->n_accused++] = w->remedy = i;
}

static void accuse_repaired(pp_why *w, int pairs)
{
    double first = 0, next = 0;
    accuse(w, most_likely(w, pairs, &first));
    while (!pairs && w->n_accused < PP_WHY_ACCUSED) {
        int other = most_likely(w, pairs, &next);
        if (other < 0) return;
        if (next >= as_likely * first && w->n_accused == 1) w->answer = PP_WHY_UNDETERMINED;
        w->accused[w->n_accused++] = other;
    }
}

static int any_repaired(const pp_why *w, int pairs)
{
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++)
        if (is_remedy(&w->experiments[i], pairs) && !is_of_start(&w->experiments[i])) return 1;
    return 0;
}

int pp__is_repaired(const pp_why *w)
{
    return any_repaired(w, 0) || any_repaired(w, 1);
}

static const pp_experiment *best_remedy(const pp_why *w, int pairs)
{
    const pp_experiment *best = NULL;
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (!is_remedy(e, pairs) || is_of_start(e)) continue;
        if (best == NULL || e->score > best->score) best = e;
    }
    return best;
}

/* Better than any single change by more than noise and by a good part, and both of its causes are
 * odd: what merely makes a sound job better still is no second fault. */
static int is_pair_better(const pp_why *w)
{
    const pp_experiment *one = best_remedy(w, 0), *two = best_remedy(w, 1);
    if (one == NULL || two == NULL) return two != NULL;
    double part = two->sign_least >= odd ? good_part_of_best : clear_part_of_best;
    return one->score < part * two->score && is_better(w, two, one, least_gain);
}

int pp__is_well_repaired(const pp_why *w)
{
    const pp_experiment *best = best_of(w);
    for (int several = 0; several < 2; several++) {
        const pp_experiment *e = best_remedy(w, several);
        if (e != NULL && (e->score >= good_part_of_best * best->score || are_alike(w, e, best)))
            return 1;
    }
    return 0;
}

/* What repairs the job somewhat has learned too few rows by heart as well. */
static int is_repaired_in_vain(const pp_why *w)
{
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (e->repaired && !e->on_reference && !is_of_training_rows(e)) return 0;
    }
    return has_too_few_rows(w);
}

/* The end of the walk back from the reference, where what repairs otherwise reaches clearly less.
 */
static int end_of_walk(const pp_why *w)
{
    const pp_experiment *one = best_remedy(w, 0), *two = best_remedy(w, 1);
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (e->walk != 2 || !e->repaired || e->confirmed < 0) continue;
        if (one != NULL && one != e && !is_better(w, e, one, least_gain)) return -1;
        if (two != NULL && two != e && !two->walk && !is_better(w, e, two, least_gain)) return -1;
        return i;
    }
    return -1;
}

/* Which change, or which several, repair it. */
static void accuse_any(pp_why *w)
{
    int walked = end_of_walk(w);
    if (walked >= 0)
        accuse(w, walked);
    else if (any_repaired(w, 0) && !is_pair_better(w))
        accuse_repaired(w, 0);
    else if (any_repaired(w, 1))
        accuse_repaired(w, 1);
}

/* With the job's own seed, where it was found at another. */
static int at_own_seed(const pp_why *w, int i)
{
    for (int k = PP_WHY_LINEAR + 1; w->base != PP_WHY_JOB && k < w->count; k++)
        if (w->experiments[k].repeats == &w->experiments[i] &&
            pp__still_repairs(w, &w->experiments[k]))
            return k;
    return w->base == PP_WHY_JOB ? i : -1;
}

/* A loud sign makes the seed a matter of chance; else it is what decides, and what makes the
 * training certain is named where there is such a change. */
static void tell_of_seeds(pp_why *w)
{
    const pp_experiment *e = w->experiments;
    int loud = w->n_accused > 0 && e[w->accused[0]].sign >= odd && w->base == PP_WHY_JOB;
    if (loud) return;
    w->answer = PP_WHY_DEPENDS_ON_SEED;
    if (w->n_accused > 0) {
        w->n_accused = 1;
        w->remedy = at_own_seed(w, w->accused[0]);
        return;
    }
    for (int i = PP_WHY_LINEAR + 1; i < w->count && w->base == PP_WHY_JOB; i++)
        if (is_remedy(&e[i], 0) && is_of_start(&e[i]) && w->n_accused == 0)
            w->accused[w->n_accused++] = w->remedy = i;
}

int pp__accused(pp_why *w)
{
    w->n_accused = 0;
    accuse_any(w);
    int first = w->n_accused > 0 ? w->accused[0] : -1;
    w->n_accused = 0;
    w->remedy = -1;
    w->answer = PP_WHY_UNFINISHED;
    return first;
}

/* It is not worse than others, so far as so few rows tell. */
static int is_left_open(const pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    return pp__is_as_good_as_any(w) || (!job->collapsed && job->score > 0 && !is_contradicted(w));
}

static void answer(pp_why *w)
{
    if (w->experiments[PP_WHY_JOB].failed) {
        w->answer = PP_WHY_DATA;
        return;
    }
    if (pp__data_decide(w) >= 0) {
        accuse(w, pp__data_decide(w));
        return;
    }
    if (w->n_failed == 0 && pp__is_healthy(w)) {
        w->answer = has_too_few_rows(w) ? PP_WHY_MORE_ROWS : PP_WHY_HEALTHY;
        return;
    }
    if (is_repaired_in_vain(w)) {
        w->answer = PP_WHY_MORE_ROWS;
        return;
    }
    accuse_any(w);
    if (w->n_failed > 0)
        tell_of_seeds(w);
    else if (w->n_accused > 0)
        return;
    else if (is_sound(w))
        w->answer = PP_WHY_HEALTHY;
    else if (pp__is_without_signal(w))
        w->answer = w->n_named == 0 && may_hide_signal(w) ? PP_WHY_MORE_ROWS : PP_WHY_NO_SIGNAL;
    else
        w->answer = is_left_open(w) ? PP_WHY_MORE_ROWS : PP_WHY_UNKNOWN;
}

void pp__accuse(pp_why *w)
{
    w->n_accused = 0;
    w->remedy = -1;
    answer(w);
    if (w->answer == PP_WHY_UNKNOWN && pp__working_control(w) >= 0)
        w->remedy = pp__working_control(w);
    pp__say_why(w);
    pp__say_findings(w);
}
