"""What Python itself finds in predictions, without anything that Pitprop measured."""

import math

import numpy as np


def ranks(values):
    """Ranks from 1, ties by their mean."""
    order = np.argsort(values, kind="stable")
    _, first, inverse, counts = np.unique(
        values[order], return_index=True, return_inverse=True, return_counts=True
    )
    found = np.empty(len(values))
    found[order] = (first + (counts + 1) / 2)[inverse]
    return found


class Facts:
    """Of predictions p [rows, outputs] and targets y [rows].

    association: z of a statistic that is 0 where p says nothing of y (Mann-Whitney for two classes,
    hits against the margins for several, Spearman for numbers); skill: 1 - loss / loss of the best
    constant, by log loss or squared error; spread: deviation of p in units of the targets'."""

    def __init__(self, task, p, y):
        p = np.asarray(p, np.float64)  # a diverged model's squares are beyond single precision
        self.task, self.rows = task, len(y)
        self.finite = bool(np.isfinite(p).all())
        self.auc = self.skill = self.association = self.spread = float("nan")
        if not self.finite:
            return
        self.mean, self.low, self.high = p[:, 0].mean(), p.min(), p.max()
        {"binary": self.binary, "multiclass": self.multiclass, "regression": self.regression}[task](
            p, y
        )

    extra_hits = 0.0  # share of right answers above that of the commonest class

    def compare(self, loss, base):
        """loss, base [rows]: of the model and of the best constant."""
        self.skill = 1 - loss.mean() / base.mean() if base.mean() > 0 else float("nan")
        gain = base - loss
        error = gain.std() / math.sqrt(self.rows)
        self.gain_z = gain.mean() / error if error > 0 else 0.0

    def binary(self, p, y):
        p = np.clip(p[:, -1], 0, 1)
        positives, share = int(y.sum()), y.mean()
        negatives = self.rows - positives
        r = ranks(p)
        u = r[y == 1].sum() - positives * (positives + 1) / 2
        self.auc = u / (positives * negatives)
        # variance of U under no association, with ties
        _, counts = np.unique(p, return_counts=True)
        n = self.rows
        ties = (counts.astype(float) ** 3 - counts).sum() / (n * (n - 1.0))
        deviation = math.sqrt(max(0.0, (n + 1 - ties) / (12.0 * positives * negatives)))
        self.association = (self.auc - 0.5) / deviation if deviation > 1e-12 else 0.0
        self.spread = p.std() / math.sqrt(share * (1 - share))
        self.extra_hits = ((p > 0.5) == y).mean() - max(share, 1 - share)
        q = np.clip(p, 1e-7, 1 - 1e-7)
        loss = -np.where(y == 1, np.log(q), np.log1p(-q))
        self.compare(loss, -np.where(y == 1, math.log(share), math.log(1 - share)))

    def multiclass(self, p, y):
        answers, k = p.argmax(1), max(p.shape[1], int(y.max()) + 1)
        if p.shape[1] < k:
            p = np.hstack([p, np.zeros((self.rows, k - p.shape[1]))])
        shares, answered = (np.bincount(v, minlength=k) / self.rows for v in (y, answers))
        expected = float(shares @ answered)
        # permutation variance of the hits: hypergeometric margins, Cohen's kappa without its scale
        n = self.rows
        within = float((shares * answered * (shares + answered)).sum())
        variance = n * n / (n - 1.0) * (expected - within + expected**2)
        hits = float((answers == y).sum())
        self.association = (hits - n * expected) / math.sqrt(variance) if variance > 1e-9 else 0.0
        self.accuracy = hits / n
        self.spread = p.std(0).max()
        self.extra_hits = self.accuracy - shares.max()
        loss = -np.log(np.clip(p[np.arange(n), y], 1e-7, 1))
        self.compare(loss, -np.log(shares[y]))

    def regression(self, p, y):
        p = p[:, 0]
        self.spread = p.std() / y.std() if y.std() > 0 else float("nan")
        self.compare((p - y) ** 2, (y - y.mean()) ** 2)
        if p.std() > 0:
            self.association = float(np.corrcoef(ranks(p), ranks(y))[0, 1]) * math.sqrt(self.rows)
        else:
            self.association = 0.0


# ---- checks: None where the case is what it was built to be, otherwise what it is instead ----


def learnt(run, least=5.0):
    """Fresh rows are told apart, and better than the best constant does."""
    f = run.fresh
    if not f.finite:
        return "predictions are not finite"
    if not f.association > least:
        return f"association with fresh targets only z = {f.association:.1f}"
    if not f.gain_z > least:
        return f"skill on fresh rows {f.skill:.4f}, z = {f.gain_z:.1f}"
    return None


def ranked(run, least=5.0):
    """Fresh rows are told apart; their probabilities may be off."""
    f = run.fresh
    if not f.finite or not f.association > least:
        return f"association with fresh targets only z = {f.association:.1f}"
    return None


def learnt_late(run):
    """Learnt, after a plateau of at least 40% of the budget."""
    base = run.base_loss
    early = [loss for share, loss in run.trace if share <= 0.4]
    if not early or min(early) < 0.98 * base:
        return f"no plateau: training loss {min(early):.4g} of {base:.4g} by 40% of the budget"
    return learnt(run)


def constant(run):
    """Every fresh row gets the same answer."""
    f = run.fresh
    if not f.finite or not f.spread <= 0.02:
        return f"predictions vary: spread {f.spread:.3g}"
    return None


def unrelated(run):
    """Predictions of fresh rows say nothing of their targets."""
    f = run.fresh
    if not f.finite:
        return "predictions are not finite"
    if abs(f.association) > 4:
        return f"association with fresh targets z = {f.association:.1f}"
    return None


def by_heart(run):
    """Training rows are known, fresh ones are not."""
    if not run.train.finite or not run.train.skill > 0.1:
        return f"skill on training rows only {run.train.skill:.3f}"
    return unrelated(run)


def held_out_spoilt(run):
    """Skill on training rows and on sound fresh rows, none on the rows that were held out."""
    if learnt(run):
        return learnt(run)
    if abs(run.held_out.association) > 4:
        return f"association with held-out targets z = {run.held_out.association:.1f}"
    return None


def not_finite(run):
    return "all predictions are finite" if run.fresh.finite else None


def grown(run):
    """The training loss is finite and far above where it began."""
    losses = [loss for _, loss in run.trace]
    if not run.fresh.finite or not all(map(math.isfinite, losses)):
        return "the loss is not finite"
    if losses[-1] < 100 * losses[0]:
        return f"the training loss went from {losses[0]:.3g} to {losses[-1]:.3g} only"
    return None


def cut(run):
    """Predictions are the limit of the clamp, and the outputs before it are not."""
    if run.fresh.low != run.fresh.high or run.raw_deviation < 0.1:
        return f"predictions {run.fresh.low} to {run.fresh.high}, before {run.raw_deviation:.3g}"
    return None


# ---- checks of predictions ----


def associated(run, least=5.0):
    f = run.fresh
    return None if f.association > least else f"association only z = {f.association:.1f}"


def unassociated(run):
    f = run.fresh
    return None if abs(f.association) < 4 else f"association z = {f.association:.1f}"


def better(run, least=4.0):
    """Cheaper than the best constant."""
    f = run.fresh
    return None if f.gain_z > least else f"skill {f.skill:.4f}, z = {f.gain_z:.1f}"


def worse(run, least=4.0):
    """Dearer than the best constant, and no less wrong in its answers than the commonest one; yet
    not without relation to the targets."""
    f = run.fresh
    if not f.gain_z < -least:
        return f"skill {f.skill:.4f}, z = {f.gain_z:.1f}"
    if not abs(f.association) > least:
        return f"association only z = {f.association:.1f}"
    return None if f.extra_hits < 0.01 else f"{f.extra_hits:.3f} more hits than the commonest answer"


def all_alike(run):
    return None if run.fresh.low == run.fresh.high else "predictions vary"


# ---- statistics of the report ----


def binomial_tail(k, n, p):
    """P(X >= k)."""
    if k <= 0:
        return 1.0
    if p <= 0 or p >= 1:
        return float(p >= 1)
    logs = [
        math.lgamma(n + 1)
        - math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        + i * math.log(p)
        + (n - i) * math.log1p(-p)
        for i in range(k, n + 1)
    ]
    top = max(logs)
    return min(1.0, math.exp(top) * sum(math.exp(v - top) for v in logs))


def clopper_pearson(k, n, confidence=0.95):
    """Exact limits of a share (Clopper and Pearson, Biometrika 1934), by bisection."""
    tail = (1 - confidence) / 2

    def solve(is_below):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if is_below(middle) else (low, middle)
        return low

    if n == 0:
        return 0.0, 1.0
    lower = 0.0 if k == 0 else solve(lambda p: binomial_tail(k, n, p) < tail)
    upper = 1.0 if k == n else solve(lambda p: 1 - binomial_tail(k + 1, n, p) > tail)
    return lower, upper
