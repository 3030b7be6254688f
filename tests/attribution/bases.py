"""Sound jobs on made data: what each fault is planted into. A base draws its own truth, so that rows
of training, held-out and other files are of one kind."""

import copy

import numpy as np


class Data:
    """Training rows, held-out rows, and a maker of more of the same kind."""

    def __init__(self, make, rows, held_out=1500):
        self.make = make
        self.x, self.y = make(rows)
        self.held_x, self.held_y = make(held_out)


def mixing(rng, features):
    """Correlated features, as real ones are."""
    return np.eye(features) + rng.normal(size=(features, features)) * 0.5 / np.sqrt(features)


def surface(rng, features):
    """A function of x with linear, product and bent parts, deviation about 1."""
    a, b = rng.normal(size=features), rng.normal(size=(2, features))
    a /= np.linalg.norm(a)
    b /= np.linalg.norm(b, axis=1, keepdims=True)

    def f(x):
        return (x @ a + 0.8 * (x @ b[0]) * (x @ b[1]) + 0.5 * np.sin(2 * (x @ b[1]))) / 1.4

    return f


def binary(rng, features):
    mix, f = mixing(rng, features), surface(rng, features)

    def make(n):
        z = rng.normal(size=(n, features))
        return z @ mix, (f(z) + 0.35 * rng.normal(size=n) > 0.1).astype(np.int64)

    return make


def classes(rng, features, k):
    mix = mixing(rng, features)
    centres = 1.6 * rng.normal(size=(2 * k, features)) / np.sqrt(features / 4)

    def make(n):
        of = rng.integers(0, 2 * k, n)
        return (centres[of] + 0.8 * rng.normal(size=(n, features))) @ mix, of % k

    return make


def numbers(rng, features, low=None):
    mix, f = mixing(rng, features), surface(rng, features)

    def make(n):
        z = rng.normal(size=(n, features))
        y = f(z) + 0.3 * rng.normal(size=n)
        if low is not None:
            y = low + (1 - low) / (1 + np.exp(-1.5 * y))
        return z @ mix, y

    return make


def xor(rng, features):
    mix = np.linalg.qr(rng.normal(size=(features, features)))[0]

    def make(n):
        z = rng.normal(size=(n, features))
        return z @ mix, (z[:, 0] * z[:, 1] > 0).astype(np.int64)

    return make


def dense(units, activation=None, **more):
    layer = {"type": "dense", "units": units, **more}
    if activation:
        layer["activation"] = activation
    return layer


def job(task, widths, optimizer, batch, epochs, activation="relu"):
    return {
        "name": "attribution",
        "seed": 1,
        "data": {"task": task},
        "model": {"layers": [dense(w, activation) for w in widths] + [dense("auto")]},
        "optimizer": dict(optimizer),
        "training": {"epochs": epochs, "batch": batch},
    }


ADAM = {"type": "adam", "lr": 0.003}
MOMENTUM = {"type": "sgd", "lr": 0.03, "momentum": 0.9}
SGD = {"type": "sgd", "lr": 0.2}

# task, maker, rows, features, hidden widths, optimiser, batch, epochs, activation
VARIANTS = [
    ("binary", binary, 2500, 8, (32, 32), ADAM, 32, 12, "relu"),
    ("multiclass", lambda r, f: classes(r, f, 5), 3000, 10, (48,), ADAM, 32, 10, "relu"),
    ("regression", numbers, 2500, 6, (40, 20), ADAM, 32, 15, "relu"),
    ("binary", binary, 4000, 12, (64,), MOMENTUM, 64, 15, "relu"),
    ("multiclass", lambda r, f: classes(r, f, 3), 2000, 6, (24, 24), SGD, 32, 15, "tanh"),
    ("regression", numbers, 3000, 10, (64,), MOMENTUM, 32, 12, "tanh"),
    ("binary", xor, 2000, 4, (32, 16), ADAM, 32, 20, "relu"),
    ("multiclass", lambda r, f: classes(r, f, 10), 4000, 16, (64, 32), ADAM, 64, 15, "relu"),
    ("binary", binary, 3000, 20, (48, 24, 12), ADAM, 32, 15, "relu"),
    ("regression", lambda r, f: numbers(r, f, 0.0), 2500, 8, (32, 32), ADAM, 32, 15, "relu"),
]


class Base:
    """One sound job with its data; a fault changes a copy."""

    def __init__(self, variant, seed):
        task, maker, rows, features, widths, optimizer, batch, epochs, activation = VARIANTS[variant]
        self.rng = np.random.default_rng([variant, seed])
        self.task, self.variant, self.optimizer = task, variant, optimizer
        self.data = Data(maker(self.rng, features), rows)
        self.job = job(task, widths, optimizer, batch, epochs, activation)
        self.job["seed"] = 1 + seed

    def copy(self):
        return copy.deepcopy(self)

    @property
    def layers(self):
        return self.job["model"]["layers"]

    @property
    def hidden(self):
        return [x for x in self.layers[:-1] if x["type"] == "dense"]

    @property
    def bounded(self):
        return self.task == "regression" and self.data.y.min() >= 0 and self.data.y.max() <= 1
