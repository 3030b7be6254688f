/* What is to be known of a data set before hours are spent on it: one bounded pass over the rows
 * that a job names, in parallel, and a table of findings.
 *
 * y is read first (its range settles the task), then x and y together once. Everything that is
 * found is the same on any number of ranks: counts, extremes, exact sums, hashes, and a sample
 * whose rows depend on the row count alone. Only `timing` is of this run. A value that is not
 * finite is a finding here, not an error; what cannot be read at all is an error.
 *
 * Memory of a rank, beside the libraries: 130 MB for repeats (twice that and more where most rows
 * are equal), 32 MB for the sample, 24 MB of buffers, 600 bytes a feature, 16 bytes a window. */
#ifndef PITPROP_INSPECT_H
#define PITPROP_INSPECT_H

#include <stdint.h>

#include "comm/comm.h"
#include "data/dataset.h"
#include "pitprop/error.h"
#include "store/h5.h"
#include "job/job.h"
#include "pitprop/json.h"

typedef struct pp_inspection_layout {
    int64_t window; /* rows */
    /* Bytes inflated (or read, without filters) for each byte used: a pass in file order; an epoch
     * of windows in the dealt order; single rows in random order. 1 for contiguous data. */
    double in_order, by_window, by_row;
    int64_t epoch_bytes; /* used by an epoch, as stored in memory by HDF5's own type */
    int64_t stripe_bytes, chunk_bytes, chunks; /* the largest of all files; chunks of all files */
} pp_inspection_layout;

/* Of y: all columns together. */
typedef struct pp_inspection_targets {
    double min, max; /* NaN: no finite value */
    int64_t min_row, max_row;
    double mean, deviation;
    int64_t non_finite, first_non_finite; /* rows; -1: none */
    int64_t outside, first_outside;       /* labels that are no class; -1: none */
    double q25, median, q75;              /* of the sample, first column */
    int64_t distinct;                     /* values in the sample, first column */
    int all_integral;                     /* values in the sample, first column */
    double spike;                         /* the most frequent value of the sample; NaN: none */
    double code; /* an extreme that many rows share, far from all others: NaN: there is none */
    double code_share;  /* of the sample */
    int64_t spike_rows; /* rows that hold it, counted in the pass */
    /* Adjacent rows: changes of class over those expected of shuffled rows; for a regression half
     * the mean squared step over the variance (von Neumann's ratio). About 1: shuffled. */
    double disorder;
} pp_inspection_targets;

typedef struct pp_inspection_feature {
    double min, max, mean, deviation; /* of the finite values; NaN: none */
    int64_t non_finite, first_non_finite;
    int64_t min_row, max_row;
    int64_t duplicate_of;              /* lower feature with equal bits in every row; -1: none */
    int64_t equal_targets;             /* rows where it equals y (one column only) */
    int64_t rises;                     /* rows with a larger value than the row before */
    double q01, q25, median, q75, q99; /* of the sample */
    double code, code_share;           /* as of the targets */
    int64_t distinct;                  /* values in the sample */
    int is_target; /* in the sample it is the target in another unit, or a code of its class */
    double
        tells; /* what the feature alone tells about y: 1 - the leave-one-out error of the nearest
                  neighbour in this feature over the error of the best constant, in the sample */
} pp_inspection_feature;

typedef struct pp_inspection_repeats {
    double share;         /* of the rows that were compared: 1, or 1/2^s by their hash */
    int64_t duplicates;   /* training rows equal to an earlier one in x and y, scaled by 1/share */
    int64_t contradicted; /* rows with an equal x and another y elsewhere, scaled */
    double unattainable;  /* share of rows that no function of x can get right */
    int64_t held_out;     /* held-out rows (of data.validation.files) with a twin in training */
    /* The first of each with its twin; -1: none. */
    int64_t duplicate_row, duplicate_twin, contradicted_row, contradicted_twin, held_out_row,
        held_out_twin;
} pp_inspection_repeats;

/* Lanes of the job over the training files, before rows are held out and classes balanced. */
typedef struct pp_inspection_lanes {
    int lanes;   /* 0: not measured (more than 4 million windows, or lanes times classes) */
    int worst;   /* the lane that differs most from all rows */
    double skew; /* classification: total variation distance of its class shares;
                    regression: distance of its mean in deviations */
    double skew_by_chance; /* that a random share of as many rows would hardly exceed */
    int64_t worst_rows;
    int64_t worst_class; /* the class it differs most in, -1: regression */
    double share_there, share_overall;
} pp_inspection_lanes;

/* Held-out rows of files of their own against the training rows, in the sample. */
typedef struct pp_inspection_shift {
    int64_t
        feature; /* that differs most; -1: the target itself, -2: none does by more than chance */
    double distance; /* of its distribution functions, beyond chance */
    double mean, deviation, held_out_mean, held_out_deviation;
    double classes;     /* total variation distance of the class shares; 0: regression */
    int64_t class_most; /* the class whose share differs most */
    double share, held_out_share;
} pp_inspection_shift;

/* Targets that fit x better so many rows on, by linear fits to neighbouring training rows. */
typedef struct pp_inspection_slip {
    int64_t lag;                /* up to 64 either way; 0: none stands out */
    int64_t row;                /* about where it begins; 0: all rows */
    double fits, fits_as_it_is; /* R2 */
} pp_inspection_slip;

typedef enum pp_severity { PP_SEVERITY_ERROR, PP_SEVERITY_WARNING } pp_severity;

/* A row of the table of findings, and what was found. */
typedef struct pp_finding_kind {
    const char *id; /* "constant-target" */
    pp_severity severity;
    const char *title;  /* for the list of what is looked for */
    const char *advice; /* what to do */
} pp_finding_kind;

/* Rows that are windows of a series. */
typedef struct pp_inspection_series {
    int64_t stride; /* features of a row are those of its neighbour, so many columns on; 0: no */
    int target;     /* the target of the neighbour is a feature */
} pp_inspection_series;

typedef struct pp_finding {
    const pp_finding_kind *kind;
    char sentence[640];
} pp_finding;

/* Of this run; everything else has equal values on any number of ranks. */
typedef struct pp_inspection_timing {
    int ranks;
    int64_t windows;      /* read at random places, over all ranks */
    double window_rows_s; /* rows per second of all ranks together */
    double epoch_seconds; /* of reading every row once, window by window, at that rate */
    double pass_rows_s, pass_seconds; /* the pass, with all that is computed in it */
} pp_inspection_timing;

typedef struct pp_inspection {
    int64_t rows, held_out_rows; /* all rows; those of data.validation.files among them */
    int64_t inputs, y_columns;
    pp_shape x_shape; /* of a row of x, as the files have it */
    int n_files;
    pp_h5_facts x, y; /* of the first file */
    pp_inspection_layout layout;
    pp_task task;
    int64_t classes;
    int64_t *class_rows;             /* [classes] of all rows; NULL: regression */
    const char *const *class_names;  /* [classes]; NULL: numbers alone */
    const char *const *column_names; /* [inputs]; NULL: not all of them have one */
    pp_inspection_targets targets;
    pp_inspection_feature *features;    /* [inputs] */
    int64_t sample_rows, distinct_rows; /* of the sample: rows, and those with different x */
    int64_t groups, groups_feature; /* values of a feature that name groups of rows whose targets
                                       are alike, on both sides of the split; 0: none does */
    pp_inspection_repeats repeats;
    pp_inspection_lanes lanes;
    pp_inspection_series series;
    pp_inspection_shift shift;
    pp_inspection_slip slip;
    pp_finding *findings;
    int n_findings, n_errors;
    pp_inspection_timing timing;
    struct pp_arena *arena; /* owns the arrays */
} pp_inspection;

/* Whether rows are told apart by a feature that is measured, so that equal rows are copies and no
 * coincidence. */
int pp_inspection_tells_copies(const pp_inspection *inspection);
const pp_finding *pp_inspection_find(const pp_inspection *inspection, const char *id); /* or NULL */

/* Collective. *inspection is made on rank 0 (NULL elsewhere); the caller destroys it. */
pp_status pp_inspect(pp_comm *comm, const pp_job *job, pp_inspection **inspection, pp_error *err);
void pp_inspection_destroy(pp_inspection *inspection);

/* Members of the object that the writer stands in; `timing` is the last one. */
void pp_inspection_write(const pp_inspection *inspection, pp_json_writer *writer);
/* Member "findings" of an object that is open: id, severity, sentence and advice of each. */
void pp_findings_write(const pp_finding *findings, int n, pp_json_writer *writer);
const char *pp_severity_name(pp_severity severity);
/* Calls `say` for every row of the table. */
void pp_inspect_kinds(void (*say)(const pp_finding_kind *kind));

#endif
