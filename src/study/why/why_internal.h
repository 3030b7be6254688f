/* Shared by the files of `why`. */
#ifndef PITPROP_WHY_INTERNAL_H
#define PITPROP_WHY_INTERNAL_H

#include "study/causes/cause.h"

#include "base/arena.h"
#include "study/why/why.h"

/* ---- worth.c: what a run is worth on its rows ---- */
typedef enum pp__row_loss { PP__SQUARED, PP__PINBALL, PP__LOG } pp__row_loss;

/* The loss of the job that is asked about, by which all experiments are judged. */
typedef struct pp__yardstick {
    pp__row_loss loss;
    double quantile;
    const double *weights; /* [classes] NULL: all alike */
    int64_t classes;
} pp__yardstick;

/* A score is the mean of skill, 1 - loss / loss of the best constant, and of how well predictions
 * rank: 2 AUC - 1 (mean over the classes), or the correlation of the ranks; neither below 0. */
typedef struct pp__worth {
    int64_t n;
    const int64_t *index; /* [n] row numbers */
    const float *pull;    /* [n] a row's part in the score: their squares make its error */
    double skill, score, error;
    double ranked;  /* the score with ranking counted in any case */
    int is_skilled; /* by three standard errors */
} pp__worth;

pp__yardstick pp__yardstick_of(const pp_job *job, const pp_inspection *data, pp_arena *arena);
/* Of sample.safetensors of a run; ranking counts as well where skill is clear. NULL: there is none
 * that can be judged. */
pp__worth *pp__worth_read(const pp__yardstick *yardstick, const char *path, int counts_ranking,
                          pp_arena *arena);
/* Score of a less that of b, and its standard error: of the differences of their rows, where they
 * are the same. */
double pp__gain(const pp_experiment *a, const pp_experiment *b, double *error);

/* ---- measure.c: what an experiment costs, and what came out ---- */
int64_t pp__steps_of(const pp_job *job, int64_t rows);
/* Multiply-adds of the whole training of a job, and what its steps cost besides. */
double pp__work_of(const pp_job *job, int64_t rows, pp_shape x, int64_t outputs);
/* What its steps cost besides, which several ranks do not share. */
double pp__serial_work_of(const pp_job *job, int64_t rows);
/* directory: of its run. What it holds goes into the arena. */
pp_status pp__measure(pp_experiment *experiment, const pp_outcome *outcome, const char *directory,
                      const pp__yardstick *yardstick, pp_arena *arena, pp_error *err);

/* ---- plan.c: which experiments there are; rank 0 ---- */
typedef struct why_plan {
    const pp_why_spec *spec;
    pp_arena *arena; /* of the result */
    pp_job *job;     /* resolved */
    pp_inspection *data;
    pp_job_facts facts; /* with which jobs are resolved */
    pp_json *verdict;   /* of the job's own run; NULL: not known yet */
    int64_t rows, inputs, outputs;
    double job_work;
    const char *seed; /* of the probes; NULL: the job's */
    int holds_out;    /* rows are held out for the experiments: the job holds out none */
    pp__yardstick yardstick;
    pp_experiment *experiments; /* [WHY_MOST] */
    int count;
} why_plan;
enum { WHY_SEEDS = 12 }; /* that the job is run with, its own included, at most */
enum { WHY_MOST = 960 };
#define WHY_SUGGESTED 0.7 /* sign of a cause in the data that the survey of the rows shows */
#define PP_WHY_LUCK "unlucky-initialisation"
#define PP_WHY_RECIPE "reference" /* in place of a cause: a change that none owns */

/* Collective for the look at the data; the rest is made on rank 0. */
pp_status pp__plan_open(why_plan *p, const pp_why_spec *spec, pp_arena *arena, pp_error *err);
void pp__plan_close(why_plan *p);
pp_status pp__plan_controls(why_plan *p, pp_error *err);
/* Probes of the causes in the data that the survey of the rows suggests. */
pp_status pp__plan_surveyed(why_plan *p, pp_error *err);
/* A probe of every other cause that is possible here, by itself; wants the verdict. */
pp_status pp__plan_singles(why_plan *p, pp_error *err);
/* Causes that the data show and that no probe repairs; returns how many. */
int pp__plan_named(const why_plan *p, const char **named, int most);
/* Pairs of the singles that came closest or are the most suspected. */
pp_status pp__plan_pairs(why_plan *p, int most, pp_error *err);
/* The pairs that came closest, each with one more of the singles. */
pp_status pp__plan_triples(why_plan *p, int most, pp_error *err);
/* The patch of an experiment for 1/parts of its training, as a trial of a study. */
pp_status pp__plan_trial(const why_plan *p, const pp_experiment *e, int parts, pp_farm_trial *trial,
                         pp_error *err);

/* ---- why_data.c: what the rows show ---- */
/* Findings of the survey. */
pp_status pp__keep_findings(const why_plan *p, pp_why *why, pp_error *err);
/* A copy of the rows; 0: cannot be made, which is logged. */
int pp__make_copy(const why_plan *p, const pp_mend *mend);
/* Of a cause in the data: the reference recipe fails with it and does better without it. True of
 * any other cause. */
int pp__shows_in_reference(const pp_why *why, int experiment);
/* The experiment on what the survey suggests that settles the matter; -1: none does. */
int pp__data_decide(const pp_why *why);
/* The rows alone are to be mended. */
int pp__is_of_rows(const pp_experiment *experiment);
void pp__say_data(pp_why *why);
void pp__say_findings(pp_why *why);
/* Adds the job with a patch, by the names of others. */
pp_status pp__plan_add(why_plan *p, const pp_experiment *e, pp_error *err);

/* ---- why_warnings.c: what `check` and `train` warn of ---- */
pp_status pp__keep_warnings(const why_plan *p, pp_why *why, pp_error *err);
/* What became of each, and a sentence about it. */
void pp__settle_warnings(const why_plan *p, pp_why *why);

/* ---- differences.c: from a recipe that works back to the job ---- */
#define PP__BODY "hidden layers"
#define PP__HEAD "output and loss"
enum { PP__MOST_DIFFERENCES = 16 };

typedef struct pp__difference {
    const char *path, *words;
    const char *cause;  /* that owns such a change; NULL: none */
    const char *probes; /* paths that probes of the same change begin with, blanks between */
} pp__difference;

typedef struct pp__differences {
    const pp_patch *recipe; /* borrowed */
    pp_json *job, *model, *training;
    const pp_json *layers; /* the job's own */
    pp_arena *arena;       /* borrowed: of the patches */
    pp__difference of[PP__MOST_DIFFERENCES];
    int n;
} pp__differences;

/* What the recipe changes in the job, part by part; pp__differences_free. */
pp_status pp__differences_find(const why_plan *p, const pp_patch *recipe, pp__differences *d,
                               pp_error *err);
void pp__differences_free(pp__differences *d);
/* Changes of those whose bit is set, with room for more. */
pp_status pp__difference_patch(const pp__differences *d, uint32_t which, int room, pp_patch *patch,
                               pp_error *err);
/* A patch changes nothing outside it. */
int pp__difference_owns(const pp__difference *d, const pp_patch *patch);

/* ---- accuse.c: from numbers to an answer ---- */
/* Marks what is repaired; fills in margin and noise. */
void pp__find_repairs(pp_why *why, pp_experiment *experiments);
/* How likely an experiment points at the cause: what it earns, and how odd the job is there. */
double pp__weight(const pp_experiment *experiment);
/* Any change, or several together, repair the job. */
int pp__is_repaired(const pp_why *why);
/* A control that is clearly better than the job; -1: none is. */
int pp__working_control(const pp_why *why);
/* It repairs the job, and reaches a good part of what the control does. */
int pp__reaches(const pp_why *why, const pp_experiment *e, const pp_experiment *control);
/* Whether the same change repairs with this seed as well. */
int pp__still_repairs(const pp_why *why, const pp_experiment *repeat);
/* Repeats [first, end) of a change with other seeds are better than the job with those, taken
 * together. */
int pp__hold_together(const pp_why *why, int first, int end);
/* Some of the seeds fail, others do not. */
int pp__seeds_disagree(const pp_why *why);
/* The job with its k-th seed, 0: its own; NULL: it was not run with so many. */
const pp_experiment *pp__with_seed(const pp_why *why, int k);
/* 1: the job fails with seed 1000 + k; 0: it does not; -1: it was not run. k 0: its own. */
int pp__fails_at_seed(const pp_why *why, int k);
/* What would be accused now; -1: nothing. */
int pp__accused(pp_why *why);
/* Nothing that was tried is better than the job. */
int pp__is_as_good_as_any(const pp_why *why);
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
