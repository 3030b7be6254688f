/* Names of parts, and a sentence that grows: for sentences and remarks alike. */
#include "facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The one place where a class or a column gets its name. */
void pp__part_name(const pp_evidence *e, const pp_summary *s, int part, char *text, size_t size)
{
    const char *kind = pp__is_classification(s) ? "class" : "output";
    if (e->names != NULL && e->names[part] != NULL)
        snprintf(text, size, "%s %s", kind, e->names[part]);
    else
        snprintf(text, size, "%s %d", kind, part);
}

/* Text that grows in a verdict's sentence and stops at its end. */
void pp__say_more(pp_verdict *v, const char *format, ...)
{
    size_t used = strlen(v->sentence);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->sentence + used, sizeof v->sentence - used, format, arguments);
    va_end(arguments);
}
