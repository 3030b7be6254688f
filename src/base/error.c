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
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    size_t at = used < 0 ? 0 : (size_t)used;
    if (at < sizeof err->text) snprintf(err->text + at, sizeof err->text - at, ": %s", inner);
    return err->code;
}
