/* Columns of a table by name or number. */
#include "table_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PICKS = 1 << 20 };

pp_status pp__table_no_memory(const pp_table *t, pp_error *err)
{
    return pp_fail(err, PP_E_MEMORY, "%s: out of memory", t->file);
}

/* The column that text [length] names, or -1. */
static int64_t find_column(char *const *header, int64_t n_columns, const char *text, size_t length)
{
    char number[24], *end;
    for (int64_t i = 0; header != NULL && i < n_columns; i++)
        if (strlen(header[i]) == length && strncmp(header[i], text, length) == 0) return i;
    if (length == 0 || length >= sizeof number) return -1;
    snprintf(number, sizeof number, "%.*s", (int)length, text);
    long long index = strtoll(number, &end, 10);
    if (*end != '\0') return -1;
    if (index < 0) index += n_columns;
    return index >= 0 && index < n_columns ? index : -1;
}

static pp_status fail_column(const pp_table *t, char *const *header, int64_t n_columns,
                             const char *item, size_t length, pp_error *err)
{
    char list[256] = "";
    size_t used = 0;
    for (int64_t i = 0; header != NULL && i < n_columns && used < sizeof list - 48; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.30s", i == 0 ? "" : ", ",
                                 header[i]);
    if (header != NULL)
        return pp_fail(err, PP_E_DATA, "%s: has no column '%.*s'; its %lld columns are %s", t->file,
                       (int)length, item, (long long)n_columns, list);
    return pp_fail(err, PP_E_DATA,
                   "%s: has no column '%.*s'; its %lld columns have numbers from 0 and no names",
                   t->file, (int)length, item, (long long)n_columns);
}

/* One item of a list: "p" or "p0..p9". */
static pp_status pick_item(pp_table *t, char *const *header, int64_t n_columns, const char *item,
                           size_t length, pp_error *err)
{
    const char *dots = NULL;
    for (size_t i = 1; i + 2 < length && dots == NULL; i++)
        if (item[i] == '.' && item[i + 1] == '.') dots = item + i;
    int64_t low = find_column(header, n_columns, item, length), high = low;
    if (low < 0 && dots != NULL) {
        low = find_column(header, n_columns, item, (size_t)(dots - item));
        high = find_column(header, n_columns, dots + 2, (size_t)(item + length - dots - 2));
    }
    if (low < 0 || high < low) return fail_column(t, header, n_columns, item, length, err);
    if (t->columns + high - low >= MAX_PICKS)
        return pp_fail(err, PP_E_DATA, "%s: more than %d columns are wanted", t->file, MAX_PICKS);
    int64_t count = t->columns + high - low + 1;
    int64_t *picks = realloc(t->picks, (size_t)count * sizeof *picks);
    if (picks == NULL) return pp__table_no_memory(t, err);
    t->picks = picks;
    for (int64_t c = low; c <= high; c++)
        t->picks[t->columns++] = c;
    return PP_OK;
}

static pp_status pick_name(pp_table *t, char *const *header, int64_t n_columns, const char *name,
                           pp_error *err)
{
    if (name == NULL) return pick_item(t, NULL, n_columns, "0..-1", 6, err);
    if (find_column(header, n_columns, name, strlen(name)) >= 0) /* a name may hold a comma */
        return pick_item(t, header, n_columns, name, strlen(name), err);
    for (;;) {
        size_t length = strcspn(name, ",");
        pp_status status = pick_item(t, header, n_columns, name, length, err);
        if (status != PP_OK || name[length] == '\0') return status;
        name += length + 1;
    }
}

pp_status pp__table_pick(pp_table *t, char *const *header, int64_t n_columns, pp_error *err)
{
    pp_status status = PP_OK;
    for (int i = 0; i < t->n_names && status == PP_OK; i++) {
        status = pick_name(t, header, n_columns, t->names[i], err);
        t->first[i + 1] = t->columns;
    }
    return status;
}
