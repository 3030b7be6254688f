#include "base/names.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 60, LONGEST_WORD = 64 };

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

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row of the table at a time. */
static int distance(const char *a, const char *b)
{
    int row[LONGEST_WORD + 1];
    const int n = (int)strlen(b);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            const int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

const char *pp_name_nearest(const char *const *names, int count, const char *word)
{
    const char *best = NULL;
    if (strlen(word) > LONGEST_WORD) return NULL;
    int best_distance = (int)strlen(word) / 2 + 1; /* more than half wrong is no typing mistake */
    for (int i = 0; i < count; i++) {
        if (names[i] == NULL || strlen(names[i]) > LONGEST_WORD) continue;
        const int d = distance(word, names[i]);
        if (d >= best_distance) continue;
        best = names[i];
        best_distance = d;
    }
    return best;
}
