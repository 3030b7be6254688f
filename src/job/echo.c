/* A struct back to JSON: every key that applies, in the order of the table. */
#include "schema.h"

#include <string.h>

#include "job/job.h"

static void echo_pair(const pp__key *key, const char *at, pp_json_writer *writer)
{
    int64_t pair[2];
    memcpy(pair, at, sizeof pair);
    if (key->word != NULL && pair[0] == PP_AUTO) {
        pp_json_put_string(writer, key->name, key->word);
    } else if (pair[0] == pair[1]) {
        pp_json_put_int(writer, key->name, pair[0]);
    } else {
        pp_json_begin_array(writer, key->name);
        pp_json_put_int(writer, NULL, pair[0]);
        pp_json_put_int(writer, NULL, pair[1]);
        pp_json_end_array(writer);
    }
}

static void echo_scalar(const pp__key *key, const char *at, pp_json_writer *writer)
{
    int i = 0;
    int64_t n = 0;
    double d = 0;
    const char *text = NULL;
    switch (key->kind) {
    case PP__BOOL:
        memcpy(&i, at, sizeof i);
        pp_json_put_bool(writer, key->name, i);
        break;
    case PP__ENUM:
        memcpy(&i, at, sizeof i);
        pp_json_put_string(writer, key->name, key->names[i]);
        break;
    case PP__INT:
        memcpy(&n, at, sizeof n);
        if (key->may_be_auto && n == PP_AUTO)
            pp_json_put_string(writer, key->name, "auto");
        else
            pp_json_put_int(writer, key->name, n);
        break;
    case PP__NUMBER:
        memcpy(&d, at, sizeof d);
        pp_json_put_number(writer, key->name, d);
        break;
    case PP__PAIR:
        echo_pair(key, at, writer);
        break;
    default:
        memcpy(&text, at, sizeof text);
        pp_json_put_string(writer, key->name, text);
    }
}

static void echo_element(const pp__key *key, const char *list, int i, pp_json_writer *writer)
{
    const char *text = NULL;
    double number = 0;
    switch (key->kind) {
    case PP__STRINGS:
        memcpy(&text, list + (size_t)i * sizeof text, sizeof text);
        pp_json_put_string(writer, NULL, text);
        break;
    case PP__NUMBERS:
        memcpy(&number, list + (size_t)i * sizeof number, sizeof number);
        pp_json_put_number(writer, NULL, number);
        break;
    default:
        pp_json_begin_object(writer, NULL);
        pp__group_echo(key->group, list + (size_t)i * key->group->size, writer);
        pp_json_end_object(writer);
    }
}

static void echo_list(const pp__key *key, const char *base, pp_json_writer *writer)
{
    const char *list = NULL;
    int count = 0;
    memcpy(&list, base + key->offset, sizeof list);
    memcpy(&count, base + key->count, sizeof count);
    pp_json_begin_array(writer, key->name);
    for (int i = 0; i < count; i++)
        echo_element(key, list, i, writer);
    pp_json_end_array(writer);
}

static void echo_key(const pp__key *key, const char *base, pp_json_writer *writer)
{
    switch (key->kind) {
    case PP__IGNORED:
        break;
    case PP__STRINGS:
    case PP__NUMBERS:
    case PP__LIST:
        echo_list(key, base, writer);
        break;
    case PP__OBJECT:
        pp_json_begin_object(writer, key->name);
        pp__group_echo(key->group, base + key->offset, writer);
        pp_json_end_object(writer);
        break;
    default:
        echo_scalar(key, base + key->offset, writer);
    }
}

void pp__group_echo(const pp__group *group, const void *base, pp_json_writer *writer)
{
    const int selected = pp__selected(group, base);
    for (int i = 0; i < group->n_keys; i++)
        if (pp__key_applies(&group->keys[i], selected)) echo_key(&group->keys[i], base, writer);
}
