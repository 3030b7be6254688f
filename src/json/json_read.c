/* The tree: parsing (scan, cJSON, then duplicates) and looking things up. */
#include "json_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pitprop/check.h"

enum { PATH_SIZE = 256 };

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A key that the object has twice into *twice, NULL if there is none. */
static pp_status find_duplicate(const cJSON *object, const char **twice, pp_error *err)
{
    *twice = NULL;
    const size_t count = (size_t)cJSON_GetArraySize(object);
    if (count < 2) return PP_OK;
    const char **keys = malloc(count * sizeof *keys);
    if (keys == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    size_t n = 0;
    for (const cJSON *child = object->child; child != NULL; child = child->next)
        keys[n++] = child->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0) *twice = keys[i];
    free(keys);
    return PP_OK;
}

static size_t append_step(char *path, size_t length, const cJSON *child, int index)
{
    int used = child->string == NULL ? snprintf(path + length, PATH_SIZE - length, "[%d]", index)
                                     : snprintf(path + length, PATH_SIZE - length, "%s%s",
                                                length ? "." : "", child->string);
    size_t next = length + (used > 0 ? (size_t)used : 0);
    return next < PATH_SIZE ? next : PATH_SIZE - 1;
}

/* path [PATH_SIZE] holds the path of node in its first `length` bytes. */
static pp_status check_duplicates(const cJSON *node, char *path, size_t length, pp_error *err)
{
    if (cJSON_IsObject(node)) {
        const char *twice = NULL;
        pp_status status = find_duplicate(node, &twice, err);
        if (status != PP_OK) return status;
        path[length] = '\0';
        if (twice != NULL)
            return pp_fail(err, PP_E_JOB, "%s%s%s: the key is given twice", path, length ? "." : "",
                           twice);
    }
    int index = 0;
    for (const cJSON *child = node->child; child != NULL; child = child->next, index++) {
        if (child->child == NULL) continue;
        size_t next = append_step(path, length, child, index);
        pp_status status = check_duplicates(child, path, next, err);
        if (status != PP_OK) return status;
    }
    return PP_OK;
}

static pp_status read_tree(const char *text, cJSON **root, pp_error *err)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    if (strncmp(text, byte_order_mark, 3) == 0) text += 3;
    pp_status status = pp__json_scan(text, err);
    if (status != PP_OK) return status;
    cJSON *tree = cJSON_Parse(text);
    if (tree == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    char path[PATH_SIZE] = "";
    status = check_duplicates(tree, path, 0, err);
    if (status == PP_OK)
        *root = tree;
    else
        cJSON_Delete(tree);
    return status;
}

pp_status pp_json_parse(const char *text, const char *origin, pp_json **root, pp_error *err)
{
    cJSON *tree = NULL;
    pp_status status = read_tree(text, &tree, err);
    if (status != PP_OK) return pp_fail_within(err, status, "%s", origin);
    *root = pp__value(tree);
    return PP_OK;
}

void pp_json_destroy(pp_json *root)
{
    cJSON_Delete(pp__node(root));
}

pp_json *pp_json_copy(const pp_json *value)
{
    return pp__value(cJSON_Duplicate(pp__node(value), 1));
}

pp_json_type pp_json_type_of(const pp_json *value)
{
    switch (pp__node(value)->type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return PP_JSON_BOOL;
    case cJSON_Number:
        return PP_JSON_NUMBER;
    case cJSON_String:
        return PP_JSON_STRING;
    case cJSON_Array:
        return PP_JSON_ARRAY;
    case cJSON_Object:
        return PP_JSON_OBJECT;
    default:
        return PP_JSON_NULL;
    }
}

const char *pp_json_type_name(pp_json_type type)
{
    static const char *const names[] = {
        [PP_JSON_NULL] = "null",       [PP_JSON_BOOL] = "true or false",
        [PP_JSON_NUMBER] = "a number", [PP_JSON_STRING] = "a string",
        [PP_JSON_ARRAY] = "an array",  [PP_JSON_OBJECT] = "an object",
    };
    PP_CHECK((unsigned)type < sizeof names / sizeof *names);
    return names[type];
}

const pp_json *pp_json_get(const pp_json *object, const char *key)
{
    if (object == NULL || pp_json_type_of(object) != PP_JSON_OBJECT) return NULL;
    return pp__value(cJSON_GetObjectItemCaseSensitive(pp__node(object), key));
}

int64_t pp_json_count(const pp_json *container)
{
    return cJSON_GetArraySize(pp__node(container));
}

const pp_json *pp_json_at(const pp_json *container, int64_t index)
{
    if (index < 0 || index >= pp_json_count(container)) return NULL;
    return pp__value(cJSON_GetArrayItem(pp__node(container), (int)index));
}

const char *pp_json_key(const pp_json *member)
{
    return pp__node(member)->string;
}

int pp_json_bool(const pp_json *value)
{
    PP_CHECK(pp_json_type_of(value) == PP_JSON_BOOL);
    return cJSON_IsTrue(pp__node(value)) != 0;
}

double pp_json_number(const pp_json *value)
{
    PP_CHECK(pp_json_type_of(value) == PP_JSON_NUMBER);
    return pp__node(value)->valuedouble;
}

const char *pp_json_string(const pp_json *value)
{
    PP_CHECK(pp_json_type_of(value) == PP_JSON_STRING);
    return pp__node(value)->valuestring;
}

int pp_json_integer(const pp_json *value, int64_t *integer)
{
    const double limit = 9007199254740992.0; /* 2^53 */
    if (pp_json_type_of(value) != PP_JSON_NUMBER) return 0;
    double number = pp_json_number(value);
    if (!(fabs(number) <= limit) || number != floor(number)) return 0;
    *integer = (int64_t)number;
    return 1;
}
