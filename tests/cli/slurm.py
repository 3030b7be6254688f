"""Batch jobs on a real Slurm, four nodes on this machine: the same bits as one process, whatever
happens to the job on the way."""

import json
import os
import platform
import re
import shlex
import shutil
import signal

import support
from slurm_case import EVIL, LONG, Batch, script_of
from support import patched


class Launchers(Batch):
    def test_same_bits_as_one_process(self):
        """Each process starts again for the kernel that the job names."""
        pinned = {"runtime.blas_kernel": "Prescott"} if platform.machine() == "x86_64" else {}
        whole = support.results(self.train(patched(self.job, pinned), 1, "pinned"))
        for launcher, nodes, per_node in (("mpirun", 2, 2), ("srun", 2, 2), ("mpirun", 4, 1),
                                          ("srun", 4, 2)):
            with self.subTest(launcher=launcher, nodes=nodes):
                home = self.home(f"{launcher}-{nodes}", pinned)
                number = self.sbatch(home, {"--nodes": nodes, "--ntasks-per-node": per_node,
                                            "launcher": launcher})
                self.expect_end(home, number, "COMPLETED")
                self.assertIn(f"{nodes * per_node} ranks", self.log(home, number))
                text = f"{launcher} on {nodes} nodes"
                self.assert_same(whole, support.results(f"{home}/run"), text)


    def test_tasks_that_are_each_alone(self):
        """srun without PMIx: refused before anything is claimed, with what to type."""
        home = self.home("alone")
        words = f"srun --mpi=none {shlex.quote(support.PITPROP)} train job.json -o run"
        number = self.submit(home, ["sbatch", "--parsable", "-n2", f"--wrap={words}"])
        self.expect_end(home, number, "FAILED", "2:0")
        self.assertIn("type srun --mpi=pmix pitprop train", self.log(home, number))
        self.assertFalse(os.path.exists(f"{home}/run"))
        number = self.submit(home, ["sbatch", "--parsable", "-n1", f"--wrap={words}"])
        self.expect_end(home, number, "COMPLETED")


class Scripts(Batch):
    def test_bodies_are_the_same(self):
        """Scripts differ in what a user edits, and in nothing below."""
        folder = os.path.join(support.SOURCE, "slurm")
        bodies = {name: support.read_bytes(f"{folder}/{name}").partition(b"# ---- nothing below")[2]
                  for name in os.listdir(folder) if name.endswith(".sbatch")}
        self.assertGreaterEqual(len(bodies), 2)
        for name, body in bodies.items():
            self.assertTrue(body)
            self.assertEqual(body, bodies["train.sbatch"], name)

    def test_shared_cores(self):
        home = self.home("shared")
        words = f"mpirun -n 3 {shlex.quote(support.PITPROP)} train job.json -o run"
        number = self.submit(home, ["sbatch", "--parsable", "-n1", f"--wrap={words}"])
        self.expect_end(home, number, "COMPLETED")
        self.assertRegex(self.log(home, number),
                         r"pitprop: warning: n\d: 3 ranks share 1 core .*--ntasks-per-node=3")
        words = words.replace("-n 3", "-n 2") + "2"
        number = self.submit(home, ["sbatch", "--parsable", "-n2", f"--wrap={words}"])
        self.expect_end(home, number, "COMPLETED")
        self.assertNotIn("ranks share", self.log(home, number))


class Submit(Batch):
    def command(self, home, *more, job="job.json"):
        return support.run(["submit", job, *more], cwd=home,
                           environment={**self.cluster.environment, "HOME": home})

    def test_quoting(self):
        """Whatever a job is called, and wherever it lies: it is trained, and no more happens."""
        home = self.home("it's $HOME; a `place`", {"name": EVIL})
        shutil.move(f"{home}/job.json", f"{home}/-j $(touch gone).json")
        result = support.run(
            ["submit", "--nodes", "1", "--set", "training.epochs=2", "--", "-j $(touch gone).json"],
            cwd=home, environment={**self.cluster.environment, "HOME": home})
        number = int(self.expect(result).out.split()[-1])
        state = self.cluster.wait(number)["JobState"]
        self.assertEqual(state, "COMPLETED", str(support.listing(home)))
        made = [name for _, _, names in os.walk(home) for name in names]
        self.assertNotIn("gone", made)
        run = f"{home}/runs/{EVIL}"
        self.assertTrue(os.path.exists(f"{run}/slurm-{number}.out"))
        self.assertEqual(support.read_json(f"{run}/job.json")["name"], EVIL)
        self.assertEqual(support.read_json(f"{run}/job.json")["training"]["epochs"], 2)

    def test_submitted(self):
        home = self.home("submitted")
        for launcher in ("mpirun", "srun"):
            again = ["--resume"] if launcher == "srun" else []
            done = self.command(home, "-N", "2", "--ranks-per-node", "2", "-t", "5", "-o", "run",
                                "--launcher", launcher, *again)
            number = int(self.expect(done).out.split()[-1])
            job = self.cluster.wait(number)
            self.assertEqual((job["JobState"], job["NumNodes"], job["NumTasks"], job["JobName"],
                              job["TimeLimit"]), ("COMPLETED", "2", "4", "batch", "00:05:00"))
            self.assert_same(self.single(), support.results(f"{home}/run"), launcher)
        again = self.command(home, "-o", "run")
        self.expect_error(again, 2, "run: holds a run already", "--resume")

    def test_why(self):
        home = self.home("why", {"training.epochs": 1, "data.files": self.synth("moons", 400)})
        result = support.run(["submit", "why", "job.json", "-o", "answer", "-N", "2"], cwd=home,
                             environment=self.cluster.environment)
        number = int(self.expect(result).out.split()[-1])
        job = self.cluster.wait(number)
        self.assertEqual((job["JobState"], job["NumTasks"]), ("COMPLETED", "4"))
        self.assertTrue({"why.json", "why.sbatch"} <= set(os.listdir(f"{home}/answer")))

    def test_dry_run(self):
        """Prints what would be submitted, as Slurm and bash read it, and leaves nothing."""
        home = self.home("dry")
        result = self.expect(self.command(home, "--dry-run", "--nodes", "3", "--account", "me",
                                          "--set", "name=it's"))
        for line in ("#SBATCH --nodes=3", "#SBATCH --account=me", "#SBATCH --job-name=it_s"):
            self.assertIn(line, result.out.splitlines())
        self.assertEqual(support.listing(home), ["job.json"])

    def test_lead(self):
        """The warning comes earlier where the run's checkpoints have taken long."""
        home = self.home("lead")
        lead = lambda: re.search(r"--signal=B:USR1@(\d+)\n", self.expect(
            self.command(home, "--dry-run", "-o", "run")).out).group(1)
        self.assertEqual(lead(), "120")
        self.expect(support.run(["train", "job.json", "-o", "run", "-q"], cwd=home))
        timings = [row["timing"] for row in support.metrics(f"{home}/run") if "timing" in row]
        saves = [t for t in timings if "checkpoint_s" in t]
        self.assertTrue(saves and all(0 < t["checkpoint_s"] < t["seconds"] for t in saves))
        last = support.metrics(f"{home}/run", "final")[0]["step"]
        steps = [n for n in range(1, last) if n % 20 == 0 or n % (last // 4) == 0]  # and epochs
        self.assertEqual(sum(t["checkpoints"] for t in saves), len(steps))
        self.assertEqual(lead(), "120")  # they are of milliseconds
        with open(f"{home}/run/metrics.jsonl", "a", encoding="utf-8") as file:
            for seconds, count in ((31.5, 2), (100.2, 4), (0.1, 1)):
                timing = {"seconds": 200, "checkpoint_s": seconds, "checkpoints": count}
                file.write(json.dumps({"type": "step", "timing": timing}) + "\n")
        self.assertEqual(lead(), str(120 + 2 * 25))

    def test_refused(self):
        home = self.home("refused")
        for more, phrase in (
            (["--nodes", "0"], "--nodes 0"),
            (["--time", "1 #"], "--time 1 #"),
            (["--account", "a b"], "--account a b"),
            (["--partition", "x\n#SBATCH"], "--partition"),
            (["--launcher", "rsh"], "--launcher rsh"),
            (["--set", "training.epocs=1"], "epocs"),
            (["-o", "100%"], "100%: Slurm cannot write"),
        ):
            self.expect_error(self.command(home, *more), 2, phrase)
        self.expect_error(self.command(home, job="none.json"), 2, "none.json")
        self.assertEqual(support.listing(home), ["job.json"])
        result = self.command(home, "--partition", "nowhere")
        self.assertIn("runs/batch/train.sbatch", result.errors[-1])
        self.assertEqual(result.code, 3)


class Interrupted(Batch):
    def begin(self, name, changes, rows=100, job=None):
        """Submits the long job and returns when metrics.jsonl has grown to so many rows."""
        home = self.home(name, job or LONG)
        number = self.sbatch(home, changes)
        self.assertTrue(support.wait_until(lambda: self.rows(home) >= rows, pause=0.02),
                        f"{self.cluster.job(number)}")
        return home, number

    def rows(self, home):
        try:
            return support.read_bytes(f"{home}/run/metrics.jsonl").count(b"\n")
        except FileNotFoundError:
            return 0

    def expect_restarted(self, home, number):
        self.expect_end(home, number, "COMPLETED")
        log = self.log(home, number)
        self.assertRegex(log, r"resuming at step \d+")
        self.assertEqual(support.read_json(f"{home}/run/run.json")["slurm_restarts"], "1", log)
        timings = [r["timing"] for r in support.metrics(f"{home}/run") if "timing" in r]
        self.assertEqual([timings[0].get("slurm_restarts"), timings[-1].get("slurm_restarts")],
                         [None, "1"])
        self.assert_same(self.long(), support.results(f"{home}/run"), log[-3000:])
        return log

    def test_warned(self):
        """The signal that --signal=B:USR1 sends: saved, requeued, resumed."""
        homes = {name: self.home(f"warned-{name}", LONG) for name in ("mpirun", "srun")}
        jobs = [(home, self.sbatch(home, {"launcher": name})) for name, home in homes.items()]
        first = lambda: next((job for job in begun if self.rows(job[0]) >= 100), None)
        begun = jobs[:]
        while begun:
            self.assertTrue(support.wait_until(first, pause=0.02))
            home, number = first()
            self.cluster.run("scancel", "-b", "-s", "USR1", str(number))
            begun.remove((home, number))
        for home, number in jobs:
            with self.subTest(home=home):
                log = self.expect_restarted(home, number)
                same = r"stopped on request at step (\d+)[^$]*resuming at step \1 of"
                self.assertRegex(log, same)

    def test_not_requeued(self):
        """Where a job may not be requeued, another goes on."""
        home = self.home("again", LONG)
        text = script_of("train", {"directory": "."}, ["train", "job.json", "-o", "run", "--resume"])
        with open(f"{home}/train.sbatch", "w", encoding="utf-8") as file:
            file.write(text.replace("#SBATCH --requeue", "#SBATCH --no-requeue"))
        number = self.submit(home, ["sbatch", "--parsable", "train.sbatch"])
        self.assertTrue(support.wait_until(lambda: self.rows(home) >= 100, pause=0.02))
        self.cluster.run("scancel", "-b", "-s", "USR1", str(number))
        self.expect_end(home, number, "FAILED", "5:0")
        second = int(re.search(r"Submitted batch job (\d+)", self.log(home, number)).group(1))
        self.expect_end(home, second, "COMPLETED")
        self.assertIn("resuming at step", self.log(home, second))
        self.assert_same(self.long(), support.results(f"{home}/run"), "two jobs")

    def test_node_down(self):
        """An administrator takes a node away: Slurm requeues the job, on other nodes."""
        home, number = self.begin("down", {})
        node = self.cluster.job(number)["BatchHost"]
        self.cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        self.expect_restarted(home, number)

    def test_killed_rank(self):
        """The launcher ends the job; the line names who it was before it does."""
        epochs = {"training.epochs": 160}  # signs are given each second: it must last some
        home, number = self.begin("killed", {"--nodes": 2}, job=epochs)
        signs = f"{home}/run/checkpoints/generation-000001"
        given = lambda: re.match(rb"\d+ [1-9]", support.read_bytes(signs)[4096:])  # page of rank 1
        self.assertTrue(support.wait_until(given, pause=0.1))
        ours = self.ranks(number, 1)
        self.assertEqual(len(ours), 1)
        os.kill(ours[0], signal.SIGKILL)
        job = self.cluster.wait(number)
        log = self.log(home, number)
        self.assertEqual(job["JobState"], "FAILED", log)
        self.assertRegex(log, r"error: rank 1 on n\d: no sign of life .* step [1-9]\d*, phase")
        again = self.sbatch(home, {"--nodes": 1, "--ntasks-per-node": 1})  # fast
        self.expect_end(home, again, "COMPLETED")
        whole = self.train(patched(self.job, epochs), 1, "killed-whole")
        self.assert_same(support.results(whole), support.results(f"{home}/run"), "a killed rank")

    def ranks(self, number, *wanted):
        """Process ids of these ranks of a job, on whatever node."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if support.is_running(pid):
                words = support.read_bytes(f"/proc/{pid}/environ").split(b"\0")
                rank = [w for w in (f"PMIX_RANK={r}".encode() for r in wanted) if w in words]
                if rank and f"SLURM_JOB_ID={number}".encode() in words:
                    found.append(int(pid))
        return found

    def test_cut_off_node(self):
        """Ranks of the first start live on behind a dead link, while the second start works in the
        same directory: they leave it alone."""
        home, number = self.begin("cut", {"launcher": "srun"})
        job = self.cluster.job(number)
        nodes = self.cluster.out("scontrol", "show", "hostnames", job["NodeList"]).split()
        self.assertNotEqual(job["BatchHost"], nodes[-1])
        stale = self.ranks(number, 2, 3)
        self.assertEqual(len(stale), 2)
        self.cluster.link(nodes[-1], "down")
        try:
            second = f"{home}/run/checkpoints/generation-000002"
            self.assertTrue(support.wait_until(lambda: os.path.exists(second), pause=0.05))
            self.assertTrue(all(map(support.is_running, stale)), "nothing was left to fence off")
            self.expect_restarted(home, number)
            before = support.results(f"{home}/run")
            gone = support.wait_until(lambda: not any(map(support.is_running, stale)), 60)
            self.assertTrue(gone, "they wait for ever")
        finally:
            self.cluster.link(nodes[-1], "up")
        self.assert_same(before, support.results(f"{home}/run"), "written by the stale ranks")

    def test_cancelled(self):
        """Nothing is requeued, the run directory serves, and what was lost is little."""
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher=launcher):
                home, number = self.begin(f"cancelled-{launcher}", {"launcher": launcher})
                self.cluster.run("scancel", str(number))
                job = self.cluster.wait(number)
                self.assertEqual((job["JobState"], job["Restarts"]), ("CANCELLED", "0"))
                rows = self.rows(home)
                again = self.sbatch(home, {"launcher": launcher})
                self.expect_end(home, again, "COMPLETED")
                step = int(re.search(r"resuming at step (\d+)", self.log(home, again)).group(1))
                self.assertGreater(step, rows - 60, self.log(home, number))
                self.assert_same(self.long(), support.results(f"{home}/run"), "cancelled")


if __name__ == "__main__":
    support.main()
