/* Communicators: agreement on failures, collectives, children, and messages. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mpi_test.h"

static int me(void)
{
    return pp_comm_rank(pp_test_comm);
}

static int ranks(void)
{
    return pp_comm_size(pp_test_comm);
}

static void *memory(size_t bytes)
{
    void *block = calloc(1, bytes + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    return block;
}

/* ---- agreement ---- */

static void test_agree_on_success(void)
{
    pp_error err = {.code = PP_E_JOB, .rank = 17, .text = "as before"};
    CU_ASSERT_EQUAL(pp_comm_agree(pp_test_comm, PP_OK, &err), PP_OK);
    CU_ASSERT_EQUAL(pp_comm_agree(pp_test_comm, PP_OK, NULL), PP_OK);
    CU_ASSERT_EQUAL(err.code, PP_E_JOB);
    CU_ASSERT_EQUAL(err.rank, 17);
    CU_ASSERT_STRING_EQUAL(err.text, "as before");
}

/* Brings the status of this rank; all must leave with the one of `culprit`. */
static void check_agreement(int fails, int culprit)
{
    pp_error err;
    char text[64];
    memset(&err, 0xff, sizeof err); /* nothing of it may be read where nothing failed */
    pp_status mine = fails ? (pp_status)(1 + me() % (PP_STATUS_COUNT - 1)) : PP_OK;
    if (fails) pp_fail(&err, mine, "file-%d: row %d is bad", me(), 100 + me());
    pp_status expected = (pp_status)(1 + culprit % (PP_STATUS_COUNT - 1));
    snprintf(text, sizeof text, "file-%d: row %d is bad", culprit, 100 + culprit);
    CU_ASSERT_EQUAL(pp_comm_agree(pp_test_comm, mine, &err), expected);
    CU_ASSERT_EQUAL(err.code, expected);
    CU_ASSERT_EQUAL(err.rank, culprit);
    CU_ASSERT_STRING_EQUAL(err.text, text);
}

static void test_agree_on_failure(void)
{
    for (int r = 0; r < ranks(); r++)
        check_agreement(me() == r, r);
    for (int r = 0; r < ranks(); r++)
        check_agreement(me() >= r, r); /* the lowest */
}

/* A rank that keeps no text still tells its code; a text of full length arrives whole. */
static void test_agree_on_texts(void)
{
    int last = ranks() - 1;
    pp_error err = {.text = ""};
    pp_status mine = me() == last ? PP_E_DATA : PP_OK;
    CU_ASSERT_EQUAL(pp_comm_agree(pp_test_comm, mine, me() == last ? NULL : &err), PP_E_DATA);
    if (me() != last) CU_ASSERT_STRING_EQUAL(err.text, pp_status_text(PP_E_DATA));
    char full[sizeof err.text];
    memset(full, 'x', sizeof full - 1);
    full[sizeof full - 1] = '\0';
    if (me() == last) pp_fail(&err, PP_E_IO, "%s", full);
    mine = me() == last ? PP_E_IO : PP_OK;
    CU_ASSERT_EQUAL(pp_comm_agree(pp_test_comm, mine, &err), PP_E_IO);
    CU_ASSERT_STRING_EQUAL(err.text, full);
}

/* ---- collectives ---- */

static void check_broadcast(int root, size_t size)
{
    unsigned char *bytes = memory(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = me() == root ? (unsigned char)(i * 7 + (size_t)root) : 0xaa;
    bytes[size] = 0x55;
    pp_comm_broadcast(pp_test_comm, root, bytes, size);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += bytes[i] != (unsigned char)(i * 7 + (size_t)root);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(bytes[size], 0x55);
    free(bytes);
}

static void test_broadcast(void)
{
    for (int root = 0; root < ranks(); root++) {
        check_broadcast(root, 0);
        check_broadcast(root, 1);
        check_broadcast(root, 1000);
    }
    check_broadcast(ranks() - 1, 3000001);
}

static void check_reductions(int64_t count)
{
    size_t bytes = (size_t)count * sizeof(int64_t);
    int64_t *sum = memory(bytes), *high = memory(bytes), *low = memory(bytes);
    int64_t n = ranks(), wrong = 0;
    for (int64_t i = 0; i < count; i++) {
        sum[i] = (i + 1) * (me() + 1) * ((int64_t)1 << 40);
        high[i] = low[i] = (me() - i % n) * (me() - i % n); /* 0 at rank i % n alone */
        high[i] = -high[i];
    }
    pp_comm_sum_i64(pp_test_comm, sum, count);
    pp_comm_max_i64(pp_test_comm, high, count);
    pp_comm_min_i64(pp_test_comm, low, count);
    for (int64_t i = 0; i < count; i++)
        wrong +=
            sum[i] != (i + 1) * n * (n + 1) / 2 * ((int64_t)1 << 40) || high[i] != 0 || low[i] != 0;
    CU_ASSERT_EQUAL(wrong, 0);
    free(sum);
    free(high);
    free(low);
}

static void test_reductions(void)
{
    check_reductions(0);
    check_reductions(1);
    check_reductions(1000);
}

static void test_extremes_of_i64(void)
{
    int64_t low = me() == 0 ? INT64_MIN : INT64_MAX, high = low;
    pp_comm_min_i64(pp_test_comm, &low, 1);
    pp_comm_max_i64(pp_test_comm, &high, 1);
    CU_ASSERT_EQUAL(low, INT64_MIN);
    CU_ASSERT_EQUAL(high, ranks() == 1 ? INT64_MIN : INT64_MAX);
}

/* Rank r brings `size` bytes of r + 1. */
static void check_gathered(const unsigned char *gathered, size_t size)
{
    size_t wrong = 0;
    for (size_t i = 0; i < size * (size_t)ranks(); i++)
        wrong += gathered[i] != (unsigned char)(i / size + 1);
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_gather(int root, size_t size)
{
    unsigned char *mine = memory(size), *gathered = memory(size * (size_t)ranks());
    memset(mine, me() + 1, size);
    pp_comm_gather(pp_test_comm, root, mine, size, me() == root ? gathered : NULL);
    if (me() == root) check_gathered(gathered, size);
    memset(gathered, 0, size * (size_t)ranks());
    pp_comm_all_gather(pp_test_comm, mine, size, gathered);
    check_gathered(gathered, size);
    free(mine);
    free(gathered);
}

static void test_gather(void)
{
    for (int root = 0; root < ranks(); root++) {
        check_gather(root, 1);
        check_gather(root, 3000);
    }
    check_gather(0, 0);
}

/* Ranges of different length, every third one empty; what a rank does not own is -1 at first. */
static void check_gather_ranges(int root)
{
    int64_t *first = memory(((size_t)ranks() + 1) * sizeof *first);
    for (int r = 0; r < ranks(); r++)
        first[r + 1] = first[r] + (r % 3 == 1 ? 0 : 5 + 100 * r);
    int64_t count = first[ranks()], wrong = 0;
    float *values = memory((size_t)(count + 1) * sizeof *values);
    for (int64_t i = 0; i <= count; i++)
        values[i] = i >= first[me()] && i < first[me() + 1] ? (float)i : -1;
    pp_comm_gather_ranges(pp_test_comm, root, first, values);
    for (int64_t i = 0; i < count; i++) {
        int has = me() == root || (i >= first[me()] && i < first[me() + 1]);
        wrong += values[i] != (has ? (float)i : -1);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(values[count], -1);
    free(first);
    free(values);
}

static void test_gather_ranges(void)
{
    for (int root = 0; root < ranks(); root++)
        check_gather_ranges(root);
}

/* ---- merge ---- */

typedef struct trail {
    int count;
    int seen[64];
    double padding; /* a merge function may rely on alignment */
} trail;

static void append(void *into, const void *from, size_t size)
{
    trail *a = into;
    const trail *b = from;
    CU_ASSERT_EQUAL(size, sizeof(trail));
    CU_ASSERT_EQUAL((uintptr_t)from % sizeof(double), 0);
    for (int i = 0; i < b->count; i++)
        a->seen[a->count++] = b->seen[i];
}

/* Root first, then the others in rank order. */
static void test_merge(void)
{
    for (int root = 0; root < ranks(); root++) {
        trail t = {.count = 1, .seen = {me()}};
        pp_comm_merge(pp_test_comm, root, &t, sizeof t, append);
        CU_ASSERT_EQUAL(t.count, me() == root ? ranks() : 1);
        CU_ASSERT_EQUAL(t.seen[0], me());
        for (int i = 1; i < t.count; i++)
            CU_ASSERT_EQUAL(t.seen[i], i <= root ? i - 1 : i);
    }
}

/* ---- bits ---- */

static void test_or(void)
{
    for (int round = 0; round < 4; round++) {
        int64_t one = 1;
        int mine = (round & 1 ? 1 << me() : 0) | (round & 2 && me() == ranks() - 1 ? 1 << 20 : 0);
        pp_comm_start_or(pp_test_comm, mine);
        pp_comm_sum_i64(pp_test_comm, &one, 1); /* other traffic may go on */
        CU_ASSERT_EQUAL(one, ranks());
        int expected = (round & 1 ? (1 << ranks()) - 1 : 0) | (round & 2 ? 1 << 20 : 0);
        CU_ASSERT_EQUAL(pp_comm_finish_or(pp_test_comm), expected);
    }
}

/* ---- children ---- */

static void test_split(void)
{
    pp_comm *child = NULL;
    int colour = me() % 2;
    CU_ASSERT_EQUAL_FATAL(pp_comm_split(pp_test_comm, colour, &child, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_comm_rank(child), me() / 2);
    CU_ASSERT_EQUAL(pp_comm_size(child), (ranks() + 1 - colour) / 2);
    int64_t sum = me(), expected = 0;
    for (int r = colour; r < ranks(); r += 2)
        expected += r;
    for (int i = 0; i < colour; i++) /* the children do not wait for each other */
        pp_comm_agree(child, PP_OK, NULL);
    pp_comm_sum_i64(child, &sum, 1);
    CU_ASSERT_EQUAL(sum, expected);
    pp_error err = {.text = ""};
    pp_status status = pp_comm_agree(child, colour == 1 ? PP_E_DATA : PP_OK, &err);
    CU_ASSERT_EQUAL(status, colour == 1 ? PP_E_DATA : PP_OK);
    pp_comm_destroy(child);
    pp_comm_destroy(NULL);
}

static void test_split_alone(void)
{
    pp_comm *child = NULL, *grandchild = NULL;
    CU_ASSERT_EQUAL_FATAL(pp_comm_split(pp_test_comm, me(), &child, NULL), PP_OK);
    CU_ASSERT_EQUAL_FATAL(pp_comm_split(child, 0, &grandchild, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_comm_size(grandchild), 1);
    CU_ASSERT_EQUAL(pp_comm_rank(grandchild), 0);
    pp_comm_start_or(grandchild, 6);
    CU_ASSERT_EQUAL(pp_comm_finish_or(grandchild), 6);
    pp_comm_destroy(grandchild);
    pp_comm_destroy(child);
}

/* Ranks of a host are numbered without gaps. */
static void test_node(void)
{
    int64_t place = pp_comm_node_rank(pp_test_comm), size = pp_comm_node_size(pp_test_comm);
    CU_ASSERT_TRUE(place >= 0 && place < size && size <= ranks());
    CU_ASSERT_TRUE(place <= me());
    int64_t leaders = place == 0;
    pp_comm_sum_i64(pp_test_comm, &leaders, 1);
    CU_ASSERT_TRUE(leaders >= 1 && leaders <= ranks());
    pp_comm_max_i64(pp_test_comm, &place, 1);
    pp_comm_max_i64(pp_test_comm, &size, 1);
    CU_ASSERT_EQUAL(place, size - 1);
}

/* ---- messages ---- */

enum { SLOTS = 6, LENGTH = 70000 };

static float *numbers(int rank, int salt)
{
    float *values = memory(LENGTH * sizeof *values);
    for (int i = 0; i < LENGTH; i++)
        values[i] = (float)(rank * 1000000 + salt * 100000 + i);
    return values;
}

static int same_numbers(const float *values, int rank, int salt)
{
    float *expected = numbers(rank, salt);
    int same = memcmp(values, expected, LENGTH * sizeof *values) == 0;
    free(expected);
    return same;
}

/* Two messages of one tag to the next rank: received in the order in which they were sent. Slots 2
 * and 5 stay free. */
static void exchange_in_ring(pp_requests *requests, float *const in[2], float *const out[2])
{
    int next = (me() + 1) % ranks(), previous = (me() + ranks() - 1) % ranks();
    pp_comm_receive(pp_test_comm, requests, 0, in[0], LENGTH, previous, 3);
    pp_comm_receive(pp_test_comm, requests, 1, in[1], LENGTH, previous, 3);
    pp_comm_send(pp_test_comm, requests, 3, out[0], LENGTH, next, 3);
    pp_comm_send(pp_test_comm, requests, 4, out[1], LENGTH, next, 3);
}

static void test_messages(void)
{
    pp_requests *requests = NULL;
    float *in[2] = {numbers(0, 9), numbers(0, 9)}, *out[2] = {numbers(me(), 1), numbers(me(), 2)};
    int previous = (me() + ranks() - 1) % ranks();
    CU_ASSERT_EQUAL_FATAL(pp_requests_create(SLOTS, &requests, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_requests_test(requests, 0, SLOTS), 1); /* all are free */
    CU_ASSERT_EQUAL(pp_requests_test(requests, SLOTS, 0), 1);
    for (int round = 0; round < 3; round++) { /* slots are free again after each */
        memset(in[0], 0, LENGTH * sizeof(float));
        memset(in[1], 0, LENGTH * sizeof(float));
        exchange_in_ring(requests, in, out);
        while (!pp_requests_test(requests, 0, 3) || !pp_requests_test(requests, 3, 3)) {
        }
        CU_ASSERT_TRUE(same_numbers(in[0], previous, 1));
        CU_ASSERT_TRUE(same_numbers(in[1], previous, 2));
    }
    pp_requests_destroy(requests);
    pp_requests_destroy(NULL);
    for (int i = 0; i < 2; i++) {
        free(in[i]);
        free(out[i]);
    }
}

/* Nothing arrives before it is sent, and tags are not mixed up. */
static void test_tags(void)
{
    if (ranks() == 1) return;
    pp_requests *requests = NULL;
    float a = 0, b = 0, sent[2] = {1, 2};
    CU_ASSERT_EQUAL_FATAL(pp_requests_create(2, &requests, NULL), PP_OK);
    if (me() == 1) {
        pp_comm_receive(pp_test_comm, requests, 0, &a, 1, 0, 10);
        pp_comm_receive(pp_test_comm, requests, 1, &b, 1, 0, 11);
        CU_ASSERT_EQUAL(pp_requests_test(requests, 0, 2), 0);
    }
    pp_test_barrier();
    if (me() == 0) {
        pp_comm_send(pp_test_comm, requests, 0, &sent[1], 1, 1, 11);
        pp_comm_send(pp_test_comm, requests, 1, &sent[0], 1, 1, 10);
    }
    while (!pp_requests_test(requests, 0, 2)) {
    }
    CU_ASSERT_EQUAL(a, me() == 1 ? 1 : 0);
    CU_ASSERT_EQUAL(b, me() == 1 ? 2 : 0);
    pp_requests_destroy(requests);
}

static void test_no_slots(void)
{
    pp_requests *requests = NULL;
    CU_ASSERT_EQUAL_FATAL(pp_requests_create(0, &requests, NULL), PP_OK);
    CU_ASSERT_EQUAL(pp_requests_test(requests, 0, 0), 1);
    pp_requests_destroy(requests);
}

static void test_clock_and_name(void)
{
    double begun = pp_comm_seconds();
    while (pp_comm_seconds() == begun) {
    }
    CU_ASSERT_TRUE(pp_comm_seconds() > begun);
    const char *library = pp_comm_library();
    CU_ASSERT_TRUE(strlen(library) > 0);
    CU_ASSERT_PTR_NULL(strchr(library, '\n'));
    CU_ASSERT_STRING_EQUAL(pp_comm_library(), library);
}

const pp_test pp_tests_comm[] = {
    {"agreement on success changes nothing", test_agree_on_success},
    {"all leave with the failure of the lowest rank", test_agree_on_failure},
    {"texts of failures, none or full", test_agree_on_texts},
    {"broadcast", test_broadcast},
    {"sums, largest and smallest", test_reductions},
    {"largest and smallest of all integers", test_extremes_of_i64},
    {"gather", test_gather},
    {"ranges of an array come together", test_gather_ranges},
    {"merge in rank order", test_merge},
    {"bits are or-ed while other traffic goes on", test_or},
    {"children by colour, in rank order", test_split},
    {"a child of one, and its child", test_split_alone},
    {"ranks of a host", test_node},
    {"messages in order, with free slots between", test_messages},
    {"messages by tag", test_tags},
    {"no slots at all", test_no_slots},
    {"clock and library", test_clock_and_name},
    {NULL, NULL},
};
