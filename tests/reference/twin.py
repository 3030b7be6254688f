"""The PyTorch twin of a Pitprop job: layers, loss, optimiser and schedule from the same JSON.

It computes in float64, so that what Pitprop (float32) deviates by is Pitprop's own rounding.
"""
import json
import math

import numpy
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "softmax": lambda x: F.softmax(x, dim=1),
}


def read_safetensors(path):
    """{name: float32 array} of a safetensors file: u64 header length, JSON header, bytes."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {entry['dtype']}, expected F32")
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[begin:end], "<f4")
        tensors[name] = values.reshape(entry["shape"])
    return tensors


# ---- layers ----


class Dense(nn.Linear):
    def __init__(self, width, spec):
        super().__init__(width, spec["units"], spec.get("bias", True))
        self.spec = spec

    def forward(self, x):
        return ACTIVATIONS[self.spec.get("activation", "identity")](super().forward(x.flatten(1)))


def window(spec, key, default):
    """As PyTorch takes it: a number, a pair or a word."""
    value = spec.get(key, default)
    return tuple(value) if isinstance(value, list) else value


def make_conv(base):
    class Conv(base):
        def __init__(self, channels, spec):
            super().__init__(channels, spec["channels"], window(spec, "kernel", None),
                             window(spec, "stride", 1), window(spec, "padding", 0),
                             window(spec, "dilation", 1), spec.get("groups", 1),
                             spec.get("bias", True))
            self.spec = spec

        def forward(self, x):
            return ACTIVATIONS[self.spec.get("activation", "identity")](super().forward(x))

    return Conv


CONVS = {"conv1d": make_conv(nn.Conv1d), "conv2d": make_conv(nn.Conv2d)}
POOLS = {"max_pool1d": nn.MaxPool1d, "max_pool2d": nn.MaxPool2d,
         "average_pool1d": nn.AvgPool1d, "average_pool2d": nn.AvgPool2d}


class GlobalAveragePool(nn.Module):
    def forward(self, x):
        return x.flatten(2).mean(dim=2)


def make_pool(spec):
    kernel, stride = window(spec, "kernel", 2), window(spec, "stride", "kernel")
    return POOLS[spec["type"]](kernel, kernel if stride == "kernel" else stride,
                               window(spec, "padding", 0))


class Activation(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.function = ACTIVATIONS[spec["activation"]]

    def forward(self, x):
        return self.function(x)


class Sequence(nn.Module):
    """Its parameters are named layers.N.weight and so on, as in Pitprop's model files."""

    def __init__(self, shape, specs):
        super().__init__()
        self.layers = nn.ModuleList()
        for spec in specs:
            layer = make_layer(shape, spec)
            shape = tuple(layer.eval()(torch.zeros(1, *shape)).shape[1:])
            self.layers.append(layer.train())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Residual(Sequence):
    def forward(self, x):
        return x + super().forward(x)


def make_layer(shape, spec):
    kind, width = spec["type"], math.prod(shape)
    if kind == "activation":
        return Activation(spec)
    if kind == "residual":
        return Residual(shape, spec["layers"])
    if kind == "dropout":
        return nn.Dropout(spec["rate"])
    if kind == "flatten":
        return nn.Flatten()
    if kind == "global_average_pool":
        return GlobalAveragePool()
    if kind in POOLS:
        return make_pool(spec)
    epsilon = spec.get("epsilon", 1e-5)
    if kind == "dense":
        layer = Dense(width, spec)
    elif kind in CONVS:
        layer = CONVS[kind](shape[0], spec)
    elif kind == "batch_norm":
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        layer = norm(shape[0], eps=epsilon, momentum=spec.get("momentum", 0.1))
    elif kind == "layer_norm":
        layer = nn.LayerNorm(width, eps=epsilon)
    else:
        raise ValueError(f"no twin of a layer of type {kind}")
    layer.requires_grad_(spec.get("trainable", True))
    return layer


def shape_of_rows(job, columns):
    """Of the model's input, with the channel that [height, width] leaves out."""
    shape = tuple(job["data"].get("x_shape", [columns]))
    is_image = "2d" in job["model"]["layers"][0]["type"]
    return (1,) + shape if is_image and len(shape) == 2 else shape


def make_model(job, width, weights):
    model = Sequence(shape_of_rows(job, width), job["model"]["layers"]).double()
    state = {name: torch.from_numpy(values.astype("f8")) for name, values in weights.items()}
    for name, value in model.state_dict().items():  # PyTorch's own counter, without effect here
        if name.endswith("num_batches_tracked"):
            state[name] = value
    model.load_state_dict(state, strict=True)
    return model


def weights_of(model):
    state = model.state_dict().items()
    return {k: v.numpy() for k, v in state if not k.endswith("num_batches_tracked")}


def penalty(model):
    """l1 sum|w| + l2 sum w^2 of dense and convolution weights, which no logged loss includes."""
    total = torch.zeros((), dtype=torch.float64)
    for layer in model.modules():
        if hasattr(layer, "spec"):
            total = total + layer.spec.get("l1", 0) * layer.weight.abs().sum()
            total = total + layer.spec.get("l2", 0) * layer.weight.square().sum()
    return total


# ---- losses: one number a row ----


def keras_bce(p, t, epsilon):
    return F.binary_cross_entropy(p.clamp(epsilon, 1 - epsilon), t, reduction="none")


def keras_ce(p, t, epsilon):
    q = (p / p.sum(dim=1, keepdim=True)).clamp(epsilon, 1 - epsilon)
    return -(t * q.log()).sum(dim=1)


def quantile(z, t, q):
    return torch.maximum(q * (t - z), (q - 1) * (t - z))


UNIT_LOSSES = {
    "bce": lambda z, t, s: keras_bce(z, t, s.get("epsilon", 1e-7)),
    "bce_logits": lambda z, t, s: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
    "mse": lambda z, t, s: F.mse_loss(z, t, reduction="none"),
    "mae": lambda z, t, s: F.l1_loss(z, t, reduction="none"),
    "huber": lambda z, t, s: F.huber_loss(z, t, reduction="none", delta=s.get("delta", 1.0)),
    "quantile": lambda z, t, s: quantile(z, t, s.get("quantile", 0.5)),
}


def cross_entropy(spec, z, y):
    smoothing = spec.get("label_smoothing", 0.0)
    if y.dim() == 1:
        y = y.long()
    if spec["type"] == "cross_entropy_logits":
        return F.cross_entropy(z, y, reduction="none", label_smoothing=smoothing)
    t = F.one_hot(y, z.shape[1]).double() if y.dim() == 1 else y
    t = t * (1 - smoothing) + smoothing / z.shape[1]
    return keras_ce(z, t, spec.get("epsilon", 1e-7))


def targets_of_units(spec, z, y):
    if spec.get("targets") == "one_hot":
        t = F.one_hot(y.long(), z.shape[1]).double()
    else:
        t = (y[:, None] if y.dim() == 1 else y).expand_as(z)
    if spec["type"].startswith("bce"):
        smoothing = spec.get("label_smoothing", 0.0)
        t = t * (1 - smoothing) + smoothing / 2
    return t


def row_losses(spec, z, y):
    if spec["type"].startswith("cross_entropy"):
        return cross_entropy(spec, z, y)
    loss = UNIT_LOSSES[spec["type"]]
    t = targets_of_units(spec, z, y)
    if spec.get("targets") == "broadcast":  # every prediction with every target
        pairs = (len(z),) + tuple(z.shape)
        return loss(z[:, None].expand(pairs), t[None].expand(pairs), spec).mean(dim=(1, 2))
    return loss(z, t, spec).mean(dim=1)


# ---- optimisers and schedules ----


def make_optimizer(spec, parameters):
    options = dict(spec)
    kind = options.pop("type")
    if "epsilon" in options:
        options["eps"] = options.pop("epsilon")
    if "beta1" in options or "beta2" in options:
        options["betas"] = (options.pop("beta1", 0.9), options.pop("beta2", 0.999))
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
             "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad}
    return kinds[kind](parameters, **options)


def make_scheduler(spec, optimizer, lr, steps, steps_per_epoch):
    """A scheduler that is stepped after every update, or ReduceLROnPlateau after evaluations."""
    kind, warmup = spec.get("type", "constant"), spec.get("warmup_steps", 0)
    factor = spec.get("factor")
    if kind == "plateau":
        return lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=factor, patience=spec["patience"], min_lr=spec.get("min_lr", 0),
            threshold=spec.get("min_delta", 0), threshold_mode="abs")
    if kind == "constant":
        main = lr_scheduler.LambdaLR(optimizer, lambda t: 1.0)
    elif kind == "step":
        every = round(spec["every"] * steps_per_epoch)
        main = lr_scheduler.StepLR(optimizer, every, gamma=factor)
    elif kind == "exponential":
        main = lr_scheduler.ExponentialLR(optimizer, gamma=factor ** (1 / steps_per_epoch))
    elif kind == "inverse_time":
        rate = spec["rate"] / steps_per_epoch
        main = lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + rate * t))
    elif kind == "cosine":
        main = lr_scheduler.CosineAnnealingLR(optimizer, steps - warmup,
                                              eta_min=spec.get("final", 0) * lr)
    if warmup == 0:
        return main
    rise = lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, total_iters=warmup - 1)
    return lr_scheduler.SequentialLR(optimizer, [rise, main], milestones=[warmup])


# ---- training ----


def train(job, x, y, row_weights, initial):
    """Runs the job's steps on consecutive rows.

    Returns what Pitprop logs a step, the final weights, and the loss on all rows with them.
    """
    training = job["training"]
    batch, steps = training["batch"], training["steps"]
    steps_per_epoch = math.ceil(len(x) / batch)
    x, y = torch.from_numpy(x).double(), torch.from_numpy(y).double()
    weight = torch.from_numpy(row_weights).double()
    model = make_model(job, x.shape[1], initial)
    x = x.reshape(len(x), *shape_of_rows(job, x.shape[1]))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(job["optimizer"], parameters)
    schedule = dict(job.get("schedule", {}), min_delta=training.get("min_delta", 0))
    scheduler = make_scheduler(schedule, optimizer, job["optimizer"]["lr"], steps, steps_per_epoch)
    by_loss = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
    watch_steps = max(1, round(job["monitor"].get("evaluate_epochs", 1) * steps_per_epoch))
    log = []

    def evaluate():
        model.eval()
        with torch.no_grad():
            loss = (weight * row_losses(job["loss"], model(x), y)).mean().item()
        model.train()
        return loss

    for step in range(steps):
        first = step % steps_per_epoch * batch
        rows = slice(first, first + batch)
        optimizer.zero_grad()
        loss = (weight[rows] * row_losses(job["loss"], model(x[rows]), y[rows])).mean()
        (loss + penalty(model)).backward()
        most = training.get("clip_norm", 0) or math.inf
        norm = nn.utils.clip_grad_norm_(parameters, most)
        log.append({"loss": loss.item(), "lr": optimizer.param_groups[0]["lr"],
                    "gradient_norm": norm.item()})
        optimizer.step()
        if not by_loss:
            scheduler.step()
        elif (step + 1) % watch_steps == 0:
            scheduler.step(evaluate())
    return log, weights_of(model), evaluate()
