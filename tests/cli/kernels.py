"""The kernel of OpenBLAS: never a wrong one in silence. That OpenBLAS has fallen back is pretended by a small library
that is preloaded (tests/support/corename.c): it knows this CPU."""

import os
import subprocess
import unittest

import support
from support import patched, run

SHIM = os.path.join(support.SOURCE, "tests", "support", "corename.c")
TABLE = os.path.join(support.SOURCE, "src", "compute", "cpu", "kernels.txt")


def kernels_of_this_cpu():
    """Best first."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    with open(TABLE, encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return [row[0] for row in rows if all(feature in flags for feature in row[2:])]


class Kernels(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ.pop("OPENBLAS_CORETYPE", None)  # ctest may give one
        cls.kernels = kernels_of_this_cpu()
        if len(cls.kernels) < 2 or cls.kernels[-1] != "Prescott":
            raise unittest.SkipTest("this CPU can run one kernel only")
        cls.best = cls.kernels[0]
        cls.shim = os.path.join(cls.shared, "corename.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", cls.shim, SHIM, "-ldl"], check=True)
        cls.job = patched(support.small_job(cls.synth("images", 500)), {
            "training.lanes": 2, "data.standardise": True})

    def fallen(self, **more):
        return {"LD_PRELOAD": self.shim, "FELL_BACK_TO": "Prescott",
                "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0", **more}

    def trained(self, *more, changes=None, ranks=1, code=0, **environment):
        """What was said, and the kernels as run.json has them."""
        home = self.folder(f"home-{len(os.listdir(self.scratch))}")
        job = support.write_json(f"{home}/job.json", patched(self.job, changes or {}))
        result = run(["train", job, "-o", "run", *more], ranks, cwd=home, environment=environment)
        self.expect(result, code)
        record = support.read_json(f"{home}/run/run.json")["blas"] if code == 0 else ""
        return result, record, home

    def test_fallen_back(self):
        for ranks in 1, "2":
            result, record, home = self.trained(ranks=ranks, **self.fallen())
            self.assertIn(f"started again with {self.best}", result.err)
            self.assertEqual(result.err.count("started again"), 1, f"\n{result}")
            self.assertIn(f"kernel {self.best}, started again: OpenBLAS chose Prescott", record)
        asked, _, other = self.trained(OPENBLAS_CORETYPE=self.best)
        self.assertNotIn("kernel", asked.err)
        self.assert_same(support.results(f"{home}/run"), support.results(f"{other}/run"), "kernels")

    def test_other_commands(self):
        _, _, home = self.trained(changes={"runtime.blas_kernel": "Prescott"})
        version = self.expect(run(["version"], environment=self.fallen()))
        self.assertIn(f"kernel {self.best}, started again: OpenBLAS chose Prescott", version.out)
        check = run(["check", f"{home}/job.json", "--set", "runtime.blas_kernel=auto"],
                    environment=self.fallen())
        self.assertRegex(self.expect(check).out, f"kernel +{self.best}\n")
        predict = run(["predict", f"{home}/run", self.synth("images", 500), "-o", f"{home}/p.h5"])
        self.assertIn("started again with OpenBLAS's Prescott", self.expect(predict).err)
        sweep = support.write_json(f"{home}/sweep.json", {
            "name": "s", "job": "job.json", "space": {"optimizer.lr": {"choice": [0.1, 0.01]}}})
        self.expect(run(["sweep", sweep, "-o", "sweep"], "2", cwd=home))
        record = support.read_json(f"{home}/sweep/trials/t0001/run.json")["blas"]
        self.assertIn("kernel Prescott", record)

    def test_stays_below(self):
        result, record, _ = self.trained(**self.fallen(RUNS_ALWAYS="Prescott"))
        self.assertEqual(len(result.warnings), 1, f"\n{result}")
        for words in "Prescott kernel", "OPENBLAS_CORETYPE=", "0.3.25":
            self.assertIn(words, result.warnings[0])
        self.assertIn(f"this CPU can run {self.best}", record)

    def test_user_is_obeyed(self):
        result, record, _ = self.trained(OPENBLAS_CORETYPE="Prescott")
        self.assertIn(f"as asked for; this CPU can run {self.best}", result.err)
        self.assertIn("kernel Prescott, as OPENBLAS_CORETYPE asks", record)

    def test_named_by_the_job(self):
        pinned = {"runtime.blas_kernel": "Prescott"}
        result, record, home = self.trained(changes=pinned, ranks="2")
        self.assertIn("started again with OpenBLAS's Prescott kernel", result.err)
        self.assertIn("kernel Prescott", record)
        _, _, other = self.trained(changes=pinned, OPENBLAS_CORETYPE=self.best)
        self.assert_same(support.results(f"{home}/run"), support.results(f"{other}/run"), "kernels")
        _, record, _ = self.trained("--set", "runtime.blas_kernel=Prescott")
        self.assertIn("kernel Prescott", record)

    def test_named_in_vain(self):
        pinned = {"runtime.blas_kernel": "Prescott"}
        for ranks in 1, "2":
            result, _, _ = self.trained(changes=pinned, ranks=ranks, code=3,
                                        **self.fallen(RUNS_ALWAYS="Nehalem"))
            self.expect_error(result, 3, "this OpenBLAS has no Prescott kernel", "runs Nehalem")

    def test_mixed(self):
        home = self.folder("mixed")
        job = support.write_json(f"{home}/job.json", self.job)
        words = [support.PITPROP, "train", job, "-o", "run"]
        both = ["mpirun", "-n", "1", "-x", "OPENBLAS_CORETYPE=Prescott", *words, ":",
                "-n", "1", "-x", f"OPENBLAS_CORETYPE={self.best}", *words]
        self.expect_error(run(None, words=both, cwd=home), 3, "unlike kernels", "Prescott on rank 0",
                          f"{self.best} on rank 1", "runtime.blas_kernel=Prescott")
        self.assertFalse(os.path.exists(f"{home}/run"))

    def test_resumed_on_another(self):
        _, record, home = self.trained()
        first = record.split(" kernel ")[1]
        more = ["train", "job.json", "-o", "run", "--resume"]
        result = run(more, cwd=home, environment={"OPENBLAS_CORETYPE": "Prescott"})
        self.assertEqual(len(self.expect(result).warnings), 1, f"\n{result}")
        self.assertIn(f"multiplied with cpu {first}", result.warnings[0])
        self.assertIn("goes on with cpu Prescott", result.warnings[0])
        again = run([*more, "--set", f"runtime.blas_kernel={first}"], cwd=home)
        self.assertEqual(self.expect(again).warnings, [])


if __name__ == "__main__":
    support.main()
