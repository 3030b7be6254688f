"""sweep: the same trials with the same bytes on any number of ranks, each as `train` would leave it; what
is done stays when the command is killed, and nothing runs twice."""

import csv
import glob
import os
import signal
import subprocess

import numpy as np

import support
from support import dense, patched, run


class Sweep(support.Case):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        x = rng.normal(size=(1200, 5)).astype(np.float32)
        y = (x[:, 0] - x[:, 1] * x[:, 2] > 0).astype(np.int64)
        self.job = {
            "name": "made",
            "data": {"files": support.write_h5(os.path.join(self.scratch, "d.h5"), x=x, y=y)},
            "model": {"layers": [dense(16, "relu"), dense("auto")]},
            "optimizer": {"type": "sgd", "lr": 0.1},
            "training": {"epochs": 9, "batch": 32, "lanes": 2},
        }
        self.sweep = {
            "name": "s",
            "job": self.job,
            "search": "random",
            "trials": 8,
            "space": {"optimizer.lr": {"log": [1e-4, 100]}, "model.layers[0].units": {"choice": [4, 16]}},
        }

    def write(self, sweep, name="sweep.json"):
        return support.write_json(os.path.join(self.scratch, name), sweep)

    def go(self, sweep, ranks=1, out="out", code=0, extra=()):
        out = os.path.join(self.scratch, out)
        result = run(["sweep", self.write(sweep), "-o", out, "-q", *extra], ranks)
        self.expect(result, code)
        return out, result

    def rows(self, out):
        with open(os.path.join(out, "results.csv"), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def bytes_of(self, out):
        """Models and verdicts of all trials."""
        names = sorted(glob.glob(os.path.join(out, "trials", "*", "*")))
        return {n[len(out):]: support.read_bytes(n) for n in names
                if n.endswith(("model.safetensors", "verdict.json"))}

    def test_equal_on_any_number_of_ranks_and_as_train_leaves_it(self):
        for search in ("random", "tpe", "asha"):
            sweep = patched(self.sweep, {"search": search, "round": 4})
            one, _ = self.go(sweep, 1, search + "1")
            two, _ = self.go(sweep, "2", search + "2")
            self.assertGreaterEqual(len(self.bytes_of(one)), 16)
            self.assertEqual(self.bytes_of(one), self.bytes_of(two))
        trial = os.path.join(one, "trials", "t0003-r0")
        alone = os.path.join(self.scratch, "alone")
        self.expect(run(["train", os.path.join(trial, "job.json"), "-o", alone, "-q"]))
        for file in ("model.safetensors", "verdict.json"):
            self.assertEqual(*[support.read_bytes(os.path.join(d, file)) for d in (trial, alone)])

    def test_table_and_status(self):
        sweep = patched(self.sweep, {"space": {"optimizer.lr": {"log": [0.01, 1e5]}, "seed": {"choice": [1, 2]}}})
        out, result = self.go(sweep, "2")
        rows = self.rows(out)
        self.assertEqual([r["id"] for r in rows], [f"t{i:04d}" for i in range(8)])
        self.assertEqual({r["state"] for r in rows}, {"done"})
        collapsed = [r for r in rows if r["collapse"] == "true"]
        self.assertTrue(0 < len(collapsed) < 8)
        self.assertTrue(all(float(r["optimizer.lr"]) > 1 for r in collapsed))
        best = max(float(r["skill"]) for r in rows if r["skill"])
        self.assertGreater(best, 0.3)
        self.assertIn("8 trials done, 0 failed, 0 open", result.out)
        status = run(["sweep", "status", out])
        self.expect(status)
        self.assertIn("8 trials done", status.out)

    def test_dry_run_leaves_nothing(self):
        out, result = self.go(self.sweep, extra=["--dry-run"])
        self.assertEqual(len(result.out.splitlines()), 8)
        self.assertFalse(os.path.exists(out))

    def test_it_goes_on_where_it_was_killed(self):
        sweep = patched(self.sweep, {"trials": 12, "job.training.epochs": 30})
        whole, _ = self.go(sweep, "2", "whole")
        out = os.path.join(self.scratch, "killed")
        process = support.start(support.command(["sweep", self.write(sweep), "-o", out, "-q"], "2"), None,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = os.path.join(out, "trials", "*", "verdict.json")
        try:
            self.assertTrue(support.wait_until(lambda: len(glob.glob(done)) >= 4))
            for pid in support.ranks_of(process):
                support.send(pid, signal.SIGKILL)
        finally:
            support.stop(process)
        before = {n: os.stat(n).st_mtime_ns for n in glob.glob(done)}
        self.assertLess(len(before), 13)
        self.go(sweep, "2", "killed")
        self.assertEqual(before, {n: os.stat(n).st_mtime_ns for n in before})
        self.assertEqual(self.bytes_of(whole), self.bytes_of(out))

    def test_several_launches_share_one_sweep(self):
        sweep = patched(self.sweep, {"trials": 16})
        whole, _ = self.go(sweep, 1, "whole")
        out, path = os.path.join(self.scratch, "shared"), self.write(sweep)
        workers = [support.start(support.command(["sweep", path, "-o", out, "-q"]), None,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
        for worker in workers:
            _, err = worker.communicate(timeout=support.TIME_LIMIT)
            self.assertEqual(worker.returncode, 0, err)
        self.assertEqual(self.bytes_of(whole), self.bytes_of(out))
        claims = os.listdir(os.path.join(out, "claims"))
        self.assertEqual(sorted(c for c in claims if not c.endswith(".1")), [])

    def test_tasks_of_an_array_leave_when_nothing_is_free(self):
        sweep = patched(self.sweep, {"trials": 12, "job.training.epochs": 30})
        out, path = os.path.join(self.scratch, "array"), self.write(sweep)
        words = support.command(["sweep", path, "-o", out, "-q", "--no-wait"])
        tasks = [support.start(words, None, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
        for task in tasks:
            _, err = task.communicate(timeout=support.TIME_LIMIT)
            self.assertEqual(task.returncode, 0, err)
        self.assertIn("12 trials done, 0 failed, 0 open", run(["sweep", "status", out]).out)
        result = run(["sweep", self.write(patched(sweep, {"search": "tpe"})), "-o", out + "2", "--no-wait"])
        self.expect(result, 2)
        self.assertIn("--no-wait", result.errors[0])

    def test_a_trial_that_fails_is_a_row(self):
        sweep = patched(self.sweep, {"trials": 4, "search": "grid"})
        sweep["space"] = {"data.y": {"choice": ["/y", "/none"]}, "seed": {"choice": [1, 2]}}
        out, _ = self.go(sweep, "2")
        rows = self.rows(out)
        self.assertEqual([r["state"] for r in rows], ["done", "done", "failed", "failed"])
        self.assertIn("/none", rows[2]["error"])
        self.go(sweep, "2", extra=["--only-failed"])
        self.assertEqual([r["state"] for r in self.rows(out)], ["done", "done", "failed", "failed"])

    def test_a_doomed_job_stops_the_sweep(self):
        sweep = patched(self.sweep, {"job.data.files": os.path.join(self.scratch, "none.h5")})
        out, result = self.go(sweep, "2", code=2)
        self.assertIn("none.h5", result.errors[0])
        self.assertEqual(os.listdir(os.path.join(out, "trials")), ["sanity"])

    def test_wrong_sweeps_are_told(self):
        cases = [
            ({"search": "best"}, "search"),
            ({"trails": 4}, "trails"),
            ({"trials": 0}, "trials"),
            ({"space": {"optimizer.rate": {"log": [1, 2]}}}, "optimizer.rate"),
            ({"space": {"optimizer.lr": {"log": [-1, 2]}}}, "optimizer.lr"),
            ({"space": {"optimizer.lr": {"range": [-1, 2]}}}, "optimizer.lr"),
            ({"job": "nowhere.json"}, "nowhere.json"),
            ({"search": "asha", "rungs": 5}, "asha"),
        ]
        for changes, word in cases:
            sweep = dict(self.sweep, **changes)
            out, result = self.go(sweep, code=2, out="wrong")
            self.assertEqual(len(result.errors), 1)
            self.assertIn(word, result.errors[0])
            self.assertFalse(os.path.exists(out))

    def test_another_sweep_is_not_mixed_in(self):
        self.go(self.sweep)
        _, result = self.go(patched(self.sweep, {"trials": 9}), code=2)
        self.assertIn("another sweep", result.errors[0])


if __name__ == "__main__":
    support.main()
