/* How the trials of a round share the ranks: all of them once, long ones on several ranks, and none
 * much later than in the order of the list on a rank each. */
#include "study/farm/stages.h"

#include "support/test.h"

enum { MOST = 200 };

typedef struct round_case {
    pp_farm_trial trials[MOST];
    int n, order[MOST], n_stages;
    pp_stage stages[PP_STAGES];
} round_case;

static void add(round_case *r, int count, double work, double serial, int64_t lanes)
{
    for (int i = 0; i < count; i++)
        r->trials[r->n++] = (pp_farm_trial){.work = work, .serial = serial, .lanes = lanes};
}

static void plan(round_case *r, int ranks)
{
    r->n_stages = pp__stages(r->trials, r->n, ranks, r->order, r->stages);
}

static double taken(const round_case *r, int ranks)
{
    return pp__stages_take(r->trials, ranks, r->order, r->stages, r->n_stages);
}

/* In the order of the list, a rank for each. */
static double in_order(const round_case *r, int ranks)
{
    int order[MOST];
    pp_stage all = pp__stage(0, r->n, 1, ranks);
    for (int i = 0; i < r->n; i++)
        order[i] = i;
    return pp__stages_take(r->trials, ranks, order, &all, 1);
}

static void check_all_are_placed(const round_case *r, int ranks)
{
    int placed[MOST] = {0}, next = 0;
    for (int s = 0; s < r->n_stages; s++) {
        CU_ASSERT_EQUAL(r->stages[s].first, next);
        CU_ASSERT(r->stages[s].count > 0);
        CU_ASSERT(r->stages[s].groups > 0 && r->stages[s].groups <= ranks);
        CU_ASSERT(r->stages[s].groups <= r->stages[s].count);
        next += r->stages[s].count;
    }
    CU_ASSERT_EQUAL(next, r->n);
    for (int i = 0; i < r->n; i++)
        placed[r->order[i]]++;
    for (int i = 0; i < r->n; i++)
        CU_ASSERT_EQUAL(placed[i], 1);
}

static void test_long_trials_get_more_ranks(void)
{
    round_case r = {0};
    add(&r, 60, 1, 0.01, 8);
    add(&r, 1, 256, 2.56, 8);
    plan(&r, 8);
    check_all_are_placed(&r, 8);
    CU_ASSERT_EQUAL(r.order[0], 60);
    CU_ASSERT_EQUAL(r.stages[0].groups, 1);
    CU_ASSERT(taken(&r, 8) < 0.3 * in_order(&r, 8));
}

static void test_what_cannot_be_shared_is_not(void)
{
    round_case serial = {0}, one_lane = {0};
    add(&serial, 40, 1, 1, 8);
    add(&serial, 1, 20, 20, 8);
    add(&one_lane, 40, 1, 0, 1);
    add(&one_lane, 1, 20, 0, 1);
    plan(&serial, 8);
    plan(&one_lane, 8);
    CU_ASSERT_DOUBLE_EQUAL(taken(&serial, 8), 20, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(taken(&one_lane, 8), 20, 1e-9);
}

/* Of many kinds and sizes; more trials than cuts are looked at as well. Longest first is within 4/3
 * of what is possible (Graham 1969). */
static void test_never_much_later_than_in_order(void)
{
    static const int ranks_of[] = {1, 2, 3, 7, 8, 64};
    unsigned state = 1;
    for (int kind = 0; kind < 30; kind++)
        for (int k = 0; k < 6; k++) {
            round_case r = {0};
            int n = 1 + kind * 6;
            for (int i = 0; i < n; i++) {
                state = state * 1664525u + 1013904223u;
                double work = 1 + (double)(state >> 24) * (double)(state >> 24) / 100;
                add(&r, 1, work, work * (kind % 3) / 4, 1 << kind % 5);
            }
            plan(&r, ranks_of[k]);
            check_all_are_placed(&r, ranks_of[k]);
            CU_ASSERT(taken(&r, ranks_of[k]) <= in_order(&r, ranks_of[k]) * 4 / 3);
        }
}

static void test_unknown_work_keeps_the_order(void)
{
    round_case r = {0};
    add(&r, 3, 0, 0, 0);
    plan(&r, 8);
    check_all_are_placed(&r, 8);
    CU_ASSERT_EQUAL(r.n_stages, 1);
    CU_ASSERT_EQUAL(r.stages[0].groups, 3);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(r.order[i], i);
}

const pp_test pp_tests_stages[] = {
    {"long trials get more ranks", test_long_trials_get_more_ranks},
    {"what cannot be shared is not", test_what_cannot_be_shared_is_not},
    {"never much later than in order, a rank each", test_never_much_later_than_in_order},
    {"unknown work keeps the order", test_unknown_work_keeps_the_order},
    {NULL, NULL},
};
