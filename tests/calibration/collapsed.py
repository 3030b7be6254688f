"""Kinds of trainings whose model does not tell inputs apart. Silence on any of them is a miss."""

import samplers
import truth
from cases import (
    SETTLE,
    Case,
    adam,
    collapsed,
    dense,
    job,
    learnable,
    mlp,
    pick,
    sgd,
    unlearnable,
)

# What a model says of noise depends on how far it got: nearly constant, spread without use, learnt
# by heart. All of that is true of it.
OF_NOISE = {"uninformative", "memorised"}

# ---- dead, saturated, symmetrical: nothing but the output bias can move ----


@collapsed(16, quick=True)
def dead_relu(rng, i):
    """Biases of -50 put every ReLU below 0 for every row: hidden outputs are 0, no weight has a
    gradient, the output bias goes to the best constant."""
    t = learnable(rng, i)
    layers = mlp(8, bias_init="constant", bias_scale=-50.0)
    return Case(
        job(t.task, layers, adam(0.05), 400, 64, schedule=SETTLE),
        t.sample,
        pick(i // 4, 500, 3000, 20000),
        pick(i // 4, 200, 2000, 0),
        t.at_base,
        note=t.note,
    )


@collapsed(8)
def dead_output(rng, i):
    """The output itself is a ReLU below 0: every prediction is 0 and nothing moves. As a
    probability 0 is a limit (saturated), as a number it is just the same for all (targets are
    around 5)."""
    last = dense("auto", "relu", bias_init="constant", bias_scale=-50.0)
    task, sample, verdicts, loss = pick(
        i,
        ("regression", samplers.plane(rng, 5, 0.9, 1.0, 5.0), {"constant"}, {"type": "mse"}),
        ("binary", samplers.shifted(rng, 5, 0.9), {"saturated", "constant"}, {"type": "bce"}),
    )
    return Case(
        job(task, mlp(8, last=last), sgd(0.1), 300, 64, loss=loss),
        sample,
        2000,
        verdicts=verdicts,
        note=task,
    )


@collapsed(12, quick=True)
def zero_weights(rng, i):
    """All weights start at 0: hidden outputs are 0, so the gradients of both layers are,
    always."""
    t = learnable(rng, i)
    layers = mlp(8, activation=pick(i // 4, "relu", "tanh"), init="zeros")
    layers[-1]["init"] = "zeros"
    return Case(
        job(t.task, layers, adam(0.05), 400, 64, schedule=SETTLE),
        t.sample,
        pick(i // 4, 500, 3000, 20000),
        1000,
        t.at_base,
        note=t.note,
    )


@collapsed(12, quick=True)
def unscaled_inputs(rng, i):
    """Features around 10,000 that differ by 1: hidden sigmoids are 0 or 1 for all rows alike."""
    t = learnable(rng, i)
    layers = mlp(8, activation=pick(i // 4, "sigmoid", "tanh"))
    return Case(
        job(t.task, layers, adam(0.02), 500, 64, schedule=SETTLE),
        samplers.moved(t.sample, 1e4),
        pick(i // 4, 500, 3000, 20000),
        1000,
        t.at_base,
        note=t.note,
    )


@collapsed(10)
def saturated_output(rng, i):
    """The same features straight into a sigmoid: every answer is exactly 0, or every answer is
    1."""
    layers = [dense(1, "sigmoid")]
    return Case(
        job("binary", layers, sgd(pick(i, 0.1, 0.01)), 300, 64, loss={"type": "bce"}),
        samplers.moved(samplers.shifted(rng, 5, 0.9, pick(i, 0.5, 0.3)), 1e4),
        2000,
        verdicts={"saturated", "constant"},
    )


@collapsed(10, verdicts={"saturated", "constant"}, quick=True)
def softmax_of_one(rng, i):
    """A softmax over one unit is 1, whatever the input."""
    loss = pick(i, {"type": "bce"}, {"type": "mse"})
    layers = mlp(pick(i, 8, 16), last=dense(1, "softmax"))
    return Case(
        job("binary", layers, adam(), 300, 64, loss=loss),
        samplers.shifted(rng, 5, 0.9, pick(i, 0.5, 0.3)),
        pick(i, 400, 3000),
        note=loss["type"],
    )


@collapsed(12)
def constant_features(rng, i):
    """Every row has the same features."""
    t = learnable(rng, i)
    return Case(
        job(t.task, mlp(8), adam(0.02), 400, 64, schedule=SETTLE),
        samplers.same_x(t.sample, pick(i, 0.0, 1.0, 3.0)),
        pick(i // 4, 500, 3000, 20000),
        1000,
        t.at_base,
        note=t.note,
    )


@collapsed(10)
def vanishing_gradient(rng, i):
    """Eight layers of eight sigmoids: each passes a quarter of the differences at most, so that
    1e-5 of them arrives. What arrives may still be ordered by the input, hence not-yet-learned is
    right too."""
    t = learnable(rng, i)
    return Case(
        job(t.task, mlp(*[8] * 8, activation="sigmoid"), sgd(0.05), 600, 64, schedule=SETTLE),
        t.sample,
        3000,
        verdicts=t.at_base | {"not-yet-learned"},
        note=t.note,
    )


# ---- steps ----


@collapsed(8, verdicts={"non-finite"}, check=truth.not_finite, quick=True)
def overflow_by_steps(rng, i):
    """A linear model with steps ten times as long as those that still converge: each multiplies
    the error, and single precision ends at 3e38."""
    return Case(
        job("regression", mlp(), sgd(pick(i, 10.0, 30.0)), 300, 64),
        samplers.plane(rng, 5, 0.9),
        2000,
    )


@collapsed(8, verdicts={"non-finite"}, check=truth.not_finite)
def overflow_by_inputs(rng, i):
    """Features near the largest single: sums of products are infinite with both signs, then
    NaN."""
    task, sample = pick(
        i,
        ("binary", samplers.shifted(rng, 8, 0.9)),
        ("regression", samplers.plane(rng, 8, 0.9)),
        ("multiclass", samplers.clouds(rng, 3, 8, 2.0)),
    )
    return Case(job(task, mlp(16, 16), adam(), 200, 64), samplers.moved(sample, 0.0, 3e37), 1000)


@collapsed(10, verdicts={"diverged"}, check=truth.grown, quick=True)
def diverging(rng, i):
    """Full-batch descent with steps a little beyond what converges (the factor of an error is |1
    - 2 lr|, for features of variance 1): the loss grows by orders of magnitude and is finite."""
    rows = 512
    return Case(
        job("regression", mlp(), sgd(pick(i, 0.95, 1.0, 1.05)), 100, rows, training__lanes=1),
        samplers.plane(rng, 5, 0.9),
        rows,
    )


@collapsed(
    6,
    verdicts={"saturated", "constant", "at-half", "at-base-rate", "one-class", "uninformative"}
    | {"diverged", "non-finite"},
    check=truth.unrelated,
)
def leaps(rng, i):
    """Adam with a step of 100 through four ReLU layers. Which way it dies cannot be said; it
    does."""
    return Case(
        job("binary", mlp(8, 8, 8, 8), adam(100.0), 400, 64), samplers.shifted(rng, 5, 0.9), 2000
    )


@collapsed(12, verdicts={"not-yet-learned"}, quick=True)
def no_steps(rng, i):
    """A learning rate of 1e-9: the model stays where it began, with outputs within 0.01 of 0.
    That is 0.5 of two classes, equal shares of three, and 0 of numbers around 2. Random weights
    may order the rows a little, so not-yet-learned is right too."""
    t = learnable(rng, i)
    where = pick(i, {"at-half", "at-base-rate"}, {"at-half"}, {"constant"}, {"constant"})
    layers = mlp(8, last=dense("auto", init="normal", init_scale=1e-3))
    return Case(
        job(t.task, layers, sgd(1e-9), 300, 64),
        t.sample,
        3000,
        verdicts=where | {"not-yet-learned"},
        note=t.note,
    )


# ---- nothing to learn ----


@collapsed(16, check=truth.unrelated, quick=True)
def noise_few_parameters(rng, i):
    """Labels by lot and a linear model on many rows: near the best constant, with a small
    spread."""
    t = unlearnable(rng, i)
    return Case(
        job(t.task, mlp(), adam(0.005), 600, 128, schedule=SETTLE),
        t.sample,
        pick(i // 4, 5000, 20000),
        pick(i // 4, 3000, 5000),
        t.at_base | OF_NOISE,
        note=t.note,
    )


@collapsed(12, check=truth.unrelated)
def noise_small_net(rng, i):
    """Labels by lot and a small net: a part is learnt by heart, and none of it is of use."""
    t = unlearnable(rng, i)
    return Case(
        job(t.task, mlp(16), adam(0.01), 500, 64),
        t.sample,
        2000,
        4000,
        t.at_base | OF_NOISE,
        note=t.note,
    )


@collapsed(24, verdicts={"memorised"}, check=truth.by_heart, quick=True)
def noise_by_heart(rng, i):
    """Labels by lot, 100 to 300 rows and a wide net for hundreds of epochs: it knows its training
    rows and nothing else."""
    t = unlearnable(rng, i)
    rows = pick(i // 4, 100, 200, 300)
    return Case(
        job(t.task, mlp(128), adam(0.01), 500, rows, training__lanes=1),
        t.sample,
        rows,
        pick(i, 2000, 5000),
        note=f"{t.note}, {rows} rows",
    )


@collapsed(8, check=truth.unrelated)
def imbalanced_noise(rng, i):
    """100 rows, 10 of class 1, by lot; few steps of a small net; every answer is class 0."""
    return Case(
        job("binary", mlp(5), sgd(0.1), 100, 100, training__lanes=1),
        samplers.lottery(rng, (0.9, 0.1), 10),
        100,
        10000,
        {"at-base-rate", "one-class"} | OF_NOISE,
    )


@collapsed(10, check=truth.unrelated)
def beyond_a_linear_model(rng, i):
    """Two signs that agree or not, and a linear model: there is nothing that it could find."""
    return Case(
        job("binary", mlp(), adam(0.01), 400, 128, schedule=SETTLE),
        samplers.product(rng, 3),
        5000,
        3000,
        {"at-half", "at-base-rate"} | OF_NOISE,
    )


@collapsed(6, verdicts={"memorised"}, check=truth.held_out_spoilt)
def held_out_labels_mixed_up(rng, i):
    """Sound training, but the held-out labels are in another order than their rows: skill on
    training rows and none on those, which no look at predictions can tell from learning by
    heart."""
    sample = samplers.shifted(rng, 5, 0.95)

    def mixed_up(n):
        x, y = sample(n)
        return x, rng.permutation(y)

    return Case(job("binary", mlp(8), adam(), 400, 64), sample, 2000, 2000, held=mixed_up)


# ---- the wrong question ----


@collapsed(14, quick=True)
def broadcast_targets(rng, i):
    """Every prediction of a batch meets every target of it: all are drawn to their mean, although
    x tells the targets. What is left of the start may still order the rows, hence not-yet-learned
    is right too."""
    t = learnable(rng, pick(i, 3, 0, 1))
    loss = {"type": "mse" if t.task == "regression" or i % 2 else "bce_logits"}
    rows = pick(i, 200, 1000)
    return Case(
        job(
            t.task,
            mlp(5),
            adam(0.03),
            3000,
            rows,
            loss={**loss, "targets": "broadcast"},
            training__lanes=1,
            schedule=SETTLE,
        ),
        t.sample,
        rows,
        1000,
        t.at_base | {"not-yet-learned"},
        note=f"{t.note}, {loss['type']}",
    )


@collapsed(12, verdicts={"clamped"}, check=truth.cut, quick=True)
def clamped_range(rng, i):
    """Numbers far above 1 or below 0 are learnt, and cut to [0, 1] at prediction: all are 1, or
    0."""
    offset = pick(i, 50.0, -50.0, 20.0)
    layers = mlp(last=dense("auto", bias_init="constant", bias_scale=offset))
    return Case(
        job(
            "regression",
            layers,
            adam(0.05),
            500,
            64,
            model__at_prediction="clamp",
            model__clamp_low=0,
            model__clamp_high=1,
        ),
        samplers.plane(rng, 5, 0.9, 2.0, offset),
        3000,
    )


@collapsed(10, verdicts={"one-class", "constant", "saturated"})
def one_class_of_training(rng, i):
    """All training rows are of one class; both are held out. Every answer is that class."""
    sample = samplers.shifted(rng, 5, 0.9)
    only = i % 2

    def one(n):
        x, y = sample(4 * n)
        return x[y == only][:n], y[y == only][:n]

    return Case(job("binary", mlp(8), adam(0.05), 400, 64), sample, 2000, 2000, train=one)


@collapsed(7, quick=True)
def huge_decay(rng, i):
    """Decay of 20 of weights and biases alike: outputs are 0, that is 0.5, equal shares, or 0."""
    t = learnable(rng, i)
    where = pick(i, {"at-half", "at-base-rate"}, {"at-half"}, {"constant"}, {"constant"})
    return Case(
        job(t.task, mlp(8), sgd(0.02, weight_decay=20.0), 400, 64),
        t.sample,
        3000,
        verdicts=where,
        note=t.note,
    )


@collapsed(8)
def huge_decay_of_weights(rng, i):
    """The same for weights alone: biases are free and go to the best constant."""
    t = learnable(rng, i)
    layers = mlp(8, l2=10.0)
    layers[-1]["l2"] = 10.0
    return Case(
        job(t.task, layers, sgd(0.05), 1500, 64, schedule=SETTLE),
        t.sample,
        3000,
        verdicts=t.at_base,
        note=t.note,
    )


@collapsed(12, verdicts={"bimodal-by-batch-statistics"}, quick=True)
def batch_statistics(rng, i):
    """Batch norm whose running statistics never move (momentum 0) over features around 1000:
    sound in training, where a batch's own mean is taken off; evaluated, each unit is far beyond
    where tanh is 1 or -1, and all rows get one answer."""
    t = learnable(rng, pick(i, 0, 1, 2))
    layers = [dense(8, bias=False), {"type": "batch_norm", "momentum": 0}]
    layers += [{"type": "activation", "activation": "tanh"}, dense("auto")]
    return Case(
        job(t.task, layers, adam(0.02), 400, 128),
        samplers.moved(t.sample, 1000.0, 1.0),
        4000,
        note=t.note,
    )
