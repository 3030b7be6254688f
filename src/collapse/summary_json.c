#include "pitprop/verdict.h"

#include <math.h>
#include <stddef.h>

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
    MEMBER(REAL, accuracy),
    MEMBER(REAL, balanced_accuracy),
    MEMBER(REAL, log_loss),
    MEMBER(REAL, auc),
    MEMBER(REAL, auc_bound),
    MEMBER(REAL, auc_error),
    MEMBER(REAL, association),
    MEMBER(INT, association_tests),
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
};
#undef MEMBER

/* Integers apply unless they are about classes that a regression lacks, or about no row. */
static int applies(const member *m, const pp_summary *summary)
{
    if (m->offset == offsetof(pp_summary, first_non_finite_row)) return summary->non_finite > 0;
    if (m->offset == offsetof(pp_summary, answer)) return summary->answer >= 0;
    return m->type != INT || summary->shape.kind != PP_SKETCH_REGRESSION;
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
        if (!isnan(value)) pp_json_put_number(writer, m->name, value);
    }
}
