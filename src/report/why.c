#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "paint.h"

static int best_first(const void *left, const void *right)
{
    const pp_experiment *const *x = left, *const *y = right;
    if ((*x)->repaired != (*y)->repaired) return (*y)->repaired - (*x)->repaired;
    if ((*x)->score != (*y)->score) return (*x)->score < (*y)->score ? 1 : -1;
    return *x < *y ? -1 : 1;
}

static void put(FILE *stream, const pp_experiment *e, const char *mark)
{
    char cause[160];
    int used = snprintf(cause, sizeof cause, "%s", e->cause != NULL ? e->cause : "");
    for (int i = 0; i < PP_WHY_WITH && e->with[i] != NULL && used < (int)sizeof cause; i++)
        used += snprintf(cause + used, sizeof cause - (size_t)used, " + %s", e->with[i]);
    if (e->failed)
        fprintf(stream, "%-2s %-28s %-34s failed: %s\n", mark, cause, e->label, e->error);
    else
        fprintf(stream, "%-2s %-28s %-34s %6.3f  %-16s %5.2f\n", mark, cause, e->label, e->score,
                e->verdict, e->work * e->share);
}

void pp_report_why(FILE *stream, pp_style style, const pp_why *why)
{
    const pp_experiment **order = malloc(sizeof *order * (size_t)(why->count + 1));
    int n = 0;
    (void)style;
    if (order == NULL) return;
    fprintf(stream, "\n   %-28s %-34s %6s  %-16s %5s\n", "cause", "experiment", "score", "verdict",
            "cost");
    for (int i = 0; i < why->count; i++) {
        const pp_experiment *e = &why->experiments[i];
        if (e->share > 0 && e->cause == NULL) put(stream, e, "");
        if (e->share > 0 && e->cause != NULL) order[n++] = e;
    }
    qsort(order, (size_t)n, sizeof *order, best_first);
    for (int i = 0; i < n; i++)
        put(stream, order[i], order[i]->repaired ? "->" : "");
    free(order);
    fprintf(stream, "\n%s: %s\n", pp_why_answer_name(why->answer), why->sentence);
    if (why->n_findings > 0) fprintf(stream, "\nThe rows (pitprop inspect):\n");
    for (int i = 0; i < why->n_findings; i++)
        fprintf(stream, "  %s: %s\n", why->findings[i].kind->id, why->findings[i].sentence);
    if (why->remedy >= 0) fprintf(stream, "\n%s\n", why->diff);
    fprintf(stream, "Cost: %.3g of at most %.3g times the job's own training.\n", why->spent,
            why->budget);
}
