"""Every command: help, output, results that a reader in another language can check."""

import csv
import gzip
import os
import pty
import struct
import subprocess

import numpy as np

import support
from support import PITPROP, SOURCE, dense, patched, run, small_job as job

COMMANDS = ("train", "predict", "check", "schema", "import", "repack", "synth", "submit", "version")
FASHION = "/usr/share/datasets/fashion-mnist"


class CommandLine(support.Case):
    def test_help(self):
        for words in (["--help"], ["-h"], ["help"]):
            result = self.expect(run(words, cwd=self.scratch))
            for name in COMMANDS:
                self.assertIn(f"  {name}", result.out)
            self.assertEqual(result.err, "")
        for name in COMMANDS:
            for option in ("--help", "-h"):
                result = self.expect(run([name, option], cwd=self.scratch))
                self.assertTrue(result.out.startswith(f"usage: pitprop {name}"), f"\n{result}")
                self.assertIn("--help", result.out)
                self.assertEqual(result.err, "")
        self.assertEqual(support.listing(self.scratch), [])

    def test_help_is_printed_once(self):
        result = self.expect(run(["train", "--help"], 3, cwd=self.scratch))
        self.assertEqual(result.out.count("usage:"), 1, f"\n{result}")
        for option in (
            "--set",
            "--output",
            "--resume",
            "--overwrite",
            "--fail-on-collapse",
            "--json",
        ):
            self.assertIn(option, result.out)

    def test_version(self):
        for words, ranks in ((["version"], 1), (["--version"], 1), (["version"], 2)):
            result = self.expect(run(words, ranks, cwd=self.scratch))
            names = [line.split()[0] for line in result.out.splitlines()]
            self.assertEqual(names, ["pitprop", "MPI", "cpu", "HDF5"], f"\n{result}")
            self.assertIn("OpenBLAS", result.out)
            self.assertRegex(result.out, r"kernel \w+")

    def test_wrong_words(self):
        """Each is one line on stderr and exit code 2, on one rank and under mpirun."""
        cases = (
            (["trian"], "trian: no such command"),
            (["train"], "usage: pitprop train JOB"),
            (["train", "a.json", "b.json"], "b.json: one argument too many"),
            (["train", "a.json", "--overwite"], "--overwite: unknown option of 'train'"),
            (["train", "--output"], "--output: wants DIR after it"),
            (["train", "a.json", "--json=yes"], "--json: takes no value"),
            (["version", "now"], "now: one argument too many"),
            (["import", "xml", "a", "-o", "b"], "xml: no such format"),
            (["import", "idx", "a", "-o", "b"], "--labels"),
            (["import", "csv", "a"], "-o FILE.h5"),
            (["synth", "nothing", "-o", "b"], "'nothing'"),
            (["synth", "moons"], "-o FILE.h5"),
            (["synth", "moons", "-o", "b", "--rows", "0"], "--rows 0"),
            (["synth", "moons", "-o", "b", "--rows", "1e3"], "--rows 1e3"),
            (["synth", "moons", "-o", "b", "--seed", "-1"], "--seed -1"),
        )
        for words, phrase in cases:
            with self.subTest(" ".join(words)):
                self.expect_error(run(words, cwd=self.scratch), 2, phrase)
        for words, phrase in cases[:4]:
            with self.subTest(" ".join(words), ranks=3):
                self.expect_error(run(words, 3, cwd=self.scratch), 2, phrase)
        nothing = self.expect(run([], cwd=self.scratch), 2)
        self.assertIn("usage: pitprop COMMAND", nothing.err)
        self.assertEqual(nothing.out, "")
        self.assertEqual(support.listing(self.scratch), [])

    def test_a_file_whose_name_begins_with_a_dash(self):
        self.expect_error(run(["train", "--", "-o"], cwd=self.scratch), 2, "-o: cannot open")


class Schema(support.Case):
    def setUp(self):
        super().setUp()
        self.schema = support.json.loads(self.expect(run(["schema"])).out)

    def test_every_key_is_described(self):
        def walk(node, path):
            for name, child in node.get("properties", {}).items():
                if child is True:  # a key of some kinds only, described where that kind is
                    continue
                self.assertTrue(
                    child.get("description") or "$ref" in child, f"{path}.{name}: no description"
                )
                walk(child, f"{path}.{name}")

        walk(self.schema, "")
        self.assertLessEqual(
            {
                "name",
                "data",
                "model",
                "loss",
                "optimizer",
                "schedule",
                "training",
                "monitor",
                "checkpoint",
                "runtime",
                "seed",
                "output",
            },
            set(self.schema["properties"]),
        )

    def test_jobs_agree_with_it(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        jsonschema.Draft202012Validator.check_schema(self.schema)
        validator = jsonschema.Draft202012Validator(self.schema)
        seen = 0
        for folder in ("tests/jobs/valid", "jobs", "jobs/real-cases"):
            for name in sorted(os.listdir(os.path.join(SOURCE, folder))):
                if not name.endswith(".json") or name == "job.schema.json":
                    continue
                seen += 1
                faults = list(
                    validator.iter_errors(support.read_json(os.path.join(SOURCE, folder, name)))
                )
                self.assertEqual(
                    [f"{f.json_path}: {f.message}" for f in faults], [], f"{folder}/{name}"
                )
        self.assertGreater(seen, 30)
        for broken in (
            {"trainig.epochs": 3},
            {"optimizer.lr": -1},
            {"training.lanes": "six"},
            {"name": 3},
        ):
            job = patched(
                support.read_json(os.path.join(SOURCE, "jobs", "fashion-mnist.json")), broken
            )
            self.assertTrue(list(validator.iter_errors(job)), f"{broken} agrees with the schema")

    def test_the_resolved_job_agrees_with_it(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        path = self.train(job(self.synth("moons", 300)))
        jsonschema.Draft202012Validator(self.schema).validate(support.read_json(f"{path}/job.json"))


class Data(support.Case):
    def test_synth_names_and_makes_them(self):
        listed = self.expect(run(["synth"])).out
        names = [line.split()[0] for line in listed.splitlines()]
        self.assertLessEqual({"moons", "higgs-like", "images", "friedman"}, set(names))
        for name in names:
            with self.subTest(name):
                path = self.synth(name, 60)
                sets, _ = support.read_h5(path)
                self.assertEqual((len(sets["x"]), len(sets["y"])), (60, 60))
                self.assertEqual(np.isfinite(sets["x"]).all(), name != "gaps")
                again = os.path.join(self.scratch, name)
                self.expect(run(["synth", name, "--rows", 60, "-o", again]))
                self.assertEqual(
                    support.read_bytes(path), support.read_bytes(again), "not the same bytes again"
                )
                if name not in ("xor", "square"):  # nothing random in these
                    self.assertFalse(
                        support.read_bytes(self.synth(name, 60, 2)) == support.read_bytes(path),
                        "another seed, the same set",
                    )

    def test_import_fashion_mnist(self):
        if not os.path.exists(f"{FASHION}/t10k-images-idx3-ubyte.gz"):
            self.skipTest("dataset-fashion-mnist is not installed")
        out = os.path.join(self.scratch, "test.h5")
        self.expect(
            run(
                [
                    "import",
                    "idx",
                    f"{FASHION}/t10k-images-idx3-ubyte.gz",
                    "--labels",
                    f"{FASHION}/t10k-labels-idx1-ubyte.gz",
                    "-o",
                    out,
                ]
            )
        )
        sets, _ = support.read_h5(out)
        with gzip.open(f"{FASHION}/t10k-images-idx3-ubyte.gz") as file:
            magic, rows, height, width = struct.unpack(">4I", file.read(16))
            pixels = np.frombuffer(file.read(), np.uint8).reshape(rows, height, width)
        with gzip.open(f"{FASHION}/t10k-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read()[8:], np.uint8)
        self.assertEqual((magic, rows), (2051, 10000))
        self.assertEqual(sets["x"].shape, (10000, 28, 28))
        self.assertTrue(np.array_equal(sets["x"], pixels))
        self.assertTrue(np.array_equal(sets["y"], labels))

    def test_import_idx_faults(self):
        images = os.path.join(self.scratch, "images")
        labels = os.path.join(self.scratch, "labels")
        with open(images, "wb") as file:
            file.write(struct.pack(">4I", 2051, 5, 2, 2) + bytes(range(20)))
        for count, content, phrase in (
            (5, bytes(5), None),
            (4, bytes(4), "labels"),
            (5, bytes(3), "labels"),
        ):
            with open(labels, "wb") as file:
                file.write(struct.pack(">2I", 2049, count) + content)
            result = run(
                ["import", "idx", images, "--labels", labels, "-o", "out.h5"], cwd=self.scratch
            )
            if phrase is None:
                self.expect(result)
                os.remove(os.path.join(self.scratch, "out.h5"))
            else:
                self.expect_error(result, 3, phrase)
        self.assertEqual(support.listing(self.scratch), ["images", "labels"])

    def test_import_csv(self):
        generator = np.random.default_rng(4)
        x = np.round(generator.normal(size=(50, 3)), 4)
        names = np.array(["no", "yes"])[(x[:, 1] > 0).astype(int)]
        path = os.path.join(self.scratch, "table.csv")
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "b", "answer", "c"])
            writer.writerows([row[0], row[1], name, row[2]] for row, name in zip(x.tolist(), names))
        self.expect(
            run(["import", "csv", path, "--target", "answer", "-o", "t.h5"], cwd=self.scratch)
        )
        sets, _ = support.read_h5(os.path.join(self.scratch, "t.h5"))
        self.assertTrue(np.array_equal(sets["x"], x.astype(np.float32)))
        self.assertEqual(sets["y"].tolist(), [int(name == "yes") for name in names])
        with open(path, "a", encoding="utf-8") as file:
            file.write("1.5,oops,no,2\n")
        self.expect_error(
            run(["import", "csv", path, "--target", "answer", "-o", "u.h5"], cwd=self.scratch),
            3,
            "table.csv",
            "line 52",
            "oops",
        )
        self.assertEqual(support.listing(self.scratch), ["t.h5", "table.csv"])

    def test_import_csv_missing(self):
        with open(f"{self.scratch}/t.csv", "w", encoding="utf-8") as file:
            file.write("a,b,y\n1,2,0\n,NA,1\n3,4,1\n")
        csv_ = ["import", "csv", "t.csv", "--target", "y", "-o", "t.h5", "--missing"]
        for how, phrase in (("refuse", "the first of 2 in 1 rows ('a' 1, 'b' 1); leave out such rows (--missing drop)"),
                            ("guess", "--missing guess: wants")):
            result = run([*csv_, how], cwd=self.scratch)
            self.expect_error(result, 2 if how == "guess" else 3, phrase)
        self.assertIn("1 rows with missing values left out",
                      self.expect(run([*csv_, "drop"], cwd=self.scratch)).err)
        self.assertEqual(support.read_h5(f"{self.scratch}/t.h5")[0]["x"].tolist(), [[1, 2], [3, 4]])
        filled = self.expect(run([*csv_, "-1"], cwd=self.scratch))
        self.assertIn("2 missing values in 1 rows are filled in", filled.err)
        self.assertIn("1 missing: -1\n", filled.out)
        self.assertEqual(support.read_h5(f"{self.scratch}/t.h5")[0]["x"].tolist(),
                         [[1, 2], [-1, -1], [3, 4]])

    def npy(self, x, y=None):
        """Saves, imports and reads back."""
        words = ["import", "npy", "x.npy", "-o", "t.h5"] + ([] if y is None else ["--labels", "y.npy"])
        np.save(f"{self.scratch}/x.npy", x)
        if y is not None:
            np.save(f"{self.scratch}/y.npy", y)
        return run(words, cwd=self.scratch)

    def test_import_npy(self):
        values = np.random.default_rng(5).integers(0, 100, (37, 3, 4))
        for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"):
            for x in (values.astype(kind), values[:, 0, 0].astype(kind)):
                self.expect(self.npy(x, x[::-1].copy()))
                sets, _ = support.read_h5(f"{self.scratch}/t.h5")
                stored = {"f2": "f4", "?": "u1"}.get(kind, kind)
                for found, wanted in ((sets["x"], x), (sets["y"], x[::-1])):
                    self.assertEqual(found.dtype, np.dtype(stored))
                    self.assertTrue(np.array_equal(found, wanted), kind)
        self.expect(self.npy(np.arange(2_000_000.0).reshape(-1, 4)))  # several blocks, x alone
        sets, _ = support.read_h5(f"{self.scratch}/t.h5")
        self.assertEqual(list(sets), ["x"])
        self.assertTrue(np.array_equal(sets["x"].ravel(), np.arange(2_000_000.0)))

    def test_import_npy_faults(self):
        x = np.zeros((6, 2), np.float32)
        for name, result, phrase in (
            ("rows differ", self.npy(x, np.zeros(5)), "x.npy: has 6 rows, but y.npy has 5"),
            ("no rows", self.npy(x[:0]), "x.npy: holds no rows"),
            ("complex", self.npy(x.astype(complex)), "x.npy: is of the type <c16; accepted are"),
            ("big-endian", self.npy(x.astype(">f4")), "save a.astype('<f4')"),
            ("text", self.npy(np.array(["a"])), "x.npy: is of the type <U1"),
        ):
            with self.subTest(name):
                self.expect_error(result, 3, phrase)
        self.npy(x)
        os.truncate(f"{self.scratch}/x.npy", 150)
        os.remove(f"{self.scratch}/t.h5")
        words = ["import", "npy", "x.npy", "-o", "t.h5"]
        self.expect_error(run(words, cwd=self.scratch), 3, "x.npy: is cut short", "row 2")
        self.expect_error(run(["import", "npy", "none.npy", *words[3:]], cwd=self.scratch), 3, "none.npy")
        self.assertEqual(support.listing(self.scratch), ["x.npy", "y.npy"])

    def test_an_import_that_is_stopped_leaves_nothing(self):
        home = self.folder("home")
        with open(f"{home}/x.npy", "wb") as file:  # 4 GB of zeros that need no room
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 25, 32)})
            file.truncate(file.tell() + (1 << 32))
        for number in (support.signal.SIGINT, support.signal.SIGTERM):
            process = support.start(
                support.command(["import", "npy", "x.npy", "-o", "t.h5"]), home,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.assertTrue(support.wait_until(lambda: support.aside(f"{home}/t.h5", process), 30))
                support.send(process.pid, number)
                self.assertEqual(process.wait(30), -number)
            finally:
                support.stop(process)
            self.assertEqual(support.listing(home), ["x.npy"])

    def test_an_imported_table_trains(self):
        with open(os.path.join(self.scratch, "t.csv"), "w", encoding="utf-8") as file:
            file.writelines(f"{i % 7};{i % 3};{float(i % 7) + 0.5 * (i % 3)}\n" for i in range(120))
        self.expect(run(["import", "csv", "t.csv", "--target", "-1", "-o", "t.h5"], cwd=self.scratch))
        path = self.train(patched(job(os.path.join(self.scratch, "t.h5")), {"training.epochs": 60}))
        self.assertGreater(support.metrics(path, "final")[0]["train"]["r2"], 0.9)


class Check(support.Case):
    def test_plan(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        for ranks in (1, 3):
            result = self.expect(run(["check", "job.json"], ranks, cwd=home))
            lines = dict(
                line.strip().split("  ", 1)
                for line in result.out.splitlines()
                if "  " in line.strip()
            )
            numbers = {name: value.split() for name, value in lines.items()}
            rows = [int(numbers[name][0]) for name in ("training rows", "held-out rows")]
            self.assertEqual(sum(rows), 1000, f"\n{result}")
            self.assertAlmostEqual(rows[1], 200, delta=40)
            self.assertEqual(numbers["inputs -> outputs"], ["2", "->", "1"])
            self.assertEqual(numbers["parameters"][0], str(2 * 16 + 16 + 16 + 1))
            self.assertEqual(int(numbers["steps"][0]), 3 * -(-rows[0] // 64))
            self.assertEqual(numbers["lanes"][:3], ["4", "on", str(ranks)])
            self.assertEqual(numbers["rows a lane"][:3], ["16", "to", "16"])
            for name in ("data", "model and optimiser", "activations"):
                self.assertEqual(numbers[name][1], "MB")
        self.assertEqual(support.listing(home), ["job.json"], "check has left something")

    def test_set(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        result = self.expect(
            run(
                [
                    "check",
                    "job.json",
                    "--set",
                    "training.lanes=2",
                    "--set",
                    "model.layers[0].units=5",
                ],
                cwd=home,
            )
        )
        self.assertIn(" 2 on 1 rank", result.out)
        self.assertRegex(result.out, r"parameters +21\b")


class Train(support.Case):
    def test_json(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        for ranks in (1, 3):
            result = self.expect(
                run(["train", "job.json", "--json", "--overwrite"], ranks, cwd=home)
            )
            found = support.json.loads(result.out)
            final = support.metrics(f"{home}/runs/small", "final")[0]
            verdict = support.read_json(f"{home}/runs/small/verdict.json")
            self.assertEqual(found["output"], "runs/small")
            self.assertEqual(found["steps"], final["step"])
            for part in ("train", "validation"):
                self.assertEqual(found[part], final[part])
            self.assertEqual(
                [found[k] for k in ("verdict", "collapse", "sentence")],
                [verdict[k] for k in ("verdict", "collapse", "sentence")],
            )
            self.assertIs(found["stopped"], False)

    def test_page(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        result = self.expect(run(["train", "job.json"], 2, cwd=home))
        for text in ("held-out rows", "training rows", "accuracy", "Run directory: runs/small"):
            self.assertEqual(
                result.out.count(text), 1 if text != "accuracy" else result.out.count(text)
            )
            self.assertIn(text, result.out)
        self.assertNotIn("\033", result.out + result.err)
        quiet = self.expect(run(["train", "job.json", "--overwrite", "-q"], cwd=home))
        self.assertEqual(quiet.err, "")

    def test_run_directory(self):
        path = self.train(job(self.synth("moons", 1000)), 2)
        self.assertEqual(
            sorted(os.listdir(path)),
            [
                "checkpoints",
                "job.json",
                "log.txt",
                "metrics.jsonl",
                "model.safetensors",
                "run.json",
                "sample.safetensors",
                "verdict.json",
            ],
        )
        self.assertEqual(support.read_json(f"{path}/run.json")["ranks"], 2)
        resolved = support.read_json(f"{path}/job.json")
        self.assertEqual(
            (
                resolved["data"]["task"],
                resolved["data"]["classes"],
                resolved["loss"]["type"],
                resolved["model"]["layers"][-1]["units"],
                resolved["training"]["lanes"],
            ),
            ("binary", 2, "bce_logits", 1, 4),
        )
        for layer in resolved["model"]["layers"]:
            layer.pop("init")  # a rule that needs no data may stay
        # what the machine decides stays open, so that equal runs have equal bytes everywhere
        for key in ("residency", "memory"):
            self.assertEqual(resolved["data"].pop(key), "auto")
        self.assertNotIn('"auto"', support.json.dumps({**resolved, "runtime": None}))
        types = [row["type"] for row in support.metrics(path)]
        self.assertEqual((types.count("epoch"), types.count("final"), types[-1]), (3, 1, "final"))

    def test_the_resolved_job_gives_the_same_run(self):
        first = self.train(job(self.synth("moons", 1000)))
        again = self.train(support.read_json(f"{first}/job.json"), 2, "again")
        self.assert_same(support.results(first), support.results(again), "from the resolved job")

    def test_collapse_is_an_exit_code_where_asked_for(self):
        generator = np.random.default_rng(2)
        path = support.write_h5(
            f"{self.shared}/constant.h5",
            x=np.ones((500, 3), np.float32),
            y=(generator.random(500) < 0.3).astype(np.int8),
        )
        blind = patched(job(path), {"training.epochs": 30})
        found = self.train(blind, 1, "told", ["--fail-on-collapse"], code=4)
        self.assertEqual(support.read_json(f"{found}/verdict.json")["verdict"], "at-base-rate")
        self.train(blind, 3, "told-on-3", ["--fail-on-collapse"], code=4)
        self.train(blind, 1, "not-told", code=0)
        seeing = patched(job(self.synth("moons", 1000)), {"training.epochs": 10})
        found = self.train(seeing, 1, "healthy", ["--fail-on-collapse"], code=0)
        self.assertEqual(support.read_json(f"{found}/verdict.json")["verdict"], "healthy")

    def test_dead_from_the_start(self):
        """All weights 0 in front of a ReLU: no gradient, every answer is 0.5."""
        layers = [dense(8, "relu", init="zeros"), dense("auto", init="zeros")]
        changes = {"model.layers": layers, "optimizer": {"type": "sgd", "lr": 1e-9}}
        found = self.train(
            patched(job(self.synth("moons", 1000)), changes), 2, more=["--fail-on-collapse"], code=4
        )
        self.assertEqual(support.read_json(f"{found}/verdict.json")["verdict"], "at-half")

    def test_no_color(self):
        """Colour on a terminal, unless NO_COLOR says otherwise; none in a pipe."""
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 300)))
        found = {}
        for name, environment in (("plain", {"NO_COLOR": "1"}), ("colour", {"NO_COLOR": ""})):
            master, slave = pty.openpty()
            process = support.start(
                [PITPROP, "train", "job.json", "-q", "--overwrite"],
                home,
                {**environment, "TERM": "xterm"},
                stdout=slave,
                stderr=subprocess.DEVNULL,
            )
            os.close(slave)
            text = b""
            try:
                while chunk := os.read(master, 65536):
                    text += chunk
            except OSError:
                pass  # how Linux says that the other end is closed
            os.close(master)
            self.assertEqual(process.wait(support.TIME_LIMIT), 0)
            found[name] = text
        self.assertNotIn(b"\033[", found["plain"])
        self.assertIn(b"\033[", found["colour"])


if __name__ == "__main__":
    support.main()
