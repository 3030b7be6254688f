/* The little statistics that verdicts need, for this folder only. */
#ifndef PITPROP_COLLAPSE_STATISTICS_H
#define PITPROP_COLLAPSE_STATISTICS_H

/* z with P(|N(0, 1)| > z) = level, 0 < level < 1. */
double pp__two_sided_z(double level);

/* The same of Student's t with so many degrees of freedom: for means of few rows. */
double pp__two_sided_t(double level, double freedom);

/* P(X >= k) of n trials with this chance each. */
double pp__binomial_tail(long k, long n, double chance);

#endif
