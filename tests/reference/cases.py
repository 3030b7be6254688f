"""What is compared: a table of data, layers, losses, optimisers and schedules."""
import copy
import dataclasses
import math

import numpy

ROWS, INPUTS = 173, 7  # the last batch of an epoch is a short one
BATCH = 32


@dataclasses.dataclass
class Case:
    name: str
    y: str  # key of TARGETS
    changes: dict = dataclasses.field(default_factory=dict)  # merged into the base job

    @property
    def inputs(self):
        return math.prod(self.changes.get("data", {}).get("x_shape", [INPUTS]))


def softmax(z):
    e = numpy.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def one_hot(labels, classes):
    return numpy.eye(classes, dtype="f4")[labels]


def logits_of(x, columns):
    """Something to learn, with noise; the same for every case."""
    random = numpy.random.default_rng(5)
    z = numpy.tanh(x @ random.normal(size=(x.shape[1], columns)) * (INPUTS / x.shape[1]) ** 0.5) * 2
    return z + 0.3 * random.normal(size=z.shape)


# name: (task, columns of logits, y from logits)
TARGETS = {
    "real": ("regression", 1, lambda z: z[:, 0].astype("f4")),
    "real3": ("regression", 3, lambda z: z.astype("f4")),
    "share": ("regression", 1, lambda z: (1 / (1 + numpy.exp(-z[:, 0]))).astype("f4")),
    "binary": ("binary", 1, lambda z: (z[:, 0] > 0.4).astype("i8")),
    "classes": ("multiclass", 4, lambda z: z.argmax(axis=1).astype("i8")),
    "columns": ("multiclass", 4, lambda z: one_hot(z.argmax(axis=1), 4)),
    "soft": ("regression", 4, lambda z: softmax(z).astype("f4")),
    "flags": ("regression", 3, lambda z: (z > 0.2).astype("f4")),
}


def make_data(case):
    """x [rows, inputs], y, and the data set of row weights (1 unless the case wants others)."""
    random = numpy.random.default_rng(7)
    x = random.normal(size=(ROWS, case.inputs)).astype("f4")
    _, columns, make = TARGETS[case.y]
    y = make(logits_of(x.astype("f8"), columns))
    weights = numpy.ones(ROWS, "f4")
    if case.changes.get("data", {}).get("row_weights"):
        weights = random.uniform(0, 2, ROWS).astype("f4")
    return x, y, weights


def class_weights(job, y):
    """Weight of each row in the loss that data.balance gives it."""
    balance = job["data"].get("balance", "none")
    if balance == "none":
        return numpy.ones(len(y), "f8")
    labels = y.astype("i8")
    counts = numpy.bincount(labels)
    given = job["data"].get("class_weights", len(y) / (len(counts) * counts))
    return numpy.asarray(given, "f8")[labels]


def dense(units, activation="identity", **more):
    return {"type": "dense", "units": units, "activation": activation, "bias_init": "normal",
            "bias_scale": 0.1, **more}


def net(*layers):
    return {"model": {"layers": list(layers)}}


BASE = {
    "data": {"files": "data.h5", "shuffle": False, "validation": {"fraction": 0}},
    "loss": {"type": "mse"},
    "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
    "training": {"steps": 10, "batch": BATCH, "lanes": 1},
    "monitor": {"log_steps": 1, "save_initial": True},
    "checkpoint": {"every_epochs": 0},
}


def merge(into, changes):
    """Objects that have a type of their own are replaced, others merged key by key."""
    for key, value in changes.items():
        if isinstance(value, dict) and "type" not in value and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def make_job(case):
    task, columns, _ = TARGETS[case.y]
    job = copy.deepcopy(BASE)
    job["name"] = case.name
    job["data"]["task"] = task
    job.update(net(dense(12, "tanh"), dense(columns)))
    return merge(job, copy.deepcopy(case.changes))


ACTIVATIONS = ["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "softplus", "softmax"]


def activation_cases():
    yield Case("linear", "real3", net(dense(3)))
    for f in ACTIVATIONS:
        yield Case(f"dense-{f}", "real3", net(dense(12, f), dense(8, f), dense(3)))
    for f in ["relu", "silu", "softmax"]:
        apart = {"type": "activation", "activation": f}
        yield Case(f"layer-{f}", "real3", net(dense(12), apart, dense(8), apart, dense(3)))


def image_net(shape, *layers):
    return {"data": {"x_shape": shape}, **net(*layers)}


def conv(channels, kernel, kind="conv2d", **more):
    return {"type": kind, "channels": channels, "kernel": kernel, "bias_init": "normal",
            "bias_scale": 0.1, **more}


def convolution_cases():
    """Odd sizes, one place, strides above the kernel, dilation, groups, same; pools of each kind."""
    pool, flat = {"type": "max_pool2d"}, {"type": "flatten"}
    mean = {"type": "global_average_pool"}
    yield Case("conv-2d", "real3", image_net(
        [2, 7, 6], conv(5, 3, activation="relu"), conv(4, [2, 3], padding=[1, 0]), flat, dense(3)))
    yield Case("conv-2d-of-lines", "real3", image_net([9, 5], conv(4, [3, 1]), mean, dense(3)))
    yield Case("conv-2d-same", "classes", {**image_net(
        [1, 9, 8], conv(4, [4, 3], padding="same", activation="tanh"), pool,
        conv(4, 2, padding="same", dilation=2, l2=0.01), mean, dense(4)),
        **loss("cross_entropy_logits")})
    yield Case("conv-2d-stride", "real3", image_net(
        [3, 8, 11], conv(6, 1, stride=[2, 3], bias=False), conv(3, 2, stride=3), dense(3)))
    yield Case("conv-2d-groups", "real3", image_net(
        [4, 6, 5], conv(8, 3, padding=1, groups=2), conv(8, 3, groups=8, activation="gelu"),
        conv(6, 1), dense(3)))
    yield Case("conv-2d-block", "real3", image_net(
        [4, 5, 5], {"type": "residual", "layers": [conv(4, 3, padding="same", activation="relu"),
                                                   conv(4, 1, trainable=False)]},
        mean, dense(3)))
    yield Case("max-pool-2d", "real3", image_net(
        [2, 9, 7], conv(4, 2), {"type": "max_pool2d", "kernel": [3, 2], "stride": [2, 1],
                                "padding": [1, 1]}, dense(3)))
    yield Case("average-pool-2d", "real3", image_net(
        [2, 9, 7], conv(4, 2), {"type": "average_pool2d", "kernel": 3, "stride": 2, "padding": 1},
        {"type": "average_pool2d"}, dense(3)))
    norm = {"type": "batch_norm"}
    yield Case("conv-2d-batch-norm", "real3", image_net(
        [2, 7, 6], norm, conv(5, 3, bias=False), norm, {"type": "activation", "activation": "relu"},
        conv(4, 1), mean, norm, dense(3)))
    yield Case("conv-1d-batch-norm", "real3", image_net(
        [1, 40], conv(4, 5, "conv1d"), {"type": "batch_norm", "momentum": 0.3}, flat, dense(3)))
    yield Case("conv-1d", "real3", image_net(
        [2, 31], conv(5, 4, "conv1d", padding="same", activation="relu"), {"type": "max_pool1d"},
        conv(4, 3, "conv1d", stride=2, dilation=2, padding=1), mean, dense(3)))
    yield Case("pool-1d", "real3", image_net(
        [1, 40], conv(4, 5, "conv1d"), {"type": "average_pool1d", "kernel": 3, "padding": 1},
        {"type": "max_pool1d", "kernel": 4, "stride": 2, "padding": 2}, flat, dense(3)))


def loss(kind, **more):
    return {"loss": {"type": kind, **more}}


def loss_cases():
    probability = net(dense(12, "tanh"), dense(1, "sigmoid"))
    shares = net(dense(12, "tanh"), dense(4, "softmax"))
    sigmoids = net(dense(12, "tanh"), dense(4, "sigmoid"))
    three = net(dense(12, "tanh"), dense(3))
    yield Case("bce", "binary", {**probability, **loss("bce")})
    yield Case("bce-smooth", "binary", {**probability, **loss("bce", label_smoothing=0.1)})
    yield Case("bce-clipped", "binary", {**probability, **loss("bce", epsilon=0.4)})
    yield Case("bce-of-shares", "share", {**probability, **loss("bce")})
    yield Case("bce-one-hot", "classes", {**sigmoids, **loss("bce", targets="one_hot")})
    yield Case("bce-logits", "binary", loss("bce_logits"))
    yield Case("bce-logits-smooth", "binary", loss("bce_logits", label_smoothing=0.2))
    yield Case("bce-logits-of-flags", "flags", loss("bce_logits"))
    yield Case("bce-logits-one-hot", "classes", loss("bce_logits", targets="one_hot"))
    yield Case("ce", "classes", {**shares, **loss("cross_entropy")})
    yield Case("ce-smooth", "classes", {**shares, **loss("cross_entropy", label_smoothing=0.1)})
    yield Case("ce-clipped", "classes", {**shares, **loss("cross_entropy", epsilon=0.3)})
    yield Case("ce-unnormalised", "classes", {**sigmoids, **loss("cross_entropy")})
    yield Case("ce-columns", "columns", {**shares, **loss("cross_entropy")})
    yield Case("ce-logits", "classes", loss("cross_entropy_logits"))
    yield Case("ce-logits-smooth", "classes", loss("cross_entropy_logits", label_smoothing=0.2))
    yield Case("ce-logits-columns", "columns", loss("cross_entropy_logits"))
    yield Case("ce-logits-soft", "soft", loss("cross_entropy_logits", label_smoothing=0.1))
    yield Case("mse", "real", loss("mse"))
    yield Case("mse-one-column-for-all", "real", {**three, **loss("mse")})
    yield Case("mse-one-hot", "classes", loss("mse", targets="one_hot"))
    yield Case("mse-broadcast", "real", loss("mse", targets="broadcast"))
    yield Case("huber-broadcast", "real3", loss("huber", targets="broadcast", delta=0.5))
    yield Case("mae", "real3", loss("mae"))
    yield Case("huber", "real3", loss("huber", delta=0.7))
    yield Case("quantile", "real", loss("quantile", quantile=0.9))


def optimizer(kind, lr, **more):
    return {"optimizer": {"type": kind, "lr": lr, **more}}


def optimizer_cases():
    yield Case("sgd", "real3", optimizer("sgd", 0.1))
    yield Case("sgd-decay", "real3", optimizer("sgd", 0.1, weight_decay=0.1))
    yield Case("sgd-momentum", "real3", optimizer("sgd", 0.05, momentum=0.9, weight_decay=0.1))
    yield Case("sgd-nesterov", "real3", optimizer("sgd", 0.05, momentum=0.9, nesterov=True))
    yield Case("sgd-nesterov-decay", "real3",
               optimizer("sgd", 0.05, momentum=0.9, nesterov=True, weight_decay=0.1))
    yield Case("adam", "real3", optimizer("adam", 0.01))
    yield Case("adam-decay", "real3", optimizer("adam", 0.01, weight_decay=0.1))
    yield Case("adam-betas", "real3",
               optimizer("adam", 0.01, beta1=0.5, beta2=0.9, epsilon=1e-3))
    yield Case("adamw", "real3", optimizer("adamw", 0.01, weight_decay=0.5))
    yield Case("rmsprop", "real3", optimizer("rmsprop", 0.01))
    yield Case("rmsprop-momentum", "real3",
               optimizer("rmsprop", 0.005, momentum=0.8, alpha=0.9, epsilon=1e-4, weight_decay=0.1))
    yield Case("adagrad", "real3", optimizer("adagrad", 0.05, weight_decay=0.1))


def layer_cases():
    batch_norm, layer_norm = {"type": "batch_norm"}, {"type": "layer_norm"}
    plain = dense(12, bias=False)  # the norm would take any bias out again
    tanh = {"type": "activation", "activation": "tanh"}
    yield Case("batch-norm", "real3", net(plain, batch_norm, tanh, dense(3)))
    yield Case("batch-norm-options", "real3",
               net(plain, {"type": "batch_norm", "momentum": 0.3, "epsilon": 0.1}, tanh, dense(3)))
    yield Case("batch-norm-of-inputs", "real3", net(batch_norm, dense(12, "tanh"), dense(3)))
    yield Case("layer-norm", "real3", net(dense(12), layer_norm, tanh, dense(3)))
    yield Case("layer-norm-options", "real3",
               net(dense(12), {"type": "layer_norm", "epsilon": 0.1}, tanh, dense(3)))
    block = {"type": "residual", "layers": [dense(9, "relu"), dense(12)]}
    normed = {"type": "residual", "layers": [batch_norm, dense(12, "gelu"), block]}
    yield Case("residual", "real3", net(dense(12), block, dense(3)))
    yield Case("residual-nested", "real3", net(dense(12, "tanh"), normed, layer_norm, dense(3)))
    yield Case("residual-first", "real3",
               net({"type": "residual", "layers": [dense(7, "tanh")]}, dense(3)))
    yield Case("dropout-of-nothing", "real3",
               net(dense(12, "tanh"), {"type": "dropout", "rate": 0}, dense(3)))
    yield Case("no-bias", "real3", net(dense(12, "tanh", bias=False), dense(3, bias=False)))
    yield Case("frozen", "real3", {**net(dense(12, "tanh", trainable=False), layer_norm, dense(3)),
                                   **optimizer("sgd", 0.1, weight_decay=0.1)})


def gradient_cases():
    yield Case("clipped", "real3", {"training": {"clip_norm": 0.3}})
    yield Case("clipped-at-times", "real3", {"training": {"clip_norm": 1.8}})
    both = net(dense(12, "tanh", l1=0.02, l2=0.05), dense(3, l2=0.1))
    yield Case("l1", "real3", net(dense(12, "tanh", l1=0.05), dense(3)))
    yield Case("l2", "real3", net(dense(12, "tanh", l2=0.1), dense(3)))
    yield Case("l1-l2-clipped", "real3", {**both, "training": {"clip_norm": 0.5}})
    ce = loss("cross_entropy_logits")
    yield Case("class-weights", "classes", {**ce, "data": {"balance": "class_weights"}})
    yield Case("class-weights-given", "classes",
               {**ce, "data": {"balance": "given", "class_weights": [0.5, 2, 0, 1]}})
    yield Case("row-weights", "real", {"data": {"row_weights": "/weights"}})
    yield Case("row-and-class-weights", "binary",
               {**loss("bce_logits"),
                "data": {"row_weights": "/weights", "balance": "class_weights"}})
    yield Case("four-lanes", "real3", {"training": {"lanes": 4}})
    yield Case("four-lanes-large", "classes",
               {**ce, **optimizer("adam", 0.01), "training": {"lanes": 4, "batch": 128}})


def schedule_cases():
    def schedule(kind, steps=20, **more):
        return {"schedule": {"type": kind, **more}, "training": {"steps": steps}}

    yield Case("warmup", "real3", schedule("constant", warmup_steps=5))
    yield Case("step", "real3", schedule("step", factor=0.5, every=1))
    yield Case("step-of-fractions", "real3", schedule("step", factor=0.8, every=0.5))
    yield Case("exponential", "real3", schedule("exponential", factor=0.5))
    yield Case("exponential-warmup", "real3", schedule("exponential", factor=0.5, warmup_steps=4))
    yield Case("inverse-time", "real3", schedule("inverse_time", rate=0.7))
    yield Case("cosine", "real3", schedule("cosine", final=0.1))
    yield Case("cosine-warmup-adamw", "real3",
               {**schedule("cosine", warmup_steps=4), **optimizer("adamw", 0.02, weight_decay=0.1)})
    yield Case("plateau", "real3",
               merge(schedule("plateau", steps=30, factor=0.5, patience=1, min_lr=0.02),
                     {"training": {"min_delta": 0.3}, "monitor": {"evaluate_epochs": 0.5}}))


def all_cases():
    for group in (activation_cases, convolution_cases, loss_cases, optimizer_cases, layer_cases, gradient_cases,
                  schedule_cases):
        yield from group()
