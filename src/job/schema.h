/* The engine behind the job file: a group is a table of keys of one JSON object, bound to a struct.
 *
 * A key is one row. Reading (with checks and defaults), echoing and the JSON Schema all walk
 * the rows, so adding a key is adding a row in keys.c. A group may have a selector: an enum key
 * whose value says which other rows apply ("type" of a layer). Two rows may share a name if no
 * selector value has both; that is how a default depends on the type. */
#ifndef PITPROP_JOB_SCHEMA_H
#define PITPROP_JOB_SCHEMA_H

#include <stddef.h>

#include "base/arena.h"
#include "pitprop/error.h"
#include "pitprop/json.h"

typedef enum pp__kind {
    PP__BOOL,    /* int */
    PP__INT,     /* int64_t */
    PP__NUMBER,  /* double */
    PP__STRING,  /* const char * */
    PP__ENUM,    /* an enum, as int */
    PP__STRINGS, /* const char ** and a count; one string counts as a list of one */
    PP__NUMBERS, /* const double * and a count */
    PP__PAIR,    /* int64_t [2]: an integer for both, a list of two, or a word: PP_AUTO twice */
    PP__OBJECT,  /* a group, in place */
    PP__LIST,    /* a list of a group: pointer to structs and a count */
    PP__IGNORED  /* accepted and dropped */
} pp__kind;

typedef struct pp__range { /* all zero: any number */
    double low, high;
    int has_low, has_high, open_low, open_high;
} pp__range;

typedef struct pp__group pp__group;

typedef struct pp__key {
    const char *name;
    const char *help;     /* one sentence, with units */
    const char *fallback; /* default as JSON text; NULL: required */
    pp__kind kind;
    size_t offset;            /* of the value in the struct of the group */
    size_t count;             /* STRINGS, NUMBERS, LIST: offset of the int that counts them */
    unsigned when;            /* bit v: applies where the selector is v; 0: always */
    pp__range range;          /* INT, NUMBER, NUMBERS, PAIR: of each */
    int may_be_auto;          /* INT: "auto" is PP_AUTO */
    const char *word;         /* PAIR: what may stand for the numbers; NULL: none */
    int may_be_integer;       /* STRING, STRINGS: a whole number counts as its text */
    int power_of_two;         /* INT */
    int at_least;             /* STRINGS, NUMBERS, LIST: elements */
    const char *const *names; /* ENUM: [n_names], NULL where a value is not on offer */
    int n_names;
    const char *pattern, *pattern_text; /* STRING: extended regular expression, and its meaning */
    const pp__group *group;             /* OBJECT, LIST */
} pp__key;

struct pp__group {
    const char *name;     /* of a LIST's group: its name among the "$defs" of the schema */
    const char *selector; /* name of a key, or NULL */
    const pp__key *keys;  /* [n_keys] */
    int n_keys;
    size_t size; /* bytes of the struct */
};

/* The whole job, bound to pp_job. */
extern const pp__group pp__job_group;
/* What list elements are made of; their schema goes into "$defs". */
extern const pp__group pp__layer_group;
extern const pp__group pp__loss_group, pp__optimizer_group;

/* ---- looking keys up (schema.c) ---- */
enum { PP__ANY = -1 }; /* selector value where a group has none, or to match any row */

int pp__key_applies(const pp__key *key, int selected);
/* First row of that name which applies; NULL: none. */
const pp__key *pp__key_find(const pp__group *group, const char *name, int selected);
const pp__key *pp__selector(const pp__group *group); /* NULL: the group has none */
/* Value of the selector in the struct at base; PP__ANY if the group has none. */
int pp__selected(const pp__group *group, const void *base);
/* ---- reading (read.c) ---- */
typedef struct pp__reader {
    pp_arena *arena;
    pp_error *err;
    char path[512]; /* of the value at hand; cut where longer */
} pp__reader;

/* Fills the struct at base from object. Errors start with the path. */
pp_status pp__group_read(pp__reader *reader, const pp__group *group, const pp_json *object,
                         void *base);
/* "must be >= 0 and < 1" */
void pp__range_text(const pp__range *range, char *text, size_t size);

/* ---- writing (echo.c, json_schema.c) ---- */
void pp__group_echo(const pp__group *group, const void *base, pp_json_writer *writer);
/* Members of the schema of an object: type, properties, required, conditions. */
void pp__group_schema(const pp__group *group, pp_json_writer *writer);

#endif
