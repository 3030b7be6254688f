#include "csv_number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LENGTH = 400 };

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits, with a mark between groups of three: "1.234.567". */
static int is_grouped(const char *text, size_t length, char mark)
{
    size_t first = 0, at;
    while (first < length && is_digit(text[first]))
        first++;
    if (first == 0 || first > 3 || *text == '0' || first == length) return 0;
    for (at = first; at < length; at += 4) {
        if (text[at] != mark || length - at < 4) return 0;
        for (size_t i = 1; i < 4; i++)
            if (!is_digit(text[at + i])) return 0;
    }
    return 1;
}

static size_t count_digits(const char *text)
{
    size_t n = 0;
    while (is_digit(text[n]))
        n++;
    return n;
}

/* The length of an exponent, 0: there is none; -1: it is none. */
static int length_of_exponent(const char *text)
{
    if (*text == '\0') return 0;
    if (*text != 'e' && *text != 'E') return -1;
    size_t sign = text[1] == '+' || text[1] == '-', digits = count_digits(text + 1 + sign);
    return digits > 0 && text[1 + sign + digits] == '\0' ? (int)(1 + sign + digits) : -1;
}

/* cell: behind its sign, [body] digits and marks, then `exponent` bytes. */
static int is_number(const char *cell, size_t body, int exponent, pp__decimal decimal)
{
    char point = decimal == PP__POINT ? '.' : ',', mark = decimal == PP__POINT ? ',' : '.';
    const char *at = memchr(cell, point, body);
    size_t whole = at == NULL ? body : (size_t)(at - cell);
    size_t fraction = at == NULL ? 0 : body - whole - 1;
    if (at != NULL && count_digits(at + 1) != fraction) return 0;
    if (count_digits(cell) == whole) return whole + fraction > 0;
    return exponent == 0 && is_grouped(cell, whole, mark);
}

int pp__csv_plain_number(const char *cell, pp__decimal decimal, char *text, size_t size)
{
    size_t sign = *cell == '-' || *cell == '+', used = 0;
    size_t body = strspn(cell + sign, "0123456789.,"), length = sign + body;
    int exponent = length_of_exponent(cell + length);
    if (exponent < 0 || length + (size_t)exponent >= size) return 0;
    if (!is_number(cell + sign, body, exponent, decimal)) return 0;
    for (size_t i = 0; i < length + (size_t)exponent; i++) {
        char c = cell[i];
        if (c == (decimal == PP__POINT ? ',' : '.')) continue;
        text[used++] = c == ',' ? '.' : c;
    }
    text[used] = '\0';
    return 1;
}

static int has_value(const char *text, double *value)
{
    *value = strtod(text, NULL);
    size_t mantissa = strcspn(text, "eE");
    return isfinite(*value) && (*value != 0 || strcspn(text, "123456789") >= mantissa);
}

static void look_at_integer(const char *digits, pp__csv_numeral *number)
{
    size_t zeros = strspn(digits, "0");
    number->is_padded = zeros > 0 && digits[1] != '\0';
    number->digits = (int)(strlen(digits) - zeros);
    if (number->digits == 0) number->digits = 1; /* 0 */
}

int pp__csv_read_number(const char *cell, pp__csv_numeral *number)
{
    char text[MOST_LENGTH];
    const char *digits = cell + (*cell == '-' || *cell == '+');
    *number = (pp__csv_numeral){.has_marks = strpbrk(cell, ".,") != NULL};
    for (int d = 0; d < PP__DECIMALS; d++) {
        if (d > 0 && !number->has_marks) { /* nearly all cells without marks are the same */
            number->reads[d] = number->reads[0];
            number->value[d] = number->value[0];
        } else if (pp__csv_plain_number(cell, (pp__decimal)d, text, sizeof text)) {
            number->reads[d] = has_value(text, &number->value[d]);
        }
    }
    if (number->reads[0] && digits[strspn(digits, "0123456789")] == '\0')
        look_at_integer(digits, number);
    return number->reads[PP__POINT] || number->reads[PP__COMMA];
}
