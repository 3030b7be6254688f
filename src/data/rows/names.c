/* What the files call their classes and columns. */
#include "rows_internal.h"

#include <string.h>

int64_t pp_data_classes(int64_t asked, const pp_h5_set *y)
{
    const char *const *names;
    int64_t count = pp_h5_classes(y, &names);
    return asked == PP_AUTO && count > 2 ? count : asked;
}

/* Of two labels with other numbers than 0 and 1. */
static char *label_text(const pp_dataset_info *info, int64_t k, pp_arena *arena)
{
    return pp_arena_printf(arena, "%.15g", k == 0 ? info->low_label : info->high_label);
}

/* Labels 0, 1, ... or columns are numbers of names; classes behind the last name have numbers. */
pp_status pp_data_class_names(const pp_dataset_info *info, const pp_h5_set *y, pp_arena *arena,
                              const char *const **names, pp_error *err)
{
    const char *const *given;
    int64_t count = pp_h5_classes(y, &given);
    int relabelled = info->task == PP_TASK_BINARY && info->y_columns == 1 &&
                     (info->low_label != 0 || info->high_label != 1);
    *names = NULL;
    if (info->classes == 0 || (count == 0 && !relabelled)) return PP_OK;
    if (info->y_columns > 1 && info->y_columns != info->classes) return PP_OK;
    const char **made = PP_ARENA_NEW(arena, const char *, info->classes);
    if (made == NULL) return pp__data_no_memory(err);
    for (int64_t k = 0; k < info->classes; k++) {
        if (relabelled)
            made[k] = label_text(info, k, arena);
        else if (k < count)
            made[k] = pp_arena_strdup(arena, given[k]);
        else
            made[k] = pp_arena_printf(arena, "%lld", (long long)k);
        if (made[k] == NULL) return pp__data_no_memory(err);
    }
    *names = made;
    return PP_OK;
}

pp_status pp_data_column_names(const pp_h5_set *x, pp_arena *arena, const char *const **names,
                               pp_error *err)
{
    int64_t columns = pp_h5_columns(x);
    *names = NULL;
    for (int64_t k = 0; k < columns; k++)
        if (pp_h5_column_name(x, k) == NULL) return PP_OK;
    const char **made = PP_ARENA_NEW(arena, const char *, columns);
    if (made == NULL) return pp__data_no_memory(err);
    for (int64_t k = 0; k < columns; k++) {
        made[k] = pp_arena_strdup(arena, pp_h5_column_name(x, k));
        if (made[k] == NULL) return pp__data_no_memory(err);
    }
    *names = made;
    return PP_OK;
}
