/* Models for tests: layers as a job has them once its defaults are filled in. */
#ifndef PITPROP_TESTS_MODEL_CASE_H
#define PITPROP_TESTS_MODEL_CASE_H

#include <string.h>

#include "model/model.h"
#include "support/test.h"

static inline pp_layer_spec layer_dense(int64_t units, pp_activation activation)
{
    return (pp_layer_spec){.type = PP_LAYER_DENSE,
                           .units = units,
                           .activation = activation,
                           .bias = 1,
                           .init = PP_INIT_AUTO,
                           .bias_init = PP_INIT_ZEROS,
                           .trainable = 1};
}

static inline pp_layer_spec layer_activation(pp_activation activation)
{
    return (pp_layer_spec){.type = PP_LAYER_ACTIVATION, .activation = activation};
}

static inline pp_layer_spec layer_dropout(double rate)
{
    return (pp_layer_spec){.type = PP_LAYER_DROPOUT, .rate = rate};
}

static inline pp_layer_spec layer_norm(pp_layer_type type)
{
    return (pp_layer_spec){.type = type, .momentum = 0.1, .epsilon = 1e-3, .trainable = 1};
}

static inline pp_layer_spec layer_residual(pp_layer_spec *layers, int n_layers)
{
    return (pp_layer_spec){.type = PP_LAYER_RESIDUAL, .layers = layers, .n_layers = n_layers};
}

static inline pp_layer_spec layer_conv(pp_layer_type type, int64_t units, int64_t high,
                                       int64_t wide)
{
    pp_layer_spec layer = layer_dense(units, PP_ACT_IDENTITY);
    layer.type = type;
    layer.kernel[0] = high;
    layer.kernel[1] = wide;
    layer.stride[0] = layer.stride[1] = layer.dilation[0] = layer.dilation[1] = layer.groups = 1;
    return layer;
}

static inline pp_layer_spec layer_pool(pp_layer_type type, int64_t kernel, int64_t stride)
{
    return (pp_layer_spec){.type = type, .kernel = {kernel, kernel}, .stride = {stride, stride}};
}

static inline pp_layer_spec layer_frozen(pp_layer_spec layer)
{
    layer.trainable = 0;
    return layer;
}

static inline pp_layer_spec layer_without_bias(pp_layer_spec layer)
{
    layer.bias = 0;
    return layer;
}

static inline pp_job job_of(pp_layer_spec *layers, int n_layers)
{
    return (pp_job){.name = "test", .model = {.layers = layers, .n_layers = n_layers}};
}

static inline pp_model *plan_of(const pp_job *job, int64_t inputs, pp_arena *arena)
{
    pp_model *model = NULL;
    CU_ASSERT_EQUAL_FATAL(pp_model_plan(job, inputs, arena, &model, NULL), PP_OK);
    return model;
}

static inline const pp_param *param_named(const pp_model *model, const char *name)
{
    for (int i = 0; i < model->n_params; i++)
        if (strcmp(model->params[i].name, name) == 0) return &model->params[i];
    return NULL;
}

#endif
