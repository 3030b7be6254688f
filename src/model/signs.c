#include "model/signs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pass.h"

#include "pitprop/sum.h"

/* What is summed up for a layer, and for one of its units. */
typedef struct layer_tally {
    pp_sum squares;
    int64_t outputs, flat;
} layer_tally;

typedef struct unit_tally {
    float low, high;
} unit_tally;

struct pp_signs {
    int64_t n_layers, n_units;
    layer_tally layers[]; /* [n_layers], and [n_units] of unit_tally behind them */
};

static unit_tally *units_of(const pp_signs *signs)
{
    return (unit_tally *)(void *)&((pp_signs *)(uintptr_t)signs)->layers[signs->n_layers];
}

static pp_layer_role role_of(const pp_model *model, int op)
{
    return pp_layer_kind_of(model->ops[op].type)->role;
}

/* The op whose output is that of linear op i: itself, or the activation behind it, with norms and
 * dropout between them or not. */
static int output_of(const pp_model *model, int i)
{
    for (int k = i + 1; k < model->n_ops; k++) {
        if (role_of(model, k) == PP_ROLE_ACTIVATION) return k;
        if (role_of(model, k) == PP_ROLE_LINEAR || model->ops[k].type == PP_LAYER_RESIDUAL) break;
    }
    return i;
}

/* The next linear op from i on, -1: none. */
static int next_linear(const pp_model *model, int i)
{
    while (i < model->n_ops && role_of(model, i) != PP_ROLE_LINEAR)
        i++;
    return i < model->n_ops ? i : -1;
}

/* Units of an op: features, or channels of an image or a sequence. */
static int64_t units_of_op(const pp_op *op)
{
    return op->shape_out.size[0];
}

static void count(const pp_model *model, int64_t *layers, int64_t *units)
{
    *layers = *units = 0;
    for (int i = next_linear(model, 0); i >= 0; i = next_linear(model, i + 1)) {
        ++*layers;
        *units += units_of_op(&model->ops[output_of(model, i)]);
    }
}

size_t pp_signs_bytes(const pp_model *model)
{
    int64_t layers, units;
    count(model, &layers, &units);
    return sizeof(pp_signs) + (size_t)layers * sizeof(layer_tally) +
           (size_t)units * sizeof(unit_tally);
}

pp_signs *pp_signs_create(const pp_model *model)
{
    pp_signs *signs = malloc(pp_signs_bytes(model));
    if (signs == NULL) return NULL;
    count(model, &signs->n_layers, &signs->n_units);
    pp_signs_clear(signs);
    return signs;
}

void pp_signs_clear(pp_signs *signs)
{
    memset(signs->layers, 0, (size_t)signs->n_layers * sizeof *signs->layers);
    unit_tally *units = units_of(signs);
    for (int64_t i = 0; i < signs->n_units; i++)
        units[i] = (unit_tally){INFINITY, -INFINITY};
}

/* Bounds of a number beyond which the activation is flat; 0: it has none. */
static int flat_beyond(pp_activation f, float *low, float *high)
{
    *low = f == PP_ACT_TANH ? -0.98f : 0.01f;
    *high = f == PP_ACT_TANH ? 0.98f : 0.99f;
    return f == PP_ACT_TANH || f == PP_ACT_SIGMOID;
}

/* values [rows, units, places] */
static void add_units(unit_tally *tally, const float *values, int64_t rows, int64_t units,
                      int64_t places)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < units; k++)
            for (int64_t at = 0; at < places; at++) {
                float v = *values++;
                tally[k].low = v < tally[k].low ? v : tally[k].low;
                tally[k].high = v > tally[k].high ? v : tally[k].high;
            }
}

static int64_t count_flat(pp_activation activation, const float *values, int64_t n)
{
    float low, high;
    int64_t flat = 0;
    if (!flat_beyond(activation, &low, &high)) return 0;
    for (int64_t i = 0; i < n; i++)
        flat += (values[i] < low) | (values[i] > high);
    return flat;
}

int pp_signs_add(pp_signs *signs, const pp_pass *pass)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_model *model = s->model;
    unit_tally *units = units_of(signs);
    layer_tally *layer = signs->layers;
    for (int i = next_linear(model, 0); i >= 0; i = next_linear(model, i + 1), layer++) {
        int at = output_of(model, i);
        const pp_op *op = &model->ops[at];
        int64_t n = pass->batch_rows * op->out;
        float *copy = s->backend->host_memory ? NULL : malloc((size_t)n * sizeof *copy + 1);
        if (copy == NULL && !s->backend->host_memory) return 0;
        if (copy != NULL)
            s->backend->download(s->device, copy, pass->op[at].value, (size_t)n * sizeof *copy);
        const float *values = copy != NULL ? copy : pass->op[at].value;
        pp_sum_add(&layer->squares, s->backend->sum_squares(s->device, n, pass->op[at].value));
        layer->outputs += n;
        layer->flat += count_flat(op->activation, values, op->type == PP_LAYER_ACTIVATION ? n : 0);
        add_units(units, values, pass->batch_rows, units_of_op(op), op->out / units_of_op(op));
        units += units_of_op(op);
        free(copy);
    }
    return 1;
}

void pp_signs_merge(void *into, const void *from, size_t bytes)
{
    (void)bytes;
    pp_signs *a = into;
    const pp_signs *b = from;
    for (int64_t i = 0; i < a->n_layers; i++) {
        pp_sum_merge(&a->layers[i].squares, &b->layers[i].squares);
        a->layers[i].outputs += b->layers[i].outputs;
        a->layers[i].flat += b->layers[i].flat;
    }
    unit_tally *into_units = units_of(a);
    const unit_tally *units = units_of(b);
    for (int64_t i = 0; i < a->n_units; i++) {
        into_units[i].low = fminf(into_units[i].low, units[i].low);
        into_units[i].high = fmaxf(into_units[i].high, units[i].high);
    }
}

/* values: room for the initial ones. */
static double moved(const pp_model *model, int param, uint64_t seed, const float *params,
                    float *values)
{
    const pp_param *p = &model->params[param];
    double change = 0, norm = 0;
    pp_model_init_param(model, param, seed, values);
    for (int64_t i = 0; i < p->count; i++) {
        double difference = (double)params[p->offset + i] - values[i];
        change += difference * difference;
        norm += (double)values[i] * values[i];
    }
    return change == 0 ? 0 : sqrt(change / norm);
}

static pp_layer_signs describe(const layer_tally *tally, const unit_tally *units,
                               const pp_model *model, int linear)
{
    const pp_op *op = &model->ops[output_of(model, linear)];
    const pp_param *weight = &model->params[model->ops[linear].weight];
    int named = (int)strlen(weight->name) - (int)strlen(".weight");
    pp_layer_signs l = {.activation =
                            op->type == PP_LAYER_ACTIVATION ? op->activation : PP_ACT_IDENTITY,
                        .is_last = next_linear(model, linear + 1) < 0,
                        .units = units_of_op(op),
                        .flat = NAN,
                        .rms = sqrt(pp_sum_value(&tally->squares) / (double)tally->outputs),
                        .trainable = weight->trainable};
    float low, high;
    if (flat_beyond(l.activation, &low, &high))
        l.flat = (double)tally->flat / (double)tally->outputs;
    for (int64_t i = 0; i < l.units; i++)
        l.constant += units[i].low == units[i].high;
    snprintf(l.name, sizeof l.name, "%.*s", named, weight->name);
    return l;
}

pp_layer_signs *pp_signs_describe(const pp_signs *signs, const pp_model *model, uint64_t seed,
                                  const float *params, int *n)
{
    int64_t largest = 1;
    for (int i = 0; i < model->n_params; i++)
        if (model->params[i].count > largest) largest = model->params[i].count;
    float *values = malloc((size_t)largest * sizeof *values);
    pp_layer_signs *layers = calloc((size_t)signs->n_layers + 1, sizeof *layers);
    const unit_tally *units = units_of(signs);
    *n = 0;
    for (int i = next_linear(model, 0); i >= 0 && layers && values; i = next_linear(model, i + 1)) {
        layers[*n] = describe(&signs->layers[*n], units, model, i);
        layers[*n].moved = moved(model, model->ops[i].weight, seed, params, values);
        units += layers[*n].units;
        ++*n;
    }
    free(values);
    return layers;
}

void pp_layer_signs_write(const pp_layer_signs *layers, int n, pp_json_writer *w)
{
    pp_json_begin_array(w, "layers");
    for (const pp_layer_signs *l = layers; l < layers + n; l++) {
        pp_json_begin_object(w, NULL);
        pp_json_put_string(w, "name", l->name);
        pp_json_put_string(w, "activation", pp_activation_name(l->activation));
        pp_json_put_int(w, "units", l->units);
        pp_json_put_number(w, "constant_share", (double)l->constant / (double)l->units);
        if (!isnan(l->flat)) pp_json_put_number(w, "flat_share", l->flat);
        pp_json_put_number(w, "rms", l->rms);
        pp_json_put_bool(w, "trainable", l->trainable);
        pp_json_put_number(w, "moved", l->moved);
        pp_json_end_object(w);
    }
    pp_json_end_array(w);
}
