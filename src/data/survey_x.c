/* One look at the rows that this rank will stream: values that are not finite, and moments. */
#include "dataset_internal.h"

#include <stdlib.h>

typedef struct look {
    pp_dataset *set;
    pp__moments *moments; /* NULL: not wanted */
    float *x;             /* [most, inputs] */
    int64_t most;
    int64_t *bad_row; /* the lowest so far */
    pp_error *bad, *err;
} look;

static void note_fault(look *l, const pp__source *s, int64_t row, const float *x)
{
    if (s->first + row >= *l->bad_row || !pp__has_fault(x, l->set->info.inputs)) return;
    *l->bad_row = s->first + row;
    pp__tell_fault(l->set, s, row, x, l->bad);
}

static pp_status look_at_piece(look *l, const pp__piece *piece)
{
    const pp_dataset *set = l->set;
    const pp__source *s = &set->source[PP__TRAINING];
    if (l->moments != NULL) pp__moments_begin(l->moments);
    for (int64_t at = 0; at < piece->rows; at += l->most) {
        int64_t rows = piece->rows - at < l->most ? piece->rows - at : l->most;
        int64_t first = piece->first_row + at;
        pp_status status = pp_h5_read_f32(s->x, first, rows, l->x, l->err);
        if (status != PP_OK) return status;
        for (int64_t i = 0; i < rows; i++) {
            const float *x = l->x + i * set->info.inputs;
            if (set->times[first + i] == 0) continue;
            note_fault(l, s, first + i, x);
            int is_owned = at + i > 0 || piece->first_copy == 0;
            if (is_owned && l->moments != NULL) pp__moments_add(l->moments, x, 1);
        }
    }
    if (l->moments != NULL) pp__moments_end(l->moments);
    return PP_OK;
}

static pp_status look_at_pieces(look *l, pp_arena *scratch)
{
    int64_t *sorted = pp__sort_pieces(l->set, scratch);
    pp_status status = sorted == NULL ? pp__no_memory(l->err) : PP_OK;
    for (int64_t i = 0; status == PP_OK && i < l->set->n_pieces; i++)
        status = look_at_piece(l, &l->set->pieces[sorted[i]]);
    return status;
}

static pp_status look_at_held_out(look *l)
{
    const pp_dataset *set = l->set;
    const pp__source *s = &set->source[set->n_sources - 1];
    for (int64_t i = 0; i < set->held.rows;) {
        const int64_t *index = set->held.at.index + i;
        int64_t n = 1, left = set->held.rows - i;
        while (n < left && index[n] - index[0] < l->most)
            n++;
        int64_t first = index[0] - s->first;
        pp_status status = pp_h5_read_f32(s->x, first, index[n - 1] + 1 - index[0], l->x, l->err);
        if (status != PP_OK) return status;
        for (int64_t k = 0; k < n; k++)
            note_fault(l, s, index[k] - s->first, l->x + (index[k] - index[0]) * set->info.inputs);
        i += n;
    }
    return PP_OK;
}

pp_status pp__look_at_rows(pp_dataset *set, pp__moments *moments, int64_t *bad_row, pp_error *bad,
                           pp_error *err)
{
    static const int64_t bytes = (int64_t)4 << 20;
    look l = {.set = set, .moments = moments, .bad_row = bad_row, .bad = bad, .err = err};
    l.most = bytes / (set->info.inputs * (int64_t)sizeof(float)) + 1;
    pp_arena *scratch = pp_arena_create();
    if (scratch == NULL) return pp__no_memory(err);
    l.x = PP_ARENA_NEW(scratch, float, l.most * set->info.inputs);
    pp_status status = l.x == NULL ? pp__no_memory(err) : look_at_pieces(&l, scratch);
    if (status == PP_OK) status = look_at_held_out(&l);
    pp_arena_destroy(scratch);
    return status;
}
