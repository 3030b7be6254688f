"""Calls of the system that fail for a moment, or for good: nothing is lost, nothing is torn, and what
was said is true. Faults are put in by a small library that is preloaded (tests/support/fault.c)."""

import errno
import glob
import json
import os
import signal
import subprocess
import time

import support
from support import patched, run

SHIM = os.path.join(support.SOURCE, "tests", "support", "fault.c")


class Hiccups(support.Case):
    library = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if Hiccups.library is None:
            Hiccups.library = os.path.join(cls.shared, "fault.so")
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", cls.library, SHIM, "-ldl"],
                           check=True)
        cls.job = patched(support.small_job(cls.synth("images", 2001)), {
            "training.epochs": 6, "monitor.log_steps": 1, "checkpoint.every_steps": 20,
            "checkpoint.every_epochs": 0, "checkpoint.keep": 3})

    def home(self, name, changes=None):
        home = self.folder(name)
        support.write_json(f"{home}/job.json", patched(self.job, changes or {}))
        return home

    def fault(self, call, path, error=0, first=1, last=1 << 30, delay=0):
        return {"LD_PRELOAD": self.library, "FAULT_CALL": call, "FAULT_PATH": path,
                "FAULT_ERRNO": str(int(error)), "FAULT_FIRST": str(first), "FAULT_LAST": str(last),
                "FAULT_DELAY": str(delay),
                "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}

    def train(self, home, *more, fault=None, code=0, ranks=1):
        result = run(["train", "job.json", "-o", "run", *more], ranks, cwd=home, environment=fault)
        return self.expect(result, code)

    def whole(self, changes=None):
        home = self.home(f"whole-{len(os.listdir(self.scratch))}", changes)
        self.train(home)
        return support.results(f"{home}/run")

    def expect_whole_lines(self, home):
        for line in support.read_bytes(f"{home}/run/metrics.jsonl").splitlines(keepends=True):
            self.assertTrue(line.endswith(b"\n"))
            json.loads(line)

    def stopped(self, name):
        """A run that has been asked to stop at some step."""
        home = self.home(name, {"training.epochs": 80})
        process = support.start(support.command(["train", "job.json", "-o", "run"]), home,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(support.stop, process)
        self.assertTrue(support.wait_until(
            lambda: len(glob.glob(f"{home}/run/checkpoints/step-*")) >= 3))
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(support.TIME_LIMIT), 5)
        return home


class Checkpoints(Hiccups):
    def test_unreadable(self):
        """Those that are there and cannot be read are not passed over, and nothing is removed."""
        home = self.stopped("unreadable")
        before = support.listing(f"{home}/run")
        metrics = support.read_bytes(f"{home}/run/metrics.jsonl")
        newest = os.path.basename(max(glob.glob(f"{home}/run/checkpoints/step-*")))
        for error in (errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOMEM):
            result = self.train(home, "--resume", fault=self.fault("fopen", "/step-", error), code=3)
            self.assertEqual(len(result.errors), 1, str(result))
            self.assertIn(newest, result.errors[0])
            self.assertEqual(metrics, support.read_bytes(f"{home}/run/metrics.jsonl"))
        left = {n for n in support.listing(f"{home}/run") if "generation-" not in n}
        self.assertEqual(left, {n for n in before if "generation-" not in n})

    def test_directory_for_a_moment(self):
        """A file server that loses the directory for some seconds is waited for."""
        home = self.home("moment")
        self.train(home, fault=self.fault("opendir", "/checkpoints", errno.ESTALE, 4, 5))
        self.assert_same(self.whole(), support.results(f"{home}/run"), "after ESTALE")

    def test_signs_of_life(self):
        """While ranks wait for a slow one, a listing that fails ends nothing."""
        home = self.home("signs", {"training.epochs": 300})
        process = support.start(
            support.command(["train", "job.json", "-o", "run"], 2), home,
            self.fault("opendir", "/checkpoints", errno.ESTALE, 60, 1 << 30),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(support.stop, process)
        path = f"{home}/run/metrics.jsonl"
        self.assertTrue(support.wait_until(
            lambda: os.path.exists(path) and support.read_bytes(path).count(b"\n") > 20))
        self.assertIsNone(process.poll())
        support.stop(process)



class Metrics(Hiccups):
    def test_full_for_a_moment(self):
        """Between checkpoints, and while one is written."""
        whole = self.whole()
        for first, last in ((30, 36), (38, 42)):
            with self.subTest(first):
                home = self.home(f"full-{first}")
                fault = self.fault("write", "metrics.jsonl", errno.ENOSPC, first, last)
                result = self.train(home, fault=fault)
                self.assertEqual(sum("metrics.jsonl: cannot write" in w for w in result.warnings),
                                 1, str(result))
                self.assertIn("is written again", result.err)
                self.assert_same(whole, support.results(f"{home}/run"), "full for a moment")

    def test_full_for_good(self):
        """It ends with a line; what was saved serves."""
        home = self.home("for-good")
        result = self.train(home, fault=self.fault("write", "metrics.jsonl", errno.ENOSPC, 50),
                            code=3)
        self.assertIn("metrics.jsonl: cannot write: No space left", result.errors[0])
        self.expect_whole_lines(home)
        self.assertFalse(os.path.exists(f"{home}/run/model.safetensors"))
        self.train(home, "--resume")
        self.assert_same(self.whole(), support.results(f"{home}/run"), "resumed")

    def test_damaged(self):
        """Missing, short or torn: rebuilt from the checkpoint, with a warning."""
        whole = self.whole({"training.epochs": 80})

        def short(path):
            os.truncate(path, os.path.getsize(path) // 2)

        def torn(path):
            with open(path, "r+b") as file:
                file.seek(os.path.getsize(path) // 2)
                file.write(b"\0" * 300)

        for name, damage in (("missing", os.remove), ("short", short), ("torn", torn)):
            with self.subTest(name):
                home = self.stopped(name)
                damage(f"{home}/run/metrics.jsonl")
                result = self.train(home, "--resume")
                self.assertEqual(sum("rebuilt from the checkpoint" in w for w in result.warnings),
                                 1, str(result))
                self.assert_same(whole, support.results(f"{home}/run"), name)


class Calls(Hiccups):
    def test_interrupted(self):
        """EINTR is nowhere an error."""
        whole = self.whole()
        for call in ("fsync", "rename", "mkdir", "write", "opendir"):
            with self.subTest(call):
                home = self.home(f"interrupted-{call}")
                self.train(home, fault=self.fault(call, "run/", errno.EINTR, 1, 1))
                self.assert_same(whole, support.results(f"{home}/run"), call)

    def test_reason(self):
        """The message has the error of the call, and not of what was done after it."""
        home = self.home("reason")
        for error in (errno.EACCES, errno.EDQUOT):
            result = self.train(home, fault=self.fault("mkdir", "run", error), code=3)
            self.assertIn(f"run: cannot make the directory: {os.strerror(error)}", result.errors[0])

    def test_full_stdout(self):
        home = self.home("stdout", {"training.epochs": 1})
        data = self.job["data"]["files"]
        for words in (["schema"], ["version"], ["--help"], ["train", "--help"], ["synth"],
                      ["train", "job.json", "--json", "-q"], ["inspect", data, "--json"],
                      ["check", "job.json"], ["why", "--list"]):
            with self.subTest(words), open("/dev/full", "wb") as full:
                process = support.start(support.command(words), home, stdout=full,
                                        stderr=subprocess.PIPE)
                _, err = process.communicate(timeout=support.TIME_LIMIT)
                self.assertEqual(process.returncode, 3, err)
                self.assertIn(b"pitprop: error: standard output", err)


class Reading(Hiccups):
    """Signals while data are read, which takes long here."""

    def reading(self, home, *more):
        slow = self.fault("pread", os.path.basename(self.slow), delay=300)
        process = support.start(support.command(["train", "job.json", "-o", "run", *more]), home,
                                slow, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(support.stop, process)
        return process

    def setUp(self):
        super().setUp()
        self.slow = os.path.join(self.scratch, "slow.h5")
        made = run(["repack", self.job["data"]["files"], self.slow, "--chunk-rows", "100",
                    "--gzip", "1"])
        self.expect(made)

    def interrupted(self, home, number, *more):
        process = self.reading(home, *more)
        time.sleep(2.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=support.TIME_LIMIT)
        return process.returncode, err.decode()

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(number):
                home = self.home(f"signal-{number}", {"data.files": self.slow})
                code, err = self.interrupted(home, number)
                self.assertEqual(code, 5, err)
                self.assertIn("before the first step, at step 0", err)

    def test_requeued_for_ever(self):
        """Two starts that come to nothing at the same step are an error; progress forgets them."""
        home = self.home("idle", {"data.files": self.slow})
        self.assertEqual(self.interrupted(home, signal.SIGUSR1, "--resume")[0], 5)
        code, err = self.interrupted(home, signal.SIGUSR1, "--resume")
        self.assertEqual(code, 3, err)
        self.assertIn("two starts in a row", err)
        self.train(home, "--resume")
        self.assertEqual(glob.glob(f"{home}/run/checkpoints/idle-*"), [])

    def test_sweep(self):
        """The same of a trial: the sweep ends with the line, and the trial has not failed."""
        home = self.home("sweep", {"data.files": self.slow})
        support.write_json(f"{home}/sweep.json", {"name": "s", "job": "job.json", "search": "grid",
                                                  "space": {"seed": {"choice": [1]}}})
        slow = self.fault("pread", os.path.basename(self.slow), delay=300)
        for wanted in (5, 3):
            process = support.start(support.command(["sweep", "sweep.json", "-o", "s"]), home, slow,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.addCleanup(support.stop, process)
            time.sleep(2.5)
            process.send_signal(signal.SIGUSR1)
            _, err = process.communicate(timeout=support.TIME_LIMIT)
            self.assertEqual(process.returncode, wanted, err)
        self.assertIn(b"two starts in a row", err)
        self.assertEqual(glob.glob(f"{home}/s/trials/*/failed.json"), [])
        self.expect(run(["sweep", "sweep.json", "-o", "s"], cwd=home))

    def test_second_interrupt(self):
        """Ctrl-C twice does not wait for anything."""
        home = self.home("twice", {"data.files": self.slow})
        process = self.reading(home)
        time.sleep(2.5)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        process.communicate(timeout=support.TIME_LIMIT)
        self.assertIn(process.returncode, (-signal.SIGINT, 5))


if __name__ == "__main__":
    support.main()
