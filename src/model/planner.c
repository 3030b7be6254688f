/* Adding to a plan: what the kinds of layers share. */
#include "model/planner.h"

#include "model/layers/layer.h"

#include "pitprop/check.h"

pp_op *pp__planner_add_op(pp__planner *p, pp_layer_type type, pp_shape out)
{
    PP_CHECK(p->model->n_ops < p->op_room);
    pp_op *op = &p->model->ops[p->model->n_ops++];
    *op = (pp_op){.type = type,
                  .shape_in = p->shape,
                  .shape_out = out,
                  .in = pp_shape_count(p->shape),
                  .out = pp_shape_count(out),
                  .weight = -1,
                  .bias = -1,
                  .mean = -1,
                  .var = -1,
                  .skip = -1,
                  .layer = p->layer};
    p->shape = out;
    return op;
}

void pp__planner_add_activation(pp__planner *p, pp_activation activation)
{
    if (activation == PP_ACT_IDENTITY) return;
    pp__planner_add_op(p, PP_LAYER_ACTIVATION, p->shape)->activation = activation;
}

/* Parameters begin at multiples of 16 floats: 64 bytes. */
int pp__planner_add_param(pp__planner *p, const char *prefix, const char *name, pp_param param)
{
    PP_CHECK(p->model->n_params < p->param_room);
    param.name = pp_arena_printf(p->arena, "%s.%s", prefix, name);
    if (param.name == NULL) p->failed = 1;
    param.count = 1;
    for (int d = 0; d < param.n_dims; d++)
        param.count *= param.shape[d];
    param.offset = p->model->size;
    p->model->size += (param.count + 15) / 16 * 16;
    if (param.trainable) p->model->weights += param.count;
    p->model->params[p->model->n_params] = param;
    return p->model->n_params++;
}

void pp__planner_add_weights(pp__planner *p, pp_op *op, const pp_layer_spec *spec,
                             const char *prefix, pp_param weight)
{
    weight.trainable = spec->trainable;
    weight.l1 = (float)spec->l1;
    weight.l2 = (float)spec->l2;
    weight.init = spec->init;
    weight.init_scale = spec->init_scale;
    op->weight = pp__planner_add_param(p, prefix, "weight", weight);
    if (!spec->bias) return;
    op->bias = pp__planner_add_param(p, prefix, "bias",
                                     (pp_param){.n_dims = 1,
                                                .shape = {weight.shape[0]},
                                                .trainable = spec->trainable,
                                                .init = spec->bias_init,
                                                .init_scale = spec->bias_scale,
                                                .fan_in = weight.fan_in,
                                                .fan_out = weight.fan_out});
}

static pp_status add_layer(pp__planner *p, const pp_layer_spec *spec, const char *prefix,
                           const char *path)
{
    pp_shape out;
    pp_status status = pp_layer_kind_of(spec->type)->shape(spec, path, p->shape, &out, p->err);
    return status == PP_OK ? pp__layer_code_of(spec->type)->plan(p, spec, prefix, path) : status;
}

pp_status pp__planner_add_layers(pp__planner *p, const pp_layer_spec *layers, int n,
                                 const char *prefix, const char *path)
{
    pp_status status = PP_OK;
    for (int i = 0; i < n && status == PP_OK; i++) {
        char *name = pp_arena_printf(p->arena, "%s%slayers.%d", prefix, *prefix ? "." : "", i);
        char *key = pp_arena_printf(p->arena, "%s.layers[%d]", path, i);
        if (name == NULL || key == NULL)
            return pp_fail(p->err, PP_E_MEMORY, "no memory for the model's plan");
        p->layer++;
        status = add_layer(p, &layers[i], name, key);
    }
    return status;
}
