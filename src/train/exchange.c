#include "train/exchange.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "pitprop/check.h"

/* A node of the tree over lanes, and who brings it. */
typedef struct part {
    pp_tree_node node;
    int rank;
    int mine;  /* index among this rank's nodes, -1: another's */
    int index; /* among the nodes of its rank */
} part;

typedef enum stage { IDLE, REDUCING, REDUCED, GATHERING, DONE } stage;

typedef struct bucket {
    int64_t first;     /* float offset in the parameter vector */
    int64_t *slice;    /* [ranks + 1] float offsets: rank r owns [slice[r], slice[r + 1]) */
    int64_t *relative; /* [ranks + 1] the same from the bucket's beginning */
    int64_t state_at;  /* where its slice begins in the compact state arrays */
    float **incoming;  /* [parts] this rank's slice of each part; mine: inside gradient */
    int slot;          /* first request */
    stage stage;
} bucket;

struct pp_exchange {
    pp_exchange_spec spec;
    pp_arena *arena; /* host tables */
    int rank, ranks;
    part *parts; /* [n_parts] in lane order */
    int n_parts, n_mine;
    pp_tree_add *adds; /* [n_parts - 1] */
    bucket *buckets;   /* [n_buckets] ascending */
    int n_buckets;
    int *block_param; /* [blocks] first parameter that reaches into the block */
    float *gradient[PP_MAX_NODES];
    float *arrivals;   /* all incoming slices of others; NULL where they are read in place */
    pp_shared *shared; /* gradients, and behind rank 0's the parameters; NULL: messages */
    /* What MPI may touch of gradient, arrivals and params: these themselves, or copies where the
     * device's memory is not the host's. */
    float *host_gradient[PP_MAX_NODES], *host_arrivals, *host_params;
    float *state[2];
    int64_t owned; /* floats */
    int64_t bytes;
    pp_requests *requests;

    pp_exchange_step step;
    int next;          /* bucket to start next, descending; -1: all started */
    int oldest;        /* highest bucket that is not DONE */
    pp_sum squares[2]; /* of this rank's slices of the gradient, all of it and that of matrices;
                          clipping: of all ranks' */
    float clip_factor;
    double waited;
};

/* Requests of a bucket, in this order: parts in, parts out, parameters in, parameters out. */
static int parts_in(const pp_exchange *e)
{
    return e->n_parts - e->n_mine;
}

static int parts_out(const pp_exchange *e)
{
    return e->n_mine * (e->ranks - 1);
}

static int bucket_slots(const pp_exchange *e)
{
    return parts_in(e) + parts_out(e) + 2 * (e->ranks - 1);
}

static int plan_parts(pp_exchange *e)
{
    e->parts = PP_ARENA_NEW(e->arena, part, (size_t)e->ranks * PP_MAX_NODES);
    if (e->parts == NULL) return 0;
    for (int r = 0; r < e->ranks; r++) {
        pp_tree_node nodes[PP_MAX_NODES];
        int n = pp_tree_nodes(pp_lanes_of_rank(e->spec.lanes, r, e->ranks), nodes);
        for (int i = 0; i < n; i++)
            e->parts[e->n_parts++] = (part){nodes[i], r, r == e->rank ? e->n_mine++ : -1, i};
    }
    pp_tree_node *nodes = PP_ARENA_NEW(e->arena, pp_tree_node, e->n_parts);
    e->adds = PP_ARENA_NEW(e->arena, pp_tree_add, e->n_parts);
    if (nodes == NULL || e->adds == NULL) return 0;
    for (int i = 0; i < e->n_parts; i++)
        nodes[i] = e->parts[i].node;
    int adds = pp_tree_fold(nodes, e->n_parts, e->adds);
    PP_CHECK(adds == e->n_parts - 1);
    return 1;
}

/* Tags count buckets twice and stay below 2^15, so very large models get larger buckets. */
static int plan_buckets(pp_exchange *e)
{
    int64_t blocks = e->spec.model->size / PP_BLOCK;
    int64_t per_bucket = e->spec.bucket_bytes / (int64_t)(PP_BLOCK * sizeof(float));
    if (per_bucket < 1) per_bucket = 1;
    if (per_bucket < blocks / 8192 + 1) per_bucket = blocks / 8192 + 1;
    e->n_buckets = (int)((blocks + per_bucket - 1) / per_bucket);
    e->buckets = PP_ARENA_NEW(e->arena, bucket, e->n_buckets);
    e->block_param = PP_ARENA_NEW(e->arena, int, blocks);
    if (e->buckets == NULL || e->block_param == NULL) return 0;
    for (int i = 0; i < e->n_buckets; i++) {
        bucket *b = &e->buckets[i];
        int64_t first = (int64_t)i * per_bucket;
        int64_t count = blocks - first < per_bucket ? blocks - first : per_bucket;
        b->first = first * PP_BLOCK;
        b->slice = PP_ARENA_NEW(e->arena, int64_t, e->ranks + 1);
        b->relative = PP_ARENA_NEW(e->arena, int64_t, e->ranks + 1);
        b->incoming = PP_ARENA_NEW(e->arena, float *, e->n_parts);
        if (b->slice == NULL || b->relative == NULL || b->incoming == NULL) return 0;
        for (int r = 0; r <= e->ranks; r++) {
            b->relative[r] = count * r / e->ranks * PP_BLOCK;
            b->slice[r] = b->first + b->relative[r];
        }
        b->state_at = e->owned;
        e->owned += b->slice[e->rank + 1] - b->slice[e->rank];
        b->slot = i * bucket_slots(e);
    }
    for (int64_t block = 0, p = 0; block < blocks; block++) {
        while (p + 1 < e->spec.model->n_params &&
               e->spec.model->params[p + 1].offset <= block * PP_BLOCK)
            p++;
        e->block_param[block] = (int)p;
    }
    return 1;
}

static float *device_floats(pp_exchange *e, int64_t count)
{
    size_t bytes = (size_t)count * sizeof(float);
    e->bytes += (int64_t)bytes;
    return e->spec.backend->allocate(e->spec.device, bytes);
}

static float *host_floats(pp_exchange *e, int64_t count, float *on_device)
{
    if (e->spec.backend->host_memory) return on_device;
    return PP_ARENA_NEW(e->arena, float, count);
}

static int allocate_host(pp_exchange *e)
{
    int64_t size = e->spec.model->size;
    for (int i = 0; i < e->n_mine; i++)
        if ((e->host_gradient[i] = host_floats(e, size, e->gradient[i])) == NULL) return 0;
    e->host_params = host_floats(e, size, e->spec.params);
    e->host_arrivals = host_floats(e, e->owned * parts_in(e), e->arrivals);
    return e->host_params != NULL && e->host_arrivals != NULL;
}

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

static int allocate(pp_exchange *e)
{
    for (int i = 0; i < e->n_mine; i++)
        if ((e->gradient[i] = device_floats(e, e->spec.model->size)) == NULL) return 0;
    for (int i = 0; i < e->spec.states; i++)
        if ((e->state[i] = device_floats(e, e->owned)) == NULL) return 0;
    e->arrivals = device_floats(e, e->owned * parts_in(e));
    if (e->arrivals == NULL || !allocate_host(e)) return 0;
    float *at = e->arrivals;
    for (int i = 0; i < e->n_buckets; i++) {
        bucket *b = &e->buckets[i];
        for (int p = 0; p < e->n_parts; p++) {
            int mine = e->parts[p].mine;
            b->incoming[p] = mine >= 0 ? e->gradient[mine] + b->slice[e->rank] : at;
            if (mine < 0) at += b->slice[e->rank + 1] - b->slice[e->rank];
        }
    }
    return 1;
}

pp_status pp_exchange_create(const pp_exchange_spec *spec, pp_exchange **exchange, pp_error *err)
{
    pp_exchange *e = calloc(1, sizeof *e);
    if (e == NULL) return pp_fail(err, PP_E_MEMORY, "no memory for the exchange");
    e->spec = *spec;
    e->rank = pp_comm_rank(spec->comm);
    e->ranks = pp_comm_size(spec->comm);
    e->arena = pp_arena_create();
    pp_status status = PP_OK;
    if (e->arena == NULL || !plan_parts(e) || !plan_buckets(e) || !allocate(e))
        status = pp_fail(err, PP_E_MEMORY,
                         "no memory for gradients and optimiser state of %lld parameters",
                         (long long)spec->model->size);
    if (status == PP_OK)
        status = pp_requests_create(e->n_buckets * bucket_slots(e), &e->requests, err);
    if (status != PP_OK) {
        pp_exchange_destroy(e);
        return status;
    }
    *exchange = e;
    return PP_OK;
}

/* The slices of others where they lie. */
static void point_at_parts(pp_exchange *e)
{
    for (int i = 0; i < e->n_buckets; i++)
        for (int p = 0; p < e->n_parts; p++) {
            const part *of = &e->parts[p];
            float *gradients = pp_shared_of(e->shared, of->rank);
            e->buckets[i].incoming[p] =
                gradients + (int64_t)of->index * e->spec.model->size + e->buckets[i].slice[e->rank];
        }
}

static void move_gradients(pp_exchange *e)
{
    int64_t size = e->spec.model->size;
    float *mine = pp_shared_of(e->shared, e->rank);
    for (int i = 0; i < e->n_mine; i++) {
        e->spec.backend->release(e->spec.device, e->gradient[i]);
        e->gradient[i] = e->host_gradient[i] = mine + i * size;
    }
    e->spec.backend->release(e->spec.device, e->arrivals);
    e->arrivals = e->host_arrivals = NULL;
    e->bytes -= e->owned * parts_in(e) * (int64_t)sizeof(float);
}

float *pp_exchange_share(pp_exchange *e)
{
    int64_t size = e->spec.model->size;
    int64_t floats = (e->n_mine + (e->rank == 0)) * size;
    if (!e->spec.backend->host_memory) return NULL;
    e->shared = pp_comm_share(e->spec.comm, (size_t)floats * sizeof(float));
    if (e->shared == NULL) return NULL;
    move_gradients(e);
    point_at_parts(e);
    int of_rank_0 = 0;
    while (of_rank_0 < e->n_parts && e->parts[of_rank_0].rank == 0)
        of_rank_0++;
    float *params = (float *)pp_shared_of(e->shared, 0) + of_rank_0 * size;
    if (e->rank == 0) memcpy(params, e->spec.params, (size_t)size * sizeof *params);
    pp_shared_sync(e->shared);
    pp_comm_agree(e->spec.comm, PP_OK, NULL); /* nobody reads them before */
    pp_shared_sync(e->shared);
    e->spec.params = e->host_params = params;
    return params;
}

void pp_exchange_destroy(pp_exchange *e)
{
    if (e == NULL) return;
    for (int i = 0; i < e->n_mine && e->shared == NULL; i++)
        e->spec.backend->release(e->spec.device, e->gradient[i]);
    pp_shared_destroy(e->shared);
    for (int i = 0; i < e->spec.states; i++)
        e->spec.backend->release(e->spec.device, e->state[i]);
    e->spec.backend->release(e->spec.device, e->arrivals);
    pp_requests_destroy(e->requests);
    pp_arena_destroy(e->arena);
    free(e);
}

int64_t pp_exchange_bytes(const pp_exchange *e)
{
    return e->bytes;
}

float *const *pp_exchange_gradients(const pp_exchange *e)
{
    return e->gradient;
}

static int64_t slice_size(const bucket *b, int rank)
{
    return b->slice[rank + 1] - b->slice[rank];
}

static int tag_of(const pp_exchange *e, const bucket *b, int phase)
{
    return 2 * (int)(b - e->buckets) + phase;
}

static float *host_arrival(const pp_exchange *e, const bucket *b, int p)
{
    return e->host_arrivals + (b->incoming[p] - e->arrivals);
}

/* What a message holds: nothing where the other rank sees the memory, and is only told. */
static int64_t content(const pp_exchange *e, int64_t count)
{
    return e->shared != NULL ? 0 : count;
}

/* Empty slices are not sent: sender and owner both know them. */
static void start(pp_exchange *e, bucket *b)
{
    if (e->shared != NULL) pp_shared_sync(e->shared);
    int in = b->slot, out = b->slot + parts_in(e);
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

static void update_block(pp_exchange *e, bucket *b, int64_t at)
{
    for_segments(e, b->slice[e->rank] + at, b->incoming[0] + at, b->state_at + at, update_segment);
}

/* Finishes the tree on this rank's slice, block by block while it is in the cache. */
static void reduce_slice(pp_exchange *e, bucket *b)
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

static void gather(pp_exchange *e, bucket *b)
{
    int in = b->slot + parts_in(e) + parts_out(e), out = in + e->ranks - 1;
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

static void take_gathered(pp_exchange *e, bucket *b)
{
    if (e->shared != NULL) pp_shared_sync(e->shared);
    for (int r = 0; r < e->ranks; r++)
        if (r != e->rank)
            to_device(e, e->spec.params + b->slice[r], e->host_params + b->slice[r],
                      slice_size(b, r));
    b->stage = DONE;
}

static void advance(pp_exchange *e, bucket *b)
{
    if (b->stage == REDUCING && pp_requests_test(e->requests, b->slot, parts_in(e))) {
        reduce_slice(e, b);
        if (e->step.clip_norm <= 0) gather(e, b);
    }
    if (b->stage == GATHERING && pp_requests_test(e->requests, b->slot, bucket_slots(e)))
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

static int all_at_least(const pp_exchange *e, stage least)
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
        const bucket *b = &e->buckets[i];
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
        const bucket *b = &e->buckets[i];
        e->spec.backend->upload(e->spec.device, e->state[which] + b->state_at,
                                full + b->slice[e->rank],
                                (size_t)slice_size(b, e->rank) * sizeof *full);
    }
}
