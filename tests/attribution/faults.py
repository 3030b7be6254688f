"""The faults: each changes a sound job or its data in one respect. `accepted` names the causes that
are right answers, most exact first; where two are the same by nature both stand there. What a fault
returns is done to the sound job as well: conditions under which it shows, and the remedy known."""

import numpy as np

from bases import dense, numbers, xor, Data

FAULTS = []


class Fault:
    def __init__(self, cause, accepted, fits, plant, alone):
        self.cause, self.accepted, self.fits, self.plant = cause, accepted, fits, plant
        self.alone = alone  # not in pairs


def fault(cause, *also, fits=lambda base: True, alone=False):
    def add(plant):
        FAULTS.append(Fault(cause, {cause, *also}, fits, plant, alone))
        return plant

    return add


def pick(i, *values):
    return values[i % len(values)]


def of(*tasks):
    return lambda base: base.task in tasks


def with_relu(base):
    return any(x.get("activation") == "relu" for x in base.hidden)


# ---- training ----


@fault("learning-rate-too-high", "exploding", "unsuitable-optimiser")
def rate_high(base, i):
    adam = base.optimizer["type"] == "adam"
    base.job["optimizer"]["lr"] = pick(i, 1.0, 3.0, 10.0) if adam else pick(i, 30.0, 100.0, 300.0)


@fault("learning-rate-too-low", "too-few-steps")
def rate_low(base, i):
    base.job["optimizer"]["lr"] *= pick(i, 1e-4, 1e-5, 3e-5)


@fault("too-few-steps", "learning-rate-too-low")
def few_steps(base, i):
    base.job["training"]["steps"] = pick(i, 2, 3, 4)
    base.job["optimizer"]["lr"] = {"adam": 0.001, "sgd": 0.02}[base.optimizer["type"]]


@fault("unsuitable-optimiser", "learning-rate-too-low", "too-few-steps")
def optimiser(base, i):
    base.job["optimizer"] = pick(
        i,
        {"type": "adagrad", "lr": 0.0003},
        {"type": "rmsprop", "lr": 1e-5, "momentum": 0.0},
        {"type": "sgd", "lr": 0.00003},
    )


@fault("momentum-too-high", "learning-rate-too-high", "unsuitable-optimiser", "exploding")
def momentum(base, i):
    base.job["optimizer"] = {"type": "sgd", "lr": 0.1, "momentum": pick(i, 0.999, 0.9995, 0.9999)}


@fault("learning-rate-schedule", "learning-rate-too-low", "too-few-steps")
def schedule(base, i):
    base.job["schedule"] = pick(
        i,
        {"type": "exponential", "factor": 1e-12},
        {"warmup_steps": 10_000_000},
        {"warmup_steps": 1_000_000},
    )


@fault("weight-decay-too-strong")
def decay(base, i):
    if i % 2 == 0:
        base.job["optimizer"]["weight_decay"] = pick(i // 2, 1.0, 3.0)
    else:
        for layer in base.layers:
            if layer["type"] == "dense":
                layer["l1" if i % 4 == 1 else "l2"] = 0.5


@fault("clipping-too-tight", fits=lambda b: b.optimizer["type"] == "sgd")
def clip(base, i):
    base.job["training"]["clip_norm"] = pick(i, 1e-4, 3e-5, 1e-5)


@fault("batch-too-large", "too-few-steps", "learning-rate-too-low")
def batch_large(base, i):
    base.job["training"]["batch"] = len(base.data.x)
    base.job["training"]["epochs"] = pick(i, 3, 5)
    base.job["optimizer"]["lr"] = {"adam": 0.001, "sgd": 0.02}[base.optimizer["type"]]


@fault("batch-too-small", "learning-rate-too-high", "momentum-too-high", "unsuitable-optimiser")
def batch_small(base, i):
    base.job["training"].update(batch=1, lanes=1, epochs=2)
    adam = base.optimizer["type"] == "adam"
    base.job["optimizer"]["lr"] = pick(i, 0.5, 1.0) if adam else pick(i, 2.0, 4.0)


@fault("exploding", "learning-rate-too-high", "initialisation", "unscaled-inputs", fits=of("regression"))
def exploding(base, i):
    base.layers[:-1] = [dense(48, "relu", init="normal", init_scale=pick(i, 0.7, 0.9)) for _ in range(4)]
    base.job["optimizer"] = {"type": "sgd", "lr": 0.05}


# ---- network ----


@fault("initialisation", "dead-relus", "saturated-units")
def init(base, i):
    kind = i % 4
    for layer in base.layers:
        if layer["type"] != "dense":
            continue
        if kind == 0:
            layer.update(init="zeros")
        elif kind == 1:
            layer.update(init="constant", init_scale=0.5)
        elif kind == 2:
            layer.update(init="normal", init_scale=pick(i // 4, 20.0, 50.0))
        elif layer is not base.layers[-1]:
            layer.update(bias_init="constant", bias_scale=-30.0)


@fault("saturated-units", "initialisation", "unsuitable-optimiser", "learning-rate-too-low")
def saturated(base, i):
    base.layers[:-1] = [dense(24, "sigmoid") for _ in range(pick(i, 6, 7, 8))]
    base.job["optimizer"] = {"type": "sgd", "lr": 0.05}


@fault("dead-relus", "initialisation", "learning-rate-too-high", fits=with_relu)
def dead(base, i):
    for layer in base.hidden:
        layer.update(activation="relu", bias_init="constant", bias_scale=-pick(i, 15.0, 20.0, 30.0))


@fault("dropout-too-high")
def dropout(base, i):
    rate = pick(i, 0.97, 0.98, 0.99)
    layers = []
    for layer in base.layers[:-1]:
        layers += [layer, {"type": "dropout", "rate": rate}]
    base.job["model"]["layers"] = layers + [base.layers[-1]]


@fault("batch-norm-share-too-small")
def batch_norm(base, i):
    layers = []
    for layer in base.layers[:-1]:
        layers += [layer, {"type": "batch_norm"}]
    base.job["model"]["layers"] = layers + [base.layers[-1]]
    rows = pick(i, 16, 32)
    base.job["training"].update(batch=rows, lanes=rows)


@fault("network-too-small", fits=lambda b: b.data.make.__qualname__.startswith("xor"))
def small(base, i):
    base.job["model"]["layers"] = pick(
        i,
        [dense("auto")],
        [dense(1, "relu"), dense("auto")],
        [dense(16), dense("auto")],
    )


@fault("frozen-layers")
def frozen(base, i):
    for layer in base.layers:
        if layer["type"] == "dense":
            layer["trainable"] = False


# ---- output and loss ----


@fault("missing-output-activation", "wrong-loss", fits=of("binary", "multiclass"))
def no_activation(base, i):
    base.job["loss"] = {"type": "bce" if base.task == "binary" else "cross_entropy"}
    for layer in base.layers[-1:]:
        layer.update(bias_init="constant", bias_scale=-3.0)


@fault("activation-only-at-prediction", "wrong-loss", fits=lambda b: b.task == "binary" or b.bounded)
def at_prediction(base, i):
    base.job["loss"] = {"type": "mse"}
    base.job["model"]["at_prediction"] = "sigmoid"


@fault("activation-twice", fits=of("binary", "multiclass"))
def twice(base, i):
    base.layers[-1]["activation"] = "sigmoid" if base.task == "binary" else "softmax"
    base.job["loss"] = {"type": "bce_logits" if base.task == "binary" else "cross_entropy_logits"}

    def slow(job):
        job["optimizer"] = {"type": "sgd", "lr": pick(i, 0.1, 0.05)}
        job["training"]["epochs"] = 5

    slow(base.job)
    return lambda sound: slow(sound.job)


@fault("wrong-loss", "activation-twice", "missing-output-activation", "output-range", fits=of("binary", "multiclass"))
def wrong_loss(base, i):
    if base.task == "binary":  # softmax over one unit
        base.layers[-1].update(units=1, activation="softmax")
        base.job["loss"] = {"type": "bce"}
    else:  # a single sigmoid for several classes
        base.layers[-1].update(units=1, activation=pick(i, "sigmoid", None) or "identity")
        base.job["loss"] = {"type": "mse"}


@fault("loss-for-bounded-targets", "learning-rate-too-low", "unsuitable-optimiser", "wrong-loss",
       fits=lambda b: b.bounded)
def bounded(base, i):
    base.job["loss"] = {"type": "quantile", "quantile": pick(i, 0.001, 0.999)}


@fault("clamped-predictions", fits=of("regression"))
def clamp(base, i):
    low, high = pick(i, (90, 98), (95, 100), (98, 100))
    low, high = np.percentile(base.data.y, [low, high])
    base.job["model"].update(at_prediction="clamp", clamp_low=float(low), clamp_high=float(high))


@fault("output-range", "dead-relus", "initialisation", fits=of("regression"))
def output_range(base, i):
    shift = -base.data.y.max() - 1.0
    for name in ("y", "held_y"):
        setattr(base.data, name, getattr(base.data, name) + shift)
    base.layers[-1]["activation"] = pick(i, "relu", "sigmoid", "softplus")


@fault("label-code", "wrong-loss", fits=of("binary"))
def label_code(base, i):
    low, high = pick(i, (1, 2), (-1, 1), (2, 3), (1, 2))
    for name in ("y", "held_y"):
        setattr(base.data, name, np.where(getattr(base.data, name) > 0, high, low))
    base.job["loss"] = {"type": "bce_logits", "targets": "dense"}


@fault("target-broadcast", fits=of("regression"))
def broadcast(base, i):
    base.job["loss"] = {"type": "mse", "targets": "broadcast"}
    base.job["training"].update(batch=pick(i, 64, 128), lanes=1)


@fault("label-smoothing-too-strong", fits=of("multiclass", "binary"))
def smoothing(base, i):
    base.job.setdefault("loss", {"type": "bce_logits" if base.task == "binary" else "cross_entropy_logits"})
    base.job["loss"]["label_smoothing"] = pick(i, 0.99, 0.995)


# ---- data ----


@fault("class-imbalance", fits=of("binary"))
def imbalance(base, i):
    """A rare class that overlaps: the answer is the common one for every row."""
    share = pick(i, 0.03, 0.05)
    rng, make = base.rng, base.data.make
    rows = len(base.data.x)

    def rare(n):
        x, y = make(40 * n)
        ones, zeros = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
        k = max(8, round(n * share))
        chosen = rng.permutation(np.concatenate([ones[:k], zeros[: n - k]]))
        return x[chosen] + rng.normal(size=(n, x.shape[1])) * 0.7, y[chosen]

    base.data = Data(rare, rows, 4000)
    base.job["training"]["epochs"] = 1

    def weighted(sound):
        sound.data = base.data
        sound.job["training"]["epochs"] = 1
        sound.job["data"]["balance"] = "oversample"

    return weighted


@fault("class-weights-inverted", fits=of("binary", "multiclass"))
def weights(base, i):
    k = int(base.data.y.max()) + 1
    base.job["data"].update(balance="given", class_weights=[pick(i, 1e7, 1e8)] + [1.0] * (k - 1))


@fault("unscaled-inputs", "saturated-units", "dead-relus", "learning-rate-too-high", "exploding",
       "learning-rate-too-low")
def unscaled(base, i):
    scale, offset = pick(i, (1e4, 0.0), (1.0, 3000.0), (3e-5, 0.0))
    base.data.x = base.data.x * scale + offset
    base.data.held_x = base.data.held_x * scale + offset
    base.job["optimizer"] = {"type": "sgd", "lr": 0.05}


@fault("unscaled-targets", fits=of("regression"))
def unscaled_targets(base, i):
    scale, offset = pick(i, (5e4, 2e5), (3e3, 0.0), (20.0, 1990.0))
    for name in ("y", "held_y"):
        setattr(base.data, name, getattr(base.data, name) * scale + offset)
    base.job["optimizer"] = pick(i, {"type": "sgd", "lr": 0.03}, {"type": "adam", "lr": 0.003})


@fault("dominant-feature", "unscaled-inputs")
def dominant(base, i):
    extra = base.rng.normal(size=(len(base.data.x) + len(base.data.held_x), 1)) * pick(i, 3e3, 3e4)
    n = len(base.data.x)
    base.data.x = np.hstack([base.data.x, extra[:n]])
    base.data.held_x = np.hstack([base.data.held_x, extra[n:]])


@fault("rows-not-mixed", fits=of("multiclass", "binary"))
def sorted_rows(base, i):
    order = np.argsort(base.data.y, kind="stable")
    base.data.x, base.data.y = base.data.x[order], base.data.y[order]
    base.job["data"].update(shuffle=False)

    def short(job):
        job["training"].update(lanes=1, epochs=2)
        job["optimizer"] = {"type": "sgd", "lr": 0.3}

    short(base.job)
    return lambda sound: short(sound.job)


@fault("misaligned-rows")
def misaligned(base, i):
    by = pick(i, 1, -1, 2, 3, -2)
    for name in ("y", "held_y"):
        setattr(base.data, name, np.roll(getattr(base.data, name), by))


@fault("validation-from-elsewhere", alone=True)
def elsewhere(base, i):
    """Held-out rows of another make: their features are mixed in another way."""
    turn = np.linalg.qr(base.rng.normal(size=(base.data.x.shape[1],) * 2))[0]
    base.data.held_x = 2 * base.data.held_x @ turn


@fault("constant-targets", alone=True, fits=of("regression"))
def constant_targets(base, i):
    for name in ("y", "held_y"):
        y = np.full(len(getattr(base.data, name)), 0.5)
        few = base.rng.random(len(y)) < pick(i, 0.0, 0.005)
        y[few] = base.rng.random(few.sum())
        setattr(base.data, name, y)


@fault("constant-features", "no-signal", alone=True)
def constant_features(base, i):
    base.data.x = np.full_like(base.data.x, pick(i, 0.0, 1.0))
    base.data.held_x = np.full_like(base.data.held_x, pick(i, 0.0, 1.0))


@fault("non-finite-data", alone=True)
def non_finite(base, i):
    base.data.x[base.rng.integers(len(base.data.x)), 0] = pick(i, np.nan, np.inf)


@fault("too-few-rows", "no-signal", alone=True)
def few_rows(base, i):
    n = pick(i, 12, 20, 30)
    wide = base.rng.normal(size=(len(base.data.x) + len(base.data.held_x), 30))
    rows = len(base.data.x)
    base.data.x = np.hstack([base.data.x, wide[:rows]])[:n]
    base.data.y = base.data.y[:n]
    base.data.held_x = np.hstack([base.data.held_x, wide[rows:]])
    base.job["training"].update(batch=8, epochs=60)
