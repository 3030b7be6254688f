/* Shared by the files of src/job above the schema engine. */
#ifndef PITPROP_JOB_INTERNAL_H
#define PITPROP_JOB_INTERNAL_H

#include "pitprop/job.h"

/* Names as the job file spells them, by enum value. */
extern const char *const pp__task_names[];
extern const char *const pp__activation_names[];
extern const char *const pp__loss_names[];
extern const char *const pp__optimizer_names[];
extern const char *const pp__init_names[];

/* The rules that no single key can tell: run on every job, and again once it is resolved. */
pp_status pp__job_check(const pp_job *job, pp_error *err);

/* Features behind layers [n] for `width` features in front; PP_AUTO = not known. */
int64_t pp__layers_width(const pp_layer_spec *layers, int n, int64_t width);
/* Last dense layer of the list itself (not within residual blocks); NULL: none. */
pp_layer_spec *pp__last_dense(const pp_job *job);

int pp__loss_is_cross_entropy(pp_loss_type type); /* over classes, on probabilities or logits */

/* All layers depth first, a residual block before its own, with paths such as
 * "model.layers[2].layers[0]" and depth 0 for the outermost list. Stops where visit is not PP_OK.
 */
typedef pp_status (*pp__visit_layer)(void *context, const pp_layer_spec *layer, const char *path,
                                     int depth);
pp_status pp__job_visit(const pp_job *job, pp__visit_layer visit, void *context);

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
