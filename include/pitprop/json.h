/* JSON: a strict reader and a NaN-safe writer.
 *
 * The reader refuses what cJSON lets pass: duplicate keys (case-sensitive), text after the value,
 * numbers that do not fit a double, nesting deeper than 64, invalid UTF-8. Errors name line and
 * column, or the path of the key. cJSON is used here and nowhere else. */
#ifndef PITPROP_JSON_H
#define PITPROP_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "pitprop/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pp_json pp_json; /* a value; children belong to their root */

typedef enum pp_json_type {
    PP_JSON_NULL,
    PP_JSON_BOOL,
    PP_JSON_NUMBER,
    PP_JSON_STRING,
    PP_JSON_ARRAY,
    PP_JSON_OBJECT
} pp_json_type;

/* origin names the text in messages ("jobs/a.json"). The caller destroys *root. */
pp_status pp_json_parse(const char *text, const char *origin, pp_json **root, pp_error *err);
void pp_json_destroy(pp_json *root);
pp_json *pp_json_copy(const pp_json *value); /* NULL when out of memory */

pp_json_type pp_json_type_of(const pp_json *value);
const char *pp_json_type_name(pp_json_type type); /* "a number", "an object", ... */

/* Objects and arrays: members in the order of the text. Borrowed results; NULL when absent. */
const pp_json *pp_json_get(const pp_json *object, const char *key);
int64_t pp_json_count(const pp_json *container);
const pp_json *pp_json_at(const pp_json *container, int64_t index);
const char *pp_json_key(const pp_json *member); /* key of a member of an object */

int pp_json_bool(const pp_json *value);           /* of a BOOL */
double pp_json_number(const pp_json *value);      /* of a NUMBER */
const char *pp_json_string(const pp_json *value); /* of a STRING, borrowed */
/* 1 and the integer if value is a number that is integral and within +-2^53. */
int pp_json_integer(const pp_json *value, int64_t *integer);

/* Sets `path` ("a.b[2].c"; missing objects are made, "[n]" equal to the length appends) to value,
 * which is parsed as JSON and taken as a bare string where it is not JSON; null takes a key out of
 * its object. Used by --set and by
 * patches. */
pp_status pp_json_set(pp_json *root, const char *path, const char *value, pp_error *err);

/* The value at such a path; NULL: there is none. */
const pp_json *pp_json_find(const pp_json *root, const char *path);

/* ---- writer: appends to a growing buffer; sticky failure is reported by pp_json_text ---- */
typedef struct pp_json_writer pp_json_writer;

/* indent 0: one line, for .jsonl; otherwise spaces per level. Short arrays of scalars stay on a
 * line. */
pp_json_writer *pp_json_writer_create(int indent);
void pp_json_writer_destroy(pp_json_writer *writer);

/* key is NULL inside arrays and at the top. */
void pp_json_begin_object(pp_json_writer *writer, const char *key);
void pp_json_end_object(pp_json_writer *writer);
void pp_json_begin_array(pp_json_writer *writer, const char *key);
void pp_json_end_array(pp_json_writer *writer);
void pp_json_put_string(pp_json_writer *writer, const char *key, const char *value);
void pp_json_put_bool(pp_json_writer *writer, const char *key, int value);
void pp_json_put_int(pp_json_writer *writer, const char *key, int64_t value);
void pp_json_put_null(pp_json_writer *writer, const char *key);
/* Shortest text that reads back as the same double; "NaN", "Infinity" and "-Infinity" as strings.
 */
void pp_json_put_number(pp_json_writer *writer, const char *key, double value);
/* An array of strings; nothing where strings is NULL. */
void pp_json_put_strings(pp_json_writer *writer, const char *key, const char *const *strings,
                         int64_t count);
/* A parsed value, copied out. */
void pp_json_put_value(pp_json_writer *writer, const char *key, const pp_json *value);

/* The text so far, borrowed until the writer changes; NULL if memory ran out. */
const char *pp_json_text(const pp_json_writer *writer, size_t *length);
/* Empties the buffer and starts a new value. */
void pp_json_writer_reset(pp_json_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
