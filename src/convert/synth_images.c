/* Generated images: ten shapes over noise. */
#include "synth_sample.h"

#include <math.h>

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

static pose random_pose(const synth_sample *s)
{
    double angle = 0.5 * (pp_rng_uniform(s->rng, SYNTH_DRAW_EXTRA) - 0.5);
    return (pose){.down = 13.5 + 6.0 * (pp_rng_uniform(s->rng, SYNTH_DRAW_EXTRA + 1) - 0.5),
                  .right = 13.5 + 6.0 * (pp_rng_uniform(s->rng, SYNTH_DRAW_EXTRA + 2) - 0.5),
                  .size = 7.0 + 3.5 * pp_rng_uniform(s->rng, SYNTH_DRAW_EXTRA + 3),
                  .cosine = cos(angle),
                  .sine = sin(angle),
                  .light = 70.0 + 90.0 * pp_rng_uniform(s->rng, SYNTH_DRAW_EXTRA + 4)};
}

/* A shape of random place, size, angle and brightness, over noise that is triangular on [0, 62].
 */
void pp__synth_image(synth_sample *s)
{
    uint32_t words[4] = {0}; /* noise of four pixels */
    s->label = (int64_t)pp_rng_below(s->rng, SYNTH_DRAW_LABEL, sizeof shapes / sizeof *shapes);
    pose p = random_pose(s);
    for (int i = 0; i < SYNTH_PIXELS; i++) {
        if (i % 4 == 0) pp_rng_words(s->rng, 1000u + (uint32_t)(i / 4), words);
        unsigned noise = (words[i % 4] & 31) + (words[i % 4] >> 27);
        double right = (i % SYNTH_SIDE - p.right) / p.size,
               down = (i / SYNTH_SIDE - p.down) / p.size;
        double u = p.cosine * right + p.sine * down, v = p.cosine * down - p.sine * right;
        s->pixels[i] = (unsigned char)(noise + (shapes[s->label](u, v) ? p.light : 0.0));
    }
}
