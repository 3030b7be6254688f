#include <string.h>

#include "pitprop/check.h"
#include "model/model.h"

/* What one walk over the layers carries along. */
typedef struct planner {
    pp_arena *arena;
    pp_model *model;
    int op_room, param_room;
    int layer;     /* layers seen so far, depth first */
    int64_t width; /* features after the last op */
    int failed;    /* out of memory */
    pp_error *err;
} planner;

static void count_layers(const pp_layer_spec *layers, int n, int *ops, int *params)
{
    for (int i = 0; i < n; i++) {
        *ops += 2; /* dense and its activation; a residual adds one */
        *params += 4;
        if (layers[i].type == PP_LAYER_RESIDUAL)
            count_layers(layers[i].layers, layers[i].n_layers, ops, params);
    }
}

static pp_op *add_op(planner *p, pp_op_type type, int64_t out)
{
    PP_CHECK(p->model->n_ops < p->op_room);
    pp_op *op = &p->model->ops[p->model->n_ops++];
    *op = (pp_op){.type = type,
                  .in = p->width,
                  .out = out,
                  .weight = -1,
                  .bias = -1,
                  .mean = -1,
                  .var = -1,
                  .skip = -1,
                  .layer = p->layer};
    p->width = out;
    return op;
}

/* Parameters begin at multiples of 16 floats: 64 bytes. */
static int add_param(planner *p, const char *prefix, const char *name, pp_param param)
{
    PP_CHECK(p->model->n_params < p->param_room);
    param.name = pp_arena_printf(p->arena, "%s.%s", prefix, name);
    if (param.name == NULL) p->failed = 1;
    param.count = param.shape[0] * (param.n_dims > 1 ? param.shape[1] : 1);
    param.offset = p->model->size;
    p->model->size += (param.count + 15) / 16 * 16;
    if (param.trainable) p->model->weights += param.count;
    p->model->params[p->model->n_params] = param;
    return p->model->n_params++;
}

static void add_activation(planner *p, pp_activation activation)
{
    if (activation == PP_ACT_IDENTITY) return;
    add_op(p, PP_OP_ACTIVATION, p->width)->activation = activation;
}

static void add_dense(planner *p, const pp_layer_spec *spec, const char *prefix)
{
    int64_t in = p->width;
    pp_op *op = add_op(p, PP_OP_DENSE, spec->units);
    op->weight = add_param(p, prefix, "weight",
                           (pp_param){.n_dims = 2,
                                      .shape = {spec->units, in},
                                      .trainable = spec->trainable,
                                      .l1 = (float)spec->l1,
                                      .l2 = (float)spec->l2,
                                      .init = spec->init,
                                      .init_scale = spec->init_scale,
                                      .fan_in = in,
                                      .fan_out = spec->units});
    if (spec->bias)
        op->bias = add_param(p, prefix, "bias",
                             (pp_param){.n_dims = 1,
                                        .shape = {spec->units},
                                        .trainable = spec->trainable,
                                        .init = spec->bias_init,
                                        .init_scale = spec->bias_scale,
                                        .fan_in = in,
                                        .fan_out = spec->units});
    add_activation(p, spec->activation);
}

static void add_norm(planner *p, const pp_layer_spec *spec, const char *prefix)
{
    int batch = spec->type == PP_LAYER_BATCH_NORM;
    pp_op *op = add_op(p, batch ? PP_OP_BATCH_NORM : PP_OP_LAYER_NORM, p->width);
    op->epsilon = (float)spec->epsilon;
    pp_param param = {.n_dims = 1, .shape = {p->width}, .trainable = spec->trainable};
    param.init = PP_INIT_CONSTANT;
    param.init_scale = 1;
    op->weight = add_param(p, prefix, "weight", param);
    param.init = PP_INIT_ZEROS;
    op->bias = add_param(p, prefix, "bias", param);
    if (!batch) return;
    param.trainable = 0;
    param.statistic = (float)spec->momentum; /* frozen or not, as in PyTorch */
    op->mean = add_param(p, prefix, "running_mean", param);
    param.init = PP_INIT_CONSTANT;
    op->var = add_param(p, prefix, "running_var", param);
}

static pp_status add_layers(planner *p, const pp_layer_spec *layers, int n, const char *prefix,
                            const char *path);

static pp_status add_residual(planner *p, const pp_layer_spec *spec, const char *prefix,
                              const char *path)
{
    int64_t in = p->width;
    int skip = p->model->n_ops - 1;
    pp_status status = add_layers(p, spec->layers, spec->n_layers, prefix, path);
    if (status != PP_OK) return status;
    if (p->width != in)
        return pp_fail(p->err, PP_E_JOB,
                       "%s: the residual block turns %lld features into %lld; both must be "
                       "equal to be added",
                       path, (long long)in, (long long)p->width);
    add_op(p, PP_OP_ADD, in)->skip = skip;
    return PP_OK;
}

static pp_status add_layer(planner *p, const pp_layer_spec *spec, const char *prefix,
                           const char *path)
{
    switch (spec->type) {
    case PP_LAYER_DENSE:
        add_dense(p, spec, prefix);
        return PP_OK;
    case PP_LAYER_ACTIVATION:
        add_activation(p, spec->activation);
        return PP_OK;
    case PP_LAYER_DROPOUT:
        if (spec->rate > 0) add_op(p, PP_OP_DROPOUT, p->width)->rate = (float)spec->rate;
        return PP_OK;
    case PP_LAYER_BATCH_NORM:
    case PP_LAYER_LAYER_NORM:
        add_norm(p, spec, prefix);
        return PP_OK;
    case PP_LAYER_RESIDUAL:
        return add_residual(p, spec, prefix, path);
    }
    return PP_OK;
}

/* prefix: of the parameters' names ("layers.3"), path: of the job's key ("model.layers[3]"). */
static pp_status add_layers(planner *p, const pp_layer_spec *layers, int n, const char *prefix,
                            const char *path)
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

/* init "auto": He where the next activation is like ReLU, else Xavier. */
static void settle_inits(pp_model *model)
{
    for (int i = 0; i < model->n_ops; i++) {
        if (model->ops[i].type != PP_OP_DENSE) continue;
        pp_param *weight = &model->params[model->ops[i].weight];
        if (weight->init != PP_INIT_AUTO) continue;
        int next = i + 1;
        while (next < model->n_ops && model->ops[next].type != PP_OP_DENSE &&
               model->ops[next].type != PP_OP_ACTIVATION)
            next++;
        int relu = next < model->n_ops && model->ops[next].type == PP_OP_ACTIVATION &&
                   pp_activation_kind_of(model->ops[next].activation)->he;
        weight->init = relu ? PP_INIT_HE : PP_INIT_XAVIER;
    }
}

pp_status pp_model_plan(const pp_job *job, int64_t inputs, pp_arena *arena, pp_model **model,
                        pp_error *err)
{
    planner p = {.arena = arena, .width = inputs, .layer = -1, .err = err};
    count_layers(job->model.layers, job->model.n_layers, &p.op_room, &p.param_room);
    p.model = PP_ARENA_NEW(arena, pp_model, 1);
    if (p.model != NULL) {
        p.model->ops = PP_ARENA_NEW(arena, pp_op, p.op_room);
        p.model->params = PP_ARENA_NEW(arena, pp_param, p.param_room);
    }
    if (p.model == NULL || p.model->ops == NULL || p.model->params == NULL)
        return pp_fail(err, PP_E_MEMORY, "no memory for the model's plan");
    pp_status status = add_layers(&p, job->model.layers, job->model.n_layers, "", "model");
    if (status != PP_OK) return status;
    if (p.failed) return pp_fail(err, PP_E_MEMORY, "no memory for the model's plan");
    if (p.model->n_params == 0)
        return pp_fail(err, PP_E_JOB, "model.layers: nothing to train; add a dense layer");
    settle_inits(p.model);
    p.model->inputs = inputs;
    p.model->outputs = p.width;
    p.model->size = (p.model->size + PP_BLOCK - 1) / PP_BLOCK * PP_BLOCK;
    *model = p.model;
    return PP_OK;
}
