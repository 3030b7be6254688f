"""Repairs that are made to a running script by the same hooks that watch it.

A change is a dict: "do" names a method of Changes, the rest are its arguments. Calls are told by
their name and number within a forward pass, as the capture counted them."""

import builtins

import torch
import torch.nn.functional as F

from . import ops
from .lottery import Lottery

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
KEYS = {"epsilon": "eps"}


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


class Changes:
    def __init__(self, wanted):
        self.at = {}  # (name, index): replacement; index None: every call of the name
        self.times = 1.0
        self.constant_rate = self.no_clipping = False
        self.clip = None
        self.groups, self.other = {}, None
        self.all_parameters = self.zero = self.steps_anyway = False
        self.ready = self.train_mode = False
        self.loader, self.ranges, self.widths = {}, {}, {}
        self.first_rates, self.others, self.added = {}, {}, set()
        self.module = self.input_scale = None
        self.on_inputs = []  # called with what goes into the model
        self.is_shallow = False
        for change in wanted:
            words = dict(change)
            getattr(self, words.pop("do"))(**words)

    # ---- what can be wanted ----

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

    def undetached(self, lines):
        def kept(tracer, n, i, f, args, kwargs):
            from . import lines as places

            value = args[0]
            at = places.here()
            if at is not None and at[1] in lines and torch.is_grad_enabled():
                return value
            return f(*args, **kwargs)

        self.at["detach", None] = kept

    def compared(self):
        """The largest of one column says nothing: over 0 or not."""

        def over_zero(tracer, n, i, f, args, kwargs):
            known = ops.bind(n, args, kwargs)
            value, dim = known["input"], known.get("dim")
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
        lottery = Lottery()
        self.on_inputs.append(lottery.see)
        self.at.update({(name, None): drawn_by(lottery, self.at.get((name, None))) for name in ops.LOSSES})

    def inputs(self, mean, scale):
        """What goes into the model is shifted and scaled: as a whole, or column by column."""
        self.input_scale = (torch.tensor(mean), torch.tensor(scale))

    def module_args(self, args):
        for see in self.on_inputs:
            see(args)
        return args if self.input_scale is None else tuple(self.scaled(a) for a in args)

    def scaled(self, value):
        mean, scale = self.input_scale
        fits = torch.is_tensor(value) and value.is_floating_point() and (not mean.dim() or value.shape[-1:] == mean.shape)
        return (value - mean.to(value)) / scale.to(value) if fits else value

    def shallow(self):
        """Recurrent nets of one layer."""
        self.is_shallow = True

    def rate(self, times):
        self.times *= times

    def constant(self):
        self.constant_rate = True

    def optimizer(self, type, **words):
        self.other = (type, {KEYS.get(k, k): v for k, v in words.items()})

    def group(self, key, value):
        self.groups[key] = value

    def clipped(self, norm):
        self.clip = norm

    def unclipped(self):
        self.no_clipping = True

    def everything(self):
        """All parameters of the model are trained, whatever the optimiser was given."""
        self.all_parameters = True

    def zeroed(self):
        self.zero = True

    def unzeroed(self):
        """Gradients are zeroed after each step and nowhere else."""
        self.zero = True
        torch.optim.Optimizer.zero_grad = lambda optimizer, *args, **kwargs: None

    def steps(self):
        """The optimiser steps after every backward pass."""
        self.steps_anyway = True

    def training_mode(self):
        self.train_mode = True

    def batch(self, size, old):
        self.loader = {"size": size, "old": old}

    def mixed(self):
        self.loader = {"shuffle": True}

    def longer(self, times, counts):
        """Loops over so many epochs or steps go round more often."""
        self.ranges = {count: times for count in counts}

    def wider(self, widths):
        self.widths = {int(k): v for k, v in widths.items()}

    # ---- where they act ----

    def of(self, name, index):
        return self.at.get((name, index)) or self.at.get((name, None))

    def on_optimizer(self, optimizer):
        for group in optimizer.param_groups:
            group["lr"] *= self.times
            group.update({k: v for k, v in self.groups.items() if k in group})
        self.first_rates[id(optimizer)] = [g["lr"] for g in optimizer.param_groups]

    def on_module_call(self, module):
        self.module = module
        if self.train_mode and torch.is_grad_enabled() and not module.training:
            module.train()
        if self.all_parameters:
            for p in module.parameters():
                p.requires_grad_(True)

    def on_step(self, old, optimizer, args, kwargs):
        if self.all_parameters and self.module is not None and id(optimizer) not in self.added:
            self.added.add(id(optimizer))
            known = {id(p) for g in optimizer.param_groups for p in g["params"]}
            missing = [p for p in self.module.parameters() if id(p) not in known]
            if missing:
                optimizer.add_param_group({"params": missing})
        if self.constant_rate:
            for group, lr in zip(optimizer.param_groups, self.first_rates[id(optimizer)]):
                group["lr"] = lr
        parameters = [p for g in optimizer.param_groups for p in g["params"]]
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        if self.other is not None:
            result = self.stand_in(optimizer, parameters).step()
        else:
            result = old(optimizer, *args, **kwargs)
        if self.zero:
            for p in parameters:
                p.grad = None
        return result

    def is_stand_in(self, optimizer):
        return any(other is optimizer for other in self.others.values())

    def stand_in(self, optimizer, parameters):
        """Another optimiser over the same parameters, which follows the script's schedule."""
        kind, words = self.other
        if id(optimizer) not in self.others:
            self.others[id(optimizer)] = OPTIMIZERS[kind](parameters, **words)
        other, first = self.others[id(optimizer)], self.first_rates[id(optimizer)][0]
        for group in other.param_groups:
            group["lr"] = words["lr"] * optimizer.param_groups[0]["lr"] / first
        return other

    def prepare(self, script_globals):
        """Before the script: what constructors and loops are to do otherwise."""
        if self.ranges:
            script_globals["range"] = self.longer_range
        if self.widths:
            self.widen()
        if self.loader:
            self.load_otherwise()
        if self.is_shallow:
            for cls in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
                self.with_words(cls, lambda args, kwargs: (args[:2] + (1,) + args[3:] if len(args) > 2 else args,
                                                           dict(kwargs, num_layers=1) if len(args) < 3 else kwargs))

    def longer_range(self, *bounds):
        r = builtins.range(*bounds)
        times = self.ranges.get(len(r))
        return r if times is None else builtins.range(r.start, r.start + r.step * len(r) * times, r.step)

    def widen(self):
        for cls in (torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.LayerNorm):
            self.with_words(cls, lambda a, k: (tuple(self.widths.get(v, v) if isinstance(v, int) else v for v in a),
                                               {n: self.widths.get(v, v) if isinstance(v, int) and not isinstance(v, bool) else v for n, v in k.items()}))

    def load_otherwise(self):
        def other(args, kwargs):
            if "batch_sampler" in kwargs:
                return args, kwargs
            if "size" in self.loader and (kwargs.get("batch_size") or (args[1] if len(args) > 1 else 1)) == self.loader["old"]:
                args = args[:1] + args[2:] if len(args) > 1 else args
                kwargs = dict(kwargs, batch_size=self.loader["size"])
            if self.loader.get("shuffle") and kwargs.get("sampler") is None and len(args) < 3:
                kwargs = dict(kwargs, shuffle=True)
            return args, kwargs

        self.with_words(torch.utils.data.DataLoader, other)

    @staticmethod
    def with_words(cls, other):
        old = cls.__init__

        def init(self, *args, **kwargs):
            args, kwargs = other(args, kwargs)
            old(self, *args, **kwargs)

        cls.__init__ = init
