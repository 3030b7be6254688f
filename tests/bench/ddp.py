"""One process of PyTorch's DistributedDataParallel over gloo: `ddp.py NET RANK PORT SECONDS`.

Rank 0 prints a line of JSON. The loop is what a careful user writes: all data in one tensor, one shuffle an
epoch, batches by indexing it, gradients straight in DDP's buckets, SGD's fused kernel where there is one, and
no read of the loss."""
import json
import os
import resource
import sys
import time

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo")

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
    half = net.batch // nets.RANKS
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
    model = torch.nn.parallel.DistributedDataParallel(layers(net), gradient_as_bucket_view=True)
    optimizer, batches = sgd(model), shares(net, rank)

    def step():
        rows = next(batches)
        optimizer.zero_grad()
        loss_of(model(x[rows]), y[rows]).backward()
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
    net, rank, port, seconds = nets.NETS[int(sys.argv[1])], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=nets.RANKS)
    step = trainer(net, rank)
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
