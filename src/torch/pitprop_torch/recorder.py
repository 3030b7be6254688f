"""What a script trains, as its calls go by: models, losses, batches, rows, steps, and what is odd."""

import os
from array import array
from collections import Counter, deque

import torch

from . import batches, formulas, graph, lines, ops
from .limits import ROWS, STEPS, THINNED
from .rows import SAMPLE, Rows, as_rows

FIRST_BATCHES = 12  # kept in their order, for the replay
LOOKED_AT = 50  # steps whose gradients are looked at
MOST_OPTIMIZERS = 50  # that are remembered, of scripts that build one for every step


def shape(tensor):
    return tuple(tensor.shape)


def answer_of(output):
    """The first tensor of rows in what a module gives: models may give a tuple, or a dict with a loss."""
    parts = output.values() if isinstance(output, dict) else output
    several = isinstance(output, (dict, tuple, list))
    return next((p for p in parts if torch.is_tensor(p) and p.dim() > 0), None) if several else output


class Training:
    """One model that is trained: the same parameters, the same loss."""

    def __init__(self, limit, store=None):
        """store: the beginning of names of files for rows that memory does not take."""
        self.layers = self.root = None  # as read
        self.why_not = None  # what a job cannot say
        self.loss = None  # formulas.Loss of the first batch
        self.module = None
        self.call_line = self.hidden_line = None  # of the module; of what it computes under no_grad()
        self.eval_line = None  # of the eval() before its first step
        self.asked = None  # how the script asks for predictions, where that differs (answers.as_asked)
        self.module_input = None  # [rows, ...] without the rows
        self.initial = None
        self.rows = Rows(limit, store and store + "rows.h5")
        self.held_out = Rows(limit, store and store + "held-out.h5")
        self.first, self.losses, self.batch_sizes = [], array("d"), Counter()
        self.last, self.last_rows = deque(), 0
        self.optimizers, self.rates, self.steps = {}, array("d"), 0
        self.clip = None
        self.passes, self.orders = 0, []
        self.weights_by_label = {}
        self.training_mode = Counter()
        self.rescued = 0  # steps before which gradients were not zeroed
        self.empty = 0  # steps with no gradient at all
        self.alive = 0  # backward passes that left some
        self.checked = 0
        self.without_gradient = set()
        self.root_input = None
        self.first_plain = None  # the first loss without dropout


class Recorder:
    def __init__(self, limit=ROWS, most_steps=STEPS, store=None, model=None):
        """limit: rows; most_steps: backward passes that are read in full; store: a directory for rows; model: the
        module that is asked about, where it is known."""
        self.model = model
        self.limit, self.most_steps, self.store = limit, most_steps, store
        self.backwards = 0
        self.trainings = {}
        self.current = None
        self.notes, self.loaders = [], {}
        self.module = None  # the last outermost call: (module, first tensor argument, output, mode, line)
        self.roots = {}  # id of the first weight: training
        self.at_prediction = {}
        self.outputs = deque(maxlen=4)  # of models, to recognise what is done to them later
        self.largest_of_one = self.largest_of_batch = None  # where the largest is taken of what has no choice
        self.detached, self.cut_losses = [], []
        self.orders, self.pooled = [], None  # drawn before the training: (name, rows, line); mean over all positions
        self.assigned, self.frozen, self.eval_lines = [], [], {}
        self.asked = {}  # id of a module: (it, whether in training mode, rows, line), since the last backward pass
        self.hidden = {}  # id of a weight that was used under no_grad() in a pass with gradients: line
        self.early_steps, self.forward_waits = 0, False
        self.losses_seen, self.loss_line = 0, None
        self.optimizers_over = Counter()  # id of the first parameter: how many were built
        self.registered = {}  # id of a module that was called: ids of its parameters
        self.used = set()  # ids of parameters that a forward pass has used
        self.all_optimizers = []
        self.pending_clip = None
        self.pass_number = 0
        self.stepped_since_backward = True
        self.accumulated = Counter()
        self.since_step = 0

    def only_at_prediction(self, training):
        """What is applied to outputs beside what the loss sees."""
        end = training.loss.end
        return {k: v for k, v in self.at_prediction.items() if end is None or end.name != k}

    # ---- events ----

    def on_note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def on_op(self, op):
        if op.name in ops.PRODUCTS and not torch.is_grad_enabled():
            self.hidden[id(op.known.get("weight"))] = op.line
        if op.name in ops.PRODUCTS or op.name == "batch_norm":
            self.used |= {id(op.known.get("weight")), id(op.known.get("bias"))}
            training = self.roots.get(id(op.known.get("weight")))
            if training is not None:
                training.root_input = op.input
        if op.name in ("sigmoid", "softmax", "clamp"):
            self.on_squash(op)
        elif op.name == "detach" and op.line and op.parent is not None and op.input.dim() > 0:
            self.detached.append((op.line, op.input.data_ptr()))
            del self.detached[:-200]
        elif op.name in ops.LOSSES and op.input.requires_grad:
            self.losses_seen, self.loss_line = self.losses_seen + 1, op.line
        elif op.name in ops.LOSSES:
            self.on_evaluation(op)

    def on_squash(self, op):
        """A sigmoid or clamp over what a model has answered: perhaps only at prediction."""
        place = op.input.data_ptr()
        for output in self.outputs:
            if output.data_ptr() == place and op.input.numel() == output.numel():
                low, high = (op.known.get(name) for name in ("min", "max"))
                self.at_prediction[op.name] = (op.line or lines.here(), low, high)

    def on_largest(self, known, output):
        value, dim = known.get("input"), known.get("dim")
        if not torch.is_tensor(value) or value.dim() != 2 or not isinstance(dim, int):
            return
        if not any(o.data_ptr() == value.data_ptr() for o in self.outputs):
            return
        if dim in (1, -1) and value.shape[1] == 1 and self.largest_of_one is None:
            self.largest_of_one = lines.here()
        if dim in (0, -2) and value.shape[1] > 1 and self.largest_of_batch is None:
            self.largest_of_batch = lines.here()

    def on_order(self, name, rows):
        if len(self.orders) < 50:
            self.orders.append((name, rows, lines.here()))

    def on_pool(self, known, parent):
        if parent is not None and self.pooled is None and ops.pools_all(known):
            self.pooled = lines.here()

    def on_assign(self, known, parent):
        if parent is not None:
            self.assigned.append(lines.here())
            del self.assigned[:-50]

    def on_freeze(self, known, parent):
        if ops.freezes(known) and len(self.frozen) < 50:
            self.frozen.append(lines.here())

    def on_eval(self, module):
        self.eval_lines[id(module)] = lines.here()

    def on_module(self, module, mode, args, output):
        tensors = [a for a in args if torch.is_tensor(a)]
        first = answer_of(output)
        if not tensors or not torch.is_tensor(first):
            return
        if id(module) not in self.registered:
            self.registered[id(module)] = {id(p) for p in module.parameters()}
        line = lines.here()
        self.module = (module, tensors[0], first, mode, line)
        self.outputs.append(first.detach())
        self.forward_waits = first.requires_grad
        if not first.requires_grad:
            self.hidden.clear()
        rows = len(tensors[0]) if tensors[0].dim() else 0
        known = self.asked.get(id(module))
        if known is None or known[1] != mode or known[2] < rows:
            self.asked[id(module)] = (module, mode, rows, line)

    def on_loader(self, loader):
        self.pass_number += 1
        sampler = getattr(loader, "sampler", None)
        self.loaders[id(loader)] = isinstance(sampler, torch.utils.data.RandomSampler)
        for training in self.trainings.values():
            training.rows.new_pass()

    def on_clip(self, max_norm):
        self.pending_clip = max_norm

    def on_evaluation(self, op):
        """A loss without gradients: rows that the script judges its model by."""
        training = self.current
        x, target = (training.root_input if training else None), op.known["target"]
        batch = batches.pair(op.name, x, op.input, target)
        if batch is None or x.dim() < 2 or batch[0] is not x:
            return
        x, y = as_rows(x), as_rows(batch[2])
        training.held_out.new_pass()  # the same rows again, in the next epoch
        training.held_out.add(x, y)

    def on_backward(self, loss, landmarks):
        self.asked.clear()
        self.forward_waits = False
        if loss.grad_fn is None and len(self.cut_losses) < 50:
            self.cut_losses.append((lines.here(), loss.requires_grad))
        self.backwards += 1
        self.since_step += 1
        if self.backwards > self.most_steps and self.backwards % THINNED and self.current is not None:
            self.current.losses.append(float(loss.detach().sum()))
            return
        training = self.read(loss, landmarks)
        self.current = training
        if training is None:
            return
        training.losses.append(float(loss.detach().sum()))
        if training.module is not None and training.hidden_line is None:
            hidden = [self.hidden[id(p)] for p in training.module.parameters() if id(p) in self.hidden]
            training.hidden_line = hidden[0] if hidden else None
        self.hidden.clear()
        if self.module is not None:
            training.training_mode[self.module[3]] += 1
            training.eval_line = training.eval_line or self.eval_lines.get(id(self.module[0]))
        self.look_at_gradients(training)
        self.keep_batch(training)

    def on_gradients(self):
        training = self.current
        if training is None or training.checked > LOOKED_AT:
            return
        training.alive += any(p.grad is not None and bool(p.grad.any()) for p in training.parameters)
        if training.module is not None:
            training.without_gradient |= {
                name
                for name, p in training.module.named_parameters()
                if p.requires_grad and p.grad is None
            }

    def on_optimizer(self, optimizer):
        first = optimizer.param_groups[0]["params"][:1]
        self.optimizers_over[id(first[0]) if first else None] += 1
        if len(self.all_optimizers) < MOST_OPTIMIZERS:
            self.all_optimizers.append(optimizer)

    def on_step(self, optimizer):
        if self.forward_waits and (self.early_steps or not self.backwards):
            self.early_steps += 1  # from the first step on: a look at the model before a step is no fault
        many = len(self.all_optimizers) >= MOST_OPTIMIZERS
        if not many and not any(o is optimizer for o in self.all_optimizers):  # made before we watched
            self.all_optimizers.append(optimizer)
        training = self.owner_of(optimizer) or self.current
        if training is None:
            return
        if len(training.optimizers) < MOST_OPTIMIZERS:
            training.optimizers.setdefault(id(optimizer), optimizer)
        if optimizer is next(iter(training.optimizers.values())):  # of several, the first counts
            training.steps += 1
            training.rates.append(float(optimizer.param_groups[0]["lr"]))
        self.accumulated[self.since_step] += 1
        self.since_step = 0
        self.stepped_since_backward = True
        if self.pending_clip is not None:
            training.clip, self.pending_clip = self.pending_clip, None
        if training.steps <= LOOKED_AT:
            found = [p.grad for g in optimizer.param_groups for p in g["params"]]
            if all(g is None or not bool(g.any()) for g in found):
                training.empty += 1

    # ---- reading ----

    def owner_of(self, optimizer):
        mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for training in self.trainings.values():
            if mine & {id(p) for p in training.parameters}:
                return training
        return None

    def read(self, loss, landmarks):
        """The training that this loss belongs to, made when it is new."""
        if loss.grad_fn is None:
            return None
        losses, ends, weights = graph.losses_of(loss.grad_fn, landmarks)
        found = formulas.identify(loss, losses, ends, weights, landmarks)
        layers, root, why_not = None, None, found.why_not
        if why_not is None:
            try:
                layers, root = graph.read(found.node, landmarks)
            except graph.NotReadable as reason:
                why_not = str(reason)
        parameters = [t for layer in graph.flat(layers or []) for t in layer.leaves]
        if why_not is None and (root is None or root.dim() != 2):
            why_not = "inputs that are no rows of numbers"
        key = id(parameters[0]) if parameters and why_not is None else id(self.module and self.module[0])
        training = self.trainings.get(key)
        if training is None:
            training = self.trainings[key] = self.begin(layers, root, why_not, found, parameters)
        training.batch = (found, root if why_not is None else (self.module and self.module[1]))
        if why_not is not None and training.why_not is None:
            training.why_not = why_not
        return training

    def begin(self, layers, root, why_not, found, parameters):
        store = self.store and os.path.join(self.store, f"{len(self.trainings)}-")
        training = Training(self.limit, store)
        if found.pred is not None and found.pred.dtype in (torch.float16, torch.bfloat16):
            self.on_note(f"autocast: the script computes in {str(found.pred.dtype)[6:]}, a job in float32: losses differ in the third digit")
        training.layers, training.why_not, training.loss = layers, why_not, found
        training.parameters = [p for p in parameters if p.requires_grad]
        if self.module is not None and self.is_of(self.module[2], found):
            training.module, training.call_line = self.module[0], self.module[4]
            training.module_input = shape(self.module[1])[1:]
            if not training.parameters:
                training.parameters = [p for p in self.module[0].parameters() if p.requires_grad]
        for layer in graph.flat(layers or []):
            layer.initial = {
                name: t.detach().clone() for name, t in layer.tensors.items() if t is not None
            }
            if layer.op is not None and layer is layers[0] and "weight" in layer.tensors:
                self.roots[id(layer.op.known["weight"])] = training
        if any(layer["type"] == "dropout" for layer in graph.flat(layers or [])) and found.op is not None:
            training.first_plain = self.without_dropout(layers, root, found)
        return training

    @staticmethod
    def without_dropout(layers, root, found):
        """The first loss as it were in eval mode; batch norm takes the batch."""
        with torch.no_grad():
            pred = graph.run(layers, root.detach(), True).reshape(found.pred.shape)
            rest = {k: v for k, v in found.known.items() if k not in ("input", "target")}
            return float(ops.LOSSES[found.name](pred, found.target, **rest).mean())

    @staticmethod
    def is_of(output, found):
        return found.pred is not None and output.shape[:1] == found.pred.shape[:1]

    def look_at_gradients(self, training):
        """Before backward, after a step: is there still the old gradient?"""
        if training.checked >= LOOKED_AT or not self.stepped_since_backward:
            return
        self.stepped_since_backward = False
        training.checked += 1
        if any(p.grad is not None and bool(p.grad.any()) for p in training.parameters[-2:]):
            training.rescued += 1

    def keep_batch(self, training):
        found, x = training.batch
        batch = batches.pair(found.name, x, found.pred, found.target)
        if batch is None:
            return
        x, pred, target = batch
        rows_x, rows_y = as_rows(x), as_rows(target)
        if not self.loaders:
            training.rows.new_pass()
        training.rows.add(rows_x, rows_y)
        training.batch_sizes[len(rows_x)] += 1
        answer = as_rows(pred)
        if len(training.first) < FIRST_BATCHES:
            training.first.append((rows_x, rows_y, training.losses[-1]))
        training.last.append((rows_y, answer))
        training.last_rows += len(rows_x)
        while training.last_rows - len(training.last[0][0]) >= min(training.rows.count, SAMPLE):
            training.last_rows -= len(training.last.popleft()[0])
        self.outputs.append(pred.detach())
        for name, w in found.row_weights(rows_y):
            training.weights_by_label[name] = w
