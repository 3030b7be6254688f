/* What a run is worth on its rows, by the yardstick of the job that is asked about, and how far
 * each row pulls that number: so two runs on the same rows can be compared row by row. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "why_internal.h"

#include "store/tensorfile.h"

#define LEAST_P 1e-7 /* log loss takes p within [LEAST_P, 1 - LEAST_P] */

/* ---- the yardstick ---- */

static int is_of_classes(pp_loss_type loss)
{
    return pp_loss_family_of(loss) != PP_FAMILY_REAL;
}

/* Weights that favour frequent classes are no wish that anybody has. */
static int may_be_meant(const double *weights, const int64_t *rows, int64_t n)
{
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++)
            if (rows[a] > rows[b] && weights[a] > weights[b]) return 0;
    return 1;
}

static double *even_weights(const pp_inspection *d, pp_arena *arena)
{
    double *weights = PP_ARENA_NEW(arena, double, d->classes);
    for (int64_t k = 0; weights != NULL && k < d->classes; k++)
        weights[k] = d->class_rows[k] > 0 ? 1 / (double)d->class_rows[k] : 0;
    return weights;
}

pp__yardstick pp__yardstick_of(const pp_job *job, const pp_inspection *d, pp_arena *arena)
{
    pp__yardstick y = {.loss = PP__SQUARED, .quantile = 0.5};
    const pp_job_data *data = &job->data;
    if (is_of_classes(job->loss.type)) y.loss = PP__LOG;
    if (job->loss.type == PP_LOSS_MAE || job->loss.type == PP_LOSS_QUANTILE) y.loss = PP__PINBALL;
    if (job->loss.type == PP_LOSS_QUANTILE) y.quantile = job->loss.quantile;
    if (d->class_rows == NULL || data->balance == PP_BALANCE_NONE) return y;
    y.classes = d->classes;
    if (data->balance != PP_BALANCE_GIVEN)
        y.weights = even_weights(d, arena);
    else if (data->n_class_weights == d->classes &&
             may_be_meant(data->class_weights, d->class_rows, d->classes))
        y.weights = data->class_weights;
    return y;
}

static double loss_of(const pp__yardstick *y, double p, double t)
{
    double q = fmin(fmax(p, LEAST_P), 1 - LEAST_P);
    switch (y->loss) {
    case PP__LOG:
        return -t * log(q) - (1 - t) * log1p(-q);
    case PP__PINBALL:
        return t > p ? y->quantile * (t - p) : (1 - y->quantile) * (p - t);
    case PP__SQUARED:
        break;
    }
    return (p - t) * (p - t);
}

/* ---- rows as they are read ---- */

typedef struct table {
    int64_t n, columns;
    int targets; /* columns of them; 1 beside several columns: a class */
    const int64_t *index;
    const float *p, *t;
    double *weight;        /* [n] */
    double *value, *ranks; /* [n] scratch */
    double *within;        /* [n] scratch */
    double *aim;           /* [n] scratch */
} table;

typedef struct ranked {
    double value;
    int64_t row;
} ranked;

static int by_value(const void *left, const void *right)
{
    const ranked *x = left, *y = right;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Ranks from 1 on of the rows that are chosen; of equal values the mean. */
static int rank_rows(const double *value, const double *chosen, double which, int64_t n,
                     double *ranks)
{
    ranked *list = malloc((size_t)(n + 1) * sizeof *list);
    int64_t count = 0;
    if (list == NULL) return 0;
    for (int64_t i = 0; i < n; i++)
        if (chosen == NULL || chosen[i] == which) list[count++] = (ranked){value[i], i};
    qsort(list, (size_t)count, sizeof *list, by_value);
    for (int64_t i = 0, end; i < count; i = end) {
        for (end = i; end < count && list[end].value == list[i].value; end++) {
        }
        for (int64_t k = i; k < end; k++)
            ranks[list[k].row] = (double)(i + end + 1) / 2;
    }
    free(list);
    return 1;
}

/* ---- how well a column ranks ---- */

/* 2 AUC - 1, and the pull of each row by its placement among the other class (DeLong, DeLong and
 * Clarke-Pearson 1988). aim: 0 or 1. */
static int rank_classes(table *s, double *effect, double *pull, double scale)
{
    double ones = 0, n = (double)s->n, sum = 0;
    for (int64_t i = 0; i < s->n; i++)
        ones += s->aim[i];
    double zeros = n - ones;
    if (ones == 0 || zeros == 0) return 1;
    if (!rank_rows(s->value, NULL, 0, s->n, s->ranks) ||
        !rank_rows(s->value, s->aim, 0, s->n, s->within) ||
        !rank_rows(s->value, s->aim, 1, s->n, s->within))
        return 0;
    for (int64_t i = 0; i < s->n; i++)
        sum += s->aim[i] * (s->ranks[i] - s->within[i]) / zeros;
    double auc = sum / ones;
    for (int64_t i = 0; i < s->n; i++) {
        double before = s->ranks[i] - s->within[i];
        double place = s->aim[i] == 1 ? before / zeros : 1 - before / ones;
        pull[i] += scale * 2 * (place - auc) * n / (s->aim[i] == 1 ? ones : zeros);
    }
    *effect += scale * (2 * auc - 1);
    return 1;
}

static void standardise(double *values, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    for (int64_t i = 0; i < n; i++) {
        values[i] -= sum / (double)n;
        squares += values[i] * values[i];
    }
    double deviation = sqrt(squares / (double)n);
    for (int64_t i = 0; i < n; i++)
        values[i] = deviation > 0 ? values[i] / deviation : 0;
}

/* Correlation of the ranks. */
static int rank_numbers(table *s, double *effect, double *pull, double scale)
{
    double sum = 0;
    if (!rank_rows(s->value, NULL, 0, s->n, s->ranks) ||
        !rank_rows(s->aim, NULL, 0, s->n, s->within))
        return 0;
    standardise(s->ranks, s->n);
    standardise(s->within, s->n);
    for (int64_t i = 0; i < s->n; i++)
        sum += s->ranks[i] * s->within[i];
    double r = sum / (double)s->n;
    for (int64_t i = 0; i < s->n; i++) {
        double x = s->ranks[i], t = s->within[i];
        pull[i] += scale * (x * t - r / 2 * (x * x + t * t));
    }
    *effect += scale * r;
    return 1;
}

static int is_of_labels(const table *s)
{
    for (int64_t i = 0; i < s->n; i++)
        if (s->aim[i] != 0 && s->aim[i] != 1) return 0;
    return 1;
}

static int varies(const double *values, int64_t n)
{
    for (int64_t i = 1; i < n; i++)
        if (values[i] != values[0]) return 1;
    return 0;
}

/* ---- how much better than the best constant ---- */

static double weighted_mean(const table *s)
{
    double sum = 0, weights = 0;
    for (int64_t i = 0; i < s->n; i++) {
        sum += s->weight[i] * s->aim[i];
        weights += s->weight[i];
    }
    return sum / weights;
}

static int best_constant(const pp__yardstick *y, const table *s, double *constant)
{
    *constant = weighted_mean(s);
    if (y->loss != PP__PINBALL) return 1;
    ranked *list = malloc((size_t)s->n * sizeof *list);
    if (list == NULL) return 0;
    for (int64_t i = 0; i < s->n; i++)
        list[i] = (ranked){s->aim[i], i};
    qsort(list, (size_t)s->n, sizeof *list, by_value);
    *constant = list[(int64_t)(y->quantile * (double)(s->n - 1))].value;
    free(list);
    return 1;
}

/* 1 - L / B of the mean losses of the rows and of the constant: a row pulls by (1 - skill) b - l.
 * l, b [n]: its losses, times its weight. */
static void ratio(const double *l, const double *b, int64_t n, double *skill, double *pull,
                  double scale)
{
    double sum = 0, base = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += l[i];
        base += b[i];
    }
    if (!(base > 0)) return;
    *skill += scale * (1 - sum / base);
    for (int64_t i = 0; i < n; i++)
        pull[i] += scale * (sum / base * b[i] - l[i]) * (double)n / base;
}

static int is_within_one(const table *s)
{
    for (int64_t i = 0; i < s->n; i++)
        if (!(s->aim[i] >= 0 && s->aim[i] <= 1)) return 0;
    return 1;
}

static int column_skill(const pp__yardstick *y, table *s, double *skill, double *pull, double scale)
{
    double constant;
    pp__yardstick squared = {.loss = PP__SQUARED};
    if (y->loss == PP__LOG && !is_within_one(s)) y = &squared;
    if (!best_constant(y, s, &constant)) return 0;
    for (int64_t i = 0; i < s->n; i++) {
        s->ranks[i] = s->weight[i] * loss_of(y, s->value[i], s->aim[i]);
        s->within[i] = s->weight[i] * loss_of(y, constant, s->aim[i]);
    }
    ratio(s->ranks, s->within, s->n, skill, pull, scale);
    return 1;
}

/* ---- all columns ---- */

typedef struct pulls {
    double skill, effect;
    double *skills, *effects; /* [n] */
} pulls;

static void take_column(table *s, int64_t k)
{
    for (int64_t i = 0; i < s->n; i++) {
        s->value[i] = s->p[i * s->columns + k];
        s->aim[i] =
            s->targets == s->columns ? (double)s->t[i * s->columns + k] : s->t[i] == (float)k;
    }
}

static int varying_columns(table *s)
{
    int n = 0;
    for (int64_t k = 0; k < s->columns; k++) {
        take_column(s, k);
        n += varies(s->aim, s->n);
    }
    return n;
}

/* Columns that are judged one by one: the mean of them. */
static int judge_columns(const pp__yardstick *y, table *s, pulls *out)
{
    int n = varying_columns(s), is_classes = s->targets != s->columns;
    for (int64_t k = 0; k < s->columns; k++) {
        take_column(s, k);
        if (!varies(s->aim, s->n)) continue;
        int done = is_of_labels(s) ? rank_classes(s, &out->effect, out->effects, 1.0 / n)
                                   : rank_numbers(s, &out->effect, out->effects, 1.0 / n);
        if (done && !is_classes) done = column_skill(y, s, &out->skill, out->skills, 1.0 / n);
        if (!done) return 0;
    }
    return 1;
}

/* Of one class of several: its probability, or the squares of all. */
static double class_loss(const pp__yardstick *y, const float *p, const double *q, int64_t columns,
                         int64_t target)
{
    double sum = 0, total = 0;
    for (int64_t k = 0; k < columns; k++)
        total += q != NULL ? q[k] : fmax(0, (double)p[k]);
    for (int64_t k = 0; k < columns; k++) {
        double at = (q != NULL ? q[k] : fmax(0, (double)p[k])) / (total > 0 ? total : 1);
        if (y->loss != PP__LOG) sum += (at - (k == target)) * (at - (k == target));
        if (y->loss == PP__LOG && k == target) sum -= log(fmin(fmax(at, LEAST_P), 1 - LEAST_P));
    }
    return sum;
}

static int judge_classes(const pp__yardstick *y, table *s, pulls *out)
{
    double *shares = calloc((size_t)s->columns, sizeof *shares);
    if (shares == NULL) return 0;
    for (int64_t i = 0; i < s->n; i++)
        shares[(int64_t)s->t[i]] += s->weight[i];
    for (int64_t i = 0; i < s->n; i++) {
        int64_t target = (int64_t)s->t[i];
        const float *p = s->p + i * s->columns;
        s->ranks[i] = s->weight[i] * class_loss(y, p, NULL, s->columns, target);
        s->within[i] = s->weight[i] * class_loss(y, p, shares, s->columns, target);
    }
    ratio(s->ranks, s->within, s->n, &out->skill, out->skills, 1);
    free(shares);
    return 1;
}

static int is_finite(const table *s)
{
    for (int64_t i = 0; i < s->n * s->columns; i++)
        if (!isfinite(s->p[i])) return 0;
    return 1;
}

static int has_targets(const table *s)
{
    for (int64_t i = 0; i < s->n * s->targets; i++)
        if (!isfinite(s->t[i]) ||
            (s->targets != s->columns && (s->t[i] < 0 || s->t[i] >= s->columns)))
            return 0;
    return s->n > 0;
}

static void weigh(const pp__yardstick *y, table *s)
{
    int by_class = y->weights != NULL && s->targets == 1;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t k = (int64_t)s->t[i];
        s->weight[i] = by_class && k >= 0 && k < y->classes ? y->weights[k] : 1;
    }
}

/* ---- the file of a run ---- */

static int read_table(const pp_tensorfile *file, pp_arena *arena, table *s)
{
    const pp_tensor *index = pp_tensorfile_find(file, "index"), *p = pp_tensorfile_find(file, "p");
    const pp_tensor *t = pp_tensorfile_find(file, "target");
    if (index == NULL || p == NULL || t == NULL || p->n_dims != 2 || t->n_dims != 2) return 0;
    *s = (table){.n = p->shape[0],
                 .columns = p->shape[1],
                 .targets = (int)t->shape[1],
                 .index = index->data,
                 .p = p->data,
                 .t = t->data};
    double *scratch = PP_ARENA_NEW(arena, double, 5 * s->n + 1);
    if (scratch == NULL) return 0;
    double **const to[] = {&s->weight, &s->value, &s->ranks, &s->within, &s->aim};
    for (int i = 0; i < 5; i++)
        *to[i] = scratch + i * s->n;
    return index->shape[0] == s->n && t->shape[0] == s->n;
}

static int has_clear_skill(const table *s, const pulls *from)
{
    double squares = 0;
    for (int64_t i = 0; i < s->n; i++)
        squares += from->skills[i] * from->skills[i];
    return from->skill > 3 * hypot(sqrt(squares), 1) / (double)s->n;
}

/* What the mean of skill and ranking is, and how far each row pulls it; neither below 0. */
static pp__worth *worth_of(const table *s, const pulls *from, int counts_ranking, pp_arena *arena)
{
    pp__worth *rows = PP_ARENA_NEW(arena, pp__worth, 1);
    int64_t *index = PP_ARENA_NEW(arena, int64_t, s->n);
    float *pull = PP_ARENA_NEW(arena, float, s->n);
    if (rows == NULL || index == NULL || pull == NULL) return NULL;
    double skilled = from->skill > 0 ? 0.5 : 0, squares = 0;
    int is_skilled = has_clear_skill(s, from);
    double ranking = (counts_ranking || is_skilled) && from->effect > 0 ? 0.5 : 0;
    for (int64_t i = 0; i < s->n; i++) {
        double value = skilled * from->skills[i] + ranking * from->effects[i];
        squares += value * value;
        pull[i] = (float)value;
    }
    memcpy(index, s->index, (size_t)s->n * sizeof *index);
    double n = (double)s->n;
    *rows = (pp__worth){.n = s->n,
                        .index = index,
                        .pull = pull,
                        .skill = from->skill,
                        .is_skilled = is_skilled,
                        .ranked = skilled * from->skill + (from->effect > 0 ? from->effect / 2 : 0),
                        .score = skilled * from->skill + ranking * from->effect,
                        .error = hypot(sqrt(squares) / n, 1 / n)};
    return rows;
}

static pp__worth *judge(const pp__yardstick *y, table *s, int counts_ranking, pp_arena *scratch,
                        pp_arena *arena)
{
    pulls out = {.skills = PP_ARENA_NEW(scratch, double, s->n),
                 .effects = PP_ARENA_NEW(scratch, double, s->n)};
    if (out.skills == NULL || out.effects == NULL) return NULL;
    memset(out.skills, 0, (size_t)s->n * sizeof *out.skills);
    memset(out.effects, 0, (size_t)s->n * sizeof *out.effects);
    weigh(y, s);
    if (is_finite(s)) {
        if (!judge_columns(y, s, &out)) return NULL;
        if (s->targets != s->columns && !judge_classes(y, s, &out)) return NULL;
    }
    return worth_of(s, &out, counts_ranking, arena);
}

pp__worth *pp__worth_read(const pp__yardstick *y, const char *path, int counts_ranking,
                          pp_arena *arena)
{
    pp_tensorfile *file = NULL;
    pp_arena *scratch = pp_arena_create();
    pp__worth *rows = NULL;
    table s;
    if (scratch != NULL && pp_tensorfile_read(path, &file, NULL) == PP_OK &&
        read_table(file, scratch, &s) && has_targets(&s))
        rows = judge(y, &s, counts_ranking, scratch, arena);
    pp_tensorfile_destroy(file);
    pp_arena_destroy(scratch);
    return rows;
}

/* ---- two runs ---- */

static int are_the_same(const pp__worth *a, const pp__worth *b)
{
    return a != NULL && b != NULL && a->n == b->n &&
           memcmp(a->index, b->index, (size_t)a->n * sizeof *a->index) == 0;
}

double pp__gain(const pp_experiment *a, const pp_experiment *b, double *error)
{
    const pp__worth *x = a->rows, *y = b->rows;
    *error = hypot(a->score_error, b->score_error);
    int is_paired = !a->mended && !b->mended && a->held_out && b->held_out;
    if (is_paired && are_the_same(x, y)) {
        double squares = 0, n = (double)x->n;
        for (int64_t i = 0; i < x->n; i++) {
            double apart = (double)x->pull[i] - (double)y->pull[i];
            squares += apart * apart;
        }
        *error = hypot(sqrt(squares) / n, 1 / n);
    }
    return a->score - b->score;
}
