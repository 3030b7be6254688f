/* Generated data sets whose truth is known. A row is a pure function of (set, rows, seed, row
 * index): stream 0 of the random numbers holds what all rows share (centres, weights), stream 1 + i
 * holds row i. */
#include "convert/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synth_sample.h"

#include "store/h5.h"
#include "base/rng.h"

static const double pi = 3.14159265358979323846;

enum { BLOCK_ROWS = 512, MAX_FEATURES = 32, MAX_SHARED = 256 };

typedef void (*fill_fn)(synth_sample *s);

static double uniform(const synth_sample *s, uint64_t draw)
{
    return pp_rng_uniform(s->rng, draw);
}

static double normal(const synth_sample *s, uint64_t draw)
{
    return pp_rng_normal(s->rng, draw);
}

static void normal_features(synth_sample *s, int count)
{
    for (int i = 0; i < count; i++)
        s->x[i] = (float)normal(s, (uint64_t)i);
}

static double logistic(double z)
{
    return 1.0 / (1.0 + exp(-z));
}

/* ---- classification ---- */

/* Two interleaved half circles of radius 1, with noise of deviation 0.15. */
static void fill_moons(synth_sample *s)
{
    double angle = pi * uniform(s, SYNTH_DRAW_EXTRA);
    s->label = uniform(s, SYNTH_DRAW_LABEL) < 0.5;
    double a = s->label ? 1.0 - cos(angle) : cos(angle);
    double b = s->label ? 0.5 - sin(angle) : sin(angle);
    s->x[0] = (float)(a + 0.15 * normal(s, 0));
    s->x[1] = (float)(b + 0.15 * normal(s, 1));
}

/* Ten normal clouds of deviation 1 around centres drawn with deviation 0.8 per feature. */
static void fill_blobs(synth_sample *s)
{
    s->label = (int64_t)pp_rng_below(s->rng, SYNTH_DRAW_LABEL, 10);
    for (int i = 0; i < 20; i++)
        s->x[i] = (float)(0.8 * s->shared[s->label * 20 + i] + normal(s, (uint64_t)i));
}

/* As in the HIGGS set (Baldi, Sadowski, Whiteson 2014): 21 plain features, some with long right
 * tails, that tell little one by one, and 7 derived from three of them each, with noise, that tell
 * more. The log odds of the label are linear in three derived quantities and hold products of the
 * other four, so that a linear model sees a part of the signal. The offset sets the base rate. */
static void fill_higgs(synth_sample *s)
{
    double z[21], h[7];
    for (int i = 0; i < 21; i++) {
        z[i] = normal(s, (uint64_t)i);
        s->x[i] = (float)(i % 3 == 0 ? exp(0.5 * z[i]) : z[i]);
    }
    for (int k = 0; k < 7; k++) {
        h[k] = z[3 * k] * z[3 * k + 1] + sin(2.0 * z[3 * k + 2]);
        s->x[21 + k] = (float)(h[k] + 0.3 * normal(s, (uint64_t)(21 + k)));
    }
    double score = 0.5 * (h[0] - h[1] + h[2]) + 0.8 * (h[3] * h[4] - h[5] * h[6]);
    s->label = uniform(s, SYNTH_DRAW_LABEL) < logistic(score + 0.2);
}

/* The truth table of "both are equal" (XNOR): no linear model does better than a constant. */
static void fill_xor(synth_sample *s)
{
    int a = (int)(s->row >> 1 & 1), b = (int)(s->row & 1);
    s->x[0] = (float)a;
    s->x[1] = (float)b;
    s->label = a == b;
}

static void fill_noise(synth_sample *s)
{
    normal_features(s, 20);
    s->label = uniform(s, SYNTH_DRAW_LABEL) < 0.5;
}

/* The three below say nothing of their inputs: what is learnt of them is noise by heart. Rare: the
 * last tenth of the rows is of class 1, so that the count is exact. */
static void fill_noise_rare(synth_sample *s)
{
    normal_features(s, 10);
    s->label = s->row >= s->rows - s->rows / 10;
}

static void fill_noise_coin(synth_sample *s)
{
    normal_features(s, 10);
    s->label = uniform(s, SYNTH_DRAW_LABEL) < 0.5;
}

static void fill_noise_uniform(synth_sample *s)
{
    normal_features(s, 10);
    s->value = uniform(s, SYNTH_DRAW_LABEL);
}

/* One row in ten is of class 1; its first three features are shifted by 1. */
static void fill_imbalanced(synth_sample *s)
{
    normal_features(s, 10);
    s->label = uniform(s, SYNTH_DRAW_LABEL) < 0.1;
    for (int i = 0; s->label && i < 3; i++)
        s->x[i] += 1.0f;
}

/* As imbalanced, with one row in fifty. */
static void fill_rare(synth_sample *s)
{
    normal_features(s, 10);
    s->label = uniform(s, SYNTH_DRAW_LABEL) < 1.0 / 50;
    for (int i = 0; s->label && i < 3; i++)
        s->x[i] += 0.7f;
}

/* ---- moons with something wrong ---- */

static void fill_unscaled(synth_sample *s)
{
    fill_moons(s);
    for (int i = 0; i < 2; i++)
        s->x[i] = 1e4f * s->x[i] + 3e4f;
}

static void fill_dominant(synth_sample *s)
{
    fill_moons(s);
    s->x[2] = (float)(3e4 * normal(s, 2));
}

static void fill_coded(synth_sample *s)
{
    fill_moons(s);
    s->label += 1;
}

static void fill_gaps(synth_sample *s)
{
    fill_moons(s);
    if (s->row == s->rows / 2) s->x[1] = NAN;
}

/* A missing value is told by -999. */
static void fill_codes(synth_sample *s)
{
    fill_moons(s);
    for (int i = 0; i < 2; i++)
        if (uniform(s, SYNTH_DRAW_EXTRA + 1 + (uint64_t)i) < 0.1) s->x[i] = -999;
}

static void fill_leak(synth_sample *s)
{
    fill_noise(s);
    s->x[20] = (float)s->label;
}

/* Every row is there ten times, and x says nothing of y. */
static void fill_copies(synth_sample *s)
{
    enum { FIRST = 1 << 20, DRAWS = 32 };
    uint64_t first = FIRST + DRAWS * (uint64_t)(s->row % (1 + s->rows / 10));
    for (uint64_t i = 0; i < 20; i++)
        s->x[i] = (float)pp_rng_normal(s->of_set, first + i);
    s->label = pp_rng_uniform(s->of_set, first + 20) < 0.5;
}

/* Turned by a right angle and twice as large. */
static void fill_elsewhere(synth_sample *s)
{
    fill_moons(s);
    float first = s->x[0];
    s->x[0] = -2 * s->x[1];
    s->x[1] = 2 * first;
}

static void fill_flat(synth_sample *s)
{
    s->x[0] = s->x[1] = 1;
    s->label = uniform(s, SYNTH_DRAW_LABEL) < 0.5;
}

/* Blobs in the order of their classes. */
static void fill_sorted(synth_sample *s)
{
    s->label = s->row * 10 / s->rows;
    for (int i = 0; i < 20; i++)
        s->x[i] = (float)(0.8 * s->shared[s->label * 20 + i] + normal(s, (uint64_t)i));
}

/* ---- regression ---- */

static void fill_linear(synth_sample *s)
{
    normal_features(s, 10);
    s->value = 0.5 + 0.1 * normal(s, SYNTH_DRAW_NOISE);
    for (int i = 0; i < 10; i++)
        s->value += s->shared[i] * (double)s->x[i];
}

/* Friedman, "Multivariate adaptive regression splines", Annals of Statistics 1991: five of the ten
 * features matter. Noise of deviation 1. */
static void fill_friedman(synth_sample *s)
{
    double u[10];
    for (int i = 0; i < 10; i++)
        s->x[i] = (float)(u[i] = uniform(s, (uint64_t)i));
    s->value = 10.0 * sin(pi * u[0] * u[1]) + 20.0 * (u[2] - 0.5) * (u[2] - 0.5) + 10.0 * u[3] +
               5.0 * u[4] + normal(s, SYNTH_DRAW_NOISE);
}

/* 10,000 times as much, so that one deviation is 50,000. */
static void fill_prices(synth_sample *s)
{
    fill_friedman(s);
    s->value *= 1e4;
}

/* One target is a slip of many digits. */
static void fill_wild(synth_sample *s)
{
    fill_friedman(s);
    if (s->row == s->rows / 2) s->value *= 1e6;
}

static void fill_square(synth_sample *s)
{
    double x = s->rows > 1 ? 10.0 * (double)s->row / (double)(s->rows - 1) : 0.0;
    s->x[0] = (float)x;
    s->value = x * x;
}

/* 0.5 where the first feature is within 1.2816 of 0 (four rows in five), 0.1 or 0.9 beyond. */
static void fill_half(synth_sample *s)
{
    normal_features(s, 5);
    double lead = (double)s->x[0];
    s->value = fabs(lead) < 1.2816 ? 0.5 : lead > 0.0 ? 0.9 : 0.1;
}

static void fill_same(synth_sample *s)
{
    normal_features(s, 5);
    s->value = 0.5;
}

/* ---- the table ---- */

typedef enum kind { CLASSES, NUMBERS, IMAGES } kind;

/* X(name, default rows, features, kind, fill, help) */
#define SYNTH_LIST(X)                                                                              \
    X("moons", 2000, 2, CLASSES, fill_moons, "2 classes, 2 features: interleaved half circles")    \
    X("blobs", 5000, 20, CLASSES, fill_blobs, "10 classes, 20 features: normal clouds")            \
    X("higgs-like", 50000, 28, CLASSES, fill_higgs,                                                \
      "2 classes, 28 features: nonlinear signal, 53% are class 1")                                 \
    X("linear", 2000, 10, NUMBERS, fill_linear, "regression, 10 features: linear, little noise")   \
    X("friedman", 10007, 10, NUMBERS, fill_friedman,                                               \
      "regression, 10 features: Friedman's first function, a prime number of rows")                \
    X("prices", 3000, 10, NUMBERS, fill_prices,                                                    \
      "regression, 10 features: friedman with targets around 140000")                              \
    X("xor", 4, 2, CLASSES, fill_xor, "2 classes, 2 features: the truth table of XNOR")            \
    X("images", 12000, SYNTH_PIXELS, IMAGES, pp__synth_image,                                      \
      "10 classes, 28 x 28 uint8: shapes over noise, a stand-in for Fashion-MNIST")                \
    X("square", 100, 1, NUMBERS, fill_square, "regression, 1 feature: y = x^2 for x in [0, 10]")   \
    X("noise", 2000, 20, CLASSES, fill_noise,                                                      \
      "2 classes, 20 features: labels that x says nothing of")                                     \
    X("imbalanced", 5000, 10, CLASSES, fill_imbalanced, "2 classes, 10 features: 10% are class 1") \
    X("rare", 8000, 10, CLASSES, fill_rare, "2 classes, 10 features: 1 row in 50 is class 1")      \
    X("half", 2000, 5, NUMBERS, fill_half, "regression, 5 features: four targets in five are 0.5") \
    X("noise-rare", 100, 10, CLASSES, fill_noise_rare,                                             \
      "2 classes, 10 features: the last tenth is class 1; x says nothing of y")                    \
    X("noise-coin", 100, 10, CLASSES, fill_noise_coin,                                             \
      "2 classes, 10 features: labels by a coin; x says nothing of y")                             \
    X("noise-uniform", 100, 10, NUMBERS, fill_noise_uniform,                                       \
      "regression, 10 features: targets uniform in [0, 1]; x says nothing of y")                   \
    X("unscaled", 2000, 2, CLASSES, fill_unscaled, "moons in units 10000 times as small")          \
    X("dominant", 2000, 3, CLASSES, fill_dominant,                                                 \
      "moons with a third feature, large and without meaning")                                     \
    X("coded", 2000, 2, CLASSES, fill_coded, "moons with labels 1 and 2")                          \
    X("gaps", 2000, 2, CLASSES, fill_gaps, "moons with a NaN in the middle row")                   \
    X("codes", 2000, 2, CLASSES, fill_codes, "moons with -999 for one value in ten")               \
    X("leak", 2000, 21, CLASSES, fill_leak, "noise with a last feature that is the label")         \
    X("copies", 2000, 20, CLASSES, fill_copies, "noise, each row ten times")                       \
    X("wild", 3000, 10, NUMBERS, fill_wild, "friedman with one target a million times too large")  \
    X("elsewhere", 2000, 2, CLASSES, fill_elsewhere, "moons turned by 90 degrees, twice as large") \
    X("flat", 2000, 2, CLASSES, fill_flat, "2 classes, 2 features that are always 1")              \
    X("sorted", 5000, 20, CLASSES, fill_sorted, "blobs in the order of their classes")             \
    X("same", 2000, 5, NUMBERS, fill_same, "regression, 5 features: every target is 0.5")

#define PUBLIC_ROW(name, rows, features, kind, fill, help) {name, help, rows},
static const pp_synth_row public_table[] = {SYNTH_LIST(PUBLIC_ROW)};
#undef PUBLIC_ROW

typedef struct recipe {
    int features;
    kind kind;
    fill_fn fill;
} recipe;

#define RECIPE_ROW(name, rows, features, kind, fill, help) {features, kind, fill},
static const recipe recipes[] = {SYNTH_LIST(RECIPE_ROW)};
#undef RECIPE_ROW

enum { N_SETS = sizeof recipes / sizeof *recipes };

const pp_synth_row *pp_synth_table(int *count)
{
    *count = N_SETS;
    return public_table;
}

/* ---- writing ---- */

typedef struct block {
    float x[BLOCK_ROWS * MAX_FEATURES];
    unsigned char pixels[BLOCK_ROWS * SYNTH_PIXELS];
    int64_t labels[BLOCK_ROWS];
    unsigned char small_labels[BLOCK_ROWS];
    float values[BLOCK_ROWS];
    double shared[MAX_SHARED];
} block;

static void fill_block(const recipe *r, int64_t rows, int64_t seed, int64_t first, int64_t count,
                       block *b)
{
    for (int64_t i = 0; i < count; i++) {
        synth_sample s = {.row = first + i, .rows = rows, .shared = b->shared};
        s.rng = pp_rng_at((uint64_t)seed, PP_RNG_SYNTH, 1 + (uint64_t)s.row);
        s.of_set = pp_rng_at((uint64_t)seed, PP_RNG_SYNTH, 0);
        if (r->kind == IMAGES)
            s.pixels = b->pixels + i * SYNTH_PIXELS;
        else
            s.x = b->x + i * r->features;
        r->fill(&s);
        b->labels[i] = s.label;
        b->small_labels[i] = (unsigned char)s.label;
        b->values[i] = (float)s.value;
    }
}

static pp_status put_block(const recipe *r, int64_t first, int64_t count, const block *b,
                           pp_h5_writer *writer, pp_error *err)
{
    const struct {
        pp_h5_type x_type, y_type;
        const void *x, *y;
    } parts[] = {
        [CLASSES] = {PP_H5_F32, PP_H5_I64, b->x, b->labels},
        [NUMBERS] = {PP_H5_F32, PP_H5_F32, b->x, b->values},
        [IMAGES] = {PP_H5_U8, PP_H5_U8, b->pixels, b->small_labels},
    };
    pp_status status =
        pp_h5_writer_put(writer, "x", first, count, parts[r->kind].x_type, parts[r->kind].x, err);
    if (status != PP_OK) return status;
    return pp_h5_writer_put(writer, "y", first, count, parts[r->kind].y_type, parts[r->kind].y,
                            err);
}

static pp_status add_sets(const recipe *r, int64_t rows, pp_h5_writer *writer, pp_error *err)
{
    static const pp_h5_type y_types[] = {
        [CLASSES] = PP_H5_I64, [NUMBERS] = PP_H5_F32, [IMAGES] = PP_H5_U8};
    int64_t table[2] = {rows, r->features}, images[3] = {rows, SYNTH_SIDE, SYNTH_SIDE};
    pp_status status = r->kind == IMAGES
                           ? pp_h5_writer_add(writer, "x", PP_H5_U8, 3, images, 0, err)
                           : pp_h5_writer_add(writer, "x", PP_H5_F32, 2, table, 0, err);
    if (status != PP_OK) return status;
    return pp_h5_writer_add(writer, "y", y_types[r->kind], 1, &rows, 0, err);
}

static pp_status put_rows(const recipe *r, int64_t rows, int64_t seed, block *b,
                          pp_h5_writer *writer, pp_error *err)
{
    pp_rng rng = pp_rng_at((uint64_t)seed, PP_RNG_SYNTH, 0);
    for (int i = 0; i < MAX_SHARED; i++)
        b->shared[i] = pp_rng_normal(rng, (uint64_t)i);
    pp_status status = PP_OK;
    for (int64_t first = 0; first < rows && status == PP_OK; first += BLOCK_ROWS) {
        int64_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
        fill_block(r, rows, seed, first, count, b);
        status = put_block(r, first, count, b, writer, err);
    }
    return status;
}

static pp_status generate(const recipe *r, int64_t rows, int64_t seed, const char *output,
                          pp_error *err)
{
    pp_h5_writer *writer;
    block *b = calloc(1, sizeof *b);
    if (b == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", output);
    pp_status status = pp_h5_writer_create(output, &writer, err);
    if (status == PP_OK) {
        status = add_sets(r, rows, writer, err);
        if (status == PP_OK) status = put_rows(r, rows, seed, b, writer, err);
        if (status == PP_OK)
            status = pp_h5_writer_close(writer, err);
        else
            pp_h5_writer_abandon(writer);
    }
    free(b);
    return status;
}

static pp_status fail_unknown(const char *name, pp_error *err)
{
    char list[512] = "";
    size_t used = 0;
    for (int i = 0; i < N_SETS && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                                 public_table[i].name);
    return pp_fail(err, PP_E_ARG, "no generated set is called '%s'; there are %s", name, list);
}

pp_status pp_synth(const char *name, int64_t rows, int64_t seed, const char *output, pp_error *err)
{
    int i = 0;
    while (i < N_SETS && strcmp(public_table[i].name, name) != 0)
        i++;
    if (i == N_SETS) return fail_unknown(name, err);
    if (rows < 0)
        return pp_fail(err, PP_E_ARG, "%s: rows must be at least 1, got %lld", name,
                       (long long)rows);
    if (rows == 0) rows = public_table[i].default_rows;
    return generate(&recipes[i], rows, seed, output, err);
}
