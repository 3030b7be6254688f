"""From the autograd graph of a loss to layers, with the watched calls as landmarks.

Between two landmarks only reshaping, adding (a bias, a residual) and casting are understood; anything
else ends the reading with what could not be read."""

import torch
import torch.nn.functional as F

from . import ops

PASS = (
    "View",
    "Squeeze",
    "Unsqueeze",
    "Reshape",
    "ReshapeAlias",
    "UnsafeView",
    "ToCopy",
    "Flatten",
    "Clone",
    "Alias",
    "T",
    "Transpose",
    "Contiguous",
    "Expand",
)


class NotReadable(Exception):
    """The model does what a job cannot say."""


def kind(node):
    """"AddBackward0" is "Add"."""
    return node.name().split("Backward")[0]


def parents(node):
    return [parent for parent, _ in node.next_functions if parent is not None]


def is_leaf(node):
    return node.name() == "torch::autograd::AccumulateGrad"


def producer(node, landmarks):
    """The watched call that made a value, through reshapes; None: there is none."""
    while node is not None and node not in landmarks and not is_leaf(node):
        if kind(node) not in PASS or not parents(node):
            return None
        node = parents(node)[0]
    return landmarks.get(node)


def chain(node, landmarks):
    """The watched calls from a value back to the input, as long as one follows from the other."""
    while node is not None:
        op = producer(node, landmarks)
        if op is None:
            return
        yield op
        node = op.parent


def leaf_of(node):
    """The parameter behind reshapes; None: something is computed there."""
    while not is_leaf(node):
        if kind(node) not in PASS or len(parents(node)) != 1:
            return None
        node = parents(node)[0]
    return node.variable


class Layer(dict):
    """One layer in the words of a job; `tensors` are its live parameters, `op` the call."""

    def __init__(self, op, tensors=None, **words):
        super().__init__(words)
        self.op, self.tensors = op, tensors or {}
        self.dim = op.known.get("dim") if op is not None else None
        self.leaves = [t for t in self.tensors.values() if t is not None]  # as the script has them


def dense(op, bias=None):
    weight = op.known["weight"]
    if op.name != "linear":  # [in, out]
        weight = weight.t()
    if weight.dim() != 2:
        raise NotReadable("a product of more than two dimensions")
    tensors = {"weight": weight, "bias": op.known.get("bias", bias)}
    if tensors["bias"] is None:
        tensors["bias"] = bias
    layer = Layer(op, tensors, type="dense", units=int(weight.shape[0]))
    layer.leaves = [t for t in (op.known["weight"], tensors["bias"]) if t is not None]
    if tensors["bias"] is None:
        layer["bias"] = False
    if not op.known["weight"].requires_grad:
        layer["trainable"] = False
    return layer


def norm(op):
    known = op.known
    words = {"type": op.name, "epsilon": float(known.get("eps", 1e-5))}
    tensors = {"weight": known.get("weight"), "bias": known.get("bias")}
    if op.name == "batch_norm":
        words["momentum"] = float(known.get("momentum") or 0.1)
        tensors.update(mean=known.get("mean"), var=known.get("var"))
    return Layer(op, tensors, **words)


def layer_of(op):
    """None: nothing that a job needs to say."""
    if op.name in ops.PRODUCTS:
        return dense(op)
    if op.name in ("batch_norm", "layer_norm"):
        return norm(op)
    if op.name == "dropout":
        return Layer(op, type="dropout", rate=float(op.known.get("p", 0.5)))
    if op.name in ops.ACTIVATIONS:
        if op.name == "leaky_relu":
            return Layer(op, type="activation", activation=op.name, slope=op.known.get("slope", 0.01))
        return Layer(op, type="activation", activation=op.name)
    if op.name == "log_softmax":
        return Layer(op, type="log_softmax")
    raise NotReadable(f"{op.name} inside the model")


def find_residual(node, landmarks):
    """Node with two computed parents, one of which leads to the other: (layers, the other)."""
    one, other = parents(node)
    for far, near in ((one, other), (other, one)):
        try:
            layers, _ = read(far, landmarks, stop=near)
        except NotReadable:
            continue
        return layers, near
    raise NotReadable("a sum of two paths that is no residual block")


def read_add(node, landmarks):
    """(layers from last to first, node to go on with) of an addition."""
    found = parents(node)
    leaves = [leaf_of(parent) for parent in found]
    if len(found) == 1:
        return [], found[0]
    if leaves[0] is not None or leaves[1] is not None:
        bias, rest = (leaves[1], found[0]) if leaves[1] is not None else (leaves[0], found[1])
        op = landmarks.get(rest)
        if op is None or op.name not in ("matmul",):
            raise NotReadable("a parameter that is added")
        return [dense(op, bias)], op.parent
    layers, rest = find_residual(node, landmarks)
    return [Layer(None, type="residual", layers=layers)], rest


def read(node, landmarks, stop=None):
    """(layers from first to last, the tensor that goes in) from `stop`, or the beginning, to node."""
    layers, root = [], None
    while node is not None and node is not stop:
        op = landmarks.get(node)
        if op is not None:
            layer = layer_of(op)
            layers.append(layer)
            root, node = op.input, op.parent
        elif is_leaf(node):
            break  # an input that wants a gradient of its own
        elif kind(node) in PASS:
            node = parents(node)[0]
        elif kind(node) == "Add":
            some, rest = read_add(node, landmarks)
            layers += some
            op = landmarks.get(rest) if rest is not None else None
            if some and some[0].op is not None:
                root = some[0].op.input
            node = rest
        else:
            raise NotReadable(f"{kind(node)} inside the model")
    if stop is not None and node is not stop:
        raise NotReadable("a path that leads elsewhere")
    layers.reverse()
    return layers, root


def losses_of(node, landmarks):
    """Loss calls that a loss is made of, and the model calls under what is written by hand."""
    losses, ends, seen, wave = [], [], set(), [node]
    weights = []
    while wave:
        node = wave.pop()
        if node in seen or is_leaf(node):
            continue
        seen.add(node)
        op = landmarks.get(node)
        if op is not None and op.name in ops.LOSSES:
            losses.append(op)
        elif op is not None and op.name not in ops.BETWEEN:
            ends.append(node)
        else:
            if kind(node) == "Mul":
                weights += [w for w in (saved(node, "_saved_self"), saved(node, "_saved_other")) if w is not None]
            wave += parents(node)
    return losses, ends, weights


def saved(node, name):
    try:
        value = getattr(node, name)
    except (AttributeError, RuntimeError):
        return None
    return value if torch.is_tensor(value) else None


def flat(layers):
    for layer in layers:
        yield layer
        if layer["type"] == "residual":
            yield from flat(layer["layers"])


def run(layers, x, batch_statistics=False):
    """Outputs of the layers with the parameters that they have now, without dropout."""
    for layer in layers:
        t = layer.tensors
        if layer["type"] == "dense":
            x = F.linear(x, t["weight"], t["bias"])
        elif layer["type"] == "residual":
            x = x + run(layer["layers"], x, batch_statistics)
        elif layer["type"] == "batch_norm":
            batch = batch_statistics or t["mean"] is None
            mean, var = (None, None) if batch else (t["mean"], t["var"])
            x = F.batch_norm(x, mean, var, t["weight"], t["bias"], batch, 0.0, layer["epsilon"])
        elif layer["type"] == "layer_norm":
            x = F.layer_norm(x, x.shape[1:], t["weight"], t["bias"], layer["epsilon"])
        elif layer["type"] == "activation":
            x = activate(layer, x)
        elif layer["type"] == "log_softmax":
            x = torch.zeros_like(x) if is_over_rows(layer) else F.log_softmax(x, dim=dimension(layer))
    return x


def dimension(layer):
    return -1 if layer.dim is None else layer.dim


def is_over_rows(layer):
    """A softmax over the rows of a batch: what a row gets by itself is 1, and its logarithm 0."""
    return layer.dim in (0, -2)


def activate(layer, x):
    name = layer["activation"]
    if name == "softmax" and is_over_rows(layer):
        return torch.ones_like(x)
    if name == "softmax":
        return F.softmax(x, dim=dimension(layer))
    if name == "leaky_relu":
        return F.leaky_relu(x, layer["slope"])
    return ops.CALLS[name](x)
