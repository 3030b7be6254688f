#include <limits.h>
#include <stdio.h>
#include <string.h>

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

static void put_warnings(pp_log *log, pp_csv_report *report)
{
    for (int i = 0; i < report->n_warnings; i++)
        pp_log_write(log, PP_LOG_WARN, "%s", report->warnings[i]);
    pp_csv_report_free(report);
}

/* What stood for missing values in the training file, column by column of the model. */
static pp_status take_fills(const pp__origin *origin, const char *file, pp_arena *arena,
                            pp_csv_options *options, pp_error *err)
{
    double *fills = PP_ARENA_NEW(arena, double, origin->n_columns);
    if (options->fills == NULL)
        return pp_fail(err, PP_E_DATA,
                       "%s: says nothing of missing values; import it with --missing median", file);
    if (fills == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    for (int64_t i = 0; i < origin->n_columns; i++) {
        int k = 0;
        while (k < options->n_only && strcmp(options->only[k], origin->columns[i]) != 0)
            k++;
        if (k == options->n_only)
            return pp_fail(err, PP_E_DATA, "%s: has no column '%.60s', which the model takes", file,
                           origin->columns[i]);
        fills[i] = options->fills[k];
    }
    options->fills = fills;
    return PP_OK;
}

static pp_status import_csv(const pp__origin *origin, const pp_predict_rows *rows, pp_arena *arena,
                            const char *output, pp_error *err)
{
    pp_csv_report report;
    pp_csv_like *like = NULL;
    pp_csv_options options = {
        .target = rows->target, .no_target = rows->target == NULL, .na = rows->na};
    pp_status status = rows->like != NULL ? pp_csv_like_open(rows->like, &like, err) : PP_OK;
    if (status == PP_OK && like != NULL) {
        pp_csv_like_apply(like, &options);
        status = take_fills(origin, rows->like, arena, &options, err);
    }
    options.only = origin->columns;
    options.n_only = (int)origin->n_columns;
    options.class_names = origin->classes;
    options.n_class_names = (int)origin->n_classes;
    if (status == PP_OK) status = pp_import_csv(&rows->data, 1, &options, output, &report, err);
    pp_csv_like_close(like);
    if (status == PP_OK) put_warnings(rows->log, &report);
    return status;
}

pp_status pp_predict_import(const char *run, const pp_predict_rows *rows, const char *output,
                            pp_error *err)
{
    pp_table_format format;
    pp__origin origin = {.columns = NULL};
    const pp_meter nobody = {0};
    pp_arena *arena = pp_arena_create();
    if (arena == NULL) return pp_fail(err, PP_E_MEMORY, "out of memory");
    pp_status status = pp_table_format_of(rows->data, &format, err);
    if (status == PP_OK) status = read_names(run, arena, &origin, err);
    if (status == PP_OK)
        status = format == PP_TABLE_NPY
                     ? pp_import_npy(rows->data, NULL, output, &nobody, NULL, err)
                     : import_csv(&origin, rows, arena, output, err);
    pp_arena_destroy(arena);
    return status;
}
