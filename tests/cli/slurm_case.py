"""What the tests on a real Slurm share: a cluster of four nodes for the whole script
(tests/support/cluster.py), scripts of slurm/ as a user edits them, and jobs."""

import atexit
import os
import re
import shlex
import shutil
import sys
import tempfile
import unittest

import support
from support import patched

sys.path.insert(0, os.path.join(support.SOURCE, "tests", "support"))
import cluster  # noqa: E402

LONG = {"training.epochs": 40}  # of the job that is interrupted
EVIL = "a b; touch gone; cd $HOME && touch gone `touch gone` $(touch gone) 'q' \"d\""


def script_of(command, changes, arguments):
    """A script of slurm/ as a user edits it: options of Slurm and variables, at the top only."""
    with open(os.path.join(support.SOURCE, "slurm", f"{command}.sbatch"), encoding="utf-8") as file:
        text = file.read()
    top, line, rest = text.partition("# ---- nothing below this line")
    values = {"pitprop": shlex.quote(support.PITPROP),
              "arguments": "(" + " ".join(map(shlex.quote, arguments)) + ")"}
    for name, value in {**values, **changes}.items():
        option = name.startswith("--")
        pattern = rf"^#SBATCH {name}=.*$" if option else rf"^{name}=.*$"
        new = f"#SBATCH {name}={value}" if option else f"{name}={value}"
        top, found = re.subn(pattern, lambda _: new, top, flags=re.M)
        if found != 1:
            raise AssertionError(f"{command}.sbatch: no line for {name}")
    return top + line + rest


class Batch(support.Case):
    cluster = None
    whole, long_whole = None, None  # bytes of the runs as one process

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if Batch.cluster is None:
            reason = cluster.why_not()
            if reason is not None:
                raise unittest.SkipTest(reason)
            # As a home on NFS, where every node sees it. Slurm's sockets want a short path.
            home = tempfile.mkdtemp(prefix="pitprop-slurm-", dir="/tmp")
            atexit.register(shutil.rmtree, home, ignore_errors=True)
            Batch.cluster = cluster.Cluster(home)
            atexit.register(Batch.cluster.stop)
            Batch.cluster.start()
        cls.job = patched(support.small_job(cls.synth("images", 4001)), {
            "name": "batch", "training.lanes": 8, "training.epochs": 4, "training.batch": 128,
            "monitor.log_steps": 1, "checkpoint.every_steps": 20})

    def single(self):
        if Batch.whole is None:
            Batch.whole = support.results(self.train(self.job, 1, "single"))
        return Batch.whole

    def long(self):
        """The bytes of a run that lasts long enough to be interrupted, as one process."""
        if Batch.long_whole is None:
            Batch.long_whole = support.results(self.train(patched(self.job, LONG), 1, "long"))
        return Batch.long_whole

    def home(self, name, changes=None):
        home = self.folder(name)
        support.write_json(f"{home}/job.json", patched(self.job, changes or {}))
        return home

    def sbatch(self, home, changes, arguments=("train", "job.json", "-o", "run", "--resume")):
        """Submits from home; returns the job's number."""
        with open(f"{home}/train.sbatch", "w", encoding="utf-8") as file:
            file.write(script_of("train", changes, arguments))
        return self.submit(home, ["sbatch", "--parsable", "train.sbatch"])

    def submit(self, home, words):
        result = support.run(None, cwd=home, words=words, environment=self.cluster.environment)
        return int(self.expect(result).out.split()[-1])

    def log(self, home, number):
        return support.read_bytes(f"{home}/slurm-{number}.out").decode("utf-8", "replace")

    def expect_end(self, home, number, state, code="0:0"):
        job = self.cluster.wait(number)
        self.assertEqual((job["JobState"], job["ExitCode"]), (state, code),
                         f"{job}\n{self.log(home, number)[-3000:]}")
        return job
