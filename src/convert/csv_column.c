#include "csv_column.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double marks[PP__CSV_MARKS] = {-9,     -99, -999, -9999, -99999, -999999, -99.9,
                                            -999.9, 99,  999,  9999,  99999,  999999,  999.9};

/* Integers of float32 are exact up to 2^24. */
static const double most_exact = 16777216;
/* Rounding beyond this share of the range of a column is a loss. */
static const double most_rounding = 1e-5;

void pp__csv_column_start(pp__csv_column *c)
{
    for (int d = 0; d < PP__DECIMALS; d++)
        c->values[d] = (pp__csv_values){.min = INFINITY,
                                        .max = -INFINITY,
                                        .plain_min = INFINITY,
                                        .plain_max = -INFINITY,
                                        .is_whole = 1};
    c->is_counter = c->is_date = 1;
}

static void note(pp__csv_spot *place, const pp__csv_spot *here)
{
    if (place->line == 0) *place = *here;
}

static void add_value(pp__csv_values *v, double value, const pp__csv_spot *here)
{
    v->min = fmin(v->min, value);
    v->max = fmax(v->max, value);
    int is_whole = value == floor(value);
    v->is_whole &= is_whole;
    double size = fabs(value);
    if ((is_whole && size > most_exact && (double)(float)value != value) || size > FLT_MAX ||
        (size > 0 && size < FLT_MIN))
        note(&v->wide, here);
    for (int i = 0; i < PP__CSV_MARKS; i++) {
        if (value != marks[i]) continue;
        if (v->marks[i].count++ == 0) v->marks[i].first = *here;
        return;
    }
    v->plain_min = fmin(v->plain_min, value);
    v->plain_max = fmax(v->plain_max, value);
}

static void add_integer(pp__csv_column *c, const pp__csv_numeral *n, const pp__csv_spot *here)
{
    if (n->is_padded) note(&c->padded, here);
    /* A double holds all integers up to 2^53. */
    if (n->digits > 19 || fabs(n->value[0]) > 9007199254740992.0) note(&c->long_digits, here);
}

/* Year, month and day as one number. */
static int is_date(double value)
{
    if (!(value >= 19000101 && value <= 21001231)) return 0;
    int64_t month = (int64_t)value / 100 % 100, day = (int64_t)value % 100;
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

void pp__csv_column_add(pp__csv_column *c, const char *path, int64_t line, const char *cell)
{
    pp__csv_spot here = {path, line, ""};
    pp__csv_numeral n;
    int reads = pp__csv_read_number(cell, &n);
    pp__csv_show(cell, here.shown);
    if (c->cells++ == 0) c->first = here;
    if (!reads) {
        c->texts++;
        c->is_counter = c->is_date = 0;
        note(&c->text, &here);
        return;
    }
    c->bare += !n.has_marks;
    if (n.digits > 0) add_integer(c, &n, &here);
    if (!n.reads[PP__COMMA]) note(&c->only[PP__POINT], &here);
    if (!n.reads[PP__POINT]) note(&c->only[PP__COMMA], &here);
    if (n.reads[PP__POINT] && n.reads[PP__COMMA] && n.value[PP__POINT] != n.value[PP__COMMA])
        note(&c->either, &here);
    for (int d = 0; d < PP__DECIMALS; d++)
        if (n.reads[d]) add_value(&c->values[d], n.value[d], &here);
    double value = n.digits > 0 ? n.value[PP__POINT] : NAN;
    c->is_counter &= n.digits > 0 && (c->cells == 1 || value == c->last + 1);
    c->is_date &= is_date(value);
    c->last = value;
}

int pp__csv_column_tells(const pp__csv_column *c, pp__decimal decimal)
{
    return c->texts == 0 && c->only[decimal].line > 0 && c->only[!decimal].line == 0;
}

int pp__csv_column_is_wide(const pp__csv_column *c)
{
    const pp__csv_values *v = &c->values[c->decimal];
    double size = fmax(fabs(v->min), fabs(v->max)), range = v->max - v->min;
    if (v->wide.line > 0) return 1;
    return range > 0 && size * FLT_EPSILON / 2 > most_rounding * range;
}

/* Far: by more than the whole range of all others. */
int pp__csv_column_mark(const pp__csv_column *c)
{
    const pp__csv_values *v = &c->values[c->decimal];
    double low = v->plain_min, high = v->plain_max, range = high - low;
    for (int i = 0; i < PP__CSV_MARKS && range > 0; i++)
        if (v->marks[i].count > 0 && (marks[i] < low - range || marks[i] > high + range)) return i;
    return -1;
}

void pp__csv_column_text(const pp__csv_column *c, char *text, size_t size)
{
    const pp__csv_values *v = &c->values[c->decimal];
    if (v->is_whole && fabs(v->min) < 1e15 && fabs(v->max) < 1e15)
        snprintf(text, size, "integers %.0f to %.0f", v->min, v->max);
    else
        snprintf(text, size, "numbers %.6g to %.6g", v->min, v->max);
    size_t used = strlen(text);
    if (c->decimal == PP__COMMA && (c->only[PP__COMMA].line > 0 || c->either.line > 0))
        snprintf(text + used, size - used, ", with decimal commas or points between thousands");
    else if (c->either.line > 0 && strchr(c->either.shown, ',') != NULL)
        snprintf(text + used, size - used, ", with commas between thousands");
}
