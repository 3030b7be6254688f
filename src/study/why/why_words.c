/* The answer in words. */
#include <stdio.h>
#include <string.h>

#include "why_internal.h"

static const char *title_of(const char *id)
{
    const pp_cause *cause = pp_cause_find(id, strlen(id));
    return cause != NULL ? cause->title : id;
}

/* How far they are apart, where there are any; borrowed until the next call. */
static const char *other_seeds(const pp_why *w)
{
    static char text[64];
    snprintf(text, sizeof text, ", and other seeds of the job vary by %.3f", w->noise);
    return pp__with_seed(w, PP_WHY_SEED_1) != NULL ? text : "";
}

static void say_accused(pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    const pp_experiment *e = &w->experiments[w->accused[0]];
    char what[256];
    int used = snprintf(what, sizeof what, "%s", title_of(e->cause));
    for (int i = 0; i < PP_WHY_WITH && e->with[i] != NULL && used < (int)sizeof what; i++)
        used += snprintf(what + used, sizeof what - (size_t)used, "%s with %s",
                         i == 0 ? ", together" : " and", title_of(e->with[i]));
    if (w->answer == PP_WHY_UNDETERMINED)
        snprintf(w->sentence, sizeof w->sentence,
                 "Undetermined between %s and %s: with '%s' the same job gets a score of %.3f "
                 "(%s), with '%s' %.3f; it has %.3f.",
                 what, title_of(w->experiments[w->accused[1]].cause), e->label, e->score,
                 e->verdict, w->experiments[w->accused[1]].label,
                 w->experiments[w->accused[1]].score, job->score);
    else
        snprintf(w->sentence, sizeof w->sentence,
                 "The cause is %s: with '%s' and all else equal the score rises from %.3f (%s) to "
                 "%.3f (%s)%s. That change is the remedy, verified at full length%s.",
                 what, e->label, job->score, job->verdict, e->score, e->verdict, other_seeds(w),
                 e->confirmed == 0 ? " with one seed, as the budget bears no second" : "");
}

static void say_seeds(pp_why *w)
{
    const pp_experiment *e = w->n_accused > 0 ? &w->experiments[w->accused[0]] : NULL;
    int is_start = e != NULL && strcmp(e->cause, PP_WHY_LUCK) == 0;
    int used =
        snprintf(w->sentence, sizeof w->sentence,
                 "It depends on the seed: with %d of %d seeds the job fails, its own %s. ",
                 w->n_failed, w->n_seeds, w->own_seed_fails ? "among them" : "not among them");
    if (e == NULL || is_start)
        snprintf(w->sentence + used, sizeof w->sentence - (size_t)used,
                 "No change that was tried makes it certain%s.",
                 is_start ? "; another seed is given as the remedy" : "");
    else
        snprintf(
            w->sentence + used, sizeof w->sentence - (size_t)used,
            "What makes it certain is '%s' (%s): where the job fails the score rises from %.3f "
            "to %.3f, and it holds with every seed that was tried.",
            e->label, title_of(e->cause), w->experiments[w->base].score, e->score);
}

/* By which rows it was judged, where the job does not say. */
static void say_rows(pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    size_t used = strlen(w->sentence);
    if (w->answer == PP_WHY_DATA || w->answer == PP_WHY_UNFINISHED || job->failed) return;
    if (w->holds_out)
        snprintf(w->sentence + used, sizeof w->sentence - used,
                 " The job holds out no rows: a quarter was held out to judge by.");
    else if (!job->held_out)
        snprintf(w->sentence + used, sizeof w->sentence - used,
                 " No rows are held out, and too few to hold out some: scores are of the rows that "
                 "were trained on, where permuted targets score %.3f.",
                 w->experiments[PP_WHY_PERMUTED].score);
}

static void say_unknown(pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    size_t size = sizeof w->sentence;
    int n = snprintf(w->sentence, size,
                     "No change that was tried, and no two or three together, repairs the job for "
                     "certain (score %.3f, %s).",
                     job->score, job->verdict);
    if (w->remedy < 0 || n < 0 || (size_t)n >= size) return;
    const pp_experiment *control = &w->experiments[w->remedy];
    snprintf(w->sentence + n, size - (size_t)n,
             " The control '%s' scores %.3f on the same data and is given as the remedy.",
             control->label, control->score);
}

/* At which length controls were compared, where it is not their own. */
static void say_lengths(pp_why *w)
{
    const char *opening =
        " Controls had less than their training, as the budget bears no more (--budget): ";
    if (w->answer == PP_WHY_UNFINISHED || w->experiments[PP_WHY_JOB].failed) return;
    for (int i = PP_WHY_SEED_1; i <= PP_WHY_LINEAR && i < w->count; i++) {
        const pp_experiment *e = &w->experiments[i];
        size_t used = strlen(w->sentence), room = sizeof w->sentence - used;
        if (e->share >= 1 || e->failed || i == PP_WHY_SEED_2) continue;
        if (e->share > 0)
            snprintf(w->sentence + used, room, "%s%s 1/%.0f", opening, e->label, 1 / e->share);
        else
            snprintf(w->sentence + used, room, "%s%s none", opening, e->label);
        opening = ", ";
    }
    size_t used = strlen(w->sentence);
    if (*opening == ',') snprintf(w->sentence + used, sizeof w->sentence - used, ".");
}

void pp__say_why(pp_why *w)
{
    const pp_experiment *e = w->experiments, *job = &e[PP_WHY_JOB];
    const pp_experiment *reference = &e[PP_WHY_REFERENCE], *permuted = &e[PP_WHY_PERMUTED];
    char *text = w->sentence;
    size_t size = sizeof w->sentence;
    switch (w->answer) {
    case PP_WHY_HEALTHY:
        snprintf(text, size,
                 "No cause: the model is healthy. Its score is %.3f, that of the reference recipe "
                 "%.3f.",
                 job->score, reference->score);
        break;
    case PP_WHY_NO_SIGNAL:
    case PP_WHY_MORE_ROWS:
        snprintf(text, size,
                 "The data hold no signal that these models find: the reference recipe scores "
                 "%.3f, a linear model %.3f, and the reference on permuted targets %.3f. %s",
                 reference->score, e[PP_WHY_LINEAR].score, permuted->score,
                 w->answer == PP_WHY_NO_SIGNAL
                     ? "No change of the job repairs that."
                     : "So few rows cannot rule a signal out either: more are needed.");
        break;
    case PP_WHY_DATA:
        if (job->failed)
            snprintf(text, size, "The job cannot be run: %s", job->error);
        else
            pp__say_data(w);
        break;
    case PP_WHY_UNKNOWN:
        say_unknown(w);
        break;
    case PP_WHY_DEPENDS_ON_SEED:
        say_seeds(w);
        break;
    case PP_WHY_UNFINISHED:
        snprintf(text, size, "Not finished: run the same command again to go on.");
        break;
    case PP_WHY_CAUSE:
    case PP_WHY_CAUSES:
    case PP_WHY_UNDETERMINED:
        say_accused(w);
        break;
    }
    say_rows(w);
    say_lengths(w);
}
