#include "csv_fill.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_NUMBER = 400, SAMPLE = 1 << 16 };

typedef struct gap {
    double sum;
    double *values; /* [SAMPLE] of count, for the median */
    int64_t count;
} gap;

double pp__csv_cell_value(const pp__csv_column *c, const char *cell)
{
    char text[MOST_NUMBER];
    double days;
    if (c->kind == PP__DATE) return pp__csv_date(cell, &days) ? days : NAN;
    return pp__csv_plain_number(cell, c->decimal, text, sizeof text) ? strtod(text, NULL) : NAN;
}

/* All values, and of more than SAMPLE every one with the same chance. */
static void take(gap *g, double value, uint64_t *random)
{
    g->sum += value;
    int64_t at = g->count++;
    if (at >= SAMPLE) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        at = (int64_t)((*random >> 11) % (uint64_t)g->count);
    }
    if (at < SAMPLE) g->values[at] = value;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(gap *g)
{
    int64_t n = g->count < SAMPLE ? g->count : SAMPLE;
    if (n == 0) return 0;
    qsort(g->values, (size_t)n, sizeof *g->values, by_size);
    return n % 2 == 1 ? g->values[n / 2] : (g->values[n / 2 - 1] + g->values[n / 2]) / 2;
}

static void take_record(const pp__csv_plan *p, int file, const pp__csv_record *record, gap *gaps,
                        uint64_t *random)
{
    for (int i = 0; i < record->n_cells && i < p->files[file].n_cells; i++) {
        int k = p->files[file].map[i];
        if (k < 0 || gaps[k].values == NULL || pp__csv_plan_is_missing(p, k, record->cells[i]))
            continue;
        double value = pp__csv_cell_value(&p->columns[k], record->cells[i]);
        if (isfinite(value)) take(&gaps[k], value, random);
    }
}

static pp_status read_file(const pp__csv_plan *p, int file, gap *gaps, pp_error *err)
{
    pp__csv *csv;
    pp__csv_record record;
    uint64_t random = 1;
    pp_status status = pp__csv_plan_open(p, file, &csv, err);
    if (status != PP_OK) return status;
    status = pp__csv_next(csv, &record, err);
    while (status == PP_OK && record.n_cells > 0) {
        take_record(p, file, &record, gaps, &random);
        status = pp__csv_next(csv, &record, err);
    }
    pp__csv_close(csv);
    return status;
}

static pp_status learn(pp__csv_plan *p, gap *gaps, pp_error *err)
{
    int any = 0;
    pp_status status = PP_OK;
    for (int i = 0; i < p->n_columns; i++) {
        const pp__csv_column *c = &p->columns[i];
        if (c->role != PP__FEATURE || c->kind == PP__CATEGORY || c->gaps == 0) continue;
        gaps[i].values = PP_ARENA_NEW(p->arena, double, SAMPLE);
        if (gaps[i].values == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
        any = 1;
    }
    for (int i = 0; any && i < p->n_files && status == PP_OK; i++)
        status = read_file(p, i, gaps, err);
    for (int i = 0; i < p->n_columns; i++) {
        if (gaps[i].values == NULL) continue;
        int mean = p->options->fill_by == PP_CSV_MEAN && gaps[i].count > 0;
        p->columns[i].fill = mean ? gaps[i].sum / (double)gaps[i].count : median(&gaps[i]);
    }
    return status;
}

pp_status pp__csv_fill(pp__csv_plan *p, pp_error *err)
{
    const pp_csv_options *o = p->options;
    if (o->policy != PP_CSV_FILL) return PP_OK;
    for (int i = 0; i < p->n_columns; i++) {
        pp__csv_column *c = &p->columns[i];
        c->fill = (double)o->fill;
        if (o->fills != NULL && c->x >= 0) c->fill = o->fills[c->x];
    }
    if (o->fill_by == PP_CSV_NUMBER || o->fills != NULL) return PP_OK;
    gap *gaps = PP_ARENA_NEW(p->arena, gap, p->n_columns);
    return gaps != NULL ? learn(p, gaps, err) : pp_fail(err, PP_E_MEMORY, "out of memory");
}
