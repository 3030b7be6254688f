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


def start(script, arguments, order, cwd, home, stdout=None):
    """Starts a child; (process, path of its result)."""
    order_path = tempfile.mktemp(".json", dir=home)
    result_path = order_path[:-5] + ".pickle"
    with open(order_path, "w", encoding="utf-8") as file:
        json.dump(order, file)
    words = [sys.executable, "-m", "pitprop_torch.child", order_path, result_path, script] + arguments
    process = subprocess.Popen(
        words, cwd=cwd, env=environment(), stdout=stdout, stderr=subprocess.STDOUT if stdout else None
    )
    return process, result_path


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


def run_all(script, arguments, orders, cwd, home, at_once=2, limit=None):
    """Results of one run for each order, in their order; None for a run that left none."""
    results, running, waiting = [None] * len(orders), [], list(enumerate(orders))
    while waiting or running:
        while waiting and len(running) < at_once:
            number, order = waiting.pop(0)
            copy = copy_of(cwd, home)
            log = open(os.path.join(home, f"rerun-{os.path.basename(copy)}.txt"), "wb")
            process, path = start(place(script, cwd, copy), arguments, order, copy, home, log)
            running.append((number, process, path, log, copy))
        number, process, path, log, copy = running.pop(0)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        results[number] = read(path)
        if results[number] is not None:
            results[number]["said"] = last_line(log.name)
        shutil.rmtree(copy, ignore_errors=True)
    return results


def last_line(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1][:110] if lines else ""
