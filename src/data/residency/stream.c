/* Batches of rows that are read shortly before they are needed.
 *
 * A lane goes through an epoch in groups: data.open_windows pieces, whose visits are mixed. A group
 * is planned (its frames asked for) in the order in which lanes will need groups, as long as there
 * are frames; its frames are free again after its last visit. When a lane needs a group, every
 * other lane has at most one under way, so frames for one group a lane are enough to go on. What is
 * more than that is read ahead.
 *
 * In file order there is one queue for all lanes of the rank, and a group is a piece. */
#include "residency_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

enum { ROW_BITS = 32 }; /* a frame of more rows would fill any memory */
static const int64_t most_frames = (int64_t)1 << 30;
static const int64_t row_mask = ((int64_t)1 << ROW_BITS) - 1;

enum { FEWEST_BLOCK_FRAMES = 2, MOST_BLOCK_FRAMES = 64, EPOCHS_AHEAD = 2 };

typedef struct group {
    struct group *next;
    int64_t epoch, first, visits; /* visits [first, first + visits) of its queue in that epoch */
    pp__frame *frames;
    int is_mixed;
} group;

typedef struct queue {
    int64_t first_piece, n_pieces;
    int64_t visits, share; /* in an epoch; in a full step */
    int64_t *order;        /* [n_pieces] pieces of `epoch`; NULL: as they stand */
    int64_t epoch, at;     /* the next group begins with piece order[at] */
    int64_t done;          /* visits before it */
    group *head, *tail;
    int64_t *mixed; /* [visits of the head] frame number << ROW_BITS | row in the frame */
} queue;

typedef struct pp__stream {
    queue *queues; /* [n_queues] */
    int n_queues;
    int64_t open;       /* pieces of a group */
    int64_t frame_rows; /* that a frame has room for */
    pp__frame *frames;  /* [n_frames], of them n_free in `free_frames` */
    int64_t n_frames, n_free;
    int64_t fewest; /* frames with which it goes on */
    pp__frame *free_frames;
    group *groups, *free_groups; /* [n_frames] */
    float *values;               /* of all frames; malloc'ed */
    int64_t bytes;
} pp__stream;

/* ---- groups to come ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static const pp__piece *piece_at(const pp__data_residency *set, const queue *q, int64_t place)
{
    return &set->share->pieces[q->first_piece + (q->order == NULL ? place : q->order[place])];
}

static void begin_epoch(const pp__data_residency *set, queue *q, int64_t epoch)
{
    q->epoch = epoch;
    q->at = q->done = 0;
    if (q->order == NULL) return;
    pp__order_pieces(set->share, (int)(q - set->stream->queues), epoch, q->n_pieces, q->order);
}

static int64_t next_pieces(const pp__data_residency *set, const queue *q)
{
    return least(set->stream->open, q->n_pieces - q->at);
}

static int64_t next_visits(const pp__data_residency *set, const queue *q)
{
    int64_t n = next_pieces(set, q), visits = 0;
    for (int64_t i = 0; i < n; i++)
        visits += piece_at(set, q, q->at + i)->visits;
    return visits;
}

static void step_over(const pp__data_residency *set, queue *q, int64_t pieces, int64_t visits)
{
    q->at += pieces;
    q->done += visits;
    if (q->at == q->n_pieces) begin_epoch(set, q, q->epoch + 1);
}

static pp__frame *ask_for(pp__data_residency *set, const pp__piece *piece)
{
    pp__stream *s = set->stream;
    pp__frame *frame = s->free_frames;
    s->free_frames = frame->next;
    s->n_free--;
    frame->next = NULL;
    frame->source = &set->rows->source[PP__TRAINING];
    frame->first = piece->first_row;
    frame->rows = piece->rows;
    frame->piece = piece - set->share->pieces;
    pp__reader_ask(set->reader, frame, 0);
    return frame;
}

static void plan_group(pp__data_residency *set, queue *q)
{
    pp__stream *s = set->stream;
    int64_t pieces = next_pieces(set, q), visits = next_visits(set, q);
    group *g = s->free_groups;
    s->free_groups = g->next;
    *g = (group){.epoch = q->epoch, .first = q->done, .visits = visits};
    pp__frame **end = &g->frames;
    for (int64_t i = 0; i < pieces; i++, end = &(*end)->next)
        *end = ask_for(set, piece_at(set, q, q->at + i));
    if (q->head == NULL)
        q->head = g;
    else
        q->tail->next = g;
    q->tail = g;
    step_over(set, q, pieces, visits);
}

/* The queue whose next group is needed first, at the lowest (epoch, step, lane). */
static queue *next_queue(const pp__data_residency *set)
{
    queue *first = NULL;
    for (int i = 0; i < set->stream->n_queues; i++) {
        queue *q = &set->stream->queues[i];
        if (q->visits == 0) continue;
        if (first == NULL || q->epoch < first->epoch ||
            (q->epoch == first->epoch && q->done / q->share < first->done / first->share))
            first = q;
    }
    return first;
}

static void plan_groups(pp__data_residency *set)
{
    for (queue *q = next_queue(set); q != NULL && next_pieces(set, q) <= set->stream->n_free;
         q = next_queue(set))
        plan_group(set, q);
}

static void drop_head(pp__stream *s, queue *q)
{
    group *g = q->head;
    q->head = g->next;
    for (pp__frame *frame = g->frames, *next; frame != NULL; frame = next) {
        next = frame->next;
        frame->next = s->free_frames;
        s->free_frames = frame;
        s->n_free++;
    }
    g->next = s->free_groups;
    s->free_groups = g;
}

/* ---- the group under way ---- */

/* Visits of a frame's piece, as mixed[...]; returns how many. */
static int64_t list_visits(const pp__data_residency *set, const pp__frame *frame, int64_t *to)
{
    const pp__stream *s = set->stream;
    const pp__piece *piece = &set->share->pieces[frame->piece];
    int64_t n = 0, base = (frame - s->frames) << ROW_BITS, copy = piece->first_copy;
    for (int64_t i = 0; n < piece->visits; i++, copy = 0)
        for (; copy < set->rows->times[piece->first_row + i] && n < piece->visits; copy++)
            to[n++] = base + i;
    return n;
}

/* Waits for the frames of the head and mixes them; 0: reading has failed. */
static int open_head(pp__data_residency *set, queue *q)
{
    const pp__stream *s = set->stream;
    group *g = q->head;
    int64_t n = 0;
    for (pp__frame *frame = g->frames; frame != NULL; frame = frame->next) {
        if (!pp__reader_wait(set->reader, frame)) return 0;
        n += list_visits(set, frame, q->mixed + n);
    }
    PP_CHECK(n == g->visits);
    if (set->share->shuffle)
        pp__mix_visits(set->share, (int)(q - s->queues), g->epoch, g->first, n, q->mixed);
    g->is_mixed = 1;
    return 1;
}

/* Visits [first, first + count) of a queue in this epoch, to rows `to` on; 0: reading has failed.
 */
static int take_visits(pp__data_residency *set, queue *q, int64_t first, int64_t count,
                       pp_rows *out, int64_t to)
{
    const pp__stream *s = set->stream;
    for (int64_t visit = first; visit < first + count; visit++) {
        const group *g = q->head;
        PP_CHECK(g != NULL && g->epoch == set->share->epoch && visit >= g->first);
        if (!g->is_mixed && !open_head(set, q)) return 0;
        int64_t place = q->mixed[visit - g->first];
        pp__copy_framed(set, &s->frames[place >> ROW_BITS], place & row_mask, out, to++);
        if (visit + 1 < g->first + g->visits) continue;
        drop_head(set->stream, q);
        plan_groups(set);
    }
    return 1;
}

/* ---- any step ---- */

static queue *queue_of(const pp__data_residency *set, int l)
{
    return &set->stream->queues[set->share->shuffle ? l : 0];
}

static int64_t share_of(const pp__data_residency *set, int l, int64_t step, int64_t *first)
{
    int64_t rows = pp__lane_share(set->share, l, step, first);
    if (set->share->shuffle) *first -= set->share->lane_visit[l];
    return rows;
}

/* Whether the next visits of all queues are those of this step. */
static int is_under_way(const pp__data_residency *set, int64_t step)
{
    for (int l = 0; l < set->share->range.count; l++) {
        int64_t first;
        const group *g = queue_of(set, l)->head;
        if (share_of(set, l, step, &first) == 0) continue;
        if (g == NULL || g->epoch != set->share->epoch) return 0;
        if (first < g->first || first >= g->first + g->visits) return 0;
        if (!set->share->shuffle) return 1; /* the lanes that follow have the same queue */
    }
    return 1;
}

static int go_to(pp__data_residency *set, int64_t step)
{
    pp__stream *s = set->stream;
    for (int i = 0; i < s->n_queues; i++) {
        queue *q = &s->queues[i];
        for (; q->head != NULL; drop_head(s, q))
            for (pp__frame *frame = q->head->frames; frame != NULL; frame = frame->next)
                if (!pp__reader_wait(set->reader, frame)) return 0;
        if (q->visits > 0) begin_epoch(set, q, set->share->epoch);
    }
    for (int l = 0; l < set->share->range.count; l++) {
        int64_t first;
        queue *q = queue_of(set, l);
        if (share_of(set, l, step, &first) == 0) continue;
        for (int64_t n = next_visits(set, q); q->done + n <= first; n = next_visits(set, q))
            step_over(set, q, next_pieces(set, q), n);
        if (!set->share->shuffle) break;
    }
    plan_groups(set);
    return 1;
}

static void batch(pp__data_residency *set, int64_t step, pp_rows *out, int64_t *lane_rows)
{
    int64_t n = 0, first;
    int ok = is_under_way(set, step) || go_to(set, step);
    for (int l = 0; l < set->share->range.count; l++) {
        lane_rows[l] = share_of(set, l, step, &first);
        if (ok) ok = take_visits(set, queue_of(set, l), first, lane_rows[l], out, n);
        n += lane_rows[l];
    }
}

/* ---- memory ---- */

static pp_status make_queues(pp__data_residency *set, pp_error *err)
{
    pp__stream *s = set->stream;
    int64_t largest = 0;
    s->n_queues = set->share->shuffle ? set->share->range.count : 1;
    s->open = set->share->shuffle ? set->share->open_windows : 1;
    s->fewest = FEWEST_BLOCK_FRAMES;
    s->queues = PP_ARENA_NEW(set->rows->arena, queue, s->n_queues);
    if (s->queues == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < set->share->n_pieces; i++) {
        if (set->share->pieces[i].visits > largest) largest = set->share->pieces[i].visits;
        if (set->share->pieces[i].rows > s->frame_rows) s->frame_rows = set->share->pieces[i].rows;
    }
    const int64_t *cut = set->share->cut + set->share->range.first;
    for (int i = 0; i < s->n_queues; i++) {
        queue *q = &s->queues[i];
        *q = (queue){.n_pieces = set->share->n_pieces, .visits = set->share->visits};
        q->share = cut[set->share->shuffle ? i + 1 : set->share->range.count] - cut[i];
        if (set->share->shuffle) {
            q->first_piece = set->share->lane_piece[i];
            q->n_pieces = set->share->lane_piece[i + 1] - q->first_piece;
            q->visits = set->share->lane_visit[i + 1] - set->share->lane_visit[i];
            q->order = PP_ARENA_NEW(set->rows->arena, int64_t, q->n_pieces);
        }
        int64_t pieces = least(s->open, q->n_pieces);
        s->fewest += pieces;
        q->mixed = PP_ARENA_NEW(set->rows->arena, int64_t, least(pieces * largest, q->visits));
        if ((set->share->shuffle && q->order == NULL) || q->mixed == NULL)
            return pp__data_no_memory(err);
    }
    return PP_OK;
}

static int64_t frame_bytes(const pp__data_residency *set)
{
    int64_t values = set->rows->info.inputs + set->rows->info.y_columns + 1;
    return set->stream->frame_rows * values * (int64_t)sizeof(float) +
           (int64_t)(sizeof(pp__frame) + sizeof(group));
}

/* What is taken without any frame. */
static int64_t other_bytes(const pp__data_residency *set)
{
    int64_t bytes =
        (int64_t)(pp_arena_bytes(set->rows->arena) + pp_arena_bytes(set->rows->until_loaded));
    for (int i = 0; i < set->rows->n_sources; i++) {
        const pp__source *s = &set->rows->source[i];
        bytes += pp_h5_cache_bytes(s->x);
        if (s->y_values == NULL) bytes += pp_h5_cache_bytes(s->y);
        if (s->weights != NULL && s->row_weights == NULL) bytes += pp_h5_cache_bytes(s->weights);
    }
    return bytes;
}

static int64_t held_out_bytes(const pp__data_residency *set)
{
    int64_t values = set->rows->info.inputs + set->rows->info.y_columns + 1;
    return set->held.rows * values * (int64_t)sizeof(float);
}

static pp_status plan(pp__data_residency *set, pp_error *err)
{
    set->stream = PP_ARENA_NEW(set->rows->arena, pp__stream, 1);
    if (set->stream == NULL) return pp__data_no_memory(err);
    set->stream->frame_rows = 1;
    pp_status status = set->share->shuffle ? pp__find_lanes(set->share, err) : PP_OK;
    if (status == PP_OK) status = make_queues(set, err);
    if (status == PP_OK) status = pp__block_stream_create(set, set->stream->frame_rows, err);
    return status;
}

/* What the rank that needs most can do with. */
static pp_status check_budget(const pp__data_residency *set, pp_comm *comm, int64_t bytes,
                              pp_error *err)
{
    int64_t most[] = {bytes, set->stream->fewest - FEWEST_BLOCK_FRAMES};
    pp_comm_max_i64(comm, most, 2);
    if (set->budget >= most[0]) return PP_OK;
    return pp_fail(err, PP_E_JOB,
                   "data.memory: %lld bytes are too few to stream with %lld windows of %lld rows "
                   "open on a rank; give %lld or more, or use more ranks, a smaller "
                   "data.open_windows or a smaller data.window",
                   (long long)set->budget, (long long)most[1], (long long)set->rows->info.window,
                   (long long)most[0]);
}

pp_status pp__stream_fit(pp__data_residency *set, pp_comm *comm, pp_error *err)
{
    pp__stream *s = set->stream;
    int64_t other = other_bytes(set), one = frame_bytes(set);
    int64_t fewest = other + s->fewest * one, kept = held_out_bytes(set);
    pp_status status = check_budget(set, comm, fewest, err);
    if (status != PP_OK) return status;
    /* An evaluation of few rows scattered over the file would read all of it. */
    int keeps = kept <= set->budget / 4 && fewest + kept <= set->budget;
    if (keeps) other += kept;
    int64_t most = EPOCHS_AHEAD * set->share->n_pieces + MOST_BLOCK_FRAMES;
    if (most > most_frames) most = most_frames;
    s->n_frames = least((set->budget - other) / one, most > s->fewest ? most : s->fewest);
    s->bytes = other + s->n_frames * one;
    return keeps ? pp__make_store(set, &set->held, err) : PP_OK;
}

/* ---- start ---- */

static pp_status make_frames(pp__data_residency *set, pp_error *err)
{
    pp__stream *s = set->stream;
    size_t inputs = (size_t)(s->frame_rows * set->rows->info.inputs);
    size_t columns = (size_t)(s->frame_rows * set->rows->info.y_columns),
           rows = (size_t)s->frame_rows;
    size_t each = inputs + columns + rows, n = (size_t)s->n_frames;
    s->frames = PP_ARENA_NEW(set->rows->arena, pp__frame, n);
    s->groups = PP_ARENA_NEW(set->rows->arena, group, n);
    s->values = malloc(each * n * sizeof *s->values);
    if (s->frames == NULL || s->groups == NULL || s->values == NULL) return pp__data_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        float *x = s->values + i * each;
        s->frames[i] = (pp__frame){.x = x, .y = x + inputs, .weight = x + inputs + columns};
    }
    return PP_OK;
}

/* The last frames are for blocks, all others for batches. */
static void share_frames(pp__data_residency *set)
{
    pp__stream *s = set->stream;
    int64_t more = least(s->n_frames / 8, MOST_BLOCK_FRAMES) - FEWEST_BLOCK_FRAMES;
    more = least(more, s->n_frames - s->fewest);
    s->n_free = s->n_frames - FEWEST_BLOCK_FRAMES - (more > 0 ? more : 0);
    for (int64_t i = s->n_free; i-- > 0;) {
        s->frames[i].next = s->free_frames;
        s->free_frames = &s->frames[i];
        s->groups[i].next = s->free_groups;
        s->free_groups = &s->groups[i];
    }
    pp__block_stream_give(set, s->frames + s->n_free, s->n_frames - s->n_free);
}

pp_status pp__stream_start(pp__data_residency *set, pp_error *err)
{
    pp_status status = make_frames(set, err);
    if (status != PP_OK) return status;
    share_frames(set);
    return pp__reader_start(set, &set->reader, err);
}

void pp__stream_destroy(pp__data_residency *set)
{
    if (set->stream == NULL) return;
    pp__reader_stop(set->reader);
    free(set->stream->values);
    set->stream = NULL;
}

static int64_t bytes(const pp__data_residency *set)
{
    return set->stream->bytes;
}

const pp__residence pp__streamed = {
    plan, batch, pp__block_stream_count, pp__block_stream_next, pp__block_stream_lane, bytes};
