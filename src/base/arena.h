/* Memory that is allocated piecemeal and freed as one: job, plans, model buffers.
 *
 * Blocks are 64-byte aligned and zeroed. Allocation failure and size overflow return NULL. */
#ifndef PITPROP_ARENA_H
#define PITPROP_ARENA_H

#include <stddef.h>

typedef struct pp_arena pp_arena;

pp_arena *pp_arena_create(void); /* NULL when out of memory */
void pp_arena_destroy(pp_arena *arena);

void *pp_arena_alloc(pp_arena *arena, size_t count, size_t size);
char *pp_arena_strdup(pp_arena *arena, const char *text);
char *pp_arena_printf(pp_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Bytes handed out so far. */
size_t pp_arena_bytes(const pp_arena *arena);

#define PP_ARENA_NEW(arena, type, count)                                                           \
    ((type *)pp_arena_alloc((arena), (size_t)(count), sizeof(type)))

#endif
