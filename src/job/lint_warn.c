/* What the checks of a job say. */
#include "job_internal.h"

#include <stdarg.h>
#include <stdio.h>

void pp__lint_warn(pp__lint *lint, const char *path, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (lint->say != NULL) lint->say(lint->context, path, text);
    lint->count++;
}
