/* How the trials of a farm share its ranks. */
#ifndef PITPROP_STAGES_H
#define PITPROP_STAGES_H

#include "study/farm/farm.h"

/* Trials order[first .. first + count), by so many groups of ranks. */
typedef struct pp_stage {
    int first, count, groups;
} pp_stage;

enum { PP_STAGES = 32 }; /* at most */

/* Longest trials first, in stages one after another: those that would keep the others waiting get
 * more ranks. Where a trial's work is not known the order stays, in one stage with as few ranks for
 * each as leave none without work. order [count] and
 * stages [PP_STAGES] are filled in. Returns the number of stages; 0: out
 * of memory. The same on all ranks. */
int pp__stages(const pp_farm_trial *trials, int count, int ranks, int *order, pp_stage *stages);
/* With so many ranks for each trial, and more where there are fewer trials than groups. */
pp_stage pp__stage(int first, int count, int each, int ranks);
/* How long they take, in units of work. */
double pp__stages_take(const pp_farm_trial *trials, int ranks, const int *order,
                       const pp_stage *stages, int n_stages);

#endif
