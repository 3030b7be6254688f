#include <limits.h>
#include <stdio.h>

#include "train/predict.h"

#include "base/arena.h"
#include "convert/import.h"
#include "convert/table.h"
#include "store/tensorfile.h"

#include "origin.h"

static pp_status read_names(const char *run, pp_arena *arena, pp__origin *origin, pp_error *err)
{
    char path[PATH_MAX];
    pp_tensorfile *file = NULL;
    snprintf(path, sizeof path, "%s/model.safetensors", run);
    pp_status status = pp_tensorfile_read(path, &file, err);
    if (status == PP_OK) status = pp__origin_read(file, arena, origin, err);
    pp_tensorfile_destroy(file);
    return status;
}

pp_status pp_predict_import(const char *run, const char *data, const char *target,
                            const char *output, pp_error *err)
{
    pp_table_format format;
    pp__origin origin = {.columns = NULL};
    const pp_meter nobody = {0};
    pp_arena *arena = pp_arena_create();
    if (arena == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_status status = pp_table_format_of(data, &format, err);
    if (status == PP_OK) status = read_names(run, arena, &origin, err);
    if (status == PP_OK && format == PP_TABLE_NPY)
        status = pp_import_npy(data, NULL, output, &nobody, NULL, err);
    else if (status == PP_OK) {
        const pp_csv_options options = {.target = target,
                                        .no_target = target == NULL,
                                        .only = origin.columns,
                                        .n_only = (int)origin.n_columns};
        status = pp_import_csv(&data, 1, &options, output, NULL, err);
    }
    pp_arena_destroy(arena);
    return status;
}
