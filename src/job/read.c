/* Reading a group: JSON object in, struct out, every key checked against its row. */
#include "schema.h"

#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "pitprop/check.h"
#include "job/job.h"

enum { MAX_NAMES = 64 };

static pp_status complain(const pp__reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "PATH: ..." */
static pp_status complain(const pp__reader *r, const char *format, ...)
{
    char text[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (r->path[0] == '\0') return pp_fail(r->err, PP_E_JOB, "%s", text);
    return pp_fail(r->err, PP_E_JOB, "%s: %s", r->path, text);
}

static pp_status no_memory(const pp__reader *r)
{
    return pp_fail(r->err, PP_E_MEMORY, "out of memory");
}

/* Extends the path; returns its old length, which leave() takes. */
static size_t enter_key(pp__reader *r, const char *name)
{
    const size_t length = strlen(r->path);
    snprintf(r->path + length, sizeof r->path - length, "%s%s", length > 0 ? "." : "", name);
    return length;
}

static size_t enter_index(pp__reader *r, int64_t index)
{
    const size_t length = strlen(r->path);
    snprintf(r->path + length, sizeof r->path - length, "[%lld]", (long long)index);
    return length;
}

static void leave(pp__reader *r, size_t length)
{
    r->path[length] = '\0';
}

static const char *found(const pp_json *value)
{
    return pp_json_type_name(pp_json_type_of(value));
}

static void append(char *text, size_t size, const char *separator, const char *more)
{
    const size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%s", length > 0 ? separator : "", more);
}

void pp__range_text(const pp__range *range, char *text, size_t size)
{
    char part[48];
    text[0] = '\0';
    if (range->has_low) {
        snprintf(part, sizeof part, "must be %s %.15g", range->open_low ? ">" : ">=", range->low);
        append(text, size, "", part);
    }
    if (range->has_high) {
        snprintf(part, sizeof part, "%s%s %.15g", range->has_low ? "" : "must be ",
                 range->open_high ? "<" : "<=", range->high);
        append(text, size, " and ", part);
    }
}

static int in_range(const pp__range *range, double number)
{
    if (range->has_low && (number < range->low || (range->open_low && number == range->low)))
        return 0;
    return !range->has_high ||
           (number < range->high || (!range->open_high && number == range->high));
}

static pp_status check_range(const pp__reader *r, const pp__key *key, double number)
{
    char text[128];
    if (in_range(&key->range, number)) return PP_OK;
    pp__range_text(&key->range, text, sizeof text);
    return complain(r, "%s, got %.15g", text, number);
}

/* ---- one function per kind: checks value and stores it at `at`, the struct of the group ---- */

static pp_status read_bool(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    if (pp_json_type_of(value) != PP_JSON_BOOL)
        return complain(r, "must be true or false, got %s", found(value));
    const int b = pp_json_bool(value);
    memcpy(at + key->offset, &b, sizeof b);
    return PP_OK;
}

static pp_status check_int(pp__reader *r, const pp__key *key, const pp_json *value, int64_t *n)
{
    const char *alternative = key->may_be_auto ? " or \"auto\"" : "";
    if (pp_json_type_of(value) != PP_JSON_NUMBER)
        return complain(r, "must be an integer%s, got %s", alternative, found(value));
    if (!pp_json_integer(value, n))
        return complain(r, "must be an integer%s, got %.15g", alternative, pp_json_number(value));
    pp_status status = check_range(r, key, (double)*n);
    if (status != PP_OK) return status;
    if (key->power_of_two && (*n & (*n - 1)) != 0)
        return complain(r, "must be a power of two%s, got %lld", alternative, (long long)*n);
    return PP_OK;
}

static pp_status read_int(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    int64_t n = PP_AUTO;
    const int is_auto = key->may_be_auto && pp_json_type_of(value) == PP_JSON_STRING &&
                        strcmp(pp_json_string(value), "auto") == 0;
    pp_status status = is_auto ? PP_OK : check_int(r, key, value, &n);
    if (status != PP_OK) return status;
    memcpy(at + key->offset, &n, sizeof n);
    return PP_OK;
}

static pp_status check_number(pp__reader *r, const pp__key *key, const pp_json *value, double *n)
{
    if (pp_json_type_of(value) != PP_JSON_NUMBER)
        return complain(r, "must be a number, got %s", found(value));
    *n = pp_json_number(value);
    return check_range(r, key, *n);
}

static pp_status read_number(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    double n = 0;
    pp_status status = check_number(r, key, value, &n);
    if (status != PP_OK) return status;
    memcpy(at + key->offset, &n, sizeof n);
    return PP_OK;
}

static int matches(const char *pattern, const char *text)
{
    regex_t compiled;
    PP_CHECK(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    const int result = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return result;
}

static int is_text_of_integer(const pp__key *key, const pp_json *value)
{
    return key->may_be_integer && pp_json_type_of(value) == PP_JSON_NUMBER &&
           pp_json_number(value) == floor(pp_json_number(value));
}

static pp_status check_string(pp__reader *r, const pp__key *key, const pp_json *value,
                              const char **copy)
{
    if (is_text_of_integer(key, value)) {
        *copy = pp_arena_printf(r->arena, "%.0f", pp_json_number(value));
        return *copy == NULL ? no_memory(r) : PP_OK;
    }
    if (pp_json_type_of(value) != PP_JSON_STRING)
        return complain(r, "must be a string, got %s", found(value));
    const char *text = pp_json_string(value);
    if (key->pattern != NULL && !matches(key->pattern, text))
        return complain(r, "%s, got '%s'", key->pattern_text, text);
    *copy = pp_arena_strdup(r->arena, text);
    return *copy == NULL ? no_memory(r) : PP_OK;
}

static pp_status read_string(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    const char *copy = NULL;
    pp_status status = check_string(r, key, value, &copy);
    if (status != PP_OK) return status;
    memcpy(at + key->offset, &copy, sizeof copy);
    return PP_OK;
}

static void list_names(const char *const *names, int count, char *text, size_t size)
{
    text[0] = '\0';
    for (int i = 0; i < count; i++)
        if (names[i] != NULL) append(text, size, ", ", names[i]);
}

static pp_status refuse_name(pp__reader *r, const pp__key *key, const char *word)
{
    char all[512];
    list_names(key->names, key->n_names, all, sizeof all);
    const char *near = pp_name_nearest(key->names, key->n_names, word);
    if (near == NULL) return complain(r, "must be one of %s; got '%s'", all, word);
    return complain(r, "must be one of %s; got '%s', did you mean '%s'?", all, word, near);
}

static pp_status read_enum(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    char all[512];
    list_names(key->names, key->n_names, all, sizeof all);
    if (pp_json_type_of(value) != PP_JSON_STRING)
        return complain(r, "must be one of the strings %s; got %s", all, found(value));
    const char *word = pp_json_string(value);
    for (int i = 0; i < key->n_names; i++) {
        if (key->names[i] == NULL || strcmp(key->names[i], word) != 0) continue;
        memcpy(at + key->offset, &i, sizeof i);
        return PP_OK;
    }
    return refuse_name(r, key, word);
}

static pp_status check_length(pp__reader *r, const pp__key *key, int64_t count)
{
    if (count >= key->at_least) return PP_OK;
    return complain(r, "must have at least %d element%s, got an empty list", key->at_least,
                    key->at_least == 1 ? "" : "s");
}

static void store_list(const pp__key *key, char *at, const void *list, int64_t count)
{
    const int n = (int)count;
    memcpy(at + key->offset, &list, sizeof list);
    memcpy(at + key->count, &n, sizeof n);
}

static pp_status read_strings(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    const pp_json_type type = pp_json_type_of(value);
    const int is_one = type == PP_JSON_STRING || is_text_of_integer(key, value);
    const int64_t count = is_one ? 1 : pp_json_count(value);
    if (!is_one && type != PP_JSON_ARRAY)
        return complain(r, "must be a string or a list of strings, got %s", found(value));
    pp_status status = check_length(r, key, count);
    if (status != PP_OK) return status;
    const char **list = PP_ARENA_NEW(r->arena, const char *, count);
    if (list == NULL) return no_memory(r);
    for (int64_t i = 0; i < count; i++) {
        const size_t length = is_one ? strlen(r->path) : enter_index(r, i);
        status = check_string(r, key, is_one ? value : pp_json_at(value, i), &list[i]);
        if (status != PP_OK) return status;
        leave(r, length);
    }
    store_list(key, at, list, count);
    return PP_OK;
}

static pp_status check_array(pp__reader *r, const pp__key *key, const pp_json *value,
                             const char *of)
{
    if (pp_json_type_of(value) != PP_JSON_ARRAY)
        return complain(r, "must be a list of %s, got %s", of, found(value));
    return check_length(r, key, pp_json_count(value));
}

static pp_status read_numbers(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    pp_status status = check_array(r, key, value, "numbers");
    if (status != PP_OK) return status;
    const int64_t count = pp_json_count(value);
    double *list = PP_ARENA_NEW(r->arena, double, count);
    if (list == NULL) return no_memory(r);
    for (int64_t i = 0; i < count; i++) {
        const size_t length = enter_index(r, i);
        status = check_number(r, key, pp_json_at(value, i), &list[i]);
        if (status != PP_OK) return status;
        leave(r, length);
    }
    store_list(key, at, list, count);
    return PP_OK;
}

static pp_status read_pair(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    int64_t pair[2] = {PP_AUTO, PP_AUTO};
    const pp_json_type type = pp_json_type_of(value);
    const int is_word = key->word != NULL && type == PP_JSON_STRING &&
                        strcmp(pp_json_string(value), key->word) == 0;
    if (!is_word && type != PP_JSON_NUMBER && (type != PP_JSON_ARRAY || pp_json_count(value) != 2))
        return complain(r, "must be an integer, a list of two%s%s%s; got %s",
                        key->word != NULL ? " or \"" : "", key->word != NULL ? key->word : "",
                        key->word != NULL ? "\"" : "", found(value));
    for (int i = 0; i < 2 && !is_word; i++) {
        const size_t length = type == PP_JSON_ARRAY ? enter_index(r, i) : strlen(r->path);
        pp_status status =
            check_int(r, key, type == PP_JSON_ARRAY ? pp_json_at(value, i) : value, &pair[i]);
        if (status != PP_OK) return status;
        leave(r, length);
    }
    memcpy(at + key->offset, pair, sizeof pair);
    return PP_OK;
}

static pp_status read_object(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    return pp__group_read(r, key->group, value, at + key->offset);
}

static pp_status read_list(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    pp_status status = check_array(r, key, value, "objects");
    if (status != PP_OK) return status;
    const int64_t count = pp_json_count(value);
    char *list = pp_arena_alloc(r->arena, (size_t)count, key->group->size);
    if (list == NULL) return no_memory(r);
    for (int64_t i = 0; i < count; i++) {
        const size_t length = enter_index(r, i);
        status = pp__group_read(r, key->group, pp_json_at(value, i),
                                list + (size_t)i * key->group->size);
        if (status != PP_OK) return status;
        leave(r, length);
    }
    store_list(key, at, list, count);
    return PP_OK;
}

static pp_status read_nothing(pp__reader *r, const pp__key *key, const pp_json *value, char *at)
{
    (void)r, (void)key, (void)value, (void)at;
    return PP_OK;
}

typedef pp_status (*read_fn)(pp__reader *r, const pp__key *key, const pp_json *value, char *at);

static const read_fn readers[] = {
    [PP__BOOL] = read_bool,       [PP__INT] = read_int,       [PP__NUMBER] = read_number,
    [PP__STRING] = read_string,   [PP__ENUM] = read_enum,     [PP__STRINGS] = read_strings,
    [PP__NUMBERS] = read_numbers, [PP__OBJECT] = read_object, [PP__LIST] = read_list,
    [PP__IGNORED] = read_nothing, [PP__PAIR] = read_pair,
};

/* ---- the group ---- */

static pp_status read_default(pp__reader *r, const pp__key *key, char *at)
{
    pp_json *value = NULL;
    if (key->kind == PP__IGNORED) return PP_OK;
    if (key->fallback == NULL) return complain(r, "is missing and has no default");
    pp_status status = pp_json_parse(key->fallback, r->path, &value, r->err);
    if (status != PP_OK) return status;
    status = readers[key->kind](r, key, value, at);
    pp_json_destroy(value);
    return status;
}

static pp_status read_key(pp__reader *r, const pp__key *key, const pp_json *object, char *at)
{
    const pp_json *value = pp_json_get(object, key->name);
    const size_t length = enter_key(r, key->name);
    pp_status status =
        value == NULL ? read_default(r, key, at) : readers[key->kind](r, key, value, at);
    if (status == PP_OK) leave(r, length); /* a failure keeps its path */
    return status;
}

static pp_status refuse_key(pp__reader *r, const pp__group *group, const char *word)
{
    const char *names[MAX_NAMES];
    char all[400];
    PP_CHECK(group->n_keys <= MAX_NAMES);
    int count = 0;
    for (int i = 0; i < group->n_keys; i++) {
        const pp__key *key = &group->keys[i];
        if (pp__key_find(group, key->name, PP__ANY) == key) names[count++] = key->name;
    }
    const char *near = pp_name_nearest(names, count, word);
    enter_key(r, word);
    if (near != NULL) return complain(r, "unknown key; did you mean '%s'?", near);
    list_names(names, count, all, sizeof all);
    return complain(r, "unknown key; known here: %s", all);
}

/* A key that exists, but not with this value of the selector. */
static pp_status refuse_here(pp__reader *r, const pp__group *group, const char *word, int selected)
{
    const pp__key *selector = pp__selector(group);
    const char *owners[MAX_NAMES];
    char all[512];
    int count = 0;
    PP_CHECK(selector->n_names <= MAX_NAMES);
    for (int v = 0; v < selector->n_names; v++)
        if (selector->names[v] != NULL && pp__key_find(group, word, v) != NULL)
            owners[count++] = selector->names[v];
    list_names(owners, count, all, sizeof all);
    enter_key(r, word);
    if (strcmp(selector->name, "type") == 0)
        return complain(r, "not a key of '%s' (%s %s it)", selector->names[selected], all,
                        count == 1 ? "has" : "have");
    return complain(r, "only with %s '%s', which is '%s'", selector->name, all,
                    selector->names[selected]);
}

static pp_status check_members(pp__reader *r, const pp__group *group, const pp_json *object,
                               int selected)
{
    const int64_t count = pp_json_count(object);
    for (int64_t i = 0; i < count; i++) {
        const char *word = pp_json_key(pp_json_at(object, i));
        if (pp__key_find(group, word, PP__ANY) == NULL) return refuse_key(r, group, word);
        if (pp__key_find(group, word, selected) == NULL)
            return refuse_here(r, group, word, selected);
    }
    return PP_OK;
}

pp_status pp__group_read(pp__reader *r, const pp__group *group, const pp_json *object, void *base)
{
    if (pp_json_type_of(object) != PP_JSON_OBJECT)
        return complain(r, "must be an object, got %s", found(object));
    pp_status status = check_members(r, group, object, PP__ANY);
    const pp__key *selector = pp__selector(group);
    if (status == PP_OK && selector != NULL) {
        status = read_key(r, selector, object, base);
        if (status == PP_OK) status = check_members(r, group, object, pp__selected(group, base));
    }
    const int selected = status == PP_OK ? pp__selected(group, base) : PP__ANY;
    for (int i = 0; i < group->n_keys && status == PP_OK; i++) {
        const pp__key *key = &group->keys[i];
        if (key != selector && pp__key_applies(key, selected))
            status = read_key(r, key, object, base);
    }
    return status;
}
