"""repro.py: a script of its own that shows fault and repair, from the job and the job that is repaired.

Each job becomes a function that builds model, optimiser and loss, and gives them to one training loop; the loop
has only what one of the two asks for."""

import math

import numpy as np

from .remedy import CLASSES, MODULES

LOSSES = {
    "mse": "mse_loss",
    "mae": "l1_loss",
    "huber": "smooth_l1_loss",
    "bce": "binary_cross_entropy",
    "bce_logits": "binary_cross_entropy_with_logits",
    "cross_entropy": "nll_loss",
    "cross_entropy_logits": "cross_entropy",
}
INITIAL = {"he": "kaiming_normal_({}, nonlinearity='relu')", "xavier": "xavier_uniform_({})", "zeros": "zeros_({})",
           "lecun": "kaiming_normal_({}, nonlinearity='linear')", "normal": "normal_({}, 0, {:.6g})",
           "uniform": "uniform_({0}, -{1:.6g}, {1:.6g})", "constant": "constant_({}, {:.6g})"}
SETTINGS = {  # of optimisers, with PyTorch's defaults
    "sgd": {"lr": None, "momentum": 0, "nesterov": False, "weight_decay": 0},
    "adam": {"lr": None, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0},
    "adamw": {"lr": None, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "rmsprop": {"lr": None, "alpha": 0.99, "eps": 1e-8, "momentum": 0, "weight_decay": 0},
    "adagrad": {"lr": None, "eps": 1e-10, "weight_decay": 0},
}

TEXT = '''"""{title}"""
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

data = np.load(Path(__file__).with_name("{data}"))  # {origin}
X, Y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])

{block}
def as_it_is():
{before}


def repaired():
{after}


def train(seed, model, optimizer, loss, {signature}):
    generator = torch.Generator().manual_seed(seed)
{beginning}    for step in range(steps):
        rows = {rows}
        optimizer.zero_grad()
        loss(model(x[rows]), y[rows]).backward()
{stepping}    with torch.no_grad():
        return predict(model.eval()(x))


for recipe in (as_it_is, repaired):
    for seed in range(3):
        torch.manual_seed(seed)
        out = train(seed, **recipe()).reshape(len(Y), -1).squeeze(1)
        print(recipe.__name__, "seed", seed, {measure})
'''
BLOCK = '''
class Block(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)

'''


class NotRendered(Exception):
    pass


# ---- model ----


def modules(layers, width):
    """(expressions of modules, [(index, words of a dense layer)], outputs)."""
    found, dense = [], []
    for words in layers:
        kind = words["type"]
        if kind == "dense":
            if words["units"] == "auto":
                raise NotRendered("a width that follows from the task")
            dense.append((len(found), words))
            bias = "" if words.get("bias", True) else ", bias=False"
            found.append(f"nn.Linear({width}, {words['units']}{bias})")
            width = words["units"]
            if words.get("activation", "identity") != "identity":
                found.append(MODULES[words["activation"]])
        elif kind == "activation":
            if words["activation"] != "identity":
                found.append(MODULES[words["activation"]])
        elif kind == "dropout":
            found.append(f"nn.Dropout({words['rate']:g})")
        elif kind == "residual":
            inner, _, _ = modules(words["layers"], width)
            found.append(f"Block({', '.join(inner)})")
        elif kind in ("batch_norm", "layer_norm"):
            said = f", eps={words['epsilon']:g}" if words.get("epsilon", 1e-5) != 1e-5 else ""
            if kind == "batch_norm" and words.get("momentum", 0.1) != 0.1:
                said += f", momentum={words['momentum']:g}"
            found.append(f"nn.{'BatchNorm1d' if kind == 'batch_norm' else 'LayerNorm'}({width}{said})")
        else:
            raise NotRendered(f"layers of the type {kind}")
    return found, dense, width


def model_lines(job, width):
    found, dense, outputs = modules(job["model"]["layers"], width)
    lines = [f"    model = nn.Sequential({', '.join(found)})"]
    for index, words in dense:
        inputs = int(found[index].split("(")[1].split(",")[0])
        for name, key, scale in (("weight", "init", "init_scale"), ("bias", "bias_init", "bias_scale")):
            kind, size = words.get(key), words.get(scale, 0.05)
            is_usual = kind == "uniform" and abs(size - inputs**-0.5) < 1e-3 * size
            if kind in INITIAL and not is_usual and (name == "weight" or words.get("bias", True)):
                lines.append("    nn.init." + INITIAL[kind].format(f"model[{index}].{name}", size))
        if words.get("trainable") is False:
            lines.append(f"    model[{index}].requires_grad_(False)")
    return lines, outputs


# ---- optimiser, loss, data ----


def optimizer_line(job, parameters="model.parameters()"):
    words = dict(job["optimizer"])
    kind = words.pop("type", "adam")
    words.setdefault("lr", 0.001)
    if "epsilon" in words:
        words["eps"] = words.pop("epsilon")
    if "beta1" in words or "beta2" in words:
        words["betas"] = (words.pop("beta1", 0.9), words.pop("beta2", 0.999))
    said = "".join(f", {k}={v!r}" for k, v in words.items() if k in SETTINGS[kind] and v != SETTINGS[kind][k])
    return f"    optimizer = torch.optim.{CLASSES[kind]}({parameters}{said})"


def weights_of(job, y):
    """Weights of the classes in the loss, or None."""
    kind = job["data"].get("balance", "none")
    if kind in ("none", "oversample", "undersample"):
        return None
    if kind == "given":
        return [float(w) for w in job["data"]["class_weights"]]
    counts = np.bincount(y.astype(int).reshape(-1))
    return (len(y) / (len(counts) * np.maximum(counts, 1))).tolist()


def loss_text(job, y):
    """(expression of the loss of out and y, whether classes are told by number)."""
    words = dict(job["loss"])
    kind = words.get("type", "auto")
    if kind not in LOSSES:
        raise NotRendered(f"the loss {kind}")
    classes = "cross_entropy" in kind
    broadcast = words.get("targets") == "broadcast"
    out, target = "out", "y" if classes or broadcast else "y.reshape(out.shape)"
    if kind == "cross_entropy":
        out = "out.clamp(min=1e-7).log()"
    smoothing = words.get("label_smoothing")
    if smoothing and kind == "cross_entropy_logits":
        target += f", label_smoothing={smoothing:g}"
    elif smoothing:
        target = f"{target} * {1 - smoothing:g} + {smoothing / 2:g}"
    if kind == "huber" and words.get("delta", 1) != 1:
        target += f", beta={words['delta']:g}"
    weights = weights_of(job, y)
    call = f"F.{LOSSES[kind]}({out}, {target}"
    if weights is None:
        return call + ")", classes
    said = ", ".join(f"{w:.6g}" for w in weights)
    index = "y" if classes else "y.reshape(out.shape).long()"
    return f"({call}, reduction='none') * torch.tensor([{said}])[{index}]).mean()", classes


def data_words(job, y):
    """Arguments of train for what the job does to its rows, and how an output becomes a prediction."""
    found, data = {}, job["data"]
    for key in ("columns", "shift_targets", "row_weights"):
        if data.get(key):
            raise NotRendered(f"data.{key}")
    if data.get("standardise"):
        found["x"] = "(X - X.mean(0)) / X.std(0).clamp(min=1e-12)"
    predict = {"sigmoid": "out.sigmoid()", "softmax": "out.softmax(1)"}.get(job["model"].get("at_prediction"), "out")
    if job["model"].get("at_prediction") == "clamp":
        predict = f"out.clamp({job['model'].get('clamp_low', 0):g}, {job['model'].get('clamp_high', 1):g})"
    elif predict == "out" and "bce_logits" in job["loss"].get("type", ""):
        predict = "out.sigmoid()"
    if data.get("standardise_targets"):
        found["y"] = "(Y - Y.mean(0)) / Y.std(0)"
        predict = f"{predict} * Y.std(0) + Y.mean(0)"
    if data.get("recode_labels"):
        low, high = float(y.min()), float(y.max())
        found["y"] = f"(Y - {low:g}) / {high - low:g}"
        predict = f"{predict} * {high - low:g} + {low:g}"
    if predict != "out":
        found["predict"] = f"lambda out: {predict}"
    return found


def schedule_text(job, steps_per_epoch):
    words = job.get("schedule") or {}
    kind = words.get("type", "constant")
    if kind == "step":
        text = f"{words['factor']:.6g} ** (step // {max(1, round(words['every'] * steps_per_epoch))})"
    elif kind == "cosine":
        final, steps = words.get("final", 0), job["training"]["steps"]
        text = f"{final:.6g} + {0.5 * (1 - final):.6g} * (1 + np.cos(np.pi * min(1, step / {steps})))"
    elif kind == "constant":
        text = "1"
    else:
        raise NotRendered(f"the schedule {kind}")
    if words.get("warmup_steps"):
        text = f"min(1, (step + 1) / {words['warmup_steps']}) * ({text})"
    return None if text == "1" else f"lambda step: {text}"


def sampling(job, rows):
    """How the rows of a batch are chosen, or None."""
    if job["data"].get("balance") in ("oversample", "undersample"):
        return "'balanced'"
    if job["data"].get("shuffle") is False and job["training"]["batch"] < rows:
        return "'in order'"
    return None


NEUTRAL = {"clip": "np.inf", "schedule": "lambda step: 1", "pick": "None"}
ROWS = {
    None: "torch.randperm(len(x), generator=generator)[:batch]",
    "'balanced'": "torch.multinomial((1 / torch.bincount(Y.long()))[Y.long()], batch, True, generator=generator)",
    "'in order'": "(torch.arange(batch) + step * batch) % len(x)",
}

# What is wrong in PyTorch alone, and no job can say: lines of the script as it is.
FAULTS = {
    "not-in-optimizer": [],
    "requires-grad-off": [],
    "target-broadcast": [],
    "gradients-never-zeroed": ["    optimizer.zero_grad = lambda: None  # is never called"],
    "no-steps": ["    optimizer.step = lambda: None  # is never called"],
    "zeroed-before-step": [
        "    step = optimizer.step  # zero_grad() stands between backward() and step()",
        "    optimizer.step = lambda: (optimizer.zero_grad(), step())",
    ],
    "eval-while-training": ["    model.eval()"],
}


def recipe(job, width, y, defaults, faults=()):
    """Lines of a function that gives what train() takes, where that is not its default."""
    lines, _ = model_lines(job, width)
    parameters = "model.parameters()"
    if "not-in-optimizer" in faults:
        parameters = f"[p for i in {trained(job, width)} for p in model[i].parameters()]"
    lines.append(optimizer_line(job, parameters))
    for name in faults:
        lines += FAULTS.get(name, [])
    loss, _ = loss_text(job, y)
    words = {**NEUTRAL, **arguments(job, y)}
    said = "".join(f", {k}={words[k]}" for k, v in defaults.items() if words[k] != v)
    return lines + [f"    return dict(model=model, optimizer=optimizer, loss=lambda out, y: {loss}{said})"]


def trained(job, width):
    """Modules that the optimiser of a script has, which forgets others."""
    _, dense, _ = modules(job["model"]["layers"], width)
    return tuple(index for index, words in dense if words.get("in_optimizer", True)) or "()"


def arguments(job, y):
    """What train() is told of a job, as text."""
    batch = min(job["training"]["batch"], len(y))
    found = {"x": "X", "y": "Y", "steps": str(job["training"]["steps"]), "batch": str(batch), "predict": "lambda out: out"}
    found.update(data_words(job, y))
    found["clip"] = f"{job['training']['clip_norm']:g}" if job["training"].get("clip_norm") else None
    found["schedule"] = schedule_text(job, math.ceil(len(y) / batch))
    found["pick"] = sampling(job, len(y))
    return {k: v for k, v in found.items() if v is not None}


def loop(before, after):
    """(defaults of train(), its parts) for the arguments of two jobs."""
    asked = {**after, **before}
    defaults = {k: before.get(k, NEUTRAL.get(k)) for k in asked}
    pick = asked.get("pick")
    stepping = ["nn.utils.clip_grad_norm_(model.parameters(), clip)"] * ("clip" in asked) + ["optimizer.step()"]
    stepping += ["scheduler.step()"] * ("schedule" in asked)
    return defaults, {
        "signature": ", ".join(f"{k}={v}" for k, v in defaults.items()),
        "beginning": "    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)\n" * ("schedule" in asked),
        "rows": ROWS[None] if pick is None else f"{ROWS[pick]} if pick else {ROWS[None]}",
        "stepping": "".join(f"        {line}\n" for line in stepping),
    }


# ---- rows ----


def synthetic(x, y, seed=0):
    """Rows with the same means and covariances, class by class, that are nobody's."""
    rng = np.random.default_rng(seed)
    labels = np.unique(y)
    if y.ndim == 1 and len(labels) <= 20:
        found = np.empty_like(x)
        for label in labels:
            part = x[y == label]
            found[y == label] = drawn(rng, part)
        return found, y
    both = drawn(rng, np.column_stack([x, y.reshape(len(y), -1)]))
    return both[:, : x.shape[1]], both[:, x.shape[1] :].reshape(y.shape)


def drawn(rng, rows):
    """As many normal rows with the mean and covariance of these."""
    mean = rows.mean(axis=0, dtype=np.float64)
    if len(rows) < 2:
        return np.repeat(mean[None], len(rows), axis=0).astype(np.float32)
    spread = (rows - mean) / math.sqrt(len(rows) - 1)
    return (mean + rng.standard_normal((len(rows), len(rows))) @ spread if len(rows) < rows.shape[1] else
            mean + rng.standard_normal((len(rows), rows.shape[1])) @ root(spread)).astype(np.float32)


def root(spread):
    """R with R'R = spread'spread."""
    return np.linalg.qr(spread, mode="r")


MEASURES = {
    "regression": '"R2", (1 - (out - Y).pow(2).sum() / (Y - Y.mean(0)).pow(2).sum()).item()',
    "classes": '"accuracy", (out.argmax(1) == Y).float().mean().item()',
    "binary": '"balanced accuracy", sum(((out > {middle:g}) == (Y > {middle:g}))[Y == v].float().mean().item() / 2 for v in Y.unique())',
}


def measure_of(job, y):
    if "cross_entropy" in job["loss"]["type"]:
        return MEASURES["classes"]
    labels = np.unique(y)
    return MEASURES["binary"].format(middle=labels.mean()) if len(labels) == 2 else MEASURES["regression"]


def files_of(job):
    files = job["data"]["files"]
    return files if isinstance(files, list) else [files]


def write(path, capture, job, fixed, title, no_data, faults=()):
    """Writes repro.py and its data; NotRendered where the jobs cannot be said in a few lines."""
    x, y = capture["x"].astype(np.float32), capture["y"]
    y = y.astype(np.int64) if "cross_entropy" in job["loss"]["type"] else y.astype(np.float32)
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    origin = "the rows that were captured"
    if no_data:
        (x, y), origin = synthetic(x, y), "drawn: rows with the moments of those that were captured"
    unsaid = [name for name in faults if name not in FAULTS]
    if unsaid or files_of(fixed) != files_of(job):
        raise NotRendered(", ".join(unsaid) or "rows that are mended")
    defaults, parts = loop(arguments(job, y), arguments(fixed, y))
    before, after = recipe(job, x.shape[1], y, defaults, faults), recipe(fixed, x.shape[1], y, defaults)
    text = TEXT.format(
        title=title, data="repro.npz", origin=origin, block=BLOCK if "Block(" in "".join(before + after) else "",
        before="\n".join(before), after="\n".join(after), measure=measure_of(job, y), **parts,
    )
    np.savez_compressed(path[:-3] + ".npz", x=x, y=y)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
