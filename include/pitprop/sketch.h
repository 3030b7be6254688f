/* The prediction sketch: a plain, mergeable summary of predictions of any number of rows.
 *
 * Everything in it is an integer count, a minimum or maximum, or an exact sum (pp_sum), so any
 * split of any rows over any ranks, added and merged in any order, gives the same bytes after a
 * merge (and the same summary before one). No MPI in it. The size depends on its shape alone: 170
 * KB for binary, at most 0.8 MB up to 10 classes, 1.5 MB for 200. */
#ifndef PITPROP_SKETCH_H
#define PITPROP_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"
#include "pitprop/sum.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pp_sketch_kind {
    PP_SKETCH_BINARY,
    PP_SKETCH_MULTICLASS,
    PP_SKETCH_REGRESSION
} pp_sketch_kind;

typedef struct pp_sketch_shape {
    pp_sketch_kind kind;
    int classes;      /* multi-class: K >= 2; 2 for binary; 0 for regression */
    int columns;      /* prediction columns: K for multi-class, 1 for binary, k for regression */
    double low, high; /* regression: range of the targets, for the histogram bins */
    int brief;        /* no logarithms: log_loss, information and what follows from them are not
                         known. For predictions of training, which are to cost next to nothing */
} pp_sketch_shape;

typedef struct pp_sketch pp_sketch; /* one block of memory: may be copied with memcpy */

size_t pp_sketch_bytes(const pp_sketch_shape *shape);
pp_sketch *
pp_sketch_create(const pp_sketch_shape *shape); /* empty; NULL: out of memory; free() it */
void pp_sketch_clear(pp_sketch *sketch);

/* Rows to add; all arrays are borrowed.
 *   index  [rows] numbers under which rows are reported
 *   p      [rows, columns] binary: probability of class 1; multi-class: probability of each class;
 *          regression: predictions. Any float. A row that holds a NaN or an infinity counts in
 * rows, non_finite and first_non_finite_row only. Values outside [0, 1] count as out of range and
 *          are clamped for log loss and entropy.
 *   raw    [rows, columns] the outputs before the last function, or NULL where they are unknown:
 *          what a clamp has cut is counted from them
 *   y      [rows] class index, or NULL for regression and for rows without a label; a label outside
 *          the classes counts as "label_outside", and its row in what needs no label
 *   t      [rows, columns] targets of a regression, else NULL
 *   loss   [2] sums of the training losses of these rows and of their squares, or NULL: none
 * The answer to a row is class 1 if p >= 0.5 (binary), else the lowest of the likeliest classes. */
typedef struct pp_sketch_rows {
    int64_t rows;
    const int64_t *index;
    const float *p, *raw;
    const int64_t *y;
    const float *t;
    const pp_sum *loss;
} pp_sketch_rows;

void pp_sketch_add(pp_sketch *sketch, const pp_sketch_rows *rows);
/* sizes must agree; usable as a pp_merge_fn. */
void pp_sketch_merge(void *into, const void *from, size_t size);

enum { PP_DEAD_LISTED = 16, PP_PARTS_LISTED = 16 };

/* One class against the rest, or one column of a regression. NaN: does not apply. */
typedef struct pp_part_summary {
    int index;           /* of the class or column */
    int dead, unrelated; /* see below */
    double mean, spread; /* of its predictions; spread in deviations of its targets */
    double target_mean;  /* share of the class, or mean of the column */
    double effect;       /* AUC, or correlation */
    double association;  /* as below */
    double skill, skill_error;
    double recall, precision; /* of a class, as the answer */
} pp_part_summary;

/* What a sketch says. Numbers that do not apply are NaN. Sums are exact, ratios are doubles, and
 * shares are of the finite rows. Logarithms are natural except where bits are named. */
typedef struct pp_summary {
    pp_sketch_shape shape;
    int64_t rows, non_finite, out_of_range;
    int64_t label_outside; /* labels that are no class; regression: targets that are not finite */
    int64_t first_non_finite_row;     /* -1: none */
    double loss, loss_error;          /* mean of the row losses, and its standard error */
    double mean, deviation, min, max; /* of p (binary), of the predictions (regression, all columns;
                                         deviation within columns), of the largest probability
                                         (multi-class) */
    double spread; /* deviation of the predictions in units of the targets' (root of the summed
                      variances of the columns; regression: the column that varies most) */
    double target_mean, target_deviation; /* binary: base rate; regression: of the targets */
    double tolerance; /* what counts as "the same prediction": 2% of the target deviation, which is
                         0.01 for a balanced binary target; 0.01 for multi-class */
    double median;    /* of the same numbers as mean, from the histogram (one regression column) */
    double median_mass; /* share of rows within tolerance of the median */
    double half_mass;   /* binary: share of rows within 0.01 of 0.5 */
    double base_mass;   /* share of rows within tolerance of the base rate or the target mean */
    double
        base_distance;  /* from the median to the base rate or the target mean; multi-class: the
                           largest difference of a class between mean p and its share of targets */
    double base_error;  /* standard error of that base rate, mean or share */
    double information; /* classification: H(mean p) - mean H(p), in bits */
    double accuracy, balanced_accuracy, log_loss;
    double auc, auc_bound; /* multi-class: mean one-vs-rest; |true AUC - auc| <= auc_bound */
    double auc_error;      /* standard error of auc, DeLong, DeLong and Clarke-Pearson 1988 */
    double association;    /* how many standard deviations predictions and targets are further from
                              independence than chance, given both: rank sum of the two classes, the
                              strongest class against the rest, or column by column correlation, of
                              ranks where tails are heavy; less where few rows decide, so that it
                              may be compared with a normal variable; 0: all predictions are equal */
    int association_tests; /* the number that this is the strongest of */
    double dependence;     /* multi-class: the same of targets and answers, from the table of both:
                              finds class numbers that mean something else. NaN: too few rows */
    double slope; /* of targets on predictions, cov / var: 1: they vary as much as they should; far
                     above 1: compressed; 0: unrelated (binary and one-column regression) */
    double mse, mae, r2; /* classification: mse is the Brier score summed over columns;
                            r2: mean over the columns whose targets vary */
    double correlation;  /* regression: with the targets, of the column where it is strongest */
    double base_loss;    /* log loss of always answering the class shares, or the MSE of the mean */
    double skill;        /* 1 - log_loss / base_loss, or 1 - mse / base_loss */
    double skill_error;  /* standard error of skill over rows; several columns: at most this */
    double limit_share;  /* classification: share of rows whose p, or largest p, lies within 1e-6 of
                            0 or 1: as far as a sigmoid or a softmax goes */
    double cut_share; /* share of rows that a clamp has changed: where p is not the raw output, it
                         is the least or the greatest of all p; where no p is, it is 0 or 1; NaN: no
                         clamp, or no raw outputs */
    int classes_present;   /* classes that at least one row has as its target */
    int classes_predicted; /* classes that are the answer for at least one row */
    int answer;            /* the most frequent answer (-1: none) and its share of the rows */
    double answer_share;
    int labels;   /* classification: the predictions are 0 and 1 alone: answers, no probabilities */
    int decimals; /* all predictions are rounded to so many, 0 to 3; -1: not rounded, or not known
                   */
    double effective_rows; /* rows that are not copies of others; of weighted rows: (sum w)^2 / sum
                              w^2 */
    int never;             /* classes that occur as a target and are no answer */
    int dead; /* classes or columns whose predictions are the same for every row, while others are
                 not: they tell nothing of their targets, which vary */
    int unrelated; /* ... whose predictions vary and have no relation to their targets, for sure */
    int dead_list[PP_DEAD_LISTED], unrelated_list[PP_DEAD_LISTED]; /* the first of them */
    int never_list[PP_DEAD_LISTED];
    int n_parts; /* the first classes or columns */
    pp_part_summary parts[PP_PARTS_LISTED];
    pp_part_summary worst; /* regression: the column whose skill is least */
    /* What the answers are worth, whatever the probabilities: share of a class that is found less
     * the share of the others that is taken for it, mean over the classes; its standard error; what
     * the best thresholds would reach (binary: `threshold`) */
    double decision, decision_error, decision_best, threshold;
    double calibration_error; /* expected, over ten bins of p; several classes: mean */
    /* What simple repairs would make of the skill, with standard errors: predictions turned round
     * (binary: 1 - p); shifted (log-odds; regression: predictions of the worst column); shifted and
     * multiplied; class numbers dealt otherwise (`mapped`: share of rows right then). Several
     * classes: each against the rest. */
    double turned_skill, turned_error, offset, shifted_skill, shifted_error;
    double intercept, gain, scaled_skill, scaled_error, mapped;
    /* Regression, one column: rank correlation; share of predictions above their targets, and the
     * skill by the pinball loss of that quantile, far rows cut off at ten interquartile ranges (an
     * upper bound of its error); the most extreme target in interquartile ranges from the median,
     * its value and its row */
    double rank_correlation, coverage, quantile_skill, quantile_error;
    double extreme, extreme_target;
    int64_t extreme_row;
    int long_tail; /* of the targets: spread and tolerance are of quantiles then */
    /* By the loss that was trained on, weights counted, against the best constant under it; NaN:
     * not known */
    double loss_skill, loss_skill_error;
} pp_summary;

pp_summary pp_sketch_summarise(const pp_sketch *sketch);

/* Regression of one column, not brief: the least mean over the rows of loss(context, constant,
 * target), convex in the constant, and the variance of that loss over the rows. To half the width
 * of a bin of targets, an eighth of their distance from the end of their range nearest to 0. */
double pp_sketch_constant_loss(const pp_sketch *sketch,
                               double (*loss)(void *context, double constant, double target),
                               void *context, double *variance);

/* Histogram for pictures: counts [bins] of equal width over [low, high]; what lies outside is in
 * the end bins. Of p for binary, of the probability given to class `column` (multi-class, rows with
 * a label), or of the predictions of all columns (regression). A row may fall into the neighbour of
 * its bin if it is within 1/4000 of the border (multi-class: 1/125 for 100 classes and more;
 * regression: in units of the target range). */
void pp_sketch_histogram(const pp_sketch *sketch, int column, double low, double high, int bins,
                         int64_t *counts);
/* Rows whose target is, or whose answer is, this class. */
int64_t pp_sketch_targets(const pp_sketch *sketch, int class_index);
int64_t pp_sketch_answers(const pp_sketch *sketch, int class_index);
/* -1 where it is not kept: off the diagonal of more than 256 classes. */
int64_t pp_sketch_confusion(const pp_sketch *sketch, int target, int predicted);

#ifdef __cplusplus
}
#endif

#endif
