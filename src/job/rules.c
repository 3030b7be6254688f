/* Rules that join several keys. */
#include "job_internal.h"

#include <math.h>
#include <string.h>

static pp_status check_regression(const pp_job_data *data, pp_error *err)
{
    if (data->balance != PP_BALANCE_NONE)
        return pp_fail(err, PP_E_JOB,
                       "data.balance: needs classes, and a regression has none; use 'none'");
    if (data->classes > 0)
        return pp_fail(err, PP_E_JOB, "data.classes: a regression has no classes, got %lld",
                       (long long)data->classes);
    return PP_OK;
}

static pp_status check_classes(const pp_job *job, pp_error *err)
{
    const pp_job_data *data = &job->data;
    if (data->task == PP_TASK_REGRESSION) return check_regression(data, err);
    if (data->classes == PP_AUTO) return PP_OK;
    if (data->classes < 2)
        return pp_fail(err, PP_E_JOB, "data.classes: must be >= 2 (or \"auto\"), got %lld",
                       (long long)data->classes);
    if (data->task == PP_TASK_BINARY && data->classes != 2)
        return pp_fail(err, PP_E_JOB,
                       "data.classes: a binary task has 2 classes, got %lld; use task 'multiclass'",
                       (long long)data->classes);
    return PP_OK;
}

static pp_status check_class_weights(const pp_job *job, pp_error *err)
{
    const pp_job_data *data = &job->data;
    const int64_t classes = data->task == PP_TASK_BINARY ? 2 : data->classes;
    double largest = 0;
    if (data->balance != PP_BALANCE_GIVEN) return PP_OK;
    for (int i = 0; i < data->n_class_weights; i++)
        if (data->class_weights[i] > largest) largest = data->class_weights[i];
    if (largest <= 0) return pp_fail(err, PP_E_JOB, "data.class_weights: at least one must be > 0");
    if (classes != PP_AUTO && data->n_class_weights != classes)
        return pp_fail(err, PP_E_JOB,
                       "data.class_weights: %d weights for %lld classes; give one a class",
                       data->n_class_weights, (long long)classes);
    return PP_OK;
}

/* ---- layers ---- */

static pp_status check_x_shape(const pp_job *job, pp_error *err)
{
    const pp_job_data *data = &job->data;
    if (data->n_x_shape > PP_MOST_DIMS - 1)
        return pp_fail(err, PP_E_JOB, "data.x_shape: has at most %d sizes, such as [3, 32, 32]",
                       PP_MOST_DIMS - 1);
    for (int i = 0; i < data->n_x_shape; i++)
        if (data->x_shape[i] != floor(data->x_shape[i]))
            return pp_fail(err, PP_E_JOB, "data.x_shape[%d]: must be a whole number, got %.15g", i,
                           data->x_shape[i]);
    return PP_OK;
}

typedef struct layer_check {
    const pp_layer_spec *last; /* dense layer that may leave its units to the data, or NULL */
    pp_error *err;
} layer_check;

static pp_status check_units(const layer_check *c, const pp_layer_spec *layer, const char *path,
                             int depth)
{
    if (layer->units != PP_AUTO) return PP_OK;
    if (depth > 0)
        return pp_fail(c->err, PP_E_JOB, "%s.units: cannot be \"auto\" in a residual block", path);
    if (layer != c->last)
        return pp_fail(c->err, PP_E_JOB,
                       "%s.units: can be \"auto\" in the last dense layer only; give a number",
                       path);
    return PP_OK;
}

static int is_spread(pp_init init)
{
    return init == PP_INIT_NORMAL || init == PP_INIT_UNIFORM;
}

static pp_status check_scales(const layer_check *c, const pp_layer_spec *layer, const char *path)
{
    if (is_spread(layer->init) && layer->init_scale < 0)
        return pp_fail(c->err, PP_E_JOB, "%s.init_scale: must be >= 0 with init '%s', got %.15g",
                       path, pp__init_names[layer->init], layer->init_scale);
    if (is_spread(layer->bias_init) && layer->bias_scale < 0)
        return pp_fail(c->err, PP_E_JOB,
                       "%s.bias_scale: must be >= 0 with bias_init '%s', got %.15g", path,
                       pp__init_names[layer->bias_init], layer->bias_scale);
    return PP_OK;
}

static pp_status check_layer(void *context, const pp_layer_place *place)
{
    const layer_check *c = context;
    if (place->spec->type != PP_LAYER_DENSE) return PP_OK;
    pp_status status = check_units(c, place->spec, place->path, place->depth);
    return status == PP_OK ? check_scales(c, place->spec, place->path) : status;
}

/* The last dense layer in depth-first order: `auto` is for it alone. */
static pp_status keep_last(void *context, const pp_layer_place *place)
{
    if (place->spec->type == PP_LAYER_DENSE) *(const pp_layer_spec **)context = place->spec;
    return PP_OK;
}

static pp_status check_layers(const pp_job *job, pp_error *err)
{
    layer_check c = {.err = err};
    pp_job_walk(job, keep_last, (void *)&c.last);
    return pp_job_walk(job, check_layer, &c);
}

static pp_status check_shape(void *context, const pp_layer_place *place)
{
    pp_shape out;
    return pp_layer_kind_of(place->spec->type)
        ->shape(place->spec, place->path, place->in, &out, context);
}

static pp_status check_shapes(const pp_job *job, pp_error *err)
{
    return pp_job_walk(job, check_shape, err);
}

/* ---- the rest ---- */

static pp_status check_clamp(const pp_job *job, pp_error *err)
{
    const pp_job_model *model = &job->model;
    if (model->at_prediction == PP_PREDICT_CLAMP && !(model->clamp_low < model->clamp_high))
        return pp_fail(err, PP_E_JOB,
                       "model.clamp_low: must be below model.clamp_high (%.15g), got %.15g",
                       model->clamp_high, model->clamp_low);
    return PP_OK;
}

static pp_status check_target_units(const pp_job *job, pp_error *err)
{
    if (!job->data.standardise_targets) return PP_OK;
    if (job->data.task == PP_TASK_BINARY || job->data.task == PP_TASK_MULTICLASS)
        return pp_fail(err, PP_E_JOB,
                       "data.standardise_targets: classes have no scale; leave it out");
    if (job->model.at_prediction == PP_PREDICT_CLAMP)
        return pp_fail(err, PP_E_JOB,
                       "data.standardise_targets: model.at_prediction clamps in the units of the "
                       "file; use one of the two");
    return PP_OK;
}

static pp_status check_targets(const pp_job *job, pp_error *err)
{
    const pp_job_loss *loss = &job->loss;
    const int over_classes =
        loss->type != PP_LOSS_AUTO && pp_loss_family_of(loss->type) == PP_FAMILY_CLASSES;
    if (loss->type == PP_LOSS_AUTO) return PP_OK;
    if (loss->targets == PP_TARGETS_INDEX && !over_classes)
        return pp_fail(err, PP_E_JOB,
                       "loss.targets: 'index' is for cross-entropy over classes, not for '%s'; "
                       "use 'one_hot' or 'dense'",
                       pp__loss_names[loss->type]);
    if (loss->targets == PP_TARGETS_BROADCAST && over_classes)
        return pp_fail(err, PP_E_JOB,
                       "loss.targets: 'broadcast' is for losses of single units, not for '%s'",
                       pp__loss_names[loss->type]);
    return PP_OK;
}

static pp_status check_nesterov(const pp_job *job, pp_error *err)
{
    if (job->optimizer.nesterov && job->optimizer.momentum <= 0)
        return pp_fail(err, PP_E_JOB, "optimizer.nesterov: needs optimizer.momentum > 0");
    return PP_OK;
}

static pp_status check_length(const pp_job *job, pp_error *err)
{
    if (job->training.epochs == 0 && job->training.steps == 0)
        return pp_fail(err, PP_E_JOB, "training.epochs: must be > 0 where training.steps is 0");
    return PP_OK;
}

pp_status pp__job_check(const pp_job *job, pp_error *err)
{
    static pp_status (*const rules[])(const pp_job *, pp_error *) = {
        check_classes, check_class_weights, check_x_shape, check_layers,   check_shapes,
        check_clamp,   check_target_units,  check_targets, check_nesterov, check_length,
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        pp_status status = rules[i](job, err);
        if (status != PP_OK) return status;
    }
    return PP_OK;
}
