/* A verdict: what predictions show, as rows of a table with the evidence that they quote.
 *
 * Error rates. `alpha` is the chance, per run, that a model without any relation to its targets is
 * taken for one that has it, and that one with a relation worth having (AUC 0.55, correlation 0.1)
 * is called uninformative. Half of it is spent on the final verdict, half in equal parts on the
 * looks on the way (Bonferroni), and within a decision over its tests. That all predictions are the
 * same is a fact about the rows and no test: they deviate by 2% of what the targets do, or their
 * log-odds by 0.1, whichever is less (predictions of rare classes hardly differ at their best). It
 * is only a collapse where training and held-out rows agree and no association is found as well.
 * "Worse than the best constant" allows for that constant being the best in hindsight. Training
 * rows never make a model healthy that has held-out ones. */
#ifndef PITPROP_VERDICT_H
#define PITPROP_VERDICT_H

#include "pitprop/groups.h"
#include "pitprop/json.h"
#include "pitprop/sketch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most fundamental first; the first that holds names the verdict, all that hold are listed.
 * What cannot be computed comes before what is not true; a mechanism (split, clamp, saturation,
 * batch statistics) before the place where the predictions ended up, as it explains it; constant
 * before varying; faults before doubts. X(identifier, text id, collapse?, title) */
#define PP_VERDICT_LIST(X)                                                                         \
    X(PP_VERDICT_NON_FINITE, "non-finite", 1, "predictions are not finite")                        \
    X(PP_VERDICT_DIVERGED, "diverged", 1, "the loss has run away")                                 \
    X(PP_VERDICT_RANK_SPLIT, "rank-split", 1, "predictions depend on the rank alone")              \
    X(PP_VERDICT_LANE_SPLIT, "lane-split", 1, "predictions depend on the lane alone")              \
    X(PP_VERDICT_CLAMPED, "clamped", 1, "a clamp decides the predictions")                         \
    X(PP_VERDICT_SATURATED, "saturated", 1, "predictions are stuck at 0 and 1")                    \
    X(PP_VERDICT_BATCH_STATISTICS, "bimodal-by-batch-statistics", 1,                               \
      "the model works in training mode only")                                                     \
    X(PP_VERDICT_AT_HALF, "at-half", 1, "every prediction is 0.5")                                 \
    X(PP_VERDICT_AT_BASE_RATE, "at-base-rate", 1, "every prediction is the base rate")             \
    X(PP_VERDICT_AT_TARGET_MEAN, "at-target-mean", 1, "every prediction is the mean target")       \
    X(PP_VERDICT_CONSTANT, "constant", 1, "every prediction is the same")                          \
    X(PP_VERDICT_ONE_CLASS, "one-class", 1, "one class is the answer to everything")               \
    X(PP_VERDICT_MEMORISED, "memorised", 1, "training rows are known by heart, others not at all") \
    X(PP_VERDICT_PARTLY_DEAD, "partly-dead", 1, "a part of what is asked for is never told apart") \
    X(PP_VERDICT_WORSE_THAN_CONSTANT, "worse-than-constant", 1,                                    \
      "inputs are told apart, and one constant answer would serve better")                         \
    X(PP_VERDICT_UNINFORMATIVE, "uninformative", 1,                                                \
      "predictions vary without telling inputs apart")                                             \
    X(PP_VERDICT_NOT_YET_LEARNED, "not-yet-learned", 0, "the model has not learned yet")           \
    X(PP_VERDICT_UNDETERMINED, "undetermined", 0, "too few rows to tell")                          \
    X(PP_VERDICT_HEALTHY, "healthy", 0, "predictions tell inputs apart")

#define PP_VERDICT_ENUM(name, id, collapse, title) name,
typedef enum pp_verdict_id { PP_VERDICT_LIST(PP_VERDICT_ENUM) PP_VERDICT_COUNT } pp_verdict_id;
#undef PP_VERDICT_ENUM

/* Why predictions that tell inputs apart are worse than a constant: what undoes it on the rows that
 * are judged. X(identifier, text id) */
#define PP_REASON_LIST(X)                                                                          \
    X(PP_REASON_NONE, "")                                                                          \
    X(PP_REASON_INVERTED, "inverted")       /* the opposite predictions have skill */              \
    X(PP_REASON_LABELS, "labels")           /* class numbers dealt otherwise have */               \
    X(PP_REASON_OFFSET, "offset")           /* all shifted (probabilities: their log-odds) have */ \
    X(PP_REASON_SCALE, "scale")             /* all multiplied, and shifted, have */                \
    X(PP_REASON_TEMPERATURE, "temperature") /* less sure probabilities have */                     \
    X(PP_REASON_OVERFITTED, "overfitted")   /* training rows show skill, held-out ones do not */   \
    X(PP_REASON_OTHER, "other")

#define PP_REASON_ENUM(name, id) name,
typedef enum pp_reason { PP_REASON_LIST(PP_REASON_ENUM) PP_REASON_COUNT } pp_reason;
#undef PP_REASON_ENUM

enum { PP_VERDICT_TEXT = 1024, PP_VERDICT_TESTS = 12 };

/* A test that a verdict rests on: value within [low, high] but for `level`, against the null
 * hypothesis. low and high are NaN where a test has a statistic alone. */
typedef struct pp_verdict_test {
    const char *name, *null;
    double value, low, high, level;
    int rejected;
} pp_verdict_test;

typedef struct pp_verdict {
    pp_verdict_id id;
    int collapse;                   /* not-yet-learned counts as one where nothing moves any more */
    uint32_t holds;                 /* bit of every verdict that holds, its own included */
    pp_reason reason;               /* of worse-than-constant; else NONE */
    char sentence[PP_VERDICT_TEXT]; /* plain words with the numbers */
    pp_verdict_test tests[PP_VERDICT_TESTS];
    int n_tests;
} pp_verdict;

/* ---- on the way ---- */

enum { PP_LOOKS = 20 }; /* looks at the predictions of training, evenly over the steps of a run */

enum { PP_PLACE_TEXT = 96 };

/* Where training first met a loss that is not finite. */
typedef struct pp_non_finite {
    int64_t step, row;         /* step from 1, 0: never; row of the data, -1: of no single row */
    char place[PP_PLACE_TEXT]; /* "the output of layer 2 (dense)" */
} pp_non_finite;

/* What the looks have seen: a plain value, to go into checkpoints. All-zero bytes: nothing yet. */
typedef struct pp_history {
    int64_t looks;
    double loss[PP_LOOKS], loss_error[PP_LOOKS]; /* means over the rows between two looks */
    double flat_gradient; /* at the look that began the present run without association */
    /* consecutive looks: no association; no gradient; loss far off; outputs alike; all cut off */
    int64_t flat, dead, runaway, alike, cut;
    int64_t lost;      /* evaluations in a row that were constant while training was not */
    int64_t lost_step; /* of the first of them */
    int64_t called;    /* look at which collapse was called; 0: never */
    int64_t called_step;
    double called_share; /* of the steps of the run */
    pp_verdict_id called_id;
    pp_non_finite non_finite; /* noted as it happens, not by a look */
} pp_history;

typedef struct pp_look {
    const pp_summary *running;    /* training predictions since the look before; brief */
    const pp_summary *evaluation; /* the newest since the look before; NULL: none */
    double gradient; /* norm of the gradient of all weights (not of biases), of this step */
    int alike;       /* within every lane of every step all rows had the same outputs, bit by bit */
    int64_t step, steps;
    double alpha;
} pp_look;

/* Adds a look. Returns 1 where collapse is called now, the first time, with the verdict on it.
 * Called at once, on hard evidence: predictions that are not finite; a loss over ten times that of
 * the best constant, above where it began, at two looks; weights whose gradient is exactly 0 at two
 * looks; rows that all get the same outputs, bit by bit, in every step up to two looks; a clamp
 * that decides every prediction at two looks; evaluations that find one answer to everything over a
 * quarter of the steps, while training mode knows its rows. On soft evidence (the predictions show
 * no association with the targets) only when three quarters of the steps are done, at half of all
 * looks in a row, and neither the loss nor the gradient moves: models may sit on a plateau for long
 * and learn then. */
int pp_history_look(pp_history *history, const pp_look *look, pp_verdict *verdict);

/* ---- at the end ---- */

typedef struct pp_evidence {
    const pp_summary *train;    /* fixed weights, every row */
    const pp_summary *held_out; /* NULL: none */
    const pp_summary *running;  /* in training mode, of the last looks; NULL: unknown */
    const pp_split *split;      /* by lane or rank; NULL: unknown */
    const pp_history *history;  /* NULL: nothing is known of the training */
    int by_rank;                /* the split is by rank */
    const char *const *names;   /* of the classes, or of the columns of a regression, as many as the
                                   summaries have; NULL: by number */
    int alike; /* the training rows of any one set of weights had the same outputs, bit by bit: what
                  they differ by is what the weights have moved */
    double alpha;
} pp_evidence;

/* Judged on the held-out rows where there are any. */
pp_verdict pp_verdict_of(const pp_evidence *evidence);

const char *pp_verdict_name(pp_verdict_id id);      /* "at-half" */
pp_verdict_id pp_verdict_by_name(const char *name); /* PP_VERDICT_COUNT: none is called so */
const char *pp_verdict_title(pp_verdict_id id);     /* "every prediction is 0.5" */
int pp_verdict_is_collapse(pp_verdict_id id);
const char *pp_reason_name(pp_reason reason); /* "inverted" */

/* Members of the summary that apply, under their names, into an object that is open. */
void pp_summary_write(const pp_summary *summary, pp_json_writer *writer);
/* The same members back; those that are missing are NaN, no rows, or -1 where that is none. NULL:
 * all are missing. Parts are not read. */
void pp_summary_read(const pp_json *object, pp_summary *summary);
/* The member of this name; NaN: it is not known, or there is none. */
double pp_summary_number(const pp_summary *summary, const char *name);
/* Members "verdict", "collapse", "also", "reason" (worse-than-constant), "dead" (partly-dead: the
 * names), "sentence", "called", "tests", "evidence": {"train", ...} into an object that is open. */
void pp_verdict_put(const pp_verdict *verdict, const pp_evidence *evidence, pp_json_writer *writer);
/* The same as a value of its own. */
void pp_verdict_write(const pp_verdict *verdict, const pp_evidence *evidence,
                      pp_json_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
