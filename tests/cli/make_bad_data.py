#!/usr/bin/python3
"""Writes one HDF5 file per data fault, and two good ones, for the command line tests.

usage: make_bad_data.py DIRECTORY        (needs h5py: Debian's python3-h5py)
"""
import os
import sys

import h5py
import numpy as np

ROWS, FEATURES = 200, 6


def features(rows=ROWS):
    return np.random.default_rng(7).normal(size=(rows, FEATURES)).astype(np.float32)


def labels(rows=ROWS):
    """0 or 1, told by the first feature."""
    return (features(rows)[:, 0] > 0).astype(np.int64)


def ten_labels(row=None, label=None):
    """Ten classes, all of them present; one row may be given a wrong label."""
    y = np.arange(ROWS, dtype=np.int64) % 10
    if row is not None:
        y[row] = label
    return y


def with_value(row, column, value):
    x = features()
    x[row, column] = value
    return x


def as_text(values):
    return np.array([str(v).encode() for v in values])


def as_records():
    x = np.zeros(ROWS, dtype=[("a", "<f4"), ("b", "<i4")])
    x["a"] = features()[:, 0]
    return x


def regression_target():
    x = features()
    return (2.0 * x[:, 0] - x[:, 1] + 0.25).astype(np.float32)


# One row per file: its data sets. The name says what is wrong.
FILES = {
    "good": {"x": features(), "y": labels()},
    "good_regression": {"x": features(), "y": regression_target()},
    "no_x": {"features": features(), "y": labels()},
    "no_y": {"x": features(), "labels": labels()},
    "lengths_differ": {"x": features(), "y": labels()[:-1]},
    "zero_rows": {"x": features(0), "y": labels(0)},
    "string_x": {"x": as_text(features()[:, 0]), "y": labels()},
    "string_y": {"x": features(), "y": as_text(labels())},
    "nan_row": {"x": with_value(123, 2, np.nan), "y": labels()},
    "inf_row": {"x": with_value(77, 4, np.inf), "y": labels()},
    "label_outside": {"x": features(), "y": ten_labels(55, 12)},
    "label_negative": {"x": features(), "y": ten_labels(55, -3)},
    "scalar_x": {"x": np.float32(1.5), "y": labels()},
    "compound_x": {"x": as_records(), "y": labels()},
}


def write(path, sets):
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file.create_dataset(name, data=values, track_times=False)


def write_truncated(path, whole):
    """The first two thirds of a good file: the signature is there, the end is not."""
    with open(whole, "rb") as source:
        data = source.read()
    with open(path, "wb") as target:
        target.write(data[: len(data) * 2 // 3])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    for name, sets in FILES.items():
        write(os.path.join(directory, name + ".h5"), sets)
    write_truncated(os.path.join(directory, "truncated.h5"), os.path.join(directory, "good.h5"))
    with open(os.path.join(directory, "not_hdf5.h5"), "w", encoding="utf-8") as file:
        file.write("x,y\n1,0\n2,1\n")


if __name__ == "__main__":
    main()
