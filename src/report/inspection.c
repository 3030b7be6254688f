/* The page of an inspection. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "paint.h"
#include "base/names.h"

enum { INDENT = 2, NAME = 18, MOST_CLASSES = 20, MOST_BAR = 30 };

static void put_name(FILE *stream, const char *name)
{
    fprintf(stream, "%*s%-*s  ", INDENT, "", NAME, name);
}

static void put_heading(FILE *stream, pp_style style, const char *text)
{
    pp__ink_set(stream, style, PP__BOLD);
    fputs(text, stream);
    pp__ink_set(stream, style, PP__INK_OFF);
    fputc('\n', stream);
}

static void put_set(FILE *stream, const char *name, const pp_h5_facts *f)
{
    put_name(stream, name);
    fprintf(stream, "%s %s, %s%s%s", f->type, f->shape, f->layout, *f->filters ? ", " : "",
            f->filters);
    if (*f->filters) {
        double bytes = (double)f->rows * (double)f->row_bytes;
        fprintf(stream, " (%.3g MB in %.3g)", bytes / 1e6, (double)f->stored_bytes / 1e6);
    }
    fputc('\n', stream);
}

static void put_layout(FILE *stream, pp_style style, const pp_inspection *i)
{
    const pp_inspection_layout *l = &i->layout;
    put_heading(stream, style, "Files");
    put_set(stream, "x", &i->x);
    put_set(stream, "y", &i->y);
    if (i->n_files > 1) {
        put_name(stream, "files");
        fprintf(stream, "%d, of which x and y above are the first\n", i->n_files);
    }
    put_name(stream, "windows");
    fprintf(stream, "%lld rows\n", (long long)l->window);
    put_name(stream, "inflated / used");
    fprintf(stream, "%.3g in file order, %.3g by window, %.3g by single rows\n", l->in_order,
            l->by_window, l->by_row);
}

static void put_classes(FILE *stream, pp_style style, const pp_inspection *i)
{
    int64_t most = 1, all = 0, shown = i->classes < MOST_CLASSES ? i->classes : MOST_CLASSES;
    for (int64_t k = 0; k < i->classes; k++) {
        all += i->class_rows[k];
        if (i->class_rows[k] > most) most = i->class_rows[k];
    }
    for (int64_t k = 0; k < shown; k++) {
        char name[PP_NAME_TEXT + 8], text[PP_NAME_TEXT];
        pp_names_text(i->class_names, k, text);
        snprintf(name, sizeof name, "class %s", text);
        put_name(stream, name);
        fprintf(stream, "%12lld %6.2f%%  ", (long long)i->class_rows[k],
                all > 0 ? 100.0 * (double)i->class_rows[k] / (double)all : 0);
        pp__bar(stream, style, (double)i->class_rows[k] / (double)most, MOST_BAR);
        fputc('\n', stream);
    }
    if (shown < i->classes)
        fprintf(stream, "%*s%lld more classes: see --json\n", INDENT, "",
                (long long)(i->classes - shown));
}

static void put_targets(FILE *stream, pp_style style, const pp_inspection *i)
{
    static const char *const titles[] = {[PP_TASK_AUTO] = "Targets",
                                         [PP_TASK_BINARY] = "Targets: two classes",
                                         [PP_TASK_MULTICLASS] = "Targets: classes",
                                         [PP_TASK_REGRESSION] = "Targets: numbers"};
    const pp_inspection_targets *y = &i->targets;
    put_heading(stream, style, titles[i->task]);
    if (i->class_rows != NULL) put_classes(stream, style, i);
    put_name(stream, "range");
    fprintf(stream, "%.6g to %.6g\n", y->min, y->max);
    put_name(stream, i->task == PP_TASK_BINARY ? "mean (base rate)" : "mean");
    fprintf(stream, "%.6g, deviation %.4g, median %.6g\n", y->mean, y->deviation, y->median);
    if (i->task == PP_TASK_REGRESSION && !isnan(y->spike)) {
        put_name(stream, "most frequent");
        fprintf(stream, "%.6g in %lld rows\n", y->spike, (long long)y->spike_rows);
    }
    put_name(stream, "order in the file");
    fprintf(stream, "%.3g (1: shuffled, 0: sorted)\n", y->disorder);
    if (i->lanes.lanes > 1) {
        put_name(stream, "lanes");
        fprintf(stream, "%d; the most skewed is lane %d with %.3g (by chance up to %.3g)\n",
                i->lanes.lanes, i->lanes.worst, i->lanes.skew, i->lanes.skew_by_chance);
    }
}

static void put_features(FILE *stream, pp_style style, const pp_inspection *i)
{
    double low = INFINITY, high = -INFINITY, least = INFINITY, most = -INFINITY, tells = -INFINITY;
    int64_t best = -1, faults = 0;
    for (int64_t j = 0; j < i->inputs; j++) {
        const pp_inspection_feature *f = &i->features[j];
        low = fmin(low, f->min);
        high = fmax(high, f->max);
        least = fmin(least, f->deviation);
        most = fmax(most, f->deviation);
        faults += f->non_finite;
        if (!(f->tells > tells)) continue;
        tells = f->tells;
        best = j;
    }
    put_heading(stream, style, "Features");
    put_name(stream, "number");
    fprintf(stream, "%lld\n", (long long)i->inputs);
    put_name(stream, "range");
    fprintf(stream, "%.6g to %.6g\n", low, high);
    put_name(stream, "deviations");
    fprintf(stream, "%.4g to %.4g\n", least, most);
    put_name(stream, "not finite");
    fprintf(stream, "%lld values\n", (long long)faults);
    if (best < 0) return;
    put_name(stream, "tells most");
    char text[PP_NAME_TEXT];
    pp_names_text(i->column_names, best, text);
    fprintf(stream, "feature %s alone takes away %.1f%% of the error of the best constant\n", text,
            tells > 0 ? 100 * tells : 0);
}

static void put_rows(FILE *stream, pp_style style, const pp_inspection *i)
{
    const pp_inspection_repeats *r = &i->repeats;
    const char *about = r->share < 1 ? "about " : "";
    put_heading(stream, style, "Rows");
    put_name(stream, "number");
    fprintf(stream, "%lld", (long long)i->rows);
    if (i->held_out_rows > 0)
        fprintf(stream, ", of which %lld held out", (long long)i->held_out_rows);
    fputc('\n', stream);
    put_name(stream, "repeated");
    fprintf(stream, "%s%lld\n", about, (long long)r->duplicates);
    put_name(stream, "same x, other y");
    fprintf(stream, "%s%lld\n", about, (long long)r->contradicted);
    if (r->share < 1) {
        put_name(stream, "compared");
        fprintf(stream, "%.2g of the rows, chosen by hash\n", r->share);
    }
}

static void put_findings(FILE *stream, pp_style style, const pp_inspection *i)
{
    put_heading(stream, style, "Findings");
    if (i->n_findings == 0) fprintf(stream, "%*snone\n", INDENT, "");
    for (int k = 0; k < i->n_findings; k++) {
        const pp_finding *f = &i->findings[k];
        int is_error = f->kind->severity == PP_SEVERITY_ERROR;
        fprintf(stream, "%*s", INDENT, "");
        pp__ink_set(stream, style, is_error ? PP__BAD : PP__MARK);
        fprintf(stream, "%s", pp_severity_name(f->kind->severity));
        pp__ink_set(stream, style, PP__INK_OFF);
        fprintf(stream, "  %s\n", f->kind->id);
        pp__wrap(stream, f->sentence, 0, 2 * INDENT, style.width);
        pp__wrap(stream, f->kind->advice, 0, 3 * INDENT, style.width);
    }
}

static void put_timing(FILE *stream, pp_style style, const pp_inspection_timing *t)
{
    char epoch[32], pass[32];
    put_heading(stream, style, "Measured here");
    put_name(stream, "reading windows");
    fprintf(stream, "%.4g rows/s (%lld windows at random places, %d rank%s)\n", t->window_rows_s,
            (long long)t->windows, t->ranks, t->ranks == 1 ? "" : "s");
    put_name(stream, "an epoch of it");
    fprintf(stream, "%s\n", pp_report_duration(t->epoch_seconds, epoch, sizeof epoch));
    put_name(stream, "this inspection");
    fprintf(stream, "%s (%.4g rows/s)\n", pp_report_duration(t->pass_seconds, pass, sizeof pass),
            t->pass_rows_s);
}

void pp_report_inspection(FILE *stream, pp_style style, const pp_inspection *inspection)
{
    put_layout(stream, style, inspection);
    put_rows(stream, style, inspection);
    put_targets(stream, style, inspection);
    put_features(stream, style, inspection);
    put_findings(stream, style, inspection);
    put_timing(stream, style, &inspection->timing);
}
