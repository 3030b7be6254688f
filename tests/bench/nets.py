"""The nets that are measured and their data: what both sides of the comparison share."""
import collections

RANKS = 2
LEARNING_RATE, MOMENTUM = 0.01, 0.9

# widths: inputs, hidden layers (ReLU), outputs. rows: of the data set, all in memory.
# target: times the samples/s of PyTorch at its best; share: of the rate of the bare BLAS products; scaling: two
# ranks against one.
Net = collections.namedtuple("Net", "widths batch rows target share scaling")

NETS = [
    Net((28, 300, 300, 300, 300, 1), 512, 100_000, 2.5, 0.70, 1.9),
    Net((784, 512, 256, 10), 256, 60_000, 3.0, 0.70, None),
    Net((28, 64, 64, 1), 512, 100_000, 15.0, None, None),
    Net((1024, 2048, 2048, 2048, 10), 512, 20_000, 1.3, 0.85, 1.9),
]
SMALL = NETS[2]._replace(rows=10_000)  # start-up to first step


def name(net):
    return "-".join(map(str, net.widths))


def label(net):
    return f"{name(net)}, {net.batch}"


def flops(net):
    """Of the products of a row: forward, and backward but for the gradient by the inputs."""
    pairs = list(zip(net.widths, net.widths[1:]))
    return sum(6 * a * b for a, b in pairs) - 2 * pairs[0][0] * pairs[0][1]


def is_binary(net):
    return net.widths[-1] == 1


def data(net):
    """x [rows, inputs] and y [rows]: normal features; the label is the sign or the largest of sums of them."""
    import numpy as np  # here: the other things are wanted without it

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
