/* x to mean 0 and deviation 1 per feature, measured on the training rows, each counted once.
 *
 * float32 has steps of 128 s in a Unix time, and of 0.5 m in a northing. Where it cuts a value of a
 * training row, moments are those of the doubles of the file, and so is what is standardised, which
 * is then rounded once. Where it cuts none, float32 is all there is to know.
 *
 * Sums are taken of x - x0, where x0 is the first row of the files, so that a large mean with a
 * small deviation keeps its digits. A piece is summed in double in its own order and added to an
 * exact sum: pieces do not depend on the number of ranks, and exact sums not on who adds them. */
#include "residency_internal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "pitprop/sum.h"

struct pp__moments {
    int64_t inputs;
    double *origin;         /* [inputs] x0 */
    int cuts;               /* float32 has cut a value */
    double *first, *second; /* [inputs] of a piece */
    int64_t rows;           /* of that piece */
    double *shift, *scale;  /* [inputs] */
    pp_sum *sums;           /* [2, inputs] first, then second moments */
};

pp_status pp__moments_create(pp__data_residency *set, pp_arena *arena, pp__moments **moments,
                             pp_error *err)
{
    int64_t inputs = set->rows->info.inputs;
    pp__moments *m = PP_ARENA_NEW(arena, pp__moments, 1);
    if (m == NULL) return pp__data_no_memory(err);
    m->inputs = inputs;
    m->origin = PP_ARENA_NEW(arena, double, inputs);
    m->first = PP_ARENA_NEW(arena, double, inputs);
    m->second = PP_ARENA_NEW(arena, double, inputs);
    m->sums = PP_ARENA_NEW(arena, pp_sum, 2 * inputs);
    set->shift = PP_ARENA_NEW(set->rows->arena, float, inputs);
    set->scale = PP_ARENA_NEW(set->rows->arena, float, inputs);
    m->shift = PP_ARENA_NEW(set->rows->arena, double, inputs);
    m->scale = PP_ARENA_NEW(set->rows->arena, double, inputs);
    if (m->shift == NULL || m->scale == NULL || m->origin == NULL || m->first == NULL ||
        m->second == NULL || m->sums == NULL || set->shift == NULL || set->scale == NULL)
        return pp__data_no_memory(err);
    pp_status status = pp_h5_read_f64(set->rows->source[PP__TRAINING].x, 0, 1, m->origin, err);
    for (int64_t k = 0; status == PP_OK && k < inputs; k++) /* that row may be one left out */
        if (pp__not_finite((float)m->origin[k]) != NULL) m->origin[k] = 0;
    *moments = m;
    return status;
}

void pp__moments_begin(pp__moments *m)
{
    memset(m->first, 0, sizeof *m->first * (size_t)m->inputs);
    memset(m->second, 0, sizeof *m->second * (size_t)m->inputs);
    m->rows = 0;
}

void pp__moments_add(pp__moments *m, const float *x, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++, x += m->inputs) {
        for (int64_t k = 0; k < m->inputs; k++) {
            double distance = (double)x[k] - m->origin[k];
            m->first[k] += distance;
            m->second[k] += distance * distance;
        }
    }
    m->rows += rows;
}

void pp__moments_add_doubles(pp__moments *m, const double *x, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++, x += m->inputs) {
        for (int64_t k = 0; k < m->inputs; k++) {
            double distance = x[k] - m->origin[k];
            m->first[k] += distance;
            m->second[k] += distance * distance;
            m->cuts |= (double)(float)x[k] != x[k];
        }
    }
    m->rows += rows;
}

void pp__moments_end(pp__moments *m)
{
    for (int64_t k = 0; m->rows > 0 && k < m->inputs; k++) {
        pp_sum_add(&m->sums[k], m->first[k]);
        pp_sum_add(&m->sums[m->inputs + k], m->second[k]);
    }
}

void pp__moments_finish(pp__moments *m, pp__data_residency *set, pp_comm *comm)
{
    _Static_assert(sizeof(pp_sum) == (PP_SUM_DIGITS + 1) * sizeof(int64_t), "summed as integers");
    const int64_t words = (int64_t)(sizeof(pp_sum) / sizeof(int64_t)), inputs = m->inputs;
    const double n = (double)set->rows->distinct_rows;
    int64_t cuts = m->cuts;
    pp_comm_max_i64(comm, &cuts, 1);
    for (int64_t k = 0; k < 2 * inputs; k++)
        pp_sum_normalise(&m->sums[k]);
    pp_comm_sum_i64(comm, (int64_t *)m->sums, 2 * inputs * words);
    for (int64_t k = 0; k < inputs; k++) {
        double mean = pp_sum_value(&m->sums[k]) / n;
        double variance = pp_sum_value(&m->sums[inputs + k]) / n - mean * mean;
        double scale = 1 / sqrt(variance);
        double shift = m->origin[k] + mean;
        int ok = variance > 0 && isfinite((float)scale) && (float)scale > 0;
        m->scale[k] = ok ? scale : 1;
        m->shift[k] = isfinite(shift) ? shift : 0;
        set->scale[k] = (float)m->scale[k];
        set->shift[k] = isfinite((float)m->shift[k]) ? (float)m->shift[k] : 0.0f;
    }
    if (!cuts) return;
    set->wide_shift = m->shift;
    set->wide_scale = m->scale;
}

void pp__standardise(const pp__data_residency *set, float *x, int64_t rows)
{
    int64_t inputs = set->rows->info.inputs;
    for (int64_t i = 0; i < rows; i++, x += inputs)
        for (int64_t k = 0; k < inputs; k++)
            x[k] = (x[k] - set->shift[k]) * set->scale[k];
}

int64_t pp__scratch_values(const pp__data_residency *set)
{
    enum { SCRATCH = 1 << 16 };
    return set->rows->info.inputs > SCRATCH
               ? set->rows->info.inputs
               : SCRATCH / set->rows->info.inputs * set->rows->info.inputs;
}

pp_status pp__read_x(const pp__data_residency *set, const pp__source *s, int64_t first,
                     int64_t rows, float *x, double *scratch, pp_error *err)
{
    int64_t inputs = set->rows->info.inputs;
    if (set->wide_shift == NULL) return pp_h5_read_f32(s->x, first, rows, x, err);
    int64_t most = pp__scratch_values(set) / inputs;
    for (int64_t at = 0; at < rows; at += most) {
        int64_t count = rows - at < most ? rows - at : most;
        pp_status status = pp_h5_read_f64(s->x, first + at, count, scratch, err);
        if (status != PP_OK) return status;
        pp_standardise_doubles(count, inputs, scratch, set->wide_shift, set->wide_scale,
                               x + at * inputs);
    }
    return PP_OK;
}

void pp_standardise_doubles(int64_t rows, int64_t inputs, const double *from, const double *shift,
                            const double *scale, float *to)
{
    for (int64_t i = 0; i < rows; i++, from += inputs, to += inputs)
        for (int64_t k = 0; k < inputs; k++)
            to[k] = (float)((from[k] - shift[k]) * scale[k]);
}
