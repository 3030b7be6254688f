/* One look at the rows that this rank will stream: values that are not finite, and moments. */
#include "residency_internal.h"

#include <string.h>

#include "base/stop.h"

typedef struct look {
    pp__data_residency *set;
    pp__moments *moments;  /* NULL: not wanted */
    float *x, *y, *weight; /* [most, inputs], [most, y_columns], [most] */
    double *doubles;       /* [most, inputs] the same of the files; NULL: not wanted */
    int64_t most;
    int64_t *bad_row; /* the lowest so far */
    pp_error *bad, *err;
} look;

static void note_fault(look *l, const pp__source *s, int64_t row, const float *x)
{
    if (s->first + row >= *l->bad_row || !pp__has_fault(x, l->set->rows->info.inputs)) return;
    *l->bad_row = s->first + row;
    pp__tell_fault(s, row, x, l->bad);
}

/* Rows [first, first + rows) into x, and into doubles where wanted. */
static pp_status read_x(look *l, const pp__source *s, int64_t first, int64_t rows)
{
    pp_status status = pp_stop_check(l->err);
    if (status != PP_OK) return status;
    if (l->doubles == NULL) return pp_h5_read_f32(s->x, first, rows, l->x, l->err);
    status = pp_h5_read_f64(s->x, first, rows, l->doubles, l->err);
    for (int64_t i = 0; status == PP_OK && i < rows * l->set->rows->info.inputs; i++)
        l->x[i] = (float)l->doubles[i];
    return status;
}

/* Of row `at` of those read, with what float32 cuts. */
static uint64_t fingerprint_of(const look *l, int64_t row, int64_t at)
{
    int64_t inputs = l->set->rows->info.inputs, cut = 0;
    const float *x = l->x + at * inputs;
    const double *doubles = l->doubles == NULL ? NULL : l->doubles + at * inputs;
    for (int64_t k = 0; doubles != NULL && k < inputs; k++)
        cut += (double)x[k] != doubles[k];
    return pp__row_fingerprint(row, x, inputs) +
           (cut > 0 ? pp__double_fingerprint(row, doubles, inputs) : 0);
}

static void measure(const look *l, int64_t at)
{
    int64_t from = at * l->set->rows->info.inputs;
    if (l->moments == NULL) return;
    if (l->doubles == NULL)
        pp__moments_add(l->moments, l->x + from, 1);
    else
        pp__moments_add_doubles(l->moments, l->doubles + from, 1);
}

static pp_status look_at_piece(look *l, const pp__piece *piece)
{
    const pp__data_residency *set = l->set;
    const pp__source *s = &set->rows->source[PP__TRAINING];
    if (l->moments != NULL) pp__moments_begin(l->moments);
    for (int64_t at = 0; at < piece->rows; at += l->most) {
        int64_t rows = piece->rows - at < l->most ? piece->rows - at : l->most;
        int64_t first = piece->first_row + at;
        pp_status status = read_x(l, s, first, rows);
        if (status != PP_OK) return status;
        for (int64_t i = 0; i < rows; i++) {
            const float *x = l->x + i * set->rows->info.inputs;
            if (set->rows->times[first + i] == 0) continue;
            note_fault(l, s, first + i, x);
            int is_owned = at + i > 0 || piece->first_copy == 0;
            if (!is_owned) continue;
            l->set->x_fingerprint += fingerprint_of(l, s->first + first + i, i);
            measure(l, i);
        }
    }
    if (l->moments != NULL) pp__moments_end(l->moments);
    return PP_OK;
}

static pp_status look_at_pieces(look *l, pp_arena *scratch)
{
    int64_t *sorted = pp__sort_pieces(l->set, scratch);
    pp_status status = sorted == NULL ? pp__data_no_memory(l->err) : PP_OK;
    for (int64_t i = 0; status == PP_OK && i < l->set->share->n_pieces; i++)
        status = look_at_piece(l, &l->set->share->pieces[sorted[i]]);
    return status;
}

/* Rows [first, first + rows), the targets too where they will be kept. */
static pp_status read_held_out(look *l, const pp__source *s, int64_t first, int64_t rows)
{
    pp_status status = read_x(l, s, first, rows);
    if (status != PP_OK || l->set->held.at.x == NULL) return status;
    return pp__targets(l->set->rows, s, first, rows, l->y, l->weight, l->err);
}

/* Held-out row number `held` is row `at` of those read. */
static void keep_held_out(const look *l, const pp__source *s, int64_t held, int64_t at)
{
    const pp__data_residency *set = l->set;
    size_t inputs = (size_t)set->rows->info.inputs, columns = (size_t)set->rows->info.y_columns;
    const float *y = l->y + (size_t)at * columns;
    memcpy(set->held.at.x + (size_t)held * inputs, l->x + (size_t)at * inputs,
           inputs * sizeof(float));
    memcpy(set->held.at.y + (size_t)held * columns, y, columns * sizeof(float));
    set->held.at.weight[held] = pp__weight_of(set->rows, y, s->weights == NULL ? 1 : l->weight[at]);
}

static pp_status look_at_held_out(look *l)
{
    const pp__data_residency *set = l->set;
    const pp__source *s = &set->rows->source[set->rows->n_sources - 1];
    for (int64_t i = 0; i < set->held.rows;) {
        const int64_t *index = set->held.at.index + i;
        int64_t n = 1, left = set->held.rows - i;
        while (n < left && index[n] - index[0] < l->most)
            n++;
        int64_t first = index[0] - s->first;
        pp_status status = read_held_out(l, s, first, index[n - 1] + 1 - index[0]);
        if (status != PP_OK) return status;
        for (int64_t k = 0; k < n; k++) {
            int64_t at = index[k] - index[0];
            const float *x = l->x + at * set->rows->info.inputs;
            note_fault(l, s, first + at, x);
            l->set->x_fingerprint += fingerprint_of(l, index[k], at);
            if (set->held.at.x != NULL) keep_held_out(l, s, i + k, at);
        }
        i += n;
    }
    return PP_OK;
}

pp_status pp__look_at_rows(pp__data_residency *set, pp__moments *moments, int64_t *bad_row,
                           pp_error *bad, pp_error *err)
{
    static const int64_t bytes = (int64_t)4 << 20;
    look l = {.set = set, .moments = moments, .bad_row = bad_row, .bad = bad, .err = err};
    l.most = bytes / (set->rows->info.inputs * (int64_t)sizeof(float)) + 1;
    pp_arena *scratch = pp_arena_create();
    if (scratch == NULL) return pp__data_no_memory(err);
    l.x = PP_ARENA_NEW(scratch, float, l.most * set->rows->info.inputs);
    l.y = PP_ARENA_NEW(scratch, float, l.most * set->rows->info.y_columns);
    l.weight = PP_ARENA_NEW(scratch, float, l.most);
    if (set->reads_doubles)
        l.doubles = PP_ARENA_NEW(scratch, double, l.most * set->rows->info.inputs);
    int ok = l.x != NULL && l.y != NULL && l.weight != NULL &&
             (l.doubles != NULL || !set->reads_doubles);
    pp_status status = ok ? look_at_pieces(&l, scratch) : pp__data_no_memory(err);
    if (status == PP_OK) status = look_at_held_out(&l);
    pp_arena_destroy(scratch);
    return status;
}

pp_status pp__reread_held_out(pp__data_residency *set, pp_error *err)
{
    const pp__source *s = &set->rows->source[set->rows->n_sources - 1];
    int64_t inputs = set->rows->info.inputs;
    if (set->held.at.x == NULL) return PP_OK;
    pp_arena *arena = pp_arena_create();
    double *scratch = arena == NULL ? NULL : PP_ARENA_NEW(arena, double, pp__scratch_values(set));
    pp_status status = scratch == NULL ? pp__data_no_memory(err) : PP_OK;
    for (int64_t i = 0, n; i < set->held.rows && status == PP_OK; i += n) {
        const int64_t *index = set->held.at.index + i;
        n = 1;
        while (i + n < set->held.rows && index[n] == index[0] + n)
            n++;
        status =
            pp__read_x(set, s, index[0] - s->first, n, set->held.at.x + i * inputs, scratch, err);
    }
    pp_arena_destroy(arena);
    return status;
}
