/* What may be wrong with whole rows, and with how they are stored. */
#include "inspect_internal.h"
#include "base/names.h"

#include <stdio.h>

enum { FEW_ROWS = 100, MANY_CHUNKS = 4096 };
#define REPEATED 0.01
#define UNATTAINABLE 0.005
#define AMPLIFIED 2.0
static const double much = 256e6;                      /* bytes an epoch */
static const int64_t small_chunk = 16 << 10;           /* bytes */
static const int64_t large_stripe = (int64_t)64 << 20; /* what a reader keeps of inflated chunks */

/* "row 5 of FILE repeats row 3 of FILE" needs both places. */
static void pair_text(const pp__look *at, int64_t row, int64_t twin, char *text, size_t size)
{
    char one[240], other[240];
    pp_h5_locate(at->x, row, one, sizeof one);
    pp_h5_locate(at->x, twin, other, sizeof other);
    snprintf(text, size, "%s and %s", one, other);
}

static const char *about(const pp_inspection_repeats *r)
{
    return r->share < 1 ? "about " : "";
}

static int duplicates(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_repeats *r = &at->found->repeats;
    char pair[500];
    double rows = (double)(at->found->rows - at->found->held_out_rows);
    if (at->found->rows < FEW_ROWS || (double)r->duplicates < REPEATED * rows) return 0;
    pair_text(at, r->duplicate_row, r->duplicate_twin, pair, sizeof pair);
    snprintf(text, size, "%s%lld rows (%.1f%%) repeat another one in x and y, such as %s", about(r),
             (long long)r->duplicates, 100 * (double)r->duplicates / rows, pair);
    return 1;
}

static int contradictions(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_repeats *r = &at->found->repeats;
    char pair[500];
    double rows = (double)at->found->rows;
    int regression = at->found->task == PP_TASK_REGRESSION;
    double share = regression ? (double)r->contradicted / rows : r->unattainable;
    if (at->found->rows < FEW_ROWS || share < (regression ? REPEATED : UNATTAINABLE)) return 0;
    pair_text(at, r->contradicted_row, r->contradicted_twin, pair, sizeof pair);
    if (regression)
        snprintf(text, size, "%s%lld rows have the x of another row and a different y, such as %s",
                 about(r), (long long)r->contradicted, pair);
    else
        snprintf(text, size,
                 "%s%lld rows have the x of another row and a different y, such as %s; no model "
                 "is right for more than %.2f%%",
                 about(r), (long long)r->contradicted, pair, 100 * (1 - r->unattainable));
    return 1;
}

static int held_out(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_repeats *r = &at->found->repeats;
    char pair[500];
    double rows = (double)at->found->held_out_rows;
    if (r->held_out == 0 || (double)r->held_out < REPEATED * rows) return 0;
    pair_text(at, r->held_out_row, r->held_out_twin, pair, sizeof pair);
    snprintf(text, size, "%s%lld held-out rows (%.1f%%) are training rows too, such as %s",
             about(r), (long long)r->held_out, 100 * (double)r->held_out / rows, pair);
    return 1;
}

/* Validation files of another kind, by a feature or the target, or by a tenth of the rows in other
 * classes. */
static int shifted(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_shift *s = &at->found->shift;
    char what[PP_NAME_TEXT + 8], name[PP_NAME_TEXT];
    if (s->classes > 0.1) {
        pp_names_text(at->found->class_names, s->class_most, name);
        snprintf(text, size, "%.1f%% of the training rows are of class %s, %.1f%% of the held-out",
                 100 * s->share, name, 100 * s->held_out_share);
        return 1;
    }
    if (!(s->distance > 0.2)) return 0;
    pp_names_text(at->found->column_names, s->feature, name);
    if (s->feature < 0)
        snprintf(what, sizeof what, "the target");
    else
        snprintf(what, sizeof what, "feature %s", name);
    snprintf(text, size,
             "%s has a mean of %.4g (deviation %.3g) in the training rows and of %.4g (%.3g) in "
             "the held-out",
             what, s->mean, s->deviation, s->held_out_mean, s->held_out_deviation);
    return 1;
}

/* Of a split by rows, neighbours are on either side; files of their own are another matter. */
static int series(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_series *s = &at->found->series;
    if (s->stride == 0 && !s->target) return 0;
    if (at->found->held_out_rows > 0 || *at->job->data.groups != '\0') return 0;
    if (!(pp_job_held_out_share(at->job) > 0)) return 0;
    if (s->stride > 0)
        snprintf(text, size,
                 "rows are windows of a series: each has the features of its neighbour, %lld "
                 "column%s on, and held-out rows are drawn from among them",
                 (long long)s->stride, s->stride == 1 ? "" : "s");
    else
        snprintf(text, size,
                 "rows are of a series: the target of a row is a feature of its neighbour, and "
                 "held-out rows are drawn from among them");
    return 1;
}

static int groups(const pp__look *at, char *text, size_t size)
{
    const pp_inspection *found = at->found;
    char name[PP_NAME_TEXT];
    int holds_out = found->held_out_rows > 0 || pp_job_held_out_share(at->job) > 0;
    if (found->groups == 0 || !holds_out || *at->job->data.groups != '\0') return 0;
    pp_names_text(found->column_names, found->groups_feature, name);
    snprintf(text, size,
             "feature %s seems to name a group: rows where it is equal have targets alike, and "
             "those of the next value have not (%lld values in the sample); rows of one group "
             "stand in training and are held out",
             name, (long long)found->groups);
    return 1;
}

static int slow_layout(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_layout *l = &at->found->layout;
    double used = (double)l->epoch_bytes;
    if (l->by_window < AMPLIFIED || (l->by_window - 1) * used < much) return 0;
    snprintf(text, size,
             "windows of %lld rows over %s of %.3g MB: %.3g bytes inflated for each byte used, "
             "%.3g GB an epoch instead of %.3g",
             (long long)l->window, at->found->x.layout, (double)l->chunk_bytes / 1e6, l->by_window,
             l->by_window * used / 1e9, used / 1e9);
    return 1;
}

static int small_chunks(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_layout *l = &at->found->layout;
    if (l->chunks < MANY_CHUNKS || l->chunk_bytes >= small_chunk) return 0;
    snprintf(text, size, "%lld chunks of %lld bytes (%s): each costs a search and a read",
             (long long)l->chunks, (long long)l->chunk_bytes, at->found->x.layout);
    return 1;
}

static int large_chunks(const pp__look *at, char *text, size_t size)
{
    const pp_inspection_layout *l = &at->found->layout;
    if (l->stripe_bytes <= large_stripe) return 0;
    snprintf(
        text, size,
        "one row lies in chunks of %.0f MB together (%s), which every rank must hold, or inflate "
        "again for the next row",
        (double)l->stripe_bytes / 1e6, at->found->x.layout);
    return 1;
}

#define ERROR PP_SEVERITY_ERROR
#define WARNING PP_SEVERITY_WARNING
const pp__finding_row pp__findings_of_rows[] = {
    {{"held-out-in-training", ERROR, "held-out rows that are training rows",
      "take them out of the training files; the evaluation is of what was learnt by heart"},
     held_out},
    {{"held-out-shift", WARNING, "held-out rows of another kind than the training rows",
      "find out which of the two is like the rows that the model is for; scale both with the same "
      "numbers, or hold rows out of the training files (data.validation.fraction)"},
     shifted},
    {{"duplicate-rows", WARNING, "rows that repeat others",
      "remove copies before rows are held out: a copy on each side makes the evaluation too good"},
     duplicates},
    {{"contradicting-rows", WARNING, "rows with the same x and a different y",
      "find out whether a feature was lost or labels are wrong"},
     contradictions},
    {{"overlapping-rows", WARNING, "rows that overlap with their neighbours",
      "hold out the last rows, in a file of their own (data.validation.files)"},
     series},
    {{"groups-on-both-sides", WARNING, "rows of one group in training and held out",
      "hold out whole groups (data.groups); else the evaluation is of groups that are known"},
     groups},
    {{"slow-layout", WARNING, "chunks that are inflated again and again",
      "set data.window to a multiple of the chunk's rows, or rewrite x with chunks of whole rows, "
      "about 1 MB each (pitprop repack --gzip 1)"},
     slow_layout},
    {{"small-chunks", WARNING, "chunks too small to be read fast",
      "rewrite x with chunks of whole rows, about 1 MB each, or contiguous (pitprop repack)"},
     small_chunks},
    {{"large-chunks", WARNING, "chunks larger than what a reader keeps",
      "rewrite x with chunks of whole rows, about 1 MB each (pitprop repack --gzip 1)"},
     large_chunks},
    {{NULL, WARNING, NULL, NULL}, NULL},
};
