#!/usr/bin/env python3
"""Jobs in PyTorch: a reader of job files that shares no code with Pitprop, to see whether a remedy also
repairs the job there. Dense layers, activations, dropout, batch normalisation; three seeds side by side.

    torch_twin.py DATA JOB.json [FIXED.json ...]      scores of each, one below the other
    torch_twin.py --json DATA JOB.json FIXED.json     {"before", "after", "repaired"}: whether it is a repair
    torch_twin.py --work DIR                          of each folder below DIR that has job.json and, somewhere
                                                      below, fixed.json

DATA is the folder of the HDF5 files; --held-out FILE judges on other rows than the job holds out. A score is
skill on held-out rows where there are any: R^2 of a regression (in brackets 1 - MAE / MAE of the median), of
classes the larger of 1 - log loss / entropy and accuracy above chance, balanced over classes (in brackets the
former); the median of the seeds and their range. A remedy repairs where the median rises by more than half
the ranges and by 0.02. What it cannot read it says, and exits with 2."""

import argparse
import copy
import glob
import json
import math
import os
import re
import sys
import time

import h5py
import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
SEEDS = 3

# ---- jobs ----


class Unread(Exception):
    """What this reader does not know."""


def rows_of(files, data_dir):
    files = [files] if isinstance(files, str) else files
    sets = []
    for name in files:
        with h5py.File(os.path.join(data_dir, os.path.basename(name))) as file:
            x, y = file["x"][()].astype(np.float64), file["y"][()].astype(np.float64)
            sets.append((x.reshape(len(x), -1), y.reshape(len(y), -1)))
    return np.vstack([s[0] for s in sets]), np.vstack([s[1] for s in sets])


class Rows:
    """Training and held-out rows as the job wants them, and what kind of task they are."""

    def __init__(self, job, data_dir, held_out=None):
        data = job["data"]
        for key in ("target_column", "row_weights", "groups", "permute_targets", "columns"):
            if data.get(key):
                raise Unread(f"data.{key}")
        x, y = rows_of(data["files"], data_dir)
        held = data.get("validation", {})
        xt = yt = None
        if held_out or held.get("files"):
            xt, yt = rows_of(held_out or held["files"], data_dir)
        shift = data.get("shift_targets", 0)
        y, yt = (a if a is None else np.roll(a, -shift, axis=0) for a in (y, yt))
        if data.get("recode_labels"):
            low = y.min()
            y, yt = (a if a is None else (a != low).astype(float) for a in (y, yt))
        self.task = data.get("task", "auto")
        one_hot = y.shape[1] > 1 and set(np.unique(y)) <= {0, 1} and (y.sum(1) == 1).all()
        whole = y.shape[1] == 1 and (y == np.round(y)).all()
        if self.task == "auto":
            self.task = "multiclass" if one_hot else "regression"
            if whole and len(np.unique(y)) <= 2:
                self.task = "binary"
            elif y.shape[1] > 1 and set(np.unique(y)) <= {0, 1} and not one_hot:
                self.task = "labels"
        if xt is None and held.get("fraction", 0.1) > 0 and not held.get("fold", {}).get("of"):
            share = held.get("fraction", 0.1)
            order = np.random.RandomState(0).permutation(len(x))
            k = max(1, int(round(share * len(x))))
            xt, yt = x[order[:k]], y[order[:k]]
            x, y = x[order[k:]], y[order[k:]]
        if held.get("fold", {}).get("of"):
            raise Unread("data.validation.fold")
        if data.get("balance") in ("oversample", "undersample"):
            chosen = self.balanced(y, data["balance"] == "oversample")
            x, y = x[chosen], y[chosen]
        self.x_mean, self.x_scale = 0.0, 1.0
        if data.get("standardise"):
            self.x_mean, self.x_scale = x.mean(0), np.where(x.std(0) > 0, x.std(0), 1)
        self.y_mean, self.y_scale = 0.0, 1.0
        if data.get("standardise_targets") and self.task == "regression":
            self.y_mean, self.y_scale = y.mean(0), np.where(y.std(0) > 0, y.std(0), 1)
        tensor = lambda a: torch.tensor(np.asarray(a), dtype=torch.float32)
        scale_x = lambda a: tensor((a - self.x_mean) / self.x_scale)
        self.x, self.y_raw = scale_x(x), y
        self.y = tensor((y - self.y_mean) / self.y_scale)
        self.xt = scale_x(xt) if xt is not None else self.x
        self.yt_raw = yt if yt is not None else y
        self.held_out = xt is not None
        self.classes = y.shape[1] if y.shape[1] > 1 else int(y.max()) + 1
        self.weights = None
        if data.get("balance") == "class_weights" and self.task in ("binary", "multiclass"):
            label = y.argmax(1) if y.shape[1] > 1 else y[:, 0].astype(int)
            counts = np.bincount(label)
            self.weights = tensor(len(label) / (len(counts) * counts))[torch.tensor(label)]
        if data.get("balance") == "given":
            label = y.argmax(1) if y.shape[1] > 1 else y[:, 0].astype(int)
            self.weights = tensor(data["class_weights"])[torch.tensor(label)]

    @staticmethod
    def balanced(y, repeat):
        """Rows of each class, repeated to the most frequent or cut to the rarest."""
        label = y.argmax(1) if y.shape[1] > 1 else y[:, 0].astype(int)
        of = [np.flatnonzero(label == c) for c in np.unique(label)]
        size = (max if repeat else min)(len(rows) for rows in of)
        return np.concatenate([np.resize(rows, size) for rows in of])


# ---- networks: every parameter has a leading dimension of seeds ----

ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": F.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "softmax": lambda z: torch.softmax(z, -1),
}


def initial(layer, fan_in, units, generator):
    shape, init = (SEEDS, fan_in, units), layer.get("init", "auto")
    scale = layer.get("init_scale", 0.05)
    if init == "auto":
        bends = layer.get("activation", "identity") in ("relu", "leaky_relu", "gelu", "silu", "elu")
        init = "he" if bends else "xavier"
    uniform = lambda bound: (2 * torch.rand(shape, generator=generator) - 1) * bound
    normal = lambda deviation: torch.randn(shape, generator=generator) * deviation
    return {
        "he": lambda: normal(math.sqrt(2 / fan_in)),
        "xavier": lambda: uniform(math.sqrt(6 / (fan_in + units))),
        "lecun": lambda: normal(math.sqrt(1 / fan_in)),
        "normal": lambda: normal(scale),
        "uniform": lambda: uniform(scale),
        "constant": lambda: torch.full(shape, float(scale)),
        "zeros": lambda: torch.zeros(shape),
    }[init]()


def offsets(layer, units, generator):
    shape, scale = (SEEDS, 1, units), layer.get("bias_scale", 0.05)
    if not layer.get("bias", True):
        raise Unread("a layer without bias")
    return {
        "zeros": lambda: torch.zeros(shape),
        "constant": lambda: torch.full(shape, float(scale)),
        "normal": lambda: torch.randn(shape, generator=generator) * scale,
        "uniform": lambda: (2 * torch.rand(shape, generator=generator) - 1) * scale,
    }[layer.get("bias_init", "zeros")]()


class BatchNorm:
    def __init__(self, layer, width):
        self.scale = torch.ones(SEEDS, 1, width).requires_grad_()
        self.offset = torch.zeros(SEEDS, 1, width).requires_grad_()
        self.mean, self.variance = torch.zeros(SEEDS, 1, width), torch.ones(SEEDS, 1, width)
        self.share, self.epsilon = layer.get("momentum", 0.1), layer.get("epsilon", 1e-5)

    def __call__(self, x, training):
        mean, variance = self.mean, self.variance
        if training:
            mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
            with torch.no_grad():
                n = x.shape[1]
                self.mean += self.share * (mean - self.mean)
                self.variance += self.share * (variance * n / max(1, n - 1) - self.variance)
        return (x - mean) / (variance + self.epsilon).sqrt() * self.scale + self.offset


class Net:
    def __init__(self, job, rows, seed):
        generator = torch.Generator().manual_seed(seed)
        self.steps, self.parameters, width = [], [], rows.x.shape[1]
        layers = job["model"]["layers"]
        for layer in layers:
            kind = layer["type"]
            if kind == "dense":
                units = layer["units"]
                if units == "auto":
                    units = rows.classes if rows.task == "multiclass" else rows.y.shape[1]
                w = initial(layer, width, units, generator).requires_grad_(layer.get("trainable", True))
                b = offsets(layer, units, generator).requires_grad_(layer.get("trainable", True))
                self.parameters += [p for p in (w, b) if p.requires_grad]
                self.steps.append(("dense", w, b, layer.get("activation", "identity")))
                width = units
            elif kind == "activation":
                self.steps.append(("activation", layer["activation"]))
            elif kind == "dropout":
                self.steps.append(("dropout", layer.get("rate", 0.5)))
            elif kind == "batch_norm":
                norm = BatchNorm(layer, width)
                self.parameters += [norm.scale, norm.offset]
                self.steps.append(("batch_norm", norm))
            else:
                raise Unread(f"a layer of type {kind}")
        self.outputs = width
        self.generator = generator

    def __call__(self, x, training):
        for step in self.steps:
            if step[0] == "dense":
                x = ACTIVATIONS[step[3]](torch.baddbmm(step[2], x, step[1]))
            elif step[0] == "activation":
                x = ACTIVATIONS[step[1]](x)
            elif step[0] == "batch_norm":
                x = step[1](x, training)
            elif training and step[1] > 0:
                x = x * (torch.rand(x.shape) >= step[1]) / (1 - step[1])
        return x


def clip(p, epsilon=1e-7):
    return p.clamp(epsilon, 1 - epsilon)


def loss_of(spec, z, y):
    """Loss of each row [seeds, rows]. As Keras has them where a loss takes probabilities."""
    kind = spec["type"]
    if spec.get("targets") == "broadcast":  # every answer with every target of the batch
        if kind != "mse":
            raise Unread(f"loss {kind} of broadcast targets")
        return ((z - y.transpose(1, 2)) ** 2).mean(-1)
    smoothing = spec.get("label_smoothing", 0)
    if smoothing:
        classes = 2 if y.shape[-1] == 1 else y.shape[-1]
        y = y * (1 - smoothing) + smoothing / classes
    if kind == "quantile":
        q, e = spec.get("quantile", 0.5), y - z
        return torch.maximum(q * e, (q - 1) * e).mean(-1)
    if kind == "mse":
        return ((z - y) ** 2).mean(-1)
    if kind == "mae":
        return (z - y).abs().mean(-1)
    if kind == "huber":
        return F.huber_loss(z, y.expand_as(z), reduction="none", delta=spec.get("delta", 1)).mean(-1)
    if kind == "bce":
        p = clip(z)
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean(-1)
    if kind == "bce_logits":
        return F.binary_cross_entropy_with_logits(z, y.expand_as(z), reduction="none").mean(-1)
    if kind == "cross_entropy":
        q = clip(z / z.sum(-1, keepdim=True))
        return -(y * q.log()).sum(-1)
    if kind == "cross_entropy_logits":
        return -(y * F.log_softmax(z, -1)).sum(-1)
    raise Unread(f"loss {kind}")


def optimiser(spec, parameters):
    kind = spec.get("type", "adam")
    lr = spec.get("lr", {"sgd": 0.01, "adam": 0.001, "adamw": 0.001}.get(kind, 0.01))
    decay = spec.get("weight_decay", 0.01 if kind == "adamw" else 0)
    betas = (spec.get("beta1", 0.9), spec.get("beta2", 0.999))
    epsilon = spec.get("epsilon", 1e-10 if kind == "adagrad" else 1e-8)
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr, spec.get("momentum", 0), weight_decay=decay,
                               nesterov=bool(spec.get("nesterov", False)) and spec.get("momentum", 0) > 0)
    if kind == "rmsprop":
        return torch.optim.RMSprop(parameters, lr, spec.get("alpha", 0.99), epsilon, decay,
                                   spec.get("momentum", 0))
    if kind == "adagrad":
        return torch.optim.Adagrad(parameters, lr, eps=epsilon, weight_decay=decay)
    make = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
    return make(parameters, lr, betas, epsilon, decay, foreach=True)


def factor_of(schedule, epoch, share):
    kind = schedule.get("type", "constant")
    if kind == "plateau":
        raise Unread("schedule plateau")
    if kind == "cosine":
        final = schedule.get("final", 0)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * share))
    if kind == "inverse_time":
        return 1 / (1 + schedule.get("rate", 0.1) * epoch)
    if kind == "exponential":
        return schedule.get("factor", 0.95) ** epoch
    if kind == "step":
        return schedule.get("factor", 0.1) ** (epoch // schedule.get("every", 10))
    return 1


def train(job, rows, seed=0):
    """The net of all seeds, trained."""
    torch.manual_seed(seed + 1)
    net = Net(job, rows, seed)
    training, loss = job["training"], dict(job.get("loss", {}))
    if training.get("early_stopping"):
        raise Unread("training.early_stopping")
    if loss.get("type", "auto") == "auto":
        loss["type"] = {"binary": "bce_logits", "multiclass": "cross_entropy_logits",
                        "labels": "bce_logits"}.get(rows.task, "mse")
    y = rows.y
    if loss["type"].startswith("cross_entropy") and y.shape[1] == 1 and loss.get("targets") != "dense":
        y = F.one_hot(y[:, 0].long(), net.outputs).float()
    elif loss.get("targets") == "one_hot":
        y = F.one_hot(y[:, 0].long(), net.outputs).float()
    n, batch = len(rows.x), training.get("batch", 256)
    a_pass = math.ceil(n / batch)
    epochs, steps = training.get("epochs", 0), training.get("steps", 0)
    total = epochs * a_pass if not steps else min(steps, epochs * a_pass) if epochs else steps
    opt = optimiser(job.get("optimizer", {}), net.parameters)
    lr = opt.param_groups[0]["lr"]
    schedule, norm = job.get("schedule", {}), training.get("clip_norm", 0)
    warmup = schedule.get("warmup_steps", 0)
    for step in range(total):
        at = step % a_pass
        if at == 0:
            if job["data"].get("shuffle", True):
                order = torch.rand(SEEDS, n).argsort(1)
            else:
                order = torch.arange(n).expand(SEEDS, n)
        pick = order[:, at * batch : (at + 1) * batch]
        for group in opt.param_groups:
            group["lr"] = lr * factor_of(schedule, step / a_pass, step / total)
            if step < warmup:
                group["lr"] = lr * (step + 1) / warmup
        row_loss = loss_of(loss, net(rows.x[pick], True), y[pick])
        if rows.weights is not None:
            row_loss = row_loss * rows.weights[pick]
        opt.zero_grad(set_to_none=True)
        value = row_loss.mean(1).sum()
        for layer, s in zip(job["model"]["layers"], [s for s in net.steps]):
            if layer["type"] == "dense" and layer.get("l2", 0):
                value = value + layer["l2"] * (s[1] ** 2).sum()
            if layer["type"] == "dense" and layer.get("l1", 0):
                value = value + layer["l1"] * s[1].abs().sum()
        value.backward()
        if norm > 0:
            size = sum((p.grad**2).sum((1, 2)) for p in net.parameters).sqrt()
            for p in net.parameters:
                p.grad *= (norm / size.clamp(min=norm))[:, None, None]
        opt.step()
    return net, loss


# ---- what came out ----


def answers(job, rows, net, loss, x):
    with torch.no_grad():
        z = net(x.expand(SEEDS, *x.shape), False)
    at = job["model"].get("at_prediction", "none")
    if at == "sigmoid" or (at == "none" and loss["type"] == "bce_logits"):
        z = torch.sigmoid(z)
    elif at == "softmax" or (at == "none" and loss["type"] == "cross_entropy_logits"):
        z = torch.softmax(z, -1)
    elif at == "clamp":
        z = z.clamp(job["model"].get("clamp_low", 0), job["model"].get("clamp_high", 1))
    return z.double().numpy()


def score_regression(p, y, y_train):
    if not np.isfinite(p).all():
        return -9.0, -9.0
    # the best constant is that of the rows that are judged: what remains is skill
    squares = ((p - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum() / (p.shape[1] / y.shape[1])
    linear = np.abs(p - y).sum() / np.abs(y - np.median(y, 0)).sum() / (p.shape[1] / y.shape[1])
    return 1 - squares, 1 - linear


def score_classes(p, y, task):
    if not np.isfinite(p).all():
        return -9.0, 0.0
    if task == "labels" or (task == "binary" and p.shape[1] == 1):
        label = y
        q = np.clip(p, 1e-7, 1 - 1e-7)
        log_loss = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean()
        base = np.clip(y.mean(0), 1e-9, 1 - 1e-9)
        entropy = -(base * np.log(base) + (1 - base) * np.log(1 - base)).mean()
        right = [((p > 0.5) == y)[y == k].mean() for k in (0, 1) if (y == k).any()]
        balanced = 2 * np.mean(right) - 1 if len(right) > 1 else 0
    else:
        label = y.argmax(1) if y.shape[1] > 1 else y[:, 0].astype(int)
        k = max(p.shape[1], label.max() + 1)
        q = np.clip(p / np.maximum(p.sum(1, keepdims=True), 1e-30), 1e-7, 1)
        present = np.unique(label)
        shares = np.bincount(label, minlength=k) / len(label)
        entropy = -sum(s * np.log(s) for s in shares if s > 0)
        if p.shape[1] == 1:
            return 0.0, 0.0
        log_loss = -np.log(q[np.arange(len(q)), label]).mean()
        right = np.mean([(p.argmax(1) == label)[label == c].mean() for c in present])
        balanced = (right - 1 / len(present)) / (1 - 1 / len(present)) if len(present) > 1 else 0
    skill = 1 - log_loss / entropy if entropy > 1e-6 else 0.0
    return skill, balanced


def evaluate(job, rows, net, loss):
    """[(score, second number)] of each seed, on held-out rows if there are any, and on training rows."""
    out = []
    for x, y in ((rows.xt, rows.yt_raw), (rows.x, rows.y_raw)):
        p = answers(job, rows, net, loss, x)
        scores = []
        for s in range(SEEDS):
            if rows.task == "regression":
                scores.append(score_regression(p[s] * rows.y_scale + rows.y_mean, y, rows.y_raw))
            else:
                skill, balanced = score_classes(p[s], y, rows.task)
                scores.append((max(skill, balanced), skill))
        out.append(scores)
    return out


def run(path, data_dir, name, held_out=None, say=print):
    start = time.time()
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    rows = Rows(job, data_dir, held_out)
    net, loss = train(job, rows)
    held, trained = evaluate(job, rows, net, loss)
    first, second = (sorted(h[k] for h in held) for k in (0, 1))
    say(f"  {name:44s} {np.median(first):7.3f} ({first[0]:.2f} .. {first[-1]:.2f}) [{np.median(second):.3f}]"
        f" train {np.median([t[0] for t in trained]):.3f} {time.time() - start:.0f} s")
    return first


def repairs(job, fixed, data_dir, held_out=None, say=print):
    before, after = (run(path, data_dir, name, held_out, say)
                     for path, name in ((job, "the job"), (fixed, "the remedy")))
    noise = (before[-1] - before[0] + after[-1] - after[0]) / 2
    repaired = np.median(after) > np.median(before) + max(noise, 0.02)
    return {"before": float(np.median(before)), "after": float(np.median(after)), "repaired": bool(repaired)}


def every_folder(work):
    better = told = 0
    for home in sorted(glob.glob(os.path.join(work, "*/"))):
        job = os.path.join(home, "job.json")
        fixed = glob.glob(os.path.join(home, "**", "fixed.json"), recursive=True)
        if not os.path.exists(job) or not fixed:
            continue
        print(os.path.basename(home[:-1]), flush=True)
        try:
            better += repairs(job, fixed[0], home)["repaired"]
            told += 1
        except (Unread, KeyError) as what:
            print(f"  cannot be read here: {what}")
    print(f"repaired in PyTorch: {better} of {told}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--held-out")
    parser.add_argument("--work")
    parser.add_argument("files", nargs="*", help="folder of the data, job, remedies")
    a = parser.parse_args()
    if a.work:
        return every_folder(a.work)
    try:
        if a.json:
            return print(json.dumps(repairs(*a.files[1:3], a.files[0], a.held_out, lambda text: None)))
        for path in a.files[1:]:
            run(path, a.files[0], os.path.basename(path), a.held_out)
    except (Unread, KeyError) as what:
        print(f"not read here: {what}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
