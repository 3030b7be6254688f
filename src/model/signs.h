/* Signs of the layers: what each dense layer and the activation behind it did to many rows, and how
 * far its weights have come. They say where to look; what is the cause, experiments say.
 *
 * A pp_signs is a plain value of pp_signs_bytes bytes: copied, sent and merged with the same result
 * in any order. No communication. */
#ifndef PITPROP_SIGNS_H
#define PITPROP_SIGNS_H

#include <stddef.h>

#include "pitprop/json.h"
#include "model/model.h"

typedef struct pp_signs pp_signs;

/* One dense layer; "outputs": of the activation behind it, up to the next layer with weights. */
typedef struct pp_layer_signs {
    char name[64];            /* of its parameters: "layers.0" */
    pp_activation activation; /* PP_ACT_IDENTITY: none */
    int is_last;              /* it makes the model's outputs */
    int64_t units;
    int64_t constant; /* units with the same output for every row */
    double flat;      /* share of outputs where the derivative is below 1/25 of its largest: sigmoid
                         beyond 0.01 or 0.99, tanh beyond 0.98; NaN: another activation */
    double rms;       /* root of the mean square of the outputs; NaN: not finite */
    int trainable;
    double moved; /* |w - w0| / |w0| of the weights against their initial values; infinite where
                     these were 0 and no longer are */
} pp_layer_signs;

size_t pp_signs_bytes(const pp_model *model);
pp_signs *pp_signs_create(const pp_model *model); /* empty; NULL: no memory; free() */
void pp_signs_clear(pp_signs *signs);
/* Adds the rows of a forward pass of this model; rows of one call are summed in their order.
 * Returns 0 where there is no memory for a copy from the device. */
int pp_signs_add(pp_signs *signs, const pp_pass *pass);
void pp_signs_merge(void *into, const void *from, size_t bytes); /* a pp_merge_fn */

/* params [model size], host; seed: of the initial values. Returns the layers [*count], to be freed;
 * NULL: no memory. */
pp_layer_signs *pp_signs_describe(const pp_signs *signs, const pp_model *model, uint64_t seed,
                                  const float *params, int *count);
/* Array "layers" of an open object. */
void pp_layer_signs_write(const pp_layer_signs *layers, int count, pp_json_writer *writer);

#endif
