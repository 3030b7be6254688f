/* Pools over windows of each channel: the largest or the mean; and the mean of whole channels. */
#include "model/layers/layer.h"

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    pp_window w;
    pp_status status = pp_window_of(spec, path, planner->shape, &w, planner->err);
    (void)prefix;
    if (status == PP_OK)
        pp__planner_add_op(planner, spec->type, (pp_shape){3, {w.channels, w.out[0], w.out[1]}})
            ->window = w;
    return status;
}

static pp_status plan_global(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                             const char *path)
{
    pp_window w = pp_window_of_all(planner->shape);
    (void)prefix, (void)path;
    pp__planner_add_op(planner, spec->type, pp_shape_of(w.channels))->window = w;
    return PP_OK;
}

static void forward_max(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    (void)f;
    s->backend->max_pool(s->device, &s->model->ops[i].window, pass->batch_rows, in,
                         pass->op[i].value);
}

static float *backward_max(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_pass_spec *s = &b->pass->spec;
    s->backend->max_pool_backward(s->device, &s->model->ops[i].window, b->pass->batch_rows, in,
                                  b->pass->op[i].value, dy, other);
    return other;
}

static void forward_average(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    (void)f;
    s->backend->average_pool(s->device, &s->model->ops[i].window, pass->batch_rows, in,
                             pass->op[i].value);
}

static float *backward_average(const pp__backward *b, int i, const float *in, float *dy,
                               float *other)
{
    const pp_pass_spec *s = &b->pass->spec;
    (void)in;
    s->backend->average_pool_backward(s->device, &s->model->ops[i].window, b->pass->batch_rows, dy,
                                      other);
    return other;
}

/* The shape changes, and nothing else. */
static pp_status flatten(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                         const char *path)
{
    (void)spec, (void)prefix, (void)path;
    planner->shape = pp_shape_of(pp_shape_count(planner->shape));
    return PP_OK;
}

const pp__layer_code pp__max_pool_code = {
    .plan = plan, .forward = forward_max, .backward = backward_max};
const pp__layer_code pp__average_pool_code = {
    .plan = plan, .forward = forward_average, .backward = backward_average};
const pp__layer_code pp__global_average_pool_code = {
    .plan = plan_global, .forward = forward_average, .backward = backward_average};
const pp__layer_code pp__flatten_code = {.plan = flatten};
