/* Rounds of trials: rank 0 plans each from what the last has shown, and all ranks run it. */
#ifndef PITPROP_ROUNDS_H
#define PITPROP_ROUNDS_H

#include "study/farm/farm.h"

typedef struct rounds {
    pp_farm_spec farm;
    const pp_farm_trial *trials; /* of the round that runs, as `ended` is told of them */
    int left;                    /* the others have left: stopped, or the farm has failed */
    int stopped;                 /* on request, with everything saved */
} rounds;

/* Collective, with pp__rounds_serve on the other ranks. Rank 0: runs trials [n] on all ranks. */
pp_status pp__round(rounds *r, const pp_farm_trial *trials, int n, pp_error *err);
/* Collective likewise. Rank 0: there are no more. */
void pp__rounds_end(rounds *r);
/* Collective likewise. The other ranks, until there are no more rounds. */
pp_status pp__rounds_serve(rounds *r, pp_error *err);

#endif
