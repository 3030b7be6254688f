/* What a host, its control groups and Slurm let the processes of a job take. */
#ifndef PITPROP_LIMITS_H
#define PITPROP_LIMITS_H

#include <stdint.h>

/* Bytes of memory for all processes of this job on this host: of the host, and of each control
 * group (version 1 or 2) that the process is in, directly or not; or what Slurm has granted. The
 * least of them; 0: not known. root: "" (another where /proc and /sys of a test are). */
int64_t pp_limit_of_memory(const char *root);

#endif
