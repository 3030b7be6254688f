/* JSON texts that live in an arena. */
#ifndef PITPROP_JSON_ARENA_H
#define PITPROP_JSON_ARENA_H

#include "base/arena.h"
#include "pitprop/json.h"

/* A value as text on one line; NULL: no memory. */
const char *pp_json_in_arena(const pp_json *value, pp_arena *arena);
/* What the writer holds; it is destroyed. writer NULL, or no memory: NULL. */
const char *pp_json_writer_into_arena(pp_json_writer *writer, pp_arena *arena);

#endif
