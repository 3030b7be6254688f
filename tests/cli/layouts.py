"""Data as people have them: columns of several data sets, fields of tables, any type, patterns of
file names, groups and folds. What is selected gives the bits that a plain file of it gives."""

import os

import h5py
import numpy as np

import support
from support import dense, patched, run

ROWS = 701
random = np.random.default_rng(3)
X = random.integers(-100, 100, (ROWS, 6)).astype(np.float32)  # exact in any type
Y = (X[:, 0] + X[:, 3] > 0).astype(np.int64)


def job(files):
    return {
        "name": "layout",
        "data": {"files": files, "standardise": True, "validation": {"fraction": 0.2}},
        "model": {"layers": [dense(8, "tanh"), dense("auto")]},
        "training": {"epochs": 2, "batch": 64, "lanes": 4},
    }


class Layouts(support.Case):
    def path(self, name, sets=None, fill=None):
        path = os.path.join(self.scratch, name)
        with h5py.File(path, "w") as file:
            for key, values in (sets or {}).items():
                file[key] = values
            if fill:
                fill(file)
        return path

    def outcome(self, job_, ranks=1):
        """Parameters, and what is reported of them; the job itself differs."""
        run_ = self.train(job_, ranks, f"run-{len(os.listdir(self.scratch))}")
        tensors, _ = support.read_safetensors(f"{run_}/model.safetensors")
        evidence = support.read_json(f"{run_}/verdict.json")["evidence"]
        return {name: tensor.tobytes() for name, tensor in tensors.items()}, evidence

    def same(self, plain, other):
        expected = self.outcome(plain)
        for residency, ranks in (("memory", 1), ("stream", 2)):
            with self.subTest(residency=residency, ranks=ranks):
                found = self.outcome(patched(other, {"data.residency": residency}), ranks)
                self.assertEqual(found, expected)

    def plain(self, x=X, y=Y):
        return job(self.path(f"plain-{len(os.listdir(self.scratch))}.h5", {"x": x, "y": y}))

    def refused(self, job_, *words, code=3):
        home = self.folder(f"refused-{len(os.listdir(self.scratch))}")
        support.write_json(f"{home}/job.json", job_)
        for ranks in (1, 2):
            done = run(["train", "job.json", "-o", "run"], ranks, cwd=home)
            self.expect_error(done, code, *words)

    # ---- columns ----

    def test_columns(self):
        whole = job(self.path("c.h5", {"x": X, "y": Y}))
        self.same(self.plain(X[:, [4, 0, 1, 2, 5]]), patched(whole, {
            "data.columns": [4, "0:3", "-1"]}))
        self.same(self.plain(X[:, 3:4]), patched(whole, {"data.columns": 3}))
        for columns, words in (([6], "'6'"), (["2:9"], "'2:9'"), (["4:2"], "'4:2'"), (["a"], "'a'"),
                               (["1:2:3"], "'1:2:3'"), (["-7"], "'-7'")):
            self.refused(patched(whole, {"data.columns": columns}), words, "/x has 6 columns")
        for twice in ([0, "0:3"], [5, -1]):
            self.refused(patched(whole, {"data.columns": twice}), "is named twice")
        self.refused(patched(whole, {"data.columns": [0.5]}), "data.columns", code=2)

    def test_joined_data_sets(self):
        path = self.path("j.h5", {"left": X[:, :2].astype("i2"), "y": Y,
                                  "images/right": X[:, 2:].reshape(ROWS, 2, 2)})
        joined = patched(job(path), {"data.x": ["/left", "/images/right"]})
        self.same(self.plain(), joined)
        self.same(self.plain(X[:, [3, 0]]), patched(joined, {"data.columns": [3, 0]}))
        odd = self.path("odd.h5", {"a": X, "b": X[:-1], "y": Y})
        self.refused(patched(job(odd), {"data.x": ["/a", "/b"]}), "/b has 700 rows", "joined")

    def test_target_column(self):
        table = np.hstack([X[:, :2], Y[:, None], X[:, 2:]]).astype(np.int32)
        one = patched(job(self.path("t.h5", {"x": table})), {"data.target_column": 2})
        self.same(self.plain(), one)
        self.same(self.plain(X[:, 2:4]), patched(one, {"data.columns": ["2:5"]}))
        last = patched(job(self.path("l.h5", {"x": np.hstack([X, Y[:, None]])})), {
            "data.target_column": "-1", "data.task": "binary"})
        self.assertEqual(self.outcome(last), self.outcome(self.plain()))
        self.refused(patched(one, {"data.target_column": 7}), "'7'", "7 columns")

    def test_tables(self):
        """As h5py writes them, and pandas with format="table": a field may be an array."""
        kinds = [("age", "u1"), ("of", "f8", (2, 2)), ("id", "S4"), ("dose", "<f2"), ("y", "?")]
        rows = np.zeros(ROWS, kinds)
        rows["age"], rows["dose"], rows["y"] = np.abs(X[:, 0]), X[:, 5], Y
        rows["of"] = X[:, 1:5].reshape(-1, 2, 2)
        wanted = np.hstack([np.abs(X[:, :1]), X[:, 1:]])
        for name, more in (("t.h5", {}), ("chunked.h5", {"chunks": (64,), "compression": "gzip"})):
            path = self.path(name, fill=lambda f, m=more: f.create_dataset("t", data=rows, **m))
            table = patched(job(path), {"data.x": ["/t:age", "/t:of", "/t:dose"], "data.y": "/t:y"})
            self.same(self.plain(wanted), table)
        self.refused(patched(table, {"data.x": "/t"}), "age, of, id, dose, y", "/t:FIELD")
        self.refused(patched(table, {"data.x": "/t:height"}), "no field 'height'", "age, of")
        self.refused(patched(table, {"data.x": "/t:id"}), "/t:id is text")
        self.refused(patched(job(self.path("p.h5", {"x": X, "y": Y})), {"data.x": "/x:a"}),
                     "/x is no table")

    # ---- types ----

    def test_types(self):
        expected = self.outcome(self.plain())
        for kind in ("i1", ">i2", "i8", ">i8", "f2", ">f4", "f8", ">f8"):
            with self.subTest(kind):
                path = self.path("type.h5", {"x": X.astype(kind), "y": Y.astype(kind)})
                is_float = kind.strip(">")[0] == "f"
                given = patched(job(path), {"data.task": "binary"} if is_float else {})
                self.assertEqual(self.outcome(given), expected)
        path = self.path("type.h5", {"x": X, "y": Y.astype(bool)})
        self.assertEqual(self.outcome(job(path)), expected)
        path = os.path.join(self.scratch, "matlab.h5")  # its files begin with a block of their own
        with h5py.File(path, "w", userblock_size=512) as file:
            file["x"], file["y"] = X, Y
        self.assertEqual(self.outcome(job(path)), expected)

    def test_packed(self):
        expected = self.outcome(self.plain())
        for more in ({"compression": "gzip", "shuffle": True}, {"scaleoffset": 0},
                     {"fletcher32": True}, {"compression": "lzf"}):
            with self.subTest(**more):
                def fill(file, more=more):
                    kind = "i2" if "scaleoffset" in more else "f4"
                    file.create_dataset("x", data=X.astype(kind), chunks=(50, 3), **more)
                    file["y"] = Y
                path = self.path("packed.h5", fill=fill)
                if "lzf" in more.values():  # a filter of h5py's own
                    self.refused(job(path), "lzf", "/x")
                else:
                    self.assertEqual(self.outcome(job(path)), expected)

    # ---- files ----

    def test_patterns(self):
        cuts = [0, 100, 350, ROWS]
        files = [self.path(f"day-{i}.h5", {"x": X[a:b], "y": Y[a:b]})
                 for i, (a, b) in enumerate(zip(cuts, cuts[1:]))]
        self.path("night-0.h5", {"x": X, "y": Y})
        self.same(job(files), job(os.path.join(self.scratch, "day-*.h5")))
        self.same(job(files), job([os.path.join(self.scratch, "day-[01].h5"), files[2]]))
        self.refused(job(os.path.join(self.scratch, "month-*.h5")), "month-*.h5", "no file matches")
        odd = self.path("odd[1].h5", {"x": X, "y": Y})
        self.assertEqual(self.outcome(job(odd)), self.outcome(self.plain()))

    def test_other_files(self):
        """A file must not make us read others, unless we are told to."""
        self.path("target.h5", {"x": X, "y": Y, "g/x": X})
        layout = h5py.VirtualLayout(shape=X.shape, dtype="f4")
        layout[:] = h5py.VirtualSource(os.path.join(self.scratch, "target.h5"), "x", X.shape)
        X.tofile(os.path.join(self.scratch, "raw.bin"))
        cases = {
            "link": lambda f: f.__setitem__("x", h5py.ExternalLink("target.h5", "/x")),
            "group": lambda f: f.__setitem__("g", h5py.ExternalLink("target.h5", "/g")),
            "view": lambda f: f.create_virtual_dataset("x", layout),
            "raw": lambda f: f.create_dataset("x", X.shape, "f4", external=[
                (os.path.join(self.scratch, "raw.bin"), 0, h5py.h5f.UNLIMITED)]),
        }
        expected = self.outcome(self.plain())
        for name, fill in cases.items():
            with self.subTest(name):
                path = self.path(f"{name}.h5", {"y": Y}, fill)
                of = job(path) if name != "group" else patched(job(path), {"data.x": "/g/x"})
                self.refused(of, "another file", "raw.bin" if name == "raw" else "target.h5",
                             "data.follow_links")
                allowed = patched(of, {"data.follow_links": True})
                self.assertEqual(self.outcome(allowed), expected)

    def test_other_files_by_detours(self):
        """A soft link to a link to a file; a view whose first part alone is of this file; and what
        is not there when it is followed, which HDF5 would read as zeros."""
        self.path("target.h5", {"x": X})
        links = self.path("links.h5", {"y": Y}, lambda f: (
            f.__setitem__("x", h5py.ExternalLink("target.h5", "/x")),
            f.__setitem__("soft", h5py.SoftLink("/x")),
            f.__setitem__("gone", h5py.ExternalLink("gone.h5", "/x"))))
        both, gone = (h5py.VirtualLayout(shape=X.shape, dtype="f4") for _ in range(2))
        both[:300] = h5py.VirtualSource(".", "kept", (300, 6))
        both[300:] = h5py.VirtualSource("target.h5", "x", X.shape)[300:]
        gone[:] = h5py.VirtualSource("gone.h5", "x", X.shape)
        views = self.path("views.h5", {"y": Y, "kept": X[:300]}, lambda f: (
            f.create_virtual_dataset("x", both), f.create_virtual_dataset("gone", gone)))
        expected = self.outcome(self.plain())
        for path, name in ((links, "/soft"), (views, "/x")):
            of = patched(job(path), {"data.x": name})
            self.refused(of, path, name, "target.h5, another file", "data.follow_links")
            self.assertEqual(self.outcome(patched(of, {"data.follow_links": True})), expected)
        for path, words in ((links, "a link to gone.h5, where it cannot be opened"),
                            (views, "a view of gone.h5, which is missing")):
            followed = patched(job(path), {"data.x": "/gone", "data.follow_links": True})
            self.refused(followed, f"{path}: /gone is {words}")

    def test_bad_value_is_found_in_its_set(self):
        bad = X.copy()
        bad[77, 3] = np.nan
        path = self.path("bad.h5", {"a": X[:, :2], "b": bad, "y": Y})
        for columns in ([], ["3:8"]):
            of = patched(job(path), {"data.x": ["/a", "/b"], "data.columns": columns})
            self.refused(of, f"{path}: /b: row 77, column 3 is NaN")

    def test_long_fields(self):
        """Longer than what HDF5 converts at a time."""
        rows = 60
        table = np.zeros(rows, [("v", ">f8", (20000,)), ("w", "<f4")])
        table["v"][:, 19990:19996] = X[:rows]
        path = self.path("long.h5", {"t": table, "y": Y[:rows]})
        given = patched(job(path), {"data.x": "/t:v", "data.columns": ["19990:19996"]})
        self.same(self.plain(X[:rows], Y[:rows]), patched(given, {"data.window": 1}))

    def test_inspect_and_predict(self):
        path = self.path("i.h5", {"left": X[:, :2], "right": X[:, 2:], "y": Y})
        home = self.folder("inspected")
        given = patched(job(path), {"data.x": ["/left", "/right"], "data.columns": ["1:"],
                                    "data.target_column": 5, "data.task": "regression"})
        support.write_json(f"{home}/job.json", given)
        found = support.json.loads(self.expect(run(["inspect", "job.json", "--json"], 2,
                                                   cwd=home)).out)
        self.assertEqual(found["features"]["max"], [float(v) for v in X[:, 1:5].max(0)])
        self.assertEqual(found["targets"]["max"], float(X[:, 5].max()))
        of = self.train(given, 1, "of")
        self.expect(run(["predict", of, path, "-o", f"{home}/p.h5"], 2))
        sets, _ = support.read_h5(f"{home}/p.h5")
        self.assertEqual(sets["p"].shape, (ROWS, 1))

    def test_rows_to_predict_have_no_target(self):
        home = self.folder("bare")
        with_y = self.path("with.h5", {"x": np.hstack([X[:, :2], Y[:, None], X[:, 2:]])})
        of = self.train(patched(job(with_y), {"data.target_column": 2, "data.task": "binary"}), 1, "bare-run")
        found = []
        for name, x in (("with", None), ("bare", X), ("odd", X[:, :4])):
            path = with_y if x is None else self.path(f"{name}.h5", {"x": x})
            done = run(["predict", of, path, "-o", f"{home}/{name}.h5"], 2)
            if name == "odd":
                self.expect_error(done, 3, "odd.h5", "3 columns", "takes 6")
                continue
            self.expect(done)
            found.append(support.read_h5(f"{home}/{name}.h5")[0]["p"])
        self.assertTrue(np.array_equal(*found))

    # ---- held-out rows ----

    def parts(self, job_, folds):
        """Rows, sum and sum of squares of the held-out targets of each fold."""
        found = []
        for k in range(folds):
            _, evidence = self.outcome(patched(job_, {
                "data.validation": {"fold": {"k": k, "of": folds}}}), 1 + k % 2)
            held = evidence["held_out"]
            n, mean = held["rows"], held["target_mean"]
            self.assertEqual(n + evidence["train"]["rows"], ROWS)
            found.append((n, n * mean, n * (held["target_deviation"] ** 2 + mean**2)))
        return np.array(found)

    def test_folds(self):
        """Each row is held out once, each class evenly."""
        numbers = patched(self.plain(y=np.arange(ROWS, dtype=np.float32)), {
            "data.task": "regression"})
        parts = self.parts(numbers, 5)
        self.assertLessEqual(np.ptp(parts[:, 0]), 1)
        whole = np.arange(ROWS, dtype=float)
        np.testing.assert_allclose(parts.sum(0), [ROWS, whole.sum(), (whole**2).sum()], rtol=1e-6)
        classes = self.parts(self.plain(), 4)
        self.assertLessEqual(np.ptp(np.round(classes[:, 1])), 1)
        self.assertEqual(round(classes[:, 1].sum()), Y.sum())
        for fold in ({"k": 5, "of": 5}, {"k": 1, "of": 0}, {"k": 0, "of": 1}):
            self.refused(patched(numbers, {"data.validation": {"fold": fold}}), "fold", code=2)
        self.refused(patched(numbers, {"data.validation": {"fraction": 0.1, "fold": {
            "k": 0, "of": 2}}}), "either", code=2)

    def test_groups(self):
        """Groups of seven rows, here and there in the file, are on one side each."""
        groups = random.permutation(np.arange(ROWS) // 7)
        path = self.path("g.h5", {"x": X, "y": groups.astype("f4"), "patient": groups,
                                  "real": groups + 0.5})
        given = patched(job(path), {"data.task": "regression", "data.groups": "/patient"})
        parts = self.parts(given, 5)
        self.assertEqual(sorted(parts[:, 0] % 7), [0, 0, 0, 0, 1])  # one group has a single row
        self.assertAlmostEqual(parts[:, 1].sum(), groups.sum(), delta=1)
        self.assertLess(np.ptp(parts[:, 0]), 15)
        _, evidence = self.outcome(given)
        self.assertIn(evidence["held_out"]["rows"] % 7, (0, 1))
        self.assertLess(abs(evidence["held_out"]["rows"] - 0.2 * ROWS), 8)
        self.refused(patched(given, {"data.groups": "/real"}), "/real", "whole number")
        self.refused(patched(given, {"data.groups": "/x"}), "/x", "whole number")
        path = self.path("one.h5", {"x": X, "y": Y, "g": np.zeros(ROWS, "i4")})
        self.refused(patched(job(path), {"data.groups": "/g"}), "data.groups")
        for held_out in ({"fraction": 0}, {"files": path}):
            nowhere = patched(given, {"data.validation": held_out})
            self.refused(nowhere, "data.groups: says which rows are held out", code=2)


if __name__ == "__main__":
    support.main()
