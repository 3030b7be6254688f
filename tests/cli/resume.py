"""Interrupted and resumed, on another number of ranks or not: the same bytes as in one go.

usage: resume.py [--kills N]     N random kills (default 4)"""

import glob
import os
import random
import re
import signal
import subprocess
import sys

import support
from support import dense, patched

KILLS = 4
RANKS = (1, 2, 3, 4, 7, 8)


def job(path):
    return {
        "name": "resume",
        "seed": 9,
        "data": {"files": path, "standardise": True},
        "model": {
            "layers": [
                dense(256, "relu"),
                {"type": "batch_norm"},
                {"type": "dropout", "rate": 0.3},
                dense(128, "relu"),
                dense("auto"),
            ]
        },
        "optimizer": {"type": "adam", "lr": 0.002},
        "schedule": {"type": "plateau", "patience": 0, "factor": 0.8},
        "training": {"epochs": 9, "batch": 256, "lanes": 8},
        "monitor": {"log_steps": 1, "evaluate_epochs": 0.5},
        "checkpoint": {"every_steps": 7, "every_epochs": 0, "keep": 3},
    }


class Resume(support.Case):
    whole, rows = None, 0  # of the run that nobody interrupts

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = job(cls.synth("images", 4001))

    def uninterrupted(self):
        if Resume.whole is None:
            run = self.train(self.job, 2, "uninterrupted")
            Resume.whole = support.results(run)
            Resume.rows = len(support.metrics(run))
        return Resume.whole

    def home(self, name, changes=None):
        home = self.folder(name)
        support.write_json(os.path.join(home, "job.json"), patched(self.job, changes or {}))
        return home

    def begin(self, home, ranks, rows, more=()):
        """Starts training and returns when metrics.jsonl has grown to so many rows."""
        log = open(os.path.join(home, f"stderr-{len(os.listdir(home))}.txt"), "wb")
        self.addCleanup(log.close)
        process = support.start(
            support.command(["train", "job.json", "-o", "run", *more], ranks),
            home,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        process.log_path = log.name
        self.addCleanup(support.stop, process)
        metrics = os.path.join(home, "run", "metrics.jsonl")

        def grown():
            if process.poll() is not None:
                return True
            try:
                return support.read_bytes(metrics).count(b"\n") >= rows
            except FileNotFoundError:
                return False

        self.assertTrue(support.wait_until(grown), f"no {rows} rows of metrics in time")
        return process

    def go_on(self, home, ranks, code=0, more=()):
        return self.expect(
            support.run(["train", "job.json", "-o", "run", "--resume", *more], ranks, cwd=home),
            code,
        )

    def stderr_of(self, process):
        return support.read_bytes(process.log_path).decode("utf-8", "replace")


class Stopped(Resume):
    """SIGTERM, SIGUSR1 and SIGUSR2 save and end with exit code 5."""

    def stop_and_go_on(self, name, number, ranks, to, code):
        self.uninterrupted()
        home = self.home(name)
        process = self.begin(home, ranks, 30)
        process.send_signal(number)
        self.assertEqual(process.wait(support.TIME_LIMIT), code, self.stderr_of(process))
        self.assertFalse(os.path.exists(f"{home}/run/model.safetensors"), "had finished already")
        saved = max(glob.glob(f"{home}/run/checkpoints/step-*.safetensors"))
        step = int(re.search(r"step-(\d+)", saved).group(1))
        self.assertEqual(
            step, support.metrics(f"{home}/run", "step")[-1]["step"], "the last step is not saved"
        )
        self.assertIn("--resume", self.stderr_of(process))
        result = self.go_on(home, to)
        self.assertIn(f"resuming at step {step}", result.err)
        self.assert_same(
            self.uninterrupted(), support.results(f"{home}/run"), f"{name}: {ranks} to {to} ranks"
        )

    def test_sigterm_to_one_process(self):
        self.stop_and_go_on("term", signal.SIGTERM, 1, 3, 5)

    def test_sigusr1_to_one_process(self):
        self.stop_and_go_on("usr1", signal.SIGUSR1, 1, 2, 5)

    def test_sigusr1_to_mpirun(self):
        self.stop_and_go_on("mpirun-usr1", signal.SIGUSR1, 3, 2, 5)

    def test_sigusr2_to_mpirun(self):
        self.stop_and_go_on("mpirun-usr2", signal.SIGUSR2, 2, 1, 5)

    def test_sigterm_to_mpirun(self):
        """mpirun passes it on and soon kills what has not ended; what was saved serves."""
        self.uninterrupted()
        home = self.home("mpirun-term")
        process = self.begin(home, 2, 30)
        process.terminate()
        self.assertNotEqual(process.wait(support.TIME_LIMIT), 0)
        self.go_on(home, 3)
        self.assert_same(
            self.uninterrupted(), support.results(f"{home}/run"), "after SIGTERM to mpirun"
        )

    def test_one_rank_that_hears_it_stops_all(self):
        self.uninterrupted()
        home = self.home("one-rank")
        process = self.begin(home, 3, 20)
        os.kill(support.ranks_of(process)[-1], signal.SIGUSR1)
        self.assertEqual(process.wait(support.TIME_LIMIT), 5, self.stderr_of(process))
        self.go_on(home, 1)
        self.assert_same(
            self.uninterrupted(), support.results(f"{home}/run"), "after a signal to one rank"
        )

    def test_stopped_twice_and_resumed_when_finished(self):
        self.uninterrupted()
        home = self.home("twice")
        for rows, ranks, more in ((15, 2, ()), (60, 1, ("--resume",))):
            process = self.begin(home, ranks, rows, more)
            process.send_signal(signal.SIGUSR1)
            self.assertEqual(process.wait(support.TIME_LIMIT), 5, self.stderr_of(process))
        self.go_on(home, 4)
        self.assert_same(self.uninterrupted(), support.results(f"{home}/run"), "stopped twice")
        self.go_on(home, 2)
        self.assert_same(
            self.uninterrupted(), support.results(f"{home}/run"), "resumed when finished"
        )

    def test_json_says_that_it_stopped(self):
        home = self.home("json", {"training.epochs": 100000})
        process = support.start(
            support.command(["train", "job.json", "-o", "run", "--json"]),
            home,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(support.stop, process)
        self.assertTrue(support.wait_until(lambda: os.path.exists(f"{home}/run/metrics.jsonl")))
        process.terminate()
        out, _ = process.communicate(timeout=support.TIME_LIMIT)
        self.assertEqual(process.returncode, 5)
        self.assertIs(support.json.loads(out)["stopped"], True)


class Killed(Resume):
    def test_random_rank_at_a_random_step(self):
        whole = self.uninterrupted()
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        killed = 0
        for attempt in range(3 * KILLS):
            if killed == KILLS:
                break
            ranks, to = chance.sample(RANKS, 2)
            rows = chance.randrange(1, self.rows * 3 // 4)
            home = self.home(f"kill-{attempt}")
            process = self.begin(home, ranks, rows)
            pids = support.ranks_of(process)
            if process.poll() is not None or not pids:
                continue  # over before we looked
            victim = chance.choice(pids)
            support.send(victim, signal.SIGKILL)
            code = process.wait(support.TIME_LIMIT)
            if os.path.exists(f"{home}/run/verdict.json"):
                continue
            self.assertNotEqual(code, 0)
            killed += 1
            self.go_on(home, to)
            text = f"seed {seed}: killed on {ranks} ranks after {rows} rows, resumed on {to}"
            self.assert_same(whole, support.results(f"{home}/run"), text)
            left = [f for f in support.listing(f"{home}/run") if ".tmp-" in f]
            self.assertEqual(left, [], text)
        self.assertEqual(
            killed, KILLS, f"seed {seed}: too many runs ended before they could be killed"
        )

    def test_what_was_left_unfinished(self):
        """The next run removes it, and what only looks like it stays."""
        home = self.home("unfinished", {"training.epochs": 1})
        self.go_on(home, 1)
        whole = support.listing(f"{home}/run")
        mine = ["model.safetensors.tmp-", "model.safetensors.tmp-1.old", "notes.txt.tmp-12"]
        ours = ["model.safetensors.tmp-12", "metrics.jsonl.tmp-3", "checkpoints/step-1.tmp-4"]
        for name in mine + ours:
            support.write_json(f"{home}/run/{name}", "")
        first = support.read_bytes(f"{home}/run/log.txt")
        self.go_on(home, 2)
        left = set(support.listing(f"{home}/run")) - set(whole)
        self.assertEqual(left, {"checkpoints/generation-000002", *mine})
        log = support.read_bytes(f"{home}/run/log.txt")
        self.assertTrue(log.startswith(first) and len(log) > len(first), "the log goes on")

    def test_killed_before_the_first_checkpoint(self):
        whole = self.uninterrupted()
        home = self.home("early")
        process = self.begin(home, 2, 1)
        support.send(support.ranks_of(process)[0], signal.SIGKILL)
        process.wait(support.TIME_LIMIT)
        self.go_on(home, 1)
        self.assert_same(whole, support.results(f"{home}/run"), "killed at the first step")


class Damaged(Resume):
    def stopped_run(self, name):
        home = self.home(name)
        process = self.begin(home, 1, 40)
        process.terminate()
        self.assertEqual(process.wait(support.TIME_LIMIT), 5, self.stderr_of(process))
        found = sorted(glob.glob(f"{home}/run/checkpoints/step-*.safetensors"))
        self.assertGreaterEqual(len(found), 2)
        return home, found

    def resumed_past(self, home, damaged):
        result = self.go_on(home, 2)
        for path in damaged:
            self.assertTrue(
                any(os.path.basename(path) in line for line in result.warnings),
                f"does not name {path}\n{result}",
            )
        self.assert_same(self.uninterrupted(), support.results(f"{home}/run"), "after damage")

    def test_flipped_byte(self):
        self.uninterrupted()
        home, found = self.stopped_run("flipped")
        with open(found[-1], "r+b") as file:
            file.seek(os.path.getsize(found[-1]) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        self.resumed_past(home, found[-1:])

    def test_truncated(self):
        self.uninterrupted()
        home, found = self.stopped_run("truncated")
        os.truncate(found[-1], os.path.getsize(found[-1]) - 1)
        self.resumed_past(home, found[-1:])

    def test_all_of_them(self):
        self.uninterrupted()
        home, found = self.stopped_run("all")
        for size, path in zip((0, 5, 100, 2000), found):
            os.truncate(path, size)
        self.resumed_past(home, found)


class Superseded(Resume):
    """A run that comes back after another took over must leave the directory alone."""

    def stale(self, ranks, take_over):
        self.uninterrupted()
        home = self.home(f"stale-{ranks}")
        old = self.begin(home, ranks, 25)
        pids = support.ranks_of(old)
        self.assertEqual(len(pids), ranks)
        for pid in pids:
            support.send(pid, signal.SIGSTOP)
        try:
            take_over(home)
            before = support.results(f"{home}/run")
            log = support.read_bytes(f"{home}/run/log.txt")
            everything = support.listing(f"{home}/run")
        finally:
            for pid in pids:
                support.send(pid, signal.SIGCONT)
        self.assertEqual(old.wait(support.TIME_LIMIT), 3, self.stderr_of(old))
        self.assertRegex(self.stderr_of(old), r"pitprop: error: .*generation")
        self.assert_same(before, support.results(f"{home}/run"), "the stale run changed files")
        self.assertEqual(log, support.read_bytes(f"{home}/run/log.txt"))
        self.assertEqual(everything, support.listing(f"{home}/run"))
        return before

    def test_after_a_resume(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                before = self.stale(ranks, lambda home: self.go_on(home, 3))
                self.assert_same(self.uninterrupted(), before, "taken over")

    def test_after_an_overwrite_by_another_job(self):
        def overwrite(home):
            self.expect(
                support.run(
                    [
                        "train",
                        "job.json",
                        "-o",
                        "run",
                        "--overwrite",
                        "--set",
                        "seed=77",
                        "--set",
                        "training.epochs=3",
                    ],
                    2,
                    cwd=home,
                )
            )

        self.stale(1, overwrite)


class Refused(Resume):
    def finished(self):
        changes = {"training.epochs": 1}
        home = self.home("finished", changes)
        self.expect(support.run(["train", "job.json", "-o", "run"], cwd=home))
        return home, support.results(f"{home}/run")

    def test_another_job(self):
        home, before = self.finished()
        for key, value, named in (
            ("optimizer.lr", "0.01", '"lr": 0.002'),
            ("seed", "10", '"seed": 9'),
            ("training.lanes", "4", '"lanes": 8'),
            ("data.window", "5", '"window": '),
        ):
            result = support.run(
                ["train", "job.json", "-o", "run", "--resume", "--set", f"{key}={value}"], cwd=home
            )
            self.expect_error(result, 2, "run/job.json", named, "another job", "--output")
        for ranks in (1, 3):
            self.expect_error(
                support.run(
                    ["train", "job.json", "-o", "run", "--resume", "--set", "seed=1"],
                    ranks,
                    cwd=home,
                ),
                2,
                "seed",
            )
        self.assert_same(before, support.results(f"{home}/run"), "refused, yet changed")

    def test_existing_run(self):
        home, before = self.finished()
        for ranks in (1, 3):
            result = support.run(["train", "job.json", "-o", "run"], ranks, cwd=home)
            self.expect_error(result, 2, "run: holds a run already", "--resume", "--overwrite")
        both = support.run(["train", "job.json", "-o", "run", "--resume", "--overwrite"], cwd=home)
        self.expect_error(both, 2, "exclude each other")
        self.assert_same(before, support.results(f"{home}/run"), "refused, yet changed")

    def test_overwrite(self):
        home, before = self.finished()
        support.write_json(f"{home}/run/mine.txt", "a file of the user")
        self.expect(
            support.run(
                ["train", "job.json", "-o", "run", "--overwrite", "--set", "seed=10"], 2, cwd=home
            )
        )
        self.assertNotEqual(
            before["model.safetensors"], support.results(f"{home}/run")["model.safetensors"]
        )
        self.assertEqual(support.read_json(f"{home}/run/mine.txt"), "a file of the user")

    def test_a_run_that_was_moved(self):
        """Where a run lies is no part of what it is."""
        self.uninterrupted()
        home = self.home("moved")
        process = self.begin(home, 2, 40)
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(support.TIME_LIMIT), 5, self.stderr_of(process))
        os.rename(f"{home}/run", f"{home}/elsewhere")
        self.expect(support.run(["train", "job.json", "-o", "elsewhere", "--resume"], 3, cwd=home))
        moved = support.results(f"{home}/elsewhere")
        moved["job.json"] = moved["job.json"].replace(b'"output": "elsewhere"', b'"output": "run"')
        self.assert_same(self.uninterrupted(), moved, "moved")

    def test_resume_where_nothing_is(self):
        home = self.home("fresh", {"training.epochs": 1})
        self.go_on(home, 2)
        whole = support.results(self.train(patched(self.job, {"training.epochs": 1}), 1, "plain"))
        self.assert_same(whole, support.results(f"{home}/run"), "--resume of nothing")


if __name__ == "__main__":
    if "--kills" in sys.argv:
        at = sys.argv.index("--kills")
        KILLS = int(sys.argv[at + 1])
        del sys.argv[at : at + 2]
    support.main()
