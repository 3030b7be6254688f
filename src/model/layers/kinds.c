/* Kind of layer to code. */
#include "model/layers/layer.h"

#define ROW(kind, code) [kind] = &code,
static const pp__layer_code *const codes[] = {PP__LAYER_CODES(ROW)};
#undef ROW

#define ONE(...) +1
_Static_assert(0 PP__LAYER_CODES(ONE) == 0 PP_LAYER_LIST(ONE), "a kind of layer without code");
#undef ONE

const pp__layer_code *pp__layer_code_of(pp_layer_type type)
{
    return codes[type];
}
