/* The order of things: open, time a few windows, scan y, scan x and y, judge. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"
#include "base/stop.h"

static const int64_t block_values = (int64_t)2 << 20; /* 8 MiB of x */
enum { MOST_BLOCK_ROWS = 1 << 16, MOST_FEATURES = 1 << 20 };

/* ---- opening ---- */

static pp_status list_files(pp__scan *scan, pp_error *err)
{
    const pp_job_data *data = &scan->job->data;
    const char **train, **held;
    int n_held = 0;
    pp_status status =
        pp_data_expand(scan->arena, data->files, data->n_files, &train, &scan->n_train_files, err);
    if (status == PP_OK)
        status = pp_data_expand(scan->arena, data->validation_files, data->n_validation_files,
                                &held, &n_held, err);
    if (status != PP_OK) return status;
    scan->n_files = scan->n_train_files + n_held;
    scan->files = PP_ARENA_NEW(scan->arena, const char *, scan->n_files);
    scan->file_first = PP_ARENA_NEW(scan->arena, int64_t, scan->n_files + 1);
    if (scan->files == NULL || scan->file_first == NULL) return pp__inspect_no_memory(err);
    for (int f = 0; f < scan->n_files; f++)
        scan->files[f] = f < scan->n_train_files ? train[f] : held[f - scan->n_train_files];
    return PP_OK;
}

static pp_status count_rows(pp__scan *scan, pp_error *err)
{
    for (int f = 0; f < scan->n_files; f++)
        scan->file_first[f + 1] = scan->file_first[f] + pp_h5_file_rows(scan->x, f);
    scan->rows = scan->file_first[scan->n_files];
    scan->train_rows = scan->file_first[scan->n_train_files];
    const char *name = scan->job->data.x[0];
    if (scan->train_rows > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: /%s has no rows%s", scan->files[0],
                   name + strspn(name, "/"),
                   scan->n_train_files > 1 ? ", nor have the files after it" : "");
}

/* Whole chunks where several of them fit. */
static int64_t choose_block(const pp__scan *scan)
{
    int64_t chunk = pp_h5_chunk_rows(scan->x);
    int64_t wide = scan->inputs > scan->y_columns ? scan->inputs : scan->y_columns;
    int64_t rows = block_values / wide;
    if (rows > MOST_BLOCK_ROWS) rows = MOST_BLOCK_ROWS;
    if (rows < 1) rows = 1;
    return chunk > 0 && chunk < rows ? rows / chunk * chunk : rows;
}

static pp_status open_files(pp__scan *scan, pp_error *err)
{
    const pp_job_data *data = &scan->job->data;
    pp_status status = list_files(scan, err);
    if (status == PP_OK)
        status = pp_data_open_x(data, scan->files, scan->n_files, NULL, &scan->x, err);
    if (status == PP_OK) status = pp_data_open_y(data, scan->files, scan->n_files, &scan->y, err);
    if (status == PP_OK)
        status = pp_data_check_rows(scan->files, scan->n_files, scan->x, data->x[0], scan->y,
                                    data->y, err);
    if (status == PP_OK) status = count_rows(scan, err);
    if (status != PP_OK) return status;
    scan->inputs = pp_h5_columns(scan->x);
    scan->y_columns = pp_h5_columns(scan->y);
    if (scan->inputs > MOST_FEATURES)
        return pp_fail(err, PP_E_UNSUPPORTED, "%s: %lld features are too many to inspect (%d)",
                       scan->files[0], (long long)scan->inputs, MOST_FEATURES);
    scan->block_rows = choose_block(scan);
    int64_t blocks = (scan->rows + scan->block_rows - 1) / scan->block_rows;
    int64_t rank = pp_comm_rank(scan->comm), ranks = pp_comm_size(scan->comm);
    scan->first = blocks * rank / ranks * scan->block_rows;
    scan->end = blocks * (rank + 1) / ranks * scan->block_rows;
    if (scan->first > scan->rows) scan->first = scan->rows;
    if (scan->end > scan->rows) scan->end = scan->rows;
    return PP_OK;
}

static pp_status make_report(pp__scan *scan, pp_error *err)
{
    pp_arena *arena = pp_arena_create();
    if (arena == NULL) return pp__inspect_no_memory(err);
    pp_inspection *r = scan->report = PP_ARENA_NEW(arena, pp_inspection, 1);
    if (r == NULL) {
        pp_arena_destroy(arena);
        return pp__inspect_no_memory(err);
    }
    r->arena = arena;
    r->rows = scan->rows;
    r->held_out_rows = scan->rows - scan->train_rows;
    r->inputs = scan->inputs;
    r->x_shape.n_dims = pp_h5_row_shape(scan->x, r->x_shape.size, PP_MOST_DIMS - 1);
    r->y_columns = scan->y_columns;
    r->n_files = scan->n_files;
    r->features = PP_ARENA_NEW(arena, pp_inspection_feature, r->inputs);
    if (r->features == NULL) return pp__inspect_no_memory(err);
    return pp_data_column_names(scan->x, arena, &r->column_names, err);
}

void pp_inspection_destroy(pp_inspection *inspection)
{
    if (inspection != NULL) pp_arena_destroy(inspection->arena);
}

/* ---- scanning ---- */

typedef struct parts {
    pp__sample *sample;
    pp__targets *targets;
    pp__features *features;
    pp__repeats *repeats;
    pp__order *order;
} parts;

static pp_status hand_out(pp__scan *scan, parts *p, const pp__rows *rows, pp_error *err)
{
    pp__sample_add(p->sample, scan, rows);
    if (rows->x == NULL) {
        pp__targets_add(p->targets, rows);
        return PP_OK;
    }
    pp__features_add(p->features, rows);
    pp__order_add(p->order, rows);
    pp__series_add(scan, rows);
    return pp__repeats_add(p->repeats, rows, err);
}

/* wide NULL: float32 holds what the types of x hold. */
static pp_status read_x(pp__scan *scan, int64_t first, int64_t rows, float *x, double *wide,
                        pp_error *err)
{
    if (wide == NULL) return pp_h5_read_f32(scan->x, first, rows, x, err);
    pp_status status = pp_h5_read_f64(scan->x, first, rows, wide, err);
    for (int64_t i = 0; status == PP_OK && i < rows * scan->inputs; i++)
        x[i] = (float)wide[i];
    return status;
}

/* x [1 + block_rows, inputs] or NULL: not read; y likewise: the row before the block stands in
 * front. It is read for the first block alone, so that no chunk is inflated for it again. */
static pp_status read_blocks(pp__scan *scan, parts *p, float *x, double *wide, float *y,
                             pp_error *err)
{
    int64_t inputs = scan->inputs, columns = scan->y_columns;
    for (int64_t at = scan->first, count; at < scan->end; at += count) {
        count = scan->end - at < scan->block_rows ? scan->end - at : scan->block_rows;
        int64_t early = at == scan->first && at > 0, from = 1 - early;
        pp_status status = pp_stop_check(err);
        if (status == PP_OK)
            status = pp_h5_read_f32(scan->y, at - early, count + early, y + from * columns, err);
        if (status == PP_OK && x != NULL)
            status = read_x(scan, at - early, count + early, x + from * inputs,
                            wide == NULL ? NULL : wide + from * inputs, err);
        if (status != PP_OK) return status;
        pp__rows rows = {at,
                         count,
                         x == NULL ? NULL : x + inputs,
                         wide == NULL ? NULL : wide + inputs,
                         y + columns,
                         at > 0 ? x : NULL,
                         at > 0 ? y : NULL};
        status = hand_out(scan, p, &rows, err);
        if (status != PP_OK) return status;
        if (x != NULL) memcpy(x, x + count * inputs, (size_t)inputs * sizeof *x);
        memcpy(y, y + count * columns, (size_t)columns * sizeof *y);
    }
    return PP_OK;
}

static pp_status scan_rows(pp__scan *scan, parts *p, int with_x, pp_error *err)
{
    size_t rows = (size_t)scan->block_rows + 1;
    float *x = with_x ? malloc(rows * (size_t)scan->inputs * sizeof *x) : NULL;
    float *y = malloc(rows * (size_t)scan->y_columns * sizeof *y);
    int is_wide = with_x && !pp_h5_is_single(scan->x);
    double *wide = is_wide ? malloc(rows * (size_t)scan->inputs * sizeof *wide) : NULL;
    int complete = y != NULL && (!with_x || x != NULL) && (!is_wide || wide != NULL);
    pp_status status =
        complete ? read_blocks(scan, p, x, wide, y, err) : pp__inspect_no_memory(err);
    free(wide);
    free(x);
    free(y);
    return pp_comm_agree(scan->comm, status, err);
}

static pp_status scan_targets(pp__scan *scan, parts *p, pp_error *err)
{
    pp_status status = pp__sample_start(scan, &p->sample, err);
    if (status == PP_OK) status = pp__targets_start(scan, &p->targets, err);
    status = pp_comm_agree(scan->comm, status, err);
    if (status != PP_OK) return status;
    pp__sample_share(p->sample, scan);
    status = scan_rows(scan, p, 0, err);
    if (status != PP_OK) return status;
    pp__targets_finish(p->targets, scan);
    return pp__sample_finish_y(p->sample, scan, err);
}

static pp_status finish_all(pp__scan *scan, parts *p, pp_error *err)
{
    pp_status status = pp__features_finish(p->features, scan, err);
    status = pp_comm_agree(scan->comm, status, err);
    if (status == PP_OK)
        status = pp_comm_agree(scan->comm, pp__sample_finish_x(p->sample, scan, err), err);
    if (status == PP_OK)
        status = pp_comm_agree(scan->comm, pp__order_finish(p->order, scan, err), err);
    if (status != PP_OK) return status;
    pp__series_finish(scan);
    return pp_comm_agree(scan->comm, pp__repeats_finish(p->repeats, p->sample, scan, err), err);
}

static pp_status scan_all(pp__scan *scan, parts *p, pp_error *err)
{
    pp_status status = pp__features_start(scan, &p->features, err);
    if (status == PP_OK) status = pp__repeats_start(scan, &p->repeats, err);
    if (status == PP_OK) status = pp__order_start(scan, p->sample->spike, &p->order, err);
    status = pp_comm_agree(scan->comm, status, err);
    if (status == PP_OK) status = scan_rows(scan, p, 1, err);
    return status == PP_OK ? finish_all(scan, p, err) : status;
}

static pp_status scan_twice(pp__scan *scan, pp_inspection_timing *timing, pp_error *err)
{
    parts p = {NULL};
    double start = pp_comm_seconds();
    pp_status status = scan_targets(scan, &p, err);
    if (status == PP_OK) status = scan_all(scan, &p, err);
    pp__repeats_free(p.repeats);
    pp__sample_free(p.sample);
    timing->pass_seconds = pp_comm_seconds() - start;
    timing->pass_rows_s = (double)scan->rows / timing->pass_seconds;
    return status;
}

static pp_status inspect(pp__scan *scan, pp_error *err)
{
    pp_inspection_timing timing;
    pp_status status = pp_comm_agree(scan->comm, open_files(scan, err), err);
    pp_h5_set *sets[] = {scan->x, scan->y};
    if (status == PP_OK)
        status = pp_data_compare(scan->comm, sets, 2, scan->files, scan->n_files, err);
    if (status == PP_OK && pp__is_root(scan)) status = make_report(scan, err);
    if (status == PP_OK && pp__is_root(scan)) status = pp__inspect_layout(scan, err);
    status = pp_comm_agree(scan->comm, status, err);
    if (status == PP_OK) status = pp__time_windows(scan, &timing, err);
    if (status == PP_OK) status = scan_twice(scan, &timing, err);
    if (status != PP_OK) return status;
    if (pp__is_root(scan)) {
        scan->report->timing = timing;
        status = pp__look_for_slip(scan, err);
        if (status == PP_OK) status = pp__judge(scan, err);
    }
    return pp_comm_agree(scan->comm, status, err);
}

pp_status pp_inspect(pp_comm *comm, const pp_job *job, pp_inspection **inspection, pp_error *err)
{
    pp__scan scan = {.job = job, .comm = comm, .arena = pp_arena_create()};
    pp_status status = scan.arena == NULL ? pp__inspect_no_memory(err) : PP_OK;
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) status = inspect(&scan, err);
    pp_h5_close(scan.x);
    pp_h5_close(scan.y);
    pp_arena_destroy(scan.arena);
    if (status != PP_OK) {
        pp_inspection_destroy(scan.report);
        return status;
    }
    *inspection = scan.report;
    return PP_OK;
}
