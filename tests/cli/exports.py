"""What exports write, run by the programs that they are for: ONNX Runtime, against `predict` on 1000 rows."""

import json
import os
import struct

import h5py
import numpy as np

import support
from support import dense, patched, run, small_job as job

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "softplus", "identity")


def every_activation():
    return [dense(8, a) for a in ACTIVATIONS] + [dense("auto")]


def every_layer():
    inner = [dense(8, "relu"), {"type": "layer_norm"}, dense(8)]
    return [{"type": "activation", "activation": "tanh"}, {"type": "batch_norm"}, dense(8, "relu", bias=False),
            {"type": "residual", "layers": inner}, {"type": "dropout", "rate": 0.3}, {"type": "layer_norm"},
            dense("auto")]


# name: targets, far from zero (then x is float64), changes of the job
CASES = {
    "binary": ("binary", False, {"model.layers": every_activation(), "data.standardise": True}),
    "classes": ("classes", False, {"model.layers": every_layer()}),
    "bare-residual": ("classes", False, {"model.layers": [{"type": "residual", "layers": [dense(4, "gelu"), dense(5)]},
                                                          dense("auto", "softmax")],
                                         "loss": {"type": "cross_entropy"}}),
    "units": ("regression", False, {"data.standardise": True, "data.standardise_targets": True,
                                    "model.layers": every_layer()}),
    "wide": ("regression", True, {"data.standardise": True, "model.layers": [dense(6, "tanh"), dense("auto")]}),
    "clamped": ("regression", False, {"model.at_prediction": "clamp", "model.clamp_low": -0.5,
                                      "model.clamp_high": 0.75, "model.layers": [dense("auto")]}),
}


def data(path, kind, is_wide):
    random = np.random.default_rng(5)
    x = random.normal(size=(1000, 5))
    score = x[:, 0] - x[:, 1] * x[:, 2]
    y = {"binary": (score > 0).astype(int), "classes": np.digitize(score, [-0.7, 0.7]), "regression": score * 3 + 1}[kind]
    with h5py.File(path, "w") as file:
        file["x"] = x + 1.7e12 if is_wide else x.astype(np.float32)
        file["y"] = y
        file["x"].attrs["columns"] = [f"c{i}" for i in range(5)]
        if kind == "classes":
            file["y"].attrs["classes"] = ["ash", "fir", "oak"]


class Exports(support.Case):
    def trained(self, name):
        kind, is_wide, changes = CASES[name]
        home = self.folder(name)
        data(f"{home}/data.h5", kind, is_wide)
        task = {"binary": "binary", "classes": "multiclass", "regression": "regression"}[kind]
        support.write_json(f"{home}/job.json", patched(job(f"{home}/data.h5"), {"data.task": task, **changes}))
        self.expect(run(["train", "job.json", "-o", "run"], cwd=home))
        self.expect(run(["predict", "run", "data.h5", "-o", "p.h5"], cwd=home))
        return home

    @support.unittest.skipIf(onnxruntime is None, "no onnxruntime here: pip install onnxruntime")
    def test_onnx(self):
        for name, (kind, _, _) in CASES.items():
            with self.subTest(name):
                home = self.trained(name)
                self.expect(run(["export", "run", "-o", "model.onnx"], cwd=home))
                session = onnxruntime.InferenceSession(f"{home}/model.onnx", providers=["CPUExecutionProvider"])
                with h5py.File(f"{home}/data.h5") as file:
                    outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"x": file["x"][:]})))
                with h5py.File(f"{home}/p.h5") as file:
                    p = file["p"][:]
                    np.testing.assert_allclose(outputs["p"], p, rtol=2e-4, atol=2e-5)
                    self.assertGreater(p.std(), 0.01)
                    if kind != "regression":
                        sure = np.abs(p - 0.5).min(1) > 1e-4 if kind == "binary" else np.diff(np.sort(p, 1))[:, -1] > 1e-4
                        np.testing.assert_array_equal(outputs["class"][sure], file["class"][:][sure])
                notes = session.get_modelmeta().custom_metadata_map
                self.assertEqual(json.loads(notes["columns"]), [f"c{i}" for i in range(5)])
                if kind == "classes":
                    self.assertEqual(json.loads(notes["classes"]), ["ash", "fir", "oak"])

    def test_refused(self):
        home = self.trained("clamped")
        self.expect_error(run(["export", "run"], cwd=home), 2, "-o FILE.onnx")
        self.expect_error(run(["export", "run", "-o", "model.pickle"], cwd=home), 2, "model.pickle")
        self.expect_error(run(["export", "nowhere", "-o", "model.onnx"], cwd=home), 2, "nowhere")
        with open(f"{home}/run/model.safetensors", "r+b") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            file.seek(8 + size + 4)
            file.write(b"\x7f")
        self.expect_error(run(["export", "run", "-o", "model.onnx"], cwd=home), 3, "checksum")
        self.assertFalse(os.path.exists(f"{home}/model.onnx"))


if __name__ == "__main__":
    support.main()
