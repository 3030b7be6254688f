"""Wrong input: one line that says where, the right exit code, nothing left behind, no hang."""

import concurrent.futures
import glob
import os
import subprocess
import sys

import numpy as np

import support
from support import SOURCE, dense, patched, run

INVALID = os.path.join(SOURCE, "tests", "jobs", "invalid")
LIMIT = 60
# A sample for mpirun: text, structure, one key, many keys, lanes.
ON_THREE_RANKS = (
    "trailing_text",
    "invalid_utf8",
    "job_is_a_list",
    "unknown_key_top",
    "lr_is_a_string",
    "lanes_not_power_of_two",
    "no_epochs_no_steps",
    "nested_residual_changes_width",
)


class Case(support.Case):
    def refused(self, arguments, code, *phrases, ranks=(1, 3), home=None, **options):
        """One message with all phrases on any number of ranks, the working directory as before."""
        for count in ranks:
            place = home or self.folder(f"on-{count}-{len(os.listdir(self.scratch))}")
            before = support.listing(place)
            result = run(arguments, count, cwd=place, limit=LIMIT, **options)
            self.expect_error(result, code, *phrases)
            if count == 1:
                self.assertEqual(len(result.err.splitlines()), 1, f"\n{result}")
            self.assertEqual(result.out, "")
            self.assertEqual(support.listing(place), before, f"left behind\n{result}")


class InvalidJobs(Case):
    def check(self, name, ranks):
        with open(os.path.join(INVALID, name + ".err"), encoding="utf-8") as file:
            phrase = file.read().rstrip("\n")
        path = os.path.join(INVALID, name + ".json")
        self.refused(["train", path], 2, path, phrase, ranks=(ranks,), home=self.homes[name, ranks])

    def all_of(self, pairs):
        self.homes = {pair: self.folder(f"{pair[0]}-{pair[1]}") for pair in pairs}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            tasks = {pair: pool.submit(self.check, *pair) for pair in pairs}
        for (name, ranks), task in tasks.items():
            with self.subTest(name, ranks=ranks):
                task.result()

    def test_corpus_on_one_rank(self):
        names = sorted(os.path.basename(p)[:-5] for p in glob.glob(f"{INVALID}/*.json"))
        self.assertGreaterEqual(len(names), 60)
        self.all_of([(name, 1) for name in names])

    def test_sample_on_three_ranks(self):
        self.all_of([(name, 3) for name in ON_THREE_RANKS])

    def test_check_says_the_same(self):
        path = os.path.join(INVALID, "lr_is_negative.json")
        self.refused(["check", path], 2, "optimizer.lr: must be > 0, got -1")

    def test_job_files_that_cannot_be_read(self):
        self.refused(["train", "nowhere.json"], 2, "nowhere.json")
        self.refused(["train", SOURCE], 2, SOURCE)

    def test_set(self):
        job = os.path.join(SOURCE, "tests", "jobs", "valid", "minimal.json")
        for text, phrase in (
            ("optimizer.lr=-1", "optimizer.lr: must be > 0, got -1"),
            ("trainig.epochs=3", "trainig: unknown key; did you mean 'training'?"),
            ("optimizer.lr", "wants PATH=VALUE"),
            ("=3", "wants PATH=VALUE"),
            ("model.layers[99].units=3", "model.layers"),
            ("a..b=1", "a..b"),
        ):
            with self.subTest(text):
                self.refused(["train", job, "--set", text], 2, phrase, ranks=(1,))
        self.refused(["train", job, "--set", "optimizer.lr=-1"], 2, "optimizer.lr", ranks=(3,))


def binary_job(path):
    return {
        "name": "bad",
        "data": {"files": path, "validation": {"fraction": 0.2}},
        "model": {"layers": [dense(4, "relu"), dense("auto")]},
        "training": {"epochs": 1, "batch": 64, "lanes": 4},
    }


def classes_job(path):
    return patched(
        binary_job(path),
        {
            "data.task": "multiclass",
            "data.classes": 10,
            "loss": {"type": "cross_entropy_logits", "targets": "index"},
        },
    )


# Files of make_bad_data.py: what the message must hold.
FAULTS = {
    "no_x": ("/x",),
    "no_y": ("/y",),
    "lengths_differ": ("200", "199"),
    "zero_rows": ("row",),
    "string_x": ("/x",),
    "string_y": ("/y",),
    "nan_row": ("/x", "row 123"),
    "inf_row": ("/x", "row 77"),
    "scalar_x": ("/x",),
    "compound_x": ("/x",),
    "truncated": (),
    "not_hdf5": (),
}


class BadData(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        script = os.path.join(SOURCE, "tests", "cli", "make_bad_data.py")
        cls.faulty = os.path.join(cls.shared, "faulty")
        subprocess.run([sys.executable, script, cls.faulty], check=True, timeout=LIMIT)

    def path(self, name):
        return os.path.join(self.faulty, name + ".h5")

    def job_of(self, job):
        return support.write_json(
            os.path.join(self.folder(f"job-{len(os.listdir(self.scratch))}"), "job.json"), job
        )

    def train_fails(self, job, *phrases, code=3, ranks=(1, 3), **options):
        self.refused(["train", self.job_of(job)], code, *phrases, ranks=ranks, **options)

    def test_the_good_ones_train(self):
        for name in ("good", "good_regression"):
            self.train(patched(binary_job(self.path(name)), {"name": name}), 3, name)

    def test_every_fault_has_a_test(self):
        made = {name[:-3] for name in os.listdir(self.faulty) if name.endswith(".h5")}
        self.assertEqual(
            made - set(FAULTS), {"good", "good_regression", "label_outside", "label_negative"}
        )

    def test_faulty_files(self):
        for name, phrases in FAULTS.items():
            with self.subTest(name):
                self.train_fails(binary_job(self.path(name)), self.path(name), *phrases)

    def test_faulty_held_out_file(self):
        for name, phrases in (("nan_row", ("row 123",)), ("no_y", ("/y",)), ("not_hdf5", ())):
            job = patched(
                binary_job(self.path("good")), {"data.validation": {"files": self.path(name)}}
            )
            with self.subTest(name):
                self.train_fails(job, self.path(name), *phrases)

    def test_fault_in_the_second_file(self):
        paths = [self.path("good"), self.path("inf_row")]
        self.train_fails(patched(binary_job(""), {"data.files": paths}), paths[1], "row 77")

    def test_labels_outside_the_classes(self):
        self.train_fails(
            classes_job(self.path("label_outside")),
            self.path("label_outside"),
            "/y",
            "row 55",
            "12",
        )
        self.train_fails(
            classes_job(self.path("label_negative")),
            self.path("label_negative"),
            "/y",
            "row 55",
            "-3",
        )

    def test_target_that_is_not_finite(self):
        y = np.ones(200, np.float32)
        y[31] = np.nan
        x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
        path = support.write_h5(f"{self.shared}/nan_target.h5", x=x, y=y)
        self.train_fails(binary_job(path), path, "/y", "row 31")

    def test_first_bad_row_is_named(self):
        """The lowest of several, whichever rank has it."""
        x = np.zeros((300, 4), np.float32)
        x[[250, 41, 160, 299], 1] = np.nan
        path = support.write_h5(f"{self.shared}/many.h5", x=x, y=np.arange(300) % 2)
        self.train_fails(binary_job(path), "row 41", ranks=(1, 2, 3, 4))

    def test_files_of_unequal_width(self):
        path = support.write_h5(
            f"{self.shared}/wide.h5", x=np.zeros((20, 7), np.float32), y=np.zeros(20)
        )
        self.train_fails(patched(binary_job(""), {"data.files": [self.path("good"), path]}), path)
        self.train_fails(
            patched(binary_job(self.path("good")), {"data.validation": {"files": path}}), path
        )

    def test_missing_file_and_directory(self):
        self.train_fails(binary_job("nowhere/data.h5"), "nowhere/data.h5")
        self.train_fails(binary_job(self.shared), self.shared)

    def test_missing_row_weights(self):
        self.train_fails(
            patched(binary_job(self.path("good")), {"data.row_weights": "/w"}),
            self.path("good"),
            "/w",
        )

    def test_more_ranks_than_lanes(self):
        job = patched(binary_job(self.path("good")), {"training.lanes": 2})
        for ranks, enough in (3, "to 4 or more"), (5, "to 8 or more"):  # a power of two
            said = ("training.lanes", "2 lanes", "mpirun -n 2", enough)
            self.train_fails(job, *said, code=2, ranks=(ranks,))
        path = self.job_of(job)
        self.refused(["check", path], 2, "training.lanes", ranks=(3,))

    def test_another_blas_kernel(self):
        job = patched(binary_job(self.path("good")), {"runtime.blas_kernel": "NoSuchKernel"})
        self.train_fails(job, "NoSuchKernel")

    def test_loss_that_cannot_take_the_targets(self):
        y = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
        path = support.write_h5(f"{self.shared}/three.h5", x=np.zeros((200, 2), np.float32), y=y)
        job = patched(
            binary_job(path),
            {"loss": {"type": "mse"}, "data.task": "regression", "model.layers": [dense(2)]},
        )
        self.train_fails(job, "loss.targets", code=2)


class Outputs(Case):
    """Places that cannot be written to."""

    def setUp(self):
        super().setUp()
        self.job = support.write_json(
            os.path.join(self.shared, "job.json"),
            patched(binary_job(self.synth("moons", 400)), {"training.epochs": 3}),
        )

    def test_below_a_regular_file(self):
        home = self.folder("home")
        support.write_json(f"{home}/blocker", 1)
        self.refused(["train", self.job, "-o", "blocker/run"], 3, "blocker", home=home)

    def test_predictions_below_a_regular_file(self):
        trained = self.train(support.read_json(self.job))
        home = self.folder("home")
        support.write_json(f"{home}/blocker", 1)
        self.refused(
            ["predict", trained, self.synth("moons", 400), "-o", "blocker/p.h5"],
            3,
            "blocker",
            home=home,
        )

    def test_immutable_directory(self):
        home = self.folder("home")
        if os.geteuid() != 0:
            os.chmod(home, 0o555)
        elif subprocess.run(["chattr", "+i", home], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("root may write everywhere here, and chattr cannot forbid it")
        try:
            self.refused(["train", self.job, "-o", "run"], 3, "run", home=home)
        finally:
            if os.geteuid() == 0:
                subprocess.run(["chattr", "-i", home], check=True)
            else:
                os.chmod(home, 0o755)

    def in_mount(self, options, arguments, ranks, prepare="true"):
        """Runs pitprop with ./disk on a file system of its own; the result, and what is left."""
        home = self.folder(f"mount-{len(os.listdir(self.scratch))}")
        os.mkdir(f"{home}/disk")
        script = (
            f'mount -t tmpfs -o {options} tmpfs disk || exit 99; {prepare}; "$@"; code=$?; '
            "find disk -mindepth 1 >left; exit $code"
        )
        words = ["unshare", "-m", "sh", "-c", script, "sh"] + support.command(arguments, ranks)
        try:
            result = run([], cwd=home, words=words, limit=LIMIT)
        except FileNotFoundError:
            self.skipTest("no unshare here")
        if result.code in (1, 99) and not result.messages:
            self.skipTest("no mount namespaces here")
        with open(f"{home}/left", encoding="utf-8") as file:
            return result, file.read().split("\n")

    def test_read_only_file_system(self):
        for ranks in (1, 3):
            result, left = self.in_mount("ro,size=1m", ["train", self.job, "-o", "disk/run"], ranks)
            self.expect_error(result, 3, "disk/run")
            self.assertEqual(left, [""])

    def test_full_from_the_start(self):
        fill = "head -c 1m /dev/zero >disk/ballast 2>/dev/null"
        for ranks in (1, 3):
            result, left = self.in_mount(
                "size=64k", ["train", self.job, "-o", "disk/run"], ranks, fill
            )
            self.expect_error(result, 3, "disk/run")
            self.assertEqual(left, ["disk/ballast", ""])

    def test_full_in_the_middle(self):
        """Room for the first files but not for a model: what is there stays, for --resume."""
        wide = support.write_json(
            os.path.join(self.shared, "wide.json"),
            patched(
                support.read_json(self.job), {"model.layers": [dense(3000, "relu"), dense("auto")]}
            ),
        )
        for ranks in (1, 3):
            for size in ("24k", "100k"):
                result, left = self.in_mount(
                    f"size={size}", ["train", wide, "-o", "disk/run"], ranks
                )
                self.expect(result, 3)
                self.assertEqual(len(result.errors), 1, f"\n{result}")
                self.assertIn("disk/run", result.errors[0])
                self.assertEqual(
                    [name for name in left if ".tmp-" in name], [], "half a file is left"
                )

    def test_full_while_importing(self):
        result, left = self.in_mount("size=16k", ["synth", "moons", "-o", "disk/moons.h5"], 1)
        self.expect_error(result, 3, "disk/moons.h5")
        self.assertEqual(left, [""])

    def test_full_while_predicting(self):
        trained = self.train(support.read_json(self.job))
        for ranks in (1, 3):
            result, left = self.in_mount(
                "size=8k", ["predict", trained, self.synth("moons", 4000), "-o", "disk/p.h5"], ranks
            )
            self.expect_error(result, 3, "disk/p.h5")
            self.assertEqual(left, [""])


class BadRuns(Case):
    """predict: what is no run, and data that do not fit."""

    def test_no_run(self):
        data = self.synth("moons", 400)
        self.refused(["predict", "nowhere", data, "-o", "p.h5"], 2, "nowhere")
        self.refused(["predict", self.folder("empty"), data, "-o", "p.h5"], 2, "empty")
        self.refused(["predict", self.folder("other"), data], 2, "-o")

    def test_data_that_do_not_fit(self):
        trained = self.train(binary_job(self.synth("moons", 400)))
        self.refused(
            ["predict", trained, self.synth("friedman", 300), "-o", "p.h5"], 3, "columns", "2"
        )
        self.refused(["predict", trained, "nowhere.h5", "-o", "p.h5"], 3, "nowhere.h5")
        self.refused(
            ["predict", trained, self.synth("moons", 400), "--x", "/z", "-o", "p.h5"], 3, "/z"
        )

    def test_damaged_model(self):
        trained = self.train(binary_job(self.synth("moons", 400)))
        model = f"{trained}/model.safetensors"
        whole = support.read_bytes(model)
        with open(model, "r+b") as file:
            file.seek(len(whole) - 3)
            file.write(bytes([whole[-3] ^ 4]))
        self.refused(
            ["predict", trained, self.synth("moons", 400), "-o", "p.h5"],
            3,
            "model.safetensors",
            "checksum",
        )
        os.truncate(model, len(whole) // 2)
        self.refused(
            ["predict", trained, self.synth("moons", 400), "-o", "p.h5"], 3, "model.safetensors"
        )


if __name__ == "__main__":
    support.main()
