/* Blocks of an evaluation, of rows that are read shortly before: pieces lane after lane, in dealt
 * order, or the held-out rows in file order. */
#include "residency_internal.h"

#include "pitprop/check.h"

typedef struct pp__block_stream {
    int64_t *lane_rows;  /* [range.count] own rows of each lane */
    int64_t *lane_block; /* [range.count + 1] first block of each lane */
    int64_t frame_rows;  /* that a frame has room for */
    pp_part part;        /* of the evaluation under way */
    int64_t next;        /* block */
    int lane;            /* to be asked for next: training rows, */
    int64_t piece;       /* */
    int64_t held;        /* and held-out ones */
    pp__frame *free_frames, *head, *tail;
    int64_t at; /* in the head: row, or which of its held-out rows */
} pp__block_stream;

/* ---- asking ---- */

static void push(pp__data_residency *set, pp__frame *frame)
{
    pp__block_stream *b = set->block_stream;
    b->free_frames = frame->next;
    frame->next = NULL;
    if (b->head == NULL)
        b->head = frame;
    else
        b->tail->next = frame;
    b->tail = frame;
    pp__reader_ask(set->reader, frame, 1);
}

/* The next piece of the lane at hand that has rows of its own, or of a later lane; -1: none. */
static int64_t next_piece(const pp__data_residency *set, pp__block_stream *b)
{
    for (; b->lane < set->share->range.count; b->lane++, b->piece = 0)
        while (b->piece < set->share->n_pieces) {
            const pp__piece *piece = &set->share->pieces[b->piece++];
            if (piece->lane == set->share->range.first + b->lane && piece->owned > 0)
                return b->piece - 1;
        }
    return -1;
}

static int ask_for_piece(pp__data_residency *set)
{
    pp__frame *frame = set->block_stream->free_frames;
    int64_t number = next_piece(set, set->block_stream);
    if (number < 0) return 0;
    frame->source = &set->rows->source[PP__TRAINING];
    frame->first = set->share->pieces[number].first_row;
    frame->rows = set->share->pieces[number].rows;
    frame->piece = number;
    push(set, frame);
    return 1;
}

static int ask_for_held_out(pp__data_residency *set)
{
    pp__block_stream *b = set->block_stream;
    pp__frame *frame = b->free_frames;
    const int64_t *index = set->held.at.index + b->held;
    int64_t left = set->held.rows - b->held, n = 1;
    if (left == 0) return 0;
    while (n < left && index[n] - index[0] < b->frame_rows)
        n++;
    frame->source = &set->rows->source[set->rows->n_sources - 1];
    frame->first = index[0] - frame->source->first;
    frame->rows = index[n - 1] + 1 - index[0];
    frame->piece = -1;
    frame->held = b->held;
    frame->n_held = n;
    b->held += n;
    push(set, frame);
    return 1;
}

static void read_ahead(pp__data_residency *set)
{
    pp__block_stream *b = set->block_stream;
    int (*ask)(pp__data_residency *) = b->part == PP_PART_TRAIN ? ask_for_piece : ask_for_held_out;
    while (b->free_frames != NULL && ask(set))
        continue;
}

static void drop_head(pp__block_stream *b)
{
    pp__frame *frame = b->head;
    b->head = frame->next;
    b->at = 0;
    frame->next = b->free_frames;
    b->free_frames = frame;
}

/* 0: reading has failed. */
static int begin(pp__data_residency *set, pp_part part)
{
    pp__block_stream *b = set->block_stream;
    for (; b->head != NULL; drop_head(b)) /* of an evaluation that was left */
        if (!pp__reader_wait(set->reader, b->head)) return 0;
    b->part = part;
    b->next = 0;
    b->lane = 0;
    b->piece = b->held = b->at = 0;
    read_ahead(set);
    return 1;
}

/* ---- taking ---- */

/* Offset of the next row of the head; -1: it has none left. */
static int64_t next_row(const pp__data_residency *set, pp__block_stream *b)
{
    const pp__frame *frame = b->head;
    if (frame->piece < 0)
        return b->at < frame->n_held
                   ? set->held.at.index[frame->held + b->at++] - frame->source->first - frame->first
                   : -1;
    const pp__piece *piece = &set->share->pieces[frame->piece];
    while (b->at < piece->rows) {
        int64_t offset = b->at++;
        if (offset == 0 && piece->first_copy > 0) continue; /* another lane's own */
        if (set->rows->times[piece->first_row + offset] > 0) return offset;
    }
    return -1;
}

static void take_rows(pp__data_residency *set, int64_t rows, pp_rows *out)
{
    pp__block_stream *b = set->block_stream;
    for (int64_t n = 0; n < rows;) {
        PP_CHECK(b->head != NULL);
        if (!pp__reader_wait(set->reader, b->head)) return;
        for (int64_t offset; n < rows && (offset = next_row(set, b)) >= 0;)
            pp__copy_framed(set, b->head, offset, out, n++);
        if (n == rows) return;
        drop_head(b);
        read_ahead(set);
    }
}

int pp__block_stream_lane(const pp__data_residency *set, int64_t block)
{
    int l = 0;
    while (block >= set->block_stream->lane_block[l + 1])
        l++;
    return set->share->range.first + l;
}

/* Training rows are cut into blocks lane by lane. */
static int64_t block_rows(const pp__data_residency *set, pp_part part, int64_t block)
{
    const pp__block_stream *b = set->block_stream;
    int64_t rows = set->held.rows, first = 0;
    if (part == PP_PART_TRAIN) {
        int l = pp__block_stream_lane(set, block) - set->share->range.first;
        rows = b->lane_rows[l];
        first = b->lane_block[l];
    }
    int64_t left = rows - (block - first) * PP_BLOCK_ROWS;
    return left < PP_BLOCK_ROWS ? left : PP_BLOCK_ROWS;
}

int64_t pp__block_stream_next(pp__data_residency *set, pp_part part, int64_t block, pp_rows *out)
{
    pp__block_stream *b = set->block_stream;
    if (part != PP_PART_TRAIN && set->held.at.x != NULL) return pp__slots_held_out(set, block, out);
    int64_t rows = block_rows(set, part, block);
    int ok = block > 0 || begin(set, part);
    PP_CHECK(!ok || (part == b->part && block == b->next));
    b->next++;
    if (ok) take_rows(set, rows, out);
    return rows;
}

pp_status pp__block_stream_create(pp__data_residency *set, int64_t frame_rows, pp_error *err)
{
    int lanes = set->share->range.count;
    pp__block_stream *b = PP_ARENA_NEW(set->rows->arena, pp__block_stream, 1);
    if (b == NULL) return pp__data_no_memory(err);
    b->frame_rows = frame_rows;
    b->lane_rows = PP_ARENA_NEW(set->rows->arena, int64_t, lanes);
    b->lane_block = PP_ARENA_NEW(set->rows->arena, int64_t, lanes + 1);
    if (b->lane_rows == NULL || b->lane_block == NULL) return pp__data_no_memory(err);
    for (int64_t i = 0; i < set->share->n_pieces; i++)
        b->lane_rows[set->share->pieces[i].lane - set->share->range.first] +=
            set->share->pieces[i].owned;
    for (int l = 0; l < lanes; l++)
        b->lane_block[l + 1] =
            b->lane_block[l] + (b->lane_rows[l] + PP_BLOCK_ROWS - 1) / PP_BLOCK_ROWS;
    set->block_stream = b;
    return PP_OK;
}

void pp__block_stream_give(pp__data_residency *set, pp__frame *frames, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        frames[i].next = set->block_stream->free_frames;
        set->block_stream->free_frames = &frames[i];
    }
}

int64_t pp__block_stream_count(const pp__data_residency *set)
{
    return set->block_stream->lane_block[set->share->range.count];
}
