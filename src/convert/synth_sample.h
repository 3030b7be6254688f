/* What the files of the generated sets share: one row while it is made. */
#ifndef PITPROP_CONVERT_SYNTH_SAMPLE_H
#define PITPROP_CONVERT_SYNTH_SAMPLE_H

#include <stdint.h>

#include "base/rng.h"

enum { SYNTH_SIDE = 28, SYNTH_PIXELS = SYNTH_SIDE * SYNTH_SIDE };

/* Draws are numbered within the row. */
typedef struct synth_sample {
    int64_t row, rows;
    pp_rng rng, of_set;    /* of this row; the same for all rows */
    const double *shared;  /* standard normal, the same for all rows */
    float *x;              /* [features], of table sets */
    unsigned char *pixels; /* [SYNTH_PIXELS], of image sets */
    int64_t label;         /* out, of classifications */
    double value;          /* out, of regressions */
} synth_sample;

/* Draw numbers from here on are apart from those of features. */
enum { SYNTH_DRAW_LABEL = 100, SYNTH_DRAW_NOISE, SYNTH_DRAW_EXTRA };

void pp__synth_image(synth_sample *s);

#endif
