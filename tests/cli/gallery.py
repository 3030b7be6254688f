"""The gallery of causes: every job is in the table of its README, and a few of them, asked again, answer
what stands there."""

import json
import os
import re

import support
from support import PITPROP, SOURCE, run

GALLERY = os.path.join(SOURCE, "jobs", "causes")
ASKED = ["activation-twice", "clamped-predictions", "constant-features", "learning-rate-too-high", "misaligned-rows",
         "non-finite-data", "saturated-units", "too-few-steps"]


def read_table():
    """{job: cells of its row}, as run.sh prints them."""
    with open(os.path.join(GALLERY, "README.md"), encoding="utf-8") as file:
        rows = [line.strip() for line in file if line.startswith("| [")]
    return {re.match(r"\| \[([a-z-]+)\]", row).group(1): row for row in rows}


class Gallery(support.Case):
    def test_all_jobs_are_in_the_table(self):
        jobs = {name[:-5] for name in os.listdir(GALLERY) if name.endswith(".json")}
        self.assertEqual(jobs, set(read_table()))
        self.assertGreater(len(jobs), 35)

    def test_a_few_answer_what_the_table_says(self):
        words = ["bash", os.path.join(GALLERY, "run.sh"), self.scratch, *ASKED]
        done = run([], words=words, environment={"PITPROP": PITPROP, "RANKS": "2"}, limit=240)
        self.expect(done)
        table = read_table()
        answers = [line for line in done.out.splitlines() if line.startswith("| [")]
        self.assertEqual(len(answers), len(ASKED))
        for name, line in zip(ASKED, answers):
            # skills depend on the BLAS kernel in their last digits: the words must agree
            self.assertEqual(line.split("|")[:5], table[name].split("|")[:5])

    def test_every_cause_of_a_job_file_is_a_cause(self):
        """Names of the files are ids: `why --causes` would refuse none of them."""
        done = run(["why", "--list"])
        self.expect(done)
        known = {line.split()[0] for line in done.out.splitlines() if line}
        self.assertLessEqual(set(read_table()), known)


if __name__ == "__main__":
    support.main()
