/* Convolution: each row by itself, its image unfolded into columns so that it becomes a product of
 * matrices, some output lines at a time, so that the columns stay in the cache however large the
 * image is. Shapes of products depend on the layer alone, hence so do the bits.
 *
 *   out [units, places] = weight [units, taps] columns [taps, places] + bias
 *
 * taps = channels of a group * kernel; the groups of channels are products of their own. */
#include "model/layers/layer.h"

#include <string.h>

enum { COLUMNS = 128 * 1024 }; /* floats that are unfolded at a time, about */

static pp_status plan(pp__planner *planner, const pp_layer_spec *spec, const char *prefix,
                      const char *path)
{
    pp_window w;
    pp_status status = pp_window_of(spec, path, planner->shape, &w, planner->err);
    if (status != PP_OK) return status;
    pp_op *op =
        pp__planner_add_op(planner, spec->type, (pp_shape){3, {spec->units, w.out[0], w.out[1]}});
    op->window = w;
    int64_t taps = w.channels / w.groups * w.kernel[0] * w.kernel[1];
    pp_param weight = {.n_dims = 4,
                       .shape = {spec->units, w.channels / w.groups, w.kernel[0], w.kernel[1]},
                       .fan_in = taps,
                       .fan_out = spec->units / w.groups * w.kernel[0] * w.kernel[1]};
    if (spec->type == PP_LAYER_CONV1D) { /* as in PyTorch: [units, channels, kernel] */
        weight.n_dims = 3;
        weight.shape[2] = w.kernel[1];
    }
    pp__planner_add_weights(planner, op, spec, prefix, weight);
    pp__planner_add_activation(planner, spec->activation);
    return PP_OK;
}

/* ---- a part of an image at a time ---- */

/* One group of one row, for output lines [line, line + lines). */
typedef struct piece {
    const pp_op *op;
    int64_t units, taps; /* of the group */
    int64_t group;
    int64_t line, lines;
    int64_t places, part; /* of the whole output, and of these lines */
} piece;

static int64_t taps_of(const pp_op *op)
{
    const pp_window *w = &op->window;
    return w->channels / w->groups * w->kernel[0] * w->kernel[1];
}

static int64_t lines_at_once(const pp_op *op)
{
    int64_t lines = COLUMNS / (taps_of(op) * op->window.out[1]);
    return lines < 1 ? 1 : lines < op->window.out[0] ? lines : op->window.out[0];
}

/* A kernel of one place that goes everywhere: the image is its own columns. */
static int is_plain(const pp_window *w)
{
    return w->kernel[0] * w->kernel[1] == 1 && w->stride[0] * w->stride[1] == 1 &&
           w->in[0] == w->out[0] && w->in[1] == w->out[1];
}

static piece piece_of(const pp_op *op, int64_t group, int64_t line)
{
    int64_t lines = lines_at_once(op), left = op->window.out[0] - line;
    piece p = {.op = op,
               .units = op->shape_out.size[0] / op->window.groups,
               .taps = taps_of(op),
               .group = group,
               .line = line,
               .lines = lines < left ? lines : left,
               .places = op->window.out[0] * op->window.out[1]};
    p.part = p.lines * op->window.out[1];
    return p;
}

/* Columns [taps, part] of a row x; *width: how far they lie apart. */
static const float *columns_of(const pp_pass *pass, int i, const piece *p, const float *x,
                               int64_t *width)
{
    const pp_window *w = &p->op->window;
    int64_t channels = w->channels / w->groups;
    *width = is_plain(w) ? p->places : p->part;
    if (is_plain(w)) return x + p->group * channels * p->places + p->line * w->out[1];
    pass->spec.backend->unfold(pass->spec.device, w, p->group * channels, channels, p->line,
                               p->lines, x, pass->op[i].columns);
    return pass->op[i].columns;
}

static int memory(pp_pass *pass, int i)
{
    const pp_op *op = &pass->spec.model->ops[i];
    if (is_plain(&op->window)) return 1;
    pass->op[i].columns =
        pp__pass_floats(pass, taps_of(op) * lines_at_once(op) * op->window.out[1]);
    return pass->op[i].columns != NULL;
}

static void zero(const pp_pass *pass, int64_t count, float *values)
{
    pass->spec.backend->gemm(pass->spec.device, 0, 0, 1, count, 0, NULL, 1, NULL, count, values,
                             count);
}

/* ---- forward and backward ---- */

static void forward_row(pp_pass *pass, int i, const float *weight, const float *x, float *out)
{
    const pp_op *op = &pass->spec.model->ops[i];
    int64_t step = lines_at_once(op), width;
    for (int64_t line = 0; line < op->window.out[0]; line += step)
        for (int64_t group = 0; group < op->window.groups; group++) {
            piece p = piece_of(op, group, line);
            const float *columns = columns_of(pass, i, &p, x, &width);
            pass->spec.backend->gemm_add(
                pass->spec.device, 0, 0, p.units, p.part, p.taps, weight + group * p.units * p.taps,
                p.taps, columns, width,
                out + group * p.units * p.places + p.line * op->window.out[1], p.places);
        }
}

static void forward(pp_pass *pass, int i, const pp__forward *f, const float *in)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    const pp_param *params = s->model->params;
    int64_t units = op->shape_out.size[0];
    float *out = pass->op[i].value;
    if (op->bias >= 0)
        s->backend->fill_places(s->device, pass->batch_rows, units, op->out / units,
                                f->params + params[op->bias].offset, out);
    else
        zero(pass, pass->batch_rows * op->out, out);
    for (int64_t row = 0; row < pass->batch_rows; row++)
        forward_row(pass, i, f->params + params[op->weight].offset, in + row * op->in,
                    out + row * op->out);
}

/* Gradient by the input: columns [taps, part] = weight^T dy, folded back. */
static void input_gradient(const pp_pass *pass, int i, const float *weight, const float *dy,
                           float *dx)
{
    const pp_pass_spec *s = &pass->spec;
    const pp_op *op = &s->model->ops[i];
    const pp_window *w = &op->window;
    int64_t step = lines_at_once(op), channels = w->channels / w->groups;
    for (int64_t line = 0; line < w->out[0]; line += step)
        for (int64_t group = 0; group < w->groups; group++) {
            piece p = piece_of(op, group, line);
            const float *from = dy + group * p.units * p.places + line * w->out[1];
            const float *of_group = weight + group * p.units * p.taps;
            float *columns = pass->op[i].columns;
            if (is_plain(w)) {
                s->backend->gemm(s->device, 1, 0, p.taps, p.part, p.units, of_group, p.taps, from,
                                 p.places, dx + group * channels * p.places + line * w->out[1],
                                 p.places);
                continue;
            }
            s->backend->gemm(s->device, 1, 0, p.taps, p.part, p.units, of_group, p.taps, from,
                             p.places, columns, p.part);
            s->backend->fold_add(s->device, w, group * channels, channels, line, p.lines, columns,
                                 dx);
        }
}

/* The units of this leaf that lie in the group, from one row: += dy [units, part] columns^T. */
static void add_piece(const pp__leaf *t, const piece *p, const float *x, const float *dy,
                      float *out)
{
    const pp_pass_spec *s = &t->pass->spec;
    int64_t first = t->first / p->taps, end = first + t->count / p->taps, width;
    int64_t low = p->group * p->units, high = low + p->units;
    if (low < first) low = first;
    if (high > end) high = end;
    if (low >= high) return;
    const float *columns = columns_of(t->pass, t->op, p, x, &width);
    s->backend->gemm_add(s->device, 0, 1, high - low, p->taps, p->part,
                         dy + low * p->places + p->line * p->op->window.out[1], p->places, columns,
                         width, out + (low - first) * p->taps, p->taps);
}

static void weight_leaf(const pp__leaf *t, int lane, float *out)
{
    const pp_op *op = &t->pass->spec.model->ops[t->op];
    int64_t first = t->pass->lane_first[lane], end = first + t->pass->lane_rows[lane];
    zero(t->pass, t->count, out);
    for (int64_t row = first; row < end; row++)
        for (int64_t line = 0; line < op->window.out[0]; line += lines_at_once(op))
            for (int64_t group = 0; group < op->window.groups; group++) {
                piece p = piece_of(op, group, line);
                add_piece(t, &p, t->in + row * op->in, t->dy + row * op->out, out);
            }
}

/* The input's gradient first: it needs the weights, and they change once their gradient is ready.
 */
static float *backward(const pp__backward *b, int i, const float *in, float *dy, float *other)
{
    const pp_model *model = b->pass->spec.model;
    const pp_op *op = &model->ops[i];
    pp__leaf t = {.pass = b->pass, .op = i, .in = in, .dy = dy};
    if (i > 0) zero(b->pass, b->pass->batch_rows * op->in, other);
    for (int64_t row = 0; i > 0 && row < b->pass->batch_rows; row++)
        input_gradient(b->pass, i, b->params + model->params[op->weight].offset, dy + row * op->out,
                       other + row * op->in);
    if (op->bias >= 0) {
        t.write = pp__leaf_places;
        pp__fold_vector(b, t, op->bias);
    }
    t.write = weight_leaf;
    pp__fold_weight(b, t, op->weight);
    return other;
}

const pp__layer_code pp__conv_code = {
    .plan = plan, .memory = memory, .forward = forward, .backward = backward, .leaves_output = 1};
