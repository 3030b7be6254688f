#include "cause_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CHANGES = 4 * MOST_LAYERS };

int pp__probe(const pp_case *c, pp_probe *probe, const char *label, ...)
{
    char words[160];
    va_list arguments;
    va_start(arguments, label);
    vsnprintf(words, sizeof words, label, arguments);
    va_end(arguments);
    probe->label = pp_arena_strdup(c->arena, words);
    probe->patch.count = 0;
    probe->mend = NULL;
    probe->patch.paths = PP_ARENA_NEW(c->arena, const char *, MOST_CHANGES);
    probe->patch.values = PP_ARENA_NEW(c->arena, const char *, MOST_CHANGES);
    return probe->label != NULL && probe->patch.paths != NULL && probe->patch.values != NULL;
}

void pp__change(pp_probe *probe, const char *path, const char *value)
{
    pp_patch *p = &probe->patch;
    if (p->count == MOST_CHANGES || path == NULL || value == NULL) return;
    p->paths[p->count] = path;
    p->values[p->count++] = value;
}

const char *pp__text(const pp_case *c, double value)
{
    return pp_arena_printf(c->arena, "%.9g", value);
}

int pp__single(const pp_case *c, pp_probe *probe, const char *label, const char *path,
               const char *value)
{
    if (!pp__probe(c, probe, "%s", label)) return 0;
    pp__change(probe, path, value);
    return probe->patch.count == 1;
}

int pp__fits(const pp_case *c, const pp_probe *probe)
{
    const pp_inspection *d = c->data;
    pp_job *job = NULL;
    pp_json_writer *w = pp_json_writer_create(0);
    if (w == NULL) return 0;
    pp_job_echo(c->job, w);
    const char *text = pp_json_text(w, NULL);
    int fits = text != NULL && pp_job_parse(text, "job", &probe->patch, &job, NULL) == PP_OK;
    if (fits && d != NULL) {
        pp_job_facts facts = {.rows = d->rows,
                              .x = d->x_shape,
                              .y_columns = d->y_columns,
                              .task = d->task,
                              .classes = d->classes,
                              .window = 1};
        fits = pp_job_resolve(job, &facts, NULL) == PP_OK;
    }
    pp_job_destroy(job);
    pp_json_writer_destroy(w);
    return fits;
}

/* ---- layers ---- */

typedef struct flattening {
    const pp_case *c;
    flat_layer *flat;
    int count;
} flattening;

static pp_status keep_flat(void *context, const pp_layer_place *place)
{
    flattening *f = context;
    if (place->spec->n_layers > 0 || f->count == MOST_LAYERS) return PP_OK;
    const char *path = pp_arena_strdup(f->c->arena, place->path);
    const pp_shape out = pp_shape_count(place->out) > 0 ? place->out : pp_shape_of(1);
    const double work = pp_layer_kind_of(place->spec->type)->work(place->spec, place->in, out);
    if (path != NULL)
        f->flat[f->count++] =
            (flat_layer){place->spec, path, work / (double)pp_shape_count(out), 0};
    return PP_OK;
}

int pp__flatten(const pp_case *c, flat_layer *flat)
{
    const pp_job_model *model = &c->job->model;
    flattening f = {.c = c, .flat = flat};
    pp_shape x = pp_job_x_shape(c->job);
    if (x.n_dims == 0 && c->data != NULL) x = c->data->x_shape;
    pp_layers_walk(model->layers, model->n_layers, x, keep_flat, &f, NULL);
    for (int i = f.count - 1; i >= 0; i--)
        if (flat[i].layer->type == PP_LAYER_DENSE) {
            flat[i].is_last = 1;
            break;
        }
    return f.count;
}

const char *pp__member(const pp_case *c, const flat_layer *layer, const char *member)
{
    return pp_arena_printf(c->arena, "%s.%s", layer->path, member);
}

/* Of the last dense layer, and of activations that follow it: the last that is not the identity. */
pp_activation pp__output_activation(const pp_case *c)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat), last = n - 1;
    while (last > 0 && !flat[last].is_last)
        last--;
    for (int i = n - 1; i >= last && i >= 0; i--) {
        pp_layer_type type = flat[i].layer->type;
        if (type != PP_LAYER_DENSE && type != PP_LAYER_ACTIVATION) continue;
        if (flat[i].layer->activation != PP_ACT_IDENTITY) return flat[i].layer->activation;
    }
    return PP_ACT_IDENTITY;
}

void pp__set_output_activation(const pp_case *c, pp_probe *probe, const char *name)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat), at_output = 1;
    for (int i = n - 1; i >= 0; i--) {
        pp_layer_type type = flat[i].layer->type;
        if (type != PP_LAYER_DENSE && type != PP_LAYER_ACTIVATION) continue;
        const char *wanted = at_output ? name : "identity";
        if (strcmp(wanted, pp_activation_name(flat[i].layer->activation)) != 0)
            pp__change(probe, pp__member(c, &flat[i], "activation"), wanted);
        at_output = 0;
        if (flat[i].is_last) return;
    }
}

void pp__set_output_units(const pp_case *c, pp_probe *probe, const char *units)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    for (int i = 0; i < n; i++)
        if (flat[i].is_last) pp__change(probe, pp__member(c, &flat[i], "units"), units);
}

int64_t pp__output_units(const pp_case *c)
{
    flat_layer flat[MOST_LAYERS];
    int n = pp__flatten(c, flat);
    for (int i = 0; i < n; i++)
        if (flat[i].is_last) return flat[i].layer->units;
    return PP_AUTO;
}

/* ---- facts ---- */

int pp__has_verdict(const pp_case *c, uint32_t any)
{
    const pp_json *name = c->verdict != NULL ? pp_json_get(c->verdict, "verdict") : NULL;
    if (name == NULL || pp_json_type_of(name) != PP_JSON_STRING) return 0;
    return any >> pp_verdict_by_name(pp_json_string(name)) & 1;
}

double pp__most_of_layers(const pp_case *c, pp_activation activation, const char *member)
{
    const pp_json *layers = c->verdict != NULL ? pp_json_get(c->verdict, "layers") : NULL;
    double most = 0;
    for (int64_t i = 0; layers != NULL && i < pp_json_count(layers); i++) {
        const pp_json *layer = pp_json_at(layers, i), *value = pp_json_get(layer, member);
        const pp_json *name = pp_json_get(layer, "activation");
        if (value != NULL && name != NULL && pp_json_type_of(value) == PP_JSON_NUMBER &&
            strcmp(pp_json_string(name), pp_activation_name(activation)) == 0)
            most = fmax(most, pp_json_number(value));
    }
    return most;
}

pp_task pp__task(const pp_case *c)
{
    return c->job->data.task != PP_TASK_AUTO || c->data == NULL ? c->job->data.task : c->data->task;
}

double pp__rows(const pp_case *c)
{
    const double unknown = 10000; /* where nothing is odd for that */
    return c->data != NULL && c->data->rows > 0 ? (double)c->data->rows : unknown;
}

double pp__steps(const pp_case *c)
{
    return (double)pp_job_steps(c->job,
                                (int64_t)ceil(pp__rows(c) / (double)c->job->training.batch));
}

double pp__ramp(double value, double from, double to)
{
    if (!(value > 0)) return from > to;
    double share = log(value / from) / log(to / from);
    return share < 0 ? 0 : share > 1 ? 1 : share;
}
