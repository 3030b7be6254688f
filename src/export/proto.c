#include "proto.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, LENGTH = 2, FIXED32 = 5 }; /* wire types */

static void fail(pp__proto *to)
{
    free(to->bytes);
    *to = (pp__proto){.failed = 1};
}

static void put(pp__proto *to, const void *bytes, size_t length)
{
    if (to->failed || length == 0) return;
    if (to->length + length > to->room) {
        size_t room = 2 * to->room + length + 64;
        unsigned char *more = realloc(to->bytes, room);
        if (more == NULL) {
            fail(to);
            return;
        }
        to->bytes = more;
        to->room = room;
    }
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

/* Seven bits a byte, lowest first; the top bit says that more follow. */
static void put_varint(pp__proto *to, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; value > 127; value >>= 7)
        bytes[n++] = (unsigned char)(value | 128);
    bytes[n++] = (unsigned char)value;
    put(to, bytes, n);
}

static void put_key(pp__proto *to, int field, int wire)
{
    put_varint(to, (uint64_t)field << 3 | (uint64_t)wire);
}

void pp__proto_int(pp__proto *to, int field, int64_t value)
{
    put_key(to, field, VARINT);
    put_varint(to, (uint64_t)value);
}

void pp__proto_float(pp__proto *to, int field, float value)
{
    put_key(to, field, FIXED32);
    put(to, &value, sizeof value);
}

void pp__proto_bytes(pp__proto *to, int field, const void *bytes, size_t length)
{
    put_key(to, field, LENGTH);
    put_varint(to, length);
    put(to, bytes, length);
}

void pp__proto_text(pp__proto *to, int field, const char *text)
{
    pp__proto_bytes(to, field, text, strlen(text));
}

void pp__proto_message(pp__proto *to, int field, pp__proto *part)
{
    if (part->failed) fail(to);
    pp__proto_bytes(to, field, part->bytes, part->length);
    pp__proto_free(part);
}

void pp__proto_free(pp__proto *proto)
{
    free(proto->bytes);
    *proto = (pp__proto){.bytes = NULL};
}
