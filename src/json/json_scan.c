/* A strict check of JSON text, in front of cJSON, which forgives too much: it takes leading zeros,
 * raw control characters, broken UTF-8 and text after the value, and cuts strings at \u0000. */
#include "json_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 63 }; /* cJSON copies numbers into a buffer of 64 */

typedef struct scanner {
    const char *text, *at;
    int depth;
    pp_error *err;
} scanner;

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Well-formed sequences, table 3-7 of the Unicode standard. */
size_t pp__utf8_length(const char *text)
{
    const unsigned char a = (unsigned char)text[0], b = a >= 0xC2 ? (unsigned char)text[1] : 0;
    if (a < 0x80) return 1;
    if (a < 0xC2 || a > 0xF4 || !is_continuation((char)b)) return 0;
    if (a < 0xE0) return 2;
    if ((a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F)) return 0;
    if ((a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F)) return 0;
    if (!is_continuation(text[2])) return 0;
    if (a < 0xF0) return 3;
    return is_continuation(text[3]) ? 4 : 0;
}

static pp_status refuse(const scanner *s, const char *where, const char *why)
{
    int line = 1, column = 1;
    for (const char *c = s->text; c < where; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (!is_continuation(*c)) {
            column++;
        }
    }
    return pp_fail(s->err, PP_E_JOB, "line %d, column %d: %s", line, column, why);
}

static void skip_space(scanner *s)
{
    s->at += strspn(s->at, " \t\r\n");
}

/* After "\u": four hex digits into *unit. */
static int scan_unit(scanner *s, unsigned long *unit)
{
    char digits[5] = "";
    for (int i = 0; i < 4; i++) {
        if (!is_hex(s->at[i])) return 0;
        digits[i] = s->at[i];
    }
    s->at += 4;
    *unit = strtoul(digits, NULL, 16);
    return 1;
}

static pp_status scan_escape(scanner *s)
{
    const char *start = s->at++;
    if (*s->at != '\0' && strchr("\"\\/bfnrt", *s->at) != NULL) {
        s->at++;
        return PP_OK;
    }
    unsigned long unit = 0, low = 0;
    if (*s->at++ != 'u' || !scan_unit(s, &unit)) return refuse(s, start, "no such escape in JSON");
    if (unit == 0) return refuse(s, start, "\\u0000 is not supported in strings");
    if (unit < 0xD800 || unit > 0xDFFF) return PP_OK;
    const int pair = unit < 0xDC00 && s->at[0] == '\\' && s->at[1] == 'u';
    if (pair) s->at += 2;
    if (!pair || !scan_unit(s, &low) || low < 0xDC00 || low > 0xDFFF)
        return refuse(s, start, "half of a surrogate pair");
    return PP_OK;
}

static pp_status scan_string(scanner *s)
{
    const char *start = s->at++;
    while (*s->at != '"') {
        const unsigned char c = (unsigned char)*s->at;
        if (c == '\0') return refuse(s, start, "the string that starts here has no end");
        if (c < 0x20)
            return refuse(s, s->at, "a raw control character in a string; use \\n, \\t, ...");
        if (c == '\\') {
            pp_status status = scan_escape(s);
            if (status != PP_OK) return status;
            continue;
        }
        size_t length = pp__utf8_length(s->at);
        if (length == 0) return refuse(s, s->at, "invalid UTF-8");
        s->at += length;
    }
    s->at++;
    return PP_OK;
}

static int skip_digits(scanner *s)
{
    const char *start = s->at;
    while (is_digit(*s->at))
        s->at++;
    return s->at > start;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static int scan_number_grammar(scanner *s)
{
    if (*s->at == '-') s->at++;
    if (*s->at == '0')
        s->at++;
    else if (!skip_digits(s))
        return 0;
    if (is_digit(*s->at)) return 0;
    if (*s->at == '.') {
        s->at++;
        if (!skip_digits(s)) return 0;
    }
    if (*s->at != 'e' && *s->at != 'E') return 1;
    s->at++;
    if (*s->at == '+' || *s->at == '-') s->at++;
    return skip_digits(s);
}

static pp_status scan_number(scanner *s)
{
    const char *start = s->at;
    if (!scan_number_grammar(s)) return refuse(s, start, "not a number as JSON writes it");
    if (s->at - start > LONGEST_NUMBER) return refuse(s, start, "a number of over 63 characters");
    if (!isfinite(strtod(start, NULL)))
        return refuse(s, start, "the number is too large for a double");
    return PP_OK;
}

static pp_status scan_word(scanner *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (strncmp(s->at, words[i], length) != 0) continue;
        s->at += length;
        return PP_OK;
    }
    if (*s->at == '\0') return refuse(s, s->at, "the text ends where a value should be");
    if (s->at[0] == '/' && (s->at[1] == '/' || s->at[1] == '*'))
        return refuse(s, s->at, "JSON has no comments");
    return refuse(s, s->at, "expected a value");
}

static pp_status scan_value(scanner *s);

static pp_status scan_member(scanner *s, char close)
{
    skip_space(s);
    if (close == '}') {
        if (*s->at != '"') return refuse(s, s->at, "expected a key in double quotes");
        pp_status status = scan_string(s);
        if (status != PP_OK) return status;
        skip_space(s);
        if (*s->at != ':') return refuse(s, s->at, "expected ':' after the key");
        s->at++;
    }
    return scan_value(s);
}

static pp_status scan_container(scanner *s)
{
    const char *start = s->at;
    const char close = *s->at++ == '{' ? '}' : ']';
    if (++s->depth > PP__JSON_DEPTH) return refuse(s, start, "nested deeper than 64 levels");
    skip_space(s);
    for (int first = 1; *s->at != close; first = 0) {
        if (!first && *s->at++ != ',')
            return refuse(s, s->at - 1,
                          close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        pp_status status = scan_member(s, close);
        if (status != PP_OK) return status;
        skip_space(s);
    }
    s->at++;
    s->depth--;
    return PP_OK;
}

static pp_status scan_value(scanner *s)
{
    skip_space(s);
    if (*s->at == '{' || *s->at == '[') return scan_container(s);
    if (*s->at == '"') return scan_string(s);
    if (*s->at == '-' || is_digit(*s->at)) return scan_number(s);
    return scan_word(s);
}

pp_status pp__json_scan(const char *text, pp_error *err)
{
    scanner s = {.text = text, .at = text, .err = err};
    pp_status status = scan_value(&s);
    if (status != PP_OK) return status;
    skip_space(&s);
    if (*s.at != '\0') return refuse(&s, s.at, "text after the end of the value");
    return PP_OK;
}
