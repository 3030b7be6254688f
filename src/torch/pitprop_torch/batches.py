"""What a batch is: rows of inputs, outputs and targets that belong together."""

import torch

CLASSES = ("cross_entropy", "nll_loss")


def pair(name, x, pred, target):
    """(x, pred, target) with one row each for every answer that the loss `name` judges; None: they do not fit.
    Positions of sequences and pictures are rows of their own, whose inputs are not told apart."""
    if not all(torch.is_tensor(t) for t in (x, pred, target)) or target.dim() == 0 or pred.dim() == 0 or x.dim() == 0:
        return None
    if target.shape == (1, len(x)):
        target = target.reshape(len(x))
    if name in CLASSES and pred.dim() > 2 and target.dim() == pred.dim() - 1:
        pred, target = pred.movedim(1, -1).reshape(-1, pred.shape[1]), target.reshape(-1)
    if name in CLASSES and target.dim() == 1 and not target.is_floating_point() and len(target) == len(pred):
        told = target >= 0  # others are left out of the loss
        if not bool(told.all()):
            pred, target, x = pred[told], target[told], x[told] if len(x) == len(told) else x
    if name in CLASSES and is_one_hot(pred, target):
        target = target.argmax(dim=1)
    if len(target) != len(pred) or not len(target):
        return None
    return x if len(x) == len(target) else torch.zeros(len(target), 1), pred, target


def is_one_hot(pred, target):
    if target.dim() != 2 or target.shape != pred.shape or target.shape[1] < 2:
        return False
    return bool(((target == 0) | (target == 1)).all()) and bool((target.sum(dim=1) == 1).all())
