#include "csv_kind.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

int pp__csv_kind_find(const pp__csv_column *c, const char *name)
{
    for (int i = 0; i < c->n_names; i++)
        if (strcmp(c->names[i].name, name) == 0) return i;
    return -1;
}

static int add_name(pp__csv_column *c, pp_arena *arena, const char *name, int x)
{
    if (c->names == NULL) c->names = PP_ARENA_NEW(arena, pp__csv_name, PP__CSV_NAMES);
    char *copy = c->names == NULL ? NULL : pp_arena_strdup(arena, name);
    if (copy == NULL) return 0;
    c->names[c->n_names++] = (pp__csv_name){copy, 0, x};
    return 1;
}

int pp__csv_kind_give(pp__csv_column *c, pp_arena *arena, const char *name, int x)
{
    c->is_category = c->has_given_names = 1;
    return c->n_names == PP__CSV_NAMES || add_name(c, arena, name, x);
}

static void note_unknown(pp__csv_column *c, const char *path, int64_t line, const char *cell)
{
    if (c->unknown++ > 0) return;
    c->first_unknown = (pp__csv_spot){path, line, ""};
    pp__csv_show(cell, c->first_unknown.shown);
}

int pp__csv_kind_add(pp__csv_column *c, pp_arena *arena, const char *path, int64_t line,
                     const char *cell)
{
    double days;
    if (c->cells == c->dates + 1) c->dates += pp__csv_date(cell, &days);
    if (c->too_many_names) return 1;
    int at = pp__csv_kind_find(c, cell);
    if (at >= 0)
        c->names[at].rows++;
    else if (c->has_given_names)
        note_unknown(c, path, line, cell);
    else if (c->n_names == PP__CSV_NAMES)
        c->too_many_names = 1;
    else if (!add_name(c, arena, cell, -1))
        return 0;
    else
        c->names[c->n_names - 1].rows = 1;
    return 1;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const pp__csv_name *)a)->name, ((const pp__csv_name *)b)->name);
}

/* Text whose values come again is a category; what is text and is none stays a number, and is
 * refused as such. */
void pp__csv_kind_settle(pp__csv_column *c, int may_be_category)
{
    int comes_again = c->n_names > 1 && 2 * c->n_names <= c->cells && !c->too_many_names;
    c->kind = PP__NUMBER;
    if (c->role != PP__FEATURE) return;
    if (c->is_category && !c->too_many_names)
        c->kind = PP__CATEGORY;
    else if (c->cells > 0 && c->dates == c->cells)
        c->kind = PP__DATE;
    else if (may_be_category && c->texts > 0 && c->texts == c->cells && comes_again)
        c->kind = PP__CATEGORY;
    if (c->kind == PP__CATEGORY && !c->has_given_names)
        qsort(c->names, (size_t)c->n_names, sizeof *c->names, by_bytes);
}

void pp__csv_kind_lay(pp__csv_column *c, int fills_gaps, int flags_gaps, int *next)
{
    c->x = c->x_flag = -1;
    if (c->role != PP__FEATURE) return;
    for (int i = 0; c->kind == PP__CATEGORY && i < c->n_names; i++)
        c->names[i].x = (*next)++;
    if (c->kind == PP__CATEGORY) return;
    c->x = (*next)++;
    if (fills_gaps && flags_gaps && c->gaps > 0) c->x_flag = (*next)++;
}

/* ---- dates ---- */

/* Digits of a number of `width`, or of 1 to -width. Returns where they end, NULL: there are none.
 */
static const char *read_digits(const char *at, int width, int *value)
{
    int most = width < 0 ? -width : width, n = 0;
    for (*value = 0; n < most && isdigit((unsigned char)at[n]); n++)
        *value = 10 * *value + (at[n] - '0');
    return n == width || (width < 0 && n > 0) ? at + n : NULL;
}

static const char *read_mark(const char *at, char mark)
{
    return at != NULL && *at == mark ? at + 1 : NULL;
}

/* Days of the Gregorian calendar, years counted from March. */
static double days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
    return (double)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468);
}

/* "T14:30", " 14:30:05", "Z"; NULL: something else. */
static const char *read_time(const char *at, double *share)
{
    int hours, minutes, seconds = 0;
    *share = 0;
    if (*at == '\0') return at;
    if (*at != 'T' && *at != ' ') return NULL;
    at = read_mark(read_digits(at + 1, 2, &hours), ':');
    if (at == NULL || (at = read_digits(at, 2, &minutes)) == NULL) return NULL;
    if (*at == ':' && (at = read_digits(at + 1, 2, &seconds)) == NULL) return NULL;
    if (*at == 'Z') at++;
    *share = (hours * 3600 + minutes * 60 + seconds) / 86400.0;
    return hours < 24 && minutes < 60 && seconds < 61 ? at : NULL;
}

int pp__csv_date(const char *cell, double *days)
{
    int year = 0, month = 0, day = 0;
    double share = 0;
    const char *at = read_mark(read_digits(cell, 4, &year), '-');
    if (at != NULL) at = read_mark(read_digits(at, 2, &month), '-');
    if (at != NULL) at = read_digits(at, 2, &day);
    if (at == NULL) {
        at = read_mark(read_digits(cell, -2, &day), '.');
        if (at != NULL) at = read_mark(read_digits(at, -2, &month), '.');
        if (at != NULL) at = read_digits(at, 4, &year);
    }
    if (at != NULL) at = read_time(at, &share);
    if (at == NULL || *at != '\0' || month < 1 || month > 12 || day < 1 || day > 31) return 0;
    *days = days_of(year, month, day) + share;
    return 1;
}
