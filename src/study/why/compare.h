/* How experiments compare, and when a job is sound: what an accusation rests on. */
#ifndef PITPROP_WHY_COMPARE_H
#define PITPROP_WHY_COMPARE_H

#include "study/why/why_internal.h"

/* What counts as a repair: more than noise, and a good part of what any experiment has reached. */
static const double least_gain = 0.02, part_of_best = 0.5;
/* More than noise: so many standard errors of a difference. */
static const double sure_errors = 3;
/* What a remedy should reach of the best, and a job that is called healthy; and what the best is
 * better by, if that is to say anything. */
static const double good_part_of_best = 0.8, clear_gap = 0.05;
/* A job whose verdict is healthy is looked at closely where it earns less than that, and so much is
 * a repair of it. */
static const double plain_score = 0.1, suspicious_gap = 0.1;

/* ---- compare.c ---- */
int pp__is_whole(const pp_experiment *e); /* has had all of its training */
/* Hardly anything of what it has learned holds on held-out rows. */
int pp__is_of_training_rows(const pp_experiment *e);
const pp_experiment *pp__best_of(const pp_why *w);
double pp__best_score(const pp_why *w);
/* Deviation of the job and the other seeds. */
double pp__noise_of(const pp_why *w);
/* Of two seeds' noise, as much as may count. */
double pp__margin_of_seeds(const pp_why *w);
/* a is better than b beyond what rows and seeds vary, and by `least`. */
int pp__is_better(const pp_why *w, const pp_experiment *a, const pp_experiment *b, double least);
/* They differ by no more than rows and seeds make them. */
int pp__are_alike(const pp_why *w, const pp_experiment *a, const pp_experiment *b);
int pp__looks_healthy(const pp_experiment *e);
/* The least gain that is a repair. */
double pp__least_of_repair(const pp_why *w);

/* ---- sound.c ---- */
/* Its verdict says so, its own test puts its score above 0, and the controls do not contradict. */
int pp__is_sound(const pp_why *w);
/* It knows its training rows, and so few of them that little of it holds elsewhere; and so does the
 * reference. */
int pp__has_too_few_rows(const pp_why *w);
/* The held-out rows leave room for a signal, or the training rows are too few to find one. */
int pp__may_hide_signal(const pp_why *w);
/* It is not worse than others, so far as so few rows tell. */
int pp__is_left_open(const pp_why *w);

#endif
