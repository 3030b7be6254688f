/* Equal rows.
 *
 * Every row leaves 16 bytes: a 64-bit hash of x, 24 bits of a hash of y and its number. Up to 8
 * million rows all are kept; of more, those whose hash of x ends in s zero bits, so that equal rows
 * stay or go together, and what is counted is scaled by 2^s (the distinct sampling of Gibbons, VLDB
 * 2001). A single row that makes up much of so large a file is seen in the sample of rows instead.
 * Rank 0 compares them a sixteenth of the hashes at a time. Two different rows are taken for equal
 * with a chance of n^2 / 2^65: 2 in a million for 8 million rows. */
#include "inspect_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

static const int64_t most_kept = (int64_t)8 << 20; /* over all ranks */
enum { ROW_BITS = 40, BUCKETS = 256, SLICES = 16, PACKET = 1 << 14 };
static const uint64_t row_mask = (1ULL << ROW_BITS) - 1;

typedef struct entry {
    uint64_t x;
    uint64_t y_and_row; /* 24 bits of y's hash, 40 of the row */
} entry;

typedef struct list {
    entry *at;
    int64_t n, room;
} list;

struct pp__repeats {
    int64_t inputs, y_columns;
    uint64_t mask;  /* rows are kept whose hash has none of these bits */
    int64_t wanted; /* by this rank, whether there was room or not */
    list kept;
    int64_t bucket[BUCKETS + 1]; /* of kept, once sorted */
};

static int grow(list *l, int64_t room)
{
    if (room <= l->room) return 1;
    entry *larger = realloc(l->at, (size_t)room * sizeof *larger);
    if (larger == NULL) return 0;
    l->at = larger;
    l->room = room;
    return 1;
}

pp_status pp__repeats_start(pp__scan *scan, pp__repeats **repeats, pp_error *err)
{
    pp__repeats *r = calloc(1, sizeof *r);
    if (r == NULL) return pp__inspect_no_memory(err);
    *repeats = r;
    r->inputs = scan->inputs;
    r->y_columns = scan->y_columns;
    int s = 0;
    while (scan->rows > most_kept && scan->rows >> s > most_kept / 2)
        s++;
    r->mask = (1ULL << s) - 1;
    int64_t expected = (scan->end - scan->first) >> s;
    return grow(&r->kept, s == 0 ? expected + 1 : expected + expected / 4 + PACKET)
               ? PP_OK
               : pp__inspect_no_memory(err);
}

void pp__repeats_free(pp__repeats *repeats)
{
    if (repeats == NULL) return;
    free(repeats->kept.at);
    free(repeats);
}

pp_status pp__repeats_add(pp__repeats *r, const pp__rows *rows, pp_error *err)
{
    for (int64_t i = 0; i < rows->count; i++) {
        uint64_t x = pp__hash_row(rows->x + i * r->inputs, r->inputs);
        if ((x & r->mask) != 0) continue;
        r->wanted++;
        if (r->kept.n >= most_kept) continue;
        if (r->kept.n == r->kept.room && !grow(&r->kept, r->kept.room + r->kept.room / 2))
            return pp__inspect_no_memory(err);
        uint64_t y = pp__hash_row(rows->y + i * r->y_columns, r->y_columns);
        r->kept.at[r->kept.n++] =
            (entry){x, y >> ROW_BITS << ROW_BITS | ((uint64_t)(rows->first + i) & row_mask)};
    }
    return PP_OK;
}

/* ---- sorting ---- */

static int by_hash(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->x != b->x) return a->x < b->x ? -1 : 1;
    return a->y_and_row < b->y_and_row ? -1 : a->y_and_row > b->y_and_row;
}

/* In place by the highest byte (the American flag sort of McIlroy, Bostic and McIlroy, 1993):
 * qsort would want as much memory again for all of it at once. */
static void sort_kept(pp__repeats *r)
{
    int64_t next[BUCKETS], *first = r->bucket;
    entry *at = r->kept.at;
    memset(first, 0, sizeof r->bucket);
    for (int64_t i = 0; i < r->kept.n; i++)
        first[(at[i].x >> 56) + 1]++;
    for (int b = 0; b < BUCKETS; b++) {
        first[b + 1] += first[b];
        next[b] = first[b];
    }
    for (int b = 0; b < BUCKETS; b++)
        while (next[b] < first[b + 1]) {
            uint64_t home = at[next[b]].x >> 56;
            entry here = at[next[b]];
            at[next[b]] = at[next[home]];
            at[next[home]++] = here;
        }
    for (int b = 0; b < BUCKETS; b++)
        if (first[b] < first[b + 1])
            qsort(at + first[b], (size_t)(first[b + 1] - first[b]), sizeof *at, by_hash);
}

/* ---- bringing a slice of the hashes to rank 0 ---- */

typedef struct packet {
    int64_t n;
    entry at[PACKET];
} packet;

static pp_status append(list *to, const packet *packets, int ranks, pp_error *err)
{
    for (int k = 0; k < ranks; k++) {
        int64_t n = packets[k].n;
        if (n == 0) continue;
        if (to->n + n > to->room && !grow(to, to->n + n + to->room / 2))
            return pp__inspect_no_memory(err);
        memcpy(to->at + to->n, packets[k].at, (size_t)n * sizeof *to->at);
        to->n += n;
    }
    return PP_OK;
}

/* packets: [ranks] on rank 0 and one more at its end for what this rank sends. */
static pp_status collect(const pp__repeats *r, pp__scan *scan, int slice, packet *packets, list *to,
                         pp_error *err)
{
    int width = BUCKETS / SLICES, ranks = pp__is_root(scan) ? pp_comm_size(scan->comm) : 0;
    int64_t at = r->bucket[slice * width], end = r->bucket[(slice + 1) * width];
    int64_t rounds = (end - at + PACKET - 1) / PACKET;
    packet *mine = packets + ranks;
    pp_status status = PP_OK;
    to->n = 0;
    pp_comm_max_i64(scan->comm, &rounds, 1);
    for (; rounds > 0; rounds--) {
        mine->n = end - at < PACKET ? end - at : PACKET;
        memcpy(mine->at, r->kept.at + at, (size_t)mine->n * sizeof *mine->at);
        at += mine->n;
        pp_comm_gather(scan->comm, 0, mine, sizeof *mine, packets);
        if (status == PP_OK) status = append(to, packets, ranks, err);
    }
    return status;
}

/* ---- counting ---- */

typedef struct tally {
    int64_t duplicates, contradicted, unattainable, held_out, rows;
    int64_t row[3], twin[3]; /* first duplicate, contradiction, held-out row */
} tally;

enum { DUPLICATE, CONTRADICTION, HELD_OUT };

static int64_t row_of(const entry *e)
{
    return (int64_t)(e->y_and_row & row_mask);
}

static void note(tally *t, int kind, int64_t row, int64_t twin)
{
    if (t->row[kind] >= 0 && t->row[kind] < row) return;
    t->row[kind] = row;
    t->twin[kind] = twin;
}

static int has_same_y(const entry *a, const entry *b)
{
    return a->y_and_row >> ROW_BITS == b->y_and_row >> ROW_BITS;
}

/* Entries of one x, ordered by y and then row. */
static void count_group(tally *t, const entry *group, int64_t n, int64_t train_rows)
{
    int64_t largest = 0, first = INT64_MAX, other = INT64_MAX;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && has_same_y(&group[end], &group[i]); end++) {
            if (row_of(&group[end]) >= train_rows) continue;
            t->duplicates++;
            note(t, DUPLICATE, row_of(&group[end]), row_of(&group[i]));
        }
        if (end - i > largest) largest = end - i;
        int64_t row = row_of(&group[i]);
        if (row < first) {
            other = first;
            first = row;
        } else if (row < other) {
            other = row;
        }
    }
    if (largest < n) {
        t->contradicted += n;
        t->unattainable += n - largest;
        note(t, CONTRADICTION, other, first);
    }
    for (int64_t i = 0; first < train_rows && i < n; i++) {
        if (row_of(&group[i]) < train_rows) continue;
        t->held_out++;
        note(t, HELD_OUT, row_of(&group[i]), first);
    }
}

static void count_slice(tally *t, list *slice, int64_t train_rows)
{
    if (slice->n > 0) qsort(slice->at, (size_t)slice->n, sizeof *slice->at, by_hash);
    t->rows += slice->n;
    for (int64_t i = 0, end; i < slice->n; i = end) {
        for (end = i + 1; end < slice->n && slice->at[end].x == slice->at[i].x;)
            end++;
        if (end - i > 1) count_group(t, slice->at + i, end - i, train_rows);
    }
}

/* ---- the sample of rows: for a row that is most of a large file ---- */

static pp_status count_sample(const pp__sample *s, const pp__scan *scan, tally *t, pp_error *err)
{
    entry *at = malloc((size_t)s->rows * sizeof *at);
    if (at == NULL) return pp__inspect_no_memory(err);
    for (int64_t i = 0; i < s->rows; i++) {
        uint64_t y = pp__hash_row(s->y + i * scan->y_columns, scan->y_columns);
        at[i] = (entry){pp__hash_row(s->x + i * scan->inputs, scan->inputs),
                        y >> ROW_BITS << ROW_BITS | (uint64_t)s->row[i]};
    }
    list all = {at, s->rows, s->rows};
    count_slice(t, &all, scan->train_rows);
    free(at);
    return PP_OK;
}

static void tell(const tally *t, double share, int64_t rows, pp_inspection_repeats *to)
{
    double scale = t->rows > 0 ? (share < 1 ? 1 / share : 1) : 0;
    to->share = share;
    to->duplicates = (int64_t)((double)t->duplicates * scale);
    to->contradicted = (int64_t)((double)t->contradicted * scale);
    to->held_out = (int64_t)((double)t->held_out * scale);
    to->unattainable = (double)t->unattainable * scale / (double)rows;
    to->duplicate_row = t->row[DUPLICATE];
    to->duplicate_twin = t->twin[DUPLICATE];
    to->contradicted_row = t->row[CONTRADICTION];
    to->contradicted_twin = t->twin[CONTRADICTION];
    to->held_out_row = t->row[HELD_OUT];
    to->held_out_twin = t->twin[HELD_OUT];
}

static const tally nothing = {.row = {-1, -1, -1}, .twin = {-1, -1, -1}};

static pp_status compare(pp__repeats *r, pp__scan *scan, tally *t, pp_error *err)
{
    int ranks = pp__is_root(scan) ? pp_comm_size(scan->comm) : 0;
    packet *packets = malloc((size_t)(ranks + 1) * sizeof *packets);
    list slice = {NULL, 0, 0};
    pp_status status = packets == NULL ? pp__inspect_no_memory(err) : PP_OK;
    status = pp_comm_agree(scan->comm, status, err);
    for (int k = 0; status == PP_OK && k < SLICES; k++) {
        status = pp_comm_agree(scan->comm, collect(r, scan, k, packets, &slice, err), err);
        if (status == PP_OK && ranks > 0) count_slice(t, &slice, scan->train_rows);
    }
    free(slice.at);
    free(packets);
    return status;
}

pp_status pp__repeats_finish(pp__repeats *r, const pp__sample *sample, pp__scan *scan,
                             pp_error *err)
{
    tally kept = nothing, sampled = nothing;
    int64_t all = r->wanted;
    double share = 1 / (double)(r->mask + 1);
    pp_comm_sum_i64(scan->comm, &all, 1);
    pp_status status = PP_OK;
    if (all <= most_kept) {
        sort_kept(r);
        status = compare(r, scan, &kept, err);
    }
    if (status != PP_OK || !pp__is_root(scan)) return status;
    if (r->mask > 0) status = count_sample(sample, scan, &sampled, err);
    double of_sample = (double)sample->rows / (double)scan->rows;
    int heavy = (double)sampled.duplicates / of_sample > (double)kept.duplicates / share;
    if (heavy)
        tell(&sampled, of_sample, scan->rows, &scan->report->repeats);
    else
        tell(&kept, share, scan->rows, &scan->report->repeats);
    return status;
}
