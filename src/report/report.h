/* What people read: the result page and the progress line. Text only; no MPI, no files of its own.
 */
#ifndef PITPROP_REPORT_H
#define PITPROP_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "inspect/inspect.h"
#include "base/log.h"
#include "pitprop/sketch.h"
#include "study/sweep/sweep.h"
#include "train/trial.h"
#include "pitprop/verdict.h"
#include "study/why/why.h"

/* How a stream may be written: colour only on a terminal without NO_COLOR; width in columns. */
typedef struct pp_style {
    int terminal, colour, utf8, width;
} pp_style;
pp_style pp_style_of(FILE *stream);

/* The global distribution of predictions as a horizontal histogram, at most 20 lines: 0.5, the base
 * rate (binary) or the target mean (regression) marked; multi-class: a line a class with its share
 * of answers beside its share of targets. */
/* names: of the classes; NULL: numbers alone. */
void pp_report_distribution(FILE *stream, pp_style style, const pp_sketch *sketch,
                            const char *const *names);
/* Metrics of one evaluation, a line each, those that apply. title: "held-out rows". */
void pp_report_metrics(FILE *stream, pp_style style, const char *title, const pp_summary *summary);
void pp_report_verdict(FILE *stream, pp_style style, const pp_verdict *verdict);
/* The layers that look odd: units that answer the same for every row, outputs at the flat ends of
 * their activation, weights that have not moved, or far less than those of another layer. Nothing
 * where there are none. */
void pp_report_layers(FILE *stream, pp_style style, const pp_layer_signs *layers, int count);
/* Causes compatible with the verdict, where there is no job to experiment on; nothing where there
 * are none. */
void pp_report_candidates(FILE *stream, pp_style style, const pp_verdict *verdict,
                          const pp_summary *summary);
/* The best trials, and where in the space the collapse lies. */
void pp_report_sweep(FILE *stream, const pp_sweep_table *table);
/* The table of experiments and the answer. */
void pp_report_why(FILE *stream, pp_style style, const pp_why *why);
void pp_report_inspection(FILE *stream, pp_style style, const pp_inspection *inspection);

/* One rewritten line on a terminal (at most 10 a second). Elsewhere, as under mpirun and in batch
 * logs, a line of the log when nothing has been said for 10 seconds and 1% of the run. */
void pp_report_progress(void *log, const pp_progress *progress);

/* "1m 05s", "2h 03m" into text [size]; returns text. */
char *pp_report_duration(double seconds, char *text, size_t size);

#endif
