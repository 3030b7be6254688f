#include "base/stop.h"

#include <stddef.h>

static const volatile sig_atomic_t *stop;

void pp_stop_on(const volatile sig_atomic_t *flag)
{
    stop = flag;
}

pp_status pp_stop_check(pp_error *err)
{
    if (stop == NULL || !*stop) return PP_OK;
    return pp_fail(err, PP_E_STOPPED, "stopped on request while the data were being read");
}
