"""Experiments that hooks can make in any script, whatever its model: one change at a time."""

import numpy as np


def of(capture):
    """[(cause, what is tried, changes)], least change first."""
    found = [(f["id"], f["remedy"], f["changes"]) for f in capture["faults"] if f["changes"] and not f["certain"]]
    if len(found) > 1:
        together = [change for _, _, changes in found for change in changes]
        found.append((" + ".join(cause for cause, _, _ in found), "all of these together", together))
    used = capture["optimizers"] or capture["built"]
    kind = used[0]["name"] if used else ""
    settings = used[0]["settings"] if used else {}
    if capture["recurrent"] > 2:
        change = [{"do": "shallow"}]
        found.append(("recurrent-net-too-deep", f"one layer in place of {capture['recurrent']}", change))
    rates = capture["rates"]
    if len(rates) and rates.max() > 1.001 * rates.min():
        found.append(("learning-rate-schedule", "a constant learning rate", [{"do": "constant"}]))
    if capture["clip"]:
        found.append(("clipping-too-tight", "no clipping", [{"do": "unclipped"}]))
    if (settings.get("weight_decay") or 0) > 1e-3:
        change = {"do": "group", "key": "weight_decay", "value": 0.0}
        found.append(("weight-decay-too-strong", "no weight decay", [change]))
    for times in (0.1, 10, 0.01, 100):
        cause = "learning-rate-too-high" if times < 1 else "learning-rate-too-low"
        found.append((cause, f"learning rate {settings.get('lr', 0) * times:g}", [{"do": "rate", "times": times}]))
    if capture["pooled"]:
        label = f"positions, not their mean (line {capture['pooled'][1]})"
        found.append(("position-lost", label, [{"do": "unpooled"}]))
    for lr in (0.001, 0.005):
        if kind not in ("Adam", "AdamW"):
            change = {"do": "optimizer", "type": "adam", "lr": lr}
            found.append(("unsuitable-optimiser", f"Adam, learning rate {lr:g}", [change]))
    found += of_momentum(kind, settings)
    if not capture["clip"]:
        found.append(("exploding-gradients", "gradients clipped to a norm of 1", [{"do": "clipped", "norm": 1.0}]))
    found += of_inputs(capture)
    found += of_classes(capture)
    counts = sorted({c for c in (capture["steps"], capture["epochs"]) if c > 1})
    change = {"do": "longer", "times": 4, "counts": counts}
    found.append(("too-few-steps", "4 times as long", [change]))
    return found


def of_momentum(kind, settings):
    if kind != "SGD":
        return []
    value = 0.0 if settings.get("momentum") else 0.9
    cause = "momentum-too-high" if settings.get("momentum") else "learning-rate-too-low"
    return [(cause, f"momentum {value:g}", [{"do": "group", "key": "momentum", "value": value}])]


def of_inputs(capture):
    """Columns of a table one by one, anything else as a whole."""
    x = capture["x"]
    if x.dtype.kind != "f" or not x.size:
        return []
    table = len(capture["input_shape"] or (0,)) == 1 and x.ndim == 2
    mean, scale = (x.mean(axis=0), x.std(axis=0)) if table else (x.mean(keepdims=True), x.std(keepdims=True))
    mean, scale = mean.reshape(-1).astype(float), scale.reshape(-1).astype(float)
    scale[scale == 0] = 1
    if np.abs(mean).max() <= 3 and scale.min() > 0.1 and scale.max() < 10:
        return []
    words = {"mean": mean.tolist(), "scale": scale.tolist()} if table else {"mean": float(mean[0]), "scale": float(scale[0])}
    label = "inputs standardised, column by column" if table else f"inputs less {mean[0]:.3g}, divided by {scale[0]:.3g}"
    return [("unscaled-inputs", label, [{"do": "inputs", **words}])]


def of_classes(capture):
    """Weights that make the classes of few labels count alike."""
    y = capture["y"]
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    labels, counts = np.unique(y, return_counts=True)
    if y.ndim != 1 or not 1 < len(labels) <= 20 or counts.max() < 2 * counts.min() or capture["measure"]["task"] == "regression":
        return []
    pairs = [(float(label), len(y) / (len(labels) * int(n))) for label, n in zip(labels, counts)]
    given = sorted(capture["weights_by_label"].items())
    return [("class-imbalance", "classes weighed by 1 / frequency", [{"do": "class_weights", "pairs": pairs, "given": given}])]
