#include "pitprop/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PP_STATUS_ROW(name, exit_code, text) {exit_code, text},
static const struct {
    int exit_code;
    const char *text;
} status_table[] = {PP_STATUS_LIST(PP_STATUS_ROW)};
#undef PP_STATUS_ROW

int pp_status_exit_code(pp_status status)
{
    return status_table[status].exit_code;
}

const char *pp_status_text(pp_status status)
{
    return status_table[status].text;
}

pp_status pp_fail(pp_error *err, pp_status code, const char *format, ...)
{
    if (err == NULL) return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    err->code = code;
    err->rank = -1;
    return code;
}

pp_status pp_fail_within(pp_error *err, pp_status code, const char *format, ...)
{
    if (err == NULL) return code;
    char prefix[sizeof err->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    /* The text moves back by "prefix: "; what no longer fits is cut off. */
    size_t shift = strlen(prefix), room = sizeof err->text;
    if (shift + 2 < room) {
        memmove(err->text + shift + 2, err->text, room - shift - 2);
        memcpy(err->text, prefix, shift);
        memcpy(err->text + shift, ": ", 2);
        err->text[room - 1] = '\0';
    }
    return err->code;
}
