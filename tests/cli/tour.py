"""jobs/tour.sh from a raw table to a model in use, against the truth that its generator keeps."""

import csv
import os

import h5py
import numpy as np

import support
from support import PITPROP, SOURCE, run

try:
    import onnxruntime
except ImportError:
    onnxruntime = None


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Tour(support.Case):
    def test_tour(self):
        home = f"{self.scratch}/tour"
        result = run([], words=["bash", f"{SOURCE}/jobs/tour.sh", home], environment={"PITPROP": PITPROP}, limit=400)
        self.expect(result)
        self.assertLessEqual(sum(line.startswith("$ ") for line in result.out.splitlines()), 12)
        self.assertRegex(result.out, r"leak\S*\s.*refund|refund.*leak")  # inspect says so
        self.assertIn("learning rate that is too high", result.out)     # why does
        answers, truth = table(f"{home}/answers.csv"), table(f"{home}/truth.csv")
        self.assertEqual([a["parcel"] for a in answers], [t["parcel"] for t in truth])
        right = np.mean([a["class"] == t["late"] for a, t in zip(answers, truth)])
        self.assertGreater(right, 0.85)
        if onnxruntime is not None:  # what import makes of the table is what the model takes
            self.expect(run(["import", "csv", "new.csv", "--no-target", "--like", "parcels.h5", "-o", "new.h5"], cwd=home))
            session = onnxruntime.InferenceSession(f"{home}/parcels.onnx", providers=["CPUExecutionProvider"])
            with h5py.File(f"{home}/new.h5") as file:
                p, label = session.run(["p", "class"], {"x": file["x"][:]})
            np.testing.assert_allclose(p[:, 0], [float(a["p_late"]) for a in answers], atol=2e-5)
            self.assertEqual([["in time", "late"][k] for k in label], [a["class"] for a in answers])
        else:
            print("no onnxruntime here: parcels.onnx is not run (pip install onnxruntime)")


if __name__ == "__main__":
    support.main()
