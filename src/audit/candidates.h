/* What may have caused a verdict, where there are only predictions and no job to experiment on.
 *
 * A candidate is compatible with the evidence and no more: each comes with the line to look for in
 * PyTorch and the test that would decide. */
#ifndef PITPROP_CANDIDATES_H
#define PITPROP_CANDIDATES_H

#include "pitprop/sketch.h"
#include "pitprop/verdict.h"

typedef struct pp_candidate {
    const char *id, *title;           /* what `why` can prove has the id of its cause */
    const char *verdicts;             /* ids of the verdicts that it can lead to, blanks between */
    int kinds;                        /* tasks that it is possible in: bits 1 << pp_sketch_kind */
    int (*sign)(const pp_summary *s); /* must hold as well; NULL: nothing more is known */
    const char *look_for;             /* in a PyTorch program */
    const char *test;                 /* what would decide */
} pp_candidate;

/* The table, most specific first. */
const pp_candidate *pp_candidates(int *count);
int pp_candidate_fits(const pp_candidate *candidate, const pp_verdict *verdict,
                      const pp_summary *summary);

#endif
