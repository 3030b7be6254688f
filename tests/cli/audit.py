"""pitprop audit: predictions of any program, the same bytes on any number of ranks, and one clear line for
each kind of bad input."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np

import support
from support import SOURCE, run

ROWS = 4000
RANKS = (1, "2", "4", "7")


def labels(rows=ROWS, share=0.3):
    return (np.random.default_rng(1).random(rows) < share).astype("u1")


def good(y):
    noise = np.random.default_rng(2).normal(0, 0.15, len(y))
    return np.clip(0.3 + 0.4 * (y - 0.3) + noise, 0, 1).astype("f4")


class Audit(support.Case):
    def path(self, name, **sets):
        path = os.path.join(self.scratch, name)
        support.write_h5(path, **sets)
        return path

    def verdict(self, *arguments, ranks=1):
        done = run(["audit", *arguments, "--json"], ranks)
        self.assertEqual(done.code, 0, done)
        return json.loads(done.out)

    def same_on_ranks(self, *arguments):
        texts = [run(["audit", *arguments, "--json"], ranks) for ranks in RANKS]
        for done in texts:
            self.assertEqual(done.code, 0, done)
            self.assertEqual(done.out, texts[0].out)
        return json.loads(texts[0].out)

    def refused(self, words, *arguments, code=3):
        for ranks in (1, "3"):
            done = run(["audit", *arguments], ranks)
            self.assertEqual(done.code, code, done)
            self.assertEqual(done.out, "")
            self.expect_error(done, code)
            for word in words:
                self.assertIn(word, done.errors[0])

    # ---- verdicts ----

    def test_good_predictions_are_healthy(self):
        y = labels()
        found = self.same_on_ranks(self.path("good.h5", p=good(y), y=y))
        self.assertEqual((found["verdict"], found["candidates"]), ("healthy", []))
        p = good(y).astype(float)
        ranks = np.argsort(np.argsort(p, kind="stable"))
        evidence = found["evidence"]["train"]
        self.assertAlmostEqual(evidence["mean"], p.mean(), places=9)
        self.assertAlmostEqual(evidence["deviation"], p.std(), places=7)
        auc = (ranks[y == 1].mean() - (y.sum() - 1) / 2) / (y == 0).sum()
        self.assertLess(abs(evidence["auc"] - auc), evidence["auc_bound"] + 1e-3)  # ties at 0 and 1

    def test_half_for_everything(self):
        y = labels()
        p = np.float32(0.5) + np.random.default_rng(3).normal(0, 0.001, ROWS).astype("f4")
        found = self.same_on_ranks(self.path("half.h5", p=p, y=y))
        self.assertEqual((found["verdict"], found["collapse"]), ("at-half", True))
        ids = [candidate["id"] for candidate in found["candidates"]]
        self.assertIn("no-gradient", ids)
        for candidate in found["candidates"]:
            self.assertTrue(candidate["look_for"] and candidate["test"])
        page = run(["audit", os.path.join(self.scratch, "half.h5"), "--fail-on-collapse"])
        self.assertEqual(page.code, 4)
        self.assertIn("at-half", page.out)
        self.assertIn("Predictions alone prove none of them", page.out)
        self.assertIn("pitprop why --explain target-broadcast", page.out)

    def test_constant_per_rank_is_seen_although_the_whole_looks_alive(self):
        y, rank = labels(), np.arange(ROWS) % 4
        p = np.array([0.1, 0.4, 0.6, 0.9], "f4")[rank]
        path = self.path("split.h5", p=p, y=y, rank=rank)
        self.assertEqual(self.same_on_ranks(path, "--rank", "/rank")["verdict"], "rank-split")

    def test_every_rank_looks_alive_and_the_whole_has_collapsed(self):
        """Each rank's predictions follow its own labels' order; over all ranks nothing is left."""
        random = np.random.default_rng(4)
        rank = np.repeat(np.arange(4), ROWS)
        y = (random.random(4 * ROWS) < 0.5).astype("u1")
        sign = np.where(rank % 2 == 0, 1.0, -1.0)
        p = (0.5 + sign * 0.2 * (y - 0.5) + random.normal(0, 0.1, 4 * ROWS)).clip(0.01, 0.99)
        path = self.path("joint.h5", p=p.astype("f4"), y=y, rank=rank)
        found = self.same_on_ranks(path, "--rank", "/rank")
        self.assertEqual(found["verdict"], "uninformative")
        for r in range(4):
            alone = self.path(f"rank{r}.h5", p=p[rank == r].astype("f4"), y=y[rank == r])
            found = self.verdict(alone)
            if r % 2 == 0:
                self.assertEqual(found["verdict"], "healthy")
            else:
                self.assertEqual(found["verdict"], "worse-than-constant")
                self.assertEqual(found["reason"], "inverted")

    def test_ranks_of_one_class_are_no_split(self):
        """Rows sorted by class, a perfect model: constant within each rank, and rightly so."""
        y = np.sort(labels(share=0.5))
        rank = (np.arange(ROWS) * 4) // ROWS
        p = np.where(y == 1, 0.95, 0.05).astype("f4")
        path = self.path("sorted.h5", p=p, y=y, rank=rank)
        self.assertEqual(self.same_on_ranks(path, "--rank", "/rank")["verdict"], "healthy")

    def test_a_clamp_is_told_by_the_outputs_before_it(self):
        random = np.random.default_rng(5)
        raw = random.normal(0.5, 2, ROWS).astype("f4")
        path = self.path("cut.h5", p=raw.clip(0, 1), y=labels(), z=raw)
        self.assertEqual(self.same_on_ranks(path, "--raw", "/z")["verdict"], "clamped")

    def test_held_out_rows_are_judged(self):
        y, random = labels(share=0.5), np.random.default_rng(6)
        held = (np.arange(ROWS) % 2).astype("u1")
        known = 0.5 + 0.45 * np.where(y == 1, 1, -1)
        p = np.where(held == 1, random.random(ROWS), known).astype("f4")
        path = self.path("held.h5", p=p, y=y, held=held)
        found = self.same_on_ranks(path, "--held-out", "/held")
        self.assertEqual(found["verdict"], "memorised")
        self.assertEqual(found["evidence"]["held_out"]["rows"], ROWS // 2)

    def test_the_example(self):
        """jobs/audit: a PyTorch program that answers 0.5."""
        out = os.path.join(self.scratch, "half.h5")
        script = os.path.join(SOURCE, "jobs", "audit", "half.py")
        if subprocess.run([sys.executable, "-c", "import torch, h5py"], check=False).returncode != 0:
            self.skipTest("no PyTorch")
        subprocess.run([sys.executable, script, out], check=True, timeout=100)
        found = self.same_on_ranks(out, "--raw", "/z")
        self.assertEqual(found["verdict"], "at-half")
        self.assertIn("no-gradient", [candidate["id"] for candidate in found["candidates"]])

    # ---- formats ----

    def test_formats_agree(self):
        y = labels(500)
        p = good(y)
        expected = self.verdict(self.path("f.h5", p=p, y=y))["evidence"]
        names = {name: os.path.join(self.scratch, name) for name in ("p.npy", "y.npy", "t.csv")}
        np.save(names["p.npy"], p)
        np.save(names["y.npy"], y.astype("i8"))
        with open(names["t.csv"], "w", encoding="utf-8") as file:
            file.write("id,p,y\n")
            file.writelines(f"{i},{p[i]!r},{y[i]}\n".replace("np.float32(", "").replace("),", ",")
                            for i in range(500))
        npy = self.same_on_ranks("--p", names["p.npy"], "--y", names["y.npy"])["evidence"]
        csv = self.same_on_ranks(names["t.csv"])["evidence"]
        self.assertEqual(npy, expected)
        self.assertEqual(csv, expected)

    def test_types(self):
        y = labels(500)
        p = (good(y) * 64).round() / 64
        expected = self.verdict(self.path("f.h5", p=p.astype("f4"), y=y))["evidence"]
        for kind in ("f2", "f8", ">f4"):
            path = self.path("other.h5", p=p.astype(kind), y=y.astype("i8"))
            self.assertEqual(self.verdict(path)["evidence"], expected)

    def test_logits(self):
        """Same ranks, and the numbers that the probabilities themselves give, but for rounding."""
        y = labels(500)
        z = np.random.default_rng(7).normal(0, 1, 500) + 2 * y - 1
        several = np.random.default_rng(8).normal(0, 1, (500, 3))
        several[np.arange(500), np.arange(500) % 3] += 2
        e = np.exp(several)
        cases = (
            (z, 1 / (1 + np.exp(-z)), y),
            (several, e / e.sum(1, keepdims=True), np.arange(500) % 3),
        )
        for logits, p, targets in cases:
            with self.subTest(columns=logits.ndim):
                path = self.path("z.h5", p=logits.astype("f4"), y=targets)
                found = self.same_on_ranks(path, "--logits")
                expected = self.verdict(self.path("p.h5", p=p.astype("f4"), y=targets))
                self.assertEqual(found["verdict"], expected["verdict"])
                for key in ("auc", "log_loss", "skill", "accuracy", "information"):
                    ours, wanted = (f["evidence"]["train"][key] for f in (found, expected))
                    self.assertAlmostEqual(ours, wanted, places=3, msg=key)

    def test_shapes_and_layouts(self):
        """A column is a vector, one-hot rows are classes, compressed chunks are read as others."""
        y = labels(500)
        p = good(y)
        expected = self.verdict(self.path("f.h5", p=p, y=y))["evidence"]
        path = os.path.join(self.scratch, "packed.h5")
        with h5py.File(path, "w") as file:
            for name, values in (("p", p[:, None]), ("y", y[:, None])):
                file.create_dataset(name, data=values, chunks=(77, 1), compression="gzip",
                                    shuffle=True)
        self.assertEqual(self.same_on_ranks(path)["evidence"], expected)
        three = np.random.default_rng(9).dirichlet((1, 1, 1), 300).astype("f4")
        classes = three.argmax(1)
        numbers = self.verdict(self.path("n.h5", p=three, y=classes))["evidence"]
        one_hot = self.same_on_ranks(self.path("o.h5", p=three, y=np.eye(3, dtype="u1")[classes]))
        self.assertEqual(one_hot["evidence"], numbers)

    def test_numpy_files(self):
        y = labels(60)
        p = good(y)
        names = {n: os.path.join(self.scratch, f"{n}.npy") for n in ("p", "y", "bad")}
        np.save(names["y"], y)
        for kind in ("<f8", "<f2"):
            np.save(names["p"], p.astype(kind))
            self.same_on_ranks("--p", names["p"], "--y", names["y"])
        np.save(names["bad"], p.astype(">f8"))
        big = support.read_bytes(names["bad"])
        np.save(names["p"], p)
        whole = support.read_bytes(names["p"])
        np.save(names["bad"], np.asfortranarray(np.full((60, 3), 1 / 3)))
        fortran = support.read_bytes(names["bad"])
        np.save(names["bad"], np.array(["a"] * 60))
        words = support.read_bytes(names["bad"])
        for text, content, said in (
            ("cut off", whole[:-10], "ends in row 57"),
            ("no header", whole[:9], "numpy.save"),
            ("another format", b"PK" + whole[2:], "numpy.save"),
            ("big-endian", big, "astype"),
            ("columns first", fortran, "Fortran"),
            ("text", words, "type"),
            ("empty", b"", "numpy.save"),
        ):
            with self.subTest(text):
                with open(names["bad"], "wb") as file:
                    file.write(content)
                self.refused(["bad.npy", said], "--p", names["bad"], "--y", names["y"])

    # ---- findings and faults ----

    def test_nan_is_a_finding(self):
        y = labels()
        p = good(y)
        p[[17, 90]] = np.nan
        found = self.same_on_ranks(self.path("nan.h5", p=p, y=y))
        self.assertEqual(found["verdict"], "non-finite")
        self.assertIn("first in row 17", found["sentence"])

    def test_bad_input(self):
        y = labels(50)
        p = good(y)
        high = p.copy()
        high[7] = 1.5
        rows = np.full((50, 3), 1 / 3, "f4")
        rows[9, 0] = 0.9
        gap = y.astype("f4")
        gap[3] = np.nan
        faults = {
            "lengths": (dict(p=p, y=y[:40]), ["/y", "40", "50"]),
            "range": (dict(p=high, y=y), ["/p", "row 7", "1.5", "--logits"]),
            "sum": (dict(p=rows, y=y), ["/p", "row 9", "sum"]),
            "label": (dict(p=np.full((50, 3), 1 / 3, "f4"), y=np.arange(50)), ["/y", "row 3"]),
            "nan": (dict(p=p, y=gap), ["/y", "row 3", "NaN"]),
            "one": (dict(p=p[:1], y=y[:1]), ["/p", "one row"]),
            "empty": (dict(p=p[:0], y=y[:0]), ["rows"]),
            "missing": (dict(predictions=p, y=y), ["/p", "predictions"]),
        }
        for name, (sets, words) in faults.items():
            with self.subTest(name):
                self.refused(words, self.path(f"{name}.h5", **sets))
        self.refused(["nowhere.h5"], os.path.join(self.scratch, "nowhere.h5"))
        csv = os.path.join(self.scratch, "bad.csv")
        with open(csv, "w", encoding="utf-8") as file:
            file.write("p,y\n0.5,1\n0.4,none\n0.2,0\n")
        self.refused(["bad.csv", "3"], csv)


if __name__ == "__main__":
    support.main()
