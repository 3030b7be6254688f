"""What a case of the suite is, and the registers of kinds that healthy.py, collapsed.py and
predictions.py fill.

A kind is a function (rng, i) -> Case, a job that is trained, or -> Predictions, which are audited. Its docstring argues, from how the case is built, what it is;
the verdicts that are right follow from that and from nothing that Pitprop answered. Where two
names are equally right the set holds both. `check` is the independent look at the predictions
that says whether the construction came out as intended."""

import zlib
from dataclasses import dataclass

import numpy as np

import samplers
import truth

# Verdicts that leave it open, for where few rows are held out or little has been learnt so far.
OPEN = {"undetermined", "not-yet-learned"}


@dataclass
class Case:
    job: dict
    sample: object  # training rows, and fresh ones; held-out ones too unless `held` says otherwise
    rows: int
    held_rows: int = 2000  # 0: judged on the training rows
    verdicts: set = None  # None: those of the kind
    fresh_rows: int = 5000
    held: object = None
    train: object = None  # training rows, where they are of another kind than fresh ones
    note: str = ""  # what varies within the kind


@dataclass
class Predictions:
    p: object
    y: object
    rank: object = None
    held: object = None  # 1: held out
    options: tuple = ()
    verdicts: set = None
    note: str = ""


@dataclass
class Kind:
    name: str
    healthy: bool  # None: open, neither an alarm nor silence is wrong
    build: object
    count: int
    verdicts: set
    check: object
    quick: bool = False
    audited: bool = False

    @property
    def why(self):
        return " ".join(self.build.__doc__.split())

    def case(self, seed, i):
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), i])
        case = self.build(rng, i)
        if not self.audited:
            case.job["name"] = f"{self.name}-{i}"
            case.job["seed"] = int(rng.integers(1 << 30))
        if case.verdicts is None:
            case.verdicts = self.verdicts
        return case


KINDS = []


def healthy(count, verdicts=("healthy",), check=truth.learnt, quick=False):
    def register(build):
        KINDS.append(Kind(build.__name__, True, build, count, set(verdicts), check, quick))
        return build

    return register


def collapsed(count, verdicts=(), check=truth.constant, quick=False):
    def register(build):
        KINDS.append(Kind(build.__name__, False, build, count, set(verdicts), check, quick))
        return build

    return register


def predicted(count, verdicts, check, healthy=None, open_=False):
    """Sound where "healthy" is the name that is due, unless said otherwise."""
    verdicts = set(verdicts)
    sound = None if open_ else "healthy" in verdicts if healthy is None else healthy

    def register(build):
        KINDS.append(Kind(build.__name__, sound, build, count, verdicts, check, audited=True))
        return build

    return register


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# ---- jobs ----


def dense(units, activation="identity", **more):
    return {"type": "dense", "units": units, "activation": activation, **more}


def mlp(*units, activation="relu", last=None, **more):
    """Hidden layers of these units, and the output."""
    return [dense(n, activation, **more) for n in units] + [last or dense("auto")]


def adam(lr=0.01, **more):
    return {"type": "adam", "lr": lr, **more}


def sgd(lr=0.1, **more):
    return {"type": "sgd", "lr": lr, **more}


SETTLE = {"type": "cosine", "final": 0.01}


def job(task, layers, optimizer, steps, batch=64, **more):
    """`more`: sections; `model__x` and `training__x` single keys."""
    made = {
        "data": {"task": task},
        "model": {"layers": layers},
        "optimizer": optimizer,
        "training": {"epochs": 0, "steps": steps, "batch": batch},
        "checkpoint": {"every_epochs": 0},
    }
    for key, value in more.items():
        section, _, name = key.partition("__")
        if name:
            made.setdefault(section, {})[name] = value
        else:
            made[section] = {**made.get(section, {}), **value}
    return made


def pick(i, *choices):
    return choices[i % len(choices)]


# ---- tasks that several kinds go through ----


@dataclass
class Task:
    task: str
    sample: object
    at_base: set  # right names for "always the best constant"
    note: str


def learnable(rng, i):
    """In turn: balanced classes, one row in five, three classes, numbers around 2; all easy."""
    return pick(
        i,
        Task("binary", samplers.shifted(rng, 5, 0.9), {"at-half", "at-base-rate"}, "50:50"),
        Task("binary", samplers.shifted(rng, 5, 0.9, 0.2), {"at-base-rate"}, "20:80"),
        Task(
            "multiclass",
            samplers.clouds(rng, 3, 5, 2.0, (0.5, 0.3, 0.2)),
            {"at-base-rate"},
            "3 classes",
        ),
        Task("regression", samplers.plane(rng, 5, 0.9, 1.0, 2.0), {"at-target-mean"}, "numbers"),
    )


def unlearnable(rng, i):
    """The same, but x says nothing of y."""
    return pick(
        i,
        Task("binary", samplers.lottery(rng, (0.5, 0.5)), {"at-half", "at-base-rate"}, "50:50"),
        Task("binary", samplers.lottery(rng, (0.8, 0.2)), {"at-base-rate", "one-class"}, "20:80"),
        Task(
            "multiclass",
            samplers.lottery(rng, (0.5, 0.3, 0.2)),
            {"at-base-rate", "one-class"},
            "3 classes",
        ),
        Task("regression", samplers.noise(rng, 5, 2.0), {"at-target-mean"}, "numbers"),
    )
