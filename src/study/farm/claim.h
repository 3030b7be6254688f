/* Who works on a trial: files claims/ID.N of a study, of which the highest N counts. */
#ifndef PITPROP_CLAIM_H
#define PITPROP_CLAIM_H

#include "pitprop/error.h"

enum { CLAIM_ID = 128 };

typedef struct claim {
    const char *directory; /* of the study; borrowed */
    char id[CLAIM_ID];
    int number; /* 0: none */
    int kept;   /* tenth of a second of the last sign of life */
} claim;

/* Takes the trial unless somebody who may be alive has it; taken->number is 0 then. */
pp_status pp__claim_take(const char *directory, const char *id, claim *taken, pp_error *err);
/* A sign of life, a few a minute however often it is called. */
void pp__claim_keep(claim *held);
/* The trial has ended, after so many seconds on so many ranks. */
void pp__claim_close(const claim *held, double seconds, int ranks);
/* It has not, and anybody may go on with it at once. */
void pp__claim_drop(const claim *held);
/* Owners that left without a word. */
int pp__claim_deaths(const char *directory, const char *id);
/* What the owner that brought it to its end has noted; NaN and 0 where nothing is noted. */
void pp__claim_read(const char *directory, const char *id, double *seconds, int *ranks);

#endif
