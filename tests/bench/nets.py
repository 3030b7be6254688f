"""The nets that are measured and their data: what both sides of the comparison share."""
import collections

import numpy as np

RANKS = 2
LEARNING_RATE, MOMENTUM = 0.01, 0.9

# widths: inputs, hidden layers (ReLU), outputs. rows: of the data set, all in memory.
# target: times PyTorch's samples/s; share: of the rate of the bare BLAS products.
Net = collections.namedtuple("Net", "widths batch rows target share")

NETS = [
    Net((28, 300, 300, 300, 300, 1), 512, 100_000, 2.0, None),
    Net((784, 512, 256, 10), 256, 60_000, 2.5, None),
    Net((28, 64, 64, 1), 512, 100_000, 15.0, None),
    Net((1024, 2048, 2048, 2048, 10), 512, 20_000, 1.2, 0.85),
]
SMALL = NETS[2]._replace(rows=10_000)  # start-up to first step


def name(net):
    return "-".join(map(str, net.widths))


def is_binary(net):
    return net.widths[-1] == 1


def data(net):
    """x [rows, inputs] and y [rows]: normal features; the label is the sign or the largest of sums of them."""
    random = np.random.default_rng(1)
    x = random.standard_normal((net.rows, net.widths[0]), dtype=np.float32)
    w = random.standard_normal((net.widths[0], max(2, net.widths[-1])), dtype=np.float32)
    return x, (x @ w).argmax(axis=1)


def job(net, files, lanes, steps, log_steps):
    hidden = [{"type": "dense", "units": n, "activation": "relu"} for n in net.widths[1:-1]]
    return {
        "name": "bench",
        "data": {"files": files, "validation": {"fraction": 0},
                 "task": "binary" if is_binary(net) else "multiclass"},
        "model": {"layers": hidden + [{"type": "dense", "units": net.widths[-1]}]},
        "loss": {"type": "bce_logits" if is_binary(net) else "cross_entropy_logits"},
        "optimizer": {"type": "sgd", "lr": LEARNING_RATE, "momentum": MOMENTUM},
        "training": {"epochs": 0, "steps": steps, "batch": net.batch, "lanes": lanes},
        "monitor": {"log_steps": log_steps, "evaluate_epochs": 1e9},
        "checkpoint": {"every_epochs": 0},
    }
