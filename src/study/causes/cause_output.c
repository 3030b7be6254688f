/* Where outputs meet targets: last activation, loss, code of the labels. */
#include "cause_internal.h"

#include <math.h>
#include <string.h>

static int is_on_probabilities(const pp_job *job)
{
    return job->loss.type != PP_LOSS_AUTO && pp_loss_is_on_probabilities(job->loss.type);
}

static int is_on_logits(const pp_job *job)
{
    return job->loss.type != PP_LOSS_AUTO && pp_loss_is_on_logits(job->loss.type);
}

static int is_real(const pp_job *job)
{
    return !is_on_probabilities(job) && !is_on_logits(job);
}

static int is_binary(pp_loss_type loss)
{
    return loss != PP_LOSS_AUTO && pp_loss_family_of(loss) == PP_FAMILY_BINARY;
}

static int is_squashed(pp_activation a)
{
    return pp_activation_kind_of(a)->range == PP_RANGE_SHARES;
}

/* The loss that takes logits, or the one that takes probabilities, with the same classes. */
static const char *loss_on(const pp_job *job, int logits)
{
    int binary = is_binary(job->loss.type);
    if (logits) return binary ? "bce_logits" : "cross_entropy_logits";
    return binary ? "bce" : "cross_entropy";
}

/* Another loss as a whole: keys that belong to the old one go. That every prediction is paired with
 * every target is another cause and stays, where the new loss can be paired so. */
static void set_loss(const pp_case *c, pp_probe *probe, const char *type)
{
    int paired = c->job->loss.targets == PP_TARGETS_BROADCAST && strstr(type, "cross") == NULL;
    pp__change(probe, "loss",
               pp_arena_printf(c->arena, "{\"type\": \"%s\"%s}", type,
                               paired ? ", \"targets\": \"broadcast\"" : ""));
}

/* Nothing at prediction that training does not have; keys of a clamp go with it. */
static void plain_predictions(const pp_case *c, pp_probe *probe)
{
    if (c->job->model.at_prediction == PP_PREDICT_NONE) return;
    if (c->job->model.at_prediction == PP_PREDICT_CLAMP) {
        pp__change(probe, "model.clamp_low", "null");
        pp__change(probe, "model.clamp_high", "null");
    }
    pp__change(probe, "model.at_prediction", "none");
}

/* ---- activation: missing, only at prediction, twice ---- */

CAUSE_SIGN(pp__sign_missing_activation)
{
    return is_on_probabilities(c->job) && !is_squashed(pp__output_activation(c)) ? 1 : 0;
}

CAUSE_PROBES(pp__probe_missing_activation)
{
    int n = 0, binary = c->job->loss.type == PP_LOSS_BCE;
    if (!is_on_probabilities(c->job) || is_squashed(pp__output_activation(c))) return 0;
    const char *name = binary ? "sigmoid" : "softmax";
    if (n < room && pp__probe(c, &probes[n], "%s at the output", name))
        pp__set_output_activation(c, &probes[n++], name);
    if (n < room && pp__probe(c, &probes[n], "a loss that takes logits"))
        set_loss(c, &probes[n++], loss_on(c->job, 1));
    return n;
}

CAUSE_SIGN(pp__sign_prediction_only)
{
    pp_at_prediction at = c->job->model.at_prediction;
    int squashes = at == PP_PREDICT_SIGMOID || at == PP_PREDICT_SOFTMAX;
    return squashes && !is_on_logits(c->job) && !is_squashed(pp__output_activation(c)) ? 0.95 : 0;
}

CAUSE_PROBES(pp__probe_prediction_only)
{
    int n = 0, softmax = c->job->model.at_prediction == PP_PREDICT_SOFTMAX;
    if (pp__sign_prediction_only(c) == 0) return 0;
    const char *name = softmax ? "softmax" : "sigmoid";
    if (n < room && pp__probe(c, &probes[n], "%s in training as well", name)) {
        pp__set_output_activation(c, &probes[n], name);
        pp__change(&probes[n++], "model.at_prediction", "none");
    }
    if (n < room && pp__task(c) != PP_TASK_REGRESSION &&
        pp__probe(c, &probes[n], "a loss that takes logits")) {
        set_loss(c, &probes[n], softmax ? "cross_entropy_logits" : "bce_logits");
        pp__change(&probes[n++], "model.at_prediction", "none");
    }
    if (n < room)
        n += pp__single(c, &probes[n], "none at prediction", "model.at_prediction", "none");
    return n;
}

static int squashes_again(const pp_job *job)
{
    pp_at_prediction at = job->model.at_prediction;
    return is_on_logits(job) || at == PP_PREDICT_SIGMOID || at == PP_PREDICT_SOFTMAX;
}

CAUSE_SIGN(pp__sign_twice)
{
    return is_squashed(pp__output_activation(c)) && squashes_again(c->job) ? 1 : 0;
}

CAUSE_PROBES(pp__probe_twice)
{
    int n = 0;
    if (pp__sign_twice(c) == 0) return 0;
    if (is_on_logits(c->job)) {
        if (n < room && pp__probe(c, &probes[n], "no activation at the output"))
            pp__set_output_activation(c, &probes[n++], "identity");
        if (n < room && pp__probe(c, &probes[n], "a loss that takes probabilities"))
            set_loss(c, &probes[n++], loss_on(c->job, 0));
    } else if (n < room) {
        n += pp__single(c, &probes[n], "none at prediction", "model.at_prediction", "none");
    }
    return n;
}

/* ---- loss ---- */

static int is_over_classes(const pp_job *job)
{
    return job->loss.type != PP_LOSS_AUTO && pp_loss_family_of(job->loss.type) == PP_FAMILY_CLASSES;
}

/* Softmax over one output is 1, whatever the output says. */
static int is_single_softmax(const pp_case *c)
{
    return pp__output_units(c) == 1 && pp__output_activation(c) == PP_ACT_SOFTMAX;
}

/* Several columns of probabilities: any number of them may hold for a row. */
static int is_multi_label(const pp_case *c)
{
    const pp_inspection *d = c->data;
    return d != NULL && d->y_columns > 1 && pp__task(c) != PP_TASK_MULTICLASS &&
           d->targets.min >= 0 && d->targets.max <= 1 && !is_real(c->job);
}

/* A quantile is asked for by whoever names one; near 0 or 1 hardly any row is beyond it. */
static int is_quantile_meant(const pp_job *job)
{
    double q = job->loss.quantile;
    return job->loss.type == PP_LOSS_QUANTILE && q >= 0.02 && q <= 0.98;
}

/* Outputs of the task with its own loss; PP_AUTO: not known. */
static int64_t wanted_units(const pp_case *c)
{
    if (c->data == NULL) return PP_AUTO;
    return pp__task(c) == PP_TASK_MULTICLASS ? c->job->data.classes : c->data->y_columns;
}

CAUSE_SIGN(pp__sign_loss)
{
    pp_task task = pp__task(c);
    pp_loss_type loss = c->job->loss.type;
    int binary_loss = is_binary(loss);
    if (is_multi_label(c)) /* shares of 1, where each has its own */
        return pp__output_activation(c) == PP_ACT_SOFTMAX || !binary_loss ? 1 : 0;
    if (is_over_classes(c->job) && pp__output_units(c) == 1 && task != PP_TASK_REGRESSION) return 1;
    if (task == PP_TASK_REGRESSION && !is_real(c->job)) return 0.7;
    if (task == PP_TASK_REGRESSION)
        return loss == PP_LOSS_MSE || is_quantile_meant(c->job) ? 0 : 0.15;
    if (task == PP_TASK_BINARY && binary_loss && pp__output_units(c) > 1 &&
        c->job->loss.targets != PP_TARGETS_ONE_HOT && c->data != NULL && c->data->y_columns == 1)
        return 0.9; /* the one label meets every unit */
    if (task == PP_TASK_MULTICLASS && binary_loss) return pp__output_units(c) == 1 ? 1 : 0.5;
    if (is_real(c->job)) return task == PP_TASK_MULTICLASS ? 0.6 : 0.4;
    return 0;
}

/* What a probe changes where outputs meet the loss, on outputs with one of the activations `from`.
 */
enum { LOSS = 1, ACTIVATION = 2, UNITS = 4 };
#define FROM(a) (1u << (a))
#define BENT (~FROM(PP_ACT_IDENTITY))

typedef struct output_change {
    int parts;
    unsigned from;
    const char *label;
    pp_loss_type loss; /* auto: the one of the task */
    const char *activation;
} output_change;

/* Each is wider than those before it. */
static const output_change changes_for_labels[] = {
    {ACTIVATION, BENT, "a sigmoid for each label", PP_LOSS_AUTO, "sigmoid"},
    {LOSS | ACTIVATION, BENT, "a sigmoid and binary cross-entropy for each label", PP_LOSS_BCE,
     "sigmoid"},
    {0}};
static const output_change changes_for_numbers[] = {
    {LOSS, ~0u, "mean squared error", PP_LOSS_MSE, ""},
    {LOSS | ACTIVATION, BENT, "mean squared error, no activation at the output", PP_LOSS_MSE,
     "identity"},
    {LOSS | UNITS, FROM(PP_ACT_IDENTITY), "mean squared error, one output a target", PP_LOSS_MSE,
     ""},
    {LOSS | ACTIVATION | UNITS, BENT, "mean squared error, no activation, one output a target",
     PP_LOSS_MSE, "identity"},
    {0}};
static const output_change changes_for_classes[] = {
    {LOSS, FROM(PP_ACT_IDENTITY), "cross-entropy on logits", PP_LOSS_AUTO, ""},
    {LOSS, FROM(PP_ACT_SIGMOID), "binary cross-entropy", PP_LOSS_BCE, ""},
    {LOSS, FROM(PP_ACT_SOFTMAX), "cross-entropy", PP_LOSS_CE, ""},
    {UNITS, ~FROM(PP_ACT_SOFTMAX), "as many outputs as the task has", PP_LOSS_AUTO, ""},
    {LOSS | ACTIVATION, BENT, "cross-entropy on logits, no activation at the output", PP_LOSS_AUTO,
     "identity"},
    {LOSS | UNITS, FROM(PP_ACT_IDENTITY),
     "cross-entropy on logits, as many outputs as the task has", PP_LOSS_AUTO, ""},
    {ACTIVATION | UNITS, BENT, "no activation at the output, as many outputs as the task has",
     PP_LOSS_AUTO, "identity"},
    {LOSS | ACTIVATION | UNITS, BENT,
     "cross-entropy on logits, no activation, as many outputs as the task has", PP_LOSS_AUTO,
     "identity"},
    {0}};

/* 0: there is nothing to change in one of the parts, so that a narrower change does as much. */
static int change_output(const pp_case *c, pp_probe *probe, const output_change *o)
{
    if (o->parts == UNITS && c->data == NULL) return 0;
    pp_loss_type loss = o->loss != PP_LOSS_AUTO ? o->loss : pp_loss_of_task(pp__task(c));
    if (!pp__probe(c, probe, "%s", o->label)) return 0;
    for (int part = LOSS; part <= UNITS; part *= 2) {
        int before = probe->patch.count;
        if (!(o->parts & part)) continue;
        if (part == LOSS && loss != c->job->loss.type) set_loss(c, probe, pp_loss_name(loss));
        if (part == ACTIVATION) pp__set_output_activation(c, probe, o->activation);
        if (part == UNITS && pp__output_units(c) != wanted_units(c))
            pp__set_output_units(c, probe, "\"auto\"");
        if (probe->patch.count == before) return 0;
    }
    if (o->parts & ACTIVATION || pp__task(c) != PP_TASK_REGRESSION) plain_predictions(c, probe);
    return pp__fits(c, probe);
}

CAUSE_PROBES(pp__probe_loss)
{
    int is_numbers = pp__task(c) == PP_TASK_REGRESSION, n = 0;
    const output_change *o = is_multi_label(c) ? changes_for_labels
                             : is_numbers      ? changes_for_numbers
                                               : changes_for_classes;
    if (pp__sign_loss(c) == 0) return 0;
    for (; o->parts != 0 && n < room; o++)
        if (o->from & FROM(pp__output_activation(c))) n += change_output(c, &probes[n], o);
    return n;
}

/* Numbers within [0, 1], and a loss for any number. */
CAUSE_SIGN(pp__sign_bounded)
{
    if (pp__task(c) != PP_TASK_REGRESSION || c->data == NULL || !is_real(c->job)) return 0;
    const pp_inspection_targets *t = &c->data->targets;
    return t->min >= 0 && t->max <= 1 && !is_squashed(pp__output_activation(c)) ? 0.2 : 0;
}

CAUSE_PROBES(pp__probe_bounded)
{
    int n = 0;
    if (pp__sign_bounded(c) == 0) return 0;
    if (n < room && pp__probe(c, &probes[n], "sigmoid at the output"))
        pp__set_output_activation(c, &probes[n++], "sigmoid");
    if (c->job->loss.type != PP_LOSS_HUBER && n < room && pp__probe(c, &probes[n], "Huber loss"))
        set_loss(c, &probes[n++], "huber");
    return n;
}

CAUSE_SIGN(pp__sign_smoothing)
{
    double s = c->job->loss.label_smoothing;
    return s > 0 ? pp__ramp(s, 0.15, 0.8) : 0;
}

CAUSE_PROBES(pp__probe_smoothing)
{
    if (room < 1 || c->job->loss.label_smoothing <= 0) return 0;
    return pp__single(c, probes, "no label smoothing", "loss.label_smoothing", "0");
}

/* ---- what predictions can reach ---- */

CAUSE_SIGN(pp__sign_clamp)
{
    if (c->job->model.at_prediction != PP_PREDICT_CLAMP) return 0;
    return pp__has_verdict(c, PP__VERDICT(CLAMPED) | PP__VERDICT(SATURATED)) ? 1 : 0.5;
}

CAUSE_PROBES(pp__probe_clamp)
{
    if (room < 1 || c->job->model.at_prediction != PP_PREDICT_CLAMP) return 0;
    if (!pp__probe(c, probes, "no clamp")) return 0;
    plain_predictions(c, probes);
    return 1;
}

CAUSE_SIGN(pp__sign_range)
{
    pp_activation a = pp__output_activation(c);
    const pp_activation_kind *kind = pp_activation_kind_of(a);
    if (a == PP_ACT_IDENTITY) return 0;
    if (is_single_softmax(c))
        return is_over_classes(c->job) ? 0.5 : 1; /* CE: one output alone is 1 */
    if (pp__task(c) != PP_TASK_REGRESSION || c->data == NULL) return is_squashed(a) ? 0 : 0.6;
    const pp_inspection_targets *t = &c->data->targets;
    return t->min < kind->low - 1e-6 || t->max > kind->high + 1e-6 ? 1 : 0.2;
}

CAUSE_PROBES(pp__probe_range)
{
    int is_one = is_single_softmax(c) && pp__task(c) != PP_TASK_REGRESSION;
    if (room < 1 || pp__sign_range(c) == 0) return 0;
    if (!pp__probe(c, probes,
                   is_one ? "a sigmoid in place of the softmax over one output"
                          : "no activation at the output"))
        return 0;
    pp__set_output_activation(c, probes, is_one ? "sigmoid" : "identity");
    return pp__fits(c, probes);
}

/* ---- how targets are told ---- */

/* Two labels that are not 0 and 1, and a loss that takes them for probabilities. */
CAUSE_SIGN(pp__sign_label_code)
{
    if (pp__task(c) != PP_TASK_BINARY || c->data == NULL || c->job->data.recode_labels) return 0;
    if (c->data->targets.min >= 0 && c->data->targets.max <= 1) return 0;
    return is_binary(c->job->loss.type) ? 1 : 0.2;
}

CAUSE_PROBES(pp__probe_label_code)
{
    if (room < 1 || pp__sign_label_code(c) == 0) return 0;
    return pp__single(c, probes, "labels recoded to 0 and 1", "data.recode_labels", "true");
}

CAUSE_SIGN(pp__sign_broadcast)
{
    return c->job->loss.targets == PP_TARGETS_BROADCAST ? 1 : 0;
}

CAUSE_PROBES(pp__probe_broadcast)
{
    if (room < 1 || c->job->loss.targets != PP_TARGETS_BROADCAST) return 0;
    return pp__single(c, probes, "every prediction with its own target", "loss.targets", "auto");
}
