#!/usr/bin/python3
"""Writes the data sets of the jobs beside this file: the programs' own data where a formula gives
them, stand-ins of the same shape and kind where not (see README.md). Seeded.

usage: make_data.py DIRECTORY        (needs python3-h5py and python3-numpy)"""

import os
import sys

import h5py
import numpy as np


def generator(name):
    return np.random.default_rng(int(name))


def clusters(rng, rows, features, classes, informative):
    """After the idea of make_classification: a cloud a class around a corner of a cube, mixed
    linearly; the remaining features are noise. Raw scale, shuffled, classes of equal size."""
    y = rng.permutation(np.arange(rows) % classes)
    corners = np.array(
        [[1.0 if k >> bit & 1 else -1.0 for bit in range(informative)] for k in range(classes)]
    )
    x = rng.normal(size=(rows, features))
    mixed = x[:, :informative] @ rng.uniform(-1, 1, (informative, informative))
    x[:, :informative] = mixed + corners[y]
    return x, y


def one_hot(y, classes):
    return np.eye(classes, dtype=np.float32)[y]


def shapes(rng, y, height, width, channels):
    """Pictures in [0, 1]: a class is a fixed coarse pattern; a row is it, shifted and noisy."""
    coarse = rng.uniform(size=(int(y.max()) + 1, height // 4, width // 4, channels))
    patterns = coarse.repeat(4, 1).repeat(4, 2)
    x = np.empty((len(y), height, width, channels), np.float32)
    for i, label in enumerate(y):
        x[i] = np.roll(patterns[label], rng.integers(-2, 3, 2), (0, 1))
    return np.clip(x + rng.normal(scale=0.25, size=x.shape), 0, 1).astype(np.float32)


# ---- one function a program: file name -> data sets ----


def xnor():
    return {
        "so-58572274": dict(x=np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), y=np.array([1, 0, 0, 1]))
    }


def two_squares():
    rng = generator("50306988")
    x = np.empty((200, 2))
    x[0::2] = rng.uniform(0.2, 0.4, (100, 2))
    x[1::2] = rng.uniform(0.5, 0.7, (100, 2))
    return {"so-50306988": dict(x=x, y=one_hot(np.arange(200) % 2, 2))}


def seventeen_rows():
    rng = generator("48251943")
    x = rng.uniform(-1, 1, (17, 2))
    return {
        "so-48251943": dict(x=x, y=np.tanh(x[:, 0] - 0.5 * x[:, 1] + 0.1 * rng.normal(size=17)))
    }


def squares():
    x, test = np.linspace(0, 10, 1000), np.linspace(8, 12, 100)
    return {"so-59078187": dict(x=x, y=x**2), "so-59078187-test": dict(x=test, y=test**2)}


def seven_features():
    x, y = clusters(generator("44758894"), 1000, 7, 2, 3)
    return {"so-44758894": dict(x=x, y=y)}


def wide_targets():
    rng = generator("59758722")
    x = rng.normal(size=(1000, 4))
    return {"so-59758722": dict(x=x, y=x @ rng.uniform(20, 100, 4))}


def second_column():
    x = generator("62313327").uniform(-1, 1, (100000, 30))
    return {"so-62313327": dict(x=x, y=x[:, 1])}


def eleven_rows():
    rng = generator("41596619")
    return {
        "so-41596619": dict(
            x=rng.uniform(0, 10, (11, 3)), y=np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2])
        )
    }


def three_flowers():
    """Means and deviations about those of iris (Fisher 1936), standardised as in the program."""
    rng = generator("51930566")
    means = np.array([[5.0, 3.4, 1.5, 0.25], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    deviations = np.array(
        [[0.35, 0.38, 0.17, 0.1], [0.52, 0.31, 0.47, 0.2], [0.64, 0.32, 0.55, 0.27]]
    )
    y = np.arange(150) // 50
    x = means[y] + deviations[y] * rng.normal(size=(150, 4))
    order = rng.permutation(150)
    x, y = ((x - x.mean(0)) / x.std(0))[order], y[order]
    return {
        "so-51930566": dict(x=x[:75], y=one_hot(y[:75], 3)),
        "so-51930566-test": dict(x=x[75:], y=one_hot(y[75:], 3)),
    }


def five_classes():
    x, y = clusters(generator("66602662"), 1000, 5, 5, 3)
    return {"so-66602662": dict(x=x, y=y)}


def thirty_measures():
    """569 rows, 62.7% of class 1, 30 correlated positive features from 0.01 to 1000, raw: the
    shape of the breast cancer set."""
    rng = generator("57397440")
    y = (rng.permutation(569) < 357).astype(int)
    size = np.where(y == 1, -0.7, 0.7) + rng.normal(scale=0.6, size=569)
    scale = np.geomspace(0.01, 1000, 30)
    x = scale * np.exp(
        0.3 * (size[:, None] * rng.uniform(0.2, 1, 30) + 0.5 * rng.normal(size=(569, 30)))
    )
    return {"so-57397440": dict(x=x, y=y)}


def ten_thousand():
    x, y = clusters(generator("57326611"), 10000, 5, 2, 3)
    return {"so-57326611": dict(x=x, y=y)}


def unscaled_three():
    """Three raw columns of unlike size; classes by a sum of two; sorted by label."""
    rng = generator("39525358")
    x = np.column_stack(
        [rng.uniform(0, 20000, 400), rng.uniform(0, 300, 400), rng.uniform(0, 5, 400)]
    )
    y = (x[:, 0] / 20000 + x[:, 1] / 300 > 0.9).astype(int)
    order = rng.permutation(400)
    train, test = np.sort(order[:268]), np.sort(order[268:])
    train = train[np.argsort(y[train], kind="stable")]
    return {
        "so-39525358": dict(x=x[train], y=y[train]),
        "so-39525358-test": dict(x=x[test], y=y[test]),
    }


def fourteen_features():
    x, y = clusters(generator("34673164"), 1000, 14, 2, 4)
    return {"so-34673164": dict(x=x, y=one_hot(y, 2))}


def wrong_variable_scaled():
    """Training pictures in [0, 1] with their labels; test pictures in [0, 255], and their labels
    divided by 255, which are 0 once the loss has made integers of them."""
    rng = generator("59325381")
    y = rng.integers(0, 10, 2500)
    x = shapes(rng, y, 28, 28, 1)[..., 0]
    return {
        "so-59325381": dict(x=x[:2000], y=y[:2000]),
        "so-59325381-test": dict(
            x=np.round(x[2000:] * 255).astype(np.uint8), y=(y[2000:] / 255).astype(np.int64)
        ),
    }


def small_pictures():
    rng = generator("47735201")
    y = rng.integers(0, 10, 1000)
    return {"so-47735201": dict(x=shapes(rng, y, 32, 32, 3), y=one_hot(y, 10))}


PROGRAMS = (
    xnor,
    two_squares,
    seventeen_rows,
    squares,
    seven_features,
    wide_targets,
    second_column,
    eleven_rows,
    three_flowers,
    five_classes,
    thirty_measures,
    ten_thousand,
    unscaled_three,
    fourteen_features,
    wrong_variable_scaled,
    small_pictures,
)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    os.makedirs(sys.argv[1], exist_ok=True)
    for program in PROGRAMS:
        for name, sets in program().items():
            with h5py.File(os.path.join(sys.argv[1], name + ".h5"), "w") as file:
                for key, values in sets.items():
                    narrow = np.float32 if values.dtype == np.float64 else values.dtype
                    file.create_dataset(key, data=values.astype(narrow), track_times=False)


if __name__ == "__main__":
    main()
