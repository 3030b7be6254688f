#include "base/names.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 60 };

void pp_name_copy(const char *name, char *text, size_t size)
{
    size_t length = strlen(name), cut = length < size ? length : size - 1;
    while (cut < length && cut > 0 && ((unsigned char)name[cut] & 0xc0) == 0x80)
        cut--;
    for (size_t i = 0; i < cut; i++)
        text[i] = (unsigned char)name[i] < ' ' ? ' ' : name[i];
    text[cut] = '\0';
}

void pp_name_text(const char *name, int64_t number, char text[PP_NAME_TEXT])
{
    char shown[SHOWN + 1];
    int used = snprintf(text, PP_NAME_TEXT, "%lld", (long long)number);
    if (name == NULL) return;
    pp_name_copy(name, shown, sizeof shown);
    snprintf(text + used, PP_NAME_TEXT - (size_t)used, " ('%s')", shown);
}

void pp_names_text(const char *const *names, int64_t number, char text[PP_NAME_TEXT])
{
    pp_name_text(names == NULL || number < 0 ? NULL : names[number], number, text);
}
