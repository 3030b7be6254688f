#include "audit/candidates.h"

#include <math.h>
#include <string.h>

enum {
    BINARY = 1 << PP_SKETCH_BINARY,
    MULTICLASS = 1 << PP_SKETCH_MULTICLASS,
    REGRESSION = 1 << PP_SKETCH_REGRESSION,
    CLASSES = BINARY | MULTICLASS,
    ANY = CLASSES | REGRESSION
};

/* ---- signs ---- */

/* Softmax over a single unit is 1 whatever the unit says. */
static int all_exactly_one(const pp_summary *s)
{
    return s->min == 1 && s->max == 1;
}

/* The sigmoid of a number in [0, 1] lies in [1/2, 1/(1 + 1/e)]. All at 1/2 needs no second one. */
static int in_range_of_second_sigmoid(const pp_summary *s)
{
    return s->min >= 0.4999 && s->max <= 0.7312 && s->max > 0.501;
}

/* The softmax of K numbers that sum to 1: the largest is at most e / (e + K - 1). */
static int in_range_of_second_softmax(const pp_summary *s)
{
    double e = exp(1.0), uniform = 1.0 / s->shape.classes;
    return s->max <= e / (e + s->shape.classes - 1) + 1e-4 && s->max > 1.01 * uniform;
}

static int all_exactly_zero(const pp_summary *s)
{
    return s->min == 0 && s->max == 0;
}

/* No prediction leaves [-1, 1], and targets do. */
static int cannot_reach_targets(const pp_summary *s)
{
    return s->min >= -1 && s->max <= 1 && (s->shape.high > 1.5 || s->shape.low < -1.5);
}

/* The mean target is far from 0 in its own deviations, or far above 1. */
static int targets_are_unscaled(const pp_summary *s)
{
    return fabs(s->target_mean) > 10 * s->target_deviation || s->target_deviation > 100;
}

static int is_inverted(const pp_summary *s)
{
    return s->association < 0;
}

static int is_imbalanced(const pp_summary *s)
{
    if (s->shape.kind == PP_SKETCH_BINARY) return s->target_mean < 0.2 || s->target_mean > 0.8;
    return s->base_loss < 0.8 * log(s->shape.classes);
}

/* ---- the table ---- */

/* An optimiser that changes nothing leaves the answers of the initial weights; so do these. */
#define STUCK "at-half constant one-class not-yet-learned uninformative at-base-rate"
#define FLAT "at-half at-base-rate at-target-mean constant one-class"

static const pp_candidate table[] = {
    {"softmax-over-one-unit", "a softmax over a single output, which is always 1",
     "constant saturated one-class", BINARY, all_exactly_one,
     "nn.Linear(h, 1) followed by nn.Softmax(dim=1) or F.softmax",
     "print(model(x).shape): with one column use BCEWithLogitsLoss and torch.sigmoid, or give the "
     "model two outputs"},
    {"activation-twice", "a sigmoid over outputs that went through one already",
     FLAT " uninformative not-yet-learned worse-than-constant", BINARY, in_range_of_second_sigmoid,
     "nn.Sigmoid() as the last layer together with nn.BCEWithLogitsLoss, or "
     "torch.sigmoid(model(x)) "
     "at prediction of a model that was trained without it",
     "print model(x).min(), model(x).max() before any further function: within [0, 1] means that "
     "the sigmoid at prediction is one too many"},
    {"activation-twice", "a softmax over outputs that went through one already",
     FLAT " uninformative not-yet-learned worse-than-constant", MULTICLASS,
     in_range_of_second_softmax,
     "nn.Softmax as the last layer together with nn.CrossEntropyLoss, or F.softmax(model(x)) of "
     "such a model",
     "print(model(x).sum(1)): all 1 means that softmax was applied already; drop it and train on "
     "logits"},
    {"dead-output", "an output activation that is 0 for all inputs", "constant saturated clamped",
     REGRESSION, all_exactly_zero, "nn.ReLU() (or F.relu) after the last nn.Linear",
     "remove it and predict with the same weights: negative outputs appear where it cut"},
    {"output-range", "an output activation that cannot reach the targets",
     "constant saturated clamped at-target-mean uninformative not-yet-learned", REGRESSION,
     cannot_reach_targets, "nn.Sigmoid() or nn.Tanh() after the last nn.Linear",
     "compare y.min(), y.max() with the range of the activation; train with a linear output"},
    {"targets-not-scaled", "targets so large or so far from 0 that the output creeps towards them",
     "constant at-target-mean not-yet-learned diverged", REGRESSION, targets_are_unscaled,
     "y used in its own units, such as prices or years",
     "train on (y - y.mean()) / y.std() with all else equal, and scale predictions back"},
    {"rank-models-differ", "processes that hold different models", "rank-split lane-split", ANY,
     NULL,
     "model(x) where DistributedDataParallel(model) was meant, weights loaded on rank 0 alone, "
     "or parameters changed after wrapping",
     "on every rank: print(rank, sum(p.double().sum().item() for p in model.parameters())); any "
     "difference proves it"},
    {"rank-statistics-differ", "batch statistics that each process has of its own",
     "rank-split lane-split bimodal-by-batch-statistics", ANY, NULL,
     "nn.BatchNorm without SyncBatchNorm.convert_sync_batchnorm, or broadcast_buffers=False",
     "compare the sums of model.buffers() over ranks; predict all rows with rank 0's model"},
    {"rank-shards-sorted", "a share of the data of one class or one range per process",
     "rank-split lane-split", ANY, NULL,
     "a slice of a sorted file per rank instead of DistributedSampler(shuffle=True)",
     "print the mean of y on each rank; shuffle the rows once before they are dealt"},
    {"clamped-predictions", "predictions cut off at a limit", "clamped saturated", ANY, NULL,
     "torch.clamp, np.clip, .clamp_(0, 1) or F.hardtanh on the outputs",
     "draw the histogram of the outputs before it; if they vary, the cut hides what was learnt"},
    {"train-mode-only", "batch normalisation or dropout that behaves otherwise when predicting",
     "bimodal-by-batch-statistics constant one-class at-base-rate at-half at-target-mean "
     "uninformative",
     ANY, NULL,
     "nn.BatchNorm with few steps, tiny batches or a small momentum; model.eval() never called "
     "or called before training",
     "predict the same rows after model.train() and after model.eval(): skill in one of them only "
     "proves it"},
    {"overflow", "numbers that leave the range of the type", "non-finite diverged", ANY, NULL,
     "a large lr, model.half() or autocast without torch.cuda.amp.GradScaler",
     "train in float32 with lr / 10: no NaN means this; print the gradient norm of each step"},
    {"undefined-function", "a logarithm, division or root of 0", "non-finite", ANY, NULL,
     "torch.log(p), x / x.std(0) with a constant feature, torch.sqrt or .norm() at 0",
     "torch.autograd.set_detect_anomaly(True) names the line; else add 1e-8 within it"},
    {"non-finite-data", "NaN or infinity among the inputs", "non-finite", ANY, NULL,
     "pandas.read_csv with empty cells and no fillna or dropna",
     "assert torch.isfinite(x).all() for every batch, and look up the row named above in x"},
    {"learning-rate-too-high", "steps so large that units die or saturate",
     "diverged non-finite saturated constant one-class at-base-rate at-target-mean", ANY, NULL,
     "lr=0.1 or more with Adam, 1 or more with SGD, no warm-up, no clipping",
     "same seed with lr / 10 and lr / 100; print the loss of the first 20 steps: a jump says so"},
    {"unscaled-inputs", "features of large or very different size, which saturate or kill units",
     "saturated " FLAT " uninformative diverged not-yet-learned worse-than-constant", ANY, NULL,
     "torch.tensor(df.values) without StandardScaler, pixels from 0 to 255",
     "print x.mean(0), x.std(0); train on (x - x.mean(0)) / x.std(0) with all else equal"},
    {"dead-relus", "hidden units that are 0 for every row, so that only the last bias speaks", FLAT,
     ANY, NULL, "nn.ReLU() with a large lr, large inputs or a negative bias",
     "h = model[:2](x); print((h > 0).any(0).float().mean()): 0 proves it for that layer; try "
     "nn.LeakyReLU and a smaller lr"},
    {"weights-never-change", "an optimiser that does not step, or steps other weights", STUCK, ANY,
     NULL,
     "optimizer = Adam(old_model.parameters()) before the model is made anew, a missing "
     "loss.backward() or optimizer.step(), lr=0, requires_grad=False",
     "w = [p.clone() for p in model.parameters()] before a step, compare after it: all equal "
     "proves it"},
    {"no-gradient", "a loss that the weights cannot feel", STUCK, ANY, NULL,
     "(p > 0.5).float(), .round(), .argmax(), .detach(), .item() or numpy between model and loss",
     "after loss.backward(): print([p.grad is None or p.grad.abs().max() for p in "
     "model.parameters()])"},
    {"initialisation", "weights that were all set to the same value", STUCK, ANY, NULL,
     "nn.init.zeros_ or nn.init.constant_ on weights",
     "print(layer.weight.std(0).max()): 0 proves it; use the default initialisation"},
    {"saturated-units", "gradients that fade on the way to the first layers",
     FLAT " not-yet-learned", ANY, NULL, "many layers of nn.Sigmoid() or nn.Tanh(), no residuals",
     "print p.grad.norm() of the first and of the last layer: a ratio below 1e-4; try nn.ReLU or "
     "batch normalisation"},
    {"too-few-steps", "too few steps, or too small ones",
     "at-half at-base-rate "
     "at-target-mean constant one-class not-yet-learned uninformative",
     ANY, NULL, "lr=1e-5 or below, one epoch, a schedule that ends at 0 early",
     "train 10 times as long, and with 10 times the lr: the loss falls below that of the constant "
     "answer"},
    {"weight-decay-too-strong", "regularisation that pulls all weights to 0",
     FLAT " not-yet-learned", ANY, NULL, "weight_decay=0.1 or more, dropout of 0.8 or more",
     "train with weight_decay=0 and no dropout, all else equal; print the norms of the weights"},
    {"target-broadcast", "a loss that pairs every prediction with every target",
     "at-target-mean at-base-rate at-half constant", BINARY | REGRESSION, NULL,
     "nn.MSELoss()(model(x), y) with shapes (n, 1) and (n,); PyTorch warns of the target size",
     "print(model(x).shape, y.shape); compare with y.view(-1, 1)"},
    {"constant-features", "a data set that hands out the same or empty features for every row",
     FLAT, ANY, NULL, "a __getitem__ that ignores its index, torch.zeros filled later or never",
     "print(x.std(0)) of a whole epoch: 0 proves it"},
    {"class-imbalance", "a rare class whose rows weigh too little in the time given",
     "at-base-rate one-class not-yet-learned", CLASSES, is_imbalanced,
     "no pos_weight, no class weights, no WeightedRandomSampler",
     "train with pos_weight = negatives / positives: AUC must rise; if only the mean prediction "
     "moves, this was not it"},
    {"threshold", "a threshold of 0.5 for a class that is rarer than that", "one-class", BINARY,
     is_imbalanced, "(p > 0.5), p.round()",
     "compare AUC with 0.5: rows that are ranked well need another threshold, not another model"},
    {"order-differs", "predictions saved in another order than the targets",
     "uninformative memorised", ANY, NULL,
     "DataLoader(shuffle=True) or DistributedSampler when predicting, with y from the data set; "
     "gathered ranks interleaved",
     "collect y in the loop that predicts (for xb, yb in loader: ...) and save both from it"},
    {"misaligned-rows", "features and labels that no longer belong to each other",
     FLAT " uninformative memorised", ANY, NULL,
     "x and y shuffled, sorted, filtered or joined in separate lines",
     "compare a few rows with the source by eye; print the correlation of y with its best feature "
     "before and after preparation"},
    {"wrong-sign", "a score whose sign is lost, or the column of the other class",
     "worse-than-constant", ANY, is_inverted,
     "predict_proba(x)[:, 0], a model fitted to -y (cross_val_score's neg_ scores), labels swapped",
     "judge 1 - p (or -p): skill above 0 proves it"},
    {"label-map", "class numbers that mean something else in the targets", "worse-than-constant",
     MULTICLASS, NULL, "LabelEncoder fitted twice, class_to_idx of another folder, labels from 1",
     "print the confusion matrix: full columns off the diagonal are the map"},
    {"not-turned-back", "predictions in other units than the targets",
     "worse-than-constant not-yet-learned", REGRESSION, NULL,
     "scaler.inverse_transform or np.exp forgotten, the scaler not applied to the inputs",
     "fit y = a + b p on some rows and judge others: skill above 0 proves it; a and b tell the "
     "scaler"},
    {"class-dropped", "a class or column that training never saw, or that was lost on the way",
     "partly-dead", ANY, NULL,
     "a training file without the class, columns of p in another order than model.classes_",
     "count the training targets of each class; compare the columns of the head with the targets"},
    {"dead-head", "one output of several whose units died or whose loss weighs nothing",
     "partly-dead", REGRESSION, NULL,
     "losses of several heads added up in their own units, nn.ReLU() after the last layer",
     "print the loss of each output by itself; train that output alone with all else equal"},
    {"overfitting", "more freedom than the rows can hold in check", "memorised worse-than-constant",
     ANY, NULL, "hundreds of epochs on some hundred rows, no weight_decay, no early stopping",
     "plot both losses by epoch: held-out rows get worse while training rows get better; try a "
     "tenth of the units"},
    {"no-signal", "targets that these features do not tell",
     "at-base-rate at-target-mean at-half uninformative memorised constant one-class", ANY, NULL,
     "features without a relation to the target; targets drawn at random",
     "sklearn.model_selection.permutation_test_score of a linear model and of boosted trees: no "
     "better than permuted labels"},
};

const pp_candidate *pp_candidates(int *count)
{
    *count = (int)(sizeof table / sizeof *table);
    return table;
}

static int names(const char *list, const char *id)
{
    size_t length = strlen(id);
    for (const char *at = list; *at != '\0'; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, id, length) == 0) return 1;
        at += word;
    }
    return 0;
}

int pp_candidate_fits(const pp_candidate *candidate, const pp_verdict *verdict,
                      const pp_summary *summary)
{
    return (candidate->kinds >> summary->shape.kind & 1) != 0 &&
           names(candidate->verdicts, pp_verdict_name(verdict->id)) &&
           (candidate->sign == NULL || candidate->sign(summary));
}
