/* Shared by the files of causes. */
#ifndef PITPROP_CAUSE_INTERNAL_H
#define PITPROP_CAUSE_INTERNAL_H

#include "study/causes/cause.h"
#include "pitprop/verdict.h"

/* ---- probes ---- */
/* A probe without changes yet; 0: no memory. */
int pp__probe(const pp_case *c, pp_probe *probe, const char *label, ...)
    __attribute__((format(printf, 3, 4)));
/* One more change; path and value are texts of the arena or of the program. */
void pp__change(pp_probe *probe, const char *path, const char *value);
/* A number as text of the arena. */
const char *pp__text(const pp_case *c, double value);
/* A probe with a single change; 1: made. */
int pp__single(const pp_case *c, pp_probe *probe, const char *label, const char *path,
               const char *value);
/* Whether the job with this change can be trained on these data. */
int pp__fits(const pp_case *c, const pp_probe *probe);

/* ---- layers ---- */
typedef struct flat_layer {
    const pp_layer_spec *layer;
    const char *path; /* "model.layers[2]" */
    double fan_in;    /* products that make one of its outputs; 0: none, or not known */
    int is_last;      /* dense: the one that makes the outputs */
} flat_layer;

enum { MOST_LAYERS = 256 };
/* All layers, depth first, without the residual blocks themselves; returns how many. */
int pp__flatten(const pp_case *c, flat_layer *layers);
/* Path with a member: "model.layers[2].rate". */
const char *pp__member(const pp_case *c, const flat_layer *layer, const char *member);

/* What the last layer does to the outputs. */
pp_activation pp__output_activation(const pp_case *c);
void pp__set_output_activation(const pp_case *c, pp_probe *probe, const char *name);
void pp__set_output_units(const pp_case *c, pp_probe *probe, const char *units);
int64_t pp__output_units(const pp_case *c);

/* ---- facts ---- */
/* Whether the job's verdict is one of those. */
#define PP__VERDICT(name) ((uint32_t)1 << PP_VERDICT_##name)
int pp__has_verdict(const pp_case *c, uint32_t any);
/* Most of a member of the layers with that activation, after the job's own run; 0: none known. */
double pp__most_of_layers(const pp_case *c, pp_activation activation, const char *member);
pp_task pp__task(const pp_case *c);
/* Steps of the whole training and rows of an epoch. */
double pp__steps(const pp_case *c);
double pp__rows(const pp_case *c);
/* 0 below `from`, 1 above `to`, even in the logarithm between. */
double pp__ramp(double value, double from, double to);

/* ---- prose ---- */
/* src/study/causes/ID.md, made into C when the program is built; ended by a NULL id. */
typedef struct pp__page {
    const char *id, *text;
} pp__page;
extern const pp__page pp__prose[];

/* ---- rows of the table, by what they change ---- */
#define CAUSE_PROBES(name) int name(const pp_case *c, pp_probe *probes, int room)
#define CAUSE_SIGN(name) double name(const pp_case *c)

/* cause_training.c */
CAUSE_SIGN(pp__sign_rate_high);
CAUSE_PROBES(pp__probe_rate_high);
CAUSE_SIGN(pp__sign_rate_low);
CAUSE_PROBES(pp__probe_rate_low);
CAUSE_SIGN(pp__sign_steps);
CAUSE_PROBES(pp__probe_steps);
CAUSE_SIGN(pp__sign_optimizer);
CAUSE_PROBES(pp__probe_optimizer);
CAUSE_SIGN(pp__sign_momentum);
CAUSE_PROBES(pp__probe_momentum);
CAUSE_SIGN(pp__sign_schedule);
CAUSE_PROBES(pp__probe_schedule);
CAUSE_SIGN(pp__sign_decay);
CAUSE_PROBES(pp__probe_decay);
CAUSE_SIGN(pp__sign_batch_large);
CAUSE_PROBES(pp__probe_batch_large);
CAUSE_SIGN(pp__sign_batch_small);
CAUSE_PROBES(pp__probe_batch_small);
CAUSE_SIGN(pp__sign_clip);
CAUSE_PROBES(pp__probe_clip);
CAUSE_SIGN(pp__sign_exploding);
CAUSE_PROBES(pp__probe_exploding);
CAUSE_SIGN(pp__sign_seed);
CAUSE_PROBES(pp__probe_seed);

/* cause_model.c */
CAUSE_SIGN(pp__sign_init);
CAUSE_PROBES(pp__probe_init);
CAUSE_SIGN(pp__sign_relus);
CAUSE_PROBES(pp__probe_relus);
CAUSE_SIGN(pp__sign_saturated);
CAUSE_PROBES(pp__probe_saturated);
CAUSE_SIGN(pp__sign_dropout);
CAUSE_PROBES(pp__probe_dropout);
CAUSE_SIGN(pp__sign_batch_norm);
CAUSE_PROBES(pp__probe_batch_norm);
CAUSE_SIGN(pp__sign_size);
CAUSE_PROBES(pp__probe_size);
CAUSE_SIGN(pp__sign_frozen);
CAUSE_PROBES(pp__probe_frozen);

/* cause_overfitting.c */
CAUSE_SIGN(pp__sign_overfitting);
CAUSE_PROBES(pp__probe_overfitting);

/* cause_mended.c */
CAUSE_SIGN(pp__sign_codes);
CAUSE_PROBES(pp__probe_codes);
CAUSE_SIGN(pp__sign_outliers);
CAUSE_PROBES(pp__probe_outliers);
CAUSE_SIGN(pp__sign_leak);
CAUSE_PROBES(pp__probe_leak);
CAUSE_SIGN(pp__sign_copies);
CAUSE_PROBES(pp__probe_copies);

/* The job on a mended copy of its rows; 0: no memory. */
int pp__on_copy(const pp_case *c, pp_probe *probe, const char *label, const pp_mend *mend);
/* Moves them back. */
int pp__realign(const pp_case *c, pp_probe *probe, const pp_inspection_slip *slip);

/* cause_output.c */
CAUSE_SIGN(pp__sign_missing_activation);
CAUSE_PROBES(pp__probe_missing_activation);
CAUSE_SIGN(pp__sign_prediction_only);
CAUSE_PROBES(pp__probe_prediction_only);
CAUSE_SIGN(pp__sign_twice);
CAUSE_PROBES(pp__probe_twice);
CAUSE_SIGN(pp__sign_loss);
CAUSE_PROBES(pp__probe_loss);
CAUSE_SIGN(pp__sign_bounded);
CAUSE_PROBES(pp__probe_bounded);
CAUSE_SIGN(pp__sign_clamp);
CAUSE_PROBES(pp__probe_clamp);
CAUSE_SIGN(pp__sign_label_code);
CAUSE_PROBES(pp__probe_label_code);
CAUSE_SIGN(pp__sign_broadcast);
CAUSE_PROBES(pp__probe_broadcast);
CAUSE_SIGN(pp__sign_range);
CAUSE_PROBES(pp__probe_range);
CAUSE_SIGN(pp__sign_smoothing);
CAUSE_PROBES(pp__probe_smoothing);

/* cause_data.c */
CAUSE_SIGN(pp__sign_imbalance);
CAUSE_PROBES(pp__probe_imbalance);
CAUSE_SIGN(pp__sign_weights);
CAUSE_PROBES(pp__probe_weights);
CAUSE_SIGN(pp__sign_unscaled);
CAUSE_SIGN(pp__sign_dominant);
CAUSE_PROBES(pp__probe_standardise);
CAUSE_SIGN(pp__sign_target_scale);
CAUSE_PROBES(pp__probe_target_scale);
CAUSE_SIGN(pp__sign_unmixed);
CAUSE_PROBES(pp__probe_unmixed);
CAUSE_SIGN(pp__sign_misaligned);
CAUSE_PROBES(pp__probe_misaligned);
CAUSE_SIGN(pp__sign_validation);
CAUSE_PROBES(pp__probe_validation);
CAUSE_SIGN(pp__sign_constant_targets);
CAUSE_SIGN(pp__sign_constant_features);
CAUSE_SIGN(pp__sign_non_finite);

#endif
