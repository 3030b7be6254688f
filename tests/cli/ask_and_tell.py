"""jobs/optuna: Optuna, as PyPI has it, drives trials and prunes them on their metrics."""

import os
import subprocess
import sys

import support
from support import SOURCE

VENV = os.path.join(os.path.dirname(support.PITPROP), "optuna-venv")  # kept beside the program


def python_with_optuna():
    """An interpreter that has Optuna, installed once; None where it cannot be had."""
    python = os.path.join(VENV, "bin", "python")
    done = os.path.join(VENV, "complete")
    if not os.path.exists(done):
        made = [[sys.executable, "-m", "venv", VENV], [python, "-m", "pip", "install", "--quiet", "optuna"]]
        for words in made:
            try:
                if subprocess.run(words, capture_output=True, timeout=240, check=False).returncode != 0:
                    return None
            except (OSError, subprocess.TimeoutExpired):
                return None
        open(done, "w").close()
    return python


class Optuna(support.Case):
    def test_example(self):
        python = python_with_optuna()
        if python is None:
            self.skipTest("Optuna cannot be installed here")
        home = self.folder("home")
        job = support.small_job(self.synth("moons", 3000))
        job["training"] = {"epochs": 40, "batch": 64, "lanes": 1}
        support.write_json(f"{home}/job.json", job)
        script = os.path.join(SOURCE, "jobs", "optuna", "optimise.py")
        words = [python, script, "job.json", "--trials", "14", "--seed", "3", "--pitprop", support.PITPROP]
        done = subprocess.run(words, cwd=home, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        found = support.json.loads(done.stdout)
        self.assertEqual((found["complete"] + found["pruned"], found["failed"]), (14, 0))
        self.assertGreater(found["pruned"], 0)
        self.assertGreater(found["best"], 0.5)
        best = support.read_json(f"{home}/{found['run']}/verdict.json")["evidence"]["held_out"]
        self.assertEqual(best["skill"], found["best"])
        resolved = support.read_json(f"{home}/{found['run']}/job.json")
        self.assertEqual(resolved["optimizer"]["lr"], found["point"]["optimizer.lr"])
        self.assertEqual(len(os.listdir(f"{home}/runs/optuna")), 14)


if __name__ == "__main__":
    support.main()
