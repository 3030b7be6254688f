#include "run/run_files.h"

#include <stdio.h>

const char *const pp_run_writes[PP_RUN_WRITES] = {PP_RUN_METRICS, PP_RUN_MODEL,  PP_RUN_VERDICT,
                                                  PP_RUN_INITIAL, PP_RUN_SAMPLE, PP_RUN_RUN,
                                                  PP_RUN_LOG,     PP_RUN_JOB};

pp_status pp_run_path(const char *directory, const char *name, char path[PATH_MAX], pp_error *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX) return PP_OK;
    return pp_fail(err, PP_E_IO, "%s: path is too long", directory);
}
