#include "train/predict.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trial_internal.h"

#include "base/arena.h"
#include "data/dataset.h"
#include "base/fs.h"
#include "store/h5.h"
#include "model/loss.h"
#include "model/model.h"
#include "store/tensorfile.h"

#include "origin.h"
#include "run/run_files.h"

typedef struct predictor {
    pp_comm *comm;
    const pp_backend *backend;
    pp_device *device;
    pp_tensorfile *file;
    pp_job *job;
    pp_arena *arena;
    pp_model *model;
    pp_pass *pass;
    pp_loss loss;
    pp_h5_set *x;
    pp__origin origin;
    int unnamed, by_name,
        moved;        /* how the columns of the file are taken; whether their order differs */
    int64_t classes;  /* 0: regression */
    int64_t *answers; /* [classes] of rank 0 */
    float *params, *x_device;              /* device */
    const float *shift, *scale;            /* [inputs], NULL: not standardised */
    const double *wide_shift, *wide_scale; /* [inputs], NULL: standardised in float32, if at all */
    double *doubles;                       /* [block, inputs], where wide_shift is not NULL */
    const float *target_shift, *target_scale; /* [1 or outputs], likewise */
    int64_t target_columns;
    float *rows, *out; /* host: [block, inputs]; [2, block, outputs]: raw, p */
    float *all;        /* rank 0: [ranks, 2, block, outputs] */
    int64_t block;     /* rows */
} predictor;

static pp_status read_model(predictor *p, const char *run, pp_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/" PP_RUN_MODEL, run);
    if (!pp_fs_exists(path))
        return pp_fail(err, PP_E_ARG, "%s: no model there; is %s the directory of a finished run?",
                       path, run);
    pp_status status = pp_tensorfile_read(path, &p->file, err);
    if (status != PP_OK) return status;
    const char *job = pp_tensorfile_note(p->file, "job");
    if (job == NULL)
        return pp_fail(err, PP_E_DATA, "%s: was not written by Pitprop: no job in it", path);
    status = pp_job_parse(job, path, NULL, &p->job, err);
    if (status == PP_OK) p->backend = pp_backend_of(p->job->runtime.backend);
    return status == PP_OK ? pp__origin_read(p->file, p->arena, &p->origin, err) : status;
}

static const void *values_of(const predictor *p, const char *name, pp_dtype type, int64_t count)
{
    const pp_tensor *t = pp_tensorfile_find(p->file, name);
    return t != NULL && t->dtype == type && t->shape[0] == count ? t->data : NULL;
}

static const float *vector_of(const predictor *p, const char *name, int64_t count)
{
    return values_of(p, name, PP_F32, count);
}

/* The model's width, which its first weight tells; 0: the model cannot be planned for these rows.
 */
static int64_t width_of_model(predictor *p, pp_error *err)
{
    if (pp_model_plan(p->job, pp_h5_columns(p->x), p->arena, &p->model, err) != PP_OK) return 0;
    pp_shape x = pp_job_x_shape(p->job);
    if (x.n_dims > 0) return pp_shape_count(x);
    const pp_tensor *first = pp_tensorfile_find(p->file, p->model->params[0].name);
    return first == NULL ? -1 : first->shape[first->n_dims - 1];
}

static pp_status open_as(predictor *p, const pp_job_data *how, const char *data, const char *x,
                         int64_t *inputs, pp_error *err)
{
    pp_h5_close(p->x);
    p->x = NULL;
    pp_h5_selection named = {.names = x != NULL ? &x : how->x,
                             .n_names = x != NULL ? 1 : how->n_x,
                             .picks = p->origin.columns,
                             .n_picks = (int)p->origin.n_columns,
                             .by_name = 1,
                             .follow_links = how->follow_links};
    pp_status status = p->by_name ? pp_h5_open_selection(&data, 1, &named, &p->x, err)
                                  : pp_data_open_x(how, &data, 1, x, &p->x, err);
    if (status != PP_OK) return status;
    *inputs = width_of_model(p, err);
    if (*inputs == 0) return err->code;
    if (*inputs == pp_h5_columns(p->x)) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: %s has %lld columns, the model takes %lld", data,
                   x != NULL ? x : how->x[0], (long long)pp_h5_columns(p->x), (long long)*inputs);
}

/* Columns that are not one by one those of the model are taken by their names. */
static pp_status compare_columns(predictor *p, const char *data, const char *x, pp_error *err)
{
    pp_job_data all = p->job->data;
    int selects = all.n_columns > 0 || *all.target_column != '\0';
    pp_h5_set *whole;
    int fits = p->origin.columns == NULL;
    if (!fits && pp_data_open_x(&all, &data, 1, x, &whole, NULL) == PP_OK) {
        fits = pp__origin_fits(&p->origin, whole);
        p->unnamed = pp_h5_column_name(whole, 0) == NULL;
        pp_h5_close(whole);
    }
    if (fits) return PP_OK;
    all.n_columns = 0;
    all.target_column = "";
    pp_status status = pp_data_open_x(&all, &data, 1, x, &whole, err);
    if (status != PP_OK) return status;
    p->by_name = pp_h5_column_name(whole, 0) != NULL;
    p->unnamed = !p->by_name;
    if (p->by_name) status = pp__origin_check(&p->origin, whole, data, selects, &p->moved, err);
    pp_h5_close(whole);
    return status;
}

/* Rows as the job selects them; those to be predicted may be without the target's column. */
static pp_status open_rows(predictor *p, const char *data, const char *x, int64_t *inputs,
                           pp_error *err)
{
    pp_job_data bare = p->job->data;
    pp_error first = {0};
    pp_status status = open_as(p, &p->job->data, data, x, inputs, &first);
    if (status == PP_OK) return PP_OK;
    bare.target_column = "";
    if (*p->job->data.target_column != '\0' && open_as(p, &bare, data, x, inputs, err) == PP_OK)
        return PP_OK;
    return pp_fail(err, status, "%s", first.text);
}

static pp_status open_data(predictor *p, const char *data, const char *x, pp_error *err)
{
    int64_t inputs;
    pp_status status = compare_columns(p, data, x, err);
    if (status == PP_OK) status = open_rows(p, data, x, &inputs, err);
    if (status != PP_OK) return status;
    p->shift = vector_of(p, "input.shift", inputs);
    p->scale = vector_of(p, "input.scale", inputs);
    p->wide_shift = values_of(p, "input.shift", PP_F64, inputs);
    p->wide_scale = values_of(p, "input.scale", PP_F64, inputs);
    if (p->scale == NULL && p->wide_scale == NULL && pp_tensorfile_find(p->file, "input.scale"))
        return pp_fail(err, PP_E_DATA, PP_RUN_MODEL ": input.scale is of another shape");
    const pp_tensor *target = pp_tensorfile_find(p->file, "output.shift");
    if (target == NULL) return PP_OK;
    p->target_columns = target->shape[0];
    if (p->target_columns != 1 && p->target_columns != p->model->outputs)
        return pp_fail(err, PP_E_DATA, PP_RUN_MODEL ": output.shift is of another shape");
    p->target_shift = vector_of(p, "output.shift", p->target_columns);
    p->target_scale = vector_of(p, "output.scale", p->target_columns);
    return PP_OK;
}

static pp_status load_params(predictor *p, pp_error *err)
{
    float *values = calloc((size_t)p->model->size, sizeof *values);
    p->params = p->backend->allocate(p->device, (size_t)p->model->size * sizeof(float));
    pp_status status = values != NULL && p->params != NULL
                           ? pp__read_params(p->model, p->file, PP_RUN_MODEL, values, err)
                           : pp_fail(err, PP_E_MEMORY, "no memory for the model");
    if (status == PP_OK)
        p->backend->upload(p->device, p->params, values, (size_t)p->model->size * sizeof *values);
    free(values);
    return status;
}

/* Of the targets that the model was trained on, as far as its loss minds. */
static int64_t y_columns(const predictor *p)
{
    pp_targets targets = p->job->loss.targets;
    return targets == PP_TARGETS_INDEX || targets == PP_TARGETS_ONE_HOT ? 1 : p->model->outputs;
}

static pp_status make_pass(predictor *p, pp_error *err)
{
    static const int64_t cut[2] = {0, PP_BLOCK_ROWS}; /* borrowed by the pass */
    p->block = PP_BLOCK_ROWS;
    pp_pass_spec spec = {.model = p->model,
                         .backend = p->backend,
                         .device = p->device,
                         .n_lanes = 1,
                         .lanes = {0, 1},
                         .cut = cut};
    pp_status status = pp_pass_create(&spec, &p->pass, err);
    if (status == PP_OK)
        status = pp_loss_plan(&p->job->loss, p->model->outputs, y_columns(p), &p->loss, err);
    if (status != PP_OK) return status;
    int64_t outputs = 2 * p->block * p->model->outputs;
    p->rows = PP_ARENA_NEW(p->arena, float, p->block * p->model->inputs);
    p->out = PP_ARENA_NEW(p->arena, float, outputs);
    p->x_device =
        p->backend->allocate(p->device, (size_t)(p->block * p->model->inputs) * sizeof(float));
    if (pp_comm_rank(p->comm) == 0)
        p->all = PP_ARENA_NEW(p->arena, float, outputs *pp_comm_size(p->comm));
    if (p->wide_shift != NULL)
        p->doubles = PP_ARENA_NEW(p->arena, double, p->block * p->model->inputs);
    if ((p->wide_shift != NULL && p->doubles == NULL) || p->rows == NULL || p->out == NULL ||
        p->x_device == NULL || (pp_comm_rank(p->comm) == 0 && p->all == NULL))
        return pp_fail(err, PP_E_MEMORY, "no memory for blocks of %lld rows", (long long)p->block);
    return PP_OK;
}

static pp_status prepare(predictor *p, const char *run, const char *data, const char *x,
                         pp_error *err)
{
    p->arena = pp_arena_create();
    if (p->arena == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_status status = read_model(p, run, err);
    if (status == PP_OK)
        status = p->backend->open(pp_comm_node_rank(p->comm), p->job->runtime.blas_kernel,
                                  &p->device, err);
    if (status == PP_OK) status = open_data(p, data, x, err);
    if (status == PP_OK) status = load_params(p, err);
    if (status == PP_OK) status = make_pass(p, err);
    if (status != PP_OK || p->job->data.task == PP_TASK_REGRESSION) return status;
    p->classes = p->model->outputs > 1 ? p->model->outputs : 2;
    p->answers = PP_ARENA_NEW(p->arena, int64_t, p->classes);
    return p->answers != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
}

static void to_units_of_file(const predictor *p, int64_t rows, float *values)
{
    for (int64_t i = 0; i < rows * p->model->outputs; i++) {
        int64_t k = i % p->target_columns;
        values[i] = values[i] * p->target_scale[k] + p->target_shift[k];
    }
}

/* As for training: an answer to what is no number would look like any other. */
static pp_status check_rows(const predictor *p, int64_t first, int64_t rows, pp_error *err)
{
    int64_t inputs = p->model->inputs;
    for (int64_t i = 0; i < rows * inputs; i++) {
        char place[512];
        if (isfinite(p->rows[i])) continue;
        pp_h5_locate_value(p->x, first + i / inputs, i % inputs, place, sizeof place);
        return pp_fail(err, PP_E_DATA, "%s is not a finite number; remove or repair the row",
                       place);
    }
    return PP_OK;
}

/* Block b of the file, if there is one, into p->out. */
static pp_status predict_block(predictor *p, int64_t b, pp_error *err)
{
    int64_t first = b * p->block, inputs = p->model->inputs, outputs = p->model->outputs;
    int64_t rows = pp_h5_rows(p->x) - first;
    if (rows <= 0) return PP_OK;
    if (rows > p->block) rows = p->block;
    pp_status status = p->wide_shift != NULL ? pp_h5_read_f64(p->x, first, rows, p->doubles, err)
                                             : pp_h5_read_f32(p->x, first, rows, p->rows, err);
    if (status != PP_OK) return status;
    if (p->wide_shift != NULL)
        pp_standardise_doubles(rows, inputs, p->doubles, p->wide_shift, p->wide_scale, p->rows);
    for (int64_t i = 0; p->shift != NULL && i < rows; i++)
        for (int64_t j = 0; j < inputs; j++)
            p->rows[i * inputs + j] = (p->rows[i * inputs + j] - p->shift[j]) * p->scale[j];
    status = check_rows(p, first, rows, err);
    if (status != PP_OK) return status;
    p->backend->upload(p->device, p->x_device, p->rows, (size_t)(rows * inputs) * sizeof(float));
    const float *z = pp_pass_forward(p->pass, p->params, p->x_device, &rows, 0);
    p->backend->download(p->device, p->out, z, (size_t)(rows * outputs) * sizeof(float));
    pp_loss_predict(&p->loss, &p->job->model, rows, p->out, p->out + p->block * outputs);
    if (p->target_shift != NULL) to_units_of_file(p, rows, p->out + p->block * outputs);
    return PP_OK;
}

static int64_t class_of(const float *p, int64_t outputs)
{
    if (outputs == 1) return p[0] >= 0.5f;
    int64_t best = 0;
    for (int64_t k = 1; k < outputs; k++)
        if (p[k] > p[best]) best = k;
    return best;
}

static pp_status write_block(predictor *p, pp_h5_writer *writer, int64_t b, const float *out,
                             pp_error *err)
{
    int64_t first = b * p->block, outputs = p->model->outputs, rows = pp_h5_rows(p->x) - first;
    const float *probability = out + p->block * outputs;
    if (rows <= 0) return PP_OK;
    if (rows > p->block) rows = p->block;
    pp_status status = pp_h5_writer_put(writer, "/raw", first, rows, PP_H5_F32, out, err);
    if (status == PP_OK)
        status = pp_h5_writer_put(writer, "/p", first, rows, PP_H5_F32, probability, err);
    if (status != PP_OK || p->job->data.task == PP_TASK_REGRESSION) return status;
    int64_t classes[PP_BLOCK_ROWS];
    for (int64_t i = 0; i < rows; i++) {
        classes[i] = class_of(probability + i * outputs, outputs);
        p->answers[classes[i]]++;
    }
    return pp_h5_writer_put(writer, "/class", first, rows, PP_H5_I64, classes, err);
}

static pp_status write_names(const predictor *p, pp_h5_writer *writer, pp_error *err)
{
    pp_status status =
        pp_h5_writer_names(writer, "/p", "classes", p->origin.classes, p->origin.n_classes, err);
    if (status != PP_OK || p->job->data.task == PP_TASK_REGRESSION) return status;
    return pp_h5_writer_names(writer, "/class", "classes", p->origin.classes, p->origin.n_classes,
                              err);
}

static pp_status open_output(predictor *p, const char *output, pp_h5_writer **writer, pp_error *err)
{
    int64_t dims[2] = {pp_h5_rows(p->x), p->model->outputs};
    pp_status status = pp_h5_writer_create(output, writer, err);
    if (status != PP_OK) return status;
    status = pp_h5_writer_add(*writer, "/raw", PP_H5_F32, 2, dims, 0, err);
    if (status == PP_OK) status = pp_h5_writer_add(*writer, "/p", PP_H5_F32, 2, dims, 0, err);
    if (status == PP_OK && p->job->data.task != PP_TASK_REGRESSION)
        status = pp_h5_writer_add(*writer, "/class", PP_H5_I64, 1, dims, 0, err);
    if (status == PP_OK && p->origin.classes != NULL) status = write_names(p, *writer, err);
    if (status == PP_OK) status = pp_h5_writer_note(*writer, "job", p->job->name, err);
    if (status == PP_OK)
        status =
            pp_h5_writer_note(*writer, "model_crc32", pp_tensorfile_note(p->file, "crc32"), err);
    return status;
}

/* Rounds of one block a rank; rank 0 writes them in file order. */
static pp_status predict_all(predictor *p, pp_h5_writer *writer, pp_error *err)
{
    int rank = pp_comm_rank(p->comm), ranks = pp_comm_size(p->comm);
    int64_t blocks = (pp_h5_rows(p->x) + p->block - 1) / p->block;
    int64_t floats = 2 * p->block * p->model->outputs;
    pp_status status = PP_OK;
    for (int64_t round = 0; round < blocks && status == PP_OK; round += ranks) {
        status = predict_block(p, round + rank, err);
        pp_comm_gather(p->comm, 0, p->out, (size_t)floats * sizeof(float), p->all);
        for (int r = 0; rank == 0 && r < ranks && status == PP_OK; r++)
            status = write_block(p, writer, round + r, p->all + r * floats, err);
        status = pp_comm_agree(p->comm, status, err);
    }
    return status;
}

static void release(predictor *p)
{
    if (p->device != NULL) {
        pp_pass_destroy(p->pass);
        p->backend->release(p->device, p->params);
        p->backend->release(p->device, p->x_device);
        p->backend->close(p->device);
    }
    pp_h5_close(p->x);
    pp_job_destroy(p->job);
    pp_tensorfile_destroy(p->file);
    pp_arena_destroy(p->arena);
}

static pp_status take_result(const predictor *p, pp_prediction *to, pp_error *err)
{
    *to = (pp_prediction){
        .rows = pp_h5_rows(p->x), .moved = p->moved, .unnamed = p->unnamed, .classes = p->classes};
    if (p->classes == 0) return PP_OK;
    to->answers = calloc((size_t)p->classes, sizeof *to->answers);
    int complete = to->answers != NULL;
    if (complete) memcpy(to->answers, p->answers, (size_t)p->classes * sizeof *to->answers);
    int named = p->origin.n_classes == p->classes;
    if (named) to->class_names = calloc((size_t)p->classes, sizeof *to->class_names);
    for (int64_t k = 0; named && to->class_names != NULL && k < p->classes; k++) {
        to->class_names[k] = strdup(p->origin.classes[k]);
        complete = complete && to->class_names[k] != NULL;
    }
    if (complete && (!named || to->class_names != NULL)) return PP_OK;
    pp_prediction_free(to);
    return pp_fail(err, PP_E_MEMORY, "out of memory");
}

void pp_prediction_free(pp_prediction *prediction)
{
    for (int64_t k = 0; prediction->class_names != NULL && k < prediction->classes; k++)
        free(prediction->class_names[k]);
    free(prediction->class_names);
    free(prediction->answers);
    memset(prediction, 0, sizeof *prediction);
}

pp_status pp_predict(pp_comm *comm, const char *run, const char *data, const char *x,
                     const char *output, pp_prediction *prediction, pp_error *err)
{
    predictor p = {.comm = comm};
    pp_h5_writer *writer = NULL;
    pp_status status = pp_comm_agree(comm, prepare(&p, run, data, x, err), err);
    if (status == PP_OK) status = pp_data_compare(comm, &p.x, 1, &data, 1, err);
    if (status == PP_OK) {
        if (pp_comm_rank(comm) == 0) status = open_output(&p, output, &writer, err);
        status = pp_comm_agree(comm, status, err);
    }
    if (status == PP_OK) status = predict_all(&p, writer, err);
    if (status == PP_OK && writer != NULL) {
        status = pp_h5_writer_close(writer, err);
        writer = NULL;
    }
    if (writer != NULL) pp_h5_writer_abandon(writer);
    status = pp_comm_agree(comm, status, err);
    memset(prediction, 0, sizeof *prediction);
    if (status == PP_OK) status = pp_comm_agree(comm, take_result(&p, prediction, err), err);
    release(&p);
    return status;
}
