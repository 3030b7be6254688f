/* The causes of collapse that `why` knows, each with the probes that remove just this one.
 *
 * A sign makes a cause worth probing early and breaks ties; it never convicts. */
#ifndef PITPROP_CAUSE_H
#define PITPROP_CAUSE_H

#include <stddef.h>

#include "base/arena.h"
#include "inspect/inspect.h"
#include "job/job.h"
#include "pitprop/json.h"

/* What is known before any experiment; all borrowed. */
typedef struct pp_case {
    const pp_job *job;         /* resolved */
    const pp_inspection *data; /* what the rows show; NULL: not looked at */
    const pp_json *verdict;    /* verdict.json of the job's own run; NULL: not run yet */
    pp_arena *arena;           /* where patches live */
    const char *copies;        /* directory for mended copies of the rows; NULL: none are made */
} pp_case;

/* What is mended in a copy of the rows, FILES.h5 and, of validation files, FILES-held-out.h5. All
 * arrays have a member for each feature; NULL: nothing of the kind. */
typedef struct pp_mend {
    const char *files;
    const float *code, *instead;    /* x equal to code becomes the other; NaN: none is */
    const double *low, *high;       /* rows with an x beyond are left out */
    const char *left_out;           /* 1: the feature is */
    double target_low, target_high; /* rows whose first target is beyond are left out */
    int unique;                     /* rows that repeat an earlier one in x and y are left out */
    int64_t slip, slip_row; /* rows from slip_row on get the target of the row `slip` further on */
    int64_t rows, held_out; /* so many rows, from all over the files; 0: all of them */
} pp_mend;

/* "dropout 0": model.layers[1].rate = 0. A patch without changes: could not be made, no memory. */
typedef struct pp_probe {
    const char *label;
    pp_patch patch;
    const pp_mend *mend; /* the copy that the patch names is to be made so; NULL: there is none */
} pp_probe;

typedef struct pp_cause {
    const char *id, *title;
    double (*sign)(const pp_case *c); /* how odd the job is here: 0 not at all, 1 hardly anything
                                         else can be; NULL: nothing can be said */
    /* Alternatives, least change first; returns how many, at most `room`; 0: cannot be the cause.
     * NULL: no change of the job removes it; told from the data and the controls. */
    int (*probes)(const pp_case *c, pp_probe *probes, int room);
    int in_data;          /* the reference recipe does not remove it */
    int of_rows;          /* the rows are to be mended, not the job: its answer is `data` */
    int flatters;         /* it lifts the score: without it the score is what it should have been */
    const char *explains; /* ids, blanks between: where the probes of both repair, this is named */
    const char *transfer; /* the remedy in PyTorch, one line */
} pp_cause;

/* The table. */
const pp_cause *pp_causes(int *count);
const pp_cause *pp_cause_find(const char *id, size_t length); /* NULL: there is none */

/* What happens, how it shows, where to look in PyTorch, the remedy, what it is mistaken for:
 * Markdown, from src/study/causes/ID.md. */
const char *pp_cause_prose(const pp_cause *cause);

/* A recipe that is known to learn wherever a small network can: patch of the job. */
pp_status pp_cause_reference(const pp_case *c, pp_patch *patch, pp_error *err);
/* The same without hidden layers. */
pp_status pp_cause_linear(const pp_case *c, pp_patch *patch, pp_error *err);

/* The job on `rows` of its all_rows training rows and on as large a part of the rows of its
 * validation files; steps in proportion, but PP_PART_STEPS of them where the job has as many. The
 * probe names the copy of the rows that is to be made. */
enum { PP_PART_STEPS = 1000 };
pp_status pp_cause_part(const pp_case *c, int64_t rows, int64_t all_rows, int64_t all_held_out,
                        pp_probe *probe, pp_error *err);

#endif
