"""Which loss a training makes small: a call of PyTorch's, or written by hand and recognised by value."""

import torch
import torch.nn.functional as F

from . import graph, lines, ops

BY_HAND = {
    "mse_loss": lambda p, t: (p - t) ** 2,
    "l1_loss": lambda p, t: (p - t).abs(),
    "binary_cross_entropy": lambda p, t: -(
        t * p.clamp(min=1e-38).log() + (1 - t) * (1 - p).clamp(min=1e-38).log()
    ),
    "binary_cross_entropy_with_logits": lambda p, t: F.softplus(p) - p * t,
}


class Loss:
    def __init__(self, name=None, pred=None, target=None, node=None, line=None):
        self.name, self.pred, self.target, self.node, self.line = name, pred, target, node, line
        self.known = {}
        self.why_not = None
        self.by_hand = False
        self.others = []  # names of further losses in the sum
        self.scale = 1.0  # of the whole, against the mean over rows
        self.weights = []  # tensors that the losses of rows are multiplied by
        self.op = None
        self.chain = []  # the calls that made the prediction, last first

    @property
    def end(self):
        """The call that made the prediction, or None."""
        return self.chain[0] if self.chain else None

    @property
    def before_end(self):
        return self.chain[1] if len(self.chain) > 1 else None

    @property
    def is_broadcast(self):
        """Every prediction meets every target."""
        elementwise = self.name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss") or self.by_hand
        if not elementwise or self.pred is None or self.pred.dim() == 0 or len(self.pred) < 2:
            return False
        rows, shapes = len(self.pred), {tuple(self.pred.shape), tuple(self.target.shape)}
        return (rows, 1) in shapes and bool({(rows,), (1, rows)} & shapes)

    def row_weights(self, y):
        """(label, weight) where the loss of a row is multiplied by something that its label decides."""
        for w in self.weights:
            values = w.detach().reshape(-1)
            if len(values) == len(y) and y.ndim == 1:
                for label, value in zip(y.tolist(), values.tolist()):
                    yield label, value


def identify(loss, losses, ends, weights, landmarks):
    found = called(loss, losses, weights) if losses else written(loss, ends, landmarks)
    if found.node is not None:
        found.chain = list(graph.chain(found.node, landmarks))
    return found


def called(loss, losses, weights):
    main = max(losses, key=lambda op: float(op.output.detach().sum().abs()))
    found = Loss(main.name, main.input, main.known["target"], main.parent, main.line)
    found.known, found.op = main.known, main
    found.others = [op.name for op in losses if op is not main]
    rows = main.output.numel()
    found.weights = [w for w in weights if w.numel() == rows and rows > 1]
    if not torch.is_tensor(found.target) or found.node is None:
        found.why_not = "a loss whose prediction has no gradient"
    value = float(main.output.detach().mean())
    if value and not found.others and not found.weights:
        found.scale = float(loss.detach()) / value
    return found


def tensors_near(node, landmarks, depth=12):
    """Tensors without gradients that take part in what is computed above the model."""
    found, wave = [], [node]
    for _ in range(depth):
        below = []
        for n in wave:
            op = landmarks.get(n)
            if op is not None and op.name in ("subtract", "subtract_from"):
                found += [v for v in (op.known.get("input"), op.known.get("other")) if torch.is_tensor(v)]
            if op is None or op.name in ops.BETWEEN:
                for name in ("_saved_self", "_saved_other"):
                    value = graph.saved(n, name)
                    if value is not None:
                        found.append(value)
                below += graph.parents(n) if not graph.is_leaf(n) else []
        wave = below
    return [t for t in found if not t.requires_grad and t.dim() > 0]


def line_of(node, landmarks):
    wave = [node]
    while wave:
        n = wave.pop()
        op = landmarks.get(n)
        if op is not None and op.name in ops.BETWEEN and op.line:
            return op.line
        if op is None and not graph.is_leaf(n):
            wave += graph.parents(n)
    return None


def written(loss, ends, landmarks):
    """Tries every known formula on every prediction and target that were used."""
    for node in ends:
        pred = landmarks[node].output
        for target in tensors_near(loss.grad_fn, landmarks):
            for name, formula in BY_HAND.items():
                for view in (pred, pred.squeeze(-1) if pred.dim() > 1 else pred):
                    scale = ratio(loss, formula, view, target)
                    if scale is not None:
                        found = Loss(name, view, target, node, line_of(loss.grad_fn, landmarks) or lines.here())
                        found.by_hand, found.scale = True, scale
                        return found
    found = Loss(node=ends[0] if ends else None)
    found.pred = landmarks[ends[0]].output if ends else None
    found.why_not = "a loss that is written by hand and is none of the known ones"
    return found


def ratio(loss, formula, pred, target):
    """Loss over the mean of the formula, if it is one that means it; None otherwise."""
    with torch.no_grad():
        try:
            terms = formula(pred.detach().float(), target.detach().float())
        except RuntimeError:
            return None
        mean = float(terms.mean())
        if mean == 0 or mean != mean:
            return None
        scale = float(loss.detach()) / mean
        for value in (1.0, 0.5, float(terms.numel()), terms.numel() / 2):
            if abs(scale / value - 1) < 1e-4:
                return value
    return None
