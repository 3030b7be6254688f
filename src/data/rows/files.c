/* Patterns among the names of files. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "data/rows/info.h"
#include "base/fs.h"

typedef struct file_list {
    pp_arena *arena;
    const char **names;
    int count, room;
} file_list;

static pp_status add(file_list *list, const char *name, pp_error *err)
{
    if (list->count == list->room) {
        int room = 2 * list->room + 8;
        const char **larger = PP_ARENA_NEW(list->arena, const char *, room);
        if (larger == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
        if (list->count > 0) memcpy(larger, list->names, (size_t)list->count * sizeof *larger);
        list->names = larger;
        list->room = room;
    }
    name = pp_arena_strdup(list->arena, name);
    if (name == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    list->names[list->count++] = name;
    return PP_OK;
}

static pp_status add_matches(file_list *list, const char *pattern, pp_error *err)
{
    glob_t found;
    int failed = glob(pattern, 0, NULL, &found);
    if (failed == GLOB_NOMATCH)
        return pp_fail(err, PP_E_IO, "%s: no file matches this pattern", pattern);
    if (failed) return pp_fail(err, PP_E_IO, "%s: cannot list what matches", pattern);
    pp_status status = PP_OK;
    for (size_t i = 0; i < found.gl_pathc && status == PP_OK; i++)
        status = add(list, found.gl_pathv[i], err);
    globfree(&found);
    return status;
}

pp_status pp_data_expand(pp_arena *arena, const char *const *names, int n_names,
                         const char ***files, int *n_files, pp_error *err)
{
    file_list list = {.arena = arena};
    pp_status status = PP_OK;
    for (int i = 0; i < n_names && status == PP_OK; i++) {
        int is_pattern = strpbrk(names[i], "*?[") != NULL && !pp_fs_exists(names[i]);
        status = is_pattern ? add_matches(&list, names[i], err) : add(&list, names[i], err);
    }
    *files = list.names;
    *n_files = list.count;
    return status;
}
