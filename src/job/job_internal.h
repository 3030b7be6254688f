/* Shared by the files of src/job above the schema engine. */
#ifndef PITPROP_JOB_INTERNAL_H
#define PITPROP_JOB_INTERNAL_H

#include "job/job.h"

#define PP__ONE(...) +1
/* Names as the job file spells them, by enum value. */
extern const char *const pp__task_names[PP_TASK_REGRESSION + 1];
extern const char *const pp__activation_names[0 PP_ACTIVATION_LIST(PP__ONE)];
extern const char *const pp__loss_names[PP_LOSS_AUTO + 1];
extern const char *const pp__optimizer_names[0 PP_OPTIMIZER_LIST(PP__ONE)];
extern const char *const pp__init_names[PP_INIT_ZEROS + 1];
#undef PP__ONE

/* The rules that no single key can tell: run on every job, and again once it is resolved. */
pp_status pp__job_check(const pp_job *job, pp_error *err);

/* Last dense layer of the list itself (not within residual blocks); NULL: none. */
pp_layer_spec *pp__last_dense(const pp_job *job);

/* ---- lint: rules in lint.c (output, loss, training) and lint_layers.c (the list of layers) ----
 */
typedef struct pp__lint {
    const pp_job *job;
    void (*say)(void *context, const char *path, const char *text);
    void *context;
    int count; /* warnings so far */
} pp__lint;

void pp__lint_warn(pp__lint *lint, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pp__lint_layers(pp__lint *lint);

#endif
