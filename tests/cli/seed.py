"""The programs of jobs/seed and the slips beside them: predictions are where PyTorch's were, on 1
and 3 ranks with the same bytes, and verdicts are those that the table of the README holds."""

import os
import re

import numpy as np

import support
from support import PITPROP, SOURCE, run

JOBS = os.path.join(SOURCE, "jobs", "seed")
TRAINING_DATA = {"1": "noise-rare", "2": "noise-uniform", "3": "noise-coin"}


def read_table():
    """{job: (verdicts, (lowest, highest mean), (lowest, highest deviation))} of the README."""
    rows = {}
    with open(os.path.join(JOBS, "README.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) < 6 or not os.path.exists(os.path.join(JOBS, cells[1] + ".json")):
                continue
            means, deviations = (
                tuple(float(n) for n in cell.split(" to ")) for cell in (cells[3], cells[4])
            )
            rows[cells[1]] = (set(re.findall("`([a-z-]+)`", cells[2])), means, deviations)
    return rows


class Seed(support.Case):
    @classmethod
    def setUpClass(cls):
        """All five by the script that users run, on one rank."""
        super().setUpClass()
        cls.table = read_table()
        cls.home = os.path.join(cls.shared, "seed")
        words = ["bash", os.path.join(JOBS, "run.sh"), cls.home]
        done = run([], words=words, environment={"PITPROP": PITPROP})
        if done.code != 0:
            raise AssertionError(f"{done}")

    def run_of(self, name):
        return os.path.join(self.home, "runs", "seed-" + name)

    def predictions(self, path, name, which=""):
        data = os.path.join(self.home, "data", f"{TRAINING_DATA[name[0]]}{which}.h5")
        out = os.path.join(self.scratch, "p.h5")
        self.expect(run(["predict", path, data, "-o", out]))
        return support.read_h5(out)[0]["p"][:, 0].astype(float), support.read_h5(data)[0]["y"]

    def verdict(self, path):
        return support.read_json(os.path.join(path, "verdict.json"))

    def test_all_are_in_the_table(self):
        jobs = {name[:-5] for name in os.listdir(JOBS) if name.endswith(".json")}
        self.assertEqual(jobs, set(self.table))
        self.assertEqual(len(jobs), 5)

    def test_mean_and_deviation_are_those_seen_in_pytorch(self):
        for name, (_, means, deviations) in self.table.items():
            with self.subTest(name):
                p, _ = self.predictions(self.run_of(name), name)
                self.assertEqual(len(p), 100)
                self.assertTrue(means[0] <= p.mean() <= means[1], p.mean())
                self.assertTrue(deviations[0] <= p.std() <= deviations[1], p.std())

    def test_verdicts(self):
        for name, (verdicts, _, _) in self.table.items():
            with self.subTest(name):
                self.assertIn(self.verdict(self.run_of(name))["verdict"], verdicts)

    def test_nothing_is_learnt_of_fresh_rows(self):
        """Correlation of fresh predictions and targets: beyond 4 / sqrt(rows) once in 16,000."""
        for name in self.table:
            with self.subTest(name):
                p, y = self.predictions(self.run_of(name), name, "-fresh")
                self.assertLess(abs(np.corrcoef(p, y)[0, 1]), 4 / np.sqrt(len(y)))

    def test_noise_is_learnt_by_heart_in_the_second_and_the_third(self):
        for name in ("2-clamped", "3-sigmoid-in-loop"):
            p, y = self.predictions(self.run_of(name), name)
            self.assertGreater(np.corrcoef(p, y)[0, 1], 0.4, name)

    def test_same_bytes_on_three_ranks(self):
        for name in self.table:
            with self.subTest(name):
                job = os.path.join(JOBS, name + ".json")
                one = self.run_of(name)
                kept = support.results(one)
                self.expect(run(["train", job, "--overwrite"], 3, cwd=self.home))
                other = support.results(one)
                faults = support.differences(kept, other)
                self.assertFalse(faults, f"{name}:\n{faults}")

    def test_broadcast_over_the_whole_batch_is_the_target_mean(self):
        """With one lane all 100 predictions meet all 100 targets, as in PyTorch."""
        job, path = os.path.join(JOBS, "2-slip-broadcast.json"), os.path.join(self.scratch, "run")
        words = ["train", job, "--set", "training.lanes=1", "-o", path]
        self.expect(run(words, cwd=self.home))
        p, y = self.predictions(path, "2-slip-broadcast")
        self.assertLess(p.std(), 0.005)
        self.assertLess(abs(p.mean() - y.mean()), 0.005)
        self.assertEqual(self.verdict(path)["verdict"], "at-target-mean")


if __name__ == "__main__":
    support.main()
