"""Sweeps on a real Slurm, four nodes on this machine: an array of workers that share one directory,
whatever happens to them, leaves what one process leaves that runs one trial after another."""

import csv
import glob
import json
import os
import random
import shlex
import shutil
import signal

import support
from slurm_case import EVIL, Batch
from support import patched, run

SHORT = {"training.epochs": 1, "monitor.log_steps": 0}


class Sweeps(Batch):
    def home_of(self, name, trials, changes=None, sweep=None):
        """A directory with sweep.json and the job in it."""
        home = self.folder(name)
        job = patched(self.job, {"data.standardise": True, "training.lanes": 2,
                                 "training.batch": 64, **(changes or SHORT)})
        rates = {"name": "rates", "job": job, "trials": trials, "output": "out",
                 "ranks_per_trial": 1, "space": {"optimizer.lr": {"log": [1e-4, 0.1]}}}
        support.write_json(f"{home}/sweep.json", {**rates, **(sweep or {})})
        return home

    def pitprop(self, home, *words):
        return run(words, cwd=home, environment={**self.cluster.environment, "HOME": home})

    def submit_array(self, home, workers, *more):
        words = ["--submit", "--array-workers", workers, "--ranks-per-node", "1", *more]
        done = self.pitprop(home, "sweep", "sweep.json", *words)
        return int(self.expect(done).out.split()[-1])

    def tasks(self, number):
        """The records of an array, by the number of the task; those that wait may share one."""
        text = self.cluster.run("scontrol", "show", "job", "-o", str(number), check=False).stdout
        jobs = [dict(w.split("=", 1) for w in line.split() if "=" in w) for line in text.splitlines()]
        return {job["ArrayTaskId"]: job for job in jobs}

    def wait_for_all(self, number):
        """Returns the states that the tasks have ended in."""
        left = lambda: self.cluster.out("squeue", "-h", "-r", "-j", str(number), "-o", "%K %T")
        self.assertTrue(support.wait_until(lambda: not left(), 180, 0.2), left())
        return sorted(job["JobState"] for job in self.tasks(number).values())

    def one_by_one(self, name, trials, **options):
        home = self.home_of(name, trials, **options)
        self.expect(run(["sweep", "sweep.json", "-q"], cwd=home))
        return home

    def logs(self, home):
        return b"\n".join(map(support.read_bytes, glob.glob(f"{home}/out/slurm-*"))).decode()

    def rows(self, home):
        """Of results.csv, without what they cost."""
        with open(f"{home}/out/results.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            self.assertTrue(row.pop("seconds") and row.pop("ranks"), row)
        return rows

    def assert_same_sweep(self, one, other, trials):
        self.assertEqual(self.rows(one), self.rows(other), self.logs(other)[-3000:])
        names = sorted(os.listdir(f"{one}/out/trials"))
        self.assertEqual(len(names), trials + 1)  # and the sanity trial
        self.assertEqual(names, sorted(os.listdir(f"{other}/out/trials")))
        for name in names:
            self.assert_same(*(support.results(f"{home}/out/trials/{name}") for home in (one, other)),
                             name)


class Killed(Sweeps):
    LASTING = {"training.epochs": 8, "checkpoint.every_steps": 20, "monitor.log_steps": 10}

    def claims(self, home):
        """Lines of each claim, by trial."""
        found = {}
        for path in sorted(glob.glob(f"{home}/out/claims/*.[0-9]*")):
            lines = support.read_bytes(path).decode().splitlines()
            trial = os.path.basename(path).rsplit(".", 1)[0]
            found.setdefault(trial, []).append([json.loads(line) for line in lines])
        return found

    def kill_one(self, home):
        """A worker in the middle of a trial that has a checkpoint; False: none is."""
        held = [(trial, rows[-1][0]["pid"]) for trial, rows in self.claims(home).items()
                if trial != "sanity" and len(rows[-1]) == 1]
        random.shuffle(held)
        for trial, pid in held:
            folder = f"{home}/out/trials/{trial}"
            if not glob.glob(f"{folder}/checkpoints/step-*") or not support.is_running(pid):
                continue
            support.send(pid, signal.SIGSTOP)  # so that it is still in it when it is killed
            stopped = lambda: b") T " in support.read_bytes(f"/proc/{pid}/stat")
            if support.wait_until(stopped) and not os.path.exists(f"{folder}/verdict.json"):
                os.kill(pid, signal.SIGKILL)
                return True
            support.send(pid, signal.SIGCONT)
        return False

    def finished(self, home):
        return glob.glob(f"{home}/out/trials/*/verdict.json")

    def test_three_workers(self):
        """40 trials, at most 6 at a time; then the same command again."""
        whole = self.one_by_one("whole", 40, changes=self.LASTING)
        home = self.home_of("array", 40, changes=self.LASTING)
        number = self.submit_array(home, "7%6")
        for done in (4, 8, 12):
            enough = lambda: len(self.finished(home)) >= done and self.kill_one(home)
            self.assertTrue(support.wait_until(enough, 120, 0.01), self.logs(home)[-3000:])
        running = [t for t in self.tasks(number).values() if t["JobState"] == "RUNNING"]
        self.assertLessEqual(len(running), 6)
        states = self.wait_for_all(number)
        self.assertEqual(states.count("FAILED"), 3, f"{states}\n{self.logs(home)[-3000:]}")
        before = {path: os.stat(path).st_mtime_ns for path in self.finished(home)}

        again = self.submit_array(home, "7%6")
        lost = [c for claims in self.claims(home).values() for c in claims if {"lost": True} in c]
        self.assertEqual(len(lost), 3)
        states = self.wait_for_all(again)
        self.assertEqual(set(states), {"COMPLETED"}, self.logs(home)[-3000:])
        self.assertEqual(before, {path: os.stat(path).st_mtime_ns for path in before})
        self.assert_same_sweep(whole, home, 40)
        twice = 0
        for trial, claims in self.claims(home).items():
            # Who finds it finished when it has just taken it drops it.
            claims = [lines for lines in claims if {"dropped": True} not in lines]
            ends = [len(lines) > 1 and "seconds" in lines[1] for lines in claims]
            self.assertEqual(ends.count(True), 1, f"{trial}: {claims}")
            rows = support.metrics(f"{home}/out/trials/{trial}", "final")
            self.assertEqual(len(rows), 1, trial)
            text = support.read_bytes(f"{home}/out/trials/{trial}/log.txt")
            self.assertEqual(text.count(b"resuming at step"), len(claims) - 1, trial)
            twice += len(claims) - 1
        self.assertEqual(twice, 3)

    def test_warned(self):
        """One task alone goes back into the queue, though it has the number of the whole array."""
        home = self.home_of("warned", 4, {**self.LASTING, "training.epochs": 20})
        number = self.submit_array(home, "2")
        names = lambda: [t for t, job in self.tasks(number).items() if job["JobId"] == str(number)]
        going = lambda: len(glob.glob(f"{home}/out/trials/t*/metrics.jsonl")) >= 2
        self.assertTrue(support.wait_until(going, pause=0.02))
        (task,) = names()
        self.cluster.run("scancel", "-b", "-s", "USR1", f"{number}_{task}")
        self.assertEqual(set(self.wait_for_all(number)), {"COMPLETED"}, self.logs(home)[-3000:])
        again = {t: job["Restarts"] for t, job in self.tasks(number).items()}
        self.assertEqual(again, {"1": "0", "2": "0", task: "1"}, self.logs(home)[-3000:])
        self.assertEqual({row["state"] for row in self.rows(home)}, {"done"})


class Ways(Sweeps):
    def test_farm_array_and_one_by_one(self):
        whole = self.one_by_one("whole", 24)
        farm, array = self.home_of("farm", 24), self.home_of("array", 24)
        done = self.pitprop(farm, "submit", "sweep", "sweep.json", "-N", "2", "--launcher", "srun")
        number = int(self.expect(done).out.split()[-1])
        workers = self.submit_array(array, "4")
        job = self.cluster.wait(number)
        self.assertEqual((job["JobState"], job["NumTasks"]), ("COMPLETED", "4"), self.logs(farm))
        self.assertEqual(self.wait_for_all(workers), ["COMPLETED"] * 4, self.logs(array))
        self.assert_same_sweep(whole, farm, 24)
        self.assert_same_sweep(whole, array, 24)

    def test_after_a_sanity_job(self):
        """The sweep begins when a short training has ended well, and never when it has not."""
        for name, good in (("good", True), ("bad", False)):
            home = self.home_of(name, 2, sweep={"search": "tpe"})
            sweep = support.read_json(f"{home}/sweep.json")
            rate = {} if good else {"optimizer.lr": 1e30}
            support.write_json(f"{home}/job.json", patched(sweep["job"], rate))
            script = self.pitprop(home, "sweep", "sweep.json", "--submit", "--dry-run",
                                  "--array-workers", "2", "--ranks-per-node", "1")
            with open(f"{home}/sweep.sbatch", "w", encoding="utf-8") as file:
                file.write(self.expect(script).out)
            words = (f"{shlex.quote(support.PITPROP)} train job.json -o sanity --fail-on-collapse")
            first = self.submit(home, ["sbatch", "--parsable", f"--wrap={words}"])
            second = self.submit(home, ["sbatch", "--parsable", f"--dependency=afterok:{first}",
                                        "--kill-on-invalid-dep=yes", "sweep.sbatch"])
            states = self.wait_for_all(second)
            if good:
                self.assertEqual(states, ["COMPLETED"] * 2, self.log(home, first))
                self.assertEqual([row["state"] for row in self.rows(home)], ["done"] * 2)
            else:
                self.assertEqual(self.cluster.job(first)["ExitCode"], "4:0", self.log(home, first))
                self.assertEqual(set(states), {"CANCELLED"})
                self.assertFalse(os.path.exists(f"{home}/out"))


    def test_only_failed(self):
        """A doomed sweep stops at its first trial; mended, it goes on when asked to."""
        home = self.home_of("doomed", 3, sweep={"search": "grid"})
        sweep = support.read_json(f"{home}/sweep.json")
        data, sweep["job"]["data"]["files"] = sweep["job"]["data"]["files"], "late.h5"
        sweep["space"] = {"data.y": {"choice": ["/y", "/none"]}}
        support.write_json(f"{home}/sweep.json", sweep)
        self.assertEqual(self.wait_for_all(self.submit_array(home, "1")), ["FAILED"])
        self.assertIn("late.h5", self.logs(home))
        shutil.copyfile(data, f"{home}/late.h5")
        states = self.wait_for_all(self.submit_array(home, "2", "--only-failed"))
        self.assertEqual(states, ["COMPLETED"] * 2, self.logs(home))
        self.assertEqual([row["state"] for row in self.rows(home)], ["done", "failed"])
        self.assertEqual(len(glob.glob(f"{home}/out/claims/t0001.*")), 1, "by each worker")


class Script(Sweeps):
    def test_quoting(self):
        """Whatever a sweep is called, and wherever it lies: it is run, and no more happens."""
        home = self.home_of("it's $HOME; a `place`", 1, sweep={"name": EVIL, "output": ""})
        sweep = support.read_json(f"{home}/sweep.json")
        del sweep["output"]
        support.write_json(f"{home}/-s $(touch gone).json", sweep)
        os.remove(f"{home}/sweep.json")
        done = self.pitprop(home, "sweep", "--submit", "--array-workers", "1", "--",
                            "-s $(touch gone).json")
        self.wait_for_all(int(self.expect(done).out.split()[-1]))
        made = [name for _, _, names in os.walk(home) for name in names]
        self.assertNotIn("gone", made)
        self.assertIn("results.csv", os.listdir(f"{home}/runs/{EVIL}"), made)

    def test_dry_run(self):
        home = self.home_of("dry", 4)
        words = ["sweep", "sweep.json", "--submit", "--dry-run", "--array-workers"]
        lines = self.expect(self.pitprop(home, *words, "40%6", "--account", "me")).out.splitlines()
        for line in ("#SBATCH --array=1-40%6", "#SBATCH --account=me", "#SBATCH --nodes=1",
                     "#SBATCH --output=slurm-%A_%a.out"):
            self.assertIn(line, lines)
        much = self.expect(self.pitprop(home, *words, "5000"))
        self.assertIn("#SBATCH --array=1-1000", much.out.splitlines())
        self.assertIn("--array-workers 5000: 1000", much.warnings[0])
        nowhere = {"PATH": home}  # no scontrol there
        away = self.expect(run([*words, "5000"], cwd=home, environment=nowhere))
        self.assertIn("#SBATCH --array=1-5000", away.out.splitlines())
        self.assertEqual(support.listing(home), ["sweep.json"])
        words.remove("--dry-run")
        self.expect_error(run([*words, "5000"], cwd=home, environment=nowhere), 3, "scontrol")
        self.assertEqual(support.listing(home), ["sweep.json"])

    def test_refused(self):
        home = self.home_of("refused", 4)
        for more, phrase in (
            (["--submit", "--array-workers", "0"], "--array-workers 0"),
            (["--submit", "--array-workers", "4%"], "--array-workers N%M"),
            (["--submit", "--array-workers", "4%x"], "--array-workers N%M"),
            (["--submit", "--account", "a b"], "--account a b"),
            (["--nodes", "2"], "--submit"),
            (["--array-workers", "2"], "--submit"),
        ):
            self.expect_error(self.pitprop(home, "sweep", "sweep.json", *more), 2, phrase)
        self.expect_error(self.pitprop(home, "sweep", "none.json", "--submit"), 2, "none.json")
        self.expect_error(self.pitprop(home, "submit", "swoop", "sweep.json"), 2, "swoop")
        self.expect_error(self.pitprop(home, "submit", "sweep", "sweep.json", "--set", "a=1"), 2,
                          "--set")
        self.assertEqual(support.listing(home), ["sweep.json"])


if __name__ == "__main__":
    support.main()
