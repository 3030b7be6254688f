/* What launchers say in environment variables. */
#ifndef PITPROP_ENVIRONMENT_H
#define PITPROP_ENVIRONMENT_H

/* A whole number from 0 up; 0 also where the variable is not set, holds something else or more than
 * an int does. */
int pp_environment_int(const char *name);

#endif
