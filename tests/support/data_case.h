/* Small data files, and jobs that read them. Column 0 of x is the row's number in the whole set, so
 * that a test sees which row it was given. */
#ifndef PITPROP_TESTS_DATA_CASE_H
#define PITPROP_TESTS_DATA_CASE_H

#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "store/h5.h"
#include "support/scratch.h"

typedef struct data_file {
    int64_t first, rows; /* rows [first, first + rows) of the set */
    int64_t inputs;
    int64_t y_columns; /* 0: 1 */
    int64_t chunk;     /* rows of a chunk of x, 0: contiguous */
    pp_h5_type y_type;
    double (*y)(int64_t row, int64_t column);
    double (*weight)(int64_t row);            /* NULL: no data set "w" */
    double (*x)(int64_t row, int64_t column); /* NULL: data_x */
    int64_t y_rows;                           /* 0: as rows */
} data_file;

static inline double data_x(int64_t row, int64_t column)
{
    return column == 0 ? (double)row : (double)((row * 37 + column * 101) % 1009) * 0.125 - 50;
}

static inline double data_two_classes(int64_t row, int64_t column)
{
    (void)column;
    return row % 7 == 3;
}

static inline double data_four_classes(int64_t row, int64_t column)
{
    (void)column;
    return row % 10 == 0 ? 3 : row % 5 == 1 ? 2 : row % 3 == 0;
}

static inline double data_real(int64_t row, int64_t column)
{
    return (double)(row % 101) * 0.5 + (double)column;
}

/* Values [rows, columns] of f, from row `first` on. */
static inline double *data_values(int64_t first, int64_t rows, int64_t columns,
                                  double (*f)(int64_t, int64_t))
{
    double *values = malloc(sizeof *values * (size_t)(rows * columns + 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    for (int64_t i = 0; i < rows * columns; i++)
        values[i] = f(first + i / columns, i % columns);
    return values;
}

static inline void data_put(pp_h5_writer *w, const char *name, pp_h5_type type, int64_t rows,
                            int64_t columns, int64_t chunk, const double *values)
{
    int64_t dims[2] = {rows, columns};
    CU_ASSERT_EQUAL(pp_h5_writer_add(w, name, type, columns == 1 ? 1 : 2, dims, chunk, NULL),
                    PP_OK);
    if (rows > 0)
        CU_ASSERT_EQUAL(pp_h5_writer_put(w, name, 0, rows, PP_H5_F64, values, NULL), PP_OK);
}

static inline void data_write(const char *path, const data_file *f)
{
    int64_t y_rows = f->y_rows > 0 ? f->y_rows : f->rows;
    int64_t y_columns = f->y_columns > 0 ? f->y_columns : 1;
    double *x = data_values(f->first, f->rows, f->inputs, f->x != NULL ? f->x : data_x);
    double *y = data_values(f->first, y_rows, y_columns, f->y);
    double *weights = malloc(sizeof *weights * (size_t)(f->rows + 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(weights);
    pp_h5_writer *w;
    CU_ASSERT_EQUAL_FATAL(pp_h5_writer_create(path, &w, NULL), PP_OK);
    data_put(w, "x", PP_H5_F32, f->rows, f->inputs, f->chunk, x);
    data_put(w, "y", f->y_type, y_rows, y_columns, 0, y);
    for (int64_t i = 0; f->weight != NULL && i < f->rows; i++)
        weights[i] = f->weight(f->first + i);
    if (f->weight != NULL) data_put(w, "w", PP_H5_F64, f->rows, 1, 0, weights);
    CU_ASSERT_EQUAL(pp_h5_writer_close(w, NULL), PP_OK);
    free(x);
    free(y);
    free(weights);
}

/* What a job file with only data.files, training.batch and training.lanes would give. */
static inline pp_job data_job(const char **files, int n_files, int64_t batch, int64_t lanes)
{
    static const char *x = "/x";
    pp_job job = {.name = "test", .output = "", .seed = 5};
    job.data.files = files;
    job.data.n_files = n_files;
    job.data.x = &x;
    job.data.n_x = 1;
    job.data.target_column = "";
    job.data.y = "/y";
    job.data.row_weights = "";
    job.data.groups = "";
    job.data.classes = PP_AUTO;
    job.data.validation_fraction = 0.1;
    job.data.shuffle = 1;
    job.data.window = PP_AUTO;
    job.data.memory = PP_AUTO;
    job.data.open_windows = 4;
    job.loss.type = PP_LOSS_AUTO;
    job.training.batch = batch;
    job.training.lanes = lanes;
    return job;
}

static inline pp_rows data_rows(const pp_dataset_info *info, int64_t rows)
{
    size_t n = (size_t)rows + 1; /* a share may be empty */
    pp_rows r = {.x = malloc(sizeof(float) * n * (size_t)info->inputs),
                 .y = malloc(sizeof(float) * n * (size_t)info->y_columns),
                 .weight = malloc(sizeof(float) * n),
                 .index = malloc(sizeof(int64_t) * n)};
    CU_ASSERT_TRUE_FATAL(r.x && r.y && r.weight && r.index);
    return r;
}

static inline void data_free_rows(pp_rows *r)
{
    free(r->x);
    free(r->y);
    free(r->weight);
    free(r->index);
}

/* Opens and loads; NULL and the message in err where that fails. */
static inline pp_dataset *data_load(pp_comm *comm, const pp_job *job, pp_error *err)
{
    static int64_t cut[PP_MAX_LANES + 1];
    pp_dataset *set = NULL;
    err->text[0] = '\0';
    if (pp_dataset_open(comm, job, &set, err) != PP_OK) return NULL;
    pp_lanes_cut(job->training.batch, (int)job->training.lanes, cut);
    if (pp_dataset_load(set, comm, (int)job->training.lanes, cut, err) == PP_OK) return set;
    pp_dataset_close(set);
    return NULL;
}

#endif
