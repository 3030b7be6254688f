/* Walking a list of layers, with the shape that each gets and gives. */
#include <stdio.h>
#include <string.h>

#include "job/kinds.h"
#include "job_internal.h"

/* ---- shapes ---- */

pp_shape pp_shape_of(int64_t features)
{
    return features == PP_AUTO ? (pp_shape){0} : (pp_shape){1, {features}};
}

int64_t pp_shape_count(pp_shape shape)
{
    int64_t count = shape.n_dims > 0 ? 1 : PP_AUTO;
    for (int i = 0; i < shape.n_dims; i++) {
        if (shape.size[i] == PP_AUTO) return PP_AUTO;
        count *= shape.size[i];
    }
    return count;
}

const char *pp_shape_text(pp_shape shape, char *text, int size)
{
    int length = snprintf(text, (size_t)size, "[");
    for (int i = 0; i < shape.n_dims && length < size; i++) {
        const char *separator = i > 0 ? ", " : "";
        length += shape.size[i] == PP_AUTO
                      ? snprintf(text + length, (size_t)(size - length), "%s?", separator)
                      : snprintf(text + length, (size_t)(size - length), "%s%lld", separator,
                                 (long long)shape.size[i]);
    }
    if (length < size) snprintf(text + length, (size_t)(size - length), "]");
    return text;
}

/* ---- the walk ---- */

typedef struct walk {
    char path[1024];
    pp_layer_visit visit; /* NULL: for the shape alone */
    void *context;
} walk;

static pp_status visit_list(walk *w, const pp_layer_spec *layers, int n, int depth, pp_shape *shape)
{
    const size_t length = strlen(w->path);
    pp_status status = PP_OK;
    for (int i = 0; i < n && status == PP_OK; i++) {
        const pp_layer_spec *spec = &layers[i];
        snprintf(w->path + length, sizeof w->path - length, ".layers[%d]", i);
        pp_layer_place place = {.spec = spec, .path = w->path, .depth = depth, .in = *shape};
        pp_layer_kind_of(spec->type)->shape(spec, w->path, place.in, &place.out, NULL);
        if (w->visit != NULL) status = w->visit(w->context, &place);
        if (w->visit != NULL && status == PP_OK && spec->n_layers > 0) {
            pp_shape inner = place.in;
            status = visit_list(w, spec->layers, spec->n_layers, depth + 1, &inner);
        }
        *shape = place.out;
    }
    w->path[length] = '\0';
    return status;
}

pp_status pp_layers_walk(const pp_layer_spec *layers, int n_layers, pp_shape in,
                         pp_layer_visit visit, void *context, pp_shape *out)
{
    walk w = {.path = "model", .visit = visit, .context = context};
    pp_status status = visit_list(&w, layers, n_layers, 0, &in);
    if (out != NULL) *out = in;
    return status;
}

pp_shape pp_layers_shape(const pp_layer_spec *layers, int n_layers, pp_shape in)
{
    pp_layers_walk(layers, n_layers, in, NULL, NULL, &in);
    return in;
}

pp_shape pp_job_x_shape(const pp_job *job)
{
    pp_shape shape = {.n_dims = job->data.n_x_shape};
    for (int i = 0; i < shape.n_dims; i++)
        shape.size[i] = (int64_t)job->data.x_shape[i];
    return shape;
}

pp_status pp_job_walk(const pp_job *job, pp_layer_visit visit, void *context)
{
    return pp_layers_walk(job->model.layers, job->model.n_layers, pp_job_x_shape(job), visit,
                          context, NULL);
}

pp_layer_spec *pp__last_dense(const pp_job *job)
{
    for (int i = job->model.n_layers - 1; i >= 0; i--)
        if (job->model.layers[i].type == PP_LAYER_DENSE) return &job->model.layers[i];
    return NULL;
}
