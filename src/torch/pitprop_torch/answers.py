"""What a model answers at the end of its script, and how good that is."""

import numpy as np
import torch

from . import graph, measure


def of_graph(training, x, batch_statistics):
    """Outputs that the loss would take, for rows of x."""
    with torch.no_grad():
        blocks = [
            graph.run(training.layers, torch.from_numpy(block), batch_statistics)
            for block in np.array_split(x.astype(np.float32), max(1, len(x) // 20000))
        ]
    return torch.cat(blocks).reshape(len(x), -1).numpy()


def of_module(training, x):
    """Outputs of the module that was trained, in eval mode; None where it cannot be asked."""
    return None if training.module is None else ask(training.module, training, x, False, 512)


def ask(module, training, x, mode, batch):
    """Outputs of a module for rows of x, in training mode or not; its statistics stay as they are."""
    if training.module_input is None:
        return None
    was, kept = module.training, {k: v.clone() for k, v in module.named_buffers()}
    module.train(mode)
    try:
        with torch.no_grad():
            rows = torch.from_numpy(x).reshape(len(x), *training.module_input)
            parts = [module(part) for part in rows.split(batch)]
            out = torch.cat([p[0] if isinstance(p, (tuple, list)) else p for p in parts])
        return out.reshape(len(x), -1).float().numpy() if len(out) == len(x) else None
    except Exception:  # a module that wants more than one tensor, or more than one row
        return None
    finally:
        module.train(was)
        for name, value in module.named_buffers():
            value.copy_(kept[name])


MOST_ASKED = 4000  # rows for which a model is asked as its script asks it
WORSE = 0.03  # what counts as worse predictions, of R2 or of a share; of few rows: as many as chance may move


def has_path(one, other):
    """Whether two modules share parameters."""
    return bool({id(p) for p in one.parameters()} & {id(p) for p in other.parameters()})


def alike(one, other):
    return [tuple(p.shape) for p in one.parameters()] == [tuple(p.shape) for p in other.parameters()]


def as_asked(recorder, training, x, y, usual):
    """Where the script's last predictions come of another mode or model, and are worse than `usual`, the measure in
    eval mode: {kind, line, value, usual}; None otherwise."""
    if training.module is None or not len(x):
        return None
    x, y = x[:MOST_ASKED], y[:MOST_ASKED]
    for module, mode, rows, line in list(recorder.asked.values())[-3:]:
        same = has_path(module, training.module)
        if not same and not alike(module, training.module):
            continue
        if same and module is not training.module:
            continue
        p = ask(module, training, x, mode, max(1, min(rows, 512)))
        if p is None or not usable(training, p):
            continue
        value = judge(training, recorder, y, p)["value"]
        if value < usual - max(WORSE, len(y) ** -0.5):
            kind = "another" if not same else "training" if mode else "eval"
            return {"kind": kind, "line": line, "value": value, "usual": usual}
    return None


def usable(training, p):
    """Whether outputs of the module are those that the loss takes."""
    pred = training.loss.pred
    return pred is not None and p.size // len(p) == max(1, pred.numel() // max(1, len(pred)))


def judge(training, recorder, y, p):
    """Measure of outputs p for targets y."""
    task = measure.task_of(training.loss.name, y, p.shape[1] if p.ndim == 2 else 1)
    p = measure.probabilities(training.loss.name, p.reshape(len(y), -1), recorder.only_at_prediction(training))
    try:
        (name, value), right = measure.score(task, p, y), measure.accuracy(task, p, y)
    except (ValueError, IndexError):  # outputs of another shape than the targets
        name, value, right = "the measure", float("nan"), None
    return {"task": task, "name": name, "value": value, "floor": measure.floor(task, y), "accuracy": right, "rows": len(y)}


def held_out_rows(training):
    if not training.held_out.count:
        return None
    x, y = training.held_out.arrays()
    x_train, y_train = training.rows.first()
    if x.shape[1:] != x_train.shape[1:] or y.shape[1:] != y_train.shape[1:]:
        return None
    fresh = ~training.rows.has(x, y.astype(y_train.dtype))
    return (x[fresh], y[fresh]) if fresh.sum() >= 20 else None
