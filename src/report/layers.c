#include <inttypes.h>
#include <math.h>

#include "paint.h"

static const double mostly = 0.5, nearly_all = 0.9; /* shares of units, of outputs */
static const double left_behind = 100;              /* times that another layer has moved further */

/* What the last layer answers is the verdict's business. */
static int is_constant(const pp_layer_signs *l)
{
    return !l->is_last && (double)l->constant >= mostly * (double)l->units;
}

static int is_flat(const pp_layer_signs *l)
{
    return !l->is_last && l->flat >= nearly_all; /* not of NaN */
}

/* Of those that did not begin at 0. */
static const pp_layer_signs *most_moved(const pp_layer_signs *layers, int count)
{
    const pp_layer_signs *most = layers;
    for (const pp_layer_signs *l = layers; l < layers + count; l++)
        if (isfinite(l->moved) && (!isfinite(most->moved) || l->moved > most->moved)) most = l;
    return most;
}

static void put_moved(const pp_layer_signs *l, const pp_layer_signs *most, char *text, size_t size)
{
    *text = '\0';
    if (l->moved == 0)
        snprintf(text, size, " its weights are as they were before training%s;",
                 l->trainable ? "" : " (frozen)");
    else if (l->moved * left_behind < most->moved)
        snprintf(text, size,
                 " its weights have moved by %.2g%% of their size, those of %s by %.2g%%;",
                 100 * l->moved, most->name, 100 * most->moved);
}

void pp_report_layers(FILE *stream, pp_style style, const pp_layer_signs *layers, int count)
{
    const pp_layer_signs *most = most_moved(layers, count);
    int shown = 0;
    for (const pp_layer_signs *l = layers; l < layers + count; l++) {
        char constant[96] = "", flat[96] = "", moved[192], text[512];
        put_moved(l, most, moved, sizeof moved);
        if (is_constant(l))
            snprintf(constant, sizeof constant,
                     " %" PRId64 " of %" PRId64 " units answer the same for every row;",
                     l->constant, l->units);
        if (is_flat(l))
            snprintf(flat, sizeof flat, " %.0f%% of its outputs lie where it is flat;",
                     100 * l->flat);
        if (*constant == '\0' && *flat == '\0' && *moved == '\0') continue;
        if (shown++ == 0) fputs("Layers that look odd:\n", stream);
        snprintf(text, sizeof text, "%s (%s):%s%s%s outputs of size %.3g", l->name,
                 pp_activation_name(l->activation), constant, flat, moved, l->rms);
        pp__wrap(stream, text, 0, 2, style.width);
    }
}
