"""Monitoring: collapse is called as soon as the evidence allows and never of a plateau that ends, what is
seen is the same on any number of ranks, and the model is the same with and without."""

import os

import numpy as np

import support
from support import dense, patched, run


def dead_net(path):
    """All hidden units below 0 for every row: no gradient reaches a weight."""
    hidden = dense(16, "relu", bias_init="constant", bias_scale=-100)
    return {
        "name": "dead",
        "data": {"files": path, "validation": {"fraction": 0.2}},
        "model": {"layers": [hidden, dense("auto")]},
        "optimizer": {"type": "sgd", "lr": 0.05},
        "training": {"epochs": 20, "batch": 64, "lanes": 4},
    }


def slow_starter(path):
    """Weights so small that a deep net seems constant for a fifth of the run, and then learns."""
    layers = [dense(16, "tanh", init="normal", init_scale=0.003) for _ in range(4)]
    return {
        "name": "slow",
        "data": {"files": path, "validation": {"fraction": 0.2}},
        "model": {"layers": layers + [dense("auto", init="normal", init_scale=0.003)]},
        "optimizer": {"type": "adam", "lr": 0.0002},
        "training": {"epochs": 60, "batch": 64, "lanes": 4},
    }


class Monitor(support.Case):
    def train(self, job, ranks=1, name="run", code=0, extra=()):
        path = os.path.join(self.scratch, f"{name}.json")
        out = os.path.join(self.scratch, f"{name}-{ranks}")
        support.write_json(path, job)
        self.expect(run(["train", path, "-o", out, *extra], ranks), code)
        return out

    def verdict(self, path):
        return support.read_json(os.path.join(path, "verdict.json"))

    def test_a_dead_net_is_called_early_and_stopped(self):
        job = patched(dead_net(self.synth("moons", 2000)), {"monitor.on_collapse": "stop"})
        first = self.train(job, code=4, extra=["--fail-on-collapse"])
        found = self.verdict(first)
        self.assertIs(found["collapse"], True)
        self.assertLessEqual(found["called"]["share"], 0.1)
        rows = support.metrics(first, "collapse")
        self.assertEqual([row["step"] for row in rows], [found["called"]["step"]])
        self.assertEqual(support.metrics(first, "final")[0]["step"], found["called"]["step"])
        for ranks in ("2", "3"):
            other = self.train(job, ranks, code=4, extra=["--fail-on-collapse"])
            for file in ("verdict.json", "model.safetensors"):
                one, two = (support.read_bytes(os.path.join(run, file)) for run in (first, other))
                self.assertEqual(one, two, file)

    def test_warn_goes_on(self):
        job = dead_net(self.synth("moons", 2000))
        path = self.train(job)
        found = self.verdict(path)
        self.assertLessEqual(found["called"]["share"], 0.1)
        self.assertGreater(support.metrics(path, "final")[0]["step"], found["called"]["step"])
        with open(os.path.join(path, "log.txt"), encoding="utf-8") as file:
            self.assertIn("collapse at step", file.read())

    def test_a_plateau_that_ends_is_not_called(self):
        path = self.train(slow_starter(self.synth("moons", 2000)))
        rows = [row["validation"] for row in support.metrics(path, "epoch")]
        self.assertLess(rows[len(rows) // 10]["spread"], 0.05)  # it did seem constant
        found = self.verdict(path)
        self.assertEqual(found["verdict"], "healthy")
        self.assertNotIn("called", found)

    def test_monitoring_changes_no_model(self):
        job = support.small_job(self.synth("moons", 1000))
        models = []
        for on in (True, False):
            path = self.train(patched(job, {"monitor.enabled": on}), name=f"on-{on}")
            tensors, _ = support.read_safetensors(os.path.join(path, "model.safetensors"))
            models.append({name: np.asarray(value).tobytes() for name, value in tensors.items()})
        self.assertEqual(models[0], models[1])

    def test_tests_are_written_down(self):
        path = self.train(support.small_job(self.synth("moons", 1000)))
        tests = {test["test"]: test for test in self.verdict(path)["tests"]}
        self.assertEqual(len(tests), 6)
        skill = tests["held-out skill"]
        self.assertTrue(skill["low"] < skill["value"] < skill["high"])
        self.assertLess(skill["level"], 0.001)

    def test_alpha_is_checked(self):
        job = support.small_job(self.synth("moons", 1000))
        path = os.path.join(self.scratch, "bad.json")
        support.write_json(path, patched(job, {"monitor.alpha": 0}))
        self.expect_error(run(["train", path]), 2, "monitor.alpha")


if __name__ == "__main__":
    support.main()
