"""A rank that is stopped ends the run soon, with a line that says where it was; what was saved
serves."""

import os
import random
import re
import signal
import socket
import subprocess
import time

import support
from support import patched

SAYS = (
    r"pitprop: error: rank (\d+) on (\S+): no sign of life for \d+ s; the last was at step (\d+), "
    r"phase (\w+), at \d\d:\d\d:\d\d"
)


class Life(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = patched(support.small_job(cls.synth("images", 4001)), {
            "training.epochs": 300, "checkpoint.every_steps": 10, "checkpoint.every_epochs": 0,
            "monitor.log_steps": 1})

    def begin(self, name, ranks, job=None, rows=30):
        home = self.folder(name)
        support.write_json(f"{home}/job.json", job or self.job)
        log = open(f"{home}/stderr.txt", "wb")
        self.addCleanup(log.close)
        process = support.start(support.command(["train", "job.json", "-o", "run"], ranks), home,
                                stdout=subprocess.DEVNULL, stderr=log)
        self.addCleanup(support.stop, process)
        path = f"{home}/run/metrics.jsonl"
        self.assertTrue(support.wait_until(
            lambda: os.path.exists(path) and support.read_bytes(path).count(b"\n") >= rows))
        time.sleep(2.5)  # signs are given each second
        return home, process

    def pid_of_rank(self, process, rank):
        for pid in support.ranks_of(process):
            words = support.read_bytes(f"/proc/{pid}/environ").split(b"\0")
            if f"PMIX_RANK={rank}".encode() in words:
                return pid
        raise AssertionError(f"no rank {rank}")

    def test_stopped_rank(self):
        whole = support.results(self.train(self.job, 1, "whole"))
        for ranks, victim in ((2, 0), (3, random.randrange(1, 3))):
            with self.subTest(ranks=ranks, victim=victim):
                home, process = self.begin(f"stop-{ranks}", ranks)
                begun = time.monotonic()
                os.kill(self.pid_of_rank(process, victim), signal.SIGSTOP)
                code = process.wait(support.TIME_LIMIT)
                seconds = time.monotonic() - begun
                text = support.read_bytes(f"{home}/stderr.txt").decode()
                self.assertEqual(code, 3, text)
                self.assertLess(seconds, 60, text)
                found = re.findall(SAYS, text)
                self.assertEqual(len(found), 1, text)
                rank, host, step, _ = found[0]
                self.assertEqual((int(rank), host), (victim, socket.gethostname()), text)
                self.assertGreater(int(step), 0, text)
                result = support.run(["train", "job.json", "-o", "run", "--resume"], cwd=home)
                self.assertRegex(self.expect(result).err, r"resuming at step \d+")
                self.assert_same(whole, support.results(f"{home}/run"), "resumed")

    def test_suspended_as_a_whole(self):
        """All ranks stop for longer than one alone might, and go on: none is held for lost."""
        home, process = self.begin("suspended", 3)
        pids = support.ranks_of(process)
        self.assertEqual(len(pids), 3)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(25)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
            time.sleep(1)
        self.assertEqual(process.wait(3 * support.TIME_LIMIT), 0,
                         support.read_bytes(f"{home}/stderr.txt").decode())


if __name__ == "__main__":
    support.main()
