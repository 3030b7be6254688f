/* Why a model has collapsed: causes proven by experiment.
 *
 * Every experiment is the job with a patch, trained like any other trial: the job itself, other
 * seeds and controls (a reference recipe, the same with permuted targets, a linear model), and
 * probes, each of which removes one cause and nothing else. A cause is accused when its removal
 * alone lifts the skill on held-out rows (training rows where none are held out) above what other
 * seeds give.
 *
 * All decisions rest on numbers that are the same on any number of ranks, so the answer is too.
 * What has been found out is in why.json after every round; a run that is cut off goes on from
 * there. */
#ifndef PITPROP_WHY_H
#define PITPROP_WHY_H

#include "study/farm/farm.h"
#include "inspect/inspect.h"
#include "pitprop/verdict.h"

enum { PP_WHY_WITH = 11 }; /* causes that are removed together with a first one, at most */

/* One experiment and what came out at its longest training. */
typedef struct pp_experiment {
    const char *cause;             /* id; NULL: a control */
    const char *with[PP_WHY_WITH]; /* ids of causes that are removed as well; NULL behind them */
    int on_reference; /* of a cause in the data: removed from the reference recipe, a control */
    int mended;       /* on a copy of the rows without the cause */
    double sign, sign_least; /* how odd the job is there, 0 to 1: mean of a pair, and the lesser */
    const struct pp_experiment *of[2]; /* of several causes: the two that it joins; else NULL */
    const char *label;                 /* "dropout 0", "the job", "another seed" */
    const char *id; /* its trials are ID, or ID.PARTS where it had 1/PARTS of the training */
    pp_patch patch;
    double work;  /* of its whole training, in multiples of the job's */
    double share; /* of that training which it has had; 0: not run */
    int failed;   /* error says why */
    const char *error;
    const char *verdict; /* name; NULL: failed */
    pp_verdict_id verdict_id;
    int collapsed; /* or not yet learned */
    int memorised;
    int held_out;       /* judged on held-out rows; else on the training rows, all that there are */
    double skill;       /* of the verdict's rows, by the loss of the job; NaN: not known */
    double train_skill; /* of the training rows */
    /* How far above 1/2 the AUC is, or above 0 the correlation: three standard errors either way.
     */
    double effect_least, effect_most;
    /* Mean of skill and of how well it ranks: 2 AUC - 1, or the correlation of the ranks; of a
     * collapsed model half its skill; neither below 0. */
    double score, score_error;
    const struct pp__worth *rows;        /* the same row by row; NULL: not known */
    const struct pp_experiment *repeats; /* the same with another seed; NULL: it is none */
    const struct pp_experiment *beside;  /* of such: the job with that seed; NULL: it was not run */
    int confirmed;                       /* 1: other seeds say so too; -1: it was luck */
    int walk;     /* on the way from the reference back to the job; 2: its end */
    int repaired; /* no collapse, and better than the job by more than noise */
} pp_experiment;

typedef enum pp_why_answer {
    PP_WHY_UNFINISHED,
    PP_WHY_HEALTHY,
    PP_WHY_CAUSE,
    PP_WHY_CAUSES, /* two or three together */
    PP_WHY_UNDETERMINED,
    PP_WHY_DEPENDS_ON_SEED, /* some seeds fail and others do not */
    PP_WHY_NO_SIGNAL,
    PP_WHY_MORE_ROWS,
    PP_WHY_DATA,   /* the rows are at fault, or the job cannot be run: error */
    PP_WHY_UNKNOWN /* models learn from these data, and no probe repairs this one */
} pp_why_answer;

const char *pp_why_answer_name(pp_why_answer answer); /* "no-signal" */

enum { PP_WHY_CONTROLS = 8, PP_WHY_ACCUSED = 4 };

/* What `check` and `train` warn of in the job. */
typedef struct pp_why_warning {
    const char *path, *text;
    int heeded_by;  /* whole experiment that does best of the single changes that take the warning
                       away; -1: none was tried */
    int is_settled; /* the remedy takes it away */
} pp_why_warning;

typedef struct pp_why {
    pp_why_answer answer;
    const pp_experiment *experiments; /* [count] the controls first, then probes */
    int count;
    const char *named[PP_WHY_ACCUSED]; /* ids of causes that the data show and no probe repairs */
    int n_named;
    int64_t rows, inputs;        /* of training */
    int64_t part_rows, all_rows; /* a part was asked about (--rows); 0: all rows */
    const pp_finding *findings;  /* [n_findings] of the survey of the rows */
    int n_findings;
    pp_why_warning *warnings; /* [n_warnings] of the job itself */
    int n_warnings;
    int accused[PP_WHY_ACCUSED]; /* experiments, most likely first; of PP_WHY_CAUSES all at once */
    int n_accused;
    int holds_out; /* rows were held out to judge by: the job holds out none */
    int base;      /* experiment that changes are compared with: the job, or a seed that fails */
    int n_seeds, n_failed; /* that the job was run with, and those that fail; 0: all alike */
    int own_seed_fails;    /* the job as it is, among these */
    int remedy; /* experiment that was run at full length and repaired the job; -1: none */
    const char
        *diff; /* the remedy, a line "- path = value" and "+ path = value" a change; "" none */
    double margin, noise; /* a repair lifts the score by more than margin; between seeds */
    double spent, budget; /* multiples of the job's training; the job itself not counted */
    char sentence[2560];
    struct pp_arena *arena; /* owns all of it */
} pp_why;

/* The controls, by place among the experiments. */
enum { PP_WHY_JOB, PP_WHY_SEED_1, PP_WHY_SEED_2, PP_WHY_REFERENCE, PP_WHY_PERMUTED, PP_WHY_LINEAR };

typedef struct pp_why_spec {
    const char *job, *origin; /* text of the job, and its name in messages */
    const char *verdict;      /* verdict.json of a finished run of it, as text; NULL: none */
    const char *run;          /* directory of that run */
    const char *directory;    /* of the run: why.json and fixed.json go here, trials into why/ */
    const char *causes;       /* ids to probe, commas between; NULL: all */
    double budget;            /* multiples of the job's training; 0: PP_WHY_BUDGET, and as much as
                                 PP_WHY_LEAST_WORK where the job is small */
    double rows;              /* asked about: below 1 a share, else how many; 0: all */
    int replace;              /* experiments on another job that lie there are removed */
    pp_comm *comm;
    pp_log *log;
    const volatile sig_atomic_t *stop;
} pp_why_spec;

#define PP_WHY_BUDGET 3.0
#define PP_WHY_LEAST_WORK 1e12 /* about a minute or two of one core */

/* Collective. *why is made on rank 0 (NULL elsewhere); the caller destroys it. *stopped: on
 * request, with everything saved. */
pp_status pp_why_run(const pp_why_spec *spec, pp_why **why, int *stopped, pp_error *err);
void pp_why_destroy(pp_why *why);

/* Members of an object that is open. */
void pp_why_write(const pp_why *why, pp_json_writer *writer);

#endif
