#include <math.h>

#include "compute/compute.h"

int pp_update_states(const pp_job_optimizer *optimizer)
{
    switch (optimizer->type) {
    case PP_OPT_SGD:
        return optimizer->momentum > 0;
    case PP_OPT_ADAM:
    case PP_OPT_ADAMW:
        return 2;
    case PP_OPT_RMSPROP:
        return optimizer->momentum > 0 ? 2 : 1;
    case PP_OPT_ADAGRAD:
        return 1;
    }
    return 0;
}

pp_update pp_update_at(const pp_job_optimizer *optimizer, double lr, int64_t step)
{
    double t = (double)step + 1;
    int decoupled = optimizer->type == PP_OPT_ADAMW;
    int adam = decoupled || optimizer->type == PP_OPT_ADAM;
    double beta2 = optimizer->type == PP_OPT_RMSPROP ? optimizer->alpha : optimizer->beta2;
    return (pp_update){
        .type = optimizer->type,
        .lr = (float)(adam ? lr / (1 - pow(optimizer->beta1, t)) : lr),
        .momentum = (float)optimizer->momentum,
        .nesterov = optimizer->nesterov,
        .beta1 = (float)optimizer->beta1,
        .rest1 = (float)(1 - optimizer->beta1),
        .beta2 = (float)beta2,
        .rest2 = (float)(1 - beta2),
        .root = (float)sqrt(1 - pow(beta2, t)),
        .epsilon = (float)optimizer->epsilon,
        .decay = (float)(decoupled ? 0 : optimizer->weight_decay),
        .shrink = (float)(decoupled ? 1 - lr * optimizer->weight_decay : 1),
    };
}
