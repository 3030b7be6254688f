/* What a csv file holds, before a row of it is converted. */
#include "csv_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 1000, TELL_ROWS = 4096 };

/* Beyond it a double does not hold every integer. */
static const double max_integer = 9007199254740992.0; /* 2^53 */

pp_status pp__csv_fail_cell(const pp__csv_cell *cell, pp_error *err, const char *what)
{
    char shown[PP__CSV_SHOWN + 1], column[PP__CSV_SHOWN + 16];
    const pp__csv_plan *p = cell->plan;
    pp__csv_show(cell->text, shown);
    if (p->names != NULL)
        snprintf(column, sizeof column, "'%.*s'", PP__CSV_SHOWN, p->names[cell->column]);
    else
        snprintf(column, sizeof column, "%d (counted from 0)", cell->column);
    return pp_fail(err, PP_E_DATA, "%s: line %lld, column %s: '%s' %s", p->path,
                   (long long)cell->line, column, shown, what);
}

/* ---- the columns ---- */

static int parse_index(const char *text, int n_columns, int *index)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0') return 0;
    if (value < 0) value += n_columns;
    if (value < 0 || value >= n_columns) return 0;
    *index = (int)value;
    return 1;
}

static int find_name(const pp__csv_record *first, const char *name)
{
    for (int i = 0; i < first->n_cells; i++)
        if (strcmp(first->cells[i], name) == 0) return i;
    return -1;
}

static pp_status fail_target(const pp__csv_plan *p, const char *target, pp_error *err)
{
    char list[256] = "";
    size_t used = 0;
    for (int i = 0; p->names != NULL && i < p->n_columns && used < sizeof list - 64; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s", i == 0 ? "" : ", ",
                                 p->names[i]);
    return pp_fail(err, PP_E_ARG, "%s: has no target column '%s'; its %d columns are %s", p->path,
                   target, p->n_columns, p->names == NULL ? "numbered from 0" : list);
}

static pp_status copy_names(pp__csv_plan *p, const pp__csv_record *first, pp_error *err)
{
    p->names = calloc((size_t)p->n_columns, sizeof *p->names);
    for (int i = 0; p->names != NULL && i < p->n_columns; i++) {
        p->names[i] = strdup(first->cells[i]);
        if (p->names[i] == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    }
    if (p->names == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    return PP_OK;
}

static pp_status plan_columns(pp__csv_plan *p, const pp_csv_options *options,
                              const pp__csv_record *first, pp_error *err)
{
    const char *target = options->target == NULL ? "-1" : options->target;
    if (first->n_cells == 0) return pp_fail(err, PP_E_DATA, "%s: is empty", p->path);
    p->n_columns = first->n_cells;
    if (p->n_columns < 2)
        return pp_fail(err, PP_E_DATA,
                       "%s: has one column; expected at least one feature and the "
                       "target",
                       p->path);
    int named = find_name(first, target), indexed = -1;
    int is_index = parse_index(target, p->n_columns, &indexed);
    p->has_header = options->has_header;
    if (p->has_header < 0) p->has_header = pp__csv_is_header(first) || (named >= 0 && !is_index);
    if (p->has_header) {
        pp_status status = copy_names(p, first, err);
        if (status != PP_OK) return status;
    }
    p->target = p->has_header && named >= 0 ? named : indexed;
    return p->target >= 0 ? PP_OK : fail_target(p, target, err);
}

pp_status pp__csv_plan_check(const pp__csv_plan *p, const pp__csv_record *record, pp_error *err)
{
    if (record->n_cells == p->n_columns) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: line %lld: has %d cells, expected %d as in the first line",
                   p->path, (long long)record->line, record->n_cells, p->n_columns);
}

/* ---- targets ---- */

int pp__csv_plan_class(const pp__csv_plan *p, const char *text)
{
    for (int i = 0; i < p->n_classes; i++)
        if (strcmp(p->classes[i], text) == 0) return i;
    return -1;
}

/* Numbers are collected as well: a later row may show that the target is text. */
static pp_status collect_class(pp__csv_plan *p, const char *text, pp_error *err)
{
    if (p->too_many_classes || pp__csv_plan_class(p, text) >= 0) return PP_OK;
    if (p->n_classes == MAX_CLASSES) {
        p->too_many_classes = 1;
        return PP_OK;
    }
    if (p->classes == NULL) p->classes = calloc(MAX_CLASSES, sizeof *p->classes);
    char *copy = p->classes == NULL ? NULL : strdup(text);
    if (copy == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", p->path);
    p->classes[p->n_classes++] = copy;
    return PP_OK;
}

static pp_status look_at_target(pp__csv_plan *p, const pp__csv_record *record, pp_error *err)
{
    double value;
    const char *text = record->cells[p->target];
    if (!pp__csv_number(text, &value)) {
        if (p->all_numbers) {
            p->text_line = record->line;
            pp__csv_show(text, p->text_shown);
        }
        p->all_numbers = p->all_integers = 0;
    } else if (value != floor(value) || fabs(value) > max_integer) {
        p->all_integers = 0;
    }
    return collect_class(p, text, err);
}

/* ---- missing values ---- */

int pp__csv_plan_gaps(const pp__csv_record *record)
{
    int gaps = 0;
    for (int i = 0; i < record->n_cells; i++)
        gaps += pp__csv_is_missing(record->cells[i]);
    return gaps;
}

/* Whether a value that is missing there ends the import. */
static int is_refused(const pp__csv_plan *p, int column)
{
    return p->policy == PP_CSV_REFUSE || (p->policy == PP_CSV_FILL && column == p->target);
}

static void count_gaps(pp__csv_plan *p, const pp__csv_record *record, int gaps)
{
    p->missing.values += gaps;
    p->missing.rows++;
    for (int i = 0; i < record->n_cells && p->first_missing.code == PP_OK; i++) {
        pp__csv_cell cell = {p, record->line, i, record->cells[i]};
        if (is_refused(p, i) && pp__csv_is_missing(cell.text))
            pp__csv_fail_cell(&cell, &p->first_missing, "is a missing value");
    }
}

static pp_status check_missing(const pp__csv_plan *p, pp_error *err)
{
    if (p->first_missing.code == PP_OK) return PP_OK;
    if (p->policy == PP_CSV_FILL)
        return pp_fail(err, PP_E_DATA,
                       "%s in the target, which is not filled in; leave out such rows "
                       "(--missing drop)",
                       p->first_missing.text);
    return pp_fail(err, PP_E_DATA,
                   "%s, the first of %lld in %lld rows; leave out such rows (--missing drop) or "
                   "fill in the features (--missing NUMBER)",
                   p->first_missing.text, (long long)p->missing.values, (long long)p->missing.rows);
}

/* ---- the pass ---- */

void pp__csv_plan_tell(const pp_csv_options *options, const pp__csv *csv, int pass, int64_t rows)
{
    if (options->meter.tell == NULL) return;
    options->meter.tell(options->meter.context, (pass + pp__csv_share(csv)) / 2, rows);
}

static pp_status take_record(pp__csv_plan *p, const pp__csv_record *record, pp_error *err)
{
    pp_status status = pp__csv_plan_check(p, record, err);
    if (status != PP_OK) return status;
    int gaps = pp__csv_plan_gaps(record);
    if (gaps > 0) count_gaps(p, record, gaps);
    if (gaps > 0 && p->policy != PP_CSV_FILL) return PP_OK;
    p->rows++;
    return pp__csv_is_missing(record->cells[p->target]) ? PP_OK : look_at_target(p, record, err);
}

static pp_status check_plan(const pp__csv_plan *p, pp_error *err)
{
    pp_status status = check_missing(p, err);
    if (status != PP_OK) return status;
    if (p->rows == 0)
        return pp_fail(err, PP_E_DATA, "%s: holds no rows%s", p->path,
                       p->missing.rows > 0 ? " that have all their values" : "");
    if (p->all_numbers || !p->too_many_classes) return PP_OK;
    return pp_fail(err, PP_E_DATA,
                   "%s: line %lld: the target '%s' is not a number, and there are more than %d "
                   "different targets, too many for classes",
                   p->path, (long long)p->text_line, p->text_shown, MAX_CLASSES);
}

pp_status pp__csv_plan_make(pp__csv_plan *p, const pp_csv_options *options, pp__csv *csv,
                            pp_error *err)
{
    pp__csv_record record;
    pp_status status = pp__csv_next(csv, &record, err);
    if (status == PP_OK) status = plan_columns(p, options, &record, err);
    if (status == PP_OK && p->has_header) status = pp__csv_next(csv, &record, err);
    p->all_numbers = p->all_integers = 1;
    while (status == PP_OK && record.n_cells > 0) {
        status = take_record(p, &record, err);
        if (p->rows % TELL_ROWS == 0) pp__csv_plan_tell(options, csv, 0, p->rows);
        if (status == PP_OK) status = pp__csv_next(csv, &record, err);
    }
    return status == PP_OK ? check_plan(p, err) : status;
}

void pp__csv_plan_free(pp__csv_plan *p)
{
    for (int i = 0; p->names != NULL && i < p->n_columns; i++)
        free(p->names[i]);
    free(p->names);
    for (int i = 0; i < p->n_classes; i++)
        free(p->classes[i]);
    free(p->classes);
}
