/* Why predictions that tell inputs apart are worse than a constant. */
#include "facts.h"

pp_reason pp__reason_of(const pp__case *c)
{
    const pp__facts *f = &c->judged;
    if (!f->varied || !f->worse || !f->associated) return PP_REASON_NONE;
    return f->s->association < 0 && f->informative ? PP_REASON_INVERTED : PP_REASON_NONE;
}
