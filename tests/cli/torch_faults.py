"""Faults that exist only in PyTorch: each is named with its line by the capture alone, and the hooks repair it.

Every script is a sound one in which one thing is written otherwise. It runs in a process that is forked from
this one, as it is and with the changes of the fault, so that PyTorch is imported once."""

import os
import pickle
import sys

import support
from support import SOURCE

try:
    import numpy as np
    import torch
except ImportError:
    sys.exit(77)

sys.path.insert(0, os.path.join(SOURCE, "src", "torch"))
from pitprop_torch import child, trials  # noqa: E402

DATA = os.path.join(SOURCE, "tests", "torch", "scripts")

NUMBERS = """import copy
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from data import waves
torch.manual_seed(0)
x, y = waves(400)
model = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(15):
    model.train()
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True):
        optimizer.zero_grad()
        out = model(xb).squeeze(1)
        loss = F.mse_loss(out, yb)
        loss.backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    print("R2", float(1 - F.mse_loss(model(x).squeeze(1), y) / y.var()))
"""
CLASSES = """import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from data import blobs
torch.manual_seed(0)
x, y = blobs(400)
model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 6))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    model.train()
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True):
        optimizer.zero_grad()
        out = model(xb)
        loss = F.cross_entropy(out, yb)
        loss.backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    right = model(x).argmax(dim=1) == y
    print("accuracy", float(right.float().mean()))
"""
BINARY = (
    CLASSES.replace("blobs", "rings")
    .replace("nn.Linear(5, 24)", "nn.Linear(2, 24)")
    .replace("nn.Linear(24, 6)", "nn.Linear(24, 1)")
    .replace("model(xb)", "model(xb).squeeze(1)")
    .replace("F.cross_entropy(out, yb)", "F.binary_cross_entropy_with_logits(out, yb.float())")
    .replace("model(x).argmax(dim=1)", "(model(x).squeeze(1) > 0)")
)
NET = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.last = nn.Linear({0}, 8), nn.Linear(8, 16), nn.Linear(16, {1})
        {2}
    def forward(self, x):
        {3}
        return self.last(h)
model = Net()"""
SEQUENTIAL = "model = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 1))"
OF_CLASSES = "model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 6))"
USUAL = "h = torch.tanh(self.two(torch.tanh(self.one(x))))"
ADAM = "optimizer = torch.optim.Adam(model.parameters(), lr=0.01)"
BACKWARD = "        loss.backward()\n        optimizer.step()\n"
STAYS = "stays"  # the measure is sound as it is: what the script prints is wrong

# fault: (script, [(words, in their place)], words of the line that is named, whether the hooks mend it)
FAULTS = {
    "target-broadcast": (NUMBERS, [("model(xb).squeeze(1)", "model(xb)")], "F.mse_loss(out, yb)", True),
    "target-broadcast of rows": (NUMBERS, [("(1)\n        loss = F.mse_loss(out, yb)", "(1)\n        loss = F.l1_loss(out.unsqueeze(1), yb.unsqueeze(0))")], "l1_loss", True),
    "not-in-optimizer": (NUMBERS, [(SEQUENTIAL, SEQUENTIAL.replace("24", "2")), (ADAM, ADAM.replace("model.", "model[2]."))], "torch.optim.Adam", True),
    "not-in-optimizer of a copy": (NUMBERS, [(ADAM, ADAM.replace("model", "copy.deepcopy(model)"))], "torch.optim.Adam", True),
    "not-in-optimizer of a list": (
        NUMBERS,
        [(SEQUENTIAL, NET.format(4, 1, "self.hidden = [nn.Linear(4, 8), nn.Linear(8, 16)]", "h = torch.tanh(self.hidden[1](torch.tanh(self.hidden[0](x))))")),
         ("lr=0.01", "lr=0.0001")],
        "self.hidden[1]",
        False,
    ),
    "no-steps": (NUMBERS, [("        optimizer.step()\n", "")], "torch.optim.Adam", True),
    "zeroed-before-step": (NUMBERS, [("        optimizer.step()", "        optimizer.zero_grad()\n        optimizer.step()")], "torch.optim.Adam", True),
    "gradients-never-zeroed": (NUMBERS, [("        optimizer.zero_grad()\n", ""), ("Adam(model.parameters(), lr=0.01)", "SGD(model.parameters(), lr=0.1)")], "torch.optim", True),
    "step-before-backward": (NUMBERS, [(BACKWARD, "        optimizer.step()\n        loss.backward()\n"), (SEQUENTIAL, "model = nn.Linear(4, 1)")], "torch.optim.Adam", True),
    "optimizer-made-anew": (
        NUMBERS,
        [("        optimizer.zero_grad()", "        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.99)\n        optimizer.zero_grad()")],
        "torch.optim.SGD",
        True,
    ),
    "model-made-anew": (NUMBERS, [("    model.train()", f"    {SEQUENTIAL}\n    {ADAM.replace('0.01', '0.0005')}")], "model(xb)", True),
    "no-backward": (NUMBERS, [("        loss.backward()\n", "")], "F.mse_loss(out, yb)", True),
    "graph-cut": (NUMBERS, [(SEQUENTIAL, NET.format(4, 1, "", "h = torch.tanh(self.two(torch.tanh(self.one(x).detach())))").replace("8", "2"))], "detach()", True),
    "graph-cut by no_grad": (
        NUMBERS,
        [(SEQUENTIAL, NET.format(4, 1, "", "with torch.no_grad():\n            g = torch.tanh(self.one(x))\n        h = torch.tanh(self.two(g))").replace("8", "2"))],
        "self.one(x)",
        True,
    ),
    "graph-cut by item": (NUMBERS, [("F.mse_loss(out, yb)", "torch.tensor(F.mse_loss(out, yb).item(), requires_grad=True)")], "loss.backward()", False),
    "graph-cut by a comparison": (BINARY, [(BACKWARD, "        loss = ((out > 0).float() - yb).abs().mean()\n        loss.requires_grad = True\n" + BACKWARD)], "loss.backward()", False),
    "graph-cut by rounding": (BINARY, [("F.binary_cross_entropy_with_logits(out, yb.float())", "F.binary_cross_entropy(torch.round(torch.sigmoid(out)), yb.float())")], "torch.round", True),
    "requires-grad-off": (NUMBERS, [(ADAM, "for p in model[0].parameters():\n    p.requires_grad = False\n" + ADAM)], "requires_grad = False", STAYS),
    "eval-while-training": (CLASSES, [("nn.ReLU()", "nn.BatchNorm1d(24), nn.ReLU()"), ("model.train()", "model.eval()")], "    model.eval()", STAYS),
    "training-mode-at-prediction": (CLASSES, [("nn.ReLU()", "nn.ReLU(), nn.Dropout(0.9)"), ("model.eval()\n", "")], "argmax", True),
    "dropout-at-prediction": (
        CLASSES,
        [(OF_CLASSES, NET.format(5, 6, "", "h = F.dropout(torch.relu(self.two(torch.relu(self.one(x)))), 0.9)"))],
        "argmax",
        True,
    ),
    "predicts-with-another-model": (NUMBERS, [("model.eval()", SEQUENTIAL)], "model(x)", True),
    "in-place-mask": (NUMBERS, [(SEQUENTIAL, NET.format(4, 1, "", "h = self.two(torch.tanh(self.one(x)))\n        h[h > -9] = 0"))], "h[h > -9] = 0", True),
    "softmax-over-batch": (CLASSES, [("nn.Linear(24, 6)", "nn.Linear(24, 6), nn.LogSoftmax(dim=0)"), ("F.cross_entropy", "F.nll_loss")], "model(xb)", True),
    "softmax-over-batch of one output": (BINARY, [("F.binary_cross_entropy_with_logits", "F.cross_entropy")], "F.cross_entropy", True),
    "softmax-of-one-column": (BINARY, [("model(xb).squeeze(1)", "model(xb)"), ("F.binary_cross_entropy_with_logits(out, yb.float())", "F.cross_entropy(out, yb.float().unsqueeze(1))")], "F.cross_entropy", True),
    "argmax-of-one-column": (BINARY, [("(model(x).squeeze(1) > 0)", "model(x).argmax(dim=1)")], "argmax", STAYS),
    "argmax-over-batch": (CLASSES, [("model(x).argmax(dim=1) == y", "model(x)[:6].argmax(dim=0) == y[:6]"), ("model(x)[:6]", "model(x[:6])")], "argmax", STAYS),
    "misaligned-rows": (
        NUMBERS,
        [("x, y = waves(400)", "x, y = waves(400)\nx = x[torch.randperm(400)]\ny = y[torch.randperm(400)]")],
        "x = x[torch.randperm(400)]",
        True,
    ),
}
# what an error that ends the script is called: as above
ERRORS = {
    "label-type": (CLASSES, [("(out, yb)", "(out, yb.float())")], "F.cross_entropy", True),
    "label-type of numbers": (BINARY, [("yb.float()", "yb")], "loss.backward()|F.binary", True),
    "label-shape": (CLASSES, [("(out, yb)", "(out, yb.unsqueeze(1))")], "F.cross_entropy", True),
    "label-code": (CLASSES, [("x, y = blobs(400)", "x, y = blobs(400)\ny = y + 1")], "F.cross_entropy", True),
    "input-type": (NUMBERS, [("x, y = waves(400)", "x, y = waves(400)\nx = x.double()")], "model(xb)", True),
    "missing-output-activation": (BINARY, [("binary_cross_entropy_with_logits", "binary_cross_entropy")], "binary_cross_entropy", True),
    "in-place-change": (NUMBERS, [(SEQUENTIAL, NET.format(4, 1, "", "h = torch.tanh(self.two(torch.tanh(self.one(x))))\n        h[h < -9] = 0"))], "loss.backward()", True),
    "batch-norm-of-one-row": (CLASSES, [("nn.ReLU()", "nn.BatchNorm1d(24), nn.ReLU()"), ("batch_size=20", "batch_size=1")], "model(xb)", True),
    "graph-cut": (NUMBERS, [(ADAM, "for p in model.parameters():\n    p.requires_grad = False\n" + ADAM)], "loss.backward()", False),
    "cuda": (NUMBERS, [(ADAM, "model.cuda()\n" + ADAM)], "model.cuda()", False),
}


def written(base, pairs):
    for words, other in pairs:
        assert words in base, words
        base = base.replace(words, other)
    return base


class Faults(support.Case):
    def observe(self, text, changes=()):
        """What a run of the script in a process of its own has shown."""
        path, result = os.path.join(self.scratch, "train.py"), os.path.join(self.scratch, "result")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        order = {"rows": 5000, "steps": 100000, "store": "", "seed": None, "changes": list(changes), "brief": True}
        process = os.fork()
        if not process:
            try:
                sys.path.append(DATA)
                for stream in (1, 2):
                    os.dup2(os.open(os.path.join(self.scratch, "log"), os.O_WRONLY | os.O_CREAT), stream)
                torch.set_num_threads(1)
                found = child.observe(order, path, [])
                with open(result, "wb") as file:
                    pickle.dump(found, file)
                os._exit(0)
            except BaseException as reason:  # the parent reads it in the log
                os.write(2, repr(reason).encode())
                os._exit(1)
        status = os.waitpid(process, 0)[1]
        with open(os.path.join(self.scratch, "log"), encoding="utf-8") as file:
            self.assertEqual(status, 0, file.read())
        with open(result, "rb") as file:
            return pickle.load(file)

    def has_line(self, text, line, words):
        self.assertIsNotNone(line)
        self.assertTrue(any(w in text.splitlines()[line[1] - 1] for w in words.split("|")), (line, words))

    def is_mended(self, text, changes, before):
        after = self.observe(text, changes)
        self.assertIsNone(after["error"])
        self.assertGreater(after["measure"]["value"], max(after["measure"]["floor"], before) + 0.05)

    def test_each_is_named_with_its_line_and_mended(self):
        for name, (base, pairs, words, mends) in FAULTS.items():
            with self.subTest(name):
                text = written(base, pairs)
                found = self.observe(text)
                names = [f["id"] for f in found["faults"]]
                self.assertEqual(names, [name.split(" ")[0]], found["error"])
                fault = found["faults"][0]
                self.has_line(text, fault["line"], words)
                before = found["measure"]["value"] if found["trained"] else -np.inf
                if mends is True:
                    self.is_mended(text, fault["changes"], before if np.isfinite(before) else -np.inf)

    def test_what_an_error_means_is_said_and_mended(self):
        for name, (base, pairs, words, mends) in ERRORS.items():
            with self.subTest(name):
                text = written(base, pairs)
                error = self.observe(text)["error"]
                self.assertIsNotNone(error)
                self.assertIsNotNone(error["known"], error["text"])
                self.assertEqual(error["known"]["id"], name.split(" ")[0], error["text"])
                self.has_line(text, error["line"], words)
                if mends:
                    self.is_mended(text, error["known"]["changes"], -np.inf)

    def test_targets_of_other_shapes_are_judged(self):
        several = written(CLASSES, [
            ("x, y = blobs(400)", "x, y = blobs(400)\ny = F.one_hot(y, 6).float()"),
            ("F.cross_entropy(", "F.binary_cross_entropy_with_logits("),
            ("model(x).argmax(dim=1)", "(model(x) > 0)"),
        ])
        one_hot = written(CLASSES, [("F.cross_entropy(out, yb)", "F.cross_entropy(out, F.one_hot(yb, 6).float())")])
        positions = written(CLASSES, [
            ("blobs(400)", "blobs(800)"), ("        optimizer.zero", "        xb, yb = xb.reshape(-1, 2, 5), yb.reshape(-1, 2)\n        optimizer.zero"),
            ("out = model(xb)", "out = model(xb).transpose(1, 2)"),
        ])
        for text in (several, one_hot, positions):
            with self.subTest(text[:80]):
                found = self.observe(text)
                self.assertTrue(found["trained"] and found["error"] is None, found["error"])
                self.assertEqual(found["faults"], [])
                self.assertGreater(found["measure"]["value"], 0.9)

    def test_a_last_line_tells_the_accuracy_or_not(self):
        for said, accuracy, tells in (
            ("loss 0.0537 accuracy 0.968", 0.99, True),
            ("96.8 % right", 0.99, True),
            ("loss 0.0537 accuracy 0.488", 0.99, False),
            ("done", 0.99, False),
            ("R2 0.99", None, False),
        ):
            result = {"measure": {"accuracy": accuracy}, "said": said}
            self.assertEqual(trials.tells_its_accuracy(result, 0.05), tells, said)

    def test_sound_scripts_have_no_faults(self):
        looked_at = NUMBERS.replace("        optimizer.step()", "        model(xb)\n        optimizer.step()")
        of_features = NUMBERS.replace("model(xb)", "model(features(xb))").replace("model(x)", "model(features(x))").replace(
            SEQUENTIAL, "features = nn.Sequential(nn.Linear(4, 64), nn.Tanh())\nmodel = nn.Linear(64, 1)")
        normed = CLASSES.replace("nn.ReLU()", "nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.1)")
        for text in (NUMBERS, CLASSES, BINARY, normed, looked_at, of_features):
            with self.subTest(text[:80]):
                found = self.observe(text)
                self.assertIsNone(found["error"])
                self.assertEqual(found["faults"], [])
                self.assertGreater(found["measure"]["value"], 0.5)


if __name__ == "__main__":
    support.main()
