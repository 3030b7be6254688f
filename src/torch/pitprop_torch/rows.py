"""The rows that batches are made of: each kept once, recognised again by its bytes.

A table of hashes with open addressing says how often a row was kept and how often it came in the pass over
the data that is going on: equal rows within one pass are different ones. Rows stay in memory up to a few
megabytes; then they go to an HDF5 file while the script runs, so that memory does not grow with the data."""

import os

import numpy as np

IN_MEMORY = 32 << 20  # bytes of rows, before the file
SAMPLE = 200000  # rows that are read back for statistics
SAMPLE_BYTES = 256 << 20  # and bytes of them
MOST_BYTES = (512 << 20, 8 << 30)  # that are kept without and with a file
CHUNK = 1 << 20  # bytes of a chunk of the file


def as_rows(values):
    """Tensor [rows, ...] as a contiguous array [rows, columns] or [rows]."""
    array = values.detach().cpu()
    array = array.float().numpy() if array.is_floating_point() else array.numpy()
    array = np.ascontiguousarray(array)
    return array if array.ndim < 2 else array.reshape(len(array), -1)


def hashes(*parts):
    """A hash for each row of all parts together, never 0: int64 [rows]."""
    parts = [np.ascontiguousarray(v).view(np.uint8).reshape(len(v), -1) for v in parts]
    both = np.ascontiguousarray(np.concatenate(parts, axis=1))
    width = np.dtype((np.void, both.shape[1]))
    return np.array([hash(row) or 1 for row in both.view(width).ravel().tolist()], dtype=np.int64)


def keys_of(x, y):
    return hashes(x, y).tolist()


class Table:
    """Hashes, and for each: how often it was kept, and how often it came in the current pass."""

    def __init__(self):
        self.count = 0
        self.make(1 << 12)

    def make(self, slots):
        self.keys = np.zeros(slots, np.int64)
        self.kept, self.passes, self.came = (np.zeros(slots, np.int32) for _ in range(3))

    def places(self, keys):
        """The slot of each key; keys are different. New ones get one."""
        place, open_ = keys & (len(self.keys) - 1), np.arange(len(keys))
        while len(open_):
            at = place[open_]
            empty = self.keys[at] == 0
            self.keys[at[empty]] = keys[open_[empty]]  # of several for one slot the last has it
            lost = self.keys[at] != keys[open_]
            self.count += int(np.count_nonzero(empty & ~lost))
            open_ = open_[lost]
            place[open_] = (place[open_] + 1) & (len(self.keys) - 1)
        return place

    def has(self, keys):
        """Whether each key was kept."""
        place, open_ = keys & (len(self.keys) - 1), np.arange(len(keys))
        while len(open_):
            at = self.keys[place[open_]]
            open_ = open_[(at != 0) & (at != keys[open_])]
            place[open_] = (place[open_] + 1) & (len(self.keys) - 1)
        return self.keys[place] == keys

    def grow(self):
        used = np.flatnonzero(self.keys)
        old = [column[used] for column in (self.keys, self.kept, self.passes, self.came)]
        self.count = 0
        self.make(2 * len(self.keys))
        place = self.places(old[0])
        self.kept[place], self.passes[place], self.came[place] = old[1:]

    def fresh(self, keys, current, most):
        """Rows of a batch that were not kept before, at most so many; they are kept now."""
        different, first, inverse, times = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        while 2 * (self.count + len(different)) > len(self.keys):
            self.grow()
        place = self.places(different)
        self.came[place[self.passes[place] != current]] = 0
        self.passes[place] = current
        rank = occurrence(inverse.reshape(-1), times)
        found = np.flatnonzero(rank + self.came[place][inverse.reshape(-1)] >= self.kept[place][inverse.reshape(-1)])[:most]
        self.came[place] += times.astype(np.int32)
        np.add.at(self.kept, place[inverse.reshape(-1)[found]], 1)
        return found


def occurrence(group, sizes):
    """How many of the same group stand before each."""
    order = np.argsort(group, kind="stable")
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank


class Rows:
    """At most `limit` different rows. path: of the HDF5 file (/x, /y) for more than memory takes, or None."""

    def __init__(self, limit, path=None):
        self.limit, self.path, self.table = limit, path, Table()
        self.x, self.y, self.bytes, self.total = [], [], 0, 0
        self.count = self.idle = self.passes = 0
        self.full = False
        self.file = None

    @property
    def is_done(self):
        """All rows are known by now, or no more are wanted."""
        return self.full or self.idle > 2 * self.count + 10000

    def new_pass(self):
        self.passes += 1

    def add(self, x, y):
        """Whether anything was new."""
        if self.is_done:
            return False
        fresh = self.table.fresh(hashes(x, y), self.passes, self.limit - self.count)
        self.count += len(fresh)
        self.total += fresh.size * (x[:1].nbytes + y[:1].nbytes)
        self.full = self.count >= self.limit or self.total > MOST_BYTES[self.path is not None]
        self.idle = 0 if len(fresh) else self.idle + len(x)
        if len(fresh):
            self.keep(x[fresh], y[fresh])
        return len(fresh) > 0

    def keep(self, x, y):
        self.x.append(x)
        self.y.append(y)
        self.bytes += x.nbytes + y.nbytes
        if self.bytes > IN_MEMORY and self.path is not None:
            self.spill()

    def spill(self):
        """What is in memory goes to the end of the file."""
        import h5py

        parts = {"x": np.concatenate(self.x), "y": np.concatenate(self.y)}
        if self.file is None:
            self.file = h5py.File(self.path, "w")
            for name, values in parts.items():
                rows = max(1, CHUNK // max(1, values[:1].nbytes))
                self.file.create_dataset(
                    name, dtype=values.dtype, shape=(0, *values.shape[1:]), maxshape=(None, *values.shape[1:]),
                    chunks=(rows, *values.shape[1:]), track_times=False,
                )
        for name, values in parts.items():
            at = self.file[name]
            at.resize(len(at) + len(values), axis=0)
            at[-len(values) :] = values
        self.x, self.y, self.bytes = [], [], 0

    def has(self, x, y):
        """Which rows of x and y are among those that were kept."""
        return self.table.has(hashes(x, y))

    def arrays(self):
        """(x, y) of all rows; of those that went to the file a sample, evenly spaced and in their order."""
        if self.file is None:
            return np.concatenate(self.x), np.concatenate(self.y)
        if self.bytes:
            self.spill()
        return tuple(sample(self.file[name]) for name in ("x", "y"))

    def first(self):
        """(x, y) of the first row."""
        if self.file is None:
            return self.x[0][:1], self.y[0][:1]
        return self.file["x"][:1], self.file["y"][:1]

    def close(self):
        """The path of the file with all rows; None: they are in memory."""
        if self.file is None:
            return None
        self.file.close()
        self.file = None
        return self.path

    def drop(self):
        if self.close() is not None:
            os.unlink(self.path)


def sample(dataset, most=SAMPLE):
    """Rows of a data set, evenly spaced, read block by block."""
    width = max(1, dataset[:1].nbytes)
    step = -(-len(dataset) // max(1, min(most, SAMPLE_BYTES // width)))
    rows = max(1, (8 << 20) // (width * step)) * step
    return np.concatenate([dataset[at : at + rows][::step] for at in range(0, len(dataset), rows)])
