/* What a class or a column is called in messages and reports. */
#ifndef PITPROP_NAMES_H
#define PITPROP_NAMES_H

#include <stddef.h>
#include <stdint.h>

enum { PP_NAME_TEXT = 88 };

/* "3", or "3 ('age')" where it has a name (NULL: none): on one line, cut between characters of
 * UTF-8. */
void pp_name_text(const char *name, int64_t number, char text[PP_NAME_TEXT]);
/* The same of names [count], NULL: there are none. */
void pp_names_text(const char *const *names, int64_t number, char text[PP_NAME_TEXT]);
/* A copy of at most size - 1 bytes like that. */
void pp_name_copy(const char *name, char *text, size_t size);
/* Of names [count] (NULL entries skipped) the one nearest to word, NULL if none is near. */
const char *pp_name_nearest(const char *const *names, int count, const char *word);

#endif
