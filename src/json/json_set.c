/* Setting a value by path: "model.layers[0].units". */
#include "json_internal.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 128 };

/* One step of a path: a key, or an index where key is empty. */
typedef struct step {
    char key[KEY_SIZE];
    int index;
} step;

/* The steps of a path, at most PP__JSON_DEPTH; `ends` are the lengths of the path up to each step.
 */
typedef struct steps {
    step step[PP__JSON_DEPTH];
    int ends[PP__JSON_DEPTH];
    int count;
} steps;

static const char *read_key(const char *at, step *s)
{
    size_t length = strcspn(at, ".[]");
    if (length == 0 || length >= KEY_SIZE) return NULL;
    memcpy(s->key, at, length);
    s->key[length] = '\0';
    return at + length;
}

static const char *read_index(const char *at, step *s)
{
    char *end = NULL;
    if (at[1] < '0' || at[1] > '9') return NULL;
    long index = strtol(at + 1, &end, 10);
    if (*end != ']' || index > 1000000) return NULL;
    s->key[0] = '\0';
    s->index = (int)index;
    return end + 1;
}

static pp_status split(const char *path, steps *list, pp_error *err)
{
    list->count = 0;
    const char *at = path;
    do {
        if (list->count == PP__JSON_DEPTH)
            return pp_fail(err, PP_E_ARG, "%s: more than 64 steps in the path", path);
        step *s = &list->step[list->count];
        if (*at == '[' && list->count > 0)
            at = read_index(at, s);
        else
            at = read_key(list->count > 0 && *at == '.' ? at + 1 : at, s);
        if (at == NULL || (*at != '\0' && *at != '.' && *at != '['))
            return pp_fail(err, PP_E_ARG, "'%s' is not a path such as model.layers[0].units", path);
        list->ends[list->count++] = (int)(at - path);
    } while (*at != '\0');
    return PP_OK;
}

/* The member that step i names, NULL if it would have to be made; an error if it cannot be. */
static pp_status descend(cJSON *at, const char *path, const steps *list, int i, cJSON **member,
                         pp_error *err)
{
    const step *s = &list->step[i];
    const int parent = i > 0 ? list->ends[i - 1] : 0;
    const char *found = pp_json_type_name(pp_json_type_of(pp__value(at)));
    if (s->key[0] != '\0') {
        if (!cJSON_IsObject(at))
            return pp_fail(err, PP_E_ARG, "%s: %.*s is %s and has no key '%s'", path, parent, path,
                           found, s->key);
        *member = cJSON_GetObjectItemCaseSensitive(at, s->key);
        return PP_OK;
    }
    if (!cJSON_IsArray(at))
        return pp_fail(err, PP_E_ARG, "%s: %.*s is %s, not a list", path, parent, path, found);
    const int size = cJSON_GetArraySize(at);
    if (s->index > size)
        return pp_fail(err, PP_E_ARG, "%s: %.*s has %d elements, so [%d] cannot be set", path,
                       parent, path, size, s->index);
    *member = cJSON_GetArrayItem(at, s->index);
    return PP_OK;
}

/* Adds or replaces what step s names in `parent`. Takes value on success. */
static int attach(cJSON *parent, const step *s, cJSON *member, cJSON *value)
{
    if (s->key[0] == '\0') {
        if (member != NULL) return cJSON_ReplaceItemInArray(parent, s->index, value);
        return cJSON_AddItemToArray(parent, value);
    }
    if (member != NULL) return cJSON_ReplaceItemInObjectCaseSensitive(parent, s->key, value);
    return cJSON_AddItemToObject(parent, s->key, value);
}

/* Wraps value in the containers that steps [first, count) ask for. Takes value; NULL: no memory. */
static cJSON *wrap(const steps *list, int first, cJSON *value)
{
    for (int i = list->count - 1; i >= first && value != NULL; i--) {
        const step *s = &list->step[i];
        cJSON *container = s->key[0] != '\0' ? cJSON_CreateObject() : cJSON_CreateArray();
        if (container == NULL || !attach(container, s, NULL, value)) {
            cJSON_Delete(container);
            cJSON_Delete(value);
            return NULL;
        }
        value = container;
    }
    return value;
}

/* JSON where it is JSON, else a bare string. */
static pp_status read_value(const char *path, const char *text, cJSON **value, pp_error *err)
{
    if (pp__json_scan(text, NULL) == PP_OK) {
        pp_json *root = NULL;
        pp_status status = pp_json_parse(text, path, &root, err);
        *value = pp__node(root);
        return status;
    }
    for (const char *at = text; *at != '\0'; at += pp__utf8_length(at))
        if (pp__utf8_length(at) == 0) return pp_fail(err, PP_E_ARG, "%s: invalid UTF-8", path);
    *value = cJSON_CreateString(text);
    return *value == NULL ? pp_fail(err, PP_E_MEMORY, "%s: out of memory", path) : PP_OK;
}

/* Takes a key out, and leaves it to its default; an element of a list stays. */
static int take_out(cJSON *parent, const step *s, const cJSON *value)
{
    if (!cJSON_IsNull(value) || s->key[0] == '\0') return 0;
    cJSON_DeleteItemFromObjectCaseSensitive(parent, s->key);
    return 1;
}

/* The new list element of an absent list must be its first. */
static pp_status check_new(const char *path, const steps *list, int first, pp_error *err)
{
    for (int i = first; i < list->count; i++)
        if (list->step[i].key[0] == '\0' && list->step[i].index != 0)
            return pp_fail(err, PP_E_ARG, "%s: %.*s has 0 elements, so [%d] cannot be set", path,
                           list->ends[i - 1], path, list->step[i].index);
    return PP_OK;
}

pp_status pp_json_set(pp_json *root, const char *path, const char *value, pp_error *err)
{
    steps list;
    pp_status status = split(path, &list, err);
    if (status != PP_OK) return status;
    cJSON *parent = pp__node(root), *member = NULL;
    int i = 0;
    for (;; i++) {
        status = descend(parent, path, &list, i, &member, err);
        if (status != PP_OK) return status;
        if (member == NULL || i == list.count - 1) break;
        parent = member;
    }
    status = check_new(path, &list, i + 1, err);
    cJSON *fresh = NULL;
    if (status == PP_OK) status = read_value(path, value, &fresh, err);
    if (status != PP_OK) return status;
    if (take_out(parent, &list.step[i], fresh)) {
        cJSON_Delete(fresh);
        return PP_OK;
    }
    fresh = wrap(&list, i + 1, fresh);
    if (fresh != NULL && attach(parent, &list.step[i], member, fresh)) return PP_OK;
    cJSON_Delete(fresh);
    return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
}

const pp_json *pp_json_find(const pp_json *root, const char *path)
{
    steps list;
    if (split(path, &list, NULL) != PP_OK) return NULL;
    for (int i = 0; i < list.count && root != NULL; i++) {
        const step *s = &list.step[i];
        pp_json_type type = pp_json_type_of(root);
        if (s->key[0] != '\0')
            root = type == PP_JSON_OBJECT ? pp_json_get(root, s->key) : NULL;
        else
            root = type == PP_JSON_ARRAY ? pp_json_at(root, s->index) : NULL;
    }
    return root;
}
