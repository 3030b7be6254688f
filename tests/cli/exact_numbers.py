"""Numbers as the file means them: attributes that change them, whole numbers of 64 bits, and doubles that
float32 would cut before they are standardised."""

import os

import h5py
import numpy as np

import support
from support import dense, patched, run

ROWS, COLUMNS = 1200, 4
random = np.random.default_rng(11)
PACKED = random.integers(-3000, 3000, (ROWS, COLUMNS)).astype(np.int16)
Y = (PACKED[:, 0] + PACKED[:, 1] > 0).astype(np.int64)


class Numbers(support.Case):
    def path(self, name="data.h5", notes=None, **sets):
        path = os.path.join(self.scratch, name)
        with h5py.File(path, "w") as file:
            for key, values in sets.items():
                file[key] = values
            for key, values in (notes or {}).items():
                for note, value in values.items():
                    file[key].attrs[note] = value
        return path

    def job(self, path, **changes):
        return patched({
            "name": "numbers", "data": {"files": path, "standardise": True, "validation": {"fraction": 0.2}},
            "model": {"layers": [dense(4, "tanh"), dense("auto")]},
            "training": {"epochs": 3, "batch": 40, "lanes": 4}}, changes)

    def outcome(self, job, ranks=1):
        run_ = self.train(job, ranks, f"run-{len(os.listdir(self.scratch))}")
        tensors, _ = support.read_safetensors(f"{run_}/model.safetensors")
        return {name: values.tobytes() for name, values in tensors.items()}, run_

    def refused(self, job, *words, ranks=(1, 2)):
        home = self.folder(f"refused-{len(os.listdir(self.scratch))}")
        support.write_json(f"{home}/job.json", job)
        for count in ranks:
            self.expect_error(run(["train", "job.json", "-o", "run"], count, cwd=home), 3, *words)

    # ---- attributes ----

    def test_packing_is_applied(self):
        notes = {"x": {"scale_factor": 1e-3, "add_offset": np.float32(20)}}
        real = PACKED * 1e-3 + 20.0
        packed = self.path("packed.h5", notes, x=PACKED, y=Y)
        plain = self.path("plain.h5", x=real, y=Y)
        for more in ({}, {"data.residency": "stream"}, {"data.standardise": False}):
            self.assertEqual(self.outcome(self.job(packed, **more), 2)[0], self.outcome(self.job(plain, **more))[0])
        model = self.outcome(self.job(packed))[1]
        for path in (packed, plain):
            self.expect(run(["predict", model, path, "-o", f"{path}.p"], cwd=self.scratch))
        self.assertTrue((support.read_h5(f"{packed}.p")[0]["raw"] == support.read_h5(f"{plain}.p")[0]["raw"]).all())
        found = support.json.loads(self.expect(run(["inspect", packed, "--json"])).out)
        np.testing.assert_allclose(found["features"]["max"], real.max(0), 1e-6)
        again = os.path.join(self.scratch, "again.h5")
        self.expect(run(["repack", packed, again, "--gzip", "1"]))
        self.assertEqual(self.outcome(self.job(again, **{"data.window": 16}))[0],
                         self.outcome(self.job(packed, **{"data.window": 16}))[0])

    def test_missing_values_are_no_data(self):
        x = PACKED.copy()
        x[77, 2] = x[500, 1] = -32767
        path = self.path(notes={"x": {"_FillValue": np.int16(-32767), "scale_factor": 0.1}}, x=x, y=Y)
        for residency in ("memory", "stream"):
            self.refused(self.job(path, **{"data.residency": residency}), f"{path}: /x: row 77, column 2",
                         "_FillValue", "NaN")
        x[77, 2] = x[500, 1] = 9
        path = self.path(notes={"x": {"missing_value": [9.0, 9999.0]}}, x=x, y=Y)
        first = int(np.flatnonzero((x == 9).any(1))[0])
        self.refused(self.job(path), f"{path}: /x: row {first}, column ", "missing_value")
        y = Y.astype("f4")
        y[3] = np.float32(9.96921e36)
        path = self.path(notes={"y": {"_FillValue": 9.96921e36}}, x=PACKED, y=y)
        self.refused(self.job(path), f"{path}: /y: row 3", "_FillValue", "NaN")

    def test_attributes_that_cannot_be_applied(self):
        for notes, words in (({"scale_factor": "ten"}, "attribute scale_factor"),
                             ({"scale_factor": [1.0, 2.0]}, "attribute scale_factor"),
                             ({"scale_factor": 0.0}, "is no factor"),
                             ({"add_offset": np.nan}, "attribute add_offset"),
                             ({"_Unsigned": "true"}, "attribute _Unsigned"),
                             ({"MATLAB_class": "int16"}, "lies transposed")):
            self.refused(self.job(self.path(notes={"x": notes}, x=PACKED, y=Y)), "/x", words, ranks=(1,))

    # ---- whole numbers ----

    def test_groups_of_64_bits(self):
        """Each row is a group of its own: a tenth of them is a tenth of the rows. As doubles they would be
        five, or eight."""
        for first, kind in ((1700000000000000000, "i8"), (2**63 + 5, "u8"), (-2**60 - 3, "i8"), (0, "u1")):
            rows = ROWS if first else 200
            ids = np.arange(rows).astype(kind) + np.array(first, kind)
            path = self.path(x=PACKED[:rows], y=Y[:rows], g=ids)
            job = self.job(path, **{"data.groups": "/g", "data.validation": {"fraction": 0.1}})
            support.write_json(f"{self.scratch}/job.json", job)
            done = self.expect(run(["check", "job.json"], 2, cwd=self.scratch))
            line = next(line for line in done.out.splitlines() if "held-out rows" in line)
            self.assertEqual(int(line.split()[-1]), rows // 10, kind)

    def test_labels_that_float32_cannot_hold(self):
        large = 2**24
        for kind, first in (("i8", large), ("u4", large), ("f8", large), ("i8", 2**60), ("i8", -large - 1)):
            path = self.path(x=PACKED, y=(Y + first).astype(kind))
            row = int(np.flatnonzero(Y == (0 if first < 0 else 1))[0])
            task = {"data.task": "binary"} if kind == "f8" else {}
            self.refused(self.job(path, **task), f"{path}: /y: row {row}: label ", "is not exact in float32")
        exact = self.path(x=PACKED, y=Y * 2 + large)
        job = self.job(exact, **{"data.recode_labels": True})
        self.assertEqual(self.outcome(job)[0], self.outcome(self.job(self.path("01.h5", x=PACKED, y=Y)))[0])
        real = self.path(x=PACKED, y=PACKED[:, 0] + large)  # not two of them: a number, no class
        support.write_json(f"{self.scratch}/job.json", self.job(real))
        self.expect(run(["check", "job.json"], cwd=self.scratch))

    # ---- doubles ----

    def wide(self, name="wide.h5", **more):
        """A time in milliseconds and a northing in metres: float32 has steps of 131072 ms and of 0.5 m."""
        seconds = np.arange(ROWS) * 7 % 5000
        north = 5400000 + random.integers(0, 100, ROWS) / 100
        x = np.stack([1.7e12 + 1000.0 * seconds, north], 1)
        return self.path(name, x=x, y=(seconds % 100 + 50 * (north % 1) > 75).astype("i8"), **more), x

    def test_standardised_from_doubles(self):
        path, x = self.wide()
        expected = self.outcome(self.job(path))[0]
        for ranks, residency in ((3, "memory"), (2, "stream")):
            self.assertEqual(self.outcome(self.job(path, **{"data.residency": residency}), ranks)[0], expected)
        whole = self.outcome(self.job(path, **{"data.validation.fraction": 0}))[1]
        tensors, _ = support.read_safetensors(f"{whole}/model.safetensors")
        self.assertEqual(tensors["input.shift"].dtype, np.float64)
        np.testing.assert_allclose(tensors["input.shift"], x.mean(0), 1e-12)
        np.testing.assert_allclose(1 / tensors["input.scale"], x.std(0), 1e-6)

    def test_predictions_from_doubles(self):
        path, x = self.wide()
        run_ = self.outcome(self.job(path))[1]
        tensors, _ = support.read_safetensors(f"{run_}/model.safetensors")
        scaled = ((x - tensors["input.shift"]) * tensors["input.scale"]).astype("f4")
        self.assertEqual(len(np.unique(scaled[:, 1])), 100)  # as float32 there would be 3
        found = []
        for ranks in (1, 2):
            out = f"{self.scratch}/p{ranks}.h5"
            self.expect(run(["predict", run_, path, "-o", out], ranks))
            found.append(support.read_h5(out)[0]["raw"])
        np.testing.assert_array_equal(found[0], found[1])
        hidden = np.tanh(scaled @ tensors["layers.0.weight"].T + tensors["layers.0.bias"])
        raw = hidden @ tensors["layers.1.weight"].T + tensors["layers.1.bias"]
        np.testing.assert_allclose(found[0], raw, 1e-3, 1e-4)

    def test_what_float32_cuts_is_told(self):
        """By inspect in doubles, and in one line where nothing is standardised."""
        path, x = self.wide()
        x[:, 0] = 1.7e12 + np.arange(ROWS)  # all in one step of float32
        path = self.path(x=x, y=Y)
        found = support.json.loads(self.expect(run(["inspect", path, "--json"], 2)).out)["features"]
        np.testing.assert_allclose(found["min"], x.min(0), 1e-15)
        np.testing.assert_allclose(found["deviation"], x.std(0), 1e-6)
        for standardise in (False, True):
            home = self.folder(f"told-{standardise}")
            support.write_json(f"{home}/job.json", self.job(path, **{"data.standardise": standardise}))
            done = self.expect(run(["train", "job.json", "-o", "run"], 2, cwd=home))
            told = [line for line in done.warnings if "column 0 (from 0) are the same in float32" in line]
            self.assertEqual(len(told), 0 if standardise else 1, done)
        sound = self.job(self.path("f8.h5", x=random.normal(size=(ROWS, 3)), y=Y), **{"data.standardise": False})
        home = self.folder("sound")
        support.write_json(f"{home}/job.json", sound)
        self.assertNotIn("float32", self.expect(run(["train", "job.json", "-o", "run"], cwd=home)).err)

    def test_codes_of_categories_are_told(self):
        """Of pandas' tables and of netCDF: numbers, and no sizes."""
        path = self.path("codes.h5", y=Y)
        with h5py.File(path, "a") as file:
            table = np.zeros(ROWS, [("size", "f8"), ("kind", "i1")])
            table["size"], table["kind"] = random.normal(size=ROWS), random.integers(0, 4, ROWS)
            file["table"] = table
            file["table"].attrs["kind_meta"] = np.bytes_("category")
            file["flags"] = table["kind"]
            file["flags"].attrs["flag_meanings"] = np.bytes_("clear hazy dark foul")
        for sets, column in ((["/table:size", "/table:kind"], 1), (["/flags", "/table:size"], 0),
                             (["/table:size"], None)):
            home = self.folder(f"codes-{column}")
            support.write_json(f"{home}/job.json", self.job(path, **{"data.x": sets}))
            done = self.expect(run(["train", "job.json", "-o", "run"], cwd=home))
            told = [line for line in done.warnings if "codes of categories" in line]
            self.assertEqual([f"column {column} " in line for line in told],
                             [] if column is None else [True], done)

    def test_what_float32_holds_keeps_its_bits(self):
        """Doubles that float32 holds, some of them large, are standardised as ever, memory and stream alike."""
        x = np.round(random.normal(size=(ROWS, COLUMNS)) * 64) + np.array([0, 2**20, -2**22, 5])
        as_floats = self.outcome(self.job(self.path("f4.h5", x=x.astype("f4"), y=Y)))[0]
        doubles = self.path("f8.h5", x=x, y=Y)
        for changes in ({}, {"data.residency": "stream"}):
            self.assertEqual(self.outcome(self.job(doubles, **changes), 2)[0], as_floats)


if __name__ == "__main__":
    support.main()
