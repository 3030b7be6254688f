"""repack keeps every value and attribute, shuffles all rows alike, stays within its memory, and leaves
nothing where it fails."""

import os
import shutil
import subprocess
import sys
import unittest

import numpy as np

import support
from support import patched, run

ROWS = 1009


def random(seed=3):
    return np.random.default_rng(seed)


def write_rich(path):
    """Row data sets of many types, and what is no row data set, with attributes everywhere."""
    import h5py

    table = np.zeros(ROWS, [("a", "<f4"), ("b", ">i8"), ("name", "S5")])
    table["b"], table["name"] = np.arange(ROWS), b"abcde"
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "rich"
        file.attrs["numbers"] = np.arange(5)
        file.attrs["names"] = np.array(["a", "bcd"], dtype=h5py.string_dtype())
        x = file.create_dataset("x", data=random().normal(size=(ROWS, 4, 3)).astype(">f4"),
                                chunks=(100, 2, 3), compression="gzip")
        x.attrs["unit"] = "m"
        file["y"] = np.arange(ROWS)
        file["deep/er/w"] = random().normal(size=ROWS).astype("f2")
        file["deep"].attrs["level"] = 1
        file["deep/er/table"] = table
        file["deep/mask"] = np.arange(ROWS) % 3 == 0
        file.create_dataset("ids", data=[f"row {i}" * (i % 5) for i in range(ROWS)],
                            dtype=h5py.string_dtype(), chunks=(64,))
        file["ids"].attrs["of"] = "rows"
        file["columns"] = np.arange(12)
        file["columns"].attrs["kept"] = True
        file["constant"] = 2.5
        file["nothing"] = h5py.Empty("f4")
        file["no_values"] = np.zeros((ROWS, 0))
        file["type"] = np.dtype(">i2")
        file.create_group("empty").attrs["x"] = 1
        file["z_same"] = file["y"]
        file["soft"] = h5py.SoftLink("/deep/er/w")
    return path


ROW_SETS = ("x", "y", "deep/er/w", "deep/er/table", "deep/mask", "ids")


def everything(path):
    """Names, values, types and attributes; places of the same object."""
    import h5py

    found = {}

    def attributes(item):
        return {k: (str(getattr(v, "dtype", type(v))), np.array(v).tolist()) for k, v in item.attrs.items()}

    def look(name, item):
        value = None
        if isinstance(item, h5py.Dataset):
            value = (str(item.dtype), item.shape, None if item.shape is None else item[()].tolist())
        elif isinstance(item, h5py.Datatype):
            value = str(item.dtype)
        found[name] = (type(item).__name__, value, attributes(item))

    with h5py.File(path, "r") as file:
        found[""] = attributes(file)
        file.visititems(look)
        for name in ("soft", "z_same"):
            if name in file:
                found["link " + name] = type(file.get(name, getlink=True)).__name__
        if "z_same" in file:
            found["one object"] = file["z_same"] == file["y"]
    return found


class Repack(support.Case):
    def repack(self, path, out="out.h5", *more, code=0):
        result = self.expect(run(["repack", path, out, *more], cwd=self.scratch), code)
        return os.path.join(self.scratch, out), result

    def layout(self, path, name="x"):
        import h5py

        with h5py.File(path, "r") as file:
            return file[name].chunks, file[name].compression, file[name].shuffle

    def test_values_stay(self):
        rich = write_rich(f"{self.scratch}/rich.h5")
        wanted = everything(rich)
        self.assertIn("soft", wanted["link soft"].lower())
        for more, chunks in (
            ((), (None, None, False)),
            (("--chunk-rows", "64"), ((64, 4, 3), None, False)),
            (("--gzip", "6"), ((ROWS, 4, 3), "gzip", True)),
            (("--gzip", "0", "--chunk-rows", "100000"), ((ROWS, 4, 3), "gzip", True)),
            (("--memory", "1"), (None, None, False)),
        ):
            with self.subTest(more):
                out, result = self.repack(rich, "out.h5", *more)
                self.assertEqual(everything(out), wanted)
                self.assertEqual(self.layout(out), chunks)
                self.assertIn(f"{ROWS} rows of {len(ROW_SETS)} data sets", result.err)
        self.assertEqual(support.listing(self.scratch), ["out.h5", "rich.h5"])

    def test_onto_itself(self):
        rich = write_rich(f"{self.scratch}/rich.h5")
        before = support.read_bytes(rich)
        refused = support.run(["repack", "rich.h5", "rich.h5", "--gzip", "1"], cwd=self.scratch)
        self.expect_error(refused, 2, "rich.h5: is read, and would be replaced")
        self.assertEqual(support.read_bytes(rich), before)

    def test_shuffled(self):
        """A permutation, the same for all sets, in memory and through a file."""
        rich = write_rich(f"{self.scratch}/rich.h5")
        before = everything(rich)
        files = {}
        for memory in ("1", "20000", "1000000000"):
            for more in ((), ("--gzip", "3", "--chunk-rows", "50")):
                out, _ = self.repack(rich, "out.h5", "--shuffle-seed", "5", "--memory", memory, *more)
                after = everything(out)
                order = np.array(after["y"][1][2])
                self.assertEqual(sorted(order), list(range(ROWS)))
                self.assertLess(np.abs(np.corrcoef(order, np.arange(ROWS))[0, 1]), 0.15)
                for name in before:
                    if name in ROW_SETS:
                        old, new = before[name][1], after[name][1]
                        self.assertEqual(new[:2], old[:2])
                        self.assertEqual(new[2], [old[2][i] for i in order], name)
                        self.assertEqual(after[name][2], before[name][2])
                    elif name != "z_same":
                        self.assertEqual(after[name], before[name], name)
                files.setdefault(more, set()).add(order.tobytes())
        self.assertEqual(len(set.union(*files.values())), 1, "the order depends on memory or layout")
        out, _ = self.repack(rich, "other.h5", "--shuffle-seed", "6")
        self.assertNotIn(np.array(everything(out)["y"][1][2]).tobytes(), files[()])

    def test_any_number_of_rows(self):
        for rows in (1, 2, 3, 7, 12, 13):
            path = support.write_h5(f"{self.scratch}/{rows}.h5", x=np.arange(rows), y=np.arange(rows))
            out, _ = self.repack(path, "out.h5", "--shuffle-seed", "1", "--memory", "40")
            sets, _ = support.read_h5(out)
            self.assertEqual(sorted(sets["x"]), list(range(rows)))
            self.assertTrue(np.array_equal(sets["x"], sets["y"]))

    def test_orders_are_even(self):
        """Rows of each twentieth of a file come to each twentieth about as often; neighbours part."""
        path = support.write_h5(f"{self.scratch}/many.h5", x=np.arange(200_000))
        out, _ = self.repack(path, "out.h5", "--shuffle-seed", "1")
        x = support.read_h5(out)[0]["x"]
        cells, _, _ = np.histogram2d(np.arange(len(x)), x, 20)
        chi = ((cells - 500) ** 2 / 500).sum()
        self.assertLess(abs(chi - 361), 6 * np.sqrt(2 * 361))
        self.assertLess(np.mean(np.abs(np.diff(x)) == 1), 1e-3)

    def test_chunks_are_about_1_mib(self):
        import h5py

        path = f"{self.scratch}/sparse.h5"
        with h5py.File(path, "w") as file:  # 1.1 GB that needs no room
            file.create_dataset("x", (10_000_000, 28), "<f4")[-1] = 1
        with h5py.File(path, "a") as file:
            file.create_dataset("y", (10_000_000,), "u1")[-1] = 1
        small = support.write_h5(f"{self.scratch}/small.h5", x=np.zeros((20_000, 28), "f4"))
        out, _ = self.repack(small, "small-out.h5", "--gzip", "1")
        self.assertEqual(self.layout(out)[0], ((64 << 10) // 112, 28))
        process = support.start(
            support.command(["repack", path, "out.h5", "--gzip", "1"]), self.scratch,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(support.stop, process)
        out = f"{self.scratch}/out.h5"
        self.assertTrue(support.wait_until(
            lambda: support.aside(out, process) and os.path.getsize(support.aside(out, process)) > 1 << 14))
        aside = support.aside(out, process)
        chunks = self.layout(aside)[0], self.layout(aside, "y")[0]
        support.send(process.pid, support.signal.SIGTERM)
        self.assertEqual(process.wait(30), -support.signal.SIGTERM)
        self.assertEqual(chunks, (((1 << 20) // 112, 28), ((1 << 20) // 112,)))
        self.assertFalse(os.path.exists(aside))
        self.assertFalse(os.path.exists(out))

    def test_training_does_not_notice(self):
        path = f"{self.scratch}/data.h5"  # the name is part of a model
        shutil.copy(self.synth("imbalanced", 2003), path)
        job = support.small_job(path)
        wanted = support.results(self.train(job, 1, "as it was"))
        windows = support.results(self.train(patched(job, {"data.window": 40}), 1, "windows of 40"))
        for name, more, changes, results in (
            ("contiguous", (), {}, wanted),
            ("gzip", ("--gzip", "4", "--chunk-rows", "40"), {"data.window": 40}, windows),
        ):
            out, _ = self.repack(path, "out.h5", *more)
            os.replace(out, path)
            self.assertEqual(self.layout(path)[0] is None, name == "contiguous")
            found = support.results(self.train(patched(job, changes), 2, name))
            for file in ("model.safetensors", "metrics.jsonl", "verdict.json"):
                self.assertEqual(found[file], results[file], f"{name}: {file}")

    def test_within_its_memory(self):
        """200 MB of rows in 24 MB and what the program itself takes."""
        import h5py

        path = f"{self.scratch}/large.h5"
        with h5py.File(path, "w") as file:
            file["y"] = np.arange(400_000)
            x = file.create_dataset("x", (400_000, 128), "<f4")
            for at in range(0, len(x), 40_000):
                x[at:at + 40_000] = 1
        script = ("import os, sys\n"
                  "pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])\n"
                  "_, status, usage = os.wait4(pid, 0)\n"
                  "print(usage.ru_maxrss * 1024)\n"
                  "sys.exit(os.waitstatus_to_exitcode(status))\n")
        words = support.command(["repack", path, "out.h5", "--shuffle-seed", "1", "--memory", 24 << 20])
        done = self.expect(run([], words=[sys.executable, "-c", script, *words], cwd=self.scratch))
        self.assertLess(int(done.out), 100 << 20)

    def test_faults(self):
        import h5py

        good = support.write_h5(f"{self.scratch}/good.h5", x=np.zeros((5000, 20)), y=np.zeros(5000))
        empty = support.write_h5(f"{self.scratch}/empty.h5", x=np.zeros((0, 2)))
        bad = f"{self.scratch}/bad.h5"
        with h5py.File(bad, "w") as file:
            x = file.create_dataset("x", data=random().normal(size=(5000, 20)), chunks=(500, 20),
                                    fletcher32=True)
            offset = x.id.get_chunk_info(5).byte_offset
        with open(bad, "r+b") as file:
            file.seek(offset + 77)
            file.write(b"\x55\x55")
        linked = support.write_h5(f"{self.scratch}/linked.h5", x=np.zeros(9))
        with h5py.File(linked, "a") as file:
            file["y"] = h5py.ExternalLink("good.h5", "/y")
        os.mkdir(f"{self.scratch}/folder")
        before = support.listing(self.scratch)
        for words, code, phrases in (
            (["none.h5", "o.h5"], 3, ["none.h5"]),
            ([good, "o.h5", "--x", "/features"], 3, [good, "/features", "x, /y"]),
            ([good, "o.h5", "--gzip", "10"], 2, ["--gzip"]),
            ([good, "o.h5", "--chunk-rows", "0"], 2, ["--chunk-rows"]),
            ([good, "o.h5", "--shuffle-seed", "a"], 2, ["--shuffle-seed"]),
            ([good], 2, ["usage"]),
            ([good, "none/o.h5"], 3, ["none/o.h5"]),
            ([good, "folder"], 3, ["folder"]),
            ([empty, "o.h5"], 3, [empty, "no rows"]),
            ([linked, "o.h5"], 3, [linked, "/y is a link to another file"]),
            ([bad, "o.h5"], 3, [bad, "/x", "cannot be read", "checksum"]),
            ([bad, "o.h5", "--shuffle-seed", "1", "--memory", "1000"], 3, [bad, "checksum"]),
            ([bad, "o.h5", "--shuffle-seed", "1"], 3, [bad, "checksum"]),
        ):
            with self.subTest(words):
                self.expect_error(run(["repack", *words], cwd=self.scratch), code, *phrases)
                self.assertEqual(support.listing(self.scratch), before)

    def test_references_are_told(self):
        import h5py

        path = f"{self.scratch}/scales.h5"
        with h5py.File(path, "w") as file:
            file["x"], file["y"] = np.zeros((9, 2)), np.zeros(9)
            file["column"] = np.arange(2)
            file["column"].make_scale("column")
            file["x"].dims[1].attach_scale(file["column"])
        _, result = self.repack(path)
        self.assertEqual(len(result.warnings), 1, f"\n{result}")
        self.assertIn("2 data sets or attributes hold references", result.warnings[0])

    def test_no_room(self):
        path = support.write_h5(f"{self.scratch}/in.h5", x=random().normal(size=(20_000, 20)))
        script = ('mkdir disk; mount -t tmpfs -o size=1m tmpfs disk || exit 99; "$@"; code=$?; '
                  "find disk -mindepth 1 >left; exit $code")
        for more in ((), ("--gzip", "1"), ("--gzip", "1", "--shuffle-seed", "1", "--memory", "100000")):
            home = self.folder(f"on-{len(more)}")
            words = support.command(["repack", path, "disk/o.h5", *more])
            result = run([], words=["unshare", "-m", "sh", "-c", script, "sh", *words], cwd=home)
            if result.code in (1, 99) and not result.messages:
                self.skipTest("no mount namespaces here")
            self.expect_error(result, 3, "disk/o.h5")
            self.assertEqual(support.read_bytes(f"{home}/left"), b"")


if __name__ == "__main__":
    unittest.TestCase.longMessage = True
    support.main()
