/* Numbers as people write them: with a decimal point or comma, and the other mark between groups of
 * three digits. Private to src/convert. */
#ifndef PITPROP_CONVERT_CSV_NUMBER_H
#define PITPROP_CONVERT_CSV_NUMBER_H

#include <stddef.h>

typedef enum pp__decimal { PP__POINT, PP__COMMA, PP__DECIMALS } pp__decimal;

typedef struct pp__csv_numeral {
    int reads[PP__DECIMALS]; /* whether it is a number so */
    double value[PP__DECIMALS];
    int digits;    /* of an integer without marks, without its leading zeros; 0: it is none */
    int is_padded; /* an integer without marks that begins with a 0 and goes on */
    int has_marks; /* points or commas */
} pp__csv_numeral;

/* Decimal and finite. 0: a number in neither way. What a double does not hold (1e400, 1e-400) is
 * none. */
int pp__csv_read_number(const char *cell, pp__csv_numeral *number);

/* The text of a number with a point and nothing between groups, as strtod and strtof take it; 0: it
 * is none so. */
int pp__csv_plain_number(const char *cell, pp__decimal decimal, char *text, size_t size);

#endif
