/* A request to stop, for work that has no step at which it would be asked otherwise: reading that
 * takes hours. Whoever handles signals names the flag; readers look at it and leave with
 * PP_E_STOPPED. */
#ifndef PITPROP_STOP_H
#define PITPROP_STOP_H

#include <signal.h>

#include "pitprop/error.h"

/* The flag of this process, not 0 once it is to stop; NULL (as at first): never. Borrowed. */
void pp_stop_on(const volatile sig_atomic_t *flag);
/* PP_E_STOPPED where it is to stop. */
pp_status pp_stop_check(pp_error *err);

#endif
