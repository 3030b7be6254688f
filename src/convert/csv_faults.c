/* What would make wrong numbers of a csv file, in a table: a column is right, or it is refused by
 * line and column, with what to do. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "csv_plan.h"

/* Rows that a column has to count before it is taken to be a number of the rows. */
enum { COUNTED_ROWS = 32 };

/* How messages call a column. */
void pp__csv_plan_column(const pp__csv_plan *p, int column, char *text, size_t size)
{
    char shown[PP__CSV_SHOWN + 1];
    if (p->columns[column].name == NULL) {
        snprintf(text, size, "%d (counted from 0)", column);
        return;
    }
    pp__csv_show(p->columns[column].name, shown);
    if (*shown == '\0')
        snprintf(text, size, "'' (number %d)", column);
    else
        snprintf(text, size, "'%s'", shown);
}

/* Where the fault of a column shows first; NULL: it has not got it. */
typedef const pp__csv_spot *(*look_fn)(const pp__csv_plan *p, const pp__csv_column *c);

static int is_target(const pp__csv_plan *p, const pp__csv_column *c)
{
    return p->target >= 0 && c == &p->columns[p->target];
}

static const pp__csv_spot *untold_header(const pp__csv_plan *p, const pp__csv_column *c)
{
    int is_first = c->texts == 1 && c->cells > 1 && c->text.line == c->first.line;
    return is_first && !p->has_header && p->options->header == PP_CSV_GUESS ? &c->text : NULL;
}

/* Words under a header of words, or units, in the first row alone. */
static const pp__csv_spot *second_header(const pp__csv_plan *p, const pp__csv_column *c)
{
    return p->has_header && c->texts == 1 && c->cells > 2 && c->text.line == c->first.line
               ? &c->text
               : NULL;
}

static const pp__csv_spot *word_among_numbers(const pp__csv_plan *p, const pp__csv_column *c)
{
    (void)p;
    return c->texts > 0 && c->texts <= c->cells / 2 ? &c->text : NULL;
}

static const pp__csv_spot *words(const pp__csv_plan *p, const pp__csv_column *c)
{
    return c->texts > 0 && !is_target(p, c) ? &c->text : NULL;
}

static const pp__csv_spot *mixed_decimals(const pp__csv_plan *p, const pp__csv_column *c)
{
    if (p->options->decimal != 0)
        return c->only[!c->decimal].line > 0 ? &c->only[!c->decimal] : NULL;
    const pp__csv_spot *point = &c->only[PP__POINT], *comma = &c->only[PP__COMMA];
    if (c->texts > 0 || point->line == 0 || comma->line == 0) return NULL;
    return point->line > comma->line ? point : comma;
}

/* The other columns of the file tell, unless whole numbers beside it do not look like decimals of
 * three digits: 1.234 beside 987; else a point that stands in every number is a decimal one. */
static const pp__csv_spot *either_decimal(const pp__csv_plan *p, const pp__csv_column *c)
{
    if (c->texts > 0 || c->either.line == 0 || p->options->decimal != 0) return NULL;
    if (pp__csv_column_tells(c, PP__POINT) || pp__csv_column_tells(c, PP__COMMA)) return NULL;
    if (p->tells[PP__POINT] != p->tells[PP__COMMA]) {
        char decimal = p->tells[PP__POINT] ? '.' : ',';
        return c->bare > 0 && strchr(c->either.shown, decimal) != NULL ? &c->either : NULL;
    }
    int points = strchr(c->either.shown, '.') != NULL;
    int usual = !p->tells[PP__POINT] && points && c->bare == 0 && p->files[0].separator != ';';
    return usual ? NULL : &c->either;
}

static const pp__csv_spot *leading_zero(const pp__csv_plan *p, const pp__csv_column *c)
{
    (void)p;
    return !c->is_kept && c->padded.line > 0 ? &c->padded : NULL;
}

static const pp__csv_spot *many_digits(const pp__csv_plan *p, const pp__csv_column *c)
{
    (void)p;
    return !c->is_kept && c->long_digits.line > 0 ? &c->long_digits : NULL;
}

static const pp__csv_spot *counts_rows(const pp__csv_plan *p, const pp__csv_column *c)
{
    int is_named = c->name == NULL || *c->name != '\0';
    int64_t least = is_named ? COUNTED_ROWS : 2;
    if (is_target(p, c) || c->is_kept || !c->is_counter || c->cells < least) return NULL;
    return &c->first;
}

static const pp__csv_spot *far_mark(const pp__csv_plan *p, const pp__csv_column *c)
{
    (void)p;
    int mark = c->is_kept ? -1 : pp__csv_column_mark(c);
    return mark < 0 ? NULL : &c->values[c->decimal].marks[mark].first;
}

static const struct {
    look_fn look;
    int of_names; /* of a target that holds names of classes as well */
    const char *what, *advice;
} faults[] = {
    {untold_header, 0, "is no number, as all that is below it: is the line a header?",
     "if it is, say --header"},
    {second_header, 0,
     "is no number, as all that is below it: a line of units, or of a second header?",
     "leave the line out: --skip LINE"},
    {word_among_numbers, 0, "is no number among numbers",
     "a word for a missing value: --na WORD; a line that is no row: --skip LINE; a target of "
     "names: --classes; a feature of names: --categories"},
    {words, 0, "is no number, and no category: too few values come again",
     "leave such columns out (--drop), say that they are categories (--categories), or write "
     "numbers into them"},
    {mixed_decimals, 0, "has another decimal mark than cells before it",
     "write the column with one, or say --decimal point or --decimal comma where only one is "
     "meant"},
    {either_decimal, 0, "reads in two ways: its mark is a decimal one, or stands between thousands",
     "say --decimal point or --decimal comma"},
    {leading_zero, 0, "begins with 0: a code or an id, and no quantity",
     "leave it out (--drop), or take it as a number all the same (--keep); a target: --classes"},
    {many_digits, 0, "has more digits than a number holds: an id",
     "leave it out (--drop), or take it rounded (--keep)"},
    {counts_rows, 0, "begins a column that counts the rows, and is no feature",
     "leave it out (--drop), or take it all the same (--keep)"},
    {far_mark, 0, "is far from all other values of its column: a mark for a missing one?",
     "say so (--na, such as --na=-999), or take it as a number (--keep)"},
};
enum { N_FAULTS = sizeof faults / sizeof *faults };

/* A target of names has no faults of numbers. */
static const pp__csv_spot *look(const pp__csv_plan *p, size_t fault, int column)
{
    const pp__csv_column *c = &p->columns[column];
    if (c->role == PP__LEFT_OUT || c->cells == 0) return NULL;
    if (c->role == PP__TARGET && p->is_classes && !faults[fault].of_names) return NULL;
    if (c->kind != PP__NUMBER) return NULL;
    return faults[fault].look(p, c);
}

/* "; so do 'b', 'c' and 2 more" */
static void list_others(const pp__csv_plan *p, size_t fault, int first, char *text, size_t size)
{
    int listed = 0, more = 0;
    size_t used = 0;
    *text = '\0';
    for (int i = first + 1; i < p->n_columns; i++) {
        char name[PP__CSV_SHOWN + 24];
        if (look(p, fault, i) == NULL) continue;
        pp__csv_plan_column(p, i, name, sizeof name);
        if (used + strlen(name) + 40 > size) {
            more++;
            continue;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 listed++ > 0 ? ", " : "; likewise in ", name);
    }
    if (more > 0) snprintf(text + used, size - used, " and %d more", more);
}

static pp_status refuse(const pp__csv_plan *p, size_t fault, int column, const pp__csv_spot *place,
                        pp_error *err)
{
    char name[PP__CSV_SHOWN + 24], others[240];
    pp__csv_plan_column(p, column, name, sizeof name);
    list_others(p, fault, column, others, sizeof others);
    return pp_fail(err, PP_E_DATA, "%s: line %lld, column %s: '%s' %s%s; %s", place->path,
                   (long long)place->line, name, place->shown, faults[fault].what, others,
                   faults[fault].advice);
}

static pp_status check_columns(const pp__csv_plan *p, pp_error *err)
{
    for (size_t fault = 0; fault < N_FAULTS; fault++)
        for (int i = 0; i < p->n_columns; i++) {
            const pp__csv_spot *place = look(p, fault, i);
            if (place != NULL) return refuse(p, fault, i, place, err);
        }
    return PP_OK;
}

/* ---- lines ---- */

static pp_status check_lines(const pp__csv_plan *p, pp_error *err)
{
    char lines[128] = "";
    size_t used = 0;
    if (p->n_odd == 0) return PP_OK;
    for (int64_t i = 0; i < p->n_odd && i < PP__CSV_ODD && used + 24 < sizeof lines; i++)
        used += (size_t)snprintf(lines + used, sizeof lines - used, "%s%lld", i > 0 ? "," : "",
                                 (long long)p->odd[i].place.line);
    const pp__csv_odd *first = &p->odd[0];
    if (p->records == 0 && p->n_odd > 1)
        return pp_fail(
            err, PP_E_DATA,
            "%s: line %lld: '%s' %s, and so has every line: give each column its name in "
            "the header, or leave out the lines before it (--skip 1-4)",
            first->place.path, (long long)first->place.line, first->place.shown, first->why);
    return pp_fail(err, PP_E_DATA,
                   "%s: line %lld: '%s' %s%s; mend %s, or leave out what is no row: --skip %s%s",
                   first->place.path, (long long)first->place.line, first->place.shown, first->why,
                   p->n_odd > 1 ? ", the first of several such lines" : "",
                   p->n_odd > 1 ? "them" : "it", lines, p->n_odd > PP__CSV_ODD ? ",..." : "");
}

/* ---- missing values ---- */

/* " (temp 38, hum 41, ...)" */
static void count_by_column(const pp__csv_plan *p, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < p->n_columns && used + 80 < size; i++) {
        char name[PP__CSV_SHOWN + 24];
        if (p->columns[i].gaps == 0) continue;
        pp__csv_plan_column(p, i, name, sizeof name);
        used += (size_t)snprintf(text + used, size - used, "%s%s %lld", used == 0 ? "" : ", ", name,
                                 (long long)p->columns[i].gaps);
    }
    if (used + 80 >= size) snprintf(text + used, size - used, ", ...");
}

static pp_status check_missing(const pp__csv_plan *p, pp_error *err)
{
    char columns[256] = "";
    if (p->first_missing.code == PP_OK) return PP_OK;
    if (p->options->policy == PP_CSV_FILL)
        return pp_fail(err, PP_E_DATA,
                       "%.300s in the target, which is not filled in; leave out such rows "
                       "(--missing drop)",
                       p->first_missing.text);
    count_by_column(p, columns, sizeof columns);
    return pp_fail(err, PP_E_DATA,
                   "%.200s, the first of %lld in %lld rows (%s); leave out such rows (--missing "
                   "drop) or fill in the features (--missing NUMBER)",
                   p->first_missing.text, (long long)p->missing.values, (long long)p->missing.rows,
                   columns);
}

static pp_status check_rows(const pp__csv_plan *p, pp_error *err)
{
    for (int i = 0; i < p->n_columns && p->records > 0; i++) {
        char name[PP__CSV_SHOWN + 24];
        if (p->columns[i].gaps < p->records) continue;
        pp__csv_plan_column(p, i, name, sizeof name);
        return pp_fail(err, PP_E_DATA,
                       "%s: column %s is a missing value in every row; leave it out (--drop)",
                       p->files[0].path, name);
    }
    if (p->rows > 0) return PP_OK;
    return pp_fail(err, PP_E_DATA, "%s: holds no rows%s", p->files[0].path,
                   p->missing.rows > 0 ? " that have all their values" : "");
}

/* ---- classes ---- */

static pp_status fail_class(const pp__csv_plan *p, const pp__csv_class *class, const char *what,
                            pp_error *err)
{
    char name[PP__CSV_SHOWN + 24];
    pp__csv_plan_column(p, p->target, name, sizeof name);
    return pp_fail(err, PP_E_DATA, "%s: line %lld, column %s: the class '%s' %s", class->first.path,
                   (long long)class->first.line, name, class->first.shown, what);
}

static pp_status check_spelling(const pp__csv_plan *p, pp_error *err)
{
    for (int i = 0; i < p->n_classes && !p->options->classes; i++)
        for (int k = i + 1; k < p->n_classes; k++) {
            const pp__csv_class *a = &p->classes[i], *b = &p->classes[k];
            char what[200];
            if (strcasecmp(a->name, b->name) != 0) continue;
            snprintf(what, sizeof what,
                     "(%lld rows) differs from '%s' (%lld rows) in case only; write them alike, or "
                     "say --classes if they are two",
                     (long long)b->rows, a->first.shown, (long long)a->rows);
            return fail_class(p, b, what, err);
        }
    return PP_OK;
}

static pp_status check_classes(const pp__csv_plan *p, pp_error *err)
{
    char name[PP__CSV_SHOWN + 24];
    if (!p->is_classes) return PP_OK;
    if (p->too_many_classes) {
        const pp__csv_spot *text = &p->columns[p->target].text;
        pp__csv_plan_column(p, p->target, name, sizeof name);
        return pp_fail(err, PP_E_DATA,
                       "%s: line %lld, column %s: the target '%s' is not a number, and there are "
                       "more than %d different targets, too many for classes",
                       text->path, (long long)text->line, name, text->shown, p->n_classes);
    }
    for (int i = 0; i < p->n_classes; i++) {
        const pp__csv_class *class = &p->classes[i];
        if (!pp__csv_is_utf8(class->name))
            return fail_class(p, class,
                              "is not in UTF-8; convert the file, as with iconv -f ISO-8859-1 -t "
                              "UTF-8",
                              err);
        if (strstr(class->name, "\xef\xbf\xbd") != NULL)
            return fail_class(p, class, "holds a character that was lost; export the file again",
                              err);
        if (!p->has_header && p->options->header == PP_CSV_GUESS && class->rows == 1 &&
            class->first.line == 1 && p->rows > 2)
            return fail_class(p, class,
                              "stands there alone: is the line a header? say --header or "
                              "--no-header",
                              err);
    }
    return check_spelling(p, err);
}

/* ---- all of it ---- */

/* Columns that are left out tell only where no other does. */
static void settle_decimals(pp__csv_plan *p)
{
    for (int used = 1; used >= 0 && !p->tells[PP__POINT] && !p->tells[PP__COMMA]; used--)
        for (int i = 0; i < p->n_columns; i++)
            for (int d = 0; d < PP__DECIMALS; d++)
                if ((p->columns[i].role != PP__LEFT_OUT) == used)
                    p->tells[d] |= pp__csv_column_tells(&p->columns[i], (pp__decimal)d);
    for (int i = 0; i < p->n_columns; i++) {
        pp__csv_column *c = &p->columns[i];
        int comma = pp__csv_column_tells(c, PP__COMMA) ||
                    (p->tells[PP__COMMA] && !pp__csv_column_tells(c, PP__POINT));
        c->decimal = comma ? PP__COMMA : PP__POINT;
        if (p->options->decimal != 0)
            c->decimal = p->options->decimal == ',' ? PP__COMMA : PP__POINT;
    }
}

static void settle_kinds(pp__csv_plan *p)
{
    const pp_csv_options *o = p->options;
    int is_given = o->only != NULL && p->heads != NULL;
    for (int i = 0; i < p->n_columns; i++) {
        if (p->heads != NULL) pp__csv_kind_settle(&p->columns[i], !is_given);
        if (!is_given)
            pp__csv_kind_lay(&p->columns[i], o->policy == PP_CSV_FILL, o->flags, &p->n_x);
    }
}

/* As they are found, or as they are known. */
static pp_status number_classes(pp__csv_plan *p, pp_error *err)
{
    const pp_csv_options *o = p->options;
    for (int i = 0; i < p->n_classes; i++) {
        int k = o->class_names == NULL ? i : 0;
        while (o->class_names != NULL && k < o->n_class_names &&
               strcmp(o->class_names[k], p->classes[i].name) != 0)
            k++;
        p->classes[i].number = k;
        if (p->is_classes && o->class_names != NULL && k == o->n_class_names)
            return fail_class(p, &p->classes[i], "is none of those that are known", err);
    }
    return PP_OK;
}

pp_status pp__csv_plan_judge(pp__csv_plan *p, pp_error *err)
{
    settle_decimals(p);
    if (p->target >= 0) {
        const pp__csv_column *target = &p->columns[p->target];
        p->is_classes = p->options->classes || p->options->class_names != NULL ||
                        target->texts > target->cells / 2;
    }
    settle_kinds(p);
    pp_status status = check_lines(p, err);
    if (status == PP_OK) status = check_columns(p, err);
    if (status == PP_OK) status = check_rows(p, err);
    if (status == PP_OK) status = check_missing(p, err);
    if (status == PP_OK) status = check_classes(p, err);
    return status == PP_OK ? number_classes(p, err) : status;
}
