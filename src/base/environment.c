#include "base/environment.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

int pp_environment_int(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL) return 0;
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    int is_number = end != text && *end == '\0' && errno == 0;
    return is_number && value > 0 && value <= INT_MAX ? (int)value : 0;
}
