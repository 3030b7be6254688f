/* A job's list of layers to a flat plan of ops and one vector of parameters. */
#include "model/layers/layer.h"

static void count_layers(const pp_layer_spec *layers, int n, int *ops, int *params)
{
    for (int i = 0; i < n; i++) {
        *ops += 2; /* dense and its activation; a residual adds one */
        *params += 4;
        if (layers[i].type == PP_LAYER_RESIDUAL)
            count_layers(layers[i].layers, layers[i].n_layers, ops, params);
    }
}

static pp_layer_role role_of(const pp_model *model, int op)
{
    return pp_layer_kind_of(model->ops[op].type)->role;
}

/* init "auto": He where the next activation is like ReLU, else Xavier. */
static void settle_inits(pp_model *model)
{
    for (int i = 0; i < model->n_ops; i++) {
        if (role_of(model, i) != PP_ROLE_LINEAR) continue;
        pp_param *weight = &model->params[model->ops[i].weight];
        if (weight->init != PP_INIT_AUTO) continue;
        int next = i + 1;
        while (next < model->n_ops && role_of(model, next) != PP_ROLE_LINEAR &&
               role_of(model, next) != PP_ROLE_ACTIVATION)
            next++;
        int relu = next < model->n_ops && role_of(model, next) == PP_ROLE_ACTIVATION &&
                   pp_activation_kind_of(model->ops[next].activation)->he;
        weight->init = relu ? PP_INIT_HE : PP_INIT_XAVIER;
    }
}

static pp_shape shape_of_x(const pp_job *job, int64_t inputs)
{
    pp_shape shape = pp_job_x_shape(job);
    return shape.n_dims > 0 ? shape : pp_shape_of(inputs);
}

static pp_status refuse_shape(pp_shape shape, int64_t inputs, pp_error *err)
{
    char text[96];
    return pp_fail(err, PP_E_JOB, "data.x_shape: %s are %lld values, but a row of x has %lld",
                   pp_shape_text(shape, text, sizeof text), (long long)pp_shape_count(shape),
                   (long long)inputs);
}

pp_status pp_model_plan(const pp_job *job, int64_t inputs, pp_arena *arena, pp_model **model,
                        pp_error *err)
{
    pp__planner p = {.arena = arena, .shape = shape_of_x(job, inputs), .layer = -1, .err = err};
    if (pp_shape_count(p.shape) != inputs) return refuse_shape(p.shape, inputs, err);
    count_layers(job->model.layers, job->model.n_layers, &p.op_room, &p.param_room);
    p.model = PP_ARENA_NEW(arena, pp_model, 1);
    if (p.model != NULL) {
        p.model->ops = PP_ARENA_NEW(arena, pp_op, p.op_room);
        p.model->params = PP_ARENA_NEW(arena, pp_param, p.param_room);
    }
    if (p.model == NULL || p.model->ops == NULL || p.model->params == NULL)
        return pp_fail(err, PP_E_MEMORY, "no memory for the model's plan");
    pp_status status =
        pp__planner_add_layers(&p, job->model.layers, job->model.n_layers, "", "model");
    if (status != PP_OK) return status;
    if (p.failed) return pp_fail(err, PP_E_MEMORY, "no memory for the model's plan");
    if (p.model->n_params == 0)
        return pp_fail(err, PP_E_JOB, "model.layers: nothing to train; add a dense layer");
    settle_inits(p.model);
    p.model->inputs = inputs;
    p.model->outputs = pp_shape_count(p.shape);
    p.model->size = (p.model->size + PP_BLOCK - 1) / PP_BLOCK * PP_BLOCK;
    *model = p.model;
    return PP_OK;
}
