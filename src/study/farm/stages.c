/* A round of unlike trials ends with its longest one. The trials are sorted by work and cut into
 * stages, the first with all ranks for each trial, the last with one; which cuts end soonest is
 * found by dynamic programming over the place of the cut and the ranks of a trial. Within a stage
 * the longest are placed first (Graham 1969, "Bounds on multiprocessing timing anomalies"). */
#include "study/farm/stages.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_CUTS = 64 }; /* places of a cut that are looked at: behind one of the longest trials */

/* The part that ranks do not share grows with the depth of their exchange. */
static double time_of(const pp_farm_trial *t, int ranks)
{
    double shared = t->work - t->serial;
    double used = t->lanes > 0 && t->lanes < ranks ? (double)t->lanes : ranks;
    return shared / used + t->serial * (1 + log2(used));
}

pp_stage pp__stage(int first, int count, int each, int ranks)
{
    int groups = each < ranks ? ranks / each : 1;
    return (pp_stage){first, count, groups < count ? groups : count};
}

/* ---- longest first ---- */

typedef struct ranked {
    double work;
    int index;
} ranked;

static int longest_first(const void *left, const void *right)
{
    const ranked *x = left, *y = right;
    if (x->work != y->work) return x->work < y->work ? 1 : -1;
    return x->index - y->index;
}

static int sort_by_work(const pp_farm_trial *trials, int count, int *order)
{
    ranked *list = malloc((size_t)(count + 1) * sizeof *list);
    if (list == NULL) return 0;
    for (int i = 0; i < count; i++)
        list[i] = (ranked){trials[i].work, i};
    qsort(list, (size_t)count, sizeof *list, longest_first);
    for (int i = 0; i < count; i++)
        order[i] = list[i].index;
    free(list);
    return 1;
}

/* ---- one stage ---- */

/* Groups that take one trial after another. */
typedef struct groups {
    double *busy; /* [n] until when */
    int n;
    double end; /* of the last */
} groups;

static void place(groups *g, double seconds)
{
    int first = 0;
    for (int i = 1; i < g->n; i++)
        if (g->busy[i] < g->busy[first]) first = i;
    g->busy[first] += seconds;
    if (g->busy[first] > g->end) g->end = g->busy[first];
}

static void free_all(groups *g, int n)
{
    g->n = n;
    g->end = 0;
    for (int i = 0; i < g->n; i++)
        g->busy[i] = 0;
}

/* ---- the cuts ---- */

/* Of trials order[cut ..): how soon they can end, and how. */
typedef struct best {
    double seconds;
    int next;  /* the cut behind the first stage of them */
    int ranks; /* of a trial there */
} best;

static int cuts_of(int count)
{
    return count < MOST_CUTS ? count : MOST_CUTS;
}

/* The first stage begins at cut k with so many ranks for each trial; behind it there are fewer. */
static void look_for_cut(const pp_farm_trial *trials, int count, int ranks, const int *order, int k,
                         int each, const best *fewer, groups *g, best *found)
{
    int cuts = cuts_of(count);
    free_all(g, ranks / each);
    for (int i = k; i < count; i++) {
        place(g, time_of(&trials[order[i]], each));
        int next = i + 1 == count ? cuts : i + 1;
        if (i + 1 < count && (next >= cuts || fewer == NULL)) continue;
        double seconds = g->end + (next < cuts ? fewer[next].seconds : 0);
        if (seconds < found->seconds) *found = (best){seconds, next, each};
    }
}

static int most_sizes(int ranks, int *sizes)
{
    int n = 0;
    for (int each = 1; each < ranks && n < PP_STAGES - 1; each *= 2)
        sizes[n++] = each;
    sizes[n++] = ranks;
    return n;
}

/* table [sizes + 1, MOST_CUTS + 1]: row s allows the s + 1 smallest sizes. */
static void fill(const pp_farm_trial *trials, int count, int ranks, const int *order,
                 const int *sizes, int n_sizes, best *table, groups *g)
{
    int cuts = cuts_of(count);
    for (int s = 0; s < n_sizes; s++)
        for (int k = 0; k < cuts; k++) {
            const best *fewer = s > 0 ? &table[(s - 1) * MOST_CUTS] : NULL;
            best *at = &table[s * MOST_CUTS + k];
            *at = fewer != NULL ? fewer[k] : (best){.seconds = INFINITY};
            look_for_cut(trials, count, ranks, order, k, sizes[s], fewer, g, at);
        }
}

static int read_stages(const best *table, int n_sizes, const int *sizes, int count, int ranks,
                       pp_stage *stages)
{
    int cuts = cuts_of(count), n = 0, s = n_sizes - 1;
    for (int k = 0; k < cuts && n < PP_STAGES;) {
        const best *at = &table[s * MOST_CUTS + k];
        int end = at->next < cuts ? at->next : count;
        stages[n++] = pp__stage(k, end - k, at->ranks, ranks);
        while (s > 0 && sizes[s] >= at->ranks)
            s--;
        k = at->next;
    }
    return n;
}

static int cut(const pp_farm_trial *trials, int count, int ranks, const int *order,
               pp_stage *stages)
{
    int sizes[PP_STAGES], n_sizes = most_sizes(ranks, sizes);
    best *table = malloc(sizeof *table * (size_t)(n_sizes * MOST_CUTS));
    groups g = {.busy = malloc(sizeof(double) * (size_t)ranks)};
    int n = 0;
    if (table != NULL && g.busy != NULL) {
        fill(trials, count, ranks, order, sizes, n_sizes, table, &g);
        n = read_stages(table, n_sizes, sizes, count, ranks, stages);
    }
    free(table);
    free(g.busy);
    return n;
}

/* ---- in order, where the work is not known ---- */

static int one_stage(int count, int ranks, int *order, pp_stage *stages)
{
    for (int i = 0; i < count; i++)
        order[i] = i;
    stages[0] = pp__stage(0, count, 1, ranks);
    return 1;
}

int pp__stages(const pp_farm_trial *trials, int count, int ranks, int *order, pp_stage *stages)
{
    int is_known = count > 0;
    for (int i = 0; i < count; i++)
        is_known = is_known && trials[i].work > 0;
    if (!is_known || ranks == 1) return one_stage(count, ranks, order, stages);
    return sort_by_work(trials, count, order) ? cut(trials, count, ranks, order, stages) : 0;
}

double pp__stages_take(const pp_farm_trial *trials, int ranks, const int *order,
                       const pp_stage *stages, int n_stages)
{
    groups g = {.busy = malloc(sizeof(double) * (size_t)ranks)};
    double seconds = 0;
    for (int s = 0; s < n_stages && g.busy != NULL; s++) {
        free_all(&g, stages[s].groups);
        for (int i = stages[s].first; i < stages[s].first + stages[s].count; i++)
            place(&g, time_of(&trials[order[i]], ranks / stages[s].groups));
        seconds += g.end;
    }
    free(g.busy);
    return seconds;
}
