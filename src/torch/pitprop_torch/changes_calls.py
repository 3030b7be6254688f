"""Repairs that put something else in the place of a watched call."""

import torch
import torch.nn.functional as F

from . import lines, ops
from .lottery import Lottery


def loss_value(kind, pred, target, classes):
    """The mean loss of another kind on the same outputs and targets."""
    if kind in ("cross_entropy_logits", "cross_entropy"):
        if pred.dim() == 2 and pred.shape[1] > 1:
            return "cross_entropy", F.cross_entropy, (pred, target.reshape(len(pred)).long()), {}
        kind = "bce_logits"
    target = target.reshape(pred.shape).to(pred.dtype)
    name, function = {
        "bce": ("binary_cross_entropy", F.binary_cross_entropy),
        "bce_logits": ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits),
        "mse": ("mse_loss", F.mse_loss),
        "mae": ("l1_loss", F.l1_loss),
        "huber": ("smooth_l1_loss", F.smooth_l1_loss),
    }[kind]
    return name, function, (pred, target), {}


def drawn_by(lottery, change):
    """A call of a loss with drawn targets, and with the change that was there before."""

    def drawn(tracer, name, index, function, args, kwargs):
        args, kwargs = list(args), dict(kwargs)
        holder, place = (kwargs, "target") if "target" in kwargs else (args, 1)
        pred = args[0] if args else kwargs["input"]
        holder[place] = lottery.draw(holder[place], pred.requires_grad)
        call = change or type(tracer).perform
        return call(tracer, name, index, function, tuple(args), kwargs)

    return drawn


def as_wanted(name, pred, target):
    """The target of a loss in the type and shape that the loss takes."""
    if name not in ("cross_entropy", "nll_loss"):
        target = target.reshape(pred.shape) if target.numel() == pred.numel() else target
        return target.to(pred.dtype)
    if target.dim() == 2 and target.shape[1] == 1:
        target = target.squeeze(1)
    return target.long() if target.dim() < pred.dim() else target


class Calls:
    """What Changes can be wanted to do at calls: each enters a replacement in `at`."""

    def shapes(self):
        """Targets as the outputs are shaped."""

        def paired(tracer, name, index, function, args, kwargs):
            known = ops.bind(name, args, kwargs)
            pred = known.pop("input")
            other = "target" if "target" in known else "other"
            target = known.pop(other)
            both = torch.is_tensor(pred) and torch.is_tensor(target)
            if both and pred.shape != target.shape and pred.numel() == target.numel():
                if pred.requires_grad or not target.requires_grad:
                    target = target.reshape(pred.shape)
                else:
                    pred = pred.reshape(target.shape)
            if name == "subtract_from":
                return tracer.perform(name, index, function, (target, pred), known)
            return tracer.perform(name, index, function, (pred, target), known)

        for name in (*ops.LOSSES, "subtract", "subtract_from"):
            if name not in ("cross_entropy", "nll_loss"):
                self.at[name, None] = paired

    def unpooled(self):
        """The positions of each channel in place of their mean; a linear layer that does not fit is replaced."""

        def flattened(tracer, n, i, f, args, kwargs):
            known = ops.bind(n, args, kwargs)
            if not ops.pools_all(known):
                return tracer.perform(n, i, f, args, kwargs)
            value = known["input"].flatten(1)
            adaptive = f in (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)
            return value.reshape(*value.shape, *[1] * (known["input"].dim() - 2)) if adaptive else value

        def fitting(tracer, n, i, f, args, kwargs):
            known = ops.bind(n, args, kwargs)
            value, weight = known["input"], known["weight"]
            if value.shape[-1] == weight.shape[1]:
                return tracer.perform(n, i, f, args, kwargs)
            layer = self.fitted.get(id(weight))
            if layer is None:
                layer = self.fitted[id(weight)] = torch.nn.Linear(value.shape[-1], weight.shape[0])
            return tracer.perform(n, i, f, (value, layer.weight, layer.bias), {})

        self.at["pool", None], self.at["linear", None] = flattened, fitting

    def typed(self):
        """Targets in the type and shape that the loss takes."""
        self.of_targets(lambda name, pred, target: as_wanted(name, pred, target))

    def from_zero(self):
        """Class numbers that begin at 1 begin at 0."""
        self.of_targets(lambda name, pred, target: target - 1)

    def of_targets(self, other):
        def changed(tracer, name, index, function, args, kwargs):
            known = ops.bind(name, args, kwargs)
            pred, target = known.pop("input"), known.pop("target")
            return tracer.perform(name, index, function, (pred, other(name, pred, target)), known)

        for name in ops.LOSSES:
            self.at[name, None] = changed

    def loss(self, kind):
        def other(tracer, name, index, function, args, kwargs):
            known = ops.bind(name, args, kwargs)
            name, function, args, kwargs = loss_value(kind, known["input"], known["target"], 0)
            return tracer.perform(name, index, function, args, kwargs)

        for name in ops.LOSSES:
            self.at[name, None] = other

    def targets(self, shift, scale):
        """(target - shift) / scale goes into the loss."""

        def moved(tracer, name, index, function, args, kwargs):
            args = list(args)
            args[1] = (args[1].to(args[0].dtype) - shift) / scale
            return tracer.perform(name, index, function, tuple(args), kwargs)

        for name in ops.LOSSES:
            self.at[name, None] = moved

    def class_weights(self, pairs, given):
        """pairs: (label, weight); given: those that the script multiplies by already."""
        weights, given = dict(pairs), dict(given)

        def weighed(tracer, name, index, function, args, kwargs):
            known = ops.bind(name, args, kwargs)
            pred, target = known["input"], known["target"]
            each = torch.tensor(
                [weights.get(v, 1.0) / (given.get(v) or 1.0) for v in target.reshape(-1).tolist()]
            )
            asked = known.get("reduction", "mean")
            kwargs = {k: v for k, v in kwargs.items() if k not in ("weight", "pos_weight")}
            kwargs["reduction"] = "none"
            losses = tracer.perform(name, index, function, (pred, target), kwargs)
            losses = losses * each.reshape(losses.shape)
            return losses.mean() if asked == "mean" else losses.sum() if asked == "sum" else losses

        for name in ops.LOSSES:
            self.at[name, None] = weighed

    def skip(self, name, index):
        """The call gives back what it gets."""
        self.at[name, index] = lambda tracer, n, i, f, args, kwargs: ops.bind(n, args, kwargs)["input"]

    def activation(self, name, index, to):
        def swapped(tracer, n, i, f, args, kwargs):
            value = ops.bind(n, args, kwargs)["input"]
            return value if to == "identity" else tracer.perform(to, i, ops.CALLS[to], (value,), {})

        self.at[name, index] = swapped

    def after(self, name, index, to):
        """An activation on what the call gives."""

        def followed(tracer, n, i, f, args, kwargs):
            value = tracer.perform(n, i, f, args, kwargs)
            if to == "softmax":
                return tracer.perform("softmax", -1, torch.softmax, (value, 1), {})
            return tracer.perform(to, -1, ops.CALLS[to], (value,), {})

        self.at[name, index] = followed

    def columns(self, name):
        """softmax over the columns of each row."""

        def over_columns(tracer, n, i, f, args, kwargs):
            value = ops.bind(n, args, kwargs)["input"]
            function = F.log_softmax if n == "log_softmax" else F.softmax
            return tracer.perform(n, i, function, (value,), {"dim": -1})

        self.at[name, None] = over_columns

    def undetached(self, at_lines):
        def kept(tracer, n, i, f, args, kwargs):
            value, at = args[0], lines.here()
            if at is not None and at[1] in at_lines and torch.is_grad_enabled():
                return value
            return f(*args, **kwargs)

        self.at["detach", None] = kept

    def compared(self):
        """The largest of one column says nothing: over 0 or not. The largest of a batch: of each row."""

        def over_zero(tracer, n, i, f, args, kwargs):
            known = ops.bind(n, args, kwargs)
            value, dim = known["input"], known.get("dim")
            if isinstance(dim, int) and value.dim() == 2 and value.shape[1] > 1 and dim in (0, -2):
                return f(value, dim=1)
            if dim not in (1, -1) or value.dim() != 2 or value.shape[1] != 1:
                return f(*args, **kwargs)
            answer = (value[:, 0] > 0).long()
            return answer if f in (torch.argmax, torch.Tensor.argmax) else (value[:, 0], answer)

        self.at["largest", None] = over_zero

    def dropout(self, index, rate):
        def other(tracer, n, i, f, args, kwargs):
            known = ops.bind(n, args, kwargs)
            training = known.get("training", True)
            return tracer.perform(n, i, F.dropout, (known["input"], rate, training), {})

        self.at["dropout", index] = other

    def standardise(self, name, index, mean, scale):
        shift, by = torch.tensor(mean), torch.tensor(scale)

        def scaled(tracer, n, i, f, args, kwargs):
            args = list(args)
            at = 1 if n == "addmm" else 0
            if args[at].shape[-1] == len(shift):
                args[at] = (args[at] - shift.to(args[at].dtype)) / by.to(args[at].dtype)
            return tracer.perform(n, i, f, tuple(args), kwargs)

        self.at[name, index] = scaled

    def init(self, name, index, weight):
        """Fresh weights before the first step: PyTorch's own where weight is "default"."""
        done = []

        def fresh(tracer, n, i, f, args, kwargs):
            known = ops.bind(n, args, kwargs)
            if not done:
                done.append(True)
                with torch.no_grad():
                    w, b = known["weight"], known.get("bias")
                    inputs = w.shape[1] if n == "linear" else w.shape[0]
                    bound = inputs**-0.5
                    if weight == "he":
                        w.normal_(0, (2 / inputs) ** 0.5)
                    else:
                        w.uniform_(-bound, bound)
                    if b is not None:
                        b.uniform_(-bound, bound)
            return tracer.perform(n, i, f, args, kwargs)

        self.at[name, index] = fresh

    def permuted(self):
        """Targets of other rows: what is learnt from them is learnt by heart. Stands last among changes."""
        self.lottery = Lottery()
        self.on_inputs.append(self.lottery.see)
        self.at.update({(name, None): drawn_by(self.lottery, self.at.get((name, None))) for name in ops.LOSSES})

    def undropped(self):
        """Predictions are asked without dropout."""

        def kept(tracer, n, i, f, args, kwargs):
            if not torch.is_grad_enabled():
                return ops.bind(n, args, kwargs)["input"]
            return tracer.perform(n, i, f, args, kwargs)

        self.at["dropout", None] = kept

    def unmasked(self):
        """Values that are written into what the model has computed are not written."""

        def unwritten(tracer, n, i, f, args, kwargs):
            value = args[0]
            return value if value.grad_fn is not None else tracer.perform(n, i, f, args, kwargs)

        self.at["assign", None] = unwritten
