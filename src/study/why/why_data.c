/* What the survey of the rows shows, and whether it is the answer. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study/causes/mend.h"
#include "why_internal.h"

#include "base/fs.h"

/* A repair is as good as what any recipe makes of the rows, or nearly. */
static const double good_part = 0.8, least_gain = 0.02;

pp_status pp__keep_findings(const why_plan *p, pp_why *w, pp_error *err)
{
    int n = p->data->n_findings;
    pp_finding *copy = PP_ARENA_NEW(w->arena, pp_finding, n + 1);
    if (copy == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    for (int i = 0; i < n; i++)
        copy[i] = p->data->findings[i];
    w->findings = copy;
    w->n_findings = n;
    return PP_OK;
}

int pp__make_copy(const why_plan *p, const pp_mend *mend)
{
    char directory[PATH_MAX];
    pp_error err;
    if (snprintf(directory, sizeof directory, "%s/why/copies", p->spec->directory) >= PATH_MAX)
        return 0;
    pp_status status = pp_fs_make_directory(directory, &err);
    if (status == PP_OK) status = pp__mend_write(&p->job->data, p->data->rows, mend, &err);
    if (status != PP_OK)
        pp_log_write(p->spec->log, PP_LOG_WARN, "no copy of the rows to try it on: %s", err.text);
    return status == PP_OK;
}

static const pp_cause *cause_of(const pp_experiment *e)
{
    return e->cause != NULL ? pp_cause_find(e->cause, strlen(e->cause)) : NULL;
}

static int is_whole(const pp_experiment *e)
{
    return e->share >= 1 && !e->failed;
}

/* Score of a is below that of b by more than chance. */
static int is_below(const pp_experiment *a, const pp_experiment *b)
{
    double error, gain = pp__gain(b, a, &error);
    return gain > fmax(least_gain, 3 * error);
}

/* The same change on top of the reference recipe; NULL: there is none. */
static const pp_experiment *on_reference(const pp_why *w, int i)
{
    const pp_experiment *next = &w->experiments[i + 1];
    return i + 1 < w->count && next->on_reference && next->share > 0 && !next->failed ? next : NULL;
}

int pp__shows_in_reference(const pp_why *w, int i)
{
    const pp_cause *cause = cause_of(&w->experiments[i]);
    if (cause == NULL || !cause->in_data || cause->flatters) return 1;
    const pp_experiment *r = on_reference(w, i), *as_it_is = &w->experiments[PP_WHY_REFERENCE];
    return r == NULL || is_below(as_it_is, r);
}

/* Without it the job has lost what it seemed to know. That it is there is counted, not inferred:
 * any loss will do. */
static int is_flattered(const pp_why *w, int i)
{
    const pp_experiment *e = &w->experiments[i];
    const pp_cause *cause = cause_of(e);
    return e->mended && cause != NULL && cause->flatters && !e->on_reference && is_whole(e) &&
           e->score < w->experiments[PP_WHY_JOB].score - least_gain;
}

int pp__is_of_rows(const pp_experiment *e)
{
    const pp_cause *cause = cause_of(e);
    return cause != NULL && cause->of_rows && e->with[0] == NULL;
}

static double best_of(const pp_why *w)
{
    double best = 0;
    for (int i = 0; i < w->count; i++)
        if (i != PP_WHY_PERMUTED && is_whole(&w->experiments[i]))
            best = fmax(best, w->experiments[i].score);
    return best;
}

int pp__data_decide(const pp_why *w)
{
    const pp_experiment *e = w->experiments;
    int found = -1;
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++)
        if (is_flattered(w, i)) return i;
    for (int i = PP_WHY_LINEAR + 1; i < w->count; i++) {
        const pp_cause *cause = cause_of(&e[i]);
        int repairs = cause != NULL && cause->in_data && e[i].sign >= WHY_SUGGESTED &&
                      !e[i].on_reference && e[i].with[0] == NULL && e[i].repaired &&
                      e[i].score >= good_part * best_of(w);
        if (repairs && (found < 0 || e[i].sign > e[found].sign)) found = i;
    }
    return found;
}

/* The finding behind it, of which the sentence tells. */
static const pp_finding *finding_of(const pp_why *w, const char *cause)
{
    static const char *const rows[][2] = {
        {"missing-codes", "missing-code"},       {"missing-codes", "missing-target-code"},
        {"outliers", "target-outlier"},          {"outliers", "feature-outlier"},
        {"leaking-feature", "leak-equal"},       {"leaking-feature", "leak-near"},
        {"copied-rows", "held-out-in-training"}, {"copied-rows", "duplicate-rows"}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (int i = 0; i < w->n_findings && strcmp(rows[k][0], cause) == 0; i++)
            if (strcmp(w->findings[i].kind->id, rows[k][1]) == 0) return &w->findings[i];
    return NULL;
}

void pp__say_data(pp_why *w)
{
    const pp_experiment *e = &w->experiments[w->accused[0]], *job = &w->experiments[PP_WHY_JOB];
    const pp_experiment *r = on_reference(w, w->accused[0]);
    const pp_cause *cause = cause_of(e);
    const pp_finding *f = finding_of(w, e->cause);
    int used =
        snprintf(w->sentence, sizeof w->sentence,
                 "The data are at fault: %s (%s). With '%s' the same job scores %.3f (%s); as "
                 "they are, %.3f (%s)%s",
                 cause->title, f != NULL ? f->sentence : e->cause, e->label, e->score, e->verdict,
                 job->score, job->verdict,
                 cause->flatters ? ", which is not what it knows of new rows" : "");
    if (r != NULL && used < (int)sizeof w->sentence)
        used += snprintf(w->sentence + used, sizeof w->sentence - (size_t)used,
                         ". The reference recipe scores %.3f so, and %.3f as they are", r->score,
                         w->experiments[PP_WHY_REFERENCE].score);
    if (used < (int)sizeof w->sentence)
        snprintf(w->sentence + used, sizeof w->sentence - (size_t)used, ". To do: %s.",
                 f != NULL ? f->kind->advice : cause->transfer);
}

/* Beside another answer: what the rows cost all the same. */
void pp__say_findings(pp_why *w)
{
    const pp_experiment *job = &w->experiments[PP_WHY_JOB];
    for (int i = PP_WHY_LINEAR + 1; i < w->count && w->answer != PP_WHY_DATA; i++) {
        const pp_experiment *e = &w->experiments[i];
        size_t used = strlen(w->sentence);
        if (!e->mended || e->on_reference || e->with[0] != NULL || !is_whole(e)) continue;
        const pp_finding *f = finding_of(w, e->cause);
        if (f == NULL || e->score < job->score + least_gain) continue;
        snprintf(w->sentence + used, sizeof w->sentence - used,
                 " Of the rows: %s; with '%s' the score is %.3f.", f->sentence, e->label, e->score);
    }
    for (int i = 0; i < w->n_findings; i++) {
        size_t used = strlen(w->sentence);
        int is_told = w->n_accused > 0 &&
                      strcmp(w->experiments[w->accused[0]].cause, "validation-from-elsewhere") == 0;
        const char *id = w->findings[i].kind->id;
        if (strcmp(id, "groups-on-both-sides") == 0)
            snprintf(w->sentence + used, sizeof w->sentence - used,
                     " How it does on new groups is not known: %s. To do: %s.",
                     w->findings[i].sentence, w->findings[i].kind->advice);
        if (is_told || strcmp(id, "held-out-shift") != 0) continue;
        snprintf(w->sentence + used, sizeof w->sentence - used,
                 " Held-out rows are of another kind than the training rows: %s.",
                 w->findings[i].sentence);
    }
}
