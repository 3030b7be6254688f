/* The state of a running trial, shared by the files of src/train. */
#ifndef PITPROP_TRIAL_INTERNAL_H
#define PITPROP_TRIAL_INTERNAL_H

#include <limits.h>
#include <stdio.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "train/exchange.h"
#include "base/fs.h"
#include "pitprop/json.h"
#include "model/loss.h"
#include "model/schedule.h"
#include "model/signs.h"
#include "train/trial.h"

/* Host and device buffers for rows on their way through the model. */
typedef struct row_buffers {
    pp_rows rows; /* host; rows.x is the device's array where the backend works in host memory */
    float *x;     /* device [rows, inputs] */
    float *z, *p; /* host [rows, outputs] */
    float *dz, *dz_device; /* [rows, outputs], training only */
    double *row_loss;      /* [rows] */
    void *scratch;         /* of the loss */
} row_buffers;

typedef struct stopwatch { /* seconds since the last row of the metrics */
    double begun, input, exchange, checkpoint;
    double waited; /* of the data set at that time: of `input`, what reading made it wait */
    int64_t rows, checkpoints;
} stopwatch;

typedef struct pp__life pp__life;
typedef struct pp__metrics pp__metrics;

/* What a look is told besides the sketch. */
typedef struct pp__since_look {
    int64_t compared, differed; /* whether rows of a lane were compared; whether any differed */
    int64_t evaluated;          /* there is an evaluation: watched.summary */
} pp__since_look;

/* Records of rows that were evaluated last; kept_rows.c. */
typedef struct pp__kept {
    float *records; /* malloc'ed */
    int64_t rows, room;
} pp__kept;

typedef struct trial {
    const pp_trial_spec *spec;
    pp_comm *comm;
    pp_job *job;
    pp_log *log;
    int rank, ranks;

    pp_dataset *data;
    const pp_dataset_info *info;
    int lanes;
    int64_t *cut;  /* [lanes + 1] shares of a batch as the job has it */
    int64_t *room; /* [lanes + 1] the same of the largest batch that the rows make */
    pp_lane_range range;
    int64_t *lane_rows; /* [range.count] */

    pp_arena *arena;           /* plans and host buffers */
    const pp_backend *backend; /* of the job */
    pp_device *device;
    pp_model *model;
    pp_loss loss;
    float *params;     /* device [model size]; of the exchange where shares_params */
    int shares_params; /* with the ranks of this host */
    pp_pass *pass, *eval_pass;
    pp_exchange *exchange;
    row_buffers batch, block;

    pp_sketch_shape shape;
    pp_sketch_shape brief; /* the same without logarithms */
    pp_sketch
        *running; /* training predictions of this rank since they were last brought together */
    pp_sketch *since_epoch, *since_look; /* of all ranks; rank 0 */
    int64_t *group_first;                /* [ranks + 1] scratch */
    pp_group *groups;                    /* [lanes] of an evaluation of the training rows */
    pp_signs *signs;                     /* of such an evaluation */
    double gradient;                     /* norm of the weights' gradient, where a look is due */
    /* [rows of a batch or block, columns] on their way to a sketch */
    float *sketch_p, *sketch_raw, *sketch_t;
    int64_t *sketch_y; /* [rows of a batch or block] */

    struct {
        int64_t step;      /* 0: none yet */
        pp_sketch *sketch; /* malloc'ed */
        pp_summary summary;
    } watched; /* the newest evaluation on the way; the last one serves the conclusion */

    pp__kept sample; /* this rank's, of the part that the run is judged on */

    /* progress: what a checkpoint restores */
    int64_t step, steps, steps_per_epoch;
    int64_t begun_at; /* the step that this start has gone on from */
    pp_watch watch;
    int64_t bad_key;      /* where this rank's rows first held what is no number; non_finite.c */
    pp_history history;   /* rank 0; what is not finite on every rank */
    pp_summary last_look; /* rank 0 */
    pp_sum *yardstick;    /* yardstick.c; NULL: the loss has none that is known */
    pp__since_look since;

    /* the run directory; rank 0 only */
    const char *dir;
    int64_t generation;   /* on every rank once life has begun; 0: not taken yet */
    int is_fresh;         /* nobody had used the directory before */
    size_t existing_part; /* characters of its path that were there before */
    int moved;            /* the data lie elsewhere than when the run began */
    pp_fs_guard guard;    /* fails when another run has taken over */
    pp__life *life;       /* on every rank; NULL where there is one */
    pp__metrics *metrics;
    FILE *log_file;
    char *resolved; /* the job as JSON; malloc'ed */
    char *identity; /* the same without its output: equal runs have equal bytes wherever they are */

    stopwatch watch_time;
    double begun, last_save, trained_rows, last_progress;
    double last_loss; /* for the progress line */
} trial;

/* ---- setup.c ---- */
/* Opens the data and resolves the job. Collective. */
pp_status pp__trial_open(trial *t, pp_error *err);
/* Plan, buffers and rows. Collective; nothing is written. */
pp_status pp__trial_load(trial *t, pp_error *err);
void pp__trial_release(trial *t);

/* ---- evaluate.c ---- */
/* Adds rows with their outputs z (host) to a sketch, as probabilities or predictions; loss: [2]
 * sums of their losses and of the squares. */
void pp__trial_sketch(trial *t, pp_sketch *sketch, int64_t rows, const row_buffers *buffers,
                      const pp_sum *loss);
/* Sums of row losses, and of their squares, in row order: of a lane's rows or a block's, which the
 * job alone decides. */
void pp__trial_add_losses(const row_buffers *buffers, int64_t first, int64_t rows, pp_sum sums[2]);
/* Collective: the whole part with fixed weights; merged into sketch on rank 0. */
pp_status pp__trial_evaluate(trial *t, pp_part part, pp_sketch *sketch, pp_error *err);

/* ---- kept_rows.c: predictions of single rows beside their targets ---- */
void pp__trial_forget_rows(trial *t);
/* Rows of a part that were sketched last. 0: no memory. */
int pp__trial_keep_rows(trial *t, pp_part part, int64_t rows, const int64_t *index);
/* Collective: sample.safetensors, of the last evaluation. */
pp_status pp__trial_write_sample(trial *t, pp_error *err);
/* The part that a run is judged on. */
pp_part pp__trial_judged(const trial *t);

/* ---- monitor.c: predictions of training on their way to rank 0, and looks at them ---- */
/* Compares the outputs z of a lane's rows. */
void pp__trial_compare(trial *t, int64_t rows, const float *z);
/* Collective: this rank's rows join those of the others. */
void pp__trial_gather_running(trial *t);
int pp__trial_look_is_due(const trial *t, int64_t step);
/* Whether the predictions of the step that runs are sketched: all are, but of long runs of networks
 * so small that it would be felt. Depends on the job alone. */
int pp__trial_sketch_is_due(const trial *t);
/* Collective. Returns whether the run is to stop for what was seen. */
int pp__trial_look(trial *t);
/* What the verdict of a result rests on. Rank 0. */
/* ---- yardstick.c: the loss that is trained on, against that of the best constant ---- */
pp_status pp__trial_yardstick_plan(trial *t, pp_error *err);
void pp__trial_yardstick_clear(trial *t);
/* The rows that were sketched last, with their losses. */
void pp__trial_yardstick_add(trial *t, int64_t rows, const row_buffers *b);
/* Collective. */
void pp__trial_yardstick_merge(trial *t);
/* Rank 0: loss_skill and its error. */
void pp__trial_yardstick_put(const trial *t, const pp_sketch *sketch, pp_summary *summary);

pp_evidence pp__trial_evidence(const trial *t, const pp_result *result);

/* ---- non_finite.c ---- */
/* This rank's loss is not finite: finds out where that began. Before anything else runs. */
void pp__trial_find_non_finite(trial *t, int64_t rows);
/* Collective: some rank's loss was not finite in the step that has ended. */
void pp__trial_note_non_finite(trial *t);

/* ---- step.c ---- */
enum { BIT_STOP = 1, BIT_SAVE = 2, BIT_NON_FINITE = 4, BIT_NO_INPUT = 8 };
/* Collective. One global step; returns the bits that any rank raised. Writes a step row where one
 * is due. With BIT_NO_INPUT, some rank could not read its rows: the step is worth nothing. */
int pp__trial_step(trial *t);

/* ---- life.c: signs of life, and the end of a run in which a rank gives none ---- */
typedef enum pp__phase {
    PP_PHASE_START,
    PP_PHASE_INPUT,
    PP_PHASE_FORWARD,
    PP_PHASE_BACKWARD,
    PP_PHASE_EXCHANGE,
    PP_PHASE_LOOK,
    PP_PHASE_EVALUATION,
    PP_PHASE_CHECKPOINT,
    PP_PHASE_CONCLUSION
} pp__phase;
/* Collective, once the directory is open. */
pp_status pp__life_start(trial *t, pp_error *err);
void pp__life_stop(trial *t);
/* Where the training thread is: cheap, life may be NULL. Move: it is there still, and works. */
void pp__life_at(pp__life *life, pp__phase phase, int64_t step);
void pp__life_move(pp__life *life);

/* ---- ending.c ---- */
/* Says that early stopping has ended the run, whose evaluations are so many steps apart. Rank 0. */
void pp__trial_end_early(trial *t, int64_t watch_steps, pp_result *result);
/* Asked to stop before the first step: nothing has been done, and the run directory says so, as a
 * batch job that is always asked that early would be put back into the queue for ever. Collective.
 */
pp_status pp__trial_end_idle(trial *t, pp_result *result, pp_error *err);

/* ---- directory.c ---- */
/* Whether the run directory may be used as asked; takes it if nobody has used it yet. Before the
 * data are read. Collective. */
pp_status pp__trial_take_free(trial *t, pp_error *err);
/* Takes it, or takes it over, and writes run.json. Collective. */
pp_status pp__trial_open_directory(trial *t, pp_error *err);
void pp__trial_close_directory(trial *t);
/* Nothing has come of this start: what it has made goes, unless somebody had been there before or
 * has taken over. Closed before. Rank 0. */
void pp__trial_leave_directory(trial *t);
/* Whether the text is of this job, wherever it ran, and wherever its data lay. Rank 0. */
pp_status pp__trial_same_job(trial *t, const char *text, const char *path, pp_error *err);

/* ---- metrics.c; rank 0 ---- */
/* What a checkpoint knows of metrics.jsonl: its bytes then, of which the last are here. */
typedef struct pp__metrics_past {
    int64_t kept, n_tail;
    const char *tail; /* [n_tail] whole lines, borrowed */
} pp__metrics_past;
pp_status pp__trial_open_metrics(trial *t, const pp__metrics_past *past, pp_error *err);
/* One line, on rank 0; NULL: there was no memory for it, which the next sync reports. */
void pp__trial_metrics(trial *t, const pp_json_writer *row);
/* All lines are on the disk: *bytes of them. */
pp_status pp__metrics_sync(pp__metrics *metrics, int64_t *bytes, pp_error *err);
/* The last whole lines that there is room for; returns their bytes. */
int64_t pp__metrics_tail(const pp__metrics *metrics, char *tail, int64_t room);
void pp__metrics_close(pp__metrics *metrics);

/* ---- record.c: what is written into the run directory ---- */
pp_status pp__trial_write_run(trial *t, pp_error *err); /* run.json; rank 0 */
/* Adds member "timing" and restarts the stopwatch. Collective. */
void pp__trial_timing(trial *t, pp_json_writer *row);
/* Parameters (and standardisation) under their names. Rank 0. */
pp_status pp__trial_write_model(trial *t, const char *file, pp_error *err);
pp_status pp__trial_write_verdict(trial *t, const pp_result *result, pp_error *err);

/* ---- restore.c ---- */
pp_status pp__trial_save(trial *t, pp_error *err); /* collective */
/* Collective: from the newest checkpoint, if there is one; opens metrics.jsonl as it was then. */
pp_status pp__trial_restore(trial *t, pp_error *err);

struct pp_tensorfile;

/* Parameters [model size] from the tensors of their names; path is for the message. */
pp_status pp__read_params(const pp_model *model, const struct pp_tensorfile *file, const char *path,
                          float *values, pp_error *err);
/* Collective: those that training begins with, drawn or from model.initial. */
pp_status pp__trial_initial(const trial *t, float *values, pp_error *err);

#endif
