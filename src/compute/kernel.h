/* Which of its kernels OpenBLAS multiplies with, and whether it is one for this CPU.
 *
 * OpenBLAS picks a kernel when it is loaded, by the CPU's model number, and takes a model that it
 * does not know for an old one: before 0.3.25, every new Intel CPU for a Prescott (its issue 4267).
 * The features of a CPU say better what it can do. OpenBLAS reads OPENBLAS_CORETYPE while it is
 * loaded, so another kernel wants another start of the program: before MPI, in the same process. */
#ifndef PITPROP_COMPUTE_KERNEL_H
#define PITPROP_COMPUTE_KERNEL_H

#include <stddef.h>

#include "pitprop/error.h"
#include "base/log.h"

enum { PP_KERNEL_NAME = 24, PP_KERNEL_TEXT = 512 };

/* Makes `wanted` the kernel: "auto" (what the user's OPENBLAS_CORETYPE says, else one for this CPU)
 * or a name. Where OpenBLAS runs another, starts the program again with argv and does not return;
 * where that is impossible or has been tried in vain, stays with what runs ("auto") or fails. Tries
 * a few products against plain loops and fails where they are wrong. Before MPI and threads. */
pp_status pp_kernel_settle(const char *wanted, char **argv, pp_error *err);

const char *pp_kernel_name(void); /* of the kernel that runs; static */
/* Floats multiplied and added by one instruction of it, twice; 0: not known. */
int pp_kernel_width(const char *name);
/* The kernel, who has chosen it where that was not OpenBLAS, and what this CPU could run. */
void pp_kernel_describe(char *text, size_t size);
/* What the user should know: 0 where it is as it should be, else one line and its level. */
int pp_kernel_remark(const char *wanted, char text[PP_KERNEL_TEXT], pp_level *level);

#endif
