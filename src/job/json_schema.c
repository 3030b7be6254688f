/* The table as a JSON Schema, draft 2020-12.
 *
 * A name with one row has its full schema among the properties of the object. What depends on the
 * selector follows as one if-then per value: rows of a name with several, `false` for names that
 * the value does not have, and the names that it requires. */
#include "schema.h"

#include <stdio.h>
#include <string.h>

#include "pitprop/check.h"
#include "job/job.h"

static void put_default(const pp__key *key, pp_json_writer *w)
{
    pp_json *value = NULL;
    if (key->fallback == NULL || key->kind == PP__OBJECT) return;
    if (pp_json_parse(key->fallback, key->name, &value, NULL) != PP_OK) return;
    pp_json_put_value(w, "default", value);
    pp_json_destroy(value);
}

static void put_range(const pp__range *range, pp_json_writer *w)
{
    if (range->has_low)
        pp_json_put_number(w, range->open_low ? "exclusiveMinimum" : "minimum", range->low);
    if (range->has_high)
        pp_json_put_number(w, range->open_high ? "exclusiveMaximum" : "maximum", range->high);
}

static void put_names(const pp__key *key, pp_json_writer *w)
{
    pp_json_begin_array(w, "enum");
    for (int i = 0; i < key->n_names; i++)
        if (key->names[i] != NULL) pp_json_put_string(w, NULL, key->names[i]);
    pp_json_end_array(w);
}

static void put_powers(const pp__key *key, pp_json_writer *w)
{
    PP_CHECK(key->range.has_low && key->range.has_high);
    pp_json_begin_array(w, "enum");
    if (key->may_be_auto) pp_json_put_string(w, NULL, "auto");
    for (int64_t n = 1; n <= (int64_t)key->range.high; n *= 2)
        if (n >= (int64_t)key->range.low) pp_json_put_int(w, NULL, n);
    pp_json_end_array(w);
}

static void put_integer(const pp__key *key, pp_json_writer *w)
{
    pp_json_put_string(w, "type", "integer");
    put_range(&key->range, w);
}

static void put_int(const pp__key *key, pp_json_writer *w)
{
    if (key->power_of_two) {
        put_powers(key, w);
    } else if (key->may_be_auto) {
        pp_json_begin_array(w, "oneOf");
        pp_json_begin_object(w, NULL);
        pp_json_put_string(w, "const", "auto");
        pp_json_end_object(w);
        pp_json_begin_object(w, NULL);
        put_integer(key, w);
        pp_json_end_object(w);
        pp_json_end_array(w);
    } else {
        put_integer(key, w);
    }
}

static void put_string(const pp__key *key, pp_json_writer *w)
{
    if (key->may_be_integer) {
        pp_json_begin_array(w, "type");
        pp_json_put_string(w, NULL, "string");
        pp_json_put_string(w, NULL, "integer");
        pp_json_end_array(w);
    } else {
        pp_json_put_string(w, "type", "string");
    }
    if (key->pattern != NULL) pp_json_put_string(w, "pattern", key->pattern);
}

static void begin_list(const pp__key *key, pp_json_writer *w)
{
    pp_json_put_string(w, "type", "array");
    if (key->at_least > 0) pp_json_put_int(w, "minItems", key->at_least);
    pp_json_begin_object(w, "items");
}

static void put_strings(const pp__key *key, pp_json_writer *w)
{
    pp_json_begin_array(w, "oneOf");
    pp_json_begin_object(w, NULL);
    put_string(key, w);
    pp_json_end_object(w);
    pp_json_begin_object(w, NULL);
    begin_list(key, w);
    put_string(key, w);
    pp_json_end_object(w);
    pp_json_end_object(w);
    pp_json_end_array(w);
}

static void put_pair(const pp__key *key, pp_json_writer *w)
{
    pp_json_begin_array(w, "oneOf");
    if (key->word != NULL) {
        pp_json_begin_object(w, NULL);
        pp_json_put_string(w, "const", key->word);
        pp_json_end_object(w);
    }
    pp_json_begin_object(w, NULL);
    put_integer(key, w);
    pp_json_end_object(w);
    pp_json_begin_object(w, NULL);
    pp_json_put_string(w, "type", "array");
    pp_json_put_int(w, "minItems", 2);
    pp_json_put_int(w, "maxItems", 2);
    pp_json_begin_object(w, "items");
    put_integer(key, w);
    pp_json_end_object(w);
    pp_json_end_object(w);
    pp_json_end_array(w);
}

static void put_numbers(const pp__key *key, pp_json_writer *w)
{
    begin_list(key, w);
    pp_json_put_string(w, "type", "number");
    put_range(&key->range, w);
    pp_json_end_object(w);
}

static void put_list(const pp__key *key, pp_json_writer *w)
{
    char reference[64];
    snprintf(reference, sizeof reference, "#/$defs/%s", key->group->name);
    begin_list(key, w);
    pp_json_put_string(w, "$ref", reference);
    pp_json_end_object(w);
}

static void put_kind(const pp__key *key, pp_json_writer *w)
{
    switch (key->kind) {
    case PP__BOOL:
        pp_json_put_string(w, "type", "boolean");
        break;
    case PP__INT:
        put_int(key, w);
        break;
    case PP__NUMBER:
        pp_json_put_string(w, "type", "number");
        put_range(&key->range, w);
        break;
    case PP__STRING:
        put_string(key, w);
        break;
    case PP__ENUM:
        put_names(key, w);
        break;
    case PP__STRINGS:
        put_strings(key, w);
        break;
    case PP__NUMBERS:
        put_numbers(key, w);
        break;
    case PP__PAIR:
        put_pair(key, w);
        break;
    case PP__OBJECT:
        pp__group_schema(key->group, w);
        break;
    case PP__LIST:
        put_list(key, w);
        break;
    case PP__IGNORED:
        break;
    }
}

static void put_key(const pp__key *key, pp_json_writer *w)
{
    pp_json_begin_object(w, key->name);
    pp_json_put_string(w, "description", key->help);
    put_kind(key, w);
    put_default(key, w);
    pp_json_end_object(w);
}

static int rows_of(const pp__group *group, const char *name)
{
    int count = 0;
    for (int i = 0; i < group->n_keys; i++)
        count += strcmp(group->keys[i].name, name) == 0;
    return count;
}

static int is_first_of_name(const pp__group *group, const pp__key *key)
{
    return pp__key_find(group, key->name, PP__ANY) == key;
}

static void put_properties(const pp__group *group, pp_json_writer *w)
{
    pp_json_begin_object(w, "properties");
    for (int i = 0; i < group->n_keys; i++) {
        const pp__key *key = &group->keys[i];
        if (!is_first_of_name(group, key)) continue;
        if (rows_of(group, key->name) == 1)
            put_key(key, w);
        else
            pp_json_put_bool(w, key->name, 1); /* each value of the selector says what */
    }
    pp_json_end_object(w);
}

/* selected PP__ANY: names that are required always; otherwise those that only this value requires.
 */
static void put_required(const pp__group *group, int selected, pp_json_writer *w)
{
    pp_json_begin_array(w, "required");
    for (int i = 0; i < group->n_keys; i++) {
        const pp__key *key = &group->keys[i];
        if (key->fallback != NULL || key->kind == PP__IGNORED) continue;
        if (selected == PP__ANY ? key->when == 0 : key->when >> selected & 1u)
            pp_json_put_string(w, NULL, key->name);
    }
    pp_json_end_array(w);
}

static void put_if(const pp__key *selector, const char *name, pp_json_writer *w)
{
    pp_json_begin_object(w, "if");
    pp_json_begin_object(w, "properties");
    pp_json_begin_object(w, selector->name);
    pp_json_put_string(w, "const", name);
    pp_json_end_object(w);
    pp_json_end_object(w);
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    /* An absent selector means its default, so that branch holds without it. */
    if (selector->fallback == NULL || strcmp(selector->fallback, quoted) != 0) {
        pp_json_begin_array(w, "required");
        pp_json_put_string(w, NULL, selector->name);
        pp_json_end_array(w);
    }
    pp_json_end_object(w);
}

static void put_then(const pp__group *group, int selected, pp_json_writer *w)
{
    pp_json_begin_object(w, "then");
    pp_json_begin_object(w, "properties");
    for (int i = 0; i < group->n_keys; i++) {
        const pp__key *key = &group->keys[i];
        if (!is_first_of_name(group, key) || key->when == 0) continue;
        const pp__key *row = pp__key_find(group, key->name, selected);
        if (row == NULL)
            pp_json_put_bool(w, key->name, 0);
        else if (rows_of(group, key->name) > 1)
            put_key(row, w);
    }
    pp_json_end_object(w);
    put_required(group, selected, w);
    pp_json_end_object(w);
}

static void put_conditions(const pp__group *group, pp_json_writer *w)
{
    const pp__key *selector = pp__selector(group);
    if (selector == NULL) return;
    pp_json_begin_array(w, "allOf");
    for (int v = 0; v < selector->n_names; v++) {
        if (selector->names[v] == NULL) continue;
        pp_json_begin_object(w, NULL);
        put_if(selector, selector->names[v], w);
        put_then(group, v, w);
        pp_json_end_object(w);
    }
    pp_json_end_array(w);
}

void pp__group_schema(const pp__group *group, pp_json_writer *w)
{
    pp_json_put_string(w, "type", "object");
    put_properties(group, w);
    put_required(group, PP__ANY, w);
    pp_json_put_bool(w, "additionalProperties", 0);
    put_conditions(group, w);
}

void pp_job_schema(pp_json_writer *writer)
{
    pp_json_begin_object(writer, NULL);
    pp_json_put_string(writer, "$schema", "https://json-schema.org/draft/2020-12/schema");
    pp_json_put_string(writer, "title", "Pitprop job");
    pp__group_schema(&pp__job_group, writer);
    pp_json_begin_object(writer, "$defs");
    pp_json_begin_object(writer, pp__layer_group.name);
    pp__group_schema(&pp__layer_group, writer);
    pp_json_end_object(writer);
    pp_json_end_object(writer);
    pp_json_end_object(writer);
}
