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
    if training.module is None or training.module_input is None:
        return None
    mode = training.module.training
    training.module.eval()
    try:
        with torch.no_grad():
            rows = torch.from_numpy(x).reshape(len(x), *training.module_input)
            parts = [training.module(part) for part in rows.split(512)]
            out = torch.cat([p[0] if isinstance(p, (tuple, list)) else p for p in parts])
        return out.reshape(len(x), -1).float().numpy() if len(out) == len(x) else None
    except Exception:  # a module that wants more than one tensor
        return None
    finally:
        training.module.train(mode)


def judge(training, recorder, y, p):
    """Measure of outputs p for targets y."""
    task = measure.task_of(training.loss.name, y, p.shape[1] if p.ndim == 2 else 1)
    p = measure.probabilities(training.loss.name, p.reshape(len(y), -1), recorder.only_at_prediction(training))
    name, value = measure.score(task, p, y)
    return {"task": task, "name": name, "value": value, "rows": len(y)}


def held_out_rows(training):
    if not training.held_out.count:
        return None
    x, y = training.held_out.arrays()
    x_train, y_train = training.rows.first()
    if x.shape[1:] != x_train.shape[1:] or y.shape[1:] != y_train.shape[1:]:
        return None
    fresh = ~training.rows.has(x, y.astype(y_train.dtype))
    return (x[fresh], y[fresh]) if fresh.sum() >= 20 else None
