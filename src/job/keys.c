/* Every key of the job file, once. */
#include "key_rows.h"

#include "job_internal.h"

/* ---- names ---- */

const char *const pp__task_names[] = {
    [PP_TASK_AUTO] = "auto",
    [PP_TASK_BINARY] = "binary",
    [PP_TASK_MULTICLASS] = "multiclass",
    [PP_TASK_REGRESSION] = "regression",
};

static const char *const balance_names[] = {
    [PP_BALANCE_NONE] = "none",
    [PP_BALANCE_OVERSAMPLE] = "oversample",
    [PP_BALANCE_UNDERSAMPLE] = "undersample",
    [PP_BALANCE_CLASS_WEIGHTS] = "class_weights",
    [PP_BALANCE_GIVEN] = "given",
};

static const char *const residency_names[] = {
    [PP_RESIDENCY_AUTO] = "auto",
    [PP_RESIDENCY_MEMORY] = "memory",
    [PP_RESIDENCY_STREAM] = "stream",
};

static const char *const at_prediction_names[] = {
    [PP_PREDICT_NONE] = "none",
    [PP_PREDICT_SIGMOID] = "sigmoid",
    [PP_PREDICT_SOFTMAX] = "softmax",
    [PP_PREDICT_CLAMP] = "clamp",
};

static const char *const schedule_names[] = {
    [PP_SCHEDULE_CONSTANT] = "constant",       [PP_SCHEDULE_STEP] = "step",
    [PP_SCHEDULE_EXPONENTIAL] = "exponential", [PP_SCHEDULE_INVERSE_TIME] = "inverse_time",
    [PP_SCHEDULE_COSINE] = "cosine",           [PP_SCHEDULE_PLATEAU] = "plateau",
};

/* ---- data ---- */

#define DATA(NAME, KIND, member) KEY(pp_job_data, NAME, KIND, member)

static const pp__key fold_keys[] = {
    {DATA("k", PP__INT, fold), .fallback = "0", FROM_TO(0, MOST_UNITS),
     .help = "The part that is held out, from 0."},
    {DATA("of", PP__INT, folds), .fallback = "0", FROM_TO(0, MOST_UNITS),
     .help = "Parts of equal size, class by class; 0: rows are held out by fraction."},
};

static const pp__group fold_group = {
    .keys = fold_keys, .n_keys = COUNT(fold_keys), .size = sizeof(pp_job_data)};

static const pp__key validation_keys[] = {
    {DATA("fraction", PP__NUMBER, validation_fraction), .fallback = "0.1", FROM_BELOW(0, 1),
     .help = "Share of the rows held out for evaluation; 0 evaluates on the training rows, unless "
             "there are files."},
    {DATA("files", PP__STRINGS, validation_files), .fallback = "[]", NOT_EMPTY,
     .count = offsetof(pp_job_data, n_validation_files),
     .help =
         "HDF5 files to evaluate on, with the same data sets as data.files; fraction is then 0."},
    {.name = "fold",
     .kind = PP__OBJECT,
     .fallback = "{}",
     .group = &fold_group,
     .help = "Cross-validation: one part of the rows is held out; fraction is then 0."},
};

/* Its keys live in pp_job_data itself. */
static const pp__group validation_group = {
    .keys = validation_keys, .n_keys = COUNT(validation_keys), .size = sizeof(pp_job_data)};

static const pp__key data_keys[] = {
    {LIST(pp_job_data, "files", PP__STRINGS, files), NOT_EMPTY, .at_least = 1,
     .help = "HDF5 file, or a list of files taken as one set in this order; a pattern such as "
             "\"day-*.h5\" stands for all files that match, by name."},
    {LIST(pp_job_data, "x", PP__STRINGS, x), .fallback = "[\"/x\"]", NOT_EMPTY, .at_least = 1,
     .help = "Data set of inputs [rows, ...] in every file, or a list of them, joined by columns. "
             "\"/table:field\" is a field of a table."},
    {LIST(pp_job_data, "columns", PP__STRINGS, columns), .fallback = "[]", NOT_EMPTY,
     .may_be_integer = 1,
     .help = "Columns of x that are features, in this order: numbers from 0 (-1: the last), ranges "
             "such as \"5:9\", whose end is left out, and names; empty: all."},
    {LIST(pp_job_data, "x_shape", PP__NUMBERS, x_shape), .fallback = "[]", FROM_TO(1, MOST_UNITS),
     .help = "What the columns of a row are, for layers that ask: [channels, height, width] of an "
             "image, [channels, length] of a sequence; empty: as x has it."},
    {DATA("y", PP__STRING, y), .fallback = "\"/y\"", NOT_EMPTY,
     .help = "Data set of targets [rows] or [rows, columns] in every file."},
    {DATA("target_column", PP__STRING, target_column), .fallback = "\"\"", .may_be_integer = 1,
     .help = "The column of x that is the target, and no feature: a number from 0 (-1: the last) "
             "or its name; empty: targets are y's."},
    {DATA("follow_links", PP__BOOL, follow_links), .fallback = "false",
     .help = "Read data sets that lie in another file, by an external link, as external storage or "
             "a virtual data set; false: refuse them."},
    {DATA("row_weights", PP__STRING, row_weights), .fallback = "\"\"",
     .help = "Data set of weights of the rows in the loss [rows]; empty: all 1."},
    {DATA("groups", PP__STRING, groups), .fallback = "\"\"",
     .help = "Data set of group numbers [rows], such as patients or days: all rows of a group are "
             "held out, or none; empty: rows stand alone."},
    {DATA("task", PP__ENUM, task), .fallback = "\"auto\"", NAMES(pp__task_names),
     .help = "What the targets are; auto: as y shows."},
    {DATA("classes", PP__INT, classes), .fallback = "\"auto\"", FROM_TO(0, MOST_UNITS),
     .may_be_auto = 1, .help = "Number of classes; auto: from y; a regression has 0."},
    {.name = "validation",
     .kind = PP__OBJECT,
     .fallback = "{}",
     .group = &validation_group,
     .help = "Rows that are evaluated and never trained on."},
    {DATA("standardise", PP__BOOL, standardise), .fallback = "false",
     .help = "Shift and scale each input feature to mean 0 and deviation 1, measured on the "
             "training rows."},
    {DATA("standardise_targets", PP__BOOL, standardise_targets), .fallback = "false",
     .help = "The same for each column of y, of a regression: the loss and all that is reported of "
             "predictions are in these units, and predict answers in those of the file."},
    {DATA("balance", PP__ENUM, balance), .fallback = "\"none\"", NAMES(balance_names),
     .help = "What to do about classes of unequal size: repeat rows, leave rows out, weight the "
             "loss by rows / (classes * rows of the class), or weight it as given."},
    {LIST(pp_job_data, "class_weights", PP__NUMBERS, class_weights), AT_LEAST(0), .at_least = 1,
     .when = ON(PP_BALANCE_GIVEN), .help = "Weight of each class in the loss, one a class."},
    {DATA("shift_targets", PP__INT, shift_targets), .fallback = "0",
     .help = "Row i gets the target of row i + shift_targets, round the end of the set: for files "
             "whose x and y have slipped."},
    {DATA("recode_labels", PP__BOOL, recode_labels), .fallback = "false",
     .help = "The two labels of a binary task, such as 1 and 2 or -1 and 1, become 0 and 1, the "
             "lower first."},
    {DATA("permute_targets", PP__BOOL, permute_targets), .fallback = "false",
     .help = "Deal the targets to other rows at random, training and held-out rows apart: what a "
             "model earns then, it earns from nothing."},
    {DATA("shuffle", PP__BOOL, shuffle), .fallback = "true",
     .help = "Deal rows to lanes at random and mix them each epoch; false: file order."},
    {DATA("window", PP__INT, window), .fallback = "\"auto\"", AT_LEAST(1), .may_be_auto = 1,
     .help = "Rows read together; auto: from the chunks and the row count."},
    {DATA("open_windows", PP__INT, open_windows), .fallback = "16", FROM_TO(1, MOST_UNITS),
     .help = "Windows among which rows are mixed."},
    {DATA("residency", PP__ENUM, residency), .fallback = "\"auto\"", NAMES(residency_names),
     .help = "Where rows are: in memory from the beginning, or streamed from the files while "
             "training; auto: in memory if they fit into data.memory. The results are the same."},
    {DATA("memory", PP__INT, memory), .fallback = "\"auto\"", AT_LEAST(1), .may_be_auto = 1,
     .help =
         "Bytes that a rank may take for rows; auto: half of what the host, its control groups or "
         "Slurm allow, shared by all ranks of the program there."},
};

static const pp__group pp__data_group = {.selector = "balance",
                                         .keys = data_keys,
                                         .n_keys = COUNT(data_keys),
                                         .size = sizeof(pp_job_data)};

/* ---- model ---- */

#define MODEL(NAME, KIND, member) KEY(pp_job_model, NAME, KIND, member)
#define CLAMP .when = ON(PP_PREDICT_CLAMP)

static const pp__key model_keys[] = {
    {LIST(pp_job_model, "layers", PP__LIST, layers), .at_least = 1, .group = &pp__layer_group,
     .help = "Layers from input to output."},
    {MODEL("at_prediction", PP__ENUM, at_prediction), .fallback = "\"none\"",
     NAMES(at_prediction_names),
     .help = "Applied to outputs when predicting, never in training; none: what the loss implies "
             "(sigmoid for bce_logits, softmax for cross_entropy_logits)."},
    {MODEL("clamp_low", PP__NUMBER, clamp_low), CLAMP, .fallback = "0",
     .help = "Lowest prediction."},
    {MODEL("clamp_high", PP__NUMBER, clamp_high), CLAMP, .fallback = "1",
     .help = "Highest prediction."},
    {MODEL("initial", PP__STRING, initial), .fallback = "\"\"",
     .help = "safetensors file with the parameters to begin with, under the names of a run's "
             "model.safetensors; empty: drawn as each layer's init says."},
};

static const pp__group pp__model_group = {.selector = "at_prediction",
                                          .keys = model_keys,
                                          .n_keys = COUNT(model_keys),
                                          .size = sizeof(pp_job_model)};

/* ---- schedule ---- */

#define SCHED(NAME, KIND, member) KEY(pp_job_schedule, NAME, KIND, member)

static const pp__key schedule_keys[] = {
    {SCHED("type", PP__ENUM, type), .fallback = "\"constant\"", NAMES(schedule_names),
     .help = "How the learning rate changes with t, the epochs since the warm-up."},
    {SCHED("factor", PP__NUMBER, factor), .when = ON(PP_SCHEDULE_STEP), .fallback = "0.1", ABOVE(0),
     .help = "lr * factor^floor(t / every)."},
    {SCHED("factor", PP__NUMBER, factor), .when = ON(PP_SCHEDULE_EXPONENTIAL), .fallback = "0.95",
     ABOVE(0), .help = "lr * factor^t."},
    {SCHED("factor", PP__NUMBER, factor), .when = ON(PP_SCHEDULE_PLATEAU), .fallback = "0.1",
     BETWEEN(0, 1), .help = "The learning rate is multiplied by it when the loss stops improving."},
    {SCHED("every", PP__NUMBER, every), .when = ON(PP_SCHEDULE_STEP), .fallback = "10", ABOVE(0),
     .help = "Epochs between two steps."},
    {SCHED("rate", PP__NUMBER, rate), .when = ON(PP_SCHEDULE_INVERSE_TIME), .fallback = "0.1",
     AT_LEAST(0), .help = "lr / (1 + rate * t); per epoch."},
    {SCHED("final", PP__NUMBER, final), .when = ON(PP_SCHEDULE_COSINE), .fallback = "0",
     FROM_TO(0, 1), .help = "Share of the learning rate that is left at the end of training."},
    {SCHED("patience", PP__INT, patience), .when = ON(PP_SCHEDULE_PLATEAU), .fallback = "10",
     AT_LEAST(0), .help = "Evaluations without improvement that are put up with."},
    {SCHED("min_lr", PP__NUMBER, min_lr), .when = ON(PP_SCHEDULE_PLATEAU), .fallback = "0",
     AT_LEAST(0), .help = "The learning rate is never cut below this."},
    {SCHED("warmup_steps", PP__INT, warmup_steps), .fallback = "0", AT_LEAST(0),
     .help = "Steps in which the learning rate rises linearly from lr / warmup_steps to lr."},
};

static const pp__group pp__schedule_group = {.selector = "type",
                                             .keys = schedule_keys,
                                             .n_keys = COUNT(schedule_keys),
                                             .size = sizeof(pp_job_schedule)};

/* ---- training, monitor, checkpoint, runtime ---- */

#define TRAIN(NAME, KIND, member) KEY(pp_job_training, NAME, KIND, member)

static const pp__key training_keys[] = {
    {TRAIN("epochs", PP__INT, epochs), .fallback = "10", AT_LEAST(0),
     .help = "Passes over the training rows; 0 (the default where steps are given): no bound."},
    {TRAIN("steps", PP__INT, steps), .fallback = "0", AT_LEAST(0),
     .help = "Updates; with epochs as well, whichever ends first. 0: by epochs."},
    {TRAIN("batch", PP__INT, batch), .fallback = "256", FROM_TO(1, MOST_UNITS),
     .help = "Rows of the global batch, whatever the number of ranks."},
    {TRAIN("lanes", PP__INT, lanes), .fallback = "\"auto\"", FROM_TO(1, PP_MAX_LANES),
     .power_of_two = 1, .may_be_auto = 1,
     .help = "Virtual workers, at least as many as ranks; auto: the largest power of two up to 8 "
             "that leaves each lane at least 32 rows of a batch."},
    {TRAIN("clip_norm", PP__NUMBER, clip_norm), .fallback = "0", AT_LEAST(0),
     .help = "Greatest global norm of the gradient; 0: off."},
    {TRAIN("early_stopping", PP__INT, early_stopping), .fallback = "0", AT_LEAST(0),
     .help =
         "Evaluations without improvement of the watched loss after which training ends, and says "
         "so; the weights kept are the last; 0: off."},
    {TRAIN("min_delta", PP__NUMBER, min_delta), .fallback = "0", AT_LEAST(0),
     .help = "Improvement of the watched loss that counts."},
};

static const pp__group pp__training_group = {
    .keys = training_keys, .n_keys = COUNT(training_keys), .size = sizeof(pp_job_training)};

static const char *const on_collapse_names[] = {
    [PP_COLLAPSE_WARN] = "warn", [PP_COLLAPSE_STOP] = "stop", [PP_COLLAPSE_WHY] = "why"};

static const pp__key monitor_keys[] = {
    {KEY(pp_job_monitor, "enabled", PP__BOOL, enabled), .fallback = "true",
     .help = "Watch the predictions of training for collapse; the model is the same either way. In "
             "long runs of networks so small that it would be felt, those of every n-th step."},
    {KEY(pp_job_monitor, "alpha", PP__NUMBER, alpha), .fallback = "0.001", BETWEEN(1e-9, 0.5),
     .help = "Chance of a false alarm in a run."},
    {KEY(pp_job_monitor, "on_collapse", PP__ENUM, on_collapse), .fallback = "\"warn\"",
     NAMES(on_collapse_names),
     .help = "When collapse is called: go on, stop there, or go on and look for the cause at the "
             "end, as "
             "pitprop why does."},
    {KEY(pp_job_monitor, "log_steps", PP__INT, log_steps), .fallback = "100", AT_LEAST(0),
     .help = "Steps between two step rows in metrics.jsonl; 0: none."},
    {KEY(pp_job_monitor, "evaluate_epochs", PP__NUMBER, evaluate_epochs), .fallback = "1", ABOVE(0),
     .help = "Epochs between two evaluations; the end is always evaluated."},
    {KEY(pp_job_monitor, "save_initial", PP__BOOL, save_initial), .fallback = "false",
     .help = "Write the initial parameters to initial.safetensors."},
};

static const pp__group pp__monitor_group = {
    .keys = monitor_keys, .n_keys = COUNT(monitor_keys), .size = sizeof(pp_job_monitor)};

#define SAVE(NAME, KIND, member) KEY(pp_job_checkpoint, NAME, KIND, member)

static const pp__key checkpoint_keys[] = {
    {SAVE("every_steps", PP__INT, every_steps), .fallback = "0", AT_LEAST(0),
     .help = "Steps between two checkpoints; 0: off. The three may be combined."},
    {SAVE("every_epochs", PP__NUMBER, every_epochs), .fallback = "1", AT_LEAST(0),
     .help = "Epochs between two checkpoints; 0: off."},
    {SAVE("every_seconds", PP__NUMBER, every_seconds), .fallback = "0", AT_LEAST(0),
     .help = "Seconds between two checkpoints; 0: off."},
    {SAVE("keep", PP__INT, keep), .fallback = "2", FROM_TO(1, MOST_UNITS),
     .help = "Newest checkpoints that are kept."},
};

static const pp__group pp__checkpoint_group = {
    .keys = checkpoint_keys, .n_keys = COUNT(checkpoint_keys), .size = sizeof(pp_job_checkpoint)};

#define BACKEND_NAME(identifier, name, table) [identifier] = name,
static const char *const backend_names[] = {PP_BACKEND_LIST(BACKEND_NAME)};
#undef BACKEND_NAME

static const pp__key runtime_keys[] = {
    {KEY(pp_job_runtime, "backend", PP__ENUM, backend), .fallback = "\"cpu\"", NAMES(backend_names),
     .help = "What computes: the cores of the host."},
    {KEY(pp_job_runtime, "blas_kernel", PP__STRING, blas_kernel), .fallback = "\"auto\"",
     .pattern = "^[A-Za-z0-9_]+$", .pattern_text = "must be \"auto\" or the name of a kernel",
     .help = "OpenBLAS kernel (OPENBLAS_CORETYPE, such as Haswell) for equal bits on unlike "
             "processors: the program starts itself again with it; auto: one for this CPU."},
    {KEY(pp_job_runtime, "bucket", PP__INT, bucket), .fallback = "4194304",
     FROM_TO(1024, 1073741824), .help = "Bytes of parameters that are exchanged together."},
};

static const pp__group pp__runtime_group = {
    .keys = runtime_keys, .n_keys = COUNT(runtime_keys), .size = sizeof(pp_job_runtime)};

/* ---- the job ---- */

#define JOB(NAME, KIND, member) KEY(pp_job, NAME, KIND, member)
#define SECTION(member) JOB(#member, PP__OBJECT, member), .group = &pp__##member##_group

static const pp__key job_keys[] = {
    {.name = "$schema", .kind = PP__IGNORED, .help = "For editors; ignored."},
    {JOB("name", PP__STRING, name), .pattern = "^[^./\x01-\x1f][^/\x01-\x1f]*$",
     .pattern_text = "must be usable as a directory name (not empty, no '/', no '.' in front)",
     .help = "Name of the job and of its run directory."},
    {JOB("output", PP__STRING, output), .fallback = "\"\"",
     .help = "Run directory; empty: runs/NAME."},
    {JOB("seed", PP__INT, seed), .fallback = "0", AT_LEAST(0),
     .help = "Start of every random stream."},
    {SECTION(data), .help = "What is learnt from."},
    {SECTION(model), .help = "The network."},
    {SECTION(loss), .fallback = "{}", .help = "What training makes small."},
    {SECTION(optimizer), .fallback = "{}", .help = "How weights follow gradients."},
    {SECTION(schedule), .fallback = "{}", .help = "The learning rate over time."},
    {SECTION(training), .fallback = "{}", .help = "How long, and in which portions."},
    {SECTION(monitor), .fallback = "{}", .help = "What is written down on the way."},
    {SECTION(checkpoint), .fallback = "{}", .help = "When the state is saved."},
    {SECTION(runtime), .fallback = "{}", .help = "How it is computed."},
};

const pp__group pp__job_group = {
    .keys = job_keys, .n_keys = COUNT(job_keys), .size = sizeof(pp_job)};
