/* Generated data sets whose truth is known. A row is a pure function of (set, rows, seed, row
 * index): stream 0 of the random numbers holds what all rows share (centres, weights), stream 1 + i
 * holds row i. */
#include "pitprop/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/h5.h"
#include "pitprop/rng.h"

static const double pi = 3.14159265358979323846;

enum { BLOCK_ROWS = 512, MAX_FEATURES = 32, SIDE = 28, PIXELS = SIDE * SIDE, MAX_SHARED = 256 };

/* One row while it is made. Draws are numbered within the row. */
typedef struct sample {
    int64_t row, rows;
    pp_rng rng;
    const double *shared;  /* [MAX_SHARED] standard normal, the same for all rows */
    float *x;              /* [features], of table sets */
    unsigned char *pixels; /* [PIXELS], of image sets */
    int64_t label;         /* out, of classifications */
    double value;          /* out, of regressions */
} sample;

typedef void (*fill_fn)(sample *s);

static double uniform(const sample *s, uint64_t draw)
{
    return pp_rng_uniform(s->rng, draw);
}

static double normal(const sample *s, uint64_t draw)
{
    return pp_rng_normal(s->rng, draw);
}

static void normal_features(sample *s, int count)
{
    for (int i = 0; i < count; i++)
        s->x[i] = (float)normal(s, (uint64_t)i);
}

static double logistic(double z)
{
    return 1.0 / (1.0 + exp(-z));
}

/* Draw numbers from here on are apart from those of features. */
enum { DRAW_LABEL = 100, DRAW_NOISE, DRAW_EXTRA };

/* ---- classification ---- */

/* Two interleaved half circles of radius 1, with noise of deviation 0.15. */
static void fill_moons(sample *s)
{
    double angle = pi * uniform(s, DRAW_EXTRA);
    s->label = uniform(s, DRAW_LABEL) < 0.5;
    double a = s->label ? 1.0 - cos(angle) : cos(angle);
    double b = s->label ? 0.5 - sin(angle) : sin(angle);
    s->x[0] = (float)(a + 0.15 * normal(s, 0));
    s->x[1] = (float)(b + 0.15 * normal(s, 1));
}

/* Ten normal clouds of deviation 1 around centres drawn with deviation 0.8 per feature. */
static void fill_blobs(sample *s)
{
    s->label = (int64_t)pp_rng_below(s->rng, DRAW_LABEL, 10);
    for (int i = 0; i < 20; i++)
        s->x[i] = (float)(0.8 * s->shared[s->label * 20 + i] + normal(s, (uint64_t)i));
}

/* As in the HIGGS set (Baldi, Sadowski, Whiteson 2014): 21 plain features, some with long right
 * tails, that tell little one by one, and 7 derived from three of them each, with noise, that tell
 * more. The log odds of the label are linear in three derived quantities and hold products of the
 * other four, so that a linear model sees a part of the signal. The offset sets the base rate. */
static void fill_higgs(sample *s)
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
    s->label = uniform(s, DRAW_LABEL) < logistic(score + 0.2);
}

/* The truth table of "both are equal" (XNOR): no linear model does better than a constant. */
static void fill_xor(sample *s)
{
    int a = (int)(s->row >> 1 & 1), b = (int)(s->row & 1);
    s->x[0] = (float)a;
    s->x[1] = (float)b;
    s->label = a == b;
}

static void fill_noise(sample *s)
{
    normal_features(s, 20);
    s->label = uniform(s, DRAW_LABEL) < 0.5;
}

/* One row in ten is of class 1; its first three features are shifted by 1. */
static void fill_imbalanced(sample *s)
{
    normal_features(s, 10);
    s->label = uniform(s, DRAW_LABEL) < 0.1;
    for (int i = 0; s->label && i < 3; i++)
        s->x[i] += 1.0f;
}

/* ---- regression ---- */

static void fill_linear(sample *s)
{
    normal_features(s, 10);
    s->value = 0.5 + 0.1 * normal(s, DRAW_NOISE);
    for (int i = 0; i < 10; i++)
        s->value += s->shared[i] * (double)s->x[i];
}

/* Friedman, "Multivariate adaptive regression splines", Annals of Statistics 1991: five of the ten
 * features matter. Noise of deviation 1. */
static void fill_friedman(sample *s)
{
    double u[10];
    for (int i = 0; i < 10; i++)
        s->x[i] = (float)(u[i] = uniform(s, (uint64_t)i));
    s->value = 10.0 * sin(pi * u[0] * u[1]) + 20.0 * (u[2] - 0.5) * (u[2] - 0.5) + 10.0 * u[3] +
               5.0 * u[4] + normal(s, DRAW_NOISE);
}

static void fill_square(sample *s)
{
    double x = s->rows > 1 ? 10.0 * (double)s->row / (double)(s->rows - 1) : 0.0;
    s->x[0] = (float)x;
    s->value = x * x;
}

/* 0.5 where the first feature is within 1.2816 of 0 (four rows in five), 0.1 or 0.9 beyond. */
static void fill_half(sample *s)
{
    normal_features(s, 5);
    double lead = (double)s->x[0];
    s->value = fabs(lead) < 1.2816 ? 0.5 : lead > 0.0 ? 0.9 : 0.1;
}

/* ---- images ---- */

/* Whether the point (u, v) is inside a shape that fills [-1, 1] x [-1, 1]. */
typedef int (*shape_fn)(double u, double v);

static int in_disc(double u, double v)
{
    return u * u + v * v < 1.0;
}

static int in_ring(double u, double v)
{
    return in_disc(u, v) && u * u + v * v > 0.36;
}

static int in_square(double u, double v)
{
    return fabs(u) < 0.85 && fabs(v) < 0.85;
}

static int in_frame(double u, double v)
{
    return in_square(u, v) && (fabs(u) > 0.5 || fabs(v) > 0.5);
}

static int in_plus(double u, double v)
{
    return fmin(fabs(u), fabs(v)) < 0.25 && fmax(fabs(u), fabs(v)) < 1.0;
}

static int in_cross(double u, double v)
{
    return in_plus((u + v) * 0.75, (u - v) * 0.75);
}

static int in_rows(double u, double v)
{
    return in_square(u, v) && (int)floor((v + 1.0) * 2.5) % 2 == 0;
}

static int in_columns(double u, double v)
{
    return in_rows(v, u);
}

static int in_triangle(double u, double v)
{
    return v < 0.85 && v > -0.85 && fabs(u) < (v + 0.85) * 0.6;
}

static int in_checks(double u, double v)
{
    return in_square(u, v) && ((int)floor((u + 1.0) * 2.0) + (int)floor((v + 1.0) * 2.0)) % 2 == 0;
}

static const shape_fn shapes[] = {in_disc,  in_ring, in_square,  in_frame,    in_plus,
                                  in_cross, in_rows, in_columns, in_triangle, in_checks};

typedef struct pose {
    double down, right, size; /* pixels */
    double cosine, sine;      /* of the angle by which the shape is turned */
    double light;             /* added to the noise inside the shape */
} pose;

static pose random_pose(const sample *s)
{
    double angle = 0.5 * (uniform(s, DRAW_EXTRA) - 0.5);
    return (pose){.down = 13.5 + 6.0 * (uniform(s, DRAW_EXTRA + 1) - 0.5),
                  .right = 13.5 + 6.0 * (uniform(s, DRAW_EXTRA + 2) - 0.5),
                  .size = 7.0 + 3.5 * uniform(s, DRAW_EXTRA + 3),
                  .cosine = cos(angle),
                  .sine = sin(angle),
                  .light = 70.0 + 90.0 * uniform(s, DRAW_EXTRA + 4)};
}

/* A shape of random place, size, angle and brightness, over noise that is triangular on [0, 62].
 */
static void fill_images(sample *s)
{
    uint32_t words[4] = {0}; /* noise of four pixels */
    s->label = (int64_t)pp_rng_below(s->rng, DRAW_LABEL, sizeof shapes / sizeof *shapes);
    pose p = random_pose(s);
    for (int i = 0; i < PIXELS; i++) {
        if (i % 4 == 0) pp_rng_words(s->rng, 1000u + (uint32_t)(i / 4), words);
        unsigned noise = (words[i % 4] & 31) + (words[i % 4] >> 27);
        double right = (i % SIDE - p.right) / p.size, down = (i / SIDE - p.down) / p.size;
        double u = p.cosine * right + p.sine * down, v = p.cosine * down - p.sine * right;
        s->pixels[i] = (unsigned char)(noise + (shapes[s->label](u, v) ? p.light : 0.0));
    }
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
    X("xor", 4, 2, CLASSES, fill_xor, "2 classes, 2 features: the truth table of XNOR")            \
    X("images", 12000, PIXELS, IMAGES, fill_images,                                                \
      "10 classes, 28 x 28 uint8: shapes over noise, a stand-in for Fashion-MNIST")                \
    X("square", 100, 1, NUMBERS, fill_square, "regression, 1 feature: y = x^2 for x in [0, 10]")   \
    X("noise", 2000, 20, CLASSES, fill_noise,                                                      \
      "2 classes, 20 features: labels that x says nothing of")                                     \
    X("imbalanced", 5000, 10, CLASSES, fill_imbalanced, "2 classes, 10 features: 10% are class 1") \
    X("half", 2000, 5, NUMBERS, fill_half, "regression, 5 features: four targets in five are 0.5")

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
    unsigned char pixels[BLOCK_ROWS * PIXELS];
    int64_t labels[BLOCK_ROWS];
    unsigned char small_labels[BLOCK_ROWS];
    float values[BLOCK_ROWS];
    double shared[MAX_SHARED];
} block;

static void fill_block(const recipe *r, int64_t rows, int64_t seed, int64_t first, int64_t count,
                       block *b)
{
    for (int64_t i = 0; i < count; i++) {
        sample s = {.row = first + i, .rows = rows, .shared = b->shared};
        s.rng = pp_rng_at((uint64_t)seed, PP_RNG_SYNTH, 1 + (uint64_t)s.row);
        if (r->kind == IMAGES)
            s.pixels = b->pixels + i * PIXELS;
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
    int64_t table[2] = {rows, r->features}, images[3] = {rows, SIDE, SIDE};
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
    char list[256] = "";
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
