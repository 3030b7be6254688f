"""Parts of the package for PyTorch by themselves: rows, drawn targets, edits of a script, repro.py."""

import importlib.util
import os
import runpy
import sys
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import numpy as np

import support

sys.path.insert(0, os.path.join(support.SOURCE, "src", "torch"))
try:
    import torch
except ImportError:
    sys.exit(77)

from pitprop_torch import child, edits, job as jobs, lottery, patch, probes, repro, rows, trials

SCRIPT = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
X, y = torch.randn(100, 4), torch.rand(100)
loader = DataLoader(TensorDataset(X, y), batch_size=20)
model = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Dropout(0.9), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model[3].parameters(), 10.0, weight_decay=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
criterion = nn.MSELoss()
model.eval()
for epoch in range(30):
    for xb, yb in loader:
        loss = criterion(model(xb).detach(), yb)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-6)
        optimizer.step()
    scheduler.step()
"""
CAPTURE = {
    "optimizers": [{"name": "SGD", "settings": {"lr": 10.0}}],
    "loss": {"name": "mse_loss", "line": ("s.py", 13), "pred_shape": (20, 1), "target_shape": (20,)},
    "layers": [{"line": ("s.py", 13)}],
}
EDITS = (  # change, words of the new line; None: a line that goes
    ({"do": "rate", "times": 0.01}, "model[3].parameters(), 0.1, weight"),
    ({"do": "group", "key": "weight_decay", "value": 0.0}, "weight_decay=0.0)"),
    ({"do": "group", "key": "momentum", "value": 0.9}, "weight_decay=0.5, momentum=0.9)"),
    ({"do": "optimizer", "type": "adam", "lr": 0.01}, "optim.Adam(model[3].parameters(), lr=0.01)"),
    ({"do": "everything"}, "SGD(model.parameters(), 10.0"),
    ({"do": "zeroed"}, "        optimizer.zero_grad()"),
    ({"do": "steps"}, "        optimizer.step()"),
    ({"do": "constant"}, None),
    ({"do": "clipped", "norm": 1.0}, "clip_grad_norm_(model[3].parameters(), 1)"),
    ({"do": "unclipped"}, None),
    ({"do": "loss", "kind": "bce_logits"}, "criterion = nn.BCEWithLogitsLoss()"),
    ({"do": "shapes"}, ".detach(), yb.unsqueeze(1))"),
    ({"do": "targets", "shift": 1.0, "scale": 2.0}, ".detach(), (yb - 1) / 2)"),
    ({"do": "skip", "name": "sigmoid", "index": 0}, "nn.Identity()"),
    ({"do": "activation", "name": "sigmoid", "index": 0, "to": "relu"}, "nn.ReLU()"),
    ({"do": "dropout", "index": 0, "rate": 0.1}, "nn.Dropout(0.1)"),
    ({"do": "undetached", "at_lines": [13]}, "criterion(model(xb), yb)"),
    ({"do": "training_mode"}, "model.train()"),
    ({"do": "batch", "size": 10, "old": 20}, "batch_size=10"),
    ({"do": "mixed"}, "shuffle=True"),
    ({"do": "longer", "times": 4, "counts": [30, 150]}, "range(120)"),
    ({"do": "standardise", "name": "linear", "index": 0, "mean": [0], "scale": [1]}, "(X - X.mean(0)) / X.std(0)"),
)

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4)).astype(np.float32)
BINARY = (X[:, 0] > 0.5).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
REAL = X[:, 0] - X[:, 1]


def job(kind="bce_logits", units=1, between=(), **parts):
    layers = [{"type": "dense", "units": 8, "activation": "relu"}, *between, {"type": "dense", "units": units}]
    made = {
        "data": {"files": "data.h5"},
        "model": {"layers": layers},
        "loss": {"type": kind},
        "optimizer": {"type": "sgd", "lr": 0.1},
        "training": {"steps": 40, "batch": 30},
    }
    for name, words in parts.items():
        made[name] = dict(made.get(name, {}), **words)
    return made


BLOCK = {"type": "residual", "layers": [{"type": "dense", "units": 8, "activation": "tanh"}, {"type": "dense", "units": 8}]}
NORM = {"type": "batch_norm", "momentum": 0.001}
GAP = job()
GAP["model"]["layers"][0]["in_optimizer"] = False
ODD = job()
ODD["model"]["layers"][0].update(init="zeros", bias_init="constant", bias_scale=-9.0, trainable=False)
REPAIRS = {  # targets, the job, the job that is repaired, faults of PyTorch alone
    "residual": (BINARY, job(between=[BLOCK], optimizer={"lr": 50}), job(between=[BLOCK]), ()),
    "class weights": (BINARY, job(), job(data={"balance": "class_weights"}), ()),
    "given weights": (CLASSES, job("cross_entropy_logits", 3, data={"balance": "given", "class_weights": [9, 1, 0.1]}),
                      job("cross_entropy_logits", 3), ()),
    "oversample": (BINARY, job(), job(data={"balance": "oversample"}), ()),
    "standardise": (BINARY, job(), job(data={"standardise": True}), ()),
    "targets": (REAL * 100 + 500, job("mse"), job("mse", data={"standardise_targets": True}), ()),
    "labels": (BINARY + 1, job("mse"), job(data={"recode_labels": True}), ()),
    "norm": (BINARY, job(between=[NORM]), job(between=[{"type": "layer_norm"}, {"type": "dropout", "rate": 0.1}]), ()),
    "init": (BINARY, ODD, job(), ("requires-grad-off",)),
    "schedule": (BINARY, job(schedule={"type": "step", "factor": 0.01, "every": 1.0}),
                 job(schedule={"type": "cosine", "final": 0.1, "warmup_steps": 3}), ()),
    "clipping": (BINARY, job(training={"clip_norm": 1e-6}), job(), ()),
    "broadcast": (REAL, job("mse", loss={"type": "mse", "targets": "broadcast"}), job("mse"), ("target-broadcast",)),
    "never zeroed": (BINARY, job(), job(), ("gradients-never-zeroed",)),
    "no steps": (BINARY, job(), job(), ("no-steps",)),
    "zeroed early": (BINARY, job(), job(), ("zeroed-before-step",)),
    "eval": (BINARY, job(between=[NORM]), job(between=[NORM]), ("eval-while-training",)),
    "not in optimiser": (BINARY, GAP, job(), ("not-in-optimizer",)),
    "order": (BINARY, job(data={"shuffle": False}), job(optimizer={"type": "rmsprop", "alpha": 0.9, "beta1": 0.9}), ()),
    "clamp": (REAL, job("mse", model={"at_prediction": "clamp"}), job("huber", loss={"type": "huber", "delta": 0.5}), ()),
    "smoothing": (CLASSES, job("cross_entropy_logits", 3, loss={"type": "cross_entropy_logits", "label_smoothing": 0.5}),
                  job("cross_entropy_logits", 3), ()),
}


HEAD = """import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
x = torch.randn(200, 4)
y = (x[:, 0] - x[:, 1])[:, None]
model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.01)
def train(model, steps=30):
    for _ in range(steps):
        opt.zero_grad()
        F.mse_loss(model(x), y).backward()
        opt.step()
"""
ACCUMULATED = """
for _ in range(5):
    for k, i in enumerate(torch.randperm(200).split(20)):
        (F.mse_loss(model(x[i]), y[i]) / 5).backward()
        if k % 5 == 4:
            opt.step()
            opt.zero_grad()
"""
TWO = """
other = torch.optim.SGD(model[0].parameters(), lr=0.1)
for _ in range(30):
    opt.zero_grad()
    other.zero_grad()
    p = model(x)
    (F.mse_loss(p, y) + 0.5 * F.l1_loss(p, y)).backward()
    opt.step()
    other.step()
"""
AUTOCAST = """
for _ in range(5):
    opt.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.mse_loss(model(x), y)
    loss.backward()
    opt.step()
"""
FRAMEWORKS = os.path.join(support.SOURCE, "tests", "torch", "frameworks")


class Scored(trials.Trials):
    """Reruns whose measures are given: seed and changes -> value."""

    def __init__(self, values):
        options = SimpleNamespace(budget=0, no_rerun=False)
        capture = {"seconds": 1, "measure": {"name": "R2", "held_out": True, "value": 0}}
        super().__init__(options, capture, lambda seed, changes=(): (seed, [c["do"] for c in changes]), "", "")
        self.values, self.asked = values, []

    def run(self, orders):
        self.asked += orders
        measured = lambda order: {"value": self.values(*order), "floor": 0}
        return [{"trained": True, "error": None, "permuted": True, "measure": measured(o)} for o in orders]


class Parts(support.Case):
    def capture_of(self, text, steps=20000, changes=()):
        """What one run of a script shows."""
        path = os.path.join(self.scratch, "script.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD + text)
        order = {"rows": 1000, "steps": steps, "store": None, "seed": None, "changes": list(changes), "brief": False}
        was = sys.argv, sys.path[0]
        try:
            return child.observe(order, path, [])
        finally:
            sys.argv, sys.path[0] = was

    def test_accumulated_gradients_are_batches_of_their_sum(self):
        capture = self.capture_of(ACCUMULATED)
        job, layers, _ = jobs.build(capture, self.scratch)
        self.assertEqual((job["training"]["batch"], job["training"]["steps"]), (100, 10))
        twin, losses = jobs.replay(capture, job, layers, self.scratch)
        self.assertEqual((twin["training"]["batch"], twin["training"]["steps"], len(losses)), (100, 2, 2))
        first = [batch[2] for batch in capture["first"][:5]]
        self.assertAlmostEqual(losses[0], np.mean(first) * 5, places=5)

    def test_what_a_job_lacks_is_named(self):
        capture = self.capture_of(TWO)
        _, _, notes = jobs.build(capture, self.scratch)
        self.assertEqual(capture["steps"], 30)
        self.assertTrue(any("several optimisers" in note for note in notes), notes)
        self.assertTrue(any("l1_loss" in note for note in notes), notes)
        self.assertTrue(any("bfloat16" in note for note in self.capture_of(AUTOCAST)["notes"]))

    def test_scripted_and_traced_models_run_eagerly_and_are_read(self):
        for text in ("jit.script(model)", "jit.trace(model, x[:2])"):
            capture = self.capture_of(f"train(torch.{text})")
            self.assertTrue(capture["readable"], capture["why_not"])
            self.assertTrue(any(text[:9] in note for note in capture["notes"]), capture["notes"])

    def test_no_gpu_is_a_clear_line(self):
        if torch.cuda.is_available():
            self.skipTest("there is a GPU")
        error = self.capture_of("model.cuda()")["error"]
        self.assertEqual(error["known"]["id"], "cuda", error)
        self.assertEqual(error["line"][1], HEAD.count("\n") + 1)

    def test_beyond_steps_few_batches_are_read_and_all_are_counted(self):
        calls = []
        read = child.Recorder.read
        child.Recorder.read = lambda *words: calls.append(1) or read(*words)
        try:
            capture = self.capture_of("train(model, 100)", steps=20)
        finally:
            child.Recorder.read = read
        self.assertEqual(len(calls), 20 + 5)  # of 80 one of 16
        self.assertEqual((capture["steps"], len(capture["losses"]), capture["backwards"]), (100, 100, 100))

    def test_permuted_targets_teach_less(self):
        own, other = (self.capture_of("train(model, 60)", changes=changes) for changes in ([], [{"do": "permuted"}]))
        self.assertGreater(own["measure"]["value"], other["measure"]["value"] + 0.3)
        self.assertEqual(sorted(own["y"].ravel().tolist()), sorted(other["y"].ravel().tolist()))

    def test_a_change_that_steadies_every_seed_is_no_luck(self):
        """As it is one seed of three works; a change that works once as well is tried with the others."""
        tried = [("unlucky", "a warmer start", [{"do": "lucky"}]), ("output-range", "no activation", [{"do": "sound"}])]
        for sound, wanted in ((0.7, ("output-range", [{"do": "sound"}])), (0.1, ("depends-on-seed", []))):
            def value(seed, changes):
                if "sound" in changes:
                    return 0.72 if seed == 0 else sound
                return 0.7 if seed == 2 and not changes else 0.0

            scored, page = Scored(value), StringIO()
            with redirect_stdout(page):
                self.assertEqual(scored.probe(tried), wanted, page.getvalue())
            self.assertEqual(scored.asked[-2:], [(1, ["sound"]), (2, ["sound"])])
            self.assertIn("no luck" if sound > 0.5 else "may be luck", page.getvalue())
            self.assertNotIn("could not be made", page.getvalue())

    def test_probes_fit_what_was_seen(self):
        capture = self.capture_of("x = x * 100\ny = (y > 1).float()\ntrain(model)")
        tried = {(cause, change["do"]) for cause, _, changes in probes.of(capture) for change in changes}
        for wanted in (("unscaled-inputs", "inputs"), ("class-imbalance", "class_weights"), ("learning-rate-too-high", "rate"),
                       ("too-few-steps", "longer"), ("exploding-gradients", "clipped")):
            self.assertIn(wanted, tried)
        self.assertNotIn("clipping-too-tight", {cause for cause, _ in tried})

    def test_callbacks_of_frameworks_name_the_fault(self):
        for name, script in (("lightning", "lightning_fit"), ("transformers", "transformers_train")):
            with self.subTest(name):
                if importlib.util.find_spec(name) is None:
                    self.skipTest(f"no {name}")
                package = {"PYTHONPATH": os.path.join(support.SOURCE, "src", "torch"), "PITPROP": support.PITPROP}
                words = [sys.executable, os.path.join(FRAMEWORKS, script + ".py")]
                self.expect(support.run(None, words=words, cwd=self.scratch, environment=package))

    def test_rows_are_kept_once_whatever_the_order_of_epochs(self):
        for _ in range(60):
            values = rng.integers(0, rng.integers(2, 30), (rng.integers(1, 200), 1)).astype(np.float32)
            kept = rows.Rows(10**6)
            for _ in range(3):
                kept.new_pass()
                for batch in np.array_split(values[rng.permutation(len(values))], rng.integers(1, 6)):
                    kept.add(batch, batch[:, 0])
            x, y = kept.arrays()
            self.assertEqual(Counter(x[:, 0].tolist()), Counter(values[:, 0].tolist()))
            self.assertTrue((x[:, 0] == y).all())
            self.assertTrue(kept.has(values, values[:, 0]).all())
            self.assertFalse(kept.has(values + 100, values[:, 0]).any())

    def test_rows_beyond_memory_go_to_a_file_and_a_sample_comes_back(self):
        path, limit, rows.IN_MEMORY = os.path.join(self.scratch, "rows.h5"), rows.IN_MEMORY, 1000
        try:
            kept = rows.Rows(5000, path)
            kept.new_pass()
            values = np.arange(6000, dtype=np.float32)[:, None]
            for batch in np.array_split(values, 60):
                kept.add(batch, batch[:, 0])
        finally:
            rows.IN_MEMORY = limit
        self.assertTrue(kept.full)
        self.assertLess(sum(len(x) for x in kept.x), 1000)
        x, _ = kept.arrays()
        self.assertEqual(x[:, 0].tolist(), list(range(5000)))
        self.assertEqual(rows.sample(kept.file["x"], 100)[:, 0].tolist(), list(range(0, 5000, 50)))
        self.assertEqual(kept.close(), path)

    def test_a_row_keeps_the_target_that_it_drew(self):
        draws, x, y = lottery.Lottery(), torch.arange(40.0)[:, None], torch.arange(40.0)
        draws.see([x])
        first = draws.draw(y, True)
        self.assertEqual(sorted(first.tolist()), y.tolist())
        self.assertNotEqual(first.tolist(), y.tolist())
        order = torch.randperm(40)
        draws.see([x[order]])
        self.assertEqual(draws.draw(y[order], True).tolist(), first[order].tolist())
        draws.see([x + 100])
        self.assertEqual(draws.draw(y, False).tolist(), y.tolist())

    def test_remedies_are_edits_of_the_script(self):
        path = os.path.join(self.scratch, "s.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SCRIPT)
        for change, words in EDITS:
            with self.subTest(change["do"]):
                lines, left = edits.diff(path, "s.py", CAPTURE, [change])
                self.assertEqual(left, [])
                added = [line[1:] for line in lines[2:] if line.startswith("+")]
                gone = [line for line in lines[2:] if line.startswith("-")]
                self.assertEqual(len(added), words is not None)
                self.assertTrue(words is None and len(gone) == 1 or words in added[0], lines)

    def test_what_has_no_one_place_is_left_to_words(self):
        path = os.path.join(self.scratch, "s.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SCRIPT + "loss.backward()\n")
        for change in ({"do": "zeroed"}, {"do": "wider", "widths": {}}):
            self.assertEqual(edits.diff(path, "s.py", CAPTURE, [change]), ([], [change]))

    def test_every_repair_is_a_short_script_that_runs(self):
        path = os.path.join(self.scratch, "repro.py")
        for name, (y, before, after, faults) in REPAIRS.items():
            for no_data in (False, True):
                with self.subTest(name, no_data=no_data):
                    repro.write(path, {"x": X, "y": y}, before, after, name, no_data, faults)
                    said = StringIO()
                    with redirect_stdout(said):
                        runpy.run_path(path, run_name="__main__")
                    found = said.getvalue().splitlines()
                    self.assertEqual([row.split()[:3:2] for row in found],
                                     [[who, seed] for who in ("as_it_is", "repaired") for seed in "012"])
                    self.assertNotEqual([row.split(maxsplit=1)[1] for row in found[:3]],
                                        [row.split(maxsplit=1)[1] for row in found[3:]])
                    with open(path, encoding="utf-8") as file:
                        self.assertLess(len(file.readlines()), 50)

    def test_what_no_short_script_says_is_refused(self):
        for fixed, faults in ((dict(job(), data={"files": "mended.h5"}), ()), (job(), ("graph-cut",)),
                              (job(between=[{"type": "conv"}]), ())):
            with self.assertRaises(repro.NotRendered):
                repro.write(os.path.join(self.scratch, "r.py"), {"x": X, "y": BINARY}, job(), fixed, "", False, faults)

    def test_drawn_rows_have_the_moments_of_the_captured(self):
        x = rng.normal(size=(5000, 3)).astype(np.float32) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0]], np.float32)
        drawn, y = repro.synthetic(x, np.arange(5000) % 2)
        self.assertEqual(y.tolist(), (np.arange(5000) % 2).tolist())
        np.testing.assert_allclose(np.cov(drawn.T), np.cov(x.T), atol=0.3)
        self.assertFalse((drawn[:, None, 0] == x[None, :100, 0]).any())

    def test_hooks_changes_are_changes_of_the_job(self):
        changes = [{"do": "rate", "times": 0.1}, {"do": "group", "key": "momentum", "value": 0.9}, {"do": "clipped", "norm": 1}]
        made = patch.Patch(job(), None).make(changes)
        self.assertEqual(made["optimizer"], {"type": "sgd", "lr": 0.1 * 0.1, "momentum": 0.9})
        self.assertEqual(made["training"]["clip_norm"], 1)
        with self.assertRaises(patch.NotInJobs):
            patch.Patch(job(), None).make([{"do": "shallow"}])


if __name__ == "__main__":
    support.main()
