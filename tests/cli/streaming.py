"""Rows that are streamed: the same bytes as rows in memory, within the memory that the job names, and
one clear message where reading fails, while training too."""

import glob
import os
import re
import sys
import threading
import time
import unittest

import h5py
import numpy as np

import support
from support import dense, patched

MEGABYTE = 1 << 20
SAME = ("model.safetensors", "metrics.jsonl", "verdict.json")


def classifier(path):
    return {
        "name": "streamed",
        "seed": 9,
        "data": {"files": path, "standardise": True, "balance": "class_weights"},
        "model": {"layers": [dense(24, "relu"), {"type": "dropout", "rate": 0.2}, dense("auto")]},
        "training": {"epochs": 3, "batch": 100, "lanes": 8},
        "monitor": {"log_steps": 2, "evaluate_epochs": 0.5},
    }


def fewest_bytes(case, job, ranks=1):
    """The budget that the message for one that is too small asks for."""
    home = case.folder(f"too-small-{len(os.listdir(case.scratch))}")
    support.write_json(f"{home}/job.json", patched(job, {"data.memory": 1}))
    result = support.run(["train", "job.json", "-o", "run"], ranks, cwd=home)
    case.expect(result, 2)
    case.assertIn("data.memory: 1 bytes are too few", result.errors[0])
    return int(re.search(r"give (\d+) or more", result.errors[0]).group(1))


class SameBytes(support.Case):
    def streams(self, job, budgets, ranks=(1, 2, 3)):
        kept = support.results(self.train(patched(job, {"data.residency": "memory"}), 1, "memory"))
        streamed = patched(job, {"data.residency": "stream"})
        for count in ranks:
            for name, bytes_ in budgets.items():
                budget = bytes_ or fewest_bytes(self, streamed, count)
                run = self.train(
                    patched(streamed, {"data.memory": budget}), count, f"{name}-{count}"
                )
                found = support.results(run)
                for file in SAME:
                    self.assertEqual(kept[file], found[file], f"{file}: {name} on {count} ranks")
                self.assertIn("input_wait_s", support.metrics(run, "step")[0]["timing"])
        return kept

    def test_classes_with_any_budget(self):
        job = classifier(self.synth("imbalanced", 2003))
        first = self.streams(job, {"fewest": 0, "some": 2 * MEGABYTE, "ample": 512 * MEGABYTE})
        other = support.results(self.train(patched(job, {"seed": 1}), 1, "other seed"))
        self.assertNotEqual(first["model.safetensors"], other["model.safetensors"])

    def test_numbers_of_rows(self):
        for rows in (1, 7, 9, 1009):
            with self.subTest(rows):
                job = patched(
                    classifier(self.synth("friedman", rows)),
                    {"data.balance": "none", "data.window": 1 if rows < 10 else "auto",
                     "monitor.log_steps": 1},
                )
                job["name"] = f"rows-{rows}"
                self.scratch = self.folder(f"rows-{rows}")
                self.streams(job, {"fewest": 0}, (1, 3))

    def test_settings(self):
        path = self.synth("imbalanced", 901)
        for name, changes in {
            "file order": {"data.shuffle": False},
            "oversampled": {"data.balance": "oversample"},
            "undersampled": {"data.balance": "undersample"},
            "permuted": {"data.permute_targets": True},
            "none held out": {"data.validation.fraction": 0},
            "files held out": {
                "data.validation": {"fraction": 0, "files": [self.synth("imbalanced", 333, 2)]}
            },
        }.items():
            with self.subTest(name):
                self.scratch = self.folder(name)
                self.streams(patched(classifier(path), changes), {"fewest": 0}, (1, 3))

    def test_layouts(self):
        """Chunks of x and y that do not fit together, filters, types, several files."""
        import h5py

        x, y = (support.read_h5(self.synth("imbalanced", 901))[0][name] for name in ("x", "y"))
        paths = [f"{self.scratch}/{name}.h5" for name in ("a", "b")]
        with h5py.File(paths[0], "w") as file:
            file.create_dataset("x", data=x[:500].astype(np.float64), chunks=(37, 2),
                                compression="gzip", shuffle=True)
            file.create_dataset("y", data=y[:500].astype(np.int64), chunks=(400,), compression="gzip")
        with h5py.File(paths[1], "w") as file:
            file.create_dataset("x", data=x[500:].astype(np.float64))
            file.create_dataset("y", data=y[500:].astype(">i2"), chunks=(10,))
        self.streams(classifier(paths), {"fewest": 0, "ample": 512 * MEGABYTE}, (1, 3))

    def test_goes_on_from_memory_to_stream(self):
        job = patched(
            classifier(self.synth("imbalanced", 2003)),
            {"checkpoint": {"every_steps": 13, "keep": 100}, "data.residency": "memory"},
        )
        run = self.train(job, 1, "memory")
        whole = support.results(run)
        checkpoints = sorted(glob.glob(f"{run}/checkpoints/step-*"))
        self.assertGreaterEqual(len(checkpoints), 3)
        for path in checkpoints[1:]:  # the first one is in the middle of an epoch
            os.remove(path)
        home = os.path.dirname(run)
        support.write_json(
            f"{home}/job.json", patched(job, {"data.residency": "stream", "data.memory": MEGABYTE})
        )
        self.expect(support.run(["train", "job.json", "-o", "run", "--resume"], 3, cwd=home))
        with open(f"{run}/log.txt", encoding="utf-8") as file:
            self.assertIn("resuming at step 13 of", file.read())
        found = support.results(run)
        for name in SAME:
            self.assertEqual(whole[name], found[name], name)


class SortedFiles(support.Case):
    """A file that is sorted by label trains like one that is not."""

    def files(self):
        random = np.random.default_rng(5)
        centres = random.normal(size=(10, 12))
        y = random.integers(0, 10, 6000)
        x = (centres[y] + 0.9 * random.normal(size=(len(y), 12))).astype(np.float32)
        held_out, rows = slice(0, 2000), np.arange(2000, len(y))
        order = {"held-out": held_out, "mixed": rows, "sorted": rows[np.argsort(y[rows], kind="stable")]}
        for name, of in order.items():
            with h5py.File(os.path.join(self.scratch, f"{name}.h5"), "w") as file:
                file["x"], file["y"] = x[of], y[of]

    def accuracy(self, name, seed, ranks=1, residency="memory"):
        job = {
            "name": "sorted",
            "seed": seed,
            "data": {
                "files": f"../{name}.h5",
                "validation": {"files": "../held-out.h5"},
                "residency": residency,
            },
            "model": {"layers": [dense(32, "relu"), dense("auto")]},
            "optimizer": {"type": "sgd", "lr": 0.1},
            "training": {"epochs": 3, "batch": 64, "lanes": 8},
        }
        run = self.train(job, ranks, f"{name}-{seed}-{ranks}-{residency}")
        final = support.metrics(run, "final")[0]["validation"]["accuracy"]
        return final, support.read_bytes(os.path.join(run, "verdict.json"))

    def test_they_are_as_accurate(self):
        self.files()
        means = {}
        for name in ("sorted", "mixed"):
            found = [self.accuracy(name, seed) for seed in (1, 2, 3)]
            self.assertEqual(found[0], self.accuracy(name, 1, 4, "stream"))
            means[name] = np.mean([accuracy for accuracy, _ in found])
        # 2000 rows that all six share; seeds differ by less than one in a hundred
        self.assertGreater(means["mixed"], 0.75)
        self.assertLess(abs(means["sorted"] - means["mixed"]), 0.02, means)


class Memory(support.Case):
    def peak(self, job, name):
        """Most memory that one process had at a time, in bytes. A small process starts it: what its parent had
        counts as its own until it has been exchanged for the program."""
        home = self.folder(name)
        support.write_json(f"{home}/job.json", job)
        script = (
            "import os, sys\n"
            "pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])\n"
            "_, status, usage = os.wait4(pid, 0)\n"
            "print('peak', usage.ru_maxrss)\n"
            "sys.exit(os.waitstatus_to_exitcode(status))\n"
        )
        words = [sys.executable, "-c", script, *support.command(["train", "job.json", "-o", "run", "-q"])]
        done = support.run([], words=words, cwd=home)
        self.expect(done)
        return int(done.out.rsplit("peak", 1)[1]) * 1024

    def test_a_file_larger_than_the_budget(self):
        import h5py

        rows, budget = 1_000_000, 32 * MEGABYTE
        path = f"{self.scratch}/large.h5"
        values = np.random.default_rng(2).normal(size=(rows // 10, 64)).astype(np.float32)
        with h5py.File(path, "w") as file:
            x = file.create_dataset("x", (rows, 64), np.float32)
            y = file.create_dataset("y", (rows,), np.int64)
            for at in range(0, rows, len(values)):
                x[at : at + len(values)] = values
                y[at : at + len(values)] = values[:, 0] > 0
        job = {
            "name": "large",
            "data": {"files": path, "standardise": True},
            "model": {"layers": [dense("auto")]},
            "training": {"steps": 300, "batch": 1024, "lanes": 8},
        }
        stream = patched(job, {"data.residency": "stream", "data.memory": budget})
        streamed = self.peak(stream, "stream")
        self.assertLess(streamed, budget + 150 * MEGABYTE)
        kept = self.peak(patched(job, {"data.residency": "memory"}), "memory")
        self.assertGreater(kept, rows * 64 * 4)
        # What does not fit is streamed without being asked.
        self.assertLess(self.peak(patched(job, {"data.memory": budget}), "auto"), 2 * streamed)
        models = [
            support.read_bytes(f"{self.scratch}/{name}/run/model.safetensors")
            for name in ("stream", "memory", "auto")
        ]
        self.assertTrue(models[0] == models[1] == models[2], "the models differ")


class Faults(support.Case):
    """While rows are streamed. All ranks leave with exit code 3 and one message."""

    ROWS, COLUMNS = 400_000, 40

    def data(self, name, **options):
        import h5py

        path = f"{self.scratch}/{name}.h5"
        x = np.random.default_rng(3).normal(size=(self.ROWS, self.COLUMNS)).astype(np.float32)
        with h5py.File(path, "w") as file:
            file.create_dataset("y", data=(x[:, 0] > 0).astype(np.uint8))
            file.create_dataset("x", data=x, **options)
        return path

    def job(self, path):
        return {
            "name": "fault",
            "data": {"files": path, "residency": "stream", "memory": 24 * MEGABYTE},
            "model": {"layers": [dense("auto")]},
            "training": {"epochs": 10000, "batch": 256, "lanes": 8},
            "monitor": {"log_steps": 50, "evaluate_epochs": 1000},
        }

    def breaks_while_training(self, words, home, runs, damage):
        """Starts, damages the file as soon as steps are written, and takes what comes of it."""
        done = threading.Event()

        def wait_and_damage():
            log = f"{home}/{runs}/metrics.jsonl"
            if support.wait_until(
                lambda: os.path.exists(log) and os.path.getsize(log) > 0, 30, 0.02
            ):
                damage()
                done.set()

        thread = threading.Thread(target=wait_and_damage)
        thread.start()
        result = support.run([], words=words, cwd=home, limit=90)
        thread.join()
        self.assertTrue(done.is_set(), f"never trained\n{result}")
        return result

    def test_file_cut_short_while_training(self):
        for ranks in (1, 3):
            with self.subTest(ranks=ranks):
                path = self.data(f"cut-{ranks}")
                home = self.folder(f"on-{ranks}")
                support.write_json(f"{home}/job.json", self.job(path))
                result = self.breaks_while_training(
                    support.command(["train", "job.json", "-o", "run"], ranks), home, "run",
                    lambda: os.truncate(path, os.path.getsize(path) // 3),
                )
                self.assertEqual(result.code, 3, f"\n{result}")
                self.assertEqual(len(result.errors), 1, f"\n{result}")
                self.assertIn(f"{path}: has been cut from", result.errors[0])
                self.assertFalse(os.path.exists(f"{home}/run/model.safetensors"))

    def test_file_of_one_rank_cut_short(self):
        """Each rank reads the data.h5 of its own directory; one goes bad, and all ranks leave."""
        homes = [self.folder(f"rank-{rank}") for rank in range(3)]
        words = ["mpirun"]
        for rank, home in enumerate(homes):
            os.rename(self.data("data"), f"{home}/data.h5")
            words += ([":"] if rank else []) + ["-n", "1", "--wdir", home, support.PITPROP]
            words += ["train", f"{homes[0]}/job.json", "-o", "run"]
        support.write_json(f"{homes[0]}/job.json", self.job("data.h5"))
        damaged = f"{homes[2]}/data.h5"
        result = self.breaks_while_training(
            words, homes[0], "run", lambda: os.truncate(damaged, os.path.getsize(damaged) // 3)
        )
        self.assertEqual(result.code, 3, f"\n{result}")
        self.assertEqual(len(result.errors), 1, f"\n{result}")
        self.assertIn("data.h5: has been cut from", result.errors[0])
        self.assertIn("(rank 2)", result.errors[0])

    def test_stops_at_once(self):
        """A signal while the reader is busy: saved, and no thread keeps the process."""
        path = self.data("stop")
        home = self.folder("stop-here")
        support.write_json(f"{home}/job.json", self.job(path))
        process = support.start(
            support.command(["train", "job.json", "-o", "run"]), home,
            stdout=support.subprocess.DEVNULL, stderr=support.subprocess.DEVNULL,
        )
        log = f"{home}/run/metrics.jsonl"
        try:
            self.assertTrue(
                support.wait_until(lambda: os.path.exists(log) and os.path.getsize(log) > 0)
            )
            begun = time.monotonic()
            support.send(process.pid, support.signal.SIGTERM)
            self.assertEqual(process.wait(30), 5)
            self.assertLess(time.monotonic() - begun, 10)
        finally:
            support.stop(process)


if __name__ == "__main__":
    unittest.TestCase.longMessage = True
    support.main()
