#include "schema.h"

#include <string.h>

enum { LONGEST_WORD = 63 };

int pp__key_applies(const pp__key *key, int selected)
{
    return key->when == 0 || selected == PP__ANY || (key->when >> selected & 1u) != 0;
}

const pp__key *pp__key_find(const pp__group *group, const char *name, int selected)
{
    for (int i = 0; i < group->n_keys; i++) {
        const pp__key *key = &group->keys[i];
        if (strcmp(key->name, name) == 0 && pp__key_applies(key, selected)) return key;
    }
    return NULL;
}

const pp__key *pp__selector(const pp__group *group)
{
    return group->selector == NULL ? NULL : pp__key_find(group, group->selector, PP__ANY);
}

int pp__selected(const pp__group *group, const void *base)
{
    const pp__key *selector = pp__selector(group);
    int value = PP__ANY;
    if (selector != NULL) memcpy(&value, (const char *)base + selector->offset, sizeof value);
    return value;
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

const char *pp__nearest(const char *const *names, int count, const char *word)
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
