"""PyTorch over h5py, as users write it: `h5torch.py FILE HOW SECONDS` prints rows a second of one process.

HOW is `rows`: a DataLoader that shuffles, and a data set whose items are rows of the file; or `blocks`: blocks of
65536 rows in random order, each read whole and shuffled in memory."""
import sys
import time

import h5py
import numpy as np
import torch

import ddp
import nets

NET = nets.NETS[2]
BLOCK = 65536


class Rows(torch.utils.data.Dataset):
    def __init__(self, path):
        self.file = h5py.File(path, "r")
        self.x, self.y = self.file["x"], self.file["y"]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], np.float32(self.y[i])


def by_rows(path):
    while True:
        yield from torch.utils.data.DataLoader(Rows(path), NET.batch, shuffle=True, drop_last=True)


def by_blocks(path):
    with h5py.File(path, "r") as file:
        x, y = file["x"], file["y"]
        random = np.random.default_rng(1)
        while True:
            for first in random.permutation(np.arange(0, len(x), BLOCK)):
                block_x = torch.from_numpy(x[first:first + BLOCK])
                block_y = torch.from_numpy(y[first:first + BLOCK]).float()
                order = torch.randperm(len(block_x))
                for at in range(0, len(order) - NET.batch + 1, NET.batch):
                    rows = order[at:at + NET.batch]
                    yield block_x[rows], block_y[rows]


def main():
    path, how, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    torch.set_num_threads(1)
    model, loss_of = ddp.layers(NET), torch.nn.BCEWithLogitsLoss()
    optimizer = ddp.sgd(model)
    batches = {"rows": by_rows, "blocks": by_blocks}[how](path)
    steps, begun = 0, None
    while begun is None or time.perf_counter() - begun < seconds:
        x, y = next(batches)
        optimizer.zero_grad()
        loss_of(model(x), y.unsqueeze(1)).backward()
        optimizer.step()
        steps += 1
        if begun is None:  # the first step warms up
            steps, begun = 0, time.perf_counter()
    print(steps * NET.batch / (time.perf_counter() - begun))


main()
