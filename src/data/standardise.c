/* x to mean 0 and deviation 1 per feature, measured on the training rows, each counted once.
 *
 * Sums are taken of x - x0, where x0 is the first row of the files, so that a large mean with a
 * small deviation keeps its digits. A piece is summed in double in its own order and added to an
 * exact sum: pieces do not depend on the number of ranks, and exact sums not on who adds them. */
#include "dataset_internal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "pitprop/sum.h"

enum { STRIPE = 4096 }; /* features summed together; bounds the memory that exact sums take */

typedef struct moments {
    float *origin;          /* [inputs] x0 */
    double *first, *second; /* [STRIPE] of a piece */
    pp_sum *sums;           /* [2, STRIPE] first, then second moments */
} moments;

static pp_status make_moments(pp_dataset *set, pp_arena *scratch, moments *m, pp_error *err)
{
    int64_t inputs = set->info.inputs;
    m->origin = PP_ARENA_NEW(scratch, float, inputs);
    m->first = PP_ARENA_NEW(scratch, double, STRIPE);
    m->second = PP_ARENA_NEW(scratch, double, STRIPE);
    m->sums = PP_ARENA_NEW(scratch, pp_sum, 2 * STRIPE);
    set->shift = PP_ARENA_NEW(set->arena, float, inputs);
    set->scale = PP_ARENA_NEW(set->arena, float, inputs);
    if (m->origin == NULL || m->first == NULL || m->second == NULL || m->sums == NULL ||
        set->shift == NULL || set->scale == NULL)
        return pp__no_memory(err);
    pp_status status = pp_h5_read_f32(set->source[PP__TRAINING].x, 0, 1, m->origin, err);
    for (int64_t k = 0; status == PP_OK && k < inputs; k++) /* that row may be one left out */
        if (pp__not_finite(m->origin[k]) != NULL) m->origin[k] = 0;
    return status;
}

/* Features [at, at + count) of one piece. */
static void add_piece(const pp_dataset *set, const pp__piece *piece, int64_t at, int64_t count,
                      moments *m)
{
    memset(m->first, 0, sizeof *m->first * (size_t)count);
    memset(m->second, 0, sizeof *m->second * (size_t)count);
    for (int64_t i = 0; i < piece->owned; i++) {
        const float *x = set->train.at.x + (piece->first_owned + i) * set->info.inputs + at;
        for (int64_t k = 0; k < count; k++) {
            double distance = (double)x[k] - (double)m->origin[at + k];
            m->first[k] += distance;
            m->second[k] += distance * distance;
        }
    }
    for (int64_t k = 0; piece->owned > 0 && k < count; k++) {
        pp_sum_add(&m->sums[k], m->first[k]);
        pp_sum_add(&m->sums[STRIPE + k], m->second[k]);
    }
}

static void settle(pp_dataset *set, int64_t at, int64_t count, const moments *m)
{
    double n = (double)set->distinct_rows;
    for (int64_t k = 0; k < count; k++) {
        double mean = pp_sum_value(&m->sums[k]) / n;
        double variance = pp_sum_value(&m->sums[STRIPE + k]) / n - mean * mean;
        double scale = 1 / sqrt(variance);
        double shift = (double)m->origin[at + k] + mean;
        int ok = variance > 0 && isfinite((float)scale) && (float)scale > 0;
        set->scale[at + k] = ok ? (float)scale : 1.0f;
        set->shift[at + k] = isfinite(shift) ? (float)shift : 0.0f;
    }
}

static void measure(pp_dataset *set, pp_comm *comm, moments *m)
{
    int64_t inputs = set->info.inputs;
    for (int64_t at = 0; at < inputs; at += STRIPE) {
        int64_t count = inputs - at < STRIPE ? inputs - at : STRIPE;
        memset(m->sums, 0, sizeof *m->sums * 2 * STRIPE);
        for (int64_t i = 0; i < set->n_pieces; i++)
            add_piece(set, &set->pieces[i], at, count, m);
        for (int64_t k = 0; k < 2 * STRIPE; k++)
            pp_sum_normalise(&m->sums[k]);
        _Static_assert(sizeof(pp_sum) == (PP_SUM_DIGITS + 1) * sizeof(int64_t),
                       "summed as integers");
        const int64_t words = (int64_t)(sizeof(pp_sum) / sizeof(int64_t));
        pp_comm_sum_i64(comm, (int64_t *)m->sums, count * words);
        pp_comm_sum_i64(comm, (int64_t *)(m->sums + STRIPE), count * words);
        settle(set, at, count, m);
    }
}

static void apply(const pp_dataset *set, pp__store *store)
{
    int64_t inputs = set->info.inputs;
    for (int64_t i = 0; i < store->rows; i++) {
        float *x = store->at.x + i * inputs;
        for (int64_t k = 0; k < inputs; k++)
            x[k] = (x[k] - set->shift[k]) * set->scale[k];
    }
}

pp_status pp__standardise(pp_dataset *set, pp_comm *comm, pp_error *err)
{
    moments m = {0};
    pp_arena *scratch = pp_arena_create();
    pp_status status = scratch == NULL ? pp__no_memory(err) : make_moments(set, scratch, &m, err);
    status = pp_comm_agree(comm, status, err);
    if (status == PP_OK) {
        measure(set, comm, &m);
        apply(set, &set->train);
        apply(set, &set->held);
    }
    pp_arena_destroy(scratch);
    return status;
}
