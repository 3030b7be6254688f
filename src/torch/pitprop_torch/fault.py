"""What is told of a fault, and what faults are told of."""

import numpy as np


def fault(name, line, says, remedy, changes, certain=True):
    """certain: it spoils training whatever else is true, so no experiment is needed to name it."""
    return {
        "id": name,
        "line": line,
        "says": says,
        "remedy": remedy,
        "changes": changes,
        "certain": certain,
    }


def names_of(training, wanted):
    if training.module is None:
        return []
    return [name for name, p in training.module.named_parameters() if wanted(name, p)]


def short(names):
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def line_of_optimizer(recorder):
    lines = [getattr(o, "pitprop_line", None) for o in recorder.all_optimizers]
    return lines[-1] if lines else None


def line_of_module(training):
    """Where the model is called."""
    return training.call_line


def labels_of(training):
    _, y = training.rows.arrays()
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    labels, counts = np.unique(y[:100000], return_counts=True)
    return (labels.tolist(), counts.tolist()) if y.ndim == 1 and len(labels) <= 50 else ([], [])
