#include "json/json_arena.h"

const char *pp_json_writer_into_arena(pp_json_writer *writer, pp_arena *arena)
{
    const char *text = writer != NULL ? pp_json_text(writer, NULL) : NULL;
    const char *copy = text != NULL ? pp_arena_strdup(arena, text) : NULL;
    pp_json_writer_destroy(writer);
    return copy;
}

const char *pp_json_in_arena(const pp_json *value, pp_arena *arena)
{
    pp_json_writer *writer = pp_json_writer_create(0);
    if (writer != NULL) pp_json_put_value(writer, NULL, value);
    return pp_json_writer_into_arena(writer, arena);
}
