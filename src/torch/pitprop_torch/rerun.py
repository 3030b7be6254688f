"""Runs of the user's script in processes of their own, in copies of the working directory."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile

MOST_BYTES = 1 << 30  # of a working directory that is copied
LEFT_OUT = (".git", "__pycache__", ".venv", "venv", "runs", "node_modules", "pitprop-torch")


class ScriptFailed(Exception):
    pass


def environment(threads=True):
    everything = dict(os.environ)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    everything["PYTHONPATH"] = here + os.pathsep + everything.get("PYTHONPATH", "")
    if threads:
        everything.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return everything


def start(runs, arguments, home, at_once=1, stdout=None):
    """Starts the process that makes the runs: dicts of order, script, result, and where the run has a copy of a
    directory: directory, log."""
    path = tempfile.mktemp(".json", dir=home)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"runs": runs, "at_once": at_once, "home": home}, file)
    words = [sys.executable, "-m", "pitprop_torch.child", path] + arguments
    return subprocess.Popen(words, env=environment(), stdout=stdout, stderr=subprocess.STDOUT if stdout else None)


def read(path):
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except (OSError, EOFError, pickle.UnpicklingError):
        return None


def size_of(directory, limit):
    total = 0
    for folder, folders, files in os.walk(directory):
        folders[:] = [f for f in folders if f not in LEFT_OUT]
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                pass
            if total > limit:
                return total
    return total


def copy_of(directory, home):
    target = tempfile.mkdtemp(prefix="copy-", dir=home)
    shutil.copytree(
        directory, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LEFT_OUT)
    )
    return target


def place(script, cwd, copy):
    """The script's path in the copy, where it lies below the working directory."""
    absolute = os.path.abspath(script)
    inside = os.path.relpath(absolute, cwd)
    return absolute if inside.startswith("..") else os.path.join(copy, inside)


def run_all(script, arguments, orders, cwd, home, at_once=2):
    """Results of one run for each order, in their order; None for a run that left none."""
    names = [tempfile.mktemp(dir=home) for _ in orders]
    runs = [
        {"order": order, "script": script, "result": name + ".pickle", "directory": cwd, "log": name + ".txt"}
        for order, name in zip(orders, names)
    ]
    start(runs, arguments, home, at_once).wait()
    results = [read(run["result"]) for run in runs]
    for result, run in zip(results, runs):
        if result is not None:
            result["said"] = last_line(run["log"])
    return results


def last_line(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1][:110] if lines else ""
