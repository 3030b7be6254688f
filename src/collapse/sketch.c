/* Filling and merging: the hot path, called for every row of training.
 *
 * A value is rounded the same way wherever its row is added, and sums are exact, so nothing here
 * depends on who adds which row in which order. */
#include "pitprop/sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"
#include "layout.h"

#define CLAMP 1e-7                   /* log loss takes p within [CLAMP, 1 - CLAMP] */
#define LEAST_LOG_LOSS 1.00000005e-7 /* -log(1 - CLAMP) */
enum { NORMALISE_EVERY = 1 << 28 };  /* rows: keeps far from the 2^30 that a pp_sum allows */

/* ---- shape ---- */

static int multiclass_per_octave(int classes)
{
    int per_octave = FINEST;
    while (per_octave > 1 &&
           (int64_t)classes * MULTICLASS_GROUPS * pp__bins(per_octave) > HISTOGRAM_COUNTS)
        per_octave /= 2;
    return per_octave;
}

static void lay_out_classes(pp_sketch *head, int64_t histogram_counts, int64_t top_counts)
{
    int64_t k = head->classes;
    head->top = histogram_counts;
    head->targets = head->top + top_counts;
    head->answers = head->targets + k;
    head->hits = head->answers + k;
    head->confusion = head->hits + k;
    head->n_counts = head->confusion + (k <= CONFUSION_CLASSES ? k * k : 0);
    head->class_losses = SUM_COLUMNS + (k == 2 && head->columns == 1 ? BINARY_SUMS : k);
    head->n_sums = head->class_losses + k;
    head->n_values = head->brief ? 0 : head->bins * head->columns;
}

static void lay_out_regression(pp_sketch *head, const pp_sketch_shape *shape)
{
    int ranged = isfinite(shape->low) && isfinite(shape->high) && shape->high > shape->low;
    double centre = isfinite(shape->low) ? shape->low : 0.0;
    double reach = fmax(fabs(centre), 1.0) / 2; /* one target value: any range around it will do */
    head->low = ranged ? shape->low : centre - reach;
    head->high = ranged ? shape->high : centre + reach;
    int exponent;
    frexp(head->high - head->low, &exponent);
    head->unit = ldexp(1.0, exponent);
    head->targets = REGRESSION_BINS + 2;
    head->joint = head->targets + 1;
    head->detailed = head->columns < DETAILED ? head->columns : DETAILED;
    head->detail = head->joint + (int64_t)JOINT_BINS * JOINT_BINS * head->detailed;
    int64_t detail = (int64_t)DETAIL_PARTS * DETAIL_BINS * head->detailed;
    head->n_counts = head->detail + (head->brief ? 0 : detail);
    head->n_extremes = head->brief ? 0 : 2 * head->detailed;
    head->n_sums = SUM_COLUMNS + (int64_t)COLUMN_SUMS * head->columns;
}

/* head without its sums and counts, all zero but for the shape and the places. */
static pp_sketch lay_out(const pp_sketch_shape *shape)
{
    pp_sketch head;
    memset(&head, 0, sizeof head);
    head.kind = (int32_t)shape->kind;
    head.columns = shape->columns;
    head.brief = shape->brief;
    head.n_kept = shape->brief ? 0 : KEPT;
    switch (shape->kind) {
    case PP_SKETCH_BINARY:
        PP_CHECK(shape->columns == 1);
        head.classes = 2;
        head.per_octave = FINEST;
        head.bins = pp__bins(FINEST);
        lay_out_classes(&head, BINARY_GROUPS * head.bins, 0);
        break;
    case PP_SKETCH_MULTICLASS:
        PP_CHECK(shape->classes >= 2 && shape->columns == shape->classes);
        head.classes = shape->classes;
        head.per_octave = multiclass_per_octave(shape->classes);
        head.bins = pp__bins(head.per_octave);
        lay_out_classes(&head, head.classes * MULTICLASS_GROUPS * head.bins, pp__bins(FINEST));
        break;
    case PP_SKETCH_REGRESSION:
        PP_CHECK(shape->columns >= 1);
        lay_out_regression(&head, shape);
        break;
    }
    return head;
}

static size_t total_bytes(const pp_sketch *head)
{
    return sizeof *head + (size_t)head->n_sums * sizeof(pp_sum) +
           (size_t)head->n_counts * sizeof(int64_t) +
           (size_t)head->n_extremes * sizeof(pp__extreme) +
           (size_t)head->n_kept * sizeof(pp__answer) + (size_t)head->n_values * sizeof(uint32_t);
}

size_t pp_sketch_bytes(const pp_sketch_shape *shape)
{
    pp_sketch head = lay_out(shape);
    return total_bytes(&head);
}

pp_sketch *pp_sketch_create(const pp_sketch_shape *shape)
{
    pp_sketch head = lay_out(shape);
    pp_sketch *sketch = malloc(total_bytes(&head));
    if (sketch == NULL) return NULL;
    memcpy(sketch, &head, sizeof head);
    pp_sketch_clear(sketch);
    return sketch;
}

void pp_sketch_clear(pp_sketch *sketch)
{
    memset(sketch->sums, 0, total_bytes(sketch) - sizeof *sketch);
    sketch->rows = sketch->non_finite = sketch->out_of_range = sketch->label_outside = 0;
    sketch->raw_rows = sketch->raw_cut = 0;
    sketch->first_non_finite_row = INT64_MAX;
    sketch->min = sketch->raw_least = sketch->lowered_least = INFINITY;
    sketch->max = sketch->raw_greatest = sketch->raised_most = -INFINITY;
    for (int64_t i = 0; i < sketch->n_extremes; i++)
        pp__extremes(sketch)[i] = (pp__extreme){i % 2 == 0 ? INFINITY : -INFINITY, 0};
    pp__clear_answers(sketch);
}

/* ---- adding ---- */

static int all_finite(const float *values, int count)
{
    for (int i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

static double clamp01(double p)
{
    return p < 0.0 ? 0.0 : p > 1.0 ? 1.0 : p;
}

static double safe_log(double p)
{
    return log(p > CLAMP ? p : CLAMP);
}

static double log_loss(double log_p)
{
    return -log_p > LEAST_LOG_LOSS ? -log_p : LEAST_LOG_LOSS;
}

/* Adding 0.0 turns -0.0 into 0.0, whose bytes differ. */
static inline void lower(double *least, double value)
{
    if (value < *least) *least = value + 0.0;
}

static inline void raise(double *most, double value)
{
    if (value > *most) *most = value + 0.0;
}

static inline void note_single(uint32_t *state, float p)
{
    float value = p + 0.0f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    *state =
        *state == VALUE_NONE || *state == bits + VALUE_FIRST ? bits + VALUE_FIRST : VALUE_MIXED;
}

/* Of equal values that of the lowest row. */
static void note_extreme(pp__extreme *at, int sign, double value, int64_t row)
{
    if (sign * value < sign * at->value) return;
    if (value == at->value && row >= at->row) return;
    *at = (pp__extreme){value + 0.0, row};
}

static inline void note_value(pp_sketch *sketch, double value)
{
    lower(&sketch->min, value);
    raise(&sketch->max, value);
}

/* The class of a row, or -1: none. */
static inline int class_of(pp_sketch *sketch, int64_t y)
{
    if (y >= 0 && y < sketch->classes) return (int)y;
    sketch->label_outside++;
    return -1;
}

static void note_non_finite(pp_sketch *sketch, int64_t row)
{
    sketch->non_finite++;
    if (row < sketch->first_non_finite_row) sketch->first_non_finite_row = row;
}

/* Counts a row that holds a NaN or an infinity. */
static int is_finite(pp_sketch *sketch, const pp_sketch_rows *rows, int64_t i)
{
    if (all_finite(rows->p + i * sketch->columns, sketch->columns)) return 1;
    note_non_finite(sketch, rows->index[i]);
    return 0;
}

static void count_answers(pp_sketch *sketch, int target, int answer, int64_t rows)
{
    int64_t *counts = pp__counts(sketch);
    counts[sketch->answers + answer] += rows;
    if (target < 0) return;
    counts[sketch->targets + target] += rows;
    counts[sketch->hits + target] += target == answer ? rows : 0;
    if (sketch->classes <= CONFUSION_CLASSES)
        counts[sketch->confusion + (int64_t)target * sketch->classes + answer] += rows;
}

/* ---- binary: the hot path; sums stay in registers over the rows of a call ---- */

/* Of one target, in terms of 2^-52 each, so that a row's share of a sum does not depend on the call
 * it came with: v = p - 1/2 and its square, the log loss and its square. */
typedef struct target_terms {
    pp_units v, square, loss, loss_square;
    int64_t near, answers[2];
} target_terms;

typedef struct binary_terms {
    target_terms of[BINARY_GROUPS]; /* target 0, target 1, no target */
    pp_units clamped, entropy;
    int64_t out_of_range;
    float min, max;
} binary_terms;

enum { FAR = 32 }; /* beyond 1/2 +- this, a square would not fit */

static inline int64_t terms_of(double term)
{
    return (int64_t)(term * 0x1p52);
}

static void add_far(pp_sketch *sketch, double p, int group)
{
    pp_sum *sums = sketch->sums;
    double v = p - 0.5;
    pp_sum_add(sums + SUM_TOP, v);
    pp_sum_add(sums + SUM_TOP_SQUARE, v * v);
    pp_sum_add(sums + BINARY_CLAMPED, clamp01(p) - p);
    if (group == 1) pp_sum_add(sums + BINARY_POSITIVE, v);
    if (group < 2) pp_sum_add(sums + SUM_ERROR, (p - group) * (p - group));
}

static void add_logs(binary_terms *terms, double q, int group)
{
    double log_q = safe_log(q), log_rest = safe_log(1.0 - q);
    terms->entropy += terms_of(-(q * log_q + (1.0 - q) * log_rest));
    if (group == BINARY_GROUPS - 1) return;
    double loss = log_loss(group == 1 ? log_q : log_rest);
    terms->of[group].loss += terms_of(loss);
    terms->of[group].loss_square += terms_of(loss * loss);
}

static inline void add_binary_row(pp_sketch *sketch, binary_terms *terms, float value, int group)
{
    double p = (double)value, v = p - 0.5;
    target_terms *of = terms->of + group;
    int bin = pp__bin_of(FINEST, value);
    pp__counts(sketch)[group * sketch->bins + bin]++;
    of->answers[value >= 0.5f]++;
    terms->min = value < terms->min ? value : terms->min;
    terms->max = value > terms->max ? value : terms->max;
    if (v > -FAR && v < FAR) {
        of->v += terms_of(v);
        of->square += terms_of(v * v);
        of->near++;
    } else {
        add_far(sketch, p, group);
    }
    if (value < 0.0f || value > 1.0f) {
        terms->out_of_range++;
        if (v > -FAR && v < FAR) terms->clamped += terms_of(clamp01(p) - p);
    }
    if (sketch->brief) return;
    note_single(pp__values(sketch) + bin, value);
    add_logs(terms, clamp01(p), group);
}

/* The squared error of target y is (v + 1/2 - y)^2 = v^2 +- v + 1/4. */
static void keep_sums(pp_sketch *sketch, const binary_terms *terms)
{
    pp_sum *sums = sketch->sums;
    const target_terms *no = terms->of, *yes = no + 1, *none = no + 2;
    const pp_units unit = 1 << 12, quarter = (pp_units)1 << 50;
    pp_units error = no->square + yes->square + no->v - yes->v + quarter * (no->near + yes->near);
    pp_sum_add_units(sums + SUM_TOP, unit * (no->v + yes->v + none->v));
    pp_sum_add_units(sums + SUM_TOP_SQUARE, unit * (no->square + yes->square + none->square));
    pp_sum_add_units(sums + BINARY_CLAMPED, unit * terms->clamped);
    pp_sum_add_units(sums + BINARY_POSITIVE, unit * yes->v);
    pp_sum_add_units(sums + SUM_ERROR, unit * error);
    pp_sum_add_units(sums + SUM_ENTROPY, unit * terms->entropy);
    pp_sum_add_units(sums + SUM_LOG_LOSS_SQUARE, unit * (no->loss_square + yes->loss_square));
    for (int c = 0; c < 2; c++)
        pp_sum_add_units(sums + sketch->class_losses + c, unit * terms->of[c].loss);
}

static void keep_counts(pp_sketch *sketch, const binary_terms *terms)
{
    for (int group = 0; group < BINARY_GROUPS; group++)
        for (int answer = 0; answer < 2; answer++)
            count_answers(sketch, group < 2 ? group : -1, answer, terms->of[group].answers[answer]);
    sketch->out_of_range += terms->out_of_range;
    lower(&sketch->min, (double)terms->min);
    raise(&sketch->max, (double)terms->max);
}

static void add_binary(pp_sketch *sketch, const pp_sketch_rows *rows)
{
    binary_terms terms;
    memset(&terms, 0, sizeof terms);
    terms.min = INFINITY;
    terms.max = -INFINITY;
    for (int64_t i = 0; i < rows->rows; i++) {
        if (!isfinite(rows->p[i])) {
            note_non_finite(sketch, rows->index[i]);
            continue;
        }
        int target = rows->y == NULL ? -1 : class_of(sketch, rows->y[i]);
        add_binary_row(sketch, &terms, rows->p[i], target < 0 ? BINARY_GROUPS - 1 : target);
    }
    keep_sums(sketch, &terms);
    keep_counts(sketch, &terms);
}

/* ---- several classes ---- */

/* What one look over a row's probabilities tells. */
typedef struct row_look {
    int answer, out_of_range;
    double scale; /* makes the row sum to 1; 1 where it cannot */
} row_look;

static row_look look_at(const float *p, int count)
{
    row_look look = {0, 0, 1.0};
    double sum = 0;
    int negative = 0;
    for (int c = 0; c < count; c++) {
        sum += (double)p[c];
        if (p[c] > p[look.answer]) look.answer = c;
        if (p[c] < 0.0f) negative = 1;
        if (p[c] < 0.0f || p[c] > 1.0f) look.out_of_range = 1;
    }
    if (!negative && sum > 0.0) look.scale = 1.0 / sum;
    return look;
}

static void count_probability(pp_sketch *sketch, int column, float p, int is_target)
{
    int64_t group = (int64_t)column * MULTICLASS_GROUPS + is_target;
    int bin = pp__bin_of(sketch->per_octave, p);
    pp__counts(sketch)[group * sketch->bins + bin]++;
    if (!sketch->brief) note_single(pp__values(sketch) + (int64_t)column * sketch->bins + bin, p);
}

static void add_class_logs(pp_sketch *sketch, const float *p, double scale, int target)
{
    pp_sum *sums = sketch->sums;
    double entropy = 0;
    for (int c = 0; c < sketch->columns; c++) {
        double q = clamp01((double)p[c] * scale);
        entropy -= q * safe_log(q);
    }
    pp_sum_add(sums + SUM_ENTROPY, entropy);
    if (target < 0) return;
    double loss = log_loss(safe_log(clamp01((double)p[target] * scale)));
    pp_sum_add(sums + sketch->class_losses + target, loss);
    pp_sum_add(sums + SUM_LOG_LOSS_SQUARE, loss * loss);
}

static void add_multiclass(pp_sketch *sketch, const float *p, int target)
{
    pp_sum *sums = sketch->sums;
    row_look look = look_at(p, sketch->columns);
    double squares = 0, error = 0;
    for (int c = 0; c < sketch->columns; c++) {
        double q = clamp01((double)p[c] * look.scale);
        double miss = (double)p[c] - (c == target);
        squares += q * q;
        error += miss * miss;
        pp_sum_add(sums + SUM_COLUMNS + c, q);
        if (target >= 0) count_probability(sketch, c, p[c], c == target);
    }
    float top = p[look.answer];
    double v = (double)top - 0.5;
    sketch->out_of_range += look.out_of_range;
    pp__counts(sketch)[sketch->top + pp__bin_of(FINEST, top)]++;
    count_answers(sketch, target, look.answer, 1);
    note_value(sketch, (double)top);
    pp_sum_add(sums + SUM_TOP, v);
    pp_sum_add(sums + SUM_TOP_SQUARE, v * v);
    pp_sum_add(sums + SUM_SQUARE, squares);
    if (target >= 0) pp_sum_add(sums + SUM_ERROR, error);
    if (!sketch->brief) add_class_logs(sketch, p, look.scale, target);
}

/* ---- regression ---- */

static void add_targets(pp_sum *sums, double t, double e)
{
    pp_sum_add(sums + COLUMN_T, t);
    pp_sum_add(sums + COLUMN_TT, t * t);
    pp_sum_add(sums + COLUMN_TTT, t * t * t);
    pp_sum_add(sums + COLUMN_TTTT, t * t * t * t);
    pp_sum_add(sums + COLUMN_EE, e * e);
    pp_sum_add(sums + COLUMN_EEEE, e * e * e * e);
    pp_sum_add(sums + COLUMN_TEE, t * e * e);
    pp_sum_add(sums + COLUMN_TTEE, t * t * e * e);
}

static void count_pair(pp_sketch *sketch, int column, double p, double t)
{
    int64_t *joint = pp__counts(sketch) + sketch->joint + (int64_t)column * JOINT_BINS * JOINT_BINS;
    if (column >= sketch->detailed) return;
    joint[pp__joint_bin(sketch, p) * JOINT_BINS + pp__joint_bin(sketch, t)]++;
}

static void count_details(pp_sketch *sketch, int column, double p, double t, int64_t row)
{
    double from = pp__reference(sketch);
    if (sketch->brief || column >= sketch->detailed) return;
    pp__detail(sketch, column, DETAIL_P)[pp__detail_bin(sketch, p - from)]++;
    pp__detail(sketch, column, DETAIL_T)[pp__detail_bin(sketch, t - from)]++;
    pp__detail(sketch, column, DETAIL_E)[pp__detail_bin(sketch, p - t)]++;
    note_extreme(pp__extremes(sketch) + 2 * column, -1, t, row);
    note_extreme(pp__extremes(sketch) + 2 * column + 1, 1, t, row);
}

static void add_regression(pp_sketch *sketch, const float *p, const float *t, int64_t row)
{
    double centre = sketch->low + (sketch->high - sketch->low) / 2, scale = 1 / sketch->unit;
    int64_t *counts = pp__counts(sketch);
    pp_sum *sums = sketch->sums + SUM_COLUMNS;
    for (int c = 0; c < sketch->columns; c++, sums += COLUMN_SUMS) {
        double from_centre = ((double)p[c] - centre) * scale;
        note_value(sketch, (double)p[c]);
        counts[pp__regression_bin(sketch, (double)p[c])]++;
        pp_sum_add(sums + COLUMN_P, from_centre);
        pp_sum_add(sums + COLUMN_PP, from_centre * from_centre);
        if (t == NULL) continue;
        double miss = (double)p[c] - (double)t[c];
        add_targets(sums, ((double)t[c] - centre) * scale, miss * scale);
        count_pair(sketch, c, (double)p[c], (double)t[c]);
        count_details(sketch, c, (double)p[c], (double)t[c], row);
        pp_sum_add(sketch->sums + SUM_ERROR, fabs(miss));
    }
    counts[sketch->targets] += t != NULL;
}

/* ---- all ---- */

static void add_row(pp_sketch *sketch, const pp_sketch_rows *rows, int64_t i)
{
    const float *p = rows->p + i * sketch->columns;
    if (!is_finite(sketch, rows, i)) return;
    if (sketch->kind == PP_SKETCH_MULTICLASS) {
        add_multiclass(sketch, p, rows->y == NULL ? -1 : class_of(sketch, rows->y[i]));
        return;
    }
    const float *t = rows->t == NULL ? NULL : rows->t + i * sketch->columns;
    if (t == NULL || all_finite(t, sketch->columns))
        add_regression(sketch, p, t, rows->index == NULL ? 0 : rows->index[i]);
    else
        sketch->label_outside++;
}

/* A clamp leaves a prediction as it is, or moves it to the limit that it is beyond; and then no
 * prediction is beyond that limit. */
static void compare_raw(pp_sketch *sketch, const float *p, const float *raw)
{
    int cut = 0;
    for (int c = 0; c < sketch->columns; c++) {
        lower(&sketch->raw_least, (double)p[c]);
        raise(&sketch->raw_greatest, (double)p[c]);
        if (p[c] == raw[c]) continue;
        cut = 1;
        if (!(p[c] < raw[c])) raise(&sketch->raised_most, (double)p[c]);
        if (!(p[c] > raw[c])) lower(&sketch->lowered_least, (double)p[c]);
    }
    sketch->raw_rows++;
    sketch->raw_cut += cut;
}

static void compare_rows(pp_sketch *sketch, const pp_sketch_rows *rows)
{
    for (int64_t i = 0; i < rows->rows; i++) {
        const float *p = rows->p + i * sketch->columns;
        if (all_finite(p, sketch->columns)) compare_raw(sketch, p, rows->raw + i * sketch->columns);
    }
}

static void normalise(pp_sketch *sketch)
{
    for (int64_t i = 0; i < sketch->n_sums; i++)
        pp_sum_normalise(sketch->sums + i);
}

void pp_sketch_add(pp_sketch *sketch, const pp_sketch_rows *rows)
{
    PP_CHECK(rows->rows <= NORMALISE_EVERY);
    int64_t before = sketch->rows / NORMALISE_EVERY;
    sketch->rows += rows->rows;
    if (sketch->rows / NORMALISE_EVERY != before) normalise(sketch);
    for (int i = 0; rows->loss != NULL && i < 2; i++)
        pp_sum_merge(sketch->sums + SUM_LOSS + i, rows->loss + i);
    if (rows->raw != NULL) compare_rows(sketch, rows);
    pp__note_answers(sketch, rows);
    if (sketch->kind == PP_SKETCH_BINARY) {
        add_binary(sketch, rows);
        return;
    }
    for (int64_t i = 0; i < rows->rows; i++)
        add_row(sketch, rows, i);
}

/* ---- merging ---- */

static uint32_t merge_values(uint32_t a, uint32_t b)
{
    if (a == VALUE_NONE || b == VALUE_NONE || a == b) return a > b ? a : b;
    return VALUE_MIXED;
}

void pp_sketch_merge(void *into_bytes, const void *from_bytes, size_t size)
{
    pp_sketch *into = into_bytes;
    const pp_sketch *from = from_bytes;
    PP_CHECK(into->kind == from->kind && into->columns == from->columns);
    PP_CHECK(total_bytes(into) == size && total_bytes(from) == size);
    PP_CHECK(into->low == from->low && into->high == from->high);
    into->rows += from->rows;
    into->non_finite += from->non_finite;
    into->out_of_range += from->out_of_range;
    into->label_outside += from->label_outside;
    into->raw_rows += from->raw_rows;
    into->raw_cut += from->raw_cut;
    if (from->first_non_finite_row < into->first_non_finite_row)
        into->first_non_finite_row = from->first_non_finite_row;
    lower(&into->min, from->min);
    raise(&into->max, from->max);
    lower(&into->raw_least, from->raw_least);
    raise(&into->raw_greatest, from->raw_greatest);
    raise(&into->raised_most, from->raised_most);
    lower(&into->lowered_least, from->lowered_least);
    for (int64_t i = 0; i < into->n_sums; i++)
        pp_sum_merge(into->sums + i, from->sums + i);
    int64_t *counts = pp__counts(into);
    const int64_t *more = pp__counts(from);
    for (int64_t i = 0; i < into->n_counts; i++)
        counts[i] += more[i];
    for (int64_t i = 0; i < into->n_extremes; i++) {
        pp__extreme other = pp__extremes(from)[i];
        note_extreme(pp__extremes(into) + i, i % 2 == 0 ? -1 : 1, other.value, other.row);
    }
    pp__merge_answers(into, from);
    uint32_t *values = pp__values(into);
    const uint32_t *others = pp__values(from);
    for (int64_t i = 0; i < into->n_values; i++)
        values[i] = merge_values(values[i], others[i]);
}
