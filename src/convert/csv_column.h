/* One column of a csv file: what its cells are, seen one by one, and what is made of them. Private
 * to src/convert. */
#ifndef PITPROP_CONVERT_CSV_COLUMN_H
#define PITPROP_CONVERT_CSV_COLUMN_H

#include <stdint.h>

#include "csv.h"
#include "csv_number.h"

typedef struct pp__csv_spot { /* of a cell, for messages; line 0: there is none */
    const char *path;
    int64_t line;
    char shown[PP__CSV_SHOWN + 1];
} pp__csv_spot;

typedef enum pp__csv_kind { PP__NUMBER, PP__DATE, PP__CATEGORY } pp__csv_kind;

typedef struct pp__csv_name { /* of a category */
    char *name;
    int64_t rows;
    int x; /* column of x that is 1 where it stands */
} pp__csv_name;

typedef enum pp__csv_role { PP__FEATURE, PP__TARGET, PP__LEFT_OUT } pp__csv_role;

/* Numbers that people write for a missing one. */
enum { PP__CSV_MARKS = 14 };

/* Of the cells as numbers with one kind of decimal mark. */
typedef struct pp__csv_values {
    double min, max;
    double plain_min, plain_max; /* of those that are no mark for a missing value */
    int is_whole;                /* all of them */
    pp__csv_spot wide;           /* the first that a float32 does not hold: range, or an integer */
    struct {
        int64_t count;
        pp__csv_spot first;
    } marks[PP__CSV_MARKS];
} pp__csv_values;

typedef struct pp__csv_column {
    char *name; /* NULL: the file has no header */
    pp__csv_role role;
    int is_kept;         /* what looks odd about it is meant so */
    int64_t cells, gaps; /* with a value, without one */
    int64_t texts;       /* cells that are no numbers */
    int64_t bare;        /* numbers without points and commas */
    pp__csv_spot first, text, only[PP__DECIMALS], either, padded, long_digits;
    pp__csv_values values[PP__DECIMALS];
    pp__decimal decimal; /* settled after the first pass */
    int is_date;         /* all are whole numbers such as 20230705 */
    int is_counter;      /* each whole number is the one before and 1 */
    int repeats;         /* among the first cells one occurs again, or is not whole */
    int64_t looked;      /* cells that were compared for that */
    double last;         /* NaN: was no integer without marks */

    pp__csv_kind kind; /* settled after the first pass */
    int is_category;   /* said to be one, or known as one */
    int64_t dates;     /* cells from the first on that are dates */
    pp__csv_name *names;
    int n_names, too_many_names, has_given_names;
    int64_t unknown; /* cells that are none of the given names */
    pp__csv_spot first_unknown;
    int x, x_flag; /* columns of x; -1: none */
    double fill;   /* stands for a missing value */
} pp__csv_column;

void pp__csv_column_start(pp__csv_column *column);
/* A cell that is not missing. */
void pp__csv_column_add(pp__csv_column *column, const char *path, int64_t line, const char *cell);
/* Whether only one of the marks reads all of its cells. */
int pp__csv_column_tells(const pp__csv_column *column, pp__decimal decimal);
/* Whether a float32 would merge values or lose their size. */
int pp__csv_column_is_wide(const pp__csv_column *column);
/* The mark for a missing value that stands far from all other values; -1: none. */
int pp__csv_column_mark(const pp__csv_column *column);

/* "integers 1 to 99", "numbers -1.5 to 3.25", for people. */
void pp__csv_column_text(const pp__csv_column *column, char *text, size_t size);

#endif
