"""why: the cause is found by experiment, with the same numbers on any number of ranks, and what was
found out is kept when the command is killed."""

import os
import signal
import subprocess

import numpy as np

import support
from support import dense, patched, run


def made(rows, seed, signal_=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    score = 1.5 * x[:, 0] - x[:, 1] * x[:, 2]
    return x, (score + 0.3 * rng.normal(size=rows) > 0 if signal_ else rng.random(rows) < 0.4).astype(np.int64)


class Why(support.Case):
    def setUp(self):
        super().setUp()
        self.job = {
            "name": "made",
            "data": {"files": self.data("data.h5", 1500, 0), "validation": {"fraction": 0.3}},
            "model": {"layers": [dense(32, "relu"), dense(32, "relu"), dense("auto")]},
            "optimizer": {"type": "adam", "lr": 0.003},
            "training": {"epochs": 10, "batch": 32, "lanes": 4},
        }

    def data(self, name, rows, seed, **more):
        x, y = made(rows, seed, **more)
        return support.write_h5(os.path.join(self.scratch, name), x=x, y=y)

    def why(self, job, ranks=1, name="run", code=0, extra=()):
        path = os.path.join(self.scratch, f"{name}.json")
        out = os.path.join(self.scratch, f"{name}-{ranks}")
        support.write_json(path, job)
        self.expect(run(["why", path, "-o", out, "-q", *extra], ranks), code)
        return out

    def answer(self, out):
        return support.read_json(os.path.join(out, "why.json"))

    def test_one_cause_with_the_same_bits_on_any_number_of_ranks(self):
        job = patched(self.job, {"optimizer.lr": 30.0})
        first = self.why(job, extra=["--causes", "learning-rate-too-high,dropout-too-high,unscaled-inputs"])
        found = self.answer(first)
        self.assertEqual((found["answer"], found["causes"]), ("cause", ["learning-rate-too-high", *found["causes"][1:]]))
        self.assertIs(found["remedy"]["verified"], True)
        self.assertGreater(found["remedy"]["score"], 0.5)
        self.assertLess(found["controls"][0]["score"], found["remedy"]["score"] - 0.2)
        self.assertEqual([w["path"] for w in found["warnings"]], ["optimizer.lr"])  # as `train` says
        self.assertIn("`train` warns of optimizer.lr", found["sentence"])
        heeding = next(p for p in found["probes"] if p["trial"] == found["warnings"][0]["heeded_by"])
        self.assertLessEqual(heeding["patch"]["optimizer.lr"], 0.05)
        for ranks in ("2", "3", "7"):
            other = self.why(job, ranks, extra=["--causes", "learning-rate-too-high,dropout-too-high,unscaled-inputs"])
            for file in ("why.json", "fixed.json"):
                self.assertEqual(*[support.read_bytes(os.path.join(out, file)) for out in (first, other)])

    def test_rows_are_held_out_where_the_job_holds_out_none(self):
        job = patched(self.job, {"optimizer.lr": 30.0, "data.validation": {"fraction": 0}})
        out = self.why(job, "2", extra=["--causes", "learning-rate-too-high,dropout-too-high"])
        found = self.answer(out)
        self.assertEqual((found["answer"], found["causes"][0]), ("cause", "learning-rate-too-high"))
        self.assertIn("a quarter was held out", found["sentence"])
        fixed = support.read_json(os.path.join(out, "fixed.json"))
        self.assertEqual(fixed["data"]["validation"]["fraction"], 0)  # the job's own again

    def test_the_fixed_job_runs_and_is_healthy(self):
        job = patched(self.job, {"optimizer.lr": 30.0})
        out = self.why(job, "2")
        result = run(["train", os.path.join(out, "fixed.json"), "-o", os.path.join(self.scratch, "fixed"), "--json", "-q"])
        self.expect(result, 0)
        self.assertIn('"verdict": "healthy"', result.out)

    def on_rows(self, x, y, ranks):
        """The answer on rows that are at fault."""
        files = support.write_h5(os.path.join(self.scratch, "faulty.h5"), x=x, y=y)
        return self.answer(self.why(patched(self.job, {"data.files": files}), ranks))

    def test_codes_for_missing_values(self):
        x, y = made(1500, 0)
        x[np.random.default_rng(1).random(x.shape) < 0.1] = -999
        found = self.on_rows(x, y, "2")
        self.assertEqual((found["answer"], found["causes"][0]), ("data", "missing-codes"), found["sentence"])
        self.assertIn("missing-code", [f["id"] for f in found["findings"]])
        self.assertIn("-999", found["sentence"])
        self.assertIs(found["remedy"]["verified"], True)
        copy = found["remedy"]["patch"]["data.files"]
        self.assertFalse((support.read_h5(copy)[0]["x"] == -999).any())

    def test_copies_on_both_sides(self):
        x, y = made(150, 0, signal_=False)
        found = self.on_rows(np.tile(x, (10, 1)), np.tile(y, 10), "1")
        self.assertEqual((found["answer"], found["causes"]), ("data", ["copied-rows"]), found["sentence"])
        self.assertNotIn("remedy", found)

    def test_targets_that_have_slipped_in_part(self):
        """An offset of 9 from row 1000 on, of 3000: found with its row, and moved back in a copy."""
        x, y = made(3000, 0)
        found = self.on_rows(x, np.concatenate([y[:1000], np.roll(y[1000:], 9)]), "2")
        self.assertEqual(found["causes"][0], "misaligned-rows", found["sentence"])
        self.assertRegex(found["remedy"]["diff"], "misaligned-rows.h5")

    def test_two_causes_at_once(self):
        x, y = made(1500, 0)
        files = support.write_h5(os.path.join(self.scratch, "rolled.h5"), x=x, y=np.roll(y, 1))
        job = patched(self.job, {"data.files": files, "optimizer.lr": 30.0})
        found = self.answer(self.why(job, "2"))
        self.assertEqual(found["answer"], "causes", found["sentence"])
        self.assertEqual(sorted(found["causes"]), ["learning-rate-too-high", "misaligned-rows"])
        self.assertIs(found["remedy"]["verified"], True)

    def test_three_causes_at_once(self):
        """The truth table of XNOR: ReLU as the output, two units, ten steps."""
        files = support.write_h5(os.path.join(self.scratch, "xnor.h5"),
                                 x=np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4"), y=np.array([1, 0, 0, 1]))
        layers = [{"type": "dense", "units": units, "activation": "relu", "init": "xavier"} for units in (2, 2, 1)]
        job = {"name": "xnor", "data": {"files": files, "validation": {"fraction": 0}}, "model": {"layers": layers},
               "loss": {"type": "bce"}, "training": {"epochs": 10, "batch": 32}}
        out = self.why(job, "2")
        found = self.answer(out)
        self.assertEqual(found["answer"], "causes", found["sentence"])
        self.assertEqual(len(found["causes"]), 3)
        self.assertIn("missing-output-activation", found["causes"])
        self.assertIs(found["remedy"]["verified"], True)
        probes = [p for p in found["probes"] if "third" in p]
        same = {support.json.dumps(sorted(p["patch"].items())) for p in probes}
        self.assertEqual(len(same), len(probes))  # each three once

    def test_a_healthy_job_is_not_accused(self):
        found = self.answer(self.why(self.job, "2"))
        self.assertEqual((found["answer"], found["causes"]), ("healthy", []))
        self.assertNotIn("remedy", found)

    def test_targets_without_signal(self):
        job = patched(self.job, {"data.files": self.data("noise.h5", 3000, 1, signal_=False)})
        out = self.why(job, "2")
        self.assertEqual(self.answer(out)["answer"], "no-signal")
        self.assertFalse(os.path.exists(os.path.join(out, "fixed.json")))

    def test_few_rows_are_no_proof_of_absence(self):
        job = patched(self.job, {"data.files": self.data("few.h5", 40, 1, signal_=False)})
        self.assertEqual(self.answer(self.why(job))["answer"], "needs-more-rows")

    def test_a_job_that_cannot_run(self):
        x, y = made(200, 0)
        x[17, 2] = np.nan
        files = support.write_h5(os.path.join(self.scratch, "nan.h5"), x=x, y=y)
        found = self.answer(self.why(patched(self.job, {"data.files": files}), "2"))
        self.assertEqual((found["answer"], found["causes"]), ("data", ["non-finite-data"]))
        self.assertIn("row 17", found["sentence"])

    def test_it_goes_on_where_it_was_killed(self):
        job = patched(self.job, {"optimizer.lr": 30.0})
        whole = self.why(job, name="whole")
        path = support.write_json(os.path.join(self.scratch, "job.json"), job)
        out = os.path.join(self.scratch, "killed")
        verdict = os.path.join(out, "why", "trials", "reference", "verdict.json")
        process = support.start(support.command(["why", path, "-o", out, "-q"], "2"), None,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.assertTrue(support.wait_until(lambda: os.path.exists(verdict)))
            for pid in support.ranks_of(process):
                support.send(pid, signal.SIGKILL)
        finally:
            support.stop(process)
        before = os.stat(verdict).st_mtime_ns
        self.assertEqual(self.answer(out)["answer"], "unfinished")
        self.expect(run(["why", path, "-o", out, "-q"], "2"), 0)
        self.assertEqual(os.stat(verdict).st_mtime_ns, before)
        self.assertEqual(*[support.read_bytes(os.path.join(o, "why.json")) for o in (whole, out)])

    def test_train_asks_by_itself(self):
        dead = dense(32, "relu", bias_init="constant", bias_scale=-100)
        job = patched(self.job, {"model.layers": [dead, dense("auto")], "monitor.on_collapse": "why"})
        path = support.write_json(os.path.join(self.scratch, "job.json"), job)
        out = os.path.join(self.scratch, "run")
        result = run(["train", path, "-o", out, "-q", "--fail-on-collapse"], "2")
        self.expect(result, 4)
        self.assertIn("initial weights", result.out)
        self.assertEqual(self.answer(out)["causes"][0], "initialisation")
        self.expect(run(["why", out, "-q", "--json"], "2"), 0)  # all that is done already

    def test_experiments_on_another_job_are_not_mixed_in(self):
        out = self.why(self.job)
        other = support.write_json(os.path.join(self.scratch, "other.json"), patched(self.job, {"seed": 9}))
        result = run(["why", other, "-o", out, "-q"])
        self.expect(result, 2)
        self.assertEqual(len(result.errors), 1)
        self.assertIn("--overwrite", result.errors[0])
        self.expect(run(["why", other, "-o", out, "-q", "--overwrite"]), 0)

    def test_every_listed_cause_has_a_page(self):
        listed = [line.split()[0] for line in run(["why", "--list"]).out.splitlines()]
        self.assertGreater(len(listed), 40)
        for id_ in (listed[0], "no-signal", listed[-1]):  # a unit test has all of them
            page = self.expect(run(["why", "--explain", id_])).out
            self.assertTrue(page.startswith(f"# {id_}: "))
            for part in ("What happens", "How it shows", "In PyTorch", "Remedy", "Mistaken for"):
                self.assertIn(f"## {part}\n\n", page)
            self.assertLessEqual(max(map(len, page.splitlines())), 140)
        self.assertIn("no such cause", self.expect(run(["why", "--explain", "bad-luck"]), 2).err)

    def test_budget_must_be_a_number(self):
        path = support.write_json(os.path.join(self.scratch, "job.json"), self.job)
        for budget in ("0", "-1", "much", "3x"):
            result = run(["why", path, "--budget", budget])
            self.expect(result, 2)
            self.assertIn("--budget", result.errors[0])

    def test_a_part_of_the_rows(self):
        """Asked of a part, told of the whole: the fixed job has the job's own rows, and as many epochs more
        as the remedy has."""
        files = self.data("large.h5", 30000, 1)
        job = patched(self.job, {"optimizer.lr": 30.0, "data.files": files, "training.epochs": 1})
        out = self.why(job, "2", extra=["--rows", "5%", "--causes", "learning-rate-too-high,too-few-steps"])
        found = self.answer(out)
        self.assertEqual((found["answer"], found["causes"][0]), ("cause", "learning-rate-too-high"))
        self.assertEqual(found["rows"], {"asked": 1500, "of": 30000})
        fixed = support.read_json(os.path.join(out, "fixed.json"))
        self.assertEqual((fixed["data"]["files"], fixed["training"]["epochs"]), ([files], 1))
        # few steps are no fault of the job where the part has fewer than the job
        slow = patched(job, {"optimizer": {"type": "sgd", "lr": 0.01}, "training.epochs": 4})
        found = self.answer(self.why(slow, "2", "slow", extra=["--rows", "1000", "--causes", "too-few-steps"]))
        self.assertNotIn("too-few-steps", found["causes"])

    def test_rows_must_be_a_number_or_a_share(self):
        support.write_json(os.path.join(self.scratch, "job.json"), self.job)
        for text in ("0", "-3", "1.5", "200%", "ten", "0%", ""):
            result = run(["why", os.path.join(self.scratch, "job.json"), "--rows", text])
            self.expect(result, 2)
            self.assertIn("--rows", result.err)

    def test_a_small_budget_is_kept(self):
        job = patched(self.job, {"optimizer.lr": 30.0, "training.epochs": 40})
        found = self.answer(self.why(job, "2", extra=["--budget", "3"]))
        self.assertLessEqual(found["cost"]["spent"], 3.3)
        self.assertEqual(found["causes"][:1], ["learning-rate-too-high"])


if __name__ == "__main__":
    support.main()
