/* A verdict: what a sketch shows, as a row of a table with the evidence that it quotes. */
#ifndef PITPROP_VERDICT_H
#define PITPROP_VERDICT_H

#include "pitprop/json.h"
#include "pitprop/sketch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most fundamental first: the first predicate that holds names the verdict.
 * X(identifier, text id, collapse?, title) */
#define PP_VERDICT_LIST(X)                                                                         \
    X(PP_VERDICT_NON_FINITE, "non-finite", 1, "predictions are not finite")                        \
    X(PP_VERDICT_AT_HALF, "at-half", 1, "every prediction is 0.5")                                 \
    X(PP_VERDICT_AT_BASE_RATE, "at-base-rate", 1, "every prediction is the base rate")             \
    X(PP_VERDICT_AT_TARGET_MEAN, "at-target-mean", 1, "every prediction is the mean target")       \
    X(PP_VERDICT_CONSTANT, "constant", 1, "every prediction is the same")                          \
    X(PP_VERDICT_ONE_CLASS, "one-class", 1, "one class is the answer to everything")               \
    X(PP_VERDICT_UNINFORMATIVE, "uninformative", 1,                                                \
      "predictions vary without telling inputs apart")                                             \
    X(PP_VERDICT_HEALTHY, "healthy", 0, "predictions tell inputs apart")

#define PP_VERDICT_ENUM(name, id, collapse, title) name,
typedef enum pp_verdict_id { PP_VERDICT_LIST(PP_VERDICT_ENUM) PP_VERDICT_COUNT } pp_verdict_id;
#undef PP_VERDICT_ENUM

typedef struct pp_verdict {
    pp_verdict_id id;
    char sentence[512]; /* plain words with the numbers */
} pp_verdict;

pp_verdict pp_verdict_of(const pp_summary *summary);
const char *pp_verdict_name(pp_verdict_id id);  /* "at-half" */
const char *pp_verdict_title(pp_verdict_id id); /* "every prediction is 0.5" */
int pp_verdict_is_collapse(pp_verdict_id id);

/* Members of the summary that apply, under their names, into an object that is open. */
void pp_summary_write(const pp_summary *summary, pp_json_writer *writer);
/* {"verdict", "collapse", "sentence", "evidence": {...}}, a value of its own. */
void pp_verdict_write(const pp_verdict *verdict, const pp_summary *summary, pp_json_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
