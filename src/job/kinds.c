/* The rows of kinds.h as tables. */
#include "job/kinds.h"

#include <math.h>

#include "job/job.h"
#include "job_internal.h"
#include "key_rows.h"

/* ---- activations ---- */

#define NAME(identifier, name, he, takes_input, range, low, high) [identifier] = name,
#define ROW(identifier, name, he, takes_input, range, low, high)                                   \
    [identifier] = {name, he, takes_input, range, low, high},
const char *const pp__activation_names[] = {PP_ACTIVATION_LIST(NAME)};
static const pp_activation_kind activations[] = {PP_ACTIVATION_LIST(ROW)};
#undef NAME
#undef ROW

const pp_activation_kind *pp_activation_kind_of(pp_activation activation)
{
    return &activations[activation];
}

const char *pp_activation_name(pp_activation activation)
{
    return activations[activation].name;
}

/* ---- losses ---- */

#define NAME(identifier, name, family, link, task) [identifier] = name,
#define ROW(identifier, name, family, link, task) [identifier] = {family, link, task},
const char *const pp__loss_names[] = {PP_LOSS_LIST(NAME)[PP_LOSS_AUTO] = "auto"};
static const struct {
    pp_loss_family family;
    pp_at_prediction link;
    pp_task task;
} losses[] = {PP_LOSS_LIST(ROW)};
#undef NAME
#undef ROW

pp_loss_family pp_loss_family_of(pp_loss_type loss)
{
    return losses[loss].family;
}

pp_at_prediction pp_loss_link(pp_loss_type loss)
{
    return losses[loss].link;
}

int pp_loss_is_on_logits(pp_loss_type loss)
{
    return losses[loss].link != PP_PREDICT_NONE;
}

int pp_loss_is_on_probabilities(pp_loss_type loss)
{
    return losses[loss].family != PP_FAMILY_REAL && !pp_loss_is_on_logits(loss);
}

const char *pp_loss_name(pp_loss_type loss)
{
    return pp__loss_names[loss];
}

pp_loss_type pp_loss_of_task(pp_task task)
{
    for (int i = 0; task != PP_TASK_AUTO && i < PP_LOSS_AUTO; i++)
        if (losses[i].task == task) return (pp_loss_type)i;
    return PP_LOSS_AUTO;
}

static const char *const targets_names[] = {
    [PP_TARGETS_AUTO] = "auto",           [PP_TARGETS_INDEX] = "index",
    [PP_TARGETS_ONE_HOT] = "one_hot",     [PP_TARGETS_DENSE] = "dense",
    [PP_TARGETS_BROADCAST] = "broadcast",
};

#define OF_CLASSES(identifier, name, family, link, task)                                           \
    | ((family) != PP_FAMILY_REAL ? ON(identifier) : 0)
#define CUTS(identifier, name, family, link, task)                                                 \
    | ((family) != PP_FAMILY_REAL && (link) == PP_PREDICT_NONE ? ON(identifier) : 0)
enum {
    TAKE_LABELS = ON(PP_LOSS_AUTO) PP_LOSS_LIST(OF_CLASSES),
    ON_PROBABILITIES = 0 PP_LOSS_LIST(CUTS)
};
#undef OF_CLASSES
#undef CUTS

#define LOSS(NAME, KIND, member) KEY(pp_job_loss, NAME, KIND, member)

static const pp__key loss_keys[] = {
    {LOSS("type", PP__ENUM, type), .fallback = "\"auto\"", NAMES(pp__loss_names),
     .help =
         "auto: bce_logits for a binary task, cross_entropy_logits for several classes, mse for "
         "a regression. bce and cross_entropy expect probabilities, *_logits apply sigmoid or "
         "softmax themselves."},
    {LOSS("targets", PP__ENUM, targets), .fallback = "\"auto\"", NAMES(targets_names),
     .help =
         "How y meets the outputs: as class index, as one column a class made from it, as columns "
         "(dense), or every prediction with every target (broadcast, a well-known mistake)."},
    {LOSS("label_smoothing", PP__NUMBER, label_smoothing), .fallback = "0", FROM_BELOW(0, 1),
     .when = TAKE_LABELS,
     .help = "Share s of the target given to all classes alike: t * (1 - s) + s / classes."},
    {LOSS("delta", PP__NUMBER, delta), .when = ON(PP_LOSS_HUBER), .fallback = "1", ABOVE(0),
     .help = "|error| beyond which the loss is linear, in units of y."},
    {LOSS("quantile", PP__NUMBER, quantile), .when = ON(PP_LOSS_QUANTILE), .fallback = "0.5",
     BETWEEN(0, 1), .help = "The quantile of y that is predicted."},
    {LOSS("epsilon", PP__NUMBER, epsilon), .when = ON_PROBABILITIES, .fallback = "1e-7",
     BETWEEN(0, 0.5), .help = "Probabilities are kept within [epsilon, 1 - epsilon]."},
};

const pp__group pp__loss_group = {
    .selector = "type", .keys = loss_keys, .n_keys = COUNT(loss_keys), .size = sizeof(pp_job_loss)};

/* ---- optimisers ---- */

#define NAME(identifier, name, most, usual, with_momentum) [identifier] = name,
#define ROW(identifier, name, most, usual, with_momentum)                                          \
    [identifier] = {name, most, usual, with_momentum},
const char *const pp__optimizer_names[] = {PP_OPTIMIZER_LIST(NAME)};
static const pp_optimizer_kind optimizers[] = {PP_OPTIMIZER_LIST(ROW)};
#undef NAME
#undef ROW

const pp_optimizer_kind *pp_optimizer_kind_of(pp_optimizer_type type)
{
    return &optimizers[type];
}

/* Defaults are PyTorch's. */
#define OPT(NAME, KIND, member) KEY(pp_job_optimizer, NAME, KIND, member)
#define ADAMS (ON(PP_OPT_ADAM) | ON(PP_OPT_ADAMW))
#define LR_HELP "Learning rate, before the schedule."
#define EPSILON_HELP "Added to the denominator of the update."

static const pp__key optimizer_keys[] = {
    {OPT("type", PP__ENUM, type), .fallback = "\"adam\"", NAMES(pp__optimizer_names),
     .help = "The method."},
    {OPT("lr", PP__NUMBER, lr), .when = ADAMS, .fallback = "0.001", ABOVE(0), .help = LR_HELP},
    {OPT("lr", PP__NUMBER, lr), .when = ON(PP_OPT_SGD) | ON(PP_OPT_RMSPROP) | ON(PP_OPT_ADAGRAD),
     .fallback = "0.01", ABOVE(0), .help = LR_HELP},
    {OPT("momentum", PP__NUMBER, momentum), .when = ON(PP_OPT_SGD) | ON(PP_OPT_RMSPROP),
     .fallback = "0", FROM_BELOW(0, 1), .help = "Share of the previous update that is kept."},
    {OPT("nesterov", PP__BOOL, nesterov), .when = ON(PP_OPT_SGD), .fallback = "false",
     .help = "Nesterov's momentum; needs momentum > 0."},
    {OPT("beta1", PP__NUMBER, beta1), .when = ADAMS, .fallback = "0.9", FROM_BELOW(0, 1),
     .help = "Decay of the mean of gradients."},
    {OPT("beta2", PP__NUMBER, beta2), .when = ADAMS, .fallback = "0.999", FROM_BELOW(0, 1),
     .help = "Decay of the mean of squared gradients."},
    {OPT("alpha", PP__NUMBER, alpha), .when = ON(PP_OPT_RMSPROP), .fallback = "0.99",
     FROM_BELOW(0, 1), .help = "Decay of the mean of squared gradients."},
    {OPT("epsilon", PP__NUMBER, epsilon), .when = ADAMS | ON(PP_OPT_RMSPROP), .fallback = "1e-8",
     ABOVE(0), .help = EPSILON_HELP},
    {OPT("epsilon", PP__NUMBER, epsilon), .when = ON(PP_OPT_ADAGRAD), .fallback = "1e-10", ABOVE(0),
     .help = EPSILON_HELP},
    {OPT("weight_decay", PP__NUMBER, weight_decay), .when = ON(PP_OPT_ADAMW), .fallback = "0.01",
     AT_LEAST(0), .help = "Weights shrink by lr * weight_decay a step, apart from the gradient."},
    {OPT("weight_decay", PP__NUMBER, weight_decay), .when = ~ON(PP_OPT_ADAMW), .fallback = "0",
     AT_LEAST(0), .help = "Adds weight_decay * weight to the gradient."},
};

const pp__group pp__optimizer_group = {.selector = "type",
                                       .keys = optimizer_keys,
                                       .n_keys = COUNT(optimizer_keys),
                                       .size = sizeof(pp_job_optimizer)};
