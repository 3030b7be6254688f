"""Watches a script from inside its process: watched calls, backward passes, optimiser steps, modules.

Nothing is changed unless `changes` says so; what is seen goes to a listener."""

import random
import sys
import time

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from . import lines, ops

MOST_OPS = 4000  # that are remembered while no backward pass comes
LINES_FOR = 8  # backward passes for which the lines of calls are looked up


class Tracer(TorchFunctionMode):
    def __init__(self, listener, changes=None):
        super().__init__()
        self.listener, self.changes = listener, changes
        self.landmarks, self.counts = {}, {}
        self.backwards = 0
        self.depth = 0
        self.last_loss = None
        self.quiet = False  # while we compute ourselves
        self.undo, self.optimizers = [], []
        self.seconds = 0.0  # that watching took

    # ---- calls ----

    def __torch_function__(self, function, kinds, args=(), kwargs=None):
        name = ops.NAME_OF.get(function)
        kwargs = kwargs or {}
        if name is None or self.quiet:
            return function(*args, **kwargs)
        return self.call(name, function, args, kwargs)

    def call(self, name, function, args, kwargs):
        index = self.counts.get(name, 0)
        self.counts[name] = index + 1
        if self.changes is not None:
            change = self.changes.of(name, index)
            if change is not None:
                return change(self, name, index, function, args, kwargs)
        return self.perform(name, index, function, args, kwargs)

    def perform(self, name, index, function, args, kwargs):
        known = ops.bind(name, args, kwargs)
        value = known.get("input")
        parent = value.grad_fn if torch.is_tensor(value) else None
        output = function(*args, **kwargs)
        if name in ("assign", "freeze", "pool"):
            self.tell("on_" + name, known, parent)
            return output
        if name == "largest":
            self.tell("on_largest", known, output)
            return output
        if not torch.is_tensor(output) or not torch.is_tensor(value):
            return output
        wants_line = self.backwards < LINES_FOR or name in ops.LOSSES
        op = ops.Op(name, index, known, parent, lines.here() if wants_line else None, output)
        if output.grad_fn is not None and output.grad_fn is not parent:  # dropout in eval mode does nothing
            if len(self.landmarks) > MOST_OPS:
                self.landmarks.clear()
            self.landmarks[output.grad_fn] = op
        self.tell("on_op", op)
        if name in ops.LOSSES:
            self.last_loss = output if output.requires_grad else self.last_loss
            self.counts.clear()
        return output

    def tell(self, event, *args):
        """What the listener cannot read is noted: watching never ends a script."""
        was, self.quiet = self.quiet, True
        begun = time.process_time()
        try:
            getattr(self.listener, event)(*args)
        except Exception as reason:  # whatever a script may do
            self.listener.on_note(f"{event} could not be read: {type(reason).__name__}: {str(reason)[:200]}")
        finally:
            self.quiet = was
            self.seconds += time.process_time() - begun

    # ---- what is not a tensor function ----

    def start(self):
        self.wrap(torch.autograd, "backward", self.on_backward)
        self.wrap(torch.nn.Module, "__call__", self.on_module)
        self.wrap(torch.optim.Optimizer, "__init__", self.on_optimizer)
        self.wrap(torch.nn.Module, "train", self.on_train)
        for owner, name in ((np.random, "shuffle"), (np.random, "permutation"), (random, "shuffle"), (torch, "randperm")):
            self.watch_order(owner, name)
        self.wrap(torch.utils.data.DataLoader, "__iter__", self.on_loader)
        self.wrap(torch.nn.utils, "clip_grad_norm_", self.on_clip)
        self.wrap(torch.nn.utils, "clip_grad_value_", self.on_clip_value)
        for name in ("compile", "jit.script", "jit.trace", "nn.Module.compile"):
            self.run_eagerly(name)
        for cls in vars(torch.optim).values():
            if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer):
                self.wrap_steps(cls)
        self.__enter__()

    def stop(self):
        self.__exit__(None, None, None)
        for owner, name, old in reversed(self.undo):
            setattr(owner, name, old)

    def replace(self, owner, name, new):
        self.undo.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, new)

    def wrap(self, owner, name, handler):
        old = owner.__dict__[name]

        def wrapped(*args, **kwargs):
            return handler(old, *args, **kwargs)

        for member in ("__name__", "__qualname__", "__doc__", "hooked"):
            if hasattr(old, member):
                setattr(wrapped, member, getattr(old, member))
        self.replace(owner, name, wrapped)

    def watch_order(self, owner, name):
        """Orders that the user's own code draws, before the training."""
        old, full = getattr(owner, name), f"{owner.__name__}.{name}"

        def drawn(what, *args, **kwargs):
            if self.quiet or self.backwards or not lines.is_users(sys._getframe(1)):
                return old(what, *args, **kwargs)
            self.tell("on_order", full, lines.rows_of(what))
            if self.changes is not None and self.changes.one_order:
                return self.changes.same_order(old, full, what, args, kwargs)
            return old(what, *args, **kwargs)

        self.replace(owner, name, drawn)

    def run_eagerly(self, name):
        owner = torch
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        if not hasattr(owner, last):
            return

        def eager(model=None, *args, **kwargs):
            self.tell("on_note", f"torch.{name} is left out: the script runs eagerly here")
            return model if model is not None else (lambda function: function)

        self.replace(owner, last, eager)

    def wrap_steps(self, cls):
        """Schedulers want `step` to be a method, so it is wrapped in the class."""
        if "step" in cls.__dict__ and not getattr(cls.__dict__["step"], "watched", False):
            self.wrap(cls, "step", self.on_step)
            cls.__dict__["step"].watched = True

    def on_optimizer(self, old, optimizer, *args, **kwargs):
        old(optimizer, *args, **kwargs)
        self.wrap_steps(type(optimizer))
        self.optimizers.append(optimizer)
        self.tell("on_optimizer", optimizer)
        optimizer.pitprop_line = lines.here()
        if self.changes is not None:
            self.changes.on_optimizer(optimizer)

    def on_step(self, old, optimizer, *args, **kwargs):
        if self.changes is not None and self.changes.is_stand_in(optimizer):
            return old(optimizer, *args, **kwargs)
        if self.changes is not None and self.changes.back and self.last_loss is not None:
            loss, self.last_loss = self.last_loss, None
            torch.autograd.backward(loss)
        self.tell("on_step", optimizer)
        if self.changes is not None:
            return self.changes.on_step(old, optimizer, args, kwargs)
        return old(optimizer, *args, **kwargs)

    def on_backward(self, old, tensors, *args, **kwargs):
        loss = tensors if torch.is_tensor(tensors) else tensors[0]
        self.tell("on_backward", loss, self.landmarks)
        self.backwards += 1
        result = old(tensors, *args, **kwargs)
        self.tell("on_gradients")
        if self.changes is not None:
            self.changes.after_backward(self.landmarks)
        self.landmarks.clear()
        self.counts.clear()
        if self.changes is not None and self.changes.steps_anyway:
            for optimizer in self.optimizers:
                optimizer.step()
        return result

    def on_module(self, old, module, *args, **kwargs):
        outermost = self.depth == 0 and any(True for _ in module.parameters())
        if not outermost:
            return old(module, *args, **kwargs)
        self.counts.clear()
        if self.changes is not None:
            self.changes.on_module_call(module)
            given = self.changes.module_args((*args, *kwargs.values()))
            args, kwargs = given[: len(args)], dict(zip(kwargs, given[len(args) :]))
        mode = module.training
        self.depth += 1
        try:
            output = old(module, *args, **kwargs)
        finally:
            self.depth -= 1
            if self.changes is not None:
                self.changes.after_module_call(module)
        self.tell("on_module", module, mode, (*args, *kwargs.values()), output)
        return output

    def on_train(self, old, module, mode=True):
        if not mode and self.depth == 0:
            self.tell("on_eval", module)
        return old(module, mode)

    def on_loader(self, old, loader):
        self.tell("on_loader", loader)
        return old(loader)

    def on_clip(self, old, parameters, max_norm, *args, **kwargs):
        self.tell("on_clip", float(max_norm))
        if self.changes is not None and self.changes.no_clipping:
            max_norm = float("inf")
        return old(parameters, max_norm, *args, **kwargs)

    def on_clip_value(self, old, parameters, clip_value, *args, **kwargs):
        self.tell("on_note", "gradients are clipped element by element, which jobs do not have")
        return old(parameters, clip_value, *args, **kwargs)
