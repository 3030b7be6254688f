/* What a step does: partial sums go to the owners of slices, who fold them in the order of the
 * tree, step their parameters, and hand them to everyone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exchange_internal.h"
#include "pitprop/check.h"

static void to_host(const pp_exchange *e, float *host, const float *device, int64_t count)
{
    if (host != device)
        e->spec.backend->download(e->spec.device, host, device, (size_t)count * sizeof *host);
}

static void to_device(const pp_exchange *e, float *device, const float *host, int64_t count)
{
    if (host != device)
        e->spec.backend->upload(e->spec.device, device, host, (size_t)count * sizeof *host);
}

static int64_t slice_size(const pp__bucket *b, int rank)
{
    return b->slice[rank + 1] - b->slice[rank];
}

static int tag_of(const pp_exchange *e, const pp__bucket *b, int phase)
{
    return 2 * (int)(b - e->buckets) + phase;
}

static float *host_arrival(const pp_exchange *e, const pp__bucket *b, int p)
{
    return e->host_arrivals + (b->incoming[p] - e->arrivals);
}

/* What a message holds: nothing where the other rank sees the memory, and is only told. */
static int64_t content(const pp_exchange *e, int64_t count)
{
    return e->shared != NULL ? 0 : count;
}

/* Empty slices are not sent: sender and owner both know them. */
static void start(pp_exchange *e, pp__bucket *b)
{
    if (e->shared != NULL) pp_shared_sync(e->shared);
    int in = b->slot, out = b->slot + pp__parts_in(e);
    for (int p = 0; p < e->n_parts && slice_size(b, e->rank) > 0; p++)
        if (e->parts[p].mine < 0)
            pp_comm_receive(e->spec.comm, e->requests, in++,
                            e->shared != NULL ? NULL : host_arrival(e, b, p),
                            content(e, slice_size(b, e->rank)), e->parts[p].rank, tag_of(e, b, 0));
    for (int i = 0; i < e->n_mine; i++) {
        if (e->ranks > 1)
            to_host(e, e->host_gradient[i] + b->first, e->gradient[i] + b->first,
                    b->relative[e->ranks]);
        for (int r = 0; r < e->ranks; r++)
            if (r != e->rank && slice_size(b, r) > 0)
                pp_comm_send(e->spec.comm, e->requests, out++, e->host_gradient[i] + b->slice[r],
                             content(e, slice_size(b, r)), r, tag_of(e, b, 0));
    }
    b->stage = REDUCING;
}

/* Calls act on the part of every parameter that lies in [first, first + PP_BLOCK). */
typedef void (*segment_fn)(pp_exchange *e, const pp_param *p, float *g, float *w, int64_t count,
                           int64_t state_at);

static void for_segments(pp_exchange *e, int64_t first, float *g, int64_t state_at, segment_fn act)
{
    const pp_model *model = e->spec.model;
    for (int i = e->block_param[first / PP_BLOCK]; i < model->n_params; i++) {
        const pp_param *p = &model->params[i];
        if (p->offset >= first + PP_BLOCK) break;
        int64_t low = p->offset > first ? p->offset : first;
        int64_t high = p->offset + p->count;
        if (high > first + PP_BLOCK) high = first + PP_BLOCK;
        if (low < high)
            act(e, p, g + (low - first), e->spec.params + low, high - low,
                state_at + (low - first));
    }
}

static void add_squares(pp_exchange *e, const pp_param *p, double squares)
{
    pp_sum_add(&e->squares[0], squares);
    if (p->n_dims > 1) pp_sum_add(&e->squares[1], squares);
}

static void finish_segment(pp_exchange *e, const pp_param *p, float *g, float *w, int64_t count,
                           int64_t state_at)
{
    (void)state_at;
    if (!p->trainable) return;
    e->spec.backend->finish_gradient(e->spec.device, count, (float)e->step.rows, p->l1, p->l2, w,
                                     g);
    if (e->step.want_norm || e->step.clip_norm > 0)
        add_squares(e, p, e->spec.backend->sum_squares(e->spec.device, count, g));
}

static void update_segment(pp_exchange *e, const pp_param *p, float *g, float *w, int64_t count,
                           int64_t state_at)
{
    if (p->trainable)
        e->spec.backend->update(e->spec.device, &e->step.update, e->clip_factor, count, g,
                                e->state[0] == NULL ? NULL : e->state[0] + state_at,
                                e->state[1] == NULL ? NULL : e->state[1] + state_at, w);
    else if (p->statistic > 0)
        e->spec.backend->average(e->spec.device, count, (float)e->step.rows, p->statistic, g, w);
}

static void update_block(pp_exchange *e, pp__bucket *b, int64_t at)
{
    for_segments(e, b->slice[e->rank] + at, b->incoming[0] + at, b->state_at + at, update_segment);
}

/* Finishes the tree on this rank's slice, block by block while it is in the cache. */
static void reduce_slice(pp_exchange *e, pp__bucket *b)
{
    if (e->shared != NULL) pp_shared_sync(e->shared);
    for (int p = 0; p < e->n_parts && e->shared == NULL; p++)
        if (e->parts[p].mine < 0)
            to_device(e, b->incoming[p], host_arrival(e, b, p), slice_size(b, e->rank));
    for (int64_t at = 0; at < slice_size(b, e->rank); at += PP_BLOCK) {
        for (int i = 0; i + 1 < e->n_parts; i++)
            e->spec.backend->add(e->spec.device, PP_BLOCK, b->incoming[e->adds[i].from] + at,
                                 b->incoming[e->adds[i].into] + at);
        int64_t first = b->slice[e->rank] + at;
        for_segments(e, first, b->incoming[0] + at, b->state_at + at, finish_segment);
        if (e->step.clip_norm <= 0) update_block(e, b, at);
    }
    b->stage = REDUCED;
}

static void gather(pp_exchange *e, pp__bucket *b)
{
    int in = b->slot + pp__parts_in(e) + pp__parts_out(e), out = in + e->ranks - 1;
    int64_t own = b->slice[e->rank], count = slice_size(b, e->rank);
    if (e->ranks > 1) to_host(e, e->host_params + own, e->spec.params + own, count);
    if (e->shared != NULL) pp_shared_sync(e->shared);
    for (int r = 0; r < e->ranks; r++) {
        if (r == e->rank) continue;
        if (slice_size(b, r) > 0)
            pp_comm_receive(e->spec.comm, e->requests, in++, e->host_params + b->slice[r],
                            content(e, slice_size(b, r)), r, tag_of(e, b, 1));
        if (count > 0)
            pp_comm_send(e->spec.comm, e->requests, out++, e->host_params + own, content(e, count),
                         r, tag_of(e, b, 1));
    }
    b->stage = GATHERING;
}

static void take_gathered(pp_exchange *e, pp__bucket *b)
{
    if (e->shared != NULL) pp_shared_sync(e->shared);
    for (int r = 0; r < e->ranks; r++)
        if (r != e->rank)
            to_device(e, e->spec.params + b->slice[r], e->host_params + b->slice[r],
                      slice_size(b, r));
    b->stage = DONE;
}

static void advance(pp_exchange *e, pp__bucket *b)
{
    if (b->stage == REDUCING && pp_requests_test(e->requests, b->slot, pp__parts_in(e))) {
        reduce_slice(e, b);
        if (e->step.clip_norm <= 0) gather(e, b);
    }
    if (b->stage == GATHERING && pp_requests_test(e->requests, b->slot, pp__bucket_slots(e)))
        take_gathered(e, b);
}

static void poll(pp_exchange *e)
{
    for (int i = e->oldest; i > e->next; i--)
        advance(e, &e->buckets[i]);
    while (e->oldest > e->next && e->buckets[e->oldest].stage == DONE)
        e->oldest--;
}

void pp_exchange_begin(pp_exchange *e, const pp_exchange_step *step)
{
    e->step = *step;
    e->next = e->oldest = e->n_buckets - 1;
    memset(e->squares, 0, sizeof e->squares);
    e->clip_factor = 1.0f;
    for (int i = 0; i < e->n_buckets; i++)
        e->buckets[i].stage = IDLE;
}

void pp_exchange_ready(void *exchange, int64_t offset)
{
    pp_exchange *e = exchange;
    while (e->next >= 0 && e->buckets[e->next].first >= offset)
        start(e, &e->buckets[e->next--]);
    poll(e);
}

static int all_at_least(const pp_exchange *e, pp__stage least)
{
    for (int i = 0; i <= e->oldest; i++)
        if (e->buckets[i].stage < least) return 0;
    return 1;
}

/* The sums of squares over all ranks: exact, hence the same for any slicing. */
static void sum_over_ranks(const pp_exchange *e, pp_sum all[2])
{
    for (int i = 0; i < 2; i++) {
        all[i] = e->squares[i];
        pp_sum_normalise(&all[i]);
    }
    pp_comm_sum_i64(e->spec.comm, (int64_t *)all, 2 * sizeof *all / sizeof(int64_t));
}

/* As torch.nn.utils.clip_grad_norm_: the factor is max_norm / (norm + 1e-6), at most 1. */
static void clip(pp_exchange *e)
{
    while (!all_at_least(e, REDUCED))
        poll(e);
    sum_over_ranks(e, e->squares);
    double factor = e->step.clip_norm / (sqrt(pp_sum_value(&e->squares[0])) + 1e-6);
    e->clip_factor = factor < 1 ? (float)factor : 1.0f;
    for (int i = e->n_buckets - 1; i >= 0; i--) {
        for (int64_t at = 0; at < slice_size(&e->buckets[i], e->rank); at += PP_BLOCK)
            update_block(e, &e->buckets[i], at);
        gather(e, &e->buckets[i]);
    }
}

void pp_exchange_finish(pp_exchange *e)
{
    double begun = pp_comm_seconds();
    PP_CHECK(e->next == -1);
    if (e->step.clip_norm > 0) clip(e);
    while (e->oldest >= 0)
        poll(e);
    e->waited += pp_comm_seconds() - begun;
}

double pp_exchange_norm(pp_exchange *e, double *weights)
{
    pp_sum all[2] = {e->squares[0], e->squares[1]};
    if (e->step.clip_norm <= 0) sum_over_ranks(e, all);
    if (weights != NULL) *weights = sqrt(pp_sum_value(&all[1]));
    return sqrt(pp_sum_value(&all[0]));
}

double pp_exchange_waited(pp_exchange *e)
{
    double waited = e->waited;
    e->waited = 0;
    return waited;
}

void pp_exchange_gather_state(pp_exchange *e, int which, int root, float *full)
{
    int64_t most = 0;
    for (int i = 0; i < e->n_buckets; i++) {
        int64_t size = e->buckets[i].relative[e->ranks];
        if (size > most) most = size;
    }
    float *whole = malloc((size_t)most * sizeof *whole);
    if (whole == NULL) { /* the others are sending: nobody can be told */
        fprintf(stderr, "pitprop: error: out of memory: no room for the optimiser's state\n");
        pp_comm_abort(pp_status_exit_code(PP_E_MEMORY));
    }
    for (int i = 0; i < e->n_buckets; i++) {
        const pp__bucket *b = &e->buckets[i];
        e->spec.backend->download(e->spec.device, whole + b->relative[e->rank],
                                  e->state[which] + b->state_at,
                                  (size_t)slice_size(b, e->rank) * sizeof *whole);
        pp_comm_gather_ranges(e->spec.comm, root, b->relative, whole);
        if (e->rank == root)
            memcpy(full + b->first, whole, (size_t)b->relative[e->ranks] * sizeof *whole);
    }
    free(whole);
}

void pp_exchange_set_state(pp_exchange *e, int which, const float *full)
{
    for (int i = 0; i < e->n_buckets; i++) {
        const pp__bucket *b = &e->buckets[i];
        e->spec.backend->upload(e->spec.device, e->state[which] + b->state_at,
                                full + b->slice[e->rank],
                                (size_t)slice_size(b, e->rank) * sizeof *full);
    }
}
