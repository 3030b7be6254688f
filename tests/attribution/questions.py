"""Further kinds of jobs for `pitprop why`, each with the answers that are right and the argument for
them: sound jobs that must not be accused, faults under conditions that hide them (few rows, nothing
held out, several at once), and faults of the data. Answers are those of why.json ("healthy",
"no-signal", "needs-more-rows", "data", "depends-on-seed") or the cause that is named first.

Whether a question is what it was built to be is found without `why`: `valid(exam, sound, job)` has
exam(base), the score of its training on rows that the job does not see: `base.exam`, or the held-out
ones where the job holds out others (`base.validation`). Where `sound` is None nothing was planted."""

import numpy as np

import faults
from bases import VARIANTS, Base, Data, dense, job
from faults import pick

QUESTIONS = []
BY_CAUSE = {f.cause: f for f in faults.FAULTS}


def shows(exam, sound, planted):
    good, bad = exam(sound), exam(planted)
    return None if good > 0.15 and bad < 0.6 * good else f"sound {good:.2f}, faulty {bad:.2f}"


def works(exam, sound, planted):
    score = exam(planted)
    return None if score > 0.005 else f"score {score:.3f} only"


def by_construction(exam, sound, planted):
    return None


class Kind:
    def __init__(self, build, count, right, valid):
        self.build, self.count, self.right, self.valid = build, count, right, valid

    @property
    def name(self):
        return self.build.__name__.replace("_", "-")


def question(count, *right, valid=shows):
    """A builder returns (sound or None, job) or (sound, job, right)."""

    def add(build):
        QUESTIONS.append(Kind(build, count, set(right), valid))
        return build

    return add


# ---- sound jobs ----


class Made(Base):
    """A sound job on data of a maker, with rows and a network of one's own."""

    def __init__(self, rng, task, maker, rows, layers, optimizer, batch, epochs, held_out=1500):
        self.rng, self.task, self.variant, self.optimizer = rng, task, -1, optimizer
        self.data = Data(maker, rows, held_out)
        self.job = job(task, layers, optimizer, batch, epochs)
        self.job["seed"] = int(rng.integers(1 << 20))


def of_variants(i, rng, fits=lambda base: True):
    """The i-th variant that fits, with a seed of the generator."""
    usable = [v for v in range(len(VARIANTS)) if fits(Base(v, 1))]
    return Base(usable[i % len(usable)], int(rng.integers(1 << 20)))


def plain(rng, task, features=5, noise=0.3):
    """Something that a straight line and a bend tell, of which a hundred rows show most."""
    w = rng.normal(size=(features, 3)) / np.sqrt(features)

    def make(n):
        x = rng.normal(size=(n, features))
        z = x @ w + 0.3 * np.abs(x[:, :1]) + noise * rng.normal(size=(n, 3)) / 2
        return x, {"regression": lambda: 2 * z[:, 0], "binary": lambda: (z[:, 0] > 0.2).astype(np.int64),
                   "multiclass": lambda: (z * 2).argmax(1)}[task]()

    return make


TASKS = ("binary", "regression", "multiclass")


def small(rng, i, rows=None, **more):
    task = pick(i, *TASKS)
    rows = rows or pick(i, 100, 150, 200, 300)
    made = Made(rng, task, plain(rng, task), rows, (16,), {"type": "adam", "lr": 0.01}, 16, 40, **more)
    made.validation = {"fraction": pick(i, 0.2, 0.3)}
    return made


def plant(base, *causes, i=0):
    """The sound job as it is to be compared, and the job with the faults."""
    planted = base.copy()
    for cause in causes:
        also = BY_CAUSE[cause].plant(planted, i)
        if also:
            also(base)
    return planted


def accepted(*causes):
    return set().union(*(BY_CAUSE[c].accepted for c in causes))


# ---- few rows, none held out, several faults ----

VISIBLE = ("learning-rate-too-low", "weight-decay-too-strong", "initialisation",
           "misaligned-rows", "dropout-too-high", "frozen-layers", "target-broadcast", "label-code",
           "clamped-predictions", "class-weights-inverted")


def fitting(base, i):
    causes = [c for c in VISIBLE if BY_CAUSE[c].fits(base)]
    return causes[i % len(causes)]


@question(24)
def few_rows(rng, i):
    """100 to 300 rows, a fifth or a third of them held out, and one fault that fresh rows show as
    plainly as ever: its name is the answer."""
    base = small(rng, i)
    cause = fitting(base, i // 3)
    return base, plant(base, cause, i=i), accepted(cause)


@question(8, "healthy", "needs-more-rows", valid=works)
def few_rows_in_order(rng, i):
    """The twin: nothing is wrong. That it cannot be told from so few rows may be said."""
    return None, small(rng, i)


@question(16)
def nothing_held_out(rng, i):
    """One fault, and no row to evaluate on but those of training."""
    base = small(rng, i, 1500)
    base.job["training"]["epochs"] = 10
    base.validation = {"fraction": 0}
    cause = fitting(base, i // 3)
    return base, plant(base, cause, i=i), accepted(cause)


@question(6, "healthy", valid=works)
def nothing_held_out_in_order(rng, i):
    """The twin: learnt, and fresh rows show it."""
    base = small(rng, i, 1500)
    base.job["training"]["epochs"] = 10
    base.validation = {"fraction": 0}
    return None, base


def untold(exam, sound, planted):
    score = exam(planted)
    return None if score < 0.05 else f"score {score:.2f} on fresh rows"


@question(6, "no-signal", "needs-more-rows", "too-few-rows", valid=untold)
def noise_by_heart(rng, i):
    """Targets dealt to other rows, nothing held out, and a net that learns all of them by heart: a
    score near 1 that is worth nothing."""
    base = small(rng, i, 300)
    d = base.data
    d.y = rng.permutation(d.y)
    base.layers[0]["units"] = 128
    base.job["training"]["epochs"] = 150
    base.validation = {"fraction": 0}
    d.held_y = rng.permutation(d.held_y)
    return None, base


SEVERAL = [
    ("learning-rate-too-low", "initialisation", "misaligned-rows"),
    ("weight-decay-too-strong", "dropout-too-high", "misaligned-rows"),
    ("learning-rate-too-high", "frozen-layers", "class-weights-inverted"),
    ("initialisation", "learning-rate-too-low", "target-broadcast"),
    ("weight-decay-too-strong", "learning-rate-too-low", "label-code"),
    ("dropout-too-high", "initialisation", "misaligned-rows", "learning-rate-too-low"),
    ("weight-decay-too-strong", "clamped-predictions", "dropout-too-high"),
    ("label-code", "dropout-too-high", "learning-rate-too-high", "weight-decay-too-strong"),
]


@question(24)
def several_faults(rng, i):
    """Three or four faults, none of which is repaired by the repair of another: the set that
    repairs is to be found, by name, and never "unknown" where another recipe works."""
    causes = SEVERAL[i % len(SEVERAL)]
    base = of_variants(i // len(SEVERAL) * 3 + i, rng, lambda b: all(BY_CAUSE[c].fits(b) for c in causes))
    return base, plant(base, *causes, i=i), accepted(*causes)


# ---- what is no fault ----


@question(8, "healthy", valid=works)
def calibrated_imbalance(rng, i):
    """One row in ten to thirty is positive and no input makes it the likelier answer: the chances
    are right, and weights would only move them. Not `class-imbalance`."""
    share, strength = pick(i, 0.03, 0.06, 0.1), pick(i, 1.0, 0.8)
    w = rng.normal(size=6)
    w *= strength / np.linalg.norm(w)

    def make(n):
        x = rng.normal(size=(n, 6))
        z = np.minimum(np.log(share / (1 - share)) - strength**2 / 2 + x @ w, -0.2)
        return x, (rng.uniform(size=n) < 1 / (1 + np.exp(-z))).astype(np.int64)

    widths = pick(i, (), (8,))
    return None, Made(rng, "binary", make, 8000, widths, {"type": "adam", "lr": 0.02}, 128, 12, 5000)


@question(6, "healthy", valid=by_construction)
def a_quantile_is_meant(rng, i):
    """The 5%, 10%, 90% or 95% quantile of numbers that x tells: low or high answers are what was
    asked for."""
    base = of_variants(i, rng, lambda b: b.task == "regression")
    base.job["loss"] = {"type": "quantile", "quantile": pick(i, 0.05, 0.9, 0.95, 0.1)}
    return None, base


@question(6, "healthy", valid=by_construction)
def costs_are_meant(rng, i):
    """Errors of one class cost three to ten times as much: fewer hits are what was asked for."""
    base = of_variants(i, rng, lambda b: b.task == "binary")
    base.job["data"].update(balance="given", class_weights=pick(i, [1, 3], [1, 6], [10, 1]))
    return None, base


@question(6, "healthy", valid=works)
def patient_early_stopping(rng, i):
    """Training ends when five evaluations have brought nothing: long after all is learnt."""
    base = of_variants(i, rng)
    base.job["training"].update(early_stopping=5, epochs=60)
    return None, base


@question(6, "healthy", valid=works)
def sorted_and_mixed(rng, i):
    """Rows sorted by class in the file, and dealt out at random by the job."""
    base = of_variants(i, rng, lambda b: b.task != "regression")
    order = np.argsort(base.data.y, kind="stable")
    base.data.x, base.data.y = base.data.x[order], base.data.y[order]
    return None, base


@question(6, "healthy", valid=works)
def an_honest_feature(rng, i):
    """One feature that tells most of the target, with an error of its own, as a strong predictor
    does: no leak."""
    base = of_variants(i, rng, lambda b: b.task == "regression")
    d = base.data
    for x, y in (("x", "y"), ("held_x", "held_y")):
        t = getattr(d, y)
        near = (t + 0.4 * d.y.std() * rng.normal(size=len(t)))[:, None]
        setattr(d, x, np.hstack([getattr(d, x), near]))
    base.exam = (d.held_x, d.held_y)
    return None, base


# ---- single faults that are easily called by another name ----


@question(8, "overfitting")
def overfitting(rng, i):
    """A wide net, no decay, two hundred passes over a few hundred rows with much noise: training
    rows are known by heart, and a straight line after thirty passes does far better."""
    make = plain(rng, "regression", pick(i, 15, 20), noise=2.2)
    sound = Made(rng, "regression", make, pick(i, 300, 400), (), {"type": "adam", "lr": 0.01}, 32, 30)
    planted = sound.copy()
    planted.layers[:-1] = pick(i // 2, [dense(256, "relu")], [dense(128, "relu"), dense(128, "relu")])
    planted.job["training"]["epochs"] = 200
    planted.job["optimizer"]["lr"] = 0.003
    return sound, planted


def by_sgd(rng, i):
    task = pick(i, *TASKS)
    return Made(rng, task, plain(rng, task), 2000, (24,), {"type": "sgd", "lr": 0.1}, 32, 8)


@question(8, "learning-rate-too-high")
def rate_of_sgd_too_high(rng, i):
    """SGD at a rate of 1 to 300, which works at 0.1: Adam would bring a rate of its own, so that it
    is the rate and not the method."""
    base = by_sgd(rng, i)
    planted = base.copy()
    planted.job["optimizer"]["lr"] = pick(i // 3, 1.0, 3.0) if base.task == "regression" else pick(i, 30.0, 100.0, 300.0)
    return base, planted


@question(6, "learning-rate-too-low")
def rate_of_sgd_too_low(rng, i):
    """The same with a rate of 1e-6 to 1e-5."""
    base = by_sgd(rng, i)
    planted = base.copy()
    planted.job["optimizer"]["lr"] = pick(i, 1e-5, 1e-6, 3e-6)
    return base, planted


@question(6, "output-range")
def softmax_over_one_unit(rng, i):
    """The softmax of one number is 1, whatever the number; the loss fits, and a sigmoid in its
    place repairs it: an output activation that cannot reach the targets."""
    base = of_variants(i, rng, lambda b: b.task == "binary")
    base.job["loss"] = {"type": "bce"}
    base.layers[-1].update(units=1, activation="sigmoid")
    planted = base.copy()
    planted.layers[-1]["activation"] = "softmax"
    return base, planted


@question(8, "early-stopping", "too-few-steps")
def impatient_early_stopping(rng, i):
    """Training ends at the first evaluation that gains less than asks for, after a pass or two:
    without it the same steps at the same rate learn."""
    base = of_variants(i, rng, lambda b: b.optimizer["type"] == "sgd" or b.task != "regression")
    slow = {"adam": 2e-4, "sgd": 0.005}[base.optimizer["type"]]
    base.job["optimizer"]["lr"] = slow
    base.job["training"]["epochs"] = 60
    planted = base.copy()
    planted.job["training"].update(early_stopping=1, min_delta=pick(i, 0.3, 0.5, 1.0))
    return base, planted


@question(8, "rows-not-mixed")
def sorted_by_class(rng, i):
    """A file in the order of its classes, read as it lies: the last class is what is remembered."""
    base = of_variants(i, rng, lambda b: b.task != "regression")
    order = np.argsort(base.data.y, kind="stable")
    base.data.x, base.data.y = base.data.x[order], base.data.y[order]
    base.job["training"].update(lanes=1, epochs=pick(i, 3, 6))
    base.job["optimizer"] = pick(i, {"type": "sgd", "lr": 0.3}, {"type": "sgd", "lr": 0.1, "momentum": 0.9})
    planted = base.copy()
    planted.job["data"]["shuffle"] = False
    return base, planted


@question(12, "misaligned-rows")
def shifted_by_many(rng, i):
    """Targets that have slipped by 1 to 20 rows, up or down, in all files."""
    base = of_variants(i, rng)
    by = pick(i, 7, -4, 20, 1, -12, 5, 15, -9, 2, 11, -20, 3)
    planted = base.copy()
    for name in ("y", "held_y"):
        setattr(planted.data, name, np.roll(getattr(planted.data, name), by))
    return base, planted


# ---- the data ----


@question(8, "data", "dominant-feature", "unscaled-inputs")
def codes_for_missing_values(rng, i):
    """A twentieth of two features is -999 or 9999, the code of a value that is not known: the net
    sees a number, and little else."""
    base = of_variants(i, rng)
    base.job["optimizer"] = {"type": "sgd", "lr": 0.05, "momentum": 0.9}
    planted, code = base.copy(), pick(i, -999.0, 9999.0, -9999.0)
    base.exam = base.data.make(2000)

    def spoil(x):
        x = x.copy()
        for column in (0, 1):
            x[rng.random(len(x)) < 0.05, column] = code
        return x

    planted.data.x, planted.data.held_x = spoil(planted.data.x), spoil(planted.data.held_x)
    planted.exam = (spoil(base.exam[0]), base.exam[1])
    return base, planted


@question(6, "data", valid=by_construction)
def a_leak(rng, i):
    """One feature is the target, under another scale: a score that no fresh row will have."""
    base = of_variants(i, rng)
    d = base.data
    for x, y in (("x", "y"), ("held_x", "held_y")):
        t = getattr(d, y).astype(float)
        setattr(d, x, np.hstack([getattr(d, x), (pick(i, 1.0, 12.0, -3.0) * t + 5)[:, None]]))
    return None, base


def known_by_heart(exam, sound, planted):
    score = exam(planted)
    return None if score < 0.2 else f"score {score:.2f} on fresh rows"


@question(6, "data", valid=known_by_heart)
def copies_in_the_held_out_file(rng, i):
    """The held-out rows are rows of training, and targets have nothing to do with x: known by heart
    on both sides, and of no use."""
    base = small(rng, i, 400)
    d = base.data
    base.exam = (d.held_x, rng.permutation(d.held_y))
    d.y = rng.permutation(d.y)
    base.layers[0]["units"] = 256
    base.job["training"]["epochs"] = 150
    base.validation = None
    chosen = rng.permutation(len(d.x))[: pick(i, 100, 200)]
    d.held_x, d.held_y = d.x[chosen], d.y[chosen]
    return None, base


@question(6, "data", "wrong-loss")
def slips_of_the_keyboard(rng, i):
    """One target in two hundred is a thousand or a million times too large: squares see nothing
    else. An absolute loss, or the rows put right, repairs it."""
    base = of_variants(i, rng, lambda b: b.task == "regression")
    base.exam = base.data.make(2000)
    planted = base.copy()
    d = planted.data
    for y in (d.y, d.held_y):
        at = rng.random(len(y)) < 0.005
        y[at] *= pick(i, 1e3, 1e6, 1e4)
    return base, planted


# ---- seeds ----


def depends(exam, sound, planted):
    """The first of eight seeds that works becomes the job's own; two at least have to fail."""
    scores = []
    for seed in range(8):
        planted.job["seed"] = seed
        scores.append(exam(planted))
    good = [s for s, score in enumerate(scores) if score > 0.5 * max(scores)]
    planted.job["seed"] = good[0]
    fails = sum(score < 0.1 for score in scores)
    if max(scores) < 0.3 or not 2 <= fails <= 6:
        return f"{fails} of 8 seeds fail, best {max(scores):.2f}"
    return None


@question(8, "depends-on-seed", valid=depends)
def narrow_relus(rng, i):
    """A narrow deep net of ReLUs: at the job's seed it learns, at a good part of others all units
    of a layer are off. Neither "healthy" nor a fault of the job's own seed."""
    task = pick(i, *TASKS)
    widths = pick(i, (2, 2, 2), (3, 2, 2, 2), (2, 2))
    base = Made(rng, task, plain(rng, task), 1500, widths, {"type": "adam", "lr": 0.01}, 32, 12)
    return None, base


@question(4, "healthy", valid=works)
def wide_relus(rng, i):
    """The twin: wide layers, which learn at every seed."""
    task = pick(i, *TASKS)
    return None, Made(rng, task, plain(rng, task), 1500, (32, 32), {"type": "adam", "lr": 0.01}, 32, 6)
