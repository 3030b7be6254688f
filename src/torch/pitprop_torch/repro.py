"""repro.py: a script of its own that shows fault and repair, from the job and the job that is repaired."""

import numpy as np

ACTIVATIONS = {
    "relu": "nn.ReLU()",
    "leaky_relu": "nn.LeakyReLU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "tanh": "nn.Tanh()",
    "sigmoid": "nn.Sigmoid()",
    "softplus": "nn.Softplus()",
    "softmax": "nn.Softmax(dim=1)",
}
LOSSES = {
    "mse": "F.mse_loss(out, y)",
    "mae": "F.l1_loss(out, y)",
    "huber": "F.smooth_l1_loss(out, y)",
    "bce": "F.binary_cross_entropy(out, y)",
    "bce_logits": "F.binary_cross_entropy_with_logits(out, y)",
    "cross_entropy": "F.nll_loss(out.clamp(min=1e-7).log(), y)",
    "cross_entropy_logits": "F.cross_entropy(out, y)",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad"}

TEXT = '''"""{title}"""
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

data = np.load(Path(__file__).with_name("{data}"))  # {origin}
X, Y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])


def as_it_is():
{before}


def repaired():
{after}


def train(model, optimizer, loss, seed):
    generator = torch.Generator().manual_seed(seed)
    for step in range({steps}):
        rows = torch.randperm(len(X), generator=generator)[:{batch}]
        optimizer.zero_grad()
        loss(model(X[rows]), Y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        return model.eval()(X)


for recipe in (as_it_is, repaired):
    for seed in range(3):
        torch.manual_seed(seed)
        out = train(*recipe(), seed)
        print(recipe.__name__, "seed", seed, {measure})
'''


class NotRendered(Exception):
    pass


def modules(layers, width):
    found = []
    for words in layers:
        kind = words["type"]
        if kind == "dense":
            units = words["units"]
            if units == "auto":
                raise NotRendered("a width that follows from the task")
            found.append(f"nn.Linear({width}, {units})")
            width = units
            if words.get("activation", "identity") != "identity":
                found.append(ACTIVATIONS[words["activation"]])
        elif kind == "activation":
            found.append(ACTIVATIONS[words["activation"]])
        elif kind == "dropout":
            found.append(f"nn.Dropout({words['rate']:g})")
        elif kind in ("batch_norm", "layer_norm"):
            found.append(f"nn.{'BatchNorm1d' if kind == 'batch_norm' else 'LayerNorm'}({width})")
        else:
            raise NotRendered(kind)
    return found


def recipe(job, width):
    """Lines of a function that gives model, optimiser and loss of a job."""
    optimizer, loss = dict(job["optimizer"]), job["loss"].get("type", "auto")
    if loss not in LOSSES or job["data"].get("standardise") or job["data"].get("balance", "none") != "none":
        raise NotRendered("what the job does to its data or its loss")
    kind = optimizer.pop("type", "adam")
    for name, other in (("epsilon", "eps"),):
        if name in optimizer:
            optimizer[other] = optimizer.pop(name)
    if "beta1" in optimizer or "beta2" in optimizer:
        optimizer["betas"] = (optimizer.pop("beta1", 0.9), optimizer.pop("beta2", 0.999))
    said = "".join(f", {k}={v!r}" for k, v in optimizer.items())
    call = LOSSES[loss]
    broadcast = job["loss"].get("targets") == "broadcast"
    if "cross_entropy" not in loss and not broadcast:
        call = call.replace("out, y", "out, y.reshape(out.shape)")
    layers = ", ".join(modules(job["model"]["layers"], width))
    return [
        f"    model = nn.Sequential({layers})",
        f"    optimizer = torch.optim.{OPTIMIZERS[kind]}(model.parameters(){said})",
        f"    return model, optimizer, lambda out, y: {call}",
    ]


def synthetic(x, y, seed=0):
    """Rows with the same means and covariances, class by class, that are nobody's."""
    rng = np.random.default_rng(seed)
    labels = np.unique(y)
    if y.ndim == 1 and len(labels) <= 20:
        found = np.empty_like(x)
        for label in labels:
            part = x[y == label]
            spread = np.atleast_2d(np.cov(part.T)) if len(part) > 1 else np.zeros((x.shape[1],) * 2)
            found[y == label] = rng.multivariate_normal(part.mean(axis=0), spread, len(part))
        return found, y
    both = np.column_stack([x, y.reshape(len(y), -1)])
    drawn = rng.multivariate_normal(both.mean(axis=0), np.cov(both.T), len(both)).astype(np.float32)
    return drawn[:, : x.shape[1]], drawn[:, x.shape[1] :].reshape(y.shape)


def write(path, capture, job, fixed, title, no_data):
    """Writes repro.py and its data; NotRendered where the jobs cannot be said in a few lines."""
    x, y = capture["x"].astype(np.float32), capture["y"]
    classes = "cross_entropy" in job["loss"]["type"]
    y = y.astype(np.int64) if classes else y.astype(np.float32)
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    before, after = recipe(job, x.shape[1]), recipe(fixed, x.shape[1])
    origin = "the rows that were captured"
    if no_data:
        (x, y), origin = synthetic(x, y), "drawn: rows with the moments of those that were captured"
    measure = '"R2", (1 - (out.squeeze() - Y).pow(2).sum() / (Y - Y.mean()).pow(2).sum()).item()'
    if "bce" in job["loss"]["type"]:
        limit = "0" if "logits" in fixed["loss"]["type"] else "0.5"
        measure = f'"accuracy", ((out.squeeze() > {limit}) == (Y.squeeze() > 0.5)).float().mean().item()'
    if classes:
        measure = '"accuracy", (out.argmax(1) == Y).float().mean().item()'
    text = TEXT.format(
        title=title,
        data="repro.npz",
        origin=origin,
        before="\n".join(before),
        after="\n".join(after),
        steps=job["training"]["steps"],
        batch=job["training"]["batch"],
        measure=measure,
    )
    np.savez_compressed(path[:-3] + ".npz", x=x, y=y)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
