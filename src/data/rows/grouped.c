/* Groups of rows that are held out as a whole. */
#include "rows_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"

/* A row with the random key of its group; groups of equal keys (1 in 2^64) count as one. */
typedef struct member {
    uint64_t key;
    int64_t row;
} member;

static int by_key(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Ids that a double holds have the keys of those doubles; the others, whose bits those may have by
 * chance, keys of their own. */
static uint64_t key_of(pp_rng small, pp_rng large, int64_t id)
{
    uint64_t bits;
    double value = (double)id;
    if (fabs(value) > ldexp(1, 53)) return pp_rng_u64(large, (uint64_t)id);
    memcpy(&bits, &value, sizeof bits);
    return pp_rng_u64(small, bits);
}

static pp_status read_members(pp__data_rows *set, member *members, int64_t *ids, int64_t most,
                              pp_error *err)
{
    pp__source *s = &set->source[PP__TRAINING];
    pp_rng small = pp_rng_at(set->seed, PP_RNG_SPLIT, 1);
    pp_rng large = pp_rng_at(set->seed, PP_RNG_SPLIT, 2);
    for (int64_t first = 0; first < s->rows; first += most) {
        int64_t rows = s->rows - first < most ? s->rows - first : most;
        pp_status status = pp_stop_check(err);
        if (status == PP_OK) status = pp_h5_read_i64(s->groups, first, rows, ids, err);
        if (status != PP_OK) return status;
        for (int64_t i = 0; i < rows; i++) {
            members[first + i] = (member){key_of(small, large, ids[i]), first + i};
            uint64_t fingerprint = pp__row_fingerprint(first + i, (const float *)&ids[i], 2);
            set->y_fingerprint += fingerprint;
            pp__fingerprint_in_file(s, first + i, fingerprint);
        }
    }
    return PP_OK;
}

/* The middle of a group decides where it belongs. */
static void choose(pp__data_rows *set, const member *members, double from, double to)
{
    double n = (double)set->info.file_rows;
    for (int64_t i = 0, end; i < set->info.file_rows; i = end) {
        for (end = i; end < set->info.file_rows && members[end].key == members[i].key;)
            end++;
        double middle = (double)(i + end) / 2;
        if (middle < from * n || middle >= to * n) continue;
        for (int64_t k = i; k < end; k++)
            set->times[members[k].row] = 0;
        set->info.validation_rows += end - i;
    }
}

pp_status pp__hold_out_groups(pp__data_rows *set, double from, double to, pp_arena *scratch,
                              pp_error *err)
{
    enum { PORTION = 1 << 16 };
    const pp__source *s = &set->source[PP__TRAINING];
    member *members = PP_ARENA_NEW(scratch, member, s->rows);
    int64_t *ids = PP_ARENA_NEW(scratch, int64_t, PORTION);
    if (members == NULL || ids == NULL) return pp__data_no_memory(err);
    pp_status status = read_members(set, members, ids, PORTION, err);
    if (status != PP_OK) return status;
    qsort(members, (size_t)s->rows, sizeof *members, by_key);
    choose(set, members, from, to);
    int64_t held = set->info.validation_rows;
    if (held > 0 && held < s->rows) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: data.groups are too few or too large to hold some of them out: %s rows "
                   "would be; hold out files instead",
                   s->files[0], held == 0 ? "no" : "all");
}
