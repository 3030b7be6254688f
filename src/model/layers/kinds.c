/* Kind of layer to code. */
#include "model/layers/layer.h"

static const pp__layer_code *const codes[] = {
    [PP_LAYER_DENSE] = &pp__dense_code,           [PP_LAYER_ACTIVATION] = &pp__activation_code,
    [PP_LAYER_DROPOUT] = &pp__dropout_code,       [PP_LAYER_BATCH_NORM] = &pp__batch_norm_code,
    [PP_LAYER_LAYER_NORM] = &pp__layer_norm_code, [PP_LAYER_RESIDUAL] = &pp__residual_code,
};

#define ONE(...) +1
_Static_assert(sizeof codes / sizeof *codes == 0 PP_LAYER_LIST(ONE),
               "a kind of layer without code");
#undef ONE

const pp__layer_code *pp__layer_code_of(pp_layer_type type)
{
    return codes[type];
}
