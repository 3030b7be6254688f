/* Shared by the files of src/json. A pp_json is a cJSON node under another name, so that cJSON.h
 * shows in this folder only. */
#ifndef PITPROP_JSON_INTERNAL_H
#define PITPROP_JSON_INTERNAL_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "pitprop/json.h"

enum { PP__JSON_DEPTH = 64 };

/* Checks the grammar of RFC 8259 and our limits; "line L, column C: ..." on failure. Columns count
 * characters, from 1. */
pp_status pp__json_scan(const char *text, pp_error *err);

/* Length in bytes of the valid UTF-8 character at text, 0 if it is none. */
size_t pp__utf8_length(const char *text);

static inline cJSON *pp__node(const pp_json *value)
{
    return (cJSON *)value;
}

static inline pp_json *pp__value(cJSON *node)
{
    return (pp_json *)node;
}

#endif
