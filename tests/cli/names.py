"""Names of classes and columns: stored, compared, mapped or refused, shown. And tables of text, as Python reads them."""

import csv
import io
import json
import os
import random
import struct

import h5py
import numpy as np

import support
from support import dense, patched, run, small_job as job

COLUMNS = ["age", "load", "wear"]


def rows(seed, count=240):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 3)).round(4)
    y = np.digitize(x[:, 0] + 0.5 * x[:, 2], [-0.5, 0.6])
    return x, y


class Names(support.Case):
    def table(self, name, order, names, seed=1):
        """A csv file with columns in this order, and classes 0, 1, 2 under these names; imported."""
        x, y = rows(seed)
        with open(f"{self.scratch}/{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*order, "kind"])
            writer.writerows([*(row[COLUMNS.index(c)] for c in order), names[k]] for row, k in zip(x.tolist(), y))
        self.expect(run(["import", "csv", f"{name}.csv", "--target", "kind", "-o", f"{name}.h5"], cwd=self.scratch))
        return f"{self.scratch}/{name}.h5"

    def job(self, files, **changes):
        return patched(job(files), {"data.task": "auto", "model.layers": [dense("auto")],
                                    "training.epochs": 5, **changes})

    def try_train(self, changed):
        home = self.folder(f"home-{len(os.listdir(self.scratch))}")
        support.write_json(f"{home}/job.json", changed)
        return run(["train", "job.json", "-o", "run"], cwd=home), f"{home}/run"

    def trained(self, changed):
        result, path = self.try_train(changed)
        self.expect(result)
        return path

    def test_stored(self):
        path = self.table("a", COLUMNS, ["mid", "ash", "zoo"])
        with h5py.File(path) as file:
            self.assertEqual(list(file["y"].attrs["classes"]), ["ash", "mid", "zoo"])
            self.assertEqual(list(file["x"].attrs["columns"]), COLUMNS)
            self.assertEqual(file["y"][:].tolist(), [[1, 0, 2][k] for k in rows(1)[1]])

    def test_answers_in_csv_and_npy(self):
        path = self.table("a", COLUMNS, ["mid", "a, \"sh\"", "zoo"])
        run_, home = self.trained(self.job(path)), self.folder("answers")
        self.expect(run(["predict", run_, path, "-o", "p.h5"], cwd=home))
        with h5py.File(f"{home}/p.h5") as file:
            p, label = file["p"][:], file["class"][:]
        names = ['a, "sh"', "mid", "zoo"]  # in the order of their bytes
        # Other columns first, features in another order, and the target.
        x, y = rows(1)
        with open(f"{home}/new.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["who", "wear", "kind", "age", "load"])
            for i, row in enumerate(x.tolist()):
                writer.writerow([f"r,{i}", row[2], ["mid", 'a, "sh"', "zoo"][y[i]], row[0], row[1]])
        for ranks in (1, 2):
            result = run(["predict", run_, "new.csv", "-o", "out.csv", "--id", "who", "--target", "kind", "--audit"],
                         ranks=ranks, cwd=home)
            self.expect(result)
            self.assertIn("Verdict:", result.out)
            with open(f"{home}/out.csv", newline="", encoding="utf-8") as file:
                told = list(csv.reader(file))
            self.assertEqual(told[0], ["who", "class", *(f"p_{n}" for n in names)])
            self.assertEqual([row[0] for row in told[1:]], [f"r,{i}" for i in range(len(x))])
            self.assertEqual([row[1] for row in told[1:]], [names[k] for k in label])
            np.testing.assert_array_equal(np.array([row[2:] for row in told[1:]], np.float32), p)
        self.expect(run(["predict", run_, "new.csv", "-o", "out.npy"], cwd=home))
        np.testing.assert_array_equal(np.load(f"{home}/out.npy"), p)
        np.save(f"{home}/x.npy", x.astype(np.float32))
        self.expect(run(["predict", run_, "x.npy", "-o", "plain.csv"], cwd=home))
        with open(f"{home}/plain.csv", newline="", encoding="utf-8") as file:
            self.assertEqual([row[0] for row in csv.reader(file)], ["row", *map(str, range(len(x)))])
        self.assertEqual(sorted(os.listdir(home)), ["new.csv", "out.csv", "out.npy", "p.h5", "plain.csv", "x.npy"])
        for words, told in ((["new.csv", "-o", "a.csv", "--audit"], "--target"),
                            (["new.csv", "-o", "a.csv", "--id", "nobody"], "nobody"),
                            (["x.npy", "-o", "a.csv", "--id", "who"], "--id")):
            self.expect_error(run(["predict", run_, *words], cwd=home), 2, told)
        with open(f"{home}/short.csv", "w", encoding="utf-8") as file:
            file.write("age,load\n1.5,2.5\n")
        self.expect_error(run(["predict", run_, "short.csv", "-o", "a.csv"], cwd=home), 3, "'wear', which the model takes")
        self.assertFalse(os.path.exists(f"{home}/a.csv"))

    def test_carried_and_shown(self):
        path = self.table("a", COLUMNS, ["mid", "ash", "zoo"])
        run_ = self.trained(self.job(path))
        with open(f"{run_}/model.safetensors", "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        model, directory = json.loads(header["__metadata__"]["data"]), support.read_json(f"{run_}/run.json")["data"]
        self.assertEqual(model, directory)
        self.assertEqual(model["classes"], ["ash", "mid", "zoo"])
        self.assertEqual(model["columns"], COLUMNS)
        self.assertEqual((model["files"], model["rows"]), (["a.h5"], 240))
        out = self.expect(run(["predict", run_, path, "-o", "p.h5"], cwd=self.scratch)).out
        self.assertIn("class 1 ('mid'):", out)
        with h5py.File(f"{self.scratch}/p.h5") as file:
            for name in ("p", "class"):
                self.assertEqual(list(file[name].attrs["classes"]), ["ash", "mid", "zoo"])
        out = self.expect(run(["audit", "p.h5", "--y", "a.h5:/y"], cwd=self.scratch)).out
        self.assertIn(" zoo ", out)
        out = self.expect(run(["inspect", "a.h5"], cwd=self.scratch)).out
        self.assertIn("class 2 ('zoo')", out)
        self.assertIn("('age') alone takes away", out)

    def test_other_order_is_mapped(self):
        """Classes numbered otherwise in validation, audit; columns in another order in predict."""
        path = self.table("a", COLUMNS, ["mid", "ash", "zoo"])
        with h5py.File(path) as one, h5py.File(f"{self.scratch}/turned.h5", "w") as other:
            other["x"], other["y"] = one["x"][:], 2 - one["y"][:]
            other["x"].attrs["columns"] = COLUMNS
            other["y"].attrs["classes"] = ["zoo", "mid", "ash"]
        models = []
        for held in ("a.h5", "turned.h5"):
            changes = {"data.validation": {"files": [f"{self.scratch}/{held}"]}}
            run_ = self.trained(self.job(path, **changes))
            final = support.metrics(run_, "final")[0]
            self.assertEqual(final["train"]["accuracy"], final["validation"]["accuracy"])
            models.append(run_)
        found = []
        for data, order in (("a.h5", COLUMNS), ("swapped.h5", ["wear", "age", "load"])):
            self.table("swapped", order, ["mid", "ash", "zoo"])
            result = self.expect(run(["predict", models[0], data, "-o", "p.h5"], 2, cwd=self.scratch))
            self.assertEqual("taken by name" in result.err, data == "swapped.h5")
            told = []
            for y in ("a.h5:/y", "turned.h5:/y"):
                told.append(json.loads(self.expect(run(["audit", "p.h5", "--y", y, "--json"], cwd=self.scratch)).out))
            self.assertEqual(told[0]["evidence"], told[1]["evidence"])
            with h5py.File(f"{self.scratch}/p.h5") as file:
                found.append(file["p"][:])
        self.assertTrue(np.array_equal(*found))

    def test_refused(self):
        path = self.table("a", COLUMNS, ["mid", "ash", "zoo"])
        owl = self.table("owl", COLUMNS, ["mid", "ash", "owl"])
        swapped = self.table("swapped", ["wear", "age", "load"], ["mid", "ash", "zoo"])
        other = self.table("other", COLUMNS, ["mid", "ash", "zoo"])
        with h5py.File(other, "a") as file:
            file["x"].attrs["columns"] = ["age", "load", "tear"]
        bare = f"{self.scratch}/bare.h5"
        with h5py.File(path) as one, h5py.File(bare, "w") as file:
            file["x"], file["y"] = one["x"][:], one["y"][:]
        cases = (([path, owl], "owl.h5: /y has a class 'owl', which is none of the classes of"),
                 ([path, swapped], "swapped.h5: column 0 is 'wear', which is column 2 in"),
                 ([path, other], "other.h5: column 2 is 'tear', but in"),
                 ([path, bare], "bare.h5: the classes of /y have no names"))
        for files, phrase in cases:
            self.expect_error(self.try_train(self.job(files))[0], 3, phrase)
        run_ = self.trained(self.job(path))
        result = run(["predict", run_, other, "-o", "p.h5"], cwd=self.scratch)
        self.expect_error(result, 3, "other.h5: has no column of the name of feature 2 ('wear')")
        with h5py.File(other, "a") as file:
            x = file["x"][:]
            del file["x"]
            file["x"] = np.c_[x, x[:, :1]]
            file["x"].attrs["columns"] = [*COLUMNS, "note"]
        result = run(["predict", run_, other, "-o", "p.h5"], cwd=self.scratch)
        self.expect_error(result, 3, "other.h5: the model has no feature of the name of column 3 ('note')")

    def test_resume_compares(self):
        path = self.table("a", COLUMNS, ["mid", "ash", "zoo"])
        run_ = self.trained(self.job(path))
        with h5py.File(path, "a") as file:
            file["x"].attrs["columns"] = ["age", "load", "tear"]
        result = run(["train", "job.json", "-o", "run", "--resume"], cwd=os.path.dirname(run_))
        self.expect_error(result, 3, "column 2 of the run there is 'wear', that of the data is 'tear'")

    def test_columns_by_name(self):
        path = self.table("a", COLUMNS, ["mid", "ash", "zoo"])
        by_name = self.trained(self.job(path, **{"data.columns": ["wear", "age"]}))
        by_number = self.trained(self.job(path, **{"data.columns": [2, 0]}))
        self.assertEqual(*(support.metrics(one, "final")[0]["train"] for one in (by_name, by_number)))
        self.expect_error(self.try_train(self.job(path, **{"data.columns": ["tear"]}))[0], 3,
                          "column 'tear' is not there", "they are 'age', 'load', 'wear'")


class RawTables(support.Case):
    """Text, dates and gaps: learnt on one file, applied to later ones, and to what is predicted."""

    def write(self, name, header, lines):
        with open(f"{self.scratch}/{name}", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *lines])

    def lines(self, count, seed, woods=("ash", "fir", "oak"), gaps=True):
        random = np.random.default_rng(seed)
        for i in range(count):
            wood, load = woods[random.integers(len(woods))], round(float(random.normal(50, 10)), 1)
            bad = load + 20 * (wood == "oak") + random.normal(0, 5) > 55
            date = np.datetime64("2021-02-27") + int(random.integers(400))
            yield [f"r{i}", wood, "" if gaps and i % 10 == 3 else load, date, "bad" if bad else "good"]

    def test_learnt_and_applied(self):
        header = ["id", "wood", "load", "seen", "state"]
        train = list(self.lines(300, 1))
        self.write("train.csv", header, train)
        result = run(["import", "csv", "train.csv", "--drop", "id", "--target", "state", "--missing", "flag", "-o", "train.h5"],
                     cwd=self.scratch)
        self.expect(result)
        self.assertIn("3 names, a column each (ash, fir, oak)", result.out)
        with h5py.File(f"{self.scratch}/train.h5") as file:
            x, names, classes = file["x"][:], list(file["x"].attrs["columns"]), list(file["y"].attrs["classes"])
        self.assertEqual(names, ["wood=ash", "wood=fir", "wood=oak", "load", "load missing", "seen"])
        self.assertEqual(classes, ["bad", "good"])
        median = float(np.median([r[2] for r in train if r[2] != ""]))
        for row, told in zip(train, x):
            wanted = [row[1] == w for w in ("ash", "fir", "oak")]
            wanted += [median if row[2] == "" else row[2], row[2] == "", row[3].astype("datetime64[D]").astype(int)]
            np.testing.assert_array_equal(told, np.array(wanted, np.float32))

        # Later files: other woods, other columns, another order; gaps are filled as they were.
        later = list(self.lines(80, 2, woods=("oak", "ironwood", "ash")))
        moved = [[r[3], r[4], "x", r[2], r[1], r[0]] for r in later]
        self.write("later.csv", ["seen", "state", "note", "load", "wood", "id"], moved)
        result = run(["import", "csv", "later.csv", "--target", "state", "--like", "train.h5", "-o", "later.h5"], cwd=self.scratch)
        self.expect(result)
        unknown = sum(r[1] == "ironwood" for r in later)
        self.assertTrue(any("'ironwood'" in w and f"({unknown})" in w for w in result.warnings), result)
        with h5py.File(f"{self.scratch}/later.h5") as file:
            self.assertEqual(list(file["x"].attrs["columns"]), names)
            self.assertEqual(list(file["y"].attrs["classes"]), classes)
            for row, told in zip(later, file["x"][:]):
                self.assertEqual(told[:3].tolist(), [row[1] == w for w in ("ash", "fir", "oak")])
                self.assertEqual(told[3], np.float32(median if row[2] == "" else row[2]))

        # The model takes the table as it is.
        support.write_json(f"{self.scratch}/job.json", patched(job("train.h5"), {"data.standardise": True}))
        self.expect(run(["train", "job.json", "-o", "run"], cwd=self.scratch))
        self.expect(run(["predict", "run", "later.h5", "-o", "p.h5"], cwd=self.scratch))
        self.expect_error(run(["predict", "run", "later.csv", "-o", "p.csv"], cwd=self.scratch), 3, "missing", "'load'")
        self.expect(run(["predict", "run", "later.csv", "--like", "train.h5", "--id", "id", "-o", "p.csv"], cwd=self.scratch))
        with h5py.File(f"{self.scratch}/p.h5") as file, open(f"{self.scratch}/p.csv", encoding="utf-8") as text:
            told = list(csv.DictReader(text))
            np.testing.assert_array_equal(np.array([t["p_good"] for t in told], np.float32), file["p"][:, 0])
            self.assertEqual([t["id"] for t in told], [r[0] for r in later])

    def test_refused(self):
        header = ["id", "wood", "load", "state"]
        lines = [[r[0], r[1], r[2], r[4]] for r in self.lines(60, 3, gaps=False)]
        self.write("train.csv", header, lines)
        words = ["import", "csv", "train.csv", "--target", "state", "-o", "train.h5"]
        self.expect_error(run(words, cwd=self.scratch), 3, "line 2, column 'id': 'r0' is no number, and no category")
        self.expect(run([*words, "--drop", "id"], cwd=self.scratch))
        self.write("other.csv", header, lines[:5] + [["r", "ash", 3, "worse"]])
        like = ["import", "csv", "other.csv", "--target", "state", "--like", "train.h5", "-o", "o.h5"]
        self.expect_error(run(like, cwd=self.scratch), 3, "line 7, column 'state': the class 'worse' is none of those that are known")
        self.write("other.csv", ["id", "tree", "load", "state"], lines[:5])
        self.expect_error(run(like, cwd=self.scratch), 3, "has no column 'wood=ash'")
        self.expect_error(run([*like, "--missing", "drop"], cwd=self.scratch), 2, "--missing")
        self.assertFalse(os.path.exists(f"{self.scratch}/o.h5"))

    def test_what_looks_like_numbers(self):
        self.write("t.csv", ["soil", "n", "y"], [[1, 0.5, 0], [2, 1.5, 1], ["A", 2.5, 0], [1, 3.5, 1]] * 10)
        words = ["import", "csv", "t.csv", "--target", "y", "-o", "t.h5"]
        self.expect_error(run(words, cwd=self.scratch), 3, "column 'soil': 'A'", "--categories")
        self.expect(run([*words, "--categories", "soil"], cwd=self.scratch))
        with h5py.File(f"{self.scratch}/t.h5") as file:
            self.assertEqual(list(file["x"].attrs["columns"]), ["soil=1", "soil=2", "soil=A", "n"])
            self.assertEqual(file["x"][:4].tolist(), [[1, 0, 0, 0.5], [0, 1, 0, 1.5], [0, 0, 1, 2.5], [1, 0, 0, 3.5]])


class Tables(support.Case):
    def test_as_python_reads(self):
        """Any file of numbers and names, quoted or not, with any line ends: the rows of Python's csv, or a refusal."""
        taken = 0
        for seed in range(60):
            chance = random.Random(seed)
            end, quoting = chance.choice(["\n", "\r\n", "\r"]), chance.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
            separator = chance.choice([",", ";", "\t", "|"])
            names = ["no", "yes", "ma\"y\"be", "a\nb", "c\rd", f"x{separator}z"]
            out = io.StringIO()
            writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
            writer.writerow(["a", "b", "kind"])
            for _ in range(chance.randrange(4, 30)):
                writer.writerow([f"{chance.gauss(0, 50):.3f}", chance.choice(["7.5", "-1e3", "+0.25"]), chance.choice(names)])
                if chance.random() < 0.1:
                    out.write(end)
            text = "\ufeff" * (seed % 2) + out.getvalue()
            with open(f"{self.scratch}/t.csv", "w", newline="", encoding="utf-8") as file:
                file.write(text)
            wanted = [r for r in csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator) if r][1:]
            result = run(["import", "csv", "t.csv", "--target", "kind", "-o", "t.h5"], cwd=self.scratch)
            if result.code != 0:
                self.expect_error(result, 3, "t.csv: ")
                continue
            taken += 1
            with h5py.File(f"{self.scratch}/t.h5") as file:
                self.assertTrue(np.array_equal(file["x"][:], np.array([r[:2] for r in wanted], np.float32)), text)
                classes = file["y"].attrs["classes"]
                self.assertEqual([classes[k] for k in file["y"][:]], [r[2] for r in wanted])
        self.assertGreater(taken, 40)


if __name__ == "__main__":
    support.main()
