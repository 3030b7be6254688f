"""Kinds of predictions, judged by `pitprop audit`. Targets are drawn from the very chances (or means)
that a sound model answers, so that its truth needs no training; what is done to its answers is what
is wrong with the others. `check` is the independent look that says whether it came out so."""

import numpy as np

import truth
from cases import OPEN, Predictions, predicted, pick, sigmoid

WORSE, PARTLY = "worse-than-constant", "partly-dead"


# ---- sound answers ----


def two(rng, n, share=0.5, strength=1.5):
    """Log-odds and labels of two classes; strength: deviation of the log-odds."""
    z = np.log(share / (1 - share)) + strength * rng.normal(size=n)
    return z, (rng.uniform(size=n) < sigmoid(z)).astype(np.int64)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def several(rng, n, classes, strength=2.0, shares=None):
    """Logits and labels of several classes."""
    shares = np.full(classes, 1 / classes) if shares is None else np.array(shares)
    z = np.log(shares) + strength * rng.normal(size=(n, classes))
    cumulative = softmax(z).cumsum(1)
    return z, (rng.uniform(size=(n, 1)) > cumulative[:, :-1]).sum(1)


def numbers(rng, n, r2=0.7, columns=None):
    """Means and targets of deviation 1 about 0; columns: of so many outputs."""
    shape = n if columns is None else (n, columns)
    m = np.sqrt(r2) * rng.normal(size=shape)
    return m, m + np.sqrt(1 - r2) * rng.normal(size=shape)


def rows(i):
    return pick(i, 400, 3000, 20000)


# ---- worse than a constant ----


@predicted(9, {WORSE}, check=truth.worse)
def inverted(rng, i):
    """The chance of the other class, or the number with its sign lost: the order is all there, the
    wrong way round, and a constant answer costs less."""
    if i % 3 == 2:
        m, y = numbers(rng, rows(i // 3))
        return Predictions(-m, y, note="numbers")
    z, y = two(rng, rows(i // 3), pick(i, 0.5, 0.2))
    return Predictions(sigmoid(-z), y, note="two classes")


@predicted(8, {WORSE}, check=truth.worse)
def labels_in_another_order(rng, i):
    """Columns of the classes moved on by some places, so that none is where it belongs: sure
    answers, and nearly all of them wrong."""
    classes = pick(i, 3, 5, 10, 4)
    z, y = several(rng, rows(i), classes, 4.0)
    return Predictions(np.roll(softmax(z), rng.integers(1, classes), 1), y, note=f"{classes} classes")


@predicted(6, {WORSE, "one-class"}, check=truth.worse)
def log_odds_off(rng, i):
    """Log-odds 4 or 5 too high or too low: ranks are kept, nearly all rows get one class, and
    half of them are of the other."""
    z, y = two(rng, rows(i), 0.5, 1.2)
    return Predictions(sigmoid(z + pick(i, 4.0, -5.0, 5.0)), y)


@predicted(8, {WORSE}, check=truth.worse)
def numbers_off(rng, i):
    """The right number plus two to ten deviations of the targets."""
    m, y = numbers(rng, rows(i), pick(i, 0.5, 0.9))
    scale, off, mean = pick(i // 2, 1.0, 50.0), pick(i, 2.0, -4.0, 10.0), pick(i, 0.0, 3.0)
    return Predictions(scale * (mean + m + off), scale * (mean + y))


@predicted(8, {WORSE}, check=truth.worse)
def another_unit(rng, i):
    """Percent for shares, cents for euros, miles for kilometres of what varies about a large mean,
    Celsius answered in Fahrenheit."""
    m, y = numbers(rng, rows(i), 0.8)
    p, y = pick(
        i,
        (100 * (0.5 + 0.1 * m), 0.5 + 0.1 * y),
        (100 * (20 + 8 * m), 20 + 8 * y),
        (0.62 * (100 + 15 * m), 100 + 15 * y),
        (32 + 1.8 * (15 + 7 * m), 15 + 7 * y),
    )
    return Predictions(p, y)


@predicted(6, {WORSE, "constant"}, check=truth.worse)
def scale_not_turned_back(rng, i):
    """A model of standardised targets, or of their logarithm, whose answers are left as they are:
    off by the mean, and next to constant where the unit is large."""
    m, y = numbers(rng, rows(i), 0.8)
    p, y = pick(i, (m, 300 + 40 * y), (4 + 0.6 * m, np.exp(4 + 0.6 * y)), (m, -12 + 5 * y))
    return Predictions(p, y)


@predicted(6, {WORSE, "one-class", "saturated", "constant"}, check=truth.worse)
def far_too_sure_of_a_rare_class(rng, i):
    """Log-odds times 8 of a class of 8% that is never the likelier one: no decision is better than
    that of a constant, and each positive costs 15 nats."""
    z, y = two(rng, 10 * rows(i), 0.08, 0.5)
    return Predictions(sigmoid(8 * z), y)


@predicted(6, {WORSE}, check=truth.worse)
def noisy_and_sure(rng, i):
    """Answers that know a little and add three times as much noise, as sure as if it were known:
    fewer hits than the frequent class has, and a log loss far above that of the shares."""
    z, y = two(rng, 5 * rows(i) + 4000, 0.25, 0.8)
    return Predictions(sigmoid(2 * (z + 2.4 * rng.normal(size=len(z)))), y)


@predicted(6, {WORSE}, check=truth.worse)
def numbers_too_far_out(rng, i):
    """The right direction with three times the reach that it has, and noise on it: R2 below 0."""
    m, y = numbers(rng, rows(i), 0.3)
    return Predictions(pick(i, 3.0, 5.0) * (m + 0.5 * rng.normal(size=len(m))), y)


@predicted(6, {WORSE}, check=truth.worse)
def overfitted(rng, i):
    """Training rows are answered as they are; held-out rows with a grain of the truth and much
    that is none, and as surely."""
    n = 3 * rows(i) + 6000
    z, y = two(rng, n, 0.3, 0.7)
    held = (np.arange(n) % 2).astype(np.int64)
    p = sigmoid(np.where(held == 1, 1.5 * (z + 2.5 * rng.normal(size=n)), 8.0 * (y - 0.5)))
    return Predictions(p, y, held=held)


@predicted(4, {WORSE, "one-class"}, check=truth.worse)
def sigmoid_twice(rng, i):
    """The sigmoid of a chance lies between 0.5 and 0.73: the rare class is the answer to all."""
    z, y = two(rng, rows(i), pick(i, 0.1, 0.2))
    return Predictions(sigmoid(sigmoid(z)), y)


# ---- their sound twins: what looks alike and is in order ----


@predicted(12, {"healthy"}, check=truth.better)
def as_drawn(rng, i):
    """Chances and means as the targets were drawn from: nothing can be better."""
    n = rows(i // 3)
    if i % 3 == 0:
        z, y = two(rng, n, pick(i, 0.5, 0.2))
        return Predictions(sigmoid(z), y, note="two classes")
    if i % 3 == 1:
        z, y = several(rng, n, pick(i, 3, 8), 4.0)
        return Predictions(softmax(z), y, note="several classes")
    m, y = numbers(rng, n, pick(i, 0.5, 0.9))
    return Predictions(30 + 5 * m, 30 + 5 * y, note="numbers")


@predicted(6, {"healthy"}, check=truth.better)
def a_little_off(rng, i):
    """A little too sure, a tenth too high: not the best that could be, and far better than a
    constant."""
    if i % 2:
        m, y = numbers(rng, rows(i), 0.8)
        return Predictions(m + 0.1, y, note="numbers")
    z, y = two(rng, rows(i) + 1000)
    return Predictions(sigmoid(1.3 * z + 0.2), y, note="two classes")


@predicted(6, {"healthy"}, check=truth.better)
def never_beyond_half(rng, i):
    """A calibrated model of a rare class never says that it is the likelier one: its chances are
    right, and better than the base rate's."""
    z, y = two(rng, 20000, pick(i, 0.02, 0.05, 0.1), 0.6)
    return Predictions(np.minimum(sigmoid(z), 0.49), y)


@predicted(4, {"healthy", "undetermined"}, check=None)
def next_to_nothing(rng, i):
    """As drawn, from chances that hardly differ: AUC 0.54, and no better is to be had."""
    z, y = two(rng, pick(i, 20000, 60000), 0.5, 0.15)
    return Predictions(sigmoid(z), y)


@predicted(6, {"healthy", WORSE}, open_=True, check=truth.associated)
def sure_and_right_more_often_than_not(rng, i):
    """Log-odds times 6: decisions are the best there are, chances cost more than a constant's.
    Either may be said."""
    z, y = two(rng, rows(i), 0.5, 1.0)
    return Predictions(sigmoid(6 * z), y)


@predicted(6, {"healthy", WORSE}, open_=True, check=truth.associated)
def as_a_weighted_loss_answers(rng, i):
    """Log-odds of a class of 5% raised to those of equal shares, as a balanced loss does: chosen
    for its balanced decisions, and no chances. Without the job either may be said."""
    z, y = two(rng, 4 * rows(i), 0.05, 1.5)
    return Predictions(sigmoid(z + np.log(19)), y)


# ---- partly dead ----


@predicted(8, {PARTLY}, check=None)
def one_output_dead(rng, i):
    """One of several numbers gets one answer in every row; the others are known well."""
    m, y = numbers(rng, rows(i), 0.8, pick(i, 2, 3, 6))
    dead = i % m.shape[1]
    m[:, dead] = pick(i, 0.0, y[:, dead].mean(), 0.3)
    scales = 10.0 ** rng.integers(-1, 3, m.shape[1])
    return Predictions(m * scales, y * scales, note=f"output {dead} of {m.shape[1]}")


@predicted(6, {PARTLY, WORSE}, check=None)
def one_output_worse(rng, i):
    """One of several numbers has lost its sign, or is answered in another unit."""
    m, y = numbers(rng, rows(i), 0.8, pick(i, 2, 4))
    bad = i % m.shape[1]
    m[:, bad] = pick(i, -m[:, bad], 10 * m[:, bad] + 20)
    return Predictions(m, y, note=f"output {bad} of {m.shape[1]}")


@predicted(6, {PARTLY}, check=None)
def one_output_noise(rng, i):
    """One of several numbers has answers that vary and belong to other rows."""
    m, y = numbers(rng, rows(i) + 2000, 0.8, pick(i, 2, 4))
    bad = i % m.shape[1]
    m[:, bad] = rng.permutation(m[:, bad])
    return Predictions(m, y, options=("--task", "regression"), note=f"output {bad}")


@predicted(6, {"healthy"}, check=None)
def several_outputs(rng, i):
    """The twin: all outputs are known, one of them only a little; on scales far apart."""
    r2 = np.full(pick(i, 2, 3, 6), 0.8)
    r2[-1] = 0.1
    m = np.sqrt(r2) * rng.normal(size=(rows(i) + 2000, len(r2)))
    y = m + np.sqrt(1 - r2) * rng.normal(size=m.shape)
    scales = 10.0 ** rng.integers(-2, 3, len(r2))
    return Predictions(m * scales, y * scales)


def labels(rng, n, count, strength=2.0):
    """Log-odds and 0/1 of several labels, of which a row has any number."""
    z = strength * rng.normal(size=(n, count)) + rng.uniform(-1.5, 0.5, count)
    return z, (rng.uniform(size=z.shape) < sigmoid(z)).astype(np.int64)


@predicted(6, {PARTLY}, check=None)
def one_label_dead(rng, i):
    """One of several labels is given one chance in all rows: its base rate, a half, none."""
    z, y = labels(rng, rows(i) + 500, pick(i, 4, 7))
    p, dead = sigmoid(z), i % z.shape[1]
    p[:, dead] = pick(i, y[:, dead].mean(), 0.5, 1e-4)
    return Predictions(p, y, note=f"label {dead} of {z.shape[1]}")


@predicted(4, {"healthy"}, check=None)
def several_labels(rng, i):
    """The twin: every label as it was drawn."""
    z, y = labels(rng, rows(i) + 500, pick(i, 4, 7))
    return Predictions(sigmoid(z), y)


@predicted(8, {PARTLY}, check=None)
def classes_never_answered(rng, i):
    """The outputs of a class or more are stuck far below the others: never the answer, in no row
    likely, though as frequent as the others."""
    classes, dead = pick(i, (5, 1), (10, 3), (20, 18), (4, 1))
    z, y = several(rng, 3 * rows(i) + 20 * classes, classes, 4.0)
    stuck = rng.permutation(classes)[:dead]
    z[:, stuck] = -30.0
    return Predictions(softmax(z), y, note=f"{dead} of {classes} classes")


@predicted(4, {"healthy"}, check=truth.better)
def a_class_too_rare_to_answer(rng, i):
    """The twin: a class of 1% is hardly ever the likeliest one. Its chances are right, and higher
    where it is the case."""
    z, y = several(rng, 20000, 4, 1.5, (0.5, 0.3, 0.19, 0.01))
    return Predictions(softmax(z), y)


# ---- ranks ----


def by_rank(rng, ranks, each):
    rank = np.repeat(np.arange(ranks), each)
    return rank, rng.integers(ranks)


@predicted(6, {PARTLY, "rank-split"}, check=None)
def one_rank_dead(rng, i):
    """One of many processes answers the same for every row."""
    rank, bad = by_rank(rng, pick(i, 8, 64, 32), 250)
    z, y = two(rng, len(rank))
    p = np.where(rank == bad, y.mean(), sigmoid(z))
    return Predictions(p, y, rank=rank, note=f"rank {bad} of {rank.max() + 1}")


@predicted(6, {PARTLY, "rank-split", WORSE}, check=None)
def one_rank_inverted(rng, i):
    """One of many processes answers the chance of the other class, or the number without its
    sign."""
    rank, bad = by_rank(rng, pick(i, 8, 64, 32), 250)
    if i % 2:
        m, y = numbers(rng, len(rank))
        p = np.where(rank == bad, -m, m)
    else:
        z, y = two(rng, len(rank))
        p = sigmoid(np.where(rank == bad, -z, z))
    return Predictions(p, y, rank=rank, note=f"rank {bad} of {rank.max() + 1}")


@predicted(6, {PARTLY, "rank-split"}, check=None)
def one_rank_half_dead(rng, i):
    """One of many processes answers half of its rows and the same for the other half."""
    rank, bad = by_rank(rng, pick(i, 8, 64, 16), 500)
    z, y = two(rng, len(rank), 0.5, 3.0)
    stuck = (rank == bad) & (rng.uniform(size=len(rank)) < 0.5)
    return Predictions(np.where(stuck, 0.5, sigmoid(z)), y, rank=rank, note=f"rank {bad}")


@predicted(6, {PARTLY, "rank-split", WORSE}, check=None)
def one_rank_drifts(rng, i):
    """One of many processes answers two deviations too high, as one with old weights or another
    scaler."""
    rank, bad = by_rank(rng, pick(i, 8, 64), 250)
    m, y = numbers(rng, len(rank), 0.8)
    return Predictions(m + 2.0 * (rank == bad), y, rank=rank, note=f"rank {bad}")


@predicted(12, {"healthy"}, check=truth.better)
def ranks_alike(rng, i):
    """The twin: every process answers as it should, on many rows or few, of equal or of other base
    rates."""
    ranks, each = pick(i, (8, 250), (64, 250), (64, 20), (32, 100))
    rank, _ = by_rank(rng, ranks, each)
    if i % 3 == 2:
        m, y = numbers(rng, len(rank), 0.8)
        return Predictions(m, y, rank=rank, note="numbers")
    base = (i % 3) * np.linspace(-1, 1, ranks)[rank]
    z = base + 1.5 * rng.normal(size=len(rank))
    y = (rng.uniform(size=len(z)) < sigmoid(z)).astype(np.int64)
    return Predictions(sigmoid(z), y, rank=rank, note="base rates differ" if i % 3 else "")


# ---- ties, rounding, labels ----


@predicted(9, {"healthy"}, check=truth.associated)
def rounded(rng, i):
    """Chances to two decimals, to one, and the five values of a small tree: as good as before but
    for the rounding."""
    z, y = two(rng, 2 * rows(i), pick(i // 3, 0.5, 0.3))
    p = sigmoid(z)
    return Predictions(
        pick(i, np.round(p, 2), np.clip(np.round(p, 1), 0.05, 0.95), (np.floor(5 * p) + 0.5) / 5), y
    )


@predicted(8, {"healthy"}, check=truth.associated)
def hard_labels(rng, i):
    """Answers 0 and 1 instead of chances: right three times in four, or the better part of one
    class in five; or the class of several as one-hot rows."""
    if i % 4 == 3:
        z, y = several(rng, rows(i), 5, 5.0)
        return Predictions(np.eye(5)[z.argmax(1)], y, note="several classes")
    z, y = two(rng, rows(i), pick(i, 0.5, 0.2), 2.5)
    return Predictions((z > 0).astype(pick(i, float, np.int64)), y)


@predicted(6, {"uninformative", "saturated"}, check=truth.unassociated)
def hard_labels_of_others(rng, i):
    """The twin that fails: answers 0 and 1 in the right shares, dealt to other rows; or rounded to
    two decimals and dealt."""
    z, y = two(rng, 40000, pick(i, 0.5, 0.3), 2.0)
    p = pick(i, (z > 0).astype(float), np.round(sigmoid(z), 2))
    return Predictions(rng.permutation(p), y)


@predicted(4, {"at-base-rate", "at-half", "constant"}, check=truth.all_alike)
def rounded_away(rng, i):
    """Chances that differ by less than a hundredth, to two decimals."""
    _, y = two(rng, rows(i), pick(i, 0.5, 0.2))
    return Predictions(np.full(len(y), np.round(y.mean(), 2)), y)


# ---- long tails ----


@predicted(6, {"healthy"}, check=None)
def one_enormous_target(rng, i):
    """The numbers are known well; one target in thousands is a slip of the keyboard."""
    m, y = numbers(rng, pick(i, 2000, 20000, 50000), 0.9)
    y[rng.integers(len(y))] = pick(i, 1e6, -1e9, 1e12)
    return Predictions(m, y)


@predicted(8, {"healthy"}, check=None)
def long_tails(rng, i):
    """Log-normal targets of known median, or errors of Student's t with two degrees of freedom:
    squares are the business of a few rows, ranks are not."""
    n = 2 * rows(i)
    if i % 2:
        m = 2 * rng.normal(size=n)
        return Predictions(m, m + rng.standard_t(2, n), note="t")
    m = 1.5 * rng.normal(size=n)
    y = np.exp(m + 0.3 * rng.normal(size=n))
    return Predictions(np.exp(m + 0.045), y, note="log-normal")


@predicted(4, {"constant", "at-target-mean"}, check=None)
def dead_beside_an_enormous_target(rng, i):
    """The twin that fails: one answer for every row, the mean or the median of all but the slip."""
    _, y = numbers(rng, pick(i, 2000, 20000), 0.9)
    p = np.full(len(y), pick(i, y.mean(), np.median(y)))
    y[0] = 1e9
    return Predictions(p + 1e-6 * rng.normal(size=len(y)), y)


@predicted(4, {"uninformative", WORSE}, check=None)
def dealt_beside_an_enormous_target(rng, i):
    """Another: the answers belong to other rows."""
    m, y = numbers(rng, 20000, 0.9)
    y[0] = pick(i, 1e6, -1e9)
    return Predictions(rng.permutation(m), y)


# ---- few rows ----


@predicted(54, {"undetermined"}, healthy=True, check=None)
def coins(rng, i):
    """Two to nineteen rows, and answers that are drawn without a look at them: nothing can be said,
    neither good nor bad."""
    n = 2 + i % 18
    if i // 18 == 2:
        return Predictions(rng.normal(size=n), rng.normal(size=n), note=f"{n} rows, numbers",
                           options=("--task", "regression"))
    y = rng.permutation(np.arange(n) % 2)
    p = rng.uniform(0.3, 0.7, n) if i // 18 else rng.permutation(np.arange(n) % 2).astype(float)
    return Predictions(p, y, note=f"{n} rows", options=("--task", "binary"))


@predicted(8, {"healthy"} | OPEN, healthy=True, check=None)
def few_and_right(rng, i):
    """Ten to forty rows and a model that knows them: no alarm, whether or not it can be told."""
    z, y = two(rng, pick(i, 10, 20, 40), 0.5, 4.0)
    y[:2] = 0, 1
    z[:2] = -2, 2
    return Predictions(sigmoid(z), y, options=("--task", "binary"))
