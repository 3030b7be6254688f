/* How many rows count: copies of a row tell nothing new.
 *
 * Rows that were copied are equal in their prediction and in their target, and what is next to them
 * is not. Of all answers (predictions, bit by bit) the KEPT with the smallest hashes are kept with
 * their rows: the k-minimum values of Beyer and others (SIGMOD 2007), which also say how many
 * different ones there are. An answer that is among them in the end was so wherever its rows were
 * added, so that its rows are counted exactly and merging is exact. Then: how many of the answers
 * that several rows got have one outcome only, against how many would if each row had the outcomes
 * of its neighbours for its chances? Equal answers alone prove nothing: they may be rounded. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"
#include "layout.h"

enum { NEIGHBOURS = 5, LEAST = 20 };
#define CERTAIN 0.9 /* chance of one outcome from which one says nothing */
#define PURE 0.95   /* of the answers of several rows */
#define SIGMAS 5.0

/* ---- adding ---- */

/* The finaliser of MurmurHash3 (Austin Appleby, public domain). */
static uint64_t mixed(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return hash ^ hash >> 33;
}

static uint64_t with_float(uint64_t hash, float value)
{
    uint32_t bits;
    float positive = value + 0.0f; /* no -0.0 */
    memcpy(&bits, &positive, sizeof bits);
    return mixed(hash ^ bits);
}

/* Class of the target, or how far each prediction is off. OUTCOME_NONE: not known. */
static uint64_t outcome_of(const pp_sketch *sketch, const pp_sketch_rows *rows, int64_t i)
{
    int columns = sketch->columns;
    uint64_t hash = 1;
    if (sketch->kind != PP_SKETCH_REGRESSION) {
        int is_class = rows->y != NULL && rows->y[i] >= 0 && rows->y[i] < sketch->classes;
        return is_class ? OUTCOME_FIRST + (uint64_t)rows->y[i] : OUTCOME_NONE;
    }
    for (int c = 0; c < columns && rows->t != NULL; c++) {
        float error = rows->p[i * columns + c] - rows->t[i * columns + c];
        if (!isfinite(error)) return OUTCOME_NONE;
        hash = with_float(hash, error);
    }
    return rows->t != NULL ? OUTCOME_FIRST + (hash >> 8) : OUTCOME_NONE;
}

/* Answers that lie side by side have places that do. Several classes: the answer, then its chance.
 */
static double place_of(const pp_sketch *sketch, const float *p)
{
    int answer = 0;
    if (sketch->kind != PP_SKETCH_MULTICLASS) return (double)p[0] + 0.0; /* no -0.0 */
    for (int c = 1; c < sketch->columns; c++)
        if (p[c] > p[answer]) answer = c;
    return 2.0 * answer + fmin(1, fmax(0, (double)p[answer]));
}

/* The first that is not below. */
static int find(const pp__answer *kept, uint64_t hash)
{
    int low = 0, high = KEPT;
    while (low < high) {
        int middle = (low + high) / 2;
        if (kept[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add(pp__answer *kept, const pp__answer *answer)
{
    int at = find(kept, answer->hash);
    if (at == KEPT) return;
    if (kept[at].hash == answer->hash && kept[at].rows > 0) {
        kept[at].rows += answer->rows;
        if (kept[at].outcome != answer->outcome) kept[at].outcome = OUTCOME_MIXED;
        return;
    }
    memmove(kept + at + 1, kept + at, (size_t)(KEPT - 1 - at) * sizeof *kept);
    kept[at] = *answer;
}

void pp__clear_answers(pp_sketch *sketch)
{
    for (int64_t i = 0; i < sketch->n_kept; i++)
        pp__answers(sketch)[i] = (pp__answer){.hash = UINT64_MAX};
}

void pp__note_answers(pp_sketch *sketch, const pp_sketch_rows *rows)
{
    pp__answer *kept = pp__answers(sketch);
    for (int64_t i = 0; i < rows->rows && sketch->n_kept > 0; i++) {
        const float *p = rows->p + i * sketch->columns;
        uint64_t hash = 0;
        int finite = 1;
        for (int c = 0; c < sketch->columns; c++) {
            hash = with_float(hash, p[c]);
            finite &= isfinite(p[c]) != 0;
        }
        if (hash > kept[KEPT - 1].hash || !finite) continue;
        uint64_t outcome = outcome_of(sketch, rows, i);
        if (outcome == OUTCOME_NONE) continue;
        add(kept, &(pp__answer){hash, 1, outcome, place_of(sketch, p)});
    }
}

void pp__merge_answers(pp_sketch *into, const pp_sketch *from)
{
    for (int64_t i = 0; i < from->n_kept && pp__answers(from)[i].rows > 0; i++)
        add(pp__answers(into), pp__answers(from) + i);
}

/* ---- reading ---- */

static int by_place(const void *a, const void *b)
{
    const pp__answer *x = a, *y = b;
    return x->place != y->place ? (x->place < y->place ? -1 : 1)
                                : (x->hash > y->hash) - (x->hash < y->hash);
}

/* Chance that all rows of an answer have one outcome, if they have its neighbours' by lot: the sum
 * over the outcomes of their share to the power of the rows. Half a row has another one. */
static double chance_of_one(const pp__answer *answers, int n, int at)
{
    int first = at > NEIGHBOURS ? at - NEIGHBOURS : 0;
    int last = at + NEIGHBOURS < n ? at + NEIGHBOURS : n - 1;
    double all = 0.5, chance = 0;
    for (int i = first; i <= last; i++)
        all += i != at ? (double)answers[i].rows : 0;
    for (int i = first; i <= last; i++) {
        double rows = 0;
        int is_new = i != at && answers[i].outcome != OUTCOME_MIXED;
        for (int j = first; j <= last && is_new; j++) {
            if (j == at || answers[j].outcome != answers[i].outcome) continue;
            is_new = j >= i;
            rows += (double)answers[j].rows;
        }
        if (is_new) chance += pow(rows / all, (double)answers[at].rows);
    }
    return chance;
}

static int are_copies(const pp__answer *answers, int n)
{
    double seen = 0, pure = 0, expected = 0, variance = 0;
    for (int i = 0; i < n; i++) {
        double chance = answers[i].rows < 2 ? 1 : chance_of_one(answers, n, i);
        if (!(chance < CERTAIN)) continue;
        seen++;
        pure += answers[i].outcome != OUTCOME_MIXED;
        expected += chance;
        variance += chance * (1 - chance);
    }
    return seen >= LEAST && pure > PURE * seen && pure - expected > SIGMAS * sqrt(variance);
}

/* (sum of weights)^2 / sum of their squares (Kish, Survey Sampling, 1965), the weight of what was
 * copied being its rows, for as many different answers as there are. */
static double weight_of(const pp__answer *kept, int n)
{
    double rows = 0, squares = 0, different = n;
    for (int i = 0; i < n; i++) {
        rows += (double)kept[i].rows;
        squares += (double)kept[i].rows * (double)kept[i].rows;
    }
    if (n == KEPT) different = (KEPT - 1) / ldexp((double)kept[KEPT - 1].hash, -64);
    return different * rows / n * rows / squares;
}

double pp__effective_rows(const pp_sketch *sketch, double rows)
{
    pp__answer answers[KEPT];
    int n = 0;
    PP_CHECK(sketch->n_kept <= KEPT);
    if (sketch->n_kept == 0) return NAN;
    memcpy(answers, pp__answers(sketch), sizeof answers);
    while (n < KEPT && answers[n].rows > 0)
        n++;
    double weight = n > 0 ? weight_of(answers, n) : rows;
    qsort(answers, (size_t)n, sizeof *answers, by_place);
    return are_copies(answers, n) ? fmin(weight, rows) : rows;
}
