/* The backends of this build. */
#include "compute/compute.h"

#define DECLARE(identifier, name, table) extern const pp_backend table;
PP_BACKEND_LIST(DECLARE)
#undef DECLARE

#define ROW(identifier, name, table) [identifier] = &(table),
static const pp_backend *const backends[] = {PP_BACKEND_LIST(ROW)};
#undef ROW

const pp_backend *pp_backend_of(pp_backend_type type)
{
    return backends[type];
}

const pp_backend *pp_backend_at(int i)
{
    return (size_t)i < sizeof backends / sizeof *backends ? backends[i] : NULL;
}
