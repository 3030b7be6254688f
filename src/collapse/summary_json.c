#include "pitprop/verdict.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef enum member_type { INT64, INT, REAL } member_type;

typedef struct member {
    const char *name;
    member_type type;
    size_t offset;
} member;

#define MEMBER(type, name)                                                                         \
    {                                                                                              \
#name, type, offsetof(pp_summary, name)                                                    \
    }
static const member members[] = {
    MEMBER(INT64, rows),
    MEMBER(INT64, non_finite),
    MEMBER(INT64, first_non_finite_row),
    MEMBER(INT64, out_of_range),
    MEMBER(INT64, label_outside),
    MEMBER(REAL, loss),
    MEMBER(REAL, loss_error),
    MEMBER(REAL, accuracy),
    MEMBER(REAL, balanced_accuracy),
    MEMBER(REAL, log_loss),
    MEMBER(REAL, auc),
    MEMBER(REAL, auc_bound),
    MEMBER(REAL, auc_error),
    MEMBER(REAL, association),
    MEMBER(INT, association_tests),
    MEMBER(REAL, dependence),
    MEMBER(REAL, slope),
    MEMBER(REAL, mse),
    MEMBER(REAL, mae),
    MEMBER(REAL, r2),
    MEMBER(REAL, correlation),
    MEMBER(REAL, base_loss),
    MEMBER(REAL, skill),
    MEMBER(REAL, skill_error),
    MEMBER(REAL, information),
    MEMBER(REAL, mean),
    MEMBER(REAL, deviation),
    MEMBER(REAL, min),
    MEMBER(REAL, max),
    MEMBER(REAL, spread),
    MEMBER(REAL, target_mean),
    MEMBER(REAL, target_deviation),
    MEMBER(REAL, tolerance),
    MEMBER(REAL, median),
    MEMBER(REAL, median_mass),
    MEMBER(REAL, half_mass),
    MEMBER(REAL, base_mass),
    MEMBER(REAL, base_distance),
    MEMBER(REAL, base_error),
    MEMBER(REAL, limit_share),
    MEMBER(REAL, cut_share),
    MEMBER(INT, classes_present),
    MEMBER(INT, classes_predicted),
    MEMBER(INT, answer),
    MEMBER(REAL, answer_share),
    MEMBER(INT, labels),
    MEMBER(INT, decimals),
    MEMBER(INT, never),
    MEMBER(REAL, effective_rows),
    MEMBER(REAL, decision),
    MEMBER(REAL, decision_error),
    MEMBER(REAL, decision_best),
    MEMBER(REAL, threshold),
    MEMBER(REAL, calibration_error),
    MEMBER(REAL, turned_skill),
    MEMBER(REAL, turned_error),
    MEMBER(REAL, offset),
    MEMBER(REAL, shifted_skill),
    MEMBER(REAL, shifted_error),
    MEMBER(REAL, intercept),
    MEMBER(REAL, gain),
    MEMBER(REAL, scaled_skill),
    MEMBER(REAL, scaled_error),
    MEMBER(REAL, mapped),
    MEMBER(REAL, rank_correlation),
    MEMBER(REAL, coverage),
    MEMBER(REAL, quantile_skill),
    MEMBER(REAL, quantile_error),
    MEMBER(REAL, extreme),
    MEMBER(REAL, extreme_target),
    MEMBER(REAL, loss_skill),
    MEMBER(REAL, loss_skill_error),
};
#undef MEMBER

/* Integers apply unless they are about classes that a regression lacks, or about no row. */
static int applies(const member *m, const pp_summary *summary)
{
    if (m->offset == offsetof(pp_summary, first_non_finite_row)) return summary->non_finite > 0;
    if (m->offset == offsetof(pp_summary, answer)) return summary->answer >= 0;
    return m->type != INT || summary->shape.kind != PP_SKETCH_REGRESSION;
}

static void put_number(pp_json_writer *writer, const char *name, double value)
{
    if (!isnan(value)) pp_json_put_number(writer, name, value);
}

static void put_parts(pp_json_writer *writer, const pp_summary *s)
{
    if (s->n_parts < 2) return;
    pp_json_begin_array(writer, s->shape.kind == PP_SKETCH_REGRESSION ? "outputs" : "classes");
    for (int i = 0; i < s->n_parts; i++) {
        const pp_part_summary *part = s->parts + i;
        pp_json_begin_object(writer, NULL);
        pp_json_put_int(writer, "index", part->index);
        pp_json_put_bool(writer, "dead", part->dead);
        pp_json_put_bool(writer, "unrelated", part->unrelated);
        put_number(writer, "mean", part->mean);
        put_number(writer, "target_mean", part->target_mean);
        put_number(writer, "spread", part->spread);
        put_number(writer, s->shape.kind == PP_SKETCH_REGRESSION ? "correlation" : "auc",
                   part->effect);
        put_number(writer, "skill", part->skill);
        put_number(writer, "skill_error", part->skill_error);
        put_number(writer, "recall", part->recall);
        put_number(writer, "precision", part->precision);
        pp_json_end_object(writer);
    }
    pp_json_end_array(writer);
}

void pp_summary_write(const pp_summary *summary, pp_json_writer *writer)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const member *m = members + i;
        const char *at = (const char *)summary + m->offset;
        if (!applies(m, summary)) continue;
        if (m->type == INT64) pp_json_put_int(writer, m->name, *(const int64_t *)(const void *)at);
        if (m->type == INT) pp_json_put_int(writer, m->name, *(const int *)(const void *)at);
        if (m->type != REAL) continue;
        double value = *(const double *)(const void *)at;
        put_number(writer, m->name, value);
    }
    put_parts(writer, summary);
}

/* ---- back ---- */

static void clear(pp_summary *summary)
{
    memset(summary, 0, sizeof *summary);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].type == REAL) *(double *)(void *)((char *)summary + members[i].offset) = NAN;
    summary->first_non_finite_row = -1;
    summary->answer = -1;
}

void pp_summary_read(const pp_json *object, pp_summary *summary)
{
    clear(summary);
    for (size_t i = 0; object != NULL && i < sizeof members / sizeof *members; i++) {
        const member *m = members + i;
        const pp_json *value = pp_json_get(object, m->name);
        void *at = (char *)summary + m->offset;
        if (value == NULL || pp_json_type_of(value) != PP_JSON_NUMBER) continue;
        double number = pp_json_number(value);
        if (m->type == INT64) *(int64_t *)at = (int64_t)number;
        if (m->type == INT) *(int *)at = (int)number;
        if (m->type == REAL) *(double *)at = number;
    }
}

double pp_summary_number(const pp_summary *summary, const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const member *m = members + i;
        const char *at = (const char *)summary + m->offset;
        if (strcmp(m->name, name) != 0) continue;
        if (m->type == INT64) return (double)*(const int64_t *)(const void *)at;
        return m->type == INT ? *(const int *)(const void *)at : *(const double *)(const void *)at;
    }
    return NAN;
}
