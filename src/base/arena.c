#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, SMALL_BLOCK = 64 * 1024 };

/* A block's payload follows its header, at the next multiple of ALIGNMENT. */
typedef struct block {
    struct block *next;
    size_t size, used; /* bytes of payload */
} block;

struct pp_arena {
    block *blocks; /* newest first; small pieces come from the first one */
    size_t bytes;
};

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static char *payload(block *b)
{
    return (char *)b + aligned(sizeof *b);
}

pp_arena *pp_arena_create(void)
{
    return calloc(1, sizeof(pp_arena));
}

void pp_arena_destroy(pp_arena *arena)
{
    if (arena == NULL) return;
    for (block *b = arena->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

static block *add_block(pp_arena *arena, size_t size)
{
    block *b = aligned_alloc(ALIGNMENT, aligned(sizeof *b) + size);
    if (b == NULL) return NULL;
    *b = (block){.size = size};
    /* A large block goes behind the current one, which still has room for small pieces. */
    if (arena->blocks != NULL && size > SMALL_BLOCK) {
        b->next = arena->blocks->next;
        arena->blocks->next = b;
    } else {
        b->next = arena->blocks;
        arena->blocks = b;
    }
    return b;
}

void *pp_arena_alloc(pp_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > (SIZE_MAX / 2) / size) return NULL;
    size_t bytes = aligned(count * size > 0 ? count * size : 1);
    block *b = arena->blocks;
    if (b == NULL || b->size - b->used < bytes) {
        b = add_block(arena, bytes > SMALL_BLOCK ? bytes : SMALL_BLOCK);
    }
    if (b == NULL) return NULL;
    void *piece = payload(b) + b->used;
    b->used += bytes;
    arena->bytes += bytes;
    return memset(piece, 0, bytes);
}

char *pp_arena_strdup(pp_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = pp_arena_alloc(arena, size, 1);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

char *pp_arena_printf(pp_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : pp_arena_alloc(arena, (size_t)length + 1, 1);
    if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

size_t pp_arena_bytes(const pp_arena *arena)
{
    return arena->bytes;
}
