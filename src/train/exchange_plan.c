/* What an exchange is made of: the tree's parts, buckets and slices, and their memory. */
#include <stdlib.h>
#include <string.h>

#include "exchange_internal.h"
#include "pitprop/check.h"

static int plan_parts(pp_exchange *e)
{
    e->parts = PP_ARENA_NEW(e->arena, pp__part, (size_t)e->ranks * PP_MAX_NODES);
    if (e->parts == NULL) return 0;
    for (int r = 0; r < e->ranks; r++) {
        pp_tree_node nodes[PP_MAX_NODES];
        int n = pp_tree_nodes(pp_lanes_of_rank(e->spec.lanes, r, e->ranks), nodes);
        for (int i = 0; i < n; i++)
            e->parts[e->n_parts++] = (pp__part){nodes[i], r, r == e->rank ? e->n_mine++ : -1, i};
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
    e->buckets = PP_ARENA_NEW(e->arena, pp__bucket, e->n_buckets);
    e->block_param = PP_ARENA_NEW(e->arena, int, blocks);
    if (e->buckets == NULL || e->block_param == NULL) return 0;
    for (int i = 0; i < e->n_buckets; i++) {
        pp__bucket *b = &e->buckets[i];
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
        b->slot = i * pp__bucket_slots(e);
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
    e->host_arrivals = host_floats(e, e->owned * pp__parts_in(e), e->arrivals);
    return e->host_params != NULL && e->host_arrivals != NULL;
}

static int allocate(pp_exchange *e)
{
    for (int i = 0; i < e->n_mine; i++)
        if ((e->gradient[i] = device_floats(e, e->spec.model->size)) == NULL) return 0;
    for (int i = 0; i < e->spec.states; i++)
        if ((e->state[i] = device_floats(e, e->owned)) == NULL) return 0;
    e->arrivals = device_floats(e, e->owned * pp__parts_in(e));
    if (e->arrivals == NULL || !allocate_host(e)) return 0;
    float *at = e->arrivals;
    for (int i = 0; i < e->n_buckets; i++) {
        pp__bucket *b = &e->buckets[i];
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
        status = pp_requests_create(e->n_buckets * pp__bucket_slots(e), &e->requests, err);
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
            const pp__part *of = &e->parts[p];
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
    e->bytes -= e->owned * pp__parts_in(e) * (int64_t)sizeof(float);
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
