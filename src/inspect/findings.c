/* The table of findings, from its three parts. */
#include "inspect_internal.h"

#include <string.h>

static const pp__finding_row *const parts[] = {pp__findings_of_targets, pp__findings_of_features,
                                               pp__findings_of_rows};
enum { PARTS = sizeof parts / sizeof *parts };

const char *pp_severity_name(pp_severity severity)
{
    return severity == PP_SEVERITY_ERROR ? "error" : "warning";
}

void pp_inspect_kinds(void (*say)(const pp_finding_kind *kind))
{
    for (int i = 0; i < PARTS; i++)
        for (const pp__finding_row *row = parts[i]; row->kind.id != NULL; row++)
            say(&row->kind);
}

const pp_finding *pp_inspection_find(const pp_inspection *inspection, const char *id)
{
    for (int i = 0; i < inspection->n_findings; i++)
        if (strcmp(inspection->findings[i].kind->id, id) == 0) return &inspection->findings[i];
    return NULL;
}

int pp_inspection_tells_copies(const pp_inspection *inspection)
{
    const double nearly_all = 0.9;
    int64_t most = 0;
    for (int64_t j = 0; j < inspection->inputs; j++)
        if (inspection->features[j].distinct > most) most = inspection->features[j].distinct;
    return (double)most >= nearly_all * (double)inspection->distinct_rows;
}

static int count_rows(void)
{
    int count = 0;
    for (int i = 0; i < PARTS; i++)
        for (const pp__finding_row *row = parts[i]; row->kind.id != NULL; row++)
            count++;
    return count;
}

/* Errors come first. */
static void judge(const pp__look *at, pp_severity severity, pp_inspection *report)
{
    for (int i = 0; i < PARTS; i++)
        for (const pp__finding_row *row = parts[i]; row->kind.id != NULL; row++) {
            pp_finding *to = &report->findings[report->n_findings];
            if (row->kind.severity != severity) continue;
            if (!row->look(at, to->sentence, sizeof to->sentence)) continue;
            to->kind = &row->kind;
            report->n_findings++;
            report->n_errors += severity == PP_SEVERITY_ERROR;
        }
}

pp_status pp__judge(pp__scan *scan, pp_error *err)
{
    pp_inspection *report = scan->report;
    pp__look at = {report, scan->job, scan->x, scan->y};
    report->findings = PP_ARENA_NEW(report->arena, pp_finding, count_rows());
    if (report->findings == NULL) return pp__inspect_no_memory(err);
    judge(&at, PP_SEVERITY_ERROR, report);
    judge(&at, PP_SEVERITY_WARNING, report);
    return PP_OK;
}
