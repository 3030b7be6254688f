"""Data whose truth is known. A maker draws what all rows share and returns sample(rows) -> (x,
y), so that training, held-out and fresh rows are of one kind."""

from statistics import NormalDist

import numpy as np


def direction(rng, features):
    d = rng.normal(size=features)
    return d / np.linalg.norm(d)


# ---- classes that x tells apart ----


def shifted(rng, features=5, auc=0.9, share=0.5):
    """Two normal clouds; the best AUC is that of their distance, sqrt(2) Phi^-1(auc)."""
    step = np.sqrt(2) * NormalDist().inv_cdf(auc) * direction(rng, features)

    def sample(n):
        y = (rng.permutation(n) < round(n * share)).astype(np.int64)
        return rng.normal(size=(n, features)) + np.outer(y, step), y

    return sample


def product(rng, features=2):
    """Class 1 where the first two features have one sign: no linear model does better than
    chance."""

    def sample(n):
        x = rng.normal(size=(n, features))
        return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)

    return sample


def moons(rng, noise=0.15):
    def sample(n):
        y = rng.integers(0, 2, n)
        angle = np.pi * rng.uniform(size=n)
        x = np.where(y, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)]).T
        return x + noise * rng.normal(size=x.shape), y

    return sample


def flipped(sample, rng, share):
    """The same with a share of the labels turned round."""

    def noisy(n):
        x, y = sample(n)
        return x, np.where(rng.uniform(size=n) < share, 1 - y, y)

    return noisy


def clouds(rng, classes=3, features=5, apart=3.0, shares=None):
    """A normal cloud a class, around centres drawn with deviation `apart` per feature."""
    shares = np.full(classes, 1 / classes) if shares is None else np.array(shares)
    centres = apart * rng.normal(size=(len(shares), features))

    def sample(n):
        y = rng.permutation(np.searchsorted(np.cumsum(shares)[:-1], (np.arange(n) + 0.5) / n))
        return rng.normal(size=(n, features)) + centres[y], y

    return sample


# ---- numbers that x tells ----


def plane(rng, features=5, r2=0.95, scale=1.0, offset=0.0):
    w = direction(rng, features)

    def sample(n):
        x = rng.normal(size=(n, features))
        y = np.sqrt(r2) * (x @ w) + np.sqrt(1 - r2) * rng.normal(size=n)
        return x, offset + scale * y

    return sample


def wave(rng, noise=0.1):
    def sample(n):
        x = rng.uniform(-1, 1, (n, 1))
        return x, np.sin(4 * x[:, 0]) + noise * rng.normal(size=n)

    return sample


def friedman(rng):
    """Friedman, Annals of Statistics 1991, with inputs of mean 0."""

    def sample(n):
        u = rng.uniform(size=(n, 10))
        y = 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3]
        return 2 * u - 1, y + 5 * u[:, 4] + rng.normal(size=n)

    return sample


def mostly_half(rng, edge=1.96):
    """0.5 but for the rows whose first feature is beyond the edge (19 in 20 are within 1.96)."""

    def sample(n):
        x = rng.normal(size=(n, 3))
        return x, np.where(np.abs(x[:, 0]) < edge, 0.5, np.where(x[:, 0] > 0, 0.9, 0.1))

    return sample


def heavy_tail(rng, features=4):
    """Log-normal targets: a few rows hold most of the variance."""
    w = direction(rng, features)

    def sample(n):
        x = rng.normal(size=(n, features))
        return x, np.exp(1.2 * (x @ w) + 0.5 * rng.normal(size=n))

    return sample


# ---- x says nothing of y ----


def lottery(rng, shares=(0.5, 0.5), features=5):
    return clouds(rng, len(shares), features, 0.0, shares)


def noise(rng, features=5, offset=0.0, scale=1.0):
    return plane(rng, features, 0.0, scale, offset)


# ---- what is done to x ----


def moved(sample, offset, scale=1.0):
    def other(n):
        x, y = sample(n)
        return offset + scale * x, y

    return other


def same_x(sample, value):
    def other(n):
        x, y = sample(n)
        return np.full_like(x, value), y

    return other


def with_dull_columns(sample, columns=3):
    """Some columns that are the same in every row."""

    def other(n):
        x, y = sample(n)
        return np.hstack([x, np.tile(np.arange(columns, dtype=float), (n, 1))]), y

    return other


def by_label(sample):
    """The same rows sorted by their target."""

    def other(n):
        x, y = sample(n)
        order = np.argsort(y, kind="stable")
        return x[order], y[order]

    return other
