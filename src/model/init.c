#include <math.h>

#include "model/model.h"

static const double pi = 3.14159265358979323846;

/* Two standard normals from two 32-bit words (Box-Muller). */
static void normal_pair(const uint32_t words[2], double pair[2])
{
    double radius = sqrt(-2.0 * log(((double)words[0] + 1.0) * 0x1p-32));
    double angle = 2.0 * pi * 0x1p-32 * (double)words[1];
    pair[0] = radius * cos(angle);
    pair[1] = radius * sin(angle);
}

static void fill_normal(pp_rng rng, double deviation, int64_t count, float *values)
{
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        double z[4];
        pp_rng_words(rng, (uint32_t)(i / 4), words);
        normal_pair(words, z);
        normal_pair(words + 2, z + 2);
        for (int64_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float)(deviation * z[j]);
    }
}

static void fill_uniform(pp_rng rng, double bound, int64_t count, float *values)
{
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        pp_rng_words(rng, (uint32_t)(i / 4), words);
        for (int64_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float)(bound * (2.0 * 0x1p-32 * (double)words[j] - 1.0));
    }
}

static void fill_constant(double value, int64_t count, float *values)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)value;
}

/* He et al., arXiv:1502.01852; Glorot and Bengio, AISTATS 2010; LeCun et al., Efficient BackProp,
 * 1998. */
static void fill(const pp_param *param, pp_rng rng, float *values)
{
    double in = (double)param->fan_in, out = (double)param->fan_out;
    switch (param->init) {
    case PP_INIT_HE:
        fill_normal(rng, sqrt(2.0 / in), param->count, values);
        break;
    case PP_INIT_XAVIER:
        fill_uniform(rng, sqrt(6.0 / (in + out)), param->count, values);
        break;
    case PP_INIT_LECUN:
        fill_normal(rng, sqrt(1.0 / in), param->count, values);
        break;
    case PP_INIT_NORMAL:
        fill_normal(rng, param->init_scale, param->count, values);
        break;
    case PP_INIT_UNIFORM:
        fill_uniform(rng, param->init_scale, param->count, values);
        break;
    case PP_INIT_CONSTANT:
        fill_constant(param->init_scale, param->count, values);
        break;
    case PP_INIT_AUTO: /* of a bias: weights were settled by the plan */
    case PP_INIT_ZEROS:
        fill_constant(0, param->count, values);
        break;
    }
}

void pp_model_init_param(const pp_model *model, int param, uint64_t seed, float *values)
{
    fill(&model->params[param], pp_rng_at(seed, PP_RNG_INIT, (uint64_t)param), values);
}

void pp_model_init(const pp_model *model, uint64_t seed, float *values)
{
    fill_constant(0, model->size, values);
    for (int i = 0; i < model->n_params; i++)
        pp_model_init_param(model, i, seed, values + model->params[i].offset);
}
