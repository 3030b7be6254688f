/* Records of a csv file (RFC 4180, with other separators, \n, \r\n or \r, and blank lines skipped),
 * plain or gzip, one at a time. Private to src/convert. */
#ifndef PITPROP_CONVERT_CSV_H
#define PITPROP_CONVERT_CSV_H

#include <stdint.h>

#include "pitprop/error.h"

typedef struct pp__csv pp__csv;

typedef struct pp__csv_record {
    int64_t line;  /* at which the record begins, from 1 */
    int64_t lines; /* more than 1: a quoted cell holds line breaks */
    int n_cells;
    const char *const *cells; /* [n_cells], blanks around them cut off; until the next read */
} pp__csv_record;

pp_status pp__csv_open(const char *path, char separator, pp__csv **csv, pp_error *err);
void pp__csv_close(pp__csv *csv);

/* record->n_cells 0: the end. */
pp_status pp__csv_next(pp__csv *csv, pp__csv_record *record, pp_error *err);

/* Of the file's bytes, compressed or not, read so far: 0 to 1. */
double pp__csv_share(const pp__csv *csv);

/* Lines of a file, from 1: "1-4,9". */
enum { PP__CSV_RANGES = 64 };
typedef struct pp__csv_lines {
    int n;
    int64_t first[PP__CSV_RANGES], last[PP__CSV_RANGES];
} pp__csv_lines;
/* text NULL: none. */
pp_status pp__csv_parse_lines(const char *text, pp__csv_lines *lines, pp_error *err);
/* From now on these lines are passed over, whatever they hold; borrowed. */
void pp__csv_skip(pp__csv *csv, const pp__csv_lines *lines);

/* The one of , ; | and tab that the first line behind those to skip (NULL: none) holds most of; an
 * error if it holds none. */
pp_status pp__csv_guess_separator(const char *path, const pp__csv_lines *skip, char *separator,
                                  pp_error *err);

/* ---- what a cell holds ---- */
enum { PP__CSV_SHOWN = 40 };
int pp__csv_is_missing(const char *cell); /* empty, NA, nan, null, ? */
/* 1 and its value: decimal and finite (strtod alone would take "0x1p3", "inf" and "nan" too). */
int pp__csv_number(const char *cell, double *value);
int pp__csv_is_utf8(const char *text);
/* A cell for a message: on one line and of bounded length. */
void pp__csv_show(const char *cell, char shown[PP__CSV_SHOWN + 1]);
int pp__csv_is_header(const pp__csv_record *first); /* none of its cells is a number */

/* ---- parts of a file, for files that have a row a line ---- */
typedef struct pp__csv_place {
    int64_t offset, line; /* of the next record, lines from 1 */
} pp__csv_place;

typedef struct pp__csv_part {
    int64_t offset;      /* of the first line that begins in the part */
    int64_t lines, rows; /* that begin there; rows: lines that are not blank */
} pp__csv_part;

int pp__csv_is_gzip(const pp__csv *csv);
pp__csv_place pp__csv_tell(const pp__csv *csv);
/* Cheap where the file is not compressed. */
pp_status pp__csv_seek(pp__csv *csv, const pp__csv_place *place, pp_error *err);
/* From now on a quoted cell that holds a line break is an error. */
void pp__csv_want_lines(pp__csv *csv);
/* Looks through bytes [begin, end); data: the byte where the first line begins, behind a byte order
 * mark. */
pp_status pp__csv_count(pp__csv *csv, int64_t data, int64_t begin, int64_t end, pp__csv_part *part,
                        pp_error *err);

#endif
