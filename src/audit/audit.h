/* The sketch and the verdict of predictions that any program made: read from files, in blocks, by
 * all ranks of a communicator. The result is the same, bit for bit, on any number of them. */
#ifndef PITPROP_AUDIT_H
#define PITPROP_AUDIT_H

#include <stdint.h>

#include "comm/comm.h"
#include "pitprop/error.h"
#include "job/job.h"
#include "pitprop/json.h"
#include "pitprop/sketch.h"
#include "pitprop/verdict.h"

/* A place of numbers is a data set of `file` (HDF5), columns of it (npy, csv: see table.h), or a
 * file of its own: "p.npy", "p.h5:/p". */
typedef struct pp_audit_spec {
    const char *file; /* NULL: every place is a file of its own */
    const char
        *p; /* [rows] or [rows, k] probabilities or regression; NULL: "/p", all of an npy, "p" */
    const char
        *y; /* [rows] class numbers or targets, [rows, k] one-hot or targets; NULL: "/y", "y" */
    const char *raw;      /* as p: outputs before the last function; NULL: none */
    const char *rank;     /* [rows] process that made a row, from 0; NULL: none */
    const char *held_out; /* [rows] 1: held out from training, 0: trained on; NULL: not known */
    pp_task task;         /* PP_TASK_AUTO: as y and the columns of p show */
    int64_t classes;      /* PP_AUTO: as the columns of p show */
    int logits;           /* p holds logits: a sigmoid (one column) or softmax is applied here */
    double alpha;         /* error rate of the verdict */
} pp_audit_spec;

typedef struct pp_audit {
    pp_task task;
    int64_t rows, held_out_rows;
    pp_sketch *sketch; /* of the rows that are judged: the held-out ones where there are any */
    pp_summary train, held_out; /* rows not known to be held out; rows 0: none */
    pp_split split;             /* by rank */
    double alpha;
    char **class_names; /* [n_class_names]; NULL: classes have numbers alone */
    int n_class_names;
    int labels_unnamed; /* p has names of classes and y has none: its labels are taken as numbers */
    pp_verdict verdict;
} pp_audit;

/* Collective; *audit is filled on rank 0. */
pp_status pp_audit_run(pp_comm *comm, const pp_audit_spec *spec, pp_audit *audit, pp_error *err);
/* The summary of the rows that are judged. */
const pp_summary *pp_audit_judged(const pp_audit *audit);
void pp_audit_free(pp_audit *audit);
/* An object: where the numbers came from, the verdict with its evidence, the candidate causes. */
void pp_audit_write(const pp_audit_spec *spec, const pp_audit *audit, pp_json_writer *writer);

#endif
