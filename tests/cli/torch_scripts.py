"""pitprop torch: scripts are run as they are, faults are named with their line, remedies are proven."""

import os
import re
import shutil
import sys

import numpy as np

import support
from support import SOURCE, run

SCRIPTS = os.path.join(SOURCE, "tests", "torch", "scripts")
SEEDS = os.path.join(SOURCE, "jobs", "torch")
PATH = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
FAULTS = {  # script: (fault, words of its line); all others: torch_faults.py
    "broadcast_by_hand": ("target-broadcast", "(out - yb) ** 2"),
    "sigmoid_at_prediction_only": ("activation-only-at-prediction", "torch.sigmoid(model(x))"),
    "weights_wrong_way": ("class-weights-inverted", "criterion(out, yb)"),
}


class Torch(support.Case):
    def torch(self, script, *options, limit=support.TIME_LIMIT):
        """Runs a copy of the script, and gives the output and answer.json."""
        for path in (script, os.path.join(SCRIPTS, "data.py")):
            shutil.copy(path, self.scratch)
        name = os.path.basename(script)
        words = ["torch", "--quiet", "-o", "out", *options, name]
        done = run(words, cwd=self.scratch, environment={"PATH": PATH}, limit=limit)
        self.assertEqual(done.code, 0, f"{done}")
        return done.out, support.read_json(os.path.join(self.scratch, "out", "answer.json"))

    def line_of(self, script, words):
        with open(script, encoding="utf-8") as file:
            return next(i for i, line in enumerate(file, 1) if words in line)

    def test_faults_of_the_capture_are_named_with_their_line(self):
        for name, (fault, words) in FAULTS.items():
            with self.subTest(name):
                script = os.path.join(SCRIPTS, name + ".py")
                out, answer = self.torch(script, "--no-rerun", "--no-why")
                self.assertEqual([f["id"] for f in answer["faults"]], [fault], out)
                self.assertEqual(answer["faults"][0]["line"][1], self.line_of(script, words))

    def test_the_job_trains_as_the_script_does(self):
        for name in ("broadcast_by_hand", "healthy_functional", "healthy_dropout"):
            with self.subTest(name):
                out, answer = self.torch(
                    os.path.join(SCRIPTS, name + ".py"), "--no-rerun", "--no-why"
                )
                self.assertLess(answer["replay"], 1e-4, out)

    def test_a_shape_is_named_before_any_experiment_and_mended_in_pytorch(self):
        out, answer = self.torch(os.path.join(SCRIPTS, "broadcast_full_batch.py"), "--no-why")
        self.assertIn("F.mse_loss(model(x), y.unsqueeze(1))", out)
        self.assertTrue(answer["proof"], out)
        self.assertGreater(np.min(answer["after"]), 0.9, out)

    def test_what_no_job_can_say_is_probed_in_the_script(self):
        out, answer = self.torch(os.path.join(SCRIPTS, "conv_rate_too_high.py"), "--budget", "14")
        self.assertEqual(answer["causes"], ["learning-rate-too-high"], out)
        self.assertTrue(answer["proof"], out)

    def test_a_block_is_watched_and_repro_shows_fault_and_repair(self):
        script = os.path.join(self.scratch, "notebook.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(
                "import torch, pitprop_torch\nfrom data import waves\nx, y = waves(200)\n"
                "model = torch.nn.Linear(4, 1)\n"
                "with pitprop_torch.Watch() as watch:\n"
                "    opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
                "    for _ in range(50):\n"
                "        opt.zero_grad()\n"
                "        torch.nn.functional.mse_loss(model(x), y).backward()\n"
                "        opt.step()\n"
                "assert watch.report(why=False)['faults'][0]['id'] == 'target-broadcast'\n"
            )
        shutil.copy(os.path.join(SCRIPTS, "data.py"), self.scratch)
        package = {"PYTHONPATH": os.path.join(SOURCE, "src", "torch")}
        done = run([], words=[sys.executable, script], cwd=self.scratch, environment=package)
        self.assertEqual(done.code, 0, f"{done}")
        self.assertIn("notebook.py:9", done.out)

    def test_noise_is_called_noise(self):
        out, answer = self.torch(os.path.join(SEEDS, "seed-3.py"))
        self.assertEqual(answer["answer"], "no-signal", out)
        self.assertTrue(re.search("drawn anew|draws its rows anew", out), out)

    def test_an_error_of_the_script_is_explained(self):
        script = os.path.join(self.scratch, "labels.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(
                "import torch\nfrom torch import nn\nmodel = nn.Linear(3, 2)\n"
                "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
                "loss = nn.BCELoss()(torch.sigmoid(model(torch.randn(8, 3))), torch.ones(8, 2).long())\n"
                "loss.backward()\n"
            )
        done = run(["torch", "-q", "labels.py"], cwd=self.scratch, environment={"PATH": PATH})
        self.assertEqual(done.code, 0, f"{done}")
        self.assertIn("y.float()", done.out)
        self.assertIn("labels.py:5", done.out)

    def test_no_script_is_a_clear_error(self):
        done = run(["torch", "none.py"], cwd=self.scratch, environment={"PATH": PATH})
        self.assertEqual(done.code, 2)
        self.assertIn("none.py: no such file", done.err)


try:
    import torch  # noqa: F401
except ImportError:
    sys.exit(77)

if __name__ == "__main__":
    support.main()
