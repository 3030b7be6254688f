/* From the numbers of the experiments to an answer. */
#include <math.h>
#include <string.h>

#include "why_internal.h"

/* What counts as a repair: more than noise, and a good part of what any experiment has reached. */
static const double least_gain = 0.02, part_of_best = 0.5;
/* What a remedy should reach of the best, and a job that is called healthy. */
static const double good_part_of_best = 0.8, healthy_part_of_best = 0.7;
/* A single change that reaches less of what a pair does leaves something to the second. */
static const double clear_part_of_best = 0.6;
/* A sign from here on says that the job is odd in that respect. */
static const double odd = 0.3;
/* A job whose verdict is healthy is suspected where it earns less than that, or where another
 * recipe is better by so much; and so much is a repair of it. */
static const double plain_skill = 0.1, suspicious_gap = 0.15;
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

static double best_score(const pp_why *w)
{
    double best = 0;
    for (int i = 0; i < w->count; i++)
        if (i != PP_WHY_PERMUTED && w->experiments[i].share > 0 && !w->experiments[i].failed)
            best = fmax(best, w->experiments[i].score);
    return best;
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

void pp__find_repairs(pp_why *w, pp_experiment *experiments)
{
    const pp_experiment *job = &experiments[PP_WHY_JOB];
    double best = best_score(w);
    w->noise = noise_of(w);
    int healthy = is_whole(job) && strcmp(job->verdict, "healthy") == 0;
    double least = healthy || !job->held_out ? suspicious_gap : least_gain;
    w->margin = fmax(least, 3 * job->score_error);
    for (int i = PP_WHY_SEED_1; i < w->count; i++) {
        pp_experiment *e = &experiments[i];
        double margin = fmax(w->margin, 3 * hypot(job->score_error, e->score_error));
        e->repaired = is_whole(e) && !e->collapsed && e->score > job->score + margin &&
                      e->score >= part_of_best * best && pp__shows_in_reference(w, i);
    }
}

static int has_few_rows(const pp_why *w)
{
    return w->rows < rows_per_input * w->inputs;
}

int pp__is_healthy(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *job = &e[PP_WHY_JOB];
    if (is_of_training_rows(job) && !has_few_rows(w)) return 0; /* few rows are an excuse */
    double best = fmax(e[PP_WHY_REFERENCE].score, e[PP_WHY_LINEAR].score);
    return is_whole(job) && strcmp(job->verdict, "healthy") == 0 && job->score >= plain_skill &&
           (job->score >= healthy_part_of_best * best || best - job->score < suspicious_gap);
}

/* Reference and linear model earn what permuted targets earn. Where no rows are held out, that they
 * learn by heart as well says nothing: the job should do so too, and if it cannot, that has a
 * cause. */
int pp__is_without_signal(const pp_why *w)
{
    const pp_experiment *e = w->experiments, *permuted = &e[PP_WHY_PERMUTED];
    if (!e[PP_WHY_JOB].held_out) return best_score(w) < plain_skill;
    for (int i = PP_WHY_REFERENCE; i <= PP_WHY_LINEAR; i++) {
        double error = hypot(e[i].score_error, permuted->score_error);
        if (i == PP_WHY_PERMUTED || e[i].failed || e[i].share == 0) continue;
        if (!e[i].collapsed && e[i].score > permuted->score + fmax(least_gain, 3 * error)) return 0;
    }
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++)
        if (e[i].on_reference && e[i].share > 0 && !e[i].collapsed &&
            e[i].score > permuted->score + fmax(least_gain, 3 * e[i].score_error))
            return 0;
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
    return e->repaired && !e->on_reference && (e->with[0] != NULL) == pairs;
}

double pp__weight(const pp_experiment *e)
{
    return (0.1 + e->sign) * e->score;
}

/* What leaves much to be desired is rather a change that helps than the cause. */
static double weight_of_repair(const pp_why *w, const pp_experiment *e)
{
    return pp__weight(e) * (e->score >= good_part_of_best * best_score(w) ? 1 : 0.5);
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
        if (!is_remedy(e, pairs) || is_accused(w, e)) continue;
        double weighs = weight_of_repair(w, e) * (!pairs && is_explained(w, i) ? 0.01 : 1);
        if (found >= 0 && weighs <= *its_weight) continue;
        found = i;
        *its_weight = weighs;
    }
    return found;
}

/* Of the same causes, a change that is smaller and as good. */
static int least_change(const pp_why *w, int i)
{
    const pp_experiment *e = w->experiments;
    int least = i;
    for (int k = PP_WHY_LINEAR + 1; k < w->count; k++)
        if (is_remedy(&e[k], e[i].with[0] != NULL) && same_causes(&e[k], &e[i]) &&
            e[k].patch.count < e[least].patch.count && e[k].score >= e[i].score - least_gain)
            least = k;
    return least;
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

/* The start that other seeds have repairs the job: then so does anything else that changes it. */
static int luck(const pp_why *w)
{
    if (!w->experiments[PP_WHY_SEED_1].repaired || !w->experiments[PP_WHY_SEED_2].repaired)
        return -1;
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++)
        if (is_remedy(&w->experiments[i], 0) &&
            strcmp(w->experiments[i].cause, "unlucky-initialisation") == 0)
            return i;
    return -1;
}

static int any_repaired(const pp_why *w, int pairs)
{
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++)
        if (is_remedy(&w->experiments[i], pairs)) return 1;
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
        if (is_remedy(e, pairs) && (best == NULL || e->score > best->score)) best = e;
    }
    return best;
}

/* Better than any single change by more than noise and by a good part, and both of its causes are
 * odd: what merely makes a sound job better still is no second fault. */
static int is_pair_better(const pp_why *w)
{
    const pp_experiment *one = best_remedy(w, 0), *two = best_remedy(w, 1);
    if (one == NULL || two == NULL) return two != NULL;
    double error = hypot(one->score_error, two->score_error);
    double part = two->sign_least >= odd ? good_part_of_best : clear_part_of_best;
    return one->score < part * two->score && two->score > one->score + fmax(least_gain, 3 * error);
}

int pp__is_well_repaired(const pp_why *w)
{
    const pp_experiment *one = best_remedy(w, 0);
    return one != NULL && one->score >= good_part_of_best * best_score(w);
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

void pp__accuse(pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    w->n_accused = 0;
    w->remedy = -1;
    if (job->failed)
        w->answer = PP_WHY_DATA;
    else if (pp__data_decide(w) >= 0)
        accuse(w, pp__data_decide(w));
    else if (pp__is_healthy(w))
        w->answer = has_too_few_rows(w) ? PP_WHY_MORE_ROWS : PP_WHY_HEALTHY;
    else if (is_repaired_in_vain(w))
        w->answer = PP_WHY_MORE_ROWS;
    else if (luck(w) >= 0)
        accuse(w, luck(w));
    else if (any_repaired(w, 0) && !is_pair_better(w))
        accuse_repaired(w, 0);
    else if (any_repaired(w, 1))
        accuse_repaired(w, 1);
    else if (strcmp(job->verdict, "healthy") == 0)
        w->answer = PP_WHY_HEALTHY;
    else if (pp__is_without_signal(w))
        w->answer = w->n_named == 0 && may_hide_signal(w) ? PP_WHY_MORE_ROWS : PP_WHY_NO_SIGNAL;
    else
        w->answer = PP_WHY_UNKNOWN;
    if (w->answer == PP_WHY_UNKNOWN && w->experiments[PP_WHY_REFERENCE].repaired)
        w->remedy = PP_WHY_REFERENCE;
    pp__say_why(w);
    pp__say_findings(w);
}
