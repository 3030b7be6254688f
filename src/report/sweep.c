#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEST = 10, CELLS = 8 };

/* ---- the best ---- */

typedef struct ranked {
    const pp_sweep_row *row;
    double loss; /* less is better; infinite: not known */
} ranked;

static int better_first(const void *left, const void *right)
{
    const ranked *x = left, *y = right;
    if (x->row->rung != y->row->rung) return y->row->rung - x->row->rung;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static void put_row(FILE *stream, const pp_sweep_row *row)
{
    fprintf(stream, "  %-12s ", row->id);
    if (isnan(row->metric))
        fprintf(stream, "%9s  ", "-");
    else
        fprintf(stream, "%9.4g  ", row->metric);
    fprintf(stream, "%-16s", row->verdict != NULL ? row->verdict : "failed");
    for (int i = 0; i < row->point.count; i++)
        fprintf(stream, "  %s=%s", row->point.paths[i], row->point.values[i]);
    if (row->cause != NULL) fprintf(stream, "  (%s?)", row->cause);
    fputc('\n', stream);
}

static void put_best(FILE *stream, const pp_sweep_table *t)
{
    ranked *order = malloc((size_t)(t->count + 1) * sizeof *order);
    int n = 0;
    for (int i = 0; order != NULL && i < t->count; i++) {
        const pp_sweep_row *row = &t->rows[i];
        if (row->state == PP_TRIAL_OPEN) continue;
        double loss = t->less_is_better ? row->metric : -row->metric;
        order[n++] = (ranked){row, isnan(loss) ? INFINITY : loss};
    }
    if (n > 0) qsort(order, (size_t)n, sizeof *order, better_first);
    fprintf(stream, "  %-12s %9s  %-16s  point\n", "trial", t->metric, "verdict");
    for (int i = 0; i < n && i < BEST; i++)
        put_row(stream, order[i].row);
    if (n > BEST) fprintf(stream, "  ... and %d more in results.csv\n", n - BEST);
    free(order);
}

/* ---- where the collapse lies ---- */

static int cell_of(double at)
{
    int cell = (int)(at * CELLS);
    return cell < 0 ? 0 : cell >= CELLS ? CELLS - 1 : cell;
}

/* How much of the collapse an axis explains: variance of its rate between cells, in rows. */
static double explained(const pp_sweep_table *t, int axis, double rate)
{
    int n[CELLS] = {0}, bad[CELLS] = {0};
    double sum = 0;
    for (int i = 0; i < t->count; i++) {
        const pp_sweep_row *row = &t->rows[i];
        if (row->verdict == NULL || isnan(row->at[axis])) continue;
        n[cell_of(row->at[axis])]++;
        bad[cell_of(row->at[axis])] += row->collapsed;
    }
    for (int k = 0; k < CELLS; k++)
        if (n[k] > 0) sum += n[k] * (bad[k] / (double)n[k] - rate) * (bad[k] / (double)n[k] - rate);
    return sum;
}

static void put_cell(FILE *stream, int n, int bad)
{
    if (n == 0)
        fputs("  ", stream);
    else
        fprintf(stream, " %c", bad == 0 ? '.' : bad == n ? '#' : '+');
}

static void put_map(FILE *stream, const pp_sweep_table *t, int x, int y)
{
    int n[CELLS][CELLS] = {{0}}, bad[CELLS][CELLS] = {{0}};
    for (int i = 0; i < t->count; i++) {
        const pp_sweep_row *row = &t->rows[i];
        if (row->verdict == NULL || isnan(row->at[x]) || isnan(row->at[y])) continue;
        n[cell_of(row->at[y])][cell_of(row->at[x])]++;
        bad[cell_of(row->at[y])][cell_of(row->at[x])] += row->collapsed;
    }
    fprintf(stream,
            "\n  Where it collapses (#: all trials there, +: some, .: none), from low to high:\n");
    for (int r = CELLS - 1; r >= 0; r--) {
        fprintf(stream, "  %s |", r == CELLS - 1 ? "^" : " ");
        for (int k = 0; k < CELLS; k++)
            put_cell(stream, n[r][k], bad[r][k]);
        fputc('\n', stream);
    }
    fprintf(stream, "     ----------------->  right: %s, up: %s\n", t->axes[x], t->axes[y]);
}

static void put_collapse(FILE *stream, const pp_sweep_table *t, int collapsed, int judged)
{
    int first = -1, second = -1;
    double most = -1, next = -1, rate = (double)collapsed / judged;
    for (int i = 0; i < t->n_axes; i++) {
        double share = explained(t, i, rate);
        if (share > most) {
            second = first;
            next = most;
            first = i;
            most = share;
        } else if (share > next) {
            second = i;
            next = share;
        }
    }
    if (first >= 0 && second >= 0) put_map(stream, t, first, second);
}

void pp_report_sweep(FILE *stream, const pp_sweep_table *t)
{
    int count[3] = {0}, collapsed = 0, judged = 0;
    double seconds = 0;
    for (int i = 0; i < t->count; i++) {
        const pp_sweep_row *row = &t->rows[i];
        count[row->state]++;
        judged += row->verdict != NULL;
        collapsed += row->collapsed;
        if (!isnan(row->seconds)) seconds += row->seconds * row->ranks;
    }
    fprintf(stream, "\n%s: %d trials done, %d failed, %d open; %d collapsed; %.3g rank-seconds\n\n",
            t->name, count[PP_TRIAL_DONE], count[PP_TRIAL_FAILED], count[PP_TRIAL_OPEN], collapsed,
            seconds);
    put_best(stream, t);
    if (collapsed > 0 && collapsed < judged) put_collapse(stream, t, collapsed, judged);
}
