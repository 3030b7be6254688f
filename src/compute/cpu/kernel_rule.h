/* The rule of pitprop/compute/kernel.h, without a look at the machine. */
#ifndef PITPROP_COMPUTE_CPU_KERNEL_RULE_H
#define PITPROP_COMPUTE_CPU_KERNEL_RULE_H

#include "compute/kernel.h"

/* Left in the environment for the program that is started again, and for what that one starts. */
typedef struct pp__kernel_mark {
    int is_there;
    int is_mine; /* left for this process, not for one that has started it */
    char found[PP_KERNEL_NAME], set[PP_KERNEL_NAME]; /* what OpenBLAS ran; what was asked of it */
    char wrong[PP_KERNEL_NAME];                      /* one that computes wrongly here, else "-" */
} pp__kernel_mark;

typedef struct pp__kernel_facts {
    const char *loaded; /* the kernel that runs */
    const char *wanted; /* "auto" or a name */
    const char *asked;  /* OPENBLAS_CORETYPE; NULL: not set */
    pp__kernel_mark mark;
    int is_right;                    /* its products are those of plain loops */
    int can_start;                   /* the program can be started again */
    int (*has)(const char *feature); /* of the CPU, by its name in /proc/cpuinfo */
} pp__kernel_facts;

typedef enum pp__kernel_act { PP_KERNEL_STAY, PP_KERNEL_START, PP_KERNEL_REFUSE } pp__kernel_act;

typedef struct pp__kernel_plan {
    pp__kernel_act act;
    const char *kernel;        /* START: with this one */
    pp__kernel_mark mark;      /* START: to leave */
    char text[PP_KERNEL_TEXT]; /* REFUSE: why */
} pp__kernel_plan;

pp__kernel_plan pp__kernel_decide(const pp__kernel_facts *facts);
/* The kernel of the table that uses more of the CPU than the one that runs; NULL: none. */
const char *pp__kernel_better(const pp__kernel_facts *facts);
/* Whether the CPU has what the kernel that runs needs, as far as the table knows it. */
int pp__kernel_runs_here(const pp__kernel_facts *facts);
/* Whether OPENBLAS_CORETYPE is the user's own word. */
int pp__kernel_is_asked(const pp__kernel_facts *facts);

#endif
