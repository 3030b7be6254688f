"""One process of PyTorch: `ddp.py NET PEER RANK PORT SECONDS`, NET and PEER as JSON (nets.Net, measure.Peer).

Rank 0 prints a line of JSON. The loop is what a careful user writes: all data in one tensor, one shuffle an
epoch, batches by indexing it, SGD's fused kernel where there is one, and no read of the loss. With several
ranks DistributedDataParallel over gloo as its documentation advises: gradients straight in its buckets, a
static graph, no broadcast of buffers; compiled: the wrapped model and its loss through torch.compile."""
import json
import os
import resource
import sys
import time

NET, PEER = json.loads(sys.argv[1]), json.loads(sys.argv[2])
os.environ.update({name: str(PEER["threads"]) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")},
                  GLOO_SOCKET_IFNAME="lo")

import torch
import torch.distributed as dist

import nets

WARM_UP = 1.0  # seconds


def layers(net):
    made = []
    for i in range(1, len(net.widths)):
        made += [torch.nn.Linear(net.widths[i - 1], net.widths[i]), torch.nn.ReLU()]
    return torch.nn.Sequential(*made[:-1])


def sgd(model):
    options = {"lr": nets.LEARNING_RATE, "momentum": nets.MOMENTUM}
    try:
        return torch.optim.SGD(model.parameters(), fused=True, **options)
    except (TypeError, RuntimeError):  # PyTorch before 2.4
        return torch.optim.SGD(model.parameters(), **options)


def shares(net, rank):
    """This rank's row numbers of batch after batch, epoch after epoch; the remainder of an epoch is left out."""
    half = net.batch // PEER["ranks"]
    random = torch.Generator().manual_seed(1)
    while True:
        order = torch.randperm(net.rows, generator=random)
        for first in range(0, net.rows - net.batch + 1, net.batch):
            yield order[first + rank * half:first + (rank + 1) * half]


def trainer(net, rank):
    """A function that takes one step."""
    x, y = map(torch.from_numpy, nets.data(net))
    if nets.is_binary(net):
        y, loss_of = y.float().unsqueeze(1), torch.nn.BCEWithLogitsLoss()
    else:
        loss_of = torch.nn.CrossEntropyLoss()
    model = layers(net)
    if PEER["ranks"] > 1:
        model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True,
                                                          broadcast_buffers=False)
    optimizer, batches = sgd(model), shares(net, rank)

    def loss(rows_x, rows_y):
        return loss_of(model(rows_x), rows_y)
    if PEER["compiled"]:
        loss = torch.compile(loss)

    def step():
        rows = next(batches)
        optimizer.zero_grad()
        loss(x[rows], y[rows]).backward()
        optimizer.step()
    return step


def timed(step, steps):
    """Seconds of so many steps; all processes begin together."""
    dist.barrier()
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - begun


def steps_within(step, seconds):
    """How many steps take about so long: the slowest process's answer, the same on all."""
    steps, took = 1, torch.tensor(0.0)
    while True:
        took = torch.tensor(timed(step, steps))
        dist.all_reduce(took, op=dist.ReduceOp.MAX)
        if took.item() > WARM_UP / 2:
            return max(1, round(steps * seconds / took.item()))
        steps *= 2


def main():
    net, rank, port, seconds = nets.Net(**NET), int(sys.argv[3]), sys.argv[4], float(sys.argv[5])
    torch.set_num_threads(PEER["threads"])
    torch.manual_seed(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=PEER["ranks"])
    step = trainer(net, rank)
    for _ in range(3):  # torch.compile works here
        step()
    steps = steps_within(step, seconds)
    took = timed(step, steps)
    peak = torch.tensor(float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
    dist.all_reduce(peak, op=dist.ReduceOp.MAX)
    if rank == 0:
        print(json.dumps({"rows_per_s": steps * net.batch / took, "steps": steps, "seconds": took,
                          "peak": peak.item(), "version": torch.__version__}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
