"""What HDF5 fills in is never data: of views whose sources are not all there, of rows that were never
written, of raw storage that is too short. Every command refuses the same; what is whole is read."""

import os
import zlib

import h5py
import numpy as np

import support
from support import dense, run

ROWS, COLUMNS = 400, 4
HALF = ROWS // 2
X = np.random.default_rng(7).normal(size=(ROWS, COLUMNS)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
ENDLESS = h5py.h5s.UNLIMITED


def plain(rows, columns=COLUMNS):
    return h5py.h5s.create_simple((rows, columns))


def select(rows, start, count, stride=(1, 1), block=(1, 1), most=None, columns=COLUMNS):
    space = h5py.h5s.create_simple((rows, columns), most or (rows, columns))
    space.select_hyperslab(start, count, stride, block)
    return space


def strided(first, stride, block, rows=ROWS):
    """Blocks of rows without an end."""
    return select(rows, (first, 0), (ENDLESS, 1), (stride, 1), (block, COLUMNS), (ENDLESS, COLUMNS))


class Written(support.Case):
    def setUp(self):
        super().setUp()
        self.source("a", X[:HALF])
        self.source("b", X[HALF:])
        self.source("short", X[HALF:-30])

    def at(self, name):
        return os.path.join(self.scratch, name)

    def source(self, name, rows, key="x"):
        with h5py.File(self.at(f"{name}.h5"), "w") as file:
            file.create_dataset(key, data=rows, chunks=(50, COLUMNS), maxshape=(None, COLUMNS))

    def view(self, name, mappings, most=None, rows=ROWS, y=None):
        """mappings: (rows of the view, file, data set, rows of that)"""
        path = self.at(f"{name}.h5")
        with h5py.File(path, "w", libver=("earliest", "v110")) as file:
            file["y"] = Y[:rows] if y is None else y
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            for to, source, key, of in mappings:
                plan.set_virtual(to, source.encode(), key.encode(), of)
            h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE,
                            h5py.h5s.create_simple((rows, COLUMNS), most or (rows, COLUMNS)), plan)
        return path

    def halves(self, second, key="x", of=None):
        return [(select(ROWS, (0, 0), (HALF, COLUMNS)), "a.h5", "x", plain(HALF)),
                (select(ROWS, (HALF, 0), (HALF, COLUMNS)), second, key, of or plain(HALF))]

    def job(self, path):
        return support.write_json(self.at("job.json"), {
            "name": "written", "data": {"files": path, "follow_links": True},
            "model": {"layers": [dense("auto")]}, "training": {"steps": 2, "batch": 8}})

    def doors(self, path):
        """Commands that read x of the file; audit reads no links."""
        self.job(path)
        if not os.path.exists(self.at("model")):
            support.write_h5(self.at("plain.h5"), x=X, y=Y)
            self.expect(run(["train", self.job(self.at("plain.h5")), "-o", "model", "-q"], cwd=self.scratch))
            self.job(path)
        return [["check", "job.json"], ["inspect", "job.json"], ["train", "job.json", "-o", "run"],
                ["why", "job.json"], ["repack", path, "out.h5", "--follow-links"],
                ["predict", "model", path, "-o", "p.h5"]]

    def refused(self, path, *words, doors=1):
        for command in self.doors(path)[:doors]:
            self.expect_error(run(command, cwd=self.scratch), 3, *words)

    def holds(self, path, wanted=X):
        """Rows as they are, by way of repack."""
        out = self.at("out.h5")
        self.expect(run(["check", self.job(path)], cwd=self.scratch))
        self.expect(run(["repack", path, out, "--follow-links"], cwd=self.scratch))
        with h5py.File(out) as file:
            np.testing.assert_array_equal(file["x"][()], wanted)

    # ---- views ----

    def test_sources_that_are_not_there(self):
        whole = self.view("whole", self.halves("b.h5"))
        gone = self.view("v", self.halves("gone.h5"))
        self.refused(gone, f"{gone}: /x is a view of gone.h5, which is missing: rows 200 to 399",
                     doors=6)
        self.source("renamed", X[HALF:], "images")
        self.refused(self.view("v", self.halves("renamed.h5")), "v.h5: /x: rows 200 to 399: ",
                     "renamed.h5: has no data set /x; it holds /images")
        self.refused(self.view("v", self.halves("short.h5")), "rows 200 to 399 lie in ",
                     "short.h5: /x, which is [170, 4], less than is mapped")
        with open(self.at("junk.h5"), "wb") as file:
            file.write(bytes(5000))
        self.refused(self.view("v", self.halves("junk.h5")), "junk.h5: is not an HDF5 file")
        with h5py.File(self.at("b.h5"), "r+"):
            self.refused(whole, "b.h5: is open for writing in another program")
        self.holds(whole)

    def test_rows_that_nothing_is_mapped_to(self):
        halves = self.halves("b.h5")
        self.refused(self.view("v", halves[:1]), "v.h5: /x is a view whose rows 200 to 399 are mapped "
                     "to nothing")
        part = (select(ROWS, (HALF, 0), (HALF, 2)), "b.h5", "x", select(HALF, (0, 0), (HALF, 2)))
        self.refused(self.view("v", [halves[0], part]), "rows 200 to 399 are mapped to nothing")
        rest = (select(ROWS, (HALF, 2), (HALF, 2)), "b.h5", "x", select(HALF, (0, 2), (HALF, 2)))
        self.holds(self.view("v", [rest, part, halves[0]]))

    def test_mappings_without_an_end(self):
        """Even rows of one growing source, odd ones of another."""
        def of(second):
            every = strided(0, 1, 1, HALF)
            return [(strided(0, 2, 1), "a.h5", "x", every), (strided(1, 2, 1), second, "x", every)]
        most = (ENDLESS, COLUMNS)
        mixed = np.empty_like(X)
        mixed[0::2], mixed[1::2] = X[:HALF], X[HALF:]
        self.holds(self.view("v", of("b.h5"), most), mixed)
        self.refused(self.view("v", of("short.h5"), most), "rows 341 to ", "mapped to nothing")

    def test_numbered_sources(self):
        for i in range(4):
            self.source(f"part-{i}", X[100 * i:100 * i + 100])
        pattern = [(strided(0, 100, 100), "part-%b.h5", "x", plain(100))]
        path = self.view("v", pattern, (ENDLESS, COLUMNS))
        self.holds(path)
        os.remove(self.at("part-2.h5"))  # HDF5 ends the view there
        self.refused(path, f"{path}: /x is a view of part-2.h5: /x, which is missing",
                     "part-3.h5 is there")

    def test_views_of_views(self):
        self.view("inner", self.halves("b.h5"))
        outer = self.view("outer", [(plain(ROWS), "inner.h5", "x", plain(ROWS))])
        self.holds(outer)
        os.remove(self.at("b.h5"))
        self.refused(outer, f"{outer}: /x: rows 0 to 399: ", "inner.h5: /x is a view of b.h5, which is "
                     "missing: rows 200 to 399")
        upper = self.view("upper", [(plain(HALF), "inner.h5", "x", select(ROWS, (0, 0), (HALF, COLUMNS)))],
                          rows=HALF)
        self.holds(upper, X[:HALF])  # the rows that are not there are not asked for

    def test_views_of_themselves(self):
        whole = plain(ROWS)
        self.refused(self.view("v", [(whole, ".", "x", whole)]), "v.h5: /x is a view of itself")
        endless = strided(0, 1, 1)
        self.refused(self.view("v", [(endless, ".", "/x", endless)], (ENDLESS, COLUMNS)),
                     "v.h5: /x is a view of itself")
        self.view("one", [(whole, "two.h5", "x", whole)])
        self.refused(self.view("two", [(whole, "one.h5", "x", whole)]), "two.h5: /x is a view of itself")

    def test_other_files_need_leave(self):
        """A view of this file, of what lies in another."""
        path = self.at("v.h5")
        layout = h5py.VirtualLayout((HALF, COLUMNS), "f4")
        layout[:] = h5py.VirtualSource(".", "inner", (HALF, COLUMNS))
        with h5py.File(path, "w") as file:
            file["y"] = Y[:HALF]
            file["inner"] = h5py.ExternalLink("a.h5", "/x")
            file.create_virtual_dataset("x", layout)
        self.expect(run(["check", self.job(path)], cwd=self.scratch))
        for command in (["inspect", path], ["repack", path, "no.h5"]):
            self.expect_error(run(command, cwd=self.scratch), 3, "/inner is a link to a.h5",
                              "another file", "follow_links", "--follow-links")
        self.assertFalse(os.path.exists(self.at("no.h5")))

    def test_more_sources_than_may_be_open(self):
        for i in range(ROWS // 4):
            self.source(f"s{i}", X[4 * i:4 * i + 4])
        path = self.view("v", [(select(ROWS, (4 * i, 0), (4, COLUMNS)), f"s{i}.h5", "x", plain(4))
                               for i in range(ROWS // 4)])
        self.holds(path)
        self.job(path)
        shell = ["bash", "-c", f"ulimit -n 64; exec {support.PITPROP} check job.json"]
        result = self.expect(run([], words=shell, cwd=self.scratch), 3)
        self.assertEqual(len(result.errors), 1, result)
        self.assertIn("oo many", result.errors[0])

    # ---- rows that were never written ----

    def test_chunks(self):
        path = self.at("holes.h5")
        with h5py.File(path, "w") as file:
            x = file.create_dataset("x", X.shape, "f4", chunks=(50, 2), compression="gzip")
            x[:100], x[150:] = X[:100], X[150:]
            x[100:150, :2] = X[100:150, :2]
            file["y"] = Y
        self.refused(path, f"{path}: /x: rows 100 to 149 were never written (15 of 16 chunks were)", doors=6)
        with h5py.File(path, "r+") as file:
            file["x"][100:150, 2:] = X[100:150, 2:]
        self.holds(path)

    def test_chunks_that_are_too_short(self):
        """Two readings of one would differ, as the rest is what memory happens to hold."""
        path = self.at("short.h5")
        for options in ({}, {"shuffle": True}, {"shuffle": True, "fletcher32": True}):
            for size in (100, 100 * COLUMNS * 4 + 8):
                with h5py.File(path, "w") as file:
                    x = file.create_dataset("x", data=X, chunks=(100, COLUMNS), compression="gzip", **options)
                    file["y"] = Y
                    chunk = zlib.compress(bytes(size))
                    if "fletcher32" not in options:
                        x.id.write_direct_chunk((300, 0), chunk)
                if "fletcher32" in options:
                    self.holds(path)
                else:
                    self.refused(path, "/x: the chunk of row 300 on cannot be read: ", "does not inflate", doors=3)
                    self.expect_error(run(["repack", path, "o.h5"], cwd=self.scratch), 3, "cannot be read")

    def test_nothing(self):
        """Neither x, nor y, nor weights, nor groups."""
        for name in ("x", "y", "w", "g"):
            path = self.at(f"no-{name}.h5")
            with h5py.File(path, "w") as file:
                for key, values in (("x", X), ("y", Y), ("w", X[:, 0] ** 2), ("g", Y)):
                    if key != name:
                        file[key] = values
                file.create_dataset(name, X.shape if name == "x" else (ROWS,), "i4")
            self.job(path)
            result = run(["check", "job.json", "--set", "data.row_weights=/w", "--set", "data.groups=/g"],
                         cwd=self.scratch)
            self.expect_error(result, 3, f"{path}: /{name} was never written")

    def test_countless_rows(self):
        path = self.at("countless.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset("x", (2**60, COLUMNS), "f4", chunks=(1024, COLUMNS))
            file.create_dataset("y", (2**60,), "i4", chunks=(1024,))
        self.refused(path, "rows 0 to 1023 were never written (0 of ")

    def test_raw_storage(self):
        raw, path = self.at("raw.bin"), self.at("raw.h5")
        X.tofile(raw)
        with h5py.File(path, "w") as file:
            file.create_dataset("x", X.shape, "f4", external=[(raw, 0, X.nbytes)])
            file["y"] = Y
        self.holds(path)
        os.truncate(raw, X.nbytes - 16)
        self.refused(path, f"{path}: /x is stored in {raw}, which has {X.nbytes - 16} bytes instead of")
        os.remove(raw)
        self.refused(path, f"/x is stored in {raw}, which is missing")

    def test_rows_of_others_stay_unwritten(self):
        """A set that nobody asks for is copied as it is."""
        path = self.at("more.h5")
        with h5py.File(path, "w") as file:
            file["x"], file["y"] = X, Y
            file.create_dataset("later", (ROWS,), "f8", fillvalue=-1)
        self.holds(path)
        with h5py.File(self.at("out.h5")) as file:
            self.assertEqual(file["later"].id.get_storage_size(), 0)
            self.assertEqual(file["later"][0], -1)

    # ---- what this HDF5 cannot open ----

    def test_newer_formats(self):
        """The header of a data set says its version: one that is not known is told as that."""
        path = self.at("new.h5")
        with h5py.File(path, "w", libver="latest") as file:
            file["x"], file["y"] = X, Y
        with open(path, "rb") as file:
            data = bytearray(file.read())
        self.expect(run(["check", self.job(path)], cwd=self.scratch))
        with h5py.File(path, "r") as file:
            at = h5py.h5o.get_info(file["y"].id).addr
        if h5py.version.hdf5_version_tuple >= (1, 12, 0):
            self.skipTest("places of objects are tokens there")
        flags = data[at + 5]
        place = at + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0) + (1 << (flags & 3))
        while data[place] != 3:  # messages of the header: the data type
            size = int.from_bytes(data[place + 1:place + 3], "little")
            place += 4 + (2 if flags & 4 else 0) + size
        body = place + 4 + (2 if flags & 4 else 0)
        data[body] = data[body] & 15 | 7 << 4
        end = at + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        size = int.from_bytes(data[end:end + (1 << (flags & 3))], "little")
        total = end + (1 << (flags & 3)) + size
        data[total:total + 4] = lookup3(bytes(data[at:total])).to_bytes(4, "little")
        with open(path, "wb") as file:
            file.write(data)
        self.refused(path, f"{path}: /y is written in a newer format than HDF5 ", "libver")

    def test_objects_that_are_no_data_sets(self):
        path = self.at("odd.h5")
        with h5py.File(path, "w") as file:
            file["x"], file["real"] = h5py.SoftLink("/nothing"), X
            file["y"] = np.dtype("f4")
        self.refused(path, f"{path}: /x is a link to what is not there")
        with h5py.File(path, "r+") as file:
            del file["x"]
            file["x/part"], file["x/more/part"] = X, X
        self.refused(path, f"{path}: /x is a group; expected a data set; it holds /x/more/part, /x/part")
        with h5py.File(path, "r+") as file:
            del file["x"]
            file["x"] = X
        self.refused(path, f"{path}: /y is a named type; expected a data set")


def lookup3(data):
    """Jenkins' hash, the checksum of HDF5's metadata (hashlittle with 0)."""
    mask = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(data)) & mask

    def turn(v, n):
        return (v << n | v >> (32 - n)) & mask

    while len(data) > 12:
        a, b, c = (v + int.from_bytes(data[i:i + 4], "little") & mask for v, i in ((a, 0), (b, 4), (c, 8)))
        for n, which in ((4, 0), (6, 1), (8, 2), (16, 0), (19, 1), (4, 2)):
            if which == 0:
                a = (a - c & mask) ^ turn(c, n)
                c = c + b & mask
            elif which == 1:
                b = (b - a & mask) ^ turn(a, n)
                a = a + c & mask
            else:
                c = (c - b & mask) ^ turn(b, n)
                b = b + a & mask
        data = data[12:]
    if not data:
        return c
    data = data + bytes(12 - len(data))
    a, b, c = (v + int.from_bytes(data[i:i + 4], "little") & mask for v, i in ((a, 0), (b, 4), (c, 8)))
    c = (c ^ b) - turn(b, 14) & mask
    a = (a ^ c) - turn(c, 11) & mask
    b = (b ^ a) - turn(a, 25) & mask
    c = (c ^ b) - turn(b, 16) & mask
    a = (a ^ c) - turn(c, 4) & mask
    b = (b ^ a) - turn(a, 14) & mask
    return (c ^ b) - turn(b, 24) & mask


if __name__ == "__main__":
    support.main()
