/* Which rows are held out, or visited once more than others: those with the smallest random keys,
 * class by class.
 *
 * Keys are uniform, so the k-th smallest of n lies near k / n of their range, within a few times
 * sqrt(n) / n (the deviation of an order statistic is at most sqrt(n) / 2n). Only the keys around
 * it are collected, in one pass over the targets. */
#include "rows_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

/* 16 deviations: a key outside would be seen in no lifetime of the universe. */
static const double reach = 8;

/* ---- groups ---- */

int64_t pp__group_of(const pp__data_rows *set, const float *y)
{
    if (set->info.classes == 0) return 0;
    int64_t k = pp_class_of(&set->info, y);
    return k < 0 ? set->info.classes : k;
}

typedef struct counting {
    const pp__data_rows *set;
    int64_t *rows;
} counting;

static pp_status count_portion(void *context, const pp__portion *p, pp_error *err)
{
    const counting *c = context;
    (void)err;
    for (int64_t i = 0; i < p->rows; i++)
        if (c->set->times[p->first + i] > 0)
            c->rows[pp__group_of(c->set, p->y + i * c->set->info.y_columns)]++;
    return PP_OK;
}

pp_status pp__count_groups(pp__data_rows *set, int64_t *rows, pp_error *err)
{
    counting c = {set, rows};
    for (int64_t g = 0; g <= set->info.classes; g++)
        rows[g] = 0;
    return pp__scan_targets(set, &set->source[PP__TRAINING], count_portion, &c, err);
}

/* ---- the smallest keys ---- */

typedef struct candidate {
    int64_t group;
    uint64_t key;
    int64_t row;
} candidate;

/* Where the last chosen key of a group is looked for, and where it is. */
typedef struct place {
    uint64_t low, high;
    int64_t below; /* keys below `low` */
    candidate last;
    int is_open; /* some rows are chosen, and some not */
} place;

typedef struct choosing {
    pp__data_rows *set;
    const pp__choice *choice;
    pp_rng rng;
    place *places;        /* [classes + 1] */
    candidate *collected; /* [n], malloc'ed */
    int64_t n, room;
} choosing;

static uint64_t part_of_range(double share)
{
    if (share <= 0) return 0;
    return share >= 1 ? UINT64_MAX : (uint64_t)ldexp(share, 64);
}

static void find_places(choosing *c)
{
    for (int64_t g = 0; g <= c->set->info.classes; g++) {
        int64_t rows = c->choice->rows[g], chosen = c->choice->chosen[g];
        place *p = &c->places[g];
        *p = (place){.is_open = chosen > 0 && chosen < rows};
        if (!p->is_open) continue;
        double share = (double)chosen / (double)rows, width = reach / sqrt((double)rows);
        p->low = part_of_range(share - width);
        p->high = part_of_range(share + width);
    }
}

static int collect(choosing *c, candidate one)
{
    if (c->n == c->room) {
        int64_t room = c->room < 1024 ? 1024 : 2 * c->room;
        candidate *more = realloc(c->collected, sizeof *more * (size_t)room);
        if (more == NULL) return 0;
        c->collected = more;
        c->room = room;
    }
    c->collected[c->n++] = one;
    return 1;
}

static pp_status collect_portion(void *context, const pp__portion *p, pp_error *err)
{
    choosing *c = context;
    for (int64_t i = 0; i < p->rows; i++) {
        int64_t row = p->first + i;
        if (c->set->times[row] == 0) continue;
        int64_t g = pp__group_of(c->set, p->y + i * c->set->info.y_columns);
        place *at = &c->places[g];
        if (!at->is_open) continue;
        uint64_t key = pp_rng_u64(c->rng, (uint64_t)row);
        at->below += key < at->low;
        if (key < at->low || key > at->high) continue;
        if (!collect(c, (candidate){g, key, row})) return pp__data_no_memory(err);
    }
    return PP_OK;
}

static int by_group_key_row(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    if (a->group != b->group) return a->group < b->group ? -1 : 1;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static void find_last(choosing *c)
{
    if (c->n > 0) qsort(c->collected, (size_t)c->n, sizeof *c->collected, by_group_key_row);
    for (int64_t i = 0; i < c->n;) {
        int64_t g = c->collected[i].group, end = i;
        while (end < c->n && c->collected[end].group == g)
            end++;
        int64_t last = i + c->choice->chosen[g] - c->places[g].below - 1;
        PP_CHECK(last >= i && last < end);
        c->places[g].last = c->collected[last];
        i = end;
    }
}

static int is_chosen(const choosing *c, int64_t g, int64_t row)
{
    const place *p = &c->places[g];
    if (!p->is_open) return c->choice->chosen[g] > 0;
    uint64_t key = pp_rng_u64(c->rng, (uint64_t)row);
    return key != p->last.key ? key < p->last.key : row <= p->last.row;
}

static pp_status set_portion(void *context, const pp__portion *p, pp_error *err)
{
    choosing *c = context;
    (void)err;
    for (int64_t i = 0; i < p->rows; i++) {
        uint16_t *times = &c->set->times[p->first + i];
        if (*times == 0) continue;
        int64_t g = pp__group_of(c->set, p->y + i * c->set->info.y_columns);
        *times = (is_chosen(c, g, p->first + i) ? c->choice->more : c->choice->fewer)[g];
    }
    return PP_OK;
}

pp_status pp__choose_rows(pp__data_rows *set, pp_purpose purpose, const pp__choice *choice,
                          pp_error *err)
{
    const pp__source *s = &set->source[PP__TRAINING];
    choosing c = {.set = set, .choice = choice, .rng = pp_rng_at(set->seed, purpose, 0)};
    c.places = malloc(sizeof *c.places * (size_t)(set->info.classes + 1));
    if (c.places == NULL) return pp__data_no_memory(err);
    find_places(&c);
    pp_status status = pp__scan_targets(set, s, collect_portion, &c, err);
    if (status == PP_OK) {
        find_last(&c);
        status = pp__scan_targets(set, s, set_portion, &c, err);
    }
    free(c.places);
    free(c.collected);
    return status;
}

/* ---- held-out rows ---- */

/* At least one row of a class stays in training, but for the last of several parts. */
static int64_t rows_to_hold(double share, int64_t count)
{
    int64_t k = (int64_t)round(share * (double)count);
    if (share >= 1) return count;
    return k < count ? k : count > 0 ? count - 1 : 0;
}

static void visit_once(pp__data_rows *set)
{
    for (int64_t row = 0; row < set->info.file_rows; row++)
        set->times[row] = 1;
}

static pp_status list_held_out(pp__data_rows *set, pp_error *err)
{
    int64_t n = 0;
    set->held_out = PP_ARENA_NEW(set->until_loaded, int64_t, set->info.validation_rows);
    if (set->held_out == NULL) return pp__data_no_memory(err);
    for (int64_t row = 0; row < set->info.file_rows; row++)
        if (set->times[row] == 0) set->held_out[n++] = row;
    return PP_OK;
}

/* Rows whose keys are the lowest of their class, up to the share `to` of it, get 0 visits and the
 * others 1; adds their number to *held_rows. */
static pp_status choose_below(pp__data_rows *set, double to, int64_t *held_rows, pp_arena *scratch,
                              pp_error *err)
{
    int64_t groups = set->info.classes + 1;
    int64_t *rows = PP_ARENA_NEW(scratch, int64_t, groups);
    int64_t *held = PP_ARENA_NEW(scratch, int64_t, groups);
    uint16_t *none = PP_ARENA_NEW(scratch, uint16_t, groups);
    uint16_t *once = PP_ARENA_NEW(scratch, uint16_t, groups);
    if (rows == NULL || held == NULL || none == NULL || once == NULL)
        return pp__data_no_memory(err);
    pp_status status = pp__count_groups(set, rows, err);
    if (status != PP_OK) return status;
    for (int64_t g = 0; g < groups; g++) {
        held[g] = rows_to_hold(to, rows[g]);
        once[g] = 1;
        *held_rows += held[g];
    }
    return pp__choose_rows(set, PP_RNG_SPLIT, &(pp__choice){rows, held, none, once}, err);
}

/* Takes those with keys below the share `from` away from the held-out rows again. */
static pp_status give_back(pp__data_rows *set, double from, pp_arena *scratch, pp_error *err)
{
    size_t bytes = (size_t)set->info.file_rows * sizeof *set->times;
    uint16_t *below_to = PP_ARENA_NEW(scratch, uint16_t, set->info.file_rows);
    int64_t back = 0;
    if (below_to == NULL) return pp__data_no_memory(err);
    memcpy(below_to, set->times, bytes);
    visit_once(set);
    pp_status status = choose_below(set, from, &back, scratch, err);
    for (int64_t row = 0; row < set->info.file_rows; row++)
        set->times[row] = below_to[row] != 0 || set->times[row] == 0;
    set->info.validation_rows -= back;
    return status;
}

static pp_status hold_out_share(pp__data_rows *set, double from, double to, pp_arena *scratch,
                                pp_error *err)
{
    pp_status status = choose_below(set, to, &set->info.validation_rows, scratch, err);
    if (status == PP_OK && from > 0) status = give_back(set, from, scratch, err);
    return status;
}

static pp_status hold_out_files(pp__data_rows *set, pp_error *err)
{
    const pp__source *s = &set->source[PP__HELD_OUT];
    set->info.validation_rows = s->rows;
    set->held_out = PP_ARENA_NEW(set->until_loaded, int64_t, s->rows);
    if (set->held_out == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < s->rows; i++)
        set->held_out[i] = s->first + i;
    return PP_OK;
}

/* Rows, or groups of them, whose keys are in the share [from, to) of all. */
static pp_status hold_out_part(pp__data_rows *set, double from, double to, pp_error *err)
{
    pp_arena *scratch = pp_arena_create();
    pp_status status = scratch == NULL ? pp__data_no_memory(err) : PP_OK;
    if (status == PP_OK)
        status = set->source[PP__TRAINING].groups != NULL
                     ? pp__hold_out_groups(set, from, to, scratch, err)
                     : hold_out_share(set, from, to, scratch, err);
    pp_arena_destroy(scratch);
    return status == PP_OK ? list_held_out(set, err) : status;
}

pp_status pp__hold_out(pp__data_rows *set, const pp_job_data *data, pp_error *err)
{
    set->times = PP_ARENA_NEW(set->until_loaded, uint16_t, set->info.file_rows);
    if (set->times == NULL) return pp__data_no_memory(err);
    visit_once(set);
    if (set->n_sources > PP__HELD_OUT) return hold_out_files(set, err);
    double parts = (double)data->folds;
    if (data->folds > 0)
        return hold_out_part(set, (double)data->fold / parts, (double)(data->fold + 1) / parts,
                             err);
    return data->validation_fraction > 0 ? hold_out_part(set, 0, data->validation_fraction, err)
                                         : PP_OK;
}
