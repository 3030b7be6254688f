/* The table of causes, and the recipes that show what the data allow. */
#include "cause_internal.h"

#include <math.h>
#include <string.h>

#define PROBED(name) .sign = pp__sign_##name, .probes = pp__probe_##name

static const pp_cause table[] = {
    /* where outputs meet targets */
    {.id = "activation-twice",
     .title = "an activation that is applied twice",
     PROBED(twice),
     .explains = "wrong-loss output-range saturated-units",
     .transfer = "drop nn.Sigmoid()/nn.Softmax() in front of BCEWithLogitsLoss/CrossEntropyLoss"},
    {.id = "missing-output-activation",
     .title = "a loss of probabilities on outputs that are none",
     PROBED(missing_activation),
     .explains = "wrong-loss",
     .transfer = "nn.BCEWithLogitsLoss instead of nn.BCELoss, or torch.sigmoid in forward()"},
    {.id = "activation-only-at-prediction",
     .title = "an activation at prediction that training did not have",
     PROBED(prediction_only),
     .explains = "wrong-loss loss-for-bounded-targets",
     .transfer = "put the sigmoid into forward(), or train with BCEWithLogitsLoss"},
    {.id = "target-broadcast",
     .title = "every prediction trained towards every target",
     PROBED(broadcast),
     .explains = "unsuitable-optimiser",
     .transfer = "y = y.view_as(output) before the loss: [n, 1] against [n] pairs all with all"},
    {.id = "label-code",
     .title = "labels in a code that the loss does not expect",
     PROBED(label_code),
     .explains = "wrong-loss",
     .transfer = "y = (y == y.max()).float() for {1, 2} or {-1, 1}; class indices for "
                 "CrossEntropyLoss"},
    {.id = "output-range",
     .title = "an output activation that cannot reach the targets",
     PROBED(range),
     .explains = "loss-for-bounded-targets dead-relus",
     .transfer = "no ReLU, tanh or sigmoid after the last nn.Linear of a regression"},
    {.id = "wrong-loss",
     .title = "a loss that does not fit the task",
     PROBED(loss),
     .transfer = "CrossEntropyLoss on raw outputs for classes, BCEWithLogitsLoss for two, MSELoss "
                 "for numbers"},
    {.id = "clamped-predictions",
     .title = "predictions that are clamped",
     PROBED(clamp),
     .explains = "output-range loss-for-bounded-targets",
     .transfer = "remove torch.clamp from prediction; bound the output by training a sigmoid"},
    {.id = "loss-for-bounded-targets",
     .title = "a loss for any number on targets within [0, 1]",
     PROBED(bounded),
     .transfer = "torch.sigmoid on the output, then MSELoss or BCELoss"},
    {.id = "label-smoothing-too-strong",
     .title = "label smoothing that is too strong",
     PROBED(smoothing),
     .transfer = "CrossEntropyLoss(label_smoothing=0)"},
    /* the rows */
    {.id = "missing-codes",
     .title = "codes for missing values that are taken for numbers",
     PROBED(codes),
     .in_data = 1,
     .of_rows = 1,
     .explains = "outliers unscaled-inputs dominant-feature unscaled-targets exploding dead-relus "
                 "saturated-units learning-rate-too-high",
     .transfer = "x[x == -999] = float('nan'), then the median of the column; drop rows without y"},
    {.id = "outliers",
     .title = "a few values far from all others",
     PROBED(outliers),
     .in_data = 1,
     .of_rows = 1,
     .explains = "unscaled-inputs dominant-feature unscaled-targets exploding dead-relus "
                 "saturated-units learning-rate-too-high wrong-loss",
     .transfer = "look at x.abs().max(0) and y.abs().max(); repair or drop these rows"},
    {.id = "leaking-feature",
     .title = "a feature that is the target",
     PROBED(leak),
     .in_data = 1,
     .of_rows = 1,
     .flatters = 1,
     .transfer = "drop the column; it is not known when a prediction is needed"},
    {.id = "copied-rows",
     .title = "held-out rows that are copies of training rows",
     PROBED(copies),
     .in_data = 1,
     .of_rows = 1,
     .flatters = 1,
     .transfer = "np.unique(rows, axis=0) before train_test_split"},
    {.id = "rows-not-mixed",
     .title = "rows that are sorted and not mixed",
     PROBED(unmixed),
     .explains = "too-few-steps learning-rate-too-low learning-rate-too-high batch-too-small "
                 "unlucky-initialisation",
     .transfer = "DataLoader(shuffle=True)"},
    {.id = "class-weights-inverted",
     .title = "class weights that favour the frequent class",
     PROBED(weights),
     .explains = "class-imbalance",
     .transfer = "weight = n / (k * count) of each class"},
    {.id = "class-imbalance",
     .title = "classes of very unequal size",
     PROBED(imbalance),
     .transfer = "CrossEntropyLoss(weight=...), pos_weight, or a WeightedRandomSampler"},
    {.id = "dominant-feature",
     .title = "a feature that drowns the others",
     .sign = pp__sign_dominant,
     .probes = pp__probe_standardise,
     .transfer = "x = (x - x.mean(0)) / x.std(0) with numbers of the training rows"},
    {.id = "unscaled-inputs",
     .title = "features that are not scaled",
     .sign = pp__sign_unscaled,
     .probes = pp__probe_standardise,
     .explains = "saturated-units dead-relus exploding",
     .transfer = "x = (x - x.mean(0)) / x.std(0) with numbers of the training rows"},
    {.id = "unscaled-targets",
     .title = "targets far from the scale of a network's answers",
     PROBED(target_scale),
     .explains = "learning-rate-too-low learning-rate-too-high too-few-steps exploding "
                 "unsuitable-optimiser batch-too-large dead-relus unlucky-initialisation",
     .transfer = "y = (y - y.mean()) / y.std() for training, and back at prediction"},
    {.id = "misaligned-rows",
     .title = "targets that belong to other rows",
     PROBED(misaligned),
     .in_data = 1,
     .transfer =
         "check that x[i] and y[i] come from the same record; a sort or an offset moved one"},
    {.id = "validation-from-elsewhere",
     .title = "held-out rows from another distribution",
     PROBED(validation),
     .in_data = 1,
     .transfer = "split the same data at random, by group where there are groups"},
    {.id = "constant-targets",
     .title = "targets that are nearly all the same",
     .sign = pp__sign_constant_targets,
     .transfer = "print(y.unique(return_counts=True))"},
    {.id = "constant-features",
     .title = "features that do not vary",
     .sign = pp__sign_constant_features,
     .transfer = "print(x.std(0))"},
    {.id = "non-finite-data",
     .title = "values that are not finite",
     .sign = pp__sign_non_finite,
     .transfer = "print(torch.isfinite(x).all(), torch.isfinite(y).all())"},
    {.id = "too-few-rows",
     .title = "too few rows to tell signal from chance",
     .transfer = "more rows, or fewer features and a smaller model"},
    {.id = "no-signal",
     .title = "features that say nothing about the targets",
     .transfer = "other features; check that labels belong to their rows"},
    /* the network */
    {.id = "frozen-layers",
     .title = "layers that are not trained",
     PROBED(frozen),
     .transfer = "requires_grad, and all parameters handed to the optimiser"},
    {.id = "initialisation",
     .title = "initial weights that are odd",
     PROBED(init),
     .explains = "dead-relus saturated-units exploding unlucky-initialisation",
     .transfer = "leave nn.Linear's own, or nn.init.kaiming_normal_; biases 0"},
    {.id = "batch-norm-share-too-small",
     .title = "batch normalisation over too few rows, or with running statistics that lag",
     PROBED(batch_norm),
     .transfer = "larger batches for each process, SyncBatchNorm, or LayerNorm"},
    {.id = "dropout-too-high",
     .title = "too much dropout",
     PROBED(dropout),
     .transfer = "nn.Dropout(0.1)"},
    {.id = "saturated-units",
     .title = "sigmoid or tanh layers whose gradients vanish",
     PROBED(saturated),
     .transfer = "nn.ReLU() in hidden layers"},
    {.id = "network-too-small",
     .title = "a network that is too small for these data",
     PROBED(size),
     .transfer = "a hidden layer of 64 units and more"},
    {.id = "dead-relus",
     .title = "ReLUs that are off for all rows",
     PROBED(relus),
     .transfer = "nn.LeakyReLU()"},
    /* the training */
    {.id = "weight-decay-too-strong",
     .title = "weight decay that is too strong",
     PROBED(decay),
     .transfer = "weight_decay=0"},
    {.id = "clipping-too-tight",
     .title = "gradients that are clipped too tightly",
     PROBED(clip),
     .explains = "learning-rate-too-low too-few-steps",
     .transfer = "clip_grad_norm_ with 1 or more"},
    {.id = "momentum-too-high",
     .title = "momentum that is too high",
     PROBED(momentum),
     .explains = "learning-rate-too-high",
     .transfer = "momentum=0.9, or betas=(0.9, 0.999)"},
    {.id = "learning-rate-too-high",
     .title = "a learning rate that is too high",
     PROBED(rate_high),
     .explains = "exploding dead-relus unsuitable-optimiser unlucky-initialisation batch-too-small "
                 "saturated-units",
     .transfer = "lr of the optimiser, divided by ten until the loss falls"},
    {.id = "learning-rate-too-low",
     .title = "a learning rate that is too low",
     PROBED(rate_low),
     .explains = "too-few-steps unsuitable-optimiser batch-too-large batch-too-small",
     .transfer = "lr of the optimiser, times ten until the loss falls"},
    {.id = "learning-rate-schedule",
     .title = "a schedule that takes the learning rate away",
     PROBED(schedule),
     .explains = "learning-rate-too-low too-few-steps",
     .transfer = "no lr_scheduler, or one that decays by epochs and not by steps"},
    {.id = "batch-too-large",
     .title = "a batch so large that there are few steps",
     PROBED(batch_large),
     .explains = "too-few-steps learning-rate-too-low",
     .transfer = "DataLoader(batch_size=32)"},
    {.id = "batch-too-small",
     .title = "batches so small that steps are mostly noise",
     PROBED(batch_small),
     .transfer = "DataLoader(batch_size=32)"},
    {.id = "too-few-steps", .title = "too few steps", PROBED(steps), .transfer = "more epochs"},
    {.id = "overfitting",
     .title = "training rows that are learnt by heart",
     PROBED(overfitting),
     .explains = "learning-rate-too-high momentum-too-high batch-too-small exploding "
                 "unsuitable-optimiser unlucky-initialisation saturated-units dead-relus "
                 "network-too-small",
     .transfer = "fewer epochs (keep the best by a validation loss), weight_decay, fewer units"},
    {.id = "exploding",
     .title = "gradients that explode",
     PROBED(exploding),
     .transfer = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"},
    {.id = "unsuitable-optimiser",
     .title = "an optimiser that does not suit",
     PROBED(optimizer),
     .transfer = "torch.optim.Adam(model.parameters())"},
    {.id = "unlucky-initialisation",
     .title = "an unlucky start",
     PROBED(seed),
     .transfer = "torch.manual_seed with another number; a start that fails once fails again"},
};

const pp_cause *pp_causes(int *count)
{
    *count = (int)(sizeof table / sizeof *table);
    return table;
}

const pp_cause *pp_cause_find(const char *id, size_t length)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].id) == length && strncmp(table[i].id, id, length) == 0)
            return &table[i];
    return NULL;
}

const char *pp_cause_prose(const pp_cause *cause)
{
    const pp__page *page = pp__prose;
    while (page->id != NULL && strcmp(page->id, cause->id) != 0)
        page++;
    return page->text;
}

/* ---- recipes ---- */

enum { LEAST_STEPS = 300, MOST_STEPS = 4000 };

/* Steps for about 20 epochs of batches of 64, and no fewer than the job has of them (to a bound).
 */
static double reference_steps(const pp_case *c)
{
    double steps = fmax(20 * pp__rows(c) / 64, pp__steps(c));
    return ceil(fmin(fmax(steps, LEAST_STEPS), MOST_STEPS));
}

static pp_status recipe(const pp_case *c, const char *layers, double lr, pp_patch *patch,
                        pp_error *err)
{
    pp_probe p;
    if (!pp__probe(c, &p, "recipe")) return pp_fail(err, PP_E_MEMORY, "out of memory");
    double batch = fmin(64, pp__rows(c));
    pp__change(&p, "model", layers);
    pp__change(&p, "loss", "{}");
    pp__change(&p, "optimizer", pp_arena_printf(c->arena, "{\"type\": \"adam\", \"lr\": %g}", lr));
    pp__change(&p, "schedule", "{\"type\": \"cosine\", \"final\": 0.05}");
    pp__change(&p, "training",
               pp_arena_printf(c->arena,
                               "{\"epochs\": 0, \"steps\": %.0f, \"batch\": %.0f, \"lanes\": "
                               "\"auto\", \"clip_norm\": 1}",
                               reference_steps(c), batch));
    pp__change(&p, "data.standardise", "true");
    pp__change(&p, "data.class_weights", "null");
    pp__change(&p, "data.balance", "none");
    pp__change(&p, "data.shuffle", "true");
    pp__change(&p, "data.recode_labels", "true");
    if (pp__task(c) == PP_TASK_REGRESSION) pp__change(&p, "data.standardise_targets", "true");
    *patch = p.patch;
    return PP_OK;
}

/* The first layer of the job with a window; its kind says whether x is images or sequences. */
static pp_status find_window(void *context, const pp_layer_place *place)
{
    const pp_layer_spec **found = context;
    if (*found == NULL && place->spec->kernel[1] > 0) *found = place->spec;
    return PP_OK;
}

/* A job with windows takes x for images or sequences: what they can learn, two convolutions show.
 */
static const char *small_conv_net(const pp_case *c, const pp_layer_spec *window)
{
    pp_window w;
    pp_shape x = pp_job_x_shape(c->job);
    if (x.n_dims == 0 && c->data != NULL) x = c->data->x_shape;
    pp_layer_spec one = *window;
    for (int d = 0; d < 2; d++) {
        one.kernel[d] = one.stride[d] = one.dilation[d] = 1;
        one.padding[d] = 0;
    }
    one.groups = 1;
    if (x.n_dims == 0 || pp_window_of(&one, "", x, &w, NULL) != PP_OK) return NULL;
    const char *dims = strstr(pp_layer_kind_of(window->type)->name, "1d") != NULL ? "1d" : "2d";
    int pools = w.in[1] >= 4 && (w.in[0] >= 4 || *dims == '1');
    const char *pool = pools ? pp_arena_printf(c->arena, "{\"type\": \"max_pool%s\"}, ", dims) : "";
    if (pool == NULL) return NULL;
    return pp_arena_printf(
        c->arena,
        "{\"layers\": [{\"type\": \"conv%s\", \"channels\": 16, \"kernel\": %d, \"padding\": "
        "\"same\", \"activation\": \"relu\"}, %s{\"type\": \"conv%s\", \"channels\": 32, "
        "\"kernel\": %d, \"padding\": \"same\", \"activation\": \"relu\"}, %s{\"type\": \"dense\", "
        "\"units\": 64, \"activation\": \"relu\"}, {\"type\": \"dense\", \"units\": \"auto\"}]}",
        dims, *dims == '1' ? 7 : 3, pool, dims, *dims == '1' ? 7 : 3, pool);
}

pp_status pp_cause_reference(const pp_case *c, pp_patch *patch, pp_error *err)
{
    const pp_layer_spec *window = NULL;
    pp_job_walk(c->job, find_window, (void *)&window);
    const char *layers = window != NULL ? small_conv_net(c, window) : NULL;
    if (layers != NULL) return recipe(c, layers, 0.003, patch, err);
    return recipe(c,
                  "{\"layers\": [{\"type\": \"dense\", \"units\": 64, \"activation\": \"relu\"}, "
                  "{\"type\": \"dense\", \"units\": 64, \"activation\": \"relu\"}, "
                  "{\"type\": \"dense\", \"units\": \"auto\"}]}",
                  0.003, patch, err);
}

pp_status pp_cause_linear(const pp_case *c, pp_patch *patch, pp_error *err)
{
    return recipe(c, "{\"layers\": [{\"type\": \"dense\", \"units\": \"auto\"}]}", 0.01, patch,
                  err);
}
