#include "run/verdict_file.h"

static int read_part(const pp_json *evidence, const char *name, pp_summary *summary)
{
    const pp_json *part = evidence != NULL ? pp_json_get(evidence, name) : NULL;
    pp_summary_read(part, summary);
    return part != NULL;
}

int pp_verdict_file_read(const pp_json *json, pp_verdict_file *file)
{
    const pp_json *name = pp_json_get(json, "verdict"), *collapse = pp_json_get(json, "collapse");
    const pp_json *evidence = pp_json_get(json, "evidence");
    if (name == NULL || pp_json_type_of(name) != PP_JSON_STRING) return 0;
    file->id = pp_verdict_by_name(pp_json_string(name));
    file->collapse =
        collapse != NULL && pp_json_type_of(collapse) == PP_JSON_BOOL && pp_json_bool(collapse);
    int has_train = read_part(evidence, "train", &file->train);
    file->is_held_out = read_part(evidence, "held_out", &file->held_out);
    file->has_rows = has_train || file->is_held_out;
    return file->id != PP_VERDICT_COUNT;
}

const pp_summary *pp_verdict_file_judged(const pp_verdict_file *file)
{
    return file->is_held_out ? &file->held_out : &file->train;
}
