"""The measurements, one function each; every command runs on nets.RANKS processes of one thread."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import h5py

import nets

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   PYTHONDONTWRITEBYTECODE="1")
LIMIT = 300  # seconds of one command
WINDOWS = 4  # step rows that count in a run; one more before them warms up


def fail(words, code, text):
    sys.exit(f"bench: {' '.join(words)}: exit code {code}\n{text[-3000:]}")


def run(words, environment=None):
    """Runs a command to its end and returns what it printed."""
    try:
        done = subprocess.run(words, env=environment or ENVIRONMENT, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"bench: {' '.join(words)}: no end within {LIMIT} s")
    if done.returncode != 0:
        fail(words, done.returncode, done.stdout + done.stderr)
    return done.stdout


def on_ranks(*words):
    return ["mpirun", "-n", str(nets.RANKS), *words]


class Bench:
    """pitprop: the program; torch: a Python that has PyTorch; work: directory with gemm and bare, for scratch."""

    def __init__(self, pitprop, torch, work, seconds):
        self.pitprop, self.torch, self.work, self.seconds = map(str, (pitprop, torch, work, seconds))
        self.steps = {}  # (net, lanes) -> steps in a window

    def path(self, name):
        return os.path.join(self.work, name)

    def data_file(self, net):
        path = self.path(f"data-{nets.name(net)}-{net.rows}.h5")
        if not os.path.exists(path):
            x, y = nets.data(net)
            with h5py.File(path + ".part", "w") as file:
                file["x"], file["y"] = x, y.astype("u1")
            os.rename(path + ".part", path)
        return path

    def job_file(self, net, lanes, steps, log_steps):
        path = self.path("job.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(nets.job(net, self.data_file(net), lanes, steps, log_steps), file)
        return path

    def training(self, job, *wrapper):
        return on_ranks(*wrapper, self.pitprop, "train", job, "-o", self.path("run"), "--overwrite", "-q")

    def step_rows(self, net, lanes, steps, log_steps):
        """Trains; the member "timing" of every step row."""
        run(self.training(self.job_file(net, lanes, steps, log_steps)))
        with open(self.path("run/metrics.jsonl"), encoding="utf-8") as file:
            return [row["timing"] for row in map(json.loads, file) if row["type"] == "step"]

    def window(self, net, lanes):
        """Steps that take a share of the time of a measurement: tried once for each net and number of lanes."""
        wanted, steps = float(self.seconds) / WINDOWS, 8
        while (net, lanes) not in self.steps:
            took = self.step_rows(net, lanes, 2 * steps, steps)[1]["seconds"]
            if took > wanted / 4:
                self.steps[net, lanes] = max(1, round(steps * wanted / took))
            steps = max(2 * steps, min(64 * steps, int(steps * wanted / took)))
        return self.steps[net, lanes]

    def pitprop_speed(self, net, lanes):
        """Rates of the steps after the warm-up. The run holds no checkpoint and no evaluation before its end."""
        steps = self.window(net, lanes)
        rows = self.step_rows(net, lanes, (1 + WINDOWS) * steps, steps)[1:]
        seconds = sum(row["seconds"] for row in rows)
        trained = sum(row["rows_per_s"] * row["seconds"] for row in rows)
        return {"rows_per_s": trained / seconds, "steps": WINDOWS * steps, "seconds": seconds,
                "step_s": seconds / (WINDOWS * steps),
                "input": sum(row["input_s"] for row in rows) / seconds,
                "exchange": sum(row["exchange_s"] for row in rows) / seconds}

    def torch_speed(self, net):
        """Two processes of ddp.py. An OpenBLAS of their own picks its kernel itself."""
        environment = {k: v for k, v in ENVIRONMENT.items() if not k.startswith("OPENBLAS_")}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [[self.torch, os.path.join(HERE, "ddp.py"), str(nets.NETS.index(net)), str(rank), str(port),
                  self.seconds] for rank in range(nets.RANKS)]
        with tempfile.TemporaryFile("w+") as errors:
            started = [subprocess.Popen(w, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=errors, text=True) for w in words]
            try:
                out = [process.communicate(timeout=LIMIT)[0] for process in started]
            finally:
                for process in started:
                    process.kill()
            codes = [process.returncode for process in started]
            errors.seek(0)
            if any(codes):
                fail(words[0], codes, errors.read())
        return json.loads(out[0])

    def gemm_step(self, net):
        """Seconds that the bare products of a step take, and the kernel of OpenBLAS."""
        out = run(on_ranks(self.path("gemm"), self.seconds, str(net.batch // nets.RANKS), *map(str, net.widths)))
        zero, one, kernel = out.split()
        return min(float(zero), float(one)), kernel

    def first_step(self, net):
        """Seconds from the start of mpirun to the first step row, and to the end of the one-step command."""
        words = self.training(self.job_file(net, "auto", 1, 1))
        metrics = self.path("run/metrics.jsonl")
        if os.path.exists(metrics):
            os.remove(metrics)
        begun, first = time.monotonic(), None
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(words, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=errors)
            while process.poll() is None:
                if first is None and os.path.exists(metrics) and os.path.getsize(metrics) > 0:
                    first = time.monotonic() - begun
                time.sleep(0.001)
            whole = time.monotonic() - begun
            errors.seek(0)
            if process.returncode != 0 or first is None:
                fail(words, process.returncode, errors.read())
        return first, whole

    def bare_seconds(self):
        begun = time.monotonic()
        run(on_ranks(self.path("bare")))
        return time.monotonic() - begun

    def peak_of(self, make_words):
        """Peak resident bytes of the largest rank of a command."""
        path = self.path("peaks")
        if os.path.exists(path):
            os.remove(path)
        run(make_words(sys.executable, os.path.join(HERE, "peak.py"), path))
        with open(path, encoding="utf-8") as file:
            return max(map(int, file.read().split()))

    def bare_peak(self):
        return self.peak_of(lambda *wrapper: on_ranks(*wrapper, self.path("bare")))

    def peak(self, net, steps=20):
        job = self.job_file(net, "auto", steps, steps)
        return self.peak_of(lambda *wrapper: self.training(job, *wrapper))

    def plan(self, net):
        """What `pitprop check` says, as {name: first number}; bytes where it speaks of MB."""
        found = {}
        for line in run(on_ranks(self.pitprop, "check", self.job_file(net, "auto", 1, 1))).splitlines():
            name, value = line[:25].strip(), line[25:].split()
            if line.startswith("  ") and value:
                found[name] = float(value[0]) * (1e6 if value[1:2] == ["MB"] else 1)
        return found

    def version(self):
        """`pitprop version` as {part: text}."""
        return dict(line.split(None, 1) for line in run([self.pitprop, "version"]).splitlines())
