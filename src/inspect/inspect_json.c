/* An inspection as JSON. */
#include "inspect/inspect.h"

#include <stddef.h>
#include <string.h>

static void put_set(pp_json_writer *w, const char *key, const pp_h5_facts *f)
{
    pp_json_begin_object(w, key);
    pp_json_put_string(w, "type", f->type);
    pp_json_put_string(w, "shape", f->shape);
    pp_json_put_string(w, "layout", f->layout);
    pp_json_put_string(w, "filters", f->filters);
    pp_json_put_int(w, "bytes", f->rows * f->row_bytes);
    pp_json_put_int(w, "stored_bytes", f->stored_bytes);
    pp_json_put_int(w, "chunk_rows", f->chunk_rows);
    pp_json_put_int(w, "chunk_bytes", f->chunk_bytes);
    pp_json_put_int(w, "chunks", f->chunks);
    pp_json_end_object(w);
}

static void put_access(pp_json_writer *w, const pp_inspection_layout *l)
{
    pp_json_begin_object(w, "access");
    pp_json_put_int(w, "window", l->window);
    pp_json_put_int(w, "epoch_bytes", l->epoch_bytes);
    pp_json_begin_object(w, "inflated_over_used");
    pp_json_put_number(w, "in_order", l->in_order);
    pp_json_put_number(w, "by_window", l->by_window);
    pp_json_put_number(w, "by_row", l->by_row);
    pp_json_end_object(w);
    pp_json_end_object(w);
}

/* A row number, null where there is none. */
static void put_row(pp_json_writer *w, const char *key, int64_t row)
{
    if (row < 0)
        pp_json_put_null(w, key);
    else
        pp_json_put_int(w, key, row);
}

static void put_targets(pp_json_writer *w, const pp_inspection *i)
{
    static const char *const tasks[] = {[PP_TASK_AUTO] = "auto",
                                        [PP_TASK_BINARY] = "binary",
                                        [PP_TASK_MULTICLASS] = "multiclass",
                                        [PP_TASK_REGRESSION] = "regression"};
    const pp_inspection_targets *y = &i->targets;
    pp_json_begin_object(w, "targets");
    pp_json_put_string(w, "task", tasks[i->task]);
    pp_json_put_int(w, "columns", i->y_columns);
    pp_json_put_int(w, "classes", i->classes);
    pp_json_put_strings(w, "class_names", i->class_names, i->classes);
    if (i->class_rows != NULL) {
        pp_json_begin_array(w, "class_rows");
        for (int64_t k = 0; k < i->classes; k++)
            pp_json_put_int(w, NULL, i->class_rows[k]);
        pp_json_end_array(w);
    }
    pp_json_put_number(w, "min", y->min);
    pp_json_put_number(w, "max", y->max);
    pp_json_put_number(w, "mean", y->mean);
    pp_json_put_number(w, "deviation", y->deviation);
    pp_json_put_number(w, "median", y->median);
    pp_json_put_number(w, "most_frequent", y->spike);
    pp_json_put_int(w, "most_frequent_rows", y->spike_rows);
    pp_json_put_number(w, "disorder", y->disorder);
    pp_json_put_int(w, "non_finite", y->non_finite);
    put_row(w, "first_non_finite", y->first_non_finite);
    pp_json_put_int(w, "outside", y->outside);
    put_row(w, "first_outside", y->first_outside);
    pp_json_end_object(w);
}

/* Features as arrays: a table of thousands of objects would be mostly keys. */
static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"min", offsetof(pp_inspection_feature, min)},
    {"max", offsetof(pp_inspection_feature, max)},
    {"mean", offsetof(pp_inspection_feature, mean)},
    {"deviation", offsetof(pp_inspection_feature, deviation)},
    {"median", offsetof(pp_inspection_feature, median)},
    {"tells_target", offsetof(pp_inspection_feature, tells)},
};

static const struct {
    const char *key;
    size_t offset;
} counts[] = {
    {"non_finite", offsetof(pp_inspection_feature, non_finite)},
    {"first_non_finite", offsetof(pp_inspection_feature, first_non_finite)},
    {"duplicate_of", offsetof(pp_inspection_feature, duplicate_of)},
};

static void put_features(pp_json_writer *w, const pp_inspection *i)
{
    pp_json_begin_object(w, "features");
    pp_json_put_strings(w, "name", i->column_names, i->inputs);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        pp_json_begin_array(w, numbers[k].key);
        for (int64_t j = 0; j < i->inputs; j++) {
            double value;
            memcpy(&value, (const char *)&i->features[j] + numbers[k].offset, sizeof value);
            pp_json_put_number(w, NULL, value);
        }
        pp_json_end_array(w);
    }
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        pp_json_begin_array(w, counts[k].key);
        for (int64_t j = 0; j < i->inputs; j++) {
            int64_t value;
            memcpy(&value, (const char *)&i->features[j] + counts[k].offset, sizeof value);
            put_row(w, NULL, value);
        }
        pp_json_end_array(w);
    }
    pp_json_end_object(w);
}

static void put_repeats(pp_json_writer *w, const pp_inspection_repeats *r)
{
    pp_json_begin_object(w, "repeats");
    pp_json_put_number(w, "share_compared", r->share);
    pp_json_put_int(w, "duplicates", r->duplicates);
    put_row(w, "duplicate_row", r->duplicate_row);
    put_row(w, "duplicate_twin", r->duplicate_twin);
    pp_json_put_int(w, "contradicted", r->contradicted);
    put_row(w, "contradicted_row", r->contradicted_row);
    put_row(w, "contradicted_twin", r->contradicted_twin);
    pp_json_put_number(w, "unattainable", r->unattainable);
    pp_json_put_int(w, "held_out_in_training", r->held_out);
    pp_json_end_object(w);
}

static void put_lanes(pp_json_writer *w, const pp_inspection_lanes *l)
{
    pp_json_begin_object(w, "lanes");
    pp_json_put_int(w, "lanes", l->lanes);
    put_row(w, "most_skewed", l->worst);
    pp_json_put_number(w, "skew", l->skew);
    pp_json_put_number(w, "skew_by_chance", l->skew_by_chance);
    pp_json_end_object(w);
}

void pp_findings_write(const pp_finding *findings, int n, pp_json_writer *w)
{
    pp_json_begin_array(w, "findings");
    for (int k = 0; k < n; k++) {
        const pp_finding *f = &findings[k];
        pp_json_begin_object(w, NULL);
        pp_json_put_string(w, "id", f->kind->id);
        pp_json_put_string(w, "severity", pp_severity_name(f->kind->severity));
        pp_json_put_string(w, "sentence", f->sentence);
        pp_json_put_string(w, "advice", f->kind->advice);
        pp_json_end_object(w);
    }
    pp_json_end_array(w);
}

static void put_timing(pp_json_writer *w, const pp_inspection_timing *t)
{
    pp_json_begin_object(w, "timing");
    pp_json_put_int(w, "ranks", t->ranks);
    pp_json_put_int(w, "windows", t->windows);
    pp_json_put_number(w, "window_rows_per_s", t->window_rows_s);
    pp_json_put_number(w, "epoch_seconds", t->epoch_seconds);
    pp_json_put_number(w, "pass_rows_per_s", t->pass_rows_s);
    pp_json_put_number(w, "pass_seconds", t->pass_seconds);
    pp_json_end_object(w);
}

void pp_inspection_write(const pp_inspection *i, pp_json_writer *w)
{
    pp_json_put_int(w, "rows", i->rows);
    pp_json_put_int(w, "held_out_rows", i->held_out_rows);
    pp_json_put_int(w, "inputs", i->inputs);
    pp_json_put_int(w, "files", i->n_files);
    put_set(w, "x", &i->x);
    put_set(w, "y", &i->y);
    put_access(w, &i->layout);
    put_targets(w, i);
    put_features(w, i);
    pp_json_put_int(w, "sample_rows", i->sample_rows);
    put_repeats(w, &i->repeats);
    pp_json_begin_object(w, "series");
    pp_json_put_int(w, "stride", i->series.stride);
    pp_json_put_bool(w, "target_of_neighbour", i->series.target);
    pp_json_end_object(w);
    put_lanes(w, &i->lanes);
    pp_findings_write(i->findings, i->n_findings, w);
    put_timing(w, &i->timing);
}
