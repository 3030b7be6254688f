#include "paint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_WIDTH = 80, LEAST_WIDTH = 40, MOST_WIDTH = 120 };

/* The locale's character set as the environment names it, so that no setlocale is needed. */
static int locale_is_utf8(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value == NULL || *value == '\0') continue;
        return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL ||
               strstr(value, "utf-8") != NULL || strstr(value, "UTF8") != NULL;
    }
    return 0;
}

static int terminal_width(int descriptor)
{
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return DEFAULT_WIDTH;
    int width = size.ws_col;
    return width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width;
}

pp_style pp_style_of(FILE *stream)
{
    int descriptor = fileno(stream); /* -1: not a file */
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    int plain =
        (no_colour != NULL && *no_colour != '\0') || (term != NULL && !strcmp(term, "dumb"));
    pp_style style = {0, 0, locale_is_utf8(), DEFAULT_WIDTH};
    style.terminal = descriptor >= 0 && isatty(descriptor);
    style.colour = style.terminal && !plain;
    if (style.terminal) style.width = terminal_width(descriptor);
    return style;
}

void pp__ink_set(FILE *stream, pp_style style, pp__ink ink)
{
    static const char *const codes[] = {
        [PP__BOLD] = "\033[1m",    [PP__BAR] = "\033[36m",   [PP__MARK] = "\033[33m",
        [PP__GOOD] = "\033[1;32m", [PP__BAD] = "\033[1;31m", [PP__INK_OFF] = "\033[0m",
    };
    if (style.colour) fputs(codes[ink], stream);
}

int pp__bar(FILE *stream, pp_style style, double share, int cells)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (!(share > 0)) return 0;
    int parts = style.utf8 ? 8 : 1; /* of a cell */
    int length = (int)((share < 1 ? share : 1) * cells * parts + 0.5);
    if (length == 0 && !style.utf8) return fputs(".", stream) < 0 ? 0 : 1;
    if (length == 0) length = 1;
    for (int i = 0; i < length / parts; i++)
        fputs(style.utf8 ? "█" : "#", stream);
    if (style.utf8) fputs(eighths[length % parts], stream);
    return (length + parts - 1) / parts;
}

void pp__wrapped(FILE *stream, const char *text, int indent, int width)
{
    int column = 0;
    while (*text != '\0') {
        int word = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + word > width) {
            fputc('\n', stream);
            column = 0;
        }
        column += column > 0 ? fprintf(stream, " ") : fprintf(stream, "%*s", indent, "");
        column += fprintf(stream, "%.*s", word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}
