#include "support/sketch_rows.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "pitprop/sketch.h"

/* Rows to sketch, and what a plain reading in double says of them. */
typedef struct table {
    pp_sketch_shape shape;
    int64_t rows;
    float *p, *t; /* [rows, columns] */
    int64_t *y;   /* [rows] */
} table;

static pp_rng source(uint64_t when)
{
    return pp_rng_at(7, PP_RNG_TEST, when);
}

static table make_table(pp_sketch_shape shape, int64_t rows)
{
    size_t values = (size_t)(rows * shape.columns);
    table d = {shape, rows, calloc(values, 4), calloc(values, 4), calloc((size_t)rows, 8)};
    return d;
}

static void free_table(table *d)
{
    free(d->p);
    free(d->t);
    free(d->y);
}

/* A model of middling quality: the log-odds of the true class are raised by `signal`. */
static table classification(int classes, int64_t rows, double signal, double noise)
{
    int binary = classes == 2;
    pp_sketch_shape shape = {
        binary ? PP_SKETCH_BINARY : PP_SKETCH_MULTICLASS, classes, binary ? 1 : classes, 0, 0, 0};
    table d = make_table(shape, rows);
    for (int64_t i = 0; i < rows; i++) {
        double u = pp_rng_uniform(source(1), (uint64_t)i);
        d.y[i] = (int64_t)(u * u * classes); /* unbalanced */
        double odds[16], sum = 0;
        for (int c = 0; c < classes; c++) {
            uint64_t at = (uint64_t)(i * classes + c);
            odds[c] = exp(noise * pp_rng_normal(source(2), at) + (c == d.y[i] ? signal : 0));
            sum += odds[c];
        }
        for (int c = 0; c < shape.columns; c++)
            d.p[i * shape.columns + c] = (float)(odds[binary ? 1 : c] / sum);
    }
    return d;
}

static table regression(int columns, int64_t rows)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, columns, 90, 130, 0};
    table d = make_table(shape, rows);
    for (int64_t i = 0; i < rows * columns; i++) {
        double t = 110 + 5 * pp_rng_normal(source(3), (uint64_t)i);
        d.t[i] = (float)fmin(130, fmax(90, t));
        d.p[i] = (float)(t + 3 + 2 * pp_rng_normal(source(4), (uint64_t)i));
    }
    return d;
}

static double row_loss(int64_t row)
{
    return ldexp(pp_rng_normal(source(5), (uint64_t)row), (int)(row % 40) - 20);
}

static void add_row(pp_sketch *sketch, const table *d, int64_t row)
{
    int classes = d->shape.classes > 0;
    sketch_row(sketch, row, d->p + row * d->shape.columns, classes ? d->y + row : NULL,
               classes ? NULL : d->t + row * d->shape.columns, row_loss(row));
}

static pp_sketch *sketch_of(const table *d)
{
    pp_sketch *sketch = pp_sketch_create(&d->shape);
    for (int64_t i = 0; i < d->rows; i++)
        add_row(sketch, d, i);
    return sketch;
}

static pp_summary summary_of(const table *d)
{
    pp_sketch *sketch = sketch_of(d);
    pp_summary s = pp_sketch_summarise(sketch);
    free(sketch);
    return s;
}

/* ---- splits ---- */

/* Rows shuffled, dealt to `parts` sketches at random (some stay empty), merged in shuffled order.
 */
static pp_sketch *merged_in_parts(const table *d, int parts, uint64_t seed)
{
    size_t bytes = pp_sketch_bytes(&d->shape);
    pp_sketch *part[12], *all = pp_sketch_create(&d->shape);
    int64_t merge_order[12], *order = malloc((size_t)d->rows * 8);
    for (int64_t i = 0; i < d->rows; i++)
        order[i] = i;
    for (int i = 0; i < parts; i++) {
        part[i] = pp_sketch_create(&d->shape);
        merge_order[i] = i;
    }
    pp_rng_shuffle(source(seed), 0, d->rows, order);
    pp_rng_shuffle(source(seed + 1), 0, parts, merge_order);
    for (int64_t i = 0; i < d->rows; i++) /* the last part stays empty */
        add_row(part[pp_rng_below(source(seed + 2), (uint64_t)i, (uint64_t)parts - 1)], d,
                order[i]);
    for (int i = 0; i < parts; i++)
        pp_sketch_merge(all, part[merge_order[i]], bytes);
    for (int i = 0; i < parts; i++)
        free(part[i]);
    free(order);
    return all;
}

/* NaN, infinities, values far outside and labels outside, spread over the table. */
static void spoil(table *d)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, -0.5f, 1.5f, 1e30f, -0.0f, 0.0f, 1.0f};
    for (int64_t i = 0; i < d->rows; i += 7) {
        int64_t pick = i / 7;
        d->p[i * d->shape.columns + pick % d->shape.columns] = odd[pick % 9];
        if (pick % 5 == 0) d->y[i] = pick % 2 ? -3 : 1000;
    }
}

static void check_splits(table d)
{
    spoil(&d);
    size_t bytes = pp_sketch_bytes(&d.shape);
    pp_sketch *first = merged_in_parts(&d, 3, 100);
    pp_sketch *whole = sketch_of(&d);
    pp_summary unmerged = pp_sketch_summarise(whole), merged = pp_sketch_summarise(first);
    CU_ASSERT(unmerged.skill == merged.skill && unmerged.mean == merged.mean);
    CU_ASSERT(unmerged.loss == merged.loss && unmerged.mse == merged.mse);
    CU_ASSERT(merged.non_finite > 0 && merged.rows == d.rows);
    for (uint64_t round = 0; round < 6; round++) {
        pp_sketch *other = merged_in_parts(&d, 4 + (int)round, 200 + 10 * round);
        CU_ASSERT(memcmp(first, other, bytes) == 0);
        free(other);
    }
    add_row(whole, &d, 1);
    pp_sketch *one_more = pp_sketch_create(&d.shape);
    pp_sketch_merge(one_more, whole, bytes);
    CU_ASSERT(memcmp(first, one_more, bytes) != 0);
    free(one_more);
    free(first);
    free(whole);
    free_table(&d);
}

static void splits_of_binary(void)
{
    check_splits(classification(2, 3000, 1, 1));
}

static void splits_of_multiclass(void)
{
    check_splits(classification(7, 2000, 1, 1));
}

static void splits_of_regression(void)
{
    check_splits(regression(1, 3000));
    check_splits(regression(3, 1000));
}

static void cleared_is_as_created(void)
{
    table d = classification(5, 500, 1, 1);
    pp_sketch *used = sketch_of(&d), *fresh = pp_sketch_create(&d.shape);
    pp_sketch_clear(used);
    CU_ASSERT(memcmp(used, fresh, pp_sketch_bytes(&d.shape)) == 0);
    free(used);
    free(fresh);
    free_table(&d);
}

static void zeros_of_either_sign_are_one(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    size_t bytes = pp_sketch_bytes(&shape);
    pp_sketch *a = pp_sketch_create(&shape), *b = pp_sketch_create(&shape);
    static const float zeros[] = {0.0f, -0.0f};
    for (int64_t i = 0; i < 2; i++) {
        sketch_row(a, i, zeros + i, NULL, NULL, 0);
        sketch_row(b, i, zeros + 1 - i, NULL, NULL, 0);
    }
    CU_ASSERT(memcmp(a, b, bytes) == 0);
    free(a);
    free(b);
}

/* ---- metrics against a direct computation ---- */

static int close_to(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * fmax(1.0, fabs(b));
}

/* Probability of class c in a row, as a plain reader sees it. */
static double probability(const table *d, int64_t row, int c)
{
    if (d->shape.kind == PP_SKETCH_BINARY) {
        double p = (double)d->p[row];
        return c == 1 ? p : 1 - p;
    }
    return (double)d->p[row * d->shape.columns + c];
}

static int answer_of(const table *d, int64_t row)
{
    if (d->shape.kind == PP_SKETCH_BINARY) return (double)d->p[row] >= 0.5;
    int best = 0;
    for (int c = 1; c < d->shape.classes; c++)
        if (probability(d, row, c) > probability(d, row, best)) best = c;
    return best;
}

typedef struct direct {
    double accuracy, balanced, log_loss, brier, entropy, mean[16], share[16];
} direct;

static void add_direct(direct *e, const table *d, int64_t row)
{
    double sum = 0;
    for (int c = 0; c < d->shape.classes; c++)
        sum += probability(d, row, c);
    for (int c = 0; c < d->shape.classes; c++) {
        double q = probability(d, row, c) / sum, miss = probability(d, row, c) - (c == d->y[row]);
        e->mean[c] += q / (double)d->rows;
        e->entropy -= q > 0 ? q * log(q) / (double)d->rows : 0;
        if (d->shape.kind == PP_SKETCH_MULTICLASS || c == 1)
            e->brier += miss * miss / (double)d->rows;
        if (c == d->y[row]) e->log_loss -= log(fmin(1 - 1e-7, fmax(1e-7, q))) / (double)d->rows;
    }
    e->share[d->y[row]] += 1 / (double)d->rows;
    e->accuracy += (answer_of(d, row) == d->y[row]) / (double)d->rows;
}

static direct direct_of(const table *d)
{
    direct e;
    memset(&e, 0, sizeof e);
    for (int64_t i = 0; i < d->rows; i++)
        add_direct(&e, d, i);
    int present = 0;
    for (int c = 0; c < d->shape.classes; c++) {
        double right = 0, all = 0;
        for (int64_t i = 0; i < d->rows; i++) {
            all += d->y[i] == c;
            right += d->y[i] == c && answer_of(d, i) == c;
        }
        if (all > 0) e.balanced += right / all;
        present += all > 0;
    }
    e.balanced /= present;
    return e;
}

/* Share of pairs (row of class c, other row) that column c puts in order, ties half. */
static double exact_auc(const table *d, int c)
{
    double ordered = 0, pairs = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        if (d->y[i] != c) continue;
        for (int64_t j = 0; j < d->rows; j++) {
            if (d->y[j] == c) continue;
            double a = probability(d, i, c), b = probability(d, j, c);
            ordered += a > b ? 1 : a == b ? 0.5 : 0;
            pairs++;
        }
    }
    return ordered / pairs;
}

static void check_classification(table d, double most_bound)
{
    pp_summary s = summary_of(&d);
    direct e = direct_of(&d);
    double base = 0, bits = -e.entropy, auc = 0, loss = 0;
    int present = 0, binary = d.shape.kind == PP_SKETCH_BINARY;
    for (int c = 0; c < d.shape.classes; c++) {
        base -= e.share[c] > 0 ? e.share[c] * log(e.share[c]) : 0;
        bits -= e.mean[c] > 0 ? e.mean[c] * log(e.mean[c]) : 0;
        if (e.share[c] > 0) auc += exact_auc(&d, c);
        present += e.share[c] > 0;
    }
    for (int64_t i = 0; i < d.rows; i++)
        loss += row_loss(i) / (double)d.rows;
    auc = binary ? exact_auc(&d, 1) : auc / present;
    CU_ASSERT(close_to(s.loss, loss, 1e-10));
    CU_ASSERT(close_to(s.accuracy, e.accuracy, 1e-12));
    CU_ASSERT(close_to(s.balanced_accuracy, e.balanced, 1e-12));
    CU_ASSERT(close_to(s.log_loss, e.log_loss, 1e-9));
    CU_ASSERT(close_to(s.mse, e.brier, 1e-10));
    CU_ASSERT(close_to(s.information, bits / log(2), 1e-7));
    CU_ASSERT(close_to(s.base_loss, base, 1e-12));
    CU_ASSERT(close_to(s.skill, 1 - e.log_loss / base, 1e-9));
    CU_ASSERT(fabs(s.auc - auc) <= s.auc_bound + 1e-12);
    CU_ASSERT(s.auc_bound < most_bound);
    CU_ASSERT(s.auc_error > 0 && s.auc_error < 0.1);
    CU_ASSERT(s.classes_present == present);
    CU_ASSERT(isnan(s.mae) && isnan(s.r2) && isnan(s.correlation));
    free_table(&d);
}

static void metrics_of_binary(void)
{
    check_classification(classification(2, 3000, 0.8, 1.0), 0.001);
    check_classification(classification(2, 3000, 6, 6), 0.001);        /* p crowd at 0 and 1 */
    check_classification(classification(2, 3000, 0.002, 0.01), 0.005); /* p crowd at 1/2 */
    check_classification(classification(2, 1500, -1, 1), 0.001);       /* AUC below 0.5 */
}

static void metrics_of_multiclass(void)
{
    check_classification(classification(3, 1500, 1, 1), 0.002);
    check_classification(classification(10, 1500, 2, 1), 0.002);
    check_classification(classification(16, 600, -0.5, 2), 0.005);
}

static void auc_bound_is_honest_about_ties(void)
{
    table d = classification(2, 400, 1, 1);
    for (int64_t i = 0; i < d.rows; i++)
        d.p[i] = 0.3f + (float)i * 1e-8f; /* all in one bin */
    pp_summary s = summary_of(&d);
    CU_ASSERT(close_to(s.auc, 0.5, 1e-12));
    CU_ASSERT(close_to(s.auc_bound, 0.5, 1e-12));
    free_table(&d);
}

static void log_loss_normalises_and_clamps(void)
{
    pp_sketch_shape shape = {PP_SKETCH_MULTICLASS, 2, 2, 0, 0, 0};
    pp_sketch *s = pp_sketch_create(&shape);
    int64_t y[] = {0, 1};
    sketch_row(s, 0, (float[]){0.2f, 0.6f}, y, NULL, 0); /* sums to 0.8: 0.25 and 0.75 */
    CU_ASSERT(close_to(pp_sketch_summarise(s).log_loss, log(4), 1e-6));
    pp_sketch_clear(s);
    sketch_row(s, 0, (float[]){-0.5f, 0.6f}, y, NULL, 0); /* cannot be normalised */
    CU_ASSERT(close_to(pp_sketch_summarise(s).log_loss, -log(1e-7), 1e-9));
    CU_ASSERT(pp_sketch_summarise(s).out_of_range == 1);
    pp_sketch_clear(s);
    sketch_row(s, 0, (float[]){0, 0}, y + 1, NULL, 0);
    CU_ASSERT(close_to(pp_sketch_summarise(s).log_loss, -log(1e-7), 1e-9));
    CU_ASSERT(pp_sketch_summarise(s).out_of_range == 0);
    pp_sketch_clear(s);
    sketch_row(s, 0, (float[]){0, 1}, y + 1, NULL, 0);
    CU_ASSERT(close_to(pp_sketch_summarise(s).log_loss * 1e7, 1, 1e-6));
    free(s);
}

static void binary_out_of_range_is_clamped(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    int64_t y[] = {0, 1};
    float p[] = {-2.0f, 3.0f, 0.25f};
    sketch_row(sketch, 0, p, y, NULL, 0);
    sketch_row(sketch, 1, p + 1, y, NULL, 0);
    sketch_row(sketch, 2, p + 2, y + 1, NULL, 0);
    pp_summary s = pp_sketch_summarise(sketch);
    CU_ASSERT(s.out_of_range == 2);
    CU_ASSERT(s.min == -2 && s.max == 3 && close_to(s.mean, 1.25 / 3, 1e-12));
    CU_ASSERT(close_to(s.log_loss, (1e-7 - log(1e-7) + log(4)) / 3, 1e-9));
    CU_ASSERT(close_to(s.mse, (4 + 9 + 0.75 * 0.75) / 3, 1e-12));
    double q = 1.25 / 3, mean_bits = -(0.25 * log2(0.25) + 0.75 * log2(0.75)) / 3;
    CU_ASSERT(close_to(s.information, -(q * log2(q) + (1 - q) * log2(1 - q)) - mean_bits, 1e-6));
    free(sketch);
}

static void metrics_of_regression(void)
{
    for (int k = 1; k <= 3; k++) {
        table d = regression(k, 2000);
        pp_summary s = summary_of(&d);
        double n = (double)d.rows, mse = 0, mae = 0, r2 = 0, base = 0, strongest = 0;
        for (int c = 0; c < k; c++) {
            double mt = 0, mp = 0, vt = 0, vp = 0, cov = 0, ee = 0;
            for (int64_t i = c; i < d.rows * k; i += k) {
                mt += (double)d.t[i] / n;
                mp += (double)d.p[i] / n;
            }
            for (int64_t i = c; i < d.rows * k; i += k) {
                double t = (double)d.t[i], p = (double)d.p[i];
                vt += (t - mt) * (t - mt) / n;
                vp += (p - mp) * (p - mp) / n;
                cov += (t - mt) * (p - mp) / n;
                ee += (t - p) * (t - p) / n;
                mae += fabs(t - p) / n / k;
            }
            mse += ee / k;
            base += vt / k;
            r2 += (1 - ee / vt) / k;
            strongest = fmax(strongest, cov / sqrt(vt * vp));
        }
        CU_ASSERT(close_to(s.mse, mse, 1e-10) && close_to(s.mae, mae, 1e-10));
        CU_ASSERT(close_to(s.r2, r2, 1e-10) && close_to(s.base_loss, base, 1e-10));
        CU_ASSERT(close_to(s.skill, 1 - mse / base, 1e-10));
        CU_ASSERT(close_to(s.correlation, strongest, 1e-9));
        CU_ASSERT(isnan(s.accuracy) && isnan(s.auc) && isnan(s.log_loss) && isnan(s.information));
        CU_ASSERT(isnan(s.median) == (k > 1));
        free_table(&d);
    }
}

/* ---- places and masses ---- */

static void masses_count_what_is_near(void)
{
    pp_sketch_shape shape = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    static const float values[] = {0.495f,  0.505f,  0.4901f, 0.4899f,
                                   0.5101f, 0.2501f, 0.999f,  0.2481f};
    for (int64_t i = 0; i < 8; i++) {
        int64_t y = i < 2;
        sketch_row(sketch, i, values + i, &y, NULL, 0);
    }
    pp_summary s = pp_sketch_summarise(sketch);
    CU_ASSERT(close_to(s.half_mass, 3.0 / 8, 1e-12));
    CU_ASSERT(s.target_mean == 0.25);
    CU_ASSERT(close_to(s.base_mass, 2.0 / 8, 1e-12));
    CU_ASSERT(close_to(s.median, 0.49, 0.002));
    CU_ASSERT(close_to(s.tolerance, 0.02 * sqrt(0.25 * 0.75), 1e-12));
    free(sketch);
}

static void a_constant_is_known_exactly(void)
{
    static const float values[] = {0, 0.1f, 0.3333f, 0.5f, 0.75f, 1, 0.0001f};
    pp_sketch_shape binary = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0},
                    line = {PP_SKETCH_REGRESSION, 0, 1, 0, 1, 0};
    for (size_t v = 0; v < 7; v++) {
        pp_sketch *a = pp_sketch_create(&binary), *b = pp_sketch_create(&line);
        float far = values[v] * 1000 - 100;
        for (int64_t i = 0; i < 50; i++) {
            int64_t y = i == 0;
            float t = (float)(i % 2);
            sketch_row(a, i, values + v, &y, NULL, 0);
            sketch_row(b, i, &far, NULL, &t, 0);
        }
        pp_summary s = pp_sketch_summarise(a), r = pp_sketch_summarise(b);
        CU_ASSERT(s.median == (double)values[v] && s.median_mass == 1.0);
        CU_ASSERT(s.deviation < 1e-7 && s.information < 1e-7 && s.auc == 0.5);
        CU_ASSERT(r.median == (double)far && r.median_mass == 1.0 && r.spread < 1e-3);
        free(a);
        free(b);
    }
}

static void histogram_fits_the_data(void)
{
    table d = classification(2, 5000, 1, 2);
    pp_sketch *sketch = sketch_of(&d);
    int64_t counts[20], direct_counts[20] = {0}, all = 0;
    pp_sketch_histogram(sketch, 0, 0, 1, 20, counts);
    for (int64_t i = 0; i < d.rows; i++)
        direct_counts[(int)((double)d.p[i] * 20)]++;
    for (int b = 0; b < 20; b++) {
        CU_ASSERT(counts[b] == direct_counts[b]);
        all += counts[b];
    }
    CU_ASSERT(all == d.rows);
    free(sketch);
    free_table(&d);
    d = regression(1, 5000);
    sketch = sketch_of(&d);
    int64_t coarse[4], below = 0;
    pp_sketch_histogram(sketch, 0, 100, 120, 4, coarse);
    for (int64_t i = 0; i < d.rows; i++)
        below += (double)d.p[i] < 105;
    CU_ASSERT(labs((long)(coarse[0] - below)) <= 5); /* one bin of 1/4000 of the target range */
    CU_ASSERT(coarse[0] + coarse[1] + coarse[2] + coarse[3] == d.rows);
    free(sketch);
    free_table(&d);
}

static void ties_have_one_answer(void)
{
    pp_sketch_shape three = {PP_SKETCH_MULTICLASS, 3, 3, 0, 0, 0},
                    two = {PP_SKETCH_BINARY, 2, 1, 0, 0, 0};
    pp_sketch *a = pp_sketch_create(&three), *b = pp_sketch_create(&two);
    int64_t y = 1;
    sketch_row(a, 0, (float[]){0.2f, 0.4f, 0.4f}, &y, NULL, 0);
    sketch_row(b, 0, (float[]){0.5f}, &y, NULL, 0);
    CU_ASSERT(pp_sketch_answers(a, 1) == 1 && pp_sketch_answers(b, 1) == 1);
    free(a);
    free(b);
}

static void confusion_counts_pairs(void)
{
    table d = classification(4, 800, 1, 1);
    pp_sketch *sketch = sketch_of(&d);
    for (int t = 0; t < 4; t++)
        for (int a = 0; a < 4; a++) {
            int64_t count = 0;
            for (int64_t i = 0; i < d.rows; i++)
                count += d.y[i] == t && answer_of(&d, i) == a;
            CU_ASSERT(pp_sketch_confusion(sketch, t, a) == count);
        }
    free(sketch);
    free_table(&d);
}

/* ---- odd rows ---- */

static void non_finite_rows_touch_nothing_else(void)
{
    table d = classification(3, 300, 1, 1);
    pp_sketch *clean = sketch_of(&d), *dirty = sketch_of(&d);
    sketch_row(dirty, 900, (float[]){0.1f, NAN, 0.2f}, d.y, NULL, 0);
    sketch_row(dirty, 500, (float[]){0.1f, 0.1f, -INFINITY}, d.y, NULL, 0);
    pp_summary a = pp_sketch_summarise(clean), b = pp_sketch_summarise(dirty);
    CU_ASSERT(b.rows == 302 && b.non_finite == 2 && b.first_non_finite_row == 500);
    CU_ASSERT(a.non_finite == 0 && a.first_non_finite_row == -1);
    b.rows = a.rows;
    b.non_finite = 0;
    b.first_non_finite_row = -1;
    CU_ASSERT(a.loss == b.loss && a.log_loss == b.log_loss && a.auc == b.auc && a.mse == b.mse);
    CU_ASSERT(a.mean == b.mean && a.min == b.min && a.max == b.max && a.accuracy == b.accuracy);
    free(clean);
    free(dirty);
    free_table(&d);
}

static void labels_outside_are_counted_and_left_out(void)
{
    table d = classification(2, 400, 1, 1);
    pp_summary before = summary_of(&d);
    pp_sketch *sketch = sketch_of(&d);
    int64_t outside[] = {2, -1, INT64_MIN};
    float p = 0.9f;
    for (int64_t i = 0; i < 3; i++)
        sketch_row(sketch, 1000 + i, &p, outside + i, NULL, 0);
    sketch_row(sketch, 2000, &p, NULL, NULL, 0);
    pp_summary s = pp_sketch_summarise(sketch);
    CU_ASSERT(s.rows == 404 && s.label_outside == 3);
    CU_ASSERT(s.accuracy == before.accuracy && s.log_loss == before.log_loss);
    CU_ASSERT(s.auc == before.auc && s.target_mean == before.target_mean);
    CU_ASSERT(s.mean > before.mean);
    CU_ASSERT(pp_sketch_answers(sketch, 0) + pp_sketch_answers(sketch, 1) == 404);
    free(sketch);
    free_table(&d);
}

static void empty_says_nothing(void)
{
    pp_sketch_shape shapes[] = {{PP_SKETCH_BINARY, 2, 1, 0, 0, 0},
                                {PP_SKETCH_MULTICLASS, 3, 3, 0, 0, 0},
                                {PP_SKETCH_REGRESSION, 0, 2, 0, 1, 0},
                                {PP_SKETCH_REGRESSION, 0, 1, 5, 5, 0}};
    for (size_t i = 0; i < 4; i++) {
        pp_sketch *sketch = pp_sketch_create(shapes + i);
        pp_summary s = pp_sketch_summarise(sketch);
        CU_ASSERT(s.rows == 0 && s.first_non_finite_row == -1 && s.answer == -1);
        CU_ASSERT(isnan(s.loss) && isnan(s.mean) && isnan(s.min) && isnan(s.skill));
        CU_ASSERT(isnan(s.median_mass) && isnan(s.log_loss) && isnan(s.auc) && isnan(s.mse));
        free(sketch);
    }
}

static void predictions_without_targets(void)
{
    pp_sketch_shape shape = {PP_SKETCH_REGRESSION, 0, 1, 0, 10, 0};
    pp_sketch *sketch = pp_sketch_create(&shape);
    for (int64_t i = 0; i < 10; i++)
        sketch_row(sketch, i, &(float){(float)i}, NULL, NULL, 0);
    pp_summary s = pp_sketch_summarise(sketch);
    CU_ASSERT(close_to(s.mean, 4.5, 1e-12) && close_to(s.deviation, sqrt(8.25), 1e-12));
    CU_ASSERT(isnan(s.target_mean) && isnan(s.target_deviation) && isnan(s.mse) && isnan(s.mae));
    CU_ASSERT(isnan(s.r2) && isnan(s.skill) && isnan(s.correlation));
    free(sketch);
}

static void one_class_of_targets_has_no_skill(void)
{
    table d = classification(2, 200, 1, 1);
    for (int64_t i = 0; i < d.rows; i++)
        d.y[i] = 1;
    pp_summary s = summary_of(&d);
    CU_ASSERT(isnan(s.auc) && isnan(s.skill) && s.base_loss == 0);
    CU_ASSERT(s.accuracy == s.balanced_accuracy && s.classes_present == 1);
    free_table(&d);
}

static void many_classes_stay_bounded(void)
{
    pp_sketch_shape ten = {PP_SKETCH_MULTICLASS, 10, 10, 0, 0, 0},
                    many = {PP_SKETCH_MULTICLASS, 1000, 1000, 0, 0, 0};
    CU_ASSERT(pp_sketch_bytes(&ten) < 800000);
    CU_ASSERT(pp_sketch_bytes(&many) < 5000000);
    pp_sketch *sketch = pp_sketch_create(&many);
    float *p = calloc(1000, sizeof *p);
    int64_t y = 999;
    p[999] = 1;
    sketch_row(sketch, 0, p, &y, NULL, 0);
    y = 0;
    sketch_row(sketch, 1, p, &y, NULL, 0);
    pp_summary s = pp_sketch_summarise(sketch);
    CU_ASSERT(s.accuracy == 0.5 && s.classes_present == 2 && s.classes_predicted == 1);
    CU_ASSERT(pp_sketch_confusion(sketch, 999, 999) == 1);
    CU_ASSERT(pp_sketch_confusion(sketch, 0, 999) == -1);
    CU_ASSERT(s.auc == 0.5);
    free(p);
    free(sketch);
}

const pp_test pp_tests_sketch[];
const pp_test pp_tests_sketch[] = {
    {"binary: any split and order gives the same bytes", splits_of_binary},
    {"multi-class: any split and order gives the same bytes", splits_of_multiclass},
    {"regression: any split and order gives the same bytes", splits_of_regression},
    {"zeros of either sign leave the same bytes", zeros_of_either_sign_are_one},
    {"a cleared sketch is a fresh one", cleared_is_as_created},
    {"binary metrics equal a direct computation", metrics_of_binary},
    {"multi-class metrics equal a direct computation", metrics_of_multiclass},
    {"regression metrics equal a direct computation", metrics_of_regression},
    {"the AUC bound covers ties within a bin", auc_bound_is_honest_about_ties},
    {"log loss normalises what it can and clamps", log_loss_normalises_and_clamps},
    {"binary p outside [0, 1] is counted and clamped", binary_out_of_range_is_clamped},
    {"masses count what is near 0.5 and the base rate", masses_count_what_is_near},
    {"a constant prediction is recognised exactly", a_constant_is_known_exactly},
    {"histograms count what a direct count counts", histogram_fits_the_data},
    {"ties have one answer", ties_have_one_answer},
    {"the confusion matrix counts pairs", confusion_counts_pairs},
    {"non-finite rows leave other statistics alone", non_finite_rows_touch_nothing_else},
    {"labels outside are counted and left out", labels_outside_are_counted_and_left_out},
    {"an empty sketch knows nothing", empty_says_nothing},
    {"predictions without targets", predictions_without_targets},
    {"targets of one class have no skill or AUC", one_class_of_targets_has_no_skill},
    {"many classes stay bounded", many_classes_stay_bounded},
    {NULL, NULL},
};
