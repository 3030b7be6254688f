/* The run of `why`: rank 0 plans and decides, the others run what each round brings. */
#ifndef PITPROP_WHY_RUN_H
#define PITPROP_WHY_RUN_H

#include <limits.h>

#include "study/farm/rounds.h"
#include "why_internal.h"

typedef struct why {
    const pp_why_spec *asked, *spec; /* as asked about; of a part of the rows, or the same */
    pp_why_spec part;
    pp_job *whole;            /* rank 0: on all rows, where a part is asked about; NULL: not so */
    const pp_mend *part_mend; /* rank 0: makes the copy of that part; NULL: all rows are asked */
    double fewer_epochs, fewer_steps; /* of the whole over those of the part; 0: none are given */
    why_plan plan;
    pp_why *result;       /* rank 0 */
    char study[PATH_MAX]; /* directory of the trials */
    rounds rounds;
    /* of the round that runs, for the lines on the way */
    const int *list;
    int n, told;
} why;

/* ---- experiments.c ---- */
/* All on rank 0, while the others serve. */
/* Of experiments list [n] at full length, in trainings of the job. */
double pp__work_of_list(const why *w, const int *list, int n);
/* A line about a trial that has ended; context: why. */
void pp__tell_end(void *context, const pp_farm_trial *trial, const pp_outcome *outcome);
/* A file in the directory of the answer. */
pp_status pp__write_text(const why *w, const char *file, pp_json_writer *writer, pp_error *err);
/* why.json as far as it is known. */
pp_status pp__write_why(const why *w, pp_error *err);
/* Collective, while the others serve. Experiments list [n], each for 1/parts of its training. */
pp_status pp__experiment(why *w, const int *list, int n, int parts, pp_error *err);
/* What is left of the budget. */
double pp__rest(const why *w);

/* ---- part.c: a part of the rows ---- */
/* Collective: w->spec is of the part that w->asked wants. */
pp_status pp__take_part(why *w, pp_error *err);
/* The copy of it. */
pp_status pp__write_part(const why *w, pp_error *err);
/* A patch of the job on the part, for the job on all rows. */
pp_status pp__for_whole(const why *w, const pp_patch *patch, pp_patch *out, pp_error *err);
/* What the part says of the whole. */
void pp__say_part(why *w);

/* ---- walk.c ---- */
/* Collective, while the others serve. From the control that works best back to the job: halves what
 * they differ in until the smallest set that repairs is left, and names it by the causes that own
 * its parts. */
pp_status pp__walk_back(why *w, pp_error *err);

/* ---- seeds.c ---- */
/* Collective, while the others serve. Runs what is about to be accused with other seeds, and takes
 * back what was luck. */
pp_status pp__confirm(why *w, pp_error *err);
/* Collective, while the others serve. A few seeds more, where some fail and others do not, or where
 * they cost a small part of the budget of a job that does not fail. */
pp_status pp__try_seeds(why *w, pp_error *err);

#endif
