"""Every command: help, output, results that a reader in another language can check."""
import csv
import gzip
import os
import pty
import struct
import subprocess
import sys

import numpy as np

import support
from support import PITPROP, SOURCE, dense, patched, run

COMMANDS = ("train", "predict", "check", "schema", "import", "synth", "version")
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
        for option in ("--set", "--output", "--resume", "--overwrite", "--fail-on-collapse", "--json"):
            self.assertIn(option, result.out)

    def test_version(self):
        for words, ranks in ((["version"], 1), (["--version"], 1), (["version"], 2)):
            result = self.expect(run(words, ranks, cwd=self.scratch))
            names = [line.split()[0] for line in result.out.splitlines()]
            self.assertEqual(names, ["pitprop", "MPI", "BLAS", "HDF5"], f"\n{result}")
            self.assertIn("OpenBLAS", result.out)
            self.assertRegex(result.out, r"kernel \w+")

    def test_wrong_words(self):
        """Each is one line on stderr and exit code 2, on one rank and under mpirun."""
        cases = ((["trian"], "trian: no such command"), (["train"], "usage: pitprop train JOB"),
                 (["train", "a.json", "b.json"], "b.json: one argument too many"),
                 (["train", "a.json", "--overwite"], "--overwite: unknown option of 'train'"),
                 (["train", "--output"], "--output: wants DIR after it"),
                 (["train", "a.json", "--json=yes"], "--json: takes no value"),
                 (["version", "now"], "now: one argument too many"),
                 (["import", "xml", "a", "-o", "b"], "xml: no such format"),
                 (["import", "idx", "a", "-o", "b"], "--labels"), (["import", "csv", "a"], "-o FILE.h5"),
                 (["synth", "nothing", "-o", "b"], "'nothing'"), (["synth", "moons"], "-o FILE.h5"),
                 (["synth", "moons", "-o", "b", "--rows", "0"], "--rows 0"),
                 (["synth", "moons", "-o", "b", "--rows", "1e3"], "--rows 1e3"),
                 (["synth", "moons", "-o", "b", "--seed", "-1"], "--seed -1"))
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
                self.assertTrue(child.get("description") or "$ref" in child, f"{path}.{name}: no description")
                walk(child, f"{path}.{name}")
        walk(self.schema, "")
        self.assertLessEqual({"name", "data", "model", "loss", "optimizer", "schedule", "training", "monitor",
                              "checkpoint", "runtime", "seed", "output"}, set(self.schema["properties"]))

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
                if not name.endswith(".json"):
                    continue
                seen += 1
                faults = list(validator.iter_errors(support.read_json(os.path.join(SOURCE, folder, name))))
                self.assertEqual([f"{f.json_path}: {f.message}" for f in faults], [], f"{folder}/{name}")
        self.assertGreater(seen, 30)
        for broken in ({"trainig.epochs": 3}, {"optimizer.lr": -1}, {"training.lanes": "six"}, {"name": 3}):
            job = patched(support.read_json(os.path.join(SOURCE, "jobs", "fashion-mnist.json")), broken)
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
                self.assertTrue(np.isfinite(sets["x"]).all())
                again = os.path.join(self.scratch, name)
                self.expect(run(["synth", name, "--rows", 60, "-o", again]))
                self.assertEqual(support.read_bytes(path), support.read_bytes(again), "not the same bytes again")
                if name not in ("xor", "square"):  # nothing random in these
                    self.assertFalse(support.read_bytes(self.synth(name, 60, 2)) == support.read_bytes(path),
                                     "another seed, the same set")

    def test_import_fashion_mnist(self):
        if not os.path.exists(f"{FASHION}/t10k-images-idx3-ubyte.gz"):
            self.skipTest("dataset-fashion-mnist is not installed")
        out = os.path.join(self.scratch, "test.h5")
        self.expect(run(["import", "idx", f"{FASHION}/t10k-images-idx3-ubyte.gz", "--labels",
                         f"{FASHION}/t10k-labels-idx1-ubyte.gz", "-o", out]))
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
        for count, content, phrase in ((5, bytes(5), None), (4, bytes(4), "labels"), (5, bytes(3), "labels")):
            with open(labels, "wb") as file:
                file.write(struct.pack(">2I", 2049, count) + content)
            result = run(["import", "idx", images, "--labels", labels, "-o", "out.h5"], cwd=self.scratch)
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
        self.expect(run(["import", "csv", path, "--target", "answer", "-o", "t.h5"], cwd=self.scratch))
        sets, notes = support.read_h5(os.path.join(self.scratch, "t.h5"))
        self.assertTrue(np.array_equal(sets["x"], x.astype(np.float32)))
        self.assertEqual(sets["y"].tolist(), [int(name != names[0]) for name in names])
        self.assertIn(str(names[0]), str(notes["classes"]))
        with open(path, "a", encoding="utf-8") as file:
            file.write("1.5,oops,no,2\n")
        self.expect_error(run(["import", "csv", path, "--target", "answer", "-o", "u.h5"], cwd=self.scratch), 3,
                          "table.csv", "line 52", "oops")
        self.assertEqual(support.listing(self.scratch), ["t.h5", "table.csv"])

    def test_an_imported_table_trains(self):
        with open(os.path.join(self.scratch, "t.csv"), "w", encoding="utf-8") as file:
            file.writelines(f"{i % 7};{i % 3};{float(i % 7) + 0.5 * (i % 3)}\n" for i in range(120))
        self.expect(run(["import", "csv", "t.csv", "-o", "t.h5"], cwd=self.scratch))
        path = self.train(patched(job(os.path.join(self.scratch, "t.h5")), {"training.epochs": 60}))
        self.assertGreater(support.metrics(path, "final")[0]["train"]["r2"], 0.9)


def job(path):
    return {"name": "small", "data": {"files": path, "validation": {"fraction": 0.2}},
            "model": {"layers": [dense(16, "relu"), dense("auto")]},
            "optimizer": {"lr": 0.01}, "training": {"epochs": 3, "batch": 64, "lanes": 4}}


class Check(support.Case):
    def test_plan(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        for ranks in (1, 3):
            result = self.expect(run(["check", "job.json"], ranks, cwd=home))
            lines = dict(line.strip().split("  ", 1) for line in result.out.splitlines()
                         if "  " in line.strip())
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
        result = self.expect(run(["check", "job.json", "--set", "training.lanes=2", "--set",
                                  "model.layers[0].units=5"], cwd=home))
        self.assertIn(" 2 on 1 rank", result.out)
        self.assertRegex(result.out, r"parameters +21\b")


class Train(support.Case):
    def test_json(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        for ranks in (1, 3):
            result = self.expect(run(["train", "job.json", "--json", "--overwrite"], ranks, cwd=home))
            found = support.json.loads(result.out)
            final = support.metrics(f"{home}/runs/small", "final")[0]
            verdict = support.read_json(f"{home}/runs/small/verdict.json")
            self.assertEqual(found["output"], "runs/small")
            self.assertEqual(found["steps"], final["step"])
            for part in ("train", "validation"):
                self.assertEqual(found[part], final[part])
            self.assertEqual([found[k] for k in ("verdict", "collapse", "sentence")],
                             [verdict[k] for k in ("verdict", "collapse", "sentence")])
            self.assertIs(found["stopped"], False)

    def test_page(self):
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 1000)))
        result = self.expect(run(["train", "job.json"], 2, cwd=home))
        for text in ("held-out rows", "training rows", "accuracy", "Run directory: runs/small"):
            self.assertEqual(result.out.count(text), 1 if text != "accuracy" else result.out.count(text))
            self.assertIn(text, result.out)
        self.assertNotIn("\033", result.out + result.err)
        quiet = self.expect(run(["train", "job.json", "--overwrite", "-q"], cwd=home))
        self.assertEqual(quiet.err, "")

    def test_run_directory(self):
        path = self.train(job(self.synth("moons", 1000)), 2)
        self.assertEqual(sorted(os.listdir(path)), ["checkpoints", "job.json", "log.txt", "metrics.jsonl",
                                                    "model.safetensors", "run.json", "verdict.json"])
        self.assertEqual(support.read_json(f"{path}/run.json")["ranks"], 2)
        resolved = support.read_json(f"{path}/job.json")
        self.assertEqual((resolved["data"]["task"], resolved["data"]["classes"], resolved["loss"]["type"],
                          resolved["model"]["layers"][-1]["units"], resolved["training"]["lanes"]),
                         ("binary", 2, "bce_logits", 1, 4))
        for layer in resolved["model"]["layers"]:
            layer.pop("init")  # a rule that needs no data may stay
        self.assertNotIn('"auto"', support.json.dumps({**resolved, "runtime": None}))
        types = [row["type"] for row in support.metrics(path)]
        self.assertEqual((types.count("epoch"), types.count("final"), types[-1]), (3, 1, "final"))

    def test_the_resolved_job_gives_the_same_run(self):
        first = self.train(job(self.synth("moons", 1000)))
        again = self.train(support.read_json(f"{first}/job.json"), 2, "again")
        self.assert_same(support.results(first), support.results(again), "from the resolved job")

    def test_collapse_is_an_exit_code_where_asked_for(self):
        generator = np.random.default_rng(2)
        path = support.write_h5(f"{self.shared}/constant.h5", x=np.ones((500, 3), np.float32),
                                y=(generator.random(500) < 0.3).astype(np.int8))
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
        found = self.train(patched(job(self.synth("moons", 1000)), changes), 2, more=["--fail-on-collapse"], code=4)
        self.assertEqual(support.read_json(f"{found}/verdict.json")["verdict"], "at-half")

    def test_no_color(self):
        """Colour on a terminal, unless NO_COLOR says otherwise; none in a pipe."""
        home = self.folder("home")
        support.write_json(f"{home}/job.json", job(self.synth("moons", 300)))
        found = {}
        for name, environment in (("plain", {"NO_COLOR": "1"}), ("colour", {"NO_COLOR": ""})):
            master, slave = pty.openpty()
            process = support.start([PITPROP, "train", "job.json", "-q", "--overwrite"], home,
                                    {**environment, "TERM": "xterm"}, stdout=slave, stderr=subprocess.DEVNULL)
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


def forward(tensors, notes, x):
    """A job's model in NumPy, double precision: raw outputs."""
    resolved = support.json.loads(notes["job"])
    a = x.reshape(len(x), -1).astype(np.float64)
    if "input.shift" in tensors:
        a = (a - tensors["input.shift"]) * tensors["input.scale"]
    activations = {"identity": lambda z: z, "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh,
                   "silu": lambda z: z / (1 + np.exp(-z))}
    for i, layer in enumerate(resolved["model"]["layers"]):
        of = {name.split(".")[-1]: t.astype(np.float64) for name, t in tensors.items()
              if name.startswith(f"layers.{i}.")}
        if layer["type"] == "dense":
            a = activations[layer["activation"]](a @ of["weight"].T + of.get("bias", 0))
        elif layer["type"] == "batch_norm":
            a = (a - of["running_mean"]) / np.sqrt(of["running_var"] + layer["epsilon"]) * of["weight"] + of["bias"]
        elif layer["type"] != "dropout":
            raise AssertionError(layer["type"])
    return a


class Predict(support.Case):
    def predictions(self, path, data, ranks=1, name="p.h5"):
        out = os.path.join(self.scratch, name)
        result = self.expect(run(["predict", path, data, "-o", out], ranks))
        self.assertIn("predictions of", result.err)
        return out

    def same_on_ranks(self, path, data):
        files = [support.read_bytes(self.predictions(path, data, ranks, f"p{ranks}.h5")) for ranks in (1, 2, 3)]
        self.assertEqual(files[0], files[1], "1 and 2 ranks")
        self.assertEqual(files[0], files[2], "1 and 3 ranks")
        return support.read_h5(os.path.join(self.scratch, "p1.h5"))

    def test_binary(self):
        layers = [dense(24, "tanh"), {"type": "batch_norm"}, {"type": "dropout", "rate": 0.2}, dense(12, "silu"),
                  dense("auto")]
        data = self.synth("higgs-like", 3001)
        path = self.train(patched(job(data), {"model.layers": layers, "data.standardise": True}), 2)
        sets, notes = self.same_on_ranks(path, data)
        raw = forward(*support.read_safetensors(f"{path}/model.safetensors"), support.read_h5(data)[0]["x"])
        self.assertEqual(sets["raw"].shape, (3001, 1))
        np.testing.assert_allclose(sets["raw"], raw, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(sets["p"], 1 / (1 + np.exp(-raw)), rtol=1e-4, atol=1e-5)
        self.assertTrue(np.array_equal(sets["class"], (sets["p"][:, 0] >= 0.5).astype(int)))
        self.assertGreater(np.std(sets["p"]), 0.05)
        self.assertIn("job", notes)

    def test_ten_classes_agree_with_the_metrics(self):
        """Accuracy recomputed from the predictions of the held-out file is the run's, exactly."""
        held_out = self.synth("images", 601, seed=5)
        changes = {"data": {"files": self.synth("images", 1500), "validation": {"files": held_out},
                            "standardise": True}, "training.epochs": 2}
        path = self.train(patched(job(""), changes), 3)
        sets, _ = self.same_on_ranks(path, held_out)
        truth = support.read_h5(held_out)[0]
        raw = forward(*support.read_safetensors(f"{path}/model.safetensors"), truth["x"])
        p = np.exp(raw - raw.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        np.testing.assert_allclose(sets["p"], p, rtol=1e-3, atol=1e-5)
        self.assertTrue(np.array_equal(sets["class"], sets["p"].argmax(1)))
        final = support.metrics(path, "final")[0]["validation"]
        self.assertEqual(final["rows"], 601)
        self.assertAlmostEqual(final["accuracy"], np.mean(sets["class"] == truth["y"]), places=12)
        log_loss = -np.mean(np.log(sets["p"][np.arange(601), truth["y"].astype(int)].astype(np.float64)))
        self.assertAlmostEqual(final["log_loss"], log_loss, places=6)

    def test_regression(self):
        data = self.synth("friedman", 1009)
        path = self.train(job(data), 2)
        sets, _ = self.same_on_ranks(path, data)
        self.assertNotIn("class", sets)
        truth = support.read_h5(data)[0]
        raw = forward(*support.read_safetensors(f"{path}/model.safetensors"), truth["x"])
        np.testing.assert_allclose(sets["p"], raw, rtol=1e-4, atol=1e-4)
        evidence = support.read_json(f"{path}/verdict.json")["evidence"]
        self.assertAlmostEqual(evidence["mse"], np.mean((sets["p"][:, 0].astype(np.float64) - truth["y"]) ** 2),
                               places=5)

    def test_at_prediction(self):
        """Linear in training, a sigmoid at prediction only: /raw is what was trained, /p what users see."""
        data = self.synth("moons", 500)
        changes = {"loss": {"type": "mse"}, "model.at_prediction": "sigmoid"}
        path = self.train(patched(job(data), changes))
        sets, _ = self.same_on_ranks(path, data)
        np.testing.assert_allclose(sets["p"], 1 / (1 + np.exp(-sets["raw"].astype(np.float64))), rtol=1e-6)

    def test_clamp_and_one_hot(self):
        x = np.random.default_rng(8).normal(size=(300, 4)).astype(np.float32)
        path = support.write_h5(f"{self.shared}/one_hot.h5", x=x, y=np.eye(3)[x[:, :3].argmax(1)])
        changes = {"loss": {"type": "mse"}, "model.at_prediction": "clamp", "model.clamp_low": 0.1,
                   "model.clamp_high": 0.6}
        sets, _ = self.same_on_ranks(self.train(patched(job(path), changes)), path)
        self.assertEqual(sets["p"].shape, (300, 3))
        self.assertTrue(np.array_equal(sets["p"], np.clip(sets["raw"], np.float32(0.1), np.float32(0.6))))


class Tensors(support.Case):
    """The model in the eyes of the format's own library."""

    def test_safetensors_package(self):
        path = self.train(patched(job(self.synth("moons", 300)), {"data.standardise": True}))
        model = f"{path}/model.safetensors"
        venv = os.path.join(os.path.dirname(PITPROP), "test-venv")
        python = os.path.join(venv, "bin", "python3")
        has_it = [python, "-c", "import safetensors, numpy"]
        if not os.path.exists(python) or subprocess.run(has_it, stderr=subprocess.DEVNULL).returncode != 0:
            try:
                subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv], check=True, timeout=60,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                subprocess.run([python, "-m", "pip", "install", "-q", "safetensors"], check=True, timeout=60,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except (subprocess.SubprocessError, OSError):
                self.skipTest("pip cannot bring the safetensors package")
        script = ("import sys, json, safetensors\n"
                  "with safetensors.safe_open(sys.argv[1], 'np') as f:\n"
                  "    print(json.dumps({'notes': f.metadata(),"
                  " 'tensors': {k: f.get_tensor(k).tolist() for k in f.keys()}}))\n")
        done = subprocess.run([python, "-c", script, model], check=True, timeout=60, stdout=subprocess.PIPE)
        found = support.json.loads(done.stdout)
        tensors, notes = support.read_safetensors(model)
        self.assertEqual(found["tensors"], {name: t.tolist() for name, t in tensors.items()})
        self.assertEqual(found["notes"], notes)
        self.assertEqual(tensors["layers.0.weight"].shape, (16, 2))
        self.assertEqual(support.json.loads(notes["job"]), {**support.read_json(f"{path}/job.json"), "output": ""})


if __name__ == "__main__":
    support.main()
