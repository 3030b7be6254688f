/* Building a plan: one walk over the layers of a job, each of which adds its ops and parameters. */
#ifndef PITPROP_PLANNER_H
#define PITPROP_PLANNER_H

#include "model/model.h"

typedef struct pp__planner {
    pp_arena *arena;
    pp_model *model;
    int op_room, param_room;
    int layer;      /* number of the one at hand, depth first */
    pp_shape shape; /* of a row behind the last op */
    int failed;     /* out of memory */
    pp_error *err;
} pp__planner;

/* An op of the layer at hand, behind all others, with no parameters yet. */
pp_op *pp__planner_add_op(pp__planner *planner, pp_layer_type type, pp_shape out);
/* The activation of a layer, where it has one. */
void pp__planner_add_activation(pp__planner *planner, pp_activation activation);
/* A parameter "PREFIX.NAME"; shape and n_dims are set. Returns its index. */
int pp__planner_add_param(pp__planner *planner, const char *prefix, const char *name,
                          pp_param param);
/* Weights and, where the layer has one, bias of an op with units and initial values of the job;
 * weight: its shape and fans. */
void pp__planner_add_weights(pp__planner *planner, pp_op *op, const pp_layer_spec *spec,
                             const char *prefix, pp_param weight);
/* A list of layers; prefix: of parameters' names ("layers.3"), path: of the job's key
 * ("model.layers[3]"). */
pp_status pp__planner_add_layers(pp__planner *planner, const pp_layer_spec *layers, int n_layers,
                                 const char *prefix, const char *path);

#endif
