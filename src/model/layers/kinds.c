/* Kind of layer to code. */
#include "model/layers/layer.h"

static const pp__layer_code *const codes[] = {
    [PP_LAYER_DENSE] = &pp__dense_code,
    [PP_LAYER_ACTIVATION] = &pp__activation_code,
    [PP_LAYER_DROPOUT] = &pp__dropout_code,
    [PP_LAYER_BATCH_NORM] = &pp__batch_norm_code,
    [PP_LAYER_LAYER_NORM] = &pp__layer_norm_code,
    [PP_LAYER_RESIDUAL] = &pp__residual_code,
    [PP_LAYER_CONV1D] = &pp__conv_code,
    [PP_LAYER_CONV2D] = &pp__conv_code,
    [PP_LAYER_MAX_POOL1D] = &pp__max_pool_code,
    [PP_LAYER_MAX_POOL2D] = &pp__max_pool_code,
    [PP_LAYER_AVERAGE_POOL1D] = &pp__average_pool_code,
    [PP_LAYER_AVERAGE_POOL2D] = &pp__average_pool_code,
    [PP_LAYER_GLOBAL_AVERAGE_POOL] = &pp__global_average_pool_code,
    [PP_LAYER_FLATTEN] = &pp__flatten_code,
};

#define ONE(...) +1
_Static_assert(sizeof codes / sizeof *codes == 0 PP_LAYER_LIST(ONE),
               "a kind of layer without code");
#undef ONE

const pp__layer_code *pp__layer_code_of(pp_layer_type type)
{
    return codes[type];
}
