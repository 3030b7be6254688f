"""From a capture to files: job.json, data.h5, held-out.h5, initial.safetensors."""

import json
import os
import struct

import h5py
import numpy as np

LOSSES = {
    "mse_loss": "mse",
    "l1_loss": "mae",
    "smooth_l1_loss": "huber",
    "huber_loss": "huber",
    "binary_cross_entropy": "bce",
    "binary_cross_entropy_with_logits": "bce_logits",
    "cross_entropy": "cross_entropy_logits",
    "nll_loss": "cross_entropy_logits",
}
OPTIMIZERS = {"SGD": "sgd", "Adam": "adam", "AdamW": "adamw", "RMSprop": "rmsprop", "Adagrad": "adagrad"}


class NotAJob(Exception):
    """The capture is of something that a job cannot say."""


class Layers:
    """Layers of a job, and for each the captured layers that it was made of."""

    def __init__(self, captured, loss):
        self.words, self.sources, self.notes = [], [], []
        for item in captured:
            self.add(item)
        if loss == "nll_loss" and not (captured and captured[-1]["words"]["type"] == "log_softmax"):
            raise NotAJob("NLLLoss on outputs that are no log-probabilities")

    def add(self, item):
        words = dict(item["words"])
        kind = words["type"]
        if kind == "log_softmax":
            if item.get("dim") in (0, -2):
                raise NotAJob("a softmax over the rows of a batch")
            return  # the loss applies its own, which changes nothing
        if kind == "activation" and words["activation"] == "softmax" and item.get("dim") in (0, -2):
            raise NotAJob("a softmax over the rows of a batch")
        slope = words.pop("slope", None)
        if slope is not None and abs(slope - 0.01) > 1e-9:
            self.notes.append(f"leaky_relu has slope {slope:g} in the script, 0.01 in the job")
        last = self.words[-1] if self.words else None
        if kind == "activation" and last and last["type"] == "dense" and "activation" not in last:
            last["activation"] = words["activation"]
            self.sources[-1].append(item)
            return
        if kind == "residual":
            inner = Layers(item["layers"], None)
            words["layers"] = inner.words
            item["inner"] = inner
        if kind == "dense":
            words.update(initial_words(item["initial"]))
        self.words.append(words)
        self.sources.append([item])


def initial_words(initial):
    """How the initial weights look drawn: what another seed would draw."""
    words = {}
    for key, name in (("weight", "init"), ("bias", "bias_init")):
        if key not in initial:
            continue
        values = initial[key].astype(np.float64)
        largest, deviation = np.abs(values).max(), values.std()
        scale = name.replace("init", "scale") if key == "bias" else "init_scale"
        if largest == 0:
            words[name] = "zeros"
        elif values.size > 1 and deviation < 1e-6 * largest:
            words[name], words[scale] = "constant", float(values.flat[0])
        elif values.size == 1 or largest < 2.2 * deviation:  # uniform: the bound is sqrt(3) deviations
            bound = initial["weight"].shape[1] ** -0.5
            usual = largest <= bound * 1.0001
            words[name], words[scale] = "uniform", float(bound if usual else largest)
        else:
            words[name], words[scale] = "normal", float(deviation)
    return words


def optimizer_words(facts, notes):
    settings, name = facts["settings"], facts["name"]
    if name not in OPTIMIZERS:
        raise NotAJob(f"the optimiser {name}")
    words = {"type": OPTIMIZERS[name], "lr": settings.get("initial_lr", settings["lr"])}
    if "momentum" in settings and settings["momentum"]:
        words["momentum"] = settings["momentum"]
        if settings.get("nesterov"):
            words["nesterov"] = True
    if "betas" in settings:
        words["beta1"], words["beta2"] = settings["betas"]
    if name == "RMSprop":
        words["alpha"] = settings["alpha"]
    if "eps" in settings:
        words["epsilon"] = settings["eps"]
    if "weight_decay" in settings:
        words["weight_decay"] = settings["weight_decay"]
    for option in ("amsgrad", "maximize", "centered"):
        if settings.get(option):
            notes.append(f"{option} of the optimiser is not modelled")
    if facts["groups"] > 1:
        notes.append("the optimiser has several groups; the job has the settings of the first")
    return words


def schedule_words(rates, steps_per_epoch, notes):
    """The learning rates of the steps as a schedule of jobs."""
    first = rates[0]
    if np.allclose(rates, first, rtol=1e-6) or first == 0:
        return {}
    change = np.flatnonzero(np.diff(rates) != 0) + 1
    factors = rates[change] / rates[change - 1]
    gaps = np.diff(np.concatenate([[0], change]))
    if np.allclose(factors, factors[0], rtol=1e-3):
        if np.all(gaps == gaps[0]):
            every = float(gaps[0]) / steps_per_epoch
            return {"type": "step", "factor": float(factors[0]), "every": every}
        if len(change) == 1:
            return {"type": "step", "factor": float(factors[0]), "every": change[0] / steps_per_epoch}
    top = int(rates.argmax())
    rest = rates[top:]
    t = np.arange(len(rest)) / max(1, len(rest))
    final = rest[-1] / rest[0]
    cosine = final + (1 - final) * 0.5 * (1 + np.cos(np.pi * t))
    words = {"type": "cosine", "final": float(max(0, min(1, final)))}
    if not np.allclose(rest / rest[0], cosine, atol=0.08):
        if len(change) < 20 and (factors < 1).all():
            notes.append("the learning rate falls at irregular steps; the job lets it fall evenly")
            every = len(rates) / (len(change) + 1) / steps_per_epoch
            return {"type": "step", "factor": float(factors.mean()), "every": float(every)}
        notes.append("the schedule of the learning rate is none of a job's; the nearest one is used")
    if top > 0:
        words["warmup_steps"] = top + 1
    return words


def loss_words(capture, notes):
    loss = capture["loss"]
    known, name = loss["known"], loss["name"]
    if name == "cross_entropy" and (len(loss["pred_shape"]) < 2 or loss["pred_shape"][1] < 2):
        raise NotAJob("cross-entropy of a single output")
    if name not in LOSSES:
        raise NotAJob(f"the loss {name}")
    words = {"type": LOSSES[name]}
    if loss["broadcast"]:
        words["targets"] = "broadcast"
    if known.get("label_smoothing"):
        words["label_smoothing"] = known["label_smoothing"]
    if words["type"] == "huber":
        words["delta"] = known.get("delta", known.get("beta", 1.0))
    if loss["others"]:
        notes.append(f"a sum of losses: only {name} is modelled, not {', '.join(loss['others'])}")
    for key in ("weight", "pos_weight"):
        if isinstance(known.get(key), list) and name not in ("cross_entropy", "nll_loss") and key == "weight":
            notes.append("weights of single elements of the loss are not modelled")
    return words


def class_weights(capture):
    """Weights of the classes in the loss, however the script says them; None: all alike."""
    known, by_label = capture["loss"]["known"], capture["weights_by_label"]
    if isinstance(known.get("weight"), list) and capture["loss"]["name"] in ("cross_entropy", "nll_loss"):
        weights = known["weight"]
        shares = np.bincount(capture["y"].astype(int), minlength=len(weights)) / len(capture["y"])
        mean = float((shares * np.array(weights)).sum()) or 1.0
        return [w / mean for w in weights]  # PyTorch divides by the weights of the batch
    if "pos_weight" in known:
        value = known["pos_weight"]
        value = value[0] if isinstance(value, list) and value else value
        return [1.0, float(value)] if not isinstance(value, list) else None
    if len(by_label) > 1 and set(by_label) <= set(range(len(by_label))):
        return [by_label[label] for label in sorted(by_label)]
    return None


def targets_of(capture, y):
    return y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y


def build(capture, directory):
    """Writes the files and returns (job, Layers, notes)."""
    if not capture["readable"]:
        raise NotAJob(capture["why_not"])
    if not capture["whole"]:
        raise NotAJob("there are layers in front of the first that gradients reach")
    y = capture["y"]
    if y.ndim == 2 and y.shape[1] > 1 and capture["measure"]["task"] == "binary":
        raise NotAJob("several labels a row")
    notes = []
    layers = Layers(capture["layers"], capture["loss"]["name"])
    if not layers.words or not any(w["type"] == "dense" for w in layers.words):
        raise NotAJob("a model without dense layers")
    notes += layers.notes
    used = capture["optimizers"] or capture["built"]
    if not used:
        raise NotAJob("no optimiser of PyTorch")
    if len(used) > 1:
        notes.append("several optimisers; the job has the first")
    y = targets_of(capture, y)
    accumulated = max(1, capture["accumulated"])
    batch = min(capture["count"], capture["batch"] * accumulated)
    if accumulated > 1:
        notes.append(f"gradients of {accumulated} batches are summed: a batch of {batch} in the job")
        if capture["loss"]["scale"] * accumulated > 1.5:
            notes.append(f"the sum is not divided by {accumulated}: steps are as many times larger than the job's")
    if capture["loss"]["scale"] > 1.5:
        notes.append(f"the loss is {capture['loss']['scale']:g} times the mean; the job has the mean")
    steps_per_epoch = max(1, -(-capture["count"] // batch))
    loss = loss_words(capture, notes)
    mixing = loss.get("targets") == "broadcast" or any(w["type"] == "batch_norm" for w in layers.words)
    steps = max(1, capture["steps"] or len(capture["losses"]))
    job = {
        "name": os.path.basename(directory) or "torch",
        "output": os.path.join(directory, "run"),
        "data": {"files": os.path.join(directory, "data.h5"), "validation": {"fraction": 0.2}},
        "model": {"layers": layers.words},
        "loss": loss,
        "optimizer": optimizer_words(used[0], notes),
        "training": {"epochs": 0, "steps": steps, "batch": batch},
        "monitor": {"evaluate_epochs": max(1.0, steps / steps_per_epoch / 10)},
        "checkpoint": {"every_epochs": 0},
    }
    if len(capture["rates"]) > 1:
        schedule = schedule_words(capture["rates"], steps_per_epoch, notes)
        if schedule:
            job["schedule"] = schedule
            job["optimizer"]["lr"] = float(capture["rates"].max() if "warmup_steps" in schedule else capture["rates"][0])
    if mixing:
        job["training"]["lanes"] = 1
    if capture["clip"]:
        job["training"]["clip_norm"] = capture["clip"]
    task = capture["measure"]["task"]
    outputs = layers.words[-1].get("units")
    if capture["loss"]["name"] in ("cross_entropy", "nll_loss"):
        task = "multiclass"
        job["data"]["classes"] = int(max(outputs or 2, y.max() + 1)) if y.ndim == 1 else outputs
    job["data"]["task"] = task
    weights = class_weights(capture)
    if weights:
        job["data"].update(balance="given", class_weights=[float(w) for w in weights])
    if capture["loaders"] and not any(capture["loaders"]):
        job["data"]["shuffle"] = False
    for name, (_, low, high) in capture["at_prediction"].items():
        if name == "clamp" and low is not None and high is not None:
            job["model"].update(at_prediction="clamp", clamp_low=float(low), clamp_high=float(high))
        elif name in ("sigmoid", "softmax") and "logits" not in loss["type"]:
            job["model"]["at_prediction"] = name
    write_rows(os.path.join(directory, "data.h5"), capture)
    if capture["held_out"] is not None:
        held_x, held_y = capture["held_out"]
        path = os.path.join(directory, "held-out.h5")
        write_h5(path, held_x.astype(np.float32), targets_of(capture, held_y))
        job["data"]["validation"] = {"files": path}
    initial = {}
    collect_initial(layers, "", initial)
    write_safetensors(os.path.join(directory, "initial.safetensors"), initial)
    return job, layers, notes


def collect_initial(layers, prefix, found):
    for i, (words, sources) in enumerate(zip(layers.words, layers.sources)):
        path = f"{prefix}layers.{i}"
        item = sources[0]
        if words["type"] == "residual":
            collect_initial(item["inner"], path + ".", found)
        names = {"mean": "running_mean", "var": "running_var"}
        for name, values in item["initial"].items():
            found[f"{path}.{names.get(name, name)}"] = np.ascontiguousarray(values, dtype=np.float32)


def write_h5_sets(path, **sets):
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file.create_dataset(name, data=values, track_times=False)


def write_rows(path, capture):
    """All rows; those that are in a file go from it block by block, and it goes."""
    stored = capture.get("stored")
    if stored is None:
        write_h5(path, capture["x"].astype(np.float32), targets_of(capture, capture["y"]))
        return
    with h5py.File(stored, "r") as source, h5py.File(path, "w") as file:
        x, y = source["x"], source["y"]
        columns = () if y.ndim == 2 and y.shape[1] == 1 else y.shape[1:]
        to_x = file.create_dataset("x", shape=x.shape, dtype=np.float32, track_times=False)
        to_y = file.create_dataset("y", shape=(len(y), *columns), dtype=y.dtype, track_times=False)
        for at in range(0, len(x), x.chunks[0]):
            rows = slice(at, min(at + x.chunks[0], len(x)))
            to_x[rows] = x[rows]
            to_y[rows] = targets_of(capture, y[rows])
    os.unlink(stored)


def write_h5(path, x, y):
    write_h5_sets(path, x=x, y=y)


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(values.tobytes())


def replay(capture, job, layers, directory):
    """(job, losses of the script): the first batches in their order, with the script's weights."""
    first = capture["first"]
    size, summed = len(first[0][0]), max(1, capture["accumulated"])
    first = [b for b in first if len(b[0]) == size]
    first = first[: max(1, len(first) // summed) * summed]
    x = np.concatenate([b[0] for b in first]).astype(np.float32)
    y = targets_of(capture, np.concatenate([b[1] for b in first]))
    path = os.path.join(directory, "replay.h5")
    write_h5(path, x, y)
    twin = json.loads(json.dumps(job))
    twin["output"] = os.path.join(directory, "replay")
    twin["data"].update(files=path, validation={"fraction": 0}, shuffle=False)
    twin["model"]["initial"] = os.path.join(directory, "initial.safetensors")
    twin["training"].update(steps=-(-len(first) // summed), batch=size * summed, lanes=1)
    twin["monitor"] = {"enabled": False, "log_steps": 1, "evaluate_epochs": 1000}
    drop_dropout(twin["model"]["layers"])
    losses = [b[2] / capture["loss"]["scale"] for b in first]
    return twin, [float(np.mean(losses[i : i + summed])) for i in range(0, len(losses), summed)]


def drop_dropout(layers):
    for layer in layers:
        if layer["type"] == "dropout":
            layer["rate"] = 0
        if layer["type"] == "residual":
            drop_dropout(layer["layers"])
