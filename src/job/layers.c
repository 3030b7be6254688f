/* Walking a job's list of layers. */
#include "job_internal.h"

#include <stdio.h>
#include <string.h>

int64_t pp__layers_width(const pp_layer_spec *layers, int n, int64_t width)
{
    for (int i = 0; i < n; i++) {
        if (layers[i].type == PP_LAYER_DENSE) width = layers[i].units;
        /* A residual block keeps its width, so what is known inside is known behind it. */
        if (layers[i].type == PP_LAYER_RESIDUAL && width == PP_AUTO)
            width = pp__layers_width(layers[i].layers, layers[i].n_layers, width);
    }
    return width;
}

pp_layer_spec *pp__last_dense(const pp_job *job)
{
    for (int i = job->model.n_layers - 1; i >= 0; i--)
        if (job->model.layers[i].type == PP_LAYER_DENSE) return &job->model.layers[i];
    return NULL;
}

typedef struct walk {
    char path[1024];
    pp__visit_layer visit;
    void *context;
} walk;

static pp_status visit_list(walk *w, const pp_layer_spec *layers, int n, int depth)
{
    const size_t length = strlen(w->path);
    for (int i = 0; i < n; i++) {
        snprintf(w->path + length, sizeof w->path - length, ".layers[%d]", i);
        pp_status status = w->visit(w->context, &layers[i], w->path, depth);
        if (status == PP_OK && layers[i].type == PP_LAYER_RESIDUAL)
            status = visit_list(w, layers[i].layers, layers[i].n_layers, depth + 1);
        if (status != PP_OK) return status;
    }
    w->path[length] = '\0';
    return PP_OK;
}

pp_status pp__job_visit(const pp_job *job, pp__visit_layer visit, void *context)
{
    walk w = {.path = "model", .visit = visit, .context = context};
    return visit_list(&w, job->model.layers, job->model.n_layers, 0);
}
