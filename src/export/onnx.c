/* A model as a graph of ONNX: a value goes through one node after another, each named by its
 * number, and weights are initialisers. Field numbers are those of onnx.proto (IR version 7). */
#include "export/export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/version.h"
#include "pitprop/json.h"

#include "finished.h"
#include "proto.h"

enum { IR_VERSION = 7, OPSET = 13 };
enum { FLOAT = 1, INT64 = 7, DOUBLE = 11 };     /* of elements */
enum { IS_FLOAT = 1, IS_INT = 2, IS_INTS = 7 }; /* of attributes */
enum { MOST_INPUTS = 5, NAME = 24 };
static const size_t most_bytes = 2000000000; /* of a message */

typedef struct graph {
    const pp__finished *run;
    pp__proto nodes;     /* GraphProto */
    int next;            /* number of the next value */
    char now[NAME];      /* the value that the next layer takes */
    char (*of_op)[NAME]; /* [n_ops] what they put out */
} graph;

/* ---- parts of messages ---- */

static void put_dims(pp__proto *to, int n_dims, const int64_t *dims)
{
    for (int i = 0; i < n_dims; i++)
        pp__proto_int(to, 1, dims[i]);
}

static void add_tensor(graph *g, const char *name, int type, int n_dims, const int64_t *dims,
                       const void *values)
{
    pp__proto t = {.bytes = NULL};
    size_t bytes = type == FLOAT ? 4 : 8;
    for (int i = 0; i < n_dims; i++)
        bytes *= (size_t)dims[i];
    put_dims(&t, n_dims, dims);
    pp__proto_int(&t, 2, type);
    pp__proto_text(&t, 8, name);
    pp__proto_bytes(&t, 9, values, bytes);
    pp__proto_message(&g->nodes, 5, &t);
}

static void add_vector(graph *g, const char *name, const pp_tensor *values)
{
    add_tensor(g, name, values->dtype == PP_F64 ? DOUBLE : FLOAT, 1, values->shape, values->data);
}

/* A constant under a name of its own. */
static void add_number(graph *g, float value, char name[NAME])
{
    snprintf(name, NAME, "c%d", g->next++);
    add_tensor(g, name, FLOAT, 0, NULL, &value);
}

static void add_param(graph *g, int param)
{
    const pp_param *p = &g->run->model->params[param];
    add_tensor(g, p->name, FLOAT, p->n_dims, p->shape, pp__finished_param(g->run, param));
}

static const char *param_name(const graph *g, int param)
{
    return g->run->model->params[param].name;
}

static void value_info(pp__proto *to, int field, const char *name, int type, int64_t columns)
{
    pp__proto rows = {.bytes = NULL}, width = rows, shape = rows, tensor = rows, kind = rows,
              info = rows;
    pp__proto_text(&rows, 2, "rows");
    pp__proto_message(&shape, 1, &rows);
    if (columns > 0) {
        pp__proto_int(&width, 1, columns);
        pp__proto_message(&shape, 1, &width);
    }
    pp__proto_int(&tensor, 1, type);
    pp__proto_message(&tensor, 2, &shape);
    pp__proto_message(&kind, 1, &tensor);
    pp__proto_text(&info, 1, name);
    pp__proto_message(&info, 2, &kind);
    pp__proto_message(to, field, &info);
}

/* ---- nodes ---- */

typedef struct attribute {
    const char *name; /* NULL: none */
    int type;
    double value;
} attribute;

static void put_attribute(pp__proto *node, const attribute *a)
{
    pp__proto p = {.bytes = NULL};
    pp__proto_text(&p, 1, a->name);
    if (a->type == IS_FLOAT) pp__proto_float(&p, 2, (float)a->value);
    if (a->type == IS_INT) pp__proto_int(&p, 3, (int64_t)a->value);
    if (a->type == IS_INTS) pp__proto_int(&p, 8, (int64_t)a->value);
    pp__proto_int(&p, 20, a->type);
    pp__proto_message(node, 5, &p);
}

/* inputs: ended by NULL. `output` holds the name of what comes out, which is made where it is "".
 */
static void add_node(graph *g, const char *type, const char *const *inputs, attribute a,
                     char output[NAME])
{
    pp__proto node = {.bytes = NULL};
    if (*output == '\0') snprintf(output, NAME, "v%d", g->next++);
    for (int i = 0; inputs[i] != NULL; i++)
        pp__proto_text(&node, 1, inputs[i]);
    pp__proto_text(&node, 2, output);
    pp__proto_text(&node, 4, type);
    if (a.name != NULL) put_attribute(&node, &a);
    pp__proto_message(&g->nodes, 1, &node);
}

static const attribute no_attribute = {NULL, 0, 0};

/* The value now, and up to one other, become the value now. */
static void apply(graph *g, const char *type, const char *other, attribute a)
{
    char output[NAME] = "";
    const char *inputs[] = {g->now, other, NULL};
    add_node(g, type, inputs, a, output);
    memcpy(g->now, output, NAME);
}

/* ---- layers ---- */

static void add_dense(graph *g, const pp_op *op)
{
    const char *inputs[] = {g->now, param_name(g, op->weight),
                            op->bias >= 0 ? param_name(g, op->bias) : NULL, NULL};
    char output[NAME] = "";
    add_param(g, op->weight);
    if (op->bias >= 0) add_param(g, op->bias);
    add_node(g, "Gemm", inputs, (attribute){"transB", IS_INT, 1}, output);
    memcpy(g->now, output, NAME);
}

static void add_batch_norm(graph *g, const pp_op *op)
{
    const int params[] = {op->weight, op->bias, op->mean, op->var};
    const char *inputs[MOST_INPUTS + 1] = {g->now};
    char output[NAME] = "";
    for (int i = 0; i < 4; i++) {
        inputs[i + 1] = param_name(g, params[i]);
        add_param(g, params[i]);
    }
    add_node(g, "BatchNormalization", inputs, (attribute){"epsilon", IS_FLOAT, (double)op->epsilon},
             output);
    memcpy(g->now, output, NAME);
}

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta, over the features of a row. */
static void add_layer_norm(graph *g, const pp_op *op)
{
    char centred[NAME], epsilon[NAME];
    const attribute rows = {"axes", IS_INTS, -1};
    const char *x[] = {g->now, NULL};
    char mean[NAME] = "", deviation[NAME];
    add_node(g, "ReduceMean", x, rows, mean);
    apply(g, "Sub", mean, no_attribute);
    memcpy(centred, g->now, NAME);
    apply(g, "Mul", centred, no_attribute);
    apply(g, "ReduceMean", NULL, rows);
    add_number(g, op->epsilon, epsilon);
    apply(g, "Add", epsilon, no_attribute);
    apply(g, "Sqrt", NULL, no_attribute);
    memcpy(deviation, g->now, NAME);
    memcpy(g->now, centred, NAME);
    apply(g, "Div", deviation, no_attribute);
    add_param(g, op->weight);
    add_param(g, op->bias);
    apply(g, "Mul", param_name(g, op->weight), no_attribute);
    apply(g, "Add", param_name(g, op->bias), no_attribute);
}

/* x f(x), f a node of one input. */
static void add_gate(graph *g, const char *type)
{
    char x[NAME];
    memcpy(x, g->now, NAME);
    apply(g, type, NULL, no_attribute);
    apply(g, "Mul", x, no_attribute);
}

/* x (1 + erf(x / sqrt 2)) / 2 */
static void add_gelu(graph *g)
{
    char x[NAME], factor[NAME], one[NAME], half[NAME];
    memcpy(x, g->now, NAME);
    add_number(g, (float)sqrt(0.5), factor);
    add_number(g, 1, one);
    add_number(g, 0.5f, half);
    apply(g, "Mul", factor, no_attribute);
    apply(g, "Erf", NULL, no_attribute);
    apply(g, "Add", one, no_attribute);
    apply(g, "Mul", x, no_attribute);
    apply(g, "Mul", half, no_attribute);
}

static void add_activation(graph *g, pp_activation activation)
{
    switch (activation) {
    case PP_ACT_IDENTITY:
        break;
    case PP_ACT_RELU:
        apply(g, "Relu", NULL, no_attribute);
        break;
    case PP_ACT_LEAKY_RELU:
        apply(g, "LeakyRelu", NULL, (attribute){"alpha", IS_FLOAT, 0.01});
        break;
    case PP_ACT_GELU:
        add_gelu(g);
        break;
    case PP_ACT_SILU:
        add_gate(g, "Sigmoid");
        break;
    case PP_ACT_TANH:
        apply(g, "Tanh", NULL, no_attribute);
        break;
    case PP_ACT_SIGMOID:
        apply(g, "Sigmoid", NULL, no_attribute);
        break;
    case PP_ACT_SOFTPLUS:
        apply(g, "Softplus", NULL, no_attribute);
        break;
    case PP_ACT_SOFTMAX:
        apply(g, "Softmax", NULL, (attribute){"axis", IS_INT, -1});
        break;
    }
}

static pp_status add_op(graph *g, int i, const char *input, pp_error *err)
{
    const pp_op *op = &g->run->model->ops[i];
    switch (op->type) {
    case PP_LAYER_DENSE:
        add_dense(g, op);
        break;
    case PP_LAYER_ACTIVATION:
        add_activation(g, op->activation);
        break;
    case PP_LAYER_DROPOUT:
        break;
    case PP_LAYER_BATCH_NORM:
        if (op->shape_out.n_dims == 3)
            return pp_fail(err, PP_E_ARG,
                           "export: batch_norm of images cannot be written as ONNX "
                           "yet");
        add_batch_norm(g, op);
        break;
    case PP_LAYER_LAYER_NORM:
        add_layer_norm(g, op);
        break;
    case PP_LAYER_RESIDUAL:
        apply(g, "Add", op->skip >= 0 ? g->of_op[op->skip] : input, no_attribute);
        break;
    default:
        return pp_fail(err, PP_E_ARG, "export: a layer of type %s cannot be written as ONNX yet",
                       pp_op_name(op));
    }
    memcpy(g->of_op[i], g->now, NAME);
    return PP_OK;
}

/* ---- what is around them ---- */

static void standardise(graph *g)
{
    const pp__finished *f = g->run;
    if (f->shift == NULL) return;
    add_vector(g, "input.shift", f->shift);
    add_vector(g, "input.scale", f->scale);
    apply(g, "Sub", "input.shift", no_attribute);
    apply(g, "Mul", "input.scale", no_attribute);
    if (f->shift->dtype == PP_F64) apply(g, "Cast", NULL, (attribute){"to", IS_INT, FLOAT});
}

static void clamp(graph *g)
{
    char output[NAME] = "", low[NAME], high[NAME];
    const char *inputs[] = {g->now, low, high, NULL};
    add_number(g, (float)g->run->job->model.clamp_low, low);
    add_number(g, (float)g->run->job->model.clamp_high, high);
    add_node(g, "Clip", inputs, no_attribute, output);
    memcpy(g->now, output, NAME);
}

static void predict(graph *g)
{
    const pp__finished *f = g->run;
    if (f->link == PP_PREDICT_SIGMOID) add_activation(g, PP_ACT_SIGMOID);
    if (f->link == PP_PREDICT_SOFTMAX) add_activation(g, PP_ACT_SOFTMAX);
    if (f->link == PP_PREDICT_CLAMP) clamp(g);
    if (f->target_shift != NULL) {
        add_vector(g, "output.scale", f->target_scale);
        add_vector(g, "output.shift", f->target_shift);
        apply(g, "Mul", "output.scale", no_attribute);
        apply(g, "Add", "output.shift", no_attribute);
    }
    const char *inputs[] = {g->now, NULL};
    char p[NAME] = "p";
    add_node(g, "Identity", inputs, no_attribute, p);
    value_info(&g->nodes, 12, "p", FLOAT, f->model->outputs);
}

/* The likeliest; of one output whether it is 0.5 or more. */
static void answer(graph *g)
{
    static const int64_t one = 1, flat = -1;
    char output[NAME] = "class", threshold[NAME];
    if (g->run->classes == 0) return;
    add_tensor(g, "flat", INT64, 1, &one, &flat);
    if (g->run->model->outputs == 1) {
        add_number(g, 0.5f, threshold);
        apply(g, "GreaterOrEqual", threshold, no_attribute);
        apply(g, "Cast", NULL, (attribute){"to", IS_INT, INT64});
    } else
        apply(g, "ArgMax", NULL, (attribute){"axis", IS_INT, 1});
    const char *inputs[] = {g->now, "flat", NULL};
    add_node(g, "Reshape", inputs, no_attribute, output);
    value_info(&g->nodes, 12, "class", INT64, 0);
}

static pp_status build(graph *g, pp_error *err)
{
    const pp_model *model = g->run->model;
    char input[NAME];
    pp_status status = PP_OK;
    g->of_op = pp_arena_alloc(g->run->arena, (size_t)model->n_ops + 1, sizeof *g->of_op);
    if (g->of_op == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for the graph");
    snprintf(g->now, NAME, "x");
    int is_wide = g->run->shift != NULL && g->run->shift->dtype == PP_F64;
    value_info(&g->nodes, 11, "x", is_wide ? DOUBLE : FLOAT, model->inputs);
    standardise(g);
    memcpy(input, g->now, NAME);
    for (int i = 0; i < model->n_ops && status == PP_OK; i++)
        status = add_op(g, i, input, err);
    if (status != PP_OK) return status;
    predict(g);
    answer(g);
    pp__proto_text(&g->nodes, 2, "pitprop");
    return PP_OK;
}

/* ---- the file ---- */

static void put_note(pp__proto *model, const char *key, const char *value)
{
    pp__proto entry = {.bytes = NULL};
    if (value == NULL) return;
    pp__proto_text(&entry, 1, key);
    pp__proto_text(&entry, 2, value);
    pp__proto_message(model, 14, &entry);
}

static void put_names(pp__proto *model, const char *key, const char *const *names, int64_t count)
{
    pp_json_writer *w = names != NULL ? pp_json_writer_create(0) : NULL;
    if (w == NULL) return;
    pp_json_put_strings(w, NULL, names, count);
    put_note(model, key, pp_json_text(w, NULL));
    pp_json_writer_destroy(w);
}

static void put_model(pp__proto *model, graph *g)
{
    const pp__finished *f = g->run;
    pp__proto opset = {.bytes = NULL};
    pp__proto_int(model, 1, IR_VERSION);
    pp__proto_text(model, 2, "pitprop");
    pp__proto_text(model, 3, PP_VERSION);
    pp__proto_message(model, 7, &g->nodes);
    pp__proto_text(&opset, 1, "");
    pp__proto_int(&opset, 2, OPSET);
    pp__proto_message(model, 8, &opset);
    put_names(model, "columns", f->origin.columns, f->origin.n_columns);
    put_names(model, "classes", f->origin.classes, f->origin.n_classes);
    put_note(model, "job", pp_tensorfile_note(f->file, "job"));
    put_note(model, "model_crc32", pp_tensorfile_note(f->file, "crc32"));
}

pp_status pp_export_onnx(const char *run, const char *output, pp_error *err)
{
    pp__finished f;
    graph g = {.run = &f};
    pp__proto model = {.bytes = NULL};
    pp_status status = pp__finished_open(run, &f, err);
    if (status == PP_OK) status = build(&g, err);
    if (status == PP_OK) put_model(&model, &g);
    if (status == PP_OK && model.failed)
        status = pp_fail(err, PP_E_MEMORY, "no memory for the model");
    if (status == PP_OK && model.length > most_bytes)
        status = pp_fail(err, PP_E_ARG, "%s: a file of ONNX holds 2 GB, the model has more", run);
    if (status == PP_OK) status = pp_fs_write(output, (const char *)model.bytes, model.length, err);
    pp__proto_free(&model);
    pp__proto_free(&g.nodes);
    pp__finished_close(&f);
    return status;
}
