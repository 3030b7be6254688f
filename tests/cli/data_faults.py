"""Files that are damaged, locked, replaced, forbidden or of unusual make: on two ranks a clear result each,
which names the file and what to do, and no hang. (Files cut short while they are streamed: streaming.py.)"""

import fcntl
import glob
import os
import shutil
import struct
import subprocess
import sys
import unittest

import numpy as np

import support
from support import dense, patched, run

ROWS, COLUMNS = 4000, 8
RANKS = 2
LIMIT = 60


def rows(seed=3):
    x = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def write(path, **options):
    """x with those options of h5py, and y."""
    import h5py

    x, y = rows()
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, **options)
        file.create_dataset("y", data=y)
    return path


def job_of(path):
    return {
        "name": "fault",
        "data": {"files": path},
        "model": {"layers": [dense(4, "relu"), dense("auto")]},
        "training": {"epochs": 2, "batch": 250, "lanes": 4},
    }


STREAM = {"data.residency": "stream", "data.memory": 2 << 20}
RESIDENCIES = {"memory": {"data.residency": "memory"}, "stream": STREAM}


class Faults(support.Case):
    def path(self, name="data.h5"):
        return os.path.join(self.scratch, name)

    def launch(self, job, more=(), ranks=RANKS):
        """Trains in the scratch directory."""
        support.write_json(self.path("job.json"), job)
        return run(["train", "job.json", "-o", "run", *more], ranks, cwd=self.scratch, limit=LIMIT)

    def trains(self, job, ranks=1):
        """One rank is faster, and gives the same bytes."""
        self.expect(self.launch(job, ["--overwrite"], ranks))
        return support.results(self.path("run"))

    def refused(self, job, *phrases, more=(), code=3):
        return self.expect_error(self.launch(job, more), code, *phrases)

    def flip(self, path, name="x", chunk=5):
        """One bit in the middle of a chunk, or of a contiguous data set."""
        import h5py

        with h5py.File(path, "r") as file:
            place = file[name].id
            where = place.get_chunk_info(chunk) if file[name].chunks else None
            at = where.byte_offset + where.size // 2 if where else place.get_offset() + 4 * 1000 + 1
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 0x10]))


class Bytes(Faults):
    def test_flipped_bit(self):
        """Told by a checksum, and by gzip; without either it cannot be known."""
        for name, options, told in (
            ("checksum", {"chunks": (200, COLUMNS), "fletcher32": True}, "checksum"),
            ("gzip", {"chunks": (200, COLUMNS), "compression": "gzip"}, "does not inflate"),
            ("plain", {}, None),
        ):
            for residency, changes in RESIDENCIES.items():
                with self.subTest(name, residency=residency):
                    path = write(self.path(f"{name}.h5"), **options)
                    job = patched(job_of(path), changes)
                    before = self.trains(job) if told is None else None
                    self.flip(path)
                    if told is None:
                        self.assertNotEqual(self.trains(job, RANKS), before, "nothing was flipped")
                        shutil.rmtree(self.path("run"))
                        continue
                    self.refused(job, path, "/x: ", "cannot be read", told)
                    self.expect_error(run(["inspect", path], RANKS, cwd=self.scratch), 3, path, "/x")

    def test_flipped_bit_in_y(self):
        import h5py

        x, y = rows()
        path = self.path()
        with h5py.File(path, "w") as file:
            file["x"] = x
            file.create_dataset("y", data=y, chunks=(100,), fletcher32=True)
        self.flip(path, "y")
        for changes in RESIDENCIES.values():
            self.refused(patched(job_of(path), changes), path, "/y: rows ", "checksum")

    def test_cut_short(self):
        path = write(self.path())
        for share in (0.9, 0.5, 0.01):
            os.truncate(path, int(os.path.getsize(path) * share))
            self.refused(job_of(path), path, "is damaged or cut short; copy or make it again")


class Replaced(Faults):
    """Between a run's start and --resume."""

    def begun(self, path):
        job = patched(job_of(path), {"checkpoint.every_steps": 3, "checkpoint.keep": 100})
        whole = self.trains(job)
        for newest in sorted(glob.glob(self.path("run/checkpoints/step-*")))[1:]:
            os.remove(newest)
        return job, whole

    def test_by_other_rows(self):
        import h5py

        path = write(self.path())
        held = write(self.path("held.h5"))
        for name, key, change, residency in (
            ("a value of x", "x", lambda a: a.__setitem__((ROWS - 1, COLUMNS - 1), 7.0), "memory"),
            ("a value of x", "x", lambda a: a.__setitem__((0, 0), 7.0), "stream"),
            ("a value of y", "y", lambda a: a.__setitem__(17, 1 - a[17]), "stream"),
            ("the order", "x", lambda a: a.__setitem__(slice(None), a[::-1].copy()), "memory"),
        ):
            with self.subTest(name, residency=residency):
                write(path)
                job, _ = self.begun(path)
                with h5py.File(path, "r+") as file:
                    values = file[key][()]
                    change(values)
                    file[key][...] = values
                self.refused(patched(job, RESIDENCIES[residency]), path, "the rows are not those",
                             "--overwrite", more=["--resume"])
        with self.subTest("a held-out row"):
            write(path)
            job, _ = self.begun(path)
            job = patched(job, {"data.validation": {"files": [held]}})
            self.trains(job)
            with h5py.File(held, "r+") as file:
                file["x"][5, 5] = 3.0
            self.refused(job, "the rows are not those", more=["--resume"])
        for key, first, then in (("groups", rows()[1], 1 - rows()[1] * 2), ("row_weights", 1.0, 5.0)):
            with self.subTest(key):
                def make(values):
                    x, y = rows()
                    support.write_h5(path, x=x, y=y, g=np.full(ROWS, values))

                make(first)
                changes = {f"data.{key}": "/g", "data.validation.fraction": 0.3,
                           "checkpoint.every_steps": 3, "checkpoint.keep": 100}
                job = patched(job_of(path), changes)
                self.trains(job)
                os.remove(sorted(glob.glob(self.path("run/checkpoints/step-*")))[-1])
                make(then)
                self.refused(job, path, "the rows are not those", more=["--resume"])
        with self.subTest("fewer rows"):
            write(path)
            job, _ = self.begun(path)
            x, y = rows()
            support.write_h5(path, x=x[:-1], y=y[:-1])
            self.refused(job, "the rows are not those", more=["--resume"])

    def test_by_the_same_rows(self):
        """In another layout, other residency and on other ranks: it goes on, and to the same bytes."""
        path = write(self.path())
        for residency, changes in RESIDENCIES.items():
            job, whole = self.begun(path)
            self.expect(run(["repack", path, "o.h5", "--chunk-rows", "128"], cwd=self.scratch))
            os.replace(self.path("o.h5"), path)
            job = patched(job, {**changes, "data.window": support.read_json(
                self.path("run/job.json"))["data"]["window"]})
            self.expect(self.launch(job, ["--resume"]))
            found = support.results(self.path("run"))
            for name in ("model.safetensors", "metrics.jsonl", "verdict.json"):
                self.assertEqual(found[name], whole[name], f"{residency}: {name}")
            shutil.rmtree(self.path("run"))
            write(path)


class Copies(Faults):
    """Each rank has its own directory, and other rows in it under the same name."""

    def launch_apart(self, words, ranks=3):
        parts = []
        for rank in range(ranks):
            parts += [":"] * (rank > 0) + ["-n", "1", "--wdir", self.path(f"rank-{rank}"), support.PITPROP, *words]
        return run([], words=["mpirun", *parts], cwd=self.scratch, limit=LIMIT)

    def test_copies_that_differ(self):
        x, y = rows()
        job = support.write_json(self.path("job.json"), patched(job_of("data.h5"), {
            "data.row_weights": "/w", "data.groups": "/g", "data.validation.fraction": 0.2}))
        changed_x, changed_y = x.copy(), y.copy()
        changed_x[-1] += 1
        changed_y[ROWS // 2] ^= 1
        sound = {"x": x, "y": y, "w": y + 1.0, "g": np.arange(ROWS) // 9}
        odd = {
            "x": {"x": changed_x}, "a target": {"y": changed_y}, "a weight": {"w": y + 1.0 + (x[:, 0] > 3)},
            "a group": {"g": np.arange(ROWS) // 9 + (np.arange(ROWS) == 777)},
            "a type": {"x": x.astype("f8")},
            "fewer rows": {key: values[:-1] for key, values in sound.items()},
        }
        for rank in range(3):
            support.write_h5(self.path(f"rank-{rank}/data.h5"), **sound)
        self.expect(self.launch_apart(["check", job]))
        for name, sets in odd.items():
            with self.subTest(name):
                support.write_h5(self.path("rank-2/data.h5"), **{**sound, **sets})
                told = "data.h5: rank 2 has another file under this name than rank 0"
                self.expect_error(self.launch_apart(["train", job, "-o", self.path("run")]), 3, told)
                if "rows" in name:
                    self.expect_error(self.launch_apart(["inspect", "data.h5"]), 3, told)
        support.write_h5(self.path("rank-2/data.h5"), **sound)
        support.write_h5(self.path("rank-0/data.h5"), **{**sound, **odd["x"]})
        told = "data.h5: rank 0 has another file under this name than rank 1"  # as rank 2 has
        self.expect_error(self.launch_apart(["check", job]), 3, told)

    def test_patterns_that_match_more(self):
        for rank in range(2):
            self.folder(f"rank-{rank}")
            for day in range(2 + rank):
                write(self.path(f"rank-{rank}/day-{day}.h5"))
        job = support.write_json(self.path("job.json"), job_of("day-*.h5"))
        self.expect_error(self.launch_apart(["check", job], 2), 3, "day-0.h5: 2 files are named here, and on "
                          "other ranks 2 to 3")


class Access(Faults):
    WRITTEN = "is open for writing in another program"

    def test_locked_by_a_writer(self):
        """Whoever writes holds an exclusive lock; of a reader's nothing is seen."""
        path = write(self.path())
        before = self.trains(job_of(path))
        with open(path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            self.assertEqual(self.trains(job_of(path)), before)
            fcntl.flock(file, fcntl.LOCK_EX)
            self.refused(job_of(path), path, self.WRITTEN, more=["--overwrite"])

    def test_open_in_a_writer(self):
        """Of an older format, which has no mark for it; of the newer, without and with readers beside it;
        and the mark that a writer which died has left."""
        import h5py

        path = write(self.path())
        x, y = rows()
        job = job_of(path)
        with h5py.File(path, "r+") as file:
            file["later"] = y
            for command in (["inspect", path], ["repack", path, self.path("o.h5")], ["audit", path]):
                self.expect_error(run(command, cwd=self.scratch), 3, path, self.WRITTEN)
            self.refused(job, path, self.WRITTEN)
        with h5py.File(path, "w", libver="latest") as file:
            file["x"], file["y"] = x, y
            file.flush()
            self.refused(job, path, self.WRITTEN, "h5clear")
            file.swmr_mode = True
            self.refused(job, path, self.WRITTEN)
            left = self.path("left.h5")
            shutil.copy(path, left)
        self.refused(job_of(left), left, self.WRITTEN, "h5clear")
        self.trains(job)

    def test_without_locks(self):
        """HDF5's own variable switches them off, for file systems on which they hang."""
        path = write(self.path())
        with open(path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            off = {"HDF5_USE_FILE_LOCKING": "FALSE"}
            self.expect(run(["inspect", path], cwd=self.scratch, environment=off))

    def test_forbidden_on_one_rank(self):
        """Each rank has its own directory, and rank 1 may not read the file in its own. Root may everything
        unless it gives up that capability, and then not what is another user's."""
        homes = [self.folder(f"rank-{rank}") for rank in range(RANKS)]
        for home in homes:
            write(f"{home}/data.h5")
        support.write_json(f"{homes[0]}/job.json", job_of("data.h5"))
        forbidden, without = f"{homes[1]}/data.h5", []
        if os.geteuid() == 0:
            os.chown(forbidden, 65534, 65534)
            dropped = "-dac_override,-dac_read_search"
            without = ["setpriv", "--bounding-set", dropped, "--inh-caps", dropped]
        os.chmod(forbidden, 0o000 if os.geteuid() else 0o600)
        if without and (shutil.which("setpriv") is None or subprocess.run(
                [*without, "cat", forbidden], capture_output=True, check=False).returncode == 0):
            self.skipTest("root may read everything here, and setpriv cannot forbid it")
        words = ["mpirun", "-n", "1", "--wdir", homes[0], support.PITPROP, "train",
                 f"{homes[0]}/job.json", "-o", "run", ":",
                 "-n", "1", "--wdir", homes[1], *without, support.PITPROP, "train",
                 f"{homes[0]}/job.json", "-o", "run"]
        result = run([], words=words, cwd=homes[0], limit=LIMIT)
        self.expect_error(result, 3, "data.h5: cannot open: Permission denied", "(rank 1)")
        os.chmod(forbidden, 0o644)
        self.expect(run([], words=words, cwd=homes[0], limit=LIMIT))

    def test_missing_filter_plugin(self):
        import h5py

        x, y = rows()
        path = self.path()
        identity = 32765  # of nobody

        def create(name, flags):
            with h5py.File(path, "w") as file:
                file["y"] = y
                plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                plan.set_chunk((500, COLUMNS))
                plan.set_filter(identity, flags, (1, 2))
                made = h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F32LE,
                                       h5py.h5s.create_simple(x.shape), plan)
                made.write(h5py.h5s.ALL, h5py.h5s.ALL, x)

        with self.subTest("optional, and left out by the writer"):
            create(b"x", h5py.h5z.FLAG_OPTIONAL)
            self.trains(patched(job_of(path), {"data.window": 100}))
        with self.subTest("applied"):  # h5py cannot write what HDF5 does not know: mask and flag are patched
            data = support.read_bytes(path)
            chunk = struct.pack("<II", x[:500].nbytes, 1)  # size and mask of a chunk, in the index
            self.assertEqual(data.count(chunk), ROWS // 500)
            flags = struct.pack("<HHH", identity, 0, 1)
            self.assertEqual(data.count(flags), 1)
            with open(path, "wb") as file:
                file.write(data.replace(chunk, struct.pack("<II", x[:500].nbytes, 0))
                           .replace(flags, struct.pack("<HHH", identity, 0, 0)))
            shutil.rmtree(self.path("run"))
            phrases = (path, "/x is compressed with filter 32765", "HDF5_PLUGIN_PATH", "gzip")
            self.refused(job_of(path), *phrases)
            self.expect_error(run(["inspect", path], RANKS, cwd=self.scratch), 3, *phrases)
            self.expect_error(run(["repack", path, "o.h5"], cwd=self.scratch), 3, *phrases)
        with self.subTest("lzf of h5py, not of the first chunk"):
            support.write_h5(path, y=y)
            with h5py.File(path, "a") as file:
                x[500:] = 0
                file.create_dataset("x", data=x, compression="lzf", chunks=(500, COLUMNS))
            self.refused(job_of(path), path, "/x: rows ", "'lzf' is not registered")
        with self.subTest("lzf of h5py"):
            support.write_h5(path, y=y)
            with h5py.File(path, "a") as file:
                file.create_dataset("x", data=np.zeros_like(x), compression="lzf")
            self.refused(job_of(path), path, "/x is compressed with filter 32000, lzf")


class Makes(Faults):
    """Files as others write them train to the same bytes."""

    def test_user_block(self):
        """MATLAB 7.3: 512 bytes of its own in front, attributes with the classes, and arrays that lie
        transposed, which is told; with rows first they are read."""
        import h5py

        x, y = rows()
        path = write(self.path())
        job = patched(job_of(path), {"data.window": 100})
        wanted = self.trains(job)
        with h5py.File(path, "w", userblock_size=512, libver="earliest") as file:
            for name, values in (("x", x.T), ("y", y.reshape(1, -1))):
                file[name] = values
                file[name].attrs["MATLAB_class"] = np.bytes_("single" if name == "x" else "int64")
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116)
                       + bytes(8) + struct.pack("<HH", 0x0200, 0x4D49))
        told = (path, "/x is an array of MATLAB", f"[{COLUMNS}, {ROWS}] here is [{ROWS}, {COLUMNS}] there",
                "file['x'][()].T")
        self.refused(job, *told, more=["--overwrite"])
        for command in (["inspect", path], ["repack", path, self.path("o.h5")]):
            self.expect_error(run(command, cwd=self.scratch), 3, *told)
        with h5py.File(path, "r+") as file:
            for name in ("x", "y"):
                values, note = file[name][()].T, file[name].attrs["MATLAB_class"]
                del file[name]
                file[name] = values
                if name == "y":  # a vector is one either way
                    file[name].attrs["MATLAB_class"] = note
        self.assertEqual(self.trains(job), wanted)
        self.expect(run(["inspect", path], RANKS, cwd=self.scratch))
        self.expect(run(["repack", path, "o.h5"], cwd=self.scratch))
        os.replace(self.path("o.h5"), path)
        self.assertEqual(self.trains(job), wanted)

    def test_formats_of_h5py(self):
        import h5py

        x, y = rows()
        path = write(self.path())
        job = patched(job_of(path), {"data.window": 100})
        wanted = self.trains(job)
        for options in ({"libver": "latest"}, {"track_order": True}, {"libver": ("earliest", "v108")}):
            with h5py.File(path, "w", **options) as file:
                file.create_dataset("x", data=x, maxshape=(None, COLUMNS), chunks=(64, 3), compression="gzip")
                file.create_dataset("y", data=y, maxshape=(None,))
            self.assertEqual(self.trains(job), wanted, options)

    def test_no_rows(self):
        x, y = rows()
        empty = support.write_h5(self.path("empty.h5"), x=x[:0], y=y[:0], p=np.zeros(0))
        path = write(self.path())
        job = patched(job_of(path), {"data.window": 100})
        self.refused(job_of(empty), empty, "/x has no rows", more=["--overwrite"])
        self.refused(patched(job, {"data.validation": {"files": [empty]}}), empty, "/x has no rows",
                     more=["--overwrite"])
        for words in (["inspect", empty], ["audit", empty]):
            self.expect_error(run(words, RANKS, cwd=self.scratch), 3, empty, "no rows")
        models = []
        for files in ([path], [empty, path], [path, empty]):  # beside a file that has some
            self.trains(patched(job, {"data.files": files}), RANKS)
            tensors, _ = support.read_safetensors(self.path("run/model.safetensors"))
            models.append({name: values.tobytes() for name, values in tensors.items()})
        self.assertTrue(models[0] == models[1] == models[2], "rows of a file without rows count")


if __name__ == "__main__":
    unittest.TestCase.longMessage = True
    support.main()
