/* Why predictions that tell inputs apart are worse than a constant: the first repair in this order
 * after which they would not be. */
#include <math.h>

#include "facts.h"

#define MAPPED 0.1 /* of the rows that other class numbers would make right */
#define TWICE -1.0 /* skill: beyond twice the loss of a constant, good answers are no excuse */

static int is_inverted(const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    if (s->shape.kind == PP_SKETCH_MULTICLASS) return 0;
    if (s->shape.kind == PP_SKETCH_REGRESSION)
        return s->worst.effect < 0 && pp__is_positive(&c->judged, s->scaled_skill, s->scaled_error);
    return s->association < 0 &&
           (c->judged.informative || pp__is_positive(&c->judged, s->turned_skill, s->turned_error));
}

static int is_mapped(const pp__case *c)
{
    const pp_summary *s = c->judged.s;
    double error = c->judged.z * sqrt(0.25 / c->judged.effective);
    double largest = 0;
    for (int i = 0; i < s->n_parts; i++)
        largest = fmax(largest, s->parts[i].target_mean);
    return s->shape.kind == PP_SKETCH_MULTICLASS && s->mapped - s->accuracy > MAPPED &&
           s->mapped > largest + error;
}

static int is_overfitted(const pp__case *c)
{
    return c->has_held_out && c->train.skilled;
}

static int is_shifted(const pp__case *c)
{
    return pp__is_positive(&c->judged, c->judged.s->shifted_skill, c->judged.s->shifted_error);
}

static int scales(const pp__case *c)
{
    return pp__is_positive(&c->judged, c->judged.s->scaled_skill, c->judged.s->scaled_error);
}

static int is_too_sure(const pp__case *c)
{
    return pp__is_classification(c->judged.s) && c->judged.s->gain < 1 && scales(c);
}

static int is_other(const pp__case *c)
{
    (void)c;
    return 1;
}

static const struct {
    pp_reason reason;
    int harmless; /* where the answers are good all the same */
    int (*holds)(const pp__case *c);
} reasons[] = {
    {PP_REASON_INVERTED, 0, is_inverted},     {PP_REASON_LABELS, 0, is_mapped},
    {PP_REASON_OVERFITTED, 0, is_overfitted}, {PP_REASON_OFFSET, 1, is_shifted},
    {PP_REASON_TEMPERATURE, 1, is_too_sure},  {PP_REASON_SCALE, 1, scales},
    {PP_REASON_OTHER, 1, is_other},
};

static int is_excused(const pp__facts *f)
{
    return f->decides_well && f->s->never == 0 && f->s->skill > TWICE;
}

pp_reason pp__reason_of(const pp__case *c)
{
    const pp__facts *f = &c->judged;
    if (!f->varied || !f->worse || !f->associated) return PP_REASON_NONE;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].holds(c))
            return reasons[i].harmless && is_excused(f) ? PP_REASON_NONE : reasons[i].reason;
    return PP_REASON_NONE;
}
