"""The PyTorch functions that are watched, by the name that the rest of the package uses.

Functions, methods and operators that mean the same share a name. `bind` gives arguments their names,
whichever way a call passed them."""

import torch
import torch.nn.functional as F

T = torch.Tensor

LOSSES = {
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "huber_loss": F.huber_loss,
    "binary_cross_entropy": F.binary_cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "cross_entropy": F.cross_entropy,
    "nll_loss": F.nll_loss,
}

# name: functions, names of positional arguments
WATCHED = {
    "linear": ((F.linear,), ("input", "weight", "bias")),
    "matmul": ((torch.matmul, torch.mm, T.matmul, T.mm, T.__matmul__), ("input", "weight")),
    "addmm": ((torch.addmm, T.addmm), ("bias", "input", "weight")),
    "relu": ((F.relu, torch.relu, torch.relu_, T.relu, T.relu_), ("input",)),
    "leaky_relu": ((F.leaky_relu,), ("input", "slope")),
    "gelu": ((F.gelu,), ("input",)),
    "silu": ((F.silu,), ("input",)),
    "softplus": ((F.softplus,), ("input",)),
    "tanh": ((torch.tanh, F.tanh, T.tanh, T.tanh_, torch.tanh_), ("input",)),
    "sigmoid": (
        (torch.sigmoid, F.sigmoid, T.sigmoid, T.sigmoid_, torch.sigmoid_, torch.special.expit),
        ("input",),
    ),
    "softmax": ((F.softmax, torch.softmax, T.softmax), ("input", "dim")),
    "log_softmax": ((F.log_softmax, torch.log_softmax, T.log_softmax), ("input", "dim")),
    "dropout": ((F.dropout, torch.dropout), ("input", "p", "training")),
    "batch_norm": (
        (F.batch_norm,),
        ("input", "mean", "var", "weight", "bias", "training", "momentum", "eps"),
    ),
    "layer_norm": ((F.layer_norm,), ("input", "shape", "weight", "bias", "eps")),
    "clamp": ((torch.clamp, T.clamp, torch.clip, T.clip, T.clamp_), ("input", "min", "max")),
    "subtract": ((torch.sub, T.sub, T.__sub__, T.subtract, torch.subtract), ("input", "other")),
    "subtract_from": ((T.__rsub__,), ("other", "input")),
    "log": ((torch.log, T.log), ("input",)),
    "detach": ((T.detach, T.detach_, T.data.__get__), ("input",)),
    "round": (
        (torch.round, T.round, torch.floor, T.floor, torch.ceil, T.ceil, torch.sign, T.sign, T.round_, torch.trunc, T.trunc),
        ("input",),
    ),
    "pool": ((torch.mean, T.mean, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d), ("input", "dim")),
    "assign": ((T.__setitem__, T.masked_fill_), ("input", "place", "value")),
    "freeze": ((T.requires_grad_, T.requires_grad.__set__), ("input", "requires_grad")),
    "largest": ((torch.max, T.max, torch.argmax, T.argmax), ("input", "dim")),
}
for _name, _function in LOSSES.items():
    WATCHED[_name] = ((_function,), ("input", "target"))

NAME_OF = {function: name for name, (functions, _) in WATCHED.items() for function in functions}

# Of a loss that is written by hand, above the prediction.
BETWEEN = ("subtract", "subtract_from", "clamp", "log")

PRODUCTS = ("linear", "matmul", "addmm")
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "softplus", "tanh", "sigmoid", "softmax")
# The function object that takes the place of a call, by name.
CALLS = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def bind(name, args, kwargs):
    """Arguments of a call by name; PyTorch's own keywords stay as they are."""
    known = dict(zip(WATCHED[name][1], args))
    known.update(kwargs)
    if "running_mean" in known:
        known["mean"], known["var"] = known.pop("running_mean"), known.pop("running_var")
    if "negative_slope" in known:
        known["slope"] = known.pop("negative_slope")
    return known


def pools_all(known):
    """Whether a call of "pool" takes the mean over all positions of each channel."""
    value, dim = known.get("input"), known.get("dim", known.get("output_size"))
    if not torch.is_tensor(value) or value.dim() < 3:
        return False
    if "output_size" in known or known.get("adaptive"):
        return dim in (1, (1,), (1, 1), [1, 1])
    dims = (dim,) if isinstance(dim, int) else dim
    return dims is not None and {d % value.dim() for d in dims} == set(range(2, value.dim()))


def freezes(known):
    """Of a call of "freeze"."""
    return known.get("requires_grad", True) is False


class Op:
    """One watched call: what went in, and the node of the autograd graph that came out."""

    __slots__ = ("name", "index", "known", "parent", "line", "output")

    def __init__(self, name, index, known, parent, line, output):
        self.name = name  # of WATCHED
        self.index = index  # among the calls of this name since the forward pass began
        self.known = known  # arguments by name
        self.parent = parent  # node of the input before the call, which may be in place
        self.line = line  # (file, line number) of the user's code, or None
        self.output = output

    @property
    def input(self):
        return self.known["input"]
