"""Kinds of trainings under every loss, activation and optimiser of the keys table, and under losses
that are weighted, balanced, smoothed or of a quantile: judged by their own yardstick."""

import json
import subprocess

import numpy as np

import samplers
import truth
from cases import SETTLE, Case, adam, collapsed, dense, healthy, job, mlp, pick

LAST = {"bce": "sigmoid", "cross_entropy": "softmax"}  # losses of probabilities
TASKS = {
    "binary": ("bce", "bce_logits", "mse", "mae", "huber"),
    "multiclass": ("cross_entropy", "cross_entropy_logits"),
    "regression": ("mse", "mae", "huber", "quantile"),
}
LOSSES = [(task, loss) for task, losses in TASKS.items() for loss in losses]
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "softplus", "identity")
OPTIMISERS = (
    {"type": "sgd", "lr": 0.1},
    {"type": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True},
    {"type": "adam", "lr": 0.01},
    {"type": "adamw", "lr": 0.01},
    {"type": "rmsprop", "lr": 0.003},
    {"type": "adagrad", "lr": 0.05},
)


def check_schema(pitprop):
    """What the program knows and this file does not try is an error of the suite."""
    schema = json.loads(subprocess.check_output([pitprop, "schema"]))

    def known(name, section):
        if isinstance(section, dict):
            if isinstance(section.get(name), dict) and "enum" in section[name]:
                return set(section[name]["enum"])
            section = section.values()
        elif not isinstance(section, list):
            return set()
        return set().union(*(known(name, part) for part in section))

    of = schema["properties"]
    tried = {loss for _, loss in LOSSES} | {"auto"}
    optimisers = {o["type"] for o in OPTIMISERS}
    missing = known("type", of["loss"]) - tried | known("type", of["optimizer"]) - optimisers
    missing |= known("activation", schema["$defs"]) - set(ACTIVATIONS) - {"softmax"}
    if missing:
        raise SystemExit(f"no case of calibration has {', '.join(sorted(missing))}")


def data_of(rng, task):
    return {
        "binary": lambda: samplers.shifted(rng, 5, 0.9),
        "multiclass": lambda: samplers.clouds(rng, 4, 5, 2.0),
        "regression": lambda: samplers.plane(rng, 5, 0.9, 2.0, 3.0),
    }[task]()


def with_loss(rng, i, **layer):
    task, loss = LOSSES[i % len(LOSSES)]
    # absolute errors and squares of classes answer numbers: the task is one of numbers, of 0 and 1
    as_numbers = task == "binary" and loss in ("mae", "huber")
    made = job(
        "regression" if as_numbers else task,
        mlp(16, last=dense("auto", LAST.get(loss, "identity")), **layer),
        adam(0.02),
        600,
        64,
        loss={"type": loss},
        schedule=SETTLE,
    )
    return Case(made, data_of(rng, task), 3000, note=f"{loss}, {task}")


@healthy(2 * len(LOSSES), check=truth.ranked)
def every_loss(rng, i):
    """Easy classes or numbers under each loss that fits them, long enough: learnt. What is answered
    is a chance, a mean or a median, of which each tells inputs apart."""
    return with_loss(rng, i)


@collapsed(2 * len(LOSSES), {"at-half", "at-base-rate", "at-target-mean", "constant", "one-class"})
def every_loss_dead(rng, i):
    """The twin that fails: no ReLU is ever on. Every row gets the best constant of the loss, a median
    or a mean."""
    return with_loss(rng, i, bias_init="constant", bias_scale=-50.0)


@healthy(2 * len(ACTIVATIONS))
def every_activation(rng, i):
    """Easy classes or numbers through a hidden layer of each activation: learnt."""
    task = pick(i // len(ACTIVATIONS), "regression", "multiclass")
    layers = mlp(16, activation=ACTIVATIONS[i % len(ACTIVATIONS)])
    made = job(task, layers, adam(0.02), 600, 64, schedule=SETTLE)
    return Case(made, data_of(rng, task), 3000, note=ACTIVATIONS[i % len(ACTIVATIONS)])


@healthy(2 * len(OPTIMISERS))
def every_optimiser(rng, i):
    """Easy classes or numbers by each optimiser, at a rate that suits it: learnt."""
    task = pick(i // len(OPTIMISERS), "binary", "regression")
    optimiser = dict(OPTIMISERS[i % len(OPTIMISERS)])
    made = job(task, mlp(16), optimiser, 1000, 64, schedule=SETTLE)
    return Case(made, data_of(rng, task), 3000, note=optimiser["type"])


# ---- classes that weigh unequally ----

BALANCES = (
    {"balance": "class_weights"},
    {"balance": "oversample"},
    {"balance": "undersample"},
    {"balance": "given", "class_weights": [1.0, 19.0]},
)


@healthy(16, check=truth.ranked)
def weighted_rare_class(rng, i):
    """One row in twenty is positive and can be told at AUC 0.7 or 0.8, and the loss is weighted to
    equal shares: ranks are those of a sound model, balanced decisions too, chances are not meant."""
    made = job("binary", mlp(), adam(0.01), 1500, 256, schedule=SETTLE, data=BALANCES[i % 4])
    sample = samplers.shifted(rng, 5, pick(i // 4, 0.7, 0.8), 0.05)
    return Case(made, sample, 20000, 8000, note=BALANCES[i % 4]["balance"])


@healthy(8, check=truth.ranked)
def weighted_and_faint(rng, i):
    """The same at AUC 0.62, near what data of this sort often hold."""
    made = job("binary", mlp(), adam(0.01), 1500, 256, schedule=SETTLE, data=BALANCES[i % 4])
    sample = samplers.shifted(rng, 5, 0.62, 0.05)
    return Case(made, sample, 30000, 10000, note=BALANCES[i % 4]["balance"])


@healthy(6, check=truth.ranked)
def costs_given(rng, i):
    """A miss costs five or ten times as much as a false alarm, or the other way round: answers lean
    to one side on purpose."""
    weights = pick(i, [1.0, 5.0], [1.0, 10.0], [5.0, 1.0])
    made = job("binary", mlp(8), adam(0.01), 1000, 128, schedule=SETTLE,
               data={"balance": "given", "class_weights": weights})
    return Case(made, samplers.shifted(rng, 5, 0.85, pick(i // 3, 0.5, 0.3)), 8000, note=str(weights))


@collapsed(6, {"at-half", "at-base-rate", "uninformative", "constant", "one-class", "memorised",
               "worse-than-constant"}, check=truth.unrelated)
def weighted_lottery(rng, i):
    """The twin that fails: weighted to equal shares, and x says nothing of y."""
    made = job("binary", mlp(), adam(0.01), 800, 256, schedule=SETTLE, data=BALANCES[i % 4])
    return Case(made, samplers.lottery(rng, (0.95, 0.05)), 20000, 8000, note=BALANCES[i % 4]["balance"])


@healthy(8, check=truth.ranked)
def smoothed(rng, i):
    """Labels smoothed by 0.1 to 0.5: answers keep away from 0 and 1, as they are told to."""
    task = pick(i, "binary", "multiclass")
    loss = {"type": pick(i, "bce_logits", "cross_entropy_logits"),
            "label_smoothing": pick(i // 2, 0.1, 0.3, 0.5)}
    made = job(task, mlp(16), adam(0.02), 600, 64, loss=loss, schedule=SETTLE)
    return Case(made, data_of(rng, task), 4000, note=str(loss["label_smoothing"]))


def spreading(rng, features=4):
    """Numbers whose deviation grows along x as well: no two quantiles are parallel."""
    w, v = samplers.direction(rng, features), samplers.direction(rng, features)

    def sample(n):
        x = rng.normal(size=(n, features))
        return x, 5 + 2 * (x @ w) + np.exp(0.5 * (x @ v)) * rng.normal(size=n)

    return sample


@healthy(10, check=truth.ranked)
def quantiles(rng, i):
    """The quantiles 0.05 to 0.95 of numbers that x tells: answers lie low or high on purpose, and
    squares are not what they are good at."""
    q = pick(i, 0.05, 0.1, 0.5, 0.9, 0.95)
    made = job("regression", mlp(16), adam(0.02), 1500, 128, schedule=SETTLE,
               loss={"type": "quantile", "quantile": q})
    return Case(made, spreading(rng), 6000, 3000, note=f"quantile {q}")


# ---- several outputs ----


def columns(*samples):
    """Targets side by side, each told by its own features."""

    def sample(n):
        parts = [s(n) for s in samples]
        return np.hstack([x for x, _ in parts]), np.stack([y for _, y in parts], 1)

    return sample


@healthy(4, check=None)
def several_numbers(rng, i):
    """Two or three numbers from the same net: all learnt."""
    made = job("regression", mlp(24), adam(0.02), 1000, 64, schedule=SETTLE)
    sample = columns(*(samplers.plane(rng, 3, 0.9) for _ in range(pick(i, 2, 3))))
    return Case(made, sample, 4000)


@collapsed(4, {"partly-dead"}, check=None)
def one_number_untold(rng, i):
    """Two or three numbers, one of which has nothing to do with x: that one ends at its mean, or by
    heart."""
    made = job("regression", mlp(24), adam(0.02), 1000, 64, schedule=SETTLE)
    known = [samplers.plane(rng, 3, 0.9) for _ in range(pick(i, 1, 2))]
    return Case(made, columns(*known, samplers.noise(rng, 3)), 6000, 3000)
