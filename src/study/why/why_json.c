#include <math.h>
#include <string.h>

#include "why_internal.h"

static const char *const names[] = {[PP_WHY_UNFINISHED] = "unfinished",
                                    [PP_WHY_HEALTHY] = "healthy",
                                    [PP_WHY_CAUSE] = "cause",
                                    [PP_WHY_CAUSES] = "causes",
                                    [PP_WHY_DEPENDS_ON_SEED] = "depends-on-seed",
                                    [PP_WHY_UNDETERMINED] = "undetermined",
                                    [PP_WHY_NO_SIGNAL] = "no-signal",
                                    [PP_WHY_MORE_ROWS] = "needs-more-rows",
                                    [PP_WHY_DATA] = "data",
                                    [PP_WHY_UNKNOWN] = "unknown"};

const char *pp_why_answer_name(pp_why_answer answer)
{
    return names[answer];
}

/* Values are JSON where they parse as such, as in pp_json_set. */
static void put_patch(pp_json_writer *w, const pp_patch *patch)
{
    pp_json_begin_object(w, "patch");
    for (int i = 0; i < patch->count; i++) {
        pp_json *value = NULL;
        if (pp_json_parse(patch->values[i], "", &value, NULL) == PP_OK)
            pp_json_put_value(w, patch->paths[i], value);
        else
            pp_json_put_string(w, patch->paths[i], patch->values[i]);
        pp_json_destroy(value);
    }
    pp_json_end_object(w);
}

/* The other causes of several: "with", "third" and "more". */
static void put_with(pp_json_writer *w, const pp_experiment *e)
{
    static const char *const keys[] = {"with", "third"};
    for (int i = 0; i < 2 && e->with[i] != NULL; i++)
        pp_json_put_string(w, keys[i], e->with[i]);
    if (e->with[2] == NULL) return;
    pp_json_begin_array(w, "more");
    for (int i = 2; i < PP_WHY_WITH && e->with[i] != NULL; i++)
        pp_json_put_string(w, NULL, e->with[i]);
    pp_json_end_array(w);
}

static void put_experiment(pp_json_writer *w, const pp_experiment *e)
{
    pp_json_begin_object(w, NULL);
    if (e->cause != NULL) pp_json_put_string(w, "cause", e->cause);
    put_with(w, e);
    if (e->repeats != NULL) pp_json_put_string(w, "repeats", e->repeats->id);
    if (e->on_reference) pp_json_put_bool(w, "on_reference", 1);
    if (e->mended) pp_json_put_bool(w, "mended", 1);
    pp_json_put_string(w, "label", e->label);
    pp_json_put_string(w, "trial", e->id);
    put_patch(w, &e->patch);
    if (e->cause != NULL) pp_json_put_number(w, "sign", e->sign);
    pp_json_put_number(w, "work", e->work);
    pp_json_put_number(w, "share", e->share);
    if (e->share > 0 && e->failed) pp_json_put_string(w, "error", e->error);
    if (e->share > 0 && !e->failed) {
        pp_json_put_string(w, "verdict", e->verdict);
        pp_json_put_number(w, "skill", e->skill);
        pp_json_put_number(w, "score", e->score);
        pp_json_put_number(w, "score_error", e->score_error);
        pp_json_put_bool(w, "repaired", e->repaired);
    }
    pp_json_end_object(w);
}

static void put_skills(pp_json_writer *w, const pp_why *why)
{
    const pp_experiment *e = why->experiments;
    pp_json_begin_object(w, "skill");
    pp_json_put_number(w, "before", e[PP_WHY_JOB].skill);
    if (why->remedy >= 0) pp_json_put_number(w, "after", e[why->remedy].skill);
    pp_json_put_number(w, "reference", e[PP_WHY_REFERENCE].skill);
    pp_json_put_number(w, "linear", e[PP_WHY_LINEAR].skill);
    pp_json_put_number(w, "permuted", e[PP_WHY_PERMUTED].skill);
    pp_json_put_number(w, "noise", why->noise);
    pp_json_put_number(w, "margin", why->margin);
    pp_json_end_object(w);
}

static void put_causes(pp_json_writer *w, const pp_why *why)
{
    pp_json_begin_array(w, "causes");
    for (int i = 0; i < why->n_accused; i++) {
        const pp_experiment *e = &why->experiments[why->accused[i]];
        if (strcmp(e->cause, PP_WHY_RECIPE) != 0) pp_json_put_string(w, NULL, e->cause);
        for (int k = 0; k < PP_WHY_WITH && e->with[k] != NULL; k++)
            pp_json_put_string(w, NULL, e->with[k]);
        if (e->with[0] != NULL) break;
    }
    int on_data = why->answer == PP_WHY_DATA || why->answer == PP_WHY_NO_SIGNAL ||
                  why->answer == PP_WHY_MORE_ROWS || why->answer == PP_WHY_UNKNOWN;
    for (int i = 0; on_data && i < why->n_named; i++)
        pp_json_put_string(w, NULL, why->named[i]);
    if (why->answer == PP_WHY_NO_SIGNAL) pp_json_put_string(w, NULL, "no-signal");
    if (why->answer == PP_WHY_MORE_ROWS) pp_json_put_string(w, NULL, "too-few-rows");
    pp_json_end_array(w);
}

static void put_warnings(pp_json_writer *w, const pp_why *why)
{
    pp_json_begin_array(w, "warnings");
    for (int i = 0; i < why->n_warnings; i++) {
        const pp_why_warning *of = &why->warnings[i];
        pp_json_begin_object(w, NULL);
        pp_json_put_string(w, "path", of->path);
        pp_json_put_string(w, "warning", of->text);
        pp_json_put_bool(w, "settled_by_remedy", of->is_settled);
        if (of->heeded_by >= 0)
            pp_json_put_string(w, "heeded_by", why->experiments[of->heeded_by].id);
        pp_json_end_object(w);
    }
    pp_json_end_array(w);
}

void pp_why_write(const pp_why *why, pp_json_writer *w)
{
    const pp_experiment *e = why->experiments, *job = &e[PP_WHY_JOB];
    pp_json_put_string(w, "answer", names[why->answer]);
    put_causes(w, why);
    pp_json_put_string(w, "sentence", why->sentence);
    pp_findings_write(why->findings, why->n_findings, w);
    put_warnings(w, why);
    pp_json_begin_object(w, "verdict");
    if (job->verdict != NULL) pp_json_put_string(w, "before", job->verdict);
    if (why->remedy >= 0) pp_json_put_string(w, "after", e[why->remedy].verdict);
    pp_json_end_object(w);
    put_skills(w, why);
    if (why->remedy >= 0) {
        pp_json_begin_object(w, "remedy");
        put_patch(w, &e[why->remedy].patch);
        pp_json_put_string(w, "diff", why->diff);
        pp_json_put_bool(w, "verified", e[why->remedy].share >= 1 && e[why->remedy].repaired);
        pp_json_put_number(w, "skill", e[why->remedy].skill);
        pp_json_put_number(w, "score", e[why->remedy].score);
        pp_json_end_object(w);
    }
    if (why->part_rows > 0) {
        pp_json_begin_object(w, "rows");
        pp_json_put_int(w, "asked", why->part_rows);
        pp_json_put_int(w, "of", why->all_rows);
        pp_json_end_object(w);
    }
    if (why->n_seeds > 0) {
        pp_json_begin_object(w, "seeds");
        pp_json_put_int(w, "tried", why->n_seeds);
        pp_json_put_int(w, "failed", why->n_failed);
        pp_json_end_object(w);
    }
    pp_json_begin_object(w, "cost");
    pp_json_put_number(w, "spent", why->spent);
    pp_json_put_number(w, "budget", why->budget);
    pp_json_end_object(w);
    pp_json_begin_array(w, "controls");
    for (int i = 0; i < why->count && i <= PP_WHY_LINEAR; i++)
        put_experiment(w, &e[i]);
    pp_json_end_array(w);
    pp_json_begin_array(w, "probes");
    for (int i = PP_WHY_LINEAR + 1; i < why->count; i++)
        put_experiment(w, &e[i]);
    pp_json_end_array(w);
}
