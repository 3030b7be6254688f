"""What the command line tests share.

The environment names what is under test: PITPROP the binary, SOURCE the root of the sources. A test
script ends in support.main(): exit code 0 passed, 1 failed, 77 everything was skipped."""

import atexit
import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

PITPROP = os.path.abspath(os.environ.get("PITPROP", "build/pitprop"))
SOURCE = os.path.abspath(
    os.environ.get("SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
)
TIME_LIMIT = 120  # seconds of one command; a slow machine or a sanitizer must not look like a hang

# Ranks share this machine's cores, whoever runs the tests; mpirun says nothing of its own.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_orte_execute_quiet": "1",
    # Sanitizer builds: whole stacks, as what Open MPI's plug-ins keep is told by the caller's name.
    "ASAN_OPTIONS": "fast_unwind_on_malloc=0",
    "LSAN_OPTIONS": f"print_suppressions=0:suppressions={SOURCE}/tests/support/lsan.supp",
}


# ---- processes ----


def command(arguments, ranks=1, program=None):
    """One rank is a plain process unless ranks is given as a string ("1")."""
    words = [program or PITPROP] + [str(a) for a in arguments]
    return words if ranks == 1 else ["mpirun", "-n", str(ranks)] + words


def start(words, cwd, environment=None, **options):
    everything = dict(os.environ, **ENVIRONMENT)
    if words[0] == "mpirun":  # leaks are looked for in plain processes, which is slow enough
        everything["ASAN_OPTIONS"] = "detect_leaks=0"
    everything.update(environment or {})
    return subprocess.Popen(
        words, cwd=cwd, env=everything, stdin=subprocess.DEVNULL, start_new_session=True, **options
    )


def children_of(pid):
    """All descendants of a process that we started."""
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # gone already
    found, wave = [], [pid]
    while wave:
        wave = [p for p, parent in parents.items() if parent in wave]
        found += wave
    return found


def is_running(pid, name="pitprop"):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    return f"({name[:15]})" in text and text.rsplit(")", 1)[1].split()[0] not in "ZX"


def ranks_of(process):
    """Process ids of the ranks of a started command: its descendants called pitprop, or itself."""
    pids = [process.pid] + children_of(process.pid)
    return sorted(p for p in pids if is_running(p, os.path.basename(PITPROP)))


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def stop(process):
    """Ends a command that we started, with all that it started."""
    pids = [process.pid] + children_of(process.pid)
    if process.poll() is None:
        send(process.pid, signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            pass
    for pid in pids:
        if pid != process.pid and is_running(pid, os.path.basename(PITPROP)):
            send(pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
    process.wait()


class Result:
    """What a command left: exit code, output, and the lines of stderr that are Pitprop's."""

    def __init__(self, words, code, out, err):
        self.words, self.code = words, code
        self.out, self.err = (t.decode("utf-8", "replace") for t in (out, err))
        self.messages = [line for line in self.err.splitlines() if line.startswith("pitprop:")]
        self.errors = [line for line in self.messages if line.startswith("pitprop: error:")]
        self.warnings = [line for line in self.messages if line.startswith("pitprop: warning:")]

    def __str__(self):
        return (
            f"$ {' '.join(self.words)}\nexit code {self.code}\n--- stdout\n{self.out[-3000:]}"
            f"\n--- stderr\n{self.err[-3000:]}"
        )


def run(arguments, ranks=1, cwd=None, limit=TIME_LIMIT, environment=None, words=None):
    """Runs pitprop (or words, as they are) to its end."""
    words = words or command(arguments, ranks)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(words, cwd, environment, stdout=out, stderr=err)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            stop(process)
        out.seek(0)
        err.seek(0)
        result = Result(words, code, out.read(), err.read())
    if code is None:
        raise AssertionError(f"no end within {limit} s\n{result}")
    return result


def wait_until(condition, limit=TIME_LIMIT, pause=0.002):
    """True as soon as condition() is; False when the time is over."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


# ---- files ----


def aside(path, process):
    """The name under which a process writes a file before it is renamed; None: not there yet."""
    found = glob.glob(f"{glob.escape(path)}.tmp-{process.pid}*")
    return found[0] if found else None


def write_json(path, value):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)
    return path


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def write_h5(path, **sets):
    import h5py

    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file.create_dataset(name, data=values, track_times=False)
    return path


def read_h5(path):
    import h5py

    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in file}, dict(file.attrs)


def read_safetensors(path):
    """Tensors and metadata, by the format's own description."""
    data = read_bytes(path)
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    notes = header.pop("__metadata__", {})
    types = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "u1"}
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[first:last], types[entry["dtype"]]).reshape(
            entry["shape"]
        )
    return tensors, notes


def metrics(run_directory, kind=None):
    """Rows of metrics.jsonl, of one type or all."""
    with open(os.path.join(run_directory, "metrics.jsonl"), encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if kind is None or row["type"] == kind]


RESULTS = ("job.json", "verdict.json", "model.safetensors", "metrics.jsonl", "sample.safetensors")


def results(run_directory):
    """The bytes that must not depend on ranks: files of a run, metrics less the member "timing"."""
    found = {name: read_bytes(os.path.join(run_directory, name)) for name in RESULTS}
    text, cuts = re.subn(rb',\s*"timing":\s*\{[^{}]*\}', b"", found["metrics.jsonl"])
    if cuts == 0 or b"timing" in text:
        raise AssertionError(f"{run_directory}/metrics.jsonl: cannot take the timings out")
    found["metrics.jsonl"] = text
    return found


def differences(one, other):
    """What is not equal between two results(), in words; empty when nothing is."""
    faults = []
    for name in RESULTS:
        a, b = one[name], other[name]
        if a == b:
            continue
        at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
        faults.append(
            f"{name}: {len(a)} and {len(b)} bytes, differ from byte {at}: "
            f"{a[max(0, at - 60):at + 60]!r} and {b[max(0, at - 60):at + 60]!r}"
        )
    return "\n".join(faults)


def listing(directory):
    """Every file and directory below a directory, relative."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, folders, files in os.walk(directory)
        for name in folders + files
    )


# ---- test cases ----


def dense(units, activation="identity", **more):
    return {"type": "dense", "units": units, "activation": activation, **more}


def small_job(path):
    return {
        "name": "small",
        "data": {"files": path, "validation": {"fraction": 0.2}},
        "model": {"layers": [dense(16, "relu"), dense("auto")]},
        "optimizer": {"lr": 0.01},
        "training": {"epochs": 3, "batch": 64, "lanes": 4},
    }


def patched(job, changes):
    """A copy of a job with {"section.key": value} changed."""
    job = json.loads(json.dumps(job))
    for path, value in changes.items():
        place = job
        *folders, last = path.split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return job


class Case(unittest.TestCase):
    """A scratch directory per test, and one for the data of all; both go away at the end."""

    maxDiff = 2000
    shared = None

    @classmethod
    def setUpClass(cls):
        if Case.shared is None:
            Case.shared = tempfile.mkdtemp(prefix="pitprop-data-")
            atexit.register(shutil.rmtree, Case.shared, ignore_errors=True)

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="pitprop-test-")
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def folder(self, name):
        path = os.path.join(self.scratch, name)
        os.makedirs(path)
        return path

    @classmethod
    def synth(cls, name, rows, seed=1):
        path = os.path.join(cls.shared, f"{name}-{rows}-{seed}.h5")
        if not os.path.exists(path):
            made = run(["synth", name, "--rows", rows, "--seed", seed, "-o", path])
            if made.code != 0:
                raise AssertionError(f"no data set\n{made}")
        return path

    def expect(self, result, code=0):
        self.assertEqual(result.code, code, f"\n{result}")
        return result

    def expect_error(self, result, code, *phrases):
        """That exit code, and one message that holds all phrases."""
        self.expect(result, code)
        self.assertEqual(len(result.messages), 1, f"one line wanted\n{result}")
        self.assertEqual(len(result.errors), 1, f"an error wanted\n{result}")
        for phrase in phrases:
            self.assertIn(phrase, result.errors[0], f"\n{result}")
        return result

    def train(self, job, ranks=1, name=None, more=(), code=0, **options):
        """Trains in a directory of its own, so that resolved jobs are equal; returns the run."""
        home = self.folder(name or f"on-{ranks}")
        write_json(os.path.join(home, "job.json"), job)
        result = run(["train", "job.json", "-o", "run", *more], ranks, cwd=home, **options)
        self.expect(result, code)
        return os.path.join(home, "run")

    def assert_same(self, one, other, text):
        faults = differences(one, other)
        self.assertFalse(faults, f"{text}:\n{faults}")


def main():
    if not os.access(PITPROP, os.X_OK):
        print(f"{PITPROP}: not built", file=sys.stderr)
        sys.exit(77)
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful() or result.testsRun == 0:
        sys.exit(1)
    sys.exit(77 if len(result.skipped) == result.testsRun else 0)
