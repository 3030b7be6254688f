/* Messages of Protocol Buffers, written by field number: varints, floats, bytes and messages in
 * messages. (https://protobuf.dev/programming-guides/encoding) Private to src/export. */
#ifndef PITPROP_EXPORT_PROTO_H
#define PITPROP_EXPORT_PROTO_H

#include <stddef.h>
#include <stdint.h>

/* All zeros: an empty message. Freed by pp__proto_message or pp__proto_free. */
typedef struct pp__proto {
    unsigned char *bytes;
    size_t length, room;
    int failed; /* no memory: then it holds nothing */
} pp__proto;

void pp__proto_int(pp__proto *to, int field, int64_t value);
void pp__proto_float(pp__proto *to, int field, float value);
void pp__proto_bytes(pp__proto *to, int field, const void *bytes, size_t length);
void pp__proto_text(pp__proto *to, int field, const char *text);
/* Takes what `part` holds and leaves it empty. */
void pp__proto_message(pp__proto *to, int field, pp__proto *part);
void pp__proto_free(pp__proto *proto);

#endif
