"""Any layout that src/data/README.md names, read by 1, 2, 3 and 5 ranks, in memory and streamed, repacked and not,
gives the rows that h5py reads, each exactly once: the print of the rows and the model are those of a
plain file into which h5py has written what it read."""

import os

import h5py
import numpy as np

import support
from support import dense, patched, run

ROWS = 623
random = np.random.default_rng(17)
X = random.integers(-60, 60, (ROWS, 6)).astype("f4")
Y = (X[:, 0] + X[:, 4] > 0).astype("i8")
REAL = random.normal(size=(ROWS, 6)) * 1e-3 + 1e6  # which float32 cuts

# Each way of running comes to each layout's turn; all 24 with all layouts would take minutes.
WAYS = [(ranks, residency, repack) for repack in (None, [], ["--gzip", "1", "--chunk-rows", "40"])
        for residency in ("memory", "stream") for ranks in (1, 2, 3, 5)]


def make(**options):
    def fill(file):
        kind = options.pop("dtype", X.dtype)
        file.create_dataset("x", data=X.astype(kind), dtype=kind, **options)
        file["y"] = Y
    return fill


def packed(file):
    file["x"] = X.astype("i2")
    file["x"].attrs["scale_factor"], file["x"].attrs["add_offset"] = 0.01, 273.15
    file["y"] = Y.astype(bool)


def table(file):
    rows = np.zeros(ROWS, [("a", ">f8", (2,)), ("name", "S3"), ("b", "i1", (4,)), ("y", "?")])
    rows["a"], rows["b"], rows["y"] = X[:, :2], X[:, 2:], Y
    file.create_dataset("t", data=rows, chunks=(50,), compression="gzip")


def compact(file):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    small = X.astype("i1")
    made = h5py.h5d.create(file.id, b"x", h5py.h5t.STD_I8LE, h5py.h5s.create_simple(small.shape), plan)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, small)
    file["y"] = Y.astype("u2")


def joined(file):
    file.create_dataset("left", data=X[:, :1].astype("f2"), chunks=(64, 1))
    file["more/right"] = np.repeat(X[:, 1:].reshape(ROWS, 5, 1), 2, 2)  # [rows, 5, 2]
    file["y"] = Y


LAYOUTS = {
    "contiguous": make(),
    "doubles": lambda f: (f.__setitem__("x", REAL), f.__setitem__("y", Y)),
    "large chunks of gzip": make(chunks=(1000, 6), maxshape=(None, 6), compression="gzip", shuffle=True),
    "chunks across columns": make(chunks=(50, 4), fletcher32=True, dtype=">f8"),
    "chunks of gzip across columns": make(chunks=(37, 5), compression="gzip", dtype="i4"),
    "scale-offset": make(chunks=(100, 6), scaleoffset=0, dtype="i2"),
    "halves": make(chunks=(1, 6), dtype="f2"),
    "packed": packed,
    "compact": compact,
    "table": table,
    "joined": joined,
}


def values(path, kind=None):
    """What h5py reads."""
    with h5py.File(path) as file:
        if kind == "table":
            t = file["t"][()]
            return np.hstack([t["a"], t["b"]]).astype("f4"), t["y"].astype("i8")
        if kind == "joined":
            return np.hstack([file["left"], file["more/right"][()].reshape(ROWS, -1)[:, ::2]]).astype("f4"), file["y"][()]
        x, y = file["x"][()], file["y"][()].astype("i8")
        if kind == "packed":
            x = x * file["x"].attrs["scale_factor"] + file["x"].attrs["add_offset"]
        return x if kind in ("packed", "doubles") else x.astype("f4"), y


class Readings(support.Case):
    def at(self, name):
        return os.path.join(self.scratch, name)

    def job(self, files, **changes):
        return patched({
            "name": "readings",
            "data": {"files": files, "window": 32, "standardise": True, "follow_links": True,
                     "validation": {"fraction": 0.2}},
            "model": {"layers": [dense(5, "tanh"), dense("auto")]},
            "training": {"steps": 9, "batch": 80, "lanes": 8},
            "checkpoint": {"every_steps": 3, "keep": 1}}, changes)

    def outcome(self, job, ranks=1):
        """The print of all rows, and the model."""
        run_ = self.train(job, ranks, f"run-{len(os.listdir(self.scratch))}")
        newest = next(name for name in sorted(os.listdir(f"{run_}/checkpoints")) if name.startswith("step-"))
        _, notes = support.read_safetensors(f"{run_}/checkpoints/{newest}")
        tensors, _ = support.read_safetensors(f"{run_}/model.safetensors")
        return notes["rows"], {name: tensor.tobytes() for name, tensor in tensors.items()}

    def plain(self, x, y):
        return support.write_h5(self.at(f"plain-{len(os.listdir(self.scratch))}.h5"), x=x, y=y)

    def ways(self, number, count=3):
        return [WAYS[(5 * number + 7 * i) % len(WAYS)] for i in range(count)]

    def test_one_file(self):
        for number, (name, fill) in enumerate(LAYOUTS.items()):
            path = self.at(f"layout-{number}.h5")
            with h5py.File(path, "w") as file:
                fill(file)
            more = {"table": {"data.x": ["/t:a", "/t:b"], "data.y": "/t:y"},
                    "joined": {"data.x": ["/left", "/more/right"],
                               "data.columns": [0, 1, 3, 5, 7, 9]}}.get(name, {})
            expected = self.outcome(self.job(self.plain(*values(path, name))))
            for ranks, residency, repack in self.ways(number):
                with self.subTest(name, ranks=ranks, residency=residency, repack=repack):
                    source = path
                    if repack is not None:
                        source = self.at("repacked.h5")
                        rows = {"table": "/t", "joined": "/left"}.get(name, "/x")
                        if name != "table":  # whose rows are told by x, a set of numbers
                            self.expect(run(["repack", path, source, "--x", rows, *repack]))
                        else:
                            source = path
                    job = self.job(source, **more, **{"data.residency": residency})
                    self.assertEqual(self.outcome(job, ranks), expected)

    def test_several_files(self):
        cuts = [0, 1, 200, 433, ROWS]
        for i, (first, end) in enumerate(zip(cuts, cuts[1:])):
            with h5py.File(self.at(f"day-{i}.h5"), "w") as file:
                chunked = {"chunks": (7 + 40 * i, 6), "compression": "gzip"} if i % 2 else {}
                file.create_dataset("x", data=X[first:end], maxshape=(None, 6) if chunked else None, **chunked)
                file["y"] = Y[first:end]
        layout, targets = h5py.VirtualLayout(X.shape, "f4"), h5py.VirtualLayout(Y.shape, "i8")
        for i, (first, end) in enumerate(zip(cuts, cuts[1:])):
            layout[first:end] = h5py.VirtualSource(f"day-{i}.h5", "x", (end - first, 6))
            targets[first:end] = h5py.VirtualSource(f"day-{i}.h5", "y", (end - first,))
        raw = self.at("raw.bin")
        X.tofile(raw)
        with h5py.File(self.at("view.h5"), "w") as file:
            file.create_virtual_dataset("x", layout)
            file.create_virtual_dataset("y", targets)
        with h5py.File(self.at("link.h5"), "w") as file:
            file["x"] = h5py.ExternalLink("view.h5", "/x")
            file.create_dataset("raw", X.shape, "f4", external=[(raw, 0, X.nbytes)])
            file["y"] = Y
        with h5py.File(self.at("view.h5")) as file:
            whole = self.outcome(self.job(self.plain(file["x"][()], file["y"][()])))
        apart = self.outcome(self.job([self.at(f"day-{i}.h5") for i in range(4)]))
        self.assertEqual(apart[0], whole[0])  # windows end with their file: another order
        for number, (files, x, expected) in enumerate((
                (self.at("day-*.h5"), "/x", apart), (self.at("view.h5"), "/x", whole),
                (self.at("link.h5"), "/x", whole), (self.at("link.h5"), "/raw", whole))):
            for ranks, residency, repack in self.ways(number):
                with self.subTest(files, x=x, ranks=ranks, residency=residency, repack=repack):
                    source = files
                    if repack is not None and "view" in files:
                        source = self.at("repacked.h5")
                        self.expect(run(["repack", files, source, "--follow-links", *repack]))
                    job = self.job(source, **{"data.residency": residency, "data.x": x})
                    self.assertEqual(self.outcome(job, ranks), expected)


if __name__ == "__main__":
    support.main()
