/* The writer: text is laid out as it grows. Lists of scalars are laid out one element a line, like
 * all else, and folded onto one line when they close and are short. */
#include "json_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

enum { MAX_LEVELS = 256, FOLDED_LENGTH = 80 };

typedef struct level {
    size_t start;  /* of the bracket in the buffer */
    int members;   /* written so far */
    int is_object; /* else an array */
    int is_flat;   /* no container in it */
} level;

struct pp_json_writer {
    char *text; /* [capacity], NUL-terminated */
    size_t length, capacity;
    int indent, failed;
    int depth; /* levels open */
    level levels[MAX_LEVELS];
};

pp_json_writer *pp_json_writer_create(int indent)
{
    pp_json_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) return NULL;
    writer->indent = indent > 0 ? indent : 0;
    pp_json_writer_reset(writer);
    return writer;
}

void pp_json_writer_destroy(pp_json_writer *writer)
{
    if (writer == NULL) return;
    free(writer->text);
    free(writer);
}

static int reserve(pp_json_writer *writer, size_t more)
{
    size_t wanted = writer->length + more + 1;
    if (writer->failed || wanted <= writer->capacity) return !writer->failed;
    size_t capacity = writer->capacity < 256 ? 256 : writer->capacity;
    while (capacity < wanted)
        capacity *= 2;
    char *text = realloc(writer->text, capacity);
    if (text == NULL) {
        writer->failed = 1;
        return 0;
    }
    writer->text = text;
    writer->capacity = capacity;
    return 1;
}

static void append(pp_json_writer *writer, const char *bytes, size_t count)
{
    if (!reserve(writer, count)) return;
    memcpy(writer->text + writer->length, bytes, count);
    writer->length += count;
    writer->text[writer->length] = '\0';
}

static void append_text(pp_json_writer *writer, const char *text)
{
    append(writer, text, strlen(text));
}

static void new_line(pp_json_writer *writer)
{
    append(writer, "\n", 1);
    for (int i = 0; i < writer->depth * writer->indent; i++)
        append(writer, " ", 1);
}

static void append_escaped(pp_json_writer *writer, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    char code[8];
    const char *known = strchr(plain, c);
    if (known != NULL)
        snprintf(code, sizeof code, "\\%c", letters[known - plain]);
    else
        snprintf(code, sizeof code, "\\u%04x", c);
    append_text(writer, code);
}

/* Bytes that are no UTF-8 become U+FFFD, so that what is written can always be read. */
static void append_quoted(pp_json_writer *writer, const char *text)
{
    append(writer, "\"", 1);
    while (*text != '\0') {
        const unsigned char c = (unsigned char)*text;
        const size_t length = pp__utf8_length(text);
        if (c < 0x20 || c == '"' || c == '\\')
            append_escaped(writer, c);
        else if (length == 0)
            append_text(writer, "\xEF\xBF\xBD");
        else
            append(writer, text, length);
        text += length > 0 ? length : 1;
    }
    append(writer, "\"", 1);
}

/* What stands in front of a value: comma, layout, key. */
static void begin_value(pp_json_writer *writer, const char *key)
{
    if (writer->depth == 0) {
        PP_CHECK(key == NULL && (writer->length == 0 || writer->failed));
        return;
    }
    level *inner = &writer->levels[writer->depth - 1];
    PP_CHECK(inner->is_object == (key != NULL));
    if (inner->members++ > 0) append_text(writer, writer->indent ? "," : ", ");
    if (writer->indent) new_line(writer);
    if (key == NULL) return;
    append_quoted(writer, key);
    append_text(writer, ": ");
}

static void begin(pp_json_writer *writer, const char *key, int is_object)
{
    begin_value(writer, key);
    PP_CHECK(writer->depth < MAX_LEVELS);
    if (writer->depth > 0) writer->levels[writer->depth - 1].is_flat = 0;
    writer->levels[writer->depth++] =
        (level){.start = writer->length, .is_object = is_object, .is_flat = 1};
    append_text(writer, is_object ? "{" : "[");
}

/* Length of the layout (a newline and its spaces) at text[at], 0 if there is none. Newlines within
 * strings are escaped, so every raw one is layout. */
static size_t layout_length(const char *text, size_t at)
{
    return text[at] == '\n' ? 1 + strspn(text + at + 1, " ") : 0;
}

/* Copies text [length] without its layout (one space after a comma) to `to`, unless that is NULL;
 * `to` may be text itself. Returns the length of the copy. */
static size_t copy_folded(char *text, size_t length, char *to)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        const size_t skip = layout_length(text, at);
        const char next = skip == 0 ? text[at] : ' ';
        const int keep = skip == 0 || text[at - 1] == ',';
        at += skip == 0 ? 1 : skip;
        if (keep && to != NULL) to[used] = next;
        used += (size_t)keep;
    }
    return used;
}

/* Puts the flat array that starts at `start` on one line if it is short enough there. */
static void fold(pp_json_writer *writer, size_t start)
{
    if (writer->failed) return;
    char *text = writer->text + start;
    const size_t length = writer->length - start;
    if (copy_folded(text, length, NULL) > FOLDED_LENGTH) return;
    writer->length = start + copy_folded(text, length, text);
    writer->text[writer->length] = '\0';
}

static void end(pp_json_writer *writer, int is_object)
{
    PP_CHECK(writer->depth > 0 && writer->levels[writer->depth - 1].is_object == is_object);
    const level closed = writer->levels[--writer->depth];
    if (writer->indent && closed.members > 0) new_line(writer);
    append_text(writer, is_object ? "}" : "]");
    if (writer->indent && !is_object && closed.is_flat) fold(writer, closed.start);
}

void pp_json_begin_object(pp_json_writer *writer, const char *key)
{
    begin(writer, key, 1);
}

void pp_json_end_object(pp_json_writer *writer)
{
    end(writer, 1);
}

void pp_json_begin_array(pp_json_writer *writer, const char *key)
{
    begin(writer, key, 0);
}

void pp_json_end_array(pp_json_writer *writer)
{
    end(writer, 0);
}

void pp_json_put_string(pp_json_writer *writer, const char *key, const char *value)
{
    begin_value(writer, key);
    append_quoted(writer, value);
}

static void put_raw(pp_json_writer *writer, const char *key, const char *text)
{
    begin_value(writer, key);
    append_text(writer, text);
}

void pp_json_put_strings(pp_json_writer *writer, const char *key, const char *const *strings,
                         int64_t count)
{
    if (strings == NULL) return;
    pp_json_begin_array(writer, key);
    for (int64_t i = 0; i < count; i++)
        pp_json_put_string(writer, NULL, strings[i]);
    pp_json_end_array(writer);
}

void pp_json_put_bool(pp_json_writer *writer, const char *key, int value)
{
    put_raw(writer, key, value ? "true" : "false");
}

void pp_json_put_int(pp_json_writer *writer, const char *key, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    put_raw(writer, key, digits);
}

void pp_json_put_null(pp_json_writer *writer, const char *key)
{
    put_raw(writer, key, "null");
}

/* 15 digits print every decimal of up to 15 digits as it was (%g drops zeros at the end), except
 * among subnormal numbers, which hold fewer. */
static void shortest(double value, char *digits, size_t size)
{
    const int fewest = fabs(value) < 1e-300 ? 1 : 15;
    for (int precision = fewest; precision <= 17; precision++) {
        snprintf(digits, size, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) return;
    }
}

void pp_json_put_number(pp_json_writer *writer, const char *key, double value)
{
    char digits[40];
    if (isnan(value)) {
        put_raw(writer, key, "\"NaN\"");
    } else if (isinf(value)) {
        put_raw(writer, key, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        shortest(value, digits, sizeof digits);
        put_raw(writer, key, digits);
    }
}

static void put_members(pp_json_writer *writer, const cJSON *container)
{
    for (const cJSON *child = container->child; child != NULL; child = child->next)
        pp_json_put_value(writer, child->string, (const pp_json *)child);
}

void pp_json_put_value(pp_json_writer *writer, const char *key, const pp_json *value)
{
    switch (pp_json_type_of(value)) {
    case PP_JSON_NULL:
        pp_json_put_null(writer, key);
        break;
    case PP_JSON_BOOL:
        pp_json_put_bool(writer, key, pp_json_bool(value));
        break;
    case PP_JSON_NUMBER:
        pp_json_put_number(writer, key, pp_json_number(value));
        break;
    case PP_JSON_STRING:
        pp_json_put_string(writer, key, pp_json_string(value));
        break;
    case PP_JSON_ARRAY:
        pp_json_begin_array(writer, key);
        put_members(writer, pp__node(value));
        pp_json_end_array(writer);
        break;
    case PP_JSON_OBJECT:
        pp_json_begin_object(writer, key);
        put_members(writer, pp__node(value));
        pp_json_end_object(writer);
        break;
    }
}

const char *pp_json_text(const pp_json_writer *writer, size_t *length)
{
    if (writer->failed) return NULL;
    if (length != NULL) *length = writer->length;
    return writer->text;
}

void pp_json_writer_reset(pp_json_writer *writer)
{
    writer->length = 0;
    writer->depth = 0;
    writer->failed = 0;
    if (reserve(writer, 0)) writer->text[0] = '\0';
}
