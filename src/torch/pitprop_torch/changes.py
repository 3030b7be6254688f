"""Repairs that are made to a running script by the same hooks that watch it.

A change is a dict: "do" names a method of Changes, the rest are its arguments. Calls are told by
their name and number within a forward pass, as the capture counted them."""

import builtins
import random

import numpy as np
import torch

from . import lines
from .changes_calls import Calls

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
KEYS = {"epsilon": "eps"}
TORCH = (torch.get_rng_state, torch.set_rng_state)
PYTHON = (random.getstate, random.setstate)
NUMPY = (np.random.get_state, np.random.set_state)


class Changes(Calls):
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
        self.lottery = None
        self.on_inputs = []  # called with what goes into the model
        self.is_shallow = self.is_float = self.one_order = False
        self.fitted = {}  # id of a weight: the layer in its place
        self.eval_asked = self.trained_asked = self.is_kept = self.one_state = self.steps_late = self.back = False
        self.late_training = None  # a module that predicts in eval mode and goes back to training
        self.inside = 0  # model calls that have not ended
        self.leaves, self.states, self.late, self.trained_module = {}, {}, [], None
        for change in wanted:
            words = dict(change)
            getattr(self, words.pop("do"))(**words)

    # ---- what can be wanted ----

    def together(self):
        """Orders of the same length that are drawn before the training are the same order."""
        self.one_order = True

    def same_order(self, old, name, what, args, kwargs):
        """Draws from the state in which the first order of this length was drawn."""
        source = {"torch": TORCH, "random": PYTHON}.get(name.split(".")[0], NUMPY)
        get, put = source
        key = name, lines.rows_of(what)
        now = get()
        first = self.states.setdefault(key, now)
        put(first)
        result = old(what, *args, **kwargs)
        if first is not now:
            put(now)
        return result

    def floats(self):
        """Inputs in the type of the weights, and targets in that of the outputs."""
        self.typed()
        self.is_float = True

    def no_single_rows(self):
        """No batch of one row in training, and eval mode at prediction."""
        self.loader = {"single": False}
        self.eval_mode()

    def inputs(self, mean, scale):
        """What goes into the model is shifted and scaled: as a whole, or column by column."""
        self.input_scale = (torch.tensor(mean), torch.tensor(scale))

    def module_args(self, args):
        if self.is_float and self.module is not None:
            kind = next((p.dtype for p in self.module.parameters()), torch.float32)
            args = tuple(a.to(kind) if torch.is_tensor(a) and a.dtype != kind else a for a in args)
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

    def steps_after(self):
        """A step waits for the backward pass that follows it."""
        self.steps_late = True

    def backward(self):
        """A step is preceded by the backward pass of the last loss."""
        self.back = True

    def one_optimizer(self):
        """Optimisers over the same parameters share their state."""
        self.one_state = True

    def kept(self):
        """A model that is made anew goes on with the weights of the one before."""
        self.is_kept = True

    def eval_mode(self):
        """Predictions are asked of a model in eval mode."""
        self.eval_asked = True

    def trained_model(self):
        """Predictions are asked of the weights that were trained."""
        self.trained_asked = True

    def with_grad(self):
        """no_grad() inside a model that is called with gradients does nothing."""
        old = torch.no_grad.__enter__

        def enter(context):
            if self.inside and torch.is_grad_enabled():
                context.prev = True
                return None
            return old(context)

        torch.no_grad.__enter__ = enter

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
        first = optimizer.param_groups[0]["params"][:1]
        if self.one_state and first:
            optimizer.state = self.states.setdefault(id(first[0]), optimizer.state)
        for group in optimizer.param_groups:
            group["lr"] *= self.times
            group.update({k: v for k, v in self.groups.items() if k in group})
        self.first_rates[id(optimizer)] = [g["lr"] for g in optimizer.param_groups]

    def on_module_call(self, module):
        self.module = module
        self.inside += 1
        if torch.is_grad_enabled():
            if self.is_kept and self.trained_module is not None and self.trained_module is not module:
                self.take_weights(module)
            self.trained_module = module
        else:
            if self.trained_asked:
                self.take_weights(module)
            if self.eval_asked and module.training:
                module.eval()
                self.late_training = module
        if self.train_mode and torch.is_grad_enabled() and not module.training:
            module.train()
        if self.all_parameters:
            for p in module.parameters():
                p.requires_grad_(True)

    def take_weights(self, module):
        """Those of the model that was trained last, where they fit."""
        mine, its = module.state_dict(), self.trained_module.state_dict() if self.trained_module else {}
        if module is not self.trained_module and {k: v.shape for k, v in mine.items()} == {k: v.shape for k, v in its.items()}:
            module.load_state_dict(its)

    def after_module_call(self, module):
        self.inside -= 1
        if self.late_training is module:
            module.train()
        self.late_training = None

    def after_backward(self, landmarks):
        """Parameters of layers that the module does not know; steps that wait."""
        if self.all_parameters:
            for op in landmarks.values():
                for name in ("weight", "bias"):
                    p = op.known.get(name)
                    if torch.is_tensor(p) and p.is_leaf and p.requires_grad:
                        self.leaves[id(p)] = p
        waiting, self.late = self.late, []
        for old, optimizer, args, kwargs in waiting:
            self.step(old, optimizer, args, kwargs)

    def on_step(self, old, optimizer, args, kwargs):
        if self.steps_late:
            self.late.append((old, optimizer, args, kwargs))
            return None
        return self.step(old, optimizer, args, kwargs)

    def step(self, old, optimizer, args, kwargs):
        if self.all_parameters and self.module is not None and id(optimizer) not in self.added:
            self.added.add(id(optimizer))
            known = {id(p) for g in optimizer.param_groups for p in g["params"]}
            everything = {id(p): p for p in self.module.parameters()}
            everything.update(self.leaves)
            missing = [p for key, p in everything.items() if key not in known]
            if missing:
                optimizer.add_param_group({"params": missing})
        for key, layer in self.fitted.items():
            if key not in self.added:
                self.added.add(key)
                optimizer.add_param_group({"params": list(layer.parameters())})
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
            if "single" in self.loader and kwargs.get("sampler") is None:
                rows = kwargs.pop("batch_size", None) or (args[1] if len(args) > 1 else 1)
                args, kwargs = args[:1] + args[2:], dict(kwargs, batch_size=max(rows, 16), drop_last=True)
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
