/* Shared by the files of `why`. */
#ifndef PITPROP_WHY_INTERNAL_H
#define PITPROP_WHY_INTERNAL_H

#include "pitprop/cause.h"

#include "pitprop/arena.h"
#include "pitprop/why.h"

/* ---- measure.c: what an experiment costs, and what came out ---- */
int64_t pp__steps_of(const pp_job *job, int64_t rows);
/* Multiply-adds of the whole training of a job, and what its steps cost besides. */
double pp__work_of(const pp_job *job, int64_t rows, int64_t inputs, int64_t outputs);
/* Strings go into the arena. */
pp_status pp__measure(pp_experiment *experiment, const pp_outcome *outcome, pp_arena *arena,
                      pp_error *err);

/* ---- plan.c: which experiments there are; rank 0 ---- */
typedef struct plan {
    const pp_why_spec *spec;
    pp_arena *arena; /* of the result */
    pp_job *job;     /* resolved */
    pp_inspection *data;
    pp_json *verdict; /* of the job's own run; NULL: not known yet */
    int64_t rows, inputs, outputs;
    double job_work;
    pp_experiment *experiments; /* [WHY_MOST] */
    int count;
} plan;
enum { WHY_MOST = 640 };
#define WHY_SUGGESTED 0.7 /* sign of a cause in the data that the survey of the rows shows */

/* Collective for the look at the data; the rest is made on rank 0. */
pp_status pp__plan_open(plan *p, const pp_why_spec *spec, pp_arena *arena, pp_error *err);
void pp__plan_close(plan *p);
pp_status pp__plan_controls(plan *p, pp_error *err);
/* Probes of the causes in the data that the survey of the rows suggests. */
pp_status pp__plan_surveyed(plan *p, pp_error *err);
/* A probe of every other cause that is possible here, by itself; wants the verdict. */
pp_status pp__plan_singles(plan *p, pp_error *err);
/* Causes that the data show and that no probe repairs; returns how many. */
int pp__plan_named(const plan *p, const char **named, int most);
/* Pairs of the singles that came closest or are the most suspected. */
pp_status pp__plan_pairs(plan *p, int most, pp_error *err);
/* The pairs that came closest, each with one more of the singles. */
pp_status pp__plan_triples(plan *p, int most, pp_error *err);
/* The patch of an experiment for 1/parts of its training, as a trial of a study. */
pp_status pp__plan_trial(const plan *p, const pp_experiment *e, int parts, pp_farm_trial *trial,
                         pp_error *err);

/* ---- why_data.c: what the rows show ---- */
/* Findings of the survey. */
pp_status pp__keep_findings(const plan *p, pp_why *why, pp_error *err);
/* A copy of the rows; 0: cannot be made, which is logged. */
int pp__make_copy(const plan *p, const pp_mend *mend);
/* Of a cause in the data: the reference recipe fails with it and does better without it. True of
 * any other cause. */
int pp__shows_in_reference(const pp_why *why, int experiment);
/* The experiment on what the survey suggests that settles the matter; -1: none does. */
int pp__data_decide(const pp_why *why);
/* The rows alone are to be mended. */
int pp__is_of_rows(const pp_experiment *experiment);
void pp__say_data(pp_why *why);
void pp__say_findings(pp_why *why);

/* ---- accuse.c: from numbers to an answer ---- */
/* Marks what is repaired; fills in margin and noise. */
void pp__find_repairs(pp_why *why, pp_experiment *experiments);
/* How likely an experiment points at the cause: what it earns, and how odd the job is there. */
double pp__weight(const pp_experiment *experiment);
/* Any change, or several together, repair the job. */
int pp__is_repaired(const pp_why *why);
/* A single change brings the job near to the best of all. */
int pp__is_well_repaired(const pp_why *why);
/* Whether the job is as good as these data allow, so far as the controls show. */
int pp__is_healthy(const pp_why *why);
int pp__is_without_signal(const pp_why *why);
/* Fills in answer, accused, remedy and sentence. */
void pp__accuse(pp_why *why);

/* ---- why_words.c ---- */
/* Fills in the sentence. */
void pp__say_why(pp_why *why);

#endif
