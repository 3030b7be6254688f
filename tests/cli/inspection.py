"""inspect finds every planted fault, nothing in clean data, and the same on any number of ranks."""

import json
import os
import resource
import unittest

import numpy as np

import support

ROWS, FEATURES = 2000, 8


def features(rows=ROWS, seed=7):
    return np.random.default_rng(seed).normal(size=(rows, FEATURES)).astype(np.float32)


def with_column(column, values, rows=ROWS):
    x = features(rows)
    x[:, column] = values
    return x


def with_value(x, row, column, value):
    x[row, column] = value
    return x


def noise(seed, rows=ROWS):
    return np.random.default_rng(seed).normal(size=rows)


def classes(count=2, rows=ROWS):
    """Told by two features, but not by one alone."""
    x = features(rows)
    score = x[:, 0] * x[:, 1] + 0.5 * x[:, 2] + 0.5 * noise(8, rows)
    return np.searchsorted(np.quantile(score, np.arange(1, count) / count), score).astype(np.int64)


def numbers(rows=ROWS):
    x = features(rows)
    return (x[:, 0] - x[:, 1] + x[:, 2] * x[:, 3] + 0.1 * noise(9, rows)).astype(np.float32)


def changed(values, rows, value):
    values = np.array(values)
    values[rows] = value
    return values


def windows(seed=20):
    """Eight values of a series and the next one."""
    series = np.random.default_rng(seed).normal(size=ROWS + 8).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(series, 9)


def joined(one, other):
    return np.concatenate([one, other])


def patients(groups=False):
    """Twenty-five rows of each patient, in any order: an age of their own, and one answer."""
    rng = np.random.default_rng(23)
    who = rng.permutation(np.repeat(np.arange(80), 25))
    x = features(len(who))
    x[:, 0] = rng.normal(50, 12, 80)[who]
    sets = {"x": x, "y": (rng.normal(size=80)[who] + 0.3 * rng.normal(size=len(who))).astype(np.float32)}
    return {**sets, "who": who} if groups else sets


def hours():
    rng = np.random.default_rng(24)
    hour = rng.integers(0, 24, ROWS)
    y = 2 * np.sin(hour / 24 * 2 * np.pi) + 0.5 * rng.normal(size=ROWS)
    return {"x": with_column(0, hour.astype(np.float32)), "y": y.astype(np.float32)}


def by_label(values):
    """x and y in the order of the labels."""
    order = np.argsort(values, kind="stable")
    return {"x": features(len(values))[order], "y": values[order]}


def half_at(value):
    return changed(numbers(), np.random.default_rng(3).permutation(ROWS)[: ROWS // 2], value)


def slipped(values):
    """A value twice in the middle: those below belong to the row before."""
    middle = len(values) // 2
    return np.concatenate([values[:middle], values[middle - 1 : -1]])


def repeated(different_y):
    """5% of the rows once more, further down."""
    x, y = features(), classes()
    return {"x": joined(x, x[:100]), "y": joined(y, 1 - y[:100] if different_y else y[:100])}


def chunked(rows, **layout):
    def write(file):
        x = file.create_dataset("x", (rows, FEATURES), "<f4", track_times=False, **layout)
        x[...] = features(rows)
        file.create_dataset("y", data=classes(2, rows), track_times=False)

    return write


def one_huge_chunk(file):
    rows = 600_000
    x = file.create_dataset("x", (rows, 32), "<f4", chunks=(rows, 32), track_times=False)
    x[0, 0] = 0  # writes the chunk
    file.create_dataset("y", data=classes(2, rows).astype("u1"), track_times=False)


# Name: data sets (or what writes them), changes of the job, and what must be found, with a phrase
# of its sentence. Nothing else may be found.
FAULTS = {
    "NaN and infinity in x": (
        {"x": with_value(with_value(features(), 123, 2, np.nan), 500, 4, np.inf), "y": classes()},
        {},
        {"non-finite-feature": "/x: row 123, feature 2"},
    ),
    "NaN in y": (
        {"x": features(), "y": changed(numbers(), [77, 900], np.nan)},
        {},
        {"non-finite-target": "2; the first is data.h5: /y: row 77"},
    ),
    "a negative label": (
        {"x": features(), "y": changed(classes(4), [55], -3)},
        {"data.task": "multiclass"},
        {"label-outside": "/y: row 55"},
    ),
    "one class only": (
        {"x": features(), "y": np.ones(ROWS, np.int64)},
        {},
        {"constant-target": "class 1"},
    ),
    "one target only": (
        {"x": features(), "y": np.full(ROWS, 2.5)},
        {},
        {"constant-target": "every target is 2.5"},
    ),
    "labels from 1": (
        {"x": features(), "y": classes(3) + 1},
        {},
        {"empty-class": "1 of 4; the first is class 0"},
    ),
    "one row in a hundred is of class 1": (
        {"x": features(), "y": (np.arange(ROWS) * 37 % 100 == 0).astype(np.int64)},
        {},
        {"class-imbalance": "class 1 has 20 (1%)"},
    ),
    "whole numbers taken for classes": (
        {"x": features(), "y": np.random.default_rng(4).integers(0, 700, ROWS)},
        {},
        {"many-classes": "classes of"},
    ),
    "classes stored as floats": (
        {"x": features(), "y": classes(3).astype(np.float64)},
        {},
        {"float-classes": "3 whole numbers from 0 to 2, as float64"},
    ),
    "half of the targets are 0.5": (
        {"x": features(), "y": half_at(0.5)},
        {},
        {"target-spike": "50.0% of the targets (1000 rows) are exactly 0.5"},
    ),
    "targets in millions": (
        {"x": features(), "y": numbers() * 1e6},
        {},
        {"target-scale": "median of"},
    ),
    "a target that stands for a missing value": (
        {"x": features(), "y": changed(numbers(), [31], -999999)},
        {},
        {"target-outlier": "/y: row 31 holds the target -999999"},
    ),
    "rows sorted by class": (by_label(classes(10)), {}, {"sorted-by-target": "grouped by class"}),
    "rows sorted by target": (by_label(numbers()), {}, {"sorted-by-target": "neighbouring rows"}),
    "sorted rows in large windows": (
        by_label(classes()),
        {"data.window": 250},
        {"sorted-by-target": "grouped", "skewed-lanes": "of class"},
    ),
    "a feature that is the target": (
        {"x": with_column(5, classes(4)), "y": classes(4)},
        {},
        {"leak-equal": "feature 5"},
    ),
    "a feature that is the target in another unit": (
        {"x": with_column(3, 1.8 * numbers() + 32), "y": numbers()},
        {},
        {"leak-near": "alone: 3 "},
    ),
    "a feature that codes the class": (
        {"x": with_column(6, np.array([3, 1, 4, 2])[classes(4)]), "y": classes(4)},
        {},
        {"leak-near": "alone: 6 "},
    ),
    "a row number among the features": (
        {"x": with_column(7, np.arange(ROWS) / 100), "y": classes()},
        {},
        {"index-feature": "feature 7"},
    ),
    "a constant feature": (
        {"x": with_column(1, 4), "y": classes()},
        {},
        {"constant-feature": "change: 1 (1 of 8)"},
    ),
    "two equal features": (
        {"x": with_column(6, features()[:, 2]), "y": classes()},
        {},
        {"duplicate-feature": "feature 6 repeats feature 2"},
    ),
    "one feature in grams, one in tonnes": (
        {"x": with_column(4, 1e5 * noise(5)), "y": classes()},
        {},
        {"feature-scale": "98% of feature 4"},
    ),
    "years": (
        {"x": with_column(0, 2015 + 2 * noise(6)), "y": classes()},
        {},
        {"feature-offset": "feature 0: mean 2015"},
    ),
    "-9999 for a missing value": (
        {"x": with_value(with_value(features(), 1500, 3, -9999), 1800, 3, -9999), "y": classes()},
        {},
        {"feature-outlier": "-9999 in data.h5: /x: row 1500, feature 3"},
    ),
    "-99 for a missing value in many rows": (
        {"x": joined(features()[:-60], with_column(2, -99)[-60:]), "y": classes()},
        {},
        {"missing-code": "many rows: 2 (feature 2: -99 in 3% of the rows"},
    ),
    "-999 for a missing target": (
        {"x": features(), "y": changed(20 * numbers(), range(0, ROWS, 50), -999)},
        {},
        {"missing-target-code": "2% of the targets are -999"},
    ),
    "held-out rows with another class mix": (
        {"x": features(), "y": (np.arange(ROWS) % 10 == 0).astype(np.int64)},
        {"data.validation": {"files": ["held.h5"]}},
        {"held-out-shift": "of class 0"},
    ),
    "held-out rows in another unit": (
        {"x": 3 * features() + 4, "y": classes()},
        {"data.validation": {"files": ["held.h5"]}},
        {"held-out-shift": "mean of"},
    ),
    "targets that have slipped by five rows": (
        {"x": features(), "y": np.roll(features() @ np.arange(1, FEATURES + 1), 5)},
        {},
        {"slipped-targets": "all rows: the target 5 rows further on"},
    ),
    "targets that have slipped by one row, from the middle on": (
        {"x": features(), "y": slipped(features() @ np.arange(1, FEATURES + 1))},
        {},
        {"slipped-targets": "row 1000 on: the target 1 row further on"},
    ),
    "windows of a series": (
        {"x": windows()[:, :-1], "y": windows()[:, -1]},
        {},
        {"overlapping-rows": "1 column on"},
    ),
    "two windows side by side, newest first": (
        {"x": np.stack([windows(), windows(21)], 2)[::-1, :-1].reshape(ROWS, -1),
         "y": windows()[::-1, -1]},
        {},
        {"overlapping-rows": "2 columns on"},
    ),
    "the neighbour's target among the features": (
        {"x": np.hstack([features(), windows()[:, -2:-1]]), "y": windows()[:, -1]},
        {},
        {"overlapping-rows": "target of a row"},
    ),
    "an age of each of eighty patients": (patients(), {}, {"groups-on-both-sides": "feature 0"}),
    "patients of whom whole ones are held out": (
        patients(groups=True),
        {"data.groups": "who"},
        {},
    ),
    "the hour of a day": (hours(), {}, {}),  # equal hours are alike, and so are the next
    "rows that are there twice": (
        repeated(different_y=False),
        {},
        {"duplicate-rows": "100 rows (4.8%) repeat another one in x and y, such as data.h5: /x: "
                           "row 2000 and data.h5: /x: row 0"},
    ),
    "rows with two different labels": (
        repeated(different_y=True),
        {},
        {"contradicting-rows": "right for more than 95.24%"},
    ),
    "held-out rows among the training rows": (
        {"x": joined(features(), features(100, 30)[:50]), "y": joined(classes(), classes()[:50])},
        {"data.validation": {"files": ["held.h5"]}},
        {"held-out-in-training": "50 held-out rows (50.0%)"},
    ),
    "chunks that are inflated for every window": (
        chunked(60_000, chunks=(15_000, FEATURES), compression="gzip"),
        {"data.window": 64},
        {"slow-layout": "bytes inflated for each byte used"},
    ),
    "chunks of a single row": (
        chunked(5000, chunks=(1, FEATURES)),
        {},
        {"small-chunks": "5000 chunks of 32 bytes"},
    ),
    "a chunk of 77 MB": (
        one_huge_chunk,
        {},
        {"large-chunks": "77 MB", "constant-feature": "32 of 32", "duplicate-rows": "repeat",
         "contradicting-rows": "right for", "slow-layout": "for each byte"},
    ),
}

CLEAN = ("blobs", "higgs-like", "friedman", "linear", "images")
FASHION = "/usr/share/datasets/fashion-mnist"  # of the package dataset-fashion-mnist


def write(path, sets):
    import h5py

    with h5py.File(path, "w") as file:
        if callable(sets):
            sets(file)
            return
        for name, values in sets.items():
            file.create_dataset(name, data=values, track_times=False)


def without_timing(text):
    value = json.loads(text)
    if "epoch_seconds" not in value.pop("timing"):
        raise AssertionError("no timing")
    return json.dumps(value, sort_keys=True)


class Inspect(support.Case):
    def inspect(self, path, ranks=1, cwd=None, more=(), code=0):
        return self.expect(support.run(["inspect", path, *more], ranks, cwd=cwd), code)

    def on_1_and_3(self, path, cwd=None):
        """The findings of both, which must be all the same."""
        texts = [self.inspect(path, ranks, cwd, ["--json"]).out for ranks in (1, 3)]
        self.assertEqual(*[without_timing(text) for text in texts])
        return {f["id"]: f for f in json.loads(texts[0])["findings"]}

    def job_of(self, home, changes):
        job = support.patched(support.small_job("data.h5"), {"data.validation": {}, **changes})
        return support.write_json(os.path.join(home, "job.json"), job)

    def test_planted_faults(self):
        self.assertGreaterEqual(len(FAULTS), 20)
        seen = set()
        for name, (sets, changes, wanted) in FAULTS.items():
            with self.subTest(name):
                home = self.folder(name.replace(" ", "-"))
                write(os.path.join(home, "data.h5"), sets)
                write(os.path.join(home, "held.h5"), {"x": features(100, 30), "y": classes(2, 100)})
                self.job_of(home, changes)
                found = self.on_1_and_3("job.json", home)
                self.assertEqual(set(found), set(wanted), found)
                for key, phrase in wanted.items():
                    self.assertIn(phrase, found[key]["sentence"])
                    self.assertTrue(found[key]["advice"])
                seen |= set(wanted)
        listed = support.run(["inspect", "--help"]).out.split("findings:")[1].split("\n")
        self.assertEqual(seen, {line.split()[0] for line in listed if line.strip()})

    def test_clean_sets(self):
        for name in CLEAN:
            self.assertEqual(self.on_1_and_3(self.synth(name, 5000)), {}, name)

    def test_fashion_mnist(self):
        if not os.path.exists(FASHION):
            self.skipTest("dataset-fashion-mnist is not installed")
        paths = []
        for part in ("train", "t10k"):
            paths.append(os.path.join(self.scratch, f"{part}.h5"))
            self.expect(support.run(["import", "idx", f"{FASHION}/{part}-images-idx3-ubyte.gz", "--labels",
                                     f"{FASHION}/{part}-labels-idx1-ubyte.gz", "-o", paths[-1]]))
        for path in paths:
            self.assertEqual(self.on_1_and_3(path), {})
        home = self.folder("both")
        held_out = {"data.validation": {"files": [paths[1]]}}
        job = support.patched(support.small_job(paths[0]), held_out)
        support.write_json(os.path.join(home, "job.json"), job)
        self.assertEqual(self.on_1_and_3("job.json", home), {})

    def test_numbers(self):
        """What is told agrees with NumPy."""
        path, x, y = os.path.join(self.scratch, "data.h5"), features(), classes(3)
        support.write_h5(path, x=x, y=y)
        told = json.loads(self.inspect(path, 3, more=["--json"]).out)
        self.assertEqual(told["rows"], ROWS)
        self.assertEqual(told["targets"]["class_rows"], np.bincount(y).tolist())
        self.assertEqual(told["features"]["min"], x.min(0).astype(float).tolist())
        np.testing.assert_allclose(told["features"]["mean"], x.mean(0, dtype=float), rtol=1e-9)
        np.testing.assert_allclose(told["features"]["deviation"], x.std(0, dtype=float), rtol=1e-9)
        changes = np.mean(y[1:] != y[:-1]) / (1 - np.sum((np.bincount(y) / ROWS) ** 2))
        self.assertAlmostEqual(told["targets"]["disorder"], changes, 12)
        self.assertEqual(told["x"]["type"], "float32")

    def test_layout(self):
        """Two chunks of 100 rows for a window of 150 that begins at a chunk, three or two else."""
        path = os.path.join(self.scratch, "data.h5")
        write(path, chunked(600, chunks=(100, FEATURES), compression="gzip", shuffle=True))
        told = json.loads(self.inspect(path, more=["--json", "--set", "data.window=150"]).out)
        self.assertEqual(told["x"]["layout"], "chunks of [100, 8]")
        self.assertEqual(told["x"]["filters"], "shuffle, gzip 4")
        used = told["access"]["inflated_over_used"]
        self.assertAlmostEqual(used["in_order"], 1)
        self.assertAlmostEqual(used["by_window"], 8 * 100 / 600)
        self.assertAlmostEqual(used["by_row"], 100)

    def test_names_and_several_files(self):
        home = self.folder("several")
        for name, first in (("a.h5", 0), ("b.h5", 1000)):
            rows = slice(first, first + 1000)
            x = with_value(features(), 1234, 5, np.inf)[rows]
            support.write_h5(os.path.join(home, name), inputs=x, labels=classes()[rows])
        job = support.patched(support.small_job("a.h5"), {"data.files": ["a.h5", "b.h5"]})
        support.write_json(os.path.join(home, "job.json"), job)
        names = ["--x", "/inputs", "--y", "labels", "--json"]
        texts = [self.inspect("job.json", n, home, names).out for n in (1, 2, 3)]
        self.assertEqual(len({without_timing(t) for t in texts}), 1)
        told = json.loads(texts[0])
        self.assertEqual((told["rows"], told["files"]), (ROWS, 2))
        self.assertIn("b.h5: /inputs: row 234, feature 5", told["findings"][0]["sentence"])

    def test_check_and_train_tell_errors(self):
        """And no warnings: of those there is `inspect`."""
        home = self.folder("errors")
        x = with_column(5, classes())
        x[:, 1] = 4
        write(os.path.join(home, "data.h5"), {"x": x, "y": classes()})
        self.job_of(home, {})
        for command in ("check", "train"):
            told = self.expect(support.run([command, "job.json"], 2, cwd=home))
            self.assertEqual(told.err.count("leak-equal: feature 5 equals the target"), 1)
            self.assertNotIn("constant-feature", told.err)

    def test_shapes(self):
        """Fewer rows than ranks, several target columns, nothing finite, big-endian halves."""
        x, one_hot = features(300), np.eye(3)[np.arange(300) * 7 % 3]
        cases = {
            "one row": ({"x": x[:1], "y": [1]}, "binary", {"constant-target"}),
            "two rows": ({"x": x[:2], "y": [1.5, 2]}, "regression", set()),
            "one-hot": ({"x": x, "y": one_hot}, "multiclass", set()),
            "two targets": ({"x": x, "y": x[:, :2] + x[:, 2:4] * x[:, 4:6]}, "regression", set()),
            "a column": ({"x": x[:, 0], "y": numbers(300)}, "regression", set()),
            "big-endian": ({"x": x.astype(">f2"), "y": numbers(300).astype(">f8")}, "regression",
                           set()),
            "not finite": ({"x": x * np.nan, "y": np.full(300, np.inf)}, "binary",
                           {"non-finite-target", "non-finite-feature", "duplicate-rows"}),
        }
        for name, (sets, task, wanted) in cases.items():
            with self.subTest(name):
                path = os.path.join(self.scratch, "data.h5")
                write(path, sets)
                self.assertEqual(set(self.on_1_and_3(path)), wanted)
                told = json.loads(self.inspect(path, more=["--json"]).out)
                self.assertEqual(told["targets"]["task"], task)

    def test_strict(self):
        path = os.path.join(self.scratch, "data.h5")
        support.write_h5(path, x=with_column(0, 1), y=classes())
        self.inspect(path, more=["--strict"])  # a warning
        support.write_h5(path, x=with_column(0, classes()), y=classes())
        page = self.inspect(path)
        self.assertIn("feature 0 equals the target in every row", " ".join(page.out.split()))
        for ranks in (1, 3):
            self.inspect(path, ranks, more=["--strict"], code=3)

    def test_cannot_be_inspected(self):
        path = os.path.join(self.scratch, "data.h5")
        support.write_h5(path, x=features(), y=classes()[:-1])
        for ranks in (1, 3):
            result = support.run(["inspect", path], ranks)
            self.expect_error(result, 3, "/x has 2000 rows, /y has 1999")
        self.expect_error(support.run(["inspect", path, "--y", "z"]), 3, "has no data set /z")
        self.expect_error(support.run(["inspect", path + "5"]), 2, "data.h55")

    def test_memory(self):
        """9 million equal rows: more than are kept, and the worst case of what is."""
        with open(support.PITPROP, "rb") as file:
            if b"__asan_init" in file.read():
                self.skipTest("sanitizers take memory of their own")
        rows, path = 9_000_000, os.path.join(self.scratch, "data.h5")

        write(path, {"x": np.zeros((rows, 2), "<f4"), "y": np.zeros(rows, "u1")})
        told = json.loads(self.inspect(path, more=["--json"]).out)
        found = {f["id"] for f in told["findings"]}
        self.assertEqual(found, {"constant-target", "constant-feature", "duplicate-rows"})
        self.assertGreater(told["repeats"]["duplicates"], 0.99 * rows)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # KiB, of all so far
        self.assertLess(peak, 400 * 1024)


if __name__ == "__main__":
    support.main()
