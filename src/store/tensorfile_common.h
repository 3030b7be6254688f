/* What writing and reading a safetensors file share. Private to src/store. */
#ifndef PITPROP_STORE_TENSORFILE_COMMON_H
#define PITPROP_STORE_TENSORFILE_COMMON_H

#include "store/tensorfile.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data are written as they lie in memory");

enum { PP__MAX_DIMS = 4, PP__N_DTYPES = PP_U8 + 1 };

#define PP__CRC_KEY "crc32"

typedef struct pp__crc_text {
    char digits[9];
} pp__crc_text;

const char *pp__dtype_name(pp_dtype dtype); /* "F32" */
/* The CRC-32 of zlib as 8 hex digits. */
pp__crc_text pp__crc_as_text(unsigned long crc);

#endif
