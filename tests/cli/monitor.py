"""Monitoring: collapse is called as soon as the evidence allows and never of a plateau that ends, what is
seen is the same on any number of ranks, and the model is the same with and without."""

import os
import signal
import subprocess

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

    def test_stopped_and_resumed_it_sees_the_same(self):
        """What the looks have seen is part of a checkpoint: before a call, and after it."""
        changes = {"training.epochs": 400, "monitor.log_steps": 5, "checkpoint.every_steps": 70}
        job = patched(dead_net(self.synth("moons", 2000)), changes)
        whole = support.results(super().train(job, 2, "whole"))
        self.assertIn(b'"called"', whole["verdict.json"])
        for name, rows in (("before", 40), ("after", 400)):
            home = self.folder(name)
            support.write_json(f"{home}/job.json", job)
            process = support.start(
                support.command(["train", "job.json", "-o", "run"], 1),
                home,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(support.stop, process)
            metrics = f"{home}/run/metrics.jsonl"

            def grown(path=metrics, least=rows):
                return os.path.exists(path) and support.read_bytes(path).count(b"\n") >= least

            self.assertTrue(support.wait_until(grown))
            process.send_signal(signal.SIGUSR1)
            self.assertEqual(process.wait(support.TIME_LIMIT), 5, "had finished already")
            self.expect(run(["train", "job.json", "-o", "run", "--resume"], 3, cwd=home))
            self.assertEqual(support.differences(whole, support.results(f"{home}/run")), "", name)

    def test_the_first_number_that_is_none_is_named(self):
        """A step of 1e38 leaves weights whose products overflow: in the first layer, if that moved,
        or in the second."""
        job = patched(dead_net(self.synth("moons", 2000)), {"optimizer.lr": 1e38})
        job["model"]["layers"][0] = dense(16, "relu")
        files = []
        for ranks in (1, 2, "3"):
            path = self.train(job, ranks, name="overflow")
            found = self.verdict(path)
            self.assertEqual(found["verdict"], "non-finite")
            first = found["first_non_finite"]
            self.assertEqual(first["step"], 2)
            self.assertRegex(first["place"], r"^the output of layer [01] \(dense\)$")
            self.assertIn(f"step 2 with {first['place']}, row {first['row']}", found["sentence"])
            files.append(support.read_bytes(os.path.join(path, "verdict.json")))
        self.assertEqual(files[1:], files[:-1])

    def test_weights_that_are_no_numbers_are_named(self):
        """The output of a step is finite, its gradient is not: the update is to blame."""
        job = patched(dead_net(self.synth("moons", 2000)), {"loss.type": "mse"})
        job["optimizer"] = {"type": "sgd", "lr": 3e38}
        job["model"]["layers"] = [dense("auto", init="constant", init_scale=1e18)]
        found = self.verdict(self.train(job, 2, name="update"))
        self.assertEqual(found["verdict"], "non-finite")
        first = found["first_non_finite"]
        self.assertRegex(first["place"], r"^the update of the step before, in layers\.0\.\w+$")
        self.assertNotIn("row", first)

    def test_monitoring_off_says_so_at_the_end(self):
        job = patched(dead_net(self.synth("moons", 2000)), {"monitor.enabled": False})
        path = self.train(job, code=4, extra=["--fail-on-collapse"], name="off")
        found = self.verdict(path)
        self.assertIs(found["collapse"], True)
        self.assertNotIn("called", found)
        self.assertEqual(support.metrics(path, "collapse"), [])

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

    def layers(self, job, page):
        """What verdict.json says of layers, where the page has these words."""
        path, out = os.path.join(self.scratch, "job.json"), os.path.join(self.scratch, "layers")
        support.write_json(path, job)
        done = self.expect(run(["train", path, "-o", out, "--overwrite"]), 0)
        for words in page:
            self.assertIn(words, " ".join(done.out.split()))
        return self.verdict(out)["layers"]

    def test_layers_that_are_dead_frozen_or_left_behind_are_named(self):
        data = self.synth("moons", 2000)
        dead, last = self.layers(dead_net(data), ["layers.0 (relu): 16 of 16 units answer the same"])
        self.assertEqual((dead["constant_share"], dead["rms"], dead["moved"]), (1, 0, 0))
        self.assertEqual((last["name"], last["moved"]), ("layers.1", 0))
        deep = [dense(12, "sigmoid") for _ in range(6)] + [dense("auto", trainable=False)]
        found = self.layers(
            patched(dead_net(data), {"model.layers": deep}),
            ["layers.0 (sigmoid): its weights have moved", "as they were before training (frozen)"],
        )
        self.assertEqual([layer["trainable"] for layer in found], [True] * 6 + [False])
        self.assertLess(100 * found[0]["moved"], found[5]["moved"])
        self.assertEqual(found[6]["moved"], 0)
        flat = [dense(16, "tanh", init="normal", init_scale=300.0), dense("auto")]
        found = self.layers(
            patched(dead_net(data), {"model.layers": flat}), ["of its outputs lie where it is flat"]
        )
        self.assertGreater(found[0]["flat_share"], 0.9)

    def test_sound_layers_are_not_named(self):
        path = os.path.join(self.scratch, "sound.json")
        support.write_json(path, support.small_job(self.synth("moons", 1000)))
        done = self.expect(run(["train", path, "-o", os.path.join(self.scratch, "sound")]), 0)
        self.assertNotIn("Layers", done.out)

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
