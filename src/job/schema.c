#include "schema.h"

#include <string.h>

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
