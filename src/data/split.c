/* Which rows are held out: those with the smallest random keys, class by class. */
#include "dataset_internal.h"

#include <math.h>

/* ---- the k smallest: Hoare's selection; keys are random, so that the middle is a fair pivot ----
 */

static int is_before(const pp__ranked *a, const pp__ranked *b)
{
    return a->key != b->key ? a->key < b->key : a->row < b->row;
}

/* Orders rows [low, high] around a pivot: returns j so that [low, j] come before [j + 1, high]. */
static int64_t partition(pp__ranked *rows, int64_t low, int64_t high)
{
    pp__ranked pivot = rows[low + (high - low) / 2];
    int64_t i = low - 1, j = high + 1;
    for (;;) {
        do {
            i++;
        } while (is_before(&rows[i], &pivot));
        do {
            j--;
        } while (is_before(&pivot, &rows[j]));
        if (i >= j) return j;
        pp__ranked kept = rows[i];
        rows[i] = rows[j];
        rows[j] = kept;
    }
}

void pp__select_smallest(pp__ranked *rows, int64_t count, int64_t k)
{
    int64_t low = 0, high = count - 1;
    if (k <= 0 || k >= count) return;
    while (low < high) {
        int64_t j = partition(rows, low, high);
        if (k - 1 <= j)
            high = j;
        else
            low = j + 1;
    }
}

/* ---- rows by class ---- */

static int64_t group_of(const pp_dataset *set, int64_t row)
{
    const pp_dataset_info *info = &set->info;
    if (info->classes == 0) return 0;
    const float *y = set->source[PP__TRAINING].y_values + row * info->y_columns;
    int64_t k = pp_dataset_class(set, y);
    return k < 0 ? info->classes : k;
}

pp_status pp__group_rows(pp_dataset *set, pp_purpose purpose, pp_arena *arena, pp__groups *groups,
                         pp_error *err)
{
    int64_t rows = set->info.file_rows, n_groups = set->info.classes + 1;
    pp_rng rng = pp_rng_at(set->seed, purpose, 0);
    groups->first = PP_ARENA_NEW(arena, int64_t, n_groups + 1);
    groups->rows = PP_ARENA_NEW(arena, pp__ranked, rows);
    int64_t *next = PP_ARENA_NEW(arena, int64_t, n_groups + 1);
    if (groups->first == NULL || groups->rows == NULL || next == NULL) return pp__no_memory(err);
    for (int64_t row = 0; row < rows; row++)
        if (set->times[row] > 0) next[group_of(set, row) + 1]++;
    for (int64_t g = 0; g < n_groups; g++)
        next[g + 1] += next[g];
    for (int64_t g = 0; g <= n_groups; g++)
        groups->first[g] = next[g];
    for (int64_t row = 0; row < rows; row++)
        if (set->times[row] > 0)
            groups->rows[next[group_of(set, row)]++] =
                (pp__ranked){pp_rng_u64(rng, (uint64_t)row), row};
    return PP_OK;
}

/* ---- held-out rows ---- */

/* At least one row of a class stays in training. */
static int64_t rows_to_hold(double fraction, int64_t count)
{
    int64_t k = (int64_t)round(fraction * (double)count);
    return k < count ? k : count > 0 ? count - 1 : 0;
}

static pp_status list_held_out(pp_dataset *set, pp_error *err)
{
    int64_t n = 0;
    set->held_out = PP_ARENA_NEW(set->until_loaded, int64_t, set->info.validation_rows);
    if (set->held_out == NULL) return pp__no_memory(err);
    for (int64_t row = 0; row < set->info.file_rows; row++)
        if (set->times[row] == 0) set->held_out[n++] = row;
    return PP_OK;
}

static pp_status hold_out_fraction(pp_dataset *set, double fraction, pp_error *err)
{
    pp__groups groups;
    pp_arena *scratch = pp_arena_create();
    if (scratch == NULL) return pp__no_memory(err);
    pp_status status = pp__group_rows(set, PP_RNG_SPLIT, scratch, &groups, err);
    for (int64_t g = 0; status == PP_OK && g <= set->info.classes; g++) {
        pp__ranked *rows = groups.rows + groups.first[g];
        int64_t count = groups.first[g + 1] - groups.first[g], k = rows_to_hold(fraction, count);
        pp__select_smallest(rows, count, k);
        for (int64_t i = 0; i < k; i++)
            set->times[rows[i].row] = 0;
        set->info.validation_rows += k;
    }
    pp_arena_destroy(scratch);
    return status == PP_OK ? list_held_out(set, err) : status;
}

static pp_status hold_out_files(pp_dataset *set, pp_error *err)
{
    const pp__source *s = &set->source[PP__HELD_OUT];
    set->info.validation_rows = s->rows;
    set->held_out = PP_ARENA_NEW(set->until_loaded, int64_t, s->rows);
    if (set->held_out == NULL) return pp__no_memory(err);
    for (int64_t i = 0; i < s->rows; i++)
        set->held_out[i] = s->first + i;
    return PP_OK;
}

pp_status pp__hold_out(pp_dataset *set, double fraction, pp_error *err)
{
    set->times = PP_ARENA_NEW(set->until_loaded, uint16_t, set->info.file_rows);
    if (set->times == NULL) return pp__no_memory(err);
    for (int64_t row = 0; row < set->info.file_rows; row++)
        set->times[row] = 1;
    if (set->n_sources > PP__HELD_OUT) return hold_out_files(set, err);
    return fraction > 0 ? hold_out_fraction(set, fraction, err) : PP_OK;
}
