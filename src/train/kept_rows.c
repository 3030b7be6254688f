/* Predictions of single rows beside their targets, so that runs can be compared row by row: the
 * rows that the run is judged on, or a sample of them that depends on their numbers alone. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trial_internal.h"

#include "base/rng.h"
#include "store/tensorfile.h"
#include "run/run_files.h"

enum { MOST_ROWS = 16384, MOST_FLOATS = 1 << 18, INDEX = sizeof(int64_t) / sizeof(float) };

/* A record is the number of a row, its predictions and its targets. */
static int64_t width_of(const trial *t)
{
    int targets = t->shape.kind == PP_SKETCH_REGRESSION ? t->shape.columns : 1;
    return INDEX + t->shape.columns + targets;
}

static double share_of(const trial *t, pp_part part)
{
    int64_t most = MOST_FLOATS / t->shape.columns, rows = pp_dataset_part_rows(t->data, part);
    if (most > MOST_ROWS) most = MOST_ROWS;
    return rows <= most ? 1 : (double)most / (double)rows;
}

static int make_room(pp__kept *s, int64_t width)
{
    if (s->rows < s->room) return 1;
    int64_t room = 2 * s->room + PP_BLOCK_ROWS;
    float *records = realloc(s->records, (size_t)(room * width) * sizeof *records);
    if (records == NULL) return 0;
    s->records = records;
    s->room = room;
    return 1;
}

void pp__trial_forget_rows(trial *t)
{
    t->sample.rows = 0;
}

int pp__trial_keep_rows(trial *t, pp_part part, int64_t rows, const int64_t *index)
{
    pp__kept *s = &t->sample;
    int columns = t->shape.columns, regression = t->shape.kind == PP_SKETCH_REGRESSION;
    int64_t width = width_of(t);
    double share = share_of(t, part);
    pp_rng rng = pp_rng_at(0, PP_RNG_SAMPLE, 0);
    for (int64_t i = 0; i < rows; i++) {
        if (share < 1 && pp_rng_uniform(rng, (uint64_t)index[i]) >= share) continue;
        if (!make_room(s, width)) return 0;
        float *record = s->records + s->rows++ * width, *target = record + INDEX + columns;
        memcpy(record, &index[i], sizeof index[i]);
        memcpy(record + INDEX, t->sketch_p + i * columns, (size_t)columns * sizeof(float));
        if (regression)
            memcpy(target, t->sketch_t + i * columns, (size_t)columns * sizeof(float));
        else
            *target = (float)t->sketch_y[i];
    }
    return 1;
}

static int by_index(const void *left, const void *right)
{
    int64_t x, y;
    memcpy(&x, left, sizeof x);
    memcpy(&y, right, sizeof y);
    return x < y ? -1 : x > y;
}

/* Collective: the records of all ranks on rank 0, in the order of their rows; malloc'ed. */
static pp_status gather(trial *t, float **records, int64_t *rows, pp_error *err)
{
    int64_t width = width_of(t), mine = t->sample.rows * width;
    int64_t *first = malloc((size_t)(2 * t->ranks + 1) * sizeof *first);
    pp_status status = first != NULL ? PP_OK : pp_fail(err, PP_E_MEMORY, "out of memory");
    status = pp_comm_agree(t->comm, status, err);
    if (status == PP_OK) {
        int64_t *sizes = first + t->ranks + 1;
        pp_comm_all_gather(t->comm, &mine, sizeof mine, sizes);
        first[0] = 0;
        for (int r = 0; r < t->ranks; r++)
            first[r + 1] = first[r] + sizes[r];
        *records = malloc((size_t)(first[t->ranks] + 1) * sizeof **records);
        if (*records == NULL) status = pp_fail(err, PP_E_MEMORY, "no memory for a sample of rows");
        status = pp_comm_agree(t->comm, status, err);
    }
    if (status == PP_OK) {
        memcpy(*records + first[t->rank], t->sample.records, (size_t)mine * sizeof(float));
        pp_comm_gather_ranges(t->comm, 0, first, *records);
        *rows = first[t->ranks] / width;
        if (t->rank == 0) qsort(*records, (size_t)*rows, (size_t)width * sizeof(float), by_index);
    }
    free(first);
    return status;
}

/* Rank 0. */
static pp_status write_records(const trial *t, const float *records, int64_t rows, pp_error *err)
{
    int64_t columns = t->shape.columns, width = width_of(t), targets = width - INDEX - columns;
    char path[PATH_MAX];
    int64_t *index = malloc((size_t)(rows + 1) * sizeof *index);
    float *p = malloc((size_t)(rows * columns + 1) * sizeof *p);
    float *target = malloc((size_t)(rows * targets + 1) * sizeof *target);
    pp_status status = PP_OK;
    if (index == NULL || p == NULL || target == NULL)
        status = pp_fail(err, PP_E_MEMORY, "no memory for a sample of rows");
    for (int64_t i = 0; status == PP_OK && i < rows; i++) {
        const float *record = records + i * width;
        memcpy(index + i, record, sizeof *index);
        memcpy(p + i * columns, record + INDEX, (size_t)columns * sizeof *p);
        memcpy(target + i * targets, record + INDEX + columns, (size_t)targets * sizeof *target);
    }
    pp_tensor tensors[] = {{"index", PP_I64, 1, {rows}, index},
                           {"p", PP_F32, 2, {rows, columns}, p},
                           {"target", PP_F32, 2, {rows, targets}, target}};
    pp_tensor_note part = {"part", t->info->validation_rows > 0 ? "held_out" : "train"};
    if (status == PP_OK) status = pp_run_path(t->dir, PP_RUN_SAMPLE, path, err);
    if (status == PP_OK)
        status = pp_tensorfile_write_if(path, tensors, 3, &part, 1, &t->guard, err);
    free(index);
    free(p);
    free(target);
    return status;
}

pp_status pp__trial_write_sample(trial *t, pp_error *err)
{
    float *records = NULL;
    int64_t rows = 0;
    pp_status status = gather(t, &records, &rows, err);
    if (status == PP_OK && t->rank == 0) status = write_records(t, records, rows, err);
    free(records);
    return pp_comm_agree(t->comm, status, err);
}
