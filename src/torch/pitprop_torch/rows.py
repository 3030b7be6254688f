"""The rows that batches are made of: each kept once, recognised again by its bytes."""

import numpy as np


def as_rows(values):
    """Tensor [rows, ...] as a contiguous array [rows, columns] or [rows]."""
    array = values.detach().cpu()
    array = array.float().numpy() if array.is_floating_point() else array.numpy()
    array = np.ascontiguousarray(array)
    return array if array.ndim < 2 else array.reshape(len(array), -1)


def hashes(*parts):
    """A hash for each row of all parts together."""
    parts = [np.ascontiguousarray(v).view(np.uint8).reshape(len(v), -1) for v in parts]
    both = np.ascontiguousarray(np.concatenate(parts, axis=1))
    width = np.dtype((np.void, both.shape[1]))
    return [hash(row) for row in both.view(width).ravel().tolist()]


def keys_of(x, y):
    return hashes(x, y)


class Rows:
    """At most `limit` different rows. Equal rows within one pass over the data are different ones."""

    def __init__(self, limit):
        self.limit, self.known = limit, {}
        self.x, self.y = [], []
        self.count = self.idle = 0
        self.passes, self.seen = 0, {}
        self.full = False

    def new_pass(self):
        self.seen = {}
        self.passes += 1

    def add(self, x, y):
        """Whether anything was new."""
        if self.full or self.idle > 2 * self.count + 10000:
            return False  # all rows are known by now
        fresh = []
        for i, key in enumerate(keys_of(x, y)):
            times = self.seen[key] = self.seen.get(key, 0) + 1
            if (key, times) not in self.known and self.count + len(fresh) < self.limit:
                self.known[key, times] = self.count + len(fresh)
                fresh.append(i)
        self.full = self.count + len(fresh) >= self.limit
        self.idle = 0 if fresh else self.idle + len(x)
        if fresh:
            self.x.append(x[fresh])
            self.y.append(y[fresh])
            self.count += len(fresh)
        return bool(fresh)

    def arrays(self):
        return np.concatenate(self.x), np.concatenate(self.y)

    def has(self, key):
        return (key, 1) in self.known
