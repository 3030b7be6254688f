/* The second look: every row is checked against the task and handed to a sketch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"

/* Softmax and sigmoid in float32 overshoot by some 1e-7; probabilities of 16 bits, or written with
 * two or three decimals, sum to 1 within a few thousandths. */
#define OUTSIDE 1e-6
#define SUM_ERROR 0.01

/* Rows of one sketch, taken from a block. */
typedef struct batch {
    int64_t rows;
    int64_t *index, *y; /* [block] */
    int64_t *group;     /* [block] */
    float *p, *raw, *t; /* [block, columns of the sketch]; raw, t: NULL where not given */
} batch;

typedef struct sketcher {
    const pp_audit_spec *spec;
    pp__places *places;
    pp_sketch_shape shape;
    int64_t inputs;  /* columns of p in the file */
    double *scratch; /* [inputs] */
    batch parts[2];  /* not held out, held out */
    pp__groups *groups;
} sketcher;

/* ---- checks ---- */

static pp_status check_probabilities(const sketcher *k, const double *p, int64_t row, pp_error *err)
{
    char place[512];
    double sum = 0;
    for (int64_t c = 0; c < k->inputs; c++) {
        sum += p[c];
        if (p[c] >= -OUTSIDE && p[c] <= 1 + OUTSIDE) continue;
        pp__places_locate(k->places, PP__P, row, place, sizeof place);
        return pp_fail(err, PP_E_DATA,
                       "%s: %g is no probability; for logits say --logits, for real numbers say "
                       "--task regression",
                       place, p[c]);
    }
    if (k->inputs == 1 || fabs(sum - 1) <= SUM_ERROR) return PP_OK;
    pp__places_locate(k->places, PP__P, row, place, sizeof place);
    return pp_fail(err, PP_E_DATA,
                   "%s: the %lld probabilities sum to %g, not 1; for logits say --logits (a "
                   "softmax over dim=0 also does this)",
                   place, (long long)k->inputs, sum);
}

static pp_status fail_label(const sketcher *k, double label, int64_t row, pp_error *err)
{
    char place[512];
    pp__places_locate(k->places, PP__Y, row, place, sizeof place);
    if (label != floor(label))
        return pp_fail(err, PP_E_DATA,
                       "%s: label %g is not a class number 0, 1, ...; for real targets say --task "
                       "regression",
                       place, label);
    return pp_fail(err, PP_E_DATA, "%s: label %.15g is outside the %d classes, numbered from 0",
                   place, label, k->shape.classes);
}

static pp_status take_label(const sketcher *k, int64_t row, int64_t i, int64_t *label,
                            pp_error *err)
{
    const double *y = pp__places_row(k->places, PP__Y, i);
    int64_t columns = k->places->views[PP__Y].columns;
    double value = columns == 1 ? y[0] : -1;
    int64_t ones = 0, others = 0;
    for (int64_t c = 0; c < columns && columns > 1; c++) {
        ones += y[c] == 1;
        others += y[c] != 0 && y[c] != 1;
        if (y[c] == 1) value = (double)c;
    }
    if (columns > 1 && (ones != 1 || others > 0)) {
        char place[512];
        pp__places_locate(k->places, PP__Y, row, place, sizeof place);
        return pp_fail(err, PP_E_DATA,
                       "%s: is not one-hot; expected a single 1 among zeros, or class numbers",
                       place);
    }
    if (value != floor(value) || value < 0 || value >= k->shape.classes)
        return fail_label(k, value, row, err);
    *label = (int64_t)value;
    return PP_OK;
}

/* 0 or 1. */
static pp_status take_part(const sketcher *k, int64_t row, int64_t i, int *part, pp_error *err)
{
    *part = 0;
    if (!pp__places_has(k->places, PP__HELD_OUT)) return PP_OK;
    double value = *pp__places_row(k->places, PP__HELD_OUT, i);
    *part = value == 1;
    if (value == 0 || value == 1) return PP_OK;
    char place[512];
    pp__places_locate(k->places, PP__HELD_OUT, row, place, sizeof place);
    return pp_fail(err, PP_E_DATA, "%s: %g is neither 1 (held out) nor 0 (trained on)", place,
                   value);
}

/* The process that predicted a row; groups grow as they turn up. */
static pp_status take_group(const sketcher *k, int64_t row, int64_t i, int64_t *group,
                            pp_error *err)
{
    *group = 0;
    if (!pp__places_has(k->places, PP__RANK)) return PP_OK;
    double value = *pp__places_row(k->places, PP__RANK, i);
    if (!(value >= 0 && value < PP__MOST_GROUPS) || value != floor(value)) {
        char place[512];
        pp__places_locate(k->places, PP__RANK, row, place, sizeof place);
        return pp_fail(err, PP_E_DATA, "%s: %g is no rank; expected whole numbers from 0 to %d",
                       place, value, PP__MOST_GROUPS - 1);
    }
    *group = (int64_t)value;
    pp__groups *g = k->groups;
    if (*group < g->count) return PP_OK;
    pp_group *more = realloc(g->of, (size_t)(*group + 1) * sizeof *more);
    if (more == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for ranks");
    memset(more + g->count, 0, (size_t)(*group + 1 - g->count) * sizeof *more);
    *g = (pp__groups){more, *group + 1};
    return PP_OK;
}

/* ---- from numbers in the file to the columns of the sketch ---- */

static int all_finite(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite((float)values[i])) return 0;
    return 1;
}

/* Logits z [inputs] to probabilities p [inputs]. */
static void link(const double *z, int64_t inputs, double *p)
{
    double most = z[0], sum = 0;
    for (int64_t c = 1; c < inputs; c++)
        if (z[c] > most) most = z[c];
    for (int64_t c = 0; c < inputs; c++)
        sum += p[c] = exp(z[c] - most);
    for (int64_t c = 0; c < inputs; c++)
        p[c] /= sum;
    if (inputs == 1) p[0] = 1 / (1 + exp(-z[0]));
}

/* A binary task with two columns is about the second one. */
static void put_columns(const sketcher *k, const double *values, float *columns)
{
    if (k->shape.columns == 1 && k->inputs == 2) values++;
    for (int c = 0; c < k->shape.columns; c++)
        columns[c] = (float)values[c];
}

static pp_status take_predictions(sketcher *k, int64_t row, int64_t i, float *columns,
                                  pp_error *err)
{
    const double *p = pp__places_row(k->places, PP__P, i);
    if (!all_finite(p, k->inputs)) {
        for (int c = 0; c < k->shape.columns; c++)
            columns[c] = NAN;
        return PP_OK;
    }
    if (k->spec->logits) {
        link(p, k->inputs, k->scratch);
        p = k->scratch;
    }
    if (k->shape.kind != PP_SKETCH_REGRESSION) {
        pp_status status = check_probabilities(k, p, row, err);
        if (status != PP_OK) return status;
    }
    put_columns(k, p, columns);
    return PP_OK;
}

static pp_status take_row(sketcher *k, int64_t first, int64_t i, pp_error *err)
{
    int part;
    int64_t row = first + i, columns = k->shape.columns;
    pp_status status = take_part(k, row, i, &part, err);
    if (status != PP_OK) return status;
    batch *b = &k->parts[part];
    int64_t at = b->rows;
    status = take_predictions(k, row, i, b->p + at * columns, err);
    if (status == PP_OK && k->shape.kind != PP_SKETCH_REGRESSION)
        status = take_label(k, row, i, b->y + at, err);
    if (status == PP_OK) status = take_group(k, row, i, b->group + at, err);
    if (status != PP_OK) return status;
    if (b->t != NULL) put_columns(k, pp__places_row(k->places, PP__Y, i), b->t + at * columns);
    if (b->raw != NULL)
        put_columns(k, pp__places_row(k->places, PP__RAW, i), b->raw + at * columns);
    b->index[at] = row;
    b->rows++;
    return PP_OK;
}

/* ---- blocks ---- */

static void add_batch(const sketcher *k, batch *b, pp_sketch *sketch)
{
    int64_t columns = k->shape.columns;
    pp_sketch_rows rows = {.rows = b->rows,
                           .index = b->index,
                           .p = b->p,
                           .raw = b->raw,
                           .y = b->t == NULL ? b->y : NULL,
                           .t = b->t};
    pp_sketch_add(sketch, &rows);
    for (int64_t i = 0; i < b->rows && k->groups->of != NULL; i++) {
        pp_sketch_rows row = {.rows = 1,
                              .p = b->p + i * columns,
                              .y = b->t == NULL ? b->y + i : NULL,
                              .t = b->t == NULL ? NULL : b->t + i * columns};
        pp_group_add(&k->groups->of[b->group[i]], &k->shape, &row);
    }
    b->rows = 0;
}

static pp_status take_block(sketcher *k, int64_t first, int64_t count, pp_sketch *sketches[2],
                            pp_error *err)
{
    pp_status status = pp__places_read(k->places, first, count, ~0u, err);
    for (int64_t i = 0; i < count && status == PP_OK; i++)
        status = take_row(k, first, i, err);
    for (int part = 0; part < 2 && status == PP_OK; part++)
        add_batch(k, &k->parts[part], sketches[part]);
    return status;
}

static int make_batch(const sketcher *k, batch *b)
{
    size_t rows = (size_t)k->places->block, columns = (size_t)k->shape.columns;
    int regression = k->shape.kind == PP_SKETCH_REGRESSION;
    int with_raw = pp__places_has(k->places, PP__RAW);
    b->index = calloc(rows, sizeof *b->index);
    b->y = calloc(rows, sizeof *b->y);
    b->group = calloc(rows, sizeof *b->group);
    b->p = calloc(rows, columns * sizeof *b->p);
    if (with_raw) b->raw = calloc(rows, columns * sizeof *b->raw);
    if (regression) b->t = calloc(rows, columns * sizeof *b->t);
    return b->index != NULL && b->y != NULL && b->group != NULL && b->p != NULL &&
           (!with_raw || b->raw != NULL) && (!regression || b->t != NULL);
}

static void free_batch(batch *b)
{
    free(b->index);
    free(b->y);
    free(b->group);
    free(b->p);
    free(b->raw);
    free(b->t);
}

pp_status pp__sketch_rows(const pp_audit_spec *spec, pp__places *places,
                          const pp_sketch_shape *shape, pp_sketch *sketches[2], pp__groups *groups,
                          pp_error *err)
{
    sketcher k = {.spec = spec, .places = places, .shape = *shape, .groups = groups};
    k.inputs = places->views[PP__P].columns;
    k.scratch = calloc((size_t)k.inputs, sizeof *k.scratch);
    int complete = k.scratch != NULL;
    for (int part = 0; part < 2; part++)
        complete &= make_batch(&k, &k.parts[part]);
    pp_status status = PP_OK;
    if (!complete)
        status = pp_fail(err, PP_E_MEMORY, "no memory for blocks of %lld rows",
                         (long long)places->block);
    for (int64_t i = 0, here; i < places->count && status == PP_OK; i += here) {
        here = places->count - i < places->block ? places->count - i : places->block;
        status = take_block(&k, places->first + i, here, sketches, err);
    }
    for (int part = 0; part < 2; part++)
        free_batch(&k.parts[part]);
    free(k.scratch);
    return status;
}
