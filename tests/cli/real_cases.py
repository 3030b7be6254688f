"""The programs of jobs/real-cases: each runs, gets a verdict; the odd ones are warned about."""

import os
import subprocess
import sys

import support
from support import SOURCE

CASES = os.path.join(SOURCE, "jobs", "real-cases")
# What the warnings must name; none: nothing in the job itself is odd.
WARNINGS = {
    "so-58572274": ("loss.type",),
    "so-50306988": (),
    "so-48251943": ("model.layers[1].activation",),
    "so-59078187": ("model.layers[2].activation",),
    "so-44758894": ("model.layers[1].activation", "loss.type"),
    "so-59758722": ("model.layers[2].activation",),
    "so-62313327": ("model.layers[1].activation",),
    "so-41596619": ("model.layers",),
    "so-51930566": ("loss.type",),
    "so-66602662": ("loss.type", "model.layers"),
    "so-57397440": ("model.layers[4].activation",),
    "so-57326611": ("loss.type",),
    "so-39525358": (),
    "so-34673164": ("loss.type",),
    "so-59325381": (),
    "so-47735201": ("model.layers[11].activation",),
}
# Long ones are cut short; what is expected below holds after any number of epochs.
SHORTER = {
    "so-62313327": 1,
    "so-47735201": 5,
    "so-39525358": 40,
    "so-48251943": 100,
    "so-50306988": 100,
}


def same_answer_to_all(case, verdict, final):
    case.assertIs(verdict["collapse"], True)
    case.assertEqual(verdict["evidence"]["train"]["classes_predicted"], 1)


def always_one(case, verdict, final):
    same_answer_to_all(case, verdict, final)
    case.assertEqual((verdict["evidence"]["train"]["min"], verdict["evidence"]["train"]["max"]), (1, 1))


def no_loss(case, verdict, final):
    same_answer_to_all(case, verdict, final)
    case.assertEqual(final["train"]["loss"], 0)


def never_negative(case, verdict, final):
    case.assertGreaterEqual(verdict["evidence"]["train"]["min"], 0)


def at_most_one(case, verdict, final):
    never_negative(case, verdict, final)
    case.assertLessEqual(verdict["evidence"]["train"]["max"], 1)


def far_below_the_targets(case, verdict, final):
    at_most_one(case, verdict, final)
    case.assertIs(verdict["collapse"], True)


def half(case, verdict, final):
    case.assertEqual(verdict["verdict"], "at-half")


def fails_on_held_out_rows(case, verdict, final):
    case.assertGreater(final["train"]["accuracy"], 0.9)
    case.assertLess(final["validation"]["accuracy"], 0.3)


# What follows from the mathematics of the program, whatever the data and the seed.
BY_CONSTRUCTION = {
    "so-57397440": always_one,
    "so-66602662": no_loss,
    "so-41596619": same_answer_to_all,
    "so-48251943": never_negative,
    "so-59758722": never_negative,
    "so-62313327": at_most_one,
    "so-59078187": far_below_the_targets,
    "so-57326611": half,
    "so-59325381": fails_on_held_out_rows,
}


class RealCases(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_data(os.path.join(cls.shared, "data"))

    @staticmethod
    def make_data(folder):
        subprocess.run(
            [sys.executable, os.path.join(CASES, "make_data.py"), folder], check=True, timeout=60
        )

    def test_all_are_here(self):
        found = {name[:-5] for name in os.listdir(CASES) if name.endswith(".json")}
        self.assertEqual(found, set(WARNINGS))
        with open(os.path.join(CASES, "README.md"), encoding="utf-8") as file:
            readme = file.read()
        for name in found:
            self.assertEqual(support.read_json(os.path.join(CASES, name + ".json"))["name"], name)
            self.assertIn(name, readme)

    def test_data_are_the_same_every_time(self):
        again = os.path.join(self.scratch, "data")
        self.make_data(again)
        for name in os.listdir(again):
            self.assertEqual(
                support.read_bytes(os.path.join(self.shared, "data", name)),
                support.read_bytes(os.path.join(again, name)),
                name,
            )

    def test_each_trains(self):
        for name, paths in WARNINGS.items():
            with self.subTest(name):
                self.one(name, paths)

    def one(self, name, paths):
        run = os.path.join(self.scratch, name)
        epochs = ["--set", f"training.epochs={SHORTER[name]}"] if name in SHORTER else []
        words = ["train", os.path.join(CASES, name + ".json"), "-o", run, *epochs]
        result = self.expect(support.run(words, cwd=self.shared))
        for path in paths:
            self.assertTrue(
                any(line.startswith(f"pitprop: warning: {path}: ") for line in result.warnings),
                f"no warning about {path}\n{result}",
            )
        if not paths:
            self.assertEqual(result.warnings, [])
        verdict = support.read_json(f"{run}/verdict.json")
        self.assertEqual(verdict["evidence"]["train"]["non_finite"], 0)
        BY_CONSTRUCTION.get(name, lambda *_: None)(self, verdict, support.metrics(run, "final")[0])


if __name__ == "__main__":
    support.main()
