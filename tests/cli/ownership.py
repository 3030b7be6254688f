"""Whose a file is: one run to a directory whoever starts when, data that are read are never written,
and data that lie elsewhere are told by their rows."""

import glob
import os
import shutil
import signal
import subprocess

import numpy as np

import support
from support import patched, run
from hiccups import Hiccups

REFUSED = "holds a run already"


class Directory(Hiccups):
    def start(self, home, *more, fault=None):
        process = support.start(support.command(["train", "job.json", "-o", "run", *more]), home,
                                fault, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(support.stop, process)
        return process

    def end(self, process):
        _, err = process.communicate(timeout=support.TIME_LIMIT)
        return process.returncode, err.decode()

    def test_several_at_once(self):
        """One has it, the others are refused and touch nothing."""
        whole = self.whole()
        for turn in range(3):
            home = self.home(f"turn-{turn}")
            ends = [self.end(p) for p in [self.start(home) for _ in range(4)]]
            self.assertEqual(sorted(code for code, _ in ends), [0, 2, 2, 2], str(ends))
            self.assertEqual(sum(REFUSED in err for _, err in ends), 3, str(ends))
            self.assert_same(whole, support.results(f"{home}/run"), f"turn {turn}")

    def test_superseded_while_it_begins(self):
        """Slow between its claim and its first file, it finds a later run there and leaves it."""
        home = self.home("superseded")
        slow = self.fault("fsync", "job.json", delay=3000)
        first = self.start(home, fault=slow)
        claimed = f"{home}/run/checkpoints/generation-000001"
        self.assertTrue(support.wait_until(lambda: os.path.exists(claimed)))
        self.train(home, "--resume")
        whole, listing = support.results(f"{home}/run"), support.listing(f"{home}/run")
        code, err = self.end(first)
        self.assertEqual(code, 3, err)
        self.assertIn("has taken over", err)
        self.assert_same(whole, support.results(f"{home}/run"), "after the first has left")
        self.assertEqual(listing, support.listing(f"{home}/run"))

    def test_taken_before_the_data_are_read(self):
        home = self.home("reading")
        slow = self.fault("pread", os.path.basename(self.job["data"]["files"]), delay=300)
        first = self.start(home, fault=slow)
        self.assertTrue(support.wait_until(lambda: os.path.exists(f"{home}/run/job.json")))
        self.expect_error(run(["train", "job.json", "-o", "run"], cwd=home), 2, REFUSED)
        self.assertEqual(self.end(first)[0], 0)

    def test_failed_start(self):
        """A start that fails leaves nothing where nothing was, and all that was there."""
        bad = support.write_h5(f"{self.scratch}/bad.h5", x=np.full((64, 2), np.nan, "f4"),
                               y=np.arange(64, dtype="i4") % 2)
        home = self.home("failed", {"data.files": bad})
        for make in (False, True):
            if make:
                os.makedirs(f"{home}/run/mine")
            before = support.listing(home)
            self.expect_error(run(["train", "job.json", "-o", "run"], cwd=home), 3, "bad.h5")
            self.expect_error(run(["train", "job.json", "-o", "a/b/run"], cwd=home), 3, "bad.h5")
            self.assertEqual(before, support.listing(home))

    def test_own_job_in_the_directory(self):
        """A job.json that no run has written is not replaced."""
        home = self.home("own")
        os.makedirs(f"{home}/run")
        os.rename(f"{home}/job.json", f"{home}/run/job.json")
        text = support.read_bytes(f"{home}/run/job.json")
        for more in ([], ["--overwrite"], ["--resume"]):
            result = run(["train", "run/job.json", "-o", "run", *more], cwd=home)
            self.expect_error(result, 2, "run/job.json")
        self.assertEqual(text, support.read_bytes(f"{home}/run/job.json"))
        self.expect(run(["train", "run/job.json", "-o", "other"], cwd=home))
        again = run(["train", "other/job.json", "-o", "other", "--overwrite"], cwd=home)
        self.expect(again)


class Inputs(Hiccups):
    def check(self, words, path, names, ranks=1):
        """The command is refused for each name of its input, which stays as it is."""
        before = support.read_bytes(path)
        for name in names:
            result = run([name if w == "OUT" else w for w in words], ranks, cwd=self.scratch)
            self.expect_error(result, 2, name)
            self.assertEqual(before, support.read_bytes(path))

    def names_of(self, path):
        stem, end = os.path.splitext(path)
        os.link(path, f"{stem}-hard{end}")
        os.symlink(path, f"{stem}-soft{end}")
        return path, f"{stem}-hard{end}", f"{stem}-soft{end}"

    def test_outputs(self):
        data = os.path.join(self.scratch, "d.h5")
        shutil.copy(self.synth("moons", 500), data)
        table = os.path.join(self.scratch, "t.csv")
        with open(table, "w", encoding="utf-8") as file:
            file.write("p,y\n" + "0.25,0\n0.75,1\n" * 50)
        x, y = os.path.join(self.scratch, "x.npy"), os.path.join(self.scratch, "y.npy")
        np.save(x, np.zeros((4, 2), "f4"))
        np.save(y, np.zeros(4, "f4"))
        support.write_json(f"{self.scratch}/job.json", patched(self.job, {"data.files": data}))
        self.expect(run(["train", "job.json", "-o", "run", "--set", "training.epochs=1"],
                        cwd=self.scratch))
        names = self.names_of(data)
        self.check(["predict", "run", "d.h5", "-o", "OUT"], data, names)
        self.check(["predict", "run", "d.h5", "-o", "OUT"], data, names[1:2], 2)
        self.check(["predict", "run", "d.h5", "-o", "OUT"], f"{self.scratch}/run/model.safetensors",
                   ["run/model.safetensors"])
        self.check(["repack", "d.h5", "OUT"], data, names)
        self.check(["import", "csv", "t.csv", "-o", "OUT"], table, self.names_of(table))
        self.check(["import", "npy", "x.npy", "--labels", "y.npy", "-o", "OUT"], y, [x, y])
        self.check(["audit", "t.csv", "-o", "OUT"], table, [table])
        self.check(["audit", "--p", "d.h5:/y", "--y", "d.h5:/y", "-o", "OUT"], data, names)

    def test_files_of_a_run(self):
        """Data under the name of a file that the run would write."""
        os.makedirs(f"{self.scratch}/run")
        data = os.path.join(self.scratch, "run", "model.safetensors")
        shutil.copy(self.synth("moons", 500), data)
        support.write_json(f"{self.scratch}/job.json", patched(self.job, {"data.files": data}))
        before = support.read_bytes(data)
        for more in ([], ["--overwrite"], ["--resume"]):
            result = run(["train", "job.json", "-o", "run", *more], cwd=self.scratch)
            self.expect_error(result, 2, "model.safetensors")
        self.assertEqual(before, support.read_bytes(data))

    def test_job_of_why_and_sweep(self):
        for name, words in (("fixed.json", ["why", "OUT", "-o", "."]),
                            ("results.csv", ["sweep", "OUT", "-o", "."])):
            path = f"{self.scratch}/{name}"
            if words[0] == "why":
                support.write_json(path, self.job)
            else:
                support.write_json(path, {"name": "s", "job": f"{self.scratch}/fixed.json",
                                          "search": "grid",
                                          "space": {"seed": {"choice": [1, 2]}}})
            self.check(words, path, [name])


class Staged(Hiccups):
    """Data that each Slurm job finds in another place."""

    def stage(self, home, name, seed=1):
        path = f"{home}/{name}/d.h5"
        os.makedirs(os.path.dirname(path))
        shutil.copy(self.synth("images", 2001, seed), path)
        return f"data.files={path}"

    def test_moved(self):
        home = self.home("staged", {"training.epochs": 80})
        first, second, other = (self.stage(home, n, s) for n, s in
                                (("1", 1), ("2", 1), ("3", 2)))
        self.train(home, "--set", first, "-o", "whole")
        process = support.start(
            support.command(["train", "job.json", "-o", "run", "--set", first]), home,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(support.stop, process)
        self.assertTrue(support.wait_until(
            lambda: len(glob.glob(f"{home}/run/checkpoints/step-*")) >= 2))
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(support.TIME_LIMIT), 5)
        wrong = self.train(home, "--resume", "--set", other, code=3)
        self.assertIn("are not those", wrong.errors[0])
        result = self.train(home, "--resume", "--set", second)
        self.assertIn("2/d.h5 now, and", result.err)
        one, two = (support.read_safetensors(f"{home}/{d}/model.safetensors")[0]
                    for d in ("whole", "run"))
        self.assertTrue(all(np.array_equal(one[name], two[name]) for name in one))

    def test_finished_without_checkpoint(self):
        """Nothing tells whether the rows are the same: the model there stays."""
        home = self.home("none", {"training.epochs": 1, "checkpoint.every_steps": 0})
        first, second = self.stage(home, "1"), self.stage(home, "2")
        self.train(home, "--set", first)
        before = support.read_bytes(f"{home}/run/model.safetensors")
        refused = self.train(home, "--resume", "--set", second, code=2)
        self.assertIn("other files", refused.errors[0])
        self.assertEqual(before, support.read_bytes(f"{home}/run/model.safetensors"))


class Numbers(Hiccups):
    def test_never(self):
        """What is written as a large number does not turn over."""
        home = self.home("never")
        for key in ("monitor.evaluate_epochs", "checkpoint.every_epochs"):
            for value in ("1e6", "1e30"):
                self.train(home, "--overwrite", "--set", f"{key}={value}", "--set",
                           "checkpoint.every_steps=0", "--set", "training.epochs=2")
                evaluations = len(support.metrics(f"{home}/run", "epoch"))
                saved = glob.glob(f"{home}/run/checkpoints/step-*")
                if key.startswith("monitor"):
                    self.assertEqual(evaluations, 1)
                else:
                    self.assertEqual(saved, [])

    def test_for_ever(self):
        """Epochs without end, until early stopping: which says so."""
        home = self.home("for-ever", {"data.files": self.synth("moons", 500),
                                      "training.epochs": 2**53, "training.batch": 64,
                                      "training.early_stopping": 2, "optimizer.lr": 0.3})
        result = self.train(home)
        stop = support.metrics(f"{home}/run", "early_stop")
        epochs = support.metrics(f"{home}/run", "epoch")
        self.assertEqual(len(stop), 1)
        best = min(epochs, key=lambda row: row["validation"]["loss"])
        self.assertEqual((stop[0]["best_epoch"], stop[0]["best_loss"], stop[0]["step"]),
                         (best["epoch"], best["validation"]["loss"], epochs[-1]["step"]))
        for text in (result.err, result.out):
            self.assertIn("arly stopping at epoch", text)
            self.assertIn("the weights kept are the last", text)

    def test_large_batch(self):
        """The whole set as one batch, written as a large number: room is for rows that exist."""
        data = self.synth("moons", 500)
        for more in ({}, {"data.shuffle": False},
                     {"data.residency": "stream", "data.memory": 10_000_000}):
            home = self.home(f"large-{len(more)}-{len(str(more))}",
                             {"data.files": data, "training.batch": 2**31 - 1, "training.lanes": 8,
                              "training.epochs": 3, **more})
            for ranks in (1, 3):
                self.expect(run(["train", "job.json", "-o", f"run-{ranks}"], ranks, cwd=home))
            one, three = (support.results(f"{home}/run-{r}") for r in (1, 3))
            one["job.json"] = three["job.json"] = b""
            self.assertEqual(support.differences(one, three), "")
            self.assertEqual(support.metrics(f"{home}/run-1", "final")[0]["step"], 3)


class Launches(Hiccups):
    def test_tasks_of_srun(self):
        """Several processes of a job step that know nothing of each other are refused."""
        home = self.home("srun")
        for more in ({"SLURM_PROCID": "1"}, {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}):
            result = run(["train", "job.json", "-o", "run"], cwd=home,
                         environment={"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", **more})
            self.expect_error(result, 2, "srun --mpi=pmix pitprop train", "mpirun")
            self.assertEqual(support.listing(home), ["job.json"])

    def test_one_process_in_an_allocation(self):
        home = self.home("allocation", {"training.epochs": 1})
        step = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}
        alone = self.train(home, fault=step)
        self.assertIn("1 process in a Slurm allocation of 8 tasks", alone.warnings[0])
        under = self.train(home, "--overwrite", fault=step, ranks=2)
        self.assertIn("2 processes in a Slurm allocation of 8 tasks", under.err)
        shell = {**step, "SLURM_JOBID": "7", "SLURM_STEP_ID": "0", "SLURM_STEPID": "0",
                 "SLURM_NTASKS": "1"}
        self.assertNotIn("allocation", self.train(home, "--overwrite", fault=shell).err)


if __name__ == "__main__":
    support.main()
