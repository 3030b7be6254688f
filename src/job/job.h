/* A job: what a user asks for, parsed once from JSON into a frozen value.
 *
 * One table in src/job/keys.c has a row per key: it parses, checks, documents and echoes.
 * Strings and arrays belong to the job. PP_AUTO marks what the data or a rule will decide; the
 * resolved job of a run directory has none left (pp_job_resolve) but `init`, `blas_kernel`, and
 * `residency` and `memory`, which the layers that follow, the CPU and the host decide. */
#ifndef PITPROP_JOB_H
#define PITPROP_JOB_H

#include <stdint.h>

#include "job/kinds.h"
#include "pitprop/error.h"
#include "pitprop/json.h"
#include "base/log.h"

enum { PP_MAX_LANES = 8192 };

typedef enum pp_balance {
    PP_BALANCE_NONE,
    PP_BALANCE_OVERSAMPLE,    /* rows of smaller classes repeated up to the largest class */
    PP_BALANCE_UNDERSAMPLE,   /* rows of larger classes left out down to the smallest class */
    PP_BALANCE_CLASS_WEIGHTS, /* n / (K n_c) */
    PP_BALANCE_GIVEN          /* data.class_weights as given */
} pp_balance;

typedef enum pp_residency {
    PP_RESIDENCY_AUTO,   /* memory where this rank's rows fit into data.memory, else stream */
    PP_RESIDENCY_MEMORY, /* rows are read once and kept */
    PP_RESIDENCY_STREAM  /* windows are read when an epoch or an evaluation comes to them */
} pp_residency;

typedef struct pp_job_data {
    const char **files; /* [n_files] HDF5 files, one set in this order */
    int n_files;
    const char **x; /* [n_x] data sets in every file [rows, ...], joined by columns */
    int n_x;
    const char **columns; /* [n_columns] of those that are features ("3", "5:9"); 0: all */
    int n_columns;
    const double *x_shape; /* [n_x_shape] what the columns of a row are, [channels, height, width];
                              0: as x has it */
    int n_x_shape;
    const char *y;             /* data set of targets in every file: [rows] or [rows, k] */
    const char *target_column; /* of the columns of x, instead of y ("28", "-1"); "" = none */
    int follow_links;          /* data that lie in other files are read as well */
    const char *row_weights;   /* data set of per-row weights [rows], "" = none */
    const char *groups;        /* data set [rows]: groups are held out as a whole; "" = none */
    pp_task task;
    int64_t classes; /* of a classification, PP_AUTO: from y; a resolved regression: 0 */
    double
        validation_fraction; /* of the rows, held out; 0 with no file: evaluate on training rows */
    int64_t fold, folds;     /* held out is part `fold`, from 0, of so many; folds 0: by fraction */
    const char **validation_files;
    int n_validation_files;
    int standardise;         /* x to mean 0, deviation 1 per feature, from training rows */
    int standardise_targets; /* y likewise, of a regression */
    pp_balance balance;
    const double *class_weights; /* [n_class_weights], for PP_BALANCE_GIVEN */
    int n_class_weights;
    int64_t
        shift_targets;    /* row i gets the target of row i + shift_targets, round the file's end */
    int recode_labels;    /* the two labels of a binary task become 0 and 1 */
    int permute_targets;  /* targets are dealt to other rows: a control */
    int shuffle;          /* rows are dealt to lanes and mixed each epoch; 0: file order */
    int64_t window;       /* rows read together, PP_AUTO: from chunks and row count */
    int64_t open_windows; /* windows among which rows are mixed */
    pp_residency residency;
    int64_t memory; /* bytes of a rank for rows; PP_AUTO: half of what may be, shared there */
} pp_job_data;

typedef struct pp_job_model {
    pp_layer_spec *layers; /* [n_layers] */
    int n_layers;
    pp_at_prediction at_prediction; /* applied to outputs when predicting, never in training */
    double clamp_low, clamp_high;
    const char *initial; /* safetensors file with the values to begin with; "": drawn */
} pp_job_model;

typedef enum pp_schedule_type {
    PP_SCHEDULE_CONSTANT,
    PP_SCHEDULE_STEP,         /* lr factor^floor(t / every) */
    PP_SCHEDULE_EXPONENTIAL,  /* lr factor^t */
    PP_SCHEDULE_INVERSE_TIME, /* lr / (1 + rate t) */
    PP_SCHEDULE_COSINE,       /* to final * lr at the end of training */
    PP_SCHEDULE_PLATEAU       /* lr times factor when the watched metric stops improving */
} pp_schedule_type;

/* t counts epochs (fractional) after warm-up. */
typedef struct pp_job_schedule {
    pp_schedule_type type;
    double factor;        /* step, exponential, plateau */
    double every;         /* step: epochs */
    double rate;          /* inverse_time: per epoch */
    double final;         /* cosine: fraction of lr at the end */
    int64_t patience;     /* plateau: evaluations without improvement */
    double min_lr;        /* plateau */
    int64_t warmup_steps; /* linear from lr / warmup_steps, in front of any schedule */
} pp_job_schedule;

typedef struct pp_job_training {
    int64_t epochs; /* 0 = no bound by epochs */
    int64_t steps;  /* 0 = no bound by steps; with both, whichever ends first */
    int64_t batch;  /* rows of the global batch */
    int64_t
        lanes; /* power of two, PP_AUTO: largest power of two <= 8 with >= 32 rows a lane, else 1 */
    double clip_norm;       /* global gradient norm, 0 = off */
    int64_t early_stopping; /* evaluations without improvement of the watched loss, 0 = off */
    double min_delta;       /* improvement that counts, for early stopping and plateau */
} pp_job_training;

typedef enum pp_on_collapse {
    PP_COLLAPSE_WARN,
    PP_COLLAPSE_STOP, /* at the step where it is called */
    PP_COLLAPSE_WHY   /* goes on to the end; then `train` looks for the cause */
} pp_on_collapse;

typedef struct pp_job_monitor {
    int enabled;  /* predictions of training are sketched and looked at */
    double alpha; /* false alarms a run, see pitprop/verdict.h */
    pp_on_collapse on_collapse;
    int64_t log_steps;      /* a step row every so many steps, 0 = none */
    double evaluate_epochs; /* evaluation every so many epochs (the end is always evaluated) */
    int save_initial;       /* write initial.safetensors before the first step */
} pp_job_monitor;

typedef struct pp_job_checkpoint {
    int64_t every_steps;  /* 0 = off; the three may be combined */
    double every_epochs;  /* 0 = off */
    double every_seconds; /* 0 = off */
    int64_t keep;         /* newest ones kept */
} pp_job_checkpoint;

typedef struct pp_job_runtime {
    pp_backend_type backend;
    const char *blas_kernel; /* "auto", or an OPENBLAS_CORETYPE such as "Haswell" */
    int64_t bucket;          /* bytes of parameters exchanged together */
} pp_job_runtime;

typedef struct pp_job {
    const char *name;
    const char *output; /* run directory; "" = runs/NAME */
    int64_t seed;
    pp_job_data data;
    pp_job_model model;
    pp_job_loss loss;
    pp_job_optimizer optimizer;
    pp_job_schedule schedule;
    pp_job_training training;
    pp_job_monitor monitor;
    pp_job_checkpoint checkpoint;
    pp_job_runtime runtime;
    struct pp_arena *arena; /* owns all of the above */
} pp_job;

/* A set of path = value changes, applied to the JSON before it is parsed. */
typedef struct pp_patch {
    const char **paths, **values; /* [count], borrowed */
    int count;
} pp_patch;

/* Parses text, applies patch (nullable), fills defaults, checks every key and the cross-key rules.
 * origin names the text in messages. The caller destroys *job. */
pp_status pp_job_parse(const char *text, const char *origin, const pp_patch *patch, pp_job **job,
                       pp_error *err);
void pp_job_destroy(pp_job *job);

/* What the data say, for the autos. */
typedef struct pp_job_facts {
    int64_t rows;      /* training rows per epoch, after balancing */
    pp_shape x;        /* of a row, as the files have it; n_dims 0: not known */
    int64_t y_columns; /* 1 for y [n] */
    pp_task task;      /* as found in y (when the job says auto) */
    int64_t classes;   /* largest class index + 1, or one-hot columns; 0 for regression */
    int64_t window;    /* window rule's answer */
} pp_job_facts;

/* Replaces every auto: task, classes, loss.type, units of the last dense layer, lanes, window,
 * loss.targets, output; then checks the cross-key rules again. */
pp_status pp_job_resolve(pp_job *job, const pp_job_facts *facts, pp_error *err);
/* training.lanes or, where it is auto, the rule's answer (a property of the job alone). */
int64_t pp_job_lanes(const pp_job *job);
/* What a row of x is, as data.x_shape says. */
pp_shape pp_job_x_shape(const pp_job *job);
/* pp_layers_walk over the model, from pp_job_x_shape on. */
pp_status pp_job_walk(const pp_job *job, pp_layer_visit visit, void *context);
/* Steps of the whole training, at least 0 and at most 2^50: what is written as a large number for
 * "until it is stopped". */
int64_t pp_job_steps(const pp_job *job, int64_t steps_per_epoch);
/* Share of the rows of data.files that is held out, by fraction or by fold. */
double pp_job_held_out_share(const pp_job *job);

/* Every key with its value, in schema order. */
void pp_job_echo(const pp_job *job, pp_json_writer *writer);
/* JSON Schema (2020-12) of the job file, from the same table. */
void pp_job_schema(pp_json_writer *writer);

/* Odd combinations that run but seldom mean what was meant: one warning per line through `say`.
 * Wants a resolved job. Returns how many. */
int pp_job_lint(const pp_job *job, void (*say)(void *context, const char *path, const char *text),
                void *context);

#endif
