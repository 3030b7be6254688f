/* Which of the changes that repair the job is the cause, and so the answer. */
#include <string.h>

#include "study/why/compare.h"

/* A single change that reaches less of what a pair does leaves something to the second. */
static const double clear_part_of_best = 0.6;
/* A sign from here on says that the job is odd in that respect. */
static const double odd = 0.3;
/* Another cause that repairs as well is as likely if its weight comes as near to the first as this.
 */
static const double as_likely = 0.75;
/* Of the probes of a cause the least change is taken that comes so near to the best. */
static const double alike_part = 0.9;

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
    const pp_experiment *best = pp__best_of(w);
    double reached = pp__are_alike(w, best, e) ? 1 : e->score / best->score;
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
            (e[k].score >= alike_part * best->score || pp__are_alike(w, best, &e[k])))
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
    return one->score < part * two->score && pp__is_better(w, two, one, least_gain);
}

int pp__is_well_repaired(const pp_why *w)
{
    const pp_experiment *best = pp__best_of(w);
    for (int several = 0; several < 2; several++) {
        const pp_experiment *e = best_remedy(w, several);
        if (e != NULL && (e->score >= good_part_of_best * best->score || pp__are_alike(w, e, best)))
            return 1;
    }
    return 0;
}

/* What repairs the job somewhat has learned too few rows by heart as well. */
static int is_repaired_in_vain(const pp_why *w)
{
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (e->repaired && !e->on_reference && !pp__is_of_training_rows(e)) return 0;
    }
    return pp__has_too_few_rows(w);
}

/* The end of the walk back from the reference, where what repairs otherwise reaches clearly less.
 */
static int end_of_walk(const pp_why *w)
{
    const pp_experiment *one = best_remedy(w, 0), *two = best_remedy(w, 1);
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        if (e->walk != 2 || !e->repaired || e->confirmed < 0) continue;
        if (one != NULL && one != e && !pp__is_better(w, e, one, least_gain)) return -1;
        if (two != NULL && two != e && !two->walk && !pp__is_better(w, e, two, least_gain))
            return -1;
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
        w->answer = pp__has_too_few_rows(w) ? PP_WHY_MORE_ROWS : PP_WHY_HEALTHY;
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
    else if (pp__is_sound(w))
        w->answer = PP_WHY_HEALTHY;
    else if (pp__is_without_signal(w))
        w->answer = w->n_named == 0 && pp__may_hide_signal(w) ? PP_WHY_MORE_ROWS : PP_WHY_NO_SIGNAL;
    else
        w->answer = pp__is_left_open(w) ? PP_WHY_MORE_ROWS : PP_WHY_UNKNOWN;
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
