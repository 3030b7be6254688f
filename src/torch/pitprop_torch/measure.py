"""How good the answers of a training are: one number that does not depend on its loss."""

import numpy as np


def auc(score, label):
    """Chance that a row of class 1 gets more than one of class 0, ties counted half."""
    order = np.argsort(score, kind="mergesort")
    sorted_score = score[order]
    first = np.searchsorted(sorted_score, score, "left")
    last = np.searchsorted(sorted_score, score, "right")
    rank = (first + last + 1) / 2
    positive = label == 1
    n, m = positive.sum(), (~positive).sum()
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else 0.5


def task_of(loss, y, outputs):
    """binary, multiclass or regression, by the loss and the targets."""
    if loss in ("cross_entropy", "nll_loss") and y.ndim == 1:
        return "binary" if outputs == 2 and set(np.unique(y)) <= {0, 1} else "multiclass"
    labels = np.unique(y[:100000])
    return "binary" if set(labels.tolist()) <= {0.0, 1.0} and len(labels) == 2 else "regression"


def probabilities(loss, p, at_prediction):
    """What the script would call its predictions, of the outputs that its loss takes."""
    p = p.astype(np.float64)
    if loss == "binary_cross_entropy_with_logits" or "sigmoid" in at_prediction:
        return 1 / (1 + np.exp(-np.clip(p, -700, 700)))
    if loss == "nll_loss":
        return np.exp(p)
    if loss == "cross_entropy":
        e = np.exp(p - p.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    if "clamp" in at_prediction:
        _, low, high = at_prediction["clamp"]
        return np.clip(p, -np.inf if low is None else low, np.inf if high is None else high)
    return p


def score(task, p, y):
    """(name of the measure, value): what users look at."""
    if not np.isfinite(p).all():
        return "finite answers", 0.0
    if task == "multiclass":
        return "accuracy", float((p.argmax(axis=1) == y).mean())
    if task == "binary":
        if y.ndim == 2 and y.shape[1] > 1:  # several labels a row
            return "balanced accuracy", balanced(p.reshape(-1) > 0.5, y.reshape(-1))
        one = p[:, 1] if p.ndim == 2 and p.shape[1] == 2 else p.reshape(len(p))
        return "balanced accuracy", balanced(one > 0.5, y.reshape(len(y)))
    p, y = p.reshape(len(p), -1), y.reshape(len(y), -1)
    spread = ((y - y.mean(axis=0)) ** 2).sum()
    return "R2", float(1 - ((p - y) ** 2).sum() / spread) if spread else 0.0


def balanced(answer, y):
    shares = [(answer[y == label] == label).mean() for label in (0, 1) if (y == label).any()]
    return float(np.mean(shares))


def accuracy(task, p, y):
    """Share of right answers; None for numbers."""
    if task == "regression" or not np.isfinite(p).all():
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        return float(((p.reshape(-1) > 0.5) == y.reshape(-1)).mean())
    if p.ndim == 2 and p.shape[1] > 1:
        return float((p.argmax(axis=1) == y.reshape(len(y))).mean()) if y.size == len(y) else None
    return float(((p.reshape(len(p)) > 0.5) == y.reshape(len(y))).mean())


def floor(task, y):
    """What `score` gives to the best constant answer."""
    if task == "multiclass":
        return float(np.unique(y, return_counts=True)[1].max() / len(y))
    return 0.5 if task == "binary" else 0.0
