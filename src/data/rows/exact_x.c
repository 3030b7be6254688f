/* Columns of x whose values are told apart in the file and not as float32, which is trained on
 * where nothing is standardised. */
#include "rows_internal.h"

#include <stdlib.h>

enum { SAMPLE_ROWS = 4096, SAMPLE_VALUES = 1 << 20 };

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* sorted [rows]: whether a tenth of its different values are equal as float32. */
static int collapses(const double *sorted, int64_t rows)
{
    int64_t doubles = 1, floats = 1;
    for (int64_t i = 1; i < rows; i++) {
        doubles += sorted[i] != sorted[i - 1];
        floats += (float)sorted[i] != (float)sorted[i - 1];
    }
    return floats < doubles - doubles / 10;
}

/* The first rows: files are often in the order of time, where neighbours are the closest. */
pp_status pp__find_collapsed(pp__data_rows *set, pp_error *err)
{
    const pp__source *s = &set->source[PP__TRAINING];
    int64_t inputs = set->info.inputs, rows = SAMPLE_VALUES / inputs;
    set->info.collapsed_column = -1;
    if (set->standardise || pp_h5_is_single(s->x)) return PP_OK;
    if (rows > SAMPLE_ROWS) rows = SAMPLE_ROWS;
    if (rows > s->rows) rows = s->rows;
    if (rows < 2) return PP_OK;
    double *x = malloc((size_t)(rows * inputs) * sizeof *x);
    double *column = malloc((size_t)rows * sizeof *column);
    pp_status status = x == NULL || column == NULL ? pp__data_no_memory(err)
                                                   : pp_h5_read_f64(s->x, 0, rows, x, err);
    for (int64_t k = 0; status == PP_OK && k < inputs && set->info.collapsed_column < 0; k++) {
        for (int64_t i = 0; i < rows; i++)
            column[i] = x[i * inputs + k];
        qsort(column, (size_t)rows, sizeof *column, by_value);
        if (collapses(column, rows)) set->info.collapsed_column = k;
    }
    free(column);
    free(x);
    return status;
}
