"""What a finished run predicts, and its model in the eyes of other programs."""

import os
import subprocess
import sys

import numpy as np

import support
from support import PITPROP, dense, patched, run, small_job as job


def forward(tensors, notes, x):
    """A job's model in NumPy, double precision: raw outputs."""
    resolved = support.json.loads(notes["job"])
    a = x.reshape(len(x), -1).astype(np.float64)
    if "input.shift" in tensors:
        a = (a - tensors["input.shift"]) * tensors["input.scale"]
    activations = {
        "identity": lambda z: z,
        "relu": lambda z: np.maximum(z, 0),
        "tanh": np.tanh,
        "silu": lambda z: z / (1 + np.exp(-z)),
    }
    for i, layer in enumerate(resolved["model"]["layers"]):
        of = {
            name.split(".")[-1]: t.astype(np.float64)
            for name, t in tensors.items()
            if name.startswith(f"layers.{i}.")
        }
        if layer["type"] == "dense":
            a = activations[layer["activation"]](a @ of["weight"].T + of.get("bias", 0))
        elif layer["type"] == "batch_norm":
            a = (a - of["running_mean"]) / np.sqrt(of["running_var"] + layer["epsilon"]) * of[
                "weight"
            ] + of["bias"]
        elif layer["type"] != "dropout":
            raise AssertionError(layer["type"])
    return a


class Predict(support.Case):
    def predictions(self, path, data, ranks=1, name="p.h5"):
        out = os.path.join(self.scratch, name)
        result = self.expect(run(["predict", path, data, "-o", out], ranks))
        self.assertIn("predictions of", result.err)
        return out

    def same_on_ranks(self, path, data):
        files = [
            support.read_bytes(self.predictions(path, data, ranks, f"p{ranks}.h5"))
            for ranks in (1, 2, 3)
        ]
        self.assertEqual(files[0], files[1], "1 and 2 ranks")
        self.assertEqual(files[0], files[2], "1 and 3 ranks")
        return support.read_h5(os.path.join(self.scratch, "p1.h5"))

    def test_binary(self):
        layers = [
            dense(24, "tanh"),
            {"type": "batch_norm"},
            {"type": "dropout", "rate": 0.2},
            dense(12, "silu"),
            dense("auto"),
        ]
        data = self.synth("higgs-like", 3001)
        path = self.train(patched(job(data), {"model.layers": layers, "data.standardise": True}), 2)
        sets, notes = self.same_on_ranks(path, data)
        raw = forward(
            *support.read_safetensors(f"{path}/model.safetensors"), support.read_h5(data)[0]["x"]
        )
        self.assertEqual(sets["raw"].shape, (3001, 1))
        np.testing.assert_allclose(sets["raw"], raw, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(sets["p"], 1 / (1 + np.exp(-raw)), rtol=1e-4, atol=1e-5)
        self.assertTrue(np.array_equal(sets["class"], (sets["p"][:, 0] >= 0.5).astype(int)))
        self.assertGreater(np.std(sets["p"]), 0.05)
        self.assertIn("job", notes)

    def test_ten_classes_agree_with_the_metrics(self):
        """Accuracy recomputed from the predictions of the held-out file is the run's, exactly."""
        held_out = self.synth("images", 601, seed=5)
        changes = {
            "data": {
                "files": self.synth("images", 1500),
                "validation": {"files": held_out},
                "standardise": True,
            },
            "training.epochs": 2,
        }
        path = self.train(patched(job(""), changes), 3)
        sets, _ = self.same_on_ranks(path, held_out)
        truth = support.read_h5(held_out)[0]
        raw = forward(*support.read_safetensors(f"{path}/model.safetensors"), truth["x"])
        p = np.exp(raw - raw.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        np.testing.assert_allclose(sets["p"], p, rtol=1e-3, atol=1e-5)
        self.assertTrue(np.array_equal(sets["class"], sets["p"].argmax(1)))
        final = support.metrics(path, "final")[0]["validation"]
        self.assertEqual(final["rows"], 601)
        self.assertAlmostEqual(final["accuracy"], np.mean(sets["class"] == truth["y"]), places=12)
        log_loss = -np.mean(
            np.log(sets["p"][np.arange(601), truth["y"].astype(int)].astype(np.float64))
        )
        self.assertAlmostEqual(final["log_loss"], log_loss, places=6)

    def test_regression(self):
        data = self.synth("friedman", 1009)
        path = self.train(job(data), 2)
        sets, _ = self.same_on_ranks(path, data)
        self.assertNotIn("class", sets)
        truth = support.read_h5(data)[0]
        raw = forward(*support.read_safetensors(f"{path}/model.safetensors"), truth["x"])
        np.testing.assert_allclose(sets["p"], raw, rtol=1e-4, atol=1e-4)
        evidence = support.read_json(f"{path}/verdict.json")["evidence"]
        parts = [evidence["train"], evidence["held_out"]]
        squares = sum(part["mse"] * part["rows"] for part in parts)
        self.assertAlmostEqual(
            squares / len(truth["y"]),
            np.mean((sets["p"][:, 0].astype(np.float64) - truth["y"]) ** 2),
            places=5,
        )

    def test_standardised_targets(self):
        """Trained in deviations, answered in the units of the file: prices around 140000."""
        data = self.synth("prices", 1009)
        path = self.train(patched(job(data), {"data.standardise_targets": True,
                                              "training.epochs": 10}), 2)
        sets, _ = self.same_on_ranks(path, data)
        tensors, notes = support.read_safetensors(f"{path}/model.safetensors")
        truth = support.read_h5(data)[0]
        raw = forward(tensors, notes, truth["x"])
        np.testing.assert_allclose(sets["raw"], raw, rtol=1e-4, atol=1e-4)
        p = raw * tensors["output.scale"] + tensors["output.shift"]
        np.testing.assert_allclose(sets["p"], p, rtol=1e-4)
        self.assertGreater(np.corrcoef(sets["p"][:, 0], truth["y"])[0, 1], 0.8)
        self.assertLess(abs(sets["p"].mean() / truth["y"].mean() - 1), 0.05)
        home = self.folder("classes")
        wrong = patched(job(self.synth("moons", 100)), {"data.standardise_targets": True})
        support.write_json(f"{home}/job.json", wrong)
        self.expect_error(run(["train", "job.json", "-o", "run"], cwd=home), 2, "classes")

    def test_at_prediction(self):
        """A sigmoid at prediction only: /raw is what was trained, /p what users see."""
        data = self.synth("moons", 500)
        changes = {"loss": {"type": "mse"}, "model.at_prediction": "sigmoid"}
        path = self.train(patched(job(data), changes))
        sets, _ = self.same_on_ranks(path, data)
        np.testing.assert_allclose(
            sets["p"], 1 / (1 + np.exp(-sets["raw"].astype(np.float64))), rtol=1e-6
        )

    def test_clamp_and_one_hot(self):
        x = np.random.default_rng(8).normal(size=(300, 4)).astype(np.float32)
        path = support.write_h5(f"{self.shared}/one_hot.h5", x=x, y=np.eye(3)[x[:, :3].argmax(1)])
        changes = {
            "loss": {"type": "mse"},
            "model.at_prediction": "clamp",
            "model.clamp_low": 0.1,
            "model.clamp_high": 0.6,
        }
        sets, _ = self.same_on_ranks(self.train(patched(job(path), changes)), path)
        self.assertEqual(sets["p"].shape, (300, 3))
        self.assertTrue(
            np.array_equal(sets["p"], np.clip(sets["raw"], np.float32(0.1), np.float32(0.6)))
        )

    def test_rows_that_are_no_numbers(self):
        """Refused by row and column, on any rank, and no file of answers is left."""
        data = self.synth("moons", 700)
        path = self.train(job(data))
        x = support.read_h5(data)[0]["x"].astype(np.float32)
        x[650, 1] = np.nan
        rows = support.write_h5(f"{self.scratch}/rows.h5", x=x)
        out = os.path.join(self.scratch, "none.h5")
        for ranks in 1, 3:
            done = run(["predict", path, rows, "-o", out], ranks)
            self.expect_error(done, 3, "row 650, column 1")
            self.assertFalse(os.path.exists(out))


class Tensors(support.Case):
    """The model in the eyes of the format's own library."""

    def test_safetensors_package(self):
        path = self.train(patched(job(self.synth("moons", 300)), {"data.standardise": True}))
        model = f"{path}/model.safetensors"
        venv = os.path.join(os.path.dirname(PITPROP), "test-venv")
        python = os.path.join(venv, "bin", "python3")
        has_it = [python, "-c", "import safetensors, numpy"]
        if (
            not os.path.exists(python)
            or subprocess.run(has_it, stderr=subprocess.DEVNULL).returncode != 0
        ):
            try:
                subprocess.run(
                    [sys.executable, "-m", "venv", "--system-site-packages", venv],
                    check=True,
                    timeout=60,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                subprocess.run(
                    [python, "-m", "pip", "install", "-q", "safetensors"],
                    check=True,
                    timeout=60,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except (subprocess.SubprocessError, OSError):
                self.skipTest("pip cannot bring the safetensors package")
        script = (
            "import sys, json, safetensors\n"
            "with safetensors.safe_open(sys.argv[1], 'np') as f:\n"
            "    print(json.dumps({'notes': f.metadata(),"
            " 'tensors': {k: f.get_tensor(k).tolist() for k in f.keys()}}))\n"
        )
        done = subprocess.run(
            [python, "-c", script, model], check=True, timeout=60, stdout=subprocess.PIPE
        )
        found = support.json.loads(done.stdout)
        tensors, notes = support.read_safetensors(model)
        self.assertEqual(found["tensors"], {name: t.tolist() for name, t in tensors.items()})
        self.assertEqual(found["notes"], notes)
        self.assertEqual(tensors["layers.0.weight"].shape, (16, 2))
        self.assertEqual(
            support.json.loads(notes["job"]),
            {**support.read_json(f"{path}/job.json"), "output": ""},
        )


if __name__ == "__main__":
    support.main()
