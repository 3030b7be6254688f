#!/usr/bin/python3
"""Trains small networks with Pitprop and with PyTorch and compares them step by step.

Both start from Pitprop's initial weights and see the same batches. Five deviations are printed:

  loss     of the steps' losses, relative to the largest loss
  norm     of the steps' gradient norms (before clipping), relative to the largest
  lr       of the steps' learning rates, relative to the largest
  weights  of the final weights and running statistics, relative to the furthest that any moved
  final    of the loss on all rows with the final weights, batch norm by its running statistics

A case fails when one of them exceeds its limit. Exit code 1: a case failed; 2: wrong usage.
Dropout is not compared, as the random streams differ.
Needs PyTorch >= 1.13, h5py and NumPy (Debian: python3-torch, python3-h5py).
"""
import argparse
import fnmatch
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import warnings

import h5py
import numpy
import torch

import cases
import twin

# A few times what float32 rounding was seen to do in 10 to 30 steps; learning rates are doubles.
LIMITS = {"loss": 1e-6, "norm": 1e-6, "lr": 1e-12, "weights": 1e-5, "final": 1e-6}


class Failure(Exception):
    """A run that cannot be compared."""


def run_pitprop(command, folder, job, x, y, weights):
    """Returns initial weights, step rows, final row and final weights."""
    with h5py.File(folder / "data.h5", "w") as file:
        file["x"], file["y"], file["weights"] = x, y, weights
    job["data"]["files"] = str(folder / "data.h5")
    (folder / "job.json").write_text(json.dumps(job, indent=1))
    run = folder / "run"
    line = command + ["train", str(folder / "job.json"), "--output", str(run), "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failure(f"exit code {done.returncode}: {done.stderr.strip()}")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [row for row in rows if row["type"] == "step"]
    finals = [row for row in rows if row["type"] == "final"]
    if len(steps) != job["training"]["steps"] or len(finals) != 1:
        raise Failure(f"metrics.jsonl has {len(steps)} step rows and {len(finals)} final rows")
    initial = twin.read_safetensors(run / "initial.safetensors")
    return initial, steps, finals[0], twin.read_safetensors(run / "model.safetensors")


def largest(values):
    return max((float(numpy.abs(v).max()) for v in values if numpy.size(v)), default=0.0)


def relative(ours, theirs):
    """Largest difference by largest value; infinite where anything is not finite."""
    ours, theirs = numpy.asarray(ours, "f8"), numpy.asarray(theirs, "f8")
    if not (numpy.isfinite(ours).all() and numpy.isfinite(theirs).all()):
        return numpy.inf
    return largest([ours - theirs]) / (largest([theirs]) or 1.0)


def weight_deviation(initial, ours, theirs):
    if set(ours) != set(theirs):
        raise Failure(f"the models differ in {sorted(set(ours) ^ set(theirs))}")
    if not all(numpy.isfinite(ours[name]).all() for name in ours):
        return numpy.inf
    moved = largest([theirs[name] - initial[name] for name in theirs])
    if moved < 1e-2:
        raise Failure(f"the weights moved by {moved:.2g} only: too little to compare")
    return largest([ours[name] - theirs[name] for name in theirs]) / moved


def compare(command, case, folder):
    """{measure: deviation} of a case."""
    job = cases.make_job(case)
    x, y, row_weights = cases.make_data(case)
    initial, steps, final, ours = run_pitprop(command, folder, job, x, y, row_weights)
    weights = row_weights * cases.class_weights(job, y)
    log, theirs, loss = twin.train(job, x, y, weights, initial)

    def column(measure):
        return relative([row[measure] for row in steps], [row[measure] for row in log])

    return {
        "loss": column("loss"),
        "norm": column("gradient_norm"),
        "lr": column("lr"),
        "weights": weight_deviation(initial, ours, theirs),
        "final": relative([final["train"]["loss"]], [loss]),
    }


def report(case, deviations):
    failed = [f"{m} > {limit:.0e}" for m, limit in LIMITS.items() if not deviations[m] <= limit]
    numbers = "  ".join(f"{deviations[m]:8.1e}" for m in LIMITS)
    verdict = "FAILED: " + ", ".join(failed) if failed else "ok"
    print(f"{case.name:26} {numbers}  {verdict}", flush=True)
    return not failed


def try_case(command, case):
    try:
        with tempfile.TemporaryDirectory() as folder:
            return report(case, compare(command, case, pathlib.Path(folder)))
    except (Failure, OSError, subprocess.TimeoutExpired) as problem:
        print(f"{case.name:26} FAILED: {problem}", flush=True)
        return False


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pitprop", default="build/pitprop", help="program (default %(default)s)")
    parser.add_argument("--launcher", default="", help="put in front of it, such as 'mpirun -n 2'")
    parser.add_argument("--cases", default="*", help="names to run, such as 'adam*' (default all)")
    parser.add_argument("--list", action="store_true", help="only print the names")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    chosen = [c for c in cases.all_cases() if fnmatch.fnmatch(c.name, arguments.cases)]
    if arguments.list:
        print("\n".join(case.name for case in chosen))
        return 0
    if not chosen:
        print(f"--cases {arguments.cases}: no such case; see --list", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    # SequentialLR calls its parts in a way that PyTorch itself calls deprecated.
    warnings.filterwarnings("ignore", message="The epoch parameter in `scheduler.step")
    command = shlex.split(arguments.launcher) + [arguments.pitprop]
    print(f"{'case':26} " + "  ".join(f"{m:>8}" for m in LIMITS))
    agree = sum(try_case(command, case) for case in chosen)
    print(f"{agree} of {len(chosen)} cases agree with PyTorch {torch.__version__}")
    return 0 if agree == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
